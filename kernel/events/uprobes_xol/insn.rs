// SPDX-License-Identifier: GPL-2.0

//! A probed instruction, as the architecture describes it.

use super::ffi::{arch_uprobe, INSN_SIZE};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
    transmute::AsBytes, //
};

const WORD_SIZE: usize = size_of::<usize>();

/// Words of a `struct arch_uprobe`.
pub(crate) const INSN_WORDS: usize = size_of::<arch_uprobe>() / WORD_SIZE;

/// Words of the structure's beginning, which holds the bytes to execute.
pub(crate) const HASHED_WORDS: usize = INSN_SIZE.div_ceil(WORD_SIZE);

static_assert!(size_of::<arch_uprobe>() % WORD_SIZE == 0);
static_assert!(align_of::<arch_uprobe>() == WORD_SIZE);
static_assert!(HASHED_WORDS <= INSN_WORDS);

/// A copy of a `struct arch_uprobe`: the bytes to execute, and the fix-ups that follow.
///
/// Two instructions are the same only if their structures are equal in all bytes. On x86, for
/// example, an instruction that is relative to `rip` is rewritten to use a register. Another
/// instruction may have the same bytes, but need other fix-ups after its step.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Insn([usize; INSN_WORDS]);

impl Insn {
    /// Borrows a `struct arch_uprobe` as an instruction.
    ///
    /// # Safety
    ///
    /// `arch` is valid for `'a`, and does not change for as long. All of its bytes are initialised,
    /// padding included.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(arch: *const arch_uprobe) -> &'a Self {
        // SAFETY: The two types have the same size and alignment: see the assertions. All else is
        // by the safety requirements.
        unsafe { &*arch.cast::<Self>() }
    }

    /// The bytes that go into a slot. They are the beginning of the structure, and have its
    /// alignment.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &AsBytes::as_bytes(&self.0)[..INSN_SIZE]
    }

    /// The words by which the instruction is found.
    #[inline]
    pub(crate) fn hashed(&self) -> &[usize] {
        &self.0[..HASHED_WORDS]
    }
}

/// A place for an [`Insn`].
///
/// The words are atomics, because a task may read an instruction while another task replaces it.
#[repr(transparent)]
pub(crate) struct InsnCell([Atomic<usize>; INSN_WORDS]);

impl InsnCell {
    /// A place that holds zeroes.
    pub(crate) const fn zeroed() -> Self {
        Self([const { Atomic::new(0) }; INSN_WORDS])
    }

    /// Returns whether the place holds `insn`.
    #[inline]
    pub(crate) fn holds(&self, insn: &Insn) -> bool {
        self.0
            .iter()
            .zip(&insn.0)
            // ORDERING: Relaxed: the acquire in `Record::offers` came before, or the lock is held,
            // or the caller is the owner (litmus/offer-claim.litmus). If the instruction is
            // replaced in between, a claim fails (litmus/find-rewrite.litmus).
            .all(|(cell, word)| cell.load(Relaxed) == *word)
    }

    /// Returns what the place holds. No other task writes the place during the call.
    pub(crate) fn get(&self) -> Insn {
        // ORDERING: Relaxed: only the caller may write the place, or the lock is held
        // (litmus/find-rewrite.litmus).
        Insn(core::array::from_fn(|i| self.0[i].load(Relaxed)))
    }

    /// Makes the place hold `insn`.
    #[inline]
    pub(crate) fn set(&self, insn: &Insn) {
        for (cell, word) in self.0.iter().zip(&insn.0) {
            // ORDERING: Relaxed. In a record, the full barrier in `Record::close` came before
            // (litmus/find-rewrite.litmus), and the release in `Record::open` comes later
            // (litmus/offer-claim.litmus). In a task, only the owner reads this.
            cell.store(*word, Relaxed);
        }
    }
}
