// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client of TLS 1.2 whose session goes on has the cipher of one direction at a time: it reads the
//! server's ChangeCipherSpec and Finished, then writes its own, and there are no data before (RFC 5246
//! 7.3). Both at once, beside the hash of a Finished, would be what such a handshake has at most.
//!
//! The key of the direction that has none waits where the random numbers were, which Mbed TLS has wiped
//! (`mbedtls_ssl_derive_keys`), and goes with the handshake.

use core::ffi::c_int;

use super::super::sys;
use super::cipher::{free_cipher, set_up_cipher};
use super::suite::{KEY_MAX, Suite, set_key};

/// What a step has to do with it.
struct OneCipher<'a> {
    suite: Suite,
    transform: &'a mut sys::mbedtls_ssl_transform,
    out_key: &'a mut [u8; KEY_MAX],
    in_key: &'a mut [u8; KEY_MAX],
}

impl<'a> OneCipher<'a> {
    /// Where an earlier session goes on, with a suite of which the keys can be read.
    ///
    /// # Safety
    ///
    /// The connection is a client's of TLS 1.2, set up, beyond the ServerHello; nobody else refers to it.
    unsafe fn of(ctx: *mut sys::mbedtls_ssl_context) -> Option<Self> {
        // SAFETY: by this function's contract: what is negotiated is the connection's own.
        unsafe {
            let handshake = (*ctx).handshake.as_mut().filter(|handshake| handshake.resume != 0)?;
            let suite = Suite::of((*ctx).session_negotiate.as_ref()?.ciphersuite)?;
            let transform = (*ctx).transform_negotiate.as_mut()?;
            let ([out_key, in_key], []) = handshake.randbytes.as_chunks_mut() else { return None };
            Some(Self { suite, transform, out_key, in_key })
        }
    }

    /// Frees the cipher for output, or that for input.
    ///
    /// # Safety
    ///
    /// It is not used before it is set up again.
    unsafe fn release(&mut self, output: bool) {
        let (cipher, key) = if output {
            (&mut self.transform.cipher_ctx_enc, &mut self.out_key)
        } else {
            (&mut self.transform.cipher_ctx_dec, &mut self.in_key)
        };
        // SAFETY: by this function's contract; the cipher is of the suite, and has its key. None raises.
        unsafe {
            if self.suite.read_key(cipher, key.get_mut(..self.suite.key).unwrap_or_default()).is_some() {
                free_cipher(cipher);
            }
        }
    }

    /// Sets the cipher up again, if it is not. 0, or that memory is missing: it is as before then.
    fn restore(&mut self, output: bool) -> c_int {
        let transform = &mut *self.transform;
        let (cipher, key, operation) = if output {
            (&mut transform.cipher_ctx_enc, &self.out_key, sys::MBEDTLS_ENCRYPT)
        } else {
            (&mut transform.cipher_ctx_dec, &self.in_key, sys::MBEDTLS_DECRYPT)
        };
        if !cipher.cipher_ctx.is_null() {
            return 0;
        }
        let key = key.get(..self.suite.key).unwrap_or_default();
        // SAFETY: `release` has freed the cipher, and left its key. None raises.
        unsafe {
            let mut ret = set_up_cipher(cipher);
            if ret == 0 {
                ret = set_key(cipher, key, operation);
            }
            if ret != 0 {
                free_cipher(cipher);
            }
            ret
        }
    }
}

/// Before a step. 0, or that memory is missing: it can be tried again.
///
/// # Safety
///
/// The connection is a client's of TLS 1.2, set up, and no call out of Mbed TLS is under way.
pub(super) unsafe fn before_step(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract; the server's Finished has been read in both states.
    unsafe {
        let is_over = match sys::mbedtls_ssl_states::try_from((*ctx).state) {
            Ok(sys::MBEDTLS_SSL_CLIENT_CHANGE_CIPHER_SPEC) => false,
            Ok(sys::MBEDTLS_SSL_HANDSHAKE_WRAPUP) => true,
            _ => return 0,
        };
        let Some(mut one) = OneCipher::of(ctx) else { return 0 };
        if is_over {
            return one.restore(false);
        }
        one.release(false);
        one.restore(true)
    }
}

/// After the ServerHello, of which the keys follow.
///
/// # Safety
///
/// As [`before_step`].
pub(super) unsafe fn after_server_hello(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract; nothing is encrypted before ChangeCipherSpec.
    unsafe {
        if let Some(mut one) = OneCipher::of(ctx) {
            one.release(true);
        }
    }
}
