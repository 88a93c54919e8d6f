// SPDX-License-Identifier: MIT OR Apache-2.0
//! AES's own state, read where the key is looked for.

use super::super::sys;

/// The round keys of AES for encryption, in little-endian words: they begin with the key.
pub(in super::super) fn key_schedule(aes: &sys::mbedtls_aes_context) -> Option<&[u32]> {
    aes.buf.get(aes.rk_offset..)
}
