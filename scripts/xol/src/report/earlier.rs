// SPDX-License-Identifier: GPL-2.0
//! The figures of a run beside those of an earlier one.

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::layout::TABLES;
use crate::report::summary::{Section, Summary, decimal, distinct, key, table, title};

/// A figure in both runs.
struct Pair {
    arch: Arch,
    figure: String,
    flavour: Flavour,
    old: f64,
    new: f64,
}

/// Compares all that was measured in both; none if that is nothing.
pub fn section(new: &Summary, old: &Summary, which: &str) -> Option<Section> {
    let pairs = pairs(new, old);
    let mut flavours = distinct(pairs.iter().map(|pair| pair.flavour));
    flavours.sort();
    let mut heads = vec!["machine".to_owned(), "figure".to_owned()];
    for &flavour in &flavours {
        heads.extend(["old", "new", "new / old"].map(|of| format!("{}: {of}", title(flavour))));
    }
    let figures = distinct(pairs.iter().map(|pair| (pair.arch, &pair.figure)));
    let rows = figures.into_iter().map(|(arch, figure)| {
        let mut cells = vec![arch.to_string(), figure.clone()];
        for &flavour in &flavours {
            let same = |of: &&Pair| (of.arch, &of.figure, of.flavour) == (arch, figure, flavour);
            let pair = pairs.iter().find(same);
            cells.push(shown(pair.map(|pair| pair.old)));
            cells.push(shown(pair.map(|pair| pair.new)));
            cells.push(decimal(pair.and_then(|pair| ratio(pair.old, pair.new)), 2));
        }
        cells
    });
    (!pairs.is_empty()).then(|| Section {
        title: "Comparison with an earlier run",
        note: format!(
            "New is this run, old is {which}. Nanoseconds and hits per second can be compared only \
             if both ran on the same machine; the others are the same on every machine."
        ),
        table: table(heads, 2, rows.collect()),
    })
}

fn pairs(new: &Summary, old: &Summary) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for layout in TABLES {
        let labels: Vec<_> = layout.rows.iter().map(|(label, _)| *label).collect();
        for value in layout.values {
            let Some(name) = value.compared else {
                continue;
            };
            for arch in new.archs() {
                let new = new.on(arch).of(value.metric);
                for row in new.distinct(&labels) {
                    let key = key(&labels, &row);
                    let mut figure = name.to_owned();
                    for (label, value) in &key {
                        figure += &format!(", {label}: {value}");
                    }
                    let old = old.on(arch).of(value.metric).with(&key);
                    let new = new.with(&key);
                    for flavour in new.flavours() {
                        let of = |run: &Summary| run.kernel(flavour).value();
                        let Some((old, new)) = of(&old).zip(of(&new)) else {
                            continue;
                        };
                        pairs.push(Pair {
                            arch,
                            figure: figure.clone(),
                            flavour,
                            old,
                            new,
                        });
                    }
                }
            }
        }
    }
    pairs
}

/// None where the old value is 0 and the new one is not.
fn ratio(old: f64, new: f64) -> Option<f64> {
    if old == new {
        return Some(1.0);
    }
    (old != 0.0).then(|| new / old)
}

/// Shows large numbers without a fraction.
fn shown(value: Option<f64>) -> String {
    let digits = if value >= Some(10_000.0) { 0 } else { 2 };
    decimal(value, digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::metric::tests::{sample, step};
    use crate::report::summary::tests::rows;

    /// Checks that only figures of both runs are compared.
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
        let section =
            section(&Summary::new(&new), &Summary::new(&old), "the previous run").unwrap();
        let [one, two] = [1, 2].map(|n| format!("ns per step, probes: 1, threads: {n}"));
        assert_eq!(
            rows(&section),
            [
                ["x86_64", &one, "40.00", "30.00", "0.75"],
                ["x86_64", &two, "20 000", "30 000", "1.50"],
            ]
        );
        assert!(section.note.contains("the previous run"));
        let head = section.table.to_string();
        assert!(
            head.contains("| C: old |") && !head.contains("Rust"),
            "{head}"
        );
    }

    /// Checks that a ratio to 0 is not shown.
    #[test]
    fn nothing_has_no_ratio() {
        let run = |lines| {
            let labels = [("processors", "4"), ("probes", "1")];
            [sample(Flavour::Rust, "contended_lines", &labels, lines)]
        };
        let (old, new) = (run(0.0), run(3.0));
        let section = section(&Summary::new(&new), &Summary::new(&old), "").unwrap();
        assert_eq!(rows(&section)[0][2..], ["0.00", "3.00", "-"]);
        assert_eq!(ratio(0.0, 0.0), Some(1.0));
        assert_eq!(ratio(3.0, 0.0), Some(0.0));
    }

    /// Checks that runs without a common figure are not compared.
    #[test]
    fn runs_with_nothing_in_common_give_no_table() {
        let new = [step(Flavour::C, (1, 1), 1.0)];
        assert!(section(&Summary::new(&new), &Summary::new(&[]), "").is_none());
    }
}
