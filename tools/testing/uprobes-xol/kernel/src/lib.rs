// SPDX-License-Identifier: GPL-2.0

//! What the slot layer uses of the `kernel` crate, on the host.
//!
//! The interfaces are the kernel's, for as much of them as is used. `sync::WaitQueue` is the
//! kernel's file itself.

pub mod bitmap;
pub mod error;
pub mod init;
pub mod list;
pub mod prelude;
pub mod str;
pub mod sync;
pub mod types;

pub use bindings;
pub use std::ffi;

pub mod page {
    /// The size of a page in bytes.
    pub const PAGE_SIZE: usize = bindings::PAGE_SIZE;
}

pub mod processor {
    /// Lets others run.
    pub fn cpu_relax() {
        bindings::backend::spin_loop();
    }
}

pub mod task {
    pub const TASK_NORMAL: u32 = bindings::TASK_NORMAL;

    /// The calling thread's task.
    pub struct Current(());

    impl Current {
        #[doc(hidden)]
        pub fn new() -> Self {
            Self(())
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

/// Asserts at compile time.
#[macro_export]
macro_rules! static_assert {
    ($condition:expr $(, $message:literal)?) => {
        const _: () = assert!($condition $(, $message)?);
    };
}
