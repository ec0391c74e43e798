// SPDX-License-Identifier: GPL-2.0

//! Grace periods of RCU Tasks Trace.

/// A grace period that is polled.
#[derive(Clone, Copy)]
pub struct GracePeriod(usize);

impl GracePeriod {
    pub fn start() -> Self {
        Self(bindings::start_grace())
    }

    pub fn is_over(self) -> bool {
        bindings::grace_is_over(self.0)
    }
}
