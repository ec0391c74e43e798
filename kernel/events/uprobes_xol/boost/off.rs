// SPDX-License-Identifier: GPL-2.0

//! Empty types that stand for boosting where no slot is boosted.

use super::{slots::Inner, table::Table};
use kernel::prelude::*;

/// No slot has a jump.
pub(crate) struct Target;

impl Target {
    pub(crate) const fn new() -> Self {
        Self
    }
}

/// No boosted slot is found.
pub(crate) struct BoostedTable;

impl BoostedTable {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self)
    }
}

/// No slot is boosted.
pub(crate) struct BoostedSlots;

impl BoostedSlots {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self)
    }
}

impl Inner {
    /// No hit asks for a slot to boost.
    pub(crate) fn allow_boosting(&mut self, table: &Table) {
        let (BoostedSlots, BoostedTable) = (&self.boosted, &table.boosted);
    }
}
