// SPDX-License-Identifier: GPL-2.0
//! Gets herd7 and the kernel's memory model, for litmus tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::debian;
use crate::guest::replace;
use crate::source::pristine;
use crate::stage::{Fingerprint, Progress, Runner};

/// The first suite with herdtools7. Its C library is too new for the sandbox, so
/// both are unpacked beside it and nothing is installed.
const NEWER_SUITE: &str = "forky";

const LIMIT: Duration = Duration::from_secs(10 * 60);

pub struct Herd {
    /// A root with herdtools7 and its libraries.
    pub root: PathBuf,
    /// The kernel's `tools/memory-model`.
    pub model: PathBuf,
}

/// The stages of [`prepare`].
pub const STAGES: [&str; 2] = ["source", "herd7"];

/// Fetches what is missing.
pub fn prepare(runner: &Runner) -> Result<Herd> {
    let model = pristine(runner)?.path.join("tools/memory-model");
    let root = runner.paths.cache.join("herd");
    let print = Fingerprint::new("herd7 1").text(NEWER_SUITE);
    let program = root.join("usr/bin/herd7");
    runner.stage("herd7", &print, &[&program], |progress| {
        make_root(&root, progress)
    })?;
    Ok(Herd { root, model })
}

fn make_root(root: &Path, progress: &Progress) -> Result<()> {
    let source = debian::source(NEWER_SUITE)?;
    let mut command = debian::mmdebstrap(&["herdtools7"]);
    // The lists of a suite before its release may count as expired.
    command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"");
    replace(root, |part| {
        command.arg(NEWER_SUITE).arg(part).arg(source);
        progress.run(&mut command, "mmdebstrap", LIMIT)
    })
}
