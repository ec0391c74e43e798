// SPDX-License-Identifier: GPL-2.0

//! A kernel raw spinlock.
//!
//! This module allows Rust code to use the kernel's `raw_spinlock_t`.

use super::*;

/// Creates a [`RawSpinLock`] initialiser with the given name and a newly-created lock class.
///
/// It uses the name if one is given, otherwise it generates one based on the file name and line
/// number.
#[macro_export]
macro_rules! new_raw_spinlock {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::RawSpinLock::new(
            $inner, $crate::optional_name!($($name)?), $crate::static_lock_class!())
    };
}
pub use new_raw_spinlock;

/// A raw spinlock.
///
/// Exposes the kernel's [`raw_spinlock_t`]. It differs from [`SpinLock`] on `PREEMPT_RT` only:
/// there a [`SpinLock`] is a sleeping lock, while a [`RawSpinLock`] still spins, with preemption
/// disabled. Use it only where code must not sleep even on `PREEMPT_RT`. The critical section must
/// be short and bounded, and must not sleep. On `PREEMPT_RT` it must therefore neither take a
/// [`SpinLock`] nor allocate memory. In all other places, use a [`SpinLock`].
///
/// The lock does not disable interrupts. Do not use this type for a lock that an interrupt handler
/// takes, too.
///
/// Instances of [`RawSpinLock`] need a lock class and to be pinned. The recommended way to create
/// such instances is with the [`pin_init`](pin_init::pin_init) and [`new_raw_spinlock`] macros.
///
/// # Examples
///
/// A struct (`Pool`) that hands out numbers, protected by a raw spinlock because a task may ask
/// for one with preemption disabled:
///
/// ```
/// use kernel::sync::{new_raw_spinlock, RawSpinLock};
///
/// struct Inner {
///     next: u32,
///     end: u32,
/// }
///
/// #[pin_data]
/// struct Pool {
///     #[pin]
///     inner: RawSpinLock<Inner>,
/// }
///
/// impl Pool {
///     fn new(end: u32) -> impl PinInit<Self> {
///         pin_init!(Self {
///             inner <- new_raw_spinlock!(Inner { next: 0, end }),
///         })
///     }
///
///     fn take(&self) -> Option<u32> {
///         let mut inner = self.inner.lock();
///         if inner.next == inner.end {
///             return None;
///         }
///         inner.next += 1;
///         Some(inner.next - 1)
///     }
/// }
///
/// let pool = KBox::pin_init(Pool::new(2), GFP_KERNEL)?;
/// assert_eq!(pool.take(), Some(0));
/// assert_eq!(pool.take(), Some(1));
/// assert_eq!(pool.take(), None);
/// # Ok::<(), Error>(())
/// ```
///
/// The guard gives access to the protected data. [`Lock::try_lock`] returns a guard without
/// waiting:
///
/// ```
/// use kernel::sync::new_raw_spinlock;
/// use pin_init::stack_pin_init;
///
/// stack_pin_init! {
///     let lock = new_raw_spinlock!(1)
/// }
///
/// *lock.lock() += 1;
/// assert_eq!(lock.try_lock().map(|guard| *guard), Some(2));
/// ```
///
/// [`raw_spinlock_t`]: srctree/include/linux/spinlock.h
/// [`SpinLock`]: super::spinlock::SpinLock
pub type RawSpinLock<T> = Lock<T, RawSpinLockBackend>;

/// A kernel `raw_spinlock_t` lock backend.
pub struct RawSpinLockBackend;

/// A [`Guard`] acquired from locking a [`RawSpinLock`].
///
/// This is simply a type alias for a [`Guard`] returned from locking a [`RawSpinLock`]. It will
/// unlock the [`RawSpinLock`] upon being dropped.
pub type RawSpinLockGuard<'a, T> = Guard<'a, T, RawSpinLockBackend>;

// SAFETY: The underlying kernel `raw_spinlock_t` object ensures mutual exclusion. `relock` uses
// the default implementation that always calls the same locking method.
unsafe impl Backend for RawSpinLockBackend {
    type State = bindings::raw_spinlock_t;
    type GuardState = ();

    #[inline]
    unsafe fn init(
        ptr: *mut Self::State,
        name: *const crate::ffi::c_char,
        key: *mut bindings::lock_class_key,
    ) {
        // SAFETY: The safety requirements ensure that `ptr` is valid for writes, and `name` and
        // `key` are valid for read indefinitely.
        unsafe { bindings::raw_spin_lock_init(ptr, name, key) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: The safety requirements of this function ensure that `ptr` points to valid
        // memory, and that it has been initialised before.
        unsafe { bindings::raw_spin_lock(ptr) }
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: The safety requirements of this function ensure that `ptr` is valid and that the
        // caller is the owner of the raw spinlock.
        unsafe { bindings::raw_spin_unlock(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        // SAFETY: The safety requirements of this function ensure that `ptr` points to valid
        // memory, and that it has been initialised before.
        let locked = unsafe { bindings::raw_spin_trylock(ptr) };

        (locked != 0).then_some(())
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: The safety requirements of this function ensure that `ptr` points to valid
        // memory, and that it has been initialised before.
        unsafe { bindings::raw_spin_assert_is_held(ptr) }
    }
}
