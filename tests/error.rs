// SPDX-License-Identifier: MIT OR Apache-2.0
//! The error table, exhaustively: every code of Mbed TLS's headers, alone and summed with every
//! other, every verify flag, every text, and the way of each through the border.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::{Balance, text, tls12};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Invalid};
use micropython_ssl::ffi::{mpssl_context_set_verify_mode, mpssl_status_text};
use micropython_ssl::mbedtls::sys;

/// The Mbed TLS that build.rs compiled.
fn mbedtls() -> PathBuf {
    env!("MPSSL_MBEDTLS_DIR").into()
}

/// The headers the bindings are made of: `src/mbedtls/mbedtls.h` and what it includes.
fn headers() -> Vec<String> {
    let include = mbedtls().join("include");
    let mut seen = BTreeSet::new();
    let mut texts = Vec::new();
    let mut todo = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mbedtls/mbedtls.h")];
    while let Some(path) = todo.pop() {
        // Headers of the configuration are elsewhere, and define no errors.
        let Ok(header) = std::fs::read_to_string(&path) else { continue };
        for line in header.lines() {
            let name = line.strip_prefix("#include \"mbedtls/").and_then(|rest| rest.split('"').next());
            if let Some(name) = name.filter(|name| seen.insert(name.to_string())) {
                todo.push(include.join("mbedtls").join(name));
            }
        }
        texts.push(header);
    }
    texts
}

/// `#define PREFIX… number` in the headers, by number. Two names may share one.
fn defines(prefix: &str) -> BTreeMap<i32, Vec<String>> {
    let mut found = BTreeMap::<i32, Vec<String>>::new();
    for header in headers() {
        for line in header.lines() {
            let Some(rest) = line.strip_prefix("#define ").filter(|rest| rest.starts_with(prefix)) else {
                continue;
            };
            let mut words = rest.split_whitespace();
            let (name, number) = (words.next().unwrap(), words.next().unwrap());
            let (sign, digits) = match number.strip_prefix('-') {
                Some(digits) => (-1, digits),
                None => (1, number),
            };
            let value = i32::from_str_radix(digits.strip_prefix("0x").unwrap(), 16).unwrap();
            found.entry(sign * value).or_default().push(name.to_owned());
        }
    }
    found
}

/// All error codes: those of modules, and those that are added to them.
fn codes() -> (BTreeMap<i32, Vec<String>>, BTreeMap<i32, Vec<String>>) {
    let (high, low): (BTreeMap<_, _>, _) =
        defines("MBEDTLS_ERR_").into_iter().partition(|(code, _)| *code <= -0x80);
    assert!(high.keys().all(|code| code % 0x80 == 0 && *code > -0x8000), "a code that is no sum");
    // Fewer would mean that the headers are read wrongly.
    assert!(high.len() > 100 && low.len() > 30, "{} and {}", high.len(), low.len());
    assert!(high.contains_key(&sys::MBEDTLS_ERR_SSL_WANT_READ));
    assert!(low.contains_key(&sys::MBEDTLS_ERR_MPI_ALLOC_FAILED));
    (high, low)
}

fn says_memory(names: &[String]) -> bool {
    let memory = names.iter().filter(|name| name.ends_with("ALLOC_FAILED")).count();
    assert!(memory == 0 || memory == names.len(), "{names:?} share a number");
    memory > 0
}

fn alone(code: i32, names: &[String]) -> Error {
    match names[0].as_str() {
        "MBEDTLS_ERR_SSL_WANT_READ" => Error::WantRead,
        "MBEDTLS_ERR_SSL_WANT_WRITE" => Error::WantWrite,
        "MBEDTLS_ERR_SSL_TIMEOUT" => Error::Errno(110),
        _ if says_memory(names) => Error::NoMemory,
        _ => Error::Tls(code),
    }
}

#[test]
fn every_code_alone() {
    let (high, low) = codes();
    for (&code, names) in high.iter().chain(&low) {
        assert_eq!(Error::from_mbedtls(code), alone(code, names), "{names:?}");
    }
}

#[test]
fn every_sum_of_two_codes() {
    let (high, low) = codes();
    for (&a, high_names) in &high {
        for (&b, low_names) in &low {
            let code = a + b;
            let expected = if says_memory(high_names) || says_memory(low_names) {
                Error::NoMemory
            } else {
                Error::Tls(code)
            };
            assert_eq!(Error::from_mbedtls(code), expected, "{high_names:?} + {low_names:?}");
        }
    }
}

#[test]
fn the_table_is_total() {
    for code in (-0x1_0000..0).chain([i32::MIN, i32::MIN + 1, -0x7fff_ff80]) {
        let error = Error::from_mbedtls(code);
        let known = matches!(error, Error::WantRead | Error::WantWrite | Error::NoMemory | Error::Errno(110));
        assert!(known || error == Error::Tls(code), "{code}: {error:?}");
        assert!(text(error).len() < 256);
    }
}

/// MicroPython's texts, which are short; without a tree of it there are Mbed TLS's.
#[cfg(micropython_tree)]
#[test]
fn every_code_has_its_name_for_a_text() {
    let (high, low) = codes();
    let mut named = 0;
    for (&code, names) in high.iter().chain(&low) {
        let said = text(Error::Tls(code));
        if said.starts_with("MBEDTLS_ERR_UNKNOWN") {
            continue; // a module that is not compiled in
        }
        assert!(names.contains(&said), "{names:?}: {said}");
        named += 1;
    }
    assert!(named > 120, "{named}");
    // What upstream's users compare with.
    for (code, expected) in [
        (-24192, "MBEDTLS_ERR_SSL_BAD_CONFIG"),
        (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"),
        (-0x3d00 - 0x60, "MBEDTLS_ERR_PK_KEY_INVALID_FORMAT+MBEDTLS_ERR_ASN1_OUT_OF_DATA"),
        (-0x100, "MBEDTLS_ERR_UNKNOWN (0x0100)"),
    ] {
        assert_eq!(text(Error::Tls(code)), expected);
    }
}

/// Each verify flag and the line that Mbed TLS has for it, from its own table.
fn verify_lines() -> BTreeMap<u32, String> {
    let flags = defines("MBEDTLS_X509_BADC");
    let header = std::fs::read_to_string(mbedtls().join("include/mbedtls/x509_crt.h")).unwrap();
    let (_, list) = header.split_once("#define MBEDTLS_X509_CRT_ERROR_INFO_LIST").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let lines: BTreeMap<u32, String> = list
        .split("X509_CRT_ERROR_INFO(")
        .skip(1)
        .map(|entry| {
            let (name, rest) = entry.split_once(',').unwrap();
            let line = rest.split('"').nth(3).unwrap();
            let (flag, _) = flags.iter().find(|(_, names)| names[0] == name).unwrap();
            (flag.cast_unsigned(), format!("\n{line}\n"))
        })
        .collect();
    assert_eq!(lines.len(), flags.len());
    assert_eq!(lines[&1], "\nThe certificate validity has expired\n");
    lines
}

#[test]
fn every_verify_flag_and_every_two() {
    let lines = verify_lines();
    for (&a, first) in &lines {
        assert_eq!(&text(Error::Verify(a)), first);
        for (&b, second) in lines.range(a + 1..) {
            assert_eq!(text(Error::Verify(a | b)), format!("{first}{second}"));
        }
    }
    // More than fits is cut.
    let all: u32 = lines.keys().sum();
    let said = text(Error::Verify(all));
    assert!(lines.values().cloned().collect::<String>().starts_with(&said) && said.len() == 255, "{said}");
    assert_eq!(text(Error::Verify(0x4000_0000)), "\nUnknown reason (this should not happen)\n");
}

#[test]
fn every_value_error_has_a_text() {
    let texts: BTreeSet<_> = Invalid::ALL.iter().map(|invalid| invalid.text()).collect();
    assert_eq!(texts.len(), Invalid::ALL.len());
    for (i, invalid) in Invalid::ALL.into_iter().enumerate() {
        assert_eq!(invalid as usize, i);
        assert_eq!(text(Error::Value(invalid)), invalid.text());
    }
    // Upstream's.
    for invalid in ["invalid key", "invalid cert", "CERT_REQUIRED requires server_hostname"] {
        assert!(texts.contains(invalid));
    }
}

/// What `mpssl_status_text` writes into `size` bytes; it must leave those behind them alone.
macro_rules! status_text {
    ($status:expr, $size:expr) => {{
        let mut text = [0x55_u8; 300];
        #[allow(unsafe_code)]
        // SAFETY: the text is longer than the size.
        let len = unsafe { mpssl_status_text($status, text.as_mut_ptr(), $size) };
        assert!(len <= $size && text[$size..].iter().all(|&byte| byte == 0x55));
        text[..len].to_vec()
    }};
}

#[test]
fn every_error_crosses_the_border_with_its_text() {
    let values = Invalid::ALL.into_iter().map(Error::Value);
    let tls = [-24192, -30592, -1, 1, i32::MAX, i32::MIN].into_iter().map(Error::Tls);
    let verify = [1, 8 | 4, 0x8_0000, u32::MAX].into_iter().map(Error::Verify);
    let silent = [
        Error::WantRead,
        Error::WantWrite,
        Error::Raised,
        Error::Errno(110),
        Error::NoMemory,
        Error::CertMissing,
    ];
    for error in silent {
        assert_eq!(status_text!(error.into(), 256), b"", "{error:?}");
    }
    for error in values.chain(tls).chain(verify) {
        let whole = text(error).into_bytes();
        assert!(!whole.is_empty(), "{error:?}");
        for size in 0..=whole.len() + 1 {
            let part = status_text!(error.into(), size);
            assert!(whole.starts_with(&part), "{error:?} in {size}: {part:?}");
        }
        assert_eq!(status_text!(error.into(), 256), whole, "{error:?}");
    }
}

#[test]
fn a_status_that_is_none_has_no_text() {
    let _balance = Balance::start();
    let mut context = tls12(Context::new(0, 0));
    // The only way to a status whose fields a test can set.
    let mut status = mpssl_context_set_verify_mode(&mut context, 0);
    let count = i32::try_from(Invalid::ALL.len()).unwrap();
    for (kind, code) in [(0, 0), (0, -1), (-1, 0), (11, 0), (7, -1), (7, count), (7, i32::MAX), (i32::MIN, 1)]
    {
        (status.kind, status.code) = (kind, code);
        assert_eq!(status_text!(status, 256), b"", "{kind} {code}");
    }
}

#[test]
fn verdicts_of_a_verify_callback() {
    for (verdict, expected) in [
        (1, Error::Tls(1)),
        (i32::MAX, Error::Tls(i32::MAX)),
        (-1, Error::Errno(1)),
        (-110, Error::Errno(110)),
        (-255, Error::Errno(255)),
        (-256, Error::Tls(-256)),
        (-300, Error::Tls(-300)),
        (i32::MIN + 1, Error::Tls(i32::MIN + 1)),
        // Has no counterpart above zero.
        (i32::MIN, Error::Errno(22)),
    ] {
        assert_eq!(Error::from_verdict(verdict), expected, "{verdict}");
    }
}
