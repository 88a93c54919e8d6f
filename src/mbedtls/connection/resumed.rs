// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of an earlier session in a stream's handshake, on either side, noted as long as Mbed TLS knows.

use core::ffi::c_int;

use super::super::sys;
use super::call::Call;
use super::flight::Facts;
#[cfg(all(tls13, sessions))]
use super::hello::offers_tls13;
use super::layout::is_client;
#[cfg(tls13)]
use super::layout::is_tls13;
#[cfg(sessions)]
use crate::micropython_sys::mpglue_free;

/// What is known of the handshake.
///
/// # Safety
///
/// The connection is set up.
unsafe fn facts(ctx: *const sys::mbedtls_ssl_context) -> Option<Facts> {
    // SAFETY: the connection is set up.
    let handshake = unsafe { (*ctx).handshake.as_ref() }?;
    let resumed = handshake.resume != 0;
    #[cfg(tls13)]
    // SAFETY: as above. Behind the ticket there may be a pre-shared key.
    let is_tls13_client = unsafe { is_tls13(ctx) && is_client(ctx) };
    #[cfg(tls13)]
    let with_psk = sys::MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_ALL;
    #[cfg(tls13)]
    let resumed = resumed
        && (!is_tls13_client
            || u32::from(handshake.key_exchange_mode) & with_psk != 0 && handshake.selected_identity == 0);
    Some(Facts { resumed, extended_ms: handshake.extended_ms != 0 })
}

/// After a step of a stream's handshake in `state`, which came to `ret`: notes what has become of an earlier
/// session. 0, or what the handshake is to answer.
///
/// # Safety
///
/// The connection is set up, its call under way.
pub(super) unsafe fn after_step(ctx: *mut sys::mbedtls_ssl_context, state: c_int, ret: c_int) -> c_int {
    // SAFETY: by this function's contract: the session under negotiation is the connection's own. None raises.
    unsafe {
        let Some(stream) = (*(*ctx).p_bio.cast::<Call<'_>>()).stream() else { return ret };
        let Some(facts) = facts(ctx) else { return ret };
        stream.facts.set(facts);
        let read_hello = ret == 0 && is_client(ctx) && state == sys::MBEDTLS_SSL_SERVER_HELLO as c_int;
        if !read_hello {
            return ret;
        }
        #[cfg(all(tls13, sessions))]
        settle_version(ctx);
        // Of TLS 1.2 a client that offers both versions has only looked at it.
        if (*ctx).tls_version != sys::MBEDTLS_SSL_VERSION_TLS1_2 || (*ctx).state == state {
            return ret;
        }
        // "If the original session used the extension but the new ServerHello does not contain the
        // extension, the client MUST abort the handshake" (RFC 7627 5.3).
        if facts.resumed && !facts.extended_ms {
            return sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE;
        }
        #[cfg(sessions)]
        if !facts.resumed
            && let Some(session) = (*ctx).session_negotiate.as_mut()
        {
            // With the new secret, an old ticket would be of no session.
            forget_ticket(session);
        }
        0
    }
}

/// Of a client that has a ServerHello, or a HelloRetryRequest, or knows that it has one of TLS 1.2 and has not
/// read it: lets go of a session of the other version. Mbed TLS takes a session for resumed by its id alone,
/// which every server can send back, and one of TLS 1.3 has no secret but zeros for TLS 1.2.
///
/// # Safety
///
/// The connection is a client's, set up, in its handshake, and agrees on a version.
#[cfg(all(tls13, sessions))]
unsafe fn settle_version(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract: the session under negotiation is the connection's own.
    unsafe {
        let was_tls13 = offers_tls13(ctx);
        let (Some(handshake), Some(session)) = ((*ctx).handshake.as_mut(), (*ctx).session_negotiate.as_mut())
        else {
            return;
        };
        if handshake.resume == 0 || was_tls13 == is_tls13(ctx) {
            return;
        }
        handshake.resume = 0;
        sys::zeroize(&mut session.master);
        sys::zeroize(&mut session.resumption_key);
        session.resumption_key_len = 0;
        // A second hello is as the first.
        if (*ctx).state != sys::MBEDTLS_SSL_CLIENT_HELLO as c_int
            && (*ctx).state != sys::MBEDTLS_SSL_CLIENT_CCS_BEFORE_2ND_CLIENT_HELLO as c_int
        {
            forget_ticket(session);
        }
    }
}

/// # Safety
///
/// The session is initialised, and owns its ticket.
#[cfg(sessions)]
unsafe fn forget_ticket(session: &mut sys::mbedtls_ssl_session) {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        if !session.ticket.is_null() {
            sys::mbedtls_platform_zeroize(session.ticket.cast(), session.ticket_len);
            mpglue_free(session.ticket.cast());
        }
    }
    (session.ticket, session.ticket_len, session.ticket_lifetime) = (core::ptr::null_mut(), 0, 0);
}
