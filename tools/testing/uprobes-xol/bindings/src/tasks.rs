// SPDX-License-Identifier: GPL-2.0

//! A process: its tasks, its text and its mappings.

use crate::{
    backend::{self, Mutex},
    mm::page,
    rcu::Rcu,
    sched::current,
    work::queue_work,
};
use std::{
    cell::Cell,
    collections::HashMap,
    sync::{
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
        Arc, Mutex as Hidden,
    },
};

/// Longer than anybody lets pass before something is tried again, in milliseconds.
const PERIOD: usize = 1000;

/// What is left to do when a process is gone.
type Exit = Box<dyn FnOnce() + Send>;

/// A process.
pub struct mm_struct {
    pub mmap_lock: Mutex<()>,
    /// A bit for each breakpoint that no consumer wants. The explorer's, but relaxed: it orders nothing.
    gone: backend::AtomicUsize,
    /// A task that is not in the list any more has executed all that it does.
    tasks: Mutex<Vec<Arc<User>>>,
    // Not the explorer's: they must not order anything.
    now: AtomicUsize,
    out_of_sight: AtomicBool,
    /// Areas that can still be mapped, and where the next one is.
    pub room: AtomicUsize,
    pub next_area: AtomicUsize,
    /// The key of the probe that was hit last at each address.
    keys: Hidden<HashMap<usize, u64>>,
    /// Pages that are mapped, by their address.
    pages: Hidden<HashMap<usize, *const page>>,
    /// Held while a page is mapped, unmapped, or read.
    mmu: Mutex<()>,
    /// Those who keep the process from being gone.
    users: AtomicUsize,
    exit: Hidden<Option<Exit>>,
}

// SAFETY: Only pointers to pages keep it from being so. They are valid while they are mapped.
unsafe impl Send for mm_struct {}

// SAFETY: As above.
unsafe impl Sync for mm_struct {}

/// A task of a process, as user space has it.
pub struct User {
    mm: Arc<mm_struct>,
    /// What a CPU that is interrupted, or runs another task, has left of it.
    ip: Mutex<usize>,
}

impl mm_struct {
    /// A process with room for so many areas, from this address on.
    pub fn new(room: usize, first_area: usize) -> Arc<Self> {
        Arc::new(Self {
            mmap_lock: Mutex::new(()),
            gone: backend::AtomicUsize::new(0),
            tasks: Mutex::new(Vec::new()),
            now: AtomicUsize::new(0),
            out_of_sight: AtomicBool::new(false),
            room: AtomicUsize::new(room),
            next_area: AtomicUsize::new(first_area),
            keys: Hidden::default(),
            pages: Hidden::default(),
            mmu: Mutex::new(()),
            users: AtomicUsize::new(1),
            exit: Hidden::default(),
        })
    }

    /// Adds a task.
    pub fn add_user(self: &Arc<Self>) -> Arc<User> {
        let user = Arc::new(User {
            mm: self.clone(),
            ip: Mutex::new(0),
        });
        self.tasks.lock().unwrap().push(user.clone());
        user
    }

    fn bit_of(bp_vaddr: usize) -> usize {
        1 << (bp_vaddr / 16 % usize::BITS as usize)
    }

    /// No consumer wants the breakpoint any more.
    pub fn remove_breakpoint(&self, bp_vaddr: usize) {
        self.gone.fetch_or(Self::bit_of(bp_vaddr), Relaxed);
    }

    pub fn is_probed(&self, bp_vaddr: usize) -> bool {
        self.gone.load(Relaxed) & Self::bit_of(bp_vaddr) == 0
    }

    /// A probe is at an address, and no other probe any more.
    pub fn set_key(&self, bp_vaddr: usize, key: u64) {
        self.keys.lock().unwrap().insert(bp_vaddr, key);
    }

    /// The key of the probe at an address, or 0.
    pub fn key_at(&self, bp_vaddr: usize) -> u64 {
        let keys = self.keys.lock().unwrap();
        let key = keys.get(&bp_vaddr).filter(|_| self.is_probed(bp_vaddr));
        key.copied().unwrap_or(0)
    }

    /// Time passes for the tasks of this process, as much as anybody lets pass.
    pub fn pass_time(&self) {
        self.now.fetch_add(PERIOD, Relaxed);
    }

    /// Whether tasks cannot be looked at.
    pub fn set_out_of_sight(&self, out_of_sight: bool) {
        self.out_of_sight.store(out_of_sight, Relaxed);
    }

    /// The instruction pointers of all tasks, unless they cannot be looked at.
    pub fn ips(&self) -> Option<Vec<usize>> {
        if self.out_of_sight.load(Relaxed) {
            return None;
        }
        let tasks = self.tasks.lock().unwrap().clone();
        Some(tasks.iter().map(|task| *task.ip.lock().unwrap()).collect())
    }

    fn mapped(&self, address: usize) -> Option<*const page> {
        self.pages.lock().unwrap().get(&address).copied()
    }

    /// The page at this address, which `fault` returns if it is not mapped yet.
    ///
    /// A task that executes a slot is ordered with those who write it by what it found there.
    ///
    /// # Safety
    ///
    /// The page that `fault` returns is valid until it is unmapped, and then for those who must not
    /// use it any more.
    pub unsafe fn page_at(&self, address: usize, fault: impl FnOnce() -> *const page) -> &page {
        let page = self.mapped(address).unwrap_or_else(|| {
            let _lock = self.mmap_lock.lock().unwrap();
            self.mapped(address).unwrap_or_else(|| {
                let page = fault();
                let _mmu = self.mmu.lock().unwrap();
                self.pages.lock().unwrap().insert(address, page);
                page
            })
        });
        // SAFETY: By the function's requirements.
        unsafe { &*page }
    }

    /// Reads the page at this address as a program does: after it was mapped, and before it is
    /// unmapped.
    ///
    /// # Safety
    ///
    /// As for [`page_at`](Self::page_at).
    pub unsafe fn read_at(
        &self,
        address: usize,
        mut fault: impl FnMut() -> *const page,
        read: impl FnOnce(&page),
    ) {
        loop {
            {
                let _mmu = self.mmu.lock().unwrap();
                if let Some(page) = self.mapped(address) {
                    // SAFETY: By the function's requirements.
                    return read(unsafe { &*page });
                }
            }
            // SAFETY: By the function's requirements.
            unsafe { self.page_at(address, &mut fault) };
        }
    }

    /// Unmaps the page at this address.
    pub fn unmap(&self, address: usize) {
        let _mmu = self.mmu.lock().unwrap();
        self.pages.lock().unwrap().remove(&address);
    }

    /// Makes `exit` what is done when the process is gone.
    pub fn at_exit(&self, exit: Exit) {
        *self.exit.lock().unwrap() = Some(exit);
    }

    /// Returns whether the process is not gone, and keeps it from that.
    pub fn mmget_not_zero(&self) -> bool {
        let more = |users| (users != 0).then_some(users + 1);
        self.users.fetch_update(Acquire, Relaxed, more).is_ok()
    }

    fn put(&self) -> Option<Exit> {
        let is_last = self.users.fetch_sub(1, Release) == 1;
        is_last.then(|| self.exit.lock().unwrap().take()).flatten()
    }

    /// Ends what [`mmget_not_zero`](Self::mmget_not_zero) began.
    pub fn mmput(&self) {
        if let Some(exit) = self.put() {
            exit();
        }
    }

    /// As [`mmput`](Self::mmput), but leaves it to a worker to do what is left to do.
    pub fn mmput_async(&self) {
        if let Some(exit) = self.put() {
            queue_work(exit);
        }
    }
}

impl User {
    /// Hits a probe: sets the instruction pointer to what `find` returns, as a reader.
    pub fn hit(&self, find: impl FnOnce() -> Option<usize>) -> Option<usize> {
        current().use_mm(Some(self.mm.clone()));
        let section = Rcu::TasksTrace.read();
        let ip = find();
        if let Some(ip) = ip {
            self.go_on_at(ip);
        }
        drop(section);
        current().use_mm(None);
        ip
    }

    /// The program is at `ip`.
    pub fn go_on_at(&self, ip: usize) {
        *self.ip.lock().unwrap() = ip;
    }

    /// The task dies.
    pub fn exit(&self) {
        let mut tasks = self.mm.tasks.lock().unwrap();
        tasks.retain(|user| !std::ptr::eq(&**user, self));
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
