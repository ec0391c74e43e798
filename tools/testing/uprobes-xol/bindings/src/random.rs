// SPDX-License-Identifier: GPL-2.0

//! Random numbers.

use std::{
    ffi::c_void,
    slice,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Whether all numbers are the same each time, because an explorer must be able to do the same
/// again.
const EXPLORED: bool = cfg!(any(feature = "loom", feature = "shuttle"));

/// # Safety
///
/// `buffer` is valid for writes of `length` bytes.
pub unsafe fn get_random_bytes(buffer: *mut c_void, length: usize) {
    static STATE: AtomicU64 = AtomicU64::new(1);

    // SAFETY: By the function's requirements.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let mut state = if EXPLORED {
        1
    } else {
        STATE.fetch_add(1, Relaxed)
    };
    for byte in buffer {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        *byte = (mixed >> 56) as u8;
    }
}
