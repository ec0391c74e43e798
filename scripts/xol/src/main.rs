// SPDX-License-Identifier: GPL-2.0
//! Builds, boots and compares kernels whose uprobe XOL slots are managed by C
//! and by Rust. Runs inside the sandbox; `scripts/sandbox xol ...` starts it.

mod apply;
mod arch;
mod clean;
mod command;
mod deb;
mod debian;
mod flavour;
mod guest;
mod herd;
mod host;
mod jobs;
mod kernel;
mod paths;
mod plugin;
mod qemu;
mod refresh;
mod report;
mod repository;
mod series;
mod source;
mod stage;

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::arch::Arch;
use crate::command::seconds;
use crate::flavour::Flavour;
use crate::paths::Paths;
use crate::source::Source;
use crate::stage::Runner;

#[derive(Parser)]
#[command(name = "xol", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything, boot the C and the Rust kernel, print the comparison
    Run(Archs),
    /// Measure what a stepped hit costs, in C and in Rust
    Bench {
        #[command(flatten)]
        archs: Archs,
        /// The figures of an earlier run to compare with, instead of the previous one
        #[arg(long)]
        base: Option<PathBuf>,
    },
    /// Run all tests
    Test(Archs),
    /// Test the patched kernel with the feature switched off
    TestOff(Archs),
    /// Run all selftests on kernels that check themselves
    TestDebug {
        #[command(flatten)]
        archs: Archs,
        /// Only on these
        #[arg(long, value_parser = Flavour::checked)]
        kernel: Vec<Flavour>,
    },
    /// Put known defects back, one by one, and see that tests catch them
    TestMutations {
        #[command(flatten)]
        archs: Archs,
        /// Only those with this number or name
        #[arg(long)]
        mutation: Vec<String>,
    },
    /// Run upstream's own tests of uprobes on both kernels, and compare the results
    TestUpstream(Archs),
    /// Run the tests that need no kernel
    TestHost,
    /// Boot the patched kernel with a shell on this terminal
    Shell(Archs),
    /// Build the Rust kernel only
    Kernel(Archs),
    /// Put the feature on the kernel tree that KSRC names
    Apply,
    /// Take edits of the patched tree into the checkout
    Refresh {
        /// The patch that edits of existing files go into, by number or name
        #[arg(long)]
        patch: Option<String>,
    },
    /// Make one git format-patch series
    Series {
        #[command(flatten)]
        archs: Archs,
        /// Build and boot each commit of it instead
        #[arg(long)]
        check: bool,
    },
    /// Remove what was built
    Clean,
    /// Make Debian packages of the patched kernel
    Deb {
        #[command(flatten)]
        archs: Archs,
        /// A complete kernel configuration, instead of the small one
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Archs {
    /// Architectures to do it for, instead of this machine's (for tests: all)
    #[arg(long, value_enum)]
    arch: Vec<Arch>,
}

impl Archs {
    /// Those asked for, or all that have tests.
    fn or_tested(&self) -> Vec<Arch> {
        match &self.arch[..] {
            [] => Arch::TESTED.to_vec(),
            some => some.to_vec(),
        }
    }

    /// Those asked for, or this machine's.
    fn or_host(&self) -> Result<Vec<Arch>> {
        match (&self.arch[..], Arch::host()) {
            ([], Some(host)) => Ok(vec![host]),
            ([], None) => bail!("no kernel is built for this machine; name one with ARCH="),
            (some, _) => Ok(some.to_vec()),
        }
    }
}

fn main() -> ExitCode {
    match start(&Arguments::parse().task) {
        Ok(code) => code,
        Err(error) if error.is::<command::Interrupted>() => {
            eprintln!("xol: {error}");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("xol: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(task: &Task) -> Result<ExitCode> {
    command::catch_interrupts()?;
    let runner = Runner::new(Paths::sandboxed())?;
    let lock = lock(&runner.paths)?;
    match task {
        Task::Run(archs) => {
            let archs = archs.or_host()?;
            let guests = build(&runner, &archs, &Flavour::COMPARED)?;
            jobs::run_comparison(&runner, &guests, &[Flavour::Stepped])?;
        }
        Task::Bench { archs, base } => {
            let archs = archs.or_host()?;
            let earlier = jobs::earlier_bench(&runner, base.as_deref())?;
            runner.plan([plugin::STAGE]);
            let plugin = plugin::build(&runner)?;
            let flavours = [Flavour::C, Flavour::Rust, Flavour::RustCalls];
            let guests = build(&runner, &archs, &flavours)?;
            jobs::run_bench(&runner, &guests, &plugin, earlier, &[Flavour::RustCalls])?;
        }
        Task::Test(archs) => {
            let archs = archs.or_tested();
            // Before the host's tests take their time.
            have_guests(&archs)?;
            runner.plan(host::STAGES);
            let mut total = host::test(&runner)?;
            let (source, guests) = build_from_source(&runner, &archs, &Flavour::COMPARED)?;
            runner.plan([jobs::APPLY_STAGE]);
            total += jobs::try_to_apply(&runner, &source)?;
            total += jobs::run_tests(&runner, &guests)?;
            return Ok(close(&runner, total));
        }
        Task::TestOff(archs) => {
            let kernels = [Flavour::C, Flavour::Off];
            let guests = build(&runner, &archs.or_tested(), &kernels)?;
            let total = jobs::run_off_tests(&runner, &guests)?;
            return Ok(close(&runner, total));
        }
        Task::TestDebug { archs, kernel } => {
            let mut total = jobs::Tally::default();
            let mut any = false;
            for arch in archs.or_tested() {
                let mut flavours = Flavour::CHECKED.to_vec();
                flavours.retain(|it| it.is_on(arch) && (kernel.is_empty() || kernel.contains(it)));
                if flavours.is_empty() {
                    continue;
                }
                any = true;
                let mut kernels: Vec<_> = flavours.iter().map(|it| it.built()).collect();
                kernels.dedup();
                for (arch, guest) in build(&runner, &[arch], &kernels)? {
                    total += jobs::run_debug_tests(&runner, arch, &flavours, &guest)?;
                }
            }
            if !any {
                bail!("there is no such debug kernel for this architecture; see `make help`");
            }
            return Ok(close(&runner, total));
        }
        Task::TestMutations { archs, mutation } => {
            let guests = build(&runner, &archs.or_host()?, &[Flavour::Rust])?;
            let total = jobs::test_mutations(&runner, &guests, mutation)?;
            return Ok(close(&runner, total));
        }
        Task::TestUpstream(archs) => {
            let archs = archs.or_tested();
            let (source, guests) = build_from_source(&runner, &archs, &Flavour::UPSTREAM)?;
            let mut total = jobs::Tally::default();
            for (arch, guest) in &guests {
                runner.plan(guest::upstream::stage_names(*arch));
                let image = guest::upstream::build(&runner, *arch, &source, guest)?;
                total += jobs::run_upstream_tests(&runner, *arch, guest, &image)?;
            }
            return Ok(close(&runner, total));
        }
        Task::TestHost => {
            runner.plan(host::STAGES);
            let total = host::test(&runner)?;
            return Ok(close(&runner, total));
        }
        Task::Shell(archs) => {
            let archs = archs.or_host()?;
            let guests = build(&runner, &archs, &[Flavour::Rust])?;
            // Nothing is built from here on: others may go on meanwhile.
            drop(lock);
            for (arch, guest) in &guests {
                jobs::shell(&runner, *arch, guest)?;
            }
        }
        Task::Kernel(archs) => {
            let archs = archs.or_host()?;
            runner.plan(["source", "apply"]);
            runner.plan(archs.iter().map(|&a| kernel::stage_name(a, Flavour::Rust)));
            let source = source::prepare(&runner)?;
            for &arch in &archs {
                kernel::build(&runner, &source, arch, Flavour::Rust)?;
                let image = runner.paths.image(arch, Flavour::Rust);
                println!("{}", runner.paths.outside(&image).display());
            }
        }
        Task::Apply => apply::run(&runner)?,
        Task::Refresh { patch } => refresh::run(&runner, patch.as_deref())?,
        Task::Series { archs, check: true } => {
            let archs = archs.or_tested();
            have_guests(&archs)?;
            series::check::run(&runner, &archs)?;
        }
        Task::Series { .. } => series::run(&runner)?,
        Task::Clean => clean::run(&runner)?,
        Task::Deb { archs, config } => {
            let archs = archs.or_host()?;
            runner.plan(["source", "apply"]);
            runner.plan(archs.iter().map(|&arch| deb::stage_name(arch)));
            let source = source::prepare(&runner)?;
            for arch in archs {
                deb::build(&runner, &source, arch, config.as_deref())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds source, kernels and guests.
fn build(
    runner: &Runner,
    archs: &[Arch],
    flavours: &[Flavour],
) -> Result<Vec<(Arch, guest::Guest)>> {
    Ok(build_from_source(runner, archs, flavours)?.1)
}

/// The same, with the source for more to be built from.
fn build_from_source(
    runner: &Runner,
    archs: &[Arch],
    flavours: &[Flavour],
) -> Result<(Source, Vec<(Arch, guest::Guest)>)> {
    have_guests(archs)?;
    runner.plan(["source", "apply"]);
    for &arch in archs {
        runner.plan(flavours.iter().map(|&f| kernel::stage_name(arch, f)));
        runner.plan(guest::stage_names(arch));
    }
    let source = source::prepare(runner)?;
    let mut guests = Vec::new();
    for &arch in archs {
        for &flavour in flavours {
            kernel::build(runner, &source, arch, flavour)?;
        }
        guests.push((arch, guest::build(runner, arch, &source)?));
    }
    Ok((source, guests))
}

fn have_guests(archs: &[Arch]) -> Result<()> {
    if let Some(arch) = archs.iter().find(|arch| !Arch::TESTED.contains(arch)) {
        bail!("there is no guest for {arch}; `make kernel ARCH={arch}` builds its kernel");
    }
    Ok(())
}

/// The closing line of tests.
fn close(runner: &Runner, total: jobs::Tally) -> ExitCode {
    println!("== all done in {}", seconds(runner.elapsed()));
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed > 0 || total.passed == 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Two calls must not build in the same folders. The lock goes with the process.
fn lock(paths: &Paths) -> Result<File> {
    let file = File::create(paths.cache.join("lock")).context("cannot write the cache folder")?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => bail!(
            "another call is at work in {}; wait for it, or set XOL_CACHE to another folder",
            paths.outside(&paths.cache).display()
        ),
        Err(error) => Err(error).context("cannot lock the cache folder"),
    }
}
