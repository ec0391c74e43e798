// SPDX-License-Identifier: GPL-2.0

//! The XOL area of a process.

use super::{
    gc::Gc,
    page::SlotPage,
    slot::Insn,
    task::Task, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::ArcBorrow,
    types::Opaque, //
};

/// The XOL area of a process: a page of slots, mapped as `[uprobes]`, and who has which of them.
///
/// It is made by the first task of the process that needs a slot or a uretprobe, and lives as long
/// as the process's `mm`.
///
/// # Invariants
///
/// - `core.vaddr` does not change once the area is reachable from the `mm`.
/// - `core.page` is `page`.
#[pin_data]
#[repr(C)]
pub(crate) struct XolArea {
    /// What the C core knows of the area. First, so that C's pointer is one to the whole.
    core: Opaque<bindings::xol_area>,
    page: SlotPage,
    #[pin]
    gc: Gc,
}

// SAFETY: `core` is written before the area is shared only; the rest may move to other threads.
unsafe impl Send for XolArea {}

// SAFETY: `core` is read-only once the area is shared; the rest is `Sync`.
unsafe impl Sync for XolArea {}

impl XolArea {
    /// Creates an area that is to be mapped at `vaddr`, or anywhere if that is 0. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory for it cannot be had.
    pub(crate) fn new(vaddr: usize) -> Result<Pin<KBox<Self>>> {
        let page = SlotPage::new()?;
        KBox::try_pin_init(
            try_pin_init!(Self {
                // INVARIANT: Nobody else can see the area yet, and this is its page.
                core: Opaque::new(bindings::xol_area { vaddr, page: page.as_ptr() }),
                page,
                gc <- Gc::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Where the area is mapped in its process.
    #[inline]
    fn vaddr(&self) -> usize {
        // SAFETY: By the type's invariants nobody writes it any more.
        unsafe { (*self.core.get()).vaddr }
    }

    /// Gets a slot that holds `insn` for `task`, and returns the address at which to execute it.
    ///
    /// May sleep. The current task must be the owner of `task`; it calls [`put`](Self::put) when
    /// the instruction was executed or turns out not to be.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal while it waited for a slot.
    #[inline]
    pub(crate) fn get(&self, task: &ArcBorrow<'_, Task>, insn: &Insn) -> Result<usize> {
        let vaddr = self.vaddr();
        let held = match task.enter() {
            Some(held) if held.holds(insn) => return Ok(vaddr + held.slot().offset()),
            Some(held) => held,
            None => self.gc.take(task)?,
        };
        self.page.fill(&held, vaddr, insn);
        held.set_insn(insn);
        Ok(vaddr + held.slot().offset())
    }

    /// The owner of `task` does not need its slot for now. Does not sleep.
    #[inline]
    pub(crate) fn put(&self, task: &Task) {
        self.gc.leave(task);
    }

    /// Takes the slot, if there is one, from a task that is about to be freed. Does not sleep.
    pub(crate) fn evict(&self, task: &Task) {
        self.gc.evict(task);
    }
}
