// SPDX-License-Identifier: GPL-2.0

//! The memory behind the slots.

use super::{
    insn::Insn,
    slot::SLOT_SIZE,
    table::Unused, //
};
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
use {super::slot::BOOSTED_SIZE, core::num::NonZeroUsize};

use kernel::{
    bindings,
    page::Page,
    prelude::*, //
};

/// A page that is mapped as part of `[uprobes]`.
///
/// # Invariants
///
/// The memory of a slot is written only while the slot is unused: when no task is in it, and none
/// can get there.
pub(crate) struct SlotPage(Page);

impl SlotPage {
    /// Allocates a page. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had.
    pub(crate) fn new() -> Result<Self> {
        // INVARIANT: No slot is used yet.
        Ok(Self(Page::alloc_page(GFP_HIGHUSER | __GFP_ZERO)?))
    }

    /// Allocates a page with the uretprobe trampoline in its first slot. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had, [`EINVAL`] when the trampoline does not fit a slot.
    pub(crate) fn with_trampoline() -> Result<Self> {
        let page = Self::new()?;
        let mut size = 0;
        // SAFETY: Returns a pointer to `size` bytes that never change.
        let trampoline = unsafe { bindings::arch_uretprobe_trampoline(&mut size) };
        if size > SLOT_SIZE {
            return Err(EINVAL);
        }
        // SAFETY: The page is ours alone, `trampoline` is valid for reads of `size` bytes, and they
        // fit into a slot. The address 0 is that of the trampoline, behind which nothing is put.
        unsafe { bindings::arch_uprobe_copy_ixol(page.as_ptr(), 0, trampoline, size) };
        Ok(page)
    }

    /// The `struct page`.
    pub(crate) fn as_ptr(&self) -> *mut bindings::page {
        self.0.as_ptr()
    }

    /// Writes `insn` into a slot of this page, for all CPUs to see. Does not sleep.
    pub(crate) fn write(&self, unused: &Unused, insn: &Insn) {
        self.write_bytes(unused, insn.bytes());
    }

    /// Writes `insn` into a slot of this page, and a jump to `next`, for all CPUs to see. Does not
    /// sleep.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    pub(crate) fn write_boosted(&self, unused: &Unused, insn: &Insn, next: NonZeroUsize) {
        let mut bytes = [0; BOOSTED_SIZE];
        // SAFETY: An instruction, and as many bytes as are written.
        unsafe {
            bindings::arch_uprobe_boosted_insn(insn.as_raw(), next.get(), bytes.as_mut_ptr())
        };
        self.write_bytes(unused, &bytes);
    }

    #[inline]
    fn write_bytes(&self, unused: &Unused, bytes: &[u8]) {
        // SAFETY: The bytes are only read. They are as aligned as those of a `struct arch_uprobe`,
        // or those that `arch_uprobe_boosted_insn` has made. An address that is not 0 stands for
        // its offset in the page: that of a slot which nobody writes or executes now, and which
        // has room for an instruction and what an architecture puts behind it, or for the bytes of
        // a boosted slot. No slot has 0.
        unsafe {
            bindings::arch_uprobe_copy_ixol(
                self.as_ptr(),
                unused.slot().offset(),
                bytes.as_ptr().cast_mut().cast(),
                bytes.len(),
            )
        };
    }
}
