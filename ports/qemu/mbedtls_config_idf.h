// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Upstream's configuration with ESP-IDF's defaults for curves: fast reduction, and no tables for
// the curve's generator. For `make bench-qemu`.
#ifndef MPSSL_QEMU_MBEDTLS_CONFIG_IDF_H
#define MPSSL_QEMU_MBEDTLS_CONFIG_IDF_H

#include "mbedtls/mbedtls_config_port.h"

#define MBEDTLS_ECP_NIST_OPTIM
#undef MBEDTLS_ECP_FIXED_POINT_OPTIM
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0

#endif // MPSSL_QEMU_MBEDTLS_CONFIG_IDF_H
