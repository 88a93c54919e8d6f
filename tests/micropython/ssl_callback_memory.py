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


def short_of_memory():
    """Tries to make a context when there is no memory for it."""
    global refused
    hold, size = None, 4096
    while size > 48:
        try:
            hold = (hold, bytearray(size))
        except MemoryError:
            size //= 2
    # Some pieces for the objects, none for what Mbed TLS wants.
    for _ in range(6):
        hold = hold[0]
    try:
        for _ in range(3):
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.ec_der, pki.ec_key_der)
    except (MemoryError, OSError):
        refused += 1
    hold = None
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
