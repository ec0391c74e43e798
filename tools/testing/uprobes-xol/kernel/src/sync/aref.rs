// SPDX-License-Identifier: GPL-2.0

//! References to what counts itself.

use std::ops::Deref;

/// A counted reference.
pub struct ARef<T>(pub(crate) T);

impl<T: Clone> From<&T> for ARef<T> {
    fn from(value: &T) -> Self {
        Self(value.clone())
    }
}

impl<T> Deref for ARef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
