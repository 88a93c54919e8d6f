#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Prints the words cargo needs to compile this crate for a bare-metal target: nothing where the
# toolchain has that target, else what makes cargo build `core` from its source.
#
# usage: tools/rust_src.sh TARGET
#
# The source is Debian's rust-src package of the very rustc version in use, unpacked below
# build/: the toolchain itself is not touched. It is taken from the Debian mirror this machine
# already uses (tools/mirror.sh), and only with the SHA-256 pinned below.
#
# SOURCE_ARCHIVES=DIR takes a package found in DIR instead of asking the mirror.

set -euo pipefail

root=$(cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/tools/mirror.sh"

say() { printf 'rust_src: %s\n' "$*" >&2; }
die() {
    printf 'rust_src: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 1 ] || die "usage: tools/rust_src.sh TARGET"
target=$1

# rustc version | suite | version of the package | SHA-256 of the package
pins() {
    cat <<'TABLE'
1.95.0|trixie-backports|1.95.0+dfsg1-2~bpo13+1|7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b
TABLE
}

# Where there is a libcore for the target there is nothing to do.
if compgen -G "$(rustc --print sysroot)/lib/rustlib/$target/lib/libcore-*.rlib" >/dev/null; then
    exit 0
fi

version=$(rustc --version | cut -d' ' -f2)
advice="this rustc ($version) has no target $target: run 'rustup target add $target', or use the \
distribution's package of it (Debian: libstd-rust-dev of a matching version)"
pin=$(pins | grep "^$version|") ||
    die "$advice. Without either, 'core' is compiled from Debian's rust-src, which is known here \
for rustc $(pins | cut -d'|' -f1 | tr '\n' ' ')only"
IFS='|' read -r _ suite package_version sum <<<"$pin"

dest=$root/build/rust-src-$version
if [ "$(cat "$dest/.unpacked" 2>/dev/null)" != "$sum" ]; then
    mkdir -p "$root/build"
    exec 9>"$root/build/.lock-rust-src"
    flock 9
fi
if [ "$(cat "$dest/.unpacked" 2>/dev/null)" != "$sum" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    chmod 755 "$scratch"
    file="rust-src_${package_version}_all.deb"
    if [ -n "${SOURCE_ARCHIVES:-}" ] && [ -f "$SOURCE_ARCHIVES/$file" ]; then
        cp "$SOURCE_ARCHIVES/$file" "$scratch/"
    else
        open_mirror "$scratch" "$advice" "deb $suite" >&2
        say "downloading rust-src $package_version"
        (cd "$scratch" && apt-get -qq download "rust-src=$package_version" >&2) ||
            die "rust-src $package_version is not in the mirror; $advice"
        # apt may write the version's special characters another way.
        found=$(compgen -G "$scratch/rust-src_*.deb" || true)
        [ "$found" = "$scratch/$file" ] || mv "$found" "$scratch/$file"
    fi
    echo "$sum  $scratch/$file" | sha256sum --check --quiet >&2 ||
        die "$file does not have its pinned SHA-256: not unpacked"
    dpkg-deb -x "$scratch/$file" "$scratch/unpacked"
    rm -rf "$dest" "$dest.new"
    # Copied under another name first: the rename makes a half-made tree impossible.
    cp -a "$scratch/unpacked/usr/src/rustc-$version" "$dest.new"
    [ -d "$dest.new/library/core" ] || die "$file has no library/core"
    echo "$sum" >"$dest.new/.unpacked"
    mv "$dest.new" "$dest"
    say "unpacked build/rust-src-$version"
fi

# For `env`: the source beside the toolchain rather than in it, and the option that only a
# nightly compiler has otherwise.
echo "__CARGO_TESTS_ONLY_SRC_ROOT=$dest/library RUSTC_BOOTSTRAP=1"
