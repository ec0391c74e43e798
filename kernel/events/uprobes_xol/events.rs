// SPDX-License-Identifier: GPL-2.0

//! Tracepoints and counts of what happens to slots.
//!
//! C header: [`include/trace/events/uprobes_xol.h`](srctree/include/trace/events/uprobes_xol.h).
//!
//! A hit tells nothing if its probe is the one that the task hit last, or if its slot is boosted.
//! Each CPU keeps counts of its own, so that areas that share nothing else do not share a cache
//! line here.

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

/// The current task got into a slot that it did not have.
#[inline]
pub(crate) fn taken(slot: Slot, vaddr: usize) {
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_taken(slot.number(), vaddr) };
}

/// A task that had no slot has one.
#[inline]
pub(crate) fn task_got_slot() {
    count(Counter::Tasks, 1);
}

/// A task that had a slot has none.
#[inline]
pub(crate) fn task_lost_slot() {
    count(Counter::Tasks, -1);
}

/// An unused slot is used from now on.
pub(crate) fn used() {
    count(Counter::Slots, 1);
}

/// The current task recycled `slot`.
pub(crate) fn recycled(slot: Slot) {
    count(Counter::Slots, -1);
    count(Counter::Recycles, 1);
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_recycled(slot.number()) };
}

/// The current task is about to queue for a slot.
pub(crate) fn waits() {
    count(Counter::Waits, 1);
}

/// The current task got a slot from the queue, or was killed there.
pub(crate) fn waited(killed: bool) {
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_waited(killed) };
}

/// An area got a page.
pub(crate) fn page_added() {
    count(Counter::Pages, 1);
}

/// The current task made the area grow to `pages`.
pub(crate) fn grown(pages: usize) {
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_grown(pages as c_uint) };
}

/// An area with so many used slots and pages is gone.
pub(crate) fn freed(slots: usize, pages: usize) {
    count(Counter::Slots, -(slots as c_long));
    count(Counter::Pages, -(pages as c_long));
}
