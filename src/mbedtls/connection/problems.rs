// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with the peer's certificates, and with which, for an exception to tell: they are
//! gone by then. Not where no certificate is kept, for want of flash.

use core::cell::Cell;
use core::ffi::c_int;

use super::super::error::verify_text;
use super::super::sys;
use crate::mem::{Box, copy};

/// What comes of one call's look at a chain.
#[derive(Default)]
pub(super) struct Problems {
    /// How many certificates there are above the peer's own in what is verified.
    path: Cell<u8>,
    /// One of the peer's certificates is not read, or not as it is.
    pub(super) unread: Cell<bool>,
    pub(super) said: Cell<Option<Box<Said>>>,
}

/// The text.
pub(super) struct Said {
    /// Of all certificates that it is about.
    flags: u32,
    len: usize,
    text: [u8; 240],
}

impl Said {
    const NOTHING: Self = Self { flags: 0, len: 0, text: [0; 240] };

    /// Adds what `write` writes to the rest of the text, as much as it says.
    fn add(&mut self, write: impl FnOnce(&mut [u8]) -> usize) {
        let written = write(self.text.get_mut(self.len..).unwrap_or_default());
        self.len = self.len.saturating_add(written).min(self.text.len());
    }

    fn add_text(&mut self, text: &[u8]) {
        self.add(|to| {
            copy(to, text);
            text.len()
        });
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

/// Writes who the certificate is about; how long that is.
fn subject(cert: &sys::mbedtls_x509_crt, text: &mut [u8]) -> usize {
    // SAFETY: the certificate is parsed; at most as many bytes are written as there are, with a
    // NUL; does not raise.
    unsafe {
        sys::mbedtls_x509_dn_gets(text.as_mut_ptr().cast(), text.len(), &raw const cert.subject);
    }
    // A name that does not fit is cut.
    text.iter().position(|&byte| byte == 0).unwrap_or(text.len())
}

impl Problems {
    /// Keeps what is wrong with a certificate. Without memory, which is the handshake's end anyway,
    /// nothing.
    pub(super) fn note(&self, cert: &sys::mbedtls_x509_crt, depth: c_int, flags: u32) {
        // The root comes first.
        let path = self.path.get().max(depth as u8);
        self.path.set(path);
        if flags == 0 {
            return;
        }
        let Some(mut said) = self.said.take().or_else(|| Box::new(|| Said::NOTHING).ok()) else { return };
        said.flags |= flags;
        said.add(|text| verify_text(flags, text));
        if flags & sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED != 0 && self.unread.get() {
            said.add_text(b"A certificate that cannot be read was passed over\n");
        }
        // The peer's own, right below a root, goes without saying.
        if path > 1 || depth > 0 {
            let number = b'0'.wrapping_add(depth as u8);
            said.add_text(&[b'd', b'e', b'p', b't', b'h', b' ', number, b':', b' ']);
            said.add(|text| subject(cert, text));
            said.add_text(b"\n");
        }
        self.said.set(Some(said));
    }
}
