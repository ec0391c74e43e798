// SPDX-License-Identifier: GPL-2.0
//! KUnit and the kselftests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::guest::Guest;
use crate::kernel::Flavour;
use crate::qemu::{self, Boot, Outcome};
use crate::report::summary::title;
use crate::report::tap::{self, Case, Verdict};
use crate::stage::{Runner, files_below};

const KUNIT_LIMIT: Duration = Duration::from_secs(5 * 60);
const KSELFTEST_LIMIT: Duration = Duration::from_secs(40 * 60);

/// More than most hosts have, so that threads meet in more ways.
const PROCESSORS: usize = 4;

/// How many cases passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u32,
    pub failed: u32,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Tally {
    fn of(cases: &[Case]) -> Self {
        Self {
            passed: count(cases, Verdict::Pass),
            failed: count(cases, Verdict::Fail),
        }
    }
}

fn count(cases: &[Case], verdict: Verdict) -> u32 {
    let such = cases.iter().filter(|case| case.verdict == verdict);
    such.count() as u32
}

/// `3 passed, 0 failed, 1 skipped`: neither skipped cases nor failures that are
/// expected count as passed, and neither is hidden.
fn describe(cases: &[Case]) -> String {
    let Tally { passed, failed } = Tally::of(cases);
    let mut text = format!("{passed} passed, {failed} failed");
    for (verdict, word) in [
        (Verdict::Skip, "skipped"),
        (Verdict::ExpectedFailure, "failed as expected"),
    ] {
        match count(cases, verdict) {
            0 => {}
            n => text += &format!(", {n} {word}"),
        }
    }
    text
}

/// Boots the kernels of one architecture for KUnit and the kselftests, says
/// which cases fail, and counts them. An error means that the tests could not
/// be run at all; a failed case, a splat or a guest that hangs is counted.
pub fn run_tests(runner: &Runner, arch: Arch, guest: &Guest) -> Result<Tally> {
    let mut total = Tally::default();
    let engine = qemu::fastest_engine(runner, arch, Flavour::C, &guest.base)?;
    let mut boot = |name: &str, flavour, boot: Boot, judge: &dyn Fn(&Outcome) -> Vec<Case>| {
        let stage = format!("{name} {arch} {}", title(flavour));
        runner.always(&stage, |progress| {
            let outcome = qemu::boot(runner, progress, &boot)?;
            let mut cases = judge(&outcome);
            cases.extend(
                outcome
                    .good()
                    .err()
                    .map(|error| Case::failed("guest", error.to_string())),
            );
            for case in &cases {
                if let Some(word) = worth_saying(case.verdict) {
                    let colon = if case.detail.is_empty() { "" } else { ": " };
                    progress.say(&format!("{word}: {}{colon}{}", case.name, case.detail));
                }
            }
            progress.say(&describe(&cases));
            total += Tally::of(&cases);
            Ok(())
        })
    };

    let suites = kunit_suites(&runner.paths.checkout)?;
    for (name, flavour, initramfs, job, limit) in [
        ("KUnit", Flavour::Rust, &guest.base, "nothing", KUNIT_LIMIT),
        (
            "kselftest",
            Flavour::C,
            &guest.full,
            "kselftest",
            KSELFTEST_LIMIT,
        ),
        (
            "kselftest",
            Flavour::Rust,
            &guest.full,
            "kselftest",
            KSELFTEST_LIMIT,
        ),
    ] {
        let kunit = job == "nothing";
        let boot_it = Boot {
            arch,
            kernel: &runner.paths.image(arch, flavour),
            initramfs,
            engine,
            processors: PROCESSORS,
            jobs: &[job],
            arguments: if kunit { &[] } else { &["kunit.enable=0"] },
            limit,
        };
        boot(name, flavour, boot_it, &|outcome| match kunit {
            true => kunit_cases(&outcome.log, &suites),
            false => tap::parse(outcome.report.iter().map(String::as_str)),
        })?;
    }
    Ok(total)
}

fn worth_saying(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Fail => Some("FAILED"),
        Verdict::Skip => Some("skipped"),
        Verdict::ExpectedFailure => Some("failed as expected"),
    }
}

/// The cases in a kernel's log; a suite that is not there has failed.
fn kunit_cases(log: &str, suites: &BTreeSet<String>) -> Vec<Case> {
    let mut cases = tap::parse(log.lines());
    for suite in suites {
        let prefix = format!("{suite}/");
        if !cases.iter().any(|case| case.name.starts_with(&prefix)) {
            cases.push(Case::failed(suite, "this KUnit suite did not run"));
        }
    }
    cases
}

/// The KUnit suites that the checkout's kernel files define.
fn kunit_suites(checkout: &Path) -> Result<BTreeSet<String>> {
    let mut suites = BTreeSet::new();
    for folder in ["kernel", "rust"] {
        for file in files_below(&checkout.join(folder))? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            suites.extend(suites_in(&text).map(str::to_owned));
        }
    }
    Ok(suites)
}

fn suites_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("#[kunit_tests("))
        .filter_map(|rest| rest.split(')').next())
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn suites_are_found_in_sources() {
        let text = "//! #[kunit_tests(not_this)]\n#[kunit_tests(uprobes_xol)]\nmod tests {}\n\
                    #[kunit_tests(raw_spinlock)]\n";
        assert!(suites_in(text).eq(["uprobes_xol", "raw_spinlock"]));
    }

    #[test]
    fn a_missing_suite_is_a_failure() {
        let log = "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    ok 1 x\nok 1 there\n";
        let suites = ["there".to_owned(), "gone".to_owned()].into();
        let cases = kunit_cases(log, &suites);
        assert_eq!(cases.len(), 2);
        assert_eq!(
            cases[1],
            Case::failed("gone", "this KUnit suite did not run")
        );
    }

    #[test]
    fn nothing_is_hidden() {
        let case = |verdict| Case {
            name: "x".into(),
            verdict,
            detail: String::new(),
        };
        let mut cases = vec![case(Verdict::Pass), case(Verdict::Fail)];
        assert_eq!(describe(&cases), "1 passed, 1 failed");
        cases.extend([case(Verdict::Skip), case(Verdict::ExpectedFailure)]);
        assert_eq!(
            describe(&cases),
            "1 passed, 1 failed, 1 skipped, 1 failed as expected"
        );
        assert_eq!(
            Tally::of(&cases),
            Tally {
                passed: 1,
                failed: 1
            }
        );
    }
}
