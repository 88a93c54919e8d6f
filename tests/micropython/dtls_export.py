# SSLSocket.export() and restore() of DTLS: with a counter or a leap, behind a listener, with Connection IDs.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc

from datagrams import *

if not ssl.HAS_HIBERNATION:
    print("SKIP")
    raise SystemExit

KEY = bytes(range(32))


class Counter:
    def __init__(self):
        self.stored = 0

    def next(self):
        return self.stored + 1

    def advance(self, n):
        if n <= self.stored:
            raise ValueError("used")
        self.stored = n


class No(Counter):
    def advance(self, n):
        return False


def number(datagram):
    """That of its record, without the epoch."""
    return int.from_bytes(datagram[5:11], "big")


def record(network, sock, data=b"x"):
    sock.write(data)
    return network.sent[-1][2]


for cid in (None, 4):
    network = Network()
    listener, server_sock = listening(network, cid)
    ctx = client_context(cid)
    client, client_sock = calling(network, b"client", ctx)
    server = meet(listener, client)
    client.write(b"quiet")
    print(server.read(100))

    # With a counter each number is the next one.
    counter = Counter()
    last = number(record(network, client))
    print(server.read(100))
    state = client.export(key=KEY, counter=counter)
    sent = len(network.sent)
    client = ctx.restore(client_sock, state, key=KEY, counter=counter)
    print(len(network.sent) - sent, number(record(network, client)) - last, server.read(100))
    show("again", ctx.restore, client_sock, state, key=KEY, counter=counter)

    # Without, it leaps, by less than 2**40; and never twice the same way.
    for key in (KEY, None):
        last = number(record(network, client))
        print(server.read(100))
        state = client.export(key=key)
        numbers, clients = [], []
        for _ in range(3):
            clients.append(ctx.restore(client_sock, state, key=key))
            numbers.append(number(record(network, clients[-1])) - last)
            server.read(100)
        # The server's window only goes up.
        client = clients[numbers.index(max(numbers))]
        del clients
        print(len(set(numbers)) == len(numbers), min(numbers) > 0, max(numbers) <= 1 << 40)
    print(client.write(b"high"), server.read(100), server.write(b"back"), client.read(100))

    # Until there are no numbers left.
    times = 0
    try:
        while True:
            state = client.export(key=KEY)
            client = ctx.restore(client_sock, state, key=KEY)
            times += 1
    except ValueError as er:
        print(er, 400 < times < 650)
    client, client_sock = calling(network, b"client", ctx)
    server.close()
    server = meet(listener, client)
    client.write(b"x")

    # The server's end, by another listener, of another life, where the client may be already.
    print(server.read(100))
    before = server.cipher(), server.version(), server.connection_id
    state = server.export(key=KEY, counter=counter)
    show("gone", server.read, 1)
    client.write(b"into the void")
    print(listener.accept(), listener.dropped)
    listener.close()
    listener, server_sock = listening(network, cid)
    sleeping = client.export(key=None)
    show("not a client", listener.restore, sleeping, key=None)
    show("never", listener.restore, state, key=KEY, counter=No())
    server, address = listener.restore(state, key=KEY, counter=counter)
    print(address, server.hibernating, (server.cipher(), server.version(), server.connection_id) == before)
    show("again", listener.restore, state, key=KEY, counter=counter)
    # Both ends have forgotten all, and go on.
    client = ctx.restore(client_sock, sleeping, key=None)
    print(client.write(b"here"), server.read(100), server.write(b"there"), client.read(100))
    again = server.export(key=KEY, counter=counter)
    server, address = listener.restore(again, key=KEY, counter=counter)
    print(server.write(b"once more"), client.read(100))

    # With a Connection ID the client may be elsewhere by now, and another in its place.
    other, _ = calling(network, b"other", ctx)
    sleeping = client.export(key=KEY)
    client_sock = Socket(network, b"other" if cid else b"client", SERVER)
    client = ctx.restore(client_sock, sleeping, key=KEY)
    client.write(b"moved")
    print(server.read(100), server.write(b"found"), client.read(100))
    again = server.export(key=KEY, counter=counter)
    if cid:
        Socket(network, b"other")
        other, _ = calling(network, b"other", ctx)
        second = meet(listener, other)
    server, address = listener.restore(again, key=KEY, counter=counter)
    print(address)
    client.write(b"again")
    print(server.read(100))
    again = server.export(key=KEY, counter=counter)
    lone = server_context(cid).restore(server_sock, again, key=KEY, counter=counter)
    show("of no listener", listener.restore, lone.export(key=KEY), key=KEY)
    # A listener that is full, and one that is closed.
    for label in ("closed", "full"):
        network = Network()
        listener, _ = listening(network, cid, clients=1)
        client, _ = calling(network, b"one", ctx)
        first = meet(listener, client)
        client.write(b"x")
        first.read(1)
        state = first.export(key=KEY)
        client, _ = calling(network, b"two", ctx)
        second = meet(listener, client)
        if label == "closed":
            listener.close()
        show(label, listener.restore, state, key=KEY)
    second.close()
    show("room", lambda: listener.restore(state, key=KEY)[1])

# What its settings ask of a connection holds for a client that begins anew on a restored one.
def anew(server, client):
    for _ in range(40):
        try:
            done = step(client)
            server.read(10)
        except OSError as er:
            return er.errno
        if done:
            client.write(b"anew")
            return server.read(100)


def required(cid, is_required):
    ctx = server_context(cid)
    ctx.dtls_cid_required = is_required
    return ctx


for restored in (False, True):
    network = Network()
    listener = required(4, True).listen(Socket(network, SERVER))
    listener.setblocking(False)
    client, _ = calling(network, b"client", client_context(4))
    server = meet(listener, client)
    client.write(b"x")
    server.read(1)
    if restored:
        state = server.export(key=None)
        other = required(4, False).listen(Socket(Network(), SERVER))
        show("not required", other.restore, state, key=None)
        server, _ = listener.restore(state, key=None)
    client, _ = calling(network, b"client", client_context(None))
    came = anew(server, client)
    print("let in without an ID" if came == b"anew" else "refused")

# Who signs, signs for it.
signed = []


def sign(key, digest):
    signed.append(digest)


for restored in (False, True):
    network = Network()
    ctx = server_context()
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(cadata=pki.ca_der)
    ctx.ecdsa_sign_callback = sign
    listener = ctx.listen(Socket(network, SERVER))
    listener.setblocking(False)
    known = client_context()
    known.load_cert_chain(pki.client_pem, pki.client_key)
    client, _ = calling(network, b"client", known)
    server = meet(listener, client)
    client.write(b"x")
    server.read(1)
    if restored:
        state = server.export(key=None)
        ctx.ecdsa_sign_callback = None
        show("nobody signs", listener.restore, state, key=None)
        ctx.ecdsa_sign_callback, ctx.verify_callback = sign, lambda cert, depth: 0
        show("another verifies", listener.restore, state, key=None)
        ctx.verify_callback = None
        server, _ = listener.restore(state, key=None)
    before = len(signed)
    client, _ = calling(network, b"client", known)
    print(anew(server, client), len(signed) - before)

# Who has moved is found by its Connection ID alone, also when it was restored there: the address that it spoke
# from, or came back to, is free for a new client, by whom nothing of it ends.
for way in ((b"NAT",), (b"NAT", b"first")):
    for restored in (False, True):
        network = Network()
        listener, _ = listening(network, 4)
        client, sock = calling(network, b"first", client_context(4))
        server = meet(listener, client)
        for address in way:
            sock.bind(address)
            client.write(b"moved")
            server.read(100)
        if restored:
            for _ in range(2):
                server, where = listener.restore(server.export(key=KEY), key=KEY)
            print(where)
        sock.bind(b"elsewhere")
        other, _ = calling(network, address, client_context(4))
        second = meet(listener, other)
        other.write(b"other")
        client.write(b"still here")
        print(second.read(100), server.read(100))
