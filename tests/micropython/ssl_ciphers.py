# SSLContext.set_ciphers and get_ciphers.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *

A = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"
B = "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"
RSA = "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"
CCM = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM"
CCM_8 = "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8"
CHACHA = "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256"

# By default: forward secrecy and authenticated encryption, in this order.
print("\n".join(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).get_ciphers()))
for protocol in range(4):
    print(ssl.SSLContext(protocol).get_ciphers() == ssl.SSLContext(0).get_ciphers())
# And in tls, over streams, what upstream's tests want.
everything = ssl.SSLContext(0).get_ciphers()
for protocol in range(4):
    enabled = tls.SSLContext(protocol).get_ciphers()
    print(protocol, enabled[: len(everything)] == everything, enabled[len(everything) :])

ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def set_get(ciphers):
    show("set", ctx.set_ciphers, ciphers)
    enabled = ctx.get_ciphers()
    print("   ", "everything" if enabled == everything else enabled)


# In the order given; get_ciphers gives a new list each time.
set_get([B, A])
set_get((A, B))
ctx.get_ciphers().append("nonsense")
print(ctx.get_ciphers())
# IANA's spelling.
set_get([CCM_8.replace("-", "_"), "TLS_ECDHE_ECDSA_WITH-AES-256-GCM-SHA384"])
set_get([A, A])
# Errors change nothing.
set_get([])
set_get(())
set_get(["nonsense"])
set_get([B, "nonsense"])
set_get([""])
set_get([A.lower()])
set_get([A + " "])
set_get([A[:-1]])
set_get(A)
set_get(None)
set_get({A: 1})
set_get([1])
set_get([None])
set_get([B, 1])
show("no argument", ctx.set_ciphers)
# All that there are.
set_get(everything)
ctx.set_ciphers(everything * 10)
print(len(ctx.get_ciphers()) == 10 * len(everything))

# bytes name a suite as well as str do.
set_get([A.encode()])

# What is set is what connections use: the server's choice of what the client offers.
for name in (A, B, CCM, CCM_8, CHACHA):
    client_ctx = client_context()
    client_ctx.set_ciphers([name])
    client, server, _, _ = connected(client_ctx)
    print(client.cipher(), client.cipher() == server.cipher())
server_ctx = server_context()
server_ctx.set_ciphers([CCM_8, A])
client, server, _, _ = connected(None, server_ctx)
print(client.cipher())
server_ctx = server_context(pki.rsa_der, pki.rsa_key_der)
print(connected(None, server_ctx)[0].cipher()[0].startswith("TLS-ECDHE-RSA-WITH-"))

# Nothing in common.
client_ctx.set_ciphers([A])
server_ctx = server_context()
server_ctx.set_ciphers([B])
print(shake(*pair(client_ctx, server_ctx)[:2]))

# What is off is there by name; a server that does not enable it has nothing in common with its client.
for name in ("TLS-RSA-WITH-AES-128-CBC-SHA256", "TLS-ECDHE-RSA-WITH-AES-128-CBC-SHA", "TLS-RSA-WITH-AES-256-GCM-SHA384"):
    client_ctx = client_context()
    client_ctx.set_ciphers([name])
    server_ctx = server_context(pki.rsa_der, pki.rsa_key_der)
    print(shake(*pair(client_ctx, server_ctx)[:2]))
    server_ctx.set_ciphers(server_ctx.get_ciphers() + [name])
    print(connected(client_ctx, server_ctx)[1].cipher())

# A context that is set again and again.
for i in range(100):
    ctx.set_ciphers([A, B] if i & 1 else [CCM])
print(ctx.get_ciphers())
