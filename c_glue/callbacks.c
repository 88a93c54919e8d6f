// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The program's callbacks, and keys that are objects: arguments and results of what Rust asks of Python
// in a handshake.

#include <string.h>

#include "glue.h"

#include "py/objstr.h"
#include "mbedtls/bignum.h"

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
    while (call != NULL && !(call->choosing && call->thread == MPSSL_THIS_THREAD)) {
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
