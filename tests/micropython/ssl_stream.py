# SSLSocket as a stream: the ways to read and to write.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

client, server, client_end, server_end = connected()

# Nothing there yet: None, as every stream in MicroPython that does not wait.
print(server.read(1), server.read(), server.readinto(bytearray(5)), server.readline())
print(server.recv(1), server.recv_into(bytearray(5)), server.pending())

# Each way to write, and what it returns; each is a record.
for name, data in (
    ("write", b"write"),
    ("write", "str"),
    ("write", bytearray(b"array")),
    ("write", memoryview(b"-view-")[1:5]),
    ("send", b"send"),
    ("sendall", b"sendall"),
    ("write", b""),
    ("send", b""),
):
    show(name, getattr(client, name), data)
show("write part", client.write, b"0123456789", 4)
show("write slice", client.write, b"0123456789", 5, 3)
show("write int", client.write, 1)
show("write nothing", client.write)
print(server.read())
print(server.read())

# Each way to read.
client.write(b"line 1\nline 2\n\nrest of it")
print(server.pending())
print(server.readline())
print(server.pending())
print(server.readline(3), server.readline(), server.readline(), server.pending())
buf = bytearray(b"........")
print(server.readinto(buf), buf)
print(server.pending(), server.readline(), server.pending())
client.write(b"0123456789")
buf = bytearray(b"....")
print(server.readinto(buf, 2), buf)
print(server.readinto(memoryview(buf)[1:3]), buf)
print(server.recv_into(buf), buf)
print(server.read(1), server.recv(100), server.pending())
print(server.read(0), server.recv(0), server.readinto(bytearray(0)))
client.write(b"x")
print(server.read(0), server.readinto(bytearray(0)), server.pending(), server.read(1))
show("read negative", server.read, -1)
client.write(b"all")
show("read negative", server.read, -1)
show("readinto bytes", server.readinto, b"1234")
show("readinto int", server.readinto, 5)

# read(n) goes on until it has n bytes or nothing is left, recv(n) takes one record.
client.write(b"one")
client.write(b"two")
print(server.recv(100), server.recv(100))
client.write(b"one")
client.write(b"two")
print(server.read(100))
client.write(b"one")
client.write(b"two")
print(server.read(5), server.read(5))
client.write(b"one")
client.write(b"two\n")
print(server.readline())

# CPython's programs ask for a file: that is the socket itself, with any arguments.
print([client.makefile(*args) is client for args in ((), ("rwb",), ("rb", 0))])

# Both directions at once.
client.write(b"to server")
server.write(b"to client")
print(client.read(), server.read())

# More than a record holds: everything arrives, in order.
big = bytes(i * 7 & 255 for i in range(1000)) * 50
sent = 0
received = b""
while sent < len(big):
    sent += client.write(big[sent:])
    received += server.read()
print(sent, received == big)
sent = server.send(big)
print(0 < sent < len(big), client.read() == big[:sent])
print(client.sendall(big) == len(big), server.read(len(big)) == big)

# A transport that moves few bytes at a time, and now and then none.
for limit in (1, 2, 3, 5, 1000):
    client, server, client_end, server_end = pair()
    client_end.limit = server_end.limit = limit
    turns = [0]

    def sometimes(what):
        turns[0] += 1
        return -EAGAIN if turns[0] % 3 == 0 else None

    client_end.hook = server_end.hook = sometimes
    results = [None, None]
    for _ in range(20000):
        results = [results[0] or step(client), results[1] or step(server)]
        if None not in results:
            break
    data = bytes(range(256)) * 4
    sent, received = 0, b""
    for _ in range(20000):
        if sent < len(data):
            sent += client.write(data[sent:]) or 0
        received += server.read(100) or b""
        if len(received) == len(data):
            break
    print(limit, results, sent, received == data)

# A write that is interrupted half way is to be called again with the same bytes.
client, server, client_end, server_end = connected()
client_end.limit = 10
count = [3]


def three(what):
    if what == "write":
        count[0] -= 1
        return None if count[0] >= 0 else -EAGAIN


client_end.hook = three
print(client.write(b"half a record"), len(server_end.rx), server.read())
show("fewer bytes", client.write, b"half")
client_end.hook = None
print(client.write(b"half a record and more"), server.read())
print(client.write(b" and more"), server.read())
