// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificate chain and private key of this side.

use crate::error::{Error, Result};
use crate::mbedtls::{Chain, PrivateKey, Rng};
use crate::mem::Shared;

/// A certificate chain, this side's own certificate first, and its private key.
pub struct Credentials {
    chain: Chain,
    key: PrivateKey,
}

impl Credentials {
    /// Reads PEM or DER; both end with a NUL that is not part of them.
    /// `check_pair`: the key must belong to the certificate, unless that has
    /// expired or the key is a reference to one in a secure element.
    ///
    /// # Errors
    ///
    /// `ValueError` for a bad key, certificate or pair;
    /// [`Error::CertMissing`] for a good key without a certificate;
    /// [`Error::NoMemory`].
    pub fn new(
        cert: Option<&[u8]>,
        key: &[u8],
        password: Option<&[u8]>,
        check_pair: bool,
        rng: &Rng,
    ) -> Result<Shared<Self>> {
        let empty = || Self { chain: Chain::new(), key: PrivateKey::new() };
        Shared::new(empty, |credentials| {
            credentials.key.parse(key, password, rng)?;
            credentials.chain.append(cert.ok_or(Error::CertMissing)?)?;
            // An expired certificate convinces no peer that verifies, whatever the
            // key; upstream's tests serve one with another's. The key that a
            // reference stands for is in a chip.
            if check_pair && !credentials.chain.is_expired() && !credentials.key.is_reference() {
                credentials.key.check_pair(&credentials.chain, rng)?;
            }
            Ok(())
        })
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }
}
