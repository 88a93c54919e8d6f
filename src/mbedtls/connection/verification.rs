// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peer's certificates while they are verified: what is wrong with which, and the host's name.

use core::ffi::{CStr, c_int, c_void};

use super::super::{crt, names, sys};
use super::call::Call;
#[cfg(bundles)]
use super::call::Leaf;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use super::layout::verify_mode;

/// Whether the name in a certificate is the host's: with `*` for its first label, where at least
/// two more follow.
fn is_name_of(name: &[u8], host: &[u8]) -> bool {
    let is_dot = |byte: &&u8| **byte == b'.';
    let (name, host) = match (name, host.iter().position(|byte| is_dot(&byte))) {
        ([b'*', domain @ ..], Some(first @ 1..)) if domain.iter().filter(is_dot).count() > 1 => {
            (domain, host.get(first..).unwrap_or_default())
        }
        _ => (name, host),
    };
    name.eq_ignore_ascii_case(host)
}

/// Whether the subject's common name is the host's, and counts: where no subjectAltName is a
/// DNS name (RFC 6125 6.4.4, and CPython). To Mbed TLS it does only where there is none at all.
fn is_common_name(cert: &sys::mbedtls_x509_crt, host: &CStr) -> bool {
    !crt::alternatives(cert).any(|name| name.tag == crt::DNS)
        && !names::is_address(host)
        && crt::common_names(cert).any(|name| is_name_of(name, host.to_bytes()))
}

/// Whether the host is an address that is not among the certificate's, and no name in it is the same
/// text. To Mbed TLS it may still be one that a wildcard stands for (RFC 9525 6.3).
fn is_anothers(cert: &sys::mbedtls_x509_crt, host: &CStr) -> bool {
    let mut octets = [[0; 4]; 4];
    let Some(address) = names::octets(host, &mut octets) else { return false };
    let is_host = |name: &[u8]| name.eq_ignore_ascii_case(host.to_bytes());
    !crt::alternatives(cert).any(|name| match name.tag {
        crt::IP_ADDRESS => crt::bytes(name) == address,
        crt::DNS => is_host(crt::bytes(name)),
        _ => false,
    }) && !crt::common_names(cert).any(is_host)
}

/// What is wrong with a certificate by its issuer's revocation lists: the one before it in the chain, which
/// begins with the root, or itself.
#[cfg(mbedtls_x509_crl_parse_c)]
fn look_up(call: &Call<'_>, cert: &sys::mbedtls_x509_crt, depth: c_int) -> u32 {
    let (above, at) = call.issuer.replace((cert, depth));
    if depth == 0 {
        call.issuer.set((core::ptr::null(), 0));
    }
    let is_itself = crt::bytes(&cert.issuer_raw) == crt::bytes(&cert.subject_raw);
    let issuer = match at.checked_sub(1) {
        // SAFETY: the certificates of a chain live until all of it has been verified, in this call.
        Some(below) if below == depth => unsafe { above.as_ref() },
        _ => None,
    };
    let issuer = issuer.or(is_itself.then_some(cert));
    // Whose trust anchors they were.
    #[cfg(server_names)]
    if let Some(stream) = call.stream()
        && let Some(chosen) = stream.chosen.take()
    {
        let flags = chosen.verifies().then(|| chosen.look_up(cert, issuer, depth));
        stream.chosen.set(Some(chosen));
        if let Some(flags) = flags {
            return flags;
        }
    }
    // SAFETY: the configuration of a call lives as long as that.
    unsafe { (*call.config).look_up(cert, issuer, depth) }
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
    #[cfg(bundles)]
    if depth == 0 {
        // SAFETY: as below. What was behind a certificate that is an anchor comes back, to be owned by
        // Mbed TLS: see `issuers`. It needs no issuer.
        unsafe {
            if let Leaf::Anchor(behind) = (*ctx.cast::<Call<'_>>()).leaf.replace(Leaf::Unknown) {
                (*cert).next = behind;
                *flags &= !sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED;
            }
        }
    }
    // SAFETY: ctx is the Call that `Ssl::call` installed for as long as it runs. Mbed TLS gives a
    // parsed certificate that lives longer than this call, and what it has found of it, to be
    // changed; the connection's host name is NULL or ends with a NUL.
    let (call, cert, flags) = unsafe { (&*ctx.cast::<Call<'_>>(), &*cert, &mut *flags) };
    // SAFETY: as above.
    let host = unsafe { (*call.ssl).hostname };
    // SAFETY: as above.
    let host = if host.is_null() { None } else { Some(unsafe { CStr::from_ptr(host.cast()) }) };
    if *flags & MISMATCH != 0 {
        if !call.checks_hostname || host.is_some_and(|host| is_common_name(cert, host)) {
            *flags &= !MISMATCH;
        }
    } else if depth == 0 && call.checks_hostname && host.is_some_and(|host| is_anothers(cert, host)) {
        *flags |= MISMATCH;
    }
    #[cfg(bundles)]
    if depth == 0 {
        // SAFETY: the configuration of a call lives as long as that.
        let pins = unsafe { (*call.config).pins() };
        // Who cannot say so has none of those keys.
        if pins.is_some_and(|pins| !pins.have(cert).unwrap_or(false)) {
            *flags |= sys::MBEDTLS_X509_BADCERT_OTHER;
        }
    }
    #[cfg(mbedtls_x509_crl_parse_c)]
    {
        *flags |= look_up(call, cert, depth);
    }
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    // SAFETY: the connection is set up.
    if unsafe { verify_mode(call.ssl) } == sys::MBEDTLS_SSL_VERIFY_REQUIRED as u8 {
        call.problems.note(cert, depth, *flags);
    }
    // SAFETY: as above.
    let der = unsafe { crt::der(cert) };
    call.asked(call.host(|host| host.verify(der, depth)))
}
