// SPDX-License-Identifier: GPL-2.0
//! Checks that the tests catch known defects. A patch causes each of them; the kernel is
//! built with the patch, and the test that its header names must fail.
//!
//! The README of the directory describes the headers and the provocation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::tests::{IN_TURNS, PROCESSORS, Tally};
use crate::apply::{self, Feature, Patch};
use crate::arch::Arch;
use crate::command::Interrupted;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::host;
use crate::kernel;
use crate::qemu::{self, Boot, Engine, FaultKind, Outcome};
use crate::report::tap::{self, Verdict};
use crate::source::{self, Source};
use crate::stage::{Runner, read_text};

const FOLDER: &str = "tools/testing/uprobes-xol/mutations";
const PROVOCATION: &str = "provocation.patch";

/// Much longer than any of the tests takes: a guest that reaches the limit hangs.
const LIMIT: Duration = Duration::from_secs(4 * 60);

/// A patch that causes a defect.
struct Mutation {
    /// The file's name without the extension.
    name: String,
    subject: String,
    /// The build of the host crate that catches it, if one does.
    host: Option<&'static str>,
    /// What catches it in the kernel, if anything does.
    kernel: Option<InKernel>,
    patch: Patch,
}

/// What catches a mutation in the kernel.
#[derive(Clone)]
struct InKernel {
    trial: Trial,
    /// Any of these signs is enough.
    signs: Vec<Sign>,
}

/// What a trial runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A program of the selftests, or one test of it by its name in TAP.
    Boosted,
    /// The same while every instruction is stepped.
    Stepped,
    /// `SUITE/CASE`.
    KUnit,
}

impl Kind {
    /// With what a header says before the name. The usual kind is the last.
    const ALL: [(&str, Self); 3] = [
        ("KUnit ", Self::KUnit),
        ("boosted ", Self::Boosted),
        ("", Self::Stepped),
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Trial {
    kind: Kind,
    name: String,
}

/// A sign that a mutation was caught.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sign {
    Failure,
    /// A report of the kernel with these words.
    Splat(String),
    Hang,
}

impl Trial {
    fn parse(text: &str) -> Result<Self> {
        let mut kinds = Kind::ALL.into_iter();
        let of = kinds.find_map(|(prefix, kind)| Some((kind, text.strip_prefix(prefix)?)));
        let (kind, name) = of.unwrap_or((Kind::Stepped, text));
        // The name becomes a word of a command line.
        let word = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let complete = kind != Kind::KUnit || name.contains('/');
        if name.is_empty() || !name.chars().all(word) || !complete {
            bail!("{text:?} names no test");
        }
        let name = name.to_owned();
        Ok(Self { kind, name })
    }

    /// The program of a selftest, and whether one test of it is named.
    fn program(&self) -> (&str, bool) {
        match self.name.split_once('.') {
            Some((program, _)) => (program, true),
            None => (&self.name, false),
        }
    }

    fn is_selftest(&self) -> bool {
        matches!(self.kind, Kind::Boosted | Kind::Stepped)
    }

    fn job(&self) -> &'static str {
        match self.is_selftest() {
            true => "selftest",
            false => "nothing",
        }
    }

    /// Words of the kernel's command line.
    fn arguments(&self) -> Vec<String> {
        if !self.is_selftest() {
            return vec![format!("kunit.filter_glob={}", self.name.replace('/', "."))];
        }
        let (program, one_test) = self.program();
        let mut words = vec!["kunit.enable=0".into(), format!("xol.program={program}")];
        if one_test {
            words.push(format!("xol.test={}", self.name));
        }
        if self.kind == Kind::Stepped {
            words.extend(Flavour::Stepped.arguments().iter().map(|&w| w.to_owned()));
        }
        words
    }

    /// Whether a failure can only be the named test's.
    fn is_one_test(&self) -> bool {
        !self.is_selftest() || self.program().1
    }

    /// The verdict on the named test; none if it did not end.
    fn verdict(&self, outcome: &Outcome) -> Option<Verdict> {
        let mut cases = match self.is_selftest() {
            true => tap::parse(outcome.report.iter().map(String::as_str)),
            false => tap::parse(outcome.log.lines()),
        };
        cases.retain(|case| !self.is_one_test() || case.name == self.name);
        let is = |verdict| cases.iter().any(|case| case.verdict == verdict);
        let mut worst = [Verdict::Fail, Verdict::Pass].into_iter();
        worst
            .find(|&verdict| is(verdict))
            .or(Some(cases.first()?.verdict))
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = Kind::ALL.into_iter();
        let prefix = kinds
            .find(|(_, kind)| *kind == self.kind)
            .map(|(prefix, _)| prefix);
        write!(f, "{}{}", prefix.unwrap_or_default(), self.name)
    }
}

impl Mutation {
    /// Whether the architecture compiles what it changes.
    fn is_on(&self, arch: Arch) -> bool {
        let others = Arch::ALL.iter().filter(|&&other| other != arch);
        let mut others = others.map(|other| other.folder());
        !others.any(|folder| self.patch.files.iter().any(|file| file.starts_with(folder)))
    }

    /// The patches of the mutant.
    fn patches(&self, provocation: &Patch) -> [Patch; 2] {
        [provocation.clone(), self.patch.clone()]
    }

    fn parse(name: &str, text: String) -> Result<Self> {
        let message = apply::message(&text);
        let fields = |field: &'static str| {
            let lines = message.lines();
            lines.filter_map(move |line| Some(line.strip_prefix(field)?.trim()))
        };
        let subject = fields("Subject:").next().context("it has no Subject:")?;
        let subject = subject.to_owned();
        let (on_host, in_kernel): (Vec<_>, Vec<_>) =
            fields("Caught-by:").partition(|by| by.starts_with("host "));
        let host = match on_host[..] {
            [] => None,
            [by] => Some(build_of(by)?),
            _ => bail!("two lines name what catches it on the host"),
        };
        let kernel = match in_kernel[..] {
            [] => None,
            [by] => Some(InKernel::parse(by, fields("Run:").next())?),
            _ => bail!("two lines name what catches it in the kernel; write it with \"or\""),
        };
        if host.is_none() && kernel.is_none() {
            bail!("it has no Caught-by:");
        }
        Ok(Self {
            name: name.to_owned(),
            subject,
            host,
            kernel,
            patch: Patch::new(name, text),
        })
    }

    /// The defect's number. Only the host catches the mutations without one.
    fn number(&self) -> Option<&str> {
        let number = self.name.split('-').next()?;
        number.parse::<u32>().is_ok().then_some(number)
    }

    /// The subject with the defect's number.
    fn title(&self) -> String {
        match self.number() {
            Some(number) => format!("{number} {}", self.subject),
            None => self.subject.clone(),
        }
    }
}

/// The build of the host crate in `host [BUILD/]SCENARIO: PROPERTY`.
fn build_of(caught_by: &str) -> Result<&'static str> {
    let text = caught_by.strip_prefix("host ").unwrap_or_default();
    let Some((scenario, _)) = text.split_once(": ") else {
        bail!("{caught_by:?} names no scenario and property");
    };
    let build = match scenario.split_once('/') {
        None => "loom",
        Some(("two-slots", _)) => "loom,two-slots",
        Some(("two-pages", _)) => "loom,two-pages",
        Some((build, _)) => bail!("the host crate has no build {build}"),
    };
    Ok(build)
}

impl InKernel {
    fn parse(caught_by: &str, run: Option<&str>) -> Result<Self> {
        let mut trials: Vec<_> = run.into_iter().collect();
        let mut signs = Vec::new();
        for alternative in caught_by.split(" or ").map(str::trim) {
            if alternative == "hang" {
                signs.push(Sign::Hang);
            } else if let Some(("", words)) = alternative.split_once("splat") {
                signs.push(Sign::Splat(words.trim().to_owned()));
            } else {
                trials.push(alternative);
                signs.push(Sign::Failure);
            }
        }
        let [trial] = trials[..] else {
            bail!("it names {} tests to run, not one", trials.len());
        };
        let trial = Trial::parse(trial)?;
        Ok(Self { trial, signs })
    }

    /// How the mutation was caught, or the error: what happened instead.
    fn judge(&self, outcome: &Outcome) -> Result<String, String> {
        let verdict = self.trial.verdict(outcome);
        let fault = outcome.fault.as_ref();
        for sign in &self.signs {
            let shows = match sign {
                // A guest that breaks fails some test of a whole program.
                Sign::Failure => {
                    verdict == Some(Verdict::Fail) && (fault.is_none() || self.trial.is_one_test())
                }
                Sign::Splat(words) => fault.is_some_and(|fault| {
                    fault.kind == FaultKind::Splat && fault.text.contains(words)
                }),
                Sign::Hang => fault.is_some_and(|fault| fault.kind == FaultKind::Hang),
            };
            match (sign, fault) {
                _ if !shows => {}
                (Sign::Failure, _) => return Ok(format!("{} fails", self.trial)),
                (_, Some(fault)) => return Ok(format!("{}: {}", self.trial, fault.text)),
                (_, None) => {}
            }
        }
        Err(match (fault, verdict) {
            (Some(fault), _) => format!("{}: {}", self.trial, fault.text),
            (None, Some(Verdict::Pass)) => format!("{} passes", self.trial),
            (None, Some(Verdict::Fail)) => format!("{} fails, which says nothing", self.trial),
            (None, _) => format!("{} did not run", self.trial),
        })
    }
}

/// Whether a test is content with a kernel without a defect: it passes, if its failure
/// is a sign, and the guest has no fault.
fn check_sound(trial: &Trial, by_failure: bool, outcome: &Outcome) -> Result<String, String> {
    if let Some(fault) = &outcome.fault {
        return Err(fault.text.clone());
    }
    match trial.verdict(outcome) {
        Some(Verdict::Pass) => Ok("passes".into()),
        Some(Verdict::Fail) if !by_failure => Ok("runs without a splat".into()),
        Some(Verdict::Fail) => Err("fails".into()),
        _ => Err("did not run".into()),
    }
}

/// The provocation and the mutations of the checkout.
fn read(checkout: &Path) -> Result<(Patch, Vec<Mutation>)> {
    let mut provocation = None;
    let mut mutations = Vec::new();
    for file in apply::patch_files(&checkout.join(FOLDER))? {
        let text = read_text(&file)?;
        if file.ends_with(PROVOCATION) {
            provocation = Some(Patch::new(PROVOCATION, text));
        } else {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let mutation = Mutation::parse(&name, text)
                .with_context(|| format!("{FOLDER}/{name}.patch is no mutation"))?;
            mutations.push(mutation);
        }
    }
    let provocation = provocation.with_context(|| format!("{FOLDER}/{PROVOCATION} is missing"))?;
    Ok((provocation, mutations))
}

/// A row of the table: ok or FAILED, where, what and how.
type Row = [String; 4];

fn row(place: impl fmt::Display, what: &str, result: Result<String, String>) -> Row {
    let word = if result.is_ok() { OK } else { FAILED };
    let how = result.unwrap_or_else(|why| why);
    [word.to_owned(), place.to_string(), what.to_owned(), how]
}

const OK: &str = "ok";
const FAILED: &str = "FAILED";

fn aligned(rows: &[Row]) -> Vec<String> {
    let [first, second, third] = [0, 1, 2].map(|at| {
        let widths = rows.iter().map(|row| row[at].chars().count());
        widths.max().unwrap_or(0)
    });
    let line = |[word, place, what, how]: &Row| {
        format!("{word:first$}  {place:second$}  {what:third$}  {how}")
    };
    rows.iter().map(line).collect()
}

/// The guests of one architecture.
struct Bench<'a> {
    runner: &'a Runner,
    arch: Arch,
    guest: &'a Guest,
    engine: Engine,
}

impl Bench<'_> {
    /// Boots the mutant with a test.
    fn run(&self, name: &str, trial: &Trial) -> Result<Outcome> {
        let stage = format!("mutant {} {name}", self.arch);
        self.runner.always(&stage, |progress| {
            let arguments = trial.arguments();
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            qemu::boot(
                self.runner,
                progress,
                &Boot {
                    arch: self.arch,
                    kernel: &self.runner.paths.image(self.arch, Flavour::Mutant),
                    initramfs: &self.guest.base,
                    engine: match trial.kind {
                        Kind::KUnit => self.engine.in_turns(),
                        _ if trial.program().0 == IN_TURNS => self.engine.in_turns(),
                        _ => self.engine,
                    },
                    processors: PROCESSORS,
                    jobs: &[trial.job()],
                    arguments: &arguments,
                    limit: LIMIT,
                },
            )
        })
    }
}

/// The mutations that are `wanted`, by number or name; all if none is.
fn chosen(mutations: Vec<Mutation>, wanted: &[String]) -> Result<Vec<Mutation>> {
    let is = |it: &Mutation, name: &str| it.name == name || it.number() == Some(name);
    for name in wanted {
        if !mutations.iter().any(|it| is(it, name)) {
            bail!("no mutation is called {name}; {FOLDER} has them all");
        }
    }
    let kept = mutations.into_iter();
    let kept = kept.filter(|it| wanted.is_empty() || wanted.iter().any(|name| is(it, name)));
    Ok(kept.collect())
}

/// Tries the mutations that are `wanted`, all if none is, and counts the caught ones. A
/// test that fails without a mutation counts as a failure, too.
pub fn test_mutations(
    runner: &Runner,
    guests: &[(Arch, Guest)],
    wanted: &[String],
) -> Result<Tally> {
    let (provocation, mutations) = read(&runner.paths.checkout)?;
    let mutations = chosen(mutations, wanted)?;
    let mut benches = Vec::new();
    for (arch, guest) in guests {
        benches.push(Bench {
            runner,
            arch: *arch,
            guest,
            engine: qemu::engine_for_tests(runner, *arch, Flavour::Rust, &guest.base)?,
        });
    }
    let rows = try_all(runner, &benches, &provocation, &mutations);
    // In any case, the tree must not keep a defect.
    let restored = source::prepare(runner);
    let rows = rows?;
    restored?;
    for line in aligned(&rows) {
        println!("   {line}");
    }
    let failed = rows.iter().filter(|row| row[0] == FAILED).count();
    Ok(Tally {
        passed: (rows.len() - failed) as u32,
        failed: failed as u32,
    })
}

/// The stage of [`try_to_apply`].
const APPLY_STAGE: &str = "mutations apply";

/// Checks that all mutations apply to this source, and counts those that do not as
/// failed. Nothing is built.
pub fn try_to_apply(runner: &Runner, source: &Source) -> Result<Tally> {
    let (provocation, mutations) = read(&runner.paths.checkout)?;
    let series = source::series(&source.pristine)?;
    let mut feature = Feature::read(&runner.paths.checkout, series)?;
    runner.plan([APPLY_STAGE]);
    runner.always(APPLY_STAGE, |progress| {
        let mut tally = Tally::default();
        for mutation in &mutations {
            feature.mutation = mutation.patches(&provocation).to_vec();
            match feature.stage(&source.pristine) {
                Ok(_) => tally.passed += 1,
                Err(error) => {
                    tally.failed += 1;
                    progress.say(&format!("{APPLY_STAGE}: FAILED: {error:#}"));
                }
            }
        }
        Ok(tally)
    })
}

fn try_all(
    runner: &Runner,
    benches: &[Bench<'_>],
    provocation: &Patch,
    mutations: &[Mutation],
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for mutation in mutations {
        let Some(build) = mutation.host else { continue };
        let result = match host::mutant_is_caught(runner, build, &mutation.name)? {
            true => Ok("is caught".into()),
            false => Err("is not caught".into()),
        };
        rows.push(row("host", &mutation.title(), result));
    }

    let in_kernel = |it| -> Option<(&Mutation, &InKernel)> { Some((it, it.kernel.as_ref()?)) };
    let in_kernel: Vec<_> = mutations.iter().filter_map(in_kernel).collect();
    if in_kernel.is_empty() {
        return Ok(rows);
    }
    let mut unsound = BTreeSet::new();
    let tree = source::prepare_mutated(runner, std::slice::from_ref(provocation))?;
    for bench in benches {
        kernel::build(runner, &tree, bench.arch, Flavour::Mutant)?;
        // Each trial, and whether its failure is a sign.
        let mut trials: BTreeMap<&Trial, bool> = BTreeMap::new();
        for (_, kernel) in in_kernel.iter().filter(|(it, _)| it.is_on(bench.arch)) {
            *trials.entry(&kernel.trial).or_default() |= kernel.signs.contains(&Sign::Failure);
        }
        for (&trial, &by_failure) in &trials {
            let outcome = bench.run(&format!("none {}", trial.name), trial)?;
            let result = check_sound(trial, by_failure, &outcome);
            if result.is_err() {
                unsound.insert((bench.arch, trial));
            }
            let what = format!("no mutation: {trial}");
            rows.push(row(bench.arch, &what, result));
        }
    }

    for (mutation, kernel) in in_kernel {
        let there = |bench: &&Bench<'_>| mutation.is_on(bench.arch);
        for bench in benches.iter().filter(there) {
            let result = if unsound.contains(&(bench.arch, &kernel.trial)) {
                Err(format!("{} fails without it", kernel.trial))
            } else {
                match try_one(bench, provocation, mutation, &kernel.trial) {
                    Err(error) if error.is::<Interrupted>() => return Err(error),
                    Err(error) => Err(format!("{error:#}")),
                    Ok(outcome) => kernel.judge(&outcome),
                }
            };
            rows.push(row(bench.arch, &mutation.title(), result));
        }
    }
    Ok(rows)
}

fn try_one(
    bench: &Bench<'_>,
    provocation: &Patch,
    mutation: &Mutation,
    trial: &Trial,
) -> Result<Outcome> {
    let tree = source::prepare_mutated(bench.runner, &mutation.patches(provocation))?;
    kernel::rebuild(bench.runner, &tree, bench.arch, Flavour::Mutant)?;
    bench.run(&mutation.name, trial)
}

#[cfg(test)]
mod unit_tests {
    use std::fs;

    use super::*;
    use crate::qemu::Fault;

    fn mutation(trailer: &str) -> Result<Mutation> {
        let diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";
        let text = format!("Subject: A thing\n\nWhy.\n\n{trailer}\n\n---\n{diff}");
        Mutation::parse("01-x", text)
    }

    fn outcome(report: &str, fault: Option<(FaultKind, &str)>) -> Outcome {
        Outcome {
            report: report.lines().map(str::to_owned).collect(),
            log: report.to_owned(),
            fault: fault.map(|(kind, text)| Fault {
                kind,
                text: text.to_owned(),
            }),
            status: 0,
        }
    }

    const PASSED: &str = "TAP version 13\n1..1\nok 1 a.b";
    const FAILED: &str = "TAP version 13\n1..1\nnot ok 1 a.b";

    fn in_kernel(trailer: &str) -> InKernel {
        mutation(trailer).unwrap().kernel.unwrap()
    }

    #[test]
    fn headers_are_read() {
        let m = mutation("Caught-by: life.fork or hang or splat soft lockup").unwrap();
        assert_eq!((m.title(), m.host), ("01 A thing".into(), None));
        assert_eq!(m.patch.files.len(), 1);
        let m = m.kernel.unwrap();
        assert_eq!(m.trial.to_string(), "life.fork");
        let words = [
            "kunit.enable=0",
            "xol.program=life",
            "xol.test=life.fork",
            "uprobes.boost=0",
        ];
        assert_eq!(m.trial.arguments(), words);
        let splat = Sign::Splat("soft lockup".into());
        assert_eq!(m.signs, [Sign::Failure, Sign::Hang, splat]);

        let m = in_kernel("Run: a.b\nCaught-by: splat");
        assert_eq!(m.signs, [Sign::Splat(String::new())]);
        assert_eq!(m.trial.name, "a.b");
        let m = in_kernel("Caught-by: KUnit suite/case");
        assert_eq!(m.trial.arguments(), ["kunit.filter_glob=suite.case"]);
        let m = mutation("Caught-by: host left-idle: no lost wake-up").unwrap();
        assert_eq!(m.host, Some("loom"));
        assert!(m.kernel.is_none());
        let m = mutation("Caught-by: a.b or hang\nCaught-by: host two-slots/x: a or b").unwrap();
        assert_eq!(m.host, Some("loom,two-slots"));
        assert_eq!(m.kernel.unwrap().signs, [Sign::Failure, Sign::Hang]);
        let m = in_kernel("Caught-by: stress");
        assert_eq!(
            m.trial.arguments(),
            ["kunit.enable=0", "xol.program=stress", "uprobes.boost=0"]
        );
        let m = in_kernel("Caught-by: boosted a.b");
        assert_eq!(m.trial.to_string(), "boosted a.b");
        let words = ["kunit.enable=0", "xol.program=a", "xol.test=a.b"];
        assert_eq!(m.trial.arguments(), words);
    }

    /// Checks that a defect of one architecture is not looked for on another.
    #[test]
    fn defects_of_an_architecture_are_only_there() {
        let mut m = mutation("Caught-by: a.b").unwrap();
        assert!(m.is_on(Arch::X86_64) && m.is_on(Arch::Arm64));
        m.patch.files.insert("arch/x86/kernel/uprobes.c".into());
        assert!(m.is_on(Arch::X86_64) && !m.is_on(Arch::Arm64));
    }

    #[test]
    fn some_can_be_chosen() {
        let chosen = |wanted: &[&str]| {
            let all = ["01-x", "01-y", "10-x", "x-y"].map(|name| Mutation {
                name: name.to_owned(),
                ..mutation("Caught-by: a.b").unwrap()
            });
            let wanted: Vec<_> = wanted.iter().map(|&name| name.to_owned()).collect();
            let kept = chosen(all.into(), &wanted).map_err(|error| error.to_string())?;
            Ok::<_, String>(kept.iter().map(|it| it.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[]).unwrap().len(), 4);
        assert_eq!(chosen(&["x-y"]).unwrap(), ["x-y"]);
        assert!(chosen(&["x"]).is_err());
        assert_eq!(chosen(&["01"]).unwrap(), ["01-x", "01-y"]);
        assert_eq!(chosen(&["10-x", "01-y"]).unwrap(), ["01-y", "10-x"]);
        assert!(chosen(&["01", "1"]).unwrap_err().contains("called 1;"));
    }

    #[test]
    fn incomplete_headers_are_refused() {
        for trailer in [
            "",
            "Caught-by: hang",
            "Caught-by: a.b or c.d",
            "Run: a.b\nCaught-by: c.d",
            "Caught-by: KUnit suite",
            "Caught-by: two words",
            "Caught-by: a.b\nCaught-by: hang",
            "Caught-by: host left-idle",
            "Caught-by: host three-slots/left-idle: no lost wake-up",
            "Caught-by: host a: b\nCaught-by: host a: b",
        ] {
            assert!(mutation(trailer).is_err(), "{trailer:?}");
        }
        assert!(Mutation::parse("x", "Caught-by: a.b\n\n---\n".into()).is_err());
    }

    #[test]
    fn only_what_the_header_names_counts() {
        let by_test = in_kernel("Caught-by: a.b");
        let by_splat = in_kernel("Run: a.b\nCaught-by: splat x.rs");
        let by_hang = in_kernel("Caught-by: a.b or hang");
        let by_program = in_kernel("Caught-by: a");
        let other = "TAP version 13\n1..1\nnot ok 1 a.c";
        let splat = |text| Some((FaultKind::Splat, text));
        let hang = Some((FaultKind::Hang, "too long"));
        for (mutation, report, fault, caught) in [
            (&by_test, FAILED, None, true),
            (&by_test, PASSED, None, false),
            (&by_test, other, None, false),
            (&by_test, "", None, false),
            (&by_test, "", splat("BUG: x.rs"), false),
            (&by_test, "", hang, false),
            (&by_splat, FAILED, splat("WARNING: x.rs"), true),
            (&by_splat, PASSED, splat("WARNING: y.rs"), false),
            (&by_splat, FAILED, None, false),
            (&by_hang, "", hang, true),
            (&by_hang, FAILED, None, true),
            (&by_hang, "", Some((FaultKind::EarlyEnd, "")), false),
            (&by_program, FAILED, None, true),
            (&by_program, PASSED, None, false),
            (&by_program, "", hang, false),
            (
                &by_program,
                "TAP version 13\n1..2\nok 1 a.b",
                splat("BUG"),
                false,
            ),
        ] {
            let result = mutation.judge(&outcome(report, fault));
            assert_eq!(result.is_ok(), caught, "{report:?} {fault:?}: {result:?}");
        }
    }

    #[test]
    fn kunit_cases_are_found_in_the_log() {
        let mutation = in_kernel("Caught-by: KUnit s/c");
        let log = |result| {
            format!(
                "[    0.1] KTAP version 1\n[    0.1] 1..1\n[    0.1]     KTAP version 1\n\
                 [    0.1]     1..1\n[    0.1]     {result} 1 c\n[    0.1] {result} 1 s\n"
            )
        };
        assert!(mutation.judge(&outcome(&log("not ok"), None)).is_ok());
        assert!(mutation.judge(&outcome(&log("ok"), None)).is_err());
    }

    #[test]
    fn tests_must_pass_without_a_mutation() {
        let trial = Trial::parse("a.b").unwrap();
        let sound = |by_failure, report, fault| {
            check_sound(&trial, by_failure, &outcome(report, fault)).is_ok()
        };
        assert!(sound(true, PASSED, None));
        assert!(!sound(true, FAILED, None));
        assert!(!sound(true, PASSED, Some((FaultKind::Splat, "BUG"))));
        assert!(!sound(
            true,
            "TAP version 13\n1..1\nok 1 a.b # SKIP no",
            None
        ));
        // Where a splat is the sign, the provocation may make the test fail.
        assert!(sound(false, FAILED, None));
        assert!(!sound(false, "", None));
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            row("host", "short", Ok("caught".into())),
            row("x86_64", "longer", Err("passes".into())),
        ];
        let want = [
            "ok      host    short   caught",
            "FAILED  x86_64  longer  passes",
        ];
        assert_eq!(aligned(&rows), want);
    }

    /// The checkout's own: every defect is there, and what is named exists.
    #[test]
    fn mutations_of_the_checkout_name_tests_that_exist() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (_, mutations) = read(&checkout).unwrap();
        let text = |path: &str| {
            let read = fs::read_to_string(checkout.join(path));
            read.unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let mut defects = BTreeSet::new();
        for mutation in &mutations {
            let Mutation { name, kernel, .. } = mutation;
            let number = mutation.number().map(|it| it.parse::<u32>().unwrap());
            defects.extend(number);
            // The host's own tests check its scenarios and properties.
            let Some(InKernel { trial, .. }) = kernel else {
                continue;
            };
            assert!(number.is_some(), "{name} has no number");
            let (file, found) = match (trial.kind, trial.name.split_once('/')) {
                (Kind::KUnit, Some(("uprobes_boost", case))) => {
                    let file = "arch/x86/kernel/uprobes_boost_test.c";
                    (file.into(), format!("void {case}(struct kunit"))
                }
                (Kind::KUnit, Some((suite, case))) => {
                    let file = match suite {
                        "uprobes_xol_boosted" => "kernel/events/uprobes_xol/boost/tests.rs",
                        _ => "kernel/events/uprobes_xol/tests.rs",
                    };
                    (file.into(), format!("fn {case}()"))
                }
                _ => {
                    let file = format!("tools/testing/selftests/uprobes/{}.c", trial.program().0);
                    let test = trial.name.split_once('.');
                    let (fixture, test) = test.unwrap_or((&trial.name, ""));
                    // The name of a variant comes before that of the test.
                    let test = test.rsplit('.').next().unwrap_or_default();
                    (file, format!("({fixture}, {test}"))
                }
            };
            assert!(text(&file).contains(&found), "{name}: no {found} in {file}");
        }
        // The eight of a design with a slot for each task, and more.
        let last = *defects.last().unwrap();
        assert!(last >= 8 && defects.into_iter().eq(1..=last));
    }

    #[test]
    fn mutations_of_the_checkout_apply() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (provocation, mutations) = read(&checkout).unwrap();
        for mutation in &mutations {
            let patches = mutation.patches(&provocation);
            // The other files are the kernel's.
            let patches = patches.map(|patch| patch.only(|file| checkout.join(file).exists()));
            let tree = tempfile::tempdir().unwrap();
            for file in patches.iter().flat_map(|patch| &patch.files) {
                let copy = tree.path().join(file);
                fs::create_dir_all(copy.parent().unwrap()).unwrap();
                fs::copy(checkout.join(file), copy).unwrap();
            }
            for patch in patches {
                let applied = patch.apply(tree.path(), false);
                applied.unwrap_or_else(|error| panic!("{}: {error:#}", mutation.name));
            }
        }
    }
}
