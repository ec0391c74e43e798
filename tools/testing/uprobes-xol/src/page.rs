// SPDX-License-Identifier: GPL-2.0

//! The memory behind the slots, with the interface of the kernel's `page.rs`.

use super::{slot::Insn, task::Held};
use kernel::{bindings, prelude::*};

/// The page that is mapped as `[uprobes]`.
pub(crate) struct SlotPage(Box<bindings::page>);

impl SlotPage {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Box::default()))
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::page {
        std::ptr::from_ref(&*self.0).cast_mut()
    }

    pub(crate) fn write(&self, held: &Held<'_>, _vaddr: usize, insn: &Insn) {
        self.0.write(held.slot().number() as usize, &insn.bytes());
    }
}
