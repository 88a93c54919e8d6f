# Datagrams that anybody can send, to a listener and its connections, awake and asleep, with
# Connection IDs and without, and while they shake hands. tests/forgeries.rs has many more.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc
import select
from datagrams import *

SEED = 1
state = SEED


def roll(below):
    global state
    state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    return (state >> 8) % below


def pick(of):
    return of[roll(len(of))]


def some(n):
    return bytes(roll(256) for _ in range(n))


def uint(n, size):
    return (n & ((1 << 8 * size) - 1)).to_bytes(size, "big")


def forged(sent, cid):
    """A record with fields at their edges, or what was sent, changed."""
    if roll(2):
        datagram = bytearray(pick(sent))
        for _ in range(1 + roll(3)):
            datagram[roll(min(len(datagram), 64 if roll(2) else 9999))] ^= 1 << roll(8)
        return bytes(datagram[: 1 + roll(len(datagram))] if roll(8) == 0 else datagram)
    body = some(pick((0, 1, 2, 12, 25, 61, 300)))
    length = pick((0, 1, len(body), len(body) + 1, 0xFFFFFF))
    message = bytes([pick((0, 1, 1, 2, 3, 11, 14, 16, 20, 255))]) + uint(length, 3)
    message += uint(pick((0, 1, 2, 3, 5, 0xFFFF)), 2) + uint(pick((0, 0, 0, 1, length)), 3)
    message += uint(pick((length, len(body), 0)), 3) + body
    content = pick((message, message, body, b"\x01", b"\x02\x28", b"\x01\x00"))
    kind = pick((20, 21, 22, 22, 22, 23, 25, 26))
    record = bytes([kind, 0xFE, pick((0xFD, 0xFD, 0xFF, 0))])
    record += uint(pick((0, 0, 0, 1, 2, 0xFFFF)), 2) + uint(pick((0, 1, 5, 1 << 40)), 6)
    record += pick((cid, some(len(cid)))) if kind == 25 else b""
    return record + uint(len(content) + pick((0, 0, 0, 1, -1)), 2) + content


def told(datagram):
    """Whether it can be told that it is no message of the peer's handshake."""
    return datagram[0] != 22 or datagram[3:5] != b"\0\0"


network = Network()
listener, _ = listening(network, 4)
pairs = []
for n, cid in enumerate((None, 0, 4, None, 4)):
    address = b"client %d" % n
    client, _ = calling(network, address, client_context(cid))
    server = meet(listener, client)
    client.write(b"data")
    server.read(100)
    server.write(b"data")
    client.read(100)
    pairs.append((address, client, server, bool(ssl.HAS_HIBERNATION and n > 2)))
sent = [datagram for _, _, datagram in network.sent]
poll = select.poll()
poll.register(listener, select.POLLIN)
for _, _, server, _ in pairs:
    poll.register(server, select.POLLIN)


def rest():
    for _, client, server, sleeps in pairs:
        if sleeps and not (server.hibernate() and client.hibernate()):
            print("does not sleep")


def works():
    for address, client, server, _ in pairs:
        client.write(address)
        if server.read(100) != address:
            print("cut off", address, SEED)
        server.write(b"re")
        if client.read(100) != b"re":
            print("cut off", address, SEED)


rest()
grown = 0
for n in range(4000):
    address, client, server, sleeps = pick(pairs)
    cid = (server.connection_id or (b"",))[0]
    datagram = forged(sent, cid)
    if roll(3) == 0:
        network.send(SERVER, address, datagram)
        if client.read(100) is not None:
            print("client", n, SEED, datagram)
    else:
        network.send(pick((address, address, b"stranger")), SERVER, datagram)
        poll.poll(0)
        if server.read(100) is not None or listener.accept() is not None:
            print("server", n, SEED, datagram)
    for ended in (client, server):
        if sleeps and not ended.hibernating:
            print("woken", n, SEED, datagram)
    for sock in network.sockets.values():
        sock.rx.clear()
    network.sent.clear()
    if n % 1000 == 999:
        works()
        rest()
        network.sent.clear()
        gc.collect()
        before, grown = grown, gc.mem_alloc()
print(grown - before < 4000)

# While they shake hands.
for n in range(60):
    address = b"new %d" % n
    client, _ = calling(network, address, client_context(pick((None, 4))))
    accepted = None
    for turn in range(20):
        for _ in range(4):
            datagram = forged(sent, b"1234")
            if told(datagram):
                network.send(pick((address, SERVER)), pick((address, SERVER)), datagram)
        done = step(client)
        accepted = accepted or listener.accept()
        if accepted and step(accepted[0]) and done:
            break
    client.write(b"through")
    if accepted[0].read(100) != b"through":
        print("not through", n, SEED)
    accepted[0].close()
    client.close()
    del network.sockets[address]
    network.sent.clear()
works()
print("all through")

# A client that may be anywhere (RFC 9146 6): however it is read, and whatever comes before and behind
# its newest record from elsewhere, answers go where that came from.
network = Network()
listener, listening_sock = listening(network, 4)
client, client_sock = calling(network, b"home", client_context(4))
server = meet(listener, client)
client.write(b"hello")
print(server.read(100))
cid = server.connection_id[0]
READS = {
    "read": lambda: server.read(),
    "read n": lambda: server.read(100),
    "recv": lambda: server.recv(100),
    "readline": lambda: server.readline(),
    "readinto": lambda: server.readinto(bytearray(100)),
    "recv_into": lambda: server.recv_into(bytearray(100)),
}
wrong = []
for n in range(6):
    for name, read in READS.items():
        for sleeps in (False, ssl.HAS_HIBERNATION):
            network.sent.clear()
            client.write(b"fresh\n")
            listening_sock.rx.clear()
            fresh = network.sent[0][2]
            bad = b"\x19\xfe\xfd\0\1\0\0\0\0\0\x09" + cid + b"\0\x20" + some(32)
            where = b"home" if n == 0 else b"there %d" % n
            if sleeps:
                server.hibernate()
            burst = [(b"bad", bad), (where, fresh), (b"bad", bad), (b"again", fresh), (b"bad", bad)]
            for origin, datagram in burst[roll(2) : 2 + roll(4)]:
                network.send(origin, SERVER, datagram)
            for _ in range(4):
                read()
            network.sent.clear()
            server.write(b"answer")
            if network.sent[-1][1] != where:
                wrong.append((n, name, sleeps, network.sent[-1][1]))
print(wrong)
