// SPDX-License-Identifier: GPL-2.0
//! Executes random instructions with and without a probe, for as long as asked.
//!
//! Each round has a seed of its own. The next one is kept, so that each call goes on where
//! the last one ended.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::flavour::{Flavour, Tree};
use crate::guest::Guest;
use crate::jobs::tests::{PROCESSORS, Tally, UPSTREAM_FAULTS, expect_faults, say};
use crate::qemu::{self, Boot};
use crate::report::tap::{self, Case, Verdict};
use crate::stage::{Runner, read_text, write_file};

/// The kernels that execute the same cases.
pub const FLAVOURS: [Flavour; 2] = [Flavour::C, Flavour::Rust];

/// The longest round, in minutes: an interrupted one begins again.
const ROUND: u32 = 20;

/// Seconds that a guest may take beside its tests, which end with a whole batch.
const GRACE: u64 = 15 * 60;

/// The sums of what tests print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    executed: u64,
    differing: u64,
    /// Instructions on which the kernel puts no probe.
    refused: u64,
}

impl Figures {
    fn of(report: &[String]) -> Self {
        let mut sum = Self::default();
        for line in report {
            let mut before = 0;
            for word in line.split([' ', ',']).filter(|word| !word.is_empty()) {
                match word {
                    "executed" => sum.executed += before,
                    "differing" => sum.differing += before,
                    "refused" => sum.refused += before,
                    "cases" | "instructions" => {}
                    number => before = number.parse().unwrap_or(0),
                }
            }
        }
        sum
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.executed += other.executed;
        self.differing += other.differing;
        self.refused += other.refused;
    }
}

/// The commands that execute a differing case alone, with the names of their tests.
fn commands(report: &[String]) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut pending = Vec::new();
    for line in report {
        match line.strip_prefix("# ") {
            Some(command) if command.starts_with("insn_fuzz --bytes ") => pending.push(command),
            Some(_) => {}
            None => {
                // The result of the test, or nothing of interest
                let test = line.rsplit(' ').next().unwrap_or_default();
                found.extend(pending.drain(..).map(|command| (test.to_owned(), command)));
            }
        }
    }
    found
}

/// The lengths of rounds that take `minutes` in all, in seconds.
fn rounds(minutes: u32) -> Vec<u32> {
    let number = minutes.div_ceil(ROUND);
    vec![minutes * 60 / number.max(1); number as usize]
}

fn seed_file(runner: &Runner, arch: Arch) -> PathBuf {
    runner.paths.fuzz().join(arch.name())
}

/// The seed to begin with: the one that the last call kept, or the first one.
fn next_seed(kept: Option<&str>) -> u64 {
    kept.and_then(|text| text.trim().parse().ok()).unwrap_or(1)
}

struct Trial<'a> {
    arch: Arch,
    flavour: Flavour,
    guest: &'a Guest,
    seed: u64,
    seconds: u32,
}

fn stage_name(arch: Arch, flavour: Flavour) -> String {
    format!("fuzz {arch} {}", flavour.name())
}

/// Boots the kernels for so many minutes each, prints the cases that differ, and counts the
/// tests.
pub fn run_fuzz(runner: &Runner, guests: &[(Arch, Guest)], minutes: u32) -> Result<Tally> {
    let rounds = rounds(minutes);
    let mut total = Tally::default();
    let mut sums = vec![Figures::default(); guests.len() * FLAVOURS.len()];
    for _ in &rounds {
        for (arch, _) in guests {
            runner.plan(FLAVOURS.map(|flavour| stage_name(*arch, flavour)));
        }
    }
    fs::create_dir_all(runner.paths.fuzz())?;
    for seconds in rounds {
        let mut trials = Vec::new();
        for (arch, guest) in guests {
            let kept = fs::read_to_string(seed_file(runner, *arch)).ok();
            trials.extend(FLAVOURS.map(|flavour| Trial {
                arch: *arch,
                flavour,
                guest,
                seed: next_seed(kept.as_deref()),
                seconds,
            }));
        }
        let results = runner.beside(runner.jobs, &trials, |trial| run(runner, trial))?;
        for (sum, (tally, figures)) in sums.iter_mut().zip(results) {
            total += tally;
            *sum += figures;
        }
        for trial in &trials {
            let next = (trial.seed + 1).to_string();
            write_file(&seed_file(runner, trial.arch), next.as_bytes())?;
        }
    }
    let archs = guests
        .iter()
        .flat_map(|(arch, _)| FLAVOURS.map(|flavour| (arch, flavour)));
    for ((arch, flavour), sum) in archs.zip(sums) {
        println!("{}", describe(*arch, flavour, sum));
    }
    Ok(total)
}

fn describe(arch: Arch, flavour: Flavour, figures: Figures) -> String {
    let Figures {
        executed,
        differing,
        refused,
    } = figures;
    let title = flavour.row().title;
    format!(
        "{arch}, {title}: {executed} cases, {differing} differing; {refused} instructions refused"
    )
}

fn run(runner: &Runner, trial: &Trial<'_>) -> Result<(Tally, Figures)> {
    let &Trial {
        arch,
        flavour,
        guest,
        seed,
        seconds,
    } = trial;
    let stage = stage_name(arch, flavour);
    // Code that changes all the time is what a translator with several threads may mistake.
    let engine = qemu::engine_for_tests(runner, arch, flavour, &guest.base)?.in_turns();
    let faults = read_text(&runner.paths.checkout.join(UPSTREAM_FAULTS))
        .context("the faults of upstream's kernel")?;
    runner.always(&stage, |progress| {
        let words = [format!("xol.seed={seed}"), format!("xol.seconds={seconds}")];
        let boot = Boot {
            arch,
            kernel: &runner.paths.image(arch, flavour),
            initramfs: &guest.full,
            engine,
            processors: PROCESSORS,
            jobs: &["fuzz"],
            arguments: &["kunit.enable=0", &words[0], &words[1]],
            limit: Duration::from_secs(u64::from(seconds) + GRACE),
        };
        let outcome = qemu::boot(runner, progress, &boot)?;
        let mut cases = tap::parse(outcome.report.iter().map(String::as_str));
        if flavour.row().tree == Tree::Pristine {
            expect_faults(&mut cases, &faults, arch);
        }
        for (test, command) in commands(&outcome.report) {
            let failed = |case: &Case| case.verdict == Verdict::Fail && case.name == test;
            if cases.iter().any(failed) {
                progress.say(&format!("{stage}: {command}"));
            }
        }
        let figures = Figures::of(&outcome.report);
        if let Err(error) = outcome.good() {
            cases.push(Case::failed("guest", error.to_string()));
        }
        progress.say(&format!(
            "seed {seed}: {}",
            describe(arch, flavour, figures)
        ));
        Ok((say(progress, &stage, &cases), figures))
    })
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    const REPORT: &str = "TAP version 13\n1..3\n\
        # seed 7: 5536 cases executed, 1752 faulted, 0 differing\n\
        # 76 instructions refused, 0 cases left out\n\
        ok 1 insn_fuzz.general.same_effect_once\n\
        # insn_fuzz --bytes 9c --at 0 --state 0x12\n\
        #   flags: unprobed 0x202, probed 0x302\n\
        # seed 7: 2048 cases executed, 9 faulted, 2 differing\n\
        # 1 instructions refused, 0 cases left out\n\
        not ok 2 insn_fuzz.pushed_flags.same_effect_once\n\
        ok 3 control.nothing_is_wrong.as_expected\n";

    fn report() -> Vec<String> {
        REPORT.lines().map(str::to_owned).collect()
    }

    #[test]
    fn figures_are_sums_of_the_tests() {
        let figures = Figures {
            executed: 7584,
            differing: 2,
            refused: 77,
        };
        assert_eq!(Figures::of(&report()), figures);
    }

    #[test]
    fn a_command_belongs_to_the_test_that_ends_after_it() {
        let report = report();
        let command = "insn_fuzz --bytes 9c --at 0 --state 0x12";
        let test = "insn_fuzz.pushed_flags.same_effect_once".to_owned();
        assert_eq!(commands(&report), [(test, command)]);
    }

    #[test]
    fn a_call_has_short_rounds() {
        assert_eq!(rounds(1), [60]);
        assert_eq!(rounds(20), [1200]);
        assert_eq!(rounds(50), [1000, 1000, 1000]);
        assert!(rounds(0).is_empty());
    }

    #[test]
    fn the_first_seed_is_one() {
        assert_eq!(next_seed(None), 1);
        assert_eq!(next_seed(Some("")), 1);
        assert_eq!(next_seed(Some("18\n")), 18);
    }
}
