# ssl.wrap_socket and SSLContext.wrap_socket: their arguments.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *


def wrapped(server_kwargs, client_kwargs):
    a, b = link()
    server = ssl.wrap_socket(b, server_side=True, do_handshake=False, **server_kwargs)
    client = ssl.wrap_socket(a, do_handshake=False, **client_kwargs)
    results = shake(client, server)
    if results == (True, True):
        return client.getpeercert(True) == pki.ec_der, server.getpeercert(True) is not None
    return results


# Keywords of upstream's wrap_socket, and CPython's for the same.
key_cert = {"key": pki.ec_key_der, "cert": pki.ec_der}
for kwargs in (
    key_cert,
    {"key": pki.ec_key, "cert": pki.ec_pem},
    {"keyfile": pki.ec_key_der, "certfile": pki.ec_der},
    {"keyfile": pki.ec_key, "certfile": pki.ec_pem},
    {"key": pki.ec_key_der, "certfile": pki.ec_pem},
    {"cert": pki.ec_pem + pki.ec_key},
    {"key": pki.ec_key_der, "cert": pki.ec_der, "ssl_version": 5},
    {"key": pki.ec_key_der, "cert": pki.ec_der, "keyfile": None, "certfile": None},
):
    show("server", wrapped, kwargs, {})
for kwargs in (
    {"cert_reqs": ssl.CERT_NONE},
    {"cert_reqs": ssl.CERT_NONE, "server_hostname": "elsewhere.example"},
    {"cert_reqs": ssl.CERT_OPTIONAL},
    {"cert_reqs": ssl.CERT_REQUIRED},
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": HOST},
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": HOST, "cadata": pki.ca_der},
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": HOST, "cadata": pki.ca_pem},
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": HOST, "cadata": pki.ca_pem.encode()},
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": HOST, "ca_certs": pki.ca_der},
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": HOST, "ca_certs": pki.ca_pem},
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": HOST, "cadata": pki.other_ca_der},
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "elsewhere.example", "cadata": pki.ca_der},
    {"cert_reqs": 3},
    {"cadata": b"nonsense"},
    {"ca_certs": b"nonsense"},
    {"key": b"nonsense", "cert": pki.client_pem},
    {"key": pki.client_key},
    {"nonsense": 1},
):
    show("client", wrapped, key_cert, kwargs)
show(
    "mutual",
    wrapped,
    {
        "key": pki.ec_key,
        "cert": pki.ec_pem,
        "cert_reqs": ssl.CERT_REQUIRED,
        "cadata": pki.ca_pem,
    },
    {"key": pki.client_key, "cert": pki.client_pem},
)

# Positional arguments, in upstream's order.
a, b = link()
server = ssl.wrap_socket(b, True, pki.ec_key_der, pki.ec_der, ssl.CERT_NONE, None, None, False)
client = ssl.wrap_socket(
    a, False, None, None, ssl.CERT_REQUIRED, pki.ca_der, "localhost", do_handshake_on_connect=False
)
print(shake(client, server), client.getpeercert(True) == pki.ec_der)
show("no socket", ssl.wrap_socket)
show("too many", ssl.wrap_socket, a, *([None] * 20))

# Either name of do_handshake defers it; by default it is done at once.
for kwargs in (
    {"do_handshake": False},
    {"do_handshake_on_connect": False},
    {"do_handshake": False, "do_handshake_on_connect": None},
    {},
    {"do_handshake": True},
):
    a, b = link()
    b.closed = 1  # a handshake fails at once
    show(sorted(kwargs), lambda: ssl.wrap_socket(a, **kwargs).version())

# A context's side and that of wrap_socket.
for cls in (tls.SSLContext, ssl.SSLContext):
    server_ctx, client_ctx = cls(ssl.PROTOCOL_TLS_SERVER), cls(ssl.PROTOCOL_TLS_CLIENT)
    server_ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
    client_ctx.load_verify_locations(pki.ca_der)
    client_ctx.verify_mode = ssl.CERT_REQUIRED
    client, server, _, _ = connected(client_ctx, server_ctx)
    print(client.version())
    end = link()[0]
    show(
        "client as server",
        client_ctx.wrap_socket,
        end,
        server_side=True,
        do_handshake_on_connect=False,
        server_hostname=HOST,
    )
    print(end.closed)
    show("no socket", client_ctx.wrap_socket)
    show("unknown", client_ctx.wrap_socket, end, server_hostname=HOST, nonsense=1)

# server_hostname: str or bytes.
for hostname in (HOST, HOST.encode()):
    print(shake(*pair(client_context(pki.ca_der), None, hostname)[:2]))
print(repr(shake(*pair(client_context(pki.ca_der), None, "x" * 255)[:2])[0]))
show("too long", pair, client_context(pki.ca_der), None, "x" * 256)
show("nonsense", pair, client_context(pki.ca_der), None, 5)
