// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket to the runner. Datagrams come over the same stream, in packets, with orders between
//! them, by which the clock goes on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::time::Duration;

use super::flags::Flags;
use super::{clock, verdict};
use micropython_ssl::io::{
    Bundles, Clock, Interruption, KeyLog, Names, PskStore, Signer, Transport, Verifier,
};
use micropython_ssl::micropython_sys::MPSSL_ECONNRESET;

pub struct Wire {
    stream: TcpStream,
    datagrams: bool,
    /// One byte, or one datagram, at a time, and each only at the second call.
    asynchronous: bool,
    ready: bool,
    /// Bytes that writes may take, where there is a limit.
    pub write_quota: Option<usize>,
    /// The packet that was asked about.
    packet: Option<Vec<u8>>,
    /// An order came, which the caller is to see to before the next packet is waited for.
    ordered: bool,
    /// When the timer is to run out, by the runner: `Some(None)`: it is not running.
    pub expected_timeout: Option<Option<u32>>,
    pub unimplemented: bool,
    /// The runner has closed a path of datagrams.
    pub ended: bool,
    /// The runner does not take any more.
    pub gone: bool,
    verdict: Result<i32, Interruption>,
}

impl Wire {
    pub fn connect(flags: &Flags) -> Self {
        let stream = if flags.ipv6 {
            TcpStream::connect((Ipv6Addr::LOCALHOST, flags.port))
        } else {
            TcpStream::connect((Ipv4Addr::LOCALHOST, flags.port))
        };
        let mut stream = stream.expect("the runner does not answer");
        stream.set_nodelay(true).expect("nodelay");
        stream.write_all(&flags.shim_id.to_le_bytes()).expect("the runner does not listen");
        Self {
            stream,
            datagrams: flags.dtls,
            asynchronous: flags.asynchronous,
            ready: false,
            write_quota: None,
            packet: None,
            ordered: false,
            expected_timeout: None,
            unimplemented: false,
            ended: false,
            gone: false,
            verdict: verdict(flags),
        }
    }

    /// The caller was interrupted, and calls again.
    pub fn resume(&mut self) {
        self.ordered = false;
        self.ready = true;
    }

    /// Lets the runner read to the end what was written.
    pub fn drain(mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut buf = [0; 4096];
        while self.stream.read(&mut buf).is_ok_and(|n| n != 0) {}
    }

    /// Whether an asynchronous call is to be made again first.
    fn take_turn(&mut self) -> Result<(), Interruption> {
        if self.asynchronous && !std::mem::take(&mut self.ready) {
            return Err(Interruption::WouldBlock);
        }
        Ok(())
    }

    fn exact<const N: usize>(&mut self) -> Result<[u8; N], Interruption> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).map_err(errno)?;
        Ok(bytes)
    }

    /// The next packet; [`Interruption::WouldBlock`] for an order in its place.
    fn packet(&mut self) -> Result<Vec<u8>, Interruption> {
        if let Some(packet) = self.packet.take() {
            return Ok(packet);
        }
        if self.ordered {
            return Err(Interruption::WouldBlock);
        }
        let mut order = [0];
        if self.stream.read(&mut order).map_err(errno)? == 0 {
            self.ended = true;
            return Err(Interruption::Errno(MPSSL_ECONNRESET.cast_signed()));
        }
        match order {
            [b'P'] => {
                let mut packet = vec![0; u32::from_be_bytes(self.exact()?) as usize];
                self.stream.read_exact(&mut packet).map_err(errno)?;
                return Ok(packet);
            }
            [b'T'] => {
                let ms = u64::from_be_bytes(self.exact()?) / 1_000_000;
                self.stream.write_all(b"t").map_err(errno)?;
                clock::advance(ms as u32);
            }
            [b'E'] => {
                let ns = u64::from_be_bytes(self.exact()?);
                self.expected_timeout = Some((ns != u64::MAX).then_some((ns / 1_000_000) as u32));
            }
            _ => self.unimplemented = true,
        }
        self.ordered = true;
        Err(Interruption::WouldBlock)
    }
}

fn errno(error: std::io::Error) -> Interruption {
    Interruption::Errno(error.raw_os_error().unwrap_or(5))
}

impl Transport for Wire {
    fn recv(&mut self, buf: &mut [u8]) -> Result<usize, Interruption> {
        self.take_turn()?;
        if !self.datagrams {
            let room = if self.asynchronous { buf.len().min(1) } else { buf.len() };
            return self.stream.read(&mut buf[..room]).map_err(errno);
        }
        let packet = self.packet()?;
        let n = packet.len().min(buf.len());
        buf[..n].copy_from_slice(&packet[..n]);
        Ok(n)
    }

    fn datagram_len(&mut self) -> Result<Option<usize>, Interruption> {
        match self.packet() {
            Ok(packet) => {
                let len = packet.len();
                self.packet = Some(packet);
                Ok(Some(len))
            }
            Err(Interruption::WouldBlock) => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, buf: &[u8]) -> Result<usize, Interruption> {
        self.take_turn()?;
        if self.datagrams {
            let header = [&b"P"[..], &(buf.len() as u32).to_be_bytes()].concat();
            self.stream.write_all(&[&header, buf].concat()).map_err(errno)?;
            return Ok(buf.len());
        }
        let mut room = if self.asynchronous { 1 } else { buf.len() };
        if let Some(quota) = &mut self.write_quota {
            room = room.min(*quota);
            *quota -= room;
        }
        match self.stream.write(&buf[..room.min(buf.len())]) {
            Ok(0) => Err(Interruption::WouldBlock),
            Ok(n) => Ok(n),
            Err(error) => {
                self.gone = true;
                Err(errno(error))
            }
        }
    }

    fn send_now(&mut self, buf: &[u8]) -> Result<usize, Interruption> {
        self.ready = true;
        self.send(buf)
    }
}

impl Clock for Wire {
    fn ticks_ms(&self) -> u32 {
        clock::now()
    }
}

impl Verifier for Wire {
    fn verify(&mut self, _: &[u8], _: i32) -> Result<i32, Interruption> {
        self.verdict
    }
}

impl Signer for Wire {
    fn sign(&mut self, _: &[u8], _: &[u8], _: &mut [u8]) -> Result<Option<usize>, Interruption> {
        Ok(None)
    }
}

impl Names for Wire {}

impl KeyLog for Wire {}

impl Bundles for Wire {}

impl PskStore for Wire {
    fn key(&mut self, _: &[u8], _: &mut [u8]) -> Result<usize, Interruption> {
        Ok(0)
    }

    fn identity(&mut self, _: &[u8], _: &mut [u8], _: &mut [u8]) -> Result<(usize, usize), Interruption> {
        Ok((0, 0))
    }
}
