// SPDX-License-Identifier: MIT OR Apache-2.0
//! The retransmission timer, above all where the clock wraps around.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use micropython_ssl::timer::{Passed, Timer};

/// Moments to start at, the wrap-around of the clock among them.
const STARTS: [u32; 7] = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX - 3999, u32::MAX - 1, u32::MAX];

#[test]
fn delays_pass_in_order_whenever_they_start() {
    for start in STARTS {
        let timer = Timer::started(start, 1000, 4000);
        for (elapsed, expected) in [
            (0, Passed::Nothing),
            (1, Passed::Nothing),
            (999, Passed::Nothing),
            (1000, Passed::Intermediate),
            (3999, Passed::Intermediate),
            (4000, Passed::Last),
            (4001, Passed::Last),
            (0x8000_0000, Passed::Last),
            (u32::MAX, Passed::Last),
        ] {
            assert_eq!(timer.passed(start.wrapping_add(elapsed)), expected, "{start} + {elapsed}");
        }
    }
}

#[test]
fn equal_delays_pass_at_once() {
    for start in STARTS {
        let timer = Timer::started(start, 250, 250);
        assert_eq!(timer.passed(start.wrapping_add(249)), Passed::Nothing);
        assert_eq!(timer.passed(start.wrapping_add(250)), Passed::Last);
    }
}

#[test]
fn no_first_delay() {
    for start in STARTS {
        let timer = Timer::started(start, 0, 10);
        assert_eq!(timer.passed(start), Passed::Intermediate);
        assert_eq!(timer.passed(start.wrapping_add(10)), Passed::Last);
    }
}

#[test]
fn the_longest_delays() {
    for start in STARTS {
        let timer = Timer::started(start, u32::MAX - 1, u32::MAX);
        for (elapsed, expected) in
            [(u32::MAX - 2, Passed::Nothing), (u32::MAX - 1, Passed::Intermediate), (u32::MAX, Passed::Last)]
        {
            assert_eq!(timer.passed(start.wrapping_add(elapsed)), expected);
        }
    }
}

#[test]
fn a_last_delay_of_zero_cancels() {
    for start in STARTS {
        for now in STARTS {
            assert_eq!(Timer::started(start, 0, 0).passed(now), Passed::Cancelled);
            assert_eq!(Timer::started(start, 1000, 0).passed(now), Passed::Cancelled);
            assert_eq!(Timer::default().passed(now), Passed::Cancelled);
        }
    }
}
