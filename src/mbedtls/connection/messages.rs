// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long the messages of a handshake get. Mbed TLS writes them into the
//! output buffer without a look at its size, which it takes for granted; where there is
//! a smaller one, this is what it must hold.
//!
//! Written for Mbed TLS 3.6: each bound is what `ssl_client.c`, `ssl_tls12_client.c`,
//! `ssl_tls12_server.c` and `ssl_tls.c` write, and something to spare.

use core::ffi::{c_int, c_uint};

use super::super::sys;
#[cfg(mbedtls_ssl_handshake_with_cert_enabled)]
use super::layout::OUT_CONTENT;
use super::layout::is_client;
#[cfg(mbedtls_ssl_max_fragment_length)]
use super::layout::is_datagram;
#[cfg(tls13)]
use super::layout::is_tls13;
#[cfg(mbedtls_ssl_proto_dtls)]
use crate::micropython_sys::mpglue_free;

/// Types and lengths, randoms, session ids, and extensions that do not depend on
/// anything: of either hello 150 bytes at most.
const HELLO: usize = 256;
/// The longest list of any name of one byte's length: ALPN's, a cookie.
const NAME: usize = 256;
/// A public key on the largest curve, its group and its length.
const POINT: usize = 160;
/// An ECDSA signature on the largest curve, as DER, its algorithm and its length.
const ECDSA: usize = 160;
/// The largest RSA modulus that Mbed TLS takes.
const RSA: usize = 1024 + 16;
/// ServerHelloDone, ChangeCipherSpec, Finished, an alert; a message's header, which for
/// a datagram is longer and written in front of the rest last.
const SHORT: usize = 40;
/// A message's type and length.
#[cfg(mbedtls_ssl_handshake_with_cert_enabled)]
const MESSAGE_HEADER: usize = 4;
/// A client's identity, or a server's hint.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
const PSK: usize = 2 + super::super::psk::IDENTITY_MAX;
#[cfg(not(mbedtls_ssl_handshake_with_psk_enabled))]
const PSK: usize = 0;

/// The longest session in a ticket, its peer's certificate and the name of a protocol aside, and what the
/// ticket and its message have beside it.
#[cfg(tickets)]
const TICKET: usize = 160 + 34 + 64;

/// How many elements are in front of the one that is 0; none in NULL.
///
/// # Safety
///
/// `list` is NULL, or ends with such an element.
unsafe fn count<T: Copy + Default + PartialEq>(list: *const T) -> usize {
    let mut len = 0_usize;
    // SAFETY: by this function's contract.
    while !list.is_null() && unsafe { *list.add(len) } != T::default() {
        len = len.saturating_add(1);
    }
    len
}

/// The curves that the client has, of those that are compiled in; NULL where nothing is done on any.
#[cfg(any(mbedtls_ssl_srv_c, mbedtls_ssl_keep_peer_certificate))]
pub(super) fn client_curves(handshake: &sys::mbedtls_ssl_handshake_params) -> *mut u16 {
    #[cfg(mbedtls_curves_tls_id)]
    return handshake.curves_tls_id;
    #[cfg(not(mbedtls_curves_tls_id))]
    {
        let _ = handshake;
        core::ptr::null_mut()
    }
}

/// The elements in front of the one that is 0.
///
/// # Safety
///
/// As [`count`].
#[cfg(any(mbedtls_ssl_srv_c, mbedtls_ssl_keep_peer_certificate))]
pub(super) unsafe fn each<T: Copy + Default + PartialEq>(list: *const T) -> impl Iterator<Item = T> {
    // SAFETY: by this function's contract.
    let len = unsafe { count(list) };
    // SAFETY: as above.
    (0..len).map(move |i| unsafe { *list.add(i) })
}

/// Whether a key exchange is signed with, or to, the key in a certificate.
#[cfg(mbedtls_ssl_keep_peer_certificate)]
pub(super) fn of_certificate(kind: sys::mbedtls_key_exchange_type_t) -> bool {
    matches!(
        kind,
        sys::MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA
            | sys::MBEDTLS_KEY_EXCHANGE_ECDHE_RSA
            | sys::MBEDTLS_KEY_EXCHANGE_DHE_RSA
            | sys::MBEDTLS_KEY_EXCHANGE_RSA
    )
}

/// The certificates from `first` on.
///
/// # Safety
///
/// It is NULL or a chain, which does not change while it is looked at.
unsafe fn chain<'a>(first: *const sys::mbedtls_x509_crt) -> impl Iterator<Item = &'a sys::mbedtls_x509_crt> {
    // SAFETY: by this function's contract.
    core::iter::successors(unsafe { first.as_ref() }, |cert| unsafe { cert.next.as_ref() })
}

/// This side's own certificates and keys: a server's may be those of the name that its client asked for.
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn own(ssl: &sys::mbedtls_ssl_context) -> impl Iterator<Item = &sys::mbedtls_ssl_key_cert> {
    // SAFETY: by this function's contract.
    unsafe {
        let first = (*ssl.conf).key_cert;
        #[cfg(mbedtls_ssl_server_name_indication)]
        let first = ssl
            .handshake
            .as_ref()
            .map_or(first, |of| if of.sni_key_cert.is_null() { first } else { of.sni_key_cert });
        core::iter::successors(first.as_ref(), |own| own.next.as_ref())
    }
}

/// That of them with which this side goes on, once it is known.
///
/// # Safety
///
/// As [`own`].
pub(super) unsafe fn chosen(ssl: &sys::mbedtls_ssl_context) -> Option<&sys::mbedtls_ssl_key_cert> {
    // SAFETY: by this function's contract.
    unsafe { ssl.handshake.as_ref().and_then(|of| of.key_cert.as_ref()).or_else(|| own(ssl).next()) }
}

/// What the peer's certificate has to lead to.
///
/// # Safety
///
/// As [`own`].
unsafe fn anchors(ssl: &sys::mbedtls_ssl_context) -> *const sys::mbedtls_x509_crt {
    // SAFETY: by this function's contract.
    unsafe {
        #[cfg(mbedtls_ssl_server_name_indication)]
        if let Some(of) = ssl.handshake.as_ref().filter(|of| !of.sni_ca_chain.is_null()) {
            return of.sni_ca_chain;
        }
        (*ssl.conf).ca_chain
    }
}

/// A Certificate with these certificates, without its header.
///
/// # Safety
///
/// They are a connection's, set up.
unsafe fn certificate_of(own: &sys::mbedtls_ssl_key_cert) -> usize {
    // SAFETY: by this function's contract.
    unsafe { chain(own.cert) }.fold(3, |len, cert| len.saturating_add(cert.raw.len).saturating_add(3))
}

/// The longest Certificate.
///
/// # Safety
///
/// As [`own`].
unsafe fn certificate(ssl: &sys::mbedtls_ssl_context) -> usize {
    // SAFETY: by this function's contract.
    unsafe { own(ssl).map(|own| certificate_of(own)).max().unwrap_or(3) }
}

/// Before a step of TLS 1.2. 0, or that the Certificate it writes is too long: Mbed TLS's own bound
/// (`mbedtls_ssl_write_certificate`) wraps where a certificate ends less than three bytes before the most
/// that there may be, and the next one is written beyond the buffer.
///
/// # Safety
///
/// As [`own`], in a handshake.
#[cfg(mbedtls_ssl_handshake_with_cert_enabled)]
pub(super) unsafe fn check_certificate(ssl: &sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        let Some(handshake) = ssl.handshake.as_ref() else { return 0 };
        let own = match sys::mbedtls_ssl_states::try_from(ssl.state) {
            // None where there is a PSK in its place.
            Ok(sys::MBEDTLS_SSL_SERVER_CERTIFICATE) if !is_client(ssl) => handshake.key_cert.as_ref(),
            #[cfg(mbedtls_ssl_cli_c)]
            Ok(sys::MBEDTLS_SSL_CLIENT_CERTIFICATE) if is_client(ssl) && handshake.client_auth != 0 => {
                chosen(ssl)
            }
            _ => None,
        };
        let fits = own.is_none_or(|own| certificate_of(own).saturating_add(MESSAGE_HEADER) <= OUT_CONTENT);
        if fits { 0 } else { sys::MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL }
    }
}

/// The longest signature by a key of this side.
///
/// # Safety
///
/// As [`own`].
pub(super) unsafe fn signature(ssl: &sys::mbedtls_ssl_context) -> usize {
    // SAFETY: by this function's contract: the keys are set up; does not raise.
    let rsa = |own: &sys::mbedtls_ssl_key_cert| unsafe { sys::mbedtls_pk_get_bitlen(own.key).div_ceil(8) };
    // SAFETY: as above.
    unsafe { own(ssl) }.map(rsa).max().unwrap_or(0).saturating_add(ECDSA)
}

/// A Diffie-Hellman group and a number of it.
///
/// # Safety
///
/// As [`own`].
#[cfg(mbedtls_dhm_c)]
unsafe fn group(conf: &sys::mbedtls_ssl_config) -> usize {
    // SAFETY: by this function's contract; does not raise.
    unsafe { sys::mbedtls_mpi_size(&raw const conf.dhm_P) }.saturating_add(2).saturating_mul(3)
}

/// The names of the authorities, in a CertificateRequest.
///
/// # Safety
///
/// As [`own`].
unsafe fn authorities(ssl: &sys::mbedtls_ssl_context) -> usize {
    // SAFETY: by this function's contract.
    unsafe { chain(anchors(ssl)) }
        .fold(0, |len, cert| len.saturating_add(cert.subject_raw.len).saturating_add(2))
}

/// How long a ticket's message may get.
///
/// # Safety
///
/// The connection is set up.
#[cfg(tickets)]
unsafe fn ticket(ssl: &sys::mbedtls_ssl_context) -> usize {
    // SAFETY: by this function's contract.
    unsafe {
        let cert = ssl.session_negotiate.as_ref().and_then(|session| session.peer_cert.as_ref());
        TICKET.saturating_add(cert.map_or(0, |cert| cert.raw.len))
    }
}

/// A ClientHello.
///
/// # Safety
///
/// As [`longest`].
unsafe fn client_hello(ssl: &sys::mbedtls_ssl_context, conf: &sys::mbedtls_ssl_config) -> usize {
    // SAFETY: by this function's contract: lists that end with 0, a text, a session.
    unsafe {
        let numbers = [
            count(conf.ciphersuite_list),
            if conf.ciphersuite_list.is_null() { count(sys::mbedtls_ssl_list_ciphersuites()) } else { 0 },
            count(conf.group_list),
            #[cfg(mbedtls_ssl_handshake_with_cert_enabled)]
            count(conf.sig_algs),
        ];
        let mut len = numbers.iter().fold(HELLO + NAME, |len, n| len.saturating_add(n.saturating_mul(2)));
        len = len.saturating_add(count(ssl.hostname));
        #[cfg(mbedtls_ssl_alpn)]
        for i in 0..count(conf.alpn_list) {
            len = len.saturating_add(count(*conf.alpn_list.add(i))).saturating_add(1);
        }
        #[cfg(all(mbedtls_ssl_session_tickets, mbedtls_ssl_cli_c))]
        if let Some(session) = ssl.session_negotiate.as_ref() {
            len = len.saturating_add(session.ticket_len);
        }
        len
    }
}

/// Whether the next step of the handshake reads the peer's first message, and writes nothing
/// but in answer to it.
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn awaits_hello(ssl: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    let (state, client) = unsafe { ((*ssl).state, is_client(ssl)) };
    if client {
        state == sys::MBEDTLS_SSL_SERVER_HELLO as c_int
    } else {
        state <= sys::MBEDTLS_SSL_CLIENT_HELLO as c_int
    }
}

#[cfg(tls13)]
/// Whether a client waits for what a server encrypts of the handshake.
pub(super) fn awaits_flight(state: sys::mbedtls_ssl_states) -> bool {
    matches!(
        state,
        sys::MBEDTLS_SSL_ENCRYPTED_EXTENSIONS
            | sys::MBEDTLS_SSL_CERTIFICATE_REQUEST
            | sys::MBEDTLS_SSL_SERVER_CERTIFICATE
            | sys::MBEDTLS_SSL_CERTIFICATE_VERIFY
            | sys::MBEDTLS_SSL_SERVER_FINISHED
    )
}

/// Whether the next step of the handshake, not the first, does nothing but read, and so writes an alert at
/// most.
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn only_reads(ssl: *const sys::mbedtls_ssl_context) -> bool {
    #[cfg(tls13)]
    // SAFETY: by this function's contract.
    unsafe {
        let Ok(state) = sys::mbedtls_ssl_states::try_from((*ssl).state) else { return false };
        let reads = if is_client(ssl) {
            awaits_flight(state)
        } else {
            matches!(
                state,
                sys::MBEDTLS_SSL_CLIENT_CERTIFICATE
                    | sys::MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY
                    | sys::MBEDTLS_SSL_CLIENT_FINISHED
            )
        };
        reads && is_tls13(ssl)
    }
    #[cfg(not(tls13))]
    {
        let _ = ssl;
        false
    }
}

/// The most bytes of a message that a record of a stream may have, where they are in the clear and
/// a limit was agreed on (RFC 6066 4); at a client, which does not notice whether the server agreed,
/// asked for. The ClientHello comes before.
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn record_limit(ssl: *const sys::mbedtls_ssl_context) -> Option<u16> {
    #[cfg(mbedtls_ssl_max_fragment_length)]
    // SAFETY: by this function's contract. None raises.
    unsafe {
        let negotiated = (*ssl).session_negotiate.as_ref()?;
        let code = if is_client(ssl) { (*(*ssl).conf).mfl_code } else { negotiated.mfl_code };
        if code == 0 || is_datagram(ssl) || !(*ssl).transform_out.is_null() || awaits_hello(ssl) {
            return None;
        }
        u16::try_from(sys::mbedtls_ssl_get_output_max_frag_len(ssl)).ok()
    }
    #[cfg(not(mbedtls_ssl_max_fragment_length))]
    {
        let _ = ssl;
        None
    }
}

/// The longest message that the next step of the handshake may write; `None`: longer
/// than is known here.
///
/// # Safety
///
/// The connection is set up, and its handshake not over.
pub(super) unsafe fn longest(ssl: *const sys::mbedtls_ssl_context) -> Option<usize> {
    // SAFETY: by this function's contract.
    let (ssl, conf, handshake) = unsafe { (&*ssl, &*(*ssl).conf, (*ssl).handshake.as_ref()?) };
    if cfg!(mbedtls_use_psa_crypto) {
        return None;
    }
    #[cfg(mbedtls_ssl_server_name_indication)]
    if conf.f_sni.is_some() {
        return None;
    }
    // SAFETY: NULL, or static.
    let key_exchange = unsafe { handshake.ciphersuite_info.as_ref() }
        .map_or(sys::MBEDTLS_KEY_EXCHANGE_NONE, |suite| suite.key_exchange.into());
    // SAFETY: as above.
    let client = unsafe { is_client(ssl) };
    let state = sys::mbedtls_ssl_states::try_from(ssl.state).ok()?;
    #[cfg(tls13)]
    // SAFETY: as above.
    if unsafe { is_tls13(ssl) } {
        // PSA copies a buffer that it writes to, at the length that it is told, which is Mbed TLS's.
        if !cfg!(mbedtls_psa_assume_exclusive_buffers) {
            return None;
        }
        // SAFETY: as above.
        return Some(unsafe { longest_of_tls13(ssl, conf, handshake, state) }.saturating_add(SHORT));
    }
    // SAFETY: by this function's contract.
    let len = unsafe {
        match (client, state) {
            // In the first of these states there is no message, and the next step writes one.
            (true, sys::MBEDTLS_SSL_HELLO_REQUEST | sys::MBEDTLS_SSL_CLIENT_HELLO) => client_hello(ssl, conf),
            // Or a HelloVerifyRequest.
            (false, sys::MBEDTLS_SSL_SERVER_HELLO) => HELLO + NAME,
            (true, sys::MBEDTLS_SSL_CLIENT_CERTIFICATE) | (false, sys::MBEDTLS_SSL_SERVER_CERTIFICATE) => {
                certificate(ssl)
            }
            (false, sys::MBEDTLS_SSL_SERVER_KEY_EXCHANGE) => match key_exchange {
                sys::MBEDTLS_KEY_EXCHANGE_RSA | sys::MBEDTLS_KEY_EXCHANGE_PSK => PSK,
                sys::MBEDTLS_KEY_EXCHANGE_ECDHE_PSK => POINT.saturating_add(PSK),
                sys::MBEDTLS_KEY_EXCHANGE_ECDHE_RSA | sys::MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA => {
                    signature(ssl).saturating_add(POINT)
                }
                #[cfg(mbedtls_dhm_c)]
                sys::MBEDTLS_KEY_EXCHANGE_DHE_PSK => group(conf).saturating_add(PSK),
                _ => return None,
            },
            #[cfg(mbedtls_ssl_handshake_with_cert_enabled)]
            (false, sys::MBEDTLS_SSL_CERTIFICATE_REQUEST) => {
                authorities(ssl).saturating_add(count(conf.sig_algs).saturating_mul(2)).saturating_add(NAME)
            }
            (true, sys::MBEDTLS_SSL_CLIENT_KEY_EXCHANGE) => match key_exchange {
                sys::MBEDTLS_KEY_EXCHANGE_RSA => RSA,
                sys::MBEDTLS_KEY_EXCHANGE_PSK => PSK,
                sys::MBEDTLS_KEY_EXCHANGE_ECDHE_RSA | sys::MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA => POINT,
                sys::MBEDTLS_KEY_EXCHANGE_ECDHE_PSK => POINT.saturating_add(PSK),
                // Whatever group the server has chosen, a number of it is no longer than RSA's.
                sys::MBEDTLS_KEY_EXCHANGE_DHE_PSK => RSA.saturating_add(PSK),
                _ => return None,
            },
            (true, sys::MBEDTLS_SSL_CERTIFICATE_VERIFY) => signature(ssl),
            #[cfg(mbedtls_ssl_session_tickets)]
            (false, sys::MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC) if handshake.new_session_ticket != 0 => {
                #[cfg(tickets)]
                return Some(ticket(ssl).saturating_add(SHORT));
                #[cfg(not(tickets))]
                return None;
            }
            _ => 0,
        }
    };
    Some(len.saturating_add(SHORT))
}

/// The longest message of TLS 1.3 (RFC 8446 4) that the next step may write; before its version is
/// known, of either.
///
/// # Safety
///
/// As [`longest`].
#[cfg(tls13)]
unsafe fn longest_of_tls13(
    ssl: &sys::mbedtls_ssl_context,
    conf: &sys::mbedtls_ssl_config,
    handshake: &sys::mbedtls_ssl_handshake_params,
    state: sys::mbedtls_ssl_states,
) -> usize {
    /// A Finished, or a binder: SHA-384's.
    const HASH: usize = 48;
    // SAFETY: by this function's contract.
    unsafe {
        match (is_client(ssl), state) {
            (true, sys::MBEDTLS_SSL_HELLO_REQUEST | sys::MBEDTLS_SSL_CLIENT_HELLO) => {
                let cookie = usize::from(handshake.cookie_len);
                // Versions, a share of a key, how keys are exchanged, an identity and its binder.
                let more = [POINT, PSK, HASH, HELLO, cookie, HASH];
                more.iter().fold(client_hello(ssl, conf), |len, more| len.saturating_add(*more))
            }
            // Or a HelloRetryRequest; of a client that has offered one, with the state of the next.
            (
                false,
                sys::MBEDTLS_SSL_CLIENT_HELLO
                | sys::MBEDTLS_SSL_SERVER_HELLO
                | sys::MBEDTLS_SSL_HELLO_RETRY_REQUEST,
            ) => HELLO + NAME + POINT,
            (false, sys::MBEDTLS_SSL_ENCRYPTED_EXTENSIONS) => HELLO + NAME,
            #[cfg(mbedtls_ssl_handshake_with_cert_enabled)]
            (false, sys::MBEDTLS_SSL_CERTIFICATE_REQUEST) => {
                count(conf.sig_algs).saturating_mul(2).saturating_add(NAME)
            }
            (false, sys::MBEDTLS_SSL_SERVER_CERTIFICATE) | (true, sys::MBEDTLS_SSL_CLIENT_CERTIFICATE) => {
                // Extensions behind each, and in front of all what the server has called its request.
                let extensions = own(ssl).map(|own| chain(own.cert).count()).max().unwrap_or(0);
                certificate(ssl).saturating_add(extensions.saturating_mul(2)).saturating_add(NAME)
            }
            (false, sys::MBEDTLS_SSL_CERTIFICATE_VERIFY)
            | (true, sys::MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY) => signature(ssl),
            #[cfg(tickets)]
            (false, sys::MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET) => ticket(ssl).saturating_add(NAME),
            _ => HASH,
        }
    }
}

/// The records that a datagram's side may have to send again, all of them at once.
///
/// # Safety
///
/// The connection is set up.
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) unsafe fn flight(ssl: *const sys::mbedtls_ssl_context, record: usize) -> usize {
    // SAFETY: by this function's contract: a list that ends with NULL, if there is one.
    unsafe {
        let Some(handshake) = (*ssl).handshake.as_ref() else { return 0 };
        core::iter::successors(handshake.flight.as_ref(), |item| item.next.as_ref())
            .fold(0, |len, item| len.saturating_add(item.len).saturating_add(record))
    }
}

/// The longest of what came early and will be copied back into the input buffer.
///
/// # Safety
///
/// The connection is set up.
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) unsafe fn early(ssl: *const sys::mbedtls_ssl_context) -> usize {
    // SAFETY: by this function's contract.
    let Some(handshake) = (unsafe { (*ssl).handshake.as_ref() }) else { return 0 };
    let buffering = &handshake.buffering;
    let messages =
        buffering.hs.iter().filter(|message| !message.data.is_null()).map(|message| message.data_len);
    let record = Some(buffering.future_record.len).filter(|_| !buffering.future_record.data.is_null());
    messages.chain(record).max().unwrap_or(0)
}

/// Forgets the messages that came early. To be called when the keys of the input have changed:
/// those came without, and the next one is a Finished, which must not (RFC 5246 7.4.9).
///
/// # Safety
///
/// The connection is set up, and no call out of Mbed TLS is under way.
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) unsafe fn forget_early(ssl: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract.
    unsafe {
        if (*ssl).in_epoch != 0 {
            forget_messages(ssl, |_| true);
        }
    }
}

/// Forgets the messages of which only parts have come. To be called when the timer has run out, and not for the
/// first time: of what says that it is a part of one with another length, whoever sent that, Mbed TLS
/// keeps the first, and none of the peer's would ever fit.
///
/// # Safety
///
/// As [`forget_early`].
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) unsafe fn forget_parts(ssl: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract.
    unsafe { forget_messages(ssl, |is_complete| !is_complete) };
}

/// Forgets those messages which `are_these`: it is told whether one is complete.
///
/// # Safety
///
/// As [`forget_early`].
#[cfg(mbedtls_ssl_proto_dtls)]
unsafe fn forget_messages(ssl: *mut sys::mbedtls_ssl_context, are_these: impl Fn(bool) -> bool) {
    // SAFETY: by this function's contract. A message's memory is its own, from this allocator;
    // zeroed is what Mbed TLS makes of an empty place. None raises.
    unsafe {
        let Some(handshake) = (*ssl).handshake.as_mut() else { return };
        let buffering = &mut handshake.buffering;
        for message in buffering.hs.iter_mut().filter(|message| are_these(message.is_complete() != 0)) {
            if !message.data.is_null() {
                buffering.total_bytes_buffered =
                    buffering.total_bytes_buffered.saturating_sub(message.data_len);
                mpglue_free(message.data.cast());
            }
            *message = core::mem::zeroed();
        }
    }
}

/// Whether this side's flight has been sent again once at most: delays double.
///
/// # Safety
///
/// The connection is set up.
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) unsafe fn is_patient(ssl: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    unsafe {
        let first = (*(*ssl).conf).hs_timeout_min;
        (*ssl).handshake.as_ref().is_some_and(|of| of.retransmit_timeout < first.saturating_mul(4))
    }
}

/// The number of the last message that this side's flight answers: for which Mbed TLS would send it again
/// (RFC 6347 4.2.4); `None`: there is no such.
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) fn last_answered(handshake: &sys::mbedtls_ssl_handshake_params) -> Option<u16> {
    handshake.in_flight_start_seq.checked_sub(1)?.try_into().ok()
}

/// A number for the delay after which this side's flight is sent again, and for which flight that is: its
/// neighbours have others. Never 0.
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) fn delay(handshake: &sys::mbedtls_ssl_handshake_params) -> u8 {
    let [flight, ..] = handshake.in_flight_start_seq.to_le_bytes();
    let doubled = u32::BITS.wrapping_sub(handshake.retransmit_timeout.leading_zeros()) as u8;
    flight.wrapping_shl(6) | doubled
}

/// The number of the message that comes next.
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) fn next_number(handshake: &sys::mbedtls_ssl_handshake_params) -> c_uint {
    handshake.in_msg_seq
}

// Where there are no datagrams nothing is lost, and nobody asks.

#[cfg(not(mbedtls_ssl_proto_dtls))]
pub(super) fn forget_early(_: *mut sys::mbedtls_ssl_context) {}

#[cfg(not(mbedtls_ssl_proto_dtls))]
pub(super) fn forget_parts(_: *mut sys::mbedtls_ssl_context) {}

#[cfg(not(mbedtls_ssl_proto_dtls))]
pub(super) fn last_answered(_: &sys::mbedtls_ssl_handshake_params) -> Option<u16> {
    None
}

#[cfg(not(mbedtls_ssl_proto_dtls))]
pub(super) fn delay(_: &sys::mbedtls_ssl_handshake_params) -> u8 {
    0
}

#[cfg(not(mbedtls_ssl_proto_dtls))]
pub(super) fn is_patient(_: *const sys::mbedtls_ssl_context) -> bool {
    false
}

#[cfg(not(mbedtls_ssl_proto_dtls))]
pub(super) fn next_number(_: &sys::mbedtls_ssl_handshake_params) -> c_uint {
    0
}
