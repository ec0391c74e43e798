// SPDX-License-Identifier: GPL-2.0
//! Measurements: the JSON lines that jobs print in a guest, and what else is counted.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::flavour::Flavour;

/// One measurement or observation. A guest prints all kinds but the last two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// Hits of all threads together in `ns`. Unprobed ones are the loop's own
    /// speed.
    Throughput {
        instruction: String,
        /// Each thread hits so many in turn.
        #[serde(default = "one")]
        probes: u32,
        probed: bool,
        threads: u32,
        hits: u64,
        ns: u64,
    },
    /// On the instruction clock a nanosecond is an instruction.
    Cost {
        instruction: String,
        probed: bool,
        /// In a slot, that is: not emulated.
        #[serde(default)]
        steps: bool,
        hits: u64,
        ns_per_hit: f64,
    },
    /// A tool's own count of calls beside the number of calls made.
    Attached {
        tool: String,
        program: String,
        function: String,
        calls: u64,
        counted: u64,
    },
    /// `perf bench uprobe`; `hits` is the kernel's count of runs of its BPF
    /// program.
    PerfBench {
        benchmark: String,
        calls: u64,
        ns_per_call: u64,
        hits: u64,
    },
    Contention(Contention),
    /// The slot layer on the machine that we run on, which has so many
    /// processors: `ns` until each thread has made a step. It has so many probes,
    /// which each thread hits in turn.
    Step {
        probes: u32,
        threads: u32,
        processors: usize,
        ns: f64,
    },
}

fn one() -> u32 {
    1
}

/// What uprobes do, per hit, with lines of memory that several processors use and
/// one writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contention {
    pub processors: usize,
    pub probes: u32,
    pub lines: usize,
    #[serde(flatten)]
    pub accesses: Accesses,
    /// Written to slots, whoever uses their lines.
    pub slot_bytes: f64,
    /// Who does it.
    pub users: Vec<User>,
}

/// Accesses per hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accesses {
    pub loads: f64,
    pub stores: f64,
    /// Those of the stores that belong to an atomic operation.
    pub atomics: f64,
}

impl Accesses {
    pub fn both(self) -> f64 {
        self.loads + self.stores
    }
}

impl std::ops::AddAssign for Accesses {
    fn add_assign(&mut self, other: Self) {
        self.loads += other.loads;
        self.stores += other.stores;
        self.atomics += other.atomics;
    }
}

/// A function, and the lines on which it does the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub function: String,
    /// The function of uprobes that called it, if it is not one itself.
    pub called_by: Option<String>,
    /// The static data in the lines.
    pub data: Option<String>,
    pub lines: usize,
    #[serde(flatten)]
    pub accesses: Accesses,
}

impl Record {
    /// The record in a line of a guest's report; other lines are for people.
    pub fn parse(line: &str) -> Result<Option<Self>> {
        let line = line.trim();
        if !line.starts_with('{') {
            return Ok(None);
        }
        serde_json::from_str(line)
            .map(Some)
            .with_context(|| format!("the guest's report is garbled: {line}"))
    }

    /// Why this shows that a tool's probe did not work, if it does.
    pub fn complaint(&self) -> Option<String> {
        match self {
            Self::Attached {
                tool,
                program,
                function,
                calls,
                counted,
            } if counted != calls => Some(format!(
                "{tool} counted {counted} of {calls} calls of {function} in {program}"
            )),
            Self::PerfBench {
                benchmark,
                calls,
                hits,
                ..
            } if benchmark != BASELINE && hits != calls => Some(format!(
                "perf bench {benchmark} is not attached: {hits} hits in {calls} calls"
            )),
            _ => None,
        }
    }
}

/// The only benchmark of perf's that has no probe.
pub const BASELINE: &str = "uprobe/baseline";

/// A record and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub arch: Arch,
    pub flavour: Flavour,
    /// Counts the boots that measured the same.
    pub round: u32,
    #[serde(flatten)]
    pub record: Record,
}

/// The machine that guests ran on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub arch: Arch,
    pub engine: String,
    pub processors: usize,
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            arch,
            engine,
            processors,
        } = self;
        write!(f, "{arch}: {engine}, {processors} processors.")
    }
}

/// All of a run, as it is left for programs to read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub machines: Vec<Machine>,
    pub samples: Vec<Sample>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind() {
        let parse = |line| Record::parse(line).unwrap();
        assert_eq!(
            parse(
                r#"{"kind":"throughput","instruction":"nop","probed":true,"threads":4,"hits":9,"ns":1000}"#
            ),
            Some(Record::Throughput {
                instruction: "nop".into(),
                probes: 1,
                probed: true,
                threads: 4,
                hits: 9,
                ns: 1000,
            })
        );
        assert_eq!(
            parse(
                r#" {"kind":"cost","instruction":"endbr64","probed":true,"steps":true,"hits":9,"ns_per_hit":1794.5}"#
            ),
            Some(Record::Cost {
                instruction: "endbr64".into(),
                probed: true,
                steps: true,
                hits: 9,
                ns_per_hit: 1794.5,
            })
        );
        assert_eq!(parse("ok 1 nop"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn garbled_lines_are_errors() {
        for line in [r#"{"kind":"cost""#, r#"{"kind":"nonsense"}"#, "{}"] {
            assert!(Record::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_left_for_programs_is_read_back() {
        let sample = |record| Sample {
            arch: Arch::Arm64,
            flavour: Flavour::Rust,
            round: 2,
            record,
        };
        let accesses = Accesses {
            loads: 2.0,
            stores: 1.5,
            atomics: 1.0,
        };
        let measured = Measured {
            machines: vec![Machine {
                arch: Arch::Arm64,
                engine: "KVM".into(),
                processors: 80,
            }],
            samples: vec![
                sample(Record::Contention(Contention {
                    processors: 4,
                    probes: 100,
                    lines: 5,
                    accesses,
                    slot_bytes: 16.0,
                    users: vec![User {
                        function: "_raw_spin_lock".into(),
                        called_by: Some("handle_swbp".into()),
                        data: None,
                        lines: 1,
                        accesses,
                    }],
                })),
                sample(Record::Step {
                    probes: 2,
                    threads: 80,
                    processors: 80,
                    ns: 12.5,
                }),
                sample(perf_bench("uprobe/empty", 1000)),
            ],
        };
        let text = serde_json::to_string(&measured).unwrap();
        assert_eq!(serde_json::from_str::<Measured>(&text).unwrap(), measured);
    }

    fn perf_bench(benchmark: &str, hits: u64) -> Record {
        Record::PerfBench {
            benchmark: benchmark.into(),
            calls: 1000,
            ns_per_call: 1,
            hits,
        }
    }

    #[test]
    fn only_a_full_count_is_attached() {
        assert_eq!(perf_bench(BASELINE, 0).complaint(), None);
        assert_eq!(perf_bench("uprobe/empty", 1000).complaint(), None);
        assert!(perf_bench("uprobe/empty", 0).complaint().is_some());
        assert!(perf_bench("uprobe/empty", 999).complaint().is_some());
        let attached = |counted| Record::Attached {
            tool: "bpftrace".into(),
            program: "libc".into(),
            function: "kill".into(),
            calls: 10,
            counted,
        };
        assert_eq!(attached(10).complaint(), None);
        assert!(attached(9).complaint().is_some());
        assert!(attached(11).complaint().is_some());
    }
}
