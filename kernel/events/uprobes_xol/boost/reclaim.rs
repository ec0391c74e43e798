// SPDX-License-Identifier: GPL-2.0

//! The slots of an area that are boosted, and how they get to serve another instruction.
//!
//! A task leaves a boosted slot without telling anybody, so that there is nobody to ask whether it
//! is in one. But its instruction pointer tells, if somebody looks when the task is not running, or
//! interrupts it:
//!
//! ```text
//!     .------.        there is no slot to boost           .--------.
//!     | IDLE | -----------------------------------------> | SEARCH |
//!     '------'                                            '--------'
//!       ^                                                     |
//!       | what nobody was in                                  | slots without a probe
//!       | is unused                                           | are retired
//!       |                                                     v
//!     .------.      a grace period later: who found       .-------.
//!     | LOOK | <----------------------------------------- | GRACE |
//!     '------'      a slot before has got there           '-------'
//! ```
//!
//! A hit looks for a slot, and sets the instruction pointer of its task to what it finds, as one
//! reader of RCU Tasks Trace. So after a grace period each task that found a retired slot has it
//! for its instruction pointer, or had, and no other will (litmus/boosted-grace.litmus). One that
//! is seen elsewhere then does not come back: nothing but the slot's own address in the instruction
//! pointer leads there, and nobody is told that one, be it by a signal or by a debugger.
//!
//! The task that needs a slot does all that is to be done for it, one or two steps per hit, and
//! goes on without one meanwhile. Nobody has to tell that a probe is gone: every [`RETRY_AFTER`]
//! milliseconds, a hit that there is no slot for looks again. The others do nothing, so that
//! neither a search, nor somebody who holds up the grace period, costs more than that.

use super::{
    insn::Insn,
    slot::{Slot, SLOT_COUNT}, //
};
use core::num::NonZeroUsize;
use kernel::{
    bindings,
    bitmap::BitmapVec,
    ffi::{c_ulong, c_void},
    prelude::*,
    time::{Jiffies, Msecs}, //
};

/// For how long hits do not ask for a slot to boost when there is none: long enough for what they
/// do otherwise not to matter.
pub(crate) const RETRY_AFTER: Msecs = 100;

/// Slots of an area that may be boosted: half of them, so that the others are there for steps.
pub(crate) const MAX_BOOSTED: usize = (SLOT_COUNT - 1) / 2;

/// What is done about boosted slots whose probes are gone.
enum Phase {
    /// Nothing is retired.
    Idle,
    /// A task searches, or looks: it alone adds to what is retired, and takes from it.
    Busy,
    /// The slots are retired that were found.
    Grace(GracePeriod),
}

/// What a task has to do next.
pub(crate) enum Job {
    /// To retire the slots whose probes are gone.
    Search,
    /// To look which of the slots that are retired a task is in, now that the grace period is over.
    Look(GracePeriod),
}

/// The boosted slots of an area. For the GC lock to protect.
///
/// # Invariants
///
/// - `count` is the number of boosted slots, at most [`MAX_BOOSTED`].
/// - `retired` are those of them that cannot be found any more.
pub(crate) struct BoostedSlots {
    count: usize,
    retired: BitmapVec,
    phase: Phase,
}

impl BoostedSlots {
    /// None.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory for the bitmap cannot be had.
    pub(crate) fn new() -> Result<Self> {
        // INVARIANT: There are none.
        Ok(Self {
            count: 0,
            retired: BitmapVec::new(SLOT_COUNT, GFP_KERNEL)?,
            phase: Phase::Idle,
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether there may be no more.
    pub(crate) fn is_full(&self) -> bool {
        self.count == MAX_BOOSTED
    }

    /// A slot is boosted now; there was room.
    pub(crate) fn add(&mut self) {
        // INVARIANT: There were fewer, and one was made.
        self.count += 1;
    }

    /// What the caller has to do for slots to become unused, if anything.
    pub(crate) fn begin(&mut self) -> Option<Job> {
        let job = match &self.phase {
            Phase::Idle => Job::Search,
            Phase::Grace(grace) if grace.is_over() => Job::Look(*grace),
            _ => return None,
        };
        self.phase = Phase::Busy;
        Some(job)
    }

    /// The search found this slot. It is taken out of the table next.
    pub(crate) fn retire(&mut self, slot: Slot) {
        // INVARIANT: The lock is held until it cannot be found.
        self.retired.set_bit(slot.number() as usize);
    }

    /// The search is over. If it found slots, `grace` began then.
    pub(crate) fn searched(&mut self, grace: Option<GracePeriod>) {
        self.phase = grace.map_or(Phase::Idle, Phase::Grace);
    }

    /// A task is in `slot`. Returns whether it was retired, and is to be found again.
    pub(crate) fn reinstate(&mut self, slot: Slot) -> bool {
        let number = slot.number() as usize;
        let was_retired = self.retired.next_bit(number) == Some(number);
        if was_retired {
            // INVARIANT: The lock is held until it can be found.
            self.retired.clear_bit(number);
        }
        was_retired
    }

    /// Not all tasks could be looked at: another one is to do so.
    pub(crate) fn look_again(&mut self, over: GracePeriod) {
        self.phase = Phase::Grace(over);
    }

    /// Takes a slot that is retired, and is not to be boosted any more.
    pub(crate) fn remove_retired(&mut self) -> Option<Slot> {
        let number = self.retired.next_bit(0)?;
        // INVARIANT: The lock is held until it is not boosted.
        self.retired.clear_bit(number);
        self.count -= 1;
        Slot::new(number as u32)
    }

    /// All slots were looked for, and those are unused that no task is in.
    pub(crate) fn looked(&mut self) {
        self.phase = Phase::Idle;
    }
}

/// The time. For any context.
pub(crate) fn now() -> Jiffies {
    // SAFETY: Always safe to call.
    unsafe { bindings::uprobe_xol_now() }
}

/// A time after which all hits are over that were not when it began, as far as they look for a
/// slot.
#[derive(Clone, Copy)]
pub(crate) struct GracePeriod(c_ulong);

impl GracePeriod {
    /// A grace period begins. With no lock held.
    pub(crate) fn start() -> Self {
        // SAFETY: Always safe to call.
        Self(unsafe { bindings::uprobe_xol_start_grace() })
    }

    /// Whether it is over. For any context.
    fn is_over(self) -> bool {
        // SAFETY: From `uprobe_xol_start_grace()`.
        unsafe { bindings::uprobe_xol_grace_is_over(self.0) }
    }
}

/// Whether there is a breakpoint where the current process has the instruction in front of `next`.
/// Does not sleep: if that is not in memory, there is none.
pub(crate) fn is_probed(insn: &Insn, next: NonZeroUsize) -> bool {
    // SAFETY: An instruction.
    unsafe { bindings::uprobe_xol_is_probed(insn.as_raw(), next.get()) }
}

/// Calls `visit` with the instruction pointer of each task of the current process, as it is at some
/// moment during the call. Does not sleep, nor may `visit`.
///
/// Returns false if some task could not be looked at.
pub(crate) fn visit_ips<F: FnMut(usize)>(mut visit: F) -> bool {
    /// # Safety
    ///
    /// `visit` is valid for reads and writes of an `F`.
    unsafe extern "C" fn call<F: FnMut(usize)>(visit: *mut c_void, ip: c_ulong) {
        // SAFETY: By the function's requirements.
        (unsafe { &mut *visit.cast::<F>() })(ip);
    }

    // SAFETY: `call` gets what it requires, and the function does not keep it.
    unsafe { bindings::uprobe_xol_visit_ips(Some(call::<F>), (&raw mut visit).cast()) }
}
