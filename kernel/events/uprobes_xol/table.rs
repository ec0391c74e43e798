// SPDX-License-Identifier: GPL-2.0

//! Which slot holds which instruction.
//!
//! Tasks look here without a lock, and without writing anything that others read. What is found may
//! be retracted in the same moment: a task first says that it is in the slot and then asks once
//! more ([`Entered::claim`]).
//!
//! A slot is *unused*, or it is *offered*: tasks find it and may get into it. An offered one is
//! *retracted* before it can become unused: nobody finds it any more, but some may still be in it.
//!
//! A *boosted* slot is not offered but found by other means, without being claimed. It is *retired*
//! before it can become unused, and who knows that nobody is in it is
//! [`BoostedSlots`](super::boosted::BoostedSlots).

use super::{
    insn::{Insn, InsnCell},
    page::SlotPage,
    slot::{Slot, PAGES, SLOTS_PER_PAGE, SLOT_COUNT},
    task::{Entered, GcLocked, Held},
};
#[cfg(CONFIG_UPROBES_XOL_BOOST)]
use {
    super::{
        boosted::{now, RETRY_AFTER},
        insn::spread,
    },
    core::num::NonZeroUsize,
    kernel::time::msecs_to_jiffies,
};

use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full, Relaxed, Release},
        SetOnce, //
    },
};

/// The chains of slots that the instructions are spread over.
const BUCKETS: usize = {
    let wanted = SLOT_COUNT / 4;
    if wanted < 16 {
        16
    } else {
        wanted.next_power_of_two()
    }
};

/// The end of a chain.
const END: u32 = 0;

fn new_heads() -> Result<KVVec<Atomic<u32>>> {
    let mut heads = KVVec::with_capacity(BUCKETS, GFP_KERNEL)?;
    for _ in 0..BUCKETS {
        heads.push(Atomic::new(END), GFP_KERNEL)?;
    }
    Ok(heads)
}

/// What a slot holds.
///
/// # Invariants
///
/// - `version` is odd while the slot is offered, and 0 until it is, or until it was boosted and is
///   not any more. It only grows.
/// - `insn` does not change while `version` is odd. Unless that is 0, the slot's memory holds it.
/// - All is written under the GC lock only.
/// - `target` is 0 unless the slot is boosted. Then `version` is even, neither it nor `insn`
///   changes, and the slot's memory holds `insn` and a jump to `target`.
struct Record {
    /// As wide as a word, so that a task that gets no CPU for long does not see the same one again.
    version: Atomic<usize>,
    /// The next slot in the chain. Followed without a lock: it always leads to a slot or to the
    /// end, but maybe along another chain.
    next: Atomic<u32>,
    insn: InsnCell,
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    target: Atomic<usize>,
}

impl Record {
    const fn new() -> Self {
        // INVARIANT: Not offered.
        Self {
            version: Atomic::new(0),
            next: Atomic::new(END),
            insn: InsnCell::zeroed(),
            #[cfg(CONFIG_UPROBES_XOL_BOOST)]
            target: Atomic::new(0),
        }
    }

    /// The version in which the slot is offered and holds `insn`.
    #[inline]
    fn offers(&self, insn: &Insn) -> Option<usize> {
        // ORDERING: Acquire pairs with the release in `open`: who sees the version sees the
        // instruction, and that it was written to the slot's memory (litmus/offer-claim.litmus).
        let version = self.version.load(Acquire);
        // That it is not being written meanwhile is seen from the version being the same later
        // (litmus/find-rewrite.litmus).
        (version % 2 == 1 && self.insn.holds(insn)).then_some(version)
    }

    #[inline]
    fn is_version(&self, version: usize) -> bool {
        // ORDERING: Relaxed: `claim` has the barrier (litmus/claim-retract.litmus).
        self.version.load(Relaxed) == version
    }

    fn is_offered(&self) -> bool {
        self.version.load(Relaxed) % 2 == 1
    }

    /// The slot is offered from now on.
    fn open(&self) {
        // INVARIANT: Grows, from even to odd. The memory holds what `insn` says: both were written
        // while the slot was unused.
        //
        // ORDERING: Release pairs with the acquire in `offers`, see there
        // (litmus/offer-claim.litmus).
        let version = self.version.load(Relaxed).wrapping_add(1);
        self.version.store(version, Release);
    }

    /// The slot is not offered any more.
    fn close(&self) {
        // INVARIANT: Grows, from odd to even.
        //
        // ORDERING: Full: others can see it before the tasks are asked, and pairs with the barrier
        // in `claim` (litmus/claim-retract.litmus); and before the instruction is written
        // (litmus/find-rewrite.litmus).
        let version = self.version.load(Relaxed).wrapping_add(1);
        self.version.xchg(version, Full);
    }
}

#[cfg(CONFIG_UPROBES_XOL_BOOST)]
impl Record {
    /// Where the slot's jump leads, if it is boosted.
    #[inline]
    fn target(&self) -> Option<NonZeroUsize> {
        // ORDERING: Acquire pairs with the release in `boost`: who sees this sees the instruction,
        // and that both were written to the slot's memory (litmus/boost-find.litmus).
        NonZeroUsize::new(self.target.load(Acquire))
    }

    /// The slot is boosted from now on.
    fn boost(&self, target: NonZeroUsize) {
        // INVARIANT: The memory holds `insn` and the jump: both were written while the slot was
        // unused.
        //
        // ORDERING: Release pairs with the acquire in `target`, see there
        // (litmus/boost-find.litmus).
        self.target.store(target.get(), Release);
    }

    /// What the slot executes and where its jump leads, if it is boosted.
    fn boosted(&self) -> Option<(Insn, NonZeroUsize)> {
        // ORDERING: Acquire pairs with the full barrier in `unboost`: who sees that version does
        // not see the target before (litmus/boosted-rewrite.litmus).
        let before = self.version.load(Acquire);
        let target = self.target()?;
        let insn = self.insn.get();
        // What was written after the slot had been boosted is not taken for what it was boosted
        // for: the version comes after the instruction (litmus/boosted-rewrite.litmus).
        self.is_version(before).then_some((insn, target))
    }

    /// The slot is not boosted any more.
    fn unboost(&self) {
        self.target.store(0, Relaxed);
        // INVARIANT: Grows, and stays even.
        //
        // ORDERING: Full: others can see it after the target is gone, and before the instruction is
        // written. Pairs with the orderings in `boosted`, see there
        // (litmus/boosted-rewrite.litmus).
        let even = self.version.load(Relaxed).wrapping_add(2);
        self.version.xchg(even, Full);
    }
}

/// A page of an area, and what its slots hold.
pub(crate) struct SlotPageRecords {
    page: SlotPage,
    records: KVVec<Record>,
}

impl SlotPageRecords {
    /// Nothing is in the slots of `page`. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had.
    pub(crate) fn new(page: SlotPage) -> Result<Self> {
        let mut records = KVVec::with_capacity(SLOTS_PER_PAGE, GFP_KERNEL)?;
        for _ in 0..SLOTS_PER_PAGE {
            records.push(Record::new(), GFP_KERNEL)?;
        }
        Ok(Self { page, records })
    }
}

/// A slot that is not offered and that no task is in.
///
/// # Invariants
///
/// Whoever has it is the only one who may write the slot.
pub(crate) struct Unused(Slot);

impl Unused {
    /// `slot` has not been offered yet, or was retracted, and no task is in it.
    pub(crate) fn new(slot: Slot, _: &mut GcLocked) -> Self {
        // INVARIANT: The caller has the lock under which slots are made unused, and used.
        Self(slot)
    }

    /// The slot.
    pub(crate) fn slot(&self) -> Slot {
        self.0
    }
}

/// What the slots of an area hold.
pub(crate) struct Table {
    heads: KVVec<Atomic<u32>>,
    /// Of the chains of boosted slots.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    boosted: KVVec<Atomic<u32>>,
    /// Before this time a slot to boost is asked for in vain.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    boosting_vain_until: Atomic<usize>,
    pages: KVVec<SetOnce<SlotPageRecords>>,
}

impl Table {
    /// A table with a first page, in which nothing is found. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] when memory cannot be had.
    pub(crate) fn new(first: SlotPageRecords) -> Result<Self> {
        let mut pages = KVVec::with_capacity(PAGES, GFP_KERNEL)?;
        for _ in 0..PAGES {
            pages.push(SetOnce::new(), GFP_KERNEL)?;
        }
        pages[0].populate(first);
        Ok(Self {
            heads: new_heads()?,
            #[cfg(CONFIG_UPROBES_XOL_BOOST)]
            boosted: new_heads()?,
            #[cfg(CONFIG_UPROBES_XOL_BOOST)]
            boosting_vain_until: Atomic::new(now()),
            pages,
        })
    }

    /// Makes `page` the one with this index, which is not there yet.
    pub(crate) fn add_page(&self, index: usize, page: SlotPageRecords, _: &mut GcLocked) {
        if let Some(place) = self.pages.get(index) {
            place.populate(page);
        }
    }

    /// The page with this index, if the area has grown that far.
    pub(crate) fn page(&self, index: usize) -> Option<*mut bindings::page> {
        Some(self.pages.get(index)?.as_ref()?.page.as_ptr())
    }

    #[inline]
    fn record(&self, slot: Slot) -> Option<&Record> {
        self.pages
            .get(slot.page())?
            .as_ref()?
            .records
            .get(slot.index())
    }

    #[inline]
    fn head(&self, insn: &Insn) -> Option<&Atomic<u32>> {
        self.heads.get(usize::from(insn.hash()) % BUCKETS)
    }

    /// Finds a slot that holds `insn`, and gets the task into it. Takes no lock.
    ///
    /// May miss one while others change the table. The task must be on the list of those that are
    /// asked before a slot becomes unused.
    #[inline]
    pub(crate) fn find(&self, entered: &Entered<'_>, insn: &Insn) -> Option<Held> {
        // ORDERING: Relaxed: decides nothing, here and below. Whatever the slot, it is claimed only
        // if its own record says that it holds `insn`.
        let mut slot = Slot::new(self.head(insn)?.load(Relaxed))?;
        // Chains that are changed meanwhile might lead in circles.
        for _ in 0..SLOT_COUNT {
            let record = self.record(slot)?;
            if let Some(version) = record.offers(insn) {
                return entered.claim(slot, insn, || record.is_version(version));
            }
            slot = Slot::new(record.next.load(Relaxed))?;
        }
        None
    }

    /// Whether `slot` holds `insn`, offered or not.
    pub(crate) fn holds(&self, slot: Slot, insn: &Insn, _: &mut GcLocked) -> bool {
        self.record(slot)
            .is_some_and(|record| !record.is_version(0) && record.insn.holds(insn))
    }

    /// Writes `insn` to a slot and offers it. Does not sleep.
    pub(crate) fn offer(&self, unused: Unused, insn: &Insn, locked: &mut GcLocked) {
        let slot = unused.slot();
        // What is in the slot already is not written again.
        if !self.holds(slot, insn, locked) {
            let page = self.pages.get(slot.page()).and_then(SetOnce::as_ref);
            let (Some(page), Some(record)) = (page, self.record(slot)) else {
                return;
            };
            page.page.write(&unused, insn);
            // INVARIANT: The slot is not offered, and we have the lock.
            record.insn.set(insn);
        }
        self.restore(slot, locked);
    }

    /// Nobody finds `slot` any more. Tasks that are in it already may still be. Returns whether the
    /// slot was offered before.
    ///
    /// A full barrier: what the caller does next comes after others could see that.
    pub(crate) fn retract(&self, slot: Slot, _: &mut GcLocked) -> bool {
        let Some(record) = self.record(slot) else {
            return false;
        };
        if !record.is_offered() {
            return false;
        }
        record.close();

        if let Some(head) = self.head(&record.insn.get()) {
            self.unlink(head, slot, record);
        }
        true
    }

    /// Takes a slot out of the chain that begins with `head`. Who follows the chain just now may
    /// still get to the slot, and from there on to what is behind it.
    fn unlink(&self, head: &Atomic<u32>, slot: Slot, record: &Record) {
        let mut link = head;
        while let Some(other) = Slot::new(link.load(Relaxed)) {
            if other == slot {
                link.store(record.next.load(Relaxed), Relaxed);
                break;
            }
            let Some(other) = self.record(other) else {
                break;
            };
            link = &other.next;
        }
    }

    /// Offers a slot that was retracted and is not unused, or that has just been written.
    pub(crate) fn restore(&self, slot: Slot, _: &mut GcLocked) {
        let Some(record) = self.record(slot) else {
            return;
        };
        let Some(head) = self.head(&record.insn.get()) else {
            return;
        };
        record.open();
        record.next.store(head.load(Relaxed), Relaxed);
        head.store(slot.number(), Relaxed);
    }
}

#[cfg(CONFIG_UPROBES_XOL_BOOST)]
impl Table {
    #[inline]
    fn boosted_head(&self, next: NonZeroUsize) -> Option<&Atomic<u32>> {
        // Few probes share the address behind them.
        self.boosted.get(usize::from(spread(next.get())) % BUCKETS)
    }

    /// Finds the slot that executes `insn` and jumps to `next`. Takes no lock, and writes nothing.
    ///
    /// May miss one that is made meanwhile. The caller is an RCU Tasks Trace reader until its task
    /// has the slot's address for its instruction pointer, because one may also be found that is
    /// retired meanwhile.
    #[inline(always)]
    pub(crate) fn find_boosted(&self, insn: &Insn, next: NonZeroUsize) -> Option<Slot> {
        // ORDERING: Acquire pairs with the release in `link`, see there
        // (litmus/boost-chain.litmus).
        let mut slot = Slot::new(self.boosted_head(next)?.load(Acquire))?;
        // Chains that are changed meanwhile might lead in circles.
        for _ in 0..SLOT_COUNT {
            let record = self.record(slot)?;
            if record.target() == Some(next) && record.insn.holds(insn) {
                return Some(slot);
            }
            // ORDERING: Relaxed: decides nothing. What is behind a slot was put into the chain
            // before it.
            slot = Slot::new(record.next.load(Relaxed))?;
        }
        None
    }

    /// What `slot` executes and where its jump leads, if it is boosted. Takes no lock.
    pub(crate) fn boosted(&self, slot: Slot) -> Option<(Insn, NonZeroUsize)> {
        self.record(slot)?.boosted()
    }

    /// Whether it was found under the lock that no slot can be boosted for now. Takes no lock, so
    /// that hits for which there is none do not contend for it.
    pub(crate) fn is_boosting_vain(&self) -> bool {
        // ORDERING: Relaxed: decides nothing but how soon a change is heard of.
        let left = self.boosting_vain_until.load(Relaxed).wrapping_sub(now());
        left as isize > 0
    }

    /// No slot can be boosted, as far as is known for [`RETRY_AFTER`] milliseconds.
    pub(crate) fn forbid_boosting(&self, _: &mut GcLocked) {
        let until = now().wrapping_add(msecs_to_jiffies(RETRY_AFTER));
        self.boosting_vain_until.store(until, Relaxed);
    }

    /// A slot can be boosted, maybe.
    pub(crate) fn allow_boosting(&self, _: &mut GcLocked) {
        // The line is one that all hits read.
        if self.is_boosting_vain() {
            self.boosting_vain_until.store(now(), Relaxed);
        }
    }

    /// Makes a slot execute `insn` and jump to `next`. Does not sleep.
    pub(crate) fn boost(&self, unused: Unused, insn: &Insn, next: NonZeroUsize, _: &mut GcLocked) {
        let slot = unused.slot();
        let page = self.pages.get(slot.page()).and_then(SetOnce::as_ref);
        let (Some(page), Some(record), Some(head)) =
            (page, self.record(slot), self.boosted_head(next))
        else {
            return;
        };
        page.page.write_boosted(&unused, insn, next);
        // INVARIANT: The slot is neither offered nor boosted, and we have the lock.
        record.insn.set(insn);
        record.boost(next);
        self.link(head, slot, record);
    }

    /// Puts a boosted slot into the chain that begins with `head`.
    fn link(&self, head: &Atomic<u32>, slot: Slot, record: &Record) {
        record.next.store(head.load(Relaxed), Relaxed);
        // ORDERING: Release pairs with the acquire in `find_boosted`: who gets to the slot sees
        // what is behind it now, and not what was when it was boosted for something else, which may
        // be retired (litmus/boost-chain.litmus).
        head.store(slot.number(), Release);
    }

    /// Nobody finds the boosted `slot` any more who does not look for one already. Tasks may be in
    /// it, and leave it by its jump.
    pub(crate) fn retire(&self, slot: Slot, _: &mut GcLocked) {
        let Some(record) = self.record(slot) else {
            return;
        };
        if let Some(head) = record.target().and_then(|next| self.boosted_head(next)) {
            self.unlink(head, slot, record);
        }
    }

    /// A boosted slot that was retired is found again. Nobody looks any more who did so then.
    pub(crate) fn reinstate(&self, slot: Slot, _: &mut GcLocked) {
        let Some(record) = self.record(slot) else {
            return;
        };
        if let Some(head) = record.target().and_then(|next| self.boosted_head(next)) {
            self.link(head, slot, record);
        }
    }

    /// A boosted slot that was retired is not boosted any more: nobody finds it, and no task is in
    /// it.
    pub(crate) fn unboost(&self, slot: Slot, _: &mut GcLocked) {
        if let Some(record) = self.record(slot) {
            record.unboost();
        }
    }
}
