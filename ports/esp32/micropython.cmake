# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The module in MicroPython's esp32 port:
#
#   make -C ports/esp32 BOARD=... USER_C_MODULES=/path/to/micropython-ssl/ports/esp32/micropython.cmake
#
# README.md has the rest. Mbed TLS is ESP-IDF's, configured by the sdkconfig in force.
#
# To set, in the environment, with CMAKE_ARGS or in a board's mpconfigboard.cmake: MPSSL_CARGO,
# MPSSL_CARGO_ARGS and MPSSL_TARGET, in place of what is chosen here; MPSSL_P256 likewise.

include(${CMAKE_CURRENT_LIST_DIR}/../../c_glue/environment.cmake)

# This project's Rust target for each of ESP-IDF's. The C compiler's ABI is that of the triple:
# the P4 passes floating-point numbers in registers (ilp32f), the others do not (ilp32).
if(NOT MPSSL_TARGET)
    if(IDF_TARGET MATCHES "^esp32(s2|s3)?$")
        set(MPSSL_TARGET xtensa-${IDF_TARGET}-none-elf)
    elseif(IDF_TARGET MATCHES "^esp32(c2|c3)$")
        set(MPSSL_TARGET riscv32imc-unknown-none-elf)
    elseif(IDF_TARGET MATCHES "^esp32(c5|c6|c61|h2)$")
        set(MPSSL_TARGET riscv32imac-unknown-none-elf)
    elseif(IDF_TARGET STREQUAL "esp32p4")
        set(MPSSL_TARGET riscv32imafc-unknown-none-elf)
    else()
        message(FATAL_ERROR "micropython-ssl: the IDF target '${IDF_TARGET}' is not known here. Known are "
            "esp32, esp32s2, esp32s3, esp32c2, esp32c3, esp32c5, esp32c6, esp32c61, esp32h2 and esp32p4; "
            "for another give its Rust target triple as MPSSL_TARGET")
    endif()
endif()

# Upstream Rust has no compiler for Xtensa that can be relied on: Espressif's has.
if(MPSSL_TARGET MATCHES "^xtensa-")
    if(NOT MPSSL_CARGO)
        set(MPSSL_CARGO "cargo +esp")
    endif()
    if(NOT MPSSL_CARGO_ARGS)
        set(MPSSL_CARGO_ARGS -Zbuild-std=core)
    endif()
endif()

# Which Mbed TLS this ESP-IDF has is said by its own header; build.rs asks again, of the
# preprocessor.
idf_component_get_property(_mpssl_mbedtls mbedtls COMPONENT_DIR)
set(_mpssl_header ${_mpssl_mbedtls}/mbedtls/include/mbedtls/build_info.h)
if(EXISTS ${_mpssl_header})
    file(STRINGS ${_mpssl_header} _mpssl_version REGEX "^#define MBEDTLS_VERSION_STRING +")
    string(REGEX REPLACE "^.*\"(.*)\".*$" "\\1" _mpssl_version "${_mpssl_version}")
else()
    set(_mpssl_version "before 3.0")
endif()
if(MBEDTLS_DIR)
    message(FATAL_ERROR "micropython-ssl: MBEDTLS_DIR is set, '${MBEDTLS_DIR}', but on this port Mbed TLS is "
        "ESP-IDF's, here ${_mpssl_version}: unset it, and for a newer Mbed TLS take a newer ESP-IDF")
endif()
if(NOT _mpssl_version MATCHES "^3\\.6\\.")
    message(FATAL_ERROR "micropython-ssl: this ESP-IDF (${IDF_VERSION_MAJOR}.${IDF_VERSION_MINOR}) has "
        "Mbed TLS ${_mpssl_version}; supported is Mbed TLS 3.6, which ESP-IDF 5.3, 5.4 and 5.5 have")
endif()

# Where the chip multiplies on P-256 (C2, C5, C6, C61, H2, P4), ESP-IDF has it do so below what the
# linker would send to Rust.
if(NOT DEFINED MPSSL_P256 AND CONFIG_MBEDTLS_HARDWARE_ECC)
    set(MPSSL_P256 0)
endif()
# TLS 1.3 where Mbed TLS has it compiled in, and may be used with it (build.rs).
if(NOT DEFINED MPSSL_TLS13 AND CONFIG_MBEDTLS_SSL_PROTO_TLS1_3 AND NOT _mpssl_version MATCHES "^3\\.6\\.[0126]$")
    set(MPSSL_TLS13 1)
endif()
if(CONFIG_MBEDTLS_DYNAMIC_BUFFER)
    message(FATAL_ERROR "micropython-ssl: CONFIG_MBEDTLS_DYNAMIC_BUFFER exchanges the record buffers "
        "that this module gives back itself when they are idle; switch it off")
endif()

# Kconfig passes over an option that this ESP-IDF does not have for the chip, and prefers what an
# sdkconfig says that is there already. Of the hardening profile nothing may go missing so.
if(DEFINED MPSSL_SECURE AND NOT MPSSL_PROFILE)
    message(FATAL_ERROR "micropython-ssl: MPSSL_SECURE is '${MPSSL_SECURE}', but nothing is hardened "
        "without sdkconfig.cmake, to be named as CMAKE_PROJECT_micropython_INCLUDE "
        "(ports/esp32/README.md, Hardening)")
endif()
set(_mpssl_asked "")
foreach(_mpssl_file IN LISTS MPSSL_PROFILE)
    file(STRINGS ${_mpssl_file} _mpssl_lines REGEX "^CONFIG_")
    foreach(_mpssl_line IN LISTS _mpssl_lines)
        string(REGEX MATCH "^(CONFIG_[A-Z0-9_]+)=\"?([^\"]*)\"?$" _mpssl_line "${_mpssl_line}")
        # Of a name that comes again the last one counts.
        list(APPEND _mpssl_asked ${CMAKE_MATCH_1})
        set(_mpssl_value_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
    endforeach()
endforeach()
list(REMOVE_DUPLICATES _mpssl_asked)
set(_mpssl_missed "")
foreach(_mpssl_name IN LISTS _mpssl_asked)
    set(_mpssl_value "${${_mpssl_name}}")
    if(_mpssl_value STREQUAL "")
        set(_mpssl_value n)
    endif()
    if(NOT _mpssl_value STREQUAL _mpssl_value_${_mpssl_name})
        string(APPEND _mpssl_missed
            "\n  ${_mpssl_name} is ${_mpssl_value}, to be ${_mpssl_value_${_mpssl_name}}")
    endif()
endforeach()
if(_mpssl_missed)
    idf_build_get_property(_mpssl_sdkconfig SDKCONFIG)
    message(FATAL_ERROR "micropython-ssl: MPSSL_SECURE=${MPSSL_SECURE} is not what this firmware would be:"
        "${_mpssl_missed}\n"
        "Either ${_mpssl_sdkconfig} was made without MPSSL_SECURE=${MPSSL_SECURE}, or changed: start from an "
        "empty build directory. Or ESP-IDF ${IDF_VERSION_MAJOR}.${IDF_VERSION_MINOR} does not have it for "
        "the ${IDF_TARGET}: take a newer ESP-IDF.")
endif()

# The linker takes the glue's objects from the executable, which compiles the sources of user modules
# once more, and not with ESP-IDF's options: without these it is -O0, five times the flash. They are
# ESP-IDF's at the end of the configuration, so its own component has none twice. On usermod, they come
# before those of any module; MicroPython 1.28 puts the first list there itself, and CMake drops what
# is repeated.
idf_build_get_property(_mpssl_options COMPILE_OPTIONS GENERATOR_EXPRESSION)
idf_build_get_property(_mpssl_c_options C_COMPILE_OPTIONS GENERATOR_EXPRESSION)
idf_build_get_property(_mpssl_definitions COMPILE_DEFINITIONS GENERATOR_EXPRESSION)
target_compile_options(usermod INTERFACE
    ${_mpssl_options} "$<$<COMPILE_LANGUAGE:C>:${_mpssl_c_options}>")
target_compile_definitions(usermod INTERFACE ${_mpssl_definitions})

set(MPSSL_MBEDTLS_CONFIG 0)
set(MPSSL_MBEDTLS_LIBRARY idf::mbedtls)
include(${CMAKE_CURRENT_LIST_DIR}/../../c_glue/micropython.cmake)
