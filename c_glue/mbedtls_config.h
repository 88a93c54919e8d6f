// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Mbed TLS configuration for firmware with this module: the port's own, then what
// TLS and DTLS here need or run much faster with. c_glue/micropython.mk names this
// file as MBEDTLS_CONFIG_FILE unless make is called with MPSSL_MBEDTLS_CONFIG=0.
//
// MPSSL_PRESET_SMALL               1: less, for boards short of flash (docs/porting.md)
// MPSSL_CRL                        1: certificate revocation lists
// MPSSL_PORT_MBEDTLS_CONFIG_FILE   the port's or board's own file, when it is not
//                                  "mbedtls/mbedtls_config_port.h"
// MPSSL_EXTRA_MBEDTLS_CONFIG_FILE  has the last word: a board short of flash takes
//                                  options away again there
#ifndef MPSSL_MBEDTLS_CONFIG_H
#define MPSSL_MBEDTLS_CONFIG_H

// 1.25.0 does not include it from its own configuration; MICROPY_PY_THREAD is asked for below.
#include "py/mpconfig.h"
// A mimxrt driver header defines it, and so do Mbed TLS's sources.
#undef ARRAY_SIZE

#if defined(MPSSL_PORT_MBEDTLS_CONFIG_FILE)
#include MPSSL_PORT_MBEDTLS_CONFIG_FILE
#elif defined(__has_include) && __has_include("mbedtls/mbedtls_config_port.h")
#include "mbedtls/mbedtls_config_port.h"
#else
#include "extmod/mbedtls/mbedtls_config_common.h"
#endif

// ---- Speed -----------------------------------------------------------------

// Assembly for bignum multiplication and constant-time moves, where the CPU has any.
#define MBEDTLS_HAVE_ASM
// Reduction modulo the NIST primes without division: P-256 four to five times faster.
#define MBEDTLS_ECP_NIST_OPTIM
// The small SHA-256 saves about 1 KB of flash and costs a third of the speed.
#if !MPSSL_PRESET_SMALL
#undef MBEDTLS_SHA256_SMALLER
#endif
// AES and GCM in hardware, asked of the CPU at run time. On x86-64 Mbed TLS uses
// inline assembly and on i386 a target pragma, so no -maes is needed.
#if defined(__x86_64__) || defined(__i386__)
#define MBEDTLS_AESNI_C
#endif

// Each block of GCM and CCM goes to AES, not through the cipher layer: faster, and smaller.
#define MBEDTLS_BLOCK_CIPHER_C

// ---- Memory ------------------------------------------------------------------

// memory.c stands before the port's allocator: it notes what is refused, since Mbed TLS may call a
// certificate bad for want of memory to check it; and with MPSSL_MEMORY it counts for
// SSLContext.memory and SSLSocket.memory. One that is called by macros stays as it is.
#if defined(MPSSL_NOTES_REFUSALS)
// MPSSL_NOTES_REFUSALS=0: a build without this module.
#elif defined(MBEDTLS_PLATFORM_CALLOC_MACRO) || (defined(MBEDTLS_PLATFORM_MEMORY) && !defined(MBEDTLS_PLATFORM_STD_CALLOC))
#if MPSSL_MEMORY
#error "MPSSL_MEMORY: of the port's allocator only MBEDTLS_PLATFORM_STD_CALLOC can be counted"
#endif
#else
#define MPSSL_NOTES_REFUSALS (1)
#include <stdlib.h>
static inline void *mpssl_port_calloc(size_t count, size_t size) {
#if defined(MBEDTLS_PLATFORM_STD_CALLOC)
    return MBEDTLS_PLATFORM_STD_CALLOC(count, size);
#else
    return calloc(count, size);
#endif
}
static inline void mpssl_port_free(void *block) {
#if defined(MBEDTLS_PLATFORM_STD_FREE)
    MBEDTLS_PLATFORM_STD_FREE(block);
#else
    free(block);
#endif
}
void *mpssl_calloc(size_t count, size_t size);
void mpssl_free(void *block);
#undef MBEDTLS_PLATFORM_STD_CALLOC
#undef MBEDTLS_PLATFORM_STD_FREE
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_STD_CALLOC mpssl_calloc
#define MBEDTLS_PLATFORM_STD_FREE mpssl_free
#endif

// Each handshake has room for a shared secret as long as the longest number there may be, which only
// DHE-PSK needs: its groups have up to 4096 bits. RSA's keys may be longer: bignum.c and rsa.c are
// compiled with MPSSL_LONG_NUMBERS, and no object that others know depends on it.
#if !defined(MBEDTLS_MPI_MAX_SIZE) && !defined(MPSSL_LONG_NUMBERS)
#define MBEDTLS_MPI_MAX_SIZE 512
#endif

// What this side sends of a handshake may be as long as a record, a chain of certificates for
// instance: there is a buffer of its length only while it is sent. Records of data stay short.
#if MPSSL_RECORD_BUFFERS && !defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH)
#undef MBEDTLS_SSL_OUT_CONTENT_LEN
#define MBEDTLS_SSL_OUT_CONTENT_LEN (16384)
#endif

// ---- Threads ---------------------------------------------------------------

// Mbed TLS locks the objects connections share (random generator, ticket and cookie
// keys, RSA blinding). Microcontroller ports have no pthread; there a context is
// used by one thread at a time.
#if MICROPY_PY_THREAD && (defined(__unix__) || defined(__APPLE__))
#define MBEDTLS_THREADING_C
#define MBEDTLS_THREADING_PTHREAD
#endif

// ---- Ciphers, curves and signatures ------------------------------------------

#define MBEDTLS_CCM_C // CCM and CCM_8 suites: what CoAP and small devices speak
#if !MPSSL_PRESET_SMALL
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C // faster than AES on a CPU without AES hardware
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_PKCS1_V21 // RSA-PSS, needed by the next
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT
#endif

// MPSSL_CRL: certificates that have been revoked (RFC 5280 5), SSLContext.verify_flags.
#if MPSSL_CRL
#define MBEDTLS_X509_CRL_PARSE_C
#endif

// Too weak for certificates (RFC 8422 5.1.1 deprecates those under 256 bits), and nobody's first
// choice: never offered here, and a server must not choose for a handshake what it will not do.
#undef MBEDTLS_ECP_DP_SECP192R1_ENABLED
#undef MBEDTLS_ECP_DP_SECP192K1_ENABLED
#undef MBEDTLS_ECP_DP_SECP224R1_ENABLED
#undef MBEDTLS_ECP_DP_SECP224K1_ENABLED
#undef MBEDTLS_ECP_DP_SECP256K1_ENABLED
#if MPSSL_PRESET_SMALL
#undef MBEDTLS_ECP_DP_SECP521R1_ENABLED
#endif

// Broken or obsolete; asked for by old port files, most without effect in Mbed TLS 3.
#undef MBEDTLS_SSL_PROTO_TLS1
#undef MBEDTLS_SSL_PROTO_TLS1_1
#undef MBEDTLS_DES_C
#undef MBEDTLS_ARC4_C

// ---- Key exchanges without certificates --------------------------------------

#define MBEDTLS_KEY_EXCHANGE_PSK_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_PSK_ENABLED
#if !MPSSL_PRESET_SMALL
#define MBEDTLS_KEY_EXCHANGE_DHE_PSK_ENABLED
#define MBEDTLS_DHM_C // for DHE-PSK
#endif
// Mbed TLS's own limit is 32 bytes unless TLS 1.3 is built; upstream's is 48.
#if !defined(MBEDTLS_PSK_MAX_LEN) || MBEDTLS_PSK_MAX_LEN < 48
#undef MBEDTLS_PSK_MAX_LEN
#define MBEDTLS_PSK_MAX_LEN 48
#endif

// ---- TLS ---------------------------------------------------------------------

#define MBEDTLS_SSL_PROTO_TLS1_2
// Tells the peer why, also for a bad record MAC.
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET // against the triple handshake attack
#define MBEDTLS_SSL_ENCRYPT_THEN_MAC // against padding oracles in the CBC suites
#if !MPSSL_PRESET_SMALL
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#define MBEDTLS_SSL_SESSION_TICKETS
#define MBEDTLS_SSL_TICKET_C
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE // getpeercert() after the handshake
#endif

// ---- TLS 1.3 -----------------------------------------------------------------

// MPSSL_TLS13. Keys, hashes and key exchange of 1.3 are PSA's; certificates and records stay with
// the older functions (no MBEDTLS_USE_PSA_CRYPTO), which the rest of the firmware has anyway.
#if MPSSL_TLS13
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE // for boxes on the way that know TLS 1.2 only
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED // with a pre-shared key
#undef MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_ENABLED // no forward secrecy
#undef MBEDTLS_SSL_EARLY_DATA // can be replayed
#undef MBEDTLS_USE_PSA_CRYPTO
#undef MBEDTLS_PSA_CRYPTO_STORAGE_C
#define MBEDTLS_PSA_CRYPTO_C
// Its state is static, and outlives a soft reset, which the heap does not: nothing of it may be in
// the heap. Random bytes come from src/mbedtls/rng.rs, keys are in slots.
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
#define MBEDTLS_PSA_STATIC_KEY_SLOTS
#if defined(MBEDTLS_ECP_DP_SECP521R1_ENABLED)
#define MBEDTLS_PSA_STATIC_KEY_SLOT_BUFFER_SIZE 133 // a public key
#else
#define MBEDTLS_PSA_STATIC_KEY_SLOT_BUFFER_SIZE 97
#endif
#if !defined(MBEDTLS_PSA_KEY_SLOT_COUNT)
#if defined(__unix__) || defined(__APPLE__)
#define MBEDTLS_PSA_KEY_SLOT_COUNT 32
#else
#define MBEDTLS_PSA_KEY_SLOT_COUNT 8 // a client in the middle of its handshake has one
#endif
#endif
// Else it copies what it is to write to, at the length that Mbed TLS gives it: its own buffers', which
// are shorter here, and may be 16 KB.
#define MBEDTLS_PSA_ASSUME_EXCLUSIVE_BUFFERS
// All that PSA does is listed here; this header stands in for the file where it would be.
#define MBEDTLS_PSA_CRYPTO_CONFIG
#define MBEDTLS_PSA_CRYPTO_CONFIG_FILE MBEDTLS_CONFIG_FILE
#define PSA_WANT_ALG_HKDF_EXTRACT 1
#define PSA_WANT_ALG_HKDF_EXPAND 1
#define PSA_WANT_ALG_HMAC 1
#define PSA_WANT_ALG_SHA_256 1
#define PSA_WANT_ALG_SHA_384 1
#define PSA_WANT_ALG_ECDH 1
#define PSA_WANT_ALG_ECDSA 1
// Who offers RSA-PSS takes it in TLS 1.2 too (RFC 8446 4.2.3), but Mbed TLS only where PSA has it. It
// verifies with the older functions: "ACCEL" keeps PSA's own out. PSA has no RSA key: with one,
// each handshake would have room for a share as long (400 bytes). The check that there is one is
// skipped, with its header.
#if defined(MBEDTLS_RSA_C)
#define PSA_WANT_ALG_RSA_PSS 1
#define MBEDTLS_PSA_ACCEL_ALG_RSA_PSS 1
#define MBEDTLS_CHECK_CRYPTO_CONFIG_H
#endif
#define PSA_WANT_ALG_GCM 1
#define PSA_WANT_ALG_CCM 1
#define PSA_WANT_KEY_TYPE_HMAC 1
#define PSA_WANT_KEY_TYPE_DERIVE 1
#define PSA_WANT_KEY_TYPE_AES 1
#if defined(MBEDTLS_CHACHAPOLY_C)
#define PSA_WANT_ALG_CHACHA20_POLY1305 1
#define PSA_WANT_KEY_TYPE_CHACHA20 1
#endif
#define PSA_WANT_KEY_TYPE_ECC_PUBLIC_KEY 1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_BASIC 1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_IMPORT 1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_EXPORT 1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_GENERATE 1
#define PSA_WANT_ECC_SECP_R1_256 1
#define PSA_WANT_ECC_SECP_R1_384 1
#if defined(MBEDTLS_ECP_DP_SECP521R1_ENABLED)
#define PSA_WANT_ECC_SECP_R1_521 1
#endif
#if defined(MBEDTLS_ECP_DP_CURVE25519_ENABLED)
#define PSA_WANT_ECC_MONTGOMERY_255 1
#endif
#endif

// ---- DTLS --------------------------------------------------------------------

#define MBEDTLS_SSL_PROTO_DTLS
#define MBEDTLS_SSL_DTLS_ANTI_REPLAY
#define MBEDTLS_SSL_COOKIE_C
#define MBEDTLS_SSL_DTLS_HELLO_VERIFY // a forged source address must not make the server work
#define MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE // a rebooted client comes back from the same port
#if !MPSSL_PRESET_SMALL
#define MBEDTLS_SSL_DTLS_CONNECTION_ID // RFC 9146: the connection survives a NAT rebinding
#endif

// ---- Keys and certificates -----------------------------------------------------

#define MBEDTLS_BASE64_C // for PEM
#define MBEDTLS_PEM_PARSE_C
// Encrypted private keys: PBES2 with AES-CBC, and the older "DEK-Info" PEM.
#define MBEDTLS_PKCS5_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_CIPHER_MODE_CBC
#define MBEDTLS_CIPHER_PADDING_PKCS7
#if !MPSSL_PRESET_SMALL
#define MBEDTLS_X509_TRUSTED_CERTIFICATE_CALLBACK // a client's CAs are read when it verifies (docs/ssl.md)
#endif

#if defined(MPSSL_EXTRA_MBEDTLS_CONFIG_FILE)
#include MPSSL_EXTRA_MBEDTLS_CONFIG_FILE
#endif

#endif // MPSSL_MBEDTLS_CONFIG_H
