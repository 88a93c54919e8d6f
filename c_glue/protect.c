// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Every nlr_push of the module, and every raise of what Rust reports. No Rust
// or Mbed TLS frame ever lies between a push made here and its raise.

#include <string.h>

#include "glue.h"

#include "py/builtin.h"
#include "py/cstack.h"
#include "py/objexcept.h"
#include "py/objstr.h"
#include "py/objtype.h"
#include "mbedtls/bignum.h"
#include "mbedtls/platform.h"
#include "mbedtls/platform_util.h"
#if defined(__unix__) || defined(__APPLE__)
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#endif

#ifndef MICROPY_BEGIN_ATOMIC_SECTION
#define MICROPY_BEGIN_ATOMIC_SECTION() (0)
#define MICROPY_END_ATOMIC_SECTION(state) (void)(state)
#endif

/******************************************************************************/
// Claims.

#if MICROPY_ASYNC_KBD_INTR
// The port raises KeyboardInterrupt out of a signal handler, at any
// instruction: it must not find Rust on the stack.
void mpssl_interrupts_off(mpssl_signals_t *saved) {
    sigset_t sigint, before;
    sigemptyset(&sigint);
    sigaddset(&sigint, SIGINT);
    pthread_sigmask(SIG_BLOCK, &sigint, &before);
    *saved = sigismember(&before, SIGINT) == 1;
}

static void let_in(void *arg) {
    (void)arg;
    sigset_t sigint;
    sigemptyset(&sigint);
    sigaddset(&sigint, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &sigint, NULL);
}

// One that came meanwhile is raised when the port next looks: whoever calls may have something to
// return, to raise or to close.
void mpssl_interrupts_on(const mpssl_signals_t *saved) {
    mp_obj_t exc = *saved ? MP_OBJ_NULL : mpssl_catch(let_in, NULL);
    if (exc != MP_OBJ_NULL) {
        mp_sched_exception(exc);
    }
}
#else
void mpssl_interrupts_off(mpssl_signals_t *saved) {
    *saved = true; // other ports raise at points of their choice, none of them in Rust
}

void mpssl_interrupts_on(const mpssl_signals_t *saved) {
    (void)saved;
}
#endif

#if MICROPY_PY_THREAD
#define THIS_THREAD ((const void *)mp_thread_get_state())
#else
#define THIS_THREAD ((const void *)&mp_state_ctx)
#endif

// Waits a little for another thread. May raise: Ctrl-C, say.
static void give_way(unsigned tries) {
#if MICROPY_PY_THREAD && (defined(__unix__) || defined(__APPLE__))
    if (tries < 100) {
        MP_THREAD_GIL_EXIT();
        sched_yield();
        MP_THREAD_GIL_ENTER();
        return;
    }
#endif
    (void)tries;
    mp_event_wait_ms(1);
}

void mpssl_guard_init(mpssl_guard_t *guard) {
    guard->thread = NULL;
#if MPSSL_MEMORY
    guard->usage = mpssl_usage_new();
#endif
}

void mpssl_guard_end(mpssl_guard_t *guard) {
#if MPSSL_MEMORY
    if (guard->usage != NULL) {
        mpssl_usage_end(guard->usage);
        guard->usage = NULL;
    }
#else
    (void)guard;
#endif
}

bool mpssl_claim(mpssl_guard_t *guard, mpssl_signals_t *saved) {
    const void *me = THIS_THREAD;
    for (unsigned tries = 0;; tries++) {
        mpssl_interrupts_off(saved);
        uintptr_t state = mpglue_atomic_begin();
        const void *other = guard->thread;
        if (other == NULL) {
            guard->thread = me;
        }
        mpglue_atomic_end(state);
        if (other == NULL) {
            break;
        }
        mpssl_interrupts_on(saved);
        if (other == me) {
            return false;
        }
        give_way(tries);
    }
#if MPSSL_MEMORY
    guard->outer = mpssl_usage_switch(guard->usage);
#endif
    return true;
}

void mpssl_release(mpssl_guard_t *guard, const mpssl_signals_t *saved) {
#if MPSSL_MEMORY
    mpssl_usage_switch(guard->outer);
#endif
    uintptr_t state = mpglue_atomic_begin(); // what was written is seen by who claims it next
    guard->thread = NULL;
    mpglue_atomic_end(state);
    mpssl_interrupts_on(saved);
}

// Whether the call keeps everybody else out.
static bool claims(const mpssl_call_t *call) {
    return call->place == MPSSL_INSIDE || call->place == MPSSL_CALLED_OUT;
}

enum {
    ENTERED = 0,
    NOT_YET = -1
}; // or an errno

static int try_enter(ssl_socket_obj_t *self, mpssl_call_t *call, bool to_close) {
    int err = ENTERED;
    uintptr_t state = mpglue_atomic_begin();
    for (mpssl_call_t *other = self->calls; other != NULL; other = other->next) {
        if (other->thread == call->thread || (to_close && other->place == MPSSL_CALLED_OUT)) {
            err = MP_EBUSY;
            break;
        }
        if (claims(other) || (other->turns & call->turns) != 0) {
            err = NOT_YET;
        }
    }
    if (err != MP_EBUSY && (self->tls == NULL || (self->closing && !to_close))) {
        err = MP_EBADF;
    }
    if (err == ENTERED) {
        call->next = self->calls;
        self->calls = call;
        self->idle = false;
    }
    mpglue_atomic_end(state);
    return err;
}

static int enter(ssl_socket_obj_t *self, mpssl_call_t *call, unsigned turns, bool to_close) {
    *call = (mpssl_call_t){
        .socket = self, .thread = THIS_THREAD, .exc = MP_OBJ_NULL, .turns = turns, .place = MPSSL_INSIDE
    };
    for (unsigned tries = 0;; tries++) {
        mpssl_interrupts_off(&call->signals);
        int err = try_enter(self, call, to_close);
        if (err == ENTERED) {
#if MPSSL_MEMORY
            call->usage = self->guard.usage;
            call->outer = mpssl_usage_switch(call->usage);
#endif
            return 0;
        }
        mpssl_interrupts_on(&call->signals);
        if (err != NOT_YET) {
            return err;
        }
        give_way(tries);
    }
}

// Bytes of stack that a handshake takes at most, P-256 in Rust aside (src/mbedtls/crypto/ecp.rs), and
// a record. tests/qemu/stack.py measures it.
#if MPSSL_TLS13
#define STACK_HANDSHAKE (1250 * sizeof(void *))
#else
#define STACK_HANDSHAKE (700 * sizeof(void *))
#endif
#define STACK_RECORD (450 * sizeof(void *))

int mpssl_enter(ssl_socket_obj_t *self, mpssl_call_t *call, unsigned turns) {
    int err = enter(self, call, turns, false);
#if MICROPY_STACK_CHECK
    if (err == 0 && turns != 0) {
        if (mpglue_stack_left() < (mpssl_socket_is_handshaking(self->tls) ? STACK_HANDSHAKE : STACK_RECORD)) {
            mpssl_leave(call);
            mp_raise_recursion_depth();
        }
    }
#endif
    return err;
}

int mpssl_enter_to_close(ssl_socket_obj_t *self, mpssl_call_t *call) {
    return enter(self, call, 0, true);
}

bool mpssl_leave(mpssl_call_t *call) {
    ssl_socket_obj_t *self = call->socket;
    bool open = !self->closing;
    bool idle = open && mpssl_socket_is_idle(self->tls);
    mpssl_socket_t *unused = NULL;
    uintptr_t state = mpglue_atomic_begin();
    mpssl_call_t **link = &self->calls;
    while (*link != call) {
        link = &(*link)->next;
    }
    *link = call->next;
    if (self->calls == NULL) {
        if (self->closing) {
            unused = self->tls;
            self->tls = NULL;
        } else {
            self->idle = idle && !mpssl_has_kept(self);
        }
    }
    mpglue_atomic_end(state);
    if (unused != NULL) {
        mpssl_socket_free(unused);
    }
#if MPSSL_MEMORY
    mpssl_usage_switch(call->outer);
#endif
    mpssl_interrupts_on(&call->signals);
    return open;
}

bool mpssl_has_kept(const ssl_socket_obj_t *self) {
#if MICROPY_PY_THREAD
    if (self->input != MP_OBJ_NULL) {
        return true;
    }
#endif
    return self->kept != MP_OBJ_NULL;
}

#if MPSSL_DESCRIPTORS
bool mpssl_others_use_descriptor(ssl_socket_obj_t *self) {
    const void *me = THIS_THREAD;
    bool found = false;
    uintptr_t state = mpglue_atomic_begin();
    for (mpssl_call_t *call = self->calls; call != NULL; call = call->next) {
        found = found || (call->thread != me && (call->place == MPSSL_INSIDE || call->place == MPSSL_WAITING));
    }
    mpglue_atomic_end(state);
    return found;
}

void mpssl_wait_for_others(ssl_socket_obj_t *self) {
    for (unsigned tries = 0; mpssl_others_use_descriptor(self); tries++) {
        give_way(tries);
    }
}
#endif

/******************************************************************************/
// Catching.

// Out of a call on a socket, and back.
static void call_out(mpssl_call_t *call) {
#if MPSSL_MEMORY
    mpssl_usage_switch(NULL); // Python's own use of Mbed TLS
#endif
    mpssl_interrupts_on(&call->signals);
}

static void come_back(mpssl_call_t *call) {
    // Not `call->signals`: what the port does in a signal handler may have let it in.
    mpssl_signals_t ignored;
    mpssl_interrupts_off(&ignored);
#if MPSSL_MEMORY
    mpssl_usage_switch(call->usage);
#endif
}

static int protect(mpssl_call_t *call, void (*fun)(ssl_socket_obj_t *self, void *arg), void *arg) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        call_out(call);
        fun(call->socket, arg);
        come_back(call);
        nlr_pop();
        return 0;
    }
    come_back(call);
    // The first exception is the cause; one that follows from it is not kept, but for Ctrl-C.
    mp_obj_t exc = MP_OBJ_FROM_PTR(nlr.ret_val);
    if (call->exc == MP_OBJ_NULL) {
        call->exc = exc;
    } else {
        mpssl_keep_ctrl_c(exc);
    }
    return MPGLUE_RAISED;
}

int mpssl_protect(mpssl_call_t *call, void (*fun)(ssl_socket_obj_t *self, void *arg), void *arg) {
    call->place = MPSSL_CALLED_OUT;
    int ret = protect(call, fun, arg);
    call->place = MPSSL_INSIDE;
    return ret;
}

// Comes inside where nobody else claims; whether it did.
static bool return_inside(mpssl_call_t *call) {
    bool free = true;
    uintptr_t state = mpglue_atomic_begin();
    for (mpssl_call_t *other = call->socket->calls; other != NULL; other = other->next) {
        free = free && (other == call || !claims(other));
    }
    if (free) {
        call->place = MPSSL_INSIDE;
    }
    mpglue_atomic_end(state);
    return free;
}

static void give_way_to_call(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    give_way(*(unsigned *)arg);
}

int mpssl_wait(mpssl_call_t *call, void (*fun)(ssl_socket_obj_t *self, void *arg), void *arg) {
    uintptr_t state = mpglue_atomic_begin();
    call->place = MPSSL_WAITING;
    mpglue_atomic_end(state);
    int ret = protect(call, fun, arg);
    call->place = MPSSL_RETURNING;
    for (unsigned tries = 0; !return_inside(call); tries++) {
        if (protect(call, give_way_to_call, &tries) != 0) {
            ret = MPGLUE_RAISED;
        }
    }
    return ret;
}

mp_obj_t mpssl_catch(void (*fun)(void *arg), void *arg) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        fun(arg);
        nlr_pop();
        return MP_OBJ_NULL;
    }
    return MP_OBJ_FROM_PTR(nlr.ret_val);
}

bool mpssl_is_exception(mp_obj_t exc, const mp_obj_type_t *type) {
    return mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(exc)), MP_OBJ_FROM_PTR(type));
}

bool mpssl_keep_ctrl_c(mp_obj_t exc) {
    bool ctrl_c = mpssl_is_exception(exc, &mp_type_KeyboardInterrupt);
    if (ctrl_c) {
        mp_sched_exception(exc);
    }
    return ctrl_c;
}

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
            if (mpssl_wait(call, give_way_to_call, &tries) != 0) {
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

int32_t mpglue_stream_write(void *owner, const uint8_t *buf, size_t len, bool now, int32_t *err) {
    mpssl_transfer_t t = { .buf = (void *)buf, .len = MIN(len, UINT16_MAX), .write = true };
    return stream_transfer(owner, &t, now, err);
}

typedef struct _verify_t {
    mpssl_bytes_t der;
    mp_int_t depth;
    mp_int_t verdict;
} verify_t;

static void verify(ssl_socket_obj_t *self, void *arg) {
    verify_t *v = arg;
    // Python gets a copy: a view kept beyond the call must not reach into a
    // certificate that is freed by then. (A memoryview, because upstream's is.)
    mp_obj_t der = mp_obj_new_bytes(v->der.data, v->der.len);
    mp_obj_t view = mp_obj_new_memoryview('B', v->der.len, (void *)((mp_obj_str_t *)MP_OBJ_TO_PTR(der))->data);
    mp_obj_t verdict = mp_call_function_2(mpssl_callback(self, MPSSL_VERIFY_CALLBACK), view, MP_OBJ_NEW_SMALL_INT(v->depth));
    v->verdict = mp_obj_get_int(verdict);
}

int32_t mpglue_verify(void *owner, const uint8_t *der, size_t len, int32_t depth, int32_t *verdict) {
    mpssl_call_t *call = owner;
    *verdict = 0;
    if (mpssl_callback(call->socket, MPSSL_VERIFY_CALLBACK) == mp_const_none) {
        return 0;
    }
    verify_t v = { .der = { der, len }, .depth = depth, .verdict = 0 };
    if (mpssl_protect(call, verify, &v) != 0) {
        return MPGLUE_RAISED;
    }
    *verdict = (int32_t)v.verdict;
    if (*verdict != v.verdict) {
        *verdict = -MPSSL_EINVAL; // out of range is no acceptance
    }
    return 0;
}

typedef struct _sign_t {
    mpssl_bytes_t key;
    mpssl_bytes_t hash;
    uint8_t *sig;
    size_t size;
    size_t len;
    mp_obj_t lent; // the key as Python sees it
} sign_t;

static void sign(ssl_socket_obj_t *self, void *arg) {
    sign_t *s = arg;
    mp_obj_t hash = mp_obj_new_bytearray(s->hash.len, s->hash.data);
    s->lent = mp_obj_new_bytearray(s->key.len, s->key.data);
    mp_obj_t sig = mp_call_function_2(mpssl_callback(self, MPSSL_SIGN_CALLBACK), s->lent, hash);
    if (sig == mp_const_none) {
        return;
    }
    mp_buffer_info_t buf;
    mp_get_buffer_raise(sig, &buf, MP_BUFFER_READ);
    if (buf.len == 0 || buf.len > s->size) {
        mp_raise_ValueError(MP_ERROR_TEXT("invalid signature"));
    }
    memcpy(s->sig, buf.buf, buf.len);
    s->len = buf.len;
}

int32_t mpglue_sign(void *owner, mpssl_bytes_t key, mpssl_bytes_t hash, uint8_t *sig, size_t size) {
    mpssl_call_t *call = owner;
    if (mpssl_callback(call->socket, MPSSL_SIGN_CALLBACK) == mp_const_none) {
        return 0;
    }
    sign_t s = { .key = key, .hash = hash, .sig = sig, .size = size, .len = 0, .lent = MP_OBJ_NULL };
    int raised = mpssl_protect(call, sign, &s);
    // The key does not stay in Python's heap longer than Python keeps it on purpose.
    mp_buffer_info_t buf;
    if (s.lent != MP_OBJ_NULL && mp_get_buffer(s.lent, &buf, MP_BUFFER_WRITE) && buf.len != 0) {
        memset(buf.buf, 0, buf.len);
    }
    if (raised != 0) {
        return MPGLUE_RAISED;
    }
    return (int32_t)s.len;
}

typedef struct _sign_by_object_t {
    uint32_t scheme;
    mpssl_bytes_t hash;
    uint8_t *sig;
    size_t size;
    size_t len;
    bool not_yet;
    mp_obj_t call[2 + 3]; // key.sign(hash), or of RSA key.sign(hash, padding, name of the hash)
    size_t n_args;
    mp_obj_t made;
} sign_by_object_t;

static void call_sign(void *arg) {
    sign_by_object_t *s = arg;
    s->made = mp_call_method_n_kw(s->n_args, 0, s->call);
}

static qstr name_of_hash(size_t len) {
    return len == 32 ? MP_QSTR_sha256 : len == 48 ? MP_QSTR_sha384
        : len == 64                               ? MP_QSTR_sha512
        : len == 20                               ? MP_QSTR_sha1
                                                  : MP_QSTR_sha224;
}

static void sign_by_object(ssl_socket_obj_t *self, void *arg) {
    sign_by_object_t *s = arg;
    bool rsa = s->scheme != MPGLUE_ECDSA;
    mp_load_method(mpssl_callback(self, rsa ? MPSSL_RSA_KEY : MPSSL_EC_KEY), MP_QSTR_sign, s->call);
    s->call[2] = mp_obj_new_bytes(s->hash.data, s->hash.len);
    s->n_args = 1;
    if (rsa) {
        s->call[3] = MP_OBJ_NEW_QSTR(s->scheme == MPGLUE_PSS ? MP_QSTR_PSS : MP_QSTR_PKCS1v15);
        s->call[4] = MP_OBJ_NEW_QSTR(name_of_hash(s->hash.len));
        s->n_args = 3;
    }
    mp_obj_t exc = mpssl_catch(call_sign, s);
    if (exc != MP_OBJ_NULL) {
        if (!mpssl_is_exception(exc, &mpssl_want_sign_type)) {
            nlr_raise(exc);
        }
        s->not_yet = true;
        return;
    }
    if (s->made == mp_const_notimplemented) {
        s->not_yet = true;
        return;
    }
    mp_buffer_info_t buf;
    mp_get_buffer_raise(s->made, &buf, MP_BUFFER_READ);
    if (buf.len == 0 || buf.len > s->size) {
        mp_raise_ValueError(MP_ERROR_TEXT("invalid signature"));
    }
    memcpy(s->sig, buf.buf, buf.len);
    s->len = buf.len;
}

int32_t mpglue_sign_by_object(void *owner, uint32_t scheme, mpssl_bytes_t hash, uint8_t *sig, size_t size) {
    sign_by_object_t s = { .scheme = scheme, .hash = hash, .sig = sig, .size = size };
    if (mpssl_protect(owner, sign_by_object, &s) != 0) {
        return MPGLUE_RAISED;
    }
    return s.not_yet ? MPGLUE_WOULD_BLOCK : (int32_t)s.len;
}

#if MPSSL_SERVER_NAMES || defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
static const MP_DEFINE_STR_OBJ(utf_8_obj, "utf-8");

// obj = str(obj, "utf-8"), by which each release checks as it does.
static void decode(void *arg) {
    mp_obj_t *obj = arg;
    mp_obj_t args[2] = { *obj, MP_OBJ_FROM_PTR(&utf_8_obj) };
    *obj = mp_call_function_n_kw(MP_OBJ_FROM_PTR(&mp_type_str), 2, 0, args);
}

// Names, identities and hints for CPython's callbacks: None if empty, a str if it is text,
// else bytes: any octets are allowed.
static mp_obj_t text_or_bytes(mpssl_bytes_t bytes) {
    if (bytes.len == 0) {
        return mp_const_none;
    }
    mp_obj_t obj = mp_obj_new_bytes(bytes.data, bytes.len);
    mp_obj_t exc = mpssl_catch(decode, &obj);
    if (exc != MP_OBJ_NULL && !mpssl_is_exception(exc, &mp_type_ValueError)) {
        nlr_raise(exc);
    }
    return obj;
}
#endif

#if MPSSL_SERVER_NAMES
typedef struct _server_name_t {
    mpssl_bytes_t name;
    mp_int_t alert;
} server_name_t;

static void server_name(ssl_socket_obj_t *self, void *arg) {
    server_name_t *s = arg;
    s->alert = MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE; // unless it returns
    mp_obj_t args[3] = { MP_OBJ_FROM_PTR(self), text_or_bytes(s->name), mpssl_callback(self, MPSSL_CONTEXT) };
    mp_obj_t answer = mp_call_function_n_kw(mpssl_callback(self, MPSSL_SNI_CALLBACK), 3, 0, args);
    s->alert = MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR; // unless it returns what it may
    if (answer == mp_const_none) {
        s->alert = 0;
        return;
    }
    mp_int_t alert = mpssl_get_int(answer);
    if (alert <= 0 || alert > UINT8_MAX) {
        mp_raise_ValueError(MP_ERROR_TEXT("sni_callback returns None or the number of an alert"));
    }
    s->alert = alert;
}

int32_t mpglue_server_name(void *owner, mpssl_bytes_t name, void **chosen, uint8_t *alert) {
    mpssl_call_t *call = owner;
    *chosen = NULL;
    *alert = 0;
    if (mpssl_callback(call->socket, MPSSL_SNI_CALLBACK) == mp_const_none) {
        return 0;
    }
    server_name_t s = { .name = name };
    call->choosing = true;
    int32_t ret = mpssl_protect(call, server_name, &s);
    call->choosing = false;
    *alert = (uint8_t)s.alert;
    if (s.alert == 0) {
        *chosen = call->chosen;
    } else {
        mpssl_chosen_free(call->chosen);
    }
    call->chosen = NULL;
    return ret;
}

mpssl_call_t *mpssl_choosing(ssl_socket_obj_t *self) {
    uintptr_t state = mpglue_atomic_begin();
    mpssl_call_t *call = self->calls;
    while (call != NULL && !(call->choosing && call->thread == THIS_THREAD)) {
        call = call->next;
    }
    mpglue_atomic_end(state);
    return call;
}
#endif

#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
typedef struct _psk_t {
    mpssl_bytes_t in; // the client's identity, or the server's hint
    uint8_t *identity;
    size_t identity_len; // the room, then the length
    uint8_t *key;
    size_t key_len; // likewise
} psk_t;

// Copies bytes or a str; *len: the room, then the length. None is nothing.
static void copy_out(mp_obj_t from, uint8_t *to, size_t *len) {
    size_t room = *len;
    *len = 0;
    if (from == mp_const_none) {
        return;
    }
    mp_buffer_info_t buf;
    // Upstream's look-up rejects the handshake with an OSError for what is no key.
    if (!mp_get_buffer(from, &buf, MP_BUFFER_READ) || buf.len > room) {
        mpssl_raise(MP_OBJ_NULL, (mpssl_status_t){ MPSSL_TLS, MBEDTLS_ERR_SSL_BAD_INPUT_DATA });
    }
    if (buf.len != 0) { // of nothing, the address may be NULL
        memcpy(to, buf.buf, buf.len);
    }
    *len = buf.len;
}

static void psk_key(ssl_socket_obj_t *self, void *arg) {
    psk_t *p = arg;
    mp_obj_t keys = mpssl_callback(self, MPSSL_PSK_CALLBACK);
    mp_obj_t key;
    if (self->psk_keys_have_get) {
        mp_obj_t get[3];
        mp_load_method(keys, MP_QSTR_get, get);
        get[2] = mp_obj_new_bytes(p->in.data, p->in.len);
        key = mp_call_method_n_kw(1, 0, get);
    } else {
        key = mp_call_function_1(keys, text_or_bytes(p->in));
    }
    copy_out(key, p->key, &p->key_len);
}

int32_t mpglue_psk_key(void *owner, mpssl_bytes_t identity, uint8_t *key, size_t size) {
    psk_t p = { .in = identity, .key = key, .key_len = size };
    if (mpssl_protect(owner, psk_key, &p) != 0) {
        return MPGLUE_RAISED;
    }
    return (int32_t)p.key_len;
}

static void psk_identity(ssl_socket_obj_t *self, void *arg) {
    psk_t *p = arg;
    mp_obj_t *pair;
    mp_obj_get_array_fixed_n(mp_call_function_1(mpssl_callback(self, MPSSL_PSK_CALLBACK), text_or_bytes(p->in)), 2, &pair);
    copy_out(pair[0], p->identity, &p->identity_len);
    copy_out(pair[1], p->key, &p->key_len);
}

int32_t mpglue_psk_identity(void *owner, mpssl_bytes_t hint, uint8_t *identity, size_t *identity_len, uint8_t *key, size_t *key_len) {
    psk_t p = { .in = hint, .identity = identity, .identity_len = *identity_len, .key = key, .key_len = *key_len };
    if (mpssl_protect(owner, psk_identity, &p) != 0) {
        return MPGLUE_RAISED;
    }
    *identity_len = p.identity_len;
    *key_len = p.key_len;
    return 0;
}
#endif

#if MICROPY_PY_SSL_ECDSA_SIGN_ALT
// Such a build wraps Mbed TLS's function with one that asks here first. A signature
// by callback never comes this way: see src/mbedtls/signer.rs.
int micropy_mbedtls_ecdsa_sign_alt(const mbedtls_mpi *d, const unsigned char *hash, size_t hlen,
    unsigned char *sig, size_t sig_size, size_t *slen);
int micropy_mbedtls_ecdsa_sign_alt(const mbedtls_mpi *d, const unsigned char *hash, size_t hlen,
    unsigned char *sig, size_t sig_size, size_t *slen) {
    return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}
#endif

uint32_t mpglue_ticks_ms(void) {
    return (uint32_t)mp_hal_ticks_ms();
}

uint64_t mpglue_time(void) {
#if defined(MBEDTLS_HAVE_TIME)
    mbedtls_time_t now = mbedtls_time(NULL);
    return now > 0 ? (uint64_t)now : 0;
#else
    return 0;
#endif
}

size_t mpglue_stack_left(void) {
#if MICROPY_STACK_CHECK
    mp_uint_t limit = MP_STATE_THREAD(stack_limit);
    mp_uint_t used = mp_cstack_usage();
    return used < limit ? limit - used : 0;
#else
    return SIZE_MAX;
#endif
}

void *mpglue_calloc(size_t n, size_t size) {
    return mbedtls_calloc(n, size);
}

void mpglue_free(void *ptr) {
    mbedtls_free(ptr);
}

uintptr_t mpglue_atomic_begin(void) {
    return (uintptr_t)MICROPY_BEGIN_ATOMIC_SECTION();
}

void mpglue_atomic_end(uintptr_t state) {
    (void)state; // some ports' macro ignores it
    MICROPY_END_ATOMIC_SECTION(state);
}

// The name and the mode of a file, which becomes args[0]. An OSError says which file.
static void open_file(mp_obj_t *args) {
    mp_obj_t path = args[0];
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        args[0] = mp_call_function_n_kw(MP_OBJ_FROM_PTR(&mp_builtin_open_obj), 2, 0, args);
        nlr_pop();
        return;
    }
    mp_obj_exception_t *error = nlr.ret_val;
    if (mp_obj_is_type(MP_OBJ_FROM_PTR(error), &mp_type_OSError) && error->args != NULL && error->args->len == 1) {
        mp_obj_t said[2] = { error->args->items[0], path };
        nlr_raise(mp_obj_exception_make_new(&mp_type_OSError, 2, 0, said));
    }
    nlr_jump(error);
}

// All of a file of the port's, in one piece: what grows leaves pieces, of a key perhaps, behind it in
// the heap. MP_OBJ_NULL: it is another stream, or one that does not know how long it is.
static mp_obj_t read_in_one_piece(mp_obj_t file) {
    if (mp_obj_is_instance_type(mp_obj_get_type(file))) {
        return MP_OBJ_NULL;
    }
    const mp_stream_p_t *stream = mp_get_stream_raise(file, MP_STREAM_OP_READ | MP_STREAM_OP_IOCTL);
    struct mp_stream_seek_t end = { .offset = 0, .whence = MP_SEEK_END };
    struct mp_stream_seek_t begin = { .offset = 0, .whence = MP_SEEK_SET };
    int err;
    if (stream->ioctl(file, MP_STREAM_SEEK, (uintptr_t)&end, &err) == MP_STREAM_ERROR) {
        return MP_OBJ_NULL;
    }
    if (stream->ioctl(file, MP_STREAM_SEEK, (uintptr_t)&begin, &err) == MP_STREAM_ERROR || (uint64_t)end.offset - 1 >= INT32_MAX) {
        return MP_OBJ_NULL; // a directory, say
    }
    vstr_t content;
    vstr_init_len(&content, end.offset);
    content.len = mp_stream_rw(file, content.buf, content.len, &err, MP_STREAM_RW_READ);
    if (err != 0) {
        mbedtls_platform_zeroize(content.buf, content.len);
        mp_raise_OSError(err);
    }
    return mp_obj_new_bytes_from_vstr(&content);
}

// A file of a file system in Python need be no stream.
static void close_file(void *arg) {
    mp_obj_t file = *(mp_obj_t *)arg;
    mp_obj_t close[2];
    if (MP_OBJ_TYPE_HAS_SLOT(mp_obj_get_type(file), protocol)) {
        mp_stream_close(mpssl_get_stream(file, MP_STREAM_OP_IOCTL));
    } else {
        mp_load_method(file, MP_QSTR_close, close);
        mp_call_method_n_kw(0, 0, close);
    }
}

mp_obj_t mpssl_read_file(mp_obj_t path, bool *fresh) {
    mp_obj_t args[2] = { path, MP_OBJ_NEW_QSTR(MP_QSTR_rb) };
    open_file(args);
    mp_obj_t file = args[0];
    mp_obj_t read[2];
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_obj_t data = read_in_one_piece(file);
        if (data == MP_OBJ_NULL) {
            mp_load_method(file, MP_QSTR_read, read);
            data = mp_call_method_n_kw(0, 0, read);
        }
        nlr_pop();
        close_file(&file);
        // A class of Python's may return what it still has.
        *fresh = !mp_obj_is_instance_type(mp_obj_get_type(file));
        return data;
    }
    mpssl_catch(close_file, &file); // what was raised is why
    nlr_jump(nlr.ret_val);
}

#if MPSSL_BUNDLES
// Bundles of certificates. Each is an object that nobody changes and that has a buffer, or a tuple of
// a file's name.

mpssl_call_t mpssl_call_to_read(ssl_context_obj_t *context, mp_obj_t bundles, mpssl_signals_t signals) {
    return (mpssl_call_t) {
        .thread = THIS_THREAD,
        .exc = MP_OBJ_NULL,
        .place = MPSSL_INSIDE,
        .signals = signals,
#if MPSSL_MEMORY
        .usage = context->guard.usage,
#endif
        .bundles = bundles,
        .file = MP_OBJ_NULL,
    };
}

typedef struct _read_t {
    mpssl_call_t *call;
    uint32_t index;
    size_t at;
    uint8_t *buf;
    size_t len;
    size_t done;
    bool changed;
} read_t;

static mp_obj_t bundles_of(const mpssl_call_t *call) {
    return call->bundles != MP_OBJ_NULL ? call->bundles : mpssl_callback(call->socket, MPSSL_CONTEXT_BUNDLES);
}

static mp_obj_t bundle(const read_t *r) {
    return mp_obj_subscr(bundles_of(r->call), MP_OBJ_NEW_SMALL_INT(r->index), MP_OBJ_SENTINEL);
}

// Does not raise but what the file does.
static void close_bundle(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    read_t *r = arg;
    mp_obj_t file = r->call->file;
    r->call->file = MP_OBJ_NULL;
    if (file != MP_OBJ_NULL) {
        close_file(&file);
    }
    if (r->changed) {
        mp_obj_t source = bundle(r);
        if (mp_obj_is_type(source, &mp_type_tuple)) {
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("'%s' has changed since load_verify_locations()"),
                mp_obj_str_get_str(((mp_obj_tuple_t *)MP_OBJ_TO_PTR(source))->items[0]));
        }
        mp_raise_ValueError(MP_ERROR_TEXT("cadata has changed since load_verify_locations()"));
    }
}

// A file of a file system in Python, which may have no more than a read() of all of it: its content stays
// in its place.
static mp_obj_t keep_content(read_t *r, mp_obj_t source) {
    mp_obj_t read[2];
    mp_buffer_info_t buf;
    mp_load_method(r->call->file, MP_QSTR_read, read);
    mp_get_buffer_raise(mp_call_method_n_kw(0, 0, read), &buf, MP_BUFFER_READ);
    mp_obj_t content = mp_obj_new_bytes(buf.buf, buf.len);
    mp_obj_t bundles = bundles_of(r->call);
    read_t close = { .call = r->call };
    close_bundle(NULL, &close);
    if (mp_obj_subscr(bundles, MP_OBJ_NEW_SMALL_INT(r->index), MP_OBJ_SENTINEL) == source) {
        mp_obj_subscr(bundles, MP_OBJ_NEW_SMALL_INT(r->index), content);
    }
    return content;
}

static void read_buffer(read_t *r, mp_obj_t source) {
    mp_buffer_info_t buf;
    mp_get_buffer_raise(source, &buf, MP_BUFFER_READ);
    if (r->at < buf.len) {
        r->done = MIN(r->len, buf.len - r->at);
        memcpy(r->buf, (const uint8_t *)buf.buf + r->at, r->done);
    }
}

// Whether the file is where it is to be read, or before; else it is opened anew.
static bool seek(mpssl_call_t *call, size_t at) {
    if (call->file_at != at) {
        const mp_stream_p_t *stream = mp_get_stream_raise(call->file, MP_STREAM_OP_READ | MP_STREAM_OP_IOCTL);
        struct mp_stream_seek_t to = { .offset = at, .whence = MP_SEEK_SET };
        int err;
        if (stream->ioctl(call->file, MP_STREAM_SEEK, (uintptr_t)&to, &err) != MP_STREAM_ERROR && (size_t)to.offset == at) {
            call->file_at = at;
        }
    }
    return call->file_at <= at;
}

static void read_bundle(ssl_socket_obj_t *self, void *arg) {
    read_t *r = arg;
    mpssl_call_t *call = r->call;
    mp_obj_t source = bundle(r);
    if (!mp_obj_is_type(source, &mp_type_tuple)) {
        read_buffer(r, source);
        return;
    }
    if (call->file != MP_OBJ_NULL && (call->file_index != r->index || !seek(call, r->at))) {
        read_t close = { .call = call };
        close_bundle(self, &close);
    }
    if (call->file == MP_OBJ_NULL) {
        mp_obj_t args[2] = { ((mp_obj_tuple_t *)MP_OBJ_TO_PTR(source))->items[0], MP_OBJ_NEW_QSTR(MP_QSTR_rb) };
        open_file(args);
        call->file = args[0];
        call->file_index = r->index;
        call->file_at = 0;
    }
    if (mp_obj_is_instance_type(mp_obj_get_type(call->file))) {
        read_buffer(r, keep_content(r, source));
        return;
    }
    mp_get_stream_raise(call->file, MP_STREAM_OP_READ);
    while (r->done < r->len) {
        size_t len = r->len - r->done;
        if (call->file_at < r->at) {
            len = MIN(r->at - call->file_at, r->len); // over what is not wanted
        }
        int err = 0;
        size_t n = mp_stream_rw(call->file, r->buf + r->done, len, &err, MP_STREAM_RW_READ);
        if (err != 0) {
            mp_raise_OSError(err);
        }
        if (n == 0) {
            return; // the end
        }
        if (call->file_at >= r->at) {
            r->done += n;
        }
        call->file_at += n;
    }
}

int32_t mpglue_read_bundle(void *owner, uint32_t index, uint32_t at, uint8_t *buf, size_t len) {
    read_t r = { .call = owner, .index = index, .at = at, .buf = buf, .len = MIN(len, INT32_MAX) };
    return mpssl_protect(owner, read_bundle, &r) == 0 ? (int32_t)r.done : MPGLUE_RAISED;
}

mpssl_bytes_t mpglue_bundle_in_place(void *owner, uint32_t index) {
    const mp_obj_list_t *bundles = MP_OBJ_TO_PTR(bundles_of(owner));
    mpssl_bytes_t bytes = { NULL, 0 };
    mp_buffer_info_t buf;
    // What is no file's name nobody can change (get_bundle).
    if (index < bundles->len && !mp_obj_is_type(bundles->items[index], &mp_type_tuple) && mp_get_buffer(bundles->items[index], &buf, MP_BUFFER_READ)) {
        bytes = (mpssl_bytes_t){ buf.buf, buf.len };
    }
    return bytes;
}

int32_t mpglue_close_bundle(void *owner, uint32_t index, bool changed) {
    read_t r = { .call = owner, .index = index, .changed = changed };
    if (r.call->file == MP_OBJ_NULL && !changed) {
        return 0;
    }
    return mpssl_protect(owner, close_bundle, &r);
}

uintptr_t mpglue_thread(void) {
    return (uintptr_t)THIS_THREAD;
}
#endif

#if MPSSL_KEYLOG
// Appends line to the file called name.
typedef struct _log_key_t {
    mp_obj_t name;
    mpssl_bytes_t line;
    mp_obj_t file;
} log_key_t;

static void append(void *arg) {
    log_key_t *log = arg;
    mp_obj_t write[3];
    mp_load_method(log->file, MP_QSTR_write, write);
    write[2] = mp_obj_new_bytes(log->line.data, log->line.len);
    if (mp_obj_get_int(mp_call_method_n_kw(1, 0, write)) != (mp_int_t)log->line.len) {
        mp_raise_OSError(MP_ENOSPC);
    }
}

static void open_and_append(ssl_socket_obj_t *self, void *arg) {
    (void)self;
    log_key_t *log = arg;
    mp_obj_t args[2] = { log->name, mp_obj_new_str_from_cstr("ab") };
    open_file(args);
    log->file = args[0];
    mp_obj_t exc = log->line.len == 0 ? MP_OBJ_NULL : mpssl_catch(append, log);
    if (exc != MP_OBJ_NULL) {
        mpssl_catch(close_file, &log->file); // what was raised is why
        nlr_raise(exc);
    }
    close_file(&log->file);
}

void mpssl_check_key_log(mp_obj_t name) {
    mp_obj_str_get_str(name); // unix would take a number for a descriptor
    log_key_t log = { .name = name };
    open_and_append(NULL, &log);
}

int32_t mpglue_log_key(void *owner, mpssl_bytes_t line) {
    mpssl_call_t *call = owner;
    log_key_t log = { .name = mpssl_callback(call->socket, MPSSL_KEYLOG_FILENAME), .line = line };
    return log.name == mp_const_none || mpssl_protect(call, open_and_append, &log) == 0 ? 0 : MPGLUE_RAISED;
}
#endif

/******************************************************************************/
// Raising.

static MP_NORETURN void raise_number(const mp_obj_type_t *type, mp_int_t number) {
    mp_obj_t arg = mp_obj_new_int(number); // a callback's may be beyond a small int
    nlr_raise(mp_obj_exception_make_new(type, 1, 0, &arg));
}

// A str; None where there is no text, or no memory for it.
static mp_obj_t text_or_none(const char *text, size_t len) {
    mp_obj_str_t *str = len == 0 ? NULL : m_new_obj_maybe(mp_obj_str_t);
    byte *data = str == NULL ? NULL : m_new_maybe(byte, len + 1);
    if (data == NULL) {
        return mp_const_none;
    }
    memcpy(data, text, len);
    data[len] = 0;
    str->base.type = &mp_type_str;
    str->hash = qstr_compute_hash(data, len);
    str->len = len;
    str->data = data;
    return MP_OBJ_FROM_PTR(str);
}

// What ended a connection. The args are upstream's; behind them, not for Python's eyes, what else
// is known: the alert and the hint, each an attribute, and a mark that they are there.
enum {
    HIDDEN_ALERT,
    HIDDEN_HINT,
    HIDDEN_MARK,
    HIDDEN,
};

static const MP_DEFINE_STR_OBJ(mark_obj, "");

static mp_obj_t *hidden(mp_obj_exception_t *self) {
    size_t len = self->args == NULL ? 0 : self->args->len;
    bool marked = len >= HIDDEN && self->args->items[len - 1] == MP_OBJ_FROM_PTR(&mark_obj);
    return marked ? &self->args->items[len - HIDDEN] : NULL;
}

static void failure_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    mp_obj_exception_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t *known = hidden(self);
    if (known == NULL) {
        mp_obj_exception_print(print, self_in, kind);
        return;
    }
    self->args->len -= HIDDEN;
    mp_obj_exception_print(print, self_in, kind);
    // The text of a ValueError ends a line.
    const char *separator = self->args->len == 1 ? "" : ", ";
    self->args->len += HIDDEN;
    if (kind != PRINT_EXC) {
        return;
    }
    mp_int_t alert = mp_obj_get_int(known[HIDDEN_ALERT]);
    if (alert != 0) {
        bool peers = self->args->items[0] == MP_OBJ_NEW_SMALL_INT(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
        mp_printf(print, "%s%s alert %d %s", separator, peers ? "the peer sent" : "sent", (int)alert, mpssl_alert_name(alert));
        separator = "; ";
    }
    if (MPSSL_HINTS && known[HIDDEN_HINT] != mp_const_none) {
        mp_printf(print, "%s%s", separator, mp_obj_str_get_str(known[HIDDEN_HINT]));
    }
}

static void failure_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    mp_obj_exception_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t *known = hidden(self);
    if (known == NULL || dest[0] != MP_OBJ_NULL) {
        mp_obj_exception_attr(self_in, attr, dest);
        return;
    }
    mp_int_t alert = mp_obj_get_int(known[HIDDEN_ALERT]);
    if (attr == MP_QSTR_args) {
        dest[0] = mp_obj_new_tuple(self->args->len - HIDDEN, self->args->items);
    } else if (attr == MP_QSTR_alert) {
        dest[0] = alert == 0 ? mp_const_none : known[HIDDEN_ALERT];
    } else if (attr == MP_QSTR_reason) {
        dest[0] = alert == 0 ? mp_const_none : mp_obj_new_str_from_cstr(mpssl_alert_name(alert));
    } else if (attr == MP_QSTR_hint) {
        dest[0] = known[HIDDEN_HINT];
    } else {
        mp_obj_exception_attr(self_in, attr, dest);
    }
}

static MP_DEFINE_CONST_OBJ_TYPE(
    failure_type,
    MP_QSTR_OSError,
    MP_TYPE_FLAG_NONE,
    make_new, mp_obj_exception_make_new,
    print, failure_print,
    attr, failure_attr,
    parent, &mp_type_OSError);

// ssl.SSLCertVerificationError
MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_verify_error_type,
    MP_QSTR_ValueError,
    MP_TYPE_FLAG_NONE,
    make_new, mp_obj_exception_make_new,
    print, failure_print,
    attr, failure_attr,
    parent, &mp_type_ValueError);

MP_NORETURN void mpssl_raise_failure(const mpssl_socket_t *socket, mpssl_status_t status, mp_obj_t hint) {
    bool verify = status.kind == MPSSL_VERIFY;
    char text[256];
    uint8_t alert = 0;
    mpssl_signals_t signals;
    mpssl_interrupts_off(&signals);
    size_t len;
#if MPSSL_HINTS
    len = socket != NULL ? mpssl_socket_text(socket, status, (uint8_t *)text, sizeof(text))
                         : mpssl_status_text(status, (uint8_t *)text, sizeof(text));
#else
    len = mpssl_status_text(status, (uint8_t *)text, sizeof(text));
#endif
    if (socket != NULL) {
        alert = mpssl_socket_alert(socket);
    }
    mpssl_interrupts_on(&signals);
    // OSError(code) without memory for the text.
    mp_obj_t args[2 + HIDDEN] = { mp_obj_new_int(status.code), text_or_none(text, len) };
    size_t n = args[1] == mp_const_none ? 1 : 2;
    if (verify) {
        args[0] = args[1];
        n = 1;
    }
#if MPSSL_HINTS
    if (socket != NULL) {
        mpssl_interrupts_off(&signals);
        len = mpssl_socket_hint(socket, status, (uint8_t *)text, sizeof(text));
        mpssl_interrupts_on(&signals);
        hint = text_or_none(text, len);
    }
#endif
    const mp_obj_type_t *type = &mp_type_OSError;
    if (socket != NULL || hint != mp_const_none) {
        type = verify ? &mpssl_verify_error_type : &failure_type;
        args[n + HIDDEN_ALERT] = MP_OBJ_NEW_SMALL_INT(alert);
        args[n + HIDDEN_HINT] = hint;
        args[n + HIDDEN_MARK] = MP_OBJ_FROM_PTR(&mark_obj);
        n += HIDDEN;
    }
    nlr_raise(mp_obj_exception_make_new(type, n, 0, args));
}

MP_NORETURN void mpssl_raise_value(mpssl_status_t status, const char *why) {
    char text[64];
    text[mpssl_status_text(status, (uint8_t *)text, sizeof(text) - 1)] = 0;
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s%s%s"), text, *why == 0 ? "" : ": ", why);
}

MP_NORETURN void mpssl_raise(mp_obj_t exc, mpssl_status_t status) {
    // What Python raised outranks what TLS made of it.
    if (exc != MP_OBJ_NULL) {
        nlr_raise(exc);
    }
    switch (status.kind) {
        case MPSSL_WANT_READ:
            raise_number(&mpssl_want_read_type, MPSSL_SSL_ERROR_WANT_READ);
        case MPSSL_WANT_WRITE:
            raise_number(&mpssl_want_write_type, MPSSL_SSL_ERROR_WANT_WRITE);
        case MPSSL_WANT_SIGNATURE:
            raise_number(&mpssl_want_sign_type, MPSSL_SSL_ERROR_WANT_ASYNC);
        case MPSSL_ERRNO:
            raise_number(&mp_type_OSError, status.code);
        case MPSSL_NO_MEMORY:
            mp_raise_OSError(MP_ENOMEM);
        case MPSSL_VALUE:
            mpssl_raise_value(status, "");
        default:
            mpssl_raise_failure(NULL, status, mp_const_none);
    }
}
