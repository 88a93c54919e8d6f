# How many clients a listener has room for, and by what it finds them.

try:
    import gc, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from datagrams import *


def listen(**kwargs):
    listening(Network(), **kwargs)


show("no clients", listen, clients=0)
show("too many", listen, clients=32767)
show("most", listen, clients=32766)
show("positional", server_context().listen, Socket(Network(), SERVER), 4)


def works(server, client, message):
    client.write(message)
    return server.read(100)


# There is room for two: whoever comes then is not heard until one of them has gone.
for cid in (None, 4):
    network = Network()
    listener, _ = listening(network, cid, clients=2)
    ctx = client_context(cid)
    clients = [calling(network, b"%d" % n, ctx)[0] for n in range(3)]
    servers = [meet(listener, client) for client in clients[:2]]
    dropped = listener.dropped
    step(clients[2])
    print(listener.accept())
    step(clients[2])
    print(listener.accept(), listener.dropped - dropped)
    print([works(servers[n], clients[n], b"%d" % n) for n in range(2)])
    servers[0].close()
    clients[0].close()
    late, _ = calling(network, b"late", ctx)
    servers[0] = meet(listener, late)
    print(works(servers[0], late, b"late"), works(servers[1], clients[1], b"still"))

# No two have the same Connection ID, however short it is.
network = Network()
listener, _ = listening(network, 1)
ctx = client_context(0)
pairs = []
for n in range(60):
    client, sock = calling(network, b"%d" % n, ctx)
    pairs.append((meet(listener, client), client, sock))
print(len(set(server.connection_id[0] for server, _, _ in pairs)))
for n, (server, client, sock) in enumerate(pairs):
    sock.bind(b"moved %d" % n)
print([n for n, pair in enumerate(pairs) if works(pair[0], pair[1], b"%d" % n) != b"%d" % n])
del pairs

# The settings of connections to be are not those of the ones there are.
network = Network()
sock = Socket(network, SERVER)
server_ctx = server_context(4)
listener = server_ctx.listen(sock)
listener.setblocking(False)
pairs = []
for cid in (4, 1, 8, None, 0):
    server_ctx.dtls_cid = cid
    client, client_sock = calling(network, b"cid %s" % str(cid).encode(), client_context(0))
    server = meet(listener, client)
    pairs.append((server, client, client_sock))
for n, (server, client, client_sock) in enumerate(pairs):
    if n < 3:
        client_sock.bind(b"moved %d" % n)
    print(len((server.connection_id or (b"",))[0]), works(server, client, b"here"), server.write(b"you"), client.read(9))

# An address is what the socket says it is: bytes, or a tuple.
for address in (b"", ("text",), ("192.0.2.1", 5683), ("2001:db8::1", 5683, 0, 7), ()):
    network = Network()
    sock = Socket(network, SERVER)
    listener = server_context().listen(sock)
    listener.setblocking(False)
    client, _ = calling(network, address)
    accepted = None
    while accepted is None:
        step(client)
        accepted = listener.accept()
    server, origin = accepted
    while not (step(server), step(client))[0]:
        pass
    print(origin, origin == address, works(server, client, b"here"), server.write(b"you"), client.read(9))

# What is none is refused, and the next datagram is taken.
network = Network()
listener, sock = listening(network)
for address in (None, 1.5, ("a", None), (1, 2, 3, 4, 5), b"x" * 127, ("x" * 100, "y" * 30)):
    sock.rx.append((b"x", address))
    show("address", listener.accept)
client, _ = calling(network, b"a")
print(works(meet(listener, client), client, b"here"))

# A connection that is dropped without being closed leaves its place when it was collected.
network = Network()
listener, _ = listening(network, 4, clients=4)
ctx = client_context(4)
for n in range(12):
    for _ in range(2):
        gc.collect()
    client, sock = calling(network, b"%d" % n, ctx)
    server = meet(listener, client)
print(works(server, client, b"the last"))
