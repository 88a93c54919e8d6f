#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Builds mpy-cross and prints where it is: one for each version of MicroPython, whichever
# port's build comes first makes it.
#
# usage: ports/mpy_cross.sh MICROPYTHON_DIR

set -eu

micropython=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
version=$(awk '/^#define MICROPY_VERSION_(MAJOR|MINOR|MICRO)/ { v = v s $3; s = "." } END { print v }' \
    "$micropython/py/mpconfig.h" | tr -d '()')
cross="$root/build/mpy-cross-$version"
mkdir -p "$cross"
(
    flock 9
    make -C "$micropython/mpy-cross" -j"$jobs" BUILD="$cross" >"$cross/make.log" 2>&1 || {
        cat "$cross/make.log" >&2
        echo "mpy_cross.sh: mpy-cross does not build" >&2
        exit 1
    }
) 9>"$cross/.lock"
echo "$cross/mpy-cross"
