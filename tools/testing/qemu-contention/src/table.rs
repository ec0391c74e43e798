// SPDX-License-Identifier: GPL-2.0

//! The accesses of one processor.

use rustc_hash::FxHashMap;

use crate::calls::Cause;
use crate::symbols::{Function, Group};

const LINE_SHIFT: u32 = 6;
pub const LINE_SIZE: u64 = 1 << LINE_SHIFT;
/// The smallest size of a page.
pub const PAGE_SIZE: u64 = 4096;

/// The number of a 64-byte line of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineNumber(u64);

impl LineNumber {
    pub fn of(physical: u64) -> Self {
        Self(physical >> LINE_SHIFT)
    }

    pub fn address(self) -> u64 {
        self.0 << LINE_SHIFT
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Load,
    Store,
    /// The store of an atomic read-modify-write, whose load is an access of its own.
    Atomic,
}

/// A load or a store.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub physical: u64,
    pub virtual_address: u64,
    /// In bytes.
    pub size: u64,
    pub kind: Kind,
    /// The function with the instruction.
    pub function: Option<Function>,
    pub cause: Cause,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub loads: u64,
    pub stores: u64,
    /// The stores among them that belong to an atomic read-modify-write.
    pub atomics: u64,
}

impl Count {
    pub fn both(self) -> u64 {
        self.loads + self.stores
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.loads += other.loads;
        self.stores += other.stores;
        self.atomics += other.atomics;
    }
}

/// The function that accesses a line, and its cause.
pub type By = (Option<Function>, Cause);

#[derive(Debug)]
pub struct Line {
    /// One of the virtual addresses at which it was seen.
    pub virtual_address: u64,
    /// The bytes of it that were touched, one bit for each.
    pub touched: u64,
    pub stored_bytes: u64,
    /// There are few: a list is faster than a map.
    pub by: Vec<(By, Count)>,
}

/// The accesses of a processor between its marks.
#[derive(Debug, Default)]
pub struct Table {
    pub operations: u64,
    /// The number of calls of functions of each group.
    pub entries: Vec<u64>,
    pub lines: FxHashMap<LineNumber, Line>,
}

impl Table {
    pub fn enter(&mut self, group: Group) {
        let at = usize::from(group.0);
        if self.entries.len() <= at {
            self.entries.resize(at + 1, 0);
        }
        self.entries[at] += 1;
    }

    pub fn record(&mut self, access: &Access) {
        let offset = access.physical % LINE_SIZE;
        let inside = access.size.min(LINE_SIZE - offset);
        self.record_in_line(access, inside);
        // The physical address beyond the page's end is not known.
        let beyond = access.size - inside;
        let next = LineNumber::of(access.physical).address() + LINE_SIZE;
        if beyond > 0 && next % PAGE_SIZE != 0 {
            let rest = Access {
                physical: next,
                virtual_address: access.virtual_address + inside,
                ..*access
            };
            self.record_in_line(&rest, beyond.min(LINE_SIZE));
        }
    }

    fn record_in_line(&mut self, access: &Access, bytes: u64) {
        let offset = access.physical % LINE_SIZE;
        let number = LineNumber::of(access.physical);
        let line = self.lines.entry(number).or_insert_with(|| Line {
            virtual_address: access.virtual_address - offset,
            touched: 0,
            stored_bytes: 0,
            by: Vec::new(),
        });
        line.touched |= u64::MAX >> (LINE_SIZE - bytes) << offset;
        let by = (access.function, access.cause);
        let at = line.by.iter().position(|(known, _)| *known == by);
        let at = at.unwrap_or_else(|| {
            line.by.push((by, Count::default()));
            line.by.len() - 1
        });
        let count = &mut line.by[at].1;
        match access.kind {
            Kind::Load => count.loads += 1,
            Kind::Store | Kind::Atomic => {
                count.stores += 1;
                count.atomics += u64::from(access.kind == Kind::Atomic);
                line.stored_bytes += bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(physical: u64, size: u64, kind: Kind) -> Access {
        Access {
            physical,
            virtual_address: 0xffff_8880_0000_0000 + physical,
            size,
            kind,
            function: Some(Function(1)),
            cause: None,
        }
    }

    fn counts(table: &Table, address: u64) -> Vec<Count> {
        let line = table.lines.get(&LineNumber::of(address));
        line.map_or(Vec::new(), |line| line.by.iter().map(|by| by.1).collect())
    }

    /// Checks counts by line and by function.
    #[test]
    fn accesses_are_counted_by_line_and_function() {
        let mut table = Table::default();
        table.record(&access(0x1000, 8, Kind::Load));
        table.record(&access(0x103f, 1, Kind::Store));
        table.record(&access(0x1040, 4, Kind::Store));
        let mut other = access(0x1008, 8, Kind::Store);
        other.function = Some(Function(2));
        table.record(&other);
        let count = |loads, stores| Count {
            loads,
            stores,
            atomics: 0,
        };
        assert_eq!(counts(&table, 0x1000), [count(1, 1), count(0, 1)]);
        assert_eq!(counts(&table, 0x1040), [count(0, 1)]);
        let touched = table.lines[&LineNumber::of(0x1000)].touched;
        assert_eq!(touched, (1 << 63) | 0xffff);
    }

    /// Checks that lines are told apart by physical addresses.
    #[test]
    fn a_line_is_one_however_it_is_mapped() {
        let mut table = Table::default();
        let here = access(0x1010, 8, Kind::Store);
        table.record(&here);
        table.record(&Access {
            virtual_address: 0x7fff_0010,
            ..here
        });
        assert_eq!(table.lines.len(), 1);
        assert_eq!(counts(&table, 0x1000)[0].stores, 2);
        let line = &table.lines[&LineNumber::of(0x1000)];
        assert_eq!(line.virtual_address, 0xffff_8880_0000_1000);
    }

    /// Checks an access across the end of a line, and across that of a page.
    #[test]
    fn an_access_may_be_to_two_lines() {
        let mut table = Table::default();
        table.record(&access(0x103c, 8, Kind::Store));
        assert_eq!(counts(&table, 0x1000)[0].stores, 1);
        assert_eq!(counts(&table, 0x1040)[0].stores, 1);
        assert_eq!(table.lines[&LineNumber::of(0x1040)].touched, 0xf);
        // This one is to two pages.
        table.record(&access(0x2ffc, 8, Kind::Store));
        assert!(counts(&table, 0x3000).is_empty());
    }

    /// Checks an access as large as a line.
    #[test]
    fn a_whole_line_is_one_access() {
        let mut table = Table::default();
        table.record(&access(0x1000, 64, Kind::Load));
        assert_eq!(table.lines[&LineNumber::of(0x1000)].touched, u64::MAX);
        assert_eq!(table.lines.len(), 1);
    }

    /// Checks that an atomic counts as a store, too.
    #[test]
    fn an_atomic_is_a_store() {
        let mut table = Table::default();
        table.record(&access(0x1000, 4, Kind::Atomic));
        table.record(&access(0x1000, 8, Kind::Store));
        let count = counts(&table, 0x1000)[0];
        assert_eq!((count.loads, count.stores, count.atomics), (0, 2, 1));
        assert_eq!(count.both(), 2);
        assert_eq!(table.lines[&LineNumber::of(0x1000)].stored_bytes, 12);
    }
}
