// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Included ahead of Mbed TLS's gcm.c, by the compiler's -include: it adds blocks by words also
// on a CPU that loads a word at any address byte by byte (RISC-V, Cortex-M0). There Mbed TLS 3.6
// goes by bytes, while most of GCM's words are in tables and variables whose place the compiler
// knows: 11 % fewer instructions for AES-128-GCM on RV32.
#ifndef MPSSL_MBEDTLS_WORDS_H
#define MPSSL_MBEDTLS_WORDS_H

#include "mbedtls/build_info.h"
// How it loads words at any address (packed structs, then memcpy) is chosen here, as for such a
// CPU; what follows it then takes them for cheap.
#include "alignment.h" // library/

#ifndef MBEDTLS_EFFICIENT_UNALIGNED_ACCESS
#define MBEDTLS_EFFICIENT_UNALIGNED_ACCESS
#endif

#endif // MPSSL_MBEDTLS_WORDS_H
