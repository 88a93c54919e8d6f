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

die() {
    echo "build.sh: $*" >&2
    exit 1
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
port=$root/ports/qemu
micropython= mbedtls= board= out= module=ours

# What is left in "$@" after the loop goes to make.
n=$#
while [ "$n" -gt 0 ]; do
    arg=$1
    shift
    n=$((n - 1))
    case $arg in
    --micropython | --mbedtls | --board | --out)
        [ "$n" -gt 0 ] || die "$arg needs a value"
        case $arg in
        --micropython) micropython=$1 ;;
        --mbedtls) mbedtls=$1 ;;
        --board) board=$1 ;;
        --out) out=$1 ;;
        esac
        shift
        n=$((n - 1))
        ;;
    --ours | --ours-unconfigured | --ours-idf) module=${arg#--} ;;
    --stock | --stock-configured | --stock-idf) module=${arg#--} ;;
    --tests) set -- "$@" MICROPY_HEAP_SIZE=1572864 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) set -- "$@" "$arg" ;;
    esac
done

[ -n "$micropython" ] && [ -n "$mbedtls" ] && [ -n "$board" ] && [ -n "$out" ] || {
    usage >&2
    exit 2
}
[ -f "$micropython/ports/qemu/mpconfigport.h" ] || die "no MicroPython tree with a qemu port at '$micropython'"
[ -d "$micropython/ports/qemu/boards/$board" ] || die "no board '$board' in this tree"
[ -f "$mbedtls/include/mbedtls/ssl.h" ] || die "no Mbed TLS tree at '$mbedtls'"
# By their real names, so that a link to a tree is no other tree than the last time.
micropython=$(CDPATH='' cd -- "$micropython" && pwd -P)
mbedtls=$(CDPATH='' cd -- "$mbedtls" && pwd -P)

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

jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
cross=$("$root/ports/mpy_cross.sh" "$micropython")

mkdir -p "$out"
out=$(CDPATH='' cd -- "$out" && pwd)

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

# Objects made with other flags must not be linked. Only a directory that holds our
# stamp is emptied: it can contain nothing but an earlier build.
stamp="$out/.build-args"
args=$(printf '%s\n' "$micropython" "$mbedtls" "$board" "$module" "$@")
if [ -f "$stamp" ] && [ "$args" != "$(cat "$stamp")" ]; then
    echo "build.sh: other arguments than last time, building from scratch"
    rm -rf "$out"
    mkdir -p "$out"
fi
printf '%s\n' "$args" >"$stamp"

# USER_C_MODULES names one directory: several are gathered as links in one.
links="$out/user_modules"
rm -rf "$links"
mkdir -p "$links"
for dir in $modules; do
    ln -s "$dir" "$links/"
done

# MicroPython's make does not see that a name which became built in must leave the
# frozen code's own list.
rm -f "$out/frozen_content.c"

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
