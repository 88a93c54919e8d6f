// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server with several names (RFC 6066 3), and contexts with two certificates.
#![cfg(all(
    mbedtls_ssl_handshake_with_cert_enabled,
    mbedtls_ssl_server_name_indication,
    mbedtls_ssl_keep_peer_certificate,
    mbedtls_key_exchange_ecdhe_rsa_enabled
))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::failing;
use common::{ALERTED, Balance, Pair, Setup, pki};
use micropython_ssl::context::Context;
use micropython_ssl::error::Error;
use micropython_ssl::io::Refused;
use micropython_ssl::mbedtls::sys;
use micropython_ssl::mem::{Box, Shared};

/// The versions that there are.
const VERSIONS: &[bool] = if cfg!(tls13) { &[false, true] } else { &[false] };

fn server(names: &[&str]) -> Box<Context> {
    let mut context = Context::new(1, 0).unwrap();
    for name in names {
        context.load_cert_chain(Some(&pki::cert(name)), &pki::key(name), None, true).unwrap();
    }
    context
}

/// A pair whose server shows what `context` has.
fn pair(setup: &Setup<'_>, mut context: Box<Context>) -> Pair {
    let mut pair = setup.pair();
    pair.server.port.choose = Some(std::boxed::Box::new(move |_| {
        // As out of memory in C.
        let refused = Refused { alert: 80, raised: true };
        Ok(Some(Shared::erase(context.for_name().map_err(|_| refused)?)))
    }));
    pair
}

fn shown(pair: &Pair) -> Option<Vec<u8>> {
    pair.client.socket.peer_cert().map(<[u8]>::to_vec)
}

#[test]
fn the_certificate_of_a_name() {
    for &tls13 in VERSIONS {
        for name in ["rsa", "ec", "chain", "ec384"] {
            let _balance = Balance::start();
            let mut pair = pair(&Setup { tls13, client_mode: 0, ..Setup::default() }, server(&[name])).open();
            assert_eq!(pair.server.port.names, [b"localhost"]);
            let leaf = if name == "chain" { "leaf" } else { name };
            assert_eq!(shown(&pair), Some(pki::der(leaf)), "{name}");
            pair.server.port.choose = None;
            pair.prove();
        }
    }
}

#[test]
fn a_client_that_is_asked_for_its_certificate() {
    for &tls13 in VERSIONS {
        for (client_cert, accepted) in [(Some("client"), true), (None, false)] {
            let _balance = Balance::start();
            let mut context = server(&["rsa"]);
            context.set_verify_mode(2).unwrap();
            context.load_verify_locations(&pki::cert("ca")).unwrap();
            let setup = Setup { tls13, client_mode: 0, client_cert, ..Setup::default() };
            let mut pair = pair(&setup, context);
            let (_, served) = pair.handshake();
            assert_eq!(served.is_ok(), accepted, "{served:?}");
            if accepted {
                assert!(pair.server.socket.peer_verified());
                pair.prove();
            }
        }
    }
}

#[test]
fn a_name_that_is_refused() {
    for &tls13 in VERSIONS {
        for raised in [false, true] {
            let _balance = Balance::start();
            let mut pair = Setup { tls13, client_mode: 0, ..Setup::default() }.pair();
            pair.server.port.choose =
                Some(std::boxed::Box::new(move |_| Err(Refused { alert: 112, raised })));
            let why = if raised { Error::Raised } else { Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE) };
            assert_eq!(pair.handshake(), (Err(ALERTED), Err(why)));
            assert_eq!(pair.client.socket.alert(), 112);
        }
    }
}

#[test]
fn without_memory() {
    for &tls13 in VERSIONS {
        for n in 1.. {
            let _balance = Balance::start();
            let setup = Setup { tls13, client_mode: 0, ..Setup::default() };
            let mut pair = pair(&setup, server(&["rsa", "ec"]));
            let (results, failed) = failing(n, false, || pair.handshake());
            let results = pair.resume(results);
            if !failed {
                assert_eq!(results, (Ok(()), Ok(())));
                break;
            }
            if results == (Ok(()), Ok(())) {
                pair.prove();
            }
        }
    }
}

#[test]
fn two_certificates() {
    for &tls13 in VERSIONS {
        for (client_suites, expected) in [
            (&["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"], "rsa"),
            (&["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"], "ec"),
        ] {
            let _balance = Balance::start();
            let mut context = server(&["ec", "rsa"]);
            let setup = Setup { client_mode: 0, suites: client_suites, tls13, ..Setup::default() };
            if !tls13 {
                let mut client = setup.client().unwrap();
                let pair = Pair::new(&mut client, &mut context, Some("localhost")).unwrap().open();
                assert_eq!(shown(&pair), Some(pki::der(expected)));
                pair.prove();
            }
        }
        // One more of the same kind replaces the first.
        let mut context = server(&["ec", "rsa", "ec384"]);
        let mut client = Setup { client_mode: 0, tls13, ..Setup::default() }.client().unwrap();
        let pair = Pair::new(&mut client, &mut context, Some("localhost")).unwrap().open();
        assert_eq!(shown(&pair), Some(pki::der("ec384")));
        pair.prove();
    }
}
