// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS 1.3 (RFC 8446): whom it is agreed on with, what it begins anew for, what it leaves, and what
//! becomes of it without memory, over paths that change it, and cut anywhere.
#![cfg(tls13)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::alloc::{failing, live};
use common::raw::Raw;
use common::{
    ALERTED, Balance, CLIENT, Contexts, Dice, End, Fate, Link, Pair, SERVER, Setup, is_message, on_records,
    pattern, records,
};
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::sys;

const TLS_1_2: i32 = 0x303;
const TLS_1_3: i32 = 0x304;

const ENOMEM: Error = Error::Errno(12);

/// Of this kind, at TLS 1.3.
fn contexts(setup: &Setup<'_>) -> Contexts {
    Contexts::new(&Setup { tls13: true, ..*setup })
}

fn versions(pair: &Pair) -> [Option<&str>; 2] {
    [&pair.client, &pair.server].map(|end| end.socket.version().map(|name| name.to_str().unwrap()))
}

/// The first messages in the clear that a side has sent: their types.
fn hellos(pair: &Pair, side: usize) -> Vec<u8> {
    let sent = pair.link.wire(side).transcript();
    records(&sent).iter().filter(|record| record[0] == 22).map(|record| record[5]).collect()
}

#[test]
fn each_suite_with_each_kind_of_certificate() {
    let suites = micropython_ssl::mbedtls::tls13_ciphers();
    let names = suites.map(|suite| micropython_ssl::mbedtls::cipher_name(suite).unwrap().to_str().unwrap());
    let names: Vec<_> = names.collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        for (client_cert, server_cert) in [("client", "ec"), ("rsa", "rsa")] {
            let _balance = Balance::start();
            let setup = Setup {
                suites: &[name],
                client_cert: Some(client_cert),
                server_cert: Some(server_cert),
                client_mode: 0,
                server_mode: 0,
                ..Setup::mutual()
            };
            let mut pair = contexts(&setup).pair().open();
            assert_eq!(versions(&pair), [Some("TLSv1.3"); 2]);
            assert_eq!(pair.client.socket.cipher().unwrap().to_str(), Ok(name));
            for len in [1, 15, 16, 17, 4095, 4096, 4097, 20_000] {
                pair.transfer(CLIENT, &pattern(len));
                pair.transfer(SERVER, &pattern(len));
            }
            pair.prove();
        }
    }
}

/// It has no room for SHA-512 with a salt as long, which is what a client likes best.
#[test]
fn a_short_rsa_key_signs_with_a_hash_that_fits() {
    let setup = Setup { server_cert: Some("short"), client_mode: 0, ..Setup::default() };
    let pair = contexts(&setup).pair().open();
    assert_eq!(versions(&pair), [Some("TLSv1.3"); 2]);
    pair.prove();
}

#[test]
fn both_sides_verified() {
    let _balance = Balance::start();
    let pair = contexts(&Setup::mutual()).pair().open();
    for end in [&pair.client, &pair.server] {
        assert!(end.socket.peer_verified());
        assert!(end.socket.peer_cert().is_some());
    }
    pair.prove();
}

#[test]
fn the_highest_version_that_both_have() {
    for (client, server, agreed) in [
        ((TLS_1_2, TLS_1_3), (TLS_1_2, TLS_1_3), Some("TLSv1.3")),
        ((TLS_1_2, TLS_1_3), (TLS_1_2, TLS_1_2), Some("TLSv1.2")),
        ((TLS_1_2, TLS_1_2), (TLS_1_2, TLS_1_3), Some("TLSv1.2")),
        ((TLS_1_3, TLS_1_3), (TLS_1_3, TLS_1_3), Some("TLSv1.3")),
        ((TLS_1_3, TLS_1_3), (TLS_1_2, TLS_1_2), None),
        ((TLS_1_2, TLS_1_2), (TLS_1_3, TLS_1_3), None),
    ] {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup::mutual());
        for (context, (lowest, highest)) in [(&mut contexts.client, client), (&mut contexts.server, server)] {
            context.set_version(false, lowest).unwrap();
            context.set_version(true, highest).unwrap();
        }
        let mut pair = contexts.pair();
        let (client, server) = pair.handshake();
        if agreed.is_some() {
            assert_eq!((client, server), (Ok(()), Ok(())));
            assert_eq!(versions(&pair), [agreed; 2]);
            pair.prove();
        } else {
            assert!(client.is_err() && server.is_err(), "{client:?} {server:?}");
        }
    }
}

#[test]
fn bounds_that_leave_no_version() {
    let mut context = Setup { tls13: true, ..Setup::default() }.client().unwrap();
    for (is_maximum, version, good) in [
        (true, 0x302, false),
        (false, 0x305, false),
        (true, 0x305, true),
        (false, 0x300, true),
        (false, -1, true),
        (true, -2, true),
    ] {
        assert_eq!(context.set_version(is_maximum, version).is_ok(), good, "{is_maximum} {version:x}");
    }
    // Now TLS 1.3 at least, and 1.2 at most.
    let mut none = Contexts { client: context, server: Setup::default().server().unwrap() };
    assert!(matches!(none.try_pair(), Err(Error::Value(_))));
    let mut datagrams = Setup { datagram: true, ..Setup::default() }.client().unwrap();
    assert!(datagrams.set_version(false, TLS_1_3).is_err(), "there is no DTLS 1.3 here");
}

/// A HelloRetryRequest (4.1.4), which has Mbed TLS begin anew on both sides: with short buffers, which
/// AddressSanitizer watches in the run that has it, and with a part of a record in them.
#[test]
fn a_hello_is_retried() {
    for (client, server) in [
        (&["x25519", "prime256v1"][..], &["prime256v1"][..]),
        (&["prime256v1", "secp384r1"], &["secp384r1"]),
        (&["secp384r1", "x25519"], &["x25519", "prime256v1"]),
    ] {
        for limit in [None, Some(1), Some(7)] {
            let _balance = Balance::start();
            let mut contexts = contexts(&Setup { client_mode: 0, ..Setup::default() });
            for (context, groups) in [(&mut contexts.client, client), (&mut contexts.server, server)] {
                context.set_groups(groups.iter().map(|name| name.as_bytes())).unwrap();
            }
            let mut pair = contexts.pair();
            for port in [&mut pair.client.port, &mut pair.server.port] {
                port.max_read = limit.unwrap_or(port.max_read);
                port.max_write = limit.unwrap_or(port.max_write);
            }
            assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{client:?} {server:?} {limit:?}");
            assert_eq!(hellos(&pair, CLIENT), [1, 1]);
            assert_eq!(hellos(&pair, SERVER), [2, 2]);
            assert_eq!(versions(&pair), [Some("TLSv1.3"); 2]);
            pair.prove();
        }
    }
}

/// A ServerHello in a record: this random number, suite and extensions, which answers `hello`.
fn server_hello(hello: &[u8], random: [u8; 32], suite: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let session = &hello[43..44 + usize::from(hello[43])];
    let mut body = vec![3, 3];
    body.extend(random);
    body.extend(session);
    body.extend(suite);
    body.push(0);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let len = body.len() as u16;
    let mut record = vec![22, 3, 3];
    record.extend((len + 4).to_be_bytes());
    record.extend([2, 0]);
    record.extend(len.to_be_bytes());
    record.extend(body);
    record
}

/// SHA-256 of "HelloRetryRequest" (4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Who has asked for another hello speaks TLS 1.3 (4.1.4).
#[test]
fn an_older_version_behind_a_retry() {
    for retries in [false, true] {
        let _balance = Balance::start();
        let mut pair = contexts(&Setup::default()).pair();
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        let hello = pair.link.wire(CLIENT).transcript();
        if retries {
            // TLS 1.3, and a share on secp384r1.
            let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 24];
            pair.link.inject(SERVER, &server_hello(&hello, RETRY, [0x13, 1], &extensions));
            assert_eq!(pair.client.handshake(), Err(Error::WantRead));
            assert_eq!(hellos(&pair, CLIENT), [1, 1]);
        }
        pair.link.inject(SERVER, &server_hello(&hello, [7; 32], [0xc0, 0x2b], &[0xff, 1, 0, 1, 0]));
        let refused = Err(Error::Tls(sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER));
        assert_eq!(pair.client.handshake(), if retries { refused } else { Err(Error::WantRead) });
    }
}

const DECODE_ERROR: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_DECODE_ERROR);
const UNEXPECTED_MESSAGE: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE);

/// "Clients MUST abort the handshake [...] if the HelloRetryRequest would not result in any change" (4.1.4),
/// and for what they have not asked for, and cannot read (4.2).
#[test]
fn a_retry_that_is_none() {
    const ILLEGAL_PARAMETER: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER);
    let refused: [(&[u8], _, _); 5] = [
        (&[], ILLEGAL_PARAMETER, 47),
        // Twice a share on secp384r1.
        (&[0, 51, 0, 2, 0, 24, 0, 51, 0, 2, 0, 24], ILLEGAL_PARAMETER, 47),
        // A cookie of no bytes.
        (&[0, 44, 0, 2, 0, 0], DECODE_ERROR, 50),
        (
            &[0, 51, 0, 2, 0, 24, 0x12, 0x34, 0, 0],
            Error::Tls(sys::MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION),
            110,
        ),
        // A share on the group of the first.
        (&[0, 51, 0, 2, 0, 23], ILLEGAL_PARAMETER, 47),
    ];
    for (extensions, error, alert) in refused {
        let _balance = Balance::start();
        let mut pair = contexts(&Setup::default()).pair();
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        let hello = pair.link.wire(CLIENT).transcript();
        let extensions = [&[0, 43, 0, 2, 3, 4], extensions].concat();
        pair.link.inject(SERVER, &server_hello(&hello, RETRY, [0x13, 1], &extensions));
        assert_eq!(pair.client.handshake(), Err(error), "{extensions:?}");
        assert_eq!(pair.client.socket.alert(), alert, "{extensions:?}");
    }
}

/// A hello without extensions is one of TLS 1.2 (RFC 5246 7.4.1.2), also where its version is higher (E.1).
#[test]
fn a_hello_without_extensions() {
    for version in [[3, 3], [3, 4], [3, 9]] {
        let _balance = Balance::start();
        // The one kind that needs none: of keys, too.
        let suites = &["TLS-RSA-WITH-AES-128-GCM-SHA256"][..];
        let setup = Setup { suites, server_cert: Some("rsa"), client_mode: 0, ..Setup::default() };
        let mut pair = contexts(&setup).pair();
        let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41];
        hello.extend(version);
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0, 0x9c, 1, 0]);
        pair.link.inject(CLIENT, &hello);
        assert_eq!(pair.server.handshake(), Err(Error::WantRead), "{version:?}");
        assert_eq!(hellos(&pair, SERVER)[0], 2, "{version:?}");
    }
}

/// A client whose server has sent its hello, and encrypted nothing of its certificate.
fn greeted() -> (End, Raw, Rc<Link>) {
    let (mut client, mut raw, link) = Raw::pair_to_be(&Setup { tls13: true, ..Setup::default() });
    assert_eq!(client.handshake(), Err(Error::WantRead));
    raw.handshake_to(sys::MBEDTLS_SSL_SERVER_CERTIFICATE);
    assert_eq!(client.handshake(), Err(Error::WantRead));
    (client, raw, link)
}

/// The types of what the client has sent.
fn client_types(link: &Link) -> Vec<u8> {
    records(&link.wire(CLIENT).transcript()).iter().map(|record| record[0]).collect()
}

/// "Handshake messages MAY be [...] fragmented across several records" (5.1), their headers too.
#[test]
fn a_header_in_several_records() {
    let request = [13, 0, 0, 11, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
    for first in 1..request.len() {
        for second in first..request.len() {
            let _balance = Balance::start();
            let (mut client, mut raw, _) = greeted();
            for part in [&request[..first], &request[first..second], &request[second..]] {
                if !part.is_empty() {
                    assert_eq!(client.handshake(), Err(Error::WantRead), "{first} {second}");
                    raw.send_record(22, part).unwrap();
                }
            }
            assert_eq!(client.handshake(), Err(Error::WantRead), "{first} {second}");
            // It awaits a certificate now, and this is none.
            raw.send_record(22, &[20, 0]).unwrap();
            raw.send_record(22, &[0, 0]).unwrap();
            assert_eq!(client.handshake(), Err(UNEXPECTED_MESSAGE), "{first} {second}");
        }
    }
}

/// Likewise those that come later: a ticket, which is passed over.
#[test]
fn a_ticket_in_several_records() {
    let ticket = [4, 0, 0, 14, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 7, 0, 0];
    for first in 1..6 {
        for second in first..ticket.len() {
            let _balance = Balance::start();
            let (mut client, mut raw, _) = Raw::pair(&Setup { tls13: true, ..Setup::default() });
            for part in [&ticket[..first], &ticket[first..second], &ticket[second..]] {
                if !part.is_empty() {
                    assert_eq!(client.poke(), Err(Error::WantRead), "{first} {second}");
                    raw.send_record(22, part).unwrap();
                }
            }
            raw.write(b"x").unwrap();
            assert_eq!(client.read(&mut [0; 10]), Ok(1), "{first} {second}");
        }
    }
}

/// What a server must not send in its flight; and before the alert about it goes a client's
/// ChangeCipherSpec, which boxes on the way want before anything that is encrypted (appendix D.4).
#[test]
fn a_flight_that_is_wrong() {
    let refused: [(&[u8], _, _); 4] = [
        // A request with a context, one without schemes; a certificate that is none; nothing to come yet.
        (&[13, 0, 0, 12, 1, 7, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3], DECODE_ERROR, 50),
        (&[13, 0, 0, 9, 0, 0, 6, 0, 13, 0, 2, 0, 0], DECODE_ERROR, 50),
        (&[11, 0, 0, 4, 0, 0, 0, 0], DECODE_ERROR, 50),
        (&[20, 0, 0, 0], UNEXPECTED_MESSAGE, 10),
    ];
    for (message, error, alert) in refused {
        let _balance = Balance::start();
        let (mut client, mut raw, link) = greeted();
        raw.send_record(22, message).unwrap();
        assert_eq!(client.handshake(), Err(error), "{message:?}");
        assert_eq!(client.socket.alert(), alert, "{message:?}");
        assert_eq!(client_types(&link), [22, 20, 23], "{message:?}");
    }
}

/// A CertificateVerify's scheme is one of RSA-PSS, or of the key's curve (4.2.3).
#[test]
fn a_scheme_that_does_not_suit() {
    let cert = common::pki::der("ec");
    let len = |more: usize| ((cert.len() + more) as u32).to_be_bytes()[1..].to_vec();
    let message = [&[11][..], &len(9), &[0], &len(5), &len(0), &cert, &[0, 0]].concat();
    for (scheme, refused) in [([4, 3], false), ([4, 1], true), ([5, 3], true), ([2, 3], true)] {
        let _balance = Balance::start();
        let setup = Setup { tls13: true, client_mode: 0, ..Setup::default() };
        let (mut client, mut raw, _) = Raw::pair_to_be(&setup);
        assert_eq!(client.handshake(), Err(Error::WantRead));
        raw.handshake_to(sys::MBEDTLS_SSL_SERVER_CERTIFICATE);
        raw.send_record(22, &message).unwrap();
        assert_eq!(client.handshake(), Err(Error::WantRead));
        raw.send_record(22, &[&[15, 0, 0, 12][..], &scheme, &[0, 8], &[7; 8]].concat()).unwrap();
        assert!(client.handshake().is_err());
        // Else it is the signature that is wrong.
        assert_eq!(client.socket.alert(), if refused { 47 } else { 51 }, "{scheme:?}");
    }
}

/// Records that stand for nothing have their time (5), and alerts that are errors are, whatever their level
/// (6.2).
#[test]
fn records_that_come_too_late() {
    for (content_type, content, in_clear, error, alert) in [
        (20, &[1][..], true, Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA), 10),
        (20, &[1], false, UNEXPECTED_MESSAGE, 10),
        (23, &[], false, Error::WantRead, 0),
        (21, &[1, 90], false, Error::WantRead, 0),
        (21, &[1, 40], false, ALERTED, 40),
        (21, &[1, 200], false, ALERTED, 200),
    ] {
        let _balance = Balance::start();
        let (mut client, mut raw, link) = Raw::pair(&Setup { tls13: true, ..Setup::default() });
        assert_eq!(client.poke(), Err(Error::WantRead));
        if in_clear {
            link.inject(SERVER, &[&[content_type, 3, 3, 0, content.len() as u8][..], content].concat());
        } else {
            raw.send_record(content_type, content).unwrap();
        }
        assert_eq!(client.poke(), Err(error), "{content_type} {content:?}");
        assert_eq!(client.socket.alert(), alert, "{content_type} {content:?}");
    }
}

/// "Neither party may send anything behind its close_notify" (RFC 5246 7.2.1; 6.1).
#[test]
fn nothing_behind_close_notify() {
    let _balance = Balance::start();
    let (mut client, mut raw, link) = Raw::pair(&Setup { tls13: true, ..Setup::default() });
    assert_eq!(client.unwrap(), Err(Error::WantRead));
    let sent = link.wire(CLIENT).transcript();
    link.inject(SERVER, &[&[23, 3, 3, 0, 40][..], &[7; 40]].concat());
    assert_eq!(client.unwrap(), Err(Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC)));
    assert_eq!(link.wire(CLIENT).transcript(), sent);
    assert_eq!(raw.read(&mut [0; 10]), Err(Error::Tls(sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)));
}

/// Nothing of a handshake stays, whatever it was like; also where the peer shows no certificate.
#[test]
fn an_open_connection_is_small() {
    let mut sizes = Vec::new();
    for tls13 in [false, true] {
        let mut contexts = contexts(&Setup::default());
        let highest = if tls13 { TLS_1_3 } else { TLS_1_2 };
        contexts.client.set_version(true, highest).unwrap();
        // What contexts make once is not a connection's.
        contexts.pair().open().prove();
        let before = live();
        let pair = contexts.pair().open();
        sizes.push(live().bytes - before.bytes);
        drop(pair);
        assert_eq!(live(), before);
    }
    let [tls12, tls13] = sizes[..] else { panic!() };
    // The secrets of both directions, for KeyUpdate.
    assert!(tls13 <= tls12 + 2 * 160, "{tls12} and {tls13} bytes of both ends");
}

#[test]
fn handshakes_without_memory() {
    for on in [false, true] {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup::mutual());
        contexts.pair().open().prove();
        let mut refused = 0;
        for n in 0.. {
            let level = live();
            let mut pair = contexts.pair();
            let (results, failed) = failing(n, on, || pair.handshake());
            if !failed {
                assert_eq!(results, (Ok(()), Ok(())));
                break;
            }
            match pair.resume(results) {
                (Ok(()), Ok(())) => {
                    // The secrets are there that what sleeps is restored by, and that keys are renewed from.
                    #[cfg(all(hibernation, not(exported_keys)))]
                    {
                        pair.transfer(SERVER, b"tickets are read");
                        for side in [CLIENT, SERVER] {
                            assert_eq!(pair.end(side).socket.hibernate(), Ok(true), "allocation {n}");
                        }
                    }
                    pair.converse();
                }
                (Err(Error::Errno(12)), _) | (_, Err(Error::Errno(12))) => refused += 1,
                // By then the client has what it wants: it learns when it reads.
                other => panic!("allocation {n}: {other:?}"),
            }
            drop(pair);
            assert_eq!(live(), level, "allocation {n}");
        }
        assert!(refused > 50, "{refused}");
        contexts.pair().open().prove();
    }
}

/// A host that cannot sign is asked once, however many of the client's algorithms its key would do for.
#[test]
fn a_signer_is_asked_once() {
    let _balance = Balance::start();
    let Contexts { mut client, mut server } = contexts(&Setup::default());
    let mut pair = Pair::with_signers(&mut client, &mut server, Some("localhost"), true).unwrap();
    // All of them are ecdsa_secp256r1_sha256.
    pair.link.wire(CLIENT).fault = Some(on_records(|_, bytes| {
        let short = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        // signature_algorithms, and the lengths of the extension and its list.
        let is_list = |at: &usize| short(*at) == 13 && short(at + 2) == short(at + 4) + 2;
        if let Some(at) = (43..bytes.len() - 6).find(is_list).filter(|_| is_message(bytes, 1)) {
            let (begin, len) = (at + 6, short(at + 4));
            for scheme in bytes[begin..begin + len].chunks_exact_mut(2) {
                scheme.copy_from_slice(&[4, 3]);
            }
        }
        Fate::Arrives
    }));
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    pair.server.port.sign = Some(Box::new(move |_, _| {
        count.set(count.get() + 1);
        Err(Interruption::Raised)
    }));
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    assert_eq!(pair.server.handshake(), Err(Error::Raised));
    assert_eq!(asked.get(), 1);
    pair.assert_failed(SERVER);
}

/// Whether the alert gets out or not, what the host raised does, or that it had no memory.
#[test]
fn what_the_host_raised_outranks_the_transport() {
    let raised = [(Interruption::Raised, Error::Raised), (Interruption::NoMemory, ENOMEM)];
    for (why, error) in raised {
        for later in [Interruption::WouldBlock, Interruption::Errno(32), Interruption::Raised] {
            for looks_up in [true, false] {
                let _balance = Balance::start();
                let Contexts { mut client, mut server } = contexts(&Setup::default());
                if looks_up {
                    client.set_psk(Some((b"device", &[7; 16]))).unwrap();
                    server.ask_for_psk(true, &[]).unwrap();
                }
                let hostname = Some("localhost");
                let mut pair = Pair::with_signers(&mut client, &mut server, hostname, !looks_up).unwrap();
                let asked = Rc::new(Cell::new(false));
                let (by_look_up, by_signer) = (Rc::clone(&asked), Rc::clone(&asked));
                pair.server.port.psk_key = Some(Box::new(move |_| {
                    by_look_up.set(true);
                    Err(why)
                }));
                pair.server.port.sign = Some(Box::new(move |_, _| {
                    by_signer.set(true);
                    Err(why)
                }));
                pair.server.port.gate =
                    Some(Box::new(move |_| if asked.get() { Err(later) } else { Ok(()) }));
                assert_eq!(pair.client.handshake(), Err(Error::WantRead));
                assert_eq!(pair.server.handshake(), Err(error), "{why:?}, {later:?}, {looks_up}");
                pair.assert_failed(SERVER);
            }
        }
    }
}

/// Each record of either side, a bit of it changed: nobody takes it for what it was, and nothing is lost
/// but the connection.
#[test]
fn a_bit_in_each_record() {
    for side in [CLIENT, SERVER] {
        for record in 0..8 {
            for at in [0, 1, 3, 4, 5, 9, 20, 43, 60] {
                let _balance = Balance::start();
                let mut pair = contexts(&Setup::mutual()).pair();
                pair.link.wire(side).fault = Some(on_records(move |n, bytes| {
                    if n == record && at < bytes.len() {
                        bytes[at] ^= 1;
                    }
                    Fate::Arrives
                }));
                let _ = pair.handshake();
                let _ = pair.client.poke();
                let _ = pair.server.poke();
            }
        }
    }
}

/// Cuts what `side` sends behind each byte of the handshake in turn.
#[test]
fn handshakes_cut_anywhere() {
    let _balance = Balance::start();
    let mut contexts = contexts(&Setup::mutual());
    for side in [CLIENT, SERVER] {
        for len in 0.. {
            let mut pair = contexts.pair();
            pair.link.wire(side).cut = Some(len);
            let results = pair.handshake();
            let sent: usize = pair.link.wire(side).sent.iter().map(Vec::len).sum();
            if len >= sent {
                assert_eq!(results, (Ok(()), Ok(())));
                break;
            }
            assert!(results.0.is_err() || results.1.is_err(), "{len} of {sent}");
        }
    }
}

/// Records that are made up, in the clear and not, in the place of any of a handshake's.
#[test]
fn records_that_are_made_up() {
    let mut dice = Dice::new(13);
    for seed in 0..2000 {
        let _balance = Balance::start();
        let mut pair = contexts(&Setup::mutual()).pair();
        let (side, record) = (dice.roll(2), dice.roll(8));
        let mut made = Dice::new(seed);
        pair.link.wire(side).fault = Some(on_records(move |n, bytes| {
            if n == record {
                match made.roll(4) {
                    0 => bytes[0] = 20 + made.roll(4) as u8,
                    1 => {
                        let len = made.roll(64);
                        bytes.truncate(5);
                        bytes.extend(made.bytes(len));
                        bytes[3..5].copy_from_slice(&(len as u16).to_be_bytes());
                    }
                    2 => bytes.extend_from_within(..),
                    _ => {
                        let at = 5 + made.roll(bytes.len() - 5);
                        bytes[at] = made.roll(256) as u8;
                    }
                }
            }
            Fate::Arrives
        }));
        let _ = pair.handshake();
        let _ = pair.client.poke();
        let _ = pair.server.poke();
    }
}
