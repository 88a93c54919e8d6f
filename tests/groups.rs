// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key exchange groups: their names, and what goes over the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::alloc::failing;
use common::{ALERTED, Balance, CLIENT, Duo, Pair, SERVER, Setup, is_message, text, tls12};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::mbedtls::sys;

const UNKNOWN: Error = Error::Value(Invalid::Curve);

fn set(context: &mut Context, names: &[&str]) -> Result<()> {
    context.set_groups(names.iter().map(|name| name.as_bytes()))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The groups in a ClientHello, by their numbers: what follows the type of the extension
/// (RFC 8422 5.1.1).
fn offered(hello: &[u8], n: u16) -> Vec<u16> {
    let [list, extension] = [2 * n, 2 * n + 2].map(u16::to_be_bytes);
    let head = [&[0, 10], &extension[..], &list].concat();
    let at = find(hello, &head).expect("an extension of that length") + head.len();
    let list = &hello[at..at + usize::from(2 * n)];
    list.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

/// The group of a server's key: ServerKeyExchange begins with it (RFC 8422 5.4).
fn chosen(flight: &[u8]) -> u16 {
    let message = common::records(flight)
        .into_iter()
        .find(|record| is_message(record, 12))
        .expect("a ServerKeyExchange");
    assert_eq!(message[9], 3, "a named curve");
    u16::from_be_bytes([message[10], message[11]])
}

/// What a client that has these offers, and what a server that has those chooses.
fn negotiate(client: &[&str], server: &[&str], n: u16) -> (Vec<u16>, u16) {
    let setup = Setup::default();
    let (mut client_context, mut server_context) = (setup.client().unwrap(), setup.server().unwrap());
    for (context, names) in [(&mut client_context, client), (&mut server_context, server)] {
        if !names.is_empty() {
            set(context, names).unwrap();
        }
    }
    let mut pair = Pair::new(&mut client_context, &mut server_context, setup.hostname).unwrap();
    assert_eq!(pair.handshake(), (Ok(()), Ok(())));
    let offered = offered(&pair.link.wire(CLIENT).transcript(), n);
    (offered, chosen(&pair.link.wire(SERVER).transcript()))
}

#[test]
fn the_wire_has_what_was_set() {
    let _balance = Balance::start();
    // P-256 first, unless somebody says otherwise.
    let (all, group) = negotiate(&[], &[], 4);
    assert_eq!((all, group), (vec![23, 29, 24, 25], 23));
    assert_eq!(negotiate(&["x25519", "secp256r1"], &[], 2), (vec![29, 23], 23));
    // The server's order decides.
    assert_eq!(negotiate(&["secp256r1", "x25519"], &["x25519", "secp256r1"], 2), (vec![23, 29], 29));
    assert_eq!(negotiate(&["P-256", "P-384"], &["secp384r1", "prime256v1"], 2), (vec![23, 24], 24));
    assert_eq!(negotiate(&["secp256r1"], &[], 1), (vec![23], 23));
    // Named twice, once by each name.
    let twice = ["secp256r1", "secp521r1", "P-256", "x25519", "secp521r1"];
    assert_eq!(negotiate(&twice, &["P-521"], 3), (vec![23, 25, 29], 25));
}

#[test]
fn nothing_in_common() {
    let _balance = Balance::start();
    let setup = Setup::default();
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    set(&mut client, &["secp256r1"]).unwrap();
    set(&mut server, &["x25519"]).unwrap();
    let mut pair = Pair::new(&mut client, &mut server, setup.hostname).unwrap();
    let failed = Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE);
    assert_eq!(pair.handshake(), (Err(ALERTED), Err(failed)));
}

/// A suite on an elliptic curve is none in common where no curve is: the next one is. Over a stream and
/// over datagrams, with a certificate and with a pre-shared key.
#[test]
fn without_a_curve_in_common_there_are_other_suites() {
    const RSA: [&str; 2] = ["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "TLS-RSA-WITH-AES-128-GCM-SHA256"];
    const PSK: [&str; 2] = ["TLS-ECDHE-PSK-WITH-AES-128-CBC-SHA256", "TLS-PSK-WITH-AES-128-GCM-SHA256"];
    const DHE: [&str; 2] = ["TLS-ECDHE-PSK-WITH-AES-128-CBC-SHA256", "TLS-DHE-PSK-WITH-AES-128-CCM"];
    let curves: [(&[&str], &[&str], usize); 5] = [
        (&["x25519"], &["secp256r1"], 1),
        (&["secp521r1"], &["secp256r1", "x25519"], 1),
        (&["secp521r1", "secp384r1"], &["x25519"], 1),
        (&["secp521r1", "x25519"], &["x25519"], 0),
        (&[], &["secp384r1"], 0),
    ];
    for (suites, with_psk) in [(&RSA, false), (&PSK, true), (&DHE, true)] {
        for (client_curves, server_curves, expected) in curves {
            for datagram in [false, true] {
                let _balance = Balance::start();
                let cert = Setup { server_cert: Some("rsa"), suites, datagram, ..Setup::default() };
                let setup = if with_psk { Setup { server_cert: None, client_mode: 0, ..cert } } else { cert };
                let mut contexts = [setup.client().unwrap(), setup.server().unwrap()];
                for (context, names) in contexts.iter_mut().zip([client_curves, server_curves]) {
                    if with_psk {
                        context.set_psk(Some((b"id", b"a key"))).unwrap();
                    }
                    if !names.is_empty() {
                        set(context, names).unwrap();
                    }
                }
                let contexts = contexts.map(|context| Rc::new(RefCell::new(context)));
                let suite = if datagram {
                    let mut duo = Duo::new(&contexts);
                    duo.open();
                    duo.server.socket.cipher()
                } else {
                    let [mut client, mut server] = contexts.each_ref().map(|context| context.borrow_mut());
                    let mut pair = Pair::new(&mut client, &mut server, setup.hostname).unwrap();
                    assert_eq!(
                        pair.handshake(),
                        (Ok(()), Ok(())),
                        "{suites:?} {client_curves:?} {server_curves:?}"
                    );
                    pair.server.socket.cipher()
                };
                assert_eq!(
                    suite.unwrap().to_str(),
                    Ok(suites[expected]),
                    "{client_curves:?} {server_curves:?}"
                );
            }
        }
    }
}

/// The curve of a certificate is one that the client has, which need not be one of the key exchange.
#[test]
fn a_certificate_on_another_curve() {
    let _balance = Balance::start();
    let (_, group) = negotiate(&["secp256r1", "x25519"], &["x25519"], 2);
    assert_eq!(group, 29);
}

#[test]
fn names() {
    let _balance = Balance::start();
    let mut context = tls12(Context::new(0, 0));
    for name in [
        "secp256r1",
        "prime256v1",
        "P-256",
        "p-256",
        "PRIME256V1",
        "secp384r1",
        "P-384",
        "secp521r1",
        "P-521",
        "x25519",
        "X25519",
    ] {
        assert_eq!(set(&mut context, &[name]), Ok(()), "{name}");
    }
    for names in [&[][..], &[""], &["secp256"], &["secp256r1\0"], &["x25519", "?"], &["?", "x25519"]] {
        assert_eq!(set(&mut context, names), Err(UNKNOWN), "{names:?}");
    }
    assert_eq!(text(UNKNOWN), "unknown elliptic curve name");
}

#[test]
fn without_memory_the_old_ones_stay() {
    let _balance = Balance::start();
    let setup = Setup::default();
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    set(&mut client, &["secp256r1"]).unwrap();
    let live = common::alloc::live();
    for n in 0..2 {
        let (result, failed) = failing(n, false, || set(&mut client, &["x25519", "secp256r1"]));
        assert_eq!((result, failed), (Err(Error::NoMemory), true));
        assert_eq!(common::alloc::live(), live);
    }
    assert_eq!(set(&mut client, &["nonsense"]), Err(UNKNOWN));
    let mut pair = Pair::new(&mut client, &mut server, setup.hostname).unwrap();
    assert_eq!(pair.handshake(), (Ok(()), Ok(())));
    assert_eq!(offered(&pair.link.wire(CLIENT).transcript(), 1), [23]);
}
