// SPDX-License-Identifier: GPL-2.0

//! Barriers beside atomic operations.

use crate::backend::fence;
use std::sync::atomic::{compiler_fence, Ordering::SeqCst};

/// x86's atomic read-modify-writes are full barriers by themselves. An explorer does not know that.
const IMPLIED: bool =
    cfg!(target_arch = "x86_64") && !cfg!(any(feature = "loom", feature = "shuttle"));

/// Makes a full barrier of an atomic read-modify-write that follows, with what went before it.
#[allow(non_snake_case)]
#[inline]
pub fn smp_mb__before_atomic() {
    if IMPLIED {
        compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}

/// Makes a full barrier of an atomic read-modify-write that went before, with what follows.
#[allow(non_snake_case)]
#[inline]
pub fn smp_mb__after_atomic() {
    smp_mb__before_atomic();
}
