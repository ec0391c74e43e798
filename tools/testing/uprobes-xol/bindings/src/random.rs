// SPDX-License-Identifier: GPL-2.0

//! Random numbers.

use crate::backend::EXPLORED;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static STATE: AtomicU64 = AtomicU64::new(0);

/// # Safety
///
/// Always safe.
pub unsafe fn get_random_u64() -> u64 {
    // SplitMix64.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    let state = STATE.fetch_add(STEP, Relaxed).wrapping_add(STEP);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Makes all numbers the same as the last time: an explorer must be able to do the same again.
pub(crate) fn forget_numbers() {
    if EXPLORED {
        STATE.store(0, Relaxed);
    }
}
