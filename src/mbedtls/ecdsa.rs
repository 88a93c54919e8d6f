// SPDX-License-Identifier: MIT OR Apache-2.0
//! ECDSA signatures as DER (RFC 3279 2.2.3), by Mbed TLS's own reader and writer of ASN.1, which the firmware has
//! anyway. (The crate `der` 0.7 brings 2.7 KB to read one and 1.4 KB to write one, compiled for RV32, and code that
//! panics; 1.9 KB to walk through a certificate's elements.)

use core::ffi::c_int;

use super::error::check;
use super::sys;
use crate::error::{Error, Invalid, Result};

/// The longest order of a curve: secp521r1's.
pub(super) const ORDER_MAX: usize = 66;
/// The longest signature on one, as DER.
pub(super) const SIGNATURE_MAX: usize = 2 * (ORDER_MAX + 3) + 3;

const SEQUENCE: u32 = sys::MBEDTLS_ASN1_SEQUENCE | sys::MBEDTLS_ASN1_CONSTRUCTED;

/// The two numbers of a signature.
pub(super) struct Numbers([sys::mbedtls_mpi; 2]);

impl Numbers {
    fn new() -> Self {
        // SAFETY: zeroed is what mbedtls_mpi_init makes of it.
        Self(unsafe { core::mem::zeroed() })
    }

    /// Of numbers that are one after the other, each as long as the other.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub(super) fn of_raw(raw: &[u8]) -> Result<Self> {
        let mut numbers = Self::new();
        let halves = raw.chunks_exact((raw.len() / 2).max(1));
        for (number, bytes) in numbers.0.iter_mut().zip(halves) {
            // SAFETY: the slice is valid; does not raise.
            check(unsafe { sys::mbedtls_mpi_read_binary(number, bytes.as_ptr(), bytes.len()) })?;
        }
        Ok(numbers)
    }

    /// Of DER, and nothing else: what comes out again is the same.
    ///
    /// # Errors
    ///
    /// [`Invalid::Signature`]; [`Error::NoMemory`].
    pub(super) fn of_der(der: &[u8]) -> Result<Self> {
        let invalid = Error::Value(Invalid::Signature);
        let mut numbers = Self::new();
        let [r, s] = &mut numbers.0;
        let bytes = der.as_ptr_range();
        let mut at = bytes.start.cast_mut();
        let mut len = 0;
        // SAFETY: Mbed TLS reads up to the end. None raises.
        let ret = unsafe {
            let read = |ret: c_int| if ret == 0 { Ok(()) } else { Err(ret) };
            read(sys::mbedtls_asn1_get_tag(&raw mut at, bytes.end, &raw mut len, SEQUENCE as c_int))
                .and_then(|()| read(sys::mbedtls_asn1_get_mpi(&raw mut at, bytes.end, r)))
                .and_then(|()| read(sys::mbedtls_asn1_get_mpi(&raw mut at, bytes.end, s)))
        };
        ret.map_err(|code| match Error::from_mbedtls(code) {
            Error::NoMemory => Error::NoMemory,
            _ => invalid,
        })?;
        let mut room = [0; SIGNATURE_MAX];
        if numbers.to_der(&mut room)? == der { Ok(numbers) } else { Err(invalid) }
    }

    /// Whether both are numbers below 256 to the power of `len`, and not 0.
    pub(super) fn are_below(&self, len: usize) -> bool {
        self.0.iter().all(|number| {
            // SAFETY: reads the number; does not raise.
            (1..=len).contains(&unsafe { sys::mbedtls_mpi_size(number) })
        })
    }

    /// Writes DER to the end of `room`.
    ///
    /// # Errors
    ///
    /// [`Invalid::Signature`] if it does not fit; [`Error::NoMemory`].
    pub(super) fn to_der<'a>(&self, room: &'a mut [u8; SIGNATURE_MAX]) -> Result<&'a [u8]> {
        let [r, s] = &self.0;
        let bytes = room.as_mut_ptr_range();
        let (start, mut at) = (bytes.start, bytes.end);
        let mut len = 0_usize;
        // SAFETY: Mbed TLS writes from the end on, down to the start at most. None raises.
        let written = unsafe {
            let mut add = |ret: c_int| {
                len = len.saturating_add(usize::try_from(ret).map_err(|_| ret)?);
                Ok::<_, c_int>(len)
            };
            add(sys::mbedtls_asn1_write_mpi(&raw mut at, start, s))
                .and_then(|_| add(sys::mbedtls_asn1_write_mpi(&raw mut at, start, r)))
                .and_then(|len| add(sys::mbedtls_asn1_write_len(&raw mut at, start, len)))
                .and_then(|_| add(sys::mbedtls_asn1_write_tag(&raw mut at, start, SEQUENCE as u8)))
        };
        let len = written.map_err(|code| match Error::from_mbedtls(code) {
            Error::NoMemory => Error::NoMemory,
            _ => Error::Value(Invalid::Signature),
        })?;
        Ok(room.get(SIGNATURE_MAX.saturating_sub(len)..).unwrap_or_default())
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        for number in &mut self.0 {
            // SAFETY: the number is initialised; does not raise.
            unsafe { sys::mbedtls_mpi_free(number) };
        }
    }
}
