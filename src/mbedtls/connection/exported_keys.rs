// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys of a connection whose ciphers do not tell them: a chip's, say.

use core::cell::UnsafeCell;

use super::super::sys::{self, zeroize};

/// The longest key.
const KEY_MAX: usize = 32;

/// The keys of a connection whose ciphers do not tell: the client's and the server's for
/// output, one behind the other, as the handshake has derived them.
pub(super) struct Keys(UnsafeCell<[u8; 2 * KEY_MAX]>);

impl Keys {
    pub(super) fn new() -> Self {
        Self(UnsafeCell::new([0; 2 * KEY_MAX]))
    }

    /// Takes the keys of a handshake of TLS 1.2 from its secret.
    ///
    /// This is called from: `mbedtls_ssl_handshake` → `ssl_tls12_populate_transform` → `export`.
    ///
    /// # Safety
    ///
    /// The secret has `len` bytes, the random numbers 32.
    pub(super) unsafe fn derive(
        &self,
        kind: sys::mbedtls_ssl_key_export_type,
        (secret, len): (*const u8, usize),
        [client_random, server_random]: [*const u8; 2],
        prf: sys::mbedtls_tls_prf_types,
    ) {
        if kind != sys::MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET {
            return;
        }
        let mut seed = [0; 64];
        let to = self.0.get().cast::<u8>();
        // SAFETY: by this function's contract; the keys are written here only. Where the function
        // fails, it does so before it for the handshake as well. None raises.
        unsafe {
            let (first, last) = seed.split_at_mut(32);
            first.copy_from_slice(core::slice::from_raw_parts(server_random, 32));
            last.copy_from_slice(core::slice::from_raw_parts(client_random, 32));
            let label = c"key expansion".as_ptr();
            let (seed, size) = (seed.as_ptr(), seed.len());
            if sys::mbedtls_ssl_tls_prf(prf, secret, len, label, seed, size, to, 2 * KEY_MAX) != 0 {
                zeroize(core::slice::from_raw_parts_mut(to, 2 * KEY_MAX));
            }
        }
    }

    /// Those for output and input, of `len` bytes each.
    pub(super) fn of(&self, len: usize, server: bool) -> [&[u8]; 2] {
        // SAFETY: written in handshakes only.
        let (client, rest) = unsafe { &*self.0.get() }.split_at_checked(len).unwrap_or_default();
        let other = rest.get(..len).unwrap_or_default();
        if server { [other, client] } else { [client, other] }
    }

    /// Takes over what [`Self::of`] gave.
    pub(super) fn set(&mut self, [output, input]: [&[u8]; 2], server: bool) {
        let [client, server] = if server { [input, output] } else { [output, input] };
        for (to, from) in self.0.get_mut().iter_mut().zip(client.iter().chain(server)) {
            *to = *from;
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        zeroize(self.0.get_mut());
    }
}
