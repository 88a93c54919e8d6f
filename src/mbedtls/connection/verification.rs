// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peer's certificates while they are verified: what is wrong with which, and the host's name.

use core::ffi::{CStr, c_int, c_void};

use super::super::error::verify_text;
use super::super::{crt, names, sys};
use super::call::Call;
use super::problems::Problems;
use crate::mem::{Box, copy};

/// Writes who the certificate is about; how long that is. Where no certificate is kept, there is no
/// flash for it either: its number has to do.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
fn subject(cert: &sys::mbedtls_x509_crt, text: &mut [u8]) -> usize {
    // SAFETY: the certificate is parsed; at most as many bytes are written as there are, with a
    // NUL; does not raise.
    unsafe {
        sys::mbedtls_x509_dn_gets(text.as_mut_ptr().cast(), text.len(), &raw const cert.subject);
    }
    // A name that does not fit is cut.
    text.iter().position(|&byte| byte == 0).unwrap_or(text.len())
}

/// Writes text where there is room; how long it is.
fn put(to: &mut [u8], text: &[u8]) -> usize {
    copy(to, text);
    text.len()
}

/// Whether the name in a certificate is the host's: with `*` for its first label, where at least
/// two more follow.
fn is_name_of(name: &[u8], host: &[u8]) -> bool {
    let domain = |host: &'_ [u8]| host.iter().position(|&byte| byte == b'.').unwrap_or(0);
    let (of_name, of_host) = (name.strip_prefix(b"*"), host.get(domain(host)..).unwrap_or_default());
    name.eq_ignore_ascii_case(host)
        || of_name.is_some_and(|of_name| {
            let dots = of_name.iter().filter(|&&byte| byte == b'.').count();
            dots > 1
                && of_name.starts_with(b".")
                && domain(host) != 0
                && of_name.eq_ignore_ascii_case(of_host)
        })
}

/// Whether the subject's common name is the host's, and counts: where no subjectAltName is a
/// DNS name (RFC 6125 6.4.4, and CPython). To Mbed TLS it does only where there is none at all.
fn is_common_name(cert: &sys::mbedtls_x509_crt, host: &CStr) -> bool {
    !crt::alternatives(cert).any(|name| name.tag == crt::DNS)
        && !names::is_address(host)
        && crt::common_names(cert).any(|name| is_name_of(name, host.to_bytes()))
}

impl Call<'_> {
    /// Keeps what is wrong with a certificate, for an exception to tell. Without memory, which
    /// is the handshake's end anyway, nothing.
    fn note_problems(&self, cert: &sys::mbedtls_x509_crt, depth: c_int, flags: u32) {
        // The root comes first.
        let path = self.path.get().max(depth as u8);
        self.path.set(path);
        if flags == 0 {
            return;
        }
        let Some(mut problems) = self.problems.take().or_else(|| Box::new(|| Problems::NONE).ok()) else {
            return;
        };
        problems.flags |= flags;
        problems.add(|text| verify_text(flags, text));
        if flags & sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED != 0 && self.unread.get() {
            problems.add(|text| put(text, b"A certificate that cannot be read was passed over\n"));
        }
        // The peer's own, right below a root, goes without saying.
        if path > 1 || depth > 0 {
            let number = b'0'.wrapping_add(depth as u8);
            problems.add(|text| put(text, &[b'd', b'e', b'p', b't', b'h', b' ', number]));
            #[cfg(mbedtls_ssl_keep_peer_certificate)]
            problems.add(|text| put(text, b": "));
            #[cfg(mbedtls_ssl_keep_peer_certificate)]
            problems.add(|text| subject(cert, text));
            #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
            let _ = cert;
            problems.add(|text| put(text, b"\n"));
        }
        self.problems.set(Some(problems));
    }
}

/// This is called from: `mbedtls_ssl_handshake` → `mbedtls_ssl_parse_certificate`
/// → `mbedtls_x509_crt_verify_restartable`.
pub(super) unsafe extern "C" fn verify(
    ctx: *mut c_void,
    cert: *mut sys::mbedtls_x509_crt,
    depth: c_int,
    flags: *mut u32,
) -> c_int {
    const MISMATCH: u32 = sys::MBEDTLS_X509_BADCERT_CN_MISMATCH;
    // SAFETY: ctx is the Call that `Ssl::call` installed for as long as it runs. Mbed TLS gives a
    // parsed certificate that lives longer than this call, and what it has found of it, to be
    // changed; the connection's host name is NULL or ends with a NUL.
    let (call, cert, flags) = unsafe { (&*ctx.cast::<Call<'_>>(), &*cert, &mut *flags) };
    if *flags & MISMATCH != 0 {
        // SAFETY: as above.
        let host = unsafe { (*call.ssl).hostname };
        if !call.checks_hostname
            // SAFETY: as above.
            || (!host.is_null() && is_common_name(cert, unsafe { CStr::from_ptr(host.cast()) }))
        {
            *flags &= !MISMATCH;
        }
    }
    // SAFETY: the configuration outlives the connection.
    if unsafe { (*(*call.ssl).conf).authmode } == sys::MBEDTLS_SSL_VERIFY_REQUIRED as u8 {
        call.note_problems(cert, depth, *flags);
    }
    // SAFETY: as above.
    let der = unsafe { crt::der(cert) };
    call.asked(call.host(|host| host.verify(der, depth)))
}
