// SPDX-License-Identifier: GPL-2.0

//! The data of slot management for one task: its cached slot, and a state that decides whether the
//! task may be vacated.
//!
//! | from | to | operation | ordering | function |
//! | --- | --- | --- | --- | --- |
//! | `Idle` | `InUse` | cmpxchg | `Acquire` | `enter` |
//! | `InUse` | `Idle` | xchg | `Full` | `leave` |
//! | `Idle` | `Recycled` | cmpxchg | `Acquire` | `vacate` |
//! | `Recycled` | `Idle` | store | `Release` | `vacate` |
//! | `InUse` | `Idle` | store | `Relaxed` | `evict` |
//! | `Idle` | `Idle` | store | `Relaxed` | `evict` |
//!
//! The [design document] shows the states in a picture.
//!
//! Several tasks may have the same slot cached. A slot is written only while it is unused. The
//! collector first retracts the slot, so that no task can find it any more
//! ([`Table::retract`](super::table::Table::retract)). It then checks every task
//! ([`Task::vacate`]).
//!
//! The comments name litmus tests, in `tools/testing/uprobes-xol/`, which check the orderings
//! against the kernel's memory model.
//!
//! [design document]: srctree/Documentation/trace/uprobes-xol-design.rst

use super::{
    events,
    ffi::{uprobe_task, uprobe_xol_task},
    insn::{Insn, InsnCell},
    slot::Slot,
    slots::Locked, //
};
use core::mem::offset_of;
use kernel::{
    list::{impl_list_arc_safe, impl_list_item, AtomicTracker, ListLinks, TryNewListArc},
    prelude::*,
    processor::cpu_relax,
    sync::{
        atomic::{Acquire, Atomic, AtomicType, Full, Relaxed, Release},
        ArcBorrow, //
    },
    types::Opaque,
    warn_on, //
};

/// The state of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
enum State {
    /// The collector vacates the task, under the area's lock. This state lasts a few instructions.
    Recycled,
    /// The owner is not in a slot. It may enter, and the collector may vacate the task.
    Idle,
    /// The owner executes an instruction in its slot, or is about to, or looks for a slot.
    InUse,
}

// SAFETY: As large and as aligned as an `i32`, and each of its values is one.
unsafe impl AtomicType for State {
    type Repr = i32;
}

/// The number that means "no slot": slot 0 holds the trampoline.
const NO_SLOT: u32 = 0;

/// The data of a task: a `struct uprobe_xol_task`, which C knows, and the cached slot.
///
/// Because of the alignment, tasks share no cache line: a step in the cached slot writes no memory
/// of slot management except the task's own `Task`.
///
/// # Invariants
///
/// - Only the owner, the task that the `struct uprobe_task` belongs to, makes `Idle` -> `InUse` and
///   `InUse` -> `Idle`.
/// - Only a task that holds the area's lock makes `Idle` -> `Recycled` -> `Idle`.
/// - While `InUse`, only the owner writes `cached`. While `Recycled`, only the holder of the area's
///   lock does. While `Idle`, no task does, except when the owner exits, under the area's lock.
/// - While `Idle`, and while there is a [`Held`], the slot that `cached` names holds `insn`.
#[pin_data]
#[repr(C, align(64))]
pub(crate) struct Task {
    /// The first field, so that C's pointer to it also points to the whole `Task`.
    utask: Opaque<uprobe_task>,
    /// The instruction that the owner steps, or has stepped last. After the step, C reads here
    /// which fix-ups are needed.
    insn: InsnCell,
    state: Atomic<State>,
    /// Whether the task is on the area's list of tasks, which the collector checks. Only the owner
    /// reads this.
    listed: Atomic<bool>,
    /// The number of the cached slot, or [`NO_SLOT`].
    cached: Atomic<u32>,
    #[pin]
    tracker: AtomicTracker,
    #[pin]
    links: ListLinks,
}

static_assert!(offset_of!(Task, utask) == offset_of!(uprobe_xol_task, utask));
static_assert!(offset_of!(Task, insn) == offset_of!(uprobe_xol_task, arch));

// SAFETY: `utask` belongs to the C core, which does its own locking. All other fields may move to
// other threads.
unsafe impl Send for Task {}

// SAFETY: Rust does not use `utask`. `links` is used only through a `ListArc`, of which there is
// one at a time. The other fields are atomics.
unsafe impl Sync for Task {}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Task { tracked_by tracker: AtomicTracker; }
}

impl_list_item! {
    impl ListItem<0> for Task { using ListLinks { self.links }; }
}

/// A task whose state is `InUse`: it is in its slot, or looks for one.
///
/// # Invariants
///
/// `task` is `InUse`.
#[must_use = "the collector cannot vacate the task before it leaves"]
pub(crate) struct Entered<'a> {
    task: ArcBorrow<'a, Task>,
}

/// A slot that the owner of a task is in.
///
/// # Invariants
///
/// A task is `InUse` and has this slot cached, which holds the task's `insn`. No task writes the
/// slot until the owner leaves it.
#[must_use = "the owner is in the slot until it leaves"]
pub(crate) struct Held(Slot);

impl Held {
    /// The slot.
    #[inline]
    pub(crate) fn slot(&self) -> Slot {
        self.0
    }
}

impl<'a> Entered<'a> {
    /// The task, for the area's list of tasks.
    pub(crate) fn task(&self) -> ArcBorrow<'a, Task> {
        self.task
    }

    /// Returns whether the task is on the area's list of tasks.
    #[inline]
    pub(crate) fn is_listed(&self) -> bool {
        // ORDERING: Relaxed: decides nothing for other tasks: only the owner reads this.
        self.task.listed.load(Relaxed)
    }

    /// Records that the task was put on the area's list of tasks.
    pub(crate) fn set_listed(&self, _: &mut Locked) {
        // ORDERING: Relaxed: decides nothing for other tasks: only the owner reads this.
        self.task.listed.store(true, Relaxed);
    }

    /// Empties the cache of the task: it has no slot then.
    pub(crate) fn forget(&self) {
        // INVARIANT: The owner writes while `InUse`.
        //
        // ORDERING: Relaxed. The last `leave` ordered the execution in the slot before this store
        // (litmus/claim-rewrite.litmus).
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
        // INVARIANT: The task is `InUse`, and the slot has held `insn` since it was `Idle`.
        self.task.insn.holds(insn).then_some(Held(slot))
    }

    /// Makes `slot` the task's cached slot, and then checks by `is_right` that the slot still holds
    /// `insn`. If it does not, the task has no slot cached afterwards.
    ///
    /// A full barrier lies between the two. The collector first retracts the slot, which makes
    /// `is_right` false, and then looks for tasks in it. So either the collector sees this task in
    /// the slot, or this task sees that the slot was retracted. In both cases the task has left its
    /// former slot, and other tasks can see that before the caller's next memory access.
    #[inline]
    pub(crate) fn claim(
        &self,
        slot: Slot,
        insn: &Insn,
        is_right: impl FnOnce() -> bool,
    ) -> Option<Held> {
        // INVARIANT: The owner writes while `InUse`.
        //
        // ORDERING: Full. It orders this store before the call of `is_right`, and pairs with the
        // barrier in `Table::retract` (litmus/claim-retract.litmus). It also orders this store
        // before the caller's check of the wait queue, and pairs with the barrier of a waiting task
        // that joins the queue. Either this task sees the waiting task in the queue, or the waiting
        // task sees that this task has left its former slot (litmus/move-wait.litmus).
        //
        // The full barrier in `leave` came after the execution in the former slot. So a collector
        // that reads the new slot here may write the former slot (litmus/claim-rewrite.litmus).
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

    /// The instruction that [`leave_to_wait`](Self::leave_to_wait) stored.
    pub(crate) fn insn(&self) -> Insn {
        self.task.insn.get()
    }

    /// Leaves without a slot, to wait for one that holds `insn`.
    pub(crate) fn leave_to_wait(self, insn: &Insn) {
        self.task.insn.set(insn);
        self.leave();
    }

    /// Leaves without a slot.
    pub(crate) fn leave(self) {
        self.forget();
        self.task.leave();
    }
}

impl Task {
    /// Returns an initialiser of a task without a slot, whose `struct uprobe_task` is all zeroes.
    pub(crate) fn new() -> impl PinInit<Self> {
        // INVARIANT: The task has no slot, and is on no list.
        pin_init!(Self {
            utask: Opaque::zeroed(),
            insn: InsnCell::zeroed(),
            state: Atomic::new(State::Idle),
            listed: Atomic::new(false),
            cached: Atomic::new(NO_SLOT),
            tracker <- AtomicTracker::new(),
            links <- ListLinks::new(),
        })
    }

    /// Enters: the owner is about to execute its cached slot, or to look for another slot.
    ///
    /// Never sleeps. Spins while the task is being vacated, which takes the collector a few
    /// instructions, with preemption disabled.
    #[inline]
    pub(crate) fn enter(task: ArcBorrow<'_, Task>) -> Entered<'_> {
        loop {
            // INVARIANT: The owner makes `Idle` -> `InUse`.
            //
            // ORDERING: Acquire pairs with the release in `vacate`: an owner that sees the restored
            // state also sees that it has no slot (litmus/vacate-enter.litmus).
            match task.state.cmpxchg(State::Idle, State::InUse, Acquire) {
                Ok(_) => break,
                Err(State::Recycled) => cpu_relax(),
                Err(_) => {
                    // The core entered twice without leaving. Only the owner gets here, so the task
                    // still has its slot.
                    warn_on!(true);
                    break;
                }
            }
        }
        // INVARIANT: The state is `InUse`.
        Entered { task }
    }

    /// Leaves the slot. The slot stays cached, but the collector may vacate the task from now on.
    ///
    /// A full barrier: other tasks can see the state `Idle` before the caller's next memory access.
    #[inline]
    pub(crate) fn leave(&self) {
        // INVARIANT: The owner makes `InUse` -> `Idle`.
        //
        // ORDERING: Full. As a release it pairs with the acquire in `vacate`: the slot is written
        // only after the instruction in it was executed (litmus/leave-rewrite.litmus). The caller
        // checks the wait queue next. A waiting task joins the queue, executes a full barrier, and
        // then looks for slots. So either the caller sees the waiting task, or that task sees this
        // one as `Idle` (litmus/leave-wait.litmus).
        self.state.xchg(State::Idle, Full);
    }

    /// Empties the cache of a task that is `Idle`, if `wanted` returns true for its slot. If the
    /// slot is wanted but the owner may be in it, returns the slot.
    ///
    /// The wanted slots are retracted, so only a task that claimed such a slot before can be in it.
    pub(crate) fn vacate(&self, wanted: impl Fn(Slot) -> bool, _: &mut Locked) -> Option<Slot> {
        // ORDERING: Acquire pairs with the full barrier in `leave`: if the task has moved to
        // another slot, the former slot is written after the task executed it
        // (litmus/claim-rewrite.litmus). If the task claims a wanted slot after this load, it sees
        // that the slot was retracted (litmus/claim-retract.litmus).
        let slot = Slot::new(self.cached.load(Acquire)).filter(|&slot| wanted(slot))?;

        // INVARIANT: `Idle` -> `Recycled` under the area's lock.
        //
        // ORDERING: Acquire pairs with the release in `leave`: the slot's memory is written after
        // the owner executed it (litmus/leave-rewrite.litmus). The load below reads the last number
        // that the owner stored.
        let idle = self.state.cmpxchg(State::Idle, State::Recycled, Acquire);
        if idle.is_err() {
            return Some(slot);
        }

        // The owner may have cached another slot since the first load.
        //
        // ORDERING: Relaxed: the state orders all accesses to the slot's number: the acquire above,
        // and the release below (litmus/vacate-enter.litmus).
        if Slot::new(self.cached.load(Relaxed)).is_some_and(wanted) {
            events::task_lost_slot();
            // INVARIANT: Another task writes while `Recycled`.
            self.cached.store(NO_SLOT, Relaxed);
        }

        // INVARIANT: `Recycled` -> `Idle` under the area's lock.
        //
        // ORDERING: Release pairs with the acquire in `enter`: an owner that enters after this sees
        // that it has no slot (litmus/vacate-enter.litmus).
        self.state.store(State::Idle, Release);
        None
    }

    /// Resets a task whose owner exits, perhaps in the middle of a step. The caller takes the task
    /// off the list.
    pub(crate) fn evict(&self, _: &mut Locked) {
        if self.slot().is_some() {
            events::task_lost_slot();
        }
        // ORDERING: Relaxed. No task vacates while the area's lock is held, and the lock orders
        // this before a task that vacates later (litmus/evict-vacate.litmus).
        //
        // INVARIANT: `InUse` or `Idle` -> `Idle` for the owner.
        self.cached.store(NO_SLOT, Relaxed);
        self.state.store(State::Idle, Relaxed);
        self.listed.store(false, Relaxed);
    }

    /// The slot that the task has cached.
    #[inline]
    pub(crate) fn slot(&self) -> Option<Slot> {
        // ORDERING: Relaxed: decides nothing. The owner reads what it wrote itself, or that the
        // collector took the slot away; the caller checks a slot before it is recycled.
        Slot::new(self.cached.load(Relaxed))
    }
}
