// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection as it is set up here, beside one that Mbed TLS sets up
//! (src/mbedtls/connection/setup.rs).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg(debug_assertions)]
#![allow(unsafe_code)]

mod common;

use std::ffi::{c_int, c_void};

use common::{Balance, Setup, options};
use micropython_ssl::context::Context;
use micropython_ssl::mbedtls::sys;
use micropython_ssl::socket::{Options, Socket};

/// The words of an object.
unsafe fn words<T>(object: *const T) -> Vec<usize> {
    // SAFETY: the caller's: a live object, which was zeroed first, its padding too.
    unsafe { std::slice::from_raw_parts(object.cast(), size_of::<T>() / size_of::<usize>()) }.to_vec()
}

/// Both are alike, where neither is a pointer of its own; ours may have none to a buffer.
fn assert_alike(what: &str, ours: &[usize], theirs: &[usize]) {
    let is_pointer = |word: usize| word > 0xffff_ffff;
    for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let alike = ours == theirs || is_pointer(*theirs) && (is_pointer(*ours) || *ours == 0);
        assert!(alike, "{what}, word {i}: {ours:#x} beside {theirs:#x}");
    }
}

unsafe extern "C" fn set_timer(_: *mut c_void, _: u32, _: u32) {}

unsafe extern "C" fn get_timer(_: *mut c_void) -> c_int {
    -1
}

fn compare(what: &str, context: &mut Context, datagram: bool) {
    let options = Options { hello_verify: false, ..options(None, None) };
    let socket = Socket::new(context, options).unwrap();
    let ours = socket.connection().as_ptr();
    // SAFETY: the connections are set up, and live until the end; the second is freed once.
    unsafe {
        let mut theirs = Box::new(std::mem::zeroed());
        sys::mbedtls_ssl_init(&raw mut *theirs);
        if datagram {
            let timer = (&raw const socket).cast_mut().cast();
            sys::mbedtls_ssl_set_timer_cb(&raw mut *theirs, timer, Some(set_timer), Some(get_timer));
        }
        assert_eq!(sys::mbedtls_ssl_setup(&raw mut *theirs, (*ours).conf), 0);
        sys::mbedtls_ssl_set_export_keys_cb(&raw mut *theirs, (*ours).f_export_keys, (*ours).p_export_keys);
        if !(*ours).hostname.is_null() {
            sys::mbedtls_ssl_set_hostname(&raw mut *theirs, std::ptr::null());
        }
        #[cfg(mbedtls_ssl_proto_dtls)]
        {
            theirs.mtu = (*ours).mtu;
        }
        assert_alike(&format!("{what}: connection"), &words(ours), &words(&raw const *theirs));
        let handshakes = [(*ours).handshake, theirs.handshake].map(|of| words(of));
        assert_alike(&format!("{what}: handshake"), &handshakes[0], &handshakes[1]);
        let sessions = [(*ours).session_negotiate, theirs.session_negotiate].map(|of| words(of));
        assert_alike(&format!("{what}: session"), &sessions[0], &sessions[1]);
        let transforms = [(*ours).transform_negotiate, theirs.transform_negotiate].map(|of| words(of));
        assert_alike(&format!("{what}: transform"), &transforms[0], &transforms[1]);
        // Where ours points to something, it is not nothing: and the other way round.
        let pointers = |of: &sys::mbedtls_ssl_context| {
            [of.session.is_null(), of.transform.is_null(), of.transform_out.is_null(), of.in_buf.is_null()]
        };
        assert_eq!(pointers(&*ours), pointers(&theirs), "{what}");
        for side in handshakes {
            assert!(side.iter().filter(|word| **word != 0).count() >= 5, "{what}: an empty handshake");
        }
        sys::mbedtls_ssl_free(&raw mut *theirs);
    }
}

#[test]
#[cfg_attr(not(feature = "record-buffers"), ignore = "Mbed TLS sets it up, with its own buffers")]
fn a_connection_is_set_up_as_mbedtls_does() {
    let _balance = Balance::start();
    for datagram in [false, true] {
        let setup = Setup { datagram, client_mode: 0, ..Setup::default() };
        compare(&format!("client, {datagram}"), &mut setup.client().unwrap(), datagram);
        compare(&format!("server, {datagram}"), &mut setup.server().unwrap(), datagram);
    }
}
