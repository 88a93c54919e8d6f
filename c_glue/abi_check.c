// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The Rust core reads and writes Mbed TLS's structures as libclang laid them out.
// Here the firmware's own compiler must agree, or the build stops. (rustc asserts
// the same numbers on its side, in the bindings bindgen makes.)

// A build that scans its sources for names needs none of this, and may not have the header yet.
#if !defined(NO_QSTR)

#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <stddef.h>

#include "mbedtls/aes.h"
#include "mbedtls/ccm.h"
#include "mbedtls/chachapoly.h"
#include "mbedtls/ctr_drbg.h"
#include "mbedtls/entropy.h"
#include "mbedtls/gcm.h"
#include "mbedtls/pk.h"
#include "mbedtls/ssl.h"
#include "mbedtls/ssl_ticket.h"
#include "mbedtls/x509_crt.h"

#include "../library/ssl_misc.h"

#include "mpssl_abi.h"

#define SAME_SIZE(type, size) \
    _Static_assert(sizeof(type) == (size), \
        "the size of " #type " differs between C and Rust: were both compiled with the same flags?");

#define SAME_OFFSET(type, field, offset) \
    _Static_assert(offsetof(type, field) == (offset), \
        "the offset of " #type "." #field " differs between C and Rust: were both compiled with the same flags?");

MPSSL_ABI_SIZES(SAME_SIZE)

// Equal sizes can hide two options that cancel each other out.
MPSSL_ABI_OFFSETS(SAME_OFFSET)

#endif // NO_QSTR
