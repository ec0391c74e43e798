// SPDX-License-Identifier: GPL-2.0

//! Who has which slot of an area: the free ones, the list of tasks that hold one, and the queue of
//! those who wait for one.

use super::{
    slot::{Slot, SLOT_COUNT},
    task::{GcLocked, Held, Task},
};
use kernel::{
    bitmap::BitmapVec,
    list::{List, ListArc},
    prelude::*,
    sync::{new_raw_spinlock, new_wait_queue, ArcBorrow, RawSpinLock, WaitQueue},
    warn_on, //
};

/// Tasks that are asked for their slot before the lock is given up for a moment, so that the time
/// for which it is held does not grow with the number of slots.
const RECYCLE_BATCH: usize = 32;

/// The slots of an area and the tasks that hold them.
#[pin_data]
pub(crate) struct Gc {
    /// Read on every hit, written only when slots run out: apart from what the lock protects.
    #[pin]
    waiters: WaitQueue,
    /// Raw, because slots are recycled by tasks that are about to return to user space at an
    /// instruction boundary; what is done under it is bounded by [`RECYCLE_BATCH`].
    #[pin]
    inner: RawSpinLock<Inner>,
}

/// What the GC lock protects.
///
/// # Invariants
///
/// - A slot's bit is set in `used` if and only if a task in `holders` has that slot, or it is slot
///   0, or the lock's holder is about to give the slot to a task or to clear the bit.
/// - `holding` is the length of `holders`.
#[repr(align(64))]
struct Inner {
    used: BitmapVec,
    holders: List<Task>,
    holding: usize,
    locked: GcLocked,
}

impl Inner {
    /// Takes a slot that no task has.
    fn take_free(&mut self) -> Option<Slot> {
        let number = self.used.next_zero_bit(0)?;
        self.used.set_bit(number);
        Slot::new(number as u32)
    }

    /// Takes a slot from a task that does not use it now, those who got theirs first asked first.
    ///
    /// Asks at most `left` tasks, and at most a batch, and subtracts from `left` those it asked.
    fn recycle(&mut self, left: &mut usize) -> Option<Slot> {
        for _ in 0..RECYCLE_BATCH.min(*left) {
            *left -= 1;
            let task = self.holders.pop_front()?;
            if let Some(slot) = task.recycle(&mut self.locked) {
                // INVARIANT: The slot's bit stays set for the caller; the task is off the list.
                self.holding -= 1;
                return Some(slot);
            }
            self.holders.push_back(task);
        }
        None
    }

    /// Gives `slot` to a task that is in use and has none.
    fn assign<'a>(&mut self, task: &'a ArcBorrow<'_, Task>, slot: Slot) -> Held<'a> {
        // INVARIANT: The slot's bit is set, and the task, from now on its holder, on the list.
        match ListArc::try_from_arc_borrow(*task) {
            Some(item) => {
                self.holders.push_back(item);
                self.holding += 1;
            }
            // It is on the list already, with a slot that it then loses. Cannot be.
            None => _ = warn_on!(true),
        }
        task.assign(slot, &mut self.locked)
    }

    /// Takes `task` off the list and frees the slot that it had.
    fn free(&mut self, task: &Task, slot: Slot) {
        // SAFETY: A task belongs to one process, and is only ever put on the list of that process's
        // area, which is this one.
        if unsafe { self.holders.remove(task) }.is_some() {
            self.holding -= 1;
        }
        // INVARIANT: The slot's holder is off the list.
        self.used.clear_bit(slot.number() as usize);
    }
}

impl Gc {
    /// Returns an initialiser in which all slots but the trampoline's are free.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory for the bitmap cannot be had.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            waiters <- new_wait_queue!("uprobes_xol::waiters"),
            inner <- new_raw_spinlock!({
                let mut used = BitmapVec::new(SLOT_COUNT, GFP_KERNEL)?;
                used.set_bit(0);
                // INVARIANT: Only the trampoline's bit is set, and no task is on the list.
                Inner { used, holders: List::new(), holding: 0, locked: GcLocked::new() }
            }, "uprobes_xol::gc"),
        })
    }

    /// Gets a slot for a task that is in use and has none.
    ///
    /// Sleeps when all slots are in use. The current task must be the owner of `task`.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal while it waited for a slot. It is then not in use
    /// any more.
    #[cold]
    pub(crate) fn take<'a>(&self, task: &'a ArcBorrow<'_, Task>) -> Result<Held<'a>> {
        // Those who wait came first.
        if !self.waiters.is_active() {
            if let Some(held) = self.try_take(task) {
                return Ok(held);
            }
        }
        self.waiters
            .wait_killable(|| self.try_take(task))
            .inspect_err(|_| task.leave())
    }

    /// Gets a free slot, or one that is not in use now, for a task that is in use and has none.
    ///
    /// Does not sleep.
    pub(crate) fn try_take<'a>(&self, task: &'a ArcBorrow<'_, Task>) -> Option<Held<'a>> {
        let mut inner = self.inner.lock();
        let mut left = inner.holding;
        loop {
            if let Some(slot) = inner.take_free().or_else(|| inner.recycle(&mut left)) {
                return Some(inner.assign(task, slot));
            }
            if left == 0 {
                return None;
            }
            drop(inner);
            inner = self.inner.lock();
        }
    }

    /// Leaves the slot of `task`, which stays cached unless somebody waits for one.
    #[inline]
    pub(crate) fn leave(&self, task: &Task) {
        task.leave();
        // `leave` is a full barrier, and so is enqueuing: either we see the waiter here, or it sees
        // that our slot is idle.
        if self.waiters.is_active() {
            self.hand_over(task);
        }
    }

    /// Gives the slot of `task`, which left it, to those who wait.
    ///
    /// Leaving it idle would be enough for them to recycle it, but a task that hits probes at a
    /// high rate would be back in its slot each time before they are.
    #[cold]
    fn hand_over(&self, task: &Task) {
        let mut inner = self.inner.lock();
        if let Some(slot) = task.recycle(&mut inner.locked) {
            inner.free(task, slot);
        }
        drop(inner);
        self.waiters.wake_one();
    }

    /// Takes the slot of `task`, which will not enter one any more, and frees it.
    ///
    /// Afterwards the area does not refer to `task`.
    pub(crate) fn evict(&self, task: &Task) {
        let mut inner = self.inner.lock();
        if let Some(slot) = task.evict(&mut inner.locked) {
            inner.free(task, slot);
        }
        drop(inner);
        // No barrier is needed: a waiter looks for free slots under the lock. If it did so before
        // us, we see it in the queue; otherwise it sees the slot.
        if self.waiters.is_active() {
            self.waiters.wake_one();
        }
    }

    /// The number of slots that tasks hold, in use or not.
    #[cfg(CONFIG_UPROBES_XOL_RUST_KUNIT_TEST)]
    pub(crate) fn holding(&self) -> usize {
        self.inner.lock().holding
    }
}
