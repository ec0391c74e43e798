// SPDX-License-Identifier: GPL-2.0

//! Counts of what all areas have, for those who look from outside.

use std::{
    ffi::c_long,
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
};

pub type uprobe_xol_counter = u32;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_SLOTS: u32 = 0;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_PAGES: u32 = 1;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_TASKS: u32 = 2;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_RECYCLES: u32 = 3;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_WAITS: u32 = 4;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_BOOSTED: u32 = 5;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_UNBOOSTED: u32 = 6;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_RECLAIMS: u32 = 7;

/// Not the explorer's.
static COUNTS: [AtomicIsize; 8] = [const { AtomicIsize::new(0) }; 8];

/// Counts what all areas have.
///
/// # Safety
///
/// Always safe.
pub unsafe fn uprobe_xol_count(counter: uprobe_xol_counter, change: c_long) {
    COUNTS[counter as usize].fetch_add(change as isize, Relaxed);
}

/// Slots, pages, tasks and boosted slots that were counted and are not gone.
pub fn counted() -> [isize; 4] {
    [
        uprobe_xol_counter_UPROBE_XOL_COUNT_SLOTS,
        uprobe_xol_counter_UPROBE_XOL_COUNT_PAGES,
        uprobe_xol_counter_UPROBE_XOL_COUNT_TASKS,
        uprobe_xol_counter_UPROBE_XOL_COUNT_BOOSTED,
    ]
    .map(|counter| COUNTS[counter as usize].load(Relaxed))
}

pub(crate) fn forget_counts() {
    COUNTS.iter().for_each(|count| count.store(0, Relaxed));
}
