// SPDX-License-Identifier: GPL-2.0

//! Where slots come from: those that are unused, pages that an area grows by, slots that nobody is
//! in any more; and the queue of those who wait for one when there is nothing of that.

use super::{
    insn::Insn,
    page::SlotPage,
    slot::{Slot, PAGES, SLOTS_PER_PAGE, SLOT_COUNT},
    table::{SlotPageRecords, Table, Unused},
    task::{Entered, GcLocked, Held, Task},
};
use kernel::{
    bitmap::BitmapVec,
    list::{List, ListArc},
    prelude::*,
    sync::{
        barrier::smp_mb, new_mutex, new_raw_spinlock, new_wait_queue, Mutex, RawSpinLock, WaitQueue,
    }, //
};

/// Tasks that are asked before the lock is given up for a moment, so that the time for which it is
/// held does not grow with the number of tasks.
const TASKS_AT_ONCE: usize = 32;

/// Slots that are retracted together, because asking all tasks is the dear part.
const BATCH: usize = u64::BITS as usize;

/// The slots of an area, and the tasks that may be in them.
#[pin_data]
pub(crate) struct Gc {
    /// Read on every hit, written only when slots run out: apart from what the lock protects.
    #[pin]
    waiters: WaitQueue,
    /// Where the next search for slots that nobody is in begins. One task searches at a time.
    #[pin]
    hand: Mutex<usize>,
    /// Raw, because an owner spins while its slot is being taken away: were the one who does it
    /// preempted then, which a [`SpinLock`](kernel::sync::SpinLock) allows on `PREEMPT_RT`, an
    /// owner of higher priority on the same CPU would spin forever.
    #[pin]
    inner: RawSpinLock<Inner>,
}

/// What the GC lock protects.
///
/// # Invariants
///
/// - A slot's bit is set in `used` unless the slot is unused, in which case it is on a page that
///   the area has. Slot 0's and those of pages that it does not have are set.
/// - `unused` is the number of bits that are not set, `pages` that of pages.
/// - `tasks` are all that may have a slot cached, and `task_count` is their number.
#[repr(align(64))]
struct Inner {
    used: BitmapVec,
    unused: usize,
    pages: usize,
    tasks: List<Task>,
    task_count: usize,
    locked: GcLocked,
}

/// Slots next to each other.
#[derive(Clone, Copy)]
struct Batch {
    first: usize,
    slots: u64,
}

impl Batch {
    fn of(slot: Slot) -> Self {
        let number = slot.number() as usize;
        Self {
            first: number - number % BATCH,
            slots: 1 << (number % BATCH),
        }
    }

    fn at(first: usize) -> Self {
        Self {
            first,
            slots: u64::MAX,
        }
    }

    fn slots(self) -> impl Iterator<Item = Slot> {
        (0..BATCH)
            .filter(move |i| self.slots & (1 << i) != 0)
            .filter_map(move |i| Slot::new((self.first + i) as u32))
    }

    fn contains(self, slot: Slot) -> bool {
        let index = (slot.number() as usize).wrapping_sub(self.first);
        index < BATCH && self.slots & (1 << index) != 0
    }

    fn remove(&mut self, slot: Slot) {
        let index = (slot.number() as usize).wrapping_sub(self.first);
        if index < BATCH {
            self.slots &= !(1 << index);
        }
    }
}

impl Inner {
    /// Whether tasks may find the slot.
    fn is_offered(&self, slot: Slot) -> bool {
        // Those of pages that are not there count as used, too.
        let number = slot.number() as usize;
        slot.page() < self.pages && self.used.next_zero_bit(number) != Some(number)
    }

    /// Takes a slot that is unused, if there are more than `spare`.
    fn take_unused(&mut self, spare: usize) -> Option<Unused> {
        if self.unused <= spare {
            return None;
        }
        let number = self.used.next_zero_bit(0)?;
        let slot = Slot::new(number as u32)?;
        // INVARIANT: The slot's bit is set for the caller, who uses it.
        self.used.set_bit(number);
        self.unused -= 1;
        Some(Unused::new(slot, &mut self.locked))
    }

    /// The slot has become unused.
    fn put_unused(&mut self, slot: Slot) {
        // INVARIANT: It was used up to now, and the page is there.
        self.used.clear_bit(slot.number() as usize);
        self.unused += 1;
    }

    /// The area has got a page more.
    fn add_page(&mut self, index: usize) {
        let first = index * SLOTS_PER_PAGE;
        // INVARIANT: Nobody has used them; slot 0 stays the trampoline's.
        for slot in (first..first + SLOTS_PER_PAGE).filter_map(|n| Slot::new(n as u32)) {
            self.put_unused(slot);
        }
        self.pages += 1;
    }

    /// Makes sure that the task is asked before a slot that it may be in becomes unused.
    fn enlist(&mut self, entered: &Entered<'_>) {
        if let Some(item) = ListArc::try_from_arc_borrow(entered.task()) {
            self.tasks.push_back(item);
            self.task_count += 1;
            entered.set_listed(&mut self.locked);
        }
    }
}

impl Gc {
    /// Returns an initialiser for an area with one page, the first slot of which is not for tasks.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory for the bitmap cannot be had.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            waiters <- new_wait_queue!("uprobes_xol::waiters"),
            hand <- new_mutex!(0, "uprobes_xol::hand"),
            inner <- new_raw_spinlock!({
                let mut used = BitmapVec::new(SLOT_COUNT, GFP_KERNEL)?;
                for number in 0..SLOT_COUNT {
                    used.set_bit(number);
                }
                let mut inner = Inner {
                    used,
                    unused: 0,
                    pages: 0,
                    tasks: List::new(),
                    task_count: 0,
                    locked: GcLocked::new(),
                };
                inner.add_page(0);
                inner
            }, "uprobes_xol::gc"),
        })
    }

    /// Gets a slot that holds `insn`.
    ///
    /// Sleeps when memory has to be found, and when tasks are in all slots. The current task must
    /// be the owner.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal while it waited for a slot.
    #[cold]
    pub(crate) fn take(&self, table: &Table, entered: Entered<'_>, insn: &Insn) -> Result<Held> {
        // Whoever waits while it has one would keep it from those who need it.
        entered.forget();
        if let Some(held) = self.try_take(table, &entered, insn, !self.waiters.is_active()) {
            return Ok(held);
        }
        let held = self
            .waiters
            .wait_killable(|turn| self.try_take(table, &entered, insn, turn));
        if held.is_err() {
            entered.leave();
        }
        held
    }

    /// Gets a slot that holds `insn`, unless tasks are in all slots that there can be.
    ///
    /// A task whose `turn` it is not, because others wait, leaves the last unused slot to them.
    ///
    /// May sleep, but does not wait for a slot.
    pub(crate) fn try_take(
        &self,
        table: &Table,
        entered: &Entered<'_>,
        insn: &Insn,
        turn: bool,
    ) -> Option<Held> {
        let spare = if turn { 0 } else { 1 };
        let mut may_grow = true;
        loop {
            let pages = {
                let mut inner = self.inner.lock();
                inner.enlist(entered);
                if let Some(held) = table.find(entered, insn) {
                    return Some(held);
                }
                if let Some(unused) = inner.take_unused(spare) {
                    let slot = unused.slot();
                    table.offer(unused, insn, &mut inner.locked);
                    // Under the lock nobody retracts it.
                    return entered.claim(slot, insn, || true);
                }
                inner.pages
            };
            if may_grow && pages < PAGES {
                may_grow = self.grow(table, pages).is_ok();
            } else if !self.collect(table) {
                return None;
            }
        }
    }

    /// Adds the page `index`, unless somebody else has done so.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had.
    fn grow(&self, table: &Table, index: usize) -> Result {
        let page = SlotPageRecords::new(SlotPage::new()?)?;
        if table.add_page(index, page) {
            self.inner.lock().add_page(index);
        }
        Ok(())
    }

    /// Makes slots unused that no task is in. Returns whether there were any.
    fn collect(&self, table: &Table) -> bool {
        let mut hand = self.hand.lock();
        for _ in 0..SLOT_COUNT.div_ceil(BATCH) {
            let batch = Batch::at(*hand);
            *hand += BATCH;
            if *hand >= SLOT_COUNT {
                *hand = 0;
            }
            if self.collect_batch(table, batch) {
                return true;
            }
        }
        false
    }

    /// Makes the slots of `batch` unused that no task is in. Returns whether there were any.
    ///
    /// To be called with the hand held: a task that asks the tasks in turns must not have the list
    /// changed under it by another that does.
    fn collect_batch(&self, table: &Table, mut batch: Batch) -> bool {
        let mut inner = self.inner.lock();
        for slot in batch.slots() {
            if inner.is_offered(slot) {
                table.retract(slot, &mut inner.locked);
            } else {
                batch.remove(slot);
            }
        }
        let retracted = batch;
        let mut left = inner.task_count;
        // ORDERING: Pairs with the barrier in `claim`: a task that we do not see in a slot sees
        // that the slot was retracted (litmus/claim-retract.litmus).
        smp_mb();
        while left > 0 && batch.slots != 0 {
            for _ in 0..TASKS_AT_ONCE.min(left) {
                left -= 1;
                let Some(task) = inner.tasks.pop_front() else { break };
                let wanted = |slot| batch.contains(slot);
                if let Some(slot) = task.vacate(wanted, &mut inner.locked) {
                    batch.remove(slot);
                }
                inner.tasks.push_back(task);
            }
            drop(inner);
            inner = self.inner.lock();
        }
        for slot in retracted.slots() {
            if batch.contains(slot) {
                inner.put_unused(slot);
            } else {
                table.restore(slot, &mut inner.locked);
            }
        }
        batch.slots != 0
    }

    /// Leaves the slot of `task`, which stays cached unless somebody waits for one.
    #[inline]
    pub(crate) fn leave(&self, table: &Table, task: &Task) {
        let slot = task.slot();
        task.leave();
        // `leave` is a full barrier, and so is enqueuing: either we see the waiter here, or it sees
        // that our slot is idle (litmus/leave-wait.litmus).
        if self.waiters.is_active() {
            self.hand_over(table, slot);
        }
    }

    /// Makes sure that there is an unused slot for those who wait, and wakes the first of them.
    ///
    /// That nobody is in `slot` would be enough for them to find it, but a task that hits probes at
    /// a high rate would be back in it each time before they do.
    #[cold]
    fn hand_over(&self, table: &Table, slot: Option<Slot>) {
        if let Some(slot) = slot {
            let _hand = self.hand.lock();
            if self.inner.lock().unused == 0 {
                self.collect_batch(table, Batch::of(slot));
            }
        }
        self.waiters.wake_one();
    }

    /// The owner of `task` is gone.
    ///
    /// Afterwards the area does not refer to `task`. What was in its slot stays there, for others.
    pub(crate) fn evict(&self, task: &Task) {
        let mut inner = self.inner.lock();
        task.evict(&mut inner.locked);
        // SAFETY: A task belongs to one process, and is only ever put on the list of that process's
        // area, which is this one.
        if unsafe { inner.tasks.remove(task) }.is_some() {
            inner.task_count -= 1;
        }
        drop(inner);
        // No barrier is needed: a waiter asks the tasks under the lock. If it did so before us, we
        // see it in the queue; otherwise it finds the slot (litmus/evict-wait.litmus).
        if self.waiters.is_active() {
            self.waiters.wake_one();
        }
    }
}
