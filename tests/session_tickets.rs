// SPDX-License-Identifier: MIT OR Apache-2.0
//! NewSessionTickets (RFC 8446 4.6.1) that a server has made up: which become a client's session, which are
//! passed over, and which end the connection.
#![cfg(all(sessions, tls13))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::rc::Rc;

use common::alloc::{failing, live};
use common::raw::Raw;
use common::{Balance, CLIENT, End, Link, Setup, options, run};
use micropython_ssl::context::Context;
use micropython_ssl::error::Error;
use micropython_ssl::mbedtls::sys;
use micropython_ssl::mem;
use micropython_ssl::micropython_sys::MPSSL_OP_NO_TICKET;
use micropython_ssl::session::Session;
use micropython_ssl::socket::{Options, Socket};

const DECODE_ERROR: i32 = sys::MBEDTLS_ERR_SSL_DECODE_ERROR;
const ILLEGAL_PARAMETER: i32 = sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER;
const WEEK: u32 = 604_800;

fn keeping() -> mem::Box<Context> {
    let mut context = Setup { tls13: true, ..Setup::default() }.client().unwrap();
    let options = context.options() & !MPSSL_OP_NO_TICKET;
    context.set_options(options).unwrap();
    context
}

fn begin(context: &mut Context, session: Option<&Session>) -> (End, Raw, Rc<Link>) {
    let (link, client, server) = Link::new(false);
    let of_client = Options { session, ..options(Some(b"localhost\0"), None) };
    let socket = Socket::new(context, of_client).unwrap();
    (End { socket, port: client }, Raw::new(server), link)
}

fn connect(context: &mut Context, session: Option<&Session>) -> (End, Raw, Rc<Link>) {
    let (mut client, mut raw, link) = begin(context, session);
    assert_eq!(run(&mut client, &mut raw, End::handshake, Raw::handshake), (Ok(()), Ok(())));
    (client, raw, link)
}

struct Ticket<'a> {
    lifetime: u32,
    nonce: &'a [u8],
    ticket: &'a [u8],
    extensions: &'a [u8],
}

const GOOD: Ticket<'static> = Ticket { lifetime: 60, nonce: b"n", ticket: b"a good ticket", extensions: &[] };

impl Ticket<'_> {
    fn message(&self) -> Vec<u8> {
        let mut body = [self.lifetime.to_be_bytes(), [1, 2, 3, 4]].concat();
        body.push(self.nonce.len() as u8);
        body.extend(self.nonce);
        for vector in [self.ticket, self.extensions] {
            body.extend((vector.len() as u16).to_be_bytes());
            body.extend(vector);
        }
        message(&body)
    }
}

fn message(body: &[u8]) -> Vec<u8> {
    let [_, len @ ..] = (body.len() as u32).to_be_bytes();
    [&[4][..], &len, body].concat()
}

/// What a message comes to, in records of so many bytes: the session, or what a read reports.
fn sent(message: &[u8], record: usize) -> Result<Option<mem::Box<Session>>, Error> {
    let (mut client, mut raw, _) = connect(&mut keeping(), None);
    for part in message.chunks(record) {
        raw.send_record(22, part).unwrap();
        match client.read(&mut [0; 10]) {
            Err(Error::WantRead) => {}
            Err(error) => {
                assert!(client.socket.session().unwrap().is_none());
                assert!(client.poke().is_err());
                return Err(error);
            }
            Ok(n) => panic!("{n} bytes"),
        }
    }
    raw.write(b"x").unwrap();
    assert_eq!(client.read(&mut [0; 10]), Ok(1));
    client.write(b"y").unwrap();
    assert_eq!(raw.read(&mut [0; 10]), Ok(1));
    Ok(client.socket.session().unwrap())
}

/// A session that is one: it is offered with its ticket, and a server that does not know that goes on without.
fn is_offered(session: &Session, ticket: &[u8]) {
    let saved = Session::load(session.bytes()).unwrap();
    let (client, _, link) = connect(&mut keeping(), Some(&saved));
    assert_eq!(client.socket.session_reused(), Some(false));
    let hello = link.wire(CLIENT).transcript();
    assert!(hello.windows(ticket.len()).any(|window| window == ticket));
}

#[test]
fn tickets_that_are_kept() {
    let unknown = [&[0xfa, 0xfa, 0, 0, 0xfe, 0, 0, 3, 1, 2, 3][..], &[0, 42, 0, 4, 0, 0, 1, 0]].concat();
    let long = vec![0x5a; 3072];
    for (what, ticket, timeout) in [
        ("as they are", GOOD, 60),
        ("no nonce", Ticket { nonce: &[], ..GOOD }, 60),
        ("a long nonce", Ticket { nonce: &[7; 32], ..GOOD }, 60),
        ("a byte", Ticket { ticket: b"\x5b", ..GOOD }, 60),
        ("a long ticket", Ticket { ticket: &long, ..GOOD }, 60),
        ("a week", Ticket { lifetime: WEEK, ..GOOD }, WEEK),
        // "Servers MUST NOT use any value greater than 604800"; a client "MUST NOT cache tickets for longer".
        ("more than a week", Ticket { lifetime: WEEK + 1, ..GOOD }, WEEK),
        ("for ever", Ticket { lifetime: u32::MAX, ..GOOD }, WEEK),
        ("unknown extensions", Ticket { extensions: &unknown, ..GOOD }, 60),
    ] {
        let _balance = Balance::start();
        let session = sent(&ticket.message(), 1000).unwrap().expect(what);
        let told = session.describe().unwrap();
        assert_eq!(
            (told.timeout, told.lifetime_hint, told.has_ticket),
            (timeout, ticket.lifetime, true),
            "{what}"
        );
        is_offered(&session, ticket.ticket);
    }
}

#[test]
fn tickets_that_are_passed_over() {
    let long = vec![0x5a; 3073];
    for (what, ticket) in [
        ("of no use", Ticket { lifetime: 0, ..GOOD }),
        ("too long for a hello", Ticket { ticket: &long, ..GOOD }),
        // Mbed TLS makes no key of it.
        ("a nonce that is too long", Ticket { nonce: &[7; 255], ..GOOD }),
    ] {
        let _balance = Balance::start();
        assert!(sent(&ticket.message(), 1000).unwrap().is_none(), "{what}");
    }
    // Nor do they take the place of a good one.
    let (mut client, mut raw, _) = connect(&mut keeping(), None);
    raw.send_record(22, &GOOD.message()).unwrap();
    raw.send_record(22, &Ticket { lifetime: 0, ..GOOD }.message()).unwrap();
    assert_eq!(client.poke(), Err(Error::WantRead));
    is_offered(&client.socket.session().unwrap().unwrap(), GOOD.ticket);
}

#[test]
fn tickets_that_are_wrong() {
    let good = GOOD.message()[4..].to_vec();
    let refused = |what: &str, body: &[u8], expected: i32| {
        let _balance = Balance::start();
        assert_eq!(sent(&message(body), 1000).err(), Some(Error::Tls(expected)), "{what}");
    };
    // Each length but the right one. Of a message without a body Mbed TLS says so itself.
    refused("nothing", &[], sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE);
    for len in 1..good.len() {
        refused("cut", &good[..len], DECODE_ERROR);
    }
    refused("a byte behind it", &[&good[..], &[0]].concat(), DECODE_ERROR);
    refused("no ticket", &Ticket { ticket: &[], ..GOOD }.message()[4..], DECODE_ERROR);
    for (what, extensions, expected) in [
        ("half an extension", &[0, 42, 0][..], DECODE_ERROR),
        ("a type", &[0, 42], DECODE_ERROR),
        ("a header", &[0, 42, 0, 4], DECODE_ERROR),
        ("an extension that is longer", &[0, 42, 0, 5, 0, 0, 0, 1], DECODE_ERROR),
        ("a byte behind one", &[0, 42, 0, 4, 0, 0, 0, 1, 0], DECODE_ERROR),
        ("one twice", &[0, 42, 0, 4, 0, 0, 0, 1, 0, 42, 0, 4, 0, 0, 0, 1], ILLEGAL_PARAMETER),
        ("an unknown one twice", &[0xfa, 0xfa, 0, 0, 0, 1, 0, 0, 0xfa, 0xfa, 0, 0], ILLEGAL_PARAMETER),
    ] {
        refused(what, &Ticket { extensions, ..GOOD }.message()[4..], expected);
    }
    // Lengths that lie.
    for at in [8, 10, good.len() - 2] {
        let mut body = good.clone();
        body[at] = 0xff;
        refused("a length", &body, DECODE_ERROR);
    }
}

/// Byte by byte, with empty time between.
#[test]
fn a_ticket_in_records_of_a_byte() {
    let _balance = Balance::start();
    let long = vec![0x5a; 700];
    for ticket in [GOOD, Ticket { ticket: &long, nonce: &[3; 32], ..GOOD }] {
        let session = sent(&ticket.message(), 1).unwrap().unwrap();
        is_offered(&session, ticket.ticket);
    }
}

/// Longer than any buffer: the connection ends, or goes on; nothing is written where it should not be.
#[test]
fn a_ticket_of_the_greatest_length() {
    for len in [8_000, 16_000, 16_385, 40_000, 65_535] {
        let _balance = Balance::start();
        let ticket = vec![0x5a; len];
        match sent(&Ticket { ticket: &ticket, ..GOOD }.message(), 4000) {
            Ok(session) => assert!(session.is_none(), "{len}"),
            Err(Error::Tls(_) | Error::Errno(_)) => {}
            Err(other) => panic!("{len}: {other:?}"),
        }
    }
}

/// However many come, one is kept, the last.
#[test]
fn thousands_of_tickets() {
    let (mut client, mut raw, _) = connect(&mut keeping(), None);
    let mut levels = Vec::new();
    for n in 0..3000_u16 {
        let ticket = [&b"number "[..], &n.to_be_bytes()].concat();
        raw.send_record(22, &Ticket { ticket: &ticket, ..GOOD }.message()).unwrap();
        assert_eq!(client.poke(), Err(Error::WantRead), "{n}");
        levels.push(live().bytes);
    }
    assert_eq!(levels[1..].iter().max(), levels[1..].iter().min());
    is_offered(&client.socket.session().unwrap().unwrap(), b"number \x0b\xb7");
    // And in one go, with data behind them.
    for _ in 0..200 {
        raw.send_record(22, &GOOD.message().repeat(20)).unwrap();
    }
    raw.write(b"x").unwrap();
    assert_eq!(client.read(&mut [0; 10]), Ok(1));
    is_offered(&client.socket.session().unwrap().unwrap(), GOOD.ticket);
}

/// A server may send one before it has the client's Finished (4.6.1: "by including the client's Finished
/// transcript", which it can make up); and none before its own.
#[test]
fn tickets_that_come_early() {
    let _balance = Balance::start();
    let (mut client, mut raw, _) = begin(&mut keeping(), None);
    assert_eq!(client.handshake(), Err(Error::WantRead));
    raw.handshake_to(sys::MBEDTLS_SSL_CLIENT_FINISHED);
    raw.begin_data();
    raw.send_record(22, &GOOD.message()).unwrap();
    assert_eq!(client.handshake(), Ok(()));
    assert_eq!(client.poke(), Err(Error::WantRead));
    is_offered(&client.socket.session().unwrap().unwrap(), GOOD.ticket);

    for state in [
        sys::MBEDTLS_SSL_SERVER_CERTIFICATE,
        sys::MBEDTLS_SSL_CERTIFICATE_VERIFY,
        sys::MBEDTLS_SSL_SERVER_FINISHED,
    ] {
        let (mut client, mut raw, _) = begin(&mut keeping(), None);
        assert_eq!(client.handshake(), Err(Error::WantRead));
        raw.handshake_to(state);
        raw.send_record(22, &GOOD.message()).unwrap();
        let unexpected = Err(Error::Tls(sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE));
        assert_eq!(client.handshake(), unexpected, "{state}");
        assert!(client.socket.session().unwrap().is_none());
    }
}

/// Without memory for one the last one stays, and the connection.
#[test]
fn tickets_without_memory() {
    let mut context = keeping();
    drop(connect(&mut context, None));
    for on in [false, true] {
        let (mut kept, mut lost) = (0, 0);
        for n in 0.. {
            let level = live();
            let (mut client, mut raw, _) = connect(&mut context, None);
            raw.send_record(22, &GOOD.message()).unwrap();
            assert_eq!(client.poke(), Err(Error::WantRead));
            let other = Ticket { ticket: b"another ticket", nonce: b"other", ..GOOD };
            raw.send_record(22, &other.message()).unwrap();
            let (result, failed) = failing(n, on, || client.poke());
            assert!(matches!(result, Err(Error::WantRead | Error::NoMemory)), "{n}: {result:?}");
            assert_eq!(client.poke(), Err(Error::WantRead), "{n}");
            let session = client.socket.session().unwrap().unwrap();
            let of = |ticket: &[u8]| session.bytes().windows(ticket.len()).any(|window| window == ticket);
            assert!(of(GOOD.ticket) != of(other.ticket), "{n}");
            kept += usize::from(of(other.ticket));
            lost += usize::from(of(GOOD.ticket));
            raw.write(b"x").unwrap();
            assert_eq!(client.read(&mut [0; 10]), Ok(1), "{n}");
            drop((client, raw, session));
            assert_eq!(live(), level, "{n}");
            if !failed {
                break;
            }
        }
        assert!(kept > 0 && lost > 0, "{kept} {lost}");
    }
}

/// A context that asks for none looks at none.
#[test]
fn tickets_that_nobody_asked_for() {
    let _balance = Balance::start();
    let (mut client, mut raw, _) =
        connect(&mut Setup { tls13: true, ..Setup::default() }.client().unwrap(), None);
    raw.send_record(22, &GOOD.message()).unwrap();
    raw.write(b"x").unwrap();
    assert_eq!(client.read(&mut [0; 10]), Ok(1));
    assert!(client.socket.session().unwrap().is_none());
}
