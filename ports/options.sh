# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What the ports' build.sh have in common: each reads this file with `.`, having set
#
#   root      this project
#   options   its options that take a value (--board ...): each becomes a variable
#
# and defined usage, and flag: takes an option without a value, or returns false. What is left in
# "$@" then is for make.

die() {
    echo "build.sh: $*" >&2
    exit 1
}

n=$#
while [ "$n" -gt 0 ]; do
    arg=$1
    shift
    n=$((n - 1))
    case " $options " in
    *" $arg "*)
        [ "$n" -gt 0 ] || die "$arg needs a value"
        eval "${arg#--}=\$1"
        shift
        n=$((n - 1))
        continue
        ;;
    esac
    case $arg in
    -h | --help)
        usage
        exit 0
        ;;
    esac
    flag "$arg" || set -- "$@" "$arg"
done

jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

# Ends the build unless each of these variables' names has a value.
needs() {
    for name in "$@"; do
        eval "[ -n \"\$$name\" ]" || {
            usage >&2
            exit 2
        }
    done
}

# A tree by its real name, so that a link to it is no other tree than the last time. It is one if
# it has the file.
real_tree() { # what directory file
    [ -f "$2/$3" ] || die "no $1 at '$2'"
    CDPATH='' cd -- "$2" && pwd -P
}

# Makes the build directory; its absolute name.
build_directory() {
    mkdir -p "$1"
    CDPATH='' cd -- "$1" && pwd
}

# Empties the build directory where these arguments are not the last time's: objects made with
# other flags must not be linked. Only one that holds our stamp is emptied: it can contain nothing
# but an earlier build.
stamp_build() { # directory argument...
    built=$1
    shift
    # And what the module's makefiles choose by themselves.
    args=$(printf '%s\n' "$@" && cat "$root"/c_glue/*.mk | cksum)
    if [ -f "$built/.build-args" ] && [ "$args" != "$(cat "$built/.build-args")" ]; then
        echo "build.sh: other arguments than last time, building from scratch"
        rm -rf "$built"
        mkdir -p "$built"
    fi
    printf '%s\n' "$args" >"$built/.build-args"
    # MicroPython's make does not see that a name which became built in must leave the
    # frozen code's own list.
    rm -f "$built/frozen_content.c"
}
