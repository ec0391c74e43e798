// SPDX-License-Identifier: GPL-2.0

//! Configures the kernel's files, and makes the mutants: copies of these files with one defect, a
//! module each.

#[path = "src/files.rs"]
mod files;
#[path = "src/mutants.rs"]
mod mutants;

use files::{FILES, FOLDER};
use mutants::{Build, Change, Mutant};
use std::{
    collections::BTreeMap,
    env,
    fmt::Write,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const WAIT_QUEUE: &str = "rust/kernel/sync/wait_queue.rs";

/// What the mutations are made on top of.
const PROVOCATION: &str = "mutations/provocation.patch";

/// What the names of the files and scenarios of boosting begin with.
const BOOST: &str = "boost";

/// Not a defect: all scenarios hold.
const SMALL_STEPS: &str = "small-steps";

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let tree = here.join("../../..").canonicalize().unwrap();

    for watched in [
        "build.rs",
        "mutations",
        "small-steps.patch",
        "src/files.rs",
        "src/mutants.rs",
    ] {
        println!("cargo::rerun-if-changed={}", here.join(watched).display());
    }
    for file in paths() {
        println!("cargo::rerun-if-changed={}", tree.join(file).display());
    }

    // What is counted is part of what is explored.
    println!("cargo::rustc-cfg=CONFIG_DEBUG_FS");
    println!("cargo::rustc-cfg=CONFIG_UPROBES_XOL_BOOST");

    let feature = |name| env::var_os(format!("CARGO_FEATURE_{name}")).is_some();
    if !feature("LOOM") && !feature("SHUTTLE") {
        println!("cargo::rustc-cfg=CONFIG_UPROBES_KUNIT_TEST");
    }
    // Mutants are for loom.
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
    make_mutants(&here, &tree, build);
}

/// Writes the files of all mutants of this build, and `mutants.rs`, which has them as modules.
fn make_mutants(here: &Path, tree: &Path, build: Build) {
    let output = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let text = |path: &str| fs::read_to_string(here.join(path)).unwrap();
    let original: Files = paths()
        .map(|path| (path.clone(), fs::read_to_string(tree.join(path)).unwrap()))
        .collect();
    let mut provoked = original.clone();
    patch(&mut provoked, PROVOCATION, &text(PROVOCATION), &output);

    let mut modules = String::new();
    let mut list = String::new();
    let mut add = |name: &str, caught_by: Option<(&str, &str)>, files: Files| {
        // The name may begin with a number.
        let module = format!("mutant_{}", name.replace('-', "_"));
        writeln!(modules, "#[allow(warnings, clippy::all)]\nmod {module} {{").unwrap();
        // A mutant consists of what its scenario uses: either of boosting, or of all else.
        let part = caught_by.map(|(scenario, _)| scenario.starts_with(BOOST));
        let is_part = |file: &str| {
            let boosts = file.starts_with(BOOST);
            file == "ffi.rs" || part.is_none_or(|part| part == boosts)
        };
        for (file, text) in sources(&original, files) {
            if is_part(&file) {
                let path = output.join(name).join(&file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
                add_module(&mut modules, &file, &path);
            }
        }
        for file in ["boosted.rs", "scenarios.rs"] {
            if is_part(file) {
                add_module(&mut modules, file, &here.join("src").join(file));
            }
        }
        writeln!(modules, "}}").unwrap();
        let scenarios = match (caught_by, part) {
            (Some((scenario, _)), Some(part)) => {
                let file = if part { "boosted" } else { "scenarios" };
                // No code is generated for the others.
                format!("[&[scenario({module}::{file}::SCENARIOS, {scenario:?})], &[]]")
            }
            _ => format!("[{module}::scenarios::SCENARIOS, {module}::boosted::SCENARIOS]"),
        };
        writeln!(
            list,
            "    Mutant {{ name: {name:?}, caught_by: {caught_by:?}, scenarios: {scenarios} }},"
        )
        .unwrap();
    };

    let mut files = provoked.clone();
    patch(&mut files, SMALL_STEPS, &text("small-steps.patch"), &output);
    add(SMALL_STEPS, None, files);

    let mut mutants = mutants::patches(&here.join("mutations"));
    mutants.extend(mutants::weakenings(&FILES, |file| {
        original[&format!("{FOLDER}/{file}")].clone()
    }));
    for mutant in mutants.iter().filter(|it| it.caught_by.build == build) {
        let Mutant {
            name, caught_by, ..
        } = mutant;
        let mut files;
        match &mutant.change {
            Change::Patch(text) => {
                files = provoked.clone();
                patch(&mut files, name, text, &output);
            }
            Change::Weakening(file, at, ordering) => {
                files = original.clone();
                let text = files.get_mut(&format!("{FOLDER}/{file}")).unwrap();
                // Not all orderings may be imported.
                text.replace_range(at.clone(), &format!("kernel::sync::atomic::{ordering}"));
            }
        }
        let caught_by = (&caught_by.scenario[..], &caught_by.property[..]);
        add(name, Some(caught_by), files);
    }
    let list = format!("/// All of this build.\npub const MUTANTS: &[Mutant] = &[\n{list}];\n");
    fs::write(output.join("mutants.rs"), modules + &list).unwrap();
}

/// Files by their path in the kernel tree.
type Files = BTreeMap<String, String>;

fn paths() -> impl Iterator<Item = String> {
    let explored = FILES.iter().map(|file| format!("{FOLDER}/{file}"));
    explored.chain([WAIT_QUEUE.to_owned()])
}

/// Applies the sections of the patch that change one of the files.
fn patch(files: &mut Files, name: &str, text: &str, output: &Path) {
    let folder = output.join("patched");
    let (_, diff) = text.split_once("\n---\n").expect("a patch with a header");
    let changed = |section: &str| {
        let line = section.lines().find_map(|line| line.strip_prefix("+++ b/"));
        line.filter(|file| files.contains_key(*file))
            .map(str::to_owned)
    };
    let sections: Vec<_> = diff
        .split_inclusive("diff --git ")
        .filter_map(|section| Some((changed(section)?, section)))
        .collect();
    for (file, _) in &sections {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &files[file]).unwrap();
    }
    let mut patch = Command::new("patch")
        .args(["-p1", "-F0", "--batch", "--forward", "--silent"])
        .args(["--no-backup-if-mismatch", "--reject-file=-"])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .spawn()
        .expect("patch(1)");
    let mut input = patch.stdin.take().unwrap();
    for (_, section) in &sections {
        let section = section.trim_end_matches("diff --git ");
        input.write_all(section.as_bytes()).unwrap();
    }
    drop(input);
    assert!(
        !sections.is_empty() && patch.wait().unwrap().success(),
        "the patch {name} does not apply; it changes the tree with {PROVOCATION}"
    );
    for (file, _) in sections {
        let text = fs::read_to_string(folder.join(&file)).unwrap();
        files.insert(file, text);
    }
}

/// The files as they are compiled: modules beside each other.
fn sources(original: &Files, files: Files) -> Vec<(String, String)> {
    let own_wait_queue = files[WAIT_QUEUE] != original[WAIT_QUEUE];
    let mut sources = Vec::new();
    for (path, text) in files {
        let mut text = without_dawdling(&text);
        let file = match path.strip_prefix(FOLDER) {
            Some(file) => &file[1..],
            None if own_wait_queue => "wait_queue.rs",
            None => continue,
        };
        if own_wait_queue {
            text = use_own_wait_queue(file, text);
        }
        sources.push((file.to_owned(), text));
    }
    sources
}

/// Removes the calls that only let time pass: all schedules are explored.
fn without_dawdling(text: &str) -> String {
    let is_call = |line: &str| {
        line.trim_start_matches("super::task::")
            .starts_with("dawdle(")
    };
    let kept = text.split_inclusive('\n');
    kept.filter(|line| !is_call(line.trim_start())).collect()
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

/// The wait queue is otherwise that of the `kernel` crate, outside of the module.
fn use_own_wait_queue(file: &str, mut text: String) -> String {
    match file {
        "wait_queue.rs" => {
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
