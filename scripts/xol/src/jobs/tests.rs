// SPDX-License-Identifier: GPL-2.0
//! KUnit, the kselftests, and that Rust costs no more than C.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::qemu::{self, Boot, Engine, Outcome};
use crate::report::record::Record;
use crate::report::requirements::{BOOSTED, BOOSTED_COST, EMULATED};
use crate::report::tap::{self, Case, Verdict};
use crate::stage::{Runner, files_below, read_text};

const KUNIT_LIMIT: Duration = Duration::from_secs(5 * 60);
const KSELFTEST_LIMIT: Duration = Duration::from_secs(40 * 60);

const DEBUG_LIMIT: Duration = Duration::from_secs(90 * 60);

const COST_LIMIT: Duration = Duration::from_secs(5 * 60);

const KSELFTESTS: &str = "tools/testing/selftests/uprobes";

const KSELFTEST: &str = "kselftest";
const DEBUG_TESTS: &str = "debug tests";

/// Instructions per hit that a timer interrupt here or there makes.
const COST_NOISE: f64 = 1.0;

/// More than a small host has, so that threads meet in more ways.
pub const PROCESSORS: usize = 4;

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
pub fn describe(cases: &[Case]) -> String {
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

/// What the outcome says of a kernel of that architecture.
type Judge<'a> = &'a (dyn Fn(Arch, &Outcome) -> Vec<Case> + Sync);

/// A boot and how its outcome is judged.
struct Trial<'a> {
    name: &'a str,
    arch: Arch,
    flavour: Flavour,
    jobs: &'a [&'a str],
    initramfs: &'a Path,
    engine: Engine,
    arguments: &'a [&'a str],
    /// Selftests that another boot of the same kernel ran with the same effect.
    left_out: &'a [String],
    limit: Duration,
    judge: Judge<'a>,
}

/// Boots the kernels for all tests, says which cases fail, and counts them. An error
/// means that the tests could not be run at all; a failed case, a splat or a guest
/// that hangs is counted.
pub fn run_tests(runner: &Runner, guests: &[(Arch, Guest)]) -> Result<Tally> {
    let suites = kunit_suites(runner, guests.iter().map(|(arch, _)| *arch))?;
    let in_log = |arch, outcome: &Outcome| kunit_cases(&outcome.log, &suites[&arch]);
    let in_report = |_, outcome: &Outcome| tap::parse(outcome.report.iter().map(String::as_str));
    let baselines = Mutex::new(BTreeMap::new());
    let baselines = || baselines.lock().unwrap_or_else(PoisonError::into_inner);
    let keep = |arch, outcome: &Outcome| {
        baselines().insert(arch, costs(&outcome.report));
        Vec::new()
    };
    let compare = |arch, outcome: &Outcome| {
        let baseline = baselines().get(&arch).cloned().unwrap_or_default();
        cost_cases(&baseline, &costs(&outcome.report))
    };
    let compare_boosted = |arch, outcome: &Outcome| {
        let mut cases = compare(arch, outcome);
        // Where nothing is boosted there is no kernel that is told not to.
        if Flavour::Stepped.is_on(arch) {
            cases.extend(boost_cases(&costs(&outcome.report)));
        }
        cases
    };

    let unboosted = unboosted_selftests(runner)?;
    // What instructions cost in C has to be known before it is judged what they cost in
    // Rust.
    let mut first = Vec::new();
    let mut costs_in_rust = Vec::new();
    let mut kselftests = Vec::new();
    for (arch, guest) in guests {
        let arch = *arch;
        let engine = qemu::engine_for_tests(runner, arch, Flavour::C, &guest.base)?;
        let cost = |flavour, judge| Trial {
            name: "instructions per hit",
            arch,
            flavour,
            jobs: &["cost"],
            initramfs: &guest.base,
            engine: Engine::InstructionClock,
            arguments: &["kunit.enable=0"],
            left_out: &[],
            limit: COST_LIMIT,
            judge,
        };
        let kselftest = |flavour, jobs| Trial {
            name: KSELFTEST,
            arch,
            flavour,
            jobs,
            initramfs: &guest.full,
            engine: match flavour {
                Flavour::C => engine.in_turns(),
                _ => engine,
            },
            arguments: &["kunit.enable=0"],
            left_out: left_out(flavour, &Flavour::MEASURED, &unboosted),
            limit: KSELFTEST_LIMIT,
            judge: &in_report,
        };
        first.extend([
            Trial {
                name: "KUnit",
                arch,
                flavour: Flavour::Rust,
                jobs: &["nothing"],
                initramfs: &guest.base,
                engine: engine.in_turns(),
                arguments: &[],
                left_out: &[],
                limit: KUNIT_LIMIT,
                judge: &in_log,
            },
            cost(Flavour::C, &keep as Judge<'_>),
        ]);
        costs_in_rust.extend([
            cost(Flavour::Rust, &compare_boosted as Judge<'_>),
            cost(Flavour::Stepped, &compare),
        ]);
        kselftests.extend([
            kselftest(Flavour::C, &["kselftest"] as &[_]),
            kselftest(Flavour::Rust, &["kselftest", "rates", "areas-gone"]),
            kselftest(Flavour::Stepped, &["kselftest", "areas-gone"]),
        ]);
    }
    // The Rust kernel of x86-64 and the same that boosts nothing, whose processors have a
    // host thread each, begin far from each other.
    kselftests.sort_by_key(|trial: &Trial<'_>| trial.flavour == Flavour::Stepped);
    let mut groups = [first, costs_in_rust, kselftests];
    for group in &mut groups {
        group.retain(|trial| trial.flavour.is_on(trial.arch));
    }
    run_trials(runner, &groups)
}

/// Boots debug kernels of one architecture: KUnit, all selftests and a stress run
/// on each, any splat is a failure, and in the end nothing may have leaked.
pub fn run_debug_tests(
    runner: &Runner,
    arch: Arch,
    flavours: &[Flavour],
    guest: &Guest,
) -> Result<Tally> {
    let engine = qemu::engine_for_tests(runner, arch, flavours[0], &guest.base)?;
    let suites = kunit_suites(runner, [arch])?;
    let unboosted = unboosted_selftests(runner)?;
    let judge = |arch, outcome: &Outcome| {
        let mut cases = kunit_cases(&outcome.log, &suites[&arch]);
        cases.extend(tap::parse(outcome.report.iter().map(String::as_str)));
        cases
    };
    let trials = flavours.iter().map(|&flavour| Trial {
        name: DEBUG_TESTS,
        arch,
        flavour,
        jobs: &["kselftest", "stress", "areas-gone", "leaks"],
        initramfs: &guest.full,
        engine,
        arguments: &[],
        left_out: left_out(flavour, flavours, &unboosted),
        limit: DEBUG_LIMIT,
        judge: &judge,
    });
    run_trials(runner, &[trials.collect()])
}

/// Runs one group of trials after the other, and those of a group beside each other.
fn run_trials(runner: &Runner, groups: &[Vec<Trial<'_>>]) -> Result<Tally> {
    runner.plan(groups.iter().flatten().map(Trial::stage));
    let mut total = Tally::default();
    for group in groups {
        let waits = group.iter().all(Trial::waits);
        let at_once = runner.jobs + usize::from(waits);
        for tally in runner.beside(at_once, group, |trial| trial.run(runner))? {
            total += tally;
        }
    }
    Ok(total)
}

impl Trial<'_> {
    /// Whether it spends much of its time waiting, for probes that are removed.
    fn waits(&self) -> bool {
        self.name == KSELFTEST
    }

    fn stage(&self) -> String {
        format!("{} {} {}", self.name, self.arch, self.flavour.name())
    }

    fn run(&self, runner: &Runner) -> Result<Tally> {
        runner.always(&self.stage(), |progress| {
            let mut arguments = [self.arguments, self.flavour.arguments()].concat();
            let left_out = format!("xol.left_out={}", self.left_out.join(","));
            if !self.left_out.is_empty() {
                arguments.push(&left_out);
            }
            let boot = Boot {
                arch: self.arch,
                kernel: &runner.paths.image(self.arch, self.flavour),
                initramfs: self.initramfs,
                engine: self.engine,
                processors: match self.engine {
                    Engine::InstructionClock => 1,
                    _ => PROCESSORS,
                },
                jobs: self.jobs,
                arguments: &arguments,
                limit: self.limit,
            };
            let outcome = qemu::boot(runner, progress, &boot)?;
            let mut cases = (self.judge)(self.arch, &outcome);
            let stage = self.stage();
            for figures in figures_of_stress(&outcome.report) {
                progress.say(&format!("{stage}: {figures}"));
            }
            for race in outcome.races_elsewhere() {
                progress.say(&format!("{stage}: not by uprobes: {race}"));
            }
            let other = self.flavour.built().name();
            cases.extend(self.left_out.iter().map(|name| Case {
                name: name.clone(),
                verdict: Verdict::Skip,
                detail: format!("it boosts nothing on {other} either"),
            }));
            if let Err(error) = outcome.good() {
                cases.push(Case::failed("guest", error.to_string()));
            }
            for case in &cases {
                if let Some(word) = worth_saying(case.verdict) {
                    let colon = if case.detail.is_empty() { "" } else { ": " };
                    let Case { name, detail, .. } = case;
                    progress.say(&format!("{stage}: {word}: {name}{colon}{detail}"));
                }
            }
            progress.say(&format!("{stage}: {}", describe(&cases)));
            Ok(Tally::of(&cases))
        })
    }
}

/// What the stress program has done and found, however deep it is nested.
fn figures_of_stress(report: &[String]) -> impl Iterator<Item = &str> {
    let texts = report
        .iter()
        .map(|line| line.trim().trim_start_matches(['#', ' ']));
    texts.filter(|text| text.starts_with("stress: "))
}

fn worth_saying(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Fail => Some("FAILED"),
        Verdict::Skip => Some("skipped"),
        Verdict::ExpectedFailure => Some("failed as expected"),
    }
}

/// Instructions per hit of each instruction.
fn costs(report: &[String]) -> BTreeMap<String, f64> {
    let records = report.iter().filter_map(|line| Record::parse(line).ok()?);
    let costs = records.filter_map(|record| match record {
        Record::Cost {
            instruction,
            probed: true,
            ns_per_hit,
            ..
        } => Some((instruction, ns_per_hit)),
        _ => None,
    });
    costs.collect()
}

/// Counting instructions is exact, so this is no matter of luck: slots in Rust
/// must not cost more than those in C.
fn cost_cases(c: &BTreeMap<String, f64>, rust: &BTreeMap<String, f64>) -> Vec<Case> {
    if c.is_empty() || !c.keys().eq(rust.keys()) {
        return vec![Case::failed("cost", "not measured on both kernels")];
    }
    let pairs = c.iter().zip(rust.values());
    let cases = pairs.map(|((instruction, &c), &rust)| Case {
        name: format!("cost/{instruction}"),
        verdict: match rust <= c + COST_NOISE {
            true => Verdict::Pass,
            false => Verdict::Fail,
        },
        detail: format!("{rust:.1} instructions per hit, {c:.1} in C"),
    });
    cases.collect()
}

/// A boosted hit is one exception, as one whose instruction is emulated.
fn boost_cases(costs: &BTreeMap<String, f64>) -> Vec<Case> {
    let cases = BOOSTED.map(|name| {
        let ratio = costs.get(name).zip(costs.get(EMULATED));
        let ratio = ratio.map(|(boosted, emulated)| boosted / emulated);
        Case {
            name: format!("boosted/{name}"),
            verdict: match ratio {
                Some(ratio) if ratio <= BOOSTED_COST => Verdict::Pass,
                _ => Verdict::Fail,
            },
            detail: match ratio {
                Some(ratio) => format!("{ratio:.3} of what {EMULATED} costs"),
                None => "not measured".to_owned(),
            },
        }
    });
    cases.into()
}

/// What need not run on a kernel of this kind when it runs on all of `flavours`.
fn left_out<'a>(flavour: Flavour, flavours: &[Flavour], unboosted: &'a [String]) -> &'a [String] {
    let other = flavour.built();
    match other != flavour && flavours.contains(&other) {
        true => unboosted,
        false => &[],
    }
}

/// The selftests that switch boosting off before anything else.
fn unboosted_selftests(runner: &Runner) -> Result<Vec<String>> {
    let mut programs = Vec::new();
    for file in files_below(&runner.paths.checkout.join(KSELFTESTS))? {
        if file.extension().is_some_and(|extension| extension == "c")
            && leaves_boosting_off(&read_text(&file)?)
        {
            programs.extend(file.file_stem().map(|name| name.to_string_lossy().into()));
        }
    }
    Ok(programs)
}

fn leaves_boosting_off(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "boost_leave_off();")
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

/// The KUnit suites that the checkout's kernel files define for these architectures.
fn kunit_suites(
    runner: &Runner,
    archs: impl IntoIterator<Item = Arch>,
) -> Result<BTreeMap<Arch, BTreeSet<String>>> {
    let suites = archs.into_iter().map(|arch| {
        let mut suites = BTreeSet::new();
        for folder in [arch.folder(), "kernel", "rust"] {
            for file in files_below(&runner.paths.checkout.join(folder))? {
                let text = read_text(&file)?;
                suites.extend(suites_in(&text).map(str::to_owned));
            }
        }
        Ok((arch, suites))
    });
    suites.collect()
}

/// In Rust an attribute of the module, in C the first line of the structure.
fn suites_in(text: &str) -> impl Iterator<Item = &str> {
    let mut before = "";
    text.lines().map(str::trim).filter_map(move |line| {
        let in_c = before.starts_with("static struct kunit_suite ");
        before = line;
        match line.strip_prefix("#[kunit_tests(") {
            Some(rest) => rest.split(')').next(),
            None if in_c => line.strip_prefix(".name = \"")?.split('"').next(),
            None => None,
        }
    })
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn suites_are_found_in_sources() {
        let text = "//! #[kunit_tests(not_this)]\n#[kunit_tests(uprobes_xol)]\nmod tests {}\n\
                    #[kunit_tests(raw_spinlock)]\n";
        assert!(suites_in(text).eq(["uprobes_xol", "raw_spinlock"]));
        let text = "static struct kunit_case cases[] = {\n\t.name = \"no\",\n};\n\
                    static struct kunit_suite suite = {\n\t.name = \"boost\",\n};\n";
        assert!(suites_in(text).eq(["boost"]));
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
    fn rust_must_not_cost_more() {
        let costs = |ret| BTreeMap::from([("nop".to_owned(), 1145.0), ("ret".to_owned(), ret)]);
        let verdicts = |c, rust| {
            let cases = cost_cases(&costs(c), &costs(rust)).into_iter();
            cases.map(|case| case.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(1970.1, 1970.2), [Verdict::Pass, Verdict::Pass]);
        assert_eq!(verdicts(1970.1, 1972.1), [Verdict::Pass, Verdict::Fail]);
        let none = BTreeMap::new();
        for (c, rust) in [(&none, &none), (&costs(1.0), &none)] {
            assert_eq!(cost_cases(c, rust)[0].verdict, Verdict::Fail);
        }
        let line = r#"{"kind":"cost","instruction":"ret","probed":true,"hits":1,"ns_per_hit":7.5}"#;
        let report = ["words".to_owned(), line.to_owned()];
        assert_eq!(super::costs(&report), BTreeMap::from([("ret".into(), 7.5)]));
    }

    #[test]
    fn boosted_must_cost_little_more_than_emulated() {
        let names = BOOSTED.iter().chain([&EMULATED]);
        let mut costs: BTreeMap<_, _> = names.map(|name| ((*name).to_owned(), 1000.0)).collect();
        costs.insert("sub".into(), 1080.0);
        let failed = |costs: &BTreeMap<String, f64>| {
            let cases = boost_cases(costs).into_iter();
            let failed = cases.filter(|case| case.verdict == Verdict::Fail);
            failed.map(|case| case.name).collect::<Vec<_>>()
        };
        assert!(failed(&costs).is_empty());
        costs.insert("sub".into(), 1081.0);
        assert_eq!(failed(&costs), ["boosted/sub"]);
        costs.remove("pop");
        assert_eq!(failed(&costs), ["boosted/sub", "boosted/pop"]);
        costs.remove(EMULATED);
        assert_eq!(failed(&costs).len(), BOOSTED.len());
    }

    #[test]
    fn what_boosts_nothing_runs_once_on_each_kernel() {
        assert!(leaves_boosting_off(
            "int main(void)\n{\n\tboost_leave_off();\n"
        ));
        assert!(!leaves_boosting_off(
            "void boost_leave_off(void)\n{\n\tif (!boost_is_on())\n"
        ));
        let unboosted = ["recycling".to_owned()];
        let left_out = |flavour, flavours: &[_]| left_out(flavour, flavours, &unboosted).len();
        assert_eq!(left_out(Flavour::C, &Flavour::MEASURED), 0);
        assert_eq!(left_out(Flavour::Rust, &Flavour::MEASURED), 0);
        assert_eq!(left_out(Flavour::Stepped, &Flavour::MEASURED), 1);
        assert_eq!(left_out(Flavour::DebugStepped, &[Flavour::DebugStepped]), 0);
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
