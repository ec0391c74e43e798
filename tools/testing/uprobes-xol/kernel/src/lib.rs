// SPDX-License-Identifier: GPL-2.0

//! What the slot layer uses of the `kernel` crate, on the host.
//!
//! The interfaces are the kernel's, for as much of them as is used. `sync::WaitQueue` is the
//! kernel's file itself.

pub mod bitmap;
pub mod error;
pub mod init;
pub mod list;
pub mod mm;
pub mod prelude;
pub mod str;
pub mod sync;
pub mod time;
pub mod types;
pub mod workqueue;

pub use bindings;
pub use init::init_array_from_fn;

pub mod alloc {
    pub use crate::init::Flags;
}

pub mod ffi {
    pub use std::ffi::{c_int, c_uint, c_void};

    // As wide as a pointer, in the kernel.
    pub type c_long = isize;
    pub type c_ulong = usize;
}

pub mod page {
    use crate::{
        error::{code::ENOMEM, Result},
        init::Flags,
    };

    /// The size of a page in bytes.
    pub const PAGE_SIZE: usize = bindings::PAGE_SIZE;

    /// A page. Always there, but while it is dropped.
    pub struct Page(Option<Box<bindings::page>>);

    impl Page {
        pub fn alloc_page(_: Flags) -> Result<Self> {
            Ok(Self(Some(bindings::alloc_page().ok_or(ENOMEM)?)))
        }

        pub fn as_ptr(&self) -> *mut bindings::page {
            std::ptr::from_ref(self.0.as_deref().unwrap()).cast_mut()
        }

        /// # Safety
        ///
        /// `to` is valid for writes of `number` bytes.
        pub unsafe fn read_raw(&self, to: *mut u8, offset: usize, number: usize) -> Result {
            let page = self.0.as_deref().unwrap();
            // SAFETY: By the function's requirements.
            (0..number).for_each(|at| unsafe { to.add(at).write(page.byte(offset + at)) });
            Ok(())
        }
    }

    impl Drop for Page {
        fn drop(&mut self) {
            if let Some(page) = self.0.take() {
                bindings::free_page(page);
            }
        }
    }
}

pub mod transmute {
    /// Types without padding.
    pub trait AsBytes {
        fn as_bytes(&self) -> &[u8];
    }

    impl<const N: usize> AsBytes for [usize; N] {
        fn as_bytes(&self) -> &[u8] {
            // SAFETY: The same memory, all of which has a value.
            unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), size_of_val(self)) }
        }
    }
}

pub mod processor {
    /// Lets others run.
    pub fn cpu_relax() {
        bindings::backend::spin_loop();
    }
}

pub mod task {
    pub const TASK_NORMAL: u32 = bindings::TASK_NORMAL;

    use crate::mm::Mm;

    /// The caller may sleep.
    pub fn might_sleep() {}

    /// The calling thread's task.
    pub struct Current(Option<Mm>);

    impl Current {
        #[doc(hidden)]
        pub fn new() -> Self {
            Self(bindings::current().mm().map(Mm))
        }

        /// The process that it is a task of.
        pub fn mm(&self) -> Option<&Mm> {
            self.0.as_ref()
        }

        /// The task as C has it.
        pub fn as_ptr(&self) -> *mut bindings::task_struct {
            bindings::get_current()
        }
    }

    impl Default for Current {
        fn default() -> Self {
            Self::new()
        }
    }
}

/// The calling thread's task.
#[macro_export]
macro_rules! current {
    () => {
        $crate::task::Current::new()
    };
}

/// Breaks the property that there are no warnings, if the condition is true.
#[macro_export]
macro_rules! warn_on {
    ($condition:expr) => {{
        let condition = $condition;
        $crate::bindings::model::Property::NoWarning.holds_if(!condition);
        condition
    }};
}

/// Declares tracepoints, which nobody enables here.
#[macro_export]
macro_rules! declare_trace {
    ($($(#[$meta:meta])* unsafe fn $name:ident($($argument:ident: $type:ty),* $(,)?);)*) => {$(
        $(#[$meta])*
        unsafe fn $name($(_: $type),*) {}
    )*};
}

/// Asserts nothing, as types have other sizes here. The kernel's compiler asserts.
#[macro_export]
macro_rules! static_assert {
    ($condition:expr $(, $message:literal)?) => {
        const _: bool = $condition;
    };
}
