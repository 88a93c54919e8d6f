// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is who on a socket that many clients call: for which of them a datagram is, and what
//! waits for each.
//!
//! There is room for as many as was said when the table was made. A client is found by hashing,
//! whatever their number is. The hash has a secret key: addresses are chosen by who sends,
//! and nobody is to choose many of the same hash.

use core::cell::Cell;
use core::hash::Hasher;

#[cfg(hibernation)]
use crate::error::Error;
use crate::error::Result;
use crate::mem::{Array, Box, Shared, close_gap, copy};
#[cfg(hibernation)]
use crate::micropython_sys::MPSSL_EADDRINUSE;
use crate::micropython_sys::atomically;
use crate::wire;

/// Datagrams that wait for one client to be read; more are lost, as on any socket.
pub const INBOX_MAX: usize = 8;
/// A client with a full inbox that nobody reads, writes or polls for so long has been forgotten by
/// the program.
pub const FORGOTTEN_MS: u32 = 60_000;
/// The most clients that a table can have room for.
pub const CLIENTS_MAX: usize = 0x7ffe;

/// A client, for as long as the table knows it. Which one comes to its place is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(u64);

impl ClientId {
    /// The bits of a number that say the place; those above count the clients there were.
    const PLACE_BITS: u32 = 16;

    /// A number that stands for it, and is not 0.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The client that a number stands for.
    #[must_use]
    pub const fn of_number(number: u64) -> Self {
        Self(number)
    }

    fn place(self) -> u16 {
        self.0 as u16
    }

    /// The how manieth there was.
    fn count(self) -> u32 {
        (self.0 >> Self::PLACE_BITS) as u32
    }
}

/// Who was dropped by the program without being closed, and is still in the table. For a finaliser,
/// which may run while the table is in use, or after it.
pub struct Departed {
    /// The first place in a chain of those whose client has gone.
    first: Cell<Option<u16>>,
    gone: Array<Cell<Gone>>,
}

#[derive(Clone, Copy, Default)]
struct Gone {
    /// [`ClientId::count`] of a place's client; 0: none has gone.
    count: u32,
    next: Option<u16>,
}

impl Departed {
    fn new(places: usize) -> Result<Shared<Self>> {
        let gone = Array::from_fn(places, |_| Cell::new(Gone::default()))?;
        Shared::new(|| Self { first: Cell::new(None), gone }, |_| Ok(()))
    }

    /// The client's connection is gone. The table forgets it when it takes the next datagram.
    pub fn note(&self, id: ClientId) {
        let Some(cell) = self.gone.get(usize::from(id.place())) else { return };
        atomically(|| {
            let gone = cell.get();
            if gone.count == 0 {
                cell.set(Gone { count: id.count(), next: self.first.replace(Some(id.place())) });
            } else if id.count().wrapping_sub(gone.count).cast_signed() > 0 {
                // Who was cut off may go later than who came to its place, or before.
                cell.set(Gone { count: id.count(), ..gone });
            }
        });
    }

    /// One of them.
    fn take(&self) -> Option<(u16, u32)> {
        atomically(|| {
            let place = self.first.get()?;
            let gone = self.gone.get(usize::from(place))?.take();
            self.first.set(gone.next);
            Some((place, gone.count))
        })
    }
}

/// What has come and was not read.
struct Datagram {
    /// It, and behind it where it came from.
    bytes: Array<u8>,
    len: usize,
    next: Option<Box<Self>>,
}

impl Datagram {
    fn new(datagram: &[u8], origin: &[u8]) -> Result<Box<Self>> {
        let mut bytes = Array::new(datagram.len().saturating_add(origin.len()), 0)?;
        copy(&mut bytes, datagram);
        copy(bytes.get_mut(datagram.len()..).unwrap_or_default(), origin);
        Box::new(|| Self { bytes, len: datagram.len(), next: None })
    }

    fn data(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn origin(&self) -> &[u8] {
        self.bytes.get(self.len..).unwrap_or_default()
    }
}

/// In the order in which they came.
#[derive(Default)]
struct Inbox(Option<Box<Datagram>>);

impl Inbox {
    /// The free place behind the last one; `None` if there are as many as may be.
    fn room(&mut self) -> Option<&mut Option<Box<Datagram>>> {
        let mut last = &mut self.0;
        let mut waiting: usize = 0;
        while let Some(datagram) = last {
            last = &mut datagram.next;
            waiting = waiting.saturating_add(1);
        }
        (waiting < INBOX_MAX).then_some(last)
    }

    fn take(&mut self) -> Option<Box<Datagram>> {
        let mut first = self.0.take()?;
        self.0 = first.next.take();
        Some(first)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        while self.take().is_some() {} // one by one: they hang on each other
    }
}

struct Client {
    id: ClientId,
    /// Where what is written goes.
    address: Array<u8>,
    /// Whether what comes from there without a Connection ID is this client's.
    at_home: bool,
    /// By which it is known wherever it is.
    cid: Option<Array<u8>>,
    inbox: Inbox,
    /// Where the datagram read last came from, if that is elsewhere.
    origin: Option<Array<u8>>,
    /// When the program had to do with it, or something came for it first that it has not read.
    used_at: u32,
}

/// By what a client is found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key<'a> {
    Address(&'a [u8]),
    Cid(&'a [u8]),
}

/// A key in the index: which client's, and which of its two. Its number is not 0.
#[derive(Clone, Copy)]
struct Entry(u16);

impl Entry {
    fn new(place: u16, key: Key<'_>) -> Self {
        Self((place << 1 | u16::from(matches!(key, Key::Cid(_)))).wrapping_add(1))
    }

    /// What is in a cell of the index; `None` if it is empty.
    fn of(cell: u16) -> Option<Self> {
        (cell != 0).then_some(Self(cell))
    }

    fn place(self) -> u16 {
        self.0.wrapping_sub(1) >> 1
    }

    fn key(self, places: &Places) -> Option<Key<'_>> {
        let client = places.get(self.place())?;
        if self.0.wrapping_sub(1) & 1 == 0 {
            Some(Key::Address(&client.address))
        } else {
            client.cid.as_deref().map(Key::Cid)
        }
    }
}

/// The clients, each in a place of its own.
struct Places(Array<Option<Box<Client>>>);

impl Places {
    fn get(&self, place: u16) -> Option<&Client> {
        self.0.get(usize::from(place))?.as_deref()
    }

    fn client(&self, id: ClientId) -> Option<&Client> {
        self.get(id.place()).filter(|client| client.id == id)
    }
}

/// Keys with their clients: open addressing, so that nothing is allocated for one more. At most
/// two thirds of the cells are ever in use.
struct Index {
    cells: Array<u16>,
    secret: (u64, u64),
}

impl Index {
    fn new(clients: usize, secret: (u64, u64)) -> Result<Self> {
        let cells = clients.saturating_mul(3).checked_next_power_of_two().unwrap_or(usize::MAX);
        Ok(Self { cells: Array::new(cells, 0)?, secret })
    }

    fn mask(&self) -> usize {
        self.cells.len().wrapping_sub(1)
    }

    /// Where a key belongs, or behind that if others have been there first.
    fn home(&self, key: Key<'_>) -> usize {
        // It is SipHash-2-4, which was made for this; std's successor is not in core.
        #[allow(deprecated)]
        let mut hasher = core::hash::SipHasher::new_with_keys(self.secret.0, self.secret.1);
        let (Key::Address(bytes) | Key::Cid(bytes)) = key;
        hasher.write_u8(u8::from(matches!(key, Key::Cid(_))));
        hasher.write(bytes);
        hasher.finish() as usize & self.mask()
    }

    /// The cells from `at` on, all round.
    fn round(&self, at: usize) -> impl Iterator<Item = usize> + use<> {
        let mask = self.mask();
        (0..=mask).map(move |step| at.wrapping_add(step) & mask)
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        self.cells.get(at).copied().and_then(Entry::of)
    }

    fn set(&mut self, at: usize, cell: u16) {
        if let Some(place) = self.cells.get_mut(at) {
            *place = cell;
        }
    }

    /// The cell with a key, and whose that is.
    fn find(&self, places: &Places, key: Key<'_>) -> Option<(usize, u16)> {
        for at in self.round(self.home(key)) {
            let entry = self.entry(at)?;
            if entry.key(places) == Some(key) {
                return Some((at, entry.place()));
            }
        }
        None
    }

    fn insert(&mut self, place: u16, key: Key<'_>) {
        let free = self.round(self.home(key)).find(|at| self.entry(*at).is_none());
        if let Some(free) = free {
            self.set(free, Entry::new(place, key).0);
        }
    }

    /// Removes a key that is in a client's place, and moves those up that were driven from theirs.
    fn remove(&mut self, places: &Places, place: u16, key: Key<'_>) {
        let Some((mut hole, whose)) = self.find(places, key) else { return };
        if whose != place {
            return;
        }
        for at in self.round(hole).skip(1) {
            let Some(entry) = self.entry(at) else { break };
            let home = entry.key(places).map_or(at, |key| self.home(key));
            let (driven, back) = (at.wrapping_sub(home) & self.mask(), at.wrapping_sub(hole) & self.mask());
            if driven >= back {
                self.set(hole, entry.0);
                hole = at;
            }
        }
        self.set(hole, 0);
    }
}

/// Places in a row, of which no more come than there is room for.
struct Row {
    places: Array<u16>,
    len: usize,
}

impl Row {
    fn new(max: usize) -> Result<Self> {
        Ok(Self { places: Array::new(max, 0)?, len: 0 })
    }

    fn all(&self) -> &[u16] {
        self.places.get(..self.len).unwrap_or_default()
    }

    fn is_full(&self) -> bool {
        self.len == self.places.len()
    }

    fn push(&mut self, place: u16) {
        if let Some(end) = self.places.get_mut(self.len) {
            *end = place;
            self.len = self.len.saturating_add(1);
        }
    }

    fn pop(&mut self) -> Option<u16> {
        let last = self.all().last().copied()?;
        self.len = self.len.saturating_sub(1);
        Some(last)
    }

    /// Takes one out of the row; whether it was in it.
    fn remove(&mut self, place: u16) -> bool {
        let Some(at) = self.all().iter().position(|one| *one == place) else { return false };
        close_gap(self.places.get_mut(at..self.len).unwrap_or_default(), 1);
        self.len = self.len.saturating_sub(1);
        true
    }
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes: one datagram, or its beginning.
    Datagram(usize),
    /// There is none.
    Nothing,
    /// The client is not, or no longer, one of the table's.
    Gone,
}

/// Who is who.
pub struct Table {
    places: Places,
    index: Index,
    free: Row,
    /// Who is to be accepted, in the order in which they came.
    waiting: Row,
    departed: Shared<Departed>,
    /// How many clients there were.
    count: u64,
    version: u32,
    /// Bit n: some client's Connection ID is, or was, n bytes long.
    cid_lengths: u64,
}

impl Table {
    /// An empty table for at most `clients`, [`CLIENTS_MAX`] or fewer, of which `backlog` may wait.
    /// `secret`: random.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn new(clients: usize, backlog: usize, secret: (u64, u64)) -> Result<Self> {
        let clients = clients.min(CLIENTS_MAX);
        let mut free = Row::new(clients)?;
        (0..clients).rev().for_each(|place| free.push(place as u16));
        Ok(Self {
            places: Places(Array::from_fn(clients, |_| None)?),
            index: Index::new(clients, secret)?,
            free,
            waiting: Row::new(backlog.min(clients))?,
            departed: Departed::new(clients)?,
            count: 0,
            version: 1,
            cid_lengths: 0,
        })
    }

    /// How many clients there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.0.len().saturating_sub(self.free.len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        let client = self.places.0.get_mut(usize::from(id.place()))?.as_deref_mut()?;
        (client.id == id).then_some(client)
    }

    /// Another number as soon as something has come for a client or one was removed: as long as it
    /// is the same, who had nothing to read has nothing.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What a connection's finaliser tells.
    #[must_use]
    pub fn departed(&self) -> &Shared<Departed> {
        &self.departed
    }

    /// Forgets the clients whose connections were dropped without being closed.
    pub fn sweep(&mut self) {
        while let Some((place, count)) = self.departed.take() {
            let client = self.places.get(place).filter(|client| client.id.count() == count);
            if let Some(id) = client.map(|client| client.id) {
                self.remove(id);
            }
        }
    }

    /// Whose a datagram from an address is: by its Connection ID, where it has one, else by the
    /// address.
    #[must_use]
    pub fn find(&self, datagram: &[u8], address: &[u8]) -> Option<ClientId> {
        let mut lengths = self.cid_lengths;
        let mut has_cid = false;
        // As a rule all IDs have one length. Else the longest first: a shorter one may be how it
        // begins.
        while let Some(len) = lengths.checked_ilog2() {
            lengths &= !(1_u64 << len);
            if let Some(cid) = wire::connection_id(datagram, len as usize) {
                has_cid = true;
                if let Some(id) = self.find_key(Key::Cid(cid)) {
                    return Some(id);
                }
            }
        }
        if has_cid { None } else { self.find_key(Key::Address(address)) }
    }

    fn find_key(&self, key: Key<'_>) -> Option<ClientId> {
        let (_, place) = self.index.find(&self.places, key)?;
        Some(self.places.get(place)?.id)
    }

    /// Leaves a datagram with its client; whether there was room for it. A client that the program
    /// has forgotten is removed.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn deliver(&mut self, id: ClientId, datagram: &[u8], origin: &[u8], now: u32) -> Result<bool> {
        let Some(client) = self.get_mut(id) else { return Ok(false) };
        let was_empty = client.inbox.0.is_none();
        if let Some(room) = client.inbox.room() {
            *room = Some(Datagram::new(datagram, origin)?);
            if was_empty {
                client.used_at = now;
            }
            self.version = self.version.wrapping_add(1);
            return Ok(true);
        }
        if now.wrapping_sub(client.used_at) >= FORGOTTEN_MS {
            self.remove(id);
        }
        Ok(false)
    }

    /// A new client, which is not in the table yet, with its first datagram; it waits to be
    /// accepted. `None`: no more may wait, or there is no room for another.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; nothing has changed then.
    pub fn welcome(&mut self, datagram: &[u8], address: &[u8], now: u32) -> Result<Option<ClientId>> {
        let (false, Some(place)) = (self.waiting.is_full(), self.free.all().last().copied()) else {
            return Ok(None);
        };
        let inbox = Inbox(Some(Datagram::new(datagram, address)?));
        let id = self.settle(place, address, inbox, now)?;
        self.waiting.push(place);
        self.enter_home(id);
        Ok(Some(id))
    }

    /// Gives a new client the place, which is the last free one. By what it is found, is still to be said.
    fn settle(&mut self, place: u16, address: &[u8], inbox: Inbox, now: u32) -> Result<ClientId> {
        let id = ClientId(self.count.wrapping_add(1) << ClientId::PLACE_BITS | u64::from(place));
        let address = Array::copy_of(address)?;
        let client = Box::new(|| Client {
            id,
            address,
            at_home: false,
            cid: None,
            inbox,
            origin: None,
            used_at: now,
        })?;
        if let Some(free) = self.places.0.get_mut(usize::from(place)) {
            *free = Some(client);
        }
        self.count = self.count.wrapping_add(1);
        self.version = self.version.wrapping_add(1);
        self.free.pop();
        Ok(id)
    }

    /// Has a client found by its address, which is nobody else's.
    fn enter_home(&mut self, id: ClientId) {
        if let Some(client) = self.get_mut(id) {
            client.at_home = true;
        }
        if let Some(client) = self.places.client(id) {
            self.index.insert(id.place(), Key::Address(&client.address));
        }
    }

    /// Has a client found by its Connection ID, which is nobody else's.
    fn name(&mut self, id: ClientId, cid: Array<u8>) {
        self.index.insert(id.place(), Key::Cid(&cid));
        self.cid_lengths |= 1_u64.checked_shl(cid.len() as u32).unwrap_or(0);
        if let Some(client) = self.get_mut(id) {
            client.cid = Some(cid);
        }
    }

    /// Whether what comes from a client's address without a Connection ID is its.
    #[cfg(hibernation)]
    #[must_use]
    pub fn is_at_home(&self, id: ClientId) -> bool {
        self.places.client(id).is_some_and(|client| client.at_home)
    }

    /// A client who was here in another life, with nothing to read. It is found by its Connection ID alone where
    /// it has one, and was not `at_home`, or another is there now.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` where that is another client's, or it has none; [`Error::NoMemory`], also where there is
    /// no room for one more. Nothing has changed then.
    #[cfg(hibernation)]
    pub fn restore(&mut self, address: &[u8], cid: &[u8], at_home: bool, now: u32) -> Result<ClientId> {
        let is_home_free = self.index.find(&self.places, Key::Address(address)).is_none();
        let is_cid_free = !cid.is_empty() && self.index.find(&self.places, Key::Cid(cid)).is_none();
        if !(is_cid_free || cid.is_empty() && is_home_free) {
            return Err(Error::Errno(MPSSL_EADDRINUSE.cast_signed()));
        }
        let place = self.free.all().last().copied().ok_or(Error::NoMemory)?;
        let own_cid = if cid.is_empty() { None } else { Some(Array::copy_of(cid)?) };
        let id = self.settle(place, address, Inbox::default(), now)?;
        // Who had moved is not the only one to speak from where it is.
        if is_home_free && (at_home || own_cid.is_none()) {
            self.enter_home(id);
        }
        if let Some(cid) = own_cid {
            self.name(id, cid);
        }
        Ok(id)
    }

    /// Who is to be accepted next.
    #[must_use]
    pub fn waiting(&self) -> Option<ClientId> {
        let first = self.waiting.all().first()?;
        Some(self.places.get(*first)?.id)
    }

    /// Accepts one that waits, as known by the Connection ID `cid` from now on, if that is not
    /// empty. Where another client has it already, the next one is taken that differs in the last
    /// byte, and written there. Whether it did wait, and there was such an ID; if not, it is removed.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; it waits on then.
    pub fn accept(&mut self, id: ClientId, cid: &mut [u8], now: u32) -> Result<bool> {
        if self.places.client(id).is_none() || !self.waiting.all().contains(&id.place()) {
            return Ok(false);
        }
        let own_cid = if cid.is_empty() {
            None
        } else if self.choose(cid) {
            Some(Array::copy_of(cid)?)
        } else {
            self.remove(id);
            return Ok(false);
        };
        self.waiting.remove(id.place());
        let Some(client) = self.get_mut(id) else { return Ok(false) };
        client.used_at = now;
        if let Some(cid) = own_cid {
            self.name(id, cid);
        }
        Ok(true)
    }

    /// Changes the ID's last byte until nobody has it; whether there is such an ID.
    fn choose(&self, cid: &mut [u8]) -> bool {
        for _ in 0..=u8::MAX {
            if self.index.find(&self.places, Key::Cid(cid)).is_none() {
                return true;
            }
            if let Some(last) = cid.last_mut() {
                *last = last.wrapping_add(1);
            }
        }
        false
    }

    /// Reads one datagram of a client's: what of it fits.
    pub fn read(&mut self, id: ClientId, buf: &mut [u8], now: u32) -> Read {
        let Some(client) = self.get_mut(id) else { return Read::Gone };
        client.used_at = now;
        let Some(datagram) = client.inbox.take() else { return Read::Nothing };
        copy(buf, datagram.data());
        // Only a Connection ID makes a client known at another address (RFC 9146 6). Without memory
        // it is followed another time.
        let moved = client.cid.is_some() && datagram.origin() != &*client.address;
        client.origin = if moved { Array::copy_of(datagram.origin()).ok() } else { None };
        Read::Datagram(datagram.data().len().min(buf.len()))
    }

    /// Whether something waits to be read; `None`: the client is gone.
    pub fn has_datagram(&mut self, id: ClientId, now: u32) -> Option<bool> {
        let client = self.get_mut(id)?;
        client.used_at = now;
        Some(client.inbox.0.is_some())
    }

    /// Where to write to; `None`: the client is gone.
    pub fn address(&mut self, id: ClientId, now: u32) -> Option<&[u8]> {
        let client = self.get_mut(id)?;
        client.used_at = now;
        Some(&client.address)
    }

    /// A record of the datagram read last has authenticated: the client is where that came from.
    pub fn follow(&mut self, id: ClientId) {
        let Some(origin) = self.get_mut(id).and_then(|client| client.origin.take()) else { return };
        // Its records are known by their ID wherever they come from. What comes without one is not
        // its own any more at the old address, and nothing says that it is at the new one, where
        // another client may be.
        self.leave_home(id);
        if let Some(client) = self.get_mut(id) {
            client.address = origin;
        }
    }

    fn leave_home(&mut self, id: ClientId) {
        let Some(client) = self.places.client(id).filter(|client| client.at_home) else { return };
        self.index.remove(&self.places, id.place(), Key::Address(&client.address));
        if let Some(client) = self.get_mut(id) {
            client.at_home = false;
        }
    }

    /// Forgets a client, and what waits for it, for which nobody had to authenticate.
    pub fn remove(&mut self, id: ClientId) {
        self.leave_home(id);
        let Some(client) = self.places.client(id) else { return };
        if let Some(cid) = client.cid.as_deref() {
            self.index.remove(&self.places, id.place(), Key::Cid(cid));
        }
        self.waiting.remove(id.place());
        self.version = self.version.wrapping_add(1);
        if let Some(place) = self.places.0.get_mut(usize::from(id.place())) {
            *place = None;
        }
        self.free.push(id.place());
    }
}
