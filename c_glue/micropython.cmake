# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The module as a user C module of a port that is built with CMake; micropython.mk is its
# twin for make. ESP-IDF has ports/esp32/micropython.cmake, which includes this. Nothing
# in MicroPython's tree is changed; hashlib and cryptolib go on using the same Mbed TLS.
#
# For the port's maintainer to set, in mpconfigboard.cmake, with cmake -D, or in the environment:
#   MPSSL_PRESET           small: for boards short of flash (docs/porting.md says what it leaves
#                          out); full, the default. What follows is chosen by it, and can be set
#   MPSSL_TARGET           Rust target triple of the firmware; else what the C compiler says
#   MPSSL_CARGO            cargo, with a toolchain if need be ("cargo +esp")
#   MPSSL_CARGO_ARGS       more arguments for cargo ("-Zbuild-std=core")
#   MPSSL_CARGO_DIR        where cargo builds; a directory that builds share saves time
#   MPSSL_P256             0: P-256 by Mbed TLS, not by Rust; where a chip computes it
#   MPSSL_OPT_LEVEL        how Rust is optimised: s, z, 3
#   MPSSL_HIBERNATION      0: connections cannot hibernate
#   MPSSL_RECORD_BUFFERS   0: a connection keeps Mbed TLS's record buffers all its life
#   MPSSL_MBEDTLS_CONFIG   0: the port's own Mbed TLS configuration as it is
#   MPSSL_EXTRA_MBEDTLS_CONFIG_FILE  a header with the last word on it
#   MPSSL_AEAD_CFLAGS      how Mbed TLS's gcm.c is optimised, for speed; -Os: as all the rest
#   MPSSL_PEER_CERT_DICT   0: getpeercert() knows DER only, as upstream's, for less flash
#   MPSSL_TLS13            1: TLS 1.3 as well (docs/porting.md)
#   MPSSL_CRL              1: certificate revocation lists, SSLContext.verify_flags
#   MPSSL_KEYLOG           1: SSLContext.keylog_filename; whoever reads the file reads the records
#   MPSSL_MEMORY           1: contexts and sockets report their memory; to size a heap
#   MBEDTLS_DIR            an Mbed TLS 3.6 tree other than lib/mbedtls
# For a file like ports/esp32/micropython.cmake to set:
#   MPSSL_MBEDTLS_LIBRARY  the CMake target of Mbed TLS, where it is a library

include_guard(GLOBAL)

include(${CMAKE_CURRENT_LIST_DIR}/environment.cmake)
if(NOT MPSSL_CARGO)
    set(MPSSL_CARGO cargo)
endif()
if(NOT DEFINED MPSSL_PRESET OR MPSSL_PRESET STREQUAL "full")
    set(_mpssl_full 1)
    set(_mpssl_config_says)
elseif(MPSSL_PRESET STREQUAL "small")
    set(_mpssl_full 0)
    set(_mpssl_config_says MPSSL_PRESET_SMALL=1)
else()
    message(FATAL_ERROR "micropython-ssl: MPSSL_PRESET is '${MPSSL_PRESET}'; there are small and full")
endif()
if(MPSSL_EXTRA_MBEDTLS_CONFIG_FILE)
    get_filename_component(_mpssl_extra ${MPSSL_EXTRA_MBEDTLS_CONFIG_FILE} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
    list(APPEND _mpssl_config_says "MPSSL_EXTRA_MBEDTLS_CONFIG_FILE=\"${_mpssl_extra}\"")
endif()
if(NOT DEFINED MPSSL_P256)
    set(MPSSL_P256 ${_mpssl_full})
endif()
if(NOT DEFINED MPSSL_HIBERNATION)
    set(MPSSL_HIBERNATION ${_mpssl_full})
endif()
if(NOT DEFINED MPSSL_RECORD_BUFFERS)
    set(MPSSL_RECORD_BUFFERS 1)
endif()
if(MPSSL_RECORD_BUFFERS)
    list(APPEND _mpssl_config_says MPSSL_RECORD_BUFFERS=1)
endif()
if(NOT DEFINED MPSSL_TLS13)
    set(MPSSL_TLS13 0)
endif()
if(MPSSL_TLS13)
    list(APPEND _mpssl_config_says MPSSL_TLS13=1)
endif()
if(MPSSL_CRL)
    list(APPEND _mpssl_config_says MPSSL_CRL=1)
endif()
if(NOT DEFINED MPSSL_MBEDTLS_CONFIG)
    set(MPSSL_MBEDTLS_CONFIG 1)
endif()
if(NOT DEFINED MPSSL_OPT_LEVEL AND NOT _mpssl_full)
    set(MPSSL_OPT_LEVEL z)
endif()
if(NOT DEFINED MPSSL_AEAD_CFLAGS AND _mpssl_full)
    set(MPSSL_AEAD_CFLAGS "-O2 -fpeel-loops -ftree-loop-distribute-patterns")
endif()
if(NOT DEFINED MPSSL_PEER_CERT_DICT)
    set(MPSSL_PEER_CERT_DICT ${_mpssl_full})
endif()
if(NOT DEFINED MPSSL_KEYLOG)
    set(MPSSL_KEYLOG 0)
endif()
if(NOT DEFINED MPSSL_MEMORY)
    set(MPSSL_MEMORY 0)
endif()

get_filename_component(MPSSL_GLUE_DIR ${CMAKE_CURRENT_LIST_DIR} REALPATH)
get_filename_component(MPSSL_ROOT ${MPSSL_GLUE_DIR}/.. ABSOLUTE)
set(MPSSL_BUILD ${CMAKE_BINARY_DIR}/micropython-ssl)
if(NOT MPSSL_CARGO_DIR)
    set(MPSSL_CARGO_DIR ${MPSSL_BUILD}/cargo)
endif()

# ##############################################################################
# C: the glue

set(MPSSL_SOURCES
    ${MPSSL_GLUE_DIR}/callbacks.c
    ${MPSSL_GLUE_DIR}/certificate.c
    ${MPSSL_GLUE_DIR}/classes.c
    ${MPSSL_GLUE_DIR}/credentials.c
    ${MPSSL_GLUE_DIR}/dtls_listener.c
    ${MPSSL_GLUE_DIR}/files.c
    ${MPSSL_GLUE_DIR}/memory.c
    ${MPSSL_GLUE_DIR}/modssl.c
    ${MPSSL_GLUE_DIR}/port.c
    ${MPSSL_GLUE_DIR}/protect.c
    ${MPSSL_GLUE_DIR}/raise.c
    ${MPSSL_GLUE_DIR}/ssl_context.c
    ${MPSSL_GLUE_DIR}/ssl_session.c
    ${MPSSL_GLUE_DIR}/ssl_socket.c
    ${MPSSL_GLUE_DIR}/transport.c
)
# It has no names to scan, but CMake's rules scan every source of a user module, in whatever
# target does that, and it may be before cargo has made the header: then it includes nothing.
set(MPSSL_ABI_CHECK ${MPSSL_GLUE_DIR}/abi_check.c)
set(MPSSL_INCLUDE ${MPSSL_BUILD}/include)
set(MPSSL_ABI ${MPSSL_INCLUDE}/mpssl_abi.h)
# ESP-IDF wants directories it is told of to be there already.
file(MAKE_DIRECTORY ${MPSSL_INCLUDE})

add_library(usermod_mpssl INTERFACE)
target_sources(usermod_mpssl INTERFACE ${MPSSL_SOURCES} ${MPSSL_ABI_CHECK})
target_include_directories(usermod_mpssl INTERFACE ${MPSSL_GLUE_DIR} ${MPSSL_INCLUDE})
target_compile_definitions(usermod_mpssl INTERFACE
    MPSSL_PEER_CERT_DICT=${MPSSL_PEER_CERT_DICT} MPSSL_MEMORY=${MPSSL_MEMORY}
    MPSSL_HIBERNATION=${MPSSL_HIBERNATION} MPSSL_KEYLOG=${MPSSL_KEYLOG} ${_mpssl_config_says})

# The tree's own module is still scanned but not compiled: modssl.c defines what it
# registers. Source properties hold in one directory, the one that includes usermod.cmake.
set(MPSSL_STOCK ${MICROPY_DIR}/extmod/modtls_mbedtls.c)
if(NOT EXISTS ${MPSSL_STOCK})
    message(FATAL_ERROR "micropython-ssl: no ${MPSSL_STOCK}: this MicroPython is not known here")
endif()
set_source_files_properties(${MPSSL_STOCK} PROPERTIES HEADER_FILE_ONLY TRUE)

# ##############################################################################
# Mbed TLS: the firmware's own copy, configured for what the module offers

# As extmod.cmake has it, which may still come.
set(_mpssl_mbedtls ${MICROPY_DIR}/lib/mbedtls)
if(MBEDTLS_DIR)
    get_filename_component(_mpssl_own ${MBEDTLS_DIR} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
    if(NOT EXISTS ${_mpssl_own}/include/mbedtls/ssl.h)
        message(FATAL_ERROR "micropython-ssl: no Mbed TLS in MBEDTLS_DIR, ${_mpssl_own}")
    endif()
    if(NOT TARGET micropy_lib_mbedtls)
        message(FATAL_ERROR "micropython-ssl: MBEDTLS_DIR: this port's Mbed TLS is none of MicroPython's")
    endif()
    foreach(_mpssl_property IN ITEMS INTERFACE_SOURCES INTERFACE_INCLUDE_DIRECTORIES)
        get_target_property(_mpssl_value micropy_lib_mbedtls ${_mpssl_property})
        string(REPLACE "${_mpssl_mbedtls}/" "${_mpssl_own}/" _mpssl_value "${_mpssl_value}")
        set_target_properties(micropy_lib_mbedtls PROPERTIES ${_mpssl_property} "${_mpssl_value}")
    endforeach()
    set(_mpssl_mbedtls ${_mpssl_own})
endif()

if(MPSSL_MBEDTLS_CONFIG)
    set(_mpssl_library ${_mpssl_mbedtls}/library)
    set(_mpssl_config ${MPSSL_GLUE_DIR}/mbedtls_config.h)
    if(TARGET micropy_lib_mbedtls)
        # extmod.cmake came first, as on rp2: its choice becomes what ours builds on.
        get_target_property(_mpssl_definitions micropy_lib_mbedtls INTERFACE_COMPILE_DEFINITIONS)
        set(_mpssl_kept "MBEDTLS_CONFIG_FILE=\"${_mpssl_config}\"" ${_mpssl_config_says})
        foreach(_mpssl_definition IN LISTS _mpssl_definitions)
            string(REGEX REPLACE "^MBEDTLS_CONFIG_FILE=" "MPSSL_PORT_MBEDTLS_CONFIG_FILE="
                _mpssl_definition "${_mpssl_definition}")
            list(APPEND _mpssl_kept "${_mpssl_definition}")
        endforeach()
        set_target_properties(micropy_lib_mbedtls PROPERTIES
            INTERFACE_COMPILE_DEFINITIONS "${_mpssl_kept}")
        # Beyond extmod.cmake's list. Compiles to nothing where the options are off.
        target_sources(micropy_lib_mbedtls INTERFACE
            ${_mpssl_library}/block_cipher.c
            ${_mpssl_library}/threading.c)
        if(MPSSL_TLS13)
            foreach(_mpssl_name IN ITEMS psa_crypto psa_crypto_aead psa_crypto_cipher psa_crypto_client
                    psa_crypto_driver_wrappers_no_static psa_crypto_ecp psa_crypto_hash psa_crypto_mac
                    psa_crypto_random psa_crypto_slot_management psa_util ssl_tls13_client
                    ssl_tls13_generic ssl_tls13_keys ssl_tls13_server)
                target_sources(micropy_lib_mbedtls INTERFACE ${_mpssl_library}/${_mpssl_name}.c)
            endforeach()
        endif()
    else()
        if(MBEDTLS_CONFIG_FILE)
            target_compile_definitions(usermod_mpssl INTERFACE
                "MPSSL_PORT_MBEDTLS_CONFIG_FILE=\"${MBEDTLS_CONFIG_FILE}\"")
        endif()
        set(MBEDTLS_CONFIG_FILE ${_mpssl_config})
        target_sources(usermod_mpssl INTERFACE ${_mpssl_library}/block_cipher.c)
    endif()
    # See mbedtls_config.h.
    set_property(SOURCE ${_mpssl_library}/bignum.c ${_mpssl_library}/rsa.c
        APPEND PROPERTY COMPILE_DEFINITIONS MPSSL_LONG_NUMBERS=1)
    # Records: see mbedtls_words.h. Nothing given: the port's own flags.
    if(MPSSL_AEAD_CFLAGS)
        separate_arguments(_mpssl_aead UNIX_COMMAND "${MPSSL_AEAD_CFLAGS}")
        set_property(SOURCE ${_mpssl_library}/gcm.c APPEND PROPERTY COMPILE_OPTIONS
            ${_mpssl_aead} -iquote ${_mpssl_library}
            -include ${MPSSL_GLUE_DIR}/mbedtls_words.h)
    endif()
endif()

# ##############################################################################
# Rust: the core

find_package(Python3 REQUIRED COMPONENTS Interpreter)

# cargo.py takes the flags of the C code from here, the very ones the compiler is called
# with: only CMake's generators know them all. The variable is for a target still to come, as
# in the esp32 and rp2 ports, the property for one that is there already.
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(TARGET "${MICROPY_TARGET}")
    set_target_properties(${MICROPY_TARGET} PROPERTIES EXPORT_COMPILE_COMMANDS ON)
endif()

separate_arguments(_mpssl_cargo UNIX_COMMAND "${MPSSL_CARGO}")
separate_arguments(_mpssl_cargo_args UNIX_COMMAND "${MPSSL_CARGO_ARGS}")
set(MPSSL_LIB ${MPSSL_BUILD}/libmicropython_ssl_core.a)

# The linker sends Mbed TLS's multiplications on curves to Rust (src/mbedtls/crypto/ecp.rs).
# Without these options it does not find __real_mbedtls_ecp_mul_restartable.
set(_mpssl_features firmware)
if(MPSSL_P256)
    string(APPEND _mpssl_features ,p256)
    target_compile_definitions(usermod_mpssl INTERFACE MPSSL_P256=1)
    target_link_options(usermod_mpssl INTERFACE
        -Wl,--wrap=mbedtls_ecp_mul_restartable
        -Wl,--wrap=mbedtls_ecp_muladd_restartable)
endif()
if(MPSSL_TLS13)
    string(APPEND _mpssl_features ,tls13)
    # What src/mbedtls/connection/tls13.rs does otherwise; and PSA's way to a public key.
    target_link_options(usermod_mpssl INTERFACE
        -Wl,--wrap=mbedtls_ssl_session_reset_msg_layer
        -Wl,--wrap=mbedtls_ssl_send_alert_message
        -Wl,--wrap=mbedtls_ssl_pend_fatal_alert
        -Wl,--wrap=mbedtls_cipher_setup
        -Wl,--wrap=mbedtls_cipher_free
        -Wl,--wrap=mbedtls_x509_crt_parse_der
        -Wl,--wrap=mbedtls_pk_sign_ext)
    if(MPSSL_P256)
        target_link_options(usermod_mpssl INTERFACE -Wl,--wrap=mbedtls_ecp_mul)
    endif()
endif()
if(MPSSL_HIBERNATION)
    string(APPEND _mpssl_features ,hibernation)
endif()
if(MPSSL_KEYLOG)
    message(WARNING "micropython-ssl: MPSSL_KEYLOG=1 is for tests only: a program can write the "
        "secrets of its connections to a file")
    string(APPEND _mpssl_features ,keylog)
endif()
if(MPSSL_RECORD_BUFFERS)
    string(APPEND _mpssl_features ,record-buffers)
endif()

set(_mpssl_target)
if(MPSSL_TARGET)
    set(_mpssl_target --target ${MPSSL_TARGET})
endif()
if(MPSSL_OPT_LEVEL)
    list(APPEND _mpssl_target --opt-level ${MPSSL_OPT_LEVEL})
endif()

# Always run: cargo knows best whether there is anything to do. The archive and the header
# are left alone where they would be the same, so nothing else is made again.
add_custom_target(mpssl_cargo
    COMMAND ${Python3_EXECUTABLE} ${MPSSL_GLUE_DIR}/cargo.py
        --crate ${MPSSL_ROOT}
        ${_mpssl_target}
        --features ${_mpssl_features}
        --compile-commands ${CMAKE_BINARY_DIR}/compile_commands.json
        --source ${MPSSL_ABI_CHECK}
        --ar ${CMAKE_AR}
        --target-dir ${MPSSL_CARGO_DIR}
        --abi-header ${MPSSL_ABI}
        --output ${MPSSL_LIB}
        -- ${_mpssl_cargo} -- ${_mpssl_cargo_args}
    BYPRODUCTS ${MPSSL_LIB} ${MPSSL_ABI}
    COMMENT "micropython-ssl: cargo"
    USES_TERMINAL
    VERBATIM
)

add_library(mpssl_core STATIC IMPORTED GLOBAL)
set_target_properties(mpssl_core PROPERTIES IMPORTED_LOCATION ${MPSSL_LIB})
add_dependencies(mpssl_core mpssl_cargo)
if(MPSSL_MBEDTLS_LIBRARY)
    # So that the linker reads Mbed TLS after the core. LINK_ONLY also keeps usermod.cmake
    # from taking the sources and directories of all that Mbed TLS needs for the module's.
    set_target_properties(mpssl_core PROPERTIES
        INTERFACE_LINK_LIBRARIES "$<LINK_ONLY:${MPSSL_MBEDTLS_LIBRARY}>")
endif()

target_link_libraries(usermod_mpssl INTERFACE mpssl_core)
# The glue includes what cargo makes.
add_dependencies(usermod_mpssl mpssl_cargo)
target_link_libraries(usermod INTERFACE usermod_mpssl)
