# One write is one datagram, one read is one datagram or the rest of it.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from datagrams import *

network = Network()
listener, _ = listening(network)
client, client_sock = calling(network, b"client")
server = meet(listener, client)
print(client.version(), server.version(), server.connection_id, client.connection_id)

# Nothing there yet.
print(server.read(1), server.readinto(bytearray(5)), server.recv(5), server.recv_into(bytearray(5)))

# Borders are kept, whatever the size asked for; what does not fit is read next.
for message in (b"first", b"second", b"third"):
    before = len(network.sent)
    print(client.write(message), len(network.sent) - before)
print(server.read(100), server.read(3), server.pending(), server.read(100), server.read(100))
client.write(b"0123456789")
buf = bytearray(b"....")
print(server.readinto(buf), buf, server.readinto(buf, 2), buf, server.recv(100))
print(client.write(b""), client.send(b"send"), client.sendall(b"all"))
print(server.recv_into(buf), buf, server.read(100), server.read(100))

# What comes again is not read again; what comes late is.
client.write(b"once")
client.write(b"twice")
datagrams = [sent[2] for sent in network.sent[-2:]]
print(server.read(100), server.read(100))
for datagram in datagrams:
    network.send(b"client", SERVER, datagram)
print(server.read(100), server.read(100), server.bad_records)


def unsent(message):
    """The datagram that a message would be."""
    network.lose = lambda datagram: True
    client.write(message)
    network.lose = lambda datagram: False
    return network.sent[-1][2]


late = unsent(b"late")
client.write(b"early")
network.send(b"client", SERVER, late)
print(server.read(100), server.read(100), server.read(100))

# What does not authenticate is dropped and counted, and hurts nobody.
good = unsent(b"good")
for i in (5, 10, 13, len(good) // 2, len(good) - 1):
    bad = bytearray(good)
    bad[i] ^= 0x40  # of a number, what was not there yet
    network.send(b"client", SERVER, bytes(bad))
print(server.read(100), server.bad_records, client.bad_records)
network.send(b"client", SERVER, good)
print(server.read(100), server.bad_records)
for garbage in (b"", b"x", bytes(13), b"\x17\xfe\xfd" + bytes(40), b"\xff" * 200):
    network.send(b"client", SERVER, garbage)
print(server.read(100), server.write(b"well"), client.read(100), server.bad_records)

# More than a record may carry is refused whole.
size = 20000
before = len(network.sent)
show("too big", client.write, bytes(size))
print(len(network.sent) - before, client.write(b"small"), server.read(100))
ctx = client_context()
ctx.dtls_mtu = 300
small, _ = calling(network, b"small", ctx)
through = meet(listener, small)
print(max(len(sent[2]) for sent in network.sent if sent[0] == b"small") <= 300)
show("bigger than the MTU", small.write, bytes(300))
print(small.write(bytes(250)), len(network.sent[-1][2]) <= 300, len(through.read(1000)))

# close_notify is the end.
client.close()
print(server.read(100), server.close_notify_received, server.read(100), server.read(1))
server.close()
show("closed", server.read, 100)
print(client_sock.closed)

# A class that answers 0 to requests it does not know has no file descriptor 0 for that: the
# handshake is not to wait for it.
class Polite(Socket):
    def ioctl(self, request, arg):
        return max(super().ioctl(request, arg), 0)


network = Network()
ctx = client_context()
client = ctx.wrap_socket(
    Polite(network, b"client", SERVER),
    server_hostname=HOST,
    do_handshake_on_connect=False,
)
try:
    client.do_handshake()
except ssl.SSLWantReadError:
    print("not waited, sent", len(network.sent))
