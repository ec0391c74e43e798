// SPDX-License-Identifier: GPL-2.0

//! A wait queue whose waiters are all woken, with a spinlock.

use std::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::{
        atomic::{
            fence, AtomicBool, AtomicU32,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
        },
        Arc,
    },
    thread::{self, Thread},
};

/// A thread that can sleep.
pub struct Task {
    thread: Thread,
    /// The task's state: whether it sleeps, or is about to.
    sleeps: AtomicBool,
    /// Whether the task is in the queue.
    queued: AtomicBool,
}

impl Task {
    /// The calling thread's.
    pub fn current() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            sleeps: AtomicBool::new(false),
            queued: AtomicBool::new(false),
        })
    }

    /// Sleeps, unless the task was woken meanwhile.
    fn schedule(&self) {
        while self.sleeps.load(Acquire) {
            thread::park();
        }
    }

    /// Returns whether the task had to be woken.
    fn try_to_wake_up(&self) -> bool {
        let slept = self.sleeps.swap(false, SeqCst);
        if slept {
            self.thread.unpark();
        }
        slept
    }
}

/// `struct wait_queue_head`.
#[repr(C)]
pub struct WaitQueueHead {
    lock: AtomicBool,
    /// Tasks in the queue, as is seen without the lock.
    number: AtomicU32,
    queue: UnsafeCell<Vec<Arc<Task>>>,
}

// SAFETY: `queue` is used with `lock` held only.
unsafe impl Sync for WaitQueueHead {}

impl WaitQueueHead {
    /// An empty queue.
    pub fn new() -> Self {
        Self {
            lock: AtomicBool::new(false),
            number: AtomicU32::new(0),
            queue: UnsafeCell::new(Vec::new()),
        }
    }

    /// Waits until there is what `get` gets.
    #[cold]
    pub fn wait<T>(&self, task: &Arc<Task>, get: impl Fn() -> Option<T>) -> T {
        loop {
            self.prepare_to_wait(task);
            if let Some(got) = get() {
                self.finish_wait(task);
                return got;
            }
            task.schedule();
        }
    }

    fn prepare_to_wait(&self, task: &Arc<Task>) {
        self.with_queue(|queue| {
            if !task.queued.load(Relaxed) {
                task.queued.store(true, Relaxed);
                queue.push(task.clone());
            }
            task.sleeps.store(true, Relaxed);
        });
        // Who frees a slot sees the queue, or we see the slot.
        fence(SeqCst);
    }

    fn finish_wait(&self, task: &Arc<Task>) {
        task.sleeps.store(false, Relaxed);
        if task.queued.load(Acquire) {
            self.with_queue(|queue| queue.retain(|queued| !Arc::ptr_eq(queued, task)));
            task.queued.store(false, Relaxed);
        }
    }

    /// Whether there are waiters.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.number.load(Relaxed) != 0
    }

    /// Wakes all waiters, and takes them from the queue.
    #[cold]
    pub fn wake_up(&self) {
        self.with_queue(|queue| {
            queue.retain(|task| {
                let woken = task.try_to_wake_up();
                if woken {
                    task.queued.store(false, Release);
                }
                !woken
            });
        });
    }

    fn with_queue(&self, f: impl FnOnce(&mut Vec<Arc<Task>>)) {
        while self.lock.swap(true, Acquire) {
            while self.lock.load(Relaxed) {
                spin_loop();
            }
        }
        // SAFETY: We have the lock.
        let queue = unsafe { &mut *self.queue.get() };
        f(queue);
        self.number.store(queue.len() as u32, Relaxed);
        self.lock.store(false, Release);
    }
}
