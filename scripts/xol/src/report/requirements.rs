// SPDX-License-Identifier: GPL-2.0
//! What hits are required to cost, and whether they cost no more.

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::layout::PROCESSORS;
use crate::report::metric::{Labels, Sample};
use crate::report::summary::{
    BASE, Key, Section, Summary, decimal, distinct, median, table, title,
};

/// Accesses per hit below which a line does not count.
const SOME: f64 = 0.01;

/// Instructions that take one exception, and the most that their hits may cost, divided by the cost
/// of [`EMULATED`]. The patched kernel emulates them or boosts them.
pub struct OneException {
    arch: Arch,
    pub instructions: &'static [&'static str],
    pub cost: f64,
}

pub const ONE_EXCEPTION: &[OneException] = &[
    OneException {
        arch: Arch::X86_64,
        instructions: &[
            "endbr64", "mov", "mov_rip", "sub", "lea8", "pop", "test", "lea", "ret",
        ],
        cost: 1.04,
    },
    // A call pushes a return address.
    OneException {
        arch: Arch::X86_64,
        instructions: &["call", "call_rip"],
        cost: 1.07,
    },
    OneException {
        arch: Arch::Arm64,
        instructions: &["bti", "sub", "add", "paciasp", "stp", "ldr", "str", "simd"],
        cost: 1.06,
    },
];

/// Those of an architecture.
pub fn one_exception(arch: Arch) -> impl Iterator<Item = &'static OneException> {
    ONE_EXCEPTION.iter().filter(move |of| of.arch == arch)
}

/// An instruction that upstream emulates, too.
pub const EMULATED: &str = "nop";

/// The prefix of metrics that the host's benchmark measures; guests measure the others.
const HOST: &str = "slot_layer_";

#[derive(Clone, Copy)]
enum Bound {
    Below(f64),
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(bound) => value < bound,
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    fn worst(self, values: Vec<f64>) -> Option<f64> {
        let values = values.into_iter();
        match self {
            Self::AtLeast(_) => values.min_by(f64::total_cmp),
            _ => values.max_by(f64::total_cmp),
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Below(bound) => write!(f, "< {bound}"),
            Self::AtMost(bound) => write!(f, "<= {bound}"),
            Self::AtLeast(bound) => write!(f, ">= {bound}"),
        }
    }
}

/// What a value is divided by.
enum Against {
    Nothing,
    /// The same of the kernel in C.
    C,
    /// The value with this label. Runs that follow each other are compared, and the median of the
    /// ratios counts, because a host's speed changes from one minute to the next.
    Label(&'static str, &'static str),
}

/// A bound for the Rust kernel. The worst value of all label sets counts.
struct Requirement {
    what: &'static str,
    metric: &'static str,
    /// The values that a label may have. Each of them must have been measured.
    labels: &'static [(&'static str, &'static [&'static str])],
    /// The values of `probes` for each of which there is a row.
    probes: &'static [&'static str],
    against: Against,
    bound: Bound,
    /// None if it is required on all architectures.
    on: Option<Arch>,
    /// The kernel that boosts nothing must hold it, too.
    stepped: bool,
}

const fn required(what: &'static str, metric: &'static str, bound: Bound) -> Requirement {
    Requirement {
        what,
        metric,
        bound,
        labels: &[],
        probes: &[],
        against: Against::Nothing,
        on: None,
        stepped: true,
    }
}

const fn shared(what: &'static str, metric: &'static str, bound: Bound) -> Requirement {
    Requirement {
        labels: &[("processors", &[PROCESSORS])],
        probes: &["1", "100"],
        ..required(what, metric, bound)
    }
}

const ZERO: Bound = Bound::AtMost(0.0);

const REQUIREMENTS: &[Requirement] = &[
    shared("shared lines, processors: 4", "contended_lines", ZERO),
    shared("slot bytes per hit, processors: 4", "page_bytes", ZERO),
    shared(
        "atomics on shared lines per hit, processors: 4",
        "contended_atomics",
        Bound::Below(SOME),
    ),
    Requirement {
        labels: &[("steps", &["yes"])],
        against: Against::C,
        ..required(
            "instructions per stepped hit, the worst against C",
            "instructions_per_hit",
            Bound::AtMost(0.98),
        )
    },
    Requirement {
        labels: &[("instruction", ONE_EXCEPTION[0].instructions)],
        against: Against::Label("instruction", EMULATED),
        on: Some(Arch::X86_64),
        stepped: false,
        ..required(
            "instructions per hit of one exception, the worst against nop",
            "instructions_per_hit",
            Bound::AtMost(ONE_EXCEPTION[0].cost),
        )
    },
    Requirement {
        labels: &[("instruction", ONE_EXCEPTION[1].instructions)],
        against: Against::Label("instruction", EMULATED),
        on: Some(Arch::X86_64),
        stepped: false,
        ..required(
            "instructions per hit of an indirect call, the worst against nop",
            "instructions_per_hit",
            Bound::AtMost(ONE_EXCEPTION[1].cost),
        )
    },
    Requirement {
        labels: &[("instruction", ONE_EXCEPTION[2].instructions)],
        against: Against::Label("instruction", EMULATED),
        on: Some(Arch::Arm64),
        stepped: false,
        ..required(
            "instructions per hit of one exception, the worst against nop",
            "instructions_per_hit",
            Bound::AtMost(ONE_EXCEPTION[2].cost),
        )
    },
    // On arm64 the figure would tell how QEMU TCG scales.
    Requirement {
        labels: &[("instruction", &["mov"]), ("threads", &["64"])],
        probes: &["1", "2", "100"],
        against: Against::Label("threads", "4"),
        on: Some(Arch::X86_64),
        ..required(
            "hits/s, 64 threads against 4",
            "hits_per_second",
            Bound::AtLeast(0.95),
        )
    },
    Requirement {
        labels: &[("probes", &["1"]), ("threads", &["1"])],
        against: Against::C,
        ..required(
            "slot layer, ns per step of 1 thread against C",
            "slot_layer_ns_per_step",
            Bound::AtMost(0.2),
        )
    },
    Requirement {
        labels: &[("probes", &["1"]), ("all_processors", &["yes"])],
        ..required(
            "slot layer, a thread on each processor, of linear",
            "slot_layer_of_linear",
            Bound::AtLeast(0.9),
        )
    },
];

impl Requirement {
    /// The worst value; none if a value is missing, because that could be the worst.
    fn value(&self, all: &Summary, flavour: Flavour, probes: &Key) -> Option<f64> {
        let all = all.of(self.metric).with(probes);
        let is_wanted = |set: &&Labels| {
            let mut labels = self.labels.iter();
            labels.all(|(name, values)| set.get(*name).is_some_and(|of| values.contains(&&**of)))
        };
        let sets = distinct(all.samples().iter().map(|of| &of.metric.labels));
        let sets: Vec<_> = sets.into_iter().filter(is_wanted).collect();
        let is_measured = |(name, values): &(&str, &[&str])| {
            let has = |value| sets.iter().any(|set| set[*name] == value);
            values.iter().all(|&value| has(value))
        };
        if !self.labels.iter().all(is_measured) {
            return None;
        }
        let ratios = sets.iter().map(|&set| {
            let of = |flavour| all.kernel(flavour).filter(|of| of.metric.labels == *set);
            let value = of(flavour).value()?;
            Some(match self.against {
                Against::Nothing => value,
                Against::C => value / of(BASE).value()?,
                Against::Label(name, other) => {
                    let labels = self.labels.iter().filter(|of| of.0 != name);
                    let labels = labels.map(|(name, values)| (*name, values[0]));
                    let labels: Vec<_> = labels.chain([(name, other)]).collect();
                    let others = all.kernel(flavour).with(&labels).values();
                    let pairs = of(flavour).values().into_iter().zip(others);
                    let ratios = pairs.map(|(value, other)| value / other);
                    median(&ratios.collect::<Vec<_>>())?
                }
            })
        });
        self.bound.worst(ratios.collect::<Option<Vec<_>>>()?)
    }

    fn row(&self, all: &Summary, probes: Option<&str>) -> Vec<String> {
        let label = probes.map(|probes| ("probes", probes));
        let value = |flavour| self.value(all, flavour, label.as_slice());
        let rust = value(Flavour::Rust);
        let stepped = value(Flavour::Stepped).filter(|_| self.stepped);
        let holds = |value| self.bound.holds(value);
        let verdict = match rust.map(|rust| holds(rust) && stepped.is_none_or(holds)) {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        let which = probes.map(|probes| format!(", probes: {probes}"));
        vec![
            self.what.to_owned() + &which.unwrap_or_default(),
            shown(value(Flavour::C)),
            shown(rust),
            shown(stepped),
            self.bound.to_string(),
            verdict.to_owned(),
        ]
    }
}

/// Makes a row for each requirement, whether it was measured or not.
pub fn section(summary: &Summary) -> Section {
    let [c, rust, stepped] = [Flavour::C, Flavour::Rust, Flavour::Stepped].map(title);
    let heads = ["machine", "figure", c, rust, stepped, "required", "holds?"];
    let on_host = |metric: &str| metric.starts_with(HOST);
    let mut rows = Vec::new();
    for arch in summary.archs() {
        let all = summary.on(arch);
        // Nothing is required of guests that did not run.
        let ran = |of: &&Sample, metric| on_host(&of.metric.metric) == on_host(metric);
        let there = |of: &&Requirement| all.samples().iter().any(|sample| ran(sample, of.metric));
        let required = REQUIREMENTS.iter().filter(there);
        for of in required.filter(|of| of.on.is_none_or(|on| on == arch)) {
            let probes = of.probes.iter().map(|&probes| Some(probes));
            let probes = probes.chain(of.probes.is_empty().then_some(None));
            let arch = arch.to_string();
            rows.extend(probes.map(|probes| [vec![arch.clone()], of.row(&all, probes)].concat()));
        }
    }
    Section {
        title: "Requirements",
        note: "For the Rust kernel, once warm, and for the same kernel when it boosts nothing. \
               Those that are times depend on the machine."
            .into(),
        table: table(heads.map(str::to_owned).into(), 2, rows),
    }
}

/// Shows as many digits as it takes to see that something is not 0.
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
    use crate::report::metric::tests::{cost, sample, step};
    use crate::report::summary::tests::rows;

    /// The columns for C, Rust, the bound and the verdict, of rows that begin with `figure`.
    fn of(samples: &[Sample], figure: &str) -> Vec<[String; 4]> {
        rows(&section(&Summary::new(samples)))
            .into_iter()
            .filter(|row| row[1].starts_with(figure))
            .map(|row| [2, 3, 5, 6].map(|at| row[at].clone()))
            .collect()
    }

    /// Checks the bounds for shared memory, each number of probes for itself.
    #[test]
    fn shared_memory_must_not_be_used() {
        let shared = |flavour, probes, lines, bytes| {
            let labels = [("processors", PROCESSORS), ("probes", probes)];
            [
                ("contended_lines", lines),
                ("contended_atomics", lines),
                ("page_bytes", bytes),
            ]
            .map(|(metric, value)| sample(flavour, metric, &labels, value))
        };
        let samples = [
            shared(Flavour::C, "1", 5.0, 16.0),
            shared(Flavour::Rust, "1", 0.0, 0.0),
            shared(Flavour::Rust, "100", 1.0, 0.0005),
        ]
        .concat();
        assert_eq!(
            of(&samples, "shared lines"),
            [
                ["5.000", "0.000", "<= 0", "yes"],
                ["-", "1.000", "<= 0", "NO"]
            ]
        );
        assert_eq!(
            of(&samples, "slot bytes")[1],
            ["-", "0.000500", "<= 0", "NO"]
        );
        let atomics = ["5.000", "0.000", "< 0.01", "yes"];
        assert_eq!(of(&samples, "atomics")[0], atomics);
    }

    /// Checks that the worst instruction counts, and that none may be missing.
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

    /// Checks that the bound is one for the kernel that boosts nothing, too.
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

    /// Checks that all boosted instructions are compared with the emulated one.
    #[test]
    fn the_worst_of_the_boosted_instructions_counts() {
        let boosted = ONE_EXCEPTION[0].instructions;
        let names = boosted.iter().chain([&EMULATED]);
        let mut samples: Vec<_> = names
            .map(|name| cost(Flavour::Rust, name, 1000.0))
            .collect();
        // This kernel takes two exceptions, as is known.
        samples.push(cost(Flavour::Stepped, boosted[0], 1700.0));
        samples[1] = cost(Flavour::Rust, boosted[1], 1040.0);
        let row = |samples: &[Sample]| of(samples, "instructions per hit of one")[0].clone();
        assert_eq!(row(&samples), ["-", "1.040", "<= 1.04", "yes"]);
        samples[1] = cost(Flavour::Rust, boosted[1], 1041.0);
        assert_eq!(row(&samples)[3], "NO");
        samples.remove(0);
        assert_eq!(row(&samples)[3], "not measured");
    }

    /// Checks that runs that follow each other are compared.
    #[test]
    fn many_threads_are_compared_with_few() {
        let hits = |threads, hits| {
            let labels = [
                ("instruction", "mov"),
                ("probes", "100"),
                ("threads", threads),
            ];
            sample(Flavour::Rust, "hits_per_second", &labels, hits)
        };
        let mut samples = vec![hits("4", 100.0), hits("64", 90.0)];
        let row = |samples: &[Sample], at: usize| of(samples, "hits/s")[at].clone();
        assert_eq!(row(&samples, 0), ["-", "-", ">= 0.95", "not measured"]);
        assert_eq!(row(&samples, 2), ["-", "0.900", ">= 0.95", "NO"]);
        // A host that is slower at times: the ratio of the medians would be 1.25.
        samples.extend([hits("4", 50.0), hits("64", 200.0), hits("4", 100.0)]);
        samples.extend([hits("64", 98.0), hits("4", 50.0), hits("64", 49.0)]);
        assert_eq!(row(&samples, 2), ["-", "0.980", ">= 0.95", "yes"]);
    }

    /// Checks the slot layer's rows, and that nothing is required of guests that did not run.
    #[test]
    fn steps_scale_to_the_processors_there_are() {
        let of_linear = |flavour, value| {
            let labels = [("probes", "1"), ("threads", "8"), ("all_processors", "yes")];
            sample(flavour, "slot_layer_of_linear", &labels, value)
        };
        let samples = [
            step(Flavour::C, (1, 1), 40.0),
            step(Flavour::Rust, (1, 1), 4.0),
            of_linear(Flavour::C, 0.1),
            of_linear(Flavour::Rust, 0.952),
        ];
        assert_eq!(
            of(&samples, "slot layer"),
            [
                ["1.000", "0.100", "<= 0.2", "yes"],
                ["0.100", "0.952", ">= 0.9", "yes"]
            ]
        );
        assert_eq!(rows(&section(&Summary::new(&samples))).len(), 2);
        assert_eq!(of(&samples[..2], "slot layer")[1][3], "not measured");
    }
}
