// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bundles of certificates, read piece by piece: no more than one certificate is in memory at a time,
//! and a short piece of the bundle.
//!
//! Entry: [`kind`], [`each`]; [`index`], [`entry`] and [`certificate`] of a compact one. Not here: what is in a certificate, but for its subject; that is Mbed TLS's.

use core::ptr::NonNull;

use crate::error::{Error, Invalid, Result};
use crate::fnv::fnv1a;
use crate::mem::Array;
use crate::pem::{Base64, CRL, LABELS, SEQUENCE, sequence};

/// Where a bundle's bytes come from.
pub trait Source {
    /// Reads from `at` on, as many bytes as `buf` holds: fewer only at the end.
    ///
    /// # Errors
    ///
    /// Whatever reading fails with.
    fn read(&mut self, at: u32, buf: &mut [u8]) -> Result<usize>;
}

/// How a bundle is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, with certificates between labels.
    Pem,
    /// Certificates, one after the other.
    Der,
    /// ESP-IDF's `x509_crt_bundle`: names and keys, and no certificates.
    Keys {
        /// Where each of them is stands first, and numbers begin with their low byte.
        is_listed: bool,
    },
    /// Certificates behind an index; `docs/ca-bundles.md` has the format.
    Compact,
}

/// How much of a bundle is read at once.
const PIECE: usize = 512;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// The longest of [`LABELS`] and [`CRL`].
const LABEL: usize = 19;

const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

const DAMAGED: Error = Error::Value(Invalid::Cert);

/// A bundle's bytes, one after the other.
struct Bytes<'a> {
    source: &'a mut dyn Source,
    piece: Array<u8>,
    /// What is left of the piece.
    begin: usize,
    end: usize,
    /// Where the piece ends in the bundle.
    at: u32,
}

impl<'a> Bytes<'a> {
    fn new(source: &'a mut dyn Source) -> Result<Self> {
        Ok(Self { source, piece: Array::new(PIECE, 0)?, begin: 0, end: 0, at: 0 })
    }

    /// The next byte; `None`: there is none.
    fn next(&mut self) -> Result<Option<u8>> {
        if self.begin >= self.end {
            self.end = self.source.read(self.at, &mut self.piece)?.min(PIECE);
            self.begin = 0;
            // A bundle that is longer than can be said is none.
            let read = u32::try_from(self.end).map_err(|_| DAMAGED)?;
            self.at = self.at.checked_add(read).ok_or(DAMAGED)?;
        }
        let byte = self.piece.get(..self.end).and_then(|piece| piece.get(self.begin)).copied();
        self.begin = self.begin.saturating_add(1);
        Ok(byte)
    }

    /// Whether `text` has come, whose first byte repeats: `DASHES` and what begins with them.
    fn find(&mut self, text: &[u8]) -> Result<bool> {
        let mut matched = 0_usize;
        while let Some(byte) = self.next()? {
            matched = match text.get(matched) {
                Some(&expected) if expected == byte => matched.saturating_add(1),
                // One dash more: the last five may still be the beginning.
                _ if byte == b'-' && matched == DASHES.len() => matched,
                _ => usize::from(byte == b'-'),
            };
            if matched == text.len() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What stands before the next dashes, if it is one of [`LABELS`], or behind those [`CRL`]: which. The outer
    /// `None`: there are no dashes any more.
    fn label(&mut self) -> Result<Option<Option<usize>>> {
        let (mut label, mut len, mut dashes) = ([0_u8; LABEL], 0_usize, 0_usize);
        while let Some(byte) = self.next()? {
            if byte == b'-' {
                dashes = dashes.saturating_add(1);
                if dashes == DASHES.len() {
                    let label = label.get(..len).unwrap_or_default();
                    return Ok(Some(LABELS.iter().chain([&CRL]).position(|&one| one == label)));
                }
                continue;
            }
            // No label has a dash in it: one that has is made longer than any.
            len = len.saturating_add(if dashes == 0 { 0 } else { LABEL });
            dashes = 0;
            if let Some(to) = label.get_mut(len) {
                *to = byte;
            }
            len = len.saturating_add(1);
        }
        Ok(None)
    }

    /// The next byte, which there must be.
    fn one(&mut self) -> Result<u8> {
        self.next()?.ok_or(DAMAGED)
    }

    /// A number of two bytes.
    fn number(&mut self, low_first: bool) -> Result<usize> {
        let bytes = [self.one()?, self.one()?];
        Ok(if low_first { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }.into())
    }

    /// Reads on to the end.
    fn skip(&mut self) -> Result<()> {
        while self.next()?.is_some() {}
        Ok(())
    }
}

/// A certificate that comes byte by byte.
pub struct Der {
    /// The first bytes, which say how long it is.
    header: [u8; 4],
    bytes: Array<u8>,
    /// How many have come.
    len: usize,
}

impl Der {
    fn new() -> Result<Self> {
        Ok(Self { header: [0; 4], bytes: Array::new(0, 0)?, len: 0 })
    }

    fn begin(&mut self) {
        self.len = 0;
    }

    /// How long it is, once enough has come to say so.
    fn total(&self) -> Option<usize> {
        sequence(self.header.get(..self.len.min(self.header.len())).unwrap_or_default())
    }

    fn push(&mut self, byte: u8) -> Result<()> {
        if let Some(to) = self.header.get_mut(self.len) {
            *to = byte;
        } else {
            if self.len == self.header.len() {
                let total = self.total().unwrap_or(0);
                if self.bytes.len() < total {
                    // What there was goes first.
                    self.bytes = Array::new(0, 0)?;
                    self.bytes = Array::new(total, 0)?;
                }
                crate::mem::copy(&mut self.bytes, &self.header);
            }
            if let Some(to) = self.bytes.get_mut(self.len) {
                *to = byte;
            }
        }
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        bytes.iter().try_for_each(|&byte| self.push(byte))
    }

    /// Begins a SEQUENCE.
    fn sequence(&mut self, len: usize) -> Result<()> {
        let [high, low] = u16::try_from(len).map_err(|_| DAMAGED)?.to_be_bytes();
        self.write(&[SEQUENCE, 0x82, high, low])
    }

    /// A certificate of which name and key are all that is known, of these lengths, and come next. It is of
    /// version 1, which has no extensions, and is trusted to issue others if it is trusted at all; for
    /// all times; signed by nobody.
    fn of_key(&mut self, bytes: &mut Bytes<'_>, name: usize, key: usize) -> Result<()> {
        const SERIAL: &[u8] = b"\x02\x01\x01";
        const ALGORITHM: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
        const VALIDITY: &[u8] = b"\x30\x22\x18\x0f19500101000000Z\x18\x0f99991231235959Z";
        const SIGNATURE: &[u8] = b"\x03\x02\x00\x00";
        const BEHIND: usize = ALGORITHM.len() + SIGNATURE.len();
        const FIXED: usize = SERIAL.len() + ALGORITHM.len() + VALIDITY.len();
        let fields = name.saturating_mul(2).saturating_add(key).saturating_add(FIXED);
        self.begin();
        self.sequence(fields.saturating_add(BEHIND).saturating_add(4))?;
        self.sequence(fields)?;
        self.write(SERIAL)?;
        self.write(ALGORITHM)?;
        let issuer = self.len;
        for _ in 0..name {
            self.push(bytes.one()?)?;
        }
        self.write(VALIDITY)?;
        for i in 0..name {
            let byte = self.bytes.get(issuer.saturating_add(i)).copied().ok_or(DAMAGED)?;
            self.push(byte)?;
        }
        for _ in 0..key {
            self.push(bytes.one()?)?;
        }
        self.write(ALGORITHM)?;
        self.write(SIGNATURE)
    }

    /// The certificate, if all of it has come. What is behind it is not part of it.
    fn get(&self) -> Option<&[u8]> {
        let total = self.total().filter(|&total| total <= self.len)?;
        if self.len <= self.header.len() { self.header.get(..total) } else { self.bytes.get(..total) }
    }
}

/// A certificate of a bundle.
pub enum Found<'a> {
    /// Where [`each`] has come to.
    Here(&'a mut Der),
    /// In a bundle that is in memory as it is.
    InPlace(&'a [u8]),
    /// By itself.
    Owned(Array<u8>),
}

/// A certificate that stays when its bundle is read on.
pub enum Kept {
    /// In a bundle that is in memory as it is ([`crate::io::Bundles::bundle_in_place`]).
    InPlace(NonNull<[u8]>),
    /// By itself, with whatever may be behind it.
    Owned(Array<u8>),
}

impl Found<'_> {
    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        match self {
            Self::Here(der) => der.get().unwrap_or_default(),
            Self::InPlace(der) => der,
            Self::Owned(der) => der,
        }
    }

    /// The certificate, to stay.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn keep(self) -> Result<Kept> {
        Ok(match self {
            Self::Here(der) if der.len <= der.header.len() => {
                Kept::Owned(Array::copy_of(der.get().unwrap_or_default())?)
            }
            Self::Here(der) => Kept::Owned(core::mem::replace(&mut der.bytes, Array::new(0, 0)?)),
            Self::InPlace(der) => Kept::InPlace(NonNull::from(der)),
            Self::Owned(der) => Kept::Owned(der),
        })
    }
}

/// How a bundle is written, which [`each`] wants to know: text that has a label in it is PEM.
///
/// # Errors
///
/// What the source fails with; [`Error::NoMemory`].
pub fn kind(source: &mut dyn Source) -> Result<Kind> {
    let mut first = [0; MAGIC.len()];
    let n = source.read(0, &mut first)?;
    match first {
        _ if n < first.len() => {}
        MAGIC => return Ok(Kind::Compact),
        // The length of a list of numbers of four bytes.
        [low, high, 0, 0, ..] if low & 3 == 0 && (low, high) != (0, 0) => {
            return Ok(Kind::Keys { is_listed: true });
        }
        // How many there are, and the length of a name.
        [0..=3, ..] => return Ok(Kind::Keys { is_listed: false }),
        _ => {}
    }
    Ok(if Bytes::new(source)?.find(BEGIN)? { Kind::Pem } else { Kind::Der })
}

/// What a compact bundle begins with, and the version of its format.
const MAGIC: [u8; 8] = *b"\xcaBUNDLE\x01";
/// Before the index: that, and how many certificates there are.
const HEAD: usize = MAGIC.len() + 2;

/// A certificate of a compact bundle, in its index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// By what its subject is found.
    pub key: u32,
    /// Where it is.
    pub at: u32,
    /// What its SHA-256 begins with.
    pub digest: [u8; 16],
}

/// How many bytes an [`Entry`] takes.
const ENTRY: usize = 24;

/// The most certificates that may have one key.
pub const SAME_KEY: usize = 8;

/// By what a name's content is found in a compact bundle: names that are the same have the same.
fn folded(content: &[u8]) -> u32 {
    let fold = |byte: &u8| if *byte == PRINTABLE_STRING { UTF8_STRING } else { byte.to_ascii_lowercase() };
    fnv1a(content.iter().map(fold))
}

/// Likewise, of a Name in DER.
#[must_use]
pub fn key(mut name: &[u8]) -> Option<u32> {
    content(&mut name, SEQUENCE).map(folded)
}

/// Likewise, of a certificate's subject.
#[must_use]
pub fn subject_key(der: &[u8]) -> Option<u32> {
    subject(der).map(folded)
}

impl Entry {
    fn new(bytes: &[u8; ENTRY]) -> Option<Self> {
        let (&key, rest) = bytes.split_first_chunk()?;
        let (&at, digest) = rest.split_first_chunk()?;
        let (key, at) = (u32::from_be_bytes(key), u32::from_be_bytes(at));
        Some(Self { key, at, digest: *digest.first_chunk()? })
    }
}

/// Gives each entry of a compact bundle's index to `take`; how many there are.
///
/// # Errors
///
/// [`Invalid::Cert`] where it is none; what `take` or the source fails with; [`Error::NoMemory`].
pub fn index(source: &mut dyn Source, mut take: impl FnMut(Entry) -> Result<()>) -> Result<u16> {
    let mut bytes = Bytes::new(source)?;
    for expected in MAGIC {
        if bytes.one()? != expected {
            return Err(DAMAGED);
        }
    }
    let n = u16::try_from(bytes.number(false)?).map_err(|_| DAMAGED)?;
    let mut last = 0;
    for _ in 0..n {
        let mut entry = [0; ENTRY];
        for byte in &mut entry {
            *byte = bytes.one()?;
        }
        let entry = Entry::new(&entry).filter(|entry| entry.key >= last).ok_or(DAMAGED)?;
        last = entry.key;
        take(entry)?;
    }
    Ok(n)
}

/// Where the certificates of a compact bundle begin that has `n` of them.
#[must_use]
pub fn certificates(n: u16) -> u32 {
    u32::from(n).saturating_mul(ENTRY as u32).saturating_add(HEAD as u32)
}

/// The `i`-th entry of that index.
///
/// # Errors
///
/// As [`index`].
pub fn entry(source: &mut dyn Source, i: u16) -> Result<Entry> {
    let mut entry = [0; ENTRY];
    let n = source.read(certificates(i), &mut entry)?;
    Entry::new(&entry).filter(|_| n == ENTRY).ok_or(DAMAGED)
}

/// The certificate at `at` of a compact bundle.
///
/// # Errors
///
/// As [`index`].
pub fn certificate(source: &mut dyn Source, at: u32) -> Result<Array<u8>> {
    let mut header = [0; 4];
    let n = source.read(at, &mut header)?;
    let len = sequence(header.get(..n).unwrap_or_default()).ok_or(DAMAGED)?;
    let mut der = Array::new(len, 0)?;
    if source.read(at, &mut der)? == len { Ok(der) } else { Err(DAMAGED) }
}

/// Gives each certificate of a bundle that is not compact to `take`, and reads the bundle to its end. `crls`:
/// where it is PEM, revocation lists as well, which the other argument says.
///
/// # Errors
///
/// What `take` or the source fails with; [`Invalid::Cert`] where the bundle is damaged, or there is no
/// certificate in it; [`Error::NoMemory`].
pub fn each(
    kind: Kind,
    source: &mut dyn Source,
    crls: bool,
    mut take: impl FnMut(Found<'_>, bool) -> Result<()>,
) -> Result<()> {
    let mut bytes = Bytes::new(source)?;
    let mut der = Der::new()?;
    let mut found = false;
    let mut give = |der: &mut Der, is_crl| {
        der.get().ok_or(DAMAGED)?;
        found = true;
        take(Found::Here(der), is_crl)
    };
    match kind {
        Kind::Pem => {
            while bytes.find(BEGIN)? {
                let Some(label) = bytes.label()? else { break };
                let is_crl = label == Some(LABELS.len());
                if label.is_none() || (is_crl && !crls) {
                    continue;
                }
                let mut base64 = Base64::default();
                der.begin();
                loop {
                    match bytes.next()?.ok_or(DAMAGED)? {
                        b'-' => break,
                        digit => {
                            if let Some(byte) = base64.digit(digit)? {
                                der.push(byte)?;
                            }
                        }
                    }
                }
                for &expected in END.iter().skip(1) {
                    if bytes.next()? != Some(expected) {
                        return Err(DAMAGED);
                    }
                }
                if bytes.label()? != Some(label) || !base64.are_whole() {
                    return Err(DAMAGED);
                }
                give(&mut der, is_crl)?;
            }
        }
        Kind::Der => {
            while bytes.next()? == Some(SEQUENCE) {
                der.begin();
                der.push(SEQUENCE)?;
                while der.get().is_none() {
                    if der.len >= der.header.len() && der.total().is_none() {
                        return Err(DAMAGED);
                    }
                    der.push(bytes.next()?.ok_or(DAMAGED)?)?;
                }
                give(&mut der, false)?;
            }
        }
        Kind::Keys { is_listed } => {
            let mut n = bytes.number(is_listed)?;
            if is_listed {
                // The rest of the list, whose first number is its length.
                for _ in 2..n {
                    bytes.one()?;
                }
                n /= 4;
            }
            for _ in 0..n {
                let (name, key) = (bytes.number(is_listed)?, bytes.number(is_listed)?);
                der.of_key(&mut bytes, name, key)?;
                give(&mut der, false)?;
            }
        }
        Kind::Compact => {}
    }
    bytes.skip()?;
    if found { Ok(()) } else { Err(DAMAGED) }
}

/// As [`each`], of certificates in DER that are in memory as they are.
///
/// # Errors
///
/// As [`each`].
pub fn each_in_place(mut bundle: &[u8], mut take: impl FnMut(Found<'_>, bool) -> Result<()>) -> Result<()> {
    let mut found = false;
    while let [SEQUENCE, ..] = bundle {
        let len = sequence(bundle).ok_or(DAMAGED)?;
        let (der, behind) = bundle.split_at_checked(len).ok_or(DAMAGED)?;
        bundle = behind;
        take(Found::InPlace(der), false)?;
        found = true;
    }
    if found { Ok(()) } else { Err(DAMAGED) }
}

/// The next element of `der`, which is taken from its front: its tag and its content.
fn element<'a>(der: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, first], mut rest) = der.split_first_chunk()?;
    let mut len = usize::from(first);
    if let Some(octets) = len.checked_sub(0x80) {
        let (octets, behind) = rest.split_at_checked(octets).filter(|(octets, _)| octets.len() <= 4)?;
        len = octets.iter().fold(0, |len: usize, &octet| (len << 8) | usize::from(octet));
        rest = behind;
    }
    let (content, behind) = rest.split_at_checked(len)?;
    *der = behind;
    Some((tag, content))
}

/// The content of the next element, which has this tag.
fn content<'a>(der: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    element(der).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The content of a certificate's subject.
fn subject(mut der: &[u8]) -> Option<&[u8]> {
    let mut fields = content(&mut der, SEQUENCE)?;
    let mut fields = content(&mut fields, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        element(&mut fields)?;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        element(&mut fields)?;
    }
    content(&mut fields, SEQUENCE)
}

/// Whether two names are the same, as Mbed TLS sees it: the case of letters in text does not matter. `None`:
/// that cannot be said.
fn same_names(mut a: &[u8], mut b: &[u8]) -> Option<bool> {
    while !a.is_empty() && !b.is_empty() {
        let (mut a, mut b) = (content(&mut a, SET)?, content(&mut b, SET)?);
        while !a.is_empty() && !b.is_empty() {
            let (mut a, mut b) = (content(&mut a, SEQUENCE)?, content(&mut b, SEQUENCE)?);
            if content(&mut a, OID)? != content(&mut b, OID)? {
                return Some(false);
            }
            let (a, b) = (element(&mut a)?, element(&mut b)?);
            let is_text = |(tag, _): (u8, &[u8])| tag == UTF8_STRING || tag == PRINTABLE_STRING;
            if a != b && !(is_text(a) && is_text(b) && a.1.eq_ignore_ascii_case(b.1)) {
                return Some(false);
            }
        }
        if a.len() != b.len() {
            return Some(false);
        }
    }
    Some(a.is_empty() && b.is_empty())
}

/// Whether a certificate may have this subject, a Name in DER. It is not for sure: Mbed TLS looks again.
#[must_use]
pub fn may_be(mut name: &[u8], der: &[u8]) -> bool {
    let (Some(name), Some(subject)) = (content(&mut name, SEQUENCE), subject(der)) else { return true };
    same_names(name, subject).unwrap_or(true)
}
