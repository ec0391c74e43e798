// SPDX-License-Identifier: GPL-2.0

//! Retiring and reclaiming of boosted slots.
//!
//! A task leaves a boosted slot by the slot's jump, without the kernel's notice. The task's
//! instruction pointer shows whether it is in the slot. It can be read while the task does not run,
//! or is interrupted:
//!
//! ```text
//!     .------.        a hit finds no slot to boost        .--------.
//!     | IDLE | -----------------------------------------> | SEARCH |
//!     '------'                                            '--------'
//!       ^                                                     |
//!       | slots that no task                                  | slots without a probe
//!       | was in are unused                                   | are retired
//!       |                                                     v
//!     .------.      the grace period is over: no task     .-------.
//!     | LOOK | <----------------------------------------- | GRACE |
//!     '------'      is on its way to a retired slot       '-------'
//! ```
//!
//! A hit finds a slot and sets the instruction pointer of its task to the slot's address within one
//! read-side section of RCU Tasks Trace. So after a grace period, each task that had found a
//! retired slot has got into it, and may have left it. No other task gets into it
//! (litmus/boosted-grace.litmus). A task whose instruction pointer is elsewhere after that does not
//! come back: only the slot's address in the instruction pointer leads there, and neither a signal
//! nor a debugger ever gets to know that address.
//!
//! A hit that needs a slot does one of these jobs, or two. It is stepped if there is still no slot
//! then. The removal of a probe does not notify slot management. Instead, one hit in
//! [`RETRY_AFTER`] milliseconds looks for a slot, and searches if there is none. Other hits are
//! stepped at once, so that a search or a long grace period costs them nothing.
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
    /// A task does a job. Only this task retires or reclaims slots.
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
/// - `retired` has the retired slots, which are still counted.
pub(crate) struct BoostedSlots {
    count: usize,
    retired: BitmapVec,
    phase: Phase,
}

impl BoostedSlots {
    /// Creates the data of an area without boosted slots. May sleep.
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

    /// Counts a slot that was boosted.
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

    /// Ends a search. `grace` is the grace period that began when slots were retired, if any were.
    fn searched(&mut self, grace: Option<GracePeriod>) {
        self.phase = grace.map_or(Phase::Idle, Phase::Grace);
    }

    /// Ends a look that did not see all tasks. Another task must look again.
    fn look_again(&mut self, over: GracePeriod) {
        self.phase = Phase::Grace(over);
    }

    /// Ends a look that saw all tasks. The slots that no task is in were reclaimed.
    fn looked(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Sets whether `slot` is retired.
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
    /// Retires a boosted slot. The caller has the job to search.
    fn retire(&mut self, table: &Table, slot: &Boosted<'_>) {
        // INVARIANT: No task can find it when the lock is released.
        self.boosted.set_retired(slot.slot(), true);
        table.retire(slot, &mut self.locked);
    }

    /// Puts `slot` back into its chain if it is retired, because a task is in it. The caller has
    /// the job to look.
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
    /// The caller has the job to look. `over` is the grace period that began when the slots were
    /// retired, and that is over.
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
