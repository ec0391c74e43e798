// SPDX-License-Identifier: GPL-2.0

//! The area's pages: memory that the host executes.

use std::{
    cell::Cell,
    ffi::c_void,
    io,
    ptr::{self, null_mut},
};

/// The size of a page in bytes.
pub const PAGE_SIZE: usize = 4096;

/// Bytes from one slot to the next. On arm64 twice as many as in the kernel: there is room for a
/// return.
pub const UPROBE_XOL_SLOT_SIZE: u32 = if cfg!(target_arch = "x86_64") { 128 } else { 8 };

/// Bytes of an instruction as it is copied into a slot.
pub const UPROBE_XOL_INSN_SIZE: u32 = if cfg!(target_arch = "x86_64") { 16 } else { 8 };

/// Slots of a page: it is full of them.
pub const UPROBE_XOL_SLOTS_PER_PAGE: u32 = PAGE_SIZE as u32 / UPROBE_XOL_SLOT_SIZE;

/// Pages of an area, which grows to 2048 slots.
pub const UPROBE_XOL_PAGES: u32 = 2048 / UPROBE_XOL_SLOTS_PER_PAGE;

const INSN_SIZE: usize = UPROBE_XOL_INSN_SIZE as usize;

/// Words behind the bytes to execute: what an architecture does after the step.
const REST: usize = 3;

/// A probed instruction.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arch_uprobe {
    pub ixol: [u8; INSN_SIZE],
    rest: [usize; REST],
}

impl arch_uprobe {
    /// An instruction that adds `number` to the argument of a function, and, because it is called,
    /// a return.
    pub fn adding(number: u16) -> Self {
        let mut ixol = [0; INSN_SIZE];
        let code = adding(number);
        ixol[..code.len()].copy_from_slice(&code);
        Self {
            ixol,
            rest: [0; REST],
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn adding(number: u16) -> [u8; 8] {
    let [low, high] = number.to_le_bytes();
    // lea number(%rdi), %rax; ret
    [0x48, 0x8d, 0x87, low, high, 0, 0, 0xc3]
}

#[cfg(target_arch = "aarch64")]
fn adding(number: u16) -> [u8; 8] {
    const RET: u32 = 0xd65f_03c0;

    assert!(number < 1 << 12, "{number} does not fit the instruction");
    // add x0, x0, #number; ret
    let add = 0x9100_0000 | u32::from(number) << 10;
    (u64::from(RET) << 32 | u64::from(add)).to_le_bytes()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("there is no code to execute on this architecture");

/// Executes the instruction at `vaddr`, and returns `argument` with the instruction's number added.
///
/// # Safety
///
/// One of [`arch_uprobe::adding`] is there, and is not written meanwhile.
#[inline(always)]
pub unsafe fn execute(vaddr: usize, argument: usize) -> usize {
    // Somebody else may have written it. A return from an exception synchronizes.
    #[cfg(target_arch = "aarch64")]
    // SAFETY: Touches no memory.
    unsafe {
        std::arch::asm!("isb")
    };
    // SAFETY: By the function's requirements.
    let code: extern "C" fn(usize) -> usize = unsafe { std::mem::transmute(vaddr) };
    code(argument)
}

/// An address range for the pages of an area, as `[uprobes]` is in a process.
pub struct Mapping {
    vaddr: usize,
}

const MAPPED: usize = UPROBE_XOL_PAGES as usize * PAGE_SIZE;

thread_local! {
    /// What [`alloc_page`] has left of a mapping.
    static LEFT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

impl Mapping {
    /// Makes a mapping. The pages that the calling thread allocates from now on are those of this
    /// one, in their order. Other threads get none.
    pub fn new() -> io::Result<Self> {
        // SAFETY: New memory.
        let memory = unsafe {
            libc::mmap(
                null_mut(),
                MAPPED,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let vaddr = memory as usize;
        LEFT.set((vaddr, UPROBE_XOL_PAGES as usize));
        Ok(Self { vaddr })
    }

    /// The address of the first page.
    pub fn vaddr(&self) -> usize {
        self.vaddr
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        LEFT.set((0, 0));
        // SAFETY: Made by `new`. Who executes something there has `self`.
        unsafe { libc::munmap(self.vaddr as *mut c_void, MAPPED) };
    }
}

/// A page that is mapped as part of `[uprobes]`.
pub struct page {
    vaddr: usize,
}

impl page {
    /// Where the page is mapped.
    pub fn vaddr(&self) -> usize {
        self.vaddr
    }

    /// A byte of the page.
    pub fn byte(&self, offset: usize) -> u8 {
        // SAFETY: The page's mapping is there.
        unsafe { ((self.vaddr + offset) as *const u8).read() }
    }
}

/// Writes `len` bytes to the page.
///
/// # Safety
///
/// `page` is valid, and so is its mapping; `src` is valid for reads of `len` bytes; and nobody
/// executes or writes what is there.
pub unsafe fn arch_uprobe_copy_ixol(page: *mut page, vaddr: usize, src: *mut c_void, len: usize) {
    // SAFETY: By the function's requirements.
    let to = unsafe { &*page }.vaddr + vaddr % PAGE_SIZE;
    let to = to as *mut u8;
    let from = src.cast::<u8>();
    // SAFETY: By the function's requirements.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        if libc::memcmp(to.cast(), src, len) == 0 {
            return;
        }
        if len == INSN_SIZE {
            // As is known in the kernel.
            ptr::copy_nonoverlapping(from, to, INSN_SIZE);
        } else {
            ptr::copy_nonoverlapping(from, to, len);
        }
        #[cfg(target_arch = "aarch64")]
        sync_icache(to);
        // A return from an exception follows in the kernel. An AMD EPYC without that executed
        // what had been in the slot before, about once in 10^8 steps. There, this serializes.
        #[cfg(target_arch = "x86_64")]
        std::arch::x86_64::_mm_mfence();
    }
}

/// Makes what was written to a slot visible to instruction fetch, everywhere.
///
/// # Safety
///
/// `slot` is mapped, and lies in one cache line.
#[cfg(target_arch = "aarch64")]
unsafe fn sync_icache(slot: *mut u8) {
    // SAFETY: Changes no memory.
    unsafe {
        std::arch::asm!(
            "dc cvau, {slot}",
            "dsb ish",
            "ic ivau, {slot}",
            "dsb ish",
            "isb",
            slot = in(reg) slot,
        )
    };
}

/// The trampoline: nothing.
///
/// # Safety
///
/// `size` is valid for writes.
pub unsafe fn arch_uretprobe_trampoline(size: *mut usize) -> *mut c_void {
    // SAFETY: By the function's requirements.
    unsafe { *size = 0 };
    ptr::NonNull::<u8>::dangling().as_ptr().cast()
}

/// Allocates a page of the calling thread's mapping.
pub fn alloc_page() -> Option<Box<page>> {
    crate::might_sleep();
    let (vaddr, left) = LEFT.get();
    if left == 0 || crate::current().is_out_of_memory() {
        return None;
    }
    LEFT.set((vaddr + PAGE_SIZE, left - 1));
    Some(Box::new(page { vaddr }))
}

/// Frees a page. Its memory is that of the mapping.
pub fn free_page(page: Box<page>) {
    crate::sched::not_atomic();
    drop(page);
}
