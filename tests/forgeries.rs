// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams that anybody can send, in great numbers: each field of a record and of a handshake's
//! message at its edges, and what a connection has sent, changed. An open connection is none the
//! worse for any of them, awake or asleep, also without memory; nor is a handshake, as far as they
//! can be told from the peer's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::{failing, live};
use common::datagrams::{VERIFY, client, contexts};
use common::{ALERTED, Balance, CLIENT, Dice, Duo, Fate, SERVER, Setup, clock};
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::Error;
use micropython_ssl::mbedtls::sys;
use micropython_ssl::socket::Socket;

const GCM: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";
const CBC: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256";
/// The lengths of both sides' Connection IDs.
type Cids = [Option<u8>; 2];
const NONE: Cids = [None; 2];
/// A client that has no need of one, and a server that finds its clients by them.
const USUAL: Cids = [Some(0), Some(8)];
/// Forgeries at each kind of connection.
const TRIES: usize = 10_000;
/// Lengths of records, messages and fragments, and of what is in them.
const LENGTHS: [usize; 16] = [0, 1, 2, 3, 11, 12, 13, 15, 16, 24, 25, 37, 60, 61, 1400, 0xffff];

fn setup(suites: &'static [&'static str]) -> Setup<'static> {
    Setup { client_mode: 0, suites, ..Setup::default() }
}

/// Both sides of a connection that is still to be made.
fn duo(setup: Setup<'_>, cids: Cids) -> Duo {
    let [client, server] = cids.map(|cid| Settings { cid, ..Settings::DEFAULT });
    Duo::new(&contexts(setup, client, server))
}

/// The server knows its client by a certificate.
fn known() -> Setup<'static> {
    Setup { client_mode: 0, suites: &[GCM], ..Setup::mutual() }
}

fn pick<T: Copy>(dice: &mut Dice, of: &[T]) -> T {
    of[dice.roll(of.len())]
}

/// A length: the right one, or one beside it, or any.
fn length(dice: &mut Dice, right: usize) -> usize {
    match dice.roll(6) {
        0..3 => right,
        3 => right + 1,
        4 => right.saturating_sub(1),
        _ => pick(dice, &LENGTHS),
    }
}

/// A message of a handshake, perhaps.
fn message(dice: &mut Dice, next: usize) -> Vec<u8> {
    let mut body = Vec::new();
    if dice.roll(2) == 0 {
        // A ClientHello's beginning: version, random number, session id, cookie.
        body.extend([0xfe, 0xfd]);
        body.extend(dice.bytes(32));
        for _ in 0..2 {
            let right = pick(dice, &[0, 1, 32, 255]);
            body.push(length(dice, right) as u8);
            body.extend(dice.bytes(right));
        }
    }
    let more = pick(dice, &LENGTHS[..15]);
    body.extend(dice.bytes(more));
    let uint24 = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
    let msg_type = pick(dice, &[0, 1, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 255]);
    let message_seq = pick(dice, &[0, 1, 2, 3, next.saturating_sub(1), next, next + 1, 0xffff]) as u16;
    let total = length(dice, body.len());
    let offset = pick(dice, &[0, 0, 0, 1, total, 0xff_ffff]);
    let fragment = length(dice, body.len());
    let mut message = vec![msg_type];
    message.extend(uint24(total));
    message.extend(message_seq.to_be_bytes());
    message.extend(uint24(offset));
    message.extend(uint24(fragment));
    message.extend(body);
    message
}

/// A record, perhaps; `cid`: the victim's.
fn record(dice: &mut Dice, cid: &[u8], next: usize) -> Vec<u8> {
    let content_type = pick(dice, &[0, 19, 20, 21, 22, 22, 22, 22, 23, 24, 25, 25, 26, 255]);
    let version: u16 = pick(dice, &[0xfefd, 0xfefd, 0xfefd, 0xfeff, 0xfefc, 0xfe00, 0x0303, 0, 0xffff]);
    let epoch: u16 = pick(dice, &[0, 0, 0, 1, 1, 2, 3, 0xfffe, 0xffff]);
    let number: u64 = pick(dice, &[0, 1, 2, 3, 64, 65, 1 << 32, (1 << 48) - 1]);
    let body = match dice.roll(5) {
        0 => vec![pick(dice, &[0, 1, 2, 255]), pick(dice, &[0, 10, 20, 40, 100, 255])],
        1 => vec![pick(dice, &[0, 1, 2])],
        2 => {
            let n = pick(dice, &LENGTHS[..15]);
            dice.bytes(n)
        }
        _ => message(dice, next),
    };
    let mut record = vec![content_type];
    record.extend(version.to_be_bytes());
    record.extend(epoch.to_be_bytes());
    record.extend(&number.to_be_bytes()[2..]);
    if content_type == 25 {
        match dice.roll(3) {
            0 => record.extend(dice.bytes(cid.len())),
            _ => record.extend(cid),
        }
    }
    record.extend((length(dice, body.len()) as u16).to_be_bytes());
    record.extend(body);
    record
}

/// A datagram that was sent, changed.
fn changed(dice: &mut Dice, sent: &[Vec<u8>]) -> Vec<u8> {
    let mut datagram = sent[dice.roll(sent.len())].clone();
    for _ in 0..1 + dice.roll(3) {
        // The headers most of all.
        let within = if dice.roll(2) == 0 { datagram.len() } else { datagram.len().min(64) };
        let at = dice.roll(within);
        match dice.roll(4) {
            0 => datagram[at] ^= 1 << dice.roll(8),
            1 => datagram[at] = pick(dice, &[0, 1, 2, 0x7f, 0x80, 0xfe, 0xff]),
            2 => datagram[at] = datagram[at].wrapping_add(1),
            _ => datagram[at] = dice.roll(256) as u8,
        }
    }
    match dice.roll(8) {
        0 => datagram.truncate(dice.roll(datagram.len())),
        1 => datagram.extend(dice.bytes(13)),
        2 => datagram.extend_from_slice(&sent[dice.roll(sent.len())]),
        _ => {}
    }
    datagram
}

fn forgery(dice: &mut Dice, sent: &[Vec<u8>], cid: &[u8]) -> Vec<u8> {
    match dice.roll(8) {
        0 => sent[dice.roll(sent.len())].clone(),
        1..4 => changed(dice, sent),
        _ => (0..1 + dice.roll(2)).flat_map(|_| record(dice, cid, 5)).collect(),
    }
}

/// Both ends of an open connection, and all they sent.
fn connected(suites: &'static [&'static str], cids: Cids) -> (Duo, [Vec<Vec<u8>>; 2]) {
    let mut duo = duo(setup(suites), cids);
    duo.open();
    for side in [CLIENT, SERVER] {
        duo.send(side, b"data");
    }
    let sent = [CLIENT, SERVER].map(|side| duo.link.wire(side).sent.clone());
    (duo, sent)
}

/// Forgeries at `side` of an open connection, which goes on.
fn attack(seed: u64, side: usize, suites: &'static [&'static str], cids: Cids, asleep: bool) {
    let _balance = Balance::start();
    let (mut duo, sent) = connected(suites, cids);
    // What it gets it does not move: what it has sent itself, it may get as well.
    let sent = [&sent[1 - side][..], &sent[side]].concat();
    let own_cid = duo.end(side).socket.own_cid().to_vec();
    let mut dice = Dice::new(seed);
    let sleep = |duo: &mut Duo| assert!(!asleep || duo.end(side).socket.hibernate() == Ok(true));
    sleep(&mut duo);
    let idle = live();
    for n in 0..TRIES {
        let forged = forgery(&mut dice, &sent, &own_cid);
        let show = || format!("seed {seed}, {n}: {forged:02x?}");
        duo.link.inject(1 - side, &forged);
        if n % 16 == 0 {
            // With little memory it may have to wait for its turn.
            let (result, _) = failing(dice.roll(4), dice.roll(2) == 0, || duo.end(side).poke());
            assert!(matches!(result, Err(Error::WantRead | Error::NoMemory)), "{result:?}, {}", show());
            assert_eq!(duo.end(side).poke(), Err(Error::WantRead), "{}", show());
            sleep(&mut duo);
        }
        assert_eq!(duo.end(side).poke(), Err(Error::WantRead), "{}", show());
        assert!(!duo.end(side).socket.is_handshaking(), "{}", show());
        assert_eq!(duo.end(side).socket.is_asleep(), asleep, "{}", show());
        assert_eq!(live(), idle, "{}", show());
        // Answers to hellos, of which the peer takes no notice.
        duo.link.wire(side).clear();
        duo.link.wire(side).sent.clear();
        if n % 100 == 0 {
            clock::advance(7);
            duo.send(side, b"one");
            duo.send(1 - side, b"two");
            duo.link.wire(1 - side).sent.clear();
            sleep(&mut duo);
        }
    }
    duo.prove();
}

#[test]
fn a_client_awake() {
    attack(1, CLIENT, &[GCM], NONE, false);
    attack(2, CLIENT, &[CBC], NONE, false);
    attack(3, CLIENT, &[GCM], [Some(4); 2], false);
    attack(12, CLIENT, &[GCM], USUAL, false);
}

#[test]
fn a_server_awake() {
    attack(4, SERVER, &[GCM], NONE, false);
    attack(5, SERVER, &[CBC], NONE, false);
    attack(6, SERVER, &[GCM], [Some(4); 2], false);
    attack(7, SERVER, &[GCM], [Some(0); 2], false);
    attack(13, SERVER, &[GCM], USUAL, false);
}

#[cfg(hibernation)]
#[test]
fn a_client_asleep() {
    attack(8, CLIENT, &[GCM], NONE, true);
    attack(9, CLIENT, &[GCM], [Some(8); 2], true);
    attack(14, CLIENT, &[GCM], USUAL, true);
}

#[cfg(hibernation)]
#[test]
fn a_server_asleep() {
    attack(10, SERVER, &[GCM], NONE, true);
    attack(11, SERVER, &[GCM], [Some(8); 2], true);
    attack(15, SERVER, &[GCM], USUAL, true);
}

/// Who saw the hello that made a connection, and its cookie, makes no other of it.
#[test]
fn a_good_cookie_is_good_once() {
    let _balance = Balance::start();
    let mut duo = Duo::of(known());
    duo.open();
    let hello = duo.link.wire(CLIENT).sent[1].clone();
    for round in 0..3 {
        for byte in 13 + 12..13 + 12 + 34 {
            let mut forged = hello.clone();
            forged[byte] ^= 1;
            duo.link.inject(CLIENT, &forged);
            assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
            assert!(!duo.server.socket.is_handshaking(), "byte {byte}");
        }
        duo.link.inject(CLIENT, &hello);
        assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
        assert!(!duo.server.socket.is_handshaking(), "once more");
        duo.send(CLIENT, b"data");
        // Nor when the client has begun anew since.
        duo.begin_anew(client(&duo.contexts[CLIENT]));
        assert!(duo.server.socket.is_handshaking(), "round {round}");
        duo.open();
    }
    duo.prove();
}

/// Without memory for the new connection the old one goes on, and the client comes again.
#[test]
fn a_client_begins_anew_without_memory() {
    for on in [false, true] {
        for n in 0.. {
            let _balance = Balance::start();
            let mut duo = Duo::of(known());
            duo.open();
            duo.send(CLIENT, b"data");
            let mut new = client(&duo.contexts[CLIENT]);
            // The first hello is answered, or is lost.
            let (mut failures, mut too_late) = (0, false);
            for _ in 0..2 {
                assert_eq!(new.handshake(&mut duo.client.port), Err(Error::WantRead));
                let (result, failed) = failing(n, on, || duo.server.poke());
                failures += usize::from(failed);
                // It has begun anew, and its handshake runs out of memory, also for its cookie.
                too_late |= failed && [Err(Error::Errno(12)), Err(VERIFY)].contains(&result);
                assert!(too_late || matches!(result, Err(Error::WantRead | Error::NoMemory)), "{result:?}");
                // Or will fail for it.
                too_late |= failed && duo.server.socket.is_handshaking();
                if failed && !too_late {
                    // Where it has waited, there is memory for it now.
                    assert_eq!(duo.server.poke(), Err(Error::WantRead));
                }
                if !too_late && !duo.server.socket.is_handshaking() {
                    let mut old = std::mem::replace(&mut duo.client.socket, new);
                    assert_eq!(old.write(&mut duo.client.port, b"more"), Ok(4));
                    assert_eq!(duo.receive(SERVER), Ok(b"more".to_vec()), "allocation {n}");
                    new = std::mem::replace(&mut duo.client.socket, old);
                }
            }
            if !too_late {
                duo.client.socket = new;
                match duo.handshake() {
                    (Ok(()), Ok(())) => duo.prove(),
                    // The new handshake failed after a refusal of memory.
                    (_, Err(Error::Errno(12))) if failures > 0 => {}
                    results => panic!("{results:?}"),
                }
            }
            if failures == 0 {
                assert!(n > 3);
                break;
            }
        }
    }
}

/// A fragment of a message in the clear, in a record of its own.
fn fragment(number: u64, kind: u8, message_seq: u8, len: usize, offset: usize, part: &[u8]) -> Vec<u8> {
    let uint = |n: usize, bytes: usize| (n as u32).to_be_bytes()[4 - bytes..].to_vec();
    let body = [&[kind][..], &uint(len, 3), &[0, message_seq], &uint(offset, 3), &uint(part.len(), 3), part];
    let body = body.concat();
    [&[22, 0xfe, 0xfd, 0, 0][..], &number.to_be_bytes()[2..], &uint(body.len(), 2), &body].concat()
}

/// The client's hello comes in fragments, each with one that anybody may have sent behind it: no other
/// hello begins with that, whose cookie nobody has seen.
#[test]
fn a_hello_in_fragments_is_not_replaced() {
    let _balance = Balance::start();
    let settings = Settings { mtu: 256, ..Settings::DEFAULT };
    let contexts = contexts(setup(&[]), settings, settings);
    let mut duo = Duo::new(&contexts);
    let hostname = common::pki::with_nul(vec![b'a'; 250]);
    let options = common::options(Some(&hostname), None);
    duo.client.socket = Socket::new(&mut contexts[CLIENT].borrow_mut(), options).unwrap();
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    assert_eq!(duo.serve(), Err(Error::WantRead));
    duo.server.socket.set_accepted();
    duo.link.wire(CLIENT).fault = Some(Box::new(|_, bytes| {
        for number in [77, 78] {
            bytes.extend(fragment(number, 1, 9, 16_000, usize::from(number == 77), b""));
        }
        Fate::Arrives
    }));
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    let before = live();
    let link = std::rc::Rc::clone(&duo.link);
    for n in 0..3 {
        link.inject(
            CLIENT,
            &[fragment(90 + n, 1, 9, 16_000, 1, b"x"), fragment(95 + n, 1, 9, 16_000, 0, b"")].concat(),
        );
    }
    assert_eq!(duo.serve(), Err(Error::WantRead));
    assert!(live().bytes < before.bytes + 16_000);
    assert!(duo.link.wire(SERVER).sent.iter().any(|datagram| datagram[13] == 2), "no ServerHello");
    duo.clear_up();
    assert_eq!(duo.handshake(), (Ok(()), Ok(())));
    duo.prove();
}

/// What has a flight sent again is short, and anybody can send it: once for each delay it may, and the
/// time is no longer than twice what it is.
#[test]
fn a_flight_is_sent_again_once_until_it_is_time() {
    for (side, kind, message_seq) in [(SERVER, 16, 1), (SERVER, 1, 1), (CLIENT, 14, 4), (CLIENT, 11, 4)] {
        let _balance = Balance::start();
        let mut duo = Duo::of(known());
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        assert_eq!(duo.serve(), Err(Error::WantRead));
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        assert_eq!(duo.serve(), Err(Error::WantRead));
        if side == CLIENT {
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        }
        let flight: usize = duo.link.wire(side).sent.iter().map(Vec::len).sum();
        duo.link.wire(side).sent.clear();
        let start = clock::now();
        let mut numbers = 1000..;
        let result = loop {
            for _ in 0..3 {
                let many = numbers.by_ref().take(20).map(|n| fragment(n, kind, message_seq, 0, 0, b""));
                duo.link.inject(1 - side, &many.collect::<Vec<_>>().concat());
            }
            duo.link.wire(1 - side).fault = Some(Box::new(|_, _| Fate::Lost));
            match duo.end(side).handshake() {
                Err(Error::WantRead) => clock::advance(500),
                result => break result,
            }
            assert!(clock::since(start) < 2 * 124_000, "message {kind} keeps it waiting");
        };
        assert_eq!(result, Err(Error::Errno(110)), "message {kind}");
        // Its own retransmissions, and at most one more for each of them.
        let again: usize = duo.link.wire(side).sent.iter().map(Vec::len).sum();
        assert!(again <= 14 * flight, "{again} bytes, a flight has {flight}");
    }
}

/// A part of a message that is not the peer's: the message itself never fits, until it is forgotten.
#[test]
fn parts_of_what_never_comes_end_no_handshake() {
    let settings = Settings { mtu: 400, ..Settings::DEFAULT };
    for side in [CLIENT, SERVER] {
        // The message that comes next, one in several parts, and many long ones.
        let next = if side == CLIENT { (2, 1) } else { (11, 2) };
        for forged in [
            vec![fragment(9, next.0, next.1, 200, 0, b"x")],
            vec![fragment(9, 11, 2, 200, 0, b"x")],
            (1..9).map(|seq| fragment(seq.into(), 11, seq, 15_000, 0, b"x")).collect(),
        ] {
            let _balance = Balance::start();
            let mut duo = Duo::new(&contexts(known(), settings, settings));
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            assert_eq!(duo.serve(), Err(Error::WantRead));
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            if side == SERVER {
                assert_eq!(duo.serve(), Err(Error::WantRead));
            }
            for datagram in &forged {
                duo.link.inject(1 - side, datagram);
            }
            let start = clock::now();
            assert_eq!(duo.handshake(), (Ok(()), Ok(())), "{forged:02x?}");
            assert!(clock::since(start) < 20_000, "{}", clock::since(start));
            duo.prove();
        }
    }
}

/// The handshake, with these datagrams at `side` before each of its turns.
fn pestered(side: usize, cids: Cids, mut forge: impl FnMut(&Duo) -> Vec<Vec<u8>>) {
    let _balance = Balance::start();
    let mut duo = duo(setup(&[GCM]), cids);
    for _ in 0..20 {
        for datagram in forge(&duo) {
            duo.link.inject(1 - side, &datagram);
        }
        let results = [duo.client.handshake(), duo.serve()];
        if results == [Ok(()), Ok(())] {
            duo.prove();
            return;
        }
        assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(Error::WantRead))), "{results:?}");
    }
    panic!("no handshake");
}

/// What can be told from a peer's records in a handshake: its form is wrong, it does not
/// authenticate, it is an alert in the clear while the handshake goes on.
#[test]
fn handshakes_go_on() {
    for side in [CLIENT, SERVER] {
        for cids in [NONE, [Some(4); 2], USUAL, [Some(8), Some(0)]] {
            for seed in 0..40 {
                let mut dice = Dice::new(seed);
                pestered(side, cids, |duo| {
                    let own_cid = [&duo.client, &duo.server][side].socket.own_cid().to_vec();
                    (0..20)
                        .map(|_| {
                            loop {
                                let forged = record(&mut dice, &own_cid, 3);
                                // Sound messages in the clear are anybody's.
                                let clear = forged[0] == 22 && forged[3..5] == [0, 0];
                                let cut = forged.len() > 13 && forged.len() < 13 + 12;
                                if !clear || cut {
                                    break forged;
                                }
                            }
                        })
                        .collect()
                });
            }
        }
    }
}

#[test]
fn malformed_messages_end_no_handshake() {
    let header =
        |len: usize| [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99][..], &(len as u16).to_be_bytes()].concat();
    let bodies: [&[u8]; 7] = [
        &[1],
        &[16, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0],
        // More than there is; a fragment that begins, or ends, behind the end.
        &[16, 0, 0, 9, 0, 3, 0, 0, 0, 0, 0, 9],
        &[16, 0, 0, 1, 0, 3, 0, 0, 2, 0, 0, 0],
        &[16, 0, 0, 1, 0, 3, 0, 0, 1, 0, 0, 1, 0],
        &[16, 0, 0, 1, 0, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
        // A second one behind a good one.
        &[0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 20],
    ];
    for side in [CLIENT, SERVER] {
        pestered(side, NONE, |_| {
            bodies.iter().map(|body| [&header(body.len())[..], body].concat()).collect()
        });
    }
}

/// One number in the clear is as good as another: none that is forged makes the peer's old.
#[test]
fn a_high_number_in_the_clear_ends_no_handshake() {
    for side in [CLIENT, SERVER] {
        for number in [1, 63, 64, 1 << 16, (1 << 48) - 1_u64] {
            let number = &number.to_be_bytes()[2..];
            let record = |of: &[u8], body: &[u8]| [of, number, &[0, body.len() as u8], body].concat();
            pestered(side, NONE, |_| {
                // A ChangeCipherSpec that is kept, and a message that came long ago.
                let change = record(&[20, 0xfe, 0xfd, 0, 0], &[1]);
                let old = record(&[22, 0xfe, 0xfd, 0, 0], &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                if side == SERVER { vec![change, old] } else { vec![change] }
            });
        }
    }
}

/// A Finished in the clear, before the ChangeCipherSpec or in its place (RFC 5246 7.4.9).
#[test]
fn a_finished_in_the_clear_is_none() {
    for side in [CLIENT, SERVER] {
        pestered(side, NONE, |_| {
            (0..8)
                .map(|message_seq: u8| {
                    fragment(200 + u64::from(message_seq), 20, message_seq, 12, 0, &[7; 12])
                })
                .collect()
        });
    }
}

/// A ChangeCipherSpec in the clear, and what does not authenticate in the Finished's place, before each of
/// a handshake's turns: no alert says so to the peer, which could not tell it from one that is meant.
#[test]
fn what_comes_in_a_finisheds_place_is_answered_by_no_alert() {
    let record = |kind: u8, epoch: u8, cid: &[u8], body: &[u8]| {
        let number = [0, 0, 0, 0, 0, 50];
        let len = (body.len() as u16).to_be_bytes();
        [&[kind, 0xfe, 0xfd, 0, epoch][..], &number, cid, &len, body].concat()
    };
    for cids in [NONE, [Some(0); 2], USUAL, [Some(8), Some(0)], [Some(8); 2]] {
        for (side, turn) in [CLIENT, SERVER].into_iter().flat_map(|side| (0..4).map(move |turn| (side, turn)))
        {
            let _balance = Balance::start();
            let mut duo = duo(setup(&[GCM]), cids);
            for n in 0.. {
                if n == turn {
                    let cid = duo.end(side).socket.own_cid().to_vec();
                    let kind = if cid.is_empty() { 22 } else { 25 };
                    let forged = [record(20, 0, &[], &[1]), record(kind, 1, &cid, &[7; 40])].concat();
                    duo.link.inject(1 - side, &forged);
                }
                let results = [duo.client.handshake(), duo.serve()];
                if n > turn && results == [Ok(()), Ok(())] {
                    break;
                }
                assert!(
                    results.iter().all(|result| matches!(result, Ok(()) | Err(Error::WantRead))),
                    "{cids:?}, {side}, {turn}: {results:?}"
                );
                assert!(n < 20, "no handshake");
            }
            duo.prove();
        }
    }
}

/// Any other message in the clear that has the Finished's number, or a later one, and came before the
/// ChangeCipherSpec: it is not kept for the time behind that. Each record comes in a datagram of its own:
/// Mbed TLS looks at what it keeps when a datagram has nothing more.
#[test]
fn a_message_in_the_clear_takes_no_finisheds_place() {
    // Behind a ClientHello and its ClientKeyExchange; behind HelloVerifyRequest to ServerHelloDone.
    for (side, finished) in [(SERVER, 3), (CLIENT, 5)] {
        for kind in [4, 15, 22, 99] {
            let _balance = Balance::start();
            let mut duo = Duo::of(setup(&[GCM]));
            let sent = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            let seen = std::rc::Rc::clone(&sent);
            duo.link.wire(1 - side).fault = Some(Box::new(move |_, bytes| {
                let mut rest = &bytes[..];
                while let [_, _, _, _, _, _, _, _, _, _, _, high, low, ..] = rest {
                    let (record, behind) = rest.split_at(13 + usize::from(u16::from_be_bytes([*high, *low])));
                    seen.borrow_mut().push(record.to_vec());
                    rest = behind;
                }
                Fate::Lost
            }));
            let mut results = [Err(Error::WantRead); 2];
            for _ in 0..20 {
                for message_seq in finished..finished + 3 {
                    let number = 200 + u64::from(message_seq);
                    duo.link.inject(1 - side, &fragment(number, kind, message_seq, 12, 0, &[7; 12]));
                }
                for record in sent.borrow_mut().drain(..) {
                    duo.link.inject(1 - side, &record);
                }
                results = [duo.client.handshake(), duo.serve()];
            }
            assert_eq!(results, [Ok(()), Ok(())], "message {kind}");
            duo.clear_up();
            duo.prove();
        }
    }
}

/// The peer has given up, and says so in the clear: that is reported when the timer runs out.
#[test]
fn an_alert_in_the_clear_is_believed_when_nothing_else_comes() {
    let _balance = Balance::start();
    let mut duo = Duo::of(Setup { suites: &["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"], ..setup(&[]) });
    let start = clock::now();
    let (at_client, at_server) = duo.handshake();
    assert_eq!(at_client, Err(ALERTED));
    assert_eq!(at_server, Err(Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE)));
    assert!(clock::since(start) <= 1000, "{}", clock::since(start));
}

/// A bad record in the place of the Finished, and the right one after it.
#[test]
fn a_bad_finished_and_then_a_good_one() {
    for side in [CLIENT, SERVER] {
        let _balance = Balance::start();
        let mut duo = Duo::of(setup(&[GCM]));
        let link = std::rc::Rc::clone(&duo.link);
        duo.link.wire(side).fault = Some(Box::new(move |_, bytes| {
            let _ = &link;
            // Whatever ends with a record of epoch 1 comes behind a forged one.
            let mut at = 0;
            while at + 13 <= bytes.len() {
                let len = 13 + usize::from(u16::from_be_bytes([bytes[at + 11], bytes[at + 12]]));
                if bytes[at + 4] == 1 {
                    let mut forged = bytes[at..at + len].to_vec();
                    *forged.last_mut().unwrap() ^= 1;
                    let rest = bytes.split_off(at);
                    bytes.extend(forged);
                    bytes.extend(rest);
                    break;
                }
                at += len;
            }
            Fate::Arrives
        }));
        assert_eq!(duo.open(), 0);
        assert_eq!(duo.end(1 - side).socket.bad_records(), 1);
        duo.prove();
    }
}
