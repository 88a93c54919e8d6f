// SPDX-License-Identifier: MIT OR Apache-2.0
//
// SSLSocket: arguments, the stream protocol, closing. What a connection is, is in src/socket.rs.

#include <limits.h>
#include <string.h>
#if defined(__unix__) || defined(__APPLE__)
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

#include "glue.h"

#include "py/objstr.h"
#include "py/objtuple.h"
#include "py/objtype.h"
#include "mbedtls/ssl.h"

static const mpssl_status_t closed_meanwhile = { MPSSL_ERRNO, MP_EBADF };

/******************************************************************************/
// Calls into Rust.

static void enter(ssl_socket_obj_t *self, mpssl_call_t *call, unsigned turns) {
    int err = mpssl_enter(self, call, turns);
    if (err != 0) {
        mp_raise_OSError(err);
    }
}

typedef struct _failure_t {
    const mpssl_socket_t *socket;
    mpssl_status_t status;
} failure_t;

static void raise_failure(void *arg) {
    failure_t *failure = arg;
    mpssl_raise_failure(failure->socket, failure->status, mp_const_none);
}

// Makes the exception for the end of a connection while there is one to be asked about it.
static void explain(mpssl_call_t *call, mpssl_status_t status) {
    if (status.kind == MPSSL_TLS || status.kind == MPSSL_VERIFY) {
        call->exc = mpssl_catch(raise_failure, &(failure_t){ call->socket->tls, status });
    }
#if MPSSL_DESCRIPTORS
    if (status.kind == MPSSL_TLS && status.code == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED) {
        call->socket->descriptor.fd = -1; // the transport is wrapped again for the client's next hello
    }
#endif
}

// Leaves, and raises unless the call came to MPSSL_OK on a socket still open.
static void leave(mpssl_call_t *call, mpssl_status_t status) {
    explain(call, status);
    bool open = mpssl_leave(call);
    if (!open && (status.kind == MPSSL_OK || mpssl_is_want(status))) {
        status = closed_meanwhile;
    }
    if (status.kind != MPSSL_OK) {
        mpssl_raise(call->exc, status);
    }
}

// Ends a stream operation: its result, or *errcode for what streams report by
// number, or an exception.
static mp_uint_t leave_stream(mpssl_call_t *call, mpssl_status_t status, mp_uint_t done, int *errcode) {
    explain(call, status);
    bool open = mpssl_leave(call);
    if (!open && status.kind != MPSSL_RAISED) {
        status = closed_meanwhile;
    }
    if (status.kind == MPSSL_OK) {
        return done;
    }
    if (!mpssl_is_want(status) && status.kind != MPSSL_ERRNO) {
        mpssl_raise(call->exc, status);
    }
    *errcode = status.kind == MPSSL_ERRNO ? status.code : MP_EAGAIN;
    return MP_STREAM_ERROR;
}

static void raise_status(void *status) {
    mpssl_raise(MP_OBJ_NULL, *(mpssl_status_t *)status);
}

// Of a read that has something to return: keeps what interrupted it for the next call, if
// that would not meet it again. But for Ctrl-C, for the next call may never come.
static void keep_interruption(mpssl_call_t *call, mpssl_status_t status) {
    bool timeout = status.kind == MPSSL_ERRNO && status.code == MP_ETIMEDOUT;
    if (status.kind == MPSSL_OK || status.kind == MPSSL_NO_MEMORY || mpssl_is_want(status) || timeout) {
        return;
    }
    explain(call, status);
    mp_obj_t exc = call->exc != MP_OBJ_NULL ? call->exc : mpssl_catch(raise_status, &status);
    if (mpssl_keep_ctrl_c(exc)) {
        return;
    }
    const mp_obj_exception_t *emergency = &MP_STATE_VM(mp_emergency_exception_obj);
    if (exc == MP_OBJ_FROM_PTR(emergency)) {
        // Made without memory: the next such exception is the same object, whose text lies there as well. What it
        // is of stays, and an errno where there is memory again.
        const mp_obj_tuple_t *args = emergency->args;
        size_t n = args->len == 1 && mp_obj_is_small_int(args->items[0]) ? 1 : 0;
        exc = mp_obj_new_exception_args(emergency->base.type, n, args->items);
        if (exc == MP_OBJ_FROM_PTR(emergency)) {
            exc = MP_OBJ_FROM_PTR(emergency->base.type);
        }
    }
    call->socket->kept = exc;
}

static mp_uint_t leave_read(mpssl_call_t *call, mpssl_status_t status, size_t done, int *errcode) {
    if (done == 0 || call->socket->closing) {
        return leave_stream(call, status, done, errcode);
    }
    keep_interruption(call, status);
    mpssl_leave(call);
    return done;
}

static mp_uint_t leave_write(mpssl_call_t *call, mpssl_status_t status, size_t done, int *errcode) {
    if (status.kind != MPSSL_OK || call->socket->closing) {
        return leave_stream(call, status, done, errcode);
    }
    mpssl_leave(call);
    return done;
}

static mpssl_status_t handshake(mpssl_call_t *call, mpssl_patience_t *p) {
    mpssl_status_t status;
    do {
        CALL_WITH_MEMORY(status, mpssl_socket_handshake(call->socket->tls, call));
    } while (mpssl_wait_more(call, p, &status));
    return status;
}

// Handshakes until it is over or failed, whether the transport blocks or not.
static mpssl_status_t handshake_to_end(mpssl_call_t *call) {
    mpssl_patience_t p = mpssl_patience(call);
    mpssl_look_whether_to_wait(call, &p);
    if (!p.waits) {
        p.waits = p.forever = true;
        // A stream written in Python may not know how to be polled, and does not block.
        mp_obj_t sock = call->socket->sock;
        call->poll_first = call->socket->datagram && sock != MP_OBJ_NULL && !mp_obj_is_instance_type(mp_obj_get_type(sock));
    }
    return handshake(call, &p);
}

/******************************************************************************/
// Construction.

#if MPSSL_DESCRIPTORS
static void own_descriptor(ssl_socket_obj_t *self) {
#if defined(MBEDTLS_SSL_DTLS_HELLO_VERIFY)
    mpssl_listeners_disown(mpssl_descriptor(self->sock));
#endif
    self->descriptor = mpssl_remember_descriptor(self->sock);
}
#endif

// Frees TLS state only: no Python, no I/O, no other object. Fit for the collector. (unix: it
// closes the transport's descriptor.)
static mp_obj_t socket_del(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    self->closing = true;
    self->idle = false;
    // A call of a thread that the port has ended never ends.
    if (self->calls == NULL) {
#if MPSSL_DESCRIPTORS
        if (self->sock != MP_OBJ_NULL) {
            mpssl_close_descriptor(&self->descriptor);
        }
#endif
        mpssl_signals_t signals;
        mpssl_interrupts_off(&signals);
        mpssl_socket_free(self->tls);
        self->tls = NULL;
        mpssl_interrupts_on(&signals);
#if MPSSL_MEMORY
        mpssl_guard_end(&self->guard);
#endif
    }
    self->sock = MP_OBJ_NULL;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_del_obj, socket_del);

mp_obj_t mpssl_callback(const ssl_socket_obj_t *self, size_t which) {
    if (self->callbacks == MP_OBJ_NULL) {
        return mp_const_none;
    }
    return ((mp_obj_tuple_t *)MP_OBJ_TO_PTR(self->callbacks))->items[which];
}

// What the context has now; whether it is anything.
static bool look_at_callbacks(const ssl_context_obj_t *context, mp_obj_t *now) {
    now[MPSSL_VERIFY_CALLBACK] = context->verify_callback;
    now[MPSSL_SIGN_CALLBACK] = context->ecdsa_sign_callback;
    now[MPSSL_SNI_CALLBACK] = context->sni_callback;
    now[MPSSL_PSK_CALLBACK] = mp_const_none;
    now[MPSSL_CONTEXT] = context->instance;
    now[MPSSL_EC_KEY] = context->keys[0];
    now[MPSSL_RSA_KEY] = context->keys[1];
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
    now[MPSSL_PSK_CALLBACK] = context->psk_callback == mp_const_none ? context->server_psk_keys : context->psk_callback;
#endif
#if MPSSL_KEYLOG
    now[MPSSL_KEYLOG_FILENAME] = context->keylog_filename;
#endif
#if MPSSL_BUNDLES
    now[MPSSL_CONTEXT_BUNDLES] = context->bundles;
#endif
    bool any = false;
    for (size_t i = 0; i < MPSSL_CALLBACKS; i++) {
        any = any || now[i] != mp_const_none;
    }
    return any;
}

static bool are_same(mp_obj_t tuple, const mp_obj_t *now) {
    bool same = tuple != MP_OBJ_NULL;
    for (size_t i = 0; i < MPSSL_CALLBACKS; i++) {
        same = same && now[i] == ((mp_obj_tuple_t *)MP_OBJ_TO_PTR(tuple))->items[i];
    }
    return same;
}

// Gives it the callbacks that the context has now.
static void set_callbacks(ssl_socket_obj_t *self, ssl_context_obj_t *context) {
    mp_obj_t now[MPSSL_CALLBACKS];
    mp_obj_t tuple = MP_OBJ_NULL;
    if (look_at_callbacks(context, now)) {
        tuple = context->socket_callbacks;
        if (!are_same(tuple, now)) {
            tuple = context->socket_callbacks = mp_obj_new_tuple(MPSSL_CALLBACKS, now);
        }
    }
    self->callbacks = tuple;
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
    self->psk_keys_have_get = context->psk_callback == mp_const_none;
#endif
}

// Whether they are still the context's, which is claimed: another thread may have set others before it
// was. What the core has then belongs to those.
static bool has_callbacks(const ssl_socket_obj_t *self, const ssl_context_obj_t *context) {
    mp_obj_t now[MPSSL_CALLBACKS];
    bool any = look_at_callbacks(context, now);
    return any ? are_same(self->callbacks, now) : self->callbacks == MP_OBJ_NULL;
}

// A str or bytes, or None.
static mpssl_bytes_t name_of(mp_obj_t name) {
    mpssl_bytes_t bytes = { NULL, 0 };
    if (name != mp_const_none) {
        bytes.data = (const uint8_t *)mp_obj_str_get_data(name, &bytes.len);
    }
    return bytes;
}

#if MPSSL_SESSIONS
// The session to go on with, NULL for None. It belongs to the verify_callback that it was got with.
static ssl_session_obj_t *get_session(mp_obj_t session_in, mp_obj_t verify_callback) {
    if (session_in == mp_const_none) {
        return NULL;
    }
    if (!mp_obj_is_type(session_in, &mpssl_session_type)) {
        mp_raise_TypeError(MP_ERROR_TEXT("session must be an SSLSession"));
    }
    ssl_session_obj_t *session = MP_OBJ_TO_PTR(session_in);
    if (session->tls == NULL) {
        mp_raise_OSError(MP_EBADF); // freed by __del__
    }
    if (session->verify_callback != verify_callback) {
        mp_raise_ValueError(MP_ERROR_TEXT("session refers to a different verify_callback"));
    }
    return session;
}

// Within calls as well: no thread has one for long.
static bool claim_session(ssl_session_obj_t *session, mpssl_signals_t *signals) {
    return session == NULL || mpssl_claim_where(&session->guard, signals, MPSSL_STAYS);
}

static void release_session(ssl_session_obj_t *session, mpssl_signals_t *signals) {
    if (session != NULL) {
        mpssl_release(&session->guard, signals);
    }
}

// By __del__, in another thread.
static bool is_freed(const ssl_session_obj_t *session) {
    return session != NULL && session->tls == NULL;
}
#else
// There are none.
static ssl_session_obj_t *get_session(mp_obj_t session_in, mp_obj_t verify_callback) {
    if (session_in != mp_const_none) {
        mp_raise_NotImplementedError(MP_ERROR_TEXT("session"));
    }
    return NULL;
}

static bool claim_session(ssl_session_obj_t *session, mpssl_signals_t *signals) {
    return true;
}

static void release_session(ssl_session_obj_t *session, mpssl_signals_t *signals) {
}

static bool is_freed(const ssl_session_obj_t *session) {
    return false;
}
#endif

// Claims the context, of which the socket has the callbacks then, and the session to go on with, NULL for None. That
// is released first.
static ssl_session_obj_t *claim_with_callbacks(ssl_socket_obj_t *self, ssl_context_obj_t *context, mp_obj_t session_in,
    mpssl_signals_t *session_signals, mpssl_signals_t *signals) {
    for (;;) {
        ssl_session_obj_t *session = get_session(session_in, mpssl_callback(self, MPSSL_VERIFY_CALLBACK));
        if (!mpssl_claim(&context->guard, signals)) {
            mp_raise_OSError(MP_EBUSY);
        }
        if (!claim_session(session, session_signals)) {
            mpssl_release(&context->guard, signals);
            mp_raise_OSError(MP_EBUSY);
        }
        if (has_callbacks(self, context)) {
            return session;
        }
        release_session(session, session_signals);
        mpssl_release(&context->guard, signals);
        set_callbacks(self, context);
    }
}

// One that is nothing yet, over this transport, with the callbacks that the context has now.
static ssl_socket_obj_t *new_socket(ssl_context_obj_t *context, mp_obj_t sock, mp_obj_t server_hostname) {
    ssl_socket_obj_t *self = mp_obj_malloc_with_finaliser(ssl_socket_obj_t, &mpssl_socket_type);
    self->tls = NULL;
    self->sock = sock;
    self->callbacks = MP_OBJ_NULL;
    self->server_hostname = server_hostname;
    self->kept = MP_OBJ_NULL;
    self->calls = NULL;
#if MICROPY_PY_THREAD
    self->input = MP_OBJ_NULL;
    self->sent = 0;
#endif
    self->closing = false;
    self->idle = false;
    self->datagram = false;
    self->psk_keys_have_get = false;
#if MPSSL_MEMORY
    mpssl_guard_init(&self->guard);
#endif
    set_callbacks(self, context);
#if MPSSL_DESCRIPTORS
    self->descriptor.fd = -1; // until nothing can fail any more that leaves the transport to its owner
#endif
    return self;
}

#if MPSSL_SESSIONS
// The port that a socket is connected to; 0: it is not known.
static uint16_t peer_port(mp_obj_t sock) {
#if MPSSL_DESCRIPTORS
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
    socklen_t len = sizeof(peer);
    int fd = mpssl_descriptor(sock);
    if (fd >= 0 && getpeername(fd, &peer.any, &len) == 0) {
        if (peer.any.sa_family == AF_INET) {
            return ntohs(peer.v4.sin_port);
        }
        if (peer.any.sa_family == AF_INET6) {
            return ntohs(peer.v6.sin6_port);
        }
    }
#else
    (void)sock;
#endif
    return 0;
}
#endif

mp_obj_t mpssl_socket_make(ssl_context_obj_t *context, mp_obj_t sock, bool server_side,
    bool do_handshake, mp_obj_t server_hostname, mp_obj_t assert_hostname, mp_obj_t client_id,
    mp_obj_t session_in) {
    mpssl_context_settle(context); // may run Python
    sock = mpssl_get_stream(sock, MP_STREAM_OP_READ | MP_STREAM_OP_WRITE | MP_STREAM_OP_IOCTL);
    mpssl_bytes_t hostname = name_of(server_hostname);
    mpssl_bytes_t asserted = name_of(assert_hostname);
    // MicroPython 1.25 has DTLS servers without cookies, and no client_id.
    bool hello_verify = client_id != mp_const_none || (MICROPY_VERSION) >= (MICROPY_MAKE_VERSION(1, 26, 0));

    ssl_socket_obj_t *self = new_socket(context, sock, server_hostname);

    mpssl_signals_t signals, session_signals;
    ssl_session_obj_t *session = claim_with_callbacks(self, context, session_in, &session_signals, &signals);
    bool freed = context->tls == NULL || is_freed(session);
    if (freed || (server_side && !mpssl_context_is_server(context->tls))) {
        release_session(session, &session_signals);
        mpssl_release(&context->guard, &signals);
        if (freed) {
            mp_raise_OSError(MP_EBADF);
        }
        mp_raise_ValueError(MP_ERROR_TEXT("server_side needs a server protocol"));
    }
    mpssl_socket_t *tls = NULL;
    mpssl_status_t status;
    // Where it is now: another thread may have moved it. Anything that is no buffer is refused below, as
    // upstream does, with an OSError.
    mpssl_bytes_t id = { NULL, 0 };
    mp_buffer_info_t buf;
    if (mp_get_buffer(client_id, &buf, MP_BUFFER_READ)) {
        id = (mpssl_bytes_t){ buf.buf, buf.len };
    }
    mpssl_options_t options = {
        .hostname = hostname,
        .assert_hostname = asserted,
        .client_id = id,
        .host_signs = mpssl_callback(self, MPSSL_SIGN_CALLBACK) != mp_const_none,
        .hello_verify = hello_verify,
        .asks = mpssl_callback(self, MPSSL_VERIFY_CALLBACK) != mp_const_none || mpssl_callback(self, MPSSL_SNI_CALLBACK) != mp_const_none,
#if MPSSL_SESSIONS
        .port = server_side ? 0 : peer_port(sock),
        .session = session == NULL ? NULL : session->tls,
#endif
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
    release_session(session, &session_signals);
    mpssl_release(&context->guard, &signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }

#if MPSSL_DESCRIPTORS
    own_descriptor(self);
#endif
    if (do_handshake) {
        mpssl_call_t call;
        enter(self, &call, MPSSL_READING | MPSSL_WRITING);
        status = handshake_to_end(&call);
        if (status.kind != MPSSL_OK) {
            // No object will reach Python: free now, leave the transport to its owner.
            self->sock = MP_OBJ_NULL;
            self->closing = true;
        }
        leave(&call, status);
    }
    return MP_OBJ_FROM_PTR(self);
}

static void close_transport(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    mp_obj_t sock = *(mp_obj_t *)arg;
    if (sock != MP_OBJ_NULL) {
        mp_stream_close(sock);
    }
}

void mpssl_socket_handshake_or_close(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_call_t call;
    enter(self, &call, MPSSL_READING | MPSSL_WRITING);
    mpssl_status_t status = handshake_to_end(&call);
    if (status.kind != MPSSL_OK) {
        // What is raised is why the handshake failed, not what closing came to.
        mp_obj_t cause = call.exc;
        mp_obj_t sock = self->sock;
        self->sock = MP_OBJ_NULL;
        self->closing = true;
        if (mpssl_protect(&call, close_transport, &sock) != 0 && cause == MP_OBJ_NULL) {
            mpssl_keep_ctrl_c(call.exc);
        }
        call.exc = cause;
    }
    leave(&call, status);
}

/******************************************************************************/
// Reading and writing.

// The caller's bytes.
typedef struct _span_t {
    mp_obj_t obj; // whose they are, if Python can move them: looked at again after each call-out
    size_t offset; // in it
    uint8_t *buf;
    size_t len;
    size_t done; // of len
} span_t;

static void find_span(span_t *span, mp_uint_t flags) {
    mp_buffer_info_t buf;
    if (span->obj == MP_OBJ_NULL) {
        return;
    }
    if (!mp_get_buffer(span->obj, &buf, flags) || buf.len < span->offset) {
        span->len = 0;
        return;
    }
    span->buf = (uint8_t *)buf.buf + span->offset;
    span->len = MIN(span->len, buf.len - span->offset);
}

// Whether a call may run Python, which may move the caller's bytes.
static bool runs_python(ssl_socket_obj_t *self) {
    return mpssl_descriptor(self->sock) < 0 || mpssl_socket_is_handshaking(self->tls);
}

// What an interrupted readline() had read already, and what a read met behind its data.
// Raises the latter.
static void take_kept(mpssl_call_t *call, span_t *span) {
    ssl_socket_obj_t *self = call->socket;
    if (self->kept == MP_OBJ_NULL) {
        return;
    }
    if (!mp_obj_is_type(self->kept, &mp_type_bytes)) {
        mp_obj_t exc = self->kept;
        self->kept = MP_OBJ_NULL;
        mpssl_leave(call);
        nlr_raise(mp_make_raise_obj(exc));
    }
    mp_obj_str_t *kept = MP_OBJ_TO_PTR(self->kept);
    byte *data = (byte *)kept->data;
    size_t n = MIN(span->len - span->done, kept->len);
    memcpy(span->buf + span->done, data, n);
    span->done += n;
    kept->len -= n;
    memmove(data, data + n, kept->len);
    if (kept->len == 0) {
        self->kept = MP_OBJ_NULL;
    }
}

// The reverse of take_kept, where that has left something: puts what it took in front of the rest.
static void give_back(ssl_socket_obj_t *self, const byte *taken, size_t len) {
    mp_obj_str_t *kept = MP_OBJ_TO_PTR(self->kept);
    byte *data = (byte *)kept->data;
    memmove(data + len, data, kept->len);
    memcpy(data, taken, len);
    kept->len += len;
}

// Reads into the span; all: until it is full, or the stream ends.
static mpssl_status_t read_span(mpssl_call_t *call, span_t *span, bool all) {
    ssl_socket_obj_t *self = call->socket;
    mpssl_patience_t p = mpssl_patience(call);
    mpssl_status_t status = { MPSSL_OK, 0 };
    bool more = true;
    while (more) {
        size_t before = span->done;
        bool moves = span->obj != MP_OBJ_NULL && runs_python(self);
        if (moves) {
            CALL_WITH_MEMORY(status, mpssl_socket_fill(self->tls, call));
        }
        if (status.kind == MPSSL_OK || !moves) {
            find_span(span, MP_BUFFER_WRITE);
            if (span->len <= span->done) {
                // Python has made it shorter.
                return before == 0 ? (mpssl_status_t){ MPSSL_ERRNO, MP_EINVAL } : (mpssl_status_t){ MPSSL_OK, 0 };
            }
            call->quiet = moves;
            CALL_WITH_MEMORY(status, mpssl_socket_read(self->tls, call, span->buf, span->len, all && !moves, &span->done));
            call->quiet = false;
        }
        more = moves && all && status.kind == MPSSL_OK && span->done != before && span->done != span->len;
        more = more || mpssl_wait_more(call, &p, &status);
    }
    return status;
}

// read_span for a socket's data, whatever was kept of it.
static mpssl_status_t read_data(mpssl_call_t *call, span_t *span, bool all) {
    find_span(span, MP_BUFFER_WRITE); // it may have moved while this call waited for its turn
    if (span->len == 0) {
        return (mpssl_status_t){ MPSSL_ERRNO, MP_EINVAL };
    }
    take_kept(call, span);
    if (span->done == span->len || (span->done != 0 && !all)) {
        return (mpssl_status_t){ MPSSL_OK, 0 };
    }
    return read_span(call, span, all);
}

static mpssl_status_t write_once(mpssl_call_t *call, span_t *span, bool all) {
    mpssl_socket_t *tls = call->socket->tls;
    mpssl_status_t status = mpssl_socket_write(tls, call, span->buf, span->len, all, &span->done);
    if (!all && status.kind != MPSSL_OK) {
        find_span(span, MP_BUFFER_READ);
        size_t done = MIN(span->done, span->len);
        mpssl_socket_half_sent(tls, span->buf + done, span->len - done);
    }
    return status;
}

// Writes the span; all: to its end.
static mpssl_status_t write_span(mpssl_call_t *call, span_t *span, bool all) {
    ssl_socket_obj_t *self = call->socket;
    mpssl_patience_t p = mpssl_patience(call);
    mpssl_status_t status = { MPSSL_OK, 0 };
    bool outside = false;
    bool more = true;
    while (more) {
        bool moves = span->obj != MP_OBJ_NULL && runs_python(self);
        if (moves) {
            CALL_WITH_MEMORY(status, mpssl_socket_prepare_write(self->tls, call));
        }
        if (status.kind == MPSSL_OK || !moves) {
            find_span(span, MP_BUFFER_READ);
            if (span->len <= span->done && !outside) {
                span->done = span->len;
                return (mpssl_status_t){ MPSSL_OK, 0 };
            }
            CALL_WITH_MEMORY(status, write_once(call, span, all && !moves));
        }
        outside = status.kind == MPSSL_OUTSIDE; // also of a buffer that Python makes shorter meanwhile
        more = moves && all && status.kind == MPSSL_OK && span->done < span->len;
        more = more || mpssl_wait_more(call, &p, &status);
    }
    return status;
}

/******************************************************************************/
// The stream protocol.

static mp_uint_t socket_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    mpssl_call_t call;
    *errcode = mpssl_enter(MP_OBJ_TO_PTR(self_in), &call, MPSSL_READING);
    if (*errcode != 0) {
        return MP_STREAM_ERROR;
    }
    span_t span = { .obj = MP_OBJ_NULL, .buf = buf, .len = size };
    mpssl_status_t status = read_data(&call, &span, false);
    return leave_read(&call, status, span.done, errcode);
}

static mp_uint_t socket_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    mpssl_call_t call;
    *errcode = mpssl_enter(MP_OBJ_TO_PTR(self_in), &call, MPSSL_WRITING);
    if (*errcode != 0) {
        return MP_STREAM_ERROR;
    }
    span_t span = { .obj = MP_OBJ_NULL, .buf = (void *)buf, .len = size };
    mpssl_status_t status = write_span(&call, &span, false);
    return leave_write(&call, status, span.done, errcode);
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
    if (i->sock == MP_OBJ_NULL) {
        return; // closed by another thread
    }
    const mp_stream_p_t *stream = mp_get_stream_raise(i->sock, MP_STREAM_OP_IOCTL);
    i->result = stream->ioctl(i->sock, i->request, i->arg, &i->err);
}

static mp_uint_t socket_poll(ssl_socket_obj_t *self, uintptr_t flags, int *errcode) {
    mp_obj_t sock = self->sock;
    // Asked for each connection of a program that waits: it is an object, of which the type need not be found out.
    if (self->idle && sock != MP_OBJ_NULL && !mp_obj_is_instance_type(((mp_obj_base_t *)MP_OBJ_TO_PTR(sock))->type)) {
        mp_uint_t reply = mp_get_stream(sock)->ioctl(sock, MP_STREAM_POLL, flags, errcode);
        if (reply == MP_STREAM_ERROR) {
            *errcode = mpssl_stream_errno(*errcode);
        }
        return reply;
    }
    mpssl_call_t call;
    int err = mpssl_enter(self, &call, 0);
    if (err == MP_EBADF) {
        return MP_STREAM_POLL_NVAL;
    }
    if (err != 0) {
        *errcode = err;
        return MP_STREAM_ERROR;
    }
    uint32_t ask = 0;
    uint32_t ready = mpssl_socket_poll(self->tls, flags, &ask);
    if (mpssl_has_kept(self)) {
        ready |= flags & MP_STREAM_POLL_RD;
    }
    mpssl_status_t status = { MPSSL_OK, 0 };
    if (ask != 0) {
        ioctl_t poll = { .sock = self->sock, .request = MP_STREAM_POLL, .arg = ask };
        if (mpssl_protect(&call, transport_ioctl, &poll) != 0) {
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
    return leave_stream(&call, status, ready, errcode);
}

/******************************************************************************/
// Closing.

// Sends close_notify unless the transport would make us wait: it is a courtesy
// to the peer, not worth blocking for.
static void send_close_notify(mpssl_call_t *call) {
    ssl_socket_obj_t *self = call->socket;
#if MICROPY_PY_THREAD
    call->at_once = true;
#endif
    if (!mpssl_socket_would_send(self->tls)) {
        return;
    }
    ioctl_t poll = { .sock = self->sock, .request = MP_STREAM_POLL, .arg = MP_STREAM_POLL_WR };
    if (mpssl_protect(call, transport_ioctl, &poll) != 0) {
        return;
    }
    // A stream that cannot be polled is written to.
    if (poll.result == MP_STREAM_ERROR || poll.result == MP_STREAM_POLL_WR) {
        // To wake a connection that hibernates takes memory.
        mpssl_status_t status;
        CALL_WITH_MEMORY(status, mpssl_socket_close_notify(self->tls, call));
        (void)status;
    }
}

// Takes the transport out of the socket, and wakes who waits for it.
static mp_obj_t take_transport(ssl_socket_obj_t *self) {
    uintptr_t state = mpglue_atomic_begin();
    mp_obj_t sock = self->sock;
    self->sock = MP_OBJ_NULL;
    mpglue_atomic_end(state);
#if MPSSL_DESCRIPTORS
    int fd = mpssl_descriptor(sock);
    if (fd >= 0 && mpssl_others_use_descriptor(self)) {
        shutdown(fd, SHUT_RDWR);
    }
#endif
    return sock;
}

// A descriptor's number may be another's as soon as it is closed.
static void wait_for_others(ssl_socket_obj_t *self, void *sock) {
#if MPSSL_DESCRIPTORS
    if (mpssl_descriptor(*(mp_obj_t *)sock) >= 0) {
        mpssl_wait_for_others(self);
    }
#else
    (void)self;
    (void)sock;
#endif
}

static mp_uint_t socket_close(ssl_socket_obj_t *self, int *errcode) {
    if (self->sock == MP_OBJ_NULL) {
        return 0;
    }
    self->closing = true;
    ioctl_t close = { .request = MP_STREAM_CLOSE };
    mpssl_call_t call;
    if (mpssl_enter_to_close(self, &call) != 0) {
        // Called from within a call on this very socket, or another thread's call is in
        // Python; that one frees the connection when it ends. Or another thread closed it.
        close.sock = take_transport(self);
        if (close.sock == MP_OBJ_NULL) {
            return 0;
        }
        wait_for_others(self, &close.sock);
        return mp_get_stream(close.sock)->ioctl(close.sock, MP_STREAM_CLOSE, 0, errcode);
    }
    send_close_notify(&call);
    // The peer may be gone: that is no news to who closes. Other exceptions are kept.
    if (call.exc != MP_OBJ_NULL && mpssl_is_exception(call.exc, &mp_type_OSError)) {
        call.exc = MP_OBJ_NULL;
    }
    self->kept = MP_OBJ_NULL;
    close.sock = take_transport(self); // a close() within this one finds nothing to do
    if (close.sock != MP_OBJ_NULL) {
        mpssl_protect(&call, wait_for_others, &close.sock);
        mpssl_protect(&call, transport_ioctl, &close);
    }
    mpssl_leave(&call);
    if (call.exc != MP_OBJ_NULL) {
        nlr_raise(call.exc);
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

// What a read or write returns that ended with *errcode.
static mp_obj_t raise_or_none(int err) {
    if (mp_is_nonblocking_error(err)) {
        return mp_const_none;
    }
    mp_raise_OSError(err);
}

// A bytes object to read into, made before anything is read: see end_bytes.
static mp_obj_str_t *new_bytes(size_t size) {
    mp_obj_str_t *bytes = mp_obj_malloc(mp_obj_str_t, &mp_type_bytes);
    bytes->hash = 0;
    bytes->len = 0;
    bytes->data = m_new(byte, size + 1);
    return bytes;
}

// Allocates nothing, so what was read is not lost.
static mp_obj_t end_bytes(mp_obj_str_t *bytes, byte *data, size_t size, size_t len) {
    byte *shorter = m_renew_maybe(byte, data, size + 1, len + 1, false);
    bytes->data = shorter == NULL ? data : shorter;
    data[len] = 0;
    bytes->len = len;
    bytes->hash = qstr_compute_hash(data, len);
    return MP_OBJ_FROM_PTR(bytes);
}

// Makes room behind `size` bytes; false without memory.
static bool grow(byte **data, size_t *size) {
    size_t larger = *size + MAX(*size / 2, 32);
    byte *grown = m_renew_maybe(byte, *data, *size + 1, larger + 1, true);
    if (grown == NULL) {
        return false;
    }
    *data = grown;
    *size = larger;
    return true;
}

static mp_obj_t read_to_end(ssl_socket_obj_t *self) {
    size_t size = 256;
    mp_obj_str_t *bytes = new_bytes(size);
    byte *data = (byte *)bytes->data;
    mpssl_call_t call;
    enter(self, &call, MPSSL_READING);
    span_t span = { .obj = MP_OBJ_NULL, .buf = data, .len = size };
    mpssl_status_t status;
    while ((status = read_data(&call, &span, true)).kind == MPSSL_OK && span.done == span.len) {
        if (!grow(&data, &size)) {
            status.kind = MPSSL_NO_MEMORY;
            break;
        }
        span.buf = data;
        span.len = size;
    }
    int err;
    mp_uint_t done = leave_read(&call, status, span.done, &err);
    return done == MP_STREAM_ERROR ? raise_or_none(err) : end_bytes(bytes, data, size, done);
}

// Of datagrams one is read, or the rest of one, never over the border between two.
static mp_obj_t read_bytes(size_t n_args, const mp_obj_t *args, bool all) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_int_t n = n_args < 2 ? -1 : mp_obj_get_int(args[1]);
    if (n == -1) {
        return read_to_end(self);
    }
    mp_obj_str_t *bytes = new_bytes(n);
    byte *data = (byte *)bytes->data;
    if (n == 0) {
        return end_bytes(bytes, data, 0, 0);
    }
    mpssl_call_t call;
    enter(self, &call, MPSSL_READING);
    span_t span = { .obj = MP_OBJ_NULL, .buf = data, .len = n };
    mpssl_status_t status = read_data(&call, &span, all && !self->datagram);
    int err;
    mp_uint_t done = leave_read(&call, status, span.done, &err);
    if (done == MP_STREAM_ERROR) {
        m_del(byte, data, n + 1);
        return raise_or_none(err);
    }
    return end_bytes(bytes, data, n, done);
}

// read(n): until n bytes are there.
static mp_obj_t socket_read_method(size_t n_args, const mp_obj_t *args) {
    return read_bytes(n_args, args, true);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_read_obj, 1, 2, socket_read_method);

// recv(n): what one record has.
static mp_obj_t socket_recv(size_t n_args, const mp_obj_t *args) {
    return read_bytes(n_args, args, false);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_recv_obj, 1, 2, socket_recv);

// readinto(buf, n=len(buf))
static mp_obj_t socket_readinto(size_t n_args, const mp_obj_t *args) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[1], &buf, MP_BUFFER_WRITE);
    size_t len = n_args > 2 ? MIN((size_t)mp_obj_get_int(args[2]), buf.len) : buf.len;
    if (len == 0) {
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    mpssl_call_t call;
    enter(self, &call, MPSSL_READING);
    span_t span = { .obj = args[1], .buf = buf.buf, .len = len };
    mpssl_status_t status = read_data(&call, &span, !self->datagram);
    int err;
    mp_uint_t done = leave_read(&call, status, span.done, &err);
    return done == MP_STREAM_ERROR ? raise_or_none(err) : mp_obj_new_int_from_uint(done);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_readinto_obj, 2, 3, socket_readinto);

// readline(n=-1): a whole line, or what there is where the transport does not wait. What is
// interrupted otherwise is kept for the next call.
static mp_obj_t socket_readline(size_t n_args, const mp_obj_t *args) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_int_t max = n_args < 2 ? -1 : mp_obj_get_int(args[1]);
    size_t size = 64;
    mp_obj_str_t *bytes = new_bytes(size);
    byte *data = (byte *)bytes->data;
    size_t len = 0;
    if (max == 0) {
        return end_bytes(bytes, data, size, 0);
    }
    mpssl_call_t call;
    enter(self, &call, MPSSL_READING);
    mpssl_status_t status = { MPSSL_OK, 0 };
    while (max == -1 || len < (size_t)max) {
        if (len == size && !grow(&data, &size)) {
            status.kind = MPSSL_NO_MEMORY;
            break;
        }
        span_t span = { .obj = MP_OBJ_NULL, .buf = data + len, .len = 1 };
        status = read_data(&call, &span, false);
        len += span.done;
        if (status.kind != MPSSL_OK || span.done == 0 || data[len - 1] == '\n') {
            break;
        }
    }
    if (len > 0 && status.kind != MPSSL_OK) {
        if (mpssl_is_want(status)) {
            status.kind = MPSSL_OK;
        } else if (self->kept != MP_OBJ_NULL) {
            give_back(self, data, len); // all of it is of what was kept
            len = 0;
        } else {
            self->kept = end_bytes(bytes, data, size, len);
            len = 0;
        }
    }
    int err;
    mp_uint_t done = leave_read(&call, status, len, &err);
    return done == MP_STREAM_ERROR ? raise_or_none(err) : end_bytes(bytes, data, size, len);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_readline_obj, 1, 2, socket_readline);

enum {
    WRITE,
    SEND,
    SENDALL
};

// write(buf), write(buf, n), write(buf, offset, n), and likewise send and sendall. What is
// interrupted is kept, for the same call to go on: but for send, and for write where the
// transport does not wait, which return how far they got.
static mp_obj_t write_bytes(size_t n_args, const mp_obj_t *args, int how) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[1], &buf, MP_BUFFER_READ);
    size_t offset = n_args < 4 ? 0 : MIN((size_t)mp_obj_get_int_truncated(args[2]), buf.len);
    size_t max = n_args < 3 ? buf.len : (size_t)mp_obj_get_int_truncated(args[n_args - 1]);
    size_t len = MIN(buf.len - offset, max);
    if (len == 0) {
        return MP_OBJ_NEW_SMALL_INT(0);
    }
    mpssl_call_t call;
    enter(self, &call, MPSSL_WRITING);
    span_t span = { .obj = args[1], .offset = offset, .buf = (uint8_t *)buf.buf + offset, .len = len };
    mpssl_status_t status = { MPSSL_ERRNO, MP_EINVAL };
    find_span(&span, MP_BUFFER_READ); // it may have moved while this call waited for its turn
    if (span.len == len) {
        status = mpssl_socket_resume_write(self->tls, span.buf, len, &span.done);
    }
    if (status.kind == MPSSL_OK) {
        if (how != SEND || span.done == 0) {
            status = write_span(&call, &span, how != SEND && !self->datagram);
        }
        // Where the transport does not wait, the next write goes on with what is left.
        bool over = status.kind == MPSSL_OK || (mpssl_is_want(status) && how != SENDALL) || how == SEND;
        if (over && span.done > 0) {
            status.kind = MPSSL_OK;
        }
        find_span(&span, MP_BUFFER_READ);
        mpssl_socket_suspend_write(self->tls, span.buf, over ? 0 : span.len, span.done);
    }
    int err;
    mp_uint_t done = leave_write(&call, status, span.done, &err);
    if (done != MP_STREAM_ERROR) {
        return mp_obj_new_int_from_uint(done);
    }
    if (how == SENDALL) {
        mp_raise_OSError(err);
    }
    return raise_or_none(err);
}

static mp_obj_t socket_write_method(size_t n_args, const mp_obj_t *args) {
    return write_bytes(n_args, args, WRITE);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_write_obj, 2, 4, socket_write_method);

static mp_obj_t socket_send(size_t n_args, const mp_obj_t *args) {
    return write_bytes(n_args, args, SEND);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_send_obj, 2, 4, socket_send);

static mp_obj_t socket_sendall(size_t n_args, const mp_obj_t *args) {
    return write_bytes(n_args, args, SENDALL);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_sendall_obj, 2, 4, socket_sendall);

// Calls a method of the transport.
static mp_obj_t call_transport(mp_obj_t self_in, qstr method, mp_obj_t arg) {
    mp_obj_t sock = ((ssl_socket_obj_t *)MP_OBJ_TO_PTR(self_in))->sock;
    if (sock == MP_OBJ_NULL) {
        mp_raise_OSError(MP_EBADF);
    }
    mp_obj_t dest[3];
    mp_load_method(sock, method, dest);
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
    mpssl_call_t call;
    enter(self, &call, MPSSL_READING | MPSSL_WRITING);
    mpssl_patience_t p = mpssl_patience(&call);
    leave(&call, handshake(&call, &p));
    mp_handle_pending(true); // there is nothing to return
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_do_handshake_obj, socket_do_handshake);

static mpssl_status_t say_goodbye(mpssl_call_t *call) {
    mpssl_patience_t p = mpssl_patience(call);
    mpssl_status_t status;
    do {
        CALL_WITH_MEMORY(status, mpssl_socket_close_notify(call->socket->tls, call));
    } while (mpssl_wait_more(call, &p, &status));
    return status;
}

// shutdown(SHUT_WR or SHUT_RDWR): nothing more is written, and the peer is told.
static mp_obj_t socket_shutdown(mp_obj_t self_in, mp_obj_t how_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_int_t how = mp_obj_get_int(how_in);
    mpssl_call_t call;
    enter(self, &call, MPSSL_WRITING);
    mpssl_status_t status = { MPSSL_ERRNO, MP_EINVAL };
    if ((how == 1 || how == 2) && mpssl_socket_is_handshaking(self->tls)) {
        status.code = MPSSL_ENOTCONN;
    } else if (how == 1 || how == 2) {
        status = say_goodbye(&call);
    }
    leave(&call, status);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(socket_shutdown_obj, socket_shutdown);

// unwrap(): ends TLS in both directions and returns the transport, open.
static mp_obj_t socket_unwrap(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_call_t call;
    // First: another thread that waits to read may wait for the peer's answer to it.
    enter(self, &call, MPSSL_WRITING);
    leave(&call, say_goodbye(&call));
    enter(self, &call, MPSSL_READING | MPSSL_WRITING);
    mpssl_patience_t p = mpssl_patience(&call);
    mpssl_status_t status;
    do {
        CALL_WITH_MEMORY(status, mpssl_socket_unwrap(self->tls, &call));
    } while (mpssl_wait_more(&call, &p, &status));
    if (status.kind != MPSSL_OK || self->closing) {
        leave(&call, status);
    }
    mp_obj_t sock = self->sock;
    self->sock = MP_OBJ_NULL;
    self->closing = true;
    mpssl_leave(&call);
    return sock;
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_unwrap_obj, socket_unwrap);

// hibernate() -> whether the connection sleeps now.
static mp_obj_t socket_hibernate(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    bool asleep = false;
    mpssl_call_t call;
    enter(self, &call, 0); // while another thread waits to read, too
    mpssl_status_t status;
    CALL_WITH_MEMORY(status, mpssl_socket_hibernate(self->tls, &asleep));
    leave(&call, status);
    return mp_obj_new_bool(asleep);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_hibernate_obj, socket_hibernate);

#if MPSSL_HIBERNATION
/******************************************************************************/
// Connections that outlive a reset.

// A number above all that advance() has been given.
static uint32_t next_of(mp_obj_t counter) {
    if (counter == mp_const_none) {
        return 0;
    }
    mp_obj_t dest[2];
    mp_load_method(counter, MP_QSTR_next, dest);
    mp_int_t n = mpssl_get_int(mp_call_method_n_kw(0, 0, dest));
    if (n < 1 || n > INT32_MAX) {
        mp_raise_ValueError(MP_ERROR_TEXT("counter must be 1 or more"));
    }
    return n;
}

static uint8_t which_callbacks(const ssl_socket_obj_t *self) {
    uint8_t which = 0;
    which |= mpssl_callback(self, MPSSL_VERIFY_CALLBACK) == mp_const_none ? 0 : MPSSL_HAS_VERIFY_CALLBACK;
    which |= mpssl_callback(self, MPSSL_SNI_CALLBACK) == mp_const_none ? 0 : MPSSL_HAS_SNI_CALLBACK;
    which |= mpssl_callback(self, MPSSL_SIGN_CALLBACK) == mp_const_none ? 0 : MPSSL_HAS_SIGN_CALLBACK;
    return which;
}

typedef struct _state_t {
    ssl_context_obj_t *context;
    mpssl_export_t options;
    mp_obj_t key;
    size_t len; // of the state
    vstr_t vstr; // for it
    mp_obj_t bytes;
} state_t;

static mpssl_status_t write_state(ssl_socket_obj_t *self, state_t *state, uint8_t *buf, size_t size) {
    mpssl_status_t status = { MPSSL_ERRNO, MP_EBUSY };
    mpssl_signals_t signals;
    // Within the call: who reads a file with the context claimed may use the socket there.
    if (mpssl_claim_where(&state->context->guard, &signals, MPSSL_GIVES_UP)) {
        status.code = MP_EBADF;
        state->options.key = mpssl_borrow_bytes(state->key);
        if (state->context->tls != NULL) {
            CALL_WITH_MEMORY(status, mpssl_socket_export(self->tls, state->context->tls, &state->options, buf, size, &state->len));
        }
        mpssl_release(&state->context->guard, &signals);
    }
    return status;
}

static void make_room(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    state_t *state = arg;
    vstr_init_len(&state->vstr, state->len);
}

static void make_bytes(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    state_t *state = arg;
    state->bytes = mp_obj_new_bytes_from_vstr(&state->vstr);
}

// To the end that there are bytes, and the connection is nowhere else.
static mpssl_status_t export_state(mpssl_call_t *call, state_t *state) {
    ssl_socket_obj_t *self = call->socket;
    mpssl_status_t status = { MPSSL_ERRNO, MP_EBUSY };
    // Another thread waits to read, say, or a read has something that Rust does not know of.
    if (self->calls != call || call->next != NULL || mpssl_has_kept(self)) {
        return status;
    }
    bool asleep;
    CALL_WITH_MEMORY(status, mpssl_socket_hibernate(self->tls, &asleep)); // whose memory is the socket's
    if (status.kind == MPSSL_OK) {
        status = write_state(self, state, NULL, 0);
    }
    if (status.kind != MPSSL_OK) {
        return status;
    }
    if (mpssl_protect(call, make_room, state) != 0) {
        return (mpssl_status_t){ MPSSL_RAISED, 0 };
    }
    uint8_t *buf = (uint8_t *)state->vstr.buf;
    status = write_state(self, state, buf, state->len);
    if (status.kind == MPSSL_OK && mpssl_protect(call, make_bytes, state) != 0) {
        status = (mpssl_status_t){ MPSSL_RAISED, 0 };
        memset(buf, 0, state->len); // the keys
    }
    return status;
}

// Has the listener forget a client of its.
static void forget_peer(mp_obj_t sock) {
    if (mpssl_is_peer(sock)) {
        int err;
        mp_get_stream(sock)->ioctl(sock, MP_STREAM_CLOSE, 0, &err);
    }
}

// export(*, key, counter=None) -> the open connection as bytes, for SSLContext.restore. It is closed without
// a word to the peer; the transport stays open.
static mp_obj_t socket_export(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_key,
        ARG_counter,
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_key, MP_ARG_KW_ONLY | MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_counter, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    state_t state = { .bytes = MP_OBJ_NULL };
    state.options.n = next_of(args[ARG_counter].u_obj); // runs Python
    mp_obj_t context = mpssl_callback(self, MPSSL_CONTEXT);
    if (context == mp_const_none) {
        mp_raise_ValueError(MP_ERROR_TEXT("export needs an SSLContext"));
    }
    state.context = mpssl_context_cast(context);
    state.key = args[ARG_key].u_obj;
    mpssl_check_bytes(state.key);
    state.options.hostname = name_of(self->server_hostname);
    state.options.callbacks = which_callbacks(self);

    mpssl_call_t call;
    enter(self, &call, 0);
#if defined(MBEDTLS_SSL_DTLS_HELLO_VERIFY)
    uint8_t address[MPSSL_ADDRESS_MAX];
    if (mpssl_is_peer(self->sock)) {
        state.options.address = (mpssl_bytes_t){ address, mpssl_peer_address(self->sock, address, &state.options.at_home) };
    }
#endif
    mpssl_status_t status = export_state(&call, &state);
    if (status.kind != MPSSL_OK || self->closing) {
        leave(&call, status);
    }
    mp_obj_t sock = self->sock;
    self->sock = MP_OBJ_NULL;
    self->closing = true;
    mpssl_leave(&call);
    forget_peer(sock);
    return state.bytes;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(socket_export_obj, 1, socket_export);

ssl_socket_obj_t *mpssl_socket_load(ssl_context_obj_t *context, mp_obj_t sock, const mp_arg_val_t *args,
    uint32_t *n, mp_obj_t *address, bool *at_home) {
    mpssl_context_settle(context); // may run Python
    sock = mpssl_get_stream(sock, MP_STREAM_OP_READ | MP_STREAM_OP_WRITE | MP_STREAM_OP_IOCTL);
    ssl_socket_obj_t *self = new_socket(context, sock, mp_const_none);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[MPSSL_RESTORE_STATE].u_obj, &buf, MP_BUFFER_READ);
    mpssl_check_bytes(args[MPSSL_RESTORE_KEY].u_obj);
    mpssl_export_t options = {
        .n = args[MPSSL_RESTORE_COUNTER].u_obj != mp_const_none,
    };
    mpssl_signals_t signals, none;
    claim_with_callbacks(self, context, mp_const_none, &none, &signals);
    options.callbacks = which_callbacks(self);
    mpssl_status_t status = { MPSSL_ERRNO, MP_EBADF };
    mpssl_restored_t restored = { .socket = NULL };
    if (context->tls != NULL) {
        // Another thread may have resized either while this one waited; neither raises now.
        mp_get_buffer(args[MPSSL_RESTORE_STATE].u_obj, &buf, MP_BUFFER_READ);
        options.key = mpssl_borrow_bytes(args[MPSSL_RESTORE_KEY].u_obj);
        mpssl_bytes_t state = { buf.buf, buf.len };
#if MPSSL_MEMORY
        mpssl_context_freeze(context->tls); // as when a socket is made
        mpssl_usage_t *usage = mpssl_usage_switch(self->guard.usage);
#endif
        CALL_WITH_MEMORY(status, mpssl_socket_restore(context->tls, state, &options, &restored));
#if MPSSL_MEMORY
        mpssl_usage_switch(usage);
#endif
        self->tls = restored.socket;
        self->server_side = mpssl_context_is_server(context->tls);
    }
    mpssl_release(&context->guard, &signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
    self->datagram = mpssl_socket_is_datagram(self->tls);
    *n = restored.n;
    // Before Python can change the state.
    const mpssl_bytes_t *name = &restored.hostname;
    if (name->data != NULL) {
        self->server_hostname = mp_obj_new_str_copy(&mp_type_str, name->data, name->len);
    }
    *at_home = restored.at_home;
    *address = restored.address.data == NULL ? mp_const_none : mp_obj_new_bytes(restored.address.data, restored.address.len);
    return self;
}

typedef struct _advance_t {
    mp_obj_t counter;
    uint32_t n;
} advance_t;

static void advance(void *arg) {
    advance_t *a = arg;
    mp_obj_t dest[3];
    mp_load_method(a->counter, MP_QSTR_advance, dest);
    dest[2] = mp_obj_new_int_from_uint(a->n);
    if (mp_call_method_n_kw(1, 0, dest) == mp_const_false) {
        mp_raise_ValueError(MP_ERROR_TEXT("state was restored before"));
    }
}

void mpssl_socket_drop(ssl_socket_obj_t *self) {
    forget_peer(self->sock);
    socket_del(MP_OBJ_FROM_PTR(self)); // with nothing sent; the transport is its owner's
}

mp_obj_t mpssl_socket_consume(ssl_socket_obj_t *self, mp_obj_t counter, uint32_t n) {
    if (n != 0) {
        mp_obj_t exc = mpssl_catch(advance, &(advance_t){ counter, n });
        if (exc != MP_OBJ_NULL) {
            mpssl_socket_drop(self);
            nlr_raise(exc);
        }
    }
#if MPSSL_DESCRIPTORS
    own_descriptor(self);
#endif
    return MP_OBJ_FROM_PTR(self);
}
#endif

// makefile(*args) -> the socket itself, which is a stream; as MicroPython's sockets do.
static mp_obj_t socket_makefile(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    return args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(socket_makefile_obj, 1, 3, socket_makefile);

// cipher() -> (name, protocol version), None before the handshake is over.
static mp_obj_t socket_cipher(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_call_t call;
    enter(self, &call, 0);
    const char *name = mpssl_socket_cipher(self->tls);
    const char *version = mpssl_socket_version(self->tls);
    mpssl_leave(&call);
    if (name == NULL || version == NULL) {
        return mp_const_none;
    }
    mp_obj_t tuple[2] = { mp_obj_new_str_from_cstr(name), mp_obj_new_str_from_cstr(version) };
    return mp_obj_new_tuple(2, tuple);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_cipher_obj, socket_cipher);

// shared_ciphers() -> list of CPython's tuples (name, the version that defines it, bits of its key): what a
// server and its client both have; None before the handshake is over, at a client, and after hibernation.
static mp_obj_t socket_shared_ciphers(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t list = mp_const_none;
    for (size_t i = 0;; ++i) {
        mpssl_call_t call;
        enter(self, &call, 0);
        mpssl_cipher_t cipher = mpssl_socket_shared_cipher(self->tls, i);
        mpssl_leave(&call);
        if (cipher.name == NULL) {
            return list;
        }
        const char *version = cipher.tls13 ? "TLSv1.3" : "TLSv1.2";
        mp_obj_t items[3] = { mp_obj_new_str_from_cstr(cipher.name), mp_obj_new_str_from_cstr(version), MP_OBJ_NEW_SMALL_INT(cipher.bits) };
        if (i == 0) {
            list = mp_obj_new_list(0, NULL);
        }
        mp_obj_list_append(list, mp_obj_new_tuple(3, items));
    }
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_shared_ciphers_obj, socket_shared_ciphers);

// version() -> 'TLSv1.2', None before the handshake is over.
static mp_obj_t socket_version(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_call_t call;
    enter(self, &call, 0);
    const char *version = mpssl_socket_version(self->tls);
    mpssl_leave(&call);
    return version == NULL ? mp_const_none : mp_obj_new_str_from_cstr(version);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_version_obj, socket_version);

// selected_alpn_protocol() -> str, None before the handshake is over or without one in common.
static mp_obj_t socket_selected_alpn_protocol(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_call_t call;
    enter(self, &call, 0);
#if defined(MBEDTLS_SSL_ALPN)
    const char *protocol = mpssl_socket_selected_alpn_protocol(self->tls);
#else
    const char *protocol = NULL;
#endif
    mpssl_leave(&call);
    return protocol == NULL ? mp_const_none : mp_obj_new_str_from_cstr(protocol);
}
static MP_DEFINE_CONST_FUN_OBJ_1(socket_selected_alpn_protocol_obj, socket_selected_alpn_protocol);

// pending() -> bytes decrypted and not yet read.
static mp_obj_t socket_pending(mp_obj_t self_in) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_call_t call;
    enter(self, &call, 0);
    size_t pending = mpssl_socket_pending(self->tls);
    if (self->kept != MP_OBJ_NULL && mp_obj_is_type(self->kept, &mp_type_bytes)) {
        pending += ((mp_obj_str_t *)MP_OBJ_TO_PTR(self->kept))->len;
    }
    mpssl_leave(&call);
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
    mpssl_call_t call;
    enter(self, &call, 0);
    mp_obj_t cert = mp_const_none;
    mpssl_status_t status = { MPSSL_OK, 0 };
#if MPSSL_PEER_CERT_DICT
    bool verified = mpssl_socket_peer_verified(self->tls);
#endif
    if (mpssl_protect(&call, copy_peer_cert, &cert) != 0) {
        status.kind = MPSSL_RAISED;
    }
    leave(&call, status);
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
    mpssl_call_t call;
    enter(self, &call, 0);
    mpssl_bytes_t bytes = get(self->tls);
    size_t len = MIN(bytes.len, sizeof(copy));
    if (bytes.data != NULL) {
        memcpy(copy, bytes.data, len);
    }
    mpssl_leave(&call);
    return bytes.data == NULL ? mp_const_none : mp_obj_new_bytes(copy, len);
}
#endif

static mp_obj_t ask(mp_obj_t self_in, bool (*of)(const mpssl_socket_t *socket)) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_call_t call;
    enter(self, &call, 0);
    bool answer = of(self->tls);
    mpssl_leave(&call);
    return mp_obj_new_bool(answer);
}

// What a client's connection has for the next one; None: nothing, or nothing yet.
static mp_obj_t load_session(ssl_socket_obj_t *self) {
#if MPSSL_SESSIONS
    ssl_session_obj_t *session = mpssl_session_make(mpssl_callback(self, MPSSL_VERIFY_CALLBACK));
    mpssl_call_t call;
    enter(self, &call, 0);
    mpssl_status_t status;
#if MPSSL_MEMORY
    mpssl_usage_t *usage = mpssl_usage_switch(session->guard.usage); // it outlives the socket
#endif
    CALL_WITH_MEMORY(status, mpssl_socket_session(self->tls, &session->tls));
#if MPSSL_MEMORY
    mpssl_usage_switch(usage);
#endif
    leave(&call, status);
    return session->tls == NULL ? mp_const_none : MP_OBJ_FROM_PTR(session);
#else
    (void)self;
    return mp_const_none;
#endif
}

// SSLSocket.session = an SSLSession, before the handshake.
static void store_session(ssl_socket_obj_t *self, mp_obj_t session_in) {
#if MPSSL_SESSIONS
    if (session_in == mp_const_none) {
        mp_raise_TypeError(MP_ERROR_TEXT("session must be an SSLSession"));
    }
    ssl_session_obj_t *session = get_session(session_in, mpssl_callback(self, MPSSL_VERIFY_CALLBACK));
    if (self->server_side) {
        mp_raise_ValueError(MP_ERROR_TEXT("session is a client's"));
    }
    mpssl_call_t call;
    enter(self, &call, 0);
    mpssl_signals_t signals;
    if (!claim_session(session, &signals)) {
        mpssl_leave(&call);
        mp_raise_OSError(MP_EBUSY);
    }
    mpssl_status_t status = { MPSSL_ERRNO, MP_EBADF }; // freed by __del__ meanwhile
    if (session->tls != NULL) {
        CALL_WITH_MEMORY(status, mpssl_socket_set_session(self->tls, session->tls));
    }
    mpssl_release(&session->guard, &signals);
    leave(&call, status);
#else
    (void)self;
    (void)session_in;
    mp_raise_NotImplementedError(MP_ERROR_TEXT("session"));
#endif
}

// Of the transport's methods, when there is none any more.
static mp_obj_t closed_fileno(mp_obj_t self_in) {
    (void)self_in;
    return MP_OBJ_NEW_SMALL_INT(-1);
}
static MP_DEFINE_CONST_FUN_OBJ_1(closed_fileno_obj, closed_fileno);

static mp_obj_t closed_method(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    (void)args;
    mp_raise_OSError(MP_EBADF);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR(closed_method_obj, 1, closed_method);

#if MPSSL_SERVER_NAMES
// SSLSocket.context = the one whose certificates the client is shown, in sni_callback.
static void store_context(ssl_socket_obj_t *self, mp_obj_t context_in) {
    mpssl_call_t *call = mpssl_choosing(self);
    if (call == NULL) {
        mp_raise_msg(&mp_type_AttributeError, MP_ERROR_TEXT("context can be set in sni_callback only"));
    }
    ssl_context_obj_t *context = mpssl_context_cast(context_in);
    context->instance = context_in;
    mpssl_context_settle(context); // may run Python
    mp_obj_t callbacks[MPSSL_CALLBACKS];
    for (size_t i = 0; i < MPSSL_CALLBACKS; i++) {
        callbacks[i] = mpssl_callback(self, i);
    }
    callbacks[MPSSL_CONTEXT] = context_in;
    if (context->verify_callback != mp_const_none) {
        callbacks[MPSSL_VERIFY_CALLBACK] = context->verify_callback;
    }
    mp_obj_t tuple;
    void *chosen = NULL;
    bool same;
    do {
        mp_obj_t keys[MP_ARRAY_SIZE(context->keys)];
        for (size_t i = 0; i < MP_ARRAY_SIZE(keys); i++) {
            keys[i] = context->keys[i];
            callbacks[MPSSL_EC_KEY + i] = keys[i] != mp_const_none ? keys[i] : mpssl_callback(self, MPSSL_EC_KEY + i);
        }
        tuple = mp_obj_new_tuple(MPSSL_CALLBACKS, callbacks);
        same = mpssl_context_for_name(context, keys, &chosen);
    } while (!same); // another thread has given it another
    mpssl_chosen_free(call->chosen);
    call->chosen = chosen;
    self->callbacks = tuple;
}
#endif

static void socket_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    ssl_socket_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] != MP_OBJ_NULL) {
        if (attr == MP_QSTR_session && dest[1] != MP_OBJ_NULL) {
            store_session(self, dest[1]);
            dest[0] = MP_OBJ_NULL;
        }
#if MPSSL_SERVER_NAMES
        if (attr == MP_QSTR_context && dest[1] != MP_OBJ_NULL) {
            store_context(self, dest[1]);
            dest[0] = MP_OBJ_NULL;
        }
#endif
        return; // nothing else can be stored
    }
    if (attr == MP_QSTR_fileno || attr == MP_QSTR_getpeername || attr == MP_QSTR_getsockname || attr == MP_QSTR_setsockopt || attr == MP_QSTR_gettimeout) {
        // The transport's, if it has them.
        if (self->sock == MP_OBJ_NULL) {
            dest[0] = attr == MP_QSTR_fileno ? MP_OBJ_FROM_PTR(&closed_fileno_obj) : MP_OBJ_FROM_PTR(&closed_method_obj);
            dest[1] = self_in;
        } else {
            mp_load_method_maybe(self->sock, attr, dest);
        }
    } else if (attr == MP_QSTR_server_side) {
        dest[0] = mp_obj_new_bool(self->server_side);
    } else if (attr == MP_QSTR_context) {
        dest[0] = mpssl_callback(self, MPSSL_CONTEXT);
    } else if (attr == MP_QSTR_server_hostname) {
        dest[0] = self->server_hostname;
    } else if (attr == MP_QSTR_close_notify_received) {
        // True once the peer has closed with an alert: an end of stream without
        // it may be an attacker's cut.
        dest[0] = ask(self_in, mpssl_socket_close_notify_received);
    } else if (attr == MP_QSTR_session) {
        dest[0] = load_session(self);
    } else if (attr == MP_QSTR_session_reused) {
        mpssl_call_t call;
        enter(self, &call, 0);
        int32_t reused = mpssl_socket_session_reused(self->tls);
        mpssl_leave(&call);
        dest[0] = reused < 0 ? mp_const_none : mp_obj_new_bool(reused);
#if MPSSL_MEMORY
    } else if (attr == MP_QSTR_memory) {
        dest[0] = mpssl_guard_memory(&self->guard);
#endif
    } else if (attr == MP_QSTR_hibernating) {
        dest[0] = ask(self_in, mpssl_socket_is_asleep);
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
        mpssl_call_t call;
        enter(self, &call, 0);
        uint32_t bad = mpssl_socket_bad_records(self->tls);
        mpssl_leave(&call);
        dest[0] = mp_obj_new_int_from_uint(bad);
    } else if (attr == MP_QSTR_connection_id) {
        // DTLS: (ours, the peer's), None where Connection IDs are not in use.
        uint8_t own[MPSSL_CID_MAX];
        uint8_t peer[MPSSL_CID_MAX];
        mpssl_call_t call;
        enter(self, &call, 0);
        mpssl_bytes_t cid = mpssl_socket_own_cid(self->tls);
        memcpy(own, cid.data, cid.len);
        int32_t len = mpssl_socket_peer_cid(self->tls, peer);
        mpssl_leave(&call);
        dest[0] = mp_const_none;
        if (len >= 0) {
            mp_obj_t pair[2] = { mp_obj_new_bytes(own, cid.len), mp_obj_new_bytes(peer, len) };
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
    { MP_ROM_QSTR(MP_QSTR_readline), MP_ROM_PTR(&socket_readline_obj) },
    { MP_ROM_QSTR(MP_QSTR_write), MP_ROM_PTR(&socket_write_obj) },
    { MP_ROM_QSTR(MP_QSTR_recv), MP_ROM_PTR(&socket_recv_obj) },
    { MP_ROM_QSTR(MP_QSTR_recv_into), MP_ROM_PTR(&socket_readinto_obj) },
    { MP_ROM_QSTR(MP_QSTR_send), MP_ROM_PTR(&socket_send_obj) },
    { MP_ROM_QSTR(MP_QSTR_sendall), MP_ROM_PTR(&socket_sendall_obj) },
    { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&socket_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_settimeout), MP_ROM_PTR(&socket_settimeout_obj) },
    { MP_ROM_QSTR(MP_QSTR_do_handshake), MP_ROM_PTR(&socket_do_handshake_obj) },
    { MP_ROM_QSTR(MP_QSTR_makefile), MP_ROM_PTR(&socket_makefile_obj) },
    { MP_ROM_QSTR(MP_QSTR_shutdown), MP_ROM_PTR(&socket_shutdown_obj) },
    { MP_ROM_QSTR(MP_QSTR_unwrap), MP_ROM_PTR(&socket_unwrap_obj) },
    { MP_ROM_QSTR(MP_QSTR_hibernate), MP_ROM_PTR(&socket_hibernate_obj) },
#if MPSSL_HIBERNATION
    { MP_ROM_QSTR(MP_QSTR_export), MP_ROM_PTR(&socket_export_obj) },
#endif
    { MP_ROM_QSTR(MP_QSTR_cipher), MP_ROM_PTR(&socket_cipher_obj) },
    { MP_ROM_QSTR(MP_QSTR_version), MP_ROM_PTR(&socket_version_obj) },
    { MP_ROM_QSTR(MP_QSTR_shared_ciphers), MP_ROM_PTR(&socket_shared_ciphers_obj) },
    { MP_ROM_QSTR(MP_QSTR_selected_alpn_protocol), MP_ROM_PTR(&socket_selected_alpn_protocol_obj) },
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
