// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two ends of a stream, or of a path for datagrams, in memory, with whatever can go wrong there.
//!
//! Nothing happens by itself: bytes move when an end is asked to read or write, and the clock
//! moves when [`Link::advance`] is called. A run is therefore the same each time, but for the
//! random numbers of TLS.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;

use super::clock;
use micropython_ssl::error::Error;
use micropython_ssl::io::{
    Bundles, Clock, Interruption, KeyLog, Names, PskStore, Refused, Scheme, Signer, Transport, Verifier,
};
use micropython_ssl::mem::Erased;

/// An end, and the wire that it sends on.
pub const CLIENT: usize = 0;
/// The other one.
pub const SERVER: usize = 1;

/// What becomes of a parcel: the bytes of one write to a stream, or a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    Lost,
    Twice,
    /// So many milliseconds later than sent; others overtake it.
    Late(u32),
    /// Twice, the second time so many milliseconds after the first.
    Again(u32),
}

/// Decides on a parcel, by its number on its wire from 0, and may change it.
pub type Fault = Box<dyn FnMut(usize, &mut Vec<u8>) -> Fate>;

/// The same for a stream's records, by their number, of which a write has several, but all of each.
pub fn on_records(mut fault: impl FnMut(usize, &mut Vec<u8>) -> Fate + 'static) -> Fault {
    let mut numbers = 0..;
    Box::new(move |_, bytes| {
        let arriving = records(bytes).into_iter().zip(&mut numbers).filter_map(|(record, number)| {
            let mut record = record.to_vec();
            (fault(number, &mut record) == Fate::Arrives).then_some(record)
        });
        *bytes = arriving.collect::<Vec<_>>().concat();
        Fate::Arrives
    })
}

struct Parcel {
    due: u32,
    bytes: Vec<u8>,
}

/// One direction.
pub struct Wire {
    under_way: VecDeque<Parcel>,
    bytes_under_way: usize,
    /// Each parcel as it was sent, before anything happened to it.
    pub sent: Vec<Vec<u8>>,
    pub fault: Option<Fault>,
    /// How long every parcel is under way, in milliseconds.
    pub latency: u32,
    /// A stream takes no more while so many bytes are under way.
    pub capacity: usize,
    /// A stream ends behind so many more bytes; what is sent beyond gets lost.
    pub cut: Option<usize>,
    closed: bool,
}

impl Wire {
    fn new() -> Self {
        Self {
            under_way: VecDeque::new(),
            bytes_under_way: 0,
            sent: Vec::new(),
            fault: None,
            latency: 0,
            capacity: usize::MAX,
            cut: None,
            closed: false,
        }
    }

    fn arrange(&mut self, due: u32, bytes: Vec<u8>) {
        self.bytes_under_way += bytes.len();
        self.under_way.push_back(Parcel { due, bytes });
    }

    fn push(&mut self, now: u32, mut bytes: Vec<u8>) {
        let number = self.sent.len();
        self.sent.push(bytes.clone());
        let fate = self.fault.as_mut().map_or(Fate::Arrives, |fault| fault(number, &mut bytes));
        if let Some(left) = &mut self.cut {
            bytes.truncate(*left);
            *left -= bytes.len();
            self.closed |= *left == 0;
        }
        let delays: &[u32] = match fate {
            Fate::Lost => &[],
            Fate::Arrives => &[0],
            Fate::Twice => &[0, 0],
            Fate::Late(delay) => &[delay],
            Fate::Again(delay) => &[0, delay],
        };
        for delay in delays {
            let due = now.wrapping_add(self.latency).wrapping_add(*delay);
            self.arrange(due, bytes.clone());
        }
    }

    /// The first parcel that has arrived by `now`.
    fn arrived(&self, now: u32) -> Option<usize> {
        self.under_way.iter().position(|parcel| now.wrapping_sub(parcel.due).cast_signed() >= 0)
    }

    /// Whether a read at `now` would get something.
    pub fn has_arrived(&self, now: u32) -> bool {
        self.arrived(now).is_some()
    }

    /// Milliseconds until the next parcel arrives.
    pub fn next_arrival(&self) -> Option<u32> {
        let left =
            |parcel: &Parcel| parcel.due.wrapping_sub(clock::now()).cast_signed().max(0).cast_unsigned();
        self.under_way.iter().map(left).min()
    }

    /// Takes what is under way away.
    pub fn clear(&mut self) {
        self.under_way.clear();
        self.bytes_under_way = 0;
    }

    /// All that was sent, in one piece.
    pub fn transcript(&self) -> Vec<u8> {
        self.sent.concat()
    }
}

/// The link: two wires and a clock.
pub struct Link {
    pub datagram: bool,
    wires: [RefCell<Wire>; 2],
    /// Grows with all that happens.
    activity: Cell<usize>,
}

impl Link {
    /// A link and its two ends.
    pub fn new(datagram: bool) -> (Rc<Self>, Port, Port) {
        let link = Rc::new(Self {
            datagram,
            wires: [RefCell::new(Wire::new()), RefCell::new(Wire::new())],
            activity: Cell::new(0),
        });
        let [client, server] = [CLIENT, SERVER].map(|side| Port::new(Rc::clone(&link), side));
        (link, client, server)
    }

    /// The wire that `side` sends on.
    pub fn wire(&self, side: usize) -> RefMut<'_, Wire> {
        self.wires[side].borrow_mut()
    }

    /// Ends `side`'s stream behind what it has sent: TCP's FIN.
    pub fn hang_up(&self, side: usize) {
        self.wire(side).closed = true;
    }

    /// Puts bytes of nobody's on `side`'s wire.
    pub fn inject(&self, side: usize, bytes: &[u8]) {
        self.wire(side).arrange(self.now(), bytes.to_vec());
    }

    pub fn now(&self) -> u32 {
        clock::now()
    }

    pub fn advance(&self, ms: u32) {
        clock::advance(ms);
    }

    pub fn activity(&self) -> usize {
        self.activity.get()
    }

    fn active(&self) {
        self.activity.set(self.activity.get() + 1);
    }
}

/// Says before each transport call, by its number from 0, whether it is made at all.
pub type Gate = Box<dyn FnMut(usize) -> Result<(), Interruption>>;
/// A verify callback.
pub type Judge = Box<dyn FnMut(&[u8], i32) -> Result<i32, Interruption>>;
/// A sign callback: of key and hash it makes a signature, or leaves it to the key.
pub type Sign = Box<dyn FnMut(&[u8], &[u8]) -> Result<Option<Vec<u8>>, Interruption>>;

/// An object in the place of a key: of a hash it makes a signature.
pub type SignByObject = Box<dyn FnMut(Scheme, &[u8]) -> Result<Vec<u8>, Interruption>>;

/// Looks up the key of an identity; empty: there is none.
pub type PskKey = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, Interruption>>;

/// Chooses identity and key for a hint.
pub type PskIdentity = Box<dyn FnMut(&[u8]) -> Result<(Vec<u8>, Vec<u8>), Interruption>>;

/// Chooses what is for a server's name.
pub type Choose = Box<dyn FnMut(&[u8]) -> Result<Option<Erased>, Refused>>;

/// One end of a link, and what an `SSLSocket`'s object has besides: all that a connection may
/// call out to.
pub struct Port {
    pub link: Rc<Link>,
    pub side: usize,
    /// The most that one read, or one write, moves.
    pub max_read: usize,
    pub max_write: usize,
    pub gate: Option<Gate>,
    pub judge: Option<Judge>,
    pub sign: Option<Sign>,
    pub sign_by_object: Option<SignByObject>,
    pub psk_key: Option<PskKey>,
    pub psk_identity: Option<PskIdentity>,
    pub choose: Option<Choose>,
    /// Whether it says how long the next datagram is.
    pub tells_len: bool,
    /// How often the peer was said to be where the last datagram came from.
    pub followed: usize,
    /// The errno that asking for a datagram's length takes away, as a socket's.
    pub pending_error: Option<i32>,
    /// Transport calls so far.
    pub calls: usize,
    /// Depth and DER of each certificate that was shown to the verifier.
    pub judged: Vec<(i32, Vec<u8>)>,
    /// Each name that was asked for.
    pub names: Vec<Vec<u8>>,
    /// The host's bundles of certificates, and what came of reading them.
    pub bundles: Vec<Vec<u8>>,
    /// They stay where they are.
    pub bundles_in_place: bool,
    pub bundle_reads: usize,
    pub bundle_raises: bool,
    pub bundle_open: bool,
    pub bundle_changed: bool,
    /// The lines of secrets.
    pub key_log: String,
    pub key_log_raises: bool,
    /// Each identity that was looked up.
    pub identities: Vec<Vec<u8>>,
    /// The gate has interrupted the call under way.
    pub interrupted: bool,
    /// The errors that calls came to for it, where [`run`](super::run) made them again.
    pub reported: Vec<Error>,
}

impl Port {
    fn new(link: Rc<Link>, side: usize) -> Self {
        Self {
            link,
            side,
            max_read: usize::MAX,
            max_write: usize::MAX,
            gate: None,
            judge: None,
            sign: None,
            sign_by_object: None,
            psk_key: None,
            psk_identity: None,
            choose: None,
            names: Vec::new(),
            bundles: Vec::new(),
            bundles_in_place: false,
            bundle_reads: 0,
            bundle_raises: false,
            bundle_open: false,
            bundle_changed: false,
            key_log: String::new(),
            key_log_raises: false,
            tells_len: true,
            pending_error: None,
            followed: 0,
            identities: Vec::new(),
            calls: 0,
            judged: Vec::new(),
            interrupted: false,
            reported: Vec::new(),
        }
    }

    /// Interrupts the `n`th transport call from now, once.
    pub fn interrupt_at(&mut self, n: usize, why: Interruption) {
        let at = self.calls + n;
        self.gate = Some(Box::new(move |call| if call == at { Err(why) } else { Ok(()) }));
    }

    /// Takes nothing, or has nothing, until the gate is opened.
    pub fn block(&mut self) {
        self.gate = Some(Box::new(|_| Err(Interruption::WouldBlock)));
    }

    pub fn unblock(&mut self) {
        self.gate = None;
    }

    fn enter(&mut self) -> Result<(), Interruption> {
        let call = self.calls;
        self.calls += 1;
        if let Some(gate) = &mut self.gate {
            gate(call).inspect_err(|_| {
                self.interrupted = true;
                self.link.active();
            })?;
        }
        Ok(())
    }
}

impl Transport for Port {
    fn recv(&mut self, buf: &mut [u8]) -> Result<usize, Interruption> {
        self.enter()?;
        let link = &self.link;
        let mut wire = link.wire(1 - self.side);
        let Some(first) = wire.arrived(link.now()) else {
            return if wire.closed && !link.datagram { Ok(0) } else { Err(Interruption::WouldBlock) };
        };
        link.active();
        if link.datagram {
            // What does not fit is lost, as with recvfrom.
            let bytes = wire.under_way.remove(first).expect("arrived").bytes;
            wire.bytes_under_way -= bytes.len();
            let n = bytes.len().min(buf.len());
            buf[..n].copy_from_slice(&bytes[..n]);
            return Ok(n);
        }
        let room = buf.len().min(self.max_read);
        let mut done = 0;
        while done < room && !wire.under_way.is_empty() {
            let bytes = &mut wire.under_way[0].bytes;
            let n = bytes.len().min(room - done);
            buf[done..done + n].copy_from_slice(&bytes[..n]);
            bytes.drain(..n);
            done += n;
            if bytes.is_empty() {
                wire.under_way.pop_front();
            }
        }
        wire.bytes_under_way -= done;
        // All parcels may have been empty: cut off.
        if done == 0 && !wire.closed { Err(Interruption::WouldBlock) } else { Ok(done) }
    }

    fn peer_is_there(&mut self) {
        self.followed += 1;
    }

    fn datagram_len(&mut self) -> Result<Option<usize>, Interruption> {
        if let Some(errno) = self.pending_error.take() {
            return Err(Interruption::Errno(errno));
        }
        let wire = self.link.wire(1 - self.side);
        let first = wire.arrived(self.link.now());
        Ok(self.tells_len.then(|| first.map_or(0, |first| wire.under_way[first].bytes.len())))
    }

    fn send(&mut self, buf: &[u8]) -> Result<usize, Interruption> {
        self.enter()?;
        let link = &self.link;
        let mut wire = link.wire(self.side);
        let n = if link.datagram {
            buf.len()
        } else {
            let room = wire.capacity.saturating_sub(wire.bytes_under_way);
            buf.len().min(self.max_write).min(room)
        };
        if n == 0 {
            // Some streams say in this way that they are full.
            return if self.max_write == 0 { Ok(0) } else { Err(Interruption::WouldBlock) };
        }
        link.active();
        wire.push(link.now(), buf[..n].to_vec());
        Ok(n)
    }

    fn send_now(&mut self, buf: &[u8]) -> Result<usize, Interruption> {
        match self.send(buf) {
            Err(Interruption::Outside) => self.send(buf),
            result => result,
        }
    }
}

impl Clock for Port {
    fn ticks_ms(&self) -> u32 {
        self.link.now()
    }
}

impl Verifier for Port {
    fn verify(&mut self, der: &[u8], depth: i32) -> Result<i32, Interruption> {
        self.judged.push((depth, der.to_vec()));
        self.judge.as_mut().map_or(Ok(0), |judge| judge(der, depth))
    }
}

impl Signer for Port {
    fn sign(&mut self, key: &[u8], hash: &[u8], room: &mut [u8]) -> Result<Option<usize>, Interruption> {
        let made = self.sign.as_mut().map_or(Ok(None), |sign| sign(key, hash))?;
        Ok(made.map(|signature| {
            // One that does not fit is said to be longer than there was room: the core must notice.
            let n = signature.len().min(room.len());
            room[..n].copy_from_slice(&signature[..n]);
            signature.len()
        }))
    }

    fn sign_by_object(
        &mut self,
        scheme: Scheme,
        hash: &[u8],
        room: &mut [u8],
    ) -> Result<usize, Interruption> {
        let sign = self.sign_by_object.as_mut().ok_or(Interruption::Raised)?;
        let signature = sign(scheme, hash)?;
        // As above.
        let n = signature.len().min(room.len());
        room[..n].copy_from_slice(&signature[..n]);
        Ok(signature.len())
    }
}

impl KeyLog for Port {
    fn log_key(&mut self, line: &[u8]) -> Result<(), Interruption> {
        self.key_log.push_str(str::from_utf8(line).unwrap());
        if self.key_log_raises { Err(Interruption::Raised) } else { Ok(()) }
    }
}

impl Bundles for Port {
    fn read_bundle(&mut self, index: u32, at: u32, buf: &mut [u8]) -> Result<usize, Interruption> {
        self.bundle_reads += 1;
        if self.bundle_raises {
            return Err(Interruption::Raised);
        }
        self.bundle_open = true;
        let bundle = self.bundles[index as usize].get(at as usize..).unwrap_or_default();
        let n = bundle.len().min(buf.len());
        buf[..n].copy_from_slice(&bundle[..n]);
        Ok(n)
    }

    fn bundle_in_place(&self, index: u32) -> Option<&[u8]> {
        self.bundles_in_place.then(|| &*self.bundles[index as usize])
    }

    fn close_bundle(&mut self, _: u32, changed: bool) -> Result<(), Interruption> {
        self.bundle_open = false;
        self.bundle_changed |= changed;
        if changed { Err(Interruption::Raised) } else { Ok(()) }
    }
}

impl Names for Port {
    fn server_name(&mut self, name: &[u8]) -> Result<Option<Erased>, Refused> {
        self.names.push(name.to_vec());
        self.choose.as_mut().map_or(Ok(None), |choose| choose(name))
    }
}

impl PskStore for Port {
    fn key(&mut self, identity: &[u8], room: &mut [u8]) -> Result<usize, Interruption> {
        self.identities.push(identity.to_vec());
        let key = self.psk_key.as_mut().map_or(Ok(Vec::new()), |look_up| look_up(identity))?;
        room[..key.len()].copy_from_slice(&key);
        Ok(key.len())
    }

    fn identity(
        &mut self,
        hint: &[u8],
        identity: &mut [u8],
        key: &mut [u8],
    ) -> Result<(usize, usize), Interruption> {
        let choose = self.psk_identity.as_mut().expect("a client that is asked");
        let (chosen, its_key) = choose(hint)?;
        identity[..chosen.len()].copy_from_slice(&chosen);
        key[..its_key.len()].copy_from_slice(&its_key);
        Ok((chosen.len(), its_key.len()))
    }
}

/// Whether a stream's record is in the clear, and has a whole handshake message of this kind: what is
/// encrypted may begin like any, once in a while.
pub fn is_message(record: &[u8], kind: u8) -> bool {
    let [22, _, _, _, _, first, high, middle, low, body @ ..] = record else { return false };
    *first == kind && u32::from_be_bytes([0, *high, *middle, *low]) as usize <= body.len()
}

/// The TLS records in a transcript of a stream.
pub fn records(mut transcript: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while transcript.len() >= 5 {
        let len = 5 + usize::from(u16::from_be_bytes([transcript[3], transcript[4]]));
        let (record, rest) = transcript.split_at(len);
        records.push(record);
        transcript = rest;
    }
    assert!(transcript.is_empty(), "a record is not whole");
    records
}
