// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What Rust asks of the port: its clocks, its allocator, how much of the stack is left, who runs, and to
// be alone for a few instructions.

#include "glue.h"

#include "py/cstack.h"
#include "mbedtls/platform.h"

#ifndef MICROPY_BEGIN_ATOMIC_SECTION
#define MICROPY_BEGIN_ATOMIC_SECTION() (0)
#define MICROPY_END_ATOMIC_SECTION(state) (void)(state)
#endif

uint32_t mpglue_ticks_ms(void) {
    return (uint32_t)mp_hal_ticks_ms();
}

uint64_t mpglue_time(void) {
#if defined(MBEDTLS_HAVE_TIME)
    mbedtls_time_t now = mbedtls_time(NULL);
    return now > 0 ? (uint64_t)now : 0;
#else
    return 0;
#endif
}

size_t mpglue_stack_left(void) {
#if MICROPY_STACK_CHECK
    mp_uint_t limit = MP_STATE_THREAD(stack_limit);
    mp_uint_t used = mp_cstack_usage();
    return used < limit ? limit - used : 0;
#else
    return SIZE_MAX;
#endif
}

void *mpglue_calloc(size_t n, size_t size) {
    return mbedtls_calloc(n, size);
}

void mpglue_free(void *ptr) {
    mbedtls_free(ptr);
}

uintptr_t mpglue_atomic_begin(void) {
    return (uintptr_t)MICROPY_BEGIN_ATOMIC_SECTION();
}

void mpglue_atomic_end(uintptr_t state) {
    (void)state; // some ports' macro ignores it
    MICROPY_END_ATOMIC_SECTION(state);
}

#if MPSSL_BUNDLES
uintptr_t mpglue_thread(void) {
    return (uintptr_t)MPSSL_THIS_THREAD;
}
#endif
