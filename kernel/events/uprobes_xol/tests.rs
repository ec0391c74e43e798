// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the slots' state machine, of sharing, collecting, growing, exhaustion and
//! boosting.

use kernel::prelude::*;

#[kunit_tests(uprobes_xol)]
mod uprobes_xol {
    use super::super::{
        area::XolArea,
        gc::Gc,
        insn::{Insn, INSN_SIZE, INSN_WORDS},
        page::SlotPage,
        slot::{Slot, PAGES, SLOTS_PER_PAGE, SLOT_COUNT, SLOT_SIZE},
        table::{SlotPageRecords, Table},
        task::{GcLocked, Task},
    };
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    use {
        super::super::{
            boosted::{MAX_BOOSTED, RETRY_AFTER},
            slot::BOOSTED_SIZE,
        },
        core::num::NonZeroUsize,
        kernel::time::{delay::fsleep, Delta},
    };

    use kernel::{
        page::PAGE_SIZE,
        prelude::*,
        sync::{Arc, ArcBorrow}, //
    };

    /// Slots of the first page that tasks can be in: all but the trampoline's.
    const FIRST_SLOTS: usize = SLOTS_PER_PAGE - 1;

    /// Where areas are mapped.
    const VADDR: usize = 0x7000_0000;

    fn task() -> Result<Arc<Task>> {
        Arc::pin_init(Task::new(), GFP_KERNEL)
    }

    fn insn_of(words: &[usize; INSN_WORDS]) -> Insn {
        // SAFETY: As large as a `struct arch_uprobe`, which may have any value.
        *unsafe { Insn::from_raw(words.as_ptr().cast()) }
    }

    /// The instruction of a probe. Not all zeroes.
    fn insn(probe: usize) -> Insn {
        let mut words = [0; INSN_WORDS];
        words[0] = probe + 1;
        insn_of(&words)
    }

    /// Slots of one page, and what they hold.
    struct Slots {
        table: Table,
        gc: Pin<KBox<Gc>>,
    }

    impl Slots {
        fn new() -> Result<Self> {
            Ok(Self {
                table: Table::new(SlotPageRecords::new(SlotPage::new()?)?)?,
                gc: KBox::try_pin_init(Gc::new(), GFP_KERNEL)?,
            })
        }

        /// Enters, if there is a slot without growing or waiting, and returns the slot.
        fn enter(&self, task: &Arc<Task>, insn: &Insn, turn: bool) -> Option<Slot> {
            let entered = Task::enter(task.as_arc_borrow());
            if let Some(held) = entered.cached(insn) {
                return Some(held.slot());
            }
            entered.forget();
            let held = self.gc.try_take(&self.table, &entered, insn, turn);
            if held.is_none() {
                entered.leave();
            }
            held.map(|held| held.slot())
        }

        fn leave(&self, task: &Task) {
            self.gc.leave(&self.table, task);
        }

        /// Enters without the lock.
        fn find(&self, task: &Arc<Task>, insn: &Insn) -> Option<Slot> {
            let entered = Task::enter(task.as_arc_borrow());
            let held = self.table.find(&entered, insn);
            if held.is_none() {
                entered.leave();
            }
            held.map(|held| held.slot())
        }

        /// Tasks that are in all slots, the task `n` in that of the probe `n`.
        fn fill(&self) -> Result<KVec<Arc<Task>>> {
            let mut tasks = KVec::with_capacity(FIRST_SLOTS, GFP_KERNEL)?;
            for probe in 0..FIRST_SLOTS {
                let task = task()?;
                assert!(self.enter(&task, &insn(probe), true).is_some());
                tasks.push(task, GFP_KERNEL)?;
            }
            Ok(tasks)
        }

        fn evict_all(&self, tasks: &[Arc<Task>]) {
            for task in tasks {
                self.gc.evict(task);
            }
        }
    }

    fn get(area: &XolArea, task: ArcBorrow<'_, Task>, insn: &Insn) -> Result<usize> {
        area.get(task, insn).ok_or(ENOMEM)
    }

    /// The slot that a task has cached.
    fn cached(task: &Arc<Task>) -> Option<Slot> {
        let slot = Task::enter(task.as_arc_borrow()).slot();
        task.leave();
        slot
    }

    /// Enters a given slot.
    fn enter_slot(task: &Arc<Task>, slot: Slot, insn: &Insn) {
        let held = Task::enter(task.as_arc_borrow()).claim(slot, insn, || true);
        assert_eq!(held.map(|held| held.slot()), Some(slot));
    }

    #[test]
    fn geometry() {
        assert!(Slot::new(0).is_none());
        assert!(Slot::new(SLOT_COUNT as u32).is_none());
        let last = Slot::new(SLOT_COUNT as u32 - 1).unwrap();
        assert_eq!(last.page(), PAGES - 1);
        assert_eq!(last.index(), SLOTS_PER_PAGE - 1);
        assert!(last.offset() + SLOT_SIZE <= PAGES * PAGE_SIZE);
        assert_eq!(Slot::new(1).unwrap().offset(), SLOT_SIZE);
    }

    #[test]
    fn instruction_is_the_beginning_of_its_words() {
        let mut words = [0; INSN_WORDS];
        for (i, word) in words.iter_mut().enumerate() {
            *word = usize::from_ne_bytes([0xa0 + i as u8; size_of::<usize>()]);
        }
        let insn = insn_of(&words);
        for (i, byte) in insn.bytes().iter().enumerate() {
            assert_eq!(usize::from(*byte), 0xa0 + i / size_of::<usize>());
        }
        assert_eq!(insn.bytes().len(), INSN_SIZE);

        // What is done after the step counts, too.
        words[INSN_WORDS - 1] ^= 1;
        assert!(insn_of(&words) != insn);
    }

    #[test]
    fn instructions_are_spread() {
        // As of instructions that differ in an offset, which may be anywhere in them.
        for shift in (0..usize::BITS - 8).step_by(4) {
            let mut seen = [false; 256];
            for i in 0..256 {
                let mut words = [0; INSN_WORDS];
                words[0] = i << shift;
                seen[usize::from(insn_of(&words).hash()) % 256] = true;
            }
            let count = seen.iter().filter(|seen| **seen).count();
            // At random it is 162.
            assert!(count > 100);
        }
    }

    #[test]
    fn new_task_has_no_slot() -> Result {
        assert!(cached(&task()?).is_none());
        Ok(())
    }

    #[test]
    fn slot_is_kept() -> Result {
        let slots = Slots::new()?;
        let task = task()?;
        let first = slots.enter(&task, &insn(0), true);
        assert!(first.is_some());
        slots.leave(&task);
        assert_eq!(cached(&task), first);
        assert_eq!(slots.enter(&task, &insn(0), true), first);
        slots.leave(&task);
        slots.gc.evict(&task);
        assert!(cached(&task).is_none());
        Ok(())
    }

    #[test]
    fn idle_slot_is_vacated() -> Result {
        let mut locked = GcLocked::new();
        let task = task()?;
        let slot = Slot::new(1).unwrap();

        enter_slot(&task, slot, &insn(0));
        task.leave();

        // Another one is wanted.
        assert!(task.vacate(|other| other != slot, &mut locked).is_none());
        assert_eq!(cached(&task), Some(slot));

        assert!(task.vacate(|other| other == slot, &mut locked).is_none());
        assert!(cached(&task).is_none());
        Ok(())
    }

    #[test]
    fn slot_in_use_is_not_vacated() -> Result {
        let mut locked = GcLocked::new();
        let task = task()?;
        let slot = Slot::new(1).unwrap();

        enter_slot(&task, slot, &insn(0));
        assert_eq!(task.vacate(|_| true, &mut locked), Some(slot));
        task.leave();
        assert_eq!(cached(&task), Some(slot));
        assert!(task.vacate(|_| true, &mut locked).is_none());
        Ok(())
    }

    #[test]
    fn claim_of_a_wrong_slot_leaves_none() -> Result {
        let task = task()?;
        let entered = Task::enter(task.as_arc_borrow());
        let held = entered.claim(Slot::new(1).unwrap(), &insn(0), || false);
        assert!(held.is_none());
        assert!(entered.slot().is_none());
        entered.leave();
        Ok(())
    }

    #[test]
    fn same_instruction_shares_a_slot() -> Result {
        let slots = Slots::new()?;
        let (first, second, third) = (task()?, task()?, task()?);
        let slot = slots.enter(&first, &insn(0), true);
        assert!(slot.is_some());
        assert_eq!(slots.enter(&second, &insn(0), true), slot);
        let other = slots.enter(&third, &insn(1), true);
        assert!(other.is_some() && other != slot);

        // Found without the lock from now on.
        slots.leave(&third);
        assert_eq!(slots.find(&third, &insn(0)), slot);
        slots.leave(&third);
        assert_eq!(slots.find(&third, &insn(1)), other);
        for task in [&first, &second, &third] {
            slots.leave(task);
            slots.gc.evict(task);
        }
        Ok(())
    }

    #[test]
    fn slots_are_distinct() -> Result {
        let slots = Slots::new()?;
        let tasks = slots.fill()?;
        let mut seen = KVec::from_elem(false, SLOTS_PER_PAGE, GFP_KERNEL)?;
        for task in &tasks {
            slots.leave(task);
            let number = cached(task).unwrap().number() as usize;
            assert!(!seen[number]);
            seen[number] = true;
        }
        assert!(!seen[0]);
        slots.evict_all(&tasks);
        Ok(())
    }

    #[test]
    fn exhausted_area_gives_nothing_until_a_slot_is_left() -> Result {
        let slots = Slots::new()?;
        let tasks = slots.fill()?;
        let late = task()?;
        let new = insn(FIRST_SLOTS);
        assert!(slots.enter(&late, &new, true).is_none());

        // What is there can be shared all the same.
        assert!(slots.enter(&late, &insn(0), true).is_some());
        slots.leave(&late);

        slots.leave(&tasks[1]);
        assert!(slots.enter(&late, &new, true).is_some());
        // The slot now holds something else.
        assert!(cached(&tasks[1]).is_none());
        assert!(slots.enter(&tasks[1], &insn(1), true).is_none());

        slots.leave(&late);
        assert!(slots.enter(&tasks[1], &insn(1), true).is_some());
        slots.evict_all(&tasks);
        slots.gc.evict(&late);
        Ok(())
    }

    #[test]
    fn slot_that_is_shared_is_kept_for_the_last() -> Result {
        let slots = Slots::new()?;
        let tasks = slots.fill()?;
        let (sharing, late) = (task()?, task()?);
        let slot = slots.enter(&sharing, &insn(0), true);
        assert!(slot.is_some());

        slots.leave(&tasks[0]);
        assert!(slots.enter(&late, &insn(FIRST_SLOTS), true).is_none());
        // It is offered again.
        assert_eq!(slots.find(&tasks[0], &insn(0)), slot);
        slots.leave(&tasks[0]);

        slots.leave(&sharing);
        assert_eq!(slots.enter(&late, &insn(FIRST_SLOTS), true), slot);
        slots.evict_all(&tasks);
        slots.gc.evict(&sharing);
        slots.gc.evict(&late);
        Ok(())
    }

    #[test]
    fn last_unused_slot_is_left_to_those_who_wait() -> Result {
        let slots = Slots::new()?;
        let tasks = slots.fill()?;
        let late = task()?;
        let new = insn(FIRST_SLOTS);

        slots.gc.evict(&tasks[0]);
        assert!(slots.enter(&late, &new, false).is_none());

        // Two are unused: one of them may be taken.
        slots.gc.evict(&tasks[1]);
        assert!(slots.enter(&late, &new, false).is_some());
        slots.gc.evict(&late);
        slots.evict_all(&tasks);
        Ok(())
    }

    #[test]
    fn slot_of_a_dead_task_is_collected() -> Result {
        let slots = Slots::new()?;
        let tasks = slots.fill()?;
        // Dies while it is in its slot.
        slots.gc.evict(&tasks[0]);

        let late = task()?;
        assert!(slots.enter(&late, &insn(FIRST_SLOTS), true).is_some());
        slots.gc.evict(&late);
        slots.evict_all(&tasks);
        Ok(())
    }

    #[test]
    fn evicting_a_task_without_a_slot_changes_nothing() -> Result {
        let slots = Slots::new()?;
        let late = task()?;
        let new = insn(FIRST_SLOTS);
        // Before all others on the list of those that are asked.
        assert!(slots.enter(&late, &new, true).is_some());
        slots.leave(&late);
        let tasks = slots.fill()?;
        assert!(cached(&late).is_none());

        let unlisted = task()?;
        slots.gc.evict(&unlisted);
        // All are asked, the last one too: tasks are in all slots.
        assert!(slots.enter(&late, &new, true).is_none());
        slots.gc.evict(&late);
        slots.evict_all(&tasks);
        Ok(())
    }

    #[test]
    fn area_never_uses_the_trampoline() -> Result {
        let area = XolArea::new(VADDR)?;
        let task = task()?;
        let task = task.as_arc_borrow();
        let first = get(&area, task, &insn(0))?;
        assert!((VADDR + SLOT_SIZE..VADDR + PAGE_SIZE).contains(&first));
        area.put(&task);
        // Each instruction has a slot of its own, which is found again.
        let second = get(&area, task, &insn(1))?;
        assert!(second != first);
        area.put(&task);
        assert_eq!(get(&area, task, &insn(0))?, first);
        area.put(&task);
        assert_eq!(get(&area, task, &insn(1))?, second);
        area.put(&task);
        area.evict(&task);
        Ok(())
    }

    #[test]
    fn area_grows() -> Result {
        let area = XolArea::new(VADDR)?;
        assert!(area.page(0).is_some());
        let mut tasks = KVec::with_capacity(SLOTS_PER_PAGE, GFP_KERNEL)?;
        for probe in 0..FIRST_SLOTS {
            let task = task()?;
            assert!(get(&area, task.as_arc_borrow(), &insn(probe))? < VADDR + PAGE_SIZE);
            tasks.push(task, GFP_KERNEL)?;
        }
        assert!(PAGES == 1 || area.page(1).is_none());
        assert!(area.page(PAGES).is_none());

        if PAGES > 1 {
            let task = task()?;
            let vaddr = get(&area, task.as_arc_borrow(), &insn(FIRST_SLOTS))?;
            assert!((VADDR + PAGE_SIZE..VADDR + 2 * PAGE_SIZE).contains(&vaddr));
            assert!(area.page(1).is_some());
            tasks.push(task, GFP_KERNEL)?;
        }
        for task in &tasks {
            area.put(task);
            area.evict(task);
        }
        Ok(())
    }

    /// Where the probed program goes on.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    const NEXT: usize = 0x40_1234;

    /// Times to look for a slot again: grace periods of RCU Tasks Trace are over long before.
    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    const TRIES: usize = 100;

    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    #[test]
    fn boosted_slot_is_for_an_instruction_and_a_place() -> Result {
        let area = XolArea::new(VADDR)?;
        let first = area.boost(&insn(0), NEXT).ok_or(ENOMEM)?;
        assert!((VADDR + SLOT_SIZE..VADDR + PAGE_SIZE).contains(&first));
        assert_eq!(area.boost(&insn(0), NEXT), Some(first));

        let elsewhere = area.boost(&insn(0), NEXT + 1).ok_or(ENOMEM)?;
        let other = area.boost(&insn(1), NEXT).ok_or(ENOMEM)?;
        assert!(first != elsewhere && first != other && elsewhere != other);
        assert_eq!(area.boost(&insn(0), NEXT), Some(first));
        assert_eq!(area.boost(&insn(0), NEXT + 1), Some(elsewhere));

        // Who steps the same instruction does so in another slot.
        let task = task()?;
        let task = task.as_arc_borrow();
        let stepped = get(&area, task, &insn(0))?;
        assert!(![first, elsewhere, other].contains(&stepped));
        assert!(area.boosted_at(stepped).is_none());
        area.put(&task);
        area.evict(&task);
        Ok(())
    }

    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    #[test]
    fn boosted_slot_is_known_by_its_addresses() -> Result {
        let area = XolArea::new(VADDR)?;
        assert!(area.boosted_at(VADDR + SLOT_SIZE).is_none());
        let vaddr = area.boost(&insn(0), NEXT).ok_or(ENOMEM)?;
        for ip in vaddr..vaddr + BOOSTED_SIZE {
            let boosted = area.boosted_at(ip).ok_or(EINVAL)?;
            assert_eq!(boosted.vaddr, vaddr);
            assert_eq!(boosted.next, NEXT);
            assert!(boosted.insn == insn(0));
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

    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    #[test]
    fn no_slot_jumps_to_nowhere() -> Result {
        let area = XolArea::new(VADDR)?;
        assert!(area.boost(&insn(0), 0).is_none());
        Ok(())
    }

    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    #[test]
    fn boosted_slot_is_not_collected() -> Result {
        let slots = Slots::new()?;
        let next = NonZeroUsize::new(NEXT).ok_or(EINVAL)?;
        let slot = slots.gc.boost(&slots.table, &insn(0), next, |_| None);
        assert!(slot.is_some());

        // Many more than there are slots, each of which is taken away.
        let task = task()?;
        for probe in 0..4 * SLOTS_PER_PAGE {
            assert!(slots.enter(&task, &insn(probe), true) != slot);
            slots.leave(&task);
        }
        assert_eq!(slots.table.find_boosted(&insn(0), next), slot);
        slots.gc.evict(&task);
        Ok(())
    }

    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    #[test]
    fn half_the_slots_are_not_boosted() -> Result {
        let area = XolArea::new(VADDR)?;
        for probe in 0..MAX_BOOSTED {
            assert!(area.boost(&insn(probe), NEXT + probe).is_some());
        }
        assert!(area.boost(&insn(0), NEXT).is_some());
        assert!(area.boost(&insn(0), NEXT + MAX_BOOSTED).is_none());

        // Steps have the others.
        let mut tasks = KVec::with_capacity(SLOT_COUNT, GFP_KERNEL)?;
        for probe in 0..SLOT_COUNT - 1 - MAX_BOOSTED {
            let task = task()?;
            assert!(get(&area, task.as_arc_borrow(), &insn(probe)).is_ok());
            tasks.push(task, GFP_KERNEL)?;
        }
        for task in &tasks {
            area.put(task);
            area.evict(task);
        }
        Ok(())
    }

    #[cfg(CONFIG_UPROBES_XOL_BOOST)]
    #[test]
    fn slots_of_probes_that_are_gone_are_boosted_again() -> Result {
        let area = XolArea::new(VADDR)?;
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
        assert_eq!(boosted.next, other);
        // Slots are used from the first one on.
        assert_eq!(again, vaddr);

        // All of them, and no more.
        for probe in 1..MAX_BOOSTED {
            assert!(area.boost(&insn(probe), other + probe).is_some());
        }
        assert_eq!(area.boost(&insn(0), other), Some(again));
        assert!(area.boost(&insn(0), other + MAX_BOOSTED).is_none());
        Ok(())
    }
}
