// SPDX-License-Identifier: GPL-2.0

//! References that are counted.
//!
//! The counts are the host's: what they order is not what the slot layer relies on.

use crate::{
    error::Result,
    init::{Flags, InPlaceInit, PinInit},
};
use std::ops::Deref;

pub use std::sync::Arc;

/// The kernel's methods that the host's type does not have.
pub trait ArcExt<T> {
    fn as_arc_borrow(&self) -> ArcBorrow<'_, T>;
}

impl<T> ArcExt<T> for Arc<T> {
    fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        ArcBorrow(self)
    }
}

impl<T> InPlaceInit<T> for Arc<T> {
    type Pinned = Self;

    fn try_pin_init<E>(init: impl PinInit<T, E>, _: Flags) -> Result<Self, E> {
        Ok(Self::new(init.initialise()?))
    }
}

/// A reference to what is counted.
pub struct ArcBorrow<'a, T>(&'a T);

impl<T> ArcBorrow<'_, T> {
    /// # Safety
    ///
    /// `ptr` comes from [`Arc::into_raw`], and is counted while the result is used.
    pub unsafe fn from_raw(ptr: *const T) -> Self {
        // SAFETY: By the function's requirements.
        Self(unsafe { &*ptr })
    }
}

impl<T> Clone for ArcBorrow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ArcBorrow<'_, T> {}

impl<T> Deref for ArcBorrow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

impl<T> From<ArcBorrow<'_, T>> for Arc<T> {
    fn from(borrow: ArcBorrow<'_, T>) -> Self {
        // SAFETY: What is borrowed is counted.
        unsafe {
            Self::increment_strong_count(borrow.0);
            Self::from_raw(borrow.0)
        }
    }
}
