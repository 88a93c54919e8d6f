// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificate chain and private key of this side.

use crate::error::{Error, Result};
use crate::mbedtls::{KeyCert, Rng};
use crate::mem::Shared;

/// Reads PEM or DER; both end with a NUL that is not part of them.
/// `check_pair`: the key must belong to the certificate, unless that has
/// expired or the key is a reference to one in a secure element.
///
/// # Errors
///
/// `ValueError` for a bad key, certificate or pair;
/// [`Error::CertMissing`] for a good key without a certificate;
/// [`Error::NoMemory`].
pub fn load(
    cert: Option<&[u8]>,
    key: &[u8],
    password: Option<&[u8]>,
    check_pair: bool,
    rng: &Rng,
) -> Result<Shared<KeyCert>> {
    Shared::new(KeyCert::new, |own| {
        own.key.parse(key, password, rng)?;
        own.chain.append(cert.ok_or(Error::CertMissing)?)?;
        // An expired certificate convinces no peer that verifies, whatever the
        // key; upstream's tests serve one with another's. The key that a
        // reference stands for is in a chip.
        if check_pair && !own.chain.is_expired() && !own.key.is_reference() {
            own.key.check_pair(&own.chain, rng)?;
        }
        Ok(())
    })
}
