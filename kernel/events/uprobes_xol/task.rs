// SPDX-License-Identifier: GPL-2.0

//! What a task has of the area: a cached slot, and the machine that says who may touch it.
//!
//! ```text
//!                 enter: owner, cmpxchg, acquire
//!          .-------------------------------------.
//!          |                                     v
//!     +--------+                            +----------+
//!     | 1 IDLE |                            | 2 IN_USE |
//!     +--------+                            +----------+
//!       |   ^ ^                                  |
//!       |   | '----------------------------------'
//!       |   |         leave: owner, xchg, full
//!       |   |
//!       |   '---- recycle: store, release ---.
//!       |                                    |
//!       |   recycle: GC lock held,     +------------+
//!       '---- cmpxchg, acquire ------->| 0 RECYCLED |
//!                                      +------------+
//! ```
//!
//! | from | to | operation | ordering | function |
//! | --- | --- | --- | --- | --- |
//! | `IDLE` | `IN_USE` | cmpxchg | `Acquire` | `enter` |
//! | `IN_USE` | `IDLE` | xchg | `Full` | `leave` |
//! | `IDLE` | `RECYCLED` | cmpxchg | `Acquire` | `recycle` |
//! | `RECYCLED` | `IDLE` | store | `Release` | `recycle` |
//! | `IN_USE` | `IDLE` | store | `Relaxed` | `evict` |
//! | `IDLE` | `IDLE` | store | `Relaxed` | `evict` |
//!
//! The table is checked against the code, and the orderings against the kernel's memory model, by
//! the tests in `tools/testing/uprobes-xol/`, where the litmus files are that the comments name.

use super::slot::Slot;
use kernel::{
    bindings,
    list::{impl_list_arc_safe, impl_list_item, AtomicTracker, ListLinks, TryNewListArc},
    prelude::*,
    processor::cpu_relax,
    sync::{
        atomic::{Acquire, Atomic, Full, Relaxed, Release},
        ArcBorrow, //
    },
    types::Opaque,
    warn_on, //
};

/// The slot is not used now: its owner may enter it, others may recycle it.
const IDLE: u32 = 1;
/// The owner executes an instruction in the slot, or is about to.
const IN_USE: u32 = 2;
/// Somebody with the GC lock takes the slot away. Lasts a few instructions.
const RECYCLED: u32 = 0;

/// No slot, as a number: slot 0 is the trampoline's.
const NO_SLOT: u32 = 0;

/// Proof that the GC lock is held: the lock of [`Gc`](super::gc::Gc) protects the only one of an
/// area.
pub(crate) struct GcLocked(());

impl GcLocked {
    /// Creates the proof, for the lock to protect.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

/// A `struct uprobe_task` and, behind it, the slot that the task caches.
///
/// The alignment keeps tasks from sharing cache lines: all that slot management writes on a hit
/// lies in here.
///
/// # Invariants
///
/// - `state` is one of [`IDLE`], [`IN_USE`] and [`RECYCLED`].
/// - `IDLE` -> `IN_USE` and `IN_USE` -> `IDLE` are made by the owner only: the task that
///   the `struct uprobe_task` belongs to.
/// - `IDLE` -> `RECYCLED` -> `IDLE` is made under the GC lock only.
/// - `cached` is written by the owner while `IN_USE`, and by the recycler while `RECYCLED`. Nobody
///   writes it while `IDLE`.
/// - No two tasks of an area have the same slot `cached`, unless it is [`NO_SLOT`].
#[pin_data]
#[repr(C, align(64))]
pub(crate) struct Task {
    /// First, so that a pointer to it, which is what C has, is one to the whole.
    utask: Opaque<bindings::uprobe_task>,
    state: Atomic<u32>,
    /// The number of the slot that the task caches.
    cached: Atomic<u32>,
    #[pin]
    tracker: AtomicTracker,
    #[pin]
    links: ListLinks,
}

// SAFETY: `utask` is the C core's, which does its own locking; all else may move to other threads.
unsafe impl Send for Task {}

// SAFETY: `utask` is not touched from here, `links` only through a `ListArc`, of which there is one
// at a time, and the rest are atomics.
unsafe impl Sync for Task {}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Task { tracked_by tracker: AtomicTracker; }
}

impl_list_item! {
    impl ListItem<0> for Task { using ListLinks { self.links }; }
}

/// A slot whose owner is in it.
///
/// # Invariants
///
/// `task` is `IN_USE` and caches `slot`; until it leaves, which only this thread can make it do,
/// nobody else may touch the slot's memory.
pub(crate) struct Held<'a> {
    _task: &'a Task,
    slot: Slot,
}

impl Held<'_> {
    /// The slot.
    #[inline]
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }
}

/// A task that is in use and needs a slot.
///
/// # Invariants
///
/// `task` is `IN_USE` and caches no slot.
pub(crate) struct Vacant<'a> {
    task: &'a ArcBorrow<'a, Task>,
}

impl<'a> Vacant<'a> {
    /// The task, for the list of those that hold slots.
    pub(crate) fn task(&self) -> ArcBorrow<'a, Task> {
        *self.task
    }

    /// Gives the task a slot that no other task has.
    pub(crate) fn assign(self, slot: Slot, _: &mut GcLocked) -> Held<'a> {
        // INVARIANT: The owner writes while `IN_USE`.
        //
        // ORDERING: Relaxed: a recycler reads it after it acquired the `IDLE` that `leave` stores
        // (litmus/leave-contents.litmus).
        self.task.cached.store(slot.number(), Relaxed);
        // INVARIANT: As above.
        Held {
            _task: self.task,
            slot,
        }
    }

    /// The task does without.
    pub(crate) fn leave(self) {
        self.task.leave();
    }
}

impl Task {
    /// Returns an initialiser of a task without a slot, its `struct uprobe_task` all zeroes.
    pub(crate) fn new() -> impl PinInit<Self> {
        // INVARIANT: No slot, hence on no list, and nobody in it.
        pin_init!(Self {
            utask: Opaque::zeroed(),
            state: Atomic::new(IDLE),
            cached: Atomic::new(NO_SLOT),
            tracker <- AtomicTracker::new(),
            links <- ListLinks::new(),
        })
    }

    /// The owner is about to use its slot, if it has one, or otherwise a slot that it gets.
    ///
    /// Never sleeps. Waits while the slot is being taken away, which the recycler does with
    /// preemption disabled and in a few instructions.
    #[inline]
    pub(crate) fn enter<'a>(task: &'a ArcBorrow<'a, Task>) -> Result<Held<'a>, Vacant<'a>> {
        loop {
            // INVARIANT: The owner makes `IDLE` -> `IN_USE`.
            //
            // ORDERING: Acquire pairs with the release in `recycle`: who sees the state that the
            // recycler restored also sees that the slot is gone (litmus/recycle-enter.litmus).
            match task.state.cmpxchg(IDLE, IN_USE, Acquire) {
                Ok(_) => break,
                Err(RECYCLED) => cpu_relax(),
                Err(_) => {
                    // The core entered twice without leaving: only the owner gets here, so the
                    // slot is its own all the same.
                    warn_on!(true);
                    break;
                }
            }
        }
        // ORDERING: Relaxed, because the state orders all accesses to the slot's number
        // (litmus/recycle-enter.litmus).
        match Slot::new(task.cached.load(Relaxed)) {
            // INVARIANT: The state is `IN_USE` and the slot this task's.
            Some(slot) => Ok(Held { _task: task, slot }),
            // INVARIANT: The state is `IN_USE` and there is no slot.
            None => Err(Vacant { task }),
        }
    }

    /// The owner is done with its slot, which it keeps, but which may be recycled from now on.
    ///
    /// A full barrier: what the caller does next comes after others could see the slot as idle.
    #[inline]
    pub(crate) fn leave(&self) {
        // INVARIANT: The owner makes `IN_USE` -> `IDLE`.
        //
        // ORDERING: Release pairs with the acquire in `recycle`: the slot is rewritten only after
        // the instruction in it was executed (litmus/leave-rewrite.litmus). Full, because the
        // caller looks for waiters next, who in turn enqueue, with a full barrier, and then look
        // for idle slots: one must see the other (litmus/leave-wait.litmus).
        self.state.xchg(IDLE, Full);
    }

    /// Takes the slot away, unless its owner is in it or there is none.
    pub(crate) fn recycle(&self, _: &mut GcLocked) -> Option<Slot> {
        // Most tasks that are asked when slots run out are in use. A failing cmpxchg would take
        // the line from the CPU that the task runs on.
        //
        // ORDERING: Relaxed: decides nothing that the cmpxchg does not decide again.
        if self.state.load(Relaxed) != IDLE {
            return None;
        }

        // INVARIANT: `IDLE` -> `RECYCLED` under the GC lock.
        //
        // ORDERING: Acquire pairs with the release in `leave`: the next owner writes the slot's
        // memory after this one executed it (litmus/leave-rewrite.litmus), and sees what this one
        // put there, as is the number read below (litmus/leave-contents.litmus).
        self.state.cmpxchg(IDLE, RECYCLED, Acquire).ok()?;

        // INVARIANT: The recycler writes while `RECYCLED`.
        let slot = self.cached.load(Relaxed);
        self.cached.store(NO_SLOT, Relaxed);

        // INVARIANT: `RECYCLED` -> `IDLE` under the GC lock.
        //
        // ORDERING: Release pairs with the acquire in `enter`, see there
        // (litmus/recycle-enter.litmus).
        self.state.store(IDLE, Release);
        Slot::new(slot)
    }

    /// Takes the slot away for good, even from a task that dies while it is in it.
    ///
    /// To be called for the owner, that is, when nobody can enter any more.
    pub(crate) fn evict(&self, _: &mut GcLocked) -> Option<Slot> {
        // ORDERING: Relaxed. With the GC lock held nobody recycles (litmus/evict-recycle.litmus),
        // and the owner is the caller; the slot's next owner is ordered after this by the lock
        // (litmus/free-take.litmus).
        //
        // INVARIANT: `IN_USE` or `IDLE` -> `IDLE` by the owner.
        let slot = self.cached.load(Relaxed);
        self.cached.store(NO_SLOT, Relaxed);
        self.state.store(IDLE, Relaxed);
        Slot::new(slot)
    }
}
