// SPDX-License-Identifier: MIT OR Apache-2.0
//! Application protocols (ALPN, RFC 7301), as Mbed TLS reads them: an array of texts that ends with
//! NULL, which it does not copy.

use core::ffi::c_char;

use crate::error::{Error, Invalid, Result};
use crate::mem::{Array, Shared, copy};

/// Names of protocols in order of preference.
pub struct Protocols {
    /// Into `texts`, and a NULL behind them.
    list: Array<*const c_char>,
    /// Each with its NUL. Never changed again.
    texts: Array<u8>,
}

impl Protocols {
    /// The `n` protocols that `names` names; `None` without any.
    ///
    /// # Errors
    ///
    /// `ValueError` for a name that is empty, longer than 255 bytes (`ProtocolName<1..2^8-1>`, 3.1) or
    /// has a NUL, or for more names than a hello holds; [`Error::NoMemory`].
    pub fn new<'a>(n: usize, names: impl Iterator<Item = &'a [u8]> + Clone) -> Result<Option<Shared<Self>>> {
        const INVALID: Error = Error::Value(Invalid::ApplicationProtocol);
        if n == 0 {
            return Ok(None);
        }
        let mut size: usize = 0;
        for name in names.clone() {
            if name.is_empty() || name.len() > usize::from(u8::MAX) || name.contains(&0) {
                return Err(INVALID);
            }
            size = size.saturating_add(name.len()).saturating_add(1);
        }
        if size > usize::from(u16::MAX) {
            return Err(INVALID);
        }
        let mut texts = Array::new(size, 0_u8)?;
        let mut list = Array::new(n.checked_add(1).ok_or(Error::NoMemory)?, core::ptr::null())?;
        let mut rest: &mut [u8] = &mut texts;
        for (to, name) in list.iter_mut().zip(names) {
            let Some((text, behind)) = rest.split_at_mut_checked(name.len().saturating_add(1)) else { break };
            copy(text, name);
            *to = text.as_ptr().cast();
            rest = behind;
        }
        Shared::new(|| Self { list, texts }, |_| Ok(())).map(Some)
    }

    /// The one of this name.
    #[cfg(hibernation)]
    pub(super) fn find(&self, name: &[u8]) -> Option<*const c_char> {
        let at = self.names().position(|one| one == name)?;
        self.list.get(at).copied()
    }

    /// Their names.
    #[cfg(any(sessions, hibernation))]
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.split(|byte| *byte == 0).filter(|name| !name.is_empty())
    }

    /// The first, behind the last of which is NULL.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.list.as_ptr()
    }
}

impl PartialEq for Protocols {
    fn eq(&self, other: &Self) -> bool {
        *self.texts == *other.texts
    }
}
