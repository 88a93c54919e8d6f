// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrapped under Mbed TLS: it goes to Rust where that is faster.

#[cfg(any(aes_gcm, all(hibernation, not(exported_keys))))]
pub(super) mod aes;
#[cfg(p256)]
pub mod ecp;
#[cfg(aes_gcm)]
mod gcm;
