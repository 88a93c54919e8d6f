// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Mbed TLS's codes mean, and the texts it has for them.

use core::ffi::c_int;

use super::sys;
use crate::error::{Error, Result};
use crate::mem::copy;
use crate::micropython_sys::MPSSL_ETIMEDOUT;

/// A code is the sum of a module's high-level part and, below it, the part of
/// the module that it called (mbedtls/error.h).
fn parts(code: c_int) -> (c_int, c_int) {
    let positive = code.wrapping_neg();
    let low = positive & 0x7f;
    ((positive & !0x7f).wrapping_neg(), low.wrapping_neg())
}

/// Whether either part of `code` says that memory ran out.
fn is_alloc_failed(code: c_int) -> bool {
    let (high, low) = parts(code);
    matches!(low, sys::MBEDTLS_ERR_MPI_ALLOC_FAILED | sys::MBEDTLS_ERR_ASN1_ALLOC_FAILED)
        || matches!(
            high,
            sys::MBEDTLS_ERR_SSL_ALLOC_FAILED
                | sys::MBEDTLS_ERR_X509_ALLOC_FAILED
                | sys::MBEDTLS_ERR_PK_ALLOC_FAILED
                | sys::MBEDTLS_ERR_ECP_ALLOC_FAILED
                | sys::MBEDTLS_ERR_MD_ALLOC_FAILED
                | sys::MBEDTLS_ERR_CIPHER_ALLOC_FAILED
                | sys::MBEDTLS_ERR_DHM_ALLOC_FAILED
                | sys::MBEDTLS_ERR_PEM_ALLOC_FAILED
        )
}

impl Error {
    /// What an Mbed TLS return value below zero means. Total: a code it does not
    /// know is [`Error::Tls`].
    #[must_use]
    pub fn from_mbedtls(code: c_int) -> Self {
        match code {
            sys::MBEDTLS_ERR_SSL_WANT_READ => Self::WantRead,
            sys::MBEDTLS_ERR_SSL_WANT_WRITE => Self::WantWrite,
            // DTLS: the handshake's last retransmission was not answered.
            sys::MBEDTLS_ERR_SSL_TIMEOUT => Self::Errno(MPSSL_ETIMEDOUT.cast_signed()),
            _ if is_alloc_failed(code) => Self::NoMemory,
            _ => Self::Tls(code),
        }
    }

    /// The text Python sees, written to `text`; its length. 0 where there is none.
    pub fn text(self, text: &mut [u8]) -> usize {
        match self {
            Self::Tls(code) => error_text(code, text),
            Self::Verify(flags) => verify_text(flags, text),
            Self::Value(invalid) => {
                let from = invalid.text().as_bytes();
                let len = from.len().min(text.len());
                copy(text, from);
                len
            }
            _ => 0,
        }
    }
}

/// Length of the NUL-terminated text at the start of `text`.
fn text_len(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte == 0).unwrap_or(text.len())
}

/// The name of an error code (`mbedtls_strerror`, MicroPython's short form);
/// its length, 0 in a build without `MBEDTLS_ERROR_C`.
fn error_text(code: c_int, text: &mut [u8]) -> usize {
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
pub(super) fn verify_text(flags: u32, text: &mut [u8]) -> usize {
    #[cfg(mbedtls_x509_crl_parse_c)]
    if flags & super::crl::MISSING != 0 {
        const MISSING: &[u8] = b"There is no CRL of the certificate's issuer\n";
        copy(text, MISSING);
        let (len, rest) = (MISSING.len().min(text.len()), flags & !super::crl::MISSING);
        if rest == 0 {
            return len;
        }
        return len.saturating_add(verify_text(rest, text.get_mut(len..).unwrap_or_default()));
    }
    text.fill(0);
    // SAFETY: writes at most text.len() bytes with the NUL; does not raise.
    let ret = unsafe {
        sys::mbedtls_x509_crt_verify_info(text.as_mut_ptr().cast(), text.len(), c"\n".as_ptr().cast(), flags)
    };
    // Text that does not fit is cut, not lost.
    if ret < 0 { text_len(text) } else { ret.cast_unsigned() as usize }
}

/// Turns an Mbed TLS return value of 0 into `Ok`.
pub(super) fn check(code: c_int) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(Error::from_mbedtls(code)) }
}
