// SPDX-License-Identifier: MIT OR Apache-2.0
//! A certificate chain and its private key (`mbedtls_ssl_key_cert`).

use super::crt::Chain;
use super::hardware_key::HardwareKey;
use super::pk::PrivateKey;
use crate::error::Result;
use crate::mem::Box;

/// This side's own certificate first, and its private key.
pub struct KeyCert {
    /// The chain.
    pub chain: Chain,
    /// The key.
    pub key: PrivateKey,
    /// What it stands for, if it is an object of the host's.
    hardware: Option<Box<HardwareKey>>,
}

impl KeyCert {
    /// Neither yet.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "made in place, by its owners")]
    pub fn new() -> Self {
        Self { chain: Chain::new(), key: PrivateKey::new(), hardware: None }
    }

    /// Has an object of the host's be the key, where this is to stay. `public`: its other half, if it is
    /// known: see [`crate::credentials::load_object`].
    ///
    /// # Errors
    ///
    /// [`crate::error::Invalid::Key`] for a certificate that is neither for an EC key nor for RSA;
    /// [`crate::error::Invalid::KeyMismatch`]; [`crate::error::Error::NoMemory`].
    pub fn set_object(&mut self, public: Option<&[u8]>) -> Result<()> {
        let hardware = HardwareKey::new(&self.chain, &self.key)?;
        let checked = public.map_or(Ok(()), |public| hardware.check_public(&self.chain, public));
        self.hardware = Some(hardware);
        checked
    }

    /// Whether the key is an object of the host's.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.hardware.is_some()
    }
}
