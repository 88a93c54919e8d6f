// SPDX-License-Identifier: MIT OR Apache-2.0
//! The retransmission timer behind Mbed TLS's callbacks.

use core::cell::Cell;
use core::ffi::{c_int, c_void};

use super::call::Call;
use crate::timer::{Passed, Timer};

/// The retransmission timer as Mbed TLS's callbacks see it: it reads the clock
/// of the call that is under way.
pub(super) struct CallTimer {
    pub(super) timer: Cell<Timer>,
    /// NULL between calls.
    pub(super) call: Cell<*const Call<'static>>,
}

impl CallTimer {
    fn now(&self) -> Option<u32> {
        // SAFETY: not NULL only while `Ssl::call` runs, which owns the Call.
        unsafe { self.call.get().as_ref() }.map(Call::ticks_ms)
    }
}

/// This is called from: `mbedtls_ssl_handshake` and `_read` → `mbedtls_ssl_set_timer`.
pub(super) unsafe extern "C" fn set_timer(ctx: *mut c_void, intermediate: u32, last: u32) {
    // SAFETY: ctx is the timer beside the connection it was installed in.
    let timer = unsafe { &*ctx.cast::<CallTimer>() };
    // Outside of a call (setup) only cancelling happens.
    timer.timer.set(timer.now().map_or_else(Timer::default, |now| Timer::started(now, intermediate, last)));
}

/// This is called from: `mbedtls_ssl_handshake` and `_read` → `mbedtls_ssl_check_timer`.
pub(super) unsafe extern "C" fn get_timer(ctx: *mut c_void) -> c_int {
    // SAFETY: as in `set_timer`.
    let timer = unsafe { &*ctx.cast::<CallTimer>() };
    let passed = timer.now().map_or(Passed::Cancelled, |now| timer.timer.get().passed(now));
    match passed {
        Passed::Cancelled => -1,
        Passed::Nothing => 0,
        Passed::Intermediate => 1,
        Passed::Last => 2,
    }
}
