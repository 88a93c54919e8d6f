// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trust anchors: the certificates a peer's chain must lead to (RFC 5280).

use crate::error::Result;
use crate::mbedtls::Chain;
use crate::mem::Shared;

/// The anchors of `before` and those in `data` (PEM or DER, with a NUL at
/// the end that is not part of it). Certificates that Mbed TLS cannot read are passed over.
///
/// # Errors
///
/// `ValueError` if `data` holds anything else, or none that it can read; [`crate::error::Error::NoMemory`].
pub fn add(before: Option<&Chain>, data: &[u8]) -> Result<Shared<Chain>> {
    Shared::new(Chain::new, |anchors| {
        if let Some(before) = before {
            anchors.append_copies(before)?;
        }
        anchors.append_readable(data)
    })
}
