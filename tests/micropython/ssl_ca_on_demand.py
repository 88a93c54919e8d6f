# CAs that stay where they are, a file or bytes, and are read when a client verifies.

try:
    import hashlib, ssl, sys, os

    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).pinned_pubkeys = bytes(32)
except (ImportError, NotImplementedError):  # without Mbed TLS's callback
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *

NAME = "micropy_ca_on_demand.pem"


def write(data):
    with open(NAME, "wb") as f:
        f.write(data)


def client(*args, **kwargs):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(*args, **kwargs)
    return ctx


def result(ctx, server=None):
    """What the handshake comes to, at the client."""
    got = shake(*pair(ctx, server)[:2])[0]
    return got if got is True else (type(got).__name__, str(got).replace(os.getcwd(), ""))


other_server = server_context(pki.other_der, pki.other_key_der)
both = (pki.other_ca_pem + pki.ca_pem).encode()

# A file.
write(both)
try:
    ctx = client(NAME)
    print(ctx.cert_store_stats()["x509"], result(ctx), result(ctx, other_server))
    unused = pair(ctx)[:2]
    # It is read each time: not there, another, cut short, and as it was.
    os.remove(NAME)
    print(result(ctx))
    print("made before", type(shake(*unused)[0]).__name__)
    for data in (pki.ca_pem.encode(), both[:-1], both + b"\n", b"", pki.ca_pem.encode() + both[len(pki.ca_pem) :]):
        write(data)
        print(result(ctx), result(ctx, other_server)[0])
    write(both)
    print(result(ctx), result(ctx, other_server))
    # More of them, from somewhere else.
    write(pki.other_ca_der)
    ctx = client(NAME)
    print(ctx.cert_store_stats()["x509"], result(ctx)[0], result(ctx, other_server))
    ctx.load_verify_locations(cadata=pki.ca_der)
    print(ctx.cert_store_stats()["x509"], result(ctx), result(ctx, other_server))
    try:
        ctx.load_verify_locations(cadata=b"nonsense")
    except ValueError as er:
        print(er)
    ctx.load_verify_locations(NAME)
    print(ctx.cert_store_stats()["x509"], result(ctx), result(ctx, other_server))
    # A relative name is of the directory where it was loaded.
    before = os.getcwd()
    os.chdir("/")
    print(result(ctx))
    os.chdir(before)
    # The client that does not verify does not look.
    os.remove(NAME)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    print(result(ctx))
    # With CERT_OPTIONAL no file is no answer, too.
    ctx.verify_mode = ssl.CERT_OPTIONAL
    print(result(ctx))
finally:
    try:
        os.remove(NAME)
    except OSError:
        pass

# A compact bundle (docs/ca-bundles.md), and ESP-IDF's, from a file and from bytes.


def element(der, at=0):
    """Where the content of an element begins, and where it ends."""
    n, begin = der[at + 1], at + 2
    if n >= 0x80:
        octets = n - 0x80
        n, begin = int.from_bytes(der[begin : begin + octets], "big"), begin + octets
    return begin, begin + n


def fields(der):
    at, end = element(der, element(der)[0])
    found = []
    while at < end:
        begin, after = element(der, at)
        found.append((at, begin, after))
        at = after
    return found


def key(der):
    _, begin, end = fields(der)[5]
    fnv = 0x811C9DC5
    for byte in der[begin:end].lower():
        fnv = (fnv ^ (0x0C if byte == 0x13 else byte)) * 0x01000193 & 0xFFFFFFFF
    return fnv


def compact(ders):
    ders = sorted(ders, key=key)
    at = 10 + 24 * len(ders)
    index = b""
    for der in ders:
        index += key(der).to_bytes(4, "big") + at.to_bytes(4, "big") + hashlib.sha256(der).digest()[:16]
        at += len(der)
    return b"\xcaBUNDLE\x01" + len(ders).to_bytes(2, "big") + index + b"".join(ders)


def idf(ders):
    bundle = len(ders).to_bytes(2, "big")
    for der in ders:
        (name, _, name_end), (public, _, public_end) = fields(der)[5:7]
        bundle += (name_end - name).to_bytes(2, "big") + (public_end - public).to_bytes(2, "big")
        bundle += der[name:name_end] + der[public:public_end]
    return bundle


for make in (compact, idf):
    data = make([pki.ca_der, pki.other_ca_der])
    write(data)
    try:
        for kwargs in ({"cafile": NAME}, {"cadata": data}):
            ctx = client(**kwargs)
            print(sorted(ctx.cert_store_stats().items()), result(ctx), result(ctx, other_server))
        ctx = client(NAME)
        write(make([pki.ca_der]))
        print(result(ctx)[1], result(client(NAME)), result(client(NAME), other_server)[0])
    finally:
        os.remove(NAME)

# Bytes are kept, and a copy of what may change.
data = bytearray(both)
ctx = client(cadata=data)
data[:] = bytes(len(data))
print(result(ctx), result(ctx, other_server))
for data in (both, both.decode(), memoryview(both), memoryview(bytearray(both)), memoryview(pki.ca_der)):
    ctx = client(cadata=data)
    print(type(data).__name__, ctx.cert_store_stats()["x509"], result(ctx))


# Objects of subclasses can become others.
class Bytes(bytes):
    def become(self, other):
        super().__init__(other)


class View(memoryview):
    def become(self, other):
        super().__init__(other)


for kind in (Bytes, View):
    data = kind(both)
    ctx = client(cadata=data)
    data.become(b"")
    print(kind.__name__, result(ctx))

# Both sides' verify_callback, and what the client finds wrong.
seen = []
ctx = client(cadata=both)
ctx.verify_callback = lambda der, depth: seen.append((depth, len(der))) or 0
print(result(ctx), [depth for depth, _ in seen])
print(result(client(cadata=pki.other_ca_der)))
# The server's certificate itself is trusted.
print(result(client(cadata=pki.ec_der)))
selfsigned = server_context(pki.selfsigned_der, pki.selfsigned_key_der)
print(result(client(cadata=pki.selfsigned_der), selfsigned))
print(result(client(cadata=pki.ca_der), selfsigned))
