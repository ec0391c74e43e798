// SPDX-License-Identifier: GPL-2.0

//! The implementation in C: what `kernel/events/uprobes.c` of Linux 7.3 does between the breakpoint
//! and the end of the step, with the same atomics, barriers and cache lines.

mod wait;

use crate::Implementation;
use kernel::bindings::{
    alloc_page, arch_uprobe, arch_uprobe_copy_ixol, execute, page, smp_mb__after_atomic, Mapping,
    PAGE_SIZE, UPROBE_XOL_SLOT_SIZE,
};
use std::{
    cell::Cell,
    ptr,
    sync::{
        atomic::{
            AtomicPtr, AtomicU32, AtomicUsize,
            Ordering::{Relaxed, Release, SeqCst},
        },
        Arc,
    },
};
use wait::{Task, WaitQueueHead};

const SLOT_SIZE: usize = UPROBE_XOL_SLOT_SIZE as usize;

/// Slots of the only page.
const SLOTS: usize = PAGE_SIZE / SLOT_SIZE;

const BITS: usize = usize::BITS as usize;

/// What `refcount_t` stays at once it overflowed.
const SATURATED: u32 = 0xc000_0000;

/// `struct uprobe`.
#[repr(C, align(64))]
struct Uprobe {
    /// In this line a lookup finds the uprobe.
    _node: [usize; 3],
    references: AtomicU32,
    /// Locks, lists and the file.
    _rest: [usize; 24],
    arch: arch_uprobe,
}

/// `struct xol_area`, which is one cache line.
#[repr(C, align(64))]
struct XolArea {
    wq: WaitQueueHead,
    /// In a line of its own, although it is a few bytes.
    bitmap: Box<Bitmap>,
    page: Box<page>,
    vaddr: usize,
}

const _: () = assert!(size_of::<XolArea>() == 64);

#[repr(align(64))]
struct Bitmap([AtomicUsize; SLOTS.div_ceil(BITS)]);

/// A process with probes.
pub struct Process {
    /// `mm->uprobes_state.xol_area`
    area: AtomicPtr<XolArea>,
    uprobes: Vec<Uprobe>,
    _mapping: Mapping,
}

/// A thread of the process, with its `struct uprobe_task`.
#[repr(align(64))]
pub struct Thread<'a> {
    process: &'a Process,
    task: Arc<Task>,
    active_uprobe: Cell<Option<&'a Uprobe>>,
    xol_vaddr: Cell<usize>,
}

impl Uprobe {
    fn new(arch: arch_uprobe) -> Self {
        Self {
            _node: [0; 3],
            references: AtomicU32::new(1),
            _rest: [0; 24],
            arch,
        }
    }

    /// Gets a reference, unless the last one is gone.
    #[inline]
    fn try_get(&self) -> bool {
        let mut old = self.references.load(Relaxed);
        while old != 0 {
            let new = old.wrapping_add(1);
            match self
                .references
                .compare_exchange_weak(old, new, Relaxed, Relaxed)
            {
                Ok(_) if (old | new) as i32 >= 0 => return true,
                Ok(_) => {
                    self.references.store(SATURATED, Relaxed);
                    return true;
                }
                Err(current) => old = current,
            }
        }
        false
    }

    /// Puts a reference. Those who registered the uprobe have the last one.
    #[inline]
    fn put(&self) {
        let old = self.references.fetch_sub(1, Release);
        assert_ne!(old, 1, "the uprobe would be freed");
        if old as i32 <= 0 {
            self.references.store(SATURATED, Relaxed);
        }
    }
}

impl Bitmap {
    fn new() -> Self {
        Self([const { AtomicUsize::new(0) }; SLOTS.div_ceil(BITS)])
    }

    #[inline]
    fn find_first_zero_bit(&self) -> usize {
        for (index, word) in self.0.iter().enumerate() {
            let word = word.load(Relaxed);
            if word != usize::MAX {
                return SLOTS.min(index * BITS + word.trailing_ones() as usize);
            }
        }
        SLOTS
    }

    /// Fully ordered.
    #[inline]
    fn test_and_set_bit(&self, bit: usize) -> bool {
        let mask = 1 << (bit % BITS);
        self.0[bit / BITS].fetch_or(mask, SeqCst) & mask != 0
    }

    /// Not ordered.
    #[inline]
    fn clear_bit(&self, bit: usize) {
        self.0[bit / BITS].fetch_and(!(1 << (bit % BITS)), Relaxed);
    }
}

impl XolArea {
    fn new(vaddr: usize) -> Self {
        let bitmap = Box::new(Bitmap::new());
        // The trampoline's.
        bitmap.test_and_set_bit(0);
        Self {
            wq: WaitQueueHead::new(),
            bitmap,
            page: alloc_page().expect("the first page of the mapping"),
            vaddr,
        }
    }

    /// Tries once to get a slot: the one that seemed free first.
    #[inline]
    fn try_slot(&self) -> Option<usize> {
        let slot = self.bitmap.find_first_zero_bit();
        (slot < SLOTS && !self.bitmap.test_and_set_bit(slot)).then_some(slot)
    }

    #[inline]
    fn get_slot(&self, task: &Arc<Task>) -> usize {
        self.try_slot()
            .unwrap_or_else(|| self.wq.wait(task, || self.try_slot()))
    }

    #[inline]
    fn free_slot(&self, slot: usize) {
        self.bitmap.clear_bit(slot);
        // Who waits is in the queue before it looks for a slot.
        smp_mb__after_atomic();
        if self.wq.is_active() {
            self.wq.wake_up();
        }
    }
}

impl Implementation for Process {
    const NAME: &str = "c";

    type Thread<'a> = Thread<'a>;

    fn new(mapping: Mapping, probes: Vec<arch_uprobe>) -> Self {
        let area = Box::new(XolArea::new(mapping.vaddr()));
        assert_eq!(area.page.vaddr(), area.vaddr);
        Self {
            area: AtomicPtr::new(Box::into_raw(area)),
            uprobes: probes.into_iter().map(Uprobe::new).collect(),
            _mapping: mapping,
        }
    }

    fn thread(&self) -> Thread<'_> {
        Thread {
            process: self,
            task: Task::current(),
            active_uprobe: Cell::new(None),
            xol_vaddr: Cell::new(0),
        }
    }
}

impl Process {
    #[inline]
    fn area(&self) -> &XolArea {
        // SAFETY: Made by `new`, and lives as long as `self`.
        unsafe { &*self.area.load(Relaxed) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SAFETY: From `Box::into_raw` in `new`.
        let area = unsafe { Box::from_raw(*self.area.get_mut()) };
        assert_eq!(area.bitmap.find_first_zero_bit(), 1, "a slot was not freed");
        for uprobe in &self.uprobes {
            assert_eq!(uprobe.references.load(Relaxed), 1);
        }
    }
}

impl<'a> Thread<'a> {
    /// What `pre_ssout()` does.
    #[inline(always)]
    fn begin(&self, uprobe: &'a Uprobe) -> usize {
        assert!(uprobe.try_get());
        let area = self.process.area();
        let slot = area.get_slot(&self.task);
        let vaddr = area.vaddr + slot * SLOT_SIZE;
        self.xol_vaddr.set(vaddr);
        // SAFETY: The slot is ours.
        unsafe {
            arch_uprobe_copy_ixol(
                ptr::from_ref(&*area.page).cast_mut(),
                vaddr,
                ptr::from_ref(&uprobe.arch.ixol).cast_mut().cast(),
                uprobe.arch.ixol.len(),
            )
        };
        self.active_uprobe.set(Some(uprobe));
        vaddr
    }

    /// What `handle_singlestep()` does.
    #[inline(always)]
    fn end(&self) {
        if let Some(uprobe) = self.active_uprobe.take() {
            uprobe.put();
        }
        let area = self.process.area();
        let offset = self.xol_vaddr.take() - area.vaddr;
        area.free_slot(offset / SLOT_SIZE);
    }
}

impl crate::Thread for Thread<'_> {
    #[inline(always)]
    fn step(&self, probe: usize, argument: usize) -> usize {
        let vaddr = self.begin(&self.process.uprobes[probe]);
        // SAFETY: The slot holds the probe's instruction, and is ours.
        let result = unsafe { execute(vaddr, argument) };
        self.end();
        result
    }
}
