// SPDX-License-Identifier: MIT OR Apache-2.0
//
// DTLSListener: many DTLS clients on one UDP socket.
//
// Each accepted connection is an SSLSocket over a Peer, which is one client's share
// of the socket. Whoever reads, a Peer or accept(), takes all datagrams that have
// come; Rust leaves each where it belongs (src/dtls/), and knows addresses as bytes.

#include <string.h>
#if defined(__unix__) || defined(__APPLE__)
#include <sys/socket.h>
#endif

#include "glue.h"

#include "py/objstr.h"
#include "py/objtuple.h"
#include "mbedtls/ssl.h"

#if defined(MBEDTLS_SSL_DTLS_HELLO_VERIFY)

// Datagrams taken from the socket at one time, so that a flood stops no one for long.
#define BURST_MAX (32)

// The clients that a listener has room for if the program does not say.
#ifndef MPSSL_CLIENTS_DEFAULT
#if defined(__unix__) || defined(__APPLE__)
#define MPSSL_CLIENTS_DEFAULT (4096)
#else
#define MPSSL_CLIENTS_DEFAULT (128)
#endif
#endif

typedef struct _listener_obj_t {
    mp_obj_base_t base;
    mpssl_listener_t *clients; // NULL once closed
    mpssl_guard_t guard; // for `clients`
    volatile uint32_t version; // theirs; another one once closed
    uint32_t seen; // when nobody was to be accepted
    mp_obj_t sock; // MP_OBJ_NULL once closed
    ssl_context_obj_t *context;
    size_t bufsize;
    size_t dropped;
    bool blocking;
#if MPSSL_DESCRIPTORS
    mpssl_descriptor_t descriptor; // the socket's
    uintptr_t next; // see `listeners`
#endif
} listener_obj_t;

typedef struct _peer_obj_t {
    mp_obj_base_t base;
    listener_obj_t *listener;
    uint64_t client; // its number, in vain once closed
    uint32_t seen; // the listener's version when nothing was to be read
    void *departed; // for the finaliser; NULL: not accepted yet
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
    if (c->sock == MP_OBJ_NULL) {
        mp_raise_OSError(MP_EBADF); // another thread closes it
    }
    mp_obj_t dest[4];
    mp_load_method(c->sock, c->method, dest);
    memcpy(dest + 2, c->args, c->n_args * sizeof(mp_obj_t));
    size_t n_args = c->n_args;
#if MPSSL_DESCRIPTORS
    // Another thread may have taken what a poll saw. (One in Python says itself whether it waits.)
    if (c->method == MP_QSTR_recvfrom && mpssl_descriptor(dest[1]) >= 0) {
        dest[2 + n_args++] = MP_OBJ_NEW_SMALL_INT(MSG_DONTWAIT);
    }
#endif
    c->result = mp_call_method_n_kw(n_args, 0, dest);
}

// Sends a datagram, or loses it. What the system says to an answer to a stranger, whose address may
// be made up (port 0, say), is no news to whoever happens to read or poll now.
static void send_to(listener_obj_t *self, const void *data, size_t len, mp_obj_t address, bool stranger) {
    call_t c = { self->sock, MP_QSTR_sendto, 2, { mp_obj_new_bytes(data, len), address }, MP_OBJ_NULL };
    mp_obj_t exc = mpssl_catch(call_method, &c);
    if (exc != MP_OBJ_NULL && !(stranger ? mpssl_is_exception(exc, &mp_type_OSError) : is_loss(exc))) {
        nlr_raise(exc);
    }
}

/******************************************************************************/
// Addresses: to Python bytes, or a tuple of texts and numbers; bytes to Rust. The first says
// whether it is a tuple. Each part is its kind, its length, and so many bytes.

enum {
    PART_BYTES,
    PART_STR,
    PART_INT,
    PARTS_MAX = 4, // IPv6's
};

typedef struct _address_t {
    size_t len;
    uint8_t bytes[MPSSL_ADDRESS_MAX];
} address_t;

static void pack(address_t *self, mp_obj_t address) {
    bool is_tuple = mp_obj_is_type(address, &mp_type_tuple);
    size_t n = 1;
    mp_obj_t *parts = &address;
    if (is_tuple) {
        mp_obj_tuple_get(address, &n, &parts);
    }
    self->len = 0;
    self->bytes[self->len++] = is_tuple;
    for (size_t i = 0; i < n; ++i) {
        mp_int_t number;
        mp_buffer_info_t buf = { .buf = &number, .len = sizeof(number) };
        bool is_int = mp_obj_is_int(parts[i]);
        if (is_int) {
            number = mp_obj_get_int(parts[i]);
        } else {
            mp_get_buffer_raise(parts[i], &buf, MP_BUFFER_READ);
        }
        if (n > PARTS_MAX || buf.len + 2 > sizeof(self->bytes) - self->len) {
            mp_raise_ValueError(MP_ERROR_TEXT("address too long"));
        }
        self->bytes[self->len++] = is_int ? PART_INT : mp_obj_is_str(parts[i]) ? PART_STR
                                                                               : PART_BYTES;
        self->bytes[self->len++] = buf.len;
        memcpy(self->bytes + self->len, buf.buf, buf.len);
        self->len += buf.len;
    }
}

static mp_obj_t unpack(const address_t *self) {
    mp_obj_t parts[PARTS_MAX];
    size_t n = 0;
    size_t len;
    for (size_t at = 1; at < self->len; at += 2 + len) {
        const uint8_t *data = &self->bytes[at + 2];
        len = self->bytes[at + 1];
        if (self->bytes[at] == PART_INT) {
            mp_int_t number;
            memcpy(&number, data, sizeof(number));
            parts[n++] = mp_obj_new_int(number);
        } else {
            bool is_str = self->bytes[at] == PART_STR;
            parts[n++] = is_str ? mp_obj_new_str((const char *)data, len) : mp_obj_new_bytes(data, len);
        }
    }
    return self->bytes[0] ? mp_obj_new_tuple(n, parts) : parts[0];
}

#if MPSSL_HIBERNATION
// Whether it is what pack() makes.
static bool is_packed(const address_t *self) {
    size_t n = 0;
    size_t at = 1;
    while (at + 2 <= self->len && n < PARTS_MAX) {
        size_t len = self->bytes[at + 1];
        if (self->bytes[at] > PART_INT || (self->bytes[at] == PART_INT && len != sizeof(mp_int_t))) {
            return false;
        }
        at += 2 + len;
        n++;
    }
    return self->len != 0 && at == self->len && self->bytes[0] <= 1 && (self->bytes[0] || n == 1);
}
#endif

/******************************************************************************/
// Taking datagrams from the socket.

// Within calls as well. No thread runs Python meanwhile, or waits.
static bool claim(listener_obj_t *self, mpssl_signals_t *signals) {
    if (!mpssl_claim_where(&self->guard, signals, MPSSL_STAYS)) {
        return false;
    }
    if (self->clients == NULL) {
        mpssl_release(&self->guard, signals);
        return false;
    }
    return true;
}

// Calls Rust with the listener claimed; does nothing where it is closed.
#define CLAIMED(self, statement) \
    do { \
        mpssl_signals_t signals; \
        if (claim((self), &signals)) { \
            statement; \
            (self)->version = mpssl_listener_version((self)->clients); \
            mpssl_release(&(self)->guard, &signals); \
        } \
    } while (0)

static void dispatch(listener_obj_t *self, mp_obj_t datagram_and_address) {
    mp_obj_t *pair;
    mp_obj_get_array_fixed_n(datagram_and_address, 2, &pair);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(pair[0], &buf, MP_BUFFER_READ);
    address_t address;
    pack(&address, pair[1]);
    mpssl_bytes_t datagram = { buf.buf, buf.len };
    mpssl_bytes_t origin = { address.bytes, address.len };
    uint8_t reply[MPSSL_HELLO_VERIFY_LEN];
    mpssl_status_t status = { MPSSL_ERRNO, MP_EBADF };
    uint32_t taken = MPSSL_LISTENER_DROPPED; // without memory as well: the client will send again
    CLAIMED(self, {
        if (mp_get_buffer(pair[0], &buf, MP_BUFFER_READ)) { // another thread may have moved it
            datagram.data = buf.buf;
            datagram.len = buf.len;
        }
        CALL_WITH_MEMORY(status, mpssl_listener_take(self->clients, datagram, origin, reply, &taken));
    });
    (void)status;
    if (taken == MPSSL_LISTENER_ANSWER) {
        send_to(self, reply, sizeof(reply), pair[1], true);
    } else if (taken == MPSSL_LISTENER_DROPPED) {
        self->dropped++;
    }
}

// Takes what has come and leaves it where it belongs. Does not wait.
static void pump(listener_obj_t *self) {
    for (int i = 0; i < BURST_MAX; ++i) {
        mp_obj_t sock = self->sock;
        if (sock == MP_OBJ_NULL) {
            mp_raise_OSError(MP_EBADF); // perhaps closed by a socket in Python
        }
        int err;
        mp_obj_t stream = mpssl_get_stream(sock, MP_STREAM_OP_IOCTL);
        mp_uint_t ready = mp_get_stream(stream)->ioctl(stream, MP_STREAM_POLL, MP_STREAM_POLL_RD, &err);
        if (ready == MP_STREAM_ERROR) {
            mp_raise_OSError(mpssl_stream_errno(err));
        }
        if (ready & MP_STREAM_POLL_NVAL) {
            mp_raise_OSError(MP_EBADF); // its owner has closed it
        }
        if (!(ready & MP_STREAM_POLL_RD)) {
            return;
        }
        call_t c = { sock, MP_QSTR_recvfrom, 1, { mp_obj_new_int(self->bufsize) }, MP_OBJ_NULL };
        mp_obj_t exc = mpssl_catch(call_method, &c);
        if (exc != MP_OBJ_NULL && !is_loss(exc)) {
            nlr_raise(exc);
        }
        if (exc == MP_OBJ_NULL && c.result != mp_const_none) {
            dispatch(self, c.result);
        }
    }
}

static void pump_it(void *self) {
    pump(self);
}

static mp_uint_t look(listener_obj_t *self, uint64_t client, uint32_t *seen) {
    if (*seen == self->version) {
        return 0; // and nothing to claim for that: most polls come here
    }
    mp_uint_t ready = MP_STREAM_POLL_NVAL;
    CLAIMED(self, {
        ready = mpssl_listener_poll(self->clients, client);
        *seen = ready == 0 ? mpssl_listener_version(self->clients) : *seen;
    });
    return ready;
}

// Whether a client has something to read, or with client 0 whether there is one to be accepted;
// takes what has come first. An exception out of a poll would end an event loop and with it all
// connections. Where there was an error, the call that follows meets and reports it.
static mp_uint_t poll(listener_obj_t *self, uint64_t client, uint32_t *seen, bool take) {
    mp_uint_t ready = look(self, client, seen);
    if (ready != 0 || !take) {
        return ready;
    }
    mp_obj_t exc = mpssl_catch(pump_it, self);
    if (exc == MP_OBJ_NULL) {
        return look(self, client, seen);
    }
    if (mpssl_is_exception(exc, &mp_type_OSError) || mpssl_is_exception(exc, &mp_type_MemoryError)) {
        return MP_STREAM_POLL_RD;
    }
    nlr_raise(exc);
}

/******************************************************************************/
// Peer: a transport.

// The address of a client; false where it is gone.
static bool find_address(listener_obj_t *self, uint64_t client, address_t *address) {
    mpssl_bytes_t known = { NULL, 0 };
    // What Rust has may change as soon as another thread claims it.
    CLAIMED(self, {
        known = mpssl_listener_address(self->clients, client);
        address->len = known.len;
        memcpy(address->bytes, known.data == NULL ? address->bytes : known.data, known.len);
    });
    return known.len != 0;
}

static int32_t peer_next(peer_obj_t *self, void *buf, size_t size) {
    int32_t n = MPGLUE_UNKNOWN;
    CLAIMED(self->listener, n = mpssl_listener_read(self->listener->clients, self->client, buf, size));
    return n;
}

static mp_uint_t peer_read(mp_obj_t self_in, void *buf, mp_uint_t size, int *errcode) {
    peer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    int32_t n = peer_next(self, buf, size);
    uint32_t version = self->listener->version;
    if (n == MPGLUE_WOULD_BLOCK) {
        pump(self->listener);
        n = self->listener->version == version ? n : peer_next(self, buf, size);
    }
    if (n < 0) {
        *errcode = n == MPGLUE_WOULD_BLOCK ? MP_EAGAIN : MP_EBADF;
        return MP_STREAM_ERROR;
    }
    return n;
}

static mp_uint_t peer_write(mp_obj_t self_in, const void *buf, mp_uint_t size, int *errcode) {
    peer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    address_t address;
    if (!find_address(self->listener, self->client, &address)) {
        *errcode = MP_EBADF;
        return MP_STREAM_ERROR;
    }
    send_to(self->listener, buf, size, unpack(&address), false);
    return size;
}

static mp_uint_t peer_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    peer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_CLOSE) {
        CLAIMED(self->listener, mpssl_listener_remove(self->listener->clients, self->client));
        return 0;
    }
    if (request != MP_STREAM_POLL) {
        *errcode = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    mp_uint_t ready = poll(self->listener, self->client, &self->seen, arg & MP_STREAM_POLL_RD);
    return ready == MP_STREAM_POLL_NVAL ? ready : (ready | MP_STREAM_POLL_WR) & arg;
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

// DTLSPeer.__del__(): a connection was dropped, or closed.
static mp_obj_t peer_del(mp_obj_t self_in) {
    peer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_listener_depart(self->departed, self->client);
    self->departed = NULL;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(peer_del_obj, peer_del);

static const mp_rom_map_elem_t peer_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&peer_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_settimeout), MP_ROM_PTR(&peer_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&peer_del_obj) },
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

#if MPSSL_HIBERNATION
size_t mpssl_peer_address(mp_obj_t sock, uint8_t *bytes, bool *at_home) {
    peer_obj_t *self = MP_OBJ_TO_PTR(sock);
    address_t address = { .len = 0 };
    find_address(self->listener, self->client, &address);
    memcpy(bytes, address.bytes, address.len);
    *at_home = false;
    CLAIMED(self->listener, *at_home = mpssl_listener_is_at_home(self->listener->clients, self->client));
    return address.len;
}
#endif

size_t mpssl_peer_datagram_max(mp_obj_t sock) {
    peer_obj_t *self = MP_OBJ_TO_PTR(sock);
    return self->listener->bufsize;
}

bool mpssl_peer_may_wait(mp_obj_t sock) {
    peer_obj_t *self = MP_OBJ_TO_PTR(sock);
    return self->listener->blocking;
}

void mpssl_peer_follow(mp_obj_t sock) {
    if (mpssl_is_peer(sock)) {
        peer_obj_t *self = MP_OBJ_TO_PTR(sock);
        CLAIMED(self->listener, mpssl_listener_follow(self->listener->clients, self->client));
    }
}

/******************************************************************************/
// The listener.

#if MPSSL_DESCRIPTORS
// Those that may have a descriptor to give back, each as the complement of its address: the collector is not
// to find one by another. A socket may be listened on again, or wrapped, before a listener of it that was
// dropped is collected.
static uintptr_t listeners;

static listener_obj_t *hidden(uintptr_t address) {
    return (listener_obj_t *)~address;
}

static void own_descriptor(listener_obj_t *self) {
    mp_obj_t sock = mpssl_get_stream(self->sock, MP_STREAM_OP_IOCTL);
    uintptr_t state = mpglue_atomic_begin();
    self->descriptor = mpssl_remember_descriptor(sock);
    self->next = listeners;
    listeners = ~(uintptr_t)self;
    mpglue_atomic_end(state);
}

// Takes it from the list; closes its descriptor if no other listener has that.
static void disown_descriptor(listener_obj_t *self, bool closes) {
    uintptr_t state = mpglue_atomic_begin();
    uintptr_t *link = &listeners;
    while (*link != 0) {
        listener_obj_t *other = hidden(*link);
        if (other == self) {
            *link = self->next;
            continue;
        }
        const mpssl_descriptor_t *theirs = &other->descriptor, *own = &self->descriptor;
        if (theirs->fd == own->fd && own->fd >= 0 && theirs->dev == own->dev && theirs->ino == own->ino) {
            closes = false;
        }
        link = &other->next;
    }
    if (closes) {
        mpssl_close_descriptor(&self->descriptor);
    }
    mpglue_atomic_end(state);
}

void mpssl_listeners_disown(int fd) {
    uintptr_t state = mpglue_atomic_begin();
    for (uintptr_t link = listeners; link != 0; link = hidden(link)->next) {
        mpssl_descriptor_t *theirs = &hidden(link)->descriptor;
        theirs->fd = theirs->fd == fd ? -1 : theirs->fd;
    }
    mpglue_atomic_end(state);
}
#endif

// SSLContext.listen(sock, *, backlog=4, bufsize=2048, clients=...) -> DTLSListener
static mp_obj_t context_listen(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_sock,
        ARG_backlog,
        ARG_bufsize,
        ARG_clients,
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_sock, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_backlog, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 4 } },
        { MP_QSTR_bufsize, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = 2048 } },
        { MP_QSTR_clients, MP_ARG_KW_ONLY | MP_ARG_INT, { .u_int = MPSSL_CLIENTS_DEFAULT } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    ssl_context_obj_t *context = mpssl_context_cast(pos_args[0]);
    if (!mpssl_context_makes_listeners(context)) {
        mp_raise_ValueError(MP_ERROR_TEXT("listen needs PROTOCOL_DTLS_SERVER"));
    }
    mp_int_t backlog = args[ARG_backlog].u_int;
    mp_int_t bufsize = args[ARG_bufsize].u_int;
    mp_int_t clients = args[ARG_clients].u_int;
    if (backlog < 1 || bufsize < 256 || clients < 1 || clients > MPSSL_CLIENTS_MAX) {
        mp_raise_ValueError(NULL);
    }
    mpssl_get_stream(args[ARG_sock].u_obj, MP_STREAM_OP_IOCTL);
    listener_obj_t *self = mp_obj_malloc_with_finaliser(listener_obj_t, &listener_type);
    self->clients = NULL;
    self->version = 0;
    self->seen = 1;
    mpssl_guard_init(&self->guard);
    self->sock = args[ARG_sock].u_obj;
    self->context = context;
    self->bufsize = bufsize;
    context->instance = pos_args[0];
    self->dropped = 0;
    self->blocking = true;
#if MPSSL_DESCRIPTORS
    self->descriptor.fd = -1; // its owner's, until there is a listener
#endif
    mpssl_signals_t signals;
    if (!mpssl_claim(&context->guard, &signals)) {
        mp_raise_OSError(MP_EBUSY);
    }
    mpssl_status_t status = { MPSSL_ERRNO, MP_EBADF };
    if (context->tls != NULL) {
        CALL_WITH_MEMORY(status, mpssl_listener_new(context->tls, clients, backlog, bufsize, &self->clients));
    }
    mpssl_release(&context->guard, &signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
#if MPSSL_DESCRIPTORS
    own_descriptor(self);
#endif
    return MP_OBJ_FROM_PTR(self);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpssl_context_listen_obj, 2, context_listen);

// The client that is to be accepted next; 0: there is none.
static uint64_t waiting(listener_obj_t *self) {
    uint64_t client = 0;
    CLAIMED(self, client = mpssl_listener_waiting(self->clients));
    return client;
}

static peer_obj_t *new_peer(listener_obj_t *self, uint64_t client) {
    peer_obj_t *peer = mp_obj_malloc_with_finaliser(peer_obj_t, &peer_type);
    peer->listener = self;
    peer->client = client;
    peer->seen = self->version - 1;
    peer->departed = NULL;
    return peer;
}

// Makes a client's connection: (SSLSocket, address), or MP_OBJ_NULL where it cannot be accepted
// any more. What raises changes nothing: it can be accepted once more.
static mp_obj_t accept_client(listener_obj_t *self, uint64_t client) {
    address_t address;
    if (!find_address(self, client, &address)) {
        return MP_OBJ_NULL;
    }
    peer_obj_t *peer = new_peer(self, client);
    mp_obj_t id = mp_obj_new_bytes(address.bytes, address.len);
    mp_obj_t items[2];
    items[0] = mpssl_socket_make(self->context, MP_OBJ_FROM_PTR(peer), true, false, mp_const_none, mp_const_none, id,
        mp_const_none);
    items[1] = unpack(&address);
    mp_obj_t result = mp_obj_new_tuple(2, items);
    ssl_socket_obj_t *sock = MP_OBJ_TO_PTR(items[0]); // which nobody else has
    mpssl_status_t status = { MPSSL_OK, 0 };
    CLAIMED(self, CALL_WITH_MEMORY(status, mpssl_listener_accept(self->clients, client, sock->tls, &peer->departed)));
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
    return peer->departed == NULL ? MP_OBJ_NULL : result;
}

// accept() -> (SSLSocket, address), the handshake still to be done; None where there
// is no new client and the listener does not block.
static mp_obj_t listener_accept(mp_obj_t self_in) {
    listener_obj_t *self = MP_OBJ_TO_PTR(self_in);
    pump(self);
    for (;;) {
        uint64_t client = waiting(self);
        mp_obj_t accepted = client == 0 ? MP_OBJ_NULL : accept_client(self, client);
        if (accepted != MP_OBJ_NULL) {
            return accepted;
        }
        if (client == 0) {
            if (!self->blocking) {
                return mp_const_none;
            }
            mp_event_wait_ms(1);
            pump(self);
        }
    }
}
static MP_DEFINE_CONST_FUN_OBJ_1(listener_accept_obj, listener_accept);

#if MPSSL_HIBERNATION
// restore(state, *, key, counter=None) -> (SSLSocket, address): a client's connection, open, which was
// accepted by a listener in another life and exported.
static mp_obj_t listener_restore(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = { MPSSL_RESTORE_ALLOWED_ARGS };
    mp_arg_val_t args[MPSSL_RESTORE_ARGS];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MPSSL_RESTORE_ARGS, allowed_args, args);
    listener_obj_t *self = MP_OBJ_TO_PTR(pos_args[0]);
    peer_obj_t *peer = new_peer(self, 0); // nobody's number
    uint32_t n;
    mp_obj_t origin;
    bool at_home;
    ssl_socket_obj_t *sock = mpssl_socket_load(self->context, MP_OBJ_FROM_PTR(peer), args, &n, &origin, &at_home);
    address_t address = { .len = 0 };
    if (origin != mp_const_none) {
        mp_buffer_info_t buf;
        mp_get_buffer_raise(origin, &buf, MP_BUFFER_READ);
        address.len = MIN(buf.len, sizeof(address.bytes));
        memcpy(address.bytes, buf.buf, address.len);
    }
    if (!is_packed(&address)) {
        mp_raise_ValueError(MP_ERROR_TEXT("not the state of a listener's client"));
    }
    mp_obj_t items[2] = { MP_OBJ_FROM_PTR(sock), unpack(&address) };
    mp_obj_t result = mp_obj_new_tuple(2, items); // behind the counter nothing is to fail
    mpssl_bytes_t bytes = { address.bytes, address.len };
    mpssl_status_t status = { MPSSL_ERRNO, MP_EBADF };
    CLAIMED(self, CALL_WITH_MEMORY(status, mpssl_listener_restore(self->clients, sock->tls, bytes, at_home, &peer->client, &peer->departed)));
    if (status.kind != MPSSL_OK) {
        mpssl_socket_drop(sock);
        mpssl_raise(MP_OBJ_NULL, status);
    }
    mpssl_socket_consume(sock, args[MPSSL_RESTORE_COUNTER].u_obj, n);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(listener_restore_obj, 1, listener_restore);
#endif

static void listener_free(listener_obj_t *self) {
    mpssl_signals_t signals;
    if (claim(self, &signals)) {
        mpssl_listener_free(self->clients);
        self->clients = NULL;
        self->version++;
        mpssl_release(&self->guard, &signals);
    }
}

// DTLSListener.__del__(): what is known of clients. (unix: it closes the socket's descriptor.)
static mp_obj_t listener_del(mp_obj_t self_in) {
    listener_obj_t *self = MP_OBJ_TO_PTR(self_in);
    // A thread that the port has ended may have claimed it, and never releases it.
    bool unclaimed = self->guard.thread == NULL;
#if MPSSL_DESCRIPTORS
    disown_descriptor(self, unclaimed && self->sock != MP_OBJ_NULL);
#endif
    if (unclaimed) {
        self->sock = MP_OBJ_NULL;
        listener_free(self);
        mpssl_guard_end(&self->guard);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(listener_del_obj, listener_del);

static mp_uint_t listener_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    listener_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (request == MP_STREAM_CLOSE) {
        mp_obj_t sock = self->sock;
        if (sock == MP_OBJ_NULL) {
            return 0;
        }
        self->sock = MP_OBJ_NULL;
        listener_free(self);
        sock = mpssl_get_stream(sock, MP_STREAM_OP_IOCTL);
        return mp_get_stream(sock)->ioctl(sock, MP_STREAM_CLOSE, 0, errcode);
    }
    if (request != MP_STREAM_POLL) {
        *errcode = MP_EINVAL;
        return MP_STREAM_ERROR;
    }
    if (self->sock == MP_OBJ_NULL) {
        return MP_STREAM_POLL_NVAL;
    }
    return arg & MP_STREAM_POLL_RD ? poll(self, 0, &self->seen, true) : 0;
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
#if MPSSL_HIBERNATION
    { MP_ROM_QSTR(MP_QSTR_restore), MP_ROM_PTR(&listener_restore_obj) },
#endif
    { MP_ROM_QSTR(MP_QSTR_setblocking), MP_ROM_PTR(&listener_setblocking_obj) },
    { MP_ROM_QSTR(MP_QSTR_close), MP_ROM_PTR(&mp_stream_close_obj) },
    { MP_ROM_QSTR(MP_QSTR___enter__), MP_ROM_PTR(&mp_identity_obj) },
    { MP_ROM_QSTR(MP_QSTR___exit__), MP_ROM_PTR(&mp_stream___exit___obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&listener_del_obj) },
};
static MP_DEFINE_CONST_DICT(listener_locals_dict, listener_locals_dict_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    listener_type,
    MP_QSTR_DTLSListener,
    MP_TYPE_FLAG_NONE,
    attr, listener_attr,
    protocol, &listener_stream_p,
    locals_dict, &listener_locals_dict);

#endif // MBEDTLS_SSL_DTLS_HELLO_VERIFY
