// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cipher suites by name. Mbed TLS spells the IANA names with hyphens, as
//! upstream's `get_ciphers` does; IANA's own underscores are understood too.

use core::ffi::c_int;

use crate::error::{Error, Result};
use crate::mbedtls::{self, Defaults, List, sys};
use crate::mem::Shared;

/// Cipher suites in order of preference, by their IANA numbers.
pub type Ciphers = List<c_int>;

/// The suite that `name` names.
fn id(name: &[u8]) -> Option<c_int> {
    mbedtls::ciphers().iter().copied().find(|&id| {
        mbedtls::cipher_name(id).is_some_and(|known| {
            let known = known.to_bytes();
            known.len() == name.len()
                && known
                    .iter()
                    .zip(name)
                    .all(|(known, given)| known == given || (*known == b'-' && *given == b'_'))
        })
    })
}

/// Whether `name` names a suite.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
#[must_use]
pub fn is_name(name: &[u8]) -> bool {
    id(name).is_some()
}

/// How the names of the suites with pre-shared keys begin, those with forward secrecy
/// first: the order of preference unless `set_ciphers` says otherwise.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
const PSK: [&[u8]; 4] = [b"TLS-ECDHE-PSK-", b"TLS-DHE-PSK-", b"TLS-PSK-", b"TLS-RSA-PSK-"];

#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
fn begins_with(id: c_int, prefix: &[u8]) -> bool {
    mbedtls::cipher_name(id).is_some_and(|name| name.to_bytes().starts_with(prefix))
}

/// Whether a suite is for pre-shared keys.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
#[must_use]
pub fn is_psk(id: c_int) -> bool {
    PSK.iter().any(|prefix| begins_with(id, prefix))
}

/// The suites that are enabled without `set_ciphers` and pre-shared keys, in order of preference.
pub fn defaults(defaults: Defaults) -> impl Iterator<Item = c_int> {
    let suites = mbedtls::default_ciphers(defaults).iter().copied();
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    let suites = suites.filter(|&id| !is_psk(id));
    suites
}

/// Those that use pre-shared keys, which alone are enabled where there are any.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
pub fn with_psk() -> impl Iterator<Item = c_int> + Clone {
    let all = || mbedtls::ciphers().iter().copied();
    let psk = PSK.into_iter().flat_map(move |prefix| all().filter(move |&id| begins_with(id, prefix)));
    mbedtls::tls13_ciphers().chain(psk)
}

/// Suites as a list.
///
/// # Errors
///
/// [`Error::NoMemory`].
pub fn list(suites: impl Iterator<Item = c_int> + Clone) -> Result<Shared<Ciphers>> {
    Ciphers::new(suites.clone().count(), |ids| {
        for (to, id) in ids.iter_mut().zip(suites) {
            *to = id;
        }
        Ok(())
    })
}

/// The suites named by `names`, of which there are `n`. TLS 1.3's stay where they name none of them: as
/// CPython's `set_ciphers`, this is about TLS 1.2's.
///
/// # Errors
///
/// [`Error::Tls`] with `MBEDTLS_ERR_SSL_BAD_CONFIG` for an unknown name or
/// none at all; [`Error::NoMemory`].
pub fn named<'a>(n: usize, names: impl Iterator<Item = &'a [u8]>) -> Result<Shared<Ciphers>> {
    const BAD_CONFIG: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_CONFIG);
    if n == 0 {
        return Err(BAD_CONFIG);
    }
    let others = mbedtls::tls13_ciphers().count();
    Ciphers::new(n.saturating_add(others), |ids| {
        for (to, name) in ids.iter_mut().zip(names) {
            *to = id(name).ok_or(BAD_CONFIG)?;
        }
        if !ids.iter().any(|&id| mbedtls::is_tls13_suite(id)) {
            ids.rotate_right(others);
            for (to, id) in ids.iter_mut().zip(mbedtls::tls13_ciphers()) {
                *to = id;
            }
        }
        Ok(())
    })
}

/// TLS 1.3's suites named by `names`, of which there are `n`; none: TLS 1.3 has no suite.
///
/// # Errors
///
/// [`Error::Tls`] with `MBEDTLS_ERR_SSL_BAD_CONFIG` for the name of none of them; [`Error::NoMemory`].
#[cfg(tls13)]
pub fn of_tls13<'a>(n: usize, names: impl Iterator<Item = &'a [u8]>) -> Result<Shared<Ciphers>> {
    Ciphers::new(n, |ids| {
        for (to, name) in ids.iter_mut().zip(names) {
            let named = id(name).filter(|&id| mbedtls::is_tls13_suite(id));
            *to = named.ok_or(Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_CONFIG))?;
        }
        Ok(())
    })
}
