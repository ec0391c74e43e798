// SPDX-License-Identifier: GPL-2.0

//! The memory of boosted slots, and the data that the lock protects.

use super::{
    super::ffi::{arch_uprobe, count, write_insn, Counter},
    ffi::{fill_page, AREAS, AREA_SIZE, GRANULE, REACH},
    table::{flags, Area, Granule, Key, Record, Records, Retired, Table, GRANULES, PAGES}, //
};
use core::{mem, ptr};
use kernel::{
    page::{Page, PAGE_SIZE},
    prelude::*, //
};
use pin_init::init_array_from_fn;

/// Proof that the lock of boosted slots is held. There is one `Locked`, which the lock protects.
pub(crate) struct Locked(());

/// The bytes of a slot, with the alignment of a `struct arch_uprobe`.
#[repr(align(8))]
struct Bytes([u8; 2 * GRANULE]);

static_assert!(align_of::<Bytes>() >= align_of::<arch_uprobe>());

/// The reason why a probe gets no slot.
pub(crate) enum NoSlot {
    /// No area in reach has room. `full` is true if there is an area in reach.
    NoArea { full: bool },
    /// The slot would not reach the next instruction or the operand.
    Unreachable,
    /// There is no memory.
    NoMemory,
    /// The chain is full.
    ChainFull,
    /// A later hit may get a slot.
    NotNow,
}

/// A page of slots.
pub(crate) struct SlotPage {
    memory: Page,
    records: KBox<Records>,
    /// The number of granules that are not unused.
    used: usize,
    /// The number of slots that are not unused, retired slots included.
    slots: usize,
    /// The number of retired slots.
    pub(crate) retired: usize,
    /// The granule from which a search for an unused slot begins, for slots of one granule and of
    /// two.
    from: [usize; 2],
}

impl SlotPage {
    fn new() -> Result<Self> {
        let memory = Page::alloc_page(flags())?;
        // SAFETY: The page is new.
        unsafe { fill_page(&memory) };
        let records = KBox::init(init_array_from_fn(|_| Record::new()), flags())?;
        count(Counter::BoostPages, 1);
        Ok(Self {
            memory,
            records,
            used: 0,
            slots: 0,
            retired: 0,
            from: [0; 2],
        })
    }

    /// The records of the page's granules.
    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// Returns whether no granule is in use.
    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Returns the first granule of an unused slot of `granules` granules.
    fn unused(&self, granules: usize) -> Option<usize> {
        if self.used + granules > GRANULES {
            return None;
        }
        (self.from[granules - 1]..GRANULES)
            .step_by(granules)
            .find(|&first| {
                let granules = &self.records[first..first + granules];
                granules.iter().all(Record::is_unused)
            })
    }

    /// Finds an unused slot of `granules` granules. The next search begins there.
    fn find(&mut self, granules: usize) -> Option<usize> {
        let first = self.unused(granules);
        self.from[granules - 1] = first.unwrap_or(GRANULES);
        first
    }

    /// Counts a slot that was assigned to a probe.
    fn take(&mut self, first: usize, granules: usize) {
        if granules == 2 {
            self.records[first + 1].set_second();
        }
        self.used += granules;
        self.slots += 1;
        count(Counter::Boosted, 1);
    }

    /// Makes a slot unused that no task is in.
    pub(crate) fn put(&mut self, first: usize) {
        let granules = self.records[first].granules();
        for record in &self.records[first..first + granules] {
            record.set_unused();
        }
        self.from[0] = self.from[0].min(first);
        self.from[1] = self.from[1].min(first & !1);
        self.used -= granules;
        self.slots -= 1;
        self.retired -= 1;
        count(Counter::Boosted, -1);
        count(Counter::Reclaims, 1);
    }
}

impl Drop for SlotPage {
    fn drop(&mut self) {
        count(Counter::BoostPages, -1);
        count(Counter::Boosted, -(self.slots as isize));
    }
}

/// The data that the lock protects.
pub(crate) struct Inner {
    /// The pages of each area.
    pub(crate) areas: KVec<KBox<[Option<SlotPage>; PAGES]>>,
    /// The number of records in chains.
    linked: usize,
    /// Whether a sweep was asked for.
    pub(crate) sweep: bool,
    pub(crate) locked: Locked,
}

/// The data of an area that is not mapped yet.
pub(crate) struct NewArea {
    area: KBox<Area>,
    pages: KBox<[Option<SlotPage>; PAGES]>,
}

impl NewArea {
    /// Allocates an area. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            area: Area::new()?,
            pages: KBox::init(init_array_from_fn(|_| None), flags())?,
        })
    }
}

/// Returns whether every slot of an area is within reach of the instruction at `bp_vaddr`.
fn in_reach(table: &Table, area: usize, bp_vaddr: usize) -> bool {
    table
        .area(area)
        .is_some_and(|area| area.vaddr.abs_diff(bp_vaddr) < REACH - AREA_SIZE)
}

impl Inner {
    /// Creates the data of a process without areas. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            areas: KVec::with_capacity(AREAS, flags())?,
            linked: 0,
            sweep: false,
            locked: Locked(()),
        })
    }

    /// Returns whether a sweep was asked for. If so, the caller sweeps.
    pub(crate) fn begin_sweep(&mut self) -> bool {
        mem::take(&mut self.sweep)
    }

    /// Returns whether the process may get another area.
    pub(crate) fn may_add_area(&self) -> bool {
        self.areas.len() < AREAS
    }

    /// Adds an area, which is mapped at `vaddr`. If the process has unmapped an earlier area at
    /// this address, the new mapping serves the earlier area instead.
    pub(crate) fn add_area(&mut self, table: &Table, new: NewArea, vaddr: usize) {
        if table.area_at(vaddr).is_some() {
            return;
        }
        let NewArea { mut area, pages } = new;
        area.vaddr = vaddr;
        let index = self.areas.len();
        // There is capacity for all areas, and none has this index.
        if self.areas.push_within_capacity(pages).is_ok()
            && table.add_area(index, area, &mut self.locked)
        {
            count(Counter::BoostAreas, 1);
        }
    }

    /// Returns whether an area in reach has room for a slot.
    pub(crate) fn has_room(&self, table: &Table, bp_vaddr: usize) -> bool {
        (0..self.areas.len()).any(|area| {
            in_reach(table, area, bp_vaddr)
                && self.areas[area].iter().any(|page| match page {
                    // Two granules are enough for any slot.
                    Some(page) => page.unused(2).is_some(),
                    None => true,
                })
        })
    }

    /// Finds the slot of a probe, or makes one. Returns the slot's address. `write` makes the bytes
    /// of a slot at an address, and returns false if that slot would be out of reach.
    ///
    /// May sleep. The address is that of the probe's slot as long as the lock is held, or as the
    /// caller is an RCU Tasks Trace reader.
    pub(crate) fn make(
        &mut self,
        table: &Table,
        key: Key,
        bp_vaddr: usize,
        write: impl Fn(usize, &mut [u8; 2 * GRANULE]) -> bool,
    ) -> Result<usize, NoSlot> {
        // SAFETY: The lock is held.
        if let Some(vaddr) = unsafe { table.find(key, bp_vaddr) } {
            return Ok(vaddr);
        }
        // SAFETY: The lock is held.
        if unsafe { table.find(key.stepped(), bp_vaddr) }.is_some() {
            return Err(NoSlot::Unreachable);
        }
        table.spread(self.linked, &mut self.locked);
        // SAFETY: The lock is held.
        if !unsafe { table.has_room(bp_vaddr) } {
            return Err(NoSlot::ChainFull);
        }
        let (area, page, first) = self.find_unused(table, key.granules(), bp_vaddr)?;
        let (Some(of), Some(slots)) = (table.area(area), &mut self.areas[area][page]) else {
            return Err(NoSlot::NoMemory);
        };
        let offset = page * PAGE_SIZE + first * GRANULE;
        let vaddr = of.vaddr + offset;
        let mut bytes = Bytes([0; 2 * GRANULE]);
        let reaches = write(vaddr, &mut bytes.0);
        if reaches {
            let bytes = &bytes.0[..key.granules() * GRANULE];
            // SAFETY: The bytes fit into the page and are aligned. The slot is unused: no task
            // executes it.
            unsafe { write_insn(&slots.memory, vaddr, bytes) };
        }
        slots.take(first, key.granules());
        self.linked += 1;
        let granule = Granule::new(area, page * GRANULES + first);
        let key = if reaches { key } else { key.stepped() };
        table.publish(granule, key, bp_vaddr, &mut self.locked);
        if reaches {
            Ok(vaddr)
        } else {
            Err(NoSlot::Unreachable)
        }
    }

    /// Finds an unused slot within reach of `bp_vaddr`. Adds a page if no page has one. Returns the
    /// slot's area, page and granule.
    fn find_unused(
        &mut self,
        table: &Table,
        granules: usize,
        bp_vaddr: usize,
    ) -> Result<(usize, usize, usize), NoSlot> {
        let mut full = false;
        let mut room = None;
        for area in 0..self.areas.len() {
            if !in_reach(table, area, bp_vaddr) {
                continue;
            }
            full = true;
            for (index, page) in self.areas[area].iter_mut().enumerate() {
                match page {
                    Some(page) => {
                        if let Some(first) = page.find(granules) {
                            return Ok((area, index, first));
                        }
                    }
                    None => {
                        room = room.or(Some((area, index)));
                        break;
                    }
                }
            }
        }
        let (area, index) = room.ok_or(NoSlot::NoArea { full })?;
        self.add_page(table, area, index)
            .map_err(|_| NoSlot::NoMemory)?;
        Ok((area, index, 0))
    }

    /// Returns a page of an area, and adds it if the area does not have it yet. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory, or when the area cannot have such a page.
    pub(crate) fn add_page(&mut self, table: &Table, area: usize, index: usize) -> Result<&Page> {
        let of = table.area(area).ok_or(ENOMEM)?;
        let place = self.areas[area].get_mut(index).ok_or(ENOMEM)?;
        let page = match place {
            Some(page) => page,
            None => {
                let page = place.insert(SlotPage::new()?);
                let records = ptr::from_ref(&*page.records).cast_mut();
                // SAFETY: The lock is held, and the area has no page with this index: nothing is
                // replaced. The memory of a box does not move with the box. All users of the
                // records share them: none gets a mutable reference. The page stays in its place
                // until `take_empty`, whose caller keeps it long enough.
                unsafe {
                    of.set_records(index, records);
                    of.set_page(index, page.memory.as_ptr());
                }
                page
            }
        };
        Ok(&page.memory)
    }

    /// Retires the slot of a probe that is gone. Returns whether the probe had a slot.
    pub(crate) fn retire(&mut self, table: &Table, key: Key, bp_vaddr: usize) -> bool {
        let Some(granule) = table.retire(key, bp_vaddr, &mut self.locked) else {
            return false;
        };
        self.linked -= 1;
        if let Some(page) = self.page_of(granule) {
            page.retired += 1;
        }
        true
    }

    /// The page of a granule.
    fn page_of(&mut self, granule: Granule) -> Option<&mut SlotPage> {
        let (area, page) = granule.page();
        self.areas.get_mut(area)?.get_mut(page)?.as_mut()
    }

    /// Calls `change` for each page that has retired slots.
    pub(crate) fn for_retired(&mut self, mut change: impl FnMut(&mut SlotPage)) {
        for page in self
            .areas
            .iter_mut()
            .flat_map(|area| area.iter_mut())
            .flatten()
        {
            if page.retired != 0 {
                change(page);
            }
        }
    }

    /// Takes a page from an area if all granules of the page are unused.
    ///
    /// # Safety
    ///
    /// The caller holds the mmap lock for writing. If there is a result, the caller unmaps the page
    /// before it releases the lock and the mmap lock, and drops the result after a grace period of
    /// RCU.
    pub(crate) unsafe fn take_empty(
        &mut self,
        table: &Table,
        area: usize,
        index: usize,
    ) -> Option<SlotPage> {
        let place = self.areas.get_mut(area)?.get_mut(index)?;
        let page = place.take_if(|page| page.is_empty())?;
        let of = table.area(area)?;
        // SAFETY: The lock is held. A granule becomes unused when its record has been in no chain
        // for a grace period of RCU Tasks Trace. The rest is by the function's requirements.
        unsafe {
            of.set_records(index, ptr::null_mut());
            of.set_page(index, ptr::null_mut());
        }
        Some(page)
    }

    /// The memory of a page, which exists until the page is taken from the area.
    #[cfg(CONFIG_UPROBES_KUNIT_TEST)]
    pub(crate) fn memory(&self, area: usize, page: usize) -> Option<*const Page> {
        let page = self.areas.get(area)?.get(page)?.as_ref()?;
        Some(&raw const page.memory)
    }

    /// Returns whether an area has a page without slots.
    pub(crate) fn has_empty(&self, area: usize) -> bool {
        self.areas[area].iter().flatten().any(SlotPage::is_empty)
    }

    /// Returns whether there are retired slots.
    pub(crate) fn has_retired(&self) -> bool {
        let mut pages = self.areas.iter().flat_map(|area| area.iter()).flatten();
        pages.any(|page| page.retired != 0)
    }
}

impl SlotPage {
    /// Changes the state of retired slots from `from` to `to`.
    pub(crate) fn change(&mut self, from: Retired, to: Retired) {
        for record in self
            .records()
            .iter()
            .filter(|record| record.is_retired(from))
        {
            record.retire(to);
        }
    }

    /// Reclaims the slots that have waited for a grace period and in which no task was seen.
    pub(crate) fn reclaim(&mut self) {
        for first in 0..GRANULES {
            if self.records[first].is_retired(Retired::Waiting) {
                self.put(first);
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        count(Counter::BoostAreas, -(self.areas.len() as isize));
    }
}
