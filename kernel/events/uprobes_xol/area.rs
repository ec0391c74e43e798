// SPDX-License-Identifier: GPL-2.0

//! The XOL area of a process.

use super::{
    events,
    gc::Gc,
    insn::Insn,
    page::SlotPage,
    slot::{Slot, PAGES},
    table::{SlotPageRecords, Table},
    task::{Entered, Held, Task}, //
};
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
use core::num::NonZeroUsize;

use kernel::{
    bindings,
    prelude::*,
    sync::ArcBorrow,
    types::Opaque, //
};

/// The XOL area of a process: slots in pages that are mapped as `[uprobes]`, what they hold, and
/// who may be in them.
///
/// It is made by the first task of the process that needs a slot or a uretprobe, and lives as long
/// as the process's `mm`.
///
/// # Invariants
///
/// `core` does not change once the area is reachable from the `mm`.
#[pin_data]
#[repr(C)]
pub(crate) struct XolArea {
    /// What the C core knows of the area. First, so that C's pointer is one to the whole.
    core: Opaque<bindings::xol_area>,
    table: Table,
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
        let first = SlotPageRecords::new(SlotPage::with_trampoline()?)?;
        let table = Table::new(first)?;
        KBox::try_pin_init(
            try_pin_init!(Self {
                // INVARIANT: Nobody else can see the area yet.
                core: Opaque::new(bindings::xol_area { vaddr, pages: PAGES }),
                table,
                gc <- Gc::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Where the area is mapped in the process.
    #[inline]
    fn vaddr(&self) -> usize {
        // SAFETY: By the type's invariants nobody writes it any more.
        unsafe { (*self.core.get()).vaddr }
    }

    /// Where a slot is mapped in the process.
    #[inline]
    fn vaddr_at(&self, slot: Slot) -> usize {
        self.vaddr() + slot.offset()
    }

    /// Where the slot that is held is mapped in the process.
    #[inline]
    fn vaddr_of(&self, held: &Held) -> usize {
        self.vaddr_at(held.slot())
    }

    /// Gets a slot that holds `insn` for `task`, and returns the address at which to execute it.
    /// Returns `None` if none is to be had at once: [`wait`](Self::wait) is called next.
    ///
    /// May sleep, but does not wait for other tasks. The current task must be the owner of `task`;
    /// it calls [`put`](Self::put) when the instruction was executed or turns out not to be.
    #[inline(always)]
    pub(crate) fn get(&self, task: ArcBorrow<'_, Task>, insn: &Insn) -> Option<usize> {
        let entered = Task::enter(task);
        match entered.cached(insn) {
            Some(held) => Some(self.vaddr_of(&held)),
            None => self.look_up(entered, insn),
        }
    }

    /// Gets another slot than the one that the task has cached.
    #[inline(never)]
    fn look_up(&self, entered: Entered<'_>, insn: &Insn) -> Option<usize> {
        if entered.is_listed() {
            let before = entered.slot();
            if let Some(held) = self.table.find(&entered, insn) {
                self.gc.moved(&self.table, before);
                return Some(self.taken(held));
            }
        }
        let held = self.gc.take(&self.table, &entered, insn);
        if held.is_none() {
            entered.leave_to_wait(insn);
        }
        Some(self.taken(held?))
    }

    /// Does what [`get`](Self::get) could not, by waiting until a task leaves its slot.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal meanwhile.
    pub(crate) fn wait(&self, task: ArcBorrow<'_, Task>) -> Result<usize> {
        let held = self.gc.wait(&self.table, Task::enter(task))?;
        Ok(self.taken(held))
    }

    /// Tells that the task got into another slot, and returns where that is mapped.
    #[inline]
    fn taken(&self, held: Held) -> usize {
        let vaddr = self.vaddr_of(&held);
        events::taken(held.slot(), vaddr);
        vaddr
    }

    /// The owner of `task` does not need its slot for now. Does not sleep.
    #[inline]
    pub(crate) fn put(&self, task: &Task) {
        self.gc.leave(&self.table, task);
    }

    /// The owner of `task`, which is about to be freed, will not need a slot any more. Does not
    /// sleep.
    pub(crate) fn evict(&self, task: &Task) {
        self.gc.evict(task);
    }

    /// What is mapped at the page `index` of the area, if it has grown that far.
    pub(crate) fn page(&self, index: usize) -> Option<*mut bindings::page> {
        self.table.page(index)
    }
}

/// What a boosted slot is for.
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
pub(crate) struct Boosted {
    /// Where it is mapped.
    pub(crate) vaddr: usize,
    /// What it executes.
    pub(crate) insn: Insn,
    /// Where its jump leads.
    pub(crate) next: usize,
}

#[cfg(CONFIG_UPROBES_XOL_BOOST)]
impl XolArea {
    /// Gets a boosted slot that executes `insn` and jumps to `next`: returns where it is mapped.
    /// Returns `None` if the instruction is to be stepped, because no more slots can be boosted.
    ///
    /// May sleep, but does not wait for other tasks. A slot that exists is found without a lock,
    /// and without writing anything. The current task is one of the process, and an RCU Tasks Trace
    /// reader until it has the address for its instruction pointer.
    #[inline(always)]
    pub(crate) fn boost(&self, insn: &Insn, next: usize) -> Option<usize> {
        let next = NonZeroUsize::new(next)?;
        match self.table.find_boosted(insn, next) {
            Some(slot) => Some(self.vaddr_at(slot)),
            None => self.make_boosted(insn, next),
        }
    }

    /// Gets a boosted slot that was not found.
    #[inline(never)]
    fn make_boosted(&self, insn: &Insn, next: NonZeroUsize) -> Option<usize> {
        let slot_at = |ip| self.boosted_slot_at(ip);
        let slot = self.gc.boost(&self.table, insn, next, slot_at);
        if slot.is_none() {
            events::unboosted();
        }
        Some(self.vaddr_at(slot?))
    }

    /// The slot that this instruction pointer is in, if that is one of those that may be boosted.
    fn boosted_slot_at(&self, ip: usize) -> Option<Slot> {
        Slot::boosted_around(ip.checked_sub(self.vaddr())?)
    }

    /// What the boosted slot is for that a task with this instruction pointer is in, if it is in
    /// one. For any context.
    pub(crate) fn boosted_at(&self, ip: usize) -> Option<Boosted> {
        let slot = self.boosted_slot_at(ip)?;
        let (insn, next) = self.table.boosted(slot)?;
        Some(Boosted {
            vaddr: self.vaddr_at(slot),
            insn,
            next: next.get(),
        })
    }
}
