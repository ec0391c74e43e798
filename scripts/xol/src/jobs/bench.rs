// SPDX-License-Identifier: GPL-2.0
//! `make bench`: the cost of a hit, by figures that are the same on every machine and by times.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::jobs::measure::{self, COST, Needs, Plugin, ROUNDS, Task, Trial};
use crate::jobs::{contention, steps};
use crate::report::metric::Measured;
use crate::report::publish::Publication;
use crate::report::summary::Summary;
use crate::report::{earlier, requirements};
use crate::stage::{Runner, read_text};

const THROUGHPUT: Task = Task {
    name: "throughput in turn",
    jobs: &["in-turn"],
    needs: Needs::Nothing,
    rounds: ROUNDS,
    processors: &[None],
};

/// The name of the files, without an ending.
const STEM: &str = "bench";
const FILE: &str = "bench.json";
/// The previous run's file.
const PREVIOUS: &str = "previous.json";
/// The directory for the files of criterion.
const CRITERION: &str = "criterion";

/// An earlier run to compare with.
pub struct Earlier {
    measured: Measured,
    which: &'static str,
}

/// Reads the file `base`, or else the previous run's file if there is one.
pub fn earlier_bench(runner: &Runner, base: Option<&Path>) -> Result<Option<Earlier>> {
    let previous = runner.paths.bench().join(FILE);
    let (file, which) = match base {
        Some(base) => (base, "the run that BASE names"),
        None if previous.exists() => (&*previous, "the run before this one"),
        None => return Ok(None),
    };
    match (serde_json::from_str(&read_text(file)?), base) {
        (Ok(measured), _) => Ok(Some(Earlier { measured, which })),
        (Err(error), Some(_)) => {
            Err(error).context("BASE is not a bench.json of this version; give one that is")
        }
        (Err(error), None) => {
            let file = runner.paths.outside(file);
            let file = file.display();
            println!("Nothing is compared: {file} is not of this version ({error})");
            Ok(None)
        }
    }
}

/// Measures the kernels of all `guests`, and the slot layer on this machine. Writes all figures,
/// and a comparison with `earlier`, to `runner.paths.bench()`.
///
/// `also_counted` are more kernels whose instructions per hit are counted.
pub fn run_bench(
    runner: &Runner,
    guests: &[(Arch, Guest)],
    plugin: &Path,
    earlier: Option<Earlier>,
    also_counted: &[Flavour],
) -> Result<()> {
    let folder = runner.paths.bench();
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", runner.paths.outside(&folder).display()))?;
    let flavours = &Flavour::MEASURED[..];
    let trials = [
        Trial::all(&COST, &[flavours, also_counted].concat()),
        Trial::all(&contention::TASK, flavours),
        Trial::all(&THROUGHPUT, flavours),
    ]
    .concat();
    let host = Arch::host();
    runner.plan(host.map(|_| steps::STAGE));
    measure::plan(runner, guests, &trials);

    let steps = host.map(|host| steps::run(runner, host, &folder.join(CRITERION)));
    let plugin = Plugin {
        library: plugin,
        folder: &folder,
    };
    let mut samples = steps.transpose()?.unwrap_or_default();
    let mut measured = measure::run(runner, guests, &trials, Some(&plugin))?;
    samples.append(&mut measured.samples);
    measured.samples = samples;

    let summary = Summary::new(&measured.samples);
    let mut closing = Vec::new();
    if let Some(Earlier { measured, which }) = &earlier {
        let section = earlier::section(&summary, &Summary::new(&measured.samples), which);
        if section.is_none() {
            println!("Nothing is compared: {which} has no figure in common with this run");
        }
        closing.extend(section);
    }
    closing.push(requirements::section(&summary));
    keep_previous(&folder)?;
    Publication {
        folder: &folder,
        stem: STEM,
        heading: "The cost of a hit",
    }
    .publish(runner, &measured, &closing)
}

/// Keeps the previous run's file for another comparison.
fn keep_previous(folder: &Path) -> Result<()> {
    let file = folder.join(FILE);
    if file.exists() {
        fs::rename(&file, folder.join(PREVIOUS))
            .with_context(|| format!("cannot rename {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod unit_tests {
    use super::*;
    use crate::report::metric::tests::step;
    use crate::stage::tests::runner;

    /// Checks that the previous run's file is read, and kept under another name.
    #[test]
    fn the_previous_run_is_the_default_and_is_kept() {
        let cache = tempfile::tempdir().unwrap();
        let runner = runner(cache.path());
        let folder = runner.paths.bench();
        assert!(earlier_bench(&runner, None).unwrap().is_none());
        fs::create_dir_all(&folder).unwrap();
        keep_previous(&folder).unwrap();

        let measured = Measured {
            machines: Vec::new(),
            samples: vec![step(Flavour::C, (1, 1), 40.0)],
        };
        let text = serde_json::to_string(&measured).unwrap();
        fs::write(folder.join(FILE), &text).unwrap();
        let earlier = earlier_bench(&runner, None).unwrap().unwrap();
        assert_eq!(earlier.measured, measured);

        keep_previous(&folder).unwrap();
        assert!(earlier_bench(&runner, None).unwrap().is_none());
        let base = folder.join(PREVIOUS);
        let earlier = earlier_bench(&runner, Some(&base)).unwrap().unwrap();
        assert_eq!(earlier.measured, measured);
    }

    /// Checks that a file of another version is an error only if the caller named it.
    #[test]
    fn what_cannot_be_read_is_an_error_only_if_it_was_asked_for() {
        let cache = tempfile::tempdir().unwrap();
        let runner = runner(cache.path());
        let file = runner.paths.bench().join(FILE);
        fs::create_dir_all(runner.paths.bench()).unwrap();
        fs::write(&file, "{}").unwrap();
        assert!(earlier_bench(&runner, None).unwrap().is_none());
        assert!(earlier_bench(&runner, Some(&file)).is_err());
        assert!(earlier_bench(&runner, Some(&cache.path().join("none"))).is_err());
    }
}
