# SSLContext.load_cert_chain: what it takes, what it refuses, and what peers see of it.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *

SHOWN = {"ec": pki.ec_der, "rsa": pki.rsa_der, "ec384": pki.ec384_der}


def shown_by(ctx):
    # Which certificate a server with this context shows; the handshake proves the key.
    client, server, _, _ = connected(None, ctx)
    der = client.getpeercert(True)
    return [name for name in SHOWN if SHOWN[name] == der]


def load(label, *args, cls=ssl.SSLContext, **kwargs):
    ctx = cls(ssl.PROTOCOL_TLS_SERVER)
    show(label, lambda: ctx.load_cert_chain(*args, **kwargs) or shown_by(ctx))


# Forms of certificate and key, and Python types that hold them.
FORMS = (
    ("DER", pki.ec_der, pki.ec_key_der),
    ("DER PKCS8", pki.ec_der, pki.ec_pk8_der),
    ("PEM", pki.ec_pem, pki.ec_key),
    ("PEM PKCS8", pki.ec_pem, pki.ec_pk8),
    ("PEM DER", pki.ec_pem, pki.ec_key_der),
    ("DER PEM", pki.ec_der, pki.ec_key),
    ("RSA", pki.rsa_der, pki.rsa_key_der),
    ("P-384", pki.ec384_der, pki.ec384_key_der),
)


def as_bytes(data):
    return data.encode() if isinstance(data, str) else data


def view(data):
    # With something behind it that does not belong to it.
    data = as_bytes(data)
    return memoryview(data + b"\x30\x82-----BEGIN ")[: len(data)]


for form, cert, key in FORMS:
    for cls in (tls.SSLContext, ssl.SSLContext):
        load(form, cert, key, cls=cls)
        load(form + " bytes", as_bytes(cert), as_bytes(key), cls=cls)
        load(form + " bytearray", bytearray(as_bytes(cert)), bytearray(as_bytes(key)), cls=cls)
        load(form + " memoryview", view(cert), view(key), cls=cls)

load("keywords", certfile=pki.ec_der, keyfile=pki.ec_key_der)
load("one keyword", pki.ec_der, keyfile=pki.ec_key_der)
load("three positional", pki.ec_der, pki.ec_key_der, None)
load("both in one PEM", pki.ec_pem + pki.ec_key)
load("both in one PEM, key first", pki.ec_key + pki.ec_pem, None)
load("both, twice", pki.ec_pem + pki.ec_key, pki.ec_pem + pki.ec_key)
load("text around PEM", "CN=localhost\n" + pki.ec_pem + "\nthe end", "EC key:\n" + pki.ec_key)

# Encrypted keys.
ENCRYPTED = (
    ("PEM", pki.encrypted_key),
    ("PKCS8", pki.encrypted_pk8),
    ("DER", pki.encrypted_pk8_der),
)
for form, key in ENCRYPTED:
    buffer = bytearray(b"secret")
    for password in (
        "secret",
        b"secret",
        buffer,
        memoryview(buffer),
        lambda: "secret",
        lambda: b"secret",
        lambda: buffer,
    ):
        load(form + " password", pki.ec_pem, key, password)
    load(form + " keyword", pki.ec_pem, key, password="secret")
    load(form + " wrong password", pki.ec_pem, key, "Secret")
    load(form + " empty password", pki.ec_pem, key, "")
    load(form + " without password", pki.ec_pem, key)
load("password not needed", pki.ec_pem, pki.ec_key, "secret")
load("password is no string", pki.ec_pem, pki.encrypted_key, 1)
load("password is no string, nor needed", pki.ec_pem, pki.ec_key, 1)
load("password callable's result is no string", pki.ec_pem, pki.encrypted_key, lambda: 1)
load("password callable's result is None", pki.ec_pem, pki.encrypted_key, lambda: None)
load("password callable's result is wrong", pki.ec_pem, pki.encrypted_key, lambda: "Secret")
load("password callable's result is empty", pki.ec_pem, pki.encrypted_key, lambda: b"")
for size in (1023, 1024, 1025, 20000):
    load("password is long", pki.ec_pem, pki.encrypted_pk8, "s" * size)
    load("password callable's result is long", pki.ec_pem, pki.encrypted_key, lambda: b"s" * size)
load("password callable wants an argument", pki.ec_pem, pki.encrypted_key, lambda one: "secret")


def fail():
    raise KeyError("no password today")


load("password callable raises", pki.ec_pem, pki.encrypted_key, fail)

# It is asked once, and only when there is something to open; others may use the context
# meanwhile.
asked = []


def ask():
    asked.append(ctx.verify_mode)
    ctx.load_cert_chain(pki.rsa_der, pki.rsa_key_der)
    return "secret"


ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(pki.ec_pem, pki.ec_key, ask)
print(asked, shown_by(ctx))
ctx.load_cert_chain(pki.ec_pem, pki.encrypted_key, ask)
print(asked, shown_by(ctx))
load("password callable raises, not called", pki.ec_pem, pki.ec_key, fail)
for key in (b"garbage", pki.encrypted_key[:100], pki.encrypted_pk8_der[:60], b"\x30\x30", b"0", b""):
    load("password callable raises, " + repr(key[:12]), pki.ec_pem, key, fail)

# What is no key, no certificate or no pair.
for cls in (tls.SSLContext, ssl.SSLContext):
    load("key of another certificate", pki.ec_pem, pki.leaf_key, cls=cls)
    load("key of another kind", pki.ec_der, pki.rsa_key_der, cls=cls)
    load("key of another curve", pki.ec_der, pki.ec384_key_der, cls=cls)
    load("chain in wrong order", pki.intermediate_pem + pki.leaf_pem, pki.leaf_key, cls=cls)
    load("key empty", pki.ec_der, b"", cls=cls)
    load("key nonsense", pki.ec_der, b"nonsense", cls=cls)
    load("key cut", pki.ec_der, pki.ec_key_der[:-1], cls=cls)
    load("key PEM cut", pki.ec_pem, pki.ec_key[:-40], cls=cls)
    load("key is a certificate", pki.ec_pem, pki.ec_pem, cls=cls)
    load("cert empty", b"", pki.ec_key_der, cls=cls)
    load("cert nonsense", b"nonsense", pki.ec_key_der, cls=cls)
    load("cert cut", pki.ec_der[:-1], pki.ec_key_der, cls=cls)
    load("cert PEM cut", pki.ec_pem[:-40], pki.ec_key, cls=cls)
    load("second cert of PEM cut", pki.ec_pem + pki.ca_pem[:-40], pki.ec_key, cls=cls)
    load("cert is a key", pki.ec_key, pki.ec_key, cls=cls)
    load("key is an int", pki.ec_der, 1, cls=cls)
    load("cert is an int", 1, pki.ec_key_der, cls=cls)
    load("cert is None", None, pki.ec_key_der, cls=cls)
    load("both None", None, None, cls=cls)
    load("nothing", cls=cls)
    load("too much", pki.ec_der, pki.ec_key_der, None, None, cls=cls)
    load("unknown keyword", pki.ec_der, pki.ec_key_der, nonsense=1, cls=cls)

# A second call replaces, one that fails does not.
ctx = server_context(pki.rsa_der, pki.rsa_key_der)
print(shown_by(ctx))
ctx.load_cert_chain(pki.ec_pem, pki.ec_key)
print(shown_by(ctx))
show("mismatch", ctx.load_cert_chain, pki.rsa_der, pki.leaf_key)
print(shown_by(ctx))
for _ in range(100):
    ctx.load_cert_chain(pki.ec384_der, pki.ec384_key_der)
print(shown_by(ctx))

# What was given may change afterwards.
cert, key = bytearray(pki.ec_der), bytearray(pki.ec_key_der)
ctx = server_context(cert, key)
cert[:] = key[:] = b""
print(shown_by(ctx))

# A chain is shown whole: the client only knows the root.
ctx = server_context(pki.leaf_pem + pki.intermediate_pem, pki.leaf_key)
print(shake(*pair(client_context(pki.ca_der), ctx)[:2]))
ctx = server_context(pki.leaf_pem, pki.leaf_key)
print(shake(*pair(client_context(pki.ca_der), ctx)[:2])[0])

# Without any the server has nothing to offer.
client, server, _, _ = pair(None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
print(shake(client, server))
