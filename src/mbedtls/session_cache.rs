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

/// A session, as it is saved, and whether it was offered.
pub struct Cached {
    /// The settings that it belongs to.
    pub binding: Binding,
    /// What the program could save.
    pub bytes: Secret,
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

    /// Takes out the session of these settings.
    #[must_use]
    pub fn take(&self, binding: &Binding) -> Option<Cached> {
        self.0.iter().find_map(|place| {
            atomically(|| match place.take() {
                Some(cached) if cached.binding == *binding => Some(cached),
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

    /// Puts one back that was not offered, unless there is a newer one of the same settings, or no place:
    /// meanwhile there may have been other connections.
    pub fn put_back(&self, cached: Cached) {
        let binding = cached.binding;
        let gone = atomically(|| {
            let mut room = None;
            for place in self.0.iter() {
                let there = place.take();
                let is_newer = there.as_ref().is_some_and(|of| of.binding == binding);
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

    /// Puts one in, in the place of the one with the same settings, or of the oldest; whether that was of
    /// others.
    pub fn put(&self, cached: Cached) -> bool {
        let binding = cached.binding;
        let gone = atomically(|| {
            let mut moved = Some(cached);
            for place in self.0.iter() {
                moved = place.replace(moved);
                if moved.as_ref().is_none_or(|of| of.binding == binding) {
                    break;
                }
            }
            moved
        });
        // Outside: it is wiped, and its memory given back.
        gone.is_some_and(|gone| gone.binding != binding)
    }
}
