// SPDX-License-Identifier: GPL-2.0

//! The implementation in Rust: the kernel's files.
#![allow(dead_code, reason = "not all that the kernel uses is used here")]

#[path = "../../../../../kernel/events/uprobes_xol/area.rs"]
mod area;
#[path = "../../../../../kernel/events/uprobes_xol/batch.rs"]
mod batch;
#[path = "../../../../../kernel/events/uprobes_xol/events.rs"]
mod events;
#[path = "../../../../../kernel/events/uprobes_xol/ffi.rs"]
mod ffi;
#[path = "../../../../../kernel/events/uprobes_xol/free.rs"]
mod free;
#[path = "../../../../../kernel/events/uprobes_xol/gc.rs"]
mod gc;
#[path = "../../../../../kernel/events/uprobes_xol/hash.rs"]
mod hash;
#[path = "../../../../../kernel/events/uprobes_xol/insn.rs"]
mod insn;
#[path = "../../../../../kernel/events/uprobes_xol/page.rs"]
mod page;
#[path = "../../../../../kernel/events/uprobes_xol/queue.rs"]
mod queue;
#[path = "../../../../../kernel/events/uprobes_xol/record.rs"]
mod record;
#[path = "../../../../../kernel/events/uprobes_xol/slot.rs"]
mod slot;
#[path = "../../../../../kernel/events/uprobes_xol/slots.rs"]
mod slots;
#[path = "../../../../../kernel/events/uprobes_xol/table.rs"]
mod table;
#[path = "../../../../../kernel/events/uprobes_xol/task.rs"]
mod task;

use crate::Implementation;
use area::XolArea;
use insn::Insn;
use kernel::{
    bindings::{arch_uprobe, execute, Mapping},
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc,
};
use slot::PAGES;
use task::Task;

/// A process with probes.
pub struct Process {
    area: Pin<KBox<XolArea>>,
    probes: Vec<arch_uprobe>,
    mapping: Mapping,
}

/// A thread of the process.
pub struct Thread<'a> {
    process: &'a Process,
    utask: Arc<Task>,
}

impl Implementation for Process {
    const NAME: &str = "rust";

    type Thread<'a> = Thread<'a>;

    fn new(mapping: Mapping, probes: Vec<arch_uprobe>) -> Self {
        let process = Self {
            area: XolArea::new(mapping.vaddr()).unwrap(),
            probes,
            mapping,
        };
        process.area.mapped();
        // All are in slots from now on: nothing is written while others execute.
        let first = process.thread();
        for arch in &process.probes {
            first.get(arch);
            first.put();
        }
        drop(first);
        process.check_pages();
        process
    }

    fn thread(&self) -> Thread<'_> {
        Thread {
            process: self,
            utask: Arc::pin_init(Task::new(), GFP_KERNEL).unwrap(),
        }
    }
}

impl Process {
    /// The pages are where the slots' addresses say.
    fn check_pages(&self) {
        for index in 0..PAGES {
            // SAFETY: The pages live as long as the area.
            let page = self.area.page(index).map(|page| unsafe { &*page });
            let wanted = self.mapping.vaddr() + index * PAGE_SIZE;
            assert!(page.is_none_or(|page| page.vaddr() == wanted));
        }
    }
}

impl Thread<'_> {
    /// What `uprobe_xol_get_slot()` does, which is a call in the kernel.
    #[inline(never)]
    fn get(&self, arch: &arch_uprobe) -> usize {
        // SAFETY: A valid one, without padding.
        let insn = unsafe { Insn::from_raw(arch) };
        self.process
            .area
            .get(self.utask.as_arc_borrow(), insn)
            .unwrap()
    }

    /// What `uprobe_xol_put_slot()` does, which is a call in the kernel.
    #[inline(never)]
    fn put(&self) {
        self.process.area.put(&self.utask);
    }
}

impl crate::Thread for Thread<'_> {
    #[inline(always)]
    fn step(&self, probe: usize, argument: usize) -> usize {
        let vaddr = self.get(&self.process.probes[probe]);
        // SAFETY: The slot holds the probe's instruction until it is put.
        let result = unsafe { execute(vaddr, argument) };
        self.put();
        result
    }
}

impl Drop for Thread<'_> {
    fn drop(&mut self) {
        // SAFETY: The task's process has one area.
        unsafe { self.process.area.evict(&self.utask) };
    }
}
