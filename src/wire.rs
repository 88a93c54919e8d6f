// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams of DTLS as they are on the wire: their records, and the ClientHello and the
//! HelloVerifyRequest in the clear (RFC 6347 4.1, 4.2, RFC 9146 4).

/// Datagrams as RFC 6347 4.1, 4.2 and RFC 9146 4 lay them out.
mod layout {
    /// ContentType handshake.
    pub const HANDSHAKE: u8 = 22;
    /// ContentType tls12_cid.
    pub const TLS12_CID: u8 = 25;
    /// HandshakeType client_hello.
    pub const CLIENT_HELLO: u8 = 1;
    /// HandshakeType hello_verify_request.
    pub const HELLO_VERIFY_REQUEST: u8 = 3;
    /// type, version, epoch, sequence number, length.
    pub const RECORD_HEADER: usize = 13;
    /// msg_type, length, message_seq, fragment_offset, fragment_length.
    pub const HANDSHAKE_HEADER: usize = 12;
}

/// The length of a cookie of ours.
pub const COOKIE_LEN: usize = 32;
/// A HelloVerifyRequest with a cookie of ours, as a datagram.
pub const HELLO_VERIFY_LEN: usize = layout::RECORD_HEADER + layout::HANDSHAKE_HEADER + 3 + COOKIE_LEN;

/// Reads big-endian fields one after the other; `None` beyond the end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn uint(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |n, &byte| (n << 8) | usize::from(byte)))
    }
}

/// The cookie in a datagram that begins with a whole or a first part of a
/// ClientHello of epoch 0; `None` for anything else.
pub(crate) fn client_hello_cookie(datagram: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields(datagram);
    let content_type = fields.take(1)?;
    let version = fields.take(1)?;
    let _minor = fields.take(1)?;
    let epoch = fields.uint(2)?;
    let _sequence_number = fields.take(6)?;
    let length = fields.uint(2)?;
    if content_type != [layout::HANDSHAKE] || version != [0xfe] || epoch != 0 {
        return None;
    }
    let mut fields = Fields(fields.take(length)?);
    let msg_type = fields.take(1)?;
    let _length = fields.take(3)?;
    let _message_seq = fields.take(2)?;
    let fragment_offset = fields.uint(3)?;
    let fragment_length = fields.uint(3)?;
    if msg_type != [layout::CLIENT_HELLO] || fragment_offset != 0 {
        return None;
    }
    let mut fields = Fields(fields.take(fragment_length)?);
    let _client_version_and_random = fields.take(2 + 32)?;
    let session_id_length = fields.uint(1)?;
    fields.take(session_id_length)?;
    let cookie_length = fields.uint(1)?;
    fields.take(cookie_length)
}

/// The end of a random number: enough to know a hello by.
pub(crate) type HelloRandom = [u8; 8];

/// The random number in such a datagram.
pub(crate) fn client_hello_random(datagram: &[u8]) -> Option<HelloRandom> {
    client_hello_cookie(datagram)?;
    // Behind both headers and the version.
    let (_, random) = datagram.split_at_checked(layout::RECORD_HEADER + layout::HANDSHAKE_HEADER + 2)?;
    random.first_chunk::<32>()?.last_chunk().copied()
}

/// What the records of a datagram are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// How many of the datagram's bytes are whole records.
    pub(crate) len: usize,
    /// Whether one is a ClientHello in the clear: it may be of a client that begins anew.
    pub(crate) may_begin_anew: bool,
}

/// Looks at the headers of a datagram's records; `cid` is the length of the Connection ID
/// in those that have one.
pub(crate) fn records(datagram: &[u8], cid: usize) -> Records {
    let mut fields = Fields(datagram);
    let mut records = Records::default();
    let mut record = || {
        let content_type = fields.take(1)?;
        let _version = fields.take(2)?;
        let epoch = fields.uint(2)?;
        let _sequence_number = fields.take(6)?;
        if content_type == [layout::TLS12_CID] {
            fields.take(cid)?;
        }
        let length = fields.uint(2)?;
        let msg_type = fields.take(length)?.first();
        let in_the_clear = content_type == [layout::HANDSHAKE] && epoch == 0;
        Some((fields.0.len(), in_the_clear && msg_type == Some(&layout::CLIENT_HELLO)))
    };
    while records.len < datagram.len() {
        let Some((rest, hello)) = record() else { break };
        records.len = datagram.len().saturating_sub(rest);
        records.may_begin_anew |= hello;
    }
    records
}

/// A HelloVerifyRequest in answer to `hello`, which is a ClientHello.
pub(crate) fn hello_verify_request(
    hello: &[u8],
    cookie: &[u8; COOKIE_LEN],
) -> Option<[u8; HELLO_VERIFY_LEN]> {
    const BODY: u8 = 3 + COOKIE_LEN as u8;
    const RECORD: u8 = layout::HANDSHAKE_HEADER as u8 + BODY;
    let mut request = [0; HELLO_VERIFY_LEN];
    let sequence_number = hello.get(5..11)?;
    let message_seq = hello.get(17..19)?;
    let parts: [&[u8]; 9] = [
        // DTLS 1.0, whatever is negotiated later; epoch 0; the hello's own number,
        // for there is no state that would count (RFC 6347 4.2.1).
        &[layout::HANDSHAKE, 0xfe, 0xff, 0, 0],
        sequence_number,
        &[0, RECORD],
        &[layout::HELLO_VERIFY_REQUEST, 0, 0, BODY],
        message_seq,
        &[0, 0, 0],
        &[0, 0, BODY],
        &[0xfe, 0xff, COOKIE_LEN as u8],
        cookie,
    ];
    let bytes = parts.into_iter().flatten();
    for (to, from) in request.iter_mut().zip(bytes) {
        *to = *from;
    }
    Some(request)
}

/// The Connection ID, `len` bytes long, that a datagram's first record carries
/// (RFC 9146 4).
#[must_use]
pub fn connection_id(datagram: &[u8], len: usize) -> Option<&[u8]> {
    let mut fields = Fields(datagram);
    if fields.take(1)? != [layout::TLS12_CID] {
        return None;
    }
    // The ID stands between sequence number and length.
    let _version_epoch_and_sequence_number = fields.take(10)?;
    fields.take(len)
}
