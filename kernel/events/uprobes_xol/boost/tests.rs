// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of boosted slots.

use kernel::prelude::*;

#[kunit_tests(uprobes_xol_boosted)]
mod uprobes_xol_boosted {
    use crate::{
        area::XolArea,
        boost::{max_boosted, BOOSTED_SIZE, RETRY_AFTER},
        insn::{Insn, INSN_WORDS},
        slot::{PAGES, SLOTS_PER_PAGE, SLOT_COUNT, SLOT_SIZE},
        task::Task,
    };
    use kernel::{
        page::PAGE_SIZE,
        prelude::*,
        sync::Arc,
        time::{delay::fsleep, Delta}, //
    };

    /// The address at which areas are mapped.
    const VADDR: usize = 0x7000_0000;

    /// The address of the program's next instruction.
    const NEXT: usize = 0x40_1234;

    /// Slots of an area that may be boosted.
    const MAX_BOOSTED: usize = max_boosted(PAGES);

    /// The most attempts to get a slot. A grace period of RCU Tasks Trace is over after much fewer.
    const TRIES: usize = 100;

    fn area() -> Result<Pin<KBox<XolArea>>> {
        let area = XolArea::new(VADDR)?;
        area.mapped();
        Ok(area)
    }

    /// The instruction of a probe. Not all zeroes.
    fn insn(probe: usize) -> Insn {
        let mut words = [0; INSN_WORDS];
        words[0] = probe + 1;
        // SAFETY: As large as a `struct arch_uprobe`, which may have any value.
        *unsafe { Insn::from_raw(words.as_ptr().cast()) }
    }

    /// A task that is in a slot for the instruction of a probe.
    fn stepping(area: &XolArea, probe: usize) -> Result<(Arc<Task>, usize)> {
        let task = Arc::pin_init(Task::new(), GFP_KERNEL)?;
        let vaddr = area.get(task.as_arc_borrow(), &insn(probe));
        Ok((task, vaddr.ok_or(ENOMEM)?))
    }

    /// Checks that two slots differ if either the instruction or the place differs.
    #[test]
    fn slot_is_for_an_instruction_and_a_place() -> Result {
        let area = area()?;
        let first = area.boost(&insn(0), NEXT).ok_or(ENOMEM)?;
        assert!((VADDR + SLOT_SIZE..VADDR + PAGE_SIZE).contains(&first));
        assert_eq!(area.boost(&insn(0), NEXT), Some(first));

        let elsewhere = area.boost(&insn(0), NEXT + 1).ok_or(ENOMEM)?;
        let other = area.boost(&insn(1), NEXT).ok_or(ENOMEM)?;
        assert!(first != elsewhere && first != other && elsewhere != other);
        assert_eq!(area.boost(&insn(0), NEXT), Some(first));
        assert_eq!(area.boost(&insn(0), NEXT + 1), Some(elsewhere));

        // A task that steps the same instruction does so in another slot.
        let (task, stepped) = stepping(&area, 0)?;
        assert!(![first, elsewhere, other].contains(&stepped));
        assert!(area.boosted_at(stepped).is_none());
        area.put(&task);
        area.evict(&task);
        Ok(())
    }

    /// Checks that an address is in a boosted slot from its first byte to its last.
    #[test]
    fn slot_is_known_by_its_addresses() -> Result {
        let area = area()?;
        assert!(area.boosted_at(VADDR + SLOT_SIZE).is_none());
        let vaddr = area.boost(&insn(0), NEXT).ok_or(ENOMEM)?;
        for ip in vaddr..vaddr + BOOSTED_SIZE {
            let boosted = area.boosted_at(ip).ok_or(EINVAL)?;
            assert_eq!(area.vaddr_at(boosted.slot()), vaddr);
            assert_eq!(boosted.next().get(), NEXT);
            assert!(*boosted.insn() == insn(0));
        }
        let end = VADDR + PAGES * PAGE_SIZE;
        for ip in [
            0,
            VADDR - 1,
            VADDR,
            vaddr - 1,
            vaddr + BOOSTED_SIZE,
            end,
            usize::MAX,
        ] {
            assert!(area.boosted_at(ip).is_none());
        }
        Ok(())
    }

    /// Checks that no slot jumps to the address 0, which means that there is no jump.
    #[test]
    fn no_slot_jumps_to_nowhere() -> Result {
        assert!(area()?.boost(&insn(0), 0).is_none());
        Ok(())
    }

    /// Checks that a boosted slot stays when all others are collected.
    #[test]
    fn slot_is_not_collected() -> Result {
        // The area has one page only.
        let area = XolArea::new(VADDR)?;
        assert!(area.boost(&insn(0), NEXT).is_some() == (SLOTS_PER_PAGE > 3));
        let slot = area.boost(&insn(0), NEXT);

        // More instructions than there are slots. The collector takes each slot away.
        for probe in 0..4 * SLOTS_PER_PAGE {
            let (task, vaddr) = stepping(&area, probe)?;
            assert!(Some(vaddr) != slot);
            area.put(&task);
            area.evict(&task);
        }
        assert_eq!(area.boost(&insn(0), NEXT), slot);
        Ok(())
    }

    /// Checks that half the slots cannot be boosted, and serve steps.
    #[test]
    fn half_the_slots_are_not_boosted() -> Result {
        let area = area()?;
        for probe in 0..MAX_BOOSTED {
            assert!(area.boost(&insn(probe), NEXT + probe).is_some());
        }
        assert!(area.boost(&insn(0), NEXT).is_some());
        assert!(area.boost(&insn(0), NEXT + MAX_BOOSTED).is_none());

        // Steps get the other slots.
        let mut tasks = KVec::with_capacity(SLOT_COUNT, GFP_KERNEL)?;
        for probe in 0..SLOT_COUNT - 1 - MAX_BOOSTED {
            tasks.push(stepping(&area, probe)?.0, GFP_KERNEL)?;
        }
        for task in &tasks {
            area.put(task);
            area.evict(task);
        }
        Ok(())
    }

    /// Checks that half the slots serve steps, also in an area that could not be mapped as a whole.
    #[test]
    fn half_of_a_small_area_is_not_boosted() -> Result {
        let area = XolArea::new(VADDR)?;
        let most = max_boosted(1);
        for probe in 0..most {
            assert!(area.boost(&insn(probe), NEXT + probe).is_some());
        }
        assert!(area.boost(&insn(most), NEXT + most).is_none());
        assert!(area.page(1).is_none());
        Ok(())
    }

    /// Checks that up to `LONGEST_SEARCH` slots whose jumps lead to the same place are found.
    #[test]
    fn slots_that_jump_to_the_same_place_are_found() -> Result {
        let area = area()?;
        let number = MAX_BOOSTED.min(16);
        for probe in 0..number {
            assert!(area.boost(&insn(probe), NEXT).is_some());
        }
        for probe in 0..number {
            let vaddr = area.boost(&insn(probe), NEXT).ok_or(EINVAL)?;
            let boosted = area.boosted_at(vaddr).ok_or(EINVAL)?;
            assert!(*boosted.insn() == insn(probe));
            assert_eq!(area.boost(&insn(probe), NEXT), Some(vaddr));
        }
        Ok(())
    }

    /// Checks that slots whose probes are gone are boosted for other probes.
    #[test]
    fn slots_of_probes_that_are_gone_are_boosted_again() -> Result {
        let area = area()?;
        for probe in 0..MAX_BOOSTED {
            assert!(area.boost(&insn(probe), NEXT + probe).is_some());
        }
        let vaddr = area.boost(&insn(0), NEXT).ok_or(ENOMEM)?;
        let other = NEXT + MAX_BOOSTED;
        assert!(area.boost(&insn(0), other).is_none());

        // The current process has no breakpoint in any of these places.
        let mut again = None;
        for _ in 0..TRIES {
            again = area.boost(&insn(0), other);
            if again.is_some() {
                break;
            }
            fsleep(Delta::from_millis(RETRY_AFTER.into()));
        }
        let again = again.ok_or(EINVAL)?;
        let boosted = area.boosted_at(again).ok_or(EINVAL)?;
        assert_eq!(boosted.next().get(), other);
        // Slots are used from the first one on.
        assert_eq!(again, vaddr);

        // All slots of probes that are gone are boosted again, and no others.
        for probe in 1..MAX_BOOSTED {
            assert!(area.boost(&insn(probe), other + probe).is_some());
        }
        assert_eq!(area.boost(&insn(0), other), Some(again));
        assert!(area.boost(&insn(0), other + MAX_BOOSTED).is_none());
        Ok(())
    }
}
