// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trust anchors that are read when they are needed: whom a client trusts is whom it trusts with all of
//! them in memory.
#![cfg(bundles)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::collections::BTreeMap;

use common::alloc::{failing, live, take_peak};
use common::forge::{Cert, ODD, Spelling, Valid, compact, idf, pem};
use common::{Balance, Dice, Link, Pair, Port, pki};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::mbedtls::sys;
use micropython_ssl::mem::Box;

const BAD_CERT: Error = Error::Value(Invalid::Cert);
/// The first certificate's name.
const LEAF: usize = 9;
const OTHERS: usize = 8;
/// Keys of RSA: one as it should be, and one of too few bits.
const RSA: usize = 9;
const SHORT: usize = 10;

/// A client's context of a version, with these bundles.
fn client(bundles: &[Vec<u8>], version: i32) -> Result<Box<Context>> {
    let [read, in_place] = [false, true].map(|in_place| {
        let mut context = Context::new(0, 2).unwrap();
        context.set_version(true, version).unwrap();
        let mut host = host(bundles);
        host.bundles_in_place = in_place;
        for index in 0..bundles.len() {
            context.add_bundle(&mut host, index as u32)?;
            assert!(!host.bundle_open);
        }
        Ok(context)
    });
    assert_eq!(
        read.as_ref().map(|read| read.anchors()),
        in_place.as_ref().map(|in_place| in_place.anchors())
    );
    read
}

fn host(bundles: &[Vec<u8>]) -> Port {
    let (_, mut host, _) = Link::new(false);
    host.bundles = bundles.to_vec();
    host
}

/// What a handshake with the server that shows `chain` comes to at the client.
fn shake(client: &mut Context, bundles: &[Vec<u8>], server: &mut Context) -> Result<()> {
    let [read, in_place] = [false, true].map(|in_place| {
        let mut pair = Pair::new(client, server, Some("localhost")).unwrap();
        pair.client.port.bundles = bundles.to_vec();
        pair.client.port.bundles_in_place = in_place;
        let result = pair.handshake().0;
        assert!(!pair.client.port.bundle_open);
        result
    });
    assert_eq!(read, in_place);
    read
}

/// A server with this chain, whatever it is worth, if it can read it itself.
fn server(chain: &[Cert]) -> Result<Box<Context>> {
    let ders: Vec<u8> = chain.iter().flat_map(Cert::der).collect();
    let key = pki::key(common::forge::KEYS[chain[0].key]);
    let mut server = Context::new(1, 0).unwrap();
    server.load_cert_chain(Some(&pki::with_nul(ders)), &key, None, false)?;
    Ok(server)
}

/// In one of the formats. None is compact that has too many with one name.
fn any_bundle(certs: &[Cert], dice: &mut Dice) -> Vec<u8> {
    match dice.roll(3) {
        0 if certs.len() <= 8 => compact(&certs.iter().map(Cert::der).collect::<Vec<_>>()),
        n => bundle(certs, n == 1),
    }
}

/// One after the other, in PEM or in DER.
fn bundle(certs: &[Cert], as_pem: bool) -> Vec<u8> {
    certs.iter().flat_map(|cert| if as_pem { pem(&cert.der()) } else { cert.der() }).collect()
}

/// Whether Mbed TLS can read one of them.
fn is_readable(certs: &[Cert]) -> bool {
    let data = pki::with_nul(bundle(certs, false));
    Context::new(0, 2).unwrap().load_verify_locations(&data).is_ok()
}

/// Both ways. Asserts that they are the same.
fn verdict(chain: &[Cert], anchors: &[Cert], dice: &mut Dice) -> Result<()> {
    let mut server = server(chain).map_err(|_| Error::CertMissing)?;
    let version = if cfg!(tls13) && dice.roll(4) == 0 { 0x304 } else { 0x303 };
    let mut loaded = Context::new(0, 2).unwrap();
    loaded.set_version(true, version).unwrap();
    let all = loaded.load_verify_locations(&pki::with_nul(bundle(anchors, false)));
    let expected = all.and_then(|()| shake(&mut loaded, &[], &mut server));

    // In one bundle, or several.
    let mut bundles = Vec::new();
    let mut rest = anchors;
    if all.is_ok() {
        while let Some(n) = (rest.len() > 1).then(|| 1 + dice.roll(rest.len())) {
            let (some, others) = rest.split_at(n);
            // One without any that can be read is none.
            if !is_readable(some) || !is_readable(others) {
                break;
            }
            bundles.push(any_bundle(some, dice));
            rest = others;
        }
    }
    if !rest.is_empty() {
        bundles.push(any_bundle(rest, dice));
    }
    let on_demand =
        client(&bundles, version).and_then(|mut client| shake(&mut client, &bundles, &mut server));
    assert_eq!(on_demand, expected, "{chain:#?}\n{anchors:#?}");
    on_demand
}

/// A chain from a root to a server, in this order, with something wrong or odd in it; the rest is good.
fn spoil(certs: &mut [Cert], dice: &mut Dice) {
    let i = dice.roll(certs.len());
    let cert = &mut certs[i];
    match dice.roll(22) {
        0 => cert.valid = Valid::Expired,
        1 => cert.valid = Valid::Later,
        2 => cert.ca = if dice.roll(2) == 0 { None } else { Some(false) },
        3 => cert.path_len = Some(dice.roll(3) as u8),
        4 => cert.key_usage = Some(0x04), // keyCertSign
        5 => cert.key_usage = Some(0x80), // digitalSignature
        6 => cert.constrained = true,
        7 => cert.damaged = true,
        8 => cert.sha1 = true,
        9 => cert.signer = dice.roll(OTHERS),
        10 => cert.ids = (None, None),
        11 => cert.ids = (Some(dice.roll(OTHERS)), Some(dice.roll(OTHERS))),
        12 => cert.issuer.1 = Spelling::Capitals,
        13 => cert.subject.1 = Spelling::Printable,
        14 => cert.version1 = true,
        15 => cert.issuer.0 = dice.roll(5),
        16 => cert.host = Some("elsewhere.example"),
        17 => cert.key_usage = Some(0x06),
        18 => cert.issuer.1 = Spelling::Odd(dice.roll(ODD)),
        19 => cert.subject.1 = Spelling::Odd(dice.roll(ODD)),
        // At both ends of a link, the same or not quite.
        n => {
            let odd = dice.roll(ODD);
            let like = if n == 20 { odd } else { odd ^ 1 };
            cert.issuer.1 = Spelling::Odd(odd);
            certs[i.saturating_sub(1)].subject.1 = Spelling::Odd(like);
        }
    }
}

fn world(dice: &mut Dice) -> (Vec<Cert>, Vec<Cert>) {
    // From the root down. Names and keys may come twice.
    let depth = if dice.roll(40) == 0 { 8 + dice.roll(3) } else { dice.roll(4) };
    let root = if dice.roll(20) == 0 { [RSA, SHORT][dice.roll(2)] } else { 0 };
    let mut certs = vec![Cert::ca(0, root, 0, root)];
    for i in 1..depth {
        let above = certs[i - 1].clone();
        let (name, key) = if dice.roll(8) == 0 {
            (above.subject.0, dice.roll(OTHERS)) // rolled over
        } else {
            (i % 5, if dice.roll(20) == 0 { [RSA, SHORT][dice.roll(2)] } else { i % OTHERS })
        };
        certs.push(Cert::ca(name, key, above.subject.0, above.key));
    }
    let above = certs[certs.len() - 1].clone();
    let key = if dice.roll(20) == 0 { [RSA, SHORT][dice.roll(2)] } else { [2, 5, 8][dice.roll(3)] };
    if depth == 0 {
        // Issued by itself.
        let mut leaf = Cert::leaf(0, key, 0, key);
        leaf.ca = [None, Some(false), Some(true)][dice.roll(3)];
        certs = vec![leaf];
    } else {
        certs.push(Cert::leaf(LEAF, key, above.subject.0, above.key));
    }
    for _ in 0..[0, 1, 1, 2][dice.roll(4)] {
        spoil(&mut certs, dice);
    }
    // Others that look like those.
    let mut others = Vec::new();
    for _ in 0..dice.roll(5) {
        let mut other = certs[dice.roll(certs.len())].clone();
        other.serial = 2;
        match dice.roll(6) {
            0 => other.key = dice.roll(OTHERS),
            1 => other.valid = [Valid::Now, Valid::Expired, Valid::Later][dice.roll(3)],
            2 => (other.issuer.0, other.signer) = (4, 7), // signed across
            3 => other.ids = (None, None),
            4 => other.ca = Some(true),
            _ => spoil(std::slice::from_mut(&mut other), dice),
        }
        others.push(other);
    }
    let mut chain = Vec::new();
    for (i, cert) in certs.iter().enumerate().rev() {
        let shown = i + 1 == certs.len() || dice.roll(10) != 0 && (i != 0 || dice.roll(3) == 0);
        if shown {
            chain.push(cert.clone());
        }
    }
    let mut anchors = Vec::new();
    for (i, cert) in certs.iter().enumerate() {
        if i == 0 && dice.roll(8) != 0 || i != 0 && dice.roll(10) == 0 {
            anchors.push(cert.clone());
        }
    }
    for other in others {
        if dice.roll(2) == 0 {
            let at = 1 + dice.roll(chain.len());
            chain.insert(at, other.clone());
        }
        if dice.roll(2) == 0 {
            let at = dice.roll(anchors.len() + 1);
            anchors.insert(at, other);
        }
    }
    let unrelated = Cert::ca(7, 6, 7, 6);
    if anchors.is_empty() || dice.roll(3) == 0 {
        anchors.push(unrelated);
    }
    // What Mbed TLS cannot read, a server of ours does not show.
    chain.iter_mut().for_each(|cert| cert.constrained = false);
    (chain, anchors)
}

#[test]
fn the_verdict_is_that_of_all_loaded() {
    let n: usize = std::env::var("MPSSL_CHAINS").map_or(2000, |n| n.parse().unwrap());
    let seed: u64 = std::env::var("MPSSL_SEED").map_or(20, |n| n.parse().unwrap());
    let mut dice = Dice::new(seed);
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut judged, mut reasons) = (0, 0);
    while judged < n {
        let (chain, anchors) = world(&mut dice);
        let verdict = verdict(&chain, &anchors, &mut dice);
        judged += usize::from(matches!(verdict, Ok(()) | Err(Error::Verify(_))));
        reasons |= if let Err(Error::Verify(flags)) = verdict { flags } else { 0 };
        *verdicts.entry(format!("{verdict:x?}")).or_default() += 1;
    }
    // Both kinds are frequent, and the reasons many.
    let accepted = verdicts.get("Ok(())").copied().unwrap_or(0);
    assert!(n < 500 || accepted * 5 > n && accepted * 5 < n * 4 && verdicts.len() >= 12, "{verdicts:#?}");
    // Every reason that there is, but for keyUsage: a server of ours does not show such a certificate as its own.
    let all = sys::MBEDTLS_X509_BADCERT_EXPIRED
        | sys::MBEDTLS_X509_BADCERT_FUTURE
        | sys::MBEDTLS_X509_BADCERT_CN_MISMATCH
        | sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED
        | sys::MBEDTLS_X509_BADCERT_BAD_MD
        | sys::MBEDTLS_X509_BADCERT_BAD_KEY;
    assert!(n < 500 || reasons & all == all, "{reasons:x}");
}

/// A root, what it has issued, and another root of the same name.
fn family() -> (Cert, [Cert; 2], Cert) {
    let root = Cert::ca(0, 0, 0, 0);
    let chain = [Cert::leaf(LEAF, 2, 1, 4), Cert::ca(1, 4, 0, 0)];
    (root, chain, Cert::ca(0, 7, 0, 7))
}

#[test]
fn a_certificate_that_cannot_be_read_is_counted() {
    let (root, chain, other) = family();
    let bad = Cert { constrained: true, ..root.clone() };
    for as_pem in [false, true] {
        let certs = [bad.clone(), other.clone(), bad.clone(), root.clone(), chain[0].clone(), bad.clone()];
        let bundles = [bundle(&certs, as_pem)];
        let mut client = client(&bundles, 0x303).unwrap();
        assert_eq!(client.anchors(), [3, 2, 3]);
        assert_eq!(shake(&mut client, &bundles, &mut server(&chain).unwrap()), Ok(()));
        assert_eq!(self::client(&[bundle(std::slice::from_ref(&bad), as_pem)], 0x303).err(), Some(BAD_CERT));
    }
}

#[test]
fn a_damaged_bundle_is_none() {
    let (root, _, other) = family();
    let good = bundle(&[root.clone(), other.clone()], true);
    let text = String::from_utf8(good.clone()).unwrap();
    for bad in [
        text.replace("-----END C", "-----END D"),
        text.replace("-----END", "-----BND"),
        text.replacen("MI", "M!", 1),
        text.replacen("MI", "=MI", 1),
        text.replacen('\n', "\n-", 1),
        text.replacen("-----END", "AA-----END", 1),
        text.replace("CERTIFICATE", "CERTIFICATE-"),
        text.replace("CERTIFICATE", "CERTIFICATES"),
        text[..text.len() - 10].into(),
        text[..text.len() * 3 / 4].into(),
        text.replace("BEGIN", "BEGAN"),
        "-----BEGIN ".into(),
        "-----BEGIN CERTIFICATE-----".into(),
        "-----BEGIN CERTIFICATE----------END CERTIFICATE-----".into(),
        String::new(),
    ] {
        assert_eq!(client(&[bad.clone().into_bytes()], 0x303).err(), Some(BAD_CERT), "{bad}");
        // As in memory.
        let mut loaded = Context::new(0, 2).unwrap();
        assert_eq!(loaded.load_verify_locations(&pki::with_nul(bad.into_bytes())), Err(BAD_CERT));
    }
    // Dashes before a label, other labels, blanks.
    for odd in [
        text.replacen("-----BEGIN", "-------BEGIN", 1),
        text.replacen("-----BEGIN", "-----BEGIN OTHER-----\n-----BEGIN", 1),
        text.replacen("CERTIFICATE", "X509 CERTIFICATE", 2),
        text.replacen("CERTIFICATE", "TRUSTED CERTIFICATE", 2),
        text.replace('\n', " \t\r\n"),
    ] {
        let mut loaded = Context::new(0, 2).unwrap();
        loaded.load_verify_locations(&pki::with_nul(odd.clone().into_bytes())).unwrap();
        assert_eq!(client(&[odd.into_bytes()], 0x303).unwrap().anchors()[..2], loaded.anchors()[..2]);
    }
    // Cut anywhere, and changed anywhere, it is read or refused.
    for good in [good, bundle(&[root, other], false)] {
        for n in 0..good.len() {
            let mut bent = good.clone();
            bent[n] ^= 1 << (n % 8);
            for bad in [&good[..n], &bent] {
                let found = client(&[bad.to_vec()], 0x303).map(|client| client.anchors());
                let mut loaded = Context::new(0, 2).unwrap();
                let expected = loaded.load_verify_locations(&pki::with_nul(bad.to_vec()));
                assert_eq!(
                    found.map(|found| [found[0], found[1]]),
                    expected.map(|()| {
                        let [all, cas, _] = loaded.anchors();
                        [all, cas]
                    }),
                    "{n}"
                );
            }
        }
    }
}

fn compact_of(certs: &[Cert]) -> Vec<u8> {
    compact(&certs.iter().map(Cert::der).collect::<Vec<_>>())
}

#[test]
fn a_compact_bundle_is_whole_or_none() {
    let (root, chain, other) = family();
    let good = compact_of(&[root.clone(), other.clone(), Cert::ca(3, 3, 3, 3)]);
    let mut server = server(&chain).unwrap();
    let mut client = client(std::slice::from_ref(&good), 0x303).unwrap();
    assert_eq!(client.anchors(), [3, 3, 0]);
    assert_eq!(shake(&mut client, std::slice::from_ref(&good), &mut server), Ok(()));
    for n in 0..good.len() {
        let mut bent = good.clone();
        bent[n] ^= 1 << (n % 8);
        for bad in [&good[..n], &bent] {
            let found = self::client(&[bad.to_vec()], 0x303).map(|client| client.anchors());
            assert_eq!(found, Err(BAD_CERT), "{n}");
        }
    }
    // Changed later, wherever it is looked at, it is not trusted; elsewhere, nothing is different.
    for n in 0..good.len() {
        let mut bent = good.clone();
        bent[n] ^= 1 << (n % 8);
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
        pair.client.port.bundles = vec![bent];
        let result = pair.handshake().0;
        let changed = pair.client.port.bundle_changed;
        assert_eq!(result, if changed { Err(Error::Raised) } else { Ok(()) });
        let is_index = n < 10 + 3 * 24;
        assert!(changed || !is_index, "{n}");
    }
    // Others that are good, too.
    for others in [
        compact_of(std::slice::from_ref(&root)),
        compact_of(&[root.clone(), other.clone(), Cert::ca(4, 4, 4, 4)]),
    ] {
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
        pair.client.port.bundles = vec![others];
        assert_eq!(pair.handshake().0, Err(Error::Raised));
        assert!(pair.client.port.bundle_changed);
    }
    // More of one name than can be found, and keys that are not the names'.
    let many: Vec<Cert> = (0..9).map(|serial| Cert { serial, ..root.clone() }).collect();
    assert_eq!(self::client(&[compact_of(&many)], 0x303).err(), Some(BAD_CERT));
    assert_eq!(self::client(&[compact_of(&many[..8])], 0x303).unwrap().anchors(), [8, 8, 0]);
    assert_eq!(self::client(&[compact_of(&[])], 0x303).err(), Some(BAD_CERT));
}

/// What tools/cabundle.py makes of a file in `dir`, if it does.
fn made_by_the_tool(dir: &std::path::Path, content: &[u8], option: Option<&str>) -> Option<Vec<u8>> {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/cabundle.py");
    let [from, to] = ["from", "to"].map(|name| dir.join(name));
    std::fs::write(&from, content).unwrap();
    let mut command = std::process::Command::new("python3");
    let output = command.arg(tool).arg("-o").arg(&to).arg(&from).args(option).output().unwrap();
    output.status.success().then(|| std::fs::read(&to).unwrap())
}

#[test]
fn the_tool_makes_such_bundles() {
    let (root, chain, other) = family();
    let certs = [chain[0].clone(), root.clone(), Cert { version1: true, ..other }, chain[1].clone(), root];
    let dir = std::env::temp_dir().join(format!("mpssl-cabundle-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for as_pem in [false, true] {
        for whole in [true, false] {
            let option = whole.then_some("--whole");
            let made = made_by_the_tool(&dir, &bundle(&certs, as_pem), option).unwrap();
            // The same certificate comes once.
            assert!(!whole || made == compact_of(&certs[..4]));
            let bundles = [made];
            let mut client = client(&bundles, 0x303).unwrap();
            assert_eq!(client.anchors(), [4, 2, 0]);
            assert_eq!(shake(&mut client, &bundles, &mut server(&chain).unwrap()), Ok(()));
        }
    }
    // A server that says that it is a CA, and may not be one, is trusted as it is.
    let own = Cert { ca: Some(true), key_usage: Some(0x80), ..Cert::leaf(LEAF, 5, LEAF, 5) };
    let bundles = [made_by_the_tool(&dir, &own.der(), None).unwrap()];
    let mut client = client(&bundles, 0x303).unwrap();
    assert_eq!(shake(&mut client, &bundles, &mut self::server(&[own]).unwrap()), Ok(()));
    // Damaged PEM is no shorter list of CAs.
    let text = String::from_utf8(bundle(&certs, true)).unwrap();
    for bad in [
        text[..text.len() * 3 / 4].into(),
        text[..text.len() - 10].into(),
        text.replacen("-----END C", "-----END D", 1),
        text.replacen("-----END", "-----BND", 1),
        text.replacen("MI", "M!", 1),
    ] {
        let bad: String = bad;
        assert_eq!(made_by_the_tool(&dir, bad.as_bytes(), None), None);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn names_and_keys_are_enough() {
    let (root, chain, other) = family();
    let rsa = Cert::ca(5, RSA, 5, RSA);
    let of_rsa = [Cert { sha1: false, ..Cert::leaf(LEAF, 2, 5, RSA) }];
    for is_listed in [false, true] {
        for n in [0, 1, 9] {
            // With 12 of them the list's length is that of a SEQUENCE.
            let mut certs = vec![other.clone(), root.clone(), rsa.clone()];
            certs.extend((0..n).map(|_| Cert::ca(7, 6, 7, 6)));
            let bundles = [idf(&certs, is_listed)];
            let mut client = client(&bundles, 0x303).unwrap();
            assert_eq!(client.anchors(), [3 + n, 0, 0]);
            assert_eq!(shake(&mut client, &bundles, &mut server(&chain).unwrap()), Ok(()));
            assert_eq!(shake(&mut client, &bundles, &mut server(&of_rsa).unwrap()), Ok(()));
            // Whose signature is another's, or what is wrong otherwise.
            for bad in [
                vec![Cert { signer: 3, ..chain[0].clone() }, chain[1].clone()],
                vec![chain[0].clone(), Cert { signer: 3, ..chain[1].clone() }],
                vec![chain[0].clone(), Cert { valid: Valid::Expired, ..chain[1].clone() }],
                vec![Cert { valid: Valid::Later, ..chain[0].clone() }, chain[1].clone()],
                vec![chain[0].clone(), Cert { ca: None, ..chain[1].clone() }],
                vec![chain[0].clone()],
                vec![Cert { host: None, ..chain[0].clone() }, chain[1].clone()],
            ] {
                let result = shake(&mut client, &bundles, &mut server(&bad).unwrap());
                assert!(matches!(result, Err(Error::Verify(_))), "{result:?}");
            }
        }
        // Cut or changed, it is none, or what is in it is trusted for what it says, or found to be another.
        let good = idf(&[other.clone(), root.clone()], is_listed);
        let mut client = client(std::slice::from_ref(&good), 0x303).unwrap();
        let mut server = server(&chain).unwrap();
        for n in 0..good.len() {
            let cut = self::client(&[good[..n].to_vec()], 0x303);
            assert!(cut.is_err(), "{n}");
            let mut bent = good.clone();
            bent[n] ^= 1 << (n % 8);
            let _ = self::client(&[bent.clone()], 0x303);
            let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
            pair.client.port.bundles = vec![bent];
            assert_eq!(pair.handshake().0, Err(Error::Raised));
        }
    }
}

#[test]
fn a_bundle_that_changes_is_trusted_no_more() {
    let (root, chain, other) = family();
    let mut server = server(&chain).unwrap();
    for as_pem in [false, true] {
        let before = bundle(&[other.clone(), root.clone()], as_pem);
        for bundles in
            [vec![before.clone()], vec![bundle(std::slice::from_ref(&other), true), before.clone()]]
        {
            let last = bundles.len() - 1;
            let mut client = client(&bundles, 0x303).unwrap();
            let mut longer = before.clone();
            longer.push(b'\n');
            let mut bent = before.clone();
            bent[40] ^= 1;
            for after in [
                bundle(&[root.clone(), other.clone()], as_pem),
                bundle(std::slice::from_ref(&root), as_pem),
                bundle(&[other.clone(), root.clone()], !as_pem),
                before[..before.len() - 1].to_vec(),
                before[..before.len() / 2].to_vec(),
                longer,
                bent,
                Vec::new(),
            ] {
                let mut changed = bundles.clone();
                changed[last] = after;
                for in_place in [false, true] {
                    let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
                    pair.client.port.bundles = changed.clone();
                    pair.client.port.bundles_in_place = in_place;
                    let (result, peer) = pair.handshake();
                    assert_eq!(result, Err(Error::Raised));
                    assert!(peer.is_err());
                    assert!(pair.client.port.bundle_changed && !pair.client.port.bundle_open);
                }
            }
            // It is as it was.
            assert_eq!(shake(&mut client, &bundles, &mut server), Ok(()));
        }
    }
}

#[test]
fn an_exception_of_the_file_is_the_handshakes() {
    let (root, chain, _) = family();
    let bundles = [bundle(&[root], true)];
    let mut server = server(&chain).unwrap();
    let mut client = client(&bundles, 0x303).unwrap();
    for mode in [1, 2] {
        client.set_verify_mode(mode).unwrap();
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
        pair.client.port.bundles = bundles.to_vec();
        pair.client.port.bundle_raises = true;
        assert_eq!(pair.handshake().0, Err(Error::Raised));
        assert!(!pair.client.port.bundle_open);
    }
    // Nobody looks.
    client.set_check_hostname(false).unwrap();
    client.set_verify_mode(0).unwrap();
    let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
    assert_eq!(pair.handshake().0, Ok(()));
    assert_eq!(pair.client.port.bundle_reads, 0);
}

#[test]
fn each_allocation_fails() {
    let (root, chain, other) = family();
    let _balance = Balance::start();
    let bundles = [bundle(&[other.clone(), root, other], true)];
    let mut server = server(&chain).unwrap();
    for on in [false, true] {
        for n in 0.. {
            let mut context = Context::new(0, 2).unwrap();
            let mut host = host(&bundles);
            let (made, failed) = failing(n, on, || context.add_bundle(&mut host, 0));
            assert!(!host.bundle_open);
            if !failed {
                assert_eq!(made, Ok(()));
                break;
            }
            assert_eq!(made, Err(Error::NoMemory), "{n}");
        }
    }
    // In the handshake, it never comes to a verdict.
    let mut client = client(&bundles, 0x303).unwrap();
    for n in 0.. {
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
        pair.client.port.bundles = bundles.to_vec();
        let (results, failed) = failing(n, false, || pair.handshake());
        let results = pair.resume(results);
        if !failed {
            assert_eq!(results, (Ok(()), Ok(())));
            break;
        }
        assert!(
            !matches!(results.0, Err(Error::Verify(_) | Error::Raised | Error::Value(_))),
            "{n}: {results:?}"
        );
    }
}

#[test]
fn a_server_keeps_anchors_in_memory() {
    let bundles = [bundle(&[family().0], true)];
    let mut server = Context::new(1, 2).unwrap();
    let invalid = Err(Error::Value(Invalid::Protocol));
    assert_eq!(server.add_bundle(&mut host(&bundles), 0), invalid);
    // One way or the other.
    let mut loaded = Context::new(0, 2).unwrap();
    loaded.load_verify_locations(&pki::with_nul(bundles[0].clone())).unwrap();
    assert_eq!(loaded.add_bundle(&mut host(&bundles), 0), invalid);
    assert_eq!(client(&bundles, 0x303).unwrap().load_verify_locations(&pki::cert("ca")), invalid);
}

/// The most memory a handshake takes, beside what the connections have from the beginning.
fn peak(client: &mut Context, server: &mut Context, bundles: &[Vec<u8>], in_place: bool) -> usize {
    let mut pair = Pair::new(client, server, Some("localhost")).unwrap();
    pair.client.port.bundles = bundles.to_vec();
    pair.client.port.bundles_in_place = in_place;
    let before = live().bytes;
    take_peak();
    assert_eq!(pair.handshake(), (Ok(()), Ok(())));
    take_peak() - before
}

#[test]
fn one_certificate_is_in_memory_at_a_time() {
    for key in [0, RSA] {
        let root = Cert::ca(0, key, 0, key);
        let chain = [Cert::leaf(LEAF, 2, 1, 4), Cert::ca(1, 4, 0, key)];
        let mut server = server(&chain).unwrap();
        let mut loaded = Context::new(0, 2).unwrap();
        loaded.set_version(true, 0x303).unwrap();
        loaded.load_verify_locations(&pki::with_nul(root.der())).unwrap();
        let loaded = peak(&mut loaded, &mut server, &[], false);
        // Of many, one that is asked for.
        let mut certs: Vec<Cert> = (0..140).map(|serial| Cert { serial, ..Cert::ca(7, 9, 7, 9) }).collect();
        certs.insert(70, root.clone());
        let mut some = certs[..7].to_vec();
        some.push(root);
        for bundles in
            [[bundle(&certs, true)], [bundle(&certs, false)], [compact_of(&some)], [idf(&certs, false)]]
        {
            let before = live().bytes;
            let mut client = client(&bundles, 0x303).unwrap();
            let kept = live().bytes - before;
            let on_demand = peak(&mut client, &mut server, &bundles, false);
            let in_place = peak(&mut client, &mut server, &bundles, true);
            println!(
                "{} bytes: {kept} kept, {on_demand} at most, {in_place} in place, {loaded} with one in memory",
                bundles[0].len()
            );
            // No copy of the one that is asked for, nor memory to read it.
            let is_der = bundles[0].starts_with(b"\x30");
            assert!(if is_der { in_place + 512 < on_demand } else { in_place == on_demand });
            assert!(on_demand <= loaded + 2560);
        }
    }
}

#[test]
fn threads_share_a_context() {
    let (root, chain, other) = family();
    // Two connections of one context, step by step in turns: each reads its own host's bundles.
    let good = [bundle(&[root], true)];
    let mut client = client(&good, 0x303).unwrap();
    let mut servers = [server(&chain).unwrap(), server(&chain).unwrap()];
    let mut pairs: Vec<Pair> =
        servers.iter_mut().map(|server| Pair::new(&mut client, server, Some("localhost")).unwrap()).collect();
    pairs[0].client.port.bundles = good.to_vec();
    pairs[1].client.port.bundles = vec![bundle(&[other], true)];
    for _ in 0..20 {
        for pair in &mut pairs {
            let _ = pair.client.handshake();
            let _ = pair.server.handshake();
        }
    }
    assert!(!pairs[0].client.port.bundle_changed);
    assert!(pairs[1].client.port.bundle_changed);
    pairs.remove(0).open();
}
