// SPDX-License-Identifier: MIT OR Apache-2.0
//
// DTLSListener: many DTLS clients on one UDP socket.
//
// Each accepted connection is an SSLSocket over a Peer, which is one client's share
// of the socket. Whoever reads, a Peer or accept(), takes all datagrams that have
// come and leaves each with the Peer it is for. A datagram from a stranger costs
// nothing that lasts: see mpssl_dtls_stranger.

#include <string.h>

#include "glue.h"

#include "py/objstr.h"
#include "mbedtls/ssl.h"

#if defined(MBEDTLS_SSL_DTLS_HELLO_VERIFY)

// Datagrams that wait for one Peer to read them; more are lost, as on any socket.
#define INBOX_MAX (8)
// A Peer with a full inbox that nobody reads, writes or polls for so long has been forgotten by
// the program.
#define FORGOTTEN_MS (60000)
// Datagrams taken from the socket at one time, so that a flood stops no one for long.
#define BURST_MAX (32)

typedef struct _listener_obj_t {
    mp_obj_base_t base;
    mp_obj_t sock; // MP_OBJ_NULL once closed
    ssl_context_obj_t *context;
    mp_obj_t peers; // dict: address, or Connection ID as bytes -> Peer
    mp_obj_t hellos; // list of Peers: verified clients to be accepted
    size_t backlog;
    size_t bufsize;
    size_t dropped;
    bool blocking;
} listener_obj_t;

typedef struct _peer_obj_t {
    mp_obj_base_t base;
    listener_obj_t *listener; // NULL once closed
    mp_obj_t address;
    mp_obj_t origin; // of the datagram read last
    mp_obj_t cid; // bytes; MP_OBJ_NULL: none
    mp_obj_t inbox; // list of (datagram, address)
    mp_uint_t used_at;
} peer_obj_t;

static const mp_obj_type_t listener_type;
static const mp_obj_type_t peer_type;

/******************************************************************************/
// The socket's methods, and what they raise that is no error here.

// Whether an exception says no more than that a datagram did not come or go.
static bool is_loss(mp_obj_t exc) {
    if (!mpssl_is_exception(exc, &mp_type_OSError)) {
        return false;
    }
    mp_obj_t value = mp_obj_exception_get_value(exc);
    if (!mp_obj_is_small_int(value)) {
        return false;
    }
    switch (MP_OBJ_SMALL_INT_VALUE(value)) {
        case MP_EAGAIN:
        case MP_ETIMEDOUT:
        case MP_ECONNREFUSED: // an ICMP message about an earlier datagram
        case MP_ECONNRESET:
        case MP_EHOSTUNREACH:
        case MP_ENOBUFS:
            return true;
        default:
            return false;
    }
}

typedef struct _call_t {
    mp_obj_t sock;
    qstr method;
    size_t n_args;
    mp_obj_t args[2];
    mp_obj_t result;
} call_t;

static void call_method(void *arg) {
    call_t *c = arg;
    mp_obj_t dest[4];
    mp_load_method(c->sock, c->method, dest);
    memcpy(dest + 2, c->args, c->n_args * sizeof(mp_obj_t));
    c->result = mp_call_method_n_kw(c->n_args, 0, dest);
}

// Calls it; false where a datagram was lost. Raises anything else.
static bool call_lossy(call_t *c) {
    mp_obj_t exc = mpssl_catch(call_method, c);
    if (exc == MP_OBJ_NULL) {
        return true;
    }
    if (is_loss(exc)) {
        return false;
    }
    nlr_raise(exc);
}

static void send_to(listener_obj_t *self, const void *data, size_t len, mp_obj_t address) {
    call_t c = { self->sock, MP_QSTR_sendto, 2, { mp_obj_new_bytes(data, len), address }, MP_OBJ_NULL };
    call_lossy(&c);
}

// Answers who is not known yet. The address may be made up (port 0, say), and what the
// system says to it is no news to whoever happens to read or poll now.
static void send_to_stranger(listener_obj_t *self, const void *data, size_t len, mp_obj_t address) {
    call_t c = { self->sock, MP_QSTR_sendto, 2, { mp_obj_new_bytes(data, len), address }, MP_OBJ_NULL };
    mp_obj_t exc = mpssl_catch(call_method, &c);
    if (exc != MP_OBJ_NULL && !mpssl_is_exception(exc, &mp_type_OSError)) {
        nlr_raise(exc);
    }
}

/******************************************************************************/
// Taking datagrams from the socket.

static mp_obj_t lookup(listener_obj_t *self, mp_obj_t key) {
    mp_map_elem_t *elem = mp_map_lookup(mp_obj_dict_get_map(self->peers), key, MP_MAP_LOOKUP);
    return elem == NULL ? MP_OBJ_NULL : elem->value;
}

// Takes a Peer off the list, unless another one has come to its place.
static void forget(listener_obj_t *self, mp_obj_t key, peer_obj_t *peer) {
    mp_map_elem_t *elem = mp_map_lookup(mp_obj_dict_get_map(self->peers), key, MP_MAP_LOOKUP);
    if (elem != NULL && elem->value == MP_OBJ_FROM_PTR(peer)) {
        // A map keeps the value of what was removed, and all that hangs on it.
        elem->value = mp_const_none;
        mp_map_lookup(mp_obj_dict_get_map(self->peers), key, MP_MAP_LOOKUP_REMOVE_IF_FOUND);
    }
}

// What stands for an address in a cookie.
static mp_obj_t address_id(mp_obj_t address) {
    mp_buffer_info_t buf;
    if (mp_get_buffer(address, &buf, MP_BUFFER_READ)) {
        return address;
    }
    vstr_t vstr;
    mp_print_t print;
    vstr_init_print(&vstr, 32, &print);
    mp_obj_print_helper(&print, address, PRINT_REPR);
    return mp_obj_new_bytes_from_vstr(&vstr);
}

static mpssl_bytes_t borrow(mp_obj_t obj) {
    mp_buffer_info_t buf;
    mp_get_buffer_raise(obj, &buf, MP_BUFFER_READ);
    return (mpssl_bytes_t){ buf.buf, buf.len };
}

static void peer_drop(peer_obj_t *peer) {
    listener_obj_t *listener = peer->listener;
    if (listener != NULL) {
        peer->listener = NULL;
        forget(listener, peer->address, peer);
        if (peer->cid != MP_OBJ_NULL) {
            forget(listener, peer->cid, peer);
        }
        // Nobody had to authenticate for what is in it. A list keeps what is behind its end.
        size_t len;
        mp_obj_t *items;
        mp_obj_list_get(peer->inbox, &len, &items);
        for (size_t i = 0; i < len; ++i) {
            items[i] = MP_OBJ_NULL;
        }
        mp_obj_list_set_len(peer->inbox, 0);
    }
}

static void deliver(peer_obj_t *peer, mp_obj_t datagram_and_address) {
    size_t len;
    mp_obj_t *items;
    mp_obj_list_get(peer->inbox, &len, &items);
    if (len < INBOX_MAX) {
        mp_obj_list_append(peer->inbox, datagram_and_address);
        return;
    }
    peer->listener->dropped++;
    if (mp_hal_ticks_ms() - peer->used_at >= FORGOTTEN_MS) {
        peer_drop(peer);
    }
}

// The Peer that a datagram is for, by Connection ID or by address; MP_OBJ_NULL: a stranger's.
static mp_obj_t find_peer(listener_obj_t *self, mpssl_bytes_t datagram, mp_obj_t address) {
    mpssl_signals_t signals;
    if (mpssl_claim(&self->context->guard, &signals)) {
        int cid_len = self->context->tls == NULL ? -1 : mpssl_context_dtls(self->context->tls).cid;
        mpssl_release(&self->context->guard, &signals);
        if (cid_len > 0) {
            mpssl_bytes_t cid = mpssl_dtls_connection_id(datagram, cid_len);
            if (cid.data != NULL) {
                return lookup(self, mp_obj_new_bytes(cid.data, cid.len));
            }
        }
    }
    return lookup(self, address);
}

static void remember(void *arg) {
    peer_obj_t *peer = arg;
    mp_obj_t peer_obj = MP_OBJ_FROM_PTR(peer);
    mp_obj_list_append(peer->listener->hellos, peer_obj);
    mp_obj_dict_store(peer->listener->peers, peer->address, peer_obj);
}

// A verified client's hello, or its first fragment: what else comes from there waits with it
// for accept. False: there are as many as may wait.
static bool welcome(listener_obj_t *self, mp_obj_t datagram_and_address) {
    size_t waiting;
    mp_obj_t *hellos;
    mp_obj_list_get(self->hellos, &waiting, &hellos);
    if (waiting >= self->backlog) {
        return false;
    }
    mp_obj_t *pair;
    mp_obj_get_array_fixed_n(datagram_and_address, 2, &pair);
    peer_obj_t *peer = mp_obj_malloc(peer_obj_t, &peer_type);
    peer->address = pair[1];
    peer->origin = pair[1];
    peer->cid = MP_OBJ_NULL;
    peer->inbox = mp_obj_new_list(1, &datagram_and_address);
    peer->used_at = mp_hal_ticks_ms();
    peer->listener = self;
    mp_obj_t exc = mpssl_catch(remember, peer);
    if (exc != MP_OBJ_NULL) {
        peer_drop(peer); // hello_next skips it
        nlr_raise(exc);
    }
    return true;
}

static void dispatch(listener_obj_t *self, mp_obj_t datagram_and_address) {
    mp_obj_t *pair;
    mp_obj_get_array_fixed_n(datagram_and_address, 2, &pair);
    mpssl_bytes_t datagram = borrow(pair[0]);
    if (datagram.len >= self->bufsize) {
        self->dropped++; // the system may have cut it
        return;
    }
    mp_obj_t peer = find_peer(self, datagram, pair[1]);
    if (peer != MP_OBJ_NULL) {
        deliver(MP_OBJ_TO_PTR(peer), datagram_and_address);
        return;
    }
    mpssl_bytes_t id = borrow(address_id(pair[1]));
    uint8_t reply[MPSSL_HELLO_VERIFY_LEN];
    int32_t what = MPSSL_DTLS_NOISE;
    mpssl_signals_t signals;
    if (mpssl_claim(&self->context->guard, &signals)) {
        if (self->context->tls != NULL) {
            what = mpssl_dtls_stranger(self->context->tls, datagram, id, reply);
        }
        mpssl_release(&self->context->guard, &signals);
    }
    if (what == MPSSL_DTLS_UNVERIFIED) {
        send_to_stranger(self, reply, sizeof(reply), pair[1]);
    } else if (what != MPSSL_DTLS_VERIFIED || !welcome(self, datagram_and_address)) {
        self->dropped++;
    }
}

// Takes what has come and leaves it where it belongs. Does not wait.
static void pump(listener_obj_t *self) {
    if (self->sock == MP_OBJ_NULL) {
        mp_raise_OSError(MP_EBADF);
    }
    const mp_stream_p_t *stream = mp_get_stream_raise(self->sock, MP_STREAM_OP_IOCTL);
    for (int i = 0; i < BURST_MAX; ++i) {
        int err;
        mp_uint_t ready = stream->ioctl(self->sock, MP_STREAM_POLL, MP_STREAM_POLL_RD, &err);
        if (ready == MP_STREAM_ERROR) {
            mp_raise_OSError(err);
        }
        if (!(ready & MP_STREAM_POLL_RD)) {
            return;
        }
        call_t c = { self->sock, MP_QSTR_recvfrom, 1, { mp_obj_new_int(self->bufsize) }, MP_OBJ_NULL };
        if (call_lossy(&c) && c.result != mp_const_none) {
            dispatch(self, c.result);
        }
    }
}

static void pump_it(void *self) {
    pump(self);
}

// pump(), for polls: an exception out of a poll would end an event loop and with it all
// connections. False where there was an error: the call that follows meets and reports it.
static bool pump_polled(listener_obj_t *self) {
    mp_obj_t exc = mpssl_catch(pump_it, self);
    if (exc == MP_OBJ_NULL) {
        return true;
    }
    if (mpssl_is_exception(exc, &mp_type_OSError) || mpssl_is_exception(exc, &mp_type_MemoryError)) {
        return false;
    }
    nlr_raise(exc);
}

/******************************************************************************/
// Peer: a transport.

static mp_obj_t peer_next(peer_obj_t *self) {
    size_t len;
    mp_obj_t *items;
    mp_obj_list_get(self->inbox, &len, &items);
    if (len == 0) {
        return MP_OBJ_NULL;
    }
    mp_obj_t next = items[0];
    mp_obj_t dest[3];
    mp_load_method(self->inbox, MP_QSTR_pop, dest);
    dest[2] = MP_OBJ_NEW_SMALL_INT(0);
    mp_call_method_n_kw(1, 0, dest);
    return next;
}

static mp_uint_t peer_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    peer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    self->used_at = mp_hal_ticks_ms();
    mp_obj_t next = peer_next(self);
    if (next == MP_OBJ_NULL && self->listener != NULL) {
        pump(self->listener);
        next = peer_next(self);
    }
    if (next == MP_OBJ_NULL) {
        *errcode = self->listener == NULL ? MP_EBADF : MP_EAGAIN;
        return MP_STREAM_ERROR;
    }
    mp_obj_t *pair;
    mp_obj_get_array_fixed_n(next, 2, &pair);
    mpssl_bytes_t datagram = borrow(pair[0]);
    self->origin = pair[1];
    size_t n = MIN(datagram.len, size);
    memcpy(buf, datagram.data, n);
    return n;
}

static mp_uint_t peer_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    peer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    self->used_at = mp_hal_ticks_ms();
    if (self->listener == NULL || self->listener->sock == MP_OBJ_NULL) {
        *errcode = MP_EBADF;
        return MP_STREAM_ERROR;
    }
    send_to(self->listener, buf, size, self->address);
    return size;
}

static mp_uint_t peer_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    peer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    self->used_at = mp_hal_ticks_ms();
    if (request == MP_STREAM_CLOSE) {
        peer_drop(self);
        return 0;
    }
    if (request != MP_STREAM_POLL) {
        *errcode = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    if (self->listener == NULL || self->listener->sock == MP_OBJ_NULL) {
        return MP_STREAM_POLL_NVAL;
    }
    mp_uint_t ready = arg & MP_STREAM_POLL_WR;
    if (arg & MP_STREAM_POLL_RD) {
        size_t len;
        mp_obj_t *items;
        mp_obj_list_get(self->inbox, &len, &items);
        if (len == 0) {
            if (!pump_polled(self->listener)) {
                return ready | MP_STREAM_POLL_RD;
            }
            mp_obj_list_get(self->inbox, &len, &items);
        }
        ready |= len > 0 ? MP_STREAM_POLL_RD : 0;
    }
    return ready;
}

static const mp_stream_p_t peer_stream_p = {
    .read = peer_read,
    .write = peer_write,
    .ioctl = peer_ioctl,
};

// setblocking(flag), settimeout(seconds or None): the socket is everybody's.
static mp_obj_t peer_setblocking(mp_obj_t self_in, mp_obj_t flag) {
    (void)self_in;
    (void)flag;
    mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("set by the listener"));
}
static MP_DEFINE_CONST_FUN_OBJ_2(peer_setblocking_obj, peer_setblocking);

static const mp_rom_map_elem_t peer_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&peer_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_settimeout), MP_ROM_PTR(&peer_setblocking_obj) },
};
static MP_DEFINE_CONST_DICT(peer_locals_dict, peer_locals_dict_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    peer_type,
    MP_QSTR_DTLSPeer,
    MP_TYPE_FLAG_NONE,
    protocol, &peer_stream_p,
    locals_dict, &peer_locals_dict);

bool mpssl_is_peer(mp_obj_t sock) {
    return mp_obj_is_type(sock, &peer_type);
}

size_t mpssl_peer_datagram_max(mp_obj_t sock) {
    peer_obj_t *self = MP_OBJ_TO_PTR(sock);
    return self->listener == NULL ? 0 : self->listener->bufsize;
}

bool mpssl_peer_may_wait(mp_obj_t sock) {
    peer_obj_t *self = MP_OBJ_TO_PTR(sock);
    return self->listener != NULL && self->listener->blocking;
}

void mpssl_peer_follow(void *arg) {
    mp_obj_t sock = arg;
    if (sock == MP_OBJ_NULL || !mpssl_is_peer(sock)) {
        return;
    }
    peer_obj_t *self = MP_OBJ_TO_PTR(sock);
    // Only a Connection ID makes a client known at another address (RFC 9146 6).
    if (self->listener == NULL || self->cid == MP_OBJ_NULL || mp_obj_equal(self->origin, self->address)) {
        return;
    }
    // Its records are known by their ID wherever they come from. What comes without one is not
    // its own any more at the old address, and nothing says that it is at the new one, where
    // another client may be.
    forget(self->listener, self->address, self);
    self->address = self->origin;
}

/******************************************************************************/
// The listener.

// SSLContext.listen(sock, *, backlog=4, bufsize=2048) -> DTLSListener
static mp_obj_t context_listen(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_sock,
        ARG_backlog,
        ARG_bufsize
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_sock, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_backlog, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 4 } },
        { MP_QSTR_bufsize, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 2048 } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    ssl_context_obj_t *context = mpssl_context_cast(pos_args[0]);
    if (!mpssl_context_makes_listeners(context)) {
        mp_raise_ValueError(MP_ERROR_TEXT("listen needs PROTOCOL_DTLS_SERVER"));
    }
    if (args[ARG_backlog].u_int < 1 || args[ARG_bufsize].u_int < 256) {
        mp_raise_ValueError(NULL);
    }
    mp_get_stream_raise(args[ARG_sock].u_obj, MP_STREAM_OP_IOCTL);
    listener_obj_t *self = mp_obj_malloc(listener_obj_t, &listener_type);
    self->sock = args[ARG_sock].u_obj;
    self->context = context;
    self->peers = mp_obj_new_dict(0);
    self->hellos = mp_obj_new_list(0, NULL);
    self->backlog = args[ARG_backlog].u_int;
    self->bufsize = args[ARG_bufsize].u_int;
    self->dropped = 0;
    self->blocking = true;
    return MP_OBJ_FROM_PTR(self);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpssl_context_listen_obj, 2, context_listen);

// The Peer that is to be accepted next; NULL: there is none.
static peer_obj_t *hello_next(listener_obj_t *self) {
    for (;;) {
        size_t waiting;
        mp_obj_t *hellos;
        mp_obj_list_get(self->hellos, &waiting, &hellos);
        if (waiting == 0) {
            return NULL;
        }
        peer_obj_t *peer = MP_OBJ_TO_PTR(hellos[0]);
        if (peer->listener != NULL) {
            return peer;
        }
        mp_obj_list_remove(self->hellos, hellos[0]);
    }
}

// accept() -> (SSLSocket, address), the handshake still to be done; None where there
// is no new client and the listener does not block.
static mp_obj_t listener_accept(mp_obj_t self_in) {
    listener_obj_t *self = MP_OBJ_TO_PTR(self_in);
    pump(self);
    peer_obj_t *peer;
    while ((peer = hello_next(self)) == NULL) {
        if (!self->blocking) {
            return mp_const_none;
        }
        mp_event_wait_ms(1);
        pump(self);
    }
    // Until all is made it can be accepted once more.
    mp_obj_t peer_obj = MP_OBJ_FROM_PTR(peer);
    mp_obj_t sock = mpssl_socket_make(self->context, peer_obj, true, false, mp_const_none, address_id(peer->address));
    mp_obj_t result[2] = { sock, peer->address };
    mp_obj_t tuple = mp_obj_new_tuple(2, result);
    mp_obj_t cid = mpssl_socket_cid(sock);
    if (cid != MP_OBJ_NULL) {
        mp_obj_dict_store(self->peers, cid, peer_obj);
        peer->cid = cid;
    }
    peer->used_at = mp_hal_ticks_ms();
    mp_obj_list_remove(self->hellos, peer_obj);
    return tuple;
}
static MP_DEFINE_CONST_FUN_OBJ_1(listener_accept_obj, listener_accept);

static mp_uint_t listener_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    listener_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_CLOSE) {
        mp_obj_t sock = self->sock;
        if (sock == MP_OBJ_NULL) {
            return 0;
        }
        self->sock = MP_OBJ_NULL;
        return mp_get_stream(sock)->ioctl(sock, MP_STREAM_CLOSE, 0, errcode);
    }
    if (request != MP_STREAM_POLL) {
        *errcode = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    if (self->sock == MP_OBJ_NULL) {
        return MP_STREAM_POLL_NVAL;
    }
    if (!(arg & MP_STREAM_POLL_RD)) {
        return 0;
    }
    if (hello_next(self) == NULL && !pump_polled(self)) {
        return MP_STREAM_POLL_RD;
    }
    return hello_next(self) == NULL ? 0 : MP_STREAM_POLL_RD;
}

// To be polled and closed; there is nothing to read or write.
static const mp_stream_p_t listener_stream_p = {
    .ioctl = listener_ioctl,
};

// setblocking(flag): whether accept, and the connections' calls, wait.
static mp_obj_t listener_setblocking(mp_obj_t self_in, mp_obj_t flag) {
    listener_obj_t *self = MP_OBJ_TO_PTR(self_in);
    self->blocking = mp_obj_is_true(flag);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(listener_setblocking_obj, listener_setblocking);

static void listener_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    listener_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] != MP_OBJ_NULL) {
        return; // nothing can be stored
    }
    if (attr == MP_QSTR_dropped) {
        dest[0] = mp_obj_new_int_from_uint(self->dropped);
    } else {
        dest[1] = MP_OBJ_SENTINEL; // go on in the locals dict
    }
}

static const mp_rom_map_elem_t listener_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_accept), MP_ROM_PTR(&listener_accept_obj) },
    { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&listener_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mp_stream___exit___obj) },
};
static MP_DEFINE_CONST_DICT(listener_locals_dict, listener_locals_dict_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    listener_type,
    MP_QSTR_DTLSListener,
    MP_TYPE_FLAG_NONE,
    attr, listener_attr,
    protocol, &listener_stream_p,
    locals_dict, &listener_locals_dict);

#else

bool mpssl_is_peer(mp_obj_t sock) {
    (void)sock;
    return false;
}

size_t mpssl_peer_datagram_max(mp_obj_t sock) {
    (void)sock;
    return 0;
}

bool mpssl_peer_may_wait(mp_obj_t sock) {
    (void)sock;
    return false;
}

void mpssl_peer_follow(void *arg) {
    (void)arg;
}

#endif // MBEDTLS_SSL_DTLS_HELLO_VERIFY
