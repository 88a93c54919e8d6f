// SPDX-License-Identifier: MIT OR Apache-2.0
//! What functions leave on the stack that have returned.

/// How often `secret` is on the stack, where those functions had it that have returned.
#[inline(never)]
pub fn left_on_the_stack(secret: &[u8]) -> usize {
    const DEPTH: usize = 1 << 16;
    let here = 0_u8;
    // SAFETY: a test's thread has more stack than this, all of it mapped; the bytes are only looked at.
    let below = unsafe { std::slice::from_raw_parts((&raw const here).sub(DEPTH), DEPTH - 4096) };
    below.windows(secret.len()).filter(|window| *window == secret).count()
}

/// Calls what lies deep below the caller, and gets everything it has left there out of the way of
/// those who look for it.
#[inline(never)]
pub fn deep<T>(body: impl FnOnce() -> T) -> T {
    let room = std::hint::black_box([0_u8; 8192]);
    let result = body();
    std::hint::black_box(room);
    result
}
