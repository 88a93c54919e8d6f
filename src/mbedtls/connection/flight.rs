// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stream's side has written of a flight (RFC 5246 7.3) and the transport has not taken.
//!
//! Mbed TLS sends each message of a handshake by itself. A socket by default holds the second back
//! until the peer has acknowledged the first (RFC 896), which takes its time to do so (RFC 1122
//! 4.2.3.2), and each packet costs a radio's energy. So the records are collected here, Mbed TLS is
//! told that they are sent, and they leave in one write: when this side reads next, or has nothing
//! more to write, or sends an alert.
//!
//! Where there is no memory for that, what is collected leaves first, and then the record by
//! itself. Once the handshake is over there is nothing here. Datagrams Mbed TLS fills by itself.

use core::cell::Cell;

use crate::error::{Error, Result};
use crate::io::Interruption;
use crate::micropython_sys::{mpglue_calloc, mpglue_free};

/// The records, one behind the other.
pub(super) struct Flight {
    /// NULL: there are none.
    first: Cell<*mut u8>,
    len: Cell<u16>,
    /// How many of these bytes the transport has taken.
    sent: Cell<u16>,
}

impl Flight {
    pub(super) const fn new() -> Self {
        Self { first: Cell::new(core::ptr::null_mut()), len: Cell::new(0), sent: Cell::new(0) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.get().is_null()
    }

    /// Takes these bytes, all of them.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; it has taken none then.
    pub(super) fn add(&self, bytes: &[u8]) -> Result<()> {
        let rest = self.rest();
        let len = rest.len().saturating_add(bytes.len());
        let own = u16::try_from(len).map_err(|_| Error::NoMemory)?;
        // SAFETY: what is there, and behind it the bytes, go to memory for both. None raises.
        let grown = unsafe {
            let grown = mpglue_calloc(1, len).cast::<u8>();
            if grown.is_null() {
                return Err(Error::NoMemory);
            }
            core::ptr::copy_nonoverlapping(rest.as_ptr(), grown, rest.len());
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), grown.add(rest.len()), bytes.len());
            grown
        };
        self.set(grown, own);
        Ok(())
    }

    /// Sends all of it by `send`, which says how much it took.
    ///
    /// # Errors
    ///
    /// Those of `send`; the next call goes on where it stopped.
    pub(super) fn send(
        &self,
        send: impl Fn(&[u8]) -> core::result::Result<usize, Interruption>,
    ) -> core::result::Result<(), Interruption> {
        while !self.is_empty() {
            let taken = u16::try_from(send(self.rest())?).unwrap_or(u16::MAX);
            self.sent.set(self.sent.get().saturating_add(taken));
            if self.sent.get() >= self.len.get() {
                self.set(core::ptr::null_mut(), 0);
            }
        }
        Ok(())
    }

    /// What is still to be sent. Nothing else is called while it is looked at, but the transport.
    fn rest(&self) -> &[u8] {
        if self.is_empty() {
            return &[];
        }
        // SAFETY: `first` starts so many bytes, all written.
        let all = unsafe { core::slice::from_raw_parts(self.first.get(), self.len.get().into()) };
        all.get(self.sent.get().into()..).unwrap_or_default()
    }

    fn set(&self, first: *mut u8, len: u16) {
        // SAFETY: it came from this allocator, or is NULL, and nobody looks at it any more.
        unsafe { mpglue_free(self.first.replace(first).cast()) };
        self.len.set(len);
        self.sent.set(0);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.set(core::ptr::null_mut(), 0);
    }
}
