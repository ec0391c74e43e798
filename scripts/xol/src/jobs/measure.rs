// SPDX-License-Identifier: GPL-2.0
//! Boots in which something is measured.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::qemu::{self, Boot, Engine};
use crate::report::metric::{Machine, Metric, Sample};
use crate::stage::Runner;

/// A guest measures for a few minutes.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The number of boots of each kernel when times are measured. Their median counts.
pub const ROUNDS: u32 = 3;

/// The jobs of a guest that measure something, and what they need.
pub struct Task {
    pub name: &'static str,
    pub jobs: &'static [&'static str],
    /// Needs the image with bpftrace and perf.
    pub tools: bool,
    /// Runs one processor on QEMU's instruction clock.
    pub exact: bool,
}

pub const COST: Task = Task {
    name: "instructions per hit",
    jobs: &["cost"],
    tools: false,
    exact: true,
};

/// One boot of a kernel for a task.
#[derive(Clone, Copy)]
pub struct Trial {
    pub task: &'static Task,
    pub flavour: Flavour,
    /// Counts the boots of this kernel for this task, from 1.
    pub round: u32,
}

impl Trial {
    /// One boot of each kernel.
    pub fn each(task: &'static Task, flavours: &[Flavour]) -> Vec<Self> {
        Self::of_round(task, flavours, 1)
    }

    /// Several boots of each kernel, alternately.
    pub fn in_turn(task: &'static Task, flavours: &[Flavour]) -> Vec<Self> {
        (1..=ROUNDS)
            .flat_map(|round| Self::of_round(task, flavours, round))
            .collect()
    }

    fn of_round(task: &'static Task, flavours: &[Flavour], round: u32) -> Vec<Self> {
        let trial = |&flavour| Self {
            task,
            flavour,
            round,
        };
        flavours.iter().map(trial).collect()
    }

    pub fn stage_name(&self, arch: Arch) -> String {
        let round = match self.round {
            1 => String::new(),
            n => format!(" {n}"),
        };
        format!("{} {arch} {}{round}", self.task.name, self.flavour.name())
    }

    /// Boots, and returns what the guest measured.
    pub fn run(
        &self,
        runner: &Runner,
        arch: Arch,
        guest: &Guest,
        engine: Engine,
    ) -> Result<Vec<Sample>> {
        let task = self.task;
        runner.always(&self.stage_name(arch), |progress| {
            let arguments = [&["kunit.enable=0"], self.flavour.arguments()].concat();
            let boot = Boot {
                arch,
                kernel: &runner.paths.image(arch, self.flavour),
                initramfs: if task.tools { &guest.full } else { &guest.base },
                engine: if task.exact {
                    Engine::InstructionClock
                } else {
                    engine
                },
                processors: if task.exact { 1 } else { processors(runner) },
                jobs: task.jobs,
                arguments: &arguments,
                limit: LIMIT,
            };
            let outcome = qemu::boot(runner, progress, &boot)?;
            let mut samples = Vec::new();
            for line in outcome.good()? {
                let metric = Metric::parse(&line)?;
                samples.extend(metric.map(|metric| Sample {
                    arch,
                    flavour: self.flavour,
                    round: self.round,
                    metric: match task.exact {
                        true => metric.of_instruction_clock(),
                        false => metric,
                    },
                }));
            }
            if samples.is_empty() {
                bail!("the guest reported no measurement");
            }
            Ok(samples)
        })
    }
}

/// The machine of guests that do not run on the instruction clock.
pub fn machine(runner: &Runner, arch: Arch, engine: Engine) -> Machine {
    Machine {
        arch,
        engine: engine.name().to_owned(),
        processors: processors(runner),
    }
}

fn processors(runner: &Runner) -> usize {
    runner.jobs.max(2)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    /// Checks the order of boots, and that no two share a log.
    #[test]
    fn kernels_are_booted_in_turn() {
        let trials = Trial::in_turn(&COST, &Flavour::COMPARED);
        let flavours: Vec<_> = trials.iter().map(|trial| trial.flavour).collect();
        assert_eq!(flavours, Flavour::COMPARED.repeat(ROUNDS as usize));
        let names: Vec<_> = trials
            .iter()
            .map(|trial| trial.stage_name(Arch::X86_64))
            .collect();
        assert_eq!(names[0], "instructions per hit x86_64 c");
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name} would share its log");
        }
    }
}
