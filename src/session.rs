// SPDX-License-Identifier: MIT OR Apache-2.0
//! `SSLSession`: what a client keeps of a connection to begin the next one with, as bytes that can be saved.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this format |
//! | 16 | the settings that it belongs to ([`crate::context::Context::binding`]) |
//! | 5 | when the peer was verified, by the host's clock, in seconds |
//! | 5 | until when its certificate is good ([`Moment`]) |
//! | 4 | what was wrong with that |
//! | 2, … | its length, and itself, if the connection kept it |
//! | … | the session as Mbed TLS saves it, which begins with its version and its options |
//! | 4 | a checksum of all that, against bits that fell over |
//!
//! Whoever has the bytes has the session's keys, and can change what is in them: they are as much worth as
//! the place is where they are kept. So they are looked at as if anybody had written them, but believed.

use crate::error::{Error, Invalid, Result};
use crate::fnv::fnv1a;
use crate::mbedtls::{
    self, Binding, Cached, ID_MAX, Kept, Key, LIFETIME_MAX, Moment, Once, Part, Peer, Secret, SessionCache,
};
use crate::mem::{Array, Box, Shared, copy};
use crate::micropython_sys::time;

const FORMAT: u8 = 1;
const CHECKSUM: usize = 4;
/// What is in front of the certificate.
const HEAD: usize = 1 + size_of::<Binding>() + Moment::LEN + Moment::LEN + 4 + 2;
/// More than any session has.
const LONGEST: usize = 16384;

/// A client's session.
pub struct Session {
    bytes: Shared<Secret>,
    used: Shared<Once>,
}

/// What is in its bytes.
struct Parts<'a> {
    binding: Binding,
    peer: Peer,
    cert: &'a [u8],
    saved: &'a [u8],
}

/// What CPython tells of a session.
pub struct Description {
    /// Its id.
    pub id: [u8; ID_MAX],
    /// How long that is.
    pub id_len: usize,
    /// When it was made, by the host's clock, in seconds.
    pub time: u64,
    /// How long it is good for, in seconds.
    pub timeout: u32,
    /// What the server said of that; 0: nothing.
    pub lifetime_hint: u32,
    /// Whether it has a ticket.
    pub has_ticket: bool,
}

/// What a client offers its server.
pub struct Offer {
    /// The session.
    pub session: mbedtls::Session,
    /// Whom it was with.
    pub peer: Peer,
    /// The certificate that was verified.
    pub cert: Option<Part>,
}

fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
    let (format, rest) = body.split_first()?;
    let (binding, rest) = rest.split_first_chunk()?;
    let ([a, b, c, d, e], rest) = rest.split_first_chunk::<{ Moment::LEN }>()?;
    let (not_after, rest) = rest.split_first_chunk()?;
    let (verify_result, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (cert, saved) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    let peer = Peer {
        verified_at: u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e]),
        not_after: Moment::load(*not_after),
        verify_result: u32::from_be_bytes(*verify_result),
    };
    let is_ours = *format == FORMAT && fnv1a(body).to_be_bytes() == *sum;
    is_ours.then_some(Parts { binding: *binding, peer, cert, saved })
}

impl Session {
    /// What a connection has kept, with the peer's certificate if it has that.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new(kept: &Kept<'_>, cert: Option<&[u8]>) -> Result<Box<Self>> {
        let bytes = Self::encode(kept, cert)?;
        Box::new(|| Self { bytes, used: kept.used.clone() })
    }

    /// The same for a context's cache.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn to_cache(kept: &Kept<'_>, cert: Option<&[u8]>) -> Result<Cached> {
        let bytes = Self::encode(kept, cert)?;
        Ok(Cached { key: Key { binding: kept.binding, port: kept.port }, bytes, used: kept.used.clone() })
    }

    fn encode(kept: &Kept<'_>, cert: Option<&[u8]>) -> Result<Shared<Secret>> {
        let len = |cert: &[u8]| u16::try_from(cert.len());
        let cert = cert.filter(|cert| len(cert).is_ok()).unwrap_or_default();
        let [_, _, _, time @ ..] = kept.peer.verified_at.to_be_bytes();
        let fields: [&[u8]; 8] = [
            &[FORMAT],
            &kept.binding,
            &time,
            &kept.peer.not_after.save(),
            &kept.peer.verify_result.to_be_bytes(),
            &len(cert).unwrap_or(0).to_be_bytes(),
            cert,
            kept.saved,
        ];
        let body = HEAD.saturating_add(cert.len()).saturating_add(kept.saved.len());
        let mut bytes = Array::new(body.saturating_add(CHECKSUM), 0_u8)?;
        let mut room: &mut [u8] = &mut bytes;
        for field in fields {
            let Some((to, rest)) = room.split_at_mut_checked(field.len()) else { break };
            copy(to, field);
            room = rest;
        }
        let sum = fnv1a(bytes.get(..body).unwrap_or_default()).to_be_bytes();
        copy(bytes.get_mut(body..).unwrap_or_default(), &sum);
        let bytes = Secret::of(bytes);
        Shared::new(|| bytes, |_| Ok(()))
    }

    /// The session that was saved in these bytes.
    ///
    /// # Errors
    ///
    /// `ValueError` for what is none, or another build's; [`Error::NoMemory`].
    pub fn load(bytes: &[u8]) -> Result<Box<Self>> {
        const NONE: Error = Error::Value(Invalid::Session);
        if bytes.len() > LONGEST {
            return Err(NONE);
        }
        mbedtls::Session::check(parts(bytes).ok_or(NONE)?.saved)?;
        let (bytes, used) = (Secret::new(bytes)?, Once::new()?);
        let bytes = Shared::new(|| bytes, |_| Ok(()))?;
        Box::new(|| Self { bytes, used })
    }

    /// The bytes to save it in.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    fn parts(&self) -> Result<Parts<'_>> {
        parts(self.bytes()).ok_or(Error::Value(Invalid::Session))
    }

    /// What CPython tells of it.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn describe(&self) -> Result<Description> {
        let session = mbedtls::Session::load(self.parts()?.saved)?;
        let mut id = [0; ID_MAX];
        let id_len = session.id(&mut id)?;
        Ok(Description {
            id,
            id_len,
            time: session.time(),
            timeout: session.lifetime(),
            lifetime_hint: session.lifetime_hint(),
            has_ticket: session.has_ticket(),
        })
    }

    /// What is to be offered of it in a connection with these settings; `None`: nothing, for its time is
    /// over, or the clock says that it is still to come, or a ticket of TLS 1.3 has been offered (RFC 8446
    /// C.4), or the peer's certificate has expired since.
    ///
    /// # Errors
    ///
    /// `ValueError` where it belongs to other settings; [`Error::NoMemory`].
    pub fn offer(&self, binding: &Binding) -> Result<Option<Offer>> {
        let Parts { binding: own, peer, cert, saved } = self.parts()?;
        if own != *binding {
            return Err(Error::Value(Invalid::SessionSettings));
        }
        let mut session = mbedtls::Session::load(saved)?;
        let now = time();
        // Of a clock that began anew, both are missing.
        let (Some(age), Some(since)) = (now.checked_sub(session.time()), now.checked_sub(peer.verified_at))
        else {
            return Ok(None);
        };
        let is_over =
            age >= session.lifetime().into() || since >= LIFETIME_MAX.into() || peer.not_after.is_past();
        if is_over || (session.is_tls13() && self.used.is_used()) {
            return Ok(None);
        }
        session.set_age(age);
        let cert = (!cert.is_empty()).then(|| Part::new(&self.bytes, HEAD, cert.len()));
        Ok(Some(Offer { session, peer, cert }))
    }

    /// It has been offered; whether nobody else has done that, which matters for those that are good for once.
    pub fn note_offer(&self) -> bool {
        self.used.take()
    }
}

/// A session out of a context's cache, which it goes back to unless it is offered, or a newer one is there.
pub struct Lent<'a> {
    cache: &'a SessionCache,
    key: Key,
    session: Option<Session>,
}

impl<'a> Lent<'a> {
    /// That of this key, if there is one.
    #[must_use]
    pub fn new(cache: &'a SessionCache, key: Key) -> Self {
        let session = cache.take(&key).map(|of| Session { bytes: of.bytes, used: of.used });
        Self { cache, key, session }
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// It has been offered, and does not go back.
    pub fn note_offer(mut self) -> bool {
        self.session.take().is_some_and(|session| session.note_offer())
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(Session { bytes, used }) = self.session.take() {
            self.cache.put_back(Cached { key: self.key, bytes, used });
        }
    }
}
