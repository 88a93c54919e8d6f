// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The configuration of MicroPython's qemu port, and what a board with a network would
// have besides. build.sh names this file as MP_CONFIGFILE, for stock builds too.
#ifndef MPSSL_QEMU_MPCONFIGPORT_H
#define MPSSL_QEMU_MPCONFIGPORT_H

#include "ports/qemu/mpconfigport.h"

// Mbed TLS's memory comes from the garbage collector's heap.
#define MICROPY_TRACKED_ALLOC (1)

// The port has no clock: board/port.c brings one.
#undef MICROPY_PY_TIME
#define MICROPY_PY_TIME (1)
#undef MICROPY_PY_SELECT
#define MICROPY_PY_SELECT (1)

// Tests ask it.
#define MICROPY_PY_GC_COLLECT_RETVAL (1)

// They use the same Mbed TLS.
#define MICROPY_PY_CRYPTOLIB (1)
#define MICROPY_PY_HASHLIB_MD5 (1)
#define MICROPY_PY_HASHLIB_SHA1 (1)

#endif // MPSSL_QEMU_MPCONFIGPORT_H
