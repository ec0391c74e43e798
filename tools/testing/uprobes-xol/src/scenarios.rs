// SPDX-License-Identifier: GPL-2.0

//! What tasks do with an area, for an explorer to find the worst schedule of it.

use super::{
    area::XolArea,
    gc::BATCH,
    insn::Insn,
    slot::{Slot, PAGES, SLOTS_PER_PAGE, SLOT_COUNT, SLOT_SIZE},
    slots::Locked,
    task::Task,
};
#[cfg(any(not(feature = "loom"), feature = "two-slots"))]
use super::{page::SlotPage, slots::Slots, task::Entered};
use crate::explore::Scenario;
use kernel::{
    bindings::{
        self, arch_uprobe,
        backend::thread,
        model::{self, Property},
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc,
};
use std::sync::{
    atomic::{AtomicBool, Ordering::Relaxed},
    Arc as Shared,
};

/// Where the area is mapped.
const VADDR: usize = 0x7000_0000;

/// Slots that tasks can be in.
const TASK_SLOTS: usize = SLOT_COUNT - 1;

/// Slots of the first page that tasks can be in.
const FIRST_SLOTS: usize = SLOTS_PER_PAGE - 1;

/// Whether collections take small steps (`small-steps.patch`).
///
/// The collector then releases the area's lock after each task. If there is a crowd, the schedules
/// of two tasks that collect are too many: in `claim-retract`, 16 thousand with one preemption, 234
/// thousand with two. Three preemptions are explored with large steps, and with small steps where
/// tasks have one slot. What stays unexplored is a defect that needs a second preemption as well as
/// a lock that is released between two tasks of which one is of the crowd.
const SMALL_STEPS: bool = BATCH == 2;

/// Probes that only those hit who are to fill the area.
const CROWD: usize = 100;

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "vacated-owner",
        about: "a task enters its slot while it is taken away",
        run: vacated_owner,
        preemptions: None,
    },
    Scenario {
        name: "vacated-mover",
        about: "a task leaves its slot and gives it up while it is asked for it",
        run: vacated_mover,
        preemptions: None,
    },
    Scenario {
        name: "claim-retract",
        about: "a task finds a slot while another one takes it out of the table",
        run: claim_retract,
        preemptions: Some(if SMALL_STEPS && TASK_SLOTS > 1 { 1 } else { 3 }),
    },
    Scenario {
        name: "two-tasks",
        about: "two tasks hit twice, each another probe",
        run: || run_tasks(&[&[0, 0], &[1, 1]]),
        preemptions: Some(3),
    },
    Scenario {
        name: "three-tasks",
        about: "three tasks hit, each another probe",
        run: || run_tasks(&[&[0], &[1], &[2]]),
        preemptions: Some(2),
    },
    Scenario {
        name: "changing-probes",
        about: "a task hits a probe and then another one, while a task hits a third",
        run: || run_tasks(&[&[0, 2], &[1]]),
        preemptions: Some(3),
    },
    #[cfg(not(feature = "loom"))]
    Scenario {
        name: "eight-tasks",
        about: "eight tasks hit five probes three times each, two of them get killed",
        run: eight_tasks,
        preemptions: None,
    },
    Scenario {
        name: "same-probe",
        about: "two tasks hit the same probe twice",
        run: same_probe,
        preemptions: Some(3),
    },
    Scenario {
        name: "shared-slot",
        about: "a task is in a slot, and others come for the same instruction",
        run: shared_slot,
        preemptions: Some(3),
    },
    Scenario {
        name: "shared-while-asked",
        about: "a task comes for an instruction whose slot is being taken away, with a task in it",
        run: shared_while_asked,
        preemptions: Some(2),
    },
    Scenario {
        name: "found-when-written",
        about: "a task finds a slot while an instruction is written there",
        run: found_when_written,
        preemptions: Some(3),
    },
    Scenario {
        name: "written-before",
        about: "a slot that was taken away holds the right instruction already",
        run: written_before,
        preemptions: None,
    },
    Scenario {
        name: "zeroes",
        about: "an instruction that looks like a slot that was never written",
        run: zeroes,
        preemptions: None,
    },
    Scenario {
        name: "alternating",
        about: "a task hits two probes in turns",
        run: alternating,
        preemptions: None,
    },
    Scenario {
        name: "left-idle",
        about: "a task leaves the last slot and does not come back, another one needs it",
        run: left_idle,
        preemptions: Some(4),
    },
    Scenario {
        name: "left-by-two",
        about: "two tasks leave the last slot at the same time, another one needs it",
        run: left_by_two,
        preemptions: Some(2),
    },
    Scenario {
        name: "death-in-slot",
        about: "a task dies in the last slot, another one waits",
        run: death_in_slot,
        preemptions: Some(4),
    },
    Scenario {
        name: "killed-waiter",
        about: "two tasks wait for the last slot, one of them is killed",
        run: killed_waiter,
        preemptions: Some(2),
    },
    Scenario {
        name: "waiters-share",
        about: "two tasks wait to execute the same instruction, and one of them stays in the slot",
        run: waiters_share,
        preemptions: Some(2),
    },
    Scenario {
        name: "stranger-between",
        about: "two wait to execute the same instruction, and between them one for another",
        run: stranger_between,
        preemptions: Some(1),
    },
    Scenario {
        name: "left-to-waiter",
        about: "a task leaves the last slot to one that waits, and is back at once",
        run: left_to_waiter,
        preemptions: Some(3),
    },
    Scenario {
        name: "freed-to-waiter",
        about: "a task dies in the last slot, and another one comes before the one that waits",
        run: freed_to_waiter,
        preemptions: Some(3),
    },
    Scenario {
        name: "exit-while-asked",
        about: "tasks die while all tasks are asked for a slot",
        run: exit_while_asked,
        preemptions: Some(2),
    },
    #[cfg(any(not(feature = "loom"), feature = "two-slots"))]
    Scenario {
        name: "moved-on",
        about:
            "a task moves from the slot that another one waits for into a third one's, and stays",
        run: moved_on,
        preemptions: Some(3),
    },
    #[cfg(any(not(feature = "loom"), feature = "two-slots"))]
    Scenario {
        name: "claimed-too-late",
        about: "a task seems to be in a slot that it found too late, while another one leaves it",
        run: claimed_too_late,
        preemptions: Some(3),
    },
    #[cfg(any(not(feature = "loom"), feature = "two-pages"))]
    Scenario {
        name: "mapped-in-part",
        about: "an area is full that may not grow, and then may",
        run: mapped_in_part,
        preemptions: None,
    },
    #[cfg(any(not(feature = "loom"), feature = "two-pages"))]
    Scenario {
        name: "two-grow",
        about: "two tasks need a page at the same time",
        run: two_grow,
        preemptions: Some(3),
    },
    #[cfg(any(not(feature = "loom"), feature = "two-pages"))]
    Scenario {
        name: "grown-for-waiter",
        about: "a task waits because there is no memory, and another one gets some",
        run: grown_for_waiter,
        preemptions: Some(3),
    },
    #[cfg(any(not(feature = "loom"), feature = "two-pages"))]
    Scenario {
        name: "read-for-waiter",
        about: "a task waits because there is no memory, and another one reads the missing page",
        run: read_for_waiter,
        preemptions: Some(3),
    },
];

/// The instruction of a probe.
fn insn(arch: &arch_uprobe) -> Insn {
    // SAFETY: A valid one, without padding.
    *unsafe { Insn::from_raw(arch) }
}

/// A process with an area.
struct Process {
    area: Pin<KBox<XolArea>>,
}

/// A task of the process, with its `struct uprobe_task`.
struct Thread {
    process: Shared<Process>,
    utask: Arc<Task>,
}

/// A step: a task is in a slot.
struct Step {
    slot: usize,
    arch: arch_uprobe,
}

impl Process {
    fn new() -> Shared<Self> {
        let process = Self::unmapped();
        process.area.mapped();
        process
    }

    /// A process with an area that is not mapped yet.
    fn unmapped() -> Shared<Self> {
        let area = XolArea::new(VADDR).unwrap();
        Shared::new(Self { area })
    }

    fn thread(self: &Shared<Self>) -> Thread {
        Thread {
            process: self.clone(),
            utask: Arc::pin_init(Task::new(), GFP_KERNEL).unwrap(),
        }
    }

    /// Starts a task that hits a probe once, and dies.
    fn spawn_hit(self: &Shared<Self>, probe: usize) -> thread::JoinHandle<()> {
        let thread = self.thread();
        thread::spawn(move || {
            thread.hit(probe);
            thread.exit();
        })
    }

    /// The memory behind a page's slots, as C has it.
    fn page(&self, index: usize) -> Option<&bindings::page> {
        // SAFETY: The pages live as long as the area.
        self.area.page(index).map(|page| unsafe { &*page })
    }

    /// The memory behind a slot, and the slot's place there.
    fn memory(&self, slot: usize) -> (&bindings::page, usize) {
        let page = self.page(slot * SLOT_SIZE / PAGE_SIZE);
        (page.expect("a page for the slot"), slot % SLOTS_PER_PAGE)
    }

    /// How often slots were written.
    fn writes(&self) -> usize {
        let pages = (0..PAGES).filter_map(|index| self.page(index));
        pages.map(bindings::page::writes).sum()
    }

    /// All tasks are gone: as many as there are slots can have one without waiting, each another.
    fn is_left_clean(self: Shared<Self>) {
        // It does not sleep then.
        bindings::current().kill();
        let threads: Vec<_> = (0..TASK_SLOTS).map(|_| self.thread()).collect();
        for (probe, thread) in threads.iter().enumerate() {
            Property::EverythingFreed.holds_if(thread.try_step(2 * CROWD + probe).is_some());
        }
        for thread in threads {
            thread.exit();
        }
        // Nothing but this refers to the area.
        assert!(Shared::try_unwrap(self).is_ok());
        Property::CountsAreRight.holds_if(bindings::counted() == [0; 6]);
    }
}

impl Thread {
    /// Gets to a slot with the probe's instruction. `None` if the task was killed.
    fn try_step(&self, probe: usize) -> Option<Step> {
        let arch = arch_uprobe::of_probe(probe);
        let task = self.utask.as_arc_borrow();
        let area = &self.process.area;
        let address = area.get(task, &insn(&arch));
        let address = address.or_else(|| area.wait(task).ok())?;
        let slot = (address - VADDR) / SLOT_SIZE;
        let (page, index) = self.process.memory(slot);
        page.begin(index, &arch);
        Some(Step { slot, arch })
    }

    fn step(&self, probe: usize) -> Step {
        let step = self.try_step(probe);
        Property::TakeNeverFails.holds_if(step.is_some());
        step.unwrap()
    }

    fn hit(&self, probe: usize) {
        let step = self.step(probe);
        self.end(step);
    }

    /// The instruction was executed.
    fn executed(&self, step: &Step) {
        #[cfg(not(feature = "loom"))]
        thread::yield_now();
        let (page, index) = self.process.memory(step.slot);
        page.end(index, &step.arch);
    }

    fn end(&self, step: Step) {
        self.executed(&step);
        self.process.area.put(&self.utask);
    }

    /// The task dies.
    fn exit(self) {
        // SAFETY: The task's process has one area.
        unsafe { self.process.area.evict(&self.utask) };
        Property::EverythingFreed.holds_if(Arc::strong_count(&self.utask) == 1);
    }

    /// The task is in no slot, and has none.
    fn has_no_slot(&self) -> bool {
        let none = Task::enter(self.utask.as_arc_borrow()).slot().is_none();
        self.utask.leave();
        none
    }
}

/// Lets the others run until as many as that sleep.
fn wait_for_sleepers(number: usize) {
    while model::sleepers() < number {
        thread::yield_now();
    }
}

fn vacated_owner() {
    let utask = Arc::pin_init(Task::new(), GFP_KERNEL).unwrap();
    let slot = Slot::new(1).unwrap();
    let insn = insn(&arch_uprobe::of_probe(0));
    let _ = Task::enter(utask.as_arc_borrow()).claim(slot, &insn, || true);
    utask.leave();
    let kept = Task::enter(utask.as_arc_borrow()).cached(&insn).is_some();
    Property::RightInstruction.holds_if(kept);
    utask.leave();

    // Not the explorer's: they must not order anything.
    let inside = Shared::new(AtomicBool::new(false));
    let taken = Shared::new(AtomicBool::new(false));

    let owner = thread::spawn({
        let (utask, inside, taken) = (utask.clone(), inside.clone(), taken.clone());
        move || {
            for _ in 0..2 {
                if Task::enter(utask.as_arc_borrow()).cached(&insn).is_some() {
                    Property::NoStaleSlot.holds_if(!taken.load(Relaxed));
                    inside.store(true, Relaxed);
                    #[cfg(not(feature = "loom"))]
                    thread::yield_now();
                    inside.store(false, Relaxed);
                }
                utask.leave();
            }
        }
    });
    if utask.vacate(|_| true, &mut Locked::new()).is_none() {
        Property::NoStaleSlot.holds_if(!inside.load(Relaxed));
        taken.store(true, Relaxed);
    }
    owner.join().unwrap();
}

fn vacated_mover() {
    let utask = Arc::pin_init(Task::new(), GFP_KERNEL).unwrap();
    let number = 1;
    let slot = Slot::new(number as u32).unwrap();
    let arch = arch_uprobe::of_probe(0);
    let memory = Shared::new(bindings::page::new());
    memory.write(number, &arch);
    let _ = Task::enter(utask.as_arc_borrow()).claim(slot, &insn(&arch), || true);

    let owner = thread::spawn({
        let (utask, memory) = (utask.clone(), memory.clone());
        move || {
            memory.begin(number, &arch);
            memory.end(number, &arch);
            utask.leave();
            Task::enter(utask.as_arc_borrow()).forget();
        }
    });
    if utask.vacate(|_| true, &mut Locked::new()).is_none() {
        memory.write(number, &arch_uprobe::of_probe(1));
    }
    owner.join().unwrap();
}

/// All slots are in use but one.
fn claim_retract() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let (first, second) = (process.thread(), process.thread());
    // Both are asked for slots, and the second one has the slot.
    first.hit(1);
    second.hit(0);

    let finder = thread::spawn(move || {
        first.hit(0);
        first.exit();
    });
    second.hit(1);
    finder.join().unwrap();
    second.exit();
    disperse(crowd);
    process.is_left_clean();
}

/// Runs a task for each of `hits`, the probes that it hits. The calling thread is one of them.
fn run_tasks(hits: &[&'static [usize]]) {
    let process = Process::new();
    run_tasks_of(&process, hits);
    process.is_left_clean();
}

fn run_tasks_of(process: &Shared<Process>, hits: &[&'static [usize]]) {
    let run = |probes: &'static [usize]| {
        let thread = process.thread();
        move || {
            for &probe in probes {
                thread.hit(probe);
            }
            thread.exit();
        }
    };
    let (mine, others) = hits.split_first().unwrap();
    let others: Vec<_> = others
        .iter()
        .map(|probes| thread::spawn(run(probes)))
        .collect();
    run(mine)();
    for other in others {
        other.join().unwrap();
    }
}

fn same_probe() {
    let process = Process::new();
    run_tasks_of(&process, &[&[0, 0], &[0, 0]]);
    Property::WrittenOnce.holds_if(process.writes() == 1);
    process.is_left_clean();
}

#[cfg(not(feature = "loom"))]
fn eight_tasks() {
    let process = Process::new();
    let tasks: Vec<_> = (0..8).map(|_| bindings::task_struct::new()).collect();
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (thread, task) = (process.thread(), tasks[number].clone());
            thread::spawn(move || {
                task.enter();
                for hit in 0..3 {
                    match thread.try_step((number + hit) % 5) {
                        Some(step) => thread.end(step),
                        // These are killed below.
                        None => Property::TakeNeverFails.holds_if(number < 2),
                    }
                }
                thread.exit();
            })
        })
        .collect();
    tasks[0].kill();
    tasks[1].kill();
    for thread in threads {
        thread.join().unwrap();
    }
    process.is_left_clean();
}

/// Tasks that are in slots, each in another.
fn crowd(process: &Shared<Process>, number: usize) -> Vec<(Thread, Step)> {
    let enter = |number| {
        let thread = process.thread();
        let step = thread.step(CROWD + number);
        (thread, step)
    };
    (0..number).map(enter).collect()
}

fn disperse(crowd: Vec<(Thread, Step)>) {
    for (thread, step) in crowd {
        thread.end(step);
        thread.exit();
    }
}

fn shared_slot() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let holder = process.thread();
    let step = holder.step(1);
    let others = [process.spawn_hit(1), process.spawn_hit(1)];

    // These need not wait.
    for other in others {
        other.join().unwrap();
    }
    Property::WrittenOnce.holds_if(process.writes() == TASK_SLOTS);
    holder.end(step);
    holder.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn shared_while_asked() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let holder = process.thread();
    let step = holder.step(1);
    let waiter = process.spawn_hit(2);
    let other = process.spawn_hit(1);

    // The other one needs no slot but this.
    other.join().unwrap();
    holder.end(step);
    waiter.join().unwrap();
    holder.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn found_when_written() {
    let process = Process::new();
    let finding = process.thread();
    // From now on it looks without the lock.
    finding.hit(0);
    let finder = thread::spawn(move || {
        finding.hit(1);
        finding.exit();
    });
    let thread = process.thread();
    thread.hit(1);
    finder.join().unwrap();
    thread.exit();
    process.is_left_clean();
}

fn written_before() {
    let process = Process::new();
    let thread = process.thread();
    for probe in [1, 2, 3, 2] {
        thread.hit(probe);
    }
    Property::WrittenOnce.holds_if(TASK_SLOTS == 1 || process.writes() == 3);
    thread.exit();
    process.is_left_clean();
}

fn zeroes() {
    let process = Process::new();
    let thread = process.thread();
    let arch = arch_uprobe::zeroed();
    let address = process.area.get(thread.utask.as_arc_borrow(), &insn(&arch));
    Property::RightInstruction.holds_if(address.is_some() && process.writes() == 1);
    process.area.put(&thread.utask);
    thread.exit();
    process.is_left_clean();
}

fn alternating() {
    let process = Process::new();
    let thread = process.thread();
    for probe in [1, 2, 1, 1, 2] {
        thread.hit(probe);
    }
    if TASK_SLOTS > 1 {
        Property::WrittenOnce.holds_if(process.writes() == 2);
        let before = model::locks();
        for probe in [1, 2, 1] {
            thread.hit(probe);
        }
        Property::FoundUnlocked.holds_if(model::locks() == before);
    }
    let before = model::locks();
    thread.hit(if TASK_SLOTS > 1 { 1 } else { 2 });
    Property::FoundUnlocked.holds_if(model::locks() == before);
    thread.exit();
    process.is_left_clean();
}

fn left_idle() {
    let process = Process::new();
    let holder = process.thread();
    let step = holder.step(1);
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let other = process.spawn_hit(2);

    holder.end(step);
    other.join().unwrap();
    holder.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn left_by_two() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let (first, second) = (process.thread(), process.thread());
    let steps = (first.step(1), second.step(1));
    let leaver = thread::spawn(move || {
        first.end(steps.0);
        first
    });
    let other = process.spawn_hit(2);

    second.end(steps.1);
    // The other one must not need the death of these to get a slot.
    other.join().unwrap();
    leaver.join().unwrap().exit();
    second.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn death_in_slot() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let dying = process.thread();
    let step = dying.step(1);
    let other = process.spawn_hit(2);

    dying.executed(&step);
    // SAFETY: The process has one area.
    unsafe { process.area.evict(&dying.utask) };
    Property::EverythingFreed.holds_if(Arc::strong_count(&dying.utask) == 1);
    other.join().unwrap();
    Property::NoStaleSlot.holds_if(dying.has_no_slot());
    disperse(crowd);
    drop(dying);
    process.is_left_clean();
}

fn killed_waiter() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let holder = process.thread();
    let step = holder.step(1);

    let task = bindings::task_struct::new();
    let victim = thread::spawn({
        let (thread, task) = (process.thread(), task.clone());
        move || {
            task.enter();
            match thread.try_step(2) {
                Some(step) => thread.end(step),
                None => Property::NoStaleSlot.holds_if(thread.has_no_slot()),
            }
            thread
        }
    });
    let other = process.spawn_hit(3);
    task.kill();
    holder.end(step);
    // The other one must not need the death of these to get a slot.
    other.join().unwrap();
    victim.join().unwrap().exit();
    holder.exit();
    disperse(crowd);
    process.is_left_clean();
}

/// A task that waits for a slot, and a flag that tells when it was in one.
fn waiter(process: &Shared<Process>) -> (thread::JoinHandle<()>, Shared<AtomicBool>) {
    let served = Shared::new(AtomicBool::new(false));
    let waiter = thread::spawn({
        let (thread, served) = (process.thread(), served.clone());
        move || {
            let step = thread.step(2);
            served.store(true, Relaxed);
            thread.end(step);
            thread.exit();
        }
    });
    wait_for_sleepers(1);
    (waiter, served)
}

fn waiters_share() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let holder = process.thread();
    let step = holder.step(1);
    let staying = thread::spawn({
        let thread = process.thread();
        move || (thread.step(2), thread)
    });
    let other = process.spawn_hit(2);

    holder.end(step);
    let (step, thread) = staying.join().unwrap();
    other.join().unwrap();
    thread.end(step);
    thread.exit();
    holder.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn stranger_between() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let holder = process.thread();
    let step = holder.step(1);
    let staying = thread::spawn({
        let thread = process.thread();
        move || (thread.step(2), thread)
    });
    wait_for_sleepers(1);
    let stranger = process.spawn_hit(3);
    wait_for_sleepers(2);
    let other = process.spawn_hit(2);
    wait_for_sleepers(3);

    holder.end(step);
    let (step, thread) = staying.join().unwrap();
    other.join().unwrap();
    thread.end(step);
    stranger.join().unwrap();
    thread.exit();
    holder.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn left_to_waiter() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let holder = process.thread();
    let step = holder.step(1);
    let (waiter, served) = waiter(&process);

    holder.end(step);
    let step = holder.step(1);
    Property::WaitersFirst.holds_if(served.load(Relaxed));
    holder.end(step);

    waiter.join().unwrap();
    holder.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn freed_to_waiter() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let (dying, leaving) = (process.thread(), process.thread());
    let steps = (dying.step(1), leaving.step(1));
    let (waiter, served) = waiter(&process);

    dying.executed(&steps.0);
    dying.exit();
    leaving.end(steps.1);
    let late = process.thread();
    let step = late.step(3);
    Property::WaitersFirst.holds_if(served.load(Relaxed));
    late.end(step);

    waiter.join().unwrap();
    late.exit();
    leaving.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn exit_while_asked() {
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let (first, second) = (process.thread(), process.thread());
    first.hit(1);
    second.hit(1);
    let dying = thread::spawn(move || {
        first.exit();
        second.exit();
    });
    let thread = process.thread();
    thread.hit(2);
    dying.join().unwrap();
    thread.exit();
    disperse(crowd);
    process.is_left_clean();
}

#[cfg(any(not(feature = "loom"), feature = "two-slots"))]
fn moved_on() {
    if TASK_SLOTS < 2 {
        return;
    }
    let process = Process::new();
    let crowd = crowd(&process, TASK_SLOTS - 1);
    let moving = process.thread();
    moving.hit(1);
    let other = process.spawn_hit(2);

    // The slot of one of the crowd.
    let step = moving.step(CROWD);
    other.join().unwrap();
    moving.end(step);
    moving.exit();
    disperse(crowd);
    process.is_left_clean();
}

/// The slots of an area, for tasks whose way to a slot is to be told in steps.
#[cfg(any(not(feature = "loom"), feature = "two-slots"))]
fn slots() -> Shared<Pin<KBox<Slots>>> {
    let page = SlotPage::with_trampoline().unwrap();
    let slots = KBox::pin_init(Slots::new(page), GFP_KERNEL).unwrap();
    slots.set_limit(PAGES);
    Shared::new(slots)
}

#[cfg(any(not(feature = "loom"), feature = "two-slots"))]
impl Slots {
    /// A task that is in a slot.
    fn step(&self, probe: usize) -> (Arc<Task>, Slot) {
        let utask = Arc::pin_init(Task::new(), GFP_KERNEL).unwrap();
        let slot = self.take_for(&Task::enter(utask.as_arc_borrow()), probe);
        (utask, slot.unwrap())
    }

    fn take_for(&self, entered: &Entered<'_>, probe: usize) -> Option<Slot> {
        let insn = insn(&arch_uprobe::of_probe(probe));
        Some(self.take(entered, &insn)?.slot())
    }

    /// Waits for a slot, and leaves it.
    fn wait_for(&self, utask: &Arc<Task>, probe: usize) {
        let entered = Task::enter(utask.as_arc_borrow());
        if self.take_for(&entered, probe).is_none() {
            entered.leave_to_wait(&insn(&arch_uprobe::of_probe(probe)));
            let waited = self.wait(Task::enter(utask.as_arc_borrow()));
            Property::TakeNeverFails.holds_if(waited.is_ok());
        }
        self.leave(utask);
    }
}

#[cfg(any(not(feature = "loom"), feature = "two-slots"))]
fn claimed_too_late() {
    if TASK_SLOTS < 2 {
        return;
    }
    let slots = slots();
    let crowd: Vec<_> = (0..TASK_SLOTS - 2)
        .map(|number| slots.step(CROWD + number).0)
        .collect();
    let (sharing, _) = slots.step(1);
    let (leaving, slot) = slots.step(3);
    let (late, _) = slots.step(1);
    late.leave();
    Task::enter(late.as_arc_borrow()).leave();

    let waiting = Arc::pin_init(Task::new(), GFP_KERNEL).unwrap();
    let waiter = thread::spawn({
        let (slots, waiting) = (slots.clone(), waiting.clone());
        move || slots.wait_for(&waiting, 2)
    });
    wait_for_sleepers(1);
    let finder = thread::spawn({
        let (slots, late) = (slots.clone(), late.clone());
        move || {
            let entered = Task::enter(late.as_arc_borrow());
            // It was found when its instruction was another one.
            let insn = insn(&arch_uprobe::of_probe(1));
            Property::NoStaleSlot.holds_if(entered.claim(slot, &insn, || false).is_none());
            Property::TakeNeverFails.holds_if(slots.take_for(&entered, 1).is_some());
        }
    });
    slots.leave(&leaving);
    // It must not need anybody else to leave a slot, or to die.
    waiter.join().unwrap();
    finder.join().unwrap();

    let tasks = Iterator::chain([sharing, leaving, late, waiting].into_iter(), crowd);
    // SAFETY: There is one area.
    tasks.for_each(|utask| unsafe { slots.evict(&utask) });
}

#[cfg(any(not(feature = "loom"), feature = "two-pages"))]
fn mapped_in_part() {
    if PAGES < 2 {
        return;
    }
    let process = Process::unmapped();
    let crowd = crowd(&process, FIRST_SLOTS);
    let thread = process.thread();
    let arch = arch_uprobe::of_probe(1);
    let slot = process.area.get(thread.utask.as_arc_borrow(), &insn(&arch));
    Property::GrowsWhereMapped.holds_if(slot.is_none() && process.page(1).is_none());

    process.area.mapped();
    thread.hit(1);
    Property::GrowsWhereMapped.holds_if(process.page(1).is_some());
    thread.exit();
    disperse(crowd);
    process.is_left_clean();
}

#[cfg(any(not(feature = "loom"), feature = "two-pages"))]
fn two_grow() {
    if PAGES < 2 {
        return;
    }
    let process = Process::new();
    let crowd = crowd(&process, FIRST_SLOTS);
    // Both stay.
    let spawn_step = |probe| {
        let thread = process.thread();
        thread::spawn(move || (thread.step(probe), thread))
    };
    let others = [spawn_step(1), spawn_step(2)];
    let others = others.map(|other| other.join().unwrap());
    Property::WrittenOnce.holds_if(process.writes() == FIRST_SLOTS + 2);
    for (step, thread) in others {
        thread.end(step);
        thread.exit();
    }
    disperse(crowd);
    process.is_left_clean();
}

#[cfg(any(not(feature = "loom"), feature = "two-pages"))]
fn grown_for_waiter() {
    if PAGES < 2 {
        return;
    }
    let process = Process::new();
    let crowd = crowd(&process, FIRST_SLOTS);
    let waiter = spawn_without_memory(&process, |thread| thread.hit(1));
    let thread = process.thread();
    let step = thread.step(2);
    waiter.join().unwrap();
    thread.end(step);
    thread.exit();
    disperse(crowd);
    process.is_left_clean();
}

#[cfg(any(not(feature = "loom"), feature = "two-pages"))]
fn read_for_waiter() {
    if PAGES < 2 {
        return;
    }
    let process = Process::new();
    let crowd = crowd(&process, FIRST_SLOTS);
    let waiter = spawn_without_memory(&process, |thread| thread.hit(1));
    // This task takes no slot: only the page that it adds wakes the waiter.
    Property::GrowsWhereMapped.holds_if(process.area.page_or_grow(1).is_some());
    Property::GrowsWhereMapped.holds_if(process.area.page_or_grow(PAGES).is_none());
    waiter.join().unwrap();
    disperse(crowd);
    process.is_left_clean();
}

/// Runs something in a task that can make no area grow.
#[cfg(any(not(feature = "loom"), feature = "two-pages"))]
fn spawn_without_memory<T: Send + 'static>(
    process: &Shared<Process>,
    run: fn(&Thread) -> T,
) -> thread::JoinHandle<T> {
    let thread = process.thread();
    thread::spawn(move || {
        let task = bindings::task_struct::new();
        task.run_out_of_memory();
        task.enter();
        let result = run(&thread);
        thread.exit();
        result
    })
}
