// SPDX-License-Identifier: GPL-2.0

//! Getting and leaving the slots of an area.

use super::{
    events,
    free::FreeSlots,
    gc::Collector,
    insn::Insn,
    page::SlotPage,
    queue::Queue,
    slot::Slot,
    table::Table,
    task::{Entered, Held, Task}, //
};
use kernel::{
    prelude::*,
    sync::{new_raw_spinlock, RawSpinLock}, //
};

/// Proof that the area's lock is held. An area has one `Locked`, which the lock protects.
pub(crate) struct Locked(());

impl Locked {
    /// Creates the proof, for the lock to protect.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

/// The slots of an area, and the tasks that may be in them.
#[pin_data]
pub(crate) struct Slots {
    pub(crate) table: Table,
    /// The queue is read after each step, and written only when slots run out. It is therefore not
    /// on the cache lines that the lock protects.
    #[pin]
    pub(crate) queue: Queue,
    /// The area's lock. It is raw, because an owner spins while its task is being vacated. On
    /// `PREEMPT_RT`, the holder of a [`SpinLock`](kernel::sync::SpinLock) can be preempted: an
    /// owner of higher priority on the same CPU would then spin for ever.
    ///
    /// The time for which the lock is held depends neither on the number of tasks nor on the
    /// instructions that they execute.
    #[pin]
    pub(crate) inner: RawSpinLock<Inner>,
}

/// The data that the area's lock protects.
#[repr(align(64))]
pub(crate) struct Inner {
    pub(crate) free: FreeSlots,
    pub(crate) gc: Collector,
    /// The number of pages that the area may grow to: those that are mapped.
    pub(crate) limit: usize,
    pub(crate) locked: Locked,
}

impl Inner {
    /// Gets the task into a slot that holds `insn`. If there is none, writes and offers an unused
    /// slot.
    ///
    /// Leaves `spare` unused slots to other tasks.
    fn take(
        &mut self,
        table: &Table,
        entered: &Entered<'_>,
        insn: &Insn,
        spare: usize,
    ) -> Option<Held> {
        self.enlist(entered);
        let found = table.find(entered, insn);
        if found.is_some() {
            return found;
        }
        let slot = match self.keep_retracted(table, insn) {
            Some(slot) => slot,
            None => {
                let unused = self.free.take(table, spare, &mut self.locked)?;
                table.offer(unused, insn, &mut self.locked)
            }
        };
        // No task can retract the slot, because the lock is held.
        entered.claim(slot.slot(), insn, || true)
    }
}

impl Slots {
    /// Returns an initialiser for an area with the page `first`. Slot 0 is not for tasks.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new(first: SlotPage) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            table: Table::new(first)?,
            queue <- Queue::new(),
            inner <- new_raw_spinlock!(Inner {
                free: FreeSlots::new()?,
                gc: Collector::new(),
                limit: 1,
                locked: Locked::new(),
            }, "uprobes_xol::slots"),
        })
    }

    /// Lets the area grow to `pages`.
    ///
    /// This makes no slot unused, so no waiting task is woken.
    pub(crate) fn set_limit(&self, pages: usize) {
        self.inner.lock().limit = pages;
    }

    /// Gets a slot that holds `insn`, unless tasks are in all slots and the area cannot grow.
    ///
    /// Sleeps if it needs memory, but does not wait for a slot. The current task must be the owner.
    #[cold]
    pub(crate) fn take(&self, entered: &Entered<'_>, insn: &Insn) -> Option<Held> {
        // A task that waits must not keep a slot from other tasks.
        entered.forget();
        let held = self.take_or_grow(entered, insn)?;
        // A task may wait for the slot that this task had cached. Or it may wait for a slot that
        // this task claimed too late: for a moment, this task seemed to be in that slot.
        self.queue.wake_first();
        self.wake_alike(insn);
        Some(held)
    }

    /// Waits for a slot that holds the instruction which the task wants to step.
    ///
    /// Sleeps. The current task must be the owner.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal during the wait.
    #[cold]
    pub(crate) fn wait(&self, entered: Entered<'_>) -> Result<Held> {
        let insn = &entered.insn();
        events::waits();
        let held = self
            .queue
            .wait(self.table.hasher().insn(insn).key(), |turn| {
                if turn {
                    self.try_take(&entered, insn, turn)
                } else {
                    // Only the first task in the queue collects.
                    let mut inner = self.inner.lock();
                    inner.take(&self.table, &entered, insn, spare(turn))
                }
            });
        events::waited(held.is_err());
        match held {
            Ok(_) => self.wake_alike(insn),
            Err(_) => entered.leave(),
        }
        held
    }

    /// Gets a slot that holds `insn`, unless tasks are in all slots and the area cannot grow.
    ///
    /// May sleep, but does not wait for a slot.
    fn take_or_grow(&self, entered: &Entered<'_>, insn: &Insn) -> Option<Held> {
        loop {
            let (pages, limit) = {
                let mut inner = self.inner.lock();
                let held = inner.take(&self.table, entered, insn, spare(self.queue.is_empty()));
                if held.is_some() {
                    return held;
                }
                (inner.free.pages(), inner.limit)
            };
            if pages >= limit || self.grow(pages).is_err() {
                return self.try_take(entered, insn, self.queue.is_empty());
            }
        }
    }

    /// Adds the next page, if the area is allowed to grow to the page `index`. May sleep.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] when the area has no such page, [`ENOMEM`] when there is no memory.
    pub(crate) fn grow_to(&self, index: usize) -> Result {
        let (pages, limit) = {
            let inner = self.inner.lock();
            (inner.free.pages(), inner.limit)
        };
        if index >= limit {
            return Err(EINVAL);
        }
        self.grow(pages)
    }

    /// Adds the page `index`, unless another task has done so. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn grow(&self, index: usize) -> Result {
        // At the limit of its memory cgroup, the process uses the slots that it has.
        let page = SlotPage::new(GFP_KERNEL_ACCOUNT | __GFP_NORETRY)?;
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if inner.free.pages() == index && self.table.add_page(index, page, &mut inner.locked) {
            inner.free.add_page();
            events::grown(inner.free.pages());
        }
        drop(guard);
        self.queue.wake_first();
        Ok(())
    }

    /// Gets a slot that holds `insn`, unless tasks are in all slots. The area does not grow. Does
    /// not sleep.
    ///
    /// `turn` is false if other tasks wait that must get a slot before this task. The last unused
    /// slot is then left to them.
    pub(crate) fn try_take(&self, entered: &Entered<'_>, insn: &Insn, turn: bool) -> Option<Held> {
        let mut wake = false;
        let mut inner = self.inner.lock();
        let held = loop {
            // After a collection, this task takes a slot before it releases the lock. So no other
            // task can take the slot first.
            let held = inner.take(&self.table, entered, insn, spare(turn));
            if held.is_some() || !inner.gc.begin() {
                break held;
            }
            drop(inner);
            let found;
            (inner, found) = self.collect();
            wake |= inner.gc.end() || found;
            if !found {
                break None;
            }
        };
        drop(inner);
        if wake {
            self.queue.wake_first();
        }
        held
    }

    /// Leaves the slot of `task`. The slot stays cached, unless a waiting task needs a slot.
    #[inline]
    pub(crate) fn leave(&self, task: &Task) {
        let slot = task.slot();
        task.leave();
        self.moved(slot);
    }

    /// Hands over `slot`, which the current task has left, if a task waits. The current task has
    /// executed a full barrier since it left the slot.
    #[inline]
    pub(crate) fn moved(&self, slot: Option<Slot>) {
        // A waiting task executes a full barrier, too, when it joins the queue. So either this task
        // sees the waiting task in the queue, or the waiting task sees that this task is not in the
        // slot (litmus/leave-wait.litmus, litmus/move-wait.litmus).
        if !self.queue.is_empty() {
            self.hand_over(slot);
        }
    }

    /// Recycles `slot` if no task is in it, and wakes the first task in the queue.
    ///
    /// The first task in the queue could recycle the slot itself. But a task that hits probes at a
    /// high rate would be in the slot again before that.
    #[cold]
    fn hand_over(&self, slot: Option<Slot>) {
        // A task that had no slot cached has none to hand over.
        let Some(slot) = slot else {
            return;
        };
        let mut inner = self.inner.lock();
        if inner.free.unused() == 0 {
            if !inner.gc.begin() {
                // The collector wakes the first task when it has finished.
                return;
            }
            drop(inner);
            let found;
            (inner, found) = self.collect_slot(slot);
            if !inner.gc.end() && !found {
                // Other tasks are in the slot. They do this when they leave it.
                return;
            }
        }
        drop(inner);
        self.queue.wake_first();
    }

    /// Wakes all tasks that wait for a slot with `insn`: there is one now.
    fn wake_alike(&self, insn: &Insn) {
        self.queue
            .wake_alike(|| self.table.hasher().insn(insn).key());
    }

    /// Evicts `task`, whose owner exits. Does not wait for other tasks.
    ///
    /// Afterwards the area does not refer to `task`. The slot keeps its instruction, for other
    /// tasks.
    ///
    /// # Safety
    ///
    /// No other area has `task` on its list of tasks.
    pub(crate) unsafe fn evict(&self, task: &Task) {
        // SAFETY: By the function's requirements.
        unsafe { self.inner.lock().evict(task) };
        self.queue.wake_first();
    }
}

/// The number of unused slots that a task must not take: one if other tasks come before it.
fn spare(turn: bool) -> usize {
    usize::from(!turn)
}
