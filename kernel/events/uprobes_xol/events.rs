// SPDX-License-Identifier: GPL-2.0

//! Tracepoints of slots, and counts.
//!
//! C header: [`include/trace/events/uprobes_xol.h`](srctree/include/trace/events/uprobes_xol.h).
//!
//! A hit records no event if its slot is boosted, or if the task still has the slot of its last
//! hit. Each CPU has its own counts: areas of different processes share no cache line here.

use super::{
    ffi::{count, Counter},
    slot::Slot, //
};
use kernel::ffi::{c_long, c_uint, c_ulong};

kernel::declare_trace! {
    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn uprobe_xol_taken(slot: c_uint, vaddr: c_ulong);

    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn uprobe_xol_recycled(slot: c_uint);

    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn uprobe_xol_waited(killed: bool);

    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn uprobe_xol_grown(pages: c_uint);
}

/// Records that the current task got into a slot that it had not cached.
#[inline]
pub(crate) fn taken(slot: Slot, vaddr: usize) {
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_taken(slot.number(), vaddr) };
}

/// Counts a task that has a slot cached from now on.
#[inline]
pub(crate) fn task_got_slot() {
    count(Counter::Tasks, 1);
}

/// Counts a task that has no slot cached any more.
#[inline]
pub(crate) fn task_lost_slot() {
    count(Counter::Tasks, -1);
}

/// Counts a slot that was unused and now gets an instruction.
pub(crate) fn used() {
    count(Counter::Slots, 1);
}

/// Records that the current task recycled `slot`.
pub(crate) fn recycled(slot: Slot) {
    count(Counter::Slots, -1);
    count(Counter::Recycles, 1);
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_recycled(slot.number()) };
}

/// Counts a wait: the current task is about to join the queue.
pub(crate) fn waits() {
    count(Counter::Waits, 1);
}

/// Records that the current task left the queue, with a slot or because it was killed.
pub(crate) fn waited(killed: bool) {
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_waited(killed) };
}

/// Counts a page that an area got.
pub(crate) fn page_added() {
    count(Counter::Pages, 1);
}

/// Records that the current task made the area grow to `pages`.
pub(crate) fn grown(pages: usize) {
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_grown(pages as c_uint) };
}

/// Subtracts the slots and pages of an area that is freed from the counts. `slots` is the number of
/// slots that were not unused.
pub(crate) fn freed(slots: usize, pages: usize) {
    count(Counter::Slots, -(slots as c_long));
    count(Counter::Pages, -(pages as c_long));
}
