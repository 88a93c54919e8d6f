// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hibernation: a TLS or DTLS connection that is quiet, reduced to what the
//! protocol has to remember of it.
//!
//! Written for Mbed TLS 3.6, which build.rs insists on, with keys that are not PSA's (cfg
//! `hibernation`). What it relies on:
//!
//! - of a connection with its handshake over and freed, nothing in flight, nothing
//!   pending and renegotiation off, records depend on the transform, the counters and
//!   the negotiated length of fragments, and on nothing else. Stream: `cur_out_ctr`,
//!   the counter at `in_ctr`, and how many empty records have come one after the other
//!   (`nb_zero`). Datagrams: `cur_out_ctr`, which begins with the epoch, `in_epoch`, the
//!   same number as long as nothing is renegotiated, and the window;
//! - the transform of an AEAD suite follows from suite, keys and fixed IVs. `ivlen`,
//!   `fixed_ivlen`, `taglen` and `minlen` are what `ssl_tls12_populate_transform` makes of
//!   the suite; no MAC, no CBC. Connection IDs are in it too;
//! - keys are read out of the ciphers (suite.rs). So nothing need be kept of the handshake for the case that a
//!   connection may hibernate, and no key be derived again, but for what a KeyUpdate of TLS 1.3 derives them
//!   from. Where the ciphers may be others (cfg `exported_keys`), `Keys` keeps what Mbed TLS's public
//!   functions give in the handshake;
//! - `mbedtls_ssl_tls13_populate_transform` differs from that of TLS 1.2 in this: its transform is
//!   `transform_application`, all of the nonce is fixed, and records are padded;
//! - of the session only the negotiated length of fragments is read any more;
//! - a server whose client may begin anew from the same port asks for its id (`cli_id`), and
//!   whether Connection IDs are offered, and its own (`negotiate_cid`, `own_cid`).
//!
//! `tests/hibernation.rs` compares each field of what wakes with that of a connection that
//! never slept, but for pointers and what is only left there of the last record.
//!
//! What must hold here:
//!
//! - a state is woken once. Woken twice it would encrypt two records with one nonce, by
//!   which AES-GCM loses its authentication key. So it is no `Copy` or `Clone`,
//!   [`Connection`] holds either it or the connection, and what [`Asleep::wake`] makes
//!   sends nothing before it has taken the state's place;
//! - it is wiped where it ends: woken, closed, dropped;
//! - without memory a connection stays what it is, awake or asleep.

use core::ffi::c_int;
#[cfg(mbedtls_ssl_alpn)]
use core::ffi::{CStr, c_char};
use core::ptr::NonNull;

use super::super::config::Config;
use super::super::error::check;
#[cfg(mbedtls_ssl_alpn)]
use super::super::names::static_str;
use super::super::sys::{self, zeroize};
use super::call::Received;
use super::layout::{COUNTER, is_message_cut};
#[cfg(sessions)]
use super::resumption::{Kept, Resumption};
use super::ssl::{Agreed, Ssl};
use super::suite::{NONCE, Suite, set_key};
#[cfg(tls13)]
use super::tls13::Secrets;
use crate::error::{Error, Result};
#[cfg(any(mbedtls_ssl_keep_peer_certificate, mbedtls_ssl_handshake_with_psk_enabled))]
use crate::mem::Array;
use crate::mem::{Box, Shared, copy};
use crate::micropython_sys::{mpglue_calloc, mpglue_free};
use crate::wire::Room;

/// The window of records that came: the highest number, and which below it.
pub(super) const WINDOW: usize = 16;

impl Suite {
    /// Writes the keys and fixed IVs of a connection of this suite.
    fn put_keys(self, ssl: &Ssl, transform: &sys::mbedtls_ssl_transform, room: &mut Room<'_>) -> Option<()> {
        #[cfg(exported_keys)]
        let mut keys = ssl.keys.of(self.key, ssl.config.is_server()).into_iter();
        #[cfg(not(exported_keys))]
        let _ = ssl;
        for (cipher, iv) in
            [(&transform.cipher_ctx_enc, &transform.iv_enc), (&transform.cipher_ctx_dec, &transform.iv_dec)]
        {
            #[cfg(exported_keys)]
            {
                let _ = cipher;
                room.put(keys.next()?);
            }
            #[cfg(not(exported_keys))]
            // SAFETY: the transform is in use.
            unsafe {
                self.read_key(cipher, room.take(self.key))?;
            }
            room.put(iv.get(..self.fixed_iv)?);
        }
        Some(())
    }

    /// Makes the transform of a connection, which owns it from then on.
    fn set_up(self, ctx: &mut sys::mbedtls_ssl_context, state: &mut Bytes<'_>) -> Result<()> {
        // SAFETY: zeroed memory is initialised as Mbed TLS does it; it belongs to the
        // connection before anything can fail. The keys are as long as the suite has them.
        // None raises.
        unsafe {
            let transform = mpglue_calloc(1, size_of::<sys::mbedtls_ssl_transform>())
                .cast::<sys::mbedtls_ssl_transform>();
            let Some(to) = transform.as_mut() else { return Err(Error::NoMemory) };
            sys::mbedtls_ssl_transform_init(to);
            #[cfg(tls13)]
            if self.tls13 {
                ctx.transform_application = transform;
            } else {
                ctx.transform = transform;
            }
            #[cfg(not(tls13))]
            {
                ctx.transform = transform;
            }
            to.tls_version = self.version();
            to.ivlen = NONCE;
            to.fixed_ivlen = self.fixed_iv;
            to.taglen = self.tag;
            to.minlen = self.least;
            let info = sys::mbedtls_cipher_info_from_type(self.cipher);
            for (cipher, iv, operation) in [
                (&raw mut to.cipher_ctx_enc, &mut to.iv_enc, sys::MBEDTLS_ENCRYPT),
                (&raw mut to.cipher_ctx_dec, &mut to.iv_dec, sys::MBEDTLS_DECRYPT),
            ] {
                let key = state.take(self.key);
                copy(iv, state.take(self.fixed_iv));
                check(sys::mbedtls_cipher_setup(cipher, info))?;
                check(set_key(cipher, key, operation))?;
            }
            ctx.transform_in = transform;
            ctx.transform_out = transform;
        }
        Ok(())
    }
}

/// Reads bytes from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(n).unwrap_or_default();
        self.0 = rest;
        taken
    }

    /// What a length is in front of.
    fn take_short(&mut self) -> &'a [u8] {
        let n = self.take(1).first().copied().unwrap_or(0);
        self.take(n.into())
    }

    fn take_u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take(8).try_into().unwrap_or_default())
    }
}

/// What an [`Ssl`] has and is asked for, awake or asleep.
pub(super) struct Head {
    pub(super) config: Shared<Config>,
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub(super) peer_cert: Option<Array<u8>>,
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) psk_shown: Option<Array<u8>>,
    #[cfg(mbedtls_ssl_alpn)]
    pub(super) alpn: *const c_char,
    #[cfg(sessions)]
    pub(super) resumption: Option<Box<Resumption>>,
    pub(super) verify_result: u32,
    pub(super) bad_records: u32,
    pub(super) suite: u16,
    #[cfg(mbedtls_ssl_proto_dtls)]
    pub(super) mtu: u16,
    /// How long datagrams are, where the transport cannot tell.
    #[cfg(mbedtls_ssl_proto_dtls)]
    pub(super) expected: u16,
    /// Bytes of the state that are behind this.
    pub(super) len: u16,
    #[cfg(mbedtls_ssl_max_fragment_length)]
    pub(super) fragment_length: u8,
    /// Of no content, one after the other.
    pub(super) empty_records: u8,
    pub(super) kind: Kind,
    pub(super) cids: Cids,
}

/// What is known of it in a byte.
#[derive(Clone, Copy)]
pub(super) struct Kind(pub(super) u8);

impl Kind {
    /// Datagrams carry the records.
    pub(super) const DATAGRAM: u8 = 1;
    /// An earlier session went on.
    #[cfg_attr(not(resumption), allow(dead_code))]
    const RESUMED: u8 = 2;

    fn of(ssl: &Ssl) -> Self {
        let datagram = if ssl.is_datagram() { Self::DATAGRAM } else { 0 };
        #[cfg(resumption)]
        let resumed = if ssl.resumed { Self::RESUMED } else { 0 };
        #[cfg(not(resumption))]
        let resumed = 0;
        Self(datagram | resumed)
    }

    pub(super) fn is(self, what: u8) -> bool {
        self.0 & what != 0
    }

    /// Whether there is nothing else in it.
    pub(super) fn is_known(self) -> bool {
        self.0 & !(Self::DATAGRAM | Self::RESUMED) == 0
    }
}

/// What has become of Connection IDs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cids {
    Off,
    /// The peer did not want any.
    Offered,
    InUse,
}

#[cfg(mbedtls_ssl_dtls_connection_id)]
impl Cids {
    fn of(ctx: &sys::mbedtls_ssl_context, transform: &sys::mbedtls_ssl_transform) -> Self {
        if transform.in_cid_len != 0 || transform.out_cid_len != 0 {
            Self::InUse
        } else if u32::from(ctx.negotiate_cid) == sys::MBEDTLS_SSL_CID_ENABLED {
            Self::Offered
        } else {
            Self::Off
        }
    }
}

/// A connection that hibernates. Its state is, one behind the other:
///
/// - key and fixed IV for output, then for input;
/// - the counter for output;
/// - for input: a stream's counter; of datagrams the window's top, and the window;
/// - of TLS 1.3, the secrets that the keys follow from;
/// - of datagrams, each behind its length: the own and the peer's Connection ID, a
///   server's client's id, and the random number of that client's hello.
pub struct Asleep {
    head: NonNull<Head>,
}

impl Asleep {
    pub(super) fn new(head: Head) -> Result<Self> {
        let size = size_of::<Head>().saturating_add(head.len.into());
        // SAFETY: the memory is aligned for any object and holds a head. Does not raise.
        unsafe {
            let memory = NonNull::new(mpglue_calloc(1, size)).ok_or(Error::NoMemory)?.cast::<Head>();
            memory.write(head);
            Ok(Self { head: memory })
        }
    }

    pub(super) fn head(&self) -> &Head {
        // SAFETY: written when this was made, and owned by it.
        unsafe { self.head.as_ref() }
    }

    fn head_mut(&mut self) -> &mut Head {
        // SAFETY: as above, borrowed mutably.
        unsafe { self.head.as_mut() }
    }

    pub(super) fn state(&self) -> &[u8] {
        // SAFETY: so many initialised bytes are behind the head.
        unsafe { core::slice::from_raw_parts(self.head.add(1).as_ptr().cast(), self.head().len.into()) }
    }

    pub(super) fn state_mut(&mut self) -> &mut [u8] {
        let len = self.head().len.into();
        // SAFETY: as above, borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.head.add(1).as_ptr().cast(), len) }
    }

    /// The state behind keys and output's counter.
    fn input(&self) -> Bytes<'_> {
        let mut state = Bytes(self.state());
        let keys = Suite::of(self.head().suite.into()).map_or(0, Suite::keys);
        state.take(keys.saturating_add(COUNTER));
        state
    }

    pub(super) fn config(&self) -> &Config {
        &self.head().config
    }

    pub(super) fn is_datagram(&self) -> bool {
        self.head().kind.is(Kind::DATAGRAM)
    }

    pub(super) fn suite(&self) -> c_int {
        self.head().suite.into()
    }

    #[cfg(mbedtls_ssl_alpn)]
    pub(super) fn selected_alpn_protocol(&self) -> Option<&CStr> {
        // SAFETY: as the connection had it: of the list of the configuration, which this keeps.
        unsafe { static_str(self.head().alpn) }
    }

    #[cfg(resumption)]
    pub(super) fn is_resumed(&self) -> bool {
        self.head().kind.is(Kind::RESUMED)
    }

    #[cfg(sessions)]
    pub(super) fn kept(&self) -> Option<Kept<'_>> {
        self.head().resumption.as_ref().and_then(|resumption| resumption.kept())
    }

    pub(super) fn verify_result(&self) -> u32 {
        self.head().verify_result
    }

    pub(super) fn bad_records(&self) -> u32 {
        self.head().bad_records
    }

    pub(super) fn has_cids(&self) -> bool {
        self.head().cids == Cids::InUse
    }

    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) fn psk_shown(&self) -> Option<&[u8]> {
        self.head().psk_shown.as_deref()
    }

    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub(super) fn peer_cert(&self) -> Option<&[u8]> {
        self.head().peer_cert.as_deref()
    }

    /// Own and the peer's Connection ID.
    pub(super) fn cids(&self) -> (&[u8], &[u8]) {
        if !self.head().kind.is(Kind::DATAGRAM) {
            return (&[], &[]);
        }
        let mut state = self.input();
        state.take(WINDOW);
        (state.take_short(), state.take_short())
    }

    /// A datagrams' server remembers no hello, for none that was can come again: its cookie was good in another
    /// life, whose clock it was made by.
    pub(super) fn forget_hello(&mut self) {
        let mut state = self.input();
        state.take(WINDOW);
        let _ids = (state.take_short(), state.take_short(), state.take_short());
        let hello = state.take_short().len();
        // Its length, and behind that it, are the last of the state.
        let len = self.state().len().saturating_sub(hello);
        if let Some(last) = self.state_mut().get_mut(..len).and_then(<[u8]>::last_mut) {
            *last = 0;
            self.head_mut().len = len as u16;
        }
    }

    pub(super) fn newest_record(&self) -> u64 {
        if self.head().kind.is(Kind::DATAGRAM) { self.input().take_u64() } else { 0 }
    }

    /// What a connection comes to if it is quiet, and of the kind. Nothing is left of it
    /// then but to be dropped.
    pub(super) fn of(ssl: &mut Ssl) -> Result<Option<Self>> {
        if ssl.is_handshake_over() && ssl.agreed.suite == 0 {
            // For want of memory, the handshake's end has left the certificate where it was.
            ssl.release_handshake();
            if ssl.agreed.suite == 0 {
                return Err(Error::NoMemory);
            }
        }
        #[cfg(sessions)]
        ssl.keep_resumed_cert()?;
        let Some(suite) = ssl.fit_to_sleep() else { return Ok(None) };
        // SAFETY: a connection that is set up, between calls on it. It owns transform and
        // session; the counter is in its input buffer.
        let (ctx, transform, counter) = unsafe {
            let ctx = &*ssl.ctx.get();
            let Some(transform) = ctx.transform_out.as_ref() else { return Ok(None) };
            (ctx, transform, core::slice::from_raw_parts(ctx.in_ctr, COUNTER))
        };
        #[cfg(mbedtls_ssl_dtls_connection_id)]
        let (cids, own_cid, peer_cid) = (
            Cids::of(ctx, transform),
            ctx.own_cid.get(..ctx.own_cid_len.into()).unwrap_or_default(),
            transform.out_cid.get(..transform.out_cid_len.into()).unwrap_or_default(),
        );
        #[cfg(not(mbedtls_ssl_dtls_connection_id))]
        let (cids, own_cid, peer_cid): (Cids, &[u8], &[u8]) = (Cids::Off, &[], &[]);
        let received = ssl.received();
        let hello = received.hello.get();
        let hello = hello.as_ref().map_or(&[][..], |hello| hello);
        let ids = [own_cid, peer_cid, ssl.client_id(), hello];
        let mut len = suite.keys().saturating_add(COUNTER);
        len = len.saturating_add(if ssl.is_datagram() { WINDOW } else { COUNTER });
        #[cfg(tls13)]
        {
            len = len.saturating_add(ssl.secrets.as_ref().map_or(0, |secrets| secrets.saved_len()));
        }
        if ssl.is_datagram() {
            for id in ids {
                if id.len() > u8::MAX.into() {
                    return Ok(None);
                }
                len = len.saturating_add(1).saturating_add(id.len());
            }
        }
        let (Ok(len), Ok(id)) = (u16::try_from(len), u16::try_from(ssl.agreed.suite)) else {
            return Ok(None);
        };
        let mut asleep = Self::new(Head {
            config: ssl.config.clone(),
            #[cfg(mbedtls_ssl_keep_peer_certificate)]
            peer_cert: None,
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            psk_shown: None,
            #[cfg(mbedtls_ssl_alpn)]
            alpn: ctx.alpn_chosen,
            #[cfg(sessions)]
            resumption: None,
            verify_result: ssl.agreed.verify_result,
            bad_records: received.bad_records,
            suite: id,
            #[cfg(mbedtls_ssl_proto_dtls)]
            mtu: ctx.mtu,
            #[cfg(mbedtls_ssl_proto_dtls)]
            expected: ssl.expected_datagram(),
            len,
            #[cfg(mbedtls_ssl_max_fragment_length)]
            // SAFETY: NULL, or the connection's own.
            fragment_length: unsafe { ctx.session.as_ref() }.map_or(0, |session| session.mfl_code),
            // More than four end the connection.
            empty_records: ctx.nb_zero.try_into().unwrap_or(u8::MAX),
            kind: Kind::of(ssl),
            cids,
        })?;
        let mut room = Room(asleep.state_mut());
        if suite.put_keys(ssl, transform, &mut room).is_none() {
            return Ok(None);
        }
        room.put(&ctx.cur_out_ctr);
        if ssl.is_datagram() {
            #[cfg(mbedtls_ssl_dtls_anti_replay)]
            let (top, window) = (ctx.in_window_top, ctx.in_window);
            #[cfg(not(mbedtls_ssl_dtls_anti_replay))]
            let (top, window) = (0_u64, 0_u64);
            room.put(&top.to_be_bytes());
            room.put(&window.to_be_bytes());
            for id in ids {
                room.put(&[id.len() as u8]);
                room.put(id);
            }
        } else {
            room.put(counter);
            #[cfg(tls13)]
            if let Some(secrets) = &ssl.secrets {
                secrets.save(room.take(secrets.saved_len()));
            }
        }
        #[cfg(mbedtls_ssl_keep_peer_certificate)]
        {
            asleep.head_mut().peer_cert = ssl.peer_cert.take();
        }
        #[cfg(sessions)]
        {
            asleep.head_mut().resumption = ssl.resumption.take();
        }
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        {
            asleep.head_mut().psk_shown = ssl.psk.shown.take();
        }
        Ok(Some(asleep))
    }

    /// The connection that this was, to take its place: this is to be dropped at once.
    pub(super) fn wake(&mut self) -> Result<Box<Ssl>> {
        let head = self.head();
        let Some(suite) = Suite::of(head.suite.into()) else { return Err(Error::NoMemory) };
        let mut ssl = Box::new(|| Ssl::new(head.config.clone()))?;
        let (config, ctx) = (head.config.as_ptr(), ssl.ctx.get());
        // SAFETY: the object is where it stays. Whatever is allocated belongs to it before
        // anything fails, and is freed with it. None raises.
        let ctx = unsafe {
            sys::mbedtls_ssl_init(ctx);
            #[cfg(mbedtls_ssl_max_fragment_length)]
            if head.fragment_length != 0 {
                let session = mpglue_calloc(1, size_of::<sys::mbedtls_ssl_session>());
                let Some(to) = session.cast::<sys::mbedtls_ssl_session>().as_mut() else {
                    return Err(Error::NoMemory);
                };
                sys::mbedtls_ssl_session_init(to);
                to.mfl_code = head.fragment_length;
                (*ctx).session = to;
                (*ctx).session_in = to;
                (*ctx).session_out = to;
            }
            &mut *ctx
        };
        ssl.agreed = Agreed { suite: head.suite.into(), verify_result: head.verify_result };
        ctx.conf = config;
        ctx.state = sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        ctx.tls_version = suite.version();
        ctx.nb_zero = head.empty_records.into();
        #[cfg(mbedtls_ssl_alpn)]
        {
            ctx.alpn_chosen = head.alpn;
        }
        let mut state = Bytes(self.state());
        #[cfg(exported_keys)]
        {
            let mut keys = Bytes(self.state());
            let output = keys.take(suite.key);
            keys.take(suite.fixed_iv);
            let server = ssl.config.is_server();
            ssl.keys.set([output, keys.take(suite.key)], server);
        }
        suite.set_up(ctx, &mut state)?;
        copy(&mut ctx.cur_out_ctr, state.take(COUNTER));
        if head.kind.is(Kind::DATAGRAM) {
            #[cfg(mbedtls_ssl_proto_dtls)]
            {
                let [high, low, ..] = ctx.cur_out_ctr;
                ctx.in_epoch = u16::from_be_bytes([high, low]);
                ctx.mtu = head.mtu;
            }
            let (top, window) = (state.take_u64(), state.take_u64());
            #[cfg(mbedtls_ssl_dtls_anti_replay)]
            {
                (ctx.in_window_top, ctx.in_window) = (top, window);
            }
            #[cfg(not(mbedtls_ssl_dtls_anti_replay))]
            let _ = (top, window);
            let (own_cid, peer_cid) = (state.take_short(), state.take_short());
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            {
                copy(&mut ctx.own_cid, own_cid);
                ctx.own_cid_len = own_cid.len() as u8;
                if head.cids != Cids::Off {
                    ctx.negotiate_cid = sys::MBEDTLS_SSL_CID_ENABLED as u8;
                }
                // SAFETY: made by `set_up`.
                let transform = unsafe { ctx.transform.as_mut() };
                if let Some(transform) = transform.filter(|_| head.cids == Cids::InUse) {
                    copy(&mut transform.in_cid, own_cid);
                    transform.in_cid_len = own_cid.len() as u8;
                    copy(&mut transform.out_cid, peer_cid);
                    transform.out_cid_len = peer_cid.len() as u8;
                }
            }
            #[cfg(not(mbedtls_ssl_dtls_connection_id))]
            let _ = (own_cid, peer_cid);
            let client_id = state.take_short();
            #[cfg(mbedtls_ssl_dtls_hello_verify)]
            if !client_id.is_empty() {
                ssl.set_client_id(client_id)?;
            }
            #[cfg(not(mbedtls_ssl_dtls_hello_verify))]
            let _ = client_id;
            let hello = state.take_short().try_into().ok();
            #[cfg(mbedtls_ssl_proto_dtls)]
            ssl.expect_datagram(head.expected);
            ssl.make_datagrams(Received {
                bad_records: head.bad_records,
                hello: hello.into(),
                ..Received::default()
            })?;
            ssl.resume(&[0; COUNTER])?;
        } else {
            ssl.resume(state.take(COUNTER))?;
            #[cfg(tls13)]
            if suite.tls13 {
                let mut secrets = Box::new(|| Secrets::of_suite(head.suite.into()))?;
                secrets.restore(state.0);
                ssl.secrets = Some(secrets);
            }
        }
        #[cfg(exported_keys)]
        ssl.export_secrets();
        #[cfg(mbedtls_ssl_keep_peer_certificate)]
        {
            ssl.peer_cert = self.head_mut().peer_cert.take();
        }
        #[cfg(sessions)]
        {
            ssl.resumption = self.head_mut().resumption.take();
        }
        #[cfg(resumption)]
        {
            ssl.resumed = self.head().kind.is(Kind::RESUMED);
        }
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        {
            ssl.psk.shown = self.head_mut().psk_shown.take();
        }
        Ok(ssl)
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        zeroize(self.state_mut());
        // SAFETY: the head is initialised, the memory from this allocator; neither is used
        // again. Does not raise.
        unsafe {
            self.head.drop_in_place();
            mpglue_free(self.head.as_ptr().cast());
        }
    }
}

impl Ssl {
    /// The suite, if this is a connection that can hibernate, and is quiet.
    fn fit_to_sleep(&self) -> Option<Suite> {
        // SAFETY: reads fields of the connection that this owns, and of what that owns.
        unsafe {
            let ctx = &*self.ctx.get();
            let fit = ctx.state == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int
                && ctx.handshake.is_null()
                && !ctx.transform_out.is_null()
                && ctx.transform_in == ctx.transform_out
                && ctx.transform_out == self.transform()
                && ctx.out_left == 0
                && ctx.send_alert == 0
                && !is_message_cut(ctx)
                && !self.has_pending()
                && (self.is_datagram() || ctx.in_left == 0)
                && !self.is_header_held();
            #[cfg(mbedtls_ssl_renegotiation)]
            let fit = fit
                && u32::from((*ctx.conf).disable_renegotiation) == sys::MBEDTLS_SSL_RENEGOTIATION_DISABLED;
            #[cfg(mbedtls_ssl_proto_dtls)]
            let fit = {
                let [high, low, ..] = ctx.cur_out_ctr;
                fit && (!self.is_datagram() || ctx.in_epoch == u16::from_be_bytes([high, low]))
            };
            if fit { Suite::of(self.agreed.suite) } else { None }
        }
    }

    /// That of the data; NULL: there is none, or it is not known to be whole.
    fn transform(&self) -> *mut sys::mbedtls_ssl_transform {
        // SAFETY: reads fields of the connection that this owns.
        let ctx = unsafe { &*self.ctx.get() };
        match ctx.tls_version {
            sys::MBEDTLS_SSL_VERSION_TLS1_2 => ctx.transform,
            // Where ciphers do not tell their keys, those of TLS 1.2 are kept.
            #[cfg(all(tls13, not(exported_keys)))]
            sys::MBEDTLS_SSL_VERSION_TLS1_3 if self.secrets.is_some() => ctx.transform_application,
            _ => core::ptr::null_mut(),
        }
    }

    /// What a server calls its client.
    fn client_id(&self) -> &[u8] {
        #[cfg(all(mbedtls_ssl_dtls_hello_verify, mbedtls_ssl_srv_c))]
        // SAFETY: Mbed TLS's copy, as long as it says, which lives with the connection.
        unsafe {
            let ctx = &*self.ctx.get();
            if !ctx.cli_id.is_null() {
                return core::slice::from_raw_parts(ctx.cli_id, ctx.cli_id_len);
            }
        }
        &[]
    }
}
