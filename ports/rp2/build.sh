#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Builds MicroPython's rp2 port, by its own CMake files, with this module or with the tree's own
# tls. For trees without submodules, as releases are packaged: then pico-sdk, TinyUSB and lwIP are
# those of tools/sources.sh. (In a git tree with its submodules, use the line in docs/porting.md.)
# All trees are only read.
#
# The board has lwIP and PPP, and so a network. No registry has Wi-Fi's driver, cyw43-driver, nor
# Bluetooth's, nor WIZnet's library, nor micropython-lib.

set -eu

usage() {
    cat <<'TEXT'
usage: ports/rp2/build.sh --micropython DIR --mbedtls DIR --board NAME --out DIR [--stock]
                          [make arguments]

  --board NAME   RPI_PICO or RPI_PICO2 (ARM)
  --out DIR      build directory; the result is DIR/firmware.elf
  --stock        the tree's own tls, for comparison
TEXT
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
port=$root/ports/rp2
micropython= mbedtls= board= out= module=ours

options='--micropython --mbedtls --board --out'
flag() {
    [ "$1" = --stock ] && module=stock
}
. "$root/ports/options.sh"

needs micropython mbedtls board out
micropython=$(real_tree "MicroPython tree" "$micropython" ports/rp2/CMakeLists.txt)
mbedtls=$(real_tree "Mbed TLS tree" "$mbedtls" include/mbedtls/ssl.h)
case $board in
RPI_PICO) target=thumbv6m-none-eabi ;;
RPI_PICO2) target=thumbv8m.main-none-eabi ;;
*) die "board '$board' is not known here: RPI_PICO or RPI_PICO2" ;;
esac

# The tree's own, or what tools/sources.sh brought.
library() { # name version file
    [ -f "$micropython/lib/$1/$3" ] && echo "$micropython/lib/$1" && return
    [ -f "$root/build/src/$1-$2/$3" ] || die "no $1: tools/sources.sh $1-$2"
    echo "$root/build/src/$1-$2"
}
pico_sdk=$(library pico-sdk 2.1.1 pico_sdk_init.cmake)
tinyusb=$(library tinyusb 0.18.0 src/tusb.h)
lwip=$(library lwip 2.2.1 src/include/lwip/init.h)

MICROPY_MPYCROSS=$("$root/ports/mpy_cross.sh" "$micropython")
export MICROPY_MPYCROSS

mkdir -p "$root/build"
out=$(build_directory "$out")

# The tree as git would have it: folders of links, with the libraries in their places.
tree=$root/build/rp2-tree
(
    flock 9
    sources=$(printf '%s\n' "$micropython" "$mbedtls" "$pico_sdk" "$tinyusb" "$lwip")
    [ "$sources" = "$(cat "$tree/.sources" 2>/dev/null)" ] && exit
    rm -rf "$tree"
    cp -rs "$micropython" "$tree"
    chmod -R u+w "$tree"
    for library in mbedtls="$mbedtls" pico-sdk="$pico_sdk" tinyusb="$tinyusb" lwip="$lwip"; do
        rm -rf "$tree/lib/${library%%=*}"
        ln -s "${library#*=}" "$tree/lib/${library%%=*}"
    done
    printf '%s\n' "$sources" >"$tree/.sources"
) 9>"$tree.lock"
# It is not to take its version from our repository.
export GIT_CEILING_DIRECTORIES="$root/build"

case $module in
ours)
    cargo_env=$("$root/tools/rust_src.sh" "$target")
    if [ -n "$cargo_env" ]; then
        export MPSSL_CARGO="env $cargo_env cargo" MPSSL_CARGO_ARGS=-Zbuild-std=core
    fi
    # bindgen is compiled once.
    export MPSSL_CARGO_DIR="$root/build/rp2-cargo"
    set -- "USER_C_MODULES=$root/c_glue/micropython.cmake" "$@"
    ;;
esac

# picotool would only make the same firmware's UF2 file.
export CMAKE_ARGS="-DPICO_NO_PICOTOOL=1 -DMICROPY_LIB_DIR=$root/ports/unix/mpy_lib -DMICROPY_PY_LWIP=1 \
-DMICROPY_DEF_BOARD='MICROPY_PY_NETWORK=1;MICROPY_PY_NETWORK_PPP_LWIP=1'"
board_dir=$tree/ports/rp2/boards/$board
[ ! -d "$port/$board" ] || board_dir=$port/$board
make -C "$tree/ports/rp2" -j"$jobs" BOARD="$board" BOARD_DIR="$board_dir" BUILD="$out" \
    FROZEN_MANIFEST="$port/manifest.py" "$@"
