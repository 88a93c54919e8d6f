// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes that nobody is to find in memory later.

use super::sys;
use crate::error::Result;
use crate::mem::Array;
#[cfg(sessions)]
use crate::mem::Shared;

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

/// A part of bytes that others have as well.
#[cfg(sessions)]
pub struct Part {
    of: Shared<Secret>,
    start: usize,
    len: usize,
}

#[cfg(sessions)]
impl Part {
    /// So many bytes from there on.
    #[must_use]
    pub fn new(of: &Shared<Secret>, start: usize, len: usize) -> Self {
        Self { of: of.clone(), start, len }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        let rest = self.of.bytes().get(self.start..).unwrap_or_default();
        rest.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        sys::zeroize(&mut self.0);
    }
}
