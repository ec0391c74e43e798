// SPDX-License-Identifier: GPL-2.0

//! The XOL area of a process.

use super::{
    events,
    ffi::{self, xol_area},
    insn::Insn,
    page::SlotPage,
    slot::{Slot, PAGES},
    slots::Slots,
    task::{Entered, Held, Task}, //
};
use kernel::{
    prelude::*,
    sync::ArcBorrow,
    types::Opaque, //
};

/// The XOL area of a process: slots in pages that are mapped as `[uprobes]`, their contents, and
/// the tasks that may be in them.
///
/// The first task of the process that needs a slot or a uretprobe creates the area. The area lives
/// as long as the process's `mm`.
///
/// # Invariants
///
/// `core` does not change once the area is reachable from the `mm`.
#[pin_data]
#[repr(C)]
pub(crate) struct XolArea {
    /// The part that the C core knows. It is the first field, so that C's pointer also points to
    /// the whole `XolArea`.
    core: Opaque<xol_area>,
    #[pin]
    pub(crate) slots: Slots,
}

// SAFETY: `core` is written only before the area is shared. The rest may move to other threads.
unsafe impl Send for XolArea {}

// SAFETY: `core` is read-only once the area is shared. A task that finds the area sees what was
// written before (litmus/area-publish.litmus). The rest is `Sync`.
unsafe impl Sync for XolArea {}

impl XolArea {
    /// Creates an area to be mapped at `vaddr`, or anywhere if that is 0. May sleep.
    ///
    /// The area has one page, and does not grow until it is [mapped](Self::mapped). This page is
    /// not charged to the process's memory cgroup: a process that has reached its limit must still
    /// be able to step.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new(vaddr: usize) -> Result<Pin<KBox<Self>>> {
        let first = SlotPage::with_trampoline()?;
        KBox::try_pin_init(
            try_pin_init!(Self {
                // INVARIANT: No other task can see the area yet.
                core: Opaque::new(xol_area { vaddr, pages: PAGES }),
                slots <- Slots::new(first),
            }),
            // C reads the head of the area.
            GFP_KERNEL | __GFP_ZERO,
        )
    }

    /// Allows the area to grow to the number of pages that were mapped, which may be less than
    /// [`PAGES`].
    pub(crate) fn mapped(&self) {
        // SAFETY: By the type's invariants no task writes it any more.
        let pages = unsafe { (*self.core.get()).pages };
        self.slots.set_limit(pages.min(PAGES));
    }

    /// The address at which the area is mapped in the process.
    #[inline]
    pub(crate) fn vaddr(&self) -> usize {
        // SAFETY: By the type's invariants no task writes it any more.
        unsafe { (*self.core.get()).vaddr }
    }

    /// The address at which a slot is mapped in the process.
    #[inline]
    pub(crate) fn vaddr_at(&self, slot: Slot) -> usize {
        self.vaddr() + slot.offset()
    }

    /// Gets a slot that holds `insn` for `task`, and returns the address at which to execute it.
    /// Returns `None` if there is no slot at once: the caller [waits](Self::wait) then.
    ///
    /// May sleep, but does not wait for other tasks. The current task must be the owner of `task`.
    /// It calls [`put`](Self::put) when the instruction was executed, or will not be.
    #[inline(always)]
    pub(crate) fn get(&self, task: ArcBorrow<'_, Task>, insn: &Insn) -> Option<usize> {
        let entered = Task::enter(task);
        match entered.cached(insn) {
            Some(held) => Some(self.vaddr_at(held.slot())),
            None => self.look_up(entered, insn),
        }
    }

    /// Gets another slot than the one that the task has cached.
    #[inline(never)]
    fn look_up(&self, entered: Entered<'_>, insn: &Insn) -> Option<usize> {
        if entered.is_listed() {
            let before = entered.slot();
            if let Some(held) = self.slots.table.find(&entered, insn) {
                self.slots.moved(before);
                return Some(self.taken(held));
            }
        }
        let held = self.slots.take(&entered, insn);
        if held.is_none() {
            entered.leave_to_wait(insn);
        }
        Some(self.taken(held?))
    }

    /// Gets a slot after [`get`](Self::get) found none: waits until a task leaves one.
    ///
    /// Sleeps.
    ///
    /// # Errors
    ///
    /// [`EINTR`] when the task got a fatal signal during the wait.
    pub(crate) fn wait(&self, task: ArcBorrow<'_, Task>) -> Result<usize> {
        let held = self.slots.wait(Task::enter(task))?;
        Ok(self.taken(held))
    }

    /// Records that the task got into a slot that it had not cached. Returns the slot's address.
    #[inline]
    fn taken(&self, held: Held) -> usize {
        let vaddr = self.vaddr_at(held.slot());
        events::taken(held.slot(), vaddr);
        vaddr
    }

    /// Leaves the slot of `task`, whose owner has executed the instruction or will not. Does not
    /// wait for other tasks.
    #[inline]
    pub(crate) fn put(&self, task: &Task) {
        self.slots.leave(task);
    }

    /// Evicts `task`, which is about to be freed. Does not wait for other tasks.
    ///
    /// # Safety
    ///
    /// No other area has `task` on its list of tasks.
    pub(crate) unsafe fn evict(&self, task: &Task) {
        // SAFETY: By the function's requirements.
        unsafe { self.slots.evict(task) };
    }

    /// Returns the page with the index `index`, if the area has grown that far. Any context.
    pub(crate) fn page(&self, index: usize) -> Option<*mut ffi::page> {
        self.slots.table.page(index)
    }

    /// Returns the page with the index `index`. If the page is mapped but not allocated yet, the
    /// area grows. May sleep.
    pub(crate) fn page_or_grow(&self, index: usize) -> Option<*mut ffi::page> {
        loop {
            let page = self.page(index);
            if page.is_some() {
                return page;
            }
            self.slots.grow_to(index).ok()?;
        }
    }
}
