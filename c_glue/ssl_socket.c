// SPDX-License-Identifier: MIT OR Apache-2.0
//
// SSLSocket: arguments, the stream protocol, closing. What a connection is, is
// in src/socket.rs.

#include <limits.h>
#include <string.h>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#endif

#include "glue.h"

#include "py/objstr.h"
#include "py/objtype.h"
#include "mbedtls/ssl.h"

static const mpssl_status_t closed_meanwhile = { MPSSL_ERRNO, MP_EBADF };

/******************************************************************************/
// Calls into Rust.

static void enter(ssl_socket_obj_t *self) {
    int err = mpssl_enter(self);
    if (err != 0) {
        mp_raise_OSError(err);
    }
}

// Leaves, and raises unless the call came to MPSSL_OK on a socket still open.
static void leave(ssl_socket_obj_t *self, mpssl_status_t status) {
    bool open = mpssl_leave(self);
    if (status.kind == MPSSL_OK && !open) {
        status = closed_meanwhile;
    }
    if (status.kind != MPSSL_OK) {
        mpssl_raise(self, status);
    }
}

// Ends a stream operation: its result, or *errcode for what streams report by
// number, or an exception.
static mp_uint_t leave_stream(ssl_socket_obj_t *self, mpssl_status_t status, mp_uint_t done, int *errcode) {
    bool open = mpssl_leave(self);
    if (!open && status.kind != MPSSL_RAISED) {
        status = closed_meanwhile;
    }
    switch (status.kind) {
        case MPSSL_OK:
            return done;
        case MPSSL_WANT_READ:
        case MPSSL_WANT_WRITE:
            *errcode = MP_EAGAIN;
            return MP_STREAM_ERROR;
        case MPSSL_ERRNO:
            *errcode = status.code;
            return MP_STREAM_ERROR;
        default:
            mpssl_raise(self, status);
    }
}

static void wait_for_event(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    (void)arg;
    mp_event_wait_ms(1);
}

// How long a call waits for the transport.
typedef struct _patience_t {
    bool raised; // when asked, the transport did
    bool waits;
    bool forever;
    mp_uint_t start;
    mp_uint_t timeout_ms;
} patience_t;

#if defined(__unix__) || defined(__APPLE__)
// Of a socket with a file descriptor the system knows whether it blocks, and how long.
static void transport_patience(ssl_socket_obj_t *self, void *arg) {
    patience_t *p = arg;
    if (mp_obj_is_instance_type(mp_obj_get_type(self->sock))) {
        return; // a class may answer 0 to what it does not know: no file descriptor
    }
    int err;
    const mp_stream_p_t *stream = mp_get_stream_raise(self->sock, MP_STREAM_OP_IOCTL);
    mp_uint_t fd = stream->ioctl(self->sock, MP_STREAM_GET_FILENO, 0, &err);
    int flags = fd > INT_MAX ? -1 : fcntl((int)fd, F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK)) {
        return;
    }
    struct timeval tv = { 0, 0 };
    socklen_t len = sizeof(tv);
    getsockopt((int)fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len);
    p->waits = true;
    p->timeout_ms = (mp_uint_t)tv.tv_sec * 1000 + (mp_uint_t)tv.tv_usec / 1000;
    p->forever = p->timeout_ms == 0;
}
#endif

// Whether this call is to wait where the transport has nothing. Streams wait in the
// transport. A datagram handshake must not sleep there: its last flight may have to
// be sent again.
static patience_t patience(ssl_socket_obj_t *self) {
    patience_t p = { .start = mp_hal_ticks_ms() };
    if (self->datagram && self->sock != MP_OBJ_NULL) {
        if (mpssl_is_peer(self->sock)) {
            p.waits = p.forever = mpssl_peer_may_wait(self->sock);
#if defined(__unix__) || defined(__APPLE__)
        } else if (mpssl_socket_is_handshaking(self->tls)) {
            p.raised = mpssl_protect(self, transport_patience, &p) != 0;
#endif
        }
    }
    self->poll_first = p.waits;
    return p;
}

// After a call came to `status`: whether it is to be made again, having waited.
static bool wait_more(ssl_socket_obj_t *self, const patience_t *p, mpssl_status_t *status) {
    if (!p->waits || (status->kind != MPSSL_WANT_READ && status->kind != MPSSL_WANT_WRITE)) {
        return false;
    }
    if (!p->forever && mp_hal_ticks_ms() - p->start >= p->timeout_ms) {
        *status = (mpssl_status_t){ MPSSL_ERRNO, MP_ETIMEDOUT };
        return false;
    }
    if (mpssl_protect(self, wait_for_event, NULL) != 0) {
        *status = (mpssl_status_t){ MPSSL_RAISED, 0 };
        return false;
    }
    return !self->closing;
}

// Handshakes until it is over or failed, whether the transport blocks or not.
static mpssl_status_t handshake_to_end(ssl_socket_obj_t *self) {
    patience_t p = patience(self);
    if (!p.waits) {
        p.waits = p.forever = true;
        // A stream written in Python may not know how to be polled, and does not block.
        self->poll_first = self->datagram && !mp_obj_is_instance_type(mp_obj_get_type(self->sock));
    }
    mpssl_status_t status = { MPSSL_RAISED, 0 };
    if (!p.raised) {
        do {
            CALL_WITH_MEMORY(status, mpssl_socket_handshake(self->tls, self));
        } while (wait_more(self, &p, &status));
    }
    return status;
}

/******************************************************************************/
// Construction.

#if MPSSL_DESCRIPTORS
extern const mp_obj_type_t mp_type_socket; // ports/unix/modsocket.c

// unix's sockets have no finaliser and leave their number in the object when they are closed.
// So that one which is dropped can be closed, and no stranger in its place, it is known by what
// it is.
static void remember_descriptor(ssl_socket_obj_t *self) {
    struct stat st;
    int err;
    if (mp_obj_is_type(self->sock, &mp_type_socket)) {
        int fd = mp_get_stream(self->sock)->ioctl(self->sock, MP_STREAM_GET_FILENO, 0, &err);
        if (fstat(fd, &st) == 0) {
            self->fd = fd;
            self->dev = st.st_dev;
            self->ino = st.st_ino;
        }
    }
}

static void close_descriptor(ssl_socket_obj_t *self) {
    struct stat st;
    if (self->sock != MP_OBJ_NULL && self->fd >= 0 && fstat(self->fd, &st) == 0 && st.st_dev == self->dev && st.st_ino == self->ino) {
        close(self->fd);
    }
}
#endif

// Frees TLS state only: no Python, no I/O, no other object. Fit for the collector. (unix: it
// closes the transport's descriptor.)
static mp_obj_t socket_del(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
#if MPSSL_DESCRIPTORS
    close_descriptor(self);
#endif
    self->sock = MP_OBJ_NULL;
    self->closing = true;
    if (mpssl_enter(self) == 0) {
        mpssl_leave(self);
    }
    if (!self->guard.busy) {
        mpssl_guard_end(&self->guard);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_del_obj, socket_del);

mp_obj_t mpssl_socket_make(ssl_context_obj_t *context, mp_obj_t sock, bool server_side,
    bool do_handshake, mp_obj_t server_hostname, mp_obj_t client_id) {
    mp_get_stream_raise(sock, MP_STREAM_OP_READ | MP_STREAM_OP_WRITE | MP_STREAM_OP_IOCTL);
    mpssl_bytes_t hostname = { NULL, 0 };
    if (server_hostname != mp_const_none) {
        hostname.data = (const uint8_t *)mp_obj_str_get_data(server_hostname, &hostname.len);
    }
    // Anything that is no buffer is refused below, as upstream does, with an OSError.
    mpssl_bytes_t id = { NULL, 0 };
    mp_buffer_info_t buf;
    if (mp_get_buffer(client_id, &buf, MP_BUFFER_READ)) {
        id = (mpssl_bytes_t){ buf.buf, buf.len };
    }

    // MicroPython 1.25 has DTLS servers without cookies, and no client_id.
    bool hello_verify = client_id != mp_const_none || (MICROPY_VERSION) >= (MICROPY_MAKE_VERSION(1, 26, 0));

    ssl_socket_obj_t *self = mp_obj_malloc_with_finaliser(ssl_socket_obj_t, &mpssl_socket_type);
    self->tls = NULL;
    self->sock = sock;
    self->verify_callback = context->verify_callback;
    self->ecdsa_sign_callback = context->ecdsa_sign_callback;
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
    self->psk_keys_have_get = context->psk_callback == mp_const_none;
    self->psk_keys = self->psk_keys_have_get ? context->server_psk_keys : context->psk_callback;
#endif
    self->pending_exc = MP_OBJ_NULL;
    mpssl_guard_init(&self->guard);
    self->datagram = false;
    self->poll_first = false;
    self->closing = false;
#if MPSSL_DESCRIPTORS
    self->fd = -1; // until nothing can fail any more that leaves the transport to its owner
#endif

    mpssl_signals_t signals;
    if (!mpssl_claim(&context->guard, &signals)) {
        mp_raise_OSError(MP_EBUSY);
    }
    if (context->tls == NULL || (server_side && !mpssl_context_is_server(context->tls))) {
        bool freed = context->tls == NULL;
        mpssl_release(&context->guard, &signals);
        if (freed) {
            mp_raise_OSError(MP_EBADF);
        }
        mp_raise_ValueError(MP_ERROR_TEXT("server_side needs a server protocol"));
    }
    mpssl_socket_t *tls = NULL;
    mpssl_status_t status;
    mpssl_options_t options = {
        .hostname = hostname,
        .client_id = id,
        .host_signs = self->ecdsa_sign_callback != mp_const_none,
        .hello_verify = hello_verify,
    };
#if MPSSL_MEMORY
    mpssl_context_freeze(context->tls); // the context's; what it fails for, the next fails for
    mpssl_usage_t *usage = mpssl_usage_switch(self->guard.usage);
#endif
    CALL_WITH_MEMORY(status, mpssl_socket_new(context->tls, options, &tls));
#if MPSSL_MEMORY
    mpssl_usage_switch(usage);
#endif
    self->tls = tls;
    self->datagram = tls != NULL && mpssl_socket_is_datagram(tls);
    self->server_side = mpssl_context_is_server(context->tls);
    mpssl_release(&context->guard, &signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(NULL, status);
    }

#if MPSSL_DESCRIPTORS
    remember_descriptor(self);
#endif
    if (do_handshake) {
        enter(self);
        status = handshake_to_end(self);
        if (status.kind != MPSSL_OK) {
            // No object will reach Python: free now, leave the transport to its owner.
            self->sock = MP_OBJ_NULL;
            self->closing = true;
        }
        leave(self, status);
    }
    return MP_OBJ_FROM_PTR(self);
}

static void close_transport(ssl_socket_obj_t *self, void *arg) {
    (void)arg;
    if (self->sock != MP_OBJ_NULL) {
        mp_stream_close(self->sock);
    }
}

void mpssl_socket_handshake_or_close(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    enter(self);
    mpssl_status_t status = handshake_to_end(self);
    if (status.kind != MPSSL_OK) {
        // What is raised is why the handshake failed, not what closing came to.
        mp_obj_t cause = self->pending_exc;
        mpssl_protect(self, close_transport, NULL);
        self->pending_exc = cause;
        self->sock = MP_OBJ_NULL;
        self->closing = true;
    }
    leave(self, status);
}

mp_obj_t mpssl_socket_cid(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uint8_t cid[MPSSL_CID_MAX];
    enter(self);
    mpssl_bytes_t own = mpssl_socket_own_cid(self->tls);
    memcpy(cid, own.data, own.len);
    mpssl_leave(self);
    return own.len == 0 ? MP_OBJ_NULL : mp_obj_new_bytes(cid, own.len);
}

/******************************************************************************/
// The stream protocol.

static mp_uint_t socket_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    *errcode = mpssl_enter(self);
    if (*errcode != 0) {
        return MP_STREAM_ERROR;
    }
    size_t done = 0;
    mpssl_status_t status = { MPSSL_RAISED, 0 };
    patience_t p = patience(self);
    uint64_t newest = mpssl_socket_newest_record(self->tls);
    if (!p.raised) {
        do {
            CALL_WITH_MEMORY(status, mpssl_socket_read(self->tls, self, buf, size, &done));
        } while (wait_more(self, &p, &status));
    }
    if (self->datagram && done > 0 && mpssl_socket_newest_record(self->tls) > newest) {
        // Without memory now, then after the next record.
        mpssl_catch(mpssl_peer_follow, self->sock);
    }
    return leave_stream(self, status, done, errcode);
}

static mp_uint_t socket_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    *errcode = mpssl_enter(self);
    if (*errcode != 0) {
        return MP_STREAM_ERROR;
    }
    size_t done = 0;
    mpssl_status_t status = { MPSSL_RAISED, 0 };
    patience_t p = patience(self);
    if (!p.raised) {
        do {
            CALL_WITH_MEMORY(status, mpssl_socket_write(self->tls, self, buf, size, &done));
        } while (wait_more(self, &p, &status));
    }
    return leave_stream(self, status, done, errcode);
}

typedef struct _ioctl_t {
    mp_obj_t sock;
    mp_uint_t request;
    uintptr_t arg;
    mp_uint_t result; // MP_STREAM_ERROR: see err
    int err;
} ioctl_t;

static void transport_ioctl(ssl_socket_obj_t *self, void *arg) {
    ioctl_t *i = arg;
    (void)self;
    const mp_stream_p_t *stream = mp_get_stream_raise(i->sock, MP_STREAM_OP_IOCTL);
    i->result = stream->ioctl(i->sock, i->request, i->arg, &i->err);
}

static mp_uint_t socket_poll(ssl_socket_obj_t *self, uintptr_t flags, int *errcode) {
    int err = mpssl_enter(self);
    if (err == MP_EBADF) {
        return MP_STREAM_POLL_NVAL;
    }
    if (err != 0) {
        *errcode = err;
        return MP_STREAM_ERROR;
    }
    uint32_t ask = 0;
    uint32_t ready = mpssl_socket_poll(self->tls, flags, &ask);
    mpssl_status_t status = { MPSSL_OK, 0 };
    if (ask != 0) {
        ioctl_t poll = { .sock = self->sock, .request = MP_STREAM_POLL, .arg = ask };
        if (mpssl_protect(self, transport_ioctl, &poll) != 0) {
            status.kind = MPSSL_RAISED;
        } else if (poll.result == MP_STREAM_ERROR) {
            status = (mpssl_status_t){ MPSSL_ERRNO, mpssl_stream_errno(poll.err) };
        } else {
            ready |= mpssl_socket_polled(self->tls, flags, poll.result);
            if (!(ready & MP_STREAM_POLL_RD)) {
                mpssl_socket_rest(self->tls);
            }
        }
    }
    return leave_stream(self, status, ready, errcode);
}

// Sends close_notify unless the transport would make us wait: it is a courtesy
// to the peer, not worth blocking for.
static void send_close_notify(ssl_socket_obj_t *self) {
    if (!mpssl_socket_would_send(self->tls)) {
        return;
    }
    ioctl_t poll = { .sock = self->sock, .request = MP_STREAM_POLL, .arg = MP_STREAM_POLL_WR };
    if (mpssl_protect(self, transport_ioctl, &poll) != 0) {
        return;
    }
    // A stream that cannot be polled is written to.
    if (poll.result == MP_STREAM_ERROR || poll.result == MP_STREAM_POLL_WR) {
        // To wake a connection that hibernates takes memory.
        mpssl_status_t status;
        CALL_WITH_MEMORY(status, mpssl_socket_close_notify(self->tls, self));
        (void)status;
    }
}

static mp_uint_t socket_close(ssl_socket_obj_t *self, int *errcode) {
    if (self->sock == MP_OBJ_NULL) {
        return 0;
    }
    ioctl_t close = { .request = MP_STREAM_CLOSE };
    self->closing = true;
    if (mpssl_enter(self) != 0) {
        // Called from within a call on this very socket, which frees it when it
        // ends. (There is no other reason: a socket with a transport has tls.)
        mp_obj_t sock = self->sock;
        self->sock = MP_OBJ_NULL;
        return mp_get_stream(sock)->ioctl(sock, MP_STREAM_CLOSE, 0, errcode);
    }
    send_close_notify(self);
    // The peer may be gone: that is no news to who closes. Other exceptions are kept.
    if (self->pending_exc != MP_OBJ_NULL && mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(self->pending_exc)), MP_OBJ_FROM_PTR(&mp_type_OSError))) {
        self->pending_exc = MP_OBJ_NULL;
    }
    close.sock = self->sock;
    self->sock = MP_OBJ_NULL; // a close() within this one finds nothing to do
    if (close.sock != MP_OBJ_NULL) {
        mpssl_protect(self, transport_ioctl, &close);
    }
    mpssl_leave(self);
    mp_obj_t exc = mpssl_take_pending(self);
    if (exc != MP_OBJ_NULL) {
        nlr_raise(exc);
    }
    *errcode = mpssl_stream_errno(close.err);
    return close.result;
}

static mp_uint_t socket_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_CLOSE) {
        return socket_close(self, errcode);
    }
    if (request == MP_STREAM_POLL) {
        return socket_poll(self, arg, errcode);
    }
    *errcode = MP_EINVAL;
    return MP_STREAM_ERROR;
}

static const mp_stream_p_t socket_stream_p = {
    .read = socket_read,
    .write = socket_write,
    .ioctl = socket_ioctl,
};

/******************************************************************************/
// Methods.

#if defined(MBEDTLS_SSL_PROTO_DTLS)
// read(n), readinto(buf): of datagrams one is read, or the rest of one; upstream's
// methods would wait until n bytes are there, over the borders between records.
static mp_obj_t socket_read_method(size_t n_args, const mp_obj_t *args) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_obj_t fun = self->datagram ? MP_OBJ_FROM_PTR(&mp_stream_read1_obj) : MP_OBJ_FROM_PTR(&mp_stream_read_obj);
    return mp_call_function_n_kw(fun, n_args, 0, args);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_read_obj, 1, 2, socket_read_method);

static mp_obj_t socket_readinto_method(size_t n_args, const mp_obj_t *args) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    if (!self->datagram) {
        return mp_call_function_n_kw(MP_OBJ_FROM_PTR(&mp_stream_readinto_obj), n_args, 0, args);
    }
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[1], &buf, MP_BUFFER_WRITE);
    size_t len = n_args > 2 ? (size_t)mp_obj_get_int(args[2]) : buf.len;
    int err = 0;
    mp_uint_t n = socket_read(args[0], buf.buf, MIN(len, buf.len), &err);
    if (n != MP_STREAM_ERROR) {
        return mp_obj_new_int_from_uint(n);
    }
    if (mp_is_nonblocking_error(err)) {
        return mp_const_none;
    }
    mp_raise_OSError(err);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_readinto_obj, 2, 3, socket_readinto_method);
#else
#define socket_read_obj mp_stream_read_obj
#define socket_readinto_obj mp_stream_readinto_obj
#endif

// Calls a method of the transport.
static mp_obj_t call_transport(mp_obj_t self_in, qstr method, mp_obj_t arg) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->sock == MP_OBJ_NULL) {
        mp_raise_OSError(MP_EBADF);
    }
    mp_obj_t dest[3];
    mp_load_method(self->sock, method, dest);
    dest[2] = arg;
    return mp_call_method_n_kw(1, 0, dest);
}

static mp_obj_t socket_setblocking(mp_obj_t self_in, mp_obj_t flag) {
    return call_transport(self_in, MP_QSTR_setblocking, flag);
}
static MP_DEFINE_CONST_FUN_OBJ_2(socket_setblocking_obj, socket_setblocking);

static mp_obj_t socket_settimeout(mp_obj_t self_in, mp_obj_t timeout) {
    return call_transport(self_in, MP_QSTR_settimeout, timeout);
}
static MP_DEFINE_CONST_FUN_OBJ_2(socket_settimeout_obj, socket_settimeout);

// do_handshake(): SSLWantReadError or SSLWantWriteError where the transport does not block.
static mp_obj_t socket_do_handshake(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    enter(self);
    patience_t p = patience(self);
    mpssl_status_t status = { MPSSL_RAISED, 0 };
    if (!p.raised) {
        do {
            CALL_WITH_MEMORY(status, mpssl_socket_handshake(self->tls, self));
        } while (wait_more(self, &p, &status));
    }
    leave(self, status);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_do_handshake_obj, socket_do_handshake);

// shutdown(SHUT_WR or SHUT_RDWR): nothing more is written, and the peer is told.
static mp_obj_t socket_shutdown(mp_obj_t self_in, mp_obj_t how_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_int_t how = mp_obj_get_int(how_in);
    enter(self);
    mpssl_status_t status = { MPSSL_ERRNO, MP_EINVAL };
    if (how == 1 || how == 2) {
        status.code = MPSSL_ENOTCONN;
        if (!mpssl_socket_is_handshaking(self->tls)) {
            CALL_WITH_MEMORY(status, mpssl_socket_close_notify(self->tls, self));
        }
    }
    leave(self, status);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(socket_shutdown_obj, socket_shutdown);

// unwrap(): ends TLS in both directions and returns the transport, open.
static mp_obj_t socket_unwrap(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    enter(self);
    mpssl_status_t status;
    CALL_WITH_MEMORY(status, mpssl_socket_unwrap(self->tls, self));
    if (status.kind != MPSSL_OK || self->closing) {
        leave(self, status);
    }
    mp_obj_t sock = self->sock;
    self->sock = MP_OBJ_NULL;
    self->closing = true;
    mpssl_leave(self);
    return sock;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_unwrap_obj, socket_unwrap);

// hibernate() -> whether the connection sleeps now.
static mp_obj_t socket_hibernate(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    bool asleep = false;
    enter(self);
    mpssl_status_t status;
    CALL_WITH_MEMORY(status, mpssl_socket_hibernate(self->tls, &asleep));
    leave(self, status);
    return mp_obj_new_bool(asleep);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_hibernate_obj, socket_hibernate);

// makefile(*args) -> the socket itself, which is a stream; as MicroPython's sockets do.
static mp_obj_t socket_makefile(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_makefile_obj, 1, 3, socket_makefile);

// cipher() -> (name, protocol version), None before the handshake is over.
static mp_obj_t socket_cipher(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    enter(self);
    const char *name = mpssl_socket_cipher(self->tls);
    const char *version = mpssl_socket_version(self->tls);
    mpssl_leave(self);
    if (name == NULL || version == NULL) {
        return mp_const_none;
    }
    mp_obj_t tuple[2] = { mp_obj_new_str_from_cstr(name), mp_obj_new_str_from_cstr(version) };
    return mp_obj_new_tuple(2, tuple);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_cipher_obj, socket_cipher);

// version() -> 'TLSv1.2', None before the handshake is over.
static mp_obj_t socket_version(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    enter(self);
    const char *version = mpssl_socket_version(self->tls);
    mpssl_leave(self);
    return version == NULL ? mp_const_none : mp_obj_new_str_from_cstr(version);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_version_obj, socket_version);

// pending() -> bytes decrypted and not yet read.
static mp_obj_t socket_pending(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    enter(self);
    size_t pending = mpssl_socket_pending(self->tls);
    mpssl_leave(self);
    return mp_obj_new_int_from_uint(pending);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_pending_obj, socket_pending);

#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
static void copy_peer_cert(ssl_socket_obj_t *self, void *arg) {
    mpssl_bytes_t der = mpssl_socket_peer_cert(self->tls);
    *(mp_obj_t *)arg = der.data == NULL ? mp_const_none : mp_obj_new_bytes(der.data, der.len);
}

// getpeercert(binary_form=False) -> the peer's certificate, as CPython's dict or as DER;
// None without one. What an unverified certificate says is nobody's word: an empty dict.
static mp_obj_t socket_getpeercert(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed[] = {
        { MP_QSTR_binary_form, MP_ARG_BOOL, { .u_bool = false } },
    };
    mp_arg_val_t binary_form;
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, 1, allowed, &binary_form);
#if !MPSSL_PEER_CERT_DICT
    if (!binary_form.u_bool) {
        mp_raise_NotImplementedError(NULL);
    }
#endif
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    enter(self);
    mp_obj_t cert = mp_const_none;
    mpssl_status_t status = { MPSSL_OK, 0 };
#if MPSSL_PEER_CERT_DICT
    bool verified = mpssl_socket_peer_verified(self->tls);
#endif
    if (mpssl_protect(self, copy_peer_cert, &cert) != 0) {
        status.kind = MPSSL_RAISED;
    }
    leave(self, status);
#if MPSSL_PEER_CERT_DICT
    if (cert != mp_const_none && !binary_form.u_bool) {
        return verified ? mpssl_certificate_dict(cert) : mp_obj_new_dict(0);
    }
#endif
    return cert;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(socket_getpeercert_obj, 1, socket_getpeercert);
#endif

#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
// A copy of what the connection has seen of pre-shared keys; None where it is nothing.
static mp_obj_t psk_bytes(mp_obj_t self_in, mpssl_bytes_t (*get)(const mpssl_socket_t *socket)) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    uint8_t copy[MPSSL_PSK_IDENTITY_MAX];
    enter(self);
    mpssl_bytes_t bytes = get(self->tls);
    size_t len = MIN(bytes.len, sizeof(copy));
    if (bytes.data != NULL) {
        memcpy(copy, bytes.data, len);
    }
    mpssl_leave(self);
    return bytes.data == NULL ? mp_const_none : mp_obj_new_bytes(copy, len);
}
#endif

static void socket_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // nothing can be stored
    }
    if (attr == MP_QSTR_fileno || attr == MP_QSTR_getpeername || attr == MP_QSTR_getsockname || attr == MP_QSTR_setsockopt || attr == MP_QSTR_gettimeout) {
        // The transport's, if it has them.
        ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
        if (self->sock == MP_OBJ_NULL) {
            mp_raise_OSError(MP_EBADF);
        }
        mp_load_method_maybe(self->sock, attr, dest);
    } else if (attr == MP_QSTR_server_side) {
        dest[0] = mp_obj_new_bool(((ssl_socket_obj_t *)MP_OBJ_TO_PTR(self_in))->server_side);
    } else if (attr == MP_QSTR_close_notify_received) {
        // True once the peer has closed with an alert: an end of stream without
        // it may be an attacker's cut.
        ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
        enter(self);
        bool received = mpssl_socket_close_notify_received(self->tls);
        mpssl_leave(self);
        dest[0] = mp_obj_new_bool(received);
#if MPSSL_MEMORY
    } else if (attr == MP_QSTR_memory) {
        dest[0] = mpssl_guard_memory(&((ssl_socket_obj_t *)MP_OBJ_TO_PTR(self_in))->guard);
#endif
    } else if (attr == MP_QSTR_hibernating) {
        ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
        enter(self);
        bool asleep = mpssl_socket_is_asleep(self->tls);
        mpssl_leave(self);
        dest[0] = mp_obj_new_bool(asleep);
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
    } else if (attr == MP_QSTR_psk_identity) {
        // A server's client's, None where no pre-shared key was used.
        dest[0] = psk_bytes(self_in, mpssl_socket_psk_identity);
    } else if (attr == MP_QSTR_psk_identity_hint) {
        // A client's server's, None where it gave none.
        dest[0] = psk_bytes(self_in, mpssl_socket_psk_identity_hint);
#endif
#if defined(MBEDTLS_SSL_PROTO_DTLS)
    } else if (attr == MP_QSTR_bad_records) {
        // DTLS: records dropped because they did not authenticate.
        ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
        enter(self);
        uint32_t bad = mpssl_socket_bad_records(self->tls);
        mpssl_leave(self);
        dest[0] = mp_obj_new_int_from_uint(bad);
    } else if (attr == MP_QSTR_connection_id) {
        // DTLS: (ours, the peer's), None where Connection IDs are not in use.
        ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
        uint8_t peer[MPSSL_CID_MAX];
        mp_obj_t own = mpssl_socket_cid(self_in);
        enter(self);
        int32_t len = mpssl_socket_peer_cid(self->tls, peer);
        mpssl_leave(self);
        dest[0] = mp_const_none;
        if (len >= 0) {
            mp_obj_t pair[2] = { own == MP_OBJ_NULL ? mp_const_empty_bytes : own, mp_obj_new_bytes(peer, len) };
            dest[0] = mp_obj_new_tuple(2, pair);
        }
#endif
    } else {
        dest[1] = MP_OBJ_SENTINEL; // go on in the locals dict
    }
}

static const mp_rom_map_elem_t socket_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_read), MP_ROM_PTR(&socket_read_obj) },
    { MP_ROM_QSTR(MP_QSTR_readinto), MP_ROM_PTR(&socket_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&mp_stream_unbuffered_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&mp_stream_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_recv), MP_ROM_PTR(&mp_stream_read1_obj) },
    { MP_ROM_QSTR(MP_QSTR_recv_into), MP_ROM_PTR(&socket_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_send), MP_ROM_PTR(&mp_stream_write1_obj) },
    { MP_ROM_QSTR(MP_QSTR_sendall), MP_ROM_PTR(&mp_stream_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&socket_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_settimeout), MP_ROM_PTR(&socket_settimeout_obj) },
    { MP_ROM_QSTR(MP_QSTR_do_handshake), MP_ROM_PTR(&socket_do_handshake_obj) },
    { MP_ROM_QSTR(MP_QSTR_makefile), MP_ROM_PTR(&socket_makefile_obj) },
    { MP_ROM_QSTR(MP_QSTR_shutdown), MP_ROM_PTR(&socket_shutdown_obj) },
    { MP_ROM_QSTR(MP_QSTR_unwrap), MP_ROM_PTR(&socket_unwrap_obj) },
    { MP_ROM_QSTR(MP_QSTR_hibernate), MP_ROM_PTR(&socket_hibernate_obj) },
    { MP_ROM_QSTR(MP_QSTR_cipher), MP_ROM_PTR(&socket_cipher_obj) },
    { MP_ROM_QSTR(MP_QSTR_version), MP_ROM_PTR(&socket_version_obj) },
    { MP_ROM_QSTR(MP_QSTR_pending), MP_ROM_PTR(&socket_pending_obj) },
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
    { MP_ROM_QSTR(MP_QSTR_getpeercert), MP_ROM_PTR(&socket_getpeercert_obj) },
#endif
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mp_stream___exit___obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&socket_del_obj) },
#if MICROPY_UNIX_COVERAGE
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&mp_stream_ioctl_obj) },
#endif
};
static MP_DEFINE_CONST_DICT(socket_locals_dict, socket_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_socket_type,
    MP_QSTR_SSLSocket,
    MP_TYPE_FLAG_NONE,
    attr, socket_attr,
    protocol, &socket_stream_p,
    locals_dict, &socket_locals_dict);
