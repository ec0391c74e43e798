// SPDX-License-Identifier: GPL-2.0

//! Explores all scenarios in the files as they are. With loom, explores them in smaller steps, too,
//! and one scenario in each mutant.
//!
//! Each runs in a process of its own: an explorer that found something may not survive it. The
//! names of the tests are the table of what catches what.

use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};
#[cfg(mutants)]
use uprobes_xol::mutated::MUTANTS;
use uprobes_xol::SCENARIOS;

const EXPLORER: &str = if cfg!(feature = "loom") {
    "loom"
} else if cfg!(feature = "shuttle") {
    "shuttle"
} else {
    "host threads"
};

/// Far more than any takes.
const LIMIT: Duration = Duration::from_secs(6 * 60);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let scenarios = SCENARIOS.into_iter().flatten().map(|scenario| {
        let name = scenario.name;
        Trial::test(name, move || holds(&[name])).with_kind(EXPLORER)
    });
    let trials = scenarios.chain(trials_of_mutants()).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[cfg(mutants)]
fn trials_of_mutants() -> Vec<Trial> {
    let trials = MUTANTS.iter().flat_map(|mutant| match mutant.caught_by {
        None => SCENARIOS
            .into_iter()
            .flatten()
            .map(|scenario| {
                let run = move || holds(&[scenario.name, mutant.name]);
                Trial::test(scenario.name, run).with_kind(mutant.name)
            })
            .collect(),
        Some((scenario, property)) => {
            let run = move || is_caught(mutant.name, scenario, property);
            vec![Trial::test(mutant.name, run).with_kind(format!("caught by: {property}"))]
        }
    });
    trials.collect()
}

#[cfg(not(mutants))]
fn trials_of_mutants() -> Vec<Trial> {
    Vec::new()
}

fn holds(arguments: &[&str]) -> Result<(), Failed> {
    let (passed, output) = explore(arguments)?;
    passed.then_some(()).ok_or_else(|| output.into())
}

#[cfg(mutants)]
fn is_caught(mutant: &str, scenario: &str, property: &str) -> Result<(), Failed> {
    let (passed, output) = explore(&[scenario, mutant])?;
    let caught_by = output
        .lines()
        .find_map(|line| line.strip_prefix("violated: "));
    if passed {
        return Err(format!("nothing in {scenario:?} catches it").into());
    }
    if caught_by != Some(property) {
        return Err(format!("caught by {caught_by:?}, not by {property:?}\n{output}").into());
    }
    Ok(())
}

/// Runs the explorer. Returns whether all properties hold, and what it wrote to standard error.
fn explore(arguments: &[&str]) -> Result<(bool, String), Failed> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_explore"))
        .args(arguments)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut pipe = child.stderr.take().unwrap();
    let output = thread::spawn(move || std::io::read_to_string(&mut pipe));

    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return Err(format!("explore {arguments:?} did not end in {LIMIT:?}").into());
        }
        thread::sleep(Duration::from_millis(5));
    };
    Ok((status.success(), output.join().unwrap()?))
}
