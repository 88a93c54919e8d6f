// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pre-shared keys, over streams and over datagrams: real Mbed TLS on both sides of a link in
//! memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use common::alloc::{failing, holding, live, spilled, watch};
use common::link::{PskIdentity, PskKey};
use common::pair::Setup;
use common::{
    ALERTED, Balance, CLIENT, Duo, Fate, Link, Pair, Port, SERVER, Weather, datagrams, is_message,
    on_records, pki, records, text, tls12,
};
use micropython_ssl::context::Context;
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::sys;
use micropython_ssl::mem::{self, Array};
use micropython_ssl::psk::{IDENTITY_MAX, KEY_MAX};
use micropython_ssl::socket::{Options, Socket};

const IDENTITY: &[u8] = b"device 7";
const KEY: &[u8] = b"\x8f\x01 a key like no other \0\xff\xfe\x93\x17";
const HINT: &[u8] = b"name of the network";

/// A suite of each key exchange.
const PLAIN: &str = "TLS-PSK-WITH-AES-128-CCM-8";
const ECDHE: &str = "TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256";
const DHE: &str = "TLS-DHE-PSK-WITH-AES-128-GCM-SHA256";
const EXCHANGES: [&str; 3] = [PLAIN, ECDHE, DHE];
const ECDSA: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";

const DONE: (Result<()>, Result<()>) = (Ok(()), Ok(()));
const TOO_LONG: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE);
const BAD_INPUT: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA);
const BAD_MAC: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC);
const UNKNOWN: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY);
const REFUSED: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE);
const DECODE: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_DECODE_ERROR);
const ENOMEM: Error = Error::Errno(12);

/// Content types of records, kinds of handshake messages, and alerts.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const BAD_RECORD_MAC: u8 = 20;
const HANDSHAKE_FAILURE: u8 = 40;
const DECODE_ERROR: u8 = 50;
const INTERNAL_ERROR: u8 = 80;
const UNKNOWN_PSK_IDENTITY: u8 = 115;

/// A client's and a server's settings, for as many connections as it takes.
struct Contexts {
    client: mem::Box<Context>,
    server: mem::Box<Context>,
}

impl Contexts {
    /// Nobody has a key or a certificate yet.
    fn bare(datagram: bool) -> Self {
        let protocol = if datagram { 2 } else { 0 };
        let [client, server] = [protocol, protocol + 1].map(|protocol| tls12(Context::new(protocol, 0)));
        Self { client, server }
    }

    /// The client has [`IDENTITY`] and [`KEY`], the server asks.
    fn asking(datagram: bool) -> Self {
        let mut contexts = Self::bare(datagram);
        contexts.client.set_psk(Some((IDENTITY, KEY))).unwrap();
        contexts.server.ask_for_psk(true, &[]).unwrap();
        contexts
    }

    /// Both sides' hosts are asked, and the server gives a hint.
    fn callbacks(datagram: bool, hint: &[u8]) -> Self {
        let mut contexts = Self::bare(datagram);
        contexts.client.ask_for_psk(true, &[]).unwrap();
        contexts.server.ask_for_psk(true, hint).unwrap();
        contexts
    }

    fn with_suite(mut self, suite: &str) -> Self {
        ciphers(&mut self.client, &[suite]);
        self
    }

    /// Connections that go without cookies.
    fn try_pair(&mut self) -> Result<Pair> {
        let datagram = self.client.transport() == micropython_ssl::mbedtls::Transport::Datagram;
        let (link, client_port, server_port) = Link::new(datagram);
        let options = Options { hello_verify: false, ..common::options(None, None) };
        Ok(Pair {
            client: common::End { socket: Socket::new(&mut self.client, options)?, port: client_port },
            server: common::End { socket: Socket::new(&mut self.server, options)?, port: server_port },
            link,
        })
    }

    fn pair(&mut self) -> Pair {
        self.try_pair().unwrap()
    }

    /// As [`Contexts::pair`], with hosts that know [`IDENTITY`] and [`KEY`].
    fn knowing(&mut self) -> Pair {
        let mut pair = self.pair();
        hosts_know(&mut pair.client.port, &mut pair.server.port);
        pair
    }

    /// The same behind cookies, for a path that loses datagrams.
    fn sources(self) -> [datagrams::Source; 2] {
        [self.client, self.server].map(|context| Rc::new(RefCell::new(context)))
    }
}

fn ciphers(context: &mut Context, names: &[&str]) {
    context.set_ciphers(names.len(), names.iter().map(|name| name.as_bytes())).unwrap();
}

/// What is enabled.
fn enabled(context: &Context) -> Vec<&'static str> {
    (0..).map_while(|i| context.cipher(i)).map(|name| name.to_str().unwrap()).collect()
}

/// A look-up that knows one identity.
fn knows(identity: &[u8], key: &[u8]) -> PskKey {
    let (identity, key) = (identity.to_vec(), key.to_vec());
    Box::new(move |asked| Ok(if asked == identity { key.clone() } else { Vec::new() }))
}

/// A client's callback, which always chooses the same.
fn chooses(identity: &[u8], key: &[u8]) -> PskIdentity {
    let (identity, key) = (identity.to_vec(), key.to_vec());
    Box::new(move |_| Ok((identity.clone(), key.clone())))
}

fn hosts_know(client: &mut Port, server: &mut Port) {
    client.psk_identity = Some(chooses(IDENTITY, KEY));
    server.psk_key = Some(knows(IDENTITY, KEY));
}

fn uint(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |n, &byte| (n << 8) | usize::from(byte))
}

/// The records that `side` has sent: content type, epoch, content.
fn sent(link: &Link, side: usize) -> Vec<(u8, usize, Vec<u8>)> {
    let transcript = link.wire(side).transcript();
    if !link.datagram {
        let records = records(&transcript);
        return records.into_iter().map(|record| (record[0], 0, record[5..].to_vec())).collect();
    }
    let (mut rest, mut records) = (transcript.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (record, others) = rest.split_at(13 + uint(&rest[11..13]));
        records.push((record[0], uint(&record[3..5]), record[13..].to_vec()));
        rest = others;
    }
    records
}

/// The alerts that `side` has sent in the clear.
fn alerts(link: &Link, side: usize) -> Vec<u8> {
    let clear = |(kind, epoch, content): &(u8, usize, Vec<u8>)| {
        (*kind == ALERT && *epoch == 0 && content.len() == 2).then(|| content[1])
    };
    sent(link, side).iter().filter_map(clear).collect()
}

/// The handshake messages that `side` has sent in the clear, put together of their fragments:
/// kind and body.
fn messages(link: &Link, side: usize) -> Vec<(u8, Vec<u8>)> {
    let mut messages: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut covered: Vec<usize> = Vec::new();
    let mut encrypted = false;
    for (kind, epoch, content) in sent(link, side) {
        encrypted |= kind == 20;
        if kind != HANDSHAKE || epoch > 0 || encrypted {
            continue;
        }
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            let len = uint(&rest[1..4]);
            let (number, offset, part) = if link.datagram {
                (uint(&rest[4..6]), uint(&rest[6..9]), uint(&rest[9..12]))
            } else {
                (messages.len(), 0, len)
            };
            let header = if link.datagram { 12 } else { 4 };
            let body = &rest[header..header + part];
            if number == messages.len() {
                messages.push((rest[0], vec![0; len]));
                covered.push(0);
            }
            assert_eq!(
                (messages[number].0, messages[number].1.len()),
                (rest[0], len),
                "one message, one header"
            );
            messages[number].1[offset..offset + part].copy_from_slice(body);
            covered[number] = covered[number].max(offset + part);
            rest = &rest[header + part..];
        }
    }
    for ((kind, body), covered) in messages.iter().zip(covered) {
        assert_eq!(body.len(), covered, "message {kind} is whole");
    }
    messages
}

// ---- Handshakes -------------------------------------------------------------

fn each_suite(datagram: bool) {
    let _balance = Balance::start();
    let mut contexts = Contexts::asking(datagram);
    let suites = enabled(&contexts.client);
    let rank = |name: &str| {
        ["TLS-ECDHE-PSK-", "TLS-DHE-PSK-", "TLS-PSK-"].into_iter().position(|prefix| name.starts_with(prefix))
    };
    let ranks: Vec<_> = suites.iter().map(|name| rank(name).expect("a suite with pre-shared keys")).collect();
    assert!(ranks.is_sorted(), "those with forward secrecy come first");
    assert!((0..3).all(|rank| ranks.contains(&rank)));
    assert!(suites.contains(&PLAIN) && suites.contains(&ECDHE) && suites.contains(&DHE));
    assert_eq!(enabled(&contexts.server), suites);
    // Without a word from either side, the first.
    let mut pair = contexts.knowing().open();
    assert_eq!(pair.client.socket.cipher().unwrap().to_str(), Ok(suites[0]));
    pair.converse();
    for suite in suites {
        ciphers(&mut contexts.client, &[suite]);
        let mut pair = contexts.knowing().open();
        for side in [CLIENT, SERVER] {
            let socket = &pair.end(side).socket;
            assert_eq!(socket.cipher().unwrap().to_str(), Ok(suite));
            assert_eq!(socket.peer_cert(), None);
            assert_eq!(socket.psk_identity_hint(), None);
            assert_eq!(socket.psk_identity(), (side == SERVER).then_some(IDENTITY));
        }
        assert_eq!(pair.server.port.identities, [IDENTITY], "{suite}");
        pair.prove();
    }
}

#[test]
fn each_suite_over_a_stream() {
    each_suite(false);
}

#[test]
fn each_suite_over_datagrams() {
    each_suite(true);
}

#[test]
fn a_server_that_knows_one_identity_does_not_ask_for_it() {
    for datagram in [false, true] {
        for suite in EXCHANGES {
            let _balance = Balance::start();
            let mut contexts = Contexts::bare(datagram).with_suite(suite);
            contexts.client.set_psk(Some((IDENTITY, KEY))).unwrap();
            contexts.server.set_psk(Some((IDENTITY, KEY))).unwrap();
            for asks in [false, true] {
                contexts.server.ask_for_psk(asks, &[]).unwrap();
                let mut pair = contexts.pair().open();
                assert!(pair.server.port.identities.is_empty());
                assert_eq!(pair.server.socket.psk_identity(), Some(IDENTITY));
                pair.converse();
            }
            // Another one is looked up.
            contexts.client.set_psk(Some((b"another", b"another key"))).unwrap();
            let mut pair = contexts.pair();
            pair.server.port.psk_key = Some(knows(b"another", b"another key"));
            let pair = pair.open();
            assert_eq!(pair.server.port.identities, [b"another"]);
            assert_eq!(pair.server.socket.psk_identity(), Some(b"another".as_slice()));
            pair.prove();
        }
    }
}

#[test]
fn callbacks_of_both_sides() {
    for datagram in [false, true] {
        for suite in EXCHANGES {
            let _balance = Balance::start();
            let mut contexts = Contexts::callbacks(datagram, HINT).with_suite(suite);
            // Each connection asks for itself.
            for n in 0..3_u8 {
                let (identity, key) = ([b'i', n], [n + 1; 16]);
                let mut pair = contexts.pair();
                let hints = Rc::new(RefCell::new(Vec::new()));
                let noted = Rc::clone(&hints);
                pair.client.port.psk_identity = Some(Box::new(move |hint| {
                    noted.borrow_mut().push(hint.to_vec());
                    Ok((identity.to_vec(), key.to_vec()))
                }));
                pair.server.port.psk_key = Some(knows(&identity, &key));
                let pair = pair.open();
                assert_eq!(*hints.borrow(), [HINT]);
                assert_eq!(pair.server.port.identities, [identity]);
                assert_eq!(pair.server.socket.psk_identity(), Some(identity.as_slice()));
                assert_eq!(pair.client.socket.psk_identity_hint(), Some(HINT));
                pair.prove();
            }
        }
    }
}

// ---- Identities and keys ----------------------------------------------------

#[test]
fn identities_of_any_octets() {
    let identities: [&[u8]; 8] = [
        b"x",
        b"\0",
        &[0; IDENTITY_MAX],
        &[0xff; IDENTITY_MAX],
        b"\0x",
        b"x\0",
        b"x\0y",
        "Gerät ✓".as_bytes(),
    ];
    for datagram in [false, true] {
        for identity in identities {
            let _balance = Balance::start();
            let mut contexts = Contexts::asking(datagram).with_suite(PLAIN);
            let prove = |by_callback: bool, contexts: &mut Contexts| {
                let mut pair = contexts.pair();
                pair.server.port.psk_key = Some(knows(identity, KEY));
                if by_callback {
                    pair.client.port.psk_identity = Some(chooses(identity, KEY));
                }
                let pair = pair.open();
                assert_eq!(pair.server.port.identities, [identity]);
                assert_eq!(pair.server.socket.psk_identity(), Some(identity));
                pair.prove();
            };
            contexts.client.set_psk(Some((identity, KEY))).unwrap();
            prove(false, &mut contexts);
            contexts.client.set_psk(None).unwrap();
            contexts.client.ask_for_psk(true, &[]).unwrap();
            prove(true, &mut contexts);
            // One that the server knows without asking.
            contexts.server.set_psk(Some((identity, KEY))).unwrap();
            let mut pair = contexts.pair();
            pair.client.port.psk_identity = Some(chooses(identity, KEY));
            pair.open().prove();
        }
    }
}

/// That one identity is the beginning of another, or differs in one bit, makes it no other's.
#[test]
fn identities_that_are_alike() {
    let _balance = Balance::start();
    let mut contexts = Contexts::bare(false).with_suite(PLAIN);
    contexts.server.set_psk(Some((IDENTITY, KEY))).unwrap();
    let mut last_bit = IDENTITY.to_vec();
    *last_bit.last_mut().unwrap() ^= 1;
    for other in [&IDENTITY[..IDENTITY.len() - 1], &[IDENTITY, b"\0"].concat(), &last_bit, b"\0"] {
        contexts.client.set_psk(Some((other, KEY))).unwrap();
        assert_eq!(contexts.pair().handshake(), (Err(ALERTED), Err(BAD_MAC)));
    }
    contexts.client.set_psk(Some((IDENTITY, KEY))).unwrap();
    contexts.pair().open().prove();
}

#[test]
fn keys_and_identities_of_each_length() {
    let _balance = Balance::start();
    let long = [0x5a; KEY_MAX + 1];
    let name = [0x21; IDENTITY_MAX + 1];
    for datagram in [false, true] {
        for len in [1, 16, 32, KEY_MAX] {
            let key = &long[..len];
            for suite in EXCHANGES {
                let mut contexts = Contexts::asking(datagram).with_suite(suite);
                contexts.client.set_psk(Some((IDENTITY, key))).unwrap();
                let mut pair = contexts.pair();
                pair.server.port.psk_key = Some(knows(IDENTITY, key));
                pair.open().prove();
                // The same by callbacks, and a server that need not ask.
                contexts.client.ask_for_psk(true, &[]).unwrap();
                contexts.server.set_psk(Some((IDENTITY, key))).unwrap();
                let mut pair = contexts.pair();
                pair.client.port.psk_identity = Some(chooses(IDENTITY, key));
                pair.open().prove();
            }
        }
    }
    assert_eq!((KEY_MAX, IDENTITY_MAX), (48, 128));
    // The others change nothing.
    let mut contexts = Contexts::asking(false).with_suite(PLAIN);
    for context in [&mut contexts.client, &mut contexts.server] {
        context.set_psk(Some((IDENTITY, KEY))).unwrap();
        let bad_name = Err(Error::Value(Invalid::PskIdentity));
        assert_eq!(context.set_psk(Some((&name, KEY))), bad_name);
        assert_eq!(context.set_psk(Some((&[], KEY))), bad_name);
        assert_eq!(context.set_psk(Some((IDENTITY, &long))), Err(TOO_LONG));
        assert_eq!(context.set_psk(Some((IDENTITY, &[]))), Err(BAD_INPUT));
        assert_eq!(context.ask_for_psk(true, &name), Err(Error::Value(Invalid::PskHint)));
    }
    assert_eq!(text(Error::Value(Invalid::PskIdentity)), "invalid psk_identity");
    assert_eq!(text(Error::Value(Invalid::PskHint)), "invalid identity_hint");
    contexts.server.ask_for_psk(false, &[]).unwrap();
    let pair = contexts.pair().open();
    assert_eq!(pair.server.port.identities.len(), 0);
    pair.prove();
}

/// Puts another identity into the ClientKeyExchange of a handshake with plain PSK, which is
/// nothing else.
fn forge(pair: &Pair, identity: &[u8], said_len: usize) {
    let mut body = u16::try_from(said_len).unwrap().to_be_bytes().to_vec();
    body.extend_from_slice(identity);
    pair.link.wire(CLIENT).fault = Some(on_records(move |_, bytes| {
        if is_message(bytes, CLIENT_KEY_EXCHANGE) {
            let mut message = vec![CLIENT_KEY_EXCHANGE, 0, 0, body.len() as u8];
            message.extend_from_slice(&body);
            bytes.truncate(3);
            bytes.extend_from_slice(&[0, message.len() as u8]);
            bytes.extend_from_slice(&message);
        }
        Fate::Arrives
    }));
}

#[test]
fn an_identity_that_is_too_long_is_nobodys() {
    let _balance = Balance::start();
    let long = [0x61; IDENTITY_MAX + 1];
    let mut contexts = Contexts::asking(false).with_suite(PLAIN);
    for (identity, asked) in [(&long[..IDENTITY_MAX], 1), (&long[..], 0), (&[0x61; 200], 0)] {
        let mut pair = contexts.pair();
        forge(&pair, identity, identity.len());
        // Whatever it is, this server has a key for it.
        pair.server.port.psk_key = Some(Box::new(|_| Ok(KEY.to_vec())));
        assert_eq!(pair.handshake(), (Err(ALERTED), Err(BAD_MAC)), "as a wrong key");
        assert_eq!(alerts(&pair.link, SERVER), [BAD_RECORD_MAC]);
        assert_eq!(pair.server.port.identities.len(), asked);
        assert_eq!(pair.server.socket.psk_identity(), None);
        pair.assert_failed(SERVER);
    }
    // Those that are not even well-formed.
    for (identity, said_len) in [(&long[..0], 0), (&long[..5], 6), (&long[..5], 4), (&long[..5], 65535)] {
        let mut pair = contexts.pair();
        forge(&pair, identity, said_len);
        assert_eq!(pair.handshake(), (Err(ALERTED), Err(DECODE)), "{said_len}");
        assert_eq!(alerts(&pair.link, SERVER), [DECODE_ERROR]);
        assert_eq!(pair.server.port.identities.len(), usize::from(said_len == 4));
    }
}

// ---- Hints ------------------------------------------------------------------

#[test]
fn hints_on_the_wire() {
    for datagram in [false, true] {
        for suite in EXCHANGES {
            let mut empty_len = None;
            for len in [0, 1, 2, IDENTITY_MAX] {
                let _balance = Balance::start();
                let hint = &common::pattern(IDENTITY_MAX)[..len];
                let mut contexts = Contexts::callbacks(datagram, hint).with_suite(suite);
                let mut pair = contexts.knowing();
                let seen = Rc::new(RefCell::new(Vec::new()));
                let noted = Rc::clone(&seen);
                pair.client.port.psk_identity = Some(Box::new(move |hint| {
                    noted.borrow_mut().push(hint.to_vec());
                    Ok((IDENTITY.to_vec(), KEY.to_vec()))
                }));
                let mut pair = pair.open();
                assert_eq!(*seen.borrow(), [hint], "{suite}, {len}");
                let known = (len > 0).then_some(hint);
                assert_eq!(pair.client.socket.psk_identity_hint(), known);
                assert_eq!(pair.server.socket.psk_identity_hint(), None);
                let messages = messages(&pair.link, SERVER);
                let kinds: Vec<_> = messages.iter().map(|(kind, _)| *kind).collect();
                if suite == PLAIN && len == 0 {
                    assert_eq!(kinds, [2, 14], "ServerHello, ServerHelloDone");
                } else {
                    assert_eq!(kinds, [2, SERVER_KEY_EXCHANGE, 14], "{suite}, {len}");
                    let body = &messages[1].1;
                    assert_eq!(uint(&body[..2]), len);
                    assert_eq!(&body[2..2 + len], hint);
                    // Behind it there is what would be there without it.
                    let rest = *empty_len.get_or_insert(if suite == PLAIN { 0 } else { body.len() - 2 });
                    assert!(suite == ECDHE || suite == PLAIN && rest == 0 || rest > 500, "{rest}");
                    if suite != DHE {
                        assert_eq!(body.len(), 2 + len + rest);
                    }
                }
                pair.converse();
            }
        }
    }
}

#[test]
fn hints_in_fragments_that_get_lost() {
    let hint = common::pattern(IDENTITY_MAX);
    for suite in EXCHANGES {
        for (lost, seeds) in [(0, 0..1), (30, 1..9)] {
            for seed in seeds {
                let _balance = Balance::start();
                let settings = Settings { mtu: 256, ..Settings::DEFAULT };
                let mut contexts = Contexts::callbacks(true, &hint).with_suite(suite);
                contexts.client.set_dtls(settings).unwrap();
                contexts.server.set_dtls(settings).unwrap();
                let sources = contexts.sources();
                let mut duo = Duo::new(&sources).under(Weather::loss(lost), seed);
                hosts_know(&mut duo.client.port, &mut duo.server.port);
                duo.open();
                let sizes: Vec<_> = duo.link.wire(SERVER).sent.iter().map(Vec::len).collect();
                assert!(sizes.iter().all(|&size| size <= 256), "{sizes:?}");
                assert_eq!(duo.client.socket.psk_identity_hint(), Some(hint.as_slice()));
                assert_eq!(duo.server.port.identities, [IDENTITY], "asked once");
                // The first is HelloVerifyRequest; what is sent again is the same once more.
                let messages = messages(&duo.link, SERVER);
                let (kind, body) = &messages[2];
                assert_eq!((*kind, &body[2..2 + hint.len()]), (SERVER_KEY_EXCHANGE, hint.as_slice()));
                duo.prove();
            }
        }
    }
}

/// RFC 4279 5.2: whoever gives no hint is as before; a hint does not outlive its settings.
#[test]
fn a_hint_is_taken_back() {
    let _balance = Balance::start();
    let mut contexts = Contexts::callbacks(false, HINT).with_suite(PLAIN);
    contexts.knowing().open().prove();
    contexts.server.ask_for_psk(true, &[]).unwrap();
    let pair = contexts.knowing().open();
    assert_eq!(pair.client.socket.psk_identity_hint(), None);
    pair.prove();
}

/// Whatever a hint of an unreasonable length is, it is not kept.
#[test]
fn a_hint_that_is_too_long_is_passed_over() {
    for len in [IDENTITY_MAX, IDENTITY_MAX + 1, 200] {
        let _balance = Balance::start();
        let mut contexts = Contexts::callbacks(false, HINT).with_suite(PLAIN);
        let mut pair = contexts.knowing();
        pair.link.wire(SERVER).fault = Some(on_records(move |_, bytes| {
            if is_message(bytes, SERVER_KEY_EXCHANGE) {
                bytes.truncate(3);
                bytes.extend_from_slice(&[0, len as u8 + 6, SERVER_KEY_EXCHANGE, 0, 0, len as u8 + 2]);
                bytes.extend_from_slice(&[0, len as u8]);
                bytes.extend_from_slice(&vec![0x68; len]);
            }
            Fate::Arrives
        }));
        // The server has sent another message than the client has got.
        assert_eq!(pair.handshake(), (Err(ALERTED), Err(BAD_MAC)));
        let kept = (len <= IDENTITY_MAX).then_some(len);
        assert_eq!(pair.client.socket.psk_identity_hint().map(<[u8]>::len), kept);
    }
}

// ---- Refusals ---------------------------------------------------------------

/// What each side makes of a handshake, and all that can be seen of it on the way.
fn observed(contexts: &mut Contexts, key: PskKey) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut pair = contexts.pair();
    pair.server.port.psk_key = Some(key);
    let results = pair.handshake();
    let wires = [CLIENT, SERVER].map(|side| {
        let lens: Vec<_> = pair.link.wire(side).sent.iter().map(Vec::len).collect();
        let kinds: Vec<_> =
            sent(&pair.link, side).iter().map(|(kind, _, content)| (*kind, content.len())).collect();
        (lens, kinds, alerts(&pair.link, side))
    });
    let failed = results.1.is_err();
    if failed {
        pair.assert_failed(SERVER);
        assert_eq!(pair.server.socket.psk_identity(), None, "not proven");
    }
    (results, wires)
}

/// Two refusals, each observed after its settings. Tries again: a public value of DHE is a byte
/// shorter once in 256 times.
fn look_the_same(
    contexts: &mut Contexts,
    one: impl Fn(&mut Contexts) -> PskKey,
    other: impl Fn(&mut Contexts) -> PskKey,
) {
    let mut different = Vec::new();
    for _ in 0..5 {
        let key = one(contexts);
        let one = observed(contexts, key);
        let key = other(contexts);
        let other = observed(contexts, key);
        if one == other {
            return;
        }
        different.push(format!("{one:?}\n{other:?}"));
    }
    panic!("told apart:\n{}", different.join("\n"));
}

#[test]
fn a_wrong_key_and_an_unknown_identity_look_the_same() {
    for datagram in [false, true] {
        for suite in EXCHANGES {
            for hint in [b"".as_slice(), HINT] {
                let _balance = Balance::start();
                let mut contexts = Contexts::asking(datagram).with_suite(suite);
                contexts.server.ask_for_psk(true, hint).unwrap();
                let wrong = |_: &mut Contexts| knows(IDENTITY, b"quite another key");
                let long = |_: &mut Contexts| knows(IDENTITY, &[7; KEY_MAX]);
                let unknown = |_: &mut Contexts| knows(b"somebody else", KEY);
                look_the_same(&mut contexts, wrong, unknown);
                look_the_same(&mut contexts, wrong, long);
                let key = wrong(&mut contexts);
                let wrong = observed(&mut contexts, key);
                assert_ne!(
                    format!("{wrong:?}"),
                    format!("{:?}", observed(&mut contexts, knows(IDENTITY, KEY)))
                );

                let mut pair = contexts.pair();
                let (client, server) = pair.handshake();
                assert_eq!(server, Err(BAD_MAC));
                assert_eq!(client, Err(ALERTED));
                assert_eq!(alerts(&pair.link, SERVER), [BAD_RECORD_MAC]);
                pair.assert_failed(CLIENT);

                // And a server with a pair of its own, which asks nobody.
                contexts.server.ask_for_psk(false, &[]).unwrap();
                let own = |identity: &'static [u8], key: &'static [u8]| {
                    move |contexts: &mut Contexts| {
                        contexts.server.set_psk(Some((identity, key))).unwrap();
                        knows(b"", b"")
                    }
                };
                look_the_same(&mut contexts, own(IDENTITY, b"quite another key"), own(b"somebody else", KEY));
            }
        }
    }
}

#[test]
fn a_lookup_that_raises() {
    for datagram in [false, true] {
        for suite in EXCHANGES {
            let _balance = Balance::start();
            let mut contexts = Contexts::asking(datagram).with_suite(suite);
            let mut pair = contexts.pair();
            pair.server.port.psk_key = Some(Box::new(|_| Err(Interruption::Raised)));
            assert_eq!(pair.handshake(), (Err(ALERTED), Err(Error::Raised)), "{suite}");
            assert_eq!(alerts(&pair.link, SERVER), [UNKNOWN_PSK_IDENTITY]);
            assert_eq!(pair.server.port.identities.len(), 1);
            assert_eq!(pair.server.socket.psk_identity(), None);
            pair.assert_failed(SERVER);
            pair.assert_failed(CLIENT);
            contexts.knowing().open().prove();
        }
    }
}

/// Whether the alert gets out or not, the look-up's exception does.
#[test]
fn a_lookup_that_raises_outranks_the_transport() {
    for why in [Interruption::WouldBlock, Interruption::Errno(32), Interruption::Raised] {
        let _balance = Balance::start();
        let mut contexts = Contexts::asking(false).with_suite(PLAIN);
        let mut pair = contexts.pair();
        let raised = Rc::new(Cell::new(false));
        let asked = Rc::clone(&raised);
        pair.server.port.psk_key = Some(Box::new(move |_| {
            asked.set(true);
            Err(Interruption::Raised)
        }));
        pair.server.port.gate = Some(Box::new(move |_| if raised.get() { Err(why) } else { Ok(()) }));
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        assert_eq!(pair.server.handshake(), Err(Error::WantRead));
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        assert_eq!(pair.server.handshake(), Err(Error::Raised));
        pair.assert_failed(SERVER);
    }
}

#[test]
fn a_client_callback_that_does_not_choose() {
    type Choice = std::result::Result<(Vec<u8>, Vec<u8>), Interruption>;
    let choices: [(Choice, Error); 4] = [
        (Err(Interruption::Raised), Error::Raised),
        (Ok((IDENTITY.to_vec(), Vec::new())), UNKNOWN),
        (Ok((Vec::new(), KEY.to_vec())), UNKNOWN),
        (Ok((Vec::new(), Vec::new())), UNKNOWN),
    ];
    for datagram in [false, true] {
        for suite in EXCHANGES {
            for (choice, error) in &choices {
                let _balance = Balance::start();
                let mut contexts = Contexts::callbacks(datagram, HINT).with_suite(suite);
                let mut pair = contexts.knowing();
                let (choice, asked) = (choice.clone(), Rc::new(Cell::new(0)));
                let times = Rc::clone(&asked);
                pair.client.port.psk_identity = Some(Box::new(move |_| {
                    times.set(times.get() + 1);
                    choice.clone()
                }));
                assert_eq!(pair.handshake(), (Err(*error), Err(ALERTED)), "{suite}");
                assert_eq!(alerts(&pair.link, CLIENT), [INTERNAL_ERROR]);
                assert_eq!(asked.get(), 1);
                assert!(pair.server.port.identities.is_empty());
                pair.assert_failed(CLIENT);
                pair.assert_failed(SERVER);
            }
        }
    }
}

// ---- With and without certificates -------------------------------------------

fn with_certificate(context: &mut Context) {
    context.load_cert_chain(Some(&pki::cert("ec")), &pki::key("ec"), None, true).unwrap();
}

#[test]
fn nobody_falls_back_to_certificates() {
    for datagram in [false, true] {
        let _balance = Balance::start();
        // A client with a key and anchors, a server with a certificate only.
        let mut contexts = Contexts::bare(datagram);
        contexts.client.set_psk(Some((IDENTITY, KEY))).unwrap();
        contexts.client.load_verify_locations(&pki::cert("ca")).unwrap();
        with_certificate(&mut contexts.server);
        let mut pair = contexts.pair();
        assert_eq!(pair.handshake(), (Err(ALERTED), Err(REFUSED)));
        assert_eq!(alerts(&pair.link, SERVER), [HANDSHAKE_FAILURE]);
        // A server with both, a client without a key.
        contexts.server.ask_for_psk(true, &[]).unwrap();
        contexts.client.set_psk(None).unwrap();
        let mut pair = contexts.pair();
        assert_eq!(pair.handshake(), (Err(ALERTED), Err(REFUSED)));
        assert!(pair.server.port.identities.is_empty());
        // Taken back, they are as before.
        contexts.server.ask_for_psk(false, &[]).unwrap();
        let pair = contexts.pair().open();
        assert!(pair.client.socket.cipher().unwrap().to_str().unwrap().contains("ECDSA"));
        assert!(pair.client.socket.peer_cert().is_some());
        pair.prove();
    }
}

#[test]
fn set_ciphers_has_the_last_word() {
    let _balance = Balance::start();
    let mut contexts = Contexts::callbacks(false, &[]);
    let (before, server_psk) = (enabled(&tls12(Context::new(0, 0))), enabled(&contexts.server));
    let psk = |name: &&str| name.contains("-PSK-");
    assert!(!before.iter().any(psk), "without keys, none of these");
    assert!(server_psk.iter().all(psk) && !server_psk.is_empty());
    with_certificate(&mut contexts.server);
    ciphers(&mut contexts.server, &[ECDSA, PLAIN]);
    assert_eq!(enabled(&contexts.server), [ECDSA, PLAIN]);

    // Agreed on is what the server's list has first; whoever is not asked knows nothing.
    for (offered, asked) in [([PLAIN, ECDSA].as_slice(), false), (&[ECDSA], false), (&[PLAIN], true)] {
        ciphers(&mut contexts.client, offered);
        let mut pair = contexts.knowing();
        let times = Rc::new(Cell::new(0));
        let counted = Rc::clone(&times);
        pair.client.port.psk_identity = Some(Box::new(move |_| {
            counted.set(counted.get() + 1);
            Ok((IDENTITY.to_vec(), KEY.to_vec()))
        }));
        let pair = pair.open();
        assert_eq!(times.get(), usize::from(asked), "{offered:?}");
        assert_eq!(pair.server.port.identities.len(), usize::from(asked));
        assert_eq!(pair.server.socket.psk_identity().is_some(), asked);
        assert_eq!(pair.client.socket.peer_cert().is_some(), !asked);
        assert_eq!(pair.server.socket.cipher().unwrap().to_str(), Ok(if asked { PLAIN } else { ECDSA }));
        pair.prove();
    }
    // A server that has no key leaves its suites with one out.
    contexts.server.ask_for_psk(false, &[]).unwrap();
    ciphers(&mut contexts.client, &[PLAIN, ECDSA]);
    let pair = contexts.knowing().open();
    assert_eq!(pair.client.socket.cipher().unwrap().to_str(), Ok(ECDSA));
    pair.prove();
    ciphers(&mut contexts.client, &[PLAIN]);
    assert_eq!(contexts.knowing().handshake(), (Err(ALERTED), Err(REFUSED)));
    // A client's keys come and go; its list stays.
    contexts.client.ask_for_psk(false, &[]).unwrap();
    assert_eq!(enabled(&contexts.client), [PLAIN]);
}

/// A name to verify does not matter to whoever has a key, nor does what a context trusts.
#[test]
fn keys_where_certificates_would_be_verified() {
    let _balance = Balance::start();
    let setup = Setup { server_cert: None, ..Setup::default() };
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    client.set_psk(Some((IDENTITY, KEY))).unwrap();
    server.set_psk(Some((IDENTITY, KEY))).unwrap();
    server.set_verify_mode(2).unwrap();
    server.load_verify_locations(&pki::cert("ca")).unwrap();
    let pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open();
    assert!(pair.client.port.judged.is_empty() && pair.server.port.judged.is_empty());
    pair.prove();
}

// ---- Settings that change ---------------------------------------------------

#[test]
fn a_connection_keeps_what_it_was_made_with() {
    type Change = fn(&mut Contexts);
    let changes: [Change; 5] = [
        |contexts| {
            contexts.client.set_psk(Some((b"new", b"new key"))).unwrap();
            contexts.server.set_psk(Some((IDENTITY, b"new key"))).unwrap();
        },
        |contexts| {
            contexts.client.set_psk(None).unwrap();
            contexts.server.set_psk(None).unwrap();
        },
        |contexts| contexts.server.ask_for_psk(false, &[]).unwrap(),
        |contexts| {
            contexts.server.ask_for_psk(true, b"new hint").unwrap();
            contexts.client.ask_for_psk(true, &[]).unwrap();
        },
        |contexts| {
            ciphers(&mut contexts.client, &[ECDSA]);
            with_certificate(&mut contexts.server);
        },
    ];
    for datagram in [false, true] {
        for suite in [PLAIN, ECDHE] {
            for steps in 0..5 {
                for change in &changes {
                    let _balance = Balance::start();
                    let mut contexts = Contexts::asking(datagram).with_suite(suite);
                    contexts.server.ask_for_psk(true, HINT).unwrap();
                    let mut pair = contexts.knowing();
                    for step in 0..steps {
                        let _ = pair.end(step % 2).handshake();
                    }
                    change(&mut contexts);
                    let pair = pair.open();
                    assert_eq!(pair.server.port.identities, [IDENTITY]);
                    assert_eq!(pair.client.socket.psk_identity_hint(), Some(HINT));
                    drop(contexts);
                    pair.prove();
                }
            }
        }
    }
}

#[test]
fn a_client_begins_anew_as_itself_and_not_as_another() {
    for suite in [PLAIN, ECDHE] {
        let _balance = Balance::start();
        let sources = Contexts::callbacks(true, HINT).with_suite(suite).sources();
        let mut duo = Duo::new(&sources);
        duo.server.port.psk_key = Some(Box::new(|identity| Ok([identity, KEY].concat())));
        for (round, identity) in [b"first", b"first", b"other"].into_iter().enumerate() {
            duo.client.socket = datagrams::client(&sources[CLIENT]);
            duo.client.port.psk_identity = Some(chooses(identity, &[identity, KEY].concat()));
            if round > 0 {
                // The server notices with the second hello.
                for _ in 0..2 {
                    assert_eq!(duo.client.handshake(), Err(Error::WantRead));
                    assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
                }
                assert!(duo.server.socket.is_handshaking());
                assert_eq!(duo.server.socket.psk_identity(), None);
            }
            if identity == b"other" {
                let refused = Err(Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE));
                assert_eq!(duo.handshake().1, refused);
                break;
            }
            duo.open();
            assert_eq!(duo.server.socket.psk_identity(), Some(identity.as_slice()));
            duo.send(CLIENT, identity);
        }
        assert_eq!(duo.server.port.identities, [b"first", b"first", b"other"]);
    }
}

// ---- What goes wrong on the way ----------------------------------------------

#[test]
fn asked_once_whatever_interrupts_the_transport() {
    for datagram in [false, true] {
        for suite in [PLAIN, ECDHE] {
            let _balance = Balance::start();
            let mut contexts = Contexts::callbacks(datagram, HINT).with_suite(suite);
            for (why, reported) in [
                (Interruption::WouldBlock, vec![]),
                (Interruption::Raised, vec![Error::Raised]),
                (Interruption::Errno(110), vec![Error::Errno(110)]),
            ] {
                for side in [CLIENT, SERVER] {
                    for n in 0.. {
                        let mut pair = contexts.knowing();
                        let times = Rc::new(Cell::new(0));
                        let counted = Rc::clone(&times);
                        pair.client.port.psk_identity = Some(Box::new(move |hint| {
                            assert_eq!(hint, HINT);
                            counted.set(counted.get() + 1);
                            Ok((IDENTITY.to_vec(), KEY.to_vec()))
                        }));
                        pair.end(side).port.interrupt_at(n, why);
                        assert_eq!(pair.handshake(), DONE, "{why:?} at {n}");
                        assert_eq!(
                            (times.get(), pair.server.port.identities.len()),
                            (1, 1),
                            "{why:?} at {n}"
                        );
                        let over = pair.end(side).port.calls <= n;
                        if !over {
                            assert_eq!(pair.end(side).port.reported, reported, "{why:?} at {n}");
                        }
                        assert_eq!(pair.client.socket.psk_identity_hint(), Some(HINT));
                        pair.prove();
                        if over {
                            assert!(n >= 5, "a handshake of {n} calls");
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// Writes that take a byte at a time, half of them nothing, tear each record.
#[test]
fn asked_once_over_a_narrow_stream() {
    let _balance = Balance::start();
    for suite in EXCHANGES {
        let mut contexts = Contexts::callbacks(false, HINT).with_suite(suite);
        let mut pair = contexts.knowing();
        for side in [CLIENT, SERVER] {
            let port = &mut pair.end(side).port;
            (port.max_read, port.max_write) = (7, 5);
            port.gate =
                Some(Box::new(|call| if call % 2 == 0 { Err(Interruption::WouldBlock) } else { Ok(()) }));
        }
        let pair = pair.open();
        assert_eq!(pair.server.port.identities, [IDENTITY]);
        pair.prove();
    }
}

#[test]
fn a_third_of_the_datagrams_lost() {
    for suite in EXCHANGES {
        for hint in [b"".as_slice(), HINT] {
            for seed in 0..20 {
                let _balance = Balance::start();
                let sources = Contexts::callbacks(true, hint).with_suite(suite).sources();
                let mut duo = Duo::new(&sources).under(Weather::loss(30), seed);
                hosts_know(&mut duo.client.port, &mut duo.server.port);
                let times = Rc::new(Cell::new(0));
                let counted = Rc::clone(&times);
                duo.client.port.psk_identity = Some(Box::new(move |_| {
                    counted.set(counted.get() + 1);
                    Ok((IDENTITY.to_vec(), KEY.to_vec()))
                }));
                duo.open();
                assert_eq!((times.get(), duo.server.port.identities.len()), (1, 1), "{suite}, seed {seed}");
                assert_eq!(duo.client.socket.psk_identity_hint().unwrap_or_default(), hint);
                duo.prove();
            }
        }
    }
}

fn handshakes_without_memory(datagram: bool, suite: &str, on: bool) {
    let _balance = Balance::start();
    watch(KEY);
    let mut contexts = Contexts::callbacks(datagram, HINT).with_suite(suite);
    contexts.knowing().open().prove();
    let mut said = 0;
    for n in (0..100).chain((100..).step_by(37)) {
        let level = live();
        let mut pair = contexts.knowing();
        let (results, failed) = failing(n, on, || pair.handshake());
        if !failed {
            assert_eq!(results, DONE);
            pair.prove();
            break;
        }
        let results = pair.resume(results);
        match results {
            (Err(ENOMEM), _) | (_, Err(ENOMEM)) => said += 1,
            // What came too early could not be kept, and came again; a record, or the copy of
            // a secret, waited.
            DONE => {}
            // Never that a record or a point is bad, though to Mbed TLS it is.
            (client, server) => panic!("allocation {n}: {client:?}, {server:?}"),
        }
        for (side, result) in [(CLIENT, results.0), (SERVER, results.1)] {
            if result.is_err_and(|error| error != Error::WantRead) {
                pair.assert_failed(side);
            }
        }
        drop(pair);
        assert_eq!(live(), level, "allocation {n}");
        assert_eq!((holding(), spilled()), (0, 0), "allocation {n}");
    }
    assert!(said > 20, "{said}");
    contexts.knowing().open().prove();
}

#[test]
fn handshakes_with_one_allocation_failing() {
    for datagram in [false, true] {
        for suite in [PLAIN, ECDHE] {
            handshakes_without_memory(datagram, suite, false);
        }
    }
}

#[test]
fn handshakes_when_memory_has_run_out() {
    for datagram in [false, true] {
        for suite in [PLAIN, ECDHE] {
            handshakes_without_memory(datagram, suite, true);
        }
    }
}

/// That the alert does not get out is not why a look-up without memory failed.
#[test]
fn want_of_memory_outranks_the_transport() {
    let _balance = Balance::start();
    let mut contexts = Contexts::asking(false).with_suite(PLAIN);
    // The copies of the identity and of the key, after room for an answer and for the
    // record that brings them.
    let first = if cfg!(feature = "record-buffers") { 2 } else { 0 };
    for n in first..first + 2 {
        let mut pair = contexts.knowing();
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        assert_eq!(pair.server.handshake(), Err(Error::WantRead));
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        pair.server.port.max_write = 0;
        assert_eq!(failing(n, false, || pair.server.handshake()), (Err(ENOMEM), true), "allocation {n}");
        pair.assert_failed(SERVER);
    }
}

/// Does `change` with each allocation failing in turn, then with memory.
fn without_memory(contexts: &mut Contexts, change: fn(&mut Contexts) -> Result<()>) {
    for n in 0.. {
        let level = live();
        let (result, failed) = failing(n, false, || change(contexts));
        if !failed {
            assert_eq!(result, Ok(()));
            assert!(n > 0, "it allocates nothing");
            return;
        }
        assert_eq!((result, live()), (Err(Error::NoMemory), level));
        contexts.knowing().open().prove();
    }
}

#[test]
fn settings_and_sockets_without_memory_change_nothing() {
    let _balance = Balance::start();
    watch(KEY);
    let mut contexts = Contexts::asking(false).with_suite(PLAIN);
    contexts.knowing().open().prove();
    // The new ones would not fit together.
    without_memory(&mut contexts, |contexts| contexts.server.set_psk(Some((IDENTITY, b"new"))));
    contexts.server.set_psk(None).unwrap();
    without_memory(&mut contexts, |contexts| contexts.server.ask_for_psk(true, HINT));
    contexts.client.set_psk(None).unwrap();
    contexts.client.ask_for_psk(true, &[]).unwrap();
    without_memory(&mut contexts, |contexts| contexts.try_pair().map(drop));
    contexts.client.set_psk(Some((IDENTITY, KEY))).unwrap();
    contexts.client.ask_for_psk(false, &[]).unwrap();
    without_memory(&mut contexts, |contexts| {
        // A configuration anew.
        contexts.client.set_verify_mode(0)?;
        contexts.try_pair().map(drop)
    });
    drop(contexts);
    assert_eq!((holding(), spilled()), (0, 0));
}

// ---- Keys are wiped ---------------------------------------------------------

#[test]
fn the_watch_sees_what_is_not_wiped() {
    let _balance = Balance::start();
    watch(KEY);
    let block = Array::copy_of(&[b"before", KEY, b"behind"].concat()).unwrap();
    assert_eq!((holding(), spilled()), (1, 0));
    drop(block);
    assert_eq!((holding(), spilled()), (0, 1));
}

#[test]
fn keys_are_wiped_with_settings_and_contexts() {
    let _balance = Balance::start();
    watch(KEY);
    let gone = |what: &str| assert_eq!((holding(), spilled()), (0, 0), "{what}");
    for protocol in 0..4 {
        let mut context = tls12(Context::new(protocol, 0));
        let set = |key: Option<&[u8]>, context: &mut Context| {
            context.set_psk(key.map(|key| (IDENTITY, key))).unwrap();
        };
        set(Some(KEY), &mut context);
        assert_eq!(holding(), 1);
        // With the configuration that a connection would use; Mbed TLS has a client's as well.
        drop(context.config(false, true).unwrap());
        assert_eq!(holding(), if protocol & 1 == 0 { 2 } else { 1 });
        set(Some(b"another key"), &mut context);
        gone("replaced");
        set(Some(KEY), &mut context);
        drop(context.config(false, true).unwrap());
        set(None, &mut context);
        gone("taken back");
        set(Some(KEY), &mut context);
        assert_eq!(context.set_psk(Some((IDENTITY, &[1; KEY_MAX + 1]))), Err(TOO_LONG));
        assert_eq!(holding(), 1, "the old one stays");
        drop(context.config(false, true).unwrap());
        drop(context);
        gone("the context has gone");
    }
}

#[test]
fn keys_are_wiped_with_connections() {
    watch(KEY);
    for datagram in [false, true] {
        for suite in EXCHANGES {
            for by_callback in [false, true] {
                let _balance = Balance::start();
                let mut contexts = if by_callback {
                    Contexts::callbacks(datagram, HINT).with_suite(suite)
                } else {
                    let mut contexts = Contexts::asking(datagram).with_suite(suite);
                    contexts.server.set_psk(Some((IDENTITY, KEY))).unwrap();
                    contexts
                };
                // Given up after each step of the handshake.
                let mut most = 0;
                for steps in 0..6 {
                    let mut pair = contexts.knowing();
                    for step in 0..steps {
                        let _ = pair.end(step % 2).handshake();
                    }
                    most = most.max(holding());
                    drop(pair);
                    assert_eq!(spilled(), 0, "{suite}, {steps}");
                }
                assert!(most > 0, "the key was there");
                let pair = contexts.knowing().open();
                // A client's configuration, what the settings hold, and with datagrams the handshakes
                // themselves, which may have to be sent again.
                let settings = if by_callback { 1 } else { 3 };
                assert!(datagram || holding() <= settings, "{suite}, {}", holding());
                pair.prove();
                // Refused by the server.
                let mut pair = contexts.knowing();
                pair.server.port.psk_key = Some(knows(IDENTITY, b"wrong"));
                contexts.server.set_psk(None).unwrap();
                contexts.server.ask_for_psk(true, &[]).unwrap();
                let _ = pair.handshake();
                drop(pair);
                if by_callback {
                    assert_eq!(holding(), 0);
                }
                drop(contexts);
                assert_eq!((holding(), spilled()), (0, 0), "{suite}");
            }
        }
    }
}

// ---- Memory ------------------------------------------------------------------

#[test]
fn a_thousand_handshakes_leave_nothing() {
    for (datagram, rounds) in [(false, 1000), (true, 1000)] {
        let _balance = Balance::start();
        let mut contexts = Contexts::callbacks(datagram, HINT).with_suite(PLAIN);
        contexts.knowing().open().prove();
        let level = live();
        for _ in 0..rounds {
            let pair = contexts.knowing().open();
            drop(pair);
            assert_eq!(live(), level);
        }
    }
}
