// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only datagrams need: the timer of retransmissions, Hello Verify cookies,
//! and the first look at a datagram that belongs to no connection yet.

use core::cell::Cell;

use crate::error::Result;
use crate::mbedtls::{self, Rng};
use crate::mem::Shared;
use crate::micropython_sys::{atomically, ticks_ms};

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

/// The two delays that Mbed TLS sets at once, on a clock that wraps around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timer {
    start: u32,
    intermediate: u32,
    /// 0: not running.
    last: u32,
}

/// How far the timer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Not running.
    Cancelled,
    /// Neither delay has passed.
    Nothing,
    /// The first delay has passed.
    Intermediate,
    /// Both have.
    Last,
}

impl Timer {
    /// Starts the delays, in milliseconds, at `now`; a `last` of 0 cancels.
    #[must_use]
    pub fn started(now: u32, intermediate: u32, last: u32) -> Self {
        Self { start: now, intermediate, last }
    }

    /// What has passed at `now`.
    #[must_use]
    pub fn passed(self, now: u32) -> Passed {
        let elapsed = now.wrapping_sub(self.start);
        if self.last == 0 {
            Passed::Cancelled
        } else if elapsed >= self.last {
            Passed::Last
        } else if elapsed >= self.intermediate {
            Passed::Intermediate
        } else {
            Passed::Nothing
        }
    }

    /// Milliseconds from `now` until both delays have passed; `None`: not running.
    #[must_use]
    pub fn left(self, now: u32) -> Option<u32> {
        (self.last != 0).then(|| self.last.saturating_sub(now.wrapping_sub(self.start)))
    }
}

/// Cookies are valid for this long.
const COOKIE_LIFE_MS: u32 = 60_000;
/// A secret makes cookies for this long, and lasts once more as long.
const SECRET_LIFE_MS: u32 = 600_000;
/// A cookie: when it was made (4 bytes), and a MAC of that and the client's id.
pub const COOKIE_LEN: usize = 32;
type Secret = [u8; 32];

/// Hello Verify cookies (RFC 6347 4.2.1): they prove that a client receives what is
/// sent to its address. No memory is spent on who asks.
///
/// Secrets rotate: a cookie made under the last one is still good under the next.
pub struct Cookies {
    secrets: Cell<Secrets>,
    rng: Shared<Rng>,
}

#[derive(Clone, Copy)]
struct Secrets {
    current: Secret,
    previous: Secret,
    since: u32,
}

impl Drop for Cookies {
    fn drop(&mut self) {
        let secrets = self.secrets.get_mut();
        mbedtls::zeroize(&mut secrets.current);
        mbedtls::zeroize(&mut secrets.previous);
    }
}

impl Cookies {
    /// Cookies under new random secrets.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator.
    pub fn new(rng: &Shared<Rng>) -> Result<Shared<Self>> {
        let empty = || Self {
            secrets: Cell::new(Secrets { current: [0; 32], previous: [0; 32], since: ticks_ms() }),
            rng: rng.clone(),
        };
        Shared::new(empty, |cookies| {
            let secrets = cookies.secrets.get_mut();
            rng.fill(&mut secrets.current)?;
            rng.fill(&mut secrets.previous)
        })
    }

    /// The secrets of now: two lives after the last rotation both are new.
    fn secrets(&self, now: u32) -> Result<Secrets> {
        let age = |secrets: Secrets| now.wrapping_sub(secrets.since);
        let secrets = atomically(|| self.secrets.get());
        if age(secrets) < SECRET_LIFE_MS {
            return Ok(secrets);
        }
        let mut fresh = Secrets { current: [0; 32], previous: secrets.current, since: now };
        self.rng.fill(&mut fresh.current)?;
        if age(secrets) >= SECRET_LIFE_MS.saturating_mul(2) {
            self.rng.fill(&mut fresh.previous)?;
        }
        // Another thread may have been faster: its secrets are as good.
        Ok(atomically(|| {
            if age(self.secrets.get()) >= SECRET_LIFE_MS {
                self.secrets.set(fresh);
            }
            self.secrets.get()
        }))
    }

    fn mac(secret: &Secret, time: [u8; 4], id: &[u8]) -> Result<[u8; 32]> {
        mbedtls::hmac(secret, &[&time, id])
    }

    /// A cookie for the client that `id` (its address, say) stands for.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator.
    pub fn write(&self, id: &[u8]) -> Result<[u8; COOKIE_LEN]> {
        let now = ticks_ms();
        let mut cookie = Self::mac(&self.secrets(now)?.current, now.to_be_bytes(), id)?;
        // The time takes the place of the MAC's last bytes: 28 of them are plenty.
        cookie.rotate_right(4);
        for (to, from) in cookie.iter_mut().zip(now.to_be_bytes()) {
            *to = from;
        }
        Ok(cookie)
    }

    /// Whether this is a cookie for that client, made not long ago.
    #[must_use]
    pub fn check(&self, cookie: &[u8], id: &[u8]) -> bool {
        let Some((&time, tag)) = cookie.split_first_chunk::<4>() else { return false };
        let now = ticks_ms();
        let Ok(secrets) = self.secrets(now) else { return false };
        let made_with = |secret| {
            Self::mac(secret, time, id).is_ok_and(|mac| {
                mbedtls::constant_time_eq(mac.first_chunk::<28>().map_or(&[], |mac| mac), tag)
            })
        };
        now.wrapping_sub(u32::from_be_bytes(time)) <= COOKIE_LIFE_MS
            && (made_with(&secrets.current) || made_with(&secrets.previous))
    }
}

/// Datagrams as RFC 6347 4.1, 4.2 and RFC 9146 4 lay them out.
mod layout {
    /// ContentType handshake.
    pub const HANDSHAKE: u8 = 22;
    /// ContentType tls12_cid.
    pub const TLS12_CID: u8 = 25;
    /// HandshakeType client_hello.
    pub const CLIENT_HELLO: u8 = 1;
    /// HandshakeType hello_verify_request.
    pub const HELLO_VERIFY_REQUEST: u8 = 3;
    /// type, version, epoch, sequence number, length.
    pub const RECORD_HEADER: usize = 13;
    /// msg_type, length, message_seq, fragment_offset, fragment_length.
    pub const HANDSHAKE_HEADER: usize = 12;
}

/// A HelloVerifyRequest with a cookie of ours, as a datagram.
pub const HELLO_VERIFY_LEN: usize = layout::RECORD_HEADER + layout::HANDSHAKE_HEADER + 3 + COOKIE_LEN;

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

/// Reads big-endian fields one after the other; `None` beyond the end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn uint(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |n, &byte| (n << 8) | usize::from(byte)))
    }
}

/// The cookie in a datagram that begins with a whole or a first part of a
/// ClientHello of epoch 0; `None` for anything else.
fn client_hello_cookie(datagram: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields(datagram);
    let content_type = fields.take(1)?;
    let version = fields.take(1)?;
    let _minor = fields.take(1)?;
    let epoch = fields.uint(2)?;
    let _sequence_number = fields.take(6)?;
    let length = fields.uint(2)?;
    if content_type != [layout::HANDSHAKE] || version != [0xfe] || epoch != 0 {
        return None;
    }
    let mut fields = Fields(fields.take(length)?);
    let msg_type = fields.take(1)?;
    let _length = fields.take(3)?;
    let _message_seq = fields.take(2)?;
    let fragment_offset = fields.uint(3)?;
    let fragment_length = fields.uint(3)?;
    if msg_type != [layout::CLIENT_HELLO] || fragment_offset != 0 {
        return None;
    }
    let mut fields = Fields(fields.take(fragment_length)?);
    let _client_version_and_random = fields.take(2 + 32)?;
    let session_id_length = fields.uint(1)?;
    fields.take(session_id_length)?;
    let cookie_length = fields.uint(1)?;
    fields.take(cookie_length)
}

/// The end of a random number: enough to know a hello by.
pub(crate) type HelloRandom = [u8; 8];

/// The random number in such a datagram.
pub(crate) fn client_hello_random(datagram: &[u8]) -> Option<HelloRandom> {
    client_hello_cookie(datagram)?;
    // Behind both headers and the version.
    let (_, random) = datagram.split_at_checked(layout::RECORD_HEADER + layout::HANDSHAKE_HEADER + 2)?;
    random.first_chunk::<32>()?.last_chunk().copied()
}

/// What the records of a datagram are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// How many of the datagram's bytes are whole records.
    pub(crate) len: usize,
    /// Whether one is a ClientHello in the clear: it may be of a client that begins anew.
    pub(crate) may_begin_anew: bool,
}

/// Looks at the headers of a datagram's records; `cid` is the length of the Connection ID
/// in those that have one.
pub(crate) fn records(datagram: &[u8], cid: usize) -> Records {
    let mut fields = Fields(datagram);
    let mut records = Records::default();
    let mut record = || {
        let content_type = fields.take(1)?;
        let _version = fields.take(2)?;
        let epoch = fields.uint(2)?;
        let _sequence_number = fields.take(6)?;
        if content_type == [layout::TLS12_CID] {
            fields.take(cid)?;
        }
        let length = fields.uint(2)?;
        let msg_type = fields.take(length)?.first();
        let in_the_clear = content_type == [layout::HANDSHAKE] && epoch == 0;
        Some((fields.0.len(), in_the_clear && msg_type == Some(&layout::CLIENT_HELLO)))
    };
    while records.len < datagram.len() {
        let Some((rest, hello)) = record() else { break };
        records.len = datagram.len().saturating_sub(rest);
        records.may_begin_anew |= hello;
    }
    records
}

/// A HelloVerifyRequest in answer to `hello`, which is a ClientHello.
fn hello_verify_request(hello: &[u8], cookie: &[u8; COOKIE_LEN]) -> Option<[u8; HELLO_VERIFY_LEN]> {
    const BODY: u8 = 3 + COOKIE_LEN as u8;
    const RECORD: u8 = layout::HANDSHAKE_HEADER as u8 + BODY;
    let mut request = [0; HELLO_VERIFY_LEN];
    let sequence_number = hello.get(5..11)?;
    let message_seq = hello.get(17..19)?;
    let parts: [&[u8]; 9] = [
        // DTLS 1.0, whatever is negotiated later; epoch 0; the hello's own number,
        // for there is no state that would count (RFC 6347 4.2.1).
        &[layout::HANDSHAKE, 0xfe, 0xff, 0, 0],
        sequence_number,
        &[0, RECORD],
        &[layout::HELLO_VERIFY_REQUEST, 0, 0, BODY],
        message_seq,
        &[0, 0, 0],
        &[0, 0, BODY],
        &[0xfe, 0xff, COOKIE_LEN as u8],
        cookie,
    ];
    let bytes = parts.into_iter().flatten();
    for (to, from) in request.iter_mut().zip(bytes) {
        *to = *from;
    }
    Some(request)
}

/// Looks at a datagram from the address `id`, which has no connection. Nothing is
/// allocated that outlives the call, however many such datagrams come.
///
/// # Errors
///
/// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator.
pub fn stranger(cookies: &Cookies, datagram: &[u8], id: &[u8]) -> Result<Stranger> {
    let Some(cookie) = client_hello_cookie(datagram) else { return Ok(Stranger::Noise) };
    if cookies.check(cookie, id) {
        return Ok(Stranger::Verified);
    }
    Ok(hello_verify_request(datagram, &cookies.write(id)?).map_or(Stranger::Noise, Stranger::Unverified))
}

/// The Connection ID, `len` bytes long, that a datagram's first record carries
/// (RFC 9146 4).
#[must_use]
pub fn connection_id(datagram: &[u8], len: usize) -> Option<&[u8]> {
    let mut fields = Fields(datagram);
    if fields.take(1)? != [layout::TLS12_CID] {
        return None;
    }
    // The ID stands between sequence number and length.
    let _version_epoch_and_sequence_number = fields.take(10)?;
    fields.take(len)
}
