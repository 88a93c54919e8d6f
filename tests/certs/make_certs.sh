#!/bin/sh
# Makes the test PKI with nothing but openssl:  make_certs.sh DIRECTORY
#
# The names below never change, the keys are new for every directory and are
# never committed. A second call on the same directory does nothing, so every
# test may call it; calls at the same time wait for each other.
#
# For each certificate NAME:
#   NAME.pem NAME.der          certificate
#   NAME.key NAME.key.der      key in its traditional form: SEC1 (EC), PKCS#1 (RSA)
#   NAME.pk8 NAME.pk8.der      the same key as PKCS#8
#
#   ca             P-256 root that signs everything except where said otherwise
#   other_ca       P-256 root that nothing below ca has to do with
#   ec             P-256 server
#   ec384          P-384 server
#   rsa            RSA-2048 server
#   long           RSA server of more than 4096 bits
#   short          RSA server of 1024 bits, which is too few to be verified
#   client         P-256 client, CN=client1
#   rsa_client     RSA-2048 client, CN=client2
#   expired        P-256 server, valid in 2020 only
#   notyet         P-256 server, valid from 2090 on
#   other          P-256 server signed by other_ca
#   other_client   P-256 client signed by other_ca
#   wronghost      P-256 server, SAN elsewhere.example only
#   selfsigned     P-256 server, signed by itself, not a CA
#   intermediate   P-256 CA signed by ca
#   leaf           P-256 server signed by intermediate
# Further:
#   chain.pem            leaf followed by intermediate, as a server presents it
#   bundle.pem           other_ca followed by ca: a trust store with two anchors
#   encrypted.key        ec's key, traditional PEM, AES-128-CBC, pass phrase "secret"
#   encrypted.pk8        ec's key, PKCS#8 PEM, AES-256-CBC, pass phrase "secret"
#   encrypted.pk8.der    the same, DER
#
# Servers have the SAN localhost, micropython.local and 127.0.0.1.
# Valid from 2024 to the end of 2049 (UTCTime's range).
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 DIRECTORY" >&2
    exit 2
fi
command -v openssl >/dev/null || {
    echo "$0: openssl is missing (Debian package: openssl)" >&2
    exit 1
}

script_sum=$(cksum <"$0")
mkdir -p "$1"
directory=$(cd "$1" && pwd)

exec 9>"$directory/.lock"
flock 9
if [ "$(cat "$directory/.made_by" 2>/dev/null)" = "$script_sum" ]; then
    exit 0
fi

# Everything is made beside the final place and moved at the end, so that
# nobody ever sees half a PKI.
work=$(mktemp -d "$directory/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

NOT_BEFORE=20240101000000Z
NOT_AFTER=20491231235959Z
SERVER_SAN=DNS:localhost,DNS:micropython.local,IP:127.0.0.1

# `openssl ca` is used instead of `openssl x509 -req` because only it takes
# absolute dates in every OpenSSL 3.
cat >ca.cnf <<CONFIG
[ca]
default_ca = test_ca
[test_ca]
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
[any]
commonName = supplied
[req]
distinguished_name = subject
[subject]
CONFIG
: >index.txt

quietly() {
    "$@" >openssl.log 2>&1 || {
        cat openssl.log >&2
        echo "$0: failed: $*" >&2
        exit 1
    }
}

# new_key NAME TYPE: TYPE is rsa, long or short (RSA as well) or the name of a curve
new_key() {
    if [ "$2" = rsa ]; then
        quietly openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.pk8"
    elif [ "$2" = long ]; then
        quietly openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4160 -out "$1.pk8"
    elif [ "$2" = short ]; then
        quietly openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out "$1.pk8"
    else
        quietly openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" \
            -pkeyopt ec_param_enc:named_curve -out "$1.pk8"
    fi
    quietly openssl pkey -in "$1.pk8" -traditional -out "$1.key"
    quietly openssl pkcs8 -topk8 -nocrypt -in "$1.pk8" -outform DER -out "$1.pk8.der"
    if [ "$2" = rsa ] || [ "$2" = long ] || [ "$2" = short ]; then
        quietly openssl rsa -in "$1.pk8" -traditional -outform DER -out "$1.key.der"
    else
        quietly openssl ec -in "$1.pk8" -outform DER -out "$1.key.der"
    fi
}

# certify NAME KEY_TYPE COMMON_NAME ISSUER NOT_BEFORE NOT_AFTER, extensions on standard input
certify() {
    new_key "$1" "$2"
    cat >"$1.ext"
    printf 'subjectKeyIdentifier=hash\n' >>"$1.ext"
    # A root has no issuer whose identifier could be copied.
    if [ "$4" != "$1" ]; then
        printf 'authorityKeyIdentifier=keyid\n' >>"$1.ext"
        issuer="-cert $4.pem -keyfile $4.pk8"
    else
        issuer="-selfsign -keyfile $1.pk8"
    fi
    quietly openssl req -new -config ca.cnf -key "$1.pk8" -subj "/CN=$3" -out "$1.csr"
    # shellcheck disable=SC2086 # $issuer is several words
    quietly openssl ca -config ca.cnf -batch -notext $issuer -in "$1.csr" \
        -startdate "$5" -enddate "$6" -extfile "$1.ext" -out "$1.pem"
    quietly openssl x509 -in "$1.pem" -outform DER -out "$1.der"
}

# authority NAME COMMON_NAME ISSUER
authority() {
    certify "$1" P-256 "$2" "$3" $NOT_BEFORE $NOT_AFTER <<EXTENSIONS
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
EXTENSIONS
}

# server NAME KEY_TYPE [ISSUER [NOT_BEFORE NOT_AFTER [SAN]]]
server() {
    # Only RSA key exchange encrypts with the certificate's key.
    usage=digitalSignature
    if [ "$2" = rsa ]; then usage=$usage,keyEncipherment; fi
    certify "$1" "$2" localhost "${3:-ca}" "${4:-$NOT_BEFORE}" "${5:-$NOT_AFTER}" <<EXTENSIONS
basicConstraints=critical,CA:FALSE
keyUsage=critical,$usage
extendedKeyUsage=serverAuth
subjectAltName=${6:-$SERVER_SAN}
EXTENSIONS
}

# client NAME KEY_TYPE COMMON_NAME [ISSUER]
client() {
    certify "$1" "$2" "$3" "${4:-ca}" $NOT_BEFORE $NOT_AFTER <<EXTENSIONS
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth
EXTENSIONS
}

authority ca "test CA" ca
authority other_ca "other test CA" other_ca
authority intermediate "test intermediate CA" ca

server ec P-256
server ec384 P-384
server rsa rsa
server long long
server short short
server expired P-256 ca 20200101000000Z 20201231235959Z
server notyet P-256 ca 20900101000000Z 20991231235959Z
server other P-256 other_ca
server wronghost P-256 ca "" "" DNS:elsewhere.example
server selfsigned P-256 selfsigned
server leaf P-256 intermediate
client client P-256 client1
client rsa_client rsa client2
client other_client P-256 client1 other_ca

cat leaf.pem intermediate.pem >chain.pem
cat other_ca.pem ca.pem >bundle.pem
quietly openssl ec -in ec.pk8 -aes-128-cbc -passout pass:secret -out encrypted.key
quietly openssl pkcs8 -topk8 -in ec.pk8 -v2 aes-256-cbc -passout pass:secret -out encrypted.pk8
quietly openssl pkcs8 -topk8 -in ec.pk8 -v2 aes-256-cbc -passout pass:secret \
    -outform DER -out encrypted.pk8.der

# What must hold for the tests to mean anything.
quietly openssl verify -CAfile ca.pem ec.pem ec384.pem rsa.pem client.pem rsa_client.pem wronghost.pem
quietly openssl verify -CAfile ca.pem -untrusted intermediate.pem leaf.pem
quietly openssl verify -CAfile other_ca.pem other.pem other_client.pem
for name in expired notyet other; do
    if openssl verify -CAfile ca.pem $name.pem >openssl.log 2>&1; then
        echo "$0: $name.pem should not verify" >&2
        exit 1
    fi
done

chmod 600 -- *.key *.pk8 *.key.der *.pk8.der
# The copies `openssl ca` keeps are named after their serial numbers.
rm -f -- *.csr *.ext ca.cnf index.txt* openssl.log
find . -regextype posix-extended -regex '\./[0-9A-F]{16,}\.pem' -delete
mv -f -- * "$directory/"
printf '%s\n' "$script_sum" >"$directory/.made_by"
