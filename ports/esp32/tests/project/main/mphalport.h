// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Nothing runs: the least that MicroPython asks of a port's hardware layer.
#ifndef MPSSL_ESP32_TESTS_MPHALPORT_H
#define MPSSL_ESP32_TESTS_MPHALPORT_H

#include <stddef.h>

#include "shared/runtime/interrupt_char.h"

#endif // MPSSL_ESP32_TESTS_MPHALPORT_H
