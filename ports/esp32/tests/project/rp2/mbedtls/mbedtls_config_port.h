// SPDX-License-Identifier: MIT OR Apache-2.0
//
// As the rp2 port's: upstream's common configuration for bare metal.
#ifndef MPSSL_RP2_TESTS_MBEDTLS_CONFIG_PORT_H
#define MPSSL_RP2_TESTS_MBEDTLS_CONFIG_PORT_H

#include <time.h>

#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_PLATFORM_TIME_MACRO time
#define MBEDTLS_PLATFORM_MS_TIME_ALT mbedtls_ms_time
#define MICROPY_MBEDTLS_CONFIG_BARE_METAL (1)

#include "extmod/mbedtls/mbedtls_config_common.h"

#endif // MPSSL_RP2_TESTS_MBEDTLS_CONFIG_PORT_H
