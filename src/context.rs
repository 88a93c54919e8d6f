// SPDX-License-Identifier: MIT OR Apache-2.0
//! `SSLContext`: the settings of connections.
//!
//! A connection points into its configuration for as long as it lives, so a
//! configuration never changes: changing a setting lets go of it, and the next
//! connection gets a new one from the parts. Connections made before keep theirs.

use core::ffi::{CStr, c_int};

use crate::ciphers::{self, Ciphers};
use crate::error::{Error, Invalid, Result};
use crate::groups::{self, Groups};
#[cfg(bundles)]
use crate::io::Bundles;
#[cfg(mbedtls_ssl_alpn)]
use crate::mbedtls::Protocols;
#[cfg(sessions)]
use crate::mbedtls::SessionCache;
#[cfg(tickets)]
use crate::mbedtls::Tickets;
#[cfg(tls13)]
use crate::mbedtls::Version;
use crate::mbedtls::{self, Chain, Config, Cookies, Defaults, Endpoint, KeyCert, Rng, Stats, Transport};
#[cfg(any(hibernation, sessions))]
use crate::mbedtls::{Binding, Digest};
#[cfg(mbedtls_x509_crl_parse_c)]
use crate::mbedtls::{CrlCheck, Crls};
#[cfg(bundles)]
use crate::mbedtls::{Pins, Store};
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use crate::mem::Array;
use crate::mem::{Box, Shared};
use crate::micropython_sys as sys;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use crate::psk::{self, Psk};
use crate::{credentials, dtls, trust};

/// An `SSLContext`'s settings.
pub struct Context {
    /// Bit 0: server; bit 1: datagram.
    protocol: i32,
    /// 0 none, 1 optional, 2 required.
    verify_mode: i32,
    check_hostname: bool,
    check_own_signature: bool,
    rng: Shared<Rng>,
    stats: Shared<Stats>,
    /// With an EC key, with another one.
    own: [Option<Shared<KeyCert>>; 2],
    anchors: Option<Shared<Chain>>,
    /// Instead of them, once there is a bundle.
    #[cfg(bundles)]
    store: Option<Shared<Store>>,
    #[cfg(bundles)]
    pins: Option<Shared<Pins>>,
    #[cfg(mbedtls_x509_crl_parse_c)]
    crls: (CrlCheck, Option<Shared<Crls>>),
    ciphers: Option<Shared<Ciphers>>,
    default_ciphers: Defaults,
    groups: Option<Shared<Groups>>,
    #[cfg(mbedtls_ssl_alpn)]
    protocols: Option<Shared<Protocols>>,
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    psk: Psk,
    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    cookies: Option<Shared<Cookies>>,
    dtls: dtls::Settings,
    hibernate_after: Option<u32>,
    memory: Memory,
    /// The lowest and the highest.
    #[cfg(tls13)]
    versions: (Version, Version),
    /// TLS 1.3's suites, where they were chosen by themselves.
    #[cfg(tls13)]
    ciphersuites: Option<Shared<Ciphers>>,
    options: u32,
    /// How many of them a server gives a client; 0: none.
    #[cfg(tickets)]
    num_tickets: u8,
    /// Their keys, which are these settings' alone.
    #[cfg(tickets)]
    tickets: Option<Shared<Tickets>>,
    /// By what a session or a state of these settings is known again.
    #[cfg(any(hibernation, sessions))]
    binding: Option<[u8; 32]>,
    /// How often they were changed.
    #[cfg(hibernation)]
    changes: u32,
    /// How many sessions it keeps for connections to come, and where.
    #[cfg(sessions)]
    session_cache: (u8, Option<Shared<SessionCache>>),
    /// What these settings make; `None` since the last change.
    config: Option<Shared<Config>>,
}

/// Of `SSLContext.options`, what is so in any case: there are no older versions, no compression, no
/// renegotiation.
const ALWAYS: u32 = sys::MPSSL_OP_NO_COMPRESSION
    | sys::MPSSL_OP_NO_RENEGOTIATION
    | sys::MPSSL_OP_NO_SSLV3
    | sys::MPSSL_OP_NO_TLSV1
    | sys::MPSSL_OP_NO_TLSV1_1;

/// The most tickets that a server gives a client at once.
#[cfg(tickets)]
pub const TICKETS_MAX: u8 = 4;

/// The most sessions that a client's context keeps.
#[cfg(sessions)]
pub const CACHE_MAX: u8 = 32;

/// What connections may take of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The most bytes of data a record may have (RFC 6066 4): a client asks the server for
    /// it, each side sends no more. 0: as many as there can be.
    pub max_fragment_length: u16,
    /// The peer's certificate is kept when the handshake is over.
    pub keep_peer_cert: bool,
}

impl Memory {
    /// What a context begins with.
    pub const DEFAULT: Self = Self { max_fragment_length: 0, keep_peer_cert: true };
}

fn valid_verify_mode(mode: i32) -> Result<i32> {
    match mode {
        0..=2 => Ok(mode),
        _ => Err(Error::Value(Invalid::VerifyMode)),
    }
}

impl Context {
    /// A context for `protocol` (`PROTOCOL_*`: bit 0 server, bit 1 datagram).
    ///
    /// # Errors
    ///
    /// `ValueError` for a protocol that is unknown or not compiled in, and for an unknown mode; [`Error::NoMemory`];
    /// [`Error::Tls`] if the port's entropy source fails, or the firmware is not linked as
    /// it must be.
    pub fn new(protocol: i32, verify_mode: i32) -> Result<Box<Self>> {
        let server = protocol & 1 == 1;
        let role = (cfg!(mbedtls_ssl_cli_c) || server) && (cfg!(mbedtls_ssl_srv_c) || !server);
        let protocols = if cfg!(mbedtls_ssl_proto_dtls) { 0..4 } else { 0..2 };
        if !role || !protocols.contains(&protocol) {
            return Err(Error::Value(Invalid::Protocol));
        }
        let verify_mode = valid_verify_mode(verify_mode)?;
        #[cfg(all(p256, mbedtls_ecdh_c))]
        mbedtls::crypto::ecp::check_linked()?;
        let rng = Rng::new()?;
        let stats = Stats::new()?;
        #[cfg(mbedtls_ssl_dtls_hello_verify)]
        let cookies = if protocol == 3 { Some(Cookies::new(&rng)?) } else { None };
        Box::new(|| Self {
            protocol,
            verify_mode,
            check_hostname: protocol & 1 == 0,
            check_own_signature: true,
            rng,
            stats,
            own: [None, None],
            anchors: None,
            #[cfg(bundles)]
            store: None,
            #[cfg(bundles)]
            pins: None,
            #[cfg(mbedtls_x509_crl_parse_c)]
            crls: (CrlCheck::None, None),
            ciphers: None,
            default_ciphers: Defaults::Secure,
            groups: None,
            #[cfg(mbedtls_ssl_alpn)]
            protocols: None,
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            psk: Psk::default(),
            #[cfg(mbedtls_ssl_dtls_hello_verify)]
            cookies,
            dtls: dtls::Settings::DEFAULT,
            hibernate_after: None,
            memory: Memory::DEFAULT,
            #[cfg(tls13)]
            versions: (Version::Tls12, Version::Tls13),
            #[cfg(tls13)]
            ciphersuites: None,
            options: sys::MPSSL_OP_NO_TICKET,
            #[cfg(tickets)]
            num_tickets: 0,
            #[cfg(tickets)]
            tickets: None,
            #[cfg(any(hibernation, sessions))]
            binding: None,
            #[cfg(hibernation)]
            changes: 0,
            #[cfg(sessions)]
            session_cache: (0, None),
            config: None,
        })
    }

    /// Stores a setting. What was made with an equal one stays: a server's tickets are good still.
    fn store<T: PartialEq>(&mut self, place: fn(&mut Self) -> &mut T, value: T) {
        if *place(self) != value {
            *place(self) = value;
            self.changed();
        }
    }

    /// Lets go of what was made with other settings.
    fn changed(&mut self) {
        self.config = None;
        #[cfg(tickets)]
        {
            self.tickets = None;
        }
        #[cfg(any(hibernation, sessions))]
        {
            self.binding = None;
        }
        #[cfg(hibernation)]
        {
            self.changes = self.changes.wrapping_add(1);
        }
    }

    /// Of whose settings a configuration is, and which: alike as long as they are the same.
    #[cfg(hibernation)]
    #[must_use]
    pub fn origin(&self) -> (*const Rng, u32) {
        (&raw const *self.rng, self.changes)
    }

    /// Random bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`] from the generator.
    #[cfg(hibernation)]
    pub fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        self.rng.fill(bytes)
    }

    /// Whether datagrams carry its connections' records.
    #[cfg(hibernation)]
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        self.transport() == Transport::Datagram
    }

    /// Which side its connections are.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        if self.protocol & 1 == 0 { Endpoint::Client } else { Endpoint::Server }
    }

    /// What carries its connections' records.
    #[must_use]
    pub fn transport(&self) -> Transport {
        if self.protocol & 2 == 0 { Transport::Stream } else { Transport::Datagram }
    }

    /// `SSLContext.verify_mode`.
    #[must_use]
    pub fn verify_mode(&self) -> i32 {
        self.verify_mode
    }

    /// Sets `SSLContext.verify_mode`.
    ///
    /// # Errors
    ///
    /// `ValueError` for anything but 0, 1, 2; for 0 where keys are pinned, which nobody would look at then.
    pub fn set_verify_mode(&mut self, mode: i32) -> Result<()> {
        let mode = valid_verify_mode(mode)?;
        #[cfg(bundles)]
        if mode == 0 && self.pins.is_some() {
            return Err(Error::Value(Invalid::VerifyMode));
        }
        self.store(|this| &mut this.verify_mode, mode);
        Ok(())
    }

    /// `SSLContext.check_hostname`: whether the server's certificate must be for
    /// `server_hostname`, where it is looked at.
    #[must_use]
    pub fn check_hostname(&self) -> bool {
        self.check_hostname && self.verify_mode != 0
    }

    /// Sets `SSLContext.check_hostname`. As CPython: a name in a certificate that nobody
    /// verifies would be anybody's word, so to check it turns `CERT_NONE` into `CERT_REQUIRED`.
    ///
    /// # Errors
    ///
    /// `ValueError` for a server, whose clients have no host names.
    pub fn set_check_hostname(&mut self, check: bool) -> Result<()> {
        if check && self.endpoint() == Endpoint::Server {
            return Err(Error::Value(Invalid::CheckHostname));
        }
        if check && self.verify_mode == 0 {
            self.store(|this| &mut this.verify_mode, 2);
        }
        self.store(|this| &mut this.check_hostname, check);
        Ok(())
    }

    /// What its connections may take of memory.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Replaces that.
    ///
    /// # Errors
    ///
    /// `ValueError` for a length that is none of RFC 6066's, or that Mbed TLS is built
    /// without.
    pub fn set_memory(&mut self, memory: Memory) -> Result<()> {
        if memory.max_fragment_length != 0 && mbedtls::fragment_code(memory.max_fragment_length).is_none() {
            return Err(Error::Value(Invalid::MaxFragmentLength));
        }
        self.store(|this| &mut this.memory, memory);
        Ok(())
    }

    /// The settings that only datagrams have.
    #[must_use]
    pub fn dtls(&self) -> dtls::Settings {
        self.dtls
    }

    /// Replaces them.
    ///
    /// # Errors
    ///
    /// `ValueError` for delays that are 0 or in the wrong order, a Connection ID
    /// longer than Mbed TLS is built for, or an MTU too small for a handshake.
    pub fn set_dtls(&mut self, settings: dtls::Settings) -> Result<()> {
        let (initial, maximum) = settings.timeout;
        if initial == 0 || maximum < initial {
            return Err(Error::Value(Invalid::Timeout));
        }
        if settings.mtu != 0 && settings.mtu < 256 {
            return Err(Error::Value(Invalid::Mtu));
        }
        if settings.cid.is_some_and(|len| usize::from(len) > mbedtls::CID_MAX) {
            return Err(Error::Value(Invalid::ConnectionId));
        }
        self.store(|this| &mut this.dtls, settings);
        Ok(())
    }

    /// After how many idle milliseconds connections hibernate by themselves, if at all.
    #[must_use]
    pub fn hibernate_after(&self) -> Option<u32> {
        self.hibernate_after
    }

    /// Sets that, for connections to be.
    pub fn set_hibernate_after(&mut self, ms: Option<u32>) {
        self.hibernate_after = ms;
        // It says nothing of what a connection is.
        self.config = None;
    }

    /// The cookies of a DTLS server; `None` for any other context.
    #[must_use]
    pub fn cookies(&self) -> Option<&Shared<Cookies>> {
        #[cfg(mbedtls_ssl_dtls_hello_verify)]
        return self.cookies.as_ref();
        #[cfg(not(mbedtls_ssl_dtls_hello_verify))]
        None
    }

    /// A listener for a socket that a DTLS server's clients call.
    ///
    /// # Errors
    ///
    /// `ValueError` for any other context; [`Error::NoMemory`]; [`Error::Tls`] from the generator.
    pub fn listener(&self, limits: dtls::Limits) -> Result<Box<dtls::Listener>> {
        let cookies = self.cookies().ok_or(Error::Value(Invalid::Protocol))?;
        let mut secret = [[0; 8]; 2];
        self.rng.fill(secret.as_flattened_mut())?;
        let [a, b] = secret.map(u64::from_le_bytes);
        let listener = dtls::Listener::new(cookies, (a, b), limits)?;
        Box::new(|| listener)
    }

    /// A random Connection ID of the configured length, and how long that is;
    /// `None` if none is offered.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`] from the generator.
    pub fn connection_id(&self) -> Result<Option<([u8; mbedtls::CID_MAX], usize)>> {
        let Some(len) = self.dtls.cid.map(usize::from) else { return Ok(None) };
        let mut cid = [0; mbedtls::CID_MAX];
        self.rng.fill(cid.get_mut(..len).unwrap_or_default())?;
        Ok(Some((cid, len)))
    }

    /// Adds a certificate chain and its key, or replaces those with this kind of key, of which
    /// there are two: EC, and RSA. See [`credentials::load`].
    ///
    /// # Errors
    ///
    /// As [`credentials::load`]; nothing has changed then.
    pub fn load_cert_chain(
        &mut self,
        cert: Option<&[u8]>,
        key: &[u8],
        password: Option<&[u8]>,
        check_pair: bool,
    ) -> Result<()> {
        let load = || credentials::load(cert, key, password, check_pair, &self.rng);
        let loaded = mbedtls::parsing(mbedtls::PARSING, load)?;
        self.set_own(loaded);
        Ok(())
    }

    /// The same, with a key that is an object of the host's; see [`credentials::load_object`]. At which
    /// index of [`Self::has_object`].
    ///
    /// # Errors
    ///
    /// As [`credentials::load_object`]; nothing has changed then.
    pub fn load_cert_chain_of_object(&mut self, cert: Option<&[u8]>, public: Option<&[u8]>) -> Result<usize> {
        let load = || credentials::load_object(cert, public);
        let loaded = mbedtls::parsing(mbedtls::PARSING, load)?;
        Ok(self.set_own(loaded))
    }

    /// In its place, of which it tells the index.
    fn set_own(&mut self, loaded: Shared<KeyCert>) -> usize {
        let is_ec = loaded.key.is_ec();
        let [ec, other] = &mut self.own;
        *(if is_ec { ec } else { other }) = Some(loaded);
        self.changed();
        usize::from(!is_ec)
    }

    /// Whether the EC key (0), or the other (1), is an object of the host's.
    #[must_use]
    pub fn has_object(&self, which: usize) -> bool {
        self.own.get(which).and_then(Option::as_ref).is_some_and(|own| own.is_object())
    }

    /// Whether it has a server's key that does nothing but sign.
    fn only_signs(&self) -> bool {
        self.endpoint() == Endpoint::Server && self.own.iter().flatten().any(|own| own.is_object())
    }

    /// Whether a suite is to be had: not one with which a server decrypts, if its RSA key only signs.
    fn is_possible(&self, suite: c_int) -> bool {
        !(self.only_signs() && mbedtls::decrypts(suite))
    }

    /// `SSLContext.check_own_signature`: whether what an object in the place of a key has signed is verified
    /// before it is sent.
    #[must_use]
    pub fn check_own_signature(&self) -> bool {
        self.check_own_signature
    }

    /// Sets that.
    pub fn set_check_own_signature(&mut self, check: bool) {
        self.check_own_signature = check;
        self.changed();
    }

    /// Adds trust anchors; see [`trust::add`].
    ///
    /// # Errors
    ///
    /// As [`trust::add`]; nothing is added then.
    pub fn load_verify_locations(&mut self, data: &[u8]) -> Result<()> {
        #[cfg(bundles)]
        if self.store.is_some() {
            return Err(Error::Value(Invalid::Protocol));
        }
        #[cfg(mbedtls_x509_crl_parse_c)]
        let crls = mbedtls::crls(self.crls.1.as_deref(), data)?;
        #[cfg(mbedtls_x509_crl_parse_c)]
        let crls = crls.map(|crls| Shared::new(|| crls, |_| Ok(()))).transpose()?;
        #[cfg(mbedtls_x509_crl_parse_c)]
        let has_crls = crls.is_some();
        #[cfg(not(mbedtls_x509_crl_parse_c))]
        let has_crls = false;
        let load = || trust::add(self.anchors.as_deref(), data, has_crls);
        let anchors = mbedtls::parsing(mbedtls::PARSING, load)?;
        if anchors.count().0 != 0 {
            self.anchors = Some(anchors);
        }
        #[cfg(mbedtls_x509_crl_parse_c)]
        {
            self.crls.1 = crls.or(self.crls.1.take());
        }
        self.changed();
        Ok(())
    }

    /// Adds a bundle of trust anchors to those of a client, which are all in bundles then; see
    /// [`trust::add_bundle`].
    ///
    /// # Errors
    ///
    /// `ValueError` for a server, which sends its clients the anchors' names; as [`trust::add_bundle`].
    /// Nothing is added then.
    #[cfg(bundles)]
    pub fn add_bundle(&mut self, host: &mut dyn Bundles, index: u32) -> Result<()> {
        if self.endpoint() == Endpoint::Server || self.anchors.is_some() {
            return Err(Error::Value(Invalid::Protocol));
        }
        #[cfg(mbedtls_x509_crl_parse_c)]
        let mut crls = None;
        #[cfg(mbedtls_x509_crl_parse_c)]
        let before = self.crls.1.as_deref();
        let take_crl = |_der: &[u8]| {
            #[cfg(mbedtls_x509_crl_parse_c)]
            match Crls::with(crls.as_ref().or(before), _der) {
                Ok(all) => crls = Some(all),
                Err(Error::NoMemory) => return Err(Error::NoMemory),
                Err(_) => return Ok(false),
            }
            Ok(cfg!(mbedtls_x509_crl_parse_c))
        };
        let store = trust::add_bundle(self.store.as_deref(), host, index, take_crl)?;
        #[cfg(mbedtls_x509_crl_parse_c)]
        if let Some(crls) = crls {
            self.crls.1 = Some(Shared::new(|| crls, |_| Ok(()))?);
        }
        self.store = store.or(self.store.take());
        self.changed();
        Ok(())
    }

    /// Sets which keys the server may have, by SHA-256 digests, one after the other; none: any. That
    /// turns `CERT_NONE` into `CERT_REQUIRED`, as to check the name does.
    ///
    /// # Errors
    ///
    /// `ValueError` for a server, and as [`Pins::new`]. Nothing has changed then.
    #[cfg(bundles)]
    pub fn set_pins(&mut self, digests: Option<&[u8]>) -> Result<()> {
        let Some(digests) = digests else {
            self.pins = None;
            self.changed();
            return Ok(());
        };
        if self.endpoint() == Endpoint::Server {
            return Err(Error::Value(Invalid::Pins));
        }
        self.pins = Some(Pins::new(digests)?);
        if self.verify_mode == 0 {
            self.verify_mode = 2;
        }
        self.changed();
        Ok(())
    }

    /// `SSLContext.verify_flags`, of revocation lists.
    #[cfg(mbedtls_x509_crl_parse_c)]
    #[must_use]
    pub fn crl_check(&self) -> CrlCheck {
        self.crls.0
    }

    /// Sets which certificates of a chain are looked for in their issuers' revocation lists.
    #[cfg(mbedtls_x509_crl_parse_c)]
    pub fn set_crl_check(&mut self, check: CrlCheck) {
        if self.crls.0 != check {
            self.crls.0 = check;
            self.changed();
        }
    }

    /// How many revocation lists there are.
    #[must_use]
    pub fn crls(&self) -> usize {
        #[cfg(mbedtls_x509_crl_parse_c)]
        return self.crls.1.as_deref().map_or(0, Crls::count);
        #[cfg(not(mbedtls_x509_crl_parse_c))]
        0
    }

    /// How many trust anchors there are, how many of them are CAs, and how many there would be more, if
    /// Mbed TLS could read them.
    #[must_use]
    pub fn anchors(&self) -> [usize; 3] {
        #[cfg(bundles)]
        if let Some(store) = &self.store {
            let mut counts = [0_usize; 3];
            for bundle in store.bundles() {
                for (count, more) in counts.iter_mut().zip(bundle.counts) {
                    *count = count.saturating_add(more);
                }
            }
            return counts;
        }
        let (all, cas) = self.anchors.as_deref().map_or((0, 0), mbedtls::Chain::count);
        [all, cas, 0]
    }

    /// Makes it a context of `tls`, of which MicroPython's own tests want suites that are off here
    /// otherwise, of streams.
    pub fn begin_as_tls(&mut self) {
        self.default_ciphers = match (self.transport(), self.endpoint()) {
            (Transport::Datagram, _) => Defaults::Secure,
            (Transport::Stream, Endpoint::Client) => Defaults::TlsClient,
            (Transport::Stream, Endpoint::Server) => Defaults::TlsServer,
        };
        self.changed();
    }

    /// Replaces the cipher suites; see [`ciphers::named`].
    ///
    /// # Errors
    ///
    /// As [`ciphers::named`]; the old ones stay then.
    pub fn set_ciphers<'a>(&mut self, n: usize, names: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        self.store(|this| &mut this.ciphers, Some(ciphers::named(n, names)?));
        Ok(())
    }

    /// Replaces the lowest or the highest version of TLS: by its number, or -2 for the lowest that there
    /// is, -1 for the highest.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for one that leaves no version.
    pub fn set_version(&mut self, is_maximum: bool, version: i32) -> Result<()> {
        const TLS_1_2: i32 = 0x303;
        const LOWEST: i32 = -2;
        let highest = if cfg!(tls13) && self.transport() == Transport::Stream { 0x304 } else { TLS_1_2 };
        let version = match version {
            LOWEST => TLS_1_2,
            _ if version < 0 => highest,
            _ => version,
        };
        let leaves = if is_maximum { version >= TLS_1_2 } else { version <= highest };
        if !leaves {
            return Err(Error::Value(Invalid::ProtocolVersion));
        }
        #[cfg(tls13)]
        {
            let version = if version > TLS_1_2 { Version::Tls13 } else { Version::Tls12 };
            self.store(
                if is_maximum { |this| &mut this.versions.1 } else { |this| &mut this.versions.0 },
                version,
            );
        }
        Ok(())
    }

    /// `SSLContext.options`: `MPSSL_OP_NO_TLSV1_2`, `MPSSL_OP_NO_TLSV1_3`, `MPSSL_OP_NO_TICKET` where nothing is
    /// resumed, and what is always so.
    #[must_use]
    pub fn options(&self) -> u32 {
        let none = if self.may_resume() {
            self.options & sys::MPSSL_OP_NO_TICKET
        } else if self.num_tickets() == 0 {
            sys::MPSSL_OP_NO_TICKET
        } else {
            0
        };
        (self.options & !sys::MPSSL_OP_NO_TICKET) | none | ALWAYS
    }

    /// Sets those of them that can be set. A server's tickets are turned off here, and on by
    /// [`Self::set_num_tickets`].
    ///
    /// # Errors
    ///
    /// `ValueError` for one that there is not.
    pub fn set_options(&mut self, options: u32) -> Result<()> {
        const CHOICES: u32 = sys::MPSSL_OP_NO_TLSV1_2 | sys::MPSSL_OP_NO_TLSV1_3 | sys::MPSSL_OP_NO_TICKET;
        if options & !(CHOICES | ALWAYS) != 0 {
            return Err(Error::Value(Invalid::Options));
        }
        let before = (self.options(), self.num_tickets());
        self.options = options & CHOICES;
        #[cfg(tickets)]
        if options & sys::MPSSL_OP_NO_TICKET != 0 {
            self.num_tickets = 0;
        }
        if before != (self.options(), self.num_tickets()) {
            self.changed();
        }
        Ok(())
    }

    /// Whether its connections may be of TLS 1.3. There is no DTLS 1.3 here, and none where a client's
    /// host chooses a pre-shared key by the server's hint, which TLS 1.3 has not; nor where a client with
    /// a certificate asks for short records, for Mbed TLS writes an encrypted message into one.
    #[must_use]
    pub fn has_tls13(&self) -> bool {
        #[cfg(tls13)]
        {
            self.transport() == Transport::Stream
                && self.versions.1 == Version::Tls13
                && self.options & sys::MPSSL_OP_NO_TLSV1_3 == 0
                && self.ciphersuites.as_ref().is_none_or(|ids| ids.iter().any(|id| *id != 0))
                && !self.host_chooses()
                && !(self.endpoint() == Endpoint::Client
                    && self.memory.max_fragment_length != 0
                    && self.own.iter().any(Option::is_some))
        }
        #[cfg(not(tls13))]
        false
    }

    /// Whether they may be of TLS 1.2.
    fn has_tls12(&self) -> bool {
        #[cfg(tls13)]
        if self.versions.0 != Version::Tls12 {
            return false;
        }
        self.options & sys::MPSSL_OP_NO_TLSV1_2 == 0
    }

    /// Replaces the key exchange groups; see [`groups::named`].
    ///
    /// # Errors
    ///
    /// As [`groups::named`]; the old ones stay then.
    pub fn set_groups<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        self.store(|this| &mut this.groups, Some(groups::named(names)?));
        Ok(())
    }

    /// Replaces the application protocols, which `n` names name; see [`Protocols::new`].
    ///
    /// # Errors
    ///
    /// As [`Protocols::new`]; the old ones stay then.
    #[cfg(mbedtls_ssl_alpn)]
    pub fn set_protocols<'a>(
        &mut self,
        n: usize,
        names: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<()> {
        self.store(|this| &mut this.protocols, Protocols::new(n, names)?);
        Ok(())
    }

    /// Replaces TLS 1.3's suites alone; see [`ciphers::of_tls13`].
    ///
    /// # Errors
    ///
    /// As [`ciphers::of_tls13`]; the old ones stay then.
    #[cfg(tls13)]
    pub fn set_ciphersuites<'a>(&mut self, n: usize, names: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        self.store(|this| &mut this.ciphersuites, Some(ciphers::of_tls13(n, names)?));
        Ok(())
    }

    /// The `i`-th of the suites that this is true of, TLS 1.3's as [`Self::set_ciphers`] has them.
    fn suite(&self, i: usize, is_meant: impl Fn(&c_int) -> bool) -> Option<c_int> {
        match self.ciphers.as_deref() {
            Some(ids) => ids.iter().copied().filter(is_meant).nth(i),
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            None if self.psk.is_on() => ciphers::with_psk().filter(is_meant).nth(i),
            None => ciphers::defaults(self.default_ciphers).filter(is_meant).nth(i),
        }
    }

    /// The `i`-th enabled cipher suite.
    fn enabled(&self, i: usize) -> Option<c_int> {
        let is_meant = |id: &c_int| {
            *id != 0 && (self.has_tls13() || !mbedtls::is_tls13_suite(*id)) && self.is_possible(*id)
        };
        #[cfg(tls13)]
        if let Some(ids) = &self.ciphersuites {
            let of_tls13 = || ids.iter().copied().filter(is_meant);
            let others = |id: &c_int| *id != 0 && !mbedtls::is_tls13_suite(*id);
            return of_tls13().nth(i).or_else(|| self.suite(i.checked_sub(of_tls13().count())?, others));
        }
        self.suite(i, is_meant)
    }

    /// Name of the `i`-th enabled cipher suite.
    #[must_use]
    pub fn cipher(&self, i: usize) -> Option<&'static CStr> {
        self.enabled(i).and_then(mbedtls::cipher_name)
    }

    /// Replaces the identity and key to show, or for a server the one that it knows
    /// without asking; `None`: takes them back. See [`psk::pair`].
    ///
    /// # Errors
    ///
    /// As [`psk::pair`]; the old ones stay then.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub fn set_psk(&mut self, pair: Option<(&[u8], &[u8])>) -> Result<()> {
        self.psk.pair = pair.map(|(identity, key)| psk::pair(identity, key)).transpose()?;
        self.changed();
        Ok(())
    }

    /// Whether the host is asked for keys ([`crate::io::PskStore`]), and a server's
    /// identity hint (empty: none).
    ///
    /// # Errors
    ///
    /// `ValueError` for a hint that is too long; [`Error::NoMemory`]. Nothing has
    /// changed then.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub fn ask_for_psk(&mut self, asks: bool, hint: &[u8]) -> Result<()> {
        if hint.len() > psk::IDENTITY_MAX {
            return Err(Error::Value(Invalid::PskHint));
        }
        self.psk.hint = match hint {
            [] => None,
            hint => {
                let hint = Array::copy_of(hint)?;
                Some(Shared::new(|| hint, |_| Ok(()))?)
            }
        };
        self.psk.asks = asks;
        self.changed();
        Ok(())
    }

    /// Whether each connection has an identity of its own.
    fn host_chooses(&self) -> bool {
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        return self.psk.asks && self.endpoint() == Endpoint::Client;
        #[cfg(not(mbedtls_ssl_handshake_with_psk_enabled))]
        false
    }

    /// The configuration whose certificates a server shows for one of its names.
    ///
    /// # Errors
    ///
    /// `ValueError` for a context that is not of TLS servers; [`Error::NoMemory`].
    #[cfg(server_names)]
    pub fn for_name(&mut self) -> Result<Shared<Config>> {
        if self.has_names() { self.config(false, true) } else { Err(Error::Value(Invalid::Protocol)) }
    }

    /// Whether its connections are TLS servers, which may have several names.
    #[cfg(server_names)]
    #[must_use]
    pub fn has_names(&self) -> bool {
        self.endpoint() == Endpoint::Server && self.transport() == Transport::Stream
    }

    /// Whether connections use pre-shared keys.
    #[cfg(resumption)]
    fn has_psk(&self) -> bool {
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        return self.psk.is_on();
        #[cfg(not(mbedtls_ssl_handshake_with_psk_enabled))]
        false
    }

    /// Whether its connections keep their sessions for the next ones: a TLS client's that does not use
    /// pre-shared keys, where somebody asks for it.
    #[must_use]
    pub fn keeps_sessions(&self) -> bool {
        #[cfg(sessions)]
        return self.options & sys::MPSSL_OP_NO_TICKET == 0 && self.may_resume() && !self.has_psk();
        #[cfg(not(sessions))]
        false
    }

    /// Whether its connections are TLS clients of a build whose can resume.
    fn may_resume(&self) -> bool {
        cfg!(sessions) && self.endpoint() == Endpoint::Client && self.transport() == Transport::Stream
    }

    /// `SSLContext.session_cache`: how many sessions a client's context keeps, for connections of which
    /// nobody says with which session they go on.
    #[cfg(sessions)]
    #[must_use]
    pub fn session_cache_size(&self) -> u8 {
        self.session_cache.0
    }

    /// Sets it. What is kept goes, unless it is the same number. With any, tickets are asked for.
    ///
    /// # Errors
    ///
    /// `ValueError` for more than [`CACHE_MAX`], and for a context that is not of TLS clients;
    /// [`Error::NoMemory`].
    #[cfg(sessions)]
    pub fn set_session_cache_size(&mut self, n: u8) -> Result<()> {
        if n > CACHE_MAX || (n != 0 && !self.may_resume()) {
            return Err(Error::Value(Invalid::SessionCache));
        }
        if n != self.session_cache.0 {
            let cache = if n == 0 { None } else { Some(SessionCache::new(n)?) };
            self.session_cache = (n, cache);
            if n != 0 {
                self.options &= !sys::MPSSL_OP_NO_TICKET;
            }
            self.changed();
        }
        Ok(())
    }

    /// The cache.
    #[cfg(sessions)]
    #[must_use]
    pub fn session_cache(&self) -> Option<&Shared<SessionCache>> {
        self.session_cache.1.as_ref()
    }

    /// How many sessions the cache has now.
    #[must_use]
    pub fn cached_sessions(&self) -> usize {
        #[cfg(sessions)]
        return self.session_cache().map_or(0, |cache| cache.len());
        #[cfg(not(sessions))]
        0
    }

    /// What its connections came to.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// `SSLContext.num_tickets`.
    #[must_use]
    pub fn num_tickets(&self) -> u8 {
        #[cfg(tickets)]
        return self.num_tickets;
        #[cfg(not(tickets))]
        0
    }

    /// Sets it: of TLS 1.3 a client gets so many, of TLS 1.2 one.
    ///
    /// # Errors
    ///
    /// `ValueError` for more than [`TICKETS_MAX`], and for a context that is not of TLS servers.
    #[cfg(tickets)]
    pub fn set_num_tickets(&mut self, n: u8) -> Result<()> {
        let gives = self.endpoint() == Endpoint::Server && self.transport() == Transport::Stream;
        if n > TICKETS_MAX || !gives {
            return Err(Error::Value(Invalid::Tickets));
        }
        self.store(|this| &mut this.num_tickets, n);
        Ok(())
    }

    /// The keys of a server's tickets, made at first use. There are none with pre-shared keys: who the client
    /// is would be lost.
    #[cfg(tickets)]
    fn tickets(&mut self) -> Result<Option<Shared<Tickets>>> {
        if self.num_tickets == 0 || self.has_psk() {
            return Ok(None);
        }
        if self.tickets.is_none() {
            self.tickets = Some(Tickets::new(&self.rng)?);
        }
        Ok(self.tickets.clone())
    }

    /// By what a session is known that was got with these settings, from a host of the first name, and with
    /// the second in its certificate, where that is another; `asks`: with a verifier of the host's. All that
    /// says who the peer is, and how that is found out, is in it.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    #[cfg(sessions)]
    pub fn binding(&mut self, names: [Option<&[u8]>; 2], asks: bool) -> Result<Binding> {
        let settings = self.settings()?;
        let mut digest = Digest::new()?;
        digest.add(&settings)?;
        for name in names {
            digest.add(name.unwrap_or_default())?;
            digest.add(&[name.is_some().into()])?;
        }
        digest.add(&[asks.into()])?;
        Ok(digest.finish()?.first_chunk().copied().unwrap_or_default())
    }

    /// By what these settings are known again by a connection's state.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    #[cfg(hibernation)]
    pub fn state_binding(&mut self) -> Result<Binding> {
        self.settings().map(|settings| settings.first_chunk().copied().unwrap_or_default())
    }

    /// The digest of the settings, which is made once.
    #[cfg(any(hibernation, sessions))]
    fn settings(&mut self) -> Result<[u8; 32]> {
        match self.binding {
            Some(settings) => Ok(settings),
            None => {
                let made = self.digest()?;
                Ok(*self.binding.insert(made))
            }
        }
    }

    /// A digest of the settings that a session or a state belongs to.
    #[cfg(any(hibernation, sessions))]
    fn digest(&self) -> Result<[u8; 32]> {
        let mut digest = Digest::new()?;
        digest.add(b"micropython-ssl session 1")?;
        let numbers = [
            self.protocol,
            self.verify_mode,
            self.check_hostname().into(),
            self.has_tls12().into(),
            self.has_tls13().into(),
            self.memory.max_fragment_length.into(),
            self.dtls.cid.map_or(-1, i32::from),
            self.dtls.cid_required.into(),
            // What is not kept cannot be given again.
            self.memory.keep_peer_cert.into(),
        ];
        for number in numbers {
            digest.add(&number.to_be_bytes())?;
        }
        for suite in (0..).map_while(|i| self.enabled(i)) {
            digest.add(&suite.to_be_bytes())?;
        }
        digest.add(b"ALPN")?;
        #[cfg(mbedtls_ssl_alpn)]
        for name in self.protocols.iter().flat_map(|protocols| protocols.names()) {
            digest.add(name)?;
        }
        digest.add(b"anchors")?;
        for der in self.anchors.iter().flat_map(|anchors| anchors.ders()) {
            digest.add(der)?;
        }
        #[cfg(bundles)]
        for bundle in self.store.iter().flat_map(|store| store.bundles()) {
            digest.add(b"bundle")?;
            digest.add(bundle.digest())?;
        }
        #[cfg(bundles)]
        if let Some(pins) = &self.pins {
            digest.add(b"pins")?;
            digest.add(pins.digests())?;
        }
        #[cfg(mbedtls_x509_crl_parse_c)]
        if self.crls.0 != CrlCheck::None {
            digest.add(b"CRLs")?;
            digest.add(&[(self.crls.0 == CrlCheck::Chain).into()])?;
            for der in self.crls.1.iter().flat_map(|crls| crls.ders()) {
                digest.add(der)?;
            }
        }
        for own in self.own.iter().flatten() {
            digest.add(b"own")?;
            for der in own.chain.ders() {
                digest.add(der)?;
            }
        }
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        {
            digest.add(b"PSK")?;
            digest.add(&[self.psk.asks.into()])?;
            if let Some(pair) = &self.psk.pair {
                digest.add(pair.identity())?;
                digest.add(pair.key())?;
            }
        }
        digest.finish()
    }

    /// The configuration that the settings make, for one more connection.
    /// `host_signs`: its signatures are the host's. `hello_verify`: a DTLS server asks
    /// for a cookie.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn config(&mut self, host_signs: bool, hello_verify: bool) -> Result<Shared<Config>> {
        let shared = !host_signs && hello_verify && !self.host_chooses();
        match &self.config {
            Some(config) if shared => return Ok(config.clone()),
            _ => {}
        }
        #[cfg(tickets)]
        let tickets = self.tickets()?;
        let empty = || Config::new(self.rng.clone(), self.stats.clone());
        let config = Shared::new(empty, |config| {
            #[cfg(hibernation)]
            config.set_changes(self.changes);
            config.set_defaults(self.endpoint(), self.transport())?;
            #[cfg(mbedtls_ssl_srv_c)]
            config.set_hello(mbedtls::HELLO);
            #[cfg(tls13)]
            if self.has_tls13() {
                // As of TLS 1.2's suites: a pre-shared key, unless somebody chooses, or a certificate.
                #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
                let certificates = match &self.ciphers {
                    Some(ids) => ids.iter().any(|&id| id != 0 && !ciphers::is_psk(id)),
                    None => !self.psk.is_on(),
                };
                #[cfg(not(mbedtls_ssl_handshake_with_psk_enabled))]
                let certificates = true;
                let lowest = if self.has_tls12() { Version::Tls12 } else { Version::Tls13 };
                config.set_versions((lowest, Version::Tls13), certificates);
            }
            if !self.has_tls12() && !self.has_tls13() {
                return Err(Error::Value(Invalid::ProtocolVersion));
            }
            config.set_verify_mode(self.verify_mode);
            config.set_check_hostname(self.check_hostname);
            config.set_check_own_signature(self.check_own_signature);
            config.set_hibernate_after(self.hibernate_after);
            config.set_max_fragment_length(self.memory.max_fragment_length)?;
            config.set_keep_peer_cert(self.memory.keep_peer_cert);
            for own in self.own.iter().flatten() {
                if host_signs {
                    config.set_signed_cert(own)?;
                } else {
                    config.set_own_cert(own)?;
                }
            }
            if let Some(anchors) = &self.anchors {
                config.set_anchors(anchors);
            }
            #[cfg(bundles)]
            if let Some(store) = &self.store {
                config.set_store(store, mbedtls::ISSUERS);
            }
            #[cfg(bundles)]
            if let Some(pins) = &self.pins {
                config.set_pins(pins, mbedtls::ISSUERS);
            }
            #[cfg(mbedtls_x509_crl_parse_c)]
            config.set_crls(self.crls.0, self.crls.1.as_ref());
            #[cfg(tickets)]
            if let Some(tickets) = &tickets {
                config.set_tickets(tickets, self.num_tickets);
            }
            #[cfg(sessions)]
            if self.keeps_sessions() {
                config.set_sessions(self.session_cache.1.as_ref());
            }
            match &self.ciphers {
                Some(ciphers) => config.set_ciphers(ciphers),
                None => config.set_default_ciphers(self.default_ciphers),
            }
            if let Some(groups) = &self.groups {
                config.set_groups(groups);
            }
            #[cfg(mbedtls_ssl_alpn)]
            if let Some(protocols) = &self.protocols {
                config.set_protocols(protocols)?;
            }
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            if self.psk.is_on() {
                config.set_psk(self.endpoint(), &self.psk, mbedtls::PSK_LOOK_UP)?;
                if self.ciphers.is_none() {
                    config.set_ciphers(&ciphers::list(ciphers::with_psk())?);
                }
            } else {
                config.set_no_psk();
            }
            #[cfg(tls13)]
            let listed = self.ciphersuites.is_some();
            #[cfg(not(tls13))]
            let listed = false;
            if listed || self.only_signs() {
                config.set_ciphers(&ciphers::list((0..).map_while(|i| self.enabled(i)))?);
            }
            #[cfg(mbedtls_ssl_proto_dtls)]
            if self.transport() == Transport::Datagram {
                config.set_dtls(self.dtls.timeout, self.dtls.cid)?;
            }
            #[cfg(mbedtls_ssl_dtls_hello_verify)]
            if let Some(cookies) = &self.cookies {
                config.set_cookies(hello_verify.then_some(cookies));
            }
            Ok(())
        })?;
        if shared {
            self.config = Some(config.clone());
        }
        Ok(config)
    }
}
