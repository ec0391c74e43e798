// SPDX-License-Identifier: GPL-2.0

//! Initialisers: functions that make a value.
//!
//! What they make is moved to its place. Nothing here minds: no model has pointers to itself.

use crate::error::{AllocError, Error, Result};
use std::{
    convert::Infallible,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{BitOr, Deref, DerefMut},
    pin::Pin,
};

/// An initialiser of a `T`.
pub trait PinInit<T, E = Infallible>: Sized {
    /// Makes the value.
    fn initialise(self) -> Result<T, E>;
}

impl<T> PinInit<T> for T {
    fn initialise(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

#[doc(hidden)]
pub struct Closure<F, T, E>(F, PhantomData<fn() -> (T, E)>);

impl<F: FnOnce() -> Result<T, E>, T, E> Closure<F, T, E> {
    pub fn new(f: F) -> Self {
        Self(f, PhantomData)
    }

    /// Goes on with the value.
    pub fn chain(self, more: impl FnOnce(&mut T) -> Result<(), E>) -> impl PinInit<T, E> {
        Closure::new(move || {
            let mut value = self.initialise()?;
            more(&mut value)?;
            Ok(value)
        })
    }
}

impl<F: FnOnce() -> Result<T, E>, T, E> PinInit<T, E> for Closure<F, T, E> {
    fn initialise(self) -> Result<T, E> {
        (self.0)()
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __init {
    // All fields are done.
    ($error:ty, $this:ident, [$($done:tt)*]) => {
        $crate::init::Closure::<_, $this, $error>::new(move || Ok($this { $($done)* }))
    };
    ($error:ty, $this:ident, [$($done:tt)*] $field:ident <- $init:expr $(, $($rest:tt)*)?) => {
        $crate::__init!($error, $this, [
            $($done)* $field: $crate::init::PinInit::initialise($init)?,
        ] $($($rest)*)?)
    };
    ($error:ty, $this:ident, [$($done:tt)*] $field:ident: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__init!($error, $this, [$($done)* $field: $value,] $($($rest)*)?)
    };
    ($error:ty, $this:ident, [$($done:tt)*] $field:ident $(, $($rest:tt)*)?) => {
        $crate::__init!($error, $this, [$($done)* $field,] $($($rest)*)?)
    };
}

/// An initialiser of a struct that cannot fail.
#[macro_export]
macro_rules! pin_init {
    ($this:ident { $($fields:tt)* }) => {
        $crate::__init!(::core::convert::Infallible, $this, [] $($fields)*)
    };
}

/// An initialiser of a struct.
#[macro_export]
macro_rules! try_pin_init {
    ($this:ident { $($fields:tt)* }) => {
        $crate::__init!($crate::error::Error, $this, [] $($fields)*)
    };
}

/// The same here.
#[macro_export]
macro_rules! try_init {
    ($($init:tt)*) => {
        $crate::try_pin_init!($($init)*)
    };
}

/// Allocation flags.
#[derive(Clone, Copy)]
pub struct Flags(());

pub const GFP_KERNEL: Flags = Flags(());
pub const GFP_KERNEL_ACCOUNT: Flags = Flags(());
pub const __GFP_ZERO: Flags = Flags(());
pub const __GFP_NORETRY: Flags = Flags(());

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, _: Self) -> Self {
        self
    }
}

/// Smart pointers that are made of an initialiser.
pub trait InPlaceInit<T>: Sized {
    type Pinned;

    fn try_pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self::Pinned, E>;

    fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self::Pinned>
    where
        Error: From<E>,
    {
        Ok(Self::try_pin_init(init, flags)?)
    }
}

/// An initialiser of an array whose elements `make_init` initialises.
pub fn init_array_from_fn<I, const N: usize, T, E>(
    mut make_init: impl FnMut(usize) -> I,
) -> impl PinInit<[T; N], E>
where
    I: PinInit<T, E>,
{
    Closure::new(move || {
        let elements: Result<Vec<T>, E> = (0..N).map(|i| make_init(i).initialise()).collect();
        Ok(elements?.try_into().unwrap_or_else(|_| unreachable!()))
    })
}

/// Owns a value on the heap.
pub struct KBox<T>(ManuallyDrop<Box<T>>);

impl<T> InPlaceInit<T> for KBox<T> {
    type Pinned = Pin<Self>;

    fn try_pin_init<E>(init: impl PinInit<T, E>, _: Flags) -> Result<Pin<Self>, E> {
        let boxed = Self(ManuallyDrop::new(Box::new(init.initialise()?)));
        // SAFETY: There is no way to the box from here on.
        Ok(unsafe { Pin::new_unchecked(boxed) })
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        if !bindings::free(std::ptr::from_ref(&**self).addr()) {
            // SAFETY: Not used again.
            unsafe { ManuallyDrop::drop(&mut self.0) };
        }
    }
}

/// The same on the host.
pub type KVBox<T> = KBox<T>;

impl<T> KBox<T> {
    pub fn init<E>(init: impl PinInit<T, E>, _: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        bindings::might_sleep();
        Ok(Self(ManuallyDrop::new(Box::new(init.initialise()?))))
    }

    pub fn try_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        Self::init(init, flags)
    }

    pub fn new(value: T, _: Flags) -> Result<Self, AllocError> {
        bindings::might_sleep();
        Ok(Self(ManuallyDrop::new(Box::new(value))))
    }
}

/// A vector.
pub struct KVec<T>(Vec<T>);

/// The same on the host.
pub type KVVec<T> = KVec<T>;

impl<T> KVec<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn from_elem(value: T, number: usize, _: Flags) -> Result<Self>
    where
        T: Clone,
    {
        Ok(Self(vec![value; number]))
    }

    pub fn with_capacity(capacity: usize, _: Flags) -> Result<Self> {
        bindings::might_sleep();
        Ok(Self(Vec::with_capacity(capacity)))
    }

    pub fn push(&mut self, value: T, _: Flags) -> Result {
        self.0.push(value);
        Ok(())
    }

    pub fn reserve(&mut self, additional: usize, _: Flags) -> Result {
        bindings::might_sleep();
        self.0.reserve(additional);
        Ok(())
    }

    pub fn push_within_capacity(&mut self, value: T) -> Result<(), T> {
        if self.0.len() == self.0.capacity() {
            return Err(value);
        }
        self.0.push(value);
        Ok(())
    }
}

impl<T> Default for KVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bindings::use_at(std::ptr::from_ref(self).addr());
        &self.0
    }
}
