// SPDX-License-Identifier: GPL-2.0

//! The unused slots of an area, and the number of its pages.

use super::{
    events,
    page::Unused,
    slot::{Slot, SLOTS_PER_PAGE, SLOT_COUNT},
    slots::Locked,
    table::Table, //
};
use kernel::{bitmap::BitmapVec, prelude::*};

/// The unused slots of an area, which its lock protects: those that were returned, and those that
/// were never used. A page adds to the latter without a look at each of its slots.
///
/// # Invariants
///
/// - The bits that are set in `returned` are those of slots that were used, and are unused again.
///   `returns` is how many there are.
/// - Slots below `fresh`, and no others, have been used. `fresh` is not 0, which is the slot of the
///   trampoline, and at most how many slots there are on all pages.
/// - `pages` is the number of the area's pages, which are all in the table.
pub(crate) struct FreeSlots {
    returned: BitmapVec,
    returns: usize,
    fresh: usize,
    pages: usize,
}

impl FreeSlots {
    /// Creates the unused slots of an area with one page. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new() -> Result<Self> {
        let returned = BitmapVec::new(SLOT_COUNT, GFP_KERNEL)?;
        events::page_added();
        // INVARIANT: No bit is set, and no slot was used.
        Ok(Self {
            returned,
            returns: 0,
            fresh: 1,
            pages: 1,
        })
    }

    /// The number of unused slots.
    pub(crate) fn unused(&self) -> usize {
        self.returns + self.pages * SLOTS_PER_PAGE - self.fresh
    }

    /// The number of pages.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// Takes an unused slot, if there are more than `spare`.
    pub(crate) fn take<'a>(
        &mut self,
        table: &'a Table,
        spare: usize,
        locked: &mut Locked,
    ) -> Option<Unused<'a>> {
        if self.unused() <= spare {
            return None;
        }
        // A search for no bit would read the whole bitmap.
        let returned = match self.returns {
            0 => None,
            _ => self.returned.next_bit(0),
        };
        let slot = table.at(Slot::new(returned.unwrap_or(self.fresh) as u32)?)?;
        // INVARIANT: The caller gets the slot, which is not unused any more.
        match returned {
            Some(number) => {
                self.returned.clear_bit(number);
                self.returns -= 1;
            }
            None => self.fresh += 1,
        }
        events::used();
        Some(Unused::new(slot, locked))
    }

    /// Makes `slot` unused. It must not be unused already.
    pub(crate) fn put(&mut self, slot: Slot) {
        // INVARIANT: The slot was used, so that it is below `fresh`, and its bit was not set.
        self.returned.set_bit(slot.number() as usize);
        self.returns += 1;
    }

    /// Adds the slots of the page that the table got last.
    pub(crate) fn add_page(&mut self) {
        // INVARIANT: None of the page's slots was used: `fresh` is at most the first one's number.
        self.pages += 1;
        events::page_added();
    }
}

impl Drop for FreeSlots {
    fn drop(&mut self) {
        // All slots except that of the trampoline.
        let slots = self.pages * SLOTS_PER_PAGE - 1;
        events::freed(slots - self.unused(), self.pages);
    }
}
