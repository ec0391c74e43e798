// SPDX-License-Identifier: GPL-2.0

//! Atomics, under the kernel's rules as far as C11's can tell them.
//!
//! - A read-modify-write that is [`Full`] has full barriers before and after it.
//! - One that fails orders nothing.

use bindings::{backend, smp_mb__after_atomic, smp_mb__before_atomic};
use std::sync::{
    atomic::Ordering::{self as Std, AcqRel},
    Mutex, OnceLock, PoisonError,
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

/// A type that the backend has an atomic for.
pub trait AtomicType: Copy {
    type Repr: 'static;

    fn repr(self) -> Self::Repr;
    /// Where the zeroes are that [`make_zeroes`] made.
    fn zeroes() -> &'static Mutex<Vec<Self::Repr>>;
    fn is_zero(self) -> bool;
    fn load(repr: &Self::Repr, order: Std) -> Self;
    fn store(self, repr: &Self::Repr, order: Std);
    fn swap(self, repr: &Self::Repr, order: Std) -> Self;
    fn compare_exchange(self, new: Self, repr: &Self::Repr, order: Std) -> Result<Self, Self>;
}

macro_rules! atomic_type {
    ($($value:ty => $repr:ident)*) => {$(
        impl AtomicType for $value {
            type Repr = backend::$repr;

            fn repr(self) -> Self::Repr {
                backend::$repr::new(self)
            }

            fn zeroes() -> &'static Mutex<Vec<Self::Repr>> {
                static ZEROES: Mutex<Vec<backend::$repr>> = Mutex::new(Vec::new());
                &ZEROES
            }

            fn is_zero(self) -> bool {
                self == <$value>::default()
            }

            fn load(repr: &Self::Repr, order: Std) -> Self {
                repr.load(order)
            }

            fn store(self, repr: &Self::Repr, order: Std) {
                repr.store(self, order)
            }

            fn swap(self, repr: &Self::Repr, order: Std) -> Self {
                repr.swap(self, order)
            }

            fn compare_exchange(
                self,
                new: Self,
                repr: &Self::Repr,
                order: Std,
            ) -> Result<Self, Self> {
                repr.compare_exchange(self, new, order, Std::Relaxed)
            }
        }
    )*};
}

atomic_type! {
    bool => AtomicBool
    u32 => AtomicU32
    usize => AtomicUsize
}

/// Makes what atomics that are zero at first are made of, as if before all threads.
///
/// Otherwise the first access makes them, which loom takes for one that the accesses of other
/// threads have to be ordered with.
pub fn make_zeroes() {
    fn make<T: AtomicType + Default>() {
        const NUMBER: usize = 128;

        let mut zeroes = T::zeroes().lock().unwrap_or_else(PoisonError::into_inner);
        *zeroes = (0..NUMBER).map(|_| T::default().repr()).collect();
    }
    make::<u32>();
    make::<usize>();
}

/// A value that several threads may access at once.
pub struct Atomic<T: AtomicType> {
    initial: T,
    /// Made at the first access, because loom's cannot be made in a constant.
    repr: OnceLock<T::Repr>,
}

impl<T: AtomicType> Atomic<T> {
    pub const fn new(value: T) -> Self {
        Self {
            initial: value,
            repr: OnceLock::new(),
        }
    }

    fn repr(&self) -> &T::Repr {
        self.repr.get_or_init(|| {
            let made = || {
                T::zeroes()
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop()
            };
            let zero = self.initial.is_zero().then(made).flatten();
            zero.unwrap_or_else(|| self.initial.repr())
        })
    }

    pub fn load<O: AcquireOrRelaxed>(&self, _: O) -> T {
        T::load(self.repr(), O::RMW)
    }

    pub fn store<O: ReleaseOrRelaxed>(&self, value: T, _: O) {
        value.store(self.repr(), O::RMW);
    }

    pub fn xchg<O: Ordering>(&self, value: T, _: O) -> T {
        let repr = self.repr();
        if O::FULL {
            smp_mb__before_atomic();
        }
        let old = value.swap(repr, O::RMW);
        if O::FULL {
            smp_mb__after_atomic();
        }
        old
    }

    pub fn cmpxchg<O: Ordering>(&self, old: T, new: T, _: O) -> Result<T, T> {
        let repr = self.repr();
        if O::FULL {
            smp_mb__before_atomic();
        }
        let result = old.compare_exchange(new, repr, O::RMW);
        if O::FULL && result.is_ok() {
            smp_mb__after_atomic();
        }
        result
    }
}
