// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shim of BoGo, BoringSSL's test runner: one connection of the core's to the runner, as its
//! flags say. `tests/bogo/run.py` builds it and gives it to the runner.
//!
//! Ends with 0 when the connection went as the flags want it, with 1 and a line on stderr
//! otherwise, and with 89 for a flag that asks for what the module does not offer.

#[path = "../common/mod.rs"]
mod common;
mod flags;
mod transport;

use std::process::ExitCode;

use common::clock;
use flags::Flags;
use micropython_ssl::context::Context;
use micropython_ssl::dtls::Settings;
use micropython_ssl::error::Error;
use micropython_ssl::io::Interruption;
use micropython_ssl::mbedtls;
use micropython_ssl::mem::Box;
use micropython_ssl::micropython_sys::MPSSL_POLL_RD;
use micropython_ssl::socket::{Options, Socket};
use transport::Wire;

/// Why a run ends before it is through.
enum End {
    /// What is asked for is not offered.
    Unimplemented(String),
    /// The connection failed, or is not what is expected of it.
    Failed(String),
}

type Result<T> = std::result::Result<T, End>;

fn unimplemented<T>(what: &str) -> Result<T> {
    Err(End::Unimplemented(what.into()))
}

fn failed<T>(what: impl Into<String>) -> Result<T> {
    Err(End::Failed(what.into()))
}

fn ensure(right: bool, what: &str) -> Result<()> {
    if right { Ok(()) } else { failed(what) }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|flag| flag == "-is-handshaker-supported") {
        println!("No");
        return ExitCode::SUCCESS;
    }
    let end = Flags::parse(arguments).and_then(|flags| {
        (0..=flags.resume_count).try_for_each(|_| {
            let mut wire = Wire::connect(&flags);
            let result = exchange(&flags, &mut wire);
            wire.drain();
            result
        })
    });
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Unimplemented(what)) => {
            eprintln!("not offered: {what}");
            ExitCode::from(89)
        }
        Err(End::Failed(what)) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

fn context(flags: &Flags) -> std::result::Result<Box<Context>, Error> {
    let protocol = i32::from(flags.server) + if flags.dtls { 2 } else { 0 };
    let mut context = Context::new(protocol, flags.verify_mode())?;
    if !flags.dtls {
        let (min, max) = flags.versions();
        context.set_version(false, min.cast_signed())?;
        context.set_version(true, max.cast_signed())?;
    }
    // Certificates of the runner's are for no name.
    if !flags.server {
        context.set_check_hostname(false)?;
    }
    if let (Some(cert), Some(key)) = (&flags.cert, &flags.key) {
        context.load_cert_chain(Some(cert), key, None, true)?;
    }
    if let Some(cert) = &flags.trust_cert {
        context.load_verify_locations(cert)?;
    }
    let names: Vec<&[u8]> = if flags.ciphers.is_empty() {
        // All there are: which of them are on by themselves is not the runner's business.
        let all = mbedtls::ciphers().iter().filter_map(|&id| mbedtls::cipher_name(id));
        let is_psk = |name: &[u8]| name.windows(4).any(|part| part == b"PSK-");
        all.map(|name| name.to_bytes()).filter(|name| flags.psk.is_some() || !is_psk(name)).collect()
    } else {
        flags.ciphers.iter().map(|name| name.as_bytes()).collect()
    };
    context.set_ciphers(names.len(), names.iter().copied())?;
    if !flags.groups.is_empty() {
        context.set_groups(flags.groups.iter().map(|name| name.as_bytes()))?;
    }
    if !flags.protocols.is_empty() {
        context.set_protocols(flags.protocols.len(), flags.protocols.iter().map(|name| name.as_bytes()))?;
    }
    if let Some(psk) = &flags.psk {
        context.set_psk(Some((flags.psk_identity.as_bytes(), psk.as_bytes())))?;
        if flags.server {
            // The runner's client wants its identity for a hint.
            context.ask_for_psk(false, flags.psk_identity.as_bytes())?;
        }
    }
    if flags.dtls {
        // The runner knows when BoringSSL sends again.
        let timeout = (flags.initial_timeout_ms, 60_000);
        context.set_dtls(Settings { timeout, mtu: flags.mtu, ..Settings::DEFAULT })?;
    }
    Ok(context)
}

/// A connection and what is under it.
struct Shim<'a> {
    socket: Box<Socket>,
    wire: &'a mut Wire,
}

impl Shim<'_> {
    /// Calls until the transport does not interrupt any more.
    fn complete<T>(
        &mut self,
        mut call: impl FnMut(&mut Socket, &mut Wire) -> std::result::Result<T, Error>,
    ) -> Result<T> {
        loop {
            match call(&mut self.socket, self.wire) {
                Ok(done) => return Ok(done),
                Err(Error::WantRead | Error::WantWrite) => self.go_on()?,
                Err(error) => return failed(self.describe(error)),
            }
        }
    }

    /// Does what the runner has asked for between two datagrams.
    fn go_on(&mut self) -> Result<()> {
        if self.wire.unimplemented {
            return unimplemented("a change of the MTU or of the timeout");
        }
        if let Some(expected) = self.wire.expected_timeout.take() {
            let next = timer(&self.socket);
            ensure(next == expected, &format!("the timer runs out in {next:?} ms, not in {expected:?}"))?;
        }
        self.wire.resume();
        Ok(())
    }

    /// An error's text, and the alert that ended the connection: in the runner's configuration.
    fn describe(&self, error: Error) -> String {
        let mut text = [0; 256];
        let len = self.socket.text(error, &mut text);
        let text = String::from_utf8_lossy(&text[..len]);
        let alert = micropython_ssl::alert::name(self.socket.alert()).to_string_lossy();
        match error {
            Error::Tls(_) if error == common::ALERTED => format!("alert received: {alert}"),
            Error::Errno(errno) => format!("errno {errno}"),
            Error::Raised => "the verifier refused".into(),
            _ => format!("{} (alert {alert})", text.trim()),
        }
    }
}

/// Milliseconds until the handshake is to be called whatever arrives.
fn timer(socket: &Socket) -> Option<u32> {
    const LONGEST: u32 = 1 << 17;
    let due = |ms: u32| socket.poll(MPSSL_POLL_RD, clock::now().wrapping_add(ms)).0 != 0;
    if !socket.is_handshaking() || !due(LONGEST) {
        return None;
    }
    let (mut early, mut late) = (0, LONGEST);
    while early < late {
        let middle = early.midpoint(late);
        if due(middle) { late = middle } else { early = middle + 1 }
    }
    Some(late)
}

fn exchange(flags: &Flags, wire: &mut Wire) -> Result<()> {
    let hostname = flags.host_name.clone().map(|name| common::pki::with_nul(name.into()));
    let client_id = flags.dtls.then_some(b"[::1]:4433".as_slice());
    // BoringSSL's server asks for no cookie, and the runner counts messages.
    let options = Options { hello_verify: false, ..common::options(hostname.as_deref(), client_id) };

    let socket = context(flags).and_then(|mut context| Socket::new(&mut context, options));
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => return failed(format!("settings: {}", common::text(error))),
    };
    let mut shim = Shim { socket, wire };
    if !flags.implicit_handshake {
        shim.complete(|socket, wire| socket.handshake(wire))?;
        check(flags, &shim.socket)?;
        if flags.handshake_again {
            shim.complete(|socket, wire| socket.handshake(wire))?;
        }
    }
    converse(flags, &mut shim)?;
    shut_down(flags, &mut shim)
}

/// What the runner has us expect of an open connection.
fn check(flags: &Flags, socket: &Socket) -> Result<()> {
    let expected: &[_] = match flags.expect_version {
        _ if flags.dtls => &[c"DTLSv1.2"],
        Some(0x303) => &[c"TLSv1.2"],
        Some(_) => &[c"TLSv1.3"],
        None => &[c"TLSv1.2", c"TLSv1.3"],
    };
    ensure(socket.version().is_some_and(|version| expected.contains(&version)), "another version")?;
    if let Some(expected) = flags.expect_cipher {
        let id = mbedtls::ciphers().iter().find(|&&id| mbedtls::cipher_name(id) == socket.cipher());
        ensure(id == Some(&expected), &format!("cipher suite {:?}, not {expected:04x}", socket.cipher()))?;
    }
    if let Some(expected) = &flags.expect_protocol {
        let selected = socket.selected_alpn_protocol().map(|name| name.to_string_lossy());
        ensure(selected.as_deref() == Some(expected), &format!("protocol {selected:?}, not {expected}"))?;
    }
    if flags.expect_verify_result {
        ensure(socket.peer_verified(), "the peer's certificate is not verified")?;
    }
    if let Some(expected) = &flags.expect_peer_cert {
        ensure(socket.peer_cert() == Some(expected), "another certificate of the peer's")?;
    }
    // With a pre-shared key, too, there is none.
    let none = flags.expect_no_peer_cert || flags.psk.is_some();
    let some = !flags.server || flags.require_client_cert;
    ensure(!none || socket.peer_cert().is_none(), "a certificate of the peer's")?;
    ensure(none || !some || socket.peer_cert().is_some(), "no certificate of the peer's")
}

/// Writes, and gives back what it reads with all bits turned, until the peer closes.
fn converse(flags: &Flags, shim: &mut Shim<'_>) -> Result<()> {
    if flags.write_different_record_sizes {
        for len in [0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769] {
            write(shim, &vec![0x42; len])?;
        }
        return Ok(());
    }
    let first = flags.initial_write.as_bytes();
    let mut unfinished = flags.read_with_unfinished_write;
    if unfinished {
        shim.wire.write_quota = Some(1);
        let written = shim.socket.write(shim.wire, first);
        ensure(written == Err(Error::WantWrite), "a write that does not wait")?;
        shim.wire.resume();
    } else if flags.writes_first {
        for _ in 0..flags.repeat_initial_write {
            write(shim, first)?;
        }
    }
    if flags.shuts_down {
        return Ok(());
    }
    let mut buf = vec![0; flags.read_size.unwrap_or(if flags.dtls { 16384 } else { 512 })];
    loop {
        let n = match shim.complete(|socket, wire| socket.read(wire, &mut buf)) {
            // A path for datagrams has no end of its own.
            Err(End::Failed(_)) if shim.wire.ended => 0,
            result => result?,
        };
        if n == 0 {
            return Ok(());
        }
        if std::mem::take(&mut unfinished) {
            shim.wire.write_quota = None;
            write(shim, first)?;
        }
        let reply: Vec<u8> = buf[..n].iter().map(|byte| byte ^ 0xff).collect();
        write(shim, &reply)?;
    }
}

fn write(shim: &mut Shim<'_>, data: &[u8]) -> Result<()> {
    let mut done = 0;
    shim.complete(|socket, wire| socket.write_all(wire, data, &mut done))
}

fn shut_down(flags: &Flags, shim: &mut Shim<'_>) -> Result<()> {
    let sent = shim.complete(|socket, wire| socket.close_notify(wire));
    // The runner may have closed its end already.
    ensure(sent.is_ok() || shim.wire.gone, "close_notify is not sent")?;
    if flags.check_close_notify {
        if flags.shuts_down {
            shim.complete(|socket, wire| socket.unwrap(wire))?;
        }
        ensure(shim.socket.close_notify_received(), "the peer has not closed with an alert")?;
    }
    Ok(())
}

/// What a verifier says of a certificate.
fn verdict(flags: &Flags) -> std::result::Result<i32, Interruption> {
    if flags.verify_fail { Err(Interruption::Raised) } else { Ok(0) }
}
