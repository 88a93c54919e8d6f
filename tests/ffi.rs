// SPDX-License-Identifier: MIT OR Apache-2.0
//! The border as C sees it: every export once, with an owner whose call-outs do as they are told.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::ffi::{CStr, c_void};
use std::ptr::null_mut;

use common::{Balance, CLIENT, Link, Port, SERVER, options, pattern, pki, tls12};
use micropython_ssl::context::Context;
use micropython_ssl::ffi::*;
use micropython_ssl::io::Interruption;
use micropython_ssl::micropython_sys::mpssl_options_t;
use micropython_ssl::socket::Socket;

/// `MPSSL_*` statuses.
const OK: i32 = 0;
const WANT_READ: i32 = 1;
const RAISED: i32 = 3;
const ERRNO: i32 = 4;
const VALUE: i32 = 7;
const CERT_MISSING: i32 = 9;

/// `mpssl_bytes_t` has no name on this side of the border, but the exports take what it looks like.
macro_rules! bytes {
    ($template:expr, $bytes:expr) => {{
        let mut bytes = $template;
        let given: Option<&[u8]> = $bytes;
        bytes.data = given.map_or(std::ptr::null(), <[u8]>::as_ptr);
        bytes.len = given.map_or(0, <[u8]>::len);
        bytes
    }};
}

/// One side: its context, connection, and port for an owner.
struct Side {
    context: *mut Context,
    socket: *mut Socket,
    port: Box<Port>,
}

impl Side {
    fn owner(&mut self) -> *mut c_void {
        std::ptr::from_mut(&mut *self.port).cast()
    }

    fn socket(&mut self) -> &mut Socket {
        // SAFETY: from mpssl_socket_new, not freed before this.
        unsafe { &mut *self.socket }
    }

    fn handshake(&mut self) -> (i32, i32) {
        let owner = self.owner();
        let status = mpssl_socket_handshake(self.socket(), owner);
        (status.kind, status.code)
    }

    fn write(&mut self, bytes: &[u8]) -> ((i32, i32), usize) {
        let (owner, mut done) = (self.owner(), 0);
        // SAFETY: the slice is valid.
        let status = unsafe {
            mpssl_socket_write(self.socket(), owner, bytes.as_ptr(), bytes.len(), false, &mut done)
        };
        ((status.kind, status.code), done)
    }

    fn read(&mut self, bytes: &mut [u8]) -> ((i32, i32), usize) {
        let (owner, mut done) = (self.owner(), 0);
        // SAFETY: as in `write`.
        let status = unsafe {
            mpssl_socket_read(self.socket(), owner, bytes.as_mut_ptr(), bytes.len(), false, &mut done)
        };
        ((status.kind, status.code), done)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // SAFETY: both from their makers, or NULL; the context may go first.
        unsafe {
            mpssl_context_free(self.context);
            mpssl_socket_free(self.socket);
        }
    }
}

fn side(protocol: i32, mode: i32, port: Port, host_signs: bool) -> Side {
    let mut context = null_mut();
    // SAFETY: the pointers are valid, and the bytes followed by a NUL.
    unsafe {
        assert_eq!(mpssl_context_new(protocol, mode, false, &raw mut context).kind, OK);
        assert_eq!(mpssl_context_set_version(&mut *context, true, 0x303).kind, OK);
        let mut side = Side { context, socket: null_mut(), port: Box::new(port) };
        let context = &mut *context;
        assert_eq!(mpssl_context_is_server(context), protocol == 1);
        assert_eq!(mpssl_context_verify_mode(context), mode);
        // A socket that does not exist has no certificate: the template for bytes.
        let mut probe = null_mut();
        let mut plain = tls12(Context::new(1, 0));
        let template = mpssl_socket_peer_cert(&Socket::new(&mut plain, options(None, None)).unwrap());
        let none = bytes!(template, None);
        let (cert, key, ca) = (pki::cert("ec"), pki::key("ec"), pki::cert("ca"));
        let bare = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
        let (cert_len, key_len) = (bare(&cert).len(), bare(&key).len());
        if protocol == 1 {
            let (cert, key) =
                (bytes!(template, Some(&cert[..cert_len])), bytes!(template, Some(&key[..key_len])));
            let load = |context: &mut Context, cert, key| {
                mpssl_context_load_cert_chain(context, cert, key, bytes!(template, None), true)
            };
            assert_eq!(load(context, none, key).kind, CERT_MISSING);
            let status = load(context, cert, none);
            assert_eq!((status.kind, status.code), (VALUE, 0));
            assert_eq!(load(context, cert, key).kind, OK);
        } else {
            let nothing = mpssl_context_load_verify_locations(context, none);
            assert_eq!((nothing.kind, nothing.code), (VALUE, 1));
            let ca = bytes!(template, Some(&ca[..ca.len() - 1]));
            assert_eq!(mpssl_context_load_verify_locations(context, ca).kind, OK);
            let names = [bytes!(template, Some(b"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"))];
            assert_eq!(mpssl_context_set_ciphers(context, names.as_ptr(), 1).kind, OK);
            assert_eq!(mpssl_context_set_ciphers(context, std::ptr::null(), 0).code, -24192);
            let first = CStr::from_ptr(mpssl_context_cipher(context, 0));
            assert_eq!(first, c"TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256");
            assert!(mpssl_context_cipher(context, 1).is_null());
            let options = mpssl_options_t {
                hostname: none,
                assert_hostname: none,
                client_id: none,
                host_signs: false,
                hello_verify: true,
                asks: false,
                port: 0,
                session: std::ptr::null(),
            };
            let status = mpssl_socket_new(context, options, &raw mut probe);
            assert_eq!((status.kind, status.code, probe), (VALUE, 3, null_mut()), "no host name");
        }
        let host = (protocol == 0).then_some(b"localhost\0".as_slice());
        let host = bytes!(template, host.map(|host| &host[..9]));
        let options = mpssl_options_t {
            hostname: host,
            assert_hostname: none,
            client_id: none,
            host_signs,
            hello_verify: true,
            asks: false,
            port: 0,
            session: std::ptr::null(),
        };
        assert_eq!(mpssl_socket_new(context, options, &raw mut side.socket).kind, OK);
        side
    }
}

#[test]
fn a_conversation() {
    let _balance = Balance::start();
    let (link, client_port, server_port) = Link::new(false);
    let (mut client, mut server) = (side(0, 2, client_port, false), side(1, 0, server_port, false));
    assert!(mpssl_socket_cipher(client.socket()).is_null());
    assert!(mpssl_socket_version(client.socket()).is_null());

    // Each way to interrupt crosses the border, and back.
    for (why, expected) in [
        (Interruption::WouldBlock, (2, 0)),
        (Interruption::Raised, (RAISED, 0)),
        (Interruption::Errno(113), (ERRNO, 113)),
    ] {
        client.port.interrupt_at(0, why);
        assert_eq!(client.handshake(), expected);
    }
    client.port.unblock();
    assert_eq!(client.handshake(), (WANT_READ, 0));
    server.port.interrupt_at(0, Interruption::Errno(110));
    assert_eq!(server.handshake(), (ERRNO, 110));
    server.port.unblock();
    for _ in 0..3 {
        assert!([OK, WANT_READ].contains(&server.handshake().0));
        assert!([OK, WANT_READ].contains(&client.handshake().0));
    }
    assert_eq!((client.handshake(), server.handshake()), ((OK, 0), (OK, 0)));
    assert_eq!(client.port.judged.len(), 2);

    // SAFETY: static strings, and a certificate that lives with the socket.
    unsafe {
        let cipher = CStr::from_ptr(mpssl_socket_cipher(client.socket()));
        assert_eq!(cipher, c"TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256");
        assert_eq!(CStr::from_ptr(mpssl_socket_version(client.socket())), c"TLSv1.2");
        let cert = mpssl_socket_peer_cert(client.socket());
        assert_eq!(std::slice::from_raw_parts(cert.data, cert.len), pki::der("ec"));
        assert!(mpssl_socket_peer_cert(server.socket()).data.is_null());
        assert!(mpssl_socket_peer_verified(client.socket()));
        assert!(!mpssl_socket_peer_verified(server.socket()));
        let (mut tokens, mut len) = ([0; 600], 0);
        assert_eq!(mpssl_certificate_describe(cert, null_mut(), 0, &raw mut len).kind, OK);
        assert_eq!(mpssl_certificate_describe(cert, tokens.as_mut_ptr(), len, &raw mut len).kind, OK);
        assert!(tokens.starts_with(b"version\xff\xfc\x03serialNumber\xff"));
        assert_eq!((tokens[len - 1], tokens[len]), (0xfd, 0));
        let cut = bytes!(cert, Some(&pki::der("ec")[..300]));
        let status = mpssl_certificate_describe(cut, null_mut(), 0, &raw mut len);
        assert_eq!((status.kind, status.code), (VALUE, 1));
    }

    let (data, mut buf) = (pattern(1000), [0; 600]);
    assert_eq!(client.write(&data), ((OK, 0), 1000));
    assert_eq!(server.read(&mut buf), ((OK, 0), 600));
    assert_eq!(buf, data[..600]);
    assert_eq!(mpssl_socket_pending(server.socket()), 400);
    let mut ask = 99;
    assert_eq!((mpssl_socket_poll(server.socket(), 1, &mut ask), ask), (1, 0));
    assert_eq!(server.read(&mut buf).1, 400);
    assert_eq!((mpssl_socket_poll(server.socket(), 1, &mut ask), ask), (0, 1));
    assert_eq!(mpssl_socket_polled(server.socket(), 1, 1), 1);
    // Without a result, nothing is written.
    assert_eq!(server.read(&mut buf), ((WANT_READ, 0), 0));

    assert!(mpssl_socket_would_send(client.socket()));
    let owner = client.owner();
    assert_eq!(mpssl_socket_close_notify(client.socket(), owner).kind, OK);
    assert!(!mpssl_socket_would_send(client.socket()));
    assert_eq!(server.read(&mut buf), ((OK, 0), 0));
    assert!(mpssl_socket_close_notify_received(server.socket()));
    let owner = server.owner();
    assert_eq!(mpssl_socket_unwrap(server.socket(), owner).kind, OK);
    let owner = client.owner();
    assert_eq!(mpssl_socket_unwrap(client.socket(), owner).kind, OK);
    assert!(!link.wire(CLIENT).sent.is_empty() && !link.wire(SERVER).sent.is_empty());
}

#[test]
fn a_verifier_that_refuses_or_raises() {
    for (verdict, expected) in
        [(Ok(-5), (ERRNO, 5)), (Ok(7), (5, 7)), (Err(Interruption::Raised), (RAISED, 0))]
    {
        let _balance = Balance::start();
        let (_link, client_port, server_port) = Link::new(false);
        let (mut client, mut server) = (side(0, 2, client_port, false), side(1, 0, server_port, false));
        client.port.judge = Some(Box::new(move |_, _| verdict));
        assert_eq!((client.handshake(), server.handshake()), ((WANT_READ, 0), (WANT_READ, 0)));
        assert_eq!(client.handshake(), expected);
        assert_eq!(client.handshake(), (ERRNO, 9));
        // MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE
        assert_eq!(server.handshake(), (5, -0x7780));
    }
}

#[test]
fn a_signer_that_declines_or_raises() {
    for (made, expected) in [(Ok(None), (WANT_READ, 0)), (Err(Interruption::Raised), (RAISED, 0))] {
        let _balance = Balance::start();
        let (_link, client_port, server_port) = Link::new(false);
        let (mut client, mut server) = (side(0, 2, client_port, false), side(1, 0, server_port, true));
        server.port.sign = Some(Box::new(move |key, hash| {
            assert!(key.len() > 28 && hash.len() >= 32);
            made.clone()
        }));
        assert_eq!(client.handshake(), (WANT_READ, 0));
        assert_eq!(server.handshake(), expected);
    }
}

#[test]
fn nothing_to_free() {
    // SAFETY: NULL is allowed.
    unsafe {
        mpssl_context_free(null_mut());
        mpssl_socket_free(null_mut());
    }
}

/// What C has where there is nothing to read or write. Rust makes no slice of it: with debug
/// assertions it would stop here.
#[test]
fn where_there_is_nothing_may_be_null() {
    let _balance = Balance::start();
    let (_, client_port, server_port) = Link::new(false);
    let (mut client, mut server) = (side(0, 2, client_port, false), side(1, 0, server_port, false));
    let null = |side: &mut Side| {
        let (owner, mut done) = (side.owner(), 0);
        // SAFETY: at NULL there is nothing.
        unsafe {
            let read = mpssl_socket_read(side.socket(), owner, null_mut(), 0, false, &mut done);
            assert_eq!((read.kind, done), (OK, 0));
            let written = mpssl_socket_write(side.socket(), owner, null_mut(), 0, false, &mut done);
            assert_eq!(mpssl_status_text(written, null_mut(), 0), 0);
            (written.kind, done)
        }
    };
    // It may have to handshake first, all the same.
    assert_eq!((null(&mut client), null(&mut server)), ((WANT_READ, 0), (WANT_READ, 0)));
    for _ in 0..3 {
        assert!([OK, WANT_READ].contains(&server.handshake().0));
        assert!([OK, WANT_READ].contains(&client.handshake().0));
    }
    assert_eq!((null(&mut client), null(&mut server)), ((OK, 0), (OK, 0)));
    let mut len = 0;
    // SAFETY: as above.
    unsafe {
        for side in [&mut client, &mut server] {
            let none = bytes!(mpssl_socket_own_cid(side.socket()), None);
            assert_eq!(mpssl_context_set_groups(&mut *side.context, std::ptr::null(), 0).kind, VALUE);
            assert_ne!(mpssl_certificate_describe(none, null_mut(), 0, &raw mut len).kind, OK);
        }
    }
}
