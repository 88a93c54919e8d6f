// SPDX-License-Identifier: MIT OR Apache-2.0
//! AES-GCM put under Mbed TLS, by the linker as [`super::ecp`] is: what cipher.c asks of gcm.c
//! for a record goes to [`crate::aes_gcm`]. Everything else, and everything on a CPU without the
//! instructions, goes on to Mbed TLS's own.

use core::ffi::c_int;

use super::super::sys::{self, zeroize};
use super::aes::key_schedule;
use super::wipe_stack;
use crate::aes_gcm::{self, Nonce, Tag};
use crate::mem::slice;

/// No function called here has more on the stack, in a firmware.
const LEFT: usize = if cfg!(debug_assertions) { 32_768 } else { 8192 };

unsafe extern "C" {
    fn __real_mbedtls_gcm_crypt_and_tag(
        ctx: *mut sys::mbedtls_gcm_context,
        mode: c_int,
        length: usize,
        iv: *const u8,
        iv_len: usize,
        add: *const u8,
        add_len: usize,
        input: *const u8,
        output: *mut u8,
        tag_len: usize,
        tag: *mut u8,
    ) -> c_int;

    fn __real_mbedtls_gcm_auth_decrypt(
        ctx: *mut sys::mbedtls_gcm_context,
        length: usize,
        iv: *const u8,
        iv_len: usize,
        add: *const u8,
        add_len: usize,
        tag: *const u8,
        tag_len: usize,
        input: *const u8,
        output: *mut u8,
    ) -> c_int;
}

/// The key, if it is one of AES-128 or AES-256: the first of the round keys.
///
/// # Safety
///
/// `ctx` is valid.
unsafe fn key<'a>(ctx: *const sys::mbedtls_gcm_context) -> Option<&'a [u8]> {
    // SAFETY: by this function's contract; of a context with another cipher nothing but the
    // cipher's name is read.
    unsafe {
        let cipher = &raw const (*ctx).block_cipher_ctx;
        if (*cipher).id != sys::MBEDTLS_BLOCK_CIPHER_ID_AES {
            return None;
        }
        let aes = &raw const (*cipher).ctx.aes;
        let len = match (*aes).nr {
            10 => 16,
            14 => 32,
            _ => return None,
        };
        let key = key_schedule(&*aes)?;
        (core::mem::size_of_val(key) >= len).then(|| core::slice::from_raw_parts(key.as_ptr().cast(), len))
    }
}

/// Round keys are on the stack of this alone, which is wiped then.
#[inline(never)]
fn encrypt(key: &[u8], nonce: &Nonce, ad: &[u8], data: &mut [u8]) -> Option<Tag> {
    aes_gcm::encrypt(key, nonce, ad, data)
}

/// Likewise.
#[inline(never)]
fn decrypt(key: &[u8], nonce: &Nonce, ad: &[u8], data: &mut [u8], tag: &Tag) -> Option<bool> {
    aes_gcm::decrypt(key, nonce, ad, data, tag)
}

/// `len` bytes at `output`, with what is at `input`, which may be the same place.
///
/// # Safety
///
/// Both are valid.
unsafe fn copied<'a>(input: *const u8, output: *mut u8, len: usize) -> &'a mut [u8] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: by this function's contract.
    unsafe {
        core::ptr::copy(input, output, len);
        core::slice::from_raw_parts_mut(output, len)
    }
}

/// This is called from: `mbedtls_cipher_auth_encrypt_ext`, instead of Mbed TLS's function of that
/// name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_gcm_crypt_and_tag(
    ctx: *mut sys::mbedtls_gcm_context,
    mode: c_int,
    length: usize,
    iv: *const u8,
    iv_len: usize,
    add: *const u8,
    add_len: usize,
    input: *const u8,
    output: *mut u8,
    tag_len: usize,
    tag: *mut u8,
) -> c_int {
    let plain = iv_len == size_of::<Nonce>() && tag_len == size_of::<Tag>();
    let ours = plain && mode == sys::MBEDTLS_GCM_ENCRYPT as c_int && aes_gcm::is_supported();
    // SAFETY: by this function's contract.
    unsafe {
        if let Some(key) = ours.then(|| key(ctx)).flatten() {
            let data = copied(input, output, length);
            let made = encrypt(key, &*iv.cast(), slice(add, add_len), data);
            wipe_stack::<LEFT>();
            if let Some(made) = made {
                *tag.cast() = made;
                return 0;
            }
            return sys::MBEDTLS_ERR_GCM_BAD_INPUT;
        }
        __real_mbedtls_gcm_crypt_and_tag(
            ctx, mode, length, iv, iv_len, add, add_len, input, output, tag_len, tag,
        )
    }
}

/// This is called from: `mbedtls_cipher_auth_decrypt_ext`, instead of Mbed TLS's function of that
/// name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_gcm_auth_decrypt(
    ctx: *mut sys::mbedtls_gcm_context,
    length: usize,
    iv: *const u8,
    iv_len: usize,
    add: *const u8,
    add_len: usize,
    tag: *const u8,
    tag_len: usize,
    input: *const u8,
    output: *mut u8,
) -> c_int {
    let ours = iv_len == size_of::<Nonce>() && tag_len == size_of::<Tag>() && aes_gcm::is_supported();
    // SAFETY: by this function's contract.
    unsafe {
        if let Some(key) = ours.then(|| key(ctx)).flatten() {
            let data = copied(input, output, length);
            let opened = decrypt(key, &*iv.cast(), slice(add, add_len), data, &*tag.cast());
            wipe_stack::<LEFT>();
            return match opened {
                Some(true) => 0,
                Some(false) => {
                    zeroize(data);
                    sys::MBEDTLS_ERR_GCM_AUTH_FAILED
                }
                None => sys::MBEDTLS_ERR_GCM_BAD_INPUT,
            };
        }
        __real_mbedtls_gcm_auth_decrypt(ctx, length, iv, iv_len, add, add_len, tag, tag_len, input, output)
    }
}
