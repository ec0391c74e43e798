// SPDX-License-Identifier: GPL-2.0
//! The QEMU plugin that finds the memory which processors share.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::stage::{Fingerprint, Runner};

/// Its crate.
pub const FOLDER: &str = "tools/testing/uprobes-xol-plugin";

/// The stage of [`build`].
pub const STAGE: &str = "QEMU plugin";

/// What the plugin's complaints begin with.
pub const NAME: &str = "uprobes-xol-plugin";

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Builds the plugin; returns what QEMU loads.
pub fn build(runner: &Runner) -> Result<PathBuf> {
    let folder = runner.paths.checkout.join(FOLDER);
    let target = runner.paths.cache.join("target");
    let library = target.join("release/libuprobes_xol_plugin.so");
    let inputs = Fingerprint::new("plugin 1").tree(&folder)?;
    runner.stage(STAGE, &inputs, &[&library], |progress| {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["build", "--locked", "--release", "--target-dir"])
            .arg(&target)
            .current_dir(&folder);
        progress.run(&mut cargo, "cargo build", LIMIT)
    })?;
    Ok(library)
}
