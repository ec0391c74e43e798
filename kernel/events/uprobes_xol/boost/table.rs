// SPDX-License-Identifier: GPL-2.0

//! Where boosted slots are found.

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

/// Where the jump of a slot leads. 0 if the slot is not boosted.
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
        // of that time does not see the target of before (litmus/boosted-rewrite.litmus).
        let before = self.version.load(Acquire);
        let target = self.target.get()?;
        let insn = self.insn.get();
        // The version is read after the instruction. If the slot was boosted for another one
        // meanwhile, the version is not the same (litmus/boosted-rewrite.litmus).
        self.is_version(before).then_some((insn, target))
    }

    /// Does not boost the slot any more. Under the lock.
    fn unboost(&self) {
        self.target.0.store(0, Relaxed);
        // INVARIANT: The version grows, and stays even.
        //
        // ORDERING: Full: other tasks can see the version after the target is gone, and before the
        // instruction is written. Pairs with the two acquires in `boosted`
        // (litmus/boosted-rewrite.litmus).
        let even = self.version.load(Relaxed).wrapping_add(2);
        self.version.xchg(even, Full);
    }
}

/// The chains in which boosted slots are found.
pub(crate) struct BoostedTable {
    chains: Chains,
    /// Before this time no slot can be boosted.
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

    /// Returns whether no slot can be boosted for now, as was found under the lock. Takes no lock,
    /// so that hits for which there is no slot do not contend for it.
    pub(super) fn is_forbidden(&self) -> bool {
        // ORDERING: Relaxed: decides nothing but how soon a change is noticed.
        let left = self.not_before.load(Relaxed).wrapping_sub(jiffies::now());
        left as isize > 0
    }

    /// No slot can be boosted, as far as is known for [`RETRY_AFTER`] milliseconds.
    pub(super) fn forbid(&self, _: &mut Locked) {
        let until = jiffies::now().wrapping_add(msecs_to_jiffies(RETRY_AFTER));
        self.not_before.store(until, Relaxed);
    }

    /// Perhaps a slot can be boosted.
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
    /// May miss a slot that is made meanwhile, and may find one that is retired meanwhile. The
    /// caller is therefore an RCU Tasks Trace reader until its task has the slot's address for its
    /// instruction pointer.
    #[inline(always)]
    pub(crate) fn find_boosted(&self, insn: &Insn, next: NonZeroUsize) -> Option<Slot> {
        // ORDERING: Acquire pairs with the release in `link`: a task that gets to a slot sees what
        // follows it now, and not what did before (litmus/boost-chain.litmus).
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

    /// Makes no task find the boosted `slot` any more, except for those that are looking for a slot
    /// already. Tasks may be in it, and leave it by its jump.
    pub(crate) fn retire(&self, slot: &Boosted<'_>, locked: &mut Locked) {
        self.unlink(self.boosted_head(slot.next), slot.slot, locked);
    }

    /// Makes tasks find a slot again that was retired. A task that was looking for a slot when this
    /// one was retired does so no more.
    pub(crate) fn reinstate(&self, slot: &Boosted<'_>, locked: &mut Locked) {
        self.link(self.boosted_head(slot.next), slot.slot, locked);
    }

    /// Does not boost a slot any more that was retired: no task finds it, and none is in it.
    pub(crate) fn unboost(&self, slot: SlotRef<'_>, _: &mut Locked) {
        slot.record().unboost();
    }
}

/// A slot that is boosted, and stays so for as long as this is used.
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
        // INVARIANT: The slot is boosted. Only the task that searches or looks, under the lock,
        // changes that.
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

    /// Where its jump leads.
    pub(crate) fn next(&self) -> NonZeroUsize {
        self.next
    }
}
