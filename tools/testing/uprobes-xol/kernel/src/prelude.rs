// SPDX-License-Identifier: GPL-2.0

//! The most common items.

pub use crate::{
    error::{code::*, Error, Result},
    ffi::c_void,
    init::{InPlaceInit as _, KBox, KVVec, KVec, PinInit, GFP_HIGHUSER, GFP_KERNEL, __GFP_ZERO},
    pin_init, static_assert, try_pin_init,
};
pub use macros::{kunit_tests, pin_data};
pub use std::{mem::size_of, pin::Pin};
