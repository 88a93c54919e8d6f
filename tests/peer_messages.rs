// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the RFCs forbid in a peer's message, and Mbed TLS passes over: each with its alert.
#![cfg(mbedtls_ssl_handshake_with_cert_enabled)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::time::{Duration, Instant};

use common::datagrams::Duo;
use common::raw::Raw;
use common::{
    ALERTED, Balance, CLIENT, End, Fate, Link, SERVER, Setup, is_message, on_records, records, run,
};
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::sys;
use micropython_ssl::socket::{Options, Socket};

const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
const UNSUPPORTED_EXTENSION: u8 = 110;

const ENOMEM: Error = Error::Errno(12);

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Changes the body of each message of this kind that `side` sends; of a stream, or of datagrams where
/// it is the first in one.
fn change(link: &Link, side: usize, kind: u8, datagrams: bool, change: impl Fn(&mut Vec<u8>) + 'static) {
    let (record, header) = if datagrams { (13, 12) } else { (5, 4) };
    let one = move |_: usize, bytes: &mut Vec<u8>| {
        let in_clear =
            bytes[0] == 22 && if datagrams { bytes[3..5] == [0, 0] } else { is_message(bytes, kind) };
        if in_clear && bytes[record] == kind {
            let end = record + usize::from(u16::from_be_bytes([bytes[record - 2], bytes[record - 1]]));
            let behind = bytes.split_off(end);
            let mut body = bytes.split_off(record + header);
            change(&mut body);
            let len = body.len() as u16;
            bytes[record - 2..record].copy_from_slice(&(len + header as u16).to_be_bytes());
            bytes[record + 2..record + 4].copy_from_slice(&len.to_be_bytes());
            if datagrams {
                bytes[record + 10..record + 12].copy_from_slice(&len.to_be_bytes());
            }
            bytes.append(&mut body);
            bytes.extend(behind);
        }
        Fate::Arrives
    };
    link.wire(side).fault = Some(if datagrams { Box::new(one) } else { on_records(one) });
}

/// The alerts in the clear that `side` has sent.
fn alerts(link: &Link, side: usize, datagrams: bool) -> Vec<[u8; 2]> {
    let sent = link.wire(side).transcript();
    let header = if datagrams { 13 } else { 5 };
    let datagrams_sent = link.wire(side).sent.clone();
    let records: Vec<&[u8]> =
        if datagrams { datagrams_sent.iter().map(Vec::as_slice).collect() } else { records(&sent) };
    let alerts = records.into_iter().filter(|record| record[0] == 21 && record.len() == header + 2);
    alerts.map(|record| [record[header], record[header + 1]]).collect()
}

/// A hello: what is before its extensions, and those.
struct Hello {
    head: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    fn read(kind: u8, datagrams: bool, body: &[u8]) -> Self {
        let mut at = 34;
        at += 1 + usize::from(body[at]);
        if kind == CLIENT_HELLO {
            if datagrams {
                at += 1 + usize::from(body[at]);
            }
            at += 2 + usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
            at += 1 + usize::from(body[at]);
        } else {
            at += 3;
        }
        let (head, rest) = body.split_at(at);
        let mut rest = rest.get(2..).unwrap_or_default();
        let mut extensions = Vec::new();
        while let [a, b, high, low, behind @ ..] = rest {
            let (data, behind) = behind.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            extensions.push((u16::from_be_bytes([*a, *b]), data.to_vec()));
            rest = behind;
        }
        Self { head: head.to_vec(), extensions }
    }

    fn set(&mut self, extension: u16, data: &[u8]) {
        self.extensions.retain(|(kind, _)| *kind != extension);
        self.extensions.push((extension, data.to_vec()));
    }

    fn bytes(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        for (kind, data) in &self.extensions {
            extensions.extend([kind.to_be_bytes(), (data.len() as u16).to_be_bytes()].concat());
            extensions.extend(data);
        }
        [&self.head[..], &(extensions.len() as u16).to_be_bytes(), &extensions].concat()
    }
}

type Fault = fn(&mut Hello);

/// A change of a hello's body.
fn on_hello(kind: u8, datagrams: bool, edit: impl Fn(&mut Hello)) -> impl Fn(&mut Vec<u8>) {
    move |body| {
        let mut hello = Hello::read(kind, datagrams, body);
        edit(&mut hello);
        *body = hello.bytes();
    }
}

/// The first extension comes once more.
fn first_again(hello: &mut Hello) {
    let first = hello.extensions[0].clone();
    hello.extensions.push(first);
}

/// Both transports; what the side that gets the hello says of it.
fn refused(kind: u8, cases: &[(&str, Fault, u8)]) {
    let sender = if kind == CLIENT_HELLO { CLIENT } else { SERVER };
    for &(what, fault, expected) in cases {
        for datagram in [false, true] {
            let _balance = Balance::start();
            let setup = Setup { datagram, ..Setup::default() };
            let edit = on_hello(kind, datagram, fault);
            let (results, alerts) = if datagram {
                let mut duo = Duo::of(setup);
                change(&duo.link, sender, kind, true, edit);
                (duo.handshake(), alerts(&duo.link, 1 - sender, true))
            } else {
                let mut pair = setup.pair();
                change(&pair.link, sender, kind, false, edit);
                (pair.handshake(), alerts(&pair.link, 1 - sender, false))
            };
            let error = if sender == CLIENT { &results.1 } else { &results.0 };
            assert!(matches!(error, Err(Error::Tls(_))), "{what} ({datagram}): {results:?}");
            assert_eq!(alerts, [[2, expected]], "{what} ({datagram}): {results:?}");
        }
    }
}

/// RFC 5246 7.4.1.2, 7.4.1.4, RFC 6066 3, RFC 8422 5.1.
#[test]
fn client_hellos() {
    refused(
        CLIENT_HELLO,
        &[
            (
                "an unknown extension twice",
                |hello| {
                    hello.extensions.extend([(0x7777, vec![]), (0x7777, vec![1])]);
                },
                DECODE_ERROR,
            ),
            ("a known one twice", first_again, DECODE_ERROR),
            ("no signature algorithm", |hello| hello.set(13, &[0, 0]), DECODE_ERROR),
            ("half a signature algorithm", |hello| hello.set(13, &[0, 3, 4, 3, 4]), DECODE_ERROR),
            ("signature algorithms and a byte", |hello| hello.set(13, &[0, 2, 4, 3, 0]), DECODE_ERROR),
            ("no list of signature algorithms", |hello| hello.set(13, &[]), DECODE_ERROR),
            ("no group", |hello| hello.set(10, &[0, 0]), DECODE_ERROR),
            ("half a group", |hello| hello.set(10, &[0, 3, 0, 23, 0]), DECODE_ERROR),
            ("groups and a byte", |hello| hello.set(10, &[0, 2, 0, 23, 0]), DECODE_ERROR),
            ("no point format", |hello| hello.set(11, &[0]), DECODE_ERROR),
            ("point formats and a byte", |hello| hello.set(11, &[1, 0, 0]), DECODE_ERROR),
            ("compressed points only", |hello| hello.set(11, &[2, 1, 2]), ILLEGAL_PARAMETER),
            ("no server name", |hello| hello.set(0, &[0, 0]), DECODE_ERROR),
            ("an empty extension for it", |hello| hello.set(0, &[]), DECODE_ERROR),
            ("an empty server name", |hello| hello.set(0, &[0, 3, 0, 0, 0]), DECODE_ERROR),
            ("a server name and a byte", |hello| hello.set(0, &[0, 4, 0, 0, 1, b'a', 0]), DECODE_ERROR),
            ("half a server name", |hello| hello.set(0, &[0, 4, 0, 0, 2, b'a']), DECODE_ERROR),
            ("no null compression", |hello| *hello.head.last_mut().unwrap() = 1, ILLEGAL_PARAMETER),
        ],
    );
}

/// What is right must pass: the list's order, an unknown extension, more formats than one.
#[test]
fn client_hellos_with_what_is_unknown() {
    let good: [(&str, Fault); 4] = [
        ("an unknown extension", |hello| hello.extensions.push((0x7777, vec![1, 2, 3]))),
        ("an unknown group and algorithm", |hello| {
            hello.set(10, &[0, 4, 0x77, 0x77, 0, 23]);
            hello.set(13, &[0, 4, 0x77, 0x77, 4, 3]);
        }),
        ("more formats", |hello| hello.set(11, &[3, 1, 0, 2])),
        ("two compressions", |hello| {
            hello.head.pop();
            *hello.head.last_mut().unwrap() = 2;
            hello.head.extend([1, 0]);
        }),
    ];
    for (what, edit) in good {
        let mut pair = Setup::default().pair();
        change(&pair.link, CLIENT, CLIENT_HELLO, false, on_hello(CLIENT_HELLO, false, edit));
        let results = pair.handshake();
        // The ends disagree about the transcript at last: the server has taken the hello.
        assert_eq!(results.0.unwrap_err(), ALERTED, "{what}");
        assert_eq!(pair.link.wire(SERVER).transcript()[5], SERVER_HELLO, "{what}");
        assert_ne!(alerts(&pair.link, SERVER, false), [[2, DECODE_ERROR]], "{what}");
    }
}

/// Looking for an extension that comes twice costs little, however many there are: compared each with
/// each, they cost some hundred handshakes.
#[test]
fn a_hello_with_as_many_extensions_as_fit() {
    const LONGEST: usize = sys::MBEDTLS_SSL_IN_CONTENT_LEN as usize;
    let quickest = |run: &dyn Fn() -> Duration| (0..5).map(|_| run()).min().unwrap();
    let handshake = quickest(&|| {
        let mut pair = Setup::default().pair();
        let begun = Instant::now();
        assert_eq!(pair.handshake(), (Ok(()), Ok(())));
        begun.elapsed()
    });
    // Of every kind: one behind the other, and far from each other.
    for stride in [1, 7, 16] {
        let hello = quickest(&|| {
            let mut pair = Setup::default().pair();
            change(&pair.link, CLIENT, CLIENT_HELLO, false, move |body| {
                let mut hello = Hello::read(CLIENT_HELLO, false, body);
                let types = (0x100..).step_by(stride).take((LONGEST - 100 - body.len()) / 4);
                hello.extensions.extend(types.map(|kind: u16| (kind, vec![])));
                *body = hello.bytes();
            });
            assert_eq!(pair.client.handshake(), Err(Error::WantRead));
            let begun = Instant::now();
            assert_eq!(pair.server.handshake(), Err(Error::WantRead));
            let elapsed = begun.elapsed();
            assert_eq!(pair.link.wire(SERVER).transcript()[5], SERVER_HELLO);
            elapsed
        });
        assert!(hello < 30 * handshake, "types {stride} apart: {hello:?}, a handshake {handshake:?}");
    }
}

/// "An extension type MUST NOT appear in the ServerHello unless the same extension type appeared in
/// the corresponding ClientHello. If a client receives an extension type in ServerHello that it did
/// not request in the associated ClientHello, it MUST abort the handshake with an
/// unsupported_extension fatal alert." (RFC 5246 7.4.1.4)
#[test]
fn server_hellos() {
    refused(
        SERVER_HELLO,
        &[
            ("an unknown extension", |hello| hello.set(0x7777, &[]), UNSUPPORTED_EXTENSION),
            ("session_ticket", |hello| hello.set(35, &[]), UNSUPPORTED_EXTENSION),
            (
                "application_layer_protocol_negotiation",
                |hello| {
                    hello.set(16, &[0, 3, 2, b'h', b'2']);
                },
                UNSUPPORTED_EXTENSION,
            ),
            ("max_fragment_length", |hello| hello.set(1, &[1]), UNSUPPORTED_EXTENSION),
            ("supported_versions", |hello| hello.set(43, &[3, 4]), UNSUPPORTED_EXTENSION),
            ("use_srtp", |hello| hello.set(14, &[0, 2, 0, 1, 0]), UNSUPPORTED_EXTENSION),
            ("status_request", |hello| hello.set(5, &[]), UNSUPPORTED_EXTENSION),
            (
                "an unknown extension twice",
                |hello| {
                    hello.extensions.extend([(0x7777, vec![]), (0x7777, vec![])]);
                },
                DECODE_ERROR,
            ),
            ("a known one twice", first_again, DECODE_ERROR),
            ("a server name that says something", |hello| hello.set(0, &[0]), DECODE_ERROR),
            ("compressed points only", |hello| hello.set(11, &[1, 1]), ILLEGAL_PARAMETER),
            ("no point format", |hello| hello.set(11, &[0]), DECODE_ERROR),
        ],
    );
}

/// A name that was not sent is not to be acknowledged: none, or an address (RFC 6066 3).
#[test]
fn an_acknowledged_server_name() {
    for (hostname, asked) in [(Some("localhost"), true), (Some("127.0.0.1"), false), (None, false)] {
        let _balance = Balance::start();
        let mut pair = Setup { hostname, client_mode: 0, ..Setup::default() }.pair();
        let acknowledge = on_hello(SERVER_HELLO, false, |hello| hello.set(0, &[]));
        change(&pair.link, SERVER, SERVER_HELLO, false, acknowledge);
        let results = pair.handshake();
        assert!(results.0.is_err());
        let refused = alerts(&pair.link, CLIENT, false) == [[2, UNSUPPORTED_EXTENSION]];
        assert_eq!(refused, !asked, "{hostname:?}: {results:?}");
    }
}

/// "Uncompressed" is the one format (RFC 8422 5.1.2): Mbed TLS reads the compressed ones.
#[test]
fn compressed_points() {
    for (sender, kind, at) in [(CLIENT, CLIENT_KEY_EXCHANGE, 0), (SERVER, SERVER_KEY_EXCHANGE, 3)] {
        let _balance = Balance::start();
        let setup = Setup::default();
        let mut client = setup.client().unwrap();
        client.set_groups([b"secp256r1".as_slice()].into_iter()).unwrap();
        let mut pair = common::Pair::new(&mut client, &mut setup.server().unwrap(), setup.hostname).unwrap();
        change(&pair.link, sender, kind, false, move |body| {
            assert_eq!(body[at..at + 2], [65, 4]);
            let odd = body[at + 65] & 1;
            body[at] = 33;
            body[at + 1] = 2 + odd;
            body.drain(at + 34..at + 66);
        });
        let results = pair.handshake();
        assert_eq!(alerts(&pair.link, 1 - sender, false), [[2, ILLEGAL_PARAMETER]], "{results:?}");
    }
}

/// And a key share of X25519 may begin with any byte.
#[test]
fn shares_of_x25519_that_look_compressed() {
    let setup = Setup::default();
    for _ in 0..3000 {
        let [mut client, mut server] = [setup.client().unwrap(), setup.server().unwrap()];
        for context in [&mut client, &mut server] {
            if context.set_groups([b"x25519".as_slice(), b"secp256r1"].into_iter()).is_err() {
                return;
            }
        }
        let mut pair = common::Pair::new(&mut client, &mut server, setup.hostname).unwrap();
        assert_eq!(pair.handshake(), (Ok(()), Ok(())));
        let share = &sent(&pair.link, CLIENT_KEY_EXCHANGE)[0][9..];
        assert_eq!((share.len(), share[0]), (33, 32));
        if [2, 3].contains(&share[1]) {
            return;
        }
    }
    panic!("no share that begins with 2 or 3");
}

/// Nothing is behind the cookie (RFC 6347 4.2.1).
#[test]
fn a_hello_verify_request_with_a_byte_behind_it() {
    let mut duo = Duo::of(Setup { client_mode: 0, ..Setup::default() });
    change(&duo.link, SERVER, 3, true, |body| body.push(0));
    assert!(duo.handshake().0.is_err());
    assert_eq!(alerts(&duo.link, CLIENT, true), [[2, DECODE_ERROR]]);
}

/// RFC 5246 7.4.4: each list has something in it.
#[test]
fn certificate_requests() {
    for (what, edit) in [
        (
            "no certificate type",
            (|body| drop(body.splice(..1 + usize::from(body[0]), [0]))) as fn(&mut Vec<u8>),
        ),
        ("no signature algorithm", |body| {
            let at = 1 + usize::from(body[0]);
            let len = usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
            body.splice(at..at + 2 + len, [0, 0]);
        }),
        ("half a signature algorithm", |body| {
            let at = 1 + usize::from(body[0]);
            body[at + 1] += 1;
            body.insert(at + 2, 4);
        }),
    ] {
        for client_cert in [None, Some("client")] {
            let _balance = Balance::start();
            let mut pair = Setup { client_cert, ..Setup::mutual() }.pair();
            change(&pair.link, SERVER, CERTIFICATE_REQUEST, false, edit);
            let results = pair.handshake();
            assert_eq!(alerts(&pair.link, CLIENT, false), [[2, DECODE_ERROR]], "{what}: {results:?}");
        }
    }
}

/// The messages of this kind that the client has sent in the clear: what is encrypted may begin like any.
fn sent(link: &Link, kind: u8) -> Vec<Vec<u8>> {
    let sent = link.wire(CLIENT).transcript();
    let messages = records(&sent).into_iter().filter(|record| is_message(record, kind));
    messages.map(<[u8]>::to_vec).collect()
}

/// "If no suitable certificate is available, the client MUST send a certificate message containing no
/// certificates" (RFC 5246 7.4.6): not of a type that the server takes, or no signature of its.
#[test]
fn certificates_that_do_not_suit() {
    for (what, edit) in [
        ("RSA only", (|body| drop(body.splice(..1 + usize::from(body[0]), [1, 1]))) as fn(&mut Vec<u8>)),
        ("signatures by RSA only", |body| {
            let at = 1 + usize::from(body[0]);
            let len = usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
            body.splice(at..at + 2 + len, [0, 4, 4, 1, 5, 1]);
        }),
        ("hashes that this side cannot make", |body| {
            let at = 1 + usize::from(body[0]);
            let len = usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
            body.splice(at..at + 2 + len, [0, 4, 2, 3, 6, 3]);
        }),
    ] {
        let _balance = Balance::start();
        let mut pair = Setup::mutual().pair();
        change(&pair.link, SERVER, CERTIFICATE_REQUEST, false, edit);
        let (client, server) = pair.handshake();
        assert_eq!(server, Err(Error::Tls(sys::MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE)), "{what}");
        assert_eq!(client, Err(ALERTED), "{what}");
        assert_eq!(sent(&pair.link, CERTIFICATE)[0][9..], [0, 0, 0], "{what}");
        assert!(sent(&pair.link, CERTIFICATE_VERIFY).is_empty(), "{what}");
    }
}

/// The hash of a client's signature is one that the server has offered (RFC 5246 7.4.8), be it not the
/// cipher suite's; over both transports, with each kind of key.
#[test]
fn signatures_with_the_hash_that_the_server_takes() {
    const SHA256: u8 = 4;
    const SHA384: u8 = 5;
    for (datagram, cert) in [(false, "client"), (true, "client"), (false, "rsa")] {
        for (suite, offered, expected) in [
            ("TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", &[SHA256, SHA384][..], SHA256),
            ("TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", &[SHA384], SHA384),
            ("TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", &[SHA256, SHA384], SHA384),
            ("TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", &[SHA256], SHA256),
        ] {
            let what = format!("{suite} {offered:?} {datagram} {cert}");
            let _balance = Balance::start();
            let setup = Setup { datagram, client_cert: Some(cert), suites: &[suite], ..Setup::mutual() };
            let algorithms: Vec<u16> =
                offered.iter().flat_map(|&hash| [3, 1].map(|key| u16::from_be_bytes([hash, key]))).collect();
            let (mut client, mut raw, link) = Raw::pair_to_be(&setup);
            raw.ask_for_certificate(&algorithms);
            let results = run(&mut client, &mut raw, End::handshake, Raw::handshake);
            assert_eq!(results, (Ok(()), Ok(())), "{what}");
            let hash = if datagram {
                let wires = link.wire(CLIENT).sent.clone();
                let all = wires.concat();
                // Behind the record's header and the message's.
                let at = all.windows(2).position(|pair| pair == [CERTIFICATE_VERIFY, 0]).unwrap();
                all[at + 12]
            } else {
                sent(&link, CERTIFICATE_VERIFY)[0][9]
            };
            assert_eq!(hash, expected, "{what}");
            assert_eq!(client.write(b"x"), Ok(1), "{what}");
            let mut byte = [0];
            assert_eq!(raw.read(&mut byte), Ok(1), "{what}");
        }
    }
}

/// A certificate for another key than the suite signs with (RFC 5246 7.4.2): Mbed TLS looks at it no
/// sooner than at the Finished.
#[test]
fn a_suite_and_a_key_that_do_not_agree() {
    const ECDHE_RSA: [u8; 2] = [0xc0, 0x2f];
    const ECDHE_ECDSA: [u8; 2] = [0xc0, 0x2b];
    for (own, instead) in [("rsa", ECDHE_ECDSA), ("ec", ECDHE_RSA)] {
        let _balance = Balance::start();
        let suites =
            &["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"][..];
        let mut pair = Setup { server_cert: Some(own), client_mode: 0, suites, ..Setup::default() }.pair();
        change(&pair.link, SERVER, SERVER_HELLO, false, move |body| {
            let at = 35 + usize::from(body[34]);
            assert_ne!(body[at..at + 2], instead);
            body[at..at + 2].copy_from_slice(&instead);
        });
        let results = pair.handshake();
        assert_eq!(results.0, Err(Error::Tls(sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER)), "{own}");
        assert_eq!(alerts(&pair.link, CLIENT, false), [[2, ILLEGAL_PARAMETER]], "{own}: {results:?}");
    }
}

/// A client whose suite has one hash, and a server that takes signatures with the other one alone.
fn with_the_other_hash(setup: &Setup) -> (End, Raw, std::rc::Rc<Link>) {
    let setup = Setup { suites: &["TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"], ..*setup };
    let (client, mut raw, link) = Raw::pair_to_be(&setup);
    raw.ask_for_certificate(&[0x0403, 0x0401]);
    (client, raw, link)
}

/// Wherever the transport blocks or raises.
#[test]
fn the_other_hash_and_a_transport_that_interrupts() {
    let _balance = Balance::start();
    for datagram in [false, true] {
        for why in [Interruption::WouldBlock, Interruption::Raised, Interruption::Errno(4)] {
            for n in 0.. {
                let (mut client, mut raw, _link) =
                    with_the_other_hash(&Setup { datagram, ..Setup::mutual() });
                client.port.interrupt_at(n, why);
                let results = run(&mut client, &mut raw, End::handshake, Raw::handshake);
                assert_eq!(results, (Ok(()), Ok(())), "{datagram} {why:?} at {n}");
                if client.port.calls <= n {
                    assert!(n > 5, "{n} calls");
                    break;
                }
            }
        }
        if !datagram {
            let (mut client, mut raw, _link) = with_the_other_hash(&Setup::mutual());
            (client.port.max_read, client.port.max_write) = (1, 1);
            let results = run(&mut client, &mut raw, End::handshake, Raw::handshake);
            assert_eq!(results, (Ok(()), Ok(())));
        }
    }
}

/// Whichever datagram of the client's is lost: what is sent again is what was signed.
#[test]
fn the_other_hash_and_a_flight_that_is_lost() {
    for lost in 0..8 {
        let _balance = Balance::start();
        let (mut client, mut raw, link) = with_the_other_hash(&Setup { datagram: true, ..Setup::mutual() });
        link.wire(CLIENT).fault =
            Some(Box::new(move |n, _| if n == lost { Fate::Lost } else { Fate::Arrives }));
        let results = run(&mut client, &mut raw, End::handshake, Raw::handshake);
        assert_eq!(results, (Ok(()), Ok(())), "datagram {lost}");
    }
}

/// Whichever allocation fails of the call that signs.
#[test]
fn the_other_hash_without_memory() {
    let mut failures = 0;
    for n in (0..100).chain((100..).step_by(97)) {
        let _balance = Balance::start();
        let (mut client, mut raw, _link) = with_the_other_hash(&Setup::mutual());
        assert_eq!(client.handshake(), Err(Error::WantRead));
        assert_eq!(raw.handshake(), Err(Error::WantRead));
        let (result, failed) = common::alloc::failing(n, false, || client.handshake());
        if !failed {
            assert_eq!(result, Err(Error::WantRead));
            break;
        }
        if let Err(Error::WantRead | Error::NoMemory) = result {
            let (result, _) = run(&mut client, &mut raw, End::handshake, Raw::handshake);
            assert!([Ok(()), Err(ENOMEM)].contains(&result), "allocation {n}: {result:?}");
        } else {
            assert_eq!(result, Err(ENOMEM), "allocation {n}");
        }
        failures += 1;
    }
    assert!(failures > 100, "{failures}");
}

/// The host signs 32 bytes then; what it makes of them, or that it raises, is its own.
#[test]
fn the_other_hash_signed_by_the_host() {
    for (made, expected) in [
        (Ok(None), Ok(())),
        (Err(Interruption::Raised), Err(Error::Raised)),
        (Err(Interruption::NoMemory), Err(ENOMEM)),
        (Ok(Some(vec![0x30; 20_000])), Err(Error::Tls(sys::MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE))),
        (Ok(Some(vec![0x30; 70])), Err(ALERTED)),
        (Ok(Some(vec![])), Err(ALERTED)),
    ] {
        for datagram in [false, true] {
            let _balance = Balance::start();
            let setup =
                Setup { datagram, suites: &["TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"], ..Setup::mutual() };
            let (mut client, mut raw, _link) = with_the_other_hash(&setup);
            let options = Options { host_signs: true, ..common::options(Some(b"localhost\0"), None) };
            client.socket = Socket::new(&mut setup.client().unwrap(), options).unwrap();
            let asked = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            let (answer, seen) = (made.clone(), asked.clone());
            client.port.sign = Some(Box::new(move |_, hash| {
                seen.borrow_mut().push(hash.len());
                answer.clone()
            }));
            let results = run(&mut client, &mut raw, End::handshake, Raw::handshake);
            assert_eq!(*asked.borrow(), [32]);
            assert_eq!(results.1.is_ok(), expected == Ok(()), "{datagram}: {results:?}");
            if expected != Err(ALERTED) {
                assert_eq!(results.0, expected, "{datagram}: {results:?}");
            }
        }
    }
}
