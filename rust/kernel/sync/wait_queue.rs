// SPDX-License-Identifier: GPL-2.0

//! A wait queue for conditions that no lock protects.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::LockClassKey;
use crate::{
    current,
    ffi::c_int,
    prelude::*,
    str::{CStr, CStrExt as _},
    task::TASK_NORMAL,
    types::Opaque,
};
use core::{marker::PhantomPinned, pin::Pin, ptr};

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
/// lock, which is where it differs from [`CondVar`]: the condition is a closure, usually made of
/// atomics or of a lock that it takes itself, and whoever makes it true may first look whether
/// anybody waits at all.
///
/// All waiters of a queue wait for the same condition, in turn: one event wakes one of them, a
/// waiter keeps its place until it leaves, and wakes the next one when it does. So a waiter that is
/// killed after it was woken does not take the event with it. The condition is told whether it is
/// the waiter's turn; a newcomer, whose turn it is not, can thus leave to those who came first what
/// they were woken for.
///
/// # Looking before waking
///
/// [`is_active`] is a plain load. A task that changes what a condition reads and then skips the
/// wake-up because nobody seems to wait needs a full barrier in between:
///
/// ```text
/// waker                                waiter
///   change the condition                 enqueue
///   full barrier                         full barrier (in the wait)
///   is_active()?                         ask for the condition
/// ```
///
/// Without it both can miss each other, and the wake-up is lost. The barrier may be part of the
/// change, as in an [`Atomic::xchg`] that is [`Full`], or come from a lock that the condition takes
/// too.
///
/// # Examples
///
/// ```
/// use kernel::sync::{
///     atomic::{Atomic, Full},
///     new_wait_queue, WaitQueue,
/// };
///
/// #[pin_data]
/// struct Token {
///     free: Atomic<u32>,
///     #[pin]
///     waiters: WaitQueue,
/// }
///
/// impl Token {
///     fn new() -> impl PinInit<Self> {
///         pin_init!(Self {
///             free: Atomic::new(1),
///             waiters <- new_wait_queue!(),
///         })
///     }
///
///     fn take(&self) -> Result {
///         self.waiters
///             .wait_killable(|_turn| (self.free.xchg(0, Full) == 1).then_some(()))
///     }
///
///     fn give_back(&self) {
///         self.free.xchg(1, Full);
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

    /// Returns whether somebody waits.
    ///
    /// Takes no lock and orders nothing: see [the type's documentation](Self#looking-before-waking)
    /// for what a waker owes. May be called in any context.
    #[inline]
    pub fn is_active(&self) -> bool {
        // SAFETY: `head` was initialised by the constructor; reading it without its lock is what
        // `waitqueue_active()` is for.
        unsafe { bindings::waitqueue_active(self.head.get()) != 0 }
    }

    /// Wakes the waiter that has slept longest, if any.
    ///
    /// Takes the queue's own spinlock; may be called in any context in which a
    /// [`SpinLock`](super::SpinLock) may be taken.
    pub fn wake_one(&self) {
        // SAFETY: `head` was initialised by the constructor.
        unsafe { bindings::__wake_up(self.head.get(), TASK_NORMAL, 1, ptr::null_mut()) };
    }

    /// Waits until `condition` returns a value, and returns that value.
    ///
    /// `condition` is called after the task was enqueued, and again whenever it was woken. Its
    /// argument tells whether it is the task's turn: it came to an empty queue, or was woken.
    ///
    /// `condition` is called with the task's state already set for sleeping: it must not sleep.
    /// This function itself may, and thus needs process context without spinlocks held.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal before the condition came true. Other signals do
    /// not end the wait.
    pub fn wait_killable<T>(&self, mut condition: impl FnMut(bool) -> Option<T>) -> Result<T> {
        let task = current!().as_ptr();
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();

        // `default_wake_function()` leaves a woken entry where it is, so that its place is kept
        // until the task leaves; after `autoremove_wake_function()` a newcomer would find an empty
        // queue, and take what the task was woken for.
        //
        // SAFETY: `entry` is valid for writes, and `task`, the current one, outlives it.
        unsafe { bindings::init_waitqueue_entry(entry.get(), task) };

        let enqueue = || {
            // SAFETY: `head` and `entry` are initialised, and `entry` is taken off the queue below,
            // before it goes out of scope.
            unsafe {
                bindings::prepare_to_wait_exclusive(
                    self.head.get(),
                    entry.get(),
                    bindings::TASK_KILLABLE as c_int,
                )
            }
        };

        let mut turn = enqueue();
        let result = loop {
            if let Some(value) = condition(turn) {
                break Ok(value);
            }
            // SAFETY: `task` is the current task.
            if unsafe { bindings::fatal_signal_pending(task) } != 0 {
                break Err(EINTR);
            }
            // SAFETY: Process context; the entry makes sure that a wake-up finds this task.
            unsafe { bindings::schedule() };
            enqueue();
            turn = true;
        };

        // SAFETY: Both are initialised; afterwards nothing refers to `entry`.
        unsafe { bindings::finish_wait(self.head.get(), entry.get()) };

        // The event that woke this task may serve the next one too, or this task died before it
        // could use it.
        if self.is_active() {
            self.wake_one();
        }
        result
    }
}
