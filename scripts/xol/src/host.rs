// SPDX-License-Identifier: GPL-2.0
//! Tests that need no kernel: the cargo crates of the checkout, with rustfmt
//! and clippy.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::jobs::Tally;
use crate::stage::{Progress, Runner};

const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Every crate of the checkout; one that is not there is not tested.
const CRATES: [&str; 2] = ["scripts/xol", "tools/testing/uprobes-xol"];

/// Tests all crates. What does not compile, is not formatted or has warnings
/// counts as a failed case.
pub fn test(runner: &Runner) -> Result<Tally> {
    runner.always("test-host", |progress| {
        let mut total = Tally::default();
        for name in CRATES {
            let folder = runner.paths.checkout.join(name);
            if folder.join("Cargo.toml").exists() {
                total += test_crate(name, &folder, progress)?;
            }
        }
        Ok(total)
    })
}

fn test_crate(name: &str, folder: &Path, progress: &Progress) -> Result<Tally> {
    let mut total = Tally::default();
    for arguments in [
        &["fmt", "--check"][..],
        &[
            "clippy",
            "--quiet",
            "--locked",
            "--release",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        &["test", "--locked", "--release"],
    ] {
        let what = format!("{name}: cargo {}", arguments[0]);
        progress.message(&what);
        let mut cases = Tally::default();
        let mut cargo = Command::new("cargo");
        let result = progress.run_lines(
            cargo.args(arguments).current_dir(folder),
            &what,
            LIMIT,
            |line| {
                if let Some(result) = tally(line) {
                    cases += result;
                }
                if line.starts_with("test ") && line.ends_with("FAILED") {
                    progress.say(&format!("{name}: {line}"));
                }
            },
        );
        total += cases;
        match result {
            Ok(()) if arguments[0] != "test" => total.passed += 1,
            Err(error) if cases.failed == 0 => {
                crate::command::check_interrupted()?;
                progress.say(&format!("{error:#}"));
                total.failed += 1;
            }
            _ => {}
        }
    }
    Ok(total)
}

/// Reads `test result: ok. 4 passed; 0 failed; ...`.
fn tally(line: &str) -> Option<Tally> {
    let rest = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut parts = rest.split("; ");
    let mut count = |what| parts.next()?.strip_suffix(what)?.trim().parse().ok();
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_read() {
        let line = "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured";
        let want = Tally {
            passed: 4,
            failed: 2,
        };
        assert_eq!(tally(line), Some(want));
        assert_eq!(tally("test stage::tests::x ... ok"), None);
    }
}
