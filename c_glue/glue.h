// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What the C files of the glue share. Which is for what:
//
//   classes.c modssl.c         the modules tls and ssl: classes, functions, constants
//   ssl_context.c ssl_socket.c ssl_session.c dtls_listener.c   objects: arguments, attributes, methods
//   credentials.c certificate.c   what Python gives for certificates and keys, and gets for one
//   protect.c raise.c          calls into Rust: claims, every nlr_push, what is raised for a status
//   transport.c callbacks.c files.c   what Rust asks of Python meanwhile
//   port.c memory.c ms_time.c arm_eabi.c   what it asks of the port, and what a port may lack
#ifndef MPSSL_GLUE_H
#define MPSSL_GLUE_H

#include "py/gc.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "py/mphal.h"
#include "py/mperrno.h"

#include "mpssl.h"
#include "mbedtls/ssl.h"

#ifndef MP_NORETURN
#define MP_NORETURN NORETURN // MicroPython 1.25
#endif

// Whether transports may be sockets of the OS: numbers, which C can use, and which no finaliser of
// theirs closes.
#if MICROPY_PY_SOCKET && (defined(__unix__) || defined(__APPLE__))
#include <sys/stat.h>
#define MPSSL_DESCRIPTORS 1
#else
#define MPSSL_DESCRIPTORS 0
#endif

#ifndef MPSSL_PEER_CERT_DICT
#define MPSSL_PEER_CERT_DICT 1 // getpeercert() without arguments
#endif

// Where a client finds CAs by default, on a board with a file system.
#ifndef MPSSL_DEFAULT_CAFILE
#define MPSSL_DEFAULT_CAFILE "/ca.bundle"
#endif

// Whether the secrets of handshakes can be written to a file: a build for who looks into their records.
#ifndef MPSSL_KEYLOG
#define MPSSL_KEYLOG 0
#endif

// Whether exceptions say which certificate is bad, and what mistake may be behind a failure: where
// there is flash to keep the peer's certificate.
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
#define MPSSL_HINTS 1
#else
#define MPSSL_HINTS 0
#endif

// MicroPython's scan for names does not know of it in builds with CMake: then it finds all there may be.
#if defined(NO_QSTR) && !defined(MPSSL_HIBERNATION)
#define MPSSL_HIBERNATION 1
#endif
// Whether connections can hibernate, where the build wants it: the same options as in build.rs.
#if !defined(MBEDTLS_SSL_PROTO_TLS1_2) || !defined(MBEDTLS_CIPHER_C) || defined(MBEDTLS_USE_PSA_CRYPTO)
#undef MPSSL_HIBERNATION
#define MPSSL_HIBERNATION 0
#endif

// Whether clients can go on with sessions, and servers give tickets: the same options as in build.rs.
#if defined(MBEDTLS_HAVE_TIME) && defined(MBEDTLS_SSL_EXTENDED_MASTER_SECRET) && defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE) && defined(MBEDTLS_SSL_PROTO_TLS1_2) && defined(MBEDTLS_SSL_SESSION_TICKETS)
#define MPSSL_RESUMPTION 1
#else
#define MPSSL_RESUMPTION 0
#endif
#if MPSSL_RESUMPTION && defined(MBEDTLS_SSL_CLI_C)
#define MPSSL_SESSIONS 1
#else
#define MPSSL_SESSIONS 0
#endif
#if MPSSL_RESUMPTION && defined(MBEDTLS_SSL_SRV_C) && defined(MBEDTLS_SSL_TICKET_C)
#define MPSSL_TICKETS 1
#else
#define MPSSL_TICKETS 0
#endif

// Whether servers may have several names.
#if defined(MBEDTLS_SSL_SRV_C) && defined(MBEDTLS_SSL_SERVER_NAME_INDICATION)
#define MPSSL_SERVER_NAMES 1
#else
#define MPSSL_SERVER_NAMES 0
#endif

// Whether a client's CAs stay in their files, or bytes, and are read when it verifies: the same options
// as in build.rs.
#if defined(MBEDTLS_SSL_CLI_C) && defined(MBEDTLS_X509_TRUSTED_CERTIFICATE_CALLBACK) && defined(MBEDTLS_MD_CAN_SHA256)
#define MPSSL_BUNDLES 1
#else
#define MPSSL_BUNDLES 0
#endif

// Whether objects report their memory: a build for who sizes a heap.
#ifndef MPSSL_MEMORY
#define MPSSL_MEMORY 0
#endif

// By what the running thread is known.
#if MICROPY_PY_THREAD
#define MPSSL_THIS_THREAD ((const void *)mp_thread_get_state())
#else
#define MPSSL_THIS_THREAD ((const void *)&mp_state_ctx)
#endif

// Whether asynchronous exceptions were kept out already.
typedef bool mpssl_signals_t;

// Kept for each object; see mpssl_claim.
typedef struct _mpssl_guard_t {
    const void *thread; // that has claimed it; NULL: none. (A socket has its calls instead.)
#if MPSSL_MEMORY
    struct _mpssl_usage_t *usage; // what is allocated for the object; NULL: not counted
    struct _mpssl_usage_t *outer; // of the call from within which this one is made
#endif
} mpssl_guard_t;

typedef struct _ssl_context_obj_t {
    mp_obj_base_t base;
    mpssl_context_t *tls; // NULL once freed
    mpssl_guard_t guard;
    mp_obj_t verify_callback;
    mp_obj_t ecdsa_sign_callback;
    mp_obj_t keys[2]; // that are objects, of EC and of RSA; or None
    mp_obj_t sni_callback;
#if MPSSL_KEYLOG
    mp_obj_t keylog_filename;
#endif
#if MPSSL_BUNDLES
    mp_obj_t bundles; // a list, which only grows: see files.c; or None
    mp_obj_t pinned_pubkeys; // a tuple of bytes; or None
#endif
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
    mp_obj_t psk_identity;
    mp_obj_t psk_key;
    mp_obj_t server_psk_keys;
    mp_obj_t psk_callback; // set_psk_client_callback's or set_psk_server_callback's
#endif
    int16_t versions[2]; // minimum_version and maximum_version, as they were set
    mp_obj_t socket_callbacks; // what its sockets share of them; MP_OBJ_NULL: nothing yet
    mp_obj_t instance; // of a class of Python's, that this is the native part of; None: of none
} ssl_context_obj_t;

typedef struct _ssl_session_obj_t {
    mp_obj_base_t base;
    mpssl_session_t *tls; // NULL once freed
    mp_obj_t saved; // bytes; MP_OBJ_NULL: nobody has asked for them
    mp_obj_t verify_callback; // with which it was got; None: with none, or in another life
    mpssl_guard_t guard;
} ssl_session_obj_t;

// ssl.TLSVersion, with CPython's numbers.
enum {
    MPSSL_MINIMUM_SUPPORTED = -2,
    MPSSL_MAXIMUM_SUPPORTED = -1,
    MPSSL_SSLV3 = 0x300,
    MPSSL_TLSV1 = 0x301,
    MPSSL_TLSV1_1 = 0x302,
    MPSSL_TLSV1_2 = 0x303,
    MPSSL_TLSV1_3 = 0x304,
};

// What a call on a socket keeps other threads' calls out of while it lasts, its waits included.
enum {
    MPSSL_READING = 1, // the transport's input
    MPSSL_WRITING = 2, // its output
};

// Where a call is: what claims the connection, and what uses the transport.
enum {
    MPSSL_INSIDE, // in Rust: claims, and may use it
    MPSSL_CALLED_OUT, // in Python: claims
    MPSSL_WAITING, // for the transport
    MPSSL_RETURNING, // to the inside, when nobody else claims
};

// What the transport is to read or write, and what came of it.
typedef struct _mpssl_transfer_t {
    void *buf;
    size_t len;
    bool write;
    bool poll_first;
    bool stays; // buf does until all of the transfer is made
    mp_uint_t done; // MP_STREAM_ERROR: see err
    int err;
} mpssl_transfer_t;

#if MICROPY_PY_THREAD
// What came of the transport while the connection was nobody's, and Rust had no place for it.
typedef struct _mpssl_input_t {
    uint16_t begin; // what is still to be read: bytes[begin..end]
    uint16_t end;
    uint16_t size; // of bytes
    uint8_t bytes[];
} mpssl_input_t;
#endif

// One call on a socket, on the stack of its thread: the `owner` of mpssl.h.
typedef struct _mpssl_call_t {
    struct _mpssl_call_t *next; // another thread's
    struct _ssl_socket_obj_t *socket;
    const void *thread;
    mp_obj_t exc; // raised in a call-out, not yet raised on; MP_OBJ_NULL: none
    uint8_t turns; // MPSSL_READING, MPSSL_WRITING
    volatile uint8_t place;
    bool poll_first; // it must not sleep in the transport
#if MPSSL_SERVER_NAMES
    bool choosing; // it is in sni_callback
    void *chosen; // what that has chosen, of mpssl_context_choose
#endif
    bool quiet; // it must not call the transport: what it reads or writes may be moved there
#if MICROPY_PY_THREAD
    bool at_once; // it must not come out for a transfer
    uint8_t outside; // the last transfer made outside, or the next: see transport.c
    volatile uint8_t transfers; // MPSSL_READING, MPSSL_WRITING: which it makes outside now
    uint8_t transfer_count;
    mpssl_transfer_t transfer;
#endif
    mpssl_signals_t signals; // what mpssl_leave restores
#if MPSSL_MEMORY
    struct _mpssl_usage_t *usage; // of the object that it is on
    struct _mpssl_usage_t *outer; // of the call from within which this one is made
#endif
#if MPSSL_BUNDLES
    mp_obj_t bundles; // of a context's, which has no socket
    mp_obj_t file; // open to be read; MP_OBJ_NULL: none
    size_t file_at; // how far it is
    uint32_t file_index; // which bundle's
#endif
} mpssl_call_t;

#if MPSSL_DESCRIPTORS
// A socket's of the system, and which file it was; fd is -1 where there is none.
typedef struct _mpssl_descriptor_t {
    int fd;
    dev_t dev;
    ino_t ino;
} mpssl_descriptor_t;
#endif

typedef struct _ssl_socket_obj_t {
    mp_obj_base_t base;
    mpssl_socket_t *tls; // NULL once closed
    mp_obj_t sock; // the transport; MP_OBJ_NULL once closed or unwrapped
    // The context's verify_callback, ecdsa_sign_callback, sni_callback, and server_psk_keys or
    // psk_callback when the socket was made, itself, and keys that are objects: a tuple, which its sockets share;
    // MP_OBJ_NULL: there are none.
    mp_obj_t callbacks;
    mp_obj_t server_hostname; // as given, or None
    // For the next call: an exception, or its class, that a read met which had something to return,
    // or the bytes, of class bytes, of a line that was interrupted; MP_OBJ_NULL: nothing.
    mp_obj_t kept;
    mpssl_call_t *calls; // under way; see mpssl_enter
#if MICROPY_PY_THREAD
    mp_obj_t input; // of the next read: an mpssl_input_t; how many bytes are in place; MP_OBJ_NULL: nothing
    uint16_t sent; // bytes that the transport has taken of the record half sent
#endif
    volatile bool closing; // close() was called: nobody enters any more, the last call frees
    bool idle : 1; // a poll is the transport's alone
    bool datagram : 1;
    bool psk_keys_have_get : 1; // the tuple's are server_psk_keys
    bool server_side : 1;
#if MPSSL_MEMORY
    mpssl_guard_t guard; // for its count
#endif
#if MPSSL_DESCRIPTORS
    mpssl_descriptor_t descriptor; // the transport's
#endif
} ssl_socket_obj_t;

// Makes a call that may run out of memory; once more after a collection, which
// may free what dead sockets and contexts hold.
#define CALL_WITH_MEMORY(status, call) \
    do { \
        (status) = (call); \
        if ((status).kind == MPSSL_NO_MEMORY) { \
            gc_collect(); \
            (status) = (call); \
        } \
    } while (0)

// The index of each in ssl_socket_obj_t's callbacks.
enum {
    MPSSL_VERIFY_CALLBACK,
    MPSSL_SIGN_CALLBACK,
    MPSSL_SNI_CALLBACK,
    MPSSL_PSK_CALLBACK,
    MPSSL_CONTEXT,
    MPSSL_EC_KEY,
    MPSSL_RSA_KEY,
#if MPSSL_KEYLOG
    MPSSL_KEYLOG_FILENAME,
#endif
#if MPSSL_BUNDLES
    MPSSL_CONTEXT_BUNDLES,
#endif
    MPSSL_CALLBACKS,
};

extern const mp_obj_type_t mpssl_tls_context_type; // under tls.SSLContext
extern const mp_obj_type_t mpssl_ssl_context_type; // under ssl.SSLContext
extern const mp_obj_type_t mpssl_socket_type; // SSLSocket
extern const mp_obj_type_t mpssl_session_type; // SSLSession
extern const mp_obj_type_t mpssl_want_read_type; // ssl.SSLWantReadError
extern const mp_obj_type_t mpssl_want_write_type; // ssl.SSLWantWriteError
extern const mp_obj_type_t mpssl_want_sign_type; // ssl.SSLWantSignError
extern const mp_obj_type_t mpssl_verify_error_type; // ssl.SSLCertVerificationError

// CPython's numbers, the first argument of the exceptions above; the last is OpenSSL's, of what an engine
// has not done yet.
enum {
    MPSSL_SSL_ERROR_WANT_READ = 2,
    MPSSL_SSL_ERROR_WANT_WRITE = 3,
    MPSSL_SSL_ERROR_WANT_ASYNC = 9,
};

// classes.c

extern const mp_obj_type_t mpssl_method_type;
extern const mp_obj_type_t mpssl_attribute_type;

mp_obj_t mpssl_ssl_context_class(void); // ssl.SSLContext
// Who makes keys of what is behind this name, a str, and a colon (ssl.key_providers); MP_OBJ_NULL: nobody.
mp_obj_t mpssl_key_provider(mp_obj_t name);

// A method and an attribute of SSLContext.
typedef struct _mpssl_method_t {
    mp_obj_base_t base;
    mp_rom_obj_t fun;
} mpssl_method_t;

typedef struct _mpssl_attribute_t {
    mp_obj_base_t base;
    qstr name;
} mpssl_attribute_t;

// modssl.c

extern const mp_obj_dict_t mpssl_tls_names; // what is in tls, but for SSLContext
extern const mp_obj_dict_t mpssl_ssl_names; // in ssl
MP_DECLARE_CONST_FUN_OBJ_KW(mpssl_ussl_wrap_socket_obj);

// As mp_arg_parse_all; a TypeError for an unknown keyword names it.
void mpssl_parse_args(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args,
    size_t n, const mp_arg_t *allowed, mp_arg_val_t *args);

// ssl_context.c

extern const mp_obj_dict_t mpssl_context_locals_dict; // SSLContext's methods and attributes
mp_obj_t mpssl_context_load_attr(mp_obj_t self, qstr attr);
void mpssl_context_store_attr(mp_obj_t self, qstr attr, mp_obj_t value);

// The native part of an instance of SSLContext or of a subclass; TypeError for anything else.
ssl_context_obj_t *mpssl_context_cast(mp_obj_t self);
// A number; TypeError for a bool, which says yes or no.
mp_int_t mpssl_get_int(mp_obj_t obj);
mp_obj_t mpssl_context_make(const mp_obj_type_t *type, mp_int_t protocol, mp_int_t verify_mode);
// Claims it, for a call into Rust; raises OSError(EBUSY) within one of this thread's, OSError(EBADF) once freed.
void mpssl_context_claim(ssl_context_obj_t *self, mpssl_signals_t *signals);
// Releases it, and raises what the call came to.
void mpssl_context_finish(ssl_context_obj_t *self, mpssl_signals_t *signals, mpssl_status_t status);
bool mpssl_serves(ssl_context_obj_t *self); // whether its sockets are servers'
bool mpssl_context_makes_listeners(ssl_context_obj_t *self); // a DTLS server's
void mpssl_context_set_mode(ssl_context_obj_t *self, mp_int_t verify_mode);
// Makes settings of what stands in the place of attributes, where storing in the instance does not
// come here: a subclass's own, and what object.__setattr__ stores.
void mpssl_context_settle(ssl_context_obj_t *self);
#if MPSSL_SERVER_NAMES
// What mpssl_context_choose makes of it, if it still has these keys that are objects; raises.
bool mpssl_context_for_name(ssl_context_obj_t *self, const mp_obj_t *keys, void **chosen);
#endif
// The client's identity and key; mp_const_none: none.
void mpssl_context_set_psk_pair(ssl_context_obj_t *self, mp_obj_t identity, mp_obj_t key);

// credentials.c

// The bytes of a str, bytes or other buffer, with a NUL behind them; TypeError
// for anything else. *obj keeps them alive; *fresh: it is new, and nobody else's.
mpssl_bytes_t mpssl_get_bytes(mp_obj_t *obj, bool *fresh);
// TypeError for what is neither None nor a str or any buffer.
void mpssl_check_bytes(mp_obj_t obj);
// The bytes of what has been checked where they are: a copy of a key would stay in the heap. Of None the data is
// NULL, and of nothing else. To be called with the object claimed that they are for, until when another thread
// may move them. Does not raise.
mpssl_bytes_t mpssl_borrow_bytes(mp_obj_t obj);
// Whether a str where certificates and keys go is a path: in ssl, as CPython's; upstream's tls takes data.
bool mpssl_takes_paths(const ssl_context_obj_t *self);
// cert, key: path, PEM or DER; key and password may be mp_const_none.
void mpssl_context_load_chain(ssl_context_obj_t *self, mp_obj_t cert, mp_obj_t key, mp_obj_t password);
// certs: path (when may_be_path), PEM or DER.
void mpssl_context_load_anchors(ssl_context_obj_t *self, mp_obj_t certs, bool may_be_path);
// The files in a directory that have a name of `openssl rehash`.
void mpssl_context_load_directory(ssl_context_obj_t *self, mp_obj_t dir);
// Those of the system, where the port has them.
void mpssl_context_load_defaults(ssl_context_obj_t *self);
// The system's file of trust anchors; NULL: there is none.
const char *mpssl_default_cafile(void);

// ssl_socket.c

mp_obj_t mpssl_socket_make(ssl_context_obj_t *context, mp_obj_t sock, bool server_side,
    bool do_handshake, mp_obj_t server_hostname, mp_obj_t assert_hostname, mp_obj_t client_id,
    mp_obj_t session);

// The handshake of one that was made without. If it fails, the transport is closed.
void mpssl_socket_handshake_or_close(mp_obj_t self_in);

#if MPSSL_HIBERNATION
// Arguments of SSLContext.restore and DTLSListener.restore.
enum {
    MPSSL_RESTORE_STATE,
    MPSSL_RESTORE_KEY,
    MPSSL_RESTORE_COUNTER,
    MPSSL_RESTORE_ARGS,
};
#define MPSSL_RESTORE_ALLOWED_ARGS \
    { MP_QSTR_state, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } }, \
        { MP_QSTR_key, MP_ARG_KW_ONLY | MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } }, \
    { \
        MP_QSTR_counter, MP_ARG_KW_ONLY | MP_ARG_OBJ, { \
            .u_rom_obj = MP_ROM_NONE \
        } \
    }

// The connection of a state, over this transport. Nobody is to have it before mpssl_socket_consume. *n: what
// that is to be given; *address: of a listener's client, as bytes, else None; *at_home: whether that finds it.
ssl_socket_obj_t *mpssl_socket_load(ssl_context_obj_t *context, mp_obj_t sock, const mp_arg_val_t *args,
    uint32_t *n, mp_obj_t *address, bool *at_home);
// Frees it instead.
void mpssl_socket_drop(ssl_socket_obj_t *self);
// The socket, which is Python's from then on, once the counter has come to n; else frees it and raises.
mp_obj_t mpssl_socket_consume(ssl_socket_obj_t *self, mp_obj_t counter, uint32_t n);
#endif

// One of the context's callbacks when the socket was made, or mp_const_none.
mp_obj_t mpssl_callback(const ssl_socket_obj_t *self, size_t which);

// ssl_session.c

#if MPSSL_SESSIONS
// One that is nothing yet.
ssl_session_obj_t *mpssl_session_make(mp_obj_t verify_callback);
#endif

// dtls_listener.c

#if defined(MBEDTLS_SSL_DTLS_HELLO_VERIFY)
MP_DECLARE_CONST_FUN_OBJ_KW(mpssl_context_listen_obj); // SSLContext.listen
// Whether the transport is one client's share of a listener's socket.
bool mpssl_is_peer(mp_obj_t sock);
#define MPSSL_ADDRESS_MAX (128)
#if MPSSL_HIBERNATION
// Writes where that client is, and whether it is found by that; returns its length.
size_t mpssl_peer_address(mp_obj_t sock, uint8_t *address, bool *at_home);
#endif
// How long a datagram is, at most, that a Peer's read gets.
size_t mpssl_peer_datagram_max(mp_obj_t sock);
// A record of the datagram read last has authenticated: the client is where it
// came from. Does nothing for any other transport.
void mpssl_peer_follow(mp_obj_t sock);
// Whether a read of the listener's socket may wait.
bool mpssl_peer_may_wait(mp_obj_t sock);
#if MPSSL_DESCRIPTORS
// No listener closes this descriptor any more.
void mpssl_listeners_disown(int fd);
#endif
#else
#define mpssl_is_peer(sock) (false)
#define mpssl_peer_datagram_max(sock) ((size_t)0)
#define mpssl_peer_follow(sock) ((void)(sock))
#define mpssl_peer_may_wait(sock) (false)
#endif

// certificate.c

// What the certificate, a bytes object with its DER, says: CPython's dict.
mp_obj_t mpssl_certificate_dict(mp_obj_t der);

// protect.c

// Keeps exceptions that a port raises out of a signal handler away from Rust's
// frames, from `off` to `on`. Neither raises: one that came meanwhile is raised soon.
void mpssl_interrupts_off(mpssl_signals_t *saved);
void mpssl_interrupts_on(const mpssl_signals_t *saved);
void mpssl_guard_init(mpssl_guard_t *guard);
// For the object's finaliser: nothing is claimed any more.
void mpssl_guard_end(mpssl_guard_t *guard);
// Claims an object for a call into Rust, with interrupts off; waits while another thread has
// claimed it. What is allocated until its release is counted as the object's. False, and
// nothing done, if this thread has claimed it already. Raises what comes while it waits, Ctrl-C say:
// for who is in no call, and has claimed nothing.
bool mpssl_claim(mpssl_guard_t *guard, mpssl_signals_t *saved);
// What becomes of a claim that waits when something is raised.
typedef enum _mpssl_interrupted_t {
    MPSSL_RAISES,
    MPSSL_GIVES_UP, // it is raised when Python runs again, and nothing is claimed
    MPSSL_STAYS, // the same, and it is claimed: of what no thread has for long
} mpssl_interrupted_t;
bool mpssl_claim_where(mpssl_guard_t *guard, mpssl_signals_t *saved, mpssl_interrupted_t interrupted);
void mpssl_release(mpssl_guard_t *guard, const mpssl_signals_t *saved);
// Begins a call on the socket, which waits until no other thread's is inside, or has one of
// the same turns. Returns 0, MP_EBADF (closed) or MP_EBUSY (within a call of this thread).
// Raises RuntimeError where too little of the stack is left for a call that takes a turn.
int mpssl_enter(ssl_socket_obj_t *self, mpssl_call_t *call, unsigned turns);
// For close(), once self->closing is set: returns MP_EBUSY also where another thread's call
// is in Python, which may take forever.
int mpssl_enter_to_close(ssl_socket_obj_t *self, mpssl_call_t *call);
// Ends the call; the last one of a closed socket frees the connection. Returns false if closed.
bool mpssl_leave(mpssl_call_t *call);
// Whether a read has something to return, or to raise, that Rust does not know of.
bool mpssl_has_kept(const ssl_socket_obj_t *self);
// Whether another thread's call waits for the descriptor, or may move data there.
bool mpssl_others_use_descriptor(ssl_socket_obj_t *self);
// Waits until none does.
void mpssl_wait_for_others(ssl_socket_obj_t *self);
// Runs `fun` within a call with exceptions caught: 0 or MPGLUE_RAISED.
int mpssl_protect(mpssl_call_t *call, void (*fun)(ssl_socket_obj_t *self, void *arg), void *arg);
// The same, to wait: other threads' calls come inside meanwhile.
int mpssl_wait(mpssl_call_t *call, void (*fun)(ssl_socket_obj_t *self, void *arg), void *arg);
// Waits a little for another thread: for mpssl_wait, with the address of how often it has.
void mpssl_give_way(ssl_socket_obj_t *self, void *tries);
// Runs `fun` with exceptions caught: MP_OBJ_NULL, or what was raised.
mp_obj_t mpssl_catch(void (*fun)(void *arg), void *arg);
bool mpssl_is_exception(mp_obj_t exc, const mp_obj_type_t *type);
// Has a KeyboardInterrupt raised soon that cannot be raised now; whether it is one.
bool mpssl_keep_ctrl_c(mp_obj_t exc);

// transport.c

// The stream that it is; raises OSError for none. A class that inherits from a native one (a socket's,
// say) has that one's protocol, which is for the native part alone.
mp_obj_t mpssl_get_stream(mp_obj_t sock, int flags);
// The errno of a stream that failed: one written in Python may report any number.
int mpssl_stream_errno(int err);
#if MICROPY_PY_THREAD
// Makes the transfer for which a call came to MPSSL_OUTSIDE, while other threads' come inside.
void mpssl_transfer_outside(mpssl_call_t *call);
#endif
// The descriptor of a socket of the OS; -1: the transport is another stream.
int mpssl_descriptor(mp_obj_t sock);
#if MPSSL_DESCRIPTORS
// The same, and which file that is; and, fit for the collector, closes it if it still is that file.
mpssl_descriptor_t mpssl_remember_descriptor(mp_obj_t sock);
void mpssl_close_descriptor(const mpssl_descriptor_t *descriptor);
#endif

// How long a call waits for the transport.
typedef struct _mpssl_patience_t {
    bool known;
    bool waits;
    bool forever;
    mp_uint_t start;
} mpssl_patience_t;

// Whether a call that came to this is to be made again.
bool mpssl_is_want(mpssl_status_t status);
// Whether this call is to wait where the transport has nothing, which sockets of the OS and
// a listener's clients are asked. Other streams wait themselves, or not.
mpssl_patience_t mpssl_patience(mpssl_call_t *call);
void mpssl_look_whether_to_wait(mpssl_call_t *call, mpssl_patience_t *p);
// After a call came to `status`: whether it is to be made again, having waited.
bool mpssl_wait_more(mpssl_call_t *call, mpssl_patience_t *p, mpssl_status_t *status);

// callbacks.c

#if MPSSL_SERVER_NAMES
// This thread's call that is in sni_callback; NULL: none.
mpssl_call_t *mpssl_choosing(ssl_socket_obj_t *self);
#endif

// files.c

// The content of the file at `path`, a bytes object; `fresh`: nobody else has it. Raises what
// open and read raise.
mp_obj_t mpssl_read_file(mp_obj_t path, bool *fresh);
#if MPSSL_BUNDLES
// A call on no socket that reads of these bundles, with interrupts as `signals` has them. What was raised
// is in its `exc`.
mpssl_call_t mpssl_call_to_read(ssl_context_obj_t *context, mp_obj_t bundles, mpssl_signals_t signals);
#endif
#if MPSSL_KEYLOG
// Raises if the file called so cannot be opened to append to it, as CPython does.
void mpssl_check_key_log(mp_obj_t name);
#endif

// raise.c

// Raises what a TLS or VERIFY status of the socket says, with what is known beside; or of no
// socket (NULL) with this hint, a str or None. Never returns.
MP_NORETURN void mpssl_raise_failure(const mpssl_socket_t *socket, mpssl_status_t status, mp_obj_t hint);
// Raises the ValueError of a VALUE status: its text, and if it is not empty why.
MP_NORETURN void mpssl_raise_value(mpssl_status_t status, const char *why);
// Raises exc, or what the status says where that is MP_OBJ_NULL; never returns.
MP_NORETURN void mpssl_raise(mp_obj_t exc, mpssl_status_t status);

// memory.c

// Makes mpglue_refusals what it was: what Python was refused meanwhile, Python has been told.
void mpssl_forget_refusals(uint32_t before);

#if MPSSL_MEMORY
// The bytes that Rust and Mbed TLS have allocated for an object, and the most there were.
typedef struct _mpssl_usage_t {
    size_t now;
    size_t peak;
    bool ended; // its object is gone; freed with its last block
} mpssl_usage_t;

// NULL without memory for it.
mpssl_usage_t *mpssl_usage_new(void);
void mpssl_usage_end(mpssl_usage_t *usage);
// Whose allocations are from now on; returns whose they were.
mpssl_usage_t *mpssl_usage_switch(mpssl_usage_t *usage);
// SSLContext.memory, SSLSocket.memory -> (bytes now, peak).
mp_obj_t mpssl_guard_memory(const mpssl_guard_t *guard);
#endif

#endif // MPSSL_GLUE_H
