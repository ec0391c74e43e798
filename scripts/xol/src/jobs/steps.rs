// SPDX-License-Identifier: GPL-2.0
//! The slot layer's benchmark, on the machine that we run on.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::host::EXPLORER;
use crate::report::record::{Record, Sample};
use crate::stage::{Runner, files_below, read_text};

pub const STAGE: &str = "slot layer";

/// With many processors there are many numbers of threads.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Short runs, the least of which counts: a host that is slow for a while is so for few
/// and for many threads then.
const ROUNDS: u32 = 7;
const SECONDS: &str = "1";

/// Runs the benchmark. What criterion writes is left in `folder`, by rounds.
pub fn run(runner: &Runner, host: Arch, folder: &Path) -> Result<Vec<Sample>> {
    runner.always(STAGE, |progress| {
        // Estimates of an earlier run must not be taken for this one's.
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
            samples.extend(read(&folder, host, runner.jobs, round)?);
        }
        for flavour in Flavour::COMPARED {
            if !samples.iter().any(|sample| sample.flavour == flavour) {
                bail!("the benchmark has no estimates of {}", flavour.name());
            }
        }
        Ok(samples)
    })
}

/// Criterion's `benchmark.json`.
#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

/// Criterion's `estimates.json`.
#[derive(Deserialize)]
struct Estimates {
    /// A host that does other work, too, spoils the mean.
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

fn read(folder: &Path, arch: Arch, processors: usize, round: u32) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for file in files_below(folder)? {
        // Beside it is `base`, for comparisons of criterion's own.
        if !file.ends_with("new/estimates.json") {
            continue;
        }
        let estimates: Estimates = parse(&file)?;
        let benchmark: Benchmark = parse(&file.with_file_name("benchmark.json"))?;
        let Some((probes, flavour, threads)) = name(&benchmark.full_id) else {
            bail!("a benchmark has an unknown name: {}", benchmark.full_id);
        };
        samples.push(Sample {
            arch,
            flavour,
            round,
            record: Record::Step {
                probes,
                threads,
                processors,
                ns: estimates.median.point_estimate,
            },
        });
    }
    samples.sort_by_key(|sample| match sample.record {
        Record::Step {
            probes, threads, ..
        } => (probes, threads, sample.flavour),
        _ => unreachable!("there are no other records here"),
    });
    Ok(samples)
}

fn parse<T: for<'a> Deserialize<'a>>(file: &Path) -> Result<T> {
    serde_json::from_str(&read_text(file)?)
        .with_context(|| format!("criterion's {} is garbled", file.display()))
}

/// `step/rust/4`, and `step-100/c/4` for a hundred probes in turn.
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
        let samples = read(home.path(), Arch::X86_64, 16, 1).unwrap();
        let read: Vec<_> = samples
            .iter()
            .map(|sample| match sample.record {
                Record::Step {
                    probes,
                    threads,
                    processors: 16,
                    ns,
                } => (sample.flavour, probes, threads, ns),
                _ => panic!("{sample:?}"),
            })
            .collect();
        assert_eq!(
            read,
            [
                (Flavour::C, 1, 2, 80.0),
                (Flavour::Rust, 1, 2, 4.25),
                (Flavour::Rust, 1, 16, 4.5),
                (Flavour::C, 100, 1, 40.0),
            ]
        );
    }

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
        assert!(read(home.path(), Arch::X86_64, 1, 1).is_err());
    }
}
