// SPDX-License-Identifier: GPL-2.0

//! Configures the kernel's files, and makes the mutants: copies of them with one thing wrong, a
//! module each.

#[path = "src/files.rs"]
mod files;
#[path = "src/mutants.rs"]
mod mutants;

use files::{FILES, FOLDER};
use mutants::{Build, Edit, Mutant, MUTANTS, SMALL_STEPS};
use std::{
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

const WAIT_QUEUE: &str = "wait_queue.rs";
const WAIT_QUEUE_FOLDER: &str = "rust/kernel/sync";

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let tree = here.join("../../..").canonicalize().unwrap();
    let output = PathBuf::from(env::var_os("OUT_DIR").unwrap());

    for watched in ["build.rs", "src/files.rs", "src/mutants.rs"].map(|file| here.join(file)) {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    for file in FILES.iter().chain([&WAIT_QUEUE]) {
        println!(
            "cargo::rerun-if-changed={}",
            original(&tree, file).display()
        );
    }

    // What is counted is part of what is explored.
    println!("cargo::rustc-cfg=CONFIG_DEBUG_FS");
    println!("cargo::rustc-cfg=CONFIG_UPROBES_XOL_BOOST");

    // They are for loom.
    let feature = |name| env::var_os(format!("CARGO_FEATURE_{name}")).is_some();
    if !feature("LOOM") {
        return;
    }
    let build = if feature("TWO_SLOTS") {
        Build::TwoSlots
    } else if feature("TWO_PAGES") {
        Build::TwoPages
    } else {
        Build::OneSlot
    };
    println!("cargo::rustc-cfg=mutants");

    let mut modules = String::new();
    let mut list = String::new();
    let of_build = MUTANTS.iter().filter(|mutant| mutant.build == build);
    for mutant in of_build.chain([&SMALL_STEPS]) {
        let folder = output.join(mutant.name);
        fs::create_dir_all(&folder).unwrap();
        let module = mutant.name.replace('-', "_");
        writeln!(
            modules,
            "#[allow(warnings, clippy::all)]\npub mod {module} {{"
        )
        .unwrap();
        for (file, text) in sources(&tree, mutant) {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            add_module(&mut modules, file, &path);
        }
        add_module(&mut modules, "scenarios.rs", &here.join("src/scenarios.rs"));
        writeln!(modules, "}}").unwrap();
        writeln!(
            list,
            "    ({:?}, {module}::scenarios::SCENARIOS),",
            mutant.name
        )
        .unwrap();
    }
    let list = format!(
        "/// The scenarios of each mutant.\n\
         pub const SCENARIOS: &[(&str, &[crate::explore::Scenario])] = &[\n{list}];\n"
    );
    fs::write(output.join("mutants.rs"), modules + &list).unwrap();
}

fn original(tree: &Path, file: &str) -> PathBuf {
    let folder = if file == WAIT_QUEUE {
        WAIT_QUEUE_FOLDER
    } else {
        FOLDER
    };
    tree.join(folder).join(file)
}

/// Adds `file` as a module, unless a module that it lies in does so.
fn add_module(modules: &mut String, file: &str, path: &Path) {
    let name = file.strip_suffix(".rs").unwrap();
    let name = name.strip_suffix("/mod").unwrap_or(name);
    if name.contains('/') {
        return;
    }
    writeln!(modules, "    #[path = {path:?}]\n    pub mod {name};").unwrap();
}

/// The mutant's files.
fn sources(tree: &Path, mutant: &Mutant) -> Vec<(&'static str, String)> {
    let mut files = FILES.to_vec();
    if mutant.file == WAIT_QUEUE {
        files.push(WAIT_QUEUE);
    }
    let read = |file| {
        let path = original(tree, file);
        let mut text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        if file == mutant.file {
            mutant
                .edits
                .iter()
                .for_each(|edit| apply(&mut text, mutant, edit));
        }
        if mutant.file == WAIT_QUEUE {
            text = use_own_wait_queue(file, text);
        }
        (file, text)
    };
    files.into_iter().map(read).collect()
}

fn apply(text: &mut String, mutant: &Mutant, &(find, replace): &Edit) {
    let count = text.matches(find).count();
    assert!(
        count == 1,
        "mutant {}: {count} places in {} to edit, not one; fix the table (src/mutants.rs):\n{find}",
        mutant.name,
        mutant.file
    );
    *text = text.replacen(find, replace, 1);
}

/// The wait queue is otherwise that of the `kernel` crate, outside of the module.
fn use_own_wait_queue(file: &str, mut text: String) -> String {
    match file {
        WAIT_QUEUE => {
            const MACRO_ENDS: &str = "pub use new_wait_queue;\n";
            let begin = text.find("/// Creates a [`WaitQueue`]").unwrap();
            let end = text.find(MACRO_ENDS).unwrap() + MACRO_ENDS.len();
            text.replace_range(begin..end, "");
            text.replace("use crate::{", "use ::kernel::{").replace(
                "use super::LockClassKey",
                "use ::kernel::sync::LockClassKey",
            )
        }
        "queue.rs" => {
            const IMPORT: &str = "    sync::{new_wait_queue, WaitQueue}, //\n";
            const NEW: &str = "new_wait_queue!(\"uprobes_xol::queue\")";
            assert!(text.contains(IMPORT) && text.contains(NEW));
            let text = text.replace(IMPORT, "").replace(
                NEW,
                "WaitQueue::new(kernel::optional_name!(), kernel::static_lock_class!())",
            );
            text + "\nuse super::wait_queue::WaitQueue;\n"
        }
        _ => text,
    }
}
