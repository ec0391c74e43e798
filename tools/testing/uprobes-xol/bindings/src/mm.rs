// SPDX-License-Identifier: GPL-2.0

//! The area's pages, and what CPUs do with them.

use crate::{
    backend::{self, UnsafeCell},
    model::Property,
    sched::not_atomic,
};
use std::{
    ffi::c_void,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Bytes from one slot to the next.
pub const UPROBE_XOL_SLOT_SIZE: u32 = 8;

/// Bytes of an instruction as it is copied into a slot: one word, so that there is little to
/// explore.
pub const UPROBE_XOL_INSN_SIZE: u32 = 8;

const INSN_SIZE: usize = UPROBE_XOL_INSN_SIZE as usize;

const EXPLORED: bool = cfg!(any(feature = "loom", feature = "shuttle"));

/// Pages of an area.
pub const UPROBE_XOL_PAGES: u32 = if EXPLORED && !cfg!(feature = "two-pages") {
    1
} else {
    2
};

/// Slots of a page, the first page's with the trampoline's: few, so that they run out soon, where
/// all schedules are explored.
const SLOTS_PER_PAGE: usize = if !EXPLORED {
    50
} else if cfg!(feature = "two-slots") {
    3
} else {
    2
};

/// Slots of an area.
pub const UPROBE_XOL_SLOTS: u32 = UPROBE_XOL_PAGES * SLOTS_PER_PAGE as u32;

/// The size of a page in bytes.
pub const PAGE_SIZE: usize = UPROBE_XOL_SLOT_SIZE as usize * SLOTS_PER_PAGE;

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

    fn bytes(&self) -> [u8; INSN_SIZE] {
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
    bytes: UnsafeCell<Option<[u8; INSN_SIZE]>>,
    /// Tasks that are in the slot. The explorer's, so that it has others run while some are, but
    /// relaxed: it orders nothing.
    inside: backend::AtomicUsize,
    /// Not the explorer's.
    writes: AtomicUsize,
}

// SAFETY: That accesses are in turns is what is to be shown.
unsafe impl Sync for Memory {}

impl page {
    /// A page of zeroes.
    pub fn new() -> Self {
        let slots = (0..SLOTS_PER_PAGE).map(|_| Memory::default()).collect();
        Self { slots }
    }

    /// What was written, if anything was.
    fn read(&self, slot: usize) -> Option<[u8; INSN_SIZE]> {
        // SAFETY: Nobody writes, or loom tells.
        self.slots[slot].bytes.with(|bytes| unsafe { *bytes })
    }

    /// Writes an instruction into a slot.
    pub fn write(&self, slot: usize, insn: &arch_uprobe) {
        self.write_bytes(slot, &insn.bytes());
    }

    fn write_bytes(&self, slot: usize, insn: &[u8; INSN_SIZE]) {
        let memory = &self.slots[slot];
        Property::NoWriteInside.holds_if(memory.inside.fetch_add(0, Relaxed) == 0);
        Property::WrittenOnce.holds_if(self.read(slot) != Some(*insn));
        memory.writes.fetch_add(1, Relaxed);
        // SAFETY: Nobody reads or writes, or loom tells.
        memory
            .bytes
            .with_mut(|bytes| unsafe { *bytes = Some(*insn) });
    }

    /// A CPU gets to the slot, and finds `insn` there.
    pub fn begin(&self, slot: usize, insn: &arch_uprobe) {
        self.slots[slot].inside.fetch_add(1, Relaxed);
        Property::RightInstruction.holds_if(self.read(slot) == Some(insn.bytes()));
    }

    /// A CPU is done with the slot; up to here, it may have read the instruction.
    pub fn end(&self, slot: usize, insn: &arch_uprobe) {
        Property::RightInstruction.holds_if(self.read(slot) == Some(insn.bytes()));
        self.slots[slot].inside.fetch_sub(1, Relaxed);
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
    let slot = vaddr % PAGE_SIZE / UPROBE_XOL_SLOT_SIZE as usize;
    if len == INSN_SIZE {
        // SAFETY: By the function's requirements.
        page.write_bytes(slot, unsafe { &*src.cast() });
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
    (!crate::current().is_out_of_memory()).then(Box::default)
}

/// Frees a page.
pub fn free_page(page: Box<page>) {
    not_atomic();
    drop(page);
}
