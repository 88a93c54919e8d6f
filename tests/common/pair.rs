// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client and a server, taking turns in one thread.

use std::rc::Rc;

use micropython_ssl::context::Context;
use micropython_ssl::error::{Error, Result};
use micropython_ssl::mem::Box;
use micropython_ssl::socket::{Options, Socket};

use super::link::{CLIENT, Link, Port, SERVER};
use super::{options, pki};

/// Whoever is at an end of a link.
pub trait Peer {
    fn port(&mut self) -> &mut Port;
}

/// A connection and its end of the link.
pub struct End {
    pub socket: Box<Socket>,
    pub port: Port,
}

impl Peer for End {
    fn port(&mut self) -> &mut Port {
        &mut self.port
    }
}

impl End {
    pub fn handshake(&mut self) -> Result<()> {
        self.socket.handshake(&mut self.port)
    }

    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.socket.read(&mut self.port, buf)
    }

    pub fn write(&mut self, buf: &[u8]) -> Result<usize> {
        self.socket.write(&mut self.port, buf)
    }

    pub fn close_notify(&mut self) -> Result<()> {
        self.socket.close_notify(&mut self.port)
    }

    pub fn unwrap(&mut self) -> Result<()> {
        self.socket.unwrap(&mut self.port)
    }

    /// One read, of one byte: what an error must look like from every call.
    pub fn poke(&mut self) -> Result<usize> {
        self.read(&mut [0])
    }
}

/// How long both may wait for each other in vain, by the link's clock, before that counts as stuck.
const PATIENCE_MS: u32 = 600_000;

/// Calls `f` and `g` by turns until both have ended. One that is told to call again does so;
/// one that fails hangs up. Where nothing moves any more, time passes on a datagram link; on a
/// stream both get what their last call said, [`Error::WantRead`] for instance.
pub fn run<A: Peer, B: Peer, X, Y>(
    a: &mut A,
    b: &mut B,
    mut f: impl FnMut(&mut A) -> Result<X>,
    mut g: impl FnMut(&mut B) -> Result<Y>,
) -> (Result<X>, Result<Y>) {
    let link = Rc::clone(&a.port().link);
    let (mut x, mut y) = (Err(Error::WantRead), Err(Error::WantRead));
    let (mut x_ended, mut y_ended) = (false, false);
    let mut waited = 0;
    loop {
        let before = link.activity();
        turn(a, &mut f, &mut x, &mut x_ended);
        turn(b, &mut g, &mut y, &mut y_ended);
        if x_ended && y_ended {
            return (x, y);
        }
        if link.activity() != before {
            waited = 0;
        } else if link.datagram && waited < PATIENCE_MS {
            link.advance(50);
            waited += 50;
        } else {
            return (x, y);
        }
    }
}

fn turn<P: Peer, T>(
    peer: &mut P,
    step: &mut impl FnMut(&mut P) -> Result<T>,
    result: &mut Result<T>,
    ended: &mut bool,
) {
    if *ended {
        return;
    }
    peer.port().interrupted = false;
    *result = step(peer);
    let again = match *result {
        Err(Error::WantRead | Error::WantWrite) => true,
        // Nothing is lost yet: the caller collects garbage and tries again.
        Err(Error::NoMemory) => {
            peer.port().reported.push(Error::NoMemory);
            true
        }
        // What was injected into the transport is nothing to give up for.
        Err(error @ (Error::Raised | Error::Errno(_))) if peer.port().interrupted => {
            peer.port().reported.push(error);
            true
        }
        _ => false,
    };
    *ended = !again;
    if *ended && result.is_err() {
        let side = peer.port().side;
        peer.port().link.hang_up(side);
    }
}

/// A client and a server over a link.
pub struct Pair {
    pub client: End,
    pub server: End,
    pub link: Rc<Link>,
}

impl Pair {
    /// Connections of two contexts, not yet in touch.
    pub fn new(client: &mut Context, server: &mut Context, hostname: Option<&str>) -> Result<Self> {
        Self::with_signers(client, server, hostname, false)
    }

    /// As [`Pair::new`]; with `host_signs` both ask their ports for signatures.
    pub fn with_signers(
        client: &mut Context,
        server: &mut Context,
        hostname: Option<&str>,
        host_signs: bool,
    ) -> Result<Self> {
        let datagram = client.transport() == micropython_ssl::mbedtls::Transport::Datagram;
        let (link, client_port, server_port) = Link::new(datagram);
        let hostname = hostname.map(|name| pki::with_nul(name.into()));
        let client_id = datagram.then_some(b"192.0.2.1:4433".as_slice());
        Ok(Self {
            client: End {
                socket: Socket::new(client, Options { host_signs, ..options(hostname.as_deref(), None) })?,
                port: client_port,
            },
            server: End {
                socket: Socket::new(server, Options { host_signs, ..options(None, client_id) })?,
                port: server_port,
            },
            link,
        })
    }

    /// Either end.
    pub fn end(&mut self, side: usize) -> &mut End {
        if side == CLIENT { &mut self.client } else { &mut self.server }
    }

    /// Handshakes; what it came to at the client and at the server.
    pub fn handshake(&mut self) -> (Result<()>, Result<()>) {
        run(&mut self.client, &mut self.server, End::handshake, End::handshake)
    }

    /// Goes on with memory where a handshake without it came to `results`.
    pub fn resume(&mut self, results: (Result<()>, Result<()>)) -> (Result<()>, Result<()>) {
        let waits = |result| matches!(result, Err(Error::NoMemory | Error::WantRead));
        let (client, server) = results;
        if ![client, server].contains(&Err(Error::NoMemory)) {
            return results;
        }
        let again = self.handshake();
        (if waits(client) { again.0 } else { client }, if waits(server) { again.1 } else { server })
    }

    /// Handshakes, which must succeed.
    pub fn open(mut self) -> Self {
        assert_eq!(self.handshake(), (Ok(()), Ok(())));
        self
    }

    /// Sends `data` from `side` to the other, which must get just that.
    pub fn transfer(&mut self, side: usize, data: &[u8]) {
        let (from, to) = match side {
            CLIENT => (&mut self.client, &mut self.server),
            _ => (&mut self.server, &mut self.client),
        };
        let (mut written, mut got) = (0, Vec::new());
        let results = run(
            from,
            to,
            |from| {
                while written < data.len() {
                    written += from.write(&data[written..])?;
                }
                Ok(())
            },
            |to| {
                let mut buf = [0; 3000];
                while got.len() < data.len() {
                    match to.read(&mut buf)? {
                        0 => break,
                        n => got.extend_from_slice(&buf[..n]),
                    }
                }
                Ok(())
            },
        );
        assert_eq!(results, (Ok(()), Ok(())));
        assert!(got == data, "{} bytes arrive as {} others", data.len(), got.len());
    }

    /// Some data both ways, then the end both ways: the connection is in order.
    pub fn prove(mut self) {
        self.converse();
    }

    /// As [`Pair::prove`], for whoever has a look at it afterwards.
    pub fn converse(&mut self) {
        self.transfer(CLIENT, b"GET / HTTP/1.0\r\n\r\n");
        // More than a record, but what one datagram takes.
        self.transfer(SERVER, &super::pattern(if self.link.datagram { 1000 } else { 5000 }));
        let results = run(&mut self.client, &mut self.server, End::unwrap, End::unwrap);
        assert_eq!(results, (Ok(()), Ok(())));
        for end in [&mut self.client, &mut self.server] {
            assert!(end.socket.close_notify_received());
            assert_eq!(end.poke(), Ok(0));
        }
    }

    /// Fails at `side` only once: afterwards each call answers EBADF, sends nothing, reads nothing.
    pub fn assert_failed(&mut self, side: usize) {
        let sent = self.link.wire(side).sent.len();
        let end = self.end(side);
        let calls = end.port.calls;
        assert_eq!(end.handshake(), Err(super::EBADF));
        assert_eq!(end.poke(), Err(super::EBADF));
        assert_eq!(end.write(b"x"), Err(super::EBADF));
        assert_eq!(end.unwrap(), Err(super::EBADF));
        assert_eq!(end.close_notify(), Ok(()));
        assert!(!end.socket.would_send());
        assert_eq!(end.socket.poll(1, end.port.link.now()), (0x20, 0));
        assert_eq!(end.port.calls, calls);
        assert_eq!(self.link.wire(side).sent.len(), sent);
    }
}

/// Who is who in a connection. The default: a client that trusts the CA and verifies, and a server
/// with a P-256 certificate.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    pub datagram: bool,
    pub client_cert: Option<&'a str>,
    pub server_cert: Option<&'a str>,
    pub client_trusts: Option<&'a str>,
    pub server_trusts: Option<&'a str>,
    /// `verify_mode`: 0 none, 1 optional, 2 required.
    pub client_mode: i32,
    pub server_mode: i32,
    pub hostname: Option<&'a str>,
    /// Both sides' cipher suites; none: the default.
    pub suites: &'a [&'a str],
    /// TLS 1.3, where it is built; else the highest version is 1.2.
    pub tls13: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            datagram: false,
            client_cert: None,
            server_cert: Some("ec"),
            client_trusts: Some("ca"),
            server_trusts: None,
            client_mode: 2,
            server_mode: 0,
            hostname: Some("localhost"),
            suites: &[],
            tls13: false,
        }
    }
}

impl Setup<'_> {
    /// Both sides show a certificate and verify.
    pub fn mutual() -> Self {
        Self { client_cert: Some("client"), server_trusts: Some("ca"), server_mode: 2, ..Self::default() }
    }

    pub fn client(&self) -> Result<Box<Context>> {
        let protocol = if self.datagram { 2 } else { 0 };
        self.chosen(context(protocol, self.client_mode, self.client_cert, self.client_trusts)?)
    }

    pub fn server(&self) -> Result<Box<Context>> {
        let protocol = if self.datagram { 3 } else { 1 };
        self.chosen(context(protocol, self.server_mode, self.server_cert, self.server_trusts)?)
    }

    fn chosen(&self, mut context: Box<Context>) -> Result<Box<Context>> {
        if !self.tls13 {
            context.set_version(true, 0x303)?;
        }
        if !self.suites.is_empty() {
            context.set_ciphers(self.suites.len(), self.suites.iter().map(|name| name.as_bytes()))?;
        }
        Ok(context)
    }

    /// A pair of connections. Their contexts are gone: connections keep what they need.
    pub fn try_pair(&self) -> Result<Pair> {
        Pair::new(&mut *self.client()?, &mut *self.server()?, self.hostname)
    }

    pub fn pair(&self) -> Pair {
        self.try_pair().expect("sockets")
    }

    /// A pair that has handshaken.
    pub fn open(&self) -> Pair {
        self.pair().open()
    }
}

/// Two contexts, for as many connections as it takes.
pub struct Contexts {
    pub client: Box<Context>,
    pub server: Box<Context>,
}

impl Contexts {
    pub fn new(setup: &Setup<'_>) -> Self {
        Self { client: setup.client().unwrap(), server: setup.server().unwrap() }
    }

    pub fn try_pair(&mut self) -> Result<Pair> {
        Pair::new(&mut self.client, &mut self.server, Some("localhost"))
    }

    pub fn pair(&mut self) -> Pair {
        self.try_pair().unwrap()
    }
}

fn context(protocol: i32, mode: i32, cert: Option<&str>, trusts: Option<&str>) -> Result<Box<Context>> {
    let mut context = Context::new(protocol, mode)?;
    if let Some(name) = cert {
        context.load_cert_chain(Some(&pki::cert(name)), &pki::key(name), None, true)?;
    }
    if let Some(name) = trusts {
        context.load_verify_locations(&pki::cert(name))?;
    }
    Ok(context)
}
