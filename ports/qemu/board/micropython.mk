# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What MicroPython's qemu port lacks to run TLS: a clock, a source of bytes that stand in for
# random ones, and Python's view of both. Part of the stock builds too.

SRC_USERMOD_C += $(USERMOD_DIR)/port.c

ifeq ($(QEMU_ARCH),arm)
LDFLAGS_USERMOD += -T $(USERMOD_DIR)/unwind.ld
endif
