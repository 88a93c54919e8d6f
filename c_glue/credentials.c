// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Certificates and keys as Python gives them: data, paths, objects that sign, the system's CAs.

#include <string.h>
#if defined(__unix__) || defined(__APPLE__)
#include <stdlib.h>
#include <unistd.h>
#endif

#include "glue.h"

#include "py/objstr.h"
#if MICROPY_VFS
#include "extmod/vfs.h"
#endif
#include "mbedtls/platform_util.h"

static bool is_pem(mpssl_bytes_t bytes) {
    return strstr((const char *)bytes.data, "-----BEGIN ") != NULL;
}

mpssl_bytes_t mpssl_get_bytes(mp_obj_t *obj, bool *fresh) {
    mp_buffer_info_t buf;
    if (!mp_obj_is_str_or_bytes(*obj) && mp_get_buffer(*obj, &buf, MP_BUFFER_READ)) {
        *obj = mp_obj_new_bytes(buf.buf, buf.len);
        *fresh = true;
    }
    size_t len;
    const char *data = mp_obj_str_get_data(*obj, &len);
    return (mpssl_bytes_t){ (const uint8_t *)data, len };
}

void mpssl_check_bytes(mp_obj_t obj) {
    mp_buffer_info_t buf;
    if (obj != mp_const_none) {
        mp_get_buffer_raise(obj, &buf, MP_BUFFER_READ);
    }
}

mpssl_bytes_t mpssl_borrow_bytes(mp_obj_t obj) {
    mp_buffer_info_t buf = { NULL, 0, 0 };
    if (obj != mp_const_none && mp_get_buffer(obj, &buf, MP_BUFFER_READ) && buf.buf == NULL) {
        buf.buf = ""; // an empty bytearray; NULL would mean None
    }
    return (mpssl_bytes_t){ buf.buf, buf.len };
}

#if MPSSL_HINTS
// Why data is invalid: a str without PEM in it is rather a path where none is taken.
static const char *why_not_data(mp_obj_t obj) {
    bool fresh;
    bool is_path = mp_obj_is_str(obj) && mp_obj_is_true(obj) && !is_pem(mpssl_get_bytes(&obj, &fresh));
    return is_path ? "this is taken for data, not for a path" : "";
}
#endif

// As mpssl_get_bytes; a str without PEM in it names a file.
static mpssl_bytes_t get_content(mp_obj_t *obj, bool may_be_path, bool *fresh) {
    mpssl_bytes_t bytes = mpssl_get_bytes(obj, fresh);
    if (may_be_path && mp_obj_is_str(*obj) && !is_pem(bytes)) {
        *obj = mpssl_read_file(*obj, fresh);
        bytes = mpssl_get_bytes(obj, fresh);
    }
    return bytes;
}

// Secrets that get_content copied or read: wiped whatever comes next.
typedef struct {
    nlr_jump_callback_node_t node; // first: it is what the callback gets
    mpssl_bytes_t bytes[3];
} copies_t;

static void wipe(void *ctx) {
    copies_t *copies = ctx;
    for (size_t i = 0; i < MP_ARRAY_SIZE(copies->bytes); i++) {
        mbedtls_platform_zeroize((void *)copies->bytes[i].data, copies->bytes[i].len);
    }
}

// As get_content.
static mpssl_bytes_t get_secret(copies_t *copies, size_t i, mp_obj_t *obj, bool may_be_path) {
    bool fresh = false;
    mpssl_bytes_t bytes = get_content(obj, may_be_path, &fresh);
    if (fresh) {
        copies->bytes[i] = bytes;
    }
    return bytes;
}

bool mpssl_takes_paths(const ssl_context_obj_t *self) {
    return self->base.type == &mpssl_ssl_context_type;
}

// The key that a str like "ATCA:0" refers to, if there is a provider of such; else what was given.
static mp_obj_t resolve(mp_obj_t key) {
    if (!mp_obj_is_str(key)) {
        return key;
    }
    size_t len;
    const char *reference = mp_obj_str_get_data(key, &len);
    const char *colon = memchr(reference, ':', len);
    mp_obj_t provider = MP_OBJ_NULL;
    if (colon != NULL && colon - reference < 32) { // PEM may have one, too
        provider = mpssl_key_provider(mp_obj_new_str(reference, colon - reference));
    }
    if (provider == MP_OBJ_NULL) {
        return key;
    }
    size_t begin = (size_t)(colon + 1 - reference);
    return mp_call_function_1(provider, mp_obj_new_str(reference + begin, len - begin));
}

// Whether a key is no bytes, but signs.
static bool signs(mp_obj_t key) {
    mp_buffer_info_t buf;
    mp_obj_t sign[2];
    if (key == mp_const_none || mp_get_buffer(key, &buf, MP_BUFFER_READ)) {
        return false;
    }
    mp_load_method_maybe(key, MP_QSTR_sign, sign);
    return sign[0] != MP_OBJ_NULL;
}

// What the key says is its public half, its attribute or method public_key; None: it does not say.
static mp_obj_t get_public_key(mp_obj_t key) {
    mp_obj_t found[2];
    mp_load_method_maybe(key, MP_QSTR_public_key, found);
    mp_obj_t public_key = found[0] == MP_OBJ_NULL ? mp_const_none : found[0];
    if (found[1] != MP_OBJ_NULL) {
        public_key = mp_call_method_n_kw(0, 0, found);
    } else if (mp_obj_is_callable(public_key)) {
        public_key = mp_call_function_0(public_key);
    }
    mpssl_check_bytes(public_key);
    return public_key;
}

static void load_object(ssl_context_obj_t *self, mp_obj_t cert_in, mp_obj_t key) {
    bool fresh;
    mpssl_bytes_t cert = get_content(&cert_in, mpssl_takes_paths(self), &fresh); // TypeError for None
    mp_obj_t public_key = get_public_key(key);
    mpssl_signals_t signals;
    mpssl_status_t status;
    uint32_t which = 0;
    mpssl_context_claim(self, &signals);
    CALL_WITH_MEMORY(status, mpssl_context_load_object(self->tls, cert, mpssl_borrow_bytes(public_key), &which));
#if MPSSL_HINTS
    if (status.kind == MPSSL_VALUE && status.code != MPSSL_KEY_MISMATCH) {
        char why[64];
        why[mpssl_credentials_explain(status, cert, cert, false, (uint8_t *)why, sizeof(why) - 1)] = 0;
        mpssl_release(&self->guard, &signals);
        mpssl_raise_value(status, *why != 0 ? why : why_not_data(cert_in));
    }
#endif
    if (status.kind == MPSSL_OK) {
        self->keys[which] = key; // before anybody else may connect
    }
    mpssl_context_finish(self, &signals, status);
}

void mpssl_context_load_chain(ssl_context_obj_t *self, mp_obj_t cert_in, mp_obj_t key_in, mp_obj_t password_in) {
    key_in = resolve(key_in);
    if (signs(key_in)) {
        load_object(self, cert_in, key_in);
        return;
    }
    bool in_cert = key_in == mp_const_none;
    if (in_cert) {
        key_in = cert_in; // both in one PEM, as in CPython
    }
    copies_t copies = { .bytes = { { NULL, 0 } } };
    nlr_push_jump_callback(&copies.node, wipe);
    mpssl_bytes_t key = get_secret(&copies, 0, &key_in, mpssl_takes_paths(self));
    // Without a certificate the key is looked at first, as upstream does.
    mpssl_bytes_t cert = { NULL, 0 };
    if (cert_in != mp_const_none) {
        cert = get_secret(&copies, 1, &cert_in, mpssl_takes_paths(self)); // there may be a key in it
    }
    mpssl_bytes_t password = { NULL, 0 };
    bool ask = mp_obj_is_callable(password_in);
    if (!ask && password_in != mp_const_none) {
        password = get_secret(&copies, 2, &password_in, false);
    }

    mpssl_signals_t signals;
    mpssl_status_t status;
    for (;;) {
        mpssl_context_claim(self, &signals);
        CALL_WITH_MEMORY(status, mpssl_context_load_cert_chain(self->tls, cert, key, password, self->ecdsa_sign_callback == mp_const_none));
        if (!ask || status.kind != MPSSL_VALUE || status.code != MPSSL_NO_PASSWORD) {
            break;
        }
        // Asked for only when it is needed, as in CPython.
        mpssl_release(&self->guard, &signals);
        ask = false;
        password_in = mp_call_function_0(password_in);
        password = get_secret(&copies, 2, &password_in, false);
    }
#if MPSSL_HINTS
    if (status.kind == MPSSL_VALUE) {
        char why[64];
        why[mpssl_credentials_explain(status, cert, key, in_cert, (uint8_t *)why, sizeof(why) - 1)] = 0;
        nlr_pop_jump_callback(true);
        mpssl_release(&self->guard, &signals);
        mpssl_raise_value(status, *why != 0 ? why : why_not_data(status.code == MPSSL_INVALID_KEY ? key_in : cert_in));
    }
#endif
    nlr_pop_jump_callback(true);
    if (status.kind == MPSSL_CERT_MISSING) {
        mpssl_release(&self->guard, &signals);
        mp_obj_str_get_data(cert_in, &cert.len); // raises the TypeError that names the type
        return;
    }
    for (size_t i = 0; i < MP_ARRAY_SIZE(self->keys) && status.kind == MPSSL_OK; i++) {
        if (!mpssl_context_has_object(self->tls, i)) {
            self->keys[i] = mp_const_none; // it is no key any more
        }
    }
    mpssl_context_finish(self, &signals, status);
}

#if MPSSL_BUNDLES
#if MICROPY_VFS
static void get_cwd(void *arg) {
    mp_obj_t cwd = mp_vfs_getcwd();
    mp_obj_str_get_str(cwd);
    *(mp_obj_t *)arg = cwd;
}
#endif

// What a client's bundle is kept as: see files.c.
static mp_obj_t get_bundle(mp_obj_t certs, bool may_be_path) {
    mp_buffer_info_t buf;
    bool fresh;
    // Not of a subclass, whose object becomes another one by super().__init__().
    if (mp_obj_is_exact_type(certs, &mp_type_memoryview) && !mp_get_buffer(certs, &buf, MP_BUFFER_WRITE)) {
        return certs; // of bytes, or of flash
    }
    mpssl_bytes_t bytes = mpssl_get_bytes(&certs, &fresh); // a copy of what may change
    if (!may_be_path || !mp_obj_is_str(certs) || is_pem(bytes)) {
        return certs;
    }
    return mp_obj_new_tuple(1, &certs);
}

// As it is kept: where the program is now, it may not be later.
static mp_obj_t absolute(mp_obj_t bundle) {
#if MICROPY_VFS
    size_t len, dir_len;
    mp_obj_t path = ((mp_obj_tuple_t *)MP_OBJ_TO_PTR(bundle))->items[0];
    mp_obj_t cwd = MP_OBJ_NULL;
    const char *name = mp_obj_str_get_data(path, &len);
    if (len == 0 || name[0] == '/') {
        return bundle;
    }
    mp_obj_t exc = mpssl_catch(get_cwd, &cwd);
    if (exc != MP_OBJ_NULL) {
        mpssl_keep_ctrl_c(exc);
        return bundle; // a file system that does not say
    }
    const char *dir = mp_obj_str_get_data(cwd, &dir_len);
    vstr_t whole;
    vstr_init(&whole, dir_len + 1 + len);
    vstr_add_strn(&whole, dir, dir_len);
    if (dir_len == 0 || dir[dir_len - 1] != '/') {
        vstr_add_char(&whole, '/');
    }
    vstr_add_strn(&whole, name, len);
    path = mp_obj_new_str_from_vstr(&whole);
    bundle = mp_obj_new_tuple(1, &path);
#endif
    return bundle;
}

static void load_bundle(ssl_context_obj_t *self, mp_obj_t certs_in, bool may_be_path) {
    mp_obj_t bundle = get_bundle(certs_in, may_be_path);
    mp_obj_t kept = mp_obj_is_type(bundle, &mp_type_tuple) ? absolute(bundle) : bundle;
    mpssl_signals_t signals;
    mpssl_status_t status;
    mp_obj_t before;
    mp_obj_list_t *list;
    size_t index;
    for (;;) { // until nobody else has loaded one meanwhile
        before = self->bundles;
        mp_obj_t *items = NULL;
        index = 0;
        if (before != mp_const_none) {
            mp_obj_list_get(before, &index, &items);
        }
        list = MP_OBJ_TO_PTR(mp_obj_new_list(index + 1, NULL));
        for (size_t i = 0; i < index; i++) {
            list->items[i] = items[i];
        }
        list->items[index] = bundle;
        mpssl_context_claim(self, &signals);
        if (self->bundles == before) {
            break;
        }
        mpssl_release(&self->guard, &signals);
    }
    mpssl_call_t call = mpssl_call_to_read(self, MP_OBJ_FROM_PTR(list), signals);
    mpssl_anchors_t anchors = mpssl_context_anchors(self->tls);
    CALL_WITH_MEMORY(status, mpssl_context_add_bundle(self->tls, &call, index));
    if (status.kind == MPSSL_OK) {
        if (mpssl_context_anchors(self->tls).all == anchors.all) {
            list->items[index] = mp_const_none; // nothing but revocation lists, which are not read again
        } else if (list->items[index] == bundle) { // else the file's content is there
            list->items[index] = kept;
        }
        self->bundles = MP_OBJ_FROM_PTR(list);
    }
    mpssl_release(&self->guard, &signals);
#if MPSSL_HINTS
    if (status.kind == MPSSL_VALUE) {
        mpssl_raise_value(status, may_be_path ? "" : why_not_data(certs_in));
    }
#endif
    if (status.kind != MPSSL_OK) {
        mpssl_raise(call.exc, status);
    }
}
#endif

void mpssl_context_load_anchors(ssl_context_obj_t *self, mp_obj_t certs_in, bool may_be_path) {
#if MPSSL_BUNDLES
    if (!mpssl_serves(self)) {
        load_bundle(self, certs_in, may_be_path);
        return;
    }
#endif
    bool fresh;
    mpssl_bytes_t certs = get_content(&certs_in, may_be_path, &fresh);
    mpssl_signals_t signals;
    mpssl_status_t status;
    mpssl_context_claim(self, &signals);
    CALL_WITH_MEMORY(status, mpssl_context_load_verify_locations(self->tls, certs));
#if MPSSL_HINTS
    if (status.kind == MPSSL_VALUE) {
        mpssl_release(&self->guard, &signals);
        mpssl_raise_value(status, why_not_data(certs_in));
    }
#endif
    mpssl_context_finish(self, &signals, status);
}

#if MICROPY_VFS
// HHHHHHHH.N or HHHHHHHH.rN: what `openssl rehash` calls certificates, and revocation lists.
static bool is_hashed(const char *name, size_t len) {
    size_t i = 0;
    while (i < len && i < 8 && unichar_isxdigit(name[i])) {
        i++;
    }
    if (i != 8 || len < 10 || name[i++] != '.') {
        return false;
    }
    i += name[i] == 'r';
    size_t digits = i;
    while (i < len && unichar_isdigit(name[i])) {
        i++;
    }
    return i == len && i > digits;
}

typedef struct _load_file_t {
    ssl_context_obj_t *self;
    mp_obj_t path;
} load_file_t;

static void load_file(void *arg) {
    load_file_t *load = arg;
    mpssl_context_load_anchors(load->self, load->path, true);
}

// Whether it says that a file is none that can be read: a link to one that is gone, a directory.
static bool is_no_file(mp_obj_t exc) {
    if (!mpssl_is_exception(exc, &mp_type_OSError)) {
        return false;
    }
    mp_obj_t value = mp_obj_exception_get_value(exc);
    return value == MP_OBJ_NEW_SMALL_INT(MP_ENOENT) || value == MP_OBJ_NEW_SMALL_INT(MP_EISDIR) || value == MP_OBJ_NEW_SMALL_INT(MP_EACCES);
}
#endif

// Each file on its own. Those without a certificate that can be read are left out.
void mpssl_context_load_directory(ssl_context_obj_t *self, mp_obj_t dir) {
#if MICROPY_VFS
    size_t dir_len, n;
    mp_obj_t *names;
    const char *dir_name = mp_obj_str_get_data(dir, &dir_len);
    mp_obj_list_get(mp_vfs_listdir(1, &dir), &n, &names);
    mp_obj_t failed = MP_OBJ_NULL;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *name = mp_obj_str_get_data(names[i], &len);
        if (!is_hashed(name, len)) {
            continue;
        }
        vstr_t path;
        vstr_init(&path, dir_len + 1 + len);
        vstr_add_strn(&path, dir_name, dir_len);
        vstr_add_char(&path, '/');
        vstr_add_strn(&path, name, len);
        load_file_t load = { .self = self, .path = mp_obj_new_str_from_vstr(&path) };
        mp_obj_t exc = mpssl_catch(load_file, &load);
        if (exc == MP_OBJ_NULL) {
            any = true;
        } else if (mpssl_is_exception(exc, &mp_type_ValueError) || is_no_file(exc)) {
            failed = exc;
        } else {
            nlr_raise(exc);
        }
    }
    if (failed != MP_OBJ_NULL && !any) {
        nlr_raise(failed);
    }
    if (!any) {
        mp_raise_ValueError(MP_ERROR_TEXT("no HHHHHHHH.N in capath: see openssl rehash"));
    }
#else
    (void)self;
    (void)dir;
    mp_raise_NotImplementedError(MP_ERROR_TEXT("capath"));
#endif
}

#if defined(__unix__) || defined(__APPLE__)
const char *mpssl_default_cafile(void) {
    static const char *const files[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    };
    const char *file = getenv("SSL_CERT_FILE");
    if (file != NULL) {
        return access(file, R_OK) == 0 ? file : NULL;
    }
    for (size_t i = 0; i < MP_ARRAY_SIZE(files); ++i) {
        if (access(files[i], R_OK) == 0) {
            return files[i];
        }
    }
    return NULL;
}
#else
const char *mpssl_default_cafile(void) {
#if MICROPY_VFS
    return mp_vfs_import_stat(MPSSL_DEFAULT_CAFILE) == MP_IMPORT_STAT_FILE ? MPSSL_DEFAULT_CAFILE : NULL;
#else
    return NULL;
#endif
}
#endif

void mpssl_context_load_defaults(ssl_context_obj_t *self) {
    const char *file = mpssl_default_cafile();
    if (file != NULL) {
        mpssl_context_load_anchors(self, mp_obj_new_str_from_cstr(file), true);
    }
}
