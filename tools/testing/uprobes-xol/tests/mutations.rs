// SPDX-License-Identifier: GPL-2.0

//! Checks that the mutants are complete, and name what exists.
// The same in each build: once is enough.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

#[path = "../src/files.rs"]
mod files;
#[allow(dead_code, reason = "the mutants are made elsewhere")]
#[path = "../src/mutants.rs"]
mod mutants;

use files::{FILES, FOLDER};
use kernel::bindings::model::Property;
use mutants::Mutant;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tree() -> PathBuf {
    here().join("../../..")
}

fn weakenings() -> Vec<Mutant> {
    mutants::weakenings(&FILES, |file| {
        fs::read_to_string(tree().join(FOLDER).join(file)).unwrap()
    })
}

fn patches() -> Vec<Mutant> {
    mutants::patches(&here().join("mutations"))
}

/// Checks that each strong ordering has its weakenings, and that each is caught by something.
#[test]
fn orderings_have_weakenings() {
    let mut expected = 0;
    for file in FILES {
        let text = fs::read_to_string(tree().join(FOLDER).join(file)).unwrap();
        for line in text
            .lines()
            .map(str::trim)
            .filter(|it| !it.starts_with("//"))
        {
            let number = |ordering: &str| {
                let calls = ["(", " "].map(|before| format!("{before}{ordering})"));
                calls
                    .iter()
                    .map(|call| line.matches(call).count())
                    .sum::<usize>()
            };
            expected += 2 * number("Full") + number("Acquire") + number("Release");
        }
    }
    assert!(expected >= 15);
    assert_eq!(weakenings().len(), expected);
}

/// Checks that the scanner finds calls of several lines, and no import and no comment.
#[test]
fn scanner_finds_all_orderings() {
    let text =
        "use atomic::{Acquire,\n    Full};\nfn f() {\n    // Full)\n    a.state.xchg(\n        \
                g(1),\n        Full,\n    );\n    a.load(Acquire); // Release)\n}\n";
    let places = mutants::places("x.rs", text);
    let found: Vec<_> = places
        .iter()
        .map(|it| (it.function, it.operation, it.ordering, &text[it.at.clone()]))
        .collect();
    let wanted = [
        ("f", "xchg", "Full", "Full"),
        ("f", "load", "Acquire", "Acquire"),
    ];
    assert_eq!(found, wanted);
}

/// Checks that an ordering which is not the argument of a known operation is refused.
#[test]
fn scanner_overlooks_no_ordering() {
    for text in [
        "fn f() { a.fetch_add(1, Full); }",
        "fn f() { let ordering = Acquire; }",
        "fn f() { fence(Release); }",
    ] {
        let found = std::panic::catch_unwind(|| mutants::places("x.rs", text).len());
        assert!(found.is_err(), "{text}");
    }
}

/// Checks that no file has orderings without being scanned.
#[test]
fn all_files_are_scanned() {
    let mut folders = vec![tree().join(FOLDER)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(tree().join(FOLDER)).unwrap().to_owned();
            let is_scanned = FILES.iter().any(|file| Path::new(file) == name);
            if path.is_dir() {
                folders.push(path);
            } else if !is_scanned && path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(path).unwrap();
                assert!(mutants::places("", &text).is_empty(), "{}", name.display());
            }
        }
    }
}

/// Checks that the scenarios and the properties of the mutants exist.
#[test]
fn mutants_name_what_exists() {
    let (weakenings, patches) = (weakenings(), patches());
    assert!(patches.len() >= 80);
    let mut names = BTreeSet::new();
    for mutant in weakenings.iter().chain(&patches) {
        let Mutant {
            name, caught_by, ..
        } = mutant;
        assert!(names.insert(name), "there are two of {name}");
        let scenario = &caught_by.scenario;
        let mut scenarios = uprobes_xol::SCENARIOS.into_iter().flatten();
        assert!(
            scenarios.any(|it| it.name == scenario),
            "{name}: {scenario}"
        );
        let property = &caught_by.property;
        let mut properties = Property::ALL.iter();
        assert!(
            properties.any(|it| it.to_string() == *property),
            "{name}: {property}"
        );
    }
}

/// Checks that a litmus test with a defect names the mutant that has the same one. Where there is
/// none, it names the file with the lock or the barrier that it does without.
#[test]
fn litmus_tests_name_their_defects() {
    let mutants: BTreeSet<_> = weakenings()
        .into_iter()
        .chain(patches())
        .map(|mutant| mutant.name)
        .collect();
    for entry in fs::read_dir(here().join("litmus")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let defect = lines.find_map(|line| line.strip_prefix(" * Defect: "));
        let is_twin = path.to_str().unwrap().contains('+');
        assert_eq!(defect.is_some(), is_twin, "{}", path.display());
        let exists = |defect: &str| mutants.contains(defect) || tree().join(defect).is_file();
        assert!(defect.is_none_or(exists), "{}: {defect:?}", path.display());
    }
}
