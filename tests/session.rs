// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions: who goes on with which, and who must not; what is saved of them, changed bytes and clocks.
#![cfg(all(sessions, tickets))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use common::alloc::{failing, live, take_peak};
use common::{
    Balance, CLIENT, Contexts, Fate, Link, Pair, SERVER, Setup, clock, on_records, options, pki, with_sum,
};
use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Invalid, Result};
use micropython_ssl::mbedtls::Key;
use micropython_ssl::mem;
use micropython_ssl::micropython_sys as sys;
use micropython_ssl::session::{Lent, Session};
use micropython_ssl::socket::{Options, Socket};

type Change = fn(&mut Context);

const DAY: u64 = 86_400;
const VERSIONS: &[bool] = if cfg!(tls13) { &[false, true] } else { &[false] };

/// A client that keeps sessions, a server that gives tickets.
fn contexts(setup: &Setup<'_>) -> Contexts {
    let mut contexts = Contexts::new(setup);
    keep(&mut contexts.client);
    contexts.server.set_num_tickets(1).unwrap();
    contexts
}

fn keep(context: &mut Context) {
    let options = context.options() & !sys::MPSSL_OP_NO_TICKET;
    context.set_options(options).unwrap();
}

/// Connections of two contexts, of which the client goes on with a session.
fn try_pair(
    client: &mut Context,
    server: &mut Context,
    hostname: Option<&str>,
    session: Option<&Session>,
) -> Result<Pair> {
    let (link, client_port, server_port) = Link::new(false);
    let hostname = hostname.map(|name| pki::with_nul(name.into()));
    let of_client = Options { session, ..options(hostname.as_deref(), None) };
    Ok(Pair {
        client: common::End { socket: Socket::new(client, of_client)?, port: client_port },
        server: common::End { socket: Socket::new(server, options(None, None))?, port: server_port },
        link,
    })
}

fn pair(contexts: &mut Contexts, session: Option<&Session>) -> Pair {
    let Contexts { client, server } = contexts;
    try_pair(client, server, Some("localhost"), session).unwrap()
}

/// The session of a connection that is open, when its ticket has come.
fn session_of(pair: &mut Pair) -> mem::Box<Session> {
    pair.transfer(SERVER, b"hello");
    pair.client.socket.session().unwrap().expect("a session")
}

/// The session of a first connection.
fn first(contexts: &mut Contexts) -> mem::Box<Session> {
    let mut pair = pair(contexts, None).open();
    assert_eq!(reused(&pair), [Some(false); 2]);
    let session = session_of(&mut pair);
    pair.prove();
    session
}

fn reused(pair: &Pair) -> [Option<bool>; 2] {
    [&pair.client, &pair.server].map(|end| end.socket.session_reused())
}

/// Whether a connection goes on with a session; it works, whether or not.
fn resumes(contexts: &mut Contexts, session: &Session) -> bool {
    let pair = pair(contexts, Some(session)).open();
    let [client, server] = reused(&pair).map(Option::unwrap);
    assert_eq!(client, server);
    pair.prove();
    client
}

/// A copy, as if of another life.
fn loaded(session: &Session) -> mem::Box<Session> {
    Session::load(session.bytes()).unwrap()
}

#[test]
fn a_session_goes_on() {
    for &tls13 in VERSIONS {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let mut again = pair(&mut contexts, Some(&session));
        assert_eq!(reused(&again), [None; 2]);
        again = again.open();
        assert_eq!(reused(&again), [Some(true); 2]);
        // The certificate of before, which has been verified.
        assert_eq!(again.client.socket.peer_cert(), Some(&pki::der("ec")[..]));
        assert!(again.client.socket.peer_verified());
        let next = session_of(&mut again);
        again.prove();
        assert!(resumes(&mut contexts, &next));
        // Of TLS 1.3 a ticket is good for once.
        assert_eq!(resumes(&mut contexts, &session), !tls13);
        assert_eq!(resumes(&mut contexts, &next), !tls13);
    }
}

#[test]
fn nothing_is_asked_for_and_given_unless_somebody_says_so() {
    for &tls13 in VERSIONS {
        let mut plain = Contexts::new(&Setup { tls13, ..Setup::default() });
        assert_eq!(plain.client.options() & sys::MPSSL_OP_NO_TICKET, sys::MPSSL_OP_NO_TICKET);
        let mut pair = plain.pair().open();
        pair.transfer(SERVER, b"hello");
        assert!(pair.client.socket.session().unwrap().is_none());
        // A server alone that gives tickets, and a client that does not look at them.
        plain.server.set_num_tickets(2).unwrap();
        let mut pair = plain.pair().open();
        pair.transfer(SERVER, b"hello");
        assert!(pair.client.socket.session().unwrap().is_none());
        pair.prove();
        let mut asks = contexts(&Setup { tls13, ..Setup::default() });
        asks.server.set_num_tickets(0).unwrap();
        let mut pair = asks.pair().open();
        pair.transfer(SERVER, b"hello");
        // Of TLS 1.2 there is the id that every server gives.
        assert_eq!(pair.client.socket.session().unwrap().is_some(), !tls13);
    }
}

#[test]
fn what_is_told_of_a_session() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let told = session.describe().unwrap();
        assert_eq!((told.id_len, told.has_ticket), (32, true));
        assert_eq!((told.time, told.timeout, told.lifetime_hint), (clock::date(), 86_400, 86_400));
        assert!(session.bytes().len() > 100);
    }
}

#[test]
fn saved_sessions_are_short() {
    for (suite, tls13, most) in [
        ("TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", false, 300),
        ("TLS1-3-AES-128-GCM-SHA256", true, 270),
        ("TLS1-3-AES-256-GCM-SHA384", true, 270),
    ] {
        if tls13 && !cfg!(tls13) {
            continue;
        }
        let mut contexts = contexts(&Setup { tls13, suites: &[suite], ..Setup::default() });
        let mut memory = contexts.client.memory();
        memory.keep_peer_cert = false;
        contexts.client.set_memory(memory).unwrap();
        let session = first(&mut contexts);
        println!("{suite}: {} bytes", session.bytes().len());
        assert!(session.bytes().len() <= most, "{suite}: {} bytes", session.bytes().len());
        let mut again = pair(&mut contexts, Some(&loaded(&session))).open();
        assert_eq!(reused(&again), [Some(true); 2]);
        assert!(again.client.socket.peer_cert().is_none() && again.client.socket.peer_verified());
        again.transfer(CLIENT, b"x");
    }
}

/// What a session belongs to: each of these is another context, or another host.
#[test]
fn a_session_of_other_settings_is_refused() {
    const REFUSED: Error = Error::Value(Invalid::SessionSettings);
    let changes: [(&str, Change); 10] = [
        ("keep_peer_cert", |of| {
            let mut memory = of.memory();
            memory.keep_peer_cert = false;
            of.set_memory(memory).unwrap();
        }),
        ("max_fragment_length", |of| {
            let mut memory = of.memory();
            memory.max_fragment_length = if cfg!(mbedtls_ssl_max_fragment_length) { 512 } else { 0 };
            if memory.max_fragment_length == 0 {
                of.set_verify_mode(1).unwrap();
            }
            of.set_memory(memory).unwrap();
        }),
        ("verify_mode", |of| of.set_verify_mode(1).unwrap()),
        ("nobody verifies", |of| of.set_verify_mode(0).unwrap()),
        ("check_hostname", |of| of.set_check_hostname(false).unwrap()),
        ("anchors", |of| of.load_verify_locations(&pki::cert("rsa")).unwrap()),
        ("credentials", |of| {
            of.load_cert_chain(Some(&pki::cert("client")), &pki::key("client"), None, true).unwrap();
        }),
        ("ALPN", |of| {
            #[cfg(mbedtls_ssl_alpn)]
            of.set_protocols(1, [&b"mqtt"[..]].into_iter()).unwrap();
            #[cfg(not(mbedtls_ssl_alpn))]
            of.set_verify_mode(1).unwrap();
        }),
        ("ciphers", |of| {
            of.set_ciphers(1, [&b"TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"[..]].into_iter()).unwrap();
        }),
        ("versions", |of| {
            // Where TLS 1.3 alone is left, or was to be.
            if of.has_tls13() {
                of.set_options(of.options() | sys::MPSSL_OP_NO_TLSV1_2).unwrap();
            } else {
                of.set_verify_mode(1).unwrap();
            }
        }),
    ];
    for &tls13 in VERSIONS {
        let setup = Setup { tls13, ..Setup::default() };
        let mut contexts = contexts(&setup);
        let session = first(&mut contexts);
        for (what, change) in &changes {
            let mut other = setup.client().unwrap();
            keep(&mut other);
            change(&mut other);
            for session in [&*session, &*loaded(&session)] {
                let result = try_pair(&mut other, &mut contexts.server, Some("localhost"), Some(session));
                assert_eq!(result.err(), Some(REFUSED), "{what}");
            }
        }
        // The same settings elsewhere are the same.
        let mut same = setup.client().unwrap();
        keep(&mut same);
        for name in ["other.example", "LOCALHOST"] {
            let result = try_pair(&mut same, &mut contexts.server, Some(name), Some(&session));
            assert_eq!(result.err(), Some(REFUSED), "{name}");
        }
        let pair =
            try_pair(&mut same, &mut contexts.server, Some("localhost"), Some(&session)).unwrap().open();
        assert_eq!(reused(&pair), [Some(true); 2]);
        // With a verifier of the host's, or another name to find, it is another session.
        let host = pki::with_nul("localhost".into());
        for assert_hostname in [&b"localhost\0"[..], b"other.example\0"] {
            let asserts = Some(assert_hostname);
            let options = Options { session: Some(&session), ..options(Some(&host), None) };
            let options = Options { assert_hostname: asserts, ..options };
            assert_eq!(Socket::new(&mut same, options).err(), Some(REFUSED));
        }
        let asks = Options { asks: true, session: Some(&session), ..options(Some(&host), None) };
        assert_eq!(Socket::new(&mut same, asks).err(), Some(REFUSED));
    }
}

#[test]
fn who_cannot_go_on_with_a_session() {
    const REFUSED: Error = Error::Value(Invalid::SessionUse);
    let mut contexts = contexts(&Setup::default());
    let session = first(&mut contexts);
    let with_session = |context: &mut Context| {
        let host = pki::with_nul("localhost".into());
        Socket::new(context, Options { session: Some(&session), ..options(Some(&host), None) }).err()
    };
    assert_eq!(with_session(&mut Setup::default().client().unwrap()), Some(REFUSED));
    assert_eq!(with_session(&mut contexts.server), Some(REFUSED));
    #[cfg(mbedtls_ssl_proto_dtls)]
    {
        let mut client = Setup { datagram: true, ..Setup::default() }.client().unwrap();
        keep(&mut client);
        assert_eq!(client.options() & sys::MPSSL_OP_NO_TICKET, sys::MPSSL_OP_NO_TICKET);
        assert_eq!(with_session(&mut client), Some(REFUSED));
        let mut server = Setup { datagram: true, ..Setup::default() }.server().unwrap();
        assert_eq!(server.set_num_tickets(1), Err(Error::Value(Invalid::Tickets)));
    }
    #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
    {
        let mut client = Setup::default().client().unwrap();
        keep(&mut client);
        client.set_psk(Some((b"me", b"0123456789abcdef"))).unwrap();
        assert_eq!(with_session(&mut client), Some(REFUSED));
    }
    assert_eq!(contexts.client.set_num_tickets(1), Err(Error::Value(Invalid::Tickets)));
    assert_eq!(contexts.server.set_num_tickets(5), Err(Error::Value(Invalid::Tickets)));
}

/// A ticket got where nobody verifies, shown where somebody does; and any other two configurations.
#[test]
fn tickets_belong_to_a_configuration() {
    for &tls13 in VERSIONS {
        let setup = Setup { tls13, ..Setup::default() };
        let mut contexts = contexts(&setup);
        let session = first(&mut contexts);
        let mut strict = Setup { server_trusts: Some("ca"), server_mode: 2, ..setup }.server().unwrap();
        strict.set_num_tickets(1).unwrap();
        let mut pair =
            try_pair(&mut contexts.client, &mut strict, Some("localhost"), Some(&loaded(&session))).unwrap();
        let (client, server) = pair.handshake();
        // It has no certificate to show. Of TLS 1.3 the client learns that later.
        assert!(server.is_err() && (tls13 || client.is_err()), "{client:?} {server:?}");
        for change in [
            (|of| of.set_verify_mode(1).unwrap()) as fn(&mut Context),
            |of| of.load_verify_locations(&pki::cert("rsa")).unwrap(),
            |of| of.load_cert_chain(Some(&pki::cert("ec")), &pki::key("ec"), None, true).unwrap(),
            |of| of.set_num_tickets(2).unwrap(),
        ] {
            let session = first(&mut contexts);
            change(&mut contexts.server);
            assert!(!resumes(&mut contexts, &session));
        }
        // An option of no account as well; and what is turned off gives nothing, and takes nothing.
        let session = first(&mut contexts);
        let off = contexts.server.options() | sys::MPSSL_OP_NO_TICKET;
        contexts.server.set_options(off).unwrap();
        assert_eq!(contexts.server.num_tickets(), 0);
        assert!(!resumes(&mut contexts, &session));
    }
}

/// A setting that is given what it is already changes nothing: clients come back with the tickets they have.
#[test]
fn equal_settings_are_no_change() {
    for &tls13 in VERSIONS {
        let suites = ["TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"];
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let again: [(&str, Change); 10] = [
            ("options", |of| of.set_options(of.options()).unwrap()),
            ("num_tickets", |of| of.set_num_tickets(of.num_tickets()).unwrap()),
            ("verify_mode", |of| of.set_verify_mode(of.verify_mode()).unwrap()),
            ("check_hostname", |of| of.set_check_hostname(false).unwrap()),
            ("memory", |of| of.set_memory(of.memory()).unwrap()),
            ("dtls", |of| of.set_dtls(of.dtls()).unwrap()),
            ("hibernate_after", |of| of.set_hibernate_after(of.hibernate_after())),
            ("versions", |of| of.set_version(false, -2).unwrap()),
            ("groups", |of| of.set_groups([&b"secp256r1"[..]].into_iter()).unwrap()),
            ("ALPN", |of| {
                #[cfg(mbedtls_ssl_alpn)]
                of.set_protocols(2, [&b"mqtt"[..], b"h2"].into_iter()).unwrap();
                let _ = of;
            }),
        ];
        for (_, set) in &again {
            set(&mut contexts.server);
        }
        let ciphers = |of: &mut Context| {
            of.set_ciphers(1, suites.iter().map(|name| name.as_bytes())).unwrap();
        };
        ciphers(&mut contexts.server);
        let mut session = first(&mut contexts);
        let mut goes_on = |contexts: &mut Contexts, what: &str| {
            let mut again = pair(contexts, Some(&session)).open();
            assert_eq!(reused(&again), [Some(true); 2], "{what}");
            session = session_of(&mut again);
            again.prove();
        };
        for (what, set) in &again {
            set(&mut contexts.server);
            goes_on(&mut contexts, what);
        }
        ciphers(&mut contexts.server);
        goes_on(&mut contexts, "ciphers");
        #[cfg(mbedtls_ssl_alpn)]
        {
            contexts.server.set_protocols(2, [&b"h2"[..], b"mqtt"].into_iter()).unwrap();
            assert!(!resumes(&mut contexts, &session));
        }
    }
}

#[test]
fn a_client_with_a_certificate() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::mutual() });
        let mut pair = pair(&mut contexts, None).open();
        pair.transfer(SERVER, b"hello");
        let session = pair.client.socket.session().unwrap();
        if tls13 {
            // The ticket would not hold who it is.
            assert!(session.is_none());
            continue;
        }
        let session = session.unwrap();
        let again = self::pair(&mut contexts, Some(&session)).open();
        assert_eq!(reused(&again), [Some(true); 2]);
        assert_eq!(again.server.socket.peer_cert(), Some(&pki::der("client")[..]));
        assert!(again.server.socket.peer_verified());
        again.prove();
    }
}

#[test]
fn no_ticket_where_the_host_is_to_be_asked() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let Contexts { client, server } = &mut contexts;
        for session in [None, Some(&*session)] {
            let mut pair = try_pair(client, server, Some("localhost"), session).unwrap();
            pair.server.socket = Socket::new(server, Options { asks: true, ..options(None, None) }).unwrap();
            let mut pair = pair.open();
            assert_eq!(reused(&pair), [Some(false); 2]);
            pair.transfer(SERVER, b"hello");
            let made = pair.client.socket.session().unwrap();
            assert!(made.is_none_or(|made| !made.describe().unwrap().has_ticket));
        }
    }
}

/// A ticket of TLS 1.3, which is sent in the clear, has no secret of TLS 1.2's in it.
#[test]
#[cfg(tls13)]
fn a_ticket_of_another_version() {
    let mut contexts = contexts(&Setup { tls13: true, ..Setup::default() });
    let session = first(&mut contexts);
    let of_tls13 = session.bytes();
    let mut old = self::contexts(&Setup::default());
    let of_tls12 = {
        // The same server: its context allows both versions.
        let mut pair =
            try_pair(&mut old.client, &mut contexts.server, Some("localhost"), None).unwrap().open();
        session_of(&mut pair)
    };
    // Mbed TLS's form: the ticket is last but for its lifetime, fragment length and EtM; of 1.3, last.
    let cert = pki::der("ec").len();
    let ticket_13 = {
        let saved = &of_tls13[37 - 4 + cert..of_tls13.len() - 4];
        let head = 9 + 4 + 1 + 1 + 48 + 2 + 8 + 4 + 2;
        let head = if saved[4 + 5 + 5] == 32 { head - 16 } else { head };
        saved[head..].to_vec()
    };
    let bytes = of_tls12.bytes();
    let start = 33 + cert;
    let saved = &bytes[start..bytes.len() - 4];
    let at = 9 + 8 + 1 + 32 + 48 + 4 + 3;
    let len = usize::from(saved[at + 1]) << 8 | usize::from(saved[at + 2]);
    let mut forged = bytes[..start + at].to_vec();
    // The secret that Mbed TLS would take from that ticket.
    forged[start + 9 + 8 + 1 + 32..][..48].fill(0);
    forged.extend([0, (ticket_13.len() >> 8) as u8, ticket_13.len() as u8]);
    forged.extend(&ticket_13);
    forged.extend(&saved[at + 3 + len..]);
    forged.extend([0; 4]);
    let forged = Session::load(&with_sum(forged)).expect("a session");
    assert!(forged.describe().unwrap().has_ticket);
    let pair =
        try_pair(&mut old.client, &mut contexts.server, Some("localhost"), Some(&forged)).unwrap().open();
    assert_eq!(reused(&pair), [Some(false); 2]);
    pair.prove();
}

#[test]
fn clocks() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let start = clock::date();
        let session = first(&mut contexts);
        for (later, goes_on) in [
            (0_i64, true),
            (DAY.cast_signed() - 1, true),
            (DAY.cast_signed(), false),
            (-1, false),
            // A board whose clock began in 2000, and one that has none.
            (946_684_800 - 1_800_000_000, false),
            (-1_800_000_000, false),
            (1_000_000_000, false),
        ] {
            clock::set_date(start.checked_add_signed(later).unwrap());
            let offers = |session: &Session| {
                let mut pair = pair(&mut contexts, Some(session));
                let _ = pair.client.handshake();
                let hello = pair.link.wire(CLIENT).transcript();
                // A ticket makes it longer.
                (hello.len(), pair)
            };
            let session = loaded(&session);
            let mut offers = offers;
            let (len, pair) = offers(&session);
            assert!((len > 300) == goes_on, "{later}: {len} {tls13}");
            drop(pair);
            if !goes_on {
                assert!(!resumes(&mut contexts, &loaded(&session)));
            }
        }
        clock::set_date(start);
    }
}

#[test]
fn a_certificate_that_has_expired_since() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let mut bytes = session.bytes().to_vec();
        // 14 bits of the year are in front.
        let year = |bytes: &[u8]| {
            u64::from_be_bytes([0, 0, 0, bytes[22], bytes[23], bytes[24], bytes[25], bytes[26]]) >> 26
        };
        assert!(year(&bytes) > 2025, "{}", year(&bytes));
        let past = (2001_u64 << 26 | 1 << 22 | 1 << 17).to_be_bytes();
        bytes[22..27].copy_from_slice(&past[3..]);
        assert!(!resumes(&mut contexts, &Session::load(&with_sum(bytes)).unwrap()));
        assert!(resumes(&mut contexts, &session));
    }
}

std::thread_local! {
    /// How far ahead the clock is by which Mbed TLS looks at certificates, in seconds.
    static AHEAD: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

/// C's, in the place of libc's.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
unsafe extern "C" fn time(to: *mut i64) -> i64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs().cast_signed());
    let now = now + AHEAD.get();
    if !to.is_null() {
        // SAFETY: by C's contract.
        unsafe { to.write(now) };
    }
    now
}

/// A ticket is refused when the client's certificate that is in it has expired since.
#[test]
#[cfg(target_os = "linux")]
fn a_ticket_with_a_certificate_that_has_expired_since() {
    /// Where certificates of the PKI end: 2050 begins.
    const END: i64 = 2_524_608_000;
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    AHEAD.set(END - now() - 3 * 3600);
    let mut contexts = contexts(&Setup::mutual());
    let session = first(&mut contexts);
    AHEAD.set(AHEAD.get() + 2 * 3600);
    assert!(resumes(&mut contexts, &loaded(&session)));
    // By the server's clock alone: it has the certificate shown anew.
    let before = AHEAD.get();
    let mut pair = pair(&mut contexts, Some(&loaded(&session)));
    let mut ended = Err(Error::WantRead);
    while ended == Err(Error::WantRead) {
        AHEAD.set(before);
        let _ = pair.client.handshake();
        AHEAD.set(before + 2 * 3600);
        ended = pair.server.handshake();
    }
    assert!(matches!(ended, Err(Error::Verify(_))), "{ended:?}");
}

/// What nobody has verified is not verified by going on with it.
#[test]
fn a_peer_that_is_not_verified() {
    for &tls13 in VERSIONS {
        let mut contexts =
            contexts(&Setup { tls13, client_mode: 1, client_trusts: None, ..Setup::default() });
        let session = first(&mut contexts);
        for session in [loaded(&session), session] {
            let pair = pair(&mut contexts, Some(&session)).open();
            assert_eq!(reused(&pair), [Some(true); 2]);
            assert!(pair.client.socket.peer_cert().is_some() && !pair.client.socket.peer_verified());
            assert!(!pair.server.socket.peer_verified());
            pair.prove();
        }
    }
}

#[test]
fn an_id_that_is_too_long() {
    let mut contexts = contexts(&Setup::default());
    let session = first(&mut contexts);
    let at = 33 + pki::der("ec").len() + 9 + 8;
    for (len, good) in [(0, true), (32, true), (33, false), (255, false)] {
        let mut bytes = session.bytes().to_vec();
        bytes[at] = len;
        assert_eq!(Session::load(&with_sum(bytes)).is_ok(), good, "{len}");
    }
}

/// A name that does not end, in the form of Mbed TLS's, which is none of ours.
#[test]
#[cfg(tls13)]
fn a_session_with_a_name() {
    let mut contexts = contexts(&Setup { tls13: true, ..Setup::default() });
    let session = first(&mut contexts);
    let key = 33 + pki::der("ec").len() + 9 + 4 + 1;
    let at = key + 1 + usize::from(session.bytes()[key]);
    for name in [&b"localhost\0"[..], b"localhost", b"x", b"\0"] {
        let mut bytes = session.bytes().to_vec();
        assert_eq!(bytes[at..at + 2], [0; 2]);
        bytes[at + 1] = name.len() as u8;
        bytes.splice(at + 2..at + 2, name.iter().copied());
        assert_eq!(Session::load(&with_sum(bytes)).err(), Some(Error::Value(Invalid::Session)));
    }
}

#[test]
fn bytes_that_are_no_session() {
    const REFUSED: Option<Error> = Some(Error::Value(Invalid::Session));
    for &tls13 in VERSIONS {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let bytes = session.bytes();
        for len in 0..bytes.len() {
            assert_eq!(Session::load(&bytes[..len]).err(), REFUSED, "{len}");
            // Likewise by whoever knows how to make a checksum.
            if len > 4 {
                let _ = Session::load(&with_sum(bytes[..len].to_vec()));
            }
        }
        for extra in [1, 40, 20_000] {
            let mut longer = bytes.to_vec();
            longer.extend(vec![0; extra]);
            assert_eq!(Session::load(&longer).err(), REFUSED);
            assert_eq!(Session::load(&with_sum(longer)).err(), REFUSED);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Session::load(&flipped).err(), REFUSED, "{bit}");
        }
    }
}

/// Whatever is in the bytes, a connection is made with it, or refused, or fails: it does not matter which.
#[test]
fn bytes_that_somebody_has_changed() {
    for &tls13 in VERSIONS {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let bytes = session.bytes();
        let saved = 33 + pki::der("ec").len();
        let mut dice = common::Dice::new(7);
        let mut offered = 0;
        for round in 0..3000 {
            let mut changed = bytes.to_vec();
            // What Mbed TLS reads is what matters; the binding stays.
            for _ in 0..=dice.roll(3) {
                let at = if round % 4 == 0 {
                    17 + dice.roll(changed.len() - 21)
                } else {
                    saved + dice.roll(changed.len() - 4 - saved)
                };
                changed[at] = dice.roll(256) as u8;
            }
            let Ok(session) = Session::load(&with_sum(changed)) else { continue };
            let _ = session.describe().unwrap();
            offered += 1;
            if offered % 8 != 0 {
                continue;
            }
            if let Ok(mut pair) =
                try_pair(&mut contexts.client, &mut contexts.server, Some("localhost"), Some(&session))
            {
                let _ = pair.handshake();
            }
        }
        assert!(offered > 100, "{offered}");
    }
}

/// There is room for a ticket in the buffer for its message, with a certificate or without.
#[test]
fn room_for_a_ticket() {
    for &tls13 in VERSIONS {
        for setup in [Setup::default(), Setup::mutual()] {
            let mut contexts = contexts(&Setup { tls13, ..setup });
            contexts.server.set_num_tickets(4).unwrap();
            #[cfg(mbedtls_ssl_alpn)]
            for context in [&mut contexts.client, &mut contexts.server] {
                context.set_protocols(1, [&[b'x'; 255][..]].into_iter()).unwrap();
            }
            let mut pair = pair(&mut contexts, None).open();
            pair.transfer(SERVER, b"hello");
            pair.prove();
        }
    }
}

/// Where a cipher that was given back is set up again, want of memory is no end: the other end may hold the
/// handshake for over.
#[cfg(all(debug_assertions, feature = "record-buffers"))]
#[allow(unsafe_code)]
fn is_set_up_again_or_waits(pair: &Pair, tls13: bool, (client, server): (Result<()>, Result<()>)) {
    use micropython_ssl::mbedtls::sys;
    let (end, result) = if tls13 { (&pair.server, server) } else { (&pair.client, client) };
    // SAFETY: the connection is set up, and no call of it is under way.
    let state = unsafe { (*end.socket.connection().as_ptr()).state };
    let there = [sys::MBEDTLS_SSL_CLIENT_CHANGE_CIPHER_SPEC, sys::MBEDTLS_SSL_HANDSHAKE_WRAPUP];
    assert!(result.is_ok() || there.iter().all(|there| *there as i32 != state), "{tls13} {state} {result:?}");
}

#[test]
fn without_memory() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let mut resumed = 0;
        for n in 0.. {
            let level = live();
            let session = loaded(&session);
            let mut pair = pair(&mut contexts, Some(&session));
            let (results, failed) = failing(n, true, || pair.handshake());
            if pair.resume(results) == (Ok(()), Ok(())) {
                resumed += usize::from(pair.client.socket.session_reused() == Some(true));
                pair.converse();
            }
            drop((pair, session));
            assert_eq!(live(), level, "from allocation {n} on");
            if !failed {
                break;
            }
        }
        // With buffers of its own, Mbed TLS has nothing that can be tried again.
        assert!(resumed > if cfg!(feature = "record-buffers") { 10 } else { 0 }, "{resumed}");
        for n in 0.. {
            let level = live();
            let session = loaded(&session);
            let run = || {
                let mut pair = loop {
                    let Contexts { client, server } = &mut contexts;
                    match try_pair(client, server, Some("localhost"), Some(&session)) {
                        Err(Error::NoMemory) => {}
                        pair => break pair.unwrap(),
                    }
                };
                let results = pair.handshake();
                (pair, results)
            };
            let ((mut pair, results), failed) = failing(n, false, run);
            #[cfg(all(debug_assertions, feature = "record-buffers"))]
            is_set_up_again_or_waits(&pair, tls13, results);
            if pair.resume(results) == (Ok(()), Ok(())) {
                resumed += usize::from(pair.client.socket.session_reused() == Some(true));
                pair.transfer(SERVER, b"hello");
                drop(pair.client.socket.session());
                pair.converse();
            }
            drop((pair, session));
            assert_eq!(live(), level, "allocation {n}");
            if !failed {
                break;
            }
        }
        assert!(resumed > 20, "{resumed}");
    }
}

/// A handshake that is over may lack memory for what a session is kept of: then there is none.
#[test]
fn a_session_is_whole_or_none() {
    for &tls13 in VERSIONS {
        for sleeps in [false, true] {
            let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
            let (mut missing, mut whole) = (0, 0);
            for n in 0.. {
                let mut pair = pair(&mut contexts, None);
                let (results, failed) = failing(n, false, || pair.handshake());
                if pair.resume(results) == (Ok(()), Ok(())) {
                    if sleeps && micropython_ssl::mbedtls::HIBERNATION {
                        let _ = pair.client.socket.hibernate();
                    }
                    pair.transfer(SERVER, b"hello");
                    if let Some(session) = pair.client.socket.session().unwrap() {
                        session.describe().unwrap();
                        assert!(resumes(&mut contexts, &loaded(&session)), "{tls13} {sleeps} {n}");
                        whole += 1;
                    } else {
                        missing += 1;
                    }
                }
                if !failed {
                    break;
                }
            }
            assert!(missing > 0 && whole > 0, "{missing} {whole}");
        }
    }
}

#[test]
fn a_session_that_hibernates() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let mut pair = pair(&mut contexts, Some(&session)).open();
        if micropython_ssl::mbedtls::HIBERNATION && pair.client.socket.hibernate() == Ok(true) {
            assert_eq!(pair.client.socket.session_reused(), Some(true));
            // A ticket comes when it is awake again.
            let next = session_of(&mut pair);
            assert_eq!(pair.client.socket.hibernate(), Ok(true));
            assert_eq!(pair.client.socket.session().unwrap().unwrap().bytes(), next.bytes());
            assert!(resumes(&mut contexts, &next));
        }
    }
}

#[test]
fn another_suite_than_the_ticket_has() {
    let mut contexts = contexts(&Setup::default());
    // The server prefers what the second hello has first: its own list is in another order.
    let suites =
        [&b"TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"[..], b"TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"];
    contexts.client.set_ciphers(1, suites[..1].iter().copied()).unwrap();
    let session = first(&mut contexts);
    let mut other = Setup::default().client().unwrap();
    keep(&mut other);
    other.set_ciphers(1, suites[1..].iter().copied()).unwrap();
    // As a foreign client would that does not keep to its session's suite.
    let mut pair = try_pair(&mut other, &mut contexts.server, Some("localhost"), None).unwrap().open();
    let new = session_of(&mut pair);
    let mut bytes = session.bytes().to_vec();
    bytes[1..17].copy_from_slice(&new.bytes()[1..17]);
    let suite = 33 + pki::der("ec").len() + 7;
    let of_new = 33 + pki::der("ec").len() + 7;
    bytes[suite..suite + 2].copy_from_slice(&new.bytes()[of_new..of_new + 2]);
    let forged = Session::load(&with_sum(bytes)).unwrap();
    let pair = try_pair(&mut other, &mut contexts.server, Some("localhost"), Some(&forged)).unwrap().open();
    assert_eq!(reused(&pair), [Some(false); 2]);
    pair.prove();
}

/// One bit of each record is another: the two sides never come to different ends, and nothing is lost.
#[test]
fn a_bit_in_each_record_of_a_resumed_handshake() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        for side in [CLIENT, SERVER] {
            for record in 0..7 {
                for at in [0, 1, 3, 4, 5, 9, 20, 43, 60, 120, 200] {
                    let _balance = Balance::start();
                    let session = loaded(&session);
                    let mut pair = pair(&mut contexts, Some(&session));
                    pair.link.wire(side).fault = Some(on_records(move |n, bytes| {
                        if n == record && at < bytes.len() {
                            bytes[at] ^= 1;
                        }
                        Fate::Arrives
                    }));
                    if pair.handshake() == (Ok(()), Ok(())) {
                        let [client, server] = reused(&pair);
                        assert_eq!(client, server, "side {side}, record {record}, byte {at}");
                    }
                    let _ = pair.client.poke();
                    let _ = pair.server.poke();
                    drop(pair.client.socket.session());
                }
            }
        }
    }
}

#[test]
fn resumed_handshakes_cut_anywhere() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        // The server goes by the real clock, and does not take a ticket whose age is wrong by seconds.
        let (date, begin) = (clock::date(), std::time::Instant::now());
        for side in [CLIENT, SERVER] {
            for len in 0.. {
                clock::set_date(date + begin.elapsed().as_secs());
                let session = loaded(&session);
                let mut pair = pair(&mut contexts, Some(&session));
                pair.link.wire(side).cut = Some(len);
                let results = pair.handshake();
                let sent: usize = pair.link.wire(side).sent.iter().map(Vec::len).sum();
                if len >= sent {
                    assert_eq!(results, (Ok(()), Ok(())));
                    assert_eq!(reused(&pair), [Some(true); 2]);
                    break;
                }
                // A ticket of TLS 1.3 comes behind the handshake, for the client.
                let is_ticket = tls13 && side == SERVER && results == (Ok(()), Ok(()));
                assert!(is_ticket || results.0.is_err() || results.1.is_err(), "{len} of {sent}");
            }
        }
    }
}

/// A server's versions.
#[cfg(tls13)]
fn with_versions(server: &mut Context, [lowest, highest]: [i32; 2]) {
    server.set_version(false, lowest).unwrap();
    server.set_version(true, highest).unwrap();
}

#[cfg(tls13)]
const TLS_1_2: i32 = 0x303;
#[cfg(tls13)]
const TLS_1_3: i32 = 0x304;

/// The session of a server that has this version, for a client that has both.
#[cfg(tls13)]
fn of_version(contexts: &mut Contexts, version: i32) -> mem::Box<Session> {
    with_versions(&mut contexts.server, [version; 2]);
    let mut pair = pair(contexts, None).open();
    assert_eq!(pair.client.socket.version(), Some(text_of(version)));
    let session = session_of(&mut pair);
    pair.prove();
    session
}

#[cfg(tls13)]
fn text_of(version: i32) -> &'static core::ffi::CStr {
    if version == TLS_1_3 { c"TLSv1.3" } else { c"TLSv1.2" }
}

/// A server may have another version by now than in its session: that is no more than a full handshake.
#[test]
#[cfg(tls13)]
fn a_server_of_another_version_than_the_session() {
    for (was, is, then) in [
        (TLS_1_3, [TLS_1_2, TLS_1_2], TLS_1_2),
        (TLS_1_2, [TLS_1_3, TLS_1_3], TLS_1_3),
        (TLS_1_2, [TLS_1_2, TLS_1_3], TLS_1_3),
        (TLS_1_3, [TLS_1_2, TLS_1_3], TLS_1_3),
    ] {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup { tls13: true, ..Setup::default() });
        let session = of_version(&mut contexts, was);
        with_versions(&mut contexts.server, is);
        for session in [loaded(&session), session] {
            let mut again = pair(&mut contexts, Some(&session)).open();
            assert_eq!(reused(&again), [Some(false); 2], "{was:x} {is:x?}");
            assert_eq!(again.client.socket.version(), Some(text_of(then)));
            assert_eq!(again.client.socket.peer_cert(), Some(&pki::der("ec")[..]));
            // Of TLS 1.2 there is the id, at least.
            let next = session_of(&mut again);
            again.prove();
            let next = pair(&mut contexts, Some(&next)).open();
            assert_eq!(next.client.socket.version(), Some(text_of(then)));
            assert_eq!(reused(&next), [Some(then == TLS_1_3); 2], "{was:x} {is:x?}");
        }
    }
}

/// Where the server has the session's version still, a client that has both goes on with it.
#[test]
#[cfg(tls13)]
fn a_client_of_both_versions_goes_on() {
    for version in [TLS_1_2, TLS_1_3] {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup { tls13: true, ..Setup::default() });
        let mut session = of_version(&mut contexts, version);
        for _ in 0..3 {
            let mut again = pair(&mut contexts, Some(&session)).open();
            assert_eq!(reused(&again), [Some(true); 2], "{version:x}");
            assert_eq!(again.client.socket.version(), Some(text_of(version)));
            assert_eq!(again.client.socket.peer_cert(), Some(&pki::der("ec")[..]));
            session = session_of(&mut again);
            again.prove();
        }
    }
}

/// A server that asks for another key share, with either session, or none any more.
#[test]
#[cfg(tls13)]
fn a_second_hello_is_as_the_first() {
    for (was, is, goes_on) in [
        (TLS_1_3, [TLS_1_3, TLS_1_3], true),
        (TLS_1_3, [TLS_1_2, TLS_1_3], false),
        (TLS_1_2, [TLS_1_2, TLS_1_3], false),
        (TLS_1_2, [TLS_1_3, TLS_1_3], false),
    ] {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup { tls13: true, ..Setup::default() });
        contexts.client.set_groups([&b"secp256r1"[..], b"secp384r1"].into_iter()).unwrap();
        contexts.server.set_groups([&b"secp384r1"[..]].into_iter()).unwrap();
        let session = of_version(&mut contexts, was);
        with_versions(&mut contexts.server, is);
        let pair = pair(&mut contexts, Some(&session)).open();
        assert_eq!(reused(&pair), [Some(goes_on); 2], "{was:x} {is:x?}");
        assert_eq!(pair.client.socket.version(), Some(c"TLSv1.3"));
        let transcript = pair.link.wire(CLIENT).transcript();
        let hellos: Vec<_> = hellos(&transcript);
        assert_eq!(hellos.len(), 2);
        // Random number, session id, suites, and which extensions there are.
        let parts = |hello: &[u8]| {
            let mut at = 4 + 2 + 32;
            at += 1 + usize::from(hello[at]);
            at += 2 + (usize::from(hello[at]) << 8 | usize::from(hello[at + 1]));
            at += 1 + usize::from(hello[at]);
            let head = hello[4..at].to_vec();
            let mut rest = &hello[at + 2..];
            let mut kinds = Vec::new();
            while let [a, b, c, d, tail @ ..] = rest {
                kinds.push((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])));
                rest = &tail[usize::from(kinds.last().unwrap().1)..];
            }
            (head, kinds)
        };
        let [(head, kinds), (second, again)] = [parts(hellos[0]), parts(hellos[1])];
        assert_eq!(head, second);
        // But for the share of a key, which is of another group.
        let others =
            |kinds: &[(u16, u16)]| -> Vec<_> { kinds.iter().copied().filter(|kind| kind.0 != 51).collect() };
        assert_eq!(others(&kinds), others(&again), "{was:x} {is:x?}");
        pair.prove();
    }
}

/// The ClientHellos in records.
#[cfg(tls13)]
fn hellos(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while bytes.len() > 5 {
        let len = usize::from(bytes[3]) << 8 | usize::from(bytes[4]);
        if bytes[0] == 22 && bytes[5] == 1 {
            found.push(&bytes[5..5 + len]);
        }
        bytes = &bytes[5 + len..];
    }
    found
}

/// TLS 1.2 takes a session for resumed by its id. A server that sends back what a client of TLS 1.3 made up
/// has resumed nothing: there is no secret of TLS 1.2.
#[test]
#[cfg(tls13)]
fn a_session_of_tls_1_3_is_none_of_tls_1_2() {
    let _balance = Balance::start();
    let mut contexts = contexts(&Setup { tls13: true, ..Setup::default() });
    let session = of_version(&mut contexts, TLS_1_3);
    with_versions(&mut contexts.server, [TLS_1_2; 2]);
    let mut pair = pair(&mut contexts, Some(&session));
    let _ = pair.client.handshake();
    let transcript = pair.link.wire(CLIENT).transcript();
    let hello = hellos(&transcript)[0].to_vec();
    assert_eq!(hello[38], 32);
    let suite = u16::from_be_bytes(session.bytes()[33 + pki::der("ec").len() + 7..][..2].try_into().unwrap());
    assert!(suite != 0);
    let id = hello[39..71].to_vec();
    pair.link.wire(SERVER).fault = Some(on_records(move |n, bytes| {
        if n == 0 {
            assert_eq!((bytes[5], bytes[43]), (2, 32));
            bytes[44..76].copy_from_slice(&id);
        }
        Fate::Arrives
    }));
    let results = pair.handshake();
    assert!(results.0.is_err() && results.1.is_err(), "{results:?}");
    // It went on to a key exchange, whose end does not fit what the server has sent.
    let transcript = pair.link.wire(CLIENT).transcript();
    let has_exchanged = transcript.windows(9).any(|at| at[..3] == [22, 3, 3] && at[5] == 16);
    assert!(has_exchanged);
}

/// Memory that is missing at any moment while versions differ: nothing worse than with it.
#[test]
#[cfg(tls13)]
fn another_version_without_memory() {
    for (was, is) in [(TLS_1_3, TLS_1_2), (TLS_1_2, TLS_1_3), (TLS_1_2, TLS_1_2)] {
        let mut contexts = contexts(&Setup { tls13: true, ..Setup::default() });
        let session = of_version(&mut contexts, was);
        with_versions(&mut contexts.server, [is; 2]);
        drop(pair(&mut contexts, None).open());
        for n in 0.. {
            let level = live();
            let session = loaded(&session);
            let run = || {
                let mut pair = loop {
                    let Contexts { client, server } = &mut contexts;
                    match try_pair(client, server, Some("localhost"), Some(&session)) {
                        Err(Error::NoMemory) => {}
                        pair => break pair.unwrap(),
                    }
                };
                let results = pair.handshake();
                (pair, results)
            };
            let ((mut pair, results), failed) = failing(n, false, run);
            if pair.resume(results) == (Ok(()), Ok(())) {
                assert_eq!(pair.client.socket.version(), Some(text_of(is)));
                pair.converse();
            }
            drop((pair, session));
            assert_eq!(live(), level, "allocation {n}");
            if !failed {
                break;
            }
        }
    }
}

/// Connections of a context with a cache, to whom it says; whether each goes on with one before.
fn cached(contexts: &mut Contexts, names: &[&str]) -> Vec<bool> {
    let visit = |name: &&str| {
        let Contexts { client, server } = &mut *contexts;
        let mut pair = try_pair(client, server, Some(name), None).unwrap().open();
        pair.transfer(SERVER, b"hello");
        let [client, server] = reused(&pair).map(Option::unwrap);
        assert_eq!(client, server);
        pair.prove();
        client
    };
    names.iter().map(visit).collect()
}

/// One that verifies no name, so that there may be several.
fn with_cache(tls13: bool, n: u8) -> Contexts {
    let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
    contexts.client.set_check_hostname(false).unwrap();
    let options = contexts.client.options() | sys::MPSSL_OP_NO_TICKET;
    contexts.client.set_options(options).unwrap();
    contexts.client.set_session_cache_size(n).unwrap();
    contexts
}

#[test]
fn a_cache_goes_on_by_itself() {
    for &tls13 in VERSIONS {
        let _balance = Balance::start();
        let mut contexts = with_cache(tls13, 2);
        assert_eq!(contexts.client.session_cache_size(), 2);
        assert_eq!(
            cached(&mut contexts, &["a", "a", "a", "b", "a", "b"]),
            [false, true, true, false, true, true]
        );
        // There is room for two: the one that was used longest ago goes.
        assert_eq!(cached(&mut contexts, &["c", "b", "a", "b", "c"]), [false, true, false, true, false]);
        // Other settings, and those of before again.
        let mut memory = contexts.client.memory();
        memory.keep_peer_cert = false;
        contexts.client.set_memory(memory).unwrap();
        assert_eq!(cached(&mut contexts, &["c", "c"]), [false, true]);
        memory.keep_peer_cert = true;
        contexts.client.set_memory(memory).unwrap();
        assert_eq!(cached(&mut contexts, &["c"]), [true]);
        // An equal number is no change; another begins anew, and none is none.
        contexts.client.set_session_cache_size(2).unwrap();
        assert_eq!(cached(&mut contexts, &["c"]), [true]);
        contexts.client.set_session_cache_size(3).unwrap();
        assert_eq!(cached(&mut contexts, &["c", "c"]), [false, true]);
        contexts.client.set_session_cache_size(0).unwrap();
        assert_eq!(cached(&mut contexts, &["c", "c"]), [false, false]);
    }
}

#[test]
fn who_has_no_cache() {
    let refused = Err(Error::Value(Invalid::SessionCache));
    let mut contexts = contexts(&Setup::default());
    assert_eq!(contexts.server.set_session_cache_size(1), refused);
    assert_eq!(contexts.server.set_session_cache_size(0), Ok(()));
    assert_eq!(contexts.client.set_session_cache_size(33), refused);
    // A verifier of the host's is asked each time.
    contexts.client.set_session_cache_size(1).unwrap();
    let host = pki::with_nul("localhost".into());
    for _ in 0..2 {
        let asks = Options { asks: true, ..options(Some(&host), None) };
        let (link, client_port, server_port) = Link::new(false);
        let mut pair = Pair {
            client: common::End {
                socket: Socket::new(&mut contexts.client, asks).unwrap(),
                port: client_port,
            },
            server: common::End {
                socket: Socket::new(&mut contexts.server, options(None, None)).unwrap(),
                port: server_port,
            },
            link,
        }
        .open();
        pair.transfer(SERVER, b"hello");
        assert_eq!(reused(&pair), [Some(false); 2]);
    }
}

/// What the server refused, or whose handshake failed, or is under way, is not offered again.
#[test]
fn a_cached_session_is_offered_once() {
    for &tls13 in VERSIONS {
        let _balance = Balance::start();
        let mut contexts = with_cache(tls13, 4);
        assert_eq!(cached(&mut contexts, &["a", "a"]), [false, true]);
        // Two at once: one of them has it.
        let Contexts { client, server } = &mut contexts;
        let [one, other] = [(); 2].map(|()| try_pair(client, server, Some("a"), None).unwrap());
        assert_eq!([one, other].map(|pair| reused(&pair.open())[CLIENT]), [Some(true), Some(false)]);
        // A handshake that is cut.
        drop(try_pair(client, server, Some("a"), None).unwrap().open());
        assert!(cached(&mut contexts, &["a", "a"])[1]);
        let Contexts { client, server } = &mut contexts;
        let mut pair = try_pair(client, server, Some("a"), None).unwrap();
        pair.link.wire(SERVER).cut = Some(20);
        assert!(pair.handshake().0.is_err());
        assert_eq!(cached(&mut contexts, &["a", "a"]), [false, true]);
        // A server that has other keys now.
        contexts.server.set_num_tickets(2).unwrap();
        assert_eq!(cached(&mut contexts, &["a", "a"]), [false, true]);
        // A session that is given has no need of it, and the next is kept.
        let mut pair = try_pair(&mut contexts.client, &mut contexts.server, Some("a"), None).unwrap().open();
        let session = session_of(&mut pair);
        let Contexts { client, server } = &mut contexts;
        let mut pair = try_pair(client, server, Some("a"), Some(&session)).unwrap().open();
        assert_eq!(reused(&pair), [Some(true); 2]);
        pair.transfer(SERVER, b"hello");
        assert_eq!(cached(&mut contexts, &["a"]), [true]);
        // By another clock it is of no use, and does no harm.
        let date = clock::date();
        for later in [DAY.cast_signed(), -1, -1_800_000_000] {
            clock::set_date(date.checked_add_signed(later).unwrap());
            assert_eq!(cached(&mut contexts, &["a"]), [false], "{later}");
        }
        clock::set_date(date);
    }
}

#[test]
fn a_cache_without_memory() {
    for &tls13 in VERSIONS {
        let mut contexts = with_cache(tls13, 1);
        assert_eq!(cached(&mut contexts, &["a", "a"]), [false, true]);
        let mut resumed = 0;
        for n in 0.. {
            let run = || {
                let mut pair = loop {
                    let Contexts { client, server } = &mut contexts;
                    match try_pair(client, server, Some("a"), None) {
                        Err(Error::NoMemory) => {}
                        pair => break pair.unwrap(),
                    }
                };
                let results = pair.handshake();
                (pair, results)
            };
            let ((mut pair, results), failed) = failing(n, false, run);
            if pair.resume(results) == (Ok(()), Ok(())) {
                resumed += usize::from(pair.client.socket.session_reused() == Some(true));
                pair.transfer(SERVER, b"hello");
                pair.converse();
            }
            drop(pair);
            if !failed {
                break;
            }
        }
        assert!(resumed > 10, "{resumed}");
    }
}

/// Of two connections that begin at once, one may have a newer session before the other gives its back.
#[test]
fn what_is_put_back_replaces_nothing() {
    let _balance = Balance::start();
    for &tls13 in VERSIONS {
        let mut contexts = with_cache(tls13, 2);
        assert_eq!(cached(&mut contexts, &["a"]), [false]);
        let cache = contexts.client.session_cache().unwrap().clone();
        let bytes_of = |contexts: &mut Contexts, name: &str| {
            let binding = contexts.client.binding([Some(&pki::with_nul(name.into())), None], false).unwrap();
            let lent = Lent::new(&cache, Key { binding, port: 0 });
            lent.session().map(|session| session.bytes().to_vec())
        };
        let older = bytes_of(&mut contexts, "a").unwrap();
        assert_eq!(bytes_of(&mut contexts, "a"), Some(older.clone()));
        let binding = contexts.client.binding([Some(b"a\0"), None], false).unwrap();
        let lent = Lent::new(&cache, Key { binding, port: 0 });
        assert_eq!(lent.session().unwrap().bytes(), older);
        assert_eq!(cached(&mut contexts, &["a"]), [false]);
        let newer = bytes_of(&mut contexts, "a").unwrap();
        assert!(newer != older);
        drop(lent);
        assert_eq!(bytes_of(&mut contexts, "a"), Some(newer.clone()));
        // Nor one of another host, where there is no more room.
        let lent = Lent::new(&cache, Key { binding, port: 0 });
        assert_eq!(cached(&mut contexts, &["b", "c"]), [false; 2]);
        drop(lent);
        assert_eq!(bytes_of(&mut contexts, "a"), None);
        assert!(bytes_of(&mut contexts, "b").is_some() && bytes_of(&mut contexts, "c").is_some());
        // With room it is there again.
        let lent = Lent::new(
            &cache,
            Key { binding: contexts.client.binding([Some(b"c\0"), None], false).unwrap(), port: 0 },
        );
        assert_eq!(contexts.client.cached_sessions(), 1);
        drop(lent);
        assert_eq!(contexts.client.cached_sessions(), 2);
        assert_eq!(cached(&mut contexts, &["c", "b"]), [true; 2]);
    }
}

/// What is counted is what happened.
#[test]
fn what_the_connections_came_to() {
    let told = |of: &Context| {
        let stats = of.stats();
        [&stats.begun, &stats.good, &stats.hits, &stats.misses, &stats.timeouts].map(|count| count.get())
    };
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let idle = pair(&mut contexts, None);
        assert_eq!((told(&contexts.client), told(&contexts.server)), ([0; 5], [0; 5]));
        drop(idle);
        let session = first(&mut contexts);
        assert_eq!((told(&contexts.client), told(&contexts.server)), ([1, 1, 0, 0, 0], [1, 1, 0, 0, 0]));
        assert!(resumes(&mut contexts, &loaded(&session)));
        assert_eq!((told(&contexts.client), told(&contexts.server)), ([2, 2, 1, 0, 0], [2, 2, 1, 0, 0]));
        // Another setting is another key, and the counts are the context's.
        contexts.server.set_verify_mode(1).unwrap();
        assert!(!resumes(&mut contexts, &loaded(&session)));
        assert_eq!((told(&contexts.client), told(&contexts.server)), ([3, 3, 1, 0, 0], [3, 3, 1, 1, 0]));
        // One that fails has begun.
        let mut strict = Setup { tls13, ..Setup::default() }.client().unwrap();
        let mut failed = try_pair(&mut strict, &mut contexts.server, Some("other.example"), None).unwrap();
        let (client, server) = failed.handshake();
        assert!(client.is_err() && server.is_err());
        assert_eq!((told(&strict), told(&contexts.server)), ([1, 0, 0, 0, 0], [4, 3, 1, 1, 0]));
    }
}

/// A session that is set on a connection does what one does that it is made with.
#[test]
fn a_session_that_is_set() {
    for &tls13 in VERSIONS {
        let _balance = Balance::start();
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let mut again = pair(&mut contexts, None);
        again.client.socket.set_session(&session).unwrap();
        again = again.open();
        assert_eq!(reused(&again), [Some(true); 2]);
        assert_eq!(again.client.socket.peer_cert(), Some(&pki::der("ec")[..]));
        assert!(again.client.socket.peer_verified());
        const LATE: Result<()> = Err(Error::Value(Invalid::SessionLate));
        let next = session_of(&mut again);
        assert_eq!(again.client.socket.set_session(&next), LATE);
        again.prove();
        // Of several the last one counts, whatever was there before.
        let other = first(&mut contexts);
        let old = loaded(&first(&mut contexts));
        for with in [None, Some(&*old)] {
            let mut pair = pair(&mut contexts, with);
            for session in [&next, &other, &next] {
                pair.client.socket.set_session(&loaded(session)).unwrap();
            }
            let pair = pair.open();
            assert_eq!(reused(&pair), [Some(true); 2]);
            pair.prove();
        }
        // One of TLS 1.3 that was used is none: nor is the one before it.
        assert!(resumes(&mut contexts, &next));
        let mut pair = pair(&mut contexts, Some(&loaded(&other)));
        pair.client.socket.set_session(&next).unwrap();
        let mut pair = pair.open();
        assert_eq!(reused(&pair), [Some(!tls13); 2]);
        assert!(pair.client.socket.peer_verified());
        session_of(&mut pair);
        pair.prove();
    }
}

#[test]
fn a_session_that_must_not_be_set() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        // Once the hello is out.
        let mut begun = pair(&mut contexts, None);
        assert_eq!(begun.client.handshake(), Err(Error::WantRead));
        assert_eq!(begun.client.socket.set_session(&session), Err(Error::Value(Invalid::SessionLate)));
        let begun = begun.open();
        assert_eq!(reused(&begun), [Some(false); 2]);
        begun.prove();
        // Of other settings, after which all is as it was.
        let good = loaded(&session);
        let mut other = pair(&mut contexts, Some(&good));
        contexts.client.set_verify_mode(1).unwrap();
        let foreign = first(&mut contexts);
        assert_eq!(other.client.socket.set_session(&foreign), Err(Error::Value(Invalid::SessionSettings)));
        let other = other.open();
        assert_eq!(reused(&other), [Some(true); 2]);
        other.prove();
        // Where there are none.
        let mut plain = Contexts::new(&Setup { tls13, ..Setup::default() });
        let mut pair = plain.pair();
        assert_eq!(pair.client.socket.set_session(&session), Err(Error::Value(Invalid::SessionUse)));
        assert_eq!(pair.server.socket.set_session(&session), Err(Error::Value(Invalid::SessionUse)));
        pair.open().prove();
    }
}

#[test]
fn a_session_is_set_without_memory() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        let mut n = 0;
        loop {
            let _balance = Balance::start();
            let mut pair = pair(&mut contexts, None);
            let copy = loaded(&session);
            let (result, _) = failing(n, false, || pair.client.socket.set_session(&copy));
            let refused = result == Err(Error::NoMemory);
            assert!(refused || result.is_ok(), "{n}: {result:?}");
            // As C does when it has collected garbage; or it goes on without.
            if refused && n % 2 == 0 {
                pair.client.socket.set_session(&copy).unwrap();
            }
            let pair = pair.open();
            assert_eq!(reused(&pair), [Some(!refused || n % 2 == 0); 2], "{n}");
            assert!(pair.client.socket.peer_verified());
            pair.prove();
            if !refused {
                break;
            }
            n += 1;
        }
        // Fixed buffers are there already.
        assert!(n > if cfg!(feature = "record-buffers") { 3 } else { 0 }, "{n}");
    }
}

/// Servers of one name do not take turns where their ports are known; and a session that a program has is
/// good for any.
#[test]
fn a_cache_tells_ports_apart() {
    for &tls13 in VERSIONS {
        let _balance = Balance::start();
        let mut contexts = with_cache(tls13, 3);
        let mut found = Vec::new();
        let mut kept = None;
        for port in [443, 8883, 443, 8883, 0, 443, 0, 8883] {
            let (link, client_port, server_port) = Link::new(false);
            let Contexts { client, server } = &mut contexts;
            let of_client = Options { port, ..options(Some(b"localhost\0"), None) };
            let mut pair = Pair {
                client: common::End { socket: Socket::new(client, of_client).unwrap(), port: client_port },
                server: common::End {
                    socket: Socket::new(server, options(None, None)).unwrap(),
                    port: server_port,
                },
                link,
            }
            .open();
            pair.transfer(SERVER, b"hello");
            found.push(pair.client.socket.session_reused().unwrap());
            kept = pair.client.socket.session().unwrap();
            pair.prove();
        }
        assert_eq!(found, [false, false, true, true, false, true, true, true]);
        assert!(resumes(&mut contexts, &loaded(&kept.unwrap())));
    }
}

/// What a client that goes on has of memory at most while it handshakes: with or without a certificate that
/// the session has, the same.
#[test]
fn a_certificate_is_not_there_twice() {
    for &tls13 in VERSIONS {
        let peaks = [false, true].map(|keep_peer_cert| {
            let _balance = Balance::start();
            let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
            let mut memory = contexts.client.memory();
            memory.keep_peer_cert = keep_peer_cert;
            contexts.client.set_memory(memory).unwrap();
            let session = first(&mut contexts);
            let mut pair = pair(&mut contexts, Some(&session));
            let mut peak = 0;
            loop {
                let before = live().bytes;
                take_peak();
                let result = pair.client.handshake();
                peak = peak.max(take_peak());
                if result.is_ok() {
                    break;
                }
                let _ = pair.server.handshake();
                assert!(before > 0);
            }
            assert_eq!(pair.client.socket.peer_cert().is_some(), keep_peer_cert);
            // What is left of it is the connection's own.
            let bytes = session.bytes().len();
            drop(session);
            assert_eq!(pair.client.socket.peer_cert().is_some(), keep_peer_cert);
            let pair = pair.open();
            pair.prove();
            peak - bytes
        });
        assert_eq!(peaks[0], peaks[1], "{tls13}");
    }
}

/// Who resumes at TLS 1.2 has the ciphers of both directions only when the handshake's own memory is gone.
#[test]
#[cfg_attr(any(not(feature = "hibernation"), feature = "exported-keys"), ignore = "the keys cannot be read")]
fn one_cipher_at_a_time() {
    // On a 64-bit machine: of GCM; what the hash of a Finished takes; of records that come and go.
    const CIPHER: usize = 624;
    const FINISHED: usize = 800;
    const RECORDS: usize = 300;
    let suites = &["TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"][..];
    let mut contexts = contexts(&Setup { suites, ..Setup::default() });
    let session = first(&mut contexts);
    let mut pair = pair(&mut contexts, Some(&session));
    assert_eq!(pair.client.handshake(), Err(Error::WantRead));
    assert_eq!(pair.server.handshake(), Err(Error::WantRead));
    let before = live().bytes;
    take_peak();
    assert_eq!(pair.client.handshake(), Ok(()));
    let most = take_peak() - before;
    assert!(most <= CIPHER + FINISHED + RECORDS, "{most}");
    assert_eq!(pair.client.socket.session_reused(), Some(true));
    pair.open().prove();
}

/// Without memory for a certificate of its own, a connection has that of its session.
#[test]
fn a_certificate_without_memory() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let session = first(&mut contexts);
        for n in 0.. {
            let _balance = Balance::start();
            let copy = loaded(&session);
            let mut pair = pair(&mut contexts, Some(&copy));
            drop(copy);
            let (results, failed) = failing(n, false, || pair.handshake());
            if pair.resume(results) == (Ok(()), Ok(())) {
                assert_eq!(pair.client.socket.peer_cert(), Some(&pki::der("ec")[..]), "{n}");
                if micropython_ssl::mbedtls::HIBERNATION {
                    let (slept, _) = failing(0, false, || pair.client.socket.hibernate());
                    assert!(matches!(slept, Ok(_) | Err(Error::NoMemory)));
                    assert_eq!(pair.client.socket.peer_cert(), Some(&pki::der("ec")[..]), "{n}");
                    let _ = pair.client.socket.hibernate();
                }
                assert_eq!(pair.client.socket.peer_cert(), Some(&pki::der("ec")[..]), "{n}");
                pair.converse();
            }
            drop(pair);
            if !failed {
                break;
            }
        }
    }
}

/// A session of a client that verified nobody, or less, for one that does; as it is, and from bytes.
#[test]
fn a_session_that_nobody_verified() {
    const REFUSED: Error = Error::Value(Invalid::SessionSettings);
    for &tls13 in VERSIONS {
        let strict = Setup { tls13, ..Setup::default() };
        for client_mode in [0, 1] {
            for client_trusts in [None, Some("ca")] {
                let mut lax = contexts(&Setup { client_mode, client_trusts, tls13, ..Setup::default() });
                lax.client.set_check_hostname(false).unwrap();
                lax.client.set_verify_mode(client_mode).unwrap();
                let session = first(&mut lax);
                for session in [&*session, &*loaded(&session)] {
                    let mut client = strict.client().unwrap();
                    keep(&mut client);
                    let result = try_pair(&mut client, &mut lax.server, Some("localhost"), Some(session));
                    assert_eq!(result.err(), Some(REFUSED));
                    let mut pair = try_pair(&mut client, &mut lax.server, Some("localhost"), None).unwrap();
                    assert_eq!(pair.client.socket.set_session(session), Err(REFUSED));
                    let pair = pair.open();
                    assert_eq!(reused(&pair), [Some(false); 2]);
                    pair.prove();
                }
            }
        }
    }
}

/// What else of a server's settings says who may come: other keys, or none.
#[test]
fn tickets_and_who_may_come() {
    for &tls13 in VERSIONS {
        let mut contexts = contexts(&Setup { tls13, ..Setup::default() });
        let changes: &[Change] = &[
            #[cfg(mbedtls_ssl_alpn)]
            |of| of.set_protocols(1, [&b"mqtt"[..]].into_iter()).unwrap(),
            |of| of.set_ciphers(1, [&b"TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"[..]].into_iter()).unwrap(),
        ];
        for change in changes {
            let session = first(&mut contexts);
            let mut other = Setup { tls13, ..Setup::default() }.server().unwrap();
            other.set_num_tickets(1).unwrap();
            let mut pair =
                try_pair(&mut contexts.client, &mut other, Some("localhost"), Some(&loaded(&session)))
                    .unwrap();
            assert_eq!(pair.handshake(), (Ok(()), Ok(())));
            assert_eq!(reused(&pair), [Some(false); 2], "another context has other keys");
            if tls13 {
                // Its suites of TLS 1.3 are to stay.
                contexts.server.set_verify_mode(1).unwrap();
                contexts.server.set_verify_mode(0).unwrap();
            } else {
                change(&mut contexts.server);
            }
            assert!(!resumes(&mut contexts, &session));
        }
        #[cfg(mbedtls_ssl_handshake_with_psk_enabled)]
        {
            let session = first(&mut contexts);
            contexts.server.ask_for_psk(true, b"").unwrap();
            let mut pair = pair(&mut contexts, Some(&session));
            let _ = pair.handshake();
            assert_ne!(pair.server.socket.session_reused(), Some(true));
        }
    }
}
