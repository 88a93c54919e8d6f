// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong on the way: streams that end anywhere, bits that flip, transports that
//! interrupt, allocations that fail; each at the first, second, third… place in turn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::alloc::{failing, failing_twice, live};
use common::{
    ALERTED, Balance, CLIENT, CUT, Contexts, Fate, NO_FRAGMENTS, Pair, SERVER, Setup, TAKES_FRAGMENTS,
    on_records, pattern, pki, records,
};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Result};
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::{HIBERNATION, sys};

// ---- Streams that end -------------------------------------------------------

/// Cuts what `side` sends behind each byte of the handshake in turn.
fn handshake_cut_anywhere(side: usize) {
    let _balance = Balance::start();
    let mut contexts = Contexts::new(&Setup::mutual());
    for len in 0.. {
        let mut pair = contexts.pair();
        pair.link.wire(side).cut = Some(len);
        let (client, server) = pair.handshake();
        let sent = pair.link.wire(side).sent.clone();
        let sent_len = sent.iter().map(Vec::len).sum::<usize>();
        if len >= sent_len {
            assert_eq!((client, server), (Ok(()), Ok(())), "behind its end");
            assert!(len > 500, "a handshake of {len} bytes");
            return;
        }
        if side == CLIENT {
            // The client waits for the server's last word in vain.
            assert_eq!((client, server), (Err(CUT), Err(CUT)), "{len}");
        } else {
            // The server is content once it has the client's last message; then it has sent
            // ChangeCipherSpec and Finished.
            let content = sent.iter().any(|record| record[0] == 20);
            let expected = if content { Ok(()) } else { Err(CUT) };
            assert_eq!((client, server), (Err(CUT), expected), "{len}");
            pair.assert_failed(CLIENT);
            if content {
                assert_eq!(pair.server.poke(), Ok(0), "the client has hung up");
                assert!(!pair.server.socket.close_notify_received());
                continue;
            }
        }
        pair.assert_failed(SERVER);
        assert!(pair.client.socket.cipher().is_none());
    }
}

#[test]
fn the_clients_handshake_cut_anywhere() {
    handshake_cut_anywhere(CLIENT);
}

#[test]
fn the_servers_handshake_cut_anywhere() {
    handshake_cut_anywhere(SERVER);
}

#[test]
fn data_and_goodbye_cut_anywhere() {
    let _balance = Balance::start();
    let mut contexts = Contexts::new(&Setup { client_mode: 0, ..Setup::default() });
    for side in [CLIENT, SERVER] {
        for len in 0.. {
            let mut pair = contexts.pair().open();
            let before = pair.link.wire(side).sent.len();
            pair.link.wire(side).cut = Some(len);
            assert_eq!(pair.end(side).write(b"some data"), Ok(9));
            let _ = pair.end(side).close_notify();
            let lens: Vec<_> = pair.link.wire(side).sent[before..].iter().map(Vec::len).collect();
            let peer = pair.end(1 - side);
            let mut buf = [0; 20];
            if len >= lens[0] {
                assert_eq!((peer.read(&mut buf), &buf[..9]), (Ok(9), b"some data".as_slice()), "{len}");
            }
            // Whatever is missing, upstream has it that the end of the stream is the end.
            assert_eq!(peer.read(&mut buf), Ok(0), "{len}");
            let whole = len >= lens.iter().sum();
            assert_eq!(peer.socket.close_notify_received(), whole, "{len}");
            assert_eq!(peer.read(&mut buf), Ok(0), "{len}");
            if whole {
                assert!(len > 40);
                break;
            }
        }
    }
}

// ---- Bits that flip ---------------------------------------------------------

/// Flips the lowest bit of byte `at` of `side`'s record `record`, counted from its end if negative.
fn flip(pair: &Pair, side: usize, record: usize, at: isize) {
    pair.link.wire(side).fault = Some(on_records(move |n, bytes| {
        if n == record {
            let at = if at < 0 { bytes.len().wrapping_add_signed(at) } else { at.unsigned_abs() };
            bytes[at] ^= 1;
        }
        Fate::Arrives
    }));
}

/// The fatal alerts that `side` has sent; `None` for an encrypted one.
fn alerts(pair: &Pair, side: usize) -> Vec<Option<u8>> {
    let transcript = pair.link.wire(side).transcript();
    let alerts = records(&transcript).into_iter().filter(|record| record[0] == 21);
    alerts.map(|record| (record.len() == 7).then(|| record[6])).collect()
}

#[test]
fn a_bit_in_each_record_of_the_handshake() {
    const DECODE: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_DECODE_ERROR);
    const RECORD: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_RECORD);
    const SIGNATURE: Error = Error::Tls(sys::MBEDTLS_ERR_ECP_VERIFY_FAILED);
    const MAC: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC);
    const UNTRUSTED: Error = Error::Verify(sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED);
    // Who sends the record, which, the last bit flipped; who notices, what, and how it tells.
    for (sender, record, name, finder, error, alert) in [
        (CLIENT, 0, "ClientHello", SERVER, DECODE, Some(50)),
        (CLIENT, 1, "Certificate", SERVER, UNTRUSTED, Some(48)),
        (CLIENT, 2, "ClientKeyExchange", SERVER, DECODE, Some(47)),
        (CLIENT, 3, "CertificateVerify", SERVER, SIGNATURE, Some(51)),
        (CLIENT, 4, "ChangeCipherSpec", SERVER, RECORD, Some(50)),
        (CLIENT, 5, "Finished", SERVER, MAC, Some(20)),
        // Each has seen another handshake: the client's signature of it is wrong.
        (SERVER, 0, "ServerHello", SERVER, SIGNATURE, Some(51)),
        (SERVER, 1, "Certificate", CLIENT, UNTRUSTED, Some(48)),
        (SERVER, 2, "ServerKeyExchange", CLIENT, SIGNATURE, Some(51)),
        (SERVER, 3, "CertificateRequest", SERVER, SIGNATURE, Some(51)),
        // The server is content already.
        (SERVER, 5, "ChangeCipherSpec", CLIENT, RECORD, None),
        (SERVER, 6, "Finished", CLIENT, MAC, None),
    ] {
        let _balance = Balance::start();
        let mut pair = Setup::mutual().pair();
        // A ServerHello ends with a list in which nothing else is right: a bit of its session ID.
        flip(&pair, sender, record, if name == "ServerHello" { 50 } else { -1 });
        let (client, server) = pair.handshake();
        let (found, other) = if finder == CLIENT { (client, server) } else { (server, client) };
        let what = format!("{name} of {sender}");
        assert_eq!(found, Err(error), "{what}");
        assert_eq!(alerts(&pair, finder), [alert], "{what}");
        assert!(alerts(&pair, 1 - finder).is_empty(), "{what}");
        pair.assert_failed(finder);
        let other = if alert.is_none() {
            assert_eq!(other, Ok(()), "{what}");
            pair.end(1 - finder).poke().map(drop)
        } else {
            other
        };
        assert_eq!(other, Err(ALERTED), "{what}");
        pair.assert_failed(1 - finder);
    }
}

#[test]
fn a_bit_in_the_shared_secret() {
    let _balance = Balance::start();
    // Without signatures of the client's, Finished is where it shows.
    let mut pair = Setup::default().pair();
    flip(&pair, SERVER, 0, 50);
    let mac = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC);
    assert_eq!(pair.handshake(), (Err(ALERTED), Err(mac)));
    assert_eq!(alerts(&pair, SERVER), [Some(20)]);
}

/// Mbed TLS passes over a certificate that is signed in a way it does not know, and goes on with
/// none.
#[test]
fn a_certificate_signed_in_an_unknown_way() {
    const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    for side in [CLIENT, SERVER] {
        for mode in 0..3 {
            let _balance = Balance::start();
            let mut pair = Setup { client_mode: mode, server_mode: mode.max(1), ..Setup::mutual() }.pair();
            pair.link.wire(side).fault = Some(Box::new(move |_, bytes| {
                let oids = bytes.windows(8).enumerate().filter(|(_, oid)| *oid == ECDSA_WITH_SHA256);
                for at in oids.map(|(at, _)| at).collect::<Vec<_>>() {
                    bytes[at + 7] = 0x7f;
                }
                Fate::Arrives
            }));
            let (client, server) = pair.handshake();
            assert!(client.is_err() && server.is_err(), "{side}, {mode}: {client:?}, {server:?}");
            for (depth, der) in &pair.end(1 - side).port.judged {
                assert_eq!((*depth, der.len()), (0, 0), "there is nothing to show");
            }
            assert!(pair.end(1 - side).socket.peer_cert().is_none_or(<[u8]>::is_empty));
        }
    }
}

#[test]
fn a_length_that_promises_too_much() {
    let _balance = Balance::start();
    let mut pair = Setup::mutual().pair();
    // ServerHelloDone says that one byte more belongs to it: both wait.
    flip(&pair, SERVER, 4, -1);
    if !TAKES_FRAGMENTS {
        assert_eq!(pair.handshake(), (Err(NO_FRAGMENTS), Err(ALERTED)));
        return;
    }
    assert_eq!(pair.handshake(), (Err(Error::WantRead), Err(Error::WantRead)));
    pair.link.hang_up(SERVER);
    pair.link.hang_up(CLIENT);
    assert_eq!(pair.handshake(), (Err(CUT), Err(CUT)));
}

/// Every `usual`th place, or every one where the environment asks for it.
fn step(usual: usize) -> usize {
    if std::env::var_os("MPSSL_EXHAUSTIVE").is_some() { 1 } else { usual }
}

#[test]
fn a_bit_anywhere_in_the_handshake() {
    let _balance = Balance::start();
    let mut contexts = Contexts::new(&Setup::mutual());
    for side in [CLIENT, SERVER] {
        for at in (0..).step_by(step(7)) {
            let mut pair = contexts.pair();
            let mut before = 0;
            pair.link.wire(side).fault = Some(Box::new(move |_, bytes| {
                if let Some(byte) = bytes.get_mut(usize::wrapping_sub(at, before)) {
                    *byte ^= 1 << (at % 8);
                }
                before += bytes.len();
                Fate::Arrives
            }));
            let (client, server) = pair.handshake();
            let transcript = pair.link.wire(side).transcript();
            if at >= transcript.len() && (client, server) == (Ok(()), Ok(())) {
                assert!(at > 700);
                break;
            }
            let mut start = 0;
            let within = records(&transcript).into_iter().find_map(|record| {
                start += record.len();
                (at < start).then(|| at + record.len() - start)
            });
            // A plain record's version may be lower than the handshake's: nothing depends on it.
            let harmless = within.is_some_and(|within| within == 1 || within == 2);
            let both = client.is_ok() && server.is_ok();
            assert!(!both || harmless, "byte {at} of {side}");
            if both {
                pair.prove();
                continue;
            }
            for (this, result) in [(CLIENT, client), (SERVER, server)] {
                match result {
                    // Still waiting for a record that became longer.
                    Err(Error::WantRead) | Ok(()) => {}
                    Err(_) => pair.assert_failed(this),
                }
            }
        }
    }
}

#[test]
fn a_bit_anywhere_in_data() {
    let _balance = Balance::start();
    let mut contexts = Contexts::new(&Setup { client_mode: 0, ..Setup::default() });
    let suite = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8";
    contexts.client.set_ciphers(1, [suite.as_bytes()].into_iter()).unwrap();
    for side in [CLIENT, SERVER] {
        // Header, explicit nonce, data, tag.
        for at in 0..5 + 8 + 4 + 8 {
            let bits = if at < 5 { 8 } else { 8 / step(8) };
            for bit in 0..bits {
                let mut pair = contexts.pair().open();
                pair.link.wire(side).fault = Some(Box::new(move |_, bytes| {
                    assert_eq!(bytes.len(), 25);
                    bytes[at] ^= 1 << bit;
                    Fate::Arrives
                }));
                assert_eq!(pair.end(side).write(b"data"), Ok(4));
                pair.link.wire(side).fault = None;
                match pair.end(1 - side).poke() {
                    Err(Error::WantRead) => {
                        // The length has grown. What was to come is the end.
                        assert!((3..5).contains(&at));
                        pair.link.hang_up(side);
                        assert_eq!(pair.end(1 - side).poke(), Ok(0));
                        assert!(!pair.end(1 - side).socket.close_notify_received());
                    }
                    Err(Error::Tls(code)) => {
                        let mac = code == sys::MBEDTLS_ERR_SSL_INVALID_MAC;
                        assert!(mac || at < 5, "byte {at}, bit {bit}: {code}");
                        pair.assert_failed(1 - side);
                        assert_eq!(pair.end(side).poke(), Err(ALERTED), "byte {at}, bit {bit}");
                        pair.assert_failed(side);
                    }
                    other => panic!("byte {at}, bit {bit}: {other:?}"),
                }
            }
        }
    }
}

// ---- Transports that interrupt ----------------------------------------------

#[test]
fn each_transport_call_interrupted_in_turn() {
    let _balance = Balance::start();
    let mut contexts = Contexts::new(&Setup::mutual());
    for (why, reported) in [
        (Interruption::WouldBlock, vec![]),
        (Interruption::Raised, vec![Error::Raised]),
        (Interruption::Errno(110), vec![Error::Errno(110)]),
        (Interruption::Errno(4), vec![Error::Errno(4)]),
    ] {
        for side in [CLIENT, SERVER] {
            for n in 0.. {
                let mut pair = contexts.pair();
                pair.end(side).port.interrupt_at(n, why);
                assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{why:?} at {n}");
                pair.converse();
                if pair.end(side).port.calls <= n {
                    assert!(n > 20, "a conversation of {n} calls");
                    break;
                }
                // Once, and as what it was.
                assert_eq!(pair.end(side).port.reported, reported, "{why:?} at {n}");
                assert!(pair.end(1 - side).port.reported.is_empty());
            }
        }
    }
}

#[test]
fn every_other_transport_call_interrupted() {
    let _balance = Balance::start();
    let mut pair = Setup::mutual().pair();
    for side in [CLIENT, SERVER] {
        let port = &mut pair.end(side).port;
        (port.max_read, port.max_write) = (50, 50);
        port.gate = Some(Box::new(|call| match call % 8 {
            1 => Err(Interruption::WouldBlock),
            3 => Err(Interruption::Raised),
            5 | 7 => Err(Interruption::Errno(110)),
            _ => Ok(()),
        }));
    }
    let mut pair = pair.open();
    pair.converse();
    for side in [CLIENT, SERVER] {
        let reported = &pair.end(side).port.reported;
        assert!(reported.contains(&Error::Raised) && reported.contains(&Error::Errno(110)));
    }
}

#[test]
fn once_raised_the_transport_is_left_alone() {
    let _balance = Balance::start();
    let mut pair = Setup::default().pair();
    pair.client.port.gate = Some(Box::new(|_| Err(Interruption::Raised)));
    for calls in 1..4 {
        assert_eq!(pair.client.handshake(), Err(Error::Raised));
        assert_eq!(pair.client.port.calls, calls, "one call, one exception");
    }
    pair.client.port.unblock();
    pair.open().prove();
}

#[test]
fn a_verifier_that_raises_outranks_the_transport() {
    let _balance = Balance::start();
    let mut pair = Setup::default().pair();
    let until = Rc::new(Cell::new(false));
    let judged = Rc::clone(&until);
    // From then on, so for the alert, the transport fails as well.
    pair.client.port.judge = Some(Box::new(move |_, _| {
        judged.set(true);
        Err(Interruption::Raised)
    }));
    pair.client.port.gate =
        Some(Box::new(move |_| if until.get() { Err(Interruption::Errno(32)) } else { Ok(()) }));
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    assert_eq!(pair.server.handshake(), Err(Error::WantRead));
    assert_eq!(pair.client.handshake(), Err(Error::Raised));
    pair.assert_failed(CLIENT);
}

// ---- Allocations that fail --------------------------------------------------

const ENOMEM: Error = Error::Errno(12);

/// Without memory to sleep a quiet connection says so, whatever its handshake's end has been refused; with it, it
/// sleeps.
fn sleep_without_memory(pair: &mut Pair) {
    for side in [CLIENT, SERVER].into_iter().filter(|_| HIBERNATION) {
        let socket = &mut pair.end(side).socket;
        assert_eq!(failing(0, true, || socket.hibernate()), (Err(Error::NoMemory), true), "side {side}");
        assert_eq!(socket.hibernate(), Ok(true), "side {side}");
    }
}

/// Fails allocations of a handshake, each with all that follow or alone.
fn handshakes_without_memory(on: bool) {
    let _balance = Balance::start();
    let mut contexts = Contexts::new(&Setup::mutual());
    let made = common::alloc::made();
    contexts.pair().open().prove();
    // Mbed TLS's own arithmetic on curves allocates thousands of times.
    let stride = if common::alloc::made() - made < 1000 { 1 } else { step(23) };
    let (mut counts, mut records) = ([0; 2], 0);
    for (i, n) in (0..40).chain((40..).step_by(stride)).enumerate() {
        let level = live();
        let mut pair = contexts.pair();
        let ((client, server), failed) = failing(n, on, || pair.handshake());
        if !failed {
            assert_eq!((client, server), (Ok(()), Ok(())));
            pair.prove();
            break;
        }
        // A record waits until there is memory for it, and nobody notices.
        let ends = [&pair.client, &pair.server];
        let waited = ends.iter().any(|end| end.port.reported.contains(&Error::NoMemory));
        let (client, server) = pair.resume((client, server));
        if waited && !on {
            assert_eq!((client, server), (Ok(()), Ok(())), "allocation {n}");
        }
        records += usize::from(waited);
        match (client, server) {
            // What is only a copy can do without.
            (Ok(()), Ok(())) => {
                counts[0] += 1;
                assert!(pair.client.socket.peer_cert().is_some());
                sleep_without_memory(&mut pair);
                pair.converse();
            }
            // Never that a certificate or a record is bad, though to Mbed TLS it is.
            (Err(ENOMEM), _) | (_, Err(ENOMEM)) => counts[1] += 1,
            _ => panic!("allocation {n}: {client:?}, {server:?}"),
        }
        for (side, result) in [(CLIENT, client), (SERVER, server)] {
            if result.is_err() {
                pair.assert_failed(side);
            }
        }
        drop(pair);
        assert_eq!(live(), level, "allocation {n}");
        if i % 50 == 0 {
            contexts.pair().open().prove();
        }
    }
    assert!(counts[1] > 100, "{counts:?}");
    assert_eq!(records > 0, cfg!(feature = "record-buffers"), "{records}");
}

#[test]
fn handshakes_with_one_allocation_failing() {
    handshakes_without_memory(false);
}

#[test]
fn handshakes_when_memory_has_run_out() {
    handshakes_without_memory(true);
}

/// Where nobody insists on a certificate, want of memory while it is looked at is no verdict: not even
/// where the same call then has to wait for memory, as a handshake may.
#[test]
fn for_want_of_memory_no_certificate_is_left_unverified() {
    let _balance = Balance::start();
    for tls13 in [false, true].into_iter().filter(|tls13| cfg!(tls13) || !tls13) {
        let at = if tls13 { "TLS 1.3" } else { "TLS 1.2" };
        let setup = Setup { client_mode: 1, server_mode: 1, tls13, ..Setup::mutual() };
        let mut contexts = Contexts::new(&setup);
        let (mut over, mut waited) = (0, 0);
        for n in 0.. {
            let mut pair = contexts.pair();
            let (results, failed) = failing(n, true, || pair.handshake());
            let ends = [&pair.client, &pair.server];
            waited += usize::from(ends.iter().any(|end| end.port.reported.contains(&Error::NoMemory)));
            let (client, server) = pair.resume(results);
            match (client, server) {
                (Ok(()), Ok(())) => {
                    assert!(pair.client.socket.peer_verified(), "{at}, allocation {n}: the server's");
                    assert!(pair.server.socket.peer_verified(), "{at}, allocation {n}: the client's");
                    over += 1;
                }
                (Err(ENOMEM), _) | (_, Err(ENOMEM)) => {}
                _ => panic!("{at}, allocation {n}: {client:?}, {server:?}"),
            }
            if !failed {
                break;
            }
        }
        assert!(over > 10, "{at}: {over}");
        assert_eq!(waited > 0, cfg!(feature = "record-buffers"), "{at}: {waited}");
    }
}

/// Want of memory that comes and goes is none of the file's faults: all that is in it is loaded, or nothing.
#[test]
fn scattered_refusals_are_no_bad_files() {
    let anchors =
        [pki::cert("ca"), pki::cert("rsa"), pki::cert("ec384")].map(|pem| pem[..pem.len() - 1].to_vec());
    let anchors = pki::with_nul(anchors.concat());
    let (cert, key) = (pki::cert("rsa"), pki::key("rsa"));
    type Load<'a> = &'a dyn Fn(&mut Context) -> Result<()>;
    let loads: [(usize, Load<'_>); 2] = [
        (1, &|context| context.load_verify_locations(&anchors)),
        (0, &|context| context.load_cert_chain(Some(&cert), &key, None, true)),
    ];
    for (mode, load) in loads {
        let mut whole = Context::new(1, 0).unwrap();
        assert_eq!(load(&mut whole), Ok(()));
        let all = whole.anchors();
        for n in 0.. {
            let mut refused = 0;
            for m in 0..60 {
                let mut context = Context::new(1, 0).unwrap();
                let (result, failed) = failing_twice(n, m, || load(&mut context));
                match result {
                    Ok(()) => assert_eq!(context.anchors(), all, "{mode}: {n} and {m}"),
                    result => assert_eq!(result, Err(Error::NoMemory), "{mode}: {n} and {m}"),
                }
                refused = refused.max(failed);
            }
            if refused == 0 {
                break;
            }
        }
    }
}

/// On an open connection a call that finds no memory can be made again.
#[test]
fn data_and_goodbye_with_each_allocation_failing() {
    for suite in [
        "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
        "TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA",
        "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
    ] {
        let _balance = Balance::start();
        let mut contexts = Contexts::new(&Setup { suites: &[suite], ..Setup::default() });
        for on in [false, true] {
            for n in 0.. {
                let mut pair = contexts.pair().open();
                let level = live();
                let mut came = 0;
                // Fails the nth allocation of each step; then once more with memory.
                let mut with_failure = |step: &mut dyn FnMut() -> Result<usize>| {
                    let (result, failed) = failing(n, on, &mut *step);
                    came += usize::from(failed);
                    if !failed {
                        return result;
                    }
                    assert_eq!(result, Err(Error::NoMemory), "{suite}, allocation {n}");
                    step()
                };
                let data = pattern(2000);
                let mut got = vec![0; 3000];
                let (client, server) = (&mut pair.client, &mut pair.server);
                assert_eq!(with_failure(&mut || client.write(&data)), Ok(2000));
                assert_eq!(with_failure(&mut || server.read(&mut got)), Ok(2000));
                assert!(got[..2000] == data);
                assert_eq!(with_failure(&mut || server.poke()), Err(Error::WantRead));
                assert_eq!(with_failure(&mut || client.close_notify().map(|()| 0)), Ok(0));
                assert_eq!(with_failure(&mut || server.unwrap().map(|()| 0)), Ok(0));
                assert!(server.socket.close_notify_received());
                assert_eq!(with_failure(&mut || client.unwrap().map(|()| 0)), Ok(0));
                assert!(client.socket.close_notify_received());
                assert!(live().bytes <= level.bytes, "a connection does not grow");
                if came == 0 {
                    break;
                }
                assert!(n < 10);
            }
        }
    }
}

/// close_notify sends an interrupted write first. Without memory for itself it is not sent, and the write made
/// again goes out once all the same.
#[test]
fn a_write_that_a_goodbye_without_memory_has_sent() {
    for n in 0..4 {
        let _balance = Balance::start();
        let mut pair = Setup { client_mode: 0, ..Setup::default() }.open();
        pair.server.port.block();
        assert_eq!(pair.server.write(b"once"), Err(Error::WantWrite));
        pair.server.port.unblock();
        let (closed, _) = failing(n, true, || pair.server.close_notify());
        if closed.is_ok() {
            assert_eq!(n > 0, cfg!(feature = "record-buffers"));
            break;
        }
        assert_eq!(closed, Err(Error::NoMemory));
        assert_eq!(pair.server.write(b"other"), Err(Error::Errno(22)));
        assert_eq!(pair.server.write(b"once"), Ok(4));
        let mut buf = [0; 64];
        assert_eq!(pair.client.read(&mut buf), Ok(4));
        assert_eq!(pair.client.read(&mut buf), Err(Error::WantRead));
        pair.transfer(SERVER, b"more");
        pair.prove();
    }
}
