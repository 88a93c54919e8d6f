// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificate chain and private key of this side.

#[cfg(mbedtls_ssl_keep_peer_certificate)]
use crate::error::Invalid;
use crate::error::{Error, Result};
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use crate::mbedtls::{self, Chain};
use crate::mbedtls::{KeyCert, Rng};
use crate::mem::Shared;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use crate::mem::find;

/// Reads PEM or DER; both end with a NUL that is not part of them.
/// `check_pair`: the key must belong to the certificate, unless that has
/// expired or the key is a reference to one in a secure element.
///
/// # Errors
///
/// `ValueError` for a bad key, certificate or pair;
/// [`Error::CertMissing`] for a good key without a certificate;
/// [`Error::NoMemory`].
pub fn load(
    cert: Option<&[u8]>,
    key: &[u8],
    password: Option<&[u8]>,
    check_pair: bool,
    rng: &Rng,
) -> Result<Shared<KeyCert>> {
    Shared::new(KeyCert::new, |own| {
        own.key.parse(key, password, rng)?;
        own.chain.append(cert.ok_or(Error::CertMissing)?)?;
        // An expired certificate convinces no peer that verifies, whatever the
        // key; upstream's tests serve one with another's. The key that a
        // reference stands for is in a chip.
        if check_pair && !own.chain.is_expired() && !own.key.is_reference() {
            own.key.check_pair(&own.chain, rng)?;
        }
        Ok(())
    })
}

/// The certificate, PEM or DER with a NUL behind it, of a key that is an object of the host's. `public`:
/// what the object says is its public half, an uncompressed point, with or without the byte that says so,
/// or SubjectPublicKeyInfo as DER.
///
/// # Errors
///
/// `ValueError` for a bad certificate or one for another key; [`Error::CertMissing`]; [`Error::NoMemory`].
pub fn load_object(cert: Option<&[u8]>, public: Option<&[u8]>) -> Result<Shared<KeyCert>> {
    Shared::new(KeyCert::new, |own| {
        own.chain.append(cert.ok_or(Error::CertMissing)?)?;
        own.set_object(public)
    })
}

#[cfg(mbedtls_ssl_keep_peer_certificate)]
fn has(data: &[u8], part: &[u8]) -> bool {
    find(data, part).is_some()
}

/// What a key or certificate needs that Mbed TLS has not, by the identifiers in it.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
fn needs(der: &[u8]) -> Option<&'static str> {
    #[cfg(not(mbedtls_des_c))]
    const DES3: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x03\x07";
    #[cfg(not(mbedtls_des_c))]
    const PBE_DES3: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";
    const SCRYPT: &[u8] = b"\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";
    const RSA_PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
    const EDWARDS: &[u8] = b"\x30\x05\x06\x03\x2b\x65";
    [
        (SCRYPT, "needs scrypt, which Mbed TLS has not"),
        #[cfg(not(mbedtls_des_c))]
        (DES3, "needs DES, which this Mbed TLS is built without"),
        #[cfg(not(mbedtls_des_c))]
        (PBE_DES3, "needs DES, which this Mbed TLS is built without"),
        (EDWARDS, "needs Ed25519 or the like, which Mbed TLS has not"),
        (RSA_PSS, "needs keys for RSA-PSS alone, which Mbed TLS has not"),
    ]
    .into_iter()
    .find_map(|(id, text)| has(der, id).then_some(text))
}

/// [`needs`] of PEM, or of DER.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
fn needs_of(data: &[u8]) -> Option<&'static str> {
    if cfg!(not(mbedtls_des_c)) && has(data, b"\nDEK-Info: DES-") {
        return Some("needs DES, which this Mbed TLS is built without");
    }
    mbedtls::look_into_pem(data, needs).unwrap_or_else(|| needs(data))
}

/// Why [`load`] may have found the key or the certificate invalid, in words; empty: nobody knows.
/// The arguments are as there; `in_cert`: the key was looked for in the certificate.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
#[must_use]
pub fn explain(invalid: Invalid, cert: &[u8], key: &[u8], in_cert: bool) -> &'static str {
    const KEY: &[u8] = b"PRIVATE KEY-----";
    let is_cert = |data: &[u8]| has(data, b"CERTIFICATE-----") || Chain::new().append(data).is_ok();
    match invalid {
        Invalid::Key if has(key, KEY) || !is_cert(key) => needs_of(key).unwrap_or(""),
        Invalid::Key if in_cert => "no private key in certfile, and no keyfile",
        Invalid::Key => "keyfile is a certificate: are the two swapped?",
        Invalid::Cert if has(cert, KEY) && !is_cert(cert) => "certfile has a private key, and no certificate",
        Invalid::Cert => needs_of(cert).unwrap_or(""),
        _ => "",
    }
}
