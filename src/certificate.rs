// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written in a certificate, in CPython's words: `getpeercert()`.
//!
//! The certificate's DER is read here and not by Mbed TLS, which would keep half of it
//! on the heap, and knows no long names. What comes out is a run of tokens, which
//! `c_glue/mpssl.h` lists; C makes the objects of it.
//!
//! Names and formats are OpenSSL's, which are CPython's: `tests/consumers/certificates.py`
//! compares them.

use crate::error::{Error, Invalid, Result};
use crate::micropython_sys::{MPSSL_CERT_CLOSE, MPSSL_CERT_NUMBER, MPSSL_CERT_OPEN, MPSSL_CERT_TEXT_END};

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Explicit tags, and fields of a constructed type.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_3: u8 = 0xa3;

// Kinds of GeneralName that are written in a way of their own.
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const DIRECTORY_NAME: u8 = 0xa4;
const URI: u8 = 0x86;
const IP_ADDRESS: u8 = 0x87;
const REGISTERED_ID: u8 = 0x88;

const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";
const CRL_DISTRIBUTION_POINTS: &[u8] = b"\x55\x1d\x1f";
const AUTHORITY_INFO_ACCESS: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x01\x01";
const OCSP: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x01";
const CA_ISSUERS: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x02";

/// What has a name: a length, an OID of that length or the tag of a GeneralName, its
/// name, a NUL.
const NAMES: &[u8] = b"\
    \x01\x81email\0\
    \x01\x82DNS\0\
    \x01\x86URI\0\
    \x01\x87IP Address\0\
    \x01\x88Registered ID\0\
    \x01\xa0othername\0\
    \x01\xa3X400Name\0\
    \x01\xa4DirName\0\
    \x01\xa5EdiPartyName\0\
    \x03\x55\x04\x03commonName\0\
    \x03\x55\x04\x04surname\0\
    \x03\x55\x04\x05serialNumber\0\
    \x03\x55\x04\x06countryName\0\
    \x03\x55\x04\x07localityName\0\
    \x03\x55\x04\x08stateOrProvinceName\0\
    \x03\x55\x04\x09streetAddress\0\
    \x03\x55\x04\x0aorganizationName\0\
    \x03\x55\x04\x0borganizationalUnitName\0\
    \x03\x55\x04\x0ctitle\0\
    \x03\x55\x04\x0ddescription\0\
    \x03\x55\x04\x0fbusinessCategory\0\
    \x03\x55\x04\x11postalCode\0\
    \x03\x55\x04\x29name\0\
    \x03\x55\x04\x2agivenName\0\
    \x03\x55\x04\x2binitials\0\
    \x03\x55\x04\x2cgenerationQualifier\0\
    \x03\x55\x04\x2ednQualifier\0\
    \x03\x55\x04\x41pseudonym\0\
    \x03\x55\x04\x61organizationIdentifier\0\
    \x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01emailAddress\0\
    \x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01userId\0\
    \x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19domainComponent\0\
    \x0b\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x01jurisdictionLocalityName\0\
    \x0b\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x02jurisdictionStateOrProvinceName\0\
    \x0b\x2b\x06\x01\x04\x01\x82\x37\x3c\x02\x01\x03jurisdictionCountryName\0";

const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// What follows the month: numbers are those of digits, `c` the century.
const TIME: &[u8] = b" \x04\x05 \x06\x07:\x08\x09:\x0a\x0b c\x00\x01";

/// Writes the tokens of the certificate `der` to `tokens` as far as there is room.
/// Returns how many bytes they are: where that is more than there was room for, what
/// was written is of no use.
///
/// # Errors
///
/// [`Invalid::Cert`] where `der` is no certificate, or a text in it is not what its
/// type says.
pub fn describe(der: &[u8], tokens: &mut [u8]) -> Result<usize> {
    let mut description = Description { tokens, len: 0, good: true };
    description.certificate(der);
    if description.good { Ok(description.len) } else { Err(Error::Value(Invalid::Cert)) }
}

/// What has been written so far.
struct Description<'a> {
    tokens: &'a mut [u8],
    len: usize,
    /// The certificate is what it should be, so far. Where it is not, it is read on as if
    /// it were: every element that is looked for makes what is left to read shorter. That
    /// is half the code that going back at each error would be.
    good: bool,
}

/// Writes one element of a list: its tag and content.
type Write = fn(&mut Description<'_>, u8, &[u8]);

/// Reading: elements of DER, one after the other, are taken from the front of a slice.
impl Description<'_> {
    /// The next element: its tag and its content.
    #[inline(never)]
    fn any<'d>(&mut self, der: &mut &'d [u8]) -> (u8, &'d [u8]) {
        if let Some((&[tag, first], mut rest)) = der.split_first_chunk() {
            let mut len = usize::from(first);
            if let Some(octets @ 1..4) = len.checked_sub(0x80) {
                len = usize::MAX;
                if let Some((octets, after)) = rest.split_at_checked(octets) {
                    len = octets.iter().fold(0, |len, &octet| (len << 8) | usize::from(octet));
                    rest = after;
                }
            }
            if let Some((content, rest)) = rest.split_at_checked(len) {
                *der = rest;
                return (tag, content);
            }
        }
        self.good = false;
        *der = &[];
        (0, &[])
    }

    /// The content of the next element, which should have this tag.
    #[inline(never)]
    fn take<'d>(&mut self, der: &mut &'d [u8], tag: u8) -> &'d [u8] {
        let (found, content) = self.any(der);
        self.good &= found == tag;
        content
    }

    /// The content of the next element if it has this tag; else nothing is taken.
    fn optional<'d>(&mut self, der: &mut &'d [u8], tag: u8) -> &'d [u8] {
        if der.first() == Some(&tag) { self.take(der, tag) } else { &[] }
    }
}

/// Describing.
impl Description<'_> {
    fn certificate(&mut self, mut der: &[u8]) {
        let mut signed = self.take(&mut der, SEQUENCE);
        let tbs = &mut self.take(&mut signed, SEQUENCE);

        self.text("version");
        let mut version = self.optional(tbs, CONTEXT_0);
        let version = self.optional(&mut version, INTEGER).last().copied().unwrap_or(0);
        self.byte(MPSSL_CERT_NUMBER as u8);
        self.byte(version.wrapping_add(1));

        self.text("serialNumber");
        let serial = self.take(tbs, INTEGER);
        self.integer(serial);
        self.take(tbs, SEQUENCE);
        self.text("issuer");
        self.name(tbs);
        let mut validity = self.take(tbs, SEQUENCE);
        self.text("notBefore");
        self.time(&mut validity);
        self.text("notAfter");
        self.time(&mut validity);
        self.text("subject");
        self.name(tbs);
        self.take(tbs, SEQUENCE);

        // Unique identifiers, which nobody has, may come before the extensions.
        while !tbs.is_empty() {
            if let (CONTEXT_3, mut extensions) = self.any(tbs) {
                let mut extensions = self.take(&mut extensions, SEQUENCE);
                while !extensions.is_empty() {
                    let extension = self.take(&mut extensions, SEQUENCE);
                    self.extension(extension);
                }
            }
        }
    }

    fn extension(&mut self, mut extension: &[u8]) {
        let id = self.take(&mut extension, OID);
        self.optional(&mut extension, BOOLEAN); // critical
        let mut value = self.take(&mut extension, OCTET_STRING);
        if id == SUBJECT_ALT_NAME {
            self.text("subjectAltName");
            let names = self.take(&mut value, SEQUENCE);
            self.tuple(names, |this, tag, name| this.general_name(tag, name));
        } else if id == AUTHORITY_INFO_ACCESS {
            self.uris("OCSP", value, |this, _, access| this.access(access, OCSP));
            self.uris("caIssuers", value, |this, _, access| this.access(access, CA_ISSUERS));
        } else if id == CRL_DISTRIBUTION_POINTS {
            self.uris("crlDistributionPoints", value, |this, _, point| this.distribution_point(point));
        }
    }

    /// The URIs of an extension, if it has any. They are nobody's identity: as in CPython,
    /// an extension of these that is spoilt is not there.
    #[inline(never)]
    fn uris(&mut self, key: &str, mut value: &[u8], write: Write) {
        let (before, good) = (self.len, self.good);
        self.text(key);
        let empty = self.len.saturating_add(2);
        let list = self.take(&mut value, SEQUENCE);
        self.tuple(list, write);
        if !self.good || self.len == empty {
            self.len = before;
        }
        self.good = good;
    }

    fn access(&mut self, mut access: &[u8], method: &[u8]) {
        if self.take(&mut access, OID) == method {
            self.uri(access);
        }
    }

    fn distribution_point(&mut self, mut point: &[u8]) {
        // The point's name may be missing, or relative to the issuer's.
        let mut name = self.optional(&mut point, CONTEXT_0);
        let mut names = self.optional(&mut name, CONTEXT_0);
        while !names.is_empty() {
            self.uri(names);
            self.any(&mut names);
        }
    }

    /// The first of these GeneralNames if it is a URI.
    fn uri(&mut self, mut names: &[u8]) {
        if let (URI, uri) = self.any(&mut names) {
            self.string(UTF8_STRING, uri);
        }
    }

    /// A list as a tuple of what `write` makes of each of its elements.
    #[inline(never)]
    fn tuple(&mut self, mut list: &[u8], write: Write) {
        self.byte(MPSSL_CERT_OPEN as u8);
        while !list.is_empty() {
            let (tag, content) = self.any(&mut list);
            write(self, tag, content);
        }
        self.byte(MPSSL_CERT_CLOSE as u8);
    }

    /// A distinguished name: sets of pairs of a type and a value.
    #[inline(never)]
    fn name(&mut self, der: &mut &[u8]) {
        let sets = self.take(der, SEQUENCE);
        self.tuple(sets, |this, tag, set| {
            this.good &= tag == SET;
            this.tuple(set, |this, tag, attribute| this.attribute(tag, attribute));
        });
    }

    fn attribute(&mut self, tag: u8, mut attribute: &[u8]) {
        self.good &= tag == SEQUENCE;
        self.byte(MPSSL_CERT_OPEN as u8);
        let id = self.take(&mut attribute, OID);
        self.oid(id);
        let (tag, value) = self.any(&mut attribute);
        self.string(tag, value);
        self.byte(MPSSL_CERT_CLOSE as u8);
    }

    /// A pair of a GeneralName's kind and itself.
    fn general_name(&mut self, tag: u8, mut name: &[u8]) {
        self.byte(MPSSL_CERT_OPEN as u8);
        self.good &= self.known(&[tag]);
        match tag {
            EMAIL | DNS | URI => self.string(UTF8_STRING, name),
            IP_ADDRESS => self.address(name),
            REGISTERED_ID => self.oid(name),
            DIRECTORY_NAME => self.name(&mut name),
            _ => self.text("<unsupported>"),
        }
        self.byte(MPSSL_CERT_CLOSE as u8);
    }
}

/// Writing: texts of values.
impl Description<'_> {
    /// A string of one of ASN.1's types, in UTF-8.
    #[inline(never)]
    fn string(&mut self, tag: u8, mut string: &[u8]) {
        let width = match tag {
            UTF8_STRING => 0,
            // NumericString, PrintableString, T61String, IA5String, the times, VisibleString:
            // each byte is taken for a character of Latin-1.
            0x12..=0x14 | 0x16..=0x18 | 0x1a => 1,
            0x1c => 4, // UniversalString
            0x1e => 2, // BMPString
            _ => usize::MAX,
        };
        while let Some(&first) = string.first() {
            // In UTF-8 the first byte says how many there are; all but the first bring 6 bits.
            let utf8 = width == 0 && first >= 0x80;
            let (len, bits) = if utf8 { (first.leading_ones() as usize, 6) } else { (width.max(1), 8) };
            let Some((character, rest)) = string.split_at_checked(len) else { break };
            string = rest;
            let mut code = character
                .iter()
                .fold(0_u32, |code, &byte| (code << bits) | u32::from(if utf8 { byte & 0x3f } else { byte }));
            if utf8 {
                code &=
                    1_u32.wrapping_shl(first.leading_ones().wrapping_mul(5).wrapping_add(1)).wrapping_sub(1);
            }
            let mut buf = [0; 4];
            let Some(decoded) = char::from_u32(code) else {
                self.good = false;
                break;
            };
            let encoded = decoded.encode_utf8(&mut buf).as_bytes();
            // What comes out different was no UTF-8.
            self.good &= !utf8 || encoded == character;
            self.raw(encoded);
        }
        self.good &= string.is_empty();
        self.end();
    }

    /// The next element, a time: `Jan  1 00:00:00 2024 GMT`.
    #[inline(never)]
    fn time(&mut self, der: &mut &[u8]) {
        let (tag, mut digits) = self.any(der);
        // RFC 5280 4.1.2.5.1
        let mut century = if digits < b"5".as_slice() { b"20".as_slice() } else { b"19" };
        if tag == GENERALIZED_TIME {
            (century, digits) = digits.split_at_checked(2).unwrap_or_default();
        } else {
            self.good &= tag == UTC_TIME;
        }
        let Some((digits, zone)) = digits.split_last_chunk::<1>() else {
            self.good = false;
            return;
        };
        let digit = |at: usize| digits.get(at).copied().unwrap_or(0);
        let month = digit(2).wrapping_mul(10).wrapping_add(digit(3)).wrapping_sub(b'0'.wrapping_mul(11));
        let month = MONTHS.chunks(3).nth(usize::from(month.wrapping_sub(1))).unwrap_or_default();
        self.good &= zone == b"Z"
            && digits.len() == 12
            && digits.iter().all(u8::is_ascii_digit)
            && century.iter().all(u8::is_ascii_digit)
            && !month.is_empty();
        self.raw(month);
        for &letter in TIME {
            match letter {
                // The day of the month is padded with a space.
                4 if digit(4) == b'0' => self.byte(b' '),
                ..12 => self.byte(digit(usize::from(letter))),
                b'c' => self.raw(century),
                _ => self.byte(letter),
            }
        }
        self.text(" GMT");
    }

    /// An INTEGER in hexadecimal, two digits a byte, without a sign byte.
    fn integer(&mut self, integer: &[u8]) {
        let negative = integer.first().is_some_and(|&first| first >= 0x80);
        if negative {
            self.byte(b'-');
        }
        // The magnitude of a negative number is its complement, plus one: which carries up
        // to the last byte that is not 0.
        let last = integer.iter().rposition(|&byte| byte != 0).unwrap_or(0);
        for (i, &byte) in integer.iter().enumerate() {
            let magnitude = match negative {
                true if i < last => !byte,
                true => byte.wrapping_neg(),
                false => byte,
            };
            if i > 0 || magnitude != 0 || integer.len() == 1 {
                self.digit(magnitude >> 4);
                self.digit(magnitude);
            }
        }
        self.good &= !integer.is_empty();
        self.end();
    }

    /// `127.0.0.1` or `2001:DB8:0:0:0:0:0:1`.
    fn address(&mut self, address: &[u8]) {
        match address.len() {
            4 => {
                for &byte in address {
                    self.decimal(&[byte >> 7, byte]);
                    self.byte(b'.');
                }
                self.len = self.len.saturating_sub(1);
            }
            16 => {
                for pair in address.chunks(2) {
                    let group = pair.iter().fold(0_u16, |group, &byte| (group << 8) | u16::from(byte));
                    for shift in [12, 8, 4, 0] {
                        let digit = group >> shift;
                        if digit != 0 || shift == 0 {
                            self.digit(digit as u8);
                        }
                    }
                    self.byte(b':');
                }
                self.len = self.len.saturating_sub(1);
            }
            _ => self.raw(b"<invalid>"),
        }
        self.end();
    }

    /// The name of an OID, or its numbers with dots.
    #[inline(never)]
    fn oid(&mut self, oid: &[u8]) {
        // The last byte is one that ends a number: no tag in NAMES is one.
        if oid.last().is_none_or(|&last| last >= 0x80) {
            self.good = false;
            return;
        }
        if self.known(oid) {
            return;
        }
        // The first two numbers are one: 40 times the first, which is at most 2, plus the
        // second. OpenSSL reads it if it is of any length; nobody has a longer one.
        let mut first = true;
        for number in oid.split_inclusive(|&byte| byte < 0x80) {
            if first {
                let both = number.iter().fold(0_u32, |n, &byte| (n << 7) | u32::from(byte & 0x7f));
                let root = (both / 40).min(2);
                self.digit(root as u8);
                self.byte(b'.');
                let second = both.wrapping_sub(root.wrapping_mul(40));
                self.good &= number.len() < 5;
                self.decimal(&[21, 14, 7, 0].map(|shift| (second >> shift) as u8));
                first = false;
            } else {
                self.byte(b'.');
                self.decimal(number);
            }
        }
        self.end();
    }

    /// Writes the name of what has one; whether it has.
    #[inline(never)]
    fn known(&mut self, id: &[u8]) -> bool {
        let mut names = NAMES;
        while let Some((&len, rest)) = names.split_first() {
            let (found, rest) = rest.split_at_checked(usize::from(len)).unwrap_or_default();
            let end = rest.iter().position(|&byte| byte == 0).unwrap_or(0);
            let (name, rest) = rest.split_at_checked(end).unwrap_or_default();
            if found == id {
                self.raw(name);
                self.end();
                return true;
            }
            names = rest.get(1..).unwrap_or_default();
        }
        false
    }

    /// A number in base 128, as long as a UUID in an OID can be.
    #[inline(never)]
    fn decimal(&mut self, number: &[u8]) {
        let mut digits = [0_u8; 39];
        for &group in number {
            let mut carry = u16::from(group & 0x7f);
            for digit in digits.iter_mut().rev() {
                let value = (u16::from(*digit) << 7).wrapping_add(carry);
                *digit = (value % 10) as u8;
                carry = value / 10;
            }
            self.good &= carry == 0;
        }
        let start = digits.iter().position(|&digit| digit != 0).unwrap_or(38);
        for &digit in digits.iter().skip(start) {
            self.digit(digit);
        }
    }

    /// A hexadecimal digit.
    #[inline(never)]
    fn digit(&mut self, value: u8) {
        let value = value & 0xf;
        self.byte(value.wrapping_add(if value < 10 { b'0' } else { b'A'.wrapping_sub(10) }));
    }

    #[inline(never)]
    fn text(&mut self, text: &str) {
        self.raw(text.as_bytes());
        self.end();
    }

    /// Ends a text.
    #[inline(never)]
    fn end(&mut self) {
        self.byte(MPSSL_CERT_TEXT_END as u8);
    }

    #[inline(never)]
    fn raw(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    #[inline(never)]
    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.tokens.get_mut(self.len) {
            *place = byte;
        }
        self.len = self.len.saturating_add(1);
    }
}
