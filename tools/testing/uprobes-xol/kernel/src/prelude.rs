// SPDX-License-Identifier: GPL-2.0

//! The most common items.

pub use crate::init::{__GFP_NORETRY, __GFP_ZERO};

pub use crate::{
    error::{code::*, Error, Result},
    ffi::c_void,
    init::{
        InPlaceInit as _, KBox, KVBox, KVVec, KVec, PinInit, PinInit as Init, GFP_KERNEL,
        GFP_KERNEL_ACCOUNT,
    },
    pin_init, static_assert,
    str::{CStr, CStrExt as _},
    sync::ArcExt as _,
    try_pin_init,
};
pub use macros::{export, kunit_tests, pin_data};
pub use std::{
    mem::{align_of, size_of, size_of_val},
    pin::Pin,
};
