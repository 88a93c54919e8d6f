// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ClientHello's `client_version` (RFC 5246 7.4.1.2) above TLS 1.2: "if a TLS server receives a
//! ClientHello containing a version number greater than the highest version supported by the server, it
//! MUST reply according to the highest version supported by the server" (E.1). Mbed TLS refuses it. So
//! the message is hashed as it came, and is TLS 1.2's then, before Mbed TLS looks at it: both in the
//! handshake's own function for the hash, which is replaced for the step that reads the message.

use core::ffi::c_int;

use super::super::sys;
use super::call::Call;
use super::layout::is_datagram;

/// Before a step of the handshake.
///
/// # Safety
///
/// The connection is set up and its `p_bio` a [`Call`].
pub(super) unsafe fn before_step(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract.
    unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        if (*ctx).state == sys::MBEDTLS_SSL_CLIENT_HELLO as c_int && (*call.config).is_server() {
            call.replace_checksum(checksum_of_hello);
        }
    }
}

/// This is called from: `mbedtls_ssl_handshake_step`, with the ClientHello that is in the input
/// buffer, before that is looked at.
unsafe extern "C" fn checksum_of_hello(
    ctx: *mut sys::mbedtls_ssl_context,
    message: *const u8,
    len: usize,
) -> c_int {
    const FAILED: c_int = sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    // SAFETY: the handshake that installed this is under way, its call valid; `message` is where
    // messages are, `len` bytes long. The original does not raise.
    unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        let Some(original) = call.restore_checksum() else { return FAILED };
        let ret = original(ctx, message, len);
        let (header, ours) = if is_datagram(ctx) { (12, [0xfe, 0xfd]) } else { (4, [3, 3]) };
        let message = core::slice::from_raw_parts_mut((*ctx).in_msg, len);
        if let Some(version) = message.get_mut(header..).and_then(<[u8]>::first_chunk_mut::<2>) {
            // DTLS counts down.
            let newer = if is_datagram(ctx) { *version < ours } else { *version > ours };
            if newer {
                *version = ours;
            }
        }
        ret
    }
}
