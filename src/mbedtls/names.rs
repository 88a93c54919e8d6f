// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names and numbers that Mbed TLS knows: cipher suites, key exchange groups, lengths of
//! fragments and of Connection IDs.

use core::ffi::{CStr, c_char, c_int};

use super::sys;

/// A static C string of Mbed TLS's.
///
/// # Safety
///
/// `text` is NULL or a NUL-terminated string that is never freed.
pub(super) unsafe fn static_str(text: *const c_char) -> Option<&'static CStr> {
    if text.is_null() {
        return None;
    }
    // SAFETY: by this function's contract.
    Some(unsafe { CStr::from_ptr(text) })
}

/// The suite's name as Mbed TLS spells it.
#[must_use]
pub fn cipher_name(id: c_int) -> Option<&'static CStr> {
    // SAFETY: returns NULL or a static string; does not raise.
    unsafe { static_str(sys::mbedtls_ssl_get_ciphersuite_name(id)) }
}

/// Whether a server of this suite decrypts with its key, or agrees on one with it.
#[must_use]
pub fn decrypts(id: c_int) -> bool {
    // SAFETY: returns NULL or what is static; does not raise.
    let suite = unsafe { sys::mbedtls_ssl_ciphersuite_from_id(id).as_ref() };
    suite.is_some_and(|suite| {
        matches!(
            suite.key_exchange.into(),
            sys::MBEDTLS_KEY_EXCHANGE_RSA
                | sys::MBEDTLS_KEY_EXCHANGE_RSA_PSK
                | sys::MBEDTLS_KEY_EXCHANGE_ECDH_RSA
                | sys::MBEDTLS_KEY_EXCHANGE_ECDH_ECDSA
        )
    })
}

/// A cipher suite, as `SSLSocket.shared_ciphers` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cipher {
    /// As Mbed TLS spells it.
    pub name: &'static CStr,
    /// Of TLS 1.3, or of TLS 1.2 and DTLS 1.2.
    pub tls13: bool,
    /// How long its key is.
    pub bits: usize,
}

/// The bits of a suite's key; `None`: it is none of those compiled in.
#[cfg(mbedtls_ssl_srv_c)]
pub(super) fn key_bits(id: c_int) -> Option<usize> {
    // SAFETY: returns NULL or what is static, and looks into it; neither raises.
    unsafe {
        let suite = sys::mbedtls_ssl_ciphersuite_from_id(id);
        (!suite.is_null()).then(|| sys::mbedtls_ssl_ciphersuite_get_cipher_key_bitlen(suite))
    }
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

/// The longest IP address in words, in bytes.
pub(super) const ADDRESS_MAX: usize = 45;

/// The IP address that a host's name is, written to `address` without the brackets of a URL
/// and the zone of RFC 4007; `None` for any other name.
pub(super) fn address<'a>(name: &[u8], address: &'a mut [u8; ADDRESS_MAX + 1]) -> Option<&'a CStr> {
    let name = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")).unwrap_or(name);
    let is_v6 = name.contains(&b':');
    let len = name.iter().position(|&byte| is_v6 && byte == b'%').unwrap_or(name.len());
    address.get_mut(..len).filter(|_| len <= ADDRESS_MAX)?.copy_from_slice(name.get(..len)?);
    *address.get_mut(len)? = 0;
    let address = CStr::from_bytes_until_nul(address).ok()?;
    is_address(address).then_some(address)
}

/// A host's name as certificates have it, an address without its brackets and its zone (RFC 4007).
pub(super) fn to_find<'a>(name: &'a CStr, to: &'a mut [u8; ADDRESS_MAX + 1]) -> &'a CStr {
    address(name.to_bytes(), to).unwrap_or(name)
}

/// Whether a ClientHello names the host: `HostName<1..2^16-1>`, and "literal IPv4 and IPv6 addresses are
/// not permitted" (RFC 6066 3).
pub(super) fn is_sent(name: &CStr) -> bool {
    !name.is_empty() && !is_address(name)
}

/// Whether Mbed TLS will compare `name` as an IP address.
pub(super) fn is_address(name: &CStr) -> bool {
    octets(name, &mut [[0; 4]; 4]).is_some()
}

/// The IP address that `name` is, as a certificate has it, written to `octets`; `None` for any other
/// name.
pub(super) fn octets<'a>(name: &CStr, octets: &'a mut [[u8; 4]; 4]) -> Option<&'a [u8]> {
    let mut binary = [0_u32; 4];
    // SAFETY: the string ends with a NUL, what is written has at most 16 bytes; does not raise.
    let len =
        unsafe { sys::mbedtls_x509_crt_parse_cn_inet_pton(name.as_ptr().cast(), binary.as_mut_ptr().cast()) };
    *octets = binary.map(u32::to_ne_bytes);
    octets.as_flattened().get(..len).filter(|octets| !octets.is_empty())
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
