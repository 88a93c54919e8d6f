// SPDX-License-Identifier: MIT OR Apache-2.0
//! Record buffers of datagrams, which exist only while one is looked at: datagrams of every size,
//! with several records, with a hello among them, without memory, of a length that nobody tells.
#![cfg(feature = "record-buffers")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::alloc::{failing, live, take_peak};
use common::datagrams::client;
use common::{Balance, CLIENT, Duo, Fate, SERVER, Setup, clock, pattern};
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::Error;
use micropython_ssl::mbedtls::sys;

const GCM: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";
/// What a record of AES-GCM has beside its content: header, nonce, tag.
const EXPANSION: usize = 13 + 8 + 16;
/// A buffer for an alert, which comes with each datagram's in case it has to be answered.
const ALERT_BUFFER: usize = 80;
/// The size of Mbed TLS's own buffer.
const WHOLE: usize = sys::MBEDTLS_SSL_IN_BUFFER_LEN as usize;

/// A connection with `cid` that is idle on both sides, and has heard of each other.
fn connected(cid: Option<u8>) -> Duo {
    let setup = Setup { client_mode: 0, suites: &[GCM], ..Setup::default() };
    let mut duo = Duo::with(setup, Settings { cid, ..Settings::DEFAULT });
    duo.open();
    for side in [CLIENT, SERVER] {
        duo.send(side, b"data");
    }
    duo
}

/// What `side` would send for each of these writes, which does not arrive.
fn withheld(duo: &mut Duo, side: usize, sizes: &[usize]) -> Vec<Vec<u8>> {
    let before = duo.link.wire(side).sent.len();
    duo.link.wire(side).fault = Some(Box::new(|_, _| Fate::Lost));
    for &size in sizes {
        assert_eq!(duo.end(side).write(&pattern(size)), Ok(size));
    }
    duo.link.wire(side).fault = None;
    duo.link.wire(side).sent[before..].to_vec()
}

#[test]
fn without_a_datagram_there_is_no_buffer() {
    for cid in [None, Some(4)] {
        let _balance = Balance::start();
        let mut duo =
            Duo::with(Setup { client_mode: 0, ..Setup::default() }, Settings { cid, ..Settings::DEFAULT });
        // Two connections to be, and their contexts.
        let before = live().bytes;
        // What handshake and session of TLS 1.3 have is in those of TLS 1.2 as well.
        let most = if cfg!(tls13) { WHOLE + 4096 } else { WHOLE };
        assert!(before < most, "{before}");
        take_peak();
        duo.open();
        let peak = take_peak() - before;
        assert!(peak < most, "{peak} in the handshake of both");
        let open = live().bytes;
        // The server keeps its last flight until the client shows that it has got it.
        duo.send(SERVER, b"data");
        assert_eq!(live().bytes, open);
        duo.send(CLIENT, b"data");
        assert!(live().bytes + 1000 < open, "{open} to {}", live().bytes);
        duo.prove();
    }
}

#[test]
fn a_datagram_of_every_size_has_a_buffer_of_that_size_until_its_last_byte_is_read() {
    let _balance = Balance::start();
    let mut duo = connected(None);
    let idle = live();
    let mut got = vec![0; 4096];
    for size in (1..300).chain((300..=4096).step_by(97)) {
        let data = pattern(size);
        for side in [CLIENT, SERVER] {
            take_peak();
            assert_eq!(duo.end(side).write(&data), Ok(size));
            assert_eq!(live(), idle, "a record of {size} is sent");
            let to = duo.end(1 - side);
            if size > 1 {
                assert_eq!(to.read(&mut got[..size - 1]), Ok(size - 1), "of {size}");
                assert_eq!(to.socket.pending(), 1);
                assert_eq!(live().bytes - idle.bytes, EXPANSION + size, "the one buffer for {size} bytes");
            }
            assert_eq!(to.read(&mut got[size - 1..]), Ok(1), "the last of {size}");
            assert!(got[..size] == data);
            assert_eq!(live(), idle, "behind a record of {size}");
            let peak = take_peak() - idle.bytes;
            assert!(peak <= EXPANSION + size + ALERT_BUFFER, "{peak} for {size}");
            assert_eq!((to.poke(), live()), (Err(Error::WantRead), idle));
        }
    }
    duo.prove();
}

#[test]
fn records_joined_in_one_datagram() {
    let sizes = [1, 4096, 17, 300, 2, 2000];
    for cid in [None, Some(4)] {
        for side in [CLIENT, SERVER] {
            for room in [1, 100, 5000] {
                let _balance = Balance::start();
                let mut duo = connected(cid);
                let idle = live();
                let joined = withheld(&mut duo, side, &sizes).concat();
                duo.link.inject(side, &joined);
                let to = duo.end(1 - side);
                let mut buf = vec![0; room];
                for size in sizes {
                    let mut got = Vec::new();
                    while got.len() < size {
                        let n = to.read(&mut buf).unwrap();
                        got.extend_from_slice(&buf[..n]);
                    }
                    assert!(got == pattern(size), "{size}, read by {room}");
                }
                assert_eq!((to.poke(), live()), (Err(Error::WantRead), idle), "{cid:?}");
                duo.prove();
            }
        }
    }
}

/// A transport that cannot tell how long a datagram is: the first that is longer than expected gets
/// lost, and from then on they arrive.
#[test]
fn a_length_that_nobody_tells() {
    for side in [CLIENT, SERVER] {
        let _balance = Balance::start();
        let mut duo = connected(None);
        duo.end(1 - side).port.tells_len = false;
        let idle = live();
        for size in [1, 1400, 2000] {
            take_peak();
            duo.send(side, &pattern(size));
            assert!(take_peak() - idle.bytes < 2048 + ALERT_BUFFER + 100, "for {size}");
        }
        assert_eq!(duo.end(side).write(&pattern(4000)), Ok(4000));
        assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
        assert_eq!(live(), idle);
        for size in [4000, 4096, 1, 2048] {
            duo.send(side, &pattern(size));
            assert_eq!(live(), idle);
        }
        duo.prove();
    }
}

/// Each write comes through at last, each read too, but for a datagram that there was no memory
/// for: it may be lost.
#[test]
fn each_allocation_fails_in_turn_and_the_connection_goes_on() {
    let sizes = [1, 700, 4096, 5, 2000];
    for on in [false, true] {
        for n in 0.. {
            let _balance = Balance::start();
            let mut duo = connected(None);
            let idle = live();
            let (mut failures, mut lost) = (0, 0);
            for side in [CLIENT, SERVER] {
                for size in sizes {
                    let data = pattern(size);
                    let (result, failed) = failing(n, on, || duo.end(side).write(&data));
                    failures += usize::from(failed);
                    if failed {
                        assert_eq!(result, Err(Error::NoMemory));
                        assert_eq!(duo.end(side).write(&data), Ok(size));
                    }
                    let mut buf = vec![0; 5000];
                    let (result, failed) = failing(n, on, || duo.end(1 - side).read(&mut buf));
                    failures += usize::from(failed);
                    match result {
                        Ok(got) => assert!(buf[..got] == data && (!failed || on)),
                        Err(Error::NoMemory) => {
                            assert!(failed);
                            assert_eq!(duo.receive(1 - side), Ok(data), "it has waited");
                        }
                        Err(Error::WantRead) => lost += usize::from(failed),
                        result => panic!("allocation {n}: {result:?}"),
                    }
                    assert_eq!(live(), idle, "allocation {n}");
                }
            }
            duo.prove();
            if failures == 0 {
                assert!(n > 1, "a read makes a buffer for the datagram and one for an alert");
                break;
            }
            assert!(lost <= 10);
        }
    }
}

/// A client that begins anew has nothing else to send: a hello behind other records, though its
/// cookie is good, begins nothing.
#[test]
fn a_hello_behind_other_records() {
    for among in [&[1][..], &[300, 5], &[4096, 1, 1]] {
        for room in [1, 5000] {
            let _balance = Balance::start();
            let mut duo = connected(None);
            let around = withheld(&mut duo, CLIENT, among).concat();
            let mut new = client(&duo.contexts[CLIENT]);
            for first in [true, false] {
                assert_eq!(new.handshake(&mut duo.client.port), Err(Error::WantRead));
                let hello = duo.last_sent(CLIENT);
                duo.link.wire(CLIENT).clear();
                duo.link.inject(CLIENT, &[&around, &hello[..]].concat());
                let (mut got, mut buf) = (Vec::new(), vec![0; room]);
                while let Ok(n) = duo.server.read(&mut buf) {
                    got.extend_from_slice(&buf[..n]);
                }
                assert!(!duo.server.socket.is_handshaking());
                // The second time the rest is known.
                assert!(got.is_empty() || got == among.iter().flat_map(|&n| pattern(n)).collect::<Vec<_>>());
                if first {
                    // By itself it is answered, with the cookie.
                    duo.link.inject(CLIENT, &hello);
                    assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
                }
            }
            drop(new);
            duo.link.wire(SERVER).clear();
            duo.prove();
        }
    }
}

/// What an attacker's hello costs is given back.
#[test]
fn a_forged_hello_leaves_nothing() {
    let _balance = Balance::start();
    let mut duo = connected(None);
    let idle = live();
    let hello = duo.link.wire(CLIENT).sent[0].clone();
    for i in 0..100_u8 {
        let mut forged = hello.clone();
        // The end of its random number.
        forged[13 + 12 + 2 + 31] = i;
        take_peak();
        duo.link.inject(CLIENT, &forged);
        assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
        assert_eq!(live(), idle);
        assert!(take_peak() - idle.bytes < hello.len() + 2000);
        duo.link.wire(SERVER).clear();
    }
    duo.prove();
}

/// The last flight is sent again with whatever memory there is, or not.
#[test]
fn the_last_flight_again_without_memory() {
    for n in 0..12 {
        let _balance = Balance::start();
        let mut duo = Duo::of(Setup { client_mode: 0, ..Setup::default() });
        // The server's Finished gets lost, once.
        let lost = Rc::new(RefCell::new(false));
        let flag = Rc::clone(&lost);
        duo.link.wire(SERVER).fault = Some(Box::new(move |_, bytes| {
            let last = bytes[0] == 20;
            if last && !flag.replace(true) { Fate::Lost } else { Fate::Arrives }
        }));
        for _ in 0..20 {
            let _ = duo.client.handshake();
            let _ = duo.serve();
        }
        assert!(*lost.borrow() && duo.client.socket.is_handshaking() && !duo.server.socket.is_handshaking());
        for _ in 0..5 {
            clock::advance(1000 << 4);
            let _ = duo.client.handshake();
            let (result, failed) = failing(n, false, || duo.server.poke());
            assert!(
                result == Err(Error::WantRead) || (failed && result == Err(Error::NoMemory)),
                "{result:?}"
            );
            // A small write that is half sent has a small buffer.
            duo.server.port.block();
            let _ = duo.server.write(b"x");
            duo.server.port.unblock();
            assert_eq!(duo.server.poke(), Err(Error::WantRead));
            let _ = duo.client.handshake();
        }
        assert!(!duo.client.socket.is_handshaking(), "allocation {n}");
    }
}
