// SPDX-License-Identifier: GPL-2.0

//! Counts of what all areas have, for those who look from outside.

use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

pub type uprobe_xol_counter = u32;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_SLOTS: u32 = 0;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_PAGES: u32 = 1;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_TASKS: u32 = 2;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_RECYCLES: u32 = 3;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_WAITS: u32 = 4;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_BOOSTED: u32 = 5;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_UNBOOSTED: u32 = 6;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_RECLAIMS: u32 = 7;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_BOOST_PAGES: u32 = 8;
pub const uprobe_xol_counter_UPROBE_XOL_COUNT_BOOST_AREAS: u32 = 9;

/// Not the explorer's.
static COUNTS: [AtomicIsize; 10] = [const { AtomicIsize::new(0) }; 10];

/// Counts what all areas have.
///
/// # Safety
///
/// Always safe.
pub unsafe fn uprobe_xol_count(counter: uprobe_xol_counter, change: isize) {
    COUNTS[counter as usize].fetch_add(change, Relaxed);
}

/// Slots, pages and tasks that were counted and are not gone, and boosted slots, their pages and
/// areas.
pub fn counted() -> [isize; 6] {
    [
        uprobe_xol_counter_UPROBE_XOL_COUNT_SLOTS,
        uprobe_xol_counter_UPROBE_XOL_COUNT_PAGES,
        uprobe_xol_counter_UPROBE_XOL_COUNT_TASKS,
        uprobe_xol_counter_UPROBE_XOL_COUNT_BOOSTED,
        uprobe_xol_counter_UPROBE_XOL_COUNT_BOOST_PAGES,
        uprobe_xol_counter_UPROBE_XOL_COUNT_BOOST_AREAS,
    ]
    .map(|counter| COUNTS[counter as usize].load(Relaxed))
}

pub(crate) fn forget_counts() {
    COUNTS.iter().for_each(|count| count.store(0, Relaxed));
}
