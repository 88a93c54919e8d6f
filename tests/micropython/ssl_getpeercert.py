# SSLSocket.getpeercert(): when it says something, and what. (tests/consumers compares what it
# says of certificates of all sorts with CPython.)

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc
import pki
from link import *


def said(sock, *args, **kwargs):
    cert = sock.getpeercert(*args, **kwargs)
    if isinstance(cert, dict):
        return sorted(cert.items())
    return cert == pki.ec_der if isinstance(cert, bytes) else cert


# Before the handshake is over there is none.
client, server, _, _ = pair(client_context(pki.ca_der))
print(said(client), said(client, True), said(server))
print(shake(client, server))

# After it, of one that was verified.
for item in said(client):
    print(item)
print(said(client) == said(client, False) == said(client, binary_form=False))
print(said(client, True), said(client, 1), said(client, binary_form=True))
print(said(server), said(server, True))
show("too much", client.getpeercert, True, True)
show("unknown keyword", client.getpeercert, binary=True)

# Each call makes its own.
cert = client.getpeercert()
cert["subject"] = None
print(client.getpeercert()["subject"])
client.close()
show("closed", client.getpeercert)

# Not verified: nobody vouches for what it says. The DER is there all the same.
client, server, _, _ = connected()
print(said(client), said(client, True))

# CERT_OPTIONAL goes on with any; what it says is there if it was found good.
ELSEWHERE = "elsewhere.example"
for ca, hostname in ((pki.ca_der, HOST), (pki.other_ca_der, HOST), (pki.ca_der, ELSEWHERE)):
    ctx = client_context(ca)
    ctx.verify_mode = ssl.CERT_OPTIONAL
    client, server, _, _ = connected(ctx, hostname=hostname)
    print(len(client.getpeercert()), said(client, True))

# A verify_callback that accepts does not make it good.
for ca in (pki.ca_der, pki.other_ca_der):
    ctx = client_context(ca)
    ctx.verify_mode = ssl.CERT_OPTIONAL
    ctx.verify_callback = lambda cert, depth: 0
    client, server, _, _ = connected(ctx)
    print(len(client.getpeercert()))

# The client's, at the server. What the context becomes later is for later sockets.
ctx = server_context()
ctx.verify_mode = ssl.CERT_REQUIRED
ctx.load_verify_locations(cadata=pki.ca_der)
own = client_context(pki.ca_der)
own.load_cert_chain(pki.client_pem, pki.client_key)
client, server, _, _ = connected(own, ctx)
ctx.verify_mode = ssl.CERT_NONE
print(server.getpeercert()["subject"])

# Nothing is lost from call to call.
client, server, _, _ = connected(client_context(pki.ca_der))
client.getpeercert()
gc.collect()
before = gc.mem_alloc()
for _ in range(100):
    client.getpeercert()
gc.collect()
print(gc.mem_alloc() - before < 2000)
