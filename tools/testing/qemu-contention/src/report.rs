// SPDX-License-Identifier: GPL-2.0

//! The output: the accesses of all processors put together, as flat metrics.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::calls::Cause;
use crate::options::Options;
use crate::symbols::{Function, Group, Symbols};
use crate::table::{By, Count, LINE_SIZE, Line, LineNumber, PAGE_SIZE, Table};

/// A value of the output, a line of JSON.
#[derive(Debug, PartialEq, Serialize)]
pub struct Metric {
    pub metric: String,
    pub labels: Labels,
    pub value: f64,
}

type Labels = BTreeMap<String, String>;

/// What the guest's marks say of a measurement.
#[derive(Debug, Default)]
pub struct Guest {
    pub name: u64,
    /// The numbers of the marked page frames.
    pub pages: HashSet<u64>,
}

impl Guest {
    fn marked(&self, line: LineNumber) -> bool {
        self.pages.contains(&(line.address() / PAGE_SIZE))
    }
}

/// Rounds to a millionth: smaller differences say nothing.
fn per(operations: u64, count: u64) -> f64 {
    (count as f64 / operations as f64 * 1e6).round() / 1e6
}

/// The accesses of one processor to a line.
type Use<'a> = (usize, &'a Line);

/// A line that several processors use and one writes.
struct Contended<'a> {
    number: LineNumber,
    users: usize,
    writers: usize,
    data: String,
    uses: Vec<Use<'a>>,
    by: BTreeMap<By, Count>,
}

fn sum<'a>(counts: impl IntoIterator<Item = &'a Count>) -> Count {
    let mut sum = Count::default();
    counts.into_iter().for_each(|&count| sum += count);
    sum
}

fn of_line(line: &Line) -> Count {
    sum(line.by.iter().map(|(_, count)| count))
}

impl Contended<'_> {
    /// The accesses by a group, or all.
    fn of(&self, group: Of) -> Count {
        let by = self.by.iter();
        let by = by.filter(|((_, cause), _)| group.includes(*cause));
        sum(by.map(|(_, count)| count))
    }
}

/// The causes that a row stands for.
#[derive(Clone, Copy)]
enum Of {
    All,
    None,
    Group(Group),
}

impl Of {
    fn includes(self, cause: Cause) -> bool {
        match self {
            Self::All => true,
            Self::None => cause.is_none(),
            Self::Group(group) => cause.is_some_and(|(of, _)| of == group),
        }
    }

    fn name(self, options: &Options) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::None => "other".to_owned(),
            Self::Group(group) => options.groups.name(group).to_owned(),
        }
    }
}

/// Puts the tables of all processors of a measurement together.
pub fn metrics(
    tables: &[Table],
    guest: &Guest,
    symbols: &Symbols,
    options: &Options,
) -> Vec<Metric> {
    let taking_part = || {
        let all = tables.iter().enumerate();
        all.filter(|(_, table)| table.operations > 0)
    };
    let operations = tables.iter().map(|table| table.operations).sum();
    let lines = contended(tables, guest, symbols, options);
    let mut output = Output {
        run: (options.label.clone(), guest.name.to_string()),
        metrics: Vec::new(),
    };
    output.add("operations", &[], operations as f64);

    let lines_of_pages = taking_part().flat_map(|(_, table)| &table.lines);
    let marked = lines_of_pages.filter(|(number, _)| guest.marked(**number));
    let bytes = marked.map(|(_, line)| line.stored_bytes).sum();
    output.add("page_bytes", &[], per(operations, bytes));

    for group in options.groups.all() {
        let entries = tables
            .iter()
            .filter_map(|table| table.entries.get(usize::from(group.0)));
        let labels = [("group", options.groups.name(group))];
        output.add("entries", &labels, per(operations, entries.sum()));
    }
    let groups = options.groups.all().map(Of::Group);
    let groups: Vec<_> = [Of::All]
        .into_iter()
        .chain(groups)
        .chain([Of::None])
        .collect();
    for &group in &groups {
        let counts: Vec<_> = lines.iter().map(|line| line.of(group)).collect();
        let many = |count: u64| per(operations, count) >= options.threshold;
        let used = counts.iter().filter(|count| many(count.both())).count();
        let written = counts.iter().filter(|count| many(count.stores)).count();
        let name = group.name(options);
        let labels = [("group", name.as_str())];
        output.add("contended_lines", &labels, used as f64);
        output.add("contended_written_lines", &labels, written as f64);
        output.count("contended", &labels, sum(&counts), operations);
    }
    for &group in &groups[1..] {
        functions(&mut output, &lines, group, (symbols, options, operations));
    }
    for (number, table) in taking_part() {
        let number = number.to_string();
        let labels = [("processor", number.as_str())];
        let all: Vec<_> = table.lines.values().map(of_line).collect();
        output.add("processor_operations", &labels, table.operations as f64);
        output.count("processor", &labels, sum(&all), table.operations);
    }
    for line in &lines {
        one_line(&mut output, line, (symbols, options, operations));
    }
    output.metrics
}

struct Output {
    /// The label that all metrics of the measurement have.
    run: (String, String),
    metrics: Vec<Metric>,
}

impl Output {
    /// Labels without a value are left out.
    fn add(&mut self, metric: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        self.metrics.push(Metric {
            metric: metric.to_owned(),
            labels: labels.chain([self.run.clone()]).collect(),
            value,
        });
    }

    fn count(&mut self, prefix: &str, labels: &[(&str, &str)], count: Count, operations: u64) {
        for (kind, count) in [
            ("accesses", count.both()),
            ("loads", count.loads),
            ("stores", count.stores),
            ("atomics", count.atomics),
        ] {
            self.add(&format!("{prefix}_{kind}"), labels, per(operations, count));
        }
    }
}

/// The contended lines, beginning with those that have the most accesses.
fn contended<'a>(
    tables: &'a [Table],
    guest: &Guest,
    symbols: &Symbols,
    options: &Options,
) -> Vec<Contended<'a>> {
    let mut all: HashMap<LineNumber, Vec<Use<'a>>> = HashMap::new();
    let tables_with_number = tables.iter().enumerate();
    for (processor, table) in tables_with_number.filter(|(_, table)| table.operations > 0) {
        for (&number, line) in &table.lines {
            all.entry(number).or_default().push((processor, line));
        }
    }
    let mut lines = Vec::new();
    for (number, uses) in all {
        let many = |(processor, _): &Use, count: u64| {
            let operations = tables[*processor].operations as f64;
            count > 0 && count as f64 >= options.threshold * operations
        };
        let users = uses.iter().filter(|of| many(of, of_line(of.1).both()));
        let writers = uses.iter().filter(|of| many(of, of_line(of.1).stores));
        let (users, writers) = (users.count(), writers.count());
        if users < 2 || writers == 0 {
            continue;
        }
        let mut by: BTreeMap<By, Count> = BTreeMap::new();
        for &(who, count) in uses.iter().flat_map(|(_, line)| &line.by) {
            *by.entry(who).or_default() += count;
        }
        let address = uses[0].1.virtual_address;
        lines.push(Contended {
            number,
            users,
            writers,
            data: match guest.marked(number) {
                true => options.pages.clone(),
                false => symbols
                    .data(address..address + LINE_SIZE)
                    .unwrap_or_default(),
            },
            uses,
            by,
        });
    }
    lines.sort_by_key(|line| (std::cmp::Reverse(line.of(Of::All).both()), line.number));
    lines
}

/// The name of the function, and of its caller in the group if it is not of the group itself.
fn names((function, cause): By, symbols: &Symbols) -> (String, String) {
    // Generated code is in no symbol: BPF programs, modules.
    let name = |function: Option<Function>| {
        function.map_or("(generated)".to_owned(), |function| symbols.name(function))
    };
    let caller = cause
        .map(|(_, caller)| caller)
        .filter(|of| Some(*of) != function);
    (
        name(function),
        caller.map_or(String::new(), |of| symbols.name(of)),
    )
}

type Context<'a> = (&'a Symbols, &'a Options, u64);

/// Adds the functions of a group, with the lines on which they do the same put together.
fn functions(
    output: &mut Output,
    lines: &[Contended<'_>],
    group: Of,
    (symbols, options, operations): Context<'_>,
) {
    let many = |count: Count| per(operations, count.both()) >= options.threshold;
    let mut found: BTreeMap<_, (usize, Count)> = BTreeMap::new();
    for line in lines.iter().filter(|line| many(line.of(group))) {
        for (&by, &count) in line
            .by
            .iter()
            .filter(|((_, cause), _)| group.includes(*cause))
        {
            let (function, caller) = names(by, symbols);
            let sum = found.entry((function, caller, &line.data)).or_default();
            sum.0 += 1;
            sum.1 += count;
        }
    }
    let mut found: Vec<_> = found.into_iter().filter(|(_, of)| many(of.1)).collect();
    found.sort_by_key(|(_, (_, count))| std::cmp::Reverse(count.both()));
    for ((function, caller, data), (lines, count)) in &found {
        let group = group.name(options);
        let labels = [
            ("group", &*group),
            ("function", function),
            ("called_by", caller),
            ("data", data),
        ];
        output.add("function_lines", &labels, *lines as f64);
        output.count("function", &labels, *count, operations);
    }
}

fn one_line(
    output: &mut Output,
    line: &Contended<'_>,
    (symbols, options, operations): Context<'_>,
) {
    let touched = line
        .uses
        .iter()
        .fold(0, |bits, (_, line)| bits | line.touched);
    let last = touched.checked_ilog2().unwrap_or(0);
    let address = format!("{:#x}", line.number.address());
    let place = format!("{:#x}", line.uses[0].1.virtual_address);
    let bytes = format!("{}-{last}", touched.trailing_zeros());
    let labels = [
        ("line", &*address),
        ("virtual", &*place),
        ("data", &*line.data),
        ("bytes", &*bytes),
    ];
    output.add("line_users", &labels, line.users as f64);
    output.add("line_writers", &labels, line.writers as f64);
    let mut by: Vec<_> = line.by.iter().collect();
    by.sort_by_key(|(_, count)| std::cmp::Reverse(count.both()));
    for (&by, &count) in by {
        let (function, caller) = names(by, symbols);
        let group = by.1.map_or(Of::None, |(group, _)| Of::Group(group));
        let group = group.name(options);
        let labels = [
            ("line", &*address),
            ("group", &*group),
            ("function", &*function),
            ("called_by", &*caller),
        ];
        output.count("line", &labels, count, operations);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Access, Kind};

    const LINE: u64 = 0x1000;
    const PAGE: u64 = 0x7000;
    const OPERATIONS: u64 = 100;

    const PUT_UPROBE: u64 = 0x300;
    const MEMCPY: u64 = 0x100;

    /// Makes a processor with operations that makes these accesses, each so many times.
    fn processor(accesses: &[(u64, u64, Kind, Cause, u64)]) -> Table {
        let mut table = Table {
            operations: OPERATIONS,
            entries: vec![OPERATIONS, 2 * OPERATIONS],
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

    fn work() -> Cause {
        let function = Symbols::example().function(PUT_UPROBE).unwrap();
        Some((Group(0), function))
    }

    fn interrupt() -> Cause {
        let function = Symbols::example().function(0x400).unwrap();
        Some((Group(2), function))
    }

    struct Found(Vec<Metric>);

    impl Found {
        /// The only value of a metric with these labels; none if there is no such value.
        fn get(&self, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
            let has = |of: &&Metric| {
                let mut labels = labels.iter();
                of.metric == metric && labels.all(|(name, value)| of.labels[*name] == *value)
            };
            let found: Vec<_> = self.0.iter().filter(has).collect();
            assert!(found.len() < 2, "{found:?}");
            found.first().map(|of| of.value)
        }

        fn all(&self, metric: &str) -> Option<f64> {
            self.get(metric, &[("group", "all")])
        }
    }

    fn run(tables: &[Table]) -> Found {
        let guest = Guest {
            name: 7,
            pages: [PAGE / PAGE_SIZE].into(),
        };
        let arguments = ["symbols=s", "output=o", "label=probes", "pages=[page]"];
        let mut options = Options::parse(arguments.map(str::to_owned).into_iter()).unwrap();
        options.groups = crate::options::tests::groups();
        Found(metrics(tables, &guest, &Symbols::example(), &options))
    }

    fn by(kind: Kind, times: u64) -> Table {
        processor(&[(MEMCPY, LINE, kind, None, times)])
    }

    /// Checks the values of a line that one processor writes and another reads.
    #[test]
    fn a_line_that_one_writes_and_another_reads_is_contended() {
        let run = run(&[by(Kind::Store, 50), by(Kind::Load, 100)]);
        let line = [("line", "0x1000"), ("bytes", "0-3")];
        assert_eq!(run.get("line_users", &line), Some(2.0));
        assert_eq!(run.get("line_writers", &line), Some(1.0));
        assert_eq!(run.all("contended_loads"), Some(0.5));
        assert_eq!(run.all("contended_stores"), Some(0.25));
        assert_eq!(run.all("contended_accesses"), Some(0.75));
        assert_eq!(run.get("operations", &[("probes", "7")]), Some(200.0));
        assert_eq!(run.get("entries", &[("group", "work")]), Some(1.0));
        assert_eq!(run.get("entries", &[("group", "callback")]), Some(2.0));
        assert_eq!(run.get("processor_loads", &[("processor", "1")]), Some(1.0));
    }

    /// Checks that a line of one processor, or one that is only read, is not contended.
    #[test]
    fn other_lines_are_not() {
        let alone = [by(Kind::Store, 100), processor(&[])];
        let read_only = [by(Kind::Load, 100), by(Kind::Load, 100)];
        for tables in [&alone, &read_only] {
            assert_eq!(run(tables).all("contended_lines"), Some(0.0));
            assert_eq!(run(tables).all("contended_accesses"), Some(0.0));
        }
        let first = [("processor", "0")];
        assert_eq!(run(&alone).get("processor_stores", &first), Some(1.0));
    }

    /// Checks the threshold, which is for each processor by its own operations.
    #[test]
    fn rare_accesses_are_no_use() {
        let lines = |tables: &[Table]| run(tables).all("contended_lines");
        let mut many = by(Kind::Store, 1);
        many.operations = 101;
        assert_eq!(lines(&[many, by(Kind::Load, 100)]), Some(0.0));
        assert_eq!(lines(&[by(Kind::Store, 1), by(Kind::Load, 1)]), Some(1.0));
    }

    /// Checks that a processor without operations has no influence.
    #[test]
    fn processors_without_operations_take_no_part() {
        let mut idle = by(Kind::Load, 100);
        idle.operations = 0;
        let run = run(&[by(Kind::Store, 100), idle]);
        assert_eq!(run.all("contended_lines"), Some(0.0));
        assert_eq!(run.get("processor_loads", &[("processor", "1")]), None);
    }

    /// Checks the values of groups and of their functions.
    #[test]
    fn groups_are_told_apart() {
        let both = || {
            processor(&[
                (PUT_UPROBE, LINE, Kind::Atomic, work(), 100),
                (MEMCPY, LINE, Kind::Load, work(), 200),
                (MEMCPY, LINE, Kind::Load, interrupt(), 50),
                (MEMCPY, LINE + 64, Kind::Store, interrupt(), 100),
            ])
        };
        let run = run(&[both(), both()]);
        assert_eq!(run.all("contended_lines"), Some(2.0));
        assert_eq!(run.all("contended_written_lines"), Some(2.0));
        let work = [("group", "work")];
        for (metric, value) in [
            ("contended_lines", 1.0),
            ("contended_written_lines", 1.0),
            ("contended_loads", 2.0),
            ("contended_stores", 1.0),
            ("contended_atomics", 1.0),
        ] {
            assert_eq!(run.get(metric, &work), Some(value), "{metric}");
        }
        let interrupt = [("group", "interrupt")];
        assert_eq!(run.get("contended_loads", &interrupt), Some(0.5));
        let functions = run.0.iter().filter(|of| of.metric == "function_accesses");
        let label = |of: &Metric, name| of.labels.get(name).cloned().unwrap_or_default();
        let names = ["group", "function", "called_by", "data"];
        let functions: Vec<_> = functions
            .map(|of| names.map(|name| label(of, name)))
            .collect();
        let caller = "sysvec_apic_timer_interrupt";
        assert_eq!(
            functions,
            [
                ["work", "__memcpy", "put_uprobe", ""],
                ["work", "put_uprobe", "", ""],
                ["interrupt", "__memcpy", caller, ""],
            ]
        );
        let lines = [("function", "__memcpy"), ("group", "interrupt")];
        assert_eq!(run.get("function_lines", &lines), Some(2.0));
    }

    /// Checks the names of static data and of marked pages.
    #[test]
    fn static_data_and_marked_pages_have_names() {
        let at = |physical| processor(&[(MEMCPY, physical, Kind::Store, None, 50)]);
        let named = |physical, data: &str| {
            let run = run(&[at(physical), at(physical)]);
            let labels: &[_] = if data.is_empty() {
                &[]
            } else {
                &[("data", data)]
            };
            (run.get("line_users", labels), run.get("page_bytes", &[]))
        };
        assert_eq!(named(PAGE + 0x40, "[page]"), (Some(2.0), Some(2.0)));
        assert_eq!(named(LINE, ""), (Some(2.0), Some(0.0)));
        assert_eq!(named(0x2000, "lock").0, Some(2.0));
    }

    /// Checks that bytes to marked pages count on lines that are not contended, too.
    #[test]
    fn bytes_to_marked_pages_count_on_any_line() {
        let writer = processor(&[(MEMCPY, PAGE, Kind::Store, work(), 100)]);
        let run = run(&[writer, processor(&[])]);
        assert_eq!(run.all("contended_lines"), Some(0.0));
        assert_eq!(run.get("page_bytes", &[]), Some(2.0));
    }
}
