#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Builds MicroPython's unix port with this module, or with the tree's own tls.
# The MicroPython and Mbed TLS trees are only read.

set -eu

usage() {
    cat <<'TEXT'
usage: ports/unix/build.sh --micropython DIR --out DIR [options] [make arguments]

  --micropython DIR   MicroPython source tree
  --out DIR           build directory; the result is DIR/micropython, not stripped
  --mbedtls DIR       Mbed TLS 3.6 source tree (default: the tree's own lib/mbedtls)
  --variant NAME      standard (default) or coverage
  --stock             the tree's own tls at its own configuration of Mbed TLS, for comparison
  --stock-configured  the tree's own tls at this module's configuration of Mbed TLS
  --asan              with AddressSanitizer in C and Rust, UndefinedBehaviorSanitizer in this module's
                      C, debug assertions and overflow checks in its Rust
  --webrepl           with os.dupterm and _webrepl, as microcontrollers have them
  --modules DIR       additional directory of user C modules
TEXT
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
micropython= mbedtls= variant=standard out= module=ours asan= webrepl= modules=
cflags_extra= ldflags_extra=

options='--micropython --mbedtls --variant --out --modules'
flag() {
    case $1 in
    --stock | --stock-configured) module=${1#--} ;;
    --asan) asan=1 ;;
    --webrepl) webrepl=1 ;;
    # Joined with what --asan adds: make takes the last one only.
    CFLAGS_EXTRA=*) cflags_extra="$cflags_extra ${1#*=}" ;;
    LDFLAGS_EXTRA=*) ldflags_extra="$ldflags_extra ${1#*=}" ;;
    *) return 1 ;;
    esac
}
. "$root/ports/options.sh"

needs micropython out
micropython=$(real_tree "MicroPython tree" "$micropython" ports/unix/Makefile)
[ -d "$micropython/ports/unix/variants/$variant" ] || die "no variant '$variant' in this tree"

if [ -n "$mbedtls" ]; then
    mbedtls=$(real_tree "Mbed TLS tree" "$mbedtls" include/mbedtls/ssl.h)
else
    [ -f "$micropython/lib/mbedtls/include/mbedtls/ssl.h" ] ||
        die "the tree's lib/mbedtls is empty: name an Mbed TLS 3.6 with --mbedtls"
fi

if [ -n "$asan" ]; then
    # The conservative collector must find every local on the real stack.
    flags="-fsanitize=address --param asan-use-after-return=0"
    cflags_extra="$cflags_extra $flags -DMP_ASAN=1"
    ldflags_extra="$ldflags_extra $flags -fsanitize=undefined"
    # For a test (tests/run.py asan) of whether it is on in Rust.
    ldflags_extra="$ldflags_extra -Wl,-u,mpssl_deliberate_overflow \
-Wl,--export-dynamic-symbol=mpssl_deliberate_overflow"
    # Of GCC's and LLVM's AddressSanitizer the instrumentation is the same, and GCC links its own.
    set -- "$@" MPSSL_GLUE_CFLAGS="-fsanitize=undefined -fno-sanitize-recover=undefined" \
        MPSSL_CARGO="env RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address \
CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true cargo"
fi

if [ -n "$webrepl" ]; then
    # An ESP32 waits 20 ms after each piece of a file. (modwebrepl.c compares signed with
    # unsigned, which no port for which it is compiled warns of.)
    cflags_extra="$cflags_extra -DMICROPY_PY_OS_DUPTERM=1 -DMICROPY_PY_WEBREPL=1"
    cflags_extra="$cflags_extra -DMICROPY_PY_WEBREPL_DELAY=20 -Wno-sign-compare"
fi

# A release tarball below this project is not to take its version from our repository.
GIT_CEILING_DIRECTORIES=$(dirname "$(realpath "$micropython")")
export GIT_CEILING_DIRECTORIES

cross=$("$root/ports/mpy_cross.sh" "$micropython")

out=$(build_directory "$out")
stamp_build "$out" "$micropython" "$mbedtls" "$variant" "$module" "$modules" \
    "$cflags_extra" "$ldflags_extra" "$@"

# USER_C_MODULES names one directory: several are gathered as links in one.
case $module in
ours)
    user_modules=$root
    ;;
stock)
    user_modules=
    [ -z "$mbedtls" ] || user_modules=$root/ports/unix/stock
    ;;
stock-configured)
    user_modules=$root/ports/unix/stock
    set -- MPSSL_MBEDTLS_CONFIG=1 "$@"
    ;;
esac
if [ -n "$modules" ]; then
    modules=$(CDPATH='' cd -- "$modules" && pwd)
    links="$out/user_modules"
    rm -rf "$links"
    mkdir -p "$links"
    for mk in ${user_modules:+"$user_modules"/*/micropython.mk} "$modules"/*/micropython.mk; do
        ln -s "$(dirname "$mk")" "$links/"
    done
    user_modules=$links
fi

# What the coverage variant counted in an earlier build is not this one's, and it would say so
# in the output of the first program it runs.
find "$out" -name '*.gcda' -delete

set -- "USER_C_MODULES=$user_modules" "$@"
[ -z "$mbedtls" ] || set -- "MBEDTLS_DIR=$mbedtls" "$@"
[ -z "$cflags_extra" ] || set -- "CFLAGS_EXTRA=$cflags_extra" "$@"
[ -z "$ldflags_extra" ] || set -- "LDFLAGS_EXTRA=$ldflags_extra" "$@"
# What a release tarball or the machine lacks is left out; neither concerns TLS.
[ -f "$micropython/lib/berkeley-db-1.xx/include/db.h" ] || set -- MICROPY_PY_BTREE=0 "$@"
pkg-config --exists libffi 2>/dev/null || set -- MICROPY_PY_FFI=0 "$@"

make -C "$micropython/ports/unix" -j"$jobs" \
    BUILD="$out" VARIANT="$variant" STRIP= \
    MICROPY_MPYCROSS="$cross" \
    MPY_LIB_DIR="$root/ports/unix/mpy_lib" \
    FROZEN_MANIFEST="$root/ports/unix/manifest.py" \
    "$@"
