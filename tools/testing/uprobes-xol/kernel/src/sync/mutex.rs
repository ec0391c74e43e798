// SPDX-License-Identifier: GPL-2.0

//! The lock that sleeps.

use crate::{
    error::Result,
    init::{Closure, PinInit},
};
use bindings::{
    backend::{self, MutexGuard},
    might_sleep, model,
};

/// A lock and what it protects.
pub struct Mutex<T>(backend::Mutex<T>);

/// Creates a [`Mutex`] initialiser.
#[macro_export]
macro_rules! new_mutex {
    ($inner:expr $(, $name:literal)?) => {
        $crate::sync::Mutex::new($inner)
    };
}

impl<T> Mutex<T> {
    pub fn new<E>(inner: impl PinInit<T, E>) -> impl PinInit<Self, E> {
        Closure::new(move || -> Result<Self, E> {
            Ok(Self(backend::Mutex::new(inner.initialise()?)))
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        might_sleep();
        model::count_lock();
        self.0.lock().unwrap()
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        model::count_lock();
        self.0.try_lock().ok()
    }
}
