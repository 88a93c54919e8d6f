// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trust anchors that stay where they are, in files or in bytes of the host's, until a peer's chain is
//! verified: Mbed TLS asks for those who may have issued a certificate (`connection::issuers`), and frees them.
//!
//! A bundle is read to its end each time (of a compact one the index, which has the certificates' digests),
//! and is the one that was loaded, or nobody is found in it. What
//! Mbed TLS finds with these anchors is what it finds with all of them loaded
//! (`tests/trust_on_demand.rs`), for it gets all that have the issuer's name, in the bundles' order; but
//! not those of several whose key has not made the signature, which it would pass over.

use core::cell::Cell;
use core::ffi::c_void;

use super::crt::{Chain, bytes, der};
use super::digest::Digest;
use super::sys;
use crate::bundle::{self, Entry, Found, Kept, Kind, Source};
use crate::error::{Error, Invalid, Result};
use crate::io::{Bundles, Interruption};
use crate::mem::{Array, Box, Shared};
use crate::micropython_sys::{atomically, thread};

/// A bundle as it was when it was loaded.
#[derive(Clone, Copy)]
pub struct Bundle {
    /// Which of the host's it is.
    index: u32,
    kind: Kind,
    digest: [u8; 32],
    /// How many certificates it has that can be read, how many of those are CAs, and how many cannot.
    pub counts: [usize; 3],
}

/// Several of them, in order.
pub struct Store(Array<Bundle>);

/// A bundle of the host's, of which a digest is made as it is read.
struct Reading<'a, 'h> {
    host: &'a mut (dyn Bundles + 'h),
    index: u32,
    digest: Option<Digest>,
}

impl Source for Reading<'_, '_> {
    fn read(&mut self, at: u32, buf: &mut [u8]) -> Result<usize> {
        let n = match self.host.read_bundle(self.index, at, buf) {
            Ok(n) => n,
            Err(Interruption::Errno(errno)) => return Err(Error::Errno(errno)),
            Err(Interruption::NoMemory) => return Err(Error::NoMemory),
            Err(_) => return Err(Error::Raised),
        };
        if let Some(digest) = &mut self.digest {
            digest.update(buf.get(..n).unwrap_or_default())?;
        }
        Ok(n)
    }
}

impl<'a, 'h> Reading<'a, 'h> {
    fn new(host: &'a mut (dyn Bundles + 'h), index: u32) -> Self {
        Self { host, index, digest: None }
    }

    /// With a digest.
    fn digested(host: &'a mut (dyn Bundles + 'h), index: u32) -> Result<Self> {
        Ok(Self { host, index, digest: Some(Digest::new()?) })
    }

    fn finish(&mut self) -> Result<[u8; 32]> {
        self.digest.take().ok_or(Error::NoMemory)?.finish()
    }
}

/// Reads a bundle, for the certificates that may have this subject, or all; what its digest is. In a compact
/// one, that is the index's, which has the certificates' digests. All: `take` is told whether it gets a
/// revocation list.
fn read(
    host: &mut dyn Bundles,
    index: u32,
    kind: Kind,
    subject: Option<&[u8]>,
    mut take: impl FnMut(Found<'_>, bool) -> Result<()>,
) -> Result<[u8; 32]> {
    if kind == Kind::Der
        && let Some(bundle) = host.bundle_in_place(index)
    {
        bundle::each_in_place(bundle, take)?;
        let mut digest = Digest::new()?;
        digest.update(bundle)?;
        return digest.finish();
    }
    if kind != Kind::Compact {
        let mut reading = Reading::digested(host, index)?;
        let crls = cfg!(mbedtls_x509_crl_parse_c) && subject.is_none();
        bundle::each(kind, &mut reading, crls, take)?;
        return reading.finish();
    }
    // As far as the index, which is not known to be the one that was loaded before it has been read.
    let mut reading = Reading::digested(&mut *host, index)?;
    let (mut found, mut n) = ([Entry::default(); bundle::SAME_KEY], 0_usize);
    let key = subject.and_then(bundle::key);
    let count = bundle::index(&mut reading, |entry| {
        if key == Some(entry.key) {
            *found.get_mut(n).ok_or(Error::Value(Invalid::Cert))? = entry;
            n = n.saturating_add(1);
        }
        Ok(())
    })?;
    let digest = reading.finish()?;
    let certificate = |host: &mut dyn Bundles, entry: Entry| {
        let der = bundle::certificate(&mut Reading::new(host, index), entry.at)?;
        let mut digest = Digest::new()?;
        digest.update(&der)?;
        if digest.finish()?.starts_with(&entry.digest) { Ok(der) } else { Err(Error::Value(Invalid::Cert)) }
    };
    if subject.is_some() {
        found
            .iter()
            .take(n)
            .try_for_each(|entry| take(Found::Owned(certificate(&mut *host, *entry)?), false))?;
        return Ok(digest);
    }
    let (mut last, mut same) = (None, 0_usize);
    let mut end = bundle::certificates(count);
    for i in 0..count {
        let entry = bundle::entry(&mut Reading::new(&mut *host, index), i)?;
        same = if last == Some(entry.key) { same.saturating_add(1) } else { 1 };
        last = Some(entry.key);
        let der = certificate(&mut *host, entry)?;
        // They stand close to each other, and each can be found.
        if entry.at != end || same > bundle::SAME_KEY || bundle::subject_key(&der) != last {
            return Err(Error::Value(Invalid::Cert));
        }
        end = u32::try_from(der.len()).map_or(u32::MAX, |len| end.saturating_add(len));
        take(Found::Owned(der), false)?;
    }
    if count == 0 { Err(Error::Value(Invalid::Cert)) } else { Ok(digest) }
}

/// Closes a bundle whatever came of it. What was raised first is kept, in C.
fn closed<T>(host: &mut dyn Bundles, index: u32, result: Result<T>) -> Result<T> {
    match (host.close_bundle(index, false), result) {
        (Err(_), Ok(_)) => Err(Error::Raised),
        (_, result) => result,
    }
}

impl Bundle {
    /// The host's bundle of this index, with at least one certificate that can be read. Its revocation lists
    /// go to `take_crl`, and what may be one; whether it is, and can be read. `None`: that is all there is.
    ///
    /// # Errors
    ///
    /// [`Invalid::Cert`] where there is nothing, or it is damaged; [`Error::Raised`]; [`Error::NoMemory`].
    pub fn new(
        host: &mut dyn Bundles,
        index: u32,
        mut take_crl: impl FnMut(&[u8]) -> Result<bool>,
    ) -> Result<Option<Self>> {
        let kind = bundle::kind(&mut Reading::new(&mut *host, index));
        let made = kind.and_then(|kind| {
            let (mut counts, mut has_crls) = ([0_usize; 3], false);
            let digest = read(host, index, kind, None, |found, is_crl| {
                let mut chain = Box::new(Chain::new)?;
                let mut read = !is_crl && chain.append_if_readable(found.der())?;
                if !read && (is_crl || kind == Kind::Der) && take_crl(found.der())? {
                    (read, has_crls) = (true, true);
                }
                let (all, cas) = chain.count();
                let unreadable = usize::from(!read);
                for (count, more) in counts.iter_mut().zip([all, cas, unreadable]) {
                    *count = count.saturating_add(more);
                }
                Ok(())
            })?;
            match counts {
                [0, ..] if has_crls => Ok(None),
                [0, ..] => Err(Error::Value(Invalid::Cert)),
                counts => Ok(Some(Self { index, kind, digest, counts })),
            }
        });
        closed(host, index, made)
    }

    /// What it has as bytes to be known by.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Gives each certificate that may have this subject to `take`, and others.
    fn each(
        &self,
        host: &mut dyn Bundles,
        subject: &[u8],
        mut take: impl FnMut(Found<'_>) -> Result<()>,
    ) -> Result<()> {
        let digest = read(host, self.index, self.kind, Some(subject), |found, _| take(found));
        let changed = match digest {
            Ok(digest) => digest != self.digest,
            Err(error) => error == Error::Value(Invalid::Cert),
        };
        if changed {
            let _raised = host.close_bundle(self.index, true);
            return Err(Error::Raised);
        }
        closed(host, self.index, digest.map(|_| ()))
    }
}

impl Store {
    /// Those of `before`, and one more.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new(before: Option<&Self>, more: Bundle) -> Result<Shared<Self>> {
        let before: &[Bundle] = before.map_or(&[], |before| &before.0);
        let all = before.len().saturating_add(1);
        let bundles = Array::from_fn(all, |i| before.get(i).copied().unwrap_or(more))?;
        Shared::new(|| Self(bundles), |_| Ok(()))
    }

    /// The bundles.
    #[must_use]
    pub fn bundles(&self) -> &[Bundle] {
        &self.0
    }

    /// Who may have issued `child`. `is_first`: whether it is an anchor itself is asked, too.
    pub(super) fn issuers(
        &self,
        host: &mut dyn Bundles,
        child: &sys::mbedtls_x509_crt,
        is_first: bool,
    ) -> Result<Issuers> {
        let issuer = bytes(&child.issuer_raw);
        // SAFETY: the peer's certificate, which Mbed TLS has parsed.
        let own = unsafe { der(child) };
        let mut issuers = Issuers::default();
        // The last one is looked into when all is read, and no memory for reading is needed any more.
        let mut last = None;
        for bundle in self.bundles() {
            bundle.each(host, issuer, |found| {
                if !bundle::may_be(issuer, found.der()) {
                    return Ok(());
                }
                // Its own issuer, as far as its name says, or it would not have that name.
                issuers.has_child |= is_first && found.der() == own;
                last.replace(found.keep()?).map_or(Ok(()), |kept| issuers.add(kept, child, false))
            })?;
        }
        // Whether the only one has made the signature Mbed TLS finds out.
        let is_only = issuers.first.is_none();
        last.map_or(Ok(()), |kept| issuers.add(kept, child, is_only))?;
        Ok(issuers)
    }
}

/// Certificates, each in memory of its own, linked as Mbed TLS links them, which frees them so.
pub(super) struct Issuers {
    first: Option<Box<Chain>>,
    last: *mut sys::mbedtls_x509_crt,
    /// The certificate whose issuers they are is an anchor itself.
    pub(super) has_child: bool,
}

impl Default for Issuers {
    fn default() -> Self {
        Self { first: None, last: core::ptr::null_mut(), has_child: false }
    }
}

impl Issuers {
    /// Nobody.
    pub(super) fn none_but_child(has_child: bool) -> Self {
        Self { has_child, ..Self::default() }
    }

    /// One more, if it can be read and `may` have issued `child`, or seems so.
    fn add(&mut self, kept: Kept, child: &sys::mbedtls_x509_crt, may: bool) -> Result<()> {
        let mut chain = Box::new(Chain::new)?;
        // SAFETY: what is in place stays there as long as the call lasts, in which Mbed TLS frees these.
        let is_readable = unsafe { chain.keep_if_readable(kept) }?;
        if !is_readable || !(may || chain.may_have_issued(child)) {
            return Ok(());
        }
        let next = chain.as_ptr();
        match self.first {
            None => self.first = Some(chain),
            // SAFETY: the last one is at the end of the first one's chain, which frees those that
            // follow as Mbed TLS does: content and memory.
            Some(_) => unsafe { (*self.last).next = chain.into_raw().cast() },
        }
        self.last = next;
        Ok(())
    }

    /// Gives them away to Mbed TLS; NULL: there are none.
    pub(super) fn into_raw(self) -> *mut sys::mbedtls_x509_crt {
        self.first.map_or(core::ptr::null_mut(), |first| first.into_raw().cast())
    }
}

/// A call that may ask for certificates' issuers while it lasts.
pub(super) struct Caller {
    next: Cell<*const Self>,
    thread: usize,
    call: *const c_void,
}

impl Caller {
    pub(super) fn new(call: *const c_void) -> Self {
        Self { next: Cell::new(core::ptr::null()), thread: thread(), call }
    }
}

/// Those of one configuration. Mbed TLS does not say whose chain it verifies; its caller is the last of
/// the running thread.
pub(super) struct Callers(Cell<*const Caller>);

impl Default for Callers {
    fn default() -> Self {
        Self(Cell::new(core::ptr::null()))
    }
}

impl Callers {
    /// Adds one, which stays where it is until [`Self::remove`].
    pub(super) fn add(&self, caller: &Caller) {
        atomically(|| {
            caller.next.set(self.0.get());
            self.0.set(caller);
        });
    }

    /// Removes it.
    pub(super) fn remove(&self, caller: &Caller) {
        atomically(|| {
            let mut link = &self.0;
            // SAFETY: who is in the list lives until removed.
            while let Some(one) = unsafe { link.get().as_ref() } {
                if core::ptr::eq(one, caller) {
                    link.set(one.next.get());
                    return;
                }
                link = &one.next;
            }
        });
    }

    /// The running thread's last.
    pub(super) fn call(&self) -> *const c_void {
        let thread = thread();
        atomically(|| {
            let mut next = self.0.get();
            // SAFETY: as above.
            while let Some(one) = unsafe { next.as_ref() } {
                if one.thread == thread {
                    return one.call;
                }
                next = one.next.get();
            }
            core::ptr::null()
        })
    }
}
