// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pinned keys: with trust anchors, and instead of them.
#![cfg(bundles)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::failing;
use common::datagrams::VERIFY;
use common::forge::{Cert, KEYS, Valid, public_key, sha256};
use common::{Balance, End, Link, Pair, options, pki, run};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::mbedtls::sys;
use micropython_ssl::mem::Box;
use micropython_ssl::socket::Socket;

const OTHER: u32 = sys::MBEDTLS_X509_BADCERT_OTHER;
const NOT_TRUSTED: u32 = sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED;
const MISMATCH: u32 = sys::MBEDTLS_X509_BADCERT_CN_MISMATCH;
const EXPIRED: u32 = sys::MBEDTLS_X509_BADCERT_EXPIRED;

/// A protocol without its side's bit, and the highest version.
const KINDS: &[(i32, i32)] =
    if cfg!(tls13) { &[(0, 0x303), (0, 0x304), (2, 0x303)] } else { &[(0, 0x303), (2, 0x303)] };

fn pin(key: usize) -> [u8; 32] {
    sha256(&public_key(key))
}

fn client((protocol, version): (i32, i32), pins: &[usize]) -> Box<Context> {
    let mut context = Context::new(protocol, 0).unwrap();
    if protocol == 0 {
        context.set_version(true, version).unwrap();
    }
    let pins: Vec<u8> = pins.iter().flat_map(|&key| pin(key)).collect();
    context.set_pins(Some(&pins)).unwrap();
    assert_eq!(context.verify_mode(), 2);
    context
}

fn server((protocol, version): (i32, i32), chain: &[Cert]) -> Box<Context> {
    let mut context = Context::new(protocol + 1, 0).unwrap();
    if protocol == 0 {
        context.set_version(true, version).unwrap();
    }
    let ders: Vec<u8> = chain.iter().flat_map(Cert::der).collect();
    let key = pki::key(KEYS[chain[0].key]);
    context.load_cert_chain(Some(&pki::with_nul(ders)), &key, None, false).unwrap();
    context
}

fn shake(client: &mut Context, server: &mut Context, bundle: &[u8]) -> Result<()> {
    let mut pair = Pair::new(client, server, Some("localhost")).unwrap();
    pair.client.port.bundles = vec![bundle.to_vec()];
    // A DTLS client comes back with its cookie, to another connection.
    let serve = |end: &mut End| loop {
        match end.handshake() {
            Err(VERIFY) => {
                let options = options(None, Some(b"192.0.2.1:4433"));
                end.socket = Socket::new(server, options).unwrap();
            }
            result => return result,
        }
    };
    run(&mut pair.client, &mut pair.server, End::handshake, serve).0
}

fn chain() -> [Cert; 2] {
    [Cert::leaf(9, 2, 1, 4), Cert::ca(1, 4, 0, 0)]
}

#[test]
fn a_pinned_key_is_enough() {
    for &kind in KINDS {
        let [leaf, above] = chain();
        let own = Cert::leaf(9, 2, 9, 2);
        for shown in [
            vec![leaf.clone(), above.clone()],
            vec![leaf.clone()],
            vec![own.clone()],
            // What else is shown does not matter.
            vec![leaf.clone(), Cert { valid: Valid::Expired, ..above.clone() }],
            vec![own.clone(), Cert { valid: Valid::Expired, ..Cert::ca(9, 2, 9, 2) }],
            vec![Cert { damaged: true, ..leaf.clone() }, above.clone()],
        ] {
            let mut server = server(kind, &shown);
            for (pins, accepted) in [(&[2][..], true), (&[5, 2, 7], true), (&[5], false), (&[4, 0], false)] {
                let result = shake(&mut client(kind, pins), &mut server, &[]);
                match result {
                    Ok(()) => assert!(accepted),
                    Err(Error::Verify(flags)) => {
                        assert!(!accepted && flags & OTHER != 0 && flags & NOT_TRUSTED != 0)
                    }
                    _ => panic!("{kind:?} {result:?}"),
                }
            }
        }
    }
}

#[test]
fn a_pinned_key_is_no_more_than_that() {
    for &kind in KINDS {
        let own = Cert::leaf(9, 2, 9, 2);
        for (bad, flags) in [
            (Cert { host: Some("elsewhere.example"), ..own.clone() }, MISMATCH),
            (Cert { valid: Valid::Expired, ..own.clone() }, EXPIRED),
            (Cert { valid: Valid::Later, ..own.clone() }, sys::MBEDTLS_X509_BADCERT_FUTURE),
        ] {
            let mut server = server(kind, &[bad]);
            assert_eq!(
                shake(&mut client(kind, &[2]), &mut server, &[]),
                Err(Error::Verify(flags)),
                "{kind:?}"
            );
            let mut client = client(kind, &[2]);
            client.set_check_hostname(false).unwrap();
            let expected = if flags == MISMATCH { Ok(()) } else { Err(Error::Verify(flags)) };
            assert_eq!(shake(&mut client, &mut server, &[]), expected);
        }
    }
}

#[test]
fn with_anchors_both_must_hold() {
    let root = Cert::ca(0, 0, 0, 0).der();
    for &kind in KINDS {
        let mut server = server(kind, &chain());
        let mut strange = self::server(kind, &[Cert::leaf(9, 2, 9, 2)]);
        for on_demand in [false, true] {
            let trusting = |pins: &[usize]| {
                let mut client = client(kind, pins);
                if on_demand {
                    let (_, mut host, _) = Link::new(false);
                    host.bundles = vec![root.clone()];
                    client.add_bundle(&mut host, 0).unwrap();
                } else {
                    client.load_verify_locations(&pki::with_nul(root.clone())).unwrap();
                }
                client
            };
            assert_eq!(shake(&mut trusting(&[2]), &mut server, &root), Ok(()));
            assert_eq!(shake(&mut trusting(&[3, 2]), &mut server, &root), Ok(()));
            assert_eq!(shake(&mut trusting(&[3]), &mut server, &root), Err(Error::Verify(OTHER)));
            // Of the CAs above it, none counts.
            assert_eq!(shake(&mut trusting(&[4, 0]), &mut server, &root), Err(Error::Verify(OTHER)));
            assert_eq!(shake(&mut trusting(&[2]), &mut strange, &root), Err(Error::Verify(NOT_TRUSTED)));
            let result = shake(&mut trusting(&[3]), &mut strange, &root);
            assert_eq!(result, Err(Error::Verify(NOT_TRUSTED | OTHER)));
            // Taken back, they do not count.
            let mut client = trusting(&[3]);
            client.set_pins(None).unwrap();
            assert_eq!(shake(&mut client, &mut server, &root), Ok(()));
            assert_eq!(shake(&mut client, &mut strange, &root), Err(Error::Verify(NOT_TRUSTED)));
        }
    }
}

#[test]
fn what_is_no_pin() {
    let invalid = Err(Error::Value(Invalid::Pins));
    let mut client = Context::new(0, 0).unwrap();
    for digests in [&[0; 0][..], &[0; 31], &[0; 33], &[0; 20]] {
        assert_eq!(client.set_pins(Some(digests)), invalid);
        assert_eq!(client.verify_mode(), 0);
    }
    assert_eq!(Context::new(1, 0).unwrap().set_pins(Some(&[0; 32])), invalid);
    // Nobody would look.
    client.set_pins(Some(&[0; 32])).unwrap();
    assert_eq!(client.set_verify_mode(0), Err(Error::Value(Invalid::VerifyMode)));
    client.set_verify_mode(1).unwrap();
    client.set_pins(None).unwrap();
    client.set_verify_mode(0).unwrap();
}

#[cfg(sessions)]
#[test]
fn a_session_belongs_to_its_pins() {
    let mut client = client((0, 0x303), &[2]);
    let binding = |client: &mut Context| client.binding([None, None], false).unwrap();
    let of_one = binding(&mut client);
    client.set_pins(Some(&[pin(2), pin(3)].concat())).unwrap();
    let of_two = binding(&mut client);
    client.set_pins(None).unwrap();
    let of_none = binding(&mut client);
    assert!(of_one != of_two && of_two != of_none && of_none != of_one);
}

#[test]
fn each_allocation_fails() {
    let _balance = Balance::start();
    let mut server = server((0, 0x303), &chain());
    for (key, good) in [(2, true), (3, false)] {
        let mut client = client((0, 0x303), &[key]);
        for n in 0.. {
            let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
            let (results, failed) = failing(n, false, || pair.handshake());
            let results = pair.resume(results);
            assert!(good || results.0.is_err(), "{n}");
            if !failed {
                assert_eq!(results.0.is_ok(), good);
                break;
            }
            assert!(!good || !matches!(results.0, Err(Error::Verify(_))), "{n}: {results:?}");
        }
    }
}
