// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The clock by which Mbed TLS says how old a session is. Ports say that they bring one; alif's brings none,
// for upstream's module has no sessions. By make alone: there a port's sources are linked as objects, before
// which this one, which is weak, always yields. One in a library, as ESP-IDF's, would not be looked for.

#include "mbedtls/build_info.h"

#if defined(MBEDTLS_HAVE_TIME) && defined(MBEDTLS_PLATFORM_MS_TIME_ALT)

#include "mbedtls/platform.h"
#include "mbedtls/platform_time.h"

mbedtls_ms_time_t mbedtls_ms_time(void) __attribute__((weak));

mbedtls_ms_time_t mbedtls_ms_time(void) {
    return (mbedtls_ms_time_t)mbedtls_time(NULL) * 1000;
}

#else

typedef int mpssl_no_ms_time_t;

#endif
