// SPDX-License-Identifier: GPL-2.0

//! What tasks do with an area, for an explorer to find the worst schedule of it.

use super::{
    area::XolArea,
    slot::{Insn, Slot, INSN_SIZE, SLOT_COUNT, SLOT_SIZE},
    task::{GcLocked, Task},
};
use crate::explore::Scenario;
use kernel::{
    bindings::{
        self,
        backend::thread,
        model::{self, Property},
    },
    prelude::*,
    sync::Arc,
};
use std::sync::{
    atomic::{AtomicBool, Ordering::Relaxed},
    Arc as Shared,
};

/// Where the area is mapped.
const VADDR: usize = 0x7000_0000;

/// Slots that tasks can hold.
const TASK_SLOTS: usize = SLOT_COUNT - 1;

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "recycled-owner",
        about: "a task enters its slot while it is taken away",
        run: recycled_owner,
        preemptions: None,
    },
    Scenario {
        name: "two-tasks",
        about: "two tasks hit twice, each another probe",
        run: || run_tasks(&[0, 1], 2),
        preemptions: Some(3),
    },
    Scenario {
        name: "three-tasks",
        about: "three tasks hit, each another probe",
        run: || run_tasks(&[0, 1, 2], 1),
        preemptions: Some(2),
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
        run: || run_tasks(&[0, 0], 2),
        preemptions: Some(3),
    },
    Scenario {
        name: "left-idle",
        about: "a task leaves the last slot and does not come back, another one needs it",
        run: left_idle,
        preemptions: None,
    },
    Scenario {
        name: "death-in-slot",
        about: "a task dies in the last slot, another one waits",
        run: death_in_slot,
        preemptions: None,
    },
    Scenario {
        name: "killed-waiter",
        about: "two tasks wait for the last slot, one of them is killed",
        run: killed_waiter,
        preemptions: Some(3),
    },
    Scenario {
        name: "left-to-waiter",
        about: "a task leaves the last slot to one that waits, and is back at once",
        run: left_to_waiter,
        preemptions: Some(3),
    },
    Scenario {
        name: "freed-to-waiter",
        about: "a task frees the last slot, and another one comes before the one that waits",
        run: freed_to_waiter,
        preemptions: Some(3),
    },
    Scenario {
        name: "alternating",
        about: "a task hits two probes in turns",
        run: alternating,
        preemptions: None,
    },
];

/// The instruction of a probe.
fn insn(probe: usize) -> [u8; INSN_SIZE] {
    [0x90 + probe as u8; INSN_SIZE]
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
    insn: [u8; INSN_SIZE],
}

impl Process {
    fn new() -> Shared<Self> {
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

    /// The memory behind the slots, as C has it.
    fn page(&self) -> &bindings::page {
        let core = std::ptr::from_ref(&*self.area).cast::<bindings::xol_area>();
        // SAFETY: An area begins with what C knows of it, and its page lives as long.
        unsafe { &*(*core).page }
    }

    /// All tasks are gone: as many as there are slots can have one without waiting.
    fn is_left_clean(self: Shared<Self>) {
        // It does not sleep then.
        bindings::current().kill();
        let threads: Vec<_> = (0..TASK_SLOTS).map(|_| self.thread()).collect();
        for thread in &threads {
            Property::EverythingFreed.holds_if(thread.try_step(0).is_some());
        }
        for thread in threads {
            thread.exit();
        }
        // Nothing but this refers to the area.
        assert!(Shared::try_unwrap(self).is_ok());
    }
}

impl Thread {
    /// Gets to a slot with the probe's instruction. `None` if the task was killed.
    fn try_step(&self, probe: usize) -> Option<Step> {
        let insn = insn(probe);
        let address = self
            .process
            .area
            .get(&self.utask.as_arc_borrow(), &Insn::new(&insn))
            .ok()?;
        let slot = (address - VADDR) / SLOT_SIZE;
        self.process.page().begin(slot, &insn);
        Some(Step { slot, insn })
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
        self.process.page().end(step.slot, &step.insn);
    }

    fn end(&self, step: Step) {
        self.executed(&step);
        self.process.area.put(&self.utask);
    }

    /// The task dies.
    fn exit(self) {
        self.process.area.evict(&self.utask);
        Property::EverythingFreed.holds_if(self.utask.count() == 1);
    }

    /// The task is in no slot, and has none.
    fn has_no_slot(&self) -> bool {
        let none = Task::enter(&self.utask.as_arc_borrow()).is_err();
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

fn recycled_owner() {
    let utask = Arc::pin_init(Task::new(), GFP_KERNEL).unwrap();
    let slot = Slot::new(1).unwrap();
    if let Err(vacant) = Task::enter(&utask.as_arc_borrow()) {
        vacant.assign(slot, &mut GcLocked::new());
    }
    utask.leave();

    // Not the explorer's: they must not order anything.
    let inside = Shared::new(AtomicBool::new(false));
    let taken = Shared::new(AtomicBool::new(false));

    let owner = thread::spawn({
        let (utask, inside, taken) = (utask.clone(), inside.clone(), taken.clone());
        move || {
            for _ in 0..2 {
                if Task::enter(&utask.as_arc_borrow()).is_ok() {
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
    if let Some(recycled) = utask.recycle(&mut GcLocked::new()) {
        Property::NoStaleSlot.holds_if(recycled == slot && !inside.load(Relaxed));
        taken.store(true, Relaxed);
    }
    owner.join().unwrap();
}

/// Runs a task for each probe, which hits it a number of times. The calling thread is one of them.
fn run_tasks(probes: &[usize], times: usize) {
    let process = Process::new();
    let run = |probe| {
        let thread = process.thread();
        move || {
            for _ in 0..times {
                thread.hit(probe);
            }
            thread.exit();
        }
    };
    let (mine, others) = probes.split_first().unwrap();
    let others: Vec<_> = others
        .iter()
        .map(|&probe| thread::spawn(run(probe)))
        .collect();
    run(*mine)();
    for other in others {
        other.join().unwrap();
    }
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

/// Tasks that have all slots but one, and are in them.
fn crowd(process: &Shared<Process>) -> Vec<(Thread, Step)> {
    let enter = |_| {
        let thread = process.thread();
        let step = thread.step(0);
        (thread, step)
    };
    (1..TASK_SLOTS).map(enter).collect()
}

fn disperse(crowd: Vec<(Thread, Step)>) {
    for (thread, step) in crowd {
        thread.end(step);
        thread.exit();
    }
}

fn left_idle() {
    let process = Process::new();
    let crowd = crowd(&process);
    let holder = process.thread();
    let step = holder.step(1);
    let other = process.spawn_hit(2);

    holder.end(step);
    other.join().unwrap();
    holder.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn death_in_slot() {
    let process = Process::new();
    let crowd = crowd(&process);
    let dying = process.thread();
    let step = dying.step(1);
    let other = process.spawn_hit(2);

    dying.executed(&step);
    process.area.evict(&dying.utask);
    Property::EverythingFreed.holds_if(dying.utask.count() == 1);
    other.join().unwrap();
    Property::NoStaleSlot.holds_if(dying.has_no_slot());
    disperse(crowd);
    drop(dying);
    process.is_left_clean();
}

fn killed_waiter() {
    let process = Process::new();
    let crowd = crowd(&process);
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

fn left_to_waiter() {
    let process = Process::new();
    let crowd = crowd(&process);
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
    let crowd = crowd(&process);
    let dying = process.thread();
    let step = dying.step(1);
    let (waiter, served) = waiter(&process);

    dying.executed(&step);
    dying.exit();
    let late = process.thread();
    let step = late.step(3);
    Property::WaitersFirst.holds_if(served.load(Relaxed));
    late.end(step);

    waiter.join().unwrap();
    late.exit();
    disperse(crowd);
    process.is_left_clean();
}

fn alternating() {
    let process = Process::new();
    let thread = process.thread();
    for probe in [1, 1, 2, 1] {
        thread.hit(probe);
    }
    thread.exit();
    process.is_left_clean();
}
