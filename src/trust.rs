// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trust anchors: the certificates a peer's chain must lead to (RFC 5280).

use crate::error::Result;
use crate::mbedtls::Chain;
use crate::mem::Shared;

/// Trust anchors in memory.
pub struct Anchors {
    chain: Chain,
}

impl Anchors {
    /// The anchors of `before` and those in `data` (PEM or DER, with a NUL at
    /// the end that is not part of it).
    ///
    /// # Errors
    ///
    /// `ValueError` if `data` holds anything else; [`crate::error::Error::NoMemory`].
    pub fn new(before: Option<&Self>, data: &[u8]) -> Result<Shared<Self>> {
        let empty = || Self { chain: Chain::new() };
        Shared::new(empty, |anchors| {
            if let Some(before) = before {
                anchors.chain.append_copies(&before.chain)?;
            }
            anchors.chain.append(data)
        })
    }

    /// The anchors as a chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }
}
