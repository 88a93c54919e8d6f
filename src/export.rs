// SPDX-License-Identifier: MIT OR Apache-2.0
//! `SSLSocket.export()` and `SSLContext.restore()`: an open connection as bytes, which outlive a reset.
//!
//! | bytes | what | |
//! |---|---|---|
//! | 1 | the version of this format | |
//! | 1 | which of the following there are, which callbacks the host has, and whether the client is at home | |
//! | 4 | the build that wrote it | |
//! | 4 | n | with a counter |
//! | 1, … | the server's name behind its length | at a client that has one |
//! | 1, … | where the client is, likewise | of a listener |
//! | 16 | a salt | under a key |
//! | 16 | the settings that it belongs to ([`Context::state_binding`]) | encrypted under a key |
//! | … | the connection, as it hibernates | likewise |
//! | 16 or 4 | the tag of all that, or without a key a checksum against bits that fell over | |
//!
//! # A state is used once
//!
//! Used twice it would encrypt two records with one nonce, by which an AEAD cipher loses its secrets (RFC 5116
//! 5.1.1, for GCM its authentication key). In one life of the firmware that cannot be: exporting ends the
//! connection, and nothing is sent before it has. Over a reset, somebody else has to remember. There are two
//! ways.
//!
//! **A counter** in storage that survives. The state has a number n, above all that the counter has come to.
//! Restoring has the program's counter come to n, in its storage, before the connection exists for anybody: a
//! counter that has been there refuses. So of all restorings of a state, and of all older ones, at most one is
//! ever done. What is lost when the power fails between the two is the connection. A stream has no other way,
//! as its peer counts every record.
//!
//! **A leap**, of datagrams alone, where there is no such storage. A record's number, which is its nonce, may be
//! any that its peer has not seen (RFC 6347 4.1.2.6): the window there only goes up. Restoring goes on at a
//! number that is r above where the state was, r random and each of 0 to 2^40 - 1 as likely. For a state that is
//! restored a second time, by mistake or by who has the bytes, let N be how many numbers the connection has
//! used above where the state was, and m how many the second one is going to use: one of them is taken in at
//! most N + m of the 2^40 cases. With a thousand records each way that is one in 2^29 for each such mistake.
//! Each restoring takes 2^39 of the 2^48 numbers of an epoch, in the mean: there are some five hundred, then
//! [`Invalid::StateSpent`], and a handshake is due. A leap does not keep from anybody who has recorded them the
//! records that the peer had sent behind the state: its window is as old as it is, and takes them again. Where
//! that matters there must be a counter.

use crate::context::Context;
use crate::error::{Error, Invalid, Result};
use crate::fnv::fnv1a;
use crate::mbedtls::{self, Connection, SALT, Secret, TAG};
use crate::mem::{Array, Box, copy};
use crate::micropython_sys::{MPSSL_EBUSY, MPSSL_ENOTCONN, MPSSL_HAS_SIGN_CALLBACK, ticks_ms};
use crate::socket::Socket;
use crate::wire::{Fields, Room};

const FORMAT: u8 = 2;
/// Another in each build that might read the bytes in another way.
const BUILD: [u8; 4] = include!(concat!(env!("OUT_DIR"), "/fingerprint.rs"));
const CHECKSUM: usize = 4;
/// Bytes of the leap: so many bits are random.
const LEAP: usize = 5;

/// What there is, as bits.
const SEALED: u8 = 1;
const COUNTED: u8 = 2;
const NAMED: u8 = 4;
const LOCATED: u8 = 8;
/// Nothing is behind these: which callbacks the host has, and whether the client is found by where it is.
const CALLBACKS: u8 = 0x70;
const CALLBACKS_SHIFT: u32 = 4;
const AT_HOME: u8 = 0x80;

/// What is to be with a connection.
#[derive(Clone, Copy)]
pub struct Export<'a> {
    /// The key that it is encrypted and authenticated under; `None`: neither.
    pub key: Option<&'a [u8]>,
    /// See the module's text; `None`: without a counter.
    pub n: Option<u32>,
    /// The server's name.
    pub hostname: Option<&'a [u8]>,
    /// Where a listener's client is.
    pub address: Option<&'a [u8]>,
    /// Whether it is found by that, and not by its Connection ID alone.
    pub at_home: bool,
    /// Which callbacks it was made with, `MPSSL_HAS_*`.
    pub callbacks: u8,
}

/// What was restored.
pub struct Restored<'a> {
    /// The connection, which hibernates.
    pub socket: Box<Socket>,
    /// What the counter is to come to before anything else.
    pub n: Option<u32>,
    /// The server's name.
    pub hostname: Option<&'a [u8]>,
    /// Where the client is.
    pub address: Option<&'a [u8]>,
    /// As in [`Export`].
    pub at_home: bool,
}

fn is_key(key: &[u8]) -> bool {
    (16..=64).contains(&key.len())
}

impl Export<'_> {
    fn flags(&self) -> u8 {
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        bit(self.key.is_some(), SEALED)
            | bit(self.n.is_some(), COUNTED)
            | bit(self.hostname.is_some(), NAMED)
            | bit(self.address.is_some(), LOCATED)
            | bit(self.at_home, AT_HOME)
            | self.callbacks.wrapping_shl(CALLBACKS_SHIFT) & CALLBACKS
    }

    /// Bytes in front of what is encrypted, and behind it.
    fn around(&self) -> (usize, usize) {
        let short = |bytes: Option<&[u8]>| bytes.map_or(0, |bytes| bytes.len().saturating_add(1));
        let n = self.n.map_or(0, |_| size_of::<u32>());
        let (salt, behind) = if self.key.is_some() { (SALT, TAG) } else { (0, CHECKSUM) };
        let front = [1, BUILD.len(), n, short(self.hostname), short(self.address), salt];
        (front.iter().fold(1, |all, len| all.saturating_add(*len)), behind)
    }
}

/// Writes a connection with these settings, which hibernates from then on, where there is room for it; always
/// how long it is. It is to be ended then.
///
/// # Errors
///
/// `ENOTCONN` before the handshake is over; `EBUSY` for a connection that is not quiet, or cannot hibernate;
/// `ValueError` for a key that is too short or too long, for a stream without a counter, and where the settings
/// have changed since; [`Error::NoMemory`]; [`Error::Tls`] from the generator or the cipher. Nothing is
/// written then.
pub fn export(
    context: &mut Context,
    socket: &mut Socket,
    export: &Export<'_>,
    to: &mut [u8],
) -> Result<usize> {
    if socket.is_handshaking() {
        return Err(Error::Errno(MPSSL_ENOTCONN.cast_signed()));
    }
    let is_short = |bytes: Option<&[u8]>| bytes.is_none_or(|bytes| bytes.len() <= u8::MAX.into());
    if !export.key.is_none_or(is_key) || !is_short(export.hostname) || !is_short(export.address) {
        return Err(Error::Value(Invalid::StateKey));
    }
    if export.n.is_none() && !socket.is_datagram() {
        return Err(Error::Value(Invalid::StateCounter));
    }
    if !socket.is_of(context) {
        return Err(Error::Value(Invalid::StateSettings));
    }
    if !socket.hibernate()? {
        return Err(Error::Errno(MPSSL_EBUSY.cast_signed()));
    }
    let binding = context.state_binding()?;
    let (front, behind) = export.around();
    let len = [size_of_val(&binding), socket.connection().saved_len(), behind]
        .iter()
        .fold(front, |all, len| all.saturating_add(*len));
    let Some(to) = to.get_mut(..len) else { return Ok(len) };
    let mut salt = [0; SALT];
    if export.key.is_some() {
        context.fill(&mut salt)?;
    }
    let mut room = Room(to);
    room.put(&[FORMAT, export.flags()]);
    room.put(&BUILD);
    room.put(export.n.map(u32::to_be_bytes).as_ref().map_or(&[][..], |n| n));
    for short in [export.hostname, export.address].into_iter().flatten() {
        room.put(&[short.len() as u8]);
        room.put(short);
    }
    if export.key.is_some() {
        room.put(&salt);
    }
    room.put(&binding);
    socket.connection().save(room.take(socket.connection().saved_len()));
    let sealed = match export.key {
        Some(key) => {
            let (ad, data) = to.split_at_mut_checked(front).unwrap_or_default();
            mbedtls::seal(key, &salt, ad, data)
        }
        None => {
            let (body, sum) = to.split_at_mut_checked(len.saturating_sub(CHECKSUM)).unwrap_or_default();
            copy(sum, &fnv1a(&*body).to_be_bytes());
            Ok(())
        }
    };
    if sealed.is_err() {
        mbedtls::sys::zeroize(to);
    }
    sealed.map(|()| len)
}

/// What is in a state, as far as it is in the clear.
struct Parts<'a> {
    flags: u8,
    n: Option<u32>,
    hostname: Option<&'a [u8]>,
    address: Option<&'a [u8]>,
    salt: [u8; SALT],
    /// All in front of `rest`.
    head: &'a [u8],
    rest: &'a [u8],
}

fn parts(state: &[u8]) -> Option<Parts<'_>> {
    let mut fields = Fields(state);
    let [format, flags] = *fields.take(2)?.first_chunk()?;
    if format != FORMAT || fields.take(BUILD.len())? != BUILD {
        return None;
    }
    let has = |bit: u8| flags & bit != 0;
    let n = if has(COUNTED) { Some(u32::from_be_bytes(*fields.take(4)?.first_chunk()?)) } else { None };
    let hostname = if has(NAMED) { Some(fields.vector(1)?) } else { None };
    let address = if has(LOCATED) { Some(fields.vector(1)?) } else { None };
    let salt = if has(SEALED) { *fields.take(SALT)?.first_chunk()? } else { [0; SALT] };
    let rest = fields.0;
    let head = state.get(..state.len().saturating_sub(rest.len()))?;
    Some(Parts { flags, n, hostname, address, salt, head, rest })
}

/// The connection that was exported, with this context's settings. `counts`: there is a counter, which is to
/// be asked before anything else.
///
/// # Errors
///
/// `ValueError` for bytes that are no state of this build's, or were changed, or are under another key, or none;
/// for another context's; where a counter is missing, or there is one in vain; and where the numbers of its
/// records are used up. [`Error::NoMemory`]; [`Error::Tls`] from the generator or the cipher.
pub fn restore<'a>(
    context: &mut Context,
    state: &'a [u8],
    key: Option<&[u8]>,
    counts: bool,
    callbacks: u8,
) -> Result<Restored<'a>> {
    const NONE: Error = Error::Value(Invalid::State);
    let Parts { flags, n, hostname, address, salt, head, rest } = parts(state).ok_or(NONE)?;
    // One in the clear is nobody's word for who has a key.
    if key.is_some() != (flags & SEALED != 0) || !key.is_none_or(is_key) {
        return Err(Error::Value(Invalid::StateKey));
    }
    if n.is_some() != counts || (n.is_none() && !context.is_datagram()) {
        return Err(Error::Value(Invalid::StateCounter));
    }
    let mut opened = Array::copy_of(if key.is_some() { rest } else { &[] })?;
    let is_whole = match key {
        Some(key) => mbedtls::open(key, &salt, head, &mut opened),
        None => Ok(state
            .split_last_chunk::<CHECKSUM>()
            .is_some_and(|(body, sum)| fnv1a(body).to_be_bytes() == *sum)),
    };
    let opened = Secret::of(opened);
    if !is_whole? {
        return Err(NONE);
    }
    let behind = if key.is_some() { TAG } else { CHECKSUM };
    let plain = if key.is_some() { opened.bytes() } else { rest };
    let body = plain.get(..rest.len().saturating_sub(behind)).unwrap_or_default();
    let (binding, saved) = body.split_first_chunk().ok_or(NONE)?;
    if *binding != context.state_binding()?
        || flags & CALLBACKS != callbacks.wrapping_shl(CALLBACKS_SHIFT) & CALLBACKS
    {
        return Err(Error::Value(Invalid::StateSettings));
    }
    let mut leap = [0; size_of::<u64>()];
    if n.is_none() {
        context.fill(leap.get_mut(..LEAP).unwrap_or_default())?;
    }
    let host_signs = u32::from(callbacks) & MPSSL_HAS_SIGN_CALLBACK != 0;
    let config = context.config(host_signs, true)?;
    let connection = Connection::restore(config, saved, u64::from_le_bytes(leap))?;
    let socket = Box::new(|| Socket::restored(context, connection, ticks_ms()))?;
    Ok(Restored { socket, n, hostname, address, at_home: flags & AT_HOME != 0 })
}
