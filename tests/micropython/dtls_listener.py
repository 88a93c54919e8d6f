# Many clients on one socket: cookies, strangers, errors of the socket, Connection IDs.

try:
    import ssl, select, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from datagrams import *

network = Network()
listener, sock = listening(network, backlog=2)
print(listener.accept(), listener.dropped)

# The first hello is answered and forgotten, the second makes a connection.
a, a_sock = calling(network, b"a")
step(a)
print(listener.accept())
print(network.sent[-1][:2], network.sent[-1][2][13] == 3)
step(a)
server_a, address = listener.accept()
print(address, listener.accept())
for _ in range(4):
    step(server_a), step(a)
print(step(a), step(server_a))

# Each connection reads what is its own, whoever takes it from the socket.
b, b_sock = calling(network, b"b")
server_b = meet(listener, b)
a.write(b"from a")
b.write(b"from b")
print(server_b.read(100), server_a.read(100), server_a.read(100), server_b.read(100))
server_a.write(b"to a")
server_b.write(b"to b")
print(a.read(100), b.read(100))

# select and poll.
poll = select.poll()
poll.register(listener, select.POLLIN)
poll.register(server_a, select.POLLIN)
print(len(poll.poll(0)))
a.write(b"polled")
print([ready[0] is server_a for ready in poll.poll(0)])
print(server_a.read(100), len(poll.poll(0)))

# How a connection waits is the listener's.
show("setblocking", server_a.setblocking, False)
show("settimeout", server_a.settimeout, 1)

# Strangers.
dropped = listener.dropped
for garbage in (b"", b"x", bytes(100), b"\x16\xfe\xfd" + bytes(60), bytes(3000)):
    network.send(b"stranger", SERVER, garbage)
print(listener.accept(), listener.dropped - dropped)
# A cookie is good for one address.
c, c_sock = calling(network, b"c")
step(c)
listener.accept()
step(c)
hello = sock.rx.pop()[0]
network.send(b"thief", SERVER, hello)
print(listener.accept(), network.sent[-1][:2], network.sent[-1][2][13] == 3)
# The same hello twice is one client; more than the backlog are dropped.
network.send(b"c", SERVER, hello)
network.send(b"c", SERVER, hello)
print(listener.accept()[1], listener.accept())

# What the system says to an answer to a made-up address is nobody's business.
def no_way(what):
    if what == "sendto":
        raise OSError(EINVAL)


sock.hook = no_way
d, d_sock = calling(network, b"d")
step(d)
print(listener.accept(), len(poll.poll(0)))
show("own answer", server_a.write, b"x")

# An error of the socket does not come out of a poll, but of the call that follows.
def broken(what):
    if what == "recvfrom":
        raise OSError(EBADF)


sock.hook = broken
a.write(b"x")
print(len(poll.poll(0)))
show("accept", listener.accept)
show("read", server_a.read, 100)


# No memory is no other than that.
def poor(what):
    if what == "recvfrom":
        raise MemoryError


sock.hook = poor
print(len(poll.poll(0)))
show("accept", listener.accept)


# Anything else, a KeyboardInterrupt say, comes out at once.
def interrupted(what):
    if what == "poll":
        raise KeyboardInterrupt


sock.hook = interrupted
try:
    poll.poll(0)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
sock.hook = None
print(server_a.read(100))

# Closed: its address is free again. Closing the listener closes the socket, once.
poll.unregister(server_a)
server_a.close()
show("closed", server_a.read, 100)
a2, _ = calling(network, b"a")
server_a = meet(listener, a2)
a2.write(b"anew")
print(server_a.read(100))
listener.close()
listener.close()
print(sock.closed)
show("accept", listener.accept)
show("read", server_a.read, 100)
show("write", server_a.write, b"x")
print([ready[1] for ready in poll.poll(0)])

# A Connection ID makes a client known behind another address.
network = Network()
listener, sock = listening(network, cid=4)
client, client_sock = calling(network, b"here", client_context(0))
server = meet(listener, client)
own, peer = server.connection_id
print(len(own), peer, client.connection_id == (b"", own))
client_sock.bind(b"there")
client.write(b"moved")
moved = network.sent[-1][2]
print(server.read(100), server.write(b"seen"), network.sent[-1][1], client.read(100))
# Nobody else is followed: not who repeats what was heard, nor who changes it.
network.send(b"thief", SERVER, moved)
bad = bytearray(moved)
bad[-1] ^= 1
bad[10] += 5
network.send(b"thief", SERVER, bytes(bad))
print(server.read(100), server.write(b"still"), network.sent[-1][1], client.read(100))

# One without is a stranger elsewhere.
client, client_sock = calling(network, b"plain")
server = meet(listener, client)
print(server.connection_id)
client_sock.bind(b"elsewhere")
client.write(b"moved")
print(server.read(100))
