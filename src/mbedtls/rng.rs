// SPDX-License-Identifier: MIT OR Apache-2.0
//! The random generator of a context: CTR_DRBG over the port's entropy.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};

use super::error::check;
use super::sys;
use crate::error::{Error, Result};
use crate::mem::Shared;
#[cfg(all(tls13, mbedtls_psa_crypto_external_rng))]
use crate::mem::slice_mut;

/// A seeded CTR_DRBG (NIST SP 800-90A). Its lock against other threads is Mbed
/// TLS's (`MBEDTLS_THREADING_C`).
pub struct Rng {
    entropy: UnsafeCell<Entropy>,
    drbg: UnsafeCell<sys::mbedtls_ctr_drbg_context>,
}

struct Entropy {
    ctx: sys::mbedtls_entropy_context,
    /// What the last gathering came to: the generator does not pass on why it failed.
    ret: c_int,
}

/// This is called from: `mbedtls_ctr_drbg_seed` and, when a reseeding is due,
/// `mbedtls_ctr_drbg_random`.
unsafe extern "C" fn gather(entropy: *mut c_void, bytes: *mut u8, len: usize) -> c_int {
    let entropy = entropy.cast::<Entropy>();
    // SAFETY: `entropy` is the one beside the generator that asks, which nobody else
    // uses meanwhile; the bytes are the generator's. Does not raise.
    unsafe {
        let ret = sys::mbedtls_entropy_func((&raw mut (*entropy).ctx).cast(), bytes, len);
        (*entropy).ret = ret;
        ret
    }
}

/// The generator as Mbed TLS takes it: a function and its state.
pub(super) type Function = unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> c_int;

impl Rng {
    /// A generator seeded from the port's entropy.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] if the entropy source fails.
    pub fn new() -> Result<Shared<Self>> {
        let empty = || Self {
            // SAFETY: zeroed memory is fit for the init function and for free.
            entropy: unsafe { UnsafeCell::new(core::mem::zeroed()) },
            // SAFETY: as above.
            drbg: unsafe { UnsafeCell::new(core::mem::zeroed()) },
        };
        Shared::new(empty, |rng| {
            // SAFETY: both objects are where they stay, and initialised before
            // use; the seed function keeps the pointer to the entropy, which is
            // freed after the generator. None raises.
            let (seeded, gathered) = unsafe {
                sys::mbedtls_entropy_init(&raw mut (*rng.entropy.get()).ctx);
                sys::mbedtls_ctr_drbg_init(rng.drbg.get());
                let custom = b"micropython-ssl";
                let seeded = sys::mbedtls_ctr_drbg_seed(
                    rng.drbg.get(),
                    Some(gather),
                    rng.entropy.get().cast(),
                    custom.as_ptr(),
                    custom.len(),
                );
                (seeded, (*rng.entropy.get()).ret)
            };
            match Error::from_mbedtls(gathered) {
                Error::NoMemory => Err(Error::NoMemory),
                _ => check(seeded),
            }
        })
    }

    /// Random bytes.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Tls`] if a due reseeding fails.
    pub fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: the generator is seeded; the slice is valid; does not raise.
        check(unsafe { sys::mbedtls_ctr_drbg_random(self.state(), bytes.as_mut_ptr(), bytes.len()) })
    }

    pub(super) fn state(&self) -> *mut c_void {
        self.drbg.get().cast()
    }

    #[allow(clippy::unused_self, reason = "belongs with state()")]
    pub(super) fn function(&self) -> Option<Function> {
        Some(sys::mbedtls_ctr_drbg_random)
    }
}

/// PSA's random bytes, where it has no generator of its own (`MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG`): its
/// state is static, and a soft reset takes the heap from under what a generator has there. So one is
/// made for each request, of which a handshake has few.
///
/// This is called from: `psa_generate_random`, `psa_generate_key`, and whatever blinds a key.
#[cfg(all(tls13, mbedtls_psa_crypto_external_rng))]
#[unsafe(no_mangle)]
unsafe extern "C" fn mbedtls_psa_external_get_random(
    _: *mut c_void,
    bytes: *mut u8,
    size: usize,
    len: *mut usize,
) -> c_int {
    // SAFETY: PSA's buffer, which is as long as it says.
    let filled = Rng::new().and_then(|rng| rng.fill(unsafe { slice_mut(bytes, size) }));
    match filled {
        Ok(()) => {
            // SAFETY: PSA's number.
            unsafe { *len = size };
            0
        }
        Err(Error::NoMemory) => NO_MEMORY,
        Err(_) => NO_ENTROPY,
    }
}

/// `PSA_ERROR_INSUFFICIENT_MEMORY` and `PSA_ERROR_INSUFFICIENT_ENTROPY`.
#[cfg(all(tls13, mbedtls_psa_crypto_external_rng))]
const NO_MEMORY: c_int = -141;
#[cfg(all(tls13, mbedtls_psa_crypto_external_rng))]
const NO_ENTROPY: c_int = -148;

impl Drop for Rng {
    fn drop(&mut self) {
        // SAFETY: the objects are initialised or zeroed; does not raise.
        unsafe {
            sys::mbedtls_ctr_drbg_free(self.drbg.get());
            sys::mbedtls_entropy_free(&raw mut (*self.entropy.get()).ctx);
        }
    }
}
