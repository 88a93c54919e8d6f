// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What stands between Rust and Mbed TLS and the port's allocator (mbedtls_config.h): it notes what
// was refused.
//
// And what is allocated for each SSLContext and SSLSocket, in a build with MPSSL_MEMORY=1. Every
// block then has a header: whose it is, for it may be freed in another's call (a context's settings
// by the last socket made with them) or by a finaliser.

#include "glue.h"

#include "mbedtls/build_info.h"

// Of each thread, where threads can run at the same time.
#if MICROPY_PY_THREAD && (defined(__unix__) || defined(__APPLE__))
#define PER_THREAD __thread
#else
#define PER_THREAD
#endif

#if MPSSL_NOTES_REFUSALS

static PER_THREAD uint32_t refusals;

uint32_t mpglue_refusals(void) {
    return refusals;
}

void mpssl_forget_refusals(uint32_t before) {
    refusals = before;
}

static void *noted(void *block) {
    refusals += block == NULL;
    return block;
}

#else

uint32_t mpglue_refusals(void) {
    return 0;
}

void mpssl_forget_refusals(uint32_t before) {
    (void)before;
}

#endif

#if MPSSL_NOTES_REFUSALS && !MPSSL_MEMORY

void *mpssl_calloc(size_t count, size_t size) {
    return noted(mpssl_port_calloc(count, size));
}

void mpssl_free(void *block) {
    mpssl_port_free(block);
}

#endif

#if MPSSL_MEMORY

#if !defined(MPSSL_MBEDTLS_CONFIG_H)
#error "MPSSL_MEMORY needs this module's configuration of Mbed TLS (MPSSL_MBEDTLS_CONFIG=1)"
#endif

typedef struct _header_t {
    mpssl_usage_t *usage; // NULL: nobody's
    size_t size;
} header_t;

static PER_THREAD mpssl_usage_t *current;

mpssl_usage_t *mpssl_usage_new(void) {
    return mpssl_port_calloc(1, sizeof(mpssl_usage_t));
}

void mpssl_usage_end(mpssl_usage_t *usage) {
    uintptr_t state = mpglue_atomic_begin();
    usage->ended = true;
    bool unused = usage->now == 0;
    mpglue_atomic_end(state);
    if (unused) {
        mpssl_port_free(usage);
    }
}

mpssl_usage_t *mpssl_usage_switch(mpssl_usage_t *usage) {
    mpssl_usage_t *before = current;
    current = usage;
    return before;
}

void *mpssl_calloc(size_t count, size_t size) {
    size_t len;
    if (__builtin_mul_overflow(count, size, &len) || __builtin_add_overflow(len, sizeof(header_t), &len)) {
        return noted(NULL);
    }
    header_t *header = noted(mpssl_port_calloc(1, len));
    if (header == NULL) {
        return NULL;
    }
    header->usage = current;
    header->size = len - sizeof(header_t);
    if (current != NULL) {
        uintptr_t state = mpglue_atomic_begin();
        current->now += header->size;
        current->peak = MAX(current->peak, current->now);
        mpglue_atomic_end(state);
    }
    return header + 1;
}

void mpssl_free(void *block) {
    if (block == NULL) {
        return;
    }
    header_t *header = (header_t *)block - 1;
    mpssl_usage_t *usage = header->usage;
    if (usage != NULL) {
        uintptr_t state = mpglue_atomic_begin();
        usage->now -= header->size;
        bool unused = usage->ended && usage->now == 0;
        mpglue_atomic_end(state);
        if (unused) {
            mpssl_port_free(usage);
        }
    }
    mpssl_port_free(header);
}

mp_obj_t mpssl_guard_memory(const mpssl_guard_t *guard) {
    if (guard->usage == NULL) {
        return mp_const_none;
    }
    mp_obj_t items[2] = { mp_obj_new_int_from_uint(guard->usage->now), mp_obj_new_int_from_uint(guard->usage->peak) };
    return mp_obj_new_tuple(2, items);
}

#endif // MPSSL_MEMORY
