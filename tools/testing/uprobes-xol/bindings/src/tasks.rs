// SPDX-License-Identifier: GPL-2.0

//! Where the tasks of a process are, and the time that RCU Tasks Trace gives its readers.

use crate::{
    arch_uprobe,
    backend::{fence, AtomicUsize, Mutex},
    sched::current,
};
use std::{
    cell::Cell,
    ffi::c_void,
    sync::{
        atomic::{
            AtomicBool, AtomicUsize as Clock,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
        },
        Arc, Mutex as Hidden,
    },
};

/// Longer than anybody lets pass before something is tried again, in milliseconds.
const PERIOD: usize = 1000;

/// The tasks and the breakpoints of a process.
pub struct mm_struct {
    /// Grace periods that began.
    graces: AtomicUsize,
    // Not the explorer's: they must not order anything.
    now: Clock,
    users: Hidden<Vec<Arc<User>>>,
    removed: Hidden<Vec<usize>>,
    out_of_sight: AtomicBool,
}

/// A task of a process, as user space has it.
pub struct User {
    mm: Arc<mm_struct>,
    /// One more than the grace periods that had begun when it began to read, 0 if it does not.
    reading: AtomicUsize,
    /// What a CPU that is interrupted, or runs another task, has left of it.
    ip: Mutex<usize>,
}

impl mm_struct {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            graces: AtomicUsize::new(0),
            now: Clock::default(),
            users: Hidden::default(),
            removed: Hidden::default(),
            out_of_sight: AtomicBool::new(false),
        })
    }

    /// Adds a task.
    pub fn add_user(self: &Arc<Self>) -> Arc<User> {
        let user = Arc::new(User {
            mm: self.clone(),
            reading: AtomicUsize::new(0),
            ip: Mutex::new(0),
        });
        self.users.lock().unwrap().push(user.clone());
        user
    }

    /// There is no breakpoint any more in front of `next`.
    pub fn remove_probe(&self, next: usize) {
        self.removed.lock().unwrap().push(next);
    }

    /// There is one again.
    pub fn restore_probe(&self, next: usize) {
        self.removed.lock().unwrap().retain(|&it| it != next);
    }

    /// Time passes for the tasks of this process, as much as anybody lets pass.
    pub fn pass_time(&self) {
        self.now.fetch_add(PERIOD, Relaxed);
    }

    /// Whether tasks cannot be looked at.
    pub fn set_out_of_sight(&self, out_of_sight: bool) {
        self.out_of_sight.store(out_of_sight, Relaxed);
    }

    fn users(&self) -> Vec<Arc<User>> {
        self.users.lock().unwrap().clone()
    }
}

impl User {
    /// Hits a probe: sets the instruction pointer to what `find` returns, as a reader.
    pub fn hit(&self, find: impl FnOnce() -> Option<usize>) -> Option<usize> {
        current().use_mm(Some(self.mm.clone()));
        self.reading
            .store(self.mm.graces.load(Relaxed) + 1, Relaxed);
        fence(SeqCst);
        let ip = find();
        if let Some(ip) = ip {
            self.go_on_at(ip);
        }
        self.reading.store(0, Release);
        current().use_mm(None);
        ip
    }

    /// The program is at `ip`.
    pub fn go_on_at(&self, ip: usize) {
        *self.ip.lock().unwrap() = ip;
    }

    /// The task dies.
    pub fn exit(&self) {
        let mut users = self.mm.users.lock().unwrap();
        users.retain(|user| !std::ptr::eq(&**user, self));
    }
}

thread_local! {
    /// For how long this thread has slept outside of processes, in milliseconds.
    static SLEPT: Cell<usize> = const { Cell::new(0) };
}

/// The time passes for a thread that is not one of a process.
pub fn sleep(millis: usize) {
    SLEPT.set(SLEPT.get() + millis);
}

/// The time, in milliseconds.
pub fn now() -> usize {
    let mm = current().mm();
    mm.map_or(SLEPT.get(), |mm| mm.now.load(Relaxed))
}

/// Begins a grace period, of which it returns the number.
pub fn start_grace() -> usize {
    let Some(mm) = current().mm() else {
        return 0;
    };
    fence(SeqCst);
    mm.graces.fetch_add(1, SeqCst) + 1
}

/// Whether all tasks that were reading when a grace period began have ended that.
///
/// `grace` comes from [`start_grace`].
pub fn grace_is_over(grace: usize) -> bool {
    let Some(mm) = current().mm() else {
        return true;
    };
    fence(SeqCst);
    mm.users().iter().all(|user| {
        let reading = user.reading.load(Acquire);
        reading == 0 || reading > grace
    })
}

/// # Safety
///
/// Always safe.
pub unsafe fn uprobe_xol_is_probed(_: *const arch_uprobe, next: usize) -> bool {
    let mm = current().mm();
    mm.is_some_and(|mm| !mm.removed.lock().unwrap().contains(&next))
}

/// Visits the instruction pointers of all tasks of the current process.
///
/// # Safety
///
/// `visit` may be called with `data`.
pub unsafe fn uprobe_xol_visit_ips(
    visit: Option<unsafe extern "C" fn(*mut c_void, usize)>,
    data: *mut c_void,
) -> bool {
    let Some(mm) = current().mm() else {
        return true;
    };
    if mm.out_of_sight.load(Relaxed) {
        return false;
    }
    for user in mm.users() {
        let ip = *user.ip.lock().unwrap();
        // SAFETY: By the function's requirements.
        unsafe { visit.unwrap()(data, ip) };
    }
    true
}
