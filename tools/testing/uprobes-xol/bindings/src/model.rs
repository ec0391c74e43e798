// SPDX-License-Identifier: GPL-2.0

//! What must hold whatever the schedule, and how a breach gets its name.

use crate::memory::is_checking;
use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What must hold whatever the schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Property {
    /// A task whose slot was taken away, or that got none, is in no slot.
    NoStaleSlot,
    /// A slot's memory is not written while somebody else may execute it.
    NoWriteInside,
    /// What a task executes is the instruction that it asked for.
    RightInstruction,
    /// What a slot holds already is not written, there or into another slot.
    WrittenOnce,
    /// A task that hits a probe again finds the slot without a lock.
    FoundUnlocked,
    /// Who waits for a slot gets it when one is left.
    NoLostWakeup,
    /// Nobody is blocked for good other than in the wait queue.
    NoDeadlock,
    /// Nobody spins for good.
    NoLivelock,
    /// A task gets a slot, unless it is killed while it waits.
    TakeNeverFails,
    /// Slots go to those who wait for them before they go to others.
    WaitersFirst,
    /// Tasks that need the same slot or area make one.
    MadeOnce,
    /// A probe is boosted if there is room for its slot, or can be made.
    Boosted,
    /// A slot gets unused when its probe is gone and all tasks have left it.
    Reclaimed,
    /// Memory is used after it was initialised, and before it is freed.
    UsedWhileThere,
    /// An area has no page where it is not mapped.
    GrowsWhereMapped,
    /// When all tasks are gone, all slots are free, and the area refers to no task.
    EverythingFreed,
    /// What is counted is what there is.
    CountsAreRight,
    /// Nothing sleeps that must not: with a raw spinlock held, or when about to wait.
    NoSleepInside,
    /// No `warn_on!` fires.
    NoWarning,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::NoStaleSlot,
        Self::NoWriteInside,
        Self::RightInstruction,
        Self::WrittenOnce,
        Self::FoundUnlocked,
        Self::NoLostWakeup,
        Self::NoDeadlock,
        Self::NoLivelock,
        Self::TakeNeverFails,
        Self::WaitersFirst,
        Self::MadeOnce,
        Self::Boosted,
        Self::Reclaimed,
        Self::UsedWhileThere,
        Self::GrowsWhereMapped,
        Self::EverythingFreed,
        Self::CountsAreRight,
        Self::NoSleepInside,
        Self::NoWarning,
    ];

    /// Panics if it does not hold.
    #[track_caller]
    pub fn holds_if(self, condition: bool) {
        assert!(condition, "{VIOLATED}{self}");
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoStaleSlot => "no stale slot after it was taken away",
            Self::NoWriteInside => "no write while anyone is inside",
            Self::RightInstruction => "the slot holds the instruction",
            Self::WrittenOnce => "what a slot holds is not written again",
            Self::FoundUnlocked => "a slot is found again without a lock",
            Self::NoLostWakeup => "no lost wake-up",
            Self::NoDeadlock => "no deadlock",
            Self::NoLivelock => "no livelock",
            Self::TakeNeverFails => "a take never fails",
            Self::WaitersFirst => "those who wait come first",
            Self::MadeOnce => "a slot is made once",
            Self::Boosted => "what can be boosted is boosted",
            Self::Reclaimed => "the slot of a probe that is gone is reclaimed",
            Self::UsedWhileThere => "memory is used while it is there",
            Self::GrowsWhereMapped => "an area grows where it is mapped",
            Self::EverythingFreed => "everything freed at the end",
            Self::CountsAreRight => "what is counted is what there is",
            Self::NoSleepInside => "no sleep where it is forbidden",
            Self::NoWarning => "no warning",
        })
    }
}

/// What a report of a breach begins with, the property's name behind it.
pub const VIOLATED: &str = "violated: ";

/// Tasks that sleep now.
pub(crate) static SLEEPERS: AtomicUsize = AtomicUsize::new(0);

/// How often a raw spinlock was taken.
static LOCKS: AtomicUsize = AtomicUsize::new(0);

/// Returns the property that a panic with this message is a breach of.
pub fn violated(message: &str) -> Option<Property> {
    let explorer_says = |what: &str| message.contains(what);
    if let Some(name) = message.split(VIOLATED).nth(1) {
        return Property::ALL.into_iter().find(|property| {
            name.strip_prefix(&property.to_string()[..])
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
        });
    }
    // These are found by loom or shuttle.
    if explorer_says("Causality violation") {
        Some(if is_checking() {
            Property::UsedWhileThere
        } else {
            Property::NoWriteInside
        })
    } else if explorer_says("deadlock") {
        Some(match SLEEPERS.load(Relaxed) {
            0 => Property::NoDeadlock,
            _ => Property::NoLostWakeup,
        })
    } else if explorer_says("maximum number of branches") || explorer_says("exceeded max_steps") {
        Some(Property::NoLivelock)
    } else {
        None
    }
}

/// Returns how many tasks sleep now.
pub fn sleepers() -> usize {
    SLEEPERS.load(Relaxed)
}

pub fn count_lock() {
    LOCKS.fetch_add(1, Relaxed);
}

/// Returns how often a raw spinlock was taken.
pub fn locks() -> usize {
    LOCKS.load(Relaxed)
}

/// Forgets the last execution.
pub fn reset() {
    SLEEPERS.store(0, Relaxed);
    crate::forget_counts();
    crate::memory::forget_memory();
    crate::random::forget_numbers();
    crate::rcu::forget_readers();
    crate::work::forget_work();
}
