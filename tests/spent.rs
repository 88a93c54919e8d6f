// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a handshake has given back on its way (src/mbedtls/connection/spent.rs): looked for in Mbed
//! TLS's objects, when a side waits or cannot send.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(unsafe_code)]
#![cfg(not(mbedtls_use_psa_crypto))]

mod common;

#[cfg(tls13)]
use common::CLIENT;
use common::{Balance, Contexts, End, SERVER, Setup};
use micropython_ssl::error::Error;
use micropython_ssl::mbedtls::sys;

const SHA_256: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";
const SHA_384: &str = "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384";

/// The handshake of an end that waits.
fn handshake(end: &End) -> &sys::mbedtls_ssl_handshake_params {
    // SAFETY: the connection is set up, its handshake not over, and nothing changes while this is looked at.
    unsafe { &*(*end.socket.connection().as_ptr()).handshake }
}

fn session(end: &End) -> &sys::mbedtls_ssl_session {
    // SAFETY: as above.
    unsafe { &*(*end.socket.connection().as_ptr()).session_negotiate }
}

/// Which hashes there are: SHA-256's, SHA-384's.
fn hashes(end: &End) -> [bool; 2] {
    let handshake = handshake(end);
    [&handshake.fin_sha256, &handshake.fin_sha384].map(|hash| !hash.md_ctx.is_null())
}

/// Of the peer's certificate: its DER, the key.
fn certificate(end: &End) -> (bool, bool) {
    // SAFETY: NULL, or a certificate of the session's.
    unsafe { session(end).peer_cert.as_ref() }.map_or((false, false), |cert| {
        (!cert.raw.p.is_null() && cert.raw.len > 100, !cert.pk.pk_info.is_null() || !cert.next.is_null())
    })
}

/// Whether there is a private key of the exchange, or a secret.
fn has_exchange(end: &End) -> bool {
    // SAFETY: of the kind that Mbed TLS makes, or zeros.
    let ecdh = unsafe { &handshake(end).ecdh_ctx.ctx.mbed_ecdh };
    [&ecdh.d, &ecdh.z, &ecdh.Q.X, &ecdh.Qp.X].iter().any(|number| !number.p.is_null())
}

fn waits(result: Result<(), Error>) {
    assert_eq!(result, Err(Error::WantRead));
}

#[test]
fn tls12() {
    for (suite, kept) in [(SHA_256, [true, false]), (SHA_384, [false, true])] {
        for mutual in [false, true] {
            let _balance = Balance::start();
            let setup = Setup { suites: &[suite], ..Setup::mutual() };
            let setup = if mutual { setup } else { Setup { client_cert: None, server_mode: 0, ..setup } };
            let mut pair = Contexts::new(&setup).pair();
            waits(pair.client.handshake());
            assert_eq!(hashes(&pair.client), [true, true], "no suite is agreed on");
            waits(pair.server.handshake());
            assert!(has_exchange(&pair.server));
            // It stops behind the messages that it reads next.
            waits(pair.client.handshake());
            assert_eq!(hashes(&pair.client), kept, "{suite} {mutual}");
            assert!(!has_exchange(&pair.client));
            assert_eq!(certificate(&pair.client), (true, false));
            pair.link.wire(SERVER).capacity = 0;
            assert_eq!(pair.server.handshake(), Err(Error::WantWrite));
            assert_eq!(hashes(&pair.server), kept, "{suite} {mutual}");
            assert!(!has_exchange(&pair.server));
            assert_eq!(certificate(&pair.server), (mutual, false));
            pair.link.wire(SERVER).capacity = usize::MAX;
            let pair = pair.open();
            assert_eq!(pair.server.socket.peer_cert().is_some(), mutual);
            assert!(pair.client.socket.peer_cert().is_some_and(|der| der.len() > 100));
            pair.prove();
        }
    }
}

/// A server without pre-shared keys has no Diffie-Hellman group.
#[cfg(all(mbedtls_dhm_c, mbedtls_ssl_handshake_with_psk_enabled, not(mbedtls_key_exchange_dhe_rsa_enabled)))]
#[test]
fn the_group_of_an_exchange_that_cannot_be() {
    let _balance = Balance::start();
    for psk in [false, true] {
        let mut contexts = Contexts::new(&Setup { client_mode: 0, ..Setup::default() });
        if psk {
            contexts.server.ask_for_psk(true, b"").unwrap();
        }
        let pair = contexts.pair();
        // SAFETY: the connection has its configuration.
        let conf = unsafe { &*(*pair.server.socket.connection().as_ptr()).conf };
        assert_eq!([&conf.dhm_P, &conf.dhm_G].map(|number| !number.p.is_null()), [psk; 2]);
    }
}

/// There is room for secrets and shares as long as they can get, and no more: Mbed TLS derives both from the
/// longest numbers that it is configured for.
#[cfg(micropython_tree)]
#[test]
fn how_long_secrets_and_shares_can_get() {
    let _balance = Balance::start();
    let pair = Setup::default().pair();
    let handshake = handshake(&pair.client);
    assert_eq!(handshake.premaster.len(), 4 + 512 + 48, "DHE-PSK's, with 4096 bits");
    #[cfg(tls13)]
    assert_eq!(handshake.xxdh_psa_peerkey.len(), 133, "P-521's");
}

/// RSA's numbers may be longer.
#[test]
fn a_key_of_more_than_4096_bits() {
    let _balance = Balance::start();
    let suites = &["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"];
    let pair = Setup { suites, server_cert: Some("long"), ..Setup::default() }.open();
    assert!(pair.client.socket.peer_verified());
    pair.prove();
}

/// While a chain is verified it is in memory as it came, and nowhere else.
#[cfg(tls13)]
#[test]
fn certificates_are_verified_where_they_lie() {
    use common::alloc::{holding, watch};
    use std::cell::Cell;
    use std::rc::Rc;

    for tls13 in [false, true] {
        let _balance = Balance::start();
        let setup = Setup { tls13, server_cert: Some("chain"), ..Setup::mutual() };
        let mut pair = Contexts::new(&setup).pair();
        waits(pair.client.handshake());
        // What all certificates of the PKI have in them: 2049-12-31, their end.
        watch(b"491231235959Z");
        waits(pair.server.handshake());
        let most = Rc::new(Cell::new(0));
        let seen = Rc::clone(&most);
        pair.client.port.judge = Some(Box::new(move |_, _| {
            seen.set(seen.get().max(holding()));
            Ok(0)
        }));
        let _ = pair.client.handshake();
        assert_eq!(most.get(), 1, "the message, and what is shown to the verifier");
        pair.client.port.judge = None;
        let pair = pair.open();
        assert!(pair.server.socket.peer_verified());
        pair.prove();
    }
}

/// A CertificateVerify with the hash that is not the suite's needs that to the end.
#[test]
fn tls12_with_the_other_hash() {
    let _balance = Balance::start();
    let pair = Contexts::new(&Setup { suites: &[SHA_384], ..Setup::mutual() }).pair().open();
    assert!(pair.server.socket.peer_verified());
    pair.prove();
}

#[cfg(tls13)]
#[test]
fn tls13() {
    for (suite, kept) in
        [("TLS1-3-AES-128-GCM-SHA256", [true, false]), ("TLS1-3-AES-256-GCM-SHA384", [false, true])]
    {
        for mutual in [false, true] {
            let _balance = Balance::start();
            let setup = Setup { tls13: true, suites: &[suite], ..Setup::mutual() };
            let setup = if mutual { setup } else { Setup { client_cert: None, server_mode: 0, ..setup } };
            let mut pair = Contexts::new(&setup).pair();
            waits(pair.client.handshake());
            assert_eq!(hashes(&pair.client), [true, true], "no suite is agreed on");
            waits(pair.server.handshake());
            assert_eq!(hashes(&pair.server), kept, "{suite} {mutual}");
            let of = |transform: &sys::mbedtls_ssl_transform| {
                [&transform.cipher_ctx_enc, &transform.cipher_ctx_dec]
                    .map(|cipher| !cipher.cipher_ctx.is_null())
            };
            // SAFETY: a connection that is set up, its handshake not over, and its transforms.
            let ciphers = |end: &End| unsafe {
                assert!((*end.socket.connection().as_ptr()).transform_negotiate.is_null());
                of(&*handshake(end).transform_handshake)
            };
            assert_eq!(ciphers(&pair.server), [false, true], "it has still to read");
            // SAFETY: as above.
            let of_data = unsafe { of(&*(*pair.server.socket.connection().as_ptr()).transform_application) };
            assert_eq!(of_data, [true, false], "no data can come yet");
            pair.link.wire(CLIENT).capacity = 0;
            assert_eq!(pair.client.handshake(), Err(Error::WantWrite));
            assert_eq!(hashes(&pair.client), kept, "{suite} {mutual}");
            assert_eq!(ciphers(&pair.client), [true, false], "it has still to write");
            assert_eq!(certificate(&pair.client), (true, false));
            pair.link.wire(CLIENT).capacity = usize::MAX;
            let pair = pair.open();
            assert_eq!(pair.server.socket.peer_cert().is_some(), mutual);
            assert!(pair.client.socket.peer_cert().is_some_and(|der| der.len() > 100));
            pair.prove();
        }
    }
}
