// SPDX-License-Identifier: GPL-2.0

//! The slot layer of uprobes, explored on the host.
//!
//! The kernel's files are compiled here without a change, against a `kernel` crate of the host. Its
//! atomics, locks and threads are those of an explorer of schedules (loom, shuttle), or the host's.
//!
//! With loom there are mutants, too: copies of the files with one defect each. `src/mutants.rs` and
//! `mutations/README.rst` describe them.
//!
//! `cargo bench --bench slots` compiles the files once more, in `benches/slots`, to measure the
//! cost of a step on this machine, beside the implementation in C.
#![allow(dead_code, reason = "not all that the kernel uses is used here")]

// The kernel has this crate by its own name.
extern crate kernel as pin_init;

#[path = "../../../../kernel/events/uprobes_xol/area.rs"]
mod area;
#[path = "../../../../kernel/events/uprobes_xol/batch.rs"]
mod batch;
#[path = "../../../../kernel/events/uprobes_xol/boost/mod.rs"]
mod boost;
#[path = "../../../../kernel/events/uprobes_xol/events.rs"]
mod events;
#[path = "../../../../kernel/events/uprobes_xol/ffi.rs"]
mod ffi;
#[path = "../../../../kernel/events/uprobes_xol/free.rs"]
mod free;
#[path = "../../../../kernel/events/uprobes_xol/gc.rs"]
mod gc;
#[path = "../../../../kernel/events/uprobes_xol/hash.rs"]
mod hash;
#[path = "../../../../kernel/events/uprobes_xol/insn.rs"]
mod insn;
#[path = "../../../../kernel/events/uprobes_xol/page.rs"]
mod page;
#[path = "../../../../kernel/events/uprobes_xol/queue.rs"]
mod queue;
#[path = "../../../../kernel/events/uprobes_xol/record.rs"]
mod record;
#[path = "../../../../kernel/events/uprobes_xol/slot.rs"]
mod slot;
#[path = "../../../../kernel/events/uprobes_xol/slots.rs"]
mod slots;
#[path = "../../../../kernel/events/uprobes_xol/table.rs"]
mod table;
#[path = "../../../../kernel/events/uprobes_xol/task.rs"]
mod task;

mod boosted;
pub mod explore;
mod scenarios;

/// The kernel's KUnit tests, run by the host's threads. Those of boosting are in its module.
#[cfg(CONFIG_UPROBES_KUNIT_TEST)]
#[path = "../../../../kernel/events/uprobes_xol/tests.rs"]
mod kunit;

/// Those of stepping, and those of boosting.
pub type Scenarios = [&'static [explore::Scenario]; 2];

/// All scenarios.
pub const SCENARIOS: Scenarios = [scenarios::SCENARIOS, boosted::SCENARIOS];

/// The mutants of this build, and their scenarios. The library's own tests do without.
#[cfg(all(mutants, not(test)))]
pub mod mutated {
    #[cfg(not(clippy))]
    use crate::explore::Scenario;
    use crate::Scenarios;

    /// A mutant of the kernel's files.
    pub struct Mutant {
        pub name: &'static str,
        /// The scenario that catches it, and the property that does not hold there. `None` if the
        /// mutant has no defect.
        pub caught_by: Option<(&'static str, &'static str)>,
        pub scenarios: Scenarios,
    }

    /// The scenario with this name.
    #[cfg(not(clippy))]
    const fn scenario(all: &[Scenario], name: &str) -> Scenario {
        const fn equal(a: &[u8], b: &[u8]) -> bool {
            let mut at = 0;
            while at < a.len() && at < b.len() && a[at] == b[at] {
                at += 1;
            }
            at == a.len() && at == b.len()
        }

        let mut at = 0;
        while !equal(all[at].name.as_bytes(), name.as_bytes()) {
            at += 1;
        }
        all[at]
    }

    #[cfg(not(clippy))]
    include!(concat!(env!("OUT_DIR"), "/mutants.rs"));

    /// Clippy is for what is written by hand.
    #[cfg(clippy)]
    pub const MUTANTS: &[Mutant] = &[];
}
