// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams of DTLS as they are on the wire: their records, and the ClientHello and the
//! HelloVerifyRequest in the clear (RFC 6347 4.1, 4.2, RFC 9146 4).

use crate::error::Result;
use crate::mem::{Array, Box, copy};

/// Datagrams as RFC 6347 4.1, 4.2 and RFC 9146 4 lay them out.
mod layout {
    use core::ops::Range;

    /// ContentType change_cipher_spec, alert, handshake.
    pub const CHANGE_CIPHER_SPEC: u8 = 20;
    pub const ALERT: u8 = 21;
    pub const HANDSHAKE: u8 = 22;
    /// ContentType tls12_cid.
    pub const TLS12_CID: u8 = 25;
    /// HandshakeType client_hello.
    pub const CLIENT_HELLO: u8 = 1;
    /// HandshakeType finished.
    pub const FINISHED: u8 = 20;
    /// HandshakeType hello_verify_request.
    pub const HELLO_VERIFY_REQUEST: u8 = 3;
    /// type, version, epoch, sequence number, length.
    pub const RECORD_HEADER: usize = 13;
    /// msg_type, length, message_seq, fragment_offset, fragment_length.
    pub const HANDSHAKE_HEADER: usize = 12;
    /// ProtocolVersion: a ClientHello's record may still have the first (RFC 6347 4.2.1).
    pub const DTLS_1_0: u16 = 0xfeff;
    pub const DTLS_1_2: u16 = 0xfefd;
    /// Where fields are: of a record, and of the message in it.
    pub const EPOCH: Range<usize> = 3..5;
    pub const RECORD_LENGTH: Range<usize> = 11..13;
    pub const MESSAGE_SEQ: Range<usize> = 17..19;
    pub const FRAGMENT_LENGTH: Range<usize> = 22..25;
}

/// The headers of a record and of the message in it.
const HEADERS: usize = layout::RECORD_HEADER + layout::HANDSHAKE_HEADER;
/// The length of a cookie of ours.
pub const COOKIE_LEN: usize = 32;
/// It is good for this long.
pub const COOKIE_LIFE_MS: u32 = 60_000;
/// A HelloVerifyRequest with a cookie of ours, as a datagram.
pub const HELLO_VERIFY_LEN: usize = layout::RECORD_HEADER + layout::HANDSHAKE_HEADER + 3 + COOKIE_LEN;

/// Reads big-endian fields one after the other; `None` beyond the end.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn short(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|&bytes| u16::from_be_bytes(bytes))
    }

    fn uint(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |n, &byte| (n << 8) | usize::from(byte)))
    }

    /// What is behind a length of so many bytes (RFC 5246 4.3).
    pub(crate) fn vector(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let length = self.uint(bytes)?;
        self.take(length)
    }
}

/// Writes fields one after the other, as far as there is room.
#[cfg(hibernation)]
pub(crate) struct Room<'a>(pub(crate) &'a mut [u8]);

#[cfg(hibernation)]
impl<'a> Room<'a> {
    pub(crate) fn take(&mut self, n: usize) -> &'a mut [u8] {
        let (taken, rest) = core::mem::take(&mut self.0).split_at_mut_checked(n).unwrap_or_default();
        self.0 = rest;
        taken
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        copy(self.take(bytes.len()), bytes);
    }
}

/// A record: its header, and what it carries.
pub(crate) struct Record<'a> {
    content_type: u8,
    version: u16,
    pub(crate) epoch: u16,
    /// What it carries; in epoch 0 that is in the clear.
    fragment: &'a [u8],
    /// Its length, the header included.
    pub(crate) len: usize,
}

/// A message of the handshake, or a fragment of one (RFC 6347 4.2.2).
struct Message<'a> {
    msg_type: u8,
    length: usize,
    message_seq: u16,
    fragment_offset: usize,
    fragment: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record that a datagram begins with; `cid` is the length of the Connection ID in one
    /// that has one. `None`: it does not begin with a whole one.
    pub(crate) fn first(datagram: &'a [u8], cid: usize) -> Option<Self> {
        let mut fields = Fields(datagram);
        let content_type = fields.byte()?;
        let version = fields.short()?;
        let epoch = fields.short()?;
        let _sequence_number = fields.take(6)?;
        if content_type == layout::TLS12_CID {
            fields.take(cid)?;
        }
        let length = fields.uint(2)?;
        let fragment = fields.take(length)?;
        let len = datagram.len().checked_sub(fields.0.len())?;
        Some(Self { content_type, version, epoch, fragment, len })
    }

    fn is_in_the_clear(&self) -> bool {
        self.epoch == 0 && [layout::DTLS_1_0, layout::DTLS_1_2].contains(&self.version)
    }

    /// The alert in it: level and description.
    pub(crate) fn alert(&self) -> Option<[u8; 2]> {
        if self.content_type == layout::ALERT { self.fragment.try_into().ok() } else { None }
    }

    /// The number of the handshake's message that it begins with.
    pub(crate) fn message_seq(&self) -> Option<u16> {
        Some(self.message()?.message_seq)
    }

    /// Types and numbers of its messages, of which Mbed TLS looks for the next one behind the whole length of
    /// the one before, be that a fragment or not.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (u8, u16)> {
        let mut rest = if self.content_type == layout::HANDSHAKE { self.fragment } else { &[] };
        core::iter::from_fn(move || {
            let message = Message::first(rest)?;
            rest = rest.get(message.end()..).unwrap_or_default();
            Some((message.msg_type, message.message_seq))
        })
    }

    fn message(&self) -> Option<Message<'a>> {
        if self.content_type == layout::HANDSHAKE { Message::first(self.fragment) } else { None }
    }

    /// Whether it begins with a HelloVerifyRequest.
    pub(crate) fn asks_for_cookie(&self) -> bool {
        self.message().is_some_and(|message| message.msg_type == layout::HELLO_VERIFY_REQUEST)
    }

    /// Whether this is a record of a handshake, in the clear, with nothing wrong in its form: a
    /// ChangeCipherSpec, an alert, messages whose headers are sound. None is a Finished, which has
    /// keys: "It is a fatal error if a Finished message is not preceded by a ChangeCipherSpec"
    /// (RFC 5246 7.4.9).
    pub(crate) fn is_sound(&self) -> bool {
        self.is_in_the_clear()
            && match self.content_type {
                layout::CHANGE_CIPHER_SPEC => self.fragment == [1],
                layout::ALERT => self.fragment.len() == 2,
                layout::HANDSHAKE => are_sound(self.fragment),
                _ => false,
            }
    }
}

impl<'a> Message<'a> {
    fn first(record: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(record);
        let msg_type = fields.byte()?;
        let length = fields.uint(3)?;
        let message_seq = fields.short()?;
        let fragment_offset = fields.uint(3)?;
        let fragment_length = fields.uint(3)?;
        let fragment = fields.take(fragment_length)?;
        let end = fragment_offset.checked_add(fragment_length)?;
        (end <= length).then_some(Self { msg_type, length, message_seq, fragment_offset, fragment })
    }

    /// Where the next one would begin, from where this does.
    fn end(&self) -> usize {
        layout::HANDSHAKE_HEADER.saturating_add(self.length)
    }
}

/// Whether each message in a record has a sound header, is no Finished, and alone if it is a flight by
/// itself.
fn are_sound(record: &[u8]) -> bool {
    let mut rest = record;
    loop {
        let Some(message) = Message::first(rest).filter(|of| of.msg_type != layout::FINISHED) else {
            return false;
        };
        let is_first = rest.len() == record.len();
        rest = rest.get(message.end()..).unwrap_or_default();
        let is_flight = [layout::CLIENT_HELLO, layout::HELLO_VERIFY_REQUEST].contains(&message.msg_type);
        if is_flight && !(is_first && rest.is_empty()) {
            return false;
        }
        if rest.is_empty() {
            return true;
        }
    }
}

/// Makes Mbed TLS skip the records that `keep` does not want: it gives them an epoch that no
/// connection comes to. How many of the datagram's bytes are whole records.
pub(crate) fn sift(datagram: &mut [u8], cid: usize, mut keep: impl FnMut(&Record<'_>) -> bool) -> usize {
    let mut len: usize = 0;
    while let Some(rest) = datagram.get_mut(len..) {
        let Some(record) = Record::first(rest, cid) else { break };
        let (kept, record) = (keep(&record), record.len);
        if !kept && let Some(epoch) = rest.get_mut(layout::EPOCH) {
            epoch.fill(0xff);
        }
        len = len.saturating_add(record);
    }
    len
}

/// A ClientHello in the clear, or a fragment of one, as the first record of a datagram.
pub(crate) struct ClientHello<'a> {
    /// The record's length.
    pub(crate) len: usize,
    message: Message<'a>,
}

impl<'a> ClientHello<'a> {
    pub(crate) fn of(datagram: &'a [u8]) -> Option<Self> {
        Self::in_record(&Record::first(datagram, 0)?)
    }

    pub(crate) fn in_record(record: &Record<'a>) -> Option<Self> {
        let message = record.message().filter(|message| message.msg_type == layout::CLIENT_HELLO)?;
        record.is_in_the_clear().then_some(Self { len: record.len, message })
    }

    /// Whether it is the first fragment of the hello with this id, or that which has none.
    pub(crate) fn is(&self, id: Option<HelloId>) -> bool {
        self.cookie().is_some() && self.id() == id
    }

    /// Its cookie, which is in the first fragment; `None`: this is another.
    pub(crate) fn cookie(&self) -> Option<&'a [u8]> {
        Some(self.random_and_cookie()?.1)
    }

    fn random_and_cookie(&self) -> Option<(&'a [u8], &'a [u8])> {
        if self.message.fragment_offset != 0 {
            return None;
        }
        let mut fields = Fields(self.message.fragment);
        let _client_version = fields.take(2)?;
        let random = fields.take(32)?;
        let session_id_length = fields.uint(1)?;
        fields.take(session_id_length)?;
        let cookie_length = fields.uint(1)?;
        Some((random, fields.take(cookie_length)?))
    }

    /// What to know it by.
    pub(crate) fn id(&self) -> Option<HelloId> {
        let (random, cookie) = self.random_and_cookie()?;
        let (random, made) = (random.last_chunk::<3>()?, cookie.first_chunk::<5>()?);
        let mut id = HelloId::default();
        copy(&mut id, random);
        copy(id.last_chunk_mut::<5>()?, made);
        Some(id)
    }

    /// Whether it has no cookie: "when sending the first ClientHello, the client does not have a cookie
    /// yet" (RFC 6347 4.2.1).
    pub(crate) fn is_first(&self) -> bool {
        self.cookie().is_some_and(<[u8]>::is_empty)
    }

    /// Whether it is a fragment, with which the hello begins.
    pub(crate) fn is_first_fragment(&self) -> bool {
        self.message.fragment_offset == 0 && !self.is_whole()
    }

    /// Whether it is not a fragment.
    pub(crate) fn is_whole(&self) -> bool {
        self.message.fragment.len() == self.message.length
    }
}

/// What to know a ClientHello by that had a good cookie: the end of its random number, and which
/// cookie that was: when it was made, in milliseconds, and the how manieth.
pub(crate) type HelloId = [u8; 8];

/// Whether a hello, whose cookie is good, is of a client that begins anew: not the one that made the
/// connection, doubled, nor one from before, replayed, nor one with the cookie of either. However old
/// the connection is: a cookie from before it is good only while that is younger than a cookie's life.
pub(crate) fn begins_anew(hello: HelloId, made: HelloId) -> bool {
    let ([a, b, c, time @ .., count], [x, y, z, old_time @ .., old_count]) = (hello, made);
    let later = u32::from_be_bytes(time).wrapping_sub(u32::from_be_bytes(old_time));
    let newer = match later {
        0 => count.wrapping_sub(old_count).cast_signed() > 0,
        _ => later < COOKIE_LIFE_MS.wrapping_neg(),
    };
    newer && [a, b, c] != [x, y, z]
}

/// A ClientHello that comes in fragments (RFC 6347 4.2.3), put together as the one record that
/// it could have been. They must come in order: one that overtook others has to come again.
pub(crate) struct Assembly {
    record: Array<u8>,
    /// How many bytes of the message have come.
    come: usize,
}

impl Assembly {
    /// Begins with the first fragment, or goes on with the next, of however many are in the
    /// datagram's records; whether all have come then. They are of one hello: each that is begun is
    /// memory. Only what the datagram begins with begins one, whose cookie the caller has seen.
    /// `longest`: the longest record that is put together; 0: none is begun.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::NoMemory`]; nothing has changed then.
    pub(crate) fn add(this: &mut Option<Box<Self>>, datagram: &[u8], longest: usize) -> Result<bool> {
        let mut records = datagram;
        let mut hello = None;
        let mut begins = true;
        while let Some(record) = Record::first(records, 0).filter(Record::is_in_the_clear) {
            let mut messages = if record.content_type == layout::HANDSHAKE { record.fragment } else { &[] };
            while let Some(message) =
                Message::first(messages).filter(|message| message.msg_type == layout::CLIENT_HELLO)
            {
                let this_hello = (message.length, message.message_seq);
                if *hello.get_or_insert(this_hello) == this_hello {
                    let longest = if begins { longest } else { 0 };
                    Self::add_fragment(this, [records, messages], &message, longest)?;
                }
                begins = false;
                let len = layout::HANDSHAKE_HEADER.saturating_add(message.fragment.len());
                messages = messages.get(len..).unwrap_or_default();
            }
            records = records.get(record.len..).unwrap_or_default();
        }
        Ok(this.as_ref().is_some_and(|this| HEADERS.saturating_add(this.come) == this.record.len()))
    }

    fn add_fragment(
        this: &mut Option<Box<Self>>,
        headers: [&[u8]; 2],
        message: &Message<'_>,
        longest: usize,
    ) -> Result<()> {
        let &Message { length, message_seq, fragment_offset: offset, fragment, .. } = message;
        let size = HEADERS.saturating_add(length);
        let is_other = |this: &Box<Self>| {
            let come = this.record.get(HEADERS..HEADERS.saturating_add(this.come)).unwrap_or_default();
            // A client that has begun anew may have one of the same length and number.
            let begins_otherwise = || offset == 0 && come.iter().zip(fragment).any(|(a, b)| a != b);
            (this.record.len(), this.message_seq()) != (size, message_seq)
                || (longest != 0 && begins_otherwise())
        };
        if this.as_ref().is_none_or(is_other) {
            if offset != 0 || size > longest {
                return Ok(());
            }
            let begun = Self::begin(headers, size)?;
            *this = Some(Box::new(|| begun)?);
        }
        if let Some(this) = this
            && let Some(skip) = this.come.checked_sub(offset)
        {
            let new = fragment.get(skip..).unwrap_or_default();
            let at = HEADERS.saturating_add(this.come);
            let room = this.record.get_mut(at..).unwrap_or_default();
            copy(room, new);
            this.come = this.come.saturating_add(new.len());
        }
        Ok(())
    }

    /// As if all came at once: only the lengths differ from those in the `headers` of the record and
    /// of the message in it.
    fn begin([record_header, message_header]: [&[u8]; 2], size: usize) -> Result<Self> {
        let mut record = Array::new(size, 0)?;
        for (at, len, header) in [
            (0, layout::RECORD_HEADER, record_header),
            (layout::RECORD_HEADER, layout::HANDSHAKE_HEADER, message_header),
        ] {
            let to = record.get_mut(at..).unwrap_or_default();
            copy(to, header.get(..len).unwrap_or_default());
        }
        let len = u16::try_from(size.saturating_sub(layout::RECORD_HEADER)).unwrap_or(0);
        copy(record.get_mut(layout::RECORD_LENGTH).unwrap_or_default(), &len.to_be_bytes());
        // The message's length, behind its type.
        let length = message_header.get(1..4).unwrap_or_default();
        copy(record.get_mut(layout::FRAGMENT_LENGTH).unwrap_or_default(), length);
        Ok(Self { record, come: 0 })
    }

    fn message_seq(&self) -> u16 {
        Record::first(&self.record, 0).and_then(|record| record.message_seq()).unwrap_or(0)
    }

    pub(crate) fn record(&self) -> &[u8] {
        &self.record
    }
}

/// "DTLS 1.2 server implementations SHOULD use DTLS version 1.0 regardless of the version of TLS that is
/// expected to be negotiated" (RFC 6347 4.2.1): so does this HelloVerifyRequest, if it is one. It is
/// its side's first message where the hello that it answers `is_first`, whatever the number of that is
/// (4.2.2).
pub(crate) fn mend_hello_verify_request(datagram: &mut [u8], is_first: bool) {
    const EPOCH: core::ops::Range<usize> = 3..5;
    const MSG_TYPE: usize = 13;
    let is_request = datagram.first() == Some(&layout::HANDSHAKE)
        && datagram.get(EPOCH) == Some(&[0, 0])
        && datagram.get(MSG_TYPE) == Some(&layout::HELLO_VERIFY_REQUEST);
    if let Some(message_seq) = datagram.get_mut(layout::MESSAGE_SEQ).filter(|_| is_request && is_first) {
        message_seq.fill(0);
    }
    // The record's, and the message's.
    for version in [1..3, 25..27] {
        if let Some([high, low]) = datagram.get_mut(version).filter(|_| is_request) {
            [*high, *low] = layout::DTLS_1_0.to_be_bytes();
        }
    }
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
    // A second one has the number that the client waits for, which Mbed TLS's and OpenSSL's count on
    // from the first.
    let is_first = ClientHello::of(hello).is_some_and(|hello| hello.is_first());
    let message_seq = if is_first { &[0, 0] } else { hello.get(layout::MESSAGE_SEQ)? };
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
    if fields.byte()? != layout::TLS12_CID {
        return None;
    }
    // The ID stands between sequence number and length.
    let _version_epoch_and_sequence_number = fields.take(10)?;
    fields.take(len)
}
