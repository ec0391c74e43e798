// SPDX-License-Identifier: GPL-2.0
//! What memory processors share while they hit probes: boots with QEMU's plugin.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::qemu::{self, Boot, Engine};
use crate::report::record::{Accesses, Contention, Record, Sample, User};
use crate::stage::{Runner, read_text};

const LIMIT: Duration = Duration::from_secs(10 * 60);

const PROCESSORS: [usize; 4] = [2, 4, 8, 16];

/// Of all processors together.
const HITS: usize = 20_000;

/// What the plugin's accesses by uprobes are called.
const UPROBES: &str = "uprobes";

/// What the plugin writes, as far as it is of uprobes.
#[derive(Deserialize)]
struct Report {
    /// Accesses per hit from which on a line counts.
    threshold: f64,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    probes: u32,
    consumed_per_hit: f64,
    slot_bytes_per_hit: f64,
    by_uprobes: Total,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Total {
    lines: usize,
    #[serde(flatten)]
    accesses: Accesses,
}

#[derive(Deserialize)]
struct Line {
    symbol: Option<String>,
    by_uprobes: Accesses,
    by: Vec<By>,
}

#[derive(Deserialize)]
struct By {
    function: String,
    cause: String,
    called_by: Option<String>,
    #[serde(flatten)]
    accesses: Accesses,
}

/// A boot with the plugin.
#[derive(Clone, Copy)]
pub struct Trial {
    flavour: Flavour,
    processors: usize,
}

impl Trial {
    /// With any number of processors.
    pub fn all(flavours: &[Flavour]) -> Vec<Self> {
        let trials = PROCESSORS.into_iter().flat_map(|processors| {
            flavours.iter().map(move |&flavour| Self {
                flavour,
                processors,
            })
        });
        trials.collect()
    }

    pub fn stage_name(&self, arch: Arch) -> String {
        format!(
            "contention {arch} {} {}",
            self.flavour.name(),
            self.processors
        )
    }

    /// Boots, and returns what uprobes share. All that the plugin saw is left in
    /// `folder`.
    pub fn run(
        &self,
        runner: &Runner,
        arch: Arch,
        guest: &Guest,
        (plugin, folder): (&Path, &Path),
    ) -> Result<Vec<Sample>> {
        let stage = self.stage_name(arch);
        runner.always(&stage, |progress| {
            let output = folder.join(stage.replace(' ', "-") + ".json");
            let _ = fs::remove_file(&output);
            let hits = format!("xol.hits={}", HITS / self.processors);
            // The plugin knows functions by the addresses that they were linked at.
            let arguments = ["kunit.enable=0", "nokaslr", &hits];
            let arguments = [&arguments, self.flavour.arguments()].concat();
            let boot = Boot {
                arch,
                kernel: &runner.paths.image(arch, self.flavour),
                initramfs: &guest.base,
                engine: Engine::Tcg,
                processors: self.processors,
                jobs: &["contention"],
                arguments: &arguments,
                limit: LIMIT,
            };
            let plugin = format!(
                "{},build={},output={}",
                plugin.display(),
                runner.paths.kernel(arch, self.flavour).display(),
                output.display()
            );
            qemu::boot_with_plugin(runner, progress, &boot, &plugin)?.good()?;
            let text = read_text(&output)
                .context("the plugin left nothing; did QEMU load it, and is it of this QEMU?")?;
            let runs = parse(&text, self.processors)?;
            let samples = runs.into_iter().map(|contention| Sample {
                arch,
                flavour: self.flavour,
                round: 1,
                record: Record::Contention(contention),
            });
            Ok(samples.collect())
        })
    }
}

/// Reads what the plugin wrote, and makes sure that it saw hits.
fn parse(text: &str, processors: usize) -> Result<Vec<Contention>> {
    let report: Report = serde_json::from_str(text).context("the plugin's output is garbled")?;
    if report.runs.is_empty() {
        bail!("the plugin saw no measurement");
    }
    let mut found = Vec::new();
    for run in report.runs {
        if run.consumed_per_hit != 1.0 {
            bail!("{} of each hit's programs ran, not 1", run.consumed_per_hit);
        }
        found.push(Contention {
            processors,
            probes: run.probes,
            lines: run.by_uprobes.lines,
            accesses: run.by_uprobes.accesses,
            slot_bytes: run.slot_bytes_per_hit,
            users: users(&run.lines, report.threshold),
        });
    }
    Ok(found)
}

/// Who makes the accesses of uprobes, on the lines that count. With many probes
/// there are many lines with the same users.
fn users(lines: &[Line], threshold: f64) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    let counted = lines
        .iter()
        .filter(|line| line.by_uprobes.both() >= threshold);
    for line in counted {
        for by in line.by.iter().filter(|by| by.cause == UPROBES) {
            let same = |user: &&mut User| {
                (&user.function, &user.called_by, &user.data)
                    == (&by.function, &by.called_by, &line.symbol)
            };
            if let Some(user) = users.iter_mut().find(same) {
                user.lines += 1;
                user.accesses += by.accesses;
            } else {
                users.push(User {
                    function: by.function.clone(),
                    called_by: by.called_by.clone(),
                    data: line.symbol.clone(),
                    lines: 1,
                    accesses: by.accesses,
                });
            }
        }
    }
    users.retain(|user| user.accesses.both() >= threshold);
    users.sort_by(|a, b| b.accesses.both().total_cmp(&a.accesses.both()));
    users
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn by(function: &str, cause: &str, loads: f64) -> String {
        format!(
            r#"{{"function":"{function}","cause":"{cause}","called_by":"handle_swbp",
            "loads":{loads},"stores":0.5,"atomics":0.25}}"#
        )
    }

    fn line(symbol: &str, loads: f64, by: &[String]) -> String {
        format!(
            r#"{{"physical_address":"0x0","symbol":{symbol},"users":2,"writers":1,
            "loads":9.0,"stores":9.0,"atomics":9.0,
            "by_uprobes":{{"loads":{loads},"stores":0.0,"atomics":0.0}},"by":[{}]}}"#,
            by.join(",")
        )
    }

    fn example(consumed: f64) -> String {
        let spin = || by("_raw_spin_lock", UPROBES, 1.5);
        let lines = [
            line("null", 0.5, &[spin(), by("tick", "interrupt", 8.0)]),
            line("null", 0.5, &[spin()]),
            line(r#""lock""#, 4.0, &[by("put_uprobe", UPROBES, 4.0)]),
            line("null", 0.001, &[by("rarely", UPROBES, 0.001)]),
        ];
        format!(
            r#"{{"threshold":0.01,"runs":[{{"probes":100,"hits":8,"consumed_per_hit":{consumed},
            "slot_bytes_per_hit":16.0,"by_uprobes":
            {{"lines":5,"written_lines":4,"loads":6.0,"stores":20.0,"atomics":4.0}},
            "lines":[{}]}}]}}"#,
            lines.join(",")
        )
    }

    #[test]
    fn what_the_plugin_writes_is_read() {
        let found = parse(&example(1.0), 4).unwrap();
        let [of] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((of.processors, of.probes, of.lines), (4, 100, 5));
        assert_eq!(of.accesses.both(), 26.0);
        assert_eq!(of.slot_bytes, 16.0);
        let users: Vec<_> = of
            .users
            .iter()
            .map(|user| (user.function.as_str(), user.lines, user.accesses.both()))
            .collect();
        assert_eq!(users, [("put_uprobe", 1, 4.5), ("_raw_spin_lock", 2, 4.0)]);
        assert_eq!(of.users[0].data.as_deref(), Some("lock"));
    }

    #[test]
    fn figures_without_hits_are_refused() {
        assert!(parse(&example(0.0), 4).is_err());
        assert!(parse(r#"{"threshold":0.01,"runs":[]}"#, 4).is_err());
    }

    #[test]
    fn every_boot_has_a_log_of_its_own() {
        let names: Vec<_> = Trial::all(&Flavour::MEASURED)
            .iter()
            .map(|trial| trial.stage_name(Arch::Arm64))
            .collect();
        assert_eq!(names.len(), 12);
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name}");
        }
    }
}
