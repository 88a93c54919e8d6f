// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each way in which a peer does wrong, and the alert that the RFC has for it (RFC 5246 7.2.2).
#![cfg(mbedtls_ssl_handshake_with_cert_enabled)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::datagrams::Duo;
use common::raw::Raw;
use common::{
    ALERTED, Balance, CLIENT, EBADF, End, Fate, Link, SERVER, Setup, TAKES_HELLO_FRAGMENTS, is_message,
    on_records, records, tls12,
};
use micropython_ssl::alert;
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::sys;

const UNEXPECTED_MESSAGE: u8 = 10;
const BAD_RECORD_MAC: u8 = 20;
const RECORD_OVERFLOW: u8 = 22;
const ILLEGAL_PARAMETER: u8 = 47;
const DECODE_ERROR: u8 = 50;
/// The most that a record of this build may have.
const LONGEST: usize = sys::MBEDTLS_SSL_IN_CONTENT_LEN as usize;

/// The last alert in the clear that `side` has sent.
fn alert(link: &Link, side: usize) -> Option<[u8; 2]> {
    let sent = link.wire(side).transcript();
    let last = records(&sent).into_iter().rfind(|record| record[0] == 21 && record.len() == 7)?;
    Some([last[5], last[6]])
}

fn record(content_type: u8, content: &[u8]) -> Vec<u8> {
    [&[content_type, 3, 3][..], &(content.len() as u16).to_be_bytes(), content].concat()
}

#[test]
fn names_of_alerts() {
    let names = (0..=u8::MAX).map(alert::name).filter(|name| *name != c"unknown").count();
    let [first, last, none] = [10, 120, 121].map(alert::name);
    assert_eq!((first, last, none), (c"unexpected_message", c"no_application_protocol", c"unknown"));
    assert_eq!(names, 27);
}

/// "If a TLS implementation receives an unexpected record type, it MUST send an unexpected_message
/// alert" (6); "the length MUST NOT exceed 2^14" (6.2.1).
#[test]
fn records_in_the_clear() {
    for (what, bytes, expected) in [
        ("HTTP", b"GET / HTTP/1.0\r\n\r\n".to_vec(), UNEXPECTED_MESSAGE),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), UNEXPECTED_MESSAGE),
        ("type 0", record(0, b"x"), UNEXPECTED_MESSAGE),
        ("type 19", record(19, b"x"), UNEXPECTED_MESSAGE),
        ("type 24", record(24, b"x"), UNEXPECTED_MESSAGE),
        ("type 255", record(255, b""), UNEXPECTED_MESSAGE),
        ("data", record(23, b"x"), UNEXPECTED_MESSAGE),
        ("no data", record(23, b""), UNEXPECTED_MESSAGE),
        ("an empty message", record(22, b""), DECODE_ERROR),
        ("half an alert", record(21, &[2]), DECODE_ERROR),
        ("too long", record(22, &vec![1; LONGEST + 1]), RECORD_OVERFLOW),
        ("as long as can be", record(22, &vec![1; 0xffff]), RECORD_OVERFLOW),
    ] {
        for side in [CLIENT, SERVER] {
            // Such a server reads the record of a ClientHello by itself.
            let half = what == "half an alert" && side == SERVER && !TAKES_HELLO_FRAGMENTS;
            let expected = if half { UNEXPECTED_MESSAGE } else { expected };
            let _balance = Balance::start();
            let mut pair = Setup::default().pair();
            if side == CLIENT {
                assert_eq!(pair.client.handshake(), Err(Error::WantRead));
            }
            pair.link.inject(1 - side, &bytes);
            let end = pair.end(side);
            let error = end.handshake();
            assert!(matches!(error, Err(Error::Tls(_))), "{what} at {side}: {error:?}");
            assert_eq!(end.socket.alert(), expected, "{what} at {side}: {error:?}");
            assert_eq!(end.poke(), Err(EBADF));
            assert_eq!(alert(&pair.link, side), Some([2, expected]), "{what} at {side}");
        }
    }
}

/// The same, encrypted (6.2.3).
#[test]
fn records_encrypted() {
    for (what, content_type, len, expected) in [
        ("type 24", 24, 1, UNEXPECTED_MESSAGE),
        ("type 255", 255, 1, UNEXPECTED_MESSAGE),
        ("half an alert", 21, 1, DECODE_ERROR),
        ("too long", 23, LONGEST + 1, RECORD_OVERFLOW),
        ("much too long", 23, LONGEST + 3000, RECORD_OVERFLOW),
    ] {
        let _balance = Balance::start();
        let setup = Setup { suites: &["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"], ..Setup::default() };
        let (mut client, mut raw, link) = Raw::pair(&setup);
        let sealed = raw.seal(content_type, &vec![2; len]);
        link.inject(SERVER, &sealed);
        let error = client.poke();
        assert!(matches!(error, Err(Error::Tls(_))), "{what}: {error:?}");
        assert_eq!(client.socket.alert(), expected, "{what}: {error:?}");
        assert_eq!(raw.read(&mut [0; 10]), Err(ALERTED), "{what}");
        assert_eq!(raw.alert(), [2, expected], "{what}");
    }
}

/// What becomes of a peer's message on its way.
type Change = fn(&mut Vec<u8>);

/// Changes the body of the first message of this kind that `side` sends.
fn change(link: &Link, side: usize, kind: u8, mut change: impl FnMut(&mut Vec<u8>) + 'static) {
    link.wire(side).fault = Some(on_records(move |_, bytes| {
        if is_message(bytes, kind) {
            let mut body = bytes.split_off(9);
            change(&mut body);
            let len = body.len() as u16;
            bytes[3..5].copy_from_slice(&(len + 4).to_be_bytes());
            bytes[7..9].copy_from_slice(&len.to_be_bytes());
            bytes.append(&mut body);
        }
        Fate::Arrives
    }));
}

/// A message that has all its parts, of which one is wrong, is `illegal_parameter`; one whose lengths do
/// not add up `decode_error`.
#[test]
fn key_shares() {
    const CLIENT_KEY_EXCHANGE: u8 = 16;
    let lengthened: Change = |body| {
        body.push(0);
        body[0] += 1;
    };
    let shortened: Change = |body| {
        body.pop();
        body[0] -= 1;
    };
    let not_on_curve: Change = |body| *body.last_mut().unwrap() ^= 1;
    let no_such_format: Change = |body| body[1] = 9;
    let empty: Change = |body| *body = vec![0];
    let behind: Change = |body| body.push(0);
    let cut: Change = |body| body.truncate(body.len() - 1);
    for (what, fault, expected) in [
        ("lengthened", lengthened, ILLEGAL_PARAMETER),
        ("shortened", shortened, ILLEGAL_PARAMETER),
        ("not on the curve", not_on_curve, ILLEGAL_PARAMETER),
        ("a format that there is not", no_such_format, ILLEGAL_PARAMETER),
        ("empty", empty, DECODE_ERROR),
        ("a byte behind it", behind, DECODE_ERROR),
        ("cut", cut, DECODE_ERROR),
    ] {
        let _balance = Balance::start();
        let setup = Setup::default();
        let mut client = setup.client().unwrap();
        client.set_groups([b"secp256r1".as_slice()].into_iter()).unwrap();
        let mut pair = common::Pair::new(&mut client, &mut setup.server().unwrap(), setup.hostname).unwrap();
        change(&pair.link, CLIENT, CLIENT_KEY_EXCHANGE, fault);
        let (client, server) = pair.handshake();
        assert!(matches!(server, Err(Error::Tls(_))), "{what}: {server:?}");
        assert_eq!(alert(&pair.link, SERVER), Some([2, expected]), "{what}: {server:?}");
        assert_eq!(client, Err(ALERTED), "{what}");
        assert_eq!(pair.client.socket.alert(), expected, "{what}");
    }
}

/// The same with a pre-shared key, and of the server's, which then is not signed.
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
#[test]
fn key_shares_beside_a_pre_shared_key() {
    const SUITE: &[u8] = b"TLS-ECDHE-PSK-WITH-AES-128-CBC-SHA256";
    let not_on_curve: Change = |body| *body.last_mut().unwrap() ^= 1;
    let behind: Change = |body| body.push(0);
    for (sender, kind, what, fault, expected) in [
        (CLIENT, 16, "not on the curve", not_on_curve, ILLEGAL_PARAMETER),
        (CLIENT, 16, "a byte behind it", behind, DECODE_ERROR),
        (SERVER, 12, "not on the curve", not_on_curve, ILLEGAL_PARAMETER),
    ] {
        let _balance = Balance::start();
        let [mut client, mut server] = [0, 1].map(|protocol| {
            let mut context = tls12(micropython_ssl::context::Context::new(protocol, 0));
            context.set_psk(Some((b"somebody", b"0123456789abcdef"))).unwrap();
            context.set_ciphers(1, [SUITE].into_iter()).unwrap();
            context.set_groups([b"secp256r1".as_slice()].into_iter()).unwrap();
            context
        });
        let mut pair = common::Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
        change(&pair.link, sender, kind, fault);
        let results = pair.handshake();
        assert_eq!(alert(&pair.link, 1 - sender), Some([2, expected]), "{what} of {sender}: {results:?}");
    }
}

/// Another message than comes next (7.4): the server's, as the client awaits the one it stands for.
#[test]
fn messages_out_of_turn() {
    for (kind, other) in [(2, 11), (2, 14), (2, 20), (13, 2), (13, 55), (14, 2), (14, 12), (14, 13)] {
        let _balance = Balance::start();
        let mut pair = Setup::mutual().pair();
        pair.link.wire(SERVER).fault = Some(on_records(move |_, bytes| {
            if is_message(bytes, kind) {
                bytes[5] = other;
            }
            Fate::Arrives
        }));
        let (client, server) = pair.handshake();
        assert!(matches!(client, Err(Error::Tls(_))), "{other} for {kind}: {client:?}");
        assert_eq!(
            alert(&pair.link, CLIENT),
            Some([2, UNEXPECTED_MESSAGE]),
            "{other} for {kind}: {client:?}"
        );
        assert_eq!(server, Err(ALERTED), "{other} for {kind}");
    }
}

/// It is the message that comes next, and does not add up.
#[test]
fn a_certificate_request_with_a_byte_behind_it() {
    let _balance = Balance::start();
    let mut pair = Setup::mutual().pair();
    change(&pair.link, SERVER, 13, |body| body.push(0));
    assert!(pair.handshake().0.is_err());
    assert_eq!(alert(&pair.link, CLIENT), Some([2, DECODE_ERROR]));
}

/// A suite that is none, as one that was not offered (7.4.1.3).
#[test]
fn suites_that_were_not_offered() {
    for suite in [[0x13, 0x01], [0x00, 0x00], [0xc0, 0x2c], [0xff, 0xff]] {
        let _balance = Balance::start();
        let setup = Setup { suites: &["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"], ..Setup::default() };
        let mut pair = setup.pair();
        change(&pair.link, SERVER, 2, move |body| {
            let at = 35 + usize::from(body[34]);
            body[at..at + 2].copy_from_slice(&suite);
        });
        let (client, _) = pair.handshake();
        assert!(matches!(client, Err(Error::Tls(_))), "{suite:x?}: {client:?}");
        assert_eq!(alert(&pair.link, CLIENT), Some([2, ILLEGAL_PARAMETER]), "{suite:x?}: {client:?}");
    }
}

/// What the peer is told at last.
fn told(raw: &mut Raw) -> (Option<Error>, [u8; 2]) {
    let error = (0..5).find_map(|_| raw.read(&mut [0; 10]).err().filter(|error| *error != Error::WantRead));
    (error, raw.alert())
}

/// The transport takes nothing any more after so many calls.
fn full_after(client: &mut End, calls: usize) {
    let until = client.port.calls + calls;
    client.port.gate =
        Some(Box::new(move |call| if call < until { Ok(()) } else { Err(Interruption::WouldBlock) }));
}

/// A record that does not authenticate, behind a warning that has left, or of which a part waits.
#[test]
fn a_bad_record_behind_a_warning() {
    for waits in [false, true] {
        let (mut client, mut raw, link) = Raw::pair(&Setup::default());
        raw.send_record(22, &[0; 4]).unwrap();
        if waits {
            full_after(&mut client, 2);
        }
        assert_eq!(client.poke(), Err(if waits { Error::WantWrite } else { Error::WantRead }));
        client.port.unblock();
        link.inject(SERVER, &record(23, &[7; 40]));
        assert_eq!(client.poke(), Err(Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC)), "{waits}");
        assert_eq!(told(&mut raw), (Some(ALERTED), [2, BAD_RECORD_MAC]), "{waits}");
    }
}

/// The alert comes behind data, or a warning, of which a part was waiting.
#[test]
fn an_alert_behind_a_record_half_sent() {
    for data in [true, false] {
        let (mut client, mut raw, _link) = Raw::pair(&Setup::default());
        if data {
            full_after(&mut client, 0);
            assert_eq!(client.write(b"data"), Err(Error::WantWrite));
        } else {
            raw.send_record(22, &[0; 4]).unwrap();
            full_after(&mut client, 2);
            assert_eq!(client.poke(), Err(Error::WantWrite));
        }
        client.port.unblock();
        raw.send_record(22, &[14, 0, 0, 0]).unwrap();
        assert_eq!(client.poke(), Err(Error::Tls(sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE)), "{data}");
        assert_eq!(told(&mut raw), (Some(ALERTED), [2, UNEXPECTED_MESSAGE]), "{data}");
    }
}

/// "Neither party may send anything behind its close_notify" (7.2.1): not about a record that does not
/// authenticate, nor to a HelloRequest; and what is left of itself, it does send.
#[test]
fn nothing_behind_close_notify() {
    for half_sent in [false, true] {
        for what in ["a bad record", "a HelloRequest"] {
            let _balance = Balance::start();
            let (mut client, mut raw, link) = Raw::pair(&Setup::default());
            if half_sent {
                full_after(&mut client, 0);
                assert_eq!(client.unwrap(), Err(Error::WantWrite), "{what}");
                client.port.unblock();
            }
            assert_eq!(client.unwrap(), Err(Error::WantRead), "{what}");
            let sent = link.wire(CLIENT).transcript();
            let error = if what == "a bad record" {
                link.inject(SERVER, &record(23, &[7; 40]));
                Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC)
            } else {
                raw.send_record(22, &[0; 4]).unwrap();
                Error::WantRead
            };
            assert_eq!(client.unwrap(), Err(error), "{what}");
            assert_eq!(link.wire(CLIENT).transcript(), sent, "{what} {half_sent}");
            assert_eq!(
                raw.read(&mut [0; 10]),
                Err(Error::Tls(sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)),
                "{what}"
            );
        }
    }
}

/// It is the message that comes next.
#[test]
fn a_hello_verify_request_that_does_not_add_up() {
    let mut duo = Duo::of(Setup { client_mode: 0, ..Setup::default() });
    duo.link.wire(SERVER).fault = Some(Box::new(|n, bytes| {
        if n == 0 {
            assert_eq!(bytes[13], 3);
            bytes[27] = 0xf0; // the cookie's length
        }
        Fate::Arrives
    }));
    assert!(duo.handshake().0.is_err());
    let wire = duo.link.wire(CLIENT);
    let alerts: Vec<_> =
        wire.sent.iter().filter(|sent| sent[0] == 21).map(|sent| [sent[13], sent[14]]).collect();
    assert_eq!(alerts, [[2, DECODE_ERROR]]);
}
