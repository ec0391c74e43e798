// SPDX-License-Identifier: GPL-2.0

//! The mutants: the kernel's files with one defect each, and the property that catches it.
//!
//! A *weakening* makes the ordering of one atomic operation one step weaker. They are generated:
//! each ordering in the sources has all of its weakenings, and [`CAUGHT`] says what catches them.
//! None is allowed. All other mutants are patches in `mutations/`, whose headers say so.

use std::{fs, ops::Range, path::Path};

/// What catches each weakening.
///
/// A weakening is called after the file, the function, the operation and the weaker ordering.
const CAUGHT: &[(&str, &str)] = &[
    (
        "boost-table-chains-load-relaxed",
        "boost-spread: memory is used while it is there",
    ),
    (
        "boost-table-key-load-relaxed",
        "two-slots/boost-written: no write while anyone is inside",
    ),
    (
        "boost-table-page-load-relaxed",
        "boost-read: no write while anyone is inside",
    ),
    (
        "boost-table-publish-store-relaxed",
        "two-slots/boost-written: no write while anyone is inside",
    ),
    (
        "boost-table-record-load-relaxed",
        "boost-grown: memory is used while it is there",
    ),
    (
        "boost-table-set_page-store-relaxed",
        "boost-read: no write while anyone is inside",
    ),
    (
        "boost-table-set_records-store-relaxed",
        "boost-grown: memory is used while it is there",
    ),
    (
        "boost-table-spread-store-relaxed",
        "boost-spread: memory is used while it is there",
    ),
    (
        "record-close-xchg-acquire",
        "claim-retract: no write while anyone is inside",
    ),
    (
        "record-close-xchg-release",
        "claim-retract: no write while anyone is inside",
    ),
    (
        "record-offers-load-relaxed",
        "claim-retract: the slot holds the instruction",
    ),
    (
        "record-open-store-relaxed",
        "claim-retract: the slot holds the instruction",
    ),
    (
        "task-claim-xchg-acquire",
        "claim-retract: no write while anyone is inside",
    ),
    (
        "task-claim-xchg-release",
        "claim-retract: no write while anyone is inside",
    ),
    (
        "task-enter-cmpxchg-relaxed",
        "vacated-owner: no stale slot after it was taken away",
    ),
    (
        "task-leave-xchg-acquire",
        "two-tasks: no write while anyone is inside",
    ),
    ("task-leave-xchg-release", "left-idle: no lost wake-up"),
    (
        "task-vacate-cmpxchg-relaxed",
        "two-tasks: no write while anyone is inside",
    ),
    (
        "task-vacate-load-relaxed",
        "vacated-mover: no write while anyone is inside",
    ),
    (
        "task-vacate-store-relaxed",
        "vacated-owner: no stale slot after it was taken away",
    ),
];

/// The orderings that are one step weaker.
fn weaker(ordering: &str) -> &'static [&'static str] {
    match ordering {
        "Full" => &["Acquire", "Release"],
        "Acquire" | "Release" => &["Relaxed"],
        _ => &[],
    }
}

const ORDERINGS: [&str; 4] = ["Full", "Acquire", "Release", "Relaxed"];
const OPERATIONS: [&str; 4] = ["load", "store", "xchg", "cmpxchg"];

/// An ordering that is the argument of an atomic operation.
pub struct Place<'a> {
    pub function: &'a str,
    pub operation: &'a str,
    pub ordering: &'static str,
    pub at: Range<usize>,
}

/// Finds the orderings in a source file. Panics if one is not the argument of an atomic operation:
/// no ordering is overlooked.
pub fn places<'a>(file: &str, text: &'a str) -> Vec<Place<'a>> {
    let code = code_of(text);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut places = Vec::new();
    for ordering in ORDERINGS {
        for (start, _) in code.match_indices(ordering) {
            let at = start..start + ordering.len();
            let (before, after) = (&code[..at.start], &code[at.end..]);
            if before.ends_with(is_word) || after.starts_with(is_word) {
                continue;
            }
            let operation = called(&code, at.clone()).unwrap_or_default();
            assert!(
                OPERATIONS.contains(&&text[operation.clone()]),
                "{file}: this {ordering} belongs to no atomic operation: {}",
                text[..at.end].lines().last().unwrap_or_default(),
            );
            let function = before.rfind("fn ").expect("a function") + "fn ".len();
            let length = code[function..].find(|c| !is_word(c)).expect("its name");
            places.push(Place {
                function: &text[function..function + length],
                operation: &text[operation],
                ordering,
                at,
            });
        }
    }
    places
}

/// The text with spaces in place of comments and imports.
fn code_of(text: &str) -> String {
    let mut in_import = false;
    let line = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        in_import |= code.trim_start().starts_with("use ");
        let kept = if in_import { "" } else { code };
        in_import &= !code.contains(';');
        format!("{kept:width$}\n", width = line.len())
    };
    text.lines().map(line).collect()
}

/// The name of the function that is called with the argument `at`, if that is the last one.
fn called(code: &str, at: Range<usize>) -> Option<Range<usize>> {
    let rest = code[at.end..].trim_start();
    rest.strip_prefix(',')
        .unwrap_or(rest)
        .trim_start()
        .strip_prefix(')')?;
    let mut depth = 0;
    let open = code[..at.start].rfind(|c| {
        depth += match c {
            ')' => 1,
            '(' => -1,
            _ => 0,
        };
        depth < 0
    })?;
    let name = code[..open].rfind('.')? + 1;
    Some(name..open)
}

/// The number of slots: features of this crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Build {
    OneSlot,
    TwoSlots,
    TwoPages,
}

/// What catches a mutant, as `[BUILD/]SCENARIO: PROPERTY`.
pub struct CaughtBy {
    pub build: Build,
    /// The scenario that is explored.
    pub scenario: String,
    /// The property that does not hold in it.
    pub property: String,
}

impl CaughtBy {
    fn parse(text: &str) -> Option<Self> {
        let (place, property) = text.split_once(": ")?;
        let (build, scenario) = match place.split_once('/') {
            None => (Build::OneSlot, place),
            Some(("two-slots", scenario)) => (Build::TwoSlots, scenario),
            Some(("two-pages", scenario)) => (Build::TwoPages, scenario),
            Some(_) => return None,
        };
        Some(Self {
            build,
            scenario: scenario.to_owned(),
            property: property.to_owned(),
        })
    }
}

/// What makes the mutant of the kernel's files.
pub enum Change {
    /// A patch, made in the tree that has the provocation.
    Patch(String),
    /// The ordering in this place of this file is another one.
    Weakening(&'static str, Range<usize>, &'static str),
}

pub struct Mutant {
    pub name: String,
    pub caught_by: CaughtBy,
    pub change: Change,
}

/// All weakenings of these files, whose texts `read` returns.
pub fn weakenings(files: &[&'static str], read: impl Fn(&str) -> String) -> Vec<Mutant> {
    let mut all = Vec::new();
    for &file in files {
        let text = read(file);
        let stem = file.strip_suffix(".rs").unwrap_or(file).replace('/', "-");
        for place in places(file, &text) {
            for ordering in weaker(place.ordering) {
                let Place {
                    function,
                    operation,
                    ..
                } = place;
                let name = format!("{stem}-{function}-{operation}-{ordering}").to_lowercase();
                let caught_by = CAUGHT.iter().find(|(weakening, _)| *weakening == name);
                let (_, caught_by) = caught_by.unwrap_or_else(|| {
                    panic!("{file}: {name} is new: say in src/mutants.rs what catches it")
                });
                all.push(Mutant {
                    caught_by: CaughtBy::parse(caught_by).expect("a scenario and a property"),
                    change: Change::Weakening(file, place.at.clone(), ordering),
                    name,
                });
            }
        }
    }
    let mut names: Vec<_> = all.iter().map(|mutant| mutant.name.as_str()).collect();
    names.sort_unstable();
    let known: Vec<_> = CAUGHT.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, names, "CAUGHT in src/mutants.rs is out of date");
    all
}

/// All patches that the host catches.
pub fn patches(folder: &Path) -> Vec<Mutant> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|it| it == "patch"));
    let mutant = |file: std::path::PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let header = text.split("\n---\n").next()?;
        let mut lines = header.lines();
        let caught_by = lines.find_map(|line| line.strip_prefix("Caught-by: host "))?;
        let caught_by = CaughtBy::parse(caught_by);
        Some(Mutant {
            name: file.file_stem()?.to_str()?.to_owned(),
            caught_by: caught_by.unwrap_or_else(|| panic!("{file:?}: name scenario and property")),
            change: Change::Patch(text),
        })
    };
    files.into_iter().filter_map(mutant).collect()
}
