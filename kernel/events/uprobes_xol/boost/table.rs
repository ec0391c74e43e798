// SPDX-License-Identifier: GPL-2.0

//! The table in which boosted slots are found.

use super::{
    super::{
        insn::Insn,
        page::{SlotRef, Unused},
        record::Record,
        slot::Slot,
        slots::Locked,
        table::{Chains, Table, LONGEST_SEARCH},
    },
    ffi::boosted_insn,
    RETRY_AFTER, //
};
use core::num::NonZeroUsize;
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Full, Relaxed, Release},
    time::{jiffies, msecs_to_jiffies}, //
};

/// The address that a slot's jump leads to, or 0 if the slot is not boosted.
pub(crate) struct Target(Atomic<usize>);

impl Target {
    /// The slot is not boosted.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    #[inline]
    fn get(&self) -> Option<NonZeroUsize> {
        // ORDERING: Acquire pairs with the release in `set`: a task that sees the target also sees
        // the instruction, and that both were written to the slot's memory
        // (litmus/boost-find.litmus).
        NonZeroUsize::new(self.0.load(Acquire))
    }

    fn set(&self, target: NonZeroUsize) {
        // ORDERING: Release pairs with the acquire in `get`: what the slot holds was written before
        // a task sees the target (litmus/boost-find.litmus).
        self.0.store(target.get(), Release);
    }
}

impl Record {
    /// Boosts the slot from now on. Under the lock.
    fn boost(&self, target: NonZeroUsize) {
        // INVARIANT: The memory holds `insn` and the jump: both were written while the slot was
        // unused.
        self.target.set(target);
    }

    /// Returns what the slot executes and where its jump leads, if it is boosted. Any context.
    fn boosted(&self) -> Option<(Insn, NonZeroUsize)> {
        // ORDERING: Acquire pairs with the full barrier in `unboost`: a task that sees the version
        // which `unboost` wrote does not see the target that was there before
        // (litmus/boosted-rewrite.litmus).
        let before = self.version.load(Acquire);
        let target = self.target.get()?;
        let insn = self.insn.get();
        // The version is read after the instruction. If the slot was boosted for another one
        // meanwhile, the version is not the same (litmus/boosted-rewrite.litmus).
        self.is_version(before).then_some((insn, target))
    }

    /// Makes the slot one that is not boosted. Under the lock.
    fn unboost(&self) {
        self.target.0.store(0, Relaxed);
        // INVARIANT: The version grows, and stays even.
        //
        // ORDERING: Full: the version is written after the target, and before another instruction
        // is written to the slot. Pairs with the two acquires in `boosted`
        // (litmus/boosted-rewrite.litmus).
        let even = self.version.load(Relaxed).wrapping_add(2);
        self.version.xchg(even, Full);
    }
}

/// The chains in which boosted slots are found.
pub(crate) struct BoostedTable {
    chains: Chains,
    /// The time in ticks before which hits do not ask for a slot to boost.
    not_before: Atomic<usize>,
}

impl BoostedTable {
    /// Makes a table in which nothing is found. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            chains: Chains::new()?,
            not_before: Atomic::new(jiffies::now()),
        })
    }

    /// Returns whether hits must not ask for a slot to boost for now. Takes no lock, so that such
    /// hits do not contend for the area's lock.
    pub(super) fn is_forbidden(&self) -> bool {
        // ORDERING: Relaxed: decides nothing but how soon a change is noticed.
        let left = self.not_before.load(Relaxed).wrapping_sub(jiffies::now());
        left as isize > 0
    }

    /// Forbids hits to ask for a slot to boost, for [`RETRY_AFTER`] milliseconds.
    pub(super) fn forbid(&self, _: &mut Locked) {
        let until = jiffies::now().wrapping_add(msecs_to_jiffies(RETRY_AFTER));
        self.not_before.store(until, Relaxed);
    }

    /// Allows hits to ask for a slot to boost.
    pub(super) fn allow(&self, _: &mut Locked) {
        // All hits read this cache line: it is written only if that changes something.
        if self.is_forbidden() {
            self.not_before.store(jiffies::now(), Relaxed);
        }
    }
}

impl Table {
    /// The head of the chain of slots that jump to `next`. Few probes share this address.
    #[inline(always)]
    fn boosted_head(&self, next: NonZeroUsize) -> &Atomic<u32> {
        self.boosted.chains.head(self.hasher().address(next))
    }

    /// Finds the slot that executes `insn` and jumps to `next`. Takes no lock, and writes nothing.
    ///
    /// May miss a slot that is boosted meanwhile, and may find one that is retired meanwhile. The
    /// caller is therefore an RCU Tasks Trace reader until the instruction pointer of the current
    /// task is the slot's address.
    #[inline(always)]
    pub(crate) fn find_boosted(&self, insn: &Insn, next: NonZeroUsize) -> Option<Slot> {
        // ORDERING: Acquire pairs with the release in `link`: a task that gets to a slot sees the
        // slot that follows now, and not one that followed earlier (litmus/boost-chain.litmus).
        let mut slot = Slot::new(self.boosted_head(next).load(Acquire))?;
        for _ in 0..LONGEST_SEARCH {
            let record = self.at(slot)?.record();
            if record.target.get() == Some(next) && record.insn.holds(insn) {
                return Some(slot);
            }
            slot = record.next()?;
        }
        None
    }

    /// Makes a slot execute `insn` and jump to `next`. Does not sleep. Returns the slot.
    pub(crate) fn boost(
        &self,
        unused: Unused<'_>,
        insn: &Insn,
        next: NonZeroUsize,
        locked: &mut Locked,
    ) -> Slot {
        let record = unused.record();
        unused.write(&boosted_insn(insn, next));
        // INVARIANT: The slot is neither offered nor boosted, and the lock is held.
        record.insn.set(insn);
        record.boost(next);
        let slot = unused.into_slot();
        self.link(self.boosted_head(next), slot, locked);
        slot.slot()
    }

    /// Retires `slot`: no search that begins later finds it. Tasks may be in it, and leave it by
    /// its jump.
    pub(crate) fn retire(&self, slot: &Boosted<'_>, locked: &mut Locked) {
        self.unlink(self.boosted_head(slot.next), slot.slot, locked);
    }

    /// Puts a retired slot back into its chain. The grace period is over, so no search from before
    /// the slot was retired is still going on.
    pub(crate) fn reinstate(&self, slot: &Boosted<'_>, locked: &mut Locked) {
        self.link(self.boosted_head(slot.next), slot.slot, locked);
    }

    /// Makes a retired slot one that is not boosted. No task can find it, and no task is in it.
    pub(crate) fn unboost(&self, slot: SlotRef<'_>, _: &mut Locked) {
        slot.record().unboost();
    }
}

/// A slot that is boosted, and what it is boosted for. It stays boosted while this value exists.
///
/// # Invariants
///
/// `next` is where the slot's jump leads.
pub(crate) struct Boosted<'a> {
    slot: SlotRef<'a>,
    insn: Insn,
    next: NonZeroUsize,
}

impl<'a> Boosted<'a> {
    /// Returns the slot as a boosted one, if it is. Any context.
    pub(crate) fn new(slot: SlotRef<'a>) -> Option<Self> {
        let (insn, next) = slot.record().boosted()?;
        // INVARIANT: The slot is boosted. It stays so because only a task with the job to search or
        // to look changes that, under the lock.
        Some(Self { slot, insn, next })
    }

    /// The slot.
    pub(crate) fn slot(&self) -> Slot {
        self.slot.slot()
    }

    /// The instruction that the slot executes.
    pub(crate) fn insn(&self) -> &Insn {
        &self.insn
    }

    /// The address that the slot's jump leads to.
    pub(crate) fn next(&self) -> NonZeroUsize {
        self.next
    }
}
