// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the package above is told of Mbed TLS by its own build script, as far as tests/common asks.

fn main() {
    for cfg in ["mbedtls_ssl_handshake_with_cert_enabled", "mbedtls_ssl_dtls_hello_verify", "hibernation", "sessions", "bundles"] {
        println!("cargo::rustc-check-cfg=cfg({cfg})\ncargo::rustc-cfg={cfg}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
