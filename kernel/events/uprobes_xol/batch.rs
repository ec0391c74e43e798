// SPDX-License-Identifier: GPL-2.0

//! Slots that are collected together.

use super::{gc::BATCH, slot::Slot};

/// A set of slots next to each other: of [`BATCH`] numbers at most.
#[derive(Clone, Copy)]
pub(crate) struct Batch {
    /// The number of the slot that bit 0 stands for.
    first: usize,
    slots: u64,
}

impl Batch {
    /// No slot.
    pub(crate) const EMPTY: Self = Self { first: 0, slots: 0 };

    /// All slots from the number `first` on.
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

    /// The slots, some of which the area may not have.
    pub(crate) fn slots(self) -> impl Iterator<Item = Slot> {
        (0..BATCH)
            .filter(move |i| self.slots & (1 << i) != 0)
            .filter_map(move |i| Slot::new((self.first + i) as u32))
    }

    /// The slots of the batch that `keep` returns true for.
    pub(crate) fn filter(self, mut keep: impl FnMut(Slot) -> bool) -> Self {
        let mut kept = Self { slots: 0, ..self };
        for slot in self.slots().filter(|&slot| keep(slot)) {
            kept.slots |= kept.bit(slot);
        }
        kept
    }

    /// The slot's bit, or no bit if the batch has none for it.
    fn bit(self, slot: Slot) -> u64 {
        let index = (slot.number() as usize).wrapping_sub(self.first);
        if index < BATCH {
            1 << index
        } else {
            0
        }
    }

    /// Returns whether the slot is one of the batch.
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
