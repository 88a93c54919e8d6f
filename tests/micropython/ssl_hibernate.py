# SSLSocket.hibernate(), and SSLContext.hibernate_after.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import select
import time

import pki
from link import *

if not ssl.HAS_HIBERNATION:
    print("SKIP")
    raise SystemExit

client, server, client_end, server_end = pair(client_context(pki.ca_der))
show("before the handshake", client.hibernate)
print(shake(client, server))


def properties(sock):
    cert = getattr(sock, "getpeercert", lambda _: None)(True)
    return sock.cipher(), sock.version(), sock.pending(), cert, sock.close_notify_received


# It changes nothing that can be seen, however often.
before = properties(client), properties(server)
for sock in (client, server, client):
    print(sock.hibernate(), sock.hibernating)
print((properties(client), properties(server)) == before)

# A write wakes, a read wakes.
print(client.write(b"one"), client.hibernating, server.hibernating)
print(server.read(3), server.hibernating)
for n in (1, 100, 4000):
    client.hibernate()
    server.hibernate()
    data = bytes(range(256)) * 16
    assert client.write(data[:n]) == n and server.read(n) == data[:n]
    client.hibernate()
    assert server.write(data[:n]) == n and client.read(n) == data[:n]
print(client.hibernate(), client.read(10), client.hibernating)

# poll does not wake it.
poller = select.poll()
poller.register(client, select.POLLIN)
print(client.hibernate(), poller.poll(0), client.hibernating)
server.write(b"something")
print(len(poller.poll(0)), client.hibernating)

# Data that is come, or half read, is not quiet.
print(client.read(1), client.hibernate(), client.read(100), client.hibernate())
server.hibernate()
server_end.block_writes = True
show("blocked", server.write, b"waits")
print(server.hibernate())
server_end.block_writes = False
print(server.write(b"waits"), client.read(10))

# Its stream raises when it is woken: it is awake then, and goes on.
client.hibernate()
client_end.hook = lambda what: 1 // 0
show("raises", client.read, 1)
show("raises", client.write, b"x")
client_end.hook = None
print(client.write(b"x"), server.read(1))

# The end.
client.hibernate()
server.hibernate()
client.close()
print(server.hibernating, server.read(1), server.hibernating, server.close_notify_received)
show("at the end", server.hibernate)
server.close()
show("closed", server.hibernate)
show("closed", lambda: server.hibernating)

# Dropped asleep.
client, server, client_end, server_end = connected()
print(client.hibernate(), server.hibernate())
del client, server

# By itself: never, unless told.
ctx = client_context()
print(ctx.hibernate_after)
for value in (-1, -(1 << 40), 1 << 40):
    show(f"hibernate_after {value}", setattr, ctx, "hibernate_after", value)
show("hibernate_after", setattr, ctx, "hibernate_after", "x")
ctx.hibernate_after = None
client, server, client_end, server_end = connected(ctx)
client.write(b"x")
poller = select.poll()
poller.register(client, select.POLLIN)
poller.poll(0)
print(client.hibernating)

# At once.
ctx.hibernate_after = 0
print(ctx.hibernate_after)
client, server, client_end, server_end = connected(ctx)
print(client.hibernating, client.write(b"x"), client.hibernating)
print(server.write(b"yz"), client.read(1), client.hibernating, client.read(1), client.hibernating)
print(client.read(1), client.hibernating)
poller = select.poll()
poller.register(client, select.POLLIN)
print(poller.poll(0), client.hibernating)

# After a while, noticed when it is polled.
ctx.hibernate_after = 50
client, server, client_end, server_end = connected(ctx)
client.write(b"x")
poller = select.poll()
poller.register(client, select.POLLIN)
print(poller.poll(0), client.hibernating)
time.sleep_ms(60)
server.write(b"y")
print(len(poller.poll(0)), client.hibernating)
print(client.read(1), poller.poll(0), client.hibernating)
time.sleep_ms(60)
print(poller.poll(0), client.hibernating)
print(client.write(b"z"), server.read(10))

# Without the peer's certificate, which takes more than all the rest asleep.
if hasattr(ctx, "keep_peer_cert"):
    ctx = client_context(pki.ca_der)
    kept = ctx.keep_peer_cert
    ctx.keep_peer_cert = False
    client, server, client_end, server_end = connected(ctx)
    print(kept, ctx.keep_peer_cert, client.getpeercert(True), client.getpeercert())
    client.hibernate()
    client.write(b"x")
    print(server.read(1), client.getpeercert(True), server.getpeercert(True))
else:
    print("True False None None")
    print("b'x' None None")
