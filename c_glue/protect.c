// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Calls on contexts, sockets and sessions: who claims one, how a thread gets into Rust and out, and what
// is caught on the way. No Rust or Mbed TLS frame ever lies between a push made here and its raise.

#include "glue.h"

#include "py/cstack.h"
#if defined(__unix__) || defined(__APPLE__)
#include <sched.h>
#include <signal.h>
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

// Has an exception raised when Python runs again.
static void schedule(mp_obj_t exc) {
#if MICROPY_KBD_EXCEPTION
    // Made without memory, it would become the next one that is.
    if (exc == MP_OBJ_FROM_PTR(&MP_STATE_VM(mp_emergency_exception_obj)) && mpssl_is_exception(exc, &mp_type_KeyboardInterrupt)) {
        mp_sched_keyboard_interrupt();
        return;
    }
#endif
    mp_sched_exception(exc);
}

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

static void give_way_to_claim(void *tries) {
    give_way(*(unsigned *)tries);
}

bool mpssl_claim_where(mpssl_guard_t *guard, mpssl_signals_t *saved, mpssl_interrupted_t interrupted) {
    const void *me = MPSSL_THIS_THREAD;
    const void *other;
    mp_obj_t raised = MP_OBJ_NULL;
    for (unsigned tries = 0;; tries++) {
        mpssl_interrupts_off(saved);
        uintptr_t state = mpglue_atomic_begin();
        other = guard->thread;
        if (other == NULL) {
            guard->thread = me;
        }
        mpglue_atomic_end(state);
        if (other == NULL) {
            break;
        }
        mpssl_interrupts_on(saved);
        if (other == me || (raised != MP_OBJ_NULL && interrupted == MPSSL_GIVES_UP)) {
            break;
        }
        if (interrupted == MPSSL_RAISES) {
            give_way(tries);
            continue;
        }
        mp_obj_t exc = mpssl_catch(give_way_to_claim, &tries);
        if (exc != MP_OBJ_NULL) {
            raised = exc;
        }
    }
    if (raised != MP_OBJ_NULL) {
        schedule(raised);
    }
#if MPSSL_MEMORY
    if (other == NULL) {
        guard->outer = mpssl_usage_switch(guard->usage);
    }
#endif
    return other == NULL;
}

bool mpssl_claim(mpssl_guard_t *guard, mpssl_signals_t *saved) {
    return mpssl_claim_where(guard, saved, MPSSL_RAISES);
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
        .socket = self, .thread = MPSSL_THIS_THREAD, .exc = MP_OBJ_NULL, .turns = turns, .place = MPSSL_INSIDE
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
    const void *me = MPSSL_THIS_THREAD;
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
    const uint32_t refusals = mpglue_refusals();
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        call_out(call);
        fun(call->socket, arg);
        come_back(call);
        mpssl_forget_refusals(refusals);
        nlr_pop();
        return 0;
    }
    come_back(call);
    mpssl_forget_refusals(refusals);
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

void mpssl_give_way(ssl_socket_obj_t *self, void *arg) {
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
        if (protect(call, mpssl_give_way, &tries) != 0) {
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
        schedule(exc);
    }
    return ctrl_c;
}
