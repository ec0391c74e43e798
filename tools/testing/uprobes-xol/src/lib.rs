// SPDX-License-Identifier: GPL-2.0

//! The slot layer of uprobes, explored on the host.
//!
//! The files that boot are compiled here as they are, against a `kernel` crate that has behind its
//! atomics, locks and threads what explores schedules (loom, shuttle), or the host's own.
//!
//! `cargo bench --bench slots` compiles them once more, in `benches/slots`, to measure what a step
//! costs on this machine, beside the implementation in C.
#![allow(dead_code, reason = "not all that the kernel uses is used here")]
#![allow(
    clippy::absurd_extreme_comparisons,
    reason = "with one slot, none may be boosted"
)]

#[path = "../../../../kernel/events/uprobes_xol/area.rs"]
mod area;
#[path = "../../../../kernel/events/uprobes_xol/boosted.rs"]
mod boosted;
#[path = "../../../../kernel/events/uprobes_xol/events.rs"]
mod events;
pub mod explore;
#[path = "../../../../kernel/events/uprobes_xol/gc.rs"]
mod gc;
#[path = "../../../../kernel/events/uprobes_xol/insn.rs"]
mod insn;
/// The kernel's KUnit tests, run by the host's threads.
#[cfg(all(test, not(any(feature = "loom", feature = "shuttle"))))]
#[path = "../../../../kernel/events/uprobes_xol/tests.rs"]
mod kunit;
pub mod mutants;
#[path = "../../../../kernel/events/uprobes_xol/page.rs"]
mod page;
mod scenarios;
#[path = "../../../../kernel/events/uprobes_xol/slot.rs"]
mod slot;
#[path = "../../../../kernel/events/uprobes_xol/table.rs"]
mod table;
#[path = "../../../../kernel/events/uprobes_xol/task.rs"]
mod task;

pub use scenarios::SCENARIOS;

/// The same with one thing wrong.
#[cfg(mutants)]
pub mod mutated {
    include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
}
