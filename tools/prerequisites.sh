#!/usr/bin/env bash
# Names what this machine lacks, with the Debian package that has it, and installs it when it
# can (root or password-less sudo, and apt-get). Otherwise prints the line to run and exits 1.
#
# usage: tools/prerequisites.sh [--check] [GROUP...]
#        GROUP: build (the default), demo, test, firmware, lint
#        --check: only say what is missing

set -euo pipefail

# group | what is looked for | Debian package | why
#   program NAME      on PATH or in an sbin directory
#   pkg NAME          known to pkg-config
#   pymodule NAME     a module of python3's
#   libclang          a libclang that bindgen can load
#   file PATTERN      a file
#   pyheaders python3 the headers of python3, for packages with C in them
needs() {
    cat <<'TABLE'
build|program gcc|gcc|compiles MicroPython and Mbed TLS
build|program make|make|
build|program pkg-config|pkg-config|finds libffi
build|program python3|python3|generates MicroPython's headers
build|program flock|util-linux|one build at a time in a directory
build|program xz|xz-utils|unpacks the source tarballs
build|program bzip2|bzip2|unpacks the source tarballs
build|pkg libffi|libffi-dev|MicroPython's ffi module
build|libclang|libclang-dev|bindgen reads C headers with it
demo|program openssl|openssl|a peer, and the certificates
demo|program curl|curl|a peer
test|program g++|g++|compiles the coverage variant's C++
test|pymodule pip|python3-pip|brings the libraries that use the module
test|pymodule cryptography|python3-cryptography|tools/mkpki.py
test|pyheaders python3|python3-dev|upydev's netifaces is published as source
test|program localedef|libc-bin|upydev wants to know a country
test|file /usr/share/i18n/locales/en_US|locales|upydev wants to know a country
test|program mosquitto|mosquitto|a peer
test|program nginx|nginx-light|a peer
test|program vsftpd|vsftpd|a peer
test|program gnutls-cli|gnutls-bin|a peer
test|program coap-client-openssl|libcoap3-bin|a peer
test|program chromium|chromium|a peer
test|program chromedriver|chromium-driver|drives it
test|program certutil|libnss3-tools|makes the store of what it trusts
test|program sslscan|sslscan|looks for weaknesses
test|program testssl|testssl.sh|looks for weaknesses
test|program valgrind|valgrind|
test|program nm|binutils|looks into the linked firmware
test|program debootstrap|debootstrap|makes a machine that nobody prepared
test|program ip|iproute2|brings up a test's own network
test|program unshare|util-linux|gives a test its own network
test|file /usr/share/gocode/src/golang.org/x/crypto|golang-golang-x-crypto-dev|BoringSSL's test runner
test|file /usr/share/gocode/src/filippo.io/edwards25519|golang-filippo-edwards25519-dev|BoringSSL's test runner
firmware|program riscv64-unknown-elf-gcc|gcc-riscv64-unknown-elf|compiles for RV32
firmware|file /usr/lib/picolibc/riscv64-unknown-elf/include|picolibc-riscv64-unknown-elf|RV32's C library
firmware|program arm-none-eabi-gcc|gcc-arm-none-eabi|compiles for Cortex-M
firmware|file /usr/lib/arm-none-eabi/include|libnewlib-arm-none-eabi|Cortex-M's C headers
firmware|file /usr/lib/arm-none-eabi/newlib/libstdc++.a|libstdc++-arm-none-eabi-newlib|pico-sdk has C++ in it
firmware|program qemu-system-riscv32|qemu-system-misc|the RV32 board
firmware|program qemu-system-arm|qemu-system-arm|the Cortex-M board
firmware|program cmake|cmake|the esp32 and rp2 ports' build system
firmware|program ninja|ninja-build|
lint|program clang-format|clang-format|
TABLE
}

has_libclang() {
    # LLVM's libclang-cpp.so is another library.
    local dir
    for dir in ${LIBCLANG_PATH:+"$LIBCLANG_PATH"} /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib /usr/lib64 \
        /usr/local/lib /opt/homebrew/opt/llvm/lib; do
        compgen -G "$dir/libclang.so*" >/dev/null || compgen -G "$dir/libclang-[0-9]*.so*" >/dev/null ||
            [ -e "$dir/libclang.dylib" ] && return
    done
    return 1
}

is_there() { # kind name
    case $1 in
    program) PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin command -v "$2" >/dev/null ;;
    pymodule) python3 -c "import $2" 2>/dev/null ;;
    pkg) pkg-config --exists "$2" 2>/dev/null ;;
    libclang) has_libclang ;;
    file) compgen -G "$2" >/dev/null ;;
    pyheaders) "$2" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' 2>/dev/null ;;
    esac
}

check_only=
groups=()
for arg in "$@"; do
    case $arg in
    --check) check_only=1 ;;
    build | demo | test | firmware | lint) groups+=("$arg") ;;
    *)
        echo "usage: tools/prerequisites.sh [--check] [build] [demo] [test] [firmware] [lint]" >&2
        exit 2
        ;;
    esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build)

# Prints the packages to install, one a line; names each missing thing on stderr.
missing_packages() {
    local group kind_and_name package why wanted
    while IFS='|' read -r group kind_and_name package why; do
        for wanted in "${groups[@]}"; do
            [ "$group" = "$wanted" ] || continue
            # shellcheck disable=SC2086 # kind and name are two words
            is_there $kind_and_name && continue
            echo "missing: ${kind_and_name#program } (Debian package $package)${why:+: $why}" >&2
            echo "$package"
        done
    done < <(needs) | sort -u
}

# Rust comes from rustup or the distribution, whichever the user has: it is named, not installed.
failed=
if ! command -v cargo >/dev/null; then
    echo "missing: cargo (Rust 1.88 or newer: https://rustup.rs, or Debian's rustup package)" >&2
    failed=1
fi
case " ${groups[*]} " in
*" lint "*)
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 && continue
        echo "missing: cargo $component (rustup component add rustfmt clippy)" >&2
        failed=1
    done
    ;;
esac

mapfile -t packages < <(missing_packages)
if [ ${#packages[@]} -gt 0 ]; then
    as_root=
    if [ "$(id -u)" != 0 ]; then
        as_root=$(command -v sudo || true)
        [ -n "$as_root" ] && sudo -n true 2>/dev/null || as_root=none
    fi
    if [ -n "$check_only" ] || [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
        echo "install: sudo apt-get install -y --no-install-recommends ${packages[*]}" >&2
        exit 1
    fi
    echo "prerequisites: installing ${packages[*]}"
    # Another apt may be at work; its lock is waited for. A private archive directory keeps its
    # clean-up from deleting what this one downloads.
    archives=$(mktemp -d)
    trap 'rm -rf "$archives"' EXIT
    chmod 755 "$archives"
    mkdir "$archives/partial"
    apt=($as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
        -o Dir::Cache::archives="$archives")
    "${apt[@]}" update || echo "prerequisites: apt-get update failed, trying with the lists there are" >&2
    "${apt[@]}" install -y --no-install-recommends "${packages[@]}" >"$archives/log" 2>&1 || {
        cat "$archives/log" >&2
        exit 1
    }
    mapfile -t packages < <(missing_packages)
    if [ ${#packages[@]} -gt 0 ]; then
        echo "prerequisites: still missing after installing" >&2
        exit 1
    fi
fi
[ -z "$failed" ] || exit 1
echo "prerequisites: ${groups[*]}: all here"
