// SPDX-License-Identifier: MIT OR Apache-2.0
//! What wakes is the connection that went to sleep: each field of Mbed TLS's state, what it
//! writes and what it takes, compared with those of one that never slept.
#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::ops::Range;

use common::datagrams::contexts;
use common::raw::Raw;
use common::{Balance, CLIENT, Dice, Duo, EBADF, End, Pair, SERVER, Setup, pattern};
use micropython_ssl::context::Memory;
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::Error;
use micropython_ssl::mbedtls::sys;

const EMSGSIZE: Error = Error::Errno(90);
const CBC: &str = "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256";
const SUITES: [&str; 7] = [
    "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM",
    "TLS-ECDHE-ECDSA-WITH-AES-256-CCM",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8",
    "TLS-ECDHE-ECDSA-WITH-AES-256-CCM-8",
    "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
];
/// Lengths of Connection IDs, the client's and the server's: how each wants to be called.
const CIDS: [Option<(u8, u8)>; 11] = [
    None,
    Some((0, 0)),
    Some((8, 0)),
    Some((0, 8)),
    Some((12, 0)),
    Some((0, 12)),
    Some((12, 8)),
    Some((8, 12)),
    Some((32, 0)),
    Some((0, 32)),
    Some((32, 32)),
];

/// Each suite, and each pair of lengths.
fn kinds() -> impl Iterator<Item = (&'static str, Option<(u8, u8)>)> {
    let suites = SUITES.into_iter().flat_map(|suite| [(suite, None), (suite, Some((12, 8)))]);
    suites.chain(CIDS.map(|cids| (SUITES[0], cids)))
}

/// An open connection over datagrams, with nothing under way.
fn duo(suite: &str, cids: Option<(u8, u8)>, mtu: u16) -> Duo {
    let settings = |cid| Settings { cid, mtu, ..Settings::DEFAULT };
    let (client, server) = cids.map_or((None, None), |(client, server)| (Some(client), Some(server)));
    let setup = Setup { suites: &[suite], ..Setup::default() };
    let mut duo = Duo::new(&contexts(setup, settings(client), settings(server)));
    duo.open();
    duo.send(CLIENT, b"quiet");
    duo.send(SERVER, b"quiet");
    duo
}

/// Likewise over a stream, the client's fragments of a length that was agreed on.
fn pair(suite: &str, fragments: u16) -> Pair {
    let setup = Setup { suites: &[suite], ..Setup::default() };
    let (mut client, mut server) = (setup.client().unwrap(), setup.server().unwrap());
    client.set_memory(Memory { max_fragment_length: fragments, ..Memory::DEFAULT }).unwrap();
    let mut pair = Pair::new(&mut client, &mut server, Some("localhost")).unwrap().open();
    pair.transfer(CLIENT, b"quiet");
    pair.transfer(SERVER, b"quiet");
    pair
}

fn sleep(end: &mut End) {
    assert_eq!(end.socket.hibernate(), Ok(true));
}

// ---- Field by field -----------------------------------------------------------

/// Where fields are in an object.
macro_rules! fields {
    ($object:ty: $($field:ident),*) => {
        [$({
            fn size<F>(_: fn(&$object) -> &F) -> usize {
                size_of::<F>()
            }
            let at = std::mem::offset_of!($object, $field);
            at..at + size(|object| &object.$field)
        }),*]
    };
}

/// The bytes of an object but for these fields.
fn bytes<T>(object: &T, without: &[Range<usize>]) -> Vec<u8> {
    // SAFETY: Mbed TLS's objects were zeroed before anything was written to them.
    #[allow(unsafe_code)]
    let all = unsafe { std::slice::from_raw_parts((&raw const *object).cast::<u8>(), size_of::<T>()) };
    let is_without = |at: &usize| without.iter().any(|field| field.contains(at));
    (0..all.len()).map(|at| if is_without(&at) { 0 } else { all[at] }).collect()
}

/// What is set up of a cipher, but for pointers and what is left of the last record.
#[allow(unsafe_code)]
fn cipher(cipher: &sys::mbedtls_cipher_context_t) -> [Vec<u8>; 2] {
    let all = bytes(cipher, &fields!(sys::mbedtls_cipher_context_t: cipher_ctx));
    // SAFETY: a cipher of a suite of ours that is set up, of the type that its name says.
    let keyed = unsafe {
        let context = cipher.cipher_ctx;
        match (*cipher.cipher_info).type_() {
            sys::MBEDTLS_CIPHER_CHACHA20_POLY1305 => {
                let context = &*context.cast::<sys::mbedtls_chachapoly_context>();
                context.chacha20_ctx.state[..12].iter().flat_map(|word| word.to_le_bytes()).collect()
            }
            sys::MBEDTLS_CIPHER_AES_128_CCM | sys::MBEDTLS_CIPHER_AES_256_CCM => {
                schedule(&(*context.cast::<sys::mbedtls_ccm_context>()).block_cipher_ctx)
            }
            _ => {
                let context = &*context.cast::<sys::mbedtls_gcm_context>();
                let kept = bytes(
                    context,
                    &fields!(sys::mbedtls_gcm_context: block_cipher_ctx, len, add_len, base_ectr, y, buf, mode),
                );
                [kept, schedule(&context.block_cipher_ctx)].concat()
            }
        }
    };
    [all, keyed]
}

/// The round keys; where they are in their buffer depends on its address.
#[allow(unsafe_code)]
fn schedule(cipher: &sys::mbedtls_block_cipher_context_t) -> Vec<u8> {
    // SAFETY: it is AES.
    let aes = unsafe { &cipher.ctx.aes };
    let words = &aes.buf[aes.rk_offset..][..4 * (aes.nr as usize + 1)];
    words.iter().flat_map(|word| word.to_le_bytes()).chain([aes.nr as u8]).collect()
}

/// Of a connection each field, but for
///
/// - pointers, of which it is said whether they are NULL, and what is behind them;
/// - what is left of the last record, and read by nobody;
/// - what is for a renegotiation, or for a client to resume: there is none;
/// - the randoms of the hellos, which only serialisation looks at.
#[allow(unsafe_code)]
fn fields(end: &End) -> Vec<(&'static str, Vec<u8>)> {
    // SAFETY: a connection that is awake; what it points to is its own.
    unsafe {
        let ssl = &*end.socket.connection().as_ptr();
        let transform = &*ssl.transform;
        assert!(ssl.transform_in == ssl.transform && ssl.transform_out == ssl.transform);
        // Who writes secrets down has those of a handshake only.
        let exports = fields!(sys::mbedtls_ssl_context: f_export_keys);
        let exports = if cfg!(all(feature = "keylog", not(exported_keys))) { &exports[..] } else { &[] };
        let flat = fields!(sys::mbedtls_ssl_context:
                session_in, session_out, session, transform_in, transform_out, transform, p_timer,
                in_buf, in_ctr, in_hdr, in_cid, in_len, in_iv, in_msg, p_export_keys,
                in_msgtype, out_msgtype, out_msglen, alert_type, alert_reason,
                secure_renegotiation, cli_id);
        let flat = bytes(ssl, &[&flat[..], exports].concat());
        let within = |at: *mut u8| (at.addr().wrapping_sub(ssl.in_buf.addr()) as u32).to_le_bytes();
        let input = [ssl.in_ctr, ssl.in_hdr, ssl.in_cid, ssl.in_len, ssl.in_iv, ssl.in_msg].map(within);
        let counter = std::slice::from_raw_parts(ssl.in_ctr, 8);
        let client = match ssl.cli_id.is_null() {
            true => &[],
            false => std::slice::from_raw_parts(ssl.cli_id, ssl.cli_id_len),
        };
        let agreed = ssl.session.as_ref().map_or(0, |session| session.mfl_code);
        assert!(ssl.session_in == ssl.session && ssl.session_out == ssl.session);
        let randoms = fields!(sys::mbedtls_ssl_transform: out_cid)[0].end..size_of_val(transform);
        let ciphers = fields!(sys::mbedtls_ssl_transform: cipher_ctx_enc, cipher_ctx_dec, iv_enc, iv_dec);
        let transform_flat = bytes(transform, &[&[randoms][..], &ciphers].concat());
        let [encryption, encryption_key] = cipher(&transform.cipher_ctx_enc);
        let [decryption, decryption_key] = cipher(&transform.cipher_ctx_dec);
        let fixed = |iv: &[u8; 16]| iv[..transform.fixed_ivlen].to_vec();
        vec![
            ("mbedtls_ssl_context", flat),
            ("pointers into the input buffer", input.concat()),
            (
                "a stream's counter for input",
                if end.socket.is_datagram() { vec![] } else { counter.to_vec() },
            ),
            ("cli_id", client.to_vec()),
            ("session", vec![agreed]),
            ("mbedtls_ssl_transform", transform_flat),
            ("the fixed parts of the nonces", [fixed(&transform.iv_enc), fixed(&transform.iv_dec)].concat()),
            ("cipher_ctx_enc", encryption),
            ("its key", encryption_key),
            ("cipher_ctx_dec", decryption),
            ("its key", decryption_key),
        ]
    }
}

/// Sleeps and wakes, after which nothing is different.
fn nod(end: &mut End, what: &dyn std::fmt::Debug) {
    let before = fields(end);
    let (room, timer) = (end.socket.connection().max_out_payload(), end.socket.poll(1, 1000));
    sleep(end);
    // There is nothing to read, which would not wake one of datagrams.
    assert_eq!(end.socket.prepare_write(&mut end.port), Ok(()), "{what:?}");
    assert_eq!(end.socket.connection().max_out_payload(), room, "{what:?}");
    assert_eq!(end.socket.poll(1, 1000), timer, "{what:?}");
    for ((name, before), (_, after)) in before.iter().zip(fields(end)) {
        let differ: Vec<usize> = (0..before.len()).filter(|&at| before[at] != after[at]).collect();
        assert!(differ.is_empty(), "{name} differs at {differ:?} after waking; {what:?}");
    }
}

#[test]
#[cfg_attr(not(feature = "record-buffers"), ignore = "Mbed TLS's own buffers, made anew, are elsewhere")]
fn every_field_of_a_stream_is_as_if_it_never_slept() {
    for suite in SUITES {
        for fragments in [0, 512] {
            let _balance = Balance::start();
            let mut pair = pair(suite, fragments);
            for turn in 0..3 {
                for side in [CLIENT, SERVER] {
                    nod(pair.end(side), &(suite, fragments, side, turn));
                    pair.transfer(side, &pattern(700));
                }
            }
            pair.prove();
        }
    }
}

#[test]
#[cfg_attr(not(feature = "record-buffers"), ignore = "Mbed TLS's own buffers, made anew, are elsewhere")]
fn every_field_of_a_connection_by_datagrams_is_as_if_it_never_slept() {
    for (suite, cids) in kinds() {
        for mtu in [0, 700] {
            let _balance = Balance::start();
            let mut duo = duo(suite, cids, mtu);
            for turn in 0..3 {
                for side in [CLIENT, SERVER] {
                    nod(duo.end(side), &(suite, cids, mtu, side, turn));
                    duo.send(side, &pattern(100));
                }
            }
            duo.prove();
        }
    }
}

/// That this test sees anything: the counters move, and are in what is compared.
#[test]
fn a_connection_that_goes_on_is_not_as_before() {
    let mut duo = duo(SUITES[0], Some((8, 8)), 0);
    let before = fields(&duo.client);
    duo.send(CLIENT, b"one more");
    assert!(before != fields(&duo.client));
    let before = fields(&duo.server);
    duo.send(CLIENT, b"one more");
    assert!(before != fields(&duo.server));
}

// ---- What it writes -----------------------------------------------------------

/// The allocator notices what is written beyond a buffer's end (`common/alloc.rs`), whatever ID
/// the peer wants to be called by.
#[test]
fn what_wakes_has_room_for_what_it_writes() {
    for (suite, cids) in kinds() {
        for side in [CLIENT, SERVER] {
            let _balance = Balance::start();
            let mut duo = duo(suite, cids, 0);
            for n in (0..70).chain([255, 256, 500, 1000, 1400, 4095, 4096]) {
                sleep(duo.end(side));
                let sent = duo.link.wire(side).sent.len();
                assert_eq!(duo.end(side).write(&pattern(n)), Ok(n));
                if n > 0 {
                    let asleep = duo.last_sent(side).len();
                    assert_eq!(duo.receive(1 - side), Ok(pattern(n)));
                    assert_eq!(duo.end(side).write(&pattern(n)), Ok(n));
                    assert_eq!(duo.last_sent(side).len(), asleep);
                    assert_eq!(duo.receive(1 - side), Ok(pattern(n)));
                } else {
                    assert_eq!(duo.link.wire(side).sent.len(), sent);
                }
            }
            sleep(duo.end(side));
            assert_eq!(duo.end(side).write(&pattern(4097)), Err(EMSGSIZE));
            duo.send(side, b"no harm");
            // The alert that ends it, first thing after waking.
            sleep(duo.end(side));
            assert_eq!(duo.end(side).close_notify(), Ok(()));
            assert_eq!(duo.receive(1 - side), Ok(vec![]));
            assert!(duo.end(1 - side).socket.close_notify_received());
        }
    }
}

/// Awake or woken, the path takes the same, and one byte more harms nothing.
#[test]
fn what_wakes_keeps_to_the_mtu() {
    for (suite, cids) in kinds().chain([(CBC, None), (CBC, Some((8, 12)))]) {
        for mtu in [256, 508] {
            for side in [CLIENT, SERVER] {
                let _balance = Balance::start();
                let mut duo = duo(suite, cids, mtu);
                let most = duo.end(side).socket.connection().max_out_payload();
                assert!(most > 100 && most < mtu.into(), "{suite}, {cids:?}, {mtu}: {most}");
                for sleeps in [false, true] {
                    for n in [most - 1, most, most + 1, most + 2, most + 16, 4096, 5000] {
                        if sleeps {
                            assert_eq!(duo.end(side).socket.hibernate(), Ok(suite != CBC));
                        }
                        if n > most {
                            assert_eq!(duo.end(side).write(&pattern(n)), Err(EMSGSIZE));
                        } else {
                            duo.send(side, &pattern(n));
                            assert!(duo.last_sent(side).len() <= mtu.into());
                        }
                    }
                }
                duo.send(side, b"no harm");
                duo.prove();
            }
        }
    }
}

#[test]
fn a_woken_stream_writes_whole_records_and_cut_ones() {
    for suite in SUITES {
        for fragments in [0, 512] {
            let _balance = Balance::start();
            let mut pair = pair(suite, fragments);
            let most = pair.client.socket.connection().max_out_payload();
            assert_eq!(most, if fragments == 0 { 4096 } else { 512 });
            for n in [0, 1, 2, 15, 16, 17, 100, most - 1, most, most + 1, 3 * most] {
                for side in [CLIENT, SERVER] {
                    sleep(pair.end(side));
                    pair.transfer(side, &pattern(n));
                }
            }
            // A record half sent is no quiet point, and is sent whole all the same.
            for left in [1, 5, 6, 21, 22, 100] {
                sleep(&mut pair.client);
                pair.link.wire(CLIENT).capacity = left;
                assert_eq!(pair.client.write(&pattern(300)), Err(Error::WantWrite));
                assert_eq!(pair.client.socket.hibernate(), Ok(false));
                pair.link.wire(CLIENT).capacity = usize::MAX;
                assert_eq!(pair.client.write(&pattern(300)), Ok(300));
                sleep(&mut pair.client);
                let mut got = vec![0; 400];
                assert_eq!(pair.server.read(&mut got), Ok(300));
                assert_eq!(got[..300], pattern(300));
            }
            sleep(&mut pair.client);
            sleep(&mut pair.server);
            pair.prove();
        }
    }
}

/// Reads, writes, sleep and the end in any order, at lengths near a record's borders.
#[test]
fn any_order() {
    for seed in 0..60 {
        let _balance = Balance::start();
        let mut dice = Dice::new(seed);
        let (suite, cids) = (SUITES[dice.roll(SUITES.len())], CIDS[dice.roll(CIDS.len())]);
        let mut duo = duo(suite, cids, [0, 300][dice.roll(2)]);
        for side in [CLIENT, SERVER] {
            duo.end(side).port.tells_len = dice.roll(2) == 0;
        }
        for _ in 0..100 {
            let side = dice.roll(2);
            for sleeper in [CLIENT, SERVER] {
                if dice.roll(3) == 0 {
                    sleep(duo.end(sleeper));
                }
            }
            let most = duo.end(side).socket.connection().max_out_payload().clamp(200, 1900);
            let n = 1 + dice.roll(most + 2);
            match duo.end(side).write(&pattern(n)) {
                Err(EMSGSIZE) => {}
                written => {
                    assert_eq!(written, Ok(n), "seed {seed}");
                    if dice.roll(3) == 0 {
                        sleep(duo.end(1 - side));
                    }
                    // In pieces, of which none is lost.
                    let mut got = Vec::new();
                    while got.len() < n {
                        let mut piece = vec![0; 1 + dice.roll(n)];
                        let m = duo.end(1 - side).read(&mut piece).unwrap();
                        got.extend_from_slice(&piece[..m]);
                        let whole = got.len() == n;
                        assert_eq!(duo.end(1 - side).socket.hibernate(), Ok(whole), "seed {seed}");
                    }
                    assert_eq!(got, pattern(n));
                }
            }
        }
        duo.prove();
    }
}

// ---- What it takes ------------------------------------------------------------

/// Where the transport cannot tell how long the next datagram is, the longest that came says it.
#[test]
#[cfg_attr(not(feature = "record-buffers"), ignore = "Mbed TLS's own buffers, made anew, are elsewhere")]
fn the_longest_datagram_is_remembered() {
    for sleeps in [false, true] {
        let _balance = Balance::start();
        let mut duo = duo(SUITES[0], None, 0);
        duo.client.port.tells_len = false;
        // Nobody expects the first one.
        duo.server.write(&pattern(3000)).unwrap();
        assert_eq!(duo.receive(CLIENT), Err(Error::WantRead));
        for _ in 0..5 {
            if sleeps {
                sleep(&mut duo.client);
            }
            duo.send(SERVER, &pattern(3000));
        }
        duo.prove();
    }
}

/// Of records without content four one after the other end the connection, whether it slept
/// between them or not.
#[test]
fn empty_records_are_counted_on() {
    let mut ends = Vec::new();
    for sleeps in [false, true] {
        let setup = Setup { suites: &SUITES[..1], ..Setup::default() };
        let (mut client, mut server, link) = Raw::pair(&setup);
        let mut taken = 0;
        let end = loop {
            if sleeps {
                sleep(&mut client);
            }
            server.send_record(23, &[]).unwrap();
            match client.poke() {
                Err(Error::WantRead) if taken < 100 => taken += 1,
                end => break end,
            }
        };
        assert_eq!(client.poke(), Err(EBADF));
        ends.push((taken, end));
        drop(link);
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0].0, 3);
}
