// SPDX-License-Identifier: GPL-2.0

//! Explores one scenario, in the kernel's files as they are or in a mutant of them.
//!
//! ```text
//! explore SCENARIO [MUTANT]
//! ```

use std::process::ExitCode;
use uprobes_xol::{Scenarios, SCENARIOS};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (name, mutant) = match &arguments[..] {
        [name] => (name, None),
        [name, mutant] => (name, Some(mutant)),
        _ => return usage(),
    };
    let Some(scenarios) = mutant.map_or(Some(SCENARIOS), |mutant| mutated(mutant)) else {
        eprintln!("explore: no mutant {:?} in this build", mutant.unwrap());
        return ExitCode::FAILURE;
    };
    let mut scenarios = scenarios.into_iter().flatten();
    let Some(scenario) = scenarios.find(|scenario| scenario.name == name) else {
        return usage();
    };
    println!("{} schedules", scenario.explore());
    ExitCode::SUCCESS
}

/// The scenarios of a mutant.
#[cfg(mutants)]
fn mutated(mutant: &str) -> Option<Scenarios> {
    let mut all = uprobes_xol::mutated::MUTANTS.iter();
    all.find(|it| it.name == mutant).map(|it| it.scenarios)
}

#[cfg(not(mutants))]
fn mutated(_: &str) -> Option<Scenarios> {
    None
}

fn usage() -> ExitCode {
    eprintln!("usage: explore SCENARIO [MUTANT]");
    for scenario in SCENARIOS.into_iter().flatten() {
        eprintln!("  {:16} {}", scenario.name, scenario.about);
    }
    ExitCode::FAILURE
}
