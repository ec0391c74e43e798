// SPDX-License-Identifier: GPL-2.0

//! The area's page, and what CPUs do with it.

use crate::{backend::UnsafeCell, model::Property};

/// Bytes from one slot to the next.
pub const UPROBE_XOL_SLOT_SIZE: u32 = 8;

/// Bytes of an instruction as it is copied into a slot: one word, so that there is little to
/// explore.
pub const UPROBE_XOL_INSN_SIZE: u32 = 8;

const INSN_SIZE: usize = UPROBE_XOL_INSN_SIZE as usize;

/// Slots of a page, the trampoline's included: few, so that they run out soon, where all schedules
/// are explored.
const SLOT_COUNT: usize = if cfg!(feature = "two-slots") {
    3
} else if cfg!(any(feature = "loom", feature = "shuttle")) {
    2
} else {
    128
};

/// The size of a page in bytes.
pub const PAGE_SIZE: usize = UPROBE_XOL_SLOT_SIZE as usize * SLOT_COUNT;

/// The page that is mapped as `[uprobes]`.
pub struct page(Vec<Memory>);

/// A slot's memory.
#[derive(Default)]
struct Memory {
    bytes: UnsafeCell<[u8; INSN_SIZE]>,
    /// Somebody is in the slot. Loom reports it when two write it unordered.
    occupied: UnsafeCell<bool>,
}

// SAFETY: That both are accessed in turns is what is to be shown.
unsafe impl Sync for Memory {}

impl page {
    /// A page of zeroes.
    pub fn new() -> Self {
        Self((0..SLOT_COUNT).map(|_| Memory::default()).collect())
    }

    /// What the slot holds.
    pub fn read(&self, slot: usize) -> [u8; INSN_SIZE] {
        // SAFETY: Nobody writes, or loom tells.
        self.0[slot].bytes.with(|bytes| unsafe { *bytes })
    }

    /// What `arch_uprobe_copy_ixol()` does.
    pub fn write(&self, slot: usize, insn: &[u8; INSN_SIZE]) {
        // SAFETY: Nobody writes, or loom tells.
        let occupied = self.0[slot].occupied.with(|cell| unsafe { *cell });
        Property::NoWriteInside.holds_if(!occupied);
        Property::WrittenOnce.holds_if(self.read(slot) != *insn);
        // SAFETY: Nobody reads or writes, or loom tells.
        self.0[slot]
            .bytes
            .with_mut(|bytes| unsafe { *bytes = *insn });
    }

    /// A CPU gets to the slot, and finds `insn` there.
    pub fn begin(&self, slot: usize, insn: &[u8; INSN_SIZE]) {
        Property::OneOwner.holds_if(!self.occupy(slot, true));
        Property::RightInstruction.holds_if(self.read(slot) == *insn);
    }

    /// A CPU is done with the slot; up to here, it may have read the instruction.
    pub fn end(&self, slot: usize, insn: &[u8; INSN_SIZE]) {
        Property::RightInstruction.holds_if(self.read(slot) == *insn);
        Property::OneOwner.holds_if(self.occupy(slot, false));
    }

    /// Sets whether somebody is in the slot, and returns whether somebody was.
    fn occupy(&self, slot: usize, occupied: bool) -> bool {
        // SAFETY: Nobody else does it now, or loom tells.
        self.0[slot]
            .occupied
            .with_mut(|cell| unsafe { std::mem::replace(&mut *cell, occupied) })
    }
}

impl Default for page {
    fn default() -> Self {
        Self::new()
    }
}
