// SPDX-License-Identifier: GPL-2.0
//! The figures of a run beside those of an earlier one.

use std::collections::{BTreeMap, BTreeSet};

use crate::flavour::Flavour;
use crate::report::layout::TABLES;
use crate::report::summary::{Section, Summary, decimal, key, table, title};

/// The old and the new value of a figure, by kernel.
type Pairs = BTreeMap<Flavour, (f64, f64)>;

/// Compares all that was measured in both; none if that is nothing.
pub fn section(new: &Summary, old: &Summary, which: &str) -> Option<Section> {
    let mut figures = Vec::new();
    for layout in TABLES {
        for value in layout.values {
            let Some(name) = value.compared else {
                continue;
            };
            let (new, old) = (new.of(value.metric), old.of(value.metric));
            for arch in new.archs() {
                for row in new.on(arch).distinct(layout.rows) {
                    let key = key(layout.rows, &row);
                    let of = |run: &Summary, kernel| run.on(arch).with(&key).kernel(kernel).value();
                    let pair =
                        |of_kernel| Some((of_kernel, (of(&old, of_kernel)?, of(&new, of_kernel)?)));
                    let pairs: Pairs = new.flavours().into_iter().filter_map(pair).collect();
                    let labels = key
                        .iter()
                        .map(|(label, value)| format!(", {label}: {value}"));
                    let names = vec![
                        arch.to_string(),
                        name.to_owned() + &labels.collect::<String>(),
                    ];
                    figures.extend((!pairs.is_empty()).then_some((names, pairs)));
                }
            }
        }
    }
    let flavours = figures.iter().flat_map(|(_, pairs)| pairs.keys());
    let flavours: BTreeSet<_> = flavours.copied().collect();
    let heads = flavours.iter().flat_map(|&flavour| {
        ["old", "new", "new / old"].map(|of| format!("{}: {of}", title(flavour)))
    });
    let heads = ["machine", "figure"]
        .map(str::to_owned)
        .into_iter()
        .chain(heads);
    let rows = figures.iter().map(|(names, pairs)| {
        let cells = flavours.iter().flat_map(|flavour| {
            let (old, new) = pairs.get(flavour).copied().unzip();
            let change = old.zip(new).and_then(|(old, new)| ratio(old, new));
            [shown(old), shown(new), decimal(change, 2)]
        });
        names.iter().cloned().chain(cells).collect()
    });
    (!figures.is_empty()).then(|| Section {
        title: "Comparison with an earlier run",
        note: format!(
            "New is this run, old is {which}. Nanoseconds and hits per second can be compared only \
             if both ran on the same machine; the others are the same on every machine."
        ),
        table: table(heads.collect(), 2, rows.collect()),
    })
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
