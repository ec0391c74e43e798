// SPDX-License-Identifier: GPL-2.0

//! What C and the architecture provide to boosting.

use crate::{
    backend::EXPLORED,
    mm::{arch_uprobe, page, PAGE_SIZE, SLOT_SIZE},
    sched::current,
    tasks::mm_struct,
};
use std::{
    ffi::{c_int, c_void},
    slice,
    sync::atomic::Ordering::Relaxed,
};

pub const UPROBE_BOOST_GRANULE: u32 = SLOT_SIZE as u32;
pub const UPROBE_BOOST_REACH: u32 = 1 << 31;
/// Two pages, or so many granules that they are spread over more chains.
pub const UPROBE_BOOST_AREA_SHIFT: u32 = if EXPLORED { PAGE_SIZE.ilog2() + 1 } else { 13 };
pub const UPROBE_BOOST_AREAS: u32 = 64;
pub const UPROBE_BOOST_KEY_SHIFT: u32 = 8;
pub const UPROBE_BOOST_FIRST_KEY: u32 = 16;
/// In place of an address.
pub const UPROBE_BOOST_STEPPED: u32 = 1;
pub const UPROBE_BOOST_LENGTH: u32 = 0x0f;
pub const UPROBE_BOOST_PAIR: u32 = 0x10;
pub const UPROBE_BOOST_REP: u32 = 0x20;

const AREA_SIZE: usize = 1 << UPROBE_BOOST_AREA_SHIFT;

/// What the C core knows of boosted slots.
#[repr(C)]
pub struct uprobe_boosted {
    pub filter: u64,
    pub tgid: *mut pid,
}

/// What a process is known by.
pub struct pid(());

/// What an instruction pointer in a slot means.
#[repr(C)]
#[derive(Default)]
pub struct uprobe_boost_place {
    pub vaddr: usize,
    pub bp_vaddr: usize,
    pub boost: u8,
}

/// A mapping of an area.
pub struct vm_area_struct {
    mm: *const mm_struct,
    vaddr: usize,
}

impl arch_uprobe {
    /// Bytes of an instruction.
    pub const LENGTH: usize = 4;

    /// The same, but no slot reaches its operand.
    pub fn out_of_reach(mut self) -> Self {
        self.ixol[0] |= usize::MAX << 32;
        self
    }

    /// The granule at `vaddr`: the instruction, and how far it is to the next one.
    pub fn boosted(&self, bp_vaddr: usize, vaddr: usize) -> [u8; SLOT_SIZE] {
        let mut bytes = [0; SLOT_SIZE];
        let (insn, jump) = bytes.split_at_mut(SLOT_SIZE / 2);
        insn.copy_from_slice(&self.bytes());
        let far = (bp_vaddr + Self::LENGTH).wrapping_sub(vaddr);
        jump.copy_from_slice(&far.to_ne_bytes());
        bytes
    }
}

/// # Safety
///
/// `arch` is valid, and `bytes` for writes of two granules.
pub unsafe fn arch_uprobe_boost_insn(
    arch: *const arch_uprobe,
    bp_vaddr: usize,
    vaddr: usize,
    bytes: *mut u8,
) -> bool {
    // SAFETY: By the function's requirements.
    let (arch, bytes) = unsafe { (&*arch, slice::from_raw_parts_mut(bytes, 2 * SLOT_SIZE)) };
    for (granule, bytes) in bytes.chunks_mut(SLOT_SIZE).enumerate() {
        bytes.copy_from_slice(&arch.boosted(bp_vaddr, vaddr + granule * SLOT_SIZE));
    }
    arch.ixol[0] >> 32 == 0
}

/// # Safety
///
/// `page` is valid.
pub unsafe fn uprobe_boost_fill_page(page: *mut page) {
    // SAFETY: By the function's requirements.
    unsafe { &*page }.fill();
}

/// # Safety
///
/// `mapped` may be called with `data`.
pub unsafe fn uprobe_boost_map_area(
    _bp_vaddr: usize,
    mapped: Option<unsafe extern "C" fn(*mut c_void, usize)>,
    data: *mut c_void,
) -> c_int {
    let mm = current().mm();
    let Some(mm) = mm.filter(|mm| mm.room.load(Relaxed) != 0) else {
        return -12;
    };
    let _lock = mm.mmap_lock.lock().unwrap();
    mm.room.fetch_sub(1, Relaxed);
    let vaddr = mm.next_area.fetch_add(AREA_SIZE, Relaxed);
    // SAFETY: By the function's requirements.
    unsafe { mapped.unwrap()(data, vaddr) };
    0
}

/// # Safety
///
/// `mm` is valid. `locked` may be called with `data`.
pub unsafe fn uprobe_boost_lock_area(
    mm: *mut mm_struct,
    vaddr: usize,
    locked: Option<unsafe extern "C" fn(*mut c_void, *mut vm_area_struct)>,
    data: *mut c_void,
) {
    let mut vma = vm_area_struct { mm, vaddr };
    // SAFETY: By the function's requirements.
    let _lock = unsafe { &*mm }.mmap_lock.lock().unwrap();
    // SAFETY: By the function's requirements.
    unsafe { locked.unwrap()(data, &mut vma) };
}

/// # Safety
///
/// `vma` is valid.
pub unsafe fn uprobe_boost_unmap_page(vma: *mut vm_area_struct, index: usize) {
    // SAFETY: By the function's requirements.
    let (vma, mm) = unsafe { (&*vma, &*(*vma).mm) };
    let address = vma.vaddr + index * PAGE_SIZE;
    mm.unmap(address);
}

/// # Safety
///
/// `mm` is valid. `visit` may be called with `data`.
pub unsafe fn uprobe_boost_visit_ips(
    mm: *mut mm_struct,
    visit: Option<unsafe extern "C" fn(*mut c_void, usize)>,
    data: *mut c_void,
) -> bool {
    // SAFETY: By the function's requirements.
    let ips = unsafe { &*mm }.ips();
    for &ip in ips.iter().flatten() {
        // SAFETY: By the function's requirements.
        unsafe { visit.unwrap()(data, ip) };
    }
    ips.is_some()
}

/// # Safety
///
/// `mm` is valid, and its lock is held.
pub unsafe fn uprobe_boost_key_at(mm: *mut mm_struct, bp_vaddr: usize) -> u64 {
    // SAFETY: By the function's requirements.
    unsafe { &*mm }.key_at(bp_vaddr)
}
