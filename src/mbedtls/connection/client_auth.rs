// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client's certificate, as the server's CertificateRequest has it (RFC 5246 7.4.4). Mbed TLS looks at
//! none of it: it sends the certificate, and signs with the cipher suite's hash.
//!
//! Here it is the first whose type and whose signature the server takes, or none ("if no suitable
//! certificate is available, the client MUST send a certificate message containing no certificates",
//! 7.4.6). And where the server does not take the suite's hash, and takes the other one that Mbed TLS can
//! keep of a handshake, the CertificateVerify is written here, with that.

use core::ffi::c_int;

use super::super::sys;
use super::call::{Answer, Call, Checksum, mbedtls_ssl_flush_output, mbedtls_ssl_write_handshake_msg_ext};
use super::layout::is_client;
use super::messages::{chosen, own, signature};

unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h), and linkable. None raises.
    fn mbedtls_ssl_derive_keys(ssl: *mut sys::mbedtls_ssl_context) -> c_int;
    fn mbedtls_ssl_get_handshake_transcript(
        ssl: *mut sys::mbedtls_ssl_context,
        md: sys::mbedtls_md_type_t,
        to: *mut u8,
        size: usize,
        len: *mut usize,
    ) -> c_int;
    fn mbedtls_ssl_sig_from_pk(key: *mut sys::mbedtls_pk_context) -> u8;
    #[cfg(tls13)]
    fn mbedtls_ssl_tls13_check_sig_alg_cert_key_match(
        algorithm: u16,
        key: *mut sys::mbedtls_pk_context,
    ) -> c_int;
}

/// How a handshake's `client_auth` says that the CertificateVerify is written here: Mbed TLS only asks
/// whether it is 0.
const OTHER_HASH: u8 = 2;
/// The longest that Mbed TLS keeps of a handshake: SHA-384's.
const HASH_MAX: usize = 48;

/// A certificate that is none.
struct Nobody(sys::mbedtls_ssl_key_cert);

// SAFETY: nothing in it is ever written to.
unsafe impl Sync for Nobody {}

static NOBODY: Nobody = Nobody(sys::mbedtls_ssl_key_cert {
    cert: core::ptr::null_mut(),
    key: core::ptr::null_mut(),
    next: core::ptr::null_mut(),
});

/// A hash of a handshake: Mbed TLS's name of it, and TLS's (RFC 5246 7.4.1.4.1).
#[derive(Clone, Copy)]
struct Hash {
    md: sys::mbedtls_md_type_t,
    id: u8,
}

/// The hash that Mbed TLS signs with, and the other one.
///
/// # Safety
///
/// The connection is in a handshake.
unsafe fn hashes(ctx: *const sys::mbedtls_ssl_context) -> Option<[Hash; 2]> {
    let sha256 = Hash { md: sys::MBEDTLS_MD_SHA256, id: sys::MBEDTLS_SSL_HASH_SHA256 as u8 };
    let sha384 = Hash { md: sys::MBEDTLS_MD_SHA384, id: sys::MBEDTLS_SSL_HASH_SHA384 as u8 };
    // SAFETY: by this function's contract; the suite is NULL or static.
    let mac = unsafe { (*ctx).handshake.as_ref()?.ciphersuite_info.as_ref()?.mac };
    let is_sha384 = sys::mbedtls_md_type_t::from(mac) == sys::MBEDTLS_MD_SHA384;
    Some(if is_sha384 { [sha384, sha256] } else { [sha256, sha384] })
}

/// Whether a client may come to sign, with a hash that is known only then.
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn may_sign(ctx: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract.
    unsafe { own(&*ctx).next().is_some() }
}

/// Decides about a CertificateRequest with these types and algorithms.
///
/// # Safety
///
/// The connection is in a handshake, its `p_bio` a [`Call`].
pub(super) unsafe fn choose(ctx: *mut sys::mbedtls_ssl_context, types: &[u8], algorithms: &[u8]) {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        let (Some(handshake), Some([suite, other])) = ((*ctx).handshake.as_mut(), hashes(ctx)) else {
            return;
        };
        let fits = |own: &sys::mbedtls_ssl_key_cert| {
            let signature = mbedtls_ssl_sig_from_pk(own.key);
            let own_type = match signature.into() {
                sys::MBEDTLS_SSL_SIG_RSA => sys::MBEDTLS_SSL_CERT_TYPE_RSA_SIGN,
                _ => sys::MBEDTLS_SSL_CERT_TYPE_ECDSA_SIGN,
            } as u8;
            let takes = |hash: Hash| {
                !sys::mbedtls_md_info_from_type(hash.md).is_null()
                    && algorithms.chunks_exact(2).any(|pair| pair == [hash.id, signature])
            };
            if !types.contains(&own_type) {
                None
            } else if takes(suite) {
                Some(Answer::SuiteHash)
            } else {
                takes(other).then_some(Answer::OtherHash)
            }
        };
        let found = own(&*ctx).find_map(|own| Some((own, fits(own)?)));
        if let Some((own, _)) = found {
            handshake.key_cert = core::ptr::from_ref(own).cast_mut();
        }
        let answer = found.map_or(Answer::NoCertificate, |(_, answer)| answer);
        (*(*ctx).p_bio.cast::<Call<'_>>()).client_auth.set(answer);
    }
}

/// Decides the same in TLS 1.3, where a request has no types (RFC 8446 4.4.2.3): before a step.
///
/// # Safety
///
/// The connection is set up, in a handshake of TLS 1.3.
#[cfg(tls13)]
pub(super) unsafe fn choose_of_tls13(ctx: *mut sys::mbedtls_ssl_context) {
    // SAFETY: by this function's contract: the list ends with a 0, the keys are set up. None raises.
    unsafe {
        let Some(handshake) = (*ctx).handshake.as_mut() else { return };
        let algorithms = handshake.received_sig_algs.iter().take_while(|algorithm| **algorithm != 0);
        let signs = |own: &&sys::mbedtls_ssl_key_cert| {
            algorithms
                .clone()
                .any(|&algorithm| mbedtls_ssl_tls13_check_sig_alg_cert_key_match(algorithm, own.key) != 0)
        };
        let fitting = own(&*ctx).find(signs).unwrap_or(&NOBODY.0);
        handshake.key_cert = core::ptr::from_ref(fitting).cast_mut();
    }
}

/// After a step in `state` that came to 0, before which `checksum` was the handshake's function for the
/// hash.
///
/// # Safety
///
/// The connection is set up, its `p_bio` a [`Call`].
pub(super) unsafe fn after_step(
    ctx: *mut sys::mbedtls_ssl_context,
    state: c_int,
    checksum: Option<Checksum>,
) {
    // SAFETY: by this function's contract; the suite is static. None raises.
    unsafe {
        let Some(handshake) = (*ctx).handshake.as_mut() else { return };
        if !is_client(ctx) || own(&*ctx).next().is_none() {
            return;
        }
        if state == sys::MBEDTLS_SSL_SERVER_HELLO as c_int
            && (*ctx).state == sys::MBEDTLS_SSL_SERVER_CERTIFICATE as c_int
        {
            // From here on Mbed TLS would keep the suite's hash alone.
            handshake.update_checksum = checksum;
        } else if state == sys::MBEDTLS_SSL_CERTIFICATE_REQUEST as c_int {
            let answer = match handshake.client_auth {
                0 => Answer::NoCertificate,
                _ => (*(*ctx).p_bio.cast::<Call<'_>>()).client_auth.get(),
            };
            if matches!(answer, Answer::OtherHash) {
                handshake.client_auth = OTHER_HASH;
                return;
            }
            if matches!(answer, Answer::NoCertificate) {
                handshake.key_cert = (&raw const NOBODY.0).cast_mut();
            }
            sys::mbedtls_ssl_optimize_checksum(ctx, handshake.ciphersuite_info);
        }
    }
}

/// Before a step: does it itself where that is to write a CertificateVerify with the other hash. 0, or
/// what the handshake is to answer.
///
/// # Safety
///
/// The connection is set up, its handshake not over; its output buffer has room for what the step may
/// write.
pub(super) unsafe fn before_step(ctx: *mut sys::mbedtls_ssl_context) -> c_int {
    // SAFETY: by this function's contract. The message is where Mbed TLS writes messages, with room
    // for a signature; what was written before has been sent, or is appended to a flight. None raises.
    unsafe {
        if (*ctx).state != sys::MBEDTLS_SSL_CERTIFICATE_VERIFY as c_int
            || (*ctx).handshake.as_ref().is_none_or(|handshake| handshake.client_auth != OTHER_HASH)
        {
            return 0;
        }
        let (Some(own), Some([_, hash])) = (chosen(&*ctx), hashes(ctx)) else { return 0 };
        let mut ret = mbedtls_ssl_flush_output(ctx);
        if ret == 0 {
            ret = mbedtls_ssl_derive_keys(ctx);
        }
        let mut digest = [0; HASH_MAX];
        let mut len = 0;
        if ret == 0 {
            ret = mbedtls_ssl_get_handshake_transcript(
                ctx,
                hash.md,
                digest.as_mut_ptr(),
                HASH_MAX,
                &raw mut len,
            );
        }
        if ret != 0 {
            return ret;
        }
        // Type and length, the algorithm, the signature's length, the signature (7.4.8).
        const SIGNATURE: usize = 4 + 2 + 2;
        let mut signed = 0;
        let conf = &*(*ctx).conf;
        let message = (*ctx).out_msg;
        // Where Mbed TLS writes it, for who completes the message later.
        let algorithm = [hash.id, mbedtls_ssl_sig_from_pk(own.key)];
        message.wrapping_add(4).cast::<[u8; 2]>().write(algorithm);
        ret = sys::mbedtls_pk_sign(
            own.key,
            hash.md,
            digest.as_ptr(),
            len,
            message.wrapping_add(SIGNATURE),
            signature(&*ctx),
            &raw mut signed,
            conf.f_rng,
            conf.p_rng,
        );
        if ret != 0 {
            return ret;
        }
        let [.., high, low] = signed.to_be_bytes();
        let kind = sys::MBEDTLS_SSL_HS_CERTIFICATE_VERIFY as u8;
        let [id, key] = algorithm;
        let head = [kind, 0, 0, 0, id, key, high, low];
        message.cast::<[u8; SIGNATURE]>().write(head);
        (*ctx).out_msgtype = sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int;
        (*ctx).out_msglen = SIGNATURE.saturating_add(signed);
        (*ctx).state = sys::MBEDTLS_SSL_CLIENT_CHANGE_CIPHER_SPEC as c_int;
        mbedtls_ssl_write_handshake_msg_ext(ctx, 1, 1)
    }
}
