// SPDX-License-Identifier: MIT OR Apache-2.0
//
// SSLContext: arguments and attributes. What a context is, is in src/context.rs.

#include <string.h>

#include "glue.h"

#include "py/objstr.h"
#include "py/objtype.h"
#if MICROPY_VFS
#include "extmod/vfs.h"
#endif
#include "mbedtls/platform_util.h"
#include "mbedtls/ssl.h"

/******************************************************************************/
// Calls into Rust.

void mpssl_context_claim(ssl_context_obj_t *self, mpssl_signals_t *signals) {
    if (!mpssl_claim(&self->guard, signals)) {
        mp_raise_OSError(MP_EBUSY);
    }
    if (self->tls == NULL) {
        mpssl_release(&self->guard, signals);
        mp_raise_OSError(MP_EBADF); // freed by __del__
    }
}

void mpssl_context_finish(ssl_context_obj_t *self, mpssl_signals_t *signals, mpssl_status_t status) {
    mpssl_release(&self->guard, signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
}

bool mpssl_serves(ssl_context_obj_t *self) {
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    bool server = mpssl_context_is_server(self->tls);
    mpssl_release(&self->guard, &signals);
    return server;
}

/******************************************************************************/
// The native part.

ssl_context_obj_t *mpssl_context_cast(mp_obj_t self_in) {
    mp_obj_t native = mp_obj_cast_to_native_base(self_in, MP_OBJ_FROM_PTR(&mpssl_ssl_context_type));
    if (native == MP_OBJ_NULL) {
        native = mp_obj_cast_to_native_base(self_in, MP_OBJ_FROM_PTR(&mpssl_tls_context_type));
    }
    if (native == MP_OBJ_NULL) {
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("SSLContext expected, not '%s'"), mp_obj_get_type_str(self_in));
    }
    if (!mp_obj_is_type(native, &mpssl_ssl_context_type) && !mp_obj_is_type(native, &mpssl_tls_context_type)) {
        mp_raise_TypeError(MP_ERROR_TEXT("SSLContext.__init__() was not called"));
    }
    return MP_OBJ_TO_PTR(native);
}

mp_int_t mpssl_get_int(mp_obj_t obj) {
    if (mp_obj_is_bool(obj)) {
        mp_raise_TypeError(MP_ERROR_TEXT("a number is needed, not a bool"));
    }
    return mp_obj_get_int(obj);
}

// A protocol or mode for Rust: a number out of range must not become a valid one.
static int32_t to_int32(mp_int_t n) {
    return n == (int32_t)n ? (int32_t)n : -1;
}

mp_obj_t mpssl_context_make(const mp_obj_type_t *type, mp_int_t protocol, mp_int_t verify_mode) {
    ssl_context_obj_t *self = mp_obj_malloc_with_finaliser(ssl_context_obj_t, type);
    self->tls = NULL;
    mpssl_guard_init(&self->guard);
    self->versions[0] = MPSSL_MINIMUM_SUPPORTED;
    self->versions[1] = MPSSL_MAXIMUM_SUPPORTED;
    self->socket_callbacks = MP_OBJ_NULL;
    self->instance = mp_const_none;
    self->verify_callback = mp_const_none;
    self->ecdsa_sign_callback = mp_const_none;
    self->keys[0] = mp_const_none;
    self->keys[1] = mp_const_none;
    self->sni_callback = mp_const_none;
#if MPSSL_KEYLOG
    self->keylog_filename = mp_const_none;
#endif
#if MPSSL_BUNDLES
    self->bundles = mp_const_none;
    self->pinned_pubkeys = mp_const_none;
#endif
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
    self->psk_identity = mp_const_none;
    self->psk_key = mp_const_none;
    self->server_psk_keys = mp_const_none;
    self->psk_callback = mp_const_none;
#endif

    mpssl_context_t *tls = NULL;
    mpssl_signals_t signals;
    mpssl_status_t status;
    mpssl_interrupts_off(&signals);
    CALL_WITH_MEMORY(status, mpssl_context_new(to_int32(protocol), verify_mode, type == &mpssl_tls_context_type, &tls));
    self->tls = tls;
    mpssl_interrupts_on(&signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
    return MP_OBJ_FROM_PTR(self);
}

// SSLContext(protocol)
static mp_obj_t context_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    static const mp_arg_t allowed_arg = { MP_QSTR_protocol, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } };
    mp_arg_val_t arg;
    mp_arg_parse_all_kw_array(n_args, n_kw, args, 1, &allowed_arg, &arg);
    mp_int_t protocol = mpssl_get_int(arg.u_obj);
    // tls.SSLContext verifies servers by default, ssl.SSLContext does not: upstream's defaults.
    bool verify = type == &mpssl_tls_context_type && (protocol & 1) == 0;
    return mpssl_context_make(type, protocol, verify ? 2 : 0);
}

void mpssl_context_set_mode(ssl_context_obj_t *self, mp_int_t verify_mode) {
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    mpssl_context_finish(self, &signals, mpssl_context_set_verify_mode(self->tls, to_int32(verify_mode)));
}

bool mpssl_context_makes_listeners(ssl_context_obj_t *self) {
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    bool makes = mpssl_context_has_cookies(self->tls);
    mpssl_release(&self->guard, &signals);
    return makes;
}

// An int that fits; what does not becomes `otherwise`, which the core refuses.
static mp_int_t int_within(mp_obj_t value, mp_int_t max, mp_int_t otherwise) {
    mp_int_t n = mpssl_get_int(value);
    return n < 0 || n > max ? otherwise : n;
}

// minimum_version, maximum_version. A bound that leaves no version is refused here, and not in the
// handshake.
static void store_version(ssl_context_obj_t *self, bool is_maximum, mp_obj_t value) {
    mp_int_t version = mpssl_get_int(value);
    bool is_bound = version >= MPSSL_MINIMUM_SUPPORTED && version <= MPSSL_MAXIMUM_SUPPORTED;
    bool is_version = version >= MPSSL_SSLV3 && version <= MPSSL_TLSV1_3;
    if (!is_bound && !is_version) {
        mp_raise_ValueError(MP_ERROR_TEXT("unsupported protocol version"));
    }
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    mpssl_status_t status = mpssl_context_set_version(self->tls, is_maximum, (int32_t)version);
    if (status.kind == MPSSL_OK) {
        self->versions[is_maximum] = version;
    }
    mpssl_context_finish(self, &signals, status);
}

#if MPSSL_SERVER_NAMES
static void check_names(ssl_context_obj_t *self) {
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    bool has_names = mpssl_context_has_names(self->tls);
    mpssl_release(&self->guard, &signals);
    if (!has_names) {
        mp_raise_ValueError(MP_ERROR_TEXT("a context of TLS servers is needed"));
    }
}
#endif

static void store_sni_callback(ssl_context_obj_t *self, mp_obj_t callback) {
    if (callback != mp_const_none) {
        if (!mp_obj_is_callable(callback)) {
            mp_raise_TypeError(MP_ERROR_TEXT("callback must be callable"));
        }
#if MPSSL_SERVER_NAMES
        check_names(self);
#else
        // As CPython's without HAS_SNI.
        mp_raise_NotImplementedError(MP_ERROR_TEXT("SNI"));
#endif
    }
    self->sni_callback = callback;
}

#if MPSSL_SERVER_NAMES
bool mpssl_context_for_name(ssl_context_obj_t *self, const mp_obj_t *keys, void **chosen) {
    check_names(self);
    if (self->ecdsa_sign_callback != mp_const_none) {
        mp_raise_ValueError(MP_ERROR_TEXT("a context with ecdsa_sign_callback cannot be chosen"));
    }
    if (keys[1] != mp_const_none) {
        // The socket's suites may have it decrypt.
        mp_raise_ValueError(MP_ERROR_TEXT("a context with an RSA key that is an object cannot be chosen"));
    }
    mpssl_signals_t signals;
    mpssl_status_t status = { MPSSL_OK, 0 };
    mpssl_context_claim(self, &signals);
    bool same = self->keys[0] == keys[0] && self->keys[1] == keys[1];
    if (same) {
        CALL_WITH_MEMORY(status, mpssl_context_choose(self->tls, chosen));
    }
    mpssl_context_finish(self, &signals, status);
    return same;
}
#endif

// max_fragment_length, keep_peer_cert.

static mpssl_memory_t get_memory(ssl_context_obj_t *self) {
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    mpssl_memory_t memory = mpssl_context_memory(self->tls);
    mpssl_release(&self->guard, &signals);
    return memory;
}

static mp_obj_t load_memory(ssl_context_obj_t *self, qstr attr) {
    mpssl_memory_t memory = get_memory(self);
    if (attr == MP_QSTR_keep_peer_cert) {
        return mp_obj_new_bool(memory.keep_peer_cert);
    }
    uint16_t len = memory.max_fragment_length;
    return len == 0 ? mp_const_none : MP_OBJ_NEW_SMALL_INT(len);
}

static void store_memory(ssl_context_obj_t *self, qstr attr, mp_obj_t value) {
    mpssl_memory_t memory = get_memory(self);
    if (attr == MP_QSTR_keep_peer_cert) {
        memory.keep_peer_cert = mp_obj_is_true(value);
    } else if (value == mp_const_none) {
        memory.max_fragment_length = 0;
    } else {
        mp_int_t len = int_within(value, UINT16_MAX, 1);
        memory.max_fragment_length = len == 0 ? 1 : len; // 0 is not None
    }
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    mpssl_context_finish(self, &signals, mpssl_context_set_memory(self->tls, memory));
}

#if defined(MBEDTLS_SSL_PROTO_DTLS)
// The settings of DTLS, each an attribute: dtls_timeout, dtls_mtu, dtls_cid,
// dtls_cid_required.

static mpssl_dtls_t get_dtls(ssl_context_obj_t *self) {
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    mpssl_dtls_t dtls = mpssl_context_dtls(self->tls);
    mpssl_release(&self->guard, &signals);
    return dtls;
}

static mp_obj_t load_dtls(ssl_context_obj_t *self, qstr attr) {
    mpssl_dtls_t dtls = get_dtls(self);
    if (attr == MP_QSTR_dtls_timeout) {
        mp_obj_t pair[2] = {
            mp_obj_new_int_from_uint(dtls.initial_ms), mp_obj_new_int_from_uint(dtls.maximum_ms)
        };
        return mp_obj_new_tuple(2, pair);
    }
    if (attr == MP_QSTR_dtls_mtu) {
        return MP_OBJ_NEW_SMALL_INT(dtls.mtu);
    }
    if (attr == MP_QSTR_dtls_cid) {
        return dtls.cid < 0 ? mp_const_none : MP_OBJ_NEW_SMALL_INT(dtls.cid);
    }
    return mp_obj_new_bool(dtls.cid_required);
}

static void store_dtls(ssl_context_obj_t *self, qstr attr, mp_obj_t value) {
    mpssl_dtls_t dtls = get_dtls(self);
    if (attr == MP_QSTR_dtls_timeout) {
        mp_obj_t *pair;
        mp_obj_get_array_fixed_n(value, 2, &pair);
        dtls.initial_ms = int_within(pair[0], INT32_MAX, 0);
        dtls.maximum_ms = int_within(pair[1], INT32_MAX, 0);
    } else if (attr == MP_QSTR_dtls_mtu) {
        dtls.mtu = int_within(value, UINT16_MAX, 1);
    } else if (attr == MP_QSTR_dtls_cid) {
        dtls.cid = value == mp_const_none ? -1 : int_within(value, UINT8_MAX, UINT8_MAX);
    } else {
        dtls.cid_required = mp_obj_is_true(value);
    }
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    mpssl_context_finish(self, &signals, mpssl_context_set_dtls(self->tls, dtls));
}
#endif

#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
// Pre-shared keys: upstream's attributes, CPython's callbacks.

void mpssl_context_set_psk_pair(ssl_context_obj_t *self, mp_obj_t identity_in, mp_obj_t key_in) {
    mpssl_check_bytes(identity_in);
    mpssl_check_bytes(key_in);
    mpssl_signals_t signals;
    mpssl_status_t status;
    mpssl_context_claim(self, &signals);
    mpssl_bytes_t identity = mpssl_borrow_bytes(identity_in);
    mpssl_bytes_t key = mpssl_borrow_bytes(key_in);
    CALL_WITH_MEMORY(status, mpssl_context_set_psk(self->tls, identity, key));
    if (status.kind == MPSSL_OK) {
        self->psk_identity = identity_in;
        self->psk_key = key_in;
    }
    mpssl_context_finish(self, &signals, status);
}

// Has connections made from now on ask `keys` or `callback`, of which a server has one.
static void ask_for_psk(ssl_context_obj_t *self, mp_obj_t keys, mp_obj_t callback, mpssl_bytes_t hint) {
    mpssl_signals_t signals;
    mpssl_status_t status;
    bool asks = callback != mp_const_none || (keys != mp_const_none && mpssl_serves(self));
    mpssl_context_claim(self, &signals);
    CALL_WITH_MEMORY(status, mpssl_context_ask_for_psk(self->tls, asks, hint));
    if (status.kind == MPSSL_OK) {
        self->server_psk_keys = keys;
        self->psk_callback = callback;
    }
    mpssl_context_finish(self, &signals, status);
}

static void set_psk_callback(ssl_context_obj_t *self, bool server, mp_obj_t callback, mpssl_bytes_t hint) {
    if (callback != mp_const_none && !mp_obj_is_callable(callback)) {
        mp_raise_TypeError(MP_ERROR_TEXT("callback must be callable"));
    }
    if (mpssl_serves(self) != server) {
        // As CPython's SSLError.
        mp_raise_msg(&mp_type_OSError, server ? MP_ERROR_TEXT("Cannot add PSK server callback to a client context") : MP_ERROR_TEXT("Cannot add PSK client callback to a server context"));
    }
    // A client's server_psk_keys, which nothing asks, stay readable.
    ask_for_psk(self, server ? mp_const_none : self->server_psk_keys, callback, hint);
}

// SSLContext.set_psk_client_callback(callback): callback(hint) -> (identity, key)
static mp_obj_t context_set_psk_client_callback(mp_obj_t self_in, mp_obj_t callback) {
    set_psk_callback(mpssl_context_cast(self_in), false, callback, (mpssl_bytes_t){ NULL, 0 });
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(context_set_psk_client_callback_obj, context_set_psk_client_callback);

// SSLContext.set_psk_server_callback(callback, identity_hint=None): callback(identity) -> key
static mp_obj_t context_set_psk_server_callback(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_callback,
        ARG_identity_hint
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_callback, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_identity_hint, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    mpssl_bytes_t hint = { NULL, 0 };
    if (args[ARG_identity_hint].u_obj != mp_const_none) {
        bool fresh;
        hint = mpssl_get_bytes(&args[ARG_identity_hint].u_obj, &fresh);
    }
    set_psk_callback(mpssl_context_cast(pos_args[0]), true, args[ARG_callback].u_obj, hint);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(context_set_psk_server_callback_obj, 1, context_set_psk_server_callback);
#endif

// pinned_pubkeys: bytes, or a list or tuple of bytes; None: any key.
static void store_pins(ssl_context_obj_t *self, mp_obj_t value) {
#if MPSSL_BUNDLES
    mpssl_bytes_t digests = { NULL, 0 };
    mp_obj_t kept = mp_const_none;
    if (value != mp_const_none) {
        mp_obj_t *pins = &value;
        size_t n = 1;
        mp_buffer_info_t buf;
        if (!mp_get_buffer(value, &buf, MP_BUFFER_READ)) {
            mp_obj_get_array(value, &n, &pins);
        }
        vstr_t all;
        vstr_init(&all, 32 * n + 1);
        mp_obj_tuple_t *tuple = MP_OBJ_TO_PTR(mp_obj_new_tuple(n, NULL));
        for (size_t i = 0; i < n; ++i) {
            mp_get_buffer_raise(pins[i], &buf, MP_BUFFER_READ);
            if (buf.len != 32) {
                mp_raise_ValueError(MP_ERROR_TEXT("a SHA-256 digest is needed"));
            }
            tuple->items[i] = mp_obj_new_bytes(buf.buf, buf.len);
            vstr_add_strn(&all, buf.buf, buf.len);
        }
        digests = (mpssl_bytes_t){ (const uint8_t *)all.buf, all.len };
        kept = MP_OBJ_FROM_PTR(tuple);
    }
    mpssl_signals_t signals;
    mpssl_status_t status;
    mpssl_context_claim(self, &signals);
    CALL_WITH_MEMORY(status, mpssl_context_set_pins(self->tls, digests));
    if (status.kind == MPSSL_OK) {
        self->pinned_pubkeys = kept;
    }
    mpssl_context_finish(self, &signals, status);
#else
    (void)self;
    if (value != mp_const_none) {
        mp_raise_NotImplementedError(MP_ERROR_TEXT("pinned_pubkeys"));
    }
#endif
}

mp_obj_t mpssl_context_load_attr(mp_obj_t self_in, qstr attr) {
    ssl_context_obj_t *self = mpssl_context_cast(self_in);
    switch (attr) {
        case MP_QSTR_pinned_pubkeys:
#if MPSSL_BUNDLES
            return self->pinned_pubkeys;
#else
            return mp_const_none;
#endif
        case MP_QSTR_verify_callback:
            return self->verify_callback;
        case MP_QSTR_ecdsa_sign_callback:
            return self->ecdsa_sign_callback;
        case MP_QSTR_check_own_signature: {
            mpssl_signals_t signals;
            mpssl_context_claim(self, &signals);
            bool check = mpssl_context_check_own_signature(self->tls);
            mpssl_release(&self->guard, &signals);
            return mp_obj_new_bool(check);
        }
        case MP_QSTR_sni_callback:
            return self->sni_callback;
        case MP_QSTR_keylog_filename:
#if MPSSL_KEYLOG
            return self->keylog_filename;
#else
            return mp_const_none;
#endif
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
        case MP_QSTR_psk_identity:
            return self->psk_identity;
        case MP_QSTR_psk_key:
            return self->psk_key;
        case MP_QSTR_server_psk_keys:
            return self->server_psk_keys;
#endif
        case MP_QSTR__context:
            return self_in;
        case MP_QSTR_minimum_version:
        case MP_QSTR_maximum_version:
            return MP_OBJ_NEW_SMALL_INT(self->versions[attr == MP_QSTR_maximum_version]);
        case MP_QSTR_options: {
            mpssl_signals_t signals;
            mpssl_context_claim(self, &signals);
            uint32_t options = mpssl_context_options(self->tls);
            mpssl_release(&self->guard, &signals);
            return MP_OBJ_NEW_SMALL_INT(options);
        }
        case MP_QSTR_verify_flags: {
            uint32_t flags = MPSSL_VERIFY_DEFAULT;
#if defined(MBEDTLS_X509_CRL_PARSE_C)
            mpssl_signals_t signals;
            mpssl_context_claim(self, &signals);
            flags = mpssl_context_verify_flags(self->tls);
            mpssl_release(&self->guard, &signals);
#endif
            return MP_OBJ_NEW_SMALL_INT(flags);
        }
        case MP_QSTR_num_tickets: {
            mpssl_signals_t signals;
            mpssl_context_claim(self, &signals);
            uint8_t n = mpssl_context_num_tickets(self->tls);
            mpssl_release(&self->guard, &signals);
            return MP_OBJ_NEW_SMALL_INT(n);
        }
        case MP_QSTR_session_cache: {
            uint8_t n = 0;
#if MPSSL_SESSIONS
            mpssl_signals_t signals;
            mpssl_context_claim(self, &signals);
            n = mpssl_context_session_cache(self->tls);
            mpssl_release(&self->guard, &signals);
#endif
            return MP_OBJ_NEW_SMALL_INT(n);
        }
        case MP_QSTR_max_fragment_length:
        case MP_QSTR_keep_peer_cert:
            return load_memory(self, attr);
#if MPSSL_MEMORY
        case MP_QSTR_memory:
            return mpssl_guard_memory(&self->guard);
#endif
#if defined(MBEDTLS_SSL_PROTO_DTLS)
        case MP_QSTR_dtls_timeout:
        case MP_QSTR_dtls_mtu:
        case MP_QSTR_dtls_cid:
        case MP_QSTR_dtls_cid_required:
            return load_dtls(self, attr);
#endif
        default: {
            mpssl_signals_t signals;
            mpssl_context_claim(self, &signals);
            int32_t verify_mode = mpssl_context_verify_mode(self->tls);
            bool check_hostname = mpssl_context_check_hostname(self->tls);
            int32_t ms = mpssl_context_hibernate_after(self->tls);
            mpssl_release(&self->guard, &signals);
            if (attr == MP_QSTR_verify_mode) {
                return MP_OBJ_NEW_SMALL_INT(verify_mode);
            }
            if (attr == MP_QSTR_check_hostname) {
                return mp_obj_new_bool(check_hostname);
            }
            return ms < 0 ? mp_const_none : mp_obj_new_int(ms); // hibernate_after
        }
    }
}

void mpssl_context_store_attr(mp_obj_t self_in, qstr attr, mp_obj_t value) {
    ssl_context_obj_t *self = mpssl_context_cast(self_in);
    mpssl_signals_t signals;
    switch (attr) {
        case MP_QSTR_verify_mode:
            mpssl_context_set_mode(self, mpssl_get_int(value));
            return;
        case MP_QSTR_check_hostname: {
            bool check = mp_obj_is_true(value);
            mpssl_context_claim(self, &signals);
            mpssl_context_finish(self, &signals, mpssl_context_set_check_hostname(self->tls, check));
            return;
        }
        case MP_QSTR_check_own_signature: {
            bool check = mp_obj_is_true(value);
            mpssl_context_claim(self, &signals);
            mpssl_context_set_check_own_signature(self->tls, check);
            mpssl_release(&self->guard, &signals);
            return;
        }
        case MP_QSTR_verify_callback:
            self->verify_callback = value;
            return;
        case MP_QSTR_ecdsa_sign_callback:
            self->ecdsa_sign_callback = value;
            return;
        case MP_QSTR_sni_callback:
            store_sni_callback(self, value);
            return;
        case MP_QSTR_pinned_pubkeys:
            store_pins(self, value);
            return;
        case MP_QSTR_keylog_filename:
#if MPSSL_KEYLOG
            if (value != mp_const_none) {
                mpssl_check_key_log(value);
            }
            self->keylog_filename = value;
#else
            if (value != mp_const_none) {
                mp_raise_NotImplementedError(MP_ERROR_TEXT("MPSSL_KEYLOG"));
            }
#endif
            return;
        case MP_QSTR_hibernate_after: {
            int32_t ms = value == mp_const_none ? -1 : to_int32(mpssl_get_int(value));
            if (ms < 0 && value != mp_const_none) {
                mp_raise_ValueError(MP_ERROR_TEXT("invalid hibernate_after"));
            }
            mpssl_context_claim(self, &signals);
            mpssl_context_set_hibernate_after(self->tls, ms);
            mpssl_release(&self->guard, &signals);
            return;
        }
        case MP_QSTR_max_fragment_length:
        case MP_QSTR_keep_peer_cert:
            store_memory(self, attr, value);
            return;
        case MP_QSTR_verify_flags: {
            mp_int_t flags = int_within(value, INT32_MAX, INT32_MAX); // which has what there is not
#if defined(MBEDTLS_X509_CRL_PARSE_C)
            mpssl_context_claim(self, &signals);
            mpssl_context_finish(self, &signals, mpssl_context_set_verify_flags(self->tls, (uint32_t)flags));
#else
            if (flags != MPSSL_VERIFY_DEFAULT) {
                mp_raise_NotImplementedError(MP_ERROR_TEXT("MPSSL_CRL"));
            }
#endif
            return;
        }
        case MP_QSTR_num_tickets: {
            mp_int_t n = int_within(value, UINT8_MAX, UINT8_MAX); // which are too many
#if MPSSL_TICKETS
            mpssl_context_claim(self, &signals);
            mpssl_context_finish(self, &signals, mpssl_context_set_num_tickets(self->tls, n));
#else
            if (n != 0) {
                mp_raise_NotImplementedError(MP_ERROR_TEXT("tickets"));
            }
#endif
            return;
        }
        case MP_QSTR_session_cache: {
            mp_int_t n = int_within(value, UINT8_MAX, UINT8_MAX); // which is too much
#if MPSSL_SESSIONS
            mpssl_status_t status;
            mpssl_context_claim(self, &signals);
            CALL_WITH_MEMORY(status, mpssl_context_set_session_cache(self->tls, n));
            mpssl_context_finish(self, &signals, status);
#else
            if (n != 0) {
                mp_raise_NotImplementedError(MP_ERROR_TEXT("session"));
            }
#endif
            return;
        }
        case MP_QSTR_minimum_version:
        case MP_QSTR_maximum_version:
            store_version(self, attr == MP_QSTR_maximum_version, value);
            return;
        case MP_QSTR_options: {
            mp_int_t options = int_within(value, INT32_MAX, INT32_MAX); // which has what there is not
            mpssl_context_claim(self, &signals);
            mpssl_context_finish(self, &signals, mpssl_context_set_options(self->tls, (uint32_t)options));
            return;
        }
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
        case MP_QSTR_psk_identity:
            mpssl_context_set_psk_pair(self, value, self->psk_key);
            return;
        case MP_QSTR_psk_key:
            mpssl_context_set_psk_pair(self, self->psk_identity, value);
            return;
        case MP_QSTR_server_psk_keys:
            // A server has either; upstream lets a client's be set, to no effect.
            ask_for_psk(self, value, mpssl_serves(self) ? mp_const_none : self->psk_callback, (mpssl_bytes_t){ NULL, 0 });
            return;
#endif
#if defined(MBEDTLS_SSL_PROTO_DTLS)
        case MP_QSTR_dtls_timeout:
        case MP_QSTR_dtls_mtu:
        case MP_QSTR_dtls_cid:
        case MP_QSTR_dtls_cid_required:
            store_dtls(self, attr, value);
            return;
#endif
        default:
            mp_raise_msg(&mp_type_AttributeError, NULL); // can only be read
    }
}

// SSLContext.__del__(): frees TLS state only; sockets in use keep what they need of it.
static mp_obj_t context_del(mp_obj_t self_in) {
    ssl_context_obj_t *self = mpssl_context_cast(self_in);
    mpssl_signals_t signals;
    // A thread that the port has ended may have claimed it, and never releases it.
    if (self->guard.thread == NULL && mpssl_claim(&self->guard, &signals)) {
        mpssl_context_free(self->tls);
        self->tls = NULL;
        mpssl_release(&self->guard, &signals);
        mpssl_guard_end(&self->guard);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(context_del_obj, context_del);

// SSLContext.get_ciphers() -> list of str: what is enabled.
static mp_obj_t context_get_ciphers(mp_obj_t self_in) {
    ssl_context_obj_t *self = mpssl_context_cast(self_in);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (size_t i = 0;; ++i) {
        mpssl_signals_t signals;
        mpssl_context_claim(self, &signals);
        const char *name = mpssl_context_cipher(self->tls, i);
        mpssl_release(&self->guard, &signals);
        if (name == NULL) {
            return list;
        }
        mp_obj_list_append(list, mp_obj_new_str_from_cstr(name));
    }
}
static MP_DEFINE_CONST_FUN_OBJ_1(context_get_ciphers_obj, context_get_ciphers);

// The names in a list or tuple, to be freed.
static mpssl_bytes_t *get_names(mp_obj_t names_in, size_t *n) {
    mp_obj_t *objs;
    mp_obj_get_array(names_in, n, &objs);
    mpssl_bytes_t *names = m_new(mpssl_bytes_t, *n);
    for (size_t i = 0; i < *n; ++i) {
        names[i].data = (const uint8_t *)mp_obj_str_get_data(objs[i], &names[i].len);
    }
    return names;
}

// Sets what the names in a list or tuple name. Where they are suites' an error says which names none.
static mp_obj_t set_names(mp_obj_t self_in, mp_obj_t names_in, mpssl_status_t (*set)(mpssl_context_t *, const mpssl_bytes_t *, size_t), bool are_suites) {
    ssl_context_obj_t *self = mpssl_context_cast(self_in);
    size_t n;
    mpssl_bytes_t *names = get_names(names_in, &n);
    mpssl_signals_t signals;
    mpssl_status_t status;
    mpssl_context_claim(self, &signals);
    CALL_WITH_MEMORY(status, set(self->tls, names, n));
    mpssl_release(&self->guard, &signals);
#if MPSSL_HINTS
    for (size_t i = 0; i < n && are_suites && status.kind == MPSSL_TLS; ++i) {
        if (!mpssl_is_cipher(names[i])) {
            vstr_t hint;
            vstr_init(&hint, 32);
            vstr_printf(&hint, "unknown cipher suite '%.*s'", (int)names[i].len, names[i].data);
            mpssl_raise_failure(NULL, status, mp_obj_new_str_from_vstr(&hint));
        }
    }
#else
    (void)are_suites;
#endif
    m_del(mpssl_bytes_t, names, n);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
    return mp_const_none;
}

// SSLContext.set_ciphers(list or tuple of str)
static mp_obj_t context_set_ciphers(mp_obj_t self_in, mp_obj_t ciphers_in) {
    return set_names(self_in, ciphers_in, mpssl_context_set_ciphers, true);
}
static MP_DEFINE_CONST_FUN_OBJ_2(context_set_ciphers_obj, context_set_ciphers);

#if MPSSL_TLS13
static const MP_DEFINE_STR_OBJ(colon_obj, ":");
#endif

// SSLContext.set_ciphersuites(str with colons, or list or tuple of str): TLS 1.3's
static mp_obj_t context_set_ciphersuites(mp_obj_t self_in, mp_obj_t ciphers_in) {
#if MPSSL_TLS13
    if (mp_obj_is_str(ciphers_in)) {
        mp_obj_t names[3] = { MP_OBJ_NULL, MP_OBJ_NULL, MP_OBJ_FROM_PTR(&colon_obj) };
        mp_load_method(ciphers_in, MP_QSTR_split, names);
        ciphers_in = mp_obj_is_true(ciphers_in) ? mp_call_method_n_kw(1, 0, names) : mp_const_empty_tuple;
    }
    return set_names(self_in, ciphers_in, mpssl_context_set_ciphersuites, true);
#else
    mpssl_context_cast(self_in);
    mp_raise_NotImplementedError(MP_ERROR_TEXT("TLS 1.3"));
#endif
}
static MP_DEFINE_CONST_FUN_OBJ_2(context_set_ciphersuites_obj, context_set_ciphersuites);

// SSLContext.set_ecdh_curve(str, or list or tuple of str)
static mp_obj_t context_set_ecdh_curve(mp_obj_t self_in, mp_obj_t curves_in) {
    if (mp_obj_is_str_or_bytes(curves_in)) {
        curves_in = mp_obj_new_tuple(1, &curves_in);
    }
    return set_names(self_in, curves_in, mpssl_context_set_groups, false);
}
static MP_DEFINE_CONST_FUN_OBJ_2(context_set_ecdh_curve_obj, context_set_ecdh_curve);

// SSLContext.set_alpn_protocols(list or tuple of str)
static mp_obj_t context_set_alpn_protocols(mp_obj_t self_in, mp_obj_t protocols_in) {
#if defined(MBEDTLS_SSL_ALPN)
    return set_names(self_in, protocols_in, mpssl_context_set_alpn_protocols, false);
#else
    // As CPython's without HAS_ALPN.
    mpssl_context_cast(self_in);
    mp_raise_NotImplementedError(MP_ERROR_TEXT("ALPN"));
#endif
}
static MP_DEFINE_CONST_FUN_OBJ_2(context_set_alpn_protocols_obj, context_set_alpn_protocols);

// SSLContext.load_cert_chain(certfile, keyfile=None, password=None)
static mp_obj_t context_load_cert_chain(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_certfile,
        ARG_keyfile,
        ARG_password
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_certfile, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_keyfile, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_password, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    mpssl_context_load_chain(mpssl_context_cast(pos_args[0]), args[ARG_certfile].u_obj,
        args[ARG_keyfile].u_obj, args[ARG_password].u_obj);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(context_load_cert_chain_obj, 1, context_load_cert_chain);

// SSLContext.load_verify_locations(cafile=None, cadata=None, *, capath=None): the order of upstream's
static mp_obj_t context_load_verify_locations(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_cafile,
        ARG_cadata,
        ARG_capath
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_cafile, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cadata, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_capath, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    ssl_context_obj_t *self = mpssl_context_cast(pos_args[0]);
    mp_obj_t capath = args[ARG_capath].u_obj;
    mp_obj_t cafile = args[ARG_cafile].u_obj;
    mp_obj_t cadata = args[ARG_cadata].u_obj;
    // The first positional argument of upstream's tls.SSLContext is data.
    bool may_be_path = mpssl_takes_paths(self) || n_args < 2;
    if (may_be_path && mp_obj_is_str(cafile) && !mp_obj_is_true(cafile)) {
        cafile = mp_const_none; // an empty path is none
    }
    if (mp_obj_is_str(capath) && !mp_obj_is_true(capath)) {
        capath = mp_const_none;
    }
    if ((cafile != mp_const_none || capath != mp_const_none) && !mp_obj_is_true(cadata)) {
        cadata = mp_const_none;
    }
    if (cafile == mp_const_none && cadata == mp_const_none && capath == mp_const_none) {
        mp_raise_TypeError(MP_ERROR_TEXT("cafile and cadata omitted"));
    }
    if (cafile != mp_const_none) {
        mpssl_context_load_anchors(self, cafile, may_be_path);
    }
    if (cadata != mp_const_none) {
        mpssl_context_load_anchors(self, cadata, false);
    }
    if (capath != mp_const_none) {
        mpssl_context_load_directory(self, capath);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(context_load_verify_locations_obj, 1, context_load_verify_locations);

// SSLContext.load_default_certs(purpose=None), set_default_verify_paths(): what the system trusts.
static mp_obj_t context_load_default_certs(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mpssl_context_load_defaults(mpssl_context_cast(args[0]));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(context_load_default_certs_obj, 1, 2, context_load_default_certs);

// SSLContext.cert_store_stats() -> CPython's dict: how many trust anchors there are.
static mp_obj_t context_cert_store_stats(mp_obj_t self_in) {
    ssl_context_obj_t *self = mpssl_context_cast(self_in);
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    mpssl_anchors_t anchors = mpssl_context_anchors(self->tls);
    mpssl_release(&self->guard, &signals);
    mp_obj_t stats = mp_obj_new_dict(4);
    mp_obj_dict_store(stats, MP_OBJ_NEW_QSTR(MP_QSTR_x509), mp_obj_new_int_from_uint(anchors.all));
    mp_obj_dict_store(stats, MP_OBJ_NEW_QSTR(MP_QSTR_x509_ca), mp_obj_new_int_from_uint(anchors.cas));
    mp_obj_dict_store(stats, MP_OBJ_NEW_QSTR(MP_QSTR_crl), mp_obj_new_int_from_uint(anchors.crls));
    mp_obj_dict_store(stats, MP_OBJ_NEW_QSTR(MP_QSTR_x509_unreadable), mp_obj_new_int_from_uint(anchors.unreadable));
    return stats;
}
static MP_DEFINE_CONST_FUN_OBJ_1(context_cert_store_stats_obj, context_cert_store_stats);

// SSLContext.session_stats() -> CPython's dict: what the connections came to.
static mp_obj_t context_session_stats(mp_obj_t self_in) {
    ssl_context_obj_t *self = mpssl_context_cast(self_in);
    mpssl_signals_t signals;
    mpssl_context_claim(self, &signals);
    mpssl_stats_t stats = mpssl_context_stats(self->tls);
    bool server = mpssl_context_is_server(self->tls);
    mpssl_release(&self->guard, &signals);
    const struct {
        qstr name;
        uint32_t n;
    } counts[] = {
        { MP_QSTR_number, stats.cached },
        { MP_QSTR_connect, server ? 0 : stats.begun },
        { MP_QSTR_connect_good, server ? 0 : stats.good },
        { MP_QSTR_connect_renegotiate, 0 },
        { MP_QSTR_accept, server ? stats.begun : 0 },
        { MP_QSTR_accept_good, server ? stats.good : 0 },
        { MP_QSTR_accept_renegotiate, 0 },
        { MP_QSTR_hits, stats.hits },
        { MP_QSTR_misses, stats.misses },
        { MP_QSTR_timeouts, stats.timeouts },
        { MP_QSTR_cache_full, stats.cache_full },
    };
    mp_obj_t dict = mp_obj_new_dict(MP_ARRAY_SIZE(counts));
    for (size_t i = 0; i < MP_ARRAY_SIZE(counts); ++i) {
        mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(counts[i].name), mp_obj_new_int_from_uint(counts[i].n));
    }
    return dict;
}
static MP_DEFINE_CONST_FUN_OBJ_1(context_session_stats_obj, context_session_stats);

// SSLContext.wrap_socket(sock, server_side=False, do_handshake_on_connect=True,
//     server_hostname=None, client_id=None, *, assert_hostname=None, session=None)
static mp_obj_t context_wrap_socket(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_sock,
        ARG_server_side,
        ARG_do_handshake_on_connect,
        ARG_server_hostname,
        ARG_client_id,
        ARG_assert_hostname,
        ARG_session
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_sock, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_server_side, MP_ARG_BOOL, { .u_bool = false } },
        { MP_QSTR_do_handshake_on_connect, MP_ARG_BOOL, { .u_bool = true } },
        { MP_QSTR_server_hostname, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_client_id, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_assert_hostname, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_session, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    ssl_context_obj_t *self = mpssl_context_cast(pos_args[0]);
    self->instance = pos_args[0];
    return mpssl_socket_make(self, args[ARG_sock].u_obj, args[ARG_server_side].u_bool,
        args[ARG_do_handshake_on_connect].u_bool, args[ARG_server_hostname].u_obj,
        args[ARG_assert_hostname].u_obj, args[ARG_client_id].u_obj,
        args[ARG_session].u_obj);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(context_wrap_socket_obj, 1, context_wrap_socket);

#if MPSSL_HIBERNATION
// SSLContext.restore(sock, state, *, key, counter=None) -> SSLSocket, open: what export() gave, of a
// connection with the same settings.
static mp_obj_t context_restore(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_sock, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        MPSSL_RESTORE_ALLOWED_ARGS,
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    ssl_context_obj_t *self = mpssl_context_cast(pos_args[0]);
    self->instance = pos_args[0];
    uint32_t n;
    mp_obj_t address;
    bool at_home;
    ssl_socket_obj_t *sock = mpssl_socket_load(self, args[0].u_obj, args + 1, &n, &address, &at_home);
    return mpssl_socket_consume(sock, args[1 + MPSSL_RESTORE_COUNTER].u_obj, n);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(context_restore_obj, 1, context_restore);
#endif

#define METHOD(name, obj) \
    { MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR((&(const mpssl_method_t){ { &mpssl_method_type }, MP_ROM_PTR(&obj) })) }
#define ATTRIBUTE(name) \
    { MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR((&(const mpssl_attribute_t){ { &mpssl_attribute_type }, MP_QSTR_##name })) }

static const mp_rom_map_elem_t context_locals_dict_table[] = {
    METHOD(get_ciphers, context_get_ciphers_obj),
    METHOD(set_ciphers, context_set_ciphers_obj),
    METHOD(set_ciphersuites, context_set_ciphersuites_obj),
    METHOD(set_ecdh_curve, context_set_ecdh_curve_obj),
    METHOD(set_alpn_protocols, context_set_alpn_protocols_obj),
    METHOD(load_cert_chain, context_load_cert_chain_obj),
    METHOD(load_verify_locations, context_load_verify_locations_obj),
    METHOD(load_default_certs, context_load_default_certs_obj),
    METHOD(set_default_verify_paths, context_load_default_certs_obj),
    METHOD(cert_store_stats, context_cert_store_stats_obj),
    METHOD(session_stats, context_session_stats_obj),
    METHOD(wrap_socket, context_wrap_socket_obj),
#if MPSSL_HIBERNATION
    METHOD(restore, context_restore_obj),
#endif
#if defined(MBEDTLS_SSL_DTLS_HELLO_VERIFY)
    METHOD(listen, mpssl_context_listen_obj),
#endif
    ATTRIBUTE(verify_mode),
    ATTRIBUTE(verify_flags),
    ATTRIBUTE(check_hostname),
    ATTRIBUTE(check_own_signature),
    ATTRIBUTE(verify_callback),
    ATTRIBUTE(ecdsa_sign_callback),
    ATTRIBUTE(sni_callback),
    ATTRIBUTE(pinned_pubkeys),
    ATTRIBUTE(keylog_filename),
    ATTRIBUTE(hibernate_after),
    ATTRIBUTE(minimum_version),
    ATTRIBUTE(maximum_version),
    ATTRIBUTE(options),
    ATTRIBUTE(num_tickets),
    ATTRIBUTE(session_cache),
    ATTRIBUTE(max_fragment_length),
    ATTRIBUTE(keep_peer_cert),
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
    METHOD(set_psk_client_callback, context_set_psk_client_callback_obj),
    METHOD(set_psk_server_callback, context_set_psk_server_callback_obj),
    ATTRIBUTE(psk_identity),
    ATTRIBUTE(psk_key),
    ATTRIBUTE(server_psk_keys),
#endif
#if defined(MBEDTLS_SSL_PROTO_DTLS)
    ATTRIBUTE(dtls_timeout),
    ATTRIBUTE(dtls_mtu),
    ATTRIBUTE(dtls_cid),
    ATTRIBUTE(dtls_cid_required),
#endif
#if MPSSL_MEMORY
    ATTRIBUTE(memory),
#endif
};
MP_DEFINE_CONST_DICT(mpssl_context_locals_dict, context_locals_dict_table);

static bool has_setting(const mp_map_t *map) {
    for (size_t i = 0; i < map->alloc; ++i) {
        if (mp_map_slot_is_filled(map, i) && mp_map_lookup((mp_map_t *)&mpssl_context_locals_dict.map, map->table[i].key, MP_MAP_LOOKUP) != NULL) {
            return true;
        }
    }
    return false;
}

// Whether nothing stands in the place of a setting, in the instance or in a class below ours.
static bool is_settled(const mp_obj_instance_t *instance) {
    const mp_obj_type_t *type = instance->base.type;
    for (;;) {
        mp_obj_dict_t *locals = MP_OBJ_TYPE_GET_SLOT_OR_NULL(type, locals_dict);
        if (locals == &mpssl_context_locals_dict) {
            return !has_setting(&instance->members);
        }
        const mp_obj_type_t *parent = MP_OBJ_TYPE_GET_SLOT_OR_NULL(type, parent);
        if (parent == NULL || parent->base.type != &mp_type_type || (locals != NULL && has_setting(&locals->map))) {
            return false; // or it has several
        }
        type = parent;
    }
}

void mpssl_context_settle(ssl_context_obj_t *self) {
    if (self->instance == mp_const_none) {
        return;
    }
    mp_obj_instance_t *instance = MP_OBJ_TO_PTR(self->instance);
    if (is_settled(instance)) {
        return;
    }
    const mp_map_t *names = &mpssl_context_locals_dict.map;
    for (size_t i = 0; i < names->used; ++i) {
        mp_obj_t own = names->table[i].value;
        if (!mp_obj_is_type(own, &mpssl_attribute_type)) {
            continue;
        }
        qstr name = ((mpssl_attribute_t *)MP_OBJ_TO_PTR(own))->name;
        mp_obj_t found[2];
        mp_load_method_maybe(MP_OBJ_FROM_PTR(instance->base.type), name, found);
        if (found[0] == own && mp_map_lookup(&instance->members, MP_OBJ_NEW_QSTR(name), MP_MAP_LOOKUP) == NULL) {
            continue;
        }
#if MPSSL_MEMORY
        if (name == MP_QSTR_memory) {
            continue; // no setting
        }
#endif
        mp_obj_t value = mp_load_attr(self->instance, name);
        // MicroPython's super() gives a property the attribute itself: then the setting is meant.
        if (value != own && !mp_obj_equal(value, mpssl_context_load_attr(self->instance, name))) {
            mpssl_context_store_attr(self->instance, name, value);
        }
    }
}

static const mp_rom_map_elem_t native_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&context_del_obj) },
};
static MP_DEFINE_CONST_DICT(native_locals_dict, native_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_tls_context_type,
    MP_QSTR_SSLContext,
    MP_TYPE_FLAG_NONE,
    make_new, context_make_new,
    locals_dict, &native_locals_dict);

MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_ssl_context_type,
    MP_QSTR_SSLContext,
    MP_TYPE_FLAG_NONE,
    make_new, context_make_new,
    locals_dict, &native_locals_dict);
