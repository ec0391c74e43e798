// SPDX-License-Identifier: GPL-2.0
//! `make series CHECK=1`: builds and boots every commit of the series.
//!
//! The patched tree itself goes through the commits, and is restored at the end. Each
//! architecture has one build directory for all of them.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Commit, commits_of};
use crate::apply::Feature;
use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::{self, Guest};
use crate::kernel::{self, Make};
use crate::qemu::{self, Boot, Engine};
use crate::source::{self, Pristine};
use crate::stage::{Runner, read_text};

/// A guest that does nothing is up within seconds.
const BOOT_LIMIT: Duration = Duration::from_secs(5 * 60);

const OPTION: &str = "CONFIG_UPROBES_XOL_RUST";

/// Builds and boots each commit with the option off, and on where it exists. A commit
/// that was built and booted is skipped until its tree or its configuration changes.
pub fn run(runner: &Runner, archs: &[Arch]) -> Result<()> {
    runner.plan(["source", "apply"]);
    let source = source::prepare(runner)?;
    let mut guests = Vec::new();
    for &arch in archs {
        runner.plan(guest::stage_names(arch));
        guests.push((arch, guest::build(runner, arch, &source)?));
    }
    let checked = check(runner, &guests);
    // In any case, the tree must have all commits again.
    let restored = source::prepare(runner);
    let commits = checked?;
    restored?;
    let archs: Vec<_> = archs.iter().map(|arch| arch.name()).collect();
    println!(
        "each of the {commits} commits builds and boots on {}, with {OPTION} on and off",
        archs.join(" and ")
    );
    Ok(())
}

fn check(runner: &Runner, guests: &[(Arch, Guest)]) -> Result<usize> {
    let pristine = source::pristine(runner)?;
    let checkout = &runner.paths.checkout;
    let feature = Feature::read(checkout, source::series(&pristine.path)?)?;
    let commits = commits_of(checkout, &feature)?;
    let mut trials = Vec::new();
    for (arch, guest) in guests {
        for at in 0..commits.len() {
            let feature = up_to(&commits[..=at]);
            let has_option = has_option(&feature)?;
            for on in [false, true].into_iter().filter(|&on| !on || has_option) {
                trials.push(Trial {
                    name: &commits[at].patch.name,
                    feature: feature.clone(),
                    arch: *arch,
                    guest,
                    on,
                });
            }
        }
    }
    runner.plan(trials.iter().map(Trial::stage));
    for trial in &trials {
        trial.run(runner, &pristine)?;
    }
    Ok(commits.len())
}

/// The feature as these commits leave it.
fn up_to(commits: &[Commit<'_>]) -> Feature {
    let files = commits.iter().flat_map(|commit| &commit.files);
    Feature {
        overlay: files.map(|&file| file.clone()).collect(),
        patches: commits.iter().map(|commit| commit.patch.clone()).collect(),
        mutation: Vec::new(),
    }
}

fn has_option(feature: &Feature) -> Result<bool> {
    let definition = OPTION.replace("CONFIG_", "config ");
    let mut texts: Vec<_> = feature.patches.iter().map(|it| it.text.clone()).collect();
    for (file, path) in &feature.overlay {
        if path.ends_with("Kconfig") {
            texts.push(read_text(file)?);
        }
    }
    let mut lines = texts.iter().flat_map(|text| text.lines());
    Ok(lines.any(|line| line.trim_start_matches('+') == definition))
}

/// A commit, to be built in one way and booted.
struct Trial<'a> {
    name: &'a str,
    feature: Feature,
    arch: Arch,
    guest: &'a Guest,
    on: bool,
}

impl Trial<'_> {
    fn stage(&self) -> String {
        let number = self.name.split('-').next().unwrap_or_default();
        let option = if self.on { "on" } else { "off" };
        format!("commit {number} {} {option}", self.arch)
    }

    fn run(&self, runner: &Runner, pristine: &Pristine) -> Result<()> {
        let flavour = Flavour::Commit;
        let mut fragments = kernel::fragments(runner, self.arch, flavour);
        if !self.on {
            fragments.push(runner.paths.checkout.join("configs/off.config"));
        }
        let mut inputs = kernel::toolchain(runner)?.text(&pristine.identity);
        inputs = self.feature.fingerprint(inputs)?;
        for fragment in &fragments {
            inputs = inputs.file(fragment)?;
        }
        let stage = self.stage();
        runner
            .stage(&stage, &inputs, &[], |progress| {
                let source = source::prepare_with(runner, pristine, &self.feature)?;
                let make = Make::new(runner, &source, self.arch, flavour);
                kernel::start_from_sibling(runner, self.arch, flavour, progress)?;
                // Options of later commits cannot take effect yet.
                let config = make.merge(None, &fragments, progress)?;
                let value = if self.on { "y" } else { "n" };
                let wanted = format!("CONFIG_RUST=y\n{OPTION}={value}\n");
                kernel::check_config(&config, &[("this commit".into(), wanted)])?;
                make.build(&[self.arch.image().0], progress)?;
                let boot = Boot {
                    arch: self.arch,
                    kernel: &runner.paths.image(self.arch, flavour),
                    initramfs: &self.guest.base,
                    engine: Engine::TcgInTurns,
                    processors: 2,
                    jobs: &["nothing"],
                    arguments: &["kunit.enable=0"],
                    limit: BOOT_LIMIT,
                };
                qemu::boot(runner, progress, &boot)?.good()?;
                Ok(())
            })
            .with_context(|| format!("patches/{}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Patch;
    use crate::stage::write_file;

    /// Checks that the option is on from the commit that brings it.
    #[test]
    fn the_option_comes_with_its_kconfig() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Kconfig");
        write_file(&file, b"config UPROBES_XOL_RUST\n\tbool \"x\"\n").unwrap();
        let new = (file, "kernel/events/uprobes_xol/Kconfig".into());
        let user = "+config UPROBES_XOL_RUST_KUNIT_TEST\n+\tdepends on UPROBES_XOL_RUST\n";
        let patches = [Patch::new("a", user.into()), Patch::new("b", String::new())];
        let commits = [
            Commit {
                patch: &patches[0],
                files: Vec::new(),
            },
            Commit {
                patch: &patches[1],
                files: vec![&new],
            },
        ];
        assert!(!has_option(&up_to(&commits[..1])).unwrap());
        assert!(has_option(&up_to(&commits)).unwrap());
    }
}
