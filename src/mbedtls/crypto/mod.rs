// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrapped under Mbed TLS: it goes to Rust where that is faster.

#[cfg(any(aes_gcm, all(hibernation, not(exported_keys))))]
pub(super) mod aes;
#[cfg(p256)]
pub mod ecp;
#[cfg(aes_gcm)]
mod gcm;

/// Wipes what a function called before from the same place has left on the stack, in its last `N`
/// bytes: RustCrypto's values are wiped where they end, if at all, not where they were on the way
/// there.
#[cfg(any(p256, aes_gcm))]
#[inline(never)]
fn wipe_stack<const N: usize>() {
    let mut left = core::mem::MaybeUninit::<[u8; N]>::uninit();
    // SAFETY: the array is valid for its length; does not raise.
    unsafe { super::sys::mbedtls_platform_zeroize(left.as_mut_ptr().cast(), N) };
}
