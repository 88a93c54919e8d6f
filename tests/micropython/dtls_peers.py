# What a listener knows of its clients: nobody takes another's place, closed connections keep
# nothing, a failing accept leaves nothing, a hello may come in several datagrams.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc
import micropython
import select
from datagrams import *


def last_of(network, client, data):
    """The datagram that a write would send, and that does not arrive."""
    network.lose = lambda datagram: True
    client.write(data)
    network.lose = lambda datagram: False
    return network.sent[-1][2]


# A client with a Connection ID speaks from another's address, with one and without.
for cid in (None, 4):
    network = Network()
    listener, _ = listening(network, 4)
    a, _ = calling(network, b"a", client_context(4))
    server_a = meet(listener, a)
    b, _ = calling(network, b"b", client_context(cid))
    server_b = meet(listener, b)
    network.send(b"b", SERVER, last_of(network, a, b"from a"))
    print(server_a.read(100), server_a.write(b"x"), network.sent[-1][1])
    for message in (b"one", b"two"):
        b.write(message)
        print(server_b.read(100), server_a.read(100), server_a.bad_records)
    a.write(b"home")
    print(server_a.read(100), server_a.write(b"home"), network.sent[-1][1], a.read(100))
    b.write(b"again")
    print(server_b.read(100))
    # A new client where the first one was is a new client.
    network.send(b"nat", SERVER, last_of(network, a, b"moved"))
    print(server_a.read(100))
    c, _ = calling(network, b"nat")
    server_c = meet(listener, c)
    c.write(b"from c")
    print(server_c.read(100), server_a.read(100))
    d, _ = calling(network, b"a", client_context(4))
    server_d = meet(listener, d)
    d.write(b"from d")
    network.send(b"nat", SERVER, last_of(network, a, b"still there"))
    print(server_d.read(100), server_a.read(100))

# Closed with eight datagrams unread; nobody had to authenticate for them.
for cid in (None, 4):
    network = Network()
    listener, _ = listening(network, cid)
    ctx = client_context(cid)
    before = None
    for n in range(12):
        address = b"%d" % n
        client, _ = calling(network, address, ctx)
        server = meet(listener, client)
        for _ in range(9):
            network.send(address, SERVER, b"\x17" + bytes(1500))
        listener.accept()
        server.close()
        client.close()
        del network.sockets[address]
        network.sent.clear()
        client = server = None
        gc.collect()
        if n == 3:
            before = gc.mem_alloc()
    print(gc.mem_alloc() - before < 4000)

# An accept that fails can be made again. Who waits for it keeps what comes, up to a point.
network = Network()
listener, sock = listening(network, 4)
client, _ = calling(network, b"client", client_context(4))
step(client)
print(listener.accept())
step(client)
for _ in range(20):
    network.send(b"client", SERVER, b"\x16" + bytes(100))
poll = select.poll()
poll.register(listener, select.POLLIN)
print(len(poll.poll(0)))
failed = False
micropython.heap_lock()
try:
    listener.accept()
except Exception:
    failed = True
micropython.heap_unlock()
print(failed)
server, address = listener.accept()
print(address, listener.accept())
for _ in range(4):
    step(client), step(server)
client.write(b"here")
print(server.read(100), listener.dropped > 8)

# The smallest MTU: a hello in several datagrams, accepted late, doubled, with forged ones between.
# Before 3.6.6 Mbed TLS sends a ClientHello in one, whatever the MTU.
MBEDTLS = tuple(int(n) for n in ssl.MBEDTLS_VERSION.split()[-1].split("."))
for cid in (None, 4):
    network = Network()
    listener, _ = listening(network, cid)
    ctx = client_context(cid)
    ctx.dtls_mtu = 256
    ctx.dtls_timeout = (200, 2000)
    ctx.verify_mode = ssl.CERT_NONE
    name = "a-long-name" * 20 + ".example"
    client = ctx.wrap_socket(
        Socket(network, b"client", SERVER), do_handshake_on_connect=False, server_hostname=name
    )
    done = []
    original = network.send

    def disturbed(origin, to, datagram):
        original(origin, to, datagram)
        if origin == b"client" and not done:
            original(origin, to, datagram[: len(datagram) // 2])
            original(origin, to, datagram)
            original(origin, to, b"\x15\xfe\xfd" + bytes(9) + b"\x02\x02\x28")

    network.send = disturbed
    step(client)
    sent = len(network.sent) if max(len(sent[2]) for sent in network.sent) <= 256 else None
    print(sent == 8 if MBEDTLS >= (3, 6, 6) else sent is None)
    server = meet(listener, client)
    done.append(True)
    client.write(b"small")
    print(server.read(100), server.write(b"steps"), client.read(100))
