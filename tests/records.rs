// SPDX-License-Identifier: MIT OR Apache-2.0
//! Record buffers that exist only while a record is in flight: records of every size, cut and
//! joined on the way in every manner, without memory, and none that Mbed TLS would not take.
#![cfg(feature = "record-buffers")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::rc::Rc;

use common::alloc::{failing, live, take_peak};
use common::raw::Raw;
use common::{
    ALERTED, Balance, CLIENT, Dice, EBADF, End, Fate, Link, NO_FRAGMENTS, Pair, SERVER, Setup,
    TAKES_FRAGMENTS, TAKES_HELLO_FRAGMENTS, on_records, options, pattern, records, tls12,
};
use micropython_ssl::context::Context;
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::sys;
use micropython_ssl::mem::Box;
use micropython_ssl::socket::{Options, Socket};

/// Content types of records.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

const INVALID_RECORD: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_RECORD);
const INVALID_MAC: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC);
const TOO_LONG: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA);

const GCM: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";
/// What a record of AES-GCM has beside its content: header, nonce, tag.
const EXPANSION: usize = 5 + 8 + 16;
/// What its buffer has in front of it: the counter.
const COUNTER: usize = 8;
/// A buffer for an alert, which comes with each record's in case it has to be answered.
const ALERT_BUFFER: usize = 64;
/// The longest record that fits into Mbed TLS's own buffer, its header aside.
const LONGEST: usize = sys::MBEDTLS_SSL_IN_BUFFER_LEN as usize - COUNTER - 5;

/// A client that has connected to a server which sends what it is told to, and is idle.
fn connected() -> (End, Raw, Rc<Link>) {
    Raw::pair(&Setup { suites: &[GCM], ..Setup::default() })
}

/// Reads records of `sizes` bytes of data, `room` bytes at a time, with all that a connection
/// has in between.
fn read_all(client: &mut End, sizes: &[usize], room: usize) {
    let mut buf = vec![0; room];
    for size in sizes.iter().filter(|size| **size > 0) {
        let data = pattern(*size);
        let mut got = Vec::new();
        while got.len() < data.len() {
            let n = client.read(&mut buf).unwrap();
            got.extend_from_slice(&buf[..n]);
            assert_eq!(client.socket.pending(), data.len() - got.len());
        }
        assert!(got == data, "a record of {size}, read by {room}");
    }
}

#[test]
fn without_a_record_there_is_no_buffer() {
    let _balance = Balance::start();
    let setup = Setup::mutual();
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    // What is made once for all of a context's connections is made with the first.
    let first = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    let level = live().bytes;
    take_peak();
    let pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    assert_eq!(take_peak(), live().bytes, "nothing was made but what is kept");
    let made = (live().bytes - level) / 2;
    // The state of a handshake that may be of TLS 1.3 is larger.
    let most = if cfg!(tls13) { 5500 } else { 4500 };
    assert!(made < most, "{made} bytes for a connection to be");
    let pair = pair.open();
    let open = (live().bytes - level) / 2;
    assert!(open < sys::MBEDTLS_SSL_OUT_CONTENT_LEN as usize, "{open} bytes for a connection");
    drop(first);
    pair.prove();
}

#[test]
fn a_record_takes_memory_only_on_its_way() {
    let _balance = Balance::start();
    let mut pair = Setup::default().open();
    let idle = live();
    take_peak();
    let data = pattern(200_000);
    let mut buf = [0; 20_000];
    let n = pair.client.write(&data).unwrap();
    assert_eq!(pair.server.read(&mut buf), Ok(n));
    assert_eq!(live(), idle);
    // No more than the record, whatever was asked for; and a short one takes little.
    let peak = take_peak() - idle.bytes;
    assert!((n..n + 200).contains(&peak), "{peak} for {n}");
    assert_eq!(pair.client.write(b"x"), Ok(1));
    assert!(take_peak() - idle.bytes < 150);
    assert_eq!(pair.server.poke(), Ok(1));
    // Half sent, it stays; abandoned, it goes with the connection.
    pair.client.port.max_write = 10;
    pair.client.port.interrupt_at(1, Interruption::WouldBlock);
    assert_eq!(pair.client.write(&data[..1000]), Err(Error::WantWrite));
    assert!(live().bytes > idle.bytes + 1000);
}

#[test]
fn a_record_of_every_size_has_a_buffer_of_that_size_until_its_last_byte_is_read() {
    let _balance = Balance::start();
    let (mut client, mut raw, link) = connected();
    let data = pattern(16_384);
    let mut got = vec![0; 16_384];
    let idle = live();
    for size in 0..=16_384 {
        link.inject(SERVER, &raw.seal(DATA, &data[..size]));
        take_peak();
        if size == 0 {
            assert_eq!(client.read(&mut got), Err(Error::WantRead), "nothing, and not the end");
        } else {
            assert_eq!(client.read(&mut got[..size - 1]), Ok(size - 1), "of {size}");
            if size > 1 {
                assert_eq!(client.socket.pending(), 1);
                let bytes = live().bytes - idle.bytes;
                assert_eq!(bytes, COUNTER + EXPANSION + size, "the one buffer for {size} bytes");
            }
            assert_eq!(client.read(&mut got[size - 1..]), Ok(1), "the last of {size}");
            assert!(got[..size] == data[..size]);
        }
        assert_eq!(live(), idle, "behind a record of {size}");
        let peak = take_peak() - idle.bytes;
        assert!(peak <= COUNTER + EXPANSION + size + ALERT_BUFFER, "{peak} for {size}");
    }
    assert_eq!(client.write(b"x"), Ok(1));
}

#[test]
fn records_cut_and_joined_on_the_way() {
    let sizes = [1, 0, 5, 16_384, 2, 3, 0, 0, 4000, 17, 1];
    for max_read in [1, 2, 3, 4, 5, 6, 7, 12, 100, usize::MAX] {
        for room in [1, 2, 1000, 20_000] {
            let _balance = Balance::start();
            let (mut client, mut raw, link) = connected();
            let idle = live();
            let all: Vec<_> = sizes.iter().flat_map(|size| raw.seal(DATA, &pattern(*size))).collect();
            link.inject(SERVER, &all);
            client.port.max_read = max_read;
            read_all(&mut client, &sizes, room);
            assert_eq!(client.poke(), Err(Error::WantRead));
            assert_eq!(live(), idle, "read by {room}, come by {max_read}");
            assert_eq!(client.write(b"x"), Ok(1));
        }
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_takes_nothing() {
    let _balance = Balance::start();
    let (mut client, mut raw, link) = connected();
    let idle = live();
    let record = raw.seal(DATA, b"data");
    for byte in &record[..4] {
        link.inject(SERVER, &[*byte]);
        assert_eq!(client.poke(), Err(Error::WantRead));
        assert_eq!(live(), idle);
    }
    // Other calls leave it alone.
    assert_eq!(client.write(b"meanwhile"), Ok(9));
    link.inject(SERVER, &record[4..5]);
    assert_eq!(client.poke(), Err(Error::WantRead));
    assert_eq!(live().bytes - idle.bytes, COUNTER + record.len());
    assert_eq!(client.write(b"meanwhile"), Ok(9));
    for byte in &record[5..record.len() - 1] {
        link.inject(SERVER, &[*byte]);
        assert_eq!(client.poke(), Err(Error::WantRead));
    }
    link.inject(SERVER, &record[record.len() - 1..]);
    let mut got = [0; 10];
    assert_eq!((client.read(&mut got), &got[..4]), (Ok(4), b"data".as_slice()));
    assert_eq!(live(), idle);
}

#[test]
fn alerts_and_requests_between_records() {
    let _balance = Balance::start();
    for max_read in [1, 5, usize::MAX] {
        let (mut client, mut raw, link) = connected();
        client.port.max_read = max_read;
        let idle = live();
        // user_canceled, HelloRequest, two of them in one record, an empty record.
        let between: [(u8, &[u8]); 4] =
            [(ALERT, &[1, 90]), (HANDSHAKE, &[0; 4]), (HANDSHAKE, &[0; 8]), (DATA, b"")];
        let mut sizes = Vec::new();
        for (i, size) in [16_384, 1, 4096, 100, 5].into_iter().enumerate() {
            let (content_type, content) = between[i % 4];
            for record in [raw.seal(content_type, content), raw.seal(DATA, &pattern(size))] {
                link.inject(SERVER, &record);
            }
            sizes.push(size);
        }
        read_all(&mut client, &sizes, 300);
        assert_eq!(client.poke(), Err(Error::WantRead));
        assert_eq!(live(), idle);
        // no_renegotiation for each request; an alert is the last thing as well.
        let sent = link.wire(CLIENT).transcript();
        assert_eq!(records(&sent).iter().filter(|record| record[0] == ALERT).count(), 3);
        link.inject(SERVER, &raw.seal(ALERT, &[1, 0]));
        assert_eq!(client.poke(), Ok(0));
        assert!(client.socket.close_notify_received());
        assert!(live().bytes <= idle.bytes);
    }
}

#[test]
fn nothing_and_the_rest_of_a_record_are_read_without_memory() {
    let _balance = Balance::start();
    let (mut client, mut raw, link) = connected();
    assert_eq!(failing(0, true, || client.poke()), (Err(Error::WantRead), false), "nothing to read");
    link.inject(SERVER, &raw.seal(DATA, &pattern(1000)));
    assert_eq!(client.poke(), Ok(1));
    let made = common::alloc::made();
    for _ in 1..1000 {
        assert_eq!(failing(0, true, || client.poke()), (Ok(1), false));
    }
    assert_eq!(common::alloc::made(), made);
    assert_eq!(client.poke(), Err(Error::WantRead));
}

/// A record that there is no memory for waits where it is, for as long as it takes.
#[test]
fn each_allocation_fails_in_turn_and_the_connection_goes_on() {
    let sizes = [1, 700, 16_384, 0, 5, 0, 0, 2000];
    for on in [false, true] {
        for max_read in [1, 4, 5, 1000, usize::MAX] {
            for n in 0.. {
                let _balance = Balance::start();
                let (mut client, mut raw, link) = connected();
                client.port.max_read = max_read;
                let idle = live();
                let all: Vec<_> = sizes.iter().flat_map(|size| raw.seal(DATA, &pattern(*size))).collect();
                link.inject(SERVER, &all);
                let (mut got, mut buf, mut failures) = (Vec::new(), [0; 900], 0);
                let expected: Vec<_> = sizes.iter().flat_map(|size| pattern(*size)).collect();
                while got.len() < expected.len() {
                    let (result, failed) = failing(n, on, || client.read(&mut buf));
                    let result = if failed {
                        failures += 1;
                        assert_eq!(result, Err(Error::NoMemory), "allocation {n}");
                        // Still none: what has come of the record is not asked for again.
                        let mut calls = Vec::new();
                        while client.socket.pending() == 0 && calls.len() < 3 {
                            let (result, _) = failing(0, true, || client.read(&mut buf));
                            assert_eq!(result, Err(Error::NoMemory), "allocation {n}");
                            calls.push(client.port.calls);
                        }
                        assert!(calls.windows(2).all(|calls| calls[0] == calls[1]), "{calls:?}");
                        client.read(&mut buf)
                    } else {
                        result
                    };
                    got.extend_from_slice(&buf[..result.unwrap()]);
                }
                assert!(got == expected, "allocation {n}");
                assert_eq!(client.poke(), Err(Error::WantRead));
                assert_eq!(live(), idle, "allocation {n}");
                assert_eq!(client.write(b"x"), Ok(1));
                if failures == 0 {
                    assert!(n > 1, "a read makes a buffer for the record and one for an alert");
                    break;
                }
            }
        }
    }
}

/// What Mbed TLS refuses of a header alone is refused as ever, and no memory is taken for it.
#[test]
fn headers_that_are_refused() {
    let longest = |n: usize| u16::try_from(LONGEST + n).unwrap().to_be_bytes();
    for (start, [high, low], expected) in [
        ([b'H', b'T', b'T'], *b"P/", INVALID_RECORD),
        ([0, 0, 0], [0, 0], INVALID_RECORD),
        ([19, 3, 3], [0, 20], INVALID_RECORD),
        ([24, 3, 3], [0, 20], INVALID_RECORD),
        ([25, 3, 3], [0, 20], INVALID_RECORD),
        ([DATA, 3, 4], [0, 20], INVALID_RECORD),
        ([DATA, 0xff, 0xff], [0x40, 0], INVALID_RECORD),
        ([DATA, 3, 3], [0, 0], INVALID_RECORD),
        ([HANDSHAKE, 3, 3], [0, 0], INVALID_RECORD),
        ([DATA, 3, 3], longest(1), TOO_LONG),
        ([DATA, 3, 3], [0xff, 0xff], TOO_LONG),
        ([CHANGE_CIPHER_SPEC, 3, 3], [0x80, 0], TOO_LONG),
    ] {
        for max_read in [1, 5, usize::MAX] {
            let _balance = Balance::start();
            let (mut client, _raw, link) = connected();
            let what = format!("{start:?} {high} {low}");
            client.port.max_read = max_read;
            let idle = live();
            link.inject(SERVER, &[&start[..], &[high, low], &[7; 40_000]].concat());
            take_peak();
            let calls = client.port.calls;
            assert_eq!(client.poke(), Err(expected), "{what}");
            // Five bytes, and no more, were read; an alert was sent.
            assert_eq!(client.port.calls - calls, if max_read == 1 { 6 } else { 2 }, "{what}");
            assert!(take_peak() - idle.bytes <= ALERT_BUFFER, "{what}");
            assert_eq!(live(), idle, "{what}");
            assert_eq!(client.poke(), Err(EBADF));
        }
    }
}

#[test]
fn records_at_the_limits() {
    // As long as fits, and of no more than two bytes' nonsense.
    for (len, expected) in [(LONGEST, INVALID_MAC), (1, INVALID_MAC), (24, INVALID_MAC)] {
        let _balance = Balance::start();
        let (mut client, _raw, link) = connected();
        let [high, low] = u16::try_from(len).unwrap().to_be_bytes();
        link.inject(SERVER, &[&[DATA, 3, 3, high, low], vec![7; len].as_slice()].concat());
        assert_eq!(client.poke(), Err(expected), "{len}");
        assert_eq!(client.poke(), Err(EBADF));
    }
    // More data than a record may have, and authentic.
    let _balance = Balance::start();
    let (mut client, mut raw, link) = connected();
    link.inject(SERVER, &raw.seal(DATA, &pattern(16_385)));
    assert_eq!(client.poke(), Err(INVALID_RECORD));
}

/// A handshake message in several records is gathered in one buffer, which grows.
#[test]
fn a_message_in_fragments_once_the_connection_is_open() {
    const UNEXPECTED: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE);
    // A message of a kind that is not expected, of a header and 300 bytes, or longer than Mbed TLS
    // can keep.
    let message = [&[20, 0, 1, 44], pattern(300).as_slice()].concat();
    for (fragments, expected) in [
        (message.chunks(304).collect::<Vec<_>>(), UNEXPECTED),
        (message.chunks(150).collect(), UNEXPECTED),
        (message.chunks(4).collect(), UNEXPECTED),
        ([&message[..4]].into_iter().chain(message[4..].chunks(1)).collect(), UNEXPECTED),
    ] {
        for failures in [false, true] {
            for max_read in [1, usize::MAX] {
                let _balance = Balance::start();
                let (mut client, mut raw, link) = connected();
                client.port.max_read = max_read;
                for fragment in &fragments {
                    link.inject(SERVER, &raw.seal(HANDSHAKE, fragment));
                }
                let mut result = Err(Error::NoMemory);
                let mut tries = 0;
                while result == Err(Error::NoMemory) {
                    // A record's, an alert's; each try gets a record or its header further.
                    let n = if failures { 2 } else { usize::MAX };
                    result = failing(n, false, || client.poke()).0;
                    tries += 1;
                    assert!(tries < 1000);
                }
                let whole = TAKES_FRAGMENTS || fragments.len() == 1;
                let expected = if whole { expected } else { NO_FRAGMENTS };
                assert_eq!(result, Err(expected), "{} fragments", fragments.len());
                assert!(!failures || !whole || fragments.len() < 3 || tries > 1);
                assert_eq!(client.poke(), Err(EBADF));
            }
        }
    }
    // Half a message, then silence, then the end; or something else.
    for other in [None, Some((DATA, b"data".as_slice()))] {
        let _balance = Balance::start();
        let (mut client, mut raw, link) = connected();
        link.inject(SERVER, &raw.seal(HANDSHAKE, &message[..200]));
        if !TAKES_FRAGMENTS {
            assert_eq!(client.poke(), Err(NO_FRAGMENTS));
            continue;
        }
        assert_eq!(client.poke(), Err(Error::WantRead));
        assert_eq!(client.write(b"meanwhile"), Ok(9));
        assert_eq!(client.poke(), Err(Error::WantRead));
        match other {
            Some((content_type, content)) => {
                link.inject(SERVER, &raw.seal(content_type, content));
                assert_eq!(client.poke(), Err(UNEXPECTED));
            }
            None => {
                link.hang_up(SERVER);
                assert_eq!(client.poke(), Ok(0));
            }
        }
    }
    // A message that says it has 16 MB: as much as Mbed TLS's buffer holds is gathered.
    let _balance = Balance::start();
    let (mut client, mut raw, link) = connected();
    let idle = live().bytes;
    link.inject(SERVER, &raw.seal(HANDSHAKE, &[&[20, 0xff, 0xff, 0xff][..], &pattern(4000)].concat()));
    for _ in 0..5 {
        link.inject(SERVER, &raw.seal(HANDSHAKE, &pattern(4000)));
    }
    take_peak();
    assert_eq!(client.poke(), Err(if TAKES_FRAGMENTS { TOO_LONG } else { NO_FRAGMENTS }));
    // The old buffer and the new.
    assert!(take_peak() - idle < 2 * (LONGEST + 100));
}

/// The stream ended in the handshake.
const CUT_OFF: Error = common::CUT;
const DECODE_ERROR: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_DECODE_ERROR);

/// How what a side sends in the clear is put into records anew.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Each message in records of so many bytes of it.
    Cut(usize),
    /// All messages of a flight together, in records of so many bytes.
    Joined(usize),
}

/// Lays the records out in another way, as long as they are in the clear.
fn lay_out(link: &Link, side: usize, layout: Layout) {
    let (mut plain, mut flight) = (true, Vec::new());
    link.wire(side).fault = Some(on_records(move |_, bytes| {
        plain &= bytes[0] != CHANGE_CIPHER_SPEC;
        if !plain || bytes[0] != HANDSHAKE {
            return Fate::Arrives;
        }
        let version = [bytes[1], bytes[2]];
        let message = bytes.split_off(5);
        let record = |content: &[u8]| {
            let len = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[HANDSHAKE][..], &version, &len, content].concat()
        };
        match layout {
            Layout::Cut(len) => *bytes = message.chunks(len).flat_map(record).collect(),
            Layout::Joined(len) => {
                // ClientHello, ServerHelloDone, CertificateVerify
                let last = [1, 14, 15].contains(&message[0]);
                flight.extend_from_slice(&message);
                if !last {
                    return Fate::Lost;
                }
                *bytes = flight.chunks(len).flat_map(record).collect();
                flight.clear();
            }
        }
        Fate::Arrives
    }));
}

#[test]
fn handshake_messages_in_fragments_and_together() {
    let cuts = [1, 2, 3, 4, 5, 7, 50, 300, 10_000].map(Layout::Cut);
    // A border in each header, at each of its places.
    let joined = (1..120).chain([300, 10_000]).map(Layout::Joined);
    for layout in cuts.into_iter().chain(joined) {
        for max_read in [1, 5, 6, usize::MAX] {
            let _balance = Balance::start();
            let mut pair = Setup { suites: &[GCM], ..Setup::mutual() }.pair();
            for side in [CLIENT, SERVER] {
                lay_out(&pair.link, side, layout);
                let port = &mut pair.end(side).port;
                port.max_read = max_read;
                port.gate = Some(std::boxed::Box::new(|call| {
                    if call % 3 == 0 { Err(Interruption::WouldBlock) } else { Ok(()) }
                }));
            }
            let refused = match layout {
                Layout::Joined(..1000) if !TAKES_HELLO_FRAGMENTS => continue,
                Layout::Cut(..200) if !TAKES_HELLO_FRAGMENTS => Some((SERVER, DECODE_ERROR)),
                Layout::Cut(..1000) if !TAKES_FRAGMENTS => Some((CLIENT, NO_FRAGMENTS)),
                _ => None,
            };
            if !TAKES_HELLO_FRAGMENTS && matches!(layout, Layout::Cut(..4)) {
                assert!(matches!(pair.handshake(), (Err(_), Err(_))), "{layout:?}");
                continue;
            }
            if let Some((side, error)) = refused {
                let (client, server) = pair.handshake();
                let (own, others) = if side == CLIENT { (client, server) } else { (server, client) };
                // The alert may meet a transport that takes nothing.
                assert!(own == Err(error) && [Err(ALERTED), Err(CUT_OFF)].contains(&others), "{layout:?}");
                continue;
            }
            assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{layout:?}, come by {max_read}");
            assert!(pair.server.socket.peer_verified() && pair.client.socket.peer_verified());
            (pair.client.port.gate, pair.server.port.gate) = (None, None);
            pair.converse();
        }
    }
}

/// Behind a header that is cut comes its rest: an alert is one, anything else is an error.
#[test]
fn what_comes_behind_a_cut_header() {
    const CUT: &[u8] = &[22, 3, 3, 0, 3, 2, 0, 0];
    let malformed = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_RECORD);
    let long = [&[22, 3, 3, 0x40, 0][..], &[0; 16_384]].concat();
    for (behind, error) in [
        (&[21, 3, 3, 0, 2, 2, 40][..], ALERTED),
        (&[20, 3, 3, 0, 1, 1], malformed),
        (&[23, 3, 3, 0, 4, 1, 2, 3, 4], malformed),
        // More than a record takes when it is joined.
        (&long, TOO_LONG),
    ] {
        for max_read in [1, usize::MAX] {
            let _balance = Balance::start();
            let mut pair = Setup::default().pair();
            pair.client.port.max_read = max_read;
            assert_eq!(pair.client.handshake(), Err(Error::WantRead));
            pair.link.inject(SERVER, CUT);
            assert_eq!(pair.client.handshake(), Err(Error::WantRead));
            pair.link.inject(SERVER, behind);
            assert_eq!(pair.client.handshake(), Err(error), "{:?}", &behind[..5]);
            pair.assert_failed(CLIENT);
        }
    }
    // Or the end.
    let _balance = Balance::start();
    let mut pair = Setup::default().pair();
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    pair.link.inject(SERVER, CUT);
    pair.link.hang_up(SERVER);
    assert_eq!(pair.client.handshake(), Err(CUT_OFF));
}

/// In the handshake too a record waits for memory, a part of a message likewise.
#[test]
fn fragments_of_a_handshake_with_each_allocation_failing() {
    if !TAKES_FRAGMENTS {
        return;
    }
    let _balance = Balance::start();
    let (mut client, mut server) = {
        let setup = Setup::mutual();
        (setup.client().unwrap(), setup.server().unwrap())
    };
    Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open().prove();
    let layouts = [Layout::Cut(100), Layout::Joined(3), Layout::Joined(101)];
    for layout in layouts.into_iter().take(if TAKES_HELLO_FRAGMENTS { 3 } else { 1 }) {
        each_allocation_fails(&mut client, &mut server, layout);
    }
}

/// Of handshakes whose messages come in this layout.
fn each_allocation_fails(client: &mut Context, server: &mut Context, layout: Layout) {
    let mut waited = 0;
    for n in 0.. {
        let level = live();
        let mut pair = Pair::new(client, server, Some("localhost")).unwrap();
        for side in [CLIENT, SERVER] {
            if side == SERVER || TAKES_HELLO_FRAGMENTS {
                lay_out(&pair.link, side, layout);
            }
        }
        let (results, failed) = failing(n, false, || pair.handshake());
        let results = pair.resume(results);
        let for_a_record =
            [&pair.client, &pair.server].iter().any(|end| end.port.reported.contains(&Error::NoMemory));
        waited += usize::from(for_a_record);
        if for_a_record || !failed {
            assert_eq!(results, (Ok(()), Ok(())), "allocation {n}");
            pair.prove();
        } else {
            drop(pair);
        }
        assert!(live().bytes <= level.bytes, "allocation {n}");
        if !failed {
            break;
        }
    }
    // Two certificates of some 400 bytes, and the rest.
    assert!(waited > 20, "{waited}");
}

#[test]
fn ten_thousand_records_of_random_sizes_leave_nothing() {
    let _balance = Balance::start();
    let mut pair = Setup { suites: &[GCM], ..Setup::default() }.open();
    let (idle, data) = (live(), pattern(4096));
    let mut dice = Dice::new(8);
    let mut buf = [0; 4096];
    for i in 0..10_000 {
        let side = dice.roll(2);
        let len = 1 + dice.roll(if i % 8 == 0 { 4096 } else { 200 });
        assert_eq!(pair.end(side).write(&data[..len]), Ok(len));
        let to = pair.end(1 - side);
        to.port.max_read = 1 + dice.roll(5000);
        let room = 1 + dice.roll(4096);
        let mut got = 0;
        while got < len {
            let n = to.read(&mut buf[..room]).unwrap();
            assert!(buf[..n] == data[got..got + n]);
            got += n;
        }
        assert_eq!((live(), to.socket.pending()), (idle, 0), "record {i} of {len}");
        pair.link.wire(side).sent.clear();
    }
    pair.prove();
}

/// Data that Python has not read is not left in memory that is given back.
#[test]
fn unread_data_is_wiped() {
    let _balance = Balance::start();
    let secret = b"a secret that nobody reads";
    let (mut client, mut raw, link) = connected();
    common::alloc::watch(secret);
    link.inject(SERVER, &raw.seal(DATA, &[b"x".as_slice(), secret].concat()));
    assert_eq!(client.poke(), Ok(1));
    assert_eq!(common::alloc::holding(), 1);
    drop(client);
    assert_eq!((common::alloc::holding(), common::alloc::spilled()), (0, 0));
}

/// Nor is what it has read, nor what it has written, over streams and datagrams; not when the
/// connection goes on, sleeps, or ends.
#[test]
fn data_is_wiped_with_its_record() {
    let _balance = Balance::start();
    let secret = b"a secret that somebody reads";
    let setup = Setup { suites: &[GCM], ..Setup::default() };
    let (mut pair, mut duo) = (setup.open(), common::Duo::of(setup));
    duo.open();
    duo.send(CLIENT, b"quiet");
    common::alloc::watch(secret);
    for sleeps in [false, true] {
        for n in [0, 1, 1000] {
            for side in [CLIENT, SERVER] {
                let data = [secret.as_slice(), &pattern(n), secret].concat();
                pair.transfer(side, &data);
                duo.send(side, &data);
                assert_eq!(common::alloc::holding(), 0, "{side}, {n}");
                if sleeps {
                    assert_eq!(pair.end(side).socket.hibernate(), Ok(true));
                    assert_eq!(duo.end(side).socket.hibernate(), Ok(true));
                }
            }
        }
    }
    pair.prove();
    duo.prove();
    assert_eq!(common::alloc::spilled(), 0);
}

/// Mbed TLS wipes what is read; of other records, and of what ends the connection, the buffer has
/// the plaintext when it is given back.
#[test]
fn what_is_no_data_is_wiped_with_its_record() {
    let secret = b"a secret that is not to be read";
    for (content_type, header) in
        [(ALERT, &[1, 100][..]), (HANDSHAKE, &[0, 0, 0, 31]), (CHANGE_CIPHER_SPEC, &[1])]
    {
        let _balance = Balance::start();
        let (mut client, mut raw, link) = connected();
        common::alloc::watch(secret);
        link.inject(SERVER, &raw.seal(content_type, &[header, secret].concat()));
        assert!(matches!(client.poke(), Err(Error::Tls(_))));
        drop(client);
        assert_eq!((common::alloc::holding(), common::alloc::spilled()), (0, 0), "{content_type}");
    }
}

/// A context of `protocol` that shows `own` certificates after the one named, and trusts the CA
/// `trusted` times.
fn context(protocol: i32, name: &str, own: usize, trusted: usize) -> Box<Context> {
    let text = |name: &str| {
        let mut pem = common::pki::cert(name);
        pem.pop();
        pem
    };
    let mut context = tls12(Context::new(protocol, 2));
    let mut pem = text(name);
    for _ in 0..own {
        pem.extend_from_slice(&text("ca"));
    }
    context.load_cert_chain(Some(&common::pki::with_nul(pem)), &common::pki::key(name), None, true).unwrap();
    let anchors = std::iter::repeat_n(text("ca"), trusted).flatten().collect();
    context.load_verify_locations(&common::pki::with_nul(anchors)).unwrap();
    context
}

/// The longest messages of a handshake find room: Mbed TLS does not look, the allocator does.
#[test]
fn messages_of_a_handshake_as_long_as_they_get() {
    let _balance = Balance::start();
    let refused = Error::Tls(sys::MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL);
    let (mut fit, mut too_long) = (0, 0);
    for datagram in [false, true] {
        let protocol = if datagram { 2 } else { 0 };
        for (own, trusted) in
            [(0, 1), (1, 2), (3, 10), (5, 60), (7, 300), (9, 1), (12, 1), (20, 1), (33, 1), (45, 1), (60, 1)]
        {
            let mut client = context(protocol, "client", own, trusted);
            let mut server = context(protocol | 1, "rsa", own, trusted);
            let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
            if datagram {
                // Nobody asks for a cookie here.
                pair.server.socket =
                    Socket::new(&mut server, Options { hello_verify: false, ..options(None, None) }).unwrap();
            }
            let what = format!("{own} more certificates, {trusted} authorities, datagrams: {datagram}");
            match pair.handshake() {
                (Ok(()), Ok(())) => {
                    fit += 1;
                    pair.prove();
                }
                (_, Err(error)) => {
                    assert!(error == refused || error == TOO_LONG, "{what}: {error:?}");
                    too_long += 1;
                }
                results => panic!("{what}: {results:?}"),
            }
        }
    }
    assert!(fit >= 10 && too_long >= 2, "{fit}, {too_long}");
}

/// One's own chain may be as long as a record of the handshake gets, and a record of data is as short
/// as ever; the memory for it is there only while it is sent.
#[test]
fn a_chain_of_one_s_own_of_16_kilobytes() {
    let _balance = Balance::start();
    for datagram in [false, true] {
        let protocol = if datagram { 2 } else { 0 };
        for own in [0, 12, 30] {
            let mut client = context(protocol, "client", own, 1);
            let mut server = context(protocol | 1, "rsa", own, 1);
            let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
            if datagram {
                let options = Options { hello_verify: false, ..options(None, None) };
                pair.server.socket = Socket::new(&mut server, options).unwrap();
            }
            let level = live().bytes;
            take_peak();
            let mut pair = pair.open();
            assert!(own > 0 || take_peak() - level < 20_000, "it takes its length, and no more");
            assert_eq!(pair.client.write(&pattern(4096)), Ok(4096));
            let longer = pair.client.write(&pattern(5000));
            assert!(if datagram { longer.is_err() } else { longer == Ok(4096) }, "{longer:?}");
            let mut buf = [0; 5000];
            assert_eq!(pair.server.read(&mut buf), Ok(4096));
            if !datagram {
                assert_eq!(pair.server.read(&mut buf), Ok(4096));
            }
            if datagram {
                let longest = pair.link.wire(SERVER).sent.iter().map(Vec::len).max();
                assert!(longest < Some(4600), "as without: {longest:?}");
            }
            pair.transfer(SERVER, &pattern(1000));
            pair.prove();
        }
    }
}

#[test]
fn host_names_of_every_length() {
    let _balance = Balance::start();
    let setup = Setup { client_mode: 1, ..Setup::default() };
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    for len in (1..=255).step_by(2) {
        let name: String = (1..=len).map(|i| if i % 60 == 0 { '.' } else { 'x' }).collect();
        let mut pair = Pair::new(&mut client, &mut server, Some(&name)).unwrap();
        assert_eq!(pair.client.handshake(), Err(Error::WantRead), "{len}");
    }
    Pair::new(&mut client, &mut server, Some(&"x".repeat(255))).unwrap().open().prove();
}

#[test]
fn a_peak_of_a_handshake() {
    let _balance = Balance::start();
    let setup = Setup { suites: &[GCM], ..Setup::mutual() };
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open().prove();
    let level = live().bytes;
    take_peak();
    let pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open();
    // Of both sides; each had more than 21 KB of buffers.
    let peak = take_peak() - level;
    assert!(peak < 21_000, "{peak}");
    pair.prove();
}

fn long() -> bool {
    std::env::var_os("MPSSL_LONG").is_some_and(|value| value == "1")
}

/// With MPSSL_LONG=1 in the environment ten thousand.
#[test]
fn connections_opened_and_closed_leave_nothing() {
    let _balance = Balance::start();
    let n = if long() { 10_000 } else { 200 };
    for datagram in [false, true] {
        let setup = Setup { datagram, client_mode: 0, ..Setup::default() };
        let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
        let mut level = None;
        for i in 0..n {
            let mut pair = Pair::new(&mut client, &mut server, None).unwrap();
            if datagram {
                pair.server.socket =
                    Socket::new(&mut server, Options { hello_verify: false, ..options(None, None) }).unwrap();
            }
            // Some end early.
            if i % 5 != 4 {
                pair = pair.open();
                pair.transfer(CLIENT, b"data");
            }
            drop(pair);
            assert_eq!(*level.get_or_insert_with(live), live(), "connection {i}");
        }
    }
}
