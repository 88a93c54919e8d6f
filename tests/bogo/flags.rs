// SPDX-License-Identifier: MIT OR Apache-2.0
//! The runner's flags, as far as the module can do what they ask for.

use super::common::pki::with_nul;
use super::{Result, failed, mbedtls, unimplemented};

const TLS12: u32 = 0x303;
const TLS13: u32 = 0x304;
const DTLS12: u32 = 0xfefd;
/// Of TLS.
const HIGHEST: u32 = if cfg!(tls13) { TLS13 } else { TLS12 };

/// Groups by their IANA numbers.
const GROUPS: [(u32, &str); 4] = [(23, "secp256r1"), (24, "secp384r1"), (25, "secp521r1"), (29, "x25519")];

/// What needs nothing done: of other versions, of what is off here anyway, and expectations that
/// the runner checks at its own end, and that both ends can only share.
const NOTHING: &[&str] = &[
    "-ipv6",
    "-no-tls11",
    "-no-tls1",
    "-no-ticket",
    "-expect-session-miss",
    "-expect-extended-master-secret",
    "-expect-hrr",
    "-expect-no-hrr",
    "-use-old-client-cert-callback",
    "-use-custom-verify-callback",
    "-decline-alpn",
];
/// The same, with a value behind them.
const NO_VALUE: &[&str] =
    &["-expect-curve-id", "-expect-peer-signature-algorithm", "-expect-advertised-alpn"];

#[derive(Default)]
pub struct Flags {
    pub port: u16,
    pub shim_id: u64,
    pub ipv6: bool,
    pub server: bool,
    pub dtls: bool,
    /// Of TLS: what there is, where nothing is said.
    pub no_tls12: bool,
    pub no_tls13: bool,
    pub min_version: u32,
    pub max_version: u32,
    pub expect_version: Option<u32>,
    pub resume_count: u32,
    /// PEM with its NUL, as the core takes it.
    pub cert: Option<Vec<u8>>,
    pub key: Option<Vec<u8>>,
    pub trust_cert: Option<Vec<u8>>,
    pub verify_peer: bool,
    pub verify_fail: bool,
    pub require_client_cert: bool,
    pub expect_verify_result: bool,
    /// DER.
    pub expect_peer_cert: Option<Vec<u8>>,
    pub expect_no_peer_cert: bool,
    pub host_name: Option<String>,
    pub ciphers: Vec<String>,
    pub expect_cipher: Option<i32>,
    pub groups: Vec<&'static str>,
    /// Application protocols: a client's, or the one that a server takes.
    pub protocols: Vec<String>,
    pub expect_protocol: Option<String>,
    pub psk: Option<String>,
    pub psk_identity: String,
    pub mtu: u16,
    pub initial_timeout_ms: u32,
    pub asynchronous: bool,
    pub implicit_handshake: bool,
    pub handshake_again: bool,
    pub writes_first: bool,
    pub initial_write: String,
    pub repeat_initial_write: u32,
    pub read_with_unfinished_write: bool,
    pub write_different_record_sizes: bool,
    pub read_size: Option<usize>,
    pub shuts_down: bool,
    pub check_close_notify: bool,
}

impl Flags {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut flags = Self {
            initial_write: "hello".into(),
            repeat_initial_write: 1,
            initial_timeout_ms: 400,
            min_version: TLS12,
            max_version: HIGHEST,
            ..Self::default()
        };
        let mut expects_miss = false;
        while let Some(flag) = arguments.next() {
            let name = flag.strip_prefix("-on-shim").or(flag.strip_prefix("-on-initial")).unwrap_or(&flag);
            expects_miss |= name == "-expect-session-miss";
            flags.ipv6 |= name == "-ipv6";
            if NOTHING.contains(&name) || flags.switch(name) {
                continue;
            }
            let value = arguments.next().unwrap_or_default();
            if !NO_VALUE.contains(&name) {
                flags.set(name, &value)?;
            }
        }
        if flags.resume_count != 0 && !expects_miss {
            return unimplemented("sessions to resume");
        }
        if flags.psk.is_some() && flags.psk_identity.is_empty() {
            return unimplemented("an empty identity");
        }
        Ok(flags)
    }

    /// Sets one without a value, if it is.
    fn switch(&mut self, name: &str) -> bool {
        let field = match name {
            "-server" => &mut self.server,
            "-dtls" => &mut self.dtls,
            "-no-tls12" if cfg!(tls13) => &mut self.no_tls12,
            "-no-tls13" => &mut self.no_tls13,
            "-verify-peer" => &mut self.verify_peer,
            "-verify-fail" => &mut self.verify_fail,
            "-require-any-client-certificate" => &mut self.require_client_cert,
            "-expect-verify-result" => &mut self.expect_verify_result,
            "-expect-no-peer-cert" => &mut self.expect_no_peer_cert,
            "-async" => &mut self.asynchronous,
            "-implicit-handshake" => &mut self.implicit_handshake,
            "-no-op-extra-handshake" | "-handshake-twice" => &mut self.handshake_again,
            "-shim-writes-first" => &mut self.writes_first,
            "-read-with-unfinished-write" => &mut self.read_with_unfinished_write,
            "-write-different-record-sizes" => &mut self.write_different_record_sizes,
            "-shim-shuts-down" => &mut self.shuts_down,
            "-check-close-notify" => &mut self.check_close_notify,
            _ => return false,
        };
        *field = true;
        true
    }

    /// Sets one with a value.
    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "-port" => self.port = number(value)?,
            "-shim-id" => self.shim_id = number(value)?,
            "-resume-count" => self.resume_count = number(value)?,
            "-cert-file" => self.cert = Some(pem(value)?),
            "-key-file" => self.key = Some(pem(value)?),
            "-trust-cert" if value.is_empty() => {}
            "-trust-cert" => self.trust_cert = Some(pem(value)?),
            "-expect-peer-cert-file" => self.expect_peer_cert = Some(der(&pem(value)?)),
            "-host-name" => self.host_name = Some(value.into()),
            "-advertise-alpn" => {
                let mut rest = value;
                while let Some(len) = rest.bytes().next() {
                    let (name, behind) = rest[1..].split_at_checked(len.into()).unwrap_or_default();
                    self.protocols.push(name.into());
                    rest = behind;
                }
            }
            "-select-alpn" => self.protocols = vec![value.into()],
            "-expect-alpn" => self.expect_protocol = Some(value.into()),
            "-psk" => self.psk = Some(value.into()),
            "-psk-identity" => self.psk_identity = value.into(),
            "-mtu" => self.mtu = number(value)?,
            "-initial-timeout-duration-ms" => self.initial_timeout_ms = number(value)?,
            "-shim-initial-write" => self.initial_write = value.into(),
            "-repeat-shim-initial-write" => self.repeat_initial_write = number(value)?,
            "-read-size" => self.read_size = Some(number(value)?),
            "-expect-cipher" => self.expect_cipher = Some(number(value)?),
            "-cipher" => {
                self.ciphers = value.split(':').map(|name| name.replace('_', "-")).collect();
                let all = || mbedtls::ciphers().iter().filter_map(|&id| mbedtls::cipher_name(id));
                let known = |name: &String| all().any(|known| known.to_bytes() == name.as_bytes());
                if !self.ciphers.iter().all(known) {
                    return unimplemented(&format!("cipher suites {value}"));
                }
            }
            "-curves" => match GROUPS.iter().find(|(id, _)| number(value).is_ok_and(|n: u32| n == *id)) {
                Some((_, group)) => self.groups.push(group),
                None => return unimplemented(&format!("group {value}")),
            },
            "-expect-version" | "-min-version" | "-max-version" => {
                let version: u32 = number(value)?;
                // DTLS counts down.
                let (lowest, highest, is) = match version {
                    0xfe00.. => (DTLS12, DTLS12, 2 * DTLS12 - version),
                    _ => (TLS12, HIGHEST, version),
                };
                let served = match name {
                    "-min-version" => is <= highest,
                    "-max-version" => is >= lowest,
                    _ => (lowest..=highest).contains(&is),
                };
                if !served {
                    return unimplemented(&format!("{name} {version:x}"));
                }
                match name {
                    _ if lowest == DTLS12 => {}
                    "-min-version" => self.min_version = is.max(lowest),
                    "-max-version" => self.max_version = is.min(highest),
                    _ => self.expect_version = Some(is),
                }
            }
            _ => return unimplemented(name),
        }
        Ok(())
    }

    /// `SSLContext.minimum_version` and `maximum_version`.
    pub fn versions(&self) -> (u32, u32) {
        let min = if self.no_tls12 { TLS13 } else { self.min_version };
        let max = if self.no_tls13 { TLS12 } else { self.max_version };
        (min, max)
    }

    /// `SSLContext.verify_mode`.
    pub fn verify_mode(&self) -> i32 {
        match self.server {
            true if self.require_client_cert => 2,
            true if self.verify_peer => 1,
            true => 0,
            false if self.trust_cert.is_some() => 2,
            false => 0,
        }
    }
}

fn number<N: std::str::FromStr>(value: &str) -> Result<N> {
    value.parse().or_else(|_| failed(format!("not a number: {value}")))
}

fn pem(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map(with_nul).or_else(|error| failed(format!("{path}: {error}")))
}

/// The first certificate in PEM.
fn der(pem: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = String::from_utf8_lossy(pem);
    let lines = text.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
    let base64: String = lines.take_while(|line| !line.starts_with("-----END")).collect();
    let mut der = Vec::new();
    let (mut bits, mut value) = (0, 0u32);
    for digit in base64.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte)) {
        value = value << 6 & 0xffff | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            der.push((value >> bits) as u8);
        }
    }
    der
}
