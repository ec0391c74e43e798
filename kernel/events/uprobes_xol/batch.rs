// SPDX-License-Identifier: GPL-2.0

//! The batch: the slots that the collector retracts together.

use super::{gc::BATCH, slot::Slot};

/// A set of slots whose numbers lie within a range of [`BATCH`].
#[derive(Clone, Copy)]
pub(crate) struct Batch {
    /// The number of the slot that bit 0 stands for.
    first: usize,
    slots: u64,
}

impl Batch {
    /// The empty set.
    pub(crate) const EMPTY: Self = Self { first: 0, slots: 0 };

    /// The [`BATCH`] slots from the number `first` on.
    pub(crate) fn all_at(first: usize) -> Self {
        Self {
            first,
            slots: u64::MAX,
        }
    }

    /// One slot.
    pub(crate) fn of(slot: Slot) -> Self {
        Self {
            first: slot.number() as usize,
            slots: 1,
        }
    }

    /// Iterates over the slots of the set. The area may not have all of them.
    pub(crate) fn slots(self) -> impl Iterator<Item = Slot> {
        (0..BATCH)
            .filter(move |i| self.slots & (1 << i) != 0)
            .filter_map(move |i| Slot::new((self.first + i) as u32))
    }

    /// The slots of the batch for which `keep` returns true.
    pub(crate) fn filter(self, mut keep: impl FnMut(Slot) -> bool) -> Self {
        let mut kept = Self { slots: 0, ..self };
        for slot in self.slots().filter(|&slot| keep(slot)) {
            kept.slots |= kept.bit(slot);
        }
        kept
    }

    /// The bit that stands for `slot`, or 0 if `slot` is outside the range.
    fn bit(self, slot: Slot) -> u64 {
        let index = (slot.number() as usize).wrapping_sub(self.first);
        if index < BATCH {
            1 << index
        } else {
            0
        }
    }

    /// Returns whether the slot is in the set.
    pub(crate) fn contains(self, slot: Slot) -> bool {
        self.slots & self.bit(slot) != 0
    }

    /// Takes a slot out of the batch.
    pub(crate) fn remove(&mut self, slot: Slot) {
        self.slots &= !self.bit(slot);
    }

    /// Returns whether there is no slot in the batch.
    pub(crate) fn is_empty(self) -> bool {
        self.slots == 0
    }
}
