// SPDX-License-Identifier: MIT OR Apache-2.0
//! SHA-256 of what is given part by part.

use super::error::check;
use super::sys;
use crate::error::Result;

/// By what settings are known again.
#[cfg(any(hibernation, sessions))]
pub type Binding = [u8; 16];

/// A digest that is not finished.
pub struct Digest(sys::mbedtls_md_context_t);

impl Digest {
    /// Of nothing yet.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn new() -> Result<Self> {
        // SAFETY: zeroed is what mbedtls_md_init makes of it.
        let mut this = Self(unsafe { core::mem::zeroed() });
        // SAFETY: the context is initialised, and freed with this; the info is NULL or static. None raises.
        check(unsafe {
            let info = sys::mbedtls_md_info_from_type(sys::MBEDTLS_MD_SHA256);
            match sys::mbedtls_md_setup(&raw mut this.0, info, 0) {
                0 => sys::mbedtls_md_starts(&raw mut this.0),
                ret => ret,
            }
        })?;
        Ok(this)
    }

    /// Adds a part, and how long it is: no two runs of parts are alike.
    ///
    /// # Errors
    ///
    /// As [`Self::update`].
    #[cfg(any(hibernation, sessions))]
    pub fn add(&mut self, part: &[u8]) -> Result<()> {
        self.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes())?;
        self.update(part)
    }

    /// Adds bytes alone.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Tls`], where hardware does it and fails.
    pub fn update(&mut self, bytes: &[u8]) -> Result<()> {
        // SAFETY: the slice is valid; does not raise.
        check(unsafe { sys::mbedtls_md_update(&raw mut self.0, bytes.as_ptr(), bytes.len()) })
    }

    /// The digest.
    ///
    /// # Errors
    ///
    /// As [`Self::update`].
    pub fn finish(mut self) -> Result<[u8; 32]> {
        let mut digest = [0; 32];
        // SAFETY: SHA-256's digest is 32 bytes long; does not raise.
        check(unsafe { sys::mbedtls_md_finish(&raw mut self.0, digest.as_mut_ptr()) })?;
        Ok(digest)
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        // SAFETY: the context is initialised; does not raise.
        unsafe { sys::mbedtls_md_free(&raw mut self.0) };
    }
}
