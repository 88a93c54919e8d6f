// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections as they should be, and refusals as they should be: real Mbed TLS on both sides of
//! a link in memory. What breaks on the way is in `faults.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::live;
use common::forge::{der, pem, split};
use common::raw::Raw;
use common::{
    ALERTED, Balance, CLIENT, CUT, Duo, EBADF, EINVAL, End, Fate, Link, Pair, SERVER, Setup,
    TAKES_HELLO_FRAGMENTS, on_records, options, pattern, pki, records, run, text, tls12,
};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::{self, sys};
use micropython_ssl::socket::{Options, Socket};

const ENOTCONN: Error = Error::Errno(107);
/// `POLLIN`, `POLLOUT`, `POLLNVAL` as MicroPython has them.
const RD: u32 = 1;
const WR: u32 = 4;
const NVAL: u32 = 0x20;

/// Content types of records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// The alerts that `side` has sent in the clear, level and description.
fn alerts(link: &Link, side: usize) -> Vec<[u8; 2]> {
    let transcript = link.wire(side).transcript();
    records(&transcript)
        .into_iter()
        .filter(|record| record[0] == ALERT && record.len() == 7)
        .map(|record| [record[5], record[6]])
        .collect()
}

// ---- Handshakes -------------------------------------------------------------

#[test]
fn each_kind_of_certificate_in_each_verify_mode() {
    for server_cert in ["ec", "ec384", "rsa", "chain"] {
        for client_mode in 0..3 {
            let _balance = Balance::start();
            let setup = Setup { server_cert: Some(server_cert), client_mode, ..Setup::default() };
            let pair = setup.open();
            let kind = if server_cert == "rsa" { "ECDHE-RSA" } else { "ECDHE-ECDSA" };
            for end in [&pair.client, &pair.server] {
                let cipher = end.socket.cipher().unwrap().to_str().unwrap();
                assert!(cipher.contains(kind), "{server_cert}: {cipher}");
                assert_eq!(end.socket.version(), Some(c"TLSv1.2"));
            }
            let leaf = if server_cert == "chain" { "leaf" } else { server_cert };
            assert_eq!(pair.client.socket.peer_cert(), Some(pki::der(leaf).as_slice()));
            assert_eq!(pair.server.socket.peer_cert(), None);
            pair.prove();
        }
    }
}

#[test]
fn nothing_is_known_before_the_handshake() {
    let _balance = Balance::start();
    let mut pair = Setup::default().pair();
    for side in [CLIENT, SERVER] {
        let socket = &pair.end(side).socket;
        assert_eq!((socket.cipher(), socket.version(), socket.peer_cert()), (None, None, None));
        assert_eq!((socket.pending(), socket.close_notify_received()), (0, false));
        assert!(!socket.would_send());
        assert_eq!(pair.end(side).unwrap(), Err(ENOTCONN));
        assert_eq!(pair.end(side).close_notify(), Ok(()), "nothing to close yet");
        assert_eq!(pair.end(side).port.calls, 0);
    }
    // Half way neither.
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    assert_eq!(pair.server.handshake(), Err(Error::WantRead));
    for side in [CLIENT, SERVER] {
        let socket = &pair.end(side).socket;
        assert_eq!((socket.cipher(), socket.version(), socket.peer_cert()), (None, None, None));
    }
    pair.open().prove();
}

#[test]
fn a_read_or_write_handshakes_first() {
    let _balance = Balance::start();
    let mut pair = Setup::mutual().pair();
    pair.transfer(CLIENT, b"early");
    assert_eq!((pair.client.handshake(), pair.server.handshake()), (Ok(()), Ok(())));
    pair.prove();
}

/// What a client finds wrong with a server's certificate: the flags, and the alert it sends.
#[test]
fn a_server_that_is_not_what_it_should_be() {
    const EXPIRED: &str = "\nThe certificate validity has expired\n";
    const FUTURE: &str = "\nThe certificate validity starts in the future\n";
    const WRONG_HOST: &str = "\nThe certificate Common Name (CN) does not match with the expected CN\n";
    const UNKNOWN_CA: &str = "\nThe certificate is not correctly signed by the trusted CA\n";
    for (server_cert, host, trusts, flags, expected, alert) in [
        ("expired", "localhost", "ca", 0x1, EXPIRED, 45),
        ("notyet", "localhost", "ca", 0x200, FUTURE, 46),
        ("wronghost", "localhost", "ca", 0x4, WRONG_HOST, 42),
        ("ec", "localhost.example", "ca", 0x4, WRONG_HOST, 42),
        ("ec", "127.0.0.2", "ca", 0x4, WRONG_HOST, 42),
        ("ec", "", "ca", 0x4, WRONG_HOST, 42),
        ("other", "localhost", "ca", 0x8, UNKNOWN_CA, 48),
        ("selfsigned", "localhost", "ca", 0x8, UNKNOWN_CA, 48),
        ("leaf", "localhost", "ca", 0x8, UNKNOWN_CA, 48),
        ("ec", "localhost", "ec384", 0x8, UNKNOWN_CA, 48),
        // Only what signs itself is an anchor for itself.
        ("ec", "localhost", "ec", 0x8, UNKNOWN_CA, 48),
        ("expired", "elsewhere.example", "ca", 0x5, &[EXPIRED, WRONG_HOST].concat(), 42),
        ("other", "elsewhere.example", "ca", 0xc, &[WRONG_HOST, UNKNOWN_CA].concat(), 42),
    ] {
        let _balance = Balance::start();
        let mut setup = Setup {
            server_cert: Some(server_cert),
            hostname: Some(host),
            client_trusts: Some(trusts),
            ..Setup::default()
        };
        let mut pair = setup.pair();
        let what = format!("{server_cert} for {host:?} by {trusts}");
        assert_eq!(pair.handshake(), (Err(Error::Verify(flags)), Err(ALERTED)), "{what}");
        assert_eq!(text(Error::Verify(flags)), expected);
        assert_eq!(alerts(&pair.link, CLIENT), [[2, alert]], "{what}");
        assert!(alerts(&pair.link, SERVER).is_empty(), "{what}");
        pair.assert_failed(CLIENT);
        pair.assert_failed(SERVER);
        // Whoever does not insist gets through.
        for mode in [0, 1] {
            setup.client_mode = mode;
            let pair = setup.open();
            assert!(pair.client.socket.peer_cert().is_some(), "{what}");
            pair.prove();
        }
    }
}

#[test]
fn a_server_that_is_what_it_should_be() {
    for (server_cert, host, trusts) in [
        ("ec", "localhost", "ca"),
        ("ec", "LOCALHOST", "ca"),
        ("ec", "micropython.local", "ca"),
        ("ec", "127.0.0.1", "ca"),
        ("wronghost", "elsewhere.example", "ca"),
        ("chain", "localhost", "ca"),
        ("other", "localhost", "other_ca"),
        ("other", "localhost", "bundle"),
        ("ec", "localhost", "bundle"),
        // Trusted itself: a CA it need not be.
        ("selfsigned", "localhost", "selfsigned"),
    ] {
        let _balance = Balance::start();
        let setup = Setup {
            server_cert: Some(server_cert),
            hostname: Some(host),
            client_trusts: Some(trusts),
            ..Setup::default()
        };
        setup.open().prove();
    }
}

#[test]
fn verifying_takes_anchors_and_a_purpose() {
    let _balance = Balance::start();
    // Mbed TLS's own errors for what is a mistake of this side's.
    let no_anchors = Error::Tls(sys::MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED);
    let mut pair = Setup { client_trusts: None, ..Setup::default() }.pair();
    assert_eq!(pair.handshake(), (Err(no_anchors), Err(ALERTED)));
    #[cfg(micropython_tree)]
    assert_eq!(text(no_anchors), "MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED");
    pair.assert_failed(CLIENT);
    // A server's certificate is none for a client.
    let purpose = Error::Verify(sys::MBEDTLS_X509_BADCERT_EXT_KEY_USAGE);
    let mut pair = Setup { client_cert: Some("ec"), ..Setup::mutual() }.pair();
    assert_eq!(pair.handshake(), (Err(ALERTED), Err(purpose)));
    assert_eq!(alerts(&pair.link, SERVER), [[2, 43]]);
    // No name to look for, where none is asked for.
    for client_mode in [0, 1] {
        Setup { hostname: None, client_mode, ..Setup::default() }.open().prove();
    }
}

#[test]
fn a_server_that_asks_for_certificates() {
    const NONE: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE);
    for (server_mode, client_cert, expected, alert) in [
        (2, Some("client"), Ok(()), 0),
        (2, Some("rsa_client"), Ok(()), 0),
        (2, None, Err(NONE), 40),
        (2, Some("other_client"), Err(Error::Verify(8)), 48),
        (2, Some("expired"), Err(Error::Verify(0x1001)), 43), // nor a client's
        (1, Some("client"), Ok(()), 0),
        (1, None, Ok(()), 0),
        (1, Some("other_client"), Ok(()), 0),
        (0, Some("client"), Ok(()), 0),
    ] {
        let _balance = Balance::start();
        let mut pair = Setup { client_cert, server_mode, ..Setup::mutual() }.pair();
        let what = format!("mode {server_mode}, {client_cert:?}");
        let (client, server) = pair.handshake();
        assert_eq!(server, expected, "{what}");
        if server.is_ok() {
            assert_eq!(client, Ok(()));
            let shown = client_cert.filter(|_| server_mode > 0).map(pki::der);
            assert_eq!(pair.server.socket.peer_cert(), shown.as_deref(), "{what}");
            pair.prove();
        } else {
            assert_eq!(client, Err(ALERTED), "{what}");
            assert_eq!(alerts(&pair.link, SERVER), [[2, alert]], "{what}");
            pair.assert_failed(CLIENT);
            pair.assert_failed(SERVER);
        }
    }
}

#[test]
fn a_server_without_a_certificate() {
    let _balance = Balance::start();
    let mut pair = Setup { server_cert: None, ..Setup::default() }.pair();
    let (client, server) = pair.handshake();
    assert_eq!(client, Err(ALERTED));
    assert!(matches!(server, Err(Error::Tls(_))), "{server:?}");
    assert_eq!(alerts(&pair.link, SERVER), [[2, 40]]);
}

#[test]
fn arguments_that_are_refused() {
    let _balance = Balance::start();
    let invalid = |invalid| Some(Error::Value(invalid));
    for protocol in [-1, 4, 5, i32::MAX, i32::MIN] {
        assert_eq!(Context::new(protocol, 0).err(), invalid(Invalid::Protocol), "{protocol}");
    }
    let mut context = tls12(Context::new(0, 1));
    for mode in [-1, 3, 4, i32::MAX, i32::MIN] {
        assert_eq!(Context::new(0, mode).err(), invalid(Invalid::VerifyMode), "{mode}");
        assert_eq!(context.set_verify_mode(mode).err(), invalid(Invalid::VerifyMode), "{mode}");
        assert_eq!(context.verify_mode(), 1);
    }
    let mut wrap = |mode, host: Option<&[u8]>| {
        context.set_verify_mode(mode).unwrap();
        Socket::new(&mut context, options(host, None)).err()
    };
    assert_eq!(wrap(2, None), invalid(Invalid::NoHostname));
    assert_eq!(wrap(2, Some(b"local\0host\0")), invalid(Invalid::Hostname));
    assert_eq!(wrap(0, Some(b"localhost\0\0")), invalid(Invalid::Hostname));
    let long = [&[b'a'; 256], b"\0".as_slice()].concat();
    assert_eq!(wrap(0, Some(&long)), Some(Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA)));
    assert_eq!(wrap(0, Some(&long[1..])), None);
    assert_eq!((wrap(0, None), wrap(1, None), wrap(2, Some(b"localhost\0"))), (None, None, None));
    // Only a client needs a name.
    let mut server = tls12(Context::new(1, 2));
    assert!(Socket::new(&mut server, options(None, None)).is_ok());
}

// ---- Hellos -----------------------------------------------------------------

/// Nobody learns from a hello what this side's clock says.
#[test]
fn hellos_do_not_tell_the_time() {
    let _balance = Balance::start();
    let mut seen = Vec::new();
    for datagram in [false, true] {
        for _ in 0..10 {
            let setup = Setup { datagram, ..Setup::default() };
            let link = if datagram {
                let mut duo = Duo::of(setup);
                duo.open();
                duo.link
            } else {
                setup.open().link
            };
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            for (side, kind) in [(CLIENT, 1), (SERVER, 2)] {
                // Behind the headers of record and message, and the version.
                let (record, message) = if datagram { (13, 12) } else { (5, 4) };
                let wire = link.wire(side);
                let hello =
                    wire.sent.iter().find(|sent| sent[0] == 22 && sent[record] == kind).expect("a hello");
                let random = &hello[record + message + 2..][..32];
                let time = u64::from(u32::from_be_bytes(random[..4].try_into().unwrap()));
                assert!(time.abs_diff(now) > 60, "{kind} {datagram}");
                assert!(!seen.contains(&random[..4].to_vec()) && !seen.contains(&random[4..8].to_vec()));
                seen.extend([random[..4].to_vec(), random[4..8].to_vec()]);
            }
        }
    }
}

// ---- Cipher suites ----------------------------------------------------------

#[test]
fn each_cipher_suite() {
    let all = mbedtls::ciphers().iter().map(|&id| mbedtls::cipher_name(id).unwrap().to_str().unwrap());
    let mut done = Vec::new();
    for name in all {
        if name.contains("-PSK-") || name.starts_with("TLS1-3-") {
            continue; // needs a key in common; is in tests/tls13.rs
        }
        let _balance = Balance::start();
        let server_cert = Some(if name.contains("ECDSA") { "ec" } else { "rsa" });
        let mut pair = Setup { server_cert, suites: &[name], ..Setup::default() }.open();
        assert_eq!(pair.client.socket.cipher().unwrap().to_str(), Ok(name));
        assert_eq!(pair.server.socket.cipher().unwrap().to_str(), Ok(name));
        for len in [1, 15, 16, 17, 4096] {
            pair.transfer(CLIENT, &pattern(len));
            pair.transfer(SERVER, &pattern(len));
        }
        if name.ends_with("-CBC-SHA") {
            // Encrypt-then-MAC: IV, padded data, MAC of 20 bytes. The other way round it
            // would all be padded.
            pair.transfer(CLIENT, &pattern(16));
            let sent = pair.link.wire(CLIENT).sent.last().unwrap().len();
            assert_eq!(sent, 5 + 16 + 32 + 20, "{name}");
        }
        pair.prove();
        done.push(name);
    }
    for family in [
        "ECDHE-ECDSA-WITH-AES-128-GCM",
        "ECDHE-ECDSA-WITH-AES-256-GCM",
        "ECDHE-ECDSA-WITH-AES-128-CCM",
        "ECDHE-ECDSA-WITH-AES-128-CCM-8",
        "ECDHE-ECDSA-WITH-AES-256-CBC-SHA",
        "ECDHE-ECDSA-WITH-CHACHA20",
        "ECDHE-RSA-WITH-AES-128-GCM",
        "ECDHE-RSA-WITH-AES-128-CBC-SHA256",
        "ECDHE-RSA-WITH-CHACHA20",
        "TLS-RSA-WITH-AES-128-CBC-SHA",
        "TLS-RSA-WITH-AES-256-GCM",
        "TLS-RSA-WITH-AES-128-CCM-8",
    ] {
        assert!(done.iter().any(|name| name.contains(family)), "no {family} in {done:?}");
    }
}

#[test]
fn nothing_in_common() {
    let _balance = Balance::start();
    // The server's certificate is no RSA one.
    let mut pair = Setup { suites: &["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"], ..Setup::default() }.pair();
    let (client, server) = pair.handshake();
    assert_eq!((client, alerts(&pair.link, SERVER)), (Err(ALERTED), vec![[2, 40]]));
    assert!(matches!(server, Err(Error::Tls(_))), "{server:?}");
    pair.assert_failed(CLIENT);
    pair.assert_failed(SERVER);
}

// ---- The verify callback ----------------------------------------------------

#[test]
fn the_callback_sees_the_chain_from_the_top() {
    let _balance = Balance::start();
    let pair = Setup { server_cert: Some("chain"), ..Setup::default() }.open();
    let seen = [(2, pki::der("ca")), (1, pki::der("intermediate")), (0, pki::der("leaf"))];
    assert_eq!(pair.client.port.judged, seen);
    assert!(pair.server.port.judged.is_empty());

    let pair = Setup::mutual().open();
    assert_eq!(pair.server.port.judged, [(1, pki::der("ca")), (0, pki::der("client"))]);

    // Nothing is verified, nobody is asked.
    let pair = Setup { client_mode: 0, ..Setup::default() }.open();
    assert!(pair.client.port.judged.is_empty());
}

#[test]
fn the_callback_decides() {
    let access_denied = [2, 49];
    for side in [CLIENT, SERVER] {
        for mode in [1, 2] {
            for depth in [0, 1] {
                for (verdict, expected) in [
                    (Ok(0), Ok(())),
                    (Ok(1), Err(Error::Tls(1))),
                    (Ok(-1), Err(Error::Errno(1))),
                    (Ok(-300), Err(Error::Tls(-300))),
                    (Ok(i32::MIN), Err(EINVAL)),
                    (Err(Interruption::Raised), Err(Error::Raised)),
                ] {
                    let _balance = Balance::start();
                    let mut setup = Setup::mutual();
                    (setup.client_mode, setup.server_mode) = (mode, mode);
                    let mut pair = setup.pair();
                    pair.end(side).port.judge =
                        Some(Box::new(move |_, at| if at == depth { verdict } else { Ok(0) }));
                    let (client, server) = pair.handshake();
                    let (this, other) = if side == CLIENT { (client, server) } else { (server, client) };
                    let what = format!("side {side}, mode {mode}, depth {depth}, {verdict:?}");
                    assert_eq!(this, expected, "{what}");
                    if this.is_ok() {
                        pair.prove();
                        continue;
                    }
                    assert_eq!(other, Err(ALERTED), "{what}");
                    assert_eq!(alerts(&pair.link, side), [access_denied], "{what}");
                    // Nobody is asked again after a refusal.
                    assert_eq!(pair.end(side).port.judged.last().unwrap().0, depth, "{what}");
                    pair.assert_failed(side);
                }
            }
        }
    }
}

#[test]
fn the_callback_cannot_make_a_bad_certificate_good() {
    let _balance = Balance::start();
    let mut pair = Setup { server_cert: Some("expired"), ..Setup::default() }.pair();
    pair.client.port.judge = Some(Box::new(|_, _| Ok(0)));
    assert_eq!(pair.handshake().0, Err(Error::Verify(1)));
    assert_eq!(pair.client.port.judged.len(), 2);
}

// ---- The sign callback ------------------------------------------------------

/// A signature by a key of the PKI, as a secure element would make it.
fn signature_by(name: &str, hash: &[u8]) -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("mpssl-sign-{}-{name}", std::process::id()));
    let (key, input) = (path.with_extension("key"), path.with_extension("hash"));
    std::fs::write(&key, pki::file(&format!("{name}.key"))).unwrap();
    std::fs::write(&input, hash).unwrap();
    let args = ["pkeyutl", "-sign", "-inkey", key.to_str().unwrap(), "-in", input.to_str().unwrap()];
    let output = std::process::Command::new("openssl").args(args).output().unwrap();
    std::fs::remove_file(key).unwrap();
    std::fs::remove_file(input).unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn the_host_signs() {
    let _balance = Balance::start();
    let setup = Setup::mutual();
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    // The scalar is at the same place in each P-256 key (RFC 5915).
    let scalars = ["client", "ec"].map(|name| pki::file(&format!("{name}.key.der"))[7..39].to_vec());
    let mut pair = Pair::with_signers(&mut client, &mut server, Some("localhost"), true).unwrap();
    for (side, name) in [(CLIENT, "client"), (SERVER, "ec")] {
        let scalar = scalars[side].clone();
        pair.end(side).port.sign = Some(Box::new(move |key, hash| {
            // Without leading zeros.
            assert!(scalar.ends_with(key) && key.len() > 28);
            Ok(Some(signature_by(name, hash)))
        }));
    }
    pair.open().prove();
    // A configuration with a signer is not kept for the next connection.
    let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    for side in [CLIENT, SERVER] {
        pair.end(side).port.sign = Some(Box::new(|_, _| Err(Interruption::Raised)));
    }
    pair.open().prove();
}

#[test]
fn the_host_leaves_it_to_the_key() {
    for server_cert in ["ec", "ec384", "rsa"] {
        let _balance = Balance::start();
        let setup = Setup { server_cert: Some(server_cert), ..Setup::mutual() };
        let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
        let pair = Pair::with_signers(&mut client, &mut server, Some("localhost"), true).unwrap();
        drop((client, server));
        pair.open().prove();
    }
}

#[test]
fn the_host_cannot_sign() {
    type Made = std::result::Result<Option<Vec<u8>>, Interruption>;
    let unavailable = Error::Tls(sys::MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE);
    let wrong: [(Made, Option<Error>); 4] = [
        (Err(Interruption::Raised), Some(Error::Raised)),
        // More than there is room for.
        (Ok(Some(vec![0x30; 20_000])), Some(unavailable)),
        (Ok(Some(vec![])), None),
        (Ok(Some(vec![0x30; 70])), None),
    ];
    for (made, expected) in wrong {
        let _balance = Balance::start();
        let setup = Setup::default();
        let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
        let mut pair = Pair::with_signers(&mut client, &mut server, Some("localhost"), true).unwrap();
        let length = made.as_ref().map(|made| made.as_ref().map(Vec::len));
        let what = format!("{length:?}");
        let answer = made.clone();
        pair.server.port.sign = Some(Box::new(move |_, _| answer.clone()));
        let (client_result, server_result) = pair.handshake();
        assert!(client_result.is_err() && server_result.is_err(), "{what}");
        if let Some(expected) = expected {
            assert_eq!(server_result, Err(expected), "{what}");
            pair.assert_failed(SERVER);
        }
        // The next connection signs by itself.
        Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open().prove();
    }
}

// ---- Data -------------------------------------------------------------------

#[test]
fn one_byte_at_a_time() {
    let _balance = Balance::start();
    let mut pair = Setup::mutual().pair();
    for side in [CLIENT, SERVER] {
        let port = &mut pair.end(side).port;
        (port.max_read, port.max_write) = (1, 1);
    }
    let mut pair = pair.open();
    pair.transfer(CLIENT, &pattern(300));
    pair.transfer(SERVER, &pattern(300));
    assert!(pair.link.wire(CLIENT).sent.iter().all(|write| write.len() == 1));
    pair.prove();
}

#[test]
fn large_data_both_ways_at_once() {
    let _balance = Balance::start();
    let data = pattern(200_000);
    // The most that a read moves, a write moves, and the link holds.
    for (max_read, max_write, capacity) in [
        (usize::MAX, usize::MAX, usize::MAX),
        (700, 1000, 5000),
        (usize::MAX, 1, 20_000),
        (16, usize::MAX, 100),
    ] {
        let mut pair = Setup::default().open();
        for side in [CLIENT, SERVER] {
            let port = &mut pair.end(side).port;
            (port.max_read, port.max_write) = (max_read, max_write);
            pair.link.wire(side).capacity = capacity;
        }
        let talk = |written: &mut usize, got: &mut Vec<u8>, end: &mut End| -> Result<()> {
            let (mut buf, mut wants) = ([0; 5000], Ok(()));
            if *written < data.len() {
                match end.write(&data[*written..]) {
                    Ok(n) => *written += n,
                    Err(error @ (Error::WantRead | Error::WantWrite)) => wants = Err(error),
                    Err(error) => return Err(error),
                }
            }
            if got.len() < data.len() {
                let n = end.read(&mut buf)?;
                got.extend_from_slice(&buf[..n]);
            }
            wants?;
            let over = *written == data.len() && got.len() == data.len();
            if over { Ok(()) } else { Err(Error::WantWrite) }
        };
        let (mut written, mut got) = ([0, 0], [Vec::new(), Vec::new()]);
        let ([w0, w1], [g0, g1]) = (&mut written, &mut got);
        let results = run(
            &mut pair.client,
            &mut pair.server,
            |client| talk(w0, g0, client),
            |server| talk(w1, g1, server),
        );
        assert_eq!(results, (Ok(()), Ok(())), "{max_read} {max_write} {capacity}");
        assert!(got.iter().all(|got| *got == data), "{max_read} {max_write} {capacity}");
        pair.prove();
    }
}

#[test]
fn a_write_takes_one_record_at_most_and_a_read_gives_one() {
    let _balance = Balance::start();
    let mut pair = Setup::default().open();
    let data = pattern(10_000);
    let before = pair.link.wire(CLIENT).sent.len();
    let n = pair.client.write(&data).unwrap();
    assert!((1..=16384).contains(&n), "{n}");
    assert_eq!(pair.client.write(&data[n..n + 5]), Ok(5));
    assert_eq!(pair.link.wire(CLIENT).sent.len(), before + 2);

    let mut buf = [0; 20_000];
    assert_eq!(pair.server.read(&mut buf[..100]), Ok(100));
    assert_eq!(pair.server.socket.pending(), n - 100);
    assert_eq!(pair.server.read(&mut buf[100..]), Ok(n - 100));
    assert_eq!(pair.server.socket.pending(), 0);
    assert_eq!(pair.server.read(&mut buf[n..]), Ok(5));
    assert_eq!(buf[..n + 5], data[..n + 5]);
    assert_eq!(pair.server.read(&mut buf), Err(Error::WantRead));
    pair.prove();
}

#[test]
fn nothing_to_read_or_write() {
    let _balance = Balance::start();
    let mut pair = Setup::default().open();
    let (sent, calls) = (pair.link.wire(CLIENT).sent.len(), pair.client.port.calls);
    assert_eq!(pair.client.write(b""), Ok(0));
    assert_eq!(pair.client.read(&mut []), Ok(0));
    assert_eq!((pair.link.wire(CLIENT).sent.len(), pair.client.port.calls), (sent, calls));
    pair.prove();
}

// ---- Writes that are interrupted --------------------------------------------

#[test]
fn a_write_cut_short_is_made_again_with_the_same_bytes() {
    let _balance = Balance::start();
    for why in [Interruption::WouldBlock, Interruption::Raised, Interruption::Errno(110)] {
        let mut pair = Setup::default().open();
        pair.client.port.max_write = 100;
        pair.client.port.interrupt_at(2, why);
        let expected = match why {
            Interruption::Raised => Error::Raised,
            Interruption::Errno(errno) => Error::Errno(errno),
            _ => Error::WantWrite,
        };
        let data = pattern(3000);
        assert_eq!(pair.client.write(&data), Err(expected));
        // Part of the record is out: neither fewer bytes nor none, which would lose the rest.
        assert_eq!(pair.client.write(&data[..2999]), Err(EINVAL));
        assert_eq!(pair.client.write(b""), Err(EINVAL));
        // A read between does not disturb it.
        pair.server.write(b"meanwhile").unwrap();
        let mut buf = [0; 100];
        assert_eq!(pair.client.read(&mut buf), Ok(9));
        // More bytes: those of the record alone count.
        let more = pattern(5000);
        assert_eq!(pair.client.write(&more), Ok(3000));
        let mut got = vec![0; 4000];
        assert_eq!(pair.server.read(&mut got), Ok(3000));
        assert_eq!(got[..3000], data);
        assert_eq!(pair.server.read(&mut got), Err(Error::WantRead), "sent twice");
        assert_eq!(pair.client.write(b"x"), Ok(1), "any length again");
        assert_eq!(pair.server.poke(), Ok(1));
        pair.prove();
    }
}

#[test]
fn a_stream_that_takes_nothing() {
    let _balance = Balance::start();
    let mut pair = Setup::default().open();
    pair.client.port.max_write = 0;
    assert_eq!(pair.client.write(b"data"), Err(Error::WantWrite));
    assert_eq!(pair.server.poke(), Err(Error::WantRead));
    pair.client.port.max_write = usize::MAX;
    assert_eq!(pair.client.write(b"data"), Ok(4));
    assert_eq!(pair.server.read(&mut [0; 9]), Ok(4));
    pair.prove();
}

#[test]
fn a_write_that_never_began_commits_to_nothing() {
    let _balance = Balance::start();
    let mut pair = Setup::default().pair();
    // In the handshake no byte of the caller's is in any record.
    assert_eq!(pair.client.write(&pattern(100)), Err(Error::WantRead));
    assert_eq!(pair.client.write(b"x"), Err(Error::WantRead));
    let mut pair = pair.open();
    assert_eq!(pair.client.write(b"y"), Ok(1));
    let mut buf = [0; 10];
    assert_eq!((pair.server.read(&mut buf), buf[0]), (Ok(1), b'y'));
    pair.prove();
}

/// Whether or not it gets out.
#[test]
fn the_alert_sent_is_known() {
    for room in [usize::MAX, 3, 0] {
        let mut pair = Setup { server_cert: Some("other"), ..Setup::default() }.pair();
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        assert_eq!(pair.server.handshake(), Err(Error::WantRead));
        pair.client.port.max_write = room;
        assert_eq!(pair.client.handshake(), Err(Error::Verify(8)), "{room}");
        assert_eq!(u32::from(pair.client.socket.alert()), sys::MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA, "{room}");
    }
}

#[test]
fn an_alert_half_sent_goes_before_the_data() {
    let _balance = Balance::start();
    let (mut client, mut raw, link) = Raw::pair(&Setup::default());
    // HelloRequest: the answer is the alert no_renegotiation, which does not get out.
    raw.send_record(HANDSHAKE, &[0, 0, 0, 0]).unwrap();
    client.port.gate = Some({
        let until = client.port.calls + 2; // header and body of the request are read
        Box::new(move |call| if call < until { Ok(()) } else { Err(Interruption::WouldBlock) })
    });
    assert_eq!(client.poke(), Err(Error::WantWrite));
    assert_eq!(client.write(b"data"), Err(Error::WantWrite));
    client.port.unblock();
    let before = link.wire(CLIENT).sent.len();
    assert_eq!(client.write(b"data"), Ok(4));
    assert_eq!(link.wire(CLIENT).sent[before][0], ALERT);
    assert_eq!(link.wire(CLIENT).sent[before + 1][0], DATA);
    // Mbed TLS's server passes over the warning.
    let mut buf = [0; 10];
    let n = (0..3).find_map(|_| raw.read(&mut buf).ok());
    assert_eq!((n, &buf[..4]), (Some(4), b"data".as_slice()));
    assert_eq!(client.write(b"more"), Ok(4));
    assert_eq!(raw.read(&mut buf), Ok(4));
}

/// A warning is no reason to keep a fatal alert back: no_renegotiation, the answer to a HelloRequest,
/// has been sent in another call, in the same, or for the same record.
#[test]
fn a_fatal_alert_follows_a_warning() {
    const REQUEST: [u8; 4] = [0; 4];
    const SERVER_DONE: [u8; 4] = [14, 0, 0, 0];
    for way in 0..3 {
        let _balance = Balance::start();
        let (mut client, mut raw, link) = Raw::pair(&Setup::default());
        match way {
            2 => raw.send_record(HANDSHAKE, &[REQUEST, SERVER_DONE].concat()).unwrap(),
            _ => raw.send_record(HANDSHAKE, &REQUEST).unwrap(),
        }
        if way == 0 {
            assert_eq!(client.poke(), Err(Error::WantRead));
        }
        if way < 2 {
            raw.send_record(HANDSHAKE, &SERVER_DONE).unwrap();
        }
        assert_eq!(client.poke(), Err(Error::Tls(sys::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE)), "{way}");
        assert_eq!(u32::from(client.socket.alert()), sys::MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
        let sent = link.wire(CLIENT).transcript();
        assert_eq!(records(&sent).iter().filter(|record| record[0] == ALERT).count(), 2, "{way}");
        // Mbed TLS's server passes over the warning.
        let said =
            (0..3).find_map(|_| raw.read(&mut [0; 10]).err().filter(|error| *error != Error::WantRead));
        assert_eq!((said, raw.alert()), (Some(ALERTED), [2, 10]), "{way}");
    }
}

/// "TLS servers MUST accept any value {03,XX} as the record layer version number for ClientHello" (RFC
/// 5246 E.1), in each of its records; and of no other message.
#[test]
fn the_record_version_of_a_hello_is_any() {
    const INVALID: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_RECORD);
    let alter = |link: &Link, side: usize, at: usize, minor: u8, parts: usize| {
        link.wire(side).fault = Some(on_records(move |n, bytes| {
            if n == at {
                let content = bytes.split_off(5);
                let len = content.len().div_ceil(parts);
                let header = |part: &[u8]| [&[22, 3, minor][..], &(part.len() as u16).to_be_bytes()].concat();
                *bytes =
                    content.chunks(len).flat_map(|part| [header(part), part.to_vec()].concat()).collect();
            }
            Fate::Arrives
        }));
    };
    for minor in [0, 1, 2, 3, 4, 5, 0x7f, 0xff] {
        for parts in if TAKES_HELLO_FRAGMENTS { 1..=3 } else { 1..=1 } {
            let _balance = Balance::start();
            let mut pair = Setup::default().pair();
            alter(&pair.link, CLIENT, 0, minor, parts);
            assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{minor} {parts}");
            pair.prove();
        }
    }
    for (side, record, finder) in [(SERVER, 0, CLIENT), (CLIENT, 1, SERVER)] {
        let _balance = Balance::start();
        let mut pair = Setup::default().pair();
        alter(&pair.link, side, record, 4, 1);
        let (client, server) = pair.handshake();
        assert_eq!(if finder == CLIENT { client } else { server }, Err(INVALID), "{record} of {side}");
    }
}

/// "If a TLS server receives a ClientHello containing a version number greater than the highest version
/// supported by the server, it MUST reply according to the highest version supported by the server" (RFC
/// 5246 E.1). What was sent is hashed: here that is not what the client has hashed. BoGo's client has.
#[test]
fn a_client_that_knows_newer_versions() {
    const VERSION: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION);
    const MAC: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC);
    for (version, expected) in [
        ([3, 4], MAC),
        ([3, 0xff], MAC),
        ([4, 0], MAC),
        ([0xff, 0xff], MAC),
        ([3, 2], VERSION),
        ([3, 0], VERSION),
        ([2, 0xff], VERSION),
        ([0, 0], VERSION),
    ] {
        let _balance = Balance::start();
        let mut pair = Setup::default().pair();
        pair.link.wire(CLIENT).fault = Some(on_records(move |n, bytes| {
            if n == 0 {
                bytes[9..11].copy_from_slice(&version);
            }
            Fate::Arrives
        }));
        assert_eq!(pair.handshake(), (Err(ALERTED), Err(expected)), "{version:?}");
        let sent = pair.link.wire(SERVER).transcript();
        let hello = records(&sent).into_iter().find(|record| record[0] == HANDSHAKE && record[5] == 2);
        let answer = hello.map(|hello| [hello[9], hello[10]]);
        assert_eq!(answer, (expected == MAC).then_some([3, 3]), "{version:?}");
    }
}

/// A wrong Finished of the server's is answered in a record that is encrypted by then.
#[test]
fn the_alert_for_a_wrong_finished_is_known() {
    let _balance = Balance::start();
    let (mut client, mut raw, _link) = Raw::pair_to_be(&Setup::default());
    let results = run(&mut client, &mut raw, End::handshake, Raw::handshake_wrongly);
    assert_eq!(results, (Err(Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE)), Ok(())));
    assert_eq!(raw.read(&mut [0; 10]), Err(ALERTED));
    assert_eq!(raw.alert(), [2, 51]);
    assert_eq!(client.socket.alert(), 51);
}

#[test]
fn records_of_no_interest() {
    let _balance = Balance::start();
    let (mut client, mut raw, _link) = Raw::pair(&Setup::default());
    // Empty records, a warning, a request to renegotiate: none ends the stream.
    for empty in 1..4 {
        for _ in 0..empty {
            raw.send_record(DATA, b"").unwrap();
        }
        assert_eq!(client.poke(), Err(Error::WantRead), "{empty}");
        raw.write(b"x").unwrap();
        assert_eq!(client.poke(), Ok(1), "{empty}");
    }
    raw.send_record(ALERT, &[1, 90]).unwrap(); // user_canceled
    assert_eq!(client.poke(), Err(Error::WantRead));
    raw.send_record(HANDSHAKE, &[0, 0, 0, 0]).unwrap();
    raw.send_record(DATA, b"").unwrap();
    raw.write(b"data").unwrap();
    let mut buf = [0; 10];
    assert_eq!(client.read(&mut buf), Ok(4));
    assert!(!client.socket.close_notify_received());
    assert_eq!(client.write(b"x"), Ok(1));
    // Four in a row are an attack to Mbed TLS.
    for _ in 0..4 {
        raw.send_record(DATA, b"").unwrap();
    }
    assert_eq!(client.poke(), Err(Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC)));
    assert_eq!(client.poke(), Err(EBADF));
}

#[test]
fn a_fatal_alert_ends_the_connection() {
    let _balance = Balance::start();
    let (mut client, mut raw, link) = Raw::pair(&Setup::default());
    raw.send_record(ALERT, &[2, 80]).unwrap(); // internal_error
    let sent = link.wire(CLIENT).sent.len();
    assert_eq!(client.poke(), Err(ALERTED));
    assert_eq!((client.poke(), client.write(b"x")), (Err(EBADF), Err(EBADF)));
    assert_eq!(link.wire(CLIENT).sent.len(), sent, "an alert is not answered");
}

#[test]
fn a_record_that_was_tampered_with_is_answered_with_bad_record_mac() {
    let _balance = Balance::start();
    let (mut client, mut raw, link) = Raw::pair(&Setup::default());
    link.wire(SERVER).fault = Some(Box::new(|_, bytes| {
        *bytes.last_mut().unwrap() ^= 1;
        Fate::Arrives
    }));
    raw.write(b"data").unwrap();
    assert_eq!(client.poke(), Err(Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC)));
    assert_eq!(client.poke(), Err(EBADF));
    assert_eq!(raw.read(&mut [0; 10]), Err(ALERTED));
    assert_eq!(raw.alert(), [2, 20]);
}

#[test]
fn records_that_make_no_sense() {
    // A type that nobody knows, a handshake message out of turn, ChangeCipherSpec.
    for (content_type, content) in
        [(99, b"x".as_slice()), (HANDSHAKE, &[2, 0, 0, 0]), (HANDSHAKE, b"\x01\x00\x00\x01x"), (20, b"\x01")]
    {
        let _balance = Balance::start();
        let (mut client, mut raw, _link) = Raw::pair(&Setup::default());
        raw.send_record(content_type, content).unwrap();
        let error = client.poke();
        assert!(matches!(error, Err(Error::Tls(_))), "{content_type} {content:?}: {error:?}");
        assert_eq!(client.poke(), Err(EBADF));
    }
}

// ---- The end ----------------------------------------------------------------

#[test]
fn closing_with_an_alert() {
    for side in [CLIENT, SERVER] {
        let _balance = Balance::start();
        let mut pair = Setup::default().open();
        assert!(pair.end(side).socket.would_send());
        assert_eq!(pair.end(side).write(b"last"), Ok(4));
        assert_eq!(pair.end(side).close_notify(), Ok(()));
        let sent = pair.link.wire(side).sent.len();
        assert!(!pair.end(side).socket.would_send());
        assert_eq!(pair.end(side).close_notify(), Ok(()), "once is enough");
        assert_eq!(pair.link.wire(side).sent.len(), sent);
        assert_eq!(pair.link.wire(side).sent[sent - 1][0], ALERT);

        let peer = pair.end(1 - side);
        let mut buf = [0; 10];
        assert_eq!(peer.read(&mut buf), Ok(4));
        assert!(!peer.socket.close_notify_received());
        for _ in 0..3 {
            assert_eq!(peer.read(&mut buf), Ok(0));
            assert!(peer.socket.close_notify_received());
        }
        // The other direction is still open.
        assert!(peer.socket.would_send());
        assert_eq!(peer.write(b"answer"), Ok(6));
        assert_eq!(pair.end(side).read(&mut buf), Ok(6));
        assert_eq!(pair.end(1 - side).close_notify(), Ok(()));
        assert_eq!(pair.end(side).read(&mut buf), Ok(0));
        assert!(pair.end(side).socket.close_notify_received());
    }
}

#[test]
fn closing_without_an_alert() {
    for side in [CLIENT, SERVER] {
        let _balance = Balance::start();
        let mut pair = Setup::default().open();
        assert_eq!(pair.end(side).write(b"last"), Ok(4));
        pair.link.hang_up(side);
        let peer = pair.end(1 - side);
        let mut buf = [0; 10];
        assert_eq!(peer.read(&mut buf), Ok(4));
        let calls = peer.port.calls;
        for _ in 0..3 {
            assert_eq!(peer.read(&mut buf), Ok(0));
            assert!(!peer.socket.close_notify_received());
        }
        assert_eq!(peer.port.calls, calls + 1, "the end is the end");
        assert!(!peer.socket.would_send());
        assert_eq!(peer.unwrap(), Ok(()));
    }
}

#[test]
fn close_notify_half_sent() {
    let _balance = Balance::start();
    for why in [Interruption::WouldBlock, Interruption::Raised, Interruption::Errno(110)] {
        let mut pair = Setup::default().open();
        pair.client.port.max_write = 10;
        pair.client.port.interrupt_at(1, why);
        assert!(pair.client.close_notify().is_err());
        assert_eq!(pair.client.close_notify(), Ok(()));
        assert_eq!(pair.client.close_notify(), Ok(()));
        assert_eq!(pair.server.poke(), Ok(0));
        assert!(pair.server.socket.close_notify_received());
        pair.link.hang_up(CLIENT);
        assert_eq!(pair.server.poke(), Ok(0));
    }
}

#[test]
fn close_notify_behind_a_record_half_sent() {
    let _balance = Balance::start();
    let mut pair = Setup::default().open();
    pair.client.port.max_write = 10;
    pair.client.port.interrupt_at(1, Interruption::WouldBlock);
    assert_eq!(pair.client.write(b"a record longer than ten bytes"), Err(Error::WantWrite));
    assert_eq!(pair.client.close_notify(), Ok(()));
    let mut buf = [0; 100];
    assert_eq!(pair.server.read(&mut buf), Ok(30));
    assert_eq!(pair.server.read(&mut buf), Ok(0));
    assert!(pair.server.socket.close_notify_received());
}

#[test]
fn unwrap_drops_what_is_still_coming() {
    let _balance = Balance::start();
    let mut pair = Setup::default().open();
    let data = pattern(10_000);
    let mut written = 0;
    let results = run(&mut pair.client, &mut pair.server, End::unwrap, |server| {
        while written < data.len() {
            written += server.write(&data[written..])?;
        }
        server.unwrap()
    });
    assert_eq!(results, (Ok(()), Ok(())));
    assert!(pair.client.socket.close_notify_received() && pair.server.socket.close_notify_received());
}

#[test]
fn a_goodbye_in_the_handshake_is_an_error() {
    let _balance = Balance::start();
    let mut pair = Setup::default().pair();
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    pair.link.inject(SERVER, &[ALERT, 3, 3, 0, 2, 1, 0]);
    let goodbye = Error::Tls(sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    assert_eq!(pair.client.handshake(), Err(goodbye));
    pair.assert_failed(CLIENT);
}

#[test]
fn a_peer_that_does_not_speak_tls() {
    for garbage in
        [b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), &[0; 100], &[0x16, 3, 3, 0xff, 0xff, 0, 0]]
    {
        for side in [CLIENT, SERVER] {
            let _balance = Balance::start();
            let mut pair = Setup::default().pair();
            if side == CLIENT {
                assert_eq!(pair.client.handshake(), Err(Error::WantRead));
            }
            pair.link.inject(1 - side, garbage);
            let result = pair.end(side).handshake();
            assert!(matches!(result, Err(Error::Tls(_))), "{garbage:?}: {result:?}");
            pair.assert_failed(side);
        }
    }
}

// ---- Settings ---------------------------------------------------------------

#[test]
fn a_connection_keeps_the_settings_it_was_made_with() {
    const GCM: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";
    const CCM: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM";
    let _balance = Balance::start();
    let setup = Setup { suites: &[GCM], ..Setup::default() };
    let (mut client, mut server) = (setup.client().unwrap(), Setup::default().server().unwrap());
    let mut before = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    assert_eq!(before.client.handshake(), Err(Error::WantRead)); // under way already

    client.set_ciphers(1, [CCM.as_bytes()].into_iter()).unwrap();
    client.set_verify_mode(0).unwrap();
    client.load_verify_locations(&pki::cert("other_ca")).unwrap();
    server.load_cert_chain(Some(&pki::cert("expired")), &pki::key("expired"), None, true).unwrap();
    server.load_cert_chain(Some(&pki::cert("other")), &pki::key("other"), None, true).unwrap();
    server.set_verify_mode(1).unwrap();
    server.load_verify_locations(&pki::cert("ca")).unwrap();
    let after = Pair::new(&mut client, &mut server, None).unwrap();
    drop((client, server));

    let (before, after) = (before.open(), after.open());
    assert_eq!(before.client.socket.peer_cert(), Some(pki::der("ec").as_slice()));
    assert_eq!(after.client.socket.peer_cert(), Some(pki::der("other").as_slice()));
    assert_eq!(before.client.socket.cipher().unwrap().to_str(), Ok(GCM));
    assert_eq!(after.client.socket.cipher().unwrap().to_str(), Ok(CCM));
    assert_eq!(before.client.port.judged.len(), 2);
    assert!(after.client.port.judged.is_empty());
    before.prove();
    after.prove();
}

/// Each change, alone, shows in the next connection.
#[test]
fn the_next_connection_has_the_new_settings() {
    let _balance = Balance::start();
    const CCM: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM";
    let setup = Setup { client_trusts: None, client_mode: 0, ..Setup::default() };
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    let mut next = |change: &mut dyn FnMut(&mut Context, &mut Context)| {
        change(&mut client, &mut server);
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
        let results = pair.handshake();
        (results, pair)
    };
    let both = (Ok(()), Ok(()));
    assert_eq!(next(&mut |_, _| ()).0, both);
    let (results, pair) = next(&mut |client, _| client.set_ciphers(1, [CCM.as_bytes()].into_iter()).unwrap());
    assert_eq!((results, pair.server.socket.cipher().unwrap().to_str()), (both, Ok(CCM)));
    let (results, _) = next(&mut |client, _| client.set_verify_mode(2).unwrap());
    assert_eq!(results.0, Err(Error::Tls(sys::MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED)));
    let (results, _) = next(&mut |client, _| client.load_verify_locations(&pki::cert("ca")).unwrap());
    assert_eq!(results, both);
    let (results, _) = next(&mut |_, server| {
        server.load_cert_chain(Some(&pki::cert("other")), &pki::key("other"), None, true).unwrap();
    });
    assert_eq!(results.0, Err(Error::Verify(8)));
}

#[test]
fn connections_of_one_context_share_its_configuration() {
    let _balance = Balance::start();
    let setup = Setup::default();
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    let first = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    let one = live();
    let second = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    let two = live();
    let third = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    let three = live();
    assert_eq!(three.bytes - two.bytes, two.bytes - one.bytes);
    // The contexts may go first, and the connections in any order.
    drop((client, server));
    let (first, third) = (first.open(), third.open());
    drop(first);
    third.prove();
    second.open().prove();
}

// ---- Poll -------------------------------------------------------------------

/// `ioctl(MP_STREAM_POLL, flags)` over a transport that is ready for `reply`: what the transport
/// is asked (0: nothing), and the answer.
fn poll(end: &End, flags: u32, reply: u32) -> (u32, u32) {
    let (ready, ask) = end.socket.poll(flags, end.port.link.now());
    let answer = if ask == 0 { 0 } else { end.socket.polled(flags, reply & ask) };
    (ask, ready | answer)
}

/// The steps of upstream's tests/extmod/ssl_poll.py.
#[test]
fn poll_as_upstream_has_it() {
    let _balance = Balance::start();
    let mut pair = Setup { client_mode: 0, ..Setup::default() }.pair();
    // Neither can be written to nor read from: the handshake wants to write.
    pair.client.port.block();
    assert_eq!(pair.client.poke(), Err(Error::WantWrite));
    assert_eq!(poll(&pair.client, RD, 0), (WR, 0));
    assert_eq!(poll(&pair.client, WR, 0), (WR, 0));
    // Writable: whoever waits to read is to call again.
    assert_eq!(poll(&pair.client, RD, WR), (WR, WR | RD));
    assert_eq!(poll(&pair.client, WR, WR), (WR, WR));

    pair.client.port.unblock();
    assert_eq!(pair.client.poke(), Err(Error::WantRead));
    assert_eq!(poll(&pair.client, RD, 0), (RD, 0));
    assert_eq!(poll(&pair.client, WR, WR), (WR, WR));
    // A write that waits to read.
    assert_eq!(pair.client.write(b"foo"), Err(Error::WantRead));
    assert_eq!(poll(&pair.client, RD, 0), (RD, 0));
    assert_eq!(poll(&pair.client, WR, WR), (RD, 0));
    assert_eq!(poll(&pair.client, WR, RD), (RD, RD | WR));
    assert_eq!(poll(&pair.client, RD | WR, RD), (RD, RD | WR));

    let mut pair = pair.open();
    assert_eq!(poll(&pair.client, RD | WR, WR), (RD | WR, WR));
    assert_eq!(pair.client.write(b"foobar"), Ok(6));
    let mut buf = [0; 3];
    assert_eq!(pair.server.read(&mut buf), Ok(3));
    // The rest is here: the transport need not be asked, but for what else is asked for.
    assert_eq!(poll(&pair.server, RD, 0), (0, RD));
    assert_eq!(poll(&pair.server, RD | WR, 0), (RD | WR, RD));
    assert_eq!(poll(&pair.server, RD | WR, WR), (RD | WR, RD | WR));
    assert_eq!(poll(&pair.server, WR, WR), (WR, WR));
    assert_eq!(pair.server.read(&mut buf), Ok(3));
    assert_eq!(poll(&pair.server, RD, 0), (RD, 0));
    // Neither flag: the transport's affair.
    assert_eq!(poll(&pair.server, 0x10, 0x10), (0x10, 0x10));
    assert_eq!(poll(&pair.server, 0, 0), (0, 0));
}

#[test]
fn poll_at_the_end() {
    let _balance = Balance::start();
    // The end can be read at any time.
    let mut pair = Setup::default().open();
    pair.client.close_notify().unwrap();
    assert_eq!(pair.server.poke(), Ok(0));
    assert_eq!(poll(&pair.server, RD, 0), (0, RD));
    assert_eq!(poll(&pair.server, WR, WR), (WR, WR));
    let mut pair = Setup::default().open();
    pair.link.hang_up(CLIENT);
    assert_eq!(pair.server.poke(), Ok(0));
    assert_eq!(poll(&pair.server, RD, 0), (0, RD));
    // Garbage, as upstream's test has it.
    let mut pair = Setup::default().pair();
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    pair.link.inject(SERVER, b"fooba");
    assert_eq!(poll(&pair.client, RD, RD), (RD, RD));
    assert!(pair.client.poke().is_err());
    for flags in [RD, WR, RD | WR, 0] {
        assert_eq!(poll(&pair.client, flags, RD | WR), (0, NVAL));
    }
}

// ---- Datagrams --------------------------------------------------------------

/// What the link has to offer later tests: a handshake that survives a bad path.
#[test]
fn dtls_over_a_path_that_loses_doubles_and_reorders() {
    let _balance = Balance::start();
    let setup = Setup { datagram: true, ..Setup::default() };
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    // The first contact has no cookie.
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    let hello_verify = Error::Tls(sys::MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
    assert_eq!(pair.server.handshake(), Err(hello_verify));
    pair.server.socket = Socket::new(&mut server, options(None, Some(b"192.0.2.1:4433"))).unwrap();
    let start = pair.link.now();
    for side in [CLIENT, SERVER] {
        pair.link.wire(side).fault = Some(Box::new(|n, _| match n % 5 {
            1 => Fate::Lost,
            2 => Fate::Twice,
            3 => Fate::Late(30),
            _ => Fate::Arrives,
        }));
    }
    let mut pair = pair.open();
    let elapsed = pair.link.now().wrapping_sub(start);
    assert!((1000..60_000).contains(&elapsed), "{elapsed} ms");
    for side in [CLIENT, SERVER] {
        pair.link.wire(side).fault = None;
        assert_eq!(pair.end(side).socket.version(), Some(c"DTLSv1.2"));
    }
    pair.transfer(CLIENT, b"a datagram");
    pair.transfer(SERVER, b"and its answer");
}

#[test]
fn dtls_gives_up_when_nobody_answers() {
    let _balance = Balance::start();
    let mut pair = Setup { datagram: true, ..Setup::default() }.pair();
    let start = pair.link.now();
    let result = run(&mut pair.client, &mut pair.server, End::handshake, |_| Ok(()));
    assert_eq!(result.0, Err(Error::Errno(110)));
    let elapsed = pair.link.now().wrapping_sub(start);
    // 1 + 2 + 4 + 8 + 16 + 32 + 60 seconds (RFC 6347 4.2.4.1).
    assert!((123_000..125_000).contains(&elapsed), "{elapsed} ms");
    assert_eq!(pair.link.wire(CLIENT).sent.iter().filter(|sent| sent[0] == HANDSHAKE).count(), 7);
    pair.assert_failed(CLIENT);
}

#[test]
fn a_dtls_server_has_to_know_its_client() {
    let _balance = Balance::start();
    let mut server = Setup { datagram: true, ..Setup::default() }.server().unwrap();
    let missing = Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA);
    assert_eq!(Socket::new(&mut server, options(None, None)).err(), Some(missing));
    assert!(Socket::new(&mut server, options(None, Some(b"x"))).is_ok());
}

#[test]
fn a_dtls_server_may_do_without_cookies() {
    let _balance = Balance::start();
    let setup = Setup { datagram: true, ..Setup::default() };
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    for client_id in [None, Some(b"192.0.2.1:4433".as_slice())] {
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
        pair.server.socket =
            Socket::new(&mut server, Options { hello_verify: false, ..options(None, client_id) }).unwrap();
        let mut pair = pair.open();
        pair.transfer(CLIENT, b"a datagram");
    }
    // Only that connection.
    let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    let hello_verify = Error::Tls(sys::MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
    assert_eq!(pair.server.handshake(), Err(hello_verify));
}

#[test]
fn a_stream_that_ends_before_it_began() {
    let _balance = Balance::start();
    for side in [CLIENT, SERVER] {
        let mut pair = Setup::default().pair();
        pair.link.hang_up(1 - side);
        assert_eq!(pair.end(side).handshake(), Err(CUT));
        pair.assert_failed(side);
    }
}

/// A certificate of this length, whatever its signature is.
fn padded(len: usize) -> Vec<u8> {
    let whole = pki::der("ca");
    let (tbs, _, rest) = split(&whole[4..]);
    let (algorithm, _, signature) = split(rest);
    let (_, bits, _) = split(signature);
    let made = |pad: usize| {
        let signature = der(0x03, &[bits, &vec![0; pad]]);
        der(0x30, &[tbs, algorithm, &signature])
    };
    let rest = len - made(300).len();
    let made = made(300 + rest);
    assert_eq!(made.len(), len);
    made
}

/// A Certificate that ends at the most that there may be, or just there before the next one: Mbed TLS looks
/// for what is left by a number that wraps.
#[test]
fn a_chain_that_ends_where_the_buffer_does() {
    let most = 7 + 3 + pki::der("ec").len();
    let room = sys::MBEDTLS_SSL_OUT_PAYLOAD_LEN as usize - sys::MBEDTLS_SSL_PAYLOAD_OVERHEAD as usize;
    for behind in [&[][..], &[1_000], &[1_000, 1_000]] {
        for left in 0..6 {
            let _balance = Balance::start();
            // What comes first ends so many bytes before the end.
            let mut chain = pem(&pki::der("ec"));
            let mut rest = room - most - left;
            while rest > 3_000 {
                chain.extend(pem(&padded(2_000)));
                rest -= 2_003;
            }
            chain.extend(pem(&padded(rest - 3)));
            behind.iter().for_each(|len| chain.extend(pem(&padded(*len))));
            let mut server = tls12(Context::new(1, 0));
            server.load_cert_chain(Some(&pki::with_nul(chain)), &pki::key("ec"), None, true).unwrap();
            let mut client = tls12(Context::new(0, 0));
            let mut pair = Pair::new(&mut client, &mut server, None).unwrap();
            let (_, shown) = pair.handshake();
            if behind.is_empty() {
                assert_ne!(shown, Err(Error::Tls(sys::MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL)), "{left}");
            } else {
                assert_eq!(shown, Err(Error::Tls(sys::MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL)), "{left}");
            }
        }
    }
}
