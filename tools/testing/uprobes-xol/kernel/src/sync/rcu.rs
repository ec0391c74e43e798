// SPDX-License-Identifier: GPL-2.0

//! Read-copy-update.

/// There are no readers.
pub fn synchronize_rcu() {
    bindings::backend::thread::yield_now();
}
