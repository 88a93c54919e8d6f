// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pre-shared keys (RFC 4279): what a context knows of them.
//!
//! A client shows an identity and proves that it has the key; a server looks the key
//! up. An identity that the server does not know goes on with a random key, so that it
//! fails where a wrong key does, and in the same time: nobody learns which identities
//! exist (RFC 4279 section 2, the second of its two ways).

use crate::error::{Error, Invalid, Result};
use crate::mbedtls::{self, sys};
use crate::mem::{Array, Shared};

/// The longest identity or identity hint, in bytes: what RFC 4279 5.3 and RFC 7925 4.2
/// ask for. A longer one is nobody's.
pub const IDENTITY_MAX: usize = 128;

/// The longest key, in bytes: what Mbed TLS is built for.
pub const KEY_MAX: usize = sys::MBEDTLS_PSK_MAX_LEN as usize;

/// Bytes that are wiped before their memory is given back.
pub struct Secret(Array<u8>);

impl Secret {
    /// A copy of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new(bytes: &[u8]) -> Result<Self> {
        Array::copy_of(bytes).map(Self)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        mbedtls::zeroize(&mut self.0);
    }
}

/// An identity and its key.
pub struct Pair {
    identity: Array<u8>,
    key: Secret,
}

impl Pair {
    /// Copies of `identity` (1 to [`IDENTITY_MAX`] bytes, any octets) and `key` (1 to
    /// [`KEY_MAX`] bytes).
    ///
    /// # Errors
    ///
    /// `ValueError` for an identity of another length; [`Error::Tls`] with
    /// `MBEDTLS_ERR_SSL_BAD_INPUT_DATA`, upstream's error, for a key of another length;
    /// [`Error::NoMemory`].
    pub fn new(identity: &[u8], key: &[u8]) -> Result<Shared<Self>> {
        if !(1..=IDENTITY_MAX).contains(&identity.len()) {
            return Err(Error::Value(Invalid::PskIdentity));
        }
        if !(1..=KEY_MAX).contains(&key.len()) {
            return Err(Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA));
        }
        let (identity, key) = (Array::copy_of(identity)?, Secret::new(key)?);
        Shared::new(|| Self { identity, key }, |_| Ok(()))
    }

    /// The identity.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.key.bytes()
    }
}

/// What a context says of pre-shared keys.
#[derive(Clone, Default)]
pub struct Settings {
    /// What a client shows, or the one that a server knows without asking.
    pub pair: Option<Shared<Pair>>,
    /// Whether the host is asked: by a server for the key of an identity, by a client
    /// for both.
    pub asks: bool,
    /// A server's, to help clients that have several identities.
    pub hint: Option<Shared<Array<u8>>>,
}

impl Settings {
    /// Whether connections use pre-shared keys.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.asks || self.pair.is_some()
    }
}
