// SPDX-License-Identifier: GPL-2.0

//! Reclaiming of boosted slots whose probes are gone.
//!
//! The kernel does not notice when a task leaves a boosted slot by the slot's jump. But the task's
//! instruction pointer shows whether the task is in the slot. The kernel can read it while the task
//! does not run, or is interrupted:
//!
//! ```text
//!   the probe   .-------.   a work item   .---------.   no task was seen
//!   is removed  | Fresh | --------------> | Waiting | -------------------> unused
//!      -------> '-------'                 '---------'   in the slot
//!                   ^                          |
//!                   |      .----------.        | a task was seen
//!                   '----- | Occupied | <------' in the slot
//!                          '----------'
//! ```
//!
//! A hit finds a slot and sets the instruction pointer of its task to the slot's address within one
//! read-side section of RCU Tasks Trace. So after a grace period, each task that had found a
//! retired slot is in the slot or has left it. No other task gets into it
//! (litmus/boost-grace.litmus). A task whose instruction pointer is elsewhere after that does not
//! come back: neither a signal handler nor a debugger ever sees an address in the slot that it
//! could restore.

use super::{
    ffi::{key_at, lock_area, visit_ips},
    slots::SlotPage,
    table::{Granule, Key, Retired, GRANULES, PAGES},
    BoostedSlots, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*,
    sync::{rcu, rcu_tasks_trace, Arc},
    time::{msecs_to_jiffies, Msecs},
    workqueue::{self, impl_has_delayed_work, WorkItem}, //
};

/// Milliseconds from the removal of a probe until the work item runs. Meanwhile, more probes may be
/// removed.
const DELAY: Msecs = 20;

/// Milliseconds until the work item runs again, if slots are still retired.
const RETRY: Msecs = 500;

impl_has_delayed_work! {
    impl HasDelayedWork<BoostedSlots> for BoostedSlots { self.work }
}

impl WorkItem for BoostedSlots {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        // If the process is gone, so are its slots.
        if this.reclaim() && this.inner.lock().has_retired() {
            this.enqueue(RETRY);
        }
    }
}

impl BoostedSlots {
    /// Queues the work item that reclaims slots, unless it is queued. Any context in which a
    /// spinlock may be taken.
    pub(crate) fn reclaim_later(self: &Arc<Self>) {
        self.enqueue(DELAY);
    }

    fn enqueue(self: &Arc<Self>, delay: Msecs) {
        // An error means that the work item is queued already.
        let _ = workqueue::system_long().enqueue_delayed(self.clone(), msecs_to_jiffies(delay));
    }

    /// Reclaims retired slots. May sleep for long; holds no lock for long. Returns false if the
    /// process is gone.
    fn reclaim(&self) -> bool {
        // The last reference must not be dropped here, because that frees these slots.
        let mm = || {
            Some(MmWithUser::into_mmput_async(
                self.mm.as_ref()?.mmget_not_zero()?,
            ))
        };

        if self.inner.lock().begin_sweep() {
            if let Some(mm) = mm() {
                self.sweep(|bp_vaddr| Key::new(key_at(&mm, bp_vaddr)));
            }
        }

        self.begin();
        rcu_tasks_trace::synchronize();

        let Some(mm) = mm() else {
            return false;
        };
        let occupy = |ip| {
            // SAFETY: This task reclaims the slots: the work item runs on one CPU at a time.
            unsafe { self.occupy(ip) }
        };
        // SAFETY: The work item is queued only for the boosted slots that the `mm` refers to. It
        // does so as long as it has users, of which this task is one.
        let complete = unsafe { visit_ips(&mm, occupy) };
        self.finish(complete);
        let pages = self.give_back(&mm);
        // If the process exits during the grace period, it can release its mappings and files.
        drop(mm);
        if !pages.is_empty() {
            // Interrupts may still read the records of these pages.
            rcu::synchronize_rcu();
        }
        true
    }

    /// Makes the retired slots wait for a grace period, which begins after this.
    pub(crate) fn begin(&self) {
        self.inner
            .lock()
            .for_retired(|page| page.change(Retired::Fresh, Retired::Waiting));
    }

    /// Ends the wait for a grace period. If `complete`, all tasks were seen: reclaims the slots
    /// that waited and in which no task was seen. Makes all other retired slots `Fresh`.
    pub(crate) fn finish(&self, complete: bool) {
        self.inner.lock().for_retired(|page| {
            if complete {
                page.reclaim();
            }
            page.change(Retired::Waiting, Retired::Fresh);
            page.change(Retired::Occupied, Retired::Fresh);
        });
    }

    /// Takes the pages without slots from their areas. The caller may free them after a grace
    /// period of RCU.
    fn give_back(&self, mm: &MmWithUser) -> KVec<SlotPage> {
        let mut pages: KVec<SlotPage> = KVec::new();
        let areas = self.inner.lock().areas.len();
        for index in 0..areas {
            let Some(area) = self.table.area(index) else {
                break;
            };
            // The lock is released before memory is allocated.
            let has_empty = self.inner.lock().has_empty(index);
            if !has_empty || pages.reserve(PAGES, GFP_KERNEL).is_err() {
                continue;
            }
            lock_area(mm, area.vaddr, |mapping| {
                let mut inner = self.inner.lock();
                for page in 0..PAGES {
                    // SAFETY: The mmap lock is held for writing. The page is unmapped below, and
                    // the caller frees it after a grace period of RCU: there is room for it.
                    let empty = unsafe { inner.take_empty(&self.table, index, page) };
                    if let Some(empty) = empty {
                        // The lock is still held: no other task can add the page again before this.
                        mapping.unmap_page(page);
                        // There is room: it was reserved above.
                        let _ = pages.push_within_capacity(empty);
                    }
                }
            });
        }
        pages
    }

    /// Sweeps: retires the slots whose probe is not at its address any more. `key_at` returns the
    /// key of the probe at an address, or that of no probe. The lock is not held when `key_at`
    /// is called: the mmap lock is taken before it.
    pub(crate) fn sweep(&self, key_at: impl Fn(usize) -> Key) {
        let areas = self.inner.lock().areas.len();
        for (area, page) in (0..areas).flat_map(|area| (0..PAGES).map(move |page| (area, page))) {
            let Ok(mut probes) = KVec::<(Key, usize)>::with_capacity(GRANULES, GFP_KERNEL) else {
                return;
            };
            {
                let mut guard = self.inner.lock();
                let inner = &mut *guard;
                for index in page * GRANULES..(page + 1) * GRANULES {
                    let granule = Granule::new(area, index);
                    if let Some(probe) = self.table.probe_of(granule, &mut inner.locked) {
                        let _ = probes.push_within_capacity(probe);
                    }
                }
            }
            for (key, bp_vaddr) in probes {
                // If the probe has come back since, its next hit makes another slot.
                if !key.is_of(key_at(bp_vaddr)) {
                    self.inner.lock().retire(&self.table, key, bp_vaddr);
                }
            }
        }
    }
}
