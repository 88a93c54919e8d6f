// SPDX-License-Identifier: MIT OR Apache-2.0
//! By what bytes are known again, FNV-1a. Not against an enemy: whoever wants to can make others
//! of the same digest.

use core::borrow::Borrow;

/// The digest of `bytes`.
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item: Borrow<u8>>) -> u32 {
    let step =
        |digest: u32, byte| (digest ^ u32::from(*Borrow::<u8>::borrow(&byte))).wrapping_mul(0x0100_0193);
    bytes.into_iter().fold(0x811c_9dc5, step)
}
