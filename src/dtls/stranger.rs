// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first look at a datagram that belongs to no connection yet.

use crate::error::Result;
use crate::mbedtls::Cookies;
use crate::wire::{ClientHello, HELLO_VERIFY_LEN, hello_verify_request};

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
