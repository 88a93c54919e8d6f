// SPDX-License-Identifier: MIT OR Apache-2.0
//! A TLS server straight on Mbed TLS: it can be made to send any record, and tells which alert it got.

use std::ffi::{c_int, c_void};

use micropython_ssl::error::{Error, Result};
use micropython_ssl::io::{Interruption, Transport};
use micropython_ssl::mbedtls::sys;

use std::rc::Rc;

use micropython_ssl::socket::Socket;

use super::link::Port;
use super::{End, Link, Peer, Setup, options, pki, run};

unsafe extern "C" {
    /// Internal to Mbed TLS: sends what is in `out_msg`.
    fn mbedtls_ssl_write_record(ssl: *mut sys::mbedtls_ssl_context, force_flush: u8) -> c_int;
}

/// The objects, which point to each other, and the port that Mbed TLS's callbacks use.
struct Inner {
    entropy: sys::mbedtls_entropy_context,
    drbg: sys::mbedtls_ctr_drbg_context,
    cert: sys::mbedtls_x509_crt,
    key: sys::mbedtls_pk_context,
    conf: sys::mbedtls_ssl_config,
    ssl: sys::mbedtls_ssl_context,
}

/// The server.
pub struct Raw {
    /// On the heap, and only touched through this pointer.
    inner: *mut Inner,
    port: Port,
    /// Of signatures, as the configuration has them.
    algorithms: Vec<u16>,
}

impl Peer for Raw {
    fn port(&mut self) -> &mut Port {
        &mut self.port
    }
}

fn returned(result: std::result::Result<usize, Interruption>, want: c_int) -> c_int {
    result.map_or(want, |n| n as c_int)
}

unsafe extern "C" fn recv(port: *mut c_void, buf: *mut u8, len: usize) -> c_int {
    // SAFETY: `Raw::call` lends its port, Mbed TLS its buffer.
    let (port, buf) = unsafe { (&mut *port.cast::<Port>(), std::slice::from_raw_parts_mut(buf, len)) };
    returned(port.recv(buf), sys::MBEDTLS_ERR_SSL_WANT_READ)
}

unsafe extern "C" fn send(port: *mut c_void, buf: *const u8, len: usize) -> c_int {
    // SAFETY: as in `recv`.
    let (port, buf) = unsafe { (&mut *port.cast::<Port>(), std::slice::from_raw_parts(buf, len)) };
    returned(port.send(buf), sys::MBEDTLS_ERR_SSL_WANT_WRITE)
}

unsafe extern "C" fn set_timer(_: *mut c_void, _: u32, _: u32) {}

unsafe extern "C" fn get_timer(_: *mut c_void) -> c_int {
    0
}

impl Raw {
    /// A client as `setup` has it that has connected to a raw server.
    pub fn pair_to_be(setup: &Setup) -> (End, Self, Rc<Link>) {
        let (link, client, server) = Link::new(setup.datagram);
        let socket = Socket::new(&mut setup.client().unwrap(), options(Some(b"localhost\0"), None)).unwrap();
        let raw = if setup.datagram { Self::datagram(server) } else { Self::new(server) };
        (End { socket, port: client }, raw, link)
    }

    /// The same, once they have handshaken.
    pub fn pair(setup: &Setup) -> (End, Self, Rc<Link>) {
        let (mut client, mut raw, link) = Self::pair_to_be(setup);
        assert_eq!(run(&mut client, &mut raw, End::handshake, Self::handshake), (Ok(()), Ok(())));
        (client, raw, link)
    }

    /// A server with the P-256 certificate.
    pub fn new(port: Port) -> Self {
        Self::over(port, sys::MBEDTLS_SSL_TRANSPORT_STREAM)
    }

    /// The same over datagrams, none of which may get lost: it checks no cookies, has no timer,
    /// and does not offer Connection IDs.
    pub fn datagram(port: Port) -> Self {
        Self::over(port, sys::MBEDTLS_SSL_TRANSPORT_DATAGRAM)
    }

    fn over(port: Port, transport: u32) -> Self {
        let (cert, key) = (pki::cert("ec"), pki::key("ec"));
        // SAFETY: every object is zeroed, then initialised where it stays, before it is used.
        let inner = unsafe {
            let inner = Box::into_raw(Box::new(std::mem::zeroed::<Inner>()));
            let (drbg, ssl) = (&raw mut (*inner).drbg, &raw mut (*inner).ssl);
            let (conf, crt, pk) = (&raw mut (*inner).conf, &raw mut (*inner).cert, &raw mut (*inner).key);
            let entropy = &raw mut (*inner).entropy;
            sys::mbedtls_entropy_init(entropy);
            sys::mbedtls_ctr_drbg_init(drbg);
            sys::mbedtls_ssl_config_init(conf);
            sys::mbedtls_ssl_init(ssl);
            sys::mbedtls_x509_crt_init(crt);
            sys::mbedtls_pk_init(pk);
            let random = Some(sys::mbedtls_ctr_drbg_random as unsafe extern "C" fn(_, _, _) -> _);
            let gather = Some(sys::mbedtls_entropy_func as unsafe extern "C" fn(_, _, _) -> _);
            let steps = [
                sys::mbedtls_ctr_drbg_seed(drbg, gather, entropy.cast(), std::ptr::null(), 0),
                sys::mbedtls_x509_crt_parse(crt, cert.as_ptr(), cert.len()),
                sys::mbedtls_pk_parse_key(
                    pk,
                    key.as_ptr(),
                    key.len(),
                    std::ptr::null(),
                    0,
                    random,
                    drbg.cast(),
                ),
                sys::mbedtls_ssl_config_defaults(
                    conf,
                    sys::MBEDTLS_SSL_IS_SERVER as c_int,
                    transport as c_int,
                    sys::MBEDTLS_SSL_PRESET_DEFAULT as c_int,
                ),
                sys::mbedtls_ssl_conf_own_cert(conf, crt, pk),
            ];
            sys::mbedtls_ssl_conf_rng(conf, random, drbg.cast());
            #[cfg(mbedtls_ssl_dtls_hello_verify)]
            sys::mbedtls_ssl_conf_dtls_cookies(conf, None, None, std::ptr::null_mut());
            assert_eq!((steps, sys::mbedtls_ssl_setup(ssl, conf)), ([0; 5], 0));
            sys::mbedtls_ssl_set_timer_cb(ssl, std::ptr::null_mut(), Some(set_timer), Some(get_timer));
            inner
        };
        Self { inner, port, algorithms: Vec::new() }
    }

    /// Asks the client for a certificate, signed by one of these algorithms (RFC 5246 7.4.1.4.1).
    pub fn ask_for_certificate(&mut self, algorithms: &[u16]) {
        self.algorithms = [algorithms, &[sys::MBEDTLS_TLS_SIG_NONE as u16]].concat();
        // SAFETY: the objects are set up, and the list lives as long as they.
        unsafe {
            let conf = &raw mut (*self.inner).conf;
            sys::mbedtls_ssl_conf_authmode(conf, sys::MBEDTLS_SSL_VERIFY_OPTIONAL as c_int);
            sys::mbedtls_ssl_conf_sig_algs(conf, self.algorithms.as_ptr());
        }
    }

    fn call(&mut self, run: impl FnOnce(*mut sys::mbedtls_ssl_context) -> c_int) -> Result<usize> {
        // SAFETY: the objects are set up; the port is lent for this call.
        let ret = unsafe {
            let ssl = &raw mut (*self.inner).ssl;
            sys::mbedtls_ssl_set_bio(ssl, (&raw mut self.port).cast(), Some(send), Some(recv), None);
            run(ssl)
        };
        usize::try_from(ret).map_err(|_| Error::from_mbedtls(ret))
    }

    pub fn handshake(&mut self) -> Result<()> {
        // SAFETY: in `call`.
        self.call(|ssl| unsafe { sys::mbedtls_ssl_handshake(ssl) }).map(drop)
    }

    /// The same, up to this state of it.
    #[allow(dead_code, reason = "of TLS 1.3")]
    pub fn handshake_to(&mut self, state: sys::mbedtls_ssl_states) {
        // SAFETY: in `call`.
        let step = |ssl: *mut sys::mbedtls_ssl_context| unsafe {
            if (*ssl).state == state as c_int { 1 } else { sys::mbedtls_ssl_handshake_step(ssl) }
        };
        while self.call(step) == Ok(0) {}
    }

    /// The same, with a Finished that is wrong.
    pub fn handshake_wrongly(&mut self) -> Result<()> {
        const LAST: c_int = sys::MBEDTLS_SSL_SERVER_FINISHED as c_int;
        // SAFETY: in `call`; from its ChangeCipherSpec on, a stream's side encrypts as agreed on.
        let step = |ssl: *mut sys::mbedtls_ssl_context| unsafe {
            if (*ssl).state != LAST {
                return sys::mbedtls_ssl_handshake_step(ssl);
            }
            (*ssl).cur_out_ctr.fill(0);
            (*ssl).transform_out = (*ssl).transform_negotiate;
            1
        };
        while self.call(step)? == 0 {}
        self.send_record(sys::MBEDTLS_SSL_MSG_HANDSHAKE as u8, &[&[20, 0, 0, 12][..], &[0; 12]].concat())
    }

    /// Encrypts as data is, before it has the client's Finished (RFC 8446 2).
    #[cfg(tls13)]
    #[allow(dead_code, reason = "of tickets")]
    pub fn begin_data(&mut self) {
        // SAFETY: the connection is of TLS 1.3, and has sent its Finished.
        unsafe {
            let ssl = &mut (*self.inner).ssl;
            ssl.cur_out_ctr.fill(0);
            ssl.transform_out = ssl.transform_application;
        }
    }

    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        // SAFETY: in `call`; the slice is valid.
        self.call(|ssl| unsafe { sys::mbedtls_ssl_read(ssl, buf.as_mut_ptr(), buf.len()) })
    }

    pub fn write(&mut self, buf: &[u8]) -> Result<usize> {
        // SAFETY: in `call`; the slice is valid.
        self.call(|ssl| unsafe { sys::mbedtls_ssl_write(ssl, buf.as_ptr(), buf.len()) })
    }

    /// Sends a record of any type and content, encrypted as the connection is by now.
    pub fn send_record(&mut self, content_type: u8, content: &[u8]) -> Result<()> {
        // SAFETY: in `call`; the output buffer holds records much longer than tests send.
        self.call(|ssl| unsafe {
            (*ssl).out_msgtype = c_int::from(content_type);
            (*ssl).out_msglen = content.len();
            std::slice::from_raw_parts_mut((*ssl).out_msg, content.len()).copy_from_slice(content);
            mbedtls_ssl_write_record(ssl, 1)
        })
        .map(drop)
    }

    /// The next record, of any length, for whoever puts it on the wire: Mbed TLS encrypts none
    /// that is longer than its output buffer. For connections with AES-GCM.
    pub fn seal(&mut self, content_type: u8, content: &[u8]) -> Vec<u8> {
        const IV: usize = 8;
        const TAG: usize = 16;
        // SAFETY: the connection has handshaken, so there is a transform; the lengths are of the
        // slices that are given.
        unsafe {
            let ssl = &mut (*self.inner).ssl;
            let transform = &mut *ssl.transform_out;
            assert_eq!((transform.fixed_ivlen, transform.taglen), (4, TAG), "not AES-GCM");
            let counter = ssl.cur_out_ctr;
            ssl.cur_out_ctr = (u64::from_be_bytes(counter) + 1).to_be_bytes();
            let nonce = [&transform.iv_enc[..4], &counter[..]].concat();
            let header = |len: usize| [&[content_type, 3, 3][..], &(len as u16).to_be_bytes()].concat();
            let authentic = [&counter[..], &header(content.len())].concat();
            let mut sealed = vec![0; content.len() + TAG];
            let mut written = 0;
            let ret = sys::mbedtls_cipher_auth_encrypt_ext(
                &raw mut transform.cipher_ctx_enc,
                nonce.as_ptr(),
                nonce.len(),
                authentic.as_ptr(),
                authentic.len(),
                content.as_ptr(),
                content.len(),
                sealed.as_mut_ptr(),
                sealed.len(),
                &raw mut written,
                TAG,
            );
            assert_eq!((ret, written), (0, sealed.len()));
            [header(IV + sealed.len()), counter.to_vec(), sealed].concat()
        }
    }

    /// Level and description of the alert that came last, after a call that reported one.
    pub fn alert(&self) -> [u8; 2] {
        // SAFETY: the input buffer still holds the alert's two bytes.
        unsafe {
            let message = (*self.inner).ssl.in_msg;
            [*message, *message.add(1)]
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: set up by `new`, not used any more, in the reverse order.
        unsafe {
            let inner = self.inner;
            sys::mbedtls_ssl_free(&raw mut (*inner).ssl);
            sys::mbedtls_ssl_config_free(&raw mut (*inner).conf);
            sys::mbedtls_pk_free(&raw mut (*inner).key);
            sys::mbedtls_x509_crt_free(&raw mut (*inner).cert);
            sys::mbedtls_ctr_drbg_free(&raw mut (*inner).drbg);
            sys::mbedtls_entropy_free(&raw mut (*inner).entropy);
            drop(Box::from_raw(inner));
        }
    }
}
