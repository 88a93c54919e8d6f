"""What a sensor's waking costs, on the board. Prints JSON. It is sent there behind memory_link.py and a line each for
HOW, VERSION, and the credentials.

A waking is all that the device does after its reset: it makes its context, connects, says forty bytes, and keeps what
the next one needs. HOW is "full", a handshake; "resumed", one with a saved session; or "restored", the connection of
the last waking. Instructions are the device's alone, what its peer does is not counted.
"""

import board
import gc
import json
import tls

try:
    from ssl import OP_NO_TICKET, SSLSession  # upstream has neither
except ImportError:
    pass

DATA = bytes(40)
spent = 0
saved = None


class Counter:
    """In the place of one in storage that survives."""

    stored = 0

    def next(self):
        return self.stored + 1

    def advance(self, n):
        self.stored = n


def device(fun, *args, **given):
    """A call that is the device's."""
    global spent
    start = board.instructions()
    try:
        return fun(*args, **given)
    finally:
        spent += board.instructions() - start


def context():
    ctx = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    ctx.load_verify_locations(CA)
    offer(ctx, SUITE, VERSION)
    if HOW == "resumed":
        ctx.options &= ~OP_NO_TICKET
    if HOW != "full":
        ctx.keep_peer_cert = False
    return ctx


def connect(ctx, link, session):
    more = {"session": SSLSession(session)} if session else {}
    return ctx.wrap_socket(link, server_hostname="localhost", do_handshake_on_connect=False, **more)


def keep(sock):
    """For the next waking."""
    if HOW == "resumed":
        sock.read(1)  # a ticket of TLS 1.3 is behind the handshake
        session = sock.session.serialize()
        sock.close()
        return session
    if HOW == "restored":
        return sock.export(key=KEY, counter=counter)
    sock.close()


def waking(saved):
    """What it keeps, and what it has cost: instructions, bytes both ways, how often the peer was waited for."""
    global server, spent
    gc.collect()
    spent, before, trips = 0, [end.sent for end in link], 0
    ctx = device(context)
    if saved and HOW == "restored":
        sock = device(ctx.restore, link[0], saved, key=KEY, counter=counter)
    else:
        sock = device(connect, ctx, link[0], saved)
        server = server_context.wrap_socket(link[1], server_side=True, do_handshake_on_connect=False)
    while device(sock.write, DATA) is None:
        server.read(1)
        trips += 1
    assert server.read(len(DATA)) == DATA
    kept = device(keep, sock)
    figures = {
        "instructions": spent,
        "bytes": sum(end.sent for end in link) - sum(before),
        "round_trips": trips,
        "kept": len(kept or b""),
    }
    if HOW != "restored":
        link[0].start = link[0].end = link[1].start = link[1].end = 0
    return kept, figures


KEY = bytes(32)
counter = Counter()
link = pipes(6000)
server_context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
server_context.load_cert_chain(EC, EC_KEY)
if HOW == "resumed":
    server_context.num_tickets = 1
for _ in range(3):
    saved, figures = waking(saved)
print(json.dumps(figures))
