// SPDX-License-Identifier: GPL-2.0

//! The patches in `mutations/` that no kernel test can catch do what a mutant here does.
// The same in each build: once is enough.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use uprobes_xol::mutants::{Mutant, MUTANTS};

/// The patches, and the mutant that each names.
fn caught_on_the_host() -> Vec<(PathBuf, &'static Mutant)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutations");
    let mut patches = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let Some(name) = lines.find_map(|line| line.strip_prefix("Caught-by: host ")) else {
            continue;
        };
        let mutant = MUTANTS.iter().find(|mutant| mutant.name == name);
        patches.push((
            path,
            mutant.unwrap_or_else(|| panic!("there is no {name:?}")),
        ));
    }
    patches
}

#[test]
fn patches_are_the_mutants_that_they_name() {
    let patches = caught_on_the_host();
    assert!(!patches.is_empty());
    for (patch, mutant) in patches {
        let file = Path::new("kernel/events/uprobes_xol").join(mutant.file);
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let mut text = fs::read_to_string(tree.join(&file)).unwrap();

        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(mutant.name);
        fs::create_dir_all(copy.join(file.parent().unwrap())).unwrap();
        fs::write(copy.join(&file), &text).unwrap();
        let applied = Command::new("patch")
            .args(["-p1", "-F0", "--silent", "--batch"])
            .args(["--no-backup-if-mismatch", "-i"])
            .arg(&patch)
            .current_dir(&copy)
            .status()
            .unwrap();
        assert!(applied.success(), "{} does not apply", patch.display());

        for (find, replace) in mutant.edits {
            text = text.replacen(find, replace, 1);
        }
        let patched = fs::read_to_string(copy.join(&file)).unwrap();
        assert_eq!(patched, text, "{} does not make it", patch.display());
    }
}
