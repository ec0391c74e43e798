// SPDX-License-Identifier: GPL-2.0

//! What a slot is: a number, a place in the area's page, and the instruction that it holds.

use super::task::Held;
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
/// - Less than [`SLOT_COUNT`].
/// - Not zero: slot 0 holds the uretprobe trampoline for as long as the area lives. Zero is thus
///   free to mean "no slot" wherever a number is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(NonZeroU32);

impl Slot {
    /// Returns the slot with this number, or `None` if that is the trampoline's or there is none.
    #[inline]
    pub(crate) fn new(number: u32) -> Option<Self> {
        // INVARIANT: `NonZeroU32` refuses zero, and the filter the rest.
        NonZeroU32::new(number)
            .filter(|number| (number.get() as usize) < SLOT_COUNT)
            .map(Self)
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

/// A place for an [`Insn`].
///
/// It is made of atomics only so that it needs no `unsafe`; they order nothing.
struct InsnCell([Atomic<usize>; INSN_WORDS]);

impl InsnCell {
    const fn zeroed() -> Self {
        Self([const { Atomic::new(0) }; INSN_WORDS])
    }

    #[inline]
    fn holds(&self, insn: &Insn) -> bool {
        self.0
            .iter()
            .zip(&insn.0)
            .all(|(cell, word)| cell.load(Relaxed) == *word)
    }

    fn set(&self, insn: &Insn) {
        for (cell, word) in self.0.iter().zip(&insn.0) {
            cell.store(*word, Relaxed);
        }
    }
}

/// What the slots of an area hold.
///
/// The slots' memory itself does not tell: an architecture may put something behind the
/// instruction that replaces the end of it.
///
/// # Invariants
///
/// The entry of a slot is read and written only by the task that holds the slot, while it is in
/// it. Who may be in a slot is ordered by the task's state, which is thus what orders accesses to
/// an entry.
pub(crate) struct Contents(KVVec<InsnCell>);

impl Contents {
    /// All slots hold zeroes, as a fresh page does. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had.
    pub(crate) fn new() -> Result<Self> {
        let mut cells = KVVec::with_capacity(SLOT_COUNT, GFP_KERNEL)?;
        for _ in 0..SLOT_COUNT {
            cells.push(InsnCell::zeroed(), GFP_KERNEL)?;
        }
        Ok(Self(cells))
    }

    /// Returns whether the slot that is held holds `insn`.
    #[inline]
    pub(crate) fn holds(&self, held: &Held<'_>, insn: &Insn) -> bool {
        // INVARIANT: `held` proves that the caller is in the slot.
        self.0
            .get(held.slot().number() as usize)
            .is_some_and(|cell| cell.holds(insn))
    }

    /// Remembers that the slot that is held holds `insn`.
    pub(crate) fn set(&self, held: &Held<'_>, insn: &Insn) {
        // INVARIANT: `held` proves that the caller is in the slot.
        if let Some(cell) = self.0.get(held.slot().number() as usize) {
            cell.set(insn);
        }
    }
}
