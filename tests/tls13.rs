// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS 1.3 (RFC 8446): whom it is agreed on with, what it begins anew for, what it leaves, and what
//! becomes of it without memory, over paths that change it, and cut anywhere.
#![cfg(tls13)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::alloc::{failing, live};
use common::{
    Balance, CLIENT, Contexts, Dice, Fate, Pair, SERVER, Setup, is_message, on_records, pattern, records,
};
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::sys;

const TLS_1_2: i32 = 0x303;
const TLS_1_3: i32 = 0x304;

/// Of this kind, at TLS 1.3.
fn contexts(setup: &Setup<'_>) -> Contexts {
    Contexts::new(&Setup { tls13: true, ..*setup })
}

fn versions(pair: &Pair) -> [Option<&str>; 2] {
    [&pair.client, &pair.server].map(|end| end.socket.version().map(|name| name.to_str().unwrap()))
}

/// The first messages in the clear that a side has sent: their types.
fn hellos(pair: &Pair, side: usize) -> Vec<u8> {
    let sent = pair.link.wire(side).transcript();
    records(&sent).iter().filter(|record| record[0] == 22).map(|record| record[5]).collect()
}

#[test]
fn each_suite_with_each_kind_of_certificate() {
    let suites = micropython_ssl::mbedtls::tls13_ciphers();
    let names = suites.map(|suite| micropython_ssl::mbedtls::cipher_name(suite).unwrap().to_str().unwrap());
    let names: Vec<_> = names.collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        for (client_cert, server_cert) in [("client", "ec"), ("rsa", "rsa")] {
            let _balance = Balance::start();
            let setup = Setup {
                suites: &[name],
                client_cert: Some(client_cert),
                server_cert: Some(server_cert),
                client_mode: 0,
                server_mode: 0,
                ..Setup::mutual()
            };
            let mut pair = contexts(&setup).pair().open();
            assert_eq!(versions(&pair), [Some("TLSv1.3"); 2]);
            assert_eq!(pair.client.socket.cipher().unwrap().to_str(), Ok(name));
            for len in [1, 15, 16, 17, 4095, 4096, 4097, 20_000] {
                pair.transfer(CLIENT, &pattern(len));
                pair.transfer(SERVER, &pattern(len));
            }
            pair.prove();
        }
    }
}

#[test]
fn both_sides_verified() {
    let _balance = Balance::start();
    let pair = contexts(&Setup::mutual()).pair().open();
    for end in [&pair.client, &pair.server] {
        assert!(end.socket.peer_verified());
        assert!(end.socket.peer_cert().is_some());
    }
    pair.prove();
}

#[test]
fn the_highest_version_that_both_have() {
    for (client, server, agreed) in [
        ((TLS_1_2, TLS_1_3), (TLS_1_2, TLS_1_3), Some("TLSv1.3")),
        ((TLS_1_2, TLS_1_3), (TLS_1_2, TLS_1_2), Some("TLSv1.2")),
        ((TLS_1_2, TLS_1_2), (TLS_1_2, TLS_1_3), Some("TLSv1.2")),
        ((TLS_1_3, TLS_1_3), (TLS_1_3, TLS_1_3), Some("TLSv1.3")),
        ((TLS_1_3, TLS_1_3), (TLS_1_2, TLS_1_2), None),
        ((TLS_1_2, TLS_1_2), (TLS_1_3, TLS_1_3), None),
    ] {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup::mutual());
        for (context, (lowest, highest)) in [(&mut contexts.client, client), (&mut contexts.server, server)] {
            context.set_version(false, lowest).unwrap();
            context.set_version(true, highest).unwrap();
        }
        let mut pair = contexts.pair();
        let (client, server) = pair.handshake();
        if agreed.is_some() {
            assert_eq!((client, server), (Ok(()), Ok(())));
            assert_eq!(versions(&pair), [agreed; 2]);
            pair.prove();
        } else {
            assert!(client.is_err() && server.is_err(), "{client:?} {server:?}");
        }
    }
}

#[test]
fn bounds_that_leave_no_version() {
    let mut context = Setup { tls13: true, ..Setup::default() }.client().unwrap();
    for (is_maximum, version, good) in [
        (true, 0x302, false),
        (false, 0x305, false),
        (true, 0x305, true),
        (false, 0x300, true),
        (false, -1, true),
        (true, -2, true),
    ] {
        assert_eq!(context.set_version(is_maximum, version).is_ok(), good, "{is_maximum} {version:x}");
    }
    // Now TLS 1.3 at least, and 1.2 at most.
    let mut none = Contexts { client: context, server: Setup::default().server().unwrap() };
    assert!(matches!(none.try_pair(), Err(Error::Value(_))));
    let mut datagrams = Setup { datagram: true, ..Setup::default() }.client().unwrap();
    assert!(datagrams.set_version(false, TLS_1_3).is_err(), "there is no DTLS 1.3 here");
}

/// A HelloRetryRequest (4.1.4), which has Mbed TLS begin anew on both sides: with short buffers, which
/// AddressSanitizer watches in the run that has it, and with a part of a record in them.
#[test]
fn a_hello_is_retried() {
    for (client, server) in [
        (&["x25519", "prime256v1"][..], &["prime256v1"][..]),
        (&["prime256v1", "secp384r1"], &["secp384r1"]),
        (&["secp384r1", "x25519"], &["x25519", "prime256v1"]),
    ] {
        for limit in [None, Some(1), Some(7)] {
            let _balance = Balance::start();
            let mut contexts = contexts(&Setup { client_mode: 0, ..Setup::default() });
            for (context, groups) in [(&mut contexts.client, client), (&mut contexts.server, server)] {
                context.set_groups(groups.iter().map(|name| name.as_bytes())).unwrap();
            }
            let mut pair = contexts.pair();
            for port in [&mut pair.client.port, &mut pair.server.port] {
                port.max_read = limit.unwrap_or(port.max_read);
                port.max_write = limit.unwrap_or(port.max_write);
            }
            assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{client:?} {server:?} {limit:?}");
            assert_eq!(hellos(&pair, CLIENT), [1, 1]);
            assert_eq!(hellos(&pair, SERVER), [2, 2]);
            assert_eq!(versions(&pair), [Some("TLSv1.3"); 2]);
            pair.prove();
        }
    }
}

/// A ServerHello in a record: this random number, suite and extensions, which answers `hello`.
fn server_hello(hello: &[u8], random: [u8; 32], suite: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let session = &hello[43..44 + usize::from(hello[43])];
    let mut body = vec![3, 3];
    body.extend(random);
    body.extend(session);
    body.extend(suite);
    body.push(0);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let len = body.len() as u16;
    let mut record = vec![22, 3, 3];
    record.extend((len + 4).to_be_bytes());
    record.extend([2, 0]);
    record.extend(len.to_be_bytes());
    record.extend(body);
    record
}

/// Who has asked for another hello speaks TLS 1.3 (4.1.4).
#[test]
fn an_older_version_behind_a_retry() {
    /// SHA-256 of "HelloRetryRequest" (4.1.3).
    const RETRY: [u8; 32] = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
        0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    ];
    for retries in [false, true] {
        let _balance = Balance::start();
        let mut pair = contexts(&Setup::default()).pair();
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        let hello = pair.link.wire(CLIENT).transcript();
        if retries {
            // TLS 1.3, and a share on secp384r1.
            let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24];
            pair.link.inject(SERVER, &server_hello(&hello, RETRY, [0x13, 1], &extensions));
            assert_eq!(pair.client.handshake(), Err(Error::WantRead));
            assert_eq!(hellos(&pair, CLIENT), [1, 1]);
        }
        pair.link.inject(SERVER, &server_hello(&hello, [7; 32], [0xc0, 0x2b], &[0xff, 1, 0, 1, 0]));
        let refused = Err(Error::Tls(sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER));
        assert_eq!(pair.client.handshake(), if retries { refused } else { Err(Error::WantRead) });
    }
}

/// Nothing of a handshake stays, whatever it was like; also where the peer shows no certificate.
#[test]
fn an_open_connection_is_small() {
    let mut sizes = Vec::new();
    for tls13 in [false, true] {
        let mut contexts = contexts(&Setup::default());
        let highest = if tls13 { TLS_1_3 } else { TLS_1_2 };
        contexts.client.set_version(true, highest).unwrap();
        // What contexts make once is not a connection's.
        contexts.pair().open().prove();
        let before = live();
        let pair = contexts.pair().open();
        sizes.push(live().bytes - before.bytes);
        drop(pair);
        assert_eq!(live(), before);
    }
    let [tls12, tls13] = sizes[..] else { panic!() };
    // The secrets of both directions, for KeyUpdate.
    assert!(tls13 <= tls12 + 2 * 160, "{tls12} and {tls13} bytes of both ends");
}

#[test]
fn handshakes_without_memory() {
    for on in [false, true] {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup::mutual());
        contexts.pair().open().prove();
        let mut refused = 0;
        for n in 0.. {
            let level = live();
            let mut pair = contexts.pair();
            let (results, failed) = failing(n, on, || pair.handshake());
            if !failed {
                assert_eq!(results, (Ok(()), Ok(())));
                break;
            }
            match pair.resume(results) {
                (Ok(()), Ok(())) => pair.converse(),
                (Err(Error::Errno(12)), _) | (_, Err(Error::Errno(12))) => refused += 1,
                // By then the client has what it wants: it learns when it reads.
                other => panic!("allocation {n}: {other:?}"),
            }
            drop(pair);
            assert_eq!(live(), level, "allocation {n}");
        }
        assert!(refused > 50, "{refused}");
        contexts.pair().open().prove();
    }
}

/// A host that cannot sign is asked once, however many of the client's algorithms its key would do for.
#[test]
fn a_signer_is_asked_once() {
    let _balance = Balance::start();
    let Contexts { mut client, mut server } = contexts(&Setup::default());
    let mut pair = Pair::with_signers(&mut client, &mut server, Some("localhost"), true).unwrap();
    // All of them are ecdsa_secp256r1_sha256.
    pair.link.wire(CLIENT).fault = Some(on_records(|_, bytes| {
        let short = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        // signature_algorithms, and the lengths of the extension and its list.
        let is_list = |at: &usize| short(*at) == 13 && short(at + 2) == short(at + 4) + 2;
        if let Some(at) = (43..bytes.len() - 6).find(is_list).filter(|_| is_message(bytes, 1)) {
            let (begin, len) = (at + 6, short(at + 4));
            for scheme in bytes[begin..begin + len].chunks_exact_mut(2) {
                scheme.copy_from_slice(&[4, 3]);
            }
        }
        Fate::Arrives
    }));
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    pair.server.port.sign = Some(Box::new(move |_, _| {
        count.set(count.get() + 1);
        Err(Interruption::Raised)
    }));
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    assert_eq!(pair.server.handshake(), Err(Error::Raised));
    assert_eq!(asked.get(), 1);
    pair.assert_failed(SERVER);
}

/// Each record of either side, a bit of it changed: nobody takes it for what it was, and nothing is lost
/// but the connection.
#[test]
fn a_bit_in_each_record() {
    for side in [CLIENT, SERVER] {
        for record in 0..8 {
            for at in [0, 1, 3, 4, 5, 9, 20, 43, 60] {
                let _balance = Balance::start();
                let mut pair = contexts(&Setup::mutual()).pair();
                pair.link.wire(side).fault = Some(on_records(move |n, bytes| {
                    if n == record && at < bytes.len() {
                        bytes[at] ^= 1;
                    }
                    Fate::Arrives
                }));
                let _ = pair.handshake();
                let _ = pair.client.poke();
                let _ = pair.server.poke();
            }
        }
    }
}

/// Cuts what `side` sends behind each byte of the handshake in turn.
#[test]
fn handshakes_cut_anywhere() {
    let _balance = Balance::start();
    let mut contexts = contexts(&Setup::mutual());
    for side in [CLIENT, SERVER] {
        for len in 0.. {
            let mut pair = contexts.pair();
            pair.link.wire(side).cut = Some(len);
            let results = pair.handshake();
            let sent: usize = pair.link.wire(side).sent.iter().map(Vec::len).sum();
            if len >= sent {
                assert_eq!(results, (Ok(()), Ok(())));
                break;
            }
            assert!(results.0.is_err() || results.1.is_err(), "{len} of {sent}");
        }
    }
}

/// Records that are made up, in the clear and not, in the place of any of a handshake's.
#[test]
fn records_that_are_made_up() {
    let mut dice = Dice::new(13);
    for seed in 0..2000 {
        let _balance = Balance::start();
        let mut pair = contexts(&Setup::mutual()).pair();
        let (side, record) = (dice.roll(2), dice.roll(8));
        let mut made = Dice::new(seed);
        pair.link.wire(side).fault = Some(on_records(move |n, bytes| {
            if n == record {
                match made.roll(4) {
                    0 => bytes[0] = 20 + made.roll(4) as u8,
                    1 => {
                        let len = made.roll(64);
                        bytes.truncate(5);
                        bytes.extend(made.bytes(len));
                        bytes[3..5].copy_from_slice(&(len as u16).to_be_bytes());
                    }
                    2 => bytes.extend_from_within(..),
                    _ => {
                        let at = 5 + made.roll(bytes.len() - 5);
                        bytes[at] = made.roll(256) as u8;
                    }
                }
            }
            Fate::Arrives
        }));
        let _ = pair.handshake();
        let _ = pair.client.poke();
        let _ = pair.server.poke();
    }
}
