// SPDX-License-Identifier: GPL-2.0

//! RCU Tasks Trace.

/// Waits for a grace period.
pub fn synchronize() {
    bindings::Rcu::TasksTrace.synchronize();
}
