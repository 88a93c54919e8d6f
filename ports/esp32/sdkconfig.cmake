# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Adds sdkconfig.ssl to a board's sdkconfig files, without a change to the board; with
# MPSSL_SECURE=development or MPSSL_SECURE=release also sdkconfig.secure and what goes with it,
# which burns fuses; MPSSL_PARTITIONS names a table of partitions other than
# partitions-secure.csv. Named to CMake as CMAKE_PROJECT_micropython_INCLUDE: README.md has the line.
#
# CMake reads it within MicroPython's project(micropython), before ESP-IDF's replacement of that
# command reads SDKCONFIG_DEFAULTS. The bootloader's project has another name.

list(APPEND SDKCONFIG_DEFAULTS ${CMAKE_CURRENT_LIST_DIR}/sdkconfig.ssl)
if(NOT "${MPSSL_SECURE}" STREQUAL "")
    # There is no default: the one is a trial, the other cannot be taken back.
    if(NOT MPSSL_SECURE MATCHES "^(development|release)$")
        message(FATAL_ERROR "micropython-ssl: MPSSL_SECURE is '${MPSSL_SECURE}'; it is to be "
            "'development', the first step, or 'release' (ports/esp32/README.md, Hardening)")
    endif()
    # ESP-IDF prefers what an sdkconfig has that is there already.
    string(TOUPPER ${MPSSL_SECURE} _mpssl_mode)
    if(EXISTS "${SDKCONFIG}")
        file(STRINGS ${SDKCONFIG} _mpssl_found
            REGEX "^CONFIG_SECURE_FLASH_ENCRYPTION_MODE_${_mpssl_mode}=y$")
        if(NOT _mpssl_found)
            message(FATAL_ERROR "micropython-ssl: ${SDKCONFIG} was made without "
                "MPSSL_SECURE=${MPSSL_SECURE}: start from an empty build directory")
        endif()
    endif()
    if(NOT MPSSL_PARTITIONS)
        set(MPSSL_PARTITIONS ${CMAKE_CURRENT_LIST_DIR}/partitions-secure.csv)
    elseif(NOT EXISTS "${MPSSL_PARTITIONS}")
        message(FATAL_ERROR "micropython-ssl: MPSSL_PARTITIONS names no file: '${MPSSL_PARTITIONS}'")
    endif()
    # An sdkconfig file knows no path relative to itself.
    set(_mpssl_partitions ${CMAKE_BINARY_DIR}/sdkconfig.partitions)
    file(WRITE ${_mpssl_partitions}
        "CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${MPSSL_PARTITIONS}\"\n")
    list(APPEND SDKCONFIG_DEFAULTS ${_mpssl_partitions})
    foreach(_mpssl_file sdkconfig.secure sdkconfig.secure.${MPSSL_SECURE})
        foreach(_mpssl_name ${_mpssl_file} ${_mpssl_file}.${IDF_TARGET})
            if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/${_mpssl_name})
                list(APPEND SDKCONFIG_DEFAULTS ${CMAKE_CURRENT_LIST_DIR}/${_mpssl_name})
            endif()
        endforeach()
    endforeach()
endif()
