// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Raising what Rust reports, and the classes of it that know more than upstream's.

#include <string.h>

#include "glue.h"

#include "py/objexcept.h"
#include "py/objstr.h"

static MP_NORETURN void raise_number(const mp_obj_type_t *type, mp_int_t number) {
    mp_obj_t arg = mp_obj_new_int(number); // a callback's may be beyond a small int
    nlr_raise(mp_obj_exception_make_new(type, 1, 0, &arg));
}

// A str; None where there is no text, or no memory for it.
static mp_obj_t text_or_none(const char *text, size_t len) {
    mp_obj_str_t *str = len == 0 ? NULL : m_new_obj_maybe(mp_obj_str_t);
    byte *data = str == NULL ? NULL : m_new_maybe(byte, len + 1);
    if (data == NULL) {
        return mp_const_none;
    }
    memcpy(data, text, len);
    data[len] = 0;
    str->base.type = &mp_type_str;
    str->hash = qstr_compute_hash(data, len);
    str->len = len;
    str->data = data;
    return MP_OBJ_FROM_PTR(str);
}

// What ended a connection. The args are upstream's; behind them, not for Python's eyes, what else
// is known: the alert and the hint, each an attribute, and a mark that they are there.
enum {
    HIDDEN_ALERT,
    HIDDEN_HINT,
    HIDDEN_MARK,
    HIDDEN,
};

static const MP_DEFINE_STR_OBJ(mark_obj, "");

static mp_obj_t *hidden(mp_obj_exception_t *self) {
    size_t len = self->args == NULL ? 0 : self->args->len;
    bool marked = len >= HIDDEN && self->args->items[len - 1] == MP_OBJ_FROM_PTR(&mark_obj);
    return marked ? &self->args->items[len - HIDDEN] : NULL;
}

static void failure_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    mp_obj_exception_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t *known = hidden(self);
    if (known == NULL) {
        mp_obj_exception_print(print, self_in, kind);
        return;
    }
    self->args->len -= HIDDEN;
    mp_obj_exception_print(print, self_in, kind);
    // The text of a ValueError ends a line.
    const char *separator = self->args->len == 1 ? "" : ", ";
    self->args->len += HIDDEN;
    if (kind != PRINT_EXC) {
        return;
    }
    mp_int_t alert = mp_obj_get_int(known[HIDDEN_ALERT]);
    if (alert != 0) {
        bool peers = self->args->items[0] == MP_OBJ_NEW_SMALL_INT(MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
        mp_printf(print, "%s%s alert %d %s", separator, peers ? "the peer sent" : "sent", (int)alert, mpssl_alert_name(alert));
        separator = "; ";
    }
    if (MPSSL_HINTS && known[HIDDEN_HINT] != mp_const_none) {
        mp_printf(print, "%s%s", separator, mp_obj_str_get_str(known[HIDDEN_HINT]));
    }
}

static void failure_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    mp_obj_exception_t *self = MP_OBJ_TO_PTR(self_in);
    mp_obj_t *known = hidden(self);
    if (known == NULL || dest[0] != MP_OBJ_NULL) {
        mp_obj_exception_attr(self_in, attr, dest);
        return;
    }
    mp_int_t alert = mp_obj_get_int(known[HIDDEN_ALERT]);
    if (attr == MP_QSTR_args) {
        dest[0] = mp_obj_new_tuple(self->args->len - HIDDEN, self->args->items);
    } else if (attr == MP_QSTR_alert) {
        dest[0] = alert == 0 ? mp_const_none : known[HIDDEN_ALERT];
    } else if (attr == MP_QSTR_reason) {
        dest[0] = alert == 0 ? mp_const_none : mp_obj_new_str_from_cstr(mpssl_alert_name(alert));
    } else if (attr == MP_QSTR_hint) {
        dest[0] = known[HIDDEN_HINT];
    } else {
        mp_obj_exception_attr(self_in, attr, dest);
    }
}

static MP_DEFINE_CONST_OBJ_TYPE(
    failure_type,
    MP_QSTR_OSError,
    MP_TYPE_FLAG_NONE,
    make_new, mp_obj_exception_make_new,
    print, failure_print,
    attr, failure_attr,
    parent, &mp_type_OSError);

// ssl.SSLCertVerificationError
MP_DEFINE_CONST_OBJ_TYPE(
    mpssl_verify_error_type,
    MP_QSTR_ValueError,
    MP_TYPE_FLAG_NONE,
    make_new, mp_obj_exception_make_new,
    print, failure_print,
    attr, failure_attr,
    parent, &mp_type_ValueError);

MP_NORETURN void mpssl_raise_failure(const mpssl_socket_t *socket, mpssl_status_t status, mp_obj_t hint) {
    bool verify = status.kind == MPSSL_VERIFY;
    char text[256];
    uint8_t alert = 0;
    mpssl_signals_t signals;
    mpssl_interrupts_off(&signals);
    size_t len;
#if MPSSL_HINTS
    len = socket != NULL ? mpssl_socket_text(socket, status, (uint8_t *)text, sizeof(text))
                         : mpssl_status_text(status, (uint8_t *)text, sizeof(text));
#else
    len = mpssl_status_text(status, (uint8_t *)text, sizeof(text));
#endif
    if (socket != NULL) {
        alert = mpssl_socket_alert(socket);
    }
    mpssl_interrupts_on(&signals);
    // OSError(code) without memory for the text.
    mp_obj_t args[2 + HIDDEN] = { mp_obj_new_int(status.code), text_or_none(text, len) };
    size_t n = args[1] == mp_const_none ? 1 : 2;
    if (verify) {
        args[0] = args[1];
        n = 1;
    }
#if MPSSL_HINTS
    if (socket != NULL) {
        mpssl_interrupts_off(&signals);
        len = mpssl_socket_hint(socket, status, (uint8_t *)text, sizeof(text));
        mpssl_interrupts_on(&signals);
        hint = text_or_none(text, len);
    }
#endif
    const mp_obj_type_t *type = &mp_type_OSError;
    if (socket != NULL || hint != mp_const_none) {
        type = verify ? &mpssl_verify_error_type : &failure_type;
        args[n + HIDDEN_ALERT] = MP_OBJ_NEW_SMALL_INT(alert);
        args[n + HIDDEN_HINT] = hint;
        args[n + HIDDEN_MARK] = MP_OBJ_FROM_PTR(&mark_obj);
        n += HIDDEN;
    }
    nlr_raise(mp_obj_exception_make_new(type, n, 0, args));
}

MP_NORETURN void mpssl_raise_value(mpssl_status_t status, const char *why) {
    char text[64];
    text[mpssl_status_text(status, (uint8_t *)text, sizeof(text) - 1)] = 0;
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("%s%s%s"), text, *why == 0 ? "" : ": ", why);
}

MP_NORETURN void mpssl_raise(mp_obj_t exc, mpssl_status_t status) {
    // What Python raised outranks what TLS made of it.
    if (exc != MP_OBJ_NULL) {
        nlr_raise(exc);
    }
    switch (status.kind) {
        case MPSSL_WANT_READ:
            raise_number(&mpssl_want_read_type, MPSSL_SSL_ERROR_WANT_READ);
        case MPSSL_WANT_WRITE:
            raise_number(&mpssl_want_write_type, MPSSL_SSL_ERROR_WANT_WRITE);
        case MPSSL_WANT_SIGNATURE:
            raise_number(&mpssl_want_sign_type, MPSSL_SSL_ERROR_WANT_ASYNC);
        case MPSSL_ERRNO:
            raise_number(&mp_type_OSError, status.code);
        case MPSSL_NO_MEMORY:
            mp_raise_OSError(MP_ENOMEM);
        case MPSSL_VALUE:
            mpssl_raise_value(status, "");
        default:
            mpssl_raise_failure(NULL, status, mp_const_none);
    }
}
