// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys that a server may have, by their digests.

use super::crt::bytes;
use super::digest::Digest;
use super::sys;
use crate::error::{Error, Invalid, Result};
use crate::mem::{Array, Shared};

/// How long a digest is: SHA-256's.
const LEN: usize = 32;

/// SHA-256 digests of SubjectPublicKeyInfo (RFC 5280 4.1), as RFC 7469's `pin-sha256` and curl's
/// `--pinnedpubkey` have them.
pub struct Pins(Array<u8>);

impl Pins {
    /// Those that stand in `digests`, one after the other.
    ///
    /// # Errors
    ///
    /// [`Invalid::Pins`] where there is none, or a part of one; [`Error::NoMemory`].
    pub fn new(digests: &[u8]) -> Result<Shared<Self>> {
        if digests.is_empty() || !digests.len().is_multiple_of(LEN) {
            return Err(Error::Value(Invalid::Pins));
        }
        let digests = Array::copy_of(digests)?;
        Shared::new(|| Self(digests), |_| Ok(()))
    }

    /// The digests.
    #[must_use]
    pub fn digests(&self) -> &[u8] {
        &self.0
    }

    /// Whether a certificate's key is among them.
    pub(super) fn have(&self, cert: &sys::mbedtls_x509_crt) -> Result<bool> {
        let mut digest = Digest::new()?;
        digest.update(bytes(&cert.pk_raw))?;
        let digest = digest.finish()?;
        Ok(self.0.chunks_exact(LEN).any(|pin| pin == digest))
    }
}
