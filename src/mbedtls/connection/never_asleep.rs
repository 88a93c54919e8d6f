// SPDX-License-Identifier: MIT OR Apache-2.0
//! In the place of `hibernation.rs` in a build without it: a connection that sleeps cannot be,
//! and what would be asked of it takes no flash.

#[cfg(mbedtls_ssl_alpn)]
use core::ffi::CStr;
use core::ffi::c_int;

use super::super::config::Config;
use super::ssl::Ssl;
use crate::error::Result;
use crate::mem::Box;

/// There is none.
pub enum Asleep {}

#[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "as in hibernation.rs")]
impl Asleep {
    fn never<T>(&self) -> T {
        match *self {}
    }

    pub(super) fn of(_: &mut Ssl) -> Result<Option<Self>> {
        Ok(None)
    }

    pub(super) fn wake(&mut self) -> Result<Box<Ssl>> {
        self.never()
    }

    pub(super) fn config(&self) -> &Config {
        self.never()
    }

    pub(super) fn is_datagram(&self) -> bool {
        self.never()
    }

    pub(super) fn suite(&self) -> c_int {
        self.never()
    }

    #[cfg(mbedtls_ssl_alpn)]
    pub(super) fn selected_alpn_protocol(&self) -> Option<&CStr> {
        self.never()
    }

    #[cfg(resumption)]
    pub(super) fn is_resumed(&self) -> bool {
        self.never()
    }

    #[cfg(sessions)]
    pub(super) fn kept(&self) -> Option<super::resumption::Kept<'_>> {
        self.never()
    }

    pub(super) fn verify_result(&self) -> u32 {
        self.never()
    }

    pub(super) fn bad_records(&self) -> u32 {
        self.never()
    }

    pub(super) fn newest_record(&self) -> u64 {
        self.never()
    }

    pub(super) fn has_cids(&self) -> bool {
        self.never()
    }

    pub(super) fn cids(&self) -> (&[u8], &[u8]) {
        self.never()
    }

    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) fn psk_shown(&self) -> Option<&[u8]> {
        self.never()
    }

    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub(super) fn peer_cert(&self) -> Option<&[u8]> {
        self.never()
    }
}
