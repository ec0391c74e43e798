// SPDX-License-Identifier: GPL-2.0

//! The record of a slot: the instruction that the slot holds, and whether tasks may get into the
//! slot.

use super::{
    insn::{Insn, InsnCell},
    slot::Slot, //
};
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Full, Relaxed, Release}, //
};

/// The number that means "no slot": the end of a chain.
pub(crate) const END: u32 = 0;

/// The record of a slot: what it holds, and its place in a chain.
///
/// # Invariants
///
/// - `version` is 0 until the slot is offered for the first time, and only grows. It is odd while
///   the slot is offered.
/// - `insn` does not change while `version` is odd. Unless `version` is 0, the slot's memory holds
///   `insn`.
/// - All fields are written under the area's lock only.
pub(crate) struct Record {
    /// The version is a whole word, so that it does not wrap around while a task is preempted.
    pub(crate) version: Atomic<usize>,
    /// The next slot in the chain, or [`END`]. Tasks follow this link without a lock. The link
    /// always leads to a slot or to the end. If the slot has moved to another chain in between, the
    /// link leads along that chain.
    pub(crate) next: Atomic<u32>,
    /// The slot before this one in the chain, or [`END`] if this is the first. Used under the lock
    /// only.
    pub(crate) prev: Atomic<u32>,
    pub(crate) insn: InsnCell,
}

impl Record {
    /// Creates the record of a slot that was not offered yet.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The slot is not offered.
        Self {
            version: Atomic::new(0),
            next: Atomic::new(END),
            prev: Atomic::new(END),
            insn: InsnCell::zeroed(),
        }
    }

    /// Returns the version in which the slot is offered and holds `insn`.
    #[inline]
    pub(crate) fn offers(&self, insn: &Insn) -> Option<usize> {
        // ORDERING: Acquire pairs with the release in `open`: a task that sees the version also
        // sees the instruction, and that it was written to the slot's memory
        // (litmus/offer-claim.litmus).
        let version = self.version.load(Acquire);
        // If the instruction is replaced in between, `claim` reads another version later
        // (litmus/find-rewrite.litmus).
        (version % 2 == 1 && self.insn.holds(insn)).then_some(version)
    }

    /// Returns whether the slot still has this version.
    #[inline]
    pub(crate) fn is_version(&self, version: usize) -> bool {
        // ORDERING: Relaxed: the barrier in `claim` comes before (litmus/claim-retract.litmus).
        self.version.load(Relaxed) == version
    }

    /// Returns whether the slot is offered. Under the lock.
    pub(crate) fn is_offered(&self) -> bool {
        // ORDERING: Relaxed: decides nothing for tasks without the lock. The version is written
        // only under the lock.
        self.version.load(Relaxed) % 2 == 1
    }

    /// Returns whether the slot's memory holds `insn`. Under the lock.
    pub(crate) fn holds(&self, insn: &Insn) -> bool {
        !self.is_version(0) && self.insn.holds(insn)
    }

    /// Offers the slot from now on. Under the lock.
    pub(crate) fn open(&self) {
        // INVARIANT: The version grows, from even to odd. The memory holds `insn`: the memory and
        // `insn` were written while the slot was unused.
        //
        // ORDERING: Release pairs with the acquire in `offers`: a task that finds the slot offered
        // sees what it holds (litmus/offer-claim.litmus).
        let version = self.version.load(Relaxed).wrapping_add(1);
        self.version.store(version, Release);
    }

    /// Stops offering the slot. Under the lock.
    pub(crate) fn close(&self) {
        // INVARIANT: The version grows, from odd to even.
        //
        // ORDERING: Full. It orders this store before the caller's check of the tasks, and pairs
        // with the barrier in `claim`: either the caller sees a task in the slot, or the task sees
        // this version (litmus/claim-retract.litmus). It also orders this store before the
        // instruction is replaced: a task that sees a part of the new instruction also sees this
        // version (litmus/find-rewrite.litmus).
        let version = self.version.load(Relaxed).wrapping_add(1);
        self.version.xchg(version, Full);
    }

    /// The next slot in the chain.
    #[inline]
    pub(crate) fn next(&self) -> Option<Slot> {
        // ORDERING: Relaxed: decides nothing. A task judges each slot by the slot's own record. A
        // link leads to a slot that got into the chain earlier.
        Slot::new(self.next.load(Relaxed))
    }
}

static_assert!(align_of::<Record>() == align_of::<usize>());
