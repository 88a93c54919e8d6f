// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The contract between the C glue (tables, arguments, raising, nlr_push) and
// the Rust core. Plain C: bindgen reads it without MicroPython's headers, so
// Rust cannot name a function that raises.
//
// mpssl_*  are implemented in Rust (src/ffi.rs) and called by C.
// mpglue_* are implemented in C, in c_glue, and called by Rust; none of
//          them ever raises through its caller.
#ifndef MPSSL_H
#define MPSSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/******************************************************************************/
// Status: what a call into Rust came to.

enum {
    MPSSL_OK = 0,
    MPSSL_WANT_READ = 1, // the transport has nothing to read now: call again later
    MPSSL_WANT_WRITE = 2, // the transport takes nothing now: call again later
    MPSSL_RAISED = 3, // Python raised in a call-out: the exception waits with the owner, a call
    MPSSL_ERRNO = 4, // OSError(code)
    MPSSL_TLS = 5, // OSError(code, text): an Mbed TLS error
    MPSSL_NO_MEMORY = 6, // collect garbage, try once more, then OSError(ENOMEM)
    MPSSL_VALUE = 7, // ValueError(text): an argument is not what it should be
    MPSSL_VERIFY = 8, // ValueError(text): code holds the X.509 verify flags
    MPSSL_CERT_MISSING = 9, // TypeError: the key is good, the certificate is not an object with bytes
    MPSSL_OUTSIDE = 10, // make the transfer that was asked for, then the same call again
    MPSSL_WANT_SIGNATURE = 11, // the object that signs has none yet: call again later
};

typedef struct _mpssl_status_t {
    int32_t kind; // MPSSL_*
    int32_t code; // by kind: errno, Mbed TLS code, verify flags, which ValueError
} mpssl_status_t;

// Codes of a VALUE status that C looks at.
enum {
    MPSSL_INVALID_KEY = 0,
    MPSSL_KEY_MISMATCH = 2,
    MPSSL_NO_PASSWORD = 12, // a private key that is encrypted, and no password
};

// errno values as MicroPython names them (py/mperrno.h; the POSIX numbers).
enum {
    MPSSL_EIO = 5,
    MPSSL_EBADF = 9,
    MPSSL_ENOMEM = 12,
    MPSSL_EBUSY = 16,
    MPSSL_EINVAL = 22,
    MPSSL_EPIPE = 32,
    MPSSL_EMSGSIZE = 90,
    MPSSL_EADDRINUSE = 98,
    MPSSL_ECONNRESET = 104,
    MPSSL_ENOTCONN = 107,
    MPSSL_ETIMEDOUT = 110,
};

// Poll flags, as MP_STREAM_POLL_* (py/stream.h).
enum {
    MPSSL_POLL_RD = 0x0001,
    MPSSL_POLL_WR = 0x0004,
    MPSSL_POLL_NVAL = 0x0020,
};

// Writes the text of a TLS, VALUE or VERIFY status, without a terminating NUL.
// Returns its length in bytes; 0 where there is none (a build without
// MBEDTLS_ERROR_C has no text for TLS). 256 bytes hold any text.
size_t mpssl_status_text(mpssl_status_t status, uint8_t *text, size_t size);

/******************************************************************************/
// A borrowed run of bytes. Data that may be PEM has a NUL at data[len].

typedef struct _mpssl_bytes_t {
    const uint8_t *data; // NULL: not given
    size_t len;
} mpssl_bytes_t;

/******************************************************************************/
// SSLContext: settings. A wrapped socket keeps the settings it was made with.

typedef struct mpssl_context mpssl_context_t;

// protocol: bit 0 server, bit 1 datagram (tls.PROTOCOL_*). verify_mode: 0, 1, 2
// (tls.CERT_*). is_tls: of the module tls, which has more cipher suites enabled than ssl.
// Writes *context only on MPSSL_OK.
mpssl_status_t mpssl_context_new(int32_t protocol, int32_t verify_mode, bool is_tls, mpssl_context_t **context);
void mpssl_context_free(mpssl_context_t *context);

bool mpssl_context_is_server(const mpssl_context_t *context);

int32_t mpssl_context_verify_mode(const mpssl_context_t *context);
mpssl_status_t mpssl_context_set_verify_mode(mpssl_context_t *context, int32_t verify_mode);
// Whether the server's certificate must be for server_hostname. To set it turns verify_mode
// 0 into 2; ValueError for a server.
bool mpssl_context_check_hostname(const mpssl_context_t *context);
mpssl_status_t mpssl_context_set_check_hostname(mpssl_context_t *context, bool check);

// SSLContext.verify_flags, with OpenSSL's numbers, as CPython's; ValueError for others. In builds with
// MBEDTLS_X509_CRL_PARSE_C.
enum {
    MPSSL_VERIFY_DEFAULT = 0,
    MPSSL_VERIFY_CRL_CHECK_LEAF = 4,
    MPSSL_VERIFY_CRL_CHECK_CHAIN = 12,
};
uint32_t mpssl_context_verify_flags(const mpssl_context_t *context);
mpssl_status_t mpssl_context_set_verify_flags(mpssl_context_t *context, uint32_t flags);

// minimum_version, maximum_version: TLSVersion's number. A ValueError if it leaves no version.
mpssl_status_t mpssl_context_set_version(mpssl_context_t *context, bool is_maximum, int32_t version);

// SSLContext.options, with OpenSSL's numbers, as CPython's, but for renegotiation's: those are small
// integers where there are 32 bits.
enum {
    MPSSL_OP_NO_TICKET = 0x4000,
    MPSSL_OP_NO_COMPRESSION = 0x20000,
    MPSSL_OP_NO_RENEGOTIATION = 0x1000000,
    MPSSL_OP_NO_SSLV3 = 0x2000000,
    MPSSL_OP_NO_TLSV1 = 0x4000000,
    MPSSL_OP_NO_TLSV1_2 = 0x8000000,
    MPSSL_OP_NO_TLSV1_1 = 0x10000000,
    MPSSL_OP_NO_TLSV1_3 = 0x20000000,
};
uint32_t mpssl_context_options(const mpssl_context_t *context);
// ValueError for what is none of them. What leaves no version fails when a connection is made.
mpssl_status_t mpssl_context_set_options(mpssl_context_t *context, uint32_t options);

// How many tickets a server gives a client; 0: none. ValueError for too many, or for another context.
uint8_t mpssl_context_num_tickets(const mpssl_context_t *context);
mpssl_status_t mpssl_context_set_num_tickets(mpssl_context_t *context, uint8_t n);
// How many sessions a client's context keeps for connections that are given none; 0: none. ValueError for too
// many, or for another context. With any, tickets are asked for.
uint8_t mpssl_context_session_cache(const mpssl_context_t *context);
mpssl_status_t mpssl_context_set_session_cache(mpssl_context_t *context, uint8_t n);

// SSLContext.session_stats(), CPython's numbers.
typedef struct _mpssl_stats_t {
    uint32_t cached; // sessions that the cache has now
    uint32_t begun; // handshakes
    uint32_t good; // those that made a connection
    uint32_t hits; // those of them that went on with a session
    uint32_t misses; // a server's that did not go on with a ticket
    uint32_t timeouts; // because it was too old
    uint32_t cache_full; // sessions that left the cache for others
} mpssl_stats_t;
mpssl_stats_t mpssl_context_stats(const mpssl_context_t *context);

// Adds a certificate chain and its private key, or replaces those with this kind of key (EC, or RSA), PEM or DER. password.data may be
// NULL. check_pair: the key must belong to a certificate not expired (off where a chip
// holds the key). cert.data NULL: checks the key, answers MPSSL_CERT_MISSING.
mpssl_status_t mpssl_context_load_cert_chain(mpssl_context_t *context, mpssl_bytes_t cert,
    mpssl_bytes_t key, mpssl_bytes_t password, bool check_pair);

// The same, with a key that is an object: the host signs (mpglue_sign_by_object). public_key: what the object
// says is its public half, an uncompressed point, with or without the byte that says so, or
// SubjectPublicKeyInfo; data NULL: it does not say. Writes *which only on MPSSL_OK: 0 for EC, 1 for RSA.
mpssl_status_t mpssl_context_load_object(mpssl_context_t *context, mpssl_bytes_t cert,
    mpssl_bytes_t public_key, uint32_t *which);
// Whether that key is an object.
bool mpssl_context_has_object(const mpssl_context_t *context, uint32_t which);
// Whether what an object has signed is verified before it is sent.
bool mpssl_context_check_own_signature(const mpssl_context_t *context);
void mpssl_context_set_check_own_signature(mpssl_context_t *context, bool check);

// Writes why the key or the certificate is invalid, by that function's status, to text; its
// length, 0: nobody knows. in_cert: no key was given, but in the certificate.
size_t mpssl_credentials_explain(mpssl_status_t status, mpssl_bytes_t cert, mpssl_bytes_t key,
    bool in_cert, uint8_t *text, size_t size);

// Adds trust anchors, PEM (any number) or DER (any number, concatenated). Passes over those
// that Mbed TLS cannot read, unless it is all of them.
mpssl_status_t mpssl_context_load_verify_locations(mpssl_context_t *context, mpssl_bytes_t certs);
// The same to a client, in builds with MPSSL_BUNDLES: it has all of its anchors so. The host's bundle
// of this index is read to its end by mpglue_read_bundle, which is given `owner`, and is read again
// when a chain is verified. MPSSL_RAISED is possible.
mpssl_status_t mpssl_context_add_bundle(mpssl_context_t *context, void *owner, uint32_t index);

// The keys that a client's server may have, in builds with MPSSL_BUNDLES: SHA-256 digests of
// SubjectPublicKeyInfo, one after the other; data NULL: any. Where there are no anchors, such a key is
// enough. Turns verify_mode 0 into 2, and as long as there are any it is not to be 0.
mpssl_status_t mpssl_context_set_pins(mpssl_context_t *context, mpssl_bytes_t digests);

typedef struct _mpssl_anchors_t {
    size_t all;
    size_t cas; // how many of them are CAs
    size_t unreadable; // how many were passed over, of a client's
    size_t crls; // revocation lists
} mpssl_anchors_t;

// How many there are.
mpssl_anchors_t mpssl_context_anchors(const mpssl_context_t *context);

// Replaces the cipher suites, in order of preference.
mpssl_status_t mpssl_context_set_ciphers(mpssl_context_t *context, const mpssl_bytes_t *names, size_t n);
// The same of TLS 1.3's alone, in builds with it; none: it has no suite.
mpssl_status_t mpssl_context_set_ciphersuites(mpssl_context_t *context, const mpssl_bytes_t *names, size_t n);
// Whether it is the name of one.
bool mpssl_is_cipher(mpssl_bytes_t name);
// Replaces the key exchange groups, in order of preference.
mpssl_status_t mpssl_context_set_groups(mpssl_context_t *context, const mpssl_bytes_t *names, size_t n);
// Replaces the application protocols (RFC 7301), in order of preference; none: there is no such
// extension.
mpssl_status_t mpssl_context_set_alpn_protocols(mpssl_context_t *context, const mpssl_bytes_t *names, size_t n);
// Name of the i-th enabled cipher suite, static; NULL behind the last.
const char *mpssl_context_cipher(const mpssl_context_t *context, size_t i);

// Whether its connections are TLS servers, which may have several names.
bool mpssl_context_has_names(const mpssl_context_t *context);
// Makes what mpglue_server_name gives, of a server's context, or a ValueError; and frees it: NULL is
// ignored. In builds of a server with SNI.
mpssl_status_t mpssl_context_choose(mpssl_context_t *context, void **chosen);
void mpssl_chosen_free(void *chosen);

// Pre-shared keys (RFC 4279), in builds with a key exchange that uses them. While there
// are any, only suites with pre-shared keys are enabled, unless set_ciphers was called.
//
enum {
    MPSSL_PSK_IDENTITY_MAX = 128, // bytes of the longest identity or hint
};

// The identity and key that a client shows, or the one a server knows without asking;
// data NULL: none. Copies, which are wiped when replaced or freed.
mpssl_status_t mpssl_context_set_psk(mpssl_context_t *context, mpssl_bytes_t identity, mpssl_bytes_t key);
// asks: ask mpglue_psk_key (server) or mpglue_psk_identity (client). hint: a server's
// identity hint; data NULL or len 0: none.
mpssl_status_t mpssl_context_ask_for_psk(mpssl_context_t *context, bool asks, mpssl_bytes_t hint);

// What connections may take of memory. ValueError for what cannot be.
typedef struct _mpssl_memory_t {
    uint16_t max_fragment_length; // of a record, bytes (RFC 6066 4); 0: not asked for
    bool keep_peer_cert; // for getpeercert(), once the handshake is over
} mpssl_memory_t;

mpssl_memory_t mpssl_context_memory(const mpssl_context_t *context);
mpssl_status_t mpssl_context_set_memory(mpssl_context_t *context, mpssl_memory_t memory);

// Settings of DTLS connections. ValueError for what cannot be.
typedef struct _mpssl_dtls_t {
    uint32_t initial_ms; // the first retransmission's delay
    uint32_t maximum_ms; // the longest one
    uint16_t mtu; // largest datagram of a handshake, bytes; 0: no limit of ours
    int16_t cid; // length of the Connection ID for the peer to use; -1: not offered
    bool cid_required;
} mpssl_dtls_t;

bool mpssl_context_has_cookies(const mpssl_context_t *context); // a DTLS server's
mpssl_dtls_t mpssl_context_dtls(const mpssl_context_t *context);
mpssl_status_t mpssl_context_set_dtls(mpssl_context_t *context, mpssl_dtls_t dtls);

// After how many idle milliseconds connections to be hibernate by themselves; -1: they do not.
int32_t mpssl_context_hibernate_after(const mpssl_context_t *context);
void mpssl_context_set_hibernate_after(mpssl_context_t *context, int32_t ms);

/******************************************************************************/
// SSLSocket: one TLS or DTLS connection. `owner` is handed back to mpglue_* for
// the length of that call and not kept.

typedef struct mpssl_socket mpssl_socket_t;

// A client's session, in builds that have them: in others there is none.
typedef struct mpssl_session mpssl_session_t;

typedef struct _mpssl_description_t {
    uint64_t time; // when it was made, by mpglue_time
    uint32_t timeout; // how long it is good for, in seconds
    uint32_t lifetime_hint; // what the server said of that; 0: nothing
    bool has_ticket;
    uint8_t id_len;
    uint8_t id[32];
} mpssl_description_t;

// What was saved, or a ValueError: the bytes may be anybody's. Writes *session only on MPSSL_OK.
mpssl_status_t mpssl_session_load(mpssl_bytes_t bytes, mpssl_session_t **session);
// Wipes and frees it; NULL is ignored.
void mpssl_session_free(mpssl_session_t *session);
// What to save, borrowed: whoever has it has the session's keys.
mpssl_bytes_t mpssl_session_bytes(const mpssl_session_t *session);
mpssl_status_t mpssl_session_describe(const mpssl_session_t *session, mpssl_description_t *description);

typedef struct _mpssl_options_t {
    mpssl_bytes_t hostname; // data NULL: not given
    mpssl_bytes_t assert_hostname; // what the server's certificate must name instead; likewise
    mpssl_bytes_t client_id; // likewise
    bool host_signs; // ask mpglue_sign for signatures
    bool hello_verify; // a DTLS server asks for a cookie, for which it must have client_id
    bool asks; // there is a verify_callback or sni_callback, to be asked each time
    uint16_t port; // that a client is connected to; 0: not known
    const mpssl_session_t *session; // to go on with; NULL: none
} mpssl_options_t;

// Makes what the context's sockets share, or the first of them does.
mpssl_status_t mpssl_context_freeze(mpssl_context_t *context);

// Writes *socket only on MPSSL_OK.
mpssl_status_t mpssl_socket_new(mpssl_context_t *context, mpssl_options_t options, mpssl_socket_t **socket);
// Frees everything, sends nothing, calls nothing out: fit for a finaliser.
void mpssl_socket_free(mpssl_socket_t *socket);

// For a status that a call on the socket came to. As mpssl_status_text; it says also which
// certificate is bad.
size_t mpssl_socket_text(const mpssl_socket_t *socket, mpssl_status_t status, uint8_t *text, size_t size);
// Likewise, what mistake may be behind it; 0: nobody knows.
size_t mpssl_socket_hint(const mpssl_socket_t *socket, mpssl_status_t status, uint8_t *text, size_t size);
// The fatal alert (RFC 5246 7.2.2) that the connection has ended with: the peer's after a TLS
// status with MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, else this side's. 0: none.
uint8_t mpssl_socket_alert(const mpssl_socket_t *socket);
// The name of an alert, static.
const char *mpssl_alert_name(uint8_t alert);

mpssl_status_t mpssl_socket_handshake(mpssl_socket_t *socket, void *owner);
// Until a read has something to return: what it calls out next, if anything, sends a flight
// again.
mpssl_status_t mpssl_socket_fill(mpssl_socket_t *socket, void *owner);
// Reads behind the *done bytes that are in buf already, and moves *done, whatever the status:
// the same call goes on there. Nothing read and MPSSL_OK is the end of the stream. all: until
// buf is full; else what one record still has.
mpssl_status_t mpssl_socket_read(mpssl_socket_t *socket, void *owner, uint8_t *buf, size_t len, bool all, size_t *done);
// Until a write of one record takes its bytes before it calls anything out.
mpssl_status_t mpssl_socket_prepare_write(mpssl_socket_t *socket, void *owner);
// Likewise. After MPSSL_WANT_*, MPSSL_RAISED or MPSSL_ERRNO call again with the same bytes;
// after MPSSL_OUTSIDE with what is left of them.
// all: until all of buf is taken, which stays where it is; else one record, after which
// mpssl_socket_half_sent is to be told where the bytes behind *done are now, unless it is MPSSL_OK.
mpssl_status_t mpssl_socket_write(mpssl_socket_t *socket, void *owner, const uint8_t *buf, size_t len, bool all, size_t *done);
void mpssl_socket_half_sent(mpssl_socket_t *socket, const uint8_t *buf, size_t len);
// Keeps how far a write of all of buf got that was interrupted; len 0: none was.
void mpssl_socket_suspend_write(mpssl_socket_t *socket, const uint8_t *buf, size_t len, size_t done);
// *done: how far the same call got before. MPSSL_EINVAL where it was another.
mpssl_status_t mpssl_socket_resume_write(const mpssl_socket_t *socket, const uint8_t *buf, size_t len, size_t *done);
// Sends the close_notify alert, once, if the handshake is over and nothing failed.
mpssl_status_t mpssl_socket_close_notify(mpssl_socket_t *socket, void *owner);
// Sends close_notify and reads until the peer's.
mpssl_status_t mpssl_socket_unwrap(mpssl_socket_t *socket, void *owner);

// Which of `flags` are ready without asking the transport; *ask: what to ask it
// (0: nothing, the answer is complete).
uint32_t mpssl_socket_poll(const mpssl_socket_t *socket, uint32_t flags, uint32_t *ask);
// The transport's answer to *ask, translated back to `flags`.
uint32_t mpssl_socket_polled(const mpssl_socket_t *socket, uint32_t flags, uint32_t reply);

// Hibernates if the connection is quiet, and can; *asleep: whether it does now. The next call
// that reads or writes wakes it: MPSSL_NO_MEMORY where it cannot, and it sleeps on.
mpssl_status_t mpssl_socket_hibernate(mpssl_socket_t *socket, bool *asleep);
// The same if the context says so, and the connection was idle for as long as it says. For
// when nothing has come in. Without memory for it, it stays awake.
void mpssl_socket_rest(mpssl_socket_t *socket);
// Whether a poll has nothing to do but to ask the transport.
bool mpssl_socket_is_idle(const mpssl_socket_t *socket);
bool mpssl_socket_is_asleep(const mpssl_socket_t *socket);

// The callbacks that say who a peer is, or sign.
enum {
    MPSSL_HAS_VERIFY_CALLBACK = 1,
    MPSSL_HAS_SNI_CALLBACK = 2,
    MPSSL_HAS_SIGN_CALLBACK = 4,
};

// In builds where connections can hibernate.
typedef struct _mpssl_export_t {
    mpssl_bytes_t key; // to encrypt and authenticate it under; data NULL: neither
    uint32_t n; // above all that the counter has come to; 0: without a counter
    mpssl_bytes_t hostname; // as in mpssl_options_t
    mpssl_bytes_t address; // where a listener's client is; data NULL: of no listener
    bool at_home; // whether it is found by that, and not by its Connection ID alone
    uint8_t callbacks; // which the socket has, or gets: MPSSL_HAS_*
} mpssl_export_t;

// Has the connection hibernate, and writes its state where that fits, and always its length: whoever
// has it has the connection, which is to be freed then, and not to send any more. context: what it was
// made with. MPSSL_ENOTCONN before the handshake is over, MPSSL_EBUSY where it is not quiet or cannot
// hibernate, ValueError for a key of another length than 16 to 64 bytes, for a stream without a counter, and
// where the context's settings have changed since.
mpssl_status_t mpssl_socket_export(mpssl_socket_t *socket, mpssl_context_t *context, const mpssl_export_t *options,
    uint8_t *state, size_t size, size_t *len);

typedef struct _mpssl_restored_t {
    mpssl_socket_t *socket; // open, hibernating
    uint32_t n; // what the counter is to come to, or refuse, before anything else; 0: there is none
    mpssl_bytes_t hostname; // borrowed of the state, as the next
    mpssl_bytes_t address;
    bool at_home; // as in mpssl_export_t
} mpssl_restored_t;

// The connection of a state, which may be anybody's bytes. Of options only key, callbacks, and whether n is 0 are
// looked at. ValueError for what is no state of this build's, under this key, with a counter or without, and
// of such a context's. Writes *restored only on MPSSL_OK.
mpssl_status_t mpssl_socket_restore(mpssl_context_t *context, mpssl_bytes_t state, const mpssl_export_t *options,
    mpssl_restored_t *restored);

bool mpssl_socket_is_datagram(const mpssl_socket_t *socket);
bool mpssl_socket_is_handshaking(const mpssl_socket_t *socket);
uint32_t mpssl_socket_bad_records(const mpssl_socket_t *socket); // dropped, unauthentic
mpssl_bytes_t mpssl_socket_own_cid(const mpssl_socket_t *socket); // len 0: none
// Writes at most MPSSL_CID_MAX bytes, returns how many; -1: no Connection IDs agreed on.
int32_t mpssl_socket_peer_cid(const mpssl_socket_t *socket, uint8_t *cid);

size_t mpssl_socket_pending(const mpssl_socket_t *socket); // decrypted bytes not yet read
bool mpssl_socket_close_notify_received(const mpssl_socket_t *socket);
bool mpssl_socket_would_send(const mpssl_socket_t *socket); // close_notify is still to be sent
const char *mpssl_socket_cipher(const mpssl_socket_t *socket); // NULL before the handshake is over
const char *mpssl_socket_version(const mpssl_socket_t *socket); // NULL before the handshake is over
typedef struct _mpssl_cipher_t {
    const char *name; // static; NULL: there is none
    uint32_t bits; // of its key
    bool tls13; // else it is TLS 1.2's
} mpssl_cipher_t;

// The i-th of a server's suites that its client has as well, in the server's order. None before the
// handshake is over, and once the connection has hibernated.
mpssl_cipher_t mpssl_socket_shared_cipher(const mpssl_socket_t *socket, size_t i);
// What was agreed on, borrowed; NULL before the handshake is over, or where nothing was.
const char *mpssl_socket_selected_alpn_protocol(const mpssl_socket_t *socket);
// Goes on with an earlier session in the place of the one it had, if any, before the handshake. ValueError later,
// and for one of other settings.
mpssl_status_t mpssl_socket_set_session(mpssl_socket_t *socket, const mpssl_session_t *session);
// A client's session as it is now, to be freed; NULL: there is none (yet).
mpssl_status_t mpssl_socket_session(const mpssl_socket_t *socket, mpssl_session_t **session);
// Whether it goes on with an earlier one; -1 before the handshake is over.
int32_t mpssl_socket_session_reused(const mpssl_socket_t *socket);
// A server's client's identity, borrowed; data NULL before the handshake is over, or where
// no pre-shared key was used.
mpssl_bytes_t mpssl_socket_psk_identity(const mpssl_socket_t *socket);
// The identity hint of a client's server, borrowed; data NULL where it gave none.
mpssl_bytes_t mpssl_socket_psk_identity_hint(const mpssl_socket_t *socket);
// The peer's certificate as DER, borrowed; data NULL where there is none or the build keeps none.
mpssl_bytes_t mpssl_socket_peer_cert(const mpssl_socket_t *socket);
bool mpssl_socket_peer_verified(const mpssl_socket_t *socket); // it was looked at, and is good

/******************************************************************************/
// DTLSListener: many clients on one UDP socket. Who is known, where, by which Connection ID, and
// what waits for whom. An address is any run of bytes that stands for one, the same each time.

enum {
    MPSSL_LISTENER_KEPT = 0, // it waits for its client to be read or accepted
    MPSSL_LISTENER_DROPPED = 1, // too long, nobody's, or more than there is room for
    MPSSL_LISTENER_ANSWER = 2, // a ClientHello without our cookie: send `reply`, forget it
};

enum {
    MPSSL_HELLO_VERIFY_LEN = 60, // bytes of a reply
    MPSSL_CID_MAX = 32, // bytes of the longest Connection ID
    MPSSL_CLIENTS_MAX = 0x7ffe, // the most that a listener can have room for
};

typedef struct mpssl_listener mpssl_listener_t;

// For a DTLS server's context. Room for `clients`, of which `backlog` may wait to be accepted,
// is made here and never grows. Datagrams of `bufsize` bytes or more are dropped. Writes
// *listener only on MPSSL_OK.
mpssl_status_t mpssl_listener_new(const mpssl_context_t *context, size_t clients, size_t backlog,
    size_t bufsize, mpssl_listener_t **listener);
// Frees everything, calls nothing out: fit for a finaliser.
void mpssl_listener_free(mpssl_listener_t *listener);
// Takes a datagram that has come. *taken: MPSSL_LISTENER_*; not written unless MPSSL_OK.
mpssl_status_t mpssl_listener_take(mpssl_listener_t *listener, mpssl_bytes_t datagram, mpssl_bytes_t address,
    uint8_t *reply, uint32_t *taken);
// The client that is to be accepted next; 0: there is none. Numbers are not used twice.
uint64_t mpssl_listener_waiting(const mpssl_listener_t *listener);
// Accepts it, for a socket that has not begun, whose Connection ID changes if another client's is
// the same. *departed: for the finaliser of its transport; not written if somebody else accepted
// it, or no ID is free, in which case it is removed. Unless MPSSL_OK it waits on.
mpssl_status_t mpssl_listener_accept(mpssl_listener_t *listener, uint64_t client, mpssl_socket_t *socket, void **departed);
// Likewise one that was restored, to be found by its Connection ID, if it has one, and by its address, unless it
// has one and was not at_home. *client: its number.
// MPSSL_EADDRINUSE where another client has them, MPSSL_NO_MEMORY where there is no room.
mpssl_status_t mpssl_listener_restore(mpssl_listener_t *listener, const mpssl_socket_t *socket, mpssl_bytes_t address,
    bool at_home, uint64_t *client, void **departed);
// Nobody has the client's transport any more: it is removed soon, if it is there. For a finaliser:
// claims nothing, and the listener may be gone. `departed` may be NULL, and is not used again.
void mpssl_listener_depart(void *departed, uint64_t client);
// Reads one datagram, what of it fits: its length, MPGLUE_WOULD_BLOCK: there is none, or
// MPGLUE_UNKNOWN: the client was removed.
int32_t mpssl_listener_read(mpssl_listener_t *listener, uint64_t client, uint8_t *buf, size_t len);
// Whether a datagram waits, or with client 0 whether somebody is to be accepted: MPSSL_POLL_RD, 0,
// or MPSSL_POLL_NVAL: the client was removed.
uint32_t mpssl_listener_poll(mpssl_listener_t *listener, uint64_t client);
// As long as this is the same, a poll that came to 0 does again.
uint32_t mpssl_listener_version(const mpssl_listener_t *listener);
// Where to write to, borrowed; data NULL: the client was removed.
mpssl_bytes_t mpssl_listener_address(mpssl_listener_t *listener, uint64_t client);
// In builds where connections can hibernate: whether it is found by its address.
bool mpssl_listener_is_at_home(const mpssl_listener_t *listener, uint64_t client);
// A record of the datagram read last has authenticated: the client is where it came from.
void mpssl_listener_follow(mpssl_listener_t *listener, uint64_t client);
void mpssl_listener_remove(mpssl_listener_t *listener, uint64_t client);

/******************************************************************************/
// What a certificate says, as a run of tokens. A value is a text, a number, or a
// tuple: OPEN, values, CLOSE. The run is keys, which are texts, each before its value.

enum {
    MPSSL_CERT_TEXT_END = 0xff, // ends a text in UTF-8, which has none of these bytes
    MPSSL_CERT_OPEN = 0xfe,
    MPSSL_CERT_CLOSE = 0xfd,
    MPSSL_CERT_NUMBER = 0xfc, // the next byte is the number
};

// Writes the tokens of a certificate in DER where they fit, and always their length. Not
// the certificate's worth but its words: verify it first. ValueError for what is none.
mpssl_status_t mpssl_certificate_describe(mpssl_bytes_t der, uint8_t *tokens, size_t size, size_t *len);

/******************************************************************************/
// Call-outs: from Rust to C. None raises; each catches what Python raises.

// Results below zero of the stream and verify call-outs.
enum {
    MPGLUE_WOULD_BLOCK = -1,
    MPGLUE_RAISED = -2, // the exception waits with the owner, a call
    MPGLUE_ERRNO = -3, // *err holds the errno
    MPGLUE_UNKNOWN = -4, // the transport cannot tell
    MPGLUE_OUTSIDE = -5, // the call is to come to MPSSL_OUTSIDE: the transport may wait
};

// How a transfer may be made.
enum {
    MPGLUE_NOW = 1, // never MPGLUE_OUTSIDE
    MPGLUE_STAYS = 2, // the same buf is given again, and what has come is in it then
};

// Reads up to len bytes from the transport; 0: end of stream. Does not raise.
int32_t mpglue_stream_read(void *owner, uint8_t *buf, size_t len, uint32_t how, int32_t *err);
// The datagram read last has a record newer than all before: a client with a Connection ID is where it came
// from (RFC 9146 6). Does not raise.
void mpglue_peer_is_there(void *owner);
// How long the datagram is that would be read, at most; 0: there is none yet; or
// MPGLUE_UNKNOWN, or MPGLUE_ERRNO. Does not raise.
int32_t mpglue_datagram_len(void *owner, int32_t *err);
// Writes up to len bytes to the transport; now: never MPGLUE_OUTSIDE. After MPGLUE_OUTSIDE buf
// stays as it is until the same bytes are given again. Does not raise.
int32_t mpglue_stream_write(void *owner, const uint8_t *buf, size_t len, bool now, int32_t *err);
// Asks SSLContext.verify_callback about one certificate of the peer's chain
// (depth 0: the peer's own). *verdict: 0 accepts. Returns 0 or MPGLUE_RAISED. Does not raise.
int32_t mpglue_verify(void *owner, const uint8_t *der, size_t len, int32_t depth, int32_t *verdict);
// Asks SSLContext.ecdsa_sign_callback to sign a hash with the key that `key` (a
// private scalar, big-endian) stands for. Writes a DER signature of at most `size`
// bytes and returns its length; 0: sign with the key itself; or MPGLUE_RAISED. Does
// not raise.
int32_t mpglue_sign(void *owner, mpssl_bytes_t key, mpssl_bytes_t hash, uint8_t *sig, size_t size);
// How an object is to sign.
enum {
    MPGLUE_ECDSA = 0,
    MPGLUE_PKCS1V15 = 1, // RSA
    MPGLUE_PSS = 2, // RSA, with the same hash for its mask, and a salt of the hash's length
};

// Has the object that is the key sign a hash. Writes at most `size` bytes and returns their number:
// of ECDSA DER, or r and s, each as long as the curve's order. Or MPGLUE_WOULD_BLOCK: it has none yet,
// and is asked for the same again later; or MPGLUE_RAISED. Does not raise.
int32_t mpglue_sign_by_object(void *owner, uint32_t scheme, mpssl_bytes_t hash, uint8_t *sig, size_t size);
// Asks a server's look-up for the key of an identity. Writes at most `size` bytes and
// returns the length; 0: there is none; or MPGLUE_RAISED. Does not raise.
int32_t mpglue_psk_key(void *owner, mpssl_bytes_t identity, uint8_t *key, size_t size);
// Asks a client's callback for identity and key, given the server's hint (len 0: none).
// *identity_len, *key_len: the room there is, then what was written; 0: there is none.
// Returns 0 or MPGLUE_RAISED. Does not raise.
int32_t mpglue_psk_identity(void *owner, mpssl_bytes_t hint, uint8_t *identity, size_t *identity_len, uint8_t *key, size_t *key_len);
// Asks a server's SSLContext.sni_callback about the name that the client asks for (len 0: for none).
// *chosen: of mpssl_context_choose, if it has chosen another context, else NULL. *alert: 0, or what
// the client is refused with. Returns 0 or MPGLUE_RAISED. Does not raise.
int32_t mpglue_server_name(void *owner, mpssl_bytes_t name, void **chosen, uint8_t *alert);
// Appends a line of secrets to SSLContext.keylog_filename, if there is one; in a build with
// MPSSL_KEYLOG only. Returns 0 or MPGLUE_RAISED. Does not raise.
int32_t mpglue_log_key(void *owner, mpssl_bytes_t line);
// Reads from `at` on of a client's bundle of certificates, as many bytes as there is room for: fewer
// only at its end. How many, or MPGLUE_RAISED. Does not raise.
int32_t mpglue_read_bundle(void *owner, uint32_t index, uint32_t at, uint8_t *buf, size_t len);
// All of it, where it is bytes that stay where they are, and as they are, as long as the call lasts; else
// data is NULL. Does not raise.
mpssl_bytes_t mpglue_bundle_in_place(void *owner, uint32_t index);
// Closes it, where it was opened to be read. changed: it is not the one that was loaded, which is an
// exception. Returns 0 or MPGLUE_RAISED. Does not raise.
int32_t mpglue_close_bundle(void *owner, uint32_t index, bool changed);
// By what the running thread is known. Does not raise.
uintptr_t mpglue_thread(void);
// The port's millisecond clock, wrapping. Does not raise.
uint32_t mpglue_ticks_ms(void);
// The port's clock (mbedtls_time), in seconds; 0: there is none. Does not raise.
uint64_t mpglue_time(void);
// Bytes of stack that are left to the running thread, as MicroPython's own check counts
// them; SIZE_MAX where the port does not check. Does not raise.
size_t mpglue_stack_left(void);
// Zeroed memory from Mbed TLS's allocator, NULL where there is none. Does not raise.
void *mpglue_calloc(size_t n, size_t size);
// Gives it back; NULL is ignored. Does not raise.
void mpglue_free(void *ptr);
// How often the allocator has refused this thread, wrapping; 0 where nobody counts. Does not raise.
uint32_t mpglue_refusals(void);
// Keep other threads, the interrupts and the finalisers they run out of a few
// instructions. Do not raise.
uintptr_t mpglue_atomic_begin(void);
void mpglue_atomic_end(uintptr_t state);

#ifdef __cplusplus
}
#endif

#endif // MPSSL_H
