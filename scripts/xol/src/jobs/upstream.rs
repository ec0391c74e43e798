// SPDX-License-Identifier: GPL-2.0
//! Upstream's own tests of uprobes, on a kernel with slots in C and on one with slots in
//! Rust, with boosted slots and without.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::jobs::tests::{Tally, describe, processors};
use crate::qemu::{self, Boot, Engine};
use crate::report::tap;
use crate::report::upstream::{Comparison, Results};
use crate::stage::{Runner, write_file};

/// One job for each kind of tests.
const JOBS: [&str; 5] = [
    "upstream-ftrace",
    "upstream-seccomp",
    "upstream-mm",
    "upstream-shadow-stack",
    "upstream-bpf",
];

/// One test attaches to fifty thousand functions, under QEMU TCG.
const LIMIT: Duration = Duration::from_secs(90 * 60);

/// The kernels that must pass what slots in C pass, and their titles.
const COMPARED: [(Flavour, &str); 2] = [
    (Flavour::UpstreamRust, "Rust"),
    (Flavour::UpstreamStepped, "Rust, all stepped"),
];

/// Boots the kernels of one architecture with `image`, prints the cases that differ or
/// cannot be compared, and counts the cases. Slots in Rust must pass all that slots in C
/// pass.
pub fn run_upstream_tests(
    runner: &Runner,
    arch: Arch,
    guest: &Guest,
    image: &Path,
) -> Result<Tally> {
    let engine = qemu::engine_for_tests(runner, arch, Flavour::UpstreamC, &guest.base)?;
    let compared: Vec<_> = COMPARED.iter().filter(|(it, _)| it.is_on(arch)).collect();
    let rust = compared.iter().map(|(flavour, _)| *flavour);
    let flavours: Vec<_> = [Flavour::UpstreamC].into_iter().chain(rust).collect();
    runner.plan(flavours.iter().map(|&flavour| stage_name(arch, flavour)));
    let run = |&flavour: &Flavour| run(runner, arch, flavour, engine, image);
    let mut results = runner.beside(runner.jobs, &flavours, run)?;

    for (flavour, results) in flavours.iter().zip(&mut results) {
        let names = results.timed_failures();
        for (name, why) in &names {
            println!("   {}: {name} failed: {why}", stage_name(arch, *flavour));
        }
        if !names.is_empty() {
            // Once more, with no guest beside it.
            results.update(&names, &run(flavour)?);
        }
    }

    let mut tally = Tally::default();
    for ((flavour, kernel), rust) in compared.into_iter().zip(&results[1..]) {
        tally += compare(runner, arch, *flavour, kernel, [&results[0], rust])?;
    }
    Ok(tally)
}

fn compare(
    runner: &Runner,
    arch: Arch,
    flavour: Flavour,
    kernel: &'static str,
    [c, rust]: [&Results; 2],
) -> Result<Tally> {
    let comparison = Comparison::new(arch, kernel, c, rust);
    let listed = comparison.not_comparable();
    if listed.table.row_count() > 0 {
        println!("\n{listed}");
        let name = format!("{arch}-{}.md", flavour.name());
        let path = runner.paths.upstream().join(name);
        write_file(&path, listed.to_string().as_bytes())?;
    }
    let failures = comparison.failures();
    for failure in &failures {
        println!("   upstream {arch}: FAILED: {failure}");
    }
    let tally = Tally {
        passed: comparison.passed() as u32,
        failed: failures.len() as u32,
    };
    let Tally { passed, failed } = tally;
    println!("   upstream {arch}: {passed} cases pass in C and in {kernel}, {failed} differ");
    Ok(tally)
}

fn stage_name(arch: Arch, flavour: Flavour) -> String {
    format!("upstream's tests {arch} {}", flavour.name())
}

fn run(
    runner: &Runner,
    arch: Arch,
    flavour: Flavour,
    engine: Engine,
    image: &Path,
) -> Result<Results> {
    runner.always(&stage_name(arch, flavour), |progress| {
        // A kernel that is only told to step has the module of the kernel that boosts.
        let kernel = format!("xol.kernel={}", flavour.built().name());
        let arguments = [&["kunit.enable=0", &kernel], flavour.arguments()].concat();
        let boot = Boot {
            arch,
            kernel: &runner.paths.image(arch, flavour),
            initramfs: image,
            engine,
            processors: processors(runner, arch, engine),
            jobs: &JOBS,
            arguments: &arguments,
            limit: LIMIT,
        };
        let outcome = qemu::boot(runner, progress, &boot)?;
        let cases = tap::parse(outcome.report.iter().map(String::as_str));
        progress.say(&format!(
            "{}: {}",
            stage_name(arch, flavour),
            describe(&cases)
        ));
        let fault = outcome.good().err().map(|error| error.to_string());
        Ok(Results { cases, fault })
    })
}
