// SPDX-License-Identifier: GPL-2.0
//! The figures of a run beside those of an earlier one.

use std::collections::BTreeSet;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::contention::trial;
use crate::report::steps::step;
use crate::report::summary::{Section, Summary, decimal, table, title, whole};

/// What a figure is of: the same in every run.
type Name = (Arch, String);

struct Figure {
    name: Name,
    flavour: Flavour,
    value: f64,
}

/// Everything that is measured in both.
pub fn section(new: &Summary, old: &Summary, which: &str) -> Section {
    let news = figures(new);
    let olds = figures(old);
    let find = |figures: &[Figure], name: &Name, flavour| {
        let of = |figure: &&Figure| figure.name == *name && figure.flavour == flavour;
        figures.iter().find(of).map(|figure| figure.value)
    };
    let in_both: Vec<&Figure> = news
        .iter()
        .filter(|figure| find(&olds, &figure.name, figure.flavour).is_some())
        .collect();
    let flavours: BTreeSet<Flavour> = in_both.iter().map(|figure| figure.flavour).collect();
    let mut names: Vec<&Name> = Vec::new();
    for figure in &in_both {
        if !names.contains(&&figure.name) {
            names.push(&figure.name);
        }
    }

    let heads = flavours.iter().flat_map(|&flavour| {
        ["old", "new", "new / old"].map(|what| format!("{}: {what}", title(flavour)))
    });
    let mut table = table(&["machine", "figure"], heads, 2);
    for name in names {
        let cells = flavours.iter().flat_map(|&flavour| {
            let (old, new) = (find(&olds, name, flavour), find(&news, name, flavour));
            let change = decimal(old.zip(new).and_then(|(old, new)| ratio(old, new)), 2);
            [shown(old), shown(new), change]
        });
        let names = [name.0.to_string(), name.1.clone()];
        table.add_row(names.into_iter().chain(cells));
    }
    Section {
        title: "Against an earlier run",
        note: format!(
            "New is this run, old is {which}. Nanoseconds and hits per second can be compared only \
             if both ran on the same machine; the others are the same on every one."
        ),
        table,
    }
}

/// None when something came from nothing.
fn ratio(old: f64, new: f64) -> Option<f64> {
    if old == new {
        return Some(1.0);
    }
    (old != 0.0).then(|| new / old)
}

/// Large numbers without a fraction.
fn shown(value: Option<f64>) -> String {
    match value {
        Some(value) if value >= 10_000.0 => whole(Some(value)),
        value => decimal(value, 2),
    }
}

fn figures(summary: &Summary) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |arch: Arch, text: String, value: &dyn Fn(Flavour) -> Option<f64>| {
        figures.extend(
            summary
                .flavours(|_| true)
                .into_iter()
                .filter_map(|flavour| {
                    Some(Figure {
                        name: (arch, text.clone()),
                        flavour,
                        value: value(flavour)?,
                    })
                }),
        );
    };
    for (arch, instruction) in summary.costed() {
        let text = format!("instructions per hit, {instruction}");
        add(arch, text, &|of| summary.cost_of(arch, of, &instruction));
    }
    for (arch, trial) in summary.distinct(trial) {
        let (processors, probes) = trial;
        let of = |flavour| summary.contention_of(arch, flavour, trial);
        let mut add = |what, value: &dyn Fn(Flavour) -> Option<f64>| {
            let text = format!("{what}, processors: {processors}, probes: {probes}");
            add(arch, text, value);
        };
        add("shared lines", &|f| Some(of(f)?.lines as f64));
        add("accesses to them per hit", &|f| {
            Some(of(f)?.accesses.both())
        });
        add("atomics on them per hit", &|f| {
            Some(of(f)?.accesses.atomics)
        });
        add("slot bytes per hit", &|f| Some(of(f)?.slot_bytes));
    }
    for (arch, step) in summary.distinct(step) {
        let (probes, threads) = step;
        let text = format!("ns per step, probes: {probes}, threads: {threads}");
        add(arch, text, &|of| summary.step_of(arch, of, step));
    }
    for (arch, (hit, threads)) in summary.timed() {
        let (instruction, probes) = &hit;
        let text = format!("hits/s, {instruction}, probes: {probes}, threads: {threads}");
        add(arch, text, &|of| {
            summary.throughput_of(arch, of, &hit, threads)
        });
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{Contention, Record};
    use crate::report::summary::tests::{rows, sample, step};

    #[test]
    fn what_both_measured_is_compared() {
        let old = [
            step(Flavour::C, (1, 1), 40.0),
            step(Flavour::C, (1, 2), 20_000.0),
        ];
        let new = [
            step(Flavour::C, (1, 1), 30.0),
            step(Flavour::C, (1, 2), 30_000.0),
            step(Flavour::C, (1, 4), 1.0),
            step(Flavour::Rust, (1, 1), 4.0),
        ];
        let section = section(&Summary(&new), &Summary(&old), "the previous run");
        assert_eq!(
            rows(&section),
            [
                [
                    "x86_64",
                    "ns per step, probes: 1, threads: 1",
                    "40.00",
                    "30.00",
                    "0.75"
                ],
                [
                    "x86_64",
                    "ns per step, probes: 1, threads: 2",
                    "20 000",
                    "30 000",
                    "1.50"
                ],
            ]
        );
        assert!(section.note.contains("the previous run"));
        let head = section.table.to_string();
        assert!(
            head.contains("| C: old |") && !head.contains("Rust"),
            "{head}"
        );
    }

    #[test]
    fn nothing_has_no_ratio() {
        let run = |lines| {
            let record = Record::Contention(Contention {
                processors: 4,
                probes: 1,
                lines,
                ..Contention::default()
            });
            [sample(Flavour::Rust, 1, record)]
        };
        let (old, new) = (run(0), run(3));
        let section = section(&Summary(&new), &Summary(&old), "");
        let changes: Vec<_> = rows(&section)
            .into_iter()
            .map(|row| row[4].clone())
            .collect();
        assert_eq!(changes, ["-", "1.00", "1.00", "1.00"]);
        assert_eq!(ratio(3.0, 0.0), Some(0.0));
    }

    #[test]
    fn runs_with_nothing_in_common_give_no_rows() {
        let section = section(
            &Summary(&[step(Flavour::C, (1, 1), 1.0)]),
            &Summary(&[]),
            "",
        );
        assert_eq!(section.table.row_count(), 0);
    }
}
