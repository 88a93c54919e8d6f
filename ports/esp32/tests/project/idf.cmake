# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What ESP-IDF 5 would do, as far as micropython.cmake and MicroPython's CMake files see it:
# the configuration from sdkconfig files, and components as libraries.

if(NOT IDF_VERSION)
    set(IDF_VERSION 5.5)
endif()
string(REGEX MATCH "^([0-9]+)\\.([0-9]+)$" _version ${IDF_VERSION})
set(IDF_VERSION_MAJOR ${CMAKE_MATCH_1})
set(IDF_VERSION_MINOR ${CMAKE_MATCH_2})
set(IDF_PATH ${CMAKE_CURRENT_LIST_DIR})
set(IDF_STAND_IN ${CMAKE_CURRENT_LIST_DIR})

# What Kconfig makes of the defaults, and of what an sdkconfig has that is there already: again in
# sdkconfig, as sdkconfig.h and as CONFIG_* variables.
macro(idf_sdkconfig)
    if(NOT SDKCONFIG)
        set(SDKCONFIG ${CMAKE_BINARY_DIR}/sdkconfig)
    endif()
    idf_build_set_property(SDKCONFIG ${SDKCONFIG})
    set(_config ${CMAKE_BINARY_DIR}/config)
    file(MAKE_DIRECTORY ${_config})
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    set(_command ${CMAKE_COMMAND} -E env PYTHONPATH=${KCONFIG_TOOLS} IDF_TARGET=${IDF_TARGET}
        IDF_VERSION=${IDF_VERSION} ${Python3_EXECUTABLE} -m kconfgen
        --kconfig ${IDF_STAND_IN}/Kconfig --config ${SDKCONFIG})
    foreach(_file ${SDKCONFIG_DEFAULTS})
        list(APPEND _command --defaults ${_file})
    endforeach()
    list(APPEND _command --output header ${_config}/sdkconfig.h
        --output cmake ${_config}/sdkconfig.cmake --output config ${SDKCONFIG})
    execute_process(COMMAND ${_command} RESULT_VARIABLE _result)
    if(_result)
        message(FATAL_ERROR "Failed to run kconfgen. Error ${_result}")
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${SDKCONFIG} ${_config}/sdkconfig.h)
    include(${_config}/sdkconfig.cmake)
endmacro()

# Properties of the build: those of a target, as which they can be read when all are known.
add_library(__idf_build_target STATIC IMPORTED GLOBAL)

function(idf_build_set_property property value)
    cmake_parse_arguments(_ "APPEND" "" "" ${ARGN})
    set(append)
    if(__APPEND)
        set(append APPEND)
    endif()
    set_property(TARGET __idf_build_target ${append} PROPERTY ${property} "${value}")
endfunction()

function(idf_build_get_property var property)
    cmake_parse_arguments(_ "GENERATOR_EXPRESSION" "" "" ${ARGN})
    if(__GENERATOR_EXPRESSION)
        set(value $<TARGET_PROPERTY:__idf_build_target,${property}>)
    else()
        get_property(value TARGET __idf_build_target PROPERTY ${property})
    endif()
    set(${var} "${value}" PARENT_SCOPE)
endfunction()

# How components are compiled: by sdkconfig, and never the executable.
function(idf_compile_options)
    set(options -ffunction-sections -fdata-sections -Wall -Wextra -Wno-unused-parameter
        -Wno-sign-compare -Wno-enum-conversion -gdwarf-4 -ggdb)
    if(CONFIG_COMPILER_OPTIMIZATION_SIZE)
        list(APPEND options -Os -freorder-blocks)
    elseif(CONFIG_COMPILER_OPTIMIZATION_PERF)
        list(APPEND options -O2)
    endif()
    list(APPEND options -fno-jump-tables -fno-tree-switch-conversion)
    idf_build_set_property(COMPILE_OPTIONS "${options}" APPEND)
    idf_build_set_property(C_COMPILE_OPTIONS "-std=gnu17;-Wno-old-style-declaration" APPEND)
    idf_build_set_property(COMPILE_DEFINITIONS "_GNU_SOURCE;ESP_PLATFORM" APPEND)
    if(CONFIG_COMPILER_OPTIMIZATION_ASSERTIONS_DISABLE)
        idf_build_set_property(COMPILE_DEFINITIONS NDEBUG APPEND)
    endif()
endfunction()

function(idf_component_get_property var component property)
    if(component STREQUAL "mbedtls" AND property STREQUAL "COMPONENT_DIR")
        set(${var} ${CMAKE_BINARY_DIR}/components/mbedtls PARENT_SCOPE)
    else()
        message(FATAL_ERROR "Failed to resolve component '${component}'")
    endif()
endfunction()

function(idf_component_register)
    cmake_parse_arguments(_ "" "" "SRCS;INCLUDE_DIRS;LDFRAGMENTS;REQUIRES" ${ARGN})
    foreach(dir ${__INCLUDE_DIRS})
        get_filename_component(dir ${dir} ABSOLUTE)
        if(NOT IS_DIRECTORY ${dir})
            message(FATAL_ERROR "Include directory '${dir}' is not a directory.")
        endif()
    endforeach()
    # For this directory, and those below.
    idf_build_get_property(options COMPILE_OPTIONS GENERATOR_EXPRESSION)
    idf_build_get_property(c_options C_COMPILE_OPTIONS GENERATOR_EXPRESSION)
    idf_build_get_property(definitions COMPILE_DEFINITIONS GENERATOR_EXPRESSION)
    add_compile_options("${options}" "$<$<COMPILE_LANGUAGE:C>:${c_options}>")
    add_compile_definitions("${definitions}")
    set(lib __idf_${COMPONENT_NAME})
    if(__SRCS)
        add_library(${lib} STATIC ${__SRCS})
        set(scope PUBLIC)
    else()
        add_library(${lib} INTERFACE)
        set(scope INTERFACE)
    endif()
    target_include_directories(${lib} ${scope} ${__INCLUDE_DIRS} ${CMAKE_BINARY_DIR}/config)
    # By property, as ESP-IDF: MicroPython's files use the signature without keywords.
    foreach(component ${__REQUIRES})
        if(__SRCS)
            set_property(TARGET ${lib} APPEND PROPERTY LINK_LIBRARIES __idf_${component})
        endif()
        set_property(TARGET ${lib} APPEND PROPERTY INTERFACE_LINK_LIBRARIES __idf_${component})
    endforeach()
    add_library(idf::${COMPONENT_NAME} ALIAS ${lib})
    set(COMPONENT_LIB ${lib} PARENT_SCOPE)
    set(COMPONENT_TARGET ${lib} PARENT_SCOPE)
endfunction()

macro(idf_build)
    idf_sdkconfig()
    set(CONFIG_IDF_TARGET_ARCH_RISCV y)
    idf_compile_options()
    set(__COMPONENT_NAMES_RESOLVED mbedtls main)

    # ESP-IDF's directory of the component has Mbed TLS's tree in it.
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/components/mbedtls)
    file(CREATE_LINK ${IDF_MBEDTLS} ${CMAKE_BINARY_DIR}/components/mbedtls/mbedtls SYMBOLIC)

    set(COMPONENT_NAME mbedtls)
    add_subdirectory(${IDF_STAND_IN}/mbedtls ${CMAKE_BINARY_DIR}/esp-idf/mbedtls)
    set(COMPONENT_NAME main)
    add_subdirectory(${IDF_STAND_IN}/main ${CMAKE_BINARY_DIR}/esp-idf/main)

    file(WRITE ${CMAKE_BINARY_DIR}/project_elf_src.c "")
    add_executable(micropython.elf ${CMAKE_BINARY_DIR}/project_elf_src.c)
    # Not in a group: the libraries' order is part of what is tested.
    target_link_libraries(micropython.elf PRIVATE __idf_main)
    target_link_options(micropython.elf PRIVATE -nostartfiles -Wl,--gc-sections -Wl,-e,app_main
        -Wl,-Map=${CMAKE_BINARY_DIR}/micropython.map)
endmacro()
