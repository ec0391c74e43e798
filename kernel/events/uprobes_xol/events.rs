// SPDX-License-Identifier: GPL-2.0

//! What is told outside of what happens to slots: tracepoints and counts.
//!
//! C headers: [`kernel/events/uprobes_xol.h`](srctree/kernel/events/uprobes_xol.h) and
//! [`include/trace/events/uprobes_xol.h`](srctree/include/trace/events/uprobes_xol.h).
//!
//! Nothing of it is for a hit of the probe that the task hit last, if that one's slot is still
//! there, or boosted. A count is kept by each CPU for itself, so that areas that share nothing else
//! do not share a line here.

use super::slot::Slot;
use kernel::{
    bindings,
    ffi::{c_long, c_uint, c_ulong}, //
};

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

/// What is counted.
#[derive(Clone, Copy)]
enum Counter {
    /// Slots that have an instruction.
    Slots = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_SLOTS as isize,
    Pages = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_PAGES as isize,
    /// Tasks that have a slot.
    Tasks = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_TASKS as isize,
    Recycles = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_RECYCLES as isize,
    Waits = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_WAITS as isize,
    /// Slots that end with a jump.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    Boosted = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_BOOSTED as isize,
    /// Hits for which there was none.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    Unboosted = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_UNBOOSTED as isize,
    /// Boosted slots that were made unused.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    Reclaims = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_RECLAIMS as isize,
}

#[inline(always)]
fn count(counter: Counter, change: c_long) {
    if cfg!(CONFIG_DEBUG_FS) {
        // SAFETY: One of C's counts.
        unsafe { bindings::uprobe_xol_count(counter as bindings::uprobe_xol_counter, change) };
    }
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

/// An unused slot is not unused any more.
pub(crate) fn used() {
    count(Counter::Slots, 1);
}

/// The current task made `slot` unused.
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

/// An area has got a page more.
pub(crate) fn page_added() {
    count(Counter::Pages, 1);
}

/// The current task made the area grow, to `pages`.
pub(crate) fn grown(pages: usize) {
    // SAFETY: Always safe to call.
    unsafe { uprobe_xol_grown(pages as c_uint) };
}

/// An area that had these is gone.
pub(crate) fn freed(slots: usize, pages: usize) {
    count(Counter::Slots, -(slots as c_long));
    count(Counter::Pages, -(pages as c_long));
}

/// A slot is boosted.
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
pub(crate) fn boosted() {
    count(Counter::Boosted, 1);
}

/// The current task steps because no slot can be boosted.
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
pub(crate) fn unboosted() {
    count(Counter::Unboosted, 1);
}

/// The current task made `slot` unused, which was boosted.
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
pub(crate) fn reclaimed(slot: Slot) {
    count(Counter::Boosted, -1);
    count(Counter::Reclaims, 1);
    recycled(slot);
}

/// An area that had as many boosted slots is gone.
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
pub(crate) fn boosted_freed(slots: usize) {
    count(Counter::Boosted, -(slots as c_long));
}
