// SPDX-License-Identifier: GPL-2.0

//! The table in which tasks find the slot that holds an instruction.
//!
//! Tasks look here without a lock, and without writing anything that other tasks read. A slot may
//! be retracted at the moment at which a task finds it. The task therefore first makes the slot its
//! cached slot, and then checks once more that the slot is offered ([`Entered::claim`]).
//!
//! A slot is in one of three states. While it is *offered*, tasks find it, and may get into it.
//! While it is *retracted*, no task finds it any more, but tasks may still be in it. While it is
//! *unused*, no task is in it.

use super::{
    ffi,
    hash::{Hasher, BUCKETS},
    insn::Insn,
    page::{array, SlotPage, SlotRef, Unused},
    record::END,
    slot::{Slot, PAGES},
    slots::Locked,
    task::{Entered, Held}, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        SetOnce, //
    },
};

/// The most slots of a chain that a search looks at. The hash function is random, so longer chains
/// are rare. If a chain is longer, an instruction at its end may get a second slot. The limit also
/// ends a search that goes in circles because other tasks change the chain.
const LONGEST_SEARCH: usize = 32;

/// The table of an area's slots, by the instructions that they hold.
pub(crate) struct Table {
    /// The heads of the chains.
    chains: KVBox<[Atomic<u32>; BUCKETS]>,
    hasher: Hasher,
    pages: KVBox<[SetOnce<SlotPage>; PAGES]>,
}

impl Table {
    /// Makes an empty table with the page `first`. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new(first: SlotPage) -> Result<Self> {
        let pages = array(SetOnce::new, GFP_KERNEL)?;
        pages[0].populate(first);
        Ok(Self {
            chains: array(|| Atomic::new(END), GFP_KERNEL)?,
            hasher: Hasher::new(),
            pages,
        })
    }

    /// Makes `page` the page with the index `index`. Returns false if the area has that page.
    #[must_use]
    pub(crate) fn add_page(&self, index: usize, page: SlotPage, _: &mut Locked) -> bool {
        self.pages
            .get(index)
            .is_some_and(|place| place.populate(page))
    }

    /// The page with this index, if the area has grown that far.
    pub(crate) fn page(&self, index: usize) -> Option<*mut ffi::page> {
        Some(self.pages.get(index)?.as_ref()?.as_ptr())
    }

    /// The slot with this number, if the area has grown that far.
    #[inline]
    pub(crate) fn at(&self, slot: Slot) -> Option<SlotRef<'_>> {
        let page = self.pages.get(slot.page())?.as_ref()?;
        Some(SlotRef::new(slot, page))
    }

    /// The hash functions of this table.
    #[inline(always)]
    pub(crate) fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    #[inline]
    fn head(&self, insn: &Insn) -> &Atomic<u32> {
        &self.chains[self.hasher.insn(insn).bucket()]
    }

    /// Finds a slot that holds `insn`, and gets the task into it. Takes no lock.
    ///
    /// May miss a slot while another task changes the table. The task must be on the area's list of
    /// tasks, which the collector checks.
    #[inline]
    pub(crate) fn find(&self, entered: &Entered<'_>, insn: &Insn) -> Option<Held> {
        // ORDERING: Relaxed: decides nothing. A task claims a slot only if the slot's own record
        // holds `insn`.
        let mut slot = Slot::new(self.head(insn).load(Relaxed))?;
        for _ in 0..LONGEST_SEARCH {
            let record = self.at(slot)?.record();
            if let Some(version) = record.offers(insn) {
                return entered.claim(slot, insn, || record.is_version(version));
            }
            slot = record.next()?;
        }
        None
    }

    /// Writes `insn` to a slot and offers it. Does not sleep. Returns the slot.
    pub(crate) fn offer<'a>(
        &self,
        unused: Unused<'a>,
        insn: &Insn,
        locked: &mut Locked,
    ) -> SlotRef<'a> {
        let record = unused.record();
        // The slot may hold the instruction from an earlier use.
        if !record.holds(insn) {
            unused.write(insn.bytes());
            // INVARIANT: The slot is not offered, and the lock is held.
            record.insn.set(insn);
        }
        let slot = unused.into_slot();
        self.restore(slot, locked);
        slot
    }

    /// Retracts `slot`: no task finds it any more, but tasks may be in it. Returns whether the slot
    /// was offered before.
    ///
    /// A full barrier: other tasks can see the new version before the caller's next memory access.
    pub(crate) fn retract(&self, slot: SlotRef<'_>, locked: &mut Locked) -> bool {
        let record = slot.record();
        if !record.is_offered() {
            return false;
        }
        record.close();
        self.unlink(self.head(&record.insn.get()), slot, locked);
        true
    }

    /// Offers a slot that was written just now, or that was retracted but not recycled.
    pub(crate) fn restore(&self, slot: SlotRef<'_>, locked: &mut Locked) {
        let record = slot.record();
        record.open();
        self.link(self.head(&record.insn.get()), slot, locked);
    }

    /// Puts a slot at the beginning of the chain that begins with `head`.
    fn link(&self, head: &Atomic<u32>, slot: SlotRef<'_>, _: &mut Locked) {
        let record = slot.record();
        // ORDERING: Relaxed: decides nothing. A task judges each slot by the slot's own record.
        // Links are written only under the lock, which orders this for other writers.
        let next = head.load(Relaxed);
        record.next.store(next, Relaxed);
        record.prev.store(END, Relaxed);
        if let Some(next) = self.number(next) {
            next.record().prev.store(slot.slot().number(), Relaxed);
        }
        head.store(slot.slot().number(), Relaxed);
    }

    /// Takes a slot out of the chain that begins with `head`. A task that follows the chain at the
    /// same time may still get to the slot, and go on to the slots that follow.
    fn unlink(&self, head: &Atomic<u32>, slot: SlotRef<'_>, _: &mut Locked) {
        let record = slot.record();
        // ORDERING: Relaxed: decides nothing, as in `link`.
        let (prev, next) = (record.prev.load(Relaxed), record.next.load(Relaxed));
        let link = self.number(prev).map_or(head, |prev| &prev.record().next);
        link.store(next, Relaxed);
        if let Some(next) = self.number(next) {
            next.record().prev.store(prev, Relaxed);
        }
    }

    /// The slot that a link leads to, or `None` at the end of the chain.
    fn number(&self, link: u32) -> Option<SlotRef<'_>> {
        self.at(Slot::new(link)?)
    }
}
