// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock of a thread, which only moves when told to: links go by it, and through
//! `mpglue_ticks_ms` so does the core.

use std::cell::Cell;

thread_local! {
    /// About to wrap around: whoever compares times instead of subtracting them is found out.
    static NOW: Cell<u32> = const { Cell::new(u32::MAX - 500) };
}

thread_local! {
    /// The date, in seconds, by the core's clock. Certificates go by the real one.
    static DATE: Cell<u64> = const { Cell::new(1_800_000_000) };
}

pub fn date() -> u64 {
    DATE.get()
}

pub fn set_date(date: u64) {
    DATE.set(date);
}

pub fn now() -> u32 {
    NOW.get()
}

pub fn set(now: u32) {
    NOW.set(now);
}

pub fn advance(ms: u32) {
    NOW.set(NOW.get().wrapping_add(ms));
}

/// Milliseconds since `start`.
pub fn since(start: u32) -> u32 {
    NOW.get().wrapping_sub(start)
}
