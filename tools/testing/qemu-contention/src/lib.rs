// SPDX-License-Identifier: GPL-2.0

//! A plugin of QEMU TCG that finds memory which several processors use and one writes, while guest
//! code between marks runs. `README.md` has the arguments, the marks and the output.
#![warn(clippy::undocumented_unsafe_blocks)]
#![cfg_attr(test, allow(dead_code, reason = "only `plugin` uses all"))]

mod arch;
mod calls;
mod marks;
mod options;
mod report;
mod symbols;
mod table;

// QEMU itself has the functions that this module calls, so that nothing else can be linked with it.
#[cfg(not(test))]
mod plugin;
