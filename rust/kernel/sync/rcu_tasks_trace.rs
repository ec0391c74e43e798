// SPDX-License-Identifier: GPL-2.0

//! RCU Tasks Trace.
//!
//! C header: [`include/linux/rcupdate_trace.h`](srctree/include/linux/rcupdate_trace.h)

use crate::bindings;

/// Waits for a grace period of RCU Tasks Trace: until each read-side section that was running at
/// the call has ended.
///
/// Sleeps. A full barrier lies between the call and the end of each such section. Another one lies
/// between that end and the return. A section that begins later sees what the caller wrote before
/// the call.
///
/// # Examples
///
/// ```
/// use kernel::sync::rcu_tasks_trace;
///
/// // After readers cannot find an object any more:
/// rcu_tasks_trace::synchronize();
/// // No reader still uses the object.
/// ```
#[inline]
pub fn synchronize() {
    // SAFETY: The structure is static, and initialised at compile time.
    unsafe { bindings::synchronize_srcu(&raw mut bindings::rcu_tasks_trace_srcu_struct) };
}
