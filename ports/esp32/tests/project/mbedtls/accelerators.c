// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The drivers' functions, for the linker; nothing here is ever run. Without their prototypes: only
// the names count.

#include "mbedtls/build_info.h"
#include "mbedtls/error.h"

#define DOES_NOTHING(name) \
    void name(void); \
    void name(void) { \
    }
#define REFUSES(name) \
    int name(void); \
    int name(void) { \
        return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED; \
    }

#if defined(MBEDTLS_AES_ALT)
DOES_NOTHING(mbedtls_aes_init)
DOES_NOTHING(mbedtls_aes_free)
REFUSES(mbedtls_aes_setkey_enc)
REFUSES(mbedtls_aes_setkey_dec)
REFUSES(mbedtls_aes_crypt_ecb)
REFUSES(mbedtls_aes_crypt_cbc)
REFUSES(mbedtls_aes_crypt_cfb128)
REFUSES(mbedtls_aes_crypt_cfb8)
REFUSES(mbedtls_aes_crypt_ofb)
REFUSES(mbedtls_aes_crypt_ctr)
DOES_NOTHING(mbedtls_aes_xts_init)
DOES_NOTHING(mbedtls_aes_xts_free)
REFUSES(mbedtls_aes_xts_setkey_enc)
REFUSES(mbedtls_aes_xts_setkey_dec)
REFUSES(mbedtls_aes_crypt_xts)
#endif

#if defined(MBEDTLS_GCM_ALT)
DOES_NOTHING(mbedtls_gcm_init)
DOES_NOTHING(mbedtls_gcm_free)
REFUSES(mbedtls_gcm_setkey)
REFUSES(mbedtls_gcm_crypt_and_tag)
REFUSES(mbedtls_gcm_auth_decrypt)
REFUSES(mbedtls_gcm_starts)
REFUSES(mbedtls_gcm_update_ad)
REFUSES(mbedtls_gcm_update)
REFUSES(mbedtls_gcm_finish)
#endif

#define HASH(name) \
    DOES_NOTHING(mbedtls_##name##_init) \
    DOES_NOTHING(mbedtls_##name##_free) \
    DOES_NOTHING(mbedtls_##name##_clone) \
    REFUSES(mbedtls_##name##_starts) \
    REFUSES(mbedtls_##name##_update) \
    REFUSES(mbedtls_##name##_finish)

#if defined(MBEDTLS_SHA256_ALT)
HASH(sha1)
HASH(sha256)
HASH(sha512)
#endif
