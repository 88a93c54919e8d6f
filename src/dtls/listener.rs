// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of a datagram on a socket that many clients call.

use super::stranger::{Stranger, stranger};
#[cfg(hibernation)]
use super::table::ClientId;
use super::table::Table;
use crate::error::Result;
use crate::mbedtls::Cookies;
use crate::mem::Shared;
use crate::wire::HELLO_VERIFY_LEN;

/// What a listener may know at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Clients, accepted or not.
    pub clients: usize,
    /// Clients that wait to be accepted.
    pub backlog: usize,
    /// Datagrams so long or longer are dropped, as the system may have cut them.
    pub bufsize: usize,
}

/// What was done with a datagram.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// It waits for its client to be read, or accepted.
    Kept,
    /// Nothing: it was too long, nobody's, or more than there is room for.
    Dropped,
    /// This is to be sent to where it came from.
    Answer([u8; HELLO_VERIFY_LEN]),
}

/// The clients of one socket, and who may become one.
pub struct Listener {
    /// Who is known.
    pub table: Table,
    cookies: Shared<Cookies>,
    bufsize: usize,
}

impl Listener {
    /// One without clients. `secret`: random, for the table.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`].
    pub fn new(cookies: &Shared<Cookies>, secret: (u64, u64), limits: Limits) -> Result<Self> {
        let Limits { clients, backlog, bufsize } = limits;
        Ok(Self { table: Table::new(clients, backlog, secret)?, cookies: cookies.clone(), bufsize })
    }

    /// Takes a datagram that has come from an address. Only who has shown by a cookie to receive
    /// what is sent there costs memory that lasts.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; [`crate::error::Error::Tls`] from the generator: it is
    /// dropped.
    pub fn take(&mut self, datagram: &[u8], address: &[u8], now: u32) -> Result<Taken> {
        self.table.sweep();
        if datagram.len() >= self.bufsize {
            return Ok(Taken::Dropped);
        }
        let kept = if let Some(client) = self.table.find(datagram, address) {
            self.table.deliver(client, datagram, address, now)?
        } else {
            match stranger(&self.cookies, datagram, address)? {
                Stranger::Verified => self.table.welcome(datagram, address, now)?.is_some(),
                Stranger::Unverified(answer) => return Ok(Taken::Answer(answer)),
                Stranger::Noise => false,
            }
        };
        Ok(if kept { Taken::Kept } else { Taken::Dropped })
    }

    /// Takes in a client whose connection was restored, by the Connection ID that it was given, if it was, and
    /// where it is: see [`Table::restore`].
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` where that is another client's; [`crate::error::Error::NoMemory`], also where there is no
    /// room for one more.
    #[cfg(hibernation)]
    pub fn restore(&mut self, address: &[u8], cid: &[u8], at_home: bool, now: u32) -> Result<ClientId> {
        self.table.sweep();
        self.table.restore(address, cid, at_home, now)
    }
}
