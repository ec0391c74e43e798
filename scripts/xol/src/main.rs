// SPDX-License-Identifier: GPL-2.0
//! Builds, boots and compares kernels whose uprobe XOL slots are managed by C
//! and by Rust. Runs inside the sandbox; `scripts/sandbox xol ...` starts it.

mod apply;
mod arch;
mod clean;
mod command;
mod deb;
mod debian;
mod distro;
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
        /// The figures of an earlier run to compare with, instead of the previous run's
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
        /// Only these kernels
        #[arg(long, value_parser = Flavour::checked)]
        kernel: Vec<Flavour>,
    },
    /// Execute random instructions with and without a probe, in C and in Rust
    Fuzz {
        #[command(flatten)]
        archs: Archs,
        /// Minutes for each kernel
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
        minutes: u32,
    },
    /// Put known defects into the kernel, one by one, and check that tests catch them
    TestMutations {
        #[command(flatten)]
        archs: Archs,
        /// Only the defects with this number or name
        #[arg(long)]
        mutation: Vec<String>,
    },
    /// Run upstream's own tests of uprobes on both kernels, and compare the results
    TestUpstream(Archs),
    /// Run the tests that need no kernel
    TestHost,
    /// Build the selftests for this machine, and print where they are
    Selftests,
    /// Run the selftests in Debian's userland, on kernels with Debian's configuration
    TestDistro(Archs),
    /// Boot a kernel with a shell on this terminal
    Shell(OfFlavour),
    /// Build one kernel only
    Kernel(OfFlavour),
    /// Count how probes on a program are executed, by upstream's kernel and by this one
    Coverage {
        #[command(flatten)]
        archs: Archs,
        /// A program or a directory of programs, instead of the guests'
        #[arg(long)]
        file: Option<PathBuf>,
    },
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
        /// Build each commit of it instead
        #[arg(long)]
        check: bool,
    },
    /// Remove what was built
    Clean,
    /// Make Debian packages of the patched kernel
    Deb {
        #[command(flatten)]
        archs: Archs,
        /// A complete kernel configuration, instead of Debian's
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Archs {
    /// Architectures, instead of this machine's (for tests: x86_64 and arm64)
    #[arg(long, value_enum)]
    arch: Vec<Arch>,
}

#[derive(clap::Args)]
struct OfFlavour {
    #[command(flatten)]
    archs: Archs,
    /// The kernel
    #[arg(long, default_value = Flavour::Rust.name(), value_parser = Flavour::built_as)]
    flavour: Flavour,
}

impl Archs {
    /// The ones asked for, or those that are tested by default.
    fn or_tested(&self) -> Vec<Arch> {
        match &self.arch[..] {
            [] => Arch::TESTED.to_vec(),
            some => some.to_vec(),
        }
    }

    /// The ones asked for, or this machine's.
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
    let runner = &Runner::new(Paths::sandboxed())?;
    let lock = lock(&runner.paths)?;
    let tested = match task {
        Task::Run(archs) => {
            let (_, guests) = build(runner, &archs.or_host()?, &Flavour::COMPARED)?;
            jobs::run_comparison(runner, &guests, &[Flavour::Stepped])?;
            None
        }
        Task::Bench { archs, base } => {
            let archs = archs.or_host()?;
            let earlier = jobs::earlier_bench(runner, base.as_deref())?;
            runner.plan([plugin::STAGE]);
            let plugin = plugin::build(runner)?;
            let flavours = [Flavour::C, Flavour::Rust, Flavour::RustCalls];
            let (_, guests) = build(runner, &archs, &flavours)?;
            jobs::run_bench(runner, &guests, &plugin, earlier, &[Flavour::RustCalls])?;
            None
        }
        Task::Test(archs) => {
            let archs = archs.or_tested();
            let mut total = host::test(runner)?;
            let (source, guests) = build(runner, &archs, &Flavour::COMPARED)?;
            total += jobs::try_to_apply(runner, &source)?;
            total += jobs::run_tests(runner, &guests)?;
            Some(total)
        }
        Task::TestOff(archs) => {
            let (_, guests) = build(runner, &archs.or_tested(), &[Flavour::C, Flavour::Off])?;
            Some(jobs::run_off_tests(runner, &guests)?)
        }
        Task::TestDebug { archs, kernel } => {
            let mut total = jobs::Tally::default();
            for arch in archs.or_tested() {
                let mut flavours = Flavour::CHECKED.to_vec();
                flavours.retain(|it| it.is_on(arch) && (kernel.is_empty() || kernel.contains(it)));
                if flavours.is_empty() {
                    continue;
                }
                let mut kernels: Vec<_> = flavours.iter().map(|it| it.built()).collect();
                kernels.dedup();
                let (_, guests) = build(runner, &[arch], &kernels)?;
                total += jobs::run_debug_tests(runner, &guests, &flavours)?;
            }
            if total == jobs::Tally::default() {
                bail!("there is no such debug kernel for this architecture; see `make help`");
            }
            Some(total)
        }
        Task::Fuzz { archs, minutes } => {
            let (_, guests) = build(runner, &archs.or_tested(), &jobs::FUZZED)?;
            Some(jobs::run_fuzz(runner, &guests, *minutes)?)
        }
        Task::TestMutations { archs, mutation } => {
            let (_, guests) = build(runner, &archs.or_host()?, &[Flavour::Rust])?;
            Some(jobs::test_mutations(runner, &guests, mutation)?)
        }
        Task::TestUpstream(archs) => {
            let (source, guests) = build(runner, &archs.or_tested(), &Flavour::UPSTREAM)?;
            let mut total = jobs::Tally::default();
            for (arch, guest) in &guests {
                let image = guest::upstream::build(runner, *arch, &source, guest)?;
                total += jobs::run_upstream_tests(runner, *arch, guest, &image)?;
            }
            Some(total)
        }
        Task::TestHost => Some(host::test(runner)?),
        Task::Selftests => {
            let arch = Arch::host().context("there are no selftests for this machine")?;
            runner.plan(source::STAGES);
            let source = source::prepare(runner)?;
            let folder = guest::selftests(runner, arch, &source)?;
            println!("{}", runner.paths.outside(&folder).display());
            None
        }
        Task::TestDistro(archs) => {
            let mut total = jobs::Tally::default();
            for arch in archs.or_host()? {
                let flavours = [Flavour::DistroC, Flavour::Distro];
                let (guest, disks) = build_disks(runner, arch, &flavours)?;
                total += jobs::run_distro_tests(runner, arch, &guest, &disks)?;
            }
            Some(total)
        }
        Task::Shell(OfFlavour { archs, flavour }) => {
            let mut ready = Vec::new();
            for arch in archs.or_host()? {
                exist(arch, &[*flavour])?;
                if flavour.row().debian {
                    let (guest, mut disks) = build_disks(runner, arch, &[*flavour])?;
                    ready.push((arch, guest, disks.pop().map(|(_, disk)| disk)));
                } else {
                    let (_, guests) = build(runner, &[arch], &[*flavour])?;
                    ready.extend(guests.into_iter().map(|(arch, guest)| (arch, guest, None)));
                }
            }
            // Nothing is built from here on: other calls may go on meanwhile.
            drop(lock);
            for (arch, guest, disk) in &ready {
                jobs::shell(runner, *arch, *flavour, guest, disk.as_deref())?;
            }
            None
        }
        Task::Kernel(OfFlavour { archs, flavour }) => {
            let archs = archs.or_host()?;
            runner.plan(source::STAGES);
            for &arch in &archs {
                exist(arch, &[*flavour])?;
                if flavour.row().debian {
                    runner.plan([distro::stage_name(arch)]);
                }
                runner.plan([kernel::stage_name(arch, *flavour)]);
            }
            let source = source::prepare(runner)?;
            for &arch in &archs {
                kernel::build(runner, &source, arch, *flavour)?;
                let image = runner.paths.image(arch, *flavour);
                println!("{}", runner.paths.outside(&image).display());
            }
            None
        }
        Task::Coverage { archs, file } => {
            let archs = match file {
                Some(_) => archs.arch.clone(),
                None => archs.or_host()?,
            };
            jobs::run_coverage(runner, &archs, file.as_deref()).map(no_tests)?
        }
        Task::Apply => apply::run(runner).map(no_tests)?,
        Task::Refresh { patch } => refresh::run(runner, patch.as_deref()).map(no_tests)?,
        Task::Series { archs, check } => {
            let archs = archs.or_tested();
            match check {
                true => series::check::run(runner, &archs)?,
                false => series::run(runner)?,
            }
            None
        }
        Task::Clean => clean::run(runner).map(no_tests)?,
        Task::Deb { archs, config } => {
            deb::run(runner, &archs.or_host()?, config.as_deref()).map(no_tests)?
        }
    };
    Ok(tested.map_or(ExitCode::SUCCESS, |total| close(runner, total)))
}

/// The tally of a command that tests nothing.
fn no_tests(_: ()) -> Option<jobs::Tally> {
    None
}

/// Builds source, the kernels that an architecture has, and guests.
fn build(
    runner: &Runner,
    archs: &[Arch],
    flavours: &[Flavour],
) -> Result<(Source, Vec<(Arch, guest::Guest)>)> {
    let flavours_on = |arch| flavours.iter().filter(move |flavour| flavour.is_on(arch));
    runner.plan(source::STAGES);
    for &arch in archs {
        runner.plan(flavours_on(arch).map(|&f| kernel::stage_name(arch, f)));
        runner.plan(guest::stage_names(arch));
    }
    let source = source::prepare(runner)?;
    let kernels = archs.iter().map(|&arch| Part::Kernels(arch));
    let parts: Vec<_> = kernels
        .chain(archs.iter().map(|&arch| Part::Guest(arch)))
        .collect();
    let built = runner.beside(AT_ONCE, &parts, |part| match *part {
        // One after the other: a kernel may begin with what another one was built from.
        Part::Kernels(arch) => {
            for &flavour in flavours_on(arch) {
                kernel::build(runner, &source, arch, flavour)?;
            }
            Ok(None)
        }
        Part::Guest(arch) => Ok(Some((arch, guest::build(runner, arch, &source)?))),
    })?;
    Ok((source, built.into_iter().flatten().collect()))
}

/// How many parts are built at the same time. A linker uses one processor: the other part
/// then has the rest.
const AT_ONCE: usize = 2;

/// A part of [`build`], whose kernels are built one after the other.
enum Part {
    Kernels(Arch),
    Guest(Arch),
}

/// Builds source, kernels with Debian's configuration, their packages, and disks in which
/// these are installed.
fn build_disks(
    runner: &Runner,
    arch: Arch,
    flavours: &[Flavour],
) -> Result<(guest::Guest, Vec<(Flavour, PathBuf)>)> {
    exist(arch, flavours)?;
    runner.plan(source::STAGES);
    runner.plan(guest::stage_names(arch));
    for &flavour in flavours {
        runner.plan(deb::stage_names(arch, flavour));
        runner.plan(guest::distro::stage_names(arch, flavour));
    }
    let source = source::prepare(runner)?;
    let guest = guest::build(runner, arch, &source)?;
    let mut disks = Vec::new();
    for &flavour in flavours {
        let packages = deb::packages(runner, &source, arch, flavour)?;
        let disk = guest::distro::build(runner, arch, flavour, &packages)?;
        disks.push((flavour, disk));
    }
    Ok((guest, disks))
}

/// Checks that the architecture has these kernels.
fn exist(arch: Arch, flavours: &[Flavour]) -> Result<()> {
    if let Some(flavour) = flavours.iter().find(|flavour| !flavour.is_on(arch)) {
        bail!("there is no {} kernel for {arch}", flavour.name());
    }
    Ok(())
}

/// Prints the closing line of tests.
fn close(runner: &Runner, total: jobs::Tally) -> ExitCode {
    println!("== all done in {}", seconds(runner.elapsed()));
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed > 0 || total.passed == 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Keeps a second call out of the cache, until the process ends.
fn lock(paths: &Paths) -> Result<File> {
    let file =
        File::create(paths.cache.join("lock")).context("cannot write the cache directory")?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => bail!(
            "another call is at work in {}; wait for it, or set XOL_CACHE to another directory",
            paths.outside(&paths.cache).display()
        ),
        Err(error) => Err(error).context("cannot lock the cache directory"),
    }
}
