// SPDX-License-Identifier: GPL-2.0

//! Empty types with the names that other modules use, for kernels that boost no slot.

use super::{slots::Inner, table::Table};
use kernel::prelude::*;

/// The target of a slot's jump. No slot has one.
pub(crate) struct Target;

impl Target {
    pub(crate) const fn new() -> Self {
        Self
    }
}

/// The table of boosted slots, which is empty.
pub(crate) struct BoostedTable;

impl BoostedTable {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self)
    }
}

/// The boosted slots of an area. There are none.
pub(crate) struct BoostedSlots;

impl BoostedSlots {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self)
    }
}

impl Inner {
    /// Does nothing: no hit asks for a slot to boost.
    pub(crate) fn allow_boosting(&mut self, table: &Table) {
        let (BoostedSlots, BoostedTable) = (&self.boosted, &table.boosted);
    }
}
