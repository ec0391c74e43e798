// SPDX-License-Identifier: GPL-2.0
//! The JSON lines that jobs print in a guest.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::kernel::Flavour;

/// One measurement or observation, as a guest printed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// Hits of all threads together in `ns`. Unprobed ones are the loop's own
    /// speed.
    Throughput {
        instruction: String,
        probed: bool,
        threads: u32,
        hits: u64,
        ns: u64,
    },
    /// On the instruction clock a nanosecond is an instruction.
    Cost {
        instruction: String,
        probed: bool,
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    pub arch: Arch,
    pub flavour: Flavour,
    /// Counts the boots that measured the same.
    pub round: u32,
    #[serde(flatten)]
    pub record: Record,
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
                probed: true,
                threads: 4,
                hits: 9,
                ns: 1000,
            })
        );
        assert_eq!(
            parse(
                r#" {"kind":"cost","instruction":"endbr64","probed":true,"hits":20000,"ns_per_hit":1794.5}"#
            ),
            Some(Record::Cost {
                instruction: "endbr64".into(),
                probed: true,
                hits: 20000,
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
