// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is otherwise in a hello, or made of one, than Mbed TLS would have it.

use core::ffi::c_int;
#[cfg(mbedtls_have_time)]
use core::ffi::c_void;

use super::super::sys;
#[cfg(mbedtls_have_time)]
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
#[cfg(mbedtls_have_time)]
struct Writing {
    ssl: *mut sys::mbedtls_ssl_context,
    conf: *const sys::mbedtls_ssl_config,
}

/// Runs a step of the handshake. A hello that it writes does not tell what this side's clock says, by
/// which a device is known again (RFC 5246 7.4.1.2 wants no clock to be right): Mbed TLS writes the
/// time, asks for the rest of the random number right behind it, and has the time overwritten.
///
/// # Safety
///
/// The connection is set up, its handshake not over, and `step` is a step of its.
pub(super) unsafe fn without_clock(
    ssl: *mut sys::mbedtls_ssl_context,
    step: impl FnOnce() -> c_int,
) -> c_int {
    #[cfg(mbedtls_have_time)]
    // SAFETY: by this function's contract. The step has a configuration that differs in its generator
    // alone, and nobody keeps a pointer to it. None raises.
    unsafe {
        let conf = (*ssl).conf;
        let hello =
            if is_client(ssl) { sys::MBEDTLS_SSL_CLIENT_HELLO } else { sys::MBEDTLS_SSL_SERVER_HELLO };
        if (*ssl).state == hello as c_int {
            let mut writing = Writing { ssl, conf };
            let mut own = conf.read();
            sys::mbedtls_ssl_conf_rng(&raw mut own, Some(random), (&raw mut writing).cast());
            (*ssl).conf = &raw const own;
            let ret = step();
            (*ssl).conf = conf;
            return ret;
        }
    }
    #[cfg(not(mbedtls_have_time))]
    let _ = ssl;
    step()
}

/// This is called from: wherever Mbed TLS needs random bytes while it writes a hello.
#[cfg(mbedtls_have_time)]
unsafe extern "C" fn random(writing: *mut c_void, bytes: *mut u8, len: usize) -> c_int {
    // SAFETY: `without_clock` lends what it is writing; the bytes are Mbed TLS's, and those of the time
    // before them as well, where the random number is in the handshake, or in a message behind its type,
    // length and version. The generator is the configuration's. None raises.
    unsafe {
        let Writing { ssl, conf } = *writing.cast::<Writing>();
        let number = if is_client(ssl) {
            (&raw mut (*(*ssl).handshake).randbytes).cast()
        } else {
            (*ssl).out_msg.wrapping_add(6)
        };
        let is_time_before = number.wrapping_add(TIME) == bytes;
        let (bytes, len) = if is_time_before { (number, len.saturating_add(TIME)) } else { (bytes, len) };
        match (*conf).f_rng {
            Some(generate) => generate((*conf).p_rng, bytes, len),
            None => sys::MBEDTLS_ERR_SSL_NO_RNG,
        }
    }
}
