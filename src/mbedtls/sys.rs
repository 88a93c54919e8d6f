// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bindings, generated at build time from the headers and the configuration that the
//! firmware's Mbed TLS is compiled with.

#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(unused, unsafe_op_in_unsafe_fn, unnecessary_transmutes, clippy::all)]
#[allow(clippy::undocumented_unsafe_blocks, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/mbedtls_sys.rs"));
}

pub use bindings::*;

/// Overwrites secret bytes in a way the compiler keeps.
pub fn zeroize(bytes: &mut [u8]) {
    // SAFETY: the slice is valid for its length; does not raise.
    unsafe { mbedtls_platform_zeroize(bytes.as_mut_ptr().cast(), bytes.len()) };
}
