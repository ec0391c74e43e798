// SPDX-License-Identifier: GPL-2.0

//! Atomics, under the kernel's rules as far as C11's can tell them.
//!
//! - A read-modify-write that is [`Full`] has full barriers before and after it.
//! - One that fails orders nothing.

use bindings::{backend, publish, smp_mb__after_atomic, smp_mb__before_atomic, use_at};
use std::{
    marker::PhantomData,
    sync::{
        atomic::Ordering::{self as Std, AcqRel},
        Mutex, OnceLock, PoisonError,
    },
};

pub struct Relaxed;
pub struct Acquire;
pub struct Release;
pub struct Full;

/// Any ordering.
pub trait Ordering {
    /// What a read-modify-write that succeeds is, apart from full barriers.
    const RMW: Std;
    const FULL: bool = false;
}

pub trait AcquireOrRelaxed: Ordering {}
pub trait ReleaseOrRelaxed: Ordering {}

impl Ordering for Relaxed {
    const RMW: Std = Std::Relaxed;
}

impl Ordering for Acquire {
    const RMW: Std = Std::Acquire;
}

impl Ordering for Release {
    const RMW: Std = Std::Release;
}

impl Ordering for Full {
    const RMW: Std = AcqRel;
    const FULL: bool = true;
}

impl AcquireOrRelaxed for Relaxed {}
impl AcquireOrRelaxed for Acquire {}
impl ReleaseOrRelaxed for Relaxed {}
impl ReleaseOrRelaxed for Release {}

/// Reads what C writes.
///
/// # Safety
///
/// `from` is valid for reads. What is written meanwhile is volatile.
pub unsafe fn atomic_load<T, O: AcquireOrRelaxed>(from: *mut T, _: O) -> T {
    // SAFETY: By the function's requirements.
    unsafe { from.read_volatile() }
}

/// A type that can be an atomic: as large as its representation.
///
/// # Safety
///
/// As for the kernel's.
pub unsafe trait AtomicType: Sized + Copy {
    type Repr: AtomicImpl;

    /// Others can get at what this leads to from now on.
    fn publish(self) {}
}

/// An integer that the backend has an atomic for.
pub trait AtomicImpl: Copy + PartialEq + Default + 'static {
    type Backend: 'static;

    fn backend(self) -> Self::Backend;
    /// Where the zeroes are that [`make_zeroes`] made.
    fn zeroes() -> &'static Mutex<Vec<Self::Backend>>;
    fn load(backend: &Self::Backend, order: Std) -> Self;
    fn store(self, backend: &Self::Backend, order: Std);
    fn swap(self, backend: &Self::Backend, order: Std) -> Self;
    fn compare_exchange(self, new: Self, backend: &Self::Backend, order: Std)
        -> Result<Self, Self>;
}

macro_rules! atomic_impl {
    ($($repr:ty => $backend:ident for $($value:ty)+;)*) => {$(
        impl AtomicImpl for $repr {
            type Backend = backend::$backend;

            fn backend(self) -> Self::Backend {
                backend::$backend::new(self)
            }

            fn zeroes() -> &'static Mutex<Vec<Self::Backend>> {
                static ZEROES: Mutex<Vec<backend::$backend>> = Mutex::new(Vec::new());
                &ZEROES
            }

            fn load(backend: &Self::Backend, order: Std) -> Self {
                backend.load(order)
            }

            fn store(self, backend: &Self::Backend, order: Std) {
                backend.store(self, order)
            }

            fn swap(self, backend: &Self::Backend, order: Std) -> Self {
                backend.swap(self, order)
            }

            fn compare_exchange(
                self,
                new: Self,
                backend: &Self::Backend,
                order: Std,
            ) -> Result<Self, Self> {
                backend.compare_exchange(self, new, order, Std::Relaxed)
            }
        }

        $(
            // SAFETY: As large, and each of its values is one of the representation.
            unsafe impl AtomicType for $value {
                type Repr = $repr;
            }
        )+
    )*};
}

atomic_impl! {
    i8 => AtomicI8 for bool;
    i32 => AtomicI32 for u32 i32;
    isize => AtomicIsize for usize u64;
}

macro_rules! atomic_pointer {
    ($($pointer:ty)*) => {$(
        // SAFETY: As large, and each of its values is one of the representation.
        unsafe impl<T> AtomicType for $pointer {
            type Repr = isize;

            fn publish(self) {
                publish(self.addr(), size_of::<T>());
            }
        }
    )*};
}

atomic_pointer!(*const T *mut T);

fn repr_of<T: AtomicType>(value: T) -> T::Repr {
    // SAFETY: By the trait's requirements.
    unsafe { std::mem::transmute_copy(&value) }
}

/// # Safety
///
/// `repr` comes from a `T`.
unsafe fn value_of<T: AtomicType>(repr: T::Repr) -> T {
    // SAFETY: By the function's and the trait's requirements.
    unsafe { std::mem::transmute_copy(&repr) }
}

/// Makes what atomics that are zero at first are made of, as if before all threads.
///
/// Otherwise the first access makes them, which loom takes for one that the accesses of other
/// threads have to be ordered with.
pub fn make_zeroes() {
    fn make<T: AtomicImpl>() {
        const NUMBER: usize = 128;

        let mut zeroes = T::zeroes().lock().unwrap_or_else(PoisonError::into_inner);
        *zeroes = (0..NUMBER).map(|_| T::default().backend()).collect();
    }
    make::<i32>();
    make::<isize>();
}

/// A value that several threads may access at once.
pub struct Atomic<T: AtomicType> {
    initial: T::Repr,
    /// Made at the first access, because loom's cannot be made in a constant.
    backend: OnceLock<<T::Repr as AtomicImpl>::Backend>,
    _type: PhantomData<fn() -> T>,
}

impl<T: AtomicType> Atomic<T> {
    pub const fn new(value: T) -> Self {
        /// Two names for the same bits.
        union Cast<T: Copy, R: Copy> {
            value: T,
            repr: R,
        }

        Self {
            // SAFETY: By the requirements of `AtomicType`.
            initial: unsafe { Cast { value }.repr },
            backend: OnceLock::new(),
            _type: PhantomData,
        }
    }

    fn backend(&self) -> &<T::Repr as AtomicImpl>::Backend {
        use_at(std::ptr::from_ref(self).addr());
        self.backend.get_or_init(|| {
            let made = || {
                T::Repr::zeroes()
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop()
            };
            let is_zero = self.initial == T::Repr::default();
            let zero = is_zero.then(made).flatten();
            zero.unwrap_or_else(|| self.initial.backend())
        })
    }

    pub fn load<O: AcquireOrRelaxed>(&self, _: O) -> T {
        let repr = T::Repr::load(self.backend(), O::RMW);
        // SAFETY: Only a `T` is ever stored, here and below.
        unsafe { value_of(repr) }
    }

    pub fn store<O: ReleaseOrRelaxed>(&self, value: T, _: O) {
        value.publish();
        repr_of(value).store(self.backend(), O::RMW);
    }

    pub fn xchg<O: Ordering>(&self, value: T, _: O) -> T {
        let backend = self.backend();
        if O::FULL {
            smp_mb__before_atomic();
        }
        let old = repr_of(value).swap(backend, O::RMW);
        if O::FULL {
            smp_mb__after_atomic();
        }
        // SAFETY: See `load`.
        unsafe { value_of(old) }
    }

    pub fn cmpxchg<O: Ordering>(&self, old: T, new: T, _: O) -> Result<T, T> {
        let backend = self.backend();
        if O::FULL {
            smp_mb__before_atomic();
        }
        let result = repr_of(old).compare_exchange(repr_of(new), backend, O::RMW);
        if O::FULL && result.is_ok() {
            smp_mb__after_atomic();
        }
        // SAFETY: See `load`.
        let value = |repr| unsafe { value_of(repr) };
        result.map(value).map_err(value)
    }
}
