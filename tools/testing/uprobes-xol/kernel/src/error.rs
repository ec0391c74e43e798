// SPDX-License-Identifier: GPL-2.0

//! Errors.

use std::convert::Infallible;

/// An error number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error(i32);

pub type Result<T = (), E = Error> = std::result::Result<T, E>;

pub mod code {
    use super::Error;

    pub const EINTR: Error = Error(4);
    pub const EAGAIN: Error = Error(11);
    pub const ENOMEM: Error = Error(12);
    pub const EINVAL: Error = Error(22);
    pub const ENOSPC: Error = Error(28);
}

/// What C returns: 0, or the negative of an error number.
pub fn to_result(errno: i32) -> Result {
    if errno < 0 {
        Err(Error(-errno))
    } else {
        Ok(())
    }
}

/// There is no memory.
pub struct AllocError;

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
