// SPDX-License-Identifier: GPL-2.0

//! How boosted slots become unused.
//!
//! A task leaves a boosted slot by its jump, without telling. But its instruction pointer says
//! whether it is in the slot, if the task does not run, or is interrupted:
//!
//! ```text
//!     .------.        a hit finds no slot to boost        .--------.
//!     | IDLE | -----------------------------------------> | SEARCH |
//!     '------'                                            '--------'
//!       ^                                                     |
//!       | slots that no task                                  | slots without a probe
//!       | was in are unused                                   | are retired
//!       |                                                     v
//!     .------.      a grace period later: tasks that      .-------.
//!     | LOOK | <----------------------------------------- | GRACE |
//!     '------'      found such a slot have got there      '-------'
//! ```
//!
//! A hit looks for a slot, and makes what it finds the instruction pointer of its task, as one
//! reader of RCU Tasks Trace. So after a grace period each task that found a retired slot has, or
//! had, the slot's address for its instruction pointer, and no other task will
//! (litmus/boosted-grace.litmus). A task that is seen elsewhere then does not come back: only the
//! slot's address in the instruction pointer leads there, and neither a signal nor a debugger ever
//! gets to know that address.
//!
//! The task that needs a slot does all this, one or two steps per hit, and is stepped meanwhile.
//! The removal of a probe does not tell. Instead, every [`RETRY_AFTER`] milliseconds a hit that finds
//! no slot looks again. The other hits do nothing, so that neither a search nor a long grace
//! period costs more than that.
//!
//! [`RETRY_AFTER`]: super::RETRY_AFTER

use super::{
    super::{
        ffi::{count, Counter},
        gc::BATCH,
        slot::{Slot, SLOT_COUNT},
        slots::{Inner, Slots},
        table::Table,
    },
    ffi::{is_probed, visit_ips},
    reclaimed,
    table::Boosted, //
};
use kernel::{
    bitmap::BitmapVec,
    ffi::c_long,
    prelude::*,
    sync::rcu_tasks_trace::GracePeriod, //
};

/// The progress of reclaiming.
enum Phase {
    /// No slot is retired.
    Idle,
    /// A task searches, or looks: only this task retires slots, and reclaims them.
    Busy,
    /// The slots that were found are retired.
    Grace(GracePeriod),
}

/// The next job of a task.
pub(super) enum Job {
    /// To retire the slots whose probes are gone.
    Search,
    /// To look in which of the retired slots a task is, now that the grace period is over.
    Look(GracePeriod),
}

/// The boosted slots of an area. For the area's lock to protect.
///
/// # Invariants
///
/// - `count` is the number of boosted slots.
/// - `retired` are those of them that cannot be found any more.
pub(crate) struct BoostedSlots {
    count: usize,
    retired: BitmapVec,
    phase: Phase,
}

impl BoostedSlots {
    /// No slot is boosted. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new() -> Result<Self> {
        // INVARIANT: There are none.
        Ok(Self {
            count: 0,
            retired: BitmapVec::new(SLOT_COUNT, GFP_KERNEL_ACCOUNT)?,
            phase: Phase::Idle,
        })
    }

    /// The number of boosted slots.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A slot is boosted from now on.
    pub(super) fn add(&mut self) {
        // INVARIANT: One was made.
        self.count += 1;
        count(Counter::Boosted, 1);
    }

    /// Returns what the caller has to do for slots to become unused, if anything.
    pub(super) fn begin(&mut self) -> Option<Job> {
        let job = match &self.phase {
            Phase::Idle => Job::Search,
            Phase::Grace(grace) if grace.is_over() => Job::Look(*grace),
            _ => return None,
        };
        self.phase = Phase::Busy;
        Some(job)
    }

    /// The search is over. If it found slots, `grace` began then.
    fn searched(&mut self, grace: Option<GracePeriod>) {
        self.phase = grace.map_or(Phase::Idle, Phase::Grace);
    }

    /// Not all tasks could be looked at: another task must look.
    fn look_again(&mut self, over: GracePeriod) {
        self.phase = Phase::Grace(over);
    }

    /// All tasks were looked at, and all slots that no task is in were reclaimed.
    fn looked(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Whether `slot` cannot be found from now on, although it is boosted.
    fn set_retired(&mut self, slot: Slot, retired: bool) {
        let number = slot.number() as usize;
        if retired {
            self.retired.set_bit(number);
        } else {
            self.retired.clear_bit(number);
        }
    }

    /// The first retired slot.
    fn first_retired(&self) -> Option<Slot> {
        Slot::new(self.retired.next_bit(0)? as u32)
    }

    /// Returns whether `slot` is retired.
    fn is_retired(&self, slot: Slot) -> bool {
        let number = slot.number() as usize;
        self.retired.next_bit(number) == Some(number)
    }
}

impl Drop for BoostedSlots {
    fn drop(&mut self) {
        count(Counter::Boosted, -(self.count as c_long));
    }
}

impl Inner {
    /// Retires a boosted slot. The caller searches.
    fn retire(&mut self, table: &Table, slot: &Boosted<'_>) {
        // INVARIANT: No task can find it when the lock is released.
        self.boosted.set_retired(slot.slot(), true);
        table.retire(slot, &mut self.locked);
    }

    /// A task is in `slot`: makes tasks find it again, if it was retired. The caller looks.
    fn reinstate(&mut self, table: &Table, slot: &Boosted<'_>) {
        if self.boosted.is_retired(slot.slot()) {
            // INVARIANT: Tasks can find it when the lock is released.
            self.boosted.set_retired(slot.slot(), false);
            table.reinstate(slot, &mut self.locked);
        }
    }

    /// Reclaims some of the retired slots, which no task is in. Returns whether there were any.
    fn reclaim(&mut self, table: &Table) -> bool {
        let mut any = false;
        for _ in 0..BATCH {
            let first = self.boosted.first_retired();
            let Some(slot) = first.and_then(|slot| table.at(slot)) else {
                break;
            };
            // INVARIANT: It is not boosted when the lock is released.
            self.boosted.set_retired(slot.slot(), false);
            self.boosted.count -= 1;
            table.unboost(slot, &mut self.locked);
            reclaimed(slot.slot());
            self.free.put(slot.slot());
            any = true;
        }
        any
    }
}

impl Slots {
    /// Retires boosted slots whose probes are gone. Does not sleep.
    ///
    /// The caller has the job to search.
    pub(super) fn search(&self) {
        let mut any = false;
        for slot in (0..SLOT_COUNT).filter_map(|number| Slot::new(number as u32)) {
            // No other task makes it another slot now.
            let boosted = self.table.at(slot).and_then(Boosted::new);
            let Some(boosted) = boosted.filter(|it| !is_probed(it.insn(), it.next())) else {
                continue;
            };
            // The lock is taken for one slot at a time.
            self.inner.lock().retire(&self.table, &boosted);
            any = true;
        }
        let grace = any.then(GracePeriod::start);
        self.inner.lock().boosted.searched(grace);
    }

    /// Reclaims the retired slots that no task is in. Does not sleep. Returns false if another task
    /// has to do it. `boosted_at` tells which slot an instruction pointer is in.
    ///
    /// The caller has the job to look, because the grace period that began when the slots were
    /// retired is `over`.
    pub(super) fn look<'a>(
        &'a self,
        over: GracePeriod,
        boosted_at: impl Fn(usize) -> Option<Boosted<'a>>,
    ) -> bool {
        let all_seen = visit_ips(|ip| {
            if let Some(slot) = boosted_at(ip) {
                self.inner.lock().reinstate(&self.table, &slot);
            }
        });
        if !all_seen {
            self.inner.lock().boosted.look_again(over);
            return false;
        }
        loop {
            let mut inner = self.inner.lock();
            if !inner.reclaim(&self.table) {
                inner.boosted.looked();
                inner.allow_boosting(&self.table);
                break;
            }
        }
        self.queue.wake_first();
        true
    }
}
