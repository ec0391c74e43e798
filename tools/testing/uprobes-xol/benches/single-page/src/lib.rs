// SPDX-License-Identifier: GPL-2.0

//! The slots in C: `kernel/events/uprobes_xol/single_page.c`, compiled for the host.
//!
//! The headers in `include/linux` stand for the kernel's: the same atomics, barriers and cache
//! lines, and a wait queue on a futex. The pages, and how an instruction is written to them, are
//! those of [`bindings`], the same as for the slots in Rust.

use bindings::{arch_uprobe, page};
use std::ffi::{c_int, c_uint, c_ulong, c_void};

/// `struct uprobe_task`.
#[repr(C)]
pub struct uprobe_task {
    pub xol_vaddr: c_ulong,
}

/// `struct xol_area`.
#[repr(C)]
pub struct xol_area {
    pub vaddr: c_ulong,
    pub pages: c_ulong,
}

#[allow(improper_ctypes, reason = "C does not look into a page")]
extern "C" {
    pub fn uprobe_xol_create_area(vaddr: c_ulong) -> *mut xol_area;
    pub fn uprobe_xol_free_area(area: *mut xol_area);
    pub fn uprobe_xol_page(area: *mut xol_area, index: c_ulong) -> *mut page;
    pub fn uprobe_xol_alloc_utask() -> *mut uprobe_task;
    pub fn uprobe_xol_free_utask(area: *mut xol_area, utask: *mut uprobe_task);
    pub fn uprobe_xol_get_slot(
        area: *mut xol_area,
        utask: *mut uprobe_task,
        arch: *const arch_uprobe,
    ) -> c_ulong;
    pub fn uprobe_xol_wait_slot(area: *mut xol_area, utask: *mut uprobe_task) -> c_ulong;
    pub fn uprobe_xol_put_slot(area: *mut xol_area, utask: *mut uprobe_task);
}

/// Maps nothing: the pages of the calling thread are mapped.
#[no_mangle]
extern "C" fn uprobe_xol_add_vma(_: *mut xol_area) -> c_int {
    0
}

#[no_mangle]
extern "C" fn alloc_page(_: c_uint) -> *mut page {
    bindings::alloc_page().map_or(std::ptr::null_mut(), Box::into_raw)
}

/// # Safety
///
/// `page` comes from [`alloc_page`], and is not used any more.
#[no_mangle]
unsafe extern "C" fn put_page(page: *mut page) {
    // SAFETY: From `Box::into_raw`.
    bindings::free_page(unsafe { Box::from_raw(page) });
}

/// # Safety
///
/// As [`bindings::arch_uretprobe_trampoline`].
#[no_mangle]
unsafe extern "C" fn arch_uretprobe_trampoline(size: *mut usize) -> *mut c_void {
    // SAFETY: By the function's requirements.
    unsafe { bindings::arch_uretprobe_trampoline(size) }
}

/// # Safety
///
/// As [`bindings::arch_uprobe_copy_ixol`].
#[no_mangle]
unsafe extern "C" fn arch_uprobe_copy_ixol(
    page: *mut page,
    vaddr: c_ulong,
    src: *mut c_void,
    len: c_ulong,
) {
    // SAFETY: By the function's requirements.
    unsafe { bindings::arch_uprobe_copy_ixol(page, vaddr as usize, src, len as usize) };
}
