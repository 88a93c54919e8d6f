# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Takes the variables that micropython.cmake lists from the environment, which spares quoting: make
# passes CMAKE_ARGS through a shell. They are remembered, for cmake runs again by itself.

foreach(_mpssl_name IN ITEMS MPSSL_PRESET MPSSL_TARGET MPSSL_CARGO MPSSL_CARGO_ARGS MPSSL_CARGO_DIR
        MPSSL_OPT_LEVEL MPSSL_P256 MPSSL_HIBERNATION MPSSL_RECORD_BUFFERS MPSSL_TLS13 MPSSL_MBEDTLS_CONFIG
        MPSSL_EXTRA_MBEDTLS_CONFIG_FILE MPSSL_AEAD_CFLAGS MPSSL_PEER_CERT_DICT MPSSL_KEYLOG MPSSL_CRL MPSSL_MEMORY
        MPSSL_SECURE MPSSL_PARTITIONS MBEDTLS_DIR)
    if(DEFINED ENV{${_mpssl_name}})
        set(${_mpssl_name} "$ENV{${_mpssl_name}}" CACHE STRING "micropython-ssl, from the environment" FORCE)
    endif()
endforeach()
