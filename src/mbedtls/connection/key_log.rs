// SPDX-License-Identifier: MIT OR Apache-2.0
//! The secrets of handshakes for who looks into their records, as lines of an SSLKEYLOGFILE (RFC 9850): in
//! a build for that.

use super::super::sys::{self, zeroize};
use super::call::Call;
use crate::mem::slice;

/// The longest line: a label, a random number, the longest secret, two digits a byte.
const LINE: usize = 32 + 2 * 32 + 2 * 64 + 3;
/// The random number of a hello, by which a line names the connection.
const RANDOM: usize = 32;

/// What the secret is called (RFC 9850 2.1, 2.2); `None`: nobody wants it.
fn label(kind: sys::mbedtls_ssl_key_export_type) -> Option<&'static str> {
    Some(match kind {
        sys::MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET => "CLIENT_RANDOM",
        #[cfg(tls13)]
        sys::MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_HANDSHAKE_TRAFFIC_SECRET => {
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
        }
        #[cfg(tls13)]
        sys::MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_HANDSHAKE_TRAFFIC_SECRET => {
            "SERVER_HANDSHAKE_TRAFFIC_SECRET"
        }
        #[cfg(tls13)]
        sys::MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET => "CLIENT_TRAFFIC_SECRET_0",
        #[cfg(tls13)]
        sys::MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET => "SERVER_TRAFFIC_SECRET_0",
        _ => return None,
    })
}

/// A line as it is written; what does not fit is left out.
struct Line {
    bytes: [u8; LINE],
    len: usize,
}

impl Line {
    fn add(&mut self, text: &[u8]) {
        let end = self.len.saturating_add(text.len());
        if let Some(to) = self.bytes.get_mut(self.len..end) {
            to.copy_from_slice(text);
            self.len = end;
        }
    }

    /// A field in hexadecimal digits, behind a space.
    fn add_hex(&mut self, field: &[u8]) {
        self.add(b" ");
        for byte in field {
            for digit in [byte >> 4, byte & 0xf] {
                let letter = if digit < 10 { b'0' } else { b'a' - 10 };
                self.add(&[letter.wrapping_add(digit)]);
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        zeroize(&mut self.bytes);
    }
}

/// Gives the host a secret of a handshake, where Mbed TLS has just made it.
///
/// This is called from: `mbedtls_ssl_handshake` → [`super::ssl::export`].
///
/// # Safety
///
/// The connection's call is under way; the secret has `len` bytes, the number [`RANDOM`].
pub(super) unsafe fn log(
    ctx: *const sys::mbedtls_ssl_context,
    kind: sys::mbedtls_ssl_key_export_type,
    secret: *const u8,
    len: usize,
    client_random: *const u8,
) {
    let Some(label) = label(kind) else { return };
    // SAFETY: by this function's contract.
    let (call, random, secret) = unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        (call, slice(client_random, RANDOM), slice(secret, len))
    };
    let mut line = Line { bytes: [0; LINE], len: 0 };
    line.add(label.as_bytes());
    line.add_hex(random);
    line.add_hex(secret);
    line.add(b"\n");
    call.log_key(line.bytes.get(..line.len).unwrap_or_default());
}
