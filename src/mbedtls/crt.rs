// SPDX-License-Identifier: MIT OR Apache-2.0
//! A chain of X.509 certificates.

use core::cell::UnsafeCell;
use core::ffi::c_int;
#[cfg(any(bundles, mbedtls_x509_crl_parse_c))]
use core::ffi::c_void;

use super::sys;
#[cfg(bundles)]
use crate::bundle::Kept;
use crate::error::{Error, Invalid, Result};
use crate::mem::{Array, find, slice};
use crate::micropython_sys::refusals;
use crate::pem::{Base64, LABELS, SEQUENCE, sequence};

/// Certificates, linked; the first may be empty (no certificate yet).
#[repr(transparent)]
pub struct Chain(UnsafeCell<sys::mbedtls_x509_crt>);

/// About what parsing takes of memory.
pub const PARSING: usize = 1024;

/// What Mbed TLS makes of somebody's bytes. It may report want of memory as anything: what is wrong with them
/// counts if it was refused none, and where that is not noted, if there is `room` for another try.
///
/// # Errors
///
/// Those of `parse`; [`Error::NoMemory`].
pub fn parsing<T>(room: usize, mut parse: impl FnMut() -> Result<T>) -> Result<T> {
    let mut parse = || {
        let before = refusals();
        match parse() {
            Err(Error::Value(_)) if refusals() != before => Err(Error::NoMemory),
            result => result,
        }
    };
    match parse() {
        Err(Error::Value(_)) => {
            drop(Array::new(room, 0_u8)?);
            parse()
        }
        result => result,
    }
}

/// What is behind `text` in `data`.
fn after<'a>(data: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    data.get(find(data, text)?.checked_add(text.len())?..)
}

/// A label of PEM's, and what is behind it.
fn label(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let label = data.get(..find(data, b"-----")?)?;
    Some((label, after(data, b"-----")?))
}

/// Decodes the text between PEM's labels, with blanks wherever they are, to `bytes`: how many they
/// are.
fn base64(text: &[u8], bytes: &mut [u8]) -> Result<usize> {
    let (mut digits, mut len) = (Base64::default(), 0_usize);
    for &digit in text {
        let Some(byte) = digits.digit(digit)? else { continue };
        if let Some(to) = bytes.get_mut(len) {
            *to = byte;
        }
        len = len.saturating_add(1);
    }
    if digits.are_whole() { Ok(len) } else { Err(Error::Value(Invalid::Cert)) }
}

/// The whole SEQUENCE that `der` begins with.
pub(super) fn element(der: &[u8]) -> Option<&[u8]> {
    der.get(..sequence(der)?)
}

/// Whether Mbed TLS will read `data` as PEM.
pub(super) fn is_pem(data: &[u8]) -> bool {
    find(data, b"-----BEGIN ").is_some()
}

/// What `look` makes of what is between the first labels of PEM; `None`: it is not PEM. It may be a
/// key: nothing of it stays.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
pub fn look_into_pem<T>(data: &[u8], look: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let (_, rest) = after(data, b"-----BEGIN ").and_then(label)?;
    let text = rest.get(..find(rest, b"-----END ")?)?;
    let mut bytes = Array::new(text.len(), 0).ok()?;
    let result = base64(text, &mut bytes).ok().and_then(|len| bytes.get(..len).map(look));
    sys::zeroize(&mut bytes);
    result
}

/// Gives what `data` holds to `take`, as DER: of PEM what has one of these labels; or each SEQUENCE, with all
/// that is behind it. Whether there was any.
pub(super) fn each(data: &[u8], labels: &[&[u8]], mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
    let invalid = Error::Value(Invalid::Cert);
    let (_, mut rest) = data.split_last().ok_or(invalid)?;
    let mut found = false;
    if is_pem(rest) {
        while let Some((label, behind)) = after(rest, b"-----BEGIN ").and_then(label) {
            rest = behind;
            if labels.contains(&label) {
                let end = find(rest, b"-----END ").ok_or(invalid)?;
                let (text, behind) = rest.split_at_checked(end).ok_or(invalid)?;
                if after(behind, b"-----END ").and_then(self::label).map(|(end, _)| end) != Some(label) {
                    return Err(invalid);
                }
                let mut der = Array::new(text.len(), 0)?;
                let len = base64(text, &mut der)?;
                take(der.get(..len).unwrap_or_default())?;
                (rest, found) = (behind, true);
            }
        }
    } else {
        while let [SEQUENCE, ..] = rest {
            take(rest)?;
            (rest, found) = (element(rest).and_then(|one| rest.get(one.len()..)).unwrap_or_default(), true);
        }
    }
    Ok(found)
}

impl Chain {
    /// An empty chain.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "made in place, by its owners")]
    pub fn new() -> Self {
        // SAFETY: zeroed is what mbedtls_x509_crt_init makes of it.
        Self(unsafe { UnsafeCell::new(core::mem::zeroed()) })
    }

    /// Appends what `data` holds: PEM, any number of certificates; or DER, any
    /// number one after the other, and behind them what begins as no certificate does.
    /// `data` ends with a NUL that is not part of it.
    ///
    /// # Errors
    ///
    /// [`Invalid::Cert`] if a certificate in `data` is none, or there is none;
    /// [`Error::NoMemory`]. Some certificates may have been appended.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        if each(data, &LABELS, |der| self.append_der(der))? {
            Ok(())
        } else {
            Err(Error::Value(Invalid::Cert))
        }
    }

    /// As [`Self::append`], but passes over certificates that Mbed TLS cannot read, for what they
    /// are signed with or have in them, unless it is all of them. `or_none`: then as well, and where there is none.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub fn append_readable(&mut self, data: &[u8], or_none: bool) -> Result<()> {
        let before = self.ders().count();
        each(data, &LABELS, |der| match self.append_if_readable(der) {
            Ok(false) if element(der).is_none() => Err(Error::Value(Invalid::Cert)),
            result => result.map(|_| ()),
        })?;
        if self.ders().count() == before && !or_none { Err(Error::Value(Invalid::Cert)) } else { Ok(()) }
    }

    /// Appends the certificate that `der` begins with.
    pub(super) fn append_der(&mut self, der: &[u8]) -> Result<()> {
        // SAFETY: the slice is valid for its length; does not raise.
        Self::parsed(unsafe { sys::mbedtls_x509_crt_parse_der(self.0.get(), der.as_ptr(), der.len()) })
    }

    /// As [`Self::append_der`]; whether Mbed TLS can read it.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub(super) fn append_if_readable(&mut self, der: &[u8]) -> Result<bool> {
        Self::is_readable(|| self.append_der(der))
    }

    /// Makes an empty chain that of one certificate, which is not copied; whether Mbed TLS can read it.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    ///
    /// # Safety
    ///
    /// What is in place is valid, and stays as it is as long as the chain lives.
    #[cfg(bundles)]
    pub(super) unsafe fn keep_if_readable(&mut self, kept: Kept) -> Result<bool> {
        let chain = self.0.get_mut();
        let der = match &kept {
            // SAFETY: by this function's contract.
            Kept::InPlace(der) => unsafe { der.as_ref() },
            Kept::Owned(der) => der,
        };
        let is_readable = Self::is_readable(|| {
            // SAFETY: the bytes are valid, and stay where they are: the certificate has them from here on,
            // or it is none. Does not raise.
            Self::parsed(unsafe { sys::mbedtls_x509_crt_parse_der_nocopy(chain, der.as_ptr(), der.len()) })
        })?;
        if is_readable && let Kept::Owned(der) = kept {
            // They are freed as a copy of Mbed TLS's own, and come from the same allocator.
            chain.own_buffer = 1;
            chain.raw.p = der.into_raw();
        }
        Ok(is_readable)
    }

    fn is_readable(parse: impl FnMut() -> Result<()>) -> Result<bool> {
        match parsing(PARSING, parse) {
            Err(Error::Value(_)) => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Whether the first certificate's key may have made the signature of `child`: it has, or both say
    /// that it is this key (RFC 5280 4.2.1.1).
    #[cfg(bundles)]
    pub(super) fn may_have_issued(&self, child: &sys::mbedtls_x509_crt) -> bool {
        let Some(issuer) = self.iter().next() else { return false };
        let (id, named) = (bytes(&issuer.subject_key_id), bytes(&child.authority_key_id.keyIdentifier));
        if !id.is_empty() && id == named {
            return true;
        }
        let algorithms = (child.sig_md, child.sig_pk, child.sig_opts);
        // SAFETY: a parsed certificate.
        unsafe { has_signed(issuer, &child.tbs, algorithms, &child.sig) }
    }

    /// How many certificates there are, and how many of them are CAs.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let all = self.ders().count();
        (all, self.iter().filter(|cert| !cert.raw.p.is_null() && cert.ca_istrue != 0).count())
    }

    fn parsed(ret: c_int) -> Result<()> {
        match ret {
            0 => Ok(()),
            _ => match Error::from_mbedtls(ret) {
                Error::NoMemory => Err(Error::NoMemory),
                _ => Err(Error::Value(Invalid::Cert)),
            },
        }
    }

    fn iter(&self) -> impl Iterator<Item = &sys::mbedtls_x509_crt> {
        // SAFETY: the chain owns its certificates, and `next` ends with NULL.
        let first = unsafe { self.0.get().as_ref() };
        // SAFETY: as above.
        core::iter::successors(first, |cert| unsafe { cert.next.as_ref() })
    }

    /// The certificates as DER, in order.
    pub fn ders(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(|cert| !cert.raw.p.is_null()).map(|cert| {
            // SAFETY: raw is the certificate's own copy of its DER.
            unsafe { der(cert) }
        })
    }

    /// Appends a copy of each certificate of `other`.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn append_copies(&mut self, other: &Self) -> Result<()> {
        for der in other.ders() {
            self.append_der(der)?;
        }
        Ok(())
    }

    /// Whether the first certificate's time is over, by the port's clock.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        // SAFETY: reads a certificate that the chain owns; does not raise.
        self.iter()
            .next()
            .is_some_and(|cert| unsafe { sys::mbedtls_x509_time_is_past(&raw const cert.valid_to) != 0 })
    }

    /// Calls `with` for each name of a host that the first certificate is for: of subjectAltName,
    /// or else the common names. The other argument: whether it is an address.
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub(super) fn each_name(&self, mut with: impl FnMut(&[u8], bool)) {
        let Some(cert) = self.iter().next() else { return };
        let mut found = false;
        for name in alternatives(cert) {
            let is_address = name.tag == IP_ADDRESS;
            if is_address || name.tag == DNS {
                found = true;
                with(bytes(name), is_address);
            }
        }
        if !found {
            common_names(cert).for_each(|name| with(name, false));
        }
    }

    /// The first certificate, which may be empty.
    pub(super) fn first(&self) -> &sys::mbedtls_x509_crt {
        // SAFETY: the chain owns it.
        unsafe { &*self.0.get() }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::mbedtls_x509_crt {
        self.0.get()
    }
}

/// Whether a certificate's key has made this signature of `tbs`, by these algorithms and their options.
///
/// # Safety
///
/// They are of something signed that Mbed TLS has parsed.
#[cfg(any(bundles, mbedtls_x509_crl_parse_c))]
pub(super) unsafe fn has_signed(
    issuer: &sys::mbedtls_x509_crt,
    tbs: &sys::mbedtls_x509_buf,
    (md, pk, options): (sys::mbedtls_md_type_t, sys::mbedtls_pk_type_t, *mut c_void),
    sig: &sys::mbedtls_x509_buf,
) -> bool {
    let mut hash = [0_u8; sys::MBEDTLS_MD_MAX_SIZE as usize];
    // SAFETY: by this function's contract; the hash has room for the longest there is. None raises, nor
    // writes to the key, but for what RSA keeps beside it.
    unsafe {
        let info = sys::mbedtls_md_info_from_type(md);
        let len = usize::from(sys::mbedtls_md_get_size(info));
        sys::mbedtls_md(info, tbs.p, tbs.len, hash.as_mut_ptr()) == 0
            && sys::mbedtls_pk_can_do(&raw const issuer.pk, pk) != 0
            && sys::mbedtls_pk_verify_ext(
                pk,
                options,
                (&raw const issuer.pk).cast_mut(),
                md,
                hash.as_ptr(),
                len,
                sig.p,
                sig.len,
            ) == 0
    }
}

/// The tag of an IP address in subjectAltName.
pub(super) const IP_ADDRESS: c_int = 0x87;
/// The tag of a DNS name in subjectAltName.
pub(super) const DNS: c_int = 0x82;

/// What is in a part of a parsed certificate.
pub(super) fn bytes(part: &sys::mbedtls_asn1_buf) -> &[u8] {
    // SAFETY: it points into the certificate's DER, or is of no length.
    unsafe { slice(part.p, part.len) }
}

/// The names in subjectAltName, with their kind as tag; one that is empty where there are none.
pub(super) fn alternatives(cert: &sys::mbedtls_x509_crt) -> impl Iterator<Item = &sys::mbedtls_asn1_buf> {
    // SAFETY: Mbed TLS's list, which ends with NULL and lives with the certificate.
    core::iter::successors(Some(&cert.subject_alt_names), |name| unsafe { name.next.as_ref() })
        .map(|name| &name.buf)
}

/// The common names of the subject.
pub(super) fn common_names(cert: &sys::mbedtls_x509_crt) -> impl Iterator<Item = &[u8]> {
    // SAFETY: as above.
    core::iter::successors(Some(&cert.subject), |name| unsafe { name.next.as_ref() })
        .filter(|name| bytes(&name.oid) == b"\x55\x04\x03")
        .map(|name| bytes(&name.val))
}

/// A certificate's DER; nothing for one that a peer sent and Mbed TLS passed over, as
/// it does where it does not know the algorithm.
///
/// # Safety
///
/// `cert` is initialised: its `raw` is valid, or NULL.
pub(super) unsafe fn der(cert: &sys::mbedtls_x509_crt) -> &[u8] {
    // SAFETY: by this function's contract; of no length if it is NULL.
    unsafe { slice(cert.raw.p, cert.raw.len) }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: the object is initialised or zeroed; does not raise.
        unsafe { sys::mbedtls_x509_crt_free(self.0.get()) };
    }
}
