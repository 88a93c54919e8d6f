#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Runs a command in a fresh clone of this project on a minimal Debian, made by debootstrap below
# build/, that has this machine's Rust, git and make, and nothing else: what does somebody see whose
# machine nobody prepared?
#
# usage: tools/fresh.sh [--with 'PACKAGE...'] [--keep] [COMMAND...]
#
#   COMMAND             what to run; the README's first: make demo
#   --with 'llvm'       with these packages installed, the flavours of "nothing": llvm brings a
#                       libclang-cpp and no libclang
#   --keep              leaves build/fresh as it is for a look (`make clean` removes it)
#
# What is committed is what is tested. Needs root, unshare (util-linux) and debootstrap; without
# them it says why and ends with status 125.

set -euo pipefail

root=$(cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/tools/mirror.sh"

say() { printf 'fresh: %s\n' "$*"; }
die() {
    printf 'fresh: %s\n' "$*" >&2
    exit 1
}
cannot() {
    printf 'fresh: %s\n' "$*" >&2
    exit 125
}

packages= keep=
while [ $# -gt 0 ]; do
    case $1 in
    --with)
        [ $# -gt 1 ] || die "--with needs package names"
        packages=$2
        shift 2
        ;;
    --keep)
        keep=1
        shift
        ;;
    -*) die "unknown option $1" ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || set -- make demo

[ "$(id -u)" = 0 ] || cannot "only root can make a Debian in a folder"
command -v debootstrap >/dev/null || cannot "no debootstrap (Debian package debootstrap)"
unshare -m true 2>/dev/null || cannot "no mount namespace can be made here"
rust=$(rustc --print sysroot)
[ -x "$rust/bin/cargo" ] || cannot "rustc's sysroot has no cargo"
. /etc/os-release
[ "${ID:-}" = debian ] || cannot "this machine is no Debian, which says what a fresh one is"

debian=$root/build/fresh
unmake() { rm -rf --one-file-system "$debian"; }
mkdir -p "$root/build"
exec 9>"$root/build/.lock-fresh"
flock 9
unmake
[ -n "$keep" ] || trap unmake EXIT

say "making a minimal Debian $VERSION_CODENAME"
debootstrap --variant=minbase "$VERSION_CODENAME" "$debian" "$(mirror_uri)" >"$root/build/fresh.log" 2>&1 ||
    die "debootstrap failed: build/fresh.log"
# The machine's own lists, and what its package clients trust.
rm -f "$debian/etc/apt/sources.list"
cp -r /etc/apt/sources.list.d "$debian/etc/apt/"
[ ! -f /etc/apt/sources.list ] || cp /etc/apt/sources.list "$debian/etc/apt/"
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
    [ ! -f "$file" ] || cp "$file" "$debian$file"
done

git clone -q "$root" "$debian/src"
# Rust is what the README asks for; cargo's configuration may name a registry's mirror.
mkdir -p "$debian/opt/rust" "$debian/opt/cargo"
# Not where ca-certificates has its own: that may be installed yet.
certificates=/opt/certificates.crt
cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$debian$certificates"
for file in config config.toml; do
    [ ! -f "${CARGO_HOME:-$HOME/.cargo}/$file" ] || cp "${CARGO_HOME:-$HOME/.cargo}/$file" "$debian/opt/cargo/"
done
keeps=()
while IFS='=' read -r name _; do
    keeps+=("$name=${!name}")
done < <(env | grep -iE '^((https?|no|all)_proxy|PIP_[A-Z_]*)=' || true)

cat >"$debian/opt/run" <<RUN
set -eu
mkdir -p /opt/home
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends make git $packages >/dev/null 2>&1
cd /src
exec $(printf '%q ' "$@")
RUN
# shellcheck disable=SC2016 # expanded by the inner shell
enter='set -eu
debian=$1 rust=$2
shift 2
# A mount point, so that namespaces can be made below it.
mount --bind "$debian" "$debian"
mount --bind /proc "$debian/proc"
mount --rbind /dev "$debian/dev"
mount --rbind /sys "$debian/sys"
mount --bind "$rust" "$debian/opt/rust"
exec chroot "$debian" /usr/bin/env -i "$@" bash /opt/run'

say "running there: $*"
unshare -m bash -c "$enter" enter "$debian" "$rust" "${keeps[@]}" HOME=/opt/home LANG=C.UTF-8 \
    CARGO_HOME=/opt/cargo SSL_CERT_FILE="$certificates" PIP_CERT="$certificates" PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin
