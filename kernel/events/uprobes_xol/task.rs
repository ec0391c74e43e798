// SPDX-License-Identifier: GPL-2.0

//! What a task has of the area: the slot that it used last, and the machine that says who may take
//! that away.
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
//!       |   '---- vacate: store, release ----.
//!       |                                    |
//!       |   vacate: GC lock held,      +------------+
//!       '---- cmpxchg, acquire ------->| 0 RECYCLED |
//!                                      +------------+
//! ```
//!
//! | from | to | operation | ordering | function |
//! | --- | --- | --- | --- | --- |
//! | `IDLE` | `IN_USE` | cmpxchg | `Acquire` | `enter` |
//! | `IN_USE` | `IDLE` | xchg | `Full` | `leave` |
//! | `IDLE` | `RECYCLED` | cmpxchg | `Acquire` | `vacate` |
//! | `RECYCLED` | `IDLE` | store | `Release` | `vacate` |
//! | `IN_USE` | `IDLE` | store | `Relaxed` | `evict` |
//! | `IDLE` | `IDLE` | store | `Relaxed` | `evict` |
//!
//! Several tasks may have the same slot cached: its memory is written before, and not while, any of
//! them has. Whoever wants to write it first makes sure that nobody finds it any more
//! ([`Table::retract`](super::table::Table::retract)), and then asks every task
//! ([`Task::vacate`]).
//!
//! The orderings are checked against the kernel's memory model by the litmus tests that the
//! comments name, in `tools/testing/uprobes-xol/`.

use super::{
    events,
    insn::{Insn, InsnCell},
    slot::Slot, //
};
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

/// The slot is not used now: its owner may enter it, others may take it away.
const IDLE: u32 = 1;
/// The owner executes an instruction in the slot, or is about to, or looks for a slot.
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

/// A `struct uprobe_xol_task`, of which C knows the beginning, and the slot that the task caches.
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
/// - `cached` is written by the owner while `IN_USE`, and by others while `RECYCLED`. Nobody writes
///   it while `IDLE`, but the owner when it exits, under the GC lock.
/// - While `IDLE`, and in a [`Held`], the slot that is `cached`, unless it is [`NO_SLOT`], holds
///   `insn`.
#[pin_data]
#[repr(C, align(64))]
pub(crate) struct Task {
    /// First, so that a pointer to it, which is what C has, is one to the whole.
    utask: Opaque<bindings::uprobe_task>,
    /// The instruction that the owner executes or has executed last. Behind `utask`, where C looks
    /// for what is to be done after the step.
    insn: InsnCell,
    state: Atomic<u32>,
    /// Whether the task is on the list of those that are asked. Only the owner looks.
    listed: Atomic<u32>,
    /// The number of the slot that the task caches.
    cached: Atomic<u32>,
    #[pin]
    tracker: AtomicTracker,
    #[pin]
    links: ListLinks,
}

static_assert!(
    core::mem::offset_of!(Task, insn) == core::mem::offset_of!(bindings::uprobe_xol_task, arch)
);

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

/// A task that is in use, and needs a slot or has one cached.
///
/// # Invariants
///
/// `task` is `IN_USE`.
pub(crate) struct Entered<'a> {
    task: ArcBorrow<'a, Task>,
}

/// A slot whose owner is in it.
///
/// # Invariants
///
/// A task is `IN_USE` and has `slot` cached, which holds the task's `insn`. Until it leaves, which
/// only this thread can make it do, nobody writes the slot.
pub(crate) struct Held(Slot);

impl Held {
    /// The slot.
    #[inline]
    pub(crate) fn slot(&self) -> Slot {
        self.0
    }
}

impl<'a> Entered<'a> {
    /// The task, for the list of those that an area has to ask.
    pub(crate) fn task(&self) -> ArcBorrow<'a, Task> {
        self.task
    }

    /// Whether the task is on the list of those that are asked before a slot is taken away.
    #[inline]
    pub(crate) fn is_listed(&self) -> bool {
        // ORDERING: Relaxed: decides nothing but what the owner itself does.
        self.task.listed.load(Relaxed) != 0
    }

    /// The task is on the list from now on.
    pub(crate) fn set_listed(&self, _: &mut GcLocked) {
        self.task.listed.store(1, Relaxed);
    }

    /// The task gives up the slot that it has cached, and looks for another one.
    pub(crate) fn forget(&self) {
        // INVARIANT: The owner writes while `IN_USE`.
        //
        // ORDERING: Relaxed, as for what `claim` orders before it (litmus/claim-rewrite.litmus).
        if self.task.cached.xchg(NO_SLOT, Relaxed) != NO_SLOT {
            events::task_lost_slot();
        }
    }

    /// Returns the slot that the task has cached, if it holds `insn`.
    #[inline]
    pub(crate) fn cached(&self, insn: &Insn) -> Option<Held> {
        // ORDERING: Relaxed, because the state orders all accesses to the slot's number
        // (litmus/vacate-enter.litmus).
        let slot = Slot::new(self.task.cached.load(Relaxed))?;
        // INVARIANT: The task is `IN_USE`, and the slot has held `insn` since it was `IDLE`.
        self.task.insn.holds(insn).then_some(Held(slot))
    }

    /// Makes the task say that it is in `slot`, and then asks `is_right` whether that slot holds
    /// `insn`. If it does, the task has the slot, otherwise none.
    ///
    /// A full barrier lies between the two: who makes the answer "no" before looking for tasks that
    /// are in the slot finds this one, or makes it hear that answer. In any case the task is not in
    /// the slot any more that it had before, and what the caller does next comes after others could
    /// see that.
    #[inline]
    pub(crate) fn claim(
        &self,
        slot: Slot,
        insn: &Insn,
        is_right: impl FnOnce() -> bool,
    ) -> Option<Held> {
        // INVARIANT: The owner writes while `IN_USE`.
        //
        // ORDERING: Full: others can see it before `is_right` is asked, and pairs with the barrier
        // in `Table::retract` (litmus/claim-retract.litmus); and before the caller looks for those
        // who wait for the slot that the task had before (litmus/move-wait.litmus).
        //
        // What the task executed in that slot came before the full barrier in `leave`: who sees
        // that the task is not in it any more may write it (litmus/claim-rewrite.litmus).
        if self.task.cached.xchg(slot.number(), Full) == NO_SLOT {
            events::task_got_slot();
        }
        if !is_right() {
            self.forget();
            return None;
        }
        self.task.insn.set(insn);
        // INVARIANT: The slot holds what was written to `insn` just now.
        Some(Held(slot))
    }

    /// The slot that the task has cached.
    #[inline]
    pub(crate) fn slot(&self) -> Option<Slot> {
        self.task.slot()
    }

    /// What [`leave_to_wait`](Self::leave_to_wait) has left.
    pub(crate) fn insn(&self) -> Insn {
        self.task.insn.get()
    }

    /// The task does without a slot for now, and is going to wait for one that holds `insn`.
    pub(crate) fn leave_to_wait(self, insn: &Insn) {
        self.task.insn.set(insn);
        self.leave();
    }

    /// The task does without a slot.
    pub(crate) fn leave(self) {
        self.forget();
        self.task.leave();
    }
}

impl Task {
    /// Returns an initialiser of a task without a slot, its `struct uprobe_task` all zeroes.
    pub(crate) fn new() -> impl PinInit<Self> {
        // INVARIANT: No slot, hence on no list, and nobody in it.
        pin_init!(Self {
            utask: Opaque::zeroed(),
            insn: InsnCell::zeroed(),
            state: Atomic::new(IDLE),
            listed: Atomic::new(0),
            cached: Atomic::new(NO_SLOT),
            tracker <- AtomicTracker::new(),
            links <- ListLinks::new(),
        })
    }

    /// The owner is about to use the slot that it has cached, or to look for another one.
    ///
    /// Never sleeps. Waits while the slot is being taken away, which others do with preemption
    /// disabled and in a few instructions.
    #[inline]
    pub(crate) fn enter(task: ArcBorrow<'_, Task>) -> Entered<'_> {
        loop {
            // INVARIANT: The owner makes `IDLE` -> `IN_USE`.
            //
            // ORDERING: Acquire pairs with the release in `vacate`: who sees the state that was
            // restored there also sees that the slot is gone (litmus/vacate-enter.litmus).
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
        // INVARIANT: The state is `IN_USE`.
        Entered { task }
    }

    /// The owner is done with its slot, which stays cached, but may be taken away from now on.
    ///
    /// A full barrier: what the caller does next comes after others could see the slot as idle.
    #[inline]
    pub(crate) fn leave(&self) {
        // INVARIANT: The owner makes `IN_USE` -> `IDLE`.
        //
        // ORDERING: Release pairs with the acquire in `vacate`: the slot is rewritten only after
        // the instruction in it was executed (litmus/leave-rewrite.litmus). Full, because the
        // caller looks for waiters next, who in turn enqueue, with a full barrier, and then look
        // for idle slots: one must see the other (litmus/leave-wait.litmus).
        self.state.xchg(IDLE, Full);
    }

    /// Takes the slot that is cached away, if `wanted` says so. Returns it if the owner may be in
    /// it, so that it cannot be taken.
    ///
    /// The slots that are wanted have been retracted: no task can get into one of them that is not
    /// in it already.
    pub(crate) fn vacate(&self, wanted: impl Fn(Slot) -> bool, _: &mut GcLocked) -> Option<Slot> {
        // ORDERING: Acquire pairs with the full barrier in `leave`: a slot that the task is not in
        // any more is written after the task executed it (litmus/claim-rewrite.litmus). If the task
        // claims a wanted slot after this, it learns that it was retracted
        // (litmus/claim-retract.litmus).
        let slot = Slot::new(self.cached.load(Acquire)).filter(|&slot| wanted(slot))?;

        // INVARIANT: `IDLE` -> `RECYCLED` under the GC lock.
        //
        // ORDERING: Acquire pairs with the release in `leave`: the slot's memory is written after
        // the owner executed it (litmus/leave-rewrite.litmus), and the number that is read below is
        // the one that the owner left.
        if self.state.cmpxchg(IDLE, RECYCLED, Acquire).is_err() {
            return Some(slot);
        }

        // Another slot than before, maybe.
        if Slot::new(self.cached.load(Relaxed)).is_some_and(wanted) {
            events::task_lost_slot();
            // INVARIANT: Others write while `RECYCLED`.
            self.cached.store(NO_SLOT, Relaxed);
        }

        // INVARIANT: `RECYCLED` -> `IDLE` under the GC lock.
        //
        // ORDERING: Release pairs with the acquire in `enter`, see there
        // (litmus/vacate-enter.litmus).
        self.state.store(IDLE, Release);
        None
    }

    /// The owner, which is taken off the list, will not enter any more; it may have died while it
    /// was in its slot.
    ///
    /// To be called for the owner.
    pub(crate) fn evict(&self, _: &mut GcLocked) {
        if self.slot().is_some() {
            events::task_lost_slot();
        }
        // ORDERING: Relaxed. With the GC lock held nobody vacates, and whoever does afterwards is
        // ordered by the lock (litmus/evict-vacate.litmus).
        //
        // INVARIANT: `IN_USE` or `IDLE` -> `IDLE` by the owner.
        self.cached.store(NO_SLOT, Relaxed);
        self.state.store(IDLE, Relaxed);
        self.listed.store(0, Relaxed);
    }

    /// The slot that the task has cached.
    #[inline]
    pub(crate) fn slot(&self) -> Option<Slot> {
        Slot::new(self.cached.load(Relaxed))
    }
}
