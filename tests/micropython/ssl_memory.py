# SSLContext.max_fragment_length, SSLContext.keep_peer_cert, and whether buffers come and go.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *

print(type(tls.RECORD_BUFFERS), ssl.RECORD_BUFFERS == tls.RECORD_BUFFERS)

ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print(ctx.max_fragment_length, ctx.keep_peer_cert)


def set_length(value):
    ctx.max_fragment_length = value
    return ctx.max_fragment_length


for length in (512, 1024, 2048, 4096, None):
    show(length, set_length, length)
ctx.max_fragment_length = 1024
for bad in (0, 1, -1, 511, 513, 8192, 16384, 65536 + 512, "512", 512.0):
    show(bad, set_length, bad)
print(ctx.max_fragment_length)


def carry(sender, receiver, data):
    """Sends all of it; the longest piece that arrived."""
    sender.write(data)
    got, longest = b"", 0
    while len(got) < len(data):
        piece = receiver.recv(5000)
        longest = max(longest, len(piece))
        got += piece
    print(got == data, longest)


data = bytes(range(256)) * 16
for client_length, server_length in (
    (None, None),
    (512, None),
    (None, 1024),
    (2048, 512),
    (4096, 4096),
):
    client_ctx, server_ctx = client_context(), server_context()
    client_ctx.max_fragment_length = client_length
    server_ctx.max_fragment_length = server_length
    client, server, _, _ = connected(client_ctx, server_ctx)
    # What a socket was made with holds.
    client_ctx.max_fragment_length = server_ctx.max_fragment_length = None
    print(client_length, server_length)
    carry(client, server, data)
    carry(server, client, data)

for keep in (True, False, 1, 0, None):
    client_ctx = client_context(pki.ca_der)
    client_ctx.keep_peer_cert = keep
    client = connected(client_ctx)[0]
    print(
        client_ctx.keep_peer_cert,
        client.getpeercert(True) == pki.ec_der,
        client.getpeercert() is None,
    )
