# What a person types. Each target first installs, or names, what it needs.
#
# To build against your own trees, which are only read:
#   make unix MICROPYTHON_DIR=/path/to/micropython MBEDTLS_DIR=/path/to/mbedtls

PYTHON ?= python3

# Variables given on this make's command line are not for MicroPython's make.
unexport MAKEFLAGS MFLAGS MAKELEVEL

# Steps share downloads, builds and ports: one at a time, whatever -j says.
.NOTPARALLEL:
.PHONY: help demo test test-all unix lint bench clean fuzz fuzz-core coverage sources prerequisites-build \
	prerequisites-demo prerequisites-test prerequisites-lint format docs \
	firmware-qemu bench-qemu bench-ram bench-size prerequisites-firmware

help:
	@echo 'make demo      build MicroPython with this module and show it at work'
	@echo 'make unix      build MicroPython for this machine: build/unix/micropython'
	@echo 'make test      what proves the installation, and every behaviour once (ten minutes)'
	@echo 'make test-all  all there is (make test SECTIONS="rust binary": only these)'
	@echo 'make fuzz SECONDS=3600  random calls under sanitizers, each time other ones'
	@echo 'make lint      formatting, clippy and the rules of this project'
	@echo 'make format    put the formatting right'
	@echo 'make fuzz-core  cargo-fuzz at the core, SECONDS=60 for each target'
	@echo 'make docs      write what of the documentation is made from the source'
	@echo 'make coverage   which lines the tests reach'
	@echo 'make bench     time and memory of a connection, beside the stock module'
	@echo 'make firmware-qemu  build MicroPython for two emulated boards, and boot it'
	@echo 'make bench-qemu     the same figures in exact numbers, on the emulated boards'
	@echo 'make bench-ram      what a connection takes of memory, on one of them'
	@echo 'make bench-size     what each choice costs in flash, on boards (an hour or two)'
	@echo 'make sources   only fetch the sources of MicroPython and Mbed TLS'
	@echo 'make clean     remove everything that was built'
	@echo
	@echo 'With MICROPYTHON_DIR=/path or MBEDTLS_DIR=/path your own trees are used, never changed.'

# tests/run.py, build.rs and tools/demo.py read them from the environment, where an empty one
# would be taken for a directory.
ifneq ($(MICROPYTHON_DIR),)
override MICROPYTHON_DIR := $(abspath $(MICROPYTHON_DIR))
export MICROPYTHON_DIR
else
unexport MICROPYTHON_DIR
endif
ifneq ($(MBEDTLS_DIR),)
override MBEDTLS_DIR := $(abspath $(MBEDTLS_DIR))
export MBEDTLS_DIR
else
unexport MBEDTLS_DIR
endif

# The released sources, except what the user's own trees replace.
RELEASED_SOURCES := $(if $(MICROPYTHON_DIR),,micropython-1.26.1) \
	$(if $(MBEDTLS_DIR),,mbedtls-3.6.7)
UNIX_MICROPYTHON = $(or $(MICROPYTHON_DIR),build/src/micropython)
UNIX_MBEDTLS = $(or $(MBEDTLS_DIR),build/src/mbedtls)

sources:
	@tools/sources.sh

prerequisites-build:
	@tools/prerequisites.sh build
prerequisites-demo:
	@tools/prerequisites.sh build demo
prerequisites-test:
	@tools/prerequisites.sh build demo test firmware
prerequisites-firmware:
	@tools/prerequisites.sh build firmware
prerequisites-lint:
	@tools/prerequisites.sh build lint

unix: prerequisites-build
	@$(if $(strip $(RELEASED_SOURCES)),tools/sources.sh $(RELEASED_SOURCES))
	@echo 'unix: building build/unix/micropython (about a minute the first time)'
	@ports/unix/build.sh --micropython $(UNIX_MICROPYTHON) --mbedtls $(UNIX_MBEDTLS) \
		--variant standard --out build/unix
	@echo 'unix: built build/unix/micropython'

demo: prerequisites-demo unix
	@$(PYTHON) tools/demo.py

test: prerequisites-test
	@$(PYTHON) tests/run.py $(if $(MINUTES),--minutes $(MINUTES)) $(SECTIONS)

test-all: prerequisites-test
	@$(PYTHON) tests/run.py --all

fuzz: prerequisites-test
	@FUZZ_SECONDS=$(or $(SECONDS),600) $(PYTHON) tests/run.py fuzz

# The chart of both benches' figures, as soon as there are both.
CHART = if [ -f build/bench.json ] && [ -f build/bench-qemu.json ]; then \
	$(PYTHON) benches/chart.py; fi

coverage: prerequisites-test
	@$(PYTHON) tests/coverage.py

# What is new goes to build/fuzz/corpus; what fails to fuzz/artifacts, and from there, made small, to
# fuzz/corpus, which `cargo test` replays.
fuzz-core:
	@set -e; cd fuzz; for target in $$(ls targets | sed 's/\.rs$$//'); do \
		mkdir -p ../build/fuzz/corpus/$$target; \
		cargo +nightly fuzz run --target-dir ../build/fuzz $$target ../build/fuzz/corpus/$$target \
			corpus/$$target -- -max_total_time=$(or $(SECONDS),60) -max_len=4096; \
	done

# Figures are of TLS 1.2, which the stock module has, and of ours with TLS 1.3 beside it.
bench: prerequisites-test
	@$(if $(strip $(RELEASED_SOURCES)),tools/sources.sh $(RELEASED_SOURCES))
	@set -e; for tls13 in 0 1; do \
		out=build/bench-unix; [ $$tls13 = 0 ] || out=$$out-tls13; \
		echo "bench: building $$out"; \
		ports/unix/build.sh --micropython $(UNIX_MICROPYTHON) --mbedtls $(UNIX_MBEDTLS) \
			--variant standard --out $$out MPSSL_TLS13=$$tls13; \
	done
	@set -e; for module in stock stock-configured; do \
		echo "bench: building the stock module to measure beside ours: build/$$module"; \
		ports/unix/build.sh --micropython $(UNIX_MICROPYTHON) --mbedtls $(UNIX_MBEDTLS) \
			--variant standard --out build/$$module --$$module; \
	done
	@$(PYTHON) benches/bench.py
	@echo 'bench: building build/bench-unix-memory'
	@ports/unix/build.sh --micropython $(UNIX_MICROPYTHON) --mbedtls $(UNIX_MBEDTLS) \
		--variant standard --out build/bench-unix-memory MPSSL_MEMORY=1
	@$(PYTHON) benches/ca_store.py build/bench-unix-memory/micropython
	@$(CHART)

QEMU_BOARDS = VIRT_RV32 MPS2_AN385
QEMU_BUILD = ports/qemu/build.sh --micropython $(UNIX_MICROPYTHON) --mbedtls $(UNIX_MBEDTLS)

# The tests' firmware: with memory enough for tests that were written for a PC.
firmware-qemu: prerequisites-firmware
	@$(if $(strip $(RELEASED_SOURCES)),tools/sources.sh $(RELEASED_SOURCES))
	@set -e; for board in $(QEMU_BOARDS); do \
		echo "firmware-qemu: building build/qemu-$$board/firmware.elf"; \
		$(QEMU_BUILD) --board $$board --out build/qemu-$$board --tests; \
		ports/qemu/emulator.py $$board build/qemu-$$board/firmware.elf; \
	done

# Board and whose module.
QEMU_BENCH = $(foreach board,$(QEMU_BOARDS),$(addprefix $(board)-,stock stock-configured ours ours-tls13)) \
	$(addprefix VIRT_RV32-,ours-unconfigured stock-idf ours-idf)

build_bench = set -e; for firmware in $(1); do \
		echo "$@: building build/qemu-bench-$$firmware/firmware.elf"; \
		tls13=0; module=$${firmware\#*-}; case $$module in *-tls13) tls13=1;; esac; \
		$(QEMU_BUILD) --board $${firmware%%-*} --out build/qemu-bench-$$firmware \
			--$${module%-tls13} MPSSL_TLS13=$$tls13; \
	done

# With the heap upstream's port has.
bench-qemu: prerequisites-firmware
	@$(if $(strip $(RELEASED_SOURCES)),tools/sources.sh $(RELEASED_SOURCES))
	@$(call build_bench,$(QEMU_BENCH))
	@$(PYTHON) benches/qemu.py
	@$(PYTHON) benches/wakeup.py
	@echo 'bench-qemu: building build/qemu-VIRT_RV32 and the same with the stock module'
	@$(QEMU_BUILD) --board VIRT_RV32 --out build/qemu-VIRT_RV32 --tests
	@$(QEMU_BUILD) --board VIRT_RV32 --out build/qemu-VIRT_RV32-stock --tests --stock
	@$(PYTHON) benches/credentials.py build/qemu-VIRT_RV32/firmware.elf build/qemu-VIRT_RV32-stock/firmware.elf
	@$(CHART)

bench-ram: prerequisites-firmware
	@$(call build_bench,VIRT_RV32-stock VIRT_RV32-ours VIRT_RV32-ours-tls13)
	@echo 'bench-ram: building build/qemu-bench-VIRT_RV32-ours-fixed/firmware.elf'
	@$(QEMU_BUILD) --board VIRT_RV32 --out build/qemu-bench-VIRT_RV32-ours-fixed --ours \
		MPSSL_TLS13=0 MPSSL_RECORD_BUFFERS=0
	@$(PYTHON) benches/hibernation.py
	@$(PYTHON) benches/ram.py

bench-size: prerequisites-firmware
	@$(if $(strip $(RELEASED_SOURCES)),tools/sources.sh $(RELEASED_SOURCES))
	@tools/sources.sh pico-sdk-2.1.1 tinyusb-0.18.0 lwip-2.2.1
	@$(PYTHON) benches/size.py --micropython $(UNIX_MICROPYTHON) --mbedtls $(UNIX_MBEDTLS)

C_FILES = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')

# All of it, then the verdict: one complaint does not hide the others.
lint: prerequisites-lint
	@$(if $(strip $(RELEASED_SOURCES)),tools/sources.sh $(RELEASED_SOURCES))
	@ok=true; \
	step() { echo "lint: $$1"; shift; "$$@" || ok=false; }; \
	step rustfmt cargo fmt --check; \
	step clippy env MICROPYTHON_DIR=$(abspath $(UNIX_MICROPYTHON)) MBEDTLS_DIR=$(abspath $(UNIX_MBEDTLS)) \
		cargo clippy --quiet --locked --all-targets -- -D warnings; \
	step 'the small preset, without warnings' env MICROPYTHON_DIR=$(abspath $(UNIX_MICROPYTHON)) MBEDTLS_DIR=$(abspath $(UNIX_MBEDTLS)) \
		MPSSL_HOST_CFLAGS="'-DMPSSL_PRESET_SMALL=1'" CARGO_TARGET_DIR=$(abspath build/lint) \
		RUSTFLAGS='-D warnings' cargo check --quiet --locked --lib; \
	step clang-format clang-format --dry-run -Werror $(C_FILES); \
	step 'the rules of this project' $(PYTHON) tools/check_rules.py; \
	step 'and the checker of the rules' $(PYTHON) tools/check_rules.py --self-test; \
	step 'what of docs is made from the source' $(PYTHON) tools/docs.py --check --source; \
	$$ok

docs: unix
	@if [ -f build/bench.json ] && [ -f build/bench-qemu.json ] && [ -f build/bench-ram.json ]; then \
		$(PYTHON) benches/figures.py; fi
	@$(PYTHON) tools/docs.py

format:
	@cargo fmt
	@clang-format -i $(C_FILES)

# The unpacked sources are read-only, so is what lies below them.
clean:
	@[ ! -d build ] || chmod -R u+w build
	rm -rf build target
