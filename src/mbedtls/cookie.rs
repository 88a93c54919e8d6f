// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cookies behind Mbed TLS's callbacks, and the MAC they are made with.

use core::ffi::{c_int, c_void};

use super::sys;
use crate::dtls::Cookies;
use crate::error::{Result, check};

/// HMAC-SHA-256 (RFC 2104) of the parts, one after the other.
///
/// # Errors
///
/// [`crate::error::Error::NoMemory`].
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32]> {
    let mut mac = [0; 32];
    // SAFETY: zeroed is what mbedtls_md_init makes of it.
    let mut ctx: sys::mbedtls_md_context_t = unsafe { core::mem::zeroed() };
    // SAFETY: the slices are valid for their lengths, the MAC of SHA-256 is 32
    // bytes long; the context is freed on every way out. None raises.
    let ret = unsafe {
        let info = sys::mbedtls_md_info_from_type(sys::MBEDTLS_MD_SHA256);
        let mut ret = sys::mbedtls_md_setup(&raw mut ctx, info, 1);
        if ret == 0 {
            ret = sys::mbedtls_md_hmac_starts(&raw mut ctx, key.as_ptr(), key.len());
        }
        for part in parts {
            if ret == 0 {
                ret = sys::mbedtls_md_hmac_update(&raw mut ctx, part.as_ptr(), part.len());
            }
        }
        if ret == 0 {
            ret = sys::mbedtls_md_hmac_finish(&raw mut ctx, mac.as_mut_ptr());
        }
        sys::mbedtls_md_free(&raw mut ctx);
        ret
    };
    check(ret).map(|()| mac)
}

/// Compares in a time that does not depend on where the bytes differ.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    // SAFETY: both slices are valid for the shorter length; does not raise.
    a.len() == b.len()
        && unsafe { sys::mbedtls_ct_memcmp(a.as_ptr().cast(), b.as_ptr().cast(), a.len()) } == 0
}

/// This is called from: `mbedtls_ssl_handshake` → `ssl_write_hello_verify_request`.
pub(super) unsafe extern "C" fn write(
    ctx: *mut c_void,
    to: *mut *mut u8,
    end: *mut u8,
    id: *const u8,
    id_len: usize,
) -> c_int {
    // SAFETY: ctx is the Cookies that the configuration keeps; Mbed TLS gives the
    // client's id and a place for the cookie that reaches to `end`.
    unsafe {
        let (cookies, id) = (&*ctx.cast::<Cookies>(), core::slice::from_raw_parts(id, id_len));
        let room = end.offset_from_unsigned(*to);
        match cookies.write(id) {
            Ok(cookie) if cookie.len() <= room => {
                core::ptr::copy_nonoverlapping(cookie.as_ptr(), *to, cookie.len());
                *to = (*to).add(cookie.len());
                0
            }
            _ => sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR,
        }
    }
}

/// This is called from: `mbedtls_ssl_handshake` → `ssl_parse_client_hello`.
pub(super) unsafe extern "C" fn check_cookie(
    ctx: *mut c_void,
    cookie: *const u8,
    cookie_len: usize,
    id: *const u8,
    id_len: usize,
) -> c_int {
    // SAFETY: as in `write`; the cookie is valid for its length, and not NULL.
    let (cookies, cookie, id) = unsafe {
        (
            &*ctx.cast::<Cookies>(),
            core::slice::from_raw_parts(cookie, cookie_len),
            core::slice::from_raw_parts(id, id_len),
        )
    };
    if cookies.check(cookie, id) { 0 } else { -1 }
}
