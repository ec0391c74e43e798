// SPDX-License-Identifier: GPL-2.0
//! Tests and measurements on booted kernels.
//!
//! The callers have built the kernels (images at `runner.paths.image(arch, flavour)`)
//! and the guests. Only mutants are built as they are tried.

mod bench;
mod comparison;
mod contention;
mod coverage;
mod distro;
mod fuzz;
mod measure;
mod mutations;
mod shell;
mod steps;
mod tests;
mod upstream;

pub use bench::{earlier_bench, run_bench};
pub use comparison::run_comparison;
pub use coverage::run_coverage;
pub use distro::run_distro_tests;
pub use fuzz::{FLAVOURS as FUZZED, run_fuzz};
pub use mutations::{test_mutations, try_to_apply};
pub use shell::shell;
pub use tests::{Tally, run_debug_tests, run_off_tests, run_tests};
pub use upstream::run_upstream_tests;
