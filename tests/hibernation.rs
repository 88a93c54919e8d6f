// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hibernation: connections reduced to their keys and counters at every quiet point, of every
//! suite that can, over streams and datagrams; what wakes is the connection that went to sleep.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::{failing, holding, live, newest, spilled, watch};
use common::datagrams::client;
use common::{
    Balance, CLIENT, Dice, Duo, EBADF, End, Pair, SERVER, Setup, Weather, clock, pattern, records, tls12,
};
use micropython_ssl::context::{Context, Memory};
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::{Error, Result};
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::HIBERNATION;

const GCM: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";

/// Every kind of suite that hibernates, and what its state takes of a stream: keys, fixed IVs
/// and a counter, each twice.
const SUITES: [(&str, usize); 7] = [
    (GCM, 2 * (16 + 4 + 8)),
    ("TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", 2 * (32 + 4 + 8)),
    ("TLS-ECDHE-ECDSA-WITH-AES-128-CCM", 2 * (16 + 4 + 8)),
    ("TLS-ECDHE-ECDSA-WITH-AES-256-CCM", 2 * (32 + 4 + 8)),
    ("TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8", 2 * (16 + 4 + 8)),
    ("TLS-ECDHE-ECDSA-WITH-AES-256-CCM-8", 2 * (32 + 4 + 8)),
    ("TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256", 2 * (32 + 12 + 8)),
];

/// Those of TLS 1.3, where it is built: all of the nonce is fixed; and how long the secrets behind are,
/// from which keys are renewed.
const SUITES_1_3: [(&str, usize, usize); 5] = [
    ("TLS1-3-AES-128-GCM-SHA256", 2 * (16 + 12 + 8), 2 * 32 + 2),
    ("TLS1-3-AES-256-GCM-SHA384", 2 * (32 + 12 + 8), 2 * 48 + 2),
    ("TLS1-3-CHACHA20-POLY1305-SHA256", 2 * (32 + 12 + 8), 2 * 32 + 2),
    ("TLS1-3-AES-128-CCM-SHA256", 2 * (16 + 12 + 8), 2 * 32 + 2),
    ("TLS1-3-AES-128-CCM-8-SHA256", 2 * (16 + 12 + 8), 2 * 32 + 2),
];

/// Both, of streams.
fn suites() -> impl Iterator<Item = (&'static str, usize, usize)> {
    let tls13 = SUITES_1_3.into_iter().filter(|_| cfg!(tls13));
    SUITES.into_iter().map(|(suite, state)| (suite, state, 0)).chain(tls13)
}

const SLEEPERS: [&[usize]; 3] = [&[CLIENT], &[SERVER], &[CLIENT, SERVER]];

fn setup<'a>(suite: &'a &'a str) -> Setup<'a> {
    Setup { suites: std::slice::from_ref(suite), tls13: suite.starts_with("TLS1-3-"), ..Setup::default() }
}

/// What Python can ask of a connection.
fn properties(end: &End) -> impl PartialEq + std::fmt::Debug + use<> {
    let socket = &end.socket;
    let mut cid = [0; micropython_ssl::mbedtls::CID_MAX];
    let peer_cid = socket.peer_cid(&mut cid);
    (
        (socket.cipher(), socket.version(), socket.peer_cert().map(<[u8]>::to_vec), socket.peer_verified()),
        (socket.own_cid().to_vec(), peer_cid, cid, socket.bad_records(), socket.newest_record()),
        (socket.pending(), socket.close_notify_received(), socket.would_send(), socket.is_handshaking()),
        (socket.is_datagram(), socket.poll(5, end.port.link.now())),
    )
}

/// Puts an end to sleep, which changes nothing but what it takes.
fn sleep(end: &mut End) {
    let (before, bytes, awake) = (properties(end), live().bytes, !end.socket.is_asleep());
    assert_eq!(end.socket.hibernate(), Ok(true));
    assert!(end.socket.is_asleep());
    assert_eq!(properties(end), before);
    assert_eq!(live().bytes < bytes, awake);
    // There is nothing more to do then.
    assert_eq!(end.socket.hibernate(), Ok(true));
}

#[test]
fn every_suite_hibernates_at_every_quiet_point_of_a_stream() {
    for (suite, ..) in suites() {
        for sleepers in SLEEPERS {
            let _balance = Balance::start();
            let mut pair = setup(&suite).open();
            assert_eq!(pair.client.socket.cipher().unwrap().to_str().unwrap(), suite);
            for n in [1, 2, 100, 5000, 20_000] {
                for from in [CLIENT, SERVER, SERVER, CLIENT] {
                    for side in sleepers {
                        sleep(pair.end(*side));
                    }
                    pair.transfer(from, &pattern(n));
                }
            }
            for side in sleepers {
                sleep(pair.end(*side));
            }
            pair.prove();
        }
    }
}

#[test]
fn the_state_is_keys_and_counters() {
    const { assert!(HIBERNATION) };
    for (suite, state, secrets) in suites() {
        let _balance = Balance::start();
        let mut pair = Setup { client_mode: 0, ..setup(&suite) }.open();
        pair.transfer(CLIENT, b"x");
        for side in [CLIENT, SERVER] {
            let awake = live();
            let kept = pair.end(side).socket.peer_cert().map_or(0, <[u8]>::len);
            sleep(pair.end(side));
            let block = newest();
            let freed = awake.bytes - live().bytes;
            assert!(freed > 900, "{suite}: {freed} bytes less");
            // Head and state; the certificate is beside it.
            let len = block.len() - secrets;
            assert!(len <= state + 96, "{suite}: {} bytes, {kept} of a certificate", block.len());
            // The counters are the last of it: one record each, behind Finished, which in TLS 1.3 had other keys.
            let finished = u64::from(secrets == 0);
            let counters = if side == CLIENT { [1 + finished, finished] } else { [finished, 1 + finished] };
            assert!(block[..len].ends_with(&counters.map(u64::to_be_bytes).concat()), "{suite}");
        }
        pair.prove();
    }
}

#[test]
fn no_nonce_is_used_twice() {
    let mut pair = setup(&GCM).open();
    for n in 0..50 {
        sleep(&mut pair.client);
        pair.transfer(CLIENT, &pattern(1 + n));
        // Woken without memory, it has sent nothing.
        sleep(&mut pair.client);
        let (failed, _) = failing(n % 5, false, || pair.client.write(b"again"));
        assert_eq!(failed, Err(Error::NoMemory));
        pair.transfer(SERVER, &pattern(1 + n));
    }
    let sent = pair.link.wire(CLIENT).transcript();
    let nonces = records(&sent).into_iter().filter(|record| record[0] == 23);
    let nonces: Vec<_> = nonces.map(|record| record[5..13].to_vec()).collect();
    assert_eq!(nonces.len(), 50);
    assert!(nonces.is_sorted_by(|a, b| a < b));
    pair.prove();
}

/// The keys for output and input in the state of a connection of AES-128-GCM, made last.
fn keys() -> [Vec<u8>; 2] {
    let block = newest();
    let state = &block[block.len() - 56..];
    [state[..16].to_vec(), state[20..36].to_vec()]
}

#[test]
fn secrets_are_wiped() {
    let _balance = Balance::start();
    let mut pair = setup(&GCM).open();
    // In the key schedule, and where the handshake's are kept.
    let awake = 1 + usize::from(cfg!(feature = "exported-keys"));
    for key in [0, 1] {
        pair.transfer(CLIENT, b"awake");
        sleep(&mut pair.client);
        let secret = keys()[key].clone();
        assert!(secret.iter().any(|byte| *byte != 0));
        pair.transfer(CLIENT, b"awake");
        watch(&secret);
        sleep(&mut pair.client);
        assert_eq!(holding(), 1, "asleep");
        // Out of memory anywhere on the way, nothing is left behind.
        for n in 0.. {
            let (result, failed) = failing(n, false, || pair.client.write(b"woken"));
            assert_eq!(spilled(), 0, "allocation {n}");
            let asleep = pair.client.socket.is_asleep();
            assert_eq!(holding(), if asleep { 1 } else { awake }, "allocation {n}");
            if asleep {
                assert!(failed && result == Err(Error::NoMemory), "{n}: {result:?}");
                continue;
            }
            assert!(n > 3, "{n} allocations");
            if failed {
                // The record's buffer, behind it all.
                assert_eq!(pair.client.write(b"woken"), Ok(5));
            }
            break;
        }
        assert_eq!(holding(), awake, "awake");
        let mut buf = [0; 5];
        assert_eq!((pair.server.read(&mut buf), &buf), (Ok(5), b"woken"));
        sleep(&mut pair.client);
        assert_eq!((holding(), spilled()), (1, 0), "asleep again");
    }
    // Dropped asleep.
    drop(pair);
    assert_eq!((holding(), spilled()), (0, 0));
}

#[test]
fn without_memory_it_stays_as_it_is() {
    for datagram in [false, true] {
        for side in [CLIENT, SERVER] {
            let _balance = Balance::start();
            let settings = Settings { cid: Some(3), ..Settings::DEFAULT };
            let (mut pair, mut duo) = (None, None);
            if datagram {
                let duo = duo.insert(Duo::with(setup(&GCM), settings));
                duo.open();
                duo.send(CLIENT, b"quiet");
            } else {
                pair = Some(setup(&GCM).open());
            }
            let ends = |pair: &mut Option<Pair>, duo: &mut Option<Duo>, run: &mut dyn FnMut(&mut End)| match (
                pair, duo,
            ) {
                (Some(pair), _) => run(pair.end(side)),
                (_, Some(duo)) => run(duo.end(side)),
                _ => unreachable!(),
            };
            let mut written = 0;
            ends(&mut pair, &mut duo, &mut |end| {
                for on in [false, true] {
                    let before = properties(end);
                    for n in 0.. {
                        let (result, failed) = failing(n, on, || end.socket.hibernate());
                        if !failed {
                            assert_eq!((result, n), (Ok(true), 1));
                            break;
                        }
                        assert_eq!(result, Err(Error::NoMemory));
                        assert!(!end.socket.is_asleep());
                        assert!(properties(end) == before);
                    }
                    let level = live();
                    for n in 0.. {
                        let (result, failed) = failing(n, on, || end.write(b"x"));
                        if !failed {
                            assert_eq!(result, Ok(1));
                            assert!(n >= 5, "{n} allocations");
                            written += 1;
                            break;
                        }
                        assert_eq!(result, Err(Error::NoMemory), "allocation {n}");
                        if !end.socket.is_asleep() {
                            continue; // the record's buffer, behind it all
                        }
                        assert_eq!(live(), level);
                        assert!(properties(end) == before, "allocation {n}");
                    }
                }
            });
            if let Some(mut pair) = pair {
                let mut buf = [0; 1];
                for _ in 0..written {
                    assert_eq!(pair.end(1 - side).read(&mut buf), Ok(1));
                }
                pair.prove();
            }
            if let Some(mut duo) = duo {
                for _ in 0..written {
                    assert_eq!(duo.receive(1 - side), Ok(b"x".to_vec()));
                }
                duo.prove();
            }
        }
    }
}

#[test]
fn what_is_not_quiet_does_not_sleep() {
    let _balance = Balance::start();
    let mut pair = setup(&GCM).pair();
    assert_eq!(pair.client.socket.hibernate(), Ok(false), "before the handshake");
    pair.link.wire(CLIENT).capacity = 100;
    assert_eq!(pair.client.handshake(), Err(Error::WantWrite));
    assert_eq!(pair.client.socket.hibernate(), Ok(false), "in it");
    pair.link.wire(CLIENT).capacity = usize::MAX;
    let mut pair = pair.open();

    // A record half sent.
    pair.client.port.max_write = 10;
    pair.client.port.interrupt_at(1, Interruption::WouldBlock);
    assert_eq!(pair.client.write(b"some data"), Err(Error::WantWrite));
    assert_eq!(pair.client.socket.hibernate(), Ok(false));
    assert_eq!(pair.client.write(b"some data"), Ok(9));
    assert_eq!(pair.client.socket.hibernate(), Ok(true));

    // A record come in part, and then read in part.
    pair.server.port.max_read = 1;
    for come in 1..9 + 29 {
        pair.server.port.interrupt_at(1, Interruption::WouldBlock);
        assert_eq!(pair.server.poke(), Err(Error::WantRead));
        assert_eq!(pair.server.socket.hibernate(), Ok(false), "{come} bytes have come");
    }
    pair.server.port.unblock();
    for read in 1..=9 {
        assert_eq!(pair.server.poke(), Ok(1));
        assert_eq!(pair.server.socket.hibernate(), Ok(read == 9), "{read} bytes are read");
    }
    pair.server.port.max_read = usize::MAX;

    // One way closed; and failed.
    assert_eq!(pair.client.close_notify(), Ok(()));
    assert_eq!(pair.client.socket.hibernate(), Ok(false), "it has said that it ends");
    assert_eq!(pair.server.poke(), Ok(0));
    assert_eq!(pair.server.socket.hibernate(), Ok(false), "it knows that it ends");
    let mut failed = setup(&"TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256").pair();
    assert!(failed.handshake().0.is_err());
    assert_eq!(failed.client.socket.hibernate(), Err(EBADF));
}

#[cfg(feature = "record-buffers")]
#[test]
fn an_interrupted_record_header_is_no_quiet_point_without_memory_either() {
    let _balance = Balance::start();
    let mut pair = setup(&GCM).open();
    pair.client.write(&pattern(1000)).unwrap();
    let (result, failed) = failing(0, true, || pair.server.read(&mut [0; 2000]));
    assert_eq!((result, failed), (Err(Error::NoMemory), true));
    assert_eq!(pair.server.socket.hibernate(), Ok(false));
    assert_eq!(pair.server.read(&mut [0; 2000]), Ok(1000));
    sleep(&mut pair.server);
    pair.prove();
}

#[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
#[test]
fn pre_shared_keys_identity_and_hint_stay() {
    let _balance = Balance::start();
    for suite in ["TLS-PSK-WITH-AES-128-CCM-8", "TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256"] {
        let (mut client, mut server) = (tls12(Context::new(0, 0)), tls12(Context::new(1, 0)));
        let key = &[7; 16];
        client.set_psk(Some((b"sensor", key))).unwrap();
        client.set_ciphers(1, [suite.as_bytes()].into_iter()).unwrap();
        server.set_psk(Some((b"sensor", key))).unwrap();
        server.ask_for_psk(false, b"greenhouse").unwrap();
        let mut pair = Pair::new(&mut client, &mut server, None).unwrap().open();
        for _ in 0..3 {
            for side in [CLIENT, SERVER] {
                sleep(pair.end(side));
            }
            assert_eq!(pair.server.socket.psk_identity(), Some(b"sensor".as_slice()));
            assert_eq!(pair.client.socket.psk_identity_hint(), Some(b"greenhouse".as_slice()));
            pair.transfer(CLIENT, b"awake");
            assert_eq!(pair.server.socket.psk_identity(), Some(b"sensor".as_slice()));
            pair.transfer(SERVER, b"awake");
            assert_eq!(pair.client.socket.psk_identity_hint(), Some(b"greenhouse".as_slice()));
        }
        pair.prove();
    }
}

#[test]
fn other_suites_do_not_sleep() {
    let _balance = Balance::start();
    let mut pair = setup(&"TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256").open();
    for side in [CLIENT, SERVER] {
        assert_eq!(pair.end(side).socket.hibernate(), Ok(false));
        assert!(!pair.end(side).socket.is_asleep());
    }
    pair.prove();
}

#[test]
fn both_certificates_and_the_end_are_there_after_waking() {
    let _balance = Balance::start();
    let mut pair = Setup { suites: &[GCM], ..Setup::mutual() }.open();
    for side in [CLIENT, SERVER] {
        assert!(pair.end(side).socket.peer_cert().is_some() && pair.end(side).socket.peer_verified());
        sleep(pair.end(side));
    }
    // The end comes while it sleeps, and is not read before it is awake.
    assert_eq!(pair.client.close_notify(), Ok(()));
    assert!(!pair.client.socket.is_asleep() && pair.server.socket.is_asleep());
    assert_eq!(pair.server.poke(), Ok(0));
    assert!(pair.server.socket.close_notify_received());
    assert_eq!(pair.server.unwrap(), Ok(()));
    // Cut off instead.
    let mut pair = setup(&GCM).open();
    sleep(&mut pair.server);
    pair.link.hang_up(CLIENT);
    assert_eq!(pair.server.poke(), Ok(0));
    assert!(!pair.server.socket.close_notify_received());
}

#[test]
fn a_certificate_that_is_not_to_be_kept_is_gone_after_the_handshake() {
    let _balance = Balance::start();
    let mut kept = [0, 0];
    for keep in [true, false] {
        let setup = setup(&GCM);
        let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
        assert!(client.memory().keep_peer_cert);
        client.set_memory(Memory { keep_peer_cert: keep, ..Memory::DEFAULT }).unwrap();
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open();
        assert_eq!(pair.client.socket.peer_cert().is_some(), keep);
        assert!(pair.client.socket.peer_verified());
        sleep(&mut pair.client);
        kept[usize::from(keep)] = live().bytes;
        assert!(pair.client.socket.peer_verified());
        pair.prove();
    }
    assert!(kept[1] > kept[0] + 300, "{kept:?} bytes without and with it");
}

/// One that sleeps at once does so behind a write, not behind its first record: without memory to wake, nobody
/// would know any more how far it got.
#[test]
fn a_write_of_several_records_goes_on_where_memory_ran_out() {
    let _balance = Balance::start();
    let setup = setup(&GCM);
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    client.set_hibernate_after(Some(0));
    let data = pattern(20_000);
    let mut interrupted = 0;
    for n in 0.. {
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open();
        let mut done = 0;
        let End { socket, port } = &mut pair.client;
        let (result, failed) = failing(n, true, || socket.write_all(port, &data, &mut done));
        if result.is_err() {
            assert_eq!(result, Err(Error::NoMemory), "allocation {n}");
            socket.suspend_write(&data, done);
            interrupted += usize::from(done > 0);
            done = socket.resume_write(&data).unwrap_or_else(|error| panic!("allocation {n}: {error:?}"));
            assert_eq!(socket.write_all(port, &data, &mut done), Ok(()), "allocation {n}");
            socket.suspend_write(&[], 0);
        }
        assert!(socket.is_asleep() || failed, "allocation {n}");
        let (mut got, mut read) = (vec![0; data.len()], 0);
        let End { socket, port } = &mut pair.server;
        assert_eq!(socket.read_all(port, &mut got, &mut read), Ok(()));
        assert!(got == data, "allocation {n}");
        if !failed {
            break;
        }
    }
    assert_eq!(interrupted > 0, cfg!(feature = "record-buffers"), "{interrupted}");
}

#[test]
fn a_context_may_have_its_connections_sleep_by_themselves() {
    let _balance = Balance::start();
    for after in [None, Some(0), Some(1000)] {
        let setup = setup(&GCM);
        let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
        client.set_hibernate_after(after);
        assert_eq!(client.hibernate_after(), after);
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open();
        let asleep = |pair: &mut Pair| {
            pair.client.socket.rest(clock::now());
            pair.client.socket.is_asleep()
        };
        pair.client.write(b"x").unwrap();
        assert_eq!(pair.client.socket.is_asleep(), after == Some(0));
        clock::advance(999);
        assert_eq!(asleep(&mut pair), after == Some(0));
        clock::advance(1);
        assert_eq!(asleep(&mut pair), after.is_some());
        // A read that comes to nothing is no use of it.
        assert_eq!(pair.client.poke(), Err(Error::WantRead));
        assert!(!pair.client.socket.is_asleep());
        assert_eq!(asleep(&mut pair), after.is_some());
        assert_eq!((pair.server.poke(), pair.server.write(b"yz")), (Ok(1), Ok(2)));
        for left in [1, 0] {
            assert_eq!((pair.client.poke(), pair.client.socket.pending()), (Ok(1), left));
            assert_eq!(pair.client.socket.is_asleep(), after == Some(0) && left == 0);
        }
        // Out of memory, it stays awake.
        pair.transfer(CLIENT, b"awake");
        clock::advance(1 << 31);
        let was = pair.client.socket.is_asleep();
        failing(0, true, || pair.client.socket.rest(clock::now()));
        assert_eq!(pair.client.socket.is_asleep(), was);
        pair.prove();
    }
}

// ---- Datagrams --------------------------------------------------------------

fn duo(suite: &'static str, cids: Option<(u8, u8)>) -> Duo {
    let settings = |cid| Settings { cid, ..Settings::DEFAULT };
    let (client, server) = cids.map_or((None, None), |(client, server)| (Some(client), Some(server)));
    Duo::new(&common::datagrams::contexts(setup(&suite), settings(client), settings(server)))
}

/// The server knows its client by a certificate.
fn known(cids: Option<(u8, u8)>) -> Duo {
    let settings = |cid| Settings { cid, ..Settings::DEFAULT };
    let (client, server) = cids.unzip();
    let setup = Setup { suites: &[GCM], ..Setup::mutual() };
    Duo::new(&common::datagrams::contexts(setup, settings(client), settings(server)))
}

#[test]
fn every_suite_hibernates_at_every_quiet_point_of_a_conversation_by_datagrams() {
    for (suite, state) in SUITES {
        for cids in [None, Some((0, 0)), Some((0, 5)), Some((8, 0)), Some((4, 8))] {
            let _balance = Balance::start();
            let mut duo = duo(suite, cids);
            duo.open();
            // Its last flight may have to be sent again.
            assert_eq!(duo.server.socket.hibernate(), Ok(false));
            duo.send(CLIENT, b"quiet");
            for sleepers in SLEEPERS {
                for n in [1, 2, 100, 1000] {
                    for from in [CLIENT, SERVER, SERVER, CLIENT] {
                        for side in sleepers {
                            sleep(duo.end(*side));
                            let ids = cids.map_or(0, |(client, server)| usize::from(client + server));
                            let block = newest().len();
                            assert!(block <= state + 8 + ids + 46 + 100, "{suite}, {cids:?}: {block} bytes");
                        }
                        duo.send(from, &pattern(n));
                    }
                }
            }
            for side in [CLIENT, SERVER] {
                sleep(duo.end(side));
            }
            duo.prove();
        }
    }
}

#[test]
fn records_come_once_whether_it_slept_or_not() {
    let _balance = Balance::start();
    let mut duo = duo(GCM, None);
    duo.open();
    duo.send(CLIENT, b"quiet");
    let mut old = Vec::new();
    for n in 1..=100 {
        sleep(&mut duo.server);
        duo.send(CLIENT, &pattern(n));
        old.push(duo.last_sent(CLIENT));
        sleep(&mut duo.server);
        for again in &old {
            duo.link.inject(CLIENT, again);
        }
        assert_eq!(duo.receive(SERVER), Err(Error::WantRead), "all of {n} again");
    }
    // One that was overtaken by less than the window comes, once.
    let late: Vec<_> = (0..3)
        .map(|n| {
            duo.client.write(&pattern(500 + n)).unwrap();
            duo.link.wire(CLIENT).clear();
            duo.last_sent(CLIENT)
        })
        .collect();
    duo.send(CLIENT, b"newer");
    for _ in 0..2 {
        for (n, late) in late.iter().enumerate() {
            sleep(&mut duo.server);
            duo.link.inject(CLIENT, late);
            let expected =
                if duo.server.socket.newest_record() > 0 { duo.receive(SERVER) } else { unreachable!() };
            if old.contains(late) {
                assert_eq!(expected, Err(Error::WantRead));
            } else {
                assert_eq!(expected, Ok(pattern(500 + n)));
                old.push(late.clone());
            }
        }
    }
    duo.prove();
}

#[test]
fn sleep_in_bad_weather() {
    for seed in 0..30 {
        let _balance = Balance::start();
        let cids = [None, Some((4, 4))][seed as usize % 2];
        let weather = Weather { lost: 15, twice: 15, late: 15, short: 2, bent: 2 };
        let mut duo = duo(SUITES[seed as usize % SUITES.len()].0, cids);
        duo.open();
        let mut duo = duo.under(weather, seed);
        let mut dice = Dice::new(seed);
        let (mut slept, mut came) = (0, [0, 0]);
        let mut seen = [std::collections::BTreeSet::new(), std::collections::BTreeSet::new()];
        for n in 0..400_u32 {
            let side = dice.roll(2);
            if dice.roll(2) == 0 && duo.end(side).socket.hibernate() == Ok(true) {
                slept += 1;
            }
            let data = [&n.to_be_bytes()[..], &pattern(dice.roll(300))].concat();
            assert_eq!(duo.end(side).write(&data), Ok(data.len()));
            clock::advance(dice.roll(40) as u32);
            let reader = dice.roll(2);
            if dice.roll(2) == 0 && duo.end(reader).socket.hibernate() == Ok(true) {
                slept += 1;
            }
            while let Ok(got) = duo.receive(reader) {
                let number = u32::from_be_bytes(got[..4].try_into().unwrap());
                assert!(seen[reader].insert(number), "datagram {number} comes twice");
                assert!(pattern(300).starts_with(&got[4..]) && number <= n);
                came[reader] += 1;
            }
        }
        clock::advance(1000);
        for side in [CLIENT, SERVER] {
            while duo.receive(side).is_ok() {}
        }
        assert!(slept > 100 && came[0] > 80 && came[1] > 80, "slept {slept} times, {came:?} came");
        duo.prove();
    }
}

#[test]
fn the_servers_last_flight_is_sent_again_before_it_may_sleep() {
    let _balance = Balance::start();
    let mut duo = duo(GCM, None);
    duo.link.wire(SERVER).fault =
        Some(Box::new(|number, _| if number == 5 { common::Fate::Lost } else { common::Fate::Arrives }));
    duo.open();
    assert_eq!(duo.server.socket.hibernate(), Ok(false));
    duo.send(CLIENT, b"quiet");
    for side in [CLIENT, SERVER] {
        sleep(duo.end(side));
    }
    duo.prove();
}

#[test]
fn bad_records_are_counted_on() {
    let _balance = Balance::start();
    let mut duo = duo(GCM, None);
    duo.open();
    duo.send(CLIENT, b"quiet");
    for n in 1..=5 {
        duo.client.write(b"bent").unwrap();
        duo.link.wire(CLIENT).clear();
        let mut bent = duo.last_sent(CLIENT);
        *bent.last_mut().unwrap() ^= 1;
        sleep(&mut duo.server);
        duo.link.inject(CLIENT, &bent);
        assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
        assert_eq!(duo.server.socket.bad_records(), n);
        assert!(duo.server.socket.is_asleep(), "what anybody can send does not wake it");
    }
    duo.prove();
}

/// An ICMP message, say, which nobody has to authenticate.
#[test]
fn an_error_of_the_transport_does_not_wake_it() {
    let _balance = Balance::start();
    let mut duo = duo(GCM, None);
    duo.open();
    duo.send(CLIENT, b"quiet");
    // As where the caller's bytes stay where they are, and as where Python may move them.
    let reads: [fn(&mut End) -> Result<()>; 2] =
        [|end| end.read(&mut [0; 100]).map(|_| ()), |end| end.socket.fill(&mut end.port)];
    for (how, read) in reads.iter().enumerate() {
        for side in [CLIENT, SERVER] {
            let end = duo.end(side);
            sleep(end);
            assert_eq!(read(end), Err(Error::WantRead));
            assert!(end.socket.is_asleep(), "{how} {side}");
            for why in [Interruption::Errno(111), Interruption::Raised] {
                end.port.gate = Some(Box::new(move |_| Err(why)));
                assert!(matches!(read(end), Err(Error::Errno(111) | Error::Raised)));
                end.port.gate = None;
                assert!(end.socket.is_asleep(), "{how} {why:?} {side}");
            }
        }
    }
    duo.prove();
}

#[test]
fn a_client_begins_anew_at_a_server_that_sleeps() {
    let is_hello = |sent: &[u8]| sent[0] == 22 && sent[3..5] == [0, 0] && sent[13] == 1;
    for cids in [None, Some((4, 4))] {
        let _balance = Balance::start();
        let mut duo = known(cids);
        duo.open();
        for _ in 0..3 {
            duo.send(CLIENT, b"before");
            let hello = duo.link.wire(CLIENT).sent.iter().rev().find(|sent| is_hello(sent)).cloned();
            sleep(&mut duo.server);
            // The hello that made the connection is nobody's business any more.
            duo.replay(&hello.unwrap());
            sleep(&mut duo.server);
            duo.client.socket = client(&duo.contexts[CLIENT]);
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
            assert!(!duo.server.socket.is_handshaking());
            sleep(&mut duo.server);
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
            assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
            assert!(duo.server.socket.is_handshaking(), "with its cookie it begins anew");
            duo.open();
            assert_eq!(
                duo.server.socket.peer_cid(&mut [0; micropython_ssl::mbedtls::CID_MAX]),
                cids.map(|_| 4)
            );
        }
        duo.prove();
    }
}
