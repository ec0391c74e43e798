// SPDX-License-Identifier: GPL-2.0

//! Checks what the kernel's files say about themselves.
// The same in each build: once is enough.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

#[path = "../src/files.rs"]
mod files;

use files::{FILES, FOLDER};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn kernel_file(name: &str) -> String {
    let path = tree().join(FOLDER).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A transition of a task's state, as `[from, to, operation, ordering, function]`.
type Transition = [String; 5];

/// The transitions in `task.rs`: each operation that changes `state`. What it changes is either an
/// argument or said in the comment above it.
fn transitions_of_the_code() -> BTreeSet<Transition> {
    let text = kernel_file("task.rs");
    let mut transitions = BTreeSet::new();
    let mut function = "";
    let mut from = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some((_, rest)) = line.split_once("fn ") {
            function = rest.split(['(', '<']).next().unwrap();
        }
        if let Some(comment) = line.strip_prefix("// INVARIANT: ") {
            from = named(comment.split("->").next().unwrap());
        }
        let Some((_, call)) = line.split_once("state.") else {
            continue;
        };
        let Some((operation, rest)) = call.split_once('(') else {
            continue;
        };
        let arguments: Vec<_> = rest.split(')').next().unwrap().split(", ").collect();
        let state = |argument: &str| argument.strip_prefix("State::").map(str::to_owned);
        let (from, to, ordering) = match (operation, &arguments[..]) {
            ("load", _) => continue,
            ("cmpxchg", [from, to, ordering]) => (vec![state(from).unwrap()], to, ordering),
            ("xchg" | "store", [to, ordering]) => (from.clone(), to, ordering),
            _ => panic!("what does this do to the state? {line}"),
        };
        let to = state(to).unwrap();
        assert!(!from.is_empty(), "say above it what it changes: {line}");
        for from in from {
            let rest = [&to, operation, ordering, function].map(str::to_owned);
            let [to, operation, ordering, function] = rest;
            transitions.insert([from, to, operation, ordering, function]);
        }
    }
    transitions
}

/// The states that a text names.
fn named(text: &str) -> Vec<String> {
    let code = text.split('`').skip(1).step_by(2);
    code.filter(|name| ["Idle", "InUse", "Recycled"].contains(name))
        .map(str::to_owned)
        .collect()
}

/// The table in the documentation of `task.rs`.
fn transitions_of_the_table() -> BTreeSet<Transition> {
    let text = kernel_file("task.rs");
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.replace('`', "")).collect();
        let cell = |index: usize| cells[index].trim().to_owned();
        [cell(0), cell(1), cell(2), cell(3), cell(4)]
    })
    .collect()
}

#[test]
fn table_has_the_transitions_of_the_code() {
    let code = transitions_of_the_code();
    assert!(code.len() >= 4, "{code:?}");
    assert_eq!(transitions_of_the_table(), code);
}

/// The picture labels the transitions with operation and ordering. It is in one place, which the
/// table names.
#[test]
fn picture_has_the_transitions_of_the_code() {
    let picture = "Documentation/trace/uprobes-xol-design.rst";
    assert!(kernel_file("task.rs").contains(picture));
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for [_, _, operation, ordering, function] in transitions_of_the_code() {
        // A task that dies is not in the picture.
        if function != "evict" {
            let label = format!("{operation}, {}", ordering.to_lowercase());
            *count.entry(label).or_default() += 1;
        }
    }
    let text = fs::read_to_string(tree().join(picture)).unwrap();
    for (label, count) in count {
        assert_eq!(
            text.matches(&label).count(),
            count,
            "{label:?} in {picture}"
        );
    }
}

fn litmus_tests_named_by(text: &str) -> BTreeSet<String> {
    text.split("litmus/")
        .skip(1)
        .filter_map(|rest| rest.split_once(".litmus"))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.contains(char::is_whitespace))
        .collect()
}

/// Every comment that argues for an ordering names the litmus tests that prove it.
#[test]
fn orderings_name_their_litmus_tests() {
    const RELAXED_DECIDES_NOTHING: &str = "Relaxed: decides nothing";

    let mut named = BTreeSet::new();
    for file in FILES.into_iter().chain(["boost.c"]) {
        let text = kernel_file(file);
        named.extend(litmus_tests_named_by(&text));
        for comment in text.split("// ORDERING: ").skip(1) {
            let lines = comment.lines().enumerate();
            let comment: String = lines
                .take_while(|(number, line)| *number == 0 || line.trim().starts_with("// "))
                .map(|(_, line)| line)
                .collect();
            assert!(
                comment.starts_with(RELAXED_DECIDES_NOTHING)
                    || !litmus_tests_named_by(&comment).is_empty(),
                "{file}: an ordering without a litmus test: {comment}"
            );
        }
    }

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("litmus");
    let there: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".litmus").map(str::to_owned))
        .filter(|name| !name.contains('+'))
        .collect();
    assert_eq!(named, there);
}
