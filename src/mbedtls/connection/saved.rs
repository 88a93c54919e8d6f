// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a connection that hibernates is saved in, for a life of the firmware that is to come.
//!
//! | bytes | what |
//! |---|---|
//! | 2 | the cipher suite |
//! | 1 | [`Kind`] |
//! | 1 | what has become of Connection IDs |
//! | 1, 1 | the negotiated length of fragments, and how many empty records came in a row |
//! | 4, 4 | what is wrong with the peer's certificate, and how many records did not authenticate |
//! | 2, 2, 4 | of datagrams: how long they may be on the path, how long they are, and whose cookies a client's are |
//! | 1, … | the application protocol behind its length |
//! | 1, … | a pre-shared key's identity or hint likewise |
//! | 2, … | the peer's certificate likewise |
//! | … | [`Asleep`]'s state |
//!
//! The bytes are believed, for nobody but their owner can have written them, or all is lost; but whatever
//! they are, what is made of them is a connection that Mbed TLS can work with.

use core::ffi::c_char;

use super::super::config::Config;
#[cfg(mbedtls_ssl_dtls_hello_verify)]
use super::super::cookie::Cookies;
use super::super::cookie::Mark;
use super::super::names::CID_MAX;
use super::super::sys;
use super::hibernation::{Asleep, Cids, Head, Kind, WINDOW};
use super::layout::COUNTER;
use super::suite::Suite;
#[cfg(all(tls13, not(exported_keys)))]
use super::tls13::Secrets;
use crate::error::{Error, Invalid, Result};
use crate::mem::{Array, Shared, copy};
use crate::wire::{Fields, Room};

/// What is in front of the application protocol, at least; of datagrams, and the three lengths behind.
const FIXED: usize = 14;
const DATAGRAMS: usize = 2 + 2 + size_of::<Mark>();
const LENGTHS: usize = 1 + 1 + 2;
/// What is kept of a client's hello.
const HELLO: usize = 8;
/// The epoch of the data: nothing is renegotiated.
const EPOCH: u64 = 1;
/// How many record numbers an epoch has (RFC 6347 4.1), and how many of them are left alone at its end,
/// for a connection that is restored there.
const NUMBERS: u64 = 1 << 48;
const NUMBERS_LEFT: u64 = 1 << 32;

/// That of a connection, or of nothing.
fn invalid() -> Error {
    Error::Value(Invalid::State)
}

impl Cids {
    fn number(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Offered => 1,
            Self::InUse => 2,
        }
    }

    fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Off,
            1 => Self::Offered,
            2 => Self::InUse,
            _ => return None,
        })
    }
}

/// What [`Asleep`] has beside its head's numbers and its state.
struct Parts<'a> {
    alpn: &'a [u8],
    psk: &'a [u8],
    cert: &'a [u8],
}

impl Asleep {
    fn parts(&self) -> Parts<'_> {
        #[cfg(mbedtls_ssl_alpn)]
        let alpn = self.selected_alpn_protocol().map_or(&[][..], core::ffi::CStr::to_bytes);
        #[cfg(not(mbedtls_ssl_alpn))]
        let alpn = &[][..];
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        let psk = self.psk_shown().unwrap_or_default();
        #[cfg(not(mbedtls_ssl_handshake_with_psk_enabled))]
        let psk = &[][..];
        #[cfg(mbedtls_ssl_keep_peer_certificate)]
        let cert = self.peer_cert().unwrap_or_default();
        #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
        let cert = &[][..];
        // Neither is ever so long.
        Parts {
            alpn: alpn.get(..u8::MAX.into()).unwrap_or(alpn),
            psk: psk.get(..u8::MAX.into()).unwrap_or(psk),
            cert: if cert.len() > u16::MAX.into() { &[] } else { cert },
        }
    }

    /// How many bytes [`Self::save`] writes.
    pub(super) fn saved_len(&self) -> usize {
        let Parts { alpn, psk, cert } = self.parts();
        let datagrams = if self.is_datagram() { DATAGRAMS } else { 0 };
        [datagrams, LENGTHS, alpn.len(), psk.len(), cert.len(), self.state().len()]
            .iter()
            .fold(FIXED, |all, len| all.saturating_add(*len))
    }

    /// Writes all that [`Self::load`] needs. The bytes have the connection's keys.
    pub(super) fn save(&self, to: &mut [u8]) {
        let (head, Parts { alpn, psk, cert }) = (self.head(), self.parts());
        #[cfg(mbedtls_ssl_max_fragment_length)]
        let fragment_length = head.fragment_length;
        #[cfg(not(mbedtls_ssl_max_fragment_length))]
        let fragment_length = 0;
        let mut room = Room(to);
        room.put(&head.suite.to_be_bytes());
        room.put(&[head.kind.0, head.cids.number(), fragment_length, head.empty_records]);
        room.put(&head.verify_result.to_be_bytes());
        room.put(&head.bad_records.to_be_bytes());
        #[cfg(mbedtls_ssl_proto_dtls)]
        if self.is_datagram() {
            room.put(&head.mtu.to_be_bytes());
            room.put(&head.expected.to_be_bytes());
            room.put(&mark(&head.config));
        }
        for short in [alpn, psk] {
            room.put(&[short.len() as u8]);
            room.put(short);
        }
        room.put(&(cert.len() as u16).to_be_bytes());
        room.put(cert);
        room.put(self.state());
    }

    /// The connection that was saved, with its settings. `ahead`: how many numbers its records leave out
    /// from where it was; of datagrams only.
    ///
    /// # Errors
    ///
    /// `ValueError` for bytes that are no connection of these settings', and where too few numbers are
    /// left; [`Error::NoMemory`].
    pub(super) fn load(config: Shared<Config>, saved: &[u8], ahead: u64) -> Result<Self> {
        let mut asleep = Self::read(config, &mut Fields(saved)).unwrap_or_else(|| Err(invalid()))?;
        if asleep.is_datagram() {
            asleep.skip(ahead)?;
        }
        Ok(asleep)
    }

    /// `None` where there is less than there should be.
    fn read(config: Shared<Config>, fields: &mut Fields<'_>) -> Option<Result<Self>> {
        let number =
            |fields: &mut Fields<'_>| fields.take(4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let id = fields.short()?;
        let suite = Suite::of(id.into())?;
        let [kind, cids, fragment_length, empty_records] = *fields.take(4)?.first_chunk()?;
        let (kind, cids) = (Kind(kind), Cids::of_number(cids)?);
        let (verify_result, bad_records) = (number(fields)?, number(fields)?);
        let datagram = kind.is(Kind::DATAGRAM);
        let (mtu, expected, made_by) = if datagram {
            (fields.short()?, fields.short()?, *fields.take(size_of::<Mark>())?.first_chunk()?)
        } else {
            (0, 0, Mark::default())
        };
        let (alpn, psk, cert) = (fields.vector(1)?, fields.vector(1)?, fields.vector(2)?);
        let state = fields.0;
        let is_sound = datagram == config.is_datagram()
            && kind.is_known()
            && (datagram || cids == Cids::Off)
            && !(datagram && suite.tls13)
            && u32::from(fragment_length) < sys::MBEDTLS_SSL_MAX_FRAG_LEN_INVALID
            && is_state(&config, id, datagram, cids, state)?;
        if !is_sound {
            return None;
        }
        let alpn = chosen_protocol(&config, alpn)?;
        let is_this_life = made_by == mark(&config);
        #[cfg(not(mbedtls_ssl_proto_dtls))]
        let _ = (mtu, expected);
        let made = || -> Result<Self> {
            let mut asleep = Self::new(Head {
                config,
                #[cfg(mbedtls_ssl_keep_peer_certificate)]
                peer_cert: copy_of(cert)?,
                #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
                psk_shown: copy_of(psk)?,
                #[cfg(mbedtls_ssl_alpn)]
                alpn,
                #[cfg(sessions)]
                resumption: None,
                verify_result,
                bad_records,
                suite: id,
                #[cfg(mbedtls_ssl_proto_dtls)]
                mtu,
                #[cfg(mbedtls_ssl_proto_dtls)]
                expected,
                len: u16::try_from(state.len()).map_err(|_| invalid())?,
                #[cfg(mbedtls_ssl_max_fragment_length)]
                fragment_length,
                empty_records,
                kind,
                cids,
            })?;
            copy(asleep.state_mut(), state);
            if datagram && !is_this_life {
                asleep.forget_hello();
            }
            Ok(asleep)
        };
        #[cfg(not(mbedtls_ssl_alpn))]
        let _ = alpn;
        #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
        let _ = cert;
        #[cfg(not(mbedtls_ssl_handshake_with_psk_enabled))]
        let _ = psk;
        Some(made())
    }

    /// Goes on with later numbers.
    fn skip(&mut self, ahead: u64) -> Result<()> {
        let keys = Suite::of(self.suite()).map_or(0, Suite::keys);
        let counter = self.state_mut().get_mut(keys..).and_then(|rest| rest.first_chunk_mut::<COUNTER>());
        let Some(counter) = counter else { return Err(invalid()) };
        let next = u64::from_be_bytes(*counter).checked_add(ahead);
        match next.filter(|next| next.wrapping_rem(NUMBERS) < NUMBERS.wrapping_sub(NUMBERS_LEFT)) {
            Some(next) if next.wrapping_div(NUMBERS) == EPOCH => {
                *counter = next.to_be_bytes();
                Ok(())
            }
            _ => Err(Error::Value(Invalid::StateSpent)),
        }
    }
}

/// A copy; `None` of nothing.
fn copy_of(bytes: &[u8]) -> Result<Option<Array<u8>>> {
    if bytes.is_empty() { Ok(None) } else { Array::copy_of(bytes).map(Some) }
}

/// Whose cookies a server's clients have.
fn mark(config: &Config) -> Mark {
    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    return config.cookies().map_or(Mark::default(), Cookies::mark);
    #[cfg(not(mbedtls_ssl_dtls_hello_verify))]
    {
        let _ = config;
        Mark::default()
    }
}

/// The name of an application protocol, of the configuration's; NULL: none was chosen.
fn chosen_protocol(config: &Config, name: &[u8]) -> Option<*const c_char> {
    if name.is_empty() {
        return Some(core::ptr::null());
    }
    #[cfg(mbedtls_ssl_alpn)]
    return config.protocol(name);
    #[cfg(not(mbedtls_ssl_alpn))]
    {
        let _ = config;
        None
    }
}

/// Whether it is a state of such a connection; `None` where it is too short.
fn is_state(config: &Config, id: u16, datagram: bool, cids: Cids, state: &[u8]) -> Option<bool> {
    let (suite, mut fields) = (Suite::of(id.into())?, Fields(state));
    fields.take(suite.keys())?;
    let counter = u64::from_be_bytes(*fields.take(COUNTER)?.first_chunk()?);
    if !datagram {
        fields.take(COUNTER)?;
        #[cfg(all(tls13, not(exported_keys)))]
        if suite.tls13 {
            return Some(fields.0.len() == Secrets::saved_len_of(id.into()));
        }
        return Some(!suite.tls13 && fields.0.is_empty());
    }
    fields.take(WINDOW)?;
    let (own, peer, client, hello) =
        (fields.vector(1)?, fields.vector(1)?, fields.vector(1)?, fields.vector(1)?);
    // The length by which Mbed TLS finds what is behind one is the configuration's.
    let is_known = own.is_empty() || own.len() == config.cid_len();
    Some(
        counter.wrapping_div(NUMBERS) == EPOCH
            && own.len() <= CID_MAX
            && peer.len() <= CID_MAX
            && (cids == Cids::InUse || peer.is_empty())
            && is_known
            && (client.is_empty() || config.is_server())
            && matches!(hello.len(), 0 | HELLO)
            && fields.0.is_empty(),
    )
}
