// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates of any kind, good and bad, made here byte by byte and signed by Mbed TLS.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;

use micropython_ssl::mbedtls::sys;

use super::pki;

/// An element of DER.
pub fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut element = vec![tag];
    match content.len() {
        len @ ..=0x7f => element.push(len as u8),
        len @ ..=0xff => element.extend([0x81, len as u8]),
        len => element.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    element.extend(content);
    element
}

/// The first element of `data`, header and content, and what is behind it.
pub fn split(data: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (header, len) = match data[1] {
        len @ ..=0x7f => (2, usize::from(len)),
        0x81 => (3, usize::from(data[2])),
        _ => (4, usize::from(data[2]) << 8 | usize::from(data[3])),
    };
    (&data[..header + len], &data[header..header + len], &data[header + len..])
}

/// Keys of the test PKI: their names there. The last one is too short to be verified.
pub const KEYS: [&str; 11] = [
    "ca",
    "other_ca",
    "ec",
    "client",
    "intermediate",
    "leaf",
    "selfsigned",
    "other",
    "ec384",
    "rsa",
    "short",
];

/// The SubjectPublicKeyInfo of a key.
pub fn public_key(key: usize) -> Vec<u8> {
    let cert = pki::der(KEYS[key]);
    let (_, tbs, _) = split(split(&cert).1);
    let mut rest = tbs;
    for _ in 0..6 {
        rest = split(rest).2;
    }
    split(rest).0.to_vec()
}

unsafe extern "C" fn random(_: *mut c_void, out: *mut u8, len: usize) -> i32 {
    // No secret depends on it.
    for i in 0..len {
        // SAFETY: as much room as it says.
        unsafe { out.add(i).write((i as u8).wrapping_mul(73) ^ 0x5a) };
    }
    0
}

/// A signature of `data`.
fn sign(key: usize, md: sys::mbedtls_md_type_t, data: &[u8]) -> Vec<u8> {
    // SAFETY: Mbed TLS's objects are initialised, used and freed here; the buffers are as long as said.
    unsafe {
        let mut pk: sys::mbedtls_pk_context = std::mem::zeroed();
        let text = pki::der(&format!("{}.key", KEYS[key]));
        let ret = sys::mbedtls_pk_parse_key(
            &raw mut pk,
            text.as_ptr(),
            text.len(),
            std::ptr::null(),
            0,
            Some(random),
            std::ptr::null_mut(),
        );
        assert_eq!(ret, 0);
        let (mut hash, mut signature, mut len) = ([0; 64], [0; 512], 0);
        let info = sys::mbedtls_md_info_from_type(md);
        assert_eq!(sys::mbedtls_md(info, data.as_ptr(), data.len(), hash.as_mut_ptr()), 0);
        let ret = sys::mbedtls_pk_sign(
            &raw mut pk,
            md,
            hash.as_ptr(),
            usize::from(sys::mbedtls_md_get_size(info)),
            signature.as_mut_ptr(),
            signature.len(),
            &raw mut len,
            Some(random),
            std::ptr::null_mut(),
        );
        assert_eq!(ret, 0);
        sys::mbedtls_pk_free(&raw mut pk);
        signature[..len].to_vec()
    }
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Valid {
    Now,
    Expired,
    Later,
}

/// How a name is written: to Mbed TLS these are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spelling {
    Utf8,
    Printable,
    Capitals,
    /// One of [`ODD`] others, which are not the same as those, nor each other.
    Odd(usize),
}

/// How many odd names there are.
pub const ODD: usize = 18;

/// What a certificate is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cert {
    pub subject: (usize, Spelling),
    pub issuer: (usize, Spelling),
    pub key: usize,
    /// Whose key signs it.
    pub signer: usize,
    pub valid: Valid,
    pub version1: bool,
    /// basicConstraints.
    pub ca: Option<bool>,
    pub path_len: Option<u8>,
    pub key_usage: Option<u8>,
    /// A critical nameConstraints, which Mbed TLS does not read.
    pub constrained: bool,
    /// subjectKeyIdentifier and authorityKeyIdentifier: which keys', right or wrong.
    pub ids: (Option<usize>, Option<usize>),
    /// The host in subjectAltName.
    pub host: Option<&'static str>,
    pub sha1: bool,
    pub damaged: bool,
    pub serial: u8,
}

impl Cert {
    /// A CA, good as it is, with a name and key, by another.
    pub fn ca(name: usize, key: usize, issuer: usize, signer: usize) -> Self {
        Self {
            subject: (name, Spelling::Utf8),
            issuer: (issuer, Spelling::Utf8),
            key,
            signer,
            valid: Valid::Now,
            version1: false,
            ca: Some(true),
            path_len: None,
            key_usage: None,
            constrained: false,
            ids: (Some(key), Some(signer)),
            host: None,
            sha1: false,
            damaged: false,
            serial: 1,
        }
    }

    /// A server's.
    pub fn leaf(name: usize, key: usize, issuer: usize, signer: usize) -> Self {
        Self { ca: None, host: Some("localhost"), ..Self::ca(name, key, issuer, signer) }
    }

    pub fn der(&self) -> Vec<u8> {
        thread_local! {
            static MADE: RefCell<HashMap<Cert, Vec<u8>>> = RefCell::default();
        }
        MADE.with_borrow_mut(|made| made.entry(self.clone()).or_insert_with(|| self.make()).clone())
    }

    fn make(&self) -> Vec<u8> {
        let (md, algorithm) = algorithm(self.signer, self.sha1);
        let (from, to) = match self.valid {
            Valid::Now => ("240101000000Z", "491231235959Z"),
            Valid::Expired => ("200101000000Z", "210101000000Z"),
            Valid::Later => ("480101000000Z", "491231235959Z"),
        };
        let validity = der(0x30, &[&der(0x17, &[from.as_bytes()]), &der(0x17, &[to.as_bytes()])]);
        let tbs = [
            if self.version1 { Vec::new() } else { der(0xa0, &[&der(2, &[&[2]])]) },
            der(2, &[&[self.serial]]),
            algorithm.clone(),
            name(self.issuer),
            validity,
            name(self.subject),
            public_key(self.key),
            if self.version1 { Vec::new() } else { self.extensions() },
        ];
        signed(&tbs.concat(), self.signer, (md, &algorithm), self.damaged)
    }

    fn extensions(&self) -> Vec<u8> {
        let extension = |oid: &[u8], critical: bool, value: Vec<u8>| {
            let critical: &[u8] = if critical { b"\x01\x01\xff" } else { b"" };
            der(0x30, &[&der(6, &[oid]), critical, &der(4, &[&value])])
        };
        let id = |key: usize| vec![0xa0 ^ key as u8; 20];
        let mut all = Vec::new();
        if let Some(ca) = self.ca {
            let flag = if ca { der(1, &[&[0xff]]) } else { Vec::new() };
            let len = self.path_len.map_or(Vec::new(), |len| der(2, &[&[len]]));
            all.push(extension(b"\x55\x1d\x13", true, der(0x30, &[&flag, &len])));
        }
        if let Some(usage) = self.key_usage {
            all.push(extension(b"\x55\x1d\x0f", true, der(3, &[&[0, usage]])));
        }
        if self.constrained {
            let name = der(0x30, &[&der(0x82, &[b"example"])]);
            all.push(extension(b"\x55\x1d\x1e", true, der(0x30, &[&der(0xa0, &[&name])])));
        }
        if let Some(key) = self.ids.0 {
            all.push(extension(b"\x55\x1d\x0e", false, der(4, &[&id(key)])));
        }
        if let Some(key) = self.ids.1 {
            all.push(extension(b"\x55\x1d\x23", false, der(0x30, &[&der(0x80, &[&id(key)])])));
        }
        if let Some(host) = self.host {
            all.push(extension(b"\x55\x1d\x11", false, der(0x30, &[&der(0x82, &[host.as_bytes()])])));
        }
        if all.is_empty() { Vec::new() } else { der(0xa3, &[&der(0x30, &[&all.concat()])]) }
    }
}

/// The hash, and the AlgorithmIdentifier, of what this key signs.
fn algorithm(signer: usize, sha1: bool) -> (sys::mbedtls_md_type_t, Vec<u8>) {
    let rsa = matches!(KEYS[signer], "rsa" | "short");
    let (md, oid): (_, &[u8]) = match (sha1, rsa) {
        (false, false) => (sys::MBEDTLS_MD_SHA256, b"\x2a\x86\x48\xce\x3d\x04\x03\x02"),
        (true, false) => (sys::MBEDTLS_MD_SHA1, b"\x2a\x86\x48\xce\x3d\x04\x01"),
        (false, true) => (sys::MBEDTLS_MD_SHA256, b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"),
        (true, true) => (sys::MBEDTLS_MD_SHA1, b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"),
    };
    let null: &[u8] = if rsa { b"\x05\x00" } else { b"" };
    let algorithm = der(0x30, &[&der(6, &[oid]), null]);
    (md, algorithm)
}

/// What this key has signed, with the signature behind it.
fn signed(
    tbs: &[u8],
    signer: usize,
    (md, algorithm): (sys::mbedtls_md_type_t, &[u8]),
    damaged: bool,
) -> Vec<u8> {
    let tbs = der(0x30, &[tbs]);
    let mut signature = sign(signer, md, &tbs);
    if damaged {
        // Inside s, or in the middle.
        let at = signature.len() - 3;
        signature[at] ^= 0x10;
    }
    der(0x30, &[&tbs, algorithm, &der(3, &[&[0], &signature])])
}

/// A Name: an organisation and a common name.
pub fn name((number, spelling): (usize, Spelling)) -> Vec<u8> {
    let text = format!("Authority {number}");
    let (tag, text) = match spelling {
        Spelling::Utf8 | Spelling::Odd(_) => (0x0c, text),
        Spelling::Printable => (0x13, text),
        Spelling::Capitals => (0x0c, text.to_uppercase()),
    };
    let one = |oid: &[u8], tag: u8, text: &str| der(0x30, &[&der(6, &[oid]), &der(tag, &[text.as_bytes()])]);
    let attribute = |oid: &[u8], text: &str| der(0x31, &[&one(oid, tag, text)]);
    let (o, cn) = (b"\x55\x04\x0a", b"\x55\x04\x03");
    let Spelling::Odd(odd) = spelling else {
        return der(0x30, &[&attribute(o, "Test"), &attribute(cn, &text)]);
    };
    let named = |behind: &[&[u8]]| der(0x30, &[&attribute(o, "Test"), &behind.concat()]);
    let typed = |tag: u8, text: &str| named(&[&der(0x31, &[&one(cn, tag, text)])]);
    let (o_one, cn_one) = (one(o, tag, "Test"), one(cn, tag, &text));
    match odd {
        0 => der(0x30, &[]),
        // In one RDN, in both orders; in two of them, but in the other order.
        1 => der(0x30, &[&der(0x31, &[&o_one, &cn_one])]),
        2 => der(0x30, &[&der(0x31, &[&cn_one, &o_one])]),
        3 => der(0x30, &[&attribute(cn, &text), &attribute(o, "Test")]),
        // TeletexString, IA5String, BMPString: of these the case matters.
        4 => typed(0x14, &text),
        5 => typed(0x14, &text.to_uppercase()),
        6 => typed(0x16, &text),
        7 => typed(0x1e, "\0A\0b"),
        8 => typed(0x1e, "\0a\0B"),
        9 => typed(3, "\0x"),
        // More, less, and a value that is empty.
        10 => named(&[&attribute(cn, &text), &attribute(cn, "x")]),
        11 => named(&[]),
        12 => named(&[&attribute(cn, "")]),
        // Text that looks like tags, to the key of a compact bundle the same.
        13 => named(&[&attribute(cn, "\x13\x0c\x13")]),
        14 => named(&[&attribute(cn, "\x0c\x0c\x0c")]),
        15 => named(&[&attribute(cn, &"y".repeat(260))]),
        // Something behind the value.
        16 => {
            let attribute = der(0x30, &[&der(6, &[cn]), &der(0x0c, &[b"a"]), &der(5, &[])]);
            named(&[&der(0x31, &[&attribute])])
        }
        _ => named(&[&attribute(cn, "\u{c4}\u{e4}")]),
    }
}

/// PEM of a certificate.
pub fn pem(der: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits =
                group.iter().chain(&[0, 0]).take(3).fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
            for i in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
                text.push(if i <= group.len() { digit } else { b'=' });
            }
        }
        text.push(b'\n');
    }
    text.extend(b"-----END CERTIFICATE-----\n");
    text
}

/// A bundle in the compact format of `docs/ca-bundles.md`. Its order is that of the names' keys.
pub fn compact(certs: &[Vec<u8>]) -> Vec<u8> {
    let mut entries: Vec<(u32, &Vec<u8>)> = certs
        .iter()
        .map(|cert| {
            let mut rest = split(split(cert).1).1;
            if rest[0] == 0xa0 {
                rest = split(rest).2;
            }
            for _ in 0..4 {
                rest = split(rest).2;
            }
            let fold = |&byte: &u8| if byte == 0x13 { 0x0c } else { byte.to_ascii_lowercase() };
            let step = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            (split(rest).1.iter().map(fold).fold(0x811c_9dc5, step), cert)
        })
        .collect();
    entries.sort_by_key(|(key, _)| *key);
    let mut bundle = b"\xcaBUNDLE\x01".to_vec();
    bundle.extend((certs.len() as u16).to_be_bytes());
    let mut at = bundle.len() + 24 * certs.len();
    for (key, cert) in &entries {
        bundle.extend(key.to_be_bytes());
        bundle.extend((at as u32).to_be_bytes());
        bundle.extend(&sha256(cert)[..16]);
        at += cert.len();
    }
    bundle.extend(entries.iter().flat_map(|(_, cert)| cert.iter()));
    bundle
}

pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    // SAFETY: the buffers are as long as said.
    let ret = unsafe {
        let info = sys::mbedtls_md_info_from_type(sys::MBEDTLS_MD_SHA256);
        sys::mbedtls_md(info, data.as_ptr(), data.len(), digest.as_mut_ptr())
    };
    assert_eq!(ret, 0);
    digest
}

/// ESP-IDF's format, of which there are two: with a list of offsets, and numbers that begin with their low
/// byte, and without.
pub fn idf(certs: &[Cert], is_listed: bool) -> Vec<u8> {
    let two = |n: usize| if is_listed { (n as u16).to_le_bytes() } else { (n as u16).to_be_bytes() };
    let mut records: Vec<Vec<u8>> = certs
        .iter()
        .map(|cert| {
            let (name, key) = (name(cert.subject), public_key(cert.key));
            [&two(name.len())[..], &two(key.len()), &name, &key].concat()
        })
        .collect();
    records.sort();
    let mut bundle = Vec::new();
    if is_listed {
        let mut at = 4 * records.len();
        for record in &records {
            bundle.extend((at as u32).to_le_bytes());
            at += record.len();
        }
    } else {
        bundle.extend(two(records.len()));
    }
    bundle.extend(records.concat());
    bundle
}

/// A revocation list.
#[derive(Clone, Debug)]
pub struct Crl {
    pub issuer: (usize, Spelling),
    pub signer: usize,
    /// The last two digits of the years when it was made, and when the next is due; 0: it does not say.
    pub years: (u8, u8),
    /// The serial numbers in it.
    pub revoked: Vec<u8>,
    pub sha1: bool,
    pub damaged: bool,
    /// An extension, and whether it is critical.
    pub extension: Option<(&'static [u8], bool)>,
}

impl Crl {
    /// A good one.
    pub fn new(issuer: usize, signer: usize, revoked: &[u8]) -> Self {
        let issuer = (issuer, Spelling::Utf8);
        let revoked = revoked.to_vec();
        Self { issuer, signer, years: (24, 49), revoked, sha1: false, damaged: false, extension: None }
    }

    pub fn der(&self) -> Vec<u8> {
        let (md, algorithm) = algorithm(self.signer, self.sha1);
        let time = |year: u8| match year {
            0 => Vec::new(),
            year => der(0x17, &[format!("{year:02}0101000000Z").as_bytes()]),
        };
        let entry = |serial: &u8| der(0x30, &[&der(2, &[&[*serial]]), &time(24)]);
        let entries: Vec<u8> = self.revoked.iter().flat_map(entry).collect();
        let extension = self.extension.map_or(Vec::new(), |(oid, critical)| {
            let critical: &[u8] = if critical { b"\x01\x01\xff" } else { b"" };
            let one = der(0x30, &[&der(6, &[oid]), critical, &der(4, &[&[0x30, 0]])]);
            der(0xa0, &[&der(0x30, &[&one])])
        });
        let tbs = [
            der(2, &[&[1]]),
            algorithm.clone(),
            name(self.issuer),
            time(self.years.0),
            time(self.years.1),
            if entries.is_empty() { Vec::new() } else { der(0x30, &[&entries]) },
            extension,
        ];
        signed(&tbs.concat(), self.signer, (md, &algorithm), self.damaged)
    }

    pub fn pem(&self) -> Vec<u8> {
        let text = String::from_utf8(pem(&self.der())).unwrap();
        text.replace("CERTIFICATE", "X509 CRL").into_bytes()
    }
}
