// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a handshake's messages leave: a flight in one write of the transport, or in as few datagrams
//! as hold it; whole, however little of it the transport takes, and without memory too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::{failing, made};
use common::{Balance, CLIENT, Duo, End, Pair, SERVER, Setup, TAKES_FRAGMENTS, pki, records, run, tls12};
use micropython_ssl::context::{Context, Memory};
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;
use micropython_ssl::mem::Box;

const WHY: [Interruption; 4] =
    [Interruption::WouldBlock, Interruption::Raised, Interruption::Errno(110), Interruption::NoMemory];

/// Contexts for both sides that show a certificate and `own` others with it, and verify; the client
/// asks for records of `limit` bytes.
fn limited(limit: u16, own: usize) -> [Box<Context>; 2] {
    let text = |name: &str| {
        let mut pem = pki::cert(name);
        pem.pop();
        pem
    };
    [(0, "client"), (1, "ec")].map(|(protocol, name)| {
        let mut context = tls12(Context::new(protocol, 2));
        let pem = std::iter::once(text(name)).chain(std::iter::repeat_n(text("ca"), own));
        let pem = pki::with_nul(pem.flatten().collect());
        context.load_cert_chain(Some(&pem), &pki::key(name), None, true).unwrap();
        context.load_verify_locations(&pki::cert("ca")).unwrap();
        if protocol == 0 {
            context.set_memory(Memory { max_fragment_length: limit, ..Memory::DEFAULT }).unwrap();
        }
        context
    })
}

/// The handshake messages in the clear that a side has sent, joined, and the most that a record had
/// of them, the ClientHello not counted.
fn in_the_clear(pair: &Pair, side: usize) -> (Vec<u8>, usize) {
    let transcript = pair.link.wire(side).transcript();
    let clear = records(&transcript).into_iter().take_while(|record| record[0] == 22);
    let contents: Vec<_> = clear.map(|record| &record[5..]).collect();
    let most = contents[usize::from(side == CLIENT)..].iter().map(|content| content.len()).max().unwrap();
    (contents.concat(), most)
}

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
        pair.client.port.gate = Some(std::boxed::Box::new(move |_| {
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
/// without, in more writes; split messages too.
#[test]
fn a_flight_without_memory_leaves_in_parts() {
    let _balance = Balance::start();
    let limits = if cfg!(mbedtls_ssl_max_fragment_length) && TAKES_FRAGMENTS { &[0, 512][..] } else { &[0] };
    for (limit, side) in limits.iter().flat_map(|limit| [(*limit, CLIENT), (*limit, SERVER)]) {
        let [mut client, mut server] = limited(limit, 2);
        let mut in_parts = 0;
        for n in 0.. {
            let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
            // Each record leaves in parts, between which the transport takes nothing.
            let port = &mut pair.end(side).port;
            port.max_write = 300;
            port.gate = Some(std::boxed::Box::new(|call| if call % 3 == 0 { Err(WHY[0]) } else { Ok(()) }));
            let (mut left, mut failed) = (Some(n), false);
            let mut handshake = |end: &mut End| {
                let Some(n) = left else { return end.handshake() };
                let before = made();
                let (result, hit) = failing(n, false, || end.handshake());
                failed |= hit;
                left = if hit { None } else { Some(n - (made() - before)) };
                result
            };
            let results = if side == CLIENT {
                run(&mut pair.client, &mut pair.server, &mut handshake, End::handshake)
            } else {
                run(&mut pair.client, &mut pair.server, End::handshake, &mut handshake)
            };
            if failed
                && results == (Ok(()), Ok(()))
                && !pair.end(side).port.reported.contains(&Error::NoMemory)
            {
                in_parts += 1;
            }
            if results == (Ok(()), Ok(())) {
                assert!(limit == 0 || in_the_clear(&pair, side).1 <= 512);
                pair.end(side).port.max_write = usize::MAX;
                pair.prove();
            }
            if !failed {
                break;
            }
        }
        // A flight of several records has as many chances.
        assert!(in_parts >= 5, "{limit}, {side}: {in_parts}");
    }
}

/// RFC 6066 4: "the client and server MUST immediately begin fragmenting messages (including
/// handshake messages)". Each side's own messages take records of what the client has asked for.
#[test]
#[cfg(mbedtls_ssl_max_fragment_length)]
fn messages_longer_than_a_record_are_split() {
    let _balance = Balance::start();
    let parts = if TAKES_FRAGMENTS { &[1, 5, 6, 300, usize::MAX][..] } else { &[] };
    for limit in [512, 1024, 2048, 4096] {
        for own in [0, 1, 3, 7] {
            let [mut client, mut server] = limited(limit, own);
            for max_write in parts {
                let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
                (pair.client.port.max_write, pair.server.port.max_write) = (*max_write, *max_write);
                assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{limit}, {own}");
                for side in [CLIENT, SERVER] {
                    let what = format!("{limit}, {own}, {side}, {max_write}");
                    let (messages, most) = in_the_clear(&pair, side);
                    // A chain longer than a record fills it.
                    let longer = messages.len() > 2 * usize::from(limit);
                    assert!(most <= limit.into() && (most == limit.into() || !longer), "{what}: {most}");
                    if *max_write == usize::MAX {
                        assert_eq!(sent(&pair, side).0, 2, "{what}");
                    }
                }
                (pair.client.port.max_write, pair.server.port.max_write) = (usize::MAX, usize::MAX);
                pair.prove();
            }
        }
    }
}

/// Who has not been asked for shorter records splits nothing: not every peer can join.
#[test]
#[cfg(mbedtls_ssl_max_fragment_length)]
fn nobody_splits_unasked() {
    let _balance = Balance::start();
    let [mut client, mut server] = limited(0, 5);
    server.set_memory(Memory { max_fragment_length: 512, ..Memory::DEFAULT }).unwrap();
    let pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open();
    assert!(in_the_clear(&pair, SERVER).1 > 1500);
    assert_eq!(sent(&pair, SERVER).1, 7);
    pair.prove();
}

/// At each byte of split messages.
#[test]
#[cfg(mbedtls_ssl_max_fragment_length)]
fn a_split_message_goes_on_where_it_was_interrupted() {
    if !TAKES_FRAGMENTS {
        return;
    }
    let _balance = Balance::start();
    let [mut client, mut server] = limited(512, 2);
    for side in [CLIENT, SERVER] {
        for (i, why) in WHY.into_iter().enumerate() {
            for n in (i..).step_by(61) {
                let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
                let port = &mut pair.end(side).port;
                (port.max_write, port.max_read) = (1, 50);
                port.interrupt_at(n, why);
                assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{side}: {why:?} at {n}");
                assert!(in_the_clear(&pair, side).1 <= 512);
                let hit = pair.end(side).port.calls > n;
                pair.end(side).port.max_write = usize::MAX;
                pair.prove();
                if !hit {
                    assert!(n > 1000, "{side}: {n}");
                    break;
                }
            }
        }
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
