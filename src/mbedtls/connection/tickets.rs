// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server's tickets in a handshake. Mbed TLS writes a ticket for whoever asks, as far as its own buffer
//! would reach, and takes any that its keys open, whatever is in it. So it is led here, for the steps that do
//! so, by a configuration that differs in that alone. There is no ticket
//!
//! - for a client that was let in by something that a ticket does not hold: a pre-shared key (its identity
//!   would be lost), the host's callbacks (they would not be asked again), and in TLS 1.3 a certificate;
//! - of TLS 1.2 without an extended master secret (RFC 7627 5.4);
//!
//! and none is taken
//!
//! - in a handshake of another version: a ticket of TLS 1.3, which anybody on the way can read, holds none of
//!   TLS 1.2's secrets, and Mbed TLS would go on with zeros;
//! - with a client's certificate that has expired since, or without one where one is required.

use core::ffi::{c_int, c_void};

use super::super::sys;
use super::call::Call;
use super::flight::Shown;

/// Runs a step of the handshake, with tickets where the connection is a server's that has any.
///
/// # Safety
///
/// The connection is set up, its call under way, its handshake not over.
pub(super) unsafe fn with_tickets(ctx: *mut sys::mbedtls_ssl_context, step: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: by this function's contract. The step has a configuration that differs in its callbacks alone,
    // and nobody keeps a pointer to it. None raises.
    unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        let state = sys::mbedtls_ssl_states::try_from((*ctx).state);
        let may_have = matches!(
            state,
            Ok(sys::MBEDTLS_SSL_CLIENT_HELLO
                | sys::MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC
                | sys::MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET)
        );
        let is_certified = state == Ok(sys::MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET)
            && [(*ctx).session, (*ctx).session_negotiate]
                .iter()
                .any(|session| session.as_ref().is_some_and(|session| !session.peer_cert.is_null()));
        if !may_have || is_certified || !call.issues || (*call.config).tickets().is_none() {
            return step();
        }
        let conf = (*ctx).conf;
        let mut own = conf.read();
        own.f_ticket_write = Some(write);
        own.f_ticket_parse = Some(parse);
        own.p_ticket = ctx.cast();
        (*ctx).conf = &raw const own;
        let ret = step();
        (*ctx).conf = conf;
        if ret == 0 && state == Ok(sys::MBEDTLS_SSL_CLIENT_HELLO) {
            check_suite(ctx, call);
        }
        ret
    }
}

/// Makes a handshake a full one again that goes on with a ticket's session, and another suite than that has:
/// Mbed TLS chooses as ever. Nothing of the session stays.
///
/// # Safety
///
/// The connection has read its client's hello.
unsafe fn check_suite(ctx: *mut sys::mbedtls_ssl_context, call: &Call<'_>) {
    // SAFETY: by this function's contract: the session under negotiation is the connection's own. None raises.
    unsafe {
        let (Some(handshake), Some(session), Some(stream)) =
            ((*ctx).handshake.as_mut(), (*ctx).session_negotiate.as_mut(), call.stream())
        else {
            return;
        };
        if (*ctx).tls_version != sys::MBEDTLS_SSL_VERSION_TLS1_2
            || handshake.resume == 0
            || session.ciphersuite == stream.ticket_suite.get()
        {
            return;
        }
        let (suite, endpoint) = (session.ciphersuite, session.endpoint);
        sys::mbedtls_ssl_session_free(session);
        sys::mbedtls_ssl_session_init(session);
        (session.ciphersuite, session.endpoint) = (suite, endpoint);
        session.tls_version = sys::MBEDTLS_SSL_VERSION_TLS1_2;
        handshake.resume = 0;
        handshake.new_session_ticket = 1;
    }
}

/// Between a client's hello and the choice of a suite: what RFC 7627 5.3 says of a session that goes on. 0, or
/// what the handshake is to answer.
///
/// # Safety
///
/// The connection is set up, in its handshake.
pub(super) unsafe fn check_hello(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        let Some(handshake) = (*ctx).handshake.as_mut() else { return 0 };
        if (*ctx).tls_version != sys::MBEDTLS_SSL_VERSION_TLS1_2 || handshake.extended_ms != 0 {
            return 0;
        }
        handshake.new_session_ticket = 0;
        // "If the original session used the extension but the new ClientHello does not contain it, the server
        // MUST abort the abbreviated handshake."
        if handshake.resume == 0 { 0 } else { sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE }
    }
}

/// This is called from: `ssl_write_new_session_ticket`, `ssl_tls13_write_new_session_ticket_body`.
unsafe extern "C" fn write(
    ctx: *mut c_void,
    session: *const sys::mbedtls_ssl_session,
    start: *mut u8,
    end: *const u8,
    len: *mut usize,
    lifetime: *mut u32,
) -> c_int {
    let ctx = ctx.cast::<sys::mbedtls_ssl_context>();
    // SAFETY: `with_tickets` lends the connection, whose call is under way; `start` is in its output buffer, of
    // which `end` may be beyond the end. None raises.
    unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        let Some(tickets) = (*call.config).tickets() else { return sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR };
        let room = call.buffers().output.payload();
        let own_end = (*ctx).out_msg.wrapping_add(room).cast_const();
        let end = if own_end.addr() < end.addr() { own_end } else { end };
        (*len, *lifetime) = (0, 0);
        if end.addr() < start.addr() {
            return sys::MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
        }
        sys::mbedtls_ssl_ticket_write(tickets.as_ptr().cast(), session, start, end, len, lifetime)
    }
}

/// This is called from: `ssl_parse_session_ticket_ext`, `ssl_tls13_offered_psks_check_identity_match_ticket`.
unsafe extern "C" fn parse(
    ctx: *mut c_void,
    session: *mut sys::mbedtls_ssl_session,
    ticket: *mut u8,
    len: usize,
) -> c_int {
    let ctx = ctx.cast::<sys::mbedtls_ssl_context>();
    // SAFETY: as in `write`; the ticket is Mbed TLS's, to be decrypted where it is, and so is the session,
    // which it frees where this fails. None raises.
    unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        let (Some(tickets), Some(stream)) = ((*call.config).tickets(), call.stream()) else {
            return sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        };
        let ret = sys::mbedtls_ssl_ticket_parse(tickets.as_ptr().cast(), session, ticket, len);
        // Of one whose key is gone Mbed TLS says the same.
        let is_too_old = ret == sys::MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED
            && (*session).tls_version != sys::MBEDTLS_SSL_VERSION_UNKNOWN;
        stream.shown.set(if is_too_old { Shown::TooOld } else { Shown::Ticket });
        if ret != 0 {
            return ret;
        }
        let session = &*session;
        let requires = u32::from((*(*ctx).conf).authmode) == sys::MBEDTLS_SSL_VERIFY_REQUIRED;
        let is_known = match session.peer_cert.as_ref() {
            Some(cert) => {
                sys::mbedtls_x509_time_is_past(&raw const cert.valid_to) == 0
                    && (session.verify_result == 0 || !requires)
            }
            None => !requires,
        };
        let is_good = is_known
            && session.tls_version == (*ctx).tls_version
            && u32::from(session.endpoint) == sys::MBEDTLS_SSL_IS_SERVER;
        stream.ticket_suite.set(session.ciphersuite);
        if is_good { 0 } else { sys::MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED }
    }
}
