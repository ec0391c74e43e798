// SPDX-License-Identifier: GPL-2.0

//! What C provides to the slot layer, modelled on the host.
//!
//! The names are C's. Each function does what its namesake does as far as another thread can tell,
//! with the barriers that it has and no others, so that what is missing is missed.

pub mod backend;
mod barrier;
mod boosted;
mod counts;
mod memory;
mod mm;
pub mod model;
mod random;
mod rcu;
mod sched;
mod seam;
mod tasks;
mod wait;
mod work;

pub use barrier::*;
pub use boosted::*;
pub use counts::*;
pub use memory::*;
pub use mm::*;
pub use random::*;
pub use rcu::*;
pub use sched::*;
pub use seam::*;
pub use tasks::*;
pub use wait::*;
pub use work::*;
