// SPDX-License-Identifier: GPL-2.0

//! The guest's symbols, and which of its functions belong to groups.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use crate::options::Groups;

/// A function's number, in the order of their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function(pub u32);

/// A group's number, in the order of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(pub u16);

struct Symbol {
    address: u64,
    /// 0 if the size is not known.
    size: u64,
    name: String,
}

struct CodeSymbol {
    symbol: Symbol,
    group: Option<Group>,
}

/// All symbols, sorted by address; no address occurs twice.
pub struct Symbols {
    functions: Vec<CodeSymbol>,
    data: Vec<Symbol>,
}

impl Symbols {
    /// Reads the guest's ELF file, and the object files of groups.
    pub fn read(file: &Path, groups: &Groups) -> Result<Self, String> {
        let read = |path: &Path| {
            fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let contents = read(file)?;
        let (code, data) = symbols_of(&parse(file, &contents)?);
        let addresses = unique_addresses(&code);

        let mut ranges = Vec::new();
        for (group, object) in &groups.objects {
            let contents = read(object)?;
            let found = code_ranges(&parse(object, &contents)?, &addresses);
            ranges.extend(found.into_iter().map(|range| (range, *group)));
        }
        Ok(Self::new(code, data, &ranges, groups))
    }

    fn new(
        mut code: Vec<Symbol>,
        mut data: Vec<Symbol>,
        ranges: &[(Range<u64>, Group)],
        groups: &Groups,
    ) -> Self {
        for symbols in [&mut code, &mut data] {
            // A place with several names keeps the first one by the alphabet that has a size.
            symbols.sort_by(|a, b| {
                let key = |s: &Symbol| (s.address, s.size == 0);
                key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
            });
            symbols.dedup_by_key(|symbol| symbol.address);
        }
        let functions = code.into_iter().map(|symbol| CodeSymbol {
            group: group(&symbol, ranges, groups),
            symbol,
        });
        Self {
            functions: functions.collect(),
            data,
        }
    }

    /// The function with the instruction at `address`.
    pub fn function(&self, address: u64) -> Option<Function> {
        let at = index_of(&self.functions, address, |function| &function.symbol)?;
        Some(Function(at as u32))
    }

    pub fn group(&self, function: Function) -> Option<Group> {
        self.functions[function.0 as usize].group
    }

    /// The address at which the function begins.
    pub fn address(&self, function: Function) -> u64 {
        self.functions[function.0 as usize].symbol.address
    }

    pub fn name(&self, function: Function) -> String {
        let name = &self.functions[function.0 as usize].symbol.name;
        format!("{:#}", rustc_demangle::demangle(name))
    }

    /// `symbol+0x10` for the first static data in `addresses`.
    pub fn data(&self, addresses: Range<u64>) -> Option<String> {
        let within = index_of(&self.data, addresses.start, |symbol| symbol)
            .map(|at| &self.data[at])
            .filter(|symbol| symbol.size > 0);
        if let Some(symbol) = within {
            let offset = addresses.start - symbol.address;
            return Some(match offset {
                0 => symbol.name.clone(),
                offset => format!("{}+{offset:#x}", symbol.name),
            });
        }
        let next = self
            .data
            .partition_point(|symbol| symbol.address < addresses.start);
        let symbol = self.data.get(next)?;
        (symbol.address < addresses.end).then(|| symbol.name.clone())
    }
}

fn parse<'a>(path: &Path, contents: &'a [u8]) -> Result<object::File<'a>, String> {
    object::File::parse(contents).map_err(|error| format!("{}: {error}", path.display()))
}

/// The last symbol that begins at or before `address`, unless it ends there.
fn index_of<T>(sorted: &[T], address: u64, symbol: impl Fn(&T) -> &Symbol) -> Option<usize> {
    let after = sorted.partition_point(|item| symbol(item).address <= address);
    let at = after.checked_sub(1)?;
    let Symbol {
        address: start,
        size,
        ..
    } = symbol(&sorted[at]);
    (*size == 0 || address < start + size).then_some(at)
}

fn group(symbol: &Symbol, ranges: &[(Range<u64>, Group)], groups: &Groups) -> Option<Group> {
    let mut ranges = ranges.iter();
    let range = ranges.find(|(range, _)| range.contains(&symbol.address));
    range
        .map(|(_, group)| *group)
        .or_else(|| groups.by_name(&symbol.name))
}

/// The symbols of code and those of data.
fn symbols_of(file: &object::File) -> (Vec<Symbol>, Vec<Symbol>) {
    let mut code = Vec::new();
    let mut data = Vec::new();
    for symbol in file.symbols() {
        let Some(section) = symbol.section_index() else {
            continue;
        };
        let Ok(name) = symbol.name() else { continue };
        // These are labels in assembly, and Linux's padding before functions.
        if name.is_empty() || name.starts_with(['.', '$']) || name.starts_with("__pfx_") {
            continue;
        }
        let is_code = file
            .section_by_index(section)
            .is_ok_and(|section| section.kind() == SectionKind::Text);
        let of_its_kind = match (is_code, symbol.kind()) {
            (true, SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label) => &mut code,
            (false, SymbolKind::Data) => &mut data,
            _ => continue,
        };
        of_its_kind.push(Symbol {
            address: symbol.address(),
            size: symbol.size(),
            name: name.to_owned(),
        });
    }
    (code, data)
}

/// The names that only one symbol has.
fn unique_addresses(symbols: &[Symbol]) -> HashMap<&str, u64> {
    let mut addresses = HashMap::new();
    for symbol in symbols {
        let known = addresses.entry(symbol.name.as_str());
        known
            .and_modify(|address| *address = None)
            .or_insert(Some(symbol.address));
    }
    let unique = addresses.into_iter();
    unique
        .filter_map(|(name, address)| Some((name, address?)))
        .collect()
}

/// The addresses of an object file's code after linking. Static functions may share their names
/// with others; but a section stays in one piece, so one unique name in it is enough.
fn code_ranges(file: &object::File, addresses: &HashMap<&str, u64>) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for section in file.sections() {
        if section.kind() != SectionKind::Text {
            continue;
        }
        let mut symbols = file.symbols();
        let start = symbols.find_map(|symbol| {
            let inside = symbol.section_index() == Some(section.index());
            let is_function = symbol.kind() == SymbolKind::Text && !symbol.is_weak();
            let address = addresses.get(symbol.name().ok()?)?;
            (inside && is_function).then(|| address - symbol.address())
        });
        ranges.extend(start.map(|start| start..start + section.size()));
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::groups;

    fn symbol(address: u64, size: u64, name: &str) -> Symbol {
        Symbol {
            address,
            size,
            name: name.to_owned(),
        }
    }

    impl Symbols {
        /// A kernel for tests.
        pub fn example() -> Self {
            let code = vec![
                symbol(0x300, 0x100, "put_uprobe"),
                symbol(0x100, 0, "memcpy"),
                symbol(0x100, 0x40, "__memcpy"),
                symbol(0x200, 0x80, "uprobe_dispatcher"),
                symbol(0x400, 0x10, "sysvec_apic_timer_interrupt"),
                symbol(0x500, 0, "asm_code"),
            ];
            let data = vec![
                symbol(0x1010, 0x8, "lock"),
                symbol(0x1080, 0x100, "table"),
                symbol(0xffff_2000, 0x8, "lock"),
            ];
            let ranges = [(0x400..0x410, Group(0))];
            Self::new(code, data, &ranges, &groups())
        }
    }

    /// Checks which function an address belongs to.
    #[test]
    fn instructions_belong_to_functions() {
        let symbols = Symbols::example();
        let name = |address| Some(symbols.name(symbols.function(address)?));
        assert_eq!(name(0xff), None);
        assert_eq!(name(0x100).as_deref(), Some("__memcpy"));
        assert_eq!(name(0x13f).as_deref(), Some("__memcpy"));
        assert_eq!(name(0x140), None);
        assert_eq!(name(0x3ff).as_deref(), Some("put_uprobe"));
        assert_eq!(name(0x5ff).as_deref(), Some("asm_code"));
        assert_eq!(symbols.address(symbols.function(0x3ff).unwrap()), 0x300);
    }

    /// Checks that object files come before names.
    #[test]
    fn functions_belong_to_groups() {
        let symbols = Symbols::example();
        let group = |address| symbols.group(symbols.function(address).unwrap());
        assert_eq!(group(0x100), None);
        assert_eq!(group(0x200), Some(Group(1)));
        assert_eq!(group(0x300), Some(Group(0)));
        assert_eq!(group(0x400), Some(Group(0)));
    }

    /// Checks the names of lines.
    #[test]
    fn static_data_has_a_name() {
        let symbols = Symbols::example();
        let data = |start| symbols.data(start..start + 0x40);
        assert_eq!(data(0x1000).as_deref(), Some("lock"));
        assert_eq!(data(0x1014).as_deref(), Some("lock+0x4"));
        assert_eq!(data(0x1040), None);
        assert_eq!(data(0x10c0).as_deref(), Some("table+0x40"));
        assert_eq!(data(0x2000), None);
    }

    /// Checks that a name of two symbols is not used.
    #[test]
    fn a_name_that_two_have_says_nothing() {
        let symbols = [symbol(1, 0, "a"), symbol(2, 0, "b"), symbol(3, 0, "a")];
        assert_eq!(unique_addresses(&symbols), HashMap::from([("b", 2)]));
    }
}
