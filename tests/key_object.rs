// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys that are objects of the host's, which sign: at either side, of either version, slowly, without
//! memory. What an object may do wrong, `tests/micropython/ssl_key_object.py` has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::{Cell, RefCell};
use std::process::Command;
use std::rc::Rc;

use common::alloc::{failing, live};
use common::{Balance, CLIENT, Contexts, End, Pair, SERVER, Setup, pki, run};
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::io::{Interruption, Scheme};
use micropython_ssl::socket::{Options, Socket};

/// A signature by a key of the PKI, which is in another process.
fn signature_by(name: &str, scheme: Scheme, hash: &[u8]) -> Vec<u8> {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("mpssl-object-{}-{number}", std::process::id()));
    let (key, input) = (path.with_extension("key"), path.with_extension("hash"));
    std::fs::write(&key, pki::file(&format!("{name}.key"))).unwrap();
    std::fs::write(&input, hash).unwrap();
    let digest = format!("digest:sha{}", hash.len() * 8);
    let mut command = Command::new("openssl");
    command.args(["pkeyutl", "-sign", "-inkey", key.to_str().unwrap(), "-in", input.to_str().unwrap()]);
    if scheme != Scheme::Ecdsa {
        command.args(["-pkeyopt", &digest]);
    }
    if scheme == Scheme::Pss {
        command.args(["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]);
    }
    let output = command.output().unwrap();
    std::fs::remove_file(key).unwrap();
    std::fs::remove_file(input).unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// What an object was asked for.
type Asked = Rc<RefCell<Vec<(Scheme, Vec<u8>)>>>;

/// Has an end's key be an object, which has a signature when it is asked for the `after`-th time.
fn object(end: &mut End, name: &'static str, after: usize) -> Asked {
    let asked = Asked::default();
    let seen = asked.clone();
    end.port.sign_by_object = Some(Box::new(move |scheme, hash| {
        seen.borrow_mut().push((scheme, hash.to_vec()));
        if seen.borrow().len() < after {
            return Err(Interruption::WouldBlock);
        }
        Ok(signature_by(name, scheme, hash))
    }));
    asked
}

/// Contexts whose `side` has an object for a key.
fn contexts(setup: &Setup<'_>, side: usize, name: &str) -> Contexts {
    let client_cert = setup.client_cert.filter(|_| side != CLIENT);
    let mut contexts = Contexts::new(&Setup { client_cert, ..*setup });
    let context = if side == CLIENT { &mut contexts.client } else { &mut contexts.server };
    context.load_cert_chain_of_object(Some(&pki::cert(name)), None).unwrap();
    contexts
}

/// A pair of these contexts. A server of datagrams does not ask for a cookie.
fn pair(contexts: &mut Contexts) -> Pair {
    let mut pair = contexts.pair();
    if pair.link.datagram {
        let options = Options { hello_verify: false, ..common::options(None, Some(b"192.0.2.1:4433")) };
        pair.server.socket = Socket::new(&mut contexts.server, options).unwrap();
    }
    pair
}

/// [`End::handshake`], with what is not there yet asked for again.
fn patient(end: &mut End) -> Result<()> {
    loop {
        match end.handshake() {
            Err(Error::WantSignature) => {}
            result => return result,
        }
    }
}

fn each(mut test: impl FnMut(&Setup<'static>, usize, &'static str)) {
    for (tls13, datagram) in [(false, false), (false, true), (true, false)] {
        if tls13 && !cfg!(tls13) {
            continue;
        }
        for (side, name) in
            [(SERVER, "ec"), (SERVER, "ec384"), (SERVER, "rsa"), (CLIENT, "client"), (CLIENT, "rsa_client")]
        {
            let server_cert = Some(if name.contains("rsa") { "rsa" } else { "ec" });
            let suites: &[&str] = match (name.contains("rsa"), tls13) {
                (true, false) => &["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"],
                _ => &[],
            };
            let setup = Setup { tls13, datagram, suites, server_cert, ..Setup::mutual() };
            test(&setup, side, name);
        }
    }
}

#[test]
fn it_signs_at_once_and_later() {
    each(|setup, side, name| {
        for after in [1, 4] {
            let _balance = Balance::start();
            let mut pair = pair(&mut contexts(setup, side, name));
            let asked = object(pair.end(side), name, after);
            let results = run(&mut pair.client, &mut pair.server, patient, patient);
            assert_eq!(results, (Ok(()), Ok(())), "{name}, TLS 1.3: {}", setup.tls13);
            let (scheme, hash) = asked.borrow()[0].clone();
            // It is the same that it is asked for again.
            assert_eq!(*asked.borrow(), vec![(scheme, hash); after]);
            let of_rsa = if setup.tls13 { Scheme::Pss } else { Scheme::Pkcs1v15 };
            assert_eq!(scheme, if name.contains("rsa") { of_rsa } else { Scheme::Ecdsa });
            pair.prove();
        }
    });
}

/// A message that waits for its signature is the one that is sent: its ephemeral key, if any, is made once.
#[test]
fn nothing_is_made_twice() {
    each(|setup, side, name| {
        let mut counts = Vec::new();
        for after in [1, 30] {
            let mut contexts = contexts(setup, side, name);
            let mut pair = pair(&mut contexts);
            let made = Rc::new(Cell::new(0));
            let asked = object(pair.end(side), name, after);
            let before = common::alloc::made();
            let results = run(&mut pair.client, &mut pair.server, patient, patient);
            assert_eq!(results, (Ok(()), Ok(())));
            assert_eq!(asked.borrow().len(), after);
            made.set(common::alloc::made() - before);
            counts.push(made.get());
        }
        // What Mbed TLS allocates for a multiplication on a curve is not allocated again: 29 more
        // questions take little.
        assert!(counts[1] < counts[0] + 29 * 12 + 40, "{name}: {counts:?}");
    });
}

#[test]
fn no_signature_is_sent_that_is_none() {
    each(|setup, side, name| {
        for after in [1, 2] {
            for (what, invalid) in [(0, Invalid::OtherSignature), (1, Invalid::Signature)] {
                let _balance = Balance::start();
                let mut pair = pair(&mut contexts(setup, side, name));
                let mut count = 0;
                pair.end(side).port.sign_by_object = Some(Box::new(move |scheme, hash| {
                    count += 1;
                    assert!(count <= after, "asked again");
                    if count < after {
                        return Err(Interruption::WouldBlock);
                    }
                    let mut made = signature_by(name, scheme, &vec![7; hash.len()]);
                    made.truncate(made.len() - what);
                    Ok(made)
                }));
                let results = run(&mut pair.client, &mut pair.server, patient, patient);
                let mine = if side == CLIENT { results.0 } else { results.1 };
                assert_eq!(mine, Err(Error::Value(invalid)));
                pair.assert_failed(side);
                assert_eq!(pair.end(side).socket.alert(), 80); // internal_error
            }
        }
    });
}

/// Whichever allocation fails: the handshake goes on when there is memory, or has failed; nothing is lost.
#[test]
fn without_memory() {
    for tls13 in [false, true] {
        for (side, name) in [(SERVER, "ec"), (CLIENT, "client")] {
            if tls13 && !cfg!(tls13) {
                continue;
            }
            let _balance = Balance::start();
            let mut contexts = contexts(&Setup { tls13, ..Setup::mutual() }, side, name);
            drop(contexts.pair()); // the configuration stays
            let (mut refused, mut n) = (0, 0);
            loop {
                let level = live();
                let mut pair = contexts.pair();
                drop(object(pair.end(side), name, 3));
                let (results, failed) =
                    failing(n, false, || run(&mut pair.client, &mut pair.server, patient, patient));
                let results = if [results.0, results.1].contains(&Err(Error::NoMemory)) {
                    // It goes on with memory.
                    let again = run(&mut pair.client, &mut pair.server, patient, patient);
                    let end = |before: Result<()>, after| {
                        if before == Err(Error::NoMemory) { after } else { before }
                    };
                    (end(results.0, again.0), end(results.1, again.1))
                } else {
                    results
                };
                match results {
                    (Ok(()), Ok(())) => pair.converse(),
                    (Err(Error::Errno(12)), _) | (_, Err(Error::Errno(12))) => refused += 1,
                    other => panic!("allocation {n}: {other:?}"),
                }
                drop(pair);
                assert_eq!(live(), level, "allocation {n}");
                if !failed {
                    break;
                }
                n += 3;
            }
            assert!(refused > 5, "{refused}");
        }
    }
}

/// A connection that waits for a signature, and is let go of.
#[test]
fn it_is_dropped() {
    each(|setup, side, name| {
        let _balance = Balance::start();
        let mut pair = pair(&mut contexts(setup, side, name));
        drop(object(pair.end(side), name, usize::MAX));
        let mut waits = false;
        for _ in 0..20 {
            for side_of in [CLIENT, SERVER] {
                let result = pair.end(side_of).handshake();
                waits |= result == Err(Error::WantSignature);
            }
            pair.link.advance(5);
        }
        assert!(waits);
        // A poll has it called again in a while.
        let now = pair.link.now();
        let end: &End = pair.end(side);
        assert_eq!(end.socket.poll(1, now.wrapping_add(5)), (1, 0));
        drop(pair);
    });
}

#[test]
fn a_server_with_a_key_that_only_signs_decrypts_nothing() {
    let setup = Setup { server_cert: None, ..Setup::default() };
    let mut server = setup.server().unwrap();
    server.begin_as_tls();
    let has = |server: &micropython_ssl::context::Context| {
        (0..).map_while(|i| server.cipher(i)).any(|name| name.to_str().unwrap().starts_with("TLS-RSA-WITH"))
    };
    let before = has(&server);
    server.load_cert_chain_of_object(Some(&pki::cert("rsa")), None).unwrap();
    assert!(!has(&server));
    server.load_cert_chain(Some(&pki::cert("rsa")), &pki::key("rsa"), None, true).unwrap();
    assert_eq!(has(&server), before);
    // The client has nothing else.
    let mut client = Setup { suites: &["TLS-RSA-WITH-AES-128-GCM-SHA256"], ..Setup::default() }.client();
    if let Ok(client) = &mut client {
        server.load_cert_chain_of_object(Some(&pki::cert("rsa")), None).unwrap();
        let mut pair = Pair::new(client, &mut server, Some("localhost")).unwrap();
        assert!(pair.handshake().1.is_err());
    }
}
