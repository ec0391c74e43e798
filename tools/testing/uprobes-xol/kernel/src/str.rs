// SPDX-License-Identifier: GPL-2.0

//! Strings for C.

pub use std::ffi::CStr;

/// The kernel's names for what the standard library has.
pub trait CStrExt {
    fn as_char_ptr(&self) -> *const std::ffi::c_char;
}

impl CStrExt for CStr {
    fn as_char_ptr(&self) -> *const std::ffi::c_char {
        self.as_ptr()
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! optional_name {
    ($($name:literal)?) => {
        // The empty one if there is none.
        ::std::ffi::CStr::from_bytes_with_nul(concat!($($name,)? "\0").as_bytes()).unwrap()
    };
}
