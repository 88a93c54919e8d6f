# SSLContext.verify_callback: what it is called with, and what its result does.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import binascii
import gc
import pki
from link import *


def der(pem):
    return binascii.a2b_base64("".join(pem.split("\n")[1:-2]))


CHAIN = {der(pki.leaf_pem): "leaf", der(pki.intermediate_pem): "intermediate", pki.ca_der: "ca"}
server_ctx = server_context(pki.leaf_pem + pki.intermediate_pem, pki.leaf_key)


def verified(callback, ca=pki.ca_der, mode=ssl.CERT_REQUIRED):
    """What the handshake comes to for the client, then what do_handshake says the next time."""
    ctx = client_context()
    ctx.load_verify_locations(ca)
    ctx.verify_mode = mode
    ctx.verify_callback = callback
    client, server, _, _ = pair(ctx, server_ctx)
    results = shake(client, server)
    return results[0], step(client), results[1]


# The chain, from the root down.
calls = []


def record(cert, depth):
    calls.append((type(cert), CHAIN.get(bytes(cert)), depth))
    return 0


print(verified(record))
print(calls)
# Not called where nothing is verified; with CERT_OPTIONAL it is.
calls[:] = []
print(verified(record, mode=ssl.CERT_NONE), calls)
print(verified(record, mode=ssl.CERT_OPTIONAL), [call[1] for call in calls])

# Accepting a certificate does not hide what else is wrong with it.
calls[:] = []
print(repr(verified(record, pki.other_ca_der)[0]), [call[1] for call in calls])

# Results. Each refusal is reported once.
for result in (0, False, 1, True, 255, -1, -5, -255, -256, -300, -9984, -(1 << 31), (1 << 31) - 1):
    client, after, server = verified(lambda cert, depth: result)
    # Those of an OSError after the number are Mbed TLS's words for it, if it has any.
    print(result, client if client is True else client.errno, after, server)
for result in (1 << 31, 1 << 32, 1 << 62, -(1 << 32)):
    print(result, *verified(lambda cert, depth: result))
for result in (None, "0", 0.0, [], b""):
    client, after, server = verified(lambda cert, depth: result)
    print(result, type(client).__name__, after, server)

# Refusing one certificate of the chain is enough.
for depth_refused in (0, 1, 2):
    client, _, server = verified(lambda cert, depth: 7 if depth == depth_refused else 0)
    print(depth_refused, client.errno, server)


# Exceptions come out as themselves, and the connection is over.
class Mine(Exception):
    pass


for exception in (
    ValueError("no"),
    OSError(EAGAIN),
    MemoryError("none"),
    Mine(1, 2),
    KeyboardInterrupt(),
    SystemExit(3),
):
    seen = []

    def raising(cert, depth):
        seen.append(depth)
        raise exception

    ctx = client_context(pki.ca_der)
    ctx.verify_callback = raising
    client, server, _, _ = pair(ctx, server_ctx)
    for _ in range(5):
        try:
            client.do_handshake()
            print("done")
        except OSError as er:
            if er is exception:
                print("itself", seen)
                break
        except BaseException as er:
            print("itself" if er is exception else repr(er), seen)
            break
        step(server)
    print(repr(step(client)), repr(step(server)))

for callback in (1, "x", lambda: 0, lambda cert: 0, lambda a, b, c: 0):
    print([type(r).__name__ for r in verified(callback)])

# A certificate that is kept stays what it was, whatever becomes of the connection.
kept = []


def keep(cert, depth):
    kept.append(cert)
    return 0


verified(keep)
verified(keep, pki.other_ca_der)
gc.collect()
garbage = [bytearray(b"\xaa" * 600) for _ in range(500)]
print([CHAIN.get(bytes(cert)) for cert in kept])

# The callback is an attribute: None again means none. A socket keeps the one it was made with.
ctx = client_context(pki.ca_der)
print(ctx.verify_callback)
ctx.verify_callback = record
print(ctx.verify_callback is record)
calls[:] = []
client, server, _, _ = pair(ctx, server_ctx)
ctx.verify_callback = lambda cert, depth: 1
print(shake(client, server), len(calls))
ctx.verify_callback = record
calls[:] = []
client, server, _, _ = pair(ctx, server_ctx)
ctx.verify_callback = None
print(ctx.verify_callback)
print(shake(client, server), len(calls))
calls[:] = []
print(shake(*pair(ctx, server_ctx)[:2]), len(calls))

# Server side.
server_ctx = server_context()
server_ctx.verify_mode = ssl.CERT_REQUIRED
server_ctx.load_verify_locations(pki.ca_der)
CHAIN[der(pki.client_pem)] = "client"
server_ctx.verify_callback = lambda cert, depth: print(depth, CHAIN[bytes(cert)]) or 0
ctx = client_context()
ctx.load_cert_chain(pki.client_pem, pki.client_key)
print(shake(*pair(ctx, server_ctx)[:2]))
server_ctx.verify_callback = lambda cert, depth: 42
client, server = shake(*pair(ctx, server_ctx)[:2])
print(client, server.errno)
