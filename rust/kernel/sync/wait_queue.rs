// SPDX-License-Identifier: GPL-2.0

//! A wait queue for conditions that no lock protects.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::LockClassKey;
use crate::{
    current,
    ffi::{c_int, c_uint, c_void},
    prelude::*,
    sync::atomic::{atomic_load, Relaxed},
    task::{might_sleep, TASK_NORMAL},
    types::Opaque,
};
use core::{marker::PhantomPinned, num::NonZeroUsize, pin::Pin, ptr};

/// Creates a [`WaitQueue`] initialiser with the given name and a newly-created lock class.
#[macro_export]
macro_rules! new_wait_queue {
    ($($name:literal)?) => {
        $crate::sync::WaitQueue::new(
            $crate::optional_name!($($name)?), $crate::static_lock_class!())
    };
}
pub use new_wait_queue;

/// A queue of tasks that wait for a condition to come true.
///
/// Exposes the kernel's [`struct wait_queue_head`] for a condition that is *not* protected by one
/// lock. If one lock protects the condition, use a [`CondVar`]. The condition of a wait queue is a
/// closure, which reads atomics or takes a lock itself. A task that makes the condition true may
/// first check whether any task waits.
///
/// All waiters are exclusive: [`wake_one`](WaitQueue::wake_one) wakes the first waiter that sleeps.
/// A waiter keeps its place until it leaves the queue. Each waiter has a key. [`wake_all`] wakes
/// all waiters with a given key, wherever they are in the queue.
///
/// A waiter that leaves the queue does not wake another waiter. If a waiter is killed after an
/// event has woken it, the other waiters miss the event, except if the caller wakes one of them.
///
/// # Looking before waking
///
/// [`is_active`] is a plain load. A task may change the condition and skip the wake-up if no task
/// waits. It needs a full barrier between the change and the check:
///
/// ```text
/// waker                                waiter
///   change the condition                 enqueue
///   full barrier                         full barrier (in the wait)
///   is_active()?                         check the condition
/// ```
///
/// Without the barrier, the waker may not see the waiter, and the waiter may not see the change:
/// the wake-up is lost. The barrier may be part of the change, as in an [`Atomic::xchg`] that is
/// [`Full`]. Instead of the barrier, both the change and the condition may take the same lock.
///
/// # Examples
///
/// ```
/// use core::num::NonZeroUsize;
/// use kernel::sync::{
///     atomic::{Atomic, Full},
///     new_wait_queue, WaitQueue,
/// };
///
/// #[pin_data]
/// struct Token {
///     free: Atomic<bool>,
///     #[pin]
///     waiters: WaitQueue,
/// }
///
/// impl Token {
///     fn new() -> impl PinInit<Self> {
///         pin_init!(Self {
///             free: Atomic::new(true),
///             waiters <- new_wait_queue!(),
///         })
///     }
///
///     fn take(&self) -> Result {
///         let taken = self.waiters.wait_killable(NonZeroUsize::MIN, |_first| {
///             self.free.xchg(false, Full).then_some(())
///         });
///         if taken.is_err() {
///             // This task may have been woken before it was killed.
///             self.waiters.wake_one();
///         }
///         taken
///     }
///
///     fn give_back(&self) {
///         self.free.xchg(true, Full);
///         if self.waiters.is_active() {
///             self.waiters.wake_one();
///         }
///     }
/// }
///
/// let token = KBox::pin_init(Token::new(), GFP_KERNEL)?;
/// token.take()?;
/// assert!(!token.waiters.is_active());
/// token.give_back();
/// token.take()?;
/// # Ok::<(), Error>(())
/// ```
///
/// [`Atomic::xchg`]: super::atomic::Atomic::xchg
/// [`CondVar`]: super::CondVar
/// [`Full`]: super::atomic::Full
/// [`is_active`]: WaitQueue::is_active
/// [`wake_all`]: WaitQueue::wake_all
/// [`struct wait_queue_head`]: srctree/include/linux/wait.h
#[pin_data]
pub struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,

    /// The head is a list that points to itself when empty.
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: `struct wait_queue_head` may be used from any thread.
unsafe impl Send for WaitQueue {}

// SAFETY: `struct wait_queue_head` carries its own lock and may be used by several threads at once.
unsafe impl Sync for WaitQueue {}

/// An entry of the queue. C passes the address of `entry`, which must be that of the whole `Entry`.
///
/// # Invariants
///
/// All entries that are enqueued in a [`WaitQueue`] are of this type, with [`wake_matching`] as
/// their function.
#[repr(C)]
struct Entry {
    entry: bindings::wait_queue_entry,
    key: NonZeroUsize,
}

/// Wakes the task of `entry` if `key` is null, or equal to the key of the entry.
///
/// # Safety
///
/// `entry` is that of an [`Entry`]; the queue's lock is held.
unsafe extern "C" fn wake_matching(
    entry: *mut bindings::wait_queue_entry,
    mode: c_uint,
    flags: c_int,
    key: *mut c_void,
) -> c_int {
    // SAFETY: By the safety requirements.
    let own = unsafe { (*entry.cast::<Entry>()).key };
    if !key.is_null() && key.addr() != own.get() {
        return 0;
    }
    // The entry keeps its place until the task leaves the queue. `autoremove_wake_function()` would
    // remove it: a task that comes later would then find an empty queue, and could use up the event
    // before this task runs.
    //
    // SAFETY: By the safety requirements.
    unsafe { bindings::default_wake_function(entry, mode, flags, key) }
}

impl WaitQueue {
    /// Constructs a new wait queue initialiser.
    pub fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            _pin: PhantomPinned,
            // SAFETY: `slot` is valid while the closure is called and both `name` and `key` have
            // static lifetimes so they live indefinitely.
            head <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr())
            }),
        })
    }

    /// Returns whether a task waits.
    ///
    /// Takes no lock and orders nothing: see [the type's documentation](Self#looking-before-waking)
    /// for the barrier that a waker needs. Any context.
    #[inline]
    pub fn is_active(&self) -> bool {
        // SAFETY: `head` was initialised by the constructor; reading it without its lock is what
        // `waitqueue_active()` is for.
        unsafe { bindings::waitqueue_active(self.head.get()) != 0 }
    }

    /// Wakes the first waiter that sleeps, if any.
    ///
    /// Takes the queue's own spinlock; may be called in any context in which a
    /// [`SpinLock`](super::SpinLock) may be taken.
    pub fn wake_one(&self) {
        // SAFETY: `head` was initialised by the constructor.
        unsafe { bindings::__wake_up(self.head.get(), TASK_NORMAL, 1, ptr::null_mut()) };
    }

    /// Wakes all waiters that have this `key`.
    ///
    /// Takes the queue's own spinlock; may be called in any context in which a
    /// [`SpinLock`](super::SpinLock) may be taken.
    pub fn wake_all(&self, key: NonZeroUsize) {
        let key = ptr::without_provenance_mut(key.get());
        // SAFETY: `head` was initialised by the constructor; the entries compare the key only.
        unsafe { bindings::__wake_up(self.head.get(), TASK_NORMAL, 0, key) };
    }

    /// Waits until `condition` returns a value, and returns that value.
    ///
    /// Calls `condition` after the task was enqueued, and after each wake-up. The argument of
    /// `condition` is whether the task is the first in the queue. [`wake_all`](Self::wake_all)
    /// finds the task by `key`.
    ///
    /// When `condition` is called, the task's state is already set for sleeping: `condition` must
    /// not sleep. This function sleeps, so it needs process context without spinlocks held.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal before the condition came true. Other signals do
    /// not end the wait.
    pub fn wait_killable<T>(
        &self,
        key: NonZeroUsize,
        mut condition: impl FnMut(bool) -> Option<T>,
    ) -> Result<T> {
        might_sleep();

        let task = current!().as_ptr();
        let storage = Opaque::<Entry>::uninit();
        let entry = storage.get().cast::<bindings::wait_queue_entry>();

        // INVARIANT: An `Entry` with its function.
        //
        // SAFETY: `entry` begins an `Entry` and is valid for writes.
        unsafe {
            bindings::init_wait_entry(entry, 0);
            (*entry).func = Some(wake_matching);
            (&raw mut (*storage.get()).key).write(key);
        }

        let result = loop {
            // SAFETY: `head` and `entry` are initialised, and `entry` is taken off the queue below,
            // before it goes out of scope.
            unsafe {
                bindings::prepare_to_wait_exclusive(
                    self.head.get(),
                    entry,
                    bindings::TASK_KILLABLE as c_int,
                )
            };
            if let Some(value) = condition(self.is_first(entry)) {
                break Ok(value);
            }
            // SAFETY: Process context; the entry makes sure that a wake-up finds this task.
            unsafe { bindings::schedule() };
            // SAFETY: `task` is the current task.
            if unsafe { bindings::fatal_signal_pending(task) } != 0 {
                break Err(EINTR);
            }
        };

        // SAFETY: Both are initialised; afterwards nothing refers to `entry`.
        unsafe { bindings::finish_wait(self.head.get(), entry) };
        result
    }

    /// Returns whether `entry` is the first of the queue. Does not take the queue's lock, so the
    /// answer may be out of date.
    fn is_first(&self, entry: *mut bindings::wait_queue_entry) -> bool {
        // SAFETY: `head` was initialised by the constructor. Other tasks change the link under the
        // queue's lock, by a store that is not torn (`__list_add()`, `__list_del()`).
        let first = unsafe { atomic_load(&raw mut (*self.head.get()).head.next, Relaxed) };
        // SAFETY: `entry` is valid. Only its address is used.
        ptr::eq(first, unsafe { &raw mut (*entry).entry })
    }
}
