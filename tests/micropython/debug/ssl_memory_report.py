# SSLContext.memory and SSLSocket.memory, of a build with MPSSL_MEMORY=1.

import sys

sys.path.append("../support")

import gc
import ssl

import pki
from link import *


def now(obj):
    return obj.memory[0]


client_ctx = client_context(pki.ca_der)
server_ctx = server_context()
for ctx in (client_ctx, server_ctx):
    assert 0 < now(ctx) <= ctx.memory[1], ctx.memory

# What a context is given is its own, and so is what it makes for its sockets.
before = now(client_ctx)
client_ctx.load_verify_locations(pki.ca_der)
print("more anchors, more memory", now(client_ctx) > before)

client, server, client_end, server_end = pair(client_ctx, server_ctx)
print("before the handshake", 0 < now(client) < (7000 if ssl.HAS_TLSv1_3 else 6000))
shake(client, server)
for sock in (client, server):
    idle, peak = sock.memory
    print("idle", 500 < idle < 3000, "a handshake takes more", peak > 2 * idle)

# A record that waits to be read is there for as long as it does.
idle = now(server)
client.write(bytes(3000))
server.read(1)
print("a record", 3000 < now(server) - idle < 3100)
while server.pending():
    server.read(1000)
print("is gone", now(server) == idle)

peak = server.memory[1]
contexts = now(client_ctx), now(server_ctx)
for _ in range(20):
    client.write(bytes(1000))
    server.read(1000)
    server.write(bytes(1000))
    client.read(1000)
print("as before", now(server) == idle, server.memory[1] == peak)
print("the contexts too", contexts == (now(client_ctx), now(server_ctx)))

asleep = server.hibernate()
print("asleep", asleep, now(server) < 320)
client.write(b"x")
print(server.read(1), now(server) == idle)

client.close()
server.close()
print("closed", now(client), now(server))
with_sockets = now(client_ctx)
client_ctx.verify_mode = ssl.CERT_NONE  # what was made for sockets is made anew
print("changed", now(client_ctx) < with_sockets)

# Settings that outlive their context are counted for it, and end with the last socket.
client, server, client_end, server_end = pair(client_context(pki.ca_der), server_ctx)
gc.collect()
print(shake(client, server))
client.close()
server.close()
try:
    client.memory = 1
except AttributeError:
    print("cannot be set")
