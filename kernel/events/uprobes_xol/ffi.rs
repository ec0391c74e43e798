// SPDX-License-Identifier: GPL-2.0

//! The types that slot management shares with C, and the functions that it calls there.
//!
//! C headers: [`kernel/events/uprobes_xol.h`](srctree/kernel/events/uprobes_xol.h) and
//! [`include/linux/uprobes.h`](srctree/include/linux/uprobes.h).
//!
//! No other file uses `kernel::bindings`, except `boost/ffi.rs`: its bindings exist only in kernels
//! that boost slots.

pub(crate) use kernel::bindings::{arch_uprobe, page, uprobe_task, uprobe_xol_task, xol_area};

use core::slice;
use kernel::{
    bindings,
    error::to_result,
    ffi::{c_long, c_void},
    page::Page,
    prelude::*, //
};

/// The most pages of an area.
pub(crate) const PAGES: usize = bindings::UPROBE_XOL_PAGES as usize;
/// Slots of a page.
pub(crate) const SLOTS_PER_PAGE: usize = bindings::UPROBE_XOL_SLOTS_PER_PAGE as usize;
/// Bytes from one slot to the next.
pub(crate) const SLOT_SIZE: usize = bindings::UPROBE_XOL_SLOT_SIZE as usize;
/// Bytes of an instruction as it is copied into a slot.
pub(crate) const INSN_SIZE: usize = bindings::UPROBE_XOL_INSN_SIZE as usize;

/// Maps an area for the current process, and makes it known to the process's other tasks. May
/// sleep; takes the mmap lock.
///
/// # Errors
///
/// An error number if there is no room, if the process has an area already, or if it is being
/// killed. After an error, no other task has seen the area.
///
/// # Safety
///
/// `area` is the head of an area, which stays allocated until `uprobe_xol_free_area()` if this
/// succeeds.
pub(crate) unsafe fn add_vma(area: *mut xol_area) -> Result {
    // SAFETY: By the function's requirements.
    to_result(unsafe { bindings::uprobe_xol_add_vma(area) })
}

/// Writes `bytes` to `page`, for all CPUs to execute. Does not sleep.
///
/// `offset` is from the beginning of the area or of the address space. Only its place in the page
/// matters, except that 0 means the trampoline.
///
/// # Safety
///
/// `bytes`, and the bytes that the architecture puts after an instruction, fit into the page. If
/// `offset` is not 0, `bytes` has the alignment of a `struct arch_uprobe`. No CPU executes or
/// writes this part of the page.
#[inline]
pub(crate) unsafe fn write_insn(page: &Page, offset: usize, bytes: &[u8]) {
    let from: *const c_void = bytes.as_ptr().cast();
    // SAFETY: The bytes are only read. C uses only the address's offset in its page, except that 0
    // stands for the trampoline. The rest is by the function's requirements.
    unsafe {
        bindings::arch_uprobe_copy_ixol(page.as_ptr(), offset, from.cast_mut(), bytes.len());
    }
}

/// The code of the uretprobe trampoline.
pub(crate) fn trampoline() -> &'static [u8] {
    let mut size = 0;
    // SAFETY: The function writes only the size, and may be called at any time.
    let code = unsafe { bindings::arch_uretprobe_trampoline(&mut size) };
    if size == 0 {
        return &[];
    }
    // SAFETY: The code has this size, and never changes.
    unsafe { slice::from_raw_parts(code.cast(), size) }
}

/// Returns a random number that no user can guess.
pub(crate) fn random() -> u64 {
    // SAFETY: May be called at any time.
    unsafe { bindings::get_random_u64() }
}

/// The counts over all areas.
#[derive(Clone, Copy)]
#[cfg_attr(
    not(CONFIG_UPROBES_XOL_BOOST),
    expect(dead_code, reason = "only boosting counts boosted slots")
)]
pub(crate) enum Counter {
    /// Slots that hold an instruction.
    Slots = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_SLOTS as isize,
    Pages = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_PAGES as isize,
    /// Tasks that have a slot cached.
    Tasks = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_TASKS as isize,
    /// Slots that were recycled.
    Recycles = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_RECYCLES as isize,
    /// Times that a task waited for a slot.
    Waits = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_WAITS as isize,
    /// Boosted slots.
    Boosted = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_BOOSTED as isize,
    /// Hits that were stepped because there was no boosted slot.
    Unboosted = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_UNBOOSTED as isize,
    /// Boosted slots that were reclaimed.
    Reclaims = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_RECLAIMS as isize,
    /// Pages of boosted slots.
    BoostPages = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_BOOST_PAGES as isize,
    BoostAreas = bindings::uprobe_xol_counter_UPROBE_XOL_COUNT_BOOST_AREAS as isize,
}

/// Changes a count by `change`. Any context.
#[inline(always)]
pub(crate) fn count(counter: Counter, change: c_long) {
    if cfg!(CONFIG_DEBUG_FS) {
        // SAFETY: One of C's counts.
        unsafe { bindings::uprobe_xol_count(counter as bindings::uprobe_xol_counter, change) };
    }
}
