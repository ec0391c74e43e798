// SPDX-License-Identifier: GPL-2.0
//! What memory processors share while they hit probes, in both kernels.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::arch::Arch;
use crate::guest::Guest;
use crate::kernel::Flavour;
use crate::qemu::{self, Boot, Engine};
use crate::report::summary::title;
use crate::stage::Runner;

const LIMIT: Duration = Duration::from_secs(10 * 60);

const FLAVOURS: [Flavour; 2] = [Flavour::C, Flavour::Rust];

const PROCESSORS: [usize; 4] = [2, 4, 8, 16];

/// Of all processors together.
const HITS: usize = 20_000;

/// What the plugin writes, as far as it is shown here.
#[derive(Deserialize)]
struct Report {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    probes: u64,
    consumed_per_hit: f64,
    slot_bytes_per_hit: f64,
    by_uprobes: Total,
}

#[derive(Deserialize)]
struct Total {
    lines: usize,
    loads: f64,
    stores: f64,
    atomics: f64,
}

/// Boots the kernels of all `guests` with `plugin` and prints what they share.
/// What is not shown is in the files that `runner.paths.report()` holds then.
pub fn run_contention(runner: &Runner, guests: &[(Arch, Guest)], plugin: &Path) -> Result<()> {
    let trials: Vec<_> = guests
        .iter()
        .flat_map(|(arch, guest)| PROCESSORS.map(|processors| (*arch, guest, processors)))
        .flat_map(|(arch, guest, processors)| {
            FLAVOURS.map(|flavour| (arch, guest, processors, flavour))
        })
        .collect();
    runner.plan(
        trials
            .iter()
            .map(|&(arch, _, processors, flavour)| stage_name(arch, flavour, processors)),
    );
    let mut lines = vec![
        "Memory that several processors use and one writes, per hit, by uprobes:".to_owned(),
        "arch    kernel  CPUs probes  lines   loads  stores atomics  slot bytes".to_owned(),
    ];
    for (arch, guest, processors, flavour) in trials {
        for run in measure(runner, arch, guest, (flavour, processors), plugin)? {
            lines.push(format!(
                "{:<7} {:<7} {processors:>4} {}",
                arch.name(),
                title(flavour),
                run.row()
            ));
        }
    }
    println!("\n{}", lines.join("\n"));
    let folder = runner.paths.report();
    println!(
        "Every line is in {}",
        runner.paths.outside(&folder).display()
    );
    Ok(())
}

fn stage_name(arch: Arch, flavour: Flavour, processors: usize) -> String {
    format!("contention {arch} {} {processors}", flavour.name())
}

fn measure(
    runner: &Runner,
    arch: Arch,
    guest: &Guest,
    (flavour, processors): (Flavour, usize),
    plugin: &Path,
) -> Result<Vec<Run>> {
    let stage = stage_name(arch, flavour, processors);
    runner.always(&stage, |progress| {
        let output = runner
            .paths
            .report()
            .join(stage.replace(' ', "-") + ".json");
        fs::create_dir_all(runner.paths.report()).context("cannot make the report's folder")?;
        let _ = fs::remove_file(&output);
        let hits = format!("xol.hits={}", HITS / processors);
        let boot = Boot {
            arch,
            kernel: &runner.paths.image(arch, flavour),
            initramfs: &guest.base,
            engine: Engine::Tcg,
            processors,
            jobs: &["contention"],
            // The plugin knows functions by the addresses that they were linked at.
            arguments: &["kunit.enable=0", "nokaslr", &hits],
            limit: LIMIT,
        };
        let plugin = format!(
            "{},build={},output={}",
            plugin.display(),
            runner.paths.kernel(arch, flavour).display(),
            output.display()
        );
        qemu::boot_with_plugin(runner, progress, &boot, &plugin)?.good()?;
        let text = fs::read_to_string(&output)
            .with_context(|| format!("the plugin did not write {}", output.display()))?;
        parse(&text)
    })
}

/// Reads what the plugin wrote, and makes sure that it saw hits.
fn parse(text: &str) -> Result<Vec<Run>> {
    let report: Report = serde_json::from_str(text).context("the plugin's output")?;
    if report.runs.is_empty() {
        bail!("the plugin saw no measurement");
    }
    for run in &report.runs {
        if run.consumed_per_hit != 1.0 {
            bail!("{} of each hit's programs ran, not 1", run.consumed_per_hit);
        }
    }
    Ok(report.runs)
}

impl Run {
    fn row(&self) -> String {
        let Total {
            lines,
            loads,
            stores,
            atomics,
        } = self.by_uprobes;
        format!(
            "{:>6} {lines:>6} {loads:>7.2} {stores:>7.2} {atomics:>7.2} {:>11.2}",
            self.probes, self.slot_bytes_per_hit
        )
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn example(consumed: f64) -> String {
        format!(
            r#"{{"threshold":0.01,"runs":[{{"probes":100,"hits":8,"consumed_per_hit":{consumed},
            "slot_bytes_per_hit":16.0,"by_uprobes":
            {{"lines":5,"written_lines":4,"loads":6.0,"stores":20.0,"atomics":4.0}}}}]}}"#
        )
    }

    #[test]
    fn what_the_plugin_writes_is_read() {
        let runs = parse(&example(1.0)).unwrap();
        let words: Vec<_> = runs[0]
            .row()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        assert_eq!(words, ["100", "5", "6.00", "20.00", "4.00", "16.00"]);
    }

    #[test]
    fn figures_without_hits_are_refused() {
        assert!(parse(&example(0.0)).is_err());
        assert!(parse(r#"{"threshold":0.01,"runs":[]}"#).is_err());
    }
}
