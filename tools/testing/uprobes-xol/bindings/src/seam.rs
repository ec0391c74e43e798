// SPDX-License-Identifier: GPL-2.0

//! The structures of which both C and the slot layer know the beginning.

use crate::arch_uprobe;
use std::ffi::c_int;

/// What C has in a `struct uprobe_task` is of no concern here.
#[repr(C)]
#[derive(Default)]
pub struct uprobe_task {
    state: c_int,
}

/// A `struct uprobe_task`, and what is being stepped.
#[repr(C)]
pub struct uprobe_xol_task {
    pub utask: uprobe_task,
    pub arch: arch_uprobe,
}

/// What the C core knows of an area.
#[repr(C)]
pub struct xol_area {
    pub vaddr: usize,
    pub pages: usize,
}

/// Maps an area. It has an address already.
///
/// # Safety
///
/// `area` is valid.
pub unsafe fn uprobe_xol_add_vma(_area: *mut xol_area) -> c_int {
    0
}
