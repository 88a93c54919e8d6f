// SPDX-License-Identifier: MIT OR Apache-2.0
//! AES-GCM (NIST SP 800-38D) on an x86-64 CPU with AES and carry-less multiplication: eight
//! blocks at a time, where Mbed TLS is done with one before it begins the next.
//!
//! AES, its counter mode and GHASH are RustCrypto's, put together as its `aes-gcm` does. That
//! itself has code that panics.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipher, BlockEncrypt, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128, Aes256, Block};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;

/// What TLS has (RFC 5288).
pub type Nonce = [u8; 12];
/// A tag that is not truncated.
pub type Tag = [u8; 16];

cpufeatures::new!(hardware, "aes", "pclmulqdq", "sse4.1");

/// Whether the CPU has what this is made for: without it Mbed TLS is faster.
#[must_use]
pub fn is_supported() -> bool {
    hardware::get()
}

/// What a message is encrypted with, and its tag made of.
struct Message<C: BlockEncrypt + BlockCipher<BlockSize = U16>> {
    stream: CtrCore<C, Ctr32BE>,
    hash: GHash,
    mask: Block,
}

impl<C: BlockEncrypt + BlockCipher<BlockSize = U16> + KeyInit> Message<C> {
    fn new(key: &[u8], nonce: &Nonce) -> Option<Self> {
        let cipher = C::new_from_slice(key).ok()?;
        let mut zero = Block::default();
        cipher.encrypt_block(&mut zero);
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *nonce;
        let first = [a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 1];
        let mut stream = CtrCore::inner_iv_init(cipher, &first.into());
        let mut mask = Block::default();
        stream.write_keystream_block(&mut mask);
        Some(Self { stream, hash: GHash::new(&zero), mask })
    }

    /// Encrypts, or decrypts; `false`, and nothing is changed, if `data` is too long.
    fn apply(self, data: &mut [u8]) -> bool {
        self.stream.try_apply_keystream_partial(data.into()).is_ok()
    }
}

/// `encrypted`: the data as it is sent.
fn tag(mut hash: GHash, mask: Block, ad: &[u8], encrypted: &[u8]) -> Tag {
    let bits = |bytes: &[u8]| (bytes.len() as u128).wrapping_mul(8);
    hash.update_padded(ad);
    hash.update_padded(encrypted);
    hash.update(&[(bits(ad) << 64 | bits(encrypted)).to_be_bytes().into()]);
    (u128::from_be_bytes(hash.finalize().into()) ^ u128::from_be_bytes(mask.into())).to_be_bytes()
}

fn seal<C>(key: &[u8], nonce: &Nonce, ad: &[u8], data: &mut [u8]) -> Option<Tag>
where
    C: BlockEncrypt + BlockCipher<BlockSize = U16> + KeyInit,
{
    let message = Message::<C>::new(key, nonce)?;
    let (hash, mask) = (message.hash.clone(), message.mask);
    message.apply(data).then(|| tag(hash, mask, ad, data))
}

fn open<C>(key: &[u8], nonce: &Nonce, ad: &[u8], data: &mut [u8], expected: &Tag) -> Option<bool>
where
    C: BlockEncrypt + BlockCipher<BlockSize = U16> + KeyInit,
{
    let message = Message::<C>::new(key, nonce)?;
    let is_its_tag = bool::from(tag(message.hash.clone(), message.mask, ad, data).ct_eq(expected));
    Some(is_its_tag && message.apply(data))
}

/// Encrypts `data` in place. `None` if the key has neither 16 nor 32 bytes, or `data` is longer
/// than GCM's counter allows: nothing has changed then.
pub fn encrypt(key: &[u8], nonce: &Nonce, ad: &[u8], data: &mut [u8]) -> Option<Tag> {
    match key.len() {
        16 => seal::<Aes128>(key, nonce, ad, data),
        32 => seal::<Aes256>(key, nonce, ad, data),
        _ => None,
    }
}

/// Decrypts `data` in place. `Some(false)` if this is not its tag, and nothing has changed;
/// `None` as for [`encrypt`].
pub fn decrypt(key: &[u8], nonce: &Nonce, ad: &[u8], data: &mut [u8], tag: &Tag) -> Option<bool> {
    match key.len() {
        16 => open::<Aes128>(key, nonce, ad, data, tag),
        32 => open::<Aes256>(key, nonce, ad, data, tag),
        _ => None,
    }
}
