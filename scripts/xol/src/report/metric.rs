// SPDX-License-Identifier: GPL-2.0
//! Measurements: one flat form for all of them, in a guest's report and in `bench.json`.
//!
//! ```json
//! {"metric":"hits_per_second","labels":{"instruction":"ret","probes":"1","threads":"4"},"value":1.5e6}
//! ```

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::flavour::Flavour;

/// The label that says what the value must be.
const EXPECTED: &str = "expected";

/// The prefix of times, and its replacement on QEMU's instruction clock.
const TIME: (&str, &str) = ("ns_per_", "instructions_per_");

pub type Labels = BTreeMap<String, String>;

/// A measured value. The labels say what was measured: an instruction, a number of threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub metric: String,
    pub labels: Labels,
    pub value: f64,
}

impl Metric {
    pub fn new(metric: &str, labels: &[(&str, &str)], value: f64) -> Self {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            metric: metric.to_owned(),
            labels: labels.iter().map(owned).collect(),
            value,
        }
    }

    /// Reads a line of a guest's report. A line that is no JSON object is text for the log.
    pub fn parse(line: &str) -> Result<Option<Self>> {
        let line = line.trim();
        if !line.starts_with('{') {
            return Ok(None);
        }
        serde_json::from_str(line)
            .map(Some)
            .with_context(|| format!("this line of the report is not a metric: {line}"))
    }

    /// On the instruction clock a nanosecond is an instruction.
    pub fn of_instruction_clock(mut self) -> Self {
        if let Some(rest) = self.metric.strip_prefix(TIME.0) {
            self.metric = format!("{}{rest}", TIME.1);
        }
        self
    }

    /// The label's value; empty if there is no such label.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// Returns whether all these labels have these values.
    pub fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels
            .iter()
            .all(|&(name, value)| self.label(name) == value)
    }

    /// Describes the difference if the value is not the expected one.
    pub fn complaint(&self) -> Option<String> {
        let expected: f64 = self.labels.get(EXPECTED)?.parse().ok()?;
        let others = self.labels.iter().filter(|(name, _)| *name != EXPECTED);
        let others: Vec<_> = others.map(|(name, of)| format!("{name} {of}")).collect();
        (self.value != expected).then(|| {
            let what = self.metric.replace('_', " ");
            let (value, others) = (self.value, others.join(", "));
            format!("{what}: {value} instead of {expected} ({others})")
        })
    }
}

/// Instructions per hit by instruction, from a report on the instruction clock.
pub fn costs(report: &[String]) -> BTreeMap<String, f64> {
    by_instruction(report, "instructions_per_hit")
}

/// The same of a process's first hit.
pub fn first_hits(report: &[String]) -> BTreeMap<String, f64> {
    by_instruction(report, "instructions_per_first_hit")
}

fn by_instruction(report: &[String], name: &str) -> BTreeMap<String, f64> {
    let metrics = report.iter().filter_map(|line| Metric::parse(line).ok()?);
    let metrics = metrics.map(Metric::of_instruction_clock);
    let costs = metrics.filter(|of| of.metric == name);
    let pair = |of: Metric| (of.label("instruction").to_owned(), of.value);
    costs.map(pair).collect()
}

/// A metric and the kernel it was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub arch: Arch,
    pub flavour: Flavour,
    /// The number of the boot among those that measure the same.
    pub round: u32,
    #[serde(flatten)]
    pub metric: Metric,
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

/// All measurements of a run, as they are stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub machines: Vec<Machine>,
    pub samples: Vec<Sample>,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn sample(flavour: Flavour, metric: &str, labels: &[(&str, &str)], value: f64) -> Sample {
        Sample {
            arch: Arch::X86_64,
            flavour,
            round: 1,
            metric: Metric::new(metric, labels, value),
        }
    }

    /// Makes a cost of an instruction that is stepped, except `nop`.
    pub fn cost(flavour: Flavour, instruction: &str, value: f64) -> Sample {
        let steps = if instruction == "nop" { "no" } else { "yes" };
        let labels = [("instruction", instruction), ("steps", steps)];
        sample(flavour, "instructions_per_hit", &labels, value)
    }

    /// Makes a time of the slot layer.
    pub fn step(flavour: Flavour, (probes, threads): (u32, u32), ns: f64) -> Sample {
        let (probes, threads) = (probes.to_string(), threads.to_string());
        let labels = [("probes", &*probes), ("threads", &*threads)];
        sample(flavour, "slot_layer_ns_per_step", &labels, ns)
    }

    /// Checks that a metric is read, and that other lines are left for the log.
    #[test]
    fn lines_are_read() {
        let line = r#" {"metric":"m","labels":{"a":"1","b":"x"},"value":1794.5}"#;
        let metric = Metric::parse(line).unwrap().unwrap();
        assert_eq!(metric, Metric::new("m", &[("b", "x"), ("a", "1")], 1794.5));
        assert!(metric.has(&[("a", "1"), ("c", "")]) && !metric.has(&[("a", "")]));
        assert_eq!(Metric::parse("ok 1 nop").unwrap(), None);
        assert_eq!(Metric::parse("").unwrap(), None);
        for line in [r#"{"metric":"m""#, r#"{"kind":"cost","value":1}"#, "{}"] {
            assert!(Metric::parse(line).is_err(), "{line}");
        }
    }

    /// Checks that the stored form is flat and is read back.
    #[test]
    fn what_is_stored_is_read_back() {
        let measured = Measured {
            machines: vec![Machine {
                arch: Arch::Arm64,
                engine: "KVM".into(),
                processors: 80,
            }],
            samples: vec![step(Flavour::Rust, (2, 80), 12.5)],
        };
        let text = serde_json::to_string(&measured).unwrap();
        assert_eq!(serde_json::from_str::<Measured>(&text).unwrap(), measured);
        let flat = r#""round":1,"metric":"slot_layer_ns_per_step","labels":{"#;
        assert!(text.contains(flat), "{text}");
        // The form before this one.
        let old = r#"{"machines":[],"samples":[{"arch":"arm64","flavour":"c","round":1,
            "kind":"step","probes":1,"threads":1,"processors":2,"ns":1.0}]}"#;
        assert!(serde_json::from_str::<Measured>(old).is_err());
    }

    /// Checks that only a value other than the expected one is reported.
    #[test]
    fn only_a_full_count_is_right() {
        let counted = |value| {
            let labels = [("tool", "bpftrace"), (EXPECTED, "10")];
            Metric::new("counted_calls", &labels, value).complaint()
        };
        assert_eq!(counted(10.0), None);
        let text = "counted calls: 9 instead of 10 (tool bpftrace)";
        assert_eq!(counted(9.0).as_deref(), Some(text));
        assert!(counted(11.0).is_some());
        assert_eq!(Metric::new("m", &[], 9.0).complaint(), None);
    }

    /// Checks that a guest's nanoseconds are taken for instructions.
    #[test]
    fn costs_are_instructions() {
        let line = r#"{"metric":"ns_per_hit","labels":{"instruction":"ret"},"value":7.5}"#;
        let report = ["words".to_owned(), line.to_owned()];
        assert_eq!(costs(&report), BTreeMap::from([("ret".into(), 7.5)]));
        assert!(first_hits(&report).is_empty());
        let line = line.replace("per_hit", "per_first_hit");
        assert_eq!(first_hits(&[line]), BTreeMap::from([("ret".into(), 7.5)]));
    }
}
