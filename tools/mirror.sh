# shellcheck shell=bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Sourced by sources.sh, rust_src.sh and fresh.sh: a private apt that reads the Debian mirror this machine
# already uses. The system's package lists stay as they are. What is downloaded is used only
# when it has the SHA-256 its caller pins, so neither the mirror nor its freshness is trusted.

# Prints the address of the mirror.
mirror_uri() {
    local uri
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        grep -E '/debian/?$' | sort -u | head -n 1 || true)
    # apt names nothing before its first update: then the files it reads say it.
    [ -n "$uri" ] || uri=$(grep -rhoE 'https?://[^][ ]+/debian/?( |$)' \
        /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | tr -d ' ' | sort -u | head -n 1 || true)
    [ -n "$uri" ] || die "the system's apt sources name no Debian mirror"
    printf '%s\n' "${uri%/}"
}

# open_mirror SCRATCH_DIR INSTEAD LINE...
# Afterwards apt-get asks for the lists of LINE..., each "deb|deb-src SUITE". INSTEAD is what a
# user without a mirror is told to do. die() and say() are the caller's.
open_mirror() {
    local scratch=$1 instead=$2
    shift 2
    command -v apt-get >/dev/null || die "no apt-get here: $instead"
    local uri key=/usr/share/keyrings/debian-archive-keyring.gpg kind suite
    [ -r "$key" ] || die "no $key (package debian-archive-keyring)"
    uri=$(mirror_uri)
    mkdir -p "$scratch"/apt/{state/lists/partial,cache/archives/partial}
    # A list may be past its Valid-Until on a mirror that is a snapshot.
    for line in "$@"; do
        read -r kind suite <<<"$line"
        printf '%s [signed-by=%s check-valid-until=no] %s %s main\n' "$kind" "$key" "$uri" "$suite"
    done >"$scratch/apt/sources.list"
    cat >"$scratch/apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$scratch/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$scratch/apt/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$scratch/apt/cache";
APT::Sandbox::User "root";
Acquire::Retries "3";
CONF
    export APT_CONFIG=$scratch/apt/apt.conf
    say "reading the mirror's package lists (private copy)"
    apt-get -qq update || die "the mirror's package lists cannot be read"
}
