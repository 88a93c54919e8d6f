// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stream's handshake needs: of a flight (RFC 5246 7.3) what this side has written and the
//! transport has not taken, and of what came the beginning of a header.
//!
//! Mbed TLS sends each message of a handshake by itself. A socket by default holds the second back
//! until the peer has acknowledged the first (RFC 896), which takes its time to do so (RFC 1122
//! 4.2.3.2), and each packet costs a radio's energy. So the records are collected here, Mbed TLS is
//! told that they are sent, and they leave in one write: when this side reads next, or has nothing
//! more to write, or sends an alert.
//!
//! Where there is no memory for that, what is collected leaves first, and then the record by
//! itself. Once the handshake is over there is nothing here. Datagrams Mbed TLS fills by itself.
//!
//! And Mbed TLS puts each message into one record, longer ones than agreed on (RFC 6066 4) too. In
//! the clear such a record becomes several on its way out, of which Mbed TLS does not know: the
//! message is hashed, the header is not. It takes no memory: the header of each further one is
//! written over the end of the one before, which has left.

use core::cell::Cell;
#[cfg(tickets)]
use core::ffi::c_int;

#[cfg(server_names)]
use super::super::config::Config;
use super::super::sys;
use super::layout::HEADER;
use crate::error::{Error, Result};
use crate::io::Interruption;
#[cfg(server_names)]
use crate::mem::Shared;
use crate::mem::copy;
use crate::micropython_sys::{mpglue_calloc, mpglue_free};

/// What a stream's connection has in its handshake, and not when that is over.
pub(super) struct StreamHandshake {
    pub(super) flight: Flight,
    pub(super) splitting: Splitting,
    /// What was cut off a record that came, to go before the next one.
    pub(super) cut: Cell<CutHeader>,
    /// Whether a server's host was asked for the certificates of a name.
    #[cfg(server_names)]
    pub(super) asked: Cell<bool>,
    /// The configuration that has them, if it is another.
    #[cfg(server_names)]
    pub(super) chosen: Cell<Option<Shared<Config>>>,
    /// A ChangeCipherSpec of TLS 1.3's has gone before an alert.
    #[cfg(tls13)]
    pub(super) has_changed: Cell<bool>,
    /// What has become of an earlier session.
    #[cfg(resumption)]
    pub(super) facts: Cell<Facts>,
    /// What came of the ticket that the client has.
    #[cfg(tickets)]
    pub(super) shown: Cell<Shown>,
    /// The suite of the session in the ticket that was read last.
    #[cfg(tickets)]
    pub(super) ticket_suite: Cell<c_int>,
}

impl StreamHandshake {
    pub(super) fn new() -> Self {
        Self {
            flight: Flight { first: Cell::new(core::ptr::null_mut()), len: Cell::new(0), sent: Cell::new(0) },
            splitting: Splitting(Cell::new(Split::NONE)),
            cut: Cell::new(CutHeader::default()),
            #[cfg(server_names)]
            asked: Cell::new(false),
            #[cfg(server_names)]
            chosen: Cell::new(None),
            #[cfg(tls13)]
            has_changed: Cell::new(false),
            #[cfg(resumption)]
            facts: Cell::new(Facts::default()),
            #[cfg(tickets)]
            shown: Cell::new(Shown::None),
            #[cfg(tickets)]
            ticket_suite: Cell::new(0),
        }
    }
}

/// A ticket, as a server's handshake saw it.
#[cfg(tickets)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    None,
    Ticket,
    TooOld,
}

/// What a handshake has come to, noted as long as Mbed TLS knows.
#[cfg(resumption)]
#[derive(Clone, Copy, Default)]
pub(super) struct Facts {
    /// An earlier session goes on.
    pub(super) resumed: bool,
    /// The master secret is of this handshake alone (RFC 7627).
    pub(super) extended_ms: bool,
}

/// The beginning of a handshake message's header, behind the last whole message of a record in the
/// clear. Mbed TLS takes no header that a record's border cuts.
#[derive(Clone, Copy, Default)]
pub(super) struct CutHeader {
    bytes: [u8; 3],
    len: u8,
}

impl CutHeader {
    /// That of a record with this content, the first `rest` bytes of which are of a message that
    /// began before.
    pub(super) fn of(content: &[u8], rest: usize) -> Self {
        let mut left = content.get(rest..).unwrap_or_default();
        while let [_, high, middle, low, behind @ ..] = left {
            let len = u32::from_be_bytes([0, *high, *middle, *low]);
            left = usize::try_from(len).ok().and_then(|len| behind.get(len..)).unwrap_or_default();
        }
        let mut bytes = [0; 3];
        copy(&mut bytes, left);
        Self { bytes, len: left.len() as u8 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

/// The records, one behind the other.
pub(super) struct Flight {
    /// NULL: there are none.
    first: Cell<*mut u8>,
    len: Cell<u16>,
    /// How many of these bytes the transport has taken.
    sent: Cell<u16>,
}

/// The record of Mbed TLS's that leaves as several.
pub(super) struct Splitting(Cell<Split>);

/// How far it has come.
#[derive(Clone, Copy)]
struct Split {
    /// How many of its bytes are left; 0: there is none.
    record: u16,
    /// How many of them are in the part under way.
    part: u16,
    /// How many are left of the part's header, where that is not Mbed TLS's.
    header: u16,
}

impl Split {
    const NONE: Self = Self { record: 0, part: 0, header: 0 };
}

/// What the header of a handshake message's record begins with.
const TYPE_AND_VERSION: [u8; 3] = [sys::MBEDTLS_SSL_MSG_HANDSHAKE as u8, 3, 3];

impl Flight {
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

    /// Forgets it, unless a part has been sent.
    #[cfg(tls13)]
    pub(super) fn clear(&self) {
        if self.sent.get() == 0 {
            self.set(core::ptr::null_mut(), 0);
        }
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

impl Splitting {
    /// Sends `bytes` by `send`, which says how much it took, in records of up to `limit` bytes; how
    /// many of Mbed TLS's it was.
    ///
    /// # Errors
    ///
    /// Those of `send`; the next call goes on where it stopped.
    ///
    /// # Safety
    ///
    /// They are what Mbed TLS has to send: a whole record in its output buffer, or the rest of one.
    pub(super) unsafe fn send(
        &self,
        bytes: *mut u8,
        len: usize,
        limit: u16,
        send: impl Fn(&[u8]) -> core::result::Result<usize, Interruption>,
    ) -> core::result::Result<usize, Interruption> {
        let mut split = self.0.get();
        if split.record == 0 {
            // SAFETY: by this function's contract.
            let whole = unsafe { core::slice::from_raw_parts(bytes, len) };
            let content = match whole {
                [a, b, c, high, low, content @ ..] if [*a, *b, *c] == TYPE_AND_VERSION => {
                    Some(u16::from_be_bytes([*high, *low])).filter(|len| content.len() == usize::from(*len))
                }
                _ => None,
            };
            let Some(content) = content.filter(|content| *content > limit) else { return send(whole) };
            let with_header = |len: u16| len.saturating_add(HEADER as u16);
            split = Split { record: with_header(content), part: with_header(limit), header: 0 };
            // SAFETY: it is a record, the end of its header the length.
            unsafe { bytes.add(TYPE_AND_VERSION.len()).cast::<[u8; 2]>().write(limit.to_be_bytes()) };
        }
        if split.part == 0 {
            split = Split { part: split.record.min(limit), header: HEADER as u16, ..split };
            let ([a, b, c], [high, low]) = (TYPE_AND_VERSION, split.part.to_be_bytes());
            // SAFETY: the part before has left, and is as long as `limit`.
            unsafe { bytes.sub(HEADER).cast::<[u8; HEADER]>().write([a, b, c, high, low]) };
        }
        loop {
            self.0.set(split);
            // SAFETY: what is left of the header is in front of the part, and of the part not more
            // than of the record.
            let taken = send(unsafe {
                core::slice::from_raw_parts(
                    bytes.sub(split.header.into()),
                    split.header.saturating_add(split.part).into(),
                )
            })?;
            let taken = u16::try_from(taken).unwrap_or(u16::MAX);
            let own = taken.saturating_sub(split.header);
            split = Split {
                record: split.record.saturating_sub(own),
                part: split.part.saturating_sub(own),
                header: split.header.saturating_sub(taken),
            };
            // Mbed TLS would take none for all.
            if own > 0 {
                self.0.set(split);
                return Ok(own.into());
            }
        }
    }
}
