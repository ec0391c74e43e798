// SPDX-License-Identifier: GPL-2.0
//! Debian packages of kernels, for real hardware and for guests with Debian's userland.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::distro;
use crate::flavour::Flavour;
use crate::kernel::{self, Make};
use crate::source::{self, Source};
use crate::stage::{Fingerprint, Progress, Runner, read_text};

/// Builds packages with the configuration `config`, or with Debian's own.
pub fn run(runner: &Runner, archs: &[Arch], config: Option<&Path>) -> Result<()> {
    let flavour = Flavour::Distro;
    runner.plan(source::STAGES);
    for &arch in archs {
        runner.plan(match config {
            Some(_) => vec![format!("deb {arch}")],
            None => stage_names(arch, flavour),
        });
    }
    let source = source::prepare(runner)?;
    for &arch in archs {
        let packages = match config {
            Some(config) => build(runner, &source, arch, config)?,
            None => packages(runner, &source, arch, flavour)?,
        };
        println!("Packages:");
        for package in packages {
            println!("   {}", runner.paths.outside(&package).display());
        }
    }
    Ok(())
}

/// The stages of [`packages`].
pub fn stage_names(arch: Arch, flavour: Flavour) -> Vec<String> {
    vec![
        distro::stage_name(arch),
        kernel::stage_name(arch, flavour),
        format!("deb {arch} {}", flavour.name()),
    ]
}

/// Builds a kernel with Debian's configuration and its packages, beside the build
/// directory. Returns the packages.
pub fn packages(
    runner: &Runner,
    source: &Source,
    arch: Arch,
    flavour: Flavour,
) -> Result<Vec<PathBuf>> {
    let inputs = kernel::build(runner, source, arch, flavour)?.text("deb 1");
    let make = Make::new(runner, source, arch, flavour);
    let [.., stage] = &stage_names(arch, flavour)[..] else {
        unreachable!("there are three");
    };
    make_packages(runner, stage, &inputs, &make, |progress| {
        make.build_packages(&["-Ppkg.linux-upstream.nokerneldbg"], progress)
    })
}

/// Builds packages with the configuration of a user.
fn build(runner: &Runner, source: &Source, arch: Arch, config: &Path) -> Result<Vec<PathBuf>> {
    let inputs = kernel::toolchain(runner)?
        .text("deb")
        .text(arch.name())
        .text(&source.hash)
        .file(config)?;
    let mut make = Make::new(runner, source, arch, Flavour::Rust);
    make.folder = runner
        .paths
        .build()
        .join("deb")
        .join(arch.name())
        .join("kernel");
    make_packages(runner, &format!("deb {arch}"), &inputs, &make, |progress| {
        let copy = make.folder.join(".config");
        fs::create_dir_all(&make.folder)
            .and_then(|()| fs::copy(config, &copy))
            .with_context(|| format!("cannot write {}", copy.display()))?;
        let mut configure = make.command(&["olddefconfig"]);
        progress.run(&mut configure, "make olddefconfig", kernel::CONFIGURE_LIMIT)?;
        if !read_text(&copy)?
            .lines()
            .any(|line| line == "CONFIG_UPROBES_XOL_RUST=y")
        {
            progress.say(
                "CONFIG_UPROBES_XOL_RUST is off in this configuration: \
                 it needs RUST and UPROBES, and is off by default",
            );
        }
        make.build_packages(&[], progress)
    })
}

/// The stage in which `work` puts packages beside the build directory of `make`.
fn make_packages(
    runner: &Runner,
    stage: &str,
    inputs: &Fingerprint,
    make: &Make<'_>,
    work: impl FnOnce(&Progress) -> Result<()>,
) -> Result<Vec<PathBuf>> {
    let folder = make
        .folder
        .parent()
        .context("the build directory is the root")?;
    let mut outputs = deb_files(folder).unwrap_or_default();
    if outputs.is_empty() {
        // If all were moved elsewhere, they are built again.
        outputs.push(folder.join("*.deb"));
    }
    let outputs: Vec<_> = outputs.iter().map(PathBuf::as_path).collect();
    runner.stage(stage, inputs, &outputs, |progress| {
        for old in deb_files(folder).unwrap_or_default() {
            fs::remove_file(old)?;
        }
        work(progress)?;
        if deb_files(folder)?.is_empty() {
            bail!("bindeb-pkg has left no package");
        }
        Ok(())
    })?;
    deb_files(folder)
}

fn deb_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
