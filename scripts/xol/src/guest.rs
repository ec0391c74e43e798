// SPDX-License-Identifier: GPL-2.0
//! Makes the initramfs images of guests, with perf and the selftests.

pub mod distro;
pub mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::debian;
use crate::source::Source;
use crate::stage::{Fingerprint, Progress, Runner, files_below};

/// The initramfs images of one architecture, uncompressed cpio.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Busybox, /init, the jobs and the selftests: small, and quick to boot.
    pub base: PathBuf,
    /// The same with bpftrace, its script that draws slots, perf and GNU tools.
    pub full: PathBuf,
    /// Changes with the images, for fingerprints.
    pub hash: String,
}

/// Debian's packages for a guest; `base` takes busybox from them.
const PACKAGES: &[&str] = &[
    "busybox-static",
    "bash",
    "coreutils",
    "bpftrace",
    "bpftool",
    "strace",
    // perf's libraries
    "libdw1t64",
    "libtraceevent1",
    "libzstd1",
    "zlib1g",
];

/// Debian's packages that programs for another architecture are linked with. The
/// compiler's own library is there for its headers and start files.
const SYSROOT_PACKAGES: &[&str] = &[
    "base-files",
    "libc6-dev",
    // for upstream's tests of seccomp
    "libcap-dev",
    "libdw-dev",
    "libelf-dev",
    "libgcc-14-dev",
    // for perf's BPF skeletons
    "libssl-dev",
    "libtraceevent-dev",
    "libzstd-dev",
    "zlib1g-dev",
];

/// Files that a guest does not need.
const LEFT_OUT: &[&str] = &[
    "./usr/share/doc",
    "./usr/share/info",
    "./usr/share/locale",
    "./usr/share/man",
    "./usr/lib/*/gconv",
    "./var/cache",
    "./var/lib/apt",
    "./var/lib/dpkg",
];

/// Options of perf: with BPF skeletons, which Debian's perf lacks, and without the
/// libraries that `bench uprobe` and the usual subcommands do not need.
const PERF_OPTIONS: &[&str] = &[
    "BUILD_BPF_SKEL=1",
    "NO_JEVENTS=1",
    "NO_JVMTI=1",
    "NO_LIBBABELTRACE=1",
    "NO_LIBCAP=1",
    "NO_LIBDEBUGINFOD=1",
    "NO_LIBLLVM=1",
    "NO_LIBNUMA=1",
    "NO_LIBPERL=1",
    "NO_LIBPYTHON=1",
    "NO_LIBUNWIND=1",
    "NO_RUST=1",
    "NO_SDT=1",
    "NO_SLANG=1",
];

const ROOT_LIMIT: Duration = Duration::from_secs(15 * 60);
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
const PACK_LIMIT: Duration = Duration::from_secs(5 * 60);

/// The stage that builds the selftests.
const SELFTESTS: &str = "selftests";

/// The stages of [`build`].
pub fn stage_names(arch: Arch) -> Vec<String> {
    let sysroot = foreign(arch).then_some("sysroot");
    let stages = ["guest root"].into_iter().chain(sysroot);
    let stages = stages.chain(["perf", SELFTESTS, "guest images"]);
    stages.map(|stage| stage_name(stage, arch)).collect()
}

fn stage_name(stage: &str, arch: Arch) -> String {
    format!("{stage} {arch}")
}

/// Whether programs for it need a cross compiler.
fn foreign(arch: Arch) -> bool {
    Arch::host() != Some(arch)
}

/// Makes the root with Debian's programs, and returns its directory.
pub fn root(runner: &Runner, arch: Arch) -> Result<PathBuf> {
    let root = Places::new(runner, arch)?.root;
    let name = stage_name("guest root", arch);
    runner.stage(&name, &root_inputs(), &[&root], |progress| {
        make_root(arch, PACKAGES, &root, progress)
    })?;
    Ok(root)
}

fn root_inputs() -> Fingerprint {
    Fingerprint::new("guest root 1").text(&PACKAGES.join(" "))
}

/// Builds what is missing below `runner.paths.guest(arch)`.
pub fn build(runner: &Runner, arch: Arch, source: &Source) -> Result<Guest> {
    let places = Places::new(runner, arch)?;
    let stage = |name, inputs: &Fingerprint, outputs: &[&Path], work: &dyn Fn(&Progress) -> _| {
        runner.stage(&stage_name(name, arch), inputs, outputs, work)
    };

    root(runner, arch)?;

    let compiler = compiler(arch);
    if foreign(arch) {
        stage("sysroot", &compiler, &[&places.sysroot], &|progress| {
            make_root(arch, SYSROOT_PACKAGES, &places.sysroot, progress)
        })?;
    }

    // The patches leave perf alone.
    let perf = Fingerprint::new("perf 1")
        .text(&compiler.hex())
        .text(&source.identity)
        .text(&PERF_OPTIONS.join(" "));
    stage("perf", &perf, &[&places.perf], &|progress| {
        places.make_perf(&source.pristine, runner.jobs, progress)
    })?;

    let selftests = places.build_selftests(runner, source)?;

    let scripts = runner.paths.checkout.join("scripts/guest");
    let tracing = runner.paths.checkout.join("tools/tracing");
    let images = Fingerprint::new("guest images 1")
        .text(&root_inputs().hex())
        .text(&perf.hex())
        .text(&selftests.hex())
        .text(&LEFT_OUT.join(" "))
        .tree(&scripts)?
        .tree(&tracing)?;
    let guest = Guest {
        base: places.folder.join("base.cpio"),
        full: places.folder.join("full.cpio"),
        hash: images.hex(),
    };
    let outputs = [guest.base.as_path(), guest.full.as_path()];
    stage("guest images", &images, &outputs, &|progress| {
        places.make_images(&scripts, &tracing, &guest, progress)
    })?;
    Ok(guest)
}

/// Builds only the selftests of this machine's architecture, and returns their directory.
pub fn selftests(runner: &Runner, arch: Arch, source: &Source) -> Result<PathBuf> {
    let places = Places::new(runner, arch)?;
    places.build_selftests(runner, source)?;
    Ok(places.selftests.join("uprobes"))
}

/// The packages that programs are compiled with, besides the sandbox's.
fn compiler(arch: Arch) -> Fingerprint {
    let compiler = Fingerprint::new("sysroot 1");
    match foreign(arch) {
        true => compiler.text(&SYSROOT_PACKAGES.join(" ")),
        false => compiler,
    }
}

fn make_root(arch: Arch, packages: &[&str], root: &Path, progress: &Progress) -> Result<()> {
    // Without updates: a mirror may lack their lists for a rare architecture.
    let source = debian::source(debian::SUITE)?;
    let mut command = debian::mmdebstrap(packages);
    command.arg(format!("--architectures={}", arch.debian()));
    replace(root, |part| {
        command.arg(debian::SUITE).arg(part).arg(source);
        progress.run(&mut command, "mmdebstrap", ROOT_LIMIT)
    })
}

struct Places {
    arch: Arch,
    folder: PathBuf,
    root: PathBuf,
    /// Headers and libraries for a cross compiler.
    sysroot: PathBuf,
    perf: PathBuf,
    selftests: PathBuf,
}

impl Places {
    fn new(runner: &Runner, arch: Arch) -> Result<Self> {
        let folder = runner.paths.guest(arch);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", runner.paths.outside(&folder).display()))?;
        Ok(Self {
            arch,
            root: folder.join("root"),
            sysroot: folder.join("sysroot"),
            perf: folder.join("perf"),
            selftests: folder.join("selftests"),
            folder,
        })
    }

    fn make_perf(&self, tree: &Path, jobs: usize, progress: &Progress) -> Result<()> {
        let build = self.folder.join("build-perf");
        fs::create_dir_all(&build)?;
        let mut make = Command::new("make");
        make.arg("-C")
            .arg(tree.join("tools/perf"))
            .arg(format!("O={}", build.display()))
            .arg(format!("-j{jobs}"))
            .args(self.cross())
            .args(PERF_OPTIONS);
        if foreign(self.arch) {
            let flag = self.sysroot_flag();
            for variable in ["EXTRA_CFLAGS", "EXTRA_CXXFLAGS", "LDFLAGS"] {
                make.arg(format!("{variable}={flag}"));
            }
            let libraries = format!("usr/lib/{}/pkgconfig", self.arch.gnu_triplet());
            make.env("PKG_CONFIG_SYSROOT_DIR", &self.sysroot)
                .env("PKG_CONFIG_LIBDIR", self.sysroot.join(libraries));
        }
        // The libraries that an earlier build found may have changed.
        let _ = fs::remove_dir_all(build.join("feature"));
        let mut why = None;
        progress.run_lines(&mut make, "make perf", BUILD_LIMIT, |line| {
            progress.message(line);
            if line.contains("Disabled BPF skeletons") {
                why = Some(line.to_owned());
            }
        })?;
        if let Some(why) = why {
            bail!("perf was built without BPF skeletons: {why}");
        }
        replace(&self.perf, |part| {
            let mut strip = Command::new(format!("{}strip", self.prefix()));
            strip.arg("-o").arg(part).arg(build.join("perf"));
            progress.run(&mut strip, "strip perf", PACK_LIMIT)
        })
    }

    /// The stage of the selftests, for which a foreign architecture needs its sysroot.
    fn build_selftests(&self, runner: &Runner, source: &Source) -> Result<Fingerprint> {
        let inputs = Fingerprint::new("selftests 1")
            .text(&compiler(self.arch).hex())
            .text(&source.identity)
            .tree(&runner.paths.checkout.join("tools/testing/selftests"))?;
        let stage = stage_name(SELFTESTS, self.arch);
        runner.stage(&stage, &inputs, &[&self.selftests], |progress| {
            self.make_selftests(&source.tree, runner.jobs, progress)
        })?;
        Ok(inputs)
    }

    /// Installs the selftests as the kernel's own `make kselftest-install` does.
    fn make_selftests(&self, tree: &Path, jobs: usize, progress: &Progress) -> Result<()> {
        let build = self.folder.join("build-selftests");
        fs::create_dir_all(&build)?;
        let o = format!("O={}", build.display());
        progress.run(
            self.make(tree, jobs).args([&o, "headers"]),
            "make headers",
            BUILD_LIMIT,
        )?;
        replace(&self.selftests, |part| {
            progress.run(
                self.make(&tree.join("tools/testing/selftests"), jobs)
                    .arg(&o)
                    .args(["TARGETS=uprobes", "FORCE_TARGETS=1", "install"])
                    .arg(format!("INSTALL_PATH={}", part.display())),
                "make the selftests",
                BUILD_LIMIT,
            )
        })
    }

    /// `make` in a directory of the kernel tree, for the guest's programs.
    fn make(&self, folder: &Path, jobs: usize) -> Command {
        let mut make = Command::new("make");
        make.arg("-C")
            .arg(folder)
            .arg(format!("-j{jobs}"))
            .args(self.cross());
        if foreign(self.arch) {
            make.arg(format!("CC={}gcc {}", self.prefix(), self.sysroot_flag()));
        }
        make
    }

    fn make_images(
        &self,
        scripts: &Path,
        tracing: &Path,
        guest: &Guest,
        progress: &Progress,
    ) -> Result<()> {
        let staging = self.folder.join("staging");
        let _ = fs::remove_dir_all(&staging);
        let base = staging.join("base");
        for folder in ["dev", "proc", "sys", "tmp", "usr/bin", "usr/sbin"] {
            fs::create_dir_all(base.join(folder))?;
        }
        for (link, target) in [
            ("bin", "usr/bin"),
            ("sbin", "usr/sbin"),
            ("usr/bin/sh", "busybox"),
        ] {
            std::os::unix::fs::symlink(target, base.join(link))?;
        }
        let tools = staging.join("tools/usr/bin");
        fs::create_dir_all(&tools)?;
        copy(&self.perf, &tools.join("perf"))?;
        copy(
            &self.root.join("usr/bin/busybox"),
            &base.join("usr/bin/busybox"),
        )?;
        for (from, to) in [
            (scripts, &base),
            (&self.selftests, &base.join("selftests")),
            (tracing, &tools),
        ] {
            copy_below(from, to)?;
        }
        replace(&guest.base, |part| pack(&[&base], part, progress))?;
        replace(&guest.full, |part| {
            pack(&[&self.root, &staging.join("tools"), &base], part, progress)
        })?;
        fs::remove_dir_all(&staging)?;
        Ok(())
    }

    /// The prefix of the compilers' names; none for this machine's architecture.
    fn prefix(&self) -> String {
        match foreign(self.arch) {
            true => format!("{}-", self.arch.gnu_triplet()),
            false => String::new(),
        }
    }

    fn sysroot_flag(&self) -> String {
        format!("--sysroot={}", self.sysroot.display())
    }

    fn cross(&self) -> [String; 2] {
        [
            format!("ARCH={}", self.arch.kernel_arch()),
            format!("CROSS_COMPILE={}", self.prefix()),
        ]
    }
}

/// Calls `make` with a temporary path, and renames the result when it is complete.
pub fn replace(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let part = path.with_extension("part");
    let remove = |path: &Path| match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    remove(&part)?;
    make(&part)?;
    remove(path)?;
    fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))
}

/// Copies a file with its mode; an error names the file.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// Copies all files below a directory.
fn copy_below(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)? {
        let to = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(to.parent().expect("it has one"))?;
        copy(&file, &to)?;
    }
    Ok(())
}

/// Packs directories into one archive; files of later ones win.
fn pack(folders: &[&Path], archive: &Path, progress: &Progress) -> Result<()> {
    let prune = format!("-path '{}' -prune -o", LEFT_OUT.join("' -prune -o -path '"));
    // The kernel reads archives that follow each other as one.
    let script = format!(
        r#"archive=$1; shift
        for folder; do
            (cd "$folder" && find . {prune} -print0 | LC_ALL=C sort -z |
                cpio --null --create --format=newc --owner=0:0 --reproducible --quiet) || exit
        done >"$archive""#
    );
    progress.run(
        Command::new("bash")
            .args(["-o", "pipefail", "-c", &script, "pack"])
            .arg(archive)
            .args(folders),
        "cpio",
        PACK_LIMIT,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_piece_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("piece");
        fs::write(&path, "old").unwrap();
        let failed = replace(&path, |part| {
            fs::write(part, "half")?;
            bail!("no space")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        replace(&path, |part| Ok(fs::write(part, "new")?)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_folder_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("stale"), "").unwrap();
        replace(&path, |part| Ok(fs::create_dir(part)?)).unwrap();
        assert!(!path.join("stale").exists());
    }
}
