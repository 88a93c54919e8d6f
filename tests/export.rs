// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections that outlive a reset: exported and restored at every quiet point, of every suite that can; what
//! is refused; states that anybody may have written; no nonce twice.
#![cfg(hibernation)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::{failing, holding, live, watch};
use common::{Balance, CLIENT, Contexts, Dice, Duo, End, SERVER, Setup, clock, datagrams, pattern, with_sum};
use micropython_ssl::context::Context;
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::export::{Export, export, restore};
use micropython_ssl::mem::Box;
use micropython_ssl::socket::Socket;

const KEY: &[u8] = &[7; 32];
const BUSY: Error = Error::Errno(16);
const NOT_CONNECTED: Error = Error::Errno(107);
const STATE: Error = Error::Value(Invalid::State);
const SETTINGS: Error = Error::Value(Invalid::StateSettings);
const COUNTER: Error = Error::Value(Invalid::StateCounter);
const WRONG_KEY: Error = Error::Value(Invalid::StateKey);

const SUITES: [&str; 4] = [
    "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8",
    "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
];
const SUITES_1_3: [&str; 3] =
    ["TLS1-3-AES-128-GCM-SHA256", "TLS1-3-AES-256-GCM-SHA384", "TLS1-3-CHACHA20-POLY1305-SHA256"];

fn suites() -> impl Iterator<Item = &'static str> {
    SUITES.into_iter().chain(SUITES_1_3.into_iter().filter(|_| cfg!(all(tls13, not(exported_keys)))))
}

fn contexts(suite: &&str) -> Contexts {
    Contexts::new(&Setup {
        suites: std::slice::from_ref(suite),
        tls13: suite.starts_with("TLS1-3-"),
        ..Setup::mutual()
    })
}

fn how(key: Option<&[u8]>, n: Option<u32>) -> Export<'_> {
    Export { key, n, hostname: None, address: None, at_home: false, callbacks: 0 }
}

/// A socket's state; it is ended when the state is used.
fn state_of(context: &mut Context, socket: &mut Socket, how: &Export<'_>) -> Result<Vec<u8>> {
    let len = export(context, socket, how, &mut [])?;
    let mut state = vec![0; len + 3];
    assert_eq!(export(context, socket, how, &mut state), Ok(len));
    assert!(state.ends_with(&[0; 3]));
    state.truncate(len);
    Ok(state)
}

fn restored(context: &mut Context, state: &[u8], key: Option<&[u8]>, counts: bool) -> Result<Box<Socket>> {
    restore(context, state, key, counts, 0).map(|of| of.socket)
}

/// Takes an end through a reset.
fn reset(context: &mut Context, end: &mut End, key: Option<&[u8]>, n: Option<u32>) -> usize {
    let before = properties(end);
    let state = state_of(context, &mut end.socket, &how(key, n)).unwrap();
    let of = restore(context, &state, key, n.is_some(), 0).unwrap();
    assert_eq!((of.n, of.hostname, of.address), (n, None, None));
    end.socket = of.socket;
    assert!(end.socket.is_asleep());
    assert_eq!(properties(end), before);
    state.len()
}

/// What Python can ask of a connection.
fn properties(end: &End) -> impl PartialEq + std::fmt::Debug + use<> {
    let socket = &end.socket;
    let mut cid = [0; micropython_ssl::mbedtls::CID_MAX];
    let peer_cid = socket.peer_cid(&mut cid);
    (
        (socket.cipher(), socket.version(), socket.peer_cert().map(<[u8]>::to_vec), socket.peer_verified()),
        (socket.own_cid().to_vec(), peer_cid, cid, socket.bad_records()),
        (socket.pending(), socket.close_notify_received(), socket.would_send(), socket.is_handshaking()),
        (socket.is_datagram(), socket.session_reused(), socket.poll(5, end.port.link.now())),
    )
}

#[test]
fn a_stream_goes_on_from_every_quiet_point() {
    for suite in suites() {
        let _balance = Balance::start();
        let mut contexts = contexts(&suite);
        let mut pair = contexts.pair().open();
        // TLS 1.3's tickets, if any, are read.
        pair.transfer(SERVER, b"x");
        let mut n = 0;
        for len in [1, 2, 100, 20_000] {
            for from in [CLIENT, SERVER, SERVER, CLIENT] {
                for key in [Some(KEY), None] {
                    n += 1;
                    reset(&mut contexts.client, &mut pair.client, key, Some(n));
                    reset(&mut contexts.server, &mut pair.server, key, Some(n));
                    pair.transfer(from, &pattern(len));
                }
            }
        }
        pair.prove();
    }
}

/// Has a server of TLS 1.3 owe its client a KeyUpdate (RFC 8446 4.6.3).
#[cfg(all(tls13, not(exported_keys)))]
fn owe_key_update(context: &mut Context, end: &mut End) {
    let mut state = state_of(context, &mut end.socket, &how(None, Some(1))).unwrap();
    // The last byte in front of the checksum.
    let owes = state.len() - 5;
    assert_eq!(std::mem::replace(&mut state[owes], 1), 0);
    end.socket = restored(context, &with_sum(state), None, true).unwrap();
}

/// Keys are renewed also where the handshake's end was refused the memory that their secrets are kept in.
#[cfg(all(tls13, not(exported_keys)))]
#[test]
fn a_key_update_after_a_handshake_without_memory() {
    let _balance = Balance::start();
    let mut contexts = Contexts::new(&Setup { tls13: true, ..Setup::default() });
    let mut went_on = 0;
    for n in 0.. {
        let mut pair = contexts.pair();
        let (results, failed) = failing(n, false, || pair.handshake());
        if pair.resume(results) == (Ok(()), Ok(())) {
            went_on += 1;
            owe_key_update(&mut contexts.server, &mut pair.server);
            for side in [SERVER, CLIENT, SERVER] {
                pair.transfer(side, &pattern(50));
            }
        }
        if !failed {
            break;
        }
    }
    assert!(went_on > 2, "{went_on}");
}

/// A server that owes a KeyUpdate sends it before its next data. Where memory is refused to whichever end, that
/// end's call can be made again, also after it has slept or gone through a reset.
#[cfg(all(tls13, not(exported_keys)))]
#[test]
fn a_key_update_without_memory() {
    for (suite, on) in SUITES_1_3.iter().flat_map(|suite| [(suite, false), (suite, true)]) {
        let _balance = Balance::start();
        let mut contexts =
            Contexts::new(&Setup { suites: std::slice::from_ref(suite), tls13: true, ..Setup::default() });
        let (mut refusals, mut slept) = ([0; 2], 0);
        for n in 0.. {
            let mut pair = contexts.pair().open();
            pair.transfer(SERVER, b"tickets are read");
            owe_key_update(&mut contexts.server, &mut pair.server);
            pair.link.wire(SERVER).sent.clear();
            let mut came = false;
            for side in [SERVER, CLIENT] {
                let end = pair.end(side);
                let mut buf = [0; 20];
                let mut go_on = |end: &mut End| match side {
                    SERVER => end.write(b"with new keys"),
                    _ => end.read(&mut buf),
                };
                let (mut result, failed) = failing(n, on, || go_on(end));
                came |= failed;
                if result == Err(Error::NoMemory) {
                    refusals[side] += 1;
                    // Where it is quiet: where it has not begun, and where what is left to do is not the peer's.
                    let context = if side == SERVER { &mut contexts.server } else { &mut contexts.client };
                    if n % 3 == 0 {
                        slept += usize::from(end.socket.hibernate().unwrap());
                    } else if n % 3 == 1
                        && let Ok(state) = state_of(context, &mut end.socket, &how(None, Some(2)))
                    {
                        end.socket = restored(context, &state, None, true).unwrap();
                        slept += 1;
                    }
                    result = go_on(end);
                }
                assert_eq!(result, Ok(13), "{suite}: allocation {n} of side {side}");
                assert!(side == SERVER || buf.starts_with(b"with new keys"));
            }
            assert_eq!(pair.link.wire(SERVER).sent.len(), 2, "{suite}: a KeyUpdate, and data");
            for side in [SERVER, CLIENT, SERVER] {
                pair.transfer(side, &pattern(50));
            }
            if !came {
                break;
            }
        }
        assert!(slept > 2 && refusals.iter().all(|refused| *refused > 2), "{suite}: {refusals:?}, {slept}");
    }
}

#[test]
fn how_long_a_state_is() {
    let certificate = |end: &End| end.socket.peer_cert().map_or(0, <[u8]>::len);
    for suite in suites() {
        let mut contexts = contexts(&suite);
        let mut pair = contexts.pair().open();
        pair.transfer(SERVER, b"x");
        let cert = certificate(&pair.client);
        let len = reset(&mut contexts.client, &mut pair.client, Some(KEY), Some(1)) - cert;
        assert!(len <= if suite.starts_with("TLS1-3-") { 300 } else { 200 }, "{suite}: {len}");
    }
}

#[test]
fn datagrams_go_on_with_a_leap_or_without() {
    for cid in [None, Some(0), Some(8)] {
        let _balance = Balance::start();
        let mut duo = Duo::with(Setup::mutual(), Settings { cid, ..Settings::DEFAULT });
        duo.open();
        let contexts = duo.contexts.clone();
        for side in [CLIENT, SERVER, CLIENT, SERVER] {
            duo.send(side, b"quiet");
        }
        for n in 1..20 {
            for side in [CLIENT, SERVER] {
                let counted = Some(n).filter(|n| n % 2 == 0);
                let key = Some(KEY).filter(|_| n % 3 != 0);
                let before = number(&duo.last_sent(side));
                let len = reset(&mut contexts[side].borrow_mut(), duo.end(side), key, counted);
                let cert = duo.end(side).socket.peer_cert().map_or(0, <[u8]>::len);
                assert!(len - cert <= 250, "{len}, {cert} of a certificate");
                duo.send(side, &pattern(n as usize));
                let ahead = number(&duo.last_sent(side)) - before;

                assert!(if counted.is_some() { ahead == 1 } else { (1..=1 << 40).contains(&ahead) });
            }
        }
        duo.prove();
    }
}

/// That of a datagram's record.
fn number(datagram: &[u8]) -> u64 {
    datagram[5..11].iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

#[test]
fn no_number_comes_twice_and_they_end() {
    let mut duo = Duo::of(Setup::default());
    duo.open();
    let contexts = duo.contexts.clone();
    duo.send(CLIENT, b"quiet");
    let mut state =
        state_of(&mut contexts[CLIENT].borrow_mut(), &mut duo.client.socket, &how(None, None)).unwrap();
    let mut seen = std::collections::HashSet::new();
    let mut restorings = 0;
    let spent = loop {
        // Each state three times, as by mistake.
        let mut made = Ok(());
        for _ in 0..3 {
            match restored(&mut contexts[CLIENT].borrow_mut(), &state, None, false) {
                Ok(socket) => duo.client.socket = socket,
                Err(error) => made = Err(error),
            }
            if made.is_ok() {
                for _ in 0..5 {
                    assert_eq!(duo.client.write(b"x"), Ok(1));
                    assert!(seen.insert(number(&duo.last_sent(CLIENT))));
                }
            }
        }
        if let Err(error) = made {
            break error;
        }
        restorings += 1;
        state =
            state_of(&mut contexts[CLIENT].borrow_mut(), &mut duo.client.socket, &how(None, None)).unwrap();
    };
    assert_eq!(spent, Error::Value(Invalid::StateSpent));
    assert!((400..650).contains(&restorings), "{restorings}");
}

/// No state is exported that has come so far, but one may be made: the record behind the last number ends the
/// connection, and nothing says so under the first number, which a Finished had.
#[test]
fn behind_the_last_number_nothing_is_sent() {
    let mut contexts =
        Contexts::new(&Setup { suites: &["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"], ..Setup::default() });
    let mut pair = contexts.pair().open();
    let mut state = state_of(&mut contexts.client, &mut pair.client.socket, &how(None, Some(1))).unwrap();
    // Its own numbers, and the peer's, before the checksum.
    let at = state.len() - 4 - 16;
    assert_eq!(state[at..at + 16], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    state[at..at + 8].copy_from_slice(&(u64::MAX - 2).to_be_bytes());
    pair.client.socket = restored(&mut contexts.client, &with_sum(state), None, true).unwrap();
    pair.link.wire(CLIENT).sent.clear();
    let mut written = 0;
    while pair.client.write(b"x").is_ok() {
        written += 1;
        assert!(written < 5);
    }
    assert_eq!(pair.client.write(b"x"), Err(Error::Errno(9)));
    assert_eq!(pair.client.close_notify(), Ok(()));
    for record in &pair.link.wire(CLIENT).sent {
        assert_eq!(record[5..12], [0xff; 7], "{record:02x?}");
    }
}

#[test]
fn what_is_not_quiet_is_not_exported_and_goes_on() {
    let mut contexts = contexts(&SUITES[0]);
    let mut pair = contexts.pair();
    let (client, n) = (&mut contexts.client, how(None, Some(1)));
    assert_eq!(state_of(client, &mut pair.client.socket, &n), Err(NOT_CONNECTED));
    let mut pair = pair.open();
    for (how, error) in [
        (how(None, None), COUNTER),
        (how(Some(&[0; 15]), Some(1)), WRONG_KEY),
        (how(Some(&[0; 65]), Some(1)), WRONG_KEY),
        (how(Some(&[]), Some(1)), WRONG_KEY),
    ] {
        assert_eq!(state_of(client, &mut pair.client.socket, &how), Err(error));
    }
    assert_eq!(state_of(&mut contexts.server, &mut pair.client.socket, &n), Err(SETTINGS));
    // A record half read, half sent.
    assert_eq!(pair.server.write(&pattern(10)), Ok(10));
    let mut buf = [0; 4];
    assert_eq!(pair.client.read(&mut buf), Ok(4));
    assert_eq!(state_of(client, &mut pair.client.socket, &n), Err(BUSY));
    assert_eq!(pair.client.read(&mut [0; 20]), Ok(6));
    pair.client.port.block();
    assert_eq!(pair.client.write(&pattern(9)), Err(Error::WantWrite));
    assert_eq!(state_of(client, &mut pair.client.socket, &n), Err(BUSY));
    pair.client.port.unblock();
    assert_eq!(pair.client.write(&pattern(9)), Ok(9));
    assert_eq!(pair.server.read(&mut [0; 20]), Ok(9));
    // The settings were changed since, if only back and forth.
    client.set_verify_mode(0).unwrap();
    client.set_verify_mode(2).unwrap();
    assert_eq!(state_of(client, &mut pair.client.socket, &n), Err(SETTINGS));
    pair.prove();
}

/// What changes of a context, and must not for a state of the other.
#[test]
fn a_state_belongs_to_its_settings() {
    let setup = Setup { tls13: cfg!(not(exported_keys)), ..Setup::mutual() };
    let mut contexts = Contexts::new(&setup);
    let mut pair = contexts.pair().open();
    pair.transfer(SERVER, b"x");
    let state = state_of(&mut contexts.client, &mut pair.client.socket, &how(None, Some(1))).unwrap();
    type Change<'a> = &'a dyn Fn(&mut Context) -> Result<()>;
    let changes: [Change<'_>; 8] = [
        &|context| context.set_verify_mode(0),
        &|context| context.set_verify_mode(1),
        &|context| context.set_check_hostname(false),
        &|context| context.load_verify_locations(&common::pki::cert("other_ca")),
        &|context| context.set_version(true, 0x303),
        &|context| context.set_protocols(1, [&b"h2"[..]].into_iter()),
        &|context| context.set_ciphers(1, [SUITES[0].as_bytes()].into_iter()),
        &|context| context.set_psk(Some((b"who", b"0123456789abcdef"))),
    ];
    for (i, change) in changes.iter().enumerate() {
        if i == 4 && !cfg!(all(tls13, not(exported_keys))) {
            continue;
        }
        let mut other = setup.client().unwrap();
        change(&mut other).unwrap();
        assert_eq!(restored(&mut other, &state, None, true).err(), Some(SETTINGS), "change {i}");
    }
    assert_eq!(restore(&mut contexts.client, &state, None, true, 1).err(), Some(SETTINGS));
    assert_eq!(restored(&mut contexts.server, &state, None, true).err(), Some(SETTINGS));
    for (setup, error) in
        [(Setup { datagram: true, ..setup }, SETTINGS), (Setup { client_cert: None, ..setup }, SETTINGS)]
    {
        assert_eq!(restored(&mut setup.client().unwrap(), &state, None, true).err(), Some(error));
    }
    // A context of another life is as good; what says nothing of a connection may differ.
    let mut other = setup.client().unwrap();
    other.set_hibernate_after(Some(1000));
    pair.client.socket = restored(&mut other, &state, None, true).unwrap();
    pair.prove();
}

#[test]
fn a_counter_and_a_key_are_asked_for() {
    let mut contexts = contexts(&SUITES[0]);
    let mut pair = contexts.pair().open();
    let client = &mut contexts.client;
    let clear = state_of(client, &mut pair.client.socket, &how(None, Some(9))).unwrap();
    let sealed = state_of(client, &mut pair.client.socket, &how(Some(KEY), Some(9))).unwrap();
    let again = state_of(client, &mut pair.client.socket, &how(Some(KEY), Some(9))).unwrap();
    assert_ne!(sealed, again); // another salt, and so another key
    assert!(
        !sealed
            .windows(4)
            .any(|window| clear[60..].windows(4).any(|other| other == window && *other != [0; 4]))
    );
    for (state, key, counts, error) in [
        (&clear, None, false, COUNTER),
        (&clear, Some(KEY), true, WRONG_KEY),
        (&sealed, None, true, WRONG_KEY),
        (&sealed, Some(KEY), false, COUNTER),
        (&sealed, Some(&[8; 32][..]), true, STATE),
        (&sealed, Some(&KEY[..31]), true, STATE),
        (&sealed, Some(&KEY[..15]), true, WRONG_KEY),
    ] {
        assert_eq!(restored(client, state, key, counts).err(), Some(error));
    }
    // What is in the clear is vouched for as well.
    for (state, key) in [(&clear, None), (&sealed, Some(KEY))] {
        for i in 0..state.len() {
            let mut changed = state.clone();
            changed[i] ^= 1 << (i % 8);
            assert!(restored(client, &changed, key, true).is_err(), "byte {i}");
            assert!(restored(client, &state[..i], key, true).is_err(), "{i} bytes");
        }
        assert!(restored(client, &[&state[..], b"x"].concat(), key, true).is_err());
    }
    // The name and the address go with it.
    let named = Export { hostname: Some(b"localhost"), address: Some(&[3; 128]), ..how(Some(KEY), Some(7)) };
    let state = state_of(client, &mut pair.client.socket, &named).unwrap();
    let of = restore(client, &state, Some(KEY), true, 0).unwrap();
    assert_eq!((of.n, of.hostname, of.address), (Some(7), Some(&b"localhost"[..]), Some(&[3; 128][..])));
    assert!(!of.at_home);
    pair.client.socket = of.socket;
    let home = Export { at_home: true, ..named };
    let state = state_of(client, &mut pair.client.socket, &home).unwrap();
    let of = restore(client, &state, Some(KEY), true, 0).unwrap();
    assert!(of.at_home);
    let long = Export { hostname: Some(&[b'a'; 256]), ..named };
    assert!(state_of(client, &mut pair.client.socket, &long).is_err());
    pair.client.socket = of.socket;
    pair.prove();
}

/// Bytes that pass for a state, whatever they are, come to nothing, or to a connection that works.
#[test]
fn anybodys_bytes() {
    let _balance = Balance::start();
    let mut dice = Dice::new(1);
    let mut duo = Duo::with(Setup::default(), Settings { cid: Some(4), ..Settings::DEFAULT });
    duo.open();
    let sources = duo.contexts.clone();
    duo.send(CLIENT, b"quiet");
    let mut tls = contexts(&suites().last().unwrap());
    let mut pair = tls.pair().open();
    pair.transfer(SERVER, b"x");
    let mut all: Vec<(Box<Context>, Vec<u8>, &mut End)> = Vec::new();
    let datagram = Setup { datagram: true, ..Setup::default() };
    for (side, end) in [(CLIENT, &mut duo.client), (SERVER, &mut duo.server)] {
        let state = state_of(&mut sources[side].borrow_mut(), &mut end.socket, &how(None, Some(1))).unwrap();
        let mut context = if side == CLIENT { datagram.client() } else { datagram.server() }.unwrap();
        context.set_dtls(Settings { cid: Some(4), ..Settings::DEFAULT }).unwrap();
        all.push((context, state, end));
    }
    let state = state_of(&mut tls.client, &mut pair.client.socket, &how(None, Some(1))).unwrap();
    all.push((tls.client, state, &mut pair.client));
    let mut restorings = 0;
    for (context, state, end) in &mut all {
        // What the first would leave with the context.
        assert!(restored(context, state, None, true).is_ok());
        let body = state.len() - 4;
        for round in 0..4000 {
            let mut changed = state.clone();
            // Each byte in turn, and more of them at random.
            let (at, value) = (round % body, (round / body) as u8);
            changed[at] =
                [0, 1, 0xff, changed[at] ^ 0x80, changed[at].wrapping_add(1), value][round / body % 6];
            for _ in 0..dice.roll(3) {
                changed[26 + dice.roll(body - 26)] = dice.roll(256) as u8;
            }
            if dice.roll(8) == 0 {
                changed.truncate(dice.roll(changed.len()));
            }
            let before = live().bytes;
            let Ok(socket) = restored(context, &with_sum(changed), None, true) else {
                assert_eq!(live().bytes, before);
                continue;
            };
            restorings += 1;
            end.socket = socket;
            end.port.link.wire(CLIENT).clear();
            end.port.link.wire(SERVER).clear();
            let _ = (properties(end), end.socket.shared_cipher(0), end.socket.psk_identity().is_some());
            let _ = (end.socket.psk_identity_hint().is_some(), end.socket.newest_record());
            let _ = end.write(&pattern(30));
            let garbage = dice.bytes(40);
            end.port.link.inject(1 - end.port.side, &garbage);
            let _ = end.read(&mut [0; 50]);
            let _ = end.socket.hibernate();
            let _ = end.close_notify();
        }
    }
    assert!(restorings > 1000, "{restorings}");
    drop(all);
    drop((duo, sources, pair, tls.server));
}

#[test]
fn without_memory_nothing_is_lost() {
    for key in [None, Some(KEY)] {
        let balance = Balance::start();
        let mut contexts = contexts(&SUITES[1]);
        let mut pair = contexts.pair().open();
        let mut n = 0;
        loop {
            let mut state = vec![0; 2000];
            let client = &mut contexts.client;
            let (len, failed) =
                failing(n, true, || export(client, &mut pair.client.socket, &how(key, Some(1)), &mut state));
            if let Err(error) = len {
                assert!(failed);
                assert_eq!(error, Error::NoMemory, "{n}");
                assert!(state.iter().all(|byte| *byte == 0), "{n}");
                pair.transfer(CLIENT, b"still here");
                n += 1;
                continue;
            }
            let mut again = 0;
            let state = &state[..len.unwrap()];
            let socket = loop {
                let (made, failed) = failing(again, true, || restored(client, state, key, true));
                match made {
                    Ok(socket) if !failed => break socket,
                    // An allocation that is done without.
                    Ok(_) => {}
                    Err(error) => assert_eq!(error, Error::NoMemory, "{again}"),
                }
                again += 1;
            };
            pair.client.socket = socket;
            assert!(again > 2);
            break;
        }
        assert!(n >= 1 || key.is_none(), "{n}");
        pair.prove();
        drop((contexts, balance));
    }
}

/// The hello with which the client made its connection.
fn hello(duo: &Duo) -> Vec<u8> {
    let is_hello = |sent: &&Vec<u8>| sent[0] == 22 && sent[3..5] == [0, 0] && sent[13] == 1;
    duo.link.wire(CLIENT).sent.iter().rev().find(is_hello).unwrap().clone()
}

/// Takes the server through a reset, in whose next life `context` is its own.
fn next_life(duo: &mut Duo, context: &datagrams::Source) {
    let before = duo.contexts[SERVER].clone();
    let state = state_of(&mut before.borrow_mut(), &mut duo.server.socket, &how(None, None)).unwrap();
    duo.server.socket = restored(&mut context.borrow_mut(), &state, None, false).unwrap();
    duo.contexts[SERVER] = context.clone();
}

/// The time of its hello was another life's, whose cookies are good no more.
#[test]
fn a_client_begins_anew_at_a_server_in_its_next_life() {
    let times = [(50_000, 10_000), (50_000, 45_000), (50_000, 50_000), (50_000, 120_000), (500_000, 10_000)];
    for (made_at, later) in times {
        let _balance = Balance::start();
        clock::set(made_at);
        let mut duo = Duo::of(Setup::mutual());
        duo.open();
        duo.send(CLIENT, b"quiet");
        let old = hello(&duo);
        let [_, next] = datagrams::contexts(Setup::mutual(), Settings::DEFAULT, Settings::DEFAULT);
        clock::set(later - 1000);
        next_life(&mut duo, &next);
        duo.send(CLIENT, b"awake again");
        clock::set(later);
        duo.replay(&old);
        duo.link.wire(SERVER).clear(); // its answer, a cookie
        duo.begin_anew(datagrams::client(&duo.contexts[CLIENT]));
        assert!(duo.server.socket.is_handshaking(), "made at {made_at}, again at {later}");
        duo.open();
        duo.send(CLIENT, b"quiet");
        // From then on there is a hello that is known.
        let (old, sent) = (hello(&duo), duo.link.wire(SERVER).sent.len());
        duo.replay(&old);
        next_life(&mut duo, &next);
        duo.replay(&old);
        assert_eq!(duo.link.wire(SERVER).sent.len(), sent);
        duo.prove();
    }
}

/// Its cookie is good for a minute, also where the secrets have changed meanwhile.
#[test]
fn a_hello_that_comes_again_begins_nothing_in_the_same_life() {
    for wait in [0, 599_000, 1_199_500] {
        let _balance = Balance::start();
        let mut duo = Duo::of(Setup::mutual());
        let server = duo.contexts[SERVER].clone();
        clock::advance(wait);
        duo.open();
        duo.send(CLIENT, b"quiet");
        let old = hello(&duo);
        let sent = duo.link.wire(SERVER).sent.len();
        for _ in 0..3 {
            next_life(&mut duo, &server);
            clock::advance(1000);
            duo.replay(&old);
            assert_eq!(duo.link.wire(SERVER).sent.len(), sent, "it has a good cookie");
        }
        duo.begin_anew(datagrams::client(&duo.contexts[CLIENT]));
        assert!(duo.server.socket.is_handshaking());
        duo.open();
        duo.prove();
    }
}

#[test]
fn no_key_stays_where_it_was() {
    let mut contexts = contexts(&SUITES[0]);
    let mut pair = contexts.pair().open();
    let state = state_of(&mut contexts.client, &mut pair.client.socket, &how(None, Some(1))).unwrap();
    let sealed = state_of(&mut contexts.client, &mut pair.client.socket, &how(Some(KEY), Some(1))).unwrap();
    // The state's own part begins behind the certificate, with the first direction's key.
    let cert = pair.client.socket.peer_cert().unwrap().to_vec();
    let at = state.windows(cert.len()).position(|window| window == cert).unwrap() + cert.len();
    let secret = state[at..at + 16].to_vec();
    drop(pair);
    watch(&secret);
    assert_eq!(holding(), 0);
    for (state, key) in [(&state, None), (&sealed, Some(KEY))] {
        for again in 0..20 {
            let (made, _) = failing(again, true, || restored(&mut contexts.client, state, key, true));
            assert_eq!(holding(), usize::from(made.is_ok()));
            drop(made);
            assert_eq!((holding(), common::alloc::spilled()), (0, 0));
        }
    }
    let _ = datagrams::timer;
}
