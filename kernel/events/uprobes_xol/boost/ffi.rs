// SPDX-License-Identifier: GPL-2.0

//! The types that boosting shares with C, and the C functions that it calls. They exist only in
//! kernels that boost slots.

use super::super::insn::Insn;
use core::num::NonZeroUsize;
use kernel::{
    bindings,
    ffi::{c_ulong, c_void}, //
};

pub(crate) use kernel::bindings::uprobe_xol_boosted;

/// Bytes of a boosted slot: an instruction, a jump, and where the jump leads.
pub(crate) const BOOSTED_SIZE: usize = bindings::UPROBE_BOOSTED_SIZE as usize;

/// The bytes of a boosted slot that executes `insn` and jumps to `next`.
pub(super) fn boosted_insn(insn: &Insn, next: NonZeroUsize) -> [u8; BOOSTED_SIZE] {
    let mut bytes = [0; BOOSTED_SIZE];
    let insn: *const Insn = insn;
    // SAFETY: An instruction is a `struct arch_uprobe`, and all bytes may be written.
    unsafe { bindings::arch_uprobe_boosted_insn(insn.cast(), next.get(), bytes.as_mut_ptr()) };
    bytes
}

/// Returns whether the current process has a breakpoint at the instruction before `next`. Returns
/// false if the page of the instruction is not in memory. Does not sleep.
pub(super) fn is_probed(insn: &Insn, next: NonZeroUsize) -> bool {
    let insn: *const Insn = insn;
    // SAFETY: An instruction is a `struct arch_uprobe`.
    unsafe { bindings::uprobe_xol_is_probed(insn.cast(), next.get()) }
}

/// Calls `visit` with the instruction pointer of each task of the current process, as it is at some
/// moment during the call. Returns false if it could not look at all tasks.
///
/// Does not sleep, and `visit` must not sleep. Waits for other CPUs.
pub(super) fn visit_ips<F: FnMut(usize)>(mut visit: F) -> bool {
    /// # Safety
    ///
    /// `visit` is valid for reads and writes of an `F`.
    unsafe extern "C" fn call<F: FnMut(usize)>(visit: *mut c_void, ip: c_ulong) {
        // SAFETY: By the function's requirements.
        (unsafe { &mut *visit.cast::<F>() })(ip);
    }

    // SAFETY: `call` gets what it requires, and the function does not keep it.
    unsafe { bindings::uprobe_xol_visit_ips(Some(call::<F>), (&raw mut visit).cast()) }
}
