// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What is in the modules `tls` (upstream's native module) and `ssl` (upstream's Python
// wrapper of it), the latter also under its old name `ussl`, whose CERT_OPTIONAL is CPython's.

#include <stdlib.h>

#include "glue.h"

#include "py/objstr.h"
#include "py/objtuple.h"
#include "mbedtls/ssl.h"
#include "mbedtls/version.h"

static const MP_DEFINE_STR_OBJ(mbedtls_version_obj, MBEDTLS_VERSION_STRING_FULL);

// As mp_arg_parse_all, which does not say what keyword it does not know.
void mpssl_parse_args(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args,
    size_t n, const mp_arg_t *allowed, mp_arg_val_t *args) {
    for (size_t i = 0; i < kw_args->alloc; ++i) {
        if (!mp_map_slot_is_filled(kw_args, i)) {
            continue;
        }
        qstr name = mp_obj_str_get_qstr(kw_args->table[i].key);
        size_t known = 0;
        while (known < n && allowed[known].qst != name) {
            ++known;
        }
        if (known == n) {
            mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("unexpected keyword argument '%q'"), name);
        }
    }
    mp_arg_parse_all(n_args, pos_args, kw_args, n, allowed, args);
}

static bool is_given(mp_map_t *kw_args, qstr name) {
    mp_map_elem_t *elem = mp_map_lookup(kw_args, MP_OBJ_NEW_QSTR(name), MP_MAP_LOOKUP);
    return elem != NULL && elem->value != mp_const_none;
}

// One argument under both its names: neither is more right than the other.
static void check_given_once(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const struct {
        uint8_t position;
        qstr_short_t name;
        qstr_short_t other;
    } names[] = {
        { 2, MP_QSTR_key, MP_QSTR_keyfile },
        { 3, MP_QSTR_cert, MP_QSTR_certfile },
        { 5, MP_QSTR_cadata, MP_QSTR_ca_certs },
        { 7, MP_QSTR_do_handshake, MP_QSTR_do_handshake_on_connect },
    };
    for (size_t i = 0; i < MP_ARRAY_SIZE(names); ++i) {
        size_t position = names[i].position;
        bool by_position = n_args > position && pos_args[position] != mp_const_none;
        if ((by_position || is_given(kw_args, names[i].name)) && is_given(kw_args, names[i].other)) {
            mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("'%q' and '%q' are one argument"), names[i].name, names[i].other);
        }
    }
}

// wrap_socket(sock, server_side=False, key=None, cert=None, cert_reqs=CERT_NONE,
//     cadata=None, server_hostname=None, do_handshake=True, *, psk_ident=None,
//     psk_key=None), and CPython's names keyfile, certfile, ca_certs,
//     do_handshake_on_connect for the same.
static mp_obj_t wrap_socket(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args, bool optional_is_required) {
    enum {
        ARG_sock,
        ARG_server_side,
        ARG_key,
        ARG_cert,
        ARG_cert_reqs,
        ARG_cadata,
        ARG_server_hostname,
        ARG_do_handshake,
        ARG_keyfile,
        ARG_certfile,
        ARG_ca_certs,
        ARG_do_handshake_on_connect,
        ARG_ssl_version,
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
        ARG_psk_ident,
        ARG_psk_key,
#endif
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_sock, MP_ARG_REQUIRED | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_server_side, MP_ARG_BOOL, { .u_bool = false } },
        { MP_QSTR_key, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cert, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cert_reqs, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_INT(MBEDTLS_SSL_VERIFY_NONE) } },
        { MP_QSTR_cadata, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_server_hostname, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_do_handshake, MP_ARG_BOOL, { .u_bool = true } },
        { MP_QSTR_keyfile, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_certfile, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_ca_certs, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_do_handshake_on_connect, MP_ARG_KW_ONLY | MP_ARG_BOOL, { .u_bool = true } },
        { MP_QSTR_ssl_version, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
        { MP_QSTR_psk_ident, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_psk_key, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
#endif
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    check_given_once(n_args, pos_args, kw_args);

    bool server_side = args[ARG_server_side].u_bool;
    mp_obj_t key = args[args[ARG_key].u_obj == mp_const_none ? ARG_keyfile : ARG_key].u_obj;
    mp_obj_t cert = args[args[ARG_cert].u_obj == mp_const_none ? ARG_certfile : ARG_cert].u_obj;

    mp_obj_t context_in = mpssl_context_make(&mpssl_ssl_context_type, server_side, MBEDTLS_SSL_VERIFY_NONE);
    ssl_context_obj_t *context = MP_OBJ_TO_PTR(context_in);
    if (mp_obj_is_true(cert) || mp_obj_is_true(key)) {
        mpssl_context_load_chain(context, cert, key, mp_const_none);
    }
    if (mp_obj_is_true(args[ARG_cadata].u_obj)) {
        mpssl_context_load_anchors(context, args[ARG_cadata].u_obj, false);
    }
    if (mp_obj_is_true(args[ARG_ca_certs].u_obj)) {
        mpssl_context_load_anchors(context, args[ARG_ca_certs].u_obj, true);
    }
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
    if (args[ARG_psk_ident].u_obj != mp_const_none || args[ARG_psk_key].u_obj != mp_const_none) {
        if (server_side) {
            mp_raise_ValueError(MP_ERROR_TEXT("psk_ident and psk_key are a client's"));
        }
        if (args[ARG_psk_ident].u_obj == mp_const_none || args[ARG_psk_key].u_obj == mp_const_none) {
            mp_raise_ValueError(MP_ERROR_TEXT("psk_ident and psk_key go together"));
        }
        mpssl_context_set_psk_pair(context, args[ARG_psk_ident].u_obj, args[ARG_psk_key].u_obj);
    }
#endif
    mp_int_t cert_reqs = mpssl_get_int(args[ARG_cert_reqs].u_obj);
    if (optional_is_required && !server_side && cert_reqs == MBEDTLS_SSL_VERIFY_OPTIONAL) {
        cert_reqs = MBEDTLS_SSL_VERIFY_REQUIRED;
    }
    mpssl_context_set_mode(context, cert_reqs);
    bool do_handshake = args[ARG_do_handshake].u_bool && args[ARG_do_handshake_on_connect].u_bool;
    // There are servers that wrap the connection again, asking for no certificate, when this
    // fails: a client that has none would only have to begin again, too.
    bool demands = server_side && cert_reqs == MBEDTLS_SSL_VERIFY_REQUIRED;
    mp_obj_t sock = mpssl_socket_make(context, args[ARG_sock].u_obj, server_side, do_handshake && !demands,
        args[ARG_server_hostname].u_obj, mp_const_none, mp_const_none, mp_const_none);
    if (do_handshake && demands) {
        mpssl_socket_handshake_or_close(sock);
    }
    return sock;
}

static mp_obj_t ssl_wrap_socket(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return wrap_socket(n_args, pos_args, kw_args, false);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(ssl_wrap_socket_obj, 1, ssl_wrap_socket);

// The old module's CERT_OPTIONAL is CPython's, which for a client is CERT_REQUIRED.
static mp_obj_t ussl_wrap_socket(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return wrap_socket(n_args, pos_args, kw_args, true);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpssl_ussl_wrap_socket_obj, 1, ussl_wrap_socket);

// create_default_context(purpose=Purpose.SERVER_AUTH, *, cafile=None, cadata=None, capath=None): CPython's.
static mp_obj_t create_default_context(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_purpose,
        ARG_cafile,
        ARG_cadata,
        ARG_capath
    };
    static const mp_arg_t allowed_args[] = {
        { MP_QSTR_purpose, MP_ARG_OBJ, { .u_rom_obj = MP_ROM_QSTR(MP_QSTR_SERVER_AUTH) } },
        { MP_QSTR_cafile, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_cadata, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
        { MP_QSTR_capath, MP_ARG_KW_ONLY | MP_ARG_OBJ, { .u_rom_obj = MP_ROM_NONE } },
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mpssl_parse_args(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    bool client = args[ARG_purpose].u_obj == MP_OBJ_NEW_QSTR(MP_QSTR_SERVER_AUTH);
    if (!client && args[ARG_purpose].u_obj != MP_OBJ_NEW_QSTR(MP_QSTR_CLIENT_AUTH)) {
        mp_raise_TypeError(MP_ERROR_TEXT("a Purpose is needed"));
    }
    mp_obj_t context_in = mp_call_function_1(mpssl_ssl_context_class(), MP_OBJ_NEW_SMALL_INT(client ? 0 : 1));
    ssl_context_obj_t *context = mpssl_context_cast(context_in);
    if (client) {
        mpssl_context_set_mode(context, MBEDTLS_SSL_VERIFY_REQUIRED);
    }
    bool given = false;
    for (size_t i = ARG_cafile; i <= ARG_cadata; ++i) {
        if (mp_obj_is_true(args[i].u_obj)) {
            mpssl_context_load_anchors(context, args[i].u_obj, i == ARG_cafile);
            given = true;
        }
    }
    if (mp_obj_is_true(args[ARG_capath].u_obj)) {
        mpssl_context_load_directory(context, args[ARG_capath].u_obj);
        given = true;
    }
#if MPSSL_KEYLOG && MPSSL_DESCRIPTORS
    const char *key_log = getenv("SSLKEYLOGFILE"); // as CPython
    if (key_log != NULL && *key_log != 0) {
        mpssl_context_store_attr(context_in, MP_QSTR_keylog_filename, mp_obj_new_str_from_cstr(key_log));
    }
#endif
    if (!given && client) {
        mpssl_context_load_defaults(context);
    }
    return context_in;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(create_default_context_obj, 0, create_default_context);

static const mp_rom_map_elem_t purpose_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_SERVER_AUTH), MP_ROM_QSTR(MP_QSTR_SERVER_AUTH) },
    { MP_ROM_QSTR(MP_QSTR_CLIENT_AUTH), MP_ROM_QSTR(MP_QSTR_CLIENT_AUTH) },
};
static MP_DEFINE_CONST_DICT(purpose_locals_dict, purpose_locals_dict_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    purpose_type,
    MP_QSTR_Purpose,
    MP_TYPE_FLAG_NONE,
    locals_dict, &purpose_locals_dict);

static const mp_rom_map_elem_t version_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_MINIMUM_SUPPORTED), MP_ROM_INT(MPSSL_MINIMUM_SUPPORTED) },
    { MP_ROM_QSTR(MP_QSTR_SSLv3), MP_ROM_INT(MPSSL_SSLV3) },
    { MP_ROM_QSTR(MP_QSTR_TLSv1), MP_ROM_INT(MPSSL_TLSV1) },
    { MP_ROM_QSTR(MP_QSTR_TLSv1_1), MP_ROM_INT(MPSSL_TLSV1_1) },
    { MP_ROM_QSTR(MP_QSTR_TLSv1_2), MP_ROM_INT(MPSSL_TLSV1_2) },
    { MP_ROM_QSTR(MP_QSTR_TLSv1_3), MP_ROM_INT(MPSSL_TLSV1_3) },
    { MP_ROM_QSTR(MP_QSTR_MAXIMUM_SUPPORTED), MP_ROM_INT(MPSSL_MAXIMUM_SUPPORTED) },
};
static MP_DEFINE_CONST_DICT(version_locals_dict, version_locals_dict_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    version_type,
    MP_QSTR_TLSVersion,
    MP_TYPE_FLAG_NONE,
    locals_dict, &version_locals_dict);

#if defined(__unix__) || defined(__APPLE__)
// get_default_verify_paths(): CPython's, where there is a file system that the system's are in.
static mp_obj_t get_default_verify_paths(void) {
    static const qstr fields[] = {
        MP_QSTR_cafile,
        MP_QSTR_capath,
        MP_QSTR_openssl_cafile_env,
        MP_QSTR_openssl_cafile,
        MP_QSTR_openssl_capath_env,
        MP_QSTR_openssl_capath,
    };
    const char *file = mpssl_default_cafile();
    mp_obj_t cafile = file == NULL ? mp_const_none : mp_obj_new_str_from_cstr(file);
    mp_obj_t items[MP_ARRAY_SIZE(fields)] = {
        cafile,
        mp_const_none,
        MP_OBJ_NEW_QSTR(MP_QSTR_SSL_CERT_FILE),
        cafile,
        MP_OBJ_NEW_QSTR(MP_QSTR_SSL_CERT_DIR),
        mp_const_none,
    };
    return mp_obj_new_attrtuple(fields, MP_ARRAY_SIZE(fields), items);
}
static MP_DEFINE_CONST_FUN_OBJ_0(get_default_verify_paths_obj, get_default_verify_paths);
#endif

// Who multiplies on P-256. The first context makes sure that it is so. Not a qstr: what is
// collected with CMake does not know these macros.
#if MPSSL_P256 && defined(MBEDTLS_ECP_C) && defined(MBEDTLS_ECP_DP_SECP256R1_ENABLED)
static const MP_DEFINE_STR_OBJ(p256_backend_obj, "rustcrypto");
#else
static const MP_DEFINE_STR_OBJ(p256_backend_obj, "mbedtls");
#endif

#if MPSSL_HIBERNATION
#define HAS_HIBERNATION \
    { MP_ROM_QSTR(MP_QSTR_HAS_HIBERNATION), MP_ROM_TRUE }
#else
#define HAS_HIBERNATION \
    { MP_ROM_QSTR(MP_QSTR_HAS_HIBERNATION), MP_ROM_FALSE }
#endif

// Whether src/mbedtls/records.rs has the record buffers.
#if MPSSL_RECORD_BUFFERS && !defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH)
#define RECORD_BUFFERS MP_ROM_TRUE
#else
#define RECORD_BUFFERS MP_ROM_FALSE
#endif

#define COMMON_GLOBALS \
    HAS_HIBERNATION, \
        { MP_ROM_QSTR(MP_QSTR_RECORD_BUFFERS), RECORD_BUFFERS }, \
        { MP_ROM_QSTR(MP_QSTR_P256_BACKEND), MP_ROM_PTR(&p256_backend_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_MBEDTLS_VERSION), MP_ROM_PTR(&mbedtls_version_obj) }, \
        { MP_ROM_QSTR(MP_QSTR_PROTOCOL_TLS_CLIENT), MP_ROM_INT(0) }, \
        { MP_ROM_QSTR(MP_QSTR_PROTOCOL_TLS_SERVER), MP_ROM_INT(1) }, \
        { MP_ROM_QSTR(MP_QSTR_CERT_NONE), MP_ROM_INT(MBEDTLS_SSL_VERIFY_NONE) }, \
        { MP_ROM_QSTR(MP_QSTR_CERT_OPTIONAL), MP_ROM_INT(MBEDTLS_SSL_VERIFY_OPTIONAL) }, \
    { \
        MP_ROM_QSTR(MP_QSTR_CERT_REQUIRED), MP_ROM_INT(MBEDTLS_SSL_VERIFY_REQUIRED) \
    }

#if defined(MBEDTLS_SSL_PROTO_DTLS)
#define DTLS_GLOBALS \
    { MP_ROM_QSTR(MP_QSTR_PROTOCOL_DTLS_CLIENT), MP_ROM_INT(2) }, \
        { MP_ROM_QSTR(MP_QSTR_PROTOCOL_DTLS_SERVER), MP_ROM_INT(3) },
#else
#define DTLS_GLOBALS
#endif

// CPython's constants.
#if defined(MBEDTLS_SSL_ALPN)
#define HAS_ALPN \
    { MP_ROM_QSTR(MP_QSTR_HAS_ALPN), MP_ROM_TRUE }
#else
#define HAS_ALPN \
    { MP_ROM_QSTR(MP_QSTR_HAS_ALPN), MP_ROM_FALSE }
#endif
#if defined(MBEDTLS_SSL_SERVER_NAME_INDICATION)
#define HAS_SNI \
    { MP_ROM_QSTR(MP_QSTR_HAS_SNI), MP_ROM_TRUE }
#else
#define HAS_SNI \
    { MP_ROM_QSTR(MP_QSTR_HAS_SNI), MP_ROM_FALSE }
#endif
#if defined(MBEDTLS_SSL_HANDSHAKE_WITH_PSK_ENABLED)
#define HAS_PSK \
    { MP_ROM_QSTR(MP_QSTR_HAS_PSK), MP_ROM_TRUE }
#else
#define HAS_PSK \
    { MP_ROM_QSTR(MP_QSTR_HAS_PSK), MP_ROM_FALSE }
#endif

static const mp_rom_map_elem_t tls_names_table[] = {
    DTLS_GLOBALS
        COMMON_GLOBALS,
};
MP_DEFINE_CONST_DICT(mpssl_tls_names, tls_names_table);

// What do_handshake() and unwrap() raise on a transport that does not block, as
// CPython's do.
MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_want_read_type,
    MP_QSTR_SSLWantReadError,
    MP_TYPE_FLAG_NONE,
    make_new, mp_obj_exception_make_new,
    print, mp_obj_exception_print,
    attr, mp_obj_exception_attr,
    parent, &mp_type_OSError);

MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_want_write_type,
    MP_QSTR_SSLWantWriteError,
    MP_TYPE_FLAG_NONE,
    make_new, mp_obj_exception_make_new,
    print, mp_obj_exception_print,
    attr, mp_obj_exception_attr,
    parent, &mp_type_OSError);

// And where the object that is the key has no signature yet; such an object may raise it.
MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_want_sign_type,
    MP_QSTR_SSLWantSignError,
    MP_TYPE_FLAG_NONE,
    make_new, mp_obj_exception_make_new,
    print, mp_obj_exception_print,
    attr, mp_obj_exception_attr,
    parent, &mp_type_OSError);

static const mp_rom_map_elem_t ssl_names_table[] = {
    { MP_ROM_QSTR(MP_QSTR_SSLSocket), MP_ROM_PTR(&mpssl_socket_type) },
#if MPSSL_SESSIONS
    { MP_ROM_QSTR(MP_QSTR_SSLSession), MP_ROM_PTR(&mpssl_session_type) },
#endif
    { MP_ROM_QSTR(MP_QSTR_SSLError), MP_ROM_PTR(&mp_type_OSError) },
    { MP_ROM_QSTR(MP_QSTR_SSLCertVerificationError), MP_ROM_PTR(&mpssl_verify_error_type) },
    { MP_ROM_QSTR(MP_QSTR_CertificateError), MP_ROM_PTR(&mpssl_verify_error_type) },
    { MP_ROM_QSTR(MP_QSTR_SSLWantReadError), MP_ROM_PTR(&mpssl_want_read_type) },
    { MP_ROM_QSTR(MP_QSTR_SSLWantWriteError), MP_ROM_PTR(&mpssl_want_write_type) },
    { MP_ROM_QSTR(MP_QSTR_SSLWantSignError), MP_ROM_PTR(&mpssl_want_sign_type) },
    { MP_ROM_QSTR(MP_QSTR_SSL_ERROR_WANT_READ), MP_ROM_INT(MPSSL_SSL_ERROR_WANT_READ) },
    { MP_ROM_QSTR(MP_QSTR_SSL_ERROR_WANT_WRITE), MP_ROM_INT(MPSSL_SSL_ERROR_WANT_WRITE) },
    { MP_ROM_QSTR(MP_QSTR_wrap_socket), MP_ROM_PTR(&ssl_wrap_socket_obj) },
    { MP_ROM_QSTR(MP_QSTR_create_default_context), MP_ROM_PTR(&create_default_context_obj) },
    { MP_ROM_QSTR(MP_QSTR_Purpose), MP_ROM_PTR(&purpose_type) },
    { MP_ROM_QSTR(MP_QSTR_TLSVersion), MP_ROM_PTR(&version_type) },
    { MP_ROM_QSTR(MP_QSTR_OP_ALL), MP_ROM_INT(0) },
    { MP_ROM_QSTR(MP_QSTR_OP_NO_SSLv2), MP_ROM_INT(0) }, // as CPython's
    { MP_ROM_QSTR(MP_QSTR_OP_NO_SSLv3), MP_ROM_INT(MPSSL_OP_NO_SSLV3) },
    { MP_ROM_QSTR(MP_QSTR_OP_NO_TLSv1), MP_ROM_INT(MPSSL_OP_NO_TLSV1) },
    { MP_ROM_QSTR(MP_QSTR_OP_NO_TLSv1_1), MP_ROM_INT(MPSSL_OP_NO_TLSV1_1) },
    { MP_ROM_QSTR(MP_QSTR_OP_NO_TLSv1_2), MP_ROM_INT(MPSSL_OP_NO_TLSV1_2) },
    { MP_ROM_QSTR(MP_QSTR_OP_NO_TLSv1_3), MP_ROM_INT(MPSSL_OP_NO_TLSV1_3) },
    { MP_ROM_QSTR(MP_QSTR_OP_NO_COMPRESSION), MP_ROM_INT(MPSSL_OP_NO_COMPRESSION) },
    { MP_ROM_QSTR(MP_QSTR_OP_NO_RENEGOTIATION), MP_ROM_INT(MPSSL_OP_NO_RENEGOTIATION) },
    { MP_ROM_QSTR(MP_QSTR_VERIFY_DEFAULT), MP_ROM_INT(MPSSL_VERIFY_DEFAULT) },
    { MP_ROM_QSTR(MP_QSTR_VERIFY_CRL_CHECK_LEAF), MP_ROM_INT(MPSSL_VERIFY_CRL_CHECK_LEAF) },
    { MP_ROM_QSTR(MP_QSTR_VERIFY_CRL_CHECK_CHAIN), MP_ROM_INT(MPSSL_VERIFY_CRL_CHECK_CHAIN) },
    { MP_ROM_QSTR(MP_QSTR_OP_NO_TICKET), MP_ROM_INT(MPSSL_OP_NO_TICKET) },
    { MP_ROM_QSTR(MP_QSTR_HAS_TLSv1_2), MP_ROM_TRUE },
#if MPSSL_TLS13
    { MP_ROM_QSTR(MP_QSTR_HAS_TLSv1_3), MP_ROM_TRUE },
#else
    { MP_ROM_QSTR(MP_QSTR_HAS_TLSv1_3), MP_ROM_FALSE },
#endif
#if defined(__unix__) || defined(__APPLE__)
    { MP_ROM_QSTR(MP_QSTR_get_default_verify_paths), MP_ROM_PTR(&get_default_verify_paths_obj) },
#endif
    DTLS_GLOBALS
        HAS_ALPN,
    HAS_SNI,
    HAS_PSK,
    COMMON_GLOBALS,
};
MP_DEFINE_CONST_DICT(mpssl_ssl_names, ssl_names_table);
