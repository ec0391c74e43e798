// SPDX-License-Identifier: GPL-2.0

//! The memory behind the slots.

use super::{
    slot::{Insn, SLOT_SIZE},
    task::Held, //
};
use kernel::{
    bindings,
    page::Page,
    prelude::*, //
};

/// The page that is mapped as `[uprobes]`.
///
/// # Invariants
///
/// The memory of slot 0 holds the uretprobe trampoline. That of another slot is written only by the
/// task that holds the slot, while it is in it.
pub(crate) struct SlotPage(Page);

impl SlotPage {
    /// Allocates a page with the trampoline in slot 0. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had, [`EINVAL`] when the trampoline does not fit a slot.
    pub(crate) fn new() -> Result<Self> {
        let page = Page::alloc_page(GFP_HIGHUSER | __GFP_ZERO)?;
        let mut size = 0;
        // SAFETY: Returns a pointer to `size` bytes that never change.
        let trampoline = unsafe { bindings::arch_uretprobe_trampoline(&mut size) };
        if size as usize > SLOT_SIZE {
            return Err(EINVAL);
        }
        // SAFETY: The page is ours alone, `trampoline` is valid for reads of `size` bytes, and they
        // fit into a slot.
        unsafe { bindings::arch_uprobe_copy_ixol(page.as_ptr(), 0, trampoline, size) };
        // INVARIANT: The trampoline was just written, and there are no holders.
        Ok(Self(page))
    }

    /// The `struct page`.
    pub(crate) fn as_ptr(&self) -> *mut bindings::page {
        self.0.as_ptr()
    }

    /// Writes `insn` into a slot, which is at `vaddr` in the current process, for all CPUs to see.
    #[cold]
    pub(crate) fn write(&self, _held: &Held<'_>, vaddr: usize, insn: &Insn) {
        let mut bytes = insn.bytes();

        // SAFETY: `vaddr` gives the offset in the page of a slot that, by `_held`, nobody else
        // writes or executes now, and that has room for an instruction and what an architecture
        // puts behind it.
        unsafe {
            bindings::arch_uprobe_copy_ixol(
                self.as_ptr(),
                vaddr,
                bytes.as_mut_ptr().cast(),
                bytes.len(),
            )
        };
    }
}
