// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `ssl` module of MicroPython firmware: the part that is not Python's.
//!
//! # The house, from the top
//!
//! Arrows run downward only: a room names rooms on its own floor or below, and none in a
//! circle (`tools/check_rules.py` sees to it).
//!
//! | floor | room | what lives there |
//! |---|---|---|
//! | | `c_glue/` | C: module tables, arguments, raising; every `nlr_push` |
//! | | `c_glue/mpssl.h` | the contract between the two languages |
//! | top | [`ffi`] | the exports C calls; [`io`]'s traits over C's call-outs |
//! | core | [`context`] | `SSLContext`: settings, frozen for the sockets made with them |
//! | | [`socket`] | `SSLSocket`: handshake, read, write, poll, close as one state machine |
//! | | `export` | an open connection as bytes, for the next life |
//! | | `session` | `SSLSession`: what a client goes on with |
//! | | [`dtls`] | what only datagrams need: settings, datagrams of no connection yet, a listener's clients |
//! | | [`credentials`] | certificate chain and private key |
//! | | [`psk`] | pre-shared keys |
//! | | [`trust`] | trust anchors |
//! | | [`certificate`] | what a peer's certificate says: `getpeercert()` |
//! | | [`ciphers`] | cipher suite names |
//! | | [`groups`] | key exchange group names |
//! | owners | [`mbedtls`] | typed owners of Mbed TLS objects |
//! | | `mbedtls::connection` | the only rooms that touch its private fields |
//! | | [`mbedtls::crypto`] | what is put under Mbed TLS by the linker |
//! | | [`p256`] | multiplication on P-256, which goes there |
//! | | `aes_gcm` | AES-GCM on x86-64, likewise |
//! | ground | [`alert`] | names of alerts |
//! | | `bundle` | bundles of certificates, read piece by piece |
//! | | [`io`] | what the core asks of the world: transport, clock, verifier |
//! | | [`error`] | every failure, and what Python sees of it |
//! | | [`mem`] | fallible boxes on Mbed TLS's allocator |
//! | | [`wire`] | datagrams as they are on the wire |
//! | | `fnv` | by what bytes are known again |
//! | | [`timer`] | the timer of retransmissions |
//! | | [`micropython_sys`] | the contract as Rust sees it |
//!
//! Only [`ffi`], [`mbedtls`], [`mem`] and [`micropython_sys`] contain `unsafe`. Nothing
//! panics: every allocation can fail and says so, every arithmetic that could overflow is
//! checked, and no slice is indexed.
//!
//! # Names
//!
//! | Python | RFC 5246 / 6347 | Mbed TLS |
//! |---|---|---|
//! | `SSLContext` | – | `mbedtls_ssl_config` |
//! | `SSLSocket` | connection | `mbedtls_ssl_context` |
//! | `wrap_socket`, `do_handshake` | handshake | `mbedtls_ssl_handshake` |
//! | `load_cert_chain` | Certificate, private key | `mbedtls_ssl_conf_own_cert` |
//! | `load_verify_locations` | trust anchor (RFC 5280) | `mbedtls_ssl_conf_ca_chain` |
//! | `verify_mode` | – | `mbedtls_ssl_conf_authmode` |
//! | `set_ciphers` | cipher suite | `mbedtls_ssl_conf_ciphersuites` |
//! | `set_alpn_protocols` | application protocols (RFC 7301) | `mbedtls_ssl_conf_alpn_protocols` |
//! | `sni_callback` | server name (RFC 6066 3) | `mbedtls_ssl_conf_cert_cb`, `mbedtls_ssl_set_hs_own_cert` |
//! | `set_ecdh_curve` | supported group (RFC 8422) | `mbedtls_ssl_conf_groups` |
//! | `SSLSession` | session (RFC 5246 F.1.4, RFC 8446 2.2) | `mbedtls_ssl_session` |
//! | `num_tickets` | ticket (RFC 5077, RFC 8446 4.6.1) | `mbedtls_ssl_ticket_context` |
//! | `hibernate` | – | – |
//! | `close`, `unwrap` | close_notify alert | `mbedtls_ssl_close_notify` |
//! | `psk_identity`, `psk_key` | PSK identity, pre-shared key (RFC 4279) | `mbedtls_ssl_conf_psk` |
//! | `server_psk_keys` | – | `mbedtls_ssl_conf_psk_cb` |
//! | `client_id` | cookie (RFC 6347 4.2.1) | `mbedtls_ssl_set_client_transport_id` |
#![no_std]

#[cfg(aes_gcm)]
pub mod aes_gcm;
pub mod alert;
#[cfg(bundles)]
pub mod bundle;
pub mod certificate;
pub mod ciphers;
pub mod context;
pub mod credentials;
pub mod dtls;
pub mod error;
#[cfg(hibernation)]
pub mod export;
mod fnv;
pub mod groups;
pub mod io;
#[cfg(p256)]
pub mod p256;
mod pem;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
pub mod psk;
#[cfg(sessions)]
pub mod session;
pub mod socket;
pub mod timer;
pub mod trust;
pub mod wire;

#[allow(unsafe_code)]
pub mod ffi;
#[allow(unsafe_code)]
pub mod mbedtls;
#[allow(unsafe_code)]
pub mod mem;
#[allow(unsafe_code)]
pub mod micropython_sys;

/// The firmware has no unwinder and must not contain `core::panicking`: this
/// handler is reachable from nothing, and `tests/run.py binary` checks that the
/// linker found it so. With debug assertions, which are for tests, it is reachable, and says why.
#[cfg(feature = "firmware")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(debug_assertions)]
    micropython_sys::abort(info);
    #[cfg(not(debug_assertions))]
    {
        let _ = info;
        loop {}
    }
}
