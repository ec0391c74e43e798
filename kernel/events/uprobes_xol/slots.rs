// SPDX-License-Identifier: GPL-2.0

//! How tasks get slots of an area, and leave them.

use super::{
    boost::BoostedSlots,
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

/// Proof that the area's lock is held: the lock protects the only one of an area.
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
    /// Read on every hit, and written only when slots run out: apart from what the lock protects.
    #[pin]
    pub(crate) queue: Queue,
    /// The area's lock. Raw, because an owner spins while its slot is being taken away. A
    /// [`SpinLock`](kernel::sync::SpinLock) lets its holder be preempted on `PREEMPT_RT`, and an
    /// owner of higher priority on the same CPU would then spin for ever.
    ///
    /// How long it is held does not depend on the number of tasks, nor on what they execute.
    #[pin]
    pub(crate) inner: RawSpinLock<Inner>,
}

/// The data that the area's lock protects.
#[repr(align(64))]
pub(crate) struct Inner {
    pub(crate) free: FreeSlots,
    pub(crate) boosted: BoostedSlots,
    pub(crate) gc: Collector,
    /// Pages that are mapped, and that the area may grow to.
    pub(crate) limit: usize,
    pub(crate) locked: Locked,
}

impl Inner {
    /// Gets the task into a slot that holds `insn`, or is made to.
    ///
    /// Leaves `spare` of the unused slots to other tasks.
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
        // No task retracts it without the lock.
        entered.claim(slot.slot(), insn, || true)
    }
}

impl Slots {
    /// Returns an initialiser for an area with one page, whose first slot is not for tasks.
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
                boosted: BoostedSlots::new()?,
                gc: Collector::new(),
                limit: 1,
                locked: Locked::new(),
            }, "uprobes_xol::slots"),
        })
    }

    /// Lets the area grow to `pages`.
    ///
    /// There is no unused slot more for that: a task that waits goes on to do so.
    pub(crate) fn set_limit(&self, pages: usize) {
        self.inner.lock().limit = pages;
    }

    /// Gets a slot that holds `insn`, unless tasks are in all slots that there can be.
    ///
    /// Sleeps if it needs memory, but does not wait for a slot. The current task must be the owner.
    #[cold]
    pub(crate) fn take(&self, entered: &Entered<'_>, insn: &Insn) -> Option<Held> {
        // A task that waits must not keep a slot from other tasks.
        entered.forget();
        let held = self.take_or_grow(entered, insn)?;
        // A task may wait for the slot that this one had, or for one that this task claimed too
        // late and seemed to be in for a moment.
        self.queue.wake_first();
        self.wake_alike(insn);
        Some(held)
    }

    /// Waits for a slot that holds what the task wants to execute.
    ///
    /// Sleeps. The current task must be the owner.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal meanwhile.
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
                    // Only the first task looks for slots that no task is in.
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

    /// Gets a slot that holds `insn`, unless tasks are in all slots that there can be.
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

    /// Adds the page `index`, unless another task has done so. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn grow(&self, index: usize) -> Result {
        // At the limit of its memory cgroup the process goes on with the slots that it has.
        let page = SlotPage::new(GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN)?;
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if inner.free.pages() == index && self.table.add_page(index, page, &mut inner.locked) {
            inner.free.add_page();
            inner.allow_boosting(&self.table);
            events::grown(inner.free.pages());
        }
        drop(guard);
        self.queue.wake_first();
        Ok(())
    }

    /// Gets a slot that holds `insn`, unless tasks are in all slots that there are. Does not sleep.
    ///
    /// A task whose `turn` it is not, because others wait, leaves the last unused slot to them.
    pub(crate) fn try_take(&self, entered: &Entered<'_>, insn: &Insn, turn: bool) -> Option<Held> {
        let mut wake = false;
        let mut inner = self.inner.lock();
        let held = loop {
            // This task takes what it collected before other tasks see it.
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

    /// Leaves the slot of `task`, which stays cached unless a task waits for one.
    #[inline]
    pub(crate) fn leave(&self, task: &Task) {
        let slot = task.slot();
        task.leave();
        self.moved(slot);
    }

    /// The current task is not in `slot` any more, and did a full barrier after it was.
    #[inline]
    pub(crate) fn moved(&self, slot: Option<Slot>) {
        // To enqueue is a full barrier, too. So either this task sees the other one in the queue,
        // or that one sees that no task is in the slot (litmus/leave-wait.litmus,
        // litmus/move-wait.litmus).
        if !self.queue.is_empty() {
            self.hand_over(slot);
        }
    }

    /// Makes `slot` unused for the tasks that wait, if no task is in it, and wakes the first.
    ///
    /// The first task could find the slot by itself. But a task that hits probes at a high rate
    /// would be back in the slot each time before the other one looks.
    #[cold]
    fn hand_over(&self, slot: Option<Slot>) {
        // A task that had no slot leaves none.
        let Some(slot) = slot else {
            return;
        };
        let mut inner = self.inner.lock();
        if inner.free.unused() == 0 {
            if !inner.gc.begin() {
                // The collector wakes the first task.
                return;
            }
            drop(inner);
            let found;
            (inner, found) = self.collect_slot(slot);
            if !inner.gc.end() && !found {
                // Other tasks are in the slot, and hand it over when they leave it.
                return;
            }
        }
        drop(inner);
        self.queue.wake_first();
    }

    /// Wakes all tasks that wait for `insn`, for which there is a slot now.
    fn wake_alike(&self, insn: &Insn) {
        self.queue
            .wake_alike(|| self.table.hasher().insn(insn).key());
    }

    /// The owner of `task` is gone. Does not wait for other tasks.
    ///
    /// Afterwards the area does not refer to `task`. Its slot keeps the instruction, for others.
    pub(crate) fn evict(&self, task: &Task) {
        self.inner.lock().evict(task);
        self.queue.wake_first();
    }
}

/// The unused slots that a task leaves to those that wait, unless it is its turn.
pub(crate) fn spare(turn: bool) -> usize {
    usize::from(!turn)
}
