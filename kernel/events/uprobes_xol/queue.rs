// SPDX-License-Identifier: GPL-2.0

//! The queue of tasks that wait for a slot.
//!
//! A task that finds no slot waits until another task leaves one. The first task in the queue has
//! its *turn*: only this waiting task collects. The other waiting tasks wait for their turn, or for
//! a slot with their instruction, which they can share.
//!
//! A task keeps its place until it leaves the queue. It then wakes the task that has become the
//! first. So no wake-up is lost if a task was woken and killed.

use core::num::NonZeroUsize;
use kernel::{
    prelude::*,
    sync::{new_wait_queue, WaitQueue}, //
};

/// The queue of tasks that wait for a slot of an area.
#[pin_data]
pub(crate) struct Queue {
    #[pin]
    tasks: WaitQueue,
}

impl Queue {
    /// Returns an initialiser of an empty queue.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            tasks <- new_wait_queue!("uprobes_xol::queue"),
        })
    }

    /// Returns whether no task waits.
    ///
    /// Takes no lock and orders nothing. A caller that has made a slot available needs a full
    /// barrier before this call, except if it did so under the area's lock. A waiting task looks
    /// for slots under that lock, too. If it looks before the change, the caller sees it in the
    /// queue. If it looks after the change, it sees the change (litmus/evict-wait.litmus).
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.tasks.is_active()
    }

    /// Wakes the first task, if any.
    pub(crate) fn wake_first(&self) {
        if !self.is_empty() {
            self.tasks.wake_one();
        }
    }

    /// Wakes all tasks that wait for an instruction with this `key`. Does not compute the key if
    /// the queue is empty.
    pub(crate) fn wake_alike(&self, key: impl FnOnce() -> NonZeroUsize) {
        if !self.is_empty() {
            self.tasks.wake_all(key());
        }
    }

    /// Waits until `find` returns a slot, and returns that.
    ///
    /// Calls `find` when the task is in the queue, and after each wake-up. The argument of `find`
    /// is whether it is the task's turn. `find` must not sleep. [`wake_alike`](Self::wake_alike)
    /// finds the task by `key`.
    ///
    /// Sleeps. The caller holds no spinlock.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal before there was a slot.
    pub(crate) fn wait<T>(
        &self,
        key: NonZeroUsize,
        find: impl FnMut(bool) -> Option<T>,
    ) -> Result<T> {
        let found = self.tasks.wait_killable(key, find);
        // The event that woke this task may have made several slots available. Or this task may
        // have been killed before it could use the slot.
        self.wake_first();
        found
    }
}
