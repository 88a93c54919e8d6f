// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that are interrupted at each of their transport's bytes: what they have read or written
//! is not lost, and comes once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::{Balance, CLIENT, Duo, EINVAL, Pair, SERVER, Setup, options, pattern};
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls::sys;
use micropython_ssl::socket::Socket;

const WHY: [Interruption; 4] =
    [Interruption::WouldBlock, Interruption::Raised, Interruption::Errno(110), Interruption::NoMemory];

/// A server whose transport moves a byte at a time.
fn bytewise() -> Pair {
    let mut pair = Setup::default().open();
    pair.server.port.max_read = 1;
    pair.server.port.max_write = 1;
    pair
}

/// Two records on their way to the server, and what is in them.
fn send_two(pair: &mut Pair) -> Vec<u8> {
    let data = pattern(48);
    for part in data.chunks(31) {
        assert_eq!(pair.client.write(part), Ok(part.len()));
    }
    data
}

#[test]
fn a_read_that_is_interrupted_has_moved_done() {
    let _balance = Balance::start();
    let mut pair = bytewise();
    for why in WHY {
        let mut interruptions = 0;
        for n in 0.. {
            let data = send_two(&mut pair);
            pair.server.port.interrupt_at(n, why);
            let (mut buf, mut done) = (vec![0; data.len()], 0);
            let first = pair.server.socket.read_all(&mut pair.server.port, &mut buf, &mut done);
            let hit = first.is_err();
            if hit {
                interruptions += 1;
                assert!(done == 0 || done == 31, "whole records: {done}");
                assert_eq!(buf[..done], data[..done]);
                let again = pair.server.socket.read_all(&mut pair.server.port, &mut buf, &mut done);
                assert_eq!(again, Ok(()), "{why:?} at {n}");
            }
            assert_eq!((done, &buf), (data.len(), &data), "{why:?} at {n}");
            if !hit {
                break;
            }
        }
        assert!(interruptions > 60, "{why:?}: {interruptions}");
    }
}

#[test]
fn a_write_that_is_interrupted_goes_on_where_it_stopped() {
    let _balance = Balance::start();
    let mut pair = bytewise();
    let whole = pattern(20_000);
    let record = pair.server.write(&whole).unwrap();
    let mut buf = vec![0; record];
    let mut read = 0;
    assert_eq!(pair.client.socket.read_all(&mut pair.client.port, &mut buf, &mut read), Ok(()));
    let data = &whole[..record + 40]; // two records
    let mut other = data.to_vec();
    other[0] ^= 1;
    // In the first record, around its end, and in the second one.
    for why in WHY {
        for n in (0..40).chain(record..record + 110) {
            pair.server.port.interrupt_at(n, why);
            let (socket, port) = (&mut pair.server.socket, &mut pair.server.port);
            let mut done = 0;
            let first = socket.write_all(port, data, &mut done);
            if first.is_err() {
                assert!(done == 0 || done == record, "{done}");
                socket.suspend_write(data, done);
                // Another in its place writes nothing, shorter, longer or different.
                for wrong in [&data[..data.len() - 1], &[data, b"x"].concat(), &other] {
                    let refused = match socket.resume_write(wrong) {
                        Ok(mut done) => socket.write_all(port, &wrong[..wrong.len().min(100)], &mut done),
                        Err(error) => Err(error),
                    };
                    if done > 0 || n > 0 {
                        assert_eq!(refused, Err(EINVAL), "{why:?} at {n}");
                    }
                }
                let mut done = socket.resume_write(data).unwrap();
                assert_eq!(socket.write_all(port, data, &mut done), Ok(()), "{why:?} at {n}");
                assert_eq!(done, data.len());
                socket.suspend_write(&[], 0);
            }
            let mut buf = vec![0; data.len()];
            let mut read = 0;
            assert_eq!(pair.client.socket.read_all(&mut pair.client.port, &mut buf, &mut read), Ok(()));
            assert!(buf == *data, "{why:?} at {n}");
        }
    }
}

#[test]
fn other_bytes_do_not_take_the_place_of_those_half_sent() {
    let _balance = Balance::start();
    let mut pair = bytewise();
    pair.server.port.interrupt_at(7, Interruption::WouldBlock);
    assert_eq!(pair.server.write(b"half sent"), Err(Error::WantWrite));
    for wrong in [&b"half"[..], b"something", b""] {
        assert_eq!(pair.server.write(wrong), Err(EINVAL));
    }
    assert_eq!(pair.server.write(b"half sent, and more"), Ok(9));
    let mut buf = [0; 20];
    assert_eq!(pair.client.read(&mut buf), Ok(9));
    assert_eq!(buf[..9], *b"half sent");
}

#[cfg(mbedtls_ssl_proto_dtls)]
#[test]
fn a_datagram_that_a_read_has_sent_is_not_sent_again() {
    let _balance = Balance::start();
    let mut duo = Duo::of(Setup::default());
    duo.open();
    for side in [CLIENT, SERVER] {
        duo.end(side).port.block();
        assert_eq!(duo.end(side).write(b"once"), Err(Error::WantWrite));
        duo.end(side).port.unblock();
        assert_eq!(duo.receive(side), Err(Error::WantRead), "but it sends what is half sent");
        assert_eq!(duo.end(side).write(b"another"), Err(EINVAL));
        assert_eq!(duo.end(side).socket.resume_write(b"once"), Ok(0));
        assert_eq!(duo.end(side).write(b"once"), Ok(4));
        assert_eq!(duo.end(side).write(b"again"), Ok(5));
        assert_eq!(duo.receive(1 - side), Ok(b"once".to_vec()));
        assert_eq!(duo.receive(1 - side), Ok(b"again".to_vec()));
        assert_eq!(duo.receive(1 - side), Err(Error::WantRead));
    }
    duo.prove();
}

/// A read sends the datagram that is half sent, and then answers the client's last flight: a
/// flight is half sent then.
#[cfg(mbedtls_ssl_proto_dtls)]
#[test]
fn what_is_half_sent_may_be_a_flight() {
    let _balance = Balance::start();
    let data = pattern(1000);
    let mut half_sent = 0;
    for n in 0..6 {
        let mut duo = Duo::of(Setup::default());
        while duo.serve().is_err() {
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        }
        duo.link.wire(SERVER).clear();
        duo.server.port.block();
        assert_eq!(duo.server.write(&data), Err(Error::WantWrite));
        duo.server.port.unblock();
        assert_eq!(duo.receive(SERVER), Err(Error::WantRead));
        duo.link.wire(SERVER).clear();
        while duo.link.wire(CLIENT).next_arrival().is_none() {
            common::clock::advance(100);
            assert_eq!(duo.client.handshake(), Err(Error::WantRead));
        }
        duo.server.port.interrupt_at(n, Interruption::WouldBlock);
        half_sent += usize::from(duo.receive(SERVER) == Err(Error::WantWrite));
        duo.server.port.unblock();
        assert_eq!(duo.server.write(&data), Ok(data.len()), "{n}");
        duo.open();
        duo.send(SERVER, b"next");
        duo.prove();
    }
    assert!(half_sent > 0);
}

#[test]
fn a_goodbye_half_sent_is_sent_by_close() {
    let _balance = Balance::start();
    for n in 0..60 {
        let mut pair = bytewise();
        pair.server.port.interrupt_at(n, Interruption::WouldBlock);
        let hit = pair.server.close_notify().is_err();
        // What close() does: see send_close_notify in c_glue.
        assert_eq!(pair.server.socket.would_send(), hit, "{n}");
        if !hit {
            assert!(n > 20);
            return;
        }
        assert_eq!(pair.server.close_notify(), Ok(()));
        assert!(!pair.server.socket.would_send());
        assert_eq!(pair.client.read(&mut [0; 20]), Ok(0));
        assert!(pair.client.socket.close_notify_received());
    }
    panic!("never whole");
}

/// Refuses every other transfer: the caller makes it outside.
fn outside(pair: &mut Pair) {
    let at = pair.server.port.calls;
    let refuse =
        move |call: usize| if (call - at).is_multiple_of(2) { Err(Interruption::Outside) } else { Ok(()) };
    pair.server.port.gate = Some(Box::new(refuse));
}

#[test]
fn a_call_that_comes_out_for_each_transfer_goes_on() {
    let _balance = Balance::start();
    let mut pair = bytewise();
    outside(&mut pair);
    let data = pattern(20_000);
    let (mut done, mut came_out) = (0, 0);
    loop {
        match pair.server.socket.write_all(&mut pair.server.port, &data, &mut done) {
            Ok(()) => break,
            Err(error) => assert_eq!(error, Error::Outside),
        }
        came_out += 1;
    }
    assert!(came_out > data.len());
    let (mut buf, mut read) = (vec![0; data.len()], 0);
    assert_eq!(pair.client.socket.read_all(&mut pair.client.port, &mut buf, &mut read), Ok(()));
    assert!(buf == data);

    let data = send_two(&mut pair);
    let (mut buf, mut read) = (vec![0; data.len()], 0);
    while let Err(error) = pair.server.socket.read_all(&mut pair.server.port, &mut buf, &mut read) {
        assert_eq!(error, Error::Outside);
    }
    assert_eq!(buf, data);
    // One that waits outside for a record lets the connection hibernate.
    pair.server.port.interrupt_at(0, Interruption::Outside);
    assert_eq!(pair.server.read(&mut buf), Err(Error::Outside));
    assert_eq!(pair.server.socket.hibernate(), Ok(cfg!(hibernation)));
}

#[test]
fn a_write_that_came_out_may_be_given_less_and_other_bytes_only_then() {
    let _balance = Balance::start();
    let mut pair = bytewise();
    pair.server.port.interrupt_at(7, Interruption::Outside);
    assert_eq!(pair.server.write(b"half sent"), Err(Error::Outside));
    assert_eq!(pair.server.write(b"half"), Ok(9), "Python has made it shorter meanwhile");
    let at = pair.server.port.calls;
    pair.server.port.gate = Some(Box::new(move |call| match call - at {
        7 => Err(Interruption::Outside),
        8 => Err(Interruption::Errno(110)),
        _ => Ok(()),
    }));
    assert_eq!(pair.server.write(b"sent half"), Err(Error::Outside));
    assert_eq!(pair.server.write(b"sent half"), Err(Error::Errno(110)));
    for wrong in [&b"sent"[..], b"something", b""] {
        assert_eq!(pair.server.write(wrong), Err(EINVAL));
    }
    assert_eq!(pair.server.write(b"sent half, and more"), Ok(9));
    let (mut buf, mut read) = ([0; 18], 0);
    assert_eq!(pair.client.socket.read_all(&mut pair.client.port, &mut buf, &mut read), Ok(()));
    assert_eq!(&buf, b"half sentsent half");
}

#[test]
fn an_alert_does_not_wait_to_be_asked_for() {
    let _balance = Balance::start();
    let mut pair = Setup::default().open();
    outside(&mut pair);
    pair.link.inject(CLIENT, &[&[23, 3, 3, 0, 40][..], &[0; 40]].concat());
    let mut result = Err(Error::Outside);
    while result == Err(Error::Outside) {
        result = pair.server.read(&mut [0; 9]);
    }
    assert_eq!(result, Err(Error::Tls(sys::MBEDTLS_ERR_SSL_INVALID_MAC)));
    let alert = sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE;
    assert_eq!(pair.client.read(&mut [0; 9]), Err(Error::Tls(alert)));
}

#[test]
fn what_has_been_filled_or_prepared_takes_no_transport() {
    let _balance = Balance::start();
    let mut pair = bytewise();
    assert_eq!(pair.server.socket.fill(&mut pair.server.port), Err(Error::WantRead));
    let data = send_two(&mut pair);
    assert_eq!(pair.server.socket.fill(&mut pair.server.port), Ok(()));
    assert_eq!(pair.server.socket.fill(&mut pair.server.port), Ok(()), "there is something already");
    pair.server.port.block();
    let mut buf = [0; 100];
    assert_eq!(pair.server.read(&mut buf[..7]), Ok(7));
    assert_eq!(pair.server.read(&mut buf[7..]), Ok(24));
    assert_eq!(buf[..31], data[..31]);
    assert_eq!(pair.server.socket.fill(&mut pair.server.port), Err(Error::WantRead));
    pair.server.port.unblock();
    assert_eq!(pair.server.read(&mut buf), Ok(17));
    // At the end there is nothing to wait for.
    assert_eq!(pair.client.close_notify(), Ok(()));
    assert_eq!(pair.server.socket.fill(&mut pair.server.port), Ok(()));
    assert_eq!(pair.server.read(&mut buf), Ok(0));

    let mut pair = bytewise();
    assert_eq!(pair.server.socket.prepare_write(&mut pair.server.port), Ok(()));
    let calls = pair.server.port.calls;
    pair.server.port.block();
    assert_eq!(pair.server.write(b"taken"), Err(Error::WantWrite));
    assert_eq!(pair.server.port.calls, calls + 1, "the record's own");
}

#[cfg(mbedtls_ssl_proto_dtls)]
#[test]
fn an_error_that_asking_for_a_length_takes_away_is_reported() {
    let _balance = Balance::start();
    let setup = Setup { datagram: true, ..Setup::default() };
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    pair.client.port.pending_error = Some(111);
    assert_eq!(pair.client.handshake(), Err(Error::Errno(111)));
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    let hello_verify = Error::Tls(sys::MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
    assert_eq!(pair.server.handshake(), Err(hello_verify));
    pair.server.socket = Socket::new(&mut server, options(None, Some(b"192.0.2.1:4433"))).unwrap();
    let mut pair = pair.open();
    pair.server.port.pending_error = Some(111);
    let mut buf = [0; 20];
    assert_eq!(pair.server.read(&mut buf), Err(Error::Errno(111)));
    // Nobody has authenticated it, so it ends nothing.
    assert_eq!(pair.server.read(&mut buf), Err(Error::WantRead));
    pair.prove();
}

#[test]
fn a_peer_that_only_warns_holds_up_no_call() {
    let _balance = Balance::start();
    let mut pair = Setup::default().pair();
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    let warnings = [21, 3, 3, 0, 2, 1, 90].repeat(30_000);
    pair.link.inject(SERVER, &warnings);
    let mut calls = 0;
    while pair.link.wire(SERVER).has_arrived(pair.link.now()) {
        assert_eq!(pair.client.handshake(), Err(Error::WantRead));
        calls += 1;
    }
    assert!((3..10).contains(&calls), "{calls} calls");
    // And the handshake goes on behind them.
    assert_eq!(pair.handshake(), (Ok(()), Ok(())));
}
