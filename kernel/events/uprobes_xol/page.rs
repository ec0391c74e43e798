// SPDX-License-Identifier: GPL-2.0

//! The memory behind the slots.

use super::{
    slot::{Insn, INSN_SIZE},
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
/// The memory of slot 0 holds the uretprobe trampoline. That of another slot is read and written
/// only by the task that holds the slot, while it is in it.
pub(crate) struct SlotPage(Page);

impl SlotPage {
    /// Allocates a page with the trampoline in slot 0. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had.
    pub(crate) fn new() -> Result<Self> {
        let page = Page::alloc_page(GFP_HIGHUSER | __GFP_ZERO)?;
        let mut size = 0;
        // SAFETY: Returns a pointer to `size` bytes that never change.
        let trampoline = unsafe { bindings::arch_uretprobe_trampoline(&mut size) };
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

    /// Makes a slot hold `insn`, on all CPUs. Memory that holds it already is not written.
    ///
    /// `vaddr` is where the page is mapped in the current process.
    #[cold]
    pub(crate) fn fill(&self, held: &Held<'_>, vaddr: usize, insn: &Insn) {
        let offset = held.slot().offset();
        let mut bytes = [0; INSN_SIZE];

        // SAFETY: By the invariants of `Held` and `Self` nobody else writes the slot's memory now.
        // The instruction fits into `bytes`.
        let read = unsafe { self.0.read_raw(bytes.as_mut_ptr(), offset, INSN_SIZE) };
        let mut insn = insn.bytes();
        if read.is_ok() && bytes == insn {
            return;
        }

        // SAFETY: As above, and a slot has room for an instruction and what an architecture puts
        // behind it.
        unsafe {
            bindings::arch_uprobe_copy_ixol(
                self.as_ptr(),
                vaddr + offset,
                insn.as_mut_ptr().cast(),
                insn.len(),
            )
        };
    }
}
