// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificate revocation lists (RFC 5280 5), and whether one says that a certificate is revoked.
//!
//! Mbed TLS's own check (`x509_crt_verifycrl`) passes over an issuer without a list, and is out of reach
//! where trust anchors are in bundles: `mbedtls_x509_crt_verify_with_ca_cb` takes no lists. This one is made for
//! each certificate of a chain when Mbed TLS asks what to think of it. An issuer without a list that holds
//! now is an error, as to OpenSSL.

use core::cell::UnsafeCell;
use core::ffi::c_uint;

use super::crt::{PARSING, bytes, each, element, has_signed, parsing};
use super::sys;
use crate::error::{Error, Invalid, Result};
use crate::mem::{Array, Shared};
use crate::pem::CRL;

/// There is no list of the certificate's issuer. A reason that Mbed TLS does not have.
pub(super) const MISSING: u32 = 0x8000_0000;

/// Which certificates of a chain are looked for in their issuers' revocation lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrlCheck {
    /// None of them.
    #[default]
    None,
    /// The peer's own.
    Leaf,
    /// All.
    Chain,
}

/// One list.
struct Crl(UnsafeCell<sys::mbedtls_x509_crl>);

/// Lists, in no order.
pub struct Crls(Array<Shared<Crl>>);

impl Crl {
    /// The one that `der` is, and nothing else.
    fn new(der: &[u8]) -> Result<Shared<Self>> {
        // SAFETY: zeroed is what mbedtls_x509_crl_init makes of it.
        let empty = || Self(unsafe { UnsafeCell::new(core::mem::zeroed()) });
        Shared::new(empty, |crl| {
            // SAFETY: the slice is valid for its length; does not raise.
            match unsafe { sys::mbedtls_x509_crl_parse_der(crl.0.get(), der.as_ptr(), der.len()) } {
                0 => Ok(()),
                code => match Error::from_mbedtls(code) {
                    Error::NoMemory => Err(Error::NoMemory),
                    _ => Err(Error::Value(Invalid::Cert)),
                },
            }
        })
    }

    fn get(&self) -> &sys::mbedtls_x509_crl {
        // SAFETY: nobody writes to a list once it is read.
        unsafe { &*self.0.get() }
    }

    /// Whether this issuer's key has signed it, which is for that.
    fn is_signed_by(&self, issuer: &sys::mbedtls_x509_crt) -> bool {
        let crl = self.get();
        let algorithms = (crl.sig_md, crl.sig_pk, crl.sig_opts);
        // SAFETY: a parsed certificate and a parsed list. None raises.
        unsafe {
            sys::mbedtls_x509_crt_check_key_usage(issuer, sys::MBEDTLS_X509_KU_CRL_SIGN as c_uint) == 0
                && has_signed(issuer, &crl.tbs, algorithms, &crl.sig)
        }
    }

    /// What is wrong with its signature's algorithms. The key is the issuer's, at which Mbed TLS has
    /// looked for the certificate's own signature.
    fn problems_with_algorithms(&self, profile: &sys::mbedtls_x509_crt_profile) -> u32 {
        let crl = self.get();
        let has = |allowed: u32, id: u32| {
            id.checked_sub(1).and_then(|bit| allowed.checked_shr(bit)).is_some_and(|bits| bits & 1 != 0)
        };
        let mut flags = 0;
        if !has(profile.allowed_mds, crl.sig_md) {
            flags |= sys::MBEDTLS_X509_BADCRL_BAD_MD;
        }
        if !has(profile.allowed_pks, crl.sig_pk) {
            flags |= sys::MBEDTLS_X509_BADCRL_BAD_PK;
        }
        flags
    }

    /// What is wrong with its time, by the port's clock.
    fn problems_with_time(&self) -> u32 {
        let crl = self.get();
        let mut flags = 0;
        // SAFETY: reads the list; neither raises.
        unsafe {
            if sys::mbedtls_x509_time_is_past(&raw const crl.next_update) != 0 {
                flags |= sys::MBEDTLS_X509_BADCRL_EXPIRED;
            }
            if sys::mbedtls_x509_time_is_future(&raw const crl.this_update) != 0 {
                flags |= sys::MBEDTLS_X509_BADCRL_FUTURE;
            }
        }
        flags
    }

    fn issued_at(&self) -> [i32; 6] {
        let time = &self.get().this_update;
        [time.year, time.mon, time.day, time.hour, time.min, time.sec]
    }
}

impl Crls {
    /// Those of `before`, and the one that `der` is.
    ///
    /// # Errors
    ///
    /// [`Invalid::Cert`] where Mbed TLS cannot read it: it is none, or one of a part of the certificates, or
    /// has changes alone, or whatever else a critical extension says; [`Error::NoMemory`].
    pub fn with(before: Option<&Self>, der: &[u8]) -> Result<Self> {
        let more = parsing(PARSING.saturating_add(der.len()), || Crl::new(der))?;
        let before: &[Shared<Crl>] = before.map_or(&[], |before| &before.0);
        let all = before.len().saturating_add(1);
        Array::from_fn(all, |i| before.get(i).unwrap_or(&more).clone()).map(Self)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Each as DER.
    pub fn ders(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|crl| bytes(&crl.get().raw))
    }

    /// What is wrong with a certificate by the lists of its issuer, which has signed it: nothing, if the newest
    /// that holds now does not have it, or none of those of its second.
    pub(super) fn look_up(
        &self,
        cert: &sys::mbedtls_x509_crt,
        issuer: &sys::mbedtls_x509_crt,
        profile: &sys::mbedtls_x509_crt_profile,
    ) -> u32 {
        let mut why = 0;
        // When it was issued, and whether it has the certificate.
        let mut newest: Option<([i32; 6], bool)> = None;
        for crl in self.0.iter().filter(|crl| bytes(&crl.get().issuer_raw) == bytes(&issuer.subject_raw)) {
            let mut wrong = crl.problems_with_algorithms(profile);
            if wrong == 0 && !crl.is_signed_by(issuer) {
                wrong = sys::MBEDTLS_X509_BADCRL_NOT_TRUSTED;
            }
            if wrong == 0 {
                wrong = crl.problems_with_time();
            }
            why |= wrong;
            if wrong == 0 {
                // SAFETY: a parsed certificate and a parsed list; does not raise.
                let is_revoked = unsafe { sys::mbedtls_x509_crt_is_revoked(cert, crl.get()) } != 0;
                newest = newest.max(Some((crl.issued_at(), is_revoked)));
            }
        }
        match newest {
            None if why == 0 => MISSING,
            None => why,
            Some((_, true)) => sys::MBEDTLS_X509_BADCERT_REVOKED,
            Some((_, false)) => 0,
        }
    }
}

/// The revocation lists of `before` and those in `data`, which is as [`super::Chain::append`] has it; those that
/// Mbed TLS cannot read are passed over. `None`: there is none.
///
/// # Errors
///
/// [`Invalid::Cert`] if one is cut; [`Error::NoMemory`].
pub fn crls(before: Option<&Crls>, data: &[u8]) -> Result<Option<Crls>> {
    let mut all = None;
    each(data, &[CRL], |der| {
        match Crls::with(all.as_ref().or(before), element(der).ok_or(Error::Value(Invalid::Cert))?) {
            Ok(crls) => all = Some(crls),
            Err(Error::NoMemory) => return Err(Error::NoMemory),
            Err(_) => {}
        }
        Ok(())
    })?;
    Ok(all)
}

impl Drop for Crl {
    fn drop(&mut self) {
        // SAFETY: zeroed, or as Mbed TLS has made it; does not raise.
        unsafe { sys::mbedtls_x509_crl_free(self.0.get()) };
    }
}
