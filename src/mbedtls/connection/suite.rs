// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an AEAD suite makes of a transform, and the key that is in a cipher of it.
//!
//! Written for Mbed TLS 3.6, with keys that are not PSA's: the key of AES, as long as only encryption is set up
//! from it (GCM and CCM use no other), is the beginning of its key schedule, `buf[rk_offset..]`, in
//! little-endian words; that of ChaCha20 is `state[4..12]` likewise.

use core::ffi::c_int;
#[cfg(not(exported_keys))]
use core::ptr::NonNull;

#[cfg(not(exported_keys))]
use super::super::crypto::aes::key_schedule;
use super::super::default_ciphers::is_tls13_suite;
use super::super::sys;

/// The longest key.
pub(super) const KEY_MAX: usize = 32;
/// Bytes of the nonce of each AEAD suite.
pub(super) const NONCE: usize = 12;
/// To a multiple of which Mbed TLS makes the records of TLS 1.3 longer.
const PADDING: usize = sys::MBEDTLS_SSL_CID_TLS1_3_PADDING_GRANULARITY as usize;

/// An AEAD suite.
#[derive(Clone, Copy)]
pub(super) struct Suite {
    pub(super) cipher: sys::mbedtls_cipher_type_t,
    pub(super) key: usize,
    /// The part of the nonce that comes from the handshake.
    pub(super) fixed_iv: usize,
    pub(super) tag: usize,
    /// What a record has beside its content at least, the nonce aside.
    pub(super) least: usize,
    pub(super) tls13: bool,
}

impl Suite {
    pub(super) fn of(id: c_int) -> Option<Self> {
        // SAFETY: returns NULL or a static suite; does not raise.
        let info = unsafe { sys::mbedtls_ssl_ciphersuite_from_id(id).as_ref() }?;
        let cipher = info.cipher.into();
        let (key, fixed_iv) = match cipher {
            sys::MBEDTLS_CIPHER_AES_128_GCM | sys::MBEDTLS_CIPHER_AES_128_CCM => (16, 4),
            sys::MBEDTLS_CIPHER_AES_256_GCM | sys::MBEDTLS_CIPHER_AES_256_CCM => (KEY_MAX, 4),
            sys::MBEDTLS_CIPHER_CHACHA20_POLY1305 => (KEY_MAX, NONCE),
            _ => return None,
        };
        let short = u32::from(info.flags) & sys::MBEDTLS_CIPHERSUITE_SHORT_TAG != 0;
        let tag = if short { 8 } else { 16 };
        let tls13 = is_tls13_suite(id);
        // TLS 1.3 has all of the nonce from the handshake, and padding.
        let (fixed_iv, padding) = if tls13 { (NONCE, PADDING) } else { (fixed_iv, 0) };
        let least = NONCE.saturating_sub(fixed_iv).saturating_add(tag).saturating_add(padding);
        Some(Self { cipher, key, fixed_iv, tag, least, tls13 })
    }

    pub(super) fn version(self) -> sys::mbedtls_ssl_protocol_version {
        if self.tls13 { sys::MBEDTLS_SSL_VERSION_TLS1_3 } else { sys::MBEDTLS_SSL_VERSION_TLS1_2 }
    }

    /// Bytes of the keys and fixed IVs of both directions.
    pub(super) fn keys(self) -> usize {
        self.key.saturating_add(self.fixed_iv).saturating_mul(2)
    }

    /// Writes the key that a cipher was set up with.
    ///
    /// # Safety
    ///
    /// `cipher` is set up for this suite, and has its key.
    #[cfg(not(exported_keys))]
    pub(super) unsafe fn read_key(
        self,
        cipher: &sys::mbedtls_cipher_context_t,
        key: &mut [u8],
    ) -> Option<()> {
        // SAFETY: by this function's contract each context is of the type that Mbed TLS
        // allocates for its cipher.
        let words: &[u32] = unsafe {
            let context = NonNull::new(cipher.cipher_ctx)?;
            match self.cipher {
                #[cfg(mbedtls_gcm_c)]
                sys::MBEDTLS_CIPHER_AES_128_GCM | sys::MBEDTLS_CIPHER_AES_256_GCM => {
                    let gcm = context.cast::<sys::mbedtls_gcm_context>().as_ref();
                    #[cfg(mbedtls_block_cipher_c)]
                    let aes = Some(&gcm.block_cipher_ctx.ctx.aes);
                    #[cfg(not(mbedtls_block_cipher_c))]
                    let aes = behind(&gcm.cipher_ctx);
                    key_schedule(aes?)?
                }
                #[cfg(mbedtls_ccm_c)]
                sys::MBEDTLS_CIPHER_AES_128_CCM | sys::MBEDTLS_CIPHER_AES_256_CCM => {
                    let ccm = context.cast::<sys::mbedtls_ccm_context>().as_ref();
                    #[cfg(mbedtls_block_cipher_c)]
                    let aes = Some(&ccm.block_cipher_ctx.ctx.aes);
                    #[cfg(not(mbedtls_block_cipher_c))]
                    let aes = behind(&ccm.cipher_ctx);
                    key_schedule(aes?)?
                }
                #[cfg(mbedtls_chachapoly_c)]
                sys::MBEDTLS_CIPHER_CHACHA20_POLY1305 => {
                    context.cast::<sys::mbedtls_chachapoly_context>().as_ref().chacha20_ctx.state.get(4..)?
                }
                _ => return None,
            }
        };
        for (to, from) in key.chunks_mut(4).zip(words) {
            to.copy_from_slice(from.to_le_bytes().get(..to.len())?);
        }
        Some(())
    }
}

/// The AES of GCM and CCM where that is behind the cipher layer.
///
/// # Safety
///
/// `cipher` is set up for AES.
#[cfg(all(not(exported_keys), not(mbedtls_block_cipher_c)))]
unsafe fn behind(cipher: &sys::mbedtls_cipher_context_t) -> Option<&sys::mbedtls_aes_context> {
    // SAFETY: by this function's contract.
    Some(unsafe { NonNull::new(cipher.cipher_ctx)?.cast().as_ref() })
}

/// Gives a cipher its key. 0, or the error.
///
/// # Safety
///
/// The cipher is set up, for keys of this length.
pub(super) unsafe fn set_key(
    cipher: *mut sys::mbedtls_cipher_context_t,
    key: &[u8],
    operation: sys::mbedtls_operation_t,
) -> c_int {
    let bits = c_int::try_from(key.len().saturating_mul(8)).unwrap_or(0);
    // SAFETY: by this function's contract. Does not raise.
    unsafe { sys::mbedtls_cipher_setkey(cipher, key.as_ptr(), bits, operation) }
}
