// SPDX-License-Identifier: MIT OR Apache-2.0
//! The output buffer of a TLS connection, which exists only while a record is
//! in flight once the handshake is over.
//!
//! Written for Mbed TLS 3.6, which build.rs insists on. What it relies on:
//!
//! - with the handshake over and `out_left == 0` the output buffer holds nothing
//!   that is read again: the record counter is `cur_out_ctr`;
//! - every pointer into it is set by `mbedtls_ssl_reset_out_pointers` and
//!   `mbedtls_ssl_update_out_pointers`;
//! - a record takes `mbedtls_ssl_get_record_expansion` bytes beyond its payload, and
//!   8 for the counter before it. Mbed TLS checks its writes against the length it
//!   would itself have allocated, so the payload is capped here;
//! - `mbedtls_ssl_free` wipes that length of whatever `out_buf` points to: it must
//!   find its own buffer, or NULL.
//!
//! A DTLS server may answer a forged hello with a HelloVerifyRequest out of this
//! buffer at any time: datagrams keep theirs.

use super::{Ssl, sys};
use crate::error::{Error, Result};
use crate::ffi::{mpglue_calloc, mpglue_free};

unsafe extern "C" {
    // Internal to Mbed TLS (library/ssl_misc.h), and linkable. Do not raise.
    fn mbedtls_ssl_reset_out_pointers(ssl: *mut sys::mbedtls_ssl_context);
    fn mbedtls_ssl_update_out_pointers(
        ssl: *mut sys::mbedtls_ssl_context,
        transform: *mut sys::mbedtls_ssl_transform,
    );
}

/// The payload of an alert: level and description.
pub(super) const ALERT: usize = 2;
/// The record counter before the header, and room to round to the cipher's block.
const COUNTER_AND_BLOCK: usize = 8 + 16;

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

impl Ssl {
    /// Makes room for a record with a payload of up to `payload` bytes; how many
    /// of them may be written.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; nothing has changed then.
    pub(super) fn take_output(&mut self, payload: usize) -> Result<usize> {
        match self.output {
            Output::Whole => return Ok(payload),
            // Half sent: the same record again, or an alert behind it.
            Output::Record(room) => return Ok(payload.min(room)),
            Output::Parked => {}
        }
        let payload = payload.min(self.max_out_payload());
        let ctx = self.ctx.get();
        // SAFETY: the buffer is as large as this file's header says; the pointers
        // are derived from it before anything uses them. None raises.
        unsafe {
            let expansion =
                usize::try_from(sys::mbedtls_ssl_get_record_expansion(ctx)).map_err(|_| Error::NoMemory)?;
            let size = payload.saturating_add(expansion).saturating_add(COUNTER_AND_BLOCK);
            let buffer = mpglue_calloc(1, size);
            if buffer.is_null() {
                return Err(Error::NoMemory);
            }
            (*ctx).out_buf = buffer.cast();
            mbedtls_ssl_reset_out_pointers(ctx);
            mbedtls_ssl_update_out_pointers(ctx, (*ctx).transform_out);
        }
        self.output = Output::Record(payload);
        Ok(payload)
    }

    /// Gives the output buffer back if nothing needs it.
    pub(super) fn park_output(&mut self) {
        if self.datagram || !self.is_handshake_over() || self.is_record_in_flight() {
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
