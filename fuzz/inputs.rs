// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzzer's targets do with their input. Of a conversation it says how it begins, then
//! what happens, a byte of choice at a time: who has its turn, what comes from nobody, what is
//! changed on the way, who sleeps.
//!
//! Besides crashes, these are faults: bytes that arrive and were not sent, or not in order; a
//! datagram that ends an open connection; a connection that goes on after it failed; an error that
//! no call documents; memory that stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
// Each target uses its own part of this.
#![allow(dead_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::common::datagrams::{Source, VERIFY, contexts};
#[cfg(sessions)]
use crate::common::with_sum;
use crate::common::{CLIENT, EBADF, End, Fate, Link, SERVER, Setup, alloc, clock, options, pki};
use micropython_ssl::certificate;
use micropython_ssl::context::Context;
use micropython_ssl::dtls::{self, Settings};
#[cfg(sessions)]
use micropython_ssl::error::Invalid;
use micropython_ssl::error::{Error, Result};
#[cfg(sessions)]
use micropython_ssl::session::Session;
use micropython_ssl::socket::Socket;
use micropython_ssl::wire;

/// More than that is nothing new.
const LONGEST: usize = 4096;
/// Linux's, where these tests run.
const EMSGSIZE: i32 = 90;
const EPIPE: i32 = 32;
const ID: &[u8] = b"192.0.2.1:4433";
const IDENTITY: &[u8] = b"device";
const KEY: &[u8] = b"0123456789abcdef";

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> usize {
        self.take(1).first().map_or(0, |byte| usize::from(*byte))
    }

    /// As many bytes as there are, up to `n`.
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// A client and a server, and what they have said to each other.
struct Conversation {
    ends: [End; 2],
    link: Rc<Link>,
    server: Source,
    /// What each has written: bytes of a stream, or datagrams.
    sent: [Vec<Vec<u8>>; 2],
    /// What a write has not come to an end with.
    pending: [Option<Vec<u8>>; 2],
    /// How many bytes each has read.
    got: [usize; 2],
    /// Whether somebody has said that it is over.
    over: bool,
    failed: [bool; 2],
}

/// The contexts for a conversation of that kind, made once.
fn sources(datagram: bool, kind: usize) -> [Source; 2] {
    type Made = HashMap<(bool, usize), [Source; 2]>;
    // Never given back: the allocator's own books may be gone when a thread's values go.
    thread_local!(static MADE: RefCell<&'static mut Made> = RefCell::new(Box::leak(Box::default())));
    MADE.with_borrow_mut(|made| {
        let made = made.entry((datagram, kind)).or_insert_with(|| make(datagram, kind));
        [Rc::clone(&made[0]), Rc::clone(&made[1])]
    })
}

fn make(datagram: bool, kind: usize) -> [Source; 2] {
    const SUITES: [&[&str]; 4] = [
        &["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"],
        &["TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256"],
        &["TLS-PSK-WITH-AES-128-CCM-8"],
        &["TLS-ECDHE-PSK-WITH-AES-128-CBC-SHA256"],
    ];
    let psk = kind & 2 != 0;
    let mutual = kind & 4 != 0 && !psk;
    let setup = if mutual { Setup::mutual() } else { Setup::default() };
    let setup = Setup { suites: SUITES[kind & 3], client_mode: if psk { 0 } else { 2 }, ..setup };
    let cid = [None, Some(0), Some(8), Some(32)][kind >> 3 & 3];
    let made = if datagram {
        let settings = Settings { cid, ..Settings::DEFAULT };
        contexts(setup, settings, settings)
    } else {
        [setup.client(), setup.server()].map(|context| Rc::new(RefCell::new(context.expect("context"))))
    };
    for context in &made {
        let mut context = context.borrow_mut();
        if psk {
            context.set_psk(Some((IDENTITY, KEY))).expect("a key");
        }
        context.config(false, true).expect("configuration");
    }
    made
}

fn socket(context: &Source, side: usize, datagram: bool) -> micropython_ssl::mem::Box<Socket> {
    let hostname = (side == CLIENT).then(|| pki::with_nul(b"localhost".to_vec()));
    let id = (side == SERVER && datagram).then_some(ID);
    Socket::new(&mut context.borrow_mut(), options(hostname.as_deref(), id)).expect("a connection")
}

impl Conversation {
    fn new(datagram: bool, kind: usize) -> Self {
        let [client, server] = sources(datagram, kind);
        let (link, client_port, server_port) = Link::new(datagram);
        Self {
            ends: [
                End { socket: socket(&client, CLIENT, datagram), port: client_port },
                End { socket: socket(&server, SERVER, datagram), port: server_port },
            ],
            link,
            server,
            sent: Default::default(),
            pending: Default::default(),
            got: [0; 2],
            over: false,
            failed: [false; 2],
        }
    }

    fn datagram(&self) -> bool {
        self.link.datagram
    }

    /// Whether both have handshaken and nobody has said goodbye.
    fn is_open(&self) -> bool {
        !self.over && self.failed == [false; 2] && self.ends.iter().all(|end| !end.socket.is_handshaking())
    }

    /// What a call came to, `was_open`: with both ends open before.
    fn judge<T>(&mut self, side: usize, was_open: bool, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => {
                assert!(!self.failed[side], "it goes on after it failed");
                Some(value)
            }
            Err(Error::WantRead | Error::WantWrite) => None,
            Err(Error::Errno(errno)) if errno == EMSGSIZE && self.datagram() => None,
            // To write behind one's own close_notify ends nothing.
            Err(Error::Errno(EPIPE)) if self.over => None,
            Err(error) => {
                assert!(!matches!(error, Error::Raised | Error::NoMemory | Error::Value(_)), "{error:?}");
                assert!(!self.failed[side] || error == EBADF, "{error:?} after it failed");
                assert!(!(self.datagram() && was_open), "a datagram ended an open connection: {error:?}");
                self.failed[side] = true;
                None
            }
        }
    }

    fn turn(&mut self, side: usize) {
        let open = self.is_open();
        if !self.ends[side].socket.is_handshaking() {
            return self.read(side, 64);
        }
        let result = self.ends[side].handshake();
        if side == SERVER && self.datagram() && result == Err(VERIFY) {
            self.ends[SERVER].socket = socket(&self.server, SERVER, true);
        } else {
            self.judge(side, open, result);
        }
    }

    fn read(&mut self, side: usize, len: usize) {
        let open = self.is_open();
        // Of nothing nothing can be said.
        let len = len.max(1);
        // A datagram is read whole.
        let mut buf = vec![0; if self.datagram() { LONGEST } else { len }];
        let result = self.ends[side].read(&mut buf);
        let Some(n) = self.judge(side, open, result) else { return };
        if n == 0 {
            // An empty datagram looks like that as well.
            self.over |= !self.datagram() || self.ends[side].socket.close_notify_received();
            return;
        }
        let (from, data) = (1 - side, &buf[..n]);
        if self.datagram() {
            let known = self.sent[from].iter().position(|datagram| datagram == data);
            let was = known.unwrap_or_else(|| panic!("{data:02x?} was not sent, or has come before"));
            self.sent[from].remove(was);
            self.got[side] += n;
        } else {
            let all = [&self.sent[from].concat()[..], self.pending[from].as_deref().unwrap_or(&[])].concat();
            let end = self.got[side] + n;
            assert_eq!(all.get(self.got[side]..end), Some(data), "what arrives is not what was sent");
            self.got[side] = end;
        }
    }

    fn write(&mut self, side: usize, len: usize) {
        let open = self.is_open();
        let number = self.sent[side].len() as u32;
        let mut data = self.pending[side].take().unwrap_or_else(|| {
            // No two datagrams are the same.
            let mut data = number.wrapping_mul(0x9e37_79b9).to_le_bytes().repeat(len / 4 + 1);
            data.extend(clock::now().to_le_bytes());
            data
        });
        let result = self.ends[side].write(&data);
        let again = matches!(result, Err(Error::WantRead | Error::WantWrite));
        if self.datagram() && again {
            // It may be sent by the next call.
            self.sent[side].push(data.clone());
        }
        match self.judge(side, open, result) {
            Some(n) => {
                assert!(n <= data.len());
                data.truncate(n);
                self.sent[side].push(data);
            }
            None if again && !self.datagram() => self.pending[side] = Some(data),
            None => {}
        }
    }

    /// Changes the next parcel that `side` sends.
    fn disturb(&mut self, side: usize, how: usize, at: usize, with: usize) {
        let datagram = self.datagram();
        let mut left = Some(());
        self.link.wire(side).fault = Some(Box::new(move |_, bytes| {
            if left.take().is_none() || bytes.is_empty() {
                return Fate::Arrives;
            }
            let len = bytes.len();
            match how % 6 {
                0 => bytes[at % len] ^= with as u8,
                1 => bytes.truncate(at % len),
                2 => bytes[at % len] = with as u8,
                3 if datagram => return Fate::Lost,
                4 if datagram => return Fate::Again(with as u32),
                5 if datagram => return Fate::Late(with as u32 * 20),
                _ => bytes.insert(at % len, with as u8),
            }
            Fate::Arrives
        }));
    }

    /// Does what the input says until there is no more of it.
    fn go_on(&mut self, victim: usize, input: &mut Input<'_>) {
        for _ in 0..input.byte() % 16 {
            self.turn(CLIENT);
            self.turn(SERVER);
        }
        while !input.0.is_empty() {
            let byte = input.byte();
            let (side, op) = (byte >> 7, (byte & 0x7f) % 12);
            match op {
                0..3 => {
                    let len = input.byte() << if op == 2 { 4 } else { 0 };
                    self.link.inject(1 - victim, input.take(len));
                    self.turn(victim);
                }
                3 | 4 => self.turn(side),
                5 => {
                    self.turn(CLIENT);
                    self.turn(SERVER);
                }
                6 => self.disturb(side, input.byte(), input.byte(), input.byte()),
                7 => self.write(side, input.byte()),
                8 => self.read(side, input.byte()),
                9 => {
                    let result = self.ends[side].socket.hibernate();
                    assert!(!matches!(result, Ok(true)) || self.ends[side].socket.is_asleep());
                }
                10 => {
                    let byte = input.byte();
                    let most = if byte == 0 { usize::MAX } else { byte };
                    self.ends[side].port.max_read = most;
                    self.ends[side].port.max_write = most;
                }
                _ => match input.byte() {
                    0 => {
                        self.over = true;
                        let result = self.ends[side].close_notify();
                        // Whoever has failed has nothing to say any more, and that is no error.
                        match self.failed[side] {
                            true => assert_eq!(result, Ok(())),
                            false => drop(self.judge(side, false, result)),
                        }
                    }
                    1 if !self.datagram() => {
                        self.over = true;
                        self.link.hang_up(side);
                    }
                    n => clock::advance(n as u32 * 25),
                },
            }
        }
    }
}

/// Has the conversation that `data` says, in which `victim` gets what comes from nobody; how many
/// bytes each has got in the end.
pub fn conversation(datagram: bool, victim: usize, data: &[u8]) -> [usize; 2] {
    let mut input = Input(&data[..data.len().min(LONGEST)]);
    let kind = input.byte() % 32;
    drop(sources(datagram, kind));
    clock::set(0);
    let before = alloc::live();
    let mut conversation = Conversation::new(datagram, kind);
    conversation.go_on(victim, &mut input);
    let got = conversation.got;
    drop(conversation);
    assert_eq!(alloc::live(), before, "memory stays");
    got
}

/// To a client over a stream.
pub fn tls_client(data: &[u8]) {
    conversation(false, CLIENT, data);
}

/// To a server over a stream.
pub fn tls_server(data: &[u8]) {
    conversation(false, SERVER, data);
}

/// To a client over datagrams.
pub fn dtls_client(data: &[u8]) {
    conversation(true, CLIENT, data);
}

/// To a server over datagrams.
pub fn dtls_server(data: &[u8]) {
    conversation(true, SERVER, data);
}

/// Datagrams to a listener, from an address without a connection.
pub fn stranger(data: &[u8]) {
    let [_, server] = sources(true, 0);
    let server = server.borrow();
    let cookies = server.cookies().expect("cookies");
    let before = alloc::live();
    let answer = dtls::stranger(cookies, data, ID).expect("there is memory");
    if let dtls::Stranger::Unverified(request) = &answer {
        assert!(request.len() <= data.len() + 32, "an answer that amplifies");
    }
    assert!(answer != dtls::Stranger::Verified, "a cookie was guessed");
    for len in 0..=32 {
        assert!(wire::connection_id(data, len).is_none_or(|cid| cid.len() == len));
    }
    assert_eq!(alloc::live(), before, "memory stays");
}

/// As a CA file, as one's own chain, and as a peer's certificate that is described.
pub fn certificate(data: &[u8]) {
    let before = alloc::live();
    {
        let mut context = Context::new(0, 0).expect("a context");
        let text = pki::with_nul(data.to_vec());
        let added = context.load_verify_locations(&text);
        let found = |context: &Context| context.anchors()[0] > 0 || context.crls() > 0;
        assert_eq!(added.is_ok(), found(&context), "{added:?}");
        #[cfg(bundles)]
        {
            // Read piece by piece, it is the same, unless it is in a format for that alone.
            let (_, mut host, _) = Link::new(false);
            host.bundles = vec![data.to_vec()];
            let mut reads = Context::new(0, 0).expect("a context");
            let read = reads.add_bundle(&mut host, 0);
            assert_eq!(read.is_ok(), found(&reads), "{read:?}");
            if !matches!(data, [0..=3 | 0xca, ..] | [_, _, 0, 0, ..]) {
                assert_eq!(read, added);
                assert_eq!(reads.anchors()[..2], context.anchors()[..2]);
                assert_eq!(reads.crls(), context.crls());
            }
            assert!(!host.bundle_open);
        }
        let loaded = context.load_cert_chain(Some(&text), &pki::key("ec"), None, false);
        assert!(matches!(loaded, Ok(()) | Err(Error::Value(_))), "{loaded:?}");
    }
    let mut tokens = vec![0; 2048];
    match certificate::describe(data, &mut tokens) {
        Ok(len) => {
            // With more room the same comes out.
            let mut more = vec![0; len.max(1)];
            assert_eq!(certificate::describe(data, &mut more), Ok(len));
            let same = len.min(tokens.len());
            assert!(len > tokens.len() || more[..same] == tokens[..same]);
        }
        Err(error) => assert!(matches!(error, Error::Value(_)), "{error:?}"),
    }
    assert_eq!(alloc::live(), before, "memory stays");
}

/// As a private key; the first byte says of which password.
pub fn private_key(data: &[u8]) {
    let mut input = Input(data);
    let password = [None, Some(b"".as_slice()), Some(b"password")][input.byte() % 3];
    let before = alloc::live();
    {
        let mut context = Context::new(1, 0).expect("a context");
        let loaded = context.load_cert_chain(None, &pki::with_nul(input.0.to_vec()), password, false);
        let documented = matches!(loaded, Ok(()) | Err(Error::Value(_) | Error::CertMissing));
        assert!(documented, "{loaded:?}");
    }
    assert_eq!(alloc::live(), before, "memory stays");
}

/// As a saved session, with the checksum that is right, and what is told and offered of it.
#[cfg(sessions)]
pub fn session(data: &[u8]) {
    let before = alloc::live();
    let bytes = with_sum(data.to_vec());
    match Session::load(&bytes) {
        Ok(session) => {
            assert_eq!(session.bytes(), bytes);
            let told = session.describe().expect("a description");
            assert!(told.id_len <= 32 && told.timeout <= 604_800);
            let mut binding: [u8; 16] = bytes[1..17].try_into().expect("16 bytes");
            assert!(session.offer(&binding).is_ok());
            binding[15] ^= 1;
            assert_eq!(session.offer(&binding).err(), Some(Error::Value(Invalid::SessionSettings)));
        }
        Err(error) => assert_eq!(error, Error::Value(Invalid::Session)),
    }
    assert_eq!(alloc::live(), before, "memory stays");
}
