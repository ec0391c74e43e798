// SPDX-License-Identifier: GPL-2.0

//! Wait queues, as in `kernel/sched/wait.c`.

use crate::{
    backend::{fence, AtomicUsize, Mutex},
    sched::{current, get_current, not_atomic, task_struct, TASK_RUNNING},
};
use std::{
    ffi::{c_char, c_int, c_uint, c_void},
    ptr::null_mut,
    sync::{
        atomic::Ordering::{Relaxed, SeqCst},
        Arc,
    },
};

/// The head of a wait queue.
pub struct wait_queue_head {
    /// What is seen of the list without the lock: the first entry. Not the explorer's.
    pub head: list_head,
    /// What `lock` protects: the list.
    entries: Mutex<Vec<Queued>>,
    /// What else is seen of the list without the lock: whether it is empty.
    len: AtomicUsize,
}

struct Queued {
    entry: *mut wait_queue_entry,
    /// The entry's, for as long as it is in the queue.
    _task: Arc<task_struct>,
}

/// What wakes the task of an entry, and returns whether it did.
pub type wait_queue_func_t = Option<
    unsafe extern "C" fn(
        entry: *mut wait_queue_entry,
        mode: c_uint,
        flags: c_int,
        key: *mut c_void,
    ) -> c_int,
>;

/// A list, or a link of one. Only the head's `next` is kept.
pub struct list_head {
    pub next: *mut list_head,
}

/// An entry, known by its address.
pub struct wait_queue_entry {
    pub entry: list_head,
    task: *mut task_struct,
    pub func: wait_queue_func_t,
}

pub struct lock_class_key(());

impl lock_class_key {
    pub const fn new() -> Self {
        Self(())
    }
}

impl Default for lock_class_key {
    fn default() -> Self {
        Self::new()
    }
}

/// # Safety
///
/// `head` is valid for writes.
pub unsafe fn __init_waitqueue_head(
    head: *mut wait_queue_head,
    _name: *const c_char,
    _key: *mut lock_class_key,
) {
    let new = wait_queue_head {
        head: list_head { next: null_mut() },
        entries: Mutex::new(Vec::new()),
        len: AtomicUsize::new(0),
    };
    // SAFETY: By the function's requirements.
    unsafe { head.write(new) };
}

/// # Safety
///
/// `entry` is valid for writes.
pub unsafe fn init_wait_entry(entry: *mut wait_queue_entry, _flags: c_int) {
    // SAFETY: By the function's requirements.
    unsafe {
        entry.write(wait_queue_entry {
            entry: list_head { next: null_mut() },
            task: get_current(),
            func: Some(default_wake_function),
        })
    };
}

/// # Safety
///
/// `entry` is in a queue, whose lock is held.
pub unsafe extern "C" fn default_wake_function(
    entry: *mut wait_queue_entry,
    mode: c_uint,
    _flags: c_int,
    _key: *mut c_void,
) -> c_int {
    // SAFETY: By the function's requirements; the queue keeps the task.
    c_int::from(unsafe { &*(*entry).task }.try_to_wake_up(mode))
}

/// # Safety
///
/// `head` and `entry` are initialised.
pub unsafe fn prepare_to_wait_exclusive(
    head: *mut wait_queue_head,
    entry: *mut wait_queue_entry,
    state: c_int,
) -> bool {
    let first = |entries: &[Queued]| {
        // SAFETY: By the function's requirements.
        unsafe { set_first(head, entries) }
    };
    // SAFETY: By the function's requirements.
    let head = unsafe { &*head };
    let task = current();
    let mut was_empty = false;

    not_atomic();
    let mut entries = head.entries.lock().unwrap();
    if !entries.iter().any(|queued| queued.entry == entry) {
        was_empty = entries.is_empty();
        let _task = task.clone();
        entries.push(Queued { entry, _task });
        first(&entries);
        head.len.store(entries.len(), Relaxed);
    }
    // set_current_state()
    task.set_state(state as u32);
    fence(SeqCst);
    was_empty
}

/// # Safety
///
/// `head` and `entry` are initialised.
pub unsafe fn finish_wait(head: *mut wait_queue_head, entry: *mut wait_queue_entry) {
    let first = |entries: &[Queued]| {
        // SAFETY: By the function's requirements.
        unsafe { set_first(head, entries) }
    };
    // SAFETY: By the function's requirements.
    let head = unsafe { &*head };
    current().set_state(TASK_RUNNING);

    not_atomic();
    let mut entries = head.entries.lock().unwrap();
    entries.retain(|queued| !std::ptr::eq(queued.entry, entry));
    first(&entries);
    head.len.store(entries.len(), Relaxed);
    if entries.is_empty() {
        // Nobody drops a head in C.
        *entries = Vec::new();
    }
}

/// # Safety
///
/// `head` is initialised.
pub unsafe fn waitqueue_active(head: *mut wait_queue_head) -> c_int {
    // SAFETY: By the function's requirements.
    c_int::from(unsafe { &*head }.len.load(Relaxed) != 0)
}

/// # Safety
///
/// `head` is initialised.
pub unsafe fn __wake_up(head: *mut wait_queue_head, mode: u32, nr: c_int, key: *mut c_void) {
    // SAFETY: By the function's requirements.
    let head = unsafe { &*head };
    not_atomic();
    let entries = head.entries.lock().unwrap();
    let mut left = nr;
    for queued in entries.iter() {
        // SAFETY: The entry is initialised, and stays until it is taken off the queue.
        let wake = unsafe { (*queued.entry).func }.unwrap();
        // All entries are exclusive. Who is awake already does not count. There is no end if `nr`
        // is 0.
        //
        // SAFETY: The entry is in the queue, whose lock is held.
        if unsafe { wake(queued.entry, mode, 0, key) } != 0 {
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
}

/// Makes the head show the first entry.
///
/// # Safety
///
/// `head` is initialised, and its lock is held.
unsafe fn set_first(head: *mut wait_queue_head, entries: &[Queued]) {
    // SAFETY: An entry that is in the queue is valid.
    let link = |queued: &Queued| unsafe { &raw mut (*queued.entry).entry };
    let first = entries.first().map_or(null_mut(), link);
    // SAFETY: By the function's requirements.
    unsafe { (&raw mut (*head).head.next).write_volatile(first) };
}
