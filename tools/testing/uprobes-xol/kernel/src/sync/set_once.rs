// SPDX-License-Identifier: GPL-2.0

//! A value that is set once.
//!
//! The host's: what it orders is not what the slot layer relies on.

use std::sync::OnceLock;

/// A value, or none yet.
pub struct SetOnce<T>(OnceLock<T>);

impl<T> SetOnce<T> {
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub fn as_ref(&self) -> Option<&T> {
        self.0.get()
    }

    pub fn populate(&self, value: T) -> bool {
        self.0.set(value).is_ok()
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}
