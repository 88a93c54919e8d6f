#!/usr/bin/env bash
# Brings the released sources that the build and the tests use into build/src.
#
# usage: tools/sources.sh [micropython-1.26.1] [micropython-1.25.0] [mbedtls-3.6.6]
#        (no argument: all three)
#
# They are the upstream tarballs inside Debian's source packages, taken from the Debian
# mirror this machine already uses (tools/mirror.sh). A tarball is unpacked only when its
# SHA-256 is the one pinned below.
#
# build/src/micropython points at the newest MicroPython that could be had: a mirror drops
# a superseded version (1.26.1 lives in sid and forky), and then 1.25.0 serves.
#
# SOURCE_ARCHIVES=DIR takes tarballs found in DIR instead of asking the mirror.

set -euo pipefail

root=$(cd -- "$(dirname -- "$0")/.." && pwd)
dest=$root/build/src
. "$root/tools/mirror.sh"

# tree name | Debian source package | tarball | SHA-256 of the tarball
pins() {
    cat <<'TABLE'
micropython-1.26.1|micropython|micropython_1.26.1+ds.orig.tar.xz|f5ad2ec89d3e921f753d448955af98b6005655f84ba26087dde6ba0e8d062f34
micropython-1.25.0|micropython|micropython_1.25.0+ds.orig.tar.xz|7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea
mbedtls-3.6.7|mbedtls|mbedtls_3.6.7.orig.tar.bz2|a7e8bcbec0e6f761b4af24f25677626b35f762f68eef79c08677a363212d11f6
mbedtls-3.6.6|mbedtls|mbedtls_3.6.6.orig.tar.bz2|8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a
TABLE
}

say() { printf 'sources: %s\n' "$*"; }
die() {
    printf 'sources: %s\n' "$*" >&2
    exit 1
}

pin_of() { pins | grep "^$1|" || die "unknown tree '$1' (known: $(pins | cut -d'|' -f1 | tr '\n' ' '))"; }

# The stamp holds the tarball's checksum, so a changed pin is unpacked again.
is_present() { [ "$(cat "$dest/$1/.unpacked" 2>/dev/null)" = "$2" ]; }

link_newest() {
    local version
    for version in 1.26.1 1.25.0; do
        if [ -d "$dest/micropython-$version" ]; then
            ln -sfn "micropython-$version" "$dest/micropython"
            return
        fi
    done
}

wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || mapfile -t wanted < <(pins | cut -d'|' -f1)

missing=()
for tree in "${wanted[@]}"; do
    IFS='|' read -r _ _ _ sum < <(pin_of "$tree") || exit 1
    is_present "$tree" "$sum" || missing+=("$tree")
done
if [ ${#missing[@]} -eq 0 ]; then
    say "present: ${wanted[*]}"
    exit 0
fi

mkdir -p "$dest"
exec 9>"$dest/.lock"
flock 9

scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch" 2>/dev/null; rm -rf "$scratch"' EXIT
chmod 755 "$scratch"

# The Debian version whose tarball has the pinned checksum: a mere packaging revision may
# change in the mirror, the tarball stays.
version_with() {
    apt-cache showsrc "$1" 2>/dev/null | awk -v sum="$2" '
        /^Version:/ { version = $2 }
        index($0, sum) { print version; exit }'
}

download() { # tree package tarball sum
    local version
    if [ -n "${SOURCE_ARCHIVES:-}" ] && [ -f "$SOURCE_ARCHIVES/$3" ]; then
        cp "$SOURCE_ARCHIVES/$3" "$scratch/$3"
        return
    fi
    # sid has the newest release, trixie keeps the other.
    [ -n "${APT_CONFIG:-}" ] || open_mirror "$scratch" \
        "name your own trees with MICROPYTHON_DIR= and MBEDTLS_DIR=" 'deb-src trixie' 'deb-src sid'
    version=$(version_with "$2" "$4")
    [ -n "$version" ] || return 1
    say "downloading $2 $version"
    (cd "$scratch" && apt-get -qq source --download-only --tar-only "$2=$version") || return 1
}

unpack() { # tree tarball sum
    echo "$3  $scratch/$2" | sha256sum --check --quiet ||
        die "$2 does not have its pinned SHA-256: not unpacked"
    mkdir "$scratch/$1"
    tar -C "$scratch/$1" --strip-components=1 --no-same-owner -xf "$scratch/$2"
    echo "$3" >"$scratch/$1/.unpacked"
    if [ -e "$dest/$1" ]; then
        chmod -R u+w "$dest/$1"
        rm -rf "${dest:?}/$1"
    fi
    # Copied under another name first: the rename makes a half-made tree impossible.
    rm -rf "$dest/.$1"
    cp -a "$scratch/$1" "$dest/.$1"
    # Read-only, so that no build or test can change what it is built from.
    chmod -R a-w "$dest/.$1"
    chmod u+w "$dest/.$1"
    mv "$dest/.$1" "$dest/$1"
    chmod a-w "$dest/$1"
    say "unpacked build/src/$1"
}

for tree in "${missing[@]}"; do
    IFS='|' read -r _ package tarball sum < <(pin_of "$tree")
    is_present "$tree" "$sum" && continue # another run unpacked it while this one waited
    if download "$tree" "$package" "$tarball" "$sum"; then
        unpack "$tree" "$tarball" "$sum"
    elif [ "$tree" = micropython-1.26.1 ]; then
        say "MicroPython 1.26.1 is no longer in the mirror: falling back to 1.25.0"
        IFS='|' read -r _ package tarball sum < <(pin_of micropython-1.25.0)
        is_present micropython-1.25.0 "$sum" || {
            download micropython-1.25.0 "$package" "$tarball" "$sum" ||
                die "MicroPython 1.25.0 is not in the mirror either: name a tree with MICROPYTHON_DIR="
            unpack micropython-1.25.0 "$tarball" "$sum"
        }
    else
        die "$tree ($tarball) is not in the mirror"
    fi
done
link_newest
