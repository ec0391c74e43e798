// SPDX-License-Identifier: GPL-2.0
//! Tables made from samples: the same text serves a terminal and Markdown.

use std::collections::BTreeSet;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::record::{BASELINE, Record, Sample};

/// What is measured against what.
const BASE: Flavour = Flavour::C;

/// A table under a heading.
pub struct Section {
    pub title: &'static str,
    /// How to read it.
    pub note: String,
    pub table: Table,
}

impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "## {}\n\n{}\n\n{}\n", self.title, self.note, self.table)
    }
}

/// An instruction, and how many probes at such ones are hit in turn.
pub type Hit = (String, u32);

/// Everything that was measured, and the questions that tables and plots ask.
pub struct Summary<'a>(pub &'a [Sample]);

impl Summary<'_> {
    pub fn sections(&self) -> Vec<Section> {
        let sections = [
            self.attached(),
            self.perf_bench(),
            self.cost(),
            self.contention(),
            self.contention_users(),
            self.steps(),
            self.throughput(),
        ];
        let filled = |section: &Section| section.table.row_count() > 0;
        sections.into_iter().filter(filled).collect()
    }

    fn attached(&self) -> Section {
        let flavours = self.flavours(|record| matches!(record, Record::Attached { .. }));
        let mut table = table(
            &["machine", "tool", "program", "function", "calls made"],
            flavours
                .iter()
                .map(|flavour| format!("counted, {}", title(*flavour))),
            4,
        );
        for row in self.distinct(|record| match record {
            Record::Attached {
                tool,
                program,
                function,
                calls,
                ..
            } => Some((tool.clone(), program.clone(), function.clone(), *calls)),
            _ => None,
        }) {
            let (arch, (tool, program, function, calls)) = &row;
            let counted = flavours.iter().map(|&flavour| {
                let counts = self.values(*arch, flavour, |record| match record {
                    Record::Attached {
                        program: p,
                        function: f,
                        counted,
                        ..
                    } if p == program && f == function => Some(*counted as f64),
                    _ => None,
                });
                whole(median(&counts))
            });
            let names = [
                arch.to_string(),
                tool.clone(),
                program.clone(),
                function.clone(),
            ];
            table.add_row(names.into_iter().chain([grouped(*calls)]).chain(counted));
        }
        Section {
            title: "Probes on functions of real programs",
            note: "bpftrace's count of calls beside the number of calls made.".into(),
            table,
        }
    }

    fn perf_bench(&self) -> Section {
        let flavours = self.flavours(|record| matches!(record, Record::PerfBench { .. }));
        let mut table = table(
            &["machine", "benchmark"],
            flavours.iter().flat_map(|flavour| {
                ["us/call", "hits/call"].map(|what| format!("{what}, {}", title(*flavour)))
            }),
            2,
        );
        for (arch, name) in self.distinct(|record| match record {
            Record::PerfBench { benchmark, .. } => Some(benchmark.clone()),
            _ => None,
        }) {
            let cells = flavours.iter().flat_map(|&flavour| {
                let of = |value: fn(u64, u64, u64) -> f64| {
                    median(&self.values(arch, flavour, |record| match record {
                        Record::PerfBench {
                            benchmark,
                            calls,
                            ns_per_call,
                            hits,
                        } if *benchmark == name => Some(value(*calls, *ns_per_call, *hits)),
                        _ => None,
                    }))
                };
                let time = of(|_, ns, _| ns as f64 / 1000.0);
                let hits = of(|calls, _, hits| hits as f64 / calls as f64);
                let hits = match (name.as_str(), hits) {
                    (BASELINE, _) => "no probe".to_owned(),
                    (_, Some(0.0)) => "NOT ATTACHED".to_owned(),
                    (_, hits) => decimal(hits, 2),
                };
                [decimal(time, 1), hits]
            });
            table.add_row([arch.to_string(), name.clone()].into_iter().chain(cells));
        }
        Section {
            title: "perf bench uprobe",
            note:
                "perf built from this kernel's source, with BPF skeletons. A call is usleep(1000) \
                   of libc, so most of its time is sleep. Hits are the kernel's own count of runs \
                   of perf's BPF program: 1.00 means that every call was probed."
                    .into(),
            table,
        }
    }

    fn cost(&self) -> Section {
        let flavours = self.flavours(|record| matches!(record, Record::Cost { .. }));
        let mut table = ratio_table(&["machine", "instruction"], &flavours, &[]);
        for (arch, name) in self.costed() {
            let values: Vec<_> = flavours
                .iter()
                .map(|&flavour| self.cost_of(arch, flavour, &name))
                .collect();
            let names = [arch.to_string(), name];
            table.add_row(
                names
                    .into_iter()
                    .chain(with_ratios(&flavours, &values, |v| decimal(v, 1))),
            );
        }
        Section {
            title: "Instructions per hit",
            note: "One thread, user and kernel together, a BPF program that returns 0. Counted by \
                   QEMU's instruction clock: exact, and the same on every machine. Less is better."
                .into(),
            table,
        }
    }

    fn throughput(&self) -> Section {
        let flavours = self.flavours(|record| matches!(record, Record::Throughput { .. }));
        let names = ["machine", "instruction", "probes", "threads"];
        let mut table = ratio_table(&names, &flavours, &["spread"]);
        for (arch, (name, threads)) in self.timed() {
            let values: Vec<_> = flavours
                .iter()
                .map(|&flavour| self.throughput_of(arch, flavour, &name, threads))
                .collect();
            let spreads = flavours
                .iter()
                .map(|&flavour| spread(&self.throughputs(arch, flavour, &name, threads)));
            let spread = spreads.fold(0.0, f64::max);
            let (name, probes) = name;
            let names = [
                arch.to_string(),
                name,
                probes.to_string(),
                threads.to_string(),
            ];
            table.add_row(
                names
                    .into_iter()
                    .chain(with_ratios(&flavours, &values, whole))
                    .chain([format!("{:.0} %", spread * 100.0)]),
            );
        }
        Section {
            title: "Hits per second",
            note: "All threads of one process together, each hitting the probes in turn, pid -1, \
                   a BPF program that returns 0; the median of several runs in several boots of \
                   each kernel in turn. More is better. Spread: how far apart the runs of one \
                   kernel are. A smaller difference between kernels tells nothing."
                .into(),
            table,
        }
    }

    /// The instructions whose cost is known.
    pub fn costed(&self) -> Vec<(Arch, String)> {
        self.distinct(|record| match record {
            Record::Cost {
                instruction,
                probed: true,
                ..
            } => Some(instruction.clone()),
            _ => None,
        })
    }

    /// Instructions per hit.
    pub fn cost_of(&self, arch: Arch, flavour: Flavour, name: &str) -> Option<f64> {
        median(&self.values(arch, flavour, |record| match record {
            Record::Cost {
                instruction,
                probed: true,
                ns_per_hit,
                ..
            } if instruction == name => Some(*ns_per_hit),
            _ => None,
        }))
    }

    /// What was hit, and by how many threads.
    pub fn timed(&self) -> Vec<(Arch, (Hit, u32))> {
        self.distinct(|record| match record {
            Record::Throughput {
                instruction,
                probes,
                probed: true,
                threads,
                ..
            } => Some(((instruction.clone(), *probes), *threads)),
            _ => None,
        })
    }

    /// Hits per second.
    pub fn throughput_of(
        &self,
        arch: Arch,
        flavour: Flavour,
        name: &Hit,
        count: u32,
    ) -> Option<f64> {
        median(&self.throughputs(arch, flavour, name, count))
    }

    /// Hits per second of so many threads, in the order in which they were measured.
    pub fn throughputs(&self, arch: Arch, flavour: Flavour, name: &Hit, count: u32) -> Vec<f64> {
        self.values(arch, flavour, |record| match record {
            Record::Throughput {
                instruction,
                probes,
                probed: true,
                threads,
                hits,
                ns,
            } if (instruction, probes) == (&name.0, &name.1) && *threads == count => {
                Some(*hits as f64 * 1e9 / *ns as f64)
            }
            _ => None,
        })
    }

    pub fn archs(&self) -> Vec<Arch> {
        let mut archs = Vec::new();
        for sample in self.0 {
            if !archs.contains(&sample.arch) {
                archs.push(sample.arch);
            }
        }
        archs
    }

    /// The flavours that have such records, the baseline first.
    pub fn flavours(&self, wanted: impl Fn(&Record) -> bool) -> Vec<Flavour> {
        let samples = self.0.iter().filter(|sample| wanted(&sample.record));
        let flavours: BTreeSet<_> = samples.map(|sample| sample.flavour).collect();
        flavours.into_iter().collect()
    }

    /// What `key` finds, each once and in the order measured.
    pub fn distinct<K: PartialEq>(&self, key: impl Fn(&Record) -> Option<K>) -> Vec<(Arch, K)> {
        let mut found = Vec::new();
        for sample in self.0 {
            let Some(key) = key(&sample.record) else {
                continue;
            };
            let entry = (sample.arch, key);
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
        found
    }

    pub(super) fn values(
        &self,
        arch: Arch,
        flavour: Flavour,
        value: impl Fn(&Record) -> Option<f64>,
    ) -> Vec<f64> {
        self.0
            .iter()
            .filter(|sample| sample.arch == arch && sample.flavour == flavour)
            .filter_map(|sample| value(&sample.record))
            .collect()
    }
}

/// What people call a flavour.
pub fn title(flavour: Flavour) -> &'static str {
    flavour.row().title
}

pub(super) fn ratio_table(names: &[&str], flavours: &[Flavour], more: &[&str]) -> Table {
    let values = flavours.iter().map(|flavour| title(*flavour).to_owned());
    let compared = flavours.iter().filter(|&&flavour| flavour != BASE);
    let ratios = compared.map(|flavour| format!("{} / {}", title(*flavour), title(BASE)));
    let more = more.iter().map(|&name| name.to_owned());
    table(names, values.chain(ratios).chain(more), names.len())
}

pub(super) fn with_ratios(
    flavours: &[Flavour],
    values: &[Option<f64>],
    show: impl Fn(Option<f64>) -> String,
) -> Vec<String> {
    let base = flavours.iter().position(|&flavour| flavour == BASE);
    let base = base.and_then(|at| values[at]);
    let shown = values.iter().map(|&value| show(value));
    let compared = flavours.iter().zip(values);
    let compared = compared.filter(|&(&flavour, _)| flavour != BASE);
    let ratios = compared.map(|(_, &value)| decimal(value.zip(base).map(|(v, b)| v / b), 2));
    shown.chain(ratios).collect()
}

/// `left` columns of names, the others of numbers.
pub(super) fn table(names: &[&str], values: impl Iterator<Item = String>, left: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    let names = names.iter().map(|&name| name.to_owned());
    table.set_header(names.chain(values));
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(match sorted.len() % 2 {
        0 => (sorted[sorted.len() / 2 - 1] + upper) / 2.0,
        _ => upper,
    })
}

/// From the least to the greatest, as a part of the median.
fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(0.0, f64::max);
    median(values).map_or(0.0, |median| (greatest - least) / median)
}

pub(super) fn decimal(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".into(), |value| format!("{value:.digits$}"))
}

pub(super) fn whole(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| grouped(value.round() as u64))
}

/// `1234567` as `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn sample(flavour: Flavour, round: u32, record: Record) -> Sample {
        Sample {
            arch: Arch::X86_64,
            flavour,
            round,
            record,
        }
    }

    /// All but `nop` step.
    pub fn cost(flavour: Flavour, instruction: &str, ns_per_hit: f64) -> Sample {
        let record = Record::Cost {
            instruction: instruction.into(),
            probed: true,
            steps: instruction != "nop",
            hits: 10,
            ns_per_hit,
        };
        sample(flavour, 1, record)
    }

    /// Of the slot layer on 8 processors.
    pub fn step(flavour: Flavour, (probes, threads): (u32, u32), ns: f64) -> Sample {
        let record = Record::Step {
            probes,
            threads,
            processors: 8,
            ns,
        };
        sample(flavour, 1, record)
    }

    fn throughput(flavour: Flavour, round: u32, hits: u64) -> Sample {
        let record = Record::Throughput {
            instruction: "ret".into(),
            probes: 2,
            probed: true,
            threads: 4,
            hits,
            ns: 500_000_000,
        };
        sample(flavour, round, record)
    }

    /// The cells of all rows, after the header and the rule.
    pub fn rows(section: &Section) -> Vec<Vec<String>> {
        let text = section.table.to_string();
        text.lines()
            .skip(2)
            .map(|line| {
                let cells = line.trim().trim_matches('|').split('|');
                cells.map(|cell| cell.trim().to_owned()).collect()
            })
            .collect()
    }

    #[test]
    fn costs_are_compared_with_the_baseline() {
        let samples = [
            cost(Flavour::C, "ret", 2000.0),
            cost(Flavour::Rust, "ret", 1500.0),
            cost(Flavour::C, "nop", 1000.0),
        ];
        let section = Summary(&samples).cost();
        assert_eq!(
            rows(&section),
            [
                ["x86_64", "ret", "2000.0", "1500.0", "0.75"],
                ["x86_64", "nop", "1000.0", "-", "-"],
            ]
        );
        let head = section.table.to_string();
        assert!(head.starts_with("| machine | instruction |"), "{head}");
        assert!(head.contains("| Rust / C |"), "{head}");
    }

    #[test]
    fn throughput_is_the_median_of_all_rounds() {
        let samples = [
            throughput(Flavour::C, 1, 500),
            throughput(Flavour::Rust, 1, 2000),
            throughput(Flavour::C, 2, 1000),
            throughput(Flavour::Rust, 2, 4000),
            throughput(Flavour::C, 3, 90_000),
        ];
        assert_eq!(
            rows(&Summary(&samples).throughput()),
            [[
                "x86_64", "ret", "2", "4", "2 000", "6 000", "3.00", "8950 %"
            ]]
        );
    }

    #[test]
    fn a_benchmark_that_attached_nothing_stands_out() {
        let bench = |benchmark: &str, hits| {
            let record = Record::PerfBench {
                benchmark: benchmark.into(),
                calls: 1000,
                ns_per_call: 1_234_567,
                hits,
            };
            sample(Flavour::C, 1, record)
        };
        let samples = [
            bench(BASELINE, 0),
            bench("uprobe/empty", 0),
            bench("uprobe/empty_ret", 1000),
        ];
        assert_eq!(
            rows(&Summary(&samples).perf_bench()),
            [
                ["x86_64", BASELINE, "1234.6", "no probe"],
                ["x86_64", "uprobe/empty", "1234.6", "NOT ATTACHED"],
                ["x86_64", "uprobe/empty_ret", "1234.6", "1.00"],
            ]
        );
    }

    #[test]
    fn counts_stand_beside_calls() {
        let record = Record::Attached {
            tool: "bpftrace".into(),
            program: "/usr/bin/bash".into(),
            function: "echo_builtin".into(),
            calls: 1000,
            counted: 999,
        };
        let samples = [sample(Flavour::Rust, 1, record)];
        assert_eq!(
            rows(&Summary(&samples).attached()),
            [[
                "x86_64",
                "bpftrace",
                "/usr/bin/bash",
                "echo_builtin",
                "1 000",
                "999"
            ]]
        );
        // What was not measured has no section.
        assert_eq!(Summary(&samples).sections().len(), 1);
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1000), "1 000");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(spread(&[3.0, 1.0, 2.0]), 1.0);
        assert_eq!(spread(&[]), 0.0);
    }
}
