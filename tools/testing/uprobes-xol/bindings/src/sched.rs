// SPDX-License-Identifier: GPL-2.0

//! Tasks that sleep, are woken and are killed.

use crate::{
    backend::{self, Condvar, Mutex},
    model::{self, Property, SLEEPERS},
    tasks::mm_struct,
};
use std::{
    cell::RefCell,
    ffi::c_int,
    sync::{
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed},
        Arc, Mutex as Hidden,
    },
};

pub(crate) const TASK_RUNNING: u32 = 0;
const TASK_INTERRUPTIBLE: u32 = 1;
const TASK_UNINTERRUPTIBLE: u32 = 2;
const TASK_WAKEKILL: u32 = 0x100;
pub const TASK_KILLABLE: u32 = TASK_WAKEKILL | TASK_UNINTERRUPTIBLE;
pub const TASK_NORMAL: u32 = TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE;

/// A thread, as the scheduler knows it.
pub struct task_struct {
    /// What `pi_lock` and the run queue's lock protect.
    sched: Mutex<Sched>,
    wake: Condvar,
    // Not the explorer's: they must not order anything.
    /// The state that the task itself set last.
    own_state: AtomicU32,
    /// Raw spinlocks that the task holds.
    raw_locks: AtomicUsize,
    out_of_memory: AtomicBool,
    worker: AtomicBool,
    mm: Hidden<Option<Arc<mm_struct>>>,
}

#[derive(Default)]
struct Sched {
    state: u32,
    killed: bool,
}

impl task_struct {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            sched: Mutex::new(Sched::default()),
            wake: Condvar::new(),
            own_state: AtomicU32::new(TASK_RUNNING),
            raw_locks: AtomicUsize::new(0),
            out_of_memory: AtomicBool::new(false),
            worker: AtomicBool::new(false),
            mm: Hidden::new(None),
        })
    }

    /// Makes this the current task of the calling thread.
    pub fn enter(self: Arc<Self>) {
        CURRENT.with(|current| *current.borrow_mut() = Some(self));
    }

    /// What `set_current_state()` does, without its barrier.
    pub(crate) fn set_state(&self, state: u32) {
        self.own_state.store(state, Relaxed);
        self.sched.lock().unwrap().state = state;
    }

    /// What `try_to_wake_up()` does: false for a task that does not sleep.
    pub(crate) fn try_to_wake_up(&self, mode: u32) -> bool {
        let mut sched = self.sched.lock().unwrap();
        let sleeps = sched.state & mode != 0;
        if sleeps {
            sched.state = TASK_RUNNING;
            self.wake.notify_one();
        }
        sleeps
    }

    /// The task gets no memory from now on.
    pub fn run_out_of_memory(&self) {
        self.out_of_memory.store(true, Relaxed);
    }

    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.out_of_memory.load(Relaxed)
    }

    /// Whether the task runs a work item from now on.
    pub(crate) fn set_worker(&self, worker: bool) {
        self.worker.store(worker, Relaxed);
    }

    pub(crate) fn is_worker(&self) -> bool {
        self.worker.load(Relaxed)
    }

    /// The task is one of the process from now on, or of none.
    pub fn use_mm(&self, mm: Option<Arc<mm_struct>>) {
        *self.mm.lock().unwrap() = mm;
    }

    /// The task's process.
    pub fn mm(&self) -> Option<Arc<mm_struct>> {
        self.mm.lock().unwrap().clone()
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        let mut sched = self.sched.lock().unwrap();
        sched.killed = true;
        if sched.state & TASK_WAKEKILL != 0 {
            sched.state = TASK_RUNNING;
            self.wake.notify_one();
        }
    }
}

backend::thread_local! {
    // Loom's cannot be made in a constant.
    #[allow(clippy::missing_const_for_thread_local)]
    static CURRENT: RefCell<Option<Arc<task_struct>>> = RefCell::new(None);
}

/// The calling thread's task.
pub fn current() -> Arc<task_struct> {
    CURRENT.with(|current| {
        current
            .borrow_mut()
            .get_or_insert_with(task_struct::new)
            .clone()
    })
}

/// The calling thread's task, as C has it.
pub fn get_current() -> *mut task_struct {
    // The thread keeps a reference for as long as it lives.
    Arc::as_ptr(&current()).cast_mut()
}

/// # Safety
///
/// `task` is the current task.
pub unsafe fn fatal_signal_pending(task: *mut task_struct) -> c_int {
    // SAFETY: By the function's requirements.
    c_int::from(unsafe { &*task }.sched.lock().unwrap().killed)
}

/// Sleeps, unless the current task's state is that of a task that runs, or was made so meanwhile.
///
/// # Safety
///
/// None, on the host.
pub unsafe fn schedule() {
    let task = current();
    let mut sched = task.sched.lock().unwrap();
    if sched.killed && sched.state & TASK_WAKEKILL != 0 {
        sched.state = TASK_RUNNING;
    }
    task.own_state.store(TASK_RUNNING, Relaxed);
    while sched.state != TASK_RUNNING {
        SLEEPERS.fetch_add(1, Relaxed);
        sched = task.wake.wait(sched).unwrap();
        SLEEPERS.fetch_sub(1, Relaxed);
    }
}

/// The current task has got a raw spinlock.
pub fn raw_lock_taken() {
    model::count_lock();
    current().raw_locks.fetch_add(1, Relaxed);
}

/// The current task is about to release a raw spinlock.
pub fn raw_lock_released() {
    current().raw_locks.fetch_sub(1, Relaxed);
}

/// To be called where a lock is taken that sleeps on `PREEMPT_RT`.
pub(crate) fn not_atomic() {
    Property::NoSleepInside.holds_if(current().raw_locks.load(Relaxed) == 0);
}

/// To be called where the kernel may sleep: not with a raw spinlock, nor when the state is set for
/// sleeping already.
pub fn might_sleep() {
    not_atomic();
    Property::NoSleepInside.holds_if(current().own_state.load(Relaxed) == TASK_RUNNING);
}
