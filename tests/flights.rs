// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a handshake's messages leave: a flight in one write of the transport, or in as few datagrams
//! as hold it; whole, however little of it the transport takes, and without memory too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::failing;
use common::{Balance, CLIENT, Duo, End, Pair, SERVER, Setup, records, run};
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;

const WHY: [Interruption; 4] =
    [Interruption::WouldBlock, Interruption::Raised, Interruption::Errno(110), Interruption::NoMemory];

/// How many writes were made on a side's stream, or datagrams sent, and the records in them.
fn sent(pair: &Pair, side: usize) -> (usize, usize) {
    let wire = pair.link.wire(side);
    (wire.sent.len(), records(&wire.transcript()).len())
}

#[test]
fn a_flight_is_one_write() {
    let _balance = Balance::start();
    // ClientHello; ClientKeyExchange, ChangeCipherSpec, Finished. ServerHello, Certificate,
    // ServerKeyExchange, ServerHelloDone; ChangeCipherSpec, Finished.
    let pair = Setup::default().open();
    assert_eq!((sent(&pair, CLIENT), sent(&pair, SERVER)), ((2, 4), (2, 6)));
    pair.prove();
    // And a Certificate, a CertificateVerify; a CertificateRequest.
    let pair = Setup::mutual().open();
    assert_eq!((sent(&pair, CLIENT), sent(&pair, SERVER)), ((2, 6), (2, 7)));
    pair.prove();
}

#[test]
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
fn a_flight_with_a_key_is_one_write() {
    let key = Some((b"device 7".as_slice(), b"\x8f\x01 a key like no other".as_slice()));
    let none = Setup { server_cert: None, client_trusts: None, client_mode: 0, ..Setup::default() };
    let (mut client, mut server) = (none.client().unwrap(), none.server().unwrap());
    client.set_psk(key).unwrap();
    server.set_psk(key).unwrap();
    server.ask_for_psk(true, b"a hint").unwrap();
    let pair = Pair::new(&mut client, &mut server, None).unwrap().open();
    assert_eq!((sent(&pair, CLIENT).0, sent(&pair, SERVER).0), (2, 2));
    pair.prove();
}

/// Whoever gives up sends what it had to say before, and why.
#[test]
fn an_alert_follows_the_flight() {
    let setup = Setup { server_mode: 2, server_trusts: Some("ca"), ..Setup::default() };
    let mut pair = setup.pair();
    let results = pair.handshake();
    assert!(matches!(results, (Err(_), Err(_))), "{results:?}");
    for (side, most) in [(CLIENT, 3), (SERVER, 2)] {
        let (writes, _) = sent(&pair, side);
        assert!(writes <= most, "{side}: {writes}");
    }
    // The chain is not trusted: ClientHello, alert.
    let mut pair = Setup { client_trusts: Some("rsa"), ..Setup::default() }.pair();
    assert!(matches!(pair.handshake(), (Err(Error::Verify(_)), Err(common::ALERTED))));
    assert_eq!(sent(&pair, CLIENT), (2, 2));
}

#[test]
fn a_transport_takes_a_flight_in_any_parts() {
    let _balance = Balance::start();
    for max_write in [1, 2, 7, 100, 1000] {
        let mut pair = Setup::mutual().pair();
        pair.client.port.max_write = max_write;
        pair.server.port.max_write = max_write;
        pair.open().prove();
    }
    // One that is full after so many bytes, until the other side reads.
    for capacity in [1, 2, 50, 333] {
        let pair = Setup::mutual().pair();
        pair.link.wire(CLIENT).capacity = capacity;
        pair.link.wire(SERVER).capacity = capacity;
        let pair = pair.open();
        pair.link.wire(CLIENT).capacity = usize::MAX;
        pair.link.wire(SERVER).capacity = usize::MAX;
        pair.prove();
    }
}

/// At each byte that either side sends or receives.
#[test]
fn a_flight_goes_on_where_it_was_interrupted() {
    let _balance = Balance::start();
    let setup = Setup::mutual();
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    for side in [CLIENT, SERVER] {
        for (i, why) in WHY.into_iter().enumerate() {
            for n in (i..).step_by(97) {
                let mut pair = Pair::new(&mut client, &mut server, setup.hostname).unwrap();
                let port = &mut pair.end(side).port;
                (port.max_write, port.max_read) = (1, 50);
                port.interrupt_at(n, why);
                assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{side}: {why:?} at {n}");
                let hit = pair.end(side).port.calls > n;
                pair.end(side).port.max_write = usize::MAX;
                pair.prove();
                if !hit {
                    assert!(n > 500, "{side}: {n}");
                    break;
                }
            }
        }
    }
}

/// What a call says while a flight waits: that the transport is to be written to.
#[test]
fn a_flight_that_waits_wants_to_be_written() {
    let mut pair = Setup::default().pair();
    let mut writes = 0;
    pair.client.port.max_write = 40;
    for call in 0.. {
        // Each write takes 40 bytes, and the next one nothing.
        let mut left = 1;
        pair.client.port.gate = Some(Box::new(move |_| {
            left -= 1;
            if left < 0 { Err(Interruption::WouldBlock) } else { Ok(()) }
        }));
        let before = pair.link.wire(CLIENT).sent.len();
        match pair.client.handshake() {
            Ok(()) => break,
            Err(Error::WantWrite) => writes += 1,
            Err(Error::WantRead) => assert!(pair.link.wire(CLIENT).sent.len() <= before + 1),
            other => panic!("{other:?}"),
        }
        let _ = pair.server.handshake();
        assert!(call < 1000);
    }
    assert!(writes > 3, "{writes}");
    pair.client.port.gate = None;
    pair.prove();
}

/// Memory that only makes a flight one write is not needed: the handshake comes to the same
/// without, in more writes.
#[test]
fn a_flight_without_memory_leaves_in_parts() {
    let _balance = Balance::start();
    let setup = Setup::mutual();
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    for side in [CLIENT, SERVER] {
        let (mut in_parts, mut ended) = (0, false);
        for n in 0.. {
            let mut pair = Pair::new(&mut client, &mut server, setup.hostname).unwrap();
            let mut left = n;
            let (results, failed) = {
                let mut hit = false;
                let mut handshake = |end: &mut End| {
                    let before = common::alloc::made();
                    let (result, failed) = failing(left, false, || end.handshake());
                    hit |= failed;
                    left = left.saturating_sub(common::alloc::made() - before);
                    if hit {
                        left = usize::MAX
                    }
                    result
                };
                let results = if side == CLIENT {
                    run(&mut pair.client, &mut pair.server, &mut handshake, End::handshake)
                } else {
                    run(&mut pair.client, &mut pair.server, End::handshake, &mut handshake)
                };
                (results, hit)
            };
            if results == (Ok(()), Ok(())) {
                in_parts += usize::from(sent(&pair, side).0 > 2);
                pair.prove();
            }
            if !failed {
                ended = true;
                break;
            }
        }
        // A flight of several records has as many chances.
        assert!(ended && in_parts >= 5, "{side}: {in_parts}");
    }
}

/// As many records as the MTU takes: of a flight's datagrams all but the last are full.
#[test]
#[cfg(mbedtls_ssl_proto_dtls)]
fn a_datagram_takes_as_many_records_as_fit() {
    // Headers of a record and a fragment, and a byte.
    const LEAST: usize = 13 + 12 + 1;
    for mtu in [256, 512, 1000, 1400] {
        for setup in [Setup::default(), Setup::mutual()] {
            let mut duo = Duo::with(setup, Settings { mtu, ..Settings::DEFAULT });
            duo.open();
            // Two ClientHellos, and the last flight; a HelloVerifyRequest, one, and another.
            for (side, before, behind) in [(CLIENT, 2, 0), (SERVER, 1, 1)] {
                let lens: Vec<_> = duo.link.wire(side).sent.iter().map(Vec::len).collect();
                let (_, full) = lens[before..lens.len() - behind].split_last().unwrap();
                assert!(full.iter().all(|len| len + LEAST > mtu.into()), "{mtu}, {side}: {lens:?}");
                assert!(lens.iter().all(|len| *len <= mtu.into()), "{mtu}, {side}: {lens:?}");
            }
            duo.prove();
        }
    }
}
