// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cipher suites by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::failing;
use common::{ALERTED, Balance, Pair, SERVER, Setup, text, tls12};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Result};
use micropython_ssl::mbedtls::{self, sys};

const BAD_CONFIG: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_BAD_CONFIG);
const FAILURE: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE);
const GCM: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256";
const CCM_8: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8";

fn set(context: &mut Context, names: &[&str]) -> Result<()> {
    context.set_ciphers(names.len(), names.iter().map(|name| name.as_bytes()))
}

/// `get_ciphers()`.
fn get(context: &Context) -> Vec<&'static str> {
    (0..).map_while(|i| context.cipher(i)).map(|name| name.to_str().unwrap()).collect()
}

/// Those that are enabled until somebody chooses: in this order, with forward secrecy and
/// authenticated encryption.
const SECURE: [&str; 10] = [
    "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
    "TLS-ECDHE-RSA-WITH-CHACHA20-POLY1305-SHA256",
    GCM,
    "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
    "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM",
    "TLS-ECDHE-ECDSA-WITH-AES-256-CCM",
    CCM_8,
    "TLS-ECDHE-ECDSA-WITH-AES-256-CCM-8",
];
/// What MicroPython's tests want of `tls` beside them, of a client.
const TLS_CLIENT: [&str; 8] = [
    "TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA384",
    "TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA",
    "TLS-RSA-WITH-AES-256-CBC-SHA256",
    "TLS-RSA-WITH-AES-256-CBC-SHA",
    "TLS-RSA-WITH-AES-128-CBC-SHA256",
    "TLS-RSA-WITH-AES-128-CBC-SHA",
];

#[test]
fn the_suites_that_are_enabled_by_default() {
    for protocol in 0..4 {
        let mut context = tls12(Context::new(protocol, 0));
        assert_eq!(get(&context), SECURE);
        context.begin_as_tls();
        let more = [&TLS_CLIENT[..], &TLS_CLIENT[2..3], &[], &[]][protocol as usize];
        assert_eq!(get(&context), [&SECURE, more].concat(), "{protocol}");
        // What was chosen has the last word.
        set(&mut context, &[CCM_8]).unwrap();
        context.begin_as_tls();
        assert_eq!(get(&context), [CCM_8]);
    }
}

/// A client without forward secrecy or authenticated encryption, and a server that has been told
/// nothing: they have nothing in common, and the server says so. By name there is each of them.
#[test]
fn the_others_are_off_at_a_server() {
    let mut off = 0;
    for &id in mbedtls::ciphers() {
        let name = mbedtls::cipher_name(id).unwrap().to_str().unwrap();
        if SECURE.contains(&name) || name.contains("PSK-") || mbedtls::is_tls13_suite(id) {
            continue;
        }
        let _balance = Balance::start();
        let server_cert = Some(if name.contains("ECDSA") { "ec" } else { "rsa" });
        let setup = Setup { server_cert, suites: &[name], ..Setup::default() };
        let default = Setup { server_cert, ..Setup::default() };
        let connect =
            |server: &mut Context| Pair::new(&mut setup.client().unwrap(), server, Some("localhost"));
        let mut pair = connect(&mut default.server().unwrap()).unwrap();
        assert_eq!(pair.handshake(), (Err(ALERTED), Err(FAILURE)), "{name}");
        assert_eq!(pair.link.wire(SERVER).transcript(), [21, 3, 3, 0, 2, 2, 40], "{name}");
        drop(pair);
        let mut server = default.server().unwrap();
        server.begin_as_tls();
        let is_enabled = name == TLS_CLIENT[2];
        let (client, _) = connect(&mut server).unwrap().handshake();
        assert_eq!(client, if is_enabled { Ok(()) } else { Err(ALERTED) }, "{name}");
        off += 1;
        assert_eq!(setup.open().server.socket.cipher().unwrap().to_str(), Ok(name));
    }
    assert_eq!(off, 18);
}

#[test]
fn every_suite_by_its_own_name() {
    let _balance = Balance::start();
    let mut context = tls12(Context::new(0, 0));
    let before = get(&context);
    let name = |&id| mbedtls::cipher_name(id).unwrap().to_str().unwrap();
    let suites = mbedtls::ciphers().iter().filter(|&&id| !mbedtls::is_tls13_suite(id));
    let mut all: Vec<_> = suites.map(name).filter(|name| !name.contains("-PSK-")).collect();
    assert!(all.len() > 20 && all.contains(&GCM) && all.contains(&CCM_8), "{all:?}");
    // With a key only the others are enabled; those with forward secrecy come first.
    context.set_psk(Some((b"id", b"key"))).unwrap();
    let psk = get(&context);
    assert!(psk.iter().all(|name| name.contains("-PSK-")), "{psk:?}");
    let kinds: Vec<_> = ["TLS-ECDHE-PSK-", "TLS-DHE-PSK-", "TLS-PSK-"]
        .map(|kind| psk.iter().filter(|name| name.starts_with(kind)).count())
        .into();
    assert!(kinds.iter().all(|&n| n > 3) && kinds.iter().sum::<usize>() == psk.len(), "{psk:?}");
    assert!(psk[0].starts_with("TLS-ECDHE-PSK-") && psk[psk.len() - 1].starts_with("TLS-PSK-"));
    context.set_psk(None).unwrap();
    assert_eq!(get(&context), before);
    all.extend(psk);
    for name in &all {
        assert_eq!(set(&mut context, &[name]), Ok(()));
        assert_eq!(get(&context), [*name]);
        assert_eq!(set(&mut context, &[&name.replace('-', "_")]), Ok(()), "IANA's spelling");
        assert_eq!(get(&context), [*name]);
    }
    // All at once, in another order than Mbed TLS's.
    let reversed: Vec<_> = all.iter().rev().copied().collect();
    assert_eq!(set(&mut context, &reversed), Ok(()));
    assert_eq!(get(&context), reversed);
    // A suite may come twice.
    assert_eq!(set(&mut context, &[GCM, CCM_8, GCM]), Ok(()));
    assert_eq!(get(&context), [GCM, CCM_8, GCM]);
}

#[test]
fn what_is_no_name_changes_nothing() {
    let _balance = Balance::start();
    let mut context = tls12(Context::new(1, 0));
    set(&mut context, &[CCM_8]).unwrap();
    let bad: [&[&str]; 12] = [
        &[],
        &[""],
        &["BAR"],
        &["-"],
        &["TLS"],
        &["unknown"], // what Mbed TLS calls a number it does not know
        &[&GCM[1..]],
        &[&GCM[..GCM.len() - 1]],
        &["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256\0"],
        &["tls-ecdhe-ecdsa-with-aes-128-gcm-sha256"],
        &[GCM, "BAR"],
        &["BAR", GCM],
    ];
    for names in bad {
        assert_eq!(set(&mut context, names), Err(BAD_CONFIG), "{names:?}");
        assert_eq!(get(&context), [CCM_8], "after {names:?}");
    }
    #[cfg(micropython_tree)]
    assert_eq!(text(BAD_CONFIG), "MBEDTLS_ERR_SSL_BAD_CONFIG");
}

#[test]
fn without_memory_the_old_ones_stay() {
    let _balance = Balance::start();
    let mut context = tls12(Context::new(0, 0));
    set(&mut context, &[CCM_8]).unwrap();
    let live = common::alloc::live();
    for n in 0.. {
        let (result, failed) = failing(n, false, || set(&mut context, &[GCM]));
        if !failed {
            assert_eq!((result, get(&context)), (Ok(()), vec![GCM]));
            assert_eq!(n, 2);
            break;
        }
        assert_eq!((result, get(&context)), (Err(Error::NoMemory), vec![CCM_8]));
        assert_eq!(common::alloc::live(), live);
    }
    assert_eq!(common::alloc::live(), live, "the new ones replace the old ones");
}
