// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only datagrams need: their settings, and the first look at one that belongs to no
//! connection yet.

use crate::error::Result;
use crate::mbedtls::Cookies;
use crate::wire::{ClientHello, HELLO_VERIFY_LEN, hello_verify_request};

/// Settings of a context's connections that only datagrams have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The first retransmission's delay and the longest one, in milliseconds.
    /// RFC 6347 4.2.4.1 has 1 s to 60 s; RFC 7925 begins with 9 s.
    pub timeout: (u32, u32),
    /// The largest datagram to send, in bytes; 0: as large as the record.
    pub mtu: u16,
    /// The length of the Connection ID by which the peer is to call this side;
    /// `None`: Connection IDs (RFC 9146) are not offered.
    pub cid: Option<u8>,
    /// Whether a peer that does not offer Connection IDs is refused.
    pub cid_required: bool,
}

impl Settings {
    /// What a context begins with.
    pub const DEFAULT: Self = Self { timeout: (1000, 60_000), mtu: 0, cid: None, cid_required: false };
}

/// What a datagram from an address without a connection is.
#[derive(Debug, PartialEq, Eq)]
pub enum Stranger {
    /// A ClientHello with a good cookie: a connection can be made of it.
    Verified,
    /// A ClientHello without one: to be answered with this, and forgotten.
    Unverified([u8; HELLO_VERIFY_LEN]),
    /// Anything else: to be dropped.
    Noise,
}

/// Looks at a datagram from the address `id`, which has no connection. Nothing is
/// allocated that outlives the call, however many such datagrams come.
///
/// # Errors
///
/// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator.
pub fn stranger(cookies: &Cookies, datagram: &[u8], id: &[u8]) -> Result<Stranger> {
    let hello = ClientHello::of(datagram);
    let Some(cookie) = hello.and_then(|hello| hello.cookie()) else { return Ok(Stranger::Noise) };
    if cookies.check(cookie, id) {
        return Ok(Stranger::Verified);
    }
    Ok(hello_verify_request(datagram, &cookies.write(id)?).map_or(Stranger::Noise, Stranger::Unverified))
}
