// SPDX-License-Identifier: MIT OR Apache-2.0
//! A DTLS client, and a server that does what servers do: it refuses the first contact, and makes
//! a new connection for the second.

use std::cell::RefCell;
use std::rc::Rc;

use micropython_ssl::context::Context;
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::{Error, Result};
use micropython_ssl::mbedtls::sys;
use micropython_ssl::mem::Box;
use micropython_ssl::socket::Socket;

use super::link::{CLIENT, Fate, Fault, Link, SERVER};
use super::options;
use super::pair::{End, Setup};
use super::{clock, pki};

/// What the server calls the client.
pub const ID: &[u8] = b"192.0.2.1:4433";
/// What a first contact comes to at the server.
pub const VERIFY: Error = Error::Tls(sys::MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
/// After so long a handshake counts as stuck. With default settings both sides have given up by then.
const PATIENCE_MS: u32 = 1_000_000;
/// Flags of poll.
const RD: u32 = 1;

/// Random numbers that are the same each time (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % below
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.roll(256) as u8).collect()
    }
}

/// What happens to how many of a hundred datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub lost: usize,
    pub twice: usize,
    /// Overtaken by others.
    pub late: usize,
    /// Cut short.
    pub short: usize,
    /// One bit is another.
    pub bent: usize,
}

impl Weather {
    pub fn loss(lost: usize) -> Self {
        Self { lost, ..Self::default() }
    }

    pub fn fault(self, seed: u64) -> Fault {
        let mut dice = Dice::new(seed);
        std::boxed::Box::new(move |_, bytes| {
            let mut number = dice.roll(100);
            let mut is = |percent| {
                let is = number < percent;
                number = if is { usize::MAX } else { number - percent };
                is
            };
            if is(self.lost) {
                return Fate::Lost;
            }
            if is(self.twice) {
                return Fate::Again(dice.roll(300) as u32);
            }
            if is(self.late) {
                return Fate::Late(1 + dice.roll(300) as u32);
            }
            if is(self.short) {
                bytes.truncate(dice.roll(bytes.len()));
            } else if is(self.bent) {
                let (at, bit) = (dice.roll(bytes.len()), dice.roll(8));
                bytes[at] ^= 1 << bit;
            }
            Fate::Arrives
        })
    }
}

/// A context that connections are made of one after the other.
pub type Source = Rc<RefCell<Box<Context>>>;

/// Contexts of both sides with these settings.
pub fn contexts(setup: Setup<'_>, client: Settings, server: Settings) -> [Source; 2] {
    let setup = Setup { datagram: true, ..setup };
    let contexts = [(setup.client(), client), (setup.server(), server)];
    contexts.map(|(context, settings)| {
        let mut context = context.expect("context");
        context.set_dtls(settings).expect("settings");
        // What the first connection would leave with the context.
        context.config(false, true).expect("configuration");
        Rc::new(RefCell::new(context))
    })
}

/// A client's connection.
pub fn client(context: &Source) -> Box<Socket> {
    let hostname = pki::with_nul(b"localhost".to_vec());
    Socket::new(&mut context.borrow_mut(), options(Some(&hostname), None)).expect("client")
}

/// A server's, for the client that calls itself `id`.
pub fn server(context: &Source, id: &[u8]) -> Box<Socket> {
    Socket::new(&mut context.borrow_mut(), options(None, Some(id))).expect("server")
}

/// Client and server over a link.
pub struct Duo {
    pub client: End,
    pub server: End,
    pub link: Rc<Link>,
    pub contexts: [Source; 2],
    /// How often the server refused a contact.
    pub refused: usize,
}

impl Duo {
    pub fn new(contexts: &[Source; 2]) -> Self {
        let (link, client_port, server_port) = Link::new(true);
        Self {
            client: End { socket: client(&contexts[CLIENT]), port: client_port },
            server: End { socket: server(&contexts[SERVER], ID), port: server_port },
            link,
            contexts: contexts.clone(),
            refused: 0,
        }
    }

    /// With a setup and default settings.
    pub fn of(setup: Setup<'_>) -> Self {
        Self::with(setup, Settings::DEFAULT)
    }

    /// With a setup and settings of both sides.
    pub fn with(setup: Setup<'_>, settings: Settings) -> Self {
        Self::new(&contexts(setup, settings, settings))
    }

    pub fn end(&mut self, side: usize) -> &mut End {
        if side == CLIENT { &mut self.client } else { &mut self.server }
    }

    /// Lets the same happen both ways.
    pub fn under(self, weather: Weather, seed: u64) -> Self {
        self.link.wire(CLIENT).fault = Some(weather.fault(2 * seed));
        self.link.wire(SERVER).fault = Some(weather.fault(2 * seed + 1));
        self
    }

    pub fn clear_up(&mut self) {
        for side in [CLIENT, SERVER] {
            self.link.wire(side).fault = None;
        }
    }

    /// The server handshakes; a refused contact is followed by a new connection.
    pub fn serve(&mut self) -> Result<()> {
        loop {
            match self.server.handshake() {
                Err(VERIFY) => {
                    self.refused += 1;
                    self.server.socket = server(&self.contexts[SERVER], ID);
                }
                other => return other,
            }
        }
    }

    /// Moves the clock to where something happens next: a datagram arrives, a timer runs out.
    /// Where nothing will, returns `false`.
    pub fn pass(&self) -> bool {
        let wires = [CLIENT, SERVER].into_iter().filter_map(|side| self.link.wire(side).next_arrival());
        let timers = [&self.client, &self.server].into_iter().filter_map(timer);
        match wires.chain(timers).min() {
            Some(ms) => clock::advance(ms.max(1)),
            None => return false,
        }
        true
    }

    /// Handshakes, until both sides have succeeded or failed, or nothing moves any more.
    pub fn handshake(&mut self) -> (Result<()>, Result<()>) {
        let start = clock::now();
        let (mut x, mut y) = (Err(Error::WantRead), Err(Error::WantRead));
        loop {
            let before = self.link.activity();
            x = match x {
                Err(Error::WantRead) => self.client.handshake(),
                Ok(()) if y.is_err() => reading(&mut self.client),
                ended => ended,
            };
            y = match y {
                Err(Error::WantRead) => self.serve(),
                // Its last flight may have got lost: a read answers the client's.
                Ok(()) if x.is_err() => reading(&mut self.server),
                ended => ended,
            };
            let under_way = [x, y].contains(&Err(Error::WantRead));
            // Nobody reads what comes to whoever has given up.
            for (result, wire) in [(x, SERVER), (y, CLIENT)] {
                if !matches!(result, Ok(()) | Err(Error::WantRead)) {
                    self.link.wire(wire).clear();
                }
            }
            let idle = self.link.activity() == before;
            if !under_way || clock::since(start) > PATIENCE_MS || (idle && !self.pass()) {
                return (x, y);
            }
        }
    }

    /// Handshakes, which must succeed; how long it took on the clock.
    pub fn open(&mut self) -> u32 {
        let start = clock::now();
        assert_eq!(self.handshake(), (Ok(()), Ok(())));
        clock::since(start)
    }

    /// Sends a datagram, which must arrive as it is.
    pub fn send(&mut self, side: usize, data: &[u8]) {
        assert_eq!(self.end(side).write(data), Ok(data.len()));
        assert_eq!(self.receive(1 - side), Ok(data.to_vec()));
    }

    /// One read.
    pub fn receive(&mut self, side: usize) -> Result<Vec<u8>> {
        let mut buf = vec![0; 20_000];
        let n = self.end(side).read(&mut buf)?;
        buf.truncate(n);
        Ok(buf)
    }

    /// The datagram that `side` sent last.
    pub fn last_sent(&self, side: usize) -> Vec<u8> {
        self.link.wire(side).sent.last().expect("nothing was sent").clone()
    }

    /// Another client begins at the client's address, up to the server's answer to its cookie.
    #[track_caller]
    pub fn begin_anew(&mut self, client: Box<Socket>) {
        self.client.socket = client;
        for _ in 0..2 {
            assert_eq!(self.client.handshake(), Err(Error::WantRead));
            assert_eq!(self.receive(SERVER), Err(Error::WantRead));
        }
    }

    /// A hello of the client's comes, and begins nothing.
    #[track_caller]
    pub fn replay(&mut self, hello: &[u8]) {
        self.link.inject(CLIENT, hello);
        assert_eq!(self.receive(SERVER), Err(Error::WantRead));
        assert!(!self.server.socket.is_handshaking());
    }

    /// Data both ways, then the end both ways: the connection is in order. The weather is good.
    pub fn prove(&mut self) {
        self.clear_up();
        // What is late arrives, and is none of anybody's business any more.
        clock::advance(1000);
        for side in [CLIENT, SERVER] {
            assert_eq!(self.receive(side), Err(Error::WantRead));
        }
        for n in [1, 2, 100] {
            for side in [CLIENT, SERVER] {
                self.send(side, &super::pattern(n));
            }
        }
        assert_eq!(self.client.unwrap(), Err(Error::WantRead));
        assert_eq!(self.server.unwrap(), Ok(()));
        assert_eq!(self.client.unwrap(), Ok(()));
        for side in [CLIENT, SERVER] {
            assert!(self.end(side).socket.close_notify_received());
            assert_eq!(self.end(side).poke(), Ok(0));
        }
    }
}

/// A read of whoever is through with the handshake, while the other is not.
fn reading(end: &mut End) -> Result<()> {
    match end.poke() {
        Ok(_) | Err(Error::WantRead) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Milliseconds until the handshake is to be called whatever arrives, as poll tells.
pub fn timer(end: &End) -> Option<u32> {
    const LONGEST: u32 = 1 << 18;
    let due = |ms: u32| end.socket.poll(RD, clock::now().wrapping_add(ms)).0 != 0;
    if !end.socket.is_handshaking() || !due(LONGEST) {
        return None;
    }
    let (mut early, mut late) = (0, LONGEST);
    while early < late {
        let middle = (early + late) / 2;
        if due(middle) { late = middle } else { early = middle + 1 }
    }
    Some(late)
}
