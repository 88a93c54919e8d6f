# SPDX-License-Identifier: MIT OR Apache-2.0
#
# For stock builds only: what Mbed TLS the tree's own tls module gets. c_glue/micropython.mk
# does the same for this module; never load both.
#
#   MBEDTLS_DIR            a tree outside of MicroPython's, which is not written into
#   MPSSL_MBEDTLS_CONFIG   1: configured and compiled as for this module; else as upstream has it

MPSSL_ROOT := $(realpath $(USERMOD_DIR)/../../../..)
MPSSL_MBEDTLS_CONFIG ?= 0
ifneq ($(MPSSL_MBEDTLS_CONFIG),1)
MPSSL_AEAD_CFLAGS =
endif
# The allocator that notes refusals is this module's.
CFLAGS_USERMOD += -DMPSSL_NOTES_REFUSALS=0
include $(MPSSL_ROOT)/c_glue/mbedtls.mk
