// SPDX-License-Identifier: GPL-2.0

//! RCU.

use bindings::{Rcu, Section};

/// Begins a read-side section, which ends when the result is dropped.
pub fn read_lock() -> Section {
    Rcu::Classic.read()
}

/// Waits for a grace period.
pub fn synchronize_rcu() {
    Rcu::Classic.synchronize();
}
