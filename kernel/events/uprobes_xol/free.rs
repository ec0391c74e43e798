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

/// The unused slots of an area, which its lock protects.
///
/// # Invariants
///
/// - A slot's bit is set in `used` unless the slot is unused. The bits of slot 0, and of slots on
///   pages that the area does not have, are set.
/// - `unused` is the number of bits that are not set.
/// - `pages` is the number of the area's pages, which are all in the table.
pub(crate) struct FreeSlots {
    used: BitmapVec,
    unused: usize,
    pages: usize,
}

impl FreeSlots {
    /// Creates the unused slots of an area with one page. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new() -> Result<Self> {
        let mut used = BitmapVec::new(SLOT_COUNT, GFP_KERNEL)?;
        for number in 0..SLOT_COUNT {
            used.set_bit(number);
        }
        // INVARIANT: All bits are set, until the page is added.
        let mut free = Self {
            used,
            unused: 0,
            pages: 0,
        };
        free.add_page();
        Ok(free)
    }

    /// The number of unused slots.
    pub(crate) fn unused(&self) -> usize {
        self.unused
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
        if self.unused <= spare {
            return None;
        }
        let number = self.used.next_zero_bit(0)?;
        let slot = table.at(Slot::new(number as u32)?)?;
        // INVARIANT: The bit is set: the caller gets the slot, which is not unused any more.
        self.used.set_bit(number);
        self.unused -= 1;
        events::used();
        Some(Unused::new(slot, locked))
    }

    /// Makes `slot` unused. It must not be unused already.
    pub(crate) fn put(&mut self, slot: Slot) {
        // INVARIANT: The slot's bit was set, and the area has the slot's page.
        self.used.clear_bit(slot.number() as usize);
        self.unused += 1;
    }

    /// Adds the slots of the page that the table got last.
    pub(crate) fn add_page(&mut self) {
        let first = self.pages * SLOTS_PER_PAGE;
        self.pages += 1;
        // INVARIANT: No task can be in these slots yet. Slot 0 holds the trampoline: its bit stays.
        for slot in (first..first + SLOTS_PER_PAGE).filter_map(|n| Slot::new(n as u32)) {
            self.put(slot);
        }
        events::page_added();
    }
}

impl Drop for FreeSlots {
    fn drop(&mut self) {
        // All slots except that of the trampoline.
        let slots = self.pages * SLOTS_PER_PAGE - 1;
        events::freed(slots - self.unused, self.pages);
    }
}
