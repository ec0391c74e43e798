// SPDX-License-Identifier: GPL-2.0

//! KUnit tests of the slots' state machine, of allocation, recycling and exhaustion.

use kernel::prelude::*;

#[kunit_tests(uprobes_xol)]
mod uprobes_xol {
    use super::super::{
        area::XolArea,
        gc::Gc,
        slot::{Contents, Insn, Slot, INSN_SIZE, SLOT_COUNT, SLOT_SIZE},
        task::{GcLocked, Task},
    };
    use kernel::{page::PAGE_SIZE, prelude::*, sync::Arc};

    /// Slots that tasks can hold: all but the trampoline's.
    const TASK_SLOTS: usize = SLOT_COUNT - 1;

    fn task() -> Result<Arc<Task>> {
        Arc::pin_init(Task::new(), GFP_KERNEL)
    }

    fn gc() -> Result<Pin<KBox<Gc>>> {
        KBox::try_pin_init(Gc::new(), GFP_KERNEL)
    }

    /// Enters, if there is a slot without waiting for one, and returns the slot.
    fn enter(gc: &Gc, task: &Arc<Task>) -> Option<Slot> {
        match Task::enter(&task.as_arc_borrow()).or_else(|vacant| gc.try_take(vacant, true)) {
            Ok(held) => Some(held.slot()),
            Err(vacant) => {
                vacant.leave();
                None
            }
        }
    }

    /// Enters without asking anybody for a slot.
    fn enter_cached(task: &Arc<Task>) -> Option<Slot> {
        match Task::enter(&task.as_arc_borrow()) {
            Ok(held) => Some(held.slot()),
            Err(vacant) => {
                vacant.leave();
                None
            }
        }
    }

    /// Enters with a given slot, for a task that has none.
    fn enter_with(task: &Arc<Task>, slot: Slot, locked: &mut GcLocked) {
        match Task::enter(&task.as_arc_borrow()) {
            Ok(_) => panic!("has a slot"),
            Err(vacant) => assert_eq!(vacant.assign(slot, locked).slot(), slot),
        };
    }

    /// Tasks that hold all slots of `gc`, idle.
    fn fill(gc: &Gc) -> Result<KVec<Arc<Task>>> {
        let mut tasks = KVec::with_capacity(TASK_SLOTS, GFP_KERNEL)?;
        for _ in 0..TASK_SLOTS {
            let task = task()?;
            assert!(enter(gc, &task).is_some());
            gc.leave(&task);
            tasks.push(task, GFP_KERNEL)?;
        }
        assert_eq!(gc.holding(), TASK_SLOTS);
        Ok(tasks)
    }

    fn evict_all(gc: &Gc, tasks: &[Arc<Task>]) {
        for task in tasks {
            gc.evict(task);
        }
    }

    #[test]
    fn geometry() {
        assert!(Slot::new(0).is_none());
        assert!(Slot::new(SLOT_COUNT as u32).is_none());
        let last = Slot::new(SLOT_COUNT as u32 - 1).unwrap();
        assert!(last.offset() + SLOT_SIZE <= PAGE_SIZE);
        assert_eq!(Slot::new(1).unwrap().offset(), SLOT_SIZE);
    }

    #[test]
    fn instruction_survives_padding() {
        let mut bytes = [0; INSN_SIZE];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = 0xa0 + i as u8;
        }
        let insn = Insn::new(&bytes);
        assert_eq!(insn.bytes(), bytes);

        bytes[INSN_SIZE - 1] ^= 1;
        let other = Insn::new(&bytes);
        assert!(insn != other);
    }

    #[test]
    fn contents_are_remembered_for_each_slot() -> Result {
        let gc = gc()?;
        let contents = Contents::new()?;
        let insn = Insn::new(&[0x5a; INSN_SIZE]);
        let other = Insn::new(&[0xa5; INSN_SIZE]);
        let (first, second) = (task()?, task()?);

        let borrow = first.as_arc_borrow();
        let held = Task::enter(&borrow).or_else(|vacant| gc.try_take(vacant, true));
        let Ok(held) = held else { return Err(EBUSY) };
        assert!(!contents.holds(&held, &insn));
        contents.set(&held, &insn);
        assert!(contents.holds(&held, &insn));
        assert!(!contents.holds(&held, &other));

        let borrow = second.as_arc_borrow();
        let held = Task::enter(&borrow).or_else(|vacant| gc.try_take(vacant, true));
        let Ok(held) = held else { return Err(EBUSY) };
        assert!(!contents.holds(&held, &insn));

        gc.evict(&first);
        gc.evict(&second);
        Ok(())
    }

    #[test]
    fn new_task_has_no_slot() -> Result {
        assert!(enter_cached(&task()?).is_none());
        Ok(())
    }

    #[test]
    fn slot_is_kept() -> Result {
        let gc = gc()?;
        let task = task()?;
        let first = enter(&gc, &task);
        assert!(first.is_some());
        gc.leave(&task);
        assert_eq!(enter(&gc, &task), first);
        gc.leave(&task);
        assert_eq!(gc.holding(), 1);
        gc.evict(&task);
        Ok(())
    }

    #[test]
    fn idle_slot_is_recycled() -> Result {
        let mut locked = GcLocked::new();
        let task = task()?;
        let slot = Slot::new(1).unwrap();

        enter_with(&task, slot, &mut locked);
        task.leave();

        assert_eq!(task.recycle(&mut locked), Some(slot));
        // Back in state 1, without a slot.
        assert!(enter_cached(&task).is_none());
        Ok(())
    }

    #[test]
    fn slot_in_use_is_not_recycled() -> Result {
        let mut locked = GcLocked::new();
        let task = task()?;
        let slot = Slot::new(1).unwrap();

        enter_with(&task, slot, &mut locked);
        assert_eq!(task.recycle(&mut locked), None);

        task.leave();
        assert_eq!(enter_cached(&task), Some(slot));
        assert_eq!(task.recycle(&mut locked), None);
        task.leave();
        assert_eq!(task.recycle(&mut locked), Some(slot));
        Ok(())
    }

    #[test]
    fn slots_are_distinct() -> Result {
        let gc = gc()?;
        let tasks = fill(&gc)?;
        let mut seen = KVec::from_elem(false, SLOT_COUNT, GFP_KERNEL)?;
        for task in &tasks {
            let slot = enter(&gc, task).unwrap();
            let number = slot.number() as usize;
            assert!(!seen[number]);
            seen[number] = true;
            gc.leave(task);
        }
        assert!(!seen[0]);
        evict_all(&gc, &tasks);
        Ok(())
    }

    #[test]
    fn first_holder_is_recycled_first() -> Result {
        let gc = gc()?;
        let tasks = fill(&gc)?;
        let first = enter(&gc, &tasks[0]);
        gc.leave(&tasks[0]);

        let late = task()?;
        assert_eq!(enter(&gc, &late), first);
        assert_eq!(gc.holding(), TASK_SLOTS);
        gc.leave(&late);

        // The one that lost its slot takes that of the next in line, not one that is in use.
        let second = enter(&gc, &tasks[1]);
        assert!(second.is_some());
        let other = enter(&gc, &tasks[0]);
        assert!(other.is_some());
        assert!(other != second);
        gc.leave(&tasks[0]);
        gc.leave(&tasks[1]);

        evict_all(&gc, &tasks);
        gc.evict(&late);
        assert_eq!(gc.holding(), 0);
        Ok(())
    }

    #[test]
    fn exhausted_area_gives_nothing_until_a_slot_is_left() -> Result {
        let gc = gc()?;
        let tasks = fill(&gc)?;
        for task in &tasks {
            assert!(enter(&gc, task).is_some());
        }

        let late = task()?;
        assert!(enter(&gc, &late).is_none());

        let last = tasks.last().unwrap();
        gc.leave(last);
        assert!(enter(&gc, &late).is_some());
        // The slot is now that of `late`.
        assert!(enter(&gc, last).is_none());

        gc.leave(&late);
        assert!(enter(&gc, last).is_some());

        for task in &tasks {
            gc.leave(task);
        }
        evict_all(&gc, &tasks);
        gc.evict(&late);
        assert_eq!(gc.holding(), 0);
        Ok(())
    }

    #[test]
    fn last_free_slot_is_left_to_those_who_wait() -> Result {
        let gc = gc()?;
        let tasks = fill(&gc)?;
        for task in &tasks {
            assert!(enter(&gc, task).is_some());
        }
        gc.evict(&tasks[0]);

        let late = task()?;
        let borrow = late.as_arc_borrow();
        let held = Task::enter(&borrow).or_else(|vacant| gc.try_take(vacant, false));
        let Err(vacant) = held else { return Err(EBUSY) };

        // Two are free: one of them may be taken.
        gc.evict(&tasks[1]);
        assert!(gc.try_take(vacant, false).is_ok());

        gc.leave(&late);
        gc.evict(&late);
        evict_all(&gc, &tasks);
        assert_eq!(gc.holding(), 0);
        Ok(())
    }

    #[test]
    fn evicted_slot_is_free() -> Result {
        let gc = gc()?;
        let tasks = fill(&gc)?;
        for task in &tasks {
            assert!(enter(&gc, task).is_some());
        }
        // Dies while it is in its slot.
        gc.evict(&tasks[0]);
        assert_eq!(gc.holding(), TASK_SLOTS - 1);

        let late = task()?;
        assert!(enter(&gc, &late).is_some());
        gc.leave(&late);
        gc.evict(&late);
        evict_all(&gc, &tasks);
        assert_eq!(gc.holding(), 0);
        Ok(())
    }

    #[test]
    fn evicting_a_task_without_a_slot_changes_nothing() -> Result {
        let gc = gc()?;
        let tasks = fill(&gc)?;
        let late = task()?;
        gc.evict(&late);
        assert_eq!(gc.holding(), TASK_SLOTS);

        // All slots are still taken, the trampoline's too.
        for task in &tasks {
            assert!(enter(&gc, task).is_some());
        }
        assert!(enter(&gc, &late).is_none());
        for task in &tasks {
            gc.leave(task);
        }
        evict_all(&gc, &tasks);
        Ok(())
    }

    #[test]
    fn area_never_uses_the_trampoline() -> Result {
        const VADDR: usize = 0x7000_0000;

        let area = XolArea::new(VADDR)?;
        let insn = Insn::new(&[0x5a; INSN_SIZE]);
        let other = Insn::new(&[0xa5; INSN_SIZE]);
        let task = task()?;

        let task = task.as_arc_borrow();
        let first = area.get(&task, &insn)?;
        assert!(first >= VADDR + SLOT_SIZE && first < VADDR + PAGE_SIZE);
        area.put(&task);
        // Another instruction goes into the slot that the task has.
        assert_eq!(area.get(&task, &other)?, first);
        area.put(&task);
        area.evict(&task);
        Ok(())
    }
}
