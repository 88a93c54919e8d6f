// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes that nobody is to find in memory later.

use super::sys;
use crate::error::Result;
use crate::mem::Array;

/// Bytes that are wiped before their memory is given back.
pub struct Secret(Array<u8>);

impl Secret {
    /// A copy of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new(bytes: &[u8]) -> Result<Self> {
        Array::copy_of(bytes).map(Self)
    }

    /// These, which are not copied.
    #[cfg(any(hibernation, sessions))]
    #[must_use]
    pub fn of(bytes: Array<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        sys::zeroize(&mut self.0);
    }
}
