// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pre-shared keys (RFC 4279), as a configuration has them.

use core::ffi::{c_int, c_void};

use super::secret::Secret;
use super::sys;
use crate::error::Result;
use crate::mem::{Array, Shared};

/// The longest identity or identity hint, in bytes: what RFC 4279 5.3 and RFC 7925 4.2
/// ask for. A longer one is nobody's.
pub const IDENTITY_MAX: usize = 128;

/// The longest key, in bytes: what Mbed TLS is built for.
pub const KEY_MAX: usize = sys::MBEDTLS_PSK_MAX_LEN as usize;

/// An identity and its key.
pub struct Pair {
    identity: Array<u8>,
    key: Secret,
}

impl Pair {
    /// Copies of both, which are no longer than they may be.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn new(identity: &[u8], key: &[u8]) -> Result<Shared<Self>> {
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

/// What a configuration says of pre-shared keys.
#[derive(Clone, Default)]
pub struct Psk {
    /// What a client shows, or the one that a server knows without asking.
    pub pair: Option<Shared<Pair>>,
    /// Whether the host is asked: by a server for the key of an identity, by a client
    /// for both.
    pub asks: bool,
    /// A server's, to help clients that have several identities.
    pub hint: Option<Shared<Array<u8>>>,
}

impl Psk {
    /// Whether connections use pre-shared keys.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.asks || self.pair.is_some()
    }
}

/// A server's way to a key, which [`crate::mbedtls::PSK_LOOK_UP`] is.
#[derive(Clone, Copy)]
pub struct LookUp(
    #[cfg_attr(not(mbedtls_ssl_srv_c), allow(dead_code))]
    pub(super)  unsafe extern "C" fn(*mut c_void, *mut sys::mbedtls_ssl_context, *const u8, usize) -> c_int,
);

/// What a connection has seen of pre-shared keys.
#[derive(Default)]
pub(super) struct Seen {
    /// The identity that the client has shown, at a server; at a client, the server's hint.
    pub(super) shown: Option<Array<u8>>,
    /// Whether a client's host has chosen.
    pub(super) chosen: bool,
}
