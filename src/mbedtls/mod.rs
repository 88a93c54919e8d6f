// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed owners of Mbed TLS objects, one file an object; all that depends on
//! Mbed TLS's version is in here.
//!
//! The owners live where [`crate::mem`] put them and never move. Those that
//! Mbed TLS writes to behind a pointer-to-const, or through several pointers,
//! keep their object in an `UnsafeCell`.

mod config;
mod cookie;
mod crt;
#[cfg(p256)]
pub mod ecp;
#[cfg(aes_gcm)]
mod gcm;
#[cfg_attr(not(hibernation), allow(dead_code, unused_imports))]
mod hibernation;
mod messages;
mod pk;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
mod psk;
mod records;
mod rng;
mod signer;
mod ssl;

pub use config::{Config, Endpoint, Transport};
pub use cookie::{constant_time_eq, hmac};
pub use crt::Chain;
pub use hibernation::{AVAILABLE as HIBERNATION, Connection};
pub use pk::PrivateKey;
pub use rng::Rng;
pub use ssl::{Outcome, Ssl};

use core::ffi::{CStr, c_char, c_int};

/// The bindings, generated at build time from the headers and the configuration
/// that the firmware's Mbed TLS is compiled with.
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(unused, unsafe_op_in_unsafe_fn, unnecessary_transmutes, clippy::all)]
#[allow(clippy::undocumented_unsafe_blocks, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
pub mod sys {
    include!(concat!(env!("OUT_DIR"), "/mbedtls_sys.rs"));
}

/// A static C string of Mbed TLS's.
///
/// # Safety
///
/// `text` is NULL or a NUL-terminated string that is never freed.
unsafe fn static_str(text: *const c_char) -> Option<&'static CStr> {
    if text.is_null() {
        return None;
    }
    // SAFETY: by this function's contract.
    Some(unsafe { CStr::from_ptr(text) })
}

/// Length of the NUL-terminated text at the start of `text`.
fn text_len(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte == 0).unwrap_or(text.len())
}

/// The name of an error code (`mbedtls_strerror`, MicroPython's short form);
/// its length, 0 in a build without `MBEDTLS_ERROR_C`.
pub fn error_text(code: c_int, text: &mut [u8]) -> usize {
    #[cfg(mbedtls_error_c)]
    {
        text.fill(0);
        // SAFETY: writes at most text.len() bytes with the NUL; does not raise.
        unsafe { sys::mbedtls_strerror(code, text.as_mut_ptr().cast(), text.len()) };
        text_len(text)
    }
    #[cfg(not(mbedtls_error_c))]
    {
        let _ = (code, text);
        0
    }
}

/// What verify flags say, a line each (`mbedtls_x509_crt_verify_info`, upstream's form).
pub fn verify_text(flags: u32, text: &mut [u8]) -> usize {
    text.fill(0);
    // SAFETY: writes at most text.len() bytes with the NUL; does not raise.
    let ret = unsafe {
        sys::mbedtls_x509_crt_verify_info(text.as_mut_ptr().cast(), text.len(), c"\n".as_ptr().cast(), flags)
    };
    // Text that does not fit is cut, not lost.
    if ret < 0 { text_len(text) } else { ret.cast_unsigned() as usize }
}

/// The suite's name as Mbed TLS spells it.
#[must_use]
pub fn cipher_name(id: c_int) -> Option<&'static CStr> {
    // SAFETY: returns NULL or a static string; does not raise.
    unsafe { static_str(sys::mbedtls_ssl_get_ciphersuite_name(id)) }
}

/// All suites compiled in, in Mbed TLS's order of preference.
#[must_use]
pub fn ciphers() -> &'static [c_int] {
    // SAFETY: returns a static list that ends with 0; does not raise.
    unsafe {
        let first = sys::mbedtls_ssl_list_ciphersuites();
        let mut len = 0_usize;
        while *first.add(len) != 0 {
            len = len.saturating_add(1);
        }
        core::slice::from_raw_parts(first, len)
    }
}

/// The number that stands for this `max_fragment_length` (RFC 6066 4); `None`: none does,
/// or a record of that length would not fit into this build's.
#[must_use]
pub fn fragment_code(len: u16) -> Option<u8> {
    let longest = sys::MBEDTLS_SSL_OUT_CONTENT_LEN.max(sys::MBEDTLS_SSL_IN_CONTENT_LEN);
    let code = [512, 1024, 2048, 4096].iter().position(|known| *known == len)?;
    let fits = cfg!(mbedtls_ssl_max_fragment_length) && u32::from(len) <= longest;
    u8::try_from(code).ok().filter(|_| fits)?.checked_add(1)
}

/// All key exchange groups compiled in, by name and IANA number.
pub fn groups() -> impl Iterator<Item = (&'static CStr, u16)> {
    // SAFETY: returns a static list that ends with an entry without a name; does not raise.
    let first = unsafe { sys::mbedtls_ecp_curve_list() };
    (0..).map_while(move |i| {
        // SAFETY: the entry is not behind the one without a name; the names are static.
        unsafe { static_str((*first.add(i)).name).map(|name| (name, (*first.add(i)).tls_id)) }
    })
}

/// The longest Connection ID (RFC 9146) that Mbed TLS is built for, in bytes.
#[cfg(mbedtls_ssl_dtls_connection_id)]
pub const CID_MAX: usize = sys::MBEDTLS_SSL_CID_IN_LEN_MAX as usize;
/// The longest Connection ID that Mbed TLS is built for: none.
#[cfg(not(mbedtls_ssl_dtls_connection_id))]
pub const CID_MAX: usize = 0;

/// The round keys of AES for encryption, in little-endian words: they begin with the key.
#[cfg(any(aes_gcm, all(hibernation, not(exported_keys))))]
fn key_schedule(aes: &sys::mbedtls_aes_context) -> Option<&[u32]> {
    aes.buf.get(aes.rk_offset..)
}

/// Overwrites secret bytes in a way the compiler keeps.
pub fn zeroize(bytes: &mut [u8]) {
    // SAFETY: the slice is valid for its length; does not raise.
    unsafe { sys::mbedtls_platform_zeroize(bytes.as_mut_ptr().cast(), bytes.len()) };
}
