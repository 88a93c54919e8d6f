// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cipher suites that are enabled until somebody chooses: those with forward secrecy and
//! authenticated encryption (RFC 9325 4.2), as CPython and Mozilla's "intermediate" have it.

use core::ffi::c_int;

use super::names::ciphers;
use super::sys;

/// Which of them a context begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// Those.
    Secure,
    /// And what MicroPython's `tls_sslcontext_ciphers.py` wants of `tls.SSLContext` as a client.
    TlsClient,
    /// And what its `sslcontext_server_client_ciphers.py` wants of it as a server.
    TlsServer,
}

/// A suite, and whether it is compiled in: a server of Mbed TLS's fails at any other.
type Suite = (bool, u32);

const ECDSA: bool = cfg!(mbedtls_key_exchange_ecdhe_ecdsa_enabled);
const RSA: bool = cfg!(mbedtls_key_exchange_ecdhe_rsa_enabled);
const DHE: bool = cfg!(mbedtls_key_exchange_dhe_rsa_enabled);
const STATIC_RSA: bool = cfg!(mbedtls_key_exchange_rsa_enabled);
const CHACHA: bool = cfg!(mbedtls_ssl_have_chachapoly);
const CCM: bool = cfg!(all(mbedtls_ssl_have_aes, mbedtls_ssl_have_ccm));
const GCM: bool = cfg!(all(mbedtls_ssl_have_aes, mbedtls_ssl_have_gcm));
const CBC: bool = cfg!(all(mbedtls_ssl_have_aes, mbedtls_ssl_have_cbc));
const SHA1: bool = cfg!(mbedtls_md_can_sha1);
const SHA384: bool = cfg!(mbedtls_md_can_sha384);

/// TLS 1.3's, which none of TLS 1.2 is, in the same order.
#[cfg(tls13)]
const SUITES_1_3: [Suite; 5] = [
    (CHACHA, sys::MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256),
    (GCM, sys::MBEDTLS_TLS1_3_AES_128_GCM_SHA256),
    (GCM && SHA384, sys::MBEDTLS_TLS1_3_AES_256_GCM_SHA384),
    (CCM, sys::MBEDTLS_TLS1_3_AES_128_CCM_SHA256),
    (CCM, sys::MBEDTLS_TLS1_3_AES_128_CCM_8_SHA256),
];
#[cfg(not(tls13))]
const SUITES_1_3: [Suite; 0] = [];

/// Whether a suite is of TLS 1.3.
#[must_use]
pub fn is_tls13_suite(suite: c_int) -> bool {
    SUITES_1_3.iter().any(|(_, known)| *known as c_int == suite)
}

/// Those of TLS 1.3 that there are, in order of preference.
pub fn tls13_ciphers() -> impl Iterator<Item = c_int> + Clone {
    SUITES_1_3.into_iter().filter(|(is_in, _)| *is_in).map(|(_, suite)| suite as c_int)
}

/// ChaCha20-Poly1305 is first: a connection takes a third of the memory that it takes with GCM, and
/// without AES in hardware a third of the time. Then as Mozilla has it: AES with 128 bits, and with
/// it SHA-256, which is the cheaper handshake. Tags of 8 bytes (RFC 7925 4.4) are last.
const SECURE: [Suite; 13] = [
    (ECDSA && CHACHA, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    (RSA && CHACHA, sys::MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    (ECDSA && GCM, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    (RSA && GCM, sys::MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    (ECDSA && GCM && SHA384, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    (RSA && GCM && SHA384, sys::MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    (ECDSA && CCM, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM),
    (ECDSA && CCM, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CCM),
    (DHE && CHACHA, sys::MBEDTLS_TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    (DHE && GCM, sys::MBEDTLS_TLS_DHE_RSA_WITH_AES_128_GCM_SHA256),
    (DHE && GCM && SHA384, sys::MBEDTLS_TLS_DHE_RSA_WITH_AES_256_GCM_SHA384),
    (ECDSA && CCM, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8),
    (ECDSA && CCM, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8),
];

/// The test prints them, in this order.
const TLS_CLIENT: [Suite; 8] = [
    (ECDSA && CBC && SHA384, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384),
    (ECDSA && CBC && SHA1, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA),
    (ECDSA && CBC, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256),
    (ECDSA && CBC && SHA1, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA),
    (STATIC_RSA && CBC, sys::MBEDTLS_TLS_RSA_WITH_AES_256_CBC_SHA256),
    (STATIC_RSA && CBC && SHA1, sys::MBEDTLS_TLS_RSA_WITH_AES_256_CBC_SHA),
    (STATIC_RSA && CBC, sys::MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA256),
    (STATIC_RSA && CBC && SHA1, sys::MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA),
];

/// The test's server has to do with the one that the client chooses.
const TLS_SERVER: [Suite; 1] = [(ECDSA && CBC, sys::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256)];

/// For the longest list, and the 0 at the end.
const ROOM: usize = SUITES_1_3.len() + SECURE.len() + TLS_CLIENT.len() + 1;

/// `list`, and in place of its zeros those of `suites` that are compiled in.
const fn with(mut list: [c_int; ROOM], mut suites: &[Suite]) -> [c_int; ROOM] {
    let mut places: &mut [c_int] = &mut list;
    while let [place, rest @ ..] = places {
        places = rest;
        while let ([(is_in, suite), others @ ..], 0) = (suites, *place) {
            suites = others;
            if *is_in {
                *place = *suite as c_int;
            }
        }
    }
    list
}

const SECURE_LIST: [c_int; ROOM] = with(with([0; ROOM], &SUITES_1_3), &SECURE);
static LISTS: [[c_int; ROOM]; 3] =
    [SECURE_LIST, with(SECURE_LIST, &TLS_CLIENT), with(SECURE_LIST, &TLS_SERVER)];

/// The suites, with a 0 behind them. All that there are, where the firmware's Mbed TLS is compiled
/// with a list of its own (`MBEDTLS_SSL_CIPHERSUITES`), which is to hold, or with none of ours.
#[must_use]
pub fn default_ciphers(defaults: Defaults) -> &'static [c_int] {
    let [secure, tls_client, tls_server] = &LISTS;
    let list = match defaults {
        _ if cfg!(mbedtls_ssl_ciphersuites) || secure.first() == Some(&0) => return ciphers(),
        Defaults::Secure => secure,
        Defaults::TlsClient => tls_client,
        Defaults::TlsServer => tls_server,
    };
    list.split(|&id| id == 0).next().unwrap_or_default()
}
