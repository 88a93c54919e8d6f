# A callback that runs out of memory by itself, and goes on all the same: the handshake does as well. (Where
# Mbed TLS's memory is the collector's, as on most boards.)

try:
    import gc, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

refused = 0
# Made now: there is no memory for a tuple where it is looked at.
REFUSED = (MemoryError, OSError)
# What there is of memory, in pieces, and not one behind the other: what the collector finds of them in an old
# place of the stack keeps no other.
hold = [None] * 600


def short_of_memory():
    """Tries to make a context where there is no memory for any of it, then for a little more each time."""
    global refused
    held, size = 0, 16384
    while size > 16 and held < len(hold):
        try:
            hold[held] = bytearray(size)
            held += 1
        except MemoryError:
            size //= 2
    for _ in range(8):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.ec_der, pki.ec_key_der)
        except REFUSED:
            refused += 1
        # First for the objects, then for some of what Mbed TLS wants.
        for _ in range(4):
            held -= 1
            hold[held] = None
    while held:
        held -= 1
        hold[held] = None
    gc.collect()


def verify(cert, depth):
    short_of_memory()
    return 0


def sni(sock, name, ctx):
    short_of_memory()


client_ctx = client_context(pki.ca_der)
client_ctx.verify_callback = verify
server_ctx = server_context()
server_ctx.sni_callback = sni
for _ in range(3):
    client, server = connected(client_ctx, server_ctx)[:2]
    client.write(b"well")
    print(server.read(4), client.cipher() == server.cipher())
print(refused > 0)
