// SPDX-License-Identifier: MIT OR Apache-2.0
//! A certificate chain and its private key (`mbedtls_ssl_key_cert`).

use super::crt::Chain;
use super::pk::PrivateKey;

/// This side's own certificate first, and its private key.
pub struct KeyCert {
    /// The chain.
    pub chain: Chain,
    /// The key.
    pub key: PrivateKey,
}

impl KeyCert {
    /// Neither yet.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "made in place, by its owners")]
    pub fn new() -> Self {
        Self { chain: Chain::new(), key: PrivateKey::new() }
    }
}
