// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cipher of one direction of a transform, set up and freed apart from the other's.

use core::ffi::c_int;
#[cfg(tls13)]
use core::sync::atomic::{AtomicPtr, Ordering};

use super::super::sys;
#[cfg(not(tls13))]
use super::super::sys::mbedtls_cipher_setup as __real_mbedtls_cipher_setup;

#[cfg(tls13)]
unsafe extern "C" {
    // Mbed TLS's own, which the linker has wrapped. None raises.
    fn __real_mbedtls_cipher_setup(
        ctx: *mut sys::mbedtls_cipher_context_t,
        info: *const sys::mbedtls_cipher_info_t,
    ) -> c_int;
    fn __real_mbedtls_cipher_free(ctx: *mut sys::mbedtls_cipher_context_t);
}

/// The cipher that was set up last, and is not freed.
#[cfg(tls13)]
static LAST_CIPHER: AtomicPtr<sys::mbedtls_cipher_context_t> = AtomicPtr::new(core::ptr::null_mut());

/// Where there is no memory for the second cipher of a transform, frees the first, which lies in front of
/// it: Mbed TLS forgets it with the transform (`mbedtls_ssl_tls13_compute_handshake_transform`, and the
/// application's). If another thread has set one up meanwhile, it is forgotten.
///
/// This is called from: whatever encrypts, instead of Mbed TLS's function of that name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[cfg(tls13)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_cipher_setup(
    ctx: *mut sys::mbedtls_cipher_context_t,
    info: *const sys::mbedtls_cipher_info_t,
) -> c_int {
    // SAFETY: by this function's contract; the last one is set up, as far as it is not taken back below.
    unsafe {
        let ret = __real_mbedtls_cipher_setup(ctx, info);
        let last = LAST_CIPHER.load(Ordering::Relaxed);
        if ret == 0 {
            LAST_CIPHER.store(ctx, Ordering::Relaxed);
        } else if !last.is_null() && last.wrapping_add(1) == ctx {
            __wrap_mbedtls_cipher_free(last);
        }
        ret
    }
}

/// This is called from: whatever has a cipher, instead of Mbed TLS's function of that name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[cfg(tls13)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_cipher_free(ctx: *mut sys::mbedtls_cipher_context_t) {
    if LAST_CIPHER.load(Ordering::Relaxed) == ctx {
        LAST_CIPHER.store(core::ptr::null_mut(), Ordering::Relaxed);
    }
    // SAFETY: by this function's contract.
    unsafe { __real_mbedtls_cipher_free(ctx) };
}

/// Frees a cipher of a transform that stays in use for what it says beside it: which cipher it is (Mbed TLS
/// asks one direction's in the other's name).
///
/// # Safety
///
/// It is set up, or was; nothing more is encrypted or decrypted with it.
pub(super) unsafe fn free_cipher(cipher: &mut sys::mbedtls_cipher_context_t) {
    // SAFETY: by this function's contract: a cipher without a context is freed by Mbed TLS like one that was
    // never given a key. None raises.
    unsafe {
        let info = cipher.cipher_info;
        sys::mbedtls_cipher_free(cipher);
        cipher.cipher_info = info;
    }
}

/// Sets up a cipher that [`free_cipher`] has freed; it has no key. 0, or that memory is missing: it is as before then.
///
/// # Safety
///
/// As said.
pub(super) unsafe fn set_up_cipher(cipher: &mut sys::mbedtls_cipher_context_t) -> c_int {
    // SAFETY: by this function's contract. Not by the wrapped one, which would free the other direction's
    // where there is no memory. Does not raise.
    unsafe {
        let info = cipher.cipher_info;
        let ret = __real_mbedtls_cipher_setup(cipher, info);
        cipher.cipher_info = info;
        ret
    }
}
