// SPDX-License-Identifier: GPL-2.0

//! Runs the litmus tests under the kernel's memory model.
//!
//! Each names its result. A hand-over is a test `NAME` whose outcome must never occur. Its twins
//! `NAME+WEAKER`, where the outcome sometimes occurs, have a defect, and name it: the mutant with
//! the same defect, or the file with what they do without.
//!
//! `XOL_HERD` is the root of a file system with herdtools7, `XOL_LKMM` the kernel's
//! `tools/memory-model`.

use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/litmus");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if cfg!(any(feature = "loom", feature = "shuttle")) {
        // The same in each build: once is enough.
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    }
    let files = litmus_files();
    let mut trials = vec![Trial::test("every hand-over has a weaker twin", {
        let files = files.clone();
        move || twins(&files)
    })];
    for (name, path) in files {
        let expected = expected(&path);
        trials.push(Trial::test(name.clone(), move || run(&name, &path)).with_kind(expected));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The litmus tests, by name.
fn litmus_files() -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(FOLDER).expect(FOLDER);
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "litmus")
        })
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect()
}

fn twins(files: &BTreeMap<String, PathBuf>) -> Result<(), Failed> {
    for (name, path) in files {
        let (twin, expected) = (name.contains('+'), expected(path));
        if expected != if twin { "Sometimes" } else { "Never" } {
            return Err(format!("{name} is not to be {expected:?}").into());
        }
        let base = name.split('+').next().unwrap();
        if !files.contains_key(base) {
            return Err(format!("{name} has no {base}").into());
        }
        let has_twin = files
            .keys()
            .any(|other| other.starts_with(&format!("{name}+")));
        if !twin && !has_twin {
            return Err(format!("{name} has no weaker twin").into());
        }
    }
    Ok(())
}

/// What is to come of a test, as it says itself.
fn expected(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let result = text
        .lines()
        .find_map(|line| line.strip_prefix(" * Result: "));
    result.unwrap_or("nothing").to_owned()
}

fn run(name: &str, path: &Path) -> Result<(), Failed> {
    let output = herd(path)?;
    let observation = format!("Observation {name} ");
    let observed = output
        .lines()
        .find_map(|line| line.strip_prefix(&observation)?.split(' ').next());
    if observed != Some(&expected(path)) {
        return Err(format!("{observed:?}\n{output}").into());
    }
    Ok(())
}

/// Runs herd7 with the C library that came with it.
fn herd(path: &Path) -> Result<String, Failed> {
    let (root, model) = (folder("XOL_HERD")?, folder("XOL_LKMM")?);
    let libraries = fs::read_dir(root.join("usr/lib"))?
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("libc.so.6").exists())
        .ok_or_else(|| format!("no C library in {}", root.display()))?;
    let loader = fs::read_dir(&libraries)?
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("ld-linux")
        })
        .ok_or_else(|| format!("no loader in {}", libraries.display()))?;
    let output = Command::new(loader)
        .arg("--library-path")
        .arg(&libraries)
        .arg(root.join("usr/bin/herd7"))
        .arg("-set-libdir")
        .arg(root.join("usr/share/herdtools7/herd"))
        .args(["-conf", "linux-kernel.cfg"])
        .arg(path)
        .current_dir(model)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !errors.is_empty() {
        return Err(format!("herd7 failed: {errors}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn folder(variable: &str) -> Result<PathBuf, Failed> {
    env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_dir())
        .ok_or_else(|| format!("{variable} names no folder; `make test-host` sets it").into())
}
