// SPDX-License-Identifier: MIT OR Apache-2.0
//! The alert that the RFC has for what a peer did wrong, where Mbed TLS has another one, or none:
//! its errors are fewer than the reasons for them. What came is still in the input buffer.

use core::ffi::c_int;

use super::super::default_ciphers::is_tls13_suite;
use super::super::sys;
use super::layout::{is_client, is_datagram, is_tls13, message_header};
use crate::wire::Fields;

const UNEXPECTED_MESSAGE: u8 = sys::MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE as u8;
const RECORD_OVERFLOW: u8 = sys::MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW as u8;
/// Records in the clear that a handshake of TLS 1.3 may have between others.
const IN_HANDSHAKE: [u8; 2] =
    [sys::MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC as u8, sys::MBEDTLS_SSL_MSG_ALERT as u8];
const SERVER_HELLO: u8 = sys::MBEDTLS_SSL_HS_SERVER_HELLO as u8;
const ILLEGAL_PARAMETER: u8 = sys::MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER as u8;

/// What is to be said of the error `ret`; `None`: what the error says.
///
/// # Safety
///
/// The connection has an input buffer of `size` bytes, which Mbed TLS has not read on in since.
pub(super) unsafe fn for_error(ssl: *const sys::mbedtls_ssl_context, size: usize, ret: c_int) -> Option<u8> {
    // SAFETY: by this function's contract.
    unsafe {
        match ret {
            sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE if takes_choice(ssl) => Some(ILLEGAL_PARAMETER),
            sys::MBEDTLS_ERR_SSL_INVALID_RECORD | sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA => {
                let right = for_record(ssl, size).or_else(|| for_server_hello(ssl, size));
                right.or_else(|| match ret {
                    sys::MBEDTLS_ERR_SSL_INVALID_RECORD => for_content(ssl),
                    _ => takes_choice(ssl).then_some(ILLEGAL_PARAMETER),
                })
            }
            sys::MBEDTLS_ERR_SSL_DECODE_ERROR => for_message(ssl, size),
            _ => None,
        }
    }
}

/// What is to be said where Mbed TLS is about to say `alert`.
///
/// # Safety
///
/// As [`for_error`].
pub(super) unsafe fn in_place_of(ssl: *const sys::mbedtls_ssl_context, size: usize, alert: u8) -> u8 {
    // SAFETY: by this function's contract.
    let right = unsafe {
        match alert.into() {
            sys::MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR => for_message(ssl, size),
            sys::MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE if takes_choice(ssl) => Some(ILLEGAL_PARAMETER),
            sys::MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR | sys::MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE => {
                for_server_hello(ssl, size)
            }
            _ => None,
        }
    };
    right.unwrap_or(alert)
}

/// Whether it is the peer's share of a key of TLS 1.3 that is wrong, or the protocol that a server has
/// chosen (RFC 7301).
///
/// # Safety
///
/// The connection is set up.
unsafe fn takes_choice(ssl: *const sys::mbedtls_ssl_context) -> bool {
    #[cfg(tls13)]
    // SAFETY: by this function's contract.
    unsafe {
        let chooses = is_client(ssl) && (*ssl).state == sys::MBEDTLS_SSL_ENCRYPTED_EXTENSIONS as c_int;
        // Without a pre-shared key, say, where this side wants one.
        let is_other_way = (*ssl).handshake.as_ref().is_some_and(|handshake| {
            let way = c_int::from(handshake.key_exchange_mode);
            way != 0 && way & (*(*ssl).conf).tls13_kex_modes == 0
        });
        let shares = (*ssl).state == sys::MBEDTLS_SSL_SERVER_HELLO as c_int && !is_other_way;
        is_tls13(ssl) && (shares || chooses)
    }
    #[cfg(not(tls13))]
    {
        let _ = ssl;
        false
    }
}

/// Of a record that is none.
///
/// # Safety
///
/// As [`for_error`].
unsafe fn for_record(ssl: *const sys::mbedtls_ssl_context, size: usize) -> Option<u8> {
    // SAFETY: by the caller's contract a header is where Mbed TLS was told of it.
    unsafe {
        let content_type = *within(ssl, size, (*ssl).in_hdr, 1).first()?;
        let len = *within(ssl, size, (*ssl).in_len, 2).first_chunk()?;
        for_header(ssl, content_type, u16::from_be_bytes(len).into())
    }
}

/// Of a record with this header, which comes next.
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn for_header(
    ssl: *const sys::mbedtls_ssl_context,
    content_type: u8,
    len: usize,
) -> Option<u8> {
    // SAFETY: by this function's contract.
    let (transform, datagram, over, tls13) = unsafe {
        let over = (*ssl).state == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        ((*ssl).transform_in.as_ref(), is_datagram(ssl), over, is_tls13(ssl))
    };
    let first = match transform {
        // "The outer opaque_type field of a TLSCiphertext record is always set to the value 23" (RFC 8446
        // 5.2). A ChangeCipherSpec stands for nothing until "the peer's Finished message has been received"
        // (5), and an alert in the clear, of a client that has not come to keys, does not authenticate.
        Some(_) if tls13 && (over || !IN_HANDSHAKE.contains(&content_type)) => {
            sys::MBEDTLS_SSL_MSG_APPLICATION_DATA..=sys::MBEDTLS_SSL_MSG_APPLICATION_DATA
        }
        Some(_) => sys::MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC..=sys::MBEDTLS_SSL_MSG_APPLICATION_DATA,
        // Data are never in the clear.
        None => sys::MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC..=sys::MBEDTLS_SSL_MSG_HANDSHAKE,
    };
    // "If a TLS implementation receives an unexpected record type, it MUST send an unexpected_message
    // alert" (RFC 5246 6). Datagrams have one more type.
    if !datagram && !first.contains(&content_type.into()) {
        return Some(UNEXPECTED_MESSAGE);
    }
    // "The length MUST NOT exceed 2^14" (6.2.1), or what this build has room for; encrypted, it has
    // at least so much more. "The full encoded TLSInnerPlaintext MUST NOT exceed 2^14 + 1 octets", padding
    // included (RFC 8446 5.4).
    let more = transform.map_or(0, |of| if tls13 { of.taglen.saturating_add(1) } else { of.minlen });
    let longest = (sys::MBEDTLS_SSL_IN_CONTENT_LEN as usize).saturating_add(more);
    (len > longest).then_some(RECORD_OVERFLOW)
}

/// Of a record of TLS 1.3 that is one, and not so what it had encrypted: none of the types that there are,
/// or nothing but padding, for which "it MUST terminate the connection with an 'unexpected_message' alert"
/// (RFC 8446 5.4), or nothing of the handshake (5.1). An alert of another length than alerts have can only
/// not be decoded.
///
/// # Safety
///
/// As [`for_error`].
unsafe fn for_content(ssl: *const sys::mbedtls_ssl_context) -> Option<u8> {
    // SAFETY: by this function's contract.
    unsafe {
        let is_protected = is_tls13(ssl) && !(*ssl).transform_in.is_null();
        let is_alert = (*ssl).in_msgtype == sys::MBEDTLS_SSL_MSG_ALERT as c_int;
        (is_protected && !is_alert).then_some(UNEXPECTED_MESSAGE)
    }
}

/// Of a ServerHello with a suite that there is not, or not in TLS 1.2: it was not in the client's list (7.4.1.3).
///
/// # Safety
///
/// As [`for_error`].
unsafe fn for_server_hello(ssl: *const sys::mbedtls_ssl_context, size: usize) -> Option<u8> {
    // SAFETY: by the caller's contract; looks into a static list, and does not raise.
    unsafe {
        let (_, body) = message(ssl, size).filter(|(kind, _)| *kind == SERVER_HELLO && is_client(ssl))?;
        // Behind the version, the random number and the session's ID.
        let mut fields = Fields(body.get(34..)?);
        fields.vector(1)?;
        let suite = fields.short()?.into();
        let known = sys::mbedtls_ssl_ciphersuite_from_id(suite);
        let is_other = is_tls13_suite(suite) && !is_tls13(ssl);
        (known.is_null() || is_other).then_some(ILLEGAL_PARAMETER)
    }
}

/// Of a message that cannot be read: it may be another one than comes next, or have all its parts, of
/// which one is wrong.
///
/// # Safety
///
/// As [`for_error`].
unsafe fn for_message(ssl: *const sys::mbedtls_ssl_context, size: usize) -> Option<u8> {
    // SAFETY: by the caller's contract; the suite is static.
    unsafe {
        let (kind, body) = message(ssl, size)?;
        let expected = expected((*ssl).state, is_datagram(ssl));
        if !expected.is_empty() && !expected.contains(&kind.into()) {
            return Some(UNEXPECTED_MESSAGE);
        }
        let suite = (*ssl).handshake.as_ref()?.ciphersuite_info.as_ref()?;
        let whole = (*ssl).state == sys::MBEDTLS_SSL_CLIENT_KEY_EXCHANGE as c_int
            && is_whole(suite.key_exchange.into(), body)?;
        whole.then_some(ILLEGAL_PARAMETER)
    }
}

/// The message of a handshake that came last: its kind, and what is behind its header.
///
/// # Safety
///
/// As [`for_error`].
unsafe fn message<'a>(ssl: *const sys::mbedtls_ssl_context, size: usize) -> Option<(u8, &'a [u8])> {
    // SAFETY: by the caller's contract it is in the buffer, in a record of `in_msglen` bytes.
    unsafe {
        if (*ssl).in_msgtype != sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int || (*ssl).handshake.is_null() {
            return None;
        }
        let message = within(ssl, size, (*ssl).in_msg, (*ssl).in_hslen.min((*ssl).in_msglen));
        Some((*message.first()?, message.get(message_header(ssl)..)?))
    }
}

/// As many of the `len` bytes at `at` as lie in the input buffer: Mbed TLS's lengths may be of a
/// message before, and the buffer be another one by now.
///
/// # Safety
///
/// As [`for_error`]; `at` is NULL or one of the connection's pointers into that buffer.
pub(super) unsafe fn within<'a>(
    ssl: *const sys::mbedtls_ssl_context,
    size: usize,
    at: *const u8,
    len: usize,
) -> &'a [u8] {
    // SAFETY: by this function's contract both pointers are into one buffer.
    unsafe {
        if at.is_null() || (*ssl).in_buf.is_null() {
            return &[];
        }
        let before = at.offset_from_unsigned((*ssl).in_buf);
        core::slice::from_raw_parts(at, len.min(size.saturating_sub(before)))
    }
}

/// The messages that come next.
fn expected(state: c_int, datagram: bool) -> &'static [u32] {
    // An enumeration is of a byte on some processors.
    match sys::mbedtls_ssl_states::try_from(state).unwrap_or(sys::mbedtls_ssl_states::MAX) {
        sys::MBEDTLS_SSL_SERVER_HELLO if datagram => {
            &[sys::MBEDTLS_SSL_HS_SERVER_HELLO, sys::MBEDTLS_SSL_HS_HELLO_VERIFY_REQUEST]
        }
        sys::MBEDTLS_SSL_SERVER_HELLO => &[sys::MBEDTLS_SSL_HS_SERVER_HELLO],
        // In this state Mbed TLS also looks at a CertificateRequest.
        sys::MBEDTLS_SSL_SERVER_HELLO_DONE => {
            &[sys::MBEDTLS_SSL_HS_CERTIFICATE_REQUEST, sys::MBEDTLS_SSL_HS_SERVER_HELLO_DONE]
        }
        _ => &[],
    }
}

/// Whether a ClientKeyExchange has all its parts and nothing else (RFC 5246 7.4.7, RFC 8422 5.7, RFC
/// 5489 2): then it is the key share that is wrong.
fn is_whole(key_exchange: sys::mbedtls_key_exchange_type_t, body: &[u8]) -> Option<bool> {
    let (identity, share) = match key_exchange {
        sys::MBEDTLS_KEY_EXCHANGE_ECDHE_RSA | sys::MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA => (false, 1),
        sys::MBEDTLS_KEY_EXCHANGE_ECDHE_PSK => (true, 1),
        sys::MBEDTLS_KEY_EXCHANGE_DHE_RSA => (false, 2),
        sys::MBEDTLS_KEY_EXCHANGE_DHE_PSK => (true, 2),
        _ => return Some(false),
    };
    let mut fields = Fields(body);
    if identity {
        fields.vector(2)?;
    }
    let share = fields.vector(share)?;
    Some(!share.is_empty() && fields.0.is_empty())
}
