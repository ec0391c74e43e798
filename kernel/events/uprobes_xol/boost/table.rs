// SPDX-License-Identifier: GPL-2.0

//! The table in which a hit finds the boosted slot of its probe.
//!
//! A hit follows a chain of records without a lock, and writes nothing. It judges each record by
//! the record itself. If another task changes a link at the same time, the hit may miss its slot,
//! and then looks again under the lock.

use super::{
    super::ffi::{page, random},
    ffi::{AREAS, AREA_SIZE, BOOST, FIRST_KEY, GRANULE, KEY_SHIFT, PAIR, REACH},
    slots::Locked, //
};
use core::{
    num::NonZeroU32,
    ptr::{self, NonNull}, //
};
use kernel::{
    alloc::Flags,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        SetOnce, //
    },
    try_init,
};
use pin_init::init_array_from_fn;

/// The flags of allocations. If the process is at the limit of its memory cgroup, the allocation
/// fails and hits are stepped.
pub(crate) fn flags() -> Flags {
    GFP_KERNEL_ACCOUNT | __GFP_NORETRY
}

/// Granules of a page.
pub(crate) const GRANULES: usize = PAGE_SIZE / GRANULE;

/// Pages of an area.
pub(crate) const PAGES: usize = AREA_SIZE / PAGE_SIZE;

/// The most records of a chain that a search looks at. No chain gets longer.
pub(crate) const LONGEST_SEARCH: usize = 16;

/// The binary logarithm of the number of chains of the first level. Each further level has four
/// times as many chains.
const FIRST_BITS: u32 = 5;
const BITS_PER_LEVEL: u32 = 2;

/// The number of levels. The last level has one chain for each granule that a process can have.
const LEVELS: usize = {
    let most = (AREAS * (AREA_SIZE / GRANULE)).ilog2();
    ((most - FIRST_BITS).div_ceil(BITS_PER_LEVEL) + 1) as usize
};

/// The number that means "no record": the end of a chain.
const END: u32 = 0;

/// The second granule of a pair.
const SECOND: u64 = 0x40;
/// The probe is stepped: its slot would be out of reach.
const STEPPED: u64 = 0x80;

static_assert!((BOOST | SECOND | STEPPED) >> KEY_SHIFT == 0);
static_assert!(BOOST & (SECOND | STEPPED) == 0);

/// The use of a granule: the number of a probe, and the result of `arch_uprobe_boost()` for its
/// instruction. No two probes have the same number.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Key(u64);

/// The state of a retired slot, which replaces the number of the probe in the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retired {
    /// The slot waits for a grace period that has not begun yet.
    Fresh = 0,
    /// The slot waits for the end of a grace period: hits that found it may not be in it yet.
    Waiting = 1,
    /// A task was seen in the slot.
    Occupied = 2,
}

impl Key {
    /// The granule is unused.
    const UNUSED: Self = Self(0);

    /// The key of a probe, as `uprobe_boost_key()` returns it.
    #[inline(always)]
    pub(crate) const fn new(key: u64) -> Self {
        Self(key)
    }

    /// The key of a record that says that the probe is stepped.
    pub(crate) fn stepped(self) -> Self {
        Self(self.0 | STEPPED)
    }

    /// Returns whether a slot with this key belongs to the probe with the key `probe`.
    pub(crate) fn is_of(self, probe: Self) -> bool {
        self.0 & !STEPPED == probe.0
    }

    /// The result of `arch_uprobe_boost()`.
    pub(crate) fn boost(self) -> u8 {
        (self.0 & BOOST) as u8
    }

    /// The number of granules of the slot.
    pub(crate) fn granules(self) -> usize {
        if self.0 & PAIR != 0 {
            2
        } else {
            1
        }
    }

    /// Returns whether the slot belongs to a probe.
    fn is_live(self) -> bool {
        self.0 >> KEY_SHIFT >= FIRST_KEY
    }

    /// Returns whether this is the first granule of a slot in this state.
    fn is_retired(self, state: Retired) -> bool {
        self.0 & !SECOND != 0 && self.0 & SECOND == 0 && self.0 >> KEY_SHIFT == state as u64
    }

    /// The key of the slot in this state.
    fn retired(self, state: Retired) -> Self {
        Self((self.0 & ((1 << KEY_SHIFT) - 1)) | ((state as u64) << KEY_SHIFT))
    }
}

/// The record of a granule.
///
/// # Invariants
///
/// - Only the first granule of a slot has a key with a number, and is in a chain.
/// - While `key` has the number of a probe, neither `rel` nor the slot's memory changes.
/// - All fields are written under the lock, except that the task which reclaims slots makes
///   `Waiting` slots `Occupied`.
#[repr(C)]
pub(crate) struct Record {
    key: Atomic<u64>,
    /// The slot's address less that of the probe.
    rel: Atomic<i32>,
    /// The next record of the chain, or [`END`]. It always leads to a record or to the end.
    next: Atomic<u32>,
}

static_assert!(size_of::<Record>() == 16);
// For the casts of `rel`.
static_assert!(REACH <= 1 << 31);

impl Record {
    /// The record of an unused granule.
    pub(crate) const fn new() -> Self {
        Self {
            key: Atomic::new(Key::UNUSED.0),
            // Without a meaning. A page of zeroes would be written byte by byte, by `rep stosb`.
            rel: Atomic::new(-1),
            next: Atomic::new(END),
        }
    }

    #[inline(always)]
    fn key(&self) -> Key {
        // ORDERING: Acquire pairs with the release in `publish`: a task that sees a probe's key
        // sees `rel`, and what was written to the slot's memory (litmus/boost-find.litmus).
        Key(self.key.load(Acquire))
    }

    /// Returns whether the granule is unused. Under the lock.
    pub(crate) fn is_unused(&self) -> bool {
        self.key() == Key::UNUSED
    }

    /// Returns whether this is the first granule of a slot that belongs to a probe. Under the lock.
    pub(crate) fn is_live(&self) -> bool {
        self.key().is_live()
    }

    /// Returns whether this is the first granule of a retired slot in this state.
    pub(crate) fn is_retired(&self, state: Retired) -> bool {
        self.key().is_retired(state)
    }

    /// The number of granules of the slot. This must be the first granule.
    pub(crate) fn granules(&self) -> usize {
        self.key().granules()
    }

    /// Makes the granule the second one of a slot. Under the lock.
    pub(crate) fn set_second(&self) {
        // ORDERING: Relaxed: the release in `publish` comes later. A task that is in the slot saw
        // the key of the first granule (litmus/boost-find.litmus).
        self.key.store(SECOND, Relaxed);
    }

    /// Makes the granule unused. Under the lock.
    pub(crate) fn set_unused(&self) {
        // ORDERING: Relaxed: no hit can get to the record any more, and no task is in the slot
        // (litmus/boost-grace.litmus).
        self.key.store(Key::UNUSED.0, Relaxed);
    }

    /// Assigns the slot to the probe at `bp_vaddr`. Under the lock.
    fn publish(&self, key: Key, bp_vaddr: usize, vaddr: usize) {
        // ORDERING: Relaxed: the release below comes later (litmus/boost-find.litmus).
        //
        // CAST: Slot and probe are within reach of each other: see the assertion.
        self.rel.store(vaddr.wrapping_sub(bp_vaddr) as i32, Relaxed);
        // INVARIANT: The memory of an unused slot was written before this.
        //
        // ORDERING: Release pairs with the acquire in `key` (litmus/boost-find.litmus).
        self.key.store(key.0, Release);
    }

    /// Retires the slot, or changes the state of a retired one.
    pub(crate) fn retire(&self, state: Retired) {
        // ORDERING: Relaxed: a hit that starts after the next grace period has begun sees that the
        // slot has no probe. The grace period waits for all other hits (litmus/boost-grace.litmus).
        self.key.store(self.key().retired(state).0, Relaxed);
    }

    /// The address of the probe whose slot is at `vaddr`.
    #[inline(always)]
    fn bp_vaddr(&self, vaddr: usize) -> usize {
        // ORDERING: Relaxed: the acquire in `key` came before (litmus/boost-find.litmus).
        //
        // CAST: The sign is extended. Slot and probe are within reach of each other.
        vaddr.wrapping_sub(self.rel.load(Relaxed) as usize)
    }
}

/// The records of a page.
pub(crate) type Records = [Record; GRANULES];

/// An area: where it is mapped, its pages, and their records.
///
/// # Invariants
///
/// - A pointer to records is null, or valid. Records are freed a grace period of RCU after their
///   pointer was made null. It is made null only when the records have been in no chain for a
///   grace period of RCU Tasks Trace.
/// - A pointer to a page is null, or valid. It is made null only while the mmap lock is held for
///   writing, and the page is freed after that.
pub(crate) struct Area {
    pub(crate) vaddr: usize,
    records: [Atomic<*mut Records>; PAGES],
    pages: [Atomic<*mut page>; PAGES],
}

impl Area {
    /// An area without pages.
    pub(crate) fn new() -> Result<KBox<Self>> {
        // INVARIANT: All pointers are null.
        KBox::try_init(
            try_init!(Self {
                vaddr: 0,
                records <- init_array_from_fn(|_| Atomic::new(ptr::null_mut())),
                pages <- init_array_from_fn(|_| Atomic::new(ptr::null_mut())),
            }),
            flags(),
        )
    }

    /// The record of a granule, if the area has the granule's page.
    ///
    /// # Safety
    ///
    /// One of these holds, from the call until the last use of the result:
    ///
    /// - The lock is held.
    /// - The current task is an RCU reader.
    /// - It is an RCU Tasks Trace reader that followed a chain to the granule.
    /// - It is the task that reclaims the process's slots. Only this task frees records.
    #[inline(always)]
    unsafe fn record(&self, granule: usize) -> Option<&Record> {
        // ORDERING: Acquire pairs with the release in `set_records`: the records are initialised
        // (litmus/boost-records.litmus).
        let records = self.records.get(granule / GRANULES)?.load(Acquire);
        // SAFETY: Valid until the last use, by the type's invariants: records are freed only after
        // a grace period for both kinds of readers, by the task that reclaims slots. They are made
        // unreachable only under the lock.
        Some(unsafe { &(*records.as_ref()?)[granule % GRANULES] })
    }

    /// Makes the records of a page reachable, or unreachable if `records` is null.
    ///
    /// # Safety
    ///
    /// - The lock is held.
    /// - `records` is null, or valid until a grace period of RCU after it was replaced. No task
    ///   gets a mutable reference to the records until then.
    /// - The records that this replaces, if any, have been in no chain for a grace period of RCU
    ///   Tasks Trace.
    pub(crate) unsafe fn set_records(&self, page: usize, records: *mut Records) {
        // INVARIANT: By the function's requirements.
        //
        // ORDERING: Release pairs with the acquire in `record`: the records are initialised
        // (litmus/boost-records.litmus).
        self.records[page].store(records, Release);
    }

    /// The page with this index, if the area has it. The page is not freed while the mmap lock is
    /// held.
    pub(crate) fn page(&self, index: usize) -> Option<NonNull<page>> {
        // ORDERING: Acquire pairs with the release in `set_page`: the page was filled before. The
        // same as for a key (litmus/boost-find.litmus).
        NonNull::new(self.pages.get(index)?.load(Acquire))
    }

    /// Makes a page reachable, or unreachable if `page` is null.
    ///
    /// # Safety
    ///
    /// - The lock is held.
    /// - `page` is null, or valid until it is replaced.
    /// - If `page` is null, the mmap lock is held for writing. The page that this replaces is not
    ///   freed before the mmap lock is released.
    pub(crate) unsafe fn set_page(&self, index: usize, page: *mut page) {
        // INVARIANT: By the function's requirements.
        //
        // ORDERING: Release pairs with the acquire in `page`: the page was filled before
        // (litmus/boost-find.litmus).
        self.pages[index].store(page, Release);
    }
}

static_assert!(AREAS * PAGES * GRANULES < u32::MAX as usize);

/// The number of a granule in its process.
#[derive(Clone, Copy)]
pub(crate) struct Granule(NonZeroU32);

impl Granule {
    /// The granule with this index in an area.
    pub(crate) fn new(area: usize, index: usize) -> Self {
        let number = area * (PAGES * GRANULES) + index;
        // CAST: A number is less than that of all granules: see the assertion.
        Self(NonZeroU32::MIN.saturating_add(number as u32))
    }

    #[inline(always)]
    fn index(self) -> usize {
        (self.0.get() - 1) as usize
    }

    #[inline(always)]
    fn area(self) -> usize {
        self.index() / (PAGES * GRANULES) % AREAS
    }

    /// The area, and the page in it.
    pub(crate) fn page(self) -> (usize, usize) {
        (self.area(), self.in_area() / GRANULES)
    }

    #[inline(always)]
    fn in_area(self) -> usize {
        self.index() % (PAGES * GRANULES)
    }
}

/// The meaning of an instruction pointer in a boosted slot.
pub(crate) struct Place<'a> {
    pub(crate) record: &'a Record,
    /// The address of the slot.
    pub(crate) vaddr: usize,
}

impl Place<'_> {
    /// The address of the probe.
    pub(crate) fn bp_vaddr(&self) -> usize {
        self.record.bp_vaddr(self.vaddr)
    }

    /// The result of `arch_uprobe_boost()`.
    pub(crate) fn boost(&self) -> u8 {
        self.record.key().boost()
    }

    /// Marks the slot, which a task is in, if the slot is about to be reclaimed.
    pub(crate) fn occupy(&self) {
        if self.record.is_retired(Retired::Waiting) {
            self.record.retire(Retired::Occupied);
        }
    }
}

/// The table of a process.
///
/// # Invariants
///
/// `chains` points to the chains of a level, which exist as long as the table does.
pub(crate) struct Table {
    /// The chains in use: those of the last level.
    chains: Atomic<*const Chains>,
    /// An odd random number: no user knows which addresses have the same chain.
    factor: u64,
    levels: [SetOnce<KBox<Chains>>; LEVELS],
    areas: [SetOnce<KBox<Area>>; AREAS],
}

/// The number of chains of a level.
pub(crate) const fn chains_of(level: u32) -> usize {
    1 << (FIRST_BITS + level * BITS_PER_LEVEL)
}

/// The heads of the chains of a level.
struct Chains {
    /// The number of low bits of a hash that do not belong to the number of its chain.
    shift: u32,
    heads: KVVec<Atomic<u32>>,
}

impl Chains {
    /// Creates the empty chains of a level. May sleep.
    fn new(level: u32) -> Result<KBox<Self>> {
        let number = chains_of(level);
        let mut heads = KVVec::with_capacity(number, flags())?;
        for _ in 0..number {
            // There is capacity for all heads.
            let _ = heads.push_within_capacity(Atomic::new(END));
        }
        let shift = u64::BITS - number.ilog2();
        Ok(KBox::new(Self { shift, heads }, flags())?)
    }
}

impl Table {
    /// Returns an initialiser for an empty table. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when there is no memory.
    pub(crate) fn new() -> impl Init<Self, Error> {
        // Initialised in place, without a copy: each process with a boosted probe needs a table.
        try_init!(Self {
            chains: Atomic::new(ptr::null()),
            factor: random() | 1,
            levels <- init_array_from_fn(|_| SetOnce::new()),
            areas <- init_array_from_fn(|_| SetOnce::new()),
        })
        .chain(|table: &mut Self| {
            let chains = Chains::new(0)?;
            let pointer = &raw const *chains;
            if !table.levels[0].populate(chains) {
                return Err(EINVAL);
            }
            // INVARIANT: The table owns the box from now on, and never moves or drops it.
            table.chains = Atomic::new(pointer);
            Ok(())
        })
    }

    /// Makes `area` the one with this index. Returns false if there is one.
    #[must_use]
    pub(crate) fn add_area(&self, index: usize, area: KBox<Area>, _: &mut Locked) -> bool {
        self.areas
            .get(index)
            .is_some_and(|place| place.populate(area))
    }

    /// The area with this index, if there is one.
    #[inline(always)]
    pub(crate) fn area(&self, index: usize) -> Option<&Area> {
        Some(self.areas.get(index)?.as_ref()?)
    }

    /// The area that has the address `vaddr`. Takes no lock. An area exists as long as the table
    /// does.
    pub(crate) fn area_at(&self, vaddr: usize) -> Option<(usize, &Area)> {
        let areas = self.areas.iter().map_while(|area| area.as_ref());
        let mut areas = areas.map(|area| &**area).enumerate();
        areas.find(|(_, area)| vaddr.wrapping_sub(area.vaddr) < AREA_SIZE)
    }

    /// The chains in use.
    #[inline(always)]
    fn chains(&self) -> &Chains {
        // ORDERING: Acquire pairs with the release in `spread`: the heads are initialised. The
        // same as for a key (litmus/boost-find.litmus).
        //
        // SAFETY: Valid by the type's invariants.
        unsafe { &*self.chains.load(Acquire) }
    }

    /// The head of the chain for a probe at this address.
    #[inline(always)]
    fn head(&self, bp_vaddr: usize) -> Option<&Atomic<u32>> {
        let chains = self.chains();
        chains.heads.get(self.bucket(bp_vaddr, chains.shift))
    }

    /// The chain for a probe at this address, where `shift` is that of the chains.
    #[inline(always)]
    pub(crate) fn bucket(&self, bp_vaddr: usize, shift: u32) -> usize {
        let product = (bp_vaddr as u64).wrapping_mul(self.factor);
        // The products of consecutive addresses are as regular as the addresses. This scatters
        // them.
        let scattered = (product ^ (product >> (u64::BITS / 2))).wrapping_mul(self.factor);
        (scattered >> (shift % u64::BITS)) as usize
    }

    /// The record with this number, and the address of its granule.
    ///
    /// # Safety
    ///
    /// As for [`Area::record`].
    #[inline(always)]
    unsafe fn at(&self, granule: Granule) -> Option<(&Record, usize)> {
        let area = self.area(granule.area())?;
        let index = granule.in_area();
        // SAFETY: By the function's requirements.
        let record = unsafe { area.record(index) }?;
        Some((record, area.vaddr.wrapping_add(index * GRANULE)))
    }

    /// Finds the slot of a probe, and returns the slot's address. Takes no lock, and writes
    /// nothing. May miss a slot while another task changes the table.
    ///
    /// # Safety
    ///
    /// One of these holds, from the call until the last use of the result:
    ///
    /// - The current task is an RCU Tasks Trace reader. If it goes to the slot, the last use is
    ///   that the slot's address becomes its instruction pointer.
    /// - The lock is held.
    #[inline(always)]
    pub(crate) unsafe fn find(&self, key: Key, bp_vaddr: usize) -> Option<usize> {
        // ORDERING: Relaxed: decides nothing. A hit judges each record by the record itself.
        let mut link = self.head(bp_vaddr)?.load(Relaxed);
        for _ in 0..LONGEST_SEARCH {
            let granule = Granule(NonZeroU32::new(link)?);
            // SAFETY: By the function's requirements.
            let (record, vaddr) = unsafe { self.at(granule) }?;
            if record.key() == key && record.bp_vaddr(vaddr) == bp_vaddr {
                return Some(vaddr);
            }
            // ORDERING: Relaxed: decides nothing, as above.
            link = record.next.load(Relaxed);
        }
        None
    }

    /// Finds the slot that an instruction pointer is in.
    ///
    /// # Safety
    ///
    /// As for [`Area::record`].
    ///
    /// The result is stable only while a task is in the slot.
    pub(crate) unsafe fn at_ip(&self, ip: usize) -> Option<Place<'_>> {
        let (_, area) = self.area_at(ip)?;
        let mut index = (ip - area.vaddr) / GRANULE;
        // SAFETY: By the function's requirements.
        let mut record = unsafe { area.record(index) }?;
        if record.key().0 == SECOND {
            index = index.checked_sub(1)?;
            // SAFETY: By the function's requirements.
            record = unsafe { area.record(index) }?;
        }
        (!record.is_unused()).then_some(Place {
            record,
            vaddr: area.vaddr + index * GRANULE,
        })
    }

    /// Returns whether the chain for this address can get another record. Takes no lock, and may
    /// be wrong while another task changes the table.
    ///
    /// # Safety
    ///
    /// The current task is an RCU Tasks Trace reader during the call, or the lock is held.
    pub(crate) unsafe fn has_room(&self, bp_vaddr: usize) -> bool {
        // ORDERING: Relaxed: decides nothing except whether a slot is made. This is checked again
        // under the lock.
        let mut link = self.head(bp_vaddr).map_or(END, |head| head.load(Relaxed));
        for _ in 0..LONGEST_SEARCH {
            let Some(number) = NonZeroU32::new(link) else {
                return true;
            };
            // SAFETY: By the function's requirements.
            let next = unsafe { self.at(Granule(number)) };
            // ORDERING: Relaxed: decides nothing else, as above.
            link = next.map_or(END, |(record, _)| record.next.load(Relaxed));
        }
        false
    }

    /// Assigns the slot that begins with `granule` to the probe at `bp_vaddr`.
    pub(crate) fn publish(&self, granule: Granule, key: Key, bp_vaddr: usize, _: &mut Locked) {
        // SAFETY: The lock is held.
        if let Some((record, vaddr)) = unsafe { self.at(granule) } {
            record.publish(key, bp_vaddr, vaddr);
            self.link(granule, record, bp_vaddr);
        }
    }

    /// Puts a record at the beginning of the chain for `bp_vaddr`. Under the lock.
    fn link(&self, granule: Granule, record: &Record, bp_vaddr: usize) {
        if let Some(head) = self.head(bp_vaddr) {
            // ORDERING: Relaxed: decides nothing. A hit judges each record by the record itself.
            // Links are written only under the lock, which orders this for other writers.
            record.next.store(head.load(Relaxed), Relaxed);
            head.store(granule.0.get(), Relaxed);
        }
    }

    /// Retires the slot of a probe: no hit that begins after this finds the slot. Returns the
    /// slot's first granule.
    pub(crate) fn retire(&self, key: Key, bp_vaddr: usize, _: &mut Locked) -> Option<Granule> {
        let mut link = self.head(bp_vaddr)?;
        loop {
            // ORDERING: Relaxed: decides nothing for hits. Only under the lock are links written.
            let granule = Granule(NonZeroU32::new(link.load(Relaxed))?);
            // SAFETY: The lock is held.
            let (record, vaddr) = unsafe { self.at(granule) }?;
            let found = record.key();
            if (found == key || found == key.stepped()) && record.bp_vaddr(vaddr) == bp_vaddr {
                // ORDERING: Relaxed: a hit that starts after the next grace period has begun does
                // not find the record. The grace period waits for all other hits
                // (litmus/boost-grace.litmus).
                link.store(record.next.load(Relaxed), Relaxed);
                // When this record is used again, the records that followed it may have been freed:
                // a hit must not go on to them. A hit that is at this record now looks again under
                // the lock.
                record.next.store(END, Relaxed);
                record.retire(Retired::Fresh);
                return Some(granule);
            }
            link = &record.next;
        }
    }

    /// Spreads the records over more chains, if there are too many of them, `records`, for the
    /// present chains. May sleep.
    pub(crate) fn spread(&self, records: usize, _: &mut Locked) {
        let number = self.chains().heads.len();
        let Some(level) = self
            .levels
            .iter()
            .position(|level| level.as_ref().is_none())
        else {
            return;
        };
        if records < 2 * number {
            return;
        }
        // If there is no memory, the chains get longer.
        let Ok(chains) = Chains::new(level as u32) else {
            return;
        };
        let pointer = &raw const *chains;
        if !self.levels[level].populate(chains) {
            return;
        }
        // INVARIANT: The table owns the box from now on, and never moves or drops it.
        //
        // Hits that follow a chain during this loop may miss their slot.
        //
        // ORDERING: Release pairs with the acquire in `chains` (litmus/boost-find.litmus).
        self.chains.store(pointer, Release);
        for (number, area) in self
            .areas
            .iter()
            .map_while(|area| area.as_ref())
            .enumerate()
        {
            for index in 0..PAGES * GRANULES {
                // SAFETY: The lock is held.
                if let Some(record) = unsafe { area.record(index) } {
                    if record.is_live() {
                        let vaddr = area.vaddr + index * GRANULE;
                        self.link(Granule::new(number, index), record, record.bp_vaddr(vaddr));
                    }
                }
            }
        }
    }

    /// The probe whose slot begins with `granule`, and the probe's address.
    pub(crate) fn probe_of(&self, granule: Granule, _: &mut Locked) -> Option<(Key, usize)> {
        // SAFETY: The lock is held.
        let (record, vaddr) = unsafe { self.at(granule) }?;
        record
            .is_live()
            .then(|| (record.key(), record.bp_vaddr(vaddr)))
    }
}
