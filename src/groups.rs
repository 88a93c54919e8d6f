// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key exchange groups by name (`set_ecdh_curve`): the names of RFC 8422, and those that
//! NIST and OpenSSL use for the same curves.

use crate::error::{Error, Invalid, Result};
use crate::mbedtls::{self, List};
use crate::mem::Shared;

/// Groups in order of preference, by their IANA numbers.
pub type Groups = List<u16>;

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

/// The groups named by `names`. One that is named again counts once.
///
/// # Errors
///
/// `ValueError` for an unknown name or none at all; [`crate::error::Error::NoMemory`].
pub fn named<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<Shared<Groups>> {
    const UNKNOWN: Error = Error::Value(Invalid::Curve);
    Groups::new(mbedtls::groups().count(), |ids| {
        for name in names {
            let id = id(name).ok_or(UNKNOWN)?;
            // There is room for each group once.
            if let Some(to) = ids.iter_mut().find(|known| **known == 0 || **known == id) {
                *to = id;
            }
        }
        if ids.first() == Some(&0) { Err(UNKNOWN) } else { Ok(()) }
    })
}
