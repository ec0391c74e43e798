// SPDX-License-Identifier: GPL-2.0

//! A page of slots, and their records.

use super::{
    ffi,
    record::Record,
    slot::{Slot, SLOTS_PER_PAGE, SLOT_SIZE},
    slots::Locked, //
};
use kernel::{
    alloc::Flags,
    page::Page,
    prelude::*, //
};
use pin_init::init_array_from_fn;

/// Makes an array on the heap. May sleep.
///
/// # Errors
///
/// [`ENOMEM`] when there is no memory.
pub(crate) fn array<T, const N: usize>(new: impl Fn() -> T, flags: Flags) -> Result<KVBox<[T; N]>> {
    KVBox::init(init_array_from_fn(|_| new()), flags)
}

/// A page that is mapped as part of `[uprobes]`.
///
/// # Invariants
///
/// The memory of a slot is written only while the slot is unused.
pub(crate) struct SlotPage {
    memory: Page,
    records: KVBox<[Record; SLOTS_PER_PAGE]>,
}

impl SlotPage {
    /// Allocates a page whose slots hold nothing. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new(flags: Flags) -> Result<Self> {
        // INVARIANT: All slots are unused.
        Ok(Self {
            memory: Page::alloc_page(flags | __GFP_ZERO)?,
            records: array(Record::new, flags)?,
        })
    }

    /// Allocates a page with the uretprobe trampoline in its first slot. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory, [`EINVAL`] when the trampoline does not fit a slot.
    pub(crate) fn with_trampoline() -> Result<Self> {
        let page = Self::new(GFP_KERNEL)?;
        let trampoline = ffi::trampoline();
        if trampoline.len() > SLOT_SIZE {
            return Err(EINVAL);
        }
        // SAFETY: No CPU can see the page yet, and the bytes fit into a slot. The architecture puts
        // nothing after the trampoline, whose offset is 0.
        unsafe { ffi::write_insn(&page.memory, 0, trampoline) };
        Ok(page)
    }

    /// The `struct page`.
    pub(crate) fn as_ptr(&self) -> *mut ffi::page {
        self.memory.as_ptr()
    }
}

/// A slot on a page that its area has.
///
/// # Invariants
///
/// `page` is the page of `slot`.
#[derive(Clone, Copy)]
pub(crate) struct SlotRef<'a> {
    slot: Slot,
    page: &'a SlotPage,
}

impl<'a> SlotRef<'a> {
    /// Combines a slot with its page. `page` must be the page whose index is [`Slot::page`].
    #[inline]
    pub(crate) fn new(slot: Slot, page: &'a SlotPage) -> Self {
        // INVARIANT: The caller looked up the page by the slot.
        Self { slot, page }
    }

    /// The slot's number.
    #[inline]
    pub(crate) fn slot(self) -> Slot {
        self.slot
    }

    /// The slot's record.
    #[inline]
    pub(crate) fn record(self) -> &'a Record {
        // The compiler can tell that the index is less than the length of the array.
        &self.page.records[self.slot.index()]
    }
}

/// An unused slot.
///
/// # Invariants
///
/// The slot is not offered. Only the holder of this value may write the slot.
#[must_use = "a slot that is not offered is lost"]
pub(crate) struct Unused<'a>(SlotRef<'a>);

impl<'a> Unused<'a> {
    /// Wraps a slot that the caller has just taken from the area's unused slots, under the lock.
    pub(crate) fn new(slot: SlotRef<'a>, _: &mut Locked) -> Self {
        // INVARIANT: The slot is unused, and no other task can take it: the lock is held.
        Self(slot)
    }

    /// Returns the slot, for the caller to offer.
    pub(crate) fn into_slot(self) -> SlotRef<'a> {
        self.0
    }

    /// The slot's record.
    pub(crate) fn record(&self) -> &'a Record {
        self.0.record()
    }

    /// Writes an instruction into the slot, and makes it visible to all CPUs. Does not sleep.
    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) {
        // SAFETY: By the type's invariants no CPU executes or writes the slot. The instruction, and
        // the bytes that an architecture puts after it, fit into a slot. `Insn` has the alignment
        // of a `struct arch_uprobe`.
        unsafe { ffi::write_insn(&self.0.page.memory, self.0.slot.offset(), bytes) };
    }
}
