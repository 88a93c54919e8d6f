// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an exception says of the mistake that may be behind it, beside Mbed TLS's name for what came
//! of that. A connection that has failed still has the peer's last message.

use core::ffi::c_int;

use super::super::crt::Chain;
use super::super::sys;
use super::layout::{is_client, is_tls13, message_header, message_len};
use super::messages::{client_curves, each, of_certificate, own};
use super::ssl::Ssl;
use crate::error::Error;
use crate::mem::copy;

const NO_CERTIFICATE: &[u8] = b"no certificate: load_cert_chain() is missing";

/// Text for a buffer, as much of it as there is room for.
struct Text<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl Text<'_> {
    fn add(&mut self, text: &[u8]) {
        let rest = self.buf.get_mut(self.len..).unwrap_or_default();
        copy(rest, text);
        self.len = self.len.saturating_add(text.len()).min(self.buf.len());
    }

    /// A name that somebody else has chosen.
    fn add_name(&mut self, name: &[u8]) {
        for &byte in name {
            self.add(if byte.is_ascii_graphic() { core::slice::from_ref(&byte) } else { b"?" });
        }
    }
}

/// A number of two bytes at `at`.
fn number(data: &[u8], at: usize) -> Option<usize> {
    let &[high, low] = data.get(at..)?.first_chunk()?;
    Some(usize::from(u16::from_be_bytes([high, low])))
}

/// The cipher suites of a ClientHello, of which the version is the first field.
fn offered(hello: &[u8], has_cookie: bool) -> Option<&[u8]> {
    let mut at = 34_usize;
    for _ in 0..=usize::from(has_cookie) {
        at = at.checked_add(usize::from(*hello.get(at)?))?.checked_add(1)?;
    }
    let suites = at.checked_add(2)?;
    hello.get(suites..suites.checked_add(number(hello, at)?)?)
}

/// Whether a key exchange is done on an elliptic curve.
fn on_curve(kind: sys::mbedtls_key_exchange_type_t) -> bool {
    matches!(
        kind,
        sys::MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA
            | sys::MBEDTLS_KEY_EXCHANGE_ECDHE_RSA
            | sys::MBEDTLS_KEY_EXCHANGE_ECDHE_PSK
    )
}

/// Whether the usages in a certificate with an EC key are a server's.
fn is_servers(cert: &sys::mbedtls_x509_crt) -> bool {
    const SERVER_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x01";
    // SAFETY: a parsed certificate, and an OID of this length; neither raises.
    unsafe {
        sys::mbedtls_x509_crt_check_key_usage(cert, sys::MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0
            && sys::mbedtls_x509_crt_check_extended_key_usage(
                cert,
                SERVER_AUTH.as_ptr().cast(),
                SERVER_AUTH.len(),
            ) == 0
    }
}

impl Ssl {
    /// Writes what the mistake may be behind `error` to `text`; how long that is. `alert`: the one
    /// that the connection has ended with.
    pub fn hint(&self, error: Error, alert: u8, text: &mut [u8]) -> usize {
        let mut text = Text { buf: text, len: 0 };
        match error {
            Error::Verify(flags) if flags & sys::MBEDTLS_X509_BADCERT_CN_MISMATCH != 0 => {
                let _ = self.hint_names(&mut text);
            }
            #[cfg(bundles)]
            Error::Verify(flags)
                if flags & sys::MBEDTLS_X509_BADCERT_OTHER != 0 && self.config.pins().is_some() =>
            {
                text.add(b"the key is none of pinned_pubkeys");
            }
            #[cfg(mbedtls_x509_crl_parse_c)]
            Error::Verify(flags) if flags & super::super::crl::MISSING != 0 => {
                text.add(b"load_verify_locations() takes CRLs");
            }
            Error::Verify(flags) if flags & sys::MBEDTLS_X509_BADCERT_FUTURE != 0 => {
                text.add(b"is the clock set?");
            }
            Error::Tls(code) if !self.is_handshake_over() => text.add(self.mistake(code, alert)),
            _ => {}
        }
        text.len
    }

    fn mistake(&self, code: c_int, alert: u8) -> &'static [u8] {
        match code {
            sys::MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED => b"load_verify_locations() is missing",
            sys::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION => b"no protocol version in common",
            sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE => self.mismatch().unwrap_or_default(),
            sys::MBEDTLS_ERR_SSL_INVALID_RECORD | sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE
                if self.is_first() =>
            {
                b"does the peer speak TLS?"
            }
            sys::MBEDTLS_ERR_SSL_INVALID_MAC | sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
                if self.has_psk() && matches!(alert, 20 | 40 | 51 | 115) =>
            {
                b"another pre-shared key or identity at the peer, or none?"
            }
            _ => b"",
        }
    }

    fn has_psk(&self) -> bool {
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        return self.config.psk().is_on();
        #[cfg(not(mbedtls_ssl_handshake_with_psk_enabled))]
        false
    }

    /// Whether it is the peer's first message that has come, if any.
    fn is_first(&self) -> bool {
        // SAFETY: reads the connection that this owns.
        let state = unsafe { (*self.ctx.get()).state };
        state <= sys::MBEDTLS_SSL_SERVER_HELLO as c_int
    }

    /// The handshake's message that has come last, behind its header.
    fn message(&self) -> Option<&[u8]> {
        // SAFETY: what Mbed TLS has read is where it says, and stays until more is read.
        unsafe {
            let ctx = &*self.ctx.get();
            let header = message_header(ctx);
            let room = self.message_room()?;
            let message = crate::mem::slice(ctx.in_msg, message_len(ctx).min(room));
            message.get(header..)
        }
    }

    /// What client and server do not have in common, at a server.
    fn mismatch(&self) -> Option<&'static [u8]> {
        // SAFETY: the connection that this owns, its configuration and its handshake, which has
        // not ended, with lists that end with 0.
        unsafe {
            let ctx = &*self.ctx.get();
            let (conf, handshake) = (&*ctx.conf, ctx.handshake.as_ref()?);
            if is_tls13(ctx) && !is_client(ctx) && !self.has_psk() && own(ctx).next().is_none() {
                return Some(NO_CERTIFICATE);
            }
            if is_client(ctx) || ctx.state != sys::MBEDTLS_SSL_CLIENT_HELLO as c_int {
                return None;
            }
            let offered = offered(self.message()?, self.is_datagram())?;
            let common = || {
                each(conf.ciphersuite_list)
                    .filter(|&id| offered.chunks(2).any(|suite| number(suite, 0) == usize::try_from(id).ok()))
                    .filter_map(|id| sys::mbedtls_ssl_ciphersuite_from_id(id).as_ref())
                    .map(|suite| sys::mbedtls_key_exchange_type_t::from(suite.key_exchange))
                    .filter(|&kind| self.has_psk() || of_certificate(kind))
            };
            if common().next().is_none() {
                return Some(b"no cipher suite in common");
            }
            let curves = client_curves(handshake);
            let without_curve = || curves.is_null() || *curves == 0;
            if self.has_psk() && without_curve() && common().all(on_curve) {
                return Some(b"no curve in common");
            }
            let Some(own) = own(ctx).next() else {
                return Some(NO_CERTIFICATE);
            };
            let is_rsa = sys::mbedtls_pk_can_do(&raw const (*own.cert).pk, sys::MBEDTLS_PK_RSA) != 0;
            let fits =
                |kind| of_certificate(kind) && is_rsa == (kind != sys::MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA);
            let kind = if is_rsa { sys::MBEDTLS_SSL_SIG_RSA } else { sys::MBEDTLS_SSL_SIG_ECDSA };
            let signs = handshake
                .received_sig_algs
                .iter()
                .any(|&algorithm| u32::from(algorithm & 0xff) == kind && algorithm != 0);
            let text: &[u8] = match () {
                () if !common().any(fits) => b"no cipher suite in common for this certificate's kind of key",
                () if without_curve() && common().filter(|&kind| fits(kind)).all(on_curve) => {
                    b"no curve in common"
                }
                () if !signs => b"no signature algorithm in common",
                () if is_rsa || !is_servers(&*own.cert) => b"the certificate is not for a server (keyUsage)",
                () => b"no curve in common: the certificate's",
            };
            Some(text)
        }
    }

    /// Whom the server's certificate is for, where that is somebody else.
    fn hint_names(&self, text: &mut Text<'_>) -> Option<()> {
        let mut message = self.message()?;
        // SAFETY: the connection that this owns.
        if unsafe { is_tls13(self.ctx.get()) } {
            // Behind what the request is called (RFC 8446 4.4.2).
            let (&context, behind) = message.split_first()?;
            message = behind.get(context.into()..)?;
        }
        let len = number(message, 4)?;
        let mut chain = Chain::new();
        chain.append_der(message.get(6..len.checked_add(6)?)?).ok()?;
        text.add(b"not for ");
        if let Some(host) = self.name_to_find() {
            text.add_name(host.to_bytes());
        }
        text.add(b" but for");
        chain.each_name(|name, address| {
            text.add(b" ");
            match name {
                [_, _, _, _] if address => {
                    for (i, byte) in name.iter().enumerate() {
                        text.add(if i == 0 { b"" } else { b"." });
                        for (unit, digit) in [(100, byte / 100), (10, byte / 10 % 10), (1, byte % 10)] {
                            if unit == 1 || *byte >= unit {
                                text.add(&[b'0'.wrapping_add(digit)]);
                            }
                        }
                    }
                }
                _ if address => text.add(b"an IPv6 address"),
                name => text.add_name(name),
            }
        });
        Some(())
    }
}
