# SSLContext.pinned_pubkeys: keys that the server may have, beside CAs or instead of them.

try:
    import hashlib, ssl, sys

    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).pinned_pubkeys = bytes(32)
except (ImportError, NotImplementedError):  # without Mbed TLS's callback
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *


def public_key(der):
    """The SubjectPublicKeyInfo of a certificate: its seventh field, if it has a version."""

    def element(at):
        n, begin = der[at + 1], at + 2
        if n >= 0x80:
            octets = n - 0x80
            n, begin = int.from_bytes(der[begin : begin + octets], "big"), begin + octets
        return begin, begin + n

    at = element(element(0)[0])[0]
    for _ in range(6):
        at = element(at)[1]
    return der[at : element(at)[1]]


def pin(der):
    return hashlib.sha256(public_key(der)).digest()


def result(ctx, server=None, hostname=HOST):
    got = shake(*pair(ctx, server, hostname)[:2])[0]
    return got if got is True else (type(got).__name__, str(got), getattr(got, "hint", None))


SERVER, OTHER = pin(pki.ec_der), pin(pki.other_der)

ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print(ctx.pinned_pubkeys, ctx.verify_mode)
# It is a way to verify.
ctx.pinned_pubkeys = SERVER
print(ctx.pinned_pubkeys == (SERVER,), ctx.verify_mode == ssl.CERT_REQUIRED, ctx.check_hostname)
print(result(ctx))
print(result(ctx, hostname="elsewhere.example")[:2])
print(result(ctx, server_context(pki.other_der, pki.other_key_der)))
ctx.pinned_pubkeys = [OTHER, bytearray(SERVER)]
print(len(ctx.pinned_pubkeys), result(ctx), result(ctx, server_context(pki.other_der, pki.other_key_der)))
# Signed by itself.
ctx.pinned_pubkeys = (pin(pki.selfsigned_der),)
print(result(ctx, server_context(pki.selfsigned_der, pki.selfsigned_key_der)), result(ctx)[0])

# With CAs, both must hold.
ctx = client_context(pki.ca_der)
ctx.pinned_pubkeys = SERVER
print(result(ctx))
ctx.pinned_pubkeys = OTHER
print(result(ctx))
ctx = client_context(pki.other_ca_der)
ctx.pinned_pubkeys = SERVER
print(result(ctx)[:2])
ctx.pinned_pubkeys = None
print(ctx.pinned_pubkeys, result(ctx)[:2])

# What does not fit, and changes nothing.
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ctx.pinned_pubkeys = SERVER
for value in (b"", bytes(31), bytes(33), [], [SERVER, bytes(20)], "x", 1, [1], [None]):
    try:
        ctx.pinned_pubkeys = value
        print(value, "taken")
    except (TypeError, ValueError) as er:
        print(type(er).__name__, er if isinstance(er, ValueError) else "")
try:
    ctx.verify_mode = ssl.CERT_NONE
except ValueError as er:
    print(er)
print(ctx.pinned_pubkeys == (SERVER,), result(ctx))
try:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).pinned_pubkeys = SERVER
except ValueError as er:
    print(er)


# As an attribute of a class.
class Pinned(ssl.SSLContext):
    pinned_pubkeys = OTHER

    def __init__(self):
        super().__init__(ssl.PROTOCOL_TLS_CLIENT)


print(result(Pinned())[0])
