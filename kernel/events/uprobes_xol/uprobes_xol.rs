// SPDX-License-Identifier: GPL-2.0

//! Slots for instructions that uprobes execute out of line.
//!
//! These are the entry points for the uprobe core in C, declared in
//! [`kernel/events/uprobes_xol.h`](srctree/kernel/events/uprobes_xol.h), and nothing else. How it
//! works, and why it is correct, is told in
//! [`Documentation/trace/uprobes-xol.rst`](srctree/Documentation/trace/uprobes-xol.rst).

mod area;
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
mod boosted;
mod events;
mod gc;
mod insn;
mod page;
mod slot;
mod table;
mod task;
#[cfg(CONFIG_UPROBES_XOL_RUST_KUNIT_TEST)]
mod tests;

use area::XolArea;
use core::{pin::Pin, ptr};
use insn::Insn;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{Arc, ArcBorrow}, //
};
use task::Task;

const __LOG_PREFIX: &[u8] = b"uprobes_xol\0";

/// Creates the area of the current process, mapped at `vaddr`, or anywhere if that is 0.
///
/// May sleep; takes the mmap lock. Returns null when memory or room in the address space cannot be
/// had, when the process has an area already, or when it is being killed.
///
/// # Safety
///
/// Process context of a task with an `mm`.
#[export]
pub unsafe extern "C" fn uprobe_xol_create_area(vaddr: usize) -> *mut bindings::xol_area {
    let Ok(area) = XolArea::new(vaddr) else {
        return ptr::null_mut();
    };
    // SAFETY: Nothing is moved: the pointer is to the same allocation.
    let area = KBox::into_raw(unsafe { Pin::into_inner_unchecked(area) });

    // SAFETY: `area` begins with a `struct xol_area`; if it gets reachable from the `mm`, then it
    // stays allocated until `uprobe_xol_free_area()`.
    if to_result(unsafe { bindings::uprobe_xol_add_vma(area.cast()) }).is_err() {
        // SAFETY: From `KBox::into_raw` above, and nobody else got to see it.
        drop(unsafe { KBox::from_raw(area) });
        return ptr::null_mut();
    }
    area.cast()
}

/// Frees an area whose process is gone. May sleep.
///
/// # Safety
///
/// `area` comes from `uprobe_xol_create_area()` and is freed once, after all its tasks.
#[export]
pub unsafe extern "C" fn uprobe_xol_free_area(area: *mut bindings::xol_area) {
    // SAFETY: From `KBox::into_raw` in `uprobe_xol_create_area()`, by the safety requirements, and
    // it is not moved.
    drop(unsafe { KBox::from_raw(area.cast::<XolArea>()) });
}

/// Allocates a zeroed `struct uprobe_task` and what belongs to it. May sleep.
///
/// Returns null when memory cannot be had.
///
/// # Safety
///
/// Process context.
#[export]
pub unsafe extern "C" fn uprobe_xol_alloc_utask() -> *mut bindings::uprobe_task {
    match Arc::pin_init(Task::new(), GFP_KERNEL) {
        Ok(task) => Arc::into_raw(task).cast_mut().cast(),
        Err(_) => ptr::null_mut(),
    }
}

/// Frees a `struct uprobe_task` and gives back the slot it may have in `area`, which may be null.
///
/// # Safety
///
/// `utask` comes from `uprobe_xol_alloc_utask()`, is freed once, and its owner does not use it any
/// more. `area` is that of the owner's process.
#[export]
pub unsafe extern "C" fn uprobe_xol_free_utask(
    area: *mut bindings::xol_area,
    utask: *mut bindings::uprobe_task,
) {
    // SAFETY: From `Arc::into_raw` in `uprobe_xol_alloc_utask()`, by the safety requirements.
    let task = unsafe { Arc::from_raw(utask.cast::<Task>()) };
    // SAFETY: By the safety requirements an area, if there is one, and it outlives its tasks.
    if let Some(area) = unsafe { area.cast::<XolArea>().as_ref() } {
        area.evict(&task);
    }
}

/// Gets a slot in `area` for the current task, and returns the address at which to execute the
/// instruction `arch` there. A copy of `arch` is then in the `struct uprobe_xol_task`.
///
/// May sleep, but not for other tasks: returns 0 when no slot is to be had at once, and
/// `uprobe_xol_wait_slot()` is called next, for which the copy is enough.
///
/// # Safety
///
/// `area` and `utask` are those of the current task, and `arch` does not change.
#[export]
pub unsafe extern "C" fn uprobe_xol_get_slot(
    area: *mut bindings::xol_area,
    utask: *mut bindings::uprobe_task,
    arch: *const bindings::arch_uprobe,
) -> usize {
    // SAFETY: By the safety requirements an area, which outlives its tasks.
    let area = unsafe { &*area.cast::<XolArea>() };
    // SAFETY: From `Arc::into_raw`, and the reference belongs to the current task.
    let task = unsafe { ArcBorrow::from_raw(utask.cast::<Task>()) };
    // SAFETY: It does not change, by the safety requirements, and was zeroed when it was allocated.
    let insn = unsafe { Insn::from_raw(arch) };

    area.get(task, insn).unwrap_or(0)
}

/// Waits for a slot when `uprobe_xol_get_slot()` had none, and returns the address.
///
/// Sleeps until there is one. Returns 0 when the task got a fatal signal meanwhile.
///
/// # Safety
///
/// `area` and `utask` are those of the current task, which asked for a slot and did not get one.
#[export]
pub unsafe extern "C" fn uprobe_xol_wait_slot(
    area: *mut bindings::xol_area,
    utask: *mut bindings::uprobe_task,
) -> usize {
    // SAFETY: By the safety requirements an area, which outlives its tasks.
    let area = unsafe { &*area.cast::<XolArea>() };
    // SAFETY: From `Arc::into_raw`, and the reference belongs to the current task.
    let task = unsafe { ArcBorrow::from_raw(utask.cast::<Task>()) };

    area.wait(task).unwrap_or(0)
}

/// The current task does not need its slot for now: the instruction was executed, or is not going
/// to be.
///
/// # Safety
///
/// `area` and `utask` are those of the current task, which got a slot and did not put it yet.
#[export]
pub unsafe extern "C" fn uprobe_xol_put_slot(
    area: *mut bindings::xol_area,
    utask: *mut bindings::uprobe_task,
) {
    // SAFETY: By the safety requirements an area, which outlives its tasks.
    let area = unsafe { &*area.cast::<XolArea>() };
    // SAFETY: From `Arc::into_raw`, and the reference belongs to the current task.
    area.put(unsafe { &*utask.cast::<Task>() });
}

/// Gets a slot in `area` that executes `arch` and goes on at `next` by itself, and returns its
/// address; or 0 if the instruction is to be stepped. There is nothing to put afterwards.
///
/// May sleep, but not for other tasks.
///
/// # Safety
///
/// `area` is that of the current task, which is an RCU Tasks Trace reader until it has the address
/// for its instruction pointer, and `arch` does not change.
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
#[export]
pub unsafe extern "C" fn uprobe_xol_boost(
    area: *mut bindings::xol_area,
    arch: *const bindings::arch_uprobe,
    next: usize,
) -> usize {
    // SAFETY: By the safety requirements an area, which outlives its tasks.
    let area = unsafe { &*area.cast::<XolArea>() };
    // SAFETY: It does not change, by the safety requirements, and was zeroed when it was allocated.
    let insn = unsafe { Insn::from_raw(arch) };

    area.boost(insn, next).unwrap_or(0)
}

/// Tells what the boosted slot of `area` is for that `ip` is in. Returns whether it is in one.
///
/// For any context.
///
/// # Safety
///
/// `area` comes from `uprobe_xol_create_area()` and is not freed meanwhile; `boosted` is valid for
/// writes.
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
#[export]
pub unsafe extern "C" fn uprobe_xol_boosted_at(
    area: *mut bindings::xol_area,
    ip: usize,
    boosted: *mut bindings::uprobe_xol_boosted,
) -> bool {
    // SAFETY: By the safety requirements.
    let area = unsafe { &*area.cast::<XolArea>() };
    let Some(found) = area.boosted_at(ip) else {
        return false;
    };
    // SAFETY: `boosted` is valid for writes, and an instruction is a `struct arch_uprobe`, padding
    // included: what is done with it compares all of it.
    unsafe {
        (&raw mut (*boosted).vaddr).write(found.vaddr);
        (&raw mut (*boosted).next).write(found.next);
        (&raw mut (*boosted).arch).cast::<Insn>().write(found.insn);
    }
    true
}

/// Returns the page with this index of `area`, or null if it has none there.
///
/// # Safety
///
/// `area` comes from `uprobe_xol_create_area()` and is not freed meanwhile.
#[export]
pub unsafe extern "C" fn uprobe_xol_page(
    area: *mut bindings::xol_area,
    index: usize,
) -> *mut bindings::page {
    // SAFETY: By the safety requirements.
    let area = unsafe { &*area.cast::<XolArea>() };
    area.page(index).unwrap_or(ptr::null_mut())
}
