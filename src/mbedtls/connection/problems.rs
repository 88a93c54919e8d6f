// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with the peer's certificates, and with which, for an exception to tell: they are
//! gone by then.

use super::super::error::verify_text;
use crate::mem::copy;

/// What is wrong with the certificates of a chain.
pub(super) struct Problems {
    /// Of all certificates that the text is about.
    pub(super) flags: u32,
    len: usize,
    text: [u8; 240],
}

impl Problems {
    pub(super) const NONE: Self = Self { flags: 0, len: 0, text: [0; 240] };

    /// Adds what `write` writes to the rest of the text, as much as it says.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut [u8]) -> usize) {
        let written = write(self.text.get_mut(self.len..).unwrap_or_default());
        self.len = self.len.saturating_add(written).min(self.text.len());
    }

    /// Writes the text to `text`, and behind it that of those `flags` that it does not have, which
    /// were found later: of the peer's own certificate. How long it is.
    pub(super) fn write(&self, flags: u32, text: &mut [u8]) -> usize {
        let own = self.text.get(..self.len).unwrap_or_default();
        copy(text, own);
        let len = own.len().min(text.len());
        let later = flags & !self.flags;
        if later == 0 {
            return len;
        }
        len.saturating_add(verify_text(later, text.get_mut(len..).unwrap_or_default()))
    }
}
