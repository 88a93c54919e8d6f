// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration of connections. Mbed TLS keeps pointers from it to its
//! parts and from each connection to it: it owns the former, never moves, and
//! does not change once shared.

use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::ptr::NonNull;

#[cfg(mbedtls_ssl_alpn)]
use super::alpn::Protocols;
#[cfg(mbedtls_ssl_dtls_hello_verify)]
use super::cookie::{self, Cookies};
#[cfg(mbedtls_x509_crl_parse_c)]
use super::crl::{CrlCheck, Crls};
use super::crt::Chain;
use super::default_ciphers::{Defaults, default_ciphers};
use super::error::check;
use super::key_cert::KeyCert;
use super::list::List;
#[cfg(mbedtls_ssl_max_fragment_length)]
use super::names;
#[cfg(bundles)]
use super::pins::Pins;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use super::psk::{LookUp, Psk};
use super::rng::Rng;
#[cfg(sessions)]
use super::session_cache::SessionCache;
use super::signer::{Signer, random};
use super::stats::Stats;
#[cfg(bundles)]
use super::store::{Callers, Store};
use super::sys;
#[cfg(tickets)]
use super::tickets::Tickets;
use crate::error::Result;
use crate::io;
use crate::mem::{Box, Shared};
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use crate::micropython_sys::mpglue_free;

/// Which side of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Sends the ClientHello.
    Client,
    /// Answers it.
    Server,
}

/// What carries the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS over a byte stream.
    Stream,
    /// DTLS over datagrams.
    Datagram,
}

/// A version of TLS, by its number on the wire.
#[cfg(tls13)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u32)]
pub enum Version {
    /// RFC 5246.
    Tls12 = 0x303,
    /// RFC 8446.
    Tls13 = 0x304,
}

/// Key exchange groups in order of preference, by their IANA numbers: secp256r1
/// first, for which Mbed TLS has its fastest arithmetic, then x25519, secp384r1,
/// secp521r1 and the Brainpool curves.
const GROUPS: [u16; 7] = [23, 29, 24, 25, 26, 27, 28];

/// What a server does with a ClientHello, which [`crate::mbedtls::HELLO`] is.
#[cfg(mbedtls_ssl_srv_c)]
#[derive(Clone, Copy)]
pub struct Hello(pub(super) unsafe extern "C" fn(*mut sys::mbedtls_ssl_context) -> c_int);

/// Who finds a certificate's issuers, which [`crate::mbedtls::ISSUERS`] is.
#[cfg(bundles)]
#[derive(Clone, Copy)]
pub struct Issuers(
    pub(super)  unsafe extern "C" fn(
        *mut core::ffi::c_void,
        *const sys::mbedtls_x509_crt,
        *mut *mut sys::mbedtls_x509_crt,
    ) -> c_int,
);

/// An `mbedtls_ssl_config` and all it points to.
pub struct Config {
    conf: UnsafeCell<sys::mbedtls_ssl_config>,
    /// Those of [`GROUPS`] that are compiled in, and a 0 behind them.
    groups: [u16; GROUPS.len() + 1],
    chosen_groups: Option<Shared<List<u16>>>,
    keeps_peer_cert: bool,
    checks_hostname: bool,
    checks_signature: bool,
    rng: Shared<Rng>,
    stats: Shared<Stats>,
    own: [Option<Shared<KeyCert>>; 2],
    /// Only where the host signs; the configuration is one connection's then.
    signer: Option<Box<Signer>>,
    anchors: Option<Shared<Chain>>,
    #[cfg(bundles)]
    store: Option<Shared<Store>>,
    /// The keys that the peer may have.
    #[cfg(bundles)]
    pins: Option<Shared<Pins>>,
    /// Which certificates are looked for in which revocation lists.
    #[cfg(mbedtls_x509_crl_parse_c)]
    crls: (CrlCheck, Option<Shared<Crls>>),
    /// Who may ask for issuers now.
    #[cfg(bundles)]
    callers: Callers,
    ciphers: Option<Shared<List<c_int>>>,
    #[cfg(mbedtls_ssl_alpn)]
    protocols: Option<Shared<Protocols>>,
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    psk: Psk,
    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    cookies: Option<Shared<Cookies>>,
    hibernate_after: Option<u32>,
    #[cfg(hibernation)]
    changes: u32,
    #[cfg(tickets)]
    tickets: Option<Shared<Tickets>>,
    #[cfg(sessions)]
    session_cache: Option<Shared<SessionCache>>,
}

impl Config {
    /// An empty configuration, to be completed where it will stay.
    #[must_use]
    pub fn new(rng: Shared<Rng>, stats: Shared<Stats>) -> Self {
        Self {
            // SAFETY: zeroed is what mbedtls_ssl_config_init makes of it.
            conf: unsafe { UnsafeCell::new(core::mem::zeroed()) },
            groups: [0; GROUPS.len() + 1],
            chosen_groups: None,
            keeps_peer_cert: true,
            checks_hostname: true,
            checks_signature: true,
            rng,
            stats,
            own: [None, None],
            signer: None,
            anchors: None,
            #[cfg(bundles)]
            store: None,
            #[cfg(bundles)]
            pins: None,
            #[cfg(mbedtls_x509_crl_parse_c)]
            crls: (CrlCheck::None, None),
            #[cfg(bundles)]
            callers: Callers::default(),
            ciphers: None,
            #[cfg(mbedtls_ssl_alpn)]
            protocols: None,
            #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
            psk: Psk::default(),
            #[cfg(mbedtls_ssl_dtls_hello_verify)]
            cookies: None,
            hibernate_after: None,
            #[cfg(hibernation)]
            changes: 0,
            #[cfg(tickets)]
            tickets: None,
            #[cfg(sessions)]
            session_cache: None,
        }
    }

    /// Mbed TLS's defaults for this kind of connection.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn set_defaults(&mut self, endpoint: Endpoint, transport: Transport) -> Result<()> {
        let endpoint = match endpoint {
            Endpoint::Client => sys::MBEDTLS_SSL_IS_CLIENT,
            Endpoint::Server => sys::MBEDTLS_SSL_IS_SERVER,
        };
        let transport = match transport {
            Transport::Stream => sys::MBEDTLS_SSL_TRANSPORT_STREAM,
            Transport::Datagram => sys::MBEDTLS_SSL_TRANSPORT_DATAGRAM,
        };
        let conf = self.conf.get();
        // SAFETY: the object is where it stays, its groups with it; the generator
        // lives as long as the configuration, which keeps it. None raises.
        unsafe {
            sys::mbedtls_ssl_config_init(conf);
            check(sys::mbedtls_ssl_config_defaults(
                conf,
                endpoint as c_int,
                transport as c_int,
                sys::MBEDTLS_SSL_PRESET_DEFAULT as c_int,
            ))?;
            sys::mbedtls_ssl_conf_rng(conf, self.rng.function(), self.rng.state());
            // Mbed TLS may have another one, which is not to be had without what TLS 1.3 needs here.
            (*conf).min_tls_version = sys::MBEDTLS_SSL_VERSION_TLS1_2;
            (*conf).max_tls_version = sys::MBEDTLS_SSL_VERSION_TLS1_2;
            for (to, group) in self.groups.iter_mut().zip(
                GROUPS.into_iter().filter(|&group| !sys::mbedtls_ecp_curve_info_from_tls_id(group).is_null()),
            ) {
                *to = group;
            }
            sys::mbedtls_ssl_conf_groups(conf, self.groups.as_ptr());
            // A ticket costs memory: `set_sessions` asks for some.
            #[cfg(all(mbedtls_ssl_session_tickets, mbedtls_ssl_cli_c))]
            sys::mbedtls_ssl_conf_session_tickets(conf, sys::MBEDTLS_SSL_SESSION_TICKETS_DISABLED as c_int);
        }
        Ok(())
    }

    /// The lowest and the highest version of TLS; without it, TLS 1.2 alone. `certificates`: TLS 1.3 may
    /// do without a pre-shared key.
    #[cfg(tls13)]
    pub fn set_versions(&mut self, (lowest, highest): (Version, Version), certificates: bool) {
        let conf = self.conf.get();
        // SAFETY: sets fields, as the inline mbedtls_ssl_conf_min_tls_version and max_tls_version do.
        unsafe {
            (*conf).min_tls_version = lowest as sys::mbedtls_ssl_protocol_version;
            (*conf).max_tls_version = highest as sys::mbedtls_ssl_protocol_version;
            // Those with forward secrecy.
            let modes = if certificates {
                sys::MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL
                    | sys::MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL
            } else {
                sys::MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL
            };
            sys::mbedtls_ssl_conf_tls13_key_exchange_modes(conf, modes as c_int);
        }
    }

    /// What a server does with a ClientHello before it chooses a cipher suite.
    #[cfg(mbedtls_ssl_srv_c)]
    pub fn set_hello(&mut self, hello: Hello) {
        // SAFETY: sets a field, as the inline mbedtls_ssl_conf_cert_cb does.
        unsafe { (*self.conf.get()).f_cert_cb = Some(hello.0) };
    }

    /// Whether the peer must show a certificate: 0 none, 1 optional, 2 required.
    pub fn set_verify_mode(&mut self, mode: i32) {
        // SAFETY: sets a field; does not raise.
        unsafe { sys::mbedtls_ssl_conf_authmode(self.conf.get(), mode) };
    }

    /// The most bytes of data a record may have (RFC 6066 4); what is no such length is
    /// not asked for.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Tls`] for a length that Mbed TLS does not know.
    pub fn set_max_fragment_length(&mut self, len: u16) -> Result<()> {
        #[cfg(mbedtls_ssl_max_fragment_length)]
        if let Some(code) = names::fragment_code(len) {
            // SAFETY: sets a field; does not raise.
            check(unsafe { sys::mbedtls_ssl_conf_max_frag_len(self.conf.get(), code) })?;
        }
        #[cfg(not(mbedtls_ssl_max_fragment_length))]
        let _ = len;
        Ok(())
    }

    /// Whether the peer's certificate is kept when the handshake is over.
    pub fn set_keep_peer_cert(&mut self, keep: bool) {
        self.keeps_peer_cert = keep;
    }

    /// Whether the peer's certificate is kept once the handshake is over.
    #[must_use]
    pub fn keeps_peer_cert(&self) -> bool {
        self.keeps_peer_cert
    }

    /// Whether a certificate for another name than the host's is refused.
    pub fn set_check_hostname(&mut self, check: bool) {
        self.checks_hostname = check;
    }

    /// Whether what an object in the place of a key has signed is verified before it is sent.
    pub fn set_check_own_signature(&mut self, check: bool) {
        self.checks_signature = check;
    }

    pub(super) fn checks_signature(&self) -> bool {
        self.checks_signature
    }

    pub(super) fn checks_hostname(&self) -> bool {
        self.checks_hostname
    }

    /// Whether the peer's certificate is looked at.
    #[must_use]
    pub fn verifies(&self) -> bool {
        // SAFETY: reads a field; does not raise.
        unsafe { c_int::from((*self.conf.get()).authmode) != sys::MBEDTLS_SSL_VERIFY_NONE as c_int }
    }

    /// Whether a peer's certificate with this result of verification was verified, and nothing was wrong
    /// with it.
    pub(super) fn is_verified(&self, result: u32) -> bool {
        // Where nobody looked, Mbed TLS found nothing wrong with a server's; a client is asked for one to
        // be looked at.
        (self.verifies() || self.is_server()) && result == 0
    }

    /// The certificate chain and key to show to the peer, or one more, with a key of another kind.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn set_own_cert(&mut self, own: &Shared<KeyCert>) -> Result<()> {
        // SAFETY: chain and key live as long as the configuration, which keeps
        // them; does not raise.
        check(unsafe {
            sys::mbedtls_ssl_conf_own_cert(self.conf.get(), own.chain.as_ptr(), own.key.as_ptr())
        })?;
        self.keep(own);
        Ok(())
    }

    fn keep(&mut self, own: &Shared<KeyCert>) {
        let [first, second] = &mut self.own;
        *(if first.is_none() { first } else { second }) = Some(own.clone());
    }

    /// What was set.
    #[cfg(server_names)]
    pub(super) fn own(&self) -> impl Iterator<Item = &KeyCert> {
        self.own.iter().flatten().map(|own| &**own)
    }

    /// As [`Self::set_own_cert`], with signatures made by the host. This
    /// configuration is then fit for one connection only.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn set_signed_cert(&mut self, own: &Shared<KeyCert>) -> Result<()> {
        if own.is_object() {
            return self.set_own_cert(own);
        }
        let Some(signer) = Signer::new(&own.key, &self.rng)? else {
            return self.set_own_cert(own);
        };
        let conf = self.conf.get();
        // SAFETY: chain and key live as long as the configuration, which keeps the
        // credentials and the signer; does not raise.
        unsafe {
            check(sys::mbedtls_ssl_conf_own_cert(conf, own.chain.as_ptr(), signer.key()))?;
            sys::mbedtls_ssl_conf_rng(conf, Some(random), signer.state());
        }
        self.keep(own);
        self.signer = Some(signer);
        Ok(())
    }

    /// Brings the host, by way of a call, in reach of the signer; `None`: out of it.
    pub(super) fn set_host(&self, host: Option<NonNull<dyn io::Signer>>) {
        if let Some(signer) = &self.signer {
            signer.set_host(host);
        }
    }

    /// The trust anchors that the peer's certificate must lead to.
    pub fn set_anchors(&mut self, anchors: &Shared<Chain>) {
        // SAFETY: the chain lives as long as the configuration, which keeps it;
        // does not raise.
        unsafe {
            sys::mbedtls_ssl_conf_ca_chain(self.conf.get(), anchors.as_ptr(), core::ptr::null_mut());
        }
        self.anchors = Some(anchors.clone());
    }

    /// The bundles where the trust anchors are, instead.
    #[cfg(bundles)]
    pub fn set_store(&mut self, store: &Shared<Store>, issuers: Issuers) {
        self.ask_for(issuers);
        self.store = Some(store.clone());
    }

    /// The keys that the peer may have. Where there are no trust anchors, such a key is enough, and `issuers`
    /// is asked.
    #[cfg(bundles)]
    pub fn set_pins(&mut self, pins: &Shared<Pins>, issuers: Issuers) {
        if self.anchors.is_none() {
            self.ask_for(issuers);
        }
        self.pins = Some(pins.clone());
    }

    /// The revocation lists in which the peer's certificates are looked for.
    #[cfg(mbedtls_x509_crl_parse_c)]
    pub fn set_crls(&mut self, check: CrlCheck, crls: Option<&Shared<Crls>>) {
        self.crls = (check, crls.cloned());
    }

    /// What is wrong with a certificate by its issuer's revocation lists; `None`: nobody knows who that is.
    #[cfg(mbedtls_x509_crl_parse_c)]
    pub(super) fn look_up(
        &self,
        cert: &sys::mbedtls_x509_crt,
        issuer: Option<&sys::mbedtls_x509_crt>,
        depth: c_int,
    ) -> u32 {
        match &self.crls {
            (CrlCheck::None, _) => 0,
            (CrlCheck::Leaf, _) if depth != 0 => 0,
            (_, Some(crls)) => match issuer {
                // SAFETY: the profile is static.
                Some(issuer) => crls.look_up(cert, issuer, unsafe { &*(*self.conf.get()).cert_profile }),
                None => super::crl::MISSING,
            },
            (_, None) => super::crl::MISSING,
        }
    }

    #[cfg(bundles)]
    fn ask_for(&mut self, issuers: Issuers) {
        // SAFETY: sets fields; the configuration, which has the callers, is where it stays; does not
        // raise.
        unsafe {
            sys::mbedtls_ssl_conf_ca_cb(
                self.conf.get(),
                Some(issuers.0),
                (&raw const self.callers).cast_mut().cast(),
            );
        }
    }

    #[cfg(bundles)]
    pub(super) fn store(&self) -> Option<&Store> {
        self.store.as_deref()
    }

    #[cfg(bundles)]
    pub(super) fn pins(&self) -> Option<&Pins> {
        self.pins.as_deref()
    }

    /// Who may ask for issuers; `None`: nobody does.
    #[cfg(bundles)]
    pub(super) fn callers(&self) -> Option<&Callers> {
        // SAFETY: reads a field.
        unsafe { (*self.conf.get()).f_ca_cb.is_some() }.then_some(&self.callers)
    }

    /// The cipher suites that are offered or accepted until somebody chooses.
    pub fn set_default_ciphers(&mut self, defaults: Defaults) {
        // SAFETY: the list is static, and a 0 behind it; does not raise.
        unsafe { sys::mbedtls_ssl_conf_ciphersuites(self.conf.get(), default_ciphers(defaults).as_ptr()) };
    }

    /// The cipher suites to offer or accept, in order.
    pub fn set_ciphers(&mut self, ciphers: &Shared<List<c_int>>) {
        // SAFETY: the list ends with 0 and lives as long as the configuration,
        // which keeps it; does not raise.
        unsafe { sys::mbedtls_ssl_conf_ciphersuites(self.conf.get(), ciphers.as_ptr()) };
        self.ciphers = Some(ciphers.clone());
    }

    /// The application protocols to offer, or to choose of, in order.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Tls`]: `mbedtls_ssl_conf_alpn_protocols`.
    #[cfg(mbedtls_ssl_alpn)]
    pub fn set_protocols(&mut self, protocols: &Shared<Protocols>) -> Result<()> {
        // SAFETY: the list lives as long as the configuration, which keeps it, and is not written to;
        // does not raise.
        check(unsafe {
            sys::mbedtls_ssl_conf_alpn_protocols(self.conf.get(), protocols.as_ptr().cast_mut())
        })?;
        self.protocols = Some(protocols.clone());
        Ok(())
    }

    /// The key exchange groups to offer or accept, in order.
    pub fn set_groups(&mut self, groups: &Shared<List<u16>>) {
        // SAFETY: the list ends with 0 and lives as long as the configuration,
        // which keeps it; does not raise.
        unsafe { sys::mbedtls_ssl_conf_groups(self.conf.get(), groups.as_ptr()) };
        self.chosen_groups = Some(groups.clone());
    }

    /// Pre-shared keys. Where a client's host chooses, this configuration is fit for one
    /// connection only. `look_up`: a server's way to find them.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub fn set_psk(&mut self, endpoint: Endpoint, psk: &Psk, look_up: LookUp) -> Result<()> {
        self.psk = psk.clone();
        #[cfg(not(mbedtls_ssl_srv_c))]
        let _ = look_up;
        match (endpoint, &psk.pair) {
            (Endpoint::Server, _) => {
                #[cfg(mbedtls_ssl_srv_c)]
                // SAFETY: sets fields; does not raise.
                unsafe {
                    sys::mbedtls_ssl_conf_psk_cb(self.conf.get(), Some(look_up.0), core::ptr::null_mut());
                }
                Ok(())
            }
            (Endpoint::Client, _) if psk.asks => {
                // Offered are only suites for which there is a key. This one, nobody has.
                let mut key = [0; 32];
                self.rng.fill(&mut key)?;
                check(self.replace_psk(b"?", &key))
            }
            (Endpoint::Client, Some(pair)) => check(self.replace_psk(pair.identity(), pair.key())),
            (Endpoint::Client, None) => Ok(()),
        }
    }

    /// Frees the Diffie-Hellman group that each server's configuration has from its beginning: it is for
    /// exchanges with a pre-shared key, of which there is none.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub fn set_no_psk(&mut self) {
        #[cfg(all(mbedtls_dhm_c, not(mbedtls_key_exchange_dhe_rsa_enabled)))]
        // SAFETY: the configuration's own numbers, zeros at a client; freed ones are zeros. Does not raise.
        unsafe {
            let conf = self.conf.get();
            sys::mbedtls_mpi_free(&raw mut (*conf).dhm_P);
            sys::mbedtls_mpi_free(&raw mut (*conf).dhm_G);
        }
    }

    /// Replaces a client's identity and key. Where that happens after the configuration
    /// was shared, it is one connection's.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) fn replace_psk(&self, identity: &[u8], key: &[u8]) -> c_int {
        let conf = self.conf.get();
        // SAFETY: what Mbed TLS copied before is given back as its own free does it, and
        // not used again; it copies the new. None raises.
        unsafe {
            if !(*conf).psk.is_null() {
                sys::mbedtls_platform_zeroize((*conf).psk.cast(), (*conf).psk_len);
            }
            mpglue_free((*conf).psk.cast());
            mpglue_free((*conf).psk_identity.cast());
            ((*conf).psk, (*conf).psk_len) = (core::ptr::null_mut(), 0);
            ((*conf).psk_identity, (*conf).psk_identity_len) = (core::ptr::null_mut(), 0);
            sys::mbedtls_ssl_conf_psk(conf, key.as_ptr(), key.len(), identity.as_ptr(), identity.len())
        }
    }

    /// What [`Self::set_psk`] set.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) fn psk(&self) -> &Psk {
        &self.psk
    }

    /// A server's tickets, and of TLS 1.3 how many a client gets.
    #[cfg(tickets)]
    pub fn set_tickets(&mut self, tickets: &Shared<Tickets>, n: u8) {
        // What writes them has to know the connection: see connection/tickets.rs.
        #[cfg(tls13)]
        // SAFETY: sets a field; does not raise.
        unsafe {
            sys::mbedtls_ssl_conf_new_session_tickets(self.conf.get(), n.into());
        }
        #[cfg(not(tls13))]
        let _ = n;
        self.tickets = Some(tickets.clone());
    }

    #[cfg(tickets)]
    pub(super) fn tickets(&self) -> Option<&Tickets> {
        self.tickets.as_deref()
    }

    /// Where a client's sessions are kept, if anywhere.
    #[cfg(sessions)]
    #[must_use]
    pub fn session_cache(&self) -> Option<&SessionCache> {
        self.session_cache.as_deref()
    }

    /// A client asks for tickets, and looks at those that come.
    #[cfg(sessions)]
    pub fn set_sessions(&mut self, cache: Option<&Shared<SessionCache>>) {
        self.session_cache = cache.cloned();
        let conf = self.conf.get();
        // SAFETY: sets fields; none raises.
        unsafe {
            sys::mbedtls_ssl_conf_session_tickets(conf, sys::MBEDTLS_SSL_SESSION_TICKETS_ENABLED as c_int);
            #[cfg(tls13)]
            sys::mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
                conf,
                sys::MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED as c_int,
            );
        }
    }

    /// Whether its connections are servers.
    pub(super) fn is_server(&self) -> bool {
        // SAFETY: reads a field.
        unsafe { u32::from((*self.conf.get()).endpoint) == sys::MBEDTLS_SSL_IS_SERVER }
    }

    /// Where what its connections come to is counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How often the settings had changed that it is made of.
    #[cfg(hibernation)]
    pub fn set_changes(&mut self, changes: u32) {
        self.changes = changes;
    }

    /// Of whose settings it is, which have a generator of their own, and which.
    #[cfg(hibernation)]
    #[must_use]
    pub fn origin(&self) -> (*const Rng, u32) {
        (&raw const *self.rng, self.changes)
    }

    /// Whether its connections' records are datagrams.
    #[cfg(hibernation)]
    pub(super) fn is_datagram(&self) -> bool {
        // SAFETY: reads a field.
        unsafe { u32::from((*self.conf.get()).transport) == sys::MBEDTLS_SSL_TRANSPORT_DATAGRAM }
    }

    /// How long the Connection IDs are that the peer is to use; 0: none.
    #[cfg(hibernation)]
    pub(super) fn cid_len(&self) -> usize {
        #[cfg(mbedtls_ssl_dtls_connection_id)]
        // SAFETY: reads a field.
        return unsafe { (*self.conf.get()).cid_len };
        #[cfg(not(mbedtls_ssl_dtls_connection_id))]
        0
    }

    /// The application protocol of this name, which lives as long as this; `None`: it is none of its.
    #[cfg(all(hibernation, mbedtls_ssl_alpn))]
    pub(super) fn protocol(&self, name: &[u8]) -> Option<*const core::ffi::c_char> {
        self.protocols.as_ref()?.find(name)
    }

    /// The random generator.
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    pub(super) fn rng(&self) -> &Rng {
        &self.rng
    }

    /// What only datagrams have: the first delay of a retransmission and the longest one, in
    /// milliseconds; the length of the Connection ID for the peer to use.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Tls`] for a Connection ID that is too long.
    #[cfg(mbedtls_ssl_proto_dtls)]
    pub fn set_dtls(&mut self, (initial, maximum): (u32, u32), cid: Option<u8>) -> Result<()> {
        #[cfg(not(mbedtls_ssl_dtls_connection_id))]
        let _ = cid;
        let conf = self.conf.get();
        // SAFETY: sets fields; does not raise.
        unsafe {
            sys::mbedtls_ssl_conf_handshake_timeout(conf, initial, maximum);
            // Bad records are dropped and counted, however many.
            sys::mbedtls_ssl_conf_dtls_badmac_limit(conf, core::ffi::c_uint::MAX);
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            if let Some(len) = cid {
                check(sys::mbedtls_ssl_conf_cid(
                    conf,
                    usize::from(len),
                    sys::MBEDTLS_SSL_UNEXPECTED_CID_IGNORE as c_int,
                ))?;
            }
        }
        Ok(())
    }

    /// Hello Verify with these cookies; `None`: a server that asks for none.
    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    pub fn set_cookies(&mut self, cookies: Option<&Shared<Cookies>>) {
        let conf = self.conf.get();
        // SAFETY: the cookies live as long as the configuration, which keeps
        // them; does not raise.
        unsafe {
            match cookies {
                Some(cookies) => sys::mbedtls_ssl_conf_dtls_cookies(
                    conf,
                    Some(cookie::write),
                    Some(cookie::check_cookie),
                    (&raw const **cookies).cast_mut().cast(),
                ),
                // Mbed TLS's default is callbacks that fail.
                None => sys::mbedtls_ssl_conf_dtls_cookies(conf, None, None, core::ptr::null_mut()),
            }
        }
        self.cookies = cookies.cloned();
    }

    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    pub(super) fn cookies(&self) -> Option<&Cookies> {
        self.cookies.as_deref()
    }

    /// After how many idle milliseconds a connection hibernates by itself.
    pub fn set_hibernate_after(&mut self, ms: Option<u32>) {
        self.hibernate_after = ms;
    }

    pub(super) fn hibernate_after(&self) -> Option<u32> {
        self.hibernate_after
    }

    pub(super) fn as_ptr(&self) -> *const sys::mbedtls_ssl_config {
        self.conf.get()
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: the object is initialised or zeroed; its parts are dropped
        // after it; does not raise.
        unsafe { sys::mbedtls_ssl_config_free(self.conf.get()) };
    }
}
