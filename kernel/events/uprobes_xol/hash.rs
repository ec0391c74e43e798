// SPDX-License-Identifier: GPL-2.0

//! The hash function that assigns instructions to the chains of the table.
//!
//! User space chooses the instructions. If it knew the hash function, it could choose instructions
//! that all get into one long chain. Each area therefore has a random hash function, out of a
//! universal family (multiply-shift). Any two different instructions collide with a probability of
//! about 1 / [`BUCKETS`].
//!
//! Such a function is linear. With unlucky factors, instructions whose bytes are consecutive
//! numbers would all get into a few chains. A multiplication by a constant at the end scatters
//! them.

use super::{
    ffi,
    insn::{Insn, HASHED_WORDS},
    slot::SLOT_COUNT, //
};
use core::{array, num::NonZeroUsize};

/// The binary logarithm of the number of chains. If all slots are in chains, a chain has four on
/// average.
const BUCKET_BITS: u32 = {
    let wanted = (SLOT_COUNT / 4).next_power_of_two().ilog2();
    if wanted < 4 {
        4
    } else {
        wanted
    }
};

/// The number of chains.
pub(crate) const BUCKETS: usize = 1 << BUCKET_BITS;

/// The number of random words of a hash function.
const KEYS: usize = 2 * HASHED_WORDS + 1;

/// 2^64 divided by the golden ratio. The highest bits of a product with it depend on all bits of
/// the other factor.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash value. Its highest bits are the most random ones.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    /// Makes a hash of the result of a linear function. Scatters results that are close together.
    #[inline(always)]
    fn scattered(linear: u64) -> Self {
        Self((linear ^ (linear >> (u64::BITS / 2))).wrapping_mul(FACTOR))
    }

    /// The chain, less than [`BUCKETS`].
    #[inline]
    pub(crate) fn bucket(self) -> usize {
        (self.0 >> (u64::BITS - BUCKET_BITS)) as usize
    }

    /// The key of a waiting task, which is the same for all tasks that wait for the same
    /// instruction.
    pub(crate) fn key(self) -> NonZeroUsize {
        NonZeroUsize::MIN | (self.0 >> (u64::BITS / 2)) as usize
    }
}

/// The hash function of a table.
pub(crate) struct Hasher([u64; KEYS]);

impl Hasher {
    /// Draws a hash function.
    pub(crate) fn new() -> Self {
        Self(array::from_fn(|_| ffi::random()))
    }

    /// The hash of an instruction.
    #[inline]
    pub(crate) fn insn(&self, insn: &Insn) -> Hash {
        let mut sum = self.0[0];
        for (word, keys) in insn.hashed().iter().zip(self.0[1..].chunks_exact(2)) {
            let word = *word as u64;
            let (low, high) = (word & u64::from(u32::MAX), word >> u32::BITS);
            sum = sum.wrapping_add(keys[0].wrapping_mul(low));
            sum = sum.wrapping_add(keys[1].wrapping_mul(high));
        }
        Hash::scattered(sum)
    }
}
