// SPDX-License-Identifier: GPL-2.0

//! What a slot is: a number, which tells its page and its place there.

use core::num::NonZeroU32;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

/// Bytes from one slot to the next.
pub(crate) const SLOT_SIZE: usize = bindings::UPROBE_XOL_SLOT_SIZE as usize;

/// Bytes of a boosted slot: an instruction, a jump, and where that leads.
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
pub(crate) const BOOSTED_SIZE: usize = bindings::UPROBE_BOOSTED_SIZE as usize;

#[cfg(CONFIG_UPROBES_XOL_BOOST)]
static_assert!(BOOSTED_SIZE <= SLOT_SIZE);

/// Slots of a page.
pub(crate) const SLOTS_PER_PAGE: usize = bindings::UPROBE_XOL_SLOTS_PER_PAGE as usize;

static_assert!(SLOTS_PER_PAGE * SLOT_SIZE <= PAGE_SIZE);

/// Pages that an area can grow to.
pub(crate) const PAGES: usize = bindings::UPROBE_XOL_PAGES as usize;

/// Slots that an area can grow to, the trampoline's included.
pub(crate) const SLOT_COUNT: usize = PAGES * SLOTS_PER_PAGE;

static_assert!(SLOT_COUNT >= 2, "one slot is the trampoline's");
static_assert!(SLOT_COUNT <= u32::MAX as usize);

/// The number of a slot that can hold an instruction.
///
/// # Invariants
///
/// - Less than [`SLOT_COUNT`].
/// - Not zero: slot 0 holds the uretprobe trampoline for as long as the area lives. Zero is thus
///   free to mean "no slot" wherever a number is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(NonZeroU32);

impl Slot {
    /// Returns the slot with this number, or `None` if that is the trampoline's or there is none.
    #[inline]
    pub(crate) fn new(number: u32) -> Option<Self> {
        // INVARIANT: `NonZeroU32` refuses zero, and the filter the rest.
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

    /// The boosted slot that lies around `offset`, in bytes from the beginning of the area, if
    /// there is one.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    pub(crate) fn boosted_around(offset: usize) -> Option<Self> {
        let number = u32::try_from(offset / SLOT_SIZE).ok()?;
        Self::new(number).filter(|_| offset % SLOT_SIZE < BOOSTED_SIZE)
    }

    /// Where the slot begins, in bytes from the beginning of the area.
    #[inline]
    pub(crate) fn offset(self) -> usize {
        self.0.get() as usize * SLOT_SIZE
    }
}
