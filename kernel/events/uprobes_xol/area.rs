// SPDX-License-Identifier: GPL-2.0

//! The XOL area of a process.

use super::{
    gc::Gc,
    page::SlotPage,
    slot::{Contents, Insn},
    task::{Held, Task, Vacant}, //
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
/// - The slots of `page` hold what `contents` says.
#[pin_data]
#[repr(C)]
pub(crate) struct XolArea {
    /// What the C core knows of the area. First, so that C's pointer is one to the whole.
    core: Opaque<bindings::xol_area>,
    page: SlotPage,
    contents: Contents,
    #[pin]
    gc: Gc,
}

// SAFETY: `core` is written before the area is shared only; the rest may move to other threads.
unsafe impl Send for XolArea {}

// SAFETY: `core` is read-only once the area is shared, and written before, as who finds the area
// sees (litmus/area-publish.litmus); the rest is `Sync`.
unsafe impl Sync for XolArea {}

impl XolArea {
    /// Creates an area that is to be mapped at `vaddr`, or anywhere if that is 0. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory for it cannot be had.
    pub(crate) fn new(vaddr: usize) -> Result<Pin<KBox<Self>>> {
        let page = SlotPage::new()?;
        let contents = Contents::new()?;
        KBox::try_pin_init(
            try_pin_init!(Self {
                // INVARIANT: Nobody else can see the area yet, this is its page, and it is zeroed.
                core: Opaque::new(bindings::xol_area { vaddr, page: page.as_ptr() }),
                page,
                contents,
                gc <- Gc::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Where the slot that is held is mapped in the process.
    #[inline]
    fn vaddr_of(&self, held: &Held<'_>) -> usize {
        // SAFETY: By the type's invariants nobody writes it any more.
        let vaddr = unsafe { (*self.core.get()).vaddr };
        vaddr + held.slot().offset()
    }

    /// Gets a slot that holds `insn` for `task`, and returns the address at which to execute it.
    ///
    /// May sleep. The current task must be the owner of `task`; it calls [`put`](Self::put) when
    /// the instruction was executed or turns out not to be.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal while it waited for a slot.
    #[inline(always)]
    pub(crate) fn get<'a>(&self, task: &'a ArcBorrow<'a, Task>, insn: &Insn) -> Result<usize> {
        match Task::enter(task) {
            Ok(held) if self.contents.holds(&held, insn) => Ok(self.vaddr_of(&held)),
            entered => self.fill(entered, insn),
        }
    }

    /// Makes the slot that the task has, or else one that it gets, hold `insn`.
    #[cold]
    #[inline(never)]
    fn fill<'a>(&self, entered: Result<Held<'a>, Vacant<'a>>, insn: &Insn) -> Result<usize> {
        let held = entered.or_else(|vacant| self.gc.take(vacant))?;
        let vaddr = self.vaddr_of(&held);
        if !self.contents.holds(&held, insn) {
            // INVARIANT: What is written is remembered before anybody else can look.
            self.page.write(&held, vaddr, insn);
            self.contents.set(&held, insn);
        }
        Ok(vaddr)
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
