// SPDX-License-Identifier: GPL-2.0

//! What all processors did with memory, put together.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::calls::Cause;
use crate::symbols::{Function, Symbols};
use crate::table::{By, Count, LINE_SIZE, Line, LineNumber, PAGE_SIZE, Table};

#[derive(Debug, Serialize)]
pub struct Report {
    /// Accesses per hit that make a processor a user of a line.
    pub threshold: f64,
    pub runs: Vec<Run>,
}

/// What the guest says of a measurement.
#[derive(Debug, Default)]
pub struct Guest {
    pub probes: u64,
    /// The physical pages that hold slots.
    pub slots: HashSet<u64>,
}

impl Guest {
    fn slots(&self, line: LineNumber) -> bool {
        self.slots.contains(&(line.address() / PAGE_SIZE))
    }
}

/// A measurement. What is "per hit" is divided by the hits of all processors.
#[derive(Debug, Serialize)]
pub struct Run {
    pub probes: u64,
    pub hits: u64,
    /// Calls of the probe's consumer per hit: 1, or this did not measure hits.
    pub consumed_per_hit: f64,
    /// Bytes written to slots per hit.
    pub slot_bytes_per_hit: f64,
    /// Accesses to contended lines per hit, whoever makes them.
    pub contended: Total,
    /// Those made by uprobes, or by what they call except their consumers. The lines are those
    /// that have at least `threshold` of them per hit.
    pub by_uprobes: Total,
    pub by_cause: BTreeMap<&'static str, PerHit>,
    pub processors: Vec<Processor>,
    /// The contended lines, those with the most accesses first.
    pub lines: Vec<ContendedLine>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PerHit {
    pub loads: f64,
    pub stores: f64,
    /// Those of the stores that belong to an atomic read-modify-write.
    pub atomics: f64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Total {
    pub lines: usize,
    /// Of these, with at least `threshold` stores per hit.
    pub written_lines: usize,
    #[serde(flatten)]
    pub accesses: PerHit,
}

#[derive(Debug, Serialize)]
pub struct Processor {
    pub number: usize,
    pub hits: u64,
    /// All accesses of the kernel, contended or not, per hit of this processor.
    pub all: PerHit,
    pub contended: PerHit,
}

#[derive(Debug, Serialize)]
pub struct ContendedLine {
    pub physical_address: String,
    /// One of those at which it was seen.
    pub virtual_address: String,
    /// The static data in it, if there is any, or `[uprobes]` for slots.
    pub symbol: Option<String>,
    /// The bytes from the first to the last that was touched.
    pub first_byte: u32,
    pub last_byte: u32,
    /// Processors that use it, and those of them that write it.
    pub users: usize,
    pub writers: usize,
    #[serde(flatten)]
    pub accesses: PerHit,
    /// What of this uprobes do.
    pub by_uprobes: PerHit,
    pub by: Vec<Accesses>,
}

/// What a function does with a line.
#[derive(Debug, Serialize)]
pub struct Accesses {
    pub function: String,
    pub cause: &'static str,
    /// The function of uprobes that called it, if it is not one itself.
    pub called_by: Option<String>,
    #[serde(flatten)]
    pub accesses: PerHit,
}

impl PerHit {
    fn new(count: Count, hits: u64) -> Self {
        Self {
            loads: per_hit(count.loads, hits),
            stores: per_hit(count.stores, hits),
            atomics: per_hit(count.atomics, hits),
        }
    }

    fn both(self) -> f64 {
        self.loads + self.stores
    }
}

/// To a millionth: what is beyond that says nothing.
fn per_hit(count: u64, hits: u64) -> f64 {
    (count as f64 / hits as f64 * 1e6).round() / 1e6
}

impl Total {
    fn add(&mut self, line: PerHit, threshold: f64) {
        self.lines += usize::from(line.both() >= threshold);
        self.written_lines += usize::from(line.stores >= threshold);
    }
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Self::Uprobes(_) => "uprobes",
            Self::Consumer => "consumer",
            Self::Interrupt => "interrupt",
            Self::Scheduler => "scheduler",
            Self::Other => "other",
        }
    }
}

/// What every processor did with a line.
struct Uses<'a>(Vec<(usize, &'a Line)>);

impl Uses<'_> {
    fn counts(&self) -> impl Iterator<Item = (usize, Count)> {
        self.0.iter().map(|&(number, line)| {
            let mut sum = Count::default();
            line.by.iter().for_each(|&(_, count)| sum += count);
            (number, sum)
        })
    }

    fn by(&self) -> HashMap<By, Count> {
        let mut by: HashMap<By, Count> = HashMap::new();
        for (_, line) in &self.0 {
            for &(who, count) in &line.by {
                *by.entry(who).or_default() += count;
            }
        }
        by
    }
}

impl Run {
    /// Puts the tables of all processors together; those without hits took no part.
    pub fn new(tables: &[Table], guest: &Guest, threshold: f64, symbols: &Symbols) -> Self {
        let hits = tables.iter().map(|table| table.hits).sum();
        let consumed = tables.iter().map(|table| table.consumed).sum();
        let taking_part = || {
            tables
                .iter()
                .enumerate()
                .filter(|(_, table)| table.hits > 0)
        };

        let mut uses: HashMap<LineNumber, Uses> = HashMap::new();
        for (number, table) in taking_part() {
            for (&line, used) in &table.lines {
                let all = uses.entry(line).or_insert_with(|| Uses(Vec::new()));
                all.0.push((number, used));
            }
        }

        let mut contended = vec![Count::default(); tables.len()];
        let mut by_cause: BTreeMap<&str, Count> = BTreeMap::new();
        let mut lines = Vec::new();
        let mut all_lines = Total::default();
        let mut of_uprobes = Total::default();
        for (&number, uses) in &uses {
            let at_least = |count: u64, processor: usize| {
                count > 0 && count as f64 >= threshold * tables[processor].hits as f64
            };
            let users = uses.counts().filter(|&(p, c)| at_least(c.both(), p));
            let writers = uses.counts().filter(|&(p, c)| at_least(c.stores, p));
            let (users, writers) = (users.count(), writers.count());
            if users < 2 || writers == 0 {
                continue;
            }
            let mut sum = Count::default();
            for (processor, count) in uses.counts() {
                contended[processor] += count;
                sum += count;
            }
            let mut uprobes = Count::default();
            let by = uses.by();
            for (&(_, cause), &count) in &by {
                *by_cause.entry(cause.name()).or_default() += count;
                if let Cause::Uprobes(_) = cause {
                    uprobes += count;
                }
            }
            let sum = PerHit::new(sum, hits);
            let uprobes = PerHit::new(uprobes, hits);
            all_lines.add(sum, threshold);
            of_uprobes.add(uprobes, threshold);

            let touched = uses.0.iter().fold(0, |bits, (_, line)| bits | line.touched);
            let address = uses.0[0].1.virtual_address;
            lines.push(ContendedLine {
                physical_address: format!("{:#x}", number.address()),
                virtual_address: format!("{address:#x}"),
                symbol: match guest.slots(number) {
                    true => Some("[uprobes]".to_owned()),
                    false => symbols.data(address..address + LINE_SIZE),
                },
                first_byte: touched.trailing_zeros(),
                last_byte: touched.checked_ilog2().unwrap_or(0),
                users,
                writers,
                accesses: sum,
                by_uprobes: uprobes,
                by: accesses(&by, hits, symbols),
            });
        }
        lines.sort_by(|a, b| {
            let by_count = b.accesses.both().total_cmp(&a.accesses.both());
            by_count.then_with(|| a.physical_address.cmp(&b.physical_address))
        });

        let of_cause = |name| by_cause.get(name).copied().unwrap_or_default();
        let mut everything = Count::default();
        by_cause.values().for_each(|&count| everything += count);
        let total = |total, count| Total {
            accesses: PerHit::new(count, hits),
            ..total
        };
        let slot_bytes = taking_part()
            .flat_map(|(_, table)| &table.lines)
            .filter(|(number, _)| guest.slots(**number))
            .map(|(_, line)| line.stored_bytes);
        Self {
            probes: guest.probes,
            hits,
            consumed_per_hit: per_hit(consumed, hits),
            slot_bytes_per_hit: per_hit(slot_bytes.sum(), hits),
            contended: total(all_lines, everything),
            by_uprobes: total(of_uprobes, of_cause("uprobes")),
            processors: taking_part()
                .map(|(number, table)| Processor::new(number, table, contended[number]))
                .collect(),
            by_cause: by_cause
                .into_iter()
                .map(|(name, count)| (name, PerHit::new(count, hits)))
                .collect(),
            lines,
        }
    }
}

impl Processor {
    fn new(number: usize, table: &Table, contended: Count) -> Self {
        let mut all = Count::default();
        let lines = table.lines.values();
        lines
            .flat_map(|line| &line.by)
            .for_each(|&(_, count)| all += count);
        Self {
            number,
            hits: table.hits,
            all: PerHit::new(all, table.hits),
            contended: PerHit::new(contended, table.hits),
        }
    }
}

/// Those with the most accesses first.
fn accesses(by: &HashMap<By, Count>, hits: u64, symbols: &Symbols) -> Vec<Accesses> {
    let mut by: Vec<_> = by.iter().collect();
    by.sort_by_key(|(who, count)| (std::cmp::Reverse(count.both()), **who));
    let name = |function: Option<Function>| {
        // The kernel's own code that is in no symbol: BPF programs, modules.
        function.map_or("(generated)".to_owned(), |function| symbols.name(function))
    };
    by.into_iter()
        .map(|(&(function, cause), &count)| Accesses {
            function: name(function),
            cause: cause.name(),
            called_by: match cause {
                Cause::Uprobes(caller) if function != Some(caller) => Some(symbols.name(caller)),
                _ => None,
            },
            accesses: PerHit::new(count, hits),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Access, Kind};

    const LINE: u64 = 0x1000;
    const SLOTS: u64 = 0x7000;
    const THRESHOLD: f64 = 0.01;
    const HITS: u64 = 100;

    const PUT_UPROBE: u64 = 0x300;
    const MEMCPY: u64 = 0x100;

    /// A processor with hits that accesses what is said, so many times each.
    fn processor(accesses: &[(u64, u64, Kind, Cause, u64)]) -> Table {
        let mut table = Table {
            hits: HITS,
            consumed: HITS,
            ..Table::default()
        };
        for &(function, physical, kind, cause, times) in accesses {
            let access = Access {
                physical,
                virtual_address: 0xffff_0000 + physical,
                size: 4,
                kind,
                function: Symbols::example().function(function),
                cause,
            };
            (0..times).for_each(|_| table.record(&access));
        }
        table
    }

    fn uprobes() -> Cause {
        let function = Symbols::example().function(PUT_UPROBE).unwrap();
        Cause::Uprobes(function)
    }

    fn run(tables: &[Table]) -> Run {
        let guest = Guest {
            probes: 1,
            slots: [SLOTS / PAGE_SIZE].into(),
        };
        Run::new(tables, &guest, THRESHOLD, &Symbols::example())
    }

    fn by(kind: Kind, times: u64) -> Table {
        processor(&[(MEMCPY, LINE, kind, Cause::Other, times)])
    }

    #[test]
    fn a_line_that_one_writes_and_another_reads_is_contended() {
        let run = run(&[by(Kind::Store, 50), by(Kind::Load, 100)]);
        let [line] = &run.lines[..] else {
            panic!("{:?}", run.lines)
        };
        assert_eq!((line.users, line.writers), (2, 1));
        assert_eq!((line.accesses.loads, line.accesses.stores), (0.5, 0.25));
        assert_eq!((line.first_byte, line.last_byte), (0, 3));
        assert_eq!(run.hits, 2 * HITS);
        assert_eq!(run.consumed_per_hit, 1.0);
        assert_eq!(run.processors[0].contended.stores, 0.5);
        assert_eq!(run.processors[1].contended.loads, 1.0);
    }

    #[test]
    fn other_lines_are_not() {
        let alone = [by(Kind::Store, 100), processor(&[])];
        let read_only = [by(Kind::Load, 100), by(Kind::Load, 100)];
        for tables in [&alone, &read_only] {
            let run = run(tables);
            assert!(run.lines.is_empty());
            assert_eq!(run.contended, Total::default());
        }
        assert_eq!(run(&alone).processors[0].all.stores, 1.0);
    }

    #[test]
    fn what_happens_rarely_is_no_use() {
        let mut many = by(Kind::Store, 1);
        many.hits = 101;
        assert!(run(&[many, by(Kind::Load, 100)]).lines.is_empty());
        assert_eq!(run(&[by(Kind::Store, 1), by(Kind::Load, 1)]).lines.len(), 1);
    }

    #[test]
    fn processors_without_hits_take_no_part() {
        let mut idle = by(Kind::Load, 100);
        idle.hits = 0;
        let run = run(&[by(Kind::Store, 100), idle]);
        assert!(run.lines.is_empty());
        assert_eq!(run.processors.len(), 1);
    }

    #[test]
    fn what_uprobes_do_is_told_apart() {
        let both = || {
            processor(&[
                (PUT_UPROBE, LINE, Kind::Atomic, uprobes(), 100),
                (MEMCPY, LINE, Kind::Load, uprobes(), 200),
                (MEMCPY, LINE, Kind::Load, Cause::Interrupt, 50),
                (MEMCPY, LINE + 64, Kind::Store, Cause::Interrupt, 100),
            ])
        };
        let run = run(&[both(), both()]);
        assert_eq!((run.contended.lines, run.contended.written_lines), (2, 2));
        let ours = &run.by_uprobes;
        assert_eq!((ours.lines, ours.written_lines), (1, 1));
        assert_eq!((ours.accesses.loads, ours.accesses.stores), (2.0, 1.0));
        assert_eq!(ours.accesses.atomics, 1.0);
        assert_eq!(run.by_cause["interrupt"].loads, 0.5);
        let line = &run.lines[0];
        let said: Vec<_> = line
            .by
            .iter()
            .map(|by| (by.function.as_str(), by.cause, by.called_by.as_deref()))
            .collect();
        assert_eq!(
            said,
            [
                ("__memcpy", "uprobes", Some("put_uprobe")),
                ("put_uprobe", "uprobes", None),
                ("__memcpy", "interrupt", None),
            ]
        );
    }

    #[test]
    fn static_data_and_slots_have_names() {
        let at = |physical| processor(&[(MEMCPY, physical, Kind::Store, Cause::Other, 50)]);
        let symbol = |physical| {
            let run = run(&[at(physical), at(physical)]);
            (run.lines[0].symbol.clone(), run.slot_bytes_per_hit)
        };
        assert_eq!(symbol(SLOTS + 0x40), (Some("[uprobes]".into()), 2.0));
        assert_eq!(symbol(LINE), (None, 0.0));
        assert_eq!(symbol(0x2000).0.as_deref(), Some("lock"));
    }

    #[test]
    fn slots_that_are_written_count_even_if_nobody_else_uses_them() {
        let writer = processor(&[(MEMCPY, SLOTS, Kind::Store, uprobes(), 100)]);
        let run = run(&[writer, processor(&[])]);
        assert!(run.lines.is_empty());
        assert_eq!(run.slot_bytes_per_hit, 2.0);
    }
}
