// SPDX-License-Identifier: GPL-2.0

//! The kernel's files that are explored.

/// The folder, from the top of the tree.
pub const FOLDER: &str = "kernel/events/uprobes_xol";

pub const FILES: [&str; 9] = [
    "area.rs",
    "boosted.rs",
    "events.rs",
    "gc.rs",
    "insn.rs",
    "page.rs",
    "slot.rs",
    "table.rs",
    "task.rs",
];
