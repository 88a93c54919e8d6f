// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes that leave the firmware, encrypted and authenticated under a key of the program's.
//!
//! Each run has a key of its own, one block of HKDF-Expand (RFC 5869 2.3) over the program's and a random
//! salt. So one nonce is enough, and nobody has to count how often a key was used: two runs meet when their
//! salts do.

use super::error::check;
use super::sys;
use crate::error::{Error, Result};

/// Bytes of a salt, which is random.
pub const SALT: usize = 16;
/// Bytes of a tag.
pub const TAG: usize = 16;
/// Bytes of SHA-256, as many as the longest key has.
const HASH: usize = 32;
const NONCE: [u8; 12] = [0; 12];
const LABEL: &[u8] = b"micropython-ssl sealed 1";

/// The ciphers of which the first is used that is compiled in, and the bits of their keys: for so few bytes
/// ChaCha20-Poly1305 takes a third of what GCM does, without hardware for it.
const CIPHERS: [(sys::mbedtls_cipher_type_t, core::ffi::c_int); 5] = [
    (sys::MBEDTLS_CIPHER_CHACHA20_POLY1305, 256),
    (sys::MBEDTLS_CIPHER_AES_256_GCM, 256),
    (sys::MBEDTLS_CIPHER_AES_256_CCM, 256),
    (sys::MBEDTLS_CIPHER_AES_128_GCM, 128),
    (sys::MBEDTLS_CIPHER_AES_128_CCM, 128),
];

struct Cipher(sys::mbedtls_cipher_context_t);

impl Cipher {
    fn new(key: &[u8], salt: &[u8; SALT], operation: sys::mbedtls_operation_t) -> Result<Self> {
        let mut infos = CIPHERS.iter().map(|(cipher, bits)| {
            // SAFETY: returns NULL or a static description; does not raise.
            (unsafe { sys::mbedtls_cipher_info_from_type(*cipher) }, *bits)
        });
        let Some((info, bits)) = infos.find(|(info, _)| !info.is_null()) else {
            return Err(Error::Tls(sys::MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE));
        };
        let mut own = [0; HASH];
        // SAFETY: zeroed is what mbedtls_cipher_init makes of it.
        let mut this = Self(unsafe { core::mem::zeroed() });
        // SAFETY: the context is initialised, and freed with this; the slices are valid. None raises.
        let made = unsafe {
            sys::mbedtls_cipher_init(&raw mut this.0);
            expand(key, salt, &mut own)
                .and_then(|()| check(sys::mbedtls_cipher_setup(&raw mut this.0, info)))
                .and_then(|()| {
                    check(sys::mbedtls_cipher_setkey(&raw mut this.0, own.as_ptr(), bits, operation))
                })
        };
        sys::zeroize(&mut own);
        made.map(|()| this)
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        // SAFETY: the context is initialised; does not raise.
        unsafe { sys::mbedtls_cipher_free(&raw mut self.0) };
    }
}

/// T(1) of HKDF-Expand, with the label and the salt as its info.
fn expand(key: &[u8], salt: &[u8; SALT], to: &mut [u8; HASH]) -> Result<()> {
    // SAFETY: zeroed is what mbedtls_md_init makes of it.
    let mut md: sys::mbedtls_md_context_t = unsafe { core::mem::zeroed() };
    // SAFETY: the context is initialised, and freed here; the info is NULL or static, the slices are valid.
    // None raises.
    unsafe {
        sys::mbedtls_md_init(&raw mut md);
        let info = sys::mbedtls_md_info_from_type(sys::MBEDTLS_MD_SHA256);
        let mut ret = sys::mbedtls_md_setup(&raw mut md, info, 1);
        if ret == 0 {
            ret = sys::mbedtls_md_hmac_starts(&raw mut md, key.as_ptr(), key.len());
        }
        for part in [LABEL, salt, &[1]] {
            if ret == 0 {
                ret = sys::mbedtls_md_hmac_update(&raw mut md, part.as_ptr(), part.len());
            }
        }
        if ret == 0 {
            ret = sys::mbedtls_md_hmac_finish(&raw mut md, to.as_mut_ptr());
        }
        sys::mbedtls_md_free(&raw mut md);
        check(ret)
    }
}

/// Encrypts `data`, the last [`TAG`] bytes of which are room for the tag; `ad` goes with it, in the clear.
///
/// # Errors
///
/// [`Error::NoMemory`]; [`Error::Tls`] in a build without a cipher for it, and where hardware fails. The
/// data are not to be used then.
pub fn seal(key: &[u8], salt: &[u8; SALT], ad: &[u8], data: &mut [u8]) -> Result<()> {
    let mut cipher = Cipher::new(key, salt, sys::MBEDTLS_ENCRYPT)?;
    let mut written = 0;
    // SAFETY: the slices are valid, the tag comes behind what is encrypted in its place. Does not raise.
    check(unsafe {
        sys::mbedtls_cipher_auth_encrypt_ext(
            &raw mut cipher.0,
            NONCE.as_ptr(),
            NONCE.len(),
            ad.as_ptr(),
            ad.len(),
            data.as_ptr(),
            data.len().saturating_sub(TAG),
            data.as_mut_ptr(),
            data.len(),
            &raw mut written,
            TAG,
        )
    })
}

/// Decrypts `data`, the last [`TAG`] bytes of which are the tag. Whether they, and `ad`, are what was sealed
/// under this key; if not, they are not to be used.
///
/// # Errors
///
/// As [`seal`].
pub fn open(key: &[u8], salt: &[u8; SALT], ad: &[u8], data: &mut [u8]) -> Result<bool> {
    if data.len() < TAG {
        return Ok(false);
    }
    let mut cipher = Cipher::new(key, salt, sys::MBEDTLS_DECRYPT)?;
    let mut written = 0;
    // SAFETY: the slices are valid; what is decrypted takes the place of what is. Does not raise.
    let ret = unsafe {
        sys::mbedtls_cipher_auth_decrypt_ext(
            &raw mut cipher.0,
            NONCE.as_ptr(),
            NONCE.len(),
            ad.as_ptr(),
            ad.len(),
            data.as_ptr(),
            data.len(),
            data.as_mut_ptr(),
            data.len(),
            &raw mut written,
            TAG,
        )
    };
    if ret == sys::MBEDTLS_ERR_CIPHER_AUTH_FAILED {
        return Ok(false);
    }
    check(ret).map(|()| true)
}
