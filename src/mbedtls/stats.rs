// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the connections of a context came to: `SSLContext.session_stats()`. The context has it, and each
//! configuration that its settings made.

use core::cell::Cell;

use crate::error::Result;
use crate::mem::Shared;
use crate::micropython_sys::atomically;

/// How often something happened, wrapping.
#[derive(Default)]
pub struct Count(Cell<u32>);

impl Count {
    /// Once more.
    pub fn add(&self) {
        atomically(|| self.0.set(self.0.get().wrapping_add(1)));
    }

    /// So often.
    #[must_use]
    pub fn get(&self) -> u32 {
        self.0.get()
    }
}

/// What is counted.
#[derive(Default)]
pub struct Stats {
    /// Handshakes that began.
    pub begun: Count,
    /// Those that made a connection.
    pub good: Count,
    /// Those of them that went on with an earlier session.
    pub hits: Count,
    /// Of a server, those that did not, though the client had a ticket.
    pub misses: Count,
    /// Of a server, those that did not, for the ticket was too old.
    pub timeouts: Count,
    /// Sessions that left a client's cache for others.
    pub cache_full: Count,
}

impl Stats {
    /// Nothing yet.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn new() -> Result<Shared<Self>> {
        Shared::new(Self::default, |_| Ok(()))
    }
}
