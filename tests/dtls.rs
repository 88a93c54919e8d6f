// SPDX-License-Identifier: MIT OR Apache-2.0
//! DTLS over a path that does what real ones do, on a clock that only tests move: real Mbed TLS
//! on both sides. With MPSSL_LONG=1 in the environment the random handshakes are 10,000.
//!
//! Figures: `cargo test --test dtls -- --ignored --nocapture figures`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::datagrams::{ID, Source, VERIFY, client, contexts, server, timer};
use common::raw::Raw;
use common::{
    ALERTED, Balance, CLIENT, Dice, Duo, EBADF, End, Fate, Link, SERVER, Setup, TAKES_HELLO_FRAGMENTS,
    Weather, alloc, clock, options, pattern, pki, run, tls12,
};
use micropython_ssl::context::Context;
use micropython_ssl::dtls::{Settings, Stranger, stranger};
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::{CID_MAX, Cookies, sys};
use micropython_ssl::socket::Socket;
use micropython_ssl::wire::{COOKIE_LEN, HELLO_VERIFY_LEN, connection_id};

const EMSGSIZE: Error = Error::Errno(90);
const ETIMEDOUT: Error = Error::Errno(110);
const DONE: (Result<()>, Result<()>) = (Ok(()), Ok(()));
const REFUSED: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE);
/// `POLLIN`, `POLLOUT` as MicroPython has them.
const RD: u32 = 1;
const WR: u32 = 4;

/// Content types of records.
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const WITH_CID: u8 = 25;
/// A record's header, and a handshake message's behind it.
const HEADER: usize = 13;

fn long() -> bool {
    std::env::var_os("MPSSL_LONG").is_some_and(|value| value == "1")
}

/// The cheapest handshake that has all flights: nobody verifies certificates.
fn quick() -> Setup<'static> {
    Setup { client_mode: 0, ..Setup::default() }
}

/// The cheapest one in which a server gets to know its client.
fn known() -> Setup<'static> {
    Setup { client_mode: 0, ..Setup::mutual() }
}

/// The one with most datagrams: chains and certificates both ways.
fn mutual_chain() -> Setup<'static> {
    Setup { server_cert: Some("chain"), ..Setup::mutual() }
}

fn with_mtu(mtu: u16) -> Settings {
    Settings { mtu, ..Settings::DEFAULT }
}

fn with_cid(cid: Option<u8>) -> Settings {
    Settings { cid, ..Settings::DEFAULT }
}

fn uint(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |n, &byte| (n << 8) | usize::from(byte))
}

/// The records in a datagram.
fn records(mut datagram: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while !datagram.is_empty() {
        let (record, rest) = datagram.split_at(HEADER + uint(&datagram[11..13]));
        records.push(record);
        datagram = rest;
    }
    records
}

/// Notes down when each datagram of `side` is sent, and loses all of them.
fn swallow(link: &Link, side: usize) -> Rc<RefCell<Vec<u32>>> {
    let times = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&times);
    link.wire(side).fault = Some(Box::new(move |_, _| {
        noted.borrow_mut().push(clock::now());
        Fate::Lost
    }));
    times
}

// ---- Handshakes -------------------------------------------------------------

#[test]
fn each_kind_of_certificate() {
    for server_cert in ["ec", "ec384", "rsa", "chain"] {
        for setup in [Setup::default(), Setup::mutual()] {
            let _balance = Balance::start();
            let mut duo = Duo::of(Setup { server_cert: Some(server_cert), ..setup });
            assert_eq!(duo.open(), 0, "nothing is lost, so nothing waits");
            assert_eq!(duo.refused, 1);
            for side in [CLIENT, SERVER] {
                let socket = &duo.end(side).socket;
                assert_eq!(socket.version(), Some(c"DTLSv1.2"));
                assert!(socket.is_datagram());
                assert_eq!((socket.bad_records(), socket.own_cid()), (0, [].as_slice()));
                assert_eq!(socket.peer_cid(&mut [0; CID_MAX]), None);
            }
            assert_eq!(duo.server.socket.peer_cert().is_some(), setup.client_cert.is_some());
            duo.prove();
        }
    }
}

#[test]
fn a_first_contact_is_told_to_come_again() {
    let _balance = Balance::start();
    let contexts = contexts(Setup::default(), Settings::DEFAULT, Settings::DEFAULT);
    let mut duo = Duo::new(&contexts);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    assert_eq!(duo.server.handshake(), Err(Error::Tls(-0x6a80)));
    assert_eq!(duo.server.handshake(), Err(EBADF));
    assert_eq!(duo.last_sent(SERVER).len(), HELLO_VERIFY_LEN, "the same as a stateless answer");
    // A new connection of the same context takes the second.
    duo.server.socket = server(&contexts[SERVER], ID);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    assert_eq!(duo.server.handshake(), Err(Error::WantRead));
    assert_eq!(duo.handshake(), DONE);
    assert_eq!(duo.refused, 0);
    duo.prove();
}

#[test]
fn a_second_contact_from_elsewhere_is_told_to_come_again() {
    let _balance = Balance::start();
    let contexts = contexts(Setup::default(), Settings::DEFAULT, Settings::DEFAULT);
    let mut duo = Duo::new(&contexts);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    assert_eq!(duo.server.handshake(), Err(VERIFY));
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    duo.server.socket = server(&contexts[SERVER], b"192.0.2.2:4433");
    assert_eq!(duo.server.handshake(), Err(VERIFY));
    // Nor does another context's cookie count.
    let other = common::datagrams::contexts(Setup::default(), Settings::DEFAULT, Settings::DEFAULT);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    duo.server.socket = server(&other[SERVER], ID);
    assert_eq!(duo.server.handshake(), Err(VERIFY));
}

/// Each datagram of each flight in turn, lost, doubled or late: by numbers, until there are no more.
fn one_by_one(setup: Setup<'_>, settings: Settings, fate: Fate) -> usize {
    let contexts = contexts(setup, settings, settings);
    let mut flights = 0;
    for side in [CLIENT, SERVER] {
        for number in 0.. {
            let _balance = Balance::start();
            let mut duo = Duo::new(&contexts);
            duo.link.wire(side).fault =
                Some(Box::new(move |n, _| if n == number { fate } else { Fate::Arrives }));
            let elapsed = duo.open();
            let reached = duo.link.wire(side).sent.len() > number;
            match fate {
                // The timer of whoever misses something first, and not a second time.
                Fate::Lost if reached => assert_eq!(elapsed, 1000, "side {side}, number {number}"),
                // Mbed TLS does not keep everything that comes before its time.
                Fate::Late(delay) if reached => {
                    assert!(elapsed <= 1000 + delay, "side {side}, number {number}: {elapsed}");
                }
                _ => assert_eq!(elapsed, 0, "side {side}, number {number}"),
            }
            duo.prove();
            if !reached {
                break;
            }
            flights += 1;
        }
    }
    flights
}

#[test]
fn each_datagram_lost_in_turn() {
    let whole = one_by_one(mutual_chain(), Settings::DEFAULT, Fate::Lost);
    assert!(whole >= 6, "two hellos, their answers, and the last two flights: {whole}");
    let cut = one_by_one(mutual_chain(), with_mtu(400), Fate::Lost);
    assert!(cut >= whole + 4, "{cut} datagrams");
}

#[test]
fn each_datagram_twice_in_turn() {
    one_by_one(mutual_chain(), with_mtu(400), Fate::Twice);
}

#[test]
fn each_datagram_late_in_turn() {
    one_by_one(mutual_chain(), with_mtu(400), Fate::Late(200));
}

/// Datagrams of a flight in the opposite order: each later than the one behind it.
#[test]
fn every_flight_backwards() {
    for mtu in [0, 300, 600] {
        let _balance = Balance::start();
        let mut duo = Duo::with(mutual_chain(), with_mtu(mtu));
        for side in [CLIENT, SERVER] {
            duo.link.wire(side).fault = Some(Box::new(|n, _| Fate::Late(900 - (n as u32 * 10) % 900)));
        }
        duo.open();
        duo.prove();
    }
}

#[test]
fn every_datagram_twice() {
    let _balance = Balance::start();
    let mut duo = Duo::with(mutual_chain(), with_mtu(512));
    for side in [CLIENT, SERVER] {
        duo.link.wire(side).fault = Some(Box::new(|_, _| Fate::Again(7)));
    }
    assert!(duo.open() < 1000, "nothing is missing");
    duo.prove();
}

/// Handshakes with seeds up to `n`, spread over two threads. A client whose handshake times out
/// tries again with a new connection, as clients do. How long each took on the clock until it was
/// through, and how many tries failed.
fn handshakes(setup: Setup<'static>, weather: Weather, settings: Settings, n: u64) -> (Vec<u32>, usize) {
    let run = move |seeds: std::ops::Range<u64>| {
        let contexts = contexts(setup, settings, settings);
        let (mut times, mut failed) = (Vec::new(), 0);
        for seed in seeds {
            let _balance = Balance::start();
            let start = clock::now();
            for attempt in 0.. {
                let mut duo = Duo::new(&contexts).under(weather, seed + attempt * 1_000_000);
                for side in [CLIENT, SERVER] {
                    duo.link.wire(side).latency = 20;
                }
                let results = duo.handshake();
                if results == DONE {
                    times.push(clock::since(start));
                    duo.clear_up();
                    // What is under way arrives.
                    clock::advance(1000);
                    assert_eq!(duo.receive(SERVER), Err(Error::WantRead), "seed {seed}");
                    assert_eq!(duo.client.write(b"through"), Ok(7));
                    clock::advance(20);
                    assert_eq!(duo.receive(SERVER), Ok(b"through".to_vec()), "seed {seed}");
                    break;
                }
                // Nothing but having given up is an excuse.
                assert!([results.0, results.1].contains(&Err(ETIMEDOUT)), "seed {seed}: {results:?}");
                failed += 1;
                assert!(attempt < 20, "seed {seed}");
            }
        }
        (times, failed)
    };
    let other = std::thread::spawn(move || run(0..n / 2));
    let (mut times, mut failed) = run(n / 2..n);
    let (more, failed_more) = other.join().unwrap();
    times.extend(more);
    times.sort_unstable();
    failed += failed_more;
    (times, failed)
}

fn report(what: &str, times: &[u32], failed: usize) {
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!(
        "{what}: {} complete, {failed} tries timed out; median {} ms, 90 % {} ms, 99 % {} ms, longest {} ms",
        times.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    );
}

#[test]
fn random_handshakes_where_three_of_ten_datagrams_are_lost() {
    let n = if long() { 10_000 } else { 1000 };
    let (times, failed) = handshakes(quick(), Weather::loss(30), Settings::DEFAULT, n);
    report("30 % lost", &times, failed);
    assert_eq!(times.len() as u64, n);
    // Seven times in a row either a hello or its answer gets lost (0.51^7), or the server's last flight.
    assert!(failed * 100 < 3 * times.len(), "{failed} time out");
}

#[test]
fn random_handshakes_in_all_sorts_of_weather() {
    let weather = Weather { lost: 15, twice: 15, late: 25, short: 10, bent: 0 };
    let n = if long() { 10_000 } else { 300 };
    let (times, failed) = handshakes(mutual_chain(), weather, with_mtu(500), n);
    report("all sorts of weather", &times, failed);
    assert_eq!(times.len() as u64, n);
    assert!(failed * 100 < 3 * times.len(), "{failed} time out");
}

/// Before there are keys a bent bit may make anybody give up, but nothing worse.
#[test]
fn bent_bits_break_handshakes_cleanly() {
    let weather = Weather { bent: 10, twice: 10, ..Weather::default() };
    let contexts = contexts(mutual_chain(), with_mtu(700), with_mtu(700));
    let mut through = 0;
    for seed in 0..if long() { 5000 } else { 150 } {
        let _balance = Balance::start();
        let mut duo = Duo::new(&contexts).under(weather, seed);
        let results = duo.handshake();
        if results == DONE {
            through += 1;
            duo.prove();
        }
        for result in [results.0, results.1] {
            assert_ne!(result, Err(Error::NoMemory), "seed {seed}");
            assert_ne!(result, Err(Error::Raised), "seed {seed}");
            assert_ne!(result, Err(Error::WantWrite), "seed {seed}");
        }
    }
    assert!(through > 10, "{through} get through");
}

// ---- Size of datagrams --------------------------------------------------------

#[test]
fn no_datagram_is_larger_than_the_mtu() {
    let suites = ["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"];
    for mtu in [256, 300, 400, 512, 576, 1000, 1280, 1500] {
        for lost in [0, 20] {
            let _balance = Balance::start();
            let setup = Setup { suites: &suites, ..mutual_chain() };
            let mut duo = Duo::with(setup, with_mtu(mtu)).under(Weather::loss(lost), u64::from(mtu));
            duo.open();
            let (mut longest, mut fragments) = (0, 0);
            for side in [CLIENT, SERVER] {
                for datagram in &duo.link.wire(side).sent {
                    longest = longest.max(datagram.len());
                    assert!(datagram.len() <= usize::from(mtu), "{} > {mtu}", datagram.len());
                    for record in records(datagram) {
                        // Epoch 0, a handshake message, not its beginning.
                        let clear = record[0] == HANDSHAKE && uint(&record[3..5]) == 0;
                        fragments += usize::from(clear && uint(&record[HEADER + 6..HEADER + 9]) != 0);
                    }
                }
            }
            assert!(longest + 150 > usize::from(mtu).min(1000), "{mtu} is not made use of: {longest}");
            if mtu < 1000 {
                assert!(fragments > 0, "the chain does not fit into {mtu}");
            }
            // Data keep to it as well.
            duo.clear_up();
            let most = (1..2000).take_while(|&n| duo.client.write(&vec![0; n]) == Ok(n)).last().unwrap();
            assert_eq!(duo.client.write(&vec![0; most + 1]), Err(EMSGSIZE));
            let room = usize::from(mtu) - duo.last_sent(CLIENT).len();
            assert!(room < 16, "{mtu}: {most} bytes leave {room} unused");
            duo.link.wire(CLIENT).clear();
            duo.prove();
        }
    }
}

/// A ClientHello too long for a datagram, of a client that names a host of `name_len` bytes.
fn long_hello(mtu: u16, name_len: usize) -> Duo {
    let mut duo = Duo::with(Setup { client_mode: 0, ..quick() }, with_mtu(mtu));
    let hostname = pki::with_nul(vec![b'a'; name_len]);
    let options = options(Some(&hostname), None);
    duo.client.socket = Socket::new(&mut duo.contexts[CLIENT].borrow_mut(), options).unwrap();
    duo
}

/// RFC 6347 4.2.3, also of the first message: it is put together, whatever happens to its parts,
/// and forged ones among them do no harm.
#[test]
fn a_hello_in_several_datagrams() {
    if !TAKES_HELLO_FRAGMENTS {
        return;
    }
    for mtu in [256, 257, 300] {
        for (seed, weather) in [
            Weather::default(),
            Weather { twice: 100, ..Weather::default() },
            Weather { late: 50, twice: 20, ..Weather::default() },
            Weather { lost: 20, late: 20, twice: 20, ..Weather::default() },
        ]
        .into_iter()
        .enumerate()
        {
            let _balance = Balance::start();
            let mut duo = long_hello(mtu, 250).under(weather, u64::from(mtu) + seed as u64);
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            let sent = duo.link.wire(CLIENT).sent.clone();
            assert!(sent.len() > 1 && sent.iter().all(|datagram| datagram.len() <= mtu.into()));
            assert_ne!(uint(&sent[1][HEADER + 6..HEADER + 9]), 0, "not its beginning");
            for at in 0..HEADER + 12 {
                // Of another message, behind its end, of another length, or no fragment at all.
                let mut forged = sent[1].clone();
                forged[at] ^= 0x11;
                duo.link.inject(CLIENT, &forged);
            }
            let took = duo.open();
            assert!(seed > 0 || took == 0, "{took} ms in good weather");
            duo.prove();
        }
    }
}

/// Half a hello is given back with the connection; one that cannot fit is never begun.
#[test]
fn a_hello_of_which_half_comes() {
    if !TAKES_HELLO_FRAGMENTS {
        return;
    }
    let _balance = Balance::start();
    let mut duo = long_hello(256, 250);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    let first = duo.link.wire(CLIENT).sent[0].clone();
    duo.link.wire(CLIENT).clear();
    let mut huge = first.clone();
    huge[HEADER + 1..HEADER + 4].fill(0xff);
    let taken = [&huge, &huge, &first, &first, &huge].map(|datagram| {
        duo.link.inject(CLIENT, datagram);
        assert_eq!(duo.serve(), Err(Error::WantRead));
        alloc::live().bytes
    });
    assert_eq!(taken[1], taken[0]);
    assert!((250..1000).contains(&(taken[2] - taken[1])), "{taken:?}");
    assert_eq!(taken[4], taken[2]);
    assert_eq!(duo.refused, 0);
    drop(duo.server);
}

/// Where the path takes less than the context says, the second try is smaller (RFC 6347 4.1.1.1).
#[test]
fn a_path_narrower_than_the_mtu() {
    let _balance = Balance::start();
    let mut duo = Duo::of(mutual_chain());
    for side in [CLIENT, SERVER] {
        duo.link.wire(side).fault =
            Some(Box::new(|_, bytes| if bytes.len() > 600 { Fate::Lost } else { Fate::Arrives }));
    }
    assert!(duo.open() < 5000);
    duo.prove();
}

#[test]
fn settings_that_cannot_be() {
    let _balance = Balance::start();
    for protocol in [2, 3] {
        let mut context = tls12(Context::new(protocol, 0));
        assert_eq!(context.dtls(), Settings::DEFAULT);
        assert_eq!(context.dtls().timeout, (1000, 60_000));
        for (settings, invalid) in [
            (Settings { timeout: (0, 1), ..Settings::DEFAULT }, Invalid::Timeout),
            (Settings { timeout: (2, 1), ..Settings::DEFAULT }, Invalid::Timeout),
            (with_mtu(1), Invalid::Mtu),
            (with_mtu(255), Invalid::Mtu),
            (with_cid(Some(CID_MAX as u8 + 1)), Invalid::ConnectionId),
            (with_cid(Some(255)), Invalid::ConnectionId),
        ] {
            assert_eq!(context.set_dtls(settings), Err(Error::Value(invalid)));
            assert_eq!(context.dtls(), Settings::DEFAULT, "as it was");
        }
        let settings = Settings { timeout: (1, 1), mtu: 256, cid: Some(CID_MAX as u8), cid_required: true };
        assert_eq!(context.set_dtls(settings), Ok(()));
        assert_eq!(context.dtls(), settings);
    }
}

// ---- Timers -------------------------------------------------------------------

const SCHEDULES: [((u32, u32), &[u32]); 5] = [
    ((1000, 60_000), &[1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]),
    ((9000, 60_000), &[9000, 18_000, 36_000, 60_000]),
    ((250, 1000), &[250, 500, 1000]),
    ((100, 60_000), &[100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000]),
    ((5000, 5000), &[5000]),
];

fn delays(start: u32, times: &[u32]) -> Vec<u32> {
    times.iter().scan(start, |last, &time| Some(time.wrapping_sub(std::mem::replace(last, time)))).collect()
}

#[test]
fn a_client_that_nobody_answers_tries_again_and_then_gives_up() {
    for (timeout, schedule) in SCHEDULES {
        let _balance = Balance::start();
        let mut duo = Duo::with(quick(), Settings { timeout, ..Settings::DEFAULT });
        let sent = swallow(&duo.link, CLIENT);
        let start = clock::now();
        assert_eq!(duo.handshake(), (Err(ETIMEDOUT), Err(Error::WantRead)));
        let end = clock::now();
        let mut expected = vec![0];
        expected.extend_from_slice(schedule);
        let mut times = sent.borrow().clone();
        // An alert may say goodbye.
        times.truncate(schedule.len());
        times.push(end);
        assert_eq!(delays(start, &times), expected, "{timeout:?}");
        assert_eq!(duo.client.handshake(), Err(EBADF));
        assert_eq!(duo.client.poke(), Err(EBADF));
    }
}

#[test]
fn a_server_that_nobody_answers_tries_again_and_then_gives_up() {
    for (timeout, schedule) in SCHEDULES {
        let _balance = Balance::start();
        let settings = Settings { timeout, ..Settings::DEFAULT };
        let mut duo = Duo::with(quick(), settings);
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        assert_eq!(duo.serve(), Err(Error::WantRead));
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        let sent = swallow(&duo.link, SERVER);
        let start = clock::now();
        let result = loop {
            match duo.serve() {
                Err(Error::WantRead) => clock::advance(timer(&duo.server).expect("a timer runs")),
                other => break other,
            }
        };
        assert_eq!(result, Err(ETIMEDOUT));
        let mut times = sent.borrow().clone();
        times.dedup();
        times.truncate(schedule.len());
        times.push(clock::now());
        let mut expected = vec![0];
        expected.extend_from_slice(schedule);
        assert_eq!(delays(start, &times), expected, "{timeout:?}");
        assert_eq!(duo.server.handshake(), Err(EBADF));
    }
}

#[test]
fn poll_says_when_to_call_again() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    let poll = |end: &End, flags| end.socket.poll(flags, clock::now());
    assert_eq!(poll(&duo.client, RD | WR), (0, RD | WR), "no timer runs yet");
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    assert_eq!(timer(&duo.client), Some(1000));
    clock::advance(999);
    assert_eq!(poll(&duo.client, RD), (0, RD));
    // Nothing is sent before its time, however often a caller looks.
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    assert_eq!(duo.link.wire(CLIENT).sent.len(), 1);
    clock::advance(1);
    for flags in [RD, WR, RD | WR] {
        assert_eq!(poll(&duo.client, flags), (flags, 0));
    }
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    assert_eq!(duo.link.wire(CLIENT).sent.len(), 2);
    assert_eq!(timer(&duo.client), Some(2000));
    assert_eq!(poll(&duo.client, RD), (0, RD));
    assert_eq!(duo.handshake(), DONE);
    // No timer any more.
    clock::advance(1_000_000);
    for side in [CLIENT, SERVER] {
        assert_eq!(poll(duo.end(side), RD | WR), (0, RD | WR));
    }
    duo.prove();
}

#[test]
fn the_clock_wraps_around_in_the_middle() {
    let elapsed = |start: u32, seed| {
        let _balance = Balance::start();
        clock::set(start);
        let settings = Settings { timeout: (100, 60_000), mtu: 300, ..Settings::DEFAULT };
        let mut duo = Duo::with(quick(), settings).under(Weather::loss(30), seed);
        let elapsed = duo.open();
        duo.prove();
        elapsed
    };
    let mut delayed = 0;
    for seed in 0..16 {
        let straight = elapsed(1000, seed);
        delayed += usize::from(straight >= 300);
        for before in [1, 50, 99, 100, 101, straight / 2, straight, straight + 1] {
            assert_eq!(elapsed(0u32.wrapping_sub(before), seed), straight, "{before} ms before, seed {seed}");
        }
        assert_eq!(elapsed(0x8000_0000 - straight / 2, seed), straight);
    }
    assert!(delayed >= 4, "a timer runs in {delayed}");
}

// ---- Records ------------------------------------------------------------------

#[test]
fn one_write_is_one_datagram_is_one_read() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    duo.open();
    let sizes = [1, 2, 15, 16, 17, 255, 256, 1000, 1400, 4000];
    for side in [CLIENT, SERVER] {
        let before = duo.link.wire(side).sent.len();
        for &n in &sizes {
            assert_eq!(duo.end(side).write(&pattern(n)), Ok(n));
        }
        assert_eq!(duo.link.wire(side).sent.len(), before + sizes.len());
        for datagram in &duo.link.wire(side).sent[before..] {
            assert_eq!(records(datagram).len(), 1);
            assert_eq!(datagram[0], DATA);
        }
        for &n in &sizes {
            assert_eq!(duo.receive(1 - side), Ok(pattern(n)));
        }
        assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
        // Nothing is not worth a datagram.
        assert_eq!(duo.end(side).write(&[]), Ok(0));
        assert_eq!(duo.link.wire(side).sent.len(), before + sizes.len());
    }
    duo.prove();
}

#[test]
fn a_short_read_leaves_the_rest_of_the_datagram() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    duo.open();
    for n in [100, 7] {
        assert_eq!(duo.client.write(&pattern(n)), Ok(n));
    }
    let (mut got, mut buf) = (Vec::new(), [0; 30]);
    for (expected, left) in [(30, 70), (30, 40), (30, 10), (10, 0), (7, 0)] {
        assert_eq!(duo.server.read(&mut buf), Ok(expected), "never past a datagram's end");
        assert_eq!(duo.server.socket.pending(), left);
        let ready = duo.server.socket.poll(RD, clock::now());
        assert_eq!(ready, if left > 0 { (RD, 0) } else { (0, RD) });
        got.extend_from_slice(&buf[..expected]);
    }
    assert_eq!(got, [pattern(100), pattern(7)].concat());
    assert_eq!(duo.server.read(&mut buf), Err(Error::WantRead));
    duo.prove();
}

/// Where flights get lost, the handshake tries shorter datagrams. What a program writes is not
/// the handshake's.
#[test]
fn the_guess_of_a_handshake_is_no_limit_for_data() {
    let _balance = Balance::start();
    for lost_ms in [0, 500, 2000, 5000, 10_000] {
        let mut duo = Duo::of(quick());
        let start = clock::now();
        while duo.serve() != Ok(()) {
            assert!(clock::since(start) < 60_000);
            if duo.link.wire(SERVER).sent.len() > 1 && clock::since(start) < lost_ms {
                duo.link.wire(SERVER).clear();
            }
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            clock::advance(250);
        }
        duo.link.wire(SERVER).clear();
        assert_eq!(duo.server.write(&pattern(2000)), Ok(2000));
        duo.link.wire(SERVER).clear();
        duo.open();
        for side in [SERVER, CLIENT] {
            duo.send(side, &pattern(2000));
        }
    }
}

#[test]
fn a_write_that_no_record_can_hold() {
    for side in [CLIENT, SERVER] {
        let _balance = Balance::start();
        let mut duo = Duo::of(quick());
        duo.open();
        let before = duo.link.wire(side).sent.len();
        for n in [4097, 5000, 16_384, 70_000] {
            assert_eq!(duo.end(side).write(&vec![0; n]), Err(EMSGSIZE));
        }
        assert_eq!(duo.link.wire(side).sent.len(), before, "nothing is sent of it");
        duo.send(side, &pattern(4096));
        duo.prove();
    }
}

/// What the transport does not take of datagrams is lost; nothing else has to wait for it.
#[test]
fn a_datagram_that_the_transport_refuses_holds_up_nothing() {
    for why in [Interruption::Errno(90), Interruption::Errno(113), Interruption::Raised] {
        let _balance = Balance::start();
        let error = match why {
            Interruption::Errno(errno) => Error::Errno(errno),
            _ => Error::Raised,
        };
        let mut duo = Duo::of(quick());
        duo.open();
        for side in [CLIENT, SERVER] {
            duo.send(1 - side, b"before");
            for blocked_before in [false, true] {
                if blocked_before {
                    // It would have to be the same again; then it is refused.
                    duo.end(side).port.block();
                    assert_eq!(duo.end(side).write(&common::pattern(1000)), Err(Error::WantWrite));
                    assert_eq!(duo.end(side).write(b"other"), Err(common::EINVAL));
                    duo.end(side).port.unblock();
                }
                for _ in 0..3 {
                    duo.end(side).port.interrupt_at(0, why);
                    assert_eq!(duo.end(side).write(&common::pattern(1000)), Err(error));
                }
                // Neither what comes, nor what is smaller, nor the same where it is taken, nor sleep.
                assert_eq!(duo.end(1 - side).write(b"comes"), Ok(5));
                assert_eq!(duo.receive(side), Ok(b"comes".to_vec()));
                duo.send(side, b"smaller");
                duo.send(side, &common::pattern(1000));
                duo.end(side).port.interrupt_at(0, why);
                assert_eq!(duo.end(side).write(b"once more"), Err(error));
                assert_eq!(duo.end(side).socket.hibernate(), Ok(true));
                assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
                assert_eq!(duo.receive(side), Err(Error::WantRead));
            }
        }
        duo.prove();
    }
}

/// Likewise for reads, where a write was interrupted that nobody makes again: one hears of it.
#[test]
fn a_read_hears_once_that_an_interrupted_write_is_refused() {
    for why in [Interruption::Errno(90), Interruption::Errno(113), Interruption::Raised] {
        let _balance = Balance::start();
        let error = match why {
            Interruption::Errno(errno) => Error::Errno(errno),
            _ => Error::Raised,
        };
        let mut duo = Duo::of(quick());
        duo.open();
        for side in [CLIENT, SERVER] {
            duo.end(side).port.block();
            assert_eq!(duo.end(side).write(b"given up"), Err(Error::WantWrite));
            assert_eq!(duo.end(1 - side).write(b"comes"), Ok(5));
            // Without a reason nothing is lost.
            assert_eq!(duo.receive(side), Err(Error::WantWrite));
            assert_eq!(duo.end(side).write(b"other"), Err(common::EINVAL));
            duo.end(side).port.unblock();
            duo.end(side).port.interrupt_at(0, why);
            assert_eq!(duo.receive(side), Err(error));
            assert_eq!(duo.receive(side), Ok(b"comes".to_vec()));
            assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
            duo.send(side, b"other");
        }
        duo.prove();
    }
}

/// A read may send a write that was interrupted, and then its last flight again, which the transport holds up
/// or refuses: the write made again is not sent once more.
#[test]
fn an_interrupted_write_is_sent_once_whatever_follows_it() {
    // A record with four bytes.
    const ONCE: usize = 33;
    for (why, then) in [
        (Interruption::Raised, None),
        (Interruption::Errno(113), None),
        (Interruption::WouldBlock, None),
        (Interruption::WouldBlock, Some(Interruption::Raised)),
        (Interruption::WouldBlock, Some(Interruption::Errno(113))),
    ] {
        for n in 0..5 {
            let _balance = Balance::start();
            let mut duo = Duo::of(quick());
            let is_last = |bytes: &[u8]| records(bytes).iter().any(|record| uint(&record[3..5]) == 1);
            let mut lost = false;
            duo.link.wire(SERVER).fault = Some(Box::new(move |_, bytes| {
                if is_last(bytes) && !core::mem::replace(&mut lost, true) {
                    Fate::Lost
                } else {
                    Fate::Arrives
                }
            }));
            while duo.server.socket.is_handshaking() {
                let _ = duo.client.handshake();
                let _ = duo.serve();
            }
            duo.server.port.block();
            assert_eq!(duo.server.write(b"once"), Err(Error::WantWrite));
            // The client's last flight comes again.
            clock::advance(1000);
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            let sent = duo.link.wire(SERVER).sent.len();
            duo.server.port.interrupt_at(n, why);
            let read = duo.server.poke();
            if let Some(then) = then {
                duo.server.port.interrupt_at(0, then);
                let _ = duo.server.poke();
                duo.server.port.interrupt_at(0, then);
            }
            let written = duo.server.write(b"once").or_else(|_| duo.server.write(b"once"));
            assert_eq!(written, Ok(4), "{n} {why:?} {then:?} {read:?}");
            let lengths: Vec<usize> = duo.link.wire(SERVER).sent[sent..].iter().map(Vec::len).collect();
            let data = lengths.iter().filter(|len| **len == ONCE).count();
            assert_eq!(data, 1, "{n} {why:?} {then:?} {read:?} {lengths:?}");
            duo.server.port.unblock();
            while duo.client.socket.is_handshaking() {
                let _ = duo.server.poke();
                let _ = duo.client.handshake();
                clock::advance(8000);
            }
            let _ = duo.client.poke();
            duo.send(SERVER, b"next");
            duo.prove();
        }
    }
}

/// So may close_notify, which is not sent without memory for it.
#[test]
fn an_interrupted_write_is_sent_once_though_the_goodbye_is_not() {
    for n in 0..4 {
        let _balance = Balance::start();
        let mut duo = Duo::of(quick());
        duo.open();
        duo.server.port.block();
        assert_eq!(duo.server.write(b"once"), Err(Error::WantWrite));
        duo.server.port.unblock();
        let (closed, _) = alloc::failing(n, true, || duo.server.close_notify());
        if closed.is_ok() {
            assert_eq!(n > 0, cfg!(feature = "record-buffers"));
            break;
        }
        assert_eq!(closed, Err(Error::NoMemory));
        let sent = duo.link.wire(SERVER).sent.len();
        assert_eq!(duo.server.write(b"once"), Ok(4));
        assert_eq!(duo.link.wire(SERVER).sent.len(), sent);
        let mut buf = [0; 64];
        assert_eq!(duo.client.read(&mut buf), Ok(4));
        assert_eq!(duo.client.read(&mut buf), Err(Error::WantRead));
        duo.prove();
    }
}

#[test]
fn a_write_handshakes_first() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    // Too large, but nobody knows yet.
    assert_eq!(duo.client.write(&[0; 70_000]), Err(Error::WantRead));
    duo.open();
    assert_eq!(duo.client.write(&[0; 70_000]), Err(EMSGSIZE));
    duo.prove();
}

#[test]
fn records_come_once_however_often_they_arrive() {
    let _balance = Balance::start();
    let mut duo = Duo::of(mutual_chain());
    duo.open();
    for side in [CLIENT, SERVER] {
        duo.send(side, b"first");
        let first = duo.last_sent(side);
        let newest = duo.end(1 - side).socket.newest_record();
        for _ in 0..3 {
            duo.link.inject(side, &first);
            assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
        }
        assert_eq!(duo.end(1 - side).socket.newest_record(), newest);
        duo.send(side, b"second");
        assert_eq!(duo.end(1 - side).socket.newest_record(), newest + 1);
        duo.link.inject(side, &first);
        assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
        // All that came so far, the handshake among it.
        let all = duo.link.wire(side).sent.clone();
        let sent = duo.link.wire(1 - side).sent.len();
        for datagram in all.iter().chain(all.iter().rev()) {
            duo.link.inject(side, datagram);
        }
        assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
        // At most a first hello is answered, without any state.
        for answer in &duo.link.wire(1 - side).sent[sent..] {
            assert!(answer[0] == HANDSHAKE, "{answer:?}");
        }
        duo.link.wire(1 - side).clear();
        assert_eq!(duo.end(1 - side).socket.bad_records(), 0, "replayed is not bad");
        assert!(!duo.end(1 - side).socket.is_handshaking());
    }
    duo.prove();
}

#[test]
fn records_may_overtake_each_other_but_not_by_far() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    duo.open();
    let mut dice = Dice::new(1);
    for side in [CLIENT, SERVER] {
        // A window of 64 (RFC 6347 4.1.2.6).
        let sent: Vec<Vec<u8>> = (0..70u8)
            .map(|n| {
                assert_eq!(duo.end(side).write(&[n]), Ok(1));
                duo.last_sent(side)
            })
            .collect();
        duo.link.wire(side).clear();
        let mut order: Vec<usize> = (7..69).collect();
        for i in 1..order.len() {
            order.swap(i, dice.roll(i + 1));
        }
        order.insert(0, 69);
        for n in order {
            duo.link.inject(side, &sent[n]);
            assert_eq!(duo.receive(1 - side), Ok(vec![n as u8]));
        }
        duo.link.inject(side, &sent[6]);
        assert_eq!(duo.receive(1 - side), Ok(vec![6]), "just inside of the window");
        for old in &sent[..6] {
            duo.link.inject(side, old);
            assert_eq!(duo.receive(1 - side), Err(Error::WantRead), "too old to tell whether it is new");
        }
    }
    duo.prove();
}

/// Each byte of a record bent, each length of it; then the record itself.
#[test]
fn bad_records_are_dropped_and_counted() {
    for cid in [None, Some(0), Some(4)] {
        let _balance = Balance::start();
        let mut duo = Duo::with(quick(), with_cid(cid));
        duo.open();
        for side in [CLIENT, SERVER] {
            assert_eq!(duo.end(side).write(b"genuine"), Ok(7));
            duo.link.wire(side).clear();
            let genuine = duo.last_sent(side);
            let header = HEADER + usize::from(cid.unwrap_or(0));
            assert_eq!(genuine[0], if cid.unwrap_or(0) == 0 { DATA } else { WITH_CID });
            let to = 1 - side;
            let newest = duo.end(to).socket.newest_record();
            for at in 0..genuine.len() {
                for bit in 0..8 {
                    let before = duo.end(to).socket.bad_records();
                    let mut bent = genuine.clone();
                    bent[at] ^= 1 << bit;
                    duo.link.inject(side, &bent);
                    assert_eq!(duo.receive(to), Err(Error::WantRead), "byte {at}, bit {bit}");
                    let counted = duo.end(to).socket.bad_records() - before;
                    if at >= header {
                        assert_eq!(counted, 1, "byte {at}, bit {bit}");
                    }
                    assert!(counted <= 1);
                }
            }
            for len in 0..genuine.len() {
                duo.link.inject(side, &genuine[..len]);
                assert_eq!(duo.receive(to), Err(Error::WantRead), "{len} bytes of it");
            }
            for n in 0..300 {
                duo.link.inject(side, &Dice::new(n).bytes(n as usize));
                assert_eq!(duo.receive(to), Err(Error::WantRead));
            }
            assert_eq!(duo.end(to).socket.newest_record(), newest);
            assert_eq!(
                duo.end(to).socket.bad_records(),
                8 * (genuine.len() - header) as u32 + {
                    // The sequence number is only good with the rest.
                    let of_header = duo.end(to).socket.bad_records() - 8 * (genuine.len() - header) as u32;
                    assert!(of_header > 0 && of_header <= 8 * header as u32);
                    of_header
                }
            );
            duo.link.inject(side, &genuine);
            assert_eq!(duo.receive(to), Ok(b"genuine".to_vec()));
            assert_eq!(duo.link.wire(to).sent.iter().filter(|sent| sent[0] == 21).count(), 0, "silently");
        }
        duo.prove();
    }
}

/// Behind a record that is skipped, less than another one's header.
#[test]
fn bytes_behind_a_record_end_nothing() {
    for cid in [None, Some(4)] {
        let _balance = Balance::start();
        let mut duo = Duo::with(quick(), with_cid(cid));
        duo.open();
        for side in [CLIENT, SERVER] {
            duo.send(side, b"genuine");
            let replayed = duo.last_sent(side);
            let other_epoch = [DATA, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 7];
            for record in [replayed.as_slice(), &other_epoch] {
                for n in 1..40 {
                    duo.link.inject(side, &[record, &vec![1; n]].concat());
                    assert_eq!(duo.receive(1 - side), Err(Error::WantRead), "{n} bytes");
                }
            }
            assert_eq!(duo.end(side).write(b"and more"), Ok(8));
            duo.link.wire(side).clear();
            let longer = [duo.last_sent(side).as_slice(), &[0; 5]].concat();
            duo.link.inject(side, &longer);
            assert_eq!(duo.receive(1 - side), Ok(b"and more".to_vec()));
        }
        duo.prove();
    }
}

/// A limit of Mbed TLS: a record that does not authenticate in place of the Finished is not dropped.
#[test]
fn a_bent_finished_ends_the_handshake() {
    for side in [CLIENT, SERVER] {
        let _balance = Balance::start();
        let mut duo = Duo::of(quick());
        duo.link.wire(side).fault = Some(Box::new(|_, bytes| {
            let keyed = uint(&records(bytes).last().unwrap()[3..5]) == 1;
            if keyed {
                *bytes.last_mut().unwrap() ^= 1;
            }
            Fate::Arrives
        }));
        let invalid_mac = Err(Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC));
        let (at_client, at_server) = duo.handshake();
        let (refuses, hears) = if side == CLIENT { (at_server, at_client) } else { (at_client, at_server) };
        assert_eq!((refuses, hears), (invalid_mac, Err(ALERTED)));
    }
}

/// What is counted as bad does not get in the way of the handshakes that follow.
#[test]
fn a_client_restarts_after_bad_records() {
    let _balance = Balance::start();
    let mut duo = Duo::of(known());
    duo.open();
    for round in 1..4 {
        duo.send(CLIENT, b"good");
        let mut bad = duo.last_sent(CLIENT);
        // A number that was not seen yet.
        bad[9] = 200;
        duo.link.inject(CLIENT, &bad);
        assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
        assert_eq!(duo.server.socket.bad_records(), round);
        duo.begin_anew(client(&duo.contexts[CLIENT]));
        assert!(duo.server.socket.is_handshaking());
        duo.open();
    }
    duo.prove();
}

/// The hello that made a connection does not end it, though its cookie is good.
#[test]
fn a_hello_comes_again_when_all_is_over() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    duo.open();
    let all = duo.link.wire(CLIENT).sent.clone();
    for hello in all.iter().filter(|datagram| datagram[HEADER] == 1) {
        for _ in 0..2 {
            duo.replay(hello);
        }
    }
    duo.link.wire(SERVER).clear();
    duo.prove();
}

/// What is no hello does not reach a server that waits for one.
#[test]
fn garbage_before_the_first_hello() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    for _ in 0..2 {
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        let hello = duo.last_sent(CLIENT);
        duo.link.wire(CLIENT).clear();
        for len in 0..hello.len() {
            duo.link.inject(CLIENT, &hello[..len]);
        }
        for n in 0..300 {
            duo.link.inject(CLIENT, &Dice::new(n).bytes(n as usize));
        }
        duo.link.inject(CLIENT, &[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40]);
        duo.link.inject(CLIENT, &[DATA, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 3, 1, 2, 3]);
        // Nothing is answered: whoever it came from has not proved to be there.
        let sent = duo.link.wire(SERVER).sent.len();
        while duo.link.wire(CLIENT).has_arrived(clock::now()) {
            assert_eq!(duo.serve(), Err(Error::WantRead));
        }
        assert_eq!(duo.link.wire(SERVER).sent.len(), sent);
        duo.link.inject(CLIENT, &hello);
        assert_eq!(duo.serve(), Err(Error::WantRead));
    }
    duo.open();
    duo.prove();
}

#[test]
fn an_alert_of_nobodys_ends_nothing() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    duo.open();
    for side in [CLIENT, SERVER] {
        for (epoch, number) in [(0, 0), (0, 50), (1, 50), (2, 0)] {
            for alert in [[2, 40], [1, 0], [2, 0]] {
                let header = [21, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, number, 0, 2];
                duo.link.inject(side, &[header.as_slice(), &alert].concat());
                assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
            }
        }
    }
    duo.prove();
}

#[test]
fn data_through_bad_weather() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    duo.open();
    let weather = Weather { lost: 20, twice: 20, late: 20, short: 10, bent: 10 };
    let mut duo = duo.under(weather, 5);
    let n = 500u16;
    for side in [CLIENT, SERVER] {
        let mut got = Vec::new();
        for i in 0..n {
            let message = [i.to_be_bytes().as_slice(), &pattern(usize::from(i) % 300)].concat();
            assert_eq!(duo.end(side).write(&message), Ok(message.len()));
            clock::advance(20);
            while let Ok(message) = duo.receive(1 - side) {
                let i = uint(&message[..2]);
                assert_eq!(message[2..], pattern(i % 300), "whole and unbent");
                assert!(!got.contains(&i), "{i} comes twice");
                got.push(i);
            }
        }
        assert!((250..450).contains(&got.len()), "{} arrive", got.len());
        assert!(!got.is_sorted(), "some are overtaken");
        let bad = duo.end(1 - side).socket.bad_records();
        assert!((10..100).contains(&bad), "{bad} bad records");
    }
    // Latecomers.
    duo.clear_up();
    clock::advance(1000);
    for side in [CLIENT, SERVER] {
        while duo.receive(side) != Err(Error::WantRead) {}
    }
    duo.prove();
}

#[test]
fn close_notify_ends_it_and_may_get_lost() {
    let _balance = Balance::start();
    for side in [CLIENT, SERVER] {
        let mut duo = Duo::of(quick());
        duo.open();
        assert!(duo.end(side).socket.would_send());
        duo.link.wire(side).fault = Some(Box::new(|_, _| Fate::Lost));
        assert_eq!(duo.end(side).close_notify(), Ok(()));
        assert!(!duo.end(side).socket.would_send());
        // Nobody sends it again (RFC 6347 has no retransmission for alerts).
        assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
        duo.clear_up();
        duo.send(1 - side, b"still there?");
        assert_eq!(duo.end(1 - side).close_notify(), Ok(()));
        assert_eq!(duo.receive(side), Ok(vec![]));
        assert!(duo.end(side).socket.close_notify_received());
        assert!(!duo.end(1 - side).socket.close_notify_received());
    }
}

#[test]
fn the_servers_last_flight_is_sent_again_by_a_read() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    // The server's Finished, five times.
    let lost = Rc::new(RefCell::new(0));
    let counted = Rc::clone(&lost);
    duo.link.wire(SERVER).fault = Some(Box::new(move |_, bytes| {
        let last = records(bytes).iter().any(|record| uint(&record[3..5]) == 1);
        *counted.borrow_mut() += usize::from(last);
        if last && *counted.borrow() <= 5 { Fate::Lost } else { Fate::Arrives }
    }));
    assert_eq!(duo.open(), 1000 + 2000 + 4000 + 8000 + 16_000);
    assert_eq!(*lost.borrow(), 6);
    duo.prove();
}

/// However much garbage comes, the timer runs.
#[test]
fn a_flood_of_garbage_does_not_stop_the_timer() {
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    duo.link.wire(CLIENT).clear();
    // Each look at the transport finds another piece, 10 ms later.
    let link = Rc::clone(&duo.link);
    duo.client.port.gate = Some(Box::new(move |call| {
        clock::advance(10);
        if call < 500 {
            link.inject(SERVER, &[0; 20]);
        }
        Ok(())
    }));
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    // 5 s: after 1 and 3 of them.
    assert_eq!(duo.link.wire(CLIENT).sent.len(), 3);
    duo.client.port.gate = None;
    duo.open();
    duo.prove();
}

// ---- Connection IDs ----------------------------------------------------------

fn cid_of(socket: &micropython_ssl::socket::Socket) -> Option<Vec<u8>> {
    let mut cid = [0; CID_MAX];
    socket.peer_cid(&mut cid).map(|len| cid[..len].to_vec())
}

#[test]
fn connection_ids_are_used_where_both_offer_them() {
    for client_cid in [None, Some(0), Some(4), Some(32)] {
        for server_cid in [None, Some(0), Some(4), Some(32)] {
            let _balance = Balance::start();
            let mut duo = Duo::new(&contexts(quick(), with_cid(client_cid), with_cid(server_cid)));
            assert_eq!(cid_of(&duo.client.socket), None);
            duo.open();
            let what = format!("client {client_cid:?}, server {server_cid:?}");
            let agreed = client_cid.zip(server_cid).filter(|&both| both != (0, 0));
            for (side, own) in [(CLIENT, client_cid), (SERVER, server_cid)] {
                let peer = cid_of(&duo.end(side).socket);
                assert_eq!(peer.is_some(), agreed.is_some(), "{what}");
                let called = cid_of(&duo.end(1 - side).socket);
                let own_cid = duo.end(side).socket.own_cid().to_vec();
                if agreed.is_some() {
                    assert_eq!(own_cid.len(), usize::from(own.unwrap()), "{what}");
                    assert_eq!(called, Some(own_cid.clone()), "{what}");
                }
                // It is what the peer's records carry.
                duo.send(1 - side, b"hello");
                let datagram = duo.last_sent(1 - side);
                let carried = connection_id(&datagram, own_cid.len());
                let expected = Some(own_cid.as_slice()).filter(|cid| agreed.is_some() && !cid.is_empty());
                assert_eq!(carried, expected, "{what}");
            }
            duo.prove();
        }
    }
}

#[test]
fn connection_ids_differ() {
    let _balance = Balance::start();
    let contexts = contexts(quick(), with_cid(Some(8)), with_cid(Some(8)));
    let cids: Vec<Vec<u8>> = (0..20).map(|_| server(&contexts[SERVER], ID).own_cid().to_vec()).collect();
    for (i, cid) in cids.iter().enumerate() {
        assert_eq!(cid.len(), 8);
        assert!(!cids[..i].contains(cid), "random");
    }
}

#[test]
fn who_requires_connection_ids_refuses_who_does_not_offer_them() {
    let required = Settings { cid: Some(4), cid_required: true, ..Settings::DEFAULT };
    for theirs in [None, Some(0), Some(4)] {
        for side in [CLIENT, SERVER] {
            let _balance = Balance::start();
            let settings =
                if side == CLIENT { [required, with_cid(theirs)] } else { [with_cid(theirs), required] };
            let mut duo = Duo::new(&contexts(quick(), settings[0], settings[1]));
            let results = duo.handshake();
            if theirs.is_some() {
                assert_eq!(results, DONE);
                duo.prove();
                continue;
            }
            let result = if side == CLIENT { results.0 } else { results.1 };
            assert_eq!(result, Err(REFUSED));
            assert_eq!(duo.end(side).poke(), Err(EBADF));
            // The other hears of it, at the latest when it reads.
            let other = if side == CLIENT { results.1 } else { results.0 };
            if other.is_ok() {
                assert_eq!(duo.receive(1 - side), Err(ALERTED));
            } else {
                assert_eq!(other, Err(ALERTED));
            }
        }
    }
}

#[test]
fn the_alert_for_a_missing_connection_id() {
    let _balance = Balance::start();
    let settings = Settings { cid: Some(4), cid_required: true, ..Settings::DEFAULT };
    let contexts = contexts(quick(), settings, settings);
    let (_, client_port, server_port) = Link::new(true);
    let mut end = End { socket: client(&contexts[CLIENT]), port: client_port };
    let mut raw = Raw::datagram(server_port);
    let (ours, theirs) = run(&mut end, &mut raw, End::handshake, |raw| {
        raw.handshake()?;
        raw.read(&mut [0]).map(drop)
    });
    assert_eq!((ours, theirs), (Err(REFUSED), Err(ALERTED)));
    // handshake_failure.
    assert_eq!(raw.alert(), [2, 40]);
}

/// One socket for all clients: by Connection ID, or by address where there is none.
struct Server {
    /// Each with the address that its answers go to.
    clients: Vec<(End, String)>,
}

impl Server {
    /// What a datagram comes to; which client it was for.
    fn take(&mut self, from: &str, datagram: &[u8]) -> Option<(usize, Result<Vec<u8>>)> {
        let which = self.clients.iter().position(|(end, address)| {
            let cid = end.socket.own_cid();
            match connection_id(datagram, cid.len()) {
                Some(carried) => carried == cid,
                None => address == from,
            }
        })?;
        let (end, address) = &mut self.clients[which];
        let followed = end.port.followed;
        end.port.link.inject(CLIENT, datagram);
        let mut buf = [0; 100];
        let result = end.read(&mut buf).map(|n| buf[..n].to_vec());
        if end.port.followed > followed {
            // RFC 9146 6: authentic, and newer than all before.
            from.clone_into(address);
        }
        Some((which, result))
    }

    fn address(&self, which: usize) -> &str {
        &self.clients[which].1
    }
}

#[test]
fn a_client_whose_address_changes() {
    let _balance = Balance::start();
    let contexts = contexts(quick(), with_cid(Some(0)), with_cid(Some(6)));
    let mut clients = Vec::new();
    let mut the_server = Server { clients: Vec::new() };
    for address in ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"] {
        let mut duo = Duo::new(&contexts);
        duo.open();
        the_server.clients.push((duo.server, address.to_string()));
        clients.push(duo.client);
    }
    // What a client writes, as datagrams of its own way to the server.
    let write = |client: &mut End, data: &[u8]| {
        assert_eq!(client.write(data), Ok(data.len()));
        let mut wire = client.port.link.wire(CLIENT);
        wire.clear();
        wire.sent.last().unwrap().clone()
    };
    let was = write(&mut clients[0], b"from home");
    assert_eq!(the_server.take("192.0.2.1:1", &was), Some((0, Ok(b"from home".to_vec()))));
    let held = write(&mut clients[0], b"held back");
    let roaming = write(&mut clients[0], b"from abroad");
    // Forged, from somewhere else: dropped, and nothing changes.
    for at in 0..roaming.len() {
        let mut forged = roaming.clone();
        forged[at] ^= 0x80;
        let taken = the_server.take("203.0.113.66:6", &forged);
        assert!(matches!(taken, None | Some((0, Err(Error::WantRead)))), "{at}: {taken:?}");
        assert_eq!(the_server.address(0), "192.0.2.1:1");
    }
    // Replayed from there: likewise.
    assert_eq!(the_server.take("203.0.113.66:6", &was), Some((0, Err(Error::WantRead))));
    assert_eq!(the_server.address(0), "192.0.2.1:1");
    // The client itself, from its new address.
    assert_eq!(the_server.take("198.51.100.7:7", &roaming), Some((0, Ok(b"from abroad".to_vec()))));
    assert_eq!(the_server.address(0), "198.51.100.7:7");
    // What arrives late from the old one is read, but does not turn it back.
    assert_eq!(the_server.take("192.0.2.1:1", &held), Some((0, Ok(b"held back".to_vec()))));
    assert_eq!(the_server.address(0), "198.51.100.7:7");
    // Nor from another client's address does anything get to that client.
    let moved = write(&mut clients[2], b"moved in");
    assert_eq!(the_server.take("192.0.2.2:1", &moved), Some((2, Ok(b"moved in".to_vec()))));
    let addresses = [0, 1, 2].map(|which| the_server.address(which).to_string());
    assert_eq!(addresses, ["198.51.100.7:7", "192.0.2.2:1", "192.0.2.2:1"]);
    for (which, client) in clients.iter_mut().enumerate() {
        let end = &mut the_server.clients[which].0;
        assert_eq!(end.write(b"answer"), Ok(6));
        let mut buf = [0; 10];
        assert_eq!(client.read(&mut buf), Ok(6));
    }
}

// ---- A client that begins anew -----------------------------------------------

#[test]
fn a_client_restarts_from_the_same_port() {
    for cid in [None, Some(4)] {
        let _balance = Balance::start();
        let mut duo = Duo::with(known(), with_cid(cid));
        duo.open();
        for round in 0..3 {
            duo.send(CLIENT, b"before");
            let before = duo.last_sent(CLIENT);
            let new = client(&duo.contexts[CLIENT]);
            let mut old = std::mem::replace(&mut duo.client.socket, new);
            // The first hello is answered without letting go of the connection.
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
            assert!(!duo.server.socket.is_handshaking(), "round {round}");
            assert_eq!(old.write(&mut duo.client.port, b"the old one"), Ok(11));
            assert_eq!(duo.receive(SERVER), Ok(b"the old one".to_vec()));
            // The second one, with its cookie, ends the old connection.
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            assert_eq!(duo.receive(SERVER), Err(Error::WantRead), "{cid:?}, round {round}");
            assert!(duo.server.socket.is_handshaking());
            assert_eq!((duo.server.socket.cipher(), duo.server.socket.pending()), (None, 0));
            duo.open();
            assert_eq!(duo.refused, 1, "the very first time");
            assert_eq!(cid_of(&duo.client.socket).map(|cid| cid.len()), cid.map(usize::from));
            duo.link.inject(CLIENT, &before);
            assert_eq!(duo.receive(SERVER), Err(Error::WantRead), "the old connection's data are nobody's");
        }
        duo.prove();
    }
}

#[test]
fn a_client_restarts_in_bad_weather() {
    for seed in 0..20 {
        let _balance = Balance::start();
        let mut duo = Duo::of(known());
        duo.open();
        duo.client.socket = client(&duo.contexts[CLIENT]);
        let mut duo = duo.under(Weather { lost: 20, twice: 10, late: 20, ..Weather::default() }, seed);
        // The server, which knows nothing of a handshake, reads.
        let (mut result, start) = (Err(Error::WantRead), clock::now());
        while result == Err(Error::WantRead) && clock::since(start) < 600_000 {
            result = duo.client.handshake();
            assert_eq!(duo.receive(SERVER), Err(Error::WantRead), "seed {seed}");
            duo.pass();
        }
        assert_eq!(result, Ok(()), "seed {seed}");
        duo.prove();
    }
}

#[test]
fn nothing_of_the_old_connection_is_left_to_the_new_one() {
    let _balance = Balance::start();
    let mut duo = Duo::of(known());
    duo.open();
    assert!(duo.server.socket.peer_cert().is_some());
    // The server has said goodbye, and keeps listening.
    assert_eq!(duo.server.close_notify(), Ok(()));
    duo.link.wire(SERVER).clear();
    duo.begin_anew(client(&duo.contexts[CLIENT]));
    assert!(duo.server.socket.is_handshaking());
    assert_eq!(duo.server.socket.peer_cert(), None, "not while it handshakes");
    duo.open();
    assert!(duo.server.socket.peer_cert().is_some());
    assert!(duo.server.socket.would_send(), "this one has not heard goodbye");
    duo.prove();
}

/// Who takes a client's address does not become that client to the program: not with another
/// certificate, not without one.
#[test]
fn nobody_else_takes_over_a_clients_connection() {
    const REFUSED: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE);
    let setup = Setup { server_mode: 1, ..known() };
    for asleep in [false, true] {
        for other in [None, Some("ec")] {
            let _balance = Balance::start();
            let mut duo = Duo::of(setup);
            duo.open();
            duo.send(CLIENT, b"who I am");
            assert!(!asleep || duo.server.socket.hibernate() == Ok(true));
            let others = Setup { client_cert: other, ..setup };
            let others = contexts(others, Settings::DEFAULT, Settings::DEFAULT);
            // Nor by beginning once more before that handshake is over.
            for _ in 0..2 {
                duo.link.wire(SERVER).clear();
                duo.begin_anew(client(&others[CLIENT]));
            }
            assert_eq!(duo.handshake().1, Err(REFUSED));
            let sent = duo.link.wire(SERVER).sent.len();
            assert_eq!(duo.server.write(b"secret"), Err(EBADF));
            assert_eq!(duo.link.wire(SERVER).sent.len(), sent);
        }
    }
}

/// The clock wraps around after 49.7 days; a connection may be older than half of that.
#[test]
fn a_client_restarts_after_a_long_time() {
    const DAY: u32 = 86_400_000;
    let _balance = Balance::start();
    let mut duo = Duo::of(known());
    duo.open();
    for days in [0, 1, 24, 25, 26, 40, 49] {
        clock::advance(days * DAY + 1);
        duo.send(CLIENT, b"still there");
        let replayed = duo.link.wire(CLIENT).sent.clone();
        duo.begin_anew(client(&duo.contexts[CLIENT]));
        assert!(duo.server.socket.is_handshaking(), "after {days} days");
        duo.open();
        // Hellos from before begin nothing, though their cookies may be good.
        for hello in replayed.iter().filter(|datagram| datagram[HEADER] == 1) {
            duo.replay(hello);
        }
        duo.link.wire(SERVER).clear();
    }
    duo.prove();
}

/// A client that goes away in the middle of its handshake and comes back is served at once.
#[test]
fn a_client_restarts_in_the_middle_of_a_handshake() {
    for cid in [None, Some(4)] {
        for setup in [quick(), known()] {
            for turns in 1.. {
                let _balance = Balance::start();
                let mut duo = Duo::with(setup, with_cid(cid));
                for _ in 0..turns {
                    let _ = (duo.client.handshake(), duo.serve());
                }
                if !duo.server.socket.is_handshaking() {
                    assert!(turns > 2);
                    break;
                }
                let refused = duo.refused;
                for _ in 0..3 {
                    for wire in [CLIENT, SERVER] {
                        duo.link.wire(wire).clear();
                    }
                    duo.client.socket = client(&duo.contexts[CLIENT]);
                    for _ in 0..2 {
                        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
                        let _ = duo.serve();
                    }
                }
                assert_eq!(duo.open(), 0, "after {turns} turns");
                assert!(turns < 2 || duo.refused == refused);
                duo.prove();
            }
        }
    }
}

/// What came before the handshake, or from nowhere, is no part of it.
#[test]
fn late_hellos_end_no_handshake() {
    for side in [CLIENT, SERVER] {
        for setup in [quick(), mutual_chain()] {
            let _balance = Balance::start();
            let mut duo = Duo::of(setup);
            let mut late = Vec::new();
            for (message_seq, cookie_len) in (0..8).flat_map(|seq| [(seq, 0), (seq, 32)]) {
                let hello =
                    [&[0xfe, 0xfd][..], &[message_seq; 32], &[0, cookie_len], &[7; 32], &[0, 0]].concat();
                let (msg_type, body) = if side == SERVER {
                    (1, &hello[..36 + usize::from(cookie_len)])
                } else {
                    (3, &[&[0xfe, 0xff, cookie_len][..], &[7; 32]].concat()[..3 + usize::from(cookie_len)])
                };
                let mut ways = vec![(body.len(), 0, body)];
                ways.extend([(body.len() + 9, 0, body), (body.len() + 9, 9, body)]);
                for (len, offset, fragment) in ways {
                    let message = [
                        &[
                            msg_type,
                            0,
                            0,
                            len as u8,
                            0,
                            message_seq,
                            0,
                            0,
                            offset,
                            0,
                            0,
                            fragment.len() as u8,
                        ],
                        fragment,
                    ]
                    .concat();
                    // By itself, and behind a message that came long ago.
                    let old = [16, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0];
                    for content in [message.clone(), [&old[..], &message].concat()] {
                        let number = late.len() as u8;
                        let header = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, number, 0, content.len() as u8];
                        late.push([&header[..], &content].concat());
                    }
                }
            }
            let mut results = [Err(Error::WantRead); 2];
            for _ in 0..20 {
                // The server has the hello that it wants.
                if duo.link.wire(SERVER).sent.iter().any(|datagram| datagram[HEADER] == 2) {
                    late.iter().for_each(|datagram| duo.link.inject(1 - side, datagram));
                }
                results = [duo.client.handshake(), duo.serve()];
                assert!(
                    results.iter().all(|result| matches!(result, Ok(()) | Err(Error::WantRead))),
                    "{results:?}"
                );
            }
            assert_eq!(results, [Ok(()); 2]);
            duo.prove();
        }
    }
}

/// A client that waited for longer at a listener than its cookie is good for, or in whose place somebody
/// else sends a hello.
#[test]
fn an_accepted_client_is_asked_for_its_cookie_again() {
    for late in [false, true] {
        for fragments in [false, true] {
            let _balance = Balance::start();
            let mut duo = if fragments { long_hello(300, 200) } else { Duo::of(quick()) };
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            assert_eq!(duo.server.handshake(), Err(VERIFY));
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            duo.server.socket = server(&duo.contexts[SERVER], ID);
            duo.server.socket.set_accepted();
            if late {
                clock::advance(61_000);
                assert_eq!(duo.server.handshake(), Err(Error::WantRead));
                while duo.last_sent(SERVER)[HEADER] == 3 {
                    assert_eq!(timer(&duo.server), Some(60_000));
                    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
                    assert_eq!(duo.server.handshake(), Err(Error::WantRead));
                }
                // Then all goes on as usual.
                assert_eq!(timer(&duo.server), Some(1000));
            } else {
                let first = duo.link.wire(CLIENT).sent[0].clone();
                let hello = duo.last_sent(CLIENT);
                duo.link.wire(CLIENT).clear();
                for _ in 0..3 {
                    duo.link.inject(CLIENT, &first);
                    assert_eq!(duo.server.handshake(), Err(Error::WantRead));
                }
                if !fragments {
                    duo.link.inject(CLIENT, &hello);
                }
            }
            duo.open();
            duo.prove();
        }
    }
}

/// The same, and the client has gone: the server gives up in the time that any handshake has.
#[test]
fn an_accepted_client_is_not_waited_for_without_end() {
    for late in [false, true].into_iter().filter(|late| *late || TAKES_HELLO_FRAGMENTS) {
        let _balance = Balance::start();
        let mut duo = if late { Duo::of(quick()) } else { long_hello(300, 200) };
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        assert_eq!(duo.server.handshake(), Err(VERIFY));
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        duo.server.socket = server(&duo.contexts[SERVER], ID);
        duo.server.socket.set_accepted();
        if late {
            clock::advance(61_000);
        } else {
            // Only the beginning of its hello comes.
            let sent = duo.link.wire(CLIENT).sent.clone();
            duo.link.wire(CLIENT).clear();
            let hello = sent.iter().rfind(|datagram| datagram[HEADER + 6..HEADER + 9] == [0; 3]);
            duo.link.inject(CLIENT, hello.unwrap());
        }
        let start = clock::now();
        let mut result = duo.server.handshake();
        while result == Err(Error::WantRead) && clock::since(start) < 1_000_000 {
            clock::advance(timer(&duo.server).expect("no timer").max(1));
            result = duo.server.handshake();
        }
        assert_eq!(result, Err(Error::Errno(110)));
        assert_eq!(clock::since(start), 60_000);
    }
}

/// Nor where nobody knows who the client is: it may have told the program a password.
#[test]
fn nobody_takes_over_the_connection_of_a_client_without_a_name() {
    const ANEW: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_CLIENT_RECONNECT);
    for asleep in [false, true] {
        let _balance = Balance::start();
        let mut duo = Duo::of(quick());
        duo.open();
        duo.send(CLIENT, b"password");
        assert!(!asleep || duo.server.socket.hibernate() == Ok(true));
        duo.client.socket = client(&duo.contexts[CLIENT]);
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        let sent = duo.link.wire(SERVER).sent.len();
        assert_eq!(duo.receive(SERVER), Err(ANEW));
        assert_eq!(duo.server.write(b"secret"), Err(EBADF));
        assert_eq!(duo.link.wire(SERVER).sent.len(), sent, "no key of the old connection's is its");
        // It comes again, to a connection of its own.
        duo.server.socket = server(&duo.contexts[SERVER], ID);
        duo.open();
        assert_eq!(duo.refused, 1, "the very first time");
        duo.prove();
    }
}

// ---- Cookies, and strangers ----------------------------------------------------

fn cookie_context() -> Source {
    let [_, context] = contexts(quick(), Settings::DEFAULT, Settings::DEFAULT);
    context
}

#[test]
fn only_servers_of_datagrams_have_cookies() {
    let _balance = Balance::start();
    for protocol in 0..4 {
        assert_eq!(tls12(Context::new(protocol, 0)).cookies().is_some(), protocol == 3);
    }
}

#[test]
fn a_cookie_is_good_for_its_client_and_a_minute() {
    for start in [0, 1, 0x7fff_ffff, u32::MAX - 30_000, u32::MAX] {
        let _balance = Balance::start();
        clock::set(start);
        let context = cookie_context();
        let context = context.borrow();
        let cookies = context.cookies().unwrap();
        let cookie = cookies.write(ID).unwrap();
        assert!(cookies.check(&cookie, ID));
        for other in [b"192.0.2.1:4434".as_slice(), b"192.0.2.1:443", b"192.0.2.1:44333", b""] {
            assert!(!cookies.check(&cookie, other));
            assert!(!cookies.check(&cookies.write(other).unwrap(), ID));
        }
        for len in 0..COOKIE_LEN {
            assert!(!cookies.check(&cookie[..len], ID));
        }
        assert!(!cookies.check(&[cookie.as_slice(), &[0]].concat(), ID));
        for bit in 0..8 * COOKIE_LEN {
            let mut bent = cookie;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(!cookies.check(&bent, ID), "bit {bit}");
        }
        // Of another context.
        let other = cookie_context();
        assert!(!other.borrow().cookies().unwrap().check(&cookie, ID));
        clock::advance(60_000);
        assert!(cookies.check(&cookie, ID));
        clock::advance(1);
        assert!(!cookies.check(&cookie, ID));
        clock::advance(999);
        assert!(!cookies.check(&cookie, ID), "61 s");
    }
}

/// Secrets last for ten minutes, and then for ten more as the previous ones.
#[test]
fn a_cookie_survives_one_rotation_of_secrets() {
    for start in [0, u32::MAX - 600_000, u32::MAX - 599_995, u32::MAX - 100_000] {
        let _balance = Balance::start();
        clock::set(start);
        let context = cookie_context();
        let context = context.borrow();
        let cookies = context.cookies().unwrap();
        let check = |at: u32, cookie: &[u8]| {
            clock::set(start.wrapping_add(at));
            cookies.check(cookie, ID)
        };
        clock::set(start.wrapping_add(599_990));
        let cookie = cookies.write(ID).unwrap();
        assert!(check(599_999, &cookie));
        assert!(check(600_010, &cookie), "made with what is the previous secret now");
        let fresh = cookies.write(ID).unwrap();
        assert!(check(600_020, &fresh), "and with the new one");
        assert!(check(659_990, &cookie));
        assert!(!check(659_991, &cookie));
    }
}

/// A secret is gone with the second rotation, even where the time in the cookie is right: the
/// clock is back where it was after 49.7 days.
#[test]
fn no_cookie_survives_two_rotations_of_secrets() {
    let _balance = Balance::start();
    clock::set(500_000);
    let context = cookie_context();
    let context = context.borrow();
    let cookies = context.cookies().unwrap();
    let cookie = cookies.write(ID).unwrap();
    let rotate = |at: u32| {
        clock::set(at);
        cookies.write(ID).unwrap();
    };
    rotate(500_000 + 600_000);
    clock::set(500_000 + 10);
    // Were time to go backwards by less than a rotation: nothing to rely on, so not asserted.
    rotate(500_000 + 2 * 600_000);
    let mut now = 500_000 + 2 * 600_000;
    while now < u32::MAX - 600_000 {
        now += 600_000;
        rotate(now);
    }
    clock::set(500_010);
    assert!(!cookies.check(&cookie, ID));
    assert!(cookies.check(&cookies.write(ID).unwrap(), ID));
}

#[test]
fn secrets_are_all_new_after_a_long_silence() {
    let _balance = Balance::start();
    clock::set(7);
    let context = cookie_context();
    let context = context.borrow();
    let cookies = context.cookies().unwrap();
    let cookie = cookies.write(ID).unwrap();
    // Two lives later, one look: the secret of then is nobody's previous one.
    clock::set(7 + 1_200_000);
    assert!(!cookies.check(&cookie, ID));
    clock::set(7 + 1_200_000 + 599_000);
    assert!(cookies.check(&cookies.write(ID).unwrap(), ID));
    clock::set(7);
    assert!(!cookies.check(&cookie, ID), "its time is right, but not its secret");
}

/// A client's two hellos, taken off a link, and the context that the second is for.
fn hellos() -> (Source, Vec<u8>, Vec<u8>) {
    let contexts = contexts(quick(), Settings::DEFAULT, Settings::DEFAULT);
    let mut duo = Duo::new(&contexts);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    let first = duo.last_sent(CLIENT);
    let answer = match stranger(contexts[SERVER].borrow().cookies().unwrap(), &first, ID) {
        Ok(Stranger::Unverified(answer)) => answer,
        other => panic!("{other:?}"),
    };
    duo.link.inject(SERVER, &answer);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    let second = duo.last_sent(CLIENT);
    assert!(second != first);
    let [_, context] = contexts;
    (context, first, second)
}

fn is_verified(cookies: &Cookies, datagram: &[u8], id: &[u8]) -> bool {
    matches!(stranger(cookies, datagram, id), Ok(Stranger::Verified))
}

#[test]
fn a_strangers_hello_is_verified_without_state_and_then_served() {
    let _balance = Balance::start();
    let contexts = contexts(Setup::default(), Settings::DEFAULT, Settings::DEFAULT);
    let mut duo = Duo::new(&contexts);
    let look = |datagram: &[u8], id: &[u8]| {
        stranger(contexts[SERVER].borrow().cookies().unwrap(), datagram, id).unwrap()
    };
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    let Stranger::Unverified(answer) = look(&duo.last_sent(CLIENT), ID) else { panic!("not yet") };
    duo.link.wire(CLIENT).clear();
    duo.link.inject(SERVER, &answer);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    let second = duo.last_sent(CLIENT);
    assert_eq!(look(&second, ID), Stranger::Verified);
    assert!(matches!(look(&second, b"another"), Stranger::Unverified(_)));
    // Only now there is a connection; the hello waits on the link.
    duo.server.socket = server(&contexts[SERVER], ID);
    assert_eq!(duo.open(), 0);
    assert_eq!(duo.refused, 0);
    assert_eq!(duo.link.wire(CLIENT).sent.len(), 3, "nothing had to be sent again");
    duo.prove();
}

/// The answer comes so late that its cookie is stale: the client is asked again, and comes a
/// third time.
#[test]
fn a_client_with_a_stale_cookie_is_asked_again() {
    let _balance = Balance::start();
    let contexts = contexts(Setup::default(), Settings::DEFAULT, Settings::DEFAULT);
    let mut duo = Duo::new(&contexts);
    let look =
        |datagram: &[u8]| stranger(contexts[SERVER].borrow().cookies().unwrap(), datagram, ID).unwrap();
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    for round in 0..3 {
        let Stranger::Unverified(answer) = look(&duo.last_sent(CLIENT)) else { panic!("round {round}") };
        duo.link.wire(CLIENT).clear();
        duo.link.inject(SERVER, &answer);
        assert_eq!(duo.client.handshake(), Err(Error::WantRead), "round {round}");
        let last = duo.last_sent(CLIENT);
        assert_eq!(look(&last), Stranger::Verified, "round {round}");
        // Without what the timer had sent again before.
        duo.link.wire(CLIENT).clear();
        duo.link.inject(CLIENT, &last);
        if round < 2 {
            // It is under way for so long.
            clock::advance(61_000);
        }
    }
    duo.server.socket = server(&contexts[SERVER], ID);
    duo.open();
    assert_eq!(duo.refused, 0);
    duo.prove();
}

#[test]
fn hellos_with_cookies_that_are_no_good() {
    let _balance = Balance::start();
    let (context, first, second) = hellos();
    let context = context.borrow();
    let cookies = context.cookies().unwrap();
    assert!(!is_verified(cookies, &first, ID));
    assert!(is_verified(cookies, &second, ID));
    assert!(is_verified(cookies, &second, ID), "verified as often as it comes");
    assert!(!is_verified(cookies, &second, b"192.0.2.9:1"), "another client's");
    let (other, _, _) = hellos();
    assert!(!is_verified(other.borrow().cookies().unwrap(), &second, ID), "another server's");
    // The cookie's length, and the cookie, behind headers, version, random, and session id.
    let at = HEADER + 12 + 34 + 1 + usize::from(second[HEADER + 12 + 34]);
    assert_eq!(usize::from(second[at]), COOKIE_LEN);
    for byte in at..=at + COOKIE_LEN {
        for bit in 0..8 {
            let mut bent = second.clone();
            bent[byte] ^= 1 << bit;
            assert!(!is_verified(cookies, &bent, ID), "byte {byte}, bit {bit}");
        }
    }
    clock::advance(61_000);
    assert!(matches!(stranger(cookies, &second, ID), Ok(Stranger::Unverified(_))), "stale");
}

#[test]
fn noise_is_told_from_hellos() {
    let _balance = Balance::start();
    let (context, first, second) = hellos();
    let context = context.borrow();
    let cookies = context.cookies().unwrap();
    let live = alloc::live();
    for hello in [&first, &second] {
        for len in 0..hello.len() {
            assert_eq!(stranger(cookies, &hello[..len], ID), Ok(Stranger::Noise), "{len} bytes of it");
        }
        // Shorter, with lengths that say so: a hello may be a first fragment.
        for len in HEADER..hello.len() {
            let mut cut = hello[..len].to_vec();
            cut[11..13].copy_from_slice(&((len - HEADER) as u16).to_be_bytes());
            let what = stranger(cookies, &cut, ID).unwrap();
            assert_eq!(what, Stranger::Noise, "the fragment is longer than its record: {len}");
            if len >= HEADER + 12 {
                cut[HEADER + 9..HEADER + 12]
                    .copy_from_slice(&((len - HEADER - 12) as u32).to_be_bytes()[1..]);
                let what = stranger(cookies, &cut, ID).unwrap();
                let cookie_end = HEADER + 12 + 34 + 2 + if hello == &second { COOKIE_LEN } else { 0 };
                assert_eq!(what == Stranger::Noise, len < cookie_end, "{len}");
            }
        }
        // What is behind the record is not looked at.
        let longer = [hello.as_slice(), &[0; 40]].concat();
        assert_eq!(is_verified(cookies, &longer, ID), hello == &second);
        // Other records, epochs, messages, fragments.
        for (at, value) in [
            (0, 20),
            (0, 21),
            (0, 23),
            (0, 25),
            (1, 3),
            (3, 1),
            (4, 1),
            (HEADER, 0),
            (HEADER, 2),
            (HEADER, 3),
            (HEADER, 16),
            (HEADER + 6, 1),
            (HEADER + 8, 1),
            (11, 0xff),
            (HEADER + 9, 1),
        ] {
            let mut other = hello.clone();
            other[at] = value;
            assert_eq!(stranger(cookies, &other, ID), Ok(Stranger::Noise), "byte {at}: {value}");
        }
    }
    let mut dice = Dice::new(3);
    for n in 0..100_000 {
        // Ever more of the beginning is a hello's.
        let mut garbage = dice.bytes(n % 120);
        let good = dice.roll(1 + garbage.len().min(first.len()));
        garbage[..good].copy_from_slice(&first[..good]);
        assert!(!is_verified(cookies, &garbage, ID));
    }
    for _ in 0..100_000 {
        let mut bent = second.clone();
        for _ in 0..1 + dice.roll(4) {
            let at = dice.roll(bent.len());
            bent[at] = dice.roll(256) as u8;
        }
        let _whatever = stranger(cookies, &bent, ID).unwrap();
    }
    assert_eq!(alloc::live(), live);
}

#[test]
fn the_answer_to_a_hello() {
    let _balance = Balance::start();
    let (context, mut first, _) = hellos();
    // The record's number is the hello's own, not so the message's (RFC 6347 4.2.1, 4.2.2).
    first[5..11].copy_from_slice(&[1, 2, 3, 4, 5, 6]);
    first[HEADER + 4..HEADER + 6].copy_from_slice(&[7, 8]);
    let context = context.borrow();
    let cookies = context.cookies().unwrap();
    let Ok(Stranger::Unverified(answer)) = stranger(cookies, &first, ID) else { panic!("no answer") };
    let expected = [
        22, 0xfe, 0xff, 0, 0, 1, 2, 3, 4, 5, 6, 0, 47, // record
        3, 0, 0, 35, 0, 0, 0, 0, 0, 0, 0, 35, // message
        0xfe, 0xff, 32,
    ];
    assert_eq!(answer[..expected.len()], expected);
    assert!(cookies.check(&answer[expected.len()..], ID));
    assert!(answer.len() < first.len(), "nothing to amplify an attack with");
}

#[test]
fn a_million_spoofed_hellos_leave_nothing_behind() {
    let _balance = Balance::start();
    let (context, first, second) = hellos();
    let context = context.borrow();
    let cookies = context.cookies().unwrap();
    let live = alloc::live();
    alloc::take_peak();
    let (mut dice, mut forged) = (Dice::new(4), second.clone());
    let cookie = HEADER + 12 + 34 + 2;
    for n in 0..1_000_000u32 {
        let id = n.to_be_bytes();
        // Without a cookie, with somebody else's, with an invented one of the right time.
        let hello = match n % 4 {
            0 | 1 => &first,
            2 => &second,
            _ => {
                forged[cookie..cookie + 4].copy_from_slice(&clock::now().to_be_bytes());
                forged[cookie + 4 + dice.roll(COOKIE_LEN - 4)] = dice.roll(256) as u8;
                &forged
            }
        };
        assert!(matches!(stranger(cookies, hello, &id), Ok(Stranger::Unverified(_))));
        if n % 100 == 0 {
            // Secrets rotate several times.
            clock::advance(300);
        }
    }
    println!("before: {live:?}; after 1,000,000 hellos: {:?}", alloc::live());
    assert_eq!(alloc::live(), live);
    let most = alloc::take_peak() - live.bytes;
    assert!(most < 1000, "{most} bytes at a time");
    // And the next good client is served.
    let Ok(Stranger::Unverified(_)) = stranger(cookies, &first, ID) else { panic!("no answer") };
    drop(context);
    let mut duo = Duo::of(quick());
    duo.open();
    duo.prove();
}

#[test]
fn without_memory_a_stranger_gets_an_error() {
    let (context, first, _) = hellos();
    let context = context.borrow();
    let cookies = context.cookies().unwrap();
    let live = alloc::live();
    for n in 0.. {
        let (result, failed) = alloc::failing(n, false, || stranger(cookies, &first, ID));
        assert_eq!(alloc::live(), live);
        if !failed {
            assert!(matches!(result, Ok(Stranger::Unverified(_))));
            assert!(n > 0, "a MAC takes memory");
            break;
        }
        assert_eq!(result, Err(Error::NoMemory), "allocation {n}");
    }
}

#[test]
fn garbage_before_a_hello() {
    // As a listener does: what is no hello never reaches a connection.
    let _balance = Balance::start();
    let contexts = contexts(quick(), Settings::DEFAULT, Settings::DEFAULT);
    for seed in 0..20 {
        let mut duo = Duo::new(&contexts);
        let mut dice = Dice::new(seed);
        let mut verified = 0;
        while verified == 0 {
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            let hello = duo.last_sent(CLIENT);
            duo.link.wire(CLIENT).clear();
            let cut = hello[..dice.roll(hello.len())].to_vec();
            let garbage = dice.bytes(200);
            for datagram in [garbage, cut, vec![], hello.clone()] {
                let context = contexts[SERVER].borrow();
                match stranger(context.cookies().unwrap(), &datagram, ID).unwrap() {
                    Stranger::Noise => assert_ne!(datagram, hello),
                    Stranger::Unverified(answer) => duo.link.inject(SERVER, &answer),
                    Stranger::Verified => {
                        verified += 1;
                        duo.link.inject(CLIENT, &datagram);
                    }
                }
            }
        }
        assert_eq!(verified, 1);
        duo.server.socket = server(&contexts[SERVER], ID);
        assert_eq!(duo.open(), 0, "seed {seed}");
        duo.prove();
    }
}

// ---- Figures ------------------------------------------------------------------

/// Round trip 40 ms; timers of 1 s to 60 s.
#[test]
#[ignore = "prints figures"]
fn figures() {
    let n = if long() { 10_000 } else { 1000 };
    for percent in [0, 10, 30, 50] {
        for (name, setup) in
            [("server certificate", quick()), ("chain and client certificate", mutual_chain())]
        {
            let (times, failed) = handshakes(setup, Weather::loss(percent), Settings::DEFAULT, n);
            report(&format!("{percent} % lost, {name}"), &times, failed);
        }
    }
}

/// A flight that the transport holds up goes on with the next call, in both directions and wherever
/// it was: no timer has to run out for it.
#[test]
fn a_flight_held_up_goes_on_with_the_next_call() {
    for side in [CLIENT, SERVER] {
        let mut held_up = 0;
        for n in 0..60 {
            let _balance = Balance::start();
            let settings = Settings { mtu: 512, ..Settings::DEFAULT };
            let mut duo = Duo::with(Setup::mutual(), settings);
            duo.end(side).port.interrupt_at(n, Interruption::WouldBlock);
            let (mut x, mut y) = (Err(Error::WantRead), Err(Error::WantRead));
            for _ in 0..40 {
                x = if x.is_ok() { x } else { duo.client.handshake() };
                y = if y.is_ok() { y } else { duo.serve() };
                held_up += usize::from([x, y].contains(&Err(Error::WantWrite)));
            }
            assert_eq!((x, y), (Ok(()), Ok(())), "{side} {n}");
        }
        assert!(held_up > 3, "{held_up}");
    }
}

/// DTLS counts its versions down; otherwise as a_client_that_knows_newer_versions has it.
#[test]
fn a_client_that_knows_newer_versions_of_dtls() {
    for (version, takes) in [
        ([0xfe, 0xfc], true),
        ([0xfe, 0], true),
        ([0xfd, 0xff], true),
        ([0, 0], true),
        ([0xfe, 0xfe], false),
        ([0xfe, 0xff], false),
        ([0xff, 0], false),
    ] {
        let _balance = Balance::start();
        let mut duo = Duo::of(Setup { client_mode: 0, ..Setup::default() });
        duo.link.wire(CLIENT).fault = Some(Box::new(move |_, bytes| {
            if bytes[0] == 22 && bytes[3..5] == [0, 0] && bytes[13] == 1 {
                bytes[25..27].copy_from_slice(&version);
            }
            Fate::Arrives
        }));
        let (_, server) = duo.handshake();
        assert!(server.is_err(), "{version:x?}");
        let sent = &duo.link.wire(SERVER).sent;
        let hello = sent.iter().find(|datagram| datagram[0] == 22 && datagram[13] == 2);
        let answer = hello.map(|hello| [hello[25], hello[26]]);
        assert_eq!(answer, takes.then_some([0xfe, 0xfd]), "{version:x?}: {server:?}");
    }
}

/// "The first message each side transmits in each handshake always has message_seq = 0" (RFC 6347 4.2.2):
/// a server that is asked for the first time counts from there, whatever the client does. One that is
/// asked again goes on with the client's number, for which OpenSSL's clients and Mbed TLS's wait.
#[test]
#[cfg(mbedtls_ssl_dtls_hello_verify)]
fn the_number_of_a_hello_verify_request() {
    for (seq, cookie, expected) in [(0, false, 0), (1, false, 0), (0x1234, false, 0), (1, true, 1)] {
        let _balance = Balance::start();
        let mut duo = Duo::of(Setup { client_mode: 0, ..Setup::default() });
        duo.link.wire(CLIENT).fault = Some(Box::new(move |n, bytes| {
            if n == 0 {
                bytes[17..19].copy_from_slice(&u16::to_be_bytes(seq));
                if cookie {
                    // Behind the version, the random number and the session's ID.
                    let at = HEADER + 12 + 34 + 1;
                    assert_eq!(bytes[at - 1..=at], [0, 0]);
                    bytes[at] = 4;
                    bytes.splice(at + 1..at + 1, *b"old!");
                    for (len, field) in [(2, 11), (3, 14), (3, 22)] {
                        let more = uint(&bytes[field..field + len]) as u32 + 4;
                        bytes[field..field + len].copy_from_slice(&more.to_be_bytes()[4 - len..]);
                    }
                }
            }
            Fate::Arrives
        }));
        assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        assert!(duo.server.handshake().is_err());
        let request = duo.link.wire(SERVER).sent[0].clone();
        assert_eq!((request[0], request[13]), (22, 3), "{seq}");
        assert_eq!(request[17..19], u16::to_be_bytes(expected), "{seq}");
    }
}

/// The client's next hello, which does not arrive.
fn lost_hello(duo: &mut Duo) -> Vec<u8> {
    duo.link.wire(CLIENT).fault = Some(Box::new(|_, _| Fate::Lost));
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    duo.link.wire(CLIENT).fault = None;
    let hello = duo.link.wire(CLIENT).sent.last().unwrap().clone();
    assert_eq!((hello[0], hello[13]), (22, 1));
    hello
}

/// A ClientHello comes in fragments as the client likes (4.2.3): several in a record, several records in
/// a datagram.
#[test]
fn a_hello_of_which_fragments_share_a_record() {
    if !TAKES_HELLO_FRAGMENTS {
        return;
    }
    for (in_record, in_datagram) in [(1, 1), (2, 1), (7, 1), (1, 3), (3, 2), (100, 1), (1, 100)] {
        let _balance = Balance::start();
        let mut duo = Duo::of(quick());
        for n in 1..=2 {
            let hello = lost_hello(&mut duo);
            let (record, message, body) = (&hello[..11], &hello[13..19], &hello[HEADER + 12..]);
            let u24 = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
            let fragments: Vec<_> = body
                .chunks(20)
                .enumerate()
                .map(|(i, part)| {
                    let kind = [&message[..1], &u24(body.len()), &message[4..]].concat();
                    [&kind[..], &u24(i * 20), &u24(part.len()), part].concat()
                })
                .collect();
            let records: Vec<_> = fragments
                .chunks(in_record)
                .map(|fragments| {
                    let fragments = fragments.concat();
                    [record, &(fragments.len() as u16).to_be_bytes(), &fragments].concat()
                })
                .collect();
            for records in records.chunks(in_datagram) {
                duo.link.inject(CLIENT, &records.concat());
            }
            let server = duo.serve();
            assert!(duo.link.wire(SERVER).sent.len() >= n, "{in_record} {in_datagram}: {server:?}");
        }
        duo.open();
        duo.prove();
    }
}

/// A datagram is of one hello: what begins others behind it costs no memory, and does not take the place
/// of it.
#[test]
fn a_datagram_of_many_hellos_begun() {
    if !TAKES_HELLO_FRAGMENTS {
        return;
    }
    let u24 = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
    let fragment = |seq: u16, len: usize, offset: usize, part: &[u8]| {
        [&[1][..], &u24(len), &seq.to_be_bytes(), &u24(offset), &u24(part.len()), part].concat()
    };
    let others = (1..100).flat_map(|seq| fragment(seq, 4000, 0, &[])).collect::<Vec<_>>();
    let _balance = Balance::start();
    let mut duo = Duo::of(quick());
    for n in 1..=2 {
        let hello = lost_hello(&mut duo);
        let seq = u16::from_be_bytes([hello[17], hello[18]]);
        let body = &hello[HEADER + 12..];
        let (half, rest) = body.split_at(body.len() / 2);
        let before = alloc::made();
        for (offset, part) in [(0, half), (half.len(), rest)] {
            let fragments = [fragment(seq, body.len(), offset, part), others.clone()].concat();
            let record = [&hello[..11], &(fragments.len() as u16).to_be_bytes(), &fragments].concat();
            duo.link.inject(CLIENT, &record);
        }
        let server = duo.serve();
        assert!(duo.link.wire(SERVER).sent.len() >= n, "{server:?}");
        if n == 1 {
            let made = alloc::made() - before;
            assert!(made < 50, "{made} allocations");
        }
    }
    duo.open();
    duo.prove();
}

/// A client whose hello with a cookie does not arrive, and the datagrams which that is; a server that waits for it, as
/// a listener's or not.
#[cfg(mbedtls_ssl_dtls_hello_verify)]
fn hello_with_cookie(accepted: bool) -> (Duo, Vec<Vec<u8>>) {
    let mut duo = long_hello(256, 250);
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    assert_eq!(duo.serve(), Err(Error::WantRead));
    assert_eq!(duo.refused, 1);
    duo.link.wire(CLIENT).sent.clear();
    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
    let sent = duo.link.wire(CLIENT).sent.clone();
    duo.link.wire(CLIENT).clear();
    if accepted {
        duo.server.socket.set_accepted();
    }
    (duo, sent)
}

/// A hello with a good cookie, of which parts are still to come, is not replaced by one of somebody without, whatever
/// that begins with.
#[test]
#[cfg(mbedtls_ssl_dtls_hello_verify)]
fn a_hello_that_others_would_replace() {
    if !TAKES_HELLO_FRAGMENTS {
        return;
    }
    for accepted in [false, true] {
        let _balance = Balance::start();
        let (mut duo, sent) = hello_with_cookie(accepted);
        let (last, first) = sent.split_last().unwrap();
        assert!(!first.is_empty());
        // Nothing, too little to show a cookie, a part of one, none, and another.
        let body = &sent[0][HEADER + 12..];
        let cookie = 2 + 32 + 1;
        let none = [&body[..cookie], &[0; 20]].concat();
        let mut another = body.to_vec();
        another[cookie + 10] ^= 1;
        for genuine in first {
            duo.link.inject(CLIENT, genuine);
            for (seq, part) in (1..).zip([&[][..], &body[..22], &body[..cookie + 10], &none, &another]) {
                let message = [&[1, 0, 60, 0, 0, seq, 0, 0, 0, 0, 0, part.len() as u8][..], part].concat();
                let record = [&sent[0][..11], &[0, message.len() as u8], &message].concat();
                duo.link.inject(CLIENT, &record);
            }
            assert_eq!(duo.serve(), Err(Error::WantRead));
        }
        duo.link.inject(CLIENT, last);
        assert_eq!(duo.open(), 0, "nothing was sent again");
        assert_eq!(duo.refused, 1);
        duo.prove();
    }
}

/// A client that is gone in the middle of its hello with a cookie is no hindrance to the next at its address, whatever
/// the length of that one's.
#[test]
#[cfg(mbedtls_ssl_dtls_hello_verify)]
fn a_client_that_begins_anew_in_the_middle_of_its_hello() {
    if !TAKES_HELLO_FRAGMENTS {
        return;
    }
    for (accepted, len) in
        [false, true].into_iter().flat_map(|accepted| [250, 251, 249, 5].map(|len| (accepted, len)))
    {
        let _balance = Balance::start();
        let (mut duo, sent) = hello_with_cookie(accepted);
        duo.link.inject(CLIENT, &sent[0]);
        assert_eq!(duo.serve(), Err(Error::WantRead));
        let hostname = pki::with_nul(vec![b'a'; len]);
        duo.client.socket =
            Socket::new(&mut duo.contexts[CLIENT].borrow_mut(), options(Some(&hostname), None)).unwrap();
        assert_eq!(duo.open(), 0, "{accepted} {len}: nothing was sent again");
        duo.prove();
    }
}

/// "DTLS 1.2 server implementations SHOULD use DTLS version 1.0" in a HelloVerifyRequest (RFC 6347 4.2.1),
/// whose message_seq is 0 as that of the hello (4.2.2); the client takes either version.
#[test]
#[cfg(mbedtls_ssl_dtls_hello_verify)]
fn the_version_of_a_hello_verify_request() {
    for version in [[0xfe, 0xff], [0xfe, 0xfd]] {
        let _balance = Balance::start();
        let mut duo = Duo::of(Setup { client_mode: 0, ..Setup::default() });
        duo.link.wire(SERVER).fault = Some(Box::new(move |n, bytes| {
            if n == 0 {
                bytes[1..3].copy_from_slice(&version);
                bytes[25..27].copy_from_slice(&version);
            }
            Fate::Arrives
        }));
        duo.open();
        let request = duo.link.wire(SERVER).sent[0].clone();
        assert_eq!((request[0], request[13]), (22, 3));
        assert_eq!((&request[1..3], &request[25..27]), (&[0xfe, 0xff][..], &[0xfe, 0xff][..]));
        assert_eq!(request[17..19], [0, 0], "message_seq");
        duo.prove();
    }
}
