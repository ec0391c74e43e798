// SPDX-License-Identifier: GPL-2.0

//! Grace periods of RCU Tasks Trace.
//!
//! C header: [`include/linux/rcupdate_trace.h`](srctree/include/linux/rcupdate_trace.h)

use crate::{bindings, ffi::c_ulong};

/// A grace period that is polled, not waited for.
///
/// When the grace period is over, each read-side section of RCU Tasks Trace that was running at its
/// start has ended.
///
/// # Examples
///
/// ```
/// use kernel::sync::rcu_tasks_trace::GracePeriod;
///
/// let grace = GracePeriod::start();
/// // Later, and maybe again and again:
/// if grace.is_over() {
///     // No reader that started before the grace period is still reading.
/// }
/// ```
///
/// # Invariants
///
/// The cookie was returned by `start_poll_synchronize_srcu()` for `rcu_tasks_trace_srcu_struct`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracePeriod(c_ulong);

impl GracePeriod {
    /// Starts a grace period. Does not sleep.
    ///
    /// A full barrier comes before the start. The caller must not hold a raw spinlock, because this
    /// takes spinlocks of SRCU.
    #[inline]
    pub fn start() -> Self {
        // SAFETY: The structure is static, and initialised at compile time.
        let cookie = unsafe {
            bindings::start_poll_synchronize_srcu(&raw mut bindings::rcu_tasks_trace_srcu_struct)
        };
        // INVARIANT: The cookie comes from that function.
        Self(cookie)
    }

    /// Returns whether the grace period is over. If it is, a full barrier lies between its end and
    /// the return. Any context.
    #[inline]
    pub fn is_over(self) -> bool {
        // SAFETY: The structure is static, and by the type invariants the cookie belongs to it.
        unsafe {
            bindings::poll_state_synchronize_srcu(
                &raw mut bindings::rcu_tasks_trace_srcu_struct,
                self.0,
            )
        }
    }
}
