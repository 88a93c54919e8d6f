// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is otherwise in a hello, or made of one, than Mbed TLS would have it.

use core::ffi::c_int;
#[cfg(own_hello)]
use core::ffi::c_void;

#[cfg(all(tls13, sessions))]
use super::super::session::ID_MAX;
use super::super::sys;
#[cfg(own_hello)]
use super::layout::is_client;
#[cfg(mbedtls_ssl_srv_c)]
use super::messages::{client_curves, each};
#[cfg(tickets)]
use super::tickets::check_hello;
#[cfg(server_names)]
use super::{super::config::Config, call::Call};
#[cfg(server_names)]
use crate::mem::{Erased, slice};

/// What a server does with a ClientHello.
///
/// This is called from: `ssl_parse_client_hello`, as `f_cert_cb`, between the extensions and the choice
/// of a suite; with TLS 1.3 from `ssl_tls13_postprocess_client_hello`.
#[cfg(mbedtls_ssl_srv_c)]
pub(super) unsafe extern "C" fn meet(ssl: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: as Mbed TLS calls it: in a handshake.
    unsafe {
        forget_curves(ssl);
        #[cfg(tickets)]
        {
            let ret = check_hello(ssl);
            if ret != 0 {
                return ret;
            }
        }
        #[cfg(mbedtls_ssl_server_name_indication)]
        return choose_certificate(ssl);
        #[cfg(not(mbedtls_ssl_server_name_indication))]
        0
    }
}

/// Asks the host, once, whose certificates are to be shown for the name that the client asks for
/// (RFC 6066 3). 0, or what the handshake is to answer.
///
/// # Safety
///
/// The connection is set up, in its handshake, its `p_bio` a [`Call`].
#[cfg(server_names)]
unsafe fn choose_certificate(ssl: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract. The name lies in the input buffer. What the host gives is
    // kept as long as the handshake, with which Mbed TLS forgets what it is given of it here. None
    // raises.
    unsafe {
        let call = &*(*ssl).p_bio.cast::<Call<'_>>();
        let Some(stream) = call.stream().filter(|stream| !stream.asked.replace(true)) else { return 0 };
        let mut len = 0;
        let name = sys::mbedtls_ssl_get_hs_sni(ssl, &raw mut len);
        let chosen = match call.host(|host| host.server_name(slice(name, len))) {
            Ok(chosen) => chosen,
            Err(refused) => {
                call.refused(refused);
                return sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE;
            }
        };
        let Some(config) = chosen.and_then(Erased::take::<Config>) else { return 0 };
        for own in config.own() {
            let ret = sys::mbedtls_ssl_set_hs_own_cert(ssl, own.chain.as_ptr(), own.key.as_ptr());
            if ret != 0 {
                return ret;
            }
        }
        let (conf, of_name) = (&*(*ssl).conf, &*config.as_ptr());
        if config.verifies() {
            sys::mbedtls_ssl_set_hs_ca_chain(ssl, of_name.ca_chain, core::ptr::null_mut());
            sys::mbedtls_ssl_set_hs_authmode(ssl, conf.authmode.max(of_name.authmode).into());
        }
        stream.chosen.set(Some(config));
        0
    }
}

/// Where the client has no curve that is enabled here, forgets those that it has. Mbed TLS keeps all
/// that are compiled in, chooses a suite of ECDHE if there is any, and then finds no curve to do it on:
/// so it takes another suite. Those of which one is enabled stay, for they are also those that a
/// certificate may be on.
///
/// # Safety
///
/// The connection is set up.
#[cfg(mbedtls_ssl_srv_c)]
unsafe fn forget_curves(ssl: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract: both lists are NULL, or end with a 0, and the client's is the
    // handshake's own.
    unsafe {
        let (Some(handshake), enabled) = ((*ssl).handshake.as_ref(), (*(*ssl).conf).group_list) else {
            return;
        };
        let curves = client_curves(handshake);
        if !curves.is_null() && !each(curves).any(|curve| each(enabled).any(|enabled| enabled == curve)) {
            *curves = 0;
        }
    }
}

/// The time is in the first bytes of a hello's random number, where Mbed TLS has a clock.
#[cfg(mbedtls_have_time)]
const TIME: usize = 4;

/// A connection that writes its hello, and its configuration.
#[cfg(own_hello)]
struct Writing {
    ssl: *mut sys::mbedtls_ssl_context,
    conf: *const sys::mbedtls_ssl_config,
    /// The session id that a second hello repeats.
    #[cfg(all(tls13, sessions))]
    id: Option<[u8; ID_MAX]>,
}

/// Runs a step of the handshake. A hello that it writes is not wholly Mbed TLS's. Mbed TLS asks for random
/// bytes while it writes one, and is led by what it finds then:
///
/// - it does not tell what this side's clock says, by which a device is known again (RFC 5246 7.4.1.2 wants
///   no clock to be right): Mbed TLS writes the time, asks for the rest of the random number right behind it,
///   and has the time overwritten;
/// - a client's with an earlier session offers every version that is enabled, where Mbed TLS would offer the
///   session's alone: its server may have another by now. The session is offered beside (RFC 8446 4.1.2 for
///   TLS 1.2's); what is not of the version that is agreed on is let go of then
///   (`resumed.rs`).
///
/// # Safety
///
/// The connection is set up, its handshake not over, and `step` is a step of its.
pub(super) unsafe fn with_own_hello(
    ssl: *mut sys::mbedtls_ssl_context,
    step: impl FnOnce() -> c_int,
) -> c_int {
    #[cfg(own_hello)]
    // SAFETY: by this function's contract. The step has a configuration that differs in its generator,
    // and in whether it asks for a ticket, and nobody keeps a pointer to it. None raises.
    unsafe {
        let conf = (*ssl).conf;
        let hello =
            if is_client(ssl) { sys::MBEDTLS_SSL_CLIENT_HELLO } else { sys::MBEDTLS_SSL_SERVER_HELLO };
        if (*ssl).state == hello as c_int {
            let mut own = conf.read();
            let mut writing = Writing {
                ssl,
                conf,
                #[cfg(all(tls13, sessions))]
                id: repeat_id(ssl),
            };
            #[cfg(all(tls13, sessions))]
            if is_client(ssl) && offers_tls13(ssl) {
                // Mbed TLS would write TLS 1.3's ticket into TLS 1.2's extension as well.
                sys::mbedtls_ssl_conf_session_tickets(
                    &raw mut own,
                    sys::MBEDTLS_SSL_SESSION_TICKETS_DISABLED as c_int,
                );
            }
            sys::mbedtls_ssl_conf_rng(&raw mut own, Some(random), (&raw mut writing).cast());
            (*ssl).conf = &raw const own;
            let ret = step();
            (*ssl).conf = conf;
            return ret;
        }
    }
    #[cfg(not(own_hello))]
    let _ = ssl;
    step()
}

/// Whether the session that is offered is of TLS 1.3.
///
/// # Safety
///
/// The connection is set up, in its handshake.
#[cfg(all(tls13, sessions))]
pub(super) unsafe fn offers_tls13(ssl: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    unsafe { (*ssl).session_negotiate.as_ref() }.is_some_and(|session| session.resumption_key_len != 0)
}

/// Of a second hello with a session, the id, which Mbed TLS is made to ask for again: it asks for nothing else.
///
/// # Safety
///
/// The connection is set up, in its handshake.
#[cfg(all(tls13, sessions))]
unsafe fn repeat_id(ssl: *mut sys::mbedtls_ssl_context) -> Option<[u8; ID_MAX]> {
    // SAFETY: by this function's contract.
    unsafe {
        let (handshake, session) = ((*ssl).handshake.as_ref()?, (*ssl).session_negotiate.as_mut()?);
        let is_second = is_client(ssl) && handshake.hello_retry_request_flag != 0 && handshake.resume != 0;
        if !is_second || session.id_len != ID_MAX {
            return None;
        }
        session.id_len = 0;
        Some(session.id)
    }
}

/// This is called from: wherever Mbed TLS needs random bytes while it writes a hello.
#[cfg(own_hello)]
unsafe extern "C" fn random(writing: *mut c_void, bytes: *mut u8, len: usize) -> c_int {
    // SAFETY: `with_own_hello` lends what it is writing; the bytes are Mbed TLS's, and those of the time
    // before them as well, where the random number is in the handshake, or in a message behind its type,
    // length and version. The generator is the configuration's. None raises.
    unsafe {
        let writing = &*writing.cast::<Writing>();
        let (ssl, conf) = (writing.ssl, writing.conf);
        #[cfg(all(tls13, sessions))]
        if is_client(ssl)
            && let (Some(handshake), Some(session)) =
                ((*ssl).handshake.as_mut(), (*ssl).session_negotiate.as_ref())
        {
            if handshake.resume != 0 {
                (*ssl).tls_version = (*conf).max_tls_version;
                handshake.min_tls_version = (*conf).min_tls_version;
            }
            if let Some(id) = &writing.id
                && session.id.as_ptr() == bytes.cast_const()
                && len == id.len()
            {
                core::ptr::copy_nonoverlapping(id.as_ptr(), bytes, len);
                return 0;
            }
        }
        #[cfg(mbedtls_have_time)]
        let (bytes, len) = {
            let number = if is_client(ssl) {
                (&raw mut (*(*ssl).handshake).randbytes).cast()
            } else {
                (*ssl).out_msg.wrapping_add(6)
            };
            let is_time_before = number.wrapping_add(TIME) == bytes;
            if is_time_before { (number, len.saturating_add(TIME)) } else { (bytes, len) }
        };
        match (*conf).f_rng {
            Some(generate) => generate((*conf).p_rng, bytes, len),
            None => sys::MBEDTLS_ERR_SSL_NO_RNG,
        }
    }
}
