# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Mbed TLS: the firmware's own copy, configured for what the module offers. Included by
# micropython.mk; and by ports/unix/stock, to measure upstream's module over the very same.
# Expects MPSSL_ROOT.

MPSSL_MBEDTLS_CONFIG ?= 1
# For GCM, by measurement: at -O3 it takes 3 % fewer instructions on RV32, and 3 KB more flash.
MPSSL_AEAD_CFLAGS ?= -O2 -fpeel-loops -ftree-loop-distribute-patterns

# Its argument, if that is what is compiled for.
MPSSL_ON_X86_64 = $(if $(findstring __x86_64__,$(shell $(CC) $(if $(filter 1,$(MICROPY_FORCE_32BIT)),-m32) -dM -E -x c /dev/null)),$(1))

ifneq ($(MBEDTLS_DIR),)
# Out of the tree: extmod.mk prefixes object files with $(BUILD) and sources with
# $(MBEDTLS_DIR), so the name stays relative and vpath tells where it is.
# "override" because extmod.mk assigns the variable again.
MPSSL_MBEDTLS_TREE := $(abspath $(MBEDTLS_DIR))
override MBEDTLS_DIR := $(notdir $(MPSSL_MBEDTLS_TREE))
vpath $(MBEDTLS_DIR)/%.c $(patsubst %/,%,$(dir $(MPSSL_MBEDTLS_TREE)))
CFLAGS_USERMOD += -I$(MPSSL_MBEDTLS_TREE)/include
endif

ifeq ($(MPSSL_TLS13),1)
CFLAGS_USERMOD += -DMPSSL_TLS13=1
endif

ifeq ($(MPSSL_MBEDTLS_CONFIG),1)
ifneq ($(MBEDTLS_CONFIG_FILE),)
# A board has its own file: ours builds on it.
CFLAGS_USERMOD += -DMPSSL_PORT_MBEDTLS_CONFIG_FILE=$(MBEDTLS_CONFIG_FILE)
endif
override MBEDTLS_CONFIG_FILE := \"$(MPSSL_ROOT)/c_glue/mbedtls_config.h\"
ifneq ($(MPSSL_EXTRA_MBEDTLS_CONFIG_FILE),)
CFLAGS_USERMOD += -DMPSSL_EXTRA_MBEDTLS_CONFIG_FILE=\"$(abspath $(MPSSL_EXTRA_MBEDTLS_CONFIG_FILE))\"
endif

# Beyond extmod.mk's list. Compiles to nothing where the options are off.
SRC_THIRDPARTY_C += $(addprefix $(MBEDTLS_DIR)/library/,block_cipher.c threading.c)
ifeq ($(MPSSL_TLS13),1)
SRC_THIRDPARTY_C += $(addprefix $(MBEDTLS_DIR)/library/,$(addsuffix .c,\
	psa_crypto psa_crypto_aead psa_crypto_cipher psa_crypto_client psa_crypto_driver_wrappers_no_static \
	psa_crypto_ecp psa_crypto_hash psa_crypto_mac psa_crypto_random psa_crypto_slot_management \
	psa_util ssl_tls13_client ssl_tls13_generic ssl_tls13_keys ssl_tls13_server))
endif
endif

# Targets are expanded here, before extmod.mk says lib/mbedtls; the compiler, which the port may name
# later still, in the recipe.
MPSSL_MBEDTLS_OBJ_DIR := $(BUILD)/$(or $(MBEDTLS_DIR),lib/mbedtls)/library
MPSSL_MBEDTLS_O = $(addprefix $(MPSSL_MBEDTLS_OBJ_DIR)/,$(addsuffix .o,$(1)))

# See mbedtls_config.h.
$(call MPSSL_MBEDTLS_O,bignum rsa): private CFLAGS += -DMPSSL_LONG_NUMBERS=1

# Records. Nothing given: the port's own flags.
ifneq ($(MPSSL_AEAD_CFLAGS),)
$(call MPSSL_MBEDTLS_O,gcm): private CFLAGS += $(MPSSL_AEAD_CFLAGS) \
	-iquote $(or $(MPSSL_MBEDTLS_TREE),$(TOP)/lib/mbedtls)/library -include $(MPSSL_ROOT)/c_glue/mbedtls_words.h
# On x86-64 intrinsics in place of assembly: the CPU is asked before they are used, and none has
# them without SSSE3, which turns a block's bytes round at once. aes.c must know of them, for they
# want round keys that are aligned.
$(call MPSSL_MBEDTLS_O,aes aesni block_cipher gcm): private CFLAGS += $(call MPSSL_ON_X86_64,-O3 -maes -mpclmul)
# Handshakes, where flash is not short.
$(call MPSSL_MBEDTLS_O,bignum bignum_core constant_time ecdsa ecp ecp_curves sha256 sha512): private \
	CFLAGS += $(call MPSSL_ON_X86_64,-O3)
$(call MPSSL_MBEDTLS_O,aesni): private CFLAGS += $(call MPSSL_ON_X86_64,-mssse3)
endif
