// SPDX-License-Identifier: MIT OR Apache-2.0
//! A context's client sessions, for connections of which nobody says with which session they go on.
//!
//! A session is taken out to be offered, and put back by the handshake that goes on with it, or another in its
//! place: so one that failed, or that the server refused, or whose ticket is good for once, is not offered
//! again.

use core::cell::Cell;

use super::digest::Binding;
use super::secret::Secret;
use super::session::Once;
use crate::error::Result;
use crate::mem::{Array, Shared};
use crate::micropython_sys::atomically;

/// By what a session is found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The settings that it belongs to.
    pub binding: Binding,
    /// The server's port, where it is known: another one is another server, whose tickets are its own.
    pub port: u16,
}

/// A session, as it is saved, and whether it was offered.
pub struct Cached {
    /// By what it is found.
    pub key: Key,
    /// What the program could save.
    pub bytes: Shared<Secret>,
    /// Whoever has a handle of it knows.
    pub used: Shared<Once>,
}

/// Up to so many sessions, the newest in front.
pub struct SessionCache(Array<Cell<Option<Cached>>>);

impl SessionCache {
    /// Room for `n`.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn new(n: u8) -> Result<Shared<Self>> {
        let places = Array::from_fn(n.into(), |_| Cell::new(None))?;
        Shared::new(|| Self(places), |_| Ok(()))
    }

    /// Takes out the session of this key.
    #[must_use]
    pub fn take(&self, key: &Key) -> Option<Cached> {
        self.0.iter().find_map(|place| {
            atomically(|| match place.take() {
                Some(cached) if cached.key == *key => Some(cached),
                other => {
                    place.set(other);
                    None
                }
            })
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let is_there = |place: &Cell<Option<Cached>>| {
            atomically(|| {
                let cached = place.take();
                let is_there = cached.is_some();
                place.set(cached);
                is_there
            })
        };
        self.0.iter().filter(|place| is_there(place)).count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts one back that was not offered, unless there is a newer one of the same key, or no place:
    /// meanwhile there may have been other connections.
    pub fn put_back(&self, cached: Cached) {
        let key = cached.key;
        let gone = atomically(|| {
            let mut room = None;
            for place in self.0.iter() {
                let there = place.take();
                let is_newer = there.as_ref().is_some_and(|of| of.key == key);
                if there.is_none() {
                    room = Some(place);
                }
                place.set(there);
                if is_newer {
                    return Some(cached);
                }
            }
            match room {
                Some(place) => place.replace(Some(cached)),
                None => Some(cached),
            }
        });
        // Outside, as below.
        drop(gone);
    }

    /// Puts one in, in the place of the one with the same key, or of the oldest; whether that was of
    /// another.
    pub fn put(&self, cached: Cached) -> bool {
        let key = cached.key;
        let gone = atomically(|| {
            let mut moved = Some(cached);
            for place in self.0.iter() {
                moved = place.replace(moved);
                if moved.as_ref().is_none_or(|of| of.key == key) {
                    break;
                }
            }
            moved
        });
        // Outside: it is wiped, and its memory given back.
        gone.is_some_and(|gone| gone.key != key)
    }
}
