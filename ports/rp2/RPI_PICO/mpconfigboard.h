// SPDX-License-Identifier: MIT OR Apache-2.0
// Upstream's board has no network and keeps 640 KB for the firmware. With lwIP, TLS and either
// module more is needed: what lies behind it would be overwritten by the file system.
#include "boards/RPI_PICO/mpconfigboard.h"

#undef MICROPY_HW_FLASH_STORAGE_BYTES
#define MICROPY_HW_FLASH_STORAGE_BYTES (1024 * 1024)
