// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What a port brings for MicroPython and Mbed TLS, so that the firmware links as one with
// ESP-IDF does. Nothing here is ever run.

#include <sys/time.h>

#include "py/compile.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/runtime/gchelper.h"

#include "mbedtls/entropy.h"
#include "mbedtls/platform_time.h"

#ifndef MP_NORETURN
#define MP_NORETURN NORETURN // MicroPython 1.25
#endif

static char heap[64 * 1024];

// Links what a program that imports ssl needs.
void app_main(void) {
    gc_init(heap, heap + sizeof(heap));
    mp_init();
    mp_lexer_t *lexer = mp_lexer_new_from_str_len(MP_QSTR__lt_stdin_gt_, "import ssl, hashlib", 19, 0);
    mp_parse_tree_t tree = mp_parse(lexer, MP_PARSE_FILE_INPUT);
    mp_call_function_0(mp_compile(&tree, lexer->source_name, false));
    mp_deinit();
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

MP_NORETURN void nlr_jump_fail(void *val) {
    (void)val;
    for (;;) {
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *str, size_t len) {
    (void)str;
    return len;
}

mp_uint_t mp_hal_ticks_ms(void) {
    return 0;
}

// ESP-IDF's parts.

mbedtls_ms_time_t mbedtls_ms_time(void) {
    return 0;
}

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen) {
    (void)data;
    (void)output;
    (void)len;
    *olen = 0;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    now->tv_sec = 0;
    now->tv_usec = 0;
    return 0;
}
