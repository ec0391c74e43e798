// SPDX-License-Identifier: GPL-2.0

//! What C provides to the slot layer, with memory that can be executed.
//!
//! All but the memory is that of the `bindings` crate, with the host's atomics, locks and threads.

#[path = "../../../bindings/src/backend.rs"]
pub mod backend;
#[path = "../../../bindings/src/barrier.rs"]
mod barrier;
#[path = "../../../bindings/src/counts.rs"]
mod counts;
#[path = "../../../bindings/src/memory.rs"]
mod memory;
mod mm;
#[path = "../../../bindings/src/model.rs"]
pub mod model;
#[path = "../../../bindings/src/random.rs"]
mod random;
#[path = "../../../bindings/src/rcu.rs"]
mod rcu;
#[path = "../../../bindings/src/sched.rs"]
mod sched;
#[path = "../../../bindings/src/seam.rs"]
mod seam;
#[path = "../../../bindings/src/tasks.rs"]
mod tasks;
#[path = "../../../bindings/src/wait.rs"]
mod wait;
#[path = "../../../bindings/src/work.rs"]
mod work;

pub use barrier::*;
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
