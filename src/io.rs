// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the core asks of the world around it.

use crate::mem::Erased;

/// Why a call-out did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The transport has, or takes, nothing now.
    WouldBlock,
    /// Python raised; the exception waits in C, with the socket.
    Raised,
    /// The transport failed with this errno. It may work again (a timeout).
    Errno(i32),
    /// There was no memory for a record; the transport was not called.
    NoMemory,
    /// The transport may wait. The caller makes this transfer when the call is over, and then
    /// the same call again.
    Outside,
}

/// The stream or datagram socket under a connection.
pub trait Transport {
    /// Reads up to `buf.len()` bytes, or one datagram; `Ok(0)` is the end of a stream.
    ///
    /// # Errors
    ///
    /// See [`Interruption`]. Nothing was read.
    fn recv(&mut self, buf: &mut [u8]) -> Result<usize, Interruption>;

    /// The same, of what is still to come of a stream's record. After [`Interruption::Outside`]
    /// the buffer stays where it is until it is given again, and what has come is in it then.
    ///
    /// # Errors
    ///
    /// See [`Interruption`].
    fn recv_rest(&mut self, buf: &mut [u8]) -> Result<usize, Interruption> {
        self.recv(buf)
    }

    /// The same as [`Self::recv`], of what nobody is called again for. Never
    /// [`Interruption::Outside`].
    ///
    /// # Errors
    ///
    /// See [`Interruption`].
    fn recv_now(&mut self, buf: &mut [u8]) -> Result<usize, Interruption> {
        self.recv(buf)
    }

    /// How long the datagram is that [`Self::recv`] would read, at most; 0: there is none
    /// yet; `None`: the transport cannot tell.
    ///
    /// # Errors
    ///
    /// See [`Interruption`]: what [`Self::recv`] would have reported, and will not any more.
    fn datagram_len(&mut self) -> Result<Option<usize>, Interruption> {
        Ok(None)
    }

    /// Writes up to `buf.len()` bytes, or one datagram.
    ///
    /// # Errors
    ///
    /// See [`Interruption`]. Nothing was written.
    fn send(&mut self, buf: &[u8]) -> Result<usize, Interruption>;

    /// The same, of what nobody is called again for: an alert. Never [`Interruption::Outside`].
    ///
    /// # Errors
    ///
    /// See [`Interruption`]. Nothing was written.
    fn send_now(&mut self, buf: &[u8]) -> Result<usize, Interruption> {
        self.send(buf)
    }

    /// The datagram read last has a record newer than all before, and authentic: the peer is where it came from,
    /// if it has a Connection ID (RFC 9146 6).
    fn peer_is_there(&mut self) {}
}

/// A millisecond clock that may wrap around at 2^32.
pub trait Clock {
    /// Milliseconds since any fixed moment.
    fn ticks_ms(&self) -> u32;
}

/// `SSLContext.verify_callback`.
pub trait Verifier {
    /// Judges one certificate (DER) of the peer's chain, `depth` 0 being the
    /// peer's own: 0 accepts what Mbed TLS found of it, any other number
    /// refuses and becomes the `OSError`'s.
    ///
    /// # Errors
    ///
    /// [`Interruption::Raised`] if the callback raised.
    fn verify(&mut self, der: &[u8], depth: i32) -> Result<i32, Interruption>;
}

/// How a key signs a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// ECDSA.
    Ecdsa,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 8.2).
    Pkcs1v15,
    /// RSASSA-PSS (RFC 8017 8.1), with the same hash for its mask, and a salt of the hash's length.
    Pss,
}

/// Who signs for this side: `SSLContext.ecdsa_sign_callback`, and objects in the place of keys.
pub trait Signer {
    /// Signs `hash` with the key that `key` (a private scalar, or what stands for
    /// one in a chip) names, as DER (RFC 3279 2.2.3), into `signature`: its length,
    /// or `None` to have it signed with the key in memory.
    ///
    /// # Errors
    ///
    /// [`Interruption::Raised`] if the callback raised.
    fn sign(&mut self, key: &[u8], hash: &[u8], signature: &mut [u8]) -> Result<Option<usize>, Interruption>;

    /// Has the object that is the key sign `hash`, into `signature`: its length. With ECDSA it is DER, or
    /// r and s, each as long as the curve's order.
    ///
    /// # Errors
    ///
    /// [`Interruption::WouldBlock`] if there is none yet: the same is to be asked again.
    /// [`Interruption::Raised`] if the object raised.
    fn sign_by_object(
        &mut self,
        scheme: Scheme,
        hash: &[u8],
        signature: &mut [u8],
    ) -> Result<usize, Interruption> {
        let _ = (scheme, hash, signature);
        Err(Interruption::Raised)
    }
}

/// Where pre-shared keys come from: `SSLContext.server_psk_keys` and the callbacks.
pub trait PskStore {
    /// A server's key for the identity that a client shows, into `key`: its length; 0
    /// where there is none.
    ///
    /// # Errors
    ///
    /// [`Interruption::Raised`] if the look-up raised.
    fn key(&mut self, identity: &[u8], key: &mut [u8]) -> Result<usize, Interruption>;

    /// A client's identity and key for the server's hint (empty: it gave none), into
    /// `identity` and `key`: their lengths, 0 where there are none.
    ///
    /// # Errors
    ///
    /// [`Interruption::Raised`] if the callback raised.
    fn identity(
        &mut self,
        hint: &[u8],
        identity: &mut [u8],
        key: &mut [u8],
    ) -> Result<(usize, usize), Interruption>;
}

/// Why a server does not go on with the client of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The alert for the client (RFC 8446 6).
    pub alert: u8,
    /// Whether the callback raised.
    pub raised: bool,
}

/// Where a server with several names has their certificates from: `SSLContext.sni_callback`.
pub trait Names {
    /// The configuration (`mbedtls::Config`) for the name that a client asks for (empty: for none),
    /// whose certificates are to be shown; `None`: the connection's own.
    ///
    /// # Errors
    ///
    /// The client is refused.
    fn server_name(&mut self, name: &[u8]) -> Result<Option<Erased>, Refused> {
        let _ = name;
        Ok(None)
    }
}

/// Where a handshake's secrets are written down: `SSLContext.keylog_filename`.
pub trait KeyLog {
    /// Writes a line, which ends with its newline (RFC 9850).
    ///
    /// # Errors
    ///
    /// [`Interruption::Raised`] if it could not.
    fn log_key(&mut self, line: &[u8]) -> Result<(), Interruption> {
        let _ = line;
        Ok(())
    }
}

/// Where a client's bundles of certificates are: `SSLContext.load_verify_locations`.
pub trait Bundles {
    /// Reads from `at` on of the `index`-th bundle, as many bytes as `buf` holds: fewer only at its end.
    ///
    /// # Errors
    ///
    /// [`Interruption::Raised`] if that raised.
    fn read_bundle(&mut self, index: u32, at: u32, buf: &mut [u8]) -> Result<usize, Interruption> {
        let _ = (index, at, buf);
        Err(Interruption::Raised)
    }

    /// All of the `index`-th bundle, if it is in memory, and stays there as it is as long as the call lasts.
    fn bundle_in_place(&self, index: u32) -> Option<&[u8]> {
        let _ = index;
        None
    }

    /// Closes what was opened to read. `changed`: the bundle is another one than was loaded, which
    /// raises.
    ///
    /// # Errors
    ///
    /// [`Interruption::Raised`] if that raised.
    fn close_bundle(&mut self, index: u32, changed: bool) -> Result<(), Interruption> {
        let _ = index;
        if changed { Err(Interruption::Raised) } else { Ok(()) }
    }
}

/// All of it: what one call on a socket may call out to.
pub trait Host: Transport + Clock + Verifier + Signer + PskStore + Names + KeyLog + Bundles {}

impl<T: Transport + Clock + Verifier + Signer + PskStore + Names + KeyLog + Bundles> Host for T {}
