// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs between the versions of Mbed TLS, 3.6.0 to 3.6.7, behind one set of names.
//!
//! | | to 3.6.2 | 3.6.3 to 3.6.5 | from 3.6.6 |
//! |---|---|---|---|
//! | pointers into the buffers | one function sets those of both | one for each | one for each |
//! | a stream's handshake message in several records | refused | put together | put together |
//! | a ClientHello in several records or datagrams | refused | refused | put together |
//! | the length of a ClientHello, once read | its record's | its record's | as of every message |
//! | records that did not authenticate | counted in a field | in that which says how much of a message has come | likewise |
//! | the version of a ClientHello's record | not looked at | not looked at | not above the highest |
//!
//! What a version has is seen in its headers (build.rs), and in its number only where they
//! do not tell.

use core::ffi::c_int;

use super::super::sys;

/// The record counter, before a stream's header or in a datagram's.
pub(super) const COUNTER: usize = 8;
/// A stream's record header: type, version, length.
pub(super) const HEADER: usize = 5;

/// `MBEDTLS_SSL_OUT_CONTENT_LEN`, of which the bindings have the first definition, and the
/// configuration two: what follows from it is right.
pub(super) const OUT_CONTENT: usize =
    (sys::MBEDTLS_SSL_OUT_PAYLOAD_LEN as usize).saturating_sub(sys::MBEDTLS_SSL_PAYLOAD_OVERHEAD as usize);

/// Whether datagrams carry the records.
///
/// # Safety
///
/// The connection has a configuration.
pub(super) unsafe fn is_datagram(ssl: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    unsafe { (*(*ssl).conf).transport == sys::MBEDTLS_SSL_TRANSPORT_DATAGRAM as u8 }
}

/// Whether this side is the client.
///
/// # Safety
///
/// As [`is_datagram`].
pub(super) unsafe fn is_client(ssl: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    unsafe { (*(*ssl).conf).endpoint == sys::MBEDTLS_SSL_IS_CLIENT as u8 }
}

/// Whether TLS 1.3 is what is agreed on, or, until that is known, the highest there is.
///
/// # Safety
///
/// As [`is_datagram`].
pub(super) unsafe fn is_tls13(ssl: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    cfg!(tls13) && unsafe { (*ssl).tls_version } == sys::MBEDTLS_SSL_VERSION_TLS1_3
}

/// Whether the peer must show a certificate (`MBEDTLS_SSL_VERIFY_*`), for the name that it asks for.
///
/// # Safety
///
/// As [`is_datagram`].
#[cfg(mbedtls_ssl_keep_peer_certificate)]
pub(super) unsafe fn verify_mode(ssl: *const sys::mbedtls_ssl_context) -> u8 {
    // SAFETY: by this function's contract.
    unsafe {
        #[cfg(mbedtls_ssl_server_name_indication)]
        if let Some(handshake) = (*ssl).handshake.as_ref()
            && u32::from(handshake.sni_authmode) != sys::MBEDTLS_SSL_VERIFY_UNSET
        {
            return handshake.sni_authmode;
        }
        (*(*ssl).conf).authmode
    }
}

/// Bytes of the header of a handshake's message (RFC 5246 7.4, RFC 6347 4.2.2).
///
/// # Safety
///
/// As [`is_datagram`].
pub(super) unsafe fn message_header(ssl: *const sys::mbedtls_ssl_context) -> usize {
    // SAFETY: by this function's contract.
    if unsafe { is_datagram(ssl) } { 12 } else { 4 }
}

/// `mbedtls_ssl_reset_in_pointers`: every pointer into the input buffer, as before its first
/// record.
///
/// # Safety
///
/// The connection has a configuration and an input buffer.
pub(super) unsafe fn reset_in_pointers(ssl: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract. Does not raise.
    unsafe {
        let counter = if is_datagram(ssl) { 0 } else { COUNTER };
        (*ssl).in_hdr = (*ssl).in_buf.wrapping_add(counter);
        sys::mbedtls_ssl_update_in_pointers(ssl);
    }
}

/// `mbedtls_ssl_reset_out_pointers` and `mbedtls_ssl_update_out_pointers`: every pointer into
/// the output buffer, as before a record of the epoch that `transform_out` is of.
///
/// # Safety
///
/// The connection has a configuration and an output buffer.
pub(super) unsafe fn reset_out_pointers(ssl: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract. Does not raise.
    unsafe {
        if is_datagram(ssl) {
            (*ssl).out_hdr = (*ssl).out_buf;
        } else {
            (*ssl).out_ctr = (*ssl).out_buf;
            (*ssl).out_hdr = (*ssl).out_buf.wrapping_add(COUNTER);
        }
        sys::mbedtls_ssl_update_out_pointers(ssl, (*ssl).transform_out);
    }
}

/// No pointer into the output buffer, for there is none.
pub(super) fn clear_out_pointers(ssl: &mut sys::mbedtls_ssl_context) {
    let none = core::ptr::null_mut();
    (ssl.out_buf, ssl.out_ctr, ssl.out_hdr) = (none, none, none);
    (ssl.out_len, ssl.out_iv, ssl.out_msg) = (none, none, none);
    #[cfg(mbedtls_ssl_dtls_connection_id)]
    {
        ssl.out_cid = none;
    }
}

/// What a record that is written next takes beside its payload: header, Connection ID, IV, MAC or
/// tag, padding. As `mbedtls_ssl_get_record_expansion`, which measures the header between pointers
/// that are not set where there is no buffer.
///
/// # Safety
///
/// The connection has a configuration.
pub(super) unsafe fn expansion(ssl: *const sys::mbedtls_ssl_context) -> usize {
    // SAFETY: by this function's contract; a transform in use is the connection's own.
    let (datagram, transform) = unsafe { (is_datagram(ssl), (*ssl).transform_out.as_ref()) };
    let header = if datagram { HEADER.saturating_add(COUNTER) } else { HEADER };
    let Some(transform) = transform else { return header };
    let protection = if transform.taglen == 0 && transform.ivlen != 0 {
        // CBC: an IV and padding of a block each.
        transform.ivlen.saturating_mul(2).saturating_add(transform.maclen)
    } else {
        transform.minlen
    };
    #[cfg(mbedtls_ssl_dtls_connection_id)]
    let cid = match usize::from(transform.out_cid_len) {
        0 => 0,
        // And the content's type, and what hides the length (RFC 9146 4).
        len => len.saturating_add(sys::MBEDTLS_SSL_CID_TLS1_3_PADDING_GRANULARITY as usize),
    };
    #[cfg(not(mbedtls_ssl_dtls_connection_id))]
    let cid = 0;
    header.saturating_add(cid).saturating_add(protection)
}

/// The most bytes that a record written next may carry; 0 if the path takes none. As
/// `mbedtls_ssl_get_max_out_record_payload`, which takes from a path's MTU what
/// `mbedtls_ssl_get_record_expansion` says.
///
/// # Safety
///
/// The connection has a configuration.
pub(super) unsafe fn max_payload(ssl: *const sys::mbedtls_ssl_context) -> usize {
    #[cfg(mbedtls_ssl_proto_dtls)]
    {
        // SAFETY: by this function's contract; reads the connection, and does not raise.
        let (mtu, expansion) = unsafe { (sys::mbedtls_ssl_get_current_mtu(ssl), expansion(ssl)) };
        if mtu != 0 {
            let most = OUT_CONTENT;
            #[cfg(mbedtls_ssl_max_fragment_length)]
            // SAFETY: as above.
            let most = most.min(unsafe { sys::mbedtls_ssl_get_output_max_frag_len(ssl) });
            return most.min(mtu.saturating_sub(expansion));
        }
    }
    // SAFETY: by this function's contract; looks at no pointer where there is no MTU. Does not raise.
    usize::try_from(unsafe { sys::mbedtls_ssl_get_max_out_record_payload(ssl) }).unwrap_or(0)
}

/// Whether a part of a stream's handshake message is in the input buffer, in front of
/// `in_hdr`, and the rest still to come.
#[cfg(mbedtls_in_hsfraglen)]
pub(super) fn is_message_cut(ssl: &sys::mbedtls_ssl_context) -> bool {
    ssl.badmac_seen_or_in_hsfraglen != 0
}

/// Never: a message in several records is refused.
#[cfg(not(mbedtls_in_hsfraglen))]
pub(super) fn is_message_cut(_: &sys::mbedtls_ssl_context) -> bool {
    false
}

/// How many bytes of that message are still to come.
#[cfg(mbedtls_in_hsfraglen)]
pub(super) fn message_rest(ssl: &sys::mbedtls_ssl_context) -> usize {
    let come = usize::try_from(ssl.badmac_seen_or_in_hsfraglen).unwrap_or(0);
    if come == 0 { 0 } else { ssl.in_hslen.saturating_sub(come) }
}

/// None: see [`is_message_cut`].
#[cfg(not(mbedtls_in_hsfraglen))]
pub(super) fn message_rest(_: &sys::mbedtls_ssl_context) -> usize {
    0
}

/// The highest version that the header of the next record may have; `None`: it is not
/// looked at.
pub(super) fn highest_version(ssl: &sys::mbedtls_ssl_context) -> Option<sys::mbedtls_ssl_protocol_version> {
    let hello = ssl.state <= sys::MBEDTLS_SSL_CLIENT_HELLO as c_int;
    // SAFETY: the connection has a configuration.
    let conf = unsafe { &*ssl.conf };
    let server = conf.endpoint == sys::MBEDTLS_SSL_IS_SERVER as u8;
    let looks = !(hello && server) || sys::MBEDTLS_VERSION_PATCH >= 6;
    looks.then_some(conf.max_tls_version)
}

/// How long the handshake message is that has come last, its header included.
///
/// # Safety
///
/// `in_msg` is in the input buffer.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
pub(super) unsafe fn message_len(ssl: &sys::mbedtls_ssl_context) -> usize {
    if ssl.state == sys::MBEDTLS_SSL_CLIENT_HELLO as c_int && sys::MBEDTLS_VERSION_PATCH < 6 {
        // Mbed TLS has read this one by itself, and kept no length. The header is in the buffer,
        // zeros if none has come.
        // SAFETY: by this function's contract.
        return u16::from_be_bytes(unsafe { ssl.in_len.cast::<[u8; 2]>().read() }).into();
    }
    ssl.in_hslen.min(ssl.in_msglen)
}

/// How many datagrams' records did not authenticate since this was asked last. To be asked
/// before each datagram: where the number is not 0, Mbed TLS from 3.6.3 on does not look at
/// the length of the next handshake message, which it takes to be the rest of one.
pub(super) fn take_bad_records(ssl: &mut sys::mbedtls_ssl_context) -> u32 {
    #[cfg(mbedtls_in_hsfraglen)]
    let count = &mut ssl.badmac_seen_or_in_hsfraglen;
    #[cfg(not(mbedtls_in_hsfraglen))]
    let count = &mut ssl.badmac_seen;
    core::mem::take(count)
}
