// SPDX-License-Identifier: MIT OR Apache-2.0
//! A chain of X.509 certificates.

use core::cell::UnsafeCell;

use super::sys;
use crate::error::{Error, Invalid, Result};
use crate::mem::slice;

/// Certificates, linked; the first may be empty (no certificate yet).
pub struct Chain(UnsafeCell<sys::mbedtls_x509_crt>);

/// How a certificate begins in PEM.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Whether Mbed TLS will read `data` as PEM.
pub(super) fn is_pem(data: &[u8]) -> bool {
    data.windows(11).any(|window| window == b"-----BEGIN ")
}

impl Chain {
    /// An empty chain.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "made in place, by its owners")]
    pub fn new() -> Self {
        // SAFETY: zeroed is what mbedtls_x509_crt_init makes of it.
        Self(unsafe { UnsafeCell::new(core::mem::zeroed()) })
    }

    /// Appends what `data` holds: PEM, any number of certificates; or DER, any
    /// number one after the other. `data` ends with a NUL that is not part of it.
    ///
    /// # Errors
    ///
    /// [`Invalid::Cert`] if anything in `data` is no certificate, or nothing is;
    /// [`Error::NoMemory`]. Some certificates may have been appended.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        if is_pem(data) {
            let before = self.ders().count();
            // SAFETY: PEM is parsed up to and with the NUL at its end.
            Self::parsed(unsafe { sys::mbedtls_x509_crt_parse(self.0.get(), data.as_ptr(), data.len()) })?;
            // Mbed TLS passes over a last certificate that is cut short.
            let begun = data.windows(BEGIN.len()).filter(|window| *window == BEGIN).count();
            return if self.ders().count() == before.saturating_add(begun) {
                Ok(())
            } else {
                Err(Error::Value(Invalid::Cert))
            };
        }
        let (_, mut rest) = data.split_last().ok_or(Error::Value(Invalid::Cert))?;
        loop {
            // SAFETY: the slice is valid for its length; does not raise.
            Self::parsed(unsafe {
                sys::mbedtls_x509_crt_parse_der(self.0.get(), rest.as_ptr(), rest.len())
            })?;
            // SAFETY: raw of the last certificate is what was just parsed.
            let used = self.iter().last().map_or(0, |cert| cert.raw.len);
            match rest.get(used..) {
                Some(next) if used > 0 && !next.is_empty() => rest = next,
                _ => return Ok(()),
            }
        }
    }

    fn parsed(ret: core::ffi::c_int) -> Result<()> {
        match ret {
            0 => Ok(()),
            // A positive number counts the PEM certificates that failed.
            1.. => Err(Error::Value(Invalid::Cert)),
            _ => match Error::from_mbedtls(ret) {
                Error::NoMemory => Err(Error::NoMemory),
                _ => Err(Error::Value(Invalid::Cert)),
            },
        }
    }

    fn iter(&self) -> impl Iterator<Item = &sys::mbedtls_x509_crt> {
        // SAFETY: the chain owns its certificates, and `next` ends with NULL.
        let first = unsafe { self.0.get().as_ref() };
        // SAFETY: as above.
        core::iter::successors(first, |cert| unsafe { cert.next.as_ref() })
    }

    /// The certificates as DER, in order.
    pub fn ders(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(|cert| !cert.raw.p.is_null()).map(|cert| {
            // SAFETY: raw is the certificate's own copy of its DER.
            unsafe { der(cert) }
        })
    }

    /// Appends a copy of each certificate of `other`.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn append_copies(&mut self, other: &Self) -> Result<()> {
        for der in other.ders() {
            // SAFETY: the slice is valid for its length; does not raise.
            Self::parsed(unsafe { sys::mbedtls_x509_crt_parse_der(self.0.get(), der.as_ptr(), der.len()) })?;
        }
        Ok(())
    }

    /// Whether the first certificate's time is over, by the port's clock.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        // SAFETY: reads a certificate that the chain owns; does not raise.
        self.iter()
            .next()
            .is_some_and(|cert| unsafe { sys::mbedtls_x509_time_is_past(&raw const cert.valid_to) != 0 })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::mbedtls_x509_crt {
        self.0.get()
    }
}

/// A certificate's DER; nothing for one that a peer sent and Mbed TLS passed over, as
/// it does where it does not know the algorithm.
///
/// # Safety
///
/// `cert` is initialised: its `raw` is valid, or NULL.
pub(super) unsafe fn der(cert: &sys::mbedtls_x509_crt) -> &[u8] {
    // SAFETY: by this function's contract; of no length if it is NULL.
    unsafe { slice(cert.raw.p, cert.raw.len) }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: the object is initialised or zeroed; does not raise.
        unsafe { sys::mbedtls_x509_crt_free(self.0.get()) };
    }
}
