// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection without record buffers, as `mbedtls_ssl_setup` leaves one that has them.
//!
//! That allocates both, which may be 16 KB each in one piece, and `mbedtls_ssl_session_reset_int`,
//! by which a DTLS server begins anew, wipes the whole of one. So what is theirs is set here. It is
//! compared with what Mbed TLS does, of each version and kind of connection (`tests/setup.rs`).

use core::ffi::c_int;

use super::super::error::check;
use super::super::sys;
#[cfg(mbedtls_ssl_proto_dtls)]
use super::layout::is_datagram;
use crate::error::{Error, Result};
use crate::micropython_sys::{mpglue_calloc, mpglue_free};

/// Sets up a connection that is initialised, but for its input buffer. What it has when this fails
/// is freed with it.
///
/// # Errors
///
/// [`Error::NoMemory`].
///
/// # Safety
///
/// It is initialised; the configuration lives as long.
pub(super) unsafe fn setup(
    ctx: *mut sys::mbedtls_ssl_context,
    config: *const sys::mbedtls_ssl_config,
) -> Result<()> {
    // SAFETY: by this function's contract. Zeroed is what the objects are but for what is set here;
    // each belongs to the connection, and is freed with its handshake. None raises.
    unsafe {
        (*ctx).conf = config;
        (*ctx).tls_version = (*config).max_tls_version;
        let session: *mut sys::mbedtls_ssl_session = allocate();
        let transform: *mut sys::mbedtls_ssl_transform = allocate();
        let handshake: *mut sys::mbedtls_ssl_handshake_params = allocate();
        if session.is_null() || transform.is_null() || handshake.is_null() {
            mpglue_free(session.cast());
            mpglue_free(transform.cast());
            mpglue_free(handshake.cast());
            return Err(Error::NoMemory);
        }
        sys::mbedtls_ssl_session_init(session);
        sys::mbedtls_ssl_transform_init(transform);
        (*handshake).update_checksum = Some(update_checksum);
        #[cfg(mbedtls_ssl_server_name_indication)]
        {
            (*handshake).sni_authmode = sys::MBEDTLS_SSL_VERIFY_UNSET as _;
        }
        #[cfg(all(tls13, mbedtls_ssl_srv_c, mbedtls_ssl_session_tickets))]
        {
            (*handshake).new_session_tickets_count = (*config).new_session_tickets_count;
        }
        #[cfg(mbedtls_ssl_proto_dtls)]
        if is_datagram(ctx) && (*config).endpoint == sys::MBEDTLS_SSL_IS_SERVER as u8 {
            (*handshake).retransmit_state = sys::MBEDTLS_SSL_RETRANS_WAITING as _;
        }
        (*ctx).session_negotiate = session;
        (*ctx).transform_negotiate = transform;
        (*ctx).handshake = handshake;
        check(sys::mbedtls_ssl_reset_checksum(ctx))
    }
}

/// Room for a `T`, zeroed; NULL: there is none.
fn allocate<T>() -> *mut T {
    // SAFETY: does not raise.
    unsafe { mpglue_calloc(1, size_of::<T>()).cast() }
}

/// Hashes a message with either function, for none is agreed on yet.
///
/// This is called from: `mbedtls_ssl_handshake_step` → whatever reads and writes messages.
unsafe extern "C" fn update_checksum(
    ctx: *mut sys::mbedtls_ssl_context,
    message: *const u8,
    len: usize,
) -> c_int {
    // SAFETY: Mbed TLS gives a connection in a handshake, and a message. None raises.
    unsafe {
        let handshake = (*ctx).handshake;
        let hashes = [
            #[cfg(mbedtls_md_can_sha256)]
            &raw mut (*handshake).fin_sha256,
            #[cfg(mbedtls_md_can_sha384)]
            &raw mut (*handshake).fin_sha384,
        ];
        hashes
            .into_iter()
            .map(|hash| sys::mbedtls_md_update(hash, message, len))
            .find(|ret| *ret != 0)
            .unwrap_or(0)
    }
}
