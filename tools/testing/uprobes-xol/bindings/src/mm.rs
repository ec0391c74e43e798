// SPDX-License-Identifier: GPL-2.0

//! The pages of slots, and what CPUs do with them.

use crate::{
    backend::{self, UnsafeCell, EXPLORED},
    model::Property,
    sched::{current, not_atomic},
};
use std::{
    ffi::c_void,
    slice,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Bytes from one slot to the next.
pub const UPROBE_XOL_SLOT_SIZE: u32 = 16;

/// Bytes of an instruction as it is copied into a slot: one word, so that there is little to
/// explore.
pub const UPROBE_XOL_INSN_SIZE: u32 = 8;

const INSN_SIZE: usize = UPROBE_XOL_INSN_SIZE as usize;
pub(crate) const SLOT_SIZE: usize = UPROBE_XOL_SLOT_SIZE as usize;

/// Pages of an area.
pub const UPROBE_XOL_PAGES: u32 = if EXPLORED && !cfg!(feature = "two-pages") {
    1
} else {
    2
};

/// Slots of a page, the first page's with the trampoline's: few, so that they run out soon, where
/// all schedules are explored.
pub const UPROBE_XOL_SLOTS_PER_PAGE: u32 = if !EXPLORED {
    64
} else if cfg!(feature = "two-slots") {
    3
} else {
    2
};

/// The size of a page in bytes.
pub const PAGE_SIZE: usize = (SLOT_SIZE * UPROBE_XOL_SLOTS_PER_PAGE as usize).next_power_of_two();

/// Words behind the bytes to execute: what an architecture does after the step.
const REST: usize = if cfg!(feature = "loom") { 0 } else { 1 };

/// A probed instruction.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct arch_uprobe {
    pub ixol: [usize; INSN_SIZE / size_of::<usize>()],
    pub rest: [usize; REST],
}

impl arch_uprobe {
    /// The instruction of a probe.
    pub fn of_probe(probe: usize) -> Self {
        Self {
            ixol: [0x90 + probe; INSN_SIZE / size_of::<usize>()],
            rest: [probe; REST],
        }
    }

    /// All zeroes.
    pub fn zeroed() -> Self {
        Self {
            ixol: [0; INSN_SIZE / size_of::<usize>()],
            rest: [0; REST],
        }
    }

    pub(crate) fn bytes(&self) -> [u8; INSN_SIZE] {
        self.ixol[0].to_ne_bytes()
    }
}

/// A page that is mapped as part of `[uprobes]`.
pub struct page {
    slots: Vec<Memory>,
}

/// A slot's memory.
#[derive(Default)]
struct Memory {
    /// Loom reports it when somebody writes while others might read.
    bytes: UnsafeCell<Vec<u8>>,
    /// Tasks that are in the slot. The explorer's, so that it has others run while some are, but
    /// relaxed: it orders nothing.
    inside: backend::AtomicUsize,
    /// Not the explorer's.
    writes: AtomicUsize,
}

// SAFETY: That accesses are in turns is what is to be shown.
unsafe impl Sync for Memory {}

impl Memory {
    /// Whether what was written last begins like this.
    fn holds(&self, bytes: &[u8]) -> bool {
        // SAFETY: Nobody writes, or loom tells.
        self.bytes
            .with(|held| unsafe { (*held).starts_with(bytes) })
    }

    fn write(&self, bytes: &[u8]) {
        Property::NoWriteInside.holds_if(self.inside.fetch_add(0, Relaxed) == 0);
        // SAFETY: Nobody reads or writes, or loom tells.
        self.bytes
            .with_mut(|held| unsafe { *held = bytes.to_vec() });
    }
}

impl page {
    /// A page of zeroes.
    pub fn new() -> Self {
        let slots = (0..PAGE_SIZE / SLOT_SIZE).map(|_| Memory::default());
        Self {
            slots: slots.collect(),
        }
    }

    /// Fills a page that no task uses yet with breakpoints.
    pub fn fill(&self) {
        for memory in &self.slots {
            // SAFETY: Nobody reads or writes, or loom tells.
            memory.bytes.with_mut(|held| unsafe { (*held).clear() });
        }
    }

    /// Writes an instruction into a slot.
    pub fn write(&self, slot: usize, insn: &arch_uprobe) {
        self.write_bytes(slot, &insn.bytes());
    }

    fn write_bytes(&self, slot: usize, bytes: &[u8]) {
        // A boosted slot gets whole granules. Its former probe may have had the same instruction.
        let is_boosted = bytes.len() != INSN_SIZE;
        for (memory, bytes) in self.slots[slot..].iter().zip(bytes.chunks(SLOT_SIZE)) {
            Property::WrittenOnce.holds_if(is_boosted || !memory.holds(bytes));
            memory.writes.fetch_add(1, Relaxed);
            memory.write(bytes);
        }
    }

    /// A CPU gets to the slot, and finds `insn` there.
    pub fn begin(&self, slot: usize, insn: &arch_uprobe) {
        self.begin_bytes(slot, &insn.bytes());
    }

    /// A CPU is done with the slot; up to here, it may have read the instruction.
    pub fn end(&self, slot: usize, insn: &arch_uprobe) {
        self.end_bytes(slot, &insn.bytes());
    }

    /// As [`begin`](Self::begin), for bytes of several slots.
    pub fn begin_bytes(&self, slot: usize, bytes: &[u8]) {
        for (memory, bytes) in self.slots[slot..].iter().zip(bytes.chunks(SLOT_SIZE)) {
            memory.inside.fetch_add(1, Relaxed);
            Property::RightInstruction.holds_if(memory.holds(bytes));
        }
    }

    /// As [`end`](Self::end), for bytes of several slots.
    pub fn end_bytes(&self, slot: usize, bytes: &[u8]) {
        for (memory, bytes) in self.slots[slot..].iter().zip(bytes.chunks(SLOT_SIZE)) {
            Property::RightInstruction.holds_if(memory.holds(bytes));
            memory.inside.fetch_sub(1, Relaxed);
        }
    }

    /// A byte of a slot.
    pub fn byte(&self, offset: usize) -> u8 {
        let memory = &self.slots[offset / SLOT_SIZE];
        // SAFETY: Nobody writes, or loom tells.
        let byte = |held: *const Vec<u8>| unsafe { &*held }.get(offset % SLOT_SIZE);
        memory.bytes.with(|held| byte(held).copied()).unwrap_or(0)
    }

    /// How often slots were written.
    pub fn writes(&self) -> usize {
        self.slots
            .iter()
            .map(|memory| memory.writes.load(Relaxed))
            .sum()
    }
}

impl Default for page {
    fn default() -> Self {
        Self::new()
    }
}

/// # Safety
///
/// `page` is valid, and `src` for reads of `len` bytes.
pub unsafe fn arch_uprobe_copy_ixol(page: *mut page, vaddr: usize, src: *mut c_void, len: usize) {
    // SAFETY: By the function's requirements.
    let page = unsafe { &*page };
    let slot = vaddr % PAGE_SIZE / SLOT_SIZE;
    if len != 0 {
        // SAFETY: By the function's requirements.
        page.write_bytes(slot, unsafe { slice::from_raw_parts(src.cast(), len) });
    }
}

/// The trampoline: nothing, which the slot holds already.
///
/// # Safety
///
/// `size` is valid for writes.
pub unsafe fn arch_uretprobe_trampoline(size: *mut usize) -> *mut c_void {
    // SAFETY: By the function's requirements.
    unsafe { *size = 0 };
    std::ptr::null_mut()
}

/// Allocates a page, unless the current task is not to have one.
pub fn alloc_page() -> Option<Box<page>> {
    crate::might_sleep();
    (!current().is_out_of_memory()).then(Box::default)
}

/// Frees a page. One that a work item frees may be another page from now on.
pub fn free_page(page: Box<page>) {
    not_atomic();
    if EXPLORED && current().is_worker() {
        page.slots.iter().for_each(|memory| memory.write(&[]));
        // A task that should not use it any more finds it.
        Box::leak(page);
    }
}
