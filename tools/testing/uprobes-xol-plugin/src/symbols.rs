// SPDX-License-Identifier: GPL-2.0

//! The symbols of a kernel, and which of its functions are of uprobes, from the folder in which it
//! was built.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

/// The object files that are uprobes. Not all are there on every architecture.
const UPROBES: &[&str] = &[
    "kernel/events/uprobes.o",
    "kernel/events/uprobes_xol.o",
    "arch/x86/kernel/uprobes.o",
    "arch/arm64/kernel/probes/uprobes.o",
];

/// Where uprobes call what a probe is for.
const CONSUMERS: &[&str] = &[
    "uprobe_dispatcher",
    "uretprobe_dispatcher",
    "uprobe_multi_link_handler",
    "uprobe_multi_link_ret_handler",
];

/// Entries of interrupts, on the stack that they found and on their own.
const INTERRUPTS: &[&str] = &[
    "asm_common_interrupt",
    "common_interrupt",
    "__common_interrupt",
    "el0t_64_irq",
    "el0t_64_irq_handler",
    "el1h_64_irq",
    "el1h_64_irq_handler",
    "gic_handle_irq",
    "__irq_exit_rcu",
    "handle_softirqs",
];

/// x86 has many more, which are called `asm_sysvec_reschedule_ipi`, for example.
const INTERRUPT_PART: &str = "sysvec_";

const SCHEDULER: &[&str] = &["schedule", "__schedule"];

/// A function's number, in the order of their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function(pub u32);

/// What a function's entry says about what is done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Uprobes,
    Consumer,
    Interrupt,
    Scheduler,
    None,
}

struct Symbol {
    address: u64,
    /// 0 if it is not known.
    size: u64,
    name: String,
}

struct CodeSymbol {
    symbol: Symbol,
    role: Role,
}

/// All sorted by address, no address twice.
pub struct Symbols {
    functions: Vec<CodeSymbol>,
    data: Vec<Symbol>,
}

impl Symbols {
    /// Reads `vmlinux` and the objects of uprobes.
    pub fn read(build: &Path) -> Result<Self, String> {
        let read = |name: &str| {
            let path = build.join(name);
            fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let contents = read("vmlinux")?;
        let (code, data) = kernel_symbols(&parse("vmlinux", &contents)?);
        let addresses = unique_addresses(&code);

        let mut uprobes = Vec::new();
        for name in UPROBES {
            if build.join(name).exists() {
                let contents = read(name)?;
                uprobes.extend(code_ranges(&parse(name, &contents)?, &addresses));
            }
        }
        if uprobes.is_empty() {
            return Err(format!(
                "no object file of uprobes in {}; give the folder in which the kernel was built",
                build.display()
            ));
        }
        Ok(Self::new(code, data, &uprobes))
    }

    fn new(mut code: Vec<Symbol>, mut data: Vec<Symbol>, uprobes: &[Range<u64>]) -> Self {
        for symbols in [&mut code, &mut data] {
            // Of several names for a place the first one by the alphabet, and one with a size.
            symbols.sort_by(|a, b| {
                let key = |s: &Symbol| (s.address, s.size == 0);
                key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
            });
            symbols.dedup_by_key(|symbol| symbol.address);
        }
        let functions = code.into_iter().map(|symbol| CodeSymbol {
            role: role(&symbol, uprobes),
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

    pub fn role(&self, function: Function) -> Role {
        self.functions[function.0 as usize].role
    }

    /// Where it begins.
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

fn parse<'a>(name: &str, contents: &'a [u8]) -> Result<object::File<'a>, String> {
    object::File::parse(contents).map_err(|error| format!("{name}: {error}"))
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

fn role(symbol: &Symbol, uprobes: &[Range<u64>]) -> Role {
    let name = symbol.name.as_str();
    if uprobes.iter().any(|code| code.contains(&symbol.address)) {
        Role::Uprobes
    } else if CONSUMERS.contains(&name) {
        Role::Consumer
    } else if INTERRUPTS.contains(&name) || name.contains(INTERRUPT_PART) {
        Role::Interrupt
    } else if SCHEDULER.contains(&name) {
        Role::Scheduler
    } else {
        Role::None
    }
}

/// Code and data of a kernel.
fn kernel_symbols(file: &object::File) -> (Vec<Symbol>, Vec<Symbol>) {
    let mut code = Vec::new();
    let mut data = Vec::new();
    for symbol in file.symbols() {
        let Some(section) = symbol.section_index() else {
            continue;
        };
        let Ok(name) = symbol.name() else { continue };
        // Marks in assembly, and the padding before functions.
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

/// Names that only one symbol has.
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

/// Where the code of an object file went in the kernel. Names of static functions may be those of
/// others as well; but a section stays in one piece, so one unique name in it is enough.
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
            let uprobes = 0x300..0x400;
            Self::new(code, data, std::slice::from_ref(&uprobes))
        }
    }

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

    #[test]
    fn functions_have_roles() {
        let symbols = Symbols::example();
        let role = |address| symbols.role(symbols.function(address).unwrap());
        assert_eq!(role(0x100), Role::None);
        assert_eq!(role(0x200), Role::Consumer);
        assert_eq!(role(0x300), Role::Uprobes);
        assert_eq!(role(0x400), Role::Interrupt);
    }

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

    #[test]
    fn a_name_that_two_have_says_nothing() {
        let symbols = [symbol(1, 0, "a"), symbol(2, 0, "b"), symbol(3, 0, "a")];
        assert_eq!(unique_addresses(&symbols), HashMap::from([("b", 2)]));
    }
}
