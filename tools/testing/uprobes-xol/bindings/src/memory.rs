// SPDX-License-Identifier: GPL-2.0

//! Memory to which a pointer is published: who may use it, and until when.

use crate::{
    backend::{UnsafeCell, EXPLORED},
    model::Property,
    sched::current,
};
use std::{
    ops::Range,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        Arc, Mutex as Hidden,
    },
};

/// Memory that was published.
struct Life {
    at: Range<usize>,
    /// Written by those who initialise and free the memory, read by those who use it. Loom reports
    /// it when that is in no order.
    used: UnsafeCell<()>,
    freed: AtomicBool,
}

// SAFETY: That accesses are in turns is what is to be shown.
unsafe impl Sync for Life {}

// Not the explorer's: they must not order anything.
static LIVES: Hidden<Vec<Arc<Life>>> = Hidden::new(Vec::new());
/// Whether the order of an access is being checked.
static CHECKING: AtomicBool = AtomicBool::new(false);

fn life_at(address: usize) -> Option<Arc<Life>> {
    let lives = LIVES.lock().unwrap();
    lives
        .iter()
        .find(|life| life.at.contains(&address))
        .cloned()
}

fn check(access: impl FnOnce()) {
    CHECKING.store(true, Relaxed);
    access();
    CHECKING.store(false, Relaxed);
}

/// A pointer to initialised memory is about to be published.
pub fn publish(address: usize, size: usize) {
    if EXPLORED && address != 0 {
        let life = Arc::new(Life {
            at: address..address + size,
            used: UnsafeCell::new(()),
            freed: AtomicBool::new(false),
        });
        life.used.with_mut(|_| ());
        LIVES.lock().unwrap().push(life);
    }
}

/// Something at this address is used, which may be memory that was published.
pub fn use_at(address: usize) {
    if let Some(life) = EXPLORED.then(|| life_at(address)).flatten() {
        Property::UsedWhileThere.holds_if(!life.freed.load(Relaxed));
        check(|| life.used.with(|_| ()));
    }
}

/// Memory is freed. Returns whether it must be kept, for those who must not use it to find it.
///
/// When all tasks of a process are gone, reference counts are the order. These are the host's.
pub fn free(address: usize) -> bool {
    let Some(life) = EXPLORED.then(|| life_at(address)).flatten() else {
        return false;
    };
    let is_worker = current().is_worker();
    if is_worker {
        check(|| life.used.with_mut(|_| ()));
        life.freed.store(true, Relaxed);
    } else {
        LIVES.lock().unwrap().retain(|it| !Arc::ptr_eq(it, &life));
    }
    is_worker
}

/// Whether the explorer reports that memory is used in no order with its initialisation or end.
pub(crate) fn is_checking() -> bool {
    CHECKING.load(Relaxed)
}

pub(crate) fn forget_memory() {
    LIVES.lock().unwrap().clear();
    CHECKING.store(false, Relaxed);
}
