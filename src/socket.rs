// SPDX-License-Identifier: MIT OR Apache-2.0
//! `SSLSocket`: one connection, as one explicit state machine.
//!
//! ```text
//!  Handshaking ──▶ Open ──▶ CloseNotify   the peer closed with an alert
//!       │            │ └──▶ Cut           the stream ended without one
//!       └────────────┴────▶ Failed        a fatal error; reported once
//! ```
//!
//! A call that the transport interrupts (it would block, timed out, or raised)
//! leaves the state as it was: the next call goes on where this one stopped.

use core::ffi::CStr;

use crate::context::Context;
use crate::error::{Error, Invalid, Result};
use crate::fnv::fnv1a;
use crate::io::{Host, Interruption};
#[cfg(mbedtls_ssl_dtls_hello_verify)]
use crate::mbedtls::Endpoint;
#[cfg(sessions)]
use crate::mbedtls::Key;
use crate::mbedtls::{self, Connection, Interrupted, Outcome, Ssl, Transport, sys};
use crate::mem::Box;
use crate::micropython_sys::{
    MPSSL_EBADF, MPSSL_EINVAL, MPSSL_EMSGSIZE, MPSSL_ENOMEM, MPSSL_ENOTCONN, MPSSL_EPIPE,
    MPSSL_POLL_NVAL as NVAL, MPSSL_POLL_RD as RD, MPSSL_POLL_WR as WR,
};
#[cfg(sessions)]
use crate::session::{Lent, Session};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Handshaking,
    Open,
    CloseNotify,
    Cut,
    Failed,
}

/// What a call is about, for the direction it may come to wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
    Other,
}

/// What a connection is made with, beside its context's settings.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// For a client: whom it asks for (SNI), and what the server's certificate must name; required
    /// under `CERT_REQUIRED`. It ends with a NUL that is not part of it.
    pub hostname: Option<&'a [u8]>,
    /// For a client: what the server's certificate must name instead. It ends likewise.
    pub assert_hostname: Option<&'a [u8]>,
    /// For a DTLS server: what the cookie is bound to; required with `hello_verify`.
    pub client_id: Option<&'a [u8]>,
    /// See [`crate::io::Signer`].
    pub host_signs: bool,
    /// A DTLS server asks the client for a cookie.
    pub hello_verify: bool,
    /// The host has a verifier, or chooses by the name that a client asks for: it is to be asked each time.
    pub asks: bool,
    /// The port that a client is connected to, where it is known: each has its sessions in the context's
    /// cache. 0: it is not.
    #[cfg(sessions)]
    pub port: u16,
    /// A client's earlier session, of the same settings, to go on with.
    #[cfg(sessions)]
    pub session: Option<&'a Session>,
}

/// What is known of the record half sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InFlight {
    /// Its bytes are to be summed: see [`Socket::half_sent`].
    New,
    /// The sum of its bytes.
    Summed,
    /// It is sent: by a read, of datagrams, or in front of a close_notify. What is in flight now, if anything,
    /// is nobody's data.
    Gone,
}

/// A connection.
pub struct Socket {
    ssl: Connection,
    state: State,
    /// What the last call waits for where that is not what it is about (a read
    /// that has to write a handshake message first): `RD`, `WR` or 0.
    waits_for: u8,
    close_notify_sent: bool,
    cid_required: bool,
    /// Its handshake has begun.
    begun: bool,
    /// In the handshake Mbed TLS was refused memory, and may have gone on all the same.
    refused: bool,
    /// The fatal alert that the connection has ended with; 0: none.
    alert: u8,
    /// Bytes of the caller's that are in the record half sent.
    in_flight: u16,
    in_flight_is: InFlight,
    /// The last write came to [`Error::Outside`]: the next is the same.
    outside: bool,
    /// A write was interrupted that is to be made again as a whole.
    suspended: bool,
    /// When data last went either way, in milliseconds.
    used_at: u32,
}

const CLOSED: Error = Error::Errno(MPSSL_EBADF.cast_signed());

/// The alert (RFC 5246 7.2.2) for an error that Mbed TLS may have sent none for; `None`
/// where the peer has gone, has said so itself, or is to try again.
fn alert(error: Error) -> Option<u32> {
    Some(match error {
        // Raised by a verifier, a signer or a look-up of keys; or the signature is none.
        Error::NoMemory | Error::Raised | Error::Value(_) => sys::MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR,
        Error::Tls(code) => match code {
            sys::MBEDTLS_ERR_SSL_CONN_EOF
            | sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY
            | sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
            | sys::MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED
            | sys::MBEDTLS_ERR_SSL_CLIENT_RECONNECT => return None,
            // Its number would be the first record's.
            sys::MBEDTLS_ERR_SSL_COUNTER_WRAPPING => return None,
            sys::MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE | sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE => {
                sys::MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE
            }
            sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE | sys::MBEDTLS_ERR_SSL_UNEXPECTED_RECORD => {
                sys::MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE
            }
            sys::MBEDTLS_ERR_SSL_DECODE_ERROR | sys::MBEDTLS_ERR_SSL_INVALID_RECORD => {
                sys::MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR
            }
            // The latter where the peer's key share is none.
            sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER | sys::MBEDTLS_ERR_ECP_INVALID_KEY => {
                sys::MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER
            }
            sys::MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION => sys::MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_EXT,
            sys::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION => sys::MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION,
            sys::MBEDTLS_ERR_SSL_INVALID_MAC => sys::MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC,
            // The peer's signature of the handshake.
            sys::MBEDTLS_ERR_ECP_VERIFY_FAILED | sys::MBEDTLS_ERR_RSA_VERIFY_FAILED => {
                sys::MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR
            }
            _ => sys::MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR,
        },
        _ => return None,
    })
}

/// A host's name, which ends with a NUL.
fn name(name: Option<&[u8]>, invalid: Invalid) -> Result<Option<&CStr>> {
    name.map(|name| CStr::from_bytes_with_nul(name).map_err(|_| Error::Value(invalid))).transpose()
}

/// Whether a connection without a Connection ID is none.
fn requires_cid(context: &Context) -> bool {
    context.transport() == Transport::Datagram && context.dtls().cid_required
}

/// By which a call is recognised that is made again. Not against an enemy: the caller is asked to
/// give the same bytes, and this finds that other ones are a mistake.
fn checksum(len: usize, bytes: &[u8]) -> u32 {
    fnv1a(len.to_le_bytes().iter().chain(bytes))
}

impl Socket {
    /// A connection with `context`'s settings.
    ///
    /// # Errors
    ///
    /// `ValueError` for a missing or impossible host name, and for one to find that is not looked for;
    /// [`Error::Tls`] with
    /// `MBEDTLS_ERR_SSL_BAD_INPUT_DATA` for a missing client id; [`Error::NoMemory`].
    pub fn new(context: &mut Context, options: Options<'_>) -> Result<Box<Self>> {
        let asserted = name(options.assert_hostname, Invalid::AssertHostname)?;
        // One that nobody looked for would be a mistake that nobody sees.
        match asserted {
            Some(name) if name.is_empty() => return Err(Error::Value(Invalid::AssertHostname)),
            Some(_) if !context.check_hostname() => return Err(Error::Value(Invalid::NotAsserted)),
            _ => {}
        }
        let hostname = match name(options.hostname, Invalid::Hostname)? {
            None if asserted.is_none() && context.check_hostname() && context.verify_mode() == 2 => {
                return Err(Error::Value(Invalid::NoHostname));
            }
            hostname => hostname,
        };
        let config = context.config(options.host_signs, options.hello_verify)?;
        let mut ssl = Box::new(|| Ssl::new(config))?;
        ssl.setup(context.transport())?;
        if hostname.is_some() || !context.check_hostname() {
            ssl.set_hostname(hostname)?;
        }
        if let Some(name) = asserted {
            #[cfg(mbedtls_ssl_cli_c)]
            ssl.assert_hostname(name)?;
            #[cfg(not(mbedtls_ssl_cli_c))]
            let _ = name;
        }
        #[cfg(mbedtls_ssl_proto_dtls)]
        if context.transport() == Transport::Datagram {
            if context.dtls().mtu != 0 {
                ssl.set_mtu(context.dtls().mtu);
            }
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            if let Some((cid, len)) = context.connection_id()? {
                ssl.set_cid(cid.get(..len).unwrap_or_default())?;
            }
        }
        #[cfg(mbedtls_ssl_dtls_hello_verify)]
        if context.endpoint() == Endpoint::Server && context.transport() == Transport::Datagram {
            match options.client_id {
                Some(id) => ssl.set_client_id(id)?,
                None if options.hello_verify => return Err(Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA)),
                None => {}
            }
        }
        #[cfg(tickets)]
        {
            ssl.issues = !options.asks;
        }
        #[cfg(sessions)]
        let cache = context.session_cache().cloned();
        #[cfg(sessions)]
        let (mut lent, mut once) = (None, false);
        #[cfg(sessions)]
        if context.keeps_sessions() {
            let binding = context.binding([options.hostname, options.assert_hostname], options.asks)?;
            // What the host's verifier would say is not in a session.
            let cache = cache.as_deref().filter(|_| !options.asks);
            ssl.keep_sessions(binding, cache.map(|_| options.port))?;
            if options.session.is_none() {
                lent = cache.map(|cache| Lent::new(cache, Key { binding, port: options.port }));
            }
            if let Some(session) = options.session.or_else(|| lent.as_ref()?.session())
                && let Some(offer) = session.offer(&binding)?
            {
                ssl.offer(&offer.session, offer.peer, offer.cert)?;
                once = offer.session.is_tls13();
            }
        } else if options.session.is_some() {
            return Err(Error::Value(Invalid::SessionUse));
        }
        ssl.prepare()?;
        #[cfg_attr(not(sessions), allow(unused_mut))]
        let mut socket = Box::new(|| Self {
            ssl: Connection::Awake(ssl),
            state: State::Handshaking,
            waits_for: 0,
            in_flight: 0,
            in_flight_is: InFlight::Summed,
            outside: false,
            suspended: false,
            close_notify_sent: false,
            cid_required: requires_cid(context),
            begun: false,
            refused: false,
            alert: 0,
            used_at: 0,
        })?;
        #[cfg(sessions)]
        {
            let own = options.session.map(Session::note_offer);
            let is_first = own.or(lent.map(Lent::note_offer)).unwrap_or(true);
            if once && !is_first {
                socket.withdraw();
            }
        }
        Ok(socket)
    }

    #[cfg(sessions)]
    fn withdraw(&mut self) {
        if let Some(ssl) = self.ssl.awake() {
            ssl.withdraw();
        }
    }

    /// Goes on with an earlier session of the same settings, and no other: before the handshake.
    ///
    /// # Errors
    ///
    /// `ValueError` when that has begun, where no session can go on, and for a session of other settings;
    /// [`Error::NoMemory`]. Without memory there is none, else what there was before.
    #[cfg(sessions)]
    pub fn set_session(&mut self, session: &Session) -> Result<()> {
        let Some(ssl) = self.ssl.awake().filter(|_| !self.begun) else {
            return Err(Error::Value(Invalid::SessionLate));
        };
        let binding = ssl.binding().ok_or(Error::Value(Invalid::SessionUse))?;
        let offer = session.offer(&binding)?;
        ssl.withdraw();
        let Some(offer) = offer else { return Ok(()) };
        let result = ssl.offer(&offer.session, offer.peer, offer.cert).and_then(|()| ssl.prepare());
        if result.is_err() || (!session.note_offer() && offer.session.is_tls13()) {
            ssl.withdraw();
        }
        result
    }

    /// One whose connection was restored, and hibernates, with `context`'s settings. `now`: milliseconds.
    #[cfg(hibernation)]
    #[must_use]
    pub fn restored(context: &Context, connection: Connection, now: u32) -> Self {
        Self {
            ssl: connection,
            state: State::Open,
            waits_for: 0,
            close_notify_sent: false,
            cid_required: requires_cid(context),
            begun: true,
            refused: false,
            alert: 0,
            in_flight: 0,
            in_flight_is: InFlight::Summed,
            outside: false,
            suspended: false,
            used_at: now,
        }
    }

    /// Whether it has the settings that `context` has now.
    #[cfg(hibernation)]
    #[must_use]
    pub fn is_of(&self, context: &Context) -> bool {
        self.ssl.config().origin() == context.origin()
    }

    /// What a call came to: bytes done, or `None` for progress without any, after
    /// which the same call is to be made again.
    fn judge(
        &mut self,
        host: &mut dyn Host,
        outcome: Outcome,
        operation: Operation,
    ) -> Result<Option<usize>> {
        self.waits_for = 0;
        self.refused |= self.state == State::Handshaking && outcome.refused;
        if self.state == State::Handshaking && self.ssl.is_handshake_over() {
            if self.refused {
                return Err(self.fail(host, outcome, sys::MBEDTLS_ERR_SSL_ALLOC_FAILED));
            }
            self.state = State::Open;
            self.ssl.release_handshake();
            let without_cid = self.cid_required && self.ssl.peer_cid(&mut [0; mbedtls::CID_MAX]).is_none();
            if without_cid || !self.ssl.is_same_client() {
                return Err(self.fail(host, outcome, sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE));
            }
            let stats = self.ssl.config().stats();
            stats.good.add();
            if self.ssl.is_resumed() {
                stats.hits.add();
            }
        }
        self.cache_session();
        match outcome.ret {
            0 if operation == Operation::Read => {
                if outcome.end_of_stream {
                    self.state = State::Cut;
                    return Ok(Some(0));
                }
                // An empty record is not the end.
                Ok(None)
            }
            0.. => Ok(usize::try_from(outcome.ret).ok()),
            want @ (sys::MBEDTLS_ERR_SSL_WANT_READ | sys::MBEDTLS_ERR_SSL_WANT_WRITE) => {
                match outcome.interruption {
                    Some(Interruption::Raised) => Err(Error::Raised),
                    Some(Interruption::Errno(errno)) => Err(Error::Errno(errno)),
                    Some(Interruption::NoMemory) => Err(Error::NoMemory),
                    Some(Interruption::Outside) => Err(Error::Outside),
                    Some(Interruption::WouldBlock) => {
                        self.waits_for = match (operation, want) {
                            (Operation::Read, sys::MBEDTLS_ERR_SSL_WANT_WRITE) => WR as u8,
                            (Operation::Write, sys::MBEDTLS_ERR_SSL_WANT_READ) => RD as u8,
                            _ => 0,
                        };
                        Err(Error::from_mbedtls(want))
                    }
                    // Mbed TLS handled a record that is nobody's business.
                    None => Ok(None),
                }
            }
            sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY if self.state != State::Handshaking => {
                self.state = State::CloseNotify;
                Ok(Some(0))
            }
            // DTLS (RFC 6347 4.2.8): the client began anew from the same port, or somebody else did.
            // The program is not to take one for the other.
            sys::MBEDTLS_ERR_SSL_CLIENT_RECONNECT
                if self.state == State::Handshaking || self.ssl.knows_client() =>
            {
                if self.ssl.begin_anew() {
                    self.state = State::Handshaking;
                    self.begun = false;
                    self.in_flight = 0;
                    self.suspended = false;
                    self.close_notify_sent = false;
                    self.refused = false;
                }
                Ok(None)
            }
            sys::MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET => Ok(None),
            sys::MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS => Err(Error::WantSignature),
            code => Err(self.fail(host, outcome, code)),
        }
    }

    /// Ends the connection for an error, and tells the peer where Mbed TLS has not.
    fn fail(&mut self, host: &mut dyn Host, outcome: Outcome, code: i32) -> Error {
        self.state = State::Failed;
        self.ssl.release_failed();
        self.alert = outcome.alert;
        let error = match (outcome.interruption, Error::from_mbedtls(code)) {
            (Some(Interruption::Raised), _) => Error::Raised,
            _ if outcome.verdict != 0 => Error::from_verdict(outcome.verdict),
            (Some(Interruption::NoMemory), _) => Error::NoMemory,
            // To Mbed TLS a signature that there was no memory to check is a wrong one; and one of
            // its own, or a Finished, may have been wrong, as the peer has said.
            _ if self.refused || outcome.refused => Error::NoMemory,
            _ if outcome.invalid.is_some() => outcome.invalid.map_or(Error::Raised, Error::Value),
            // The latter where it is not for this use, or its key is of a curve not asked for.
            (
                _,
                Error::Tls(sys::MBEDTLS_ERR_X509_CERT_VERIFY_FAILED | sys::MBEDTLS_ERR_SSL_BAD_CERTIFICATE),
            ) => match self.ssl.verify_result() {
                0 | u32::MAX => Error::Tls(code),
                flags => Error::Verify(flags),
            },
            (_, error) => error,
        };
        let alert = match (error, outcome.due) {
            (Error::Tls(_) | Error::Raised, due) if due != 0 => due.into(),
            _ => alert(error).unwrap_or(0),
        };
        if self.alert == 0 {
            // What Mbed TLS has sent encrypted is this, too.
            self.alert = alert as u8;
        }
        let last = match error {
            // Too late for another try.
            Error::NoMemory => Error::Errno(MPSSL_ENOMEM.cast_signed()),
            error => error,
        };
        // Behind close_notify nothing is sent any more (RFC 5246 7.2.1).
        if alert == 0 || outcome.alerted || self.close_notify_sent {
            return last;
        }
        self.alert = alert as u8;
        // Nothing to do about an alert that does not get out, but for an exception.
        match self.ssl.fatal_alert(host, alert).interruption {
            Some(Interruption::Raised) => Error::Raised,
            _ => last,
        }
    }

    /// The fatal alert (RFC 5246 7.2.2) that the connection has ended with: the peer's where a call
    /// failed with `MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE`, else this side's. 0: none.
    #[must_use]
    pub fn alert(&self) -> u8 {
        self.alert
    }

    /// Writes the text of an error of this connection; how long that is.
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub fn text(&self, error: Error, text: &mut [u8]) -> usize {
        match error {
            Error::Verify(flags) => self.ssl.problems(flags, text),
            _ => error.text(text),
        }
    }

    /// Writes what mistake may be behind an error of this connection; how long that is.
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub fn hint(&self, error: Error, text: &mut [u8]) -> usize {
        self.ssl.hint(error, self.alert, text)
    }

    fn usable(&self) -> Result<()> {
        if self.state == State::Failed { Err(CLOSED) } else { Ok(()) }
    }

    /// Handshakes as far as the transport allows.
    ///
    /// # Errors
    ///
    /// [`Error::WantRead`], [`Error::WantWrite`]: call again. Fatal errors once,
    /// then `EBADF`.
    pub fn handshake(&mut self, host: &mut dyn Host) -> Result<()> {
        self.usable()?;
        self.handshake_for(host, Operation::Other)
    }

    /// Handshakes because an operation needs it to be over.
    fn handshake_for(&mut self, host: &mut dyn Host, operation: Operation) -> Result<()> {
        while self.state == State::Handshaking {
            if !core::mem::replace(&mut self.begun, true) {
                self.ssl.config().stats().begun.add();
            }
            let outcome = self.ssl.handshake(host);
            self.judge(host, outcome, operation)?;
            self.used_at = host.ticks_ms();
        }
        Ok(())
    }

    /// Waits until a read has something to return: [`Socket::read`] then calls nothing out, but
    /// to send a flight again.
    ///
    /// # Errors
    ///
    /// As [`Socket::handshake`].
    pub fn fill(&mut self, host: &mut dyn Host) -> Result<()> {
        self.usable()?;
        self.sleeping_through(|this| {
            this.handshake_for(host, Operation::Read)?;
            while !matches!(this.state, State::CloseNotify | State::Cut) && this.ssl.bytes_available() == 0 {
                let outcome = this.ssl.read(host, &mut [], this.close_notify_sent);
                this.judge(host, outcome, Operation::Read)?;
                this.handshake_for(host, Operation::Read)?;
            }
            Ok(())
        })
    }

    /// Reads records until `buf` is full behind the `done` bytes that are in it, or the stream
    /// ends. What an error interrupts has moved `done`: the same call goes on there.
    ///
    /// # Errors
    ///
    /// As [`Socket::handshake`].
    pub fn read_all(&mut self, host: &mut dyn Host, buf: &mut [u8], done: &mut usize) -> Result<()> {
        while *done < buf.len() {
            match self.read(host, buf.get_mut(*done..).unwrap_or_default())? {
                0 => break,
                n => *done = done.saturating_add(n),
            }
        }
        Ok(())
    }

    /// Reads what one record still has, at most `buf.len()` bytes; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`Socket::handshake`].
    pub fn read(&mut self, host: &mut dyn Host, buf: &mut [u8]) -> Result<usize> {
        self.usable()?;
        self.sleeping_through(|this| this.read_awake(host, buf))
    }

    /// Reads: a DTLS connection that was asleep is so again where nothing came but what anybody can send, be
    /// it that nobody listens at the peer's port. Without memory for it, it is awake.
    fn sleeping_through<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let asleep = self.is_asleep() && self.is_datagram();
        let result = read(self);
        let in_vain =
            matches!(result, Err(Error::WantRead | Error::Outside | Error::Errno(_) | Error::Raised));
        if asleep && in_vain {
            let _ = self.hibernate();
        }
        result
    }

    fn read_awake(&mut self, host: &mut dyn Host, buf: &mut [u8]) -> Result<usize> {
        loop {
            if matches!(self.state, State::CloseNotify | State::Cut) || buf.is_empty() {
                return Ok(0);
            }
            self.handshake_for(host, Operation::Read)?;
            let record = self.ssl.record_in_flight();
            let outcome = self.ssl.read(host, buf, self.close_notify_sent);
            let result = self.judge(host, outcome, Operation::Read);
            if self.in_flight != 0 && self.ssl.record_in_flight() != record {
                self.in_flight_is = InFlight::Gone;
            }
            let half_sent = self.in_flight != 0
                && self.in_flight_is != InFlight::Gone
                && !self.outside
                && record.is_some();
            if half_sent && self.loses(result.err()) {
                // Nobody has to make that write again.
                self.ssl.lose_record();
                self.in_flight = 0;
            }
            if let Some(done) = result? {
                self.used(host.ticks_ms());
                return Ok(done);
            }
        }
    }

    /// Sends the rest of a record that is half sent.
    fn flush(&mut self, host: &mut dyn Host) -> Result<()> {
        while self.ssl.is_record_in_flight() {
            // With a record in flight, Mbed TLS sends its rest and looks at nothing else.
            let outcome = self.ssl.write(host, &[]);
            self.judge(host, outcome, Operation::Write)?;
        }
        Ok(())
    }

    /// Handshakes, and sends what is half sent and nobody's data (an alert, say):
    /// [`Socket::write`] then takes its bytes before it calls anything out.
    ///
    /// # Errors
    ///
    /// As [`Socket::handshake`]; `EPIPE` when close_notify has been sent (RFC 5246 7.2.1).
    pub fn prepare_write(&mut self, host: &mut dyn Host) -> Result<()> {
        self.usable()?;
        self.handshake_for(host, Operation::Write)?;
        if self.close_notify_sent {
            return Err(Error::Errno(MPSSL_EPIPE.cast_signed()));
        }
        self.ssl.wake()?;
        if self.in_flight != 0 {
            return Ok(());
        }
        self.flush(host)?;
        if let Some(outcome) = self.ssl.answer_key_update(host) {
            self.judge(host, outcome, Operation::Write)?;
            self.flush(host)?;
        }
        Ok(())
    }

    /// Writes one record of at most `buf.len()` bytes; returns how many it took.
    ///
    /// # Errors
    ///
    /// As [`Socket::handshake`]. After any that is not fatal, call again with the
    /// same bytes: they may be in a record half sent. `EINVAL` for others, or fewer.
    /// `EMSGSIZE` for more than a datagram's record may carry. After the transport's own error, and
    /// after [`Error::Raised`], nothing of a datagram is left: any other may follow.
    pub fn write(&mut self, host: &mut dyn Host, buf: &[u8]) -> Result<usize> {
        let result = self.write_moving(host, buf);
        if result.is_err() {
            self.half_sent(buf);
        }
        result
    }

    /// As [`Socket::write`], of bytes that may be elsewhere when it has called out: after an error
    /// [`Socket::half_sent`] is to be told where.
    ///
    /// # Errors
    ///
    /// As [`Socket::write`].
    pub fn write_moving(&mut self, host: &mut dyn Host, buf: &[u8]) -> Result<usize> {
        self.prepare_write(host)?;
        if self.in_flight != 0 {
            match buf.get(..self.in_flight.into()) {
                _ if self.outside => {}
                Some(buf) if checksum(0, buf) == self.ssl.interrupted().in_flight_sum => {}
                _ => return Err(Error::Errno(MPSSL_EINVAL.cast_signed())),
            }
            let result = if self.in_flight_is == InFlight::Gone { Ok(()) } else { self.flush(host) };
            self.outside = result == Err(Error::Outside);
            if self.loses(result.err()) {
                self.ssl.lose_record();
                self.in_flight = 0;
            }
            result?;
            let done = core::mem::take(&mut self.in_flight).into();
            self.wrote(host.ticks_ms(), done == buf.len());
            return Ok(done);
        }
        // One write is one record: nothing is cut.
        if self.is_datagram() && buf.len() > self.ssl.max_out_payload() {
            return Err(Error::Errno(MPSSL_EMSGSIZE.cast_signed()));
        }
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let outcome = self.ssl.write(host, buf);
            let result = self.judge(host, outcome, Operation::Write);
            let half_sent = result.is_err() && self.ssl.is_handshake_over() && self.ssl.is_record_in_flight();
            if half_sent && self.loses(result.err()) {
                self.ssl.lose_record();
            } else if half_sent {
                let taken = buf.len().min(self.ssl.max_out_payload());
                self.in_flight = u16::try_from(taken).unwrap_or(u16::MAX);
                self.in_flight_is = InFlight::New;
                self.outside = result == Err(Error::Outside);
            }
            if let Some(done) = result? {
                self.wrote(host.ticks_ms(), done == buf.len());
                return Ok(done);
            }
        }
    }

    /// Awake, what is left to be written needs no memory to wake for, and how far it got is not forgotten.
    fn wrote(&mut self, now: u32, all: bool) {
        if all {
            self.used(now);
        } else {
            self.used_at = now;
        }
    }

    /// Whether it is a datagram that the transport does not take, and may never: its size, say, or the
    /// way there. It is lost, as on any socket, and nothing else has to wait for it.
    fn loses(&self, error: Option<Error>) -> bool {
        self.is_datagram() && matches!(error, Some(Error::Errno(_) | Error::Raised))
    }

    /// The bytes that an interrupted write was to write, by which the next one is known.
    pub fn half_sent(&mut self, bytes: &[u8]) {
        if !self.outside && self.in_flight_is == InFlight::New {
            self.in_flight_is = InFlight::Summed;
            let sum = checksum(0, bytes.get(..self.in_flight.into()).unwrap_or_default());
            let before = self.ssl.interrupted();
            self.ssl.note_interrupted(Interrupted { in_flight_sum: sum, ..before });
        }
    }

    /// Writes records until all of `buf` is taken behind its first `done` bytes. What an error
    /// interrupts has moved `done`: the same call goes on there.
    ///
    /// # Errors
    ///
    /// As [`Socket::write`].
    pub fn write_all(&mut self, host: &mut dyn Host, buf: &[u8], done: &mut usize) -> Result<()> {
        while *done < buf.len() {
            let n = self.write(host, buf.get(*done..).unwrap_or_default())?;
            *done = done.saturating_add(n);
        }
        Ok(())
    }

    /// Keeps how far a write of all of `buf` got, for the same call to go on: see
    /// [`Socket::resume_write`]. With an empty one, there is nothing to go on with.
    pub fn suspend_write(&mut self, buf: &[u8], done: usize) {
        self.suspended = !buf.is_empty() && (done != 0 || self.in_flight != 0);
        if self.suspended {
            // Where it is more than 4 GB, no call is the same.
            let taken = u32::try_from(done).unwrap_or(u32::MAX);
            let taken_sum = checksum(buf.len(), buf.get(..done).unwrap_or_default());
            let before = self.ssl.interrupted();
            self.ssl.note_interrupted(Interrupted { taken, taken_sum, ..before });
        }
    }

    /// How many bytes of `buf` were taken by the same call before, which was interrupted.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that was another call, whose rest would be missing; also where what is in
    /// flight is not `buf`'s.
    pub fn resume_write(&self, buf: &[u8]) -> Result<usize> {
        let Interrupted { taken, taken_sum, in_flight_sum } = self.ssl.interrupted();
        let taken = if self.suspended { usize::try_from(taken).unwrap_or(usize::MAX) } else { 0 };
        let same = |bytes: Option<&[u8]>, len, sum| bytes.is_some_and(|bytes| checksum(len, bytes) == sum);
        let rest = buf.get(taken..).unwrap_or_default();
        if (self.suspended && !same(buf.get(..taken), buf.len(), taken_sum))
            || (self.in_flight != 0 && !same(rest.get(..self.in_flight.into()), 0, in_flight_sum))
        {
            return Err(Error::Errno(MPSSL_EINVAL.cast_signed()));
        }
        Ok(taken)
    }

    /// Reduces the connection to what the protocol has to remember, if it is quiet: open,
    /// nothing on its way out, no write interrupted, nothing come in that is not read, and of a suite and a
    /// version that can. The next read or write wakes it. Whether it sleeps now.
    ///
    /// # Errors
    ///
    /// As [`Socket::handshake`] reports a failed connection. [`Error::NoMemory`]; it is
    /// awake then.
    pub fn hibernate(&mut self) -> Result<bool> {
        self.usable()?;
        // How far an interrupted write got is kept by one that is awake.
        if self.state != State::Open || self.in_flight != 0 || self.suspended || self.close_notify_sent {
            return Ok(false);
        }
        let asleep = self.ssl.hibernate()?;
        if asleep {
            self.waits_for = 0;
        }
        Ok(asleep)
    }

    fn used(&mut self, now: u32) {
        self.used_at = now;
        self.rest(now);
    }

    /// Hibernates if the context says that it is to be by itself, and no data went either
    /// way for as long as it says. Without memory for it, it stays awake.
    pub fn rest(&mut self, now: u32) {
        let Some(after) = self.ssl.hibernate_after() else { return };
        if now.wrapping_sub(self.used_at) >= after {
            let _ = self.hibernate();
        }
    }

    /// The connection.
    #[cfg(any(debug_assertions, hibernation))]
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.ssl
    }

    /// Whether the connection hibernates.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.ssl.is_asleep()
    }

    /// Whether [`Socket::close_notify`] has something to send.
    #[must_use]
    pub fn would_send(&self) -> bool {
        matches!(self.state, State::Open | State::CloseNotify)
            && (!self.close_notify_sent || self.ssl.is_record_in_flight())
    }

    /// Sends close_notify (RFC 5246 7.2.1), once, on a connection that is open.
    ///
    /// # Errors
    ///
    /// As [`Socket::handshake`].
    pub fn close_notify(&mut self, host: &mut dyn Host) -> Result<()> {
        if matches!(self.state, State::Handshaking | State::Failed) {
            return Ok(());
        }
        self.flush(host)?;
        // An interrupted write, which may be made again as long as close_notify is not written.
        if self.in_flight != 0 {
            self.in_flight_is = InFlight::Gone;
        }
        if self.close_notify_sent {
            return Ok(());
        }
        let outcome = self.ssl.close_notify(host);
        // Written, if not yet sent whole: flushed when called again. But for want of memory.
        self.close_notify_sent = outcome.interruption != Some(Interruption::NoMemory);
        if self.close_notify_sent {
            self.in_flight = 0;
        }
        self.judge(host, outcome, Operation::Write)?;
        self.flush(host)
    }

    /// Ends TLS in both directions: sends close_notify and reads until the peer's,
    /// or the end of the stream. Data still coming is dropped.
    ///
    /// # Errors
    ///
    /// `ENOTCONN` before the handshake is over, else as [`Socket::handshake`].
    pub fn unwrap(&mut self, host: &mut dyn Host) -> Result<()> {
        self.usable()?;
        if self.state == State::Handshaking {
            return Err(Error::Errno(MPSSL_ENOTCONN.cast_signed()));
        }
        self.close_notify(host)?;
        let mut dropped = [0; 64];
        while self.read(host, &mut dropped)? > 0 {}
        Ok(())
    }

    /// Which of the poll `flags` are ready whatever the transport says, and what
    /// to ask it; nothing (0) if that is the whole answer. `now`: milliseconds, of
    /// the clock that the timer runs on.
    #[must_use]
    pub fn poll(&self, flags: u32, now: u32) -> (u32, u32) {
        if self.is_handshaking() && self.ssl.retransmission_in(now) == Some(0) {
            // Called again, the handshake sends its last flight once more.
            return (flags & (RD | WR), 0);
        }
        if self.is_handshaking()
            && let Some(due) = self.ssl.asks_again_in(now)
        {
            // The transport has nothing to do with it.
            return (if due == 0 { flags & (RD | WR) } else { 0 }, 0);
        }
        let ask = match flags & (RD | WR) {
            0 => flags,
            both if self.waits_for != 0 => (flags & !both) | u32::from(self.waits_for),
            _ => flags,
        };
        match self.state {
            State::Failed => (NVAL, 0),
            _ if ask & RD == 0 || !self.has_input() => (0, ask),
            _ if ask == RD => (RD, 0),
            _ => (RD, ask),
        }
    }

    /// Whether the transport's answer is that to [`Socket::poll`], and the connection has
    /// nothing else to do then.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Open
            && self.waits_for == 0
            && !self.ssl.has_pending()
            && (self.ssl.is_asleep() || self.ssl.hibernate_after().is_none())
    }

    /// Whether a read would not wait for the transport.
    fn has_input(&self) -> bool {
        matches!(self.state, State::CloseNotify | State::Cut) || self.ssl.has_pending()
    }

    /// The transport's reply in terms of the `flags` that were asked for: where it
    /// is ready for what the handshake waits for, the caller is to call again.
    #[must_use]
    pub fn polled(&self, flags: u32, reply: u32) -> u32 {
        if reply & u32::from(self.waits_for) == 0 { reply } else { reply | flags & (RD | WR) }
    }

    /// Whether datagrams carry the records.
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        self.ssl.is_datagram()
    }

    /// Whether the handshake is still under way.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.state == State::Handshaking
    }

    /// Records of datagrams dropped because they did not authenticate.
    #[must_use]
    pub fn bad_records(&self) -> u32 {
        self.ssl.bad_records()
    }

    /// The highest sequence number of a datagram's record that authenticated.
    #[must_use]
    pub fn newest_record(&self) -> u64 {
        self.ssl.newest_record()
    }

    /// The Connection ID by which the peer calls this side; empty: none.
    #[must_use]
    pub fn own_cid(&self) -> &[u8] {
        self.ssl.own_cid()
    }

    /// A listener has seen that the client's cookie was good. A hello with another one is answered
    /// from now on, as it would be there.
    pub fn set_accepted(&mut self) {
        self.ssl.set_accepted();
    }

    /// Another Connection ID, of the same length, for a connection that has not begun.
    ///
    /// # Errors
    ///
    /// `OSError(EINVAL)` where it has begun, or has none.
    pub fn set_own_cid(&mut self, cid: &[u8]) -> Result<()> {
        self.ssl.set_cid(cid)
    }

    /// Writes the Connection ID by which this side calls the peer to `cid`; its
    /// length, or `None` if Connection IDs were not agreed on.
    #[must_use]
    pub fn peer_cid(&self, cid: &mut [u8; mbedtls::CID_MAX]) -> Option<usize> {
        if self.is_handshaking() { None } else { self.ssl.peer_cid(cid) }
    }

    /// Bytes decrypted and not yet read.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.ssl.bytes_available()
    }

    /// Whether the peer has closed with an alert.
    #[must_use]
    pub fn close_notify_received(&self) -> bool {
        self.state == State::CloseNotify
    }

    /// The identity that the client has proven to have the key of, at a server.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    #[must_use]
    pub fn psk_identity(&self) -> Option<&[u8]> {
        if self.ssl.is_handshake_over() { self.ssl.psk_identity() } else { None }
    }

    /// The identity hint that the server has sent, at a client.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    #[must_use]
    pub fn psk_identity_hint(&self) -> Option<&[u8]> {
        self.ssl.psk_identity_hint()
    }

    /// The cipher suite, once the handshake is over.
    #[must_use]
    pub fn cipher(&self) -> Option<&'static CStr> {
        if self.ssl.is_handshake_over() { self.ssl.cipher() } else { None }
    }

    /// See [`Connection::shared_cipher`]; once the handshake is over.
    #[must_use]
    pub fn shared_cipher(&self, i: usize) -> Option<mbedtls::Cipher> {
        if self.ssl.is_handshake_over() { self.ssl.shared_cipher(i) } else { None }
    }

    /// The protocol version, once the handshake is over.
    #[must_use]
    pub fn version(&self) -> Option<&'static CStr> {
        if self.ssl.is_handshake_over() { self.ssl.version() } else { None }
    }

    /// The application protocol that was agreed on (RFC 7301), once the handshake is over.
    #[cfg(mbedtls_ssl_alpn)]
    #[must_use]
    pub fn selected_alpn_protocol(&self) -> Option<&CStr> {
        if self.ssl.is_handshake_over() { self.ssl.selected_alpn_protocol() } else { None }
    }

    /// The session that this client's connection is, for the next one: of TLS 1.3 once its server has given
    /// a ticket, which a read finds; `None` until then, and where the context keeps none.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    #[cfg(sessions)]
    pub fn session(&self) -> Result<Option<Box<Session>>> {
        self.ssl.kept().map(|kept| Session::new(&kept, self.peer_cert())).transpose()
    }

    /// Puts a session that is new into the context's cache, if there is one, and the memory.
    fn cache_session(&mut self) {
        #[cfg(sessions)]
        if self.ssl.has_new_session()
            && let Some(cache) = self.ssl.session_cache()
            && let Some(kept) = self.ssl.kept()
            && let Ok(cached) = Session::to_cache(&kept, self.peer_cert())
            && cache.put(cached)
        {
            self.ssl.config().stats().cache_full.add();
        }
    }

    /// Whether it goes on with an earlier session; `None` before the handshake is over.
    #[must_use]
    pub fn session_reused(&self) -> Option<bool> {
        self.ssl.is_handshake_over().then(|| self.ssl.is_resumed())
    }

    /// Whether the peer's certificate was verified, and nothing was wrong with it.
    #[must_use]
    pub fn peer_verified(&self) -> bool {
        self.ssl.peer_verified()
    }

    /// The peer's certificate as DER, if it showed one and the build keeps it.
    #[must_use]
    pub fn peer_cert(&self) -> Option<&[u8]> {
        self.ssl.peer_cert()
    }
}
