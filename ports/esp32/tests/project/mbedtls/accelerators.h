// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Contexts for a chip's accelerators, where sdkconfig has them: neither Mbed TLS's nor ESP-IDF's
// layout, so that what is only assumed of them does not hold.

#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(MBEDTLS_AES_ALT)
typedef struct mbedtls_aes_context {
    uint8_t slot;
    volatile uint8_t loaded;
    uint8_t key[32];
    uint8_t key_len;
} mbedtls_aes_context;

typedef struct mbedtls_aes_xts_context {
    mbedtls_aes_context tweak;
    mbedtls_aes_context crypt;
} mbedtls_aes_xts_context;
#endif

#if defined(MBEDTLS_GCM_ALT)
typedef struct mbedtls_gcm_context {
    uint8_t h[16];
    uint64_t lengths[2];
    mbedtls_aes_context *aes;
    uint8_t counter[16];
    int mode;
} mbedtls_gcm_context;
#endif

#if defined(MBEDTLS_SHA256_ALT)
typedef struct mbedtls_sha_context {
    void *channel;
    uint64_t total[2];
    uint8_t block[128];
    uint32_t state[16];
    int mode;
} mbedtls_sha1_context, mbedtls_sha256_context, mbedtls_sha512_context;
#endif
