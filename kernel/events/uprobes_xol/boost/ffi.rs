// SPDX-License-Identifier: GPL-2.0

//! The types that boosting shares with C, and the C functions that it calls. They exist only in
//! kernels that boost slots.

use super::super::ffi::arch_uprobe;
use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    ffi::{c_ulong, c_void},
    mm::{Mm, MmWithUser},
    page::{Page, PAGE_SIZE},
    prelude::*,
    sync::aref::ARef, //
};

pub(crate) use kernel::bindings::{pid, uprobe_boost_place, uprobe_boosted};

/// Bytes of a granule, which is a slot or half a slot.
pub(crate) const GRANULE: usize = bindings::UPROBE_BOOST_GRANULE as usize;
/// Bytes that a direct jump reaches in each direction.
pub(crate) const REACH: usize = bindings::UPROBE_BOOST_REACH as usize;
/// The size and the alignment of an area, in bytes.
pub(crate) const AREA_SIZE: usize = 1 << bindings::UPROBE_BOOST_AREA_SHIFT;
/// The most areas of a process.
pub(crate) const AREAS: usize = bindings::UPROBE_BOOST_AREAS as usize;
/// The lowest bit of the number in a key. The bits below are the result of `arch_uprobe_boost()`.
pub(crate) const KEY_SHIFT: u32 = bindings::UPROBE_BOOST_KEY_SHIFT;
/// The smallest number of a probe.
pub(crate) const FIRST_KEY: u64 = bindings::UPROBE_BOOST_FIRST_KEY as u64;
/// The value that means, in place of an address, that the slot would be out of reach.
pub(crate) const STEPPED: usize = bindings::UPROBE_BOOST_STEPPED as usize;
/// The flag of a slot that has two granules.
pub(crate) const PAIR: u64 = bindings::UPROBE_BOOST_PAIR as u64;
/// The bits that `arch_uprobe_boost()` uses.
pub(crate) const BOOST: u64 = (bindings::UPROBE_BOOST_LENGTH
    | bindings::UPROBE_BOOST_PAIR
    | bindings::UPROBE_BOOST_REP) as u64;

/// The current process's `mm`, or `None` for a kernel thread.
pub(crate) fn current_mm() -> Option<ARef<Mm>> {
    let task = kernel::current!();
    let mm: &Mm = task.mm()?;
    Some(mm.into())
}

/// Makes the bytes of the slot at `vaddr` for the probe at `bp_vaddr`. Returns false if the slot
/// would not reach the next instruction or the operand. Any context.
///
/// # Safety
///
/// `arch` is that of a prepared uprobe and can be boosted. It is valid for reads, and does not
/// change during the call.
pub(crate) unsafe fn boost_insn(
    arch: *const arch_uprobe,
    bp_vaddr: usize,
    vaddr: usize,
    bytes: &mut [u8; 2 * GRANULE],
) -> bool {
    // SAFETY: By the function's requirements. There is room for two granules.
    unsafe { bindings::arch_uprobe_boost_insn(arch, bp_vaddr, vaddr, bytes.as_mut_ptr()) }
}

/// Fills a page with breakpoints. Does not sleep.
///
/// # Safety
///
/// No task uses the page's contents yet.
pub(crate) unsafe fn fill_page(page: &Page) {
    // SAFETY: `page` is a page. The rest is by the function's requirements.
    unsafe { bindings::uprobe_boost_fill_page(page.as_ptr()) };
}

/// Maps an area within reach of `bp_vaddr` for the current process. Calls `mapped` with the area's
/// address before any task can use the area. May sleep; takes the mmap lock.
///
/// # Errors
///
/// [`EINVAL`] if the current task has no `mm`. Another error number if there is no room, or if the
/// task got a fatal signal.
pub(crate) fn map_area<F: FnOnce(usize)>(bp_vaddr: usize, mapped: F) -> Result {
    /// # Safety
    ///
    /// `mapped` is valid for reads and writes of an `Option<F>`.
    unsafe extern "C" fn call<F: FnOnce(usize)>(mapped: *mut c_void, vaddr: c_ulong) {
        // SAFETY: By the function's requirements.
        let mapped = unsafe { &mut *mapped.cast::<Option<F>>() };
        if let Some(mapped) = mapped.take() {
            mapped(vaddr);
        }
    }

    kernel::current!().mm().ok_or(EINVAL)?;
    let mut mapped = Some(mapped);
    // SAFETY: The current task has an `mm`, as was just checked. `mapped` is an `Option<F>`, as
    // `call` requires, and C does not keep the pointer.
    to_result(unsafe {
        bindings::uprobe_boost_map_area(bp_vaddr, Some(call::<F>), (&raw mut mapped).cast())
    })
}

/// The mapping of an area, locked: no task can map a page of it now.
///
/// # Invariants
///
/// Null, or the mapping of an area, whose mmap lock is held for writing as long as the value can be
/// used.
pub(crate) struct LockedMapping(*mut bindings::vm_area_struct);

impl LockedMapping {
    /// Unmaps the page with this index, if the area has such a page. May sleep.
    pub(crate) fn unmap_page(&self, index: usize) {
        // Null if the process has unmapped the area.
        if !self.0.is_null() && index < AREA_SIZE / PAGE_SIZE {
            // SAFETY: By the type's invariants the locked mapping of an area, which has room for
            // this page.
            unsafe { bindings::uprobe_boost_unmap_page(self.0, index) };
        }
    }
}

/// Calls `locked` while no task can map a page of the area at `vaddr`. May sleep; takes the mmap
/// lock.
pub(crate) fn lock_area<F: FnMut(&LockedMapping)>(mm: &MmWithUser, vaddr: usize, mut locked: F) {
    /// # Safety
    ///
    /// `locked` is valid for reads and writes of an `F`. `vma` is null, or the mapping of an area,
    /// whose mmap lock is held for writing during the call.
    unsafe extern "C" fn call<F: FnMut(&LockedMapping)>(
        locked: *mut c_void,
        vma: *mut bindings::vm_area_struct,
    ) {
        // INVARIANT: By the function's requirements. The closure cannot keep the reference.
        let mapping = LockedMapping(vma);
        // SAFETY: By the function's requirements.
        (unsafe { &mut *locked.cast::<F>() })(&mapping);
    }

    // SAFETY: C passes to `call` what it requires, and does not keep the pointer.
    unsafe {
        bindings::uprobe_boost_lock_area(
            mm.as_raw(),
            vaddr,
            Some(call::<F>),
            (&raw mut locked).cast(),
        );
    }
}

/// The key of the probe at `bp_vaddr`, or 0. May sleep; takes the mmap lock.
pub(crate) fn key_at(mm: &MmWithUser, bp_vaddr: usize) -> u64 {
    let _lock = mm.mmap_read_lock();
    // SAFETY: The `mm` has users, and its lock is held.
    unsafe { bindings::uprobe_boost_key_at(mm.as_raw(), bp_vaddr) }
}

/// Calls `visit` with the instruction pointer that each task of the process has at some moment
/// during the call. Returns false if it could not look at all tasks.
///
/// Sleeps, but `visit` must not sleep. Waits for other CPUs.
///
/// # Safety
///
/// The process has boosted slots.
pub(crate) unsafe fn visit_ips<F: FnMut(usize)>(mm: &MmWithUser, mut visit: F) -> bool {
    /// # Safety
    ///
    /// `visit` is valid for reads and writes of an `F`.
    unsafe extern "C" fn call<F: FnMut(usize)>(visit: *mut c_void, ip: c_ulong) {
        // SAFETY: By the function's requirements.
        (unsafe { &mut *visit.cast::<F>() })(ip);
    }

    // SAFETY: The process has boosted slots, by the function's requirements. C passes to `call`
    // what it requires, and does not keep the pointer.
    unsafe {
        bindings::uprobe_boost_visit_ips(
            mm.as_raw(),
            Some(call::<F>),
            ptr::from_mut(&mut visit).cast(),
        )
    }
}
