// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who has issued a certificate of the peer's, where trust anchors are in bundles.

use core::ffi::{c_int, c_void};

use super::super::config;
use super::super::store::{Callers, Issuers};
use super::super::sys;
use super::call::{Call, Leaf};
use crate::error::Error;
use crate::io::Interruption;

/// For [`super::super::Config::set_store`].
pub const ISSUERS: config::Issuers = config::Issuers(issuers);

/// This is called from: `mbedtls_ssl_handshake` → `mbedtls_ssl_parse_certificate`
/// → `mbedtls_x509_crt_verify_with_ca_cb`.
///
/// A first certificate that is an anchor itself is trusted whoever issued it, and whatever else the peer
/// has shown; so is one with a pinned key, where there are no anchors. So there is no issuer then, and
/// nothing behind it in the chain, until `verification::verify` hears of it, which is the next to be called.
unsafe extern "C" fn issuers(
    ctx: *mut c_void,
    child: *const sys::mbedtls_x509_crt,
    found: *mut *mut sys::mbedtls_x509_crt,
) -> c_int {
    // SAFETY: ctx is the configuration's callers; who is among them lives, and his configuration.
    let call = unsafe { (*ctx.cast::<Callers>()).call().cast::<Call<'_>>().as_ref() };
    let Some(call) = call else { return sys::MBEDTLS_ERR_X509_FATAL_ERROR };
    // SAFETY: as above.
    let config = unsafe { &*call.config };
    let is_first = call.leaf.get() == Leaf::Unknown;
    // SAFETY: Mbed TLS gives a certificate of the peer's, and looks at it only when this has returned.
    let cert = unsafe { &*child };
    let asked = match (config.store(), config.pins()) {
        (Some(store), _) => call.host(|host| store.issuers(host, cert, is_first)),
        (None, Some(pins)) if is_first => pins.have(cert).map(Issuers::none_but_child),
        (None, _) => Ok(Issuers::default()),
    };
    match asked {
        Ok(issuers) if issuers.has_child => {
            // SAFETY: as above; the certificate is the connection's own.
            let behind =
                unsafe { core::ptr::replace(&raw mut (*child.cast_mut()).next, core::ptr::null_mut()) };
            call.leaf.set(Leaf::Anchor(behind));
            0
        }
        Ok(issuers) => {
            call.leaf.set(Leaf::Issued);
            // SAFETY: Mbed TLS has room for it there, and frees it.
            unsafe { found.write(issuers.into_raw()) };
            0
        }
        Err(error) => {
            call.interrupted(match error {
                Error::NoMemory => Interruption::NoMemory,
                Error::Errno(errno) => Interruption::Errno(errno),
                _ => Interruption::Raised,
            });
            sys::MBEDTLS_ERR_X509_FATAL_ERROR
        }
    }
}
