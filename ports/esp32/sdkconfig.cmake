# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Adds sdkconfig.ssl to a board's sdkconfig files, without a change to the board; with
# MPSSL_SECURE=development or MPSSL_SECURE=release also sdkconfig.secure and what goes with it,
# which burns fuses; MPSSL_PARTITIONS names a table of partitions other than
# partitions-secure.csv. Named to CMake as CMAKE_PROJECT_micropython_INCLUDE: README.md has the line.
#
# CMake reads it within MicroPython's project(micropython), before ESP-IDF's replacement of that
# command reads SDKCONFIG_DEFAULTS. The bootloader's project has another name.

include(${CMAKE_CURRENT_LIST_DIR}/../../c_glue/environment.cmake)

list(APPEND SDKCONFIG_DEFAULTS ${CMAKE_CURRENT_LIST_DIR}/sdkconfig.ssl)
if(DEFINED MPSSL_SECURE)
    # There is no default: the one is a trial, the other cannot be taken back.
    if(NOT MPSSL_SECURE MATCHES "^(development|release)$")
        message(FATAL_ERROR "micropython-ssl: MPSSL_SECURE is '${MPSSL_SECURE}'; it is to be "
            "'development', the first step, or 'release' (ports/esp32/README.md, Hardening)")
    endif()
    if(NOT MPSSL_PARTITIONS)
        set(MPSSL_PARTITIONS ${CMAKE_CURRENT_LIST_DIR}/partitions-secure.csv)
    elseif(NOT EXISTS "${MPSSL_PARTITIONS}")
        message(FATAL_ERROR "micropython-ssl: MPSSL_PARTITIONS names no file: '${MPSSL_PARTITIONS}'")
    endif()
    # An sdkconfig file knows no path relative to itself.
    set(MPSSL_PROFILE ${CMAKE_BINARY_DIR}/sdkconfig.partitions)
    file(WRITE ${MPSSL_PROFILE}
        "CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${MPSSL_PARTITIONS}\"\n")
    foreach(_mpssl_file sdkconfig.secure sdkconfig.secure.${MPSSL_SECURE})
        foreach(_mpssl_name ${_mpssl_file} ${_mpssl_file}.${IDF_TARGET})
            if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/${_mpssl_name})
                list(APPEND MPSSL_PROFILE ${CMAKE_CURRENT_LIST_DIR}/${_mpssl_name})
            endif()
        endforeach()
    endforeach()
    list(APPEND SDKCONFIG_DEFAULTS ${MPSSL_PROFILE})
endif()
