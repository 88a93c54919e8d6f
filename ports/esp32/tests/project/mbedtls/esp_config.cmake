# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Writes mbedtls/esp_config.h, the file by which ESP-IDF configures Mbed TLS from sdkconfig.h:
# Mbed TLS's own default configuration, and then each option below on or off.

# MBEDTLS_X is on exactly where CONFIG_MBEDTLS_X is.
set(same
    AES_C CAMELLIA_C CCM_C CHACHA20_C CHACHAPOLY_C CMAC_C DES_C DHM_C ECDH_C ECDSA_C
    ECDSA_DETERMINISTIC ECJPAKE_C ECP_C ECP_NIST_OPTIM ECP_RESTARTABLE GCM_C HAVE_TIME
    HAVE_TIME_DATE HKDF_C NIST_KW_C PEM_PARSE_C PEM_WRITE_C PKCS7_C PK_PARSE_EC_COMPRESSED
    PK_PARSE_EC_EXTENDED PLATFORM_TIME_ALT POLY1305_C RIPEMD160_C SHA1_C SHA512_C SSL_ALPN
    SSL_CONTEXT_SERIALIZATION SSL_DTLS_CONNECTION_ID SSL_KEEP_PEER_CERTIFICATE SSL_PROTO_DTLS
    SSL_PROTO_TLS1_2 SSL_PROTO_TLS1_3 SSL_RENEGOTIATION SSL_VARIABLE_BUFFER_LENGTH THREADING_C
    THREADING_PTHREAD X509_CRL_PARSE_C X509_CSR_PARSE_C)
foreach(curve SECP192R1 SECP224R1 SECP256R1 SECP384R1 SECP521R1 SECP192K1 SECP224K1 SECP256K1 BP256R1
        BP384R1 BP512R1 CURVE25519)
    list(APPEND same ECP_DP_${curve}_ENABLED)
endforeach()
# MBEDTLS_<first> follows CONFIG_MBEDTLS_<second>.
set(renamed
    AES_ALT=HARDWARE_AES
    ERROR_C=ERROR_STRINGS
    GCM_ALT=HARDWARE_AES
    PLATFORM_MS_TIME_ALT=HAVE_TIME
    SHA1_ALT=HARDWARE_SHA
    SHA256_ALT=HARDWARE_SHA
    SHA384_C=SHA512_C
    SHA512_ALT=HARDWARE_SHA
    SSL_CLI_C=TLS_CLIENT
    SSL_DTLS_ANTI_REPLAY=SSL_PROTO_DTLS
    SSL_DTLS_CLIENT_PORT_REUSE=SSL_PROTO_DTLS
    SSL_DTLS_HELLO_VERIFY=SSL_PROTO_DTLS
    SSL_DTLS_SRTP=SSL_PROTO_DTLS
    SSL_ENCRYPT_THEN_MAC=TLS_ENABLED
    SSL_EXTENDED_MASTER_SECRET=TLS_ENABLED
    SSL_SESSION_TICKETS=CLIENT_SSL_SESSION_TICKETS
    SSL_SRV_C=TLS_SERVER
    SSL_TICKET_C=SERVER_SSL_SESSION_TICKETS
    SSL_TLS_C=TLS_ENABLED
    X509_TRUSTED_CERTIFICATE_CALLBACK=X509_TRUSTED_CERT_CALLBACK)
foreach(exchange PSK DHE_PSK ECDHE_PSK RSA_PSK RSA DHE_RSA ECDHE_RSA ECDHE_ECDSA ECDH_ECDSA ECDH_RSA
        ECJPAKE)
    list(APPEND renamed KEY_EXCHANGE_${exchange}_ENABLED=KEY_EXCHANGE_${exchange})
endforeach()
set(always
    AES_ROM_TABLES BASE64_C CIPHER_MODE_CBC ENTROPY_HARDWARE_ALT NO_PLATFORM_ENTROPY PKCS1_V21
    PKCS5_C PLATFORM_C PLATFORM_MEMORY SSL_ALL_ALERT_MESSAGES SSL_CACHE_C SSL_COOKIE_C
    SSL_MAX_FRAGMENT_LENGTH SSL_SERVER_NAME_INDICATION X509_RSASSA_PSS_SUPPORT)
set(never
    AESNI_C ECP_DP_CURVE448_ENABLED FS_IO NET_C PADLOCK_C PSA_CRYPTO_STORAGE_C PSA_ITS_FILE_C
    SSL_DTLS_CONNECTION_ID_COMPAT SSL_TLS1_3_COMPATIBILITY_MODE TIMING_C)
# MBEDTLS_X has the value of CONFIG_MBEDTLS_X.
set(values
    SSL_CID_IN_LEN_MAX SSL_CID_OUT_LEN_MAX SSL_CID_TLS1_3_PADDING_GRANULARITY=SSL_CID_PADDING_GRANULARITY
    SSL_IN_CONTENT_LEN SSL_OUT_CONTENT_LEN)

set(text "#pragma once\n#include \"sdkconfig.h\"\n#include \"mbedtls/mbedtls_config.h\"\n")
foreach(pair ${same} ${renamed})
    string(REGEX REPLACE "=.*" "" macro ${pair})
    string(REGEX REPLACE ".*=" "" config ${pair})
    string(APPEND text "#undef MBEDTLS_${macro}\n#if defined(CONFIG_MBEDTLS_${config})\n"
        "#define MBEDTLS_${macro}\n#endif\n")
endforeach()
foreach(macro ${always} ${never})
    string(APPEND text "#undef MBEDTLS_${macro}\n")
endforeach()
foreach(macro ${always})
    string(APPEND text "#define MBEDTLS_${macro}\n")
endforeach()
foreach(pair ${values})
    string(REGEX REPLACE "=.*" "" macro ${pair})
    string(REGEX REPLACE ".*=" "" config ${pair})
    string(APPEND text "#undef MBEDTLS_${macro}\n#if defined(CONFIG_MBEDTLS_${config})\n"
        "#define MBEDTLS_${macro} CONFIG_MBEDTLS_${config}\n#endif\n")
endforeach()
string(APPEND text "#if defined(CONFIG_MBEDTLS_ECP_FIXED_POINT_OPTIM)\n"
    "#define MBEDTLS_ECP_FIXED_POINT_OPTIM 1\n#else\n#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0\n#endif\n")
string(REPLACE ";" "" text "${text}")
file(WRITE ${OUTPUT} "${text}")

# Mbed TLS includes these by name, where an accelerator is on.
get_filename_component(include_dir ${OUTPUT} DIRECTORY)
foreach(name aes gcm sha1 sha256 sha512)
    file(WRITE ${include_dir}/../${name}_alt.h "#include \"${CMAKE_CURRENT_LIST_DIR}/accelerators.h\"\n")
endforeach()
