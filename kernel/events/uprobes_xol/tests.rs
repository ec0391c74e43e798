// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the slots' state machine, of sharing, collecting, growing and exhaustion.

use kernel::prelude::*;

#[kunit_tests(uprobes_xol)]
mod uprobes_xol {
    use crate::{
        area::XolArea,
        hash::{Hasher, BUCKETS},
        insn::{Insn, HASHED_WORDS, INSN_WORDS},
        page::SlotPage,
        slot::{Slot, PAGES, SLOTS_PER_PAGE, SLOT_COUNT, SLOT_SIZE},
        slots::{Locked, Slots},
        task::Task,
    };
    use kernel::{
        page::PAGE_SIZE,
        prelude::*,
        sync::{Arc, ArcBorrow}, //
    };

    /// Slots of the first page that tasks can be in: all but the trampoline's.
    const FIRST_SLOTS: usize = SLOTS_PER_PAGE - 1;

    /// The address at which areas are mapped.
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
    struct OnePage(Pin<KBox<Slots>>);

    impl OnePage {
        fn new() -> Result<Self> {
            let slots = Slots::new(SlotPage::new(GFP_KERNEL)?);
            Ok(Self(KBox::try_pin_init(slots, GFP_KERNEL)?))
        }

        /// Enters, and returns the slot. Returns `None` if the area would have to grow, or the task
        /// to wait.
        fn enter(&self, task: &Arc<Task>, insn: &Insn, turn: bool) -> Option<Slot> {
            let entered = Task::enter(task.as_arc_borrow());
            if let Some(held) = entered.cached(insn) {
                return Some(held.slot());
            }
            entered.forget();
            let held = self.0.try_take(&entered, insn, turn);
            if held.is_none() {
                entered.leave();
            }
            held.map(|held| held.slot())
        }

        fn leave(&self, task: &Task) {
            self.0.leave(task);
        }

        /// Enters without the lock.
        fn find(&self, task: &Arc<Task>, insn: &Insn) -> Option<Slot> {
            let entered = Task::enter(task.as_arc_borrow());
            let held = self.0.table.find(&entered, insn);
            if held.is_none() {
                entered.leave();
            }
            held.map(|held| held.slot())
        }

        /// Fills all slots: the task `n` is in the slot for the instruction of the probe `n`.
        /// Returns the tasks.
        fn fill(&self) -> Result<KVec<Arc<Task>>> {
            let mut tasks = KVec::with_capacity(FIRST_SLOTS, GFP_KERNEL)?;
            for probe in 0..FIRST_SLOTS {
                let task = task()?;
                assert!(self.enter(&task, &insn(probe), true).is_some());
                tasks.push(task, GFP_KERNEL)?;
            }
            Ok(tasks)
        }

        fn evict(&self, task: &Task) {
            // SAFETY: Each test has one area.
            unsafe { self.0.evict(task) };
        }

        fn evict_all(&self, tasks: &[Arc<Task>]) {
            for task in tasks {
                self.evict(task);
            }
        }
    }

    fn evict(area: &XolArea, task: &Task) {
        // SAFETY: Each test has one area.
        unsafe { area.evict(task) };
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

    /// Checks that numbers, pages and addresses of slots belong together.
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

    /// Checks that the bytes to execute are the beginning of the structure, and that instructions
    /// are compared by the whole structure.
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
        assert_eq!(
            insn.bytes().len().div_ceil(size_of::<usize>()),
            HASHED_WORDS
        );

        // The part that describes what to do after the step is compared, too.
        words[INSN_WORDS - 1] ^= 1;
        assert!(insn_of(&words) != insn);
    }

    /// The number of chains that instructions fall into.
    fn chains(hasher: &Hasher, insns: &[Insn]) -> Result<usize> {
        let mut seen = KVec::from_elem(false, BUCKETS, GFP_KERNEL)?;
        for insn in insns {
            seen[hasher.insn(insn).bucket()] = true;
        }
        Ok(seen.iter().filter(|seen| **seen).count())
    }

    /// Checks that instructions that differ in a few neighbouring bits are spread over the chains,
    /// wherever these bits are.
    #[test]
    fn instructions_are_spread() -> Result {
        let hasher = Hasher::new();
        for shift in (0..usize::BITS - 8).step_by(4) {
            let mut insns = KVec::with_capacity(256, GFP_KERNEL)?;
            for i in 0..256 {
                let mut words = [0; INSN_WORDS];
                words[0] = i << shift;
                insns.push(insn_of(&words), GFP_KERNEL)?;
            }
            // A random function would spread them over nearly as many chains.
            let most = BUCKETS.min(256);
            assert!(chains(&hasher, &insns)? > most / 4);
        }
        Ok(())
    }

    /// A hash function that a program could know. It is the same for all areas, and depends on the
    /// first word only.
    fn fixed_hash(word: usize) -> usize {
        const FACTOR: usize = 0x9e37_79b9_7f4a_7c15_u64 as usize;

        let product = word.wrapping_mul(FACTOR);
        let hash = product ^ (product >> (usize::BITS / 2 - 2));
        hash.wrapping_mul(FACTOR) >> (usize::BITS - u16::BITS)
    }

    /// Checks that instructions with the same known hash are spread over the chains of an area.
    #[test]
    fn collisions_cannot_be_chosen() -> Result {
        const NUMBER: usize = 64;

        let mut insns = KVec::with_capacity(NUMBER, GFP_KERNEL)?;
        let colliding = (0..).filter(|&word| fixed_hash(word) % BUCKETS == 0);
        for word in colliding.take(NUMBER) {
            let mut words = [0; INSN_WORDS];
            words[0] = word;
            insns.push(insn_of(&words), GFP_KERNEL)?;
        }
        let most = BUCKETS.min(NUMBER);
        assert!(chains(&Hasher::new(), &insns)? > most / 4);

        // Two areas have different collisions.
        let (one, other) = (Hasher::new(), Hasher::new());
        let mut differ = false;
        for insn in &insns {
            differ |= one.insn(insn).bucket() != other.insn(insn).bucket();
        }
        assert!(differ);
        Ok(())
    }

    /// Checks that a task begins without a slot.
    #[test]
    fn new_task_has_no_slot() -> Result {
        assert!(cached(&task()?).is_none());
        Ok(())
    }

    /// Checks that a task that leaves its slot finds it again.
    #[test]
    fn slot_is_kept() -> Result {
        let slots = OnePage::new()?;
        let task = task()?;
        let first = slots.enter(&task, &insn(0), true);
        assert!(first.is_some());
        slots.leave(&task);
        assert_eq!(cached(&task), first);
        assert_eq!(slots.enter(&task, &insn(0), true), first);
        slots.leave(&task);
        slots.evict(&task);
        assert!(cached(&task).is_none());
        Ok(())
    }

    /// Checks that a task that is not in its slot can be vacated.
    #[test]
    fn idle_slot_is_vacated() -> Result {
        let mut locked = Locked::new();
        let task = task()?;
        let slot = Slot::new(1).unwrap();

        enter_slot(&task, slot, &insn(0));
        task.leave();

        // The collector wants another slot.
        assert!(task.vacate(|other| other != slot, &mut locked).is_none());
        assert_eq!(cached(&task), Some(slot));

        assert!(task.vacate(|other| other == slot, &mut locked).is_none());
        assert!(cached(&task).is_none());
        Ok(())
    }

    /// Checks that a task that is in its slot cannot be vacated.
    #[test]
    fn slot_in_use_is_not_vacated() -> Result {
        let mut locked = Locked::new();
        let task = task()?;
        let slot = Slot::new(1).unwrap();

        enter_slot(&task, slot, &insn(0));
        assert_eq!(task.vacate(|_| true, &mut locked), Some(slot));
        task.leave();
        assert_eq!(cached(&task), Some(slot));
        assert!(task.vacate(|_| true, &mut locked).is_none());
        Ok(())
    }

    /// Checks that a task that claims a slot too late has no slot.
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

    /// Checks that tasks that execute the same instruction are in the same slot.
    #[test]
    fn same_instruction_shares_a_slot() -> Result {
        let slots = OnePage::new()?;
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
            slots.evict(task);
        }
        Ok(())
    }

    /// Checks that different instructions are in different slots.
    #[test]
    fn slots_are_distinct() -> Result {
        let slots = OnePage::new()?;
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

    /// Checks that a slot is recycled only when its task has left it.
    #[test]
    fn exhausted_area_gives_nothing_until_a_slot_is_left() -> Result {
        let slots = OnePage::new()?;
        let tasks = slots.fill()?;
        let late = task()?;
        let new = insn(FIRST_SLOTS);
        assert!(slots.enter(&late, &new, true).is_none());

        // A slot that holds the instruction can still be shared.
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
        slots.evict(&late);
        Ok(())
    }

    /// Checks that a shared slot is not recycled while one of its tasks is in it.
    #[test]
    fn slot_that_is_shared_is_kept_for_the_last() -> Result {
        let slots = OnePage::new()?;
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
        slots.evict(&sharing);
        slots.evict(&late);
        Ok(())
    }

    /// Checks that a task does not take the last unused slot if other tasks come before it.
    #[test]
    fn last_unused_slot_is_left_to_those_who_wait() -> Result {
        let slots = OnePage::new()?;
        let tasks = slots.fill()?;
        let late = task()?;
        let new = insn(FIRST_SLOTS);

        slots.evict(&tasks[0]);
        assert!(slots.enter(&late, &new, false).is_none());

        // Two are unused: one of them may be taken.
        slots.evict(&tasks[1]);
        assert!(slots.enter(&late, &new, false).is_some());
        slots.evict(&late);
        slots.evict_all(&tasks);
        Ok(())
    }

    /// Checks that the slot of a task that died in it is recycled.
    #[test]
    fn slot_of_a_dead_task_is_collected() -> Result {
        let slots = OnePage::new()?;
        let tasks = slots.fill()?;
        // Dies while it is in its slot.
        slots.evict(&tasks[0]);

        let late = task()?;
        assert!(slots.enter(&late, &insn(FIRST_SLOTS), true).is_some());
        slots.evict(&late);
        slots.evict_all(&tasks);
        Ok(())
    }

    /// Checks that the collector still checks all tasks after a task without a slot died.
    #[test]
    fn evicting_a_task_without_a_slot_changes_nothing() -> Result {
        let slots = OnePage::new()?;
        let late = task()?;
        let new = insn(FIRST_SLOTS);
        // This task is the first on the list of tasks.
        assert!(slots.enter(&late, &new, true).is_some());
        slots.leave(&late);
        let tasks = slots.fill()?;
        assert!(cached(&late).is_none());

        let unlisted = task()?;
        slots.evict(&unlisted);
        // The collector checks all tasks, also the last one: tasks are in all slots.
        assert!(slots.enter(&late, &new, true).is_none());
        slots.evict(&late);
        slots.evict_all(&tasks);
        Ok(())
    }

    /// Checks that no task gets the slot of the trampoline.
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
        evict(&area, &task);
        Ok(())
    }

    /// Checks that an area gets a second page when the first one is full.
    #[test]
    fn area_grows() -> Result {
        let area = XolArea::new(VADDR)?;
        area.mapped();
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
            evict(&area, task);
        }
        Ok(())
    }

    /// Checks that an area does not grow beyond what is mapped.
    #[test]
    fn area_that_is_mapped_in_part_does_not_grow() -> Result {
        let area = XolArea::new(VADDR)?;
        let mut tasks = KVec::with_capacity(SLOTS_PER_PAGE, GFP_KERNEL)?;
        for probe in 0..FIRST_SLOTS {
            let task = task()?;
            assert!(get(&area, task.as_arc_borrow(), &insn(probe))? < VADDR + PAGE_SIZE);
            tasks.push(task, GFP_KERNEL)?;
        }
        let late = task()?;
        assert!(area.get(late.as_arc_borrow(), &insn(FIRST_SLOTS)).is_none());
        assert!(area.page(1).is_none());

        // A slot that a task has left is enough.
        area.put(&tasks[0]);
        assert!(get(&area, late.as_arc_borrow(), &insn(FIRST_SLOTS))? < VADDR + PAGE_SIZE);
        area.put(&late);
        evict(&area, &late);
        for task in &tasks {
            evict(&area, task);
        }
        Ok(())
    }
}
