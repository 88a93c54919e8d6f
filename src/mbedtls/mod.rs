// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed owners of Mbed TLS objects, one file an object. They own what they are given, a
//! chain, a key, a list of numbers, and name no type of the core.
//!
//! The owners live where [`crate::mem`] put them and never move. Those that
//! Mbed TLS writes to behind a pointer-to-const, or through several pointers,
//! keep their object in an `UnsafeCell`.

#[cfg(mbedtls_ssl_alpn)]
mod alpn;
mod config;
mod connection;
mod cookie;
#[cfg(mbedtls_x509_crl_parse_c)]
mod crl;
mod crt;
pub mod crypto;
mod default_ciphers;
#[cfg(any(bundles, hibernation, sessions))]
mod digest;
mod ecdsa;
mod error;
mod hardware_key;
mod key_cert;
mod list;
mod names;
#[cfg(bundles)]
mod pins;
mod pk;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
mod psk;
mod rng;
#[cfg(hibernation)]
mod seal;
#[cfg(any(hibernation, sessions, mbedtls_ssl_handshake_with_psk_enabled))]
mod secret;
#[cfg(sessions)]
mod session;
#[cfg(sessions)]
mod session_cache;
mod signer;
mod stats;
#[cfg(bundles)]
mod store;
pub mod sys;
#[cfg(tickets)]
mod tickets;

#[cfg(mbedtls_ssl_alpn)]
pub use alpn::Protocols;
#[cfg(mbedtls_ssl_srv_c)]
pub use config::Hello;
#[cfg(bundles)]
pub use config::Issuers;
#[cfg(tls13)]
pub use config::Version;
pub use config::{Config, Endpoint, Transport};
#[cfg(mbedtls_ssl_srv_c)]
pub use connection::HELLO;
#[cfg(bundles)]
pub use connection::ISSUERS;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
pub use connection::PSK_LOOK_UP;
pub use connection::{Connection, HIBERNATION, Interrupted, Outcome, Ssl};
#[cfg(sessions)]
pub use connection::{Kept, Peer};
pub use cookie::Cookies;
#[cfg(mbedtls_x509_crl_parse_c)]
pub use crl::{CrlCheck, Crls, crls};
#[cfg(mbedtls_ssl_keep_peer_certificate)]
pub use crt::look_into_pem;
pub use crt::{Chain, PARSING, parsing};
pub use default_ciphers::{Defaults, default_ciphers, is_tls13_suite, tls13_ciphers};
#[cfg(any(hibernation, sessions))]
pub use digest::Binding;
#[cfg(any(bundles, hibernation, sessions))]
pub use digest::Digest;
pub use key_cert::KeyCert;
pub use list::List;
pub use names::{CID_MAX, Cipher, cipher_name, ciphers, decrypts, fragment_code, groups};
#[cfg(bundles)]
pub use pins::Pins;
pub use pk::PrivateKey;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
pub use psk::{IDENTITY_MAX, KEY_MAX, Pair, Psk};
pub use rng::Rng;
#[cfg(hibernation)]
pub use seal::{SALT, TAG, open, seal};
#[cfg(sessions)]
pub use secret::Part;
#[cfg(any(hibernation, sessions))]
pub use secret::Secret;
#[cfg(sessions)]
pub use session::{ID_MAX, LIFETIME_MAX, Moment, Once, Session};
#[cfg(sessions)]
pub use session_cache::{Cached, Key, SessionCache};
pub use stats::Stats;
#[cfg(bundles)]
pub use store::{Bundle, Store};
#[cfg(tickets)]
pub use tickets::Tickets;
