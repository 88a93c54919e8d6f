// SPDX-License-Identifier: MIT OR Apache-2.0
//! What certificates say: certificates of all sorts, whole, cut and changed. What each should
//! say, `tests/consumers/certificates.py` compares with CPython.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use common::{Balance, Dice, pki};
use micropython_ssl::certificate::describe;
use micropython_ssl::error::{Error, Invalid};

const TEXT_END: u8 = 0xff;
const OPEN: u8 = 0xfe;
const CLOSE: u8 = 0xfd;
const NUMBER: u8 = 0xfc;

/// The certificates that `tests/certs/corpus.py` makes: (name, DER).
fn corpus() -> &'static [(String, Vec<u8>)] {
    static CORPUS: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directory = root.join(format!("build/corpus-{}", std::process::id()));
        let status = Command::new("python3").arg(root.join("tests/certs/corpus.py")).arg(&directory).status();
        assert!(status.expect("python3 does not start").success(), "corpus.py failed");
        let mut corpus: Vec<_> = std::fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "der"))
            .map(|path| (path.file_stem().unwrap().to_str().unwrap().into(), std::fs::read(path).unwrap()))
            .collect();
        std::fs::remove_dir_all(&directory).unwrap();
        corpus.sort();
        assert!(corpus.len() > 60);
        corpus
    })
}

/// What the tokens say, in one line; panics where they are not what `mpssl.h` says.
fn read(der: &[u8]) -> Result<String, Error> {
    let len = describe(der, &mut [])?;
    let mut tokens = vec![0; len];
    assert_eq!(describe(der, &mut tokens), Ok(len));
    // One byte short: the same length, and nothing written behind the end.
    let mut short = vec![0; len];
    assert_eq!(describe(der, &mut short[..len - 1]), Ok(len));
    assert_eq!((&short[..len - 1], short[len - 1]), (&tokens[..len - 1], 0));
    let (mut said, mut rest, mut depth) = (String::new(), tokens.as_slice(), 0_u32);
    while let Some((&token, after)) = rest.split_first() {
        rest = match token {
            OPEN => {
                depth += 1;
                said.push('(');
                after
            }
            CLOSE => {
                depth -= 1;
                said.push(')');
                after
            }
            NUMBER => {
                said.push_str(&format!("{} ", after[0]));
                &after[1..]
            }
            _ => {
                let end = rest.iter().position(|&byte| byte == TEXT_END).expect("the text ends");
                said.push_str(std::str::from_utf8(&rest[..end]).expect("texts are UTF-8"));
                said.push(' ');
                &rest[end + 1..]
            }
        };
        assert!(depth <= 6, "C reads it by recursion");
    }
    assert_eq!(depth, 0);
    Ok(said)
}

#[test]
fn what_a_certificate_says() {
    let _balance = Balance::start();
    let (_, access) = corpus().iter().find(|(name, _)| name == "access").unwrap();
    assert_eq!(
        read(access).unwrap(),
        "version 3 serialNumber 1234 issuer (((countryName XX ))((organizationName Corpus ))\
         ((commonName corpus CA )))notBefore Jan  1 00:00:00 2024 GMT notAfter Dec 31 23:59:59 2049 GMT \
         subject (((commonName leaf )))OCSP (http://ocsp.example/1 http://ocsp.example/2 )\
         caIssuers (http://ca.example/ca.der )"
    );
    let ec = read(&pki::der("ec")).unwrap();
    assert!(
        ec.ends_with("subjectAltName ((DNS localhost )(DNS micropython.local )(IP Address 127.0.0.1 ))"),
        "{ec}"
    );
}

#[test]
fn all_sorts_are_read_or_refused() {
    let _balance = Balance::start();
    for (name, der) in corpus() {
        let spoilt = ["bad_utf8", "overlong_utf8", "odd_bmp", "surrogate_bmp", "san_not_utf8", "no_seconds"];
        match read(der) {
            Ok(said) => assert!(!spoilt.contains(&name.as_str()), "{name}: {said}"),
            Err(error) => {
                assert_eq!(error, Error::Value(Invalid::Cert), "{name}");
                assert!(spoilt.contains(&name.as_str()), "{name}");
            }
        }
    }
}

/// Reads it if it can be read; whether it could. Nothing panics, nothing is kept.
fn survives(der: &[u8]) -> bool {
    match read(der) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error, Error::Value(Invalid::Cert));
            false
        }
    }
}

#[test]
fn cut_anywhere_it_is_none() {
    let _balance = Balance::start();
    for (name, der) in corpus() {
        for len in 0..der.len() {
            assert!(!survives(&der[..len]), "{name} cut to {len}");
        }
    }
}

#[test]
fn changed_anywhere_nothing_breaks() {
    let _balance = Balance::start();
    let mut dice = Dice::new(5);
    let (mut read, mut refused) = (0, 0);
    for (_, der) in corpus() {
        let mut count = |der: &[u8]| *(if survives(der) { &mut read } else { &mut refused }) += 1;
        // Each byte, but of the longest ones the first part, one after the other, to what counts in DER.
        for at in 0..der.len().min(250) {
            for value in [0x00, 0x80, 0x84, 0xff, der[at] ^ 1, der[at].wrapping_add(1)] {
                let mut changed = der.clone();
                changed[at] = value;
                count(&changed);
            }
        }
        // Several at once, pieces taken out, doubled.
        for _ in 0..100 {
            let mut changed = der.clone();
            for _ in 0..1 + dice.roll(4) {
                let (at, value) = (dice.roll(changed.len()), dice.roll(256) as u8);
                changed[at] = value;
            }
            let from = dice.roll(changed.len());
            let to = (from + dice.roll(8)).min(changed.len());
            match dice.roll(3) {
                0 => drop(changed.drain(from..to)),
                1 => {
                    let piece = changed[from..to].to_vec();
                    changed.splice(from..from, piece);
                }
                _ => {}
            }
            count(&changed);
        }
    }
    // Texts can be changed, structure cannot.
    assert!(read > 1000 && refused > 10_000, "{read} read, {refused} refused");
}
