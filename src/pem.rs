// SPDX-License-Identifier: MIT OR Apache-2.0
//! PEM's labels and digits (RFC 7468), and how long the DER is that they spell.

use crate::error::{Error, Invalid, Result};

/// What a certificate is called in PEM. Behind a trusted one is whom it is trusted for, which
/// is not read.
pub(crate) const LABELS: [&[u8]; 3] = [b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"];
/// What a revocation list is called in PEM.
#[cfg(any(bundles, mbedtls_x509_crl_parse_c))]
pub(crate) const CRL: &[u8] = b"X509 CRL";

/// The tag that DER begins with.
pub(crate) const SEQUENCE: u8 = 0x30;

/// How long the whole SEQUENCE is that `header` begins.
pub(crate) fn sequence(header: &[u8]) -> Option<usize> {
    let (before, len) = match *header {
        [SEQUENCE, len @ ..=0x7f, ..] => (2, usize::from(len)),
        [SEQUENCE, 0x81, len, ..] => (3, usize::from(len)),
        [SEQUENCE, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        _ => return None,
    };
    len.checked_add(before)
}

/// The digits of base64, of which four are three bytes, with blanks anywhere.
#[derive(Default)]
pub(crate) struct Base64 {
    bits: u32,
    digits: usize,
    padding: bool,
}

impl Base64 {
    /// Whether all have come of the last four.
    pub(crate) fn are_whole(&self) -> bool {
        self.digits & 3 == 0
    }

    /// The byte that this digit completes.
    pub(crate) fn digit(&mut self, digit: u8) -> Result<Option<u8>> {
        let value = match digit {
            b'A'..=b'Z' => digit.wrapping_sub(b'A'),
            b'a'..=b'z' => digit.wrapping_sub(b'a' - 26),
            b'0'..=b'9' => digit.wrapping_add(52 - b'0'),
            b'+' => 62,
            b'/' => 63,
            b' ' | b'\t' | b'\r' | b'\n' => return Ok(None),
            b'=' => {
                self.padding = true;
                self.digits = self.digits.wrapping_add(1);
                return Ok(None);
            }
            _ => return Err(Error::Value(Invalid::Cert)),
        };
        if self.padding {
            return Err(Error::Value(Invalid::Cert));
        }
        self.bits = (self.bits << 6) | u32::from(value);
        self.digits = self.digits.wrapping_add(1);
        let shift = match self.digits & 3 {
            2 => 4,
            3 => 2,
            0 => 0,
            _ => return Ok(None),
        };
        Ok(Some((self.bits >> shift) as u8))
    }
}
