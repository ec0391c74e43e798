// SPDX-License-Identifier: GPL-2.0
//! The paths of everything. `scripts/sandbox` binds the checkout, the cache and the
//! user's kernel tree at fixed paths, which are the same on every host, so that ccache
//! finds what was compiled elsewhere.

use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::flavour::Flavour;

pub struct Paths {
    /// The checkout; only `make refresh` writes to it.
    pub checkout: PathBuf,
    /// `XOL_CACHE`: everything is written here, except by `make apply` and `refresh`.
    pub cache: PathBuf,
    /// The user's kernel tree (`KSRC`), when one is given.
    pub ksrc: Option<PathBuf>,
    /// The user's program or directory (`FILE`), if one is given.
    pub file: PathBuf,
}

impl Paths {
    pub fn sandboxed() -> Self {
        let ksrc = Path::new("/ksrc");
        Self {
            checkout: "/xol".into(),
            cache: "/cache".into(),
            ksrc: std::env::var_os("XOL_KSRC").map(|_| ksrc.into()),
            file: "/tmp/file".into(),
        }
    }

    /// Pristine and patched kernel trees.
    pub fn source(&self) -> PathBuf {
        self.cache.join("source")
    }

    /// The build directory (`O=`) of one kernel.
    pub fn kernel(&self, arch: Arch, flavour: Flavour) -> PathBuf {
        let flavour = self.build().join(arch.name()).join(flavour.built().name());
        flavour.join("kernel")
    }

    /// The bootable image of one kernel.
    pub fn image(&self, arch: Arch, flavour: Flavour) -> PathBuf {
        self.kernel(arch, flavour).join(arch.image().1)
    }

    pub fn build(&self) -> PathBuf {
        self.cache.join("build")
    }

    /// Initramfs pieces, perf and selftests for one architecture.
    pub fn guest(&self, arch: Arch) -> PathBuf {
        self.cache.join("guest").join(arch.name())
    }

    /// Tables, JSON and plots.
    pub fn report(&self) -> PathBuf {
        self.build().join("report")
    }

    /// The same of `bench`, and the figures of the run before.
    pub fn bench(&self) -> PathBuf {
        self.build().join("bench")
    }

    /// How programs are covered, and the decoders that find it out.
    pub fn coverage(&self) -> PathBuf {
        self.build().join("coverage")
    }

    /// The results of upstream's own tests.
    pub fn upstream(&self) -> PathBuf {
        self.build().join("upstream")
    }

    /// The seeds that fuzzing goes on with.
    pub fn fuzz(&self) -> PathBuf {
        self.cache.join("fuzz")
    }

    /// One log per stage.
    pub fn log(&self) -> PathBuf {
        self.cache.join("log")
    }

    /// One stamp per completed stage.
    pub fn stamps(&self) -> PathBuf {
        self.cache.join("stamps")
    }

    /// `path` as it is outside the sandbox, for messages.
    pub fn outside(&self, path: &Path) -> PathBuf {
        for (inside, variable) in [
            (Some(&self.cache), "XOL_HOST_CACHE"),
            (Some(&self.checkout), "XOL_HOST_CHECKOUT"),
            (self.ksrc.as_ref(), "XOL_KSRC"),
            (Some(&self.file), "XOL_FILE"),
        ] {
            let (Some(inside), Some(host)) = (inside, std::env::var_os(variable)) else {
                continue;
            };
            match path.strip_prefix(inside) {
                // Without a slash at its end
                Ok(rest) if rest.as_os_str().is_empty() => return host.into(),
                Ok(rest) => return Path::new(&host).join(rest),
                Err(_) => {}
            }
        }
        path.to_owned()
    }
}
