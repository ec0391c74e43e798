// SPDX-License-Identifier: GPL-2.0

//! Types.

use crate::{
    error::Result,
    init::{Closure, PinInit},
};
use std::{cell::UnsafeCell, convert::Infallible, mem::MaybeUninit};

/// A value of C's.
#[repr(transparent)]
pub struct Opaque<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Opaque<T> {
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(MaybeUninit::new(value)))
    }

    pub const fn uninit() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    pub const fn zeroed() -> Self {
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }

    pub const fn get(&self) -> *mut T {
        self.0.get().cast()
    }

    /// An initialiser that lets C do it.
    pub fn ffi_init(init: impl FnOnce(*mut T)) -> impl PinInit<Self> {
        Closure::new(move || -> Result<Self, Infallible> {
            let value = Self::uninit();
            init(value.get());
            Ok(value)
        })
    }
}
