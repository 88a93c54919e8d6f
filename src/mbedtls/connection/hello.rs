// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is made of a ClientHello before Mbed TLS answers it.

use core::ffi::c_int;

use super::super::sys;
use super::messages::each;

/// Where the client has no curve that is enabled here, forgets those that it has. Mbed TLS keeps all
/// that are compiled in, chooses a suite of ECDHE if there is any, and then finds no curve to do it on:
/// so it takes another suite. Those of which one is enabled stay, for they are also those that a
/// certificate may be on.
///
/// This is called from: `ssl_parse_client_hello`, as `f_cert_cb`, between the extensions and the choice.
pub(super) unsafe extern "C" fn forget_curves(ssl: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: in a handshake; both lists are NULL, or end with a 0, and the client's is the handshake's own.
    unsafe {
        let (Some(handshake), enabled) = ((*ssl).handshake.as_ref(), (*(*ssl).conf).group_list) else {
            return 0;
        };
        let curves = handshake.curves_tls_id;
        if !curves.is_null() && !each(curves).any(|curve| each(enabled).any(|enabled| enabled == curve)) {
            *curves = 0;
        }
    }
    0
}
