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

use super::super::crt;
use super::super::sys;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use super::super::{config::Config, psk::Seen};
use super::layout::{COUNTER, HEADER, highest_version, is_message_cut, take_bad_records};
use super::records::{ALERT, Buffers, DATAGRAM, PREFIX, WHOLE, WHOLE_OUT, announced, early};
use crate::io::{Host, Interruption, Signer};
use crate::wire;

unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h), and linkable. Does not raise.
    pub(super) fn mbedtls_ssl_flush_output(ssl: *mut sys::mbedtls_ssl_context) -> c_int;
}

/// What is kept of datagrams that came.
#[derive(Clone, Copy, Default)]
pub(super) struct Received {
    pub(super) bad_records: u32,
    /// The end of the random number of the hello that made this connection.
    pub(super) hello: Option<wire::HelloRandom>,
    /// That of a hello which came since, and may be a client's that begins anew.
    pub(super) new_hello: Option<wire::HelloRandom>,
}

#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
type UpdateChecksum = Option<unsafe extern "C" fn(*mut sys::mbedtls_ssl_context, *const u8, usize) -> c_int>;

/// What one call on a connection may call out to, and what came of it. It lives
/// for that call, on the stack.
pub struct Call<'host> {
    host: UnsafeCell<&'host mut dyn Host>,
    datagram: bool,
    /// The connection; its fields are touched only while Mbed TLS calls out.
    ssl: *mut sys::mbedtls_ssl_context,
    /// Beside the connection.
    buffers: *const Buffers,
    pub(super) received: Cell<Received>,
    pub(super) checks_hostname: bool,
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) config: *const Config,
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) psk: *mut Seen,
    /// The handshake's own function while it is replaced.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) update_checksum: Cell<UpdateChecksum>,
    /// The transport raised: it is not asked again in this call.
    transport_raised: Cell<bool>,
    pub(super) outcome: Cell<Outcome>,
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
    /// Whether memory was refused on the way, whatever Mbed TLS made of it.
    pub refused: bool,
    /// Which fatal alert the peer sent (RFC 5246 7.2.2), where `ret` says that it did.
    pub alert: u8,
}

impl Outcome {
    pub(super) const NOTHING: Self =
        Self { ret: 0, interruption: None, verdict: 0, end_of_stream: false, refused: false, alert: 0 };
}

impl Signer for Call<'_> {
    fn sign(
        &mut self,
        key: &[u8],
        hash: &[u8],
        signature: &mut [u8],
    ) -> core::result::Result<Option<usize>, Interruption> {
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
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)] (config, psk): (*const Config, *mut Seen),
    ) -> Self {
        Self {
            host: UnsafeCell::new(host),
            datagram: datagrams.is_some(),
            ssl,
            buffers,
            received: Cell::new(datagrams.unwrap_or_default()),
            checks_hostname: true,
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            config,
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            psk,
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            update_checksum: Cell::new(None),
            transport_raised: Cell::new(false),
            outcome: Cell::new(Outcome::NOTHING),
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

    fn buffers(&self) -> &Buffers {
        // SAFETY: beside the connection, of which this is the call; changed by way of shared
        // references only.
        unsafe { &*self.buffers }
    }

    fn note(&self, change: impl FnOnce(&mut Outcome)) {
        let mut outcome = self.outcome.get();
        change(&mut outcome);
        self.outcome.set(outcome);
    }

    fn transported(&self, result: core::result::Result<usize, Interruption>, want: c_int) -> c_int {
        match result {
            Ok(n) => c_int::try_from(n).unwrap_or(c_int::MAX),
            Err(why) => {
                self.transport_raised.set(why == Interruption::Raised);
                self.interrupted(why);
                // Whatever stopped the transport, the connection is not to
                // blame: it goes on where it stopped when called again.
                want
            }
        }
    }

    /// One datagram, of which Mbed TLS gets what it can stand:
    ///
    /// - whole records only. It takes up to 12 bytes behind the last one for an
    ///   internal error, and anybody can send them;
    /// - as the first thing that a server gets, a ClientHello: it fails for
    ///   anything else;
    /// - not the hello once more that made the connection, doubled or replayed: it
    ///   has a good cookie, so a connection that is open would begin anew.
    ///
    /// `None`: it gets nothing of this one.
    fn recv_datagram(&self) -> core::result::Result<Option<usize>, Interruption> {
        self.count_bad_records();
        // SAFETY: reads fields of the connection whose call is under way.
        let (server, state, cid) = unsafe {
            let ssl = &*self.ssl;
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            let cid = usize::from(ssl.own_cid_len);
            #[cfg(not(mbedtls_ssl_dtls_connection_id))]
            let cid = 0;
            ((*ssl.conf).endpoint == sys::MBEDTLS_SSL_IS_SERVER as u8, ssl.state, cid)
        };
        let over = state >= sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        let datagram = match self.waiting_datagram() {
            Some(datagram) => datagram,
            None => self.read_datagram(over)?,
        };
        if datagram.is_empty() {
            // It ends nothing, and is no record.
            return Err(Interruption::WouldBlock);
        }
        let n = datagram.len();
        let records = wire::records(datagram, cid);
        let hello = wire::client_hello_random(datagram.get(..records.len).unwrap_or_default());
        if server && !over && state <= sys::MBEDTLS_SSL_CLIENT_HELLO as c_int {
            if hello.is_none() {
                return Ok(None);
            }
            self.received.set(Received { hello, ..self.received.get() });
        } else if server && over && hello.is_some() {
            if hello == self.received.get().hello {
                return Ok(None);
            }
            self.received.set(Received { new_hello: hello, ..self.received.get() });
        }
        if records.len == 0 {
            return Ok(None);
        }
        let anew = server && records.may_begin_anew;
        self.buffers().input.hello.set(anew);
        if over && anew {
            // Nobody's, or one that is sent again.
            return Ok(self.prepare_answer(true).then_some(records.len));
        }
        if over {
            self.answer_datagram(n)?;
        }
        Ok(Some(records.len))
    }

    /// Takes over the count of bad records, which Mbed TLS is not to see.
    pub(super) fn count_bad_records(&self) {
        if self.datagram {
            // SAFETY: Mbed TLS is calling out, or not running.
            let count = unsafe { take_bad_records(&mut *self.ssl) };
            let received = self.received.get();
            let bad_records = received.bad_records.saturating_add(count);
            self.received.set(Received { bad_records, ..received });
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
    // Where the bytes go need not be `_buf` any more.
    let result = if call.datagram {
        match call.recv_datagram() {
            Ok(Some(n)) => Ok(n),
            Ok(None) => {
                // The caller calls again: Mbed TLS looks at the timer then.
                call.note(|outcome| outcome.interruption = None);
                return sys::MBEDTLS_ERR_SSL_WANT_READ;
            }
            Err(why) => Err(why),
        }
    } else {
        match call.recv_stream(len) {
            Ok(Some(n)) => Ok(n),
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
    if call.transport_raised.get() {
        return sys::MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    // SAFETY: Mbed TLS gives its own output buffer, initialised, `len` bytes long.
    let buf = unsafe { core::slice::from_raw_parts(buf, len) };
    let result = match call.host(|host| host.send(buf)) {
        // Mbed TLS would take nothing written for everything written.
        Ok(0) => Err(Interruption::WouldBlock),
        result => result,
    };
    call.transported(result, sys::MBEDTLS_ERR_SSL_WANT_WRITE)
}

/// This is called from: `mbedtls_ssl_handshake` → `mbedtls_ssl_parse_certificate`
/// → `mbedtls_x509_crt_verify_restartable`.
pub(super) unsafe extern "C" fn verify(
    ctx: *mut c_void,
    cert: *mut sys::mbedtls_x509_crt,
    depth: c_int,
    flags: *mut u32,
) -> c_int {
    // SAFETY: as in `recv`.
    let call = unsafe { &*ctx.cast::<Call<'_>>() };
    if !call.checks_hostname {
        // SAFETY: Mbed TLS gives what it has found of this certificate, to be changed.
        unsafe { *flags &= !sys::MBEDTLS_X509_BADCERT_CN_MISMATCH };
    }
    // SAFETY: Mbed TLS gives a parsed certificate that lives longer than this call.
    let der = unsafe { crt::der(&*cert) };
    match call.host(|host| host.verify(der, depth)) {
        Ok(0) => return 0,
        Ok(verdict) => call.note(|outcome| outcome.verdict = verdict),
        Err(why) => call.interrupted(why),
    }
    sys::MBEDTLS_ERR_X509_FATAL_ERROR
}

impl Call<'_> {
    /// Sends the rest of the message before, and makes room for what the next step of the
    /// handshake may write. 0, or what the handshake is to answer.
    pub(super) fn begin_step(&self) -> c_int {
        // SAFETY: the connection is in the handshake whose call this is, and beside its output.
        // When all is sent, nothing in its buffer is needed.
        let room = unsafe {
            match mbedtls_ssl_flush_output(self.ssl) {
                0 => self.buffers().output.fit(self.ssl),
                ret => return ret,
            }
        };
        if room.is_ok() {
            return 0;
        }
        self.interrupted(Interruption::NoMemory);
        sys::MBEDTLS_ERR_SSL_WANT_WRITE
    }

    /// Makes room for what a datagram's side may have to write when it reads, other than in
    /// answer to what comes then; what is half sent is sent first. 0, or what the read is
    /// to answer.
    pub(super) fn begin_read(&self) -> c_int {
        if !self.datagram {
            return 0;
        }
        // SAFETY: reads the connection whose call this is, and what is beside it.
        let (last_flight, rest) = unsafe {
            let over = (*self.ssl).state >= sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
            let unread = sys::mbedtls_ssl_get_bytes_avail(self.ssl) > 0;
            let rest = over && !unread && sys::mbedtls_ssl_check_pending(self.ssl) != 0;
            (!(*self.ssl).handshake.is_null(), rest && self.buffers().input.hello.get())
        };
        // It may be the last flight that has to be sent again.
        let ret = if last_flight { self.begin_step() } else { 0 };
        // Or there is a hello in the rest of a datagram: see `prepare_answer`.
        if ret == 0 && rest && !self.prepare_answer(true) {
            self.interrupted(Interruption::NoMemory);
            return sys::MBEDTLS_ERR_SSL_WANT_WRITE;
        }
        ret
    }

    /// The datagram that has come and has waited for memory.
    fn waiting_datagram<'a>(&self) -> Option<&'a [u8]> {
        let waiting = self.buffers().input.waiting.take();
        // SAFETY: it is at the beginning of the buffer, and Mbed TLS does not know of it.
        (waiting != 0).then(|| unsafe { core::slice::from_raw_parts((*self.ssl).in_hdr, waiting.into()) })
    }

    /// Reads the next datagram. `over`: the handshake is.
    fn read_datagram<'a>(&self, over: bool) -> core::result::Result<&'a [u8], Interruption> {
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
            Ok(core::slice::from_raw_parts((*self.ssl).in_hdr, n))
        }
    }

    /// Makes room for what Mbed TLS may answer to the datagram of `n` bytes that came when
    /// the handshake was over; otherwise it waits.
    fn answer_datagram(&self, n: usize) -> core::result::Result<(), Interruption> {
        if self.prepare_answer(false) {
            return Ok(());
        }
        self.buffers().input.waiting.set(u16::try_from(n).unwrap_or(0));
        Err(Interruption::NoMemory)
    }

    /// Makes room for what Mbed TLS may answer to a datagram when the handshake is over;
    /// whether there was memory for it. `anew`: it may begin the handshake anew, for which
    /// it takes it that the output buffer is whole.
    fn prepare_answer(&self, anew: bool) -> bool {
        let output = &self.buffers().output;
        // SAFETY: the connection, whose call is under way, is beside its output, which is empty: what
        // was half sent has been sent before anything is read, or is here.
        unsafe {
            if output.is_whole() {
                return true;
            }
            if anew {
                return mbedtls_ssl_flush_output(self.ssl) == 0
                    && output.replace(self.ssl, WHOLE_OUT, WHOLE_OUT).is_ok();
            }
            // Otherwise `begin_step` has made room.
            !(*self.ssl).handshake.is_null() || output.take(self.ssl, ALERT).is_ok()
        }
    }

    /// Reads up to `len` bytes to where Mbed TLS wants them, or would want them if it knew
    /// of the buffer made here. `None`: it was to refuse the record.
    fn recv_stream(&self, len: usize) -> core::result::Result<Option<usize>, Interruption> {
        let ssl = self.ssl;
        let input = &self.buffers().input;
        // SAFETY: Mbed TLS is fetching input, so `in_left` bytes from `in_hdr` on have come,
        // and `len` more fit behind them: see this file's header. None raises.
        unsafe {
            let come = (*ssl).in_left;
            if come == 0 && input.held.get() == 0 && !input.is_whole() {
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
            let n = match usize::from(input.held.get()) {
                0 => {
                    let buf = core::slice::from_raw_parts_mut((*ssl).in_hdr.add(come), len);
                    self.host(|host| host.recv(buf))?
                }
                held => held,
            };
            if come < HEADER && come.saturating_add(n) == HEADER && !input.is_whole() {
                let header = (*ssl).in_hdr.cast::<[u8; HEADER]>().read();
                if let Some(len) = announced(header, highest_version(&*ssl)) {
                    input.held.set(n as u8);
                    input.grow(ssl, HEADER, len)?;
                    // Mbed TLS may answer the record.
                    self.buffers().output.take(ssl, ALERT).map_err(|_| Interruption::NoMemory)?;
                }
                input.held.set(0);
            }
            Ok(Some(n))
        }
    }
}
