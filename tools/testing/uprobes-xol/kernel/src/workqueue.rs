// SPDX-License-Identifier: GPL-2.0

//! Work items.

use crate::{
    error::Result,
    init::{Closure, PinInit},
    sync::Arc,
    time::Jiffies,
};
use bindings::backend::Mutex;
use std::{convert::Infallible, marker::PhantomData};

pub use crate::{impl_has_delayed_work, new_delayed_work};

/// What a work item does.
pub trait WorkItem: Sized {
    type Pointer;

    fn run(this: Self::Pointer);
}

/// What a work item is part of.
pub trait HasDelayedWork: WorkItem<Pointer = Arc<Self>> + Send + Sync + 'static {
    #[doc(hidden)]
    fn work(&self) -> &DelayedWork<Self>;
}

/// A work item: whether it is queued.
pub struct DelayedWork<T>(Mutex<bool>, PhantomData<fn(T)>);

impl<T> DelayedWork<T> {
    #[doc(hidden)]
    pub fn new() -> impl PinInit<Self> {
        Closure::new(|| -> Result<Self, Infallible> { Ok(Self(Mutex::new(false), PhantomData)) })
    }

    fn set_queued(&self, queued: bool) -> bool {
        std::mem::replace(&mut *self.0.lock().unwrap(), queued)
    }
}

#[macro_export]
macro_rules! new_delayed_work {
    ($($name:literal)?) => {
        $crate::workqueue::DelayedWork::new()
    };
}

#[macro_export]
macro_rules! impl_has_delayed_work {
    (impl HasDelayedWork<$_:ty> for $this:ty { self.$field:ident }) => {
        impl $crate::workqueue::HasDelayedWork for $this {
            fn work(&self) -> &$crate::workqueue::DelayedWork<Self> {
                &self.$field
            }
        }
    };
}

/// A queue, whose work is done when the model is told so, however long the delay is.
pub struct Queue(());

pub fn system_long() -> &'static Queue {
    &Queue(())
}

impl Queue {
    pub fn enqueue_delayed<T: HasDelayedWork>(
        &self,
        item: Arc<T>,
        _: Jiffies,
    ) -> Result<(), Arc<T>> {
        if item.work().set_queued(true) {
            return Err(item);
        }
        bindings::queue_work(Box::new(move || {
            item.work().set_queued(false);
            T::run(item.clone());
        }));
        Ok(())
    }
}
