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

/// No slot, as a number: the end of a chain.
pub(crate) const END: u32 = 0;

/// A record of what a slot holds.
///
/// # Invariants
///
/// - `version` is odd while the slot is offered. It is 0 until the slot is offered for the first
///   time. It only grows.
/// - `insn` does not change while `version` is odd. Unless `version` is 0, the slot's memory holds
///   `insn`.
/// - All fields are written under the area's lock only.
pub(crate) struct Record {
    /// A whole word: a task that is preempted for long must not see the same version again after
    /// the number has wrapped around.
    pub(crate) version: Atomic<usize>,
    /// The next slot in the chain, or [`END`]. Tasks follow this link without a lock. It always
    /// leads to a slot or to the end. If the slot has moved to another chain, it leads along that
    /// chain.
    pub(crate) next: Atomic<u32>,
    /// The slot before this one in the chain, or [`END`] if this is the first. Used under the lock
    /// only.
    pub(crate) prev: Atomic<u32>,
    pub(crate) insn: InsnCell,
}

impl Record {
    /// The record of a slot that was not offered yet.
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
        // If the instruction is replaced meanwhile, the version that `claim` reads later is another
        // one (litmus/find-rewrite.litmus).
        (version % 2 == 1 && self.insn.holds(insn)).then_some(version)
    }

    /// Returns whether the slot has still this version.
    #[inline]
    pub(crate) fn is_version(&self, version: usize) -> bool {
        // ORDERING: Relaxed: `claim` has the barrier before (litmus/claim-retract.litmus).
        self.version.load(Relaxed) == version
    }

    /// Returns whether the slot is offered.
    pub(crate) fn is_offered(&self) -> bool {
        self.version.load(Relaxed) % 2 == 1
    }

    /// Returns whether the slot's memory holds `insn`. Under the lock.
    pub(crate) fn holds(&self, insn: &Insn) -> bool {
        !self.is_version(0) && self.insn.holds(insn)
    }

    /// Offers the slot from now on. Under the lock.
    pub(crate) fn open(&self) {
        // INVARIANT: The version grows, from even to odd. The memory holds `insn`: both were
        // written while the slot was unused.
        //
        // ORDERING: Release pairs with the acquire in `offers`: a task that finds the slot offered
        // sees what it holds (litmus/offer-claim.litmus).
        let version = self.version.load(Relaxed).wrapping_add(1);
        self.version.store(version, Release);
    }

    /// Does not offer the slot any more. Under the lock.
    pub(crate) fn close(&self) {
        // INVARIANT: The version grows, from odd to even.
        //
        // ORDERING: Full, against what the caller does next. The caller first asks the tasks. This
        // pairs with the barrier in `claim`: either the caller sees a task in the slot, or the task
        // sees this version (litmus/claim-retract.litmus). Later the instruction is replaced: a
        // task that sees a part of the new one also sees this version (litmus/find-rewrite.litmus).
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
