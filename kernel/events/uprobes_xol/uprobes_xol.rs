// SPDX-License-Identifier: GPL-2.0

//! Slots for instructions that uprobes execute out of line (XOL).
//!
//! This file has only the entry points for the uprobe core, which
//! [`kernel/events/uprobes_xol.h`](srctree/kernel/events/uprobes_xol.h) declares.
//! The [design document] explains how slot management works, and why it is correct.
//!
//! [design document]: srctree/Documentation/trace/uprobes-xol-design.rst

mod area;
mod batch;
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
mod boost;
mod events;
mod ffi;
mod free;
mod gc;
mod hash;
mod insn;
mod page;
mod queue;
mod record;
mod slot;
mod slots;
mod table;
mod task;
#[cfg(CONFIG_UPROBES_KUNIT_TEST)]
mod tests;

use area::XolArea;
use core::{pin::Pin, ptr};
use ffi::{arch_uprobe, uprobe_task, xol_area};
use insn::Insn;
use kernel::{
    prelude::*,
    sync::{Arc, ArcBorrow}, //
};
use task::Task;

const __LOG_PREFIX: &[u8] = b"uprobes_xol\0";

/// Creates the area of the current process, mapped at `vaddr`, or anywhere if that is 0.
///
/// May sleep; takes the mmap lock. Returns null if there is no memory or no room in the address
/// space, if the process has an area already, or if it is being killed.
///
/// # Safety
///
/// Process context of a task with an `mm`.
#[export]
pub unsafe extern "C" fn uprobe_xol_create_area(vaddr: usize) -> *mut xol_area {
    let Ok(area) = XolArea::new(vaddr) else {
        return ptr::null_mut();
    };
    // SAFETY: Nothing is moved: the pointer is to the same allocation.
    let area = KBox::into_raw(unsafe { Pin::into_inner_unchecked(area) });

    // SAFETY: `area` begins with a `struct xol_area`. If it gets reachable from the `mm`, it stays
    // allocated until `uprobe_xol_free_area()`.
    if unsafe { ffi::add_vma(area.cast()) }.is_err() {
        // SAFETY: From `KBox::into_raw` above, and no other task has seen it.
        drop(unsafe { KBox::from_raw(area) });
        return ptr::null_mut();
    }
    // SAFETY: The area lives as long as the current task's `mm`.
    unsafe { &*area }.mapped();
    area.cast()
}

/// Frees an area whose process is gone. May sleep.
///
/// # Safety
///
/// `area` comes from `uprobe_xol_create_area()` and is freed once, after all its tasks.
#[export]
pub unsafe extern "C" fn uprobe_xol_free_area(area: *mut xol_area) {
    // SAFETY: From `KBox::into_raw` in `uprobe_xol_create_area()`, by the safety requirements, and
    // it is not moved.
    drop(unsafe { KBox::from_raw(area.cast::<XolArea>()) });
}

/// Allocates a zeroed `struct uprobe_task` and what belongs to it. May sleep.
///
/// Returns null when there is no memory.
///
/// # Safety
///
/// Process context.
#[export]
pub unsafe extern "C" fn uprobe_xol_alloc_utask() -> *mut uprobe_task {
    // C reads the memory: KMSAN knows that it is initialised if the allocator zeroes it.
    match Arc::pin_init(Task::new(), GFP_KERNEL_ACCOUNT | __GFP_ZERO) {
        Ok(task) => Arc::into_raw(task).cast_mut().cast(),
        Err(_) => ptr::null_mut(),
    }
}

/// Evicts the owner of a `struct uprobe_task` from `area`, and frees the `struct uprobe_task`.
/// `area` is null if the process has none.
///
/// Does not wait for other tasks. Takes spinlocks, which may sleep on `PREEMPT_RT`.
///
/// # Safety
///
/// `utask` comes from `uprobe_xol_alloc_utask()`, is freed once, and its owner does not use it any
/// more. `area` is that of the owner's process: the owner got slots in no other area.
#[export]
pub unsafe extern "C" fn uprobe_xol_free_utask(area: *mut xol_area, utask: *mut uprobe_task) {
    // SAFETY: From `Arc::into_raw` in `uprobe_xol_alloc_utask()`, by the safety requirements.
    let task = unsafe { Arc::from_raw(utask.cast::<Task>()) };
    // SAFETY: By the safety requirements, `area` is null or an area, which outlives its tasks.
    if let Some(area) = unsafe { area.cast::<XolArea>().as_ref() } {
        // SAFETY: Its owner got slots in no other area: no other area has it on its list.
        unsafe { area.evict(&task) };
    }
}

/// Gets a slot in `area` for the current task, and returns the address at which to execute the
/// instruction `arch` there. A copy of `arch` is then in the `struct uprobe_xol_task`.
///
/// May sleep, but does not wait for other tasks. Returns 0 when there is no slot at once. The core
/// then calls `uprobe_xol_wait_slot()`, which finds the instruction in the copy.
///
/// # Safety
///
/// `area` and `utask` are those of the current task. `area` comes from `uprobe_xol_create_area()`,
/// and `utask` from `uprobe_xol_alloc_utask()`; neither is freed during the call. `arch` is valid
/// for reads, has no uninitialised byte, and does not change during the call.
#[export]
pub unsafe extern "C" fn uprobe_xol_get_slot(
    area: *mut xol_area,
    utask: *mut uprobe_task,
    arch: *const arch_uprobe,
) -> usize {
    // SAFETY: By the safety requirements an area, which outlives its tasks.
    let area = unsafe { &*area.cast::<XolArea>() };
    // SAFETY: From `Arc::into_raw`, and the reference belongs to the current task.
    let task = unsafe { ArcBorrow::from_raw(utask.cast::<Task>()) };
    // SAFETY: By the safety requirements.
    let insn = unsafe { Insn::from_raw(arch) };

    area.get(task, insn).unwrap_or(0)
}

/// Waits for a slot after `uprobe_xol_get_slot()` found none, and returns the slot's address.
///
/// Sleeps until there is a slot. Returns 0 if the task got a fatal signal during the wait.
///
/// # Safety
///
/// As for `uprobe_xol_get_slot()`, which returned 0 for the current task.
#[export]
pub unsafe extern "C" fn uprobe_xol_wait_slot(
    area: *mut xol_area,
    utask: *mut uprobe_task,
) -> usize {
    // SAFETY: By the safety requirements an area, which outlives its tasks.
    let area = unsafe { &*area.cast::<XolArea>() };
    // SAFETY: From `Arc::into_raw`, and the reference belongs to the current task.
    let task = unsafe { ArcBorrow::from_raw(utask.cast::<Task>()) };

    area.wait(task).unwrap_or(0)
}

/// Leaves the slot of the current task: the instruction was executed, or will not be.
///
/// Does not wait for other tasks. Takes spinlocks, which may sleep on `PREEMPT_RT`.
///
/// # Safety
///
/// As for `uprobe_xol_get_slot()`, which got a slot for the current task. The task did not put it
/// yet.
#[export]
pub unsafe extern "C" fn uprobe_xol_put_slot(area: *mut xol_area, utask: *mut uprobe_task) {
    // SAFETY: By the safety requirements an area, which outlives its tasks.
    let area = unsafe { &*area.cast::<XolArea>() };
    // SAFETY: From `Arc::into_raw`, and the reference belongs to the current task.
    area.put(unsafe { &*utask.cast::<Task>() });
}

/// Returns the page of `area` with the index `index`. If the area does not have that page yet, the
/// area grows. Returns null if it cannot grow. May sleep; the mmap lock may be held.
///
/// # Safety
///
/// `area` comes from `uprobe_xol_create_area()` and is not freed during the call.
#[export]
pub unsafe extern "C" fn uprobe_xol_page(area: *mut xol_area, index: usize) -> *mut ffi::page {
    // SAFETY: By the safety requirements.
    let area = unsafe { &*area.cast::<XolArea>() };
    area.page_or_grow(index).unwrap_or(ptr::null_mut())
}
