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

/// Where the client has no curve that is enabled here, forgets those that it has. Mbed TLS keeps all
/// that are compiled in, chooses a suite of ECDHE if there is any, and then finds no curve to do it on:
/// so it takes another suite. Those of which one is enabled stay, for they are also those that a
/// certificate may be on.
///
/// This is called from: `ssl_parse_client_hello`, as `f_cert_cb`, between the extensions and the choice.
#[cfg(mbedtls_ssl_srv_c)]
pub(super) unsafe extern "C" fn forget_curves(ssl: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: in a handshake; both lists are NULL, or end with a 0, and the client's is the handshake's own.
    unsafe {
        let (Some(handshake), enabled) = ((*ssl).handshake.as_ref(), (*(*ssl).conf).group_list) else {
            return 0;
        };
        let curves = client_curves(handshake);
        if !curves.is_null() && !each(curves).any(|curve| each(enabled).any(|enabled| enabled == curve)) {
            *curves = 0;
        }
    }
    0
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
