// SPDX-License-Identifier: GPL-2.0

//! Synchronisation.

pub mod atomic;

pub mod aref;

mod arc;
mod mutex;
mod raw_spinlock;
pub mod rcu;
pub mod rcu_tasks_trace;
mod set_once;

/// The kernel's own file.
#[path = "../../../../../rust/kernel/sync/wait_queue.rs"]
mod wait_queue;

pub use crate::new_raw_spinlock;
pub use arc::{Arc, ArcBorrow, ArcExt};
pub use mutex::Mutex;
pub use raw_spinlock::{RawSpinLock, RawSpinLockGuard};
pub use set_once::SetOnce;
pub use wait_queue::{new_wait_queue, WaitQueue};

use std::pin::Pin;

/// Lockdep's name for the locks that are made in one place.
pub struct LockClassKey(bindings::lock_class_key);

impl LockClassKey {
    #[doc(hidden)]
    pub const fn new() -> Self {
        Self(bindings::lock_class_key::new())
    }

    pub fn as_ptr(self: Pin<&'static Self>) -> *mut bindings::lock_class_key {
        std::ptr::from_ref(&self.get_ref().0).cast_mut()
    }
}

impl Default for LockClassKey {
    fn default() -> Self {
        Self::new()
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! static_lock_class {
    () => {{
        static CLASS: $crate::sync::LockClassKey = $crate::sync::LockClassKey::new();
        ::core::pin::Pin::static_ref(&CLASS)
    }};
}
