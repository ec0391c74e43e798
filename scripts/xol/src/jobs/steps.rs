// SPDX-License-Identifier: GPL-2.0
//! The benchmark of the slot layer, on the host.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::host::EXPLORER;
use crate::report::metric::{Metric, Sample};
use crate::report::summary::{Summary, key};
use crate::stage::{Runner, files_below, read_text};

pub const STAGE: &str = "slot layer";

/// The time for one run: with many processors there are many numbers of threads.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// The number of short runs. The least time counts; a host that is slow for a while slows down few
/// threads and many alike.
const ROUNDS: u32 = 7;
/// Seconds for each benchmark of a run.
const SECONDS: &str = "1";

/// Runs the benchmark. The files of criterion stay in `folder`, by rounds.
pub fn run(runner: &Runner, host: Arch, folder: &Path) -> Result<Vec<Sample>> {
    runner.always(STAGE, |progress| {
        // Estimates of an earlier run must not be read as those of this run.
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let outside = runner.paths.outside(folder);
                return Err(error).with_context(|| format!("cannot empty {}", outside.display()));
            }
            _ => {}
        }
        let mut samples = Vec::new();
        for round in 1..=ROUNDS {
            let folder = folder.join(round.to_string());
            let mut cargo = Command::new("cargo");
            cargo
                .args(["bench", "--locked", "--bench", "slots", "--"])
                .args(["--measurement-time", SECONDS])
                .current_dir(runner.paths.checkout.join(EXPLORER))
                .env("CRITERION_HOME", &folder);
            let what = format!("cargo bench, {round} of {ROUNDS}");
            progress.run(&mut cargo, &what, LIMIT)?;
            samples.extend(read(&folder, host, round)?);
        }
        for flavour in Flavour::COMPARED {
            if !samples.iter().any(|sample| sample.flavour == flavour) {
                bail!("the benchmark has no estimates of {}", flavour.name());
            }
        }
        samples.extend(derived(&samples, runner.jobs));
        Ok(samples)
    })
}

/// Computes how steps per second scale, from the best times.
fn derived(samples: &[Sample], processors: usize) -> Vec<Sample> {
    let all = Summary::new(samples);
    let mut derived = Vec::new();
    let names = ["probes", "threads"];
    let threads_of = |set: &[&str]| set[1].parse::<usize>().unwrap_or(1);
    let sets = all.distinct(&names);
    let threads = sets.iter().map(|set| threads_of(set));
    let most = threads.filter(|&of| of > 1 && of <= processors).max();
    for set in &sets {
        let count = threads_of(set) as f64;
        for flavour in all.flavours() {
            let kernel = all.kernel(flavour);
            let best = |threads| kernel.with(&key(&names, &[set[0], threads])).value();
            let Some(ns) = best(set[1]) else { continue };
            let mut add = |name: &str, labels: &[(&str, &str)], value| {
                let same = key(&names, set);
                derived.push(Sample {
                    flavour,
                    metric: Metric::new(name, &[&same, labels].concat(), value),
                    ..samples[0].clone()
                });
            };
            add("slot_layer_steps_per_second", &[], count * 1e9 / ns);
            if let Some(one) = best("1") {
                let all_processors = usize::from(most == Some(threads_of(set)));
                let labels = [("all_processors", ["no", "yes"][all_processors])];
                add("slot_layer_of_linear", &labels, one / ns);
            }
        }
    }
    derived
}

/// Criterion's `benchmark.json`.
#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

/// Criterion's `estimates.json`.
#[derive(Deserialize)]
struct Estimates {
    /// Other work of the host distorts the mean.
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

fn read(folder: &Path, arch: Arch, round: u32) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for file in files_below(folder)? {
        // The files in the directory `base` are for criterion's own comparisons.
        if !file.ends_with("new/estimates.json") {
            continue;
        }
        let estimates: Estimates = parse(&file)?;
        let benchmark: Benchmark = parse(&file.with_file_name("benchmark.json"))?;
        let Some((probes, flavour, threads)) = name(&benchmark.full_id) else {
            bail!("a benchmark has an unknown name: {}", benchmark.full_id);
        };
        let (text, number) = (probes.to_string(), threads.to_string());
        let labels = [("probes", &*text), ("threads", &*number)];
        let ns = estimates.median.point_estimate;
        let metric = Metric::new("slot_layer_ns_per_step", &labels, ns);
        let sample = Sample {
            arch,
            flavour,
            round,
            metric,
        };
        samples.push(((probes, threads, flavour), sample));
    }
    samples.sort_by_key(|(order, _)| *order);
    Ok(samples.into_iter().map(|(_, sample)| sample).collect())
}

fn parse<T: for<'a> Deserialize<'a>>(file: &Path) -> Result<T> {
    serde_json::from_str(&read_text(file)?)
        .with_context(|| format!("criterion's {} is garbled", file.display()))
}

/// Reads a name: `step/rust/4`, or `step-100/c/4` for a hundred probes in turn.
fn name(id: &str) -> Option<(u32, Flavour, u32)> {
    let mut words = id.split('/');
    let probes = match words.next()?.strip_prefix("step")? {
        "" => 1,
        rest => rest.strip_prefix('-')?.parse().ok()?,
    };
    let flavour = match words.next()? {
        "c" => Flavour::C,
        "rust" => Flavour::Rust,
        _ => return None,
    };
    let threads = words.next()?.parse().ok()?;
    words.next().is_none().then_some((probes, flavour, threads))
}

#[cfg(test)]
mod unit_tests {
    use super::*;
    use crate::report::metric::tests::step;

    fn benchmark(home: &Path, id: &str, ns: f64) {
        for version in ["base", "new"] {
            let folder = home.join(id).join(version);
            fs::create_dir_all(&folder).unwrap();
            let estimates = format!(
                r#"{{"median":{{"confidence_interval":{{"confidence_level":0.95,"lower_bound":1.0,
                "upper_bound":9.0}},"point_estimate":{ns},"standard_error":0.1}},"slope":null}}"#
            );
            fs::write(folder.join("estimates.json"), estimates).unwrap();
            let benchmark = format!(r#"{{"group_id":"step","full_id":"{id}"}}"#);
            fs::write(folder.join("benchmark.json"), benchmark).unwrap();
        }
    }

    /// Checks that estimates are sorted by numbers, not by names.
    #[test]
    fn estimates_are_read_in_the_order_of_threads() {
        let home = tempfile::tempdir().unwrap();
        for (id, ns) in [
            ("step/rust/16", 4.5),
            ("step/rust/2", 4.25),
            ("step/c/2", 80.0),
            ("step-100/c/1", 40.0),
        ] {
            benchmark(home.path(), id, ns);
        }
        let samples = read(home.path(), Arch::X86_64, 1).unwrap();
        let expected = [
            step(Flavour::C, (1, 2), 80.0),
            step(Flavour::Rust, (1, 2), 4.25),
            step(Flavour::Rust, (1, 16), 4.5),
            step(Flavour::C, (100, 1), 40.0),
        ];
        assert_eq!(samples, expected);
    }

    /// Checks that the best times count, and which threads have a processor each.
    #[test]
    fn scaling_is_that_of_all_threads_together() {
        let samples = [
            step(Flavour::C, (100, 1), 40.0),
            step(Flavour::C, (100, 8), 400.0),
            step(Flavour::C, (100, 8), 800.0),
            step(Flavour::C, (100, 16), 4000.0),
        ];
        let derived = derived(&samples, 8);
        let of = |metric: &str| {
            let of = derived.iter().filter(|of| of.metric.metric == metric);
            let of = of.map(|of| (of.metric.label("all_processors"), of.metric.value));
            of.collect::<Vec<_>>()
        };
        let linear = [("no", 1.0), ("yes", 0.1), ("no", 0.01)];
        assert_eq!(of("slot_layer_of_linear"), linear);
        let rates = [("", 25e6), ("", 20e6), ("", 4e6)];
        assert_eq!(of("slot_layer_steps_per_second"), rates);
    }

    /// Checks that a benchmark with another name is an error.
    #[test]
    fn other_benchmarks_are_refused() {
        for id in [
            "step/go/1",
            "step/c",
            "step/c/x",
            "stepping/c/1",
            "step/c/1/2",
        ] {
            assert_eq!(name(id), None, "{id}");
        }
        let home = tempfile::tempdir().unwrap();
        benchmark(home.path(), "other/c/1", 1.0);
        assert!(read(home.path(), Arch::X86_64, 1).is_err());
    }
}
