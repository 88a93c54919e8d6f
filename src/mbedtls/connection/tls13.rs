// SPDX-License-Identifier: MIT OR Apache-2.0
//! What TLS 1.3 (RFC 8446) needs beside Mbed TLS 3.6's:
//!
//! - A HelloRetryRequest, on either side, has Mbed TLS begin anew, and wipe both buffers at the lengths
//!   it would have allocated. Here they are shorter: that function is wrapped.
//! - Mbed TLS never frees the handshake of a connection of 1.3, nor, then, the transform that was to be
//!   negotiated: [`release_handshake`] does.
//! - A peer may have its keys updated (4.6.3), which Mbed TLS takes for an unexpected message: [`Secrets`].

use core::cell::{Cell, UnsafeCell};
use core::ffi::{c_int, c_uchar};

use super::super::sys;
use super::call::Call;
use super::cipher::{free_cipher, set_up_cipher};
#[cfg(mbedtls_ssl_cli_c)]
use super::client_auth::choose_of_tls13;
use super::layout::{COUNTER, is_client, is_tls13, reset_in_pointers, reset_out_pointers};
use super::messages::awaits_flight;
use super::records::Buffers;
use super::tls13_records::read_data;
use crate::micropython_sys::mpglue_free;

/// The longest hash of a suite: SHA-384's.
const HASH_MAX: usize = 48;
/// A KeyUpdate: type, length, and whether the other side is to do likewise.
pub(super) const KEY_UPDATE: usize = 5;
const KEY_UPDATE_TYPE: u8 = 24;
/// After how many KeyUpdates in a row, with no data between them, a peer only wants to keep this side
/// busy.
const KEY_UPDATES: u8 = 32;
/// [`Secrets::due`] and [`Secrets::behind`], as they are saved.
#[cfg(hibernation)]
const DUE: u8 = 1;
#[cfg(hibernation)]
const BEHIND: u8 = 2;

/// An alert.
const CERTIFICATE_REQUIRED: u8 = 116;

/// `PSA_ALG_SHA_256` and `PSA_ALG_SHA_384`.
const SHA_256: u32 = 0x0200_0009;
const SHA_384: u32 = 0x0200_000a;

unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h, library/ssl_tls13_keys.h), and linkable. None raises.
    fn __real_mbedtls_ssl_session_reset_msg_layer(ssl: *mut sys::mbedtls_ssl_context, partial: c_int);
    fn __real_mbedtls_ssl_pend_fatal_alert(
        ssl: *mut sys::mbedtls_ssl_context,
        description: c_uchar,
        reason: c_int,
    );
    fn __real_mbedtls_ssl_send_alert_message(
        ssl: *mut sys::mbedtls_ssl_context,
        level: c_uchar,
        description: c_uchar,
    ) -> c_int;
    // PSA's (psa/crypto.h). Does not raise.
    fn psa_destroy_key(key: u32) -> c_int;
    fn mbedtls_ssl_set_outbound_transform(
        ssl: *mut sys::mbedtls_ssl_context,
        transform: *mut sys::mbedtls_ssl_transform,
    );
    fn mbedtls_ssl_write_record(ssl: *mut sys::mbedtls_ssl_context, force_flush: c_int) -> c_int;
    fn mbedtls_ssl_tls13_hkdf_expand_label(
        hash: u32,
        secret: *const c_uchar,
        secret_len: usize,
        label: *const c_uchar,
        label_len: usize,
        context: *const c_uchar,
        context_len: usize,
        to: *mut c_uchar,
        len: usize,
    ) -> c_int;
    fn mbedtls_ssl_tls13_make_traffic_keys(
        hash: u32,
        client_secret: *const c_uchar,
        server_secret: *const c_uchar,
        secret_len: usize,
        key_len: usize,
        iv_len: usize,
        keys: *mut sys::mbedtls_ssl_key_set,
    ) -> c_int;
}

/// Makes sure that the linker has wrapped the function: where it has not, there is no `__real_` one.
pub(super) fn check_linked() {
    core::hint::black_box(__real_mbedtls_ssl_session_reset_msg_layer as *const ());
}

/// This is called from: `mbedtls_ssl_handshake_step`, when a HelloRetryRequest is about to be written or
/// has been read, instead of Mbed TLS's function of that name; which also does the beginning of a new
/// connection, in its own file, and there is not wrapped.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_ssl_session_reset_msg_layer(
    ssl: *mut sys::mbedtls_ssl_context,
    partial: c_int,
) {
    // SAFETY: by this function's contract: both buffers are as long as their owner says, and hold
    // nothing that is still needed. None raises.
    unsafe {
        let buffers = Call::under_way(ssl).map(Call::buffers);
        if buffers.is_none_or(Buffers::are_whole) {
            return __real_mbedtls_ssl_session_reset_msg_layer(ssl, partial);
        }
        let ssl = &mut *ssl;
        reset_in_pointers(ssl);
        (ssl.in_left, ssl.in_offt) = (0, core::ptr::null_mut());
        (ssl.in_msgtype, ssl.in_msglen, ssl.in_hslen) = (0, 0, 0);
        (ssl.nb_zero, ssl.keep_current_message) = (0, 0);
        ssl.badmac_seen_or_in_hsfraglen = 0;
        core::slice::from_raw_parts_mut(ssl.in_ctr, COUNTER).fill(0);
        ssl.transform_in = core::ptr::null_mut();
        ssl.send_alert = 0;
        (ssl.out_msgtype, ssl.out_msglen, ssl.out_left) = (0, 0, 0);
        ssl.cur_out_ctr = [0; COUNTER];
        ssl.transform_out = core::ptr::null_mut();
        if !ssl.out_buf.is_null() {
            reset_out_pointers(ssl);
        }
    }
}

/// Notes which alert is sent, which an encrypted record does not show.
///
/// This is called from: Mbed TLS where the peer's certificate is refused, instead of its function of that
/// name. What is wrong with a record, and the alerts of TLS 1.3 that it sends at a step's end, it sends
/// from the function's own file, and they are not seen here.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_ssl_send_alert_message(
    ssl: *mut sys::mbedtls_ssl_context,
    level: c_uchar,
    description: c_uchar,
) -> c_int {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        if let Some(call) = Call::under_way(ssl).filter(|_| is_tls13(ssl)) {
            call.sends_alert(description);
        }
        __real_mbedtls_ssl_send_alert_message(ssl, level, description)
    }
}

/// Has TLS 1.3's own alert sent where no certificate is shown (6.2): Mbed TLS's is SSL 3.0's.
///
/// This is called from: `mbedtls_ssl_handshake_step`, instead of Mbed TLS's function of that name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_ssl_pend_fatal_alert(
    ssl: *mut sys::mbedtls_ssl_context,
    description: c_uchar,
    reason: c_int,
) {
    // SAFETY: by this function's contract.
    if unsafe { Call::under_way(ssl) }.is_some_and(Call::tells_why) {
        return;
    }
    let is_none = u32::from(description) == sys::MBEDTLS_SSL_ALERT_MSG_NO_CERT;
    let description = if is_none { CERTIFICATE_REQUIRED } else { description };
    // SAFETY: by this function's contract. Does not raise.
    unsafe { __real_mbedtls_ssl_pend_fatal_alert(ssl, description, reason) };
}

/// What a server may answer a client's hello with, and Mbed TLS takes for an extension that was not asked
/// for (4.2): a cookie, which none asks for, and the length of fragments (RFC 6066 4), which it asks for
/// without a note.
///
/// # Safety
///
/// The connection is set up, and in a handshake.
unsafe fn answerable(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract.
    unsafe {
        let Some(handshake) = (*ctx).handshake.as_mut() else { return };
        handshake.sent_extensions |= 1 << sys::MBEDTLS_SSL_EXT_ID_COOKIE;
        #[cfg(mbedtls_ssl_max_fragment_length)]
        if (*(*ctx).conf).mfl_code != 0 {
            handshake.sent_extensions |= 1 << sys::MBEDTLS_SSL_EXT_ID_MAX_FRAGMENT_LENGTH;
        }
    }
}

/// Destroys the key that a handshake which has failed still has: it is in one of PSA's slots, of which
/// there are few, and the connection may be around for long.
///
/// # Safety
///
/// The connection is initialised, and no call under way.
pub(super) unsafe fn destroy_key(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract; the key is the handshake's own. Does not raise.
    unsafe {
        let Some(handshake) = (*ctx).handshake.as_mut() else { return };
        if handshake.xxdh_psa_privkey_is_external == 0 {
            psa_destroy_key(handshake.xxdh_psa_privkey);
            handshake.xxdh_psa_privkey = 0;
        }
    }
}

/// Before a step of the handshake: has an alert that it may come to protected as the peer expects it.
///
/// Mbed TLS changes the keys of what it sends with its own next message. A client's are those of the
/// handshake from the ServerHello on, but for the ChangeCipherSpec that stands for nothing (appendix
/// D.4); a server's are those of the data from its Finished on (7.1).
///
/// # Safety
///
/// The connection is set up, in a handshake that may be of TLS 1.3; nothing is half written.
pub(super) unsafe fn before_step(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract: the transforms are the connection's own. None raises.
    unsafe {
        if !is_tls13(ctx) {
            return;
        }
        let Some(handshake) = (*ctx).handshake.as_ref() else { return };
        let Ok(state) = sys::mbedtls_ssl_states::try_from((*ctx).state) else { return };
        if is_client(ctx) && state == sys::MBEDTLS_SSL_SERVER_HELLO {
            answerable(ctx);
        }
        #[cfg(mbedtls_ssl_cli_c)]
        if is_client(ctx) && state == sys::MBEDTLS_SSL_CLIENT_CERTIFICATE {
            choose_of_tls13(ctx);
        }
        let transform = match (is_client(ctx), state) {
            (true, state) if awaits_flight(state) => handshake.transform_handshake,
            (true, sys::MBEDTLS_SSL_CLIENT_CCS_AFTER_SERVER_FINISHED) => core::ptr::null_mut(),
            (
                false,
                sys::MBEDTLS_SSL_CLIENT_CERTIFICATE
                | sys::MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY
                | sys::MBEDTLS_SSL_CLIENT_FINISHED,
            ) => (*ctx).transform_application,
            _ => return,
        };
        if (*ctx).transform_out != transform {
            mbedtls_ssl_set_outbound_transform(ctx, transform);
        }
        if !is_client(ctx)
            && let Some(spent) = handshake.transform_handshake.as_mut()
        {
            free_cipher(&mut spent.cipher_ctx_enc);
        }
    }
}

/// Frees what Mbed TLS keeps of a handshake that is over.
///
/// # Safety
///
/// The connection's handshake of TLS 1.3 is over, and no call under way.
pub(super) unsafe fn release_handshake(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract: both are the connection's, and not looked at any more; without
    // the handshake `mbedtls_ssl_free` would forget the transform. None raises.
    unsafe {
        if (*ctx).handshake.is_null() {
            return;
        }
        sys::mbedtls_ssl_handshake_free(ctx);
        mpglue_free((*ctx).handshake.cast());
        (*ctx).handshake = core::ptr::null_mut();
        sys::mbedtls_ssl_transform_free((*ctx).transform_negotiate);
        mpglue_free((*ctx).transform_negotiate.cast());
        (*ctx).transform_negotiate = core::ptr::null_mut();
    }
}

/// HKDF-Expand-Label (7.1), as long as `to` is. 0, or the error.
///
/// # Safety
///
/// The hash is as long as it says, and so is the secret at least.
pub(super) unsafe fn expand_label(
    (hash, hash_len): (u32, usize),
    secret: &[u8],
    label: &[u8],
    context: &[u8],
    to: &mut [u8],
) -> c_int {
    // SAFETY: by this function's contract; the slices are valid. Does not raise.
    unsafe {
        mbedtls_ssl_tls13_hkdf_expand_label(
            hash,
            secret.as_ptr(),
            hash_len,
            label.as_ptr(),
            label.len(),
            context.as_ptr(),
            context.len(),
            to.as_mut_ptr(),
            to.len(),
        )
    }
}

/// The hash of a suite, and its length.
pub(super) fn hash(suite: c_int) -> (u32, usize) {
    // SAFETY: looks into a static list; does not raise.
    let suite = unsafe { sys::mbedtls_ssl_ciphersuite_from_id(suite).as_ref() };
    let is_sha384 =
        suite.is_some_and(|suite| sys::mbedtls_md_type_t::from(suite.mac) == sys::MBEDTLS_MD_SHA384);
    if is_sha384 { (SHA_384, 48) } else { (SHA_256, 32) }
}

/// Gives a cipher the key of so many bits that follows from a secret, to encrypt or to decrypt, and writes the IV
/// (7.3), as long as `iv` is. 0, or the error.
///
/// # Safety
///
/// The cipher is set up; the hash is as long as it says, and so is the secret at least.
unsafe fn set_key(
    (hash, hash_len): (u32, usize),
    secret: &[u8],
    cipher: &mut sys::mbedtls_cipher_context_t,
    iv: &mut [u8],
    bits: c_int,
    operation: sys::mbedtls_operation_t,
) -> c_int {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        let mut keys: sys::mbedtls_ssl_key_set = core::mem::zeroed();
        // Both are made of the one secret; those of the other direction are not used.
        let mut ret = mbedtls_ssl_tls13_make_traffic_keys(
            hash,
            secret.as_ptr(),
            secret.as_ptr(),
            hash_len,
            usize::try_from(bits).unwrap_or(0).div_ceil(8),
            iv.len(),
            &raw mut keys,
        );
        if ret == 0 {
            ret = sys::mbedtls_cipher_setkey(cipher, keys.client_write_key.as_ptr(), bits, operation);
        }
        if ret == 0 {
            crate::mem::copy(iv, &keys.client_write_iv);
        }
        sys::mbedtls_platform_zeroize((&raw mut keys).cast(), size_of_val(&keys));
        ret
    }
}

/// Makes anew the cipher by which a server decrypts data, where [`free_cipher`] has freed it before there
/// could be any. 0, or the error.
///
/// # Safety
///
/// The connection is a server's, its keys made, its handshake not over.
pub(super) unsafe fn set_up_again(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract: transform and session are the connection's own. None raises.
    unsafe {
        let Some(transform) = (*ctx).transform_application.as_mut() else { return 0 };
        let Some(session) = (*ctx).session_negotiate.as_ref() else { return 0 };
        if !transform.cipher_ctx_dec.cipher_ctx.is_null() {
            return 0;
        }
        let ret = set_up_cipher(&mut transform.cipher_ctx_dec);
        if ret != 0 {
            return ret;
        }
        let bits = transform.cipher_ctx_enc.key_bitlen;
        let secret = &session.app_secrets.client_application_traffic_secret_N;
        let iv = transform.iv_dec.get_mut(..transform.ivlen).unwrap_or_default();
        let hash = hash(session.ciphersuite);
        let ret = set_key(hash, secret, &mut transform.cipher_ctx_dec, iv, bits, sys::MBEDTLS_DECRYPT);
        if ret != 0 {
            free_cipher(&mut transform.cipher_ctx_dec);
        }
        ret
    }
}

/// What the keys of both directions follow from, and the next ones will.
pub(super) struct Secrets {
    hash: u32,
    hash_len: usize,
    /// The client's, the server's: `…_application_traffic_secret_N`.
    of: UnsafeCell<[[u8; HASH_MAX]; 2]>,
    /// How many KeyUpdates have come since there were data.
    in_a_row: Cell<u8>,
    /// The peer waits for this side to do likewise.
    due: Cell<bool>,
    /// The peer has renewed its keys, and there was no memory to do so here: nothing is read before.
    behind: Cell<bool>,
}

impl Secrets {
    /// Those of a connection of this suite, which are still to come: what is moved leaves a copy on the stack.
    pub(super) fn of_suite(suite: c_int) -> Self {
        let (hash, hash_len) = hash(suite);
        let of = UnsafeCell::new([[0; HASH_MAX]; 2]);
        let (due, behind) = (Cell::new(false), Cell::new(false));
        Self { hash, hash_len, of, in_a_row: Cell::new(0), due, behind }
    }

    /// Takes those that a handshake of TLS 1.3 has left in its session.
    pub(super) fn take(&mut self, session: &sys::mbedtls_ssl_session) {
        let secrets = &session.app_secrets;
        let from =
            [&secrets.client_application_traffic_secret_N, &secrets.server_application_traffic_secret_N];
        for (to, from) in self.of.get_mut().iter_mut().zip(from) {
            crate::mem::copy(to, from);
        }
    }

    /// How many bytes [`Self::save`] writes.
    #[cfg(hibernation)]
    pub(super) fn saved_len(&self) -> usize {
        self.hash_len.saturating_mul(2).saturating_add(2)
    }

    /// The same of a connection of this suite.
    #[cfg(all(hibernation, not(exported_keys)))]
    pub(super) fn saved_len_of(suite: c_int) -> usize {
        let (_, hash_len) = hash(suite);
        hash_len.saturating_mul(2).saturating_add(2)
    }

    /// Writes all that is to be known again.
    #[cfg(hibernation)]
    pub(super) fn save(&self, to: &mut [u8]) {
        // SAFETY: nobody changes them meanwhile.
        let secrets = unsafe { &*self.of.get() };
        // No hash is empty, of which the compiler cannot be sure.
        for (to, secret) in to.chunks_mut(self.hash_len.max(1)).zip(secrets) {
            crate::mem::copy(to, secret);
        }
        if let [.., in_a_row, flags] = to {
            (*in_a_row, *flags) = (self.in_a_row.get(), 0);
            for (flag, is_set) in [(DUE, &self.due), (BEHIND, &self.behind)] {
                *flags |= if is_set.get() { flag } else { 0 };
            }
        }
    }

    /// Takes what a connection of this suite has [saved](Self::save).
    #[cfg(hibernation)]
    pub(super) fn restore(&mut self, saved: &[u8]) {
        for (to, secret) in self.of.get_mut().iter_mut().zip(saved.chunks_exact(self.hash_len.max(1))) {
            crate::mem::copy(to, secret);
        }
        if let [.., in_a_row, flags] = saved {
            self.in_a_row.set(*in_a_row);
            self.due.set(flags & DUE != 0);
            self.behind.set(flags & BEHIND != 0);
        }
    }

    /// `mbedtls_ssl_read`, KeyUpdates aside, of which there may be any number in front of what it is for.
    ///
    /// # Safety
    ///
    /// The connection is theirs, set up, its call under way.
    pub(super) unsafe fn read(&self, ctx: *mut sys::mbedtls_ssl_context, buf: &mut [u8]) -> c_int {
        loop {
            // SAFETY: by this function's contract. None raises.
            let ret = unsafe {
                match self.catch_up(ctx) {
                    0 => {}
                    error => return error,
                }
                match read_data(ctx, buf) {
                    sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE => match self.receive(ctx) {
                        Some(0) => continue,
                        Some(error) => error,
                        None => sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE,
                    },
                    ret => ret,
                }
            };
            if ret > 0 {
                self.in_a_row.set(0);
            }
            return ret;
        }
    }

    /// Whether a KeyUpdate is to be sent before any data.
    pub(super) fn is_due(&self) -> bool {
        self.due.get()
    }

    /// What a message that Mbed TLS did not expect comes to, if it is a KeyUpdate: 0, and the peer's keys are to
    /// be [renewed](Self::catch_up), or the error.
    ///
    /// # Safety
    ///
    /// They are the connection's, whose handshake is over; Mbed TLS has read the message, and nothing
    /// since.
    unsafe fn receive(&self, ctx: *mut sys::mbedtls_ssl_context) -> Option<c_int> {
        // SAFETY: by this function's contract: the message is where messages are, in a record of its
        // length.
        unsafe {
            let is_message = (*ctx).in_msgtype == sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int
                && (*ctx).in_msglen >= 4
                && *(*ctx).in_msg == KEY_UPDATE_TYPE;
            if !is_message {
                return None;
            }
            // "Handshake messages MUST NOT span key changes" (5.1): it ends its record.
            if (*ctx).in_msglen != (*ctx).in_hslen {
                return Some(sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE);
            }
            if (*ctx).in_hslen != KEY_UPDATE {
                return Some(sys::MBEDTLS_ERR_SSL_DECODE_ERROR);
            }
            let wants_answer = match *(*ctx).in_msg.add(4) {
                0 => false,
                1 => true,
                _ => return Some(sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER),
            };
            let in_a_row = self.in_a_row.get().saturating_add(1);
            if in_a_row > KEY_UPDATES {
                return Some(sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE);
            }
            self.in_a_row.set(in_a_row);
            // The message is used up.
            ((*ctx).in_msglen, (*ctx).in_hslen) = (0, 0);
            self.behind.set(true);
            if wants_answer {
                self.due.set(true);
            }
            Some(0)
        }
    }

    /// Renews the peer's keys, where it has done so and this side has not. 0, or that memory is wanted: the call
    /// can be made again.
    ///
    /// # Safety
    ///
    /// The connection is theirs, set up, its call under way.
    unsafe fn catch_up(&self, ctx: *mut sys::mbedtls_ssl_context) -> c_int {
        if !self.behind.get() {
            return 0;
        }
        // SAFETY: by this function's contract: the counter is 8 bytes, wherever the input is. None raises.
        unsafe {
            let mut next = Next::EMPTY;
            let ret = self.make(ctx, false, &mut next);
            if ret == 0 {
                self.change_to(ctx, false, &mut next);
                core::slice::from_raw_parts_mut((*ctx).in_ctr, COUNTER).fill(0);
                self.behind.set(false);
            }
            ret
        }
    }

    /// Sends the KeyUpdate that is due, and has the next records of this side's keys. 0: it is written, and
    /// may be half sent.
    ///
    /// # Safety
    ///
    /// The connection is theirs, set up, its call under way, with room for the message; nothing is half
    /// sent.
    pub(super) unsafe fn send(&self, ctx: *mut sys::mbedtls_ssl_context) -> c_int {
        // SAFETY: by this function's contract. None raises.
        unsafe {
            // What may fail comes before the message.
            let mut next = Next::EMPTY;
            let ret = self.make(ctx, true, &mut next);
            if ret != 0 {
                return ret;
            }
            (*ctx).out_msgtype = sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int;
            (*ctx).out_msglen = KEY_UPDATE;
            (*ctx).out_msg.cast::<[u8; KEY_UPDATE]>().write([KEY_UPDATE_TYPE, 0, 0, 1, 0]);
            // This side has data to send, and not only keys to renew.
            self.in_a_row.set(0);
            let written = mbedtls_ssl_write_record(ctx, 1);
            if written != 0 && (*ctx).out_left == 0 {
                return written;
            }
            self.due.set(false);
            self.change_to(ctx, true, &mut next);
            (*ctx).cur_out_ctr = [0; COUNTER];
            written
        }
    }

    /// Makes what comes next of one direction. 0, or that memory is wanted: the call can be made again.
    ///
    /// # Safety
    ///
    /// The connection is theirs, set up, its call under way.
    unsafe fn make(&self, ctx: *mut sys::mbedtls_ssl_context, own: bool, next: &mut Next) -> c_int {
        // SAFETY: by this function's contract: the transform is the connection's own, its ciphers set
        // up; nobody changes the secrets meanwhile. None raises.
        unsafe {
            let (Some(transform), Some(call)) = ((*ctx).transform_application.as_mut(), Call::under_way(ctx))
            else {
                return sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR;
            };
            let [client, server] = &*self.of.get();
            let secret = if own == is_client(ctx) { client } else { server };
            let (cipher, _) = of_direction(transform, own);
            let (info, bits, iv_len) = (cipher.cipher_info, cipher.key_bitlen, transform.ivlen);
            call.with_memory(|| {
                next.cipher.cipher_info = info;
                let mut ret = set_up_cipher(&mut next.cipher);
                let hash = (self.hash, self.hash_len);
                if ret == 0 {
                    let to = next.secret.get_mut(..self.hash_len).unwrap_or_default();
                    ret = expand_label(hash, secret, b"traffic upd", &[], to);
                }
                if ret == 0 {
                    let operation = if own { sys::MBEDTLS_ENCRYPT } else { sys::MBEDTLS_DECRYPT };
                    let iv = next.iv.get_mut(..iv_len).unwrap_or_default();
                    ret = set_key(hash, &next.secret, &mut next.cipher, iv, bits, operation);
                }
                ret
            })
        }
    }

    /// Has one direction go on with what [`Self::make`] has made; what it had is in `next` then.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn change_to(&self, ctx: *mut sys::mbedtls_ssl_context, own: bool, next: &mut Next) {
        // SAFETY: by this function's contract: the transform is the connection's own; nobody else looks at the
        // secrets.
        unsafe {
            let Some(transform) = (*ctx).transform_application.as_mut() else { return };
            let (cipher, iv) = of_direction(transform, own);
            core::mem::swap(cipher, &mut next.cipher);
            *iv = next.iv;
            let [client, server] = &mut *self.of.get();
            *(if own == is_client(ctx) { client } else { server }) = next.secret;
        }
    }
}

/// The cipher and the IV of one direction.
fn of_direction(
    transform: &mut sys::mbedtls_ssl_transform,
    own: bool,
) -> (&mut sys::mbedtls_cipher_context_t, &mut [c_uchar; 16]) {
    if own {
        (&mut transform.cipher_ctx_enc, &mut transform.iv_enc)
    } else {
        (&mut transform.cipher_ctx_dec, &mut transform.iv_dec)
    }
}

/// What one direction goes on with after a KeyUpdate, beside what it has: without memory nothing has changed. It
/// is filled where it lies, for what is moved leaves a copy.
struct Next {
    secret: [u8; HASH_MAX],
    cipher: sys::mbedtls_cipher_context_t,
    iv: [c_uchar; 16],
}

impl Next {
    // SAFETY: all zeros is what `mbedtls_cipher_init` makes; a C struct of numbers and pointers.
    const EMPTY: Self = Self { secret: [0; HASH_MAX], cipher: unsafe { core::mem::zeroed() }, iv: [0; 16] };
}

impl Drop for Next {
    fn drop(&mut self) {
        // SAFETY: the cipher is set up or empty, and this one's. Does not raise.
        unsafe { sys::mbedtls_cipher_free(&raw mut self.cipher) };
        sys::zeroize(&mut self.secret);
        sys::zeroize(&mut self.iv);
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        sys::zeroize(self.of.get_mut().as_flattened_mut());
    }
}
