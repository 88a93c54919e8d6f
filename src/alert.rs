// SPDX-License-Identifier: MIT OR Apache-2.0
//! Alerts, by which one side tells the other why it ends the connection.

use core::ffi::CStr;

/// Each name behind its number, in front of a NUL (RFC 5246 7.2.2, RFC 8446 6).
const NAMES: &[u8] = b"\
    \x0aunexpected_message\0\
    \x14bad_record_mac\0\
    \x16record_overflow\0\
    \x28handshake_failure\0\
    \x2abad_certificate\0\
    \x2bunsupported_certificate\0\
    \x2ccertificate_revoked\0\
    \x2dcertificate_expired\0\
    \x2ecertificate_unknown\0\
    \x2fillegal_parameter\0\
    \x30unknown_ca\0\
    \x31access_denied\0\
    \x32decode_error\0\
    \x33decrypt_error\0\
    \x46protocol_version\0\
    \x47insufficient_security\0\
    \x50internal_error\0\
    \x56inappropriate_fallback\0\
    \x5auser_canceled\0\
    \x64no_renegotiation\0\
    \x6dmissing_extension\0\
    \x6eunsupported_extension\0\
    \x70unrecognized_name\0\
    \x71bad_certificate_status_response\0\
    \x73unknown_psk_identity\0\
    \x74certificate_required\0\
    \x78no_application_protocol\0";

/// An alert's name; `unknown` for any other number.
#[must_use]
pub fn name(number: u8) -> &'static CStr {
    let mut rest = NAMES;
    while let Some((&of, behind)) = rest.split_first()
        && let Ok(name) = CStr::from_bytes_until_nul(behind)
    {
        if of == number {
            return name;
        }
        rest = behind.get(name.to_bytes_with_nul().len()..).unwrap_or_default();
    }
    c"unknown"
}
