// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only datagrams need: their settings, the first look at one that belongs to no
//! connection yet, and many clients on one socket.

mod listener;
mod stranger;
pub mod table;

pub use listener::{Limits, Listener, Taken};
pub use stranger::{Stranger, stranger};

/// Settings of a context's connections that only datagrams have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The first retransmission's delay and the longest one, in milliseconds.
    /// RFC 6347 4.2.4.1 has 1 s to 60 s; RFC 7925 begins with 9 s.
    pub timeout: (u32, u32),
    /// The largest datagram to send, in bytes; 0: as large as the record.
    pub mtu: u16,
    /// The length of the Connection ID by which the peer is to call this side;
    /// `None`: Connection IDs (RFC 9146) are not offered.
    pub cid: Option<u8>,
    /// Whether a peer that does not offer Connection IDs is refused.
    pub cid_required: bool,
}

impl Settings {
    /// What a context begins with.
    pub const DEFAULT: Self = Self { timeout: (1000, 60_000), mtu: 0, cid: None, cid_required: false };
}
