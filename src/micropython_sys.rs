// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract (`c_glue/mpssl.h`) as bindgen reads it at build time: numbers, and the
//! call-outs that C implements. None raises.
//!
//! Safe where the contract asks nothing of the caller: `atomically`, `refusals`,
//! `stack_left`, `ticks_ms`.

/// All of it.
#[allow(missing_docs, non_camel_case_types, unused, clippy::all)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/micropython_sys.rs"));
}

pub use bindings::*;

/// Runs a few instructions with other threads and the interrupts shut out.
pub(crate) fn atomically<T>(run: impl FnOnce() -> T) -> T {
    // SAFETY: neither call raises; the end takes the state of the begin.
    let state = unsafe { mpglue_atomic_begin() };
    let value = run();
    // SAFETY: as above.
    unsafe { mpglue_atomic_end(state) };
    value
}

/// By what the running thread is known.
#[cfg(bundles)]
pub(crate) fn thread() -> usize {
    // SAFETY: does not raise.
    unsafe { mpglue_thread() }
}

/// The port's millisecond clock.
pub(crate) fn ticks_ms() -> u32 {
    // SAFETY: does not raise.
    unsafe { mpglue_ticks_ms() }
}

/// The port's clock, in seconds since any fixed day; 0: it has none.
#[cfg(sessions)]
pub(crate) fn time() -> u64 {
    // SAFETY: does not raise.
    unsafe { mpglue_time() }
}

/// Bytes of stack that are left.
#[cfg(p256)]
pub(crate) fn stack_left() -> usize {
    // SAFETY: does not raise.
    unsafe { mpglue_stack_left() }
}

/// How often the allocator has refused, wrapping.
pub(crate) fn refusals() -> u32 {
    // SAFETY: does not raise.
    unsafe { mpglue_refusals() }
}

/// Says which assertion failed, and ends the process: of a build for tests, on a machine that has
/// processes.
#[cfg(all(feature = "firmware", debug_assertions))]
pub(crate) fn abort(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::ffi::{c_int, c_void};
    use core::fmt::{Result, Write};

    unsafe extern "C" {
        fn write(fd: c_int, bytes: *const c_void, len: usize) -> isize;
        fn abort() -> !;
    }

    struct Stderr;

    impl Write for Stderr {
        fn write_str(&mut self, text: &str) -> Result {
            // SAFETY: the text is valid for its length; does not raise.
            unsafe { write(2, text.as_ptr().cast(), text.len()) };
            Ok(())
        }
    }

    let _ = writeln!(Stderr, "{info}");
    // SAFETY: does not return.
    unsafe { abort() }
}
