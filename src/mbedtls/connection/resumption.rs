// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client's sessions: what is kept of a connection for the next one (RFC 5246 F.1.4, RFC 5077, RFC 8446
//! 2.2), where its context asks for it, and what is offered of an earlier one.
//!
//! Mbed TLS keeps in a session what the protocol needs, and little of what was verified. So there is beside
//! it, in [`Peer`], what the first handshake found: a resumed one finds nothing. Of TLS 1.2 the session is
//! saved when the handshake is over. Of TLS 1.3 each ticket makes one when it comes, in a later read; Mbed TLS
//! would need the whole state of a handshake for that, here it is read by itself, and a secret kept for it.
//!
//! A session of TLS 1.2 without an extended master secret is not kept: "clients MUST NOT" resume it (RFC 7627
//! 5.3), as it may be of two handshakes.

#[cfg(tls13)]
use core::ffi::c_int;

use super::super::digest::Binding;
use super::super::error::check;
#[cfg(tls13)]
use super::super::names;
use super::super::secret::{Part, Secret};
use super::super::session::{Moment, Once, Session, TICKET_MAX};
use super::super::sys;
use super::flight::Facts;
#[cfg(tls13)]
use super::peer_messages::{are_whole, is_any_twice};
use crate::error::{Error, Result};
use crate::mem::Shared;
#[cfg(tls13)]
use crate::mem::slice;
#[cfg(tls13)]
use crate::micropython_sys::mpglue_calloc;
use crate::micropython_sys::time;
#[cfg(tls13)]
use crate::wire::Fields;

/// The longest secret: SHA-384's.
#[cfg(tls13)]
const SECRET: usize = 48;

#[cfg(tls13)]
unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h), and linkable. Does not raise.
    fn mbedtls_ssl_session_set_hostname(
        session: *mut sys::mbedtls_ssl_session,
        name: *const core::ffi::c_char,
    ) -> c_int;
}

/// What the handshake found that verified the peer.
#[derive(Clone, Copy, Default)]
pub struct Peer {
    /// When that was, by the host's clock, in seconds.
    pub verified_at: u64,
    /// Until when the peer's certificate is good.
    pub not_after: Moment,
    /// What was wrong with it (`MBEDTLS_X509_BADCERT_*`).
    pub verify_result: u32,
}

/// What a connection has of the session that it is, for the next one.
pub struct Kept<'a> {
    /// The settings that it belongs to.
    pub binding: Binding,
    /// The server's port, where it is known.
    pub port: u16,
    /// Whom it is with.
    pub peer: Peer,
    /// As Mbed TLS saves it, without a certificate.
    pub saved: &'a [u8],
    /// Whether it was offered.
    pub used: Shared<Once>,
}

/// What a client's connection has of sessions, if its context keeps any.
pub(super) struct Resumption {
    binding: Binding,
    /// The context's cache has it as well, as of this port of the server's.
    pub(super) port: Option<u16>,
    /// It has not the newest yet.
    pub(super) is_new: bool,
    peer: Peer,
    /// The certificate of the session that is offered: what the program has of that, not a copy, which would be
    /// there beside the handshake.
    pub(super) cert: Option<Part>,
    /// `resumption_master_secret` (RFC 8446 7.1), once the handshake has left it. A ticket without it would
    /// make a session whose key anybody knows.
    #[cfg(tls13)]
    secret: Option<[u8; SECRET]>,
    newest: Option<(Secret, Shared<Once>)>,
}

impl Drop for Resumption {
    fn drop(&mut self) {
        #[cfg(tls13)]
        if let Some(secret) = &mut self.secret {
            sys::zeroize(secret);
        }
    }
}

impl Resumption {
    /// What is kept of a session, once there is one.
    pub(super) fn kept(&self) -> Option<Kept<'_>> {
        let (saved, used) = self.newest.as_ref()?;
        Some(Kept {
            binding: self.binding,
            port: self.port.unwrap_or(0),
            peer: self.peer,
            saved: saved.bytes(),
            used: used.clone(),
        })
    }

    /// Keeps a session; without memory for it, the last one stays.
    fn keep(&mut self, session: &sys::mbedtls_ssl_session) {
        let made = || -> Result<_> { Ok((Session::save(session)?, Once::new()?)) };
        if let Ok(newest) = made() {
            self.newest = Some(newest);
            self.is_new = true;
        }
    }

    /// Takes over what a handshake that is over has left, before its certificate is given away. `cert`
    /// is the connection's if it was resumed.
    pub(super) fn conclude(&mut self, facts: Facts, session: &mut sys::mbedtls_ssl_session) {
        if facts.resumed {
            // Of TLS 1.3 Mbed TLS says that all is well where nobody has looked.
            session.verify_result = self.peer.verify_result;
            return;
        }
        self.cert = None;
        // SAFETY: NULL, or the session's own.
        let cert = unsafe { session.peer_cert.as_ref() };
        self.peer = Peer {
            verified_at: time(),
            not_after: cert.map(Moment::end_of).unwrap_or_default(),
            verify_result: session.verify_result,
        };
    }

    /// Keeps the session of a handshake that is over, or of TLS 1.3 what its tickets will need.
    ///
    /// # Safety
    ///
    /// It is the connection's, and has no certificate any more.
    pub(super) unsafe fn keep_session(&mut self, facts: Facts, session: &mut sys::mbedtls_ssl_session) {
        #[cfg(tls13)]
        if session.tls_version == sys::MBEDTLS_SSL_VERSION_TLS1_3 {
            let secret = self.secret.insert([0; SECRET]);
            crate::mem::copy(secret, &session.app_secrets.resumption_master_secret);
            return;
        }
        let is_whole = session.ticket_len != 0 || session.id_len != 0;
        if is_whole && facts.extended_ms && session.ticket_len <= TICKET_MAX {
            session.start = self.peer.verified_at as _;
            self.keep(session);
        }
    }

    /// Makes a session of a NewSessionTicket (RFC 8446 4.6.1), which is the message that has come last. 0, or
    /// the error.
    ///
    /// # Safety
    ///
    /// The connection is this one's, of TLS 1.3, its handshake over; it has this suite, with this hash.
    #[cfg(tls13)]
    pub(super) unsafe fn receive(
        &mut self,
        ctx: *mut sys::mbedtls_ssl_context,
        suite: c_int,
        (hash, hash_len): (u32, usize),
    ) -> c_int {
        // SAFETY: by this function's contract: the message is where messages are.
        let message = unsafe { slice((*ctx).in_msg, (*ctx).in_hslen.min((*ctx).in_msglen)) };
        let mut fields = Fields(message);
        let read =
            |fields: &mut Fields<'_>| fields.take(4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let (_header, lifetime, age_add) = (fields.take(4), read(&mut fields), read(&mut fields));
        let (nonce, ticket, extensions) = (fields.vector(1), fields.vector(2), fields.vector(2));
        let (Some(lifetime), Some(age_add), Some(nonce), Some(ticket @ [_, ..]), Some(extensions), []) =
            (lifetime, age_add, nonce, ticket, extensions, fields.0)
        else {
            return sys::MBEDTLS_ERR_SSL_DECODE_ERROR;
        };
        if !are_whole(extensions) {
            return sys::MBEDTLS_ERR_SSL_DECODE_ERROR;
        }
        // "There MUST NOT be more than one extension of the same type" (4.2). What there is does not matter.
        if is_any_twice(extensions) {
            return sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER;
        }
        // "The value of zero indicates that the ticket should be discarded immediately."
        if lifetime == 0 || ticket.len() > TICKET_MAX {
            return 0;
        }
        // Without memory at the handshake's end there is none, or no suite.
        let Some(secret) = self.secret.as_ref().filter(|_| suite != 0) else { return 0 };
        // Without memory the last one stays.
        let Ok(mut made) = Session::new() else { return 0 };
        let session = made.as_mut();
        let label = b"resumption";
        // SAFETY: the slices are valid, the key has room for any hash; the ticket becomes the session's
        // own. None raises.
        unsafe {
            let ret = super::tls13::expand_label(
                (hash, hash_len),
                secret,
                label,
                nonce,
                session.resumption_key.get_mut(..hash_len).unwrap_or_default(),
            );
            if ret != 0 {
                return 0;
            }
            let copy = mpglue_calloc(1, ticket.len()).cast::<u8>();
            if copy.is_null() {
                return 0;
            }
            core::ptr::copy_nonoverlapping(ticket.as_ptr(), copy, ticket.len());
            (session.ticket, session.ticket_len) = (copy, ticket.len());
            session.ticket_flags =
                ((*(*ctx).conf).tls13_kex_modes as u32 & sys::MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_ALL) as u8;
        }
        session.tls_version = sys::MBEDTLS_SSL_VERSION_TLS1_3;
        session.endpoint = sys::MBEDTLS_SSL_IS_CLIENT as u8;
        session.ciphersuite = suite;
        session.resumption_key_len = hash_len as u8;
        session.ticket_age_add = age_add;
        session.ticket_lifetime = lifetime;
        session.ticket_reception_time = i64::try_from(time()).unwrap_or(i64::MAX);
        self.keep(session);
        0
    }

    /// Nothing yet, for connections with these settings.
    pub(super) fn new(binding: Binding, port: Option<u16>) -> Self {
        Self {
            binding,
            port,
            is_new: false,
            peer: Peer::default(),
            cert: None,
            #[cfg(tls13)]
            secret: None,
            newest: None,
        }
    }

    /// The settings that its sessions belong to.
    pub(super) fn binding(&self) -> Binding {
        self.binding
    }

    /// Offers none.
    ///
    /// # Safety
    ///
    /// The connection is this one's, set up, and has not begun.
    pub(super) unsafe fn withdraw(&mut self, ctx: *mut sys::mbedtls_ssl_context) {
        (self.peer, self.cert) = (Peer::default(), None);
        // SAFETY: by this function's contract: both are the connection's own, and are made as its setup made
        // them. None raises.
        unsafe {
            if let (Some(handshake), Some(session)) =
                ((*ctx).handshake.as_mut(), (*ctx).session_negotiate.as_mut())
            {
                handshake.resume = 0;
                sys::mbedtls_ssl_session_free(session);
                sys::mbedtls_ssl_session_init(session);
            }
        }
    }

    /// Offers an earlier session to the server.
    ///
    /// # Safety
    ///
    /// The connection is this one's, set up, and has not begun.
    pub(super) unsafe fn offer(
        &mut self,
        ctx: *mut sys::mbedtls_ssl_context,
        session: &Session,
        peer: Peer,
        cert: Option<Part>,
    ) -> Result<()> {
        (self.peer, self.cert) = (peer, cert);
        // SAFETY: by this function's contract; the session is copied. Does not raise.
        match check(unsafe { sys::mbedtls_ssl_set_session(ctx, session.as_ref()) }) {
            Ok(()) => {}
            Err(Error::NoMemory) => return Err(Error::NoMemory),
            // Of a suite that is not enabled any more, say: then there is none to offer.
            Err(_) => return Ok(()),
        }
        #[cfg(tls13)]
        // SAFETY: as above. The name has no part in the saved session, for it is in the binding; here it is
        // the one that the hello names. Of TLS 1.2's Mbed TLS looks for it too, where the hello offers both.
        unsafe {
            let name = (*ctx).hostname.cast::<core::ffi::c_char>();
            let is_named = !name.is_null() && names::is_sent(core::ffi::CStr::from_ptr(name));
            if is_named {
                check(mbedtls_ssl_session_set_hostname((*ctx).session_negotiate, name))?;
            }
        }
        Ok(())
    }
}
