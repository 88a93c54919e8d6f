// SPDX-License-Identifier: MIT OR Apache-2.0
//! The border: what C calls, and what the core calls out to through C.
//!
//! The contract is `c_glue/mpssl.h`; each export is documented there. C has
//! claimed the objects it passes: no export is entered twice with the same one.

use core::ffi::{CStr, c_char, c_void};

use crate::alert;
use crate::certificate;
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use crate::ciphers;
use crate::context::{Context, Memory};
#[cfg(mbedtls_ssl_keep_peer_certificate)]
use crate::credentials;
use crate::dtls::table::{CLIENTS_MAX, ClientId, Departed, Read};
use crate::dtls::{self, Listener, Taken};
use crate::error::{Error, Invalid, Result};
#[cfg(hibernation)]
use crate::export::{self, Export};
#[cfg(server_names)]
use crate::io::Refused;
use crate::io::{Bundles, Clock, Interruption, KeyLog, Names, PskStore, Scheme, Signer, Transport, Verifier};
#[cfg(server_names)]
use crate::mbedtls::Config;
#[cfg(mbedtls_x509_crl_parse_c)]
use crate::mbedtls::CrlCheck;
use crate::mbedtls::{self, Endpoint};
#[cfg(server_names)]
use crate::mem::Erased;
use crate::mem::{Box, Shared, copy, slice, slice_mut};
use crate::micropython_sys as sys;
#[cfg(sessions)]
use crate::micropython_sys::mpssl_description_t;
use crate::micropython_sys::{
    mpssl_anchors_t, mpssl_bytes_t, mpssl_cipher_t, mpssl_dtls_t, mpssl_memory_t, mpssl_options_t,
    mpssl_stats_t, mpssl_status_t, ticks_ms,
};
#[cfg(hibernation)]
use crate::micropython_sys::{mpssl_export_t, mpssl_restored_t};
#[cfg(sessions)]
use crate::session::Session;
use crate::socket::{Options, Socket};
use crate::wire;

/******************************************************************************/
// Results.

impl From<Error> for mpssl_status_t {
    fn from(error: Error) -> Self {
        let (kind, code) = match error {
            Error::WantRead => (sys::MPSSL_WANT_READ, 0),
            Error::WantWrite => (sys::MPSSL_WANT_WRITE, 0),
            Error::Raised => (sys::MPSSL_RAISED, 0),
            Error::Outside => (sys::MPSSL_OUTSIDE, 0),
            Error::WantSignature => (sys::MPSSL_WANT_SIGNATURE, 0),
            Error::Errno(errno) => (sys::MPSSL_ERRNO, errno),
            Error::Tls(code) => (sys::MPSSL_TLS, code),
            Error::NoMemory => (sys::MPSSL_NO_MEMORY, 0),
            Error::Value(invalid) => (sys::MPSSL_VALUE, invalid as i32),
            Error::Verify(flags) => (sys::MPSSL_VERIFY, flags.cast_signed()),
            Error::CertMissing => (sys::MPSSL_CERT_MISSING, 0),
        };
        Self { kind: kind.cast_signed(), code }
    }
}

// What C looks for is what is said here.
const _: () = assert!(Invalid::NoPassword as u32 == sys::MPSSL_NO_PASSWORD);
const _: () = assert!(Invalid::Key as u32 == sys::MPSSL_INVALID_KEY);
const _: () = assert!(Invalid::KeyMismatch as u32 == sys::MPSSL_KEY_MISMATCH);

/// The error that a status stands for; `None` for `MPSSL_OK` and what is none.
fn error(status: mpssl_status_t) -> Option<Error> {
    Some(match status.kind.cast_unsigned() {
        sys::MPSSL_WANT_READ => Error::WantRead,
        sys::MPSSL_WANT_WRITE => Error::WantWrite,
        sys::MPSSL_RAISED => Error::Raised,
        sys::MPSSL_OUTSIDE => Error::Outside,
        sys::MPSSL_WANT_SIGNATURE => Error::WantSignature,
        sys::MPSSL_ERRNO => Error::Errno(status.code),
        sys::MPSSL_TLS => Error::Tls(status.code),
        sys::MPSSL_NO_MEMORY => Error::NoMemory,
        sys::MPSSL_VALUE => Error::Value(*Invalid::ALL.get(usize::try_from(status.code).ok()?)?),
        sys::MPSSL_VERIFY => Error::Verify(status.code.cast_unsigned()),
        sys::MPSSL_CERT_MISSING => Error::CertMissing,
        _ => return None,
    })
}

fn status(result: Result<()>) -> mpssl_status_t {
    match result {
        Ok(()) => mpssl_status_t { kind: sys::MPSSL_OK.cast_signed(), code: 0 },
        Err(error) => error.into(),
    }
}

/// Writes a result to `*out` if it is one.
///
/// # Safety
///
/// `out` is valid for a write.
unsafe fn output<T>(result: Result<T>, out: *mut T) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    status(result.map(|value| unsafe { out.write(value) }))
}

/// # Safety
///
/// As `mpssl.h` says of [`mpssl_bytes_t`]; the bytes live as long as `'a`. With
/// `nul`, the slice includes the NUL behind the bytes.
unsafe fn bytes<'a>(bytes: mpssl_bytes_t, nul: bool) -> Option<&'a [u8]> {
    if bytes.data.is_null() {
        return None;
    }
    let len = bytes.len.saturating_add(usize::from(nul));
    // SAFETY: by this function's contract.
    Some(unsafe { core::slice::from_raw_parts(bytes.data, len) })
}

/// # Safety
///
/// `all` points to `n` valid [`mpssl_bytes_t`], which live as long as `'a`, as their bytes
/// do; where there are none, it may be NULL.
unsafe fn each<'a>(all: *const mpssl_bytes_t, n: usize) -> impl Iterator<Item = &'a [u8]> + Clone {
    // SAFETY: by this function's contract.
    let all: &'a [mpssl_bytes_t] = unsafe { slice(all, n) };
    // SAFETY: by this function's contract.
    all.iter().map(|one| unsafe { bytes(*one, false) }.unwrap_or_default())
}

fn c_str(text: Option<&'static CStr>) -> *const c_char {
    text.map_or(core::ptr::null(), CStr::as_ptr)
}

/// Writes the text of a status; see `mpssl.h`.
///
/// # Safety
///
/// `text` is valid for `size` bytes; NULL where that is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_status_text(status: mpssl_status_t, text: *mut u8, size: usize) -> usize {
    // SAFETY: by this function's contract.
    let text = unsafe { slice_mut(text, size) };
    text.fill(0);
    error(status).map_or(0, |error| error.text(text))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `text` is valid for `size` bytes.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_text(
    socket: &Socket,
    status: mpssl_status_t,
    text: *mut u8,
    size: usize,
) -> usize {
    // SAFETY: by this function's contract.
    let text = unsafe { slice_mut(text, size) };
    text.fill(0);
    error(status).map_or(0, |error| socket.text(error, text))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `text` is valid for `size` bytes.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_hint(
    socket: &Socket,
    status: mpssl_status_t,
    text: *mut u8,
    size: usize,
) -> usize {
    // SAFETY: by this function's contract.
    let text = unsafe { slice_mut(text, size) };
    error(status).map_or(0, |error| socket.hint(error, text))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_alert(socket: &Socket) -> u8 {
    socket.alert()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_alert_name(number: u8) -> *const c_char {
    alert::name(number).as_ptr()
}

/******************************************************************************/
// The host, through C.

/// The Python object that a call is made for, opaque here. What C's call-outs
/// raise stays in C, with that object.
struct Owner(*mut c_void);

fn transferred(n: i32, errno: i32) -> core::result::Result<usize, Interruption> {
    match n {
        sys::MPGLUE_WOULD_BLOCK => Err(Interruption::WouldBlock),
        sys::MPGLUE_RAISED => Err(Interruption::Raised),
        sys::MPGLUE_OUTSIDE => Err(Interruption::Outside),
        _ => usize::try_from(n).map_err(|_| Interruption::Errno(errno)),
    }
}

impl Owner {
    fn read(&mut self, buf: &mut [u8], how: u32) -> core::result::Result<usize, Interruption> {
        let mut errno = sys::MPSSL_EIO.cast_signed();
        // SAFETY: the slice is valid, and if it stays, until it is full; C reads no more than it
        // holds; does not raise.
        let n = unsafe { sys::mpglue_stream_read(self.0, buf.as_mut_ptr(), buf.len(), how, &raw mut errno) };
        transferred(n, errno)
    }

    fn write(&mut self, buf: &[u8], now: bool) -> core::result::Result<usize, Interruption> {
        let mut errno = sys::MPSSL_EIO.cast_signed();
        // SAFETY: the slice is valid, and stays so until the record is sent; does not raise.
        let n = unsafe { sys::mpglue_stream_write(self.0, buf.as_ptr(), buf.len(), now, &raw mut errno) };
        transferred(n, errno)
    }
}

impl Transport for Owner {
    fn recv(&mut self, buf: &mut [u8]) -> core::result::Result<usize, Interruption> {
        self.read(buf, 0)
    }

    fn recv_rest(&mut self, buf: &mut [u8]) -> core::result::Result<usize, Interruption> {
        self.read(buf, sys::MPGLUE_STAYS)
    }

    fn recv_now(&mut self, buf: &mut [u8]) -> core::result::Result<usize, Interruption> {
        self.read(buf, sys::MPGLUE_NOW)
    }

    fn datagram_len(&mut self) -> core::result::Result<Option<usize>, Interruption> {
        let mut errno = sys::MPSSL_EIO.cast_signed();
        // SAFETY: the number is valid for a write; does not raise.
        match unsafe { sys::mpglue_datagram_len(self.0, &raw mut errno) } {
            sys::MPGLUE_UNKNOWN => Ok(None),
            n => transferred(n, errno).map(Some),
        }
    }

    fn send(&mut self, buf: &[u8]) -> core::result::Result<usize, Interruption> {
        self.write(buf, false)
    }

    fn send_now(&mut self, buf: &[u8]) -> core::result::Result<usize, Interruption> {
        self.write(buf, true)
    }

    #[cfg(mbedtls_ssl_dtls_hello_verify)]
    fn peer_is_there(&mut self) {
        // SAFETY: the owner is a call under way; does not raise.
        unsafe { sys::mpglue_peer_is_there(self.0) };
    }
}

impl Clock for Owner {
    fn ticks_ms(&self) -> u32 {
        ticks_ms()
    }
}

impl Signer for Owner {
    fn sign(
        &mut self,
        key: &[u8],
        hash: &[u8],
        signature: &mut [u8],
    ) -> core::result::Result<Option<usize>, Interruption> {
        // SAFETY: the slices are valid, C copies the first two and writes no more
        // than the third holds; does not raise.
        let len = unsafe {
            sys::mpglue_sign(
                self.0,
                mpssl_bytes_t { data: key.as_ptr(), len: key.len() },
                mpssl_bytes_t { data: hash.as_ptr(), len: hash.len() },
                signature.as_mut_ptr(),
                signature.len(),
            )
        };
        match usize::try_from(len) {
            Ok(0) => Ok(None),
            Ok(len) => Ok(Some(len)),
            Err(_) => Err(Interruption::Raised),
        }
    }

    fn sign_by_object(
        &mut self,
        scheme: Scheme,
        hash: &[u8],
        signature: &mut [u8],
    ) -> core::result::Result<usize, Interruption> {
        let scheme = match scheme {
            Scheme::Ecdsa => sys::MPGLUE_ECDSA,
            Scheme::Pkcs1v15 => sys::MPGLUE_PKCS1V15,
            Scheme::Pss => sys::MPGLUE_PSS,
        };
        let hash = mpssl_bytes_t { data: hash.as_ptr(), len: hash.len() };
        // SAFETY: the slices are valid, C copies the first and writes no more than the second holds;
        // does not raise.
        let len = unsafe {
            sys::mpglue_sign_by_object(self.0, scheme, hash, signature.as_mut_ptr(), signature.len())
        };
        match len {
            sys::MPGLUE_WOULD_BLOCK => Err(Interruption::WouldBlock),
            len => usize::try_from(len).map_err(|_| Interruption::Raised),
        }
    }
}

#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
impl PskStore for Owner {
    fn key(&mut self, identity: &[u8], key: &mut [u8]) -> core::result::Result<usize, Interruption> {
        let identity = mpssl_bytes_t { data: identity.as_ptr(), len: identity.len() };
        // SAFETY: the slices are valid, C copies the first and writes no more than the
        // second holds; does not raise.
        let len = unsafe { sys::mpglue_psk_key(self.0, identity, key.as_mut_ptr(), key.len()) };
        usize::try_from(len).map_err(|_| Interruption::Raised)
    }

    fn identity(
        &mut self,
        hint: &[u8],
        identity: &mut [u8],
        key: &mut [u8],
    ) -> core::result::Result<(usize, usize), Interruption> {
        let hint = mpssl_bytes_t { data: hint.as_ptr(), len: hint.len() };
        let (mut identity_len, mut key_len) = (identity.len(), key.len());
        // SAFETY: the slices are valid, C copies the first and writes no more than the
        // others hold; does not raise.
        let ret = unsafe {
            sys::mpglue_psk_identity(
                self.0,
                hint,
                identity.as_mut_ptr(),
                &raw mut identity_len,
                key.as_mut_ptr(),
                &raw mut key_len,
            )
        };
        if ret == 0 { Ok((identity_len, key_len)) } else { Err(Interruption::Raised) }
    }
}

#[cfg(not(mbedtls_ssl_handshake_with_psk_enabled))]
impl PskStore for Owner {
    fn key(&mut self, _: &[u8], _: &mut [u8]) -> core::result::Result<usize, Interruption> {
        Ok(0)
    }

    fn identity(
        &mut self,
        _: &[u8],
        _: &mut [u8],
        _: &mut [u8],
    ) -> core::result::Result<(usize, usize), Interruption> {
        Ok((0, 0))
    }
}

impl Verifier for Owner {
    fn verify(&mut self, der: &[u8], depth: i32) -> core::result::Result<i32, Interruption> {
        let mut verdict = 0;
        // SAFETY: the slice is valid, C copies it; does not raise.
        match unsafe { sys::mpglue_verify(self.0, der.as_ptr(), der.len(), depth, &raw mut verdict) } {
            0 => Ok(verdict),
            _ => Err(Interruption::Raised),
        }
    }
}

#[cfg(server_names)]
impl Names for Owner {
    fn server_name(&mut self, name: &[u8]) -> core::result::Result<Option<Erased>, Refused> {
        let name = mpssl_bytes_t { data: name.as_ptr(), len: name.len() };
        let (mut chosen, mut alert) = (core::ptr::null_mut(), 0);
        // SAFETY: the slice is valid, C copies it; the others are valid for writes, and what comes is
        // NULL or of `mpssl_context_choose`; does not raise.
        let (ret, chosen) = unsafe {
            let ret = sys::mpglue_server_name(self.0, name, &raw mut chosen, &raw mut alert);
            (ret, Shared::<Config>::from_raw(chosen))
        };
        if alert == 0 { Ok(chosen.map(Shared::erase)) } else { Err(Refused { alert, raised: ret != 0 }) }
    }
}

#[cfg(not(server_names))]
impl Names for Owner {}

impl KeyLog for Owner {
    #[cfg(feature = "keylog")]
    fn log_key(&mut self, line: &[u8]) -> core::result::Result<(), Interruption> {
        let line = mpssl_bytes_t { data: line.as_ptr(), len: line.len() };
        // SAFETY: the slice is valid, C copies it; does not raise.
        match unsafe { sys::mpglue_log_key(self.0, line) } {
            0 => Ok(()),
            _ => Err(Interruption::Raised),
        }
    }
}

#[cfg(bundles)]
impl Bundles for Owner {
    fn read_bundle(
        &mut self,
        index: u32,
        at: u32,
        buf: &mut [u8],
    ) -> core::result::Result<usize, Interruption> {
        // SAFETY: the slice is valid, C writes no more than it holds; does not raise.
        let n = unsafe { sys::mpglue_read_bundle(self.0, index, at, buf.as_mut_ptr(), buf.len()) };
        usize::try_from(n).map_err(|_| Interruption::Raised)
    }

    fn bundle_in_place(&self, index: u32) -> Option<&[u8]> {
        // SAFETY: bytes of an object that the context keeps; does not raise.
        unsafe {
            let bytes = sys::mpglue_bundle_in_place(self.0, index);
            (!bytes.data.is_null()).then(|| slice(bytes.data, bytes.len))
        }
    }

    fn close_bundle(&mut self, index: u32, changed: bool) -> core::result::Result<(), Interruption> {
        // SAFETY: does not raise.
        match unsafe { sys::mpglue_close_bundle(self.0, index, changed) } {
            0 => Ok(()),
            _ => Err(Interruption::Raised),
        }
    }
}

#[cfg(not(bundles))]
impl Bundles for Owner {}

/******************************************************************************/
// SSLContext.

/// Makes a context; see `mpssl.h`.
///
/// # Safety
///
/// `out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_new(
    protocol: i32,
    verify_mode: i32,
    is_tls: bool,
    out: *mut *mut Context,
) -> mpssl_status_t {
    let context = Context::new(protocol, verify_mode).map(|mut context| {
        if is_tls {
            context.begin_as_tls();
        }
        Box::into_raw(context)
    });
    // SAFETY: by this function's contract.
    unsafe { output(context, out) }
}

/// Frees a context; see `mpssl.h`.
///
/// # Safety
///
/// `context` is NULL or comes from `mpssl_context_new`, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_free(context: *mut Context) {
    // SAFETY: by this function's contract.
    drop(unsafe { Box::from_raw(context) });
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_is_server(context: &Context) -> bool {
    context.endpoint() == Endpoint::Server
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_verify_mode(context: &Context) -> i32 {
    context.verify_mode()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_verify_mode(context: &mut Context, verify_mode: i32) -> mpssl_status_t {
    status(context.set_verify_mode(verify_mode))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `cert` has a NUL behind it, as C's; `public_key` is valid; `which` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_load_object(
    context: &mut Context,
    cert: mpssl_bytes_t,
    public_key: mpssl_bytes_t,
    which: *mut u32,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    unsafe {
        let loaded = context.load_cert_chain_of_object(bytes(cert, true), bytes(public_key, false));
        output(loaded.map(|which| u32::try_from(which).unwrap_or(0)), which)
    }
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_has_object(context: &Context, which: u32) -> bool {
    usize::try_from(which).is_ok_and(|which| context.has_object(which))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_check_own_signature(context: &Context) -> bool {
    context.check_own_signature()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_check_own_signature(context: &mut Context, check: bool) {
    context.set_check_own_signature(check);
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_check_hostname(context: &Context) -> bool {
    context.check_hostname()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_check_hostname(context: &mut Context, check: bool) -> mpssl_status_t {
    status(context.set_check_hostname(check))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_version(
    context: &mut Context,
    is_maximum: bool,
    version: i32,
) -> mpssl_status_t {
    status(context.set_version(is_maximum, version))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_options(context: &Context) -> u32 {
    context.options()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_options(context: &mut Context, options: u32) -> mpssl_status_t {
    status(context.set_options(options))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_num_tickets(context: &Context) -> u8 {
    context.num_tickets()
}

/// See `mpssl.h`.
#[cfg(tickets)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_num_tickets(context: &mut Context, n: u8) -> mpssl_status_t {
    status(context.set_num_tickets(n))
}

/// See `mpssl.h`.
#[cfg(sessions)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_session_cache(context: &Context) -> u8 {
    context.session_cache_size()
}

/// See `mpssl.h`.
#[cfg(sessions)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_session_cache(context: &mut Context, n: u8) -> mpssl_status_t {
    status(context.set_session_cache_size(n))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_stats(context: &Context) -> mpssl_stats_t {
    let stats = context.stats();
    mpssl_stats_t {
        cached: context.cached_sessions().try_into().unwrap_or(u32::MAX),
        begun: stats.begun.get(),
        good: stats.good.get(),
        hits: stats.hits.get(),
        misses: stats.misses.get(),
        timeouts: stats.timeouts.get(),
        cache_full: stats.cache_full.get(),
    }
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `cert`, `key` and `password` are valid; a NUL follows each of the first two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_load_cert_chain(
    context: &mut Context,
    cert: mpssl_bytes_t,
    key: mpssl_bytes_t,
    password: mpssl_bytes_t,
    check_pair: bool,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let (cert, key, password) = unsafe { (bytes(cert, true), bytes(key, true), bytes(password, false)) };
    status(context.load_cert_chain(cert, key.unwrap_or_default(), password, check_pair))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `cert` and `key` are valid; a NUL follows each.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_credentials_explain(
    status: mpssl_status_t,
    cert: mpssl_bytes_t,
    key: mpssl_bytes_t,
    in_cert: bool,
    text: *mut u8,
    size: usize,
) -> usize {
    // SAFETY: by this function's contract.
    let (cert, key, text) = unsafe { (bytes(cert, true), bytes(key, true), slice_mut(text, size)) };
    let Some(Error::Value(invalid)) = error(status) else { return 0 };
    let why = credentials::explain(invalid, cert.unwrap_or_default(), key.unwrap_or_default(), in_cert);
    copy(text, why.as_bytes());
    why.len().min(text.len())
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `name` is valid.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_is_cipher(name: mpssl_bytes_t) -> bool {
    // SAFETY: by this function's contract.
    ciphers::is_name(unsafe { bytes(name, false) }.unwrap_or_default())
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `certs` is valid and a NUL follows it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_load_verify_locations(
    context: &mut Context,
    certs: mpssl_bytes_t,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let certs = unsafe { bytes(certs, true) };
    status(context.load_verify_locations(certs.unwrap_or_default()))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// As `mpssl.h` says of the owner.
#[cfg(bundles)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_add_bundle(
    context: &mut Context,
    owner: *mut c_void,
    index: u32,
) -> mpssl_status_t {
    status(context.add_bundle(&mut Owner(owner), index))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// As `mpssl.h` says of [`mpssl_bytes_t`].
#[cfg(bundles)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_set_pins(
    context: &mut Context,
    digests: mpssl_bytes_t,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    status(context.set_pins(unsafe { bytes(digests, false) }))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_anchors(context: &Context) -> mpssl_anchors_t {
    let [all, cas, unreadable] = context.anchors();
    mpssl_anchors_t { all, cas, unreadable, crls: context.crls() }
}

/// See `mpssl.h`.
#[cfg(mbedtls_x509_crl_parse_c)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_verify_flags(context: &Context) -> u32 {
    match context.crl_check() {
        CrlCheck::None => 0,
        CrlCheck::Leaf => sys::MPSSL_VERIFY_CRL_CHECK_LEAF,
        CrlCheck::Chain => sys::MPSSL_VERIFY_CRL_CHECK_CHAIN,
    }
}

/// See `mpssl.h`.
#[cfg(mbedtls_x509_crl_parse_c)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_verify_flags(context: &mut Context, flags: u32) -> mpssl_status_t {
    context.set_crl_check(match flags {
        0 => CrlCheck::None,
        sys::MPSSL_VERIFY_CRL_CHECK_LEAF => CrlCheck::Leaf,
        sys::MPSSL_VERIFY_CRL_CHECK_CHAIN => CrlCheck::Chain,
        _ => return status(Err(Error::Value(Invalid::VerifyFlags))),
    });
    status(Ok(()))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `names` points to `n` valid names.
#[cfg(tls13)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_set_ciphersuites(
    context: &mut Context,
    names: *const mpssl_bytes_t,
    n: usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    status(context.set_ciphersuites(n, unsafe { each(names, n) }))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `names` points to `n` valid names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_set_ciphers(
    context: &mut Context,
    names: *const mpssl_bytes_t,
    n: usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    status(context.set_ciphers(n, unsafe { each(names, n) }))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `names` points to `n` valid names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_set_groups(
    context: &mut Context,
    names: *const mpssl_bytes_t,
    n: usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    status(context.set_groups(unsafe { each(names, n) }))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `names` points to `n` valid names.
#[cfg(mbedtls_ssl_alpn)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_set_alpn_protocols(
    context: &mut Context,
    names: *const mpssl_bytes_t,
    n: usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    status(context.set_protocols(n, unsafe { each(names, n) }))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_cipher(context: &Context, i: usize) -> *const c_char {
    c_str(context.cipher(i))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `identity` and `key` are valid.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_set_psk(
    context: &mut Context,
    identity: mpssl_bytes_t,
    key: mpssl_bytes_t,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let (identity, key) = unsafe { (bytes(identity, false), bytes(key, false)) };
    status(context.set_psk(identity.zip(key)))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `hint` is valid.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_ask_for_psk(
    context: &mut Context,
    asks: bool,
    hint: mpssl_bytes_t,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let hint = unsafe { bytes(hint, false) };
    status(context.ask_for_psk(asks, hint.unwrap_or_default()))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_memory(context: &Context) -> mpssl_memory_t {
    let Memory { max_fragment_length, keep_peer_cert } = context.memory();
    mpssl_memory_t { max_fragment_length, keep_peer_cert }
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_memory(context: &mut Context, memory: mpssl_memory_t) -> mpssl_status_t {
    let mpssl_memory_t { max_fragment_length, keep_peer_cert } = memory;
    status(context.set_memory(Memory { max_fragment_length, keep_peer_cert }))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_has_cookies(context: &Context) -> bool {
    context.cookies().is_some()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_dtls(context: &Context) -> mpssl_dtls_t {
    let settings = context.dtls();
    mpssl_dtls_t {
        initial_ms: settings.timeout.0,
        maximum_ms: settings.timeout.1,
        mtu: settings.mtu,
        cid: settings.cid.map_or(-1, i16::from),
        cid_required: settings.cid_required,
    }
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_dtls(context: &mut Context, dtls: mpssl_dtls_t) -> mpssl_status_t {
    status(context.set_dtls(dtls::Settings {
        timeout: (dtls.initial_ms, dtls.maximum_ms),
        mtu: dtls.mtu,
        cid: u8::try_from(dtls.cid).ok(),
        cid_required: dtls.cid_required,
    }))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_hibernate_after(context: &Context) -> i32 {
    context.hibernate_after().and_then(|ms| i32::try_from(ms).ok()).unwrap_or(-1)
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_set_hibernate_after(context: &mut Context, ms: i32) {
    context.set_hibernate_after(u32::try_from(ms).ok());
}

/// Makes a listener; see `mpssl.h`.
///
/// # Safety
///
/// `out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_listener_new(
    context: &Context,
    clients: usize,
    backlog: usize,
    bufsize: usize,
    out: *mut *mut Listener,
) -> mpssl_status_t {
    let limits = dtls::Limits { clients, backlog, bufsize };
    // SAFETY: by this function's contract.
    unsafe { output(context.listener(limits).map(Box::into_raw), out) }
}

/// Frees a listener; see `mpssl.h`.
///
/// # Safety
///
/// `listener` is NULL or comes from `mpssl_listener_new`, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_listener_free(listener: *mut Listener) {
    // SAFETY: by this function's contract.
    drop(unsafe { Box::from_raw(listener) });
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `datagram` and `address` are valid; `reply` is valid for `MPSSL_HELLO_VERIFY_LEN` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_listener_take(
    listener: &mut Listener,
    datagram: mpssl_bytes_t,
    address: mpssl_bytes_t,
    reply: *mut u8,
    taken: &mut u32,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let (datagram, address) = unsafe { (bytes(datagram, false), bytes(address, false)) };
    let result = listener.take(datagram.unwrap_or_default(), address.unwrap_or_default(), ticks_ms());
    status(result.map(|what| {
        *taken = match what {
            Taken::Kept => sys::MPSSL_LISTENER_KEPT,
            Taken::Dropped => sys::MPSSL_LISTENER_DROPPED,
            Taken::Answer(answer) => {
                // SAFETY: by this function's contract.
                unsafe { core::ptr::copy_nonoverlapping(answer.as_ptr(), reply, answer.len()) };
                sys::MPSSL_LISTENER_ANSWER
            }
        };
    }))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_listener_waiting(listener: &Listener) -> u64 {
    listener.table.waiting().map_or(0, ClientId::number)
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_listener_accept(
    listener: &mut Listener,
    client: u64,
    socket: &mut Socket,
    departed: &mut *mut c_void,
) -> mpssl_status_t {
    let mut buf = [0; mbedtls::CID_MAX];
    copy(&mut buf, socket.own_cid());
    let cid = buf.get_mut(..socket.own_cid().len()).unwrap_or_default();
    let result = listener.table.accept(ClientId::of_number(client), cid, ticks_ms());
    status(result.and_then(|accepted| {
        if accepted {
            *departed = listener.table.departed().clone().into_raw();
            socket.set_accepted();
            if *cid != *socket.own_cid() {
                socket.set_own_cid(cid)?;
            }
        }
        Ok(())
    }))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `address` is valid.
#[cfg(hibernation)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_listener_restore(
    listener: &mut Listener,
    socket: &Socket,
    address: mpssl_bytes_t,
    at_home: bool,
    client: &mut u64,
    departed: &mut *mut c_void,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let address = unsafe { bytes(address, false) }.unwrap_or_default();
    status(listener.restore(address, socket.own_cid(), at_home, ticks_ms()).map(|id| {
        *client = id.number();
        *departed = listener.table.departed().clone().into_raw();
    }))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `departed` is NULL or comes from `mpssl_listener_accept`, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_listener_depart(departed: *mut c_void, client: u64) {
    // SAFETY: by this function's contract.
    if let Some(departed) = unsafe { Shared::<Departed>::from_raw(departed) } {
        departed.note(ClientId::of_number(client));
    }
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `buf` is valid for `len` bytes, or NULL with none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_listener_read(
    listener: &mut Listener,
    client: u64,
    buf: *mut u8,
    len: usize,
) -> i32 {
    // SAFETY: by this function's contract.
    let buf = unsafe { slice_mut(buf, len) };
    match listener.table.read(ClientId::of_number(client), buf, ticks_ms()) {
        Read::Datagram(n) => i32::try_from(n).unwrap_or(i32::MAX),
        Read::Nothing => sys::MPGLUE_WOULD_BLOCK,
        Read::Gone => sys::MPGLUE_UNKNOWN,
    }
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_listener_version(listener: &Listener) -> u32 {
    listener.table.version()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_listener_poll(listener: &mut Listener, client: u64) -> u32 {
    let ready = if client == 0 {
        Some(listener.table.waiting().is_some())
    } else {
        listener.table.has_datagram(ClientId::of_number(client), ticks_ms())
    };
    match ready {
        Some(true) => sys::MPSSL_POLL_RD,
        Some(false) => 0,
        None => sys::MPSSL_POLL_NVAL,
    }
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_listener_address(listener: &mut Listener, client: u64) -> mpssl_bytes_t {
    borrowed(listener.table.address(ClientId::of_number(client), ticks_ms()))
}

/// See `mpssl.h`.
#[cfg(hibernation)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_listener_is_at_home(listener: &Listener, client: u64) -> bool {
    listener.table.is_at_home(ClientId::of_number(client))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_listener_follow(listener: &mut Listener, client: u64) {
    listener.table.follow(ClientId::of_number(client));
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_listener_remove(listener: &mut Listener, client: u64) {
    listener.table.remove(ClientId::of_number(client));
}

// C's arrays hold what is written to them here.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
const _: () = assert!(crate::psk::IDENTITY_MAX <= sys::MPSSL_PSK_IDENTITY_MAX as usize);
const _: () = assert!(wire::HELLO_VERIFY_LEN == sys::MPSSL_HELLO_VERIFY_LEN as usize);
const _: () = assert!(mbedtls::CID_MAX <= sys::MPSSL_CID_MAX as usize);
const _: () = assert!(CLIENTS_MAX == sys::MPSSL_CLIENTS_MAX as usize);

/******************************************************************************/
// SSLSocket.

/// Makes the configuration that connections share, ahead of the first; see `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_freeze(context: &mut Context) -> mpssl_status_t {
    status(context.config(false, true).map(drop))
}

/// See `mpssl.h`.
#[cfg(server_names)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_context_has_names(context: &Context) -> bool {
    context.has_names()
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `out` is valid for a write.
#[cfg(server_names)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_context_choose(
    context: &mut Context,
    out: *mut *mut c_void,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    unsafe { output(context.for_name().map(Shared::into_raw), out) }
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `chosen` is NULL or comes from `mpssl_context_choose`, and is not used again.
#[cfg(server_names)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_chosen_free(chosen: *mut c_void) {
    // SAFETY: by this function's contract.
    drop(unsafe { Shared::<Config>::from_raw(chosen) });
}

/// Makes a connection; see `mpssl.h`.
///
/// # Safety
///
/// The options' `hostname` and `assert_hostname` (each followed by a NUL), `client_id` and `session` are
/// valid; `out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_new(
    context: &mut Context,
    options: mpssl_options_t,
    out: *mut *mut Socket,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    unsafe {
        let options = Options {
            hostname: bytes(options.hostname, true),
            assert_hostname: bytes(options.assert_hostname, true),
            client_id: bytes(options.client_id, false),
            host_signs: options.host_signs,
            hello_verify: options.hello_verify,
            asks: options.asks,
            #[cfg(sessions)]
            port: options.port,
            #[cfg(sessions)]
            session: options.session.cast::<Session>().as_ref(),
        };
        output(Socket::new(context, options).map(Box::into_raw), out)
    }
}

/// Frees a connection; see `mpssl.h`.
///
/// # Safety
///
/// `socket` is NULL or comes from `mpssl_socket_new`, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_free(socket: *mut Socket) {
    // SAFETY: by this function's contract.
    drop(unsafe { Box::from_raw(socket) });
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_handshake(socket: &mut Socket, owner: *mut c_void) -> mpssl_status_t {
    status(socket.handshake(&mut Owner(owner)))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_fill(socket: &mut Socket, owner: *mut c_void) -> mpssl_status_t {
    status(socket.fill(&mut Owner(owner)))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `buf` is valid for `len` bytes, or NULL with none, and nobody else's for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_read(
    socket: &mut Socket,
    owner: *mut c_void,
    buf: *mut u8,
    len: usize,
    all: bool,
    done: &mut usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let buf = unsafe { slice_mut(buf, len) };
    let host = &mut Owner(owner);
    let result = if all {
        socket.read_all(host, buf, done)
    } else {
        let rest = buf.get_mut(*done..).unwrap_or_default();
        socket.read(host, rest).map(|n| *done = done.saturating_add(n))
    };
    status(result)
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_prepare_write(socket: &mut Socket, owner: *mut c_void) -> mpssl_status_t {
    status(socket.prepare_write(&mut Owner(owner)))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `buf` is valid for `len` bytes, or NULL with none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_write(
    socket: &mut Socket,
    owner: *mut c_void,
    buf: *const u8,
    len: usize,
    all: bool,
    done: &mut usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let buf = unsafe { slice(buf, len) };
    let host = &mut Owner(owner);
    let result = if all {
        socket.write_all(host, buf, done)
    } else {
        let rest = buf.get(*done..).unwrap_or_default();
        socket.write_moving(host, rest).map(|n| *done = done.saturating_add(n))
    };
    status(result)
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `buf` is valid for `len` bytes, or NULL with none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_half_sent(socket: &mut Socket, buf: *const u8, len: usize) {
    // SAFETY: by this function's contract.
    socket.half_sent(unsafe { slice(buf, len) });
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `buf` is valid for `len` bytes, or NULL with none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_suspend_write(
    socket: &mut Socket,
    buf: *const u8,
    len: usize,
    done: usize,
) {
    // SAFETY: by this function's contract.
    socket.suspend_write(unsafe { slice(buf, len) }, done);
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `buf` is valid for `len` bytes, or NULL with none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_resume_write(
    socket: &Socket,
    buf: *const u8,
    len: usize,
    done: &mut usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    status(socket.resume_write(unsafe { slice(buf, len) }).map(|taken| *done = taken))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_close_notify(socket: &mut Socket, owner: *mut c_void) -> mpssl_status_t {
    status(socket.close_notify(&mut Owner(owner)))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_unwrap(socket: &mut Socket, owner: *mut c_void) -> mpssl_status_t {
    status(socket.unwrap(&mut Owner(owner)))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_hibernate(socket: &mut Socket, asleep: &mut bool) -> mpssl_status_t {
    status(socket.hibernate().map(|sleeps| *asleep = sleeps))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_rest(socket: &mut Socket) {
    socket.rest(ticks_ms());
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_is_idle(socket: &Socket) -> bool {
    socket.is_idle()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_is_asleep(socket: &Socket) -> bool {
    socket.is_asleep()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_is_datagram(socket: &Socket) -> bool {
    socket.is_datagram()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_is_handshaking(socket: &Socket) -> bool {
    socket.is_handshaking()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_bad_records(socket: &Socket) -> u32 {
    socket.bad_records()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_own_cid(socket: &Socket) -> mpssl_bytes_t {
    let cid = socket.own_cid();
    mpssl_bytes_t { data: cid.as_ptr(), len: cid.len() }
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `cid` is valid for `MPSSL_CID_MAX` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_peer_cid(socket: &Socket, cid: *mut u8) -> i32 {
    let mut buf = [0; mbedtls::CID_MAX];
    let Some(len) = socket.peer_cid(&mut buf) else { return -1 };
    // SAFETY: by this function's contract; MPSSL_CID_MAX is no less than CID_MAX.
    unsafe { core::ptr::copy_nonoverlapping(buf.as_ptr(), cid, len) };
    i32::try_from(len).unwrap_or(-1)
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_poll(socket: &Socket, flags: u32, ask: &mut u32) -> u32 {
    let (ready, asked) = socket.poll(flags, ticks_ms());
    *ask = asked;
    ready
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_polled(socket: &Socket, flags: u32, reply: u32) -> u32 {
    socket.polled(flags, reply)
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_pending(socket: &Socket) -> usize {
    socket.pending()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_close_notify_received(socket: &Socket) -> bool {
    socket.close_notify_received()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_would_send(socket: &Socket) -> bool {
    socket.would_send()
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_cipher(socket: &Socket) -> *const c_char {
    c_str(socket.cipher())
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_shared_cipher(socket: &Socket, i: usize) -> mpssl_cipher_t {
    let cipher = socket.shared_cipher(i);
    mpssl_cipher_t {
        name: c_str(cipher.map(|cipher| cipher.name)),
        bits: cipher.map_or(0, |cipher| u32::try_from(cipher.bits).unwrap_or(0)),
        tls13: cipher.is_some_and(|cipher| cipher.tls13),
    }
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_version(socket: &Socket) -> *const c_char {
    c_str(socket.version())
}

fn borrowed(bytes: Option<&[u8]>) -> mpssl_bytes_t {
    bytes.map_or(mpssl_bytes_t { data: core::ptr::null(), len: 0 }, |bytes| mpssl_bytes_t {
        data: bytes.as_ptr(),
        len: bytes.len(),
    })
}

/// See `mpssl.h`.
#[cfg(mbedtls_ssl_alpn)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_selected_alpn_protocol(socket: &Socket) -> *const c_char {
    socket.selected_alpn_protocol().map_or(core::ptr::null(), CStr::as_ptr)
}

/// See `mpssl.h`.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_psk_identity(socket: &Socket) -> mpssl_bytes_t {
    borrowed(socket.psk_identity())
}

/// See `mpssl.h`.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_psk_identity_hint(socket: &Socket) -> mpssl_bytes_t {
    borrowed(socket.psk_identity_hint())
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `out` is valid for a write.
#[cfg(sessions)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_session(socket: &Socket, out: *mut *mut Session) -> mpssl_status_t {
    let session = socket.session().map(|session| session.map_or(core::ptr::null_mut(), Box::into_raw));
    // SAFETY: by this function's contract.
    unsafe { output(session, out) }
}

/// See `mpssl.h`.
#[cfg(sessions)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_set_session(socket: &mut Socket, session: &Session) -> mpssl_status_t {
    status(socket.set_session(session))
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_session_reused(socket: &Socket) -> i32 {
    socket.session_reused().map_or(-1, i32::from)
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_peer_cert(socket: &Socket) -> mpssl_bytes_t {
    borrowed(socket.peer_cert())
}

/// See `mpssl.h`.
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_socket_peer_verified(socket: &Socket) -> bool {
    socket.peer_verified()
}

/******************************************************************************/
// States of connections.

/// See `mpssl.h`.
///
/// # Safety
///
/// The options' bytes are valid; `state` is valid for `size` initialised bytes or NULL where that is 0.
#[cfg(hibernation)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_export(
    socket: &mut Socket,
    context: &mut Context,
    options: &mpssl_export_t,
    state: *mut u8,
    size: usize,
    len: &mut usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    let (state, options) = unsafe {
        let options = Export {
            key: bytes(options.key, false),
            n: Some(options.n).filter(|n| *n != 0),
            hostname: bytes(options.hostname, false),
            address: bytes(options.address, false),
            at_home: options.at_home,
            callbacks: options.callbacks,
        };
        (slice_mut(state, size), options)
    };
    status(export::export(context, socket, &options, state).map(|n| *len = n))
}

/// See `mpssl.h`.
///
/// # Safety
///
/// `state` and the options' key are valid; `restored` is valid for a write.
#[cfg(hibernation)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_socket_restore(
    context: &mut Context,
    state: mpssl_bytes_t,
    options: &mpssl_export_t,
    restored: *mut mpssl_restored_t,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    unsafe {
        let (state, key) = (bytes(state, false).unwrap_or_default(), bytes(options.key, false));
        let made = export::restore(context, state, key, options.n != 0, options.callbacks);
        let made = made.map(|of| mpssl_restored_t {
            socket: of.socket.into_raw().cast(),
            n: of.n.unwrap_or(0),
            hostname: borrowed(of.hostname),
            address: borrowed(of.address),
            at_home: of.at_home,
        });
        output(made, restored)
    }
}

/******************************************************************************/
// SSLSession.

/// Loads a session; see `mpssl.h`.
///
/// # Safety
///
/// `data` is valid; `out` is valid for a write.
#[cfg(sessions)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_session_load(data: mpssl_bytes_t, out: *mut *mut Session) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    unsafe { output(Session::load(bytes(data, false).unwrap_or_default()).map(Box::into_raw), out) }
}

/// Frees a session; see `mpssl.h`.
///
/// # Safety
///
/// `session` is NULL or comes from this border, and is not used again.
#[cfg(sessions)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_session_free(session: *mut Session) {
    // SAFETY: by this function's contract.
    drop(unsafe { Box::from_raw(session) });
}

/// See `mpssl.h`.
#[cfg(sessions)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_session_bytes(session: &Session) -> mpssl_bytes_t {
    borrowed(Some(session.bytes()))
}

/// See `mpssl.h`.
#[cfg(sessions)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_session_describe(
    session: &Session,
    description: &mut mpssl_description_t,
) -> mpssl_status_t {
    status(session.describe().map(|of| {
        *description = mpssl_description_t {
            time: of.time,
            timeout: of.timeout,
            lifetime_hint: of.lifetime_hint,
            has_ticket: of.has_ticket,
            id_len: of.id_len as u8,
            id: of.id,
        };
    }))
}

/******************************************************************************/
// Certificates.

/// See `mpssl.h`.
///
/// # Safety
///
/// `der` is valid, `tokens` is valid for `size` initialised bytes or NULL where that
/// is 0, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mpssl_certificate_describe(
    der: mpssl_bytes_t,
    tokens: *mut u8,
    size: usize,
    len: *mut usize,
) -> mpssl_status_t {
    // SAFETY: by this function's contract.
    unsafe {
        let tokens = slice_mut(tokens, size);
        output(certificate::describe(bytes(der, false).unwrap_or_default(), tokens), len)
    }
}

/// Writes beyond an allocation of Rust's, by one byte, as no program should: `tests/run.py asan`
/// asks whether that is noticed. C does not know of this, and no other build has it.
#[cfg(address_sanitizer)]
#[unsafe(no_mangle)]
pub extern "C" fn mpssl_deliberate_overflow() {
    if let Ok(mut array) = crate::mem::Array::copy_of(&[0_u8; 8]) {
        // SAFETY: none; that is what it is for.
        unsafe { array.as_mut_ptr().add(core::hint::black_box(8)).write(1) };
        core::hint::black_box(&array);
    }
}
