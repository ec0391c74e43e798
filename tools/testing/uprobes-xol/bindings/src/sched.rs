// SPDX-License-Identifier: GPL-2.0

//! Tasks that sleep, are woken and are killed.

use crate::{
    backend::{self, Condvar, Mutex},
    model::SLEEPERS,
};
use std::{
    cell::RefCell,
    ffi::c_int,
    sync::{atomic::Ordering::Relaxed, Arc},
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
        })
    }

    /// Makes this the current task of the calling thread.
    pub fn enter(self: Arc<Self>) {
        CURRENT.with(|current| *current.borrow_mut() = Some(self));
    }

    /// What `set_current_state()` does, without its barrier.
    pub(crate) fn set_state(&self, state: u32) {
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
    while sched.state != TASK_RUNNING {
        SLEEPERS.fetch_add(1, Relaxed);
        sched = task.wake.wait(sched).unwrap();
        SLEEPERS.fetch_sub(1, Relaxed);
    }
}
