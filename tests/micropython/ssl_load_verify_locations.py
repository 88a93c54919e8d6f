# SSLContext.load_verify_locations: what it takes, what it refuses, and whom it then trusts.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *

server_ec = server_context()  # signed by ca
server_other = server_context(pki.other_der, pki.other_key_der)  # signed by other_ca


def trusted(ctx):
    # Whom this client trusts.
    ctx.verify_mode = ssl.CERT_REQUIRED
    return [
        name
        for name, server in (("ca", server_ec), ("other_ca", server_other))
        if shake(*pair(ctx, server)[:2])[0] is True
    ]


def load(label, *args, cls=ssl.SSLContext, **kwargs):
    ctx = cls(ssl.PROTOCOL_TLS_CLIENT)
    show(label, lambda: ctx.load_verify_locations(*args, **kwargs) or trusted(ctx))


def as_bytes(data):
    return data.encode() if isinstance(data, str) else data


def view(data):
    # With something behind it that does not belong to it.
    return memoryview(as_bytes(data) + b"\x30\x82")[:-2]


for cls in (tls.SSLContext, ssl.SSLContext):
    print(trusted(cls(ssl.PROTOCOL_TLS_CLIENT)))

    # Forms, the Python types that hold them, and the ways to pass them.
    for form, ca in (
        ("PEM", pki.ca_pem),
        ("DER", pki.ca_der),
        ("two PEM", pki.other_ca_pem + pki.ca_pem),
        ("two DER", pki.ca_der + pki.other_ca_der),
        ("PEM with text", "# my CA\n" + pki.ca_pem + "\n# the end\n"),
        ("PEM with a key", pki.ec_key + pki.ca_pem),
        ("the server's own certificate", pki.ec_der),
    ):
        load(form, cadata=ca, cls=cls)
        load(form + " bytes", cadata=as_bytes(ca), cls=cls)
        load(form + " bytearray", cadata=bytearray(as_bytes(ca)), cls=cls)
        load(form + " memoryview", cadata=view(ca), cls=cls)
        load(form + " positional", as_bytes(ca), cls=cls)
        load(form + " positional None", None, ca, cls=cls)
        load(form + " as cafile", cafile=as_bytes(ca), cls=cls)
    load("PEM str as cafile", cafile=pki.ca_pem, cls=cls)
    load("PEM str positional", pki.ca_pem, cls=cls)
    load("both", cafile=pki.other_ca_der, cadata=pki.ca_der, cls=cls)
    load("both positional", pki.other_ca_der, pki.ca_der, cls=cls)

    load("nothing", cls=cls)
    load("None", None, cls=cls)
    load("None, None", cafile=None, cadata=None, cls=cls)
    load("empty", cadata=b"", cls=cls)
    load("empty str", cadata="", cls=cls)
    load("nonsense", cadata=b"nonsense", cls=cls)
    load("nonsense str", cadata="nonsense", cls=cls)
    load("DER cut", cadata=pki.ca_der[:-1], cls=cls)
    load("DER and more", cadata=pki.ca_der + b"\0", cls=cls)
    load("second DER cut", cadata=pki.ca_der + pki.other_ca_der[:-1], cls=cls)
    load("PEM cut", cadata=pki.ca_pem[:-40], cls=cls)
    load("second PEM cut", cadata=pki.ca_pem + pki.other_ca_pem[:-40], cls=cls)
    load("first PEM cut", cadata=pki.ca_pem[:-40] + pki.other_ca_pem, cls=cls)
    load("PEM spoilt", cadata=pki.ca_pem.replace("MI", "M!"), cls=cls)
    load("a key", cadata=pki.ec_key, cls=cls)
    load("an int", cadata=1, cls=cls)
    load("a list", cadata=[pki.ca_der], cls=cls)
    load("cafile an int", cafile=1, cls=cls)
    load("too many", pki.ca_der, None, None, cls=cls)
    load("unknown keyword", file="/etc/ssl/certs", cls=cls)

# A second call adds; one that fails adds nothing.
ctx = client_context(pki.other_ca_pem)
print(trusted(ctx))
ctx.load_verify_locations(cadata=pki.ca_der)
print(trusted(ctx))
show("invalid", ctx.load_verify_locations, cadata=b"nonsense")
print(trusted(ctx))
ctx = client_context(pki.ca_der)
show("invalid", ctx.load_verify_locations, cadata=pki.other_ca_der + pki.ec_der[:-1])
print(trusted(ctx))
for _ in range(50):
    ctx.load_verify_locations(pki.ca_pem)
print(trusted(ctx))

# What was given may change afterwards.
data = bytearray(pki.ca_der)
ctx = client_context(data)
data[:] = b""
print(trusted(ctx))
