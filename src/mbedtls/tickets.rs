// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys of a server's tickets (RFC 5077, RFC 8446 4.6.1): `mbedtls_ssl_ticket_context`. A ticket holds
//! the whole session, so no memory is spent on who may come back.

use core::cell::UnsafeCell;

use super::error::check;
use super::rng::Rng;
use super::sys;
use crate::error::Result;
use crate::mem::Shared;

/// How long a ticket is good for, in seconds, and a key makes tickets: "an upper limit of 24 hours is
/// suggested for session ID lifetimes" (RFC 5246 F.1.4).
const LIFETIME: u32 = 86_400;

#[cfg(mbedtls_gcm_c)]
const CIPHER: sys::mbedtls_cipher_type_t = sys::MBEDTLS_CIPHER_AES_256_GCM;
#[cfg(not(mbedtls_gcm_c))]
const CIPHER: sys::mbedtls_cipher_type_t = sys::MBEDTLS_CIPHER_AES_256_CCM;

/// Two keys, of which the older is replaced when it is due. Their lock against other threads is Mbed TLS's
/// (`MBEDTLS_THREADING_C`).
pub struct Tickets {
    ctx: UnsafeCell<sys::mbedtls_ssl_ticket_context>,
    /// The keys keep a pointer to it.
    _rng: Shared<Rng>,
}

impl Tickets {
    /// Tickets under new random keys.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator.
    pub fn new(rng: &Shared<Rng>) -> Result<Shared<Self>> {
        let empty = || Self {
            // SAFETY: zeroed memory is fit for the init function, and for free.
            ctx: unsafe { UnsafeCell::new(core::mem::zeroed()) },
            _rng: rng.clone(),
        };
        Shared::new(empty, |tickets| {
            let ctx = tickets.ctx.get();
            // SAFETY: the object is where it stays; the generator lives as long. None raises.
            check(unsafe {
                sys::mbedtls_ssl_ticket_init(ctx);
                sys::mbedtls_ssl_ticket_setup(ctx, rng.function(), rng.state(), CIPHER, LIFETIME)
            })
        })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::mbedtls_ssl_ticket_context {
        self.ctx.get()
    }
}

impl Drop for Tickets {
    fn drop(&mut self) {
        // SAFETY: the object is initialised or zeroed; its keys are wiped. Does not raise.
        unsafe { sys::mbedtls_ssl_ticket_free(self.ctx.get()) };
    }
}
