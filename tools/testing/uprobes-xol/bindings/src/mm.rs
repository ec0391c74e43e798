// SPDX-License-Identifier: GPL-2.0

//! The area's pages, and what CPUs do with them.

use crate::{
    backend::{self, UnsafeCell},
    model::Property,
    sched::not_atomic,
};
use std::{
    ffi::c_void,
    slice,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Bytes from one slot to the next.
pub const UPROBE_XOL_SLOT_SIZE: u32 = UPROBE_BOOSTED_SIZE;

/// Bytes of an instruction as it is copied into a slot: one word, so that there is little to
/// explore.
pub const UPROBE_XOL_INSN_SIZE: u32 = 8;

/// Bytes of a boosted slot: an instruction, and where it goes on.
pub const UPROBE_BOOSTED_SIZE: u32 = 16;

const INSN_SIZE: usize = UPROBE_XOL_INSN_SIZE as usize;
const BOOSTED_SIZE: usize = UPROBE_BOOSTED_SIZE as usize;

const EXPLORED: bool = cfg!(any(feature = "loom", feature = "shuttle"));

/// Pages of an area.
pub const UPROBE_XOL_PAGES: u32 = if EXPLORED && !cfg!(feature = "two-pages") {
    1
} else {
    2
};

/// Slots of a page, the first page's with the trampoline's: few, so that they run out soon, where
/// all schedules are explored.
pub const UPROBE_XOL_SLOTS_PER_PAGE: u32 = if !EXPLORED {
    50
} else if cfg!(feature = "two-slots") {
    3
} else {
    2
};

const SLOTS_PER_PAGE: usize = UPROBE_XOL_SLOTS_PER_PAGE as usize;

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

    fn boosted_bytes(&self, next: usize) -> [u8; BOOSTED_SIZE] {
        let mut bytes = [0; BOOSTED_SIZE];
        bytes[..INSN_SIZE].copy_from_slice(&self.bytes());
        bytes[INSN_SIZE..].copy_from_slice(&next.to_ne_bytes());
        bytes
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

impl page {
    /// A page of zeroes.
    pub fn new() -> Self {
        let slots = (0..SLOTS_PER_PAGE).map(|_| Memory::default()).collect();
        Self { slots }
    }

    /// Whether what was written last begins like this.
    fn holds(&self, slot: usize, insn: &[u8]) -> bool {
        // SAFETY: Nobody writes, or loom tells.
        let holds = |bytes: *const Vec<u8>| unsafe { (*bytes).starts_with(insn) };
        self.slots[slot].bytes.with(holds)
    }

    /// Writes an instruction into a slot.
    pub fn write(&self, slot: usize, insn: &arch_uprobe) {
        self.write_bytes(slot, &insn.bytes());
    }

    fn write_bytes(&self, slot: usize, insn: &[u8]) {
        let memory = &self.slots[slot];
        Property::NoWriteInside.holds_if(memory.inside.fetch_add(0, Relaxed) == 0);
        // One that was boosted may be again for the same probe: who finds it is told nothing of that.
        let is_boosted = insn.len() == BOOSTED_SIZE;
        Property::WrittenOnce.holds_if(is_boosted || !self.holds(slot, insn));
        memory.writes.fetch_add(1, Relaxed);
        // SAFETY: Nobody reads or writes, or loom tells.
        memory
            .bytes
            .with_mut(|bytes| unsafe { *bytes = insn.to_vec() });
    }

    /// A CPU gets to the slot, and finds `insn` there.
    pub fn begin(&self, slot: usize, insn: &arch_uprobe) {
        self.begin_bytes(slot, &insn.bytes());
    }

    /// A CPU is done with the slot; up to here, it may have read the instruction.
    pub fn end(&self, slot: usize, insn: &arch_uprobe) {
        self.end_bytes(slot, &insn.bytes());
    }

    /// A CPU gets to the slot, and finds there `insn` and a jump to `next`.
    pub fn begin_boosted(&self, slot: usize, insn: &arch_uprobe, next: usize) {
        self.begin_bytes(slot, &insn.boosted_bytes(next));
    }

    /// A CPU jumps to `next`; up to here, it may have read the slot.
    pub fn end_boosted(&self, slot: usize, insn: &arch_uprobe, next: usize) {
        self.end_bytes(slot, &insn.boosted_bytes(next));
    }

    fn begin_bytes(&self, slot: usize, insn: &[u8]) {
        self.slots[slot].inside.fetch_add(1, Relaxed);
        Property::RightInstruction.holds_if(self.holds(slot, insn));
    }

    fn end_bytes(&self, slot: usize, insn: &[u8]) {
        Property::RightInstruction.holds_if(self.holds(slot, insn));
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
    if len != 0 {
        // SAFETY: By the function's requirements.
        page.write_bytes(slot, unsafe { slice::from_raw_parts(src.cast(), len) });
    }
}

/// An instruction, and where it goes on.
///
/// # Safety
///
/// `arch` is valid, and `insn` for writes of [`UPROBE_BOOSTED_SIZE`] bytes.
pub unsafe fn arch_uprobe_boosted_insn(arch: *const arch_uprobe, next: usize, insn: *mut u8) {
    // SAFETY: By the function's requirements.
    unsafe {
        insn.cast::<[u8; BOOSTED_SIZE]>()
            .write((*arch).boosted_bytes(next))
    };
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
