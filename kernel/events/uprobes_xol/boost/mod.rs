// SPDX-License-Identifier: GPL-2.0

//! Boosted slots, which a task leaves by a jump instead of a debug exception.
//!
//! A boosted slot belongs to a probe and an address of the probe. It lies in a boosted area within
//! reach of this address: a direct jump leads back to the program, and the slot can reach an
//! operand that is relative to the instruction pointer. A process may have several boosted areas.
//!
//! A hit finds the slot in a table, without a lock. A slot whose probe is gone is *retired*, and
//! *reclaimed* when no task is in it; see [`reclaim`].
//!
//! In this directory, *slot* and *area* mean boosted slot and boosted area. *The lock* is
//! [`BoostedSlots::inner`].

mod ffi;
mod reclaim;
mod slots;
mod table;
#[cfg(CONFIG_UPROBES_KUNIT_TEST)]
mod tests;

use super::ffi::{arch_uprobe, count, page, Counter};
use core::{
    array,
    mem::offset_of,
    ptr::{self, NonNull}, //
};
use ffi::{pid, uprobe_boost_place, uprobe_boosted, AREA_SIZE, GRANULE, REACH, STEPPED};
use kernel::{
    mm::Mm,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        rcu,
        Arc,
        ArcBorrow,
        Mutex, //
    },
    time::{jiffies, msecs_to_jiffies, Jiffies, Msecs},
    workqueue::{new_delayed_work, DelayedWork}, //
};
use slots::{Inner, NewArea, NoSlot};
use table::{flags, Key, Table};

/// Milliseconds between two sweeps, at least. A sweep looks at all slots of the process.
const SWEEP_AFTER: Msecs = 5000;

/// Milliseconds for which hits make no slot after there was no memory or no room. Another attempt
/// takes a lock, which does not matter at this rate.
const RETRY_AFTER: Msecs = 100;

/// The number of entries of `not_before`. A region of the address space is as large as a jump
/// reaches. Regions whose numbers are equal modulo this share an entry.
const REGIONS: usize = 16;

/// The boosted slots of a process.
///
/// The first hit that needs a boosted slot creates this. The process's `mm` has a reference, and
/// the work item has one while it is queued.
#[pin_data]
#[repr(C)]
pub(crate) struct BoostedSlots {
    /// C knows the first two fields. Only C uses `tgid`.
    filter: Atomic<u64>,
    tgid: Atomic<*mut pid>,
    /// For each region, the time in ticks before which hits make no slot.
    not_before: [Atomic<usize>; REGIONS],
    /// The time in ticks before which no hit asks for a sweep.
    no_sweep_before: Atomic<usize>,
    table: Table,
    /// `None` in tests without a process.
    mm: Option<ARef<Mm>>,
    /// Held by a task that adds an area. Taken before the mmap lock.
    #[pin]
    adding: Mutex<()>,
    /// Taken after the mmap lock. No task waits for a grace period while it holds this lock.
    #[pin]
    inner: Mutex<Inner>,
    #[pin]
    work: DelayedWork<BoostedSlots>,
}

static_assert!(offset_of!(BoostedSlots, filter) == offset_of!(uprobe_boosted, filter));
static_assert!(offset_of!(BoostedSlots, tgid) == offset_of!(uprobe_boosted, tgid));

/// Creates the boosted slots of the current process. May sleep. Returns null when there is no
/// memory.
///
/// # Safety
///
/// Process context of a task with an `mm`.
#[export]
unsafe extern "C" fn uprobe_boosted_create() -> *mut uprobe_boosted {
    match BoostedSlots::new(ffi::current_mm()) {
        Ok(slots) => Arc::into_raw(slots).cast_mut().cast(),
        Err(_) => ptr::null_mut(),
    }
}

/// Gives up the boosted slots of a process. May sleep.
///
/// # Safety
///
/// `boosted` comes from `uprobe_boosted_create()`, and C does not use it any more.
#[export]
unsafe extern "C" fn uprobe_boosted_free(boosted: *mut uprobe_boosted) {
    // SAFETY: From `Arc::into_raw`, by the safety requirements.
    drop(unsafe { Arc::from_raw(boosted.cast::<BoostedSlots>()) });
}

/// Finds the slot of a probe, and returns the slot's address, or 0. Takes no lock, and writes
/// nothing.
///
/// # Safety
///
/// `boosted` is that of the current process. The current task is an RCU Tasks Trace reader until
/// its instruction pointer is the slot's address.
#[export]
unsafe extern "C" fn uprobe_boosted_find(
    boosted: *mut uprobe_boosted,
    key: u64,
    bp_vaddr: usize,
) -> usize {
    // SAFETY: From `Arc::into_raw`, and not freed before the process's tasks are gone.
    let slots = unsafe { &*boosted.cast::<BoostedSlots>() };
    // SAFETY: By the safety requirements.
    unsafe { slots.table.find(Key::new(key), bp_vaddr) }.unwrap_or(0)
}

/// Finds the slot of a probe, or makes one, and returns the slot's address. Returns 0 if the
/// instruction must be stepped. Returns `UPROBE_BOOST_STEPPED` if the slot would be out of reach,
/// and a record says so from now on.
///
/// May sleep; takes the mmap lock. Does not wait for hits.
///
/// # Safety
///
/// As for `uprobe_boosted_find()`. `key` is that of the probe at `bp_vaddr`, and not 0. `arch` is
/// that of the probe, is valid for reads, and does not change during the call.
#[export]
unsafe extern "C" fn uprobe_boosted_make(
    boosted: *mut uprobe_boosted,
    key: u64,
    arch: *const arch_uprobe,
    bp_vaddr: usize,
) -> usize {
    // SAFETY: From `Arc::into_raw`, and not freed before the process's tasks are gone.
    let slots = unsafe { ArcBorrow::from_raw(boosted.cast::<BoostedSlots>()) };
    let write = |vaddr, bytes: &mut [u8; 2 * GRANULE]| {
        // SAFETY: By the safety requirements: the probe has a key, so it can be boosted.
        unsafe { ffi::boost_insn(arch, bp_vaddr, vaddr, bytes) }
    };
    // SAFETY: By the safety requirements.
    match unsafe { BoostedSlots::make(slots, Key::new(key), bp_vaddr, write) } {
        Ok(vaddr) => vaddr,
        Err(reason) => {
            count(Counter::Unboosted, 1);
            match reason {
                NoSlot::Unreachable => STEPPED,
                _ => 0,
            }
        }
    }
}

/// Retires the slot of a probe, if there is one, and queues the work item that reclaims it. May
/// sleep. The mmap lock may be held.
///
/// # Safety
///
/// `boosted` comes from `uprobe_boosted_create()` and is not freed during the call.
#[export]
unsafe extern "C" fn uprobe_boosted_remove(
    boosted: *mut uprobe_boosted,
    key: u64,
    bp_vaddr: usize,
) {
    // SAFETY: By the safety requirements.
    let slots = unsafe { ArcBorrow::from_raw(boosted.cast::<BoostedSlots>()) };
    BoostedSlots::remove(slots, Key::new(key), bp_vaddr);
}

/// Finds the boosted slot that `ip` is in, and describes it in `place`. Returns false if `ip` is in
/// no boosted slot.
///
/// Any context.
///
/// # Safety
///
/// `boosted` comes from `uprobe_boosted_create()` and is not freed during the call. `place` is
/// valid for writes.
#[export]
unsafe extern "C" fn uprobe_boosted_at(
    boosted: *mut uprobe_boosted,
    ip: usize,
    place: *mut uprobe_boost_place,
) -> bool {
    // SAFETY: By the safety requirements.
    let slots = unsafe { &*boosted.cast::<BoostedSlots>() };
    let _rcu = rcu::read_lock();
    // SAFETY: The current task is an RCU reader until this function returns, which is after the
    // last use of `found`.
    let Some(found) = (unsafe { slots.table.at_ip(ip) }) else {
        return false;
    };
    // SAFETY: `place` is valid for writes.
    unsafe {
        (&raw mut (*place).vaddr).write(found.vaddr);
        (&raw mut (*place).bp_vaddr).write(found.bp_vaddr());
        (&raw mut (*place).boost).write(found.boost());
    }
    true
}

/// Returns the page with the index `index` of the area at `vaddr`. Adds the page if the area does
/// not have it yet. Returns null if there is no memory. May sleep. The mmap lock is held: the page
/// is not freed before it is released.
///
/// # Safety
///
/// `boosted` comes from `uprobe_boosted_create()` and is not freed during the call.
#[export]
unsafe extern "C" fn uprobe_boosted_page(
    boosted: *mut uprobe_boosted,
    vaddr: usize,
    index: usize,
) -> *mut page {
    // SAFETY: By the safety requirements.
    let slots = unsafe { &*boosted.cast::<BoostedSlots>() };
    slots
        .page(vaddr, index)
        .map_or(ptr::null_mut(), NonNull::as_ptr)
}

impl BoostedSlots {
    /// Makes the boosted slots of a process. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    fn new(mm: Option<ARef<Mm>>) -> Result<Arc<Self>> {
        let inner = Inner::new()?;
        Arc::pin_init(
            try_pin_init!(Self {
                filter: Atomic::new(0),
                tgid: Atomic::new(ptr::null_mut()),
                not_before: array::from_fn(|_| Atomic::new(jiffies::now())),
                no_sweep_before: Atomic::new(jiffies::now()),
                table <- Table::new(),
                mm,
                adding <- new_mutex!((), "uprobes_xol::boost::adding"),
                inner <- new_mutex!(inner, "uprobes_xol::boost"),
                work <- new_delayed_work!("uprobes_xol::boost::work"),
            }),
            flags(),
        )
    }

    /// Finds the slot of a probe, or makes one; see [`Inner::make`].
    ///
    /// # Safety
    ///
    /// As for [`Table::find`]. `key` is that of the probe at `bp_vaddr`, and not 0.
    unsafe fn make(
        this: ArcBorrow<'_, Self>,
        key: Key,
        bp_vaddr: usize,
        write: impl Fn(usize, &mut [u8; 2 * GRANULE]) -> bool,
    ) -> Result<usize, NoSlot> {
        // SAFETY: By the function's requirements.
        let stepped = unsafe { this.table.find(key.stepped(), bp_vaddr) };
        if stepped.is_some() || this.is_forbidden(bp_vaddr) {
            return Err(NoSlot::NotNow);
        }
        // SAFETY: By the function's requirements.
        if !unsafe { this.table.has_room(bp_vaddr) } {
            Self::ask_for_sweep(this);
            return Err(NoSlot::NotNow);
        }
        for _ in 0..2 {
            // Many tasks may need a slot at the same time. A task that does not get the lock at
            // once steps, and makes a slot at a later hit.
            let made = {
                let mut inner = this.inner.try_lock().ok_or(NoSlot::NotNow)?;
                inner.make(&this.table, key, bp_vaddr, &write)
            };
            match made {
                Err(NoSlot::NoArea { full }) => {
                    if full {
                        Self::ask_for_sweep(this);
                    }
                    match this.add_area(bp_vaddr) {
                        Ok(()) => {}
                        Err(EAGAIN) => return Err(NoSlot::NotNow),
                        Err(_) => break,
                    }
                }
                Err(NoSlot::NoMemory) => break,
                other => return other,
            }
        }
        this.forbid(bp_vaddr);
        Err(NoSlot::NotNow)
    }

    /// Asks for a sweep: slots of probes that are gone may be in the way. Does nothing if the last
    /// hit that asked did so less than [`SWEEP_AFTER`] ago. May sleep.
    fn ask_for_sweep(this: ArcBorrow<'_, Self>) {
        if this.was_asked_lately() {
            return;
        }
        // ORDERING: Relaxed: decides nothing else: see `was_asked_lately`.
        this.no_sweep_before.store(after(SWEEP_AFTER), Relaxed);
        this.inner.lock().sweep = true;
        Arc::<Self>::from(this).reclaim_later();
    }

    /// Whether a hit asked for a sweep less than [`SWEEP_AFTER`] ago.
    fn was_asked_lately(&self) -> bool {
        // ORDERING: Relaxed: decides nothing except how often the process is swept.
        is_future(self.no_sweep_before.load(Relaxed))
    }

    /// Adds an area within reach of a probe, unless another task has done so. May sleep; takes the
    /// mmap lock.
    ///
    /// # Errors
    ///
    /// An error number if there is no room or no memory, if the task got a fatal signal, or if
    /// another task adds an area at this moment.
    fn add_area(&self, bp_vaddr: usize) -> Result {
        let _adding = self.adding.try_lock().ok_or(EAGAIN)?;
        {
            let inner = self.inner.lock();
            if inner.has_room(&self.table, bp_vaddr) {
                return Ok(());
            }
            if !inner.may_add_area() {
                return Err(ENOSPC);
            }
        }
        let area = NewArea::new()?;
        ffi::map_area(bp_vaddr, |vaddr| self.mapped(area, vaddr))
    }

    /// Adds the new area `area`, which was mapped at `vaddr`.
    fn mapped(&self, area: NewArea, vaddr: usize) {
        // ORDERING: Relaxed: a task that gets into a slot of the area saw the slot's key, which is
        // published later (litmus/boost-find.litmus). Only the holder of `adding` writes this.
        let filter = self.filter.load(Relaxed) | (1 << (vaddr / AREA_SIZE % 64));
        self.filter.store(filter, Relaxed);
        self.inner.lock().add_area(&self.table, area, vaddr);
    }

    /// Returns the page with the index `index` of the area at `vaddr`. May sleep. Takes the lock
    /// only if the area does not have the page yet: many threads may need a new page at once.
    fn page(&self, vaddr: usize, index: usize) -> Option<NonNull<page>> {
        let (number, area) = self.table.area_at(vaddr)?;
        area.page(index).or_else(|| {
            let mut inner = self.inner.lock();
            let page = inner.add_page(&self.table, number, index).ok()?;
            NonNull::new(page.as_ptr())
        })
    }

    /// Retires the slot of a probe that is gone.
    fn remove(this: ArcBorrow<'_, Self>, key: Key, bp_vaddr: usize) {
        if this.inner.lock().retire(&this.table, key, bp_vaddr) {
            Arc::<Self>::from(this).reclaim_later();
        }
    }

    /// Marks the slot at `ip`, which a task is in, if the slot is about to be reclaimed.
    ///
    /// # Safety
    ///
    /// The current task is the one that reclaims the process's slots: no other task frees records.
    unsafe fn occupy(&self, ip: usize) {
        // SAFETY: By the function's requirements.
        if let Some(place) = unsafe { self.table.at_ip(ip) } {
            place.occupy();
        }
    }

    fn not_before(&self, bp_vaddr: usize) -> &Atomic<usize> {
        &self.not_before[bp_vaddr / REACH % REGIONS]
    }

    /// Returns whether hits in the region of `bp_vaddr` must not make a slot now. Takes no lock.
    fn is_forbidden(&self, bp_vaddr: usize) -> bool {
        // ORDERING: Relaxed: decides nothing except how soon a hit notices a change.
        is_future(self.not_before(bp_vaddr).load(Relaxed))
    }

    /// Keeps hits in the region of `bp_vaddr` from making slots, for [`RETRY_AFTER`] milliseconds.
    fn forbid(&self, bp_vaddr: usize) {
        // ORDERING: Relaxed: decides nothing else, as in `is_forbidden`.
        self.not_before(bp_vaddr).store(after(RETRY_AFTER), Relaxed);
    }
}

/// The time in ticks that is `millis` milliseconds from now.
fn after(millis: Msecs) -> Jiffies {
    jiffies::now().wrapping_add(msecs_to_jiffies(millis))
}

/// Returns whether a time in ticks is in the future.
fn is_future(time: Jiffies) -> bool {
    time.wrapping_sub(jiffies::now()) as isize > 0
}
