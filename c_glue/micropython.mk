# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The module as a user C module: make USER_C_MODULES=<this project> in a port that
# has MICROPY_PY_SSL=1 and MICROPY_SSL_MBEDTLS=1. Nothing in MicroPython's tree is
# changed; hashlib and cryptolib go on using the same Mbed TLS.
#
# For the port's maintainer to set, on the command line or in mpconfigboard.mk:
#   MPSSL_PRESET           small: for boards short of flash (docs/porting.md says what it leaves
#                          out); full, the default. What follows is chosen by it, and can be set
#   MPSSL_TARGET           Rust target triple of the firmware; else what the C compiler says
#   MPSSL_CARGO            cargo, with a toolchain if need be ("cargo +esp")
#   MPSSL_CARGO_ARGS       more arguments for cargo (-Zbuild-std=core …)
#   MPSSL_CARGO_DIR        where cargo builds; a directory that builds share saves time
#   MPSSL_P256             0: P-256 by Mbed TLS, not by Rust; where a chip computes it
#   MPSSL_OPT_LEVEL        how Rust is optimised: s, z, 3
#   MPSSL_HIBERNATION      0: connections cannot hibernate
#   MPSSL_RECORD_BUFFERS   0: a connection keeps Mbed TLS's record buffers all its life
#   MPSSL_AES_GCM          0: AES-GCM by Mbed TLS on x86-64 too
#   MPSSL_TLS13            1: TLS 1.3 as well, 0: TLS 1.2 alone; by default 1 on unix and qemu
#                          with Mbed TLS 3.6.7 or newer (docs/porting.md)
#   MPSSL_CRL              1: certificate revocation lists, SSLContext.verify_flags
#   MPSSL_KEYLOG           1: SSLContext.keylog_filename; whoever reads the file reads the records
#   MPSSL_MEMORY           1: contexts and sockets report their memory; to size a heap
#   MPSSL_MBEDTLS_CONFIG   0: the port's own Mbed TLS configuration as it is
#   MPSSL_EXTRA_MBEDTLS_CONFIG_FILE  a header with the last word on it
#   MPSSL_AEAD_CFLAGS      how Mbed TLS's gcm.c is optimised (-O3); -Os: as all the rest
#   MPSSL_PEER_CERT_DICT   0: getpeercert() knows DER only, as upstream's, for less flash
#   MBEDTLS_DIR            an Mbed TLS 3.6 tree other than lib/mbedtls
#   MPSSL_CALLS_LD         1: the port links with ld itself, 0: by way of the compiler; where
#                          that is not seen in its Makefile

# A chip of two cores, as alif's, is built for twice with the same modules, and has TLS on one of them.
ifeq ($(strip $(MICROPY_PY_SSL)),0)
$(warning micropython-ssl is left out: MICROPY_PY_SSL is 0)
else

ifneq ($(MICROPY_PY_SSL)$(MICROPY_SSL_MBEDTLS),11)
$(error micropython-ssl needs MICROPY_PY_SSL=1 and MICROPY_SSL_MBEDTLS=1)
endif

MPSSL_COMMA := ,
MPSSL_CARGO ?= cargo
MPSSL_CARGO_ARGS ?=
MPSSL_TARGET ?=
MPSSL_PRESET ?= full
ifeq ($(filter small full,$(MPSSL_PRESET)),)
$(error micropython-ssl: MPSSL_PRESET is '$(MPSSL_PRESET)'; there are small and full)
endif
MPSSL_IS_FULL := $(if $(filter full,$(MPSSL_PRESET)),1,0)
# Apple's linker has no --wrap.
MPSSL_P256 ?= $(if $(filter Darwin,$(MPSSL_TARGET)$(shell uname -s)),0,$(MPSSL_IS_FULL))
MPSSL_HIBERNATION ?= $(MPSSL_IS_FULL)
MPSSL_RECORD_BUFFERS ?= 1
# What it is put under needs our configuration.
MPSSL_AES_GCM ?= $(if $(filter 11,$(MPSSL_P256)$(MPSSL_MBEDTLS_CONFIG)),1,0)
MPSSL_PEER_CERT_DICT ?= $(MPSSL_IS_FULL)
MPSSL_MEMORY ?= 0
MPSSL_KEYLOG ?= 0
MPSSL_CRL ?= 0
# Where flash is not short, unless Mbed TLS is older than 3.6.7: with that it is tested. Who configures
# Mbed TLS in a file of his own says it himself, for it needs some options.
MPSSL_HAS_FLASH := $(if $(and $(filter unix qemu,$(notdir $(CURDIR))),$(if $(MPSSL_EXTRA_MBEDTLS_CONFIG_FILE),,1)),$(filter-out 0,$(MPSSL_IS_FULL) $(MPSSL_MBEDTLS_CONFIG)))
MPSSL_MBEDTLS_PATCH := $(shell sed -n 's/^.define MBEDTLS_VERSION_PATCH *//p' \
	$(or $(MBEDTLS_DIR),$(TOP)/lib/mbedtls)/include/mbedtls/build_info.h)
MPSSL_HAS_TLS13 := $(if $(and $(MPSSL_HAS_FLASH),$(filter-out 0 1 2 3 4 5 6,$(MPSSL_MBEDTLS_PATCH)),$(filter-out Darwin,$(shell uname -s))),1,0)
MPSSL_TLS13 ?= $(MPSSL_HAS_TLS13)

# realpath, because the directory may be reached through a link.
MPSSL_ROOT := $(realpath $(USERMOD_DIR)/..)
# Object files lie where MicroPython's rules put them, below the build directory: in a folder that is named as
# the module's, whether USER_C_MODULES is the folder around it, several or, as a manifest's c_module(), itself.
MPSSL_OBJ_DIR := $(BUILD)/$(notdir $(USERMOD_DIR))

################################################################################
# C: the glue

CFLAGS_USERMOD += -DMPSSL_PEER_CERT_DICT=$(MPSSL_PEER_CERT_DICT) -DMPSSL_MEMORY=$(MPSSL_MEMORY) \
	-DMPSSL_HIBERNATION=$(MPSSL_HIBERNATION) -DMPSSL_KEYLOG=$(MPSSL_KEYLOG) -DMPSSL_CRL=$(MPSSL_CRL)
ifeq ($(MPSSL_PRESET),small)
CFLAGS_USERMOD += -DMPSSL_PRESET_SMALL=1
# GCM as the port compiles it.
MPSSL_AEAD_CFLAGS ?=
MPSSL_OPT_LEVEL ?= z
endif

# Scanned for qstrs and MP_REGISTER_*.
SRC_USERMOD_C += $(addprefix $(USERMOD_DIR)/,\
	callbacks.c \
	certificate.c \
	classes.c \
	credentials.c \
	dtls_listener.c \
	files.c \
	memory.c \
	modssl.c \
	port.c \
	protect.c \
	raise.c \
	ssl_context.c \
	ssl_session.c \
	ssl_socket.c \
	transport.c \
	)
# Not scanned: the first one's header is made by cargo, after the scan; the others have no qstrs.
SRC_USERMOD_LIB_C += $(addprefix $(USERMOD_DIR)/,\
	abi_check.c \
	arm_eabi.c \
	ms_time.c \
	)

# What only our own sources are compiled with: a sanitizer, for the tests.
MPSSL_GLUE_CFLAGS ?=
$(patsubst $(USERMOD_DIR)/%.c,$(MPSSL_OBJ_DIR)/%.o,$(filter $(USERMOD_DIR)/%.c,$(SRC_USERMOD_C))): \
	private CFLAGS += $(MPSSL_GLUE_CFLAGS)

# The tree's own module is still scanned but compiles to nothing: modssl.c defines
# what it registers. "private" keeps the flags from the generated headers.
$(BUILD)/extmod/modtls_mbedtls.o: private CFLAGS += -UMICROPY_PY_SSL -DMICROPY_PY_SSL=0

include $(MPSSL_ROOT)/c_glue/mbedtls.mk

################################################################################
# Rust: the core

# An absolute directory, as cargo and make run in different ones.
MPSSL_BUILD := $(abspath $(BUILD))/rust
MPSSL_CARGO_DIR ?= $(MPSSL_BUILD)
MPSSL_OBJ := $(MPSSL_BUILD)/mpssl_core.o
MPSSL_ABI := $(MPSSL_BUILD)/include/mpssl_abi.h

# What the linker is told to wrap, in words that the port's way to it takes. Expanded in the
# recipe: a port may say later what LD is.
MPSSL_CALLS_LD ?= $(if $(shell grep -l '[$$].LD. .*[$$].LDFLAGS' Makefile *.mk 2>/dev/null),1,0)
MPSSL_LD_WORD = $(if $(and $(filter 1,$(MPSSL_CALLS_LD)),$(filter %ld %ld.bfd %lld,$(firstword $(LD)))),,-Wl$(MPSSL_COMMA))
MPSSL_WRAP = $(addprefix $(MPSSL_LD_WORD)--wrap=,$(1))
# Where. alif has no LDFLAGS: it links with CFLAGS and LIBS.
MPSSL_LINK_WORDS := $(shell grep -hos 'LDFLAGS\|[$$].LIBS' Makefile *.mk)
MPSSL_LDFLAGS := $(if $(filter LDFLAGS,$(MPSSL_LINK_WORDS)),LDFLAGS,$(if $(MPSSL_LINK_WORDS),LIBS,LDFLAGS))

# The linker sends Mbed TLS's multiplications on curves to Rust (src/mbedtls/crypto/ecp.rs).
# Without these flags it does not find __real_mbedtls_ecp_mul_restartable.
ifeq ($(MPSSL_P256),1)
CFLAGS_USERMOD += -DMPSSL_P256=1
$(MPSSL_LDFLAGS) += $(call MPSSL_WRAP,mbedtls_ecp_mul_restartable mbedtls_ecp_muladd_restartable)
MPSSL_FEATURES := firmware,p256
# PSA's way to a public key.
ifeq ($(MPSSL_TLS13),1)
$(MPSSL_LDFLAGS) += $(call MPSSL_WRAP,mbedtls_ecp_mul)
endif
else
MPSSL_FEATURES := firmware
endif
ifeq ($(MPSSL_HIBERNATION),1)
MPSSL_FEATURES := $(MPSSL_FEATURES),hibernation
endif
ifeq ($(MPSSL_KEYLOG),1)
$(warning micropython-ssl: MPSSL_KEYLOG=1 is for tests only: a program can write the secrets of its connections to a file)
MPSSL_FEATURES := $(MPSSL_FEATURES),keylog
endif
ifeq ($(MPSSL_RECORD_BUFFERS),1)
CFLAGS_USERMOD += -DMPSSL_RECORD_BUFFERS=1
MPSSL_FEATURES := $(MPSSL_FEATURES),record-buffers
endif
# And what src/mbedtls/connection/tls13.rs does otherwise.
ifeq ($(MPSSL_TLS13),1)
$(MPSSL_LDFLAGS) += $(call MPSSL_WRAP,mbedtls_ssl_session_reset_msg_layer mbedtls_ssl_send_alert_message \
	mbedtls_ssl_pend_fatal_alert mbedtls_cipher_setup mbedtls_cipher_free \
	mbedtls_x509_crt_parse_der mbedtls_pk_sign_ext)
MPSSL_FEATURES := $(MPSSL_FEATURES),tls13
endif
# Likewise what it asks of AES-GCM (src/mbedtls/crypto/gcm.rs).
ifeq ($(MPSSL_AES_GCM),1)
$(MPSSL_LDFLAGS) += $(call MPSSL_ON_X86_64,$(call MPSSL_WRAP,mbedtls_gcm_crypt_and_tag mbedtls_gcm_auth_decrypt))
MPSSL_FEATURES := $(MPSSL_FEATURES),aes-gcm
endif

# build.rs gets the flags the C code is compiled with, all of them: layouts follow
# from the configuration they name. They pass through the environment as they are
# and are split there the way the shell splits them.
$(MPSSL_OBJ): private export MPSSL_CFLAGS = $(CFLAGS)
$(MPSSL_OBJ): private export MPSSL_CFLAGS_DIR = $(CURDIR)
$(MPSSL_OBJ): private export MPSSL_CC = $(CC)

# The crate's one object. Among MicroPython's own, the order of libraries does not matter, nor
# how the port links. cargo knows best whether there is anything to do, and what would be the
# same is left alone. After the generated headers, which a port's configuration may include.
PY_O += $(MPSSL_OBJ)
$(MPSSL_OBJ): FORCE | $(HEADER_BUILD)/qstrdefs.generated.h
	$(ECHO) "CARGO $@"
	$(Q)+$(PYTHON) $(MPSSL_ROOT)/c_glue/cargo.py --crate $(MPSSL_ROOT) \
		$(if $(MPSSL_TARGET),--target $(MPSSL_TARGET)) \
		$(if $(MPSSL_OPT_LEVEL),--opt-level $(MPSSL_OPT_LEVEL)) --features $(MPSSL_FEATURES) \
		--ar $(AR) --objcopy $(OBJCOPY) --target-dir $(abspath $(MPSSL_CARGO_DIR)) \
		--abi-header $(MPSSL_ABI) --output $@ -- $(MPSSL_CARGO) -- $(MPSSL_CARGO_ARGS)

# Compares the layouts Rust uses with the C compiler's. build.rs writes the header,
# and only when it says something new.
$(MPSSL_ABI): $(MPSSL_OBJ) ;
$(MPSSL_OBJ_DIR)/abi_check.o: $(MPSSL_ABI)
$(MPSSL_OBJ_DIR)/abi_check.o: private CFLAGS += -I$(dir $(MPSSL_ABI))

endif
