// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What the qemu port would have as its mbedtls_config_port.h: upstream's common
// configuration for bare metal, without an option more. The stock builds use it as it
// is; ours, and stock for comparison, through c_glue/mbedtls_config.h.
#ifndef MPSSL_QEMU_MBEDTLS_CONFIG_PORT_H
#define MPSSL_QEMU_MBEDTLS_CONFIG_PORT_H

#include <time.h>

#define MICROPY_MBEDTLS_CONFIG_BARE_METAL (1)

// The clock is board/port.c's.
time_t board_time(time_t *seconds);
#define MBEDTLS_PLATFORM_TIME_MACRO board_time
#define MBEDTLS_PLATFORM_MS_TIME_ALT mbedtls_ms_time
#define MBEDTLS_PLATFORM_GMTIME_R_ALT

#include "extmod/mbedtls/mbedtls_config_common.h"

// MicroPython's tracked allocator, counted.
#include <stddef.h>
void *board_calloc(size_t count, size_t size);
void board_free(void *block);
#undef MBEDTLS_PLATFORM_STD_CALLOC
#undef MBEDTLS_PLATFORM_STD_FREE
#define MBEDTLS_PLATFORM_STD_CALLOC board_calloc
#define MBEDTLS_PLATFORM_STD_FREE board_free

#endif // MPSSL_QEMU_MBEDTLS_CONFIG_PORT_H
