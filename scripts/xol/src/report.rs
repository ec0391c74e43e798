// SPDX-License-Identifier: GPL-2.0
//! Results: what guests measure and test, and the tables and plots made from it.
//!
//! A guest prints metrics ([`metric`]). [`layout`] declares which tables and plots show them, and
//! [`requirements`] what they must be. A new figure is declared there and needs no other code.

pub mod earlier;
mod layout;
pub mod metric;
pub mod plot;
pub mod publish;
pub mod requirements;
pub mod summary;
pub mod tap;
pub mod upstream;
