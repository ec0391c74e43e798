// SPDX-License-Identifier: GPL-2.0
//! The results of upstream's own tests with slots in C and with slots in Rust, case by case.
//!
//! Each case that passes with slots in C must pass with slots in Rust. A case that does not pass
//! in C proves nothing, because the machine or the configuration lacks something. Such cases are
//! listed with the reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;
use crate::report::summary::{Section, table};
use crate::report::tap::{Case, Verdict};

/// Reasons for skipped tests that do not report one, with the architecture. They are those of QEMU
/// TCG.
const REASONS: &[(&str, Option<Arch>, &str)] = &[
    ("test_shadow_stack", Some(Arch::X86_64), NO_SHADOW_STACK),
    (
        "uretprobe_shadow_stack",
        Some(Arch::X86_64),
        NO_SHADOW_STACK,
    ),
    ("uprobe_syscall", Some(Arch::Arm64), "only on x86-64"),
    ("uprobe_syscall", Some(Arch::Riscv64), "only on x86-64"),
];

const NO_SHADOW_STACK: &str = "the processor has no user shadow stacks; QEMU TCG has none at all";

/// Tests that depend on time, and what they expect. A translated guest with another one beside it
/// is not always fast enough.
const TIMED: &[(&str, &str)] = &[(
    "uprobe_multi_test/consumers",
    "a probe must be removed within 100 ms of a hit, or its pending return keeps it",
)];

/// The cases of one kernel, and the fault of the guest if there was one.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub cases: Vec<Case>,
    pub fault: Option<String>,
}

impl Results {
    /// The failed cases that depend on time, and what they expect.
    pub fn timed_failures(&self) -> Vec<(String, &'static str)> {
        let failed = self
            .cases
            .iter()
            .filter(|case| case.verdict == Verdict::Fail);
        let timed = failed.filter_map(|case| {
            let known = TIMED.iter().find(|(part, _)| case.name.contains(part));
            known.map(|(_, why)| (case.name.clone(), *why))
        });
        timed.collect()
    }

    /// Replaces the results of these cases by those of another run, as far as it has any.
    pub fn update(&mut self, names: &[(String, &'static str)], again: &Results) {
        let named = |case: &&mut Case| names.iter().any(|(name, _)| *name == case.name);
        for case in self.cases.iter_mut().filter(named) {
            let mut others = again.cases.iter();
            if let Some(other) = others.find(|other| other.name == case.name) {
                *case = other.clone();
            }
        }
        if again.fault.is_some() {
            self.fault.clone_from(&again.fault);
        }
    }
}

/// The results of both kernels.
pub struct Comparison {
    arch: Arch,
    /// The name of the kernel with slots in Rust.
    kernel: &'static str,
    /// The results in C and in Rust, by name.
    cases: BTreeMap<String, (Option<Case>, Option<Case>)>,
    faults: Vec<String>,
}

impl Comparison {
    pub fn new(arch: Arch, kernel: &'static str, c: &Results, rust: &Results) -> Self {
        let mut cases: BTreeMap<_, (Option<Case>, Option<Case>)> = BTreeMap::new();
        for case in &c.cases {
            cases.entry(case.name.clone()).or_default().0 = Some(case.clone());
        }
        for case in &rust.cases {
            cases.entry(case.name.clone()).or_default().1 = Some(case.clone());
        }
        let faults = [("C", c), (kernel, rust)].into_iter();
        let faults = faults.filter_map(|(kernel, results)| {
            let fault = results.fault.as_ref()?;
            Some(format!("{kernel}: {fault}"))
        });
        Self {
            arch,
            kernel,
            cases,
            faults: faults.collect(),
        }
    }

    /// The number of cases that pass on both.
    pub fn passed(&self) -> usize {
        let both = |(c, rust): &&(_, _)| passes(c) && passes(rust);
        self.cases.values().filter(both).count()
    }

    /// The failures, a line each.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.faults.clone();
        for (name, (c, rust)) in &self.cases {
            if passes(c) && !passes(rust) {
                let (kernel, rust) = (self.kernel, said(rust));
                failures.push(format!("{name}: passes in C, but in {kernel}: {rust}"));
            } else if c.is_none() {
                failures.push(format!("{name}: in C there is no result"));
            }
        }
        failures.extend(self.kinds_without_effect());
        failures
    }

    /// The kinds of tests of which none passes in C, although some failed: they were not run as
    /// they should be.
    fn kinds_without_effect(&self) -> Vec<String> {
        let in_c = || self.cases.values().filter_map(|(c, _)| c.as_ref());
        let kinds = |verdict| -> BTreeSet<&str> {
            let such = in_c().filter(|case| case.verdict == verdict);
            such.map(|case| kind(&case.name)).collect()
        };
        let (passed, failed) = (kinds(Verdict::Pass), kinds(Verdict::Fail));
        let without = failed.difference(&passed);
        without
            .map(|kind| format!("{kind}: in C none of these passes"))
            .collect()
    }

    /// The cases that do not pass in C, with the reasons.
    pub fn not_comparable(&self) -> Section {
        let header = ["test", "C", self.kernel, "why"];
        let not_in_c = self.cases.iter().filter(|(_, (c, _))| !passes(c));
        let rows = not_in_c.map(|(name, (c, rust))| {
            let (in_c, in_rust) = (word(c).to_owned(), word(rust).to_owned());
            vec![name.clone(), in_c, in_rust, self.reason(name, c, rust)]
        });
        Section {
            title: "Upstream's tests that cannot be compared",
            note: "These cases do not pass in C.".into(),
            table: table(header.map(str::to_owned).into(), 4, rows.collect()),
        }
    }

    fn reason(&self, name: &str, c: &Option<Case>, rust: &Option<Case>) -> String {
        let known = REASONS.iter().find(|(part, arch, _)| {
            let skipped = |case: &Option<Case>| {
                case.as_ref()
                    .is_some_and(|case| case.verdict == Verdict::Skip)
            };
            skipped(c) && name.contains(part) && arch.is_none_or(|arch| arch == self.arch)
        });
        if let Some((_, _, reason)) = known {
            return (*reason).to_owned();
        }
        let details = [c, rust].into_iter().flatten().map(|case| &case.detail);
        let mut details = details.filter(|detail| !detail.is_empty());
        details
            .next()
            .map_or("it does not say", |detail| detail)
            .to_owned()
    }
}

fn passes(case: &Option<Case>) -> bool {
    case.as_ref()
        .is_some_and(|case| case.verdict == Verdict::Pass)
}

fn word(case: &Option<Case>) -> &'static str {
    match case.as_ref().map(|case| case.verdict) {
        None => "no result",
        Some(Verdict::Pass) => "passed",
        Some(Verdict::Fail) => "failed",
        Some(Verdict::Skip) => "skipped",
        Some(Verdict::ExpectedFailure) => "failed as expected",
    }
}

fn said(case: &Option<Case>) -> String {
    let detail = case.as_ref().map_or("", |case| &case.detail);
    let colon = if detail.is_empty() { "" } else { ": " };
    format!("{}{colon}{detail}", word(case))
}

/// The kind of a test: `bpf` of `bpf: uprobe/attach`.
fn kind(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(cases: &[(&str, Verdict, &str)]) -> Results {
        let case = |&(name, verdict, detail): &(&str, _, &str)| Case {
            name: name.into(),
            verdict,
            detail: detail.into(),
        };
        Results {
            cases: cases.iter().map(case).collect(),
            fault: None,
        }
    }

    fn compare(c: &[(&str, Verdict, &str)], rust: &[(&str, Verdict, &str)]) -> Comparison {
        Comparison::new(Arch::X86_64, "Rust", &results(c), &results(rust))
    }

    use Verdict::{Fail, Pass, Skip};

    /// Checks that a case that fails in Rust only is a failure.
    #[test]
    fn what_passes_in_c_must_pass_in_rust() {
        let c = [
            ("bpf: usdt/basic", Pass, ""),
            ("bpf: usdt/urand", Pass, ""),
            ("bpf: usdt/gone", Pass, ""),
            ("mm: merge", Pass, ""),
        ];
        let rust = [
            ("bpf: usdt/basic", Pass, ""),
            ("bpf: usdt/urand", Fail, "2 hits"),
            ("mm: merge", Skip, ""),
        ];
        let comparison = compare(&c, &rust);
        assert_eq!(comparison.passed(), 1);
        assert_eq!(
            comparison.failures(),
            [
                "bpf: usdt/gone: passes in C, but in Rust: no result",
                "bpf: usdt/urand: passes in C, but in Rust: failed: 2 hits",
                "mm: merge: passes in C, but in Rust: skipped",
            ]
        );
        assert_eq!(comparison.not_comparable().table.row_count(), 0);
    }

    /// Checks that the list has all cases that do not pass in C.
    #[test]
    fn what_does_not_pass_in_c_is_listed_with_a_reason() {
        let both = [
            ("bpf: uprobe_syscall/uretprobe_shadow_stack", Skip, ""),
            ("bpf: attach_probe/auto", Fail, "no such call"),
            ("bpf: usdt/basic", Pass, ""),
            ("seccomp: seccomp_bpf/UPROBE.x", Skip, "not defined"),
        ];
        let rust = [("bpf: attach_probe/auto", Pass, "")];
        let comparison = compare(&both, &[&both[..1], &rust, &both[2..]].concat());
        assert!(comparison.failures().is_empty());
        assert_eq!(comparison.passed(), 1);
        let text = comparison.not_comparable().to_string();
        let row = |name: &str| {
            let line = text.lines().find(|line| line.contains(name)).unwrap();
            line.split('|').map(str::trim).collect::<Vec<_>>()[2..5].join(", ")
        };
        assert_eq!(row("auto"), "failed, passed, no such call");
        assert_eq!(row("UPROBE.x"), "skipped, skipped, not defined");
        assert_eq!(
            row("shadow_stack"),
            format!("skipped, skipped, {NO_SHADOW_STACK}")
        );
        assert!(!text.contains("usdt"));
    }

    /// Checks that a test that does not depend on time is not repeated.
    #[test]
    fn only_what_goes_by_time_may_be_tried_again() {
        let mut first = results(&[
            ("bpf: uprobe_multi_test/consumers", Fail, "1 != 0"),
            ("bpf: usdt/basic", Fail, ""),
        ]);
        let names = first.timed_failures();
        assert_eq!(names.len(), 1);
        let again = results(&[
            ("bpf: usdt/basic", Pass, ""),
            ("bpf: uprobe_multi_test/consumers", Pass, ""),
        ]);
        first.update(&names, &again);
        let verdicts: Vec<_> = first.cases.iter().map(|case| case.verdict).collect();
        assert_eq!(verdicts, [Pass, Fail]);
        assert!(first.timed_failures().is_empty());
        // Only failed cases are replaced.
        first.update(&names, &results(&[]));
        assert_eq!(first.cases.len(), 2);
    }

    /// Checks that a reason is used on its architecture only.
    #[test]
    fn known_reasons_are_of_an_architecture() {
        let skipped = results(&[("bpf: uprobe_syscall", Skip, "")]);
        for (arch, reason) in [
            (Arch::Arm64, "only on x86-64"),
            (Arch::X86_64, "it does not say"),
        ] {
            let comparison = Comparison::new(arch, "Rust", &skipped, &skipped);
            assert!(comparison.not_comparable().to_string().contains(reason));
        }
    }

    /// Checks that missing results and kinds without a pass are failures.
    #[test]
    fn a_comparison_needs_both_kernels_and_a_test_that_works() {
        let one = [("ftrace: ftracetest/x", Pass, "")];
        assert_eq!(
            compare(&[], &one).failures(),
            ["ftrace: ftracetest/x: in C there is no result"]
        );
        let none = [("bpf: usdt", Fail, "exit=255"), ("x86: y", Skip, "")];
        assert_eq!(
            compare(&none, &none).failures(),
            ["bpf: in C none of these passes"]
        );
        let mut hung = results(&one);
        hung.fault = Some("it hung".into());
        let comparison = Comparison::new(Arch::Arm64, "Rust", &hung, &results(&one));
        assert_eq!(comparison.failures(), ["C: it hung"]);
    }
}
