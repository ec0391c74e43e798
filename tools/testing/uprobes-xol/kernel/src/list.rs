// SPDX-License-Identifier: GPL-2.0

//! Lists of counted references.

use crate::{
    init::PinInit,
    sync::{
        atomic::{Acquire, Atomic, Release},
        Arc, ArcBorrow,
    },
};
use std::{collections::VecDeque, ops::Deref};

pub use crate::{impl_list_arc_safe, impl_list_item};

/// What knows whether there is a [`ListArc`].
pub trait TryNewListArc {
    fn try_new_list_arc(&self) -> bool;
    fn on_drop_list_arc(&self);
}

/// An item's place in a list.
pub struct ListLinks(());

impl ListLinks {
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> impl PinInit<Self> {
        Self(())
    }
}

/// Knows whether there is a [`ListArc`] by an atomic, with the kernel's orderings.
pub struct AtomicTracker(Atomic<bool>);

impl AtomicTracker {
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> impl PinInit<Self> {
        Self(Atomic::new(false))
    }
}

impl TryNewListArc for AtomicTracker {
    fn try_new_list_arc(&self) -> bool {
        self.0.cmpxchg(false, true, Acquire).is_ok()
    }

    fn on_drop_list_arc(&self) {
        self.0.store(false, Release);
    }
}

#[macro_export]
macro_rules! impl_list_arc_safe {
    (impl ListArcSafe<0> for $this:ty { tracked_by $field:ident: $tracker:ty; }) => {
        impl $crate::list::TryNewListArc for $this
        where
            $tracker: TryNewListArc,
        {
            fn try_new_list_arc(&self) -> bool {
                <$tracker as $crate::list::TryNewListArc>::try_new_list_arc(&self.$field)
            }

            fn on_drop_list_arc(&self) {
                <$tracker as $crate::list::TryNewListArc>::on_drop_list_arc(&self.$field)
            }
        }
    };
}

#[macro_export]
macro_rules! impl_list_item {
    (impl ListItem<0> for $this:ty { using ListLinks { self.$field:ident }; }) => {
        const _: fn(&$this) -> &$crate::list::ListLinks = |this| &this.$field;
    };
}

/// The one reference to an item that may be in a list.
pub struct ListArc<T: TryNewListArc>(Arc<T>);

impl<T: TryNewListArc> ListArc<T> {
    pub fn try_from_arc_borrow(borrow: ArcBorrow<'_, T>) -> Option<Self> {
        borrow.try_new_list_arc().then(|| Self(borrow.into()))
    }
}

impl<T: TryNewListArc> Deref for ListArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: TryNewListArc> Drop for ListArc<T> {
    fn drop(&mut self) {
        self.0.on_drop_list_arc();
    }
}

/// A list.
pub struct List<T: TryNewListArc>(VecDeque<ListArc<T>>);

impl<T: TryNewListArc> List<T> {
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub fn push_back(&mut self, item: ListArc<T>) {
        self.0.push_back(item);
    }

    pub fn pop_front(&mut self) -> Option<ListArc<T>> {
        self.0.pop_front()
    }

    /// # Safety
    ///
    /// `item` is in no other list.
    pub unsafe fn remove(&mut self, item: &T) -> Option<ListArc<T>> {
        let index = self
            .0
            .iter()
            .position(|other| std::ptr::eq(&**other, item))?;
        self.0.remove(index)
    }
}

impl<T: TryNewListArc> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}
