// SPDX-License-Identifier: MIT OR Apache-2.0
//! The record buffers of a connection, which exist only while a record is in flight.
//!
//! Written for Mbed TLS 3.6, which build.rs insists on. What it relies on:
//!
//! Output:
//!
//! - with `out_left == 0` the output buffer holds nothing that is read again: the record
//!   counter is `cur_out_ctr`, and a datagram's flight has its own copies;
//! - every pointer into it is set by `layout::reset_out_pointers`, and NULL without it;
//! - a record takes `layout::expansion` bytes beyond its payload, and 8 for the counter
//!   before it. Mbed TLS checks its writes against the length it would itself have
//!   allocated, so the payload is capped here, by `layout::max_payload`;
//! - a step of the handshake writes one message at most (`messages.rs` says how long), and
//!   for datagrams it, or the last flight, into one datagram after the other;
//! - the handshake over, only reading writes what it was not asked to: alerts, for a
//!   datagram's side that sent the last flight that again, and see below.
//!
//! Input:
//!
//! - of a record Mbed TLS fetches the header into `in_hdr`, looks at it, and fetches
//!   the rest behind it. It writes nowhere else but within these, and in the 8 bytes
//!   of the record counter at `in_buf`;
//! - it reads `in_hdr` again after each call of the transport, and has kept no other
//!   pointer into the buffer: so the buffer may change in that call, until the
//!   header is delivered, which it is in one piece, and not after;
//! - it asks for a header (`in_left == 0`) only when done with the record before,
//!   unless that was part of a handshake message (`layout::is_message_cut`), which is
//!   in front of `in_hdr` then;
//! - it writes nothing of its own before it has a record;
//! - every pointer into the buffer follows from `in_buf` and `in_hdr`, by
//!   `mbedtls_ssl_update_in_pointers`;
//! - a header with a length beyond what its own buffer would hold it refuses before
//!   it asks for the rest. For those, and for headers that it refuses anyway, no
//!   buffer is made.
//!
//! So, between any two calls of the transport, one of these holds:
//!
//! | `in_buf` is | it holds |
//! |---|---|
//! | `Input::stub` | the counter, and what has come of a header, or one to be refused |
//! | a buffer | what of a handshake message has come, and of the next header |
//! | a buffer | the same, and room for the record that the header announces |
//!
//! and between calls on the connection, once its handshake is over, there is no
//! buffer unless some of its bytes are still to come, or to be read.
//!
//! Datagrams: Mbed TLS fetches one when it is done with the one before, and then looks at
//! what came only. In a handshake it copies what came early back into the input buffer:
//! a message, once all its fragments have come, to where messages are (`in_msg`), a record to
//! the beginning. Each was in the datagram in the buffer, or it is there already
//! when the next datagram is fetched. So in a handshake the buffer is never smaller than the
//! last datagram and what is kept then, and stays until the handshake is over. Afterwards
//! nothing is copied back, also where the handshake's state is kept for the last flight:
//! what comes then either is too early for ever, or has that state freed.
//!
//! Both: `mbedtls_ssl_free` wipes the length it would have allocated of whatever
//! `in_buf` and `out_buf` point to. It must find its own buffers, or NULL. And a buffer that is
//! given back is wiped: of what came it had the plaintext, of what is half sent perhaps.
//!
//! With debug assertions, [`Buffers::check`] looks at all this at every call-out and after
//! every call.

use core::cell::{Cell, UnsafeCell};
use core::ffi::c_int;

use super::super::error::check;
use super::super::sys;
use super::flight::StreamHandshake;
use super::layout::{
    COUNTER, HEADER, OUT_CONTENT, clear_out_pointers, expansion, is_datagram, is_message_cut, max_payload,
    reset_in_pointers, reset_out_pointers,
};
use super::messages;
#[cfg(plain_setup)]
use super::setup::setup;
use crate::error::{Error, Result};
use crate::io::Interruption;
use crate::mem::Box;
use crate::micropython_sys::{mpglue_calloc, mpglue_free};

/// Whether this is the case at all: the build may leave the buffers to Mbed TLS, and
/// where that resizes them itself they are its own.
pub const ON_DEMAND: bool = cfg!(all(feature = "record-buffers", not(mbedtls_ssl_variable_buffer_length)));

/// The payload of an alert: level and description.
pub(super) const ALERT: usize = 2;
/// Room to round to the cipher's block.
const BLOCK: usize = 16;
/// What a record of a handshake has beside its content, whatever is being agreed on:
/// the header, an IV, a MAC of SHA-384, padding; for datagrams a longer header, a
/// Connection ID and what hides the length.
const EXPANSION: usize = HEADER + 16 + 48 + BLOCK;
const DATAGRAM_EXPANSION: usize = EXPANSION + COUNTER + CID_OUT + BLOCK;
/// The longest Connection IDs of records that are written, and read.
#[cfg(mbedtls_ssl_dtls_connection_id)]
const CID_OUT: usize = sys::MBEDTLS_SSL_CID_OUT_LEN_MAX as usize;
#[cfg(mbedtls_ssl_dtls_connection_id)]
const CID_IN: usize = sys::MBEDTLS_SSL_CID_IN_LEN_MAX as usize;
#[cfg(not(mbedtls_ssl_dtls_connection_id))]
const CID_OUT: usize = 0;
#[cfg(not(mbedtls_ssl_dtls_connection_id))]
const CID_IN: usize = 0;
/// The sizes of Mbed TLS's own buffers, and what a message may have in the second.
pub(super) const WHOLE: usize = sys::MBEDTLS_SSL_IN_BUFFER_LEN as usize;
pub(super) const WHOLE_OUT: usize = sys::MBEDTLS_SSL_OUT_BUFFER_LEN as usize;
/// The most bytes of data in a record, as in upstream's: a longer one needs as much memory more, here
/// and at the peer.
pub(super) const DATA: usize = if OUT_CONTENT < 4096 { OUT_CONTENT } else { 4096 };
/// The longest datagram that is sent where no MTU is set, if Mbed TLS's own buffer holds longer ones.
#[cfg(mbedtls_ssl_proto_dtls)]
pub(super) const DATAGRAM_OUT: Option<u16> = match OUT_CONTENT.saturating_sub(DATA) {
    0 => None,
    more => Some(WHOLE_OUT.saturating_sub(more) as u16),
};
/// The longest datagram that comes, as long as no longer one has: more than an Ethernet
/// frame's.
pub(super) const DATAGRAM: u16 = 2048;
/// What may be in front of a datagram's handshake message: header, Connection ID, IV.
pub(super) const PREFIX: usize = HEADER + COUNTER + CID_IN + BLOCK;
/// A buffer for a message of a handshake may be longer by this than the next one needs.
const SPARE: usize = 64;

/// The output buffer.
pub(super) struct Output(Cell<Room>);

/// Whose that is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// Mbed TLS's, as `mbedtls_ssl_setup` made it.
    Whole,
    /// None.
    Parked,
    /// Ours, of this size, for one record with a payload of up to `payload`.
    Own { size: u16, payload: u16 },
}

impl Output {
    fn size(&self) -> usize {
        match self.0.get() {
            Room::Whole => WHOLE_OUT,
            Room::Parked => 0,
            Room::Own { size, .. } => size.into(),
        }
    }

    /// How many bytes of a message it has room for.
    #[cfg(tickets)]
    pub(super) fn payload(&self) -> usize {
        match self.0.get() {
            Room::Whole => OUT_CONTENT,
            Room::Parked => 0,
            Room::Own { payload, .. } => payload.into(),
        }
    }

    /// Whether it is as long as Mbed TLS takes it to be.
    pub(super) fn is_whole(&self) -> bool {
        self.0.get() == Room::Whole
    }

    /// Makes room for a record with a payload of up to `payload` bytes; how many of them
    /// may be written. 0: there will be no record.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; nothing has changed then.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this, and set up.
    pub(super) unsafe fn take(&self, ssl: *mut sys::mbedtls_ssl_context, payload: usize) -> Result<usize> {
        // SAFETY: by this function's contract.
        let half_sent = unsafe { (*ssl).out_left } != 0;
        match self.0.get() {
            Room::Whole => return Ok(payload.min(DATA)),
            // Nothing is going to be written.
            Room::Parked if payload == 0 => return Ok(0),
            // Half sent: the same record again, or an alert behind it.
            Room::Own { payload: room, .. } if half_sent || usize::from(room) >= payload => {
                return Ok(payload.min(room.into()));
            }
            Room::Parked | Room::Own { .. } => {}
        }
        // SAFETY: by this function's contract.
        unsafe {
            let payload = payload.min(max_payload(ssl)).min(DATA);
            // An alert goes out whatever the path is said to take.
            let room = payload.max(ALERT);
            self.replace(ssl, room, COUNTER.saturating_add(expansion(ssl)).saturating_add(room))?;
            debug_assert_eq!(usize::try_from(sys::mbedtls_ssl_get_record_expansion(ssl)), Ok(expansion(ssl)));
            let most = sys::mbedtls_ssl_get_max_out_record_payload(ssl);
            debug_assert_eq!(usize::try_from(most).unwrap_or(0), max_payload(ssl));
            Ok(payload)
        }
    }

    /// Makes a buffer of `size`, for records with up to `payload` bytes.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this, and set up; its buffer holds nothing.
    pub(super) unsafe fn replace(
        &self,
        ssl: *mut sys::mbedtls_ssl_context,
        payload: usize,
        size: usize,
    ) -> Result<()> {
        let own = |n| u16::try_from(n).map_err(|_| Error::NoMemory);
        let made = Room::Own { size: own(size)?, payload: own(payload)? };
        // SAFETY: by this function's contract. The buffer is as large as this file's
        // header says; the pointers are derived from it before anything uses them. None
        // raises.
        unsafe {
            self.park(ssl);
            let buffer = mpglue_calloc(1, size);
            if buffer.is_null() {
                return Err(Error::NoMemory);
            }
            (*ssl).out_buf = buffer.cast();
            reset_out_pointers(ssl);
        }
        self.0.set(made);
        Ok(())
    }

    /// Wipes and frees the buffer, whatever is in it.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this.
    unsafe fn park(&self, ssl: *mut sys::mbedtls_ssl_context) {
        // SAFETY: the buffer came from the same allocator, Mbed TLS's own included, and is as
        // long as this says; no pointer into it is used before `replace` has set them all. None
        // raises.
        unsafe {
            wipe_and_free((*ssl).out_buf, self.size());
            clear_out_pointers(&mut *ssl);
        }
        self.0.set(Room::Parked);
    }

    /// Makes room for what the next step of the handshake may write, unless that is only an
    /// answer to a record still to come, for which `Call::recv_stream` makes room.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this, in a handshake; its buffer holds nothing.
    pub(super) unsafe fn fit(&self, ssl: *mut sys::mbedtls_ssl_context) -> Result<()> {
        // SAFETY: by this function's contract.
        unsafe {
            if awaits_header(ssl) {
                if messages::awaits_hello(ssl) {
                    return Ok(());
                }
                if messages::only_reads(ssl) && !self.is_whole() {
                    // What there is may be too short for an alert that is encrypted.
                    self.park(ssl);
                    return Ok(());
                }
            }
        }
        // SAFETY: by this function's contract.
        let (room, size) = unsafe {
            let expansion = if is_datagram(ssl) { DATAGRAM_EXPANSION } else { EXPANSION };
            let room = messages::longest(ssl).map_or(WHOLE_OUT, |len| {
                #[cfg(mbedtls_ssl_proto_dtls)]
                return len.saturating_add(messages::flight(ssl, expansion));
                #[cfg(not(mbedtls_ssl_proto_dtls))]
                len
            });
            (room, room.saturating_add(COUNTER).saturating_add(expansion))
        };
        match self.0.get() {
            Room::Whole => Ok(()),
            Room::Own { payload, .. } if (room..=room.saturating_add(SPARE)).contains(&payload.into()) => {
                Ok(())
            }
            // What does not fit into its own buffer Mbed TLS refuses.
            // SAFETY: by this function's contract.
            _ => unsafe { self.replace(ssl, room.min(WHOLE_OUT), size.min(WHOLE_OUT)) },
        }
    }
}

/// Gives a record's buffer back, with nothing in it.
///
/// # Safety
///
/// It is NULL, or of this size and from this allocator, and not used again.
unsafe fn wipe_and_free(buffer: *mut u8, size: usize) {
    // SAFETY: by this function's contract. None raises.
    unsafe {
        if !buffer.is_null() {
            sys::mbedtls_platform_zeroize(buffer.cast(), size);
            mpglue_free(buffer.cast());
        }
    }
}

/// Whether nothing of a stream's next record has come, and nothing of the last one is to be
/// looked at.
///
/// # Safety
///
/// The connection is set up.
unsafe fn awaits_header(ssl: *const sys::mbedtls_ssl_context) -> bool {
    // SAFETY: by this function's contract; does not raise.
    unsafe { !is_datagram(ssl) && (*ssl).in_left < HEADER && sys::mbedtls_ssl_check_pending(ssl) == 0 }
}

/// See [`messages::early`].
///
/// # Safety
///
/// The connection is set up.
pub(super) unsafe fn early(ssl: *const sys::mbedtls_ssl_context) -> usize {
    // SAFETY: by this function's contract.
    #[cfg(mbedtls_ssl_proto_dtls)]
    return unsafe { messages::early(ssl) };
    #[cfg(not(mbedtls_ssl_proto_dtls))]
    {
        let _ = ssl;
        0
    }
}

/// The input buffer.
pub(super) struct Input {
    buffer: Cell<Buffer>,
    /// How many bytes of a stream's record, from its beginning, have come of which Mbed TLS has not
    /// been told: its header is not whole, there was no memory for it, or it is looked at first.
    pub(super) ahead: Cell<u16>,
    /// How long the datagram is that Mbed TLS has not been told of: there was no memory for
    /// an answer.
    pub(super) waiting: Cell<u16>,
    /// How long datagrams are, where the transport cannot tell.
    pub(super) expected: Cell<u16>,
    /// Counter and header.
    stub: UnsafeCell<[u8; COUNTER + HEADER]>,
}

/// Whose the input buffer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Buffer {
    /// Mbed TLS's, as `mbedtls_ssl_setup` made it.
    Whole,
    /// There is only the stub.
    Stub,
    /// Ours, of this size.
    Own(u16),
}

impl Input {
    pub(super) fn new() -> Self {
        Self {
            buffer: Cell::new(Buffer::Whole),
            ahead: Cell::new(0),
            waiting: Cell::new(0),
            expected: Cell::new(DATAGRAM),
            stub: UnsafeCell::new([0; COUNTER + HEADER]),
        }
    }

    /// Whether a datagram has come that Mbed TLS does not know of.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.get() != 0
    }

    /// Whether it is Mbed TLS's.
    pub(super) fn is_whole(&self) -> bool {
        self.buffer.get() == Buffer::Whole
    }

    pub(super) fn size(&self) -> usize {
        match self.buffer.get() {
            Buffer::Whole => WHOLE,
            Buffer::Stub => COUNTER + HEADER,
            Buffer::Own(size) => size.into(),
        }
    }

    /// How many bytes Mbed TLS is told of, which wants to have `len`.
    pub(super) fn tell(&self, len: usize) -> usize {
        let ahead = self.ahead.get();
        let told = ahead.min(u16::try_from(len).unwrap_or(u16::MAX));
        self.ahead.set(ahead.saturating_sub(told));
        told.into()
    }

    /// Goes back to the stub: no byte of a record is kept.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this; nothing in its buffer is needed any more.
    pub(super) unsafe fn shrink(&self, ssl: *mut sys::mbedtls_ssl_context) {
        if self.buffer.get() == Buffer::Stub {
            return;
        }
        // SAFETY: both hold a counter; the buffer is from this allocator, Mbed TLS's own
        // included. None raises.
        unsafe {
            let stub = self.stub.get().cast::<u8>();
            core::ptr::copy_nonoverlapping((*ssl).in_buf, stub, COUNTER);
            wipe_and_free((*ssl).in_buf, self.size());
            (*ssl).in_buf = stub;
            (*ssl).in_msglen = 0;
            (*ssl).in_hslen = 0;
            reset_in_pointers(ssl);
        }
        self.buffer.set(Buffer::Stub);
    }

    /// Makes sure of a buffer of `size` for a datagram. `over`: the handshake is, and the
    /// buffer of the datagram before may go first.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this; nothing in its buffer is needed any more.
    pub(super) unsafe fn hold(
        &self,
        ssl: *mut sys::mbedtls_ssl_context,
        size: usize,
        over: bool,
    ) -> core::result::Result<(), Interruption> {
        if self.size() >= size && self.buffer.get() != Buffer::Stub {
            return Ok(());
        }
        // SAFETY: by this function's contract.
        unsafe {
            if over {
                self.shrink(ssl);
            }
            self.replace(ssl, size, 0)
        }
    }

    /// A buffer of `size`, with the first `kept` bytes of the old one, which stays if there is
    /// no memory. The pointers into it are the caller's to set.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this; the rest of its buffer is not needed any more.
    unsafe fn exchange(
        &self,
        ssl: *mut sys::mbedtls_ssl_context,
        size: usize,
        kept: usize,
    ) -> core::result::Result<(), Interruption> {
        let own = u16::try_from(size).map_err(|_| Interruption::NoMemory)?;
        // SAFETY: both buffers hold what is copied. None raises.
        unsafe {
            let buffer = mpglue_calloc(1, size).cast::<u8>();
            if buffer.is_null() {
                return Err(Interruption::NoMemory);
            }
            core::ptr::copy_nonoverlapping((*ssl).in_buf, buffer, kept.min(size));
            if self.buffer.get() != Buffer::Stub {
                wipe_and_free((*ssl).in_buf, self.size());
            }
            (*ssl).in_buf = buffer;
        }
        self.buffer.set(Buffer::Own(own));
        Ok(())
    }

    /// A buffer of `size` for datagrams, with the first `kept` bytes of the old one, which
    /// stays if there is no memory.
    ///
    /// # Safety
    ///
    /// As [`Self::exchange`].
    pub(super) unsafe fn replace(
        &self,
        ssl: *mut sys::mbedtls_ssl_context,
        size: usize,
        kept: usize,
    ) -> core::result::Result<(), Interruption> {
        // SAFETY: by this function's contract. None raises.
        unsafe {
            self.exchange(ssl, size, kept)?;
            reset_in_pointers(ssl);
        }
        Ok(())
    }

    /// Makes room for `len` bytes from `in_hdr` on, of which `come` have come.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this, and Mbed TLS is fetching a header.
    pub(super) unsafe fn grow(
        &self,
        ssl: *mut sys::mbedtls_ssl_context,
        come: usize,
        len: usize,
    ) -> core::result::Result<(), Interruption> {
        // SAFETY: the header is in the buffer, behind the counter and what is kept. None
        // raises.
        unsafe {
            let kept = (*ssl).in_hdr.offset_from_unsigned((*ssl).in_buf);
            let size = kept.saturating_add(len);
            // What does not fit into its own buffer Mbed TLS refuses next.
            if size <= self.size() || size > WHOLE {
                return Ok(());
            }
            self.exchange(ssl, size, kept.saturating_add(come))?;
            (*ssl).in_hdr = (*ssl).in_buf.add(kept);
            sys::mbedtls_ssl_update_in_pointers(ssl);
        }
        Ok(())
    }
}

/// The length of the record that a header announces, its header included; `None` if
/// Mbed TLS refuses it whatever the length, where that has a highest version.
pub(super) fn announced(
    header: [u8; HEADER],
    highest: Option<sys::mbedtls_ssl_protocol_version>,
) -> Option<usize> {
    let [content_type, major, minor, high, low] = header;
    let version = sys::mbedtls_ssl_protocol_version::from(u16::from_be_bytes([major, minor]));
    let known = (sys::MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC..=sys::MBEDTLS_SSL_MSG_APPLICATION_DATA)
        .contains(&content_type.into());
    let len = usize::from(u16::from_be_bytes([high, low]));
    let known = known && highest.is_none_or(|highest| version <= highest);
    (known && len > 0).then_some(HEADER.saturating_add(len))
}

/// Both buffers of a connection and what it has to send, handed to each call. They are changed while Mbed TLS
/// calls out, and one may be in here (`Input::stub`): so by shared references only.
pub(super) struct Buffers {
    pub(super) input: Input,
    pub(super) output: Output,
    /// `None`: of datagrams, or the handshake is over.
    pub(super) handshake: Option<Box<StreamHandshake>>,
}

impl Buffers {
    /// Whether both are Mbed TLS's, as it has made them.
    #[cfg(tls13)]
    pub(super) fn are_whole(&self) -> bool {
        self.input.is_whole() && self.output.is_whole()
    }

    pub(super) fn new() -> Self {
        Self { input: Input::new(), output: Output(Cell::new(Room::Whole)), handshake: None }
    }

    /// `mbedtls_ssl_setup`, without its input buffer where there is a way: a connection
    /// is not to need 16 KB in one piece for a moment.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    ///
    /// # Safety
    ///
    /// The connection beside this is initialised; the configuration lives as long.
    pub(super) unsafe fn begin(
        &self,
        ctx: *mut sys::mbedtls_ssl_context,
        config: *const sys::mbedtls_ssl_config,
    ) -> Result<()> {
        #[cfg(plain_setup)]
        if ON_DEMAND {
            // SAFETY: by this function's contract. None raises.
            unsafe {
                (*ctx).in_buf = self.input.stub.get().cast();
                self.input.buffer.set(Buffer::Stub);
                setup(ctx, config)?;
                reset_in_pointers(ctx);
                self.output.park(ctx);
            }
            return Ok(());
        }
        // SAFETY: as above.
        unsafe {
            check(sys::mbedtls_ssl_setup(ctx, config))?;
            if ON_DEMAND {
                self.input.shrink(ctx);
            }
        }
        if ON_DEMAND {
            // SAFETY: the connection is beside it, and has written nothing.
            unsafe { self.output.park(ctx) };
        }
        Ok(())
    }

    /// The buffers of a connection that goes on with records, a stream's input with this
    /// counter: none where there is a way.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    ///
    /// # Safety
    ///
    /// Of the connection beside this, configuration and transform are set.
    #[cfg(hibernation)]
    pub(super) unsafe fn resume(&self, ctx: *mut sys::mbedtls_ssl_context, counter: &[u8]) -> Result<()> {
        // SAFETY: the connection has no buffers yet; what it gets is as large as Mbed TLS
        // takes it to be, or as this file's header says. None raises.
        unsafe {
            if ON_DEMAND {
                (*ctx).in_buf = self.input.stub.get().cast();
                self.input.buffer.set(Buffer::Stub);
                self.output.park(ctx);
            } else {
                (*ctx).in_buf = mpglue_calloc(1, WHOLE).cast();
                (*ctx).out_buf = mpglue_calloc(1, WHOLE_OUT).cast();
                #[cfg(mbedtls_ssl_variable_buffer_length)]
                {
                    (*ctx).in_buf_len = WHOLE;
                    (*ctx).out_buf_len = WHOLE_OUT;
                }
                if (*ctx).in_buf.is_null() || (*ctx).out_buf.is_null() {
                    return Err(Error::NoMemory);
                }
                reset_out_pointers(ctx);
            }
            reset_in_pointers(ctx);
            if !is_datagram(ctx) {
                let len = counter.len().min(COUNTER);
                core::ptr::copy_nonoverlapping(counter.as_ptr(), (*ctx).in_ctr, len);
            }
        }
        Ok(())
    }

    /// Gives the output buffer back if nothing needs it, and the input buffer.
    ///
    /// # Safety
    ///
    /// The connection beside this is set up, and no call is under way.
    pub(super) unsafe fn park(&self, ctx: *mut sys::mbedtls_ssl_context) {
        if !ON_DEMAND {
            return;
        }
        // SAFETY: by this function's contract: reads fields; a message that is not pending
        // was looked at, and the part of one, or of a record, that is to be kept is looked
        // for here. Of a datagram nothing is: its last record was not pending.
        unsafe {
            if (*ctx).out_left == 0 {
                self.output.park(ctx);
            }
            // In a handshake the message that came last may still be looked at.
            let over = (*ctx).state == sys::MBEDTLS_SSL_HANDSHAKE_OVER as c_int;
            if !over || self.input.is_waiting() || sys::mbedtls_ssl_check_pending(ctx) != 0 {
                return;
            }
            if is_datagram(ctx) {
                self.input.shrink(ctx);
                (*ctx).in_left = 0;
                #[cfg(mbedtls_ssl_proto_dtls)]
                {
                    (*ctx).next_record_offset = 0;
                }
            } else if (*ctx).in_left == 0 && self.input.ahead.get() == 0 && !is_message_cut(&*ctx) {
                self.input.shrink(ctx);
            }
        }
    }

    /// The payload that reading may have to write. Mbed TLS answers records, with alerts:
    /// for one that is still to come, or whose header is, `recv` makes room.
    ///
    /// # Safety
    ///
    /// As [`Self::park`].
    pub(super) unsafe fn answer(&self, ctx: *const sys::mbedtls_ssl_context) -> usize {
        // SAFETY: by this function's contract.
        unsafe {
            let awaits = if is_datagram(ctx) {
                !self.input.is_waiting() && sys::mbedtls_ssl_check_pending(ctx) == 0
            } else {
                self.input.buffer.get() == Buffer::Stub && (*ctx).in_left < HEADER
            };
            if awaits || sys::mbedtls_ssl_get_bytes_avail(ctx) > 0 { 0 } else { ALERT }
        }
    }

    /// With debug assertions: every pointer lies in the buffer that is there, and so does what is
    /// in it and is still to be sent.
    ///
    /// # Safety
    ///
    /// As [`Self::park`]; a call may be under way.
    pub(super) unsafe fn check(&self, ctx: *const sys::mbedtls_ssl_context) {
        if !cfg!(debug_assertions) || cfg!(mbedtls_ssl_variable_buffer_length) {
            return;
        }
        // SAFETY: by this function's contract; between Mbed TLS's own accesses.
        let ssl = unsafe { &*ctx };
        let cids = {
            #[cfg(mbedtls_ssl_dtls_connection_id)]
            let cids = (ssl.in_cid, ssl.out_cid);
            #[cfg(not(mbedtls_ssl_dtls_connection_id))]
            let cids = (ssl.in_len, ssl.out_len);
            cids
        };
        let pointers = [ssl.out_ctr, ssl.out_hdr, cids.1, ssl.out_len, ssl.out_iv, ssl.out_msg];
        let at = |pointer: *mut u8| pointer.addr().wrapping_sub(ssl.out_buf.addr());
        if self.output.0.get() == Room::Parked {
            debug_assert!(ssl.out_buf.is_null() && pointers.iter().all(|pointer| pointer.is_null()));
            debug_assert_eq!(ssl.out_left, 0);
        } else {
            let (size, end) = (self.output.size(), at(ssl.out_hdr));
            // What is to be sent ends where the next header would begin.
            debug_assert!(end <= size && ssl.out_left <= end, "{} to {end} of {size}", ssl.out_left);
            let fit = pointers.iter().all(|pointer| at(*pointer) <= size);
            debug_assert!(fit || ssl.out_left != 0, "output of {size}");
        }
        let (size, at) =
            (self.input.size(), |pointer: *mut u8| pointer.addr().wrapping_sub(ssl.in_buf.addr()));
        let header = at(ssl.in_hdr);
        debug_assert!(header <= size && ssl.in_left <= size.saturating_sub(header), "input of {size}");
        debug_assert!(at(ssl.in_ctr).saturating_add(COUNTER) <= size, "input of {size}");
        // The next header may still need room, behind a part of a message.
        let fit = [cids.0, ssl.in_len, ssl.in_iv, ssl.in_msg].iter().all(|pointer| at(*pointer) <= size);
        debug_assert!(fit || is_message_cut(ssl), "input of {size}");
        debug_assert!(ssl.in_offt.is_null() || at(ssl.in_offt).saturating_add(ssl.in_msglen) <= size);
    }

    /// Frees both buffers, whatever is in them, before Mbed TLS would.
    ///
    /// # Safety
    ///
    /// The connection beside this is initialised, and not used again but to be freed.
    pub(super) unsafe fn free(&self, ctx: *mut sys::mbedtls_ssl_context) {
        // SAFETY: by this function's contract: the buffers are of their sizes. None raises.
        unsafe {
            if !self.output.is_whole() {
                self.output.park(ctx);
            }
            if let Buffer::Own(size) = self.input.buffer.get() {
                wipe_and_free((*ctx).in_buf, size.into());
            }
            if self.input.buffer.get() != Buffer::Whole {
                (*ctx).in_buf = core::ptr::null_mut();
            }
        }
    }
}
