"""What credentials.py measures, on the board. Prints JSON. It is sent there behind memory_link.py, the signers
of the tests, and a line for WHAT, VERSION and each credential.

WHAT is "keys": handshakes with a key in memory, and with an object that signs in its place; or "trust": what a
client takes of memory to trust many CAs, which come in STORE.
"""

import board
import gc
import json
import tls

figures = {}


class Key(EcKey if WHAT == "keys" else object):
    """Counts what it takes itself, which is the chip's matter."""

    spent = 0

    def sign(self, digest):
        start = board.instructions()
        p, order, x, y = CURVES[self.n]
        k = int.from_bytes(digest, "big") | 1  # for a figure, and no secret
        r = multiply(k, (x, y, 1), p)[0] % order
        s = pow(k, order - 2, order) * (int.from_bytes(digest[: self.n], "big") + r * self.d) % order
        made = r.to_bytes(self.n, "big") + s.to_bytes(self.n, "big")
        gc.collect()  # what it leaves behind is not searched by who allocates next
        self.spent += board.instructions() - start
        return made


def contexts(key=None, checks=True):
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(EC, key or EC_KEY)
    if not checks:
        server.check_own_signature = False
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    offer(client, AES_128_SUITE, VERSION)
    return client, server


def load(context, store):
    """Upstream's module takes one certificate of DER at a time, and refuses what it cannot read."""
    if hasattr(context, "cert_store_stats"):
        context.load_verify_locations(store)
        return
    at = 0
    while at < len(store):
        end = at + 4 + (store[at + 2] << 8 | store[at + 3])
        try:
            context.load_verify_locations(bytes(store[at:end]))
        except ValueError:
            pass
        at = end


def counted(name, client_context, server_context, key=None):
    ends = pipes(6000)
    gc.collect()
    board.begin()
    held = board.tracked()[0]
    start = board.instructions()
    both = handshake(client_context, server_context, *ends)
    taken = board.instructions() - start
    figures[name + "_instructions"] = taken - (key.spent if key else 0)
    figures[name + "_peak"] = board.tracked()[1] - held
    return both


if WHAT == "keys":
    for name, key, checks in (
        ("memory", None, True),
        ("object", Key(EC_KEY), True),
        ("unchecked", Key(EC_KEY), False),
    ):
        client, server = contexts(key, checks)
        client.load_verify_locations(CA)
        counted(name, client, server, key)
else:
    client, server = contexts()
    client.verify_mode = tls.CERT_NONE
    both = counted("unverified", client, server)
    del both
    for name, store in (("one", CA), ("all", STORE)):
        gc.collect()
        client, server = contexts()
        before = board.tracked()[0]
        load(client, store)
        figures[name + "_kept"] = board.tracked()[0] - before
        both = counted(name, client, server)
        del both
    # All in memory, as a server of ours has them.
    del client, server
    gc.collect()
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    before = board.tracked()[0]
    load(server, STORE)
    figures["memory_kept"] = board.tracked()[0] - before
print(json.dumps(figures))
