// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signatures by a key that is an object of the host's: the steps of a handshake that make one.
//!
//! The object may have no signature yet, and is asked for the same one again later. In TLS 1.3 that step
//! is made again then, and comes to the same hash. In TLS 1.2 it cannot be: a server would make another ephemeral
//! key, and a client derive its keys once more. So the message is kept up to the signature, and completed here.

use core::ffi::c_int;

#[cfg(tls13)]
use super::super::hardware_key::sign_as;
use super::super::hardware_key::{FAILED, HardwareKey, Request, Signing, is_hardware, random};
use super::super::sys;
use super::call::{Call, mbedtls_ssl_write_handshake_msg_ext};
use super::layout::{is_client, is_tls13};
use super::messages::chosen;
use crate::error::Error;
use crate::io::{Interruption, Scheme};
use crate::mem::{Array, Box, copy, slice, slice_mut};

/// How long nobody asks again, in milliseconds.
const PAUSE_MS: u32 = 5;
/// SHA-512's.
const HASH_MAX: usize = 64;

/// A signature that there is not yet. The connection's `user_data` points to it.
struct Pending {
    scheme: Scheme,
    md: sys::mbedtls_md_type_t,
    hash: [u8; HASH_MAX],
    hash_len: usize,
    asked_at: u32,
    /// Of TLS 1.2's message what is before the signature's length.
    message: Option<Array<u8>>,
    /// Of TLS 1.3: what the step is to be told when it is made again.
    signature: Option<Array<u8>>,
}

impl Pending {
    fn hash(&self) -> &[u8] {
        self.hash.get(..self.hash_len).unwrap_or_default()
    }

    fn is(&self, request: &Request<'_>) -> bool {
        (self.scheme, self.md, self.hash()) == (request.scheme, request.md, request.hash)
    }
}

/// # Safety
///
/// The connection is ours; nobody else refers to what is pending.
unsafe fn pending<'a>(ctx: *mut sys::mbedtls_ssl_context) -> Option<&'a mut Pending> {
    // SAFETY: by this function's contract: NULL, or what `keep` has put there.
    unsafe { (*ctx).user_data.p.cast::<Pending>().as_mut() }
}

/// Forgets the signature that there is not yet.
///
/// # Safety
///
/// As [`pending`].
pub(super) unsafe fn forget(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: as in `pending`.
    unsafe {
        drop(Box::from_raw((*ctx).user_data.p.cast::<Pending>()));
        (*ctx).user_data.p = core::ptr::null_mut();
    }
}

/// In how many milliseconds the object is to be asked again; `None`: no signature is missing.
///
/// # Safety
///
/// As [`pending`].
pub(super) unsafe fn asks_again_in(ctx: *mut sys::mbedtls_ssl_context, now: u32) -> Option<u32> {
    // SAFETY: by this function's contract.
    let asked_at = unsafe { pending(ctx) }?.asked_at;
    Some(PAUSE_MS.saturating_sub(now.wrapping_sub(asked_at)))
}

/// The key that the next step may sign with, if it is one of the host's objects.
///
/// # Safety
///
/// The connection is set up, its handshake not over.
unsafe fn key<'a>(ctx: *mut sys::mbedtls_ssl_context) -> Option<&'a HardwareKey> {
    // SAFETY: by this function's contract: keys live as long as the connection.
    unsafe {
        let state = sys::mbedtls_ssl_states::try_from((*ctx).state).ok()?;
        let signs = match (is_client(ctx), is_tls13(ctx)) {
            (true, true) => state == sys::MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY,
            (false, false) => state == sys::MBEDTLS_SSL_SERVER_KEY_EXCHANGE,
            (true, false) | (false, true) => state == sys::MBEDTLS_SSL_CERTIFICATE_VERIFY,
        };
        let key = chosen(&*ctx).filter(|_| signs)?.key;
        is_hardware(key).then(|| &*(*key).pk_info.cast::<HardwareKey>())
    }
}

/// Makes a step of the handshake with the host in reach of the key.
///
/// # Safety
///
/// The connection is set up, its handshake not over, its `p_bio` a [`Call`]; its output buffer has room
/// for what the step may write.
pub(super) unsafe fn with_key(ctx: *mut sys::mbedtls_ssl_context, step: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: by this function's contract.
    match unsafe { key(ctx) } {
        // SAFETY: likewise.
        Some(key) => unsafe { step_that_signs(ctx, key, step) },
        None => step(),
    }
}

/// Not inlined: only where an object signs, the stack holds a configuration.
///
/// # Safety
///
/// As [`with_key`].
#[inline(never)]
unsafe fn step_that_signs(
    ctx: *mut sys::mbedtls_ssl_context,
    key: &HardwareKey,
    step: impl FnOnce() -> c_int,
) -> c_int {
    // SAFETY: by this function's contract. The step has a configuration that differs in its generator
    // alone, and nobody keeps a pointer to it. None raises.
    unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        if let Some(pending) = pending(ctx) {
            if is_tls13(ctx) {
                let ret = ask_again(call, key, pending);
                if ret != 0 {
                    return ret;
                }
            } else {
                return complete(ctx, call, key, pending);
            }
        }
        let conf = (*ctx).conf;
        let mut own = conf.read();
        let ask = |request: &Request<'_>, to: &mut [u8]| ask(ctx, call, request, to);
        let mut signing = Signing { conf, ask: &ask };
        sys::mbedtls_ssl_conf_rng(&raw mut own, Some(random), (&raw mut signing).cast());
        (*ctx).conf = &raw const own;
        let ret = step();
        (*ctx).conf = conf;
        if !call.awaits_signature.get() {
            forget(ctx);
            return ret;
        }
        match pending(ctx) {
            Some(pending) if !is_tls13(ctx) => match Array::copy_of(message(ctx)) {
                Ok(message) => pending.message = Some(message),
                Err(_) => {
                    // It cannot be made again.
                    forget(ctx);
                    call.interrupted(Interruption::NoMemory);
                    return sys::MBEDTLS_ERR_SSL_ALLOC_FAILED;
                }
            },
            _ => {}
        }
        (*ctx).out_msglen = 0;
        sys::MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS
    }
}

/// What a step of TLS 1.2 has written before it was told that there is no signature yet: a client's
/// CertificateVerify up to its algorithm, of a server's ServerKeyExchange as much as Mbed TLS says.
///
/// # Safety
///
/// As [`with_key`].
unsafe fn message<'a>(ctx: *const sys::mbedtls_ssl_context) -> &'a [u8] {
    const ALGORITHM: usize = 4 + 2;
    // SAFETY: by this function's contract.
    unsafe { slice((*ctx).out_msg, if is_client(ctx) { ALGORITHM } else { (*ctx).out_msglen }) }
}

/// Asks the object, and makes what it answers a signature as TLS has it, in `to`: its length.
///
/// # Errors
///
/// What the step is to answer; `awaits_signature` says if there is none yet.
fn signature(call: &Call<'_>, request: &Request<'_>, to: &mut [u8]) -> Result<usize, c_int> {
    let room = request.key.longest();
    // A raw signature is shorter than one in DER.
    let made = call.host(|host| host.sign_by_object(request.scheme, request.hash, to));
    let len = match made {
        Ok(len) => len,
        Err(Interruption::WouldBlock) => {
            call.awaits_signature.set(true);
            return Err(sys::MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS);
        }
        Err(why) => {
            call.interrupted(why);
            return Err(FAILED);
        }
    };
    // SAFETY: the configuration outlives the connection.
    let checks = unsafe { (*call.config).checks_signature() };
    let converted = Array::copy_of(to.get(..len.min(room)).unwrap_or_default())
        .and_then(|made| request.key.convert(request, &made, checks, to));
    converted.map_err(|error| {
        match error {
            Error::Value(invalid) => call.invalid(invalid),
            _ => call.interrupted(Interruption::NoMemory),
        }
        FAILED
    })
}

/// What a step's signature is made of.
///
/// # Safety
///
/// As [`with_key`], in a step.
unsafe fn ask(
    ctx: *mut sys::mbedtls_ssl_context,
    call: &Call<'_>,
    request: &Request<'_>,
    to: &mut [u8],
) -> Result<usize, c_int> {
    // TLS 1.3 tries another algorithm when there is no signature, but the object has been asked.
    if call.has_failed_to_sign() {
        return Err(FAILED);
    }
    // SAFETY: by this function's contract.
    if let Some(pending) = unsafe { pending(ctx) }
        && let Some(signature) = pending.signature.take()
        && pending.is(request)
        && let Some(to) = to.get_mut(..signature.len())
    {
        copy(to, &signature);
        return Ok(signature.len());
    }
    let result = signature(call, request, to);
    if call.awaits_signature.get() {
        let mut hash = [0; HASH_MAX];
        copy(&mut hash, request.hash);
        let made = Box::new(|| Pending {
            scheme: request.scheme,
            md: request.md,
            hash,
            hash_len: request.hash.len(),
            asked_at: call.ticks_ms(),
            message: None,
            signature: None,
        });
        // SAFETY: by this function's contract.
        unsafe { forget(ctx) };
        match made {
            // SAFETY: likewise.
            Ok(made) => unsafe { (*ctx).user_data.p = made.into_raw().cast() },
            Err(_) => {
                call.awaits_signature.set(false);
                call.interrupted(Interruption::NoMemory);
                return Err(FAILED);
            }
        }
    }
    result
}

/// TLS 1.3: asks again, before the step is made again. 0, or what the handshake is to answer.
fn ask_again(call: &Call<'_>, key: &HardwareKey, pending: &mut Pending) -> c_int {
    let Ok(mut made) = call.answering(|| Array::new(key.longest(), 0)) else {
        return call.wants_memory();
    };
    pending.asked_at = call.ticks_ms();
    let request = Request { key, scheme: pending.scheme, md: pending.md, hash: pending.hash() };
    let result = signature(call, &request, &mut made).and_then(|len| {
        Array::copy_of(made.get(..len).unwrap_or_default()).map_err(|_| {
            call.interrupted(Interruption::NoMemory);
            FAILED
        })
    });
    match result {
        Ok(signature) => {
            pending.signature = Some(signature);
            0
        }
        Err(error) => error,
    }
}

/// TLS 1.2: asks again, and where there is a signature now, completes the message and sends it.
///
/// # Safety
///
/// As [`with_key`].
unsafe fn complete(
    ctx: *mut sys::mbedtls_ssl_context,
    call: &Call<'_>,
    key: &HardwareKey,
    pending: &mut Pending,
) -> c_int {
    /// Of the signature.
    const LENGTH: usize = 2;
    pending.asked_at = call.ticks_ms();
    let request = Request { key, scheme: pending.scheme, md: pending.md, hash: pending.hash() };
    let Some(message) = pending.message.as_deref() else { return FAILED };
    let begin = message.len().saturating_add(LENGTH);
    // SAFETY: by this function's contract: there is room for the message with the longest signature.
    let room = unsafe { slice_mut((*ctx).out_msg, begin.saturating_add(key.longest())) };
    let Some((head, to)) = room.split_at_mut_checked(begin) else { return FAILED };
    let signed = match signature(call, &request, to) {
        Ok(signed) => signed,
        Err(error) => return error,
    };
    let [.., high, low] = signed.to_be_bytes();
    copy(head, message);
    copy(head.get_mut(message.len()..).unwrap_or_default(), &[high, low]);
    // SAFETY: by this function's contract. None raises.
    unsafe {
        let client = is_client(ctx);
        let (kind, state) = if client {
            (sys::MBEDTLS_SSL_HS_CERTIFICATE_VERIFY, sys::MBEDTLS_SSL_CLIENT_CHANGE_CIPHER_SPEC)
        } else {
            (sys::MBEDTLS_SSL_HS_SERVER_KEY_EXCHANGE, sys::MBEDTLS_SSL_CERTIFICATE_REQUEST)
        };
        (*ctx).out_msg.write(kind as u8);
        (*ctx).out_msgtype = sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int;
        (*ctx).out_msglen = begin.saturating_add(signed);
        (*ctx).state = state as c_int;
        forget(ctx);
        mbedtls_ssl_write_handshake_msg_ext(ctx, 1, 1)
    }
}

#[cfg(tls13)]
unsafe extern "C" {
    // Mbed TLS's (mbedtls/pk.h). Does not raise.
    fn __real_mbedtls_pk_sign_ext(
        kind: sys::mbedtls_pk_type_t,
        key: *mut sys::mbedtls_pk_context,
        md: sys::mbedtls_md_type_t,
        hash: *const u8,
        hash_len: usize,
        sig: *mut u8,
        sig_size: usize,
        sig_len: *mut usize,
        f_rng: Option<unsafe extern "C" fn(*mut core::ffi::c_void, *mut u8, usize) -> c_int>,
        p_rng: *mut core::ffi::c_void,
    ) -> c_int;
}

/// RSASSA-PSS by an object: Mbed TLS goes past the key's table for it.
///
/// This is called from: `mbedtls_ssl_handshake` in TLS 1.3, instead of Mbed TLS's function of that name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[cfg(tls13)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_pk_sign_ext(
    kind: sys::mbedtls_pk_type_t,
    key: *mut sys::mbedtls_pk_context,
    md: sys::mbedtls_md_type_t,
    hash: *const u8,
    hash_len: usize,
    sig: *mut u8,
    sig_size: usize,
    sig_len: *mut usize,
    f_rng: Option<unsafe extern "C" fn(*mut core::ffi::c_void, *mut u8, usize) -> c_int>,
    p_rng: *mut core::ffi::c_void,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        // "The length of the Salt MUST be equal to the length of the output of the digest algorithm" (RFC 8446
        // 4.2.3), for which a short key has no room with a long one. Mbed TLS takes a shorter salt then, which no
        // peer accepts; told that it fails, it goes on with the client's next scheme.
        let encoded = sys::mbedtls_pk_get_bitlen(key).saturating_add(6).wrapping_shr(3);
        if kind == sys::MBEDTLS_PK_RSASSA_PSS && encoded < hash_len.saturating_mul(2).saturating_add(2) {
            return sys::MBEDTLS_ERR_RSA_BAD_INPUT_DATA;
        }
        if kind == sys::MBEDTLS_PK_RSASSA_PSS && is_hardware(key) {
            return sign_as(Scheme::Pss, key, md, (hash, hash_len), (sig, sig_size), sig_len, f_rng, p_rng);
        }
        __real_mbedtls_pk_sign_ext(kind, key, md, hash, hash_len, sig, sig_size, sig_len, f_rng, p_rng)
    }
}
