// SPDX-License-Identifier: GPL-2.0

//! The mutants: one thing wrong each, and the property that is to catch it.
//!
//! Every ordering that is stronger than relaxed has a mutant for each ordering that is one step
//! weaker, and every step of the protocol one without it or with it in the wrong place. What to
//! edit is found by its text, which must be there exactly once: when the kernel's files change,
//! this table is changed with them.

/// What to find, and what to put in its place.
pub type Edit = (&'static str, &'static str);

/// A fault.
pub struct Mutant {
    pub name: &'static str,
    pub file: &'static str,
    pub edits: &'static [Edit],
    /// The scenario that is explored.
    #[allow(dead_code, reason = "not read where the mutants are made")]
    pub scenario: &'static str,
    /// The property that does not hold then.
    #[allow(dead_code, reason = "not read where the mutants are made")]
    pub caught_by: &'static str,
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[];
