// SPDX-License-Identifier: GPL-2.0
//! What guests report, and what people get to see of it.

pub mod plot;
pub mod record;
pub mod summary;
pub mod tap;
