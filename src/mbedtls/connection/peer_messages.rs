// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the RFCs forbid in a peer's message of the handshake, and Mbed TLS passes over. A message is
//! looked at when it is whole and in the clear, before Mbed TLS reads it: in the handshake's own function
//! for the hash, which is replaced for the step that reads one.
//!
//! There also a ClientHello's `client_version` (RFC 5246 7.4.1.2) above TLS 1.2 becomes TLS 1.2's, once
//! it is hashed as it came: "if a TLS server receives a ClientHello containing a version number greater
//! than the highest version supported by the server, it MUST reply according to the highest version
//! supported by the server" (E.1). Mbed TLS refuses it.

use core::ffi::{CStr, c_int};

use super::super::{names, sys};
use super::call::Call;
#[cfg(mbedtls_ssl_cli_c)]
use super::client_auth;
use super::layout::{is_client, is_datagram, is_tls13, message_header};
#[cfg(mbedtls_ssl_srv_c)]
use super::messages::each;
#[cfg(tls13)]
use super::tls13_records::has_retried;
use crate::mem::slice_mut;
use crate::wire::Fields;

pub(super) const DECODE_ERROR: c_int = sys::MBEDTLS_ERR_SSL_DECODE_ERROR;
pub(super) const ILLEGAL_PARAMETER: c_int = sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER;
pub(super) const UNEXPECTED_MESSAGE: c_int = sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
pub(super) const UNSUPPORTED_EXTENSION: c_int = sys::MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION;

#[cfg(mbedtls_ssl_keep_peer_certificate)]
unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_ciphersuites_internal.h), and linkable. Does not raise.
    fn mbedtls_ssl_get_ciphersuite_sig_pk_alg(
        suite: *const sys::mbedtls_ssl_ciphersuite_t,
    ) -> sys::mbedtls_pk_type_t;
}

/// An error's number, as Mbed TLS has it.
pub(super) type Checked = Result<(), c_int>;

/// A step of the handshake, in which the message that it reads is looked at.
///
/// # Safety
///
/// The connection is set up, its `p_bio` a [`Call`], and its handshake not over.
pub(super) unsafe fn step_with_checks(
    ctx: *mut sys::mbedtls_ssl_context,
    step: impl FnOnce() -> c_int,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe {
        let before = (*ctx).state;
        #[cfg(mbedtls_ssl_cli_c)]
        let hash = (*ctx).handshake.as_ref().and_then(|handshake| handshake.update_checksum);
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        // An enumeration is of a byte on some processors.
        let state = sys::mbedtls_ssl_states::try_from(before).unwrap_or(sys::mbedtls_ssl_states::MAX);
        let reads = if is_client(ctx) {
            matches!(
                state,
                sys::MBEDTLS_SSL_SERVER_HELLO
                    | sys::MBEDTLS_SSL_SERVER_KEY_EXCHANGE
                    | sys::MBEDTLS_SSL_CERTIFICATE_REQUEST
                    | sys::MBEDTLS_SSL_SERVER_HELLO_DONE
                    | sys::MBEDTLS_SSL_NEW_SESSION_TICKET
            )
        } else {
            matches!(state, sys::MBEDTLS_SSL_CLIENT_HELLO | sys::MBEDTLS_SSL_CLIENT_KEY_EXCHANGE)
        };
        let may_be_older = is_tls13(ctx);
        if reads && !may_be_older {
            call.replace_checksum(checksum);
        }
        let ret = step();
        call.restore_checksum();
        #[cfg(tls13)]
        if ret == 0 && is_tls13(ctx) && call.is_header_cut() {
            // What is in the clear are hellos, at each of which keys change, or all begins anew.
            return UNEXPECTED_MESSAGE;
        }
        if ret != 0 || is_tls13(ctx) {
            return ret;
        }
        #[cfg(tls13)]
        if may_be_older && is_client(ctx) && has_retried(ctx) {
            // "It MUST abort the handshake with an illegal_parameter alert" (RFC 8446 4.1.4).
            return ILLEGAL_PARAMETER;
        }
        if may_be_older && (*ctx).keep_current_message != 0 {
            // A hello that turned out to be of TLS 1.2, and is hashed: it is read once more, as such.
            return check_message(ctx, (*ctx).in_hslen);
        }
        #[cfg(mbedtls_ssl_cli_c)]
        client_auth::after_step(ctx, before, hash);
        let read_certificate = before == sys::MBEDTLS_SSL_SERVER_CERTIFICATE as c_int;
        if read_certificate && !key_agrees(ctx) { ILLEGAL_PARAMETER } else { 0 }
    }
}

/// Whether the suite's signatures can be by the key that the server's certificate is for (RFC 5246
/// 7.4.2); as far as the certificate is kept.
///
/// # Safety
///
/// As [`step_with_checks`].
unsafe fn key_agrees(ctx: *const sys::mbedtls_ssl_context) -> bool {
    #[cfg(mbedtls_ssl_keep_peer_certificate)]
    // SAFETY: by this function's contract: the session is NULL or the handshake's own, as its
    // certificate; the suite is static. None raises.
    unsafe {
        if let Some(session) = (*ctx).session_negotiate.as_ref()
            && let Some(cert) = session.peer_cert.as_ref()
            && let Some(handshake) = (*ctx).handshake.as_ref()
        {
            let kind = mbedtls_ssl_get_ciphersuite_sig_pk_alg(handshake.ciphersuite_info);
            return kind == sys::MBEDTLS_PK_NONE || sys::mbedtls_pk_can_do(&raw const cert.pk, kind) != 0;
        }
    }
    #[cfg(not(mbedtls_ssl_keep_peer_certificate))]
    let _ = ctx;
    true
}

/// This is called from: `mbedtls_ssl_handshake_step`, with the message in the input buffer that it is
/// about to read.
unsafe extern "C" fn checksum(ctx: *mut sys::mbedtls_ssl_context, message: *const u8, len: usize) -> c_int {
    // SAFETY: the handshake that installed this is under way, its call valid; the message is where
    // messages are, `len` bytes long. The original does not raise.
    unsafe {
        let call = &*(*ctx).p_bio.cast::<Call<'_>>();
        let Some(original) = call.restore_checksum() else { return sys::MBEDTLS_ERR_SSL_INTERNAL_ERROR };
        let ret = original(ctx, message, len);
        if ret == 0 { check_message(ctx, len) } else { ret }
    }
}

/// Looks at the message that has come last, `len` bytes with its header: 0, or the error.
///
/// # Safety
///
/// As [`step_with_checks`]; the message is where messages are.
unsafe fn check_message(ctx: *mut sys::mbedtls_ssl_context, len: usize) -> c_int {
    // SAFETY: by this function's contract; nobody else refers to the message.
    unsafe {
        match slice_mut((*ctx).in_msg, len).split_at_mut_checked(message_header(ctx)) {
            Some(([kind, ..], body)) => check(ctx, (*kind).into(), body).err().unwrap_or(0),
            _ => 0,
        }
    }
}

/// # Safety
///
/// As [`step_with_checks`].
unsafe fn check(ctx: *mut sys::mbedtls_ssl_context, kind: u32, body: &mut [u8]) -> Checked {
    let datagram;
    let state;
    let key_exchange;
    // SAFETY: by this function's contract: the suite is NULL or static.
    unsafe {
        datagram = is_datagram(ctx);
        state = (*ctx).state;
        let suite = (*ctx).handshake.as_ref().and_then(|handshake| handshake.ciphersuite_info.as_ref());
        key_exchange = suite.map_or(sys::MBEDTLS_KEY_EXCHANGE_NONE, |suite| suite.key_exchange.into());
    }
    // What cannot be read otherwise is Mbed TLS's to refuse.
    match kind {
        sys::MBEDTLS_SSL_HS_CLIENT_HELLO => {
            client_hello(body, datagram)?;
            #[cfg(mbedtls_ssl_srv_c)]
            // SAFETY: by this function's contract.
            unsafe {
                note_suites(ctx, body, datagram);
            }
            lower_version(body, if datagram { [0xfe, 0xfd] } else { [3, 3] });
        }
        sys::MBEDTLS_SSL_HS_SERVER_HELLO => {
            // SAFETY: by this function's contract.
            server_hello(body, |extension| unsafe { was_requested(ctx, extension) })?;
        }
        // RFC 6347 4.2.1, RFC 5077 3.3: nothing is behind the cookie, and the ticket.
        sys::MBEDTLS_SSL_HS_HELLO_VERIFY_REQUEST => is_last(body, 2, 1)?,
        sys::MBEDTLS_SSL_HS_NEW_SESSION_TICKET => is_last(body, 4, 2)?,
        sys::MBEDTLS_SSL_HS_SERVER_KEY_EXCHANGE | sys::MBEDTLS_SSL_HS_CLIENT_KEY_EXCHANGE => {
            // A hint, or an identity, comes first; then a server's curve, its type and name.
            let psk = key_exchange == sys::MBEDTLS_KEY_EXCHANGE_ECDHE_PSK;
            if psk || is_ecdhe(key_exchange) {
                let curve = if kind == sys::MBEDTLS_SSL_HS_SERVER_KEY_EXCHANGE { 3 } else { 0 };
                is_uncompressed(body, psk, curve)?;
            }
        }
        sys::MBEDTLS_SSL_HS_CERTIFICATE_REQUEST => {
            // There is one at most, and here it would be read as another message.
            if state == sys::MBEDTLS_SSL_SERVER_HELLO_DONE as c_int {
                return Err(UNEXPECTED_MESSAGE);
            }
            let mut fields = Fields(body);
            let lists = fields.vector(1).and_then(|types| Some((types, fields.vector(2)?)));
            if let Some((types, algorithms)) = lists {
                if types.is_empty() {
                    return Err(DECODE_ERROR);
                }
                are_pairs(algorithms)?;
                #[cfg(mbedtls_ssl_cli_c)]
                // SAFETY: by this function's contract.
                unsafe {
                    client_auth::choose(ctx, types, algorithms)
                };
            }
        }
        _ => {}
    }
    Ok(())
}

fn is_ecdhe(key_exchange: sys::mbedtls_key_exchange_type_t) -> bool {
    [sys::MBEDTLS_KEY_EXCHANGE_ECDHE_RSA, sys::MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA].contains(&key_exchange)
}

fn lower_version(body: &mut [u8], ours: [u8; 2]) {
    if let Some(version) = body.first_chunk_mut::<2>() {
        // DTLS counts down.
        let newer = if ours == [3, 3] { *version > ours } else { *version < ours };
        if newer {
            *version = ours;
        }
    }
}

/// Behind `n` bytes, a vector with a length of `len` bytes ends the message.
fn is_last(body: &[u8], n: usize, len: usize) -> Checked {
    let mut fields = Fields(body);
    let read = fields.take(n).and_then(|_| fields.vector(len));
    if read.is_some() && !fields.0.is_empty() { Err(DECODE_ERROR) } else { Ok(()) }
}

/// "Uncompressed" is the one format of points (RFC 8422 5.1.2), of which the curves of RFC 7748 have
/// none; and theirs are of even lengths.
fn is_uncompressed(body: &[u8], psk: bool, before: usize) -> Checked {
    let mut fields = Fields(body);
    if psk {
        fields.vector(2);
    }
    match fields.take(before).and_then(|_| fields.vector(1)) {
        Some([2 | 3, rest @ ..]) if rest.len().is_multiple_of(2) => Err(ILLEGAL_PARAMETER),
        _ => Ok(()),
    }
}

/// Notes which of this side's suites the client has: bit i for the i-th.
///
/// # Safety
///
/// As [`step_with_checks`].
#[cfg(mbedtls_ssl_srv_c)]
pub(super) unsafe fn note_suites(ctx: *const sys::mbedtls_ssl_context, body: &[u8], datagram: bool) {
    let suites = suites(&mut Fields(body), datagram);
    let has = |id: c_int| {
        let mut pairs = suites.unwrap_or_default().chunks_exact(2);
        u16::try_from(id).is_ok_and(|id| pairs.any(|pair| *pair == id.to_be_bytes()))
    };
    // SAFETY: by this function's contract; the list ends with 0.
    unsafe {
        let own = each((*(*ctx).conf).ciphersuite_list);
        let shared = own.enumerate().filter(|(_, id)| has(*id));
        let bits =
            shared.fold(0, |bits: u64, (i, _)| bits | u32::try_from(i).map_or(0, |i| 1_u64.unbounded_shl(i)));
        (*(*ctx).p_bio.cast::<Call<'_>>()).shared_suites.set(Some(bits));
    }
}

/// The suites of a ClientHello, which `fields` is at the beginning of.
pub(super) fn suites<'a>(fields: &mut Fields<'a>, datagram: bool) -> Option<&'a [u8]> {
    fields
        .take(34)
        .and_then(|_| fields.vector(1))
        .and_then(|_| if datagram { fields.vector(1) } else { Some(&[]) })
        .and_then(|_| fields.vector(2))
}

/// RFC 5246 7.4.1.2.
pub(super) fn client_hello(body: &[u8], datagram: bool) -> Checked {
    let mut fields = Fields(body);
    let compression = suites(&mut fields, datagram).and_then(|_| fields.vector(1));
    let Some(compression) = compression else { return Ok(()) };
    // "This vector MUST contain, and all implementations MUST support, CompressionMethod.null."
    if !compression.is_empty() && !compression.contains(&0) {
        return Err(ILLEGAL_PARAMETER);
    }
    for_extensions(fields, |extension, data| {
        let list = || only(data, 2).ok_or(DECODE_ERROR);
        match extension {
            // RFC 6066 3.
            sys::MBEDTLS_TLS_EXT_SERVERNAME => {
                let mut names = Fields(list()?);
                loop {
                    let name = names.take(1).and_then(|_| names.vector(2)).ok_or(DECODE_ERROR)?;
                    if name.is_empty() {
                        return Err(DECODE_ERROR);
                    }
                    if names.0.is_empty() {
                        return Ok(());
                    }
                }
            }
            // RFC 8422 5.1.1, RFC 5246 7.4.1.4.1: there is one at least.
            sys::MBEDTLS_TLS_EXT_SUPPORTED_GROUPS | sys::MBEDTLS_TLS_EXT_SIG_ALG => are_pairs(list()?),
            sys::MBEDTLS_TLS_EXT_SUPPORTED_POINT_FORMATS => point_formats(data),
            _ => Ok(()),
        }
    })
}

/// RFC 5246 7.4.1.3.
fn server_hello(body: &[u8], was_requested: impl Fn(u32) -> bool) -> Checked {
    let mut fields = Fields(body);
    // Behind the version and the random number; then suite and compression.
    let behind = fields.take(34).and_then(|_| fields.vector(1)).and_then(|_| fields.take(3));
    if behind.is_none() {
        return Ok(());
    }
    for_extensions(fields, |extension, data| match extension {
        // "An extension type MUST NOT appear in the ServerHello unless the same extension type
        // appeared in the corresponding ClientHello" (7.4.1.4).
        _ if !was_requested(extension) => Err(UNSUPPORTED_EXTENSION),
        // "The 'extension_data' field of this extension SHALL be empty" (RFC 6066 3).
        sys::MBEDTLS_TLS_EXT_SERVERNAME if !data.is_empty() => Err(DECODE_ERROR),
        sys::MBEDTLS_TLS_EXT_SUPPORTED_POINT_FORMATS => point_formats(data),
        _ => Ok(()),
    })
}

fn extension_in<'a>(fields: &mut Fields<'a>) -> Option<(u16, &'a [u8])> {
    Some((fields.short()?, fields.vector(2)?))
}

/// Looks at each extension of a hello whose fields before are read.
fn for_extensions(mut hello: Fields<'_>, mut look: impl FnMut(u32, &[u8]) -> Checked) -> Checked {
    let Some(extensions) = hello.vector(2).filter(|_| hello.0.is_empty()) else { return Ok(()) };
    // "There MUST NOT be more than one extension of the same type" (7.4.1.4).
    if is_any_twice(extensions) {
        return Err(DECODE_ERROR);
    }
    all_of(extensions).try_for_each(|(extension, data)| look(extension.into(), data))
}

pub(super) fn all_of(extensions: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut fields = Fields(extensions);
    core::iter::from_fn(move || extension_in(&mut fields))
}

/// Whether extensions follow each other, and nothing else.
#[cfg(all(tls13, sessions))]
pub(super) fn are_whole(extensions: &[u8]) -> bool {
    let mut fields = Fields(extensions);
    while !fields.0.is_empty() {
        if extension_in(&mut fields).is_none() {
            return false;
        }
    }
    true
}

/// Thousands fit into a hello, so each is not compared with each: a bit tells whether a type has been
/// there, for the types of one block at a time.
pub(super) fn is_any_twice(extensions: &[u8]) -> bool {
    const BLOCK: u16 = 2048;
    let bit = |n: u16| 1_u32.wrapping_shl(n.into());
    let types = || all_of(extensions).map(|(extension, _)| extension);
    let blocks = types().fold(0, |blocks, extension| blocks | bit(extension / BLOCK));
    (0..32).filter(|&block| blocks & bit(block) != 0).any(|block| {
        let mut seen = [0; BLOCK as usize / 32];
        types().filter(|extension| extension / BLOCK == block).any(|extension| {
            let at = extension % BLOCK;
            let word = seen.get_mut(usize::from(at / 32));
            word.is_some_and(|word| core::mem::replace(word, *word | bit(at % 32)) & bit(at % 32) != 0)
        })
    })
}

/// The vector that `data` is, with a length of `len` bytes.
pub(super) fn only(data: &[u8], len: usize) -> Option<&[u8]> {
    let mut fields = Fields(data);
    fields.vector(len).filter(|_| fields.0.is_empty())
}

pub(super) fn are_pairs(list: &[u8]) -> Checked {
    if list.is_empty() || !list.len().is_multiple_of(2) { Err(DECODE_ERROR) } else { Ok(()) }
}

/// RFC 8422 5.1.2: "a client that receives a ServerHello [...] with a list of point formats that does
/// not contain uncompressed MUST abort", as a server must.
fn point_formats(data: &[u8]) -> Checked {
    match only(data, 1) {
        None | Some([]) => Err(DECODE_ERROR),
        Some(formats) if !formats.contains(&0) => Err(ILLEGAL_PARAMETER),
        Some(_) => Ok(()),
    }
}

/// Whether the client's hello has had the extension, as Mbed TLS writes that.
///
/// # Safety
///
/// As [`step_with_checks`].
unsafe fn was_requested(ctx: *const sys::mbedtls_ssl_context, extension: u32) -> bool {
    // SAFETY: by this function's contract; the name is NULL or ends with a NUL.
    unsafe {
        let conf = &*(*ctx).conf;
        match extension {
            sys::MBEDTLS_TLS_EXT_SERVERNAME => {
                let name = (*ctx).hostname.cast::<core::ffi::c_char>();
                !name.is_null() && names::is_sent(CStr::from_ptr(name))
            }
            // The signalling suite asks for the first.
            sys::MBEDTLS_TLS_EXT_RENEGOTIATION_INFO
            | sys::MBEDTLS_TLS_EXT_SUPPORTED_GROUPS
            | sys::MBEDTLS_TLS_EXT_SUPPORTED_POINT_FORMATS
            | sys::MBEDTLS_TLS_EXT_SIG_ALG => true,
            #[cfg(mbedtls_ssl_max_fragment_length)]
            sys::MBEDTLS_TLS_EXT_MAX_FRAGMENT_LENGTH => conf.mfl_code != 0,
            #[cfg(mbedtls_ssl_encrypt_then_mac)]
            sys::MBEDTLS_TLS_EXT_ENCRYPT_THEN_MAC => conf.encrypt_then_mac != 0,
            #[cfg(mbedtls_ssl_extended_master_secret)]
            sys::MBEDTLS_TLS_EXT_EXTENDED_MASTER_SECRET => conf.extended_ms != 0,
            #[cfg(all(mbedtls_ssl_session_tickets, mbedtls_ssl_cli_c))]
            sys::MBEDTLS_TLS_EXT_SESSION_TICKET => conf.session_tickets != 0,
            #[cfg(mbedtls_ssl_alpn)]
            sys::MBEDTLS_TLS_EXT_ALPN => !conf.alpn_list.is_null(),
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            sys::MBEDTLS_TLS_EXT_CID => is_datagram(ctx) && (*ctx).negotiate_cid != 0,
            _ => false,
        }
    }
}
