// SPDX-License-Identifier: MIT OR Apache-2.0
//
// SSLSession: what a client goes on with in its next connection. What it is, is in
// src/session.rs.

#include <string.h>

#include "glue.h"

#include "mbedtls/ssl.h"

#if MPSSL_SESSIONS

static void claim(ssl_session_obj_t *self, mpssl_signals_t *signals) {
    if (!mpssl_claim(&self->guard, signals)) {
        mp_raise_OSError(MP_EBUSY);
    }
    if (self->tls == NULL) {
        mpssl_release(&self->guard, signals);
        mp_raise_OSError(MP_EBADF); // freed by __del__
    }
}

ssl_session_obj_t *mpssl_session_make(mp_obj_t verify_callback) {
    ssl_session_obj_t *self = mp_obj_malloc_with_finaliser(ssl_session_obj_t, &mpssl_session_type);
    self->tls = NULL;
    self->saved = MP_OBJ_NULL;
    self->verify_callback = verify_callback;
    mpssl_guard_init(&self->guard);
    return self;
}

// SSLSession(bytes): what was saved.
static mp_obj_t session_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    mp_buffer_info_t buf;
    mp_get_buffer_raise(args[0], &buf, MP_BUFFER_READ);
    mpssl_bytes_t bytes = { buf.buf, buf.len };
    ssl_session_obj_t *self = mpssl_session_make(mp_const_none);
    mpssl_signals_t signals;
    mpssl_status_t status;
    mpssl_interrupts_off(&signals);
    CALL_WITH_MEMORY(status, mpssl_session_load(bytes, &self->tls));
    mpssl_interrupts_on(&signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
    return MP_OBJ_FROM_PTR(self);
}

// SSLSession.__del__(): wipes and frees it.
static mp_obj_t session_del(mp_obj_t self_in) {
    ssl_session_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mpssl_signals_t signals;
    if (self->guard.thread == NULL && mpssl_claim(&self->guard, &signals)) {
        mpssl_session_free(self->tls);
        self->tls = NULL;
        self->saved = MP_OBJ_NULL;
        mpssl_release(&self->guard, &signals);
        mpssl_guard_end(&self->guard);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(session_del_obj, session_del);

// The bytes to save it in: an object of Python's, for a view of it may be around longer.
static mp_obj_t session_serialize(mp_obj_t self_in) {
    ssl_session_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->saved == MP_OBJ_NULL) {
        mpssl_signals_t signals;
        claim(self, &signals);
        size_t len = mpssl_session_bytes(self->tls).len;
        mpssl_release(&self->guard, &signals);
        vstr_t vstr;
        vstr_init_len(&vstr, len);
        claim(self, &signals);
        memcpy(vstr.buf, mpssl_session_bytes(self->tls).data, len);
        mpssl_release(&self->guard, &signals);
        self->saved = mp_obj_new_bytes_from_vstr(&vstr);
    }
    return self->saved;
}
static MP_DEFINE_CONST_FUN_OBJ_1(session_serialize_obj, session_serialize);

static mp_int_t session_get_buffer(mp_obj_t self_in, mp_buffer_info_t *buf, mp_uint_t flags) {
    if (flags & MP_BUFFER_WRITE) {
        return 1;
    }
    return mp_get_buffer(session_serialize(self_in), buf, flags) ? 0 : 1;
}

static mpssl_description_t describe(ssl_session_obj_t *self) {
    mpssl_description_t description;
    mpssl_signals_t signals;
    mpssl_status_t status;
    claim(self, &signals);
    CALL_WITH_MEMORY(status, mpssl_session_describe(self->tls, &description));
    mpssl_release(&self->guard, &signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
    return description;
}

static void session_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    ssl_session_obj_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] != MP_OBJ_NULL) {
        return; // nothing can be stored
    }
    if (attr == MP_QSTR_id) {
        mpssl_description_t of = describe(self);
        dest[0] = mp_obj_new_bytes(of.id, of.id_len);
    } else if (attr == MP_QSTR_time) {
        dest[0] = mp_obj_new_int_from_ull(describe(self).time);
    } else if (attr == MP_QSTR_timeout) {
        dest[0] = mp_obj_new_int_from_uint(describe(self).timeout);
    } else if (attr == MP_QSTR_ticket_lifetime_hint) {
        dest[0] = mp_obj_new_int_from_uint(describe(self).lifetime_hint);
    } else if (attr == MP_QSTR_has_ticket) {
        dest[0] = mp_obj_new_bool(describe(self).has_ticket);
    } else {
        dest[1] = MP_OBJ_SENTINEL; // go on in the locals dict
    }
}

static const mp_rom_map_elem_t session_locals_dict_table[] = {
    { MP_ROM_QSTR(MP_QSTR_serialize), MP_ROM_PTR(&session_serialize_obj) },
    { MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&session_del_obj) },
};
static MP_DEFINE_CONST_DICT(session_locals_dict, session_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_session_type,
    MP_QSTR_SSLSession,
    MP_TYPE_FLAG_NONE,
    make_new, session_make_new,
    attr, session_attr,
    buffer, session_get_buffer,
    locals_dict, &session_locals_dict);

#endif
