// SPDX-License-Identifier: GPL-2.0

//! Work that is queued.

use crate::sched::current;
use std::sync::Mutex as Hidden;

/// What is to be done by a worker.
type Work = Box<dyn FnOnce() + Send>;

static QUEUE: Hidden<Vec<Work>> = Hidden::new(Vec::new());

/// Queues something. That it is done later is up to the caller to order.
pub fn queue_work(work: Work) {
    QUEUE.lock().unwrap().push(work);
}

/// Does what is queued at the moment. Returns whether there was something.
pub fn run_work() -> bool {
    let queued = std::mem::take(&mut *QUEUE.lock().unwrap());
    let any = !queued.is_empty();
    for work in queued {
        current().set_worker(true);
        work();
        current().set_worker(false);
    }
    any
}

pub(crate) fn forget_work() {
    // What it drops may look for the queue.
    let queued = std::mem::take(&mut *QUEUE.lock().unwrap());
    std::mem::forget(queued);
}
