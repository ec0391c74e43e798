// SPDX-License-Identifier: GPL-2.0

//! The collector, which recycles slots that no task is in.
//!
//! The collector retracts a batch of slots and then checks all tasks. A slot that a task is in is
//! offered again. The other slots of the batch are recycled. The collector releases the area's lock
//! several times, so that the time for which it is held does not grow with the number of tasks.

use super::{
    batch::Batch,
    events,
    insn::Insn,
    page::SlotRef,
    slot::{Slot, SLOT_COUNT},
    slots::{Inner, Slots},
    table::Table,
    task::{Entered, Task}, //
};
use kernel::{
    list::{List, ListArc},
    sync::RawSpinLockGuard, //
};

/// The most slots of a batch. There are so many because each batch needs a check of all tasks.
pub(crate) const BATCH: usize = u64::BITS as usize;

/// Tasks that are checked before the area's lock is released for a moment.
const TASKS_AT_ONCE: usize = 32;

/// The data of the collector: the tasks to check, and the batch. The area's lock protects them.
///
/// # Invariants
///
/// - `tasks` are all tasks that may have a slot cached, and `task_count` is their number.
/// - `batch` is the set of retracted slots, which are neither recycled nor offered again yet. It is
///   empty unless a task is `collecting`.
pub(crate) struct Collector {
    tasks: List<Task>,
    task_count: usize,
    /// The number of the slot at which the next collection begins.
    hand: usize,
    /// Whether a task is the collector. There is one at a time, because no other task may reorder
    /// the list while the collector walks it.
    collecting: bool,
    /// Whether another task wanted to collect. It must be woken when the collector has finished.
    awaited: bool,
    batch: Batch,
}

impl Collector {
    /// Creates the data of an area in which no task collects, with an empty list.
    pub(crate) fn new() -> Self {
        // INVARIANT: There are no tasks, and no task collects.
        Self {
            tasks: List::new(),
            task_count: 0,
            hand: 0,
            collecting: false,
            awaited: false,
            batch: Batch::EMPTY,
        }
    }

    /// Returns whether the caller may collect. If not, another task collects, and wakes the first
    /// task in the queue when it has finished.
    pub(crate) fn begin(&mut self) -> bool {
        if self.collecting {
            self.awaited = true;
            return false;
        }
        self.collecting = true;
        true
    }

    /// Ends the collection that [`begin`](Self::begin) began. Returns whether another task wanted
    /// to collect at the same time.
    pub(crate) fn end(&mut self) -> bool {
        self.collecting = false;
        core::mem::take(&mut self.awaited)
    }

    /// The slots to collect next.
    fn next_batch(&mut self) -> Batch {
        let batch = Batch::all_at(self.hand);
        self.hand += BATCH;
        if self.hand >= SLOT_COUNT {
            self.hand = 0;
        }
        batch
    }
}

impl Inner {
    /// Puts the task on the list, unless it is there: the collector checks it from now on.
    pub(crate) fn enlist(&mut self, entered: &Entered<'_>) {
        if let Some(item) = ListArc::try_from_arc_borrow(entered.task()) {
            // INVARIANT: The task has no slot cached yet.
            self.gc.tasks.push_back(item);
            self.gc.task_count += 1;
            entered.set_listed(&mut self.locked);
        }
    }

    /// Evicts `task`, whose owner exits, and removes it from the list.
    ///
    /// # Safety
    ///
    /// No other area has `task` on its list of tasks.
    pub(crate) unsafe fn evict(&mut self, task: &Task) {
        task.evict(&mut self.locked);
        // SAFETY: By the function's requirements, the task is on this list or on none.
        let item = unsafe { self.gc.tasks.remove(task) };
        if item.is_some() {
            // INVARIANT: The task was on the list, and has no slot cached.
            self.gc.task_count -= 1;
        }
    }

    /// Finds a slot of the batch that holds `insn`, which a task needs now. Offers the slot again
    /// and returns it.
    pub(crate) fn keep_retracted<'a>(
        &mut self,
        table: &'a Table,
        insn: &Insn,
    ) -> Option<SlotRef<'a>> {
        let mut slots = self.gc.batch.slots().filter_map(|slot| table.at(slot));
        let slot = slots.find(|slot| slot.record().holds(insn))?;
        // INVARIANT: The slot leaves the batch and is offered.
        self.gc.batch.remove(slot.slot());
        table.restore(slot, &mut self.locked);
        Some(slot)
    }

    /// Makes the offered slots of `slots` the batch, and retracts them.
    fn retract(&mut self, table: &Table, slots: Batch) {
        let locked = &mut self.locked;
        // INVARIANT: The caller is collecting, and the batch is empty.
        self.gc.batch = slots.filter(|slot| {
            let slot = table.at(slot);
            slot.is_some_and(|slot| table.retract(slot, locked))
        });
    }

    /// Checks whether the first `count` tasks of the list are in a slot of the batch, and moves
    /// these tasks to the end of the list.
    fn ask_tasks(&mut self, table: &Table, count: usize) {
        for _ in 0..count {
            let Some(task) = self.gc.tasks.pop_front() else {
                break;
            };
            let batch = self.gc.batch;
            if let Some(slot) = task.vacate(|slot| batch.contains(slot), &mut self.locked) {
                // INVARIANT: The slot leaves the batch and is offered.
                self.gc.batch.remove(slot);
                if let Some(slot) = table.at(slot) {
                    table.restore(slot, &mut self.locked);
                }
            }
            self.gc.tasks.push_back(task);
        }
    }

    /// Recycles the slots of the batch. All tasks were checked: no task is in such a slot. Returns
    /// whether the batch had slots.
    fn put_batch(&mut self) -> bool {
        let batch = core::mem::replace(&mut self.gc.batch, Batch::EMPTY);
        for slot in batch.slots() {
            events::recycled(slot);
            self.free.put(slot);
        }
        !batch.is_empty()
    }
}

impl Slots {
    /// Recycles slots that no task is in, of the first batch that has such slots. Returns whether
    /// there were any.
    ///
    /// Does not sleep. The caller has begun collecting.
    pub(crate) fn collect(&self) -> (RawSpinLockGuard<'_, Inner>, bool) {
        let mut left = SLOT_COUNT.div_ceil(BATCH);
        loop {
            let batch = self.inner.lock().gc.next_batch();
            let (inner, found) = self.collect_batch(batch);
            left -= 1;
            if found || left == 0 {
                return (inner, found);
            }
        }
    }

    /// Recycles `slot`, if no task is in it. Returns whether it did.
    ///
    /// Does not sleep. The caller has begun collecting.
    pub(crate) fn collect_slot(&self, slot: Slot) -> (RawSpinLockGuard<'_, Inner>, bool) {
        self.collect_batch(Batch::of(slot))
    }

    fn collect_batch(&self, batch: Batch) -> (RawSpinLockGuard<'_, Inner>, bool) {
        let mut inner = self.inner.lock();
        inner.retract(&self.table, batch);
        // Tasks that are put on the list later do not find the retracted slots.
        let mut left = inner.gc.task_count;
        loop {
            let count = left.min(TASKS_AT_ONCE);
            inner.ask_tasks(&self.table, count);
            left -= count;
            if left == 0 || inner.gc.batch.is_empty() {
                let found = inner.put_batch();
                return (inner, found);
            }
            drop(inner);
            inner = self.inner.lock();
        }
    }
}
