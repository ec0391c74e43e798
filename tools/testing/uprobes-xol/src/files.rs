// SPDX-License-Identifier: GPL-2.0

//! The kernel's files that are explored.

/// The directory, from the top of the tree.
pub const FOLDER: &str = "kernel/events/uprobes_xol";

pub const FILES: [&str; 20] = [
    "area.rs",
    "batch.rs",
    "boost/mod.rs",
    "boost/ffi.rs",
    "boost/reclaim.rs",
    "boost/slots.rs",
    "boost/table.rs",
    "events.rs",
    "ffi.rs",
    "free.rs",
    "gc.rs",
    "hash.rs",
    "insn.rs",
    "page.rs",
    "queue.rs",
    "record.rs",
    "slot.rs",
    "slots.rs",
    "table.rs",
    "task.rs",
];
