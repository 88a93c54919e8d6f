# Live sockets keep the settings they were made with, whatever becomes of the context.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc
import pki
from link import *

RSA = "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"
ECDSA = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"


def churn():
    """Collects, and overwrites what was freed."""
    gc.collect()
    garbage = [bytearray(b"\xaa" * 200) for _ in range(1000)]
    contexts = [server_context(pki.rsa_der, pki.rsa_key_der) for _ in range(10)]
    return len(garbage) + len(contexts)


def change(client_ctx, server_ctx):
    server_ctx.load_cert_chain(pki.rsa_der, pki.rsa_key_der)
    server_ctx.set_ciphers([RSA])
    server_ctx.load_verify_locations(pki.ca_der)
    server_ctx.verify_mode = ssl.CERT_REQUIRED
    client_ctx.load_verify_locations(pki.other_ca_der)
    client_ctx.set_ciphers([RSA])
    client_ctx.load_cert_chain(pki.client_pem, pki.client_key)
    client_ctx.verify_mode = ssl.CERT_NONE


def contexts():
    client_ctx, server_ctx = client_context(pki.ca_der), server_context()
    client_ctx.set_ciphers([ECDSA])
    return client_ctx, server_ctx


def check(client, server):
    client.write(b"question")
    question = server.read()
    server.write(b"answer")
    print(
        question,
        client.read(),
        client.cipher()[0] == ECDSA,
        client.getpeercert(True) == pki.ec_der,
        server.getpeercert(True),
    )


# Changed at each step of the handshake.
for n in range(6):
    client_ctx, server_ctx = contexts()
    client, server, _, _ = pair(client_ctx, server_ctx)
    for i in range(n):
        step((client, server)[i & 1])
    change(client_ctx, server_ctx)
    churn()
    print(shake(client, server), end=" ")
    check(client, server)

# Gone at each step of the handshake.
for n in range(6):
    client_ctx, server_ctx = contexts()
    client, server, _, _ = pair(client_ctx, server_ctx)
    for i in range(n):
        step((client, server)[i & 1])
    client_ctx = server_ctx = None
    churn()
    print(shake(client, server), end=" ")
    check(client, server)

# __del__ called by hand: the context is over, its sockets are not.
client_ctx, server_ctx = contexts()
client, server, _, _ = pair(client_ctx, server_ctx)
client_ctx.__del__()
client_ctx.__del__()
server_ctx.__del__()
churn()
print(shake(client, server), end=" ")
check(client, server)
for name, args in (
    ("get_ciphers", ()),
    ("set_ciphers", ([ECDSA],)),
    ("load_cert_chain", (pki.ec_der, pki.ec_key_der)),
    ("load_verify_locations", (pki.ca_der,)),
    ("wrap_socket", (link()[0],)),
):
    show(name, getattr(client_ctx, name), *args)
show("verify_mode", lambda: client_ctx.verify_mode)

# A verify_callback that changes its own context.
client_ctx, server_ctx = contexts()


def verify(cert, depth):
    if not calls:
        change(client_ctx, server_ctx)
        client_ctx.verify_callback = None
        client_ctx.__del__()
        churn()
    calls.append(depth)
    return 0


calls = []
client_ctx.verify_callback = verify
client, server, _, _ = pair(client_ctx, server_ctx)
print(shake(client, server), calls)

# What is set from now on holds for what is wrapped from now on.
client_ctx, server_ctx = contexts()
old = pair(client_ctx, server_ctx)
change(client_ctx, server_ctx)
new = pair(client_ctx, server_ctx)
print(shake(*old[:2]), shake(*new[:2]))
print(new[0].cipher()[0] == RSA)
print(new[0].getpeercert(True) == pki.rsa_der, new[1].getpeercert(True) is not None)

# Many sockets of one context, the context changing under way.
client_ctx, server_ctx = contexts()
socks = []
for i in range(20):
    client, server, client_end, server_end = connected(client_ctx, server_ctx)
    socks.append((client, server))
    server_ctx.load_cert_chain(pki.ec_pem, pki.ec_key)
    client_ctx.load_verify_locations(pki.other_ca_der)
for i in range(0, 20, 2):
    socks[i] = None
churn()
for client, server in filter(None, socks):
    client.write(b"still")
    assert server.read() == b"still"
print("done")

# Dropped sockets do not close what they were wrapped around, nor disturb it.
client, server, client_end, server_end = connected()
client = server = None
churn()
print(client_end.closed, server_end.closed, len(client_end.rx), len(server_end.rx))
