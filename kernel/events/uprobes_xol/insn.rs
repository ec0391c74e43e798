// SPDX-License-Identifier: GPL-2.0

//! A probed instruction, as the architecture describes it.

use core::num::NonZeroUsize;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed},
    transmute::AsBytes, //
};

/// Bytes of an instruction as it is copied into a slot.
pub(crate) const INSN_SIZE: usize = bindings::UPROBE_XOL_INSN_SIZE as usize;

const WORD_SIZE: usize = size_of::<usize>();

/// Words of a `struct arch_uprobe`.
pub(crate) const INSN_WORDS: usize = size_of::<bindings::arch_uprobe>() / WORD_SIZE;

static_assert!(size_of::<bindings::arch_uprobe>() % WORD_SIZE == 0);
static_assert!(align_of::<bindings::arch_uprobe>() == WORD_SIZE);
static_assert!(INSN_SIZE <= INSN_WORDS * WORD_SIZE);

/// Of a product with it the highest bits depend on all bits of what is multiplied, the lowest ones
/// on the lowest only.
const FACTOR: usize = 0x9e37_79b9_7f4a_7c15_u64 as usize;

/// A number that differs for most numbers that differ.
#[inline]
pub(crate) fn spread(number: usize) -> u16 {
    (number.wrapping_mul(FACTOR) >> (usize::BITS - u16::BITS)) as u16
}

/// A copy of a `struct arch_uprobe`: the bytes to execute, and what is to be done after that.
///
/// Equal bytes alone do not make two instructions the same: on x86, one that was relative to `rip`
/// is rewritten to use a register, and to look like one that does so by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Insn([usize; INSN_WORDS]);

impl Insn {
    /// A `struct arch_uprobe` as the instruction that it describes.
    ///
    /// # Safety
    ///
    /// `arch` is valid, all of it, padding included, has a value, and does not change for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(arch: *const bindings::arch_uprobe) -> &'a Self {
        // SAFETY: As large and as aligned, see the assertions; the rest by the safety requirements.
        unsafe { &*arch.cast::<Self>() }
    }

    /// The `struct arch_uprobe`.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    pub(crate) fn as_raw(&self) -> *const bindings::arch_uprobe {
        core::ptr::from_ref(self).cast()
    }

    /// What goes into a slot: the beginning of the structure, as aligned as that is.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &AsBytes::as_bytes(&self.0)[..INSN_SIZE]
    }

    /// A number that differs for most instructions that differ.
    #[inline]
    pub(crate) fn hash(&self) -> u16 {
        let words = &self.0[..INSN_SIZE.div_ceil(WORD_SIZE)];
        let hash = words.iter().fold(0, |hash: usize, word| {
            let product = (hash ^ word).wrapping_mul(FACTOR);
            product ^ (product >> (usize::BITS / 2 - 2))
        });
        spread(hash)
    }

    /// What those have in common who wait for this instruction.
    pub(crate) fn key(&self) -> NonZeroUsize {
        NonZeroUsize::MIN.saturating_add(self.hash().into())
    }
}

/// A place for an [`Insn`].
///
/// It is made of atomics so that it can be looked at while it is written; only [`get`](Self::get)
/// orders anything.
#[repr(transparent)]
pub(crate) struct InsnCell([Atomic<usize>; INSN_WORDS]);

impl InsnCell {
    /// All zeroes.
    pub(crate) const fn zeroed() -> Self {
        Self([const { Atomic::new(0) }; INSN_WORDS])
    }

    /// Whether this is `insn`.
    #[inline]
    pub(crate) fn holds(&self, insn: &Insn) -> bool {
        self.0
            .iter()
            .zip(&insn.0)
            .all(|(cell, word)| cell.load(Relaxed) == *word)
    }

    /// What is there, provided that nobody is writing it. What the caller reads next comes after.
    pub(crate) fn get(&self) -> Insn {
        // ORDERING: Acquire pairs with the full barrier in `unboost`, see `boosted`
        // (litmus/boosted-rewrite.litmus).
        Insn(core::array::from_fn(|i| self.0[i].load(Acquire)))
    }

    /// Makes it `insn`.
    #[inline]
    pub(crate) fn set(&self, insn: &Insn) {
        for (cell, word) in self.0.iter().zip(&insn.0) {
            cell.store(*word, Relaxed);
        }
    }
}
