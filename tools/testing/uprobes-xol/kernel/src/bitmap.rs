// SPDX-License-Identifier: GPL-2.0

//! Bitmaps.

use crate::{error::Error, init::Flags};

/// An owned bitmap.
pub struct BitmapVec(Vec<bool>);

impl BitmapVec {
    pub fn new(nbits: usize, _: Flags) -> Result<Self, Error> {
        Ok(Self(vec![false; nbits]))
    }

    pub fn next_bit(&self, start: usize) -> Option<usize> {
        (start..self.0.len()).find(|&index| self.0[index])
    }

    pub fn set_bit(&mut self, index: usize) {
        self.0[index] = true;
    }

    pub fn clear_bit(&mut self, index: usize) {
        self.0[index] = false;
    }
}
