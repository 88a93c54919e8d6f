// SPDX-License-Identifier: MIT OR Apache-2.0
//! What TLS 1.3 (RFC 8446) forbids in a peer's message of the handshake, and Mbed TLS passes over; and a
//! message that it does not read. A step's message is read before the step, and kept for it.
//!
//! A server goes over to TLS 1.2 by itself for a hello without the extension that names versions. Mbed TLS
//! does so too, but looks at it as at one of TLS 1.3 first, which must have extensions.

use core::ffi::{c_int, c_uint};

use super::super::sys;
use super::layout::is_client;
use super::messages::awaits_flight;
#[cfg(mbedtls_ssl_srv_c)]
use super::peer_messages::note_suites;
use super::peer_messages::{
    Checked, DECODE_ERROR, ILLEGAL_PARAMETER, UNEXPECTED_MESSAGE, UNSUPPORTED_EXTENSION, all_of, are_pairs,
    client_hello, is_any_twice, only, suites,
};
use super::spent::can_read;
use super::tls13_records::{MESSAGE, has_retried, read};
use crate::mem::slice_mut;
use crate::wire::Fields;

unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h), and linkable. Does not raise.
    fn mbedtls_ssl_get_extension_id(kind: c_uint) -> u32;
}

const TLS_1_3: [u8; 2] = [3, 4];
/// A ServerHello's random number that says it is a HelloRetryRequest (4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Before a step of the handshake: reads its message, if it has one, and looks at it. 0, or what the
/// handshake is to answer. The version may be TLS 1.2 then, for a server.
///
/// # Safety
///
/// The connection is set up, its call under way, in a handshake that may be of TLS 1.3; nothing is half
/// written.
pub(super) unsafe fn before_step(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract; nobody else refers to the message. None raises.
    unsafe {
        if !reads(ctx) {
            return 0;
        }
        if !can_read(ctx) {
            return sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        }
        let ret = read(ctx);
        if ret != 0 {
            return ret;
        }
        (*ctx).keep_current_message = 1;
        if (*ctx).in_msgtype != sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int {
            return 0;
        }
        // "Handshake messages MUST NOT span key changes" (5.1): what is behind is of the same record.
        let is_last = (*ctx).in_hslen == (*ctx).in_msglen;
        match slice_mut((*ctx).in_msg, (*ctx).in_hslen).split_at_checked(MESSAGE) {
            Some(([kind, ..], body)) => check(ctx, (*kind).into(), body, is_last).err().unwrap_or(0),
            _ => 0,
        }
    }
}

/// Whether the next step reads a message.
///
/// # Safety
///
/// The connection is set up.
unsafe fn reads(ctx: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    let (client, state) = unsafe { (is_client(ctx), sys::mbedtls_ssl_states::try_from((*ctx).state)) };
    let Ok(state) = state else { return false };
    if client {
        state == sys::MBEDTLS_SSL_SERVER_HELLO || awaits_flight(state)
    } else {
        matches!(
            state,
            sys::MBEDTLS_SSL_CLIENT_HELLO
                | sys::MBEDTLS_SSL_CLIENT_CERTIFICATE
                | sys::MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY
                | sys::MBEDTLS_SSL_CLIENT_FINISHED
        )
    }
}

/// # Safety
///
/// As [`before_step`].
unsafe fn check(ctx: *mut sys::mbedtls_ssl_context, kind: u32, body: &[u8], is_last: bool) -> Checked {
    match kind {
        // SAFETY: by this function's contract.
        sys::MBEDTLS_SSL_HS_CLIENT_HELLO => unsafe { check_client_hello(ctx, body) },
        // SAFETY: likewise.
        sys::MBEDTLS_SSL_HS_SERVER_HELLO => unsafe { check_server_hello(ctx, body, is_last) },
        sys::MBEDTLS_SSL_HS_ENCRYPTED_EXTENSIONS => {
            let extensions = only(body, 2).unwrap_or_default();
            are_known(extensions)?;
            // "The 'extension_data' field of this extension SHALL be empty" (RFC 6066 3).
            let name = find(extensions, sys::MBEDTLS_TLS_EXT_SERVERNAME).unwrap_or_default();
            if name.is_empty() { Ok(()) } else { Err(DECODE_ERROR) }
        }
        sys::MBEDTLS_SSL_HS_CERTIFICATE => {
            let mut fields = Fields(body);
            let list = fields.vector(1).and_then(|_| fields.vector(3));
            // "If the server supplies an empty Certificate message, the client MUST abort the handshake with
            // a 'decode_error' alert" (4.4.2.4).
            // SAFETY: by this function's contract.
            if list.is_some_and(<[u8]>::is_empty) && unsafe { is_client(ctx) } {
                return Err(DECODE_ERROR);
            }
            Ok(())
        }
        sys::MBEDTLS_SSL_HS_CERTIFICATE_REQUEST => {
            let mut fields = Fields(body);
            let Some(context) = fields.vector(1) else { return Ok(()) };
            // "This field SHALL be zero length unless used for the post-handshake authentication" (4.3.2).
            if !context.is_empty() {
                return Err(DECODE_ERROR);
            }
            let extensions = fields.vector(2).unwrap_or_default();
            if let Some(schemes) = find(extensions, sys::MBEDTLS_TLS_EXT_SIG_ALG) {
                are_pairs(only(schemes, 2).ok_or(DECODE_ERROR)?)?;
            }
            authorities(extensions)
        }
        sys::MBEDTLS_SSL_HS_CERTIFICATE_VERIFY => {
            let mut fields = Fields(body);
            let (Some(scheme), Some(_), []) = (fields.short(), fields.vector(2), fields.0) else {
                return Err(DECODE_ERROR);
            };
            // A curve has its own, and RSA those of PSS: "RSASSA-PKCS1-v1_5 [...] not defined for use in
            // signed TLS handshake messages" (4.2.3). Mbed TLS asks only whether it was offered.
            // SAFETY: by this function's contract: the certificate is the session's own, which does not
            // change meanwhile.
            let matches = unsafe {
                let session = (*ctx).session_negotiate.as_ref();
                session.and_then(|session| session.peer_cert.as_mut()).is_none_or(|cert| {
                    sys::mbedtls_ssl_tls13_check_sig_alg_cert_key_match(scheme, &raw mut cert.pk) != 0
                })
            };
            if matches { Ok(()) } else { Err(ILLEGAL_PARAMETER) }
        }
        _ => Ok(()),
    }
}

/// In an answer to a hello, those that Mbed TLS does not know cannot have been asked for: "upon receiving
/// such an extension, an endpoint MUST abort the handshake with an 'unsupported_extension' alert" (4.2). But
/// for one of TLS 1.2's, which a suite asks for.
fn are_known(extensions: &[u8]) -> Checked {
    // SAFETY: looks into a list of its own; does not raise.
    let is_unknown = |kind: u16| unsafe {
        u32::from(kind) != sys::MBEDTLS_TLS_EXT_RENEGOTIATION_INFO
            && mbedtls_ssl_get_extension_id(kind.into()) == 0
    };
    if all_of(extensions).any(|(kind, _)| is_unknown(kind)) { Err(UNSUPPORTED_EXTENSION) } else { Ok(()) }
}

/// What an extension of this type has.
fn find(extensions: &[u8], kind: u32) -> Option<&[u8]> {
    all_of(extensions).find_map(|(found, data)| (u32::from(found) == kind).then_some(data))
}

/// The names of authorities, of which there is one at least, and each has a byte at least (4.2.4).
fn authorities(extensions: &[u8]) -> Checked {
    let Some(data) = find(extensions, sys::MBEDTLS_TLS_EXT_CERT_AUTH) else { return Ok(()) };
    let mut names = Fields(only(data, 2).ok_or(DECODE_ERROR)?);
    loop {
        if names.vector(2).is_none_or(<[u8]>::is_empty) {
            return Err(DECODE_ERROR);
        }
        if names.0.is_empty() {
            return Ok(());
        }
    }
}

/// # Safety
///
/// As [`before_step`], at a server.
unsafe fn check_client_hello(ctx: *mut sys::mbedtls_ssl_context, body: &[u8]) -> Checked {
    let mut fields = Fields(body);
    let before = suites(&mut fields, false).and_then(|_| fields.vector(1));
    // What cannot be read otherwise is Mbed TLS's to refuse.
    if before.is_none() {
        return Ok(());
    }
    let extensions = fields.vector(2).unwrap_or_default();
    // SAFETY: by this function's contract.
    let (retried, lowest) = unsafe { (has_retried(ctx), (*(*ctx).conf).min_tls_version) };
    let Some(versions) = find(extensions, sys::MBEDTLS_TLS_EXT_SUPPORTED_VERSIONS) else {
        if retried {
            return Err(ILLEGAL_PARAMETER);
        }
        if lowest > sys::MBEDTLS_SSL_VERSION_TLS1_2 {
            return Err(sys::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION);
        }
        // "If this extension is not present, servers [...] MUST negotiate TLS 1.2 or prior" (4.2.1).
        // SAFETY: by this function's contract.
        unsafe { (*ctx).tls_version = sys::MBEDTLS_SSL_VERSION_TLS1_2 };
        return Ok(());
    };
    if !versions.get(1..).unwrap_or_default().chunks_exact(2).any(|version| version == TLS_1_3) {
        return Ok(());
    }
    if !fields.0.is_empty() {
        return Err(DECODE_ERROR);
    }
    client_hello(body, false)?;
    #[cfg(mbedtls_ssl_srv_c)]
    // SAFETY: by this function's contract.
    unsafe {
        note_suites(ctx, body, false);
    }
    authorities(extensions)?;
    // SAFETY: likewise.
    #[cfg(mbedtls_ssl_srv_c)]
    if let Some(handshake) = unsafe { (*ctx).handshake.as_ref() }
        && retried
        && handshake.hrr_selected_group != 0
    {
        // "Containing only a new KeyShareEntry for the group indicated in the selected_group field" (4.2.8).
        let mut shares = Fields(
            find(extensions, sys::MBEDTLS_TLS_EXT_KEY_SHARE)
                .and_then(|data| only(data, 2))
                .unwrap_or_default(),
        );
        let (group, _) = (shares.short(), shares.vector(2));
        if group.is_some_and(|group| group != handshake.hrr_selected_group) || !shares.0.is_empty() {
            return Err(ILLEGAL_PARAMETER);
        }
    }
    Ok(())
}

/// # Safety
///
/// As [`before_step`], at a client.
unsafe fn check_server_hello(ctx: *const sys::mbedtls_ssl_context, body: &[u8], is_last: bool) -> Checked {
    let mut fields = Fields(body);
    let random = fields.take(2).and_then(|_| fields.take(32));
    let extensions = fields.vector(1).and_then(|_| fields.take(3)).and_then(|_| fields.vector(2));
    let (Some(random), Some(extensions)) = (random, extensions) else { return Ok(()) };
    if find(extensions, sys::MBEDTLS_TLS_EXT_SUPPORTED_VERSIONS).is_none() {
        // SAFETY: by this function's contract.
        let lowest = unsafe { (*(*ctx).conf).min_tls_version };
        // "If the version chosen by the server is not supported by the client (or is not acceptable), the
        // client MUST abort the handshake with a 'protocol_version' alert" (appendix D.1).
        let is_too_low = random != RETRY && lowest > sys::MBEDTLS_SSL_VERSION_TLS1_2;
        return if is_too_low { Err(sys::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION) } else { Ok(()) };
    }
    if !is_last {
        return Err(UNEXPECTED_MESSAGE);
    }
    if !fields.0.is_empty() {
        return Err(DECODE_ERROR);
    }
    are_known(extensions)?;
    if is_any_twice(extensions) {
        return Err(ILLEGAL_PARAMETER);
    }
    if random == RETRY {
        let cookie = find(extensions, sys::MBEDTLS_TLS_EXT_COOKIE);
        // opaque cookie<1..2^16-1> (4.2.2).
        if cookie.is_some_and(|cookie| only(cookie, 2).is_none_or(<[u8]>::is_empty)) {
            return Err(DECODE_ERROR);
        }
        // "Clients MUST abort the handshake with an 'illegal_parameter' alert if the HelloRetryRequest
        // would not result in any change in the ClientHello" (4.1.4).
        if cookie.is_none() && find(extensions, sys::MBEDTLS_TLS_EXT_KEY_SHARE).is_none() {
            return Err(ILLEGAL_PARAMETER);
        }
    }
    Ok(())
}
