// SPDX-License-Identifier: GPL-2.0

//! RCU, and RCU Tasks Trace.
//!
//! A reader counts itself under a lock. So it is ordered with grace periods as the kernel's, and
//! also with readers that ended before: they have written nothing that a reader reads.

use crate::backend::{Condvar, Mutex};
use std::sync::{Arc, Mutex as Hidden};

/// A kind of RCU.
#[derive(Clone, Copy)]
pub enum Rcu {
    Classic,
    TasksTrace,
}

#[derive(Default)]
struct Readers {
    /// Those that began before the grace period, and since.
    number: [usize; 2],
    phase: usize,
}

#[derive(Default)]
struct Flavour {
    readers: Mutex<Readers>,
    ended: Condvar,
}

/// Those of this execution.
static FLAVOURS: Hidden<Option<[Arc<Flavour>; 2]>> = Hidden::new(None);

/// A read-side section.
pub struct Section {
    flavour: Arc<Flavour>,
    phase: usize,
}

impl Rcu {
    fn flavour(self) -> Arc<Flavour> {
        let mut flavours = FLAVOURS.lock().unwrap();
        flavours.get_or_insert_default()[self as usize].clone()
    }

    /// Begins a read-side section.
    pub fn read(self) -> Section {
        let flavour = self.flavour();
        let phase = {
            let mut readers = flavour.readers.lock().unwrap();
            let phase = readers.phase;
            readers.number[phase] += 1;
            phase
        };
        Section { flavour, phase }
    }

    /// Waits for a grace period. One task at a time does this.
    pub fn synchronize(self) {
        crate::might_sleep();
        let flavour = self.flavour();
        let mut readers = flavour.readers.lock().unwrap();
        let phase = readers.phase;
        readers.phase = 1 - phase;
        while readers.number[phase] != 0 {
            readers = flavour.ended.wait(readers).unwrap();
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        let mut readers = self.flavour.readers.lock().unwrap();
        readers.number[self.phase] -= 1;
        if readers.number[self.phase] == 0 {
            self.flavour.ended.notify_all();
        }
    }
}

pub(crate) fn forget_readers() {
    *FLAVOURS.lock().unwrap() = Some(Default::default());
}
