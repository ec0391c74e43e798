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

pub mod jiffies {
    /// The time. Time does not pass by itself.
    pub fn now() -> super::Jiffies {
        bindings::now()
    }
}
