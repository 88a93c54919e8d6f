# SPDX-License-Identifier: MIT OR Apache-2.0
#
# For stock builds only: lets the tree's own tls module compile an Mbed TLS that
# lies outside the tree (make MBEDTLS_DIR=/path), without writing into the tree.
# c_glue/micropython.mk does the same for this module; never load both.

ifneq ($(MBEDTLS_DIR),)
# extmod.mk prefixes object files with $(BUILD) and sources with $(MBEDTLS_DIR),
# so the name stays relative and vpath tells where it is. "override" because
# extmod.mk assigns the variable again.
MBEDTLS_TREE := $(abspath $(MBEDTLS_DIR))
override MBEDTLS_DIR := $(notdir $(MBEDTLS_TREE))
vpath $(MBEDTLS_DIR)/%.c $(patsubst %/,%,$(dir $(MBEDTLS_TREE)))
CFLAGS_USERMOD += -I$(MBEDTLS_TREE)/include
endif
