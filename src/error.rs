// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every failure, and what Python sees of it.
//!
//! | variant | Python |
//! |---|---|
//! | [`Error::WantRead`], [`Error::WantWrite`] | `None`, or `OSError(EAGAIN)` |
//! | [`Error::WantSignature`] | `SSLWantSignError`, `None`, or `OSError(EAGAIN)` |
//! | [`Error::Outside`] | nothing: C makes the transfer, and the call again |
//! | [`Error::Raised`] | the exception a call-out raised, itself |
//! | [`Error::Errno`] | `OSError(errno)` |
//! | [`Error::Tls`] | `OSError(code, 'MBEDTLS_ERR_…')` |
//! | [`Error::NoMemory`] | `OSError(ENOMEM)`, after a collection and a second try |
//! | [`Error::Value`] | `ValueError(text)` |
//! | [`Error::Verify`] | `ValueError(text)`: what is wrong with the peer's certificate |
//! | [`Error::CertMissing`] | `TypeError` naming the type given |

use core::ffi::c_int;

use crate::micropython_sys::MPSSL_EINVAL;

/// What an operation can fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The transport has nothing to read now.
    WantRead,
    /// The transport takes nothing now.
    WantWrite,
    /// Whoever signs has no signature yet.
    WantSignature,
    /// Python raised in a call-out.
    Raised,
    /// The caller has a transfer to make, and then the same call again.
    Outside,
    /// An errno, positive.
    Errno(i32),
    /// Mbed TLS's code, or the number a verify callback refused with.
    Tls(c_int),
    /// An allocation failed.
    NoMemory,
    /// An argument is not what it should be.
    Value(Invalid),
    /// The peer's certificate was refused for these `MBEDTLS_X509_BADCERT_*` reasons.
    Verify(u32),
    /// The key is good and no certificate was given with it.
    CertMissing,
}

/// The core's result.
pub type Result<T> = core::result::Result<T, Error>;

/// Arguments that raise `ValueError`, numbered as they cross to C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Invalid {
    /// Not a private key, or not with this password.
    Key,
    /// Not a certificate.
    Cert,
    /// The private key does not belong to the certificate.
    KeyMismatch,
    /// `CERT_REQUIRED` on a client without `server_hostname`.
    NoHostname,
    /// `server_hostname` with a NUL in it.
    Hostname,
    /// Not one of `PROTOCOL_*`.
    Protocol,
    /// Not one of `CERT_*`.
    VerifyMode,
    /// `dtls_timeout` without a first delay, or with a shorter longest one.
    Timeout,
    /// `dtls_mtu` too small for a handshake.
    Mtu,
    /// `dtls_cid` longer than Mbed TLS is built for.
    ConnectionId,
    /// A PSK identity that is empty or too long.
    PskIdentity,
    /// A PSK identity hint that is too long.
    PskHint,
    /// A private key that is encrypted, and no password.
    NoPassword,
    /// A name of no curve, or none at all.
    Curve,
    /// `max_fragment_length` that RFC 6066 does not know, or Mbed TLS is built without.
    MaxFragmentLength,
    /// `check_hostname` at a server.
    CheckHostname,
    /// The name of an application protocol that cannot be one, or more than fit.
    ApplicationProtocol,
    /// No version of TLS is left.
    ProtocolVersion,
    /// `options` with one that there is not.
    Options,
    /// `assert_hostname` that is empty, or with a NUL in it.
    AssertHostname,
    /// `assert_hostname` where no name is verified.
    NotAsserted,
    /// Not the bytes of a session, or of another build's.
    Session,
    /// A session that belongs to other settings, or another host.
    SessionSettings,
    /// A session with `OP_NO_TICKET` on, for a server, over datagrams, or with a pre-shared key.
    SessionUse,
    /// `num_tickets` that are too many, or of no server.
    Tickets,
    /// Not the state of a connection, or of another build's, or changed since, or under another key.
    State,
    /// A state under a key where there is none, or the other way round; a key of no good length.
    StateKey,
    /// A state with a counter where there is none, or the other way round.
    StateCounter,
    /// A state that belongs to other settings.
    StateSettings,
    /// A state of a connection that has no numbers left for its records.
    StateSpent,
    /// `pinned_pubkeys` that are no SHA-256 digests, or at a server.
    Pins,
    /// What a key that is an object has made is no signature.
    Signature,
    /// It is another key's, or of something else.
    OtherSignature,
    /// `session_cache` that is too much, or of no client.
    SessionCache,
    /// `SSLSocket.session` was set when the handshake had begun, or is over.
    SessionLate,
    /// `verify_flags` with one that there is not.
    VerifyFlags,
}

impl Invalid {
    /// All of them, at the index of their number.
    pub const ALL: [Self; 36] = [
        Self::Key,
        Self::Cert,
        Self::KeyMismatch,
        Self::NoHostname,
        Self::Hostname,
        Self::Protocol,
        Self::VerifyMode,
        Self::Timeout,
        Self::Mtu,
        Self::ConnectionId,
        Self::PskIdentity,
        Self::PskHint,
        Self::NoPassword,
        Self::Curve,
        Self::MaxFragmentLength,
        Self::CheckHostname,
        Self::ApplicationProtocol,
        Self::ProtocolVersion,
        Self::Options,
        Self::AssertHostname,
        Self::NotAsserted,
        Self::Session,
        Self::SessionSettings,
        Self::SessionUse,
        Self::Tickets,
        Self::State,
        Self::StateKey,
        Self::StateCounter,
        Self::StateSettings,
        Self::StateSpent,
        Self::Pins,
        Self::Signature,
        Self::OtherSignature,
        Self::SessionCache,
        Self::SessionLate,
        Self::VerifyFlags,
    ];

    /// The `ValueError`'s text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Key => "invalid key",
            Self::Cert => "invalid cert",
            Self::KeyMismatch => "key does not match cert",
            Self::NoHostname => "CERT_REQUIRED requires server_hostname",
            Self::Hostname => "invalid server_hostname",
            Self::AssertHostname => "invalid assert_hostname",
            Self::NotAsserted => "assert_hostname needs check_hostname",
            Self::Protocol => "invalid protocol",
            Self::VerifyMode => "invalid verify_mode",
            Self::Timeout => "invalid dtls_timeout",
            Self::Mtu => "invalid dtls_mtu",
            Self::ConnectionId => "invalid dtls_cid",
            Self::PskIdentity => "invalid psk_identity",
            Self::PskHint => "invalid identity_hint",
            Self::NoPassword => "key needs a password",
            Self::Curve => "unknown elliptic curve name",
            Self::MaxFragmentLength => "invalid max_fragment_length",
            Self::CheckHostname => "check_hostname is a client's",
            Self::ApplicationProtocol => "invalid ALPN protocol",
            Self::ProtocolVersion => "unsupported protocol version",
            Self::Options => "unknown options",
            Self::Session => "not a session of this build",
            Self::SessionSettings => "session refers to a different SSLContext or server_hostname",
            Self::SessionUse => "session needs a TLS client without OP_NO_TICKET or PSK",
            Self::Tickets => "invalid num_tickets",
            Self::State => "not a state of this build, or wrong key",
            Self::StateKey => "invalid key for state",
            Self::StateCounter => "state needs a counter, or none",
            Self::StateSettings => "state refers to a different SSLContext, or other settings",
            Self::StateSpent => "state has no record numbers left",
            Self::Pins => "invalid pinned_pubkeys",
            Self::VerifyFlags => "unknown verify_flags",
            Self::Signature => "invalid signature",
            Self::OtherSignature => "signature does not match cert",
            Self::SessionCache => "invalid session_cache",
            Self::SessionLate => "session can be set before the handshake only",
        }
    }
}

impl Error {
    /// What a verify callback's number means: as upstream reads it, a small
    /// negative number is an errno.
    #[must_use]
    pub fn from_verdict(verdict: i32) -> Self {
        match verdict {
            -255..0 => Self::Errno(verdict.wrapping_neg()),
            i32::MIN => Self::Errno(MPSSL_EINVAL.cast_signed()),
            _ => Self::Tls(verdict),
        }
    }
}
