// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peer's certificates are read where they lie, in the input buffer. Mbed TLS copies each before it
//! looks at any: a chain is twice in memory while it is verified, which takes the most there is.
//!
//! What is kept of them is copied when the step is over, before the next record comes.

use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::super::sys;
use super::layout::{is_client, is_tls13, message_header};
use crate::error::{Error, Result};
use crate::mem::slice;
use crate::micropython_sys::mpglue_calloc;
use crate::wire::Fields;

unsafe extern "C" {
    // Internal to the linker's --wrap. Does not raise.
    fn __real_mbedtls_x509_crt_parse_der(
        chain: *mut sys::mbedtls_x509_crt,
        der: *const u8,
        len: usize,
    ) -> c_int;
}

/// Where the certificate that was read last ends, of a message that a step reads; and that message. What lies
/// in an input buffer is nobody else's certificate: of threads that read at the same time one has its own
/// copied.
static LAST: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
static END: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// What is in front of a certificate: its length, and in TLS 1.3 the extensions of the one before: the length
/// of none.
const BEFORE: [usize; 2] = [3, 2 + 3];

/// This is called from: whatever reads a certificate, instead of Mbed TLS's function of that name.
///
/// # Safety
///
/// As for Mbed TLS's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __wrap_mbedtls_x509_crt_parse_der(
    chain: *mut sys::mbedtls_x509_crt,
    der: *const u8,
    len: usize,
) -> c_int {
    let (here, last) = (der.cast_mut(), LAST.load(Ordering::Relaxed));
    let is_next = !last.is_null()
        && BEFORE.iter().any(|before| last.wrapping_add(*before) == here)
        && here < END.load(Ordering::Relaxed);
    // SAFETY: by this function's contract; the message stays where it is until `step_in_place` has looked
    // after what is made of it.
    unsafe {
        if !is_next {
            return __real_mbedtls_x509_crt_parse_der(chain, der, len);
        }
        LAST.store(here.wrapping_add(len), Ordering::Relaxed);
        sys::mbedtls_x509_crt_parse_der_nocopy(chain, der, len)
    }
}

/// `step`, which reads a Certificate message, if that is what has come and is kept for it.
///
/// # Safety
///
/// The connection is set up, its call under way, its handshake not over.
pub(super) unsafe fn step_in_place(
    ctx: *mut sys::mbedtls_ssl_context,
    step: impl FnOnce() -> c_int,
) -> c_int {
    // SAFETY: by this function's contract: the message is where messages are, and stays while the step
    // reads it. The session and its chain are the connection's own. None raises.
    unsafe {
        let Some((list, end)) = certificates(ctx) else { return step() };
        LAST.store(list, Ordering::Relaxed);
        END.store(end, Ordering::Relaxed);
        let ret = step();
        LAST.store(core::ptr::null_mut(), Ordering::Relaxed);
        let Some(session) = (*ctx).session_negotiate.as_ref() else { return ret };
        let Some(cert) = session.peer_cert.as_mut() else { return ret };
        if ret == 0 && keep_first(cert).is_ok() {
            return 0;
        }
        sys::mbedtls_x509_crt_free(cert);
        if ret == 0 { sys::MBEDTLS_ERR_SSL_ALLOC_FAILED } else { ret }
    }
}

/// Where the certificates of the message begin that has come, and the message ends; `None`: it is another one.
///
/// # Safety
///
/// As [`step_in_place`].
unsafe fn certificates(ctx: *const sys::mbedtls_ssl_context) -> Option<(*mut u8, *mut u8)> {
    const CERTIFICATE: u8 = sys::MBEDTLS_SSL_HS_CERTIFICATE as u8;
    // SAFETY: by this function's contract; nobody writes to the message meanwhile.
    unsafe {
        let state = if is_client(ctx) {
            sys::MBEDTLS_SSL_SERVER_CERTIFICATE
        } else {
            sys::MBEDTLS_SSL_CLIENT_CERTIFICATE
        };
        let is_kept = (*ctx).keep_current_message != 0
            && (*ctx).in_msgtype == sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int
            && (*ctx).state == state as c_int;
        if !is_kept {
            return None;
        }
        let message = slice((*ctx).in_msg.cast_const(), (*ctx).in_hslen.min((*ctx).in_msglen));
        let [CERTIFICATE, ..] = message else { return None };
        let mut fields = Fields(message.get(message_header(ctx)..)?);
        if is_tls13(ctx) {
            fields.vector(1)?;
        }
        let list = fields.vector(3)?.as_ptr_range();
        Some((list.start.cast_mut(), list.end.cast_mut()))
    }
}

/// Of what lies in the message keeps what is used beyond this step: of the first certificate the key, its DER
/// and how long it is valid.
///
/// # Safety
///
/// It is a chain of Mbed TLS's, and the message is still where it was.
unsafe fn keep_first(cert: &mut sys::mbedtls_x509_crt) -> Result<()> {
    // SAFETY: by this function's contract. What is taken out is not freed with the rest; what is put back
    // is the certificate's own, from the allocator by which it is freed. None raises.
    unsafe {
        if cert.own_buffer == 0 && !cert.raw.p.is_null() {
            let copy = mpglue_calloc(1, cert.raw.len).cast::<u8>();
            if copy.is_null() {
                return Err(Error::NoMemory);
            }
            copy.copy_from_nonoverlapping(cert.raw.p, cert.raw.len);
            cert.raw.p = copy;
        }
        let (raw, pk, valid_to) = (cert.raw, cert.pk, cert.valid_to);
        cert.raw.p = core::ptr::null_mut();
        sys::mbedtls_pk_init(&raw mut cert.pk);
        sys::mbedtls_x509_crt_free(cert);
        (cert.raw, cert.pk, cert.valid_to) = (raw, pk, valid_to);
        cert.own_buffer = 1;
    }
    Ok(())
}
