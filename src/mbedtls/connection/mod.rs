// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection: the only rooms that touch Mbed TLS's private fields.
//!
//! One enters by [`Connection`]. Below it, from the top:
//!
//! | room | what lives there |
//! |---|---|
//! | `hibernation` | what a quiet connection comes to, and back (`never_asleep.rs` where none does) |
//! | `saved` | what that is saved in, to outlive a reset |
//! | `hello` | what is otherwise in a hello, or made of one |
//! | `hints` | what mistake may be behind a failure |
//! | `ssl` | a connection that is awake |
//! | `psk` | pre-shared keys in its handshake |
//! | `resumption` | a client's sessions |
//! | `resumed` | what becomes of one in a handshake |
//! | `tickets` | a server's |
//! | `peer_messages` | what is forbidden in a peer's, and Mbed TLS passes over |
//! | `client_auth` | a client's certificate, as the server asks for it |
//! | `tls13` | what TLS 1.3 needs beside Mbed TLS's |
//! | `retransmission` | the timer of datagrams |
//! | `unreadable` | certificates of its that Mbed TLS does not read |
//! | `verification` | the peer's certificates, and the host's name |
//! | `call` | one call: the host, and Mbed TLS's way back to it |
//! | `alerts` | the alert for what a peer did wrong |
//! | `records` | the buffers |
//! | `flight` | what a stream's handshake needs: what is written and not sent |
//! | `problems` | what is wrong with certificates |
//! | `signing` | signatures by a key that is an object of the host's |
//! | `setup` | a connection without buffers |
//! | `messages` | how long a handshake's messages get |
//! | `layout` | what differs between Mbed TLS's versions |
//! | `exported_keys` | keys, where the ciphers do not tell them |
//! | `key_log` | the secrets of handshakes, for who looks into their records |

mod alerts;
mod call;
#[cfg(any(tls13, one_cipher))]
mod cipher;
#[cfg(mbedtls_ssl_cli_c)]
mod client_auth;
#[cfg(exported_keys)]
mod exported_keys;
mod flight;
mod hello;
#[cfg(hibernation)]
mod hibernation;
#[cfg(not(hibernation))]
#[path = "never_asleep.rs"]
mod hibernation;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
mod hints;
#[cfg(tls13)]
mod in_place;
#[cfg(bundles)]
mod issuers;
#[cfg(feature = "keylog")]
mod key_log;
mod layout;
mod messages;
#[cfg(one_cipher)]
mod one_cipher;
mod peer_messages;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
mod problems;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
mod psk;
mod records;
#[cfg(resumption)]
mod resumed;
#[cfg(sessions)]
mod resumption;
mod retransmission;
#[cfg(hibernation)]
mod saved;
#[cfg(plain_setup)]
mod setup;
mod signing;
mod spent;
mod ssl;
#[cfg(hibernation)]
mod suite;
#[cfg(tickets)]
mod tickets;
#[cfg(tls13)]
mod tls13;
#[cfg(tls13)]
mod tls13_messages;
#[cfg(tls13)]
mod tls13_records;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
mod unreadable;
mod verification;

use core::ffi::CStr;

pub use call::Outcome;
use hibernation::Asleep;
#[cfg(bundles)]
pub use issuers::ISSUERS;
#[cfg(sessions)]
pub use resumption::{Kept, Peer};
pub use ssl::{Interrupted, Ssl};

use super::config::Config;
#[cfg(mbedtls_ssl_srv_c)]
use super::config::Hello;
use super::default_ciphers::is_tls13_suite;
use super::names;
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
use super::psk::LookUp;
#[cfg(sessions)]
use super::session_cache::SessionCache;
#[cfg(debug_assertions)]
use super::sys;
use crate::error::{Error, Result};
use crate::io::Host;
#[cfg(hibernation)]
use crate::mem::Shared;
use crate::mem::{Box, copy};
use crate::micropython_sys::MPSSL_EINVAL;

/// Whether any connection may hibernate in this build.
pub const HIBERNATION: bool = cfg!(hibernation);

/// What a server does with a ClientHello before it chooses a cipher suite.
#[cfg(mbedtls_ssl_srv_c)]
pub const HELLO: Hello = Hello(hello::meet);

/// How a server's connections find the key of an identity.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
pub const PSK_LOOK_UP: LookUp = LookUp(psk::look_up);

/// A connection, awake or asleep. What it is asked about itself it answers alike.
pub enum Connection {
    /// With all that Mbed TLS has of it.
    Awake(Box<Ssl>),
    /// With what it takes to make that again.
    Asleep(Asleep),
}

impl Connection {
    /// What was noted of an interrupted write.
    #[must_use]
    pub fn interrupted(&self) -> Interrupted {
        match self {
            Self::Awake(ssl) => ssl.interrupted,
            Self::Asleep(_) => Interrupted::default(),
        }
    }

    /// Notes it; not where it is asleep, when nothing is.
    pub fn note_interrupted(&mut self, interrupted: Interrupted) {
        if let Self::Awake(ssl) = self {
            ssl.interrupted = interrupted;
        }
    }

    /// Wakes it if it is asleep.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; it is still asleep then.
    pub fn wake(&mut self) -> Result<&mut Ssl> {
        if let Self::Asleep(asleep) = self {
            // What is replaced is wiped.
            *self = Self::Awake(asleep.wake()?);
        }
        match self {
            Self::Awake(ssl) => Ok(ssl),
            Self::Asleep(_) => Err(Error::NoMemory),
        }
    }

    /// Puts it to sleep if it is quiet, and one that can; whether it sleeps now.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; it is still awake then.
    pub fn hibernate(&mut self) -> Result<bool> {
        if let Self::Awake(ssl) = self {
            let Some(asleep) = Asleep::of(ssl)? else { return Ok(false) };
            *self = Self::Asleep(asleep);
        }
        Ok(true)
    }

    /// How many bytes [`Self::save`] writes of one that sleeps; 0 of one that is awake.
    #[cfg(hibernation)]
    #[must_use]
    pub fn saved_len(&self) -> usize {
        match self {
            Self::Awake(_) => 0,
            Self::Asleep(asleep) => asleep.saved_len(),
        }
    }

    /// Writes all of one that sleeps, its keys included.
    #[cfg(hibernation)]
    pub fn save(&self, to: &mut [u8]) {
        if let Self::Asleep(asleep) = self {
            asleep.save(to);
        }
    }

    /// The connection that was saved, asleep, with these settings. `ahead`: how many numbers the records of
    /// datagrams leave out.
    ///
    /// # Errors
    ///
    /// `ValueError` for what is no connection of these settings', and where too few numbers are left;
    /// [`Error::NoMemory`].
    #[cfg(hibernation)]
    pub fn restore(config: Shared<Config>, saved: &[u8], ahead: u64) -> Result<Self> {
        Asleep::load(config, saved, ahead).map(Self::Asleep)
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        match self {
            Self::Awake(ssl) => &ssl.config,
            Self::Asleep(asleep) => asleep.config(),
        }
    }

    /// After how many milliseconds one that is awake is to hibernate by itself, if at all.
    #[must_use]
    pub fn hibernate_after(&self) -> Option<u32> {
        match self {
            Self::Awake(ssl) => ssl.config.hibernate_after(),
            Self::Asleep(_) => None,
        }
    }

    /// Whether it sleeps.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        matches!(self, Self::Asleep(_))
    }

    /// Mbed TLS's state of it, for a test to look at; NULL while it sleeps.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn as_ptr(&self) -> *const sys::mbedtls_ssl_context {
        match self {
            Self::Awake(ssl) => ssl.ctx.get(),
            Self::Asleep(_) => core::ptr::null(),
        }
    }

    fn call(&mut self, call: impl FnOnce(&mut Ssl) -> Outcome) -> Outcome {
        match self.wake() {
            Ok(ssl) => call(ssl),
            Err(_) => Outcome::NO_MEMORY,
        }
    }

    /// As [`Ssl::handshake`].
    pub fn handshake(&mut self, host: &mut dyn Host) -> Outcome {
        self.call(|ssl| ssl.handshake(host))
    }

    /// As [`Ssl::read`].
    pub fn read(&mut self, host: &mut dyn Host, buf: &mut [u8], closed: bool) -> Outcome {
        self.call(|ssl| ssl.read(host, buf, closed))
    }

    /// As [`Ssl::answer_key_update`].
    pub fn answer_key_update(&mut self, host: &mut dyn Host) -> Option<Outcome> {
        match self {
            Self::Awake(ssl) => ssl.answer_key_update(host),
            Self::Asleep(_) => None,
        }
    }

    /// As [`Ssl::write`].
    pub fn write(&mut self, host: &mut dyn Host, buf: &[u8]) -> Outcome {
        self.call(|ssl| ssl.write(host, buf))
    }

    /// As [`Ssl::close_notify`].
    pub fn close_notify(&mut self, host: &mut dyn Host) -> Outcome {
        self.call(|ssl| ssl.close_notify(host))
    }

    /// As [`Ssl::fatal_alert`].
    pub fn fatal_alert(&mut self, host: &mut dyn Host, description: u32) -> Outcome {
        self.call(|ssl| ssl.fatal_alert(host, description))
    }

    /// Begins anew with a client that has (RFC 6347 4.2.8), if there is memory for it. Whether it
    /// did: otherwise the connection goes on.
    pub fn begin_anew(&mut self) -> bool {
        let new = match self {
            Self::Awake(ssl) => ssl.anew(),
            Self::Asleep(_) => return false,
        };
        match new {
            Ok(new) => *self = Self::Awake(new),
            Err(_) => return false,
        }
        true
    }

    /// What has not begun, to be set up further; `None`: it sleeps.
    #[cfg(sessions)]
    pub fn awake(&mut self) -> Option<&mut Ssl> {
        match self {
            Self::Awake(ssl) => Some(ssl),
            Self::Asleep(_) => None,
        }
    }

    /// As [`Ssl::set_accepted`], of one that has not begun.
    pub fn set_accepted(&mut self) {
        if let Self::Awake(ssl) = self {
            ssl.set_accepted();
        }
    }

    /// As [`Ssl::knows_client`].
    #[must_use]
    pub fn knows_client(&self) -> bool {
        matches!(self, Self::Awake(ssl) if ssl.knows_client())
    }

    /// As [`Ssl::is_same_client`].
    #[must_use]
    pub fn is_same_client(&self) -> bool {
        match self {
            Self::Awake(ssl) => ssl.is_same_client(),
            Self::Asleep(_) => true,
        }
    }

    /// As [`Ssl::release_handshake`].
    pub fn release_handshake(&mut self) {
        if let Self::Awake(ssl) = self {
            ssl.release_handshake();
        }
    }

    /// As [`Ssl::is_datagram`].
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        match self {
            Self::Awake(ssl) => ssl.is_datagram(),
            Self::Asleep(asleep) => asleep.is_datagram(),
        }
    }

    /// As [`Ssl::release_failed`].
    pub fn release_failed(&mut self) {
        if let Self::Awake(ssl) = self {
            ssl.release_failed();
        }
    }

    /// As [`Ssl::is_handshake_over`].
    #[must_use]
    pub fn is_handshake_over(&self) -> bool {
        match self {
            Self::Awake(ssl) => ssl.is_handshake_over(),
            Self::Asleep(_) => true,
        }
    }

    /// As [`Ssl::is_record_in_flight`].
    #[must_use]
    pub fn is_record_in_flight(&self) -> bool {
        match self {
            Self::Awake(ssl) => ssl.is_record_in_flight(),
            Self::Asleep(_) => false,
        }
    }

    /// As [`Ssl::record_in_flight`].
    #[must_use]
    pub fn record_in_flight(&self) -> Option<u64> {
        match self {
            Self::Awake(ssl) => ssl.record_in_flight(),
            Self::Asleep(_) => None,
        }
    }

    /// As [`Ssl::lose_record`].
    pub fn lose_record(&mut self) {
        if let Self::Awake(ssl) = self {
            ssl.lose_record();
        }
    }

    /// As [`Ssl::verify_result`].
    #[must_use]
    pub fn verify_result(&self) -> u32 {
        match self {
            Self::Awake(ssl) => ssl.verify_result(),
            Self::Asleep(asleep) => asleep.verify_result(),
        }
    }

    /// As [`Ssl::problems`].
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub fn problems(&self, flags: u32, text: &mut [u8]) -> usize {
        match self {
            Self::Awake(ssl) => ssl.problems(flags, text),
            Self::Asleep(_) => 0,
        }
    }

    /// As [`Ssl::hint`].
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    pub fn hint(&self, error: Error, alert: u8, text: &mut [u8]) -> usize {
        match self {
            Self::Awake(ssl) => ssl.hint(error, alert, text),
            Self::Asleep(_) => 0,
        }
    }

    /// As [`Ssl::peer_verified`].
    #[must_use]
    pub fn peer_verified(&self) -> bool {
        match self {
            Self::Awake(ssl) => ssl.peer_verified(),
            Self::Asleep(asleep) => asleep.config().is_verified(asleep.verify_result()),
        }
    }

    /// As [`Ssl::bytes_available`].
    #[must_use]
    pub fn bytes_available(&self) -> usize {
        match self {
            Self::Awake(ssl) => ssl.bytes_available(),
            Self::Asleep(_) => 0,
        }
    }

    /// As [`Ssl::has_pending`].
    #[must_use]
    pub fn has_pending(&self) -> bool {
        match self {
            Self::Awake(ssl) => ssl.has_pending(),
            Self::Asleep(_) => false,
        }
    }

    /// As [`Ssl::cipher`].
    #[must_use]
    pub fn cipher(&self) -> Option<&'static CStr> {
        match self {
            Self::Awake(ssl) => ssl.cipher(),
            Self::Asleep(asleep) => names::cipher_name(asleep.suite()),
        }
    }

    /// As [`Ssl::shared_cipher`]; a connection that has slept does not know.
    #[must_use]
    pub fn shared_cipher(&self, i: usize) -> Option<names::Cipher> {
        match self {
            Self::Awake(ssl) => ssl.shared_cipher(i),
            Self::Asleep(_) => None,
        }
    }

    /// As [`Ssl::version`].
    #[must_use]
    pub fn version(&self) -> Option<&'static CStr> {
        match self {
            Self::Awake(ssl) => ssl.version(),
            Self::Asleep(asleep) if asleep.is_datagram() => Some(c"DTLSv1.2"),
            Self::Asleep(asleep) if is_tls13_suite(asleep.suite()) => Some(c"TLSv1.3"),
            Self::Asleep(_) => Some(c"TLSv1.2"),
        }
    }

    /// As [`Ssl::selected_alpn_protocol`].
    #[cfg(mbedtls_ssl_alpn)]
    #[must_use]
    pub fn selected_alpn_protocol(&self) -> Option<&CStr> {
        match self {
            Self::Awake(ssl) => ssl.selected_alpn_protocol(),
            Self::Asleep(asleep) => asleep.selected_alpn_protocol(),
        }
    }

    /// Whether an earlier session goes on; known when the handshake is over.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        #[cfg(resumption)]
        match self {
            Self::Awake(ssl) => ssl.resumed,
            Self::Asleep(asleep) => asleep.is_resumed(),
        }
        #[cfg(not(resumption))]
        false
    }

    /// As [`Ssl::kept`].
    #[cfg(sessions)]
    #[must_use]
    pub fn kept(&self) -> Option<Kept<'_>> {
        match self {
            Self::Awake(ssl) => ssl.kept(),
            Self::Asleep(asleep) => asleep.kept(),
        }
    }

    /// As [`Ssl::has_new_session`]; asleep it gets none.
    #[cfg(sessions)]
    pub fn has_new_session(&mut self) -> bool {
        match self {
            Self::Awake(ssl) => ssl.has_new_session(),
            Self::Asleep(_) => false,
        }
    }

    /// As [`Ssl::session_cache`].
    #[cfg(sessions)]
    #[must_use]
    pub fn session_cache(&self) -> Option<&SessionCache> {
        match self {
            Self::Awake(ssl) => ssl.session_cache(),
            Self::Asleep(_) => None,
        }
    }

    /// As [`Ssl::own_cid`].
    #[must_use]
    pub fn own_cid(&self) -> &[u8] {
        match self {
            Self::Awake(ssl) => ssl.own_cid(),
            Self::Asleep(asleep) => asleep.cids().0,
        }
    }

    /// As [`Ssl::set_cid`].
    ///
    /// # Errors
    ///
    /// `OSError(EINVAL)` where there are no Connection IDs, or its own is in use.
    pub fn set_cid(&mut self, cid: &[u8]) -> Result<()> {
        match self {
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            Self::Awake(ssl) => ssl.set_cid(cid),
            _ => {
                let _ = cid;
                Err(Error::Errno(MPSSL_EINVAL.cast_signed()))
            }
        }
    }

    /// As [`Ssl::bad_records`].
    #[must_use]
    pub fn bad_records(&self) -> u32 {
        match self {
            Self::Awake(ssl) => ssl.bad_records(),
            Self::Asleep(asleep) => asleep.bad_records(),
        }
    }

    /// As [`Ssl::newest_record`].
    #[must_use]
    pub fn newest_record(&self) -> u64 {
        match self {
            Self::Awake(ssl) => ssl.newest_record(),
            Self::Asleep(asleep) => asleep.newest_record(),
        }
    }

    /// As [`Ssl::retransmission_in`].
    #[must_use]
    pub fn retransmission_in(&self, now: u32) -> Option<u32> {
        match self {
            Self::Awake(ssl) => ssl.retransmission_in(now),
            Self::Asleep(_) => None,
        }
    }

    /// As [`Ssl::asks_again_in`].
    #[must_use]
    pub fn asks_again_in(&self, now: u32) -> Option<u32> {
        match self {
            Self::Awake(ssl) => ssl.asks_again_in(now),
            Self::Asleep(_) => None,
        }
    }

    /// As [`Ssl::psk_identity`].
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    #[must_use]
    pub fn psk_identity(&self) -> Option<&[u8]> {
        match self {
            Self::Awake(ssl) => ssl.psk_identity(),
            Self::Asleep(asleep) => asleep.psk_shown().filter(|_| asleep.config().is_server()),
        }
    }

    /// As [`Ssl::psk_identity_hint`].
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    #[must_use]
    pub fn psk_identity_hint(&self) -> Option<&[u8]> {
        match self {
            Self::Awake(ssl) => ssl.psk_identity_hint(),
            Self::Asleep(asleep) => asleep.psk_shown().filter(|_| !asleep.config().is_server()),
        }
    }

    /// As [`Ssl::peer_cid`].
    #[must_use]
    pub fn peer_cid(&self, cid: &mut [u8; names::CID_MAX]) -> Option<usize> {
        match self {
            Self::Awake(ssl) => ssl.peer_cid(cid),
            Self::Asleep(asleep) => {
                let (_, peer) = asleep.cids();
                copy(cid, peer);
                asleep.has_cids().then_some(peer.len())
            }
        }
    }

    /// As [`Ssl::peer_cert`].
    #[must_use]
    pub fn peer_cert(&self) -> Option<&[u8]> {
        match self {
            Self::Awake(ssl) => ssl.peer_cert(),
            #[cfg(mbedtls_ssl_keep_peer_certificate)]
            Self::Asleep(asleep) => asleep.peer_cert(),
            #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
            Self::Asleep(_) => None,
        }
    }

    /// As [`Ssl::max_out_payload`], of one that is awake.
    #[must_use]
    pub fn max_out_payload(&self) -> usize {
        match self {
            Self::Awake(ssl) => ssl.max_out_payload(),
            Self::Asleep(_) => 0,
        }
    }
}
