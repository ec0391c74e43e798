// SPDX-License-Identifier: GPL-2.0

//! What a slot is: a number, a place in the area's page, and an instruction that it holds.

use core::num::NonZeroU32;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{Atomic, Relaxed}, //
};

/// Bytes from one slot to the next.
pub(crate) const SLOT_SIZE: usize = bindings::UPROBE_XOL_SLOT_SIZE as usize;

/// Slots of an area, the trampoline's included.
pub(crate) const SLOT_COUNT: usize = PAGE_SIZE / SLOT_SIZE;

/// Bytes of an instruction as it is copied into a slot.
pub(crate) const INSN_SIZE: usize = bindings::UPROBE_XOL_INSN_SIZE as usize;

const WORD_SIZE: usize = size_of::<usize>();
const INSN_WORDS: usize = INSN_SIZE.div_ceil(WORD_SIZE);

static_assert!(INSN_SIZE <= SLOT_SIZE);
static_assert!(SLOT_COUNT >= 2, "one slot is the trampoline's");

/// The number of a slot that a task can hold.
///
/// # Invariants
///
/// Not zero: slot 0 holds the uretprobe trampoline for as long as the area lives. Zero is thus
/// free to mean "no slot" wherever a number is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(NonZeroU32);

impl Slot {
    /// Returns the slot with this number, or `None` for the trampoline's.
    #[inline]
    pub(crate) fn new(number: u32) -> Option<Self> {
        // INVARIANT: `NonZeroU32` refuses zero.
        NonZeroU32::new(number).map(Self)
    }

    /// The slot's number.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }

    /// Where the slot begins, in bytes from the beginning of the area.
    #[inline]
    pub(crate) fn offset(self) -> usize {
        self.0.get() as usize * SLOT_SIZE
    }
}

/// An instruction as it is copied into a slot, padded with zeroes to whole words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Insn([usize; INSN_WORDS]);

impl Insn {
    /// Makes an instruction of the bytes of `arch_uprobe::ixol`.
    #[inline]
    pub(crate) fn new(bytes: &[u8; INSN_SIZE]) -> Self {
        let mut words = [0; INSN_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(WORD_SIZE)) {
            let mut padded = [0; WORD_SIZE];
            padded[..chunk.len()].copy_from_slice(chunk);
            *word = usize::from_ne_bytes(padded);
        }
        Self(words)
    }

    /// The instruction's bytes, without the padding.
    pub(crate) fn bytes(&self) -> [u8; INSN_SIZE] {
        let mut bytes = [0; INSN_SIZE];
        for (chunk, word) in bytes.chunks_mut(WORD_SIZE).zip(&self.0) {
            let len = chunk.len();
            chunk.copy_from_slice(&word.to_ne_bytes()[..len]);
        }
        bytes
    }
}

/// A place for an [`Insn`] that one task writes and reads, and nobody else.
///
/// It is made of atomics only so that it needs no `unsafe`; they order nothing.
pub(crate) struct InsnCell([Atomic<usize>; INSN_WORDS]);

impl InsnCell {
    /// Creates a cell that holds zeroes.
    pub(crate) const fn new() -> Self {
        Self([const { Atomic::new(0) }; INSN_WORDS])
    }

    /// Returns whether the cell holds `insn`.
    #[inline]
    pub(crate) fn holds(&self, insn: &Insn) -> bool {
        self.0
            .iter()
            .zip(&insn.0)
            .all(|(cell, word)| cell.load(Relaxed) == *word)
    }

    /// Puts `insn` into the cell.
    pub(crate) fn set(&self, insn: &Insn) {
        for (cell, word) in self.0.iter().zip(&insn.0) {
            cell.store(*word, Relaxed);
        }
    }
}
