// SPDX-License-Identifier: MIT OR Apache-2.0
//! The secrets of handshakes, written down as lines of an SSLKEYLOGFILE (RFC 9850).
#![cfg(all(feature = "keylog", mbedtls_ssl_handshake_with_cert_enabled))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::stack::{deep, left_on_the_stack};
use common::{ALERTED, Balance, CLIENT, SERVER, Setup};
use micropython_ssl::error::Error;
use micropython_ssl::mbedtls::sys;

const VERSIONS: &[bool] = if cfg!(tls13) { &[false, true] } else { &[false] };

/// A line's label and the lengths of its fields, which are hexadecimal digits.
fn fields(line: &str) -> (&str, usize, usize) {
    let [label, random, secret] = line.split(' ').collect::<Vec<_>>().try_into().expect(line);
    assert!(random.chars().chain(secret.chars()).all(|digit| matches!(digit, '0'..='9' | 'a'..='f')));
    (label, random.len(), secret.len())
}

#[test]
fn both_ends_write_the_same() {
    for &tls13 in VERSIONS {
        let _balance = Balance::start();
        let suites: &[(&str, usize)] = if tls13 {
            &[("TLS1-3-AES-128-GCM-SHA256", 64), ("TLS1-3-AES-256-GCM-SHA384", 96)]
        } else {
            &[("TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", 96)]
        };
        for &(suite, digits) in suites {
            let pair = Setup { tls13, suites: &[suite], ..Setup::default() }.open();
            let log = &pair.client.port.key_log;
            assert_eq!(*log, pair.server.port.key_log);
            assert!(log.ends_with('\n'));
            let expected: &[&str] = if tls13 {
                &[
                    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                    "CLIENT_TRAFFIC_SECRET_0",
                    "SERVER_TRAFFIC_SECRET_0",
                ]
            } else {
                &["CLIENT_RANDOM"]
            };
            let lines: Vec<_> = log.lines().map(fields).collect();
            assert_eq!(lines, expected.iter().map(|label| (*label, 64, digits)).collect::<Vec<_>>());
        }
    }
}

/// Of a connection that is over: what it was encrypted with would decrypt all that was recorded of it.
#[test]
fn no_secret_stays_on_the_stack() {
    for &tls13 in VERSIONS {
        let suite =
            if tls13 { "TLS1-3-AES-128-GCM-SHA256" } else { "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256" };
        // What comes last covers least of it.
        for sleeps in [false, cfg!(hibernation)] {
            let log = deep(|| {
                let mut pair = Setup { tls13, suites: &[suite], ..Setup::default() }.open();
                #[cfg(hibernation)]
                if sleeps {
                    pair.transfer(CLIENT, b"hello");
                    pair.transfer(SERVER, b"hello");
                    assert_eq!(pair.client.socket.hibernate(), Ok(true));
                    pair.transfer(CLIENT, b"hello");
                }
                std::mem::take(&mut pair.client.port.key_log)
            });
            for line in log.lines() {
                let (label, digits) = (line.split(' ').next().unwrap(), line.rsplit(' ').next().unwrap());
                let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
                let secret: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
                assert_eq!(left_on_the_stack(&secret), 0, "{label} {sleeps}");
            }
        }
    }
}

#[test]
fn what_cannot_be_written_ends_the_handshake() {
    for &tls13 in VERSIONS {
        for at_client in [true, false] {
            let _balance = Balance::start();
            let mut pair = Setup { tls13, ..Setup::default() }.pair();
            let end = if at_client { &mut pair.client } else { &mut pair.server };
            end.port.key_log_raises = true;
            let (client, server) = pair.handshake();
            let (failed, told, peer) =
                if at_client { (client, server, &pair.server) } else { (server, client, &pair.client) };
            assert_eq!(failed, Err(Error::Raised), "{tls13} {at_client}");
            // A client of TLS 1.3 alerts in the clear, which the server cannot read any more.
            if !(tls13 && at_client) {
                assert_eq!(told, Err(ALERTED), "{tls13} {at_client}");
                assert_eq!(u32::from(peer.socket.alert()), sys::MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
            }
            assert!(told.is_err());
        }
    }
}
