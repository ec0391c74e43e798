// SPDX-License-Identifier: GPL-2.0

//! Boosted slots, which a task leaves by a jump instead of a debug exception.
//!
//! A boosted slot belongs to an instruction and the address after it. It is not offered: tasks find
//! it in a table of its own, and do not claim it. It is first *retired*. When no task is in it, it
//! is *reclaimed* and thus unused; see [`reclaim`].

mod ffi;
mod reclaim;
mod table;
#[cfg(CONFIG_UPROBES_XOL_RUST_KUNIT_TEST)]
mod tests;

use super::{
    area::XolArea,
    events,
    ffi::{arch_uprobe, count, xol_area, Counter},
    insn::Insn,
    slot::{Slot, SLOTS_PER_PAGE, SLOT_SIZE},
    slots::{spare, Inner, Slots},
    table::Table, //
};
use core::num::NonZeroUsize;
use ffi::uprobe_xol_boosted;
use kernel::{prelude::*, time::Msecs};
use reclaim::Job;

pub(crate) use ffi::BOOSTED_SIZE;
pub(crate) use reclaim::BoostedSlots;
pub(crate) use table::{Boosted, BoostedTable, Target};

static_assert!(BOOSTED_SIZE <= SLOT_SIZE);

/// Milliseconds for which hits do not ask for a slot to boost, after a hit found none. Asking takes
/// the area's lock, which does not matter at this rate.
pub(crate) const RETRY_AFTER: Msecs = 100;

/// The most slots that are boosted in an area of `pages` pages: half of them. The others are for
/// steps.
pub(crate) const fn max_boosted(pages: usize) -> usize {
    (pages * SLOTS_PER_PAGE - 1) / 2
}

/// Gets a boosted slot of `area` for `arch`, whose jump leads to `next`, and returns the slot's
/// address. Returns 0 if the instruction must be stepped. The caller does not put the slot.
///
/// May sleep, but does not wait for other tasks.
///
/// # Safety
///
/// `area` is that of the current task, which is an RCU Tasks Trace reader until it has the address
/// for its instruction pointer, and `arch` does not change.
#[export]
unsafe extern "C" fn uprobe_xol_boost(
    area: *mut xol_area,
    arch: *const arch_uprobe,
    next: usize,
) -> usize {
    // SAFETY: By the safety requirements an area, which outlives its tasks.
    let area = unsafe { &*area.cast::<XolArea>() };
    // SAFETY: It does not change, by the safety requirements, and was zeroed when it was allocated.
    let insn = unsafe { Insn::from_raw(arch) };

    area.boost(insn, next).unwrap_or(0)
}

/// Finds the boosted slot of `area` that `ip` is in, and writes what it is boosted for to
/// `boosted`. Returns false if `ip` is in no boosted slot.
///
/// Any context.
///
/// # Safety
///
/// `area` comes from `uprobe_xol_create_area()` and is not freed meanwhile. `boosted` is valid for
/// writes.
#[export]
unsafe extern "C" fn uprobe_xol_boosted_at(
    area: *mut xol_area,
    ip: usize,
    boosted: *mut uprobe_xol_boosted,
) -> bool {
    // SAFETY: By the safety requirements.
    let area = unsafe { &*area.cast::<XolArea>() };
    let Some(found) = area.boosted_at(ip) else {
        return false;
    };
    // SAFETY: `boosted` is valid for writes, and an instruction is a `struct arch_uprobe`, padding
    // included: C compares all of it.
    unsafe {
        (&raw mut (*boosted).vaddr).write(area.vaddr_at(found.slot()));
        (&raw mut (*boosted).next).write(found.next().get());
        (&raw mut (*boosted).arch)
            .cast::<Insn>()
            .write(*found.insn());
    }
    true
}

/// Counts a hit that is stepped because no slot can be boosted.
fn unboosted() {
    count(Counter::Unboosted, 1);
}

/// Records that the current task reclaimed `slot`.
fn reclaimed(slot: Slot) {
    count(Counter::Boosted, -1);
    count(Counter::Reclaims, 1);
    events::recycled(slot);
}

impl XolArea {
    /// Gets a boosted slot that executes `insn` and jumps to `next`, and returns where it is
    /// mapped. Returns `None` if the instruction must be stepped, because no slot can be boosted.
    ///
    /// May sleep, but does not wait for other tasks. A slot that exists is found without a lock,
    /// and without writing anything. The current task is one of the process, and an RCU Tasks Trace
    /// reader until it has the address for its instruction pointer.
    #[inline(always)]
    pub(crate) fn boost(&self, insn: &Insn, next: usize) -> Option<usize> {
        let next = NonZeroUsize::new(next)?;
        match self.slots.table.find_boosted(insn, next) {
            Some(slot) => Some(self.vaddr_at(slot)),
            None => self.make_boosted(insn, next),
        }
    }

    /// Gets a boosted slot after the search without the lock found none.
    #[inline(never)]
    fn make_boosted(&self, insn: &Insn, next: NonZeroUsize) -> Option<usize> {
        let slot = self.slots.boost(insn, next, |ip| self.boosted_at(ip));
        if slot.is_none() {
            unboosted();
        }
        Some(self.vaddr_at(slot?))
    }

    /// Returns the boosted slot that a task with this instruction pointer is in, if it is in one.
    /// Any context.
    pub(crate) fn boosted_at(&self, ip: usize) -> Option<Boosted<'_>> {
        let offset = ip.checked_sub(self.vaddr())?;
        if offset % SLOT_SIZE >= BOOSTED_SIZE {
            return None;
        }
        let slot = Slot::new(u32::try_from(offset / SLOT_SIZE).ok()?)?;
        Boosted::new(self.slots.table.at(slot)?)
    }
}

impl Inner {
    /// Finds a slot that executes `insn` and jumps to `next`, or boosts an unused slot for that.
    ///
    /// The collector does not retract the slot, because it is not offered. No task has it cached.
    fn boost(
        &mut self,
        table: &Table,
        insn: &Insn,
        next: NonZeroUsize,
        spare: usize,
    ) -> Option<Slot> {
        let found = table.find_boosted(insn, next);
        if found.is_some() || self.is_full() {
            return found;
        }
        let spare = spare.max(self.kept_for_steps());
        let unused = self.free.take(table, spare, &mut self.locked)?;
        let slot = table.boost(unused, insn, next, &mut self.locked);
        self.boosted.add();
        Some(slot)
    }

    /// Returns whether no more slots may be boosted.
    fn is_full(&self) -> bool {
        self.boosted.count() >= max_boosted(self.limit)
    }

    /// The number of unused slots that are kept for steps while the area can still grow. Boosted
    /// slots are not collected. Without such a slot, a step would find none if there is no memory
    /// for another page.
    fn kept_for_steps(&self) -> usize {
        // An area that has grown has more slots than may be boosted.
        usize::from(self.free.pages() < self.limit)
    }

    /// Allows hits to ask for a slot to boost, if there is one now.
    pub(crate) fn allow_boosting(&mut self, table: &Table) {
        if self.free.unused() > self.kept_for_steps() && !self.is_full() {
            table.boosted.allow(&mut self.locked);
        }
    }

    /// Forbids hits to ask for a slot to boost for a while, because there is none. Returns the job
    /// that the caller must do to reclaim slots, if there is one. Other hits are stepped meanwhile.
    fn begin_reclaiming(&mut self, table: &Table) -> Option<Job> {
        table.boosted.forbid(&mut self.locked);
        self.boosted.begin()
    }
}

impl Slots {
    /// Gets a slot that executes `insn` and jumps to `next`, unless no slot is unused and the area
    /// cannot grow, or too many slots are boosted. `boosted_at` returns the boosted slot that an
    /// instruction pointer is in.
    ///
    /// Sleeps if it needs memory. Does not wait for a slot, and does not collect: the instruction
    /// can be stepped. Does one job of reclaiming if there is one.
    ///
    /// The current task is one of the area's process.
    #[cold]
    pub(crate) fn boost<'a>(
        &'a self,
        insn: &Insn,
        next: NonZeroUsize,
        boosted_at: impl Fn(usize) -> Option<Boosted<'a>>,
    ) -> Option<Slot> {
        if self.table.boosted.is_forbidden() {
            return None;
        }
        let mut may_grow = true;
        loop {
            let (pages, job) = {
                let mut inner = self.inner.lock();
                let spare = spare(self.queue.is_empty());
                let slot = inner.boost(&self.table, insn, next, spare);
                if slot.is_some() {
                    return slot;
                }
                let pages = inner.free.pages();
                if may_grow && pages < inner.limit && !inner.is_full() {
                    (pages, None)
                } else {
                    (pages, Some(inner.begin_reclaiming(&self.table)?))
                }
            };
            match job {
                None => may_grow = self.grow(pages).is_ok(),
                Some(Job::Search) => {
                    self.search();
                    return None;
                }
                Some(Job::Look(over)) => {
                    if !self.look(over, &boosted_at) {
                        return None;
                    }
                }
            }
        }
    }
}
