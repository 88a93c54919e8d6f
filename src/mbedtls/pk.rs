// SPDX-License-Identifier: MIT OR Apache-2.0
//! A private key.

use core::cell::UnsafeCell;

use super::crt::Chain;
use super::rng::Rng;
use super::sys;
use crate::error::{Error, Invalid, Result};
use crate::mem::Array;

/// A private key, EC or RSA.
pub struct PrivateKey(UnsafeCell<sys::mbedtls_pk_context>);

/// Failures of a key are all the same to the user, but for want of memory.
fn checked(ret: core::ffi::c_int, otherwise: Invalid) -> Result<()> {
    match ret {
        0 => Ok(()),
        _ => match Error::from_mbedtls(ret) {
            Error::NoMemory => Err(Error::NoMemory),
            _ => Err(Error::Value(otherwise)),
        },
    }
}

/// Whether this begins as an `EncryptedPrivateKeyInfo` (RFC 5958 3) does: with the
/// identifier of a scheme of PKCS #5 or #12. Without a password Mbed TLS does not tell it
/// from what is no key.
fn is_encrypted_der(data: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    let content = match data {
        [SEQUENCE, 0x81, _, content @ ..]
        | [SEQUENCE, 0x82, _, _, content @ ..]
        | [SEQUENCE, 0..=0x7f, content @ ..] => content,
        _ => return false,
    };
    const PKCS: [u8; 7] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1];
    match content {
        [SEQUENCE, _, 6, _, scheme @ ..] => {
            matches!(scheme.strip_prefix(&PKCS), Some([5 | 12, ..]))
        }
        _ => false,
    }
}

impl PrivateKey {
    /// An empty key.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "made in place, by its owners")]
    pub fn new() -> Self {
        // SAFETY: zeroed is what Mbed TLS's init function makes of it.
        Self(unsafe { UnsafeCell::new(core::mem::zeroed()) })
    }

    /// Reads a key into this empty one: PEM or DER; SEC1, PKCS#1 or PKCS#8.
    /// `data` ends with a NUL that is not part of it.
    ///
    /// # Errors
    ///
    /// [`Invalid::NoPassword`] if it is encrypted and there is no password, or an empty one;
    /// [`Invalid::Key`] if it is no key or the password does not open it; [`Error::NoMemory`].
    pub fn parse(&mut self, data: &[u8], password: Option<&[u8]>, rng: &Rng) -> Result<()> {
        match data.split_last() {
            // PEM is parsed with its NUL, DER without.
            Some((_, der)) if !super::crt::is_pem(data) => self.parse_form(der, password, rng),
            _ if !data.windows(2).any(|pair| matches!(pair, [b' ' | b'\t', b'\r' | b'\n'])) => {
                self.parse_form(data, password, rng)
            }
            _ => {
                // Mbed TLS takes no blanks at the end of a line.
                let mut tidy = Array::new(data.len(), 0)?;
                let mut len = 0_usize;
                for &byte in data {
                    while matches!(byte, b'\r' | b'\n')
                        && matches!(len.checked_sub(1).and_then(|last| tidy.get(last)), Some(b' ' | b'\t'))
                    {
                        len = len.saturating_sub(1);
                    }
                    if let Some(to) = tidy.get_mut(len) {
                        *to = byte;
                    }
                    len = len.saturating_add(1);
                }
                let result = self.parse_form(tidy.get(..len).unwrap_or_default(), password, rng);
                sys::zeroize(&mut tidy);
                result
            }
        }
    }

    /// Reads a key in the form that Mbed TLS wants: PEM with a NUL behind it, or DER.
    fn parse_form(&mut self, data: &[u8], password: Option<&[u8]>, rng: &Rng) -> Result<()> {
        let password = password.filter(|password| !password.is_empty());
        let (pwd, pwd_len) = password.map_or((core::ptr::null(), 0), |pwd| (pwd.as_ptr(), pwd.len()));
        // SAFETY: both slices are valid for their lengths; does not raise.
        let ret = unsafe {
            sys::mbedtls_pk_parse_key(
                self.0.get(),
                data.as_ptr(),
                data.len(),
                pwd,
                pwd_len,
                rng.function(),
                rng.state(),
            )
        };
        let locked =
            ret == sys::MBEDTLS_ERR_PK_PASSWORD_REQUIRED || (password.is_none() && is_encrypted_der(data));
        checked(ret, if locked { Invalid::NoPassword } else { Invalid::Key })
    }

    /// Checks that this key belongs to the first certificate of the chain.
    ///
    /// # Errors
    ///
    /// [`Invalid::KeyMismatch`]; [`Error::NoMemory`].
    pub fn check_pair(&self, chain: &Chain, rng: &Rng) -> Result<()> {
        // SAFETY: both keys are set up; does not raise.
        let ret = unsafe {
            let public = &raw const (*chain.as_ptr()).pk;
            sys::mbedtls_pk_check_pair(public, self.0.get(), rng.function(), rng.state())
        };
        checked(ret, Invalid::KeyMismatch)
    }

    /// Whether this is an EC key.
    #[must_use]
    pub fn is_ec(&self) -> bool {
        // SAFETY: reads the key; does not raise.
        unsafe { sys::mbedtls_pk_get_type(self.0.get()) == sys::MBEDTLS_PK_ECKEY }
    }

    /// Whether this is no key but the reference to one in a secure element, which
    /// has a well-known pattern in the place of the private scalar (NXP AN12448).
    #[must_use]
    pub fn is_reference(&self) -> bool {
        const PATTERN: [u8; 8] = [0xa5, 0xa6, 0xb5, 0xb6, 0xa5, 0xa6, 0xb5, 0xb6];
        let mut scalar = [0; 66];
        if !self.is_ec() {
            return false;
        }
        // SAFETY: an EC key's context is a key pair; the array holds the largest
        // scalar, which is written to its end. None raises.
        let ret = unsafe {
            let pair = (*self.0.get()).pk_ctx.cast::<sys::mbedtls_ecp_keypair>();
            sys::mbedtls_mpi_write_binary(&raw const (*pair).d, scalar.as_mut_ptr(), scalar.len())
        };
        let found = ret == 0 && scalar.windows(PATTERN.len()).any(|window| window == PATTERN);
        sys::zeroize(&mut scalar);
        found
    }

    pub(super) fn as_ptr(&self) -> *mut sys::mbedtls_pk_context {
        self.0.get()
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        // SAFETY: the object is initialised or zeroed; free wipes the key; does not raise.
        unsafe { sys::mbedtls_pk_free(self.0.get()) };
    }
}
