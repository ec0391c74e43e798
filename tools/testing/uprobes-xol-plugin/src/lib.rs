// SPDX-License-Identifier: GPL-2.0

//! A plugin of QEMU's translator that finds the memory which processors share while they hit
//! uprobes.
//!
//! ```text
//! qemu-system-x86_64 -accel tcg,thread=multi -smp 4 -append 'nokaslr ...' \
//!     -plugin libuprobes_xol_plugin.so,build=DIR,output=FILE[,threshold=0.01] ...
//! ```
//!
//! `build` is the folder in which the guest's kernel was built, where its symbols are and what
//! tells which functions are of uprobes. The guest marks what is to be measured
//! (`tools/testing/selftests/uprobes/marks.h`); `contention` beside that file does. Each
//! measurement adds a run to the JSON in `output`.
//!
//! Of each 64-byte line of the guest's physical memory that kernel code touches between the marks,
//! it counts which processor loads and stores how often, in which function, and on whose behalf. A
//! line is contended when two processors use it, one of them writing, each at least `threshold`
//! times per hit of its own. That does not depend on when the host lets which processor run: a
//! line counts if they take turns, too. An atomic read-modify-write is a load and a store.
#![warn(clippy::undocumented_unsafe_blocks)]
#![cfg_attr(test, allow(dead_code, reason = "only `plugin` uses all"))]

mod arch;
mod calls;
mod marks;
mod report;
mod symbols;
mod table;

// QEMU itself has the functions that this calls, so that nothing else can be linked with it.
#[cfg(not(test))]
mod plugin;
