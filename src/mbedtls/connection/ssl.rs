// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection that is awake: Mbed TLS's state of it, and what is asked of that.

use core::cell::{Cell, UnsafeCell};
#[cfg(any(exported_keys, feature = "keylog"))]
use core::ffi::c_void;
use core::ffi::{CStr, c_char, c_int};
use core::marker::PhantomPinned;
use core::ptr::NonNull;

use super::super::config::{Config, Transport};
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use super::super::crt;
#[cfg(mbedtls_ssl_srv_c)]
use super::super::default_ciphers::is_tls13_suite;
#[cfg(sessions)]
use super::super::digest::Binding;
use super::super::error::check;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use super::super::error::verify_text;
use super::super::names::{self, ADDRESS_MAX, Cipher, static_str};
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use super::super::psk::Seen;
#[cfg(sessions)]
use super::super::secret::Part;
#[cfg(sessions)]
use super::super::session::Session;
#[cfg(sessions)]
use super::super::session_cache::SessionCache;
#[cfg(bundles)]
use super::super::store::Caller;
use super::super::sys;
use super::alerts;
#[cfg(mbedtls_ssl_dtls_hello_verify)]
use super::call::client_id;
use super::call::{Call, Outcome, Received, mbedtls_ssl_flush_output, newest_record, recv, send};
#[cfg(mbedtls_ssl_cli_c)]
use super::client_auth;
#[cfg(exported_keys)]
use super::exported_keys::Keys;
#[cfg(tickets)]
use super::flight::Shown;
use super::flight::StreamHandshake;
use super::hello::with_own_hello;
#[cfg(tls13)]
use super::in_place::step_in_place;
#[cfg(feature = "keylog")]
use super::key_log;
#[cfg(one_cipher)]
use super::layout::is_client;
use super::layout::{is_tls13, max_payload, reset_out_pointers};
#[cfg(mbedtls_ssl_srv_c)]
use super::messages::each;
#[cfg(one_cipher)]
use super::one_cipher;
use super::peer_messages::step_with_checks;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use super::problems::Said;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use super::psk;
#[cfg(mbedtls_ssl_proto_dtls)]
use super::records::DATAGRAM_OUT;
use super::records::{ALERT, Buffers, DATA, ON_DEMAND, PREFIX};
#[cfg(resumption)]
use super::resumed;
#[cfg(sessions)]
use super::resumption::{Kept, Peer, Resumption};
use super::retransmission::{CallTimer, get_timer, set_timer};
use super::signing;
use super::spent;
#[cfg(tickets)]
use super::tickets::with_tickets;
#[cfg(tls13)]
use super::tls13::{self, KEY_UPDATE, Secrets};
#[cfg(tls13)]
use super::tls13_messages;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use super::unreadable::step_with_certificates;
use super::verification::verify;
use crate::error::{Error, Result};
use crate::io::{Host, Interruption};
use crate::mem::{Array, Box, Shared};
use crate::micropython_sys::{mpglue_free, refusals};
use crate::timer::Timer;
use crate::wire::Assembly;

/// An `mbedtls_ssl_context`, its configuration and its timer. It does not move
/// once set up: Mbed TLS's pointers, into `buffers` and `keys` among others, stay valid beside
/// a `&mut` of this, as of whatever is pinned.
pub struct Ssl {
    pub(super) ctx: UnsafeCell<sys::mbedtls_ssl_context>,
    /// What only datagrams have.
    datagrams: Option<Box<Datagrams>>,
    buffers: Buffers,
    pub(super) agreed: Agreed,
    /// The peer's certificate as DER, once the handshake is over.
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub(super) peer_cert: Option<Array<u8>>,
    /// What is wrong with the peer's certificates, where that has ended the handshake.
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    problems: Option<Box<Said>>,
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) psk: Seen,
    pub(super) config: Shared<Config>,
    /// The name to find in the server's certificate, with a NUL, where it is not the one to ask for;
    /// until the handshake is over.
    #[cfg(mbedtls_ssl_cli_c)]
    asserted: Option<Box<Array<u8>>>,
    pub(super) interrupted: Interrupted,
    /// Which of a server's suites the client has: bit i for the i-th.
    #[cfg(mbedtls_ssl_srv_c)]
    shared_suites: u64,
    #[cfg(exported_keys)]
    pub(super) keys: Keys,
    /// Of TLS 1.3, once the handshake is over.
    #[cfg(tls13)]
    pub(super) secrets: Option<Box<Secrets>>,
    /// Of a client that keeps its session, or offers one.
    #[cfg(sessions)]
    pub(super) resumption: Option<Box<Resumption>>,
    /// An earlier session goes on; known when the handshake is over.
    #[cfg(resumption)]
    pub(super) resumed: bool,
    /// Tickets may stand for the client of this server later.
    #[cfg(tickets)]
    pub issues: bool,
    _pinned: PhantomPinned,
}

/// Mbed TLS has a pointer into it: nobody makes a `&mut` of it.
struct Datagrams {
    timer: CallTimer,
    /// What came of them so far.
    received: Cell<Received>,
    /// A ClientHello of which a part has come.
    assembly: Cell<Option<Box<Assembly>>>,
    /// Who the client was that has begun anew.
    client: Cell<Option<Array<u8>>>,
}

/// What is kept of the session once the handshake is over.
#[derive(Clone, Copy, Default)]
pub(super) struct Agreed {
    /// 0: there is no handshake that is over.
    pub(super) suite: c_int,
    pub(super) verify_result: u32,
}

/// By what a write that was interrupted is known again, while the connection is awake.
#[derive(Clone, Copy, Default)]
pub struct Interrupted {
    /// A checksum of the bytes in the record half sent.
    pub in_flight_sum: u32,
    /// How many bytes the write took before those.
    pub taken: u32,
    /// A checksum of these.
    pub taken_sum: u32,
}

impl Ssl {
    /// A connection to be, still to be [set up](Self::setup) where it will stay.
    #[must_use]
    pub fn new(config: Shared<Config>) -> Self {
        Self {
            // SAFETY: zeroed is what mbedtls_ssl_init makes of it.
            ctx: unsafe { UnsafeCell::new(core::mem::zeroed()) },
            datagrams: None,
            buffers: Buffers::new(),
            agreed: Agreed::default(),
            #[cfg(mbedtls_ssl_keep_peer_certificate)]
            peer_cert: None,
            #[cfg(mbedtls_ssl_keep_peer_certificate)]
            problems: None,
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            psk: Seen::default(),
            config,
            #[cfg(mbedtls_ssl_cli_c)]
            asserted: None,
            interrupted: Interrupted::default(),
            #[cfg(mbedtls_ssl_srv_c)]
            shared_suites: 0,
            #[cfg(exported_keys)]
            keys: Keys::new(),
            #[cfg(tls13)]
            secrets: None,
            #[cfg(sessions)]
            resumption: None,
            #[cfg(resumption)]
            resumed: false,
            #[cfg(tickets)]
            issues: false,
            _pinned: PhantomPinned,
        }
    }

    /// Makes the record buffers and the handshake's state.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn setup(&mut self, transport: Transport) -> Result<()> {
        let ctx = self.ctx.get();
        // SAFETY: zeroes the object; does not raise.
        unsafe { sys::mbedtls_ssl_init(ctx) };
        #[cfg(tls13)]
        tls13::check_linked();
        match transport {
            Transport::Datagram => self.make_datagrams(Received::default())?,
            Transport::Stream => self.buffers.handshake = Some(Box::new(StreamHandshake::new)?),
        }
        #[cfg(any(exported_keys, feature = "keylog"))]
        self.export_secrets();
        // SAFETY: the object is initialised; the connection keeps its configuration.
        unsafe { self.buffers.begin(ctx, self.config.as_ptr())? };
        #[cfg(mbedtls_ssl_proto_dtls)]
        if let Some(longest) = DATAGRAM_OUT.filter(|_| transport == Transport::Datagram) {
            self.set_mtu(longest);
        }
        Ok(())
    }

    /// Has its handshakes tell their secrets; the connection is initialised.
    #[cfg(any(exported_keys, feature = "keylog"))]
    pub(super) fn export_secrets(&mut self) {
        let this = &raw mut *self;
        // SAFETY: sets fields; does not raise.
        unsafe { sys::mbedtls_ssl_set_export_keys_cb(self.ctx.get(), Some(export), this.cast()) };
    }

    /// What only datagrams have; the connection is initialised.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub(super) fn make_datagrams(&mut self, received: Received) -> Result<()> {
        let datagrams = Box::new(|| Datagrams {
            timer: CallTimer { timer: Cell::new(Timer::default()), call: Cell::new(core::ptr::null()) },
            received: Cell::new(received),
            assembly: Cell::new(None),
            client: Cell::new(None),
        })?;
        let timer = (&raw const datagrams.timer).cast_mut().cast();
        self.datagrams = Some(datagrams);
        // SAFETY: the timer lives as long as the connection; does not raise.
        unsafe { sys::mbedtls_ssl_set_timer_cb(self.ctx.get(), timer, Some(set_timer), Some(get_timer)) };
        Ok(())
    }

    /// Makes room for a client's first message, so that it gets out when no memory can be had
    /// any more (`micropython.heap_lock`). After all that is set.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn prepare(&mut self) -> Result<()> {
        if !ON_DEMAND || self.config.is_server() {
            return Ok(());
        }
        // SAFETY: the connection is beside its buffers, set up, and has written nothing.
        unsafe { self.buffers.output.fit(self.ctx.get()) }
    }

    /// The name to ask for (SNI) and to find in the server's certificate; `None` where neither
    /// is wanted. An address is only to be found (RFC 6066 3): see [`Self::handshake`]. Its
    /// brackets and its zone (RFC 4007) are no part of it.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] for a name that is too long.
    pub fn set_hostname(&mut self, hostname: Option<&CStr>) -> Result<()> {
        let mut address = [0; ADDRESS_MAX + 1];
        let hostname = hostname.map(|name| names::to_find(name, &mut address));
        let hostname = hostname.map_or(core::ptr::null(), CStr::as_ptr);
        // SAFETY: Mbed TLS copies the string; does not raise.
        check(unsafe { sys::mbedtls_ssl_set_hostname(self.ctx.get(), hostname.cast::<c_char>()) })
    }

    /// The name to find in the server's certificate in place of the one to ask for.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    #[cfg(mbedtls_ssl_cli_c)]
    pub fn assert_hostname(&mut self, name: &CStr) -> Result<()> {
        let mut address = [0; ADDRESS_MAX + 1];
        let name = Array::copy_of(names::to_find(name, &mut address).to_bytes_with_nul())?;
        self.asserted = Some(Box::new(|| name)?);
        Ok(())
    }

    /// The name to find in the server's certificate; `None`: any will do.
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub(super) fn name_to_find(&self) -> Option<&CStr> {
        #[cfg(mbedtls_ssl_cli_c)]
        if let Some(name) = &self.asserted {
            return CStr::from_bytes_with_nul(name).ok();
        }
        // SAFETY: the connection that this owns; its host name is NULL or ends with a NUL.
        unsafe {
            let name = (*self.ctx.get()).hostname;
            if name.is_null() { None } else { Some(CStr::from_ptr(name.cast())) }
        }
    }

    /// Keeps what it has of sessions, for connections with the same settings; `port`: in the
    /// configuration's cache as well, as of this port of the server's; 0: it is not known.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    #[cfg(sessions)]
    pub fn keep_sessions(&mut self, binding: Binding, port: Option<u16>) -> Result<()> {
        self.resumption = Some(Box::new(|| Resumption::new(binding, port))?);
        Ok(())
    }

    /// Whether it has a session that the cache has not; once for each.
    #[cfg(sessions)]
    pub fn has_new_session(&mut self) -> bool {
        self.resumption.as_mut().is_some_and(|of| core::mem::take(&mut of.is_new))
    }

    /// Where its sessions are kept beside, if anywhere.
    #[cfg(sessions)]
    #[must_use]
    pub fn session_cache(&self) -> Option<&SessionCache> {
        self.resumption.as_ref().filter(|of| of.port.is_some()).and_then(|_| self.config.session_cache())
    }

    /// Offers an earlier session of these settings to the server, which may take it, or not; with the
    /// certificate that was verified then. After all that is set.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    #[cfg(sessions)]
    pub fn offer(&mut self, session: &Session, peer: Peer, cert: Option<Part>) -> Result<()> {
        let Some(resumption) = &mut self.resumption else { return Ok(()) };
        let cert = cert.filter(|_| self.config.keeps_peer_cert());
        // SAFETY: the connection is set up, and has not begun.
        unsafe { resumption.offer(self.ctx.get(), session, peer, cert) }
    }

    /// Offers none, as before [`Self::offer`].
    #[cfg(sessions)]
    pub fn withdraw(&mut self) {
        let ctx = self.ctx.get();
        if let Some(resumption) = &mut self.resumption {
            // SAFETY: the connection is set up, and has not begun.
            unsafe { resumption.withdraw(ctx) };
        }
    }

    /// The settings that its sessions belong to, if it keeps any.
    #[cfg(sessions)]
    #[must_use]
    pub fn binding(&self) -> Option<Binding> {
        self.resumption.as_ref().map(|resumption| resumption.binding())
    }

    /// What is kept of its session for the next connection; `None`: there is nothing yet, or the context
    /// keeps nothing.
    #[cfg(sessions)]
    #[must_use]
    pub fn kept(&self) -> Option<Kept<'_>> {
        self.resumption.as_ref().and_then(|resumption| resumption.kept())
    }

    /// Who the client is, for its cookie.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    pub fn set_client_id(&mut self, id: &[u8]) -> Result<()> {
        // SAFETY: Mbed TLS copies the bytes; does not raise.
        check(unsafe { sys::mbedtls_ssl_set_client_transport_id(self.ctx.get(), id.as_ptr(), id.len()) })
    }

    /// The largest datagram to send while the handshake lasts, in bytes.
    #[cfg(mbedtls_ssl_proto_dtls)]
    pub fn set_mtu(&mut self, mtu: u16) {
        // SAFETY: sets a field; does not raise.
        unsafe { sys::mbedtls_ssl_set_mtu(self.ctx.get(), mtu) };
    }

    /// Offers Connection IDs, and this one for the peer to call this side by.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Tls`] for one of another length than configured.
    #[cfg(mbedtls_ssl_dtls_connection_id)]
    pub fn set_cid(&mut self, cid: &[u8]) -> Result<()> {
        // SAFETY: Mbed TLS copies the bytes; does not raise.
        check(unsafe {
            sys::mbedtls_ssl_set_cid(
                self.ctx.get(),
                sys::MBEDTLS_SSL_CID_ENABLED as c_int,
                cid.as_ptr(),
                cid.len(),
            )
        })
    }

    /// The Connection ID by which the peer calls this side; empty if it does not.
    #[must_use]
    pub fn own_cid(&self) -> &[u8] {
        #[cfg(mbedtls_ssl_dtls_connection_id)]
        {
            // SAFETY: reads fields of the connection that this owns.
            let ctx = unsafe { &*self.ctx.get() };
            ctx.own_cid.get(..usize::from(ctx.own_cid_len)).unwrap_or_default()
        }
        #[cfg(not(mbedtls_ssl_dtls_connection_id))]
        &[]
    }

    /// Writes the Connection ID that the peer wants to be called by to `cid`, and
    /// returns its length; `None` if Connection IDs were not agreed on.
    #[must_use]
    pub fn peer_cid(&self, cid: &mut [u8; names::CID_MAX]) -> Option<usize> {
        #[cfg(mbedtls_ssl_dtls_connection_id)]
        {
            let (mut enabled, mut len) = (0, 0);
            // SAFETY: the array holds the longest ID Mbed TLS is built for; does not raise.
            let ret = unsafe {
                sys::mbedtls_ssl_get_peer_cid(
                    self.ctx.get(),
                    &raw mut enabled,
                    cid.as_mut_ptr(),
                    &raw mut len,
                )
            };
            (ret == 0 && enabled == sys::MBEDTLS_SSL_CID_ENABLED as c_int).then_some(len)
        }
        #[cfg(not(mbedtls_ssl_dtls_connection_id))]
        {
            let _ = cid;
            None
        }
    }

    /// Datagrams' records dropped because they did not authenticate.
    #[must_use]
    pub fn bad_records(&self) -> u32 {
        self.received().bad_records
    }

    /// The connection in the place of this one, whose client has begun anew: nothing that is known
    /// of it holds any more. It has the client's hello.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]: the hello is lost then, and this one goes on.
    pub(super) fn anew(&mut self) -> Result<Box<Self>> {
        let old = self.ctx.get();
        let received = self.received();
        if let Some(datagrams) = &self.datagrams {
            datagrams.received.set(Received { new_hello: None.into(), ..received });
        }
        let waiting = self.buffers.input.waiting.take();
        let over = self.is_handshake_over();
        let client = self.client().filter(|_| over).map(Array::copy_of).transpose()?;
        let mut new = Box::new(|| Self::new(self.config.clone()))?;
        new.setup(Transport::Datagram)?;
        #[cfg(mbedtls_ssl_dtls_hello_verify)]
        // SAFETY: the connection that this owns.
        new.set_client_id(unsafe { client_id(&*old) })?;
        #[cfg(mbedtls_ssl_dtls_connection_id)]
        if self.offers_cid() {
            new.set_cid(self.own_cid())?;
        }
        let ctx = new.ctx.get();
        // SAFETY: both are set up, between calls. The hello is at the beginning of the old input
        // buffer; the new one, which is empty, is made to hold it. None raises.
        unsafe {
            #[cfg(mbedtls_ssl_proto_dtls)]
            sys::mbedtls_ssl_set_mtu(ctx, (*old).mtu);
            let room = usize::from(waiting).saturating_add(PREFIX);
            new.buffers.input.hold(ctx, room, false).map_err(|_| Error::NoMemory)?;
            core::ptr::copy_nonoverlapping((*old).in_hdr, (*ctx).in_hdr, waiting.into());
        }
        new.buffers.input.waiting.set(waiting);
        if let (Some(old), Some(new)) = (&self.datagrams, &new.datagrams) {
            new.received.set(Received {
                hello: received.new_hello,
                bad_records: received.bad_records,
                accepted: true,
                ..Received::default()
            });
            new.client.set(if over { client } else { old.client.take() });
        }
        Ok(new)
    }

    /// Who a server's client has proven to be: by a pre-shared key, else by a certificate, which is
    /// longer than any identity.
    fn client(&self) -> Option<&[u8]> {
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        if let Some(identity) = self.psk_identity() {
            return Some(identity);
        }
        self.peer_cert()
    }

    /// Whether a client that begins anew can be known again.
    #[must_use]
    pub fn knows_client(&self) -> bool {
        self.client().is_some()
    }

    /// Whether the client is who it was before it began anew, if it did.
    #[must_use]
    pub fn is_same_client(&self) -> bool {
        let before = self.datagrams.as_ref().and_then(|datagrams| datagrams.client.take());
        before.is_none_or(|before| self.client() == Some(&*before))
    }

    /// See [`Received::accepted`].
    pub fn set_accepted(&mut self) {
        if let Some(datagrams) = &self.datagrams {
            datagrams.received.set(Received { accepted: true, ..datagrams.received.get() });
        }
    }

    /// Whether this side offers Connection IDs in its handshakes.
    #[cfg(mbedtls_ssl_dtls_connection_id)]
    fn offers_cid(&self) -> bool {
        // SAFETY: reads a field of the connection that this owns. One that has slept has only
        // what was agreed on.
        let offers = unsafe { (*self.ctx.get()).negotiate_cid } == sys::MBEDTLS_SSL_CID_ENABLED as u8;
        offers || !self.own_cid().is_empty() || self.peer_cid(&mut [0; names::CID_MAX]).is_some()
    }

    /// The highest sequence number of a record that authenticated.
    #[must_use]
    pub fn newest_record(&self) -> u64 {
        // SAFETY: the connection is set up.
        unsafe { newest_record(self.ctx.get()) }
    }

    /// Milliseconds from `now` until something is to be sent again.
    #[must_use]
    pub fn retransmission_in(&self, now: u32) -> Option<u32> {
        self.datagrams.as_ref()?.timer.timer.get().left(now)
    }

    /// Milliseconds until the object that signs is to be asked again; `None`: no signature is missing.
    #[must_use]
    pub fn asks_again_in(&self, now: u32) -> Option<u32> {
        // SAFETY: the connection that this owns, between calls.
        unsafe { signing::asks_again_in(self.ctx.get(), now) }
    }

    /// Runs one Mbed TLS function with the host in reach and room for a record of
    /// up to `payload` bytes, of which it is told how many there are.
    fn call(
        &mut self,
        host: &mut dyn Host,
        payload: usize,
        run: impl FnOnce(*mut sys::mbedtls_ssl_context, usize) -> c_int,
    ) -> Outcome {
        let ctx = self.ctx.get();
        // SAFETY: the connection is beside its buffers, and set up.
        let Ok(payload) = (unsafe { self.buffers.output.take(ctx, payload) }) else {
            return Outcome::NO_MEMORY;
        };
        let datagrams = self.datagrams.as_deref();
        let mut call = Call::new(
            host,
            ctx,
            &raw const self.buffers,
            datagrams.map(|datagrams| datagrams.received.get()),
            &raw const *self.config,
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            &raw mut self.psk,
        );
        call.assembly.set(datagrams.and_then(|datagrams| datagrams.assembly.take()));
        call.checks_hostname = self.config.checks_hostname();
        #[cfg(mbedtls_ssl_cli_c)]
        if let Some(name) = &self.asserted {
            call.asserted = name.as_ptr();
        }
        #[cfg(tickets)]
        {
            call.issues = self.issues;
        }
        let handle = &raw mut call;
        // SAFETY: the callbacks' pointer is valid until it is taken back below,
        // and they alone use it until then. None raises.
        unsafe {
            sys::mbedtls_ssl_set_bio(ctx, handle.cast(), Some(send), Some(recv), None);
            sys::mbedtls_ssl_set_verify(ctx, Some(verify), handle.cast());
        }
        if let Some(datagrams) = datagrams {
            datagrams.timer.call.set(handle.cast::<Call<'static>>());
        }
        self.config.set_host(NonNull::new(handle.cast::<Call<'static>>()).map(|call| call as _));
        #[cfg(bundles)]
        let caller = Caller::new(handle.cast_const().cast());
        #[cfg(bundles)]
        let callers = self.config.callers().filter(|_| !self.is_handshake_over());
        #[cfg(bundles)]
        if let Some(callers) = callers {
            callers.add(&caller);
        }
        let before = refusals();
        let ret = run(ctx, payload);
        let refused = refusals().wrapping_sub(before);
        call.look_who_is_there();
        #[cfg(bundles)]
        if let Some(callers) = callers {
            callers.remove(&caller);
        }
        self.config.set_host(None);
        // SAFETY: takes back what was installed above.
        unsafe {
            sys::mbedtls_ssl_set_bio(ctx, core::ptr::null_mut(), None, None, None);
            sys::mbedtls_ssl_set_verify(ctx, None, core::ptr::null_mut());
        }
        call.count_bad_records();
        if let Some(datagrams) = datagrams {
            datagrams.timer.call.set(core::ptr::null());
            datagrams.received.set(call.received.get());
            datagrams.assembly.set(call.assembly.take());
        }
        #[cfg(mbedtls_ssl_srv_c)]
        if let Some(shared) = call.shared_suites.get() {
            self.shared_suites = shared;
        }
        let mut outcome = call.outcome.get();
        (outcome.ret, outcome.refused) = (ret, refused != outcome.answered);
        #[cfg(mbedtls_ssl_keep_peer_certificate)]
        if let Some(said) = call.problems.said.take() {
            self.problems = Some(said);
        }
        if ret == sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE {
            let in_clear = call.received.get().alert.get();
            // SAFETY: Mbed TLS has just read the alert, two bytes, where messages are, unless it came
            // in the clear in a datagram: then it is the call's.
            let read = || unsafe { (*ctx).in_msg.cast::<[u8; 2]>().read() };
            [_, outcome.alert] = in_clear.unwrap_or_else(read);
        } else {
            (outcome.alerted, outcome.alert) = call.alert_sent(ret);
            // SAFETY: the call is over, the buffers still as it left them.
            let of_error = unsafe { alerts::for_error(ctx, self.buffers.input.size(), ret) };
            if outcome.due == 0 && outcome.interruption != Some(Interruption::Raised) {
                outcome.due = of_error.unwrap_or(0);
            }
        }
        // SAFETY: the connection is beside its buffers; the call is over.
        unsafe {
            self.buffers.check(ctx);
            self.buffers.park(ctx);
            self.buffers.check(ctx);
        }
        outcome
    }

    /// `mbedtls_ssl_handshake`, step by step: as much of it as the transport allows.
    pub fn handshake(&mut self, host: &mut dyn Host) -> Outcome {
        const OVER: c_int = sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        let buffers = &raw const self.buffers;
        // SAFETY: the connection is set up, beside its buffers, its call under way; none raises.
        self.call(host, 0, |ctx, _| unsafe {
            loop {
                let state = (*ctx).state;
                if state == OVER {
                    return 0;
                }
                let mut ret = (*(*ctx).p_bio.cast::<Call<'_>>()).begin_step();
                #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
                if ret == 0 {
                    ret = psk::before_step(ctx);
                }
                #[cfg(mbedtls_ssl_cli_c)]
                if ret == 0 && !is_tls13(ctx) {
                    ret = signing::with_key(ctx, || client_auth::before_step(ctx));
                }
                #[cfg(mbedtls_ssl_handshake_with_cert_enabled)]
                if ret == 0 && !is_tls13(ctx) {
                    ret = super::messages::check_certificate(&*ctx);
                }
                #[cfg(tls13)]
                if ret == 0 && is_tls13(ctx) {
                    tls13::before_step(ctx);
                    ret = tls13_messages::before_step(ctx);
                    if ret == 0 {
                        ret = (*(*ctx).p_bio.cast::<Call<'_>>()).with_memory(|| spent::before_step(ctx));
                    }
                }
                #[cfg(one_cipher)]
                if ret == 0 && is_client(ctx) && !is_tls13(ctx) {
                    ret = (*(*ctx).p_bio.cast::<Call<'_>>()).with_memory(|| one_cipher::before_step(ctx));
                }
                if ret == 0 && state == (*ctx).state {
                    #[cfg(tickets)]
                    let run = || with_tickets(ctx, || step(ctx));
                    #[cfg(not(tickets))]
                    let run = || step(ctx);
                    ret = step_with_checks(ctx, || with_own_hello(ctx, || signing::with_key(ctx, run)));
                    #[cfg(resumption)]
                    {
                        ret = resumed::after_step(ctx, state, ret);
                    }
                    ret = (*(*ctx).p_bio.cast::<Call<'_>>()).end_step(state, ret);
                    #[cfg(feature = "keylog")]
                    if (*(*ctx).p_bio.cast::<Call<'_>>()).log_failed.get() {
                        ret = sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR;
                    }
                    (*buffers).check(ctx);
                }
                #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
                {
                    ret = psk::after_step(ctx, state, ret);
                }
                if ret == 0 {
                    spent::after_step(ctx, state);
                }
                // RFC 6347 4.2.8: see `begin_anew`.
                if (*(*ctx).p_bio.cast::<Call<'_>>()).received.get().new_hello.get().is_some() {
                    return sys::MBEDTLS_ERR_SSL_CLIENT_RECONNECT;
                }
                if ret != 0 {
                    return ret;
                }
            }
        })
    }

    /// The identity that the client has shown, at a server.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    #[must_use]
    pub fn psk_identity(&self) -> Option<&[u8]> {
        self.psk.shown.as_deref().filter(|_| self.config.is_server())
    }

    /// The identity hint that the server has sent, at a client.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    #[must_use]
    pub fn psk_identity_hint(&self) -> Option<&[u8]> {
        self.psk.shown.as_deref().filter(|_| !self.config.is_server())
    }

    /// `mbedtls_ssl_read`; `closed`: this side has sent its close_notify.
    pub fn read(&mut self, host: &mut dyn Host, buf: &mut [u8], closed: bool) -> Outcome {
        #[cfg(tls13)]
        if !self.has_secrets() {
            return Outcome::NO_MEMORY;
        }
        // SAFETY: the connection is beside its buffers, and set up.
        let answer = unsafe { self.buffers.answer(self.ctx.get()) };
        #[cfg(tls13)]
        let secrets = self.secrets.as_deref().map(core::ptr::from_ref);
        #[cfg(all(tls13, sessions))]
        let resumption = self.resumption.as_deref_mut().map(core::ptr::from_mut);
        #[cfg(all(tls13, sessions))]
        let suite = self.agreed.suite;
        // SAFETY: the connection is set up, the slice valid, the secrets beside it; does not raise.
        self.call(host, answer, |ctx, _| unsafe {
            (*(*ctx).p_bio.cast::<Call<'_>>()).is_closed.set(closed);
            let ret = (*(*ctx).p_bio.cast::<Call<'_>>()).begin_read();
            if ret != 0 {
                return ret;
            }
            #[cfg(tls13)]
            let ret = match secrets {
                Some(secrets) => (*secrets).read(ctx, buf),
                None => sys::mbedtls_ssl_read(ctx, buf.as_mut_ptr(), buf.len()),
            };
            #[cfg(all(tls13, sessions))]
            let ret = if (*ctx).state == sys::MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET as c_int {
                // Mbed TLS would go on with a handshake, which there is not.
                (*ctx).state = sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
                (*ctx).keep_current_message = 0;
                match resumption.map_or(0, |of| (*of).receive(ctx, suite, tls13::hash(suite))) {
                    0 => ret,
                    error => error,
                }
            } else {
                ret
            };
            #[cfg(not(tls13))]
            let ret = sys::mbedtls_ssl_read(ctx, buf.as_mut_ptr(), buf.len());
            // RFC 6347 4.2.8: see `begin_anew`.
            let call = &*(*ctx).p_bio.cast::<Call<'_>>();
            if call.received.get().new_hello.get().is_some() {
                sys::MBEDTLS_ERR_SSL_CLIENT_RECONNECT
            } else {
                ret
            }
        })
    }

    /// Sends the KeyUpdate that the peer waits for before any data (RFC 8446 4.6.3): it may be half sent
    /// then. `None`: it waits for none. Nothing is half sent before.
    pub fn answer_key_update(&mut self, host: &mut dyn Host) -> Option<Outcome> {
        #[cfg(tls13)]
        if let Some(secrets) = self.secrets.as_deref().filter(|secrets| secrets.is_due()) {
            let secrets = core::ptr::from_ref(secrets);
            // SAFETY: the connection is set up, the secrets beside it; does not raise.
            return Some(self.call(host, KEY_UPDATE, |ctx, _| unsafe { (*secrets).send(ctx) }));
        }
        let _ = host;
        None
    }

    /// `mbedtls_ssl_write`.
    pub fn write(&mut self, host: &mut dyn Host, buf: &[u8]) -> Outcome {
        #[cfg(tls13)]
        if !self.has_secrets() {
            return Outcome::NO_MEMORY;
        }
        // SAFETY: the connection is set up, its call under way, the slice valid, `room` no longer than
        // it; does not raise.
        self.call(host, buf.len(), |ctx, room| unsafe {
            (*(*ctx).p_bio.cast::<Call<'_>>()).writes.set(true);
            sys::mbedtls_ssl_write(ctx, buf.as_ptr(), room)
        })
    }

    /// `mbedtls_ssl_close_notify`.
    pub fn close_notify(&mut self, host: &mut dyn Host) -> Outcome {
        // SAFETY: the connection is set up; does not raise.
        self.call(host, ALERT, |ctx, _| unsafe { sys::mbedtls_ssl_close_notify(ctx) })
    }

    /// Sends a fatal alert (RFC 5246 7.2.2) where Mbed TLS has sent none.
    pub fn fatal_alert(&mut self, host: &mut dyn Host, description: u32) -> Outcome {
        let (level, description) = (sys::MBEDTLS_SSL_ALERT_LEVEL_FATAL as u8, description as u8);
        // SAFETY: the connection is set up, its call under way; does not raise.
        self.call(host, ALERT, |ctx, _| unsafe {
            (*(*ctx).p_bio.cast::<Call<'_>>()).is_last.set(true);
            // Mbed TLS would send what is half sent in the alert's place.
            match mbedtls_ssl_flush_output(ctx) {
                0 => sys::mbedtls_ssl_send_alert_message(ctx, level, description),
                ret => ret,
            }
        })
    }

    /// The buffers of a connection that goes on with records, a stream's input with this
    /// counter. Configuration and transform are set.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    #[cfg(hibernation)]
    pub(super) fn resume(&mut self, counter: &[u8]) -> Result<()> {
        // SAFETY: as said above.
        unsafe { self.buffers.resume(self.ctx.get(), counter) }
    }

    /// How long datagrams are, where the transport cannot tell.
    #[cfg(all(hibernation, mbedtls_ssl_proto_dtls))]
    pub(super) fn expected_datagram(&self) -> u16 {
        self.buffers.input.expected.get()
    }

    /// Takes over what [`Self::expected_datagram`] gave.
    #[cfg(all(hibernation, mbedtls_ssl_proto_dtls))]
    pub(super) fn expect_datagram(&self, len: u16) {
        self.buffers.input.expected.set(len);
    }

    /// Whether a record's header has come for which there was no memory.
    #[cfg(hibernation)]
    pub(super) fn is_header_held(&self) -> bool {
        self.buffers.input.ahead.get() != 0
    }

    /// Whether datagrams carry the records.
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        self.datagrams.is_some()
    }

    /// What came of the datagrams so far.
    pub(super) fn received(&self) -> Received {
        self.datagrams.as_ref().map_or_else(Received::default, |datagrams| datagrams.received.get())
    }

    /// Whether the handshake is over.
    #[must_use]
    pub fn is_handshake_over(&self) -> bool {
        // SAFETY: reads a field of the connection that this owns.
        unsafe { (*self.ctx.get()).state == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int }
    }

    /// How much of the input buffer a message may have; `None`: none is in it.
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub(super) fn message_room(&self) -> Option<usize> {
        // SAFETY: reads two pointers of the connection that this owns.
        let (buffer, message) = unsafe { ((*self.ctx.get()).in_buf, (*self.ctx.get()).in_msg) };
        let before = message.addr().checked_sub(buffer.addr())?;
        self.buffers.input.size().checked_sub(before).filter(|room| *room > 0)
    }

    /// Makes the certificate of the session that goes on this connection's own.
    #[cfg(sessions)]
    pub(super) fn keep_resumed_cert(&mut self) -> Result<()> {
        if self.resumed
            && let Some(resumption) = &mut self.resumption
            && let Some(cert) = &resumption.cert
        {
            self.peer_cert = Some(Array::copy_of(cert.bytes())?);
            resumption.cert = None;
        }
        Ok(())
    }

    /// Lets go of what only the handshake needed: of the peer's parsed chain, several
    /// times as large as what is ever asked for, its first certificate's DER stays, if
    /// the context has it kept (without memory for the copy, the chain does); of TLS 1.2's
    /// session, whose secret is for resumption, what `Agreed` has. Of DTLS's, which may have to
    /// send its last flight again, the MTU of 508 that it has guessed where flights got lost.
    pub fn release_handshake(&mut self) {
        let ctx = self.ctx.get();
        // What it had to send is sent: `Call::begin_step`.
        debug_assert!(self.buffers.handshake.as_ref().is_none_or(|stream| stream.flight.is_empty()));
        #[cfg(resumption)]
        let facts = self.buffers.handshake.as_ref().map(|stream| stream.facts.get());
        #[cfg(tickets)]
        if let Some(stream) = &self.buffers.handshake
            && !stream.facts.get().resumed
        {
            match stream.shown.get() {
                Shown::None => {}
                Shown::Ticket => self.config.stats().misses.add(),
                Shown::TooOld => self.config.stats().timeouts.add(),
            }
        }
        self.buffers.handshake = None;
        #[cfg(mbedtls_ssl_cli_c)]
        {
            self.asserted = None;
        }
        // SAFETY: Mbed TLS 3.6 owns the session through `session`, and its chain through
        // `peer_cert`. Without renegotiation it reads the former for what is asked here and,
        // by way of `session_out`, for the negotiated length of fragments; the latter only
        // for mbedtls_ssl_get_peer_cert, which answers NULL then. None raises.
        unsafe {
            #[cfg(mbedtls_ssl_proto_dtls)]
            if let Some(handshake) = (*ctx).handshake.as_mut() {
                handshake.mtu = 0;
            }
            let Some(session) = (*ctx).session.as_mut() else { return };
            #[cfg(resumption)]
            if let Some(facts) = facts {
                self.resumed = facts.resumed;
                #[cfg(sessions)]
                if let Some(resumption) = &mut self.resumption {
                    resumption.conclude(facts, session);
                }
                // Without memory what the program has of it stays.
                #[cfg(sessions)]
                let _ = self.keep_resumed_cert();
                // Of TLS 1.3 no ticket stands for a client with a certificate.
                if facts.resumed && self.config.is_server() && is_tls13(ctx) {
                    session.verify_result = sys::MBEDTLS_X509_BADCERT_MISSING;
                }
            }
            #[cfg(mbedtls_ssl_keep_peer_certificate)]
            if let Some(cert) = session.peer_cert.as_ref() {
                if self.config.keeps_peer_cert() {
                    let Ok(copy) = Array::copy_of(crt::der(cert)) else { return };
                    self.peer_cert = Some(copy);
                }
                sys::mbedtls_x509_crt_free(session.peer_cert);
                mpglue_free(session.peer_cert.cast());
                session.peer_cert = core::ptr::null_mut();
            }
            #[cfg(sessions)]
            if let (Some(facts), Some(resumption)) = (facts, &mut self.resumption) {
                resumption.keep_session(facts, session);
            }
            #[cfg(tls13)]
            if is_tls13(ctx) {
                if self.secrets.is_none() {
                    let Ok(mut secrets) = Box::new(|| Secrets::of_suite(session.ciphersuite)) else { return };
                    secrets.take(session);
                    self.secrets = Some(secrets);
                }
                tls13::release_handshake(ctx);
            }
            self.agreed = Agreed { suite: session.ciphersuite, verify_result: session.verify_result };
            sys::mbedtls_ssl_set_hostname(ctx, core::ptr::null());
            #[cfg(mbedtls_x509_crt_parse_c)]
            {
                // Else whoever handshook again would verify no name.
                (*ctx).hostname = core::ptr::null_mut();
            }
            #[cfg(mbedtls_ssl_max_fragment_length)]
            if session.mfl_code != 0 {
                return;
            }
            sys::mbedtls_ssl_session_free(session);
            mpglue_free((*ctx).session.cast());
            (*ctx).session = core::ptr::null_mut();
            (*ctx).session_in = core::ptr::null_mut();
            (*ctx).session_out = core::ptr::null_mut();
        }
    }

    /// Whether one of TLS 1.3 has the secrets that the peer may renew its keys with at any time: where there was
    /// no memory for them when the handshake ended, they are made now.
    #[cfg(tls13)]
    fn has_secrets(&mut self) -> bool {
        // SAFETY: the connection is set up.
        if self.secrets.is_none() && self.is_handshake_over() && unsafe { is_tls13(self.ctx.get()) } {
            self.release_handshake();
            return self.secrets.is_some();
        }
        true
    }

    /// Lets go of what a handshake that has failed needs no more, and others may want.
    pub fn release_failed(&mut self) {
        // SAFETY: the connection that this owns, between calls.
        unsafe { signing::forget(self.ctx.get()) };
        #[cfg(tls13)]
        // SAFETY: the connection that this owns, between calls.
        unsafe {
            tls13::destroy_key(self.ctx.get());
        }
    }

    /// Whether a record is written and not yet sent whole.
    #[must_use]
    pub fn is_record_in_flight(&self) -> bool {
        // SAFETY: reads a field of the connection that this owns.
        unsafe { (*self.ctx.get()).out_left != 0 }
    }

    /// The number behind that of a record that is written and not yet sent, by which it is told from another.
    pub fn record_in_flight(&self) -> Option<u64> {
        // SAFETY: reads two fields of the connection that this owns.
        let number = unsafe { u64::from_be_bytes((*self.ctx.get()).cur_out_ctr) };
        self.is_record_in_flight().then_some(number)
    }

    /// Forgets the record that is written and not yet sent. Its number is not used again.
    pub fn lose_record(&mut self) {
        let ctx = self.ctx.get();
        // SAFETY: the connection that this owns, between calls; it has an output buffer, which holds
        // that record.
        unsafe {
            if (*ctx).out_left != 0 {
                (*ctx).out_left = 0;
                reset_out_pointers(ctx);
                self.buffers.park(ctx);
            }
        }
    }

    /// The most bytes one record may carry.
    #[must_use]
    pub fn max_out_payload(&self) -> usize {
        // SAFETY: the connection is set up.
        unsafe { max_payload(self.ctx.get()) }.min(DATA)
    }

    /// What was wrong with the peer's certificate (`MBEDTLS_X509_BADCERT_*`).
    #[must_use]
    pub fn verify_result(&self) -> u32 {
        if self.agreed.suite != 0 {
            return self.agreed.verify_result;
        }
        // SAFETY: reads the connection; does not raise.
        unsafe { sys::mbedtls_ssl_get_verify_result(self.ctx.get()) }
    }

    /// Writes what is wrong with which of the peer's certificates (the `flags` are what is) to
    /// `text`; how long that is.
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub fn problems(&self, flags: u32, text: &mut [u8]) -> usize {
        match &self.problems {
            Some(said) => said.write(flags, text),
            None => verify_text(flags, text),
        }
    }

    /// Whether the peer's certificate was verified, and nothing was wrong with it.
    #[must_use]
    pub fn peer_verified(&self) -> bool {
        self.config.is_verified(self.verify_result())
    }

    /// Bytes decrypted and not yet read.
    #[must_use]
    pub fn bytes_available(&self) -> usize {
        // SAFETY: reads the connection; does not raise.
        unsafe { sys::mbedtls_ssl_get_bytes_avail(self.ctx.get()) }
    }

    /// Whether the connection holds input it has not yet looked at.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        // SAFETY: reads the connection; does not raise.
        self.buffers.input.is_waiting() || unsafe { sys::mbedtls_ssl_check_pending(self.ctx.get()) != 0 }
    }

    /// The name of the cipher suite agreed on.
    #[must_use]
    pub fn cipher(&self) -> Option<&'static CStr> {
        if self.agreed.suite != 0 {
            return names::cipher_name(self.agreed.suite);
        }
        // SAFETY: returns NULL or a static string; does not raise.
        unsafe { static_str(sys::mbedtls_ssl_get_ciphersuite(self.ctx.get())) }
    }

    /// A server's suites that its client has as well, in the server's order: the `i`-th of them. Those
    /// beyond 64 in the configuration's list are not known.
    #[must_use]
    pub fn shared_cipher(&self, i: usize) -> Option<Cipher> {
        #[cfg(mbedtls_ssl_srv_c)]
        {
            // SAFETY: the configuration is set up, and lives as long as the connection.
            let (conf, suites) =
                unsafe { (&*self.config.as_ptr(), each((*self.config.as_ptr()).ciphersuite_list)) };
            let has_tls13 = conf.max_tls_version > sys::MBEDTLS_SSL_VERSION_TLS1_2;
            let mut shared = suites.enumerate().filter(|&(at, suite)| {
                let bit = u32::try_from(at).map_or(0, |at| self.shared_suites.unbounded_shr(at));
                // Without the version they are no use.
                bit & 1 != 0 && (has_tls13 || !is_tls13_suite(suite))
            });
            let (_, suite) = shared.nth(i)?;
            Some(Cipher {
                name: names::cipher_name(suite)?,
                tls13: is_tls13_suite(suite),
                bits: names::key_bits(suite)?,
            })
        }
        #[cfg(not(mbedtls_ssl_srv_c))]
        {
            let _ = i;
            None
        }
    }

    /// The protocol version agreed on.
    #[must_use]
    pub fn version(&self) -> Option<&'static CStr> {
        // SAFETY: returns a static string; does not raise.
        unsafe { static_str(sys::mbedtls_ssl_get_version(self.ctx.get())) }
    }

    /// The application protocol that was agreed on (RFC 7301).
    #[cfg(mbedtls_ssl_alpn)]
    #[must_use]
    pub fn selected_alpn_protocol(&self) -> Option<&CStr> {
        // SAFETY: NULL, or of the list of the configuration, which the connection keeps; does not raise.
        unsafe { static_str(sys::mbedtls_ssl_get_alpn_protocol(self.ctx.get())) }
    }

    /// The peer's certificate as DER, if it showed one and the build keeps it.
    #[must_use]
    pub fn peer_cert(&self) -> Option<&[u8]> {
        #[cfg(mbedtls_ssl_keep_peer_certificate)]
        {
            #[cfg(sessions)]
            if let Some(cert) =
                self.resumption.as_ref().filter(|_| self.resumed).and_then(|of| of.cert.as_ref())
            {
                return Some(cert.bytes());
            }
            self.peer_cert.as_deref().or_else(|| {
                // SAFETY: NULL, or a parsed certificate that lives with the session.
                unsafe { sys::mbedtls_ssl_get_peer_cert(self.ctx.get()).as_ref().map(|cert| crt::der(cert)) }
            })
        }
        #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
        None
    }
}

impl Drop for Ssl {
    fn drop(&mut self) {
        // SAFETY: the object is initialised or zeroed; the configuration is
        // dropped after it; none raises, and calls anything out.
        unsafe {
            signing::forget(self.ctx.get());
            self.buffers.free(self.ctx.get());
            sys::mbedtls_ssl_free(self.ctx.get());
        }
    }
}

/// A handshake has made one of its secrets.
///
/// This is called from: `mbedtls_ssl_handshake` → `ssl_tls12_populate_transform`, or TLS 1.3's key schedule.
#[cfg(any(exported_keys, feature = "keylog"))]
unsafe extern "C" fn export(
    ssl: *mut c_void,
    kind: sys::mbedtls_ssl_key_export_type,
    secret: *const u8,
    len: usize,
    client_random: *const u8,
    server_random: *const u8,
    prf: sys::mbedtls_tls_prf_types,
) {
    #[cfg(not(exported_keys))]
    let _ = (server_random, prf);
    // SAFETY: the connection that `Ssl::export_secrets` was called on, whose call is under way; nobody makes a
    // `&mut` of these fields meanwhile. Mbed TLS gives random numbers of 32 bytes, and a secret of `len`.
    unsafe {
        let ssl = ssl.cast::<Ssl>();
        #[cfg(exported_keys)]
        (*ssl).keys.derive(kind, (secret, len), [client_random, server_random], prf);
        #[cfg(feature = "keylog")]
        key_log::log((*ssl).ctx.get(), kind, secret, len, client_random);
    }
}

/// `mbedtls_ssl_handshake_step`; a ClientHello does not name what cannot be named (RFC 6066 3), and the
/// name to find in the server's certificate may be another one.
///
/// # Safety
///
/// The connection is set up, its call under way, its handshake not over.
unsafe fn step(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract; the name is NULL or ends with a NUL, and nothing else
    // refers to it. None raises.
    unsafe {
        let (name, state) = ((*ctx).hostname, (*ctx).state);
        let asserted = (*(*ctx).p_bio.cast::<Call<'_>>()).asserted;
        let is_to_find = state == sys::MBEDTLS_SSL_SERVER_CERTIFICATE as c_int && !asserted.is_null();
        let is_hello = state == sys::MBEDTLS_SSL_CLIENT_HELLO as c_int && !name.is_null();
        if is_to_find {
            (*ctx).hostname = asserted.cast_mut().cast();
        } else if is_hello && !names::is_sent(CStr::from_ptr(name.cast())) {
            (*ctx).hostname = core::ptr::null_mut();
        }
        #[cfg(mbedtls_ssl_keep_peer_certificate)]
        let ret = step_with_certificates(ctx, || {
            #[cfg(tls13)]
            return step_in_place(ctx, || sys::mbedtls_ssl_handshake_step(ctx));
            #[cfg(not(tls13))]
            sys::mbedtls_ssl_handshake_step(ctx)
        });
        #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
        let ret = sys::mbedtls_ssl_handshake_step(ctx);
        (*ctx).hostname = name;
        ret
    }
}
