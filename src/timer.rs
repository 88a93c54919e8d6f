// SPDX-License-Identifier: MIT OR Apache-2.0
//! The timer of retransmissions (RFC 6347 4.2.4), on a clock that it is told.

/// The two delays that Mbed TLS sets at once, on a clock that wraps around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timer {
    start: u32,
    intermediate: u32,
    /// 0: not running.
    last: u32,
}

/// How far the timer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Not running.
    Cancelled,
    /// Neither delay has passed.
    Nothing,
    /// The first delay has passed.
    Intermediate,
    /// Both have.
    Last,
}

impl Timer {
    /// Starts the delays, in milliseconds, at `now`; a `last` of 0 cancels.
    #[must_use]
    pub fn started(now: u32, intermediate: u32, last: u32) -> Self {
        Self { start: now, intermediate, last }
    }

    /// What has passed at `now`.
    #[must_use]
    pub fn passed(self, now: u32) -> Passed {
        let elapsed = now.wrapping_sub(self.start);
        if self.last == 0 {
            Passed::Cancelled
        } else if elapsed >= self.last {
            Passed::Last
        } else if elapsed >= self.intermediate {
            Passed::Intermediate
        } else {
            Passed::Nothing
        }
    }

    /// Milliseconds from `now` until both delays have passed; `None`: not running.
    #[must_use]
    pub fn left(self, now: u32) -> Option<u32> {
        (self.last != 0).then(|| self.last.saturating_sub(now.wrapping_sub(self.start)))
    }
}
