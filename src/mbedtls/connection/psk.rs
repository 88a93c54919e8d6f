// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pre-shared keys in a handshake: a server's look-up, a client's choice, and the
//! identity hint (RFC 4279 5.2), which Mbed TLS 3.6 neither sends nor keeps.
//!
//! The handshake is taken step by step here, to be there when
//!
//! - a client is about to show its identity: Mbed TLS has it in the configuration,
//!   which is this connection's own where the host chooses;
//! - a client has read the ServerKeyExchange, which lies in the input buffer until the
//!   next message;
//! - a server is about to write that message. With plain PSK Mbed TLS writes none, and
//!   one with nothing but the hint is written here. Otherwise it writes an empty hint;
//!   the function that adds the message to the handshake's checksum, called when it is
//!   complete but for being sent, is replaced by one that puts the hint in first.

use core::ffi::{c_int, c_void};

use super::super::cookie::constant_time_eq;
use super::super::psk::{IDENTITY_MAX, KEY_MAX};
use super::super::sys::{self, zeroize};
use super::call::{Call, mbedtls_ssl_flush_output, mbedtls_ssl_write_handshake_msg_ext};
use super::layout::{OUT_CONTENT, is_client, message_header};
use crate::io::Interruption;
use crate::mem::{Array, copy, slice};
use crate::micropython_sys::MPSSL_EIO;

const SERVER_KEY_EXCHANGE: u8 = sys::MBEDTLS_SSL_HS_SERVER_KEY_EXCHANGE as u8;

/// States of a handshake, as a context keeps them; the enumeration is as wide as the ABI
/// makes it.
mod state {
    use core::ffi::c_int;

    use crate::mbedtls::sys;

    pub(super) const SERVER_KEY_EXCHANGE: c_int = sys::MBEDTLS_SSL_SERVER_KEY_EXCHANGE as c_int;
    pub(super) const CLIENT_KEY_EXCHANGE: c_int = sys::MBEDTLS_SSL_CLIENT_KEY_EXCHANGE as c_int;
    pub(super) const CERTIFICATE_REQUEST: c_int = sys::MBEDTLS_SSL_CERTIFICATE_REQUEST as c_int;
}

/// The random key's length where a client's identity is not known: that of most keys, for
/// a longer one can cost HMAC a block more.
const RANDOM_KEY: usize = 16;

/// What is to happen before a step of the handshake; 0, or what the handshake is to
/// answer. The step may be done then.
///
/// # Safety
///
/// The connection is set up and its `p_bio` a [`Call`]; its output buffer has room for
/// what the step may write.
pub(super) unsafe fn before_step(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract; none raises.
    unsafe {
        match ((*ctx).state, is_client(ctx)) {
            (state::CLIENT_KEY_EXCHANGE, true) => choose(ctx),
            (state::SERVER_KEY_EXCHANGE, false) => write_hint(ctx),
            _ => 0,
        }
    }
}

/// What is to happen after the step that was made in `state` and came to `ret`; as that.
///
/// # Safety
///
/// As [`before_step`].
pub(super) unsafe fn after_step(ctx: *mut sys::mbedtls_ssl_context, state: c_int, ret: c_int) -> c_int {
    // SAFETY: by this function's contract; none raises.
    unsafe {
        match ret {
            0 if is_client(ctx) && state == state::SERVER_KEY_EXCHANGE => keep_hint(ctx),
            ret => ret,
        }
    }
}

/// The key exchange of the suite that is being agreed on.
///
/// # Safety
///
/// As [`before_step`], in a handshake.
unsafe fn key_exchange(ctx: *mut sys::mbedtls_ssl_context) -> sys::mbedtls_key_exchange_type_t {
    // SAFETY: by this function's contract: the suite is NULL or static.
    unsafe {
        (*(*ctx).handshake)
            .ciphersuite_info
            .as_ref()
            .map_or(sys::MBEDTLS_KEY_EXCHANGE_NONE, |suite| suite.key_exchange.into())
    }
}

fn is_psk(key_exchange: sys::mbedtls_key_exchange_type_t) -> bool {
    matches!(
        key_exchange,
        sys::MBEDTLS_KEY_EXCHANGE_PSK
            | sys::MBEDTLS_KEY_EXCHANGE_DHE_PSK
            | sys::MBEDTLS_KEY_EXCHANGE_ECDHE_PSK
            | sys::MBEDTLS_KEY_EXCHANGE_RSA_PSK
    )
}

/// Client: asks the host for identity and key, once.
///
/// # Safety
///
/// As [`before_step`].
unsafe fn choose(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract; the call's pointers are valid while it runs.
    let (call, psk) = unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        (call, &*call.psk)
    };
    // SAFETY: as above.
    let (config, key_exchange) = unsafe { (&*call.config, key_exchange(ctx)) };
    if psk.chosen || !config.psk().asks || !is_psk(key_exchange) {
        return 0;
    }
    let (mut identity, mut key) = ([0; IDENTITY_MAX], [0; KEY_MAX]);
    let hint = psk.shown.as_deref().unwrap_or_default();
    let ret = match call.host(|host| host.identity(hint, &mut identity, &mut key)) {
        Ok((0, _) | (_, 0)) => sys::MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY,
        Ok((identity_len, key_len)) => {
            // SAFETY: as above; nobody looks at it meanwhile.
            unsafe { (*call.psk).chosen = true };
            config.replace_psk(
                identity.get(..identity_len).unwrap_or_default(),
                key.get(..key_len).unwrap_or_default(),
            )
        }
        Err(why) => {
            call.interrupted(why);
            sys::MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY
        }
    };
    zeroize(&mut key);
    ret
}

/// Client: keeps the hint of the ServerKeyExchange that was read, if it was one.
///
/// # Safety
///
/// As [`before_step`].
unsafe fn keep_hint(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract; the message that was read last lies in the
    // input buffer, as long as Mbed TLS says.
    let (message, header) = unsafe {
        if !is_psk(key_exchange(ctx)) {
            return 0;
        }
        (slice((*ctx).in_msg, (*ctx).in_hslen), message_header(ctx))
    };
    let hint = match (message.first(), message.get(header..)) {
        (Some(&SERVER_KEY_EXCHANGE), Some([high, low, rest @ ..])) => {
            rest.get(..usize::from(u16::from_be_bytes([*high, *low]))).unwrap_or_default()
        }
        _ => &[],
    };
    if hint.is_empty() || hint.len() > IDENTITY_MAX {
        return 0;
    }
    match Array::copy_of(hint) {
        Ok(hint) => {
            // SAFETY: by this function's contract.
            unsafe { (*(*(*ctx).p_bio.cast::<Call<'_>>()).psk).shown = Some(hint) };
            0
        }
        Err(_) => sys::MBEDTLS_ERR_SSL_ALLOC_FAILED,
    }
}

/// Server: sees to it that the hint, if there is one, is sent.
///
/// # Safety
///
/// As [`before_step`].
unsafe fn write_hint(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract.
    let call = unsafe { &*(*ctx).p_bio.cast::<Call<'_>>() };
    // SAFETY: valid while the call runs.
    let config = unsafe { &*call.config };
    let Some(hint) = config.psk().hint.as_deref() else { return 0 };
    // SAFETY: by this function's contract.
    match unsafe { key_exchange(ctx) } {
        sys::MBEDTLS_KEY_EXCHANGE_PSK => {}
        sys::MBEDTLS_KEY_EXCHANGE_DHE_PSK | sys::MBEDTLS_KEY_EXCHANGE_ECDHE_PSK => {
            call.replace_checksum(checksum_with_hint);
            return 0;
        }
        _ => return 0,
    }
    let Ok(len) = u8::try_from(hint.len()) else { return 0 };
    // SAFETY: by this function's contract. The output buffer has room for its
    // handshake messages' headers and, at its smallest (32 bytes and more), is
    // measured here for the rest. What was written before has been sent, or is
    // appended to a datagram's flight.
    unsafe {
        let ret = mbedtls_ssl_flush_output(ctx);
        if ret != 0 {
            return ret;
        }
        let message_len = hint.len().saturating_add(4 + 2);
        if message_len > OUT_CONTENT {
            return sys::MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
        }
        let message = core::slice::from_raw_parts_mut((*ctx).out_msg, message_len);
        message.fill(0);
        if let [kind, _, _, _, _, low, to @ ..] = message {
            *kind = SERVER_KEY_EXCHANGE;
            *low = len;
            copy(to, hint);
        }
        (*ctx).out_msgtype = sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int;
        (*ctx).out_msglen = message_len;
        (*ctx).state = state::CERTIFICATE_REQUEST;
        mbedtls_ssl_write_handshake_msg_ext(ctx, 1, 1)
    }
}

/// This is called from: `mbedtls_ssl_handshake_step` →
/// `mbedtls_ssl_write_handshake_msg_ext`, for the ServerKeyExchange in the output
/// buffer, whose hint is empty.
unsafe extern "C" fn checksum_with_hint(
    ctx: *mut sys::mbedtls_ssl_context,
    _message: *const u8,
    len: usize,
) -> c_int {
    const FAILED: c_int = sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    // SAFETY: the handshake that installed this is under way: its call and what that
    // points to are valid.
    let (original, config, header) = unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        (call.update_checksum.get(), &*call.config, message_header(ctx))
    };
    let (Some(original), Some(hint)) = (original, config.psk().hint.as_deref()) else { return FAILED };
    let grown = len.saturating_add(hint.len());
    let Ok(hint_len) = u16::try_from(hint.len()) else { return FAILED };
    // The handshake header's length fields have three bytes.
    let [_, body @ ..] = u32::try_from(grown.saturating_sub(header)).unwrap_or(0).to_be_bytes();
    if grown > OUT_CONTENT {
        return sys::MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    }
    // SAFETY: the output buffer holds OUT_CONTENT_LEN bytes from out_msg on, and the
    // message is in it. Does not raise.
    unsafe {
        let message = core::slice::from_raw_parts_mut((*ctx).out_msg, grown);
        let Some(empty_end) = header.checked_add(2).filter(|&end| end <= len) else { return FAILED };
        // Backwards, for the ranges overlap.
        for at in (empty_end..len).rev() {
            let byte = message.get(at).copied().unwrap_or(0);
            if let Some(to) = message.get_mut(at.saturating_add(hint.len())) {
                *to = byte;
            }
        }
        for (at, bytes) in [
            (1, body.as_slice()),
            (header, &hint_len.to_be_bytes()),
            (empty_end, hint),
            // A datagram's header has the fragment's length too, which is all of it.
            (9, if header == 12 { body.as_slice() } else { &[] }),
        ] {
            for (to, from) in message.iter_mut().skip(at).zip(bytes) {
                *to = *from;
            }
        }
        (*ctx).out_msglen = grown;
        original(ctx, (*ctx).out_msg, grown)
    }
}

/// This is called from: `mbedtls_ssl_handshake_step` → `ssl_parse_client_psk_identity`.
pub(in super::super) unsafe extern "C" fn look_up(
    _: *mut c_void,
    ctx: *mut sys::mbedtls_ssl_context,
    identity: *const u8,
    len: usize,
) -> c_int {
    // SAFETY: the handshake that is under way has installed the call; the identity is
    // in Mbed TLS's input buffer.
    let (call, identity) = unsafe { (&*(*ctx).p_bio.cast::<Call<'_>>(), slice(identity, len)) };
    let (mut random, mut key) = ([0; RANDOM_KEY], [0; KEY_MAX]);
    let ret = match find(call, identity, &mut random, &mut key) {
        Ok(len) => {
            let key = key.get(..len).filter(|key| !key.is_empty()).unwrap_or(&random);
            // SAFETY: Mbed TLS copies the bytes; does not raise.
            let ret = unsafe { sys::mbedtls_ssl_set_hs_psk(ctx, key.as_ptr(), key.len()) };
            // Mbed TLS takes any failure here for an unknown identity.
            if ret == sys::MBEDTLS_ERR_SSL_ALLOC_FAILED {
                call.interrupted(Interruption::NoMemory);
            }
            ret
        }
        Err(why) => {
            call.interrupted(why);
            sys::MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY
        }
    };
    zeroize(&mut key);
    zeroize(&mut random);
    ret
}

/// The length of the key for `identity`, which is written to `key`; 0: nobody's, and
/// `random` is to be used.
fn find(
    call: &Call<'_>,
    identity: &[u8],
    random: &mut [u8],
    key: &mut [u8],
) -> core::result::Result<usize, Interruption> {
    // SAFETY: valid while the call runs.
    let config = unsafe { &*call.config };
    // Made for known identities too, which are to take the same time.
    config.rng().fill(random).map_err(|_| Interruption::Errno(MPSSL_EIO.cast_signed()))?;
    if identity.len() > IDENTITY_MAX {
        return Ok(0);
    }
    let seen = Array::copy_of(identity).map_err(|_| Interruption::NoMemory)?;
    // SAFETY: as above.
    unsafe { (*call.psk).shown = Some(seen) };
    match &config.psk().pair {
        Some(pair) if constant_time_eq(pair.identity(), identity) => {
            for (to, from) in key.iter_mut().zip(pair.key()) {
                *to = *from;
            }
            Ok(pair.key().len())
        }
        _ if config.psk().asks => call.host(|host| host.key(identity, key)),
        _ => Ok(0),
    }
}
