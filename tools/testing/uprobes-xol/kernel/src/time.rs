// SPDX-License-Identifier: GPL-2.0

//! `kernel::time`: a jiffy is a millisecond.

/// Like `unsigned long`.
pub type Jiffies = usize;
/// Like `unsigned int`.
pub type Msecs = u32;

/// As many.
pub fn msecs_to_jiffies(msecs: Msecs) -> Jiffies {
    msecs as Jiffies
}

/// A span of time, in milliseconds.
pub struct Delta(i64);

impl Delta {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }
}

pub mod jiffies {
    /// The time. Time does not pass by itself.
    pub fn now() -> super::Jiffies {
        bindings::now()
    }
}

pub mod delay {
    use super::Delta;

    /// Takes no time, but it passes.
    pub fn fsleep(delta: Delta) {
        bindings::sleep(delta.0 as usize);
    }
}
