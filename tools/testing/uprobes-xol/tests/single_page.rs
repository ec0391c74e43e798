// SPDX-License-Identifier: GPL-2.0

//! Checks the slots in C as they are compiled for the host.
// The same in each build: once is enough.
#![cfg(not(any(feature = "loom", feature = "shuttle")))]

use executable_bindings::{arch_uprobe, Mapping, PAGE_SIZE, UPROBE_XOL_SLOT_SIZE};
use single_page::*;
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};

const SLOTS: usize = PAGE_SIZE / UPROBE_XOL_SLOT_SIZE as usize;
const STEPS: usize = 200;

struct Area(*mut xol_area);

// SAFETY: C's functions may be called for the same area by several threads.
unsafe impl Sync for Area {}

/// Checks that a task waits when all slots are taken, and that no slot is taken twice.
#[test]
fn slots_are_waited_for() {
    let mapping = Mapping::new().unwrap();
    // SAFETY: The calling thread has the pages of the mapping.
    let area = &Area(unsafe { uprobe_xol_create_area(mapping.vaddr() as _) });
    assert!(!area.0.is_null());
    let taken = &[const { AtomicBool::new(false) }; SLOTS];
    let (vaddr, waits) = (mapping.vaddr(), &AtomicUsize::new(0));

    // The first slot is the trampoline's.
    let arch = arch_uprobe::adding(1);
    let step = |utask: *mut uprobe_task| {
        // SAFETY: Area and task are those of this thread.
        let mut at = unsafe { uprobe_xol_get_slot(area.0, utask, &arch) };
        if at == 0 {
            waits.fetch_add(1, SeqCst);
            // SAFETY: As above.
            at = unsafe { uprobe_xol_wait_slot(area.0, utask) };
        }
        let slot = &taken[(at as usize - vaddr) / UPROBE_XOL_SLOT_SIZE as usize];
        assert!(!slot.swap(true, SeqCst));
        thread::yield_now();
        slot.store(false, SeqCst);
        // SAFETY: As above; the task has a slot.
        unsafe {
            (*utask).xol_vaddr = at;
            uprobe_xol_put_slot(area.0, utask);
        }
    };
    // One task waits while others have all slots.
    // SAFETY: May always be called.
    let holders: Vec<_> = (1..SLOTS)
        .map(|_| unsafe { uprobe_xol_alloc_utask() })
        .collect();
    for &utask in &holders {
        // SAFETY: Area and task are those of this thread.
        let at = unsafe { uprobe_xol_get_slot(area.0, utask, &arch) };
        assert_ne!(at, 0);
        // SAFETY: As above.
        unsafe { (*utask).xol_vaddr = at };
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: May always be called.
            let utask = unsafe { uprobe_xol_alloc_utask() };
            step(utask);
            // SAFETY: It has no slot.
            unsafe { uprobe_xol_free_utask(area.0, utask) };
        });
        while waits.load(SeqCst) == 0 {
            thread::yield_now();
        }
        for utask in holders {
            // SAFETY: The task has a slot, and is not used any more.
            unsafe {
                uprobe_xol_put_slot(area.0, utask);
                (*utask).xol_vaddr = 0;
                uprobe_xol_free_utask(area.0, utask);
            }
        }
    });

    thread::scope(|scope| {
        for _ in 0..SLOTS + 8 {
            scope.spawn(|| {
                // SAFETY: May always be called.
                let utask = unsafe { uprobe_xol_alloc_utask() };
                (0..STEPS).for_each(|_| step(utask));
                // SAFETY: It has no slot.
                unsafe { uprobe_xol_free_utask(area.0, utask) };
            });
        }
    });
    assert!(!taken[0].load(SeqCst));
    // SAFETY: All threads are done.
    unsafe { uprobe_xol_free_area(area.0) };
}
