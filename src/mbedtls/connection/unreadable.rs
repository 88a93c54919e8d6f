// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates in a peer's chain that Mbed TLS does not read, and would end the handshake for, also
//! where nobody verifies them: with an extension that is critical and unknown to it, a key of
//! another kind.
//!
//! One behind the first is taken out of the Certificate message: perhaps nobody needs it, and
//! without it nothing is trusted that was not before. In the first what is critical is called not
//! critical while Mbed TLS reads it: so it is not what its issuer signed, and is not verified.
//!
//! Mbed TLS reads a message again that it is told to keep, and the transcript is made when one comes.
//! Not where no certificate is kept, for want of flash.

use core::ffi::{c_int, c_uint};

use super::super::crt::Chain;
use super::super::sys;
use super::call::{Call, mbedtls_ssl_flush_output};
use super::layout::{is_client, message_header, verify_mode};
use super::messages::of_certificate;
use crate::error::Error;
use crate::mem::{Array, close_gap, slice_mut};

unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h), and linkable. Does not raise.
    fn mbedtls_ssl_read_record(ssl: *mut sys::mbedtls_ssl_context, update_hs_digest: c_uint) -> c_int;
    #[cfg(mbedtls_ssl_proto_dtls)]
    fn mbedtls_ssl_flight_transmit(ssl: *mut sys::mbedtls_ssl_context) -> c_int;
}

/// `MBEDTLS_SSL_RETRANS_SENDING` (library/ssl_misc.h).
#[cfg(mbedtls_ssl_proto_dtls)]
const SENDING: u8 = sys::MBEDTLS_SSL_RETRANS_SENDING as u8;
const CERTIFICATE: u8 = sys::MBEDTLS_SSL_HS_CERTIFICATE as u8;

/// A number of three bytes at `at`.
fn number(message: &[u8], at: usize) -> Option<usize> {
    let &[high, middle, low] = message.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes([0, high, middle, low]) as usize)
}

fn set_number(message: &mut [u8], at: usize, number: usize) -> Option<()> {
    let [_, number @ ..] = (number as u32).to_be_bytes();
    *message.get_mut(at..)?.first_chunk_mut()? = number;
    Some(())
}

/// Whether Mbed TLS does not read it; where there is no memory to find out, it finds out itself.
fn is_unreadable(der: &[u8]) -> bool {
    matches!(Chain::new().append_der(der), Err(Error::Value(_)))
}

/// Calls each extension that is critical not critical.
fn belittle(der: &mut [u8]) {
    // BOOLEAN TRUE in front of an OCTET STRING.
    let mut rest = der;
    while let Some(at) = rest.windows(4).position(|window| window == [1, 1, 0xff, 4]) {
        let Some([_, _, critical, behind @ ..]) = rest.get_mut(at..) else { return };
        *critical = 0;
        rest = behind;
    }
}

/// What was done to the message: by how many bytes it is shorter, and the first certificate as it was.
struct Tidied {
    removed: usize,
    first: Option<Array<u8>>,
}

/// Where the list's entry at `at` begins, behind its length, and where it ends.
fn entry(message: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = at.checked_add(3)?;
    Some((start, start.checked_add(number(message, at)?)?))
}

/// Makes a Certificate message, with a header of `header` bytes, one that Mbed TLS reads. Behind it
/// may be more of the record. Each byte is moved once, however many certificates there are; a list
/// that is not whole is left to Mbed TLS to refuse.
fn tidy(record: &mut [u8], len: usize, header: usize) -> Option<Tidied> {
    let mut tidied = Tidied { removed: 0, first: None };
    let list = header.checked_add(3)?;
    let mut at = list;
    while at < len {
        (_, at) = entry(record.get(..len)?, at)?;
    }
    if at != len {
        return None;
    }
    // What stays goes to `to`.
    let mut to = list;
    at = list;
    while at < len {
        let (start, end) = entry(record, at)?;
        let der = record.get_mut(start..end)?;
        let mut stays = !is_unreadable(der);
        if !stays && at == list {
            let first = Array::copy_of(der).ok()?;
            belittle(der);
            if is_unreadable(der) {
                der.copy_from_slice(&first);
                return None;
            }
            tidied.first = Some(first);
            stays = true;
        }
        if stays {
            close_gap(record.get_mut(to..end)?, at.checked_sub(to)?);
            to = to.checked_add(end.checked_sub(at)?)?;
        }
        at = end;
    }
    tidied.removed = len.checked_sub(to)?;
    close_gap(record.get_mut(to..)?, tidied.removed);
    let body = to.checked_sub(header)?;
    set_number(record, 1, body)?;
    set_number(record, header, body.checked_sub(3)?)?;
    Some(tidied)
}

/// What Mbed TLS does before a step: what the transport has not taken yet leaves first. 0, or what
/// the step is to answer.
///
/// # Safety
///
/// The connection is set up, its call under way, its handshake not over.
unsafe fn send_rest(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        let ret = mbedtls_ssl_flush_output(ctx);
        #[cfg(mbedtls_ssl_proto_dtls)]
        if ret == 0
            && super::layout::is_datagram(ctx)
            && (*ctx).handshake.as_ref().is_some_and(|handshake| handshake.retransmit_state == SENDING)
        {
            return mbedtls_ssl_flight_transmit(ctx);
        }
        ret
    }
}

/// Whether the next step reads a Certificate message.
///
/// # Safety
///
/// The connection is set up.
unsafe fn awaits_certificate(ctx: *mut sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract; NULL, or static.
    unsafe {
        let state = if is_client(ctx) {
            sys::MBEDTLS_SSL_SERVER_CERTIFICATE
        } else if verify_mode(ctx) != sys::MBEDTLS_SSL_VERIFY_NONE as u8 {
            sys::MBEDTLS_SSL_CLIENT_CERTIFICATE
        } else {
            return false;
        };
        (*ctx).state == state as c_int
            && (*ctx).tls_version == sys::MBEDTLS_SSL_VERSION_TLS1_2
            && (*ctx)
                .handshake
                .as_ref()
                .and_then(|handshake| handshake.ciphersuite_info.as_ref())
                .is_some_and(|suite| of_certificate(suite.key_exchange.into()))
    }
}

/// `step`, before which the Certificate message that it reads is made one that Mbed TLS can.
///
/// # Safety
///
/// The connection is set up, its call under way, its handshake not over.
pub(super) unsafe fn step_with_certificates(
    ctx: *mut sys::mbedtls_ssl_context,
    step: impl FnOnce() -> c_int,
) -> c_int {
    // SAFETY: by this function's contract. Between its calls the message is where Mbed TLS says, as
    // long as it says, and nobody else looks at it. None raises.
    unsafe {
        if !awaits_certificate(ctx) {
            return step();
        }
        let mut ret = send_rest(ctx);
        if ret == 0 {
            ret = mbedtls_ssl_read_record(ctx, 1);
        }
        if ret != 0 {
            return ret;
        }
        (*ctx).keep_current_message = 1;
        let mut first: Option<Array<u8>> = None;
        if (*ctx).in_msgtype == sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int && *(*ctx).in_msg == CERTIFICATE {
            let header = message_header(ctx);
            let record = slice_mut((*ctx).in_msg, (*ctx).in_msglen);
            if let Some(tidied) = tidy(record, (*ctx).in_hslen, header) {
                (*ctx).in_hslen = (*ctx).in_hslen.saturating_sub(tidied.removed);
                (*ctx).in_msglen = (*ctx).in_msglen.saturating_sub(tidied.removed);
                first = tidied.first;
                (*(*ctx).p_bio.cast::<Call<'_>>())
                    .problems
                    .unread
                    .set(tidied.removed != 0 || first.is_some());
            }
        }
        let ret = step();
        // What is kept of it is what came.
        if let Some(first) = first
            && let Some(session) = (*ctx).session_negotiate.as_ref()
            && let Some(cert) = session.peer_cert.as_ref()
            && cert.raw.len == first.len()
        {
            slice_mut(cert.raw.p, cert.raw.len).copy_from_slice(&first);
        }
        ret
    }
}
