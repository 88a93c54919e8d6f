// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key exchange groups by name (`set_ecdh_curve`): the names of RFC 8422, and those that
//! NIST and OpenSSL use for the same curves.

use crate::error::{Error, Invalid, Result};
use crate::mbedtls;
use crate::mem::{Array, Shared};

/// Groups in order of preference.
pub struct Groups {
    /// IANA numbers, with the 0 at the end that Mbed TLS wants.
    ids: Array<u16>,
}

/// What else a group is called.
const ALIASES: [(&[u8], &[u8]); 4] = [
    (b"P-256", b"secp256r1"),
    (b"prime256v1", b"secp256r1"),
    (b"P-384", b"secp384r1"),
    (b"P-521", b"secp521r1"),
];

/// The group that `name` names, in whatever case.
fn id(name: &[u8]) -> Option<u16> {
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
    let name = alias.map_or(name, |(_, name)| name);
    mbedtls::groups().find(|(known, _)| known.to_bytes().eq_ignore_ascii_case(name)).map(|(_, id)| id)
}

impl Groups {
    /// The groups named by `names`. One that is named again counts once.
    ///
    /// # Errors
    ///
    /// `ValueError` for an unknown name or none at all; [`Error::NoMemory`].
    pub fn new<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<Shared<Self>> {
        const UNKNOWN: Error = Error::Value(Invalid::Curve);
        let mut ids = Array::new(mbedtls::groups().count().saturating_add(1), 0)?;
        for name in names {
            let id = id(name).ok_or(UNKNOWN)?;
            // There is room for each group once, and the 0.
            if let Some(to) = ids.iter_mut().find(|known| **known == 0 || **known == id) {
                *to = id;
            }
        }
        if ids.first() == Some(&0) {
            return Err(UNKNOWN);
        }
        Shared::new(|| Self { ids }, |_| Ok(()))
    }

    /// The numbers, and a 0 behind them.
    #[must_use]
    pub fn terminated(&self) -> &[u16] {
        &self.ids
    }
}
