// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../inputs.rs"]
mod inputs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| inputs::session(data));
