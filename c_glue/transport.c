// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The transport below a connection, any of MicroPython's streams or a socket of the system: reading it,
// writing to it, and waiting for it.

#include <limits.h>
#include <string.h>

#include "glue.h"

#include "py/objtype.h"
#if MPSSL_DESCRIPTORS
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#endif

#if MICROPY_PY_IO && MICROPY_PY_IO_IOBASE
extern const mp_obj_module_t mp_module_io; // py/modio.c

// Whether the protocol calls methods of Python's, as io.IOBase's does.
static bool calls_methods(const void *protocol) {
    mp_map_elem_t *base = mp_map_lookup(&mp_module_io.globals->map, MP_OBJ_NEW_QSTR(MP_QSTR_IOBase), MP_MAP_LOOKUP);
    return base != NULL && MP_OBJ_TYPE_GET_SLOT((mp_obj_type_t *)MP_OBJ_TO_PTR(base->value), protocol) == protocol;
}
#else
#define calls_methods(protocol) (false)
#endif

mp_obj_t mpssl_get_stream(mp_obj_t sock, int flags) {
    const mp_obj_type_t *type = mp_obj_get_type(sock);
    if (mp_obj_is_instance_type(type) && MP_OBJ_TYPE_HAS_SLOT(type, protocol) && !calls_methods(MP_OBJ_TYPE_GET_SLOT(type, protocol))) {
        sock = ((mp_obj_instance_t *)MP_OBJ_TO_PTR(sock))->subobj[0];
    }
    mp_get_stream_raise(sock, flags);
    return sock;
}

int mpssl_stream_errno(int err) {
    return err > 0 ? err : MP_EIO;
}

static void transfer(ssl_socket_obj_t *self, void *arg) {
    mpssl_transfer_t *t = arg;
#if defined(__unix__) || defined(__APPLE__)
    mp_handle_pending(true); // the stream may wait in the system, which does not tell what came before
#endif
    mp_obj_t sock = self->sock; // close() in another thread takes it away at any time
    if (sock == MP_OBJ_NULL) {
        // Closed or unwrapped by an earlier call-out of the same call.
        t->done = MP_STREAM_ERROR;
        t->err = MP_EBADF;
        return;
    }
    const mp_stream_p_t *stream = mp_get_stream_raise(sock, MP_STREAM_OP_READ | MP_STREAM_OP_WRITE);
    if (t->poll_first && !t->write) {
        // A blocking read would sleep through the time to send the last flight
        // again: the caller waits, and looks at the clock.
        int err;
        mp_uint_t ready = stream->ioctl(sock, MP_STREAM_POLL, MP_STREAM_POLL_RD, &err);
        if (ready == 0) {
            t->done = MP_STREAM_ERROR;
            t->err = MP_EAGAIN;
            return;
        }
    }
    t->done = t->write
        ? stream->write(sock, t->buf, t->len, &t->err)
        : stream->read(sock, t->buf, t->len, &t->err);
}

#if MPSSL_DESCRIPTORS
extern const mp_obj_type_t mp_type_socket; // ports/unix/modsocket.c

int mpssl_descriptor(mp_obj_t sock) {
    if (sock == MP_OBJ_NULL || !mp_obj_is_type(sock, &mp_type_socket)) {
        return -1;
    }
    int err;
    return (int)mp_get_stream(sock)->ioctl(sock, MP_STREAM_GET_FILENO, 0, &err); // does not raise
}

// unix's sockets have no finaliser and leave their number in the object when they are closed.
// So that one which is dropped can be closed, and no stranger in its place, it is known by what
// it is.
mpssl_descriptor_t mpssl_remember_descriptor(mp_obj_t sock) {
    struct stat st;
    int fd = mpssl_descriptor(sock);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return (mpssl_descriptor_t){ .fd = -1 };
    }
    return (mpssl_descriptor_t){ fd, st.st_dev, st.st_ino };
}

void mpssl_close_descriptor(const mpssl_descriptor_t *descriptor) {
    struct stat st;
    int fd = descriptor->fd;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == descriptor->dev && st.st_ino == descriptor->ino) {
        close(fd);
    }
}

// A socket of the OS moves what it can at once; the caller waits, outside. (Besides, an
// exception out of a signal handler makes a system call forget what it has moved.)
static int32_t socket_transfer(int fd, const mpssl_transfer_t *t, int32_t *err) {
    ssize_t done;
    do {
        done = t->write ? send(fd, t->buf, t->len, MSG_DONTWAIT) : recv(fd, t->buf, t->len, MSG_DONTWAIT);
    } while (done < 0 && errno == EINTR);
    if (done >= 0) {
        return (int32_t)done;
    }
    *err = errno;
    return mp_is_nonblocking_error(*err) ? MPGLUE_WOULD_BLOCK : MPGLUE_ERRNO;
}
#else
int mpssl_descriptor(mp_obj_t sock) {
    (void)sock;
    return -1;
}
#endif

// What a transfer came to, for Rust.
static int32_t outcome(const mpssl_transfer_t *t, bool raised, int32_t *err) {
    if (raised) {
        return MPGLUE_RAISED;
    }
    if (t->done == MP_STREAM_ERROR) {
        if (mp_is_nonblocking_error(t->err)) {
            return MPGLUE_WOULD_BLOCK;
        }
        *err = mpssl_stream_errno(t->err);
        return MPGLUE_ERRNO;
    }
    if (t->done > t->len) {
        // A stream that claims more than it was given would make the caller
        // read or skip memory that is not the record's.
        *err = MP_EIO;
        return MPGLUE_ERRNO;
    }
    return (int32_t)t->done;
}

#if MICROPY_PY_THREAD
// Nothing tells of most transports whether they wait. So that nobody is kept out meanwhile, the
// transport is called when Rust has been left: one transfer a direction at a time. What came is
// the socket's, for whoever reads next: in Rust's buffer where that is a record's, which stays
// there until it is full, as that stays of which the transport takes a record.

// The states of mpssl_call_t.outside.
enum {
    NOTHING,
    ASKED, // for call->transfer
    ASKED_LATER, // another thread's transfer comes first
    RAISED, // what call->transfer came to, or the wait for it
    FAILED, // likewise; or the stream has ended
    INSIDE, // there is no memory for the next
};

// Names another thread's transfer that is under way; 0: there is none.
static uintptr_t others_transfer(mpssl_call_t *call, bool write) {
    unsigned direction = write ? MPSSL_WRITING : MPSSL_READING;
    uintptr_t found = 0;
    uintptr_t state = mpglue_atomic_begin();
    for (mpssl_call_t *other = call->socket->calls; other != NULL; other = other->next) {
        if (other != call && other->transfers == direction) {
            // Somewhere in the call, and in its next transfer elsewhere.
            found = (uintptr_t)other + other->transfer_count % sizeof(*other);
        }
    }
    mpglue_atomic_end(state);
    return found;
}

static int32_t take_input(ssl_socket_obj_t *self, uint8_t *buf, size_t len) {
    mp_obj_t input_obj = self->input;
    self->input = MP_OBJ_NULL;
    if (mp_obj_is_small_int(input_obj)) {
        return MP_OBJ_SMALL_INT_VALUE(input_obj);
    }
    mpssl_input_t *input = MP_OBJ_TO_PTR(input_obj);
    size_t n = MIN(len, (size_t)(input->end - input->begin));
    memcpy(buf, input->bytes + input->begin, n);
    input->begin += n;
    if (input->begin != input->end && !self->datagram) {
        self->input = input_obj;
    } else {
        m_del(byte, (byte *)input, sizeof(*input) + input->size);
    }
    return (int32_t)n;
}

// The result of a transfer, or MPGLUE_OUTSIDE; MPGLUE_UNKNOWN: it is to be made inside.
static int32_t transfer_outside(mpssl_call_t *call, const mpssl_transfer_t *t, bool now, int32_t *err) {
    ssl_socket_obj_t *self = call->socket;
    unsigned outside = call->outside;
    call->outside = NOTHING;
    if ((outside == RAISED || outside == FAILED) && call->transfer.write == t->write) {
        return outcome(&call->transfer, outside == RAISED, err);
    }
    if (t->write && self->sent != 0) {
        size_t n = MIN(self->sent, t->len);
        self->sent -= n;
        return (int32_t)n;
    }
    if (!t->write && self->input != MP_OBJ_NULL) {
        return take_input(self, t->buf, t->len);
    }
    now = now || call->at_once || call->poll_first || (t->write && self->datagram);
    call->transfer = *t;
    if (others_transfer(call, t->write) != 0) {
        call->outside = ASKED_LATER;
        return now ? MPGLUE_WOULD_BLOCK : MPGLUE_OUTSIDE;
    }
    if (now || outside == INSIDE) {
        return MPGLUE_UNKNOWN;
    }
    call->outside = ASKED;
    return MPGLUE_OUTSIDE;
}

void mpssl_transfer_outside(mpssl_call_t *call) {
    ssl_socket_obj_t *self = call->socket;
    mpssl_transfer_t *t = &call->transfer;
    if (call->outside == ASKED_LATER) {
        // For this one: with what it brings the call may not need a next.
        uintptr_t others = others_transfer(call, t->write);
        call->outside = NOTHING;
        for (unsigned tries = 0; others != 0 && others_transfer(call, t->write) == others; tries++) {
            if (mpssl_wait(call, mpssl_give_way, &tries) != 0) {
                call->outside = RAISED;
                return;
            }
        }
        return;
    }
    mpssl_input_t *input = NULL;
    if (!t->write && !t->stays) {
        size_t size = MIN(t->len, UINT16_MAX);
        input = (mpssl_input_t *)m_new_maybe(byte, sizeof(*input) + size);
        if (input == NULL) {
            call->outside = INSIDE;
            return;
        }
        input->begin = 0;
        input->size = size;
        t->buf = input->bytes;
        t->len = size;
    }
    t->done = MP_STREAM_ERROR;
    t->err = MP_EIO;
    call->outside = NOTHING;
    call->transfer_count++;
    call->transfers = t->write ? MPSSL_WRITING : MPSSL_READING;
    bool raised = mpssl_wait(call, transfer, t) != 0;
    call->transfers = 0;
    bool moved = t->done != MP_STREAM_ERROR && t->done != 0 && t->done <= t->len;
    if (moved && t->write) {
        self->sent = t->done;
    } else if (moved && input == NULL) {
        self->input = MP_OBJ_NEW_SMALL_INT(t->done);
    } else if (moved) {
        input->end = t->done;
        self->input = MP_OBJ_FROM_PTR(input);
    }
    if (raised) {
        call->outside = RAISED;
    } else if (!moved) {
        call->outside = FAILED;
    }
}
#endif

static int32_t stream_transfer(mpssl_call_t *call, mpssl_transfer_t *t, bool now, int32_t *err) {
    if (call->quiet) {
        return MPGLUE_WOULD_BLOCK;
    }
#if MPSSL_DESCRIPTORS
    int fd = mpssl_descriptor(call->socket->sock);
    if (fd >= 0) {
        return socket_transfer(fd, t, err);
    }
#endif
#if MICROPY_PY_THREAD
    int32_t done = transfer_outside(call, t, now, err);
    if (done != MPGLUE_UNKNOWN) {
        return done;
    }
#else
    (void)now;
#endif
    t->poll_first = call->poll_first;
    bool raised = mpssl_protect(call, transfer, t) != 0;
    return outcome(t, raised, err);
}

int32_t mpglue_stream_read(void *owner, uint8_t *buf, size_t len, uint32_t how, int32_t *err) {
    mpssl_transfer_t t = { .buf = buf, .len = MIN(len, INT32_MAX), .write = false, .stays = how == MPGLUE_STAYS };
    return stream_transfer(owner, &t, how == MPGLUE_NOW, err);
}

int32_t mpglue_datagram_len(void *owner, int32_t *err) {
    mpssl_call_t *call = owner;
    mp_obj_t sock = call->socket->sock;
#if MICROPY_PY_THREAD
    mp_obj_t input = call->socket->input; // in a datagram's case never in place
    if (input != MP_OBJ_NULL) {
        return ((mpssl_input_t *)MP_OBJ_TO_PTR(input))->end;
    }
#endif
#if defined(MBEDTLS_SSL_DTLS_HELLO_VERIFY)
    if (sock != MP_OBJ_NULL && mpssl_is_peer(sock)) {
        return (int32_t)MIN(mpssl_peer_datagram_max(sock), INT32_MAX);
    }
#endif
#if MPSSL_DESCRIPTORS && defined(__linux__)
    int fd = mpssl_descriptor(sock);
    if (fd >= 0) {
        ssize_t len = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
        if (len >= 0) {
            return (int32_t)MIN(len, INT32_MAX);
        }
        *err = errno; // the socket's pending error, which nobody will see again
        return mp_is_nonblocking_error(*err) || *err == EINTR ? 0 : MPGLUE_ERRNO;
    }
#endif
    (void)sock;
    (void)err;
    return MPGLUE_UNKNOWN;
}

#if defined(MBEDTLS_SSL_DTLS_HELLO_VERIFY)
static void follow_peer(ssl_socket_obj_t *self, void *arg) {
    (void)arg;
    if (self->sock != MP_OBJ_NULL) { // close() in another thread
        mpssl_peer_follow(self->sock);
    }
}

void mpglue_peer_is_there(void *owner) {
    mpssl_call_t *call = owner;
    mp_obj_t before = call->exc;
    if (mpssl_protect(call, follow_peer, NULL) != 0 && before == MP_OBJ_NULL) {
        // Ctrl-C, out of a signal handler. This call has something to return.
        mp_sched_exception(call->exc);
        call->exc = MP_OBJ_NULL;
    }
}
#endif

int32_t mpglue_stream_write(void *owner, const uint8_t *buf, size_t len, bool now, int32_t *err) {
    mpssl_transfer_t t = { .buf = (void *)buf, .len = MIN(len, UINT16_MAX), .write = true };
    return stream_transfer(owner, &t, now, err);
}

/******************************************************************************/
// Waiting for it.

bool mpssl_is_want(mpssl_status_t status) {
    return status.kind == MPSSL_OUTSIDE || status.kind == MPSSL_WANT_READ || status.kind == MPSSL_WANT_WRITE || status.kind == MPSSL_WANT_SIGNATURE;
}

#if MPSSL_DESCRIPTORS
typedef struct _wait_t {
    struct pollfd fd;
    int timeout_ms;
    int ready; // poll's result
} wait_t;

static void wait_for_descriptor(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    wait_t *w = arg;
    // A signal that came before, while interrupts were off, ends no poll(): where its handler raises
    // nothing, it is only noted.
    mp_handle_pending(true);
    MP_THREAD_GIL_EXIT();
    w->ready = poll(&w->fd, 1, w->timeout_ms);
    int err = errno;
    MP_THREAD_GIL_ENTER();
    if (w->ready < 0 && err == EINTR) {
        w->ready = 0;
        mp_handle_pending(true);
    }
}

// The timeout that settimeout() gave the socket, in milliseconds; 0: none.
static mp_uint_t timeout_of(int fd, bool write) {
    struct timeval tv = { 0, 0 };
    socklen_t len = sizeof(tv);
    getsockopt(fd, SOL_SOCKET, write ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, &len);
    return tv.tv_sec >= INT_MAX / 1000 - 1 ? 0 : (mp_uint_t)tv.tv_sec * 1000 + ((mp_uint_t)tv.tv_usec + 999) / 1000;
}

enum {
    TIMER_MS = 10, // how late a datagram handshake may look at its timer
    SLICE_MS = 250, // how late a wait may find, at worst, that the socket is closed
};

// Waits until the descriptor is ready for what the status says; false: it has another now.
static bool wait_ready(mpssl_call_t *call, int fd, const mpssl_patience_t *p, mpssl_status_t *status) {
    bool write = status->kind == MPSSL_WANT_WRITE;
    bool timer = call->socket->datagram && mpssl_socket_is_handshaking(call->socket->tls);
    mp_uint_t timeout = p->forever ? 0 : timeout_of(fd, write);
    // Anybody can send a datagram, so they do not make the time longer.
    mp_uint_t start = call->socket->datagram ? p->start : mp_hal_ticks_ms();
    wait_t w = { .fd = { .fd = fd, .events = write ? POLLOUT : POLLIN } };
    do {
        mp_uint_t gone = mp_hal_ticks_ms() - start;
        if (timeout != 0 && gone >= timeout) {
            *status = (mpssl_status_t){ MPSSL_ERRNO, MP_ETIMEDOUT };
            return false;
        }
        w.timeout_ms = timer ? TIMER_MS : SLICE_MS;
        if (timeout != 0) {
            w.timeout_ms = MIN((mp_uint_t)w.timeout_ms, timeout - gone);
        }
        if (mpssl_wait(call, wait_for_descriptor, &w) != 0) {
            *status = (mpssl_status_t){ MPSSL_RAISED, 0 };
            return false;
        }
    } while (w.ready == 0 && !timer && !call->socket->closing);
    return true;
}
#endif

static void wait_for_event(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    (void)arg;
    mp_event_wait_ms(1);
}

mpssl_patience_t mpssl_patience(mpssl_call_t *call) {
    mpssl_patience_t p = { .start = mp_hal_ticks_ms() };
    mp_obj_t sock = call->socket->sock;
    if (call->socket->datagram && sock != MP_OBJ_NULL && mpssl_is_peer(sock)) {
        p.known = true;
        p.waits = p.forever = call->poll_first = mpssl_peer_may_wait(sock);
#if MICROPY_PY_THREAD
        call->at_once = true;
#endif
    }
    return p;
}

void mpssl_look_whether_to_wait(mpssl_call_t *call, mpssl_patience_t *p) {
    (void)call;
    if (p->known) {
        return;
    }
    p->known = true;
#if MPSSL_DESCRIPTORS
    int fd = mpssl_descriptor(call->socket->sock);
    if (fd >= 0) {
        int flags = fcntl(fd, F_GETFL);
        p->waits = flags >= 0 && !(flags & O_NONBLOCK);
    }
#endif
}

bool mpssl_wait_more(mpssl_call_t *call, mpssl_patience_t *p, mpssl_status_t *status) {
#if MICROPY_PY_THREAD
    if (status->kind == MPSSL_OUTSIDE) {
        mpssl_transfer_outside(call);
        if (call->socket->closing && call->exc != MP_OBJ_NULL) {
            status->kind = MPSSL_RAISED;
        }
        return !call->socket->closing;
    }
#endif
    if (!mpssl_is_want(*status)) {
        return false;
    }
    mpssl_look_whether_to_wait(call, p);
    if (!p->waits) {
        return false;
    }
#if MPSSL_DESCRIPTORS
    int fd = mpssl_descriptor(call->socket->sock);
    if (fd >= 0 && status->kind != MPSSL_WANT_SIGNATURE) {
        return wait_ready(call, fd, p, status) && !call->socket->closing;
    }
#endif
    if (mpssl_wait(call, wait_for_event, NULL) != 0) {
        *status = (mpssl_status_t){ MPSSL_RAISED, 0 };
        return false;
    }
    return !call->socket->closing;
}
