// SPDX-License-Identifier: MIT OR Apache-2.0
//! What any configuration can do: a handshake of each kind that is compiled in, data both ways,
//! the end. `tests/switches/run.py` compiles it with one switch off at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::datagrams::{Source, contexts};
use common::{Balance, CLIENT, Duo, Pair, SERVER, Setup, pattern};
use micropython_ssl::context::Context;
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::{Error, Invalid};

/// Whether there can be a client, a server, and datagrams.
const ROLES: [bool; 2] = [cfg!(mbedtls_ssl_cli_c), cfg!(mbedtls_ssl_srv_c)];
const DATAGRAMS: bool = cfg!(mbedtls_ssl_proto_dtls);

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
