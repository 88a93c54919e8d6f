// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pre-shared keys (RFC 4279): what a context takes for one.
//!
//! A client shows an identity and proves that it has the key; a server looks the key
//! up. An identity that the server does not know goes on with a random key, so that it
//! fails where a wrong key does, and in the same time: nobody learns which identities
//! exist (RFC 4279 section 2, the second of its two ways).

use crate::error::{Error, Invalid, Result};
use crate::mbedtls::sys;
pub use crate::mbedtls::{IDENTITY_MAX, KEY_MAX, Pair, Psk};
use crate::mem::Shared;

/// Copies of `identity` (1 to [`IDENTITY_MAX`] bytes, any octets) and `key` (1 to
/// [`KEY_MAX`] bytes).
///
/// # Errors
///
/// `ValueError` for an identity of another length; [`Error::Tls`] with upstream's errors for a
/// key of another: `MBEDTLS_ERR_SSL_BAD_INPUT_DATA` for none, `MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE`
/// for one too long;
/// [`Error::NoMemory`].
pub fn pair(identity: &[u8], key: &[u8]) -> Result<Shared<Pair>> {
    if !(1..=IDENTITY_MAX).contains(&identity.len()) {
        return Err(Error::Value(Invalid::PskIdentity));
    }
    match key.len() {
        0 => Err(Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA)),
        1..=KEY_MAX => Pair::new(identity, key),
        _ => Err(Error::Tls(sys::MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE)),
    }
}
