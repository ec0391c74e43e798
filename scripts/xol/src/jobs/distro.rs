// SPDX-License-Identifier: GPL-2.0
//! The selftests, and tools that use uprobes, on kernels with Debian's configuration, in
//! Debian's userland.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::arch::Arch;
use crate::flavour::{Flavour, Tree};
use crate::guest::Guest;
use crate::jobs::tests::{PROCESSORS, Tally, UPSTREAM_FAULTS, expect_faults, say};
use crate::qemu::{self, Boot, Engine};
use crate::report::tap::{self, Case};
use crate::stage::{Runner, read_text};

const LIMIT: Duration = Duration::from_secs(60 * 60);

fn stage_name(arch: Arch, flavour: Flavour) -> String {
    format!("Debian {arch} {}", flavour.name())
}

/// Boots kernels of one architecture with their disks, prints which cases fail, and counts
/// the cases.
pub fn run_distro_tests(
    runner: &Runner,
    arch: Arch,
    guest: &Guest,
    disks: &[(Flavour, PathBuf)],
) -> Result<Tally> {
    runner.plan(disks.iter().map(|(flavour, _)| stage_name(arch, *flavour)));
    let mut engines = Vec::new();
    for (flavour, _) in disks {
        engines.push(qemu::engine_for_tests(runner, arch, *flavour, &guest.base)?);
    }
    let boots: Vec<_> = disks.iter().zip(engines).collect();
    let tallies = runner.beside(runner.jobs, &boots, |((flavour, disk), engine)| {
        run(runner, arch, *flavour, *engine, guest, disk)
    })?;
    let mut total = Tally::default();
    tallies.into_iter().for_each(|tally| total += tally);
    Ok(total)
}

fn run(
    runner: &Runner,
    arch: Arch,
    flavour: Flavour,
    engine: Engine,
    guest: &Guest,
    disk: &Path,
) -> Result<Tally> {
    let stage = stage_name(arch, flavour);
    let pristine = flavour.row().tree == Tree::Pristine;
    runner.always(&stage, |progress| {
        let boot = Boot {
            arch,
            kernel: &runner.paths.image(arch, flavour),
            initramfs: &guest.base,
            engine: if pristine { engine.in_turns() } else { engine },
            processors: PROCESSORS,
            jobs: if pristine {
                &["kselftest", "tools"]
            } else {
                &["kselftest", "tools", "areas-gone"]
            },
            arguments: &[qemu::DISK, "systemd.show_status=error"],
            limit: LIMIT,
        };
        let outcome = qemu::boot_with_disk(runner, progress, &boot, disk)?;
        let mut cases = tap::parse(outcome.report.iter().map(String::as_str));
        if pristine {
            let faults = read_text(&runner.paths.checkout.join(UPSTREAM_FAULTS))?;
            expect_faults(&mut cases, &faults, arch);
        }
        if let Err(error) = outcome.good() {
            cases.push(Case::failed("guest", error.to_string()));
        }
        Ok(say(progress, &stage, &cases))
    })
}
