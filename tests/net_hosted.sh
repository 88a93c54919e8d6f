#!/bin/sh
# Runs a command in a network of its own, where a public host's name is a server here.
#
# usage: tests/net_hosted.sh HOST PORT WORKDIR COMMAND...
#
# Upstream's net_hosted tests connect to a public host that they name. Inside a network and
# mount namespace, /etc/hosts sends that name to 127.0.0.1, where `openssl s_server` presents
# a certificate and the one that issued it: a chain of two, as the public host does. Nothing
# outside the namespace changes. Exit status 125: no namespace can be made here.

set -eu

host=$1 port=$2 work=$3
shift 3

if [ -z "${IN_PRIVATE_NETWORK:-}" ]; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root=-r
    unshare $as_root -mn true 2>/dev/null || {
        echo "net_hosted: no network namespace can be made here" >&2
        exit 125
    }
    IN_PRIVATE_NETWORK=1 exec unshare $as_root -mn "$0" "$host" "$port" "$work" "$@"
fi

ip link set lo up
mkdir -p "$work"
cd "$work"
printf '127.0.0.1 localhost\n127.0.0.1 %s\n' "$host" >hosts
mount --bind hosts /etc/hosts

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
signed_by() { # issuer, name, subject, extensions
    key "$2"
    openssl req -new -key "$2.key" -subj "/CN=$3" -out "$2.csr"
    printf '%s\n' "$4" >"$2.ext"
    openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 2 \
        -sha256 -extfile "$2.ext" -out "$2.pem" 2>/dev/null
}
key root
openssl req -x509 -new -key root.key -sha256 -days 2 -subj '/CN=test root' -out root.pem \
    -addext basicConstraints=critical,CA:TRUE 2>/dev/null
signed_by root intermediate 'test intermediate' 'basicConstraints=critical,CA:TRUE'
signed_by intermediate leaf "$host" "subjectAltName=DNS:$host"

openssl s_server -accept "127.0.0.1:$port" -cert leaf.pem -key leaf.key \
    -cert_chain intermediate.pem -quiet >server.log 2>&1 </dev/null &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT

# The server is ready when it answers with the chain.
tries=0
until openssl s_client -connect "127.0.0.1:$port" -servername "$host" </dev/null 2>/dev/null |
    grep -q 'BEGIN CERTIFICATE'; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || {
        cat server.log >&2
        exit 1
    }
    sleep 0.1
done

cd "$OLDPWD"
"$@"
