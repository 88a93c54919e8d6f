# SSLSocket before, during and after its handshake.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *


def describe(sock):
    return sock.version(), sock.cipher(), sock.pending(), sock.close_notify_received


client, server, client_end, server_end = pair()
print(type(client) is ssl.SSLSocket, type(server) is ssl.SSLSocket)

# Before.
print(describe(client), describe(server))
print(client.getpeercert(True), server.getpeercert(True))
show("unwrap", client.unwrap)
print(len(client_end.rx), len(server_end.rx))

# During: SSLWantReadError as long as the peer is to speak.
steps = 0
while True:
    results = []
    for sock in (client, server):
        try:
            results.append(sock.do_handshake())
        except OSError as er:
            results.append(er)
    print(results)
    steps += 1
    if results == [None, None]:
        break
    print("  ", client.version(), server.version(), client.cipher(), client.getpeercert(True))

# After.
print(client.version(), server.version())
print(len(client.cipher()), client.cipher() == server.cipher(), client.cipher()[1])
print(client.cipher()[0] in ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).get_ciphers())
print(client.getpeercert(True) == pki.ec_der, type(client.getpeercert(True)))
print(server.getpeercert(True))
print(client.getpeercert(), client.getpeercert(False), server.getpeercert())  # not verified
print(client.do_handshake(), server.do_handshake(), len(client_end.rx), len(server_end.rx))
client.write(b"x")
print(server.read(1))

# Reading and writing shake hands as well.
client, server, client_end, server_end = pair()
for _ in range(10):
    if client.write(b"hello") is not None:
        break
    server.read(5)
print(server.read(5), client.version(), server.version())

# With do_handshake_on_connect, the default, over a transport that waits.
server_ctx = server_context()


def blocking_end(peer):
    # An end whose reads let the other side act until something has arrived.
    def hook(what):
        if what == "read" and not client_end.rx:
            step(peer)

    return hook


client_end, server_end = link()
server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
client_end.hook = blocking_end(server)
client = client_context(pki.ca_der).wrap_socket(client_end, server_hostname=HOST)
print(client.version(), client.getpeercert(True) == pki.ec_der)

# ... and over one that does not: wrap_socket waits until it is done.
client_end, server_end = link()
server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
turns = [0]


def slow(what):
    turns[0] += 1
    if what == "read" and not client_end.rx and turns[0] % 5 == 0:
        step(server)


client_end.hook = slow
client = ssl.wrap_socket(client_end)
print(client.version(), turns[0] > 10)

# A server that gets garbage, and a client.
client, server, client_end, server_end = pair()
server_end.rx.extend(b"GET / HTTP/1.0\r\n\r\n")
print(is_no_tls(step(server)), repr(step(client)))
client, server, client_end, server_end = pair()
client_end.rx.extend(b"HTTP/1.0 400 Bad Request\r\n")
print(repr(step(client)), repr(step(server)))
# The peer closes in the middle.
client, server, client_end, server_end = pair()
step(client)
step(server)
server_end.closed = 1
client_end.rx[:] = client_end.rx[:-1]
print(repr(step(client)))
client, server, client_end, server_end = pair()
server_end.closed = 1
print(repr(step(client)), repr(step(client)))

# Peer certificates in both directions.
client_ctx = client_context(pki.ca_der)
client_ctx.load_cert_chain(pki.rsa_der, pki.rsa_key_der)
server_ctx.verify_mode = ssl.CERT_OPTIONAL
server_ctx.load_verify_locations(pki.ca_der)
client, server, _, _ = connected(client_ctx, server_ctx)
print(client.getpeercert(True) == pki.ec_der, server.getpeercert(True) == pki.rsa_der)
cert = client.getpeercert(True)
client.close()
print(cert == pki.ec_der)
