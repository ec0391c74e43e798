// SPDX-License-Identifier: GPL-2.0
//! What all Debian roots have in common. Most of them are only unpacked: none of their
//! programs runs, so that they may be of any architecture and any suite.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::stage::files_below;

/// The suite that the sandbox and the guests are of.
pub const SUITE: &str = "trixie";

/// The files with the sandbox's apt sources.
pub fn sources() -> Result<Vec<PathBuf>> {
    let mut files = files_below(Path::new("/etc/apt/sources.list.d"))?;
    files.push("/etc/apt/sources.list".into());
    files.retain(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0));
    Ok(files)
}

/// `mmdebstrap` with the options of all roots that are only unpacked. The caller adds the suite, the target
/// and the sources.
pub fn mmdebstrap(packages: &[&str]) -> Command {
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--mode=root", "--variant=extract"])
        .arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr")
        .arg(format!("--include={}", packages.join(",")));
    command.args(settings());
    command
}

/// The option with the sandbox's own settings: retries and proxies.
pub fn settings() -> Option<String> {
    let settings = Path::new("/etc/apt/apt.conf.d/99mmdebstrap");
    settings
        .exists()
        .then(|| format!("--aptopt={}", settings.display()))
}
