// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Files: of certificates and keys, read whole; of CAs, read in part when a chain is verified; of key logs.

#include <string.h>

#include "glue.h"

#include "py/builtin.h"
#include "py/objexcept.h"
#include "py/objstr.h"
#include "py/objtype.h"
#include "mbedtls/platform_util.h"

static void call_open(void *arg) {
    mp_obj_t *args = arg;
    args[0] = mp_call_function_n_kw(MP_OBJ_FROM_PTR(&mp_builtin_open_obj), 2, 0, args);
}

// The name and the mode of a file, which becomes args[0]. An OSError says which file.
static void open_file(mp_obj_t *args) {
    mp_obj_t path = args[0];
    mp_obj_t exc = mpssl_catch(call_open, args);
    if (exc == MP_OBJ_NULL) {
        return;
    }
    mp_obj_exception_t *error = MP_OBJ_TO_PTR(exc);
    if (mp_obj_is_type(exc, &mp_type_OSError) && error->args != NULL && error->args->len == 1) {
        mp_obj_t said[2] = { error->args->items[0], path };
        exc = mp_obj_exception_make_new(&mp_type_OSError, 2, 0, said);
    }
    nlr_raise(exc);
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

// Opens the file of this name and mode, puts it where `fun` finds it, and closes it behind that. What `fun`
// raises is raised, and of what closing raises then Ctrl-C alone.
static void with_file(mp_obj_t name, mp_obj_t mode, mp_obj_t *file, void (*fun)(void *arg), void *arg) {
    mp_obj_t args[2] = { name, mode };
    open_file(args);
    *file = args[0];
    mp_obj_t exc = mpssl_catch(fun, arg);
    if (exc == MP_OBJ_NULL) {
        close_file(file);
        return;
    }
    mp_obj_t again = mpssl_catch(close_file, file);
    if (again != MP_OBJ_NULL) {
        mpssl_keep_ctrl_c(again);
    }
    nlr_raise(exc);
}

typedef struct _content_t {
    mp_obj_t file;
    mp_obj_t data;
} content_t;

static void read_content(void *arg) {
    content_t *content = arg;
    content->data = read_in_one_piece(content->file);
    if (content->data == MP_OBJ_NULL) {
        mp_obj_t read[2];
        mp_load_method(content->file, MP_QSTR_read, read);
        content->data = mp_call_method_n_kw(0, 0, read);
    }
}

mp_obj_t mpssl_read_file(mp_obj_t path, bool *fresh) {
    content_t content;
    with_file(path, MP_OBJ_NEW_QSTR(MP_QSTR_rb), &content.file, read_content, &content);
    // A class of Python's may return what it still has.
    *fresh = !mp_obj_is_instance_type(mp_obj_get_type(content.file));
    return content.data;
}

#if MPSSL_BUNDLES
// Bundles of certificates. Each is an object that nobody changes and that has a buffer, or a tuple of
// a file's name.

mpssl_call_t mpssl_call_to_read(ssl_context_obj_t *context, mp_obj_t bundles, mpssl_signals_t signals) {
    return (mpssl_call_t) {
        .thread = MPSSL_THIS_THREAD,
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
    if (log->line.len == 0) {
        return; // only whether it can be opened
    }
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
    with_file(log->name, mp_obj_new_str_from_cstr("ab"), &log->file, append, log);
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
