// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates, keys and trust anchors, in all the forms they come in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::{failing, live};
use common::{Balance, Pair, Setup, pki, tls12};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::mem::Box;

const BAD_KEY: Error = Error::Value(Invalid::Key);
const BAD_CERT: Error = Error::Value(Invalid::Cert);
const MISMATCH: Error = Error::Value(Invalid::KeyMismatch);

fn server() -> Box<Context> {
    tls12(Context::new(1, 0))
}

/// A file with the NUL behind it.
fn file(name: &str) -> Vec<u8> {
    pki::with_nul(pki::file(name))
}

/// Loads files; checks that key and certificate belong together.
fn load(context: &mut Context, cert: &str, key: &str, password: Option<&[u8]>) -> Result<()> {
    context.load_cert_chain(Some(&file(cert)), &file(key), password, true)
}

/// A client that trusts the CA gets through to `server` with its certificate.
fn proves(server: &mut Context) {
    let mut client = Setup::default().client().unwrap();
    Pair::new(&mut client, server, Some("localhost")).unwrap().open().prove();
}

#[test]
fn every_form_of_key_and_certificate() {
    let _balance = Balance::start();
    for name in ["ec", "ec384", "rsa"] {
        for cert in ["pem", "der"] {
            for key in ["key", "key.der", "pk8", "pk8.der"] {
                let (mut context, cert) = (server(), format!("{name}.{cert}"));
                let key = format!("{name}.{key}");
                assert_eq!(load(&mut context, &cert, &key, None), Ok(()), "{cert} {key}");
                proves(&mut context);
                // A password that is not needed does not hurt.
                assert_eq!(load(&mut context, &cert, &key, Some(b"secret")), Ok(()), "{cert} {key}");
            }
        }
    }
}

#[test]
fn a_key_under_a_password() {
    let _balance = Balance::start();
    for key in ["encrypted.key", "encrypted.pk8", "encrypted.pk8.der"] {
        for (password, expected) in [
            (Some(b"secret".as_slice()), Ok(())),
            (Some(b"Secret"), Err(BAD_KEY)),
            (Some(b"secret2"), Err(BAD_KEY)),
            (Some(b""), Err(Error::Value(Invalid::NoPassword))),
            (None, Err(Error::Value(Invalid::NoPassword))),
        ] {
            let mut context = server();
            assert_eq!(load(&mut context, "ec.pem", key, password), expected, "{key} {password:?}");
            if expected.is_ok() {
                proves(&mut context);
            }
        }
    }
}

type Spoil = fn(&[u8]) -> Vec<u8>;

/// Ways to spoil a file, which ends with a NUL that has to stay.
const SPOILED: [(&str, Spoil); 9] = [
    ("empty", |_| vec![0]),
    ("without even a NUL", |_| vec![]),
    ("garbage", |_| b"\x01\x02\x03garbage\0".to_vec()),
    ("text", |_| b"-----BEGIN NONSENSE-----\nAAAA\n-----END NONSENSE-----\n\0".to_vec()),
    ("a path", |_| b"/etc/ssl/key.pem\0".to_vec()),
    ("all zeros", |good| vec![0; good.len()]),
    ("truncated by one byte", |good| pki::with_nul(good[..good.len() - 2].into())),
    ("its first half", |good| pki::with_nul(good[..good.len() / 2].into())),
    ("its second half", |good| good[good.len() / 2..].into()),
];

#[test]
fn what_is_no_key() {
    let _balance = Balance::start();
    let mut context = server();
    load(&mut context, "ec.pem", "ec.key", None).unwrap();
    let cert = file("ec.pem");
    for name in ["ec.key", "ec.key.der", "ec.pk8", "ec.pk8.der", "rsa.key", "rsa.key.der", "rsa.pk8.der"] {
        for (how, spoil) in SPOILED {
            let key = spoil(&file(name));
            // The last byte of PEM is a line break.
            let expected = if how == "truncated by one byte" && !name.ends_with("der") {
                if name.starts_with("ec") { Ok(()) } else { Err(MISMATCH) }
            } else {
                Err(BAD_KEY)
            };
            let result = context.load_cert_chain(Some(&cert), &key, None, true);
            assert_eq!(result, expected, "{name}, {how}");
        }
    }
    // Certificates and public keys are no private keys.
    for name in ["ec.pem", "ec.der"] {
        assert_eq!(load(&mut context, "ec.pem", name, None), Err(BAD_KEY));
    }
    proves(&mut context);
}

#[test]
fn what_is_no_certificate() {
    let _balance = Balance::start();
    let mut context = server();
    load(&mut context, "ec.pem", "ec.key", None).unwrap();
    let key = file("ec.key");
    for name in ["ec.pem", "ec.der", "rsa.pem", "rsa.der"] {
        for (how, spoil) in SPOILED {
            let cert = spoil(&file(name));
            let whole = how == "truncated by one byte" && name.ends_with("pem");
            if !whole {
                let result = context.load_cert_chain(Some(&cert), &key, None, true);
                assert_eq!(result, Err(BAD_CERT), "{name}, {how}");
                assert_eq!(context.load_verify_locations(&cert), Err(BAD_CERT), "{name}, {how}");
            }
        }
    }
    assert_eq!(load(&mut context, "ec.key", "ec.key", None), Err(BAD_CERT));
    proves(&mut context);
}

#[test]
fn truncated_anywhere() {
    let _balance = Balance::start();
    let mut context = server();
    let (cert, key) = (pki::file("ec.der"), pki::file("ec.key.der"));
    for len in 0..cert.len() {
        let part = pki::with_nul(cert[..len].into());
        assert_eq!(context.load_verify_locations(&part), Err(BAD_CERT), "{len}");
    }
    for len in 0..key.len() {
        let part = pki::with_nul(key[..len].into());
        let result = context.load_cert_chain(Some(&file("ec.pem")), &part, None, true);
        assert_eq!(result, Err(BAD_KEY), "{len}");
    }
    // The core is given a NUL behind the bytes: that none of them is one must not matter.
    assert_eq!(context.load_cert_chain(Some(&file("ec.der")), &file("ec.key.der"), None, true), Ok(()));
}

#[test]
fn something_behind_the_certificate() {
    let _balance = Balance::start();
    let mut context = server();
    // What begins as one, and is none, is refused; but for an anchor that is whole, which may be
    // one that Mbed TLS cannot read.
    for (tail, own, anchors) in [
        (b"\0".as_slice(), Ok(()), Ok(())),
        (b"garbage", Ok(()), Ok(())),
        (b"\xff\xff", Ok(()), Ok(())),
        (b"\x30", Err(BAD_CERT), Err(BAD_CERT)),
        (b"\x30\x03\x02\x01\x01", Err(BAD_CERT), Ok(())),
    ] {
        let der = [&pki::file("ec.der"), tail, b"\0"].concat();
        assert_eq!(context.load_verify_locations(&der), anchors, "{tail:?}");
        let result = context.load_cert_chain(Some(&der), &file("ec.key"), None, true);
        assert_eq!(result, own, "{tail:?}");
    }
    // PEM is what stands between the lines; text around it is a comment, as in many bundles.
    let pem = [b"# comment\n", pki::file("ec.pem").as_slice(), b"# comment\n\0"].concat();
    assert_eq!(context.load_cert_chain(Some(&pem), &file("ec.key"), None, true), Ok(()));
    proves(&mut context);
}

#[test]
fn a_key_without_a_certificate() {
    let _balance = Balance::start();
    let mut context = server();
    let mut load = |key: &str| context.load_cert_chain(None, &file(key), None, true);
    assert_eq!(load("ec.key"), Err(Error::CertMissing));
    assert_eq!(load("ec.pem"), Err(BAD_KEY), "the key comes first");
}

#[test]
fn a_key_of_another_certificate() {
    let _balance = Balance::start();
    let mut context = server();
    for (cert, key, check, expected) in [
        ("ec.pem", "client.key", true, Err(MISMATCH)), // the same curve
        ("ec.pem", "ec384.key", true, Err(MISMATCH)),
        ("ec.pem", "rsa.key", true, Err(MISMATCH)),
        ("rsa.pem", "ec.key", true, Err(MISMATCH)),
        ("rsa.pem", "rsa_client.key", true, Err(MISMATCH)),
        ("chain.pem", "intermediate.key", true, Err(MISMATCH)), // only the first one's counts
        ("chain.pem", "leaf.key", true, Ok(())),
        // Where a chip has the key, the one given stands for it.
        ("ec.pem", "client.key", false, Ok(())),
        // Upstream's tests serve an expired certificate with whatever key.
        ("expired.pem", "ec.key", true, Ok(())),
        ("notyet.pem", "ec.key", true, Err(MISMATCH)),
    ] {
        let result = context.load_cert_chain(Some(&file(cert)), &file(key), None, check);
        assert_eq!(result, expected, "{cert} {key}");
    }
}

#[test]
fn a_chain_is_sent_whole() {
    let _balance = Balance::start();
    let der = [pki::file("leaf.der"), pki::file("intermediate.der"), vec![0]].concat();
    for chain in [file("chain.pem"), der] {
        let mut server = server();
        server.load_cert_chain(Some(&chain), &file("leaf.key"), None, true).unwrap();
        proves(&mut server);
    }
    // Without the intermediate certificate nothing leads to the CA.
    let mut setup = Setup { server_cert: Some("leaf"), ..Setup::default() };
    assert_eq!(setup.pair().handshake().0, Err(Error::Verify(8)));
    // Unless that is trusted itself.
    setup.client_trusts = Some("intermediate");
    setup.open().prove();
}

#[test]
fn trust_anchors_in_every_form() {
    let _balance = Balance::start();
    let (ca, other) = (pki::file("ca.der"), pki::file("other_ca.der"));
    for anchors in [
        file("bundle.pem"),
        [other.as_slice(), &ca, b"\0"].concat(),
        [ca.as_slice(), &other, b"\0"].concat(),
        [ca.as_slice(), &other, &ca, b"\0"].concat(),
        [b"comment\n\n", pki::file("bundle.pem").as_slice(), b"\n\ncomment\0"].concat(),
    ] {
        let mut client = tls12(Context::new(0, 2));
        client.load_verify_locations(&anchors).unwrap();
        for name in ["ec", "other"] {
            let mut server = Setup { server_cert: Some(name), ..Setup::default() }.server().unwrap();
            Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open().prove();
        }
    }
}

#[test]
fn anchors_add_up_and_a_bad_one_adds_nothing() {
    let _balance = Balance::start();
    let mut client = tls12(Context::new(0, 2));
    let tries = |client: &mut Context, name: &str| {
        let mut server = Setup { server_cert: Some(name), ..Setup::default() }.server().unwrap();
        Pair::new(client, &mut server, Some("localhost")).unwrap().handshake().0
    };
    let unknown = Err(Error::Verify(8));
    client.load_verify_locations(&file("ca.pem")).unwrap();
    assert_eq!([tries(&mut client, "ec"), tries(&mut client, "other")], [Ok(()), unknown]);

    // One of two is bad: the good one must not get in with it.
    let mut pem = pki::file("bundle.pem");
    let at = pem.windows(4).rposition(|window| window == b"MIIB").unwrap();
    pem[at] = b'X';
    assert_eq!(client.load_verify_locations(&pki::with_nul(pem)), Err(BAD_CERT));
    // Cut short, the second.
    let mut pem = pki::file("bundle.pem");
    pem.truncate(pem.len() * 3 / 4);
    assert_eq!(client.load_verify_locations(&pki::with_nul(pem)), Err(BAD_CERT));
    let der = [pki::file("other_ca.der").as_slice(), b"\x30\x82\0"].concat();
    assert_eq!(client.load_verify_locations(&der), Err(BAD_CERT));
    assert_eq!([tries(&mut client, "ec"), tries(&mut client, "other")], [Ok(()), unknown]);

    client.load_verify_locations(&file("other_ca.der")).unwrap();
    assert_eq!([tries(&mut client, "ec"), tries(&mut client, "other")], [Ok(()), Ok(())]);
}

#[test]
fn a_load_replaces_what_has_this_kind_of_key() {
    let _balance = Balance::start();
    let mut context = server();
    load(&mut context, "ec.pem", "ec.key", None).unwrap();
    let one = live();
    load(&mut context, "rsa.pem", "rsa.key", None).unwrap();
    let level = live();
    assert!(level.bytes > one.bytes, "there are both");
    for _ in 0..3 {
        load(&mut context, "rsa.pem", "rsa.key", None).unwrap();
        load(&mut context, "ec.pem", "ec.key", None).unwrap();
        assert_eq!(live(), level);
    }
    // Nor does a load that fails for want of memory change anything.
    for n in (0..600).step_by(7) {
        let (result, failed) = failing(n, true, || load(&mut context, "rsa.pem", "rsa.key", None));
        if !failed {
            break;
        }
        assert!(result.is_err());
        assert_eq!(live(), level);
    }
    load(&mut context, "ec.pem", "ec.key", None).unwrap();
    // With a configuration made in between, and a connection that needs what is replaced.
    let mut client = Setup::default().client().unwrap();
    let pair = Pair::new(&mut client, &mut context, Some("localhost")).unwrap();
    load(&mut context, "expired.pem", "expired.key", None).unwrap();
    pair.open().prove();
    let mut pair = Pair::new(&mut client, &mut context, Some("localhost")).unwrap();
    assert_eq!(pair.handshake().0, Err(Error::Verify(1)));
    // A load that fails leaves what there was.
    assert_eq!(load(&mut context, "ec.pem", "rsa.key", None), Err(MISMATCH));
    let mut pair = Pair::new(&mut client, &mut context, Some("localhost")).unwrap();
    assert_eq!(pair.handshake().0, Err(Error::Verify(1)));
}

/// Fails each allocation of `body` in turn, alone and with all that follow: it must say so, and
/// leave nothing behind. Mbed TLS's parsers try one form after the other and forget why the first
/// did not fit, so what they read may be read once more, which only one failure does not keep from
/// succeeding.
fn each_allocation_fails(what: &str, mut body: impl FnMut() -> Result<()>) {
    let level = live();
    for n in 0.. {
        for on in [false, true] {
            let (result, failed) = failing(n, on, &mut body);
            if !failed {
                assert_eq!(result, Ok(()), "{what}");
                assert!(n > 0, "{what}");
                return;
            }
            let known = result == Err(Error::NoMemory) || (result == Ok(()) && !on);
            assert!(known, "{what}, allocation {n}, on: {on}: {result:?}");
            assert_eq!(live(), level, "{what}, allocation {n}, on: {on}");
        }
    }
}

#[test]
fn each_allocation_of_a_context_fails() {
    let _balance = Balance::start();
    for protocol in 0..4 {
        each_allocation_fails("Context::new", || Context::new(protocol, 0).map(drop));
    }
}

#[test]
fn each_allocation_of_credentials_fails() {
    let _balance = Balance::start();
    for (cert, key, password) in [
        ("ec.pem", "ec.key", None),
        ("ec.der", "ec.pk8.der", None),
        ("rsa.pem", "rsa.key", None),
        ("rsa.der", "rsa.pk8.der", None),
        ("chain.pem", "leaf.pk8", None),
        ("ec.pem", "encrypted.key", Some(b"secret".as_slice())),
        ("ec.pem", "encrypted.pk8.der", Some(b"secret")),
    ] {
        let what = format!("{cert} {key}");
        each_allocation_fails(&what, || {
            let mut context = Context::new(1, 0)?;
            load(&mut context, cert, key, password)
        });
    }
}

#[test]
fn each_allocation_of_anchors_fails() {
    let _balance = Balance::start();
    for anchors in ["bundle.pem", "ca.der", "rsa.pem"] {
        each_allocation_fails(anchors, || {
            let mut context = Context::new(0, 2)?;
            context.load_verify_locations(&file("ca.pem"))?;
            context.load_verify_locations(&file(anchors))
        });
    }
}

/// To other settings and back.
fn change(client: &mut Context, server: &mut Context) -> Result<()> {
    for mode in [1, 2] {
        client.set_verify_mode(mode)?;
        server.set_verify_mode(2 - mode)?;
    }
    Ok(())
}

#[test]
fn each_allocation_of_a_socket_fails() {
    let _balance = Balance::start();
    let setup = Setup::mutual();
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    for host in [Some("localhost"), Some("another.example")] {
        each_allocation_fails("Socket::new", || {
            // Makes the configuration anew, and lets go of it.
            change(&mut client, &mut server)?;
            let result = Pair::new(&mut client, &mut server, host).map(drop);
            change(&mut client, &mut server)?;
            result
        });
    }
}
