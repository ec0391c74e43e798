// SPDX-License-Identifier: GPL-2.0
//! The table of the slot layer's benchmark.

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::record::Record;
use crate::report::summary::{Section, Summary, decimal, ratio_table, title, with_ratios};

impl Summary<'_> {
    pub(super) fn steps(&self) -> Section {
        let flavours = self.flavours(|record| matches!(record, Record::Step { .. }));
        let linear: Vec<_> = flavours
            .iter()
            .map(|&flavour| format!("of linear, {}", title(flavour)))
            .collect();
        let linear: Vec<_> = linear.iter().map(String::as_str).collect();
        let names = ["machine", "probes", "threads"];
        let mut table = ratio_table(&names, &flavours, &linear);
        for (arch, step) in self.distinct(step) {
            let values: Vec<_> = flavours
                .iter()
                .map(|&flavour| self.step_of(arch, flavour, step))
                .collect();
            let linear = flavours
                .iter()
                .map(|&flavour| decimal(self.of_linear(arch, flavour, step), 2));
            let names = [arch.to_string(), step.0.to_string(), step.1.to_string()];
            table.add_row(
                names
                    .into_iter()
                    .chain(with_ratios(&flavours, &values, |v| decimal(v, 1)))
                    .chain(linear),
            );
        }
        Section {
            title: "The slot layer on real processors",
            note: "Nanoseconds until each thread has stepped once, the probes in turn, on this \
                   machine itself: through the sources that the kernel is built from, compiled for \
                   a program, and through upstream's algorithm; the least of several runs, \
                   because all that others do on the machine adds to it. Less is better. Of \
                   linear: steps per second of all threads, as a part of so many \
                   times those of one thread; no more than the machine's processors can be \
                   linear."
                .into(),
            table,
        }
    }

    /// Nanoseconds until each of the threads has made a step, at best: a run waits for its
    /// last thread, so that whatever else the machine does makes it longer, and never
    /// shorter.
    pub fn step_of(&self, arch: Arch, flavour: Flavour, of: (u32, u32)) -> Option<f64> {
        let runs = self.values(arch, flavour, |record| match record {
            Record::Step { ns, .. } if step(record) == Some(of) => Some(*ns),
            _ => None,
        });
        runs.into_iter().min_by(f64::total_cmp)
    }

    /// The steps per second of so many threads, as a part of so many times those
    /// of one thread.
    pub fn of_linear(&self, arch: Arch, flavour: Flavour, of: (u32, u32)) -> Option<f64> {
        let one = self.step_of(arch, flavour, (of.0, 1))?;
        Some(one / self.step_of(arch, flavour, of)?)
    }
}

/// Probes and threads.
pub fn step(record: &Record) -> Option<(u32, u32)> {
    match record {
        Record::Step {
            probes, threads, ..
        } => Some((*probes, *threads)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::{rows, step};

    #[test]
    fn scaling_is_that_of_all_threads_together_at_best() {
        let samples = [
            step(Flavour::C, (100, 1), 40.0),
            step(Flavour::Rust, (100, 1), 4.0),
            step(Flavour::C, (100, 8), 400.0),
            step(Flavour::Rust, (100, 8), 50.0),
            step(Flavour::Rust, (100, 8), 5.0),
            step(Flavour::Rust, (100, 8), 6.0),
        ];
        assert_eq!(
            rows(&Summary(&samples).steps()),
            [
                ["x86_64", "100", "1", "40.0", "4.0", "0.10", "1.00", "1.00"],
                ["x86_64", "100", "8", "400.0", "5.0", "0.01", "0.10", "0.80"],
            ]
        );
    }
}
