// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of TLS 1.3 (RFC 8446 5), which Mbed TLS passes over, does not read, or does not send.

use core::ffi::{c_int, c_uint};

use super::super::sys;
use super::alerts::within;
use super::layout::{COUNTER, HEADER, is_client, is_message_cut, is_tls13};
use super::messages::awaits_flight;

unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h), and linkable. Does not raise.
    fn mbedtls_ssl_read_record(ssl: *mut sys::mbedtls_ssl_context, update_hs_digest: c_uint) -> c_int;
}

/// A handshake message's header: type and length.
pub(super) const MESSAGE: usize = 4;
/// An alert.
const USER_CANCELED: u8 = 90;
/// A record that stands for nothing (appendix D.4).
pub(super) const CHANGE_CIPHER_SPEC: [u8; 6] = [sys::MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC as u8, 3, 3, 0, 1, 1];

/// Whether a server has asked for another hello, of which the version is TLS 1.3's.
///
/// # Safety
///
/// The connection is set up, and in a handshake.
pub(super) unsafe fn has_retried(ctx: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    unsafe { (*ctx).handshake.as_ref() }.is_some_and(|handshake| handshake.hello_retry_request_flag != 0)
}

/// `mbedtls_ssl_read_record`, which wants a message's header in one record: "handshake messages MAY be
/// [...] fragmented across several records" (5.1). It keeps a message of which a part has come, and what
/// there is of a header is made such a part, of a message that is nothing but its header; when that is
/// whole, of the message itself. Those in the clear see to themselves.
///
/// # Safety
///
/// The connection is set up, of TLS 1.3, its call under way.
pub(super) unsafe fn read(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        loop {
            let ret = mbedtls_ssl_read_record(ctx, 0);
            if is_header_cut(ctx, ret) {
                (*ctx).in_hslen = MESSAGE;
                keep_part(ctx);
                continue;
            }
            let is_message = (*ctx).in_msgtype == sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int;
            if ret != 0 || !is_message || (*ctx).in_hslen != MESSAGE {
                return ret;
            }
            let [_, high, middle, low] = (*ctx).in_msg.cast::<[u8; MESSAGE]>().read();
            let body = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
            (*ctx).in_hslen = MESSAGE.saturating_add(body);
            if (*ctx).in_hslen <= (*ctx).in_msglen {
                return 0;
            }
            if (*ctx).in_hslen > sys::MBEDTLS_SSL_IN_CONTENT_LEN as usize {
                return sys::MBEDTLS_ERR_SSL_INVALID_RECORD;
            }
            keep_part(ctx);
        }
    }
}

/// Whether `ret` is about an encrypted record that ends in a message's header.
///
/// # Safety
///
/// The connection is set up.
unsafe fn is_header_cut(ctx: *const sys::mbedtls_ssl_context, ret: c_int) -> bool {
    // SAFETY: by this function's contract.
    unsafe {
        ret == sys::MBEDTLS_ERR_SSL_INVALID_RECORD
            && (*ctx).in_msgtype == sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int
            && (1..MESSAGE).contains(&(*ctx).in_msglen)
            && !is_message_cut(&*ctx)
            && !(*ctx).transform_in.is_null()
    }
}

/// Makes what there is of a message the beginning of one of `in_hslen` bytes, as Mbed TLS has it.
///
/// # Safety
///
/// The connection is set up, its input buffer as its message left it.
unsafe fn keep_part(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract: it is `in_msglen` bytes where messages are. None raises.
    unsafe {
        let start = (*ctx).in_buf.add(COUNTER.saturating_add(HEADER));
        core::ptr::copy((*ctx).in_msg, start, (*ctx).in_msglen);
        (*ctx).badmac_seen_or_in_hsfraglen = (*ctx).in_msglen as c_uint;
        (*ctx).in_hdr = start.add((*ctx).in_msglen);
        (*ctx).in_msglen = 0;
        sys::mbedtls_ssl_update_in_pointers(ctx);
    }
}

/// `mbedtls_ssl_read`, likewise.
///
/// # Safety
///
/// The connection's handshake of TLS 1.3 is over, its call under way.
pub(super) unsafe fn read_data(ctx: *mut sys::mbedtls_ssl_context, buf: &mut [u8]) -> c_int {
    // SAFETY: by this function's contract; the slice is valid. None raises.
    unsafe {
        loop {
            if is_message_cut(&*ctx) {
                match read(ctx) {
                    0 => (*ctx).keep_current_message = 1,
                    sys::MBEDTLS_ERR_SSL_CONN_EOF => return 0,
                    ret => return ret,
                }
            }
            let ret = sys::mbedtls_ssl_read(ctx, buf.as_mut_ptr(), buf.len());
            if !is_header_cut(ctx, ret) {
                return ret;
            }
            (*ctx).in_hslen = MESSAGE;
            keep_part(ctx);
        }
    }
}

/// Whether an alert is the first that this side encrypts, and a client's ChangeCipherSpec still to come,
/// which Mbed TLS sends with its Finished: boxes on the way, and peers, expect it before what they take for
/// data (appendix D.4).
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn owes_change_cipher_spec(ctx: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    unsafe {
        is_tls13(ctx)
            && is_client(ctx)
            && !(*ctx).transform_out.is_null()
            && sys::mbedtls_ssl_states::try_from((*ctx).state).is_ok_and(awaits_flight)
            && !has_retried(ctx)
    }
}

/// Whether an alert is in the clear though the ServerHello is written, of which Mbed TLS makes keys then and
/// looks at the client's share: a client that has read that one would expect an encrypted alert.
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn takes_back_hello(ctx: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    unsafe {
        is_tls13(ctx)
            && !is_client(ctx)
            && (*ctx).transform_out.is_null()
            && sys::mbedtls_ssl_states::try_from((*ctx).state).is_ok_and(is_before_keys)
    }
}

/// Whether a server has yet to send something that is encrypted.
fn is_before_keys(state: sys::mbedtls_ssl_states) -> bool {
    matches!(
        state,
        sys::MBEDTLS_SSL_SERVER_HELLO
            | sys::MBEDTLS_SSL_SERVER_CCS_AFTER_SERVER_HELLO
            | sys::MBEDTLS_SSL_ENCRYPTED_EXTENSIONS
    )
}

/// What is to be said of the record that Mbed TLS has just passed over, and must not: 0, or the error. It is
/// looked at once.
///
/// - An alert that is a warning: "error alerts [...] MUST be treated as error alerts when received regardless
///   of the AlertLevel in the message", as are unknown ones (6).
/// - "A protected change_cipher_spec record" (5).
///
/// # Safety
///
/// The connection is set up, with an input buffer of `size` bytes; Mbed TLS is about to read on in it.
pub(super) unsafe fn passed_over(ctx: *mut sys::mbedtls_ssl_context, size: usize) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        let kind = (*ctx).in_msgtype.cast_unsigned();
        let is_one = [sys::MBEDTLS_SSL_MSG_ALERT, sys::MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC].contains(&kind);
        if !is_one || !is_tls13(ctx) || (*ctx).transform_in.is_null() {
            return 0;
        }
        (*ctx).in_msgtype = 0;
        let (header, content) = (within(ctx, size, (*ctx).in_hdr, 1), within(ctx, size, (*ctx).in_msg, 2));
        // Mbed TLS 3.6.5 puts the type of the content there; behind the handshake none comes in the clear.
        let is_protected = header == [sys::MBEDTLS_SSL_MSG_APPLICATION_DATA as u8]
            || (*ctx).state == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
        match content {
            [_, alert] if kind == sys::MBEDTLS_SSL_MSG_ALERT && *alert != USER_CANCELED => {
                sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
            }
            _ if kind != sys::MBEDTLS_SSL_MSG_ALERT && is_protected => {
                sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE
            }
            _ => 0,
        }
    }
}
