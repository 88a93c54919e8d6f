// SPDX-License-Identifier: MIT OR Apache-2.0
//! The listener's table: for which client a datagram is, and what it keeps for each; alone, and
//! against one that is made of std's collections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::collections::{HashMap, VecDeque};

use common::alloc::{failing, live};
use common::{Balance, Dice};
use micropython_ssl::dtls::table::{CLIENTS_MAX, ClientId, FORGOTTEN_MS, INBOX_MAX, Read, Table};
use micropython_ssl::error::Error;

const SECRET: (u64, u64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);

fn table(clients: usize, backlog: usize) -> Table {
    Table::new(clients, backlog, SECRET).unwrap()
}

/// A record with a Connection ID, and `data` behind it.
fn with_cid(cid: &[u8], data: &[u8]) -> Vec<u8> {
    [&[25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9], cid, &[0, data.len() as u8], data].concat()
}

/// A record without.
fn plain(data: &[u8]) -> Vec<u8> {
    [&[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, data.len() as u8], data].concat()
}

/// A client at an address that was accepted, what it began with read.
fn connected(table: &mut Table, address: &[u8], cid: &[u8]) -> ClientId {
    let id = table.welcome(b"hello", address, 0).unwrap().unwrap();
    assert_eq!(table.waiting(), Some(id));
    assert_eq!(table.accept(id, &mut cid.to_vec(), 0), Ok(true));
    assert_eq!(table.waiting(), None);
    assert_eq!(read(table, id), Some(b"hello".to_vec()));
    id
}

fn read(table: &mut Table, id: ClientId) -> Option<Vec<u8>> {
    let mut buf = [0; 100];
    match table.read(id, &mut buf, 0) {
        Read::Datagram(n) => Some(buf[..n].to_vec()),
        Read::Nothing => None,
        Read::Gone => panic!("gone"),
    }
}

#[test]
fn a_datagram_is_for_who_is_at_its_address() {
    let _balance = Balance::start();
    let mut table = table(4, 4);
    assert_eq!(table.find(&plain(b"x"), b"a"), None);
    let a = connected(&mut table, b"a", &[]);
    let b = connected(&mut table, b"b", &[]);
    assert_eq!(table.find(&plain(b"x"), b"a"), Some(a));
    assert_eq!(table.find(&plain(b"x"), b"b"), Some(b));
    for stranger in [b"" as &[u8], b"c", b"aa", b"ab"] {
        assert_eq!(table.find(&plain(b"x"), stranger), None);
    }
    assert_eq!(table.find(&[], b"a"), Some(a));
    assert_eq!(table.address(b, 0), Some(b"b" as &[u8]));
    assert_eq!(table.len(), 2);
}

#[test]
fn a_datagram_with_a_connection_id_is_for_who_has_it() {
    let _balance = Balance::start();
    let mut table = table(8, 4);
    let a = connected(&mut table, b"a", b"1234");
    let b = connected(&mut table, b"b", b"1235");
    // The context's setting was changed meanwhile.
    let c = connected(&mut table, b"c", b"12");
    let d = connected(&mut table, b"d", &[]);
    for from in [b"a" as &[u8], b"b", b"d", b"elsewhere"] {
        assert_eq!(table.find(&with_cid(b"1234", b"x"), from), Some(a));
        assert_eq!(table.find(&with_cid(b"1235", b"x"), from), Some(b));
        assert_eq!(table.find(&with_cid(b"12", b"zz"), from), Some(c));
        // With another's ID, or nobody's, it is not for who lives there.
        assert_eq!(table.find(&with_cid(b"9999", b"x"), from), None);
    }
    assert_eq!(table.find(&plain(b"x"), b"a"), Some(a));
    assert_eq!(table.find(&plain(b"x"), b"d"), Some(d));
    // The address of one is not the Connection ID of another.
    let e = connected(&mut table, b"1234", &[]);
    assert_eq!(table.find(&plain(b"x"), b"1234"), Some(e));
    table.remove(e);
    assert_eq!(table.find(&with_cid(b"1234", b"x"), b"a"), Some(a));
    assert_eq!(table.find(&plain(b"x"), b"1234"), None);
}

#[test]
fn a_client_is_followed_only_after_its_record_authenticated() {
    let _balance = Balance::start();
    let mut table = table(4, 4);
    let a = connected(&mut table, b"a", b"1234");
    let b = connected(&mut table, b"b", &[]);
    let moved = with_cid(b"1234", b"x");
    for from in [b"thief" as &[u8], b"b", b"new"] {
        assert_eq!(table.deliver(a, &moved, from, 0), Ok(true));
    }
    assert_eq!(table.address(a, 0), Some(b"a" as &[u8]));
    assert_eq!((read(&mut table, a), read(&mut table, a)), (Some(moved.clone()), Some(moved.clone())));
    assert_eq!(table.address(a, 0), Some(b"a" as &[u8]));
    // The third is the one that is good, whatever came before it.
    assert_eq!(read(&mut table, a), Some(moved.clone()));
    table.follow(a);
    assert_eq!(table.address(a, 0), Some(b"new" as &[u8]));
    // Neither address is its own for what has no ID, and who lives there stays.
    assert_eq!(table.find(&plain(b"x"), b"a"), None);
    assert_eq!(table.find(&plain(b"x"), b"new"), None);
    assert_eq!(table.find(&moved, b"new"), Some(a));
    let c = connected(&mut table, b"a", &[]);
    let d = connected(&mut table, b"new", &[]);
    // To where another lives, and back.
    for (from, whose) in [(b"b" as &[u8], b), (b"a", c), (b"new", d)] {
        table.deliver(a, &moved, from, 0).unwrap();
        read(&mut table, a);
        table.follow(a);
        assert_eq!(table.address(a, 0), Some(from));
        assert_eq!(table.find(&plain(b"x"), from), Some(whose));
    }
    // One that is heard from where it is does not move, and one without an ID never.
    table.deliver(a, &moved, b"new", 0).unwrap();
    read(&mut table, a);
    table.follow(a);
    table.deliver(b, &plain(b"x"), b"elsewhere", 0).unwrap();
    read(&mut table, b);
    table.follow(b);
    assert_eq!(table.address(b, 0), Some(b"b" as &[u8]));
    table.remove(a);
    assert_eq!(table.find(&plain(b"x"), b"new"), Some(d));
    assert_eq!(table.find(&moved, b"new"), None);
}

/// As [`a_client_is_followed_only_after_its_record_authenticated`] says, also in another life.
#[cfg(hibernation)]
#[test]
fn who_had_moved_does_not_come_back_as_the_owner_of_an_address() {
    let _balance = Balance::start();
    let moved = with_cid(b"1234", b"x");
    // Never; elsewhere; and back to where it was accepted.
    for (way, address) in [(&[] as &[&[u8]], b"a"), (&[b"b"], b"b"), (&[b"b", b"a"], b"a")] {
        let mut before = table(4, 4);
        let a = connected(&mut before, b"a", b"1234");
        for from in way {
            before.deliver(a, &moved, from, 0).unwrap();
            read(&mut before, a);
            before.follow(a);
        }
        assert_eq!(before.address(a, 0), Some(address as &[u8]));
        let mut at_home = before.is_at_home(a);
        assert_eq!(at_home, way.is_empty());
        // More than once.
        for _ in 0..2 {
            let mut after = table(4, 4);
            let a = after.restore(address, b"1234", at_home, 0).unwrap();
            at_home = after.is_at_home(a);
            assert_eq!(after.find(&moved, b"anywhere"), Some(a));
            assert_eq!(after.find(&plain(b"x"), address), Some(a).filter(|_| way.is_empty()));
            if !way.is_empty() {
                let b = connected(&mut after, address, &[]);
                assert_eq!(after.find(&plain(b"x"), address), Some(b));
                after.remove(a);
                assert_eq!(after.find(&plain(b"x"), address), Some(b));
            }
        }
    }
    // Without an ID it is its address that finds it, whatever was said; and where another is, it is not.
    let mut after = table(4, 4);
    let a = after.restore(b"a", &[], false, 0).unwrap();
    assert_eq!(after.find(&plain(b"x"), b"a"), Some(a));
    let b = after.restore(b"a", b"1234", true, 0).unwrap();
    assert_eq!((after.is_at_home(a), after.is_at_home(b)), (true, false));
    assert!(after.restore(b"a", &[], true, 0).is_err());
    after.remove(b);
    assert_eq!(after.find(&plain(b"x"), b"a"), Some(a));
}

#[test]
fn two_clients_never_have_one_connection_id() {
    let _balance = Balance::start();
    let mut table = table(300, 300);
    let mut owner = HashMap::new();
    for n in 0..256_u32 {
        let id = table.welcome(b"hello", &n.to_be_bytes(), 0).unwrap().unwrap();
        let mut cid = [7];
        assert_eq!(table.accept(id, &mut cid, 0), Ok(true));
        assert_eq!(owner.insert(cid, id), None);
    }
    for (cid, id) in &owner {
        assert_eq!(table.find(&with_cid(cid, b"x"), b"elsewhere"), Some(*id));
    }
    // There is no 257th.
    let id = table.welcome(b"hello", b"late", 0).unwrap().unwrap();
    assert_eq!(table.accept(id, &mut [7], 0), Ok(false));
    assert_eq!((table.len(), table.waiting(), table.find(b"x", b"late")), (256, None, None));
    table.remove(owner[&[9]]);
    let id = table.welcome(b"hello", b"late", 0).unwrap().unwrap();
    let mut cid = [7];
    assert_eq!((table.accept(id, &mut cid, 0), cid), (Ok(true), [9]));
}

#[test]
fn a_full_table_keeps_whom_it_has() {
    let _balance = Balance::start();
    let mut table = table(3, 2);
    let a = connected(&mut table, b"a", b"1");
    let b = table.welcome(b"hello", b"b", 0).unwrap().unwrap();
    let c = table.welcome(b"hello", b"c", 0).unwrap().unwrap();
    assert_eq!(table.welcome(b"hello", b"d", 0), Ok(None), "two wait already");
    assert_eq!(table.waiting(), Some(b));
    assert_eq!(table.accept(b, &mut [2], 0), Ok(true));
    assert_eq!(table.accept(b, &mut [3], 0), Ok(false), "it waits no more");
    assert_eq!(table.welcome(b"hello", b"d", 0), Ok(None), "there are three");
    assert_eq!(table.waiting(), Some(c));
    let full = live();
    for n in 0..1000_u32 {
        assert_eq!(table.welcome(b"hello", &n.to_be_bytes(), 0), Ok(None));
    }
    assert_eq!(live(), full);
    for (id, address) in [(a, b"a"), (b, b"b"), (c, b"c")] {
        assert_eq!(table.find(&plain(b"x"), address), Some(id));
        assert_eq!(table.deliver(id, b"x", address, 0), Ok(true));
    }
    // A place that is free again is another's, and the number of who had it finds nobody.
    table.remove(b);
    let d = table.welcome(b"hello", b"d", 0).unwrap().unwrap();
    assert_ne!(d, b);
    assert_eq!(table.read(b, &mut [0; 9], 0), Read::Gone);
    assert_eq!(table.address(b, 0), None);
    assert_eq!(table.has_datagram(b, 0), None);
    assert_eq!(table.deliver(b, b"x", b"b", 0), Ok(false));
    assert_eq!(table.accept(b, &mut [], 0), Ok(false));
    table.follow(b);
    table.remove(b);
    for wrong in [0, u64::MAX, a.number() ^ 1, a.number() | 0xffff] {
        table.remove(ClientId::of_number(wrong));
    }
    assert_eq!((table.len(), table.waiting()), (3, Some(c)));
    table.remove(c);
    assert_eq!(table.waiting(), Some(d));
}

#[test]
fn an_inbox_is_bounded_and_closing_empties_it() {
    let _balance = Balance::start();
    let mut table = table(2, 2);
    let empty = live();
    let a = connected(&mut table, b"a", b"1234");
    let quiet = live();
    for n in 0..20_u8 {
        let kept = table.deliver(a, &[n; 100], b"a", 0).unwrap();
        assert_eq!(kept, usize::from(n) < INBOX_MAX);
    }
    assert!(live().bytes < quiet.bytes + INBOX_MAX * 200);
    assert_eq!(table.has_datagram(a, 0), Some(true));
    // In order; what does not fit into the reader's buffer is lost.
    assert_eq!(table.read(a, &mut [0; 30], 0), Read::Datagram(30));
    assert_eq!(table.read(a, &mut [], 0), Read::Datagram(0));
    for n in 2..INBOX_MAX {
        assert_eq!(read(&mut table, a), Some(vec![n as u8; 100]));
    }
    assert_eq!((table.has_datagram(a, 0), read(&mut table, a)), (Some(false), None));
    assert_eq!(live(), quiet);
    for _ in 0..INBOX_MAX {
        table.deliver(a, &[1; 2000], b"elsewhere", 0).unwrap();
    }
    table.read(a, &mut [0; 9], 0);
    table.remove(a);
    assert_eq!(live(), empty);
}

#[test]
fn a_client_that_nobody_reads_is_forgotten() {
    let _balance = Balance::start();
    let mut table = table(4, 2);
    let start = u32::MAX - 5; // the clock wraps around
    let a = connected(&mut table, b"a", &[]);
    let waits = table.welcome(b"hello", b"b", start).unwrap().unwrap();
    assert_eq!(table.has_datagram(a, start), Some(false));
    for _ in 0..INBOX_MAX {
        table.deliver(a, b"x", b"a", start).unwrap();
        table.deliver(waits, b"x", b"b", start).unwrap();
    }
    let then = start.wrapping_add(FORGOTTEN_MS);
    assert_eq!(table.deliver(a, b"x", b"a", then.wrapping_sub(1)), Ok(false));
    assert_eq!(table.len(), 2);
    // Who is written to or polled is not.
    assert!(table.address(a, then).is_some());
    assert_eq!(table.deliver(a, b"x", b"a", then), Ok(false));
    assert_eq!(table.len(), 2);
    assert_eq!(table.deliver(a, b"x", b"a", then.wrapping_add(FORGOTTEN_MS)), Ok(false));
    assert_eq!((table.len(), table.find(b"x", b"a")), (1, None));
    assert_eq!(table.deliver(waits, b"x", b"b", then), Ok(false));
    assert_eq!((table.len(), table.waiting()), (0, None));
}

#[test]
fn a_burst_for_a_quiet_client_is_not_its_end() {
    let _balance = Balance::start();
    let mut table = table(4, 2);
    let a = connected(&mut table, b"a", &[]);
    let late = FORGOTTEN_MS * 3; // and nobody had to look: nothing came
    for n in 0..20 {
        assert_eq!(table.deliver(a, b"x", b"a", late), Ok(n < INBOX_MAX));
    }
    assert_eq!(table.has_datagram(a, late), Some(true));
}

#[test]
fn the_version_changes_whenever_a_poll_may_say_something_else() {
    let _balance = Balance::start();
    let mut table = table(2, 1);
    let mut before = table.version();
    let mut changed = |table: &Table| std::mem::replace(&mut before, table.version()) != table.version();
    let a = table.welcome(b"hello", b"a", 0).unwrap().unwrap();
    assert!(changed(&table));
    assert_eq!(table.welcome(b"hello", b"b", 0), Ok(None));
    assert!(!changed(&table), "none may wait");
    table.accept(a, &mut [], 0).unwrap();
    read(&mut table, a);
    changed(&table);
    for n in 0..INBOX_MAX + 2 {
        assert_eq!(table.deliver(a, b"x", b"a", 0), Ok(n < INBOX_MAX));
        assert_eq!(changed(&table), n < INBOX_MAX);
    }
    table.deliver(a, b"x", b"a", FORGOTTEN_MS).unwrap();
    assert!(changed(&table), "it was cut off");
    table.remove(a);
    assert!(!changed(&table));
}

#[test]
fn a_dropped_connection_leaves_its_place() {
    let _balance = Balance::start();
    let mut table = table(2, 2);
    let empty = live();
    let a = connected(&mut table, b"a", b"1");
    let departed = table.departed().clone();
    table.sweep();
    assert_eq!(table.len(), 1);
    departed.note(a);
    assert_eq!(table.find(&plain(b"x"), b"a"), Some(a), "until the next datagram");
    table.sweep();
    assert_eq!((table.len(), live()), (0, empty));
    // One that was cut off, whose place is another's by now, goes at last; before and after that one.
    let b = connected(&mut table, b"b", b"1");
    table.remove(b);
    let c = connected(&mut table, b"c", b"1");
    departed.note(b);
    table.sweep();
    assert_eq!(table.find(&plain(b"x"), b"c"), Some(c));
    departed.note(c);
    departed.note(a);
    departed.note(b);
    table.sweep();
    assert!(table.is_empty());
    // The last handle may be a connection's.
    drop(table);
    departed.note(c);
    departed.note(ClientId::of_number(u64::MAX));
}

#[test]
fn without_memory_nothing_changes() {
    let _balance = Balance::start();
    for n in 0.. {
        let (made, failed) = failing(n, false, || Table::new(10, 10, SECRET));
        assert_eq!(made.err(), failed.then_some(Error::NoMemory));
        if !failed {
            break;
        }
    }
    let mut table = table(10, 10);
    let empty = live();
    let id = (0..)
        .find_map(|n| {
            let (id, failed) = failing(n, false, || table.welcome(b"hello", b"a", 0));
            if failed {
                assert_eq!(id, Err(Error::NoMemory));
                assert_eq!(
                    (live(), table.len(), table.waiting(), table.find(b"x", b"a")),
                    (empty, 0, None, None)
                );
                return None;
            }
            id.unwrap()
        })
        .unwrap();
    let waits = live();
    let (accepted, failed) = failing(0, false, || table.accept(id, &mut [1, 2], 0));
    assert_eq!((accepted, failed), (Err(Error::NoMemory), true));
    assert_eq!(
        (live(), table.waiting(), table.find(&with_cid(&[1, 2], b"x"), b"b")),
        (waits, Some(id), None)
    );
    assert_eq!(table.accept(id, &mut [1, 2], 0), Ok(true));
    read(&mut table, id);
    let quiet = live();
    for n in 0..2 {
        let (kept, failed) = failing(n, false, || table.deliver(id, b"x", b"b", 0));
        assert_eq!((kept, failed), (Err(Error::NoMemory), true));
        assert_eq!((live(), table.has_datagram(id, 0)), (quiet, Some(false)));
    }
    // Where it cannot be followed it stays.
    table.deliver(id, b"x", b"b", 0).unwrap();
    let (got, failed) = failing(0, false, || table.read(id, &mut [0; 9], 0));
    assert_eq!((got, failed), (Read::Datagram(1), true));
    table.follow(id);
    assert_eq!(table.address(id, 0), Some(b"a" as &[u8]));
}

/// What a table does, made of std's collections, without its bounds.
#[derive(Default)]
struct Model {
    clients: HashMap<ClientId, Known>,
    waiting: VecDeque<ClientId>,
}

#[derive(Default)]
struct Known {
    address: Vec<u8>,
    at_home: bool,
    cid: Vec<u8>,
    inbox: VecDeque<(Vec<u8>, Vec<u8>)>,
    origin: Vec<u8>,
}

impl Model {
    fn find(&self, cid: Option<&[u8]>, address: &[u8]) -> Option<ClientId> {
        let is_it = |known: &Known| match cid {
            Some(cid) => known.cid == cid,
            None => known.at_home && known.address == address,
        };
        self.clients.iter().find(|(_, known)| is_it(known)).map(|(id, _)| *id)
    }
}

/// Random calls on a table and on its model: whatever order clients come, move and go in, and
/// however their keys collide, both say the same.
#[test]
fn a_table_does_what_its_model_does() {
    let _balance = Balance::start();
    for seed in 0..25 {
        let mut dice = Dice::new(seed);
        let room = 1 + dice.roll(40);
        let backlog = 1 + dice.roll(5);
        let mut table = Table::new(room, backlog, (seed, !seed)).unwrap();
        let mut model = Model::default();
        let mut ids_in_use = false;
        for step in 0..1000 {
            let at = format!("seed {seed}, step {step}");
            let address = vec![b'a'; 1 + dice.roll(60)];
            let all: Vec<ClientId> = {
                let mut all: Vec<_> = model.clients.keys().copied().collect();
                all.sort_unstable_by_key(|id| id.number());
                all
            };
            let one = (!all.is_empty()).then(|| all[dice.roll(all.len())]);
            match dice.roll(12) {
                0..=3 => {
                    if model.find(None, &address).is_some() {
                        continue;
                    }
                    let id = table.welcome(b"hello", &address, 0).unwrap();
                    let has_room = model.clients.len() < room && model.waiting.len() < backlog;
                    assert_eq!(id.is_some(), has_room, "{at}");
                    if let Some(id) = id {
                        let inbox = VecDeque::from([(b"hello".to_vec(), address.clone())]);
                        let known = Known { address, at_home: true, inbox, ..Known::default() };
                        assert!(model.clients.insert(id, known).is_none(), "{at}");
                        model.waiting.push_back(id);
                    }
                }
                4 | 5 => {
                    assert_eq!(table.waiting(), model.waiting.front().copied(), "{at}");
                    let Some(id) = table.waiting() else { continue };
                    let mut cid = if dice.roll(3) == 0 { vec![] } else { vec![0, dice.roll(10) as u8] };
                    assert_eq!(table.accept(id, &mut cid, 0), Ok(true), "{at}");
                    assert!(cid.is_empty() || model.find(Some(&cid), b"").is_none(), "{at}");
                    model.waiting.pop_front();
                    ids_in_use |= !cid.is_empty();
                    model.clients.get_mut(&id).unwrap().cid = cid;
                }
                6 | 7 => {
                    let Some(id) = one else { continue };
                    let inbox = &mut model.clients.get_mut(&id).unwrap().inbox;
                    let datagram = vec![step as u8; dice.roll(50)];
                    let kept = table.deliver(id, &datagram, &address, 0).unwrap();
                    assert_eq!(kept, inbox.len() < INBOX_MAX, "{at}");
                    if kept {
                        inbox.push_back((datagram, address));
                    }
                }
                8 | 9 => {
                    let Some(id) = one else { continue };
                    let known = model.clients.get_mut(&id).unwrap();
                    assert_eq!(table.has_datagram(id, 0), Some(!known.inbox.is_empty()), "{at}");
                    let (datagram, origin) = known.inbox.pop_front().unzip();
                    assert_eq!(read(&mut table, id), datagram, "{at}");
                    if let Some(origin) = origin {
                        known.origin = origin;
                        if dice.roll(2) == 0 {
                            table.follow(id);
                            if !known.cid.is_empty() && known.address != known.origin {
                                known.address = known.origin.clone();
                                known.at_home = false;
                            }
                        }
                    }
                }
                10 => {
                    let Some(id) = one else { continue };
                    table.remove(id);
                    model.clients.remove(&id);
                    model.waiting.retain(|other| *other != id);
                }
                _ => {
                    let cid = [0, dice.roll(40) as u8];
                    let found = table.find(&with_cid(&cid, b"x"), &address);
                    // Until there is one, no datagram is taken for one that has one.
                    let cid = ids_in_use.then_some(&cid as &[u8]);
                    let expected = model.find(cid, &address);
                    assert_eq!(found, expected, "{at}");
                }
            }
            assert_eq!(table.len(), model.clients.len(), "{at}");
            for len in 1..=60 {
                let address = vec![b'a'; len];
                assert_eq!(table.find(&plain(b"x"), &address), model.find(None, &address), "{at}, {len}");
            }
            for (id, known) in &model.clients {
                assert_eq!(table.address(*id, 0), Some(&*known.address), "{at}");
                if !known.cid.is_empty() {
                    assert_eq!(table.find(&with_cid(&known.cid, b"x"), b"elsewhere"), Some(*id), "{at}");
                }
            }
        }
    }
}

/// The largest table, filled, emptied by halves and filled again; whatever the secret is.
#[test]
fn all_that_there_is_room_for_is_found() {
    let _balance = Balance::start();
    for (clients, secret) in
        [(1, (0, 0)), (2, (1, 2)), (3, SECRET), (1000, (u64::MAX, 7)), (CLIENTS_MAX, SECRET)]
    {
        let mut table = Table::new(clients, clients, secret).unwrap();
        let empty = live();
        let mut ids = HashMap::new();
        for round in 0..3_u32 {
            for n in 0..clients as u32 {
                let (address, mut cid) = (n.to_be_bytes(), (n ^ 0xffff).to_be_bytes());
                if ids.contains_key(&n) {
                    continue;
                }
                let id = table.welcome(b"hello", &address, 0).unwrap().unwrap();
                assert_eq!(table.accept(id, &mut cid, 0), Ok(true));
                assert_eq!(cid, (n ^ 0xffff).to_be_bytes());
                ids.insert(n, id);
            }
            assert_eq!((table.len(), table.welcome(b"hello", b"one more", 0)), (clients, Ok(None)));
            for (n, id) in &ids {
                assert_eq!(table.find(&plain(b"x"), &n.to_be_bytes()), Some(*id));
                assert_eq!(table.find(&with_cid(&(n ^ 0xffff).to_be_bytes(), b"x"), b"nat"), Some(*id));
            }
            ids.retain(|n, id| {
                let stays = n % 2 == round % 2 && round != 2;
                if !stays {
                    table.remove(*id);
                }
                stays
            });
            for n in 0..clients as u32 {
                assert_eq!(table.find(&plain(b"x"), &n.to_be_bytes()), ids.get(&n).copied());
            }
        }
        assert_eq!((table.len(), live()), (0, empty));
    }
    assert!(Table::new(usize::MAX, usize::MAX, SECRET).unwrap().is_empty());
}
