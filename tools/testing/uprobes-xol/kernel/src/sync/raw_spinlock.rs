// SPDX-License-Identifier: GPL-2.0

//! The raw spinlock: a lock that does not sleep, as far as others can tell.

use super::LockClassKey;
use crate::{
    error::Result,
    init::{Closure, PinInit},
};
use bindings::{
    backend::{Mutex, MutexGuard},
    raw_lock_released, raw_lock_taken,
};
use std::{
    ffi::CStr,
    ops::{Deref, DerefMut},
    pin::Pin,
};

/// A lock and what it protects.
pub struct RawSpinLock<T>(Mutex<T>);

/// The lock is held.
pub struct RawSpinLockGuard<'a, T>(MutexGuard<'a, T>);

// SAFETY: As for the kernel's.
unsafe impl<T: Send> Send for RawSpinLock<T> {}

// SAFETY: As for the kernel's.
unsafe impl<T: Send> Sync for RawSpinLock<T> {}

/// Creates a [`RawSpinLock`] initialiser.
#[macro_export]
macro_rules! new_raw_spinlock {
    ($inner:expr $(, $name:literal)?) => {
        $crate::sync::RawSpinLock::new(
            $inner,
            $crate::optional_name!($($name)?),
            $crate::static_lock_class!(),
        )
    };
}

impl<T> RawSpinLock<T> {
    pub fn new<E>(
        inner: impl PinInit<T, E>,
        _name: &'static CStr,
        _key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self, E> {
        Closure::new(move || -> Result<Self, E> { Ok(Self(Mutex::new(inner.initialise()?))) })
    }

    pub fn lock(&self) -> RawSpinLockGuard<'_, T> {
        let guard = self.0.lock().unwrap();
        raw_lock_taken();
        RawSpinLockGuard(guard)
    }
}

impl<T> Drop for RawSpinLockGuard<'_, T> {
    fn drop(&mut self) {
        raw_lock_released();
    }
}

impl<T> Deref for RawSpinLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for RawSpinLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
