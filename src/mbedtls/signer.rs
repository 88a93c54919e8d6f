// SPDX-License-Identifier: MIT OR Apache-2.0
//! A private key whose signatures the host makes (`ecdsa_sign_callback`).
//!
//! Mbed TLS signs through the table of functions that a key points to; this key
//! has a table of its own, with one entry changed. The way back to the connection
//! is the random generator that Mbed TLS hands to every signature, so each
//! connection has its own.

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::ptr::NonNull;

use super::pk::PrivateKey;
use super::rng::{self, Rng};
use super::sys;
use crate::io::{self, Interruption};
use crate::mem::{Box, Shared, slice, slice_mut};

/// The largest private scalar: secp521r1's.
const SCALAR_MAX: usize = 66;

/// The longest signature with such a key, as DER.
const SIGNATURE_MAX: usize = 2 * (SCALAR_MAX + 3) + 3;

/// One connection's key, generator and way back to it.
pub(super) struct Signer {
    key: sys::mbedtls_pk_context,
    info: sys::mbedtls_pk_info_t,
    software: *const sys::mbedtls_pk_info_t,
    rng: Shared<Rng>,
    /// The host, by way of the call that is under way; `None` between calls.
    host: Cell<Option<NonNull<dyn io::Signer>>>,
}

impl Signer {
    /// For an EC key, which must outlive it; `None` for any other.
    pub(super) fn new(key: &PrivateKey, rng: &Shared<Rng>) -> crate::error::Result<Option<Box<Self>>> {
        if !key.is_ec() {
            return Ok(None);
        }
        // SAFETY: the key is set up: its table is static.
        let (inner, software) = unsafe { (key.as_ptr().read(), (*key.as_ptr()).pk_info) };
        let mut signer = Box::new(|| Self {
            key: inner,
            // SAFETY: as above.
            info: unsafe { software.read() },
            software,
            rng: rng.clone(),
            host: Cell::new(None),
        })?;
        signer.info.sign_func = Some(sign);
        signer.key.pk_info = &raw const signer.info;
        Ok(Some(signer))
    }

    /// The key as Mbed TLS takes it. It is never freed: what it points to is another's.
    pub(super) fn key(&self) -> *mut sys::mbedtls_pk_context {
        (&raw const self.key).cast_mut()
    }

    /// The generator as Mbed TLS takes it: this, with [`random`].
    pub(super) fn state(&self) -> *mut c_void {
        (&raw const *self).cast_mut().cast()
    }

    pub(super) fn set_host(&self, host: Option<NonNull<dyn io::Signer>>) {
        self.host.set(host);
    }
}

/// This is called from: wherever Mbed TLS needs random bytes for the connection.
pub(super) unsafe extern "C" fn random(state: *mut c_void, bytes: *mut u8, len: usize) -> c_int {
    // SAFETY: state is the Signer that the connection's configuration keeps.
    let signer = unsafe { &*state.cast::<Signer>() };
    // SAFETY: the generator is seeded, the buffer Mbed TLS's; does not raise.
    unsafe { sys::mbedtls_ctr_drbg_random(signer.rng.state(), bytes, len) }
}

/// This is called from: `mbedtls_ssl_handshake` → `mbedtls_pk_sign`.
unsafe extern "C" fn sign(
    pk: *mut sys::mbedtls_pk_context,
    md_alg: sys::mbedtls_md_type_t,
    hash: *const u8,
    hash_len: usize,
    sig: *mut u8,
    sig_size: usize,
    sig_len: *mut usize,
    f_rng: Option<rng::Function>,
    state: *mut c_void,
) -> c_int {
    // SAFETY: only this file makes keys with this function, for a connection whose
    // generator's state is its Signer.
    let signer = unsafe { &*state.cast::<Signer>() };
    let mut scalar = [0; SCALAR_MAX];
    // Mbed TLS takes it that its output buffer ends where its own would.
    let sig_size = sig_size.min(SIGNATURE_MAX);
    // SAFETY: the key is an EC key; Mbed TLS's slices are valid for their lengths;
    // the host is in reach while the handshake that signs runs, and nobody else uses it
    // then. None raises.
    unsafe {
        let d = &raw const (*(*pk).pk_ctx.cast::<sys::mbedtls_ecp_keypair>()).d;
        let len = sys::mbedtls_mpi_size(d).min(SCALAR_MAX);
        let mut ret = sys::mbedtls_mpi_write_binary(d, scalar.as_mut_ptr(), len);
        let made = match (signer.host.get(), scalar.get(..len)) {
            (Some(mut host), Some(key)) if ret == 0 => {
                let hash = slice(hash, hash_len);
                host.as_mut().sign(key, hash, slice_mut(sig, sig_size))
            }
            _ => Ok(None),
        };
        sys::zeroize(&mut scalar);
        if ret == 0 {
            ret = match (made, (*signer.software).sign_func) {
                (Ok(Some(len)), _) if len <= sig_size => {
                    *sig_len = len;
                    0
                }
                // The host leaves this one to Mbed TLS.
                (Ok(None), Some(software)) => {
                    software(pk, md_alg, hash, hash_len, sig, sig_size, sig_len, f_rng, state)
                }
                (Err(Interruption::NoMemory), _) => sys::MBEDTLS_ERR_PK_ALLOC_FAILED,
                _ => sys::MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE,
            };
        }
        ret
    }
}
