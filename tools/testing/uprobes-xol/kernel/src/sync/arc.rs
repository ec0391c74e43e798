// SPDX-License-Identifier: GPL-2.0

//! References that are counted.
//!
//! The counts are the host's: what they order is not what the slot layer relies on.

use crate::{
    error::Result,
    init::{Flags, InPlaceInit, PinInit},
};
use std::ops::Deref;

/// A counted reference.
pub struct Arc<T>(std::sync::Arc<T>);

impl<T> Arc<T> {
    pub fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        ArcBorrow(self)
    }

    /// How many references there are. For tests.
    pub fn count(&self) -> usize {
        std::sync::Arc::strong_count(&self.0)
    }
}

impl<T> InPlaceInit<T> for Arc<T> {
    type Pinned = Self;

    fn try_pin_init<E>(init: impl PinInit<T, E>, _: Flags) -> Result<Self, E> {
        Ok(Self(std::sync::Arc::new(init.make()?)))
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A reference to what is counted.
pub struct ArcBorrow<'a, T>(&'a Arc<T>);

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
        borrow.0.clone()
    }
}
