// SPDX-License-Identifier: GPL-2.0
//! Tests that need no kernel: the crates of the checkout, with rustfmt and clippy.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::command::Interrupted;
use crate::herd::{self, Herd};
use crate::jobs::Tally;
use crate::plugin;
use crate::stage::{Progress, Runner};

const LIMIT: Duration = Duration::from_secs(20 * 60);

/// A crate of the checkout.
struct Crate {
    folder: &'static str,
    profile: &'static str,
    /// The sets of features that it is tested with.
    features: &'static [&'static str],
}

/// The crate that explores the slot layer, and measures it.
pub const EXPLORER: &str = "tools/testing/uprobes-xol";

const CRATES: [Crate; 3] = [
    Crate {
        folder: "scripts/xol",
        profile: "release",
        features: &[""],
    },
    Crate {
        folder: EXPLORER,
        profile: "dev",
        features: &[
            "",
            "loom",
            "loom,two-slots",
            "loom,two-pages",
            "shuttle",
            "shuttle,two-slots",
            "shuttle,two-pages",
        ],
    },
    Crate {
        folder: plugin::FOLDER,
        profile: "dev",
        features: &[""],
    },
];

/// The stages of [`test`].
const STAGES: [&str; 3] = [herd::STAGES[0], herd::STAGES[1], "test-host"];

/// Tests all crates. A crate that does not compile, is not formatted or has warnings
/// counts as a failed case.
pub fn test(runner: &Runner) -> Result<Tally> {
    runner.plan(STAGES);
    let herd = herd::prepare(runner)?;
    runner.always("test-host", |progress| {
        let mut total = Tally::default();
        for tested in &CRATES {
            let folder = runner.paths.checkout.join(tested.folder);
            total += cargo(tested, &folder, &herd, &["fmt", "--check"], progress)?;
            for features in tested.features {
                let options = [
                    "--locked",
                    "--profile",
                    tested.profile,
                    "--features",
                    features,
                ];
                let clippy = [&["clippy", "--quiet"][..], &options, &DENY_WARNINGS].concat();
                total += cargo(tested, &folder, &herd, &clippy, progress)?;
                let test = [&["test"][..], &options].concat();
                total += cargo(tested, &folder, &herd, &test, progress)?;
            }
        }
        Ok(total)
    })
}

const DENY_WARNINGS: [&str; 5] = ["--workspace", "--all-targets", "--", "-D", "warnings"];

/// Runs cargo, and counts the cases, or that it succeeds.
fn cargo(
    tested: &Crate,
    folder: &Path,
    herd: &Herd,
    arguments: &[&str],
    progress: &Progress,
) -> Result<Tally> {
    let name = tested.folder;
    let features = arguments.iter().skip_while(|word| **word != "--features");
    let features = features.skip(1).copied().take(1);
    let what: Vec<_> = [arguments[0]].into_iter().chain(features).collect();
    let what = format!("{name}: cargo {}", what.join(" ").trim_end());
    progress.message(&what);
    let mut total = Tally::default();
    let mut command = Command::new("cargo");
    command
        .args(arguments)
        .current_dir(folder)
        .env("XOL_HERD", &herd.root)
        .env("XOL_LKMM", &herd.model);
    let result = progress.run_lines(&mut command, &what, LIMIT, |line| {
        if let Some(result) = tally(line) {
            total += result;
        }
        if line.starts_with("test ") && line.ends_with("FAILED") {
            progress.say(&format!("FAILED: {name}: {line}"));
        } else if let Some(caught) = line.strip_prefix("test [caught by: ") {
            // The table of mutants.
            progress.say(&format!("caught by [{caught}"));
        }
    });
    match result {
        Ok(()) if arguments[0] != "test" => total.passed += 1,
        Err(error) if total.failed == 0 => {
            crate::command::check_interrupted()?;
            progress.say(&format!("FAILED: {error:#}"));
            total.failed += 1;
        }
        _ => {}
    }
    Ok(total)
}

/// Whether a mutant of the slot layer is caught by exploring its schedules. `features` are
/// those of the build that has the mutant.
pub fn mutant_is_caught(runner: &Runner, features: &str, mutant: &str) -> Result<bool> {
    runner.always(&format!("mutant host {mutant}"), |progress| {
        let mut total = Tally::default();
        let mut cargo = Command::new("cargo");
        cargo
            .args(["test", "--locked", "--features", features])
            .args(["--test", "explore", "--", "--exact", mutant])
            .current_dir(runner.paths.checkout.join(EXPLORER));
        let result = progress.run_lines(&mut cargo, "cargo test", LIMIT, |line| {
            progress.message(line);
            total += tally(line).unwrap_or_default();
        });
        match result {
            Err(error) if error.is::<Interrupted>() => Err(error),
            // Without a test that was counted, cargo itself failed.
            Err(error) if total == Tally::default() => Err(error),
            _ if total == Tally::default() => bail!("{EXPLORER} has no mutant {mutant}"),
            _ => Ok(total.passed == 1 && total.failed == 0),
        }
    })
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
