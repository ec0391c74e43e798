// SPDX-License-Identifier: GPL-2.0
//! What guests report, and what people get to see of it.

mod contention;
pub mod earlier;
pub mod plot;
pub mod publish;
pub mod record;
pub mod requirements;
mod steps;
pub mod summary;
pub mod tap;
pub mod upstream;
