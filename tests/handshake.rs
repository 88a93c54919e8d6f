// SPDX-License-Identifier: MIT OR Apache-2.0
//! What any configuration can do: a handshake of each kind that is compiled in, data both ways,
//! the end. `tests/switches/run.py` compiles it with one switch off at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::datagrams::{Source, contexts};
use common::{Balance, CLIENT, Duo, End, Link, Pair, SERVER, Setup, options, pattern, tls12};
use micropython_ssl::context::Context;
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::{Error, Invalid};
use micropython_ssl::mbedtls::{self, Endpoint, Transport};
use micropython_ssl::socket::Socket;

/// Whether there can be a client, a server, and datagrams.
const ROLES: [bool; 2] = [cfg!(mbedtls_ssl_cli_c), cfg!(mbedtls_ssl_srv_c)];
const DATAGRAMS: bool = cfg!(mbedtls_ssl_proto_dtls);

/// The numbers of the suites that a client of this context offers.
fn offered(context: &mut Context) -> Vec<i32> {
    let datagram = context.transport() == Transport::Datagram;
    let (link, port, _) = Link::new(datagram);
    let socket = Socket::new(context, options(None, None)).expect("socket");
    assert_eq!(End { socket, port }.handshake(), Err(Error::WantRead));
    let sent = link.wire(CLIENT).transcript();
    // Behind the headers of record and message, the version and the random number.
    let mut rest = &sent[if datagram { 13 + 12 } else { 5 + 4 } + 34..];
    // Session ID, cookie.
    for _ in 0..=usize::from(datagram) {
        rest = &rest[usize::from(rest[0]) + 1..];
    }
    let number = |bytes: &[u8]| i32::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    let suites = rest[2..][..number(rest) as usize].chunks(2).map(number);
    // TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 3.3) is none.
    suites.filter(|&id| id != 0xff).collect()
}

fn is_secure(name: &&str) -> bool {
    let is_any = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let others = ["ARIA", "CAMELLIA", "TLS-DHE-RSA-WITH-AES-128-CCM", "TLS-DHE-RSA-WITH-AES-256-CCM"];
    is_any(&["TLS-ECDHE-", "TLS-DHE-"]) && is_any(&["-GCM-", "-CCM", "-CHACHA20-"]) && !is_any(&others)
}

/// Enabled are forward secrecy and authenticated encryption; all suites where none of that kind is
/// compiled in, or a list of the firmware's own. `get_ciphers()` has what is offered.
#[test]
fn the_suites_that_are_enabled() {
    let names = |ids: &[i32]| -> Vec<_> {
        ids.iter().map(|&id| mbedtls::cipher_name(id).unwrap().to_str().unwrap()).collect()
    };
    let mut all = names(mbedtls::ciphers());
    all.retain(|name| !name.contains("PSK-"));
    let mut expected = all.clone();
    expected.retain(is_secure);
    let mut expected = if cfg!(mbedtls_ssl_ciphersuites) || expected.is_empty() { all } else { expected };
    expected.sort_unstable();
    for protocol in 0..4 {
        let Ok(context) = Context::new(protocol, 0) else { continue };
        let mut context = tls12(Ok(context));
        let enabled: Vec<_> =
            (0..).map_while(|i| context.cipher(i)).map(|name| name.to_str().unwrap()).collect();
        if context.endpoint() == Endpoint::Client {
            assert_eq!(names(&offered(&mut context)), enabled, "{protocol}");
        }
        let mut sorted = enabled;
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{protocol}");
    }
}

fn over_a_stream(mut pair: Pair) {
    assert_eq!(pair.handshake(), (Ok(()), Ok(())));
    for n in [1, 500, 4000] {
        pair.transfer(CLIENT, &pattern(n));
        pair.transfer(SERVER, &pattern(n));
    }
    if pair.client.socket.hibernate().is_ok() {
        pair.transfer(SERVER, &pattern(300));
        pair.transfer(CLIENT, &pattern(300));
    }
    assert_eq!(pair.client.close_notify(), Ok(()));
    assert_eq!(pair.server.read(&mut [0]), Ok(0));
}

fn over_datagrams(contexts: &[Source; 2]) {
    let mut duo = Duo::new(contexts);
    duo.open();
    assert_eq!(duo.refused > 0, cfg!(mbedtls_ssl_dtls_hello_verify));
    duo.prove();
}

#[test]
#[cfg(all(mbedtls_ssl_handshake_with_cert_enabled, mbedtls_ecdh_c, mbedtls_pem_parse_c))]
fn with_a_certificate() {
    let _balance = Balance::start();
    if ROLES == [true; 2] {
        over_a_stream(Setup::default().pair());
        if DATAGRAMS {
            over_datagrams(&contexts(Setup::default(), Settings::DEFAULT, Settings::DEFAULT));
        }
    }
}

/// A client that has but one of the curves that are compiled in, whether or not the server's default is
/// to have it: without a suite of ECDHE, if need be.
#[test]
#[cfg(all(mbedtls_ecdh_c, mbedtls_pem_parse_c))]
fn with_each_curve() {
    let suites = ["TLS-ECDHE-RSA-WITH-", "TLS-RSA-WITH-"].map(|kind| {
        let names = mbedtls::ciphers().iter().map(|&id| mbedtls::cipher_name(id).unwrap().to_str().unwrap());
        names.into_iter().find(|name| name.starts_with(kind))
    });
    let [Some(ecdhe), Some(rsa)] = suites else { return };
    if ROLES != [true; 2] {
        return;
    }
    for (curve, id) in mbedtls::groups() {
        let _balance = Balance::start();
        let setup = Setup { server_cert: Some("rsa"), suites: &[ecdhe, rsa], ..Setup::default() };
        let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
        client.set_groups([curve.to_bytes()].into_iter()).unwrap();
        let mut pair = Pair::new(&mut client, &mut server, setup.hostname).unwrap();
        assert_eq!(pair.handshake(), (Ok(()), Ok(())), "{curve:?}");
        let expected = if (23..=29).contains(&id) { ecdhe } else { rsa };
        assert_eq!(pair.client.socket.cipher().unwrap().to_str(), Ok(expected), "{curve:?}");
    }
}

#[test]
#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
fn with_a_pre_shared_key() {
    let key = Some((b"device 7".as_slice(), b"\x8f\x01 a key like no other".as_slice()));
    let none = Setup { server_cert: None, client_trusts: None, client_mode: 0, ..Setup::default() };
    let _balance = Balance::start();
    if ROLES == [true; 2] {
        let mut ends = [none.client(), none.server()].map(|context| context.expect("context"));
        for context in &mut ends {
            context.set_psk(key).expect("key");
        }
        let [client, server] = &mut ends;
        over_a_stream(Pair::new(client, server, None).expect("sockets"));
        if DATAGRAMS {
            let ends = contexts(none, Settings::DEFAULT, Settings::DEFAULT);
            for context in &ends {
                context.borrow_mut().set_psk(key).expect("key");
            }
            over_datagrams(&ends);
        }
    }
}

/// By the numbers of `PROTOCOL_*`.
#[test]
fn what_is_not_compiled_in_is_refused() {
    for (protocol, there) in [
        (0, ROLES[CLIENT]),
        (1, ROLES[SERVER]),
        (2, ROLES[CLIENT] && DATAGRAMS),
        (3, ROLES[SERVER] && DATAGRAMS),
        (4, false),
    ] {
        let _balance = Balance::start();
        let refused = Context::new(protocol, 0).err();
        assert_eq!(refused, (!there).then_some(Error::Value(Invalid::Protocol)), "protocol {protocol}");
    }
}
