// SPDX-License-Identifier: GPL-2.0

//! The kernel's tick counter.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use super::Jiffies;
use crate::sync::atomic::{atomic_load, Relaxed};

/// Returns the number of ticks since some moment around boot. Any context.
///
/// The number wraps around. Do not compare two numbers: compare their difference with 0.
///
/// # Examples
///
/// ```
/// use kernel::time::{jiffies, msecs_to_jiffies};
///
/// let end = jiffies::now().wrapping_add(msecs_to_jiffies(100_000));
/// let left = end.wrapping_sub(jiffies::now()) as isize;
/// assert!(left > 0);
/// ```
#[inline]
pub fn now() -> Jiffies {
    // SAFETY: `jiffies` is always valid. It may change at any time, by a store of a whole word: C
    // reads it without a lock, too.
    unsafe { atomic_load(&raw mut bindings::jiffies, Relaxed) }
}
