// SPDX-License-Identifier: MIT OR Apache-2.0
//! The record buffers of a TLS connection, which exist only while a record is in
//! flight: for input from the start, for output once the handshake is over.
//!
//! Written for Mbed TLS 3.6, which build.rs insists on. What it relies on:
//!
//! Output:
//!
//! - with the handshake over and `out_left == 0` the output buffer holds nothing
//!   that is read again: the record counter is `cur_out_ctr`;
//! - every pointer into it is set by `mbedtls_ssl_reset_out_pointers` and
//!   `mbedtls_ssl_update_out_pointers`;
//! - a record takes `mbedtls_ssl_get_record_expansion` bytes beyond its payload, and
//!   8 for the counter before it. Mbed TLS checks its writes against the length it
//!   would itself have allocated, so the payload is capped here.
//!
//! Input:
//!
//! - of a record Mbed TLS fetches the header into `in_hdr`, looks at it, and fetches
//!   the rest behind it. It writes nowhere else but within these, and in the 8 bytes
//!   of the record counter at `in_buf`;
//! - it reads `in_hdr` again after each call of the transport, and has kept no other
//!   pointer into the buffer: so the buffer may change in that call, until the last
//!   byte of the header is delivered, and not after;
//! - it asks for a header (`in_left == 0`) only when done with the record before,
//!   unless that was part of a handshake message (`badmac_seen_or_in_hsfraglen`),
//!   which is in front of `in_hdr` then;
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
//! Both: `mbedtls_ssl_free` wipes the length it would have allocated of whatever
//! `in_buf` and `out_buf` point to. It must find its own buffers, or NULL.
//!
//! Datagrams keep Mbed TLS's buffers: it takes whole datagrams of any length and
//! copies the messages of a flight back into the input buffer; and a server may
//! answer a forged hello with a HelloVerifyRequest out of the output buffer at any
//! time.

use core::cell::UnsafeCell;

use super::ssl::Call;
use super::{Ssl, sys, zeroize};
use crate::error::{Error, Result, check};
use crate::ffi::{mpglue_calloc, mpglue_free};
use crate::io::Interruption;

/// Whether this is the case at all: the build may leave the buffers to Mbed TLS.
const ON_DEMAND: bool = cfg!(feature = "record-buffers");

/// The payload of an alert: level and description.
pub(super) const ALERT: usize = 2;
/// The record counter before the header.
const COUNTER: usize = 8;
/// A record's header: type, version, length.
const HEADER: usize = 5;
/// Room to round to the cipher's block.
const BLOCK: usize = 16;
/// The size of Mbed TLS's own input buffer.
const WHOLE: usize = sys::MBEDTLS_SSL_IN_BUFFER_LEN as usize;

/// Whose the output buffer is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Mbed TLS's, as `mbedtls_ssl_setup` made it.
    Whole,
    /// None.
    Parked,
    /// Ours, for one record with a payload of this size.
    Record(usize),
}

impl Output {
    /// See [`Ssl::take_output`].
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this, and set up.
    unsafe fn take(&mut self, ssl: *mut sys::mbedtls_ssl_context, payload: usize) -> Result<usize> {
        match *self {
            Self::Whole => return Ok(payload),
            // Half sent: the same record again, or an alert behind it.
            Self::Record(room) => return Ok(payload.min(room)),
            // Nothing is going to be written.
            Self::Parked if payload == 0 => return Ok(0),
            Self::Parked => {}
        }
        // SAFETY: the buffer is as large as this file's header says; the pointers
        // are derived from it before anything uses them. None raises.
        unsafe {
            let size = |n| usize::try_from(n).map_err(|_| Error::NoMemory);
            let payload = payload.min(size(sys::mbedtls_ssl_get_max_out_record_payload(ssl))?);
            let expansion = size(sys::mbedtls_ssl_get_record_expansion(ssl))?;
            let size = payload.saturating_add(expansion).saturating_add(COUNTER + BLOCK);
            let buffer = mpglue_calloc(1, size);
            if buffer.is_null() {
                return Err(Error::NoMemory);
            }
            (*ssl).out_buf = buffer.cast();
            sys::mbedtls_ssl_reset_out_pointers(ssl);
            sys::mbedtls_ssl_update_out_pointers(ssl, (*ssl).transform_out);
            *self = Self::Record(payload);
            Ok(payload)
        }
    }
}

/// The input buffer.
pub(super) struct Input {
    buffer: Buffer,
    /// How many bytes of a header, its last one included, Mbed TLS has not been told
    /// of: there was no memory for the record.
    held: u8,
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
        Self { buffer: Buffer::Whole, held: 0, stub: UnsafeCell::new([0; COUNTER + HEADER]) }
    }

    fn size(&self) -> usize {
        match self.buffer {
            Buffer::Whole => usize::MAX,
            Buffer::Stub => COUNTER + HEADER,
            Buffer::Own(size) => size.into(),
        }
    }

    /// Goes back to the stub: no byte of a record is kept.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this; nothing in its buffer is needed any more.
    unsafe fn shrink(&mut self, ssl: *mut sys::mbedtls_ssl_context) {
        if self.buffer == Buffer::Stub {
            return;
        }
        // SAFETY: both hold a counter; the buffer is from this allocator, Mbed TLS's own
        // included. None raises.
        unsafe {
            let stub = self.stub.get().cast::<u8>();
            core::ptr::copy_nonoverlapping((*ssl).in_buf, stub, COUNTER);
            mpglue_free((*ssl).in_buf.cast());
            (*ssl).in_buf = stub;
            (*ssl).in_msglen = 0;
            (*ssl).in_hslen = 0;
            sys::mbedtls_ssl_reset_in_pointers(ssl);
        }
        self.buffer = Buffer::Stub;
    }

    /// Makes room for `len` bytes from `in_hdr` on, of which `come` have come.
    ///
    /// # Safety
    ///
    /// `ssl` is the connection beside this, and Mbed TLS is fetching a header.
    unsafe fn grow(
        &mut self,
        ssl: *mut sys::mbedtls_ssl_context,
        come: usize,
        len: usize,
    ) -> core::result::Result<(), Interruption> {
        // SAFETY: the header is in the buffer, behind the counter and what is kept; both
        // buffers hold as much as is copied. None raises.
        unsafe {
            let kept = (*ssl).in_hdr.offset_from_unsigned((*ssl).in_buf);
            let size = kept.saturating_add(len);
            // What does not fit into its own buffer Mbed TLS refuses next.
            if size <= self.size() || size > WHOLE {
                return Ok(());
            }
            let own = u16::try_from(size).map_err(|_| Interruption::NoMemory)?;
            let buffer = mpglue_calloc(1, size).cast::<u8>();
            if buffer.is_null() {
                return Err(Interruption::NoMemory);
            }
            core::ptr::copy_nonoverlapping((*ssl).in_buf, buffer, kept.saturating_add(come));
            if self.buffer != Buffer::Stub {
                mpglue_free((*ssl).in_buf.cast());
            }
            (*ssl).in_buf = buffer;
            (*ssl).in_hdr = buffer.add(kept);
            sys::mbedtls_ssl_update_in_pointers(ssl);
            self.buffer = Buffer::Own(own);
        }
        Ok(())
    }
}

/// The length of the record that a header announces, its header included; `None` if
/// Mbed TLS refuses it whatever the length.
fn announced(header: [u8; HEADER], max_version: u32) -> Option<usize> {
    let [content_type, major, minor, high, low] = header;
    let known = (sys::MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC..=sys::MBEDTLS_SSL_MSG_APPLICATION_DATA)
        .contains(&content_type.into());
    let version = u32::from(u16::from_be_bytes([major, minor]));
    let len = usize::from(u16::from_be_bytes([high, low]));
    (known && version <= max_version && len > 0).then_some(HEADER.saturating_add(len))
}

impl Call<'_> {
    /// Reads up to `len` bytes to where Mbed TLS wants them, or would want them if it knew
    /// of the buffer made here. `None`: it was to refuse the record.
    pub(super) fn recv_stream(&mut self, len: usize) -> core::result::Result<Option<usize>, Interruption> {
        let ssl = self.ssl;
        // SAFETY: the connection's, whose call is under way; nobody else uses it until then.
        let input = unsafe { &mut *self.input };
        // SAFETY: Mbed TLS is fetching input, so `in_left` bytes from `in_hdr` on have come,
        // and `len` more fit behind them: see this file's header. None raises.
        unsafe {
            let come = (*ssl).in_left;
            if come == 0 && input.held == 0 && input.buffer != Buffer::Whole {
                if (*ssl).badmac_seen_or_in_hsfraglen == 0 {
                    input.shrink(ssl);
                } else {
                    input.grow(ssl, 0, HEADER)?;
                }
            }
            let start = (*ssl).in_hdr.offset_from_unsigned((*ssl).in_buf).saturating_add(come);
            if start.saturating_add(len) > input.size() {
                return Ok(None);
            }
            let n = match usize::from(input.held) {
                0 => {
                    let buf = core::slice::from_raw_parts_mut((*ssl).in_hdr.add(come), len);
                    self.host.recv(buf)?
                }
                held => held,
            };
            if come < HEADER && come.saturating_add(n) == HEADER && input.buffer != Buffer::Whole {
                let header = (*ssl).in_hdr.cast::<[u8; HEADER]>().read();
                if let Some(len) = announced(header, (*(*ssl).conf).max_tls_version) {
                    input.held = n as u8;
                    input.grow(ssl, HEADER, len)?;
                    // Mbed TLS may answer the record.
                    (*self.output).take(ssl, ALERT).map_err(|_| Interruption::NoMemory)?;
                }
                input.held = 0;
            }
            Ok(Some(n))
        }
    }
}

impl Ssl {
    /// `mbedtls_ssl_setup`, without its input buffer where there is a way: a connection
    /// is not to need 16 KB in one piece for a moment.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub(super) fn begin(&mut self, config: *const sys::mbedtls_ssl_config) -> Result<()> {
        let ctx = self.ctx.get();
        // Where Mbed TLS resizes its buffers, it does so in the handshake.
        let on_demand = ON_DEMAND && !self.datagram && cfg!(not(mbedtls_ssl_variable_buffer_length));
        if !on_demand || cfg!(not(all(mbedtls_ssl_dtls_client_port_reuse, mbedtls_ssl_srv_c))) {
            // SAFETY: the object is initialised; the configuration lives as long as the
            // connection, which keeps it. None raises.
            unsafe {
                check(sys::mbedtls_ssl_setup(ctx, config))?;
                if on_demand {
                    self.input.shrink(ctx);
                }
            }
            return Ok(());
        }
        // SAFETY: as above. What a DTLS server does for a client that begins anew does
        // the rest of the setup: it writes to the whole of the output buffer, and keeps
        // the input buffer as it is (`partial`).
        unsafe {
            let buffer = mpglue_calloc(1, sys::MBEDTLS_SSL_OUT_BUFFER_LEN as usize);
            if buffer.is_null() {
                return Err(Error::NoMemory);
            }
            (*ctx).out_buf = buffer.cast();
            (*ctx).in_buf = self.input.stub.get().cast();
            self.input.buffer = Buffer::Stub;
            (*ctx).conf = config;
            check(sys::mbedtls_ssl_session_reset_int(ctx, 1))
        }
    }

    /// The buffers of a connection that goes on with records, a stream's input with this
    /// counter: none where there is a way. Configuration and transform are set.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub(super) fn resume(&mut self, counter: &[u8]) -> Result<()> {
        let ctx = self.ctx.get();
        // SAFETY: the connection has no buffers yet; what it gets is as large as Mbed TLS
        // takes it to be, or as this file's header says. None raises.
        unsafe {
            if ON_DEMAND && !self.datagram && cfg!(not(mbedtls_ssl_variable_buffer_length)) {
                (*ctx).in_buf = self.input.stub.get().cast();
                self.input.buffer = Buffer::Stub;
                self.output = Output::Parked;
            } else {
                (*ctx).in_buf = mpglue_calloc(1, WHOLE).cast();
                (*ctx).out_buf = mpglue_calloc(1, sys::MBEDTLS_SSL_OUT_BUFFER_LEN as usize).cast();
                #[cfg(mbedtls_ssl_variable_buffer_length)]
                {
                    (*ctx).in_buf_len = WHOLE;
                    (*ctx).out_buf_len = sys::MBEDTLS_SSL_OUT_BUFFER_LEN as usize;
                }
                if (*ctx).in_buf.is_null() || (*ctx).out_buf.is_null() {
                    return Err(Error::NoMemory);
                }
                sys::mbedtls_ssl_reset_out_pointers(ctx);
                sys::mbedtls_ssl_update_out_pointers(ctx, (*ctx).transform_out);
            }
            sys::mbedtls_ssl_reset_in_pointers(ctx);
            if !self.datagram {
                let len = counter.len().min(COUNTER);
                core::ptr::copy_nonoverlapping(counter.as_ptr(), (*ctx).in_ctr, len);
            }
        }
        Ok(())
    }

    /// Whether a record's header has come for which there was no memory.
    pub(super) fn is_header_held(&self) -> bool {
        self.input.held != 0
    }

    /// Gives the input buffer back if nothing needs it.
    pub(super) fn park_input(&mut self) {
        // In a handshake the message that came last may still be looked at.
        if !ON_DEMAND || self.datagram || !self.is_handshake_over() || self.has_pending() {
            return;
        }
        let ctx = self.ctx.get();
        // SAFETY: reads fields; a message that is not pending was looked at, and the part
        // of one, or of a record, that is to be kept is looked for here.
        unsafe {
            if (*ctx).in_left == 0 && self.input.held == 0 && (*ctx).badmac_seen_or_in_hsfraglen == 0 {
                self.input.shrink(ctx);
            }
        }
    }

    /// The payload that reading may have to write. Mbed TLS answers records, with alerts:
    /// for one whose header is still to come, `recv_stream` makes room.
    pub(super) fn answer(&self) -> usize {
        // SAFETY: reads a field of the connection that this owns.
        let header = unsafe { (*self.ctx.get()).in_left < HEADER };
        let awaits = self.input.buffer == Buffer::Stub && header;
        if awaits || self.bytes_available() > 0 { 0 } else { ALERT }
    }

    /// Frees the input buffer, whatever is in it.
    pub(super) fn drop_input(&mut self) {
        let ctx = self.ctx.get();
        // SAFETY: the buffer is of this size, and nothing uses it any more. None raises.
        unsafe {
            if let Buffer::Own(size) = self.input.buffer {
                zeroize(core::slice::from_raw_parts_mut((*ctx).in_buf, size.into()));
                mpglue_free((*ctx).in_buf.cast());
            }
            if self.input.buffer != Buffer::Whole {
                (*ctx).in_buf = core::ptr::null_mut();
            }
        }
    }

    /// Makes room for a record with a payload of up to `payload` bytes; how many
    /// of them may be written. 0: there will be no record.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; nothing has changed then.
    pub(super) fn take_output(&mut self, payload: usize) -> Result<usize> {
        // SAFETY: the connection is beside it, and set up.
        unsafe { self.output.take(self.ctx.get(), payload) }
    }

    /// Gives the output buffer back if nothing needs it.
    pub(super) fn park_output(&mut self) {
        if !ON_DEMAND || self.datagram || !self.is_handshake_over() || self.is_record_in_flight() {
            return;
        }
        self.drop_output();
    }

    /// Frees the output buffer, whatever is in it.
    pub(super) fn drop_output(&mut self) {
        let ctx = self.ctx.get();
        // SAFETY: the buffer came from the same allocator, Mbed TLS's own included;
        // no pointer into it is used before take_output has set them all. A record
        // in it is encrypted: there is nothing to wipe. None raises.
        unsafe {
            mpglue_free((*ctx).out_buf.cast());
            (*ctx).out_buf = core::ptr::null_mut();
        }
        self.output = Output::Parked;
    }
}
