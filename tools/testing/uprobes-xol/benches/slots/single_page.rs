// SPDX-License-Identifier: GPL-2.0

//! The implementation in C: the kernel's file.

use crate::Implementation;
use kernel::bindings::{arch_uprobe, execute, Mapping, PAGE_SIZE, UPROBE_XOL_SLOT_SIZE};
use single_page::*;

/// Slots of the only page.
const SLOTS: usize = PAGE_SIZE / UPROBE_XOL_SLOT_SIZE as usize;

/// A process with probes.
pub struct Process {
    area: *mut xol_area,
    probes: Vec<arch_uprobe>,
    mapping: Mapping,
}

// SAFETY: C's functions may be called for the same area by several threads.
unsafe impl Sync for Process {}

/// A thread of the process.
pub struct Thread<'a> {
    process: &'a Process,
    utask: *mut uprobe_task,
}

impl Implementation for Process {
    const NAME: &str = "c";

    type Thread<'a> = Thread<'a>;

    fn new(mapping: Mapping, probes: Vec<arch_uprobe>) -> Self {
        // SAFETY: The calling thread has the pages of the mapping.
        let area = unsafe { uprobe_xol_create_area(mapping.vaddr() as _) };
        assert!(!area.is_null());
        // SAFETY: The page lives as long as the area.
        let page = unsafe { &*uprobe_xol_page(area, 0) };
        assert_eq!(page.vaddr(), mapping.vaddr());
        Self {
            area,
            probes,
            mapping,
        }
    }

    fn thread(&self) -> Thread<'_> {
        // SAFETY: May always be called.
        let utask = unsafe { uprobe_xol_alloc_utask() };
        assert!(!utask.is_null());
        Thread {
            process: self,
            utask,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let thread = self.thread();
        let mut free = 0;
        // SAFETY: The thread takes all slots, and executes none. Nothing uses the area afterwards.
        unsafe {
            while uprobe_xol_get_slot(self.area, thread.utask, &self.probes[0]) != 0 {
                free += 1;
            }
            drop(thread);
            uprobe_xol_free_area(self.area);
        }
        assert_eq!(free + 1, SLOTS, "a slot was not put");
        assert!(self.mapping.vaddr() != 0);
    }
}

impl crate::Thread for Thread<'_> {
    #[inline(always)]
    fn step(&self, probe: usize, argument: usize) -> usize {
        let Process { area, probes, .. } = self.process;
        // SAFETY: Area and task are those of this thread. The slot holds the probe's instruction
        // until it is put.
        unsafe {
            let mut vaddr = uprobe_xol_get_slot(*area, self.utask, &probes[probe]);
            if vaddr == 0 {
                vaddr = uprobe_xol_wait_slot(*area, self.utask);
            }
            (*self.utask).xol_vaddr = vaddr;
            let result = execute(vaddr as usize, argument);
            uprobe_xol_put_slot(*area, self.utask);
            (*self.utask).xol_vaddr = 0;
            result
        }
    }
}

impl Drop for Thread<'_> {
    fn drop(&mut self) {
        // SAFETY: It has no slot, and is not used any more.
        unsafe { uprobe_xol_free_utask(self.process.area, self.utask) };
    }
}
