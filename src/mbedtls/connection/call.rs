// SPDX-License-Identifier: MIT OR Apache-2.0
//! One call on a connection: what it may call out to, and Mbed TLS's way back to that.
//!
//! What is called out to may call out again: room is made for an answer, and what was half sent
//! is sent first. So nothing here holds a `&mut` of the call or of the buffers, which another
//! way to the same place would make undefined by Rust's rules. There are shared references, and
//! cells; of the host, which calls nothing on this connection, a `&mut` for each time that it
//! is called.

use core::cell::{Cell, UnsafeCell};
use core::ffi::{c_int, c_void};

use super::super::config::Config;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use super::super::psk::Seen;
use super::super::sys;
use super::alerts;
use super::flight::{CutHeader, StreamHandshake};
use super::layout::{
    COUNTER, HEADER, highest_version, is_message_cut, is_tls13, message_rest, take_bad_records,
};
use super::messages::{
    awaits_hello, delay, forget_early, forget_parts, is_patient, last_answered, next_number, record_limit,
};
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use super::problems::Problems;
use super::records::{ALERT, Buffers, DATAGRAM, PREFIX, WHOLE, announced, early};
#[cfg(tls13)]
use super::tls13_records::{CHANGE_CIPHER_SPEC, owes_change_cipher_spec, passed_over, takes_back_hello};
use crate::error::Invalid;
use crate::fnv::fnv1a;
#[cfg(server_names)]
use crate::io::Refused;
use crate::io::{Host, Interruption, Signer};
use crate::mem::Box;
use crate::micropython_sys::{MPSSL_ECONNRESET, MPSSL_EPIPE, refusals};
use crate::wire::{self, Assembly, ClientHello, mend_hello_verify_request};

unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h), and linkable. None raises.
    pub(super) fn mbedtls_ssl_flush_output(ssl: *mut sys::mbedtls_ssl_context) -> c_int;
    pub(super) fn mbedtls_ssl_write_handshake_msg_ext(
        ssl: *mut sys::mbedtls_ssl_context,
        update_checksum: c_int,
        force_flush: c_int,
    ) -> c_int;
}

/// An `Option` none of whose bytes is ever left as it was: what the stack had there may be the
/// address of a Python object, and where Mbed TLS's memory is the collector's, a connection that
/// keeps its own object alive is never freed.
#[derive(Clone, Copy)]
pub(super) struct Noted<const N: usize> {
    bytes: [u8; N],
    there: bool,
}

impl<const N: usize> Noted<N> {
    pub(super) fn get(self) -> Option<[u8; N]> {
        self.there.then_some(self.bytes)
    }
}

impl<const N: usize> Default for Noted<N> {
    fn default() -> Self {
        Self { bytes: [0; N], there: false }
    }
}

impl<const N: usize> From<Option<[u8; N]>> for Noted<N> {
    fn from(option: Option<[u8; N]>) -> Self {
        option.map_or_else(Self::default, |bytes| Self { bytes, there: true })
    }
}

/// What is kept of datagrams that came. Each byte is somebody's: see [`Noted`].
#[derive(Clone, Copy, Default)]
pub(super) struct Received {
    pub(super) bad_records: u32,
    /// What to know the hello by that made this connection.
    pub(super) hello: Noted<8>,
    /// That of a hello which begins anew: it waits for the next connection.
    pub(super) new_hello: Noted<8>,
    /// A fatal alert or a close_notify in the clear.
    pub(super) alert: Noted<2>,
    /// A listener has seen that the client's cookie was good: others' hellos end nothing here.
    pub(super) accepted: bool,
    /// At which delay the flight was sent again last because the peer had done so: see [`Call::may_resend`].
    pub(super) resent: u8,
    #[allow(dead_code, reason = "fills the last word")]
    pub(super) fill: u8,
    /// Digests of the last datagrams in the clear.
    pub(super) last: [u32; 4],
}

impl Received {
    /// Whether a datagram in the clear has just come: the network doubles some, which are not to
    /// be answered twice. Mbed TLS's window is not to tell: one forged number moves it beyond all
    /// that the peer sends, where nothing authenticates. (RFC 6347 4.1.2.6: "The receive window
    /// is updated only if the MAC verification succeeds.")
    fn is_double(&mut self, datagram: &[u8]) -> bool {
        let digest = fnv1a(datagram);
        let double = self.last.contains(&digest);
        if !double {
            let [a, b, c, _] = self.last;
            self.last = [digest, a, b, c];
        }
        double
    }
}

/// What a client does about a CertificateRequest.
#[cfg(mbedtls_ssl_cli_c)]
#[derive(Clone, Copy, Default)]
pub(super) enum Answer {
    /// Signs with the hash of the cipher suite.
    #[default]
    SuiteHash,
    OtherHash,
    NoCertificate,
}

/// What is known of the peer's own certificate, where trust anchors are in bundles.
#[cfg(bundles)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Unknown,
    /// Somebody issued it.
    Issued,
    /// It is an anchor itself; and what the peer has shown behind it.
    Anchor(*mut sys::mbedtls_x509_crt),
}

pub(super) type Checksum = unsafe extern "C" fn(*mut sys::mbedtls_ssl_context, *const u8, usize) -> c_int;

/// What one call on a connection may call out to, and what came of it. It lives
/// for that call, on the stack.
pub struct Call<'host> {
    host: UnsafeCell<&'host mut dyn Host>,
    datagram: bool,
    /// The connection; its fields are touched only while Mbed TLS calls out.
    pub(super) ssl: *mut sys::mbedtls_ssl_context,
    /// Beside the connection.
    buffers: *const Buffers,
    pub(super) received: Cell<Received>,
    /// The ClientHello that has just come has no cookie.
    is_first_hello: Cell<bool>,
    /// A ClientHello of which a part has come.
    pub(super) assembly: Cell<Option<Box<Assembly>>>,
    pub(super) checks_hostname: bool,
    /// Which of a server's suites the client has, where its hello has come: bit i for the i-th.
    #[cfg(mbedtls_ssl_srv_c)]
    pub(super) shared_suites: Cell<Option<u64>>,
    /// A secret could not be written down.
    #[cfg(feature = "keylog")]
    pub(super) log_failed: Cell<bool>,
    /// The name to find in the server's certificate; NULL: the connection's.
    pub(super) asserted: *const u8,
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub(super) problems: Problems,
    pub(super) config: *const Config,
    #[cfg(bundles)]
    pub(super) leaf: Cell<Leaf>,
    /// The certificate of a chain that was verified last, at this depth: the next one's issuer.
    #[cfg(mbedtls_x509_crl_parse_c)]
    pub(super) issuer: Cell<(*const sys::mbedtls_x509_crt, c_int)>,
    /// A server's tickets may stand for this client later.
    #[cfg(tickets)]
    pub(super) issues: bool,
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) psk: *mut Seen,
    /// The handshake's own function while it is replaced.
    pub(super) update_checksum: Cell<Option<Checksum>>,
    /// What this client does about the CertificateRequest that has just come.
    #[cfg(mbedtls_ssl_cli_c)]
    pub(super) client_auth: Cell<Answer>,
    /// An alert about a record that does not authenticate is not sent.
    spares_alert: Cell<bool>,
    /// This side has sent its close_notify.
    pub(super) is_closed: Cell<bool>,
    /// The transport raised: it is not asked again in this call.
    transport_raised: Cell<bool>,
    /// Bytes of a stream that have come in this call.
    come: Cell<usize>,
    /// It is the last call there is: what it sends does not wait for another.
    pub(super) is_last: Cell<bool>,
    /// What is sent was written in a step before: in TLS 1.3, where records do not show what they are,
    /// an alert is the one thing that a step of the handshake sends itself.
    #[cfg(tls13)]
    flushes: Cell<bool>,
    /// It is a read: likewise, once the handshake is over.
    #[cfg(tls13)]
    reads: Cell<bool>,
    /// It has sent an encrypted alert of TLS 1.3's.
    #[cfg(tls13)]
    alerts: Cell<bool>,
    /// It writes data.
    pub(super) writes: Cell<bool>,
    /// The highest number of a record when the last datagram came.
    newest: Cell<Option<u64>>,
    /// The object that signs has no signature yet.
    pub(super) awaits_signature: Cell<bool>,
    pub(super) outcome: Cell<Outcome>,
    /// The number of the next record that was to be written when it began.
    next_record: [u8; COUNTER],
}

/// How much of a stream one call of a handshake reads, several times what its longest message may
/// have: Mbed TLS passes over alerts that are warnings as long as there are any, and nobody would
/// look at time limits and interrupts.
const MOST: usize = 65536;

/// The highest sequence number of a record that authenticated.
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn newest_record(ssl: *const sys::mbedtls_ssl_context) -> u64 {
    #[cfg(mbedtls_ssl_dtls_anti_replay)]
    // SAFETY: by this function's contract.
    return unsafe { (*ssl).in_window_top };
    #[cfg(not(mbedtls_ssl_dtls_anti_replay))]
    {
        let _ = ssl;
        0
    }
}

/// Whether the peer's Finished may come next, or this side's.
fn awaits_finished(state: c_int) -> bool {
    [sys::MBEDTLS_SSL_CLIENT_FINISHED, sys::MBEDTLS_SSL_SERVER_FINISHED]
        .map(|of| of as c_int)
        .contains(&state)
}

/// Whether a handshake has nothing left to write, nor to read.
///
/// # Safety
///
/// The connection is set up.
unsafe fn writes_no_more(ssl: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    let state = unsafe { (*ssl).state };
    #[cfg(all(tls13, tickets))]
    if state == sys::MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET_FLUSH as c_int {
        // SAFETY: as above.
        return unsafe { (*ssl).handshake.as_ref() }.is_none_or(|of| of.new_session_tickets_count == 0);
    }
    [sys::MBEDTLS_SSL_FLUSH_BUFFERS, sys::MBEDTLS_SSL_HANDSHAKE_WRAPUP].map(|of| of as c_int).contains(&state)
}

/// What a server calls its client.
///
/// # Safety
///
/// The connection is set up, and lives as long.
#[cfg(mbedtls_ssl_dtls_hello_verify)]
pub(super) unsafe fn client_id<'a>(ssl: &sys::mbedtls_ssl_context) -> &'a [u8] {
    if ssl.cli_id.is_null() {
        return &[];
    }
    // SAFETY: Mbed TLS's copy, as long as it says, which lives with the connection.
    unsafe { core::slice::from_raw_parts(ssl.cli_id, ssl.cli_id_len) }
}

/// What [`Call::join`] leaves of a record.
enum Joined {
    /// One that Mbed TLS takes or refuses.
    Record,
    /// Nothing, for all of it is kept.
    Nothing,
    /// More than Mbed TLS takes.
    TooLong,
    /// The stream has ended.
    End,
}

/// What a call came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Mbed TLS's return value.
    pub ret: c_int,
    /// Why the transport or the verifier did not do its work, if so.
    pub interruption: Option<Interruption>,
    /// The number that the verifier refused with; 0: it did not.
    pub verdict: i32,
    /// Whether the transport said that its stream has ended.
    pub end_of_stream: bool,
    /// Whether Mbed TLS was refused memory on the way, whatever it made of that.
    pub refused: bool,
    /// How often memory was refused where something else could be done, or the answer says that it was.
    pub(super) answered: u32,
    /// Which fatal alert (RFC 5246 7.2.2) the peer sent, where `ret` says that it did; else what
    /// Mbed TLS has sent in the clear. 0: none.
    pub alert: u8,
    /// Whether Mbed TLS has sent a fatal alert.
    pub alerted: bool,
    /// The alert for the error, where the error does not say it. 0: none.
    pub due: u8,
    /// What is wrong with this side's own signature, if so.
    pub invalid: Option<Invalid>,
}

impl Outcome {
    pub(super) const NOTHING: Self = Self {
        ret: 0,
        interruption: None,
        verdict: 0,
        end_of_stream: false,
        refused: false,
        answered: 0,
        alert: 0,
        alerted: false,
        due: 0,
        invalid: None,
    };

    /// There is no memory for the call, which can be made again.
    pub(super) const NO_MEMORY: Self = Self {
        ret: sys::MBEDTLS_ERR_SSL_WANT_WRITE,
        interruption: Some(Interruption::NoMemory),
        ..Self::NOTHING
    };
}

impl Signer for Call<'_> {
    fn sign(
        &mut self,
        key: &[u8],
        hash: &[u8],
        signature: &mut [u8],
    ) -> core::result::Result<Option<usize>, Interruption> {
        // TLS 1.3 tries another algorithm when there is no signature, but the host has been asked.
        if let Some(why) = self.outcome.get().interruption {
            return Err(why);
        }
        let result = self.host(|host| host.sign(key, hash, signature));
        if let Err(why) = result {
            self.interrupted(why);
        }
        result
    }
}

impl<'host> Call<'host> {
    /// A call on the connection at `ssl`, which has these buffers; nothing has come of it yet.
    pub(super) fn new(
        host: &'host mut dyn Host,
        ssl: *mut sys::mbedtls_ssl_context,
        buffers: *const Buffers,
        datagrams: Option<Received>,
        config: *const Config,
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)] psk: *mut Seen,
    ) -> Self {
        Self {
            host: UnsafeCell::new(host),
            datagram: datagrams.is_some(),
            ssl,
            buffers,
            received: Cell::new(datagrams.unwrap_or_default()),
            is_first_hello: Cell::new(false),
            assembly: Cell::new(None),
            checks_hostname: true,
            #[cfg(mbedtls_ssl_srv_c)]
            shared_suites: Cell::new(None),
            #[cfg(feature = "keylog")]
            log_failed: Cell::new(false),
            asserted: core::ptr::null(),
            #[cfg(tickets)]
            issues: false,
            #[cfg(mbedtls_ssl_keep_peer_certificate)]
            problems: Problems::default(),
            config,
            #[cfg(bundles)]
            leaf: Cell::new(Leaf::Unknown),
            #[cfg(mbedtls_x509_crl_parse_c)]
            issuer: Cell::new((core::ptr::null(), 0)),
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            psk,
            update_checksum: Cell::new(None),
            #[cfg(mbedtls_ssl_cli_c)]
            client_auth: Cell::new(Answer::default()),
            spares_alert: Cell::new(false),
            is_closed: Cell::new(false),
            transport_raised: Cell::new(false),
            come: Cell::new(0),
            is_last: Cell::new(false),
            #[cfg(tls13)]
            flushes: Cell::new(false),
            #[cfg(tls13)]
            reads: Cell::new(false),
            #[cfg(tls13)]
            alerts: Cell::new(false),
            writes: Cell::new(false),
            newest: Cell::new(None),
            awaits_signature: Cell::new(false),
            outcome: Cell::new(Outcome::NOTHING),
            // SAFETY: the connection is set up.
            next_record: unsafe { (*ssl).cur_out_ctr },
        }
    }
}

impl Call<'_> {
    /// Calls the host out.
    pub(super) fn host<T>(&self, run: impl FnOnce(&mut dyn Host) -> T) -> T {
        // SAFETY: the connection is beside its buffers. The host is this call's alone, and calls
        // nothing on the connection: C has claimed that, and lets nobody in meanwhile.
        unsafe {
            self.buffers().check(self.ssl);
            run(&mut **self.host.get())
        }
    }

    /// The time, which is asked for in the middle of anything.
    pub(super) fn ticks_ms(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (**self.host.get()).ticks_ms() }
    }

    /// The call that is under way on a connection; none, if it is not one of ours: others in the firmware
    /// may use Mbed TLS as well.
    ///
    /// # Safety
    ///
    /// The connection is initialised, and ours or none of Rust's.
    #[cfg(tls13)]
    pub(super) unsafe fn under_way<'a>(ssl: *const sys::mbedtls_ssl_context) -> Option<&'a Self> {
        // SAFETY: by this function's contract: with our callback, the pointer is a call's.
        unsafe {
            let is_ours = (*ssl).f_send.is_some_and(|f_send| {
                core::ptr::fn_addr_eq(
                    f_send,
                    send as unsafe extern "C" fn(*mut c_void, *const u8, usize) -> c_int,
                )
            });
            if is_ours { (*ssl).p_bio.cast::<Self>().as_ref() } else { None }
        }
    }

    pub(super) fn buffers(&self) -> &Buffers {
        // SAFETY: beside the connection, of which this is the call; changed by way of shared
        // references only.
        unsafe { &*self.buffers }
    }

    /// What a verifier's answer is to Mbed TLS.
    pub(super) fn asked(&self, answer: core::result::Result<i32, Interruption>) -> c_int {
        match answer {
            Ok(0) => return 0,
            Ok(verdict) => self.note(|outcome| outcome.verdict = verdict),
            Err(why) => self.interrupted(why),
        }
        sys::MBEDTLS_ERR_X509_FATAL_ERROR
    }

    /// What the object has signed is no good.
    pub(super) fn invalid(&self, invalid: Invalid) {
        self.note(|outcome| outcome.invalid = Some(invalid));
    }

    /// Whether a step that has no signature is not to end the handshake by itself.
    #[cfg(tls13)]
    pub(super) fn tells_why(&self) -> bool {
        self.awaits_signature.get() || self.outcome.get().invalid.is_some()
    }

    /// Whether the object was asked in this call already, in vain.
    pub(super) fn has_failed_to_sign(&self) -> bool {
        let outcome = self.outcome.get();
        self.awaits_signature.get() || outcome.interruption.is_some() || outcome.invalid.is_some()
    }

    /// The client of a name is refused.
    #[cfg(server_names)]
    pub(super) fn refused(&self, refused: Refused) {
        if refused.raised {
            self.interrupted(Interruption::Raised);
        }
        self.note(|outcome| outcome.due = refused.alert);
    }

    /// A secret of the handshake, for whom it is written down. Where it cannot be, the handshake ends.
    #[cfg(feature = "keylog")]
    pub(super) fn log_key(&self, line: &[u8]) {
        if let Err(why) = self.host(|host| host.log_key(line)) {
            self.interrupted(why);
            self.log_failed.set(true);
        }
    }

    fn note(&self, change: impl FnOnce(&mut Outcome)) {
        let mut outcome = self.outcome.get();
        change(&mut outcome);
        self.outcome.set(outcome);
    }

    fn transported(&self, result: core::result::Result<usize, Interruption>, want: c_int) -> c_int {
        match result {
            Ok(n) => c_int::try_from(n).unwrap_or(c_int::MAX),
            Err(Interruption::Errno(errno))
                if want == sys::MBEDTLS_ERR_SSL_WANT_WRITE && self.is_told_why(errno) =>
            {
                sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
            }
            Err(why) => {
                self.transport_raised.set(why == Interruption::Raised);
                self.interrupted(why);
                // Whatever stopped the transport, the connection is not to
                // blame: it goes on where it stopped when called again.
                want
            }
        }
    }

    /// One datagram, of which Mbed TLS gets what it can stand: whole records only (it takes up
    /// to 12 bytes behind the last one for an internal error), and of those in the clear, which
    /// anybody can send, the fewest that there can be:
    ///
    /// - when the handshake is over, none;
    /// - a server that waits for a ClientHello gets one, in one piece: it fails for anything else.
    ///   Another one that comes later is looked at here: see [`Self::meet_hello`];
    /// - in a handshake, see [`Self::sift_handshake`].
    ///
    /// `None`: it gets nothing of this one.
    fn recv_datagram(&self) -> core::result::Result<Option<usize>, Interruption> {
        self.count_bad_records();
        self.look_who_is_there();
        // SAFETY: reads fields of the connection whose call is under way.
        let (server, state, cid, epoch) = unsafe {
            let ssl = &*self.ssl;
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            let cid = usize::from(ssl.own_cid_len);
            #[cfg(not(mbedtls_ssl_dtls_connection_id))]
            let cid = 0;
            #[cfg(mbedtls_ssl_proto_dtls)]
            let epoch = ssl.in_epoch;
            #[cfg(not(mbedtls_ssl_proto_dtls))]
            let epoch = 0;
            ((*ssl.conf).endpoint == sys::MBEDTLS_SSL_IS_SERVER as u8, ssl.state, cid, epoch)
        };
        let over = state >= sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        let datagram = match self.waiting_datagram() {
            Some(datagram) => datagram,
            None => self.read_datagram(over)?,
        };
        // SAFETY: as above.
        self.newest.set(Some(unsafe { newest_record(self.ssl) }));
        let n = datagram.len();
        if n == 0 {
            // It ends nothing, and is no record.
            return Err(Interruption::WouldBlock);
        }
        if server && state <= sys::MBEDTLS_SSL_CLIENT_HELLO as c_int {
            self.forget_window();
            return self.first_hello(datagram);
        }
        if server
            && let Some(hello) = ClientHello::of(datagram)
            && (over || !hello.is(self.received.get().hello.get()))
        {
            return self.meet_hello(datagram, &hello);
        }
        if !over {
            if epoch == 0 {
                if self.receive(|received| received.is_double(datagram)) {
                    return Ok(None);
                }
                self.forget_window();
            }
            let len = self.sift_handshake(datagram, cid, epoch);
            return Ok((len > 0).then_some(len));
        }
        let len = wire::sift(datagram, cid, |record| record.epoch == epoch);
        if len == 0 {
            return Ok(None);
        }
        self.answer_datagram(n)?;
        Ok(Some(len))
    }

    /// Before the next datagram is read, and when the call is over: whether the last one has a record newer than
    /// all before. Only then is the peer where that one came from (RFC 9146 6), whatever came before it.
    pub(super) fn look_who_is_there(&self) {
        // SAFETY: reads the connection whose call this is.
        let (now, state) = unsafe { (newest_record(self.ssl), (*self.ssl).state) };
        let over = state == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        if self.newest.take().is_some_and(|before| over && now > before) {
            self.host(|host| host.peer_is_there());
        }
    }

    fn receive<T>(&self, change: impl FnOnce(&mut Received) -> T) -> T {
        let mut received = self.received.get();
        let result = change(&mut received);
        self.received.set(received);
        result
    }

    /// No record in the clear is one that came before: see [`Received::is_double`].
    fn forget_window(&self) {
        #[cfg(mbedtls_ssl_dtls_anti_replay)]
        // SAFETY: the connection whose call is under way; Mbed TLS looks at the window when it
        // has a record.
        unsafe {
            (*self.ssl).in_window_top = 0;
            (*self.ssl).in_window = 0;
        }
    }

    /// Of the records in the clear that come while a handshake is under way, these are not for
    /// Mbed TLS, which would end it:
    ///
    /// - malformed ones. "Invalid records SHOULD be silently discarded" (RFC 6347 4.1.2.7);
    /// - alerts. What one says is believed if nothing else comes until the timer runs out:
    ///   see [`Self::look_at_alert`];
    /// - messages in the place of the ChangeCipherSpec, and behind it;
    /// - those for which it would send its flight again, but for one at each delay;
    /// - other hellos than the one that made this handshake, and requests for cookies that come late.
    fn sift_handshake(&self, datagram: &mut [u8], cid: usize, epoch: u16) -> usize {
        // SAFETY: reads the connection whose call is under way.
        let (next_message, server, awaits_hello) = unsafe {
            let ssl = &*self.ssl;
            let server = (*ssl.conf).endpoint == sys::MBEDTLS_SSL_IS_SERVER as u8;
            let keys_change = if server {
                sys::MBEDTLS_SSL_CLIENT_CHANGE_CIPHER_SPEC
            } else {
                sys::MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC
            };
            let next = ssl.handshake.as_ref().filter(|_| ssl.state == keys_change as c_int).map(next_number);
            (next, server, awaits_hello(self.ssl))
        };
        // SAFETY: as above.
        let answered = unsafe { (*self.ssl).handshake.as_ref() }.and_then(last_answered);
        let made = self.received.get().hello.get();
        let mut alert = None;
        let len = wire::sift(datagram, cid, |record| {
            if record.epoch != 0 {
                return true;
            }
            if let Some(new) = record.alert() {
                let [level, description] = new;
                let ends = level == sys::MBEDTLS_SSL_ALERT_LEVEL_FATAL as u8
                    || description == sys::MBEDTLS_SSL_ALERT_MSG_CLOSE_NOTIFY as u8;
                alert = alert.or(Some(new).filter(|_| ends && epoch == 0 && record.is_sound()));
                return false;
            }
            let early =
                next_message.zip(record.message_seq()).is_some_and(|(next, seq)| u32::from(seq) >= next);
            let is_late = match ClientHello::in_record(record) {
                Some(hello) => !(server && hello.is(made)),
                None => record.asks_for_cookie() && (server || !awaits_hello),
            };
            let again = record.messages().find(|&(_, seq)| Some(seq) == answered);
            record.is_sound()
                && !early
                && !is_late
                && again.is_none_or(|(msg_type, _)| self.may_resend(msg_type, server))
        });
        self.receive(|received| received.alert = received.alert.get().or(alert).into());
        len
    }

    /// Whether Mbed TLS may send its flight again because the last message that the flight answers came once
    /// more: of the type that ends a flight, and once until the timer runs out. Anybody can send such a
    /// message, which is much shorter than a flight, and each time the timer begins anew.
    fn may_resend(&self, msg_type: u8, server: bool) -> bool {
        let ends_flight =
            if server { sys::MBEDTLS_SSL_HS_CLIENT_HELLO } else { sys::MBEDTLS_SSL_HS_SERVER_HELLO_DONE };
        // SAFETY: reads the connection whose call is under way.
        let Some(at) = (unsafe { (*self.ssl).handshake.as_ref() }).map(delay) else { return false };
        u32::from(msg_type) == ends_flight
            && self.receive(|received| core::mem::replace(&mut received.resent, at) != at)
    }

    /// What a server gets that waits for a ClientHello. One whose client has been accepted does not
    /// wait for ever.
    fn first_hello(&self, datagram: &[u8]) -> core::result::Result<Option<usize>, Interruption> {
        let result = self.whole_hello(datagram);
        if result == Ok(None) && self.received.get().accepted {
            self.start_timer();
        }
        result
    }

    /// Starts the handshake's timer, if it is not running: with the longest delay, behind which Mbed
    /// TLS gives up. There is no flight yet that it could send again.
    fn start_timer(&self) {
        #[cfg(mbedtls_ssl_proto_dtls)]
        // SAFETY: the connection whose call is under way; the timer was set with it. Mbed TLS sets
        // both anew for its first flight.
        unsafe {
            let ssl = &*self.ssl;
            if let (Some(get), Some(set), Some(handshake)) =
                (ssl.f_get_timer, ssl.f_set_timer, ssl.handshake.as_mut())
                && get(ssl.p_timer) < 0
            {
                let longest = (*ssl.conf).hs_timeout_max;
                handshake.retransmit_timeout = longest;
                set(ssl.p_timer, longest / 4, longest);
            }
        }
    }

    /// The ClientHello that a datagram is, or makes whole.
    fn whole_hello(&self, datagram: &[u8]) -> core::result::Result<Option<usize>, Interruption> {
        let Some(hello) = ClientHello::of(datagram) else { return Ok(None) };
        self.is_first_hello.set(hello.is_first());
        let accepted = self.received.get().accepted;
        // Whether only a hello with a good cookie may be the next.
        let guarded = accepted || (hello.is_first_fragment() && self.holds_good_cookie());
        if guarded && hello.cookie().is_some() && !self.is_verified(datagram, &hello)? {
            return Ok(None);
        }
        if hello.is_whole() {
            self.receive(|received| received.hello = hello.id().into());
            return Ok(hello.cookie().map(|_| hello.len));
        }
        const LONGEST: usize = sys::MBEDTLS_SSL_IN_CONTENT_LEN as usize;
        let mut assembly = self.assembly.take();
        let longest = if guarded && hello.cookie().is_none() { 0 } else { LONGEST };
        let complete = Assembly::add(&mut assembly, datagram, longest).map_err(|_| Interruption::NoMemory);
        let come = assembly.as_ref().map_or(&[][..], |assembly| assembly.record());
        if complete != Ok(true) {
            self.assembly.set(assembly);
            return complete.map(|_| None);
        }
        let Some(hello) = ClientHello::of(come) else { return Ok(None) };
        self.is_first_hello.set(hello.is_first());
        if accepted && !self.is_verified(come, &hello)? {
            return Ok(None);
        }
        self.receive(|received| received.hello = hello.id().into());
        // SAFETY: the connection, whose call is under way, is beside its buffers. Mbed TLS is
        // fetching a datagram: nothing in the buffer is needed, and it holds what is copied.
        let held = unsafe {
            let held = self.buffers().input.hold(self.ssl, come.len().saturating_add(PREFIX), false);
            if held.is_ok() {
                core::ptr::copy_nonoverlapping(come.as_ptr(), (*self.ssl).in_hdr, come.len());
            }
            held
        };
        let len = come.len();
        if held.is_err() {
            // The next of its datagrams finds it complete.
            self.assembly.set(assembly);
        }
        held.map(|()| Some(len))
    }

    /// A server whose handshake is under way or over, and another ClientHello from the client's
    /// address. One that has a good cookie begins anew when this call is over. "The server MUST NOT
    /// destroy the existing association until the client has demonstrated reachability" (RFC 6347
    /// 4.2.8). Without memory for any of it the hello is lost.
    fn meet_hello(
        &self,
        datagram: &[u8],
        hello: &ClientHello<'_>,
    ) -> core::result::Result<Option<usize>, Interruption> {
        if self.is_verified(datagram, hello)? {
            let begins_anew = |new: &wire::HelloId| {
                self.received.get().hello.get().is_none_or(|made| wire::begins_anew(*new, made))
            };
            let new = hello.id().filter(begins_anew);
            self.receive(|received| received.new_hello = new.into());
            if new.is_some() {
                self.buffers().input.waiting.set(u16::try_from(datagram.len()).unwrap_or(0));
            }
        }
        Ok(None)
    }

    /// Whether the hello of which fragments have come has a good cookie.
    fn holds_good_cookie(&self) -> bool {
        let assembly = self.assembly.take();
        let hello = assembly.as_ref().and_then(|assembly| ClientHello::of(assembly.record()));
        let is_good = hello.is_some_and(|hello| self.has_good_cookie(&hello));
        self.assembly.set(assembly);
        is_good
    }

    /// Whether a ClientHello, or its first fragment, has a good cookie.
    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    fn has_good_cookie(&self, hello: &ClientHello<'_>) -> bool {
        // SAFETY: the configuration outlives the connection; reads the latter, whose call is under way.
        let (cookies, client) = unsafe { ((*self.config).cookies(), client_id(&*self.ssl)) };
        cookies.zip(hello.cookie()).is_some_and(|(cookies, cookie)| cookies.check(cookie, client))
    }

    #[cfg(not(mbedtls_ssl_dtls_hello_verify))]
    fn has_good_cookie(&self, _: &ClientHello<'_>) -> bool {
        false
    }

    /// Whether a ClientHello, which the datagram begins with, has a good cookie. If not, it is
    /// answered with one, and leaves no trace.
    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    fn is_verified(
        &self,
        datagram: &[u8],
        hello: &ClientHello<'_>,
    ) -> core::result::Result<bool, Interruption> {
        if self.has_good_cookie(hello) {
            return Ok(true);
        }
        // SAFETY: as there.
        let (cookies, client) = unsafe { ((*self.config).cookies(), client_id(&*self.ssl)) };
        if let (Some(cookies), Some(_)) = (cookies, hello.cookie())
            && let Ok(cookie) = cookies.write(client)
            && let Some(request) = wire::hello_verify_request(datagram, &cookie)
            && self.host(|host| host.send(&request)) == Err(Interruption::Raised)
        {
            return Err(Interruption::Raised);
        }
        Ok(false)
    }

    /// Without cookies no client begins anew.
    #[cfg(not(mbedtls_ssl_dtls_hello_verify))]
    fn is_verified(&self, _: &[u8], _: &ClientHello<'_>) -> core::result::Result<bool, Interruption> {
        Ok(false)
    }

    /// Takes over the count of bad records, which Mbed TLS is not to see.
    pub(super) fn count_bad_records(&self) {
        if self.datagram {
            // SAFETY: Mbed TLS is calling out, or not running.
            let count = unsafe { take_bad_records(&mut *self.ssl) };
            self.receive(|received| received.bad_records = received.bad_records.saturating_add(count));
        }
    }

    /// Keeps the first exception, and want of memory until there is one: an alert that
    /// does not get out is a consequence. Anything else is overtaken by what comes later.
    pub(super) fn interrupted(&self, why: Interruption) {
        match (self.outcome.get().interruption, why) {
            (Some(Interruption::Raised), _) => {}
            (Some(Interruption::NoMemory), why) if why != Interruption::Raised => {}
            _ => self.note(|outcome| outcome.interruption = Some(why)),
        }
    }
}

/// This is called from: `mbedtls_ssl_read`, `_write`, `_handshake`, `_close_notify`
/// → `mbedtls_ssl_fetch_input`.
pub(super) unsafe extern "C" fn recv(ctx: *mut c_void, _buf: *mut u8, len: usize) -> c_int {
    // SAFETY: ctx is the Call that `Ssl::call` installed for as long as it runs.
    let call = unsafe { &*ctx.cast::<Call<'_>>() };
    if call.transport_raised.get() {
        return sys::MBEDTLS_ERR_SSL_WANT_READ;
    }
    // Nothing comes from a peer that waits for the rest of a flight.
    let ret = call.flush_flight();
    if ret != 0 {
        return ret;
    }
    // Where the bytes go need not be `_buf` any more.
    let result = if call.datagram {
        match call.answering(|| call.recv_datagram()) {
            Ok(Some(n)) => Ok(n),
            Ok(None) => {
                // The caller calls again: Mbed TLS looks at the timer then.
                call.note(|outcome| outcome.interruption = None);
                return sys::MBEDTLS_ERR_SSL_WANT_READ;
            }
            Err(why) => Err(why),
        }
    } else {
        // SAFETY: reads the connection that calls out.
        let over = unsafe { (*call.ssl).state } == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        // SAFETY: as above; what has come last is where Mbed TLS has read it.
        #[cfg(tls13)]
        match unsafe { passed_over(call.ssl, call.buffers().input.size()) } {
            0 => {}
            ret => return ret,
        }
        let come = call.come.get();
        let result = if over || come < MOST {
            call.answering(|| call.recv_stream(len))
        } else {
            Err(Interruption::WouldBlock)
        };
        match result {
            Ok(Some(n)) => {
                call.come.set(come.saturating_add(n));
                Ok(n)
            }
            // Mbed TLS's answer to a record longer than its buffer.
            Ok(None) => return sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA,
            Err(why) => Err(why),
        }
    };
    let result = match result {
        Ok(0) => {
            call.note(|outcome| outcome.end_of_stream = true);
            Ok(0)
        }
        result => result,
    };
    call.transported(result, sys::MBEDTLS_ERR_SSL_WANT_READ)
}

/// This is called from: the same → `mbedtls_ssl_flush_output`.
pub(super) unsafe extern "C" fn send(ctx: *mut c_void, buf: *const u8, len: usize) -> c_int {
    // SAFETY: as in `recv`.
    let call = unsafe { &*ctx.cast::<Call<'_>>() };
    // SAFETY: reads the connection that calls out.
    let ssl = unsafe { &*call.ssl };
    // It looks at no message: the alert is about a record that did not become one.
    let is_spared = call.spares_alert.get() && ssl.in_msglen == 0;
    // Behind close_notify nothing is sent any more (RFC 5246 7.2.1), but what is left of itself.
    let is_behind = call.is_closed.get() && ssl.cur_out_ctr != call.next_record;
    // In TLS 1.3 it does not show that it is one, but nothing else is written then.
    // SAFETY: as above.
    if (is_spared || is_behind) && (call.is_alert_last() || unsafe { is_tls13(ssl) }) {
        return c_int::try_from(len).unwrap_or(c_int::MAX);
    }
    // SAFETY: as below; nobody else refers to the buffer.
    let bytes = unsafe { core::slice::from_raw_parts_mut(buf.cast_mut(), len) };
    call.note_alert(bytes);
    if call.datagram {
        mend_hello_verify_request(bytes, call.is_first_hello.get());
    }
    if call.transport_raised.get() {
        return sys::MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    // SAFETY: Mbed TLS gives what is left in its own output buffer, initialised, `len` bytes long.
    let result = unsafe {
        match record_limit(call.ssl).zip(call.stream()) {
            Some((limit, stream)) => {
                stream.splitting.send(buf.cast_mut(), len, limit, |part| call.send(part))
            }
            None => call.send(core::slice::from_raw_parts(buf, len)),
        }
    };
    // What the host raised, or had no memory for, is not put off for the alert that it ends the handshake
    // with: in TLS 1.3 a call that has to wait for that says so, and the next one no longer knows why.
    if result.is_err() && call.outcome.get().interruption.is_some() && call.is_alert() {
        return c_int::try_from(len).unwrap_or(c_int::MAX);
    }
    call.transported(result, sys::MBEDTLS_ERR_SSL_WANT_WRITE)
}

impl Call<'_> {
    /// Replaces the handshake's own function for the hash, until [`Call::restore_checksum`].
    pub(super) fn replace_checksum(&self, with: Checksum) {
        // SAFETY: the connection whose call this is; nobody else refers to its handshake.
        if let Some(handshake) = unsafe { (*self.ssl).handshake.as_mut() } {
            self.update_checksum.set(handshake.update_checksum.replace(with));
        }
    }

    /// Puts that back, if it is replaced; it.
    pub(super) fn restore_checksum(&self) -> Option<Checksum> {
        let original = self.update_checksum.take()?;
        // SAFETY: as above.
        if let Some(handshake) = unsafe { (*self.ssl).handshake.as_mut() } {
            handshake.update_checksum = Some(original);
        }
        Some(original)
    }

    /// Looks whether these bytes of a record are a fatal alert in the clear: it is the last of what
    /// is sent, and in the buffer it need not stay. Puts the right one there.
    fn note_alert(&self, bytes: &mut [u8]) {
        // SAFETY: reads the connection that calls out.
        let in_clear = self.is_alert_last() && unsafe { (*self.ssl).transform_out.is_null() };
        if let [.., level, alert] = bytes
            && in_clear
            && *level == sys::MBEDTLS_SSL_ALERT_LEVEL_FATAL as u8
        {
            // SAFETY: Mbed TLS has just looked at what it says that of.
            *alert = unsafe { alerts::in_place_of(self.ssl, self.buffers().input.size(), *alert) };
            self.note(|outcome| (outcome.alert, outcome.alerted) = (*alert, true));
        }
    }

    /// Mbed TLS is about to send this alert in a handshake of TLS 1.3.
    #[cfg(tls13)]
    pub(super) fn sends_alert(&self, description: u8) {
        self.note(|outcome| outcome.alert = description);
    }

    /// Whether Mbed TLS has sent a fatal alert in this call, which came to `ret`; and if so, which,
    /// as far as that is known.
    pub(super) fn alert_sent(&self, ret: c_int) -> (bool, u8) {
        let Outcome { alert, alerted, .. } = self.outcome.get();
        #[cfg(tls13)]
        // SAFETY: reads the connection whose call this was.
        unsafe {
            if self.alerts.get() && (*self.ssl).alert_reason == ret && alert == 0 {
                return (true, (*self.ssl).alert_type);
            }
        }
        if self.is_closed.get() {
            return (false, alert);
        }
        // SAFETY: reads the connection whose call this was.
        let (encrypted, over, written) = unsafe {
            let alert = self.is_alert_last();
            #[cfg(tls13)]
            let alert = alert || self.alerts.get();
            let encrypted = alert && !(*self.ssl).transform_out.is_null();
            let written = (*self.ssl).cur_out_ctr != self.next_record;
            (encrypted, (*self.ssl).state == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int, written)
        };
        // Encrypted, it does not show its level. In a handshake Mbed TLS sends no warning, and later
        // a fatal one only for a record that does not authenticate.
        match ret {
            sys::MBEDTLS_ERR_SSL_INVALID_MAC if encrypted && over => {
                (cfg!(mbedtls_ssl_all_alert_messages) && written, alert)
            }
            // It is the Finished (RFC 5246 7.2.2) that was wrong.
            sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE if encrypted && !over && alert == 0 => {
                (true, sys::MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR as u8)
            }
            _ => (alerted || encrypted && !over, alert),
        }
    }

    /// Whether the record written last is an alert. With a Connection ID it does not show (RFC 9146 4):
    /// then it is what is neither data nor a flight.
    fn is_alert_last(&self) -> bool {
        // SAFETY: reads the connection whose call this is.
        unsafe {
            let kind = (*self.ssl).out_msgtype;
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            if kind == sys::MBEDTLS_SSL_MSG_CID as c_int {
                let flight = (*self.ssl)
                    .handshake
                    .as_ref()
                    .is_some_and(|of| u32::from(of.retransmit_state) == sys::MBEDTLS_SSL_RETRANS_SENDING);
                return !flight && !self.writes.get();
            }
            kind == sys::MBEDTLS_SSL_MSG_ALERT as c_int
        }
    }

    /// Whether the record that is being sent is an alert, of a handshake at least.
    fn is_alert(&self) -> bool {
        #[cfg(tls13)]
        // SAFETY: reads the connection whose call this is.
        unsafe {
            if is_tls13(self.ssl) && !(*self.ssl).transform_out.is_null() {
                // Encrypted, it does not show. A record that a read writes is one.
                let over = (*self.ssl).state == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
                let is_of_read = self.reads.get() && (*self.ssl).cur_out_ctr != self.next_record;
                return if over { is_of_read } else { !self.flushes.get() };
            }
        }
        self.is_alert_last()
    }

    /// Sends these bytes, or keeps them with what leaves later of the flight; how many.
    fn send(&self, bytes: &[u8]) -> core::result::Result<usize, Interruption> {
        // A ClientHello is a flight by itself.
        // SAFETY: reads the connection that calls out.
        let collects = unsafe {
            (*self.ssl).state != sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int
                && !self.is_alert()
                && !awaits_hello(self.ssl)
        };
        #[cfg(tls13)]
        // SAFETY: as above.
        if unsafe { is_tls13(self.ssl) } && !self.flushes.get() {
            self.alerts.set(true);
        }
        if let Some(stream) = self.stream().filter(|_| collects)
            && self.answering(|| stream.flight.add(bytes)).is_ok()
        {
            return Ok(bytes.len());
        }
        #[cfg(tls13)]
        if self.is_alert() {
            self.before_alert();
            // In one write: who closes at once with data unread resets the connection (RFC 1122 4.2.2.13),
            // and the peer may not get to a second packet.
            if let Some(stream) = self.stream().filter(|stream| stream.has_changed.get())
                && self.answering(|| stream.flight.add(bytes)).is_ok()
            {
                return self.send_flight().map(|()| bytes.len());
            }
        }
        self.send_flight()?;
        // The error that an alert tells the peer of ends the connection in the same call.
        let now = self.is_last.get() || self.is_alert();
        self.transport(bytes, now)
    }

    /// What is kept of a flight, and to be sent before an alert of TLS 1.3, is made what the peer expects.
    #[cfg(tls13)]
    fn before_alert(&self) {
        let Some(stream) = self.stream() else { return };
        // SAFETY: reads the connection that calls out.
        let (takes_back, owes) = unsafe { (takes_back_hello(self.ssl), owes_change_cipher_spec(self.ssl)) };
        if takes_back {
            stream.flight.clear();
        }
        if owes && !stream.has_changed.replace(true) {
            // Without memory it is left out.
            let _ = self.answering(|| stream.flight.add(&CHANGE_CIPHER_SPEC));
        }
    }

    /// Sends what is kept of a flight.
    fn send_flight(&self) -> core::result::Result<(), Interruption> {
        self.stream().map_or(Ok(()), |stream| stream.flight.send(|bytes| self.transport(bytes, true)))
    }

    /// Whether the beginning of a message's header has come in the clear, and nothing behind it.
    #[cfg(tls13)]
    pub(super) fn is_header_cut(&self) -> bool {
        self.stream().is_some_and(|stream| !stream.cut.get().bytes().is_empty())
    }

    /// What a stream has while its handshake is not over.
    pub(super) fn stream(&self) -> Option<&StreamHandshake> {
        self.buffers().handshake.as_deref()
    }

    /// The same; 0, or what Mbed TLS is to be told.
    fn flush_flight(&self) -> c_int {
        match self.send_flight() {
            Ok(()) => 0,
            Err(why) => self.transported(Err(why), sys::MBEDTLS_ERR_SSL_WANT_WRITE),
        }
    }

    /// As many of these bytes as the transport takes.
    fn transport(&self, bytes: &[u8], now: bool) -> core::result::Result<usize, Interruption> {
        let send = |host: &mut dyn Host| if now { host.send_now(bytes) } else { host.send(bytes) };
        // What a transport in Python does with TLS of its own is its own business.
        match self.answering(|| self.host(send)) {
            // Mbed TLS would take nothing written for everything written.
            Ok(0) => Err(Interruption::WouldBlock),
            result => result,
        }
    }

    /// Runs what answers by itself for memory that it is refused: does something else, or says so.
    pub(super) fn answering<T>(&self, run: impl FnOnce() -> T) -> T {
        let (before, answered) = (refusals(), self.outcome.get().answered);
        let result = run();
        let refused = refusals().wrapping_sub(before);
        self.note(|outcome| outcome.answered = answered.wrapping_add(refused));
        result
    }

    /// Whether the timer has run out, and a flight is to be sent again.
    fn has_run_out(&self) -> bool {
        // SAFETY: asks the timer that was set with the connection.
        unsafe { (*self.ssl).f_get_timer.is_some_and(|get| get((*self.ssl).p_timer) == 2) }
    }

    /// 0, or what the handshake is to answer: nothing has come since an alert in the clear until
    /// the timer ran out, so it is the peer's, who has given up.
    fn look_at_alert(&self) -> c_int {
        let Some([level, _]) = self.received.get().alert.get() else { return 0 };
        if !self.has_run_out() {
            return 0;
        }
        if level == sys::MBEDTLS_SSL_ALERT_LEVEL_FATAL as u8 {
            sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
        } else {
            sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY
        }
    }

    /// What a step of the handshake of a datagram's side came to, begun in `state`: `ret`, or 0
    /// where it is to go on.
    ///
    /// A record that does not authenticate in the place of the Finished is dropped, as any other;
    /// Mbed TLS would end the handshake. Where keys differ (a wrong PSK, say) no other ever
    /// comes: so it ends when this side's flight has been sent again twice.
    pub(super) fn end_step(&self, state: c_int, ret: c_int) -> c_int {
        if !self.datagram {
            return ret;
        }
        // SAFETY: the connection whose call is under way, between steps.
        unsafe {
            let now = (*self.ssl).state;
            if ret == 0 && now != state {
                self.receive(|received| received.alert = None.into());
                if awaits_finished(now) {
                    forget_early(self.ssl);
                }
            }
            if ret == sys::MBEDTLS_ERR_SSL_INVALID_MAC && self.spares_alert.get() {
                self.receive(|received| received.bad_records = received.bad_records.saturating_add(1));
                (*self.ssl).out_msgtype = 0;
                return 0;
            }
        }
        ret
    }

    /// Sends the rest of the message before, and makes room for what the next step of the
    /// handshake may write. 0, or what the handshake is to answer.
    pub(super) fn begin_step(&self) -> c_int {
        if self.datagram {
            match self.look_at_alert() {
                0 => {}
                ret => return ret,
            }
            // SAFETY: the connection whose call this is, between steps.
            unsafe {
                let patient = is_patient(self.ssl);
                self.spares_alert.set(awaits_finished((*self.ssl).state) && patient);
                if !patient && self.has_run_out() {
                    forget_parts(self.ssl);
                }
            }
        }
        // SAFETY: the connection is in the handshake whose call this is; the output is
        // beside it, and nobody else uses it until then. When all is sent, nothing in its
        // buffer is needed.
        let room = unsafe {
            #[cfg(tls13)]
            let is_alert_left = (*self.ssl).send_alert != 0 && (*self.ssl).out_left != 0;
            #[cfg(tls13)]
            self.flushes.set(true);
            let ret = mbedtls_ssl_flush_output(self.ssl);
            #[cfg(tls13)]
            self.flushes.set(false);
            if ret != 0 {
                return ret;
            }
            #[cfg(tls13)]
            if is_alert_left {
                // Mbed TLS would send it again.
                (*self.ssl).send_alert = 0;
                self.alerts.set(true);
                return (*self.ssl).alert_reason;
            }
            if writes_no_more(self.ssl) {
                let ret = self.flush_flight();
                if ret != 0 {
                    return ret;
                }
            }
            let fit = || self.answering(|| self.buffers().output.fit(self.ssl));
            if self.stream().is_none_or(|stream| stream.flight.is_empty()) {
                fit()
            } else if fit().is_ok() {
                return 0;
            } else {
                // The flight's memory may be what is wanted.
                match self.flush_flight() {
                    0 => fit(),
                    ret => return ret,
                }
            }
        };
        if room.is_ok() { 0 } else { self.wants_memory() }
    }

    /// What a step is to answer that wants memory before it begins, which `prepare` takes: 0, or that the
    /// call is to be made again.
    #[cfg(any(tls13, one_cipher))]
    pub(super) fn with_memory(&self, prepare: impl FnOnce() -> c_int) -> c_int {
        if self.answering(prepare) == 0 { 0 } else { self.wants_memory() }
    }

    /// What is to be answered where nothing has happened, and the call can be made again.
    pub(super) fn wants_memory(&self) -> c_int {
        self.interrupted(Interruption::NoMemory);
        sys::MBEDTLS_ERR_SSL_WANT_WRITE
    }

    /// Makes room for what a datagram's side may have to write when it reads, other than in
    /// answer to what comes then; what is half sent is sent first. 0, or what the read is
    /// to answer.
    pub(super) fn begin_read(&self) -> c_int {
        #[cfg(tls13)]
        self.reads.set(true);
        if !self.datagram {
            return 0;
        }
        // It may be the last flight that has to be sent again.
        // SAFETY: reads the connection whose call this is.
        if unsafe { (*self.ssl).handshake.is_null() } { 0 } else { self.begin_step() }
    }

    /// The datagram that has come and has waited for memory.
    fn waiting_datagram<'a>(&self) -> Option<&'a mut [u8]> {
        let waiting = self.buffers().input.waiting.take();
        // SAFETY: it is at the beginning of the buffer, and Mbed TLS does not know of it.
        (waiting != 0).then(|| unsafe { core::slice::from_raw_parts_mut((*self.ssl).in_hdr, waiting.into()) })
    }

    /// Reads the next datagram. `over`: the handshake is.
    fn read_datagram<'a>(&self, over: bool) -> core::result::Result<&'a mut [u8], Interruption> {
        let input = &self.buffers().input;
        let told = self.host(|host| host.datagram_len())?;
        // What came early is put where messages are, behind a header, a Connection ID, an IV.
        // SAFETY: reads the connection whose call is under way.
        let (early, behind) = if over { (0, 0) } else { (unsafe { early(self.ssl) }, PREFIX) };
        let size = |len: usize| len.max(early).saturating_add(behind).clamp(COUNTER + HEADER, WHOLE);
        // SAFETY: Mbed TLS is fetching a datagram: it is done with the one before; until the
        // handshake is over the buffer is not to get smaller than what came early.
        unsafe {
            let expected = match told {
                None if !over => WHOLE,
                None | Some(0) => input.expected.get().into(),
                Some(len) => len,
            };
            let made = input.hold(self.ssl, size(expected), over);
            if told.is_none() && !over && made.is_err() {
                input.hold(self.ssl, size(DATAGRAM.into()), over)?;
            } else {
                made?;
            }
            // The buffer begins at `in_hdr`, and nobody else looks at it before the datagram
            // has come.
            let buf = core::slice::from_raw_parts_mut((*self.ssl).in_hdr, input.size());
            let room = buf.len();
            let n = self.host(|host| host.recv(buf))?;
            if matches!(told, None | Some(0)) {
                // One that fills the buffer may have lost its end.
                let len = u16::try_from(if n >= room { WHOLE } else { n }).unwrap_or(u16::MAX);
                input.expected.set(input.expected.get().max(len));
                if !over && !input.is_whole() && size(n) < input.size() {
                    // Without memory it stays as large as it is.
                    let _ = input.replace(self.ssl, size(n), n);
                }
            }
            Ok(core::slice::from_raw_parts_mut((*self.ssl).in_hdr, n))
        }
    }

    /// Makes room for what Mbed TLS may answer to the datagram of `n` bytes that came when
    /// the handshake was over; otherwise it waits.
    fn answer_datagram(&self, n: usize) -> core::result::Result<(), Interruption> {
        // SAFETY: the connection's, whose call is under way; the output is likewise the call's, and
        // empty, for what was half sent has been sent before anything is read.
        unsafe {
            // Where the handshake's state is kept, `begin_step` has made room.
            if !(*self.ssl).handshake.is_null() || self.buffers().output.take(self.ssl, ALERT).is_ok() {
                return Ok(());
            }
            self.buffers().input.waiting.set(u16::try_from(n).unwrap_or(0));
        }
        Err(Interruption::NoMemory)
    }

    /// Whether a peer that takes no more of this side's flight has said why before it left, which
    /// nobody would read any more: an alert in the clear.
    fn is_told_why(&self, errno: i32) -> bool {
        // SAFETY: reads the connection that calls out.
        let over = unsafe { (*self.ssl).state } >= sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        let gone = matches!(errno.cast_unsigned(), MPSSL_EPIPE | MPSSL_ECONNRESET);
        if over || self.datagram || !gone {
            return false;
        }
        let mut record = [0; HEADER + ALERT];
        if self.host(|host| host.recv_now(&mut record)) == Err(Interruption::Raised) {
            self.interrupted(Interruption::Raised);
        }
        let [kind, _, _, _, len, level, alert] = record;
        let told = [kind, len, level]
            == [sys::MBEDTLS_SSL_MSG_ALERT as u8, 2, sys::MBEDTLS_SSL_ALERT_LEVEL_FATAL as u8];
        if told {
            self.receive(|received| received.alert = Some([level, alert]).into());
        }
        told
    }

    /// Reads up to `len` bytes to where Mbed TLS wants them, or would want them if it knew
    /// of the buffer made here. `None`: it was to refuse the record.
    fn recv_stream(&self, len: usize) -> core::result::Result<Option<usize>, Interruption> {
        let ssl = self.ssl;
        let input = &self.buffers().input;
        // SAFETY: Mbed TLS is fetching input, so `in_left` bytes from `in_hdr` on have come, or
        // `ahead`, and `len` more fit behind them: see this file's header. None raises.
        unsafe {
            loop {
                let (come, mut ahead) = ((*ssl).in_left, usize::from(input.ahead.get()));
                if come == 0 && ahead == 0 && !input.is_whole() {
                    if is_message_cut(&*ssl) {
                        input.grow(ssl, 0, HEADER)?;
                    } else {
                        input.shrink(ssl);
                    }
                }
                let start = (*ssl).in_hdr.offset_from_unsigned((*ssl).in_buf).saturating_add(come);
                if start.saturating_add(len) > input.size() {
                    return Ok(None);
                }
                if come >= HEADER {
                    if ahead > 0 {
                        return Ok(Some(input.tell(len)));
                    }
                    let buf = core::slice::from_raw_parts_mut((*ssl).in_hdr.add(come), len);
                    return self.host(|host| host.recv_rest(buf)).map(Some);
                }
                while ahead < HEADER {
                    let n = self.recv_ahead(ahead, HEADER)?;
                    if n == 0 {
                        return Ok(Some(0));
                    }
                    ahead = input.ahead.get().into();
                }
                let mut header = (*ssl).in_hdr.cast::<[u8; HEADER]>().read();
                let [content_type, _, _, high, low] = header;
                let announced_len = u16::from_be_bytes([high, low]).into();
                if is_tls13(ssl)
                    && !(*ssl).transform_in.is_null()
                    && alerts::for_header(ssl, content_type, announced_len).is_some()
                {
                    return Ok(None);
                }
                // "TLS servers MUST accept any value {03,XX} as the record layer version number for
                // ClientHello" (RFC 5246 E.1).
                if let [_, 3, minor @ 4..=u8::MAX, ..] = &mut header
                    && awaits_hello(ssl)
                    && (*self.config).is_server()
                {
                    *minor = 3;
                    (*ssl).in_hdr.cast::<[u8; HEADER]>().write(header);
                }
                if let Some(record) = announced(header, highest_version(&*ssl)) {
                    if !input.is_whole() {
                        let cut = self.stream().map_or(0, |stream| stream.cut.get().bytes().len());
                        input.grow(ssl, HEADER, record.saturating_add(cut))?;
                        // Mbed TLS may answer the record.
                        self.buffers().output.take(ssl, ALERT).map_err(|_| Interruption::NoMemory)?;
                    }
                    match self.join(header, record)? {
                        Joined::Record => {}
                        Joined::Nothing => continue,
                        Joined::TooLong => return Ok(None),
                        Joined::End => return Ok(Some(0)),
                    }
                }
                return Ok(Some(input.tell(len)));
            }
        }
    }

    /// Reads what is behind the first `come` bytes of a record that is to have `len`, none of which
    /// Mbed TLS knows of; how many bytes it was.
    ///
    /// # Safety
    ///
    /// They fit into the buffer; Mbed TLS is fetching a header.
    unsafe fn recv_ahead(&self, come: usize, len: usize) -> core::result::Result<usize, Interruption> {
        let input = &self.buffers().input;
        // SAFETY: by this function's contract.
        let buf = unsafe {
            core::slice::from_raw_parts_mut((*self.ssl).in_hdr.add(come), len.saturating_sub(come))
        };
        let n = self.host(|host| host.recv(buf))?;
        input.ahead.set(input.ahead.get().saturating_add(u16::try_from(n).unwrap_or(u16::MAX)));
        Ok(n)
    }

    /// Makes the header of a handshake message whole that a record's border cuts: "a single message
    /// MAY be fragmented across several records" (RFC 5246 6.2.1). A record of the handshake in the
    /// clear is read as a whole before Mbed TLS is told of it; what is cut off at its end goes
    /// before the next one.
    ///
    /// # Safety
    ///
    /// Mbed TLS is fetching a header, which has come; there is room for a record of `record` bytes
    /// and what was cut off the last one, if Mbed TLS takes one of that length.
    unsafe fn join(&self, header: [u8; HEADER], record: usize) -> core::result::Result<Joined, Interruption> {
        let (ssl, input) = (self.ssl, &self.buffers().input);
        let Some(stream) = self.stream() else { return Ok(Joined::Record) };
        let before = stream.cut.get();
        let kept = before.bytes();
        let [content_type, a, b, ..] = header;
        let is = |of: u32| u32::from(content_type) == of;
        // SAFETY: by this function's contract.
        unsafe {
            let joins = is(sys::MBEDTLS_SSL_MSG_HANDSHAKE);
            let breaks = !kept.is_empty() && !is(sys::MBEDTLS_SSL_MSG_ALERT);
            if !(*ssl).transform_in.is_null() || !(joins || breaks) {
                return Ok(Joined::Record);
            }
            let content = (*ssl).in_hdr.add(HEADER);
            // This many bytes of the handshake are there.
            let announce = |len: usize| {
                let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
                let handshake = sys::MBEDTLS_SSL_MSG_HANDSHAKE as u8;
                (*ssl).in_hdr.cast::<[u8; HEADER]>().write([handshake, a, b, high, low]);
                input.ahead.set(u16::try_from(len.saturating_add(HEADER)).unwrap_or(u16::MAX));
            };
            if !joins {
                // Mbed TLS refuses what is no header by itself.
                core::ptr::copy_nonoverlapping(kept.as_ptr(), content, kept.len());
                announce(kept.len());
                return Ok(Joined::Record);
            }
            let len = record.saturating_sub(HEADER).saturating_add(kept.len());
            let start = content.offset_from_unsigned((*ssl).in_buf);
            if len > sys::MBEDTLS_SSL_IN_CONTENT_LEN as usize || start.saturating_add(len) > input.size() {
                return Ok(Joined::TooLong);
            }
            // What was kept goes in front when all has come.
            loop {
                let ahead = usize::from(input.ahead.get());
                if ahead >= record {
                    break;
                }
                if self.recv_ahead(ahead, record)? == 0 {
                    return Ok(Joined::End);
                }
            }
            core::ptr::copy(content, content.add(kept.len()), record.saturating_sub(HEADER));
            core::ptr::copy_nonoverlapping(kept.as_ptr(), content, kept.len());
            let cut = CutHeader::of(core::slice::from_raw_parts(content, len), message_rest(&*ssl));
            stream.cut.set(cut);
            let len = len.saturating_sub(cut.bytes().len());
            if len == 0 {
                input.ahead.set(0);
                return Ok(Joined::Nothing);
            }
            announce(len);
            Ok(Joined::Record)
        }
    }
}
