// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What a certificate says, as Python objects. What it says is read in
// src/certificate.rs.

#include "glue.h"

#include "py/objlist.h"
#include "mbedtls/ssl.h"

#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE) && MPSSL_PEER_CERT_DICT

// The value at *at, which moves behind it. Tuples are not nested deeper than a name in
// a pair of subjectAltName.
static mp_obj_t read_value(const byte **at) {
    const byte *start = *at;
    if (*start == MPSSL_CERT_NUMBER) {
        *at = start + 2;
        return MP_OBJ_NEW_SMALL_INT(start[1]);
    }
    if (*start == MPSSL_CERT_OPEN) {
        mp_obj_t items = mp_obj_new_list(0, NULL);
        *at = start + 1;
        while (**at != MPSSL_CERT_CLOSE) {
            mp_obj_list_append(items, read_value(at));
        }
        ++*at;
        mp_obj_list_t *list = MP_OBJ_TO_PTR(items);
        return mp_obj_new_tuple(list->len, list->items);
    }
    const byte *end = start;
    while (*end != MPSSL_CERT_TEXT_END) {
        ++end;
    }
    *at = end + 1;
    return mp_obj_new_str((const char *)start, end - start);
}

static size_t describe(mp_obj_t der, vstr_t *tokens) {
    mpssl_bytes_t bytes;
    bytes.data = (const uint8_t *)mp_obj_str_get_data(der, &bytes.len);
    size_t len = 0;
    mpssl_signals_t signals;
    mpssl_interrupts_off(&signals);
    mpssl_status_t status = mpssl_certificate_describe(bytes, (uint8_t *)tokens->buf, tokens->len, &len);
    mpssl_interrupts_on(&signals);
    if (status.kind != MPSSL_OK) {
        mpssl_raise(MP_OBJ_NULL, status);
    }
    return len;
}

mp_obj_t mpssl_certificate_dict(mp_obj_t der) {
    // Once for the length.
    vstr_t tokens = { .buf = NULL, .len = 0 };
    vstr_init_len(&tokens, describe(der, &tokens));
    describe(der, &tokens);
    mp_obj_t dict = mp_obj_new_dict(0);
    const byte *at = (const byte *)tokens.buf;
    const byte *end = at + tokens.len;
    while (at < end) {
        mp_obj_t key = read_value(&at);
        mp_obj_dict_store(dict, key, read_value(&at));
    }
    vstr_clear(&tokens);
    return dict;
}

#endif // MBEDTLS_SSL_KEEP_PEER_CERTIFICATE && MPSSL_PEER_CERT_DICT
