# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Adds sdkconfig.ssl to a board's sdkconfig files, without a change to the board; with
# MPSSL_SECURE=1 also sdkconfig.secure, which burns fuses. Named to CMake as
# CMAKE_PROJECT_micropython_INCLUDE: README.md has the line.
#
# CMake reads it within MicroPython's project(micropython), before ESP-IDF's replacement of that
# command reads SDKCONFIG_DEFAULTS. The bootloader's project has another name.

list(APPEND SDKCONFIG_DEFAULTS ${CMAKE_CURRENT_LIST_DIR}/sdkconfig.ssl)
if(MPSSL_SECURE)
    # An sdkconfig file knows no path relative to itself.
    set(_mpssl_partitions ${CMAKE_BINARY_DIR}/sdkconfig.partitions)
    file(WRITE ${_mpssl_partitions}
        "CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${CMAKE_CURRENT_LIST_DIR}/partitions-secure.csv\"\n")
    list(APPEND SDKCONFIG_DEFAULTS ${CMAKE_CURRENT_LIST_DIR}/sdkconfig.secure ${_mpssl_partitions})
endif()
