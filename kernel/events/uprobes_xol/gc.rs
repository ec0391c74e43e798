// SPDX-License-Identifier: GPL-2.0

//! Who has which slot of an area: the free ones, the list of tasks that hold one, and the queue of
//! those who wait for one.

use super::{
    slot::{Slot, SLOT_COUNT},
    task::{GcLocked, Held, Task, Vacant},
};
use kernel::{
    bitmap::BitmapVec,
    list::{List, ListArc},
    prelude::*,
    sync::{new_raw_spinlock, new_wait_queue, RawSpinLock, WaitQueue},
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
    /// Raw, because an owner spins while its slot is being recycled: were the recycler preempted
    /// then, which a [`SpinLock`](kernel::sync::SpinLock) allows on `PREEMPT_RT`, an owner of
    /// higher priority on the same CPU would spin forever.
    #[pin]
    inner: RawSpinLock<Inner>,
}

/// What the GC lock protects.
///
/// # Invariants
///
/// - A slot's bit is set in `used` if and only if a task in `holders` has that slot, or it is slot
///   0, or the lock's holder is about to give the slot to a task or to clear the bit.
/// - `holding` is the length of `holders`, and the number of bits set without slot 0's.
#[repr(align(64))]
struct Inner {
    used: BitmapVec,
    holders: List<Task>,
    holding: usize,
    locked: GcLocked,
}

impl Inner {
    /// The number of slots that no task has.
    fn free_count(&self) -> usize {
        SLOT_COUNT - 1 - self.holding
    }

    /// Takes a slot that no task has, if there are more than `spare`.
    fn take_free(&mut self, spare: usize) -> Option<Slot> {
        if self.free_count() <= spare {
            return None;
        }
        let number = self.used.next_zero_bit(0)?;
        let slot = Slot::new(number as u32)?;
        self.used.set_bit(number);
        Some(slot)
    }

    /// Takes a slot from a task that does not use it now. The tasks are asked in turn.
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

    /// Gives `slot` to a task that needs one.
    fn assign<'a>(&mut self, vacant: Vacant<'a>, slot: Slot) -> Held<'a> {
        // INVARIANT: The slot's bit is set, and the task, from now on its holder, on the list. It
        // was not on it before: a task without a slot never is while nobody holds the lock.
        match ListArc::try_from_arc_borrow(vacant.task()) {
            Some(item) => {
                self.holders.push_back(item);
                self.holding += 1;
            }
            None => _ = warn_on!(true),
        }
        vacant.assign(slot, &mut self.locked)
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

    /// Gets a slot for a task that needs one.
    ///
    /// Sleeps when all slots are in use. The current task must be the owner.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal while it waited for a slot.
    #[cold]
    pub(crate) fn take<'a>(&self, vacant: Vacant<'a>) -> Result<Held<'a>> {
        let mut vacant = match self.try_take(vacant, !self.waiters.is_active()) {
            Ok(held) => return Ok(held),
            Err(vacant) => Some(vacant),
        };
        let held = self.waiters.wait_killable(|turn| {
            match self.try_take(vacant.take()?, turn) {
                Ok(held) => return Some(held),
                Err(still) => vacant = Some(still),
            }
            None
        });
        if let Some(vacant) = vacant {
            vacant.leave();
        }
        held
    }

    /// Gets a free slot, or one that is not in use now, for a task that needs one.
    ///
    /// A task whose `turn` it is not, because others wait, leaves the last free slot to them.
    ///
    /// Does not sleep.
    pub(crate) fn try_take<'a>(
        &self,
        vacant: Vacant<'a>,
        turn: bool,
    ) -> Result<Held<'a>, Vacant<'a>> {
        let spare = if turn { 0 } else { 1 };
        let mut inner = self.inner.lock();
        let mut left = inner.holding;
        loop {
            if let Some(slot) = inner.take_free(spare).or_else(|| inner.recycle(&mut left)) {
                return Ok(inner.assign(vacant, slot));
            }
            if left == 0 {
                return Err(vacant);
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
        // that our slot is idle (litmus/leave-wait.litmus).
        if self.waiters.is_active() {
            self.hand_over(task);
        }
    }

    /// Makes sure that there is a free slot for those who wait, and wakes the first of them.
    ///
    /// That the slot of `task` is idle would be enough for them to recycle it, but a task that hits
    /// probes at a high rate would be back in its slot each time before they are.
    #[cold]
    fn hand_over(&self, task: &Task) {
        let mut inner = self.inner.lock();
        if inner.free_count() == 0 {
            if let Some(slot) = task.recycle(&mut inner.locked) {
                inner.free(task, slot);
            }
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
        // us, we see it in the queue; otherwise it sees the slot (litmus/evict-wait.litmus).
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
