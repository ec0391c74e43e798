// SPDX-License-Identifier: GPL-2.0
//! Tables made from samples: the same text for a terminal and as Markdown.

use std::collections::BTreeSet;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::layout::{HEADINGS, LEAST, Layout, TABLES, Value};
use crate::report::metric::Sample;

/// The kernel that others are compared with.
pub const BASE: Flavour = Flavour::C;

/// A table under a heading.
pub struct Section {
    pub title: &'static str,
    /// How to read the table.
    pub note: String,
    pub table: Table,
}

impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "## {}\n\n{}\n\n{}\n", self.title, self.note, self.table)
    }
}

/// Labels and their values.
pub type Key<'a> = [(&'a str, &'a str)];

/// The samples of a run, or some of them.
pub struct Summary<'a>(Vec<&'a Sample>);

impl<'a> Summary<'a> {
    pub fn new(samples: &'a [Sample]) -> Self {
        Self(samples.iter().collect())
    }

    /// Selects samples by a condition.
    pub fn filter(&self, wanted: impl Fn(&Sample) -> bool) -> Self {
        Self(self.0.iter().copied().filter(|of| wanted(of)).collect())
    }

    /// Selects the samples of one architecture.
    pub fn on(&self, arch: Arch) -> Self {
        self.filter(|of| of.arch == arch)
    }

    /// Selects the samples of one kernel.
    pub fn kernel(&self, flavour: Flavour) -> Self {
        self.filter(|of| of.flavour == flavour)
    }

    /// Selects the samples of one metric.
    pub fn of(&self, metric: &str) -> Self {
        self.filter(|of| of.metric.metric == metric)
    }

    /// Selects the samples with these labels.
    pub fn with(&self, key: &Key) -> Self {
        self.filter(|of| of.metric.has(key))
    }

    pub fn samples(&self) -> &[&'a Sample] {
        &self.0
    }

    pub fn archs(&self) -> Vec<Arch> {
        distinct(self.0.iter().map(|sample| sample.arch))
    }

    /// The kernels, the baseline first.
    pub fn flavours(&self) -> Vec<Flavour> {
        let flavours: BTreeSet<_> = self.0.iter().map(|sample| sample.flavour).collect();
        flavours.into_iter().collect()
    }

    /// The values that these labels have together, in the order measured.
    pub fn distinct(&self, labels: &[&str]) -> Vec<Vec<&'a str>> {
        let values = |sample: &&'a Sample| {
            let sample: &'a Sample = sample;
            labels
                .iter()
                .map(|name| sample.metric.label(name))
                .collect()
        };
        distinct(self.0.iter().map(values))
    }

    /// All values, in the order measured.
    pub fn values(&self) -> Vec<f64> {
        self.0.iter().map(|sample| sample.metric.value).collect()
    }

    /// The value that counts: the median, or the least value of some metrics.
    pub fn value(&self) -> Option<f64> {
        let metric = &self.0.first()?.metric.metric;
        match LEAST.contains(&metric.as_str()) {
            true => self.values().into_iter().min_by(f64::total_cmp),
            false => median(&self.values()),
        }
    }

    /// Makes the declared tables that have rows.
    pub fn sections(&self) -> Vec<Section> {
        let sections = TABLES.iter().map(|layout| self.section(layout));
        let filled = |section: &Section| section.table.row_count() > 0;
        sections.filter(filled).collect()
    }

    fn section(&self, layout: &Layout) -> Section {
        let has = |of: &Sample| layout.values.iter().any(|it| it.metric == of.metric.metric);
        let shown = self.with(layout.only).filter(has);
        let (outer, inner) = (layout.rows, layout.kernel_rows.unwrap_or_default());
        let labels = [outer, inner].concat();
        let flavours = shown.flavours();

        let mut heads = vec!["machine".to_owned()];
        heads.extend(outer.iter().map(|label| heading(label)));
        heads.extend(layout.kernel_rows.map(|_| "kernel".to_owned()));
        heads.extend(inner.iter().map(|label| heading(label)));
        let left = heads.len();
        heads.extend(
            layout
                .values
                .iter()
                .flat_map(|value| match layout.kernel_rows {
                    Some(_) => vec![value.heading.to_owned()],
                    None => value_heads(value, &flavours),
                }),
        );

        let mut rows = Vec::new();
        for arch in shown.archs() {
            let all = shown.on(arch);
            let mut add = |part: &Summary, kernels: &[Flavour]| {
                for row in part.distinct(&labels) {
                    let same = part.with(&key(&labels, &row));
                    let (before, after) = row.split_at(outer.len());
                    let mut cells = vec![arch.to_string()];
                    cells.extend(before.iter().map(|label| readable(label)));
                    cells.extend(layout.kernel_rows.map(|_| title(kernels[0]).to_owned()));
                    cells.extend(after.iter().map(|label| readable(label)));
                    let values = layout.values.iter();
                    cells.extend(values.flat_map(|value| value_cells(value, &same, kernels)));
                    rows.push(cells);
                }
            };
            if layout.kernel_rows.is_none() {
                add(&all, &flavours);
                continue;
            }
            for first in all.distinct(outer) {
                let all = all.with(&key(outer, &first));
                flavours.iter().for_each(|&of| add(&all.kernel(of), &[of]));
            }
        }
        Section {
            title: layout.title,
            note: layout.note.to_owned(),
            table: table(heads, left, rows),
        }
    }
}

fn heading(label: &str) -> String {
    let other = HEADINGS.iter().find(|(of, _)| *of == label);
    other.map_or(label, |(_, heading)| heading).to_owned()
}

fn value_heads(value: &Value, flavours: &[Flavour]) -> Vec<String> {
    let head = |&flavour: &Flavour| match value.heading {
        "" => title(flavour).to_owned(),
        heading => format!("{heading}, {}", title(flavour)),
    };
    let others = flavours.iter().filter(|&&of| value.ratio && of != BASE);
    let ratios = others.map(|&of| format!("{} / {}", title(of), title(BASE)));
    let spread = value.spread.then(|| "spread".to_owned());
    flavours
        .iter()
        .map(head)
        .chain(ratios)
        .chain(spread)
        .collect()
}

/// The cells of samples that differ in their kernels only.
fn value_cells(value: &Value, same: &Summary, flavours: &[Flavour]) -> Vec<String> {
    let runs = |flavour| same.of(value.metric).kernel(flavour);
    let shown = flavours
        .iter()
        .map(|&of| match (runs(of).value(), value.missing) {
            (None, (text, _)) | (Some(0.0), (_, Some(text))) => text.to_owned(),
            (number, _) => decimal(number, value.digits),
        });
    let others = flavours.iter().filter(|&&of| value.ratio && of != BASE);
    let ratio = |flavour| Some(runs(flavour).value()? / runs(BASE).value()?);
    let ratios = others.map(|&of| decimal(ratio(of), 2));
    let spreads = flavours.iter().map(|&of| spread(&runs(of).values()));
    let most = spreads.fold(0.0, f64::max) * 100.0;
    let spread = value.spread.then(|| format!("{most:.0} %"));
    shown.chain(ratios).chain(spread).collect()
}

/// Pairs labels with their values.
pub fn key<'a>(labels: &[&'a str], values: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    labels.iter().copied().zip(values.iter().copied()).collect()
}

/// Each item once, in order.
pub fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in all {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// The name of a flavour in tables.
pub fn title(flavour: Flavour) -> &'static str {
    flavour.row().title
}

/// Makes a table with `left` columns of names, and numbers in the others.
pub fn table(heads: Vec<String>, left: usize, rows: Vec<Vec<String>>) -> Table {
    let is_number = |cell: &String| cell.starts_with(|first: char| first.is_ascii_digit());
    let numbers = |at: usize| at >= left || rows.iter().all(|row| is_number(&row[at]));
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(heads);
    for (at, column) in table.column_iter_mut().enumerate() {
        if numbers(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.add_rows(rows);
    table
}

pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(match sorted.len() % 2 {
        0 => (sorted[sorted.len() / 2 - 1] + upper) / 2.0,
        _ => upper,
    })
}

/// The distance from the least to the greatest, divided by the median.
fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(0.0, f64::max);
    median(values).map_or(0.0, |median| (greatest - least) / median)
}

/// Writes a number. Without a fraction its digits are grouped.
pub fn decimal(value: Option<f64>, digits: usize) -> String {
    match (value, digits) {
        (None, _) => "-".to_owned(),
        (Some(value), 0) => grouped(value.round() as u64),
        (Some(value), _) => format!("{value:.digits$}"),
    }
}

fn readable(label: &str) -> String {
    label.parse().map_or(label.to_owned(), grouped)
}

/// Writes `1234567` as `1 234 567`.
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
    use crate::report::metric::tests::{cost, sample, step};

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

    /// The only table that these samples make.
    fn only(samples: &[Sample]) -> Section {
        let mut sections = Summary::new(samples).sections();
        assert_eq!(sections.len(), 1);
        sections.remove(0)
    }

    /// Checks that other kernels are compared with the one in C.
    #[test]
    fn costs_are_compared_with_the_baseline() {
        let section = only(&[
            cost(Flavour::C, "ret", 2000.0),
            cost(Flavour::Rust, "ret", 1500.0),
            cost(Flavour::C, "nop", 1000.0),
        ]);
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

    /// Checks that the median of all boots counts, and that their distance is shown.
    #[test]
    fn throughput_is_the_median_of_all_rounds() {
        let hits = |flavour, value| {
            let labels = [("instruction", "ret"), ("probes", "2"), ("threads", "4")];
            sample(flavour, "hits_per_second", &labels, value)
        };
        let section = only(&[
            hits(Flavour::C, 1000.0),
            hits(Flavour::Rust, 4000.0),
            hits(Flavour::C, 2000.0),
            hits(Flavour::Rust, 8000.0),
            hits(Flavour::C, 180_000.0),
        ]);
        let row = [
            "x86_64", "ret", "2", "4", "2 000", "6 000", "3.00", "8950 %",
        ];
        assert_eq!(rows(&section), [row]);
    }

    /// Checks that the least time counts, and that a second metric has columns of its own.
    #[test]
    fn the_least_time_of_the_slot_layer_counts() {
        let of_linear = |flavour, value| {
            let labels = [("probes", "100"), ("threads", "8")];
            sample(flavour, "slot_layer_of_linear", &labels, value)
        };
        let section = only(&[
            step(Flavour::C, (100, 8), 400.0),
            step(Flavour::Rust, (100, 8), 50.0),
            step(Flavour::Rust, (100, 8), 5.0),
            step(Flavour::Rust, (100, 8), 6.0),
            of_linear(Flavour::Rust, 0.8),
        ]);
        let row = ["x86_64", "100", "8", "400.0", "5.0", "0.01", "-", "0.80"];
        assert_eq!(rows(&section), [row]);
    }

    /// Checks that a benchmark without hits is told from one without a probe.
    #[test]
    fn a_benchmark_that_attached_nothing_stands_out() {
        let bench = |name, hits: Option<f64>| {
            let labels = [("benchmark", name)];
            let time = sample(Flavour::C, "us_per_call", &labels, 1234.567);
            let hits = hits.map(|hits| sample(Flavour::C, "hits_per_call", &labels, hits));
            [time].into_iter().chain(hits)
        };
        let samples = bench("baseline", None).chain(bench("empty", Some(0.0)));
        let samples: Vec<_> = samples.chain(bench("empty_ret", Some(1.0))).collect();
        assert_eq!(
            rows(&only(&samples)),
            [
                ["x86_64", "baseline", "1234.6", "no probe"],
                ["x86_64", "empty", "1234.6", "NOT ATTACHED"],
                ["x86_64", "empty_ret", "1234.6", "1.00"],
            ]
        );
    }

    /// Checks that a label that is a number is shown as one.
    #[test]
    fn counts_stand_beside_calls() {
        let labels = [
            ("tool", "bpftrace"),
            ("program", "/usr/bin/bash"),
            ("function", "echo_builtin"),
            ("expected", "1000"),
        ];
        let section = only(&[sample(Flavour::Rust, "counted_calls", &labels, 999.0)]);
        let names = ["x86_64", "bpftrace", "/usr/bin/bash", "echo_builtin"];
        assert_eq!(rows(&section), [[&names[..], &["1 000", "999"]].concat()]);
        let head = section.table.to_string();
        assert!(head.contains("| calls made | counted, Rust |"), "{head}");
    }

    /// Checks the tables in which each kernel has rows of its own.
    #[test]
    fn kernels_and_functions_have_rows() {
        let shared = |flavour, processors, probes, lines, loads| {
            let labels = [("processors", processors), ("probes", probes)];
            [("contended_lines", lines), ("contended_loads", loads)]
                .map(|(metric, value)| sample(flavour, metric, &labels, value))
        };
        let used = |processors, loads| {
            let labels = [
                ("processors", processors),
                ("probes", "1"),
                ("function", "put_uprobe"),
                ("data", "lock"),
            ];
            [sample(Flavour::C, "function_loads", &labels, loads)]
        };
        let samples: Vec<_> = [
            &shared(Flavour::C, "2", "1", 5.0, 6.0)[..],
            &shared(Flavour::C, "2", "100", 105.0, 6.0),
            &shared(Flavour::Rust, "2", "1", 1.0, 0.25),
            &shared(Flavour::C, "4", "1", 7.0, 6.0),
            &used("2", 5.0),
            &used("4", 6.0),
        ]
        .concat();
        let sections = Summary::new(&samples).sections();
        let row = |processors, probes, kernel, lines, loads| {
            [
                "x86_64", processors, probes, kernel, lines, loads, "-", "-", "-", "-",
            ]
        };
        assert_eq!(
            rows(&sections[0]),
            [
                row("2", "1", "C", "5", "6.00"),
                row("2", "1", "Rust", "1", "0.25"),
                row("2", "100", "C", "105", "6.00"),
                row("4", "1", "C", "7", "6.00"),
            ]
        );
        let row = [
            "x86_64",
            "1",
            "C",
            "put_uprobe",
            "",
            "lock",
            "-",
            "6.00",
            "-",
            "-",
        ];
        assert_eq!(rows(&sections[1]), [row]);
        assert_eq!(sections.len(), 2);
    }

    /// Checks how numbers are written, and the statistics of nothing.
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
