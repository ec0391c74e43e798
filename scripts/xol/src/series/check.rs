// SPDX-License-Identifier: GPL-2.0
//! `make series CHECK=1`: builds every commit of the series.
//!
//! The patched tree itself goes through the commits, and is restored at the end. Each
//! architecture has one build directory for all of them, with little more than what
//! compiles every file of the series. All commits are built with the option off, and then
//! those that have it with the option on, from the last one to the first: a change of the
//! option compiles all Rust code again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Commit, commits_of, new_files};
use crate::apply::Feature;
use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::kernel::{self, Make};
use crate::source::{self, Pristine};
use crate::stage::{Fingerprint, Progress, Runner};

const OPTION: &str = "CONFIG_UPROBES_XOL_RUST";

/// The file that defines the option.
const KCONFIG: &str = "kernel/events/uprobes_xol/Kconfig";

/// The file to which the series adds the option of the unit tests.
const KCONFIG_OF_TESTS: &str = "lib/Kconfig.debug";

/// Builds each commit with the option off, and on where it exists. A commit that was built
/// is skipped until its files or its configuration change, and so is one that changes
/// nothing that its architecture compiles.
pub fn run(runner: &Runner, archs: &[Arch]) -> Result<()> {
    runner.plan(["source"]);
    let checked = check(runner, archs);
    // In any case, the tree must have all commits again.
    let restored = source::prepare(runner);
    let commits = checked?;
    restored?;
    let archs: Vec<_> = archs.iter().map(|arch| arch.name()).collect();
    println!(
        "each of the {commits} commits builds on {}, with {OPTION} on and off, and without \
         a warning of W=1 about its files",
        archs.join(" and ")
    );
    Ok(())
}

fn check(runner: &Runner, archs: &[Arch]) -> Result<usize> {
    let pristine = source::pristine(runner)?;
    let checkout = &runner.paths.checkout;
    let feature = Feature::read(checkout, source::series(&pristine.path)?)?;
    let commits = commits_of(checkout, &feature)?;
    let mut states = Vec::new();
    for at in 0..commits.len() {
        let (until, later) = commits.split_at(at + 1);
        let new_files = new_files(until, later)?;
        let feature = feature_of(until, new_files.path());
        let files = feature.stage(&pristine.path)?;
        states.push((&commits[at].patch.name, feature, files, new_files));
    }
    let start = kernel::toolchain(runner)?.text(&pristine.identity);
    let mut trials = Vec::new();
    for (&arch, on) in archs.iter().flat_map(|arch| [(arch, false), (arch, true)]) {
        let mut alike = Vec::new();
        for (name, feature, files, _) in &states {
            if !on || feature.paths().contains(Path::new(KCONFIG)) {
                let mut trial = Trial {
                    name,
                    feature,
                    arch,
                    on,
                    inputs: start.clone(),
                    configuration: Fingerprint::new("configuration"),
                };
                trial.add_inputs(runner, files.path())?;
                alike.push(trial);
            }
        }
        ensure!(!alike.is_empty(), "no commit adds {KCONFIG}");
        // Of commits that are the same for the architecture, the first one is built.
        alike.dedup_by_key(|trial| trial.inputs.hex());
        if on {
            alike.reverse();
        }
        trials.extend(alike);
    }
    runner.plan(trials.iter().map(Trial::stage));
    let mut configured = None;
    for trial in &trials {
        trial.run(runner, &pristine, &mut configured)?;
    }
    Ok(commits.len())
}

/// The feature as these commits leave it.
fn feature_of(commits: &[Commit<'_>], new_files: &Path) -> Feature {
    let paths = commits.iter().flat_map(|commit| &commit.files);
    let overlay = paths.map(|(_, path)| (new_files.join(path), path.clone()));
    Feature {
        overlay: overlay.collect(),
        patches: commits.iter().map(|commit| commit.patch.clone()).collect(),
        mutation: Vec::new(),
    }
}

/// Whether a kernel for `arch` may be made from this file of the kernel tree.
fn is_compiled(path: &Path, arch: Arch) -> bool {
    let top: Vec<_> = path.iter().map(|it| it.to_string_lossy()).collect();
    match top[0].as_ref() {
        "Documentation" | "MAINTAINERS" | "tools" => false,
        // Such as arch/Kconfig, or arch/x86/kernel/uprobes.c
        "arch" => top.len() == 2 || path.starts_with(arch.folder()),
        _ => true,
    }
}

/// Whether a line of make's output is a warning about one of the files.
fn is_warning<'a>(line: &str, mut files: impl Iterator<Item = &'a PathBuf>) -> bool {
    line.to_lowercase().contains("warning:")
        && files.any(|it| line.contains(&*it.to_string_lossy()))
}

/// A commit, to be built in one way.
struct Trial<'a> {
    name: &'a str,
    feature: &'a Feature,
    arch: Arch,
    on: bool,
    inputs: Fingerprint,
    /// The part of the inputs that decides about `.config`.
    configuration: Fingerprint,
}

impl Trial<'_> {
    fn stage(&self) -> String {
        let number = self.name.split('-').next().unwrap_or_default();
        let option = if self.on { "on" } else { "off" };
        format!("commit {number} {} {option}", self.arch)
    }

    fn fragments(&self, runner: &Runner) -> Vec<PathBuf> {
        let arch = format!("commit-{}", self.arch);
        let option = if self.on { "rust" } else { "off" };
        let has_tests = self.feature.paths().contains(Path::new(KCONFIG_OF_TESTS));
        let tests = has_tests.then_some("commit-kunit");
        let names = ["commit", &arch, option].into_iter().chain(tests);
        let file = |name: &str| runner.paths.checkout.join(format!("configs/{name}.config"));
        let files = names.map(file);
        files.filter(|file| file.exists()).collect()
    }

    /// Adds what the kernel is made from; `tree` has the added and changed files.
    fn add_inputs(&mut self, runner: &Runner, tree: &Path) -> Result<()> {
        let mut inputs = self.inputs.clone();
        let mut configuration = self.configuration.clone();
        for fragment in &self.fragments(runner) {
            inputs = inputs.file(fragment)?;
            configuration = configuration.file(fragment)?;
        }
        for path in self.compiled() {
            let contents = fs::read(tree.join(&path))?;
            let name = path.to_string_lossy();
            inputs = inputs.text(&name).bytes(&contents);
            if name.contains("Kconfig") {
                configuration = configuration.text(&name).bytes(&contents);
            }
        }
        self.inputs = inputs;
        self.configuration = configuration.text(self.arch.name());
        Ok(())
    }

    fn compiled(&self) -> Vec<PathBuf> {
        let paths = self.feature.paths().into_iter();
        paths.filter(|path| is_compiled(path, self.arch)).collect()
    }

    /// Builds the commit, unless that was done. `configured` is what the build directory was
    /// configured for: Kconfig takes as long as compiling a few files.
    fn run(
        &self,
        runner: &Runner,
        pristine: &Pristine,
        configured: &mut Option<String>,
    ) -> Result<()> {
        let stage = self.stage();
        runner
            .stage(&stage, &self.inputs, &[], |progress| {
                let source = source::prepare_with(runner, pristine, self.feature)?;
                let make = Make::new(runner, &source, self.arch, Flavour::Commit);
                let configuration = Some(self.configuration.hex());
                if *configured != configuration {
                    make.configure(None, &self.fragments(runner), progress)?;
                    *configured = configuration;
                }
                self.build(&make, progress)
            })
            .with_context(|| format!("patches/{}", self.name))
    }

    fn build(&self, make: &Make<'_>, progress: &Progress) -> Result<()> {
        let files = self.compiled();
        // A file is not warned of again unless it is compiled again.
        for file in &files {
            let _ = fs::remove_file(make.folder.join(file.with_extension("o")));
        }
        let mut warnings = Vec::new();
        let targets = ["W=1", "KRUSTFLAGS=-Dwarnings", "vmlinux"];
        make.build_lines(&targets, progress, |line| {
            if is_warning(line, files.iter()) {
                warnings.push(line.to_owned());
            }
        })?;
        match warnings.first() {
            None => Ok(()),
            Some(first) => bail!("{} warnings, the first one: {first}", warnings.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that a commit is built only where it can make a difference.
    #[test]
    fn files_of_another_architecture_do_not_count() {
        for (path, x86, arm64) in [
            ("kernel/events/uprobes.c", true, true),
            ("rust/kernel/sync.rs", true, true),
            ("arch/Kconfig", true, true),
            ("arch/x86/Kconfig", true, false),
            ("arch/arm64/kernel/probes/uprobes.c", false, true),
            ("tools/testing/selftests/Makefile", false, false),
            ("MAINTAINERS", false, false),
        ] {
            assert_eq!(is_compiled(path.as_ref(), Arch::X86_64), x86, "{path}");
            assert_eq!(is_compiled(path.as_ref(), Arch::Arm64), arm64, "{path}");
        }
    }

    #[test]
    fn warnings_about_other_files_do_not_count() {
        let files = [PathBuf::from("kernel/events/uprobes.c")];
        for (line, expected) in [
            ("../kernel/events/uprobes.c:9:1: warning: x [-Wundef]", true),
            ("Warning: ../kernel/events/uprobes.c:9 function x", true),
            ("../kernel/fork.c:9:1: warning: x [-Wundef]", false),
            ("  CC      kernel/events/uprobes.o", false),
        ] {
            assert_eq!(is_warning(line, files.iter()), expected, "{line}");
        }
    }
}
