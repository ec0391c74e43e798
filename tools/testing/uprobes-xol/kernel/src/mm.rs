// SPDX-License-Identifier: GPL-2.0

//! Processes.

use crate::sync::aref::ARef;
use bindings::{backend::MutexGuard, mm_struct};
use std::{ops::Deref, sync::Arc};

/// A process, which may be gone.
#[derive(Clone)]
pub struct Mm(pub(crate) Arc<mm_struct>);

/// A process that is not gone.
pub struct MmWithUser(Arc<mm_struct>);

/// As [`MmWithUser`], but the process is not gone while this is dropped.
pub struct MmWithUserAsync(MmWithUser);

impl Mm {
    pub fn mmget_not_zero(&self) -> Option<ARef<MmWithUser>> {
        let is_there = self.0.mmget_not_zero();
        is_there.then(|| ARef(MmWithUser(self.0.clone())))
    }
}

/// The lock of mappings is held.
pub struct MmapReadGuard<'a>(#[allow(dead_code)] MutexGuard<'a, ()>);

impl MmWithUser {
    pub fn mmap_read_lock(&self) -> MmapReadGuard<'_> {
        MmapReadGuard(self.0.mmap_lock.lock().unwrap())
    }

    pub fn as_raw(&self) -> *mut mm_struct {
        Arc::as_ptr(&self.0).cast_mut()
    }

    pub fn into_mmput_async(this: ARef<Self>) -> ARef<MmWithUserAsync> {
        // SAFETY: What is forgotten is not used again.
        let inner = unsafe { std::ptr::read(&this.0) };
        std::mem::forget(this);
        ARef(MmWithUserAsync(inner))
    }
}

impl Drop for MmWithUser {
    fn drop(&mut self) {
        self.0.mmput();
    }
}

impl Deref for MmWithUserAsync {
    type Target = MmWithUser;

    fn deref(&self) -> &MmWithUser {
        &self.0
    }
}
