// SPDX-License-Identifier: GPL-2.0
//! Debian's own configuration of the kernel, without its modules.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::stage::{Fingerprint, Progress, Runner, read_text, write_file};

/// The package that holds the configurations, each compressed.
const PACKAGE: &str = "linux-config-7.3";

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The stage that fetches the configuration.
pub fn stage_name(arch: Arch) -> String {
    format!("Debian's configuration {arch}")
}

/// Fetches the configuration that this kernel starts from, if it is Debian's.
pub fn configuration(runner: &Runner, arch: Arch, flavour: Flavour) -> Result<Option<PathBuf>> {
    if !flavour.row().debian {
        return Ok(None);
    }
    if !flavour.is_on(arch) {
        bail!("there is no {} kernel for {arch}", flavour.name());
    }
    let name = format!("{PACKAGE}-{arch}.config");
    let path = runner.paths.source().join(name);
    let inputs = Fingerprint::new("Debian's configuration 1").text(PACKAGE);
    runner.stage(&stage_name(arch), &inputs, &[&path], |progress| {
        let part = path.with_extension("part");
        remove(&part)?;
        fetch(arch, &part, progress).with_context(|| {
            format!("{PACKAGE} cannot be fetched: is there network, or has Debian dropped it?")
        })?;
        let text = read_text(&part.join("config"))?;
        write_file(&path, without_modules(&text).as_bytes())?;
        remove(&part)
    })?;
    Ok(Some(path))
}

/// Downloads and unpacks the package of `arch` in the new directory `part`. The sandbox's
/// lists of packages are of its own architecture, so that apt gets other ones.
fn fetch(arch: Arch, part: &Path, progress: &Progress) -> Result<()> {
    fs::create_dir_all(part.join("lists/partial"))?;
    fs::create_dir_all(part.join("cache/archives/partial"))?;
    let debian = arch.debian();
    let apt = |arguments: &[&str], what| {
        let mut apt = Command::new("apt-get");
        apt.arg("-q")
            .args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"])
            .args(["-o", "Acquire::Languages=none"])
            .arg(format!("-oAPT::Architecture={debian}"))
            .arg(format!("-oAPT::Architectures={debian}"))
            .arg(format!("-oDir::State::lists={}/lists", part.display()))
            .arg(format!("-oDir::Cache={}/cache", part.display()))
            .args(arguments)
            .current_dir(part);
        progress.run(&mut apt, what, LIMIT)
    };
    apt(&["update", "--error-on=any"], "apt-get update")?;
    apt(&["download", PACKAGE], "apt-get download")?;
    let unpack = format!(
        "dpkg-deb -x *.deb . && xz -dc usr/src/{PACKAGE}/config.{debian}_none_{debian}.xz >config"
    );
    progress.run(
        Command::new("sh").arg("-ec").arg(unpack).current_dir(part),
        "unpacking the configuration",
        LIMIT,
    )
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Switches off each module of a configuration. A missing line would not do: many modules
/// are on by default.
fn without_modules(config: &str) -> String {
    let line = |line: &str| match line.strip_suffix("=m") {
        Some(option) => format!("# {option} is not set\n"),
        None => format!("{line}\n"),
    };
    config.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_switched_off() {
        let config = "# Linux\nCONFIG_A=y\nCONFIG_B=m\nCONFIG_C=\"x=m\"\n# CONFIG_D is not set\n";
        assert_eq!(
            without_modules(config),
            "# Linux\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x=m\"\n\
             # CONFIG_D is not set\n"
        );
    }
}
