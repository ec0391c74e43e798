// SPDX-License-Identifier: GPL-2.0
//! The C and the Rust kernel side by side.

use anyhow::{Result, bail};

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::jobs::measure::{self, COST, Needs, ROUNDS, Task, Trial};
use crate::report::publish::Publication;
use crate::report::summary::title;
use crate::stage::Runner;

const TOOLS: Task = Task {
    name: "bpftrace and perf",
    jobs: &["attach", "perf-bench"],
    needs: Needs::Tools,
    rounds: 1,
    processors: &[None],
};
const THROUGHPUT: Task = Task {
    name: "throughput",
    jobs: &["throughput"],
    needs: Needs::Nothing,
    rounds: ROUNDS,
    processors: &[None],
};

/// Boots the C and the Rust kernels of all `guests` alternately, prints the comparison, and writes
/// it as Markdown, JSON and SVG to `runner.paths.report()`.
///
/// Instructions per hit are counted on the kernels `also_counted`, too. An error reports a tool
/// that did not count all calls.
pub fn run_comparison(
    runner: &Runner,
    guests: &[(Arch, Guest)],
    also_counted: &[Flavour],
) -> Result<()> {
    let counted = [&Flavour::COMPARED[..], also_counted].concat();
    let trials = [
        Trial::all(&TOOLS, &Flavour::COMPARED),
        Trial::all(&COST, &counted),
        Trial::all(&THROUGHPUT, &Flavour::COMPARED),
    ]
    .concat();
    measure::plan(runner, guests, &trials);
    let measured = measure::run(runner, guests, &trials, None)?;
    Publication {
        folder: &runner.paths.report(),
        stem: "report",
        heading: "XOL slots in C and in Rust",
    }
    .publish(runner, &measured, &[])?;

    let complaints = measured.samples.iter().filter_map(|sample| {
        let complaint = sample.metric.complaint()?;
        let kernel = title(sample.flavour);
        Some(format!("{kernel} kernel, {}: {complaint}", sample.arch))
    });
    match &complaints.collect::<Vec<_>>()[..] {
        [] => Ok(()),
        [only] => bail!(only.clone()),
        [first, rest @ ..] => bail!("{first}; and {} more, see the tables", rest.len()),
    }
}
