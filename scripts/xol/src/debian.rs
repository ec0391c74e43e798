// SPDX-License-Identifier: GPL-2.0
//! What all Debian roots have in common. Most of them are only unpacked: none of their
//! programs runs, so that they may be of any architecture and any suite.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::stage::{files_below, read_text};

/// The suite that the sandbox and the guests are of.
pub const SUITE: &str = "trixie";

/// The files with the sandbox's apt sources.
pub fn sources() -> Result<Vec<PathBuf>> {
    let mut files = files_below(Path::new("/etc/apt/sources.list.d"))?;
    files.push("/etc/apt/sources.list".into());
    files.retain(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0));
    Ok(files)
}

/// The line of apt's sources for `suite` alone, of the mirror that the sandbox came from.
pub fn source(suite: &str) -> Result<String> {
    let mut lines = String::new();
    for file in sources()? {
        lines += &read_text(&file)?;
    }
    line(&lines, suite).context(
        "the sandbox has no line for trixie in its apt sources; remove the directory \
         sandbox-* in the cache, so that it is made anew",
    )
}

fn line(sources: &str, suite: &str) -> Option<String> {
    let own = format!(" {SUITE} ");
    let line = sources
        .lines()
        .find(|line| line.starts_with("deb ") && line.contains(&own))?;
    Some(line.replace(&own, &format!(" {suite} ")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_suite_changes() {
        let sources = "deb http://a/debian trixie-updates main\ndeb http://a/debian trixie main\n";
        let want = "deb http://a/debian forky main";
        assert_eq!(line(sources, "forky").as_deref(), Some(want));
        assert_eq!(line("# deb http://a/debian trixie main\n", "forky"), None);
    }
}
