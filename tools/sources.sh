#!/usr/bin/env bash
# Brings the released sources that the build and the tests use into build/src.
#
# usage: tools/sources.sh [TREE...]      (a tree's name is in the table below; no argument:
#        micropython-1.26.1 micropython-1.25.0 mbedtls-3.6.7)
#
# They are the upstream tarballs inside Debian's source packages, or a package of nothing but
# sources, taken from the Debian mirror this machine already uses (tools/mirror.sh), or what a
# crate has in it, brought by cargo. A file is unpacked only when its SHA-256 is the one pinned
# below.
#
# build/src/micropython and build/src/mbedtls point at the newest that could be had: a mirror
# drops a superseded version (MicroPython 1.26.1 and Mbed TLS 3.6.7 live in sid and forky), and
# then the one before it serves.
#
# SOURCE_ARCHIVES=DIR takes tarballs found in DIR instead of asking the mirror.

set -euo pipefail

root=$(cd -- "$(dirname -- "$0")/.." && pwd)
dest=$root/build/src
. "$root/tools/mirror.sh"

# tree name | Debian package, or "crate NAME" | tarball, or .deb | its SHA-256 |
# what serves where it cannot be had
pins() {
    cat <<'TABLE'
micropython-1.26.1|micropython|micropython_1.26.1+ds.orig.tar.xz|f5ad2ec89d3e921f753d448955af98b6005655f84ba26087dde6ba0e8d062f34|micropython-1.25.0
micropython-1.25.0|micropython|micropython_1.25.0+ds.orig.tar.xz|7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea|
mbedtls-3.6.7|mbedtls|mbedtls_3.6.7.orig.tar.bz2|a7e8bcbec0e6f761b4af24f25677626b35f762f68eef79c08677a363212d11f6|mbedtls-3.6.6
mbedtls-3.6.6|mbedtls|mbedtls_3.6.6.orig.tar.bz2|8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a|
mbedtls-3.6.5|crate mbedtls-rs-sys|mbedtls-rs-sys-0.3.1.crate|ed3d6fe75492994df511a63da8de669a0c59938ada3345e3d4756aec095d2ffb|
boringssl-5.4.0|crate boring-sys|boring-sys-5.4.0.crate|4986392770df40d11d0d6294b0dd8399570f4a6e76d6953c7a34f7dd1defbd76|
pico-sdk-2.1.1|pico-sdk|pico-sdk_2.1.1.orig.tar.gz|179c5531e75ac7f82d0679e70b6e8881f871738dc0ef17baf3b4ff4679291c41|
tinyusb-0.18.0|tinyusb-source|tinyusb-source_0.18.0+dfsg-1_all.deb|01ce2c645df68f14a8a7dcfc8fb355713152543757955820479a87949a61154e|
lwip-2.2.1|lwip|lwip_2.2.1+dfsg1.orig.tar.xz|83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1|
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

link_newest_of_each() {
    link_newest micropython micropython-1.26.1 micropython-1.25.0
    link_newest mbedtls mbedtls-3.6.7 mbedtls-3.6.6
}

link_newest() { # name tree...
    local name=$1 tree
    shift
    for tree in "$@"; do
        if [ -d "$dest/$tree" ]; then
            ln -sfn "$tree" "$dest/$name"
            return
        fi
    done
}

wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(micropython-1.26.1 micropython-1.25.0 mbedtls-3.6.7)

missing=() packages=
for tree in "${wanted[@]}"; do
    IFS='|' read -r _ _ file sum _ < <(pin_of "$tree") || exit 1
    is_present "$tree" "$sum" && continue
    missing+=("$tree")
    [[ $file != *.deb ]] || packages=1
done
if [ ${#missing[@]} -eq 0 ]; then
    link_newest_of_each
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

# By a package that depends on it: cargo has no command that only downloads a crate.
download_crate() { # name file
    local version=${2#"$1-"}
    version=${version%.crate}
    say "downloading the crate $1 $version"
    mkdir -p "$scratch/crate/src"
    : >"$scratch/crate/src/lib.rs"
    printf '[package]\nname = "source"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n%s = { version = "=%s", default-features = false }\n' \
        "$1" "$version" >"$scratch/crate/Cargo.toml"
    cargo fetch --quiet --manifest-path "$scratch/crate/Cargo.toml" || return 1
    cp "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/"$2" "$scratch/$2"
}

download() { # tree package tarball sum
    local version
    if [ -n "${SOURCE_ARCHIVES:-}" ] && [ -f "$SOURCE_ARCHIVES/$3" ]; then
        cp "$SOURCE_ARCHIVES/$3" "$scratch/$3"
        return
    fi
    case $2 in
    "crate "*)
        download_crate "${2#crate }" "$3"
        return
        ;;
    esac
    # sid has the newest release, trixie keeps the other.
    [ -n "${APT_CONFIG:-}" ] || open_mirror "$scratch" \
        "name your own trees with MICROPYTHON_DIR= and MBEDTLS_DIR=" \
        'deb-src trixie' 'deb-src sid' ${packages:+'deb trixie'}
    if [[ $3 = *.deb ]]; then
        version=${3#"$2"_}
        version=${version%_*}
        say "downloading $2 $version"
        # apt may write the version's special characters another way.
        (cd "$scratch" && apt-get -qq download "$2=$version" && { [ -f "$3" ] || mv "$2"_*.deb "$3"; })
        return
    fi
    version=$(version_with "$2" "$4")
    [ -n "$version" ] || return 1
    say "downloading $2 $version"
    (cd "$scratch" && apt-get -qq source --download-only --tar-only "$2=$version") || return 1
}

unpack() { # tree tarball sum
    echo "$3  $scratch/$2" | sha256sum --check --quiet ||
        die "$2 does not have its pinned SHA-256: not unpacked"
    mkdir "$scratch/$1"
    case $2 in
    # Of a crate, the tree that it carries; of BoringSSL's, the test runner.
    boring-sys-*) tar -C "$scratch/$1" --strip-components=3 --no-same-owner -xf "$scratch/$2" \
        "${2%.crate}"/deps/boringssl/{LICENSE,ssl/test/runner,util/testresult} ;;
    *.crate) tar -C "$scratch/$1" --strip-components=2 --no-same-owner -xf "$scratch/$2" "${2%.crate}/mbedtls" ;;
    # ./usr/src/NAME
    *.deb) dpkg-deb --fsys-tarfile "$scratch/$2" | tar -C "$scratch/$1" --strip-components=4 --no-same-owner -x ./usr/src ;;
    *) tar -C "$scratch/$1" --strip-components=1 --no-same-owner -xf "$scratch/$2" ;;
    esac
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

bring() { # tree
    local package tarball sum instead
    IFS='|' read -r _ package tarball sum instead < <(pin_of "$1")
    is_present "$1" "$sum" && return # another run unpacked it while this one waited
    if download "$1" "$package" "$tarball" "$sum"; then
        unpack "$1" "$tarball" "$sum"
    elif [ -n "$instead" ]; then
        say "$1 is not in the mirror: falling back to $instead"
        bring "$instead"
    else
        die "$1 ($tarball) cannot be had: name your own trees with MICROPYTHON_DIR= and MBEDTLS_DIR="
    fi
}

for tree in "${missing[@]}"; do
    bring "$tree"
done
link_newest_of_each
