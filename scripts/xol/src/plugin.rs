// SPDX-License-Identifier: GPL-2.0
//! The QEMU plugin that finds memory which several processors use.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::stage::{Fingerprint, Runner};

/// The directory of the crate.
pub const FOLDER: &str = "tools/testing/qemu-contention";

/// The name of the stage of [`build`].
pub const STAGE: &str = "QEMU plugin";

/// The prefix of the plugin's error messages.
pub const NAME: &str = "qemu-contention";

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Builds the plugin. Returns the library that QEMU loads.
pub fn build(runner: &Runner) -> Result<PathBuf> {
    let folder = runner.paths.checkout.join(FOLDER);
    let target = runner.paths.cache.join("target");
    let library = target.join("release/libqemu_contention.so");
    let inputs = Fingerprint::new("plugin 2").tree(&folder)?;
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
