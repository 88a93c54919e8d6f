#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Builds MicroPython's qemu port with this module, or with the tree's own tls.
# The MicroPython and Mbed TLS trees are only read.

set -eu

usage() {
    cat <<'TEXT'
usage: ports/qemu/build.sh --micropython DIR --mbedtls DIR --board NAME --out DIR [options]
                           [make arguments]

  --micropython DIR   MicroPython source tree
  --mbedtls DIR       Mbed TLS 3.6 source tree
  --board NAME        VIRT_RV32 or MPS2_AN385
  --out DIR           build directory; the result is DIR/firmware.elf
  --ours              this module (the default)
  --stock             the tree's own tls at its own configuration of Mbed TLS
  --stock-configured  the tree's own tls at this module's configuration of Mbed TLS
  --ours-unconfigured this module at the tree's own configuration of Mbed TLS
  --stock-idf         the tree's own tls with ESP-IDF's defaults for curves
  --ours-idf          this module with them
  --tests             1.5 MB of heap, for tests that were written for a PC; not upstream's 140 KB
TEXT
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
port=$root/ports/qemu
micropython= mbedtls= board= out= module=ours heap=

options='--micropython --mbedtls --board --out'
flag() {
    case $1 in
    --ours | --ours-unconfigured | --ours-idf) module=${1#--} ;;
    --stock | --stock-configured | --stock-idf) module=${1#--} ;;
    --tests) heap=1572864 ;;
    *) return 1 ;;
    esac
}
. "$root/ports/options.sh"
[ -z "$heap" ] || set -- "$@" "MICROPY_HEAP_SIZE=$heap"

needs micropython mbedtls board out
micropython=$(real_tree "MicroPython tree with a qemu port" "$micropython" ports/qemu/mpconfigport.h)
[ -d "$micropython/ports/qemu/boards/$board" ] || die "no board '$board' in this tree"
mbedtls=$(real_tree "Mbed TLS tree" "$mbedtls" include/mbedtls/ssl.h)

# Where rustup has installed a target it is used; riscv32imc, without atomics, serves as well.
has_target() {
    ls "$(rustc --print sysroot)/lib/rustlib/$1"/lib/libcore-*.rlib >/dev/null 2>&1
}
case $board in
VIRT_RV32)
    target=riscv32imac-unknown-none-elf
    if ! has_target $target && has_target riscv32imc-unknown-none-elf; then
        target=riscv32imc-unknown-none-elf
    fi
    # GCC 12 has no C library for the newer name of the same instructions, rv32imac_zicsr.
    set -- "RV32_ARCH=rv32imac -misa-spec=2.2" "$@"
    ;;
MPS2_AN385)
    target=thumbv7m-none-eabi
    ;;
*) die "board '$board' is not known here: VIRT_RV32 or MPS2_AN385" ;;
esac

# A release tarball below this project is not to take its version from our repository.
GIT_CEILING_DIRECTORIES=$(dirname "$(realpath "$micropython")")
export GIT_CEILING_DIRECTORIES

cross=$("$root/ports/mpy_cross.sh" "$micropython")

out=$(build_directory "$out")

case $module in
ours*)
    cargo_env=$("$root/tools/rust_src.sh" "$target")
    if [ -n "$cargo_env" ]; then
        set -- "MPSSL_CARGO=env $cargo_env cargo" "MPSSL_CARGO_ARGS=-Zbuild-std=core" "$@"
    fi
    set -- "MPSSL_TARGET=$target" "$@"
    modules="$root/c_glue $port/board"
    ;;
stock*)
    modules="$root/ports/unix/stock/mbedtls_tree $port/board"
    ;;
esac
case $module in
stock-configured) set -- MPSSL_MBEDTLS_CONFIG=1 "$@" ;;
ours-unconfigured | ours-idf) set -- MPSSL_MBEDTLS_CONFIG=0 "$@" ;;
esac
config=$port/mbedtls/mbedtls_config_port.h
case $module in
*-idf) config=$port/mbedtls_config_idf.h ;;
esac

stamp_build "$out" "$micropython" "$mbedtls" "$board" "$module" "$@"

# USER_C_MODULES names one directory: several are gathered as links in one.
links="$out/user_modules"
rm -rf "$links"
mkdir -p "$links"
for dir in $modules; do
    ln -s "$dir" "$links/"
done

make -C "$micropython/ports/qemu" -j"$jobs" \
    BOARD="$board" BUILD="$out" \
    MICROPY_MPYCROSS="$cross" \
    MPY_LIB_DIR="$root/ports/unix/mpy_lib" \
    FROZEN_MANIFEST="$port/manifest.py" \
    USER_C_MODULES="$links" \
    MICROPY_PY_SSL=1 MICROPY_SSL_MBEDTLS=1 MBEDTLS_DIR="$mbedtls" \
    MBEDTLS_CONFIG_FILE="\\\"$config\\\"" \
    CFLAGS_EXTRA="-I$port -DMP_CONFIGFILE=\\\"$port/mpconfigport.h\\\"" \
    "$@"
