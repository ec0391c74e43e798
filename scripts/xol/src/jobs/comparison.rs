// SPDX-License-Identifier: GPL-2.0
//! The C and the Rust kernel side by side.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::arch::Arch;
use crate::guest::Guest;
use crate::kernel::Flavour;
use crate::qemu::{self, Boot, Engine};
use crate::report::plot;
use crate::report::record::{Record, Sample};
use crate::report::summary::{Summary, title};
use crate::stage::{Runner, write_file};

/// Boots of each kernel for the throughput; the median of them counts.
const ROUNDS: u32 = 3;

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The two that are compared in everything.
const COMPARED: [Flavour; 2] = [Flavour::C, Flavour::Rust];

/// What a guest is booted for.
struct Task {
    name: &'static str,
    jobs: &'static [&'static str],
    /// Needs the image with bpftrace and perf.
    tools: bool,
    exact: bool,
}

const TOOLS: Task = Task {
    name: "bpftrace and perf",
    jobs: &["attach", "perf-bench"],
    tools: true,
    exact: false,
};
const THROUGHPUT: Task = Task {
    name: "throughput",
    jobs: &["throughput"],
    tools: false,
    exact: false,
};
const COST: Task = Task {
    name: "instructions per hit",
    jobs: &["cost"],
    tools: false,
    exact: true,
};

/// What is left for programs to read.
#[derive(Serialize)]
struct Raw<'a> {
    machines: Vec<Machine>,
    samples: &'a [Sample],
}

#[derive(Serialize)]
struct Machine {
    arch: Arch,
    engine: &'static str,
    processors: usize,
}

/// Boots the C and the Rust kernels of all `guests`, interleaved, prints the
/// comparison and leaves it as Markdown, JSON and SVG in `runner.paths.report()`.
///
/// `also_counted` are more kernels whose instructions per hit are counted.
pub fn run_comparison(
    runner: &Runner,
    guests: &[(Arch, Guest)],
    also_counted: &[Flavour],
) -> Result<()> {
    let mut machines = Vec::new();
    let mut samples = Vec::new();
    let counted: Vec<_> = COMPARED.iter().chain(also_counted).copied().collect();
    runner.plan(guests.iter().flat_map(|(arch, _)| {
        boots(&counted).map(|(task, flavour, round)| stage_name(task, *arch, flavour, round))
    }));
    for (arch, guest) in guests {
        let engine = qemu::fastest_engine(runner, *arch, Flavour::C, &guest.base)?;
        machines.push(Machine {
            arch: *arch,
            engine: engine.name(),
            processors: runner.jobs.max(2),
        });
        for (task, flavour, round) in boots(&counted) {
            let records = run_task(runner, *arch, guest, engine, (task, flavour, round))?;
            samples.extend(records.into_iter().map(|record| Sample {
                arch: *arch,
                flavour,
                round,
                record,
            }));
        }
    }
    publish(
        runner,
        &Raw {
            machines,
            samples: &samples,
        },
    )?;

    let complaints: Vec<_> = samples
        .iter()
        .filter_map(|sample| {
            let complaint = sample.record.complaint()?;
            Some(format!(
                "{} kernel, {}: {complaint}",
                title(sample.flavour),
                sample.arch
            ))
        })
        .collect();
    match complaints.as_slice() {
        [] => Ok(()),
        [only] => bail!(only.clone()),
        [first, rest @ ..] => bail!("{first}; and {} more, see the tables", rest.len()),
    }
}

/// All boots of one architecture, the flavours in turn.
fn boots(counted: &[Flavour]) -> impl Iterator<Item = (&'static Task, Flavour, u32)> {
    let of = |task, flavours: &[Flavour], round| {
        let boots = flavours.iter().map(move |&flavour| (task, flavour, round));
        boots.collect::<Vec<_>>()
    };
    let rounds = (1..=ROUNDS).flat_map(move |round| of(&THROUGHPUT, &COMPARED, round));
    of(&TOOLS, &COMPARED, 1)
        .into_iter()
        .chain(of(&COST, counted, 1))
        .chain(rounds)
}

fn stage_name(task: &Task, arch: Arch, flavour: Flavour, round: u32) -> String {
    let round = match round {
        1 => String::new(),
        n => format!(" {n}"),
    };
    format!("{} {arch} {}{round}", task.name, flavour.name())
}

fn run_task(
    runner: &Runner,
    arch: Arch,
    guest: &Guest,
    engine: Engine,
    (task, flavour, round): (&Task, Flavour, u32),
) -> Result<Vec<Record>> {
    runner.always(&stage_name(task, arch, flavour, round), |progress| {
        let boot = Boot {
            arch,
            kernel: &runner.paths.image(arch, flavour),
            initramfs: if task.tools { &guest.full } else { &guest.base },
            engine: if task.exact {
                Engine::InstructionClock
            } else {
                engine
            },
            processors: if task.exact { 1 } else { runner.jobs.max(2) },
            jobs: task.jobs,
            arguments: &["kunit.enable=0"],
            limit: LIMIT,
        };
        let outcome = qemu::boot(runner, progress, &boot)?;
        let mut records = Vec::new();
        for line in outcome.good()? {
            records.extend(Record::parse(&line)?);
        }
        if records.is_empty() {
            bail!("the guest reported no measurement");
        }
        Ok(records)
    })
}

/// Prints the tables and writes everything into the report folder.
fn publish(runner: &Runner, raw: &Raw) -> Result<()> {
    let folder = runner.paths.report();
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", runner.paths.outside(&folder).display()))?;
    let summary = Summary(raw.samples);
    let mut text = String::new();
    for machine in &raw.machines {
        writeln!(
            text,
            "{}: {}, {} processors.",
            machine.arch, machine.engine, machine.processors
        )?;
    }
    for section in summary.sections() {
        write!(text, "\n{section}")?;
    }
    println!("\n{text}");

    let plots = plot::write(&summary, &folder)?;
    let mut markdown = format!("# XOL slots in C and in Rust\n\n{text}");
    for plot in &plots {
        let name = plot.file_name().unwrap_or_default().to_string_lossy();
        writeln!(markdown, "\n![{}]({name})", name.trim_end_matches(".svg"))?;
    }
    write_file(&folder.join("report.md"), markdown.as_bytes())?;
    write_file(
        &folder.join("report.json"),
        &serde_json::to_vec_pretty(raw)?,
    )?;
    println!(
        "Written: report.md, report.json and {} plots in {}",
        plots.len(),
        runner.paths.outside(&folder).display()
    );
    Ok(())
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn kernels_are_booted_in_turn() {
        let flavours = [Flavour::C, Flavour::Rust, Flavour::RustCalls];
        let throughput: Vec<_> = boots(&flavours)
            .filter(|(task, ..)| task.name == THROUGHPUT.name)
            .map(|(_, flavour, _)| flavour)
            .collect();
        assert_eq!(throughput, COMPARED.repeat(ROUNDS as usize));
        let cost = boots(&flavours).filter(|(task, ..)| task.exact);
        assert_eq!(cost.count(), 3);
        let names: Vec<_> = boots(&flavours)
            .map(|(task, flavour, round)| stage_name(task, Arch::X86_64, flavour, round))
            .collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name} would share its log");
        }
    }
}
