// SPDX-License-Identifier: GPL-2.0

//! The number of a slot. The slot's page and its place on the page follow from the number.

pub(crate) use super::ffi::{PAGES, SLOTS_PER_PAGE, SLOT_SIZE};

use core::num::NonZeroU32;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

static_assert!(SLOTS_PER_PAGE * SLOT_SIZE <= PAGE_SIZE);

/// The most slots of an area, including that of the trampoline.
pub(crate) const SLOT_COUNT: usize = PAGES * SLOTS_PER_PAGE;

static_assert!(SLOT_COUNT >= 2, "one slot is the trampoline's");
static_assert!(SLOT_COUNT <= u32::MAX as usize);

/// The number of a slot that can hold an instruction.
///
/// # Invariants
///
/// - The number is less than [`SLOT_COUNT`].
/// - The number is not zero: slot 0 always holds the uretprobe trampoline. So a stored number can
///   be zero to mean "no slot".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(NonZeroU32);

impl Slot {
    /// Returns the slot with this number, or `None` for the slot of the trampoline and for numbers
    /// that no slot has.
    #[inline]
    pub(crate) fn new(number: u32) -> Option<Self> {
        // INVARIANT: `NonZeroU32` refuses zero, and the filter refuses numbers that are too large.
        NonZeroU32::new(number)
            .filter(|number| (number.get() as usize) < SLOT_COUNT)
            .map(Self)
    }

    /// The slot's number.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }

    /// The index of the slot's page in the area.
    #[inline]
    pub(crate) fn page(self) -> usize {
        self.0.get() as usize / SLOTS_PER_PAGE
    }

    /// The index of the slot in its page.
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize % SLOTS_PER_PAGE
    }

    /// Bytes from the beginning of the area to the slot.
    #[inline]
    pub(crate) fn offset(self) -> usize {
        self.0.get() as usize * SLOT_SIZE
    }
}
