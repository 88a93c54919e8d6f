// SPDX-License-Identifier: MIT OR Apache-2.0
//! A private key that is an object of the host's, which signs: in a chip, say. There is nothing of it here.
//!
//! Mbed TLS signs through the table of functions that a key points to. This key is the certificate's,
//! the public one, with a table of its own, in which signing is the host's, and all else that a private key
//! does is missing. The way to the host is the random generator that Mbed TLS hands to every signature:
//! a step of the handshake that may sign has [`Signing`] in its place. So all connections share
//! one key and one configuration.

use core::ffi::{c_int, c_void};

use super::crt::Chain;
use super::ecdsa::{Numbers, ORDER_MAX, SIGNATURE_MAX};
use super::error::check;
use super::sys;
use super::{pk::PrivateKey, rng};
use crate::error::{Error, Invalid, Result};
use crate::io::Scheme;
use crate::mem::{Box, copy, slice, slice_mut};

/// An uncompressed point on it.
const POINT_MAX: usize = 2 * ORDER_MAX + 1;

/// A key's table, and what it stands for. Mbed TLS has a pointer to it.
#[repr(C)]
pub(super) struct HardwareKey {
    info: sys::mbedtls_pk_info_t,
    /// The certificate's, which verifies.
    public: *mut sys::mbedtls_pk_context,
    /// As long as the order of an EC key's curve.
    order: usize,
}

/// What is to be signed.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) key: &'a HardwareKey,
    pub(super) scheme: Scheme,
    pub(super) md: sys::mbedtls_md_type_t,
    pub(super) hash: &'a [u8],
}

/// What a step of the handshake that may sign has in the place of its random generator.
pub(super) struct Signing<'a> {
    /// The generator that it stands for.
    pub(super) conf: *const sys::mbedtls_ssl_config,
    /// Asks for a signature, as Mbed TLS takes it: its length, or an error's number.
    pub(super) ask: &'a Ask<'a>,
}

type Ask<'a> = dyn Fn(&Request<'_>, &mut [u8]) -> core::result::Result<usize, c_int> + 'a;

/// Where there is no signature.
pub(super) const FAILED: c_int = sys::MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE;

impl HardwareKey {
    /// Makes `key`, an empty one, the key of the first certificate of `chain`, as the host has it.
    ///
    /// # Errors
    ///
    /// [`Invalid::Key`] if that is neither EC nor RSA; [`Error::NoMemory`].
    pub(super) fn new(chain: &Chain, key: &PrivateKey) -> Result<Box<Self>> {
        let public = chain.as_ptr();
        // SAFETY: the certificate's key is set up, its table static; none raises.
        let (public, mut pk, kind, table, bits) = unsafe {
            let public = &raw mut (*public).pk;
            let bits = sys::mbedtls_pk_get_bitlen(public);
            (public, public.read(), sys::mbedtls_pk_get_type(public), (*public).pk_info.as_ref(), bits)
        };
        let Some(info) = table.filter(|_| matches!(kind, sys::MBEDTLS_PK_ECKEY | sys::MBEDTLS_PK_RSA)) else {
            return Err(Error::Value(Invalid::Key));
        };
        let mut info = *info;
        info.sign_func = Some(sign);
        info.decrypt_func = None;
        info.check_pair_func = None;
        info.ctx_free_func = Some(leave);
        #[cfg(all(mbedtls_ecp_restartable, mbedtls_ecdsa_c))]
        {
            info.sign_rs_func = None;
        }
        let table = Box::new(|| Self { info, public, order: bits.div_ceil(8) })?;
        pk.pk_info = (&raw const *table).cast();
        // SAFETY: the key is empty, and where it stays.
        unsafe { key.as_ptr().write(pk) };
        Ok(table)
    }

    fn is_ec(&self) -> bool {
        // SAFETY: the certificate lives as long as its key; does not raise.
        unsafe { sys::mbedtls_pk_get_type(self.public) == sys::MBEDTLS_PK_ECKEY }
    }

    /// The most bytes that its owner may give for a signature.
    pub(super) fn longest(&self) -> usize {
        if self.is_ec() { SIGNATURE_MAX } else { self.order }
    }

    /// Checks that `public` is the certificate's key: a point, uncompressed, with or without the byte that
    /// says so; or SubjectPublicKeyInfo as DER.
    ///
    /// # Errors
    ///
    /// [`Invalid::KeyMismatch`].
    pub(super) fn check_public(&self, chain: &Chain, public: &[u8]) -> Result<()> {
        let cert = chain.first();
        // SAFETY: a part of the certificate's own copy of its DER, as long as it says.
        let is_info = unsafe { slice(cert.pk_raw.p, cert.pk_raw.len) } == public;
        let mut point = [0; POINT_MAX];
        let is_same = |point: &[u8]| match point {
            [_, coordinates @ ..] => public == point || public == coordinates,
            [] => false,
        };
        if is_info
            || (self.is_ec()
                && self.point(&mut point).is_some_and(|len| is_same(point.get(..len).unwrap_or_default())))
        {
            Ok(())
        } else {
            Err(Error::Value(Invalid::KeyMismatch))
        }
    }

    /// Writes an EC key's point: its length.
    fn point(&self, point: &mut [u8; POINT_MAX]) -> Option<usize> {
        let mut len = 0;
        // SAFETY: an EC key's context is a key pair; the array is as long as said. Does not raise.
        let ret = unsafe {
            let pair = (*self.public).pk_ctx.cast::<sys::mbedtls_ecp_keypair>();
            sys::mbedtls_ecp_point_write_binary(
                &raw const (*pair).grp,
                &raw const (*pair).Q,
                sys::MBEDTLS_ECP_PF_UNCOMPRESSED as c_int,
                &raw mut len,
                point.as_mut_ptr(),
                point.len(),
            )
        };
        (ret == 0).then_some(len)
    }

    /// Writes to `to`, as TLS has it, the signature that `made` is; its length. `checks`: only if it
    /// verifies.
    ///
    /// Of ECDSA what is as long as two numbers below the order is that, and anything else is DER; where one
    /// does not verify, DER may be that long.
    ///
    /// # Errors
    ///
    /// [`Invalid::Signature`]; [`Invalid::OtherSignature`]; [`Error::NoMemory`].
    pub(super) fn convert(
        &self,
        request: &Request<'_>,
        made: &[u8],
        checks: bool,
        to: &mut [u8],
    ) -> Result<usize> {
        let invalid = Error::Value(Invalid::Signature);
        if request.scheme != Scheme::Ecdsa {
            if made.len() != self.order || to.len() < made.len() {
                return Err(invalid);
            }
            return self.accept(request, made, checks, to);
        }
        let mut room = [0; SIGNATURE_MAX];
        let mut verdict = Err(invalid);
        if made.len() == self.order.saturating_mul(2) {
            let numbers = Numbers::of_raw(made)?;
            if numbers.are_below(self.order) {
                verdict = self.accept(request, numbers.to_der(&mut room)?, checks, to);
            }
        }
        if let Err(Error::Value(_)) = verdict {
            match Numbers::of_der(made) {
                Ok(numbers) if numbers.are_below(self.order) => {
                    verdict = self.accept(request, made, checks, to);
                }
                Err(Error::NoMemory) => return Err(Error::NoMemory),
                _ => {}
            }
        }
        verdict
    }

    /// Writes a signature to `to`; `checks`: if it verifies.
    fn accept(&self, request: &Request<'_>, signature: &[u8], checks: bool, to: &mut [u8]) -> Result<usize> {
        if checks {
            check(self.verify(request, signature)).map_err(|error| match error {
                Error::NoMemory => error,
                _ => Error::Value(Invalid::OtherSignature),
            })?;
        }
        let to = to.get_mut(..signature.len()).ok_or(Error::Value(Invalid::Signature))?;
        copy(to, signature);
        Ok(signature.len())
    }

    /// 0 for a good signature.
    fn verify(&self, request: &Request<'_>, signature: &[u8]) -> c_int {
        let (hash, hash_len) = (request.hash.as_ptr(), request.hash.len());
        let (bytes, len) = (signature.as_ptr(), signature.len());
        // SAFETY: the certificate's key is set up; the slices are valid. None raises.
        unsafe {
            if request.scheme == Scheme::Pss {
                let options = sys::mbedtls_pk_rsassa_pss_options {
                    mgf1_hash_id: request.md,
                    expected_salt_len: c_int::try_from(hash_len).unwrap_or(0),
                };
                let options = (&raw const options).cast();
                let pss = sys::MBEDTLS_PK_RSASSA_PSS;
                return sys::mbedtls_pk_verify_ext(
                    pss,
                    options,
                    self.public,
                    request.md,
                    hash,
                    hash_len,
                    bytes,
                    len,
                );
            }
            sys::mbedtls_pk_verify(self.public, request.md, hash, hash_len, bytes, len)
        }
    }
}

/// Whether a key is one of these.
///
/// # Safety
///
/// It is NULL, or set up.
pub(super) unsafe fn is_hardware(key: *const sys::mbedtls_pk_context) -> bool {
    // SAFETY: by this function's contract.
    let table = unsafe { key.as_ref().and_then(|key| key.pk_info.as_ref()) };
    table
        .and_then(|table| table.sign_func)
        .is_some_and(|function| core::ptr::fn_addr_eq(function, sign as Sign))
}

type Sign = unsafe extern "C" fn(
    *mut sys::mbedtls_pk_context,
    sys::mbedtls_md_type_t,
    *const u8,
    usize,
    *mut u8,
    usize,
    *mut usize,
    Option<rng::Function>,
    *mut c_void,
) -> c_int;

/// This is called from: wherever Mbed TLS needs random bytes in a step that may sign.
pub(super) unsafe extern "C" fn random(state: *mut c_void, bytes: *mut u8, len: usize) -> c_int {
    // SAFETY: the state is the Signing of the step; the configuration is the connection's. None raises.
    unsafe {
        let conf = (*state.cast::<Signing<'_>>()).conf;
        match (*conf).f_rng {
            Some(generate) => generate((*conf).p_rng, bytes, len),
            None => sys::MBEDTLS_ERR_SSL_NO_RNG,
        }
    }
}

/// This is called from: `mbedtls_pk_free`. The key's context is the certificate's.
unsafe extern "C" fn leave(_: *mut c_void) {}

/// This is called from: `mbedtls_ssl_handshake` → `mbedtls_pk_sign`.
unsafe extern "C" fn sign(
    pk: *mut sys::mbedtls_pk_context,
    md: sys::mbedtls_md_type_t,
    hash: *const u8,
    hash_len: usize,
    sig: *mut u8,
    sig_size: usize,
    sig_len: *mut usize,
    f_rng: Option<rng::Function>,
    state: *mut c_void,
) -> c_int {
    // SAFETY: only this file makes keys with this function, whose table is a HardwareKey.
    let key = unsafe { &*(*pk).pk_info.cast::<HardwareKey>() };
    let scheme = if key.is_ec() { Scheme::Ecdsa } else { Scheme::Pkcs1v15 };
    // SAFETY: Mbed TLS's slices are valid for their lengths, its number for a write.
    unsafe { sign_as(scheme, pk, md, (hash, hash_len), (sig, sig_size), sig_len, f_rng, state) }
}

/// As Mbed TLS's `mbedtls_pk_sign_ext`, with one of these keys.
///
/// # Safety
///
/// As for that function; the key is one of these.
#[allow(clippy::too_many_arguments, reason = "Mbed TLS's")]
pub(super) unsafe fn sign_as(
    scheme: Scheme,
    pk: *mut sys::mbedtls_pk_context,
    md: sys::mbedtls_md_type_t,
    (hash, hash_len): (*const u8, usize),
    (sig, sig_size): (*mut u8, usize),
    sig_len: *mut usize,
    f_rng: Option<rng::Function>,
    state: *mut c_void,
) -> c_int {
    // Elsewhere nobody can be asked.
    if !f_rng.is_some_and(|f_rng| core::ptr::fn_addr_eq(f_rng, random as rng::Function)) {
        return FAILED;
    }
    // SAFETY: by this function's contract; with that generator, its state is the step's Signing.
    unsafe {
        let key = &*(*pk).pk_info.cast::<HardwareKey>();
        let request = Request { key, scheme, md, hash: slice(hash, hash_len) };
        // Mbed TLS takes it that its output buffer ends where its own would.
        let room = slice_mut(sig, sig_size.min(key.longest()));
        match ((*state.cast::<Signing<'_>>()).ask)(&request, room) {
            Ok(len) => {
                *sig_len = len;
                0
            }
            Err(error) => error,
        }
    }
}
