// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trust anchors: the certificates a peer's chain must lead to (RFC 5280). They are in memory, or a
//! client's in bundles of the host's, which are read when a chain is verified.

use crate::error::Result;
#[cfg(bundles)]
use crate::io::Bundles;
use crate::mbedtls::Chain;
#[cfg(bundles)]
use crate::mbedtls::{Bundle, Store};
use crate::mem::Shared;

/// The anchors of `before` and those in `data` (PEM or DER, with a NUL at
/// the end that is not part of it). Certificates that Mbed TLS cannot read are passed over.
///
/// # Errors
///
/// `ValueError` if `data` holds anything else, or none that it can read, unless `or_none`;
/// [`crate::error::Error::NoMemory`].
pub fn add(before: Option<&Chain>, data: &[u8], or_none: bool) -> Result<Shared<Chain>> {
    Shared::new(Chain::new, |anchors| {
        if let Some(before) = before {
            anchors.append_copies(before)?;
        }
        anchors.append_readable(data, or_none)
    })
}

/// The bundles of `before`, and the host's of this index, which is read to its end. `None`: there are
/// revocation lists in it alone.
///
/// # Errors
///
/// As [`Bundle::new`]; [`crate::error::Error::NoMemory`].
#[cfg(bundles)]
pub fn add_bundle(
    before: Option<&Store>,
    host: &mut dyn Bundles,
    index: u32,
    take_crl: impl FnMut(&[u8]) -> Result<bool>,
) -> Result<Option<Shared<Store>>> {
    Bundle::new(host, index, take_crl)?.map(|bundle| Store::new(before, bundle)).transpose()
}
