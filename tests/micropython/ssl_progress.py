# Reads and writes that are interrupted: nothing is lost, and nothing comes twice.

try:
    import micropython, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

client, server, client_end, server_end = connected()


def fails_at(end, what, n, result):
    """The end's n-th transfer from now is `result`, or calls it, once."""
    count = [0]

    def hook(happening):
        if happening == what:
            count[0] += 1
            if count[0] == n:
                end.hook = None
                return result() if callable(result) else result

    end.hook = hook


def raises(er):
    def do():
        raise er

    return do


# A read that has something returns it. A timeout comes again by itself; other errors, and
# exceptions, come with the next read. A record is two transfers: its header, and the rest.
for name, fault in (
    ("timeout", -ETIMEDOUT),
    ("errno", -EPIPE),
    ("exception", raises(KeyError("stream"))),
):
    for method in ("read", "readinto", "read all"):
        client.write(b"one")
        client.write(b"two")
        fails_at(server_end, "read", 3, fault)
        buf = bytearray(6)
        action = {
            "read": lambda: server.read(6),
            "readinto": lambda: (server.readinto(buf), bytes(buf)),
            "read all": lambda: server.read(),
        }[method]
        show(name + " " + method, action)
        show("    then", action)
        show("    then", server.read, 6)

# With nothing to return, at once.
fails_at(server_end, "read", 1, -EPIPE)
show("errno at once", server.read, 6)

# Polling says that there is something to come.
import select

client.write(b"one")
fails_at(server_end, "read", 3, -EPIPE)
print(server.read(6))
poller = select.poll()
poller.register(server, select.POLLIN)
print(len(poller.poll(0)))
show("next", server.read, 1)
print(len(poller.poll(0)))

# A KeyboardInterrupt is not kept for a call that may not come.
client.write(b"one")
got = None
try:
    fails_at(server_end, "read", 3, raises(KeyboardInterrupt()))
    got = server.read(6)
    for _ in range(100):
        pass
except KeyboardInterrupt:
    print("interrupted, with", got)
show("next", server.read, 1)

# readline: the whole line, or an error; what came of it is kept for whichever call is next.
for then in ("readline", "read", "recv", "recv little", "readinto"):
    client.write(b"half a ")
    fails_at(server_end, "read", 3, -ETIMEDOUT)
    show("readline", server.readline)
    print(server.pending())
    client.write(b"line\nmore")
    buf = bytearray(20)
    if then == "readline":
        show(then, server.readline)
    elif then == "read":
        show(then, server.read, 10)
    elif then == "recv":
        show(then, server.recv, 100)
    elif then == "recv little":
        show(then, lambda: [server.recv(3), server.recv(3), server.recv(3), server.recv(3)])
    else:
        show(then, lambda: (server.readinto(buf), bytes(buf)))
    show("    rest", server.read)

# write and sendall: all or nothing. The same call goes on, another writes nothing.
data = bytes(range(256)) * 160  # three records
other = bytes([1]) + data[1:]
for method in ("write", "sendall"):
    for fault in (-ETIMEDOUT, raises(KeyError("stream")), raises(KeyboardInterrupt())):
        for n in (1, 2, 3):
            write = getattr(server, method)
            fails_at(server_end, "write", n, fault)
            try:
                show("%s %d" % (method, n), write, data)
            except KeyboardInterrupt:
                print(method, n, "interrupted")
            for wrong in (data[:-1], data + b"x", other, b"x"):
                show("    another", write, wrong)
            show("    send", server.send, b"x")
            show("    again", write, data)
            print("   ", client.read(len(data)) == data, client.read())
            show("    next", write, b"next")
            print("   ", client.read(4))

# A transport that takes no more: write and send return how far they got, sendall goes on.
for method in ("write", "send", "sendall"):
    write = getattr(server, method)
    fails_at(server_end, "write", 3, lambda: setattr(server_end, "block_writes", True))
    limit = server_end.limit = 9000
    sent = 0
    while sent < len(data):
        try:
            n = write(data[sent:] if method != "sendall" else data)
            assert method == "sendall" or (n or 0) < len(data) - sent or not server_end.block_writes
            sent += n or 0
        except OSError as er:
            assert method == "sendall" and er.errno == EAGAIN, er
        server_end.block_writes = False
    server_end.limit = None
    print(method, sent == len(data), client.read(len(data)) == data, client.read())


# The transport moves the caller's bytearray: what is read goes where it is then, what is
# written comes from there, and nothing else is touched.
def moved(buf, size):
    buf.extend(bytes(size))
    for _ in range(40):
        others.append(bytearray(b"." * 700))


for n in (1, 2, 3):
    others = []
    client.write(b"A" * 2000)
    client.write(b"B" * 1000)
    buf = bytearray(3000)
    fails_at(server_end, "read", n, lambda: moved(buf, 4000))
    count = server.readinto(buf)
    print(count, bytes(buf[:3000]) == b"A" * 2000 + b"B" * 1000, buf[3000:] == bytes(4000))
    print(all(other == b"." * 700 for other in others))
for n in (1, 2):
    others = []
    buf = bytearray(data)
    fails_at(server_end, "write", n, lambda: moved(buf, 4000))
    print(server.write(buf), client.read(len(data)) == data)
    print(client.read())



# Also where that write is interrupted: the same bytes go on, and no other ones.
def moved_and(fault):
    moved(buf, 4000)
    if isinstance(fault, Exception):
        raise fault
    return fault


for method in ("write", "sendall", "send"):
    for fault in (-ETIMEDOUT, -EAGAIN, KeyError("stream")):
        others = []
        buf = bytearray(data[:700])
        fails_at(server_end, "write", 1, lambda: moved_and(fault))
        # Its number is not the same everywhere.
        name = "ETIMEDOUT" if fault == -ETIMEDOUT else fault
        show("%s %s" % (method, name), getattr(server, method), buf)
        show("    another", server.write, b"." * 700)
        show("    again", server.write, data[:700])
        print(client.read(700) == data[:700], client.read())

# ... or makes it shorter.
client.write(b"A" * 2000)
client.write(b"B" * 1000)
buf = bytearray(3000)


def shrink():
    buf[:] = b"1234"


fails_at(server_end, "read", 1, shrink)
show("shrunk", server.readinto, buf)
print(buf, server.read(2996) == b"A" * 1996 + b"B" * 1000)
buf = bytearray(10)


def shrink_to_nothing():
    buf[:] = b""


fails_at(server_end, "read", 1, shrink_to_nothing)
client.write(b"kept")
show("shrunk to nothing", server.readinto, buf)
print(server.read(4))

# What a stream raises where there is no memory comes with the next call, whatever is raised so in between.
def without_memory(raises):
    micropython.heap_lock()
    try:
        raises()
    finally:
        micropython.heap_unlock()


def is_refused():
    bytearray(100)


def is_broken():
    raise OSError(5)


def raised(fun, *args):
    try:
        fun(*args)
    except Exception as er:
        # Without memory not every port has room for what it is given.
        return type(er), tuple(er.args) if isinstance(er, OSError) else ()


for what in is_refused, is_broken:
    client.write(b"some")
    fails_at(server_end, "read", 3, lambda: without_memory(what))
    print(server.read(100))
    print(raised(without_memory, lambda: b"".index(b"x")))
    print(raised(server.read, 1) == raised(without_memory, what))
