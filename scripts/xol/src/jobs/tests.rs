// SPDX-License-Identifier: GPL-2.0
//! KUnit, the kselftests, and that Rust costs no more than C.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::arch::Arch;
use crate::flavour::{Flavour, Tree};
use crate::guest::Guest;
use crate::jobs::measure;
use crate::qemu::{self, Boot, Engine, Outcome};
use crate::report::metric::{costs, first_hits};
use crate::report::requirements::{EMULATED, one_exception};
use crate::report::tap::{self, Case, Verdict};
use crate::stage::{Progress, Runner, files_below, read_text};

const KSELFTESTS: &str = "tools/testing/selftests/uprobes";

/// The selftest that runs in a guest of its own, with processors in turns: QEMU with a
/// host thread for each processor gives a faulting `xchg` the wrong flags if it is stepped,
/// as insn_fuzz found on both kernels.
pub const IN_TURNS: &str = "insn_fuzz";

/// The Rust code that boosts slots.
const BOOSTING: &str = "kernel/events/uprobes_xol/boost";

/// The cases that fail on upstream's kernel: an architecture, the end of a case's name, and the
/// patch that fixes the fault, separated by tabs.
pub const UPSTREAM_FAULTS: &str = "tools/testing/uprobes-xol/upstream-faults";

/// Instructions per hit that are no difference, because a timer interrupt changes as many.
const COST_NOISE: f64 = 1.0;

/// The most that a hit may cost in the patched kernel without the feature, by its cost
/// in the pristine kernel.
const OFF_COST: f64 = 1.01;

/// Instructions that upstream's arm64 emulates without PSTATE, and what setting it costs at
/// most: the series fixes that. A branch with a link sets BTYPE as well.
const FIXED: [(&str, f64); 2] = [("ret", 5.0), ("blr", 20.0)];

/// Instructions that arm64 steps, and what the fixes of a step cost without the feature: the fault
/// code, and whether a debugger steps, are saved and restored. With the feature, slots save more.
const STEPPED: [&str; 5] = ["ldr", "paciasp", "simd", "stp", "str"];
const FIXED_STEP: f64 = 17.0;

/// The instructions that a hit takes more, at most, because Rust calls helpers in C. Only kernels
/// of x86-64 and arm64 can have these helpers inline (`CONFIG_RUST_INLINE_HELPERS`).
const HELPERS_CALLED: f64 = 6.0;

/// More processors than a small host has, so that threads meet in more ways.
pub const PROCESSORS: usize = 4;

/// The processors of a guest with tests.
pub fn processors(runner: &Runner, arch: Arch, engine: Engine) -> usize {
    match (engine, arch) {
        (Engine::InstructionClock, _) => 1,
        // With several, a `fence.i` waits for a turn of each of them, and slots in C need one at
        // each step.
        (Engine::TcgInTurns, Arch::Riscv64) => 1,
        // A `fence.i` waits until the host has run each of them.
        (Engine::Tcg, Arch::Riscv64) => measure::processors(runner).min(PROCESSORS),
        _ => PROCESSORS,
    }
}

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

/// Prints the cases that did not pass and the numbers of all, and counts them.
pub fn say(progress: &Progress, stage: &str, cases: &[Case]) -> Tally {
    for case in cases {
        if let Some(word) = worth_saying(case.verdict) {
            let colon = if case.detail.is_empty() { "" } else { ": " };
            let Case { name, detail, .. } = case;
            progress.say(&format!("{stage}: {word}: {name}{colon}{detail}"));
        }
    }
    progress.say(&format!("{stage}: {}", describe(cases)));
    Tally::of(cases)
}

/// The tests of one boot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    KUnit,
    Cost,
    Kselftest,
    /// The selftest [`IN_TURNS`].
    InsnFuzz,
    /// KUnit, the selftests and a stress run.
    Debug,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::KUnit => "KUnit",
            Self::Cost => "instructions per hit",
            Self::Kselftest => "kselftest",
            Self::InsnFuzz => IN_TURNS,
            Self::Debug => "debug tests",
        }
    }

    fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::KUnit | Self::Cost => 5 * 60,
            Self::InsnFuzz => 10 * 60,
            Self::Kselftest => 40 * 60,
            Self::Debug => 90 * 60,
        })
    }

    fn jobs(self, flavour: Flavour) -> &'static [&'static str] {
        match (self, flavour) {
            (Self::KUnit, _) => &["nothing"],
            (Self::Cost, _) => &["cost"],
            (Self::InsnFuzz, _) => &["insns"],
            (Self::Kselftest, Flavour::C | Flavour::Off) => &["kselftest"],
            (Self::Kselftest, Flavour::Stepped) => &["kselftest", "areas-gone"],
            (Self::Kselftest, _) => &["kselftest", "rates", "areas-gone"],
            (Self::Debug, _) => &["kselftest", "stress", "areas-gone", "leaks"],
        }
    }
}

/// A boot whose outcome is judged.
struct Trial<'a> {
    kind: Kind,
    arch: Arch,
    flavour: Flavour,
    guest: &'a Guest,
    engine: Engine,
}

/// Instructions per hit of each instruction.
type Costs = BTreeMap<String, f64>;

/// The state that trials share.
struct Tests<'a> {
    runner: &'a Runner,
    /// The KUnit suites of the checkout.
    suites: BTreeMap<Arch, BTreeSet<String>>,
    /// The selftests that switch boosting off before anything else.
    unboosted: Vec<String>,
    /// The flavours of this run. Selftests that boost nothing run once on each image.
    flavours: &'a [Flavour],
    /// The text of [`UPSTREAM_FAULTS`].
    upstream_faults: String,
    /// The costs in C.
    baselines: Mutex<BTreeMap<Arch, Costs>>,
}

/// Boots the kernels for all tests, prints which cases fail, and counts the cases. An
/// error means that the tests could not be run at all; a failed case, a splat or a guest
/// that hangs is counted.
pub fn run_tests(runner: &Runner, guests: &[(Arch, Guest)]) -> Result<Tally> {
    use Flavour::{C, Rust, Stepped};
    run_groups(
        runner,
        guests,
        &Flavour::MEASURED,
        &[
            &[(Kind::KUnit, Rust), (Kind::Cost, C)],
            // These need the costs in C.
            &[(Kind::Cost, Rust), (Kind::Cost, Stepped)],
            &[
                (Kind::Kselftest, C),
                (Kind::Kselftest, Rust),
                (Kind::Kselftest, Stepped),
                (Kind::InsnFuzz, C),
                (Kind::InsnFuzz, Rust),
                (Kind::InsnFuzz, Stepped),
            ],
        ],
    )
}

/// Boots the patched kernel without the feature: the selftests as in C, and hits that
/// cost little more than in C.
pub fn run_off_tests(runner: &Runner, guests: &[(Arch, Guest)]) -> Result<Tally> {
    use Flavour::{C, Off};
    run_groups(
        runner,
        guests,
        &[C, Off],
        &[
            &[(Kind::Cost, C)],
            &[(Kind::Cost, Off)],
            &[(Kind::Kselftest, Off), (Kind::InsnFuzz, Off)],
        ],
    )
}

/// Boots debug kernels: KUnit, all selftests and a stress run on each, any splat is a
/// failure, and in the end nothing may have leaked.
pub fn run_debug_tests(
    runner: &Runner,
    guests: &[(Arch, Guest)],
    flavours: &[Flavour],
) -> Result<Tally> {
    let trials: Vec<_> = flavours.iter().map(|&it| (Kind::Debug, it)).collect();
    run_groups(runner, guests, flavours, &[&trials])
}

/// Runs one group of trials after the other, and those of a group beside each other.
fn run_groups(
    runner: &Runner,
    guests: &[(Arch, Guest)],
    flavours: &[Flavour],
    groups: &[&[(Kind, Flavour)]],
) -> Result<Tally> {
    let tests = Tests {
        runner,
        suites: kunit_suites(runner, guests.iter().map(|(arch, _)| *arch))?,
        unboosted: unboosted_selftests(runner)?,
        upstream_faults: read_text(&runner.paths.checkout.join(UPSTREAM_FAULTS))?,
        flavours,
        baselines: Mutex::default(),
    };
    let mut engines = Vec::new();
    for (arch, guest) in guests {
        engines.push(qemu::engine_for_tests(
            runner,
            *arch,
            flavours[0],
            &guest.base,
        )?);
    }
    let trials_of = |group: &[(Kind, Flavour)]| {
        let mut trials = Vec::new();
        for ((arch, guest), &engine) in guests.iter().zip(&engines) {
            let there = group.iter().filter(|(kind, flavour)| {
                // There are no random instructions of riscv64.
                flavour.is_on(*arch) && (*kind != Kind::InsnFuzz || *arch != Arch::Riscv64)
            });
            trials.extend(there.map(|&(kind, flavour)| Trial {
                kind,
                arch: *arch,
                flavour,
                guest,
                engine: match (kind, flavour) {
                    (Kind::Cost, _) => Engine::InstructionClock,
                    (Kind::KUnit | Kind::InsnFuzz, _)
                    | (Kind::Kselftest, Flavour::C | Flavour::Off) => engine.in_turns(),
                    _ => engine,
                },
            }));
        }
        // The Rust kernel of x86-64 and the same that boosts nothing, whose processors
        // have a host thread each, begin far from each other.
        trials.sort_by_key(|trial| trial.flavour == Flavour::Stepped);
        trials
    };
    let groups: Vec<_> = groups.iter().map(|group| trials_of(group)).collect();
    runner.plan(groups.iter().flatten().map(Trial::stage));
    let mut total = Tally::default();
    for group in groups {
        // Selftests spend much of their time waiting, for probes that are removed.
        let waits = group
            .iter()
            .all(|trial| matches!(trial.kind, Kind::Kselftest | Kind::InsnFuzz));
        let at_once = runner.jobs + usize::from(waits);
        for tally in runner.beside(at_once, &group, |trial| tests.run(trial))? {
            total += tally;
        }
    }
    Ok(total)
}

impl Trial<'_> {
    fn stage(&self) -> String {
        format!("{} {} {}", self.kind.name(), self.arch, self.flavour.name())
    }
}

impl Tests<'_> {
    fn run(&self, trial: &Trial<'_>) -> Result<Tally> {
        let &Trial {
            kind,
            arch,
            flavour,
            guest,
            engine,
        } = trial;
        let stage = trial.stage();
        let other = flavour.built();
        let runs_selftests = matches!(kind, Kind::Kselftest | Kind::Debug);
        let ran_on_other = other != flavour && self.flavours.contains(&other);
        let left_out = match runs_selftests && ran_on_other {
            true => &self.unboosted[..],
            false => &[],
        };
        self.runner.always(&stage, |progress| {
            let mut arguments = flavour.arguments().to_vec();
            if matches!(kind, Kind::Cost | Kind::Kselftest | Kind::InsnFuzz) {
                arguments.push("kunit.enable=0");
            }
            let elsewhere = left_out.iter().map(String::as_str).chain([IN_TURNS]);
            let words = format!("xol.left_out={}", elsewhere.collect::<Vec<_>>().join(","));
            if runs_selftests {
                arguments.push(&words);
            }
            let boot = Boot {
                arch,
                kernel: &self.runner.paths.image(arch, flavour),
                initramfs: match kind {
                    Kind::KUnit | Kind::Cost => &guest.base,
                    Kind::Kselftest | Kind::InsnFuzz | Kind::Debug => &guest.full,
                },
                engine,
                processors: processors(self.runner, arch, engine),
                jobs: kind.jobs(flavour),
                arguments: &arguments,
                limit: kind.limit(),
            };
            let outcome = qemu::boot(self.runner, progress, &boot)?;
            let mut cases = self.judge(trial, &outcome);
            for figures in figures_of_stress(&outcome.report) {
                progress.say(&format!("{stage}: {figures}"));
            }
            for (instruction, cost) in first_hits(&outcome.report) {
                progress.say(&format!(
                    "{stage}: a process's first hit of {instruction}: {cost:.0} instructions"
                ));
            }
            for race in outcome.races_elsewhere() {
                progress.say(&format!("{stage}: not by uprobes: {race}"));
            }
            cases.extend(left_out.iter().map(|name| Case {
                name: name.clone(),
                verdict: Verdict::Skip,
                detail: format!("it boosts nothing on {} either", other.name()),
            }));
            if let Err(error) = outcome.good() {
                cases.push(Case::failed("guest", error.to_string()));
            }
            Ok(say(progress, &stage, &cases))
        })
    }

    fn judge(&self, trial: &Trial<'_>, outcome: &Outcome) -> Vec<Case> {
        let arch = trial.arch;
        let in_log = || kunit_cases(&outcome.log, &self.suites[&arch]);
        let in_report = || tap::parse(outcome.report.iter().map(String::as_str));
        match trial.kind {
            Kind::KUnit => in_log(),
            Kind::Kselftest | Kind::InsnFuzz => {
                let mut cases = in_report();
                if trial.flavour.row().tree == Tree::Pristine {
                    expect_faults(&mut cases, &self.upstream_faults, arch);
                }
                cases
            }
            Kind::Debug => [in_log(), in_report()].concat(),
            Kind::Cost => self.judge_costs(arch, trial.flavour, costs(&outcome.report)),
        }
    }

    /// Keeps what hits cost in C, and compares the other kernels with that.
    fn judge_costs(&self, arch: Arch, flavour: Flavour, costs: Costs) -> Vec<Case> {
        let mut baselines = self
            .baselines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if flavour == Flavour::C {
            baselines.insert(arch, costs);
            return Vec::new();
        }
        let c = baselines.entry(arch).or_default();
        let most = |instruction: &str, c| match flavour {
            Flavour::Off => c * OFF_COST + allowance(arch, instruction) + fixes(arch, instruction),
            // Instructions are counted exactly.
            _ => c + COST_NOISE + allowance(arch, instruction),
        };
        let mut cases = cost_cases(c, &costs, most);
        // Only an architecture that boosts slots has a kernel that is told to step.
        if flavour == Flavour::Rust && Flavour::Stepped.is_on(arch) {
            cases.extend(one_exception_cases(arch, &costs));
        }
        cases
    }
}

/// Expects the cases to fail that `faults` lists for `arch`. A listed case that passes is a
/// failure: either upstream has fixed its fault, or the case does not find it.
pub fn expect_faults(cases: &mut [Case], faults: &str, arch: Arch) {
    for line in faults.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.splitn(3, '\t');
        let (Some(on), Some(name), Some(patch)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let matches = |case: &&mut Case| on == arch.name() && case.name.ends_with(name);
        for case in cases.iter_mut().filter(matches) {
            match case.verdict {
                Verdict::Fail => {
                    case.verdict = Verdict::ExpectedFailure;
                    case.detail = format!("fixed by {patch}");
                }
                Verdict::Pass => {
                    case.verdict = Verdict::Fail;
                    case.detail = format!("{UPSTREAM_FAULTS} lists it, but it passes");
                }
                Verdict::Skip | Verdict::ExpectedFailure => {}
            }
        }
    }
}

/// The lines of the stress program, at any depth of the report.
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

/// Returns how many instructions a hit may take more than in C, for a reason other than slots.
fn allowance(arch: Arch, instruction: &str) -> f64 {
    match arch {
        Arch::X86_64 => 0.0,
        Arch::Arm64 => {
            let mut fixed = FIXED.iter().filter(|(name, _)| *name == instruction);
            fixed.next().map_or(0.0, |(_, cost)| *cost)
        }
        Arch::Riscv64 => HELPERS_CALLED,
    }
}

/// Returns how many instructions the fixes add to a step.
fn fixes(arch: Arch, instruction: &str) -> f64 {
    match arch == Arch::Arm64 && STEPPED.contains(&instruction) {
        true => FIXED_STEP,
        false => 0.0,
    }
}

/// Whether a hit costs at most what `most` makes of the instruction and its cost in C.
fn cost_cases(c: &Costs, costs: &Costs, most: impl Fn(&str, f64) -> f64) -> Vec<Case> {
    if c.is_empty() || !c.keys().eq(costs.keys()) {
        return vec![Case::failed("cost", "not measured on both kernels")];
    }
    let pairs = c.iter().zip(costs.values());
    let cases = pairs.map(|((instruction, &c), &cost)| Case {
        name: format!("cost/{instruction}"),
        verdict: match cost <= most(instruction, c) {
            true => Verdict::Pass,
            false => Verdict::Fail,
        },
        detail: format!("{cost:.1} instructions per hit, {c:.1} in C"),
    });
    cases.collect()
}

/// Whether hits of one exception cost little more than one that upstream emulates.
fn one_exception_cases(arch: Arch, costs: &Costs) -> Vec<Case> {
    let instructions = one_exception(arch).flat_map(|of| {
        let instructions = of.instructions.iter();
        instructions.map(|name| (*name, of.cost))
    });
    let cases = instructions.map(|(name, most)| {
        let ratio = costs.get(name).zip(costs.get(EMULATED));
        let ratio = ratio.map(|(cost, emulated)| cost / emulated);
        Case {
            name: format!("one-exception/{name}"),
            verdict: match ratio {
                Some(ratio) if ratio <= most => Verdict::Pass,
                _ => Verdict::Fail,
            },
            detail: match ratio {
                Some(ratio) => format!("{ratio:.3} of what {EMULATED} costs"),
                None => "not measured".to_owned(),
            },
        }
    });
    cases.collect()
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
                // Tests of boosting are compiled where slots are boosted.
                if file.starts_with(runner.paths.checkout.join(BOOSTING))
                    && !Flavour::Stepped.is_on(arch)
                {
                    continue;
                }
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
    fn faults_of_upstream_must_show() {
        let faults = "# words\nx86_64\tavx/ret, 1 thread\t0002\narm64\tavx/nop\t0001\n";
        let judged = |name: &str, verdict| {
            let mut cases = [Case {
                name: name.to_owned(),
                verdict,
                detail: String::new(),
            }];
            expect_faults(&mut cases, faults, Arch::X86_64);
            let [
                Case {
                    verdict, detail, ..
                },
            ] = cases;
            (verdict, detail)
        };
        let expected = (Verdict::ExpectedFailure, "fixed by 0002".to_owned());
        assert_eq!(judged("uprobes:avx/ret, 1 thread", Verdict::Fail), expected);
        assert_eq!(
            judged("uprobes:avx/ret, 1 thread", Verdict::Pass).0,
            Verdict::Fail
        );
        assert_eq!(
            judged("uprobes:avx/ret, 1 thread", Verdict::Skip).0,
            Verdict::Skip
        );
        for verdict in [Verdict::Fail, Verdict::Pass] {
            assert_eq!(judged("uprobes:avx/nop", verdict).0, verdict);
        }
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
            let cases = cost_cases(&costs(c), &costs(rust), |_, c| c + COST_NOISE).into_iter();
            cases.map(|case| case.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(1970.1, 1970.2), [Verdict::Pass, Verdict::Pass]);
        assert_eq!(verdicts(1970.1, 1972.1), [Verdict::Pass, Verdict::Fail]);
        let none = BTreeMap::new();
        for (c, rust) in [(&none, &none), (&costs(1.0), &none)] {
            assert_eq!(cost_cases(c, rust, |_, c| c)[0].verdict, Verdict::Fail);
        }
    }

    #[test]
    fn a_fix_may_cost_something() {
        assert_eq!(allowance(Arch::Arm64, "ret"), 5.0);
        assert_eq!(allowance(Arch::Arm64, "nop"), 0.0);
        assert_eq!(allowance(Arch::X86_64, "ret"), 0.0);
        assert_eq!(fixes(Arch::Arm64, "stp"), 17.0);
        assert_eq!(fixes(Arch::Arm64, "nop"), 0.0);
        assert_eq!(fixes(Arch::X86_64, "str"), 0.0);
    }

    #[test]
    fn boosted_must_cost_little_more_than_emulated() {
        let arch = Arch::X86_64;
        let names = || one_exception(arch).flat_map(|of| of.instructions);
        let all = names().chain([&EMULATED]);
        let mut costs: BTreeMap<_, _> = all.map(|name| ((*name).to_owned(), 1000.0)).collect();
        costs.insert("sub".into(), 1040.0);
        costs.insert("call".into(), 1070.0);
        let failed = |costs: &BTreeMap<String, f64>| {
            let cases = one_exception_cases(arch, costs).into_iter();
            let failed = cases.filter(|case| case.verdict == Verdict::Fail);
            failed.map(|case| case.name).collect::<Vec<_>>()
        };
        assert!(failed(&costs).is_empty());
        costs.insert("sub".into(), 1041.0);
        costs.insert("call".into(), 1071.0);
        assert_eq!(failed(&costs), ["one-exception/sub", "one-exception/call"]);
        costs.remove("pop");
        assert_eq!(failed(&costs).len(), 3);
        costs.remove(EMULATED);
        assert_eq!(failed(&costs).len(), names().count());
    }

    #[test]
    fn selftests_that_boost_nothing_are_known() {
        assert!(leaves_boosting_off(
            "int main(void)\n{\n\tboost_leave_off();\n"
        ));
        assert!(!leaves_boosting_off(
            "void boost_leave_off(void)\n{\n\tif (!boost_is_on())\n"
        ));
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
