# Hibernation of DTLS: behind a listener, with Connection IDs and without, and by itself.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import select

from datagrams import *

if not ssl.HAS_HIBERNATION:
    print("SKIP")
    raise SystemExit

for cid in (None, 4):
    network = Network()
    listener, _ = listening(network, cid)
    client, _ = calling(network, b"client", client_context(cid))
    server = meet(listener, client)
    # Whoever had the last word may have to repeat it until the peer is heard.
    print(client.hibernate(), server.hibernate())
    client.write(b"quiet")
    print(server.read(100), client.hibernate(), server.hibernate())

    def properties(sock):
        return sock.cipher(), sock.version(), sock.connection_id, sock.bad_records

    before = properties(client), properties(server)
    for message in (b"one", b"two", b"three"):
        print(client.write(message), client.hibernate(), server.read(100), server.hibernate())
        again = network.sent[-1][2]
        network.send(b"client", SERVER, again)
        print(server.read(100), server.hibernate())
        print(server.write(message), server.hibernate(), client.read(100), client.hibernate())
    print((properties(client), properties(server)) == before)

    # A forged record does not wake it.
    network.lose = lambda datagram: True
    client.write(b"lost")
    network.lose = lambda datagram: False
    lost = network.sent[-1][2]
    network.send(b"client", SERVER, lost[:-1] + bytes([lost[-1] ^ 1]))
    print(server.read(100), server.hibernating, server.hibernate(), server.bad_records)
    network.send(b"client", SERVER, lost[:-1] + bytes([lost[-1] ^ 1]))
    print(server.readinto(bytearray(100)), server.hibernating, server.hibernate())

    # With a Connection ID the server knows the client at another address, asleep or not.
    if cid:
        client.write(b"lost way")
        moved = network.sent.pop()[2]
        for sock in network.sockets.values():
            sock.rx.clear()
        network.sockets[b"elsewhere"] = network.sockets[b"client"]
        network.send(b"elsewhere", SERVER, moved)
        print(server.read(100), server.write(b"found"), network.sent[-1][1])
        print(client.read(100))

    # Two that sleep are told apart.
    other, _ = calling(network, b"other", client_context(cid))
    second = meet(listener, other)
    other.write(b"second")
    print(second.read(100), second.hibernate(), other.hibernate(), server.hibernate())
    client.write(b"to the first")
    other.write(b"to the second")
    print(second.read(100), server.read(100))
    server.hibernate()
    client.close()
    print(server.read(1), server.close_notify_received)
    for sock in (server, second, other, listener):
        sock.close()

network = Network()
listener, _ = listening(network)
ctx = client_context()
ctx.hibernate_after = 0
client, _ = calling(network, b"client", ctx)
server = meet(listener, client)
print(client.write(b"x"), client.hibernating, server.read(1))
poller = select.poll()
poller.register(client, select.POLLIN)
print(poller.poll(0), client.hibernating)
server.write(b"y")
print(len(poller.poll(0)), client.hibernating, client.read(1), client.hibernating)
