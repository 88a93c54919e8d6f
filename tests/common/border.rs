// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rest of the call-outs of `c_glue/mpssl.h`. The owner handed through the border is a [`Port`].

use std::cell::Cell;
use std::ffi::c_void;

use micropython_ssl::io::{
    Bundles, Interruption, KeyLog, Names, PskStore, Scheme, Signer, Transport, Verifier,
};
use micropython_ssl::mbedtls::Config;
use micropython_ssl::mem::Erased;

use super::{Port, clock};

const WOULD_BLOCK: i32 = -1;
const RAISED: i32 = -2;
const ERRNO: i32 = -3;
const OUTSIDE: i32 = -5;
const NOW: u32 = 1;
const STAYS: u32 = 2;

/// Writes `*err` only with an errno, as the contract has it.
unsafe fn answer(result: Result<usize, Interruption>, err: *mut i32) -> i32 {
    match result {
        Ok(n) => i32::try_from(n).expect("records are short"),
        Err(Interruption::WouldBlock) => WOULD_BLOCK,
        Err(Interruption::Raised) => RAISED,
        Err(Interruption::Errno(errno)) => {
            // SAFETY: by the contract, valid for a write.
            unsafe { err.write(errno) };
            ERRNO
        }
        Err(Interruption::Outside) => OUTSIDE,
        Err(Interruption::NoMemory) => panic!("not for a transport to say"),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_stream_read(
    owner: *mut c_void,
    buf: *mut u8,
    len: usize,
    how: u32,
    err: *mut i32,
) -> i32 {
    // SAFETY: tests hand a Port through the border, and nobody else has it meanwhile; the
    // buffer is valid by the contract.
    unsafe {
        let port = &mut *owner.cast::<Port>();
        let recv = match how {
            NOW => Port::recv_now,
            STAYS => Port::recv_rest,
            _ => Port::recv,
        };
        answer(recv(port, std::slice::from_raw_parts_mut(buf, len)), err)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_peer_is_there(owner: *mut c_void) {
    // SAFETY: as in mpglue_stream_read.
    unsafe { (*owner.cast::<Port>()).peer_is_there() };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_datagram_len(owner: *mut c_void, err: *mut i32) -> i32 {
    // SAFETY: as in mpglue_stream_read.
    unsafe {
        match (*owner.cast::<Port>()).datagram_len().transpose() {
            None => -4,
            Some(len) => answer(len, err),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_stream_write(
    owner: *mut c_void,
    buf: *const u8,
    len: usize,
    now: bool,
    err: *mut i32,
) -> i32 {
    // SAFETY: as in mpglue_stream_read.
    unsafe {
        let port = &mut *owner.cast::<Port>();
        let send = if now { Port::send_now } else { Port::send };
        answer(send(port, std::slice::from_raw_parts(buf, len)), err)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_verify(
    owner: *mut c_void,
    der: *const u8,
    len: usize,
    depth: i32,
    verdict: *mut i32,
) -> i32 {
    // SAFETY: as in mpglue_stream_read.
    unsafe {
        let port = &mut *owner.cast::<Port>();
        match port.verify(std::slice::from_raw_parts(der, len), depth) {
            Ok(number) => {
                verdict.write(number);
                0
            }
            Err(_) => RAISED,
        }
    }
}

/// `mpssl_bytes_t`.
#[repr(C)]
struct Bytes {
    data: *const u8,
    len: usize,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_sign(
    owner: *mut c_void,
    key: Bytes,
    hash: Bytes,
    signature: *mut u8,
    size: usize,
) -> i32 {
    // SAFETY: as in mpglue_stream_read.
    unsafe {
        let port = &mut *owner.cast::<Port>();
        let key = std::slice::from_raw_parts(key.data, key.len);
        let hash = std::slice::from_raw_parts(hash.data, hash.len);
        match port.sign(key, hash, std::slice::from_raw_parts_mut(signature, size)) {
            Ok(made) => i32::try_from(made.unwrap_or(0)).expect("signatures are short"),
            Err(_) => RAISED,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_sign_by_object(
    owner: *mut c_void,
    scheme: u32,
    hash: Bytes,
    signature: *mut u8,
    size: usize,
) -> i32 {
    // SAFETY: as in mpglue_stream_read.
    unsafe {
        let port = &mut *owner.cast::<Port>();
        let hash = std::slice::from_raw_parts(hash.data, hash.len);
        let scheme = [Scheme::Ecdsa, Scheme::Pkcs1v15, Scheme::Pss][scheme as usize];
        match port.sign_by_object(scheme, hash, std::slice::from_raw_parts_mut(signature, size)) {
            Ok(len) => i32::try_from(len).expect("signatures are short"),
            Err(Interruption::WouldBlock) => WOULD_BLOCK,
            Err(_) => RAISED,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_server_name(
    owner: *mut c_void,
    name: Bytes,
    chosen: *mut *mut c_void,
    alert: *mut u8,
) -> i32 {
    // SAFETY: as in mpglue_stream_read; the last two are valid for writes.
    unsafe {
        let port = &mut *owner.cast::<Port>();
        let name = if name.len == 0 { &[] } else { std::slice::from_raw_parts(name.data, name.len) };
        let answer = port.server_name(name);
        alert.write(answer.as_ref().map_or_else(|refused| refused.alert, |_| 0));
        let raised = answer.as_ref().is_err_and(|refused| refused.raised);
        let config = answer.ok().flatten().and_then(Erased::take::<Config>);
        chosen.write(config.map_or(std::ptr::null_mut(), |config| config.into_raw()));
        if raised { RAISED } else { 0 }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_log_key(owner: *mut c_void, line: Bytes) -> i32 {
    // SAFETY: by the contract: the owner is a Port of ours, the slice valid.
    let (port, line) =
        unsafe { (&mut *owner.cast::<Port>(), std::slice::from_raw_parts(line.data, line.len)) };
    port.log_key(line).map_or(RAISED, |()| 0)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_psk_key(owner: *mut c_void, identity: Bytes, key: *mut u8, size: usize) -> i32 {
    // SAFETY: as in mpglue_stream_read.
    unsafe {
        let port = &mut *owner.cast::<Port>();
        let identity = std::slice::from_raw_parts(identity.data, identity.len);
        match port.key(identity, std::slice::from_raw_parts_mut(key, size)) {
            Ok(len) => i32::try_from(len).expect("keys are short"),
            Err(_) => RAISED,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_psk_identity(
    owner: *mut c_void,
    hint: Bytes,
    identity: *mut u8,
    identity_len: *mut usize,
    key: *mut u8,
    key_len: *mut usize,
) -> i32 {
    // SAFETY: as in mpglue_stream_read; the lengths are the room there is.
    unsafe {
        let port = &mut *owner.cast::<Port>();
        let hint = std::slice::from_raw_parts(hint.data, hint.len);
        let identity = std::slice::from_raw_parts_mut(identity, *identity_len);
        let key = std::slice::from_raw_parts_mut(key, *key_len);
        match port.identity(hint, identity, key) {
            Ok(lengths) => {
                (*identity_len, *key_len) = lengths;
                0
            }
            Err(_) => RAISED,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_read_bundle(
    owner: *mut c_void,
    index: u32,
    at: u32,
    buf: *mut u8,
    len: usize,
) -> i32 {
    // SAFETY: as in mpglue_stream_read.
    let (port, buf) = unsafe { (&mut *owner.cast::<Port>(), std::slice::from_raw_parts_mut(buf, len)) };
    port.read_bundle(index, at, buf).map_or(RAISED, |n| i32::try_from(n).expect("pieces are short"))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_bundle_in_place(owner: *mut c_void, index: u32) -> Bytes {
    // SAFETY: as in mpglue_stream_read.
    let port = unsafe { &*owner.cast::<Port>() };
    let bytes = port.bundle_in_place(index);
    Bytes { data: bytes.map_or(std::ptr::null(), <[u8]>::as_ptr), len: bytes.map_or(0, <[u8]>::len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mpglue_close_bundle(owner: *mut c_void, index: u32, changed: bool) -> i32 {
    // SAFETY: as in mpglue_stream_read.
    let port = unsafe { &mut *owner.cast::<Port>() };
    port.close_bundle(index, changed).map_or(RAISED, |()| 0)
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_thread() -> usize {
    DEPTH.with(|depth| std::ptr::from_ref(depth).addr())
}

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_ticks_ms() -> u32 {
    clock::now()
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_time() -> u64 {
    clock::date()
}

thread_local! {
    static STACK_LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// What Rust is told from now on of this thread's stack.
pub fn set_stack_left(bytes: usize) {
    STACK_LEFT.set(bytes);
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_stack_left() -> usize {
    STACK_LEFT.get()
}

/// How many atomic sections this thread is in.
pub fn atomic_depth() -> usize {
    DEPTH.get()
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_atomic_begin() -> usize {
    DEPTH.set(DEPTH.get() + 1);
    0xa70 + DEPTH.get()
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_atomic_end(state: usize) {
    assert_eq!(state, 0xa70 + DEPTH.get(), "an atomic section ends with the state it began with");
    DEPTH.set(DEPTH.get() - 1);
}
