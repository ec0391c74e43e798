// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of boosted slots.

use kernel::prelude::*;

#[kunit_tests(uprobes_xol_boosted)]
mod uprobes_xol_boosted {
    use crate::boost::{
        ffi::{AREA_SIZE, FIRST_KEY, GRANULE, KEY_SHIFT, PAIR, REACH},
        slots::NewArea,
        table::{chains_of, Key, Place, Retired, Table, GRANULES, LONGEST_SEARCH, PAGES},
        BoostedSlots,
    };
    use core::cell::Cell;
    use kernel::{page::PAGE_SIZE, prelude::*, sync::Arc};

    /// The address of an area.
    const VADDR: usize = 16 * AREA_SIZE;

    /// The address of a probe.
    const BP: usize = 0x40_1234;

    /// Bytes of an instruction.
    const LENGTH: u64 = 4;

    /// The key of a probe.
    fn key(probe: u64) -> Key {
        Key::new(((FIRST_KEY + 1 + probe) << KEY_SHIFT) | LENGTH)
    }

    /// The key of a probe whose slot has two granules.
    fn pair(probe: u64) -> Key {
        Key::new(((FIRST_KEY + 1 + probe) << KEY_SHIFT) | LENGTH | PAIR)
    }

    /// Boosted slots with one area. No task is in a slot.
    fn slots() -> Result<Arc<BoostedSlots>> {
        let slots = BoostedSlots::new(None)?;
        slots.mapped(NewArea::new()?, VADDR);
        Ok(slots)
    }

    fn find(slots: &BoostedSlots, key: Key, bp_vaddr: usize) -> Option<usize> {
        // SAFETY: Nothing is reclaimed during the call.
        unsafe { slots.table.find(key, bp_vaddr) }
    }

    fn at(slots: &BoostedSlots, ip: usize) -> Option<Place<'_>> {
        // SAFETY: Nothing is reclaimed during the call.
        unsafe { slots.table.at_ip(ip) }
    }

    /// Finds or makes a slot that is within reach.
    fn make(slots: &Arc<BoostedSlots>, key: Key, bp_vaddr: usize) -> Option<usize> {
        // SAFETY: Nothing is reclaimed during the call, and the key has a number.
        unsafe { BoostedSlots::make(slots.as_arc_borrow(), key, bp_vaddr, |_, _| true) }.ok()
    }

    /// Retires the slot of a probe. Returns whether there was one.
    fn retire(slots: &BoostedSlots, key: Key, bp_vaddr: usize) -> bool {
        slots.inner.lock().retire(&slots.table, key, bp_vaddr)
    }

    /// Reclaims slots as the work item does after a grace period. A task was seen at `seen`.
    fn reclaim(slots: &BoostedSlots, seen: Option<usize>) {
        slots.begin();
        if let Some(ip) = seen {
            // SAFETY: Nothing is freed during the call.
            unsafe { slots.occupy(ip) };
        }
        slots.finish(true);
    }

    /// Checks that a slot belongs to a probe and an address.
    #[test]
    fn slot_is_for_a_probe_and_an_address() -> Result {
        let slots = slots()?;
        assert!(find(&slots, key(0), BP).is_none());
        let first = make(&slots, key(0), BP).ok_or(ENOMEM)?;
        assert!((VADDR..VADDR + AREA_SIZE).contains(&first));
        assert_eq!(find(&slots, key(0), BP), Some(first));
        assert_eq!(make(&slots, key(0), BP), Some(first));
        assert!(find(&slots, key(1), BP).is_none());
        assert!(find(&slots, key(0), BP + 1).is_none());

        let elsewhere = make(&slots, key(0), BP + 1).ok_or(ENOMEM)?;
        let other = make(&slots, key(1), BP).ok_or(ENOMEM)?;
        assert!(first != elsewhere && first != other && elsewhere != other);
        assert_eq!(find(&slots, key(0), BP), Some(first));
        assert_eq!(find(&slots, key(0), BP + 1), Some(elsewhere));
        assert_eq!(find(&slots, key(1), BP), Some(other));
        Ok(())
    }

    /// Checks that an address is in a slot from the slot's first byte to its last.
    #[test]
    fn slot_is_known_by_its_addresses() -> Result {
        let slots = slots()?;
        assert!(at(&slots, VADDR).is_none());
        let single = make(&slots, key(0), BP).ok_or(ENOMEM)?;
        let double = make(&slots, pair(1), BP + 8).ok_or(ENOMEM)?;
        assert_eq!(double % (2 * GRANULE), 0);
        for (vaddr, size, bp_vaddr) in [(single, GRANULE, BP), (double, 2 * GRANULE, BP + 8)] {
            for ip in vaddr..vaddr + size {
                let place = at(&slots, ip).ok_or(EINVAL)?;
                assert_eq!(place.vaddr, vaddr);
                assert_eq!(place.bp_vaddr(), bp_vaddr);
                assert_eq!(u64::from(place.boost() & 15), LENGTH);
            }
        }
        for ip in [
            0,
            VADDR - 1,
            double + 2 * GRANULE,
            VADDR + AREA_SIZE,
            usize::MAX,
        ] {
            assert!(at(&slots, ip).is_none());
        }
        Ok(())
    }

    /// Checks that the bytes of a slot are those that `write` made for its address.
    #[test]
    fn slot_is_written_for_its_address() -> Result {
        let slots = slots()?;
        let mut of = 0;
        let write = |vaddr, bytes: &mut [u8; 2 * GRANULE]| {
            bytes.fill(vaddr as u8 | 1);
            true
        };
        for probe in 0..3 {
            // SAFETY: Nothing is reclaimed during the call, and the key has a number.
            let made = unsafe { BoostedSlots::make(slots.as_arc_borrow(), key(probe), BP, write) };
            of = made.map_err(|_| ENOMEM)?;
        }
        let page = slots.inner.lock().memory(0, 0).ok_or(EINVAL)?;
        for (offset, expected) in [(of - VADDR, of as u8 | 1), (of - VADDR + GRANULE, 0xcc)] {
            let mut byte = 0u8;
            // SAFETY: The page is there as long as the slots, and no task writes it.
            unsafe { (*page).read_raw(&raw mut byte, offset, 1) }?;
            assert!(byte == expected || (expected == 0xcc && !cfg!(CONFIG_X86_64)));
        }
        Ok(())
    }

    /// Checks that a probe whose slot would be out of reach is stepped, and that the next hit makes
    /// no slot.
    #[test]
    fn probe_out_of_reach_is_stepped() -> Result {
        let slots = slots()?;
        let asked = Cell::new(0);
        for _ in 0..2 {
            // SAFETY: Nothing is reclaimed during the call, and the key has a number.
            let made = unsafe {
                BoostedSlots::make(slots.as_arc_borrow(), key(0), BP, |_, _| {
                    asked.set(asked.get() + 1);
                    false
                })
            };
            assert!(made.is_err());
        }
        assert_eq!(asked.get(), 1);
        assert!(find(&slots, key(0), BP).is_none());
        // Other probes are boosted at once.
        assert!(make(&slots, key(1), BP).is_some());
        assert!(retire(&slots, key(0), BP));
        Ok(())
    }

    /// Checks that a slot is made only in an area within reach of the probe.
    #[test]
    fn slot_is_within_reach() -> Result {
        let slots = BoostedSlots::new(None)?;
        slots.mapped(NewArea::new()?, 4 * REACH);
        slots.mapped(NewArea::new()?, 8 * REACH);
        for (bp_vaddr, area) in [
            (4 * REACH - REACH / 2, 4 * REACH),
            (8 * REACH + REACH / 2, 8 * REACH),
        ] {
            let vaddr = make(&slots, key(0), bp_vaddr).ok_or(ENOMEM)?;
            assert!((area..area + AREA_SIZE).contains(&vaddr));
        }
        // There is no process in which an area could be mapped.
        let mut inner = slots.inner.lock();
        assert!(inner
            .make(&slots.table, key(1), 6 * REACH, |_, _| true)
            .is_err());
        Ok(())
    }

    /// Checks that a whole area is used, page by page, and that all slots are found.
    #[test]
    fn area_is_used_as_a_whole() -> Result {
        let slots = slots()?;
        let most = PAGES * GRANULES;
        for probe in 0..most {
            let vaddr = make(&slots, key(probe as u64), BP + probe).ok_or(ENOMEM)?;
            assert_eq!(vaddr, VADDR + probe * GRANULE);
        }
        for probe in 0..most {
            let vaddr = find(&slots, key(probe as u64), BP + probe);
            assert_eq!(vaddr, Some(VADDR + probe * GRANULE));
        }
        assert!(!slots.inner.lock().has_room(&slots.table, BP));

        // The slots that were made last are the first in their chains.
        for probe in (0..most).rev() {
            assert!(retire(&slots, key(probe as u64), BP + probe));
        }
        reclaim(&slots, None);
        assert!(slots.inner.lock().has_empty(0));
        assert_eq!(make(&slots, key(0), BP), Some(VADDR));
        Ok(())
    }

    /// Checks that pairs are aligned and use the page to its end.
    #[test]
    fn pairs_fit_into_a_page() -> Result {
        let slots = slots()?;
        make(&slots, key(0), BP).ok_or(ENOMEM)?;
        for probe in 1..GRANULES / 2 {
            let vaddr = make(&slots, pair(probe as u64), BP + probe).ok_or(ENOMEM)?;
            assert_eq!(vaddr, VADDR + 2 * probe * GRANULE);
        }
        // One granule is left beside the first slot.
        assert_eq!(make(&slots, pair(0), BP), Some(VADDR + PAGE_SIZE));
        assert_eq!(make(&slots, key(1), BP), Some(VADDR + GRANULE));
        Ok(())
    }

    /// Checks that the chain of an address does not get longer than a search.
    #[test]
    fn chain_is_not_longer_than_a_search() -> Result {
        let slots = slots()?;
        for probe in 0..LONGEST_SEARCH as u64 {
            assert!(make(&slots, key(probe), BP).is_some());
        }
        for probe in 0..LONGEST_SEARCH as u64 {
            assert!(find(&slots, key(probe), BP).is_some());
        }
        assert!(!slots.was_asked_lately());
        assert!(make(&slots, key(LONGEST_SEARCH as u64), BP).is_none());
        assert!(slots.was_asked_lately());
        // Other probes are boosted at once.
        let elsewhere = (1..=64).map(|offset| make(&slots, key(0), BP + offset));
        assert!(elsewhere.flatten().count() > 32);
        Ok(())
    }

    /// Checks that a sweep retires the slots of probes that are gone, even if another probe is at
    /// their address, and no other slot.
    #[test]
    fn sweep_makes_room_in_a_chain() -> Result {
        let slots = slots()?;
        let elsewhere = make(&slots, key(0), BP + 1).ok_or(ENOMEM)?;
        // SAFETY: Nothing is reclaimed during the call, and the key has a number.
        let stepped = |probe| unsafe {
            let slots = slots.as_arc_borrow();
            BoostedSlots::make(slots, probe, BP + 2, |_, _| false)
        };
        assert!(stepped(key(1)).is_err());
        let gone = LONGEST_SEARCH as u64;
        for probe in 0..gone {
            make(&slots, key(probe), BP);
        }
        assert!(make(&slots, key(gone), BP).is_none());
        slots.sweep(|bp_vaddr| match bp_vaddr - BP {
            0 => key(gone),
            1 => key(0),
            _ => key(1),
        });
        assert!((0..gone).all(|probe| find(&slots, key(probe), BP).is_none()));
        assert_eq!(find(&slots, key(0), BP + 1), Some(elsewhere));
        assert!(find(&slots, key(1).stepped(), BP + 2).is_some());
        assert!(make(&slots, key(gone), BP).is_some());

        slots.sweep(|_| Key::new(0));
        assert!(find(&slots, key(0), BP + 1).is_none());
        assert!(find(&slots, key(1).stepped(), BP + 2).is_none());
        reclaim(&slots, None);
        assert!(slots.inner.lock().has_empty(0));
        Ok(())
    }

    /// Checks that addresses next to each other are spread over the chains.
    #[test]
    fn addresses_are_spread() -> Result {
        const LEVEL: u32 = 1;
        const SHIFT: u32 = u64::BITS - chains_of(LEVEL).ilog2();
        // If the hash function were linear, about one factor in a hundred would not spread them.
        for _ in 0..1000 {
            let table = KBox::try_init(Table::new(), GFP_KERNEL)?;
            let mut seen = KVec::from_elem(false, chains_of(LEVEL), GFP_KERNEL)?;
            for bp_vaddr in (0x40_1000..0x40_2000).step_by(16) {
                seen[table.bucket(bp_vaddr, SHIFT)] = true;
            }
            assert!(seen.iter().filter(|seen| **seen).count() > 256 / 4);
        }
        Ok(())
    }

    /// Checks that a retired slot is not found, and is used again only when no task was seen in it.
    #[test]
    fn slot_is_reclaimed_when_no_task_is_in_it() -> Result {
        let slots = slots()?;
        let vaddr = make(&slots, pair(0), BP).ok_or(ENOMEM)?;
        assert!(!retire(&slots, pair(1), BP));
        assert!(!retire(&slots, pair(0), BP + 1));
        assert!(retire(&slots, pair(0), BP));
        assert!(find(&slots, pair(0), BP).is_none());
        assert!(!retire(&slots, pair(0), BP));

        // A task that is in the slot still has its place in the program.
        for seen in [vaddr, vaddr + LENGTH as usize, vaddr + GRANULE] {
            reclaim(&slots, Some(seen));
            assert_eq!(at(&slots, vaddr).ok_or(EINVAL)?.bp_vaddr(), BP);
            assert!(make(&slots, pair(1), BP + seen) != Some(vaddr));
        }
        reclaim(&slots, None);
        assert!(at(&slots, vaddr).is_none());
        assert_eq!(make(&slots, pair(2), BP), Some(vaddr));
        Ok(())
    }

    /// Checks that a slot that is retired during a grace period waits for the next grace period.
    #[test]
    fn slot_waits_for_a_grace_period_of_its_own() -> Result {
        let slots = slots()?;
        let first = make(&slots, key(0), BP).ok_or(ENOMEM)?;
        let second = make(&slots, key(1), BP).ok_or(ENOMEM)?;
        assert!(retire(&slots, key(0), BP));
        slots.begin();
        assert!(retire(&slots, key(1), BP));
        slots.finish(true);
        assert!(at(&slots, first).is_none());
        assert!(at(&slots, second).is_some());
        assert!(slots.inner.lock().has_retired());
        reclaim(&slots, None);
        assert!(at(&slots, second).is_none());
        assert!(!slots.inner.lock().has_retired());
        Ok(())
    }

    /// Checks that no slot is reclaimed if some tasks were not seen.
    #[test]
    fn all_tasks_must_be_seen() -> Result {
        let slots = slots()?;
        let vaddr = make(&slots, key(0), BP).ok_or(ENOMEM)?;
        assert!(retire(&slots, key(0), BP));
        slots.begin();
        slots.finish(false);
        assert!(at(&slots, vaddr).is_some());
        reclaim(&slots, None);
        assert!(at(&slots, vaddr).is_none());
        Ok(())
    }

    /// Checks that the states of retired slots differ from each other and from a probe's.
    #[test]
    fn states_differ() -> Result {
        let slots = slots()?;
        let vaddr = make(&slots, key(0), BP).ok_or(ENOMEM)?;
        let states = [Retired::Fresh, Retired::Waiting, Retired::Occupied];
        let is = |state| at(&slots, vaddr).is_some_and(|place| place.record.is_retired(state));
        assert!(!states.into_iter().any(is));
        assert!(retire(&slots, key(0), BP));
        for state in states {
            at(&slots, vaddr).ok_or(EINVAL)?.record.retire(state);
            assert!(states
                .into_iter()
                .all(|other| is(other) == (other == state)));
        }
        Ok(())
    }
}
