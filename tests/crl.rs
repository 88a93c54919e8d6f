// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates that have been revoked: which of a chain are looked for, and in which lists.
#![cfg(mbedtls_x509_crl_parse_c)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::failing;
use common::forge::{Cert, Crl, KEYS, Spelling, pem};
use common::{Link, Pair, Port, pki};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::mbedtls::{CrlCheck, sys};
use micropython_ssl::mem::Box;

const BAD_CERT: Error = Error::Value(Invalid::Cert);
/// There is no list of the issuer.
const MISSING: u32 = 0x8000_0000;
const REVOKED: u32 = sys::MBEDTLS_X509_BADCERT_REVOKED;
const EXPIRED: u32 = sys::MBEDTLS_X509_BADCRL_EXPIRED;
const FUTURE: u32 = sys::MBEDTLS_X509_BADCRL_FUTURE;
const NOT_TRUSTED: u32 = sys::MBEDTLS_X509_BADCRL_NOT_TRUSTED;
const BAD_MD: u32 = sys::MBEDTLS_X509_BADCRL_BAD_MD;

/// Names and keys: a root, an intermediate, the server.
const ROOT: usize = 0;
const MIDDLE: usize = 1;
const LEAF: usize = 2;
/// cRLSign, and keyCertSign.
const CRL_SIGN: u8 = 2;
const CERT_SIGN: u8 = 4;

fn root() -> Cert {
    Cert { serial: 10, ..Cert::ca(ROOT, ROOT, ROOT, ROOT) }
}

/// The server's chain, with the serial numbers 1 and 2.
fn chain() -> Vec<Cert> {
    vec![
        Cert { serial: 1, ..Cert::leaf(LEAF, LEAF, MIDDLE, MIDDLE) },
        Cert { serial: 2, ..Cert::ca(MIDDLE, MIDDLE, ROOT, ROOT) },
    ]
}

fn of_root(revoked: &[u8]) -> Crl {
    Crl::new(ROOT, ROOT, revoked)
}

fn of_middle(revoked: &[u8]) -> Crl {
    Crl::new(MIDDLE, MIDDLE, revoked)
}

fn host(bundles: &[Vec<u8>]) -> Port {
    let (_, mut host, _) = Link::new(false);
    host.bundles = bundles.to_vec();
    host
}

/// A client with anchors and lists in these files.
fn client(files: &[Vec<u8>], check: CrlCheck, version: i32) -> Box<Context> {
    let mut client = Context::new(0, 2).unwrap();
    client.set_version(true, version).unwrap();
    client.set_crl_check(check);
    #[cfg(bundles)]
    {
        let mut host = host(files);
        for i in 0..files.len() {
            client.add_bundle(&mut host, i as u32).unwrap();
        }
    }
    #[cfg(not(bundles))]
    for file in files {
        client.load_verify_locations(&pki::with_nul(file.clone())).unwrap();
    }
    client
}

fn server(chain: &[Cert], version: i32) -> Box<Context> {
    let ders: Vec<u8> = chain.iter().flat_map(Cert::der).collect();
    let key = pki::key(KEYS[chain[0].key]);
    let mut server = Context::new(1, 0).unwrap();
    server.set_version(true, version).unwrap();
    server.load_cert_chain(Some(&pki::with_nul(ders)), &key, None, false).unwrap();
    server
}

fn versions() -> Vec<i32> {
    if cfg!(tls13) { vec![0x303, 0x304] } else { vec![0x303] }
}

/// What a handshake comes to at the client, whatever the version and the format: the flags of an error.
fn verdict_of(chain: &[Cert], anchors: &[Cert], crls: &[Crl], check: CrlCheck) -> u32 {
    let mut all = Vec::new();
    for version in versions() {
        for as_pem in [true, false] {
            let certs: Vec<u8> =
                anchors.iter().flat_map(|one| if as_pem { pem(&one.der()) } else { one.der() }).collect();
            let lists: Vec<Vec<u8>> =
                crls.iter().map(|crl| if as_pem { crl.pem() } else { crl.der() }).collect();
            let together = vec![[certs.clone(), lists.concat()].concat()];
            let apart: Vec<_> = [certs].into_iter().chain(lists).collect();
            for files in [together, apart] {
                let mut client = client(&files, check, version);
                assert_eq!(client.crls(), crls.len());
                assert_eq!(client.anchors()[0], anchors.len());
                let mut server = server(chain, version);
                let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
                pair.client.port.bundles = files;
                all.push(match pair.handshake().0 {
                    Ok(()) => 0,
                    Err(Error::Verify(flags)) => flags,
                    Err(error) => panic!("{error:?}"),
                });
            }
        }
    }
    assert!(all.iter().all(|one| *one == all[0]), "{all:x?}");
    all[0]
}

fn verdict(crls: &[Crl], check: CrlCheck) -> u32 {
    verdict_of(&chain(), &[root()], crls, check)
}

#[test]
fn nothing_is_looked_for_unless_it_is_said() {
    assert_eq!(verdict(&[], CrlCheck::None), 0);
    assert_eq!(verdict(&[of_middle(&[1]), of_root(&[2])], CrlCheck::None), 0);
}

#[test]
fn a_revoked_certificate_is_found() {
    for check in [CrlCheck::Leaf, CrlCheck::Chain] {
        assert_eq!(verdict(&[of_middle(&[]), of_root(&[])], check), 0);
        assert_eq!(verdict(&[of_middle(&[1]), of_root(&[])], check), REVOKED);
        assert_eq!(verdict(&[of_middle(&[5, 1, 7]), of_root(&[])], check), REVOKED);
        // Another issuer's of that number.
        assert_eq!(verdict(&[of_middle(&[2, 3]), of_root(&[1])], check), 0);
    }
    // The intermediate one.
    assert_eq!(verdict(&[of_middle(&[]), of_root(&[2])], CrlCheck::Leaf), 0);
    assert_eq!(verdict(&[of_middle(&[]), of_root(&[2])], CrlCheck::Chain), REVOKED);
    // The root, by itself, as to OpenSSL.
    assert_eq!(verdict(&[of_middle(&[]), of_root(&[10])], CrlCheck::Chain), REVOKED);
    assert_eq!(verdict(&[of_middle(&[]), of_root(&[10])], CrlCheck::Leaf), 0);
}

#[test]
fn an_issuer_without_a_list_is_an_error() {
    assert_eq!(verdict(&[], CrlCheck::Leaf), MISSING);
    assert_eq!(verdict(&[], CrlCheck::Chain), MISSING);
    assert_eq!(verdict(&[of_root(&[])], CrlCheck::Leaf), MISSING);
    assert_eq!(verdict(&[of_root(&[])], CrlCheck::Chain), MISSING);
    assert_eq!(verdict(&[of_middle(&[])], CrlCheck::Leaf), 0);
    assert_eq!(verdict(&[of_middle(&[])], CrlCheck::Chain), MISSING);
    // Whose issuer nobody has shown, and who is no issuer itself: an anchor that is no root.
    let middle = [chain()[1].clone()];
    assert_eq!(verdict_of(&chain(), &middle, &[of_middle(&[])], CrlCheck::Leaf), 0);
    assert_eq!(verdict_of(&chain(), &middle, &[of_middle(&[])], CrlCheck::Chain), MISSING);
    // By itself.
    let own = [Cert { serial: 3, ..Cert::leaf(LEAF, LEAF, LEAF, LEAF) }];
    assert_eq!(verdict_of(&own, &own, &[Crl::new(LEAF, LEAF, &[])], CrlCheck::Leaf), 0);
    assert_eq!(verdict_of(&own, &own, &[Crl::new(LEAF, LEAF, &[3])], CrlCheck::Leaf), REVOKED);
}

#[test]
fn a_list_holds_while_it_says() {
    let with = |years| verdict(&[Crl { years, ..of_middle(&[]) }], CrlCheck::Leaf);
    assert_eq!(with((20, 21)), EXPIRED);
    assert_eq!(with((48, 49)), FUTURE);
    assert_eq!(with((49, 21)), EXPIRED | FUTURE);
    // RFC 5280 5.1.2.5: it must say.
    assert_eq!(with((24, 0)), EXPIRED);
    // Beside one that holds it does no harm; of two that do, the newer one has the word.
    let (old, new) =
        (|revoked: &[u8]| of_middle(revoked), |revoked: &[u8]| Crl { years: (25, 49), ..of_middle(revoked) });
    let over = Crl { years: (20, 21), ..of_middle(&[1]) };
    for crls in [[old(&[]), over.clone()], [over, old(&[])]] {
        assert_eq!(verdict(&crls, CrlCheck::Leaf), 0);
    }
    for (crls, expected) in [
        ([old(&[]), new(&[1])], REVOKED),
        ([new(&[1]), old(&[])], REVOKED),
        ([old(&[1]), new(&[])], 0),
        ([new(&[]), old(&[1])], 0),
        // Of the same second, both have.
        ([new(&[]), new(&[1])], REVOKED),
        ([new(&[1]), new(&[])], REVOKED),
        ([new(&[]), new(&[2])], 0),
    ] {
        assert_eq!(verdict(&crls, CrlCheck::Leaf), expected);
    }
}

#[test]
fn a_list_is_the_issuers() {
    let leaf = |crl| verdict(&[crl], CrlCheck::Leaf);
    assert_eq!(leaf(Crl { damaged: true, ..of_middle(&[]) }), NOT_TRUSTED);
    assert_eq!(leaf(Crl { signer: ROOT, ..of_middle(&[]) }), NOT_TRUSTED);
    assert_eq!(leaf(Crl { signer: LEAF, ..of_middle(&[]) }), NOT_TRUSTED);
    assert_eq!(leaf(Crl { signer: 9, ..of_middle(&[]) }), NOT_TRUSTED);
    assert_eq!(leaf(Crl { sha1: true, ..of_middle(&[]) }), BAD_MD);
    // Signed by another, it says nothing of a certificate either.
    let forged = Crl { signer: LEAF, ..of_middle(&[1]) };
    assert_eq!(verdict(&[forged, of_middle(&[])], CrlCheck::Leaf), 0);
    // Another's name, if only by its spelling: nobody's.
    assert_eq!(leaf(Crl { issuer: (MIDDLE, Spelling::Printable), ..of_middle(&[]) }), MISSING);
    // An issuer whose key is for certificates alone; and for both.
    for (usage, expected) in [(CERT_SIGN, NOT_TRUSTED), (CERT_SIGN | CRL_SIGN, 0)] {
        let mut chain = chain();
        chain[1].key_usage = Some(usage);
        assert_eq!(verdict_of(&chain, &[root()], &[of_middle(&[])], CrlCheck::Leaf), expected);
    }
}

#[test]
fn what_else_is_wrong_is_said_as_well() {
    let mut chain = chain();
    chain[0].host = Some("elsewhere");
    let both = REVOKED | sys::MBEDTLS_X509_BADCERT_CN_MISMATCH;
    assert_eq!(verdict_of(&chain, &[root()], &[of_middle(&[1])], CrlCheck::Leaf), both);
    let stranger = Cert::ca(5, 5, 5, 5);
    let verdict = verdict_of(&chain, &[stranger], &[of_middle(&[1])], CrlCheck::Chain);
    assert_ne!(verdict & sys::MBEDTLS_X509_BADCERT_NOT_TRUSTED, 0);
    let mut text = [0; 400];
    let len = Error::Verify(MISSING).text(&mut text);
    assert_eq!(&text[..len], b"There is no CRL of the certificate's issuer\n");
    let len = Error::Verify(MISSING | sys::MBEDTLS_X509_BADCERT_EXPIRED).text(&mut text);
    assert!(text[..len].ends_with(b"The certificate validity has expired\n"));
    assert_eq!(Error::Verify(MISSING).text(&mut text[..5]), 5);
    assert_eq!(Error::Verify(MISSING | 1).text(&mut []), 0);
}

#[test]
fn a_server_looks_as_well() {
    for (revoked, expected) in [(&[] as &[u8], Ok(())), (&[1], Err(Error::Verify(REVOKED)))] {
        for as_pem in [false, true] {
            let (ca, crl) = (root(), Crl::new(ROOT, ROOT, revoked));
            let data = if as_pem { [pem(&ca.der()), crl.pem()] } else { [ca.der(), crl.der()] };
            let mut server = server(&chain(), 0x303);
            server.load_verify_locations(&pki::with_nul(data.concat())).unwrap();
            server.set_verify_mode(2).unwrap();
            server.set_crl_check(CrlCheck::Leaf);
            assert_eq!((server.crls(), server.anchors()[0]), (1, 1));
            let own = Cert { serial: 1, ..Cert::leaf(7, 7, ROOT, ROOT) };
            let mut client = Context::new(0, 0).unwrap();
            client.load_cert_chain(Some(&pki::with_nul(own.der())), &pki::key(KEYS[7]), None, false).unwrap();
            let mut pair = Pair::new(&mut client, &mut server, None).unwrap();
            assert_eq!(pair.handshake().1, expected);
        }
    }
    // Lists alone are added, and nothing that is neither.
    let mut server = server(&chain(), 0x303);
    server.load_verify_locations(&pki::with_nul(of_root(&[]).pem())).unwrap();
    assert_eq!((server.crls(), server.anchors()[0]), (1, 0));
    assert_eq!(server.load_verify_locations(b"rubbish\0"), Err(BAD_CERT));
    assert_eq!(server.crls(), 1);
}

/// Loads a file; how many lists there are then.
fn load(data: Vec<u8>) -> Result<usize> {
    let mut client = Context::new(0, 2).unwrap();
    #[cfg(bundles)]
    client.add_bundle(&mut host(&[data]), 0)?;
    #[cfg(not(bundles))]
    client.load_verify_locations(&pki::with_nul(data))?;
    Ok(client.crls())
}

#[test]
fn what_is_no_list_is_not_loaded() {
    let good = of_root(&[1, 2, 3]);
    assert_eq!(load(good.der()), Ok(1));
    assert_eq!(load(good.pem()), Ok(1));
    assert_eq!(load([good.pem(), of_middle(&[]).pem()].concat()), Ok(2));
    // Of some certificates only (issuingDistributionPoint), or of changes (deltaCRLIndicator): Mbed TLS knows neither.
    for oid in [b"\x55\x1d\x1c", b"\x55\x1d\x1b"] {
        let partial = Crl { extension: Some((oid, true)), ..of_root(&[]) };
        assert_eq!(load(partial.der()), Err(BAD_CERT));
        assert_eq!(load(partial.pem()), Err(BAD_CERT));
    }
    assert_eq!(load(Crl { extension: Some((b"\x55\x1d\x14", false)), ..of_root(&[]) }.der()), Ok(1));
    // Cut anywhere, or another byte anywhere: loaded or refused, and nothing else.
    let der = good.der();
    for len in 0..der.len() {
        assert!(load(der[..len].to_vec()).is_err(), "{len}");
    }
    for at in 0..der.len() {
        for bit in [1, 0x80] {
            let mut other = der.clone();
            other[at] ^= bit;
            assert!(matches!(load(other), Ok(1) | Err(BAD_CERT)), "{at}");
        }
    }
    let text = good.pem();
    for len in (0..text.len() - 1).step_by(7) {
        assert!(load(text[..len].to_vec()).is_err(), "{len}");
    }
}

#[test]
fn without_memory_nothing_is_loaded_or_accepted() {
    let files = [[pem(&root().der()), of_middle(&[1]).pem()].concat()];
    for n in 0.. {
        let mut client = Context::new(0, 2).unwrap();
        client.set_crl_check(CrlCheck::Leaf);
        let load = |client: &mut Context| {
            #[cfg(bundles)]
            return client.add_bundle(&mut host(&files), 0);
            #[cfg(not(bundles))]
            return client.load_verify_locations(&pki::with_nul(files[0].clone()));
        };
        let (made, failed) = failing(n, true, || load(&mut client));
        if !failed {
            made.unwrap();
            break;
        }
        assert_eq!((made, client.crls(), client.anchors()[0]), (Err(Error::NoMemory), 0, 0), "{n}");
    }
    for n in 0.. {
        let mut client = client(&files, CrlCheck::Leaf, 0x303);
        let mut server = server(&chain(), 0x303);
        let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap();
        pair.client.port.bundles = files.to_vec();
        let (result, failed) = failing(n, false, || pair.handshake().0);
        assert!(result.is_err(), "{n}");
        if !failed {
            assert_eq!(result, Err(Error::Verify(REVOKED)));
            break;
        }
    }
}

#[cfg(sessions)]
#[test]
fn a_session_belongs_to_what_was_looked_for() {
    let files = [[pem(&root().der()), of_middle(&[]).pem()].concat(), of_root(&[]).pem()];
    let binding = |client: &mut Context| client.binding([None, None], false).unwrap();
    let mut client = client(&files[..1], CrlCheck::None, 0x303);
    let of_none = binding(&mut client);
    client.set_crl_check(CrlCheck::Leaf);
    let of_leaf = binding(&mut client);
    client.set_crl_check(CrlCheck::Chain);
    let of_chain = binding(&mut client);
    assert!(of_none != of_leaf && of_leaf != of_chain && of_none != of_chain);
    client.set_crl_check(CrlCheck::Leaf);
    assert_eq!(binding(&mut client), of_leaf);
    #[cfg(bundles)]
    {
        client.add_bundle(&mut host(&files), 1).unwrap();
        assert_ne!(binding(&mut client), of_leaf);
    }
}
