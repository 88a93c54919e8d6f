// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client's session (`mbedtls_ssl_session`), and the bytes that Mbed TLS saves it in: those of its version
//! and its options come first, and another build's are refused.

use core::cell::Cell;

use super::digest::Digest;
use super::error::check;
use super::secret::Secret;
use super::sys;
use crate::error::{Error, Invalid, Result};
use crate::mem::{Array, Box, Shared, copy, slice};
use crate::micropython_sys::atomically;

/// The longest ticket that is kept: a hello has to hold it.
pub(super) const TICKET_MAX: usize = 3072;
/// How long a session is good for whose server does not say, in seconds (RFC 5246 F.1.4).
const LIFETIME: u32 = 86_400;
/// The longest that it may be (RFC 8446 4.6.1).
pub const LIFETIME_MAX: u32 = 604_800;
/// The longest session id.
pub const ID_MAX: usize = 32;

/// Whether a session has been offered to a server, by whoever has a handle of it.
pub struct Once(Cell<bool>);

impl Once {
    /// Not yet.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new() -> Result<Shared<Self>> {
        Shared::new(|| Self(Cell::new(false)), |_| Ok(()))
    }

    /// Whether it has.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.0.get()
    }

    /// It has now; whether it is the first time.
    pub fn take(&self) -> bool {
        atomically(|| !self.0.replace(true))
    }
}

/// A session that Mbed TLS can be given.
pub struct Session(Box<sys::mbedtls_ssl_session>);

impl Session {
    /// An empty one.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: zeroed is fit for the init function.
        let mut session = Box::new(|| unsafe { core::mem::zeroed() })?;
        // SAFETY: the object is where it stays; does not raise.
        unsafe { sys::mbedtls_ssl_session_init(&raw mut *session) };
        Ok(Self(session))
    }

    /// Looks at bytes that anybody may have written: whether they are what [`Self::load`] takes, and would be
    /// saved so. Mbed TLS before 3.6.7 looks for the end of a name without a look at that of the bytes, and
    /// passes over what is behind a session.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn check(bytes: &[u8]) -> Result<()> {
        let mut with_nul = Array::new(bytes.len().saturating_add(1), 0_u8)?;
        copy(&mut with_nul, bytes);
        let with_nul = Secret::of(with_nul);
        let session = Self::load(with_nul.bytes().get(..bytes.len()).unwrap_or_default())?;
        let again = Self::save(&session.0)?;
        if again.bytes() == bytes { Ok(()) } else { Err(Error::Value(Invalid::Session)) }
    }

    /// That of these bytes, which are good.
    ///
    /// # Errors
    ///
    /// `ValueError` where they are not what this build's Mbed TLS saves of a client's session;
    /// [`Error::NoMemory`].
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let mut this = Self::new()?;
        // SAFETY: the slice is valid; what fails is freed. Does not raise.
        let ret = unsafe { sys::mbedtls_ssl_session_load(&raw mut *this.0, bytes.as_ptr(), bytes.len()) };
        match Error::from_mbedtls(ret) {
            _ if ret == 0 && this.is_sound() => Ok(this),
            Error::NoMemory => Err(Error::NoMemory),
            _ => Err(Error::Value(Invalid::Session)),
        }
    }

    /// Whether each field is one that a handshake may have left: Mbed TLS does not look.
    fn is_sound(&self) -> bool {
        let session = &*self.0;
        let is_version = match session.tls_version {
            sys::MBEDTLS_SSL_VERSION_TLS1_2 => session.ticket_len != 0 || session.id_len != 0,
            #[cfg(tls13)]
            sys::MBEDTLS_SSL_VERSION_TLS1_3 => {
                session.ticket_len != 0 && matches!(session.resumption_key_len, 32 | 48)
            }
            _ => false,
        };
        #[cfg(mbedtls_ssl_max_fragment_length)]
        let is_extension = u32::from(session.mfl_code) < sys::MBEDTLS_SSL_MAX_FRAG_LEN_INVALID;
        #[cfg(not(mbedtls_ssl_max_fragment_length))]
        let is_extension = true;
        #[cfg(mbedtls_ssl_encrypt_then_mac)]
        let is_extension = is_extension && matches!(session.encrypt_then_mac, 0 | 1);
        #[cfg(all(tls13, mbedtls_ssl_server_name_indication))]
        let is_version = is_version && session.hostname.is_null();
        is_version
            && is_extension
            && u32::from(session.endpoint) == sys::MBEDTLS_SSL_IS_CLIENT
            && session.id_len <= ID_MAX
            && session.ticket_len <= TICKET_MAX
            && session.peer_cert.is_null()
            // SAFETY: returns NULL or a static suite; does not raise.
            && unsafe { !sys::mbedtls_ssl_ciphersuite_from_id(session.ciphersuite).is_null() }
    }

    /// The bytes of a session that has no certificate.
    pub(super) fn save(session: &sys::mbedtls_ssl_session) -> Result<Secret> {
        let mut len = 0;
        // SAFETY: asks for the length; does not raise.
        let ret = unsafe { sys::mbedtls_ssl_session_save(session, core::ptr::null_mut(), 0, &raw mut len) };
        if ret != sys::MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL {
            return check(ret).and(Err(Error::NoMemory));
        }
        let mut bytes = Array::new(len, 0_u8)?;
        // SAFETY: the array is as long as it says; does not raise.
        check(unsafe { sys::mbedtls_ssl_session_save(session, bytes.as_mut_ptr(), len, &raw mut len) })?;
        Ok(Secret::of(bytes))
    }

    /// Whether it is of TLS 1.3.
    #[must_use]
    pub fn is_tls13(&self) -> bool {
        self.0.tls_version == sys::MBEDTLS_SSL_VERSION_TLS1_3
    }

    /// When it was made, or its ticket came, by the host's clock, in seconds.
    #[must_use]
    pub fn time(&self) -> u64 {
        #[cfg(tls13)]
        if self.is_tls13() {
            // Not yet in the milliseconds of Mbed TLS's clock: see `set_age`.
            return u64::try_from(self.0.ticket_reception_time).unwrap_or(0);
        }
        // Of 32 bits on some ports.
        #[allow(clippy::unnecessary_fallible_conversions, clippy::useless_conversion)]
        u64::try_from(self.0.start).unwrap_or(0)
    }

    /// Has a ticket of TLS 1.3's as many seconds old as it is, by Mbed TLS's clock, which may have begun anew
    /// since it came.
    pub fn set_age(&mut self, seconds: u64) {
        #[cfg(tls13)]
        if self.is_tls13() {
            let age = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
            // SAFETY: asks the port's clock; does not raise.
            self.0.ticket_reception_time = unsafe { sys::mbedtls_ms_time() }.saturating_sub(age);
        }
        #[cfg(not(tls13))]
        let _ = seconds;
    }

    /// What the server says of how long its ticket is good for, in seconds; 0: nothing.
    #[must_use]
    pub fn lifetime_hint(&self) -> u32 {
        self.0.ticket_lifetime
    }

    /// How long the session is good for, in seconds.
    #[must_use]
    pub fn lifetime(&self) -> u32 {
        match self.lifetime_hint() {
            0 => LIFETIME,
            hint => hint.min(LIFETIME_MAX),
        }
    }

    fn ticket(&self) -> &[u8] {
        // SAFETY: the session's own, as long as it says.
        unsafe { slice(self.0.ticket, self.0.ticket_len) }
    }

    /// Whether it has a ticket.
    #[must_use]
    pub fn has_ticket(&self) -> bool {
        self.0.ticket_len != 0
    }

    /// Writes its id, or of one with a ticket, which has none, a digest of that; how long it is.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn id(&self, id: &mut [u8; ID_MAX]) -> Result<usize> {
        if self.has_ticket() {
            let mut digest = Digest::new()?;
            digest.add(self.ticket())?;
            *id = digest.finish()?;
            return Ok(ID_MAX);
        }
        copy(id, &self.0.id);
        Ok(self.0.id_len.min(ID_MAX))
    }

    pub(super) fn as_ref(&self) -> &sys::mbedtls_ssl_session {
        &self.0
    }

    #[cfg(tls13)]
    pub(super) fn as_mut(&mut self) -> &mut sys::mbedtls_ssl_session {
        &mut self.0
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the object is initialised; it is wiped, and what it owns freed. Does not raise.
        unsafe { sys::mbedtls_ssl_session_free(&raw mut *self.0) };
    }
}

/// A moment in the Gregorian calendar, as a certificate has it; 0: none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Moment(u64);

impl Moment {
    /// How many bytes it is saved in.
    pub const LEN: usize = 5;

    /// Until when a certificate is good.
    pub(super) fn end_of(cert: &sys::mbedtls_x509_crt) -> Self {
        let sys::mbedtls_x509_time { year, mon, day, hour, min, sec } = cert.valid_to;
        let fields = [(year, 14), (mon, 4), (day, 5), (hour, 5), (min, 6), (sec, 6)];
        Self(fields.iter().fold(0, |all, (field, bits)| {
            let mask = 1_u64.wrapping_shl(*bits).wrapping_sub(1);
            all.wrapping_shl(*bits) | (u64::from(field.cast_unsigned()) & mask)
        }))
    }

    /// That of these bytes.
    #[must_use]
    pub fn load(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte)))
    }

    /// Its bytes.
    #[must_use]
    pub fn save(self) -> [u8; Self::LEN] {
        let [_, _, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// Whether it is over, by the port's clock, where that knows the date.
    #[must_use]
    pub fn is_past(self) -> bool {
        if self.0 == 0 {
            return false;
        }
        let field = |shift: u32, mask: u64| (self.0.wrapping_shr(shift) & mask) as core::ffi::c_int;
        let time = sys::mbedtls_x509_time {
            year: field(26, 0x3fff),
            mon: field(22, 0xf),
            day: field(17, 0x1f),
            hour: field(12, 0x1f),
            min: field(6, 0x3f),
            sec: field(0, 0x3f),
        };
        // SAFETY: looks at the time it is given; does not raise.
        unsafe { sys::mbedtls_x509_time_is_past(&raw const time) != 0 }
    }
}
