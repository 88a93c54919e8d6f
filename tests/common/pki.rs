// SPDX-License-Identifier: MIT OR Apache-2.0
//! The certificates and keys that `tests/certs/make_certs.sh` makes, which says what they are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where they are. The first caller makes them, if need be; the script itself keeps other test
/// programs out meanwhile, and does nothing where it has nothing to do.
fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        // Of this package, or of fuzz/ in it.
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = package.ancestors().find(|dir| dir.join("tests/certs").is_dir()).expect("tests/certs");
        let directory = root.join("build/certs");
        let status = Command::new(root.join("tests/certs/make_certs.sh")).arg(&directory).status();
        assert!(status.expect("make_certs.sh does not start").success(), "make_certs.sh failed");
        directory
    })
}

/// A file of the PKI.
pub fn file(name: &str) -> Vec<u8> {
    let path = directory().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Bytes as the core takes them: with a NUL behind them.
pub fn with_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(0);
    bytes
}

/// `NAME.pem`, with its NUL.
pub fn cert(name: &str) -> Vec<u8> {
    with_nul(file(&format!("{name}.pem")))
}

/// The key of `NAME.pem`, with its NUL.
pub fn key(name: &str) -> Vec<u8> {
    let name = if name == "chain" { "leaf" } else { name };
    with_nul(file(&format!("{name}.key")))
}

/// `NAME.der`, without a NUL.
pub fn der(name: &str) -> Vec<u8> {
    file(&format!("{name}.der"))
}
