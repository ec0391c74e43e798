// SPDX-License-Identifier: GPL-2.0

//! Atomics, locks and threads: those of loom, of shuttle, or of the host.

#[cfg(feature = "loom")]
mod imp {
    pub use loom::{
        cell::UnsafeCell,
        hint::spin_loop,
        sync::{
            atomic::{fence, AtomicI32, AtomicI8, AtomicIsize, AtomicUsize},
            Condvar, Mutex, MutexGuard,
        },
        thread, thread_local,
    };
}

#[cfg(all(feature = "shuttle", not(feature = "loom")))]
mod imp {
    pub use super::cell::UnsafeCell;
    pub use shuttle::{
        hint::spin_loop,
        sync::{
            atomic::{fence, AtomicI32, AtomicI8, AtomicIsize, AtomicUsize},
            Condvar, Mutex, MutexGuard,
        },
        thread, thread_local,
    };
}

#[cfg(not(any(feature = "loom", feature = "shuttle")))]
mod imp {
    pub use super::cell::UnsafeCell;
    pub use std::{
        hint::spin_loop,
        sync::{
            atomic::{fence, AtomicI32, AtomicI8, AtomicIsize, AtomicUsize},
            Condvar, Mutex, MutexGuard,
        },
        thread, thread_local,
    };
}

pub use imp::*;

/// Whether schedules are explored.
pub(crate) const EXPLORED: bool = cfg!(any(feature = "loom", feature = "shuttle"));

#[cfg(not(feature = "loom"))]
mod cell {
    /// Loom's interface, without its checks.
    #[derive(Default)]
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
