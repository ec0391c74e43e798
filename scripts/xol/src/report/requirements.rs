// SPDX-License-Identifier: GPL-2.0
//! What a stepped hit is required to cost, and whether it costs no more.

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::contention::PROCESSORS;
use crate::report::record::{Contention, Record};
use crate::report::summary::{Section, Summary, decimal, median, table, title};

/// In all of a run, an atomic operation here or there says nothing: as with
/// lines, what counts is that many per hit.
const SOME: f64 = 0.01;

/// The instruction at which probes are hit in turn.
const IN_TURN: &str = "mov";

/// What is boosted of the instructions whose cost is counted, and one that is
/// emulated.
pub const BOOSTED: [&str; 6] = ["endbr64", "mov", "sub", "lea8", "pop", "test"];
pub const EMULATED: &str = "nop";

/// What a boosted hit may cost, in terms of one that is emulated.
pub const BOOSTED_COST: f64 = 1.08;

/// Threads whose throughput is compared: the median of the ratios of runs one after the
/// other, because a host's speed changes from one minute to the next.
const FEW: u32 = 4;
const MANY: u32 = 64;

type Value = fn(&Contention) -> f64;

/// What must not be done to shared memory.
const SHARED: [(&str, Bound, Value); 3] = [
    ("shared lines", Bound::Zero, |of| of.lines as f64),
    ("slot bytes per hit", Bound::Zero, |of| of.slot_bytes),
    (
        "atomics on shared lines per hit",
        Bound::Below(SOME),
        |of| of.accesses.atomics,
    ),
];

#[derive(Clone, Copy)]
enum Bound {
    Zero,
    Below(f64),
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Zero => value == 0.0,
            Self::Below(bound) => value < bound,
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Zero => f.write_str("0"),
            Self::Below(bound) => write!(f, "< {bound}"),
            Self::AtMost(bound) => write!(f, "<= {bound}"),
            Self::AtLeast(bound) => write!(f, ">= {bound}"),
        }
    }
}

/// A figure of the Rust kernel, and the same of the C kernel to compare it with.
struct Requirement {
    arch: Arch,
    what: String,
    bound: Bound,
    c: Option<f64>,
    rust: Option<f64>,
    /// Where there is no such kernel, or what is required is not about it: none.
    stepped: Option<f64>,
}

impl Requirement {
    /// None if it was not measured.
    fn holds(&self) -> Option<bool> {
        let holds = |value| self.bound.holds(value);
        Some(holds(self.rust?) && self.stepped.is_none_or(holds))
    }
}

/// A row for each requirement, whether it was measured or not.
pub fn section(summary: &Summary) -> Section {
    let [c, rust, stepped] = [Flavour::C, Flavour::Rust, Flavour::Stepped].map(title);
    let heads = [c, rust, stepped, "required", "holds?"];
    let heads = heads.map(str::to_owned).into_iter();
    let mut table = table(&["machine", "figure"], heads, 2);
    for arch in summary.archs() {
        for of in requirements(summary, arch) {
            let holds = match of.holds() {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "not measured",
            };
            table.add_row([
                of.arch.to_string(),
                of.what,
                shown(of.c),
                shown(of.rust),
                shown(of.stepped),
                of.bound.to_string(),
                holds.to_owned(),
            ]);
        }
    }
    Section {
        title: "What is required",
        note: "Of the Rust kernel, once warm, and of the same when it boosts nothing. Those that \
               are times depend on the machine."
            .into(),
        table,
    }
}

fn requirements(summary: &Summary, arch: Arch) -> Vec<Requirement> {
    let mut all = Vec::new();
    let mut add = |what: String, bound, value: &dyn Fn(Flavour) -> Option<f64>| {
        all.push(Requirement {
            arch,
            what,
            bound,
            c: value(Flavour::C),
            rust: value(Flavour::Rust),
            stepped: value(Flavour::Stepped),
        });
    };
    let has = |wanted: fn(&Record) -> bool| {
        let mut samples = summary.0.iter();
        samples.any(|of| of.arch == arch && wanted(&of.record))
    };
    if has(|record| !matches!(record, Record::Step { .. })) {
        for (what, bound, value) in SHARED {
            for probes in [1, 100] {
                let text = format!("{what}, processors: {PROCESSORS}, probes: {probes}");
                add(text, bound, &|flavour| {
                    let trial = (PROCESSORS, probes);
                    summary.contention_of(arch, flavour, trial).map(value)
                });
            }
        }
        let text = "instructions per stepped hit, the worst against C".to_owned();
        add(text, Bound::AtMost(0.98), &|of| {
            worst_cost(summary, arch, of)
        });
        if arch == Arch::X86_64 {
            let text = format!("instructions per boosted hit, the worst against {EMULATED}");
            add(text, Bound::AtMost(BOOSTED_COST), &|of| match of {
                Flavour::Stepped => None,
                _ => boosted_cost(summary, arch, of),
            });
        }
        // Elsewhere it is of no interest how QEMU's translator scales.
        for probes in [1, 2, 100].into_iter().filter(|_| arch == Arch::X86_64) {
            let text = format!("hits/s, {MANY} threads against {FEW}, probes: {probes}");
            add(text, Bound::AtLeast(0.95), &|flavour| {
                let hit = (IN_TURN.to_owned(), probes);
                let of = |threads| summary.throughputs(arch, flavour, &hit, threads);
                let pairs = of(FEW).into_iter().zip(of(MANY));
                median(&pairs.map(|(few, many)| many / few).collect::<Vec<_>>())
            });
        }
    }
    if has(|record| matches!(record, Record::Step { .. })) {
        let step = |flavour, threads| summary.step_of(arch, flavour, (1, threads));
        let text = "slot layer, ns per step of 1 thread against C".to_owned();
        add(text, Bound::AtMost(0.2), &|of| {
            Some(step(of, 1)? / step(Flavour::C, 1)?)
        });
        let most = most_threads(summary, arch);
        let text = match most {
            Some(threads) => format!("slot layer, {threads} threads, of linear"),
            None => "slot layer, several threads, of linear".to_owned(),
        };
        add(text, Bound::AtLeast(0.9), &|of| {
            summary.of_linear(arch, of, (1, most?))
        });
    }
    all
}

/// The instruction that is stepped at the highest cost in terms of C's.
fn worst_cost(summary: &Summary, arch: Arch, flavour: Flavour) -> Option<f64> {
    let stepped = summary.distinct(|record| match record {
        Record::Cost {
            instruction,
            probed: true,
            steps: true,
            ..
        } => Some(instruction.clone()),
        _ => None,
    });
    let of_arch = stepped.into_iter().filter(|(of, _)| *of == arch);
    let ratios = of_arch.map(|(_, name)| {
        let cost = |flavour| summary.cost_of(arch, flavour, &name);
        Some(cost(flavour)? / cost(Flavour::C)?)
    });
    // One that was not measured could have been the worst.
    let ratios = ratios.collect::<Option<Vec<f64>>>()?;
    ratios.into_iter().max_by(f64::total_cmp)
}

/// The boosted instruction with the highest cost, in terms of an emulated one's.
fn boosted_cost(summary: &Summary, arch: Arch, flavour: Flavour) -> Option<f64> {
    let cost = |name| summary.cost_of(arch, flavour, name);
    let ratios = BOOSTED.map(|name| Some(cost(name)? / cost(EMULATED)?));
    let ratios = ratios.into_iter().collect::<Option<Vec<f64>>>()?;
    ratios.into_iter().max_by(f64::total_cmp)
}

/// As many threads of the slot layer as there are processors, if that was measured.
fn most_threads(summary: &Summary, arch: Arch) -> Option<u32> {
    let threads = summary.0.iter().filter_map(|sample| match sample.record {
        Record::Step {
            threads,
            processors,
            ..
        } if sample.arch == arch && threads as usize <= processors => Some(threads),
        _ => None,
    });
    threads.max().filter(|&threads| threads > 1)
}

/// As many digits as it takes to see that something is not 0.
fn shown(value: Option<f64>) -> String {
    let digits = match value {
        Some(value) if value != 0.0 && value < 0.001 => 6,
        _ => 3,
    };
    decimal(value, digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{Accesses, Sample};
    use crate::report::summary::tests::{cost, rows, sample, step};

    fn contention(flavour: Flavour, probes: u32, lines: usize, bytes: f64) -> Sample {
        let of = Contention {
            processors: PROCESSORS,
            probes,
            lines,
            accesses: Accesses {
                loads: lines as f64,
                stores: lines as f64,
                atomics: lines as f64,
            },
            slot_bytes: bytes,
            ..Contention::default()
        };
        sample(flavour, 1, Record::Contention(of))
    }

    /// C, Rust, required, holds; of the rows that begin so.
    fn of(samples: &[Sample], figure: &str) -> Vec<[String; 4]> {
        rows(&section(&Summary(samples)))
            .into_iter()
            .filter(|row| row[1].starts_with(figure))
            .map(|row| [2, 3, 5, 6].map(|at| row[at].clone()))
            .collect()
    }

    #[test]
    fn shared_memory_must_not_be_used() {
        let samples = [
            contention(Flavour::C, 1, 5, 16.0),
            contention(Flavour::Rust, 1, 0, 0.0),
            contention(Flavour::Rust, 100, 1, 0.0005),
        ];
        assert_eq!(
            of(&samples, "shared lines"),
            [["5.000", "0.000", "0", "yes"], ["-", "1.000", "0", "NO"]]
        );
        assert_eq!(of(&samples, "slot bytes")[1], ["-", "0.000500", "0", "NO"]);
        assert_eq!(
            of(&samples, "atomics")[0],
            ["5.000", "0.000", "< 0.01", "yes"]
        );
    }

    #[test]
    fn the_worst_of_the_stepped_instructions_counts() {
        let mut samples = vec![
            cost(Flavour::C, "nop", 1000.0),
            cost(Flavour::Rust, "nop", 1000.0),
            cost(Flavour::C, "ret", 2000.0),
            cost(Flavour::Rust, "ret", 1900.0),
        ];
        let row = |samples: &[Sample]| of(samples, "instructions")[0].clone();
        assert_eq!(row(&samples), ["1.000", "0.950", "<= 0.98", "yes"]);
        samples.push(cost(Flavour::C, "mov", 2000.0));
        assert_eq!(row(&samples)[3], "not measured");
        samples.push(cost(Flavour::Rust, "mov", 1980.0));
        assert_eq!(row(&samples), ["1.000", "0.990", "<= 0.98", "NO"]);
    }

    #[test]
    fn a_kernel_that_steps_has_to_hold_it_too() {
        let mut samples = vec![
            cost(Flavour::C, "ret", 2000.0),
            cost(Flavour::Rust, "ret", 1900.0),
            cost(Flavour::Stepped, "ret", 1960.0),
        ];
        let holds = |samples: &[Sample]| of(samples, "instructions per stepped")[0][3].clone();
        assert_eq!(holds(&samples), "yes");
        samples[2] = cost(Flavour::Stepped, "ret", 1961.0);
        assert_eq!(holds(&samples), "NO");
    }

    #[test]
    fn the_worst_of_the_boosted_instructions_counts() {
        let names = BOOSTED.iter().chain([&EMULATED]);
        let mut samples: Vec<_> = names
            .map(|name| cost(Flavour::Rust, name, 1000.0))
            .collect();
        // It takes two exceptions, as is known.
        samples.push(cost(Flavour::Stepped, BOOSTED[0], 1700.0));
        samples[1] = cost(Flavour::Rust, BOOSTED[1], 1080.0);
        let row = |samples: &[Sample]| of(samples, "instructions per boosted")[0].clone();
        assert_eq!(row(&samples), ["-", "1.080", "<= 1.08", "yes"]);
        samples[1] = cost(Flavour::Rust, BOOSTED[1], 1081.0);
        assert_eq!(row(&samples)[3], "NO");
        samples.remove(0);
        assert_eq!(row(&samples)[3], "not measured");
    }

    #[test]
    fn many_threads_are_compared_with_few() {
        let hits = |threads, hits| {
            let record = Record::Throughput {
                instruction: IN_TURN.into(),
                probes: 100,
                probed: true,
                threads,
                hits,
                ns: 1000,
            };
            sample(Flavour::Rust, 1, record)
        };
        let mut samples = vec![hits(FEW, 100), hits(MANY, 90)];
        let row = |samples: &[Sample], at: usize| of(samples, "hits/s")[at].clone();
        assert_eq!(row(&samples, 0), ["-", "-", ">= 0.95", "not measured"]);
        assert_eq!(row(&samples, 2), ["-", "0.900", ">= 0.95", "NO"]);
        // A host that is slower at times: the ratio of the medians would be 1.25.
        samples.extend([hits(FEW, 50), hits(MANY, 200), hits(FEW, 100)]);
        samples.extend([hits(MANY, 98), hits(FEW, 50), hits(MANY, 49)]);
        assert_eq!(row(&samples, 2), ["-", "0.980", ">= 0.95", "yes"]);
    }

    #[test]
    fn steps_scale_to_the_processors_there_are() {
        let samples = [
            step(Flavour::C, (1, 1), 40.0),
            step(Flavour::Rust, (1, 1), 4.0),
            step(Flavour::C, (1, 8), 400.0),
            step(Flavour::Rust, (1, 8), 4.2),
            step(Flavour::Rust, (1, 16), 10.0),
        ];
        assert_eq!(
            of(&samples, "slot layer"),
            [
                ["1.000", "0.100", "<= 0.2", "yes"],
                ["0.100", "0.952", ">= 0.9", "yes"]
            ]
        );
        // Nothing is asked of guests that did not run.
        assert_eq!(rows(&section(&Summary(&samples))).len(), 2);
        let one = [step(Flavour::Rust, (1, 1), 4.0)];
        assert_eq!(of(&one, "slot layer")[1][3], "not measured");
    }
}
