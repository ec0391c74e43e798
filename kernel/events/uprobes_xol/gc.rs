// SPDX-License-Identifier: GPL-2.0

//! Where slots come from: those that are unused, pages that an area grows by, slots that nobody is
//! in any more; and the queue of those who wait for one when there is nothing of that.

#[cfg(CONFIG_UPROBES_XOL_BOOST)]
use super::boosted::{is_probed, visit_ips, BoostedSlots, GracePeriod, Job};
use super::{
    events,
    insn::Insn,
    page::SlotPage,
    slot::{Slot, PAGES, SLOTS_PER_PAGE, SLOT_COUNT},
    table::{SlotPageRecords, Table, Unused},
    task::{Entered, GcLocked, Held, Task},
};
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
use core::num::NonZeroUsize;

use kernel::{
    bitmap::BitmapVec,
    list::{List, ListArc},
    prelude::*,
    sync::{new_raw_spinlock, new_wait_queue, RawSpinLock, RawSpinLockGuard, WaitQueue}, //
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
/// - `unused` is the number of bits that are not set, `pages` that of pages, which the table has.
/// - `tasks` are all that may have a slot cached, and `task_count` is their number.
/// - `batch` are the slots that are retracted, and neither unused nor offered again; there are some
///   only while somebody is `collecting`.
#[repr(align(64))]
struct Inner {
    used: BitmapVec,
    unused: usize,
    pages: usize,
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    boosted: BoostedSlots,
    tasks: List<Task>,
    task_count: usize,
    /// Where the next search for slots that nobody is in begins.
    hand: usize,
    /// Somebody looks for such slots: one at a time, because the list must not be changed by
    /// another while a task goes around it.
    collecting: bool,
    /// Somebody else wanted to, and is to do so when that is over.
    awaited: bool,
    batch: Batch,
    locked: GcLocked,
}

/// Slots next to each other.
#[derive(Clone, Copy)]
struct Batch {
    first: usize,
    slots: u64,
}

impl Batch {
    /// None, out of those from the number `first` on.
    fn none_at(first: usize) -> Self {
        Self { first, slots: 0 }
    }

    /// All from the number `first` on.
    fn all_at(first: usize) -> Self {
        Self {
            first,
            slots: u64::MAX,
        }
    }

    /// One slot.
    fn of(slot: Slot) -> Self {
        let mut batch = Self::none_at(slot.number() as usize / BATCH * BATCH);
        batch.insert(slot);
        batch
    }

    fn slots(self) -> impl Iterator<Item = Slot> {
        (0..BATCH)
            .filter(move |i| self.slots & (1 << i) != 0)
            .filter_map(move |i| Slot::new((self.first + i) as u32))
    }

    /// The slot's bit, if there is one for it here.
    fn bit(self, slot: Slot) -> u64 {
        let index = (slot.number() as usize).wrapping_sub(self.first);
        if index < BATCH {
            1 << index
        } else {
            0
        }
    }

    fn contains(self, slot: Slot) -> bool {
        self.slots & self.bit(slot) != 0
    }

    fn insert(&mut self, slot: Slot) {
        self.slots |= self.bit(slot);
    }

    fn remove(&mut self, slot: Slot) {
        self.slots &= !self.bit(slot);
    }

    fn is_empty(self) -> bool {
        self.slots == 0
    }
}

impl Inner {
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
        events::used();
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
        events::page_added();
    }

    /// Makes sure that the task is asked before a slot that it may be in becomes unused.
    fn enlist(&mut self, entered: &Entered<'_>) {
        if let Some(item) = ListArc::try_from_arc_borrow(entered.task()) {
            self.tasks.push_back(item);
            self.task_count += 1;
            entered.set_listed(&mut self.locked);
        }
    }

    /// Gets the task into a slot that holds `insn`, or is made to.
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
        let mut slots = self.batch.slots();
        let slot = match slots.find(|&slot| table.holds(slot, insn, &mut self.locked)) {
            // Somebody is about to make it unused: there is a task now that needs it.
            Some(slot) => {
                self.batch.remove(slot);
                table.restore(slot, &mut self.locked);
                slot
            }
            None => {
                let unused = self.take_unused(spare)?;
                let slot = unused.slot();
                table.offer(unused, insn, &mut self.locked);
                slot
            }
        };
        // Nobody retracts it without the lock.
        entered.claim(slot, insn, || true)
    }

    /// There may be unused slots that there were not before.
    #[cfg_attr(not(CONFIG_UPROBES_XOL_BOOST), expect(unused_variables))]
    fn allow_boosting(&mut self, table: &Table) {
        #[cfg(CONFIG_UPROBES_XOL_BOOST)]
        if self.unused > self.kept_for_steps() && !self.boosted.is_full() {
            table.allow_boosting(&mut self.locked);
        }
    }

    /// Whether the caller may look for slots that nobody is in. If not, others do so, and wake
    /// those who wait when they are done.
    fn begin_collecting(&mut self) -> bool {
        if self.collecting {
            self.awaited = true;
            return false;
        }
        self.collecting = true;
        true
    }

    /// Returns whether somebody else wanted to collect meanwhile.
    fn end_collecting(&mut self) -> bool {
        self.collecting = false;
        core::mem::take(&mut self.awaited)
    }

    /// The slots that are to be searched next.
    fn next_batch(&mut self) -> Batch {
        let batch = Batch::all_at(self.hand);
        self.hand += BATCH;
        if self.hand >= SLOT_COUNT {
            self.hand = 0;
        }
        batch
    }

    /// Retracts those of the slots that are offered.
    fn retract(&mut self, table: &Table, slots: Batch) {
        // INVARIANT: The caller is collecting, and there are none yet.
        self.batch = Batch::none_at(slots.first);
        for slot in slots.slots() {
            if table.retract(slot, &mut self.locked) {
                self.batch.insert(slot);
            }
        }
    }

    /// Asks the first tasks of the list whether they are in a slot of the batch. Those are asked
    /// next who were not yet.
    fn ask_tasks(&mut self, table: &Table, count: usize) {
        for _ in 0..count {
            let Some(task) = self.tasks.pop_front() else {
                break;
            };
            let batch = self.batch;
            if let Some(slot) = task.vacate(|slot| batch.contains(slot), &mut self.locked) {
                self.batch.remove(slot);
                table.restore(slot, &mut self.locked);
            }
            self.tasks.push_back(task);
        }
    }

    /// All tasks were asked. Returns whether there are slots in the batch that none is in.
    fn put_batch(&mut self) -> bool {
        let batch = core::mem::replace(&mut self.batch, Batch::none_at(0));
        for slot in batch.slots() {
            events::recycled(slot);
            self.put_unused(slot);
        }
        !batch.is_empty()
    }
}

#[cfg(CONFIG_UPROBES_XOL_BOOST)]
impl Inner {
    /// Finds a slot that executes `insn` and jumps to `next`, or makes one.
    ///
    /// No task has it cached, and it is not offered: collecting passes it by.
    fn boost(
        &mut self,
        table: &Table,
        insn: &Insn,
        next: NonZeroUsize,
        spare: usize,
    ) -> Option<Slot> {
        let found = table.find_boosted(insn, next);
        if found.is_some() || self.boosted.is_full() {
            return found;
        }
        let unused = self.take_unused(spare.max(self.kept_for_steps()))?;
        let slot = unused.slot();
        table.boost(unused, insn, next, &mut self.locked);
        self.boosted.add();
        events::boosted();
        Some(slot)
    }

    /// The unused slots that are not boosted. Those are not collected: with a slot left to steps,
    /// who needs one gets it even if there is no memory to grow.
    fn kept_for_steps(&self) -> usize {
        // What an area can grow to has more than may be boosted.
        usize::from(self.pages < PAGES)
    }

    /// There is no slot to boost. What the caller is to do for there to be one later, if anything;
    /// the other hits do nothing meanwhile.
    fn begin_reclaiming(&mut self, table: &Table) -> Option<Job> {
        table.forbid_boosting(&mut self.locked);
        self.boosted.begin()
    }

    /// Retires a boosted slot.
    fn retire(&mut self, table: &Table, slot: Slot) {
        self.boosted.retire(slot);
        table.retire(slot, &mut self.locked);
    }

    /// A task is in `slot`, which is found again, if it was retired.
    fn reinstate(&mut self, table: &Table, slot: Slot) {
        if self.boosted.reinstate(slot) {
            table.reinstate(slot, &mut self.locked);
        }
    }

    /// Makes some of the slots unused that are retired, which no task is in. Returns whether there
    /// were any.
    fn put_retired(&mut self, table: &Table) -> bool {
        let mut any = false;
        for _ in 0..BATCH {
            let Some(slot) = self.boosted.remove_retired() else {
                break;
            };
            table.unboost(slot, &mut self.locked);
            events::reclaimed(slot);
            self.put_unused(slot);
            any = true;
        }
        any
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // All but the trampoline's.
        let slots = self.pages * SLOTS_PER_PAGE - 1;
        events::freed(slots - self.unused, self.pages);
        #[cfg(CONFIG_UPROBES_XOL_BOOST)]
        events::boosted_freed(self.boosted.count());
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
            inner <- new_raw_spinlock!({
                let mut used = BitmapVec::new(SLOT_COUNT, GFP_KERNEL)?;
                for number in 0..SLOT_COUNT {
                    used.set_bit(number);
                }
                let mut inner = Inner {
                    used,
                    unused: 0,
                    pages: 0,
                    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
                    boosted: BoostedSlots::new()?,
                    tasks: List::new(),
                    task_count: 0,
                    hand: 0,
                    collecting: false,
                    awaited: false,
                    batch: Batch::none_at(0),
                    locked: GcLocked::new(),
                };
                inner.add_page(0);
                inner
            }, "uprobes_xol::gc"),
        })
    }

    /// Gets a slot that holds `insn`, unless tasks are in all slots that there can be.
    ///
    /// Sleeps when memory has to be found. The current task must be the owner.
    #[cold]
    pub(crate) fn take(&self, table: &Table, entered: &Entered<'_>, insn: &Insn) -> Option<Held> {
        // Whoever waits while it has one would keep it from those who need it.
        entered.forget();
        let held = self.take_or_grow(table, entered, insn)?;
        // Somebody may wait for the one that the task had, or for one that it claimed too late and
        // seemed to be in for a moment.
        self.wake_one();
        self.wake_alike(insn);
        Some(held)
    }

    /// Waits for a slot that holds what the task wants to execute.
    ///
    /// The current task must be the owner.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal meanwhile.
    #[cold]
    pub(crate) fn wait(&self, table: &Table, entered: Entered<'_>) -> Result<Held> {
        let insn = &entered.insn();
        events::waits();
        let held = self.waiters.wait_killable(insn.key(), |turn| {
            if turn {
                self.try_take(table, &entered, insn, turn)
            } else {
                // To look for slots that nobody is in is up to the first.
                self.inner.lock().take(table, &entered, insn, spare(turn))
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
    fn take_or_grow(&self, table: &Table, entered: &Entered<'_>, insn: &Insn) -> Option<Held> {
        loop {
            let pages = {
                let mut inner = self.inner.lock();
                let held = inner.take(table, entered, insn, spare(self.nobody_waits()));
                if held.is_some() {
                    return held;
                }
                inner.pages
            };
            if pages == PAGES || self.grow(table, pages).is_err() {
                return self.try_take(table, entered, insn, self.nobody_waits());
            }
        }
    }

    /// Adds the page `index`, unless somebody else has done so. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had.
    fn grow(&self, table: &Table, index: usize) -> Result {
        let page = SlotPageRecords::new(SlotPage::new()?)?;
        let mut inner = self.inner.lock();
        if inner.pages == index {
            table.add_page(index, page, &mut inner.locked);
            inner.add_page(index);
            inner.allow_boosting(table);
            events::grown(inner.pages);
        }
        drop(inner);
        self.wake_one();
        Ok(())
    }

    /// Gets a slot that holds `insn`, unless tasks are in all slots that there are.
    ///
    /// A task whose `turn` it is not, because others wait, leaves the last unused slot to them.
    ///
    /// Does not sleep.
    pub(crate) fn try_take(
        &self,
        table: &Table,
        entered: &Entered<'_>,
        insn: &Insn,
        turn: bool,
    ) -> Option<Held> {
        let mut wake = false;
        let mut inner = self.inner.lock();
        let held = loop {
            // What was found is taken before others see it.
            let held = inner.take(table, entered, insn, spare(turn));
            if held.is_some() || !inner.begin_collecting() {
                break held;
            }
            drop(inner);
            let found;
            (inner, found) = self.collect(table);
            wake |= inner.end_collecting() || found;
            if !found {
                break None;
            }
        };
        drop(inner);
        if wake {
            self.wake_one();
        }
        held
    }

    /// Makes slots unused that no task is in. Returns whether there were any.
    ///
    /// The caller has begun collecting.
    fn collect(&self, table: &Table) -> (RawSpinLockGuard<'_, Inner>, bool) {
        let mut left = SLOT_COUNT.div_ceil(BATCH);
        loop {
            let batch = self.inner.lock().next_batch();
            let (inner, found) = self.collect_batch(table, batch);
            left -= 1;
            if found || left == 0 {
                return (inner, found);
            }
        }
    }

    /// Makes the slots of `batch` unused that no task is in. Returns whether there were any.
    ///
    /// The caller has begun collecting.
    fn collect_batch(&self, table: &Table, batch: Batch) -> (RawSpinLockGuard<'_, Inner>, bool) {
        let mut inner = self.inner.lock();
        inner.retract(table, batch);
        // Those that come later do not find what was retracted.
        let mut left = inner.task_count;
        loop {
            let count = left.min(TASKS_AT_ONCE);
            inner.ask_tasks(table, count);
            left -= count;
            if left == 0 || inner.batch.is_empty() {
                let found = inner.put_batch();
                inner.allow_boosting(table);
                return (inner, found);
            }
            drop(inner);
            inner = self.inner.lock();
        }
    }

    /// Leaves the slot of `task`, which stays cached unless somebody waits for one.
    #[inline]
    pub(crate) fn leave(&self, table: &Table, task: &Task) {
        let slot = task.slot();
        task.leave();
        self.moved(table, slot);
    }

    /// The current task is not in `slot` any more, and did a full barrier after it was.
    #[inline]
    pub(crate) fn moved(&self, table: &Table, slot: Option<Slot>) {
        // Enqueuing is a full barrier, too: either we see the waiter here, or it sees that we are
        // not in the slot (litmus/leave-wait.litmus, litmus/move-wait.litmus).
        if self.waiters.is_active() {
            self.hand_over(table, slot);
        }
    }

    /// Makes sure that there is an unused slot for those who wait, if nobody is in `slot`, and
    /// wakes the first of them.
    ///
    /// That nobody is in `slot` would be enough for them to find it, but a task that hits probes at
    /// a high rate would be back in it each time before they do.
    #[cold]
    fn hand_over(&self, table: &Table, slot: Option<Slot>) {
        // Who had none leaves nothing to be taken.
        let Some(slot) = slot else {
            return;
        };
        let mut inner = self.inner.lock();
        if inner.unused == 0 {
            if !inner.begin_collecting() {
                // Who does so wakes the first.
                return;
            }
            drop(inner);
            let found;
            (inner, found) = self.collect_batch(table, Batch::of(slot));
            if !inner.end_collecting() && !found {
                // Others are in the slot, and hand it over when they leave it.
                return;
            }
        }
        drop(inner);
        self.waiters.wake_one();
    }

    /// Wakes the first who waits, if any, because of something done under the lock.
    fn wake_one(&self) {
        // No barrier is needed: who waits looks for slots under the lock. If it did so before us,
        // we see it in the queue; otherwise it sees what we did (litmus/evict-wait.litmus).
        if self.waiters.is_active() {
            self.waiters.wake_one();
        }
    }

    /// Wakes all who wait for `insn`, for which there is a slot now.
    fn wake_alike(&self, insn: &Insn) {
        // As for `wake_one`.
        if self.waiters.is_active() {
            self.waiters.wake_all(insn.key());
        }
    }

    /// Whether there is nobody who would have to come first.
    fn nobody_waits(&self) -> bool {
        !self.waiters.is_active()
    }

    /// The owner of `task` is gone.
    ///
    /// Afterwards the area does not refer to `task`. What was in its slot stays there, for others.
    pub(crate) fn evict(&self, task: &Task) {
        let mut inner = self.inner.lock();
        task.evict(&mut inner.locked);
        // SAFETY: A task belongs to one process, and is only ever put on the list of that process's
        // area, which is this one.
        let item = unsafe { inner.tasks.remove(task) };
        if item.is_some() {
            inner.task_count -= 1;
        }
        drop(inner);
        self.wake_one();
    }
}

#[cfg(CONFIG_UPROBES_XOL_BOOST)]
impl Gc {
    /// Gets a slot that executes `insn` and jumps to `next`, unless all slots that there can be are
    /// used, or too many are boosted. `slot_at` tells which slot an instruction pointer is in.
    ///
    /// Sleeps when memory has to be found, but does not wait for a slot: the instruction can be
    /// stepped as well. Neither does it collect; but now and then it does a part of what is to be
    /// done for slots to become unused whose probes are gone.
    ///
    /// The current task is one of the area's process.
    #[cold]
    pub(crate) fn boost(
        &self,
        table: &Table,
        insn: &Insn,
        next: NonZeroUsize,
        slot_at: impl Fn(usize) -> Option<Slot>,
    ) -> Option<Slot> {
        if table.is_boosting_vain() {
            return None;
        }
        let mut may_grow = true;
        loop {
            let (pages, job) = {
                let mut inner = self.inner.lock();
                let slot = inner.boost(table, insn, next, spare(self.nobody_waits()));
                if slot.is_some() {
                    return slot;
                }
                if may_grow && inner.pages < PAGES && !inner.boosted.is_full() {
                    (inner.pages, None)
                } else {
                    (inner.pages, Some(inner.begin_reclaiming(table)?))
                }
            };
            match job {
                None => may_grow = self.grow(table, pages).is_ok(),
                Some(Job::Search) => {
                    self.retire_needless(table);
                    return None;
                }
                Some(Job::Look(over)) => {
                    if !self.reclaim(table, over, &slot_at) {
                        return None;
                    }
                }
            }
        }
    }

    /// Retires boosted slots whose probes are gone. Does not sleep.
    ///
    /// The caller is to search.
    fn retire_needless(&self, table: &Table) {
        let mut any = false;
        for slot in (0..SLOT_COUNT).filter_map(|number| Slot::new(number as u32)) {
            // Nobody else makes a boosted slot something else now.
            let needless = table
                .boosted(slot)
                .is_some_and(|(insn, next)| !is_probed(&insn, next));
            if needless {
                // One at a time: each is looked for in its chain.
                self.inner.lock().retire(table, slot);
                any = true;
            }
        }
        let grace = any.then(GracePeriod::start);
        self.inner.lock().boosted.searched(grace);
    }

    /// Makes slots unused that were retired and that no task is in. Does not sleep. Returns false
    /// if that is left to another task.
    ///
    /// The caller is to look, because the grace period that began when they were retired is `over`.
    fn reclaim(
        &self,
        table: &Table,
        over: GracePeriod,
        slot_at: &impl Fn(usize) -> Option<Slot>,
    ) -> bool {
        let all_seen = visit_ips(|ip| {
            if let Some(slot) = slot_at(ip) {
                self.inner.lock().reinstate(table, slot);
            }
        });
        if !all_seen {
            self.inner.lock().boosted.look_again(over);
            return false;
        }
        loop {
            let mut inner = self.inner.lock();
            if !inner.put_retired(table) {
                inner.boosted.looked();
                inner.allow_boosting(table);
                break;
            }
        }
        self.wake_one();
        true
    }
}

/// The unused slots that a task leaves to those who wait, unless it is its turn.
fn spare(turn: bool) -> usize {
    usize::from(!turn)
}
