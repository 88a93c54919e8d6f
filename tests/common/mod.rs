// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the integration tests share, and the C side of the contract, which they stand in for.
//!
//! - [`alloc`]: the allocator behind `mpglue_calloc`, counting, and failing where told;
//! - [`link`]: two ends of a stream or of a datagram path, on a clock that is only moved;
//! - [`clock`]: the time, by which the core goes as well;
//! - [`pair`]: a client and a server over such a link;
//! - [`datagrams`]: the same over datagrams, with a server that checks cookies, and bad weather;
//! - [`forge`]: certificates of any kind;
//! - [`raw`]: a peer that sends what a [`Socket`](micropython_ssl::socket::Socket) never would;
//! - [`pki`]: the test certificates;
//! - [`stack`]: what functions leave on it.
// Each test program uses its own part of this.
#![allow(dead_code, unused_imports)]

#[allow(unsafe_code)]
pub mod alloc;
#[allow(unsafe_code)]
pub mod border;
pub mod clock;
pub mod datagrams;
#[allow(unsafe_code)]
pub mod forge;
pub mod link;
pub mod pair;
pub mod pki;
#[allow(unsafe_code)]
#[cfg(mbedtls_ssl_handshake_with_cert_enabled)]
pub mod raw;

#[allow(unsafe_code)]
pub mod stack;

pub use alloc::Balance;
pub use datagrams::{Dice, Duo, Weather};
pub use link::{CLIENT, Fate, Link, Port, SERVER, is_message, on_records, records};
pub use pair::{Contexts, End, Pair, Peer, Setup, run};

use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Result};
use micropython_ssl::mbedtls::sys;
use micropython_ssl::mem;
use micropython_ssl::socket::Options;

/// A context of TLS 1.2, whatever there is: what most tests are about. `tests/tls13.rs` has the others.
pub fn tls12(context: Result<mem::Box<Context>>) -> mem::Box<Context> {
    let mut context = context.unwrap();
    context.set_version(true, 0x303).unwrap();
    context
}

/// A saved session with the checksum (FNV-1a) that whoever changes the bytes would make.
pub fn with_sum(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(body) = bytes.len().checked_sub(4) {
        let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let sum = bytes[..body].iter().fold(0x811c_9dc5, step);
        bytes[body..].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// A connection's options: a host name to verify, an address that cookies are bound to.
pub fn options<'a>(hostname: Option<&'a [u8]>, client_id: Option<&'a [u8]>) -> Options<'a> {
    Options {
        hostname,
        assert_hostname: None,
        client_id,
        host_signs: false,
        hello_verify: true,
        asks: false,
        #[cfg(sessions)]
        port: 0,
        #[cfg(sessions)]
        session: None,
    }
}

/// `OSError(EBADF)`: what every call answers after the one that failed.
pub const EBADF: Error = Error::Errno(9);
/// `OSError(EINVAL)`.
pub const EINVAL: Error = Error::Errno(22);
/// The peer gave up and said so.
pub const ALERTED: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
/// The stream ended in the middle of the handshake.
pub const CUT: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_CONN_EOF);

/// Whether this Mbed TLS puts a stream's handshake message together from several records; a
/// ClientHello too, and one in several datagrams, as its client then sends it (src/mbedtls/connection/layout.rs).
pub const TAKES_FRAGMENTS: bool = sys::MBEDTLS_VERSION_PATCH >= 3;
pub const TAKES_HELLO_FRAGMENTS: bool = sys::MBEDTLS_VERSION_PATCH >= 6;
/// What it says otherwise.
pub const NO_FRAGMENTS: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE);

/// `n` bytes that differ from their neighbours and from those 256 further on.
pub fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i.wrapping_mul(167) ^ (i >> 8)) as u8).collect()
}

/// The text Python sees of an error.
pub fn text(error: Error) -> String {
    let mut text = [0; 256];
    let len = error.text(&mut text);
    String::from_utf8(text[..len].to_vec()).expect("errors have texts in ASCII")
}
