// SPDX-License-Identifier: MIT OR Apache-2.0
//! DTLS Hello Verify cookies (RFC 6347 4.2.1): a MAC of the client's identity
//! under a secret of the context. Constant memory, whoever calls.

use core::cell::UnsafeCell;

use super::{Rng, sys};
use crate::error::{Result, check};
use crate::mem::Shared;

/// The cookie secret of a DTLS server context.
pub struct Cookies {
    ctx: UnsafeCell<sys::mbedtls_ssl_cookie_ctx>,
    rng: Shared<Rng>,
}

impl Cookies {
    /// Cookies under a new random secret.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator.
    pub fn new(rng: &Shared<Rng>) -> Result<Shared<Self>> {
        let empty = || Self {
            // SAFETY: zeroed memory is fit for the init function and for free.
            ctx: unsafe { UnsafeCell::new(core::mem::zeroed()) },
            rng: rng.clone(),
        };
        Shared::new(empty, |cookies| {
            // SAFETY: the object is where it stays; does not raise.
            unsafe { sys::mbedtls_ssl_cookie_init(cookies.ctx.get()) };
            // SAFETY: the generator lives as long as the cookies, which keep it.
            check(unsafe {
                sys::mbedtls_ssl_cookie_setup(cookies.ctx.get(), cookies.rng.function(), cookies.rng.state())
            })
        })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::mbedtls_ssl_cookie_ctx {
        self.ctx.get()
    }
}

impl Drop for Cookies {
    fn drop(&mut self) {
        // SAFETY: the object is initialised or zeroed; does not raise.
        unsafe { sys::mbedtls_ssl_cookie_free(self.ctx.get()) };
    }
}
