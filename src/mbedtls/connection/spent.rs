// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a handshake has and will not use any more, given back before Mbed TLS does, at its end: what is
//! made last, keys and hashes, is what makes it as large as it gets.
//!
//! | what | until |
//! |---|---|
//! | the hash that is not the suite's | the suite is known, and no CertificateVerify may want it (TLS 1.2) |
//! | the transform that TLS 1.2 would negotiate | TLS 1.3 is agreed on |
//! | the private key of the exchange, and the group | the secret is known |
//! | of the peer's certificates all but the first one's DER, and its end | nothing more is signed with its key |
//! | of TLS 1.3's handshake keys the cipher of either direction | its last message is encrypted, or decrypted |
//! | the cipher that a client which resumes does not use yet, or any more | [`one_cipher`](super::one_cipher) |
//! | the cipher by which a server of TLS 1.3 will decrypt data | it is made, and anew when there may be any |
//!
//! What is freed here Mbed TLS frees once more: each is left as it was before it was set up.

use core::ffi::c_int;

use super::super::sys;
#[cfg(tls13)]
use super::cipher::free_cipher;
#[cfg(mbedtls_ssl_cli_c)]
use super::client_auth;
use super::layout::{is_client, is_tls13};
#[cfg(one_cipher)]
use super::one_cipher;
#[cfg(tls13)]
use super::tls13::set_up_again;
#[cfg(tls13)]
use crate::micropython_sys::mpglue_free;

/// After a step that began in this state, and came to 0.
///
/// # Safety
///
/// The connection is set up, and no call out of Mbed TLS is under way.
pub(super) unsafe fn after_step(ctx: *mut sys::mbedtls_ssl_context, before: c_int) {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        let now = (*ctx).state;
        let states = [before, now].map(|state| sys::mbedtls_ssl_states::try_from(state).ok());
        let [Some(before), Some(now)] = states else { return };
        if before == now || (*ctx).handshake.is_null() {
            return;
        }
        let client = is_client(ctx);
        if is_tls13(ctx) {
            #[cfg(tls13)]
            match (client, before) {
                (_, sys::MBEDTLS_SSL_SERVER_HELLO) if !is_retried(now) => {
                    keep_suite_hash(ctx);
                    sys::mbedtls_ssl_transform_free((*ctx).transform_negotiate);
                    mpglue_free((*ctx).transform_negotiate.cast());
                    (*ctx).transform_negotiate = core::ptr::null_mut();
                }
                (true, sys::MBEDTLS_SSL_CERTIFICATE_VERIFY)
                | (false, sys::MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY) => keep_der(ctx),
                (false, sys::MBEDTLS_SSL_SERVER_FINISHED) => {
                    if let Some(transform) = (*ctx).transform_application.as_mut() {
                        free_cipher(&mut transform.cipher_ctx_dec);
                    }
                }
                _ => {}
            }
            return;
        }
        #[cfg(one_cipher)]
        if client && before == sys::MBEDTLS_SSL_SERVER_HELLO && now > before {
            one_cipher::after_server_hello(ctx);
        }
        match (client, before) {
            // An earlier session goes on.
            (false, sys::MBEDTLS_SSL_SERVER_HELLO) if now == sys::MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC => {
                keep_suite_hash(ctx);
            }
            #[cfg(mbedtls_ssl_cli_c)]
            (true, sys::MBEDTLS_SSL_SERVER_HELLO)
                if now > sys::MBEDTLS_SSL_SERVER_HELLO && !client_auth::may_sign(ctx) =>
            {
                keep_suite_hash(ctx);
            }
            (false, sys::MBEDTLS_SSL_CLIENT_CERTIFICATE) if !has_peer_cert(ctx) => keep_suite_hash(ctx),
            (_, sys::MBEDTLS_SSL_CLIENT_KEY_EXCHANGE) => {
                free_exchange(ctx);
                if client {
                    keep_der(ctx);
                }
            }
            (_, sys::MBEDTLS_SSL_CERTIFICATE_VERIFY) => {
                keep_suite_hash(ctx);
                if !client {
                    keep_der(ctx);
                }
            }
            _ => {}
        }
    }
}

/// Before a step of TLS 1.3, of which the message has been read. 0, or that memory is missing: it can be tried
/// again.
///
/// # Safety
///
/// As [`after_step`].
#[cfg(tls13)]
pub(super) unsafe fn before_step(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract: the transform is the handshake's own. None raises.
    unsafe {
        if !is_client(ctx) && (*ctx).state == sys::MBEDTLS_SSL_HANDSHAKE_WRAPUP as c_int {
            return set_up_again(ctx);
        }
        let is_finished = is_client(ctx)
            && (*ctx).state == sys::MBEDTLS_SSL_SERVER_FINISHED as c_int
            && (*ctx).keep_current_message != 0;
        if let Some(handshake) = (*ctx).handshake.as_ref().filter(|_| is_finished)
            && let Some(transform) = handshake.transform_handshake.as_mut()
        {
            free_cipher(&mut transform.cipher_ctx_dec);
        }
        0
    }
}

/// Whether what comes next can be decrypted: not where the last step that was to be has failed.
///
/// # Safety
///
/// As [`after_step`].
#[cfg(tls13)]
pub(super) unsafe fn can_read(ctx: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract: a transform in use is the connection's own.
    unsafe { (*ctx).transform_in.as_ref() }
        .is_none_or(|transform| !transform.cipher_ctx_dec.cipher_ctx.is_null())
}

/// Whether a client is to begin anew.
#[cfg(tls13)]
fn is_retried(now: sys::mbedtls_ssl_states) -> bool {
    matches!(now, sys::MBEDTLS_SSL_CLIENT_HELLO | sys::MBEDTLS_SSL_CLIENT_CCS_BEFORE_2ND_CLIENT_HELLO)
}

/// Hashes from here on with the suite's function alone.
///
/// # Safety
///
/// As [`after_step`]; the suite is known.
unsafe fn keep_suite_hash(ctx: *mut sys::mbedtls_ssl_context) {
    #[cfg(all(not(mbedtls_use_psa_crypto), mbedtls_md_can_sha256, mbedtls_md_can_sha384))]
    // SAFETY: by this function's contract; the suite is static. None raises.
    unsafe {
        let Some(handshake) = (*ctx).handshake.as_mut() else { return };
        let Some(suite) = handshake.ciphersuite_info.as_ref() else { return };
        sys::mbedtls_ssl_optimize_checksum(ctx, suite);
        let is_sha384 = sys::mbedtls_md_type_t::from(suite.mac) == sys::MBEDTLS_MD_SHA384;
        sys::mbedtls_md_free(if is_sha384 {
            &raw mut handshake.fin_sha256
        } else {
            &raw mut handshake.fin_sha384
        });
    }
    #[cfg(not(all(not(mbedtls_use_psa_crypto), mbedtls_md_can_sha256, mbedtls_md_can_sha384)))]
    let _ = ctx;
}

/// Frees what the shared secret came of.
///
/// # Safety
///
/// As [`after_step`]; the secret is known.
unsafe fn free_exchange(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        let Some(handshake) = (*ctx).handshake.as_mut() else { return };
        #[cfg(mbedtls_ecdh_ctx)]
        sys::mbedtls_ecdh_free(&raw mut handshake.ecdh_ctx);
        #[cfg(mbedtls_dhm_c)]
        sys::mbedtls_dhm_free(&raw mut handshake.dhm_ctx);
        let _ = handshake;
    }
}

/// Whether the peer has shown a certificate.
///
/// # Safety
///
/// As [`after_step`].
unsafe fn has_peer_cert(ctx: *const sys::mbedtls_ssl_context) -> bool {
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    // SAFETY: by this function's contract.
    return unsafe { (*ctx).session_negotiate.as_ref().is_some_and(|session| !session.peer_cert.is_null()) };
    #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
    {
        let _ = ctx;
        // It may have.
        true
    }
}

/// Of what the peer has shown keeps what can still be asked for: the first certificate as it came, and how
/// long it is valid, which goes with its session.
///
/// # Safety
///
/// As [`after_step`]; nothing more is verified with its key.
unsafe fn keep_der(ctx: *mut sys::mbedtls_ssl_context) {
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    // SAFETY: by this function's contract: the certificate is the session's own, or NULL. It is as one
    // that has been freed, and so empty, but for these. None raises.
    unsafe {
        let Some(session) = (*ctx).session_negotiate.as_ref() else { return };
        let Some(cert) = session.peer_cert.as_mut() else { return };
        let (raw, own_buffer, valid_to) = (cert.raw, cert.own_buffer, cert.valid_to);
        cert.raw.p = core::ptr::null_mut();
        sys::mbedtls_x509_crt_free(cert);
        (cert.raw, cert.own_buffer, cert.valid_to) = (raw, own_buffer, valid_to);
    }
    #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
    let _ = ctx;
}
