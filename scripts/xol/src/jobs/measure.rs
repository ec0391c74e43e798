// SPDX-License-Identifier: GPL-2.0
//! Boots in which something is measured.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::arch::Arch;
use crate::flavour::Flavour;
use crate::guest::Guest;
use crate::jobs::contention;
use crate::qemu::{self, Boot, Engine};
use crate::report::metric::{Machine, Measured, Metric, Sample};
use crate::stage::{Progress, Runner};

/// A guest measures for a few minutes.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The number of boots of each kernel when times are measured. Their median counts.
pub const ROUNDS: u32 = 3;

/// The jobs of a guest that measure something, and what they need.
pub struct Task {
    pub name: &'static str,
    pub jobs: &'static [&'static str],
    pub needs: Needs,
    /// The number of boots of each kernel.
    pub rounds: u32,
    /// The numbers of processors, each for boots of its own. None for as many as the host has, or
    /// one on the instruction clock.
    pub processors: &'static [Option<usize>],
}

#[derive(Clone, Copy, PartialEq)]
pub enum Needs {
    /// One processor on QEMU's instruction clock.
    InstructionClock,
    /// The plugin that finds contended memory.
    Plugin,
    /// The image with bpftrace and perf.
    Tools,
    Nothing,
}

pub const COST: Task = Task {
    name: "instructions per hit",
    jobs: &["cost"],
    needs: Needs::InstructionClock,
    rounds: 1,
    processors: &[None],
};

/// One boot of a kernel for a task.
#[derive(Clone, Copy)]
pub struct Trial {
    pub task: &'static Task,
    pub flavour: Flavour,
    /// Counts the boots of this kernel for this task, from 1.
    round: u32,
    processors: Option<usize>,
}

impl Trial {
    /// All boots for a task, the kernels alternately.
    pub fn all(task: &'static Task, flavours: &[Flavour]) -> Vec<Self> {
        let mut all = Vec::new();
        for round in 1..=task.rounds {
            for &processors in task.processors {
                all.extend(flavours.iter().map(|&flavour| Self {
                    task,
                    flavour,
                    round,
                    processors,
                }));
            }
        }
        all
    }

    pub fn stage_name(&self, arch: Arch) -> String {
        let round = (self.round > 1).then_some(self.round as usize);
        let numbers = [self.processors, round].into_iter().flatten();
        let numbers = numbers.map(|number| number.to_string());
        let words = [self.task.name, arch.name(), self.flavour.name()];
        let words = words.map(str::to_owned).into_iter().chain(numbers);
        words.collect::<Vec<_>>().join(" ")
    }

    /// Boots, and returns what the guest or the plugin measured.
    fn run(
        &self,
        runner: &Runner,
        (arch, guest): &(Arch, Guest),
        engine: Engine,
        plugin: Option<&Plugin<'_>>,
    ) -> Result<Vec<Sample>> {
        let needs = self.task.needs;
        let stage = self.stage_name(*arch);
        let processors = self.processors.unwrap_or(match needs {
            Needs::InstructionClock => 1,
            _ => processors(runner),
        });
        let run = |progress: &Progress| {
            let more = contention::arguments(processors);
            let more = more.iter().map(String::as_str);
            let arguments = ["kunit.enable=0"].into_iter();
            let arguments = arguments.chain(self.flavour.arguments().iter().copied());
            let arguments = arguments.chain(more.filter(|_| needs == Needs::Plugin));
            let arguments: Vec<_> = arguments.collect();
            let boot = Boot {
                arch: *arch,
                kernel: &runner.paths.image(*arch, self.flavour),
                initramfs: match needs {
                    Needs::Tools => &guest.full,
                    _ => &guest.base,
                },
                engine: match needs {
                    Needs::InstructionClock => Engine::InstructionClock,
                    Needs::Plugin => Engine::Tcg,
                    _ => engine,
                },
                processors,
                jobs: self.task.jobs,
                arguments: &arguments,
                limit: LIMIT,
            };
            if let (Needs::Plugin, Some(Plugin { library, folder })) = (needs, plugin) {
                let build = runner.paths.kernel(*arch, self.flavour);
                let output = folder.join(stage.replace(' ', "-") + ".jsonl");
                return contention::boot(runner, progress, &boot, (library, &build, &output));
            }
            let mut metrics = Vec::new();
            for line in qemu::boot(runner, progress, &boot)?.good()? {
                metrics.extend(Metric::parse(&line)?);
            }
            if needs == Needs::InstructionClock {
                let metrics = metrics.into_iter().map(Metric::of_instruction_clock);
                return Ok(metrics.collect());
            }
            Ok(metrics)
        };
        let metrics = runner.always(&stage, run)?;
        if metrics.is_empty() {
            bail!("the guest reported no measurement");
        }
        let samples = metrics.into_iter().map(|metric| Sample {
            arch: *arch,
            flavour: self.flavour,
            round: self.round,
            metric,
        });
        Ok(samples.collect())
    }
}

/// The plugin's library, and the directory for its output.
pub struct Plugin<'a> {
    pub library: &'a Path,
    pub folder: &'a Path,
}

fn on<'a>(runner: &Runner, arch: Arch, trials: &'a [Trial]) -> impl Iterator<Item = &'a Trial> {
    let most = match arch {
        // Each `fence.i` waits until the host has run all processors of the guest.
        Arch::Riscv64 => processors(runner),
        Arch::X86_64 | Arch::Arm64 => usize::MAX,
    };
    trials.iter().filter(move |of| {
        of.flavour.is_on(arch) && of.processors.is_none_or(|processors| processors <= most)
    })
}

/// Announces the stages of [`run`].
pub fn plan(runner: &Runner, guests: &[(Arch, Guest)], trials: &[Trial]) {
    for &(arch, _) in guests {
        runner.plan(on(runner, arch, trials).map(|trial| trial.stage_name(arch)));
    }
}

/// Boots the kernels of all guests.
pub fn run(
    runner: &Runner,
    guests: &[(Arch, Guest)],
    trials: &[Trial],
    plugin: Option<&Plugin<'_>>,
) -> Result<Measured> {
    let mut measured = Measured::default();
    for guest in guests {
        let arch = guest.0;
        let engine = qemu::fastest_engine(runner, arch, Flavour::C, &guest.1.base)?;
        measured.machines.push(Machine {
            arch,
            engine: engine.name().to_owned(),
            processors: processors(runner),
        });
        for trial in on(runner, arch, trials) {
            let samples = trial.run(runner, guest, engine, plugin)?;
            measured.samples.extend(samples);
        }
    }
    Ok(measured)
}

/// As many as the host has, and two at least.
pub fn processors(runner: &Runner) -> usize {
    runner.jobs.max(2)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    /// Checks the order of boots, and that no two share a log.
    #[test]
    fn kernels_are_booted_in_turn() {
        const TIMES: Task = Task {
            rounds: ROUNDS,
            ..COST
        };
        let rounds = Trial::all(&TIMES, &Flavour::COMPARED);
        let flavours: Vec<_> = rounds.iter().map(|trial| trial.flavour).collect();
        assert_eq!(flavours, Flavour::COMPARED.repeat(ROUNDS as usize));
        let contention = Trial::all(&contention::TASK, &Flavour::MEASURED);
        assert_eq!(contention.len(), 12);
        let all = [rounds, contention].concat();
        let names = all.iter().map(|trial| trial.stage_name(Arch::X86_64));
        let names: Vec<_> = names.collect();
        assert_eq!(names[0], "instructions per hit x86_64 c");
        assert_eq!(names[2], "instructions per hit x86_64 c 2");
        assert_eq!(names[6], "contention x86_64 c 2");
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name} would share its log");
        }
    }
}
