// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cookies: that a client receives what is sent to its address; and how Mbed TLS asks for
//! them. In the place of its `mbedtls_ssl_cookie_ctx`, whose one secret never changes.

use core::cell::Cell;
#[cfg(mbedtls_ssl_dtls_hello_verify)]
use core::ffi::{c_int, c_void};

use super::error::check;
use super::rng::Rng;
use super::sys;
use crate::error::Result;
#[cfg(mbedtls_ssl_dtls_hello_verify)]
use crate::mem::slice;
use crate::mem::{Shared, copy};
use crate::micropython_sys::{atomically, ticks_ms};
use crate::wire::{COOKIE_LEN, COOKIE_LIFE_MS};

/// A secret makes cookies for this long, and lasts once more as long.
const SECRET_LIFE_MS: u32 = 600_000;
type Secret = [u8; 32];
/// By which those who make cookies are told apart, also over a reset.
#[cfg(hibernation)]
pub type Mark = [u8; 4];
/// A cookie begins with when it was made, in milliseconds, and the how manieth it is.
const MADE_LEN: usize = 5;

/// Hello Verify cookies (RFC 6347 4.2.1): they prove that a client receives what is
/// sent to its address. No memory is spent on who asks.
///
/// Secrets rotate: a cookie made under the last one is still good under the next.
pub struct Cookies {
    secrets: Cell<Secrets>,
    /// How many were made, so that no two of a client's are the same.
    count: Cell<u8>,
    #[cfg(hibernation)]
    mark: Mark,
    rng: Shared<Rng>,
}

#[derive(Clone, Copy)]
struct Secrets {
    current: Secret,
    previous: Secret,
    since: u32,
}

impl Drop for Cookies {
    fn drop(&mut self) {
        let secrets = self.secrets.get_mut();
        sys::zeroize(&mut secrets.current);
        sys::zeroize(&mut secrets.previous);
    }
}

impl Cookies {
    /// Cookies under new random secrets.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator.
    pub fn new(rng: &Shared<Rng>) -> Result<Shared<Self>> {
        let empty = || Self {
            secrets: Cell::new(Secrets { current: [0; 32], previous: [0; 32], since: ticks_ms() }),
            count: Cell::new(0),
            #[cfg(hibernation)]
            mark: Mark::default(),
            rng: rng.clone(),
        };
        Shared::new(empty, |cookies| {
            #[cfg(hibernation)]
            rng.fill(&mut cookies.mark)?;
            let secrets = cookies.secrets.get_mut();
            rng.fill(&mut secrets.current)?;
            rng.fill(&mut secrets.previous)
        })
    }

    /// Random, and the same as long as these live, whatever becomes of the secrets, of which it says nothing.
    #[cfg(hibernation)]
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// The secrets of now: two lives after the last rotation both are new.
    fn secrets(&self, now: u32) -> Result<Secrets> {
        let age = |secrets: Secrets| now.wrapping_sub(secrets.since);
        let secrets = atomically(|| self.secrets.get());
        if age(secrets) < SECRET_LIFE_MS {
            return Ok(secrets);
        }
        let mut fresh = Secrets { current: [0; 32], previous: secrets.current, since: now };
        self.rng.fill(&mut fresh.current)?;
        if age(secrets) >= SECRET_LIFE_MS.saturating_mul(2) {
            self.rng.fill(&mut fresh.previous)?;
        }
        // Another thread may have been faster: its secrets are as good.
        Ok(atomically(|| {
            if age(self.secrets.get()) >= SECRET_LIFE_MS {
                self.secrets.set(fresh);
            }
            self.secrets.get()
        }))
    }

    /// The MAC's last bytes make room for what it is of: 27 of them are plenty.
    fn made_with(secret: &Secret, made: [u8; MADE_LEN], id: &[u8]) -> Result<[u8; COOKIE_LEN]> {
        let mut cookie = hmac(secret, &[&made, id])?;
        cookie.rotate_right(MADE_LEN);
        copy(&mut cookie, &made);
        Ok(cookie)
    }

    /// A cookie for the client that `id` (its address, say) stands for.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator.
    pub fn write(&self, id: &[u8]) -> Result<[u8; COOKIE_LEN]> {
        let now = ticks_ms();
        let count = atomically(|| self.count.replace(self.count.get().wrapping_add(1)));
        let [a, b, c, d] = now.to_be_bytes();
        Self::made_with(&self.secrets(now)?.current, [a, b, c, d, count], id)
    }

    /// Whether this is a cookie for that client, made not long ago.
    #[must_use]
    pub fn check(&self, cookie: &[u8], id: &[u8]) -> bool {
        let Some(&made) = cookie.first_chunk() else { return false };
        let now = ticks_ms();
        let Ok(secrets) = self.secrets(now) else { return false };
        let made_with = |secret| {
            Self::made_with(secret, made, id).is_ok_and(|expected| constant_time_eq(&expected, cookie))
        };
        let [time @ .., _] = made;
        now.wrapping_sub(u32::from_be_bytes(time)) <= COOKIE_LIFE_MS
            && (made_with(&secrets.current) || made_with(&secrets.previous))
    }
}

/// HMAC-SHA-256 (RFC 2104) of the parts, one after the other.
///
/// # Errors
///
/// [`crate::error::Error::NoMemory`].
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32]> {
    let mut mac = [0; 32];
    // SAFETY: zeroed is what mbedtls_md_init makes of it.
    let mut ctx: sys::mbedtls_md_context_t = unsafe { core::mem::zeroed() };
    // SAFETY: the slices are valid for their lengths, the MAC of SHA-256 is 32
    // bytes long; the context is freed on every way out. None raises.
    let ret = unsafe {
        let info = sys::mbedtls_md_info_from_type(sys::MBEDTLS_MD_SHA256);
        let mut ret = sys::mbedtls_md_setup(&raw mut ctx, info, 1);
        if ret == 0 {
            ret = sys::mbedtls_md_hmac_starts(&raw mut ctx, key.as_ptr(), key.len());
        }
        for part in parts {
            if ret == 0 {
                ret = sys::mbedtls_md_hmac_update(&raw mut ctx, part.as_ptr(), part.len());
            }
        }
        if ret == 0 {
            ret = sys::mbedtls_md_hmac_finish(&raw mut ctx, mac.as_mut_ptr());
        }
        sys::mbedtls_md_free(&raw mut ctx);
        ret
    };
    check(ret).map(|()| mac)
}

/// Compares in a time that does not depend on where the bytes differ.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    // SAFETY: both slices are valid for the shorter length; does not raise.
    a.len() == b.len()
        && unsafe { sys::mbedtls_ct_memcmp(a.as_ptr().cast(), b.as_ptr().cast(), a.len()) } == 0
}

/// This is called from: `mbedtls_ssl_handshake` → `ssl_write_hello_verify_request`.
#[cfg(mbedtls_ssl_dtls_hello_verify)]
pub(super) unsafe extern "C" fn write(
    ctx: *mut c_void,
    to: *mut *mut u8,
    end: *mut u8,
    id: *const u8,
    id_len: usize,
) -> c_int {
    // SAFETY: ctx is the Cookies that the configuration keeps; Mbed TLS gives the
    // client's id and a place for the cookie that reaches to `end`.
    unsafe {
        let (cookies, id) = (&*ctx.cast::<Cookies>(), slice(id, id_len));
        let room = end.offset_from_unsigned(*to);
        match cookies.write(id) {
            Ok(cookie) if cookie.len() <= room => {
                core::ptr::copy_nonoverlapping(cookie.as_ptr(), *to, cookie.len());
                *to = (*to).add(cookie.len());
                0
            }
            _ => sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR,
        }
    }
}

/// This is called from: `mbedtls_ssl_handshake` → `ssl_parse_client_hello`.
#[cfg(mbedtls_ssl_dtls_hello_verify)]
pub(super) unsafe extern "C" fn check_cookie(
    ctx: *mut c_void,
    cookie: *const u8,
    cookie_len: usize,
    id: *const u8,
    id_len: usize,
) -> c_int {
    // SAFETY: as in `write`; the cookie is valid for its length, and not NULL.
    let (cookies, cookie, id) =
        unsafe { (&*ctx.cast::<Cookies>(), slice(cookie, cookie_len), slice(id, id_len)) };
    if cookies.check(cookie, id) { 0 } else { -1 }
}
