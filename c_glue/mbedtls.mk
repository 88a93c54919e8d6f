# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Mbed TLS: the firmware's own copy, configured for what the module offers. Included by
# micropython.mk; and by ports/unix/stock, to measure upstream's module over the very same.
# Expects MPSSL_ROOT.

MPSSL_MBEDTLS_CONFIG ?= 1
MPSSL_AEAD_CFLAGS ?= -O3

ifneq ($(MBEDTLS_DIR),)
# Out of the tree: extmod.mk prefixes object files with $(BUILD) and sources with
# $(MBEDTLS_DIR), so the name stays relative and vpath tells where it is.
# "override" because extmod.mk assigns the variable again.
MPSSL_MBEDTLS_TREE := $(abspath $(MBEDTLS_DIR))
override MBEDTLS_DIR := $(notdir $(MPSSL_MBEDTLS_TREE))
vpath $(MBEDTLS_DIR)/%.c $(patsubst %/,%,$(dir $(MPSSL_MBEDTLS_TREE)))
CFLAGS_USERMOD += -I$(MPSSL_MBEDTLS_TREE)/include
endif

ifeq ($(MPSSL_MBEDTLS_CONFIG),1)
ifneq ($(MBEDTLS_CONFIG_FILE),)
# A board has its own file: ours builds on it.
CFLAGS_USERMOD += -DMPSSL_PORT_MBEDTLS_CONFIG_FILE=$(MBEDTLS_CONFIG_FILE)
endif
override MBEDTLS_CONFIG_FILE := \"$(MPSSL_ROOT)/c_glue/mbedtls_config.h\"

# Beyond extmod.mk's list. Compiles to nothing where the options are off.
SRC_THIRDPARTY_C += $(MBEDTLS_DIR)/library/threading.c
endif

# Records: 30 % faster in GCM for 7 KB of flash. Nothing given: the port's own flags. Targets are
# expanded here, before extmod.mk says lib/mbedtls; the compiler, which the port may name later
# still, in the recipe.
ifneq ($(MPSSL_AEAD_CFLAGS),)
MPSSL_MBEDTLS_OBJ_DIR := $(BUILD)/$(or $(MBEDTLS_DIR),lib/mbedtls)/library
$(addprefix $(MPSSL_MBEDTLS_OBJ_DIR)/,aesni.o gcm.o): private CFLAGS += $(MPSSL_AEAD_CFLAGS)
# On x86-64 intrinsics in place of assembly: the CPU is asked before they are used. aes.c must
# know of it, for they want round keys that are aligned.
$(addprefix $(MPSSL_MBEDTLS_OBJ_DIR)/,aes.o aesni.o gcm.o): private CFLAGS += $(if $(filter x86_64-%,\
	$(shell $(CC) -dumpmachine)),-maes -mpclmul)
endif
