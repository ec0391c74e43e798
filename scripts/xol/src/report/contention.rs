// SPDX-License-Identifier: GPL-2.0
//! Tables of the memory that processors share while they hit probes.

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::report::record::{Contention, Record};
use crate::report::summary::{Section, Summary, decimal, table, title};

/// How many processors the table of functions is for: more of them do the same.
pub const PROCESSORS: usize = 4;

impl Summary<'_> {
    /// Those of one architecture and kernel.
    pub fn contentions(&self, arch: Arch, flavour: Flavour) -> impl Iterator<Item = &Contention> {
        let samples = self.0.iter();
        let samples = samples.filter(move |of| of.arch == arch && of.flavour == flavour);
        samples.filter_map(|sample| match &sample.record {
            Record::Contention(contention) => Some(contention),
            _ => None,
        })
    }

    pub fn contention_of(
        &self,
        arch: Arch,
        flavour: Flavour,
        (processors, probes): (usize, u32),
    ) -> Option<&Contention> {
        self.contentions(arch, flavour)
            .find(|of| (of.processors, of.probes) == (processors, probes))
    }

    pub(super) fn contention(&self) -> Section {
        let names = ["machine", "processors", "probes", "kernel"];
        let values = ["lines", "loads", "stores", "atomics", "slot bytes"];
        let mut table = table(&names, values.map(str::to_owned).into_iter(), names.len());
        let flavours = self.flavours(|record| matches!(record, Record::Contention(_)));
        for (arch, trial) in self.distinct(trial) {
            for &flavour in &flavours {
                let Some(of) = self.contention_of(arch, flavour, trial) else {
                    continue;
                };
                let values = [
                    of.accesses.loads,
                    of.accesses.stores,
                    of.accesses.atomics,
                    of.slot_bytes,
                ];
                let names = [
                    arch.to_string(),
                    of.processors.to_string(),
                    of.probes.to_string(),
                    title(flavour).to_owned(),
                    of.lines.to_string(),
                ];
                let values = values.map(|value| decimal(Some(value), 2));
                table.add_row(names.into_iter().chain(values));
            }
        }
        Section {
            title: "Memory that processors share",
            note: "Once warm, per hit: what uprobes do with 64-byte lines that several processors \
                   use and one writes, and the bytes that they write to slots. A line counts from \
                   0.01 accesses per hit on. Seen by a plugin of QEMU's translator, so that how \
                   the host schedules does not matter. Less is better."
                .into(),
            table,
        }
    }

    pub(super) fn contention_users(&self) -> Section {
        let names = [
            "machine",
            "probes",
            "kernel",
            "function",
            "called by",
            "data",
        ];
        let values = ["lines", "loads", "stores", "atomics"];
        let mut table = table(&names, values.map(str::to_owned).into_iter(), names.len());
        let flavours = self.flavours(|record| matches!(record, Record::Contention(_)));
        for (arch, trial) in self.distinct(trial) {
            for &flavour in flavours.iter().filter(|_| trial.0 == PROCESSORS) {
                let of = self.contention_of(arch, flavour, trial);
                for user in of.map_or(&[][..], |of| &of.users) {
                    let some = |text: &Option<String>| text.clone().unwrap_or_default();
                    let accesses = user.accesses;
                    let values = [accesses.loads, accesses.stores, accesses.atomics];
                    let names = [
                        arch.to_string(),
                        trial.1.to_string(),
                        title(flavour).to_owned(),
                        user.function.clone(),
                        some(&user.called_by),
                        some(&user.data),
                        user.lines.to_string(),
                    ];
                    let values = values.map(|value| decimal(Some(value), 2));
                    table.add_row(names.into_iter().chain(values));
                }
            }
        }
        Section {
            title: "Who uses shared lines",
            note: format!(
                "The same by the kernel's functions, with {PROCESSORS} processors: lines on which \
                 a function does the same are one row. What is not here has no such line."
            ),
            table,
        }
    }
}

/// Processors and probes.
pub fn trial(record: &Record) -> Option<(usize, u32)> {
    match record {
        Record::Contention(of) => Some((of.processors, of.probes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{Accesses, User};
    use crate::report::summary::tests::{rows, sample};

    #[test]
    fn kernels_and_functions_have_rows() {
        let accesses = Accesses {
            loads: 6.0,
            stores: 4.25,
            atomics: 4.0,
        };
        let contention = |flavour, processors, lines| {
            let of = Contention {
                processors,
                probes: 1,
                lines,
                accesses,
                slot_bytes: 16.0,
                users: vec![User {
                    function: "put_uprobe".into(),
                    called_by: None,
                    data: Some("lock".into()),
                    lines,
                    accesses,
                }],
            };
            sample(flavour, 1, Record::Contention(of))
        };
        let samples = [
            contention(Flavour::C, 2, 5),
            contention(Flavour::Rust, 2, 1),
            contention(Flavour::C, 4, 7),
        ];
        let figures = ["6.00", "4.25", "4.00"];
        let row = |processors, kernel, lines| {
            let names = ["x86_64", processors, "1", kernel, lines];
            [&names[..], &figures, &["16.00"]].concat()
        };
        assert_eq!(
            rows(&Summary(&samples).contention()),
            [
                row("2", "C", "5"),
                row("2", "Rust", "1"),
                row("4", "C", "7")
            ]
        );
        let names = ["x86_64", "1", "C", "put_uprobe", "", "lock", "7"];
        assert_eq!(
            rows(&Summary(&samples).contention_users()),
            [[&names[..], &figures].concat()]
        );
    }
}
