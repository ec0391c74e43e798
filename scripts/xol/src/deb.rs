// SPDX-License-Identifier: GPL-2.0
//! Debian packages of the patched kernel, for real hardware.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::kernel::{self, Make};
use crate::source::{self, Source};
use crate::stage::Runner;

/// Builds packages with the configuration `config`, or with the small one that
/// the guests use.
pub fn run(runner: &Runner, archs: &[Arch], config: Option<&Path>) -> Result<()> {
    let stages: Vec<_> = archs.iter().map(|arch| format!("deb {arch}")).collect();
    runner.plan(source::STAGES);
    runner.plan(stages.clone());
    let source = source::prepare(runner)?;
    for (&arch, stage) in archs.iter().zip(&stages) {
        build(runner, &source, arch, config, stage)?;
    }
    Ok(())
}

fn build(
    runner: &Runner,
    source: &Source,
    arch: Arch,
    config: Option<&Path>,
    stage: &str,
) -> Result<()> {
    let packages = runner.paths.build().join("deb").join(arch.name());
    let folder = packages.join("kernel");
    let fragments = match config {
        Some(config) => vec![config.to_owned()],
        None => kernel::fragments(runner, arch, Flavour::Rust),
    };
    let mut inputs = kernel::toolchain(runner)?
        .text("deb")
        .text(arch.name())
        .text(&source.hash);
    for fragment in &fragments {
        inputs = inputs.file(fragment)?;
    }
    let mut outputs = deb_files(&packages).unwrap_or_default();
    if outputs.is_empty() {
        // If all were moved elsewhere, they are built again.
        outputs.push(packages.join("*.deb"));
    }
    let outputs: Vec<_> = outputs.iter().map(PathBuf::as_path).collect();
    runner.stage(stage, &inputs, &outputs, |progress| {
        // bindeb-pkg puts them beside the build directory.
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for old in deb_files(&packages)? {
            fs::remove_file(old)?;
        }
        let mut make = Make::new(runner, source, arch, Flavour::Rust);
        make.folder.clone_from(&folder);
        match config {
            None => make.configure(&fragments, progress)?,
            Some(config) => {
                fs::copy(config, folder.join(".config"))
                    .with_context(|| format!("cannot copy {}", config.display()))?;
                let mut make = make.command(&["olddefconfig"]);
                progress.run(&mut make, "make olddefconfig", kernel::CONFIGURE_LIMIT)?;
                let text = fs::read_to_string(folder.join(".config"))?;
                if !text.lines().any(|line| line == "CONFIG_UPROBES_XOL_RUST=y") {
                    progress.say(
                        "CONFIG_UPROBES_XOL_RUST is off in this configuration: \
                         it needs RUST and UPROBES, and is off by default",
                    );
                }
            }
        }
        make.build_packages(progress)?;
        if deb_files(&packages)?.is_empty() {
            bail!("bindeb-pkg has left no package");
        }
        Ok(())
    })?;
    println!("Packages:");
    for package in deb_files(&packages)? {
        println!("   {}", runner.paths.outside(&package).display());
    }
    Ok(())
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
