# Exceptions and errors of the transport come out as themselves, and the connection goes on.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import select
from link import *


class Mine(Exception):
    pass


EXCEPTIONS = (
    ValueError("stream"),
    Mine(1, 2),
    OSError(ETIMEDOUT),
    OSError(-1, "text"),
    MemoryError("stream"),
    KeyboardInterrupt(),
    SystemExit(1),
    StopIteration(),
)


def raising(exception, at, after=0):
    count = [after]

    def hook(what):
        if what == at:
            count[0] -= 1
            if count[0] < 0:
                raise exception

    return hook


def outcome(exception, fun, *args):
    try:
        return fun(*args)
    except BaseException as er:
        return "itself" if er is exception else er


# At each read and each write of a handshake, of client and server.
for exception in EXCEPTIONS:
    for side in (0, 1):
        for at in ("read", "write"):
            points = 0
            while True:
                socks = pair()
                end = socks[2 + side]
                end.hook = raising(exception, at, points)
                results = [None, None]
                raised = 0
                for _ in range(20):
                    for i in (0, 1):
                        try:
                            socks[i].do_handshake()
                            results[i] = True
                        except BaseException as er:
                            if er is exception:
                                raised += 1
                                end.hook = None  # once is enough
                            elif not isinstance(er, NOT_YET):
                                results[i] = er
                if not raised:
                    break  # this point is never reached
                points += 1
                assert raised == 1 and results == [True, True], (points, raised, results)
                socks[0].write(b"works")
                assert socks[1].read() == b"works"
            print(type(exception).__name__, "client" if side == 0 else "server", at, points > 1)

# In each call of an open connection.
for exception in EXCEPTIONS:
    client, server, client_end, server_end = connected()
    client.write(b"data\n")
    server_end.hook = raising(exception, "read")
    print(
        type(exception).__name__,
        outcome(exception, server.read),
        outcome(exception, server.read, 5),
        outcome(exception, server.readinto, bytearray(5)),
        outcome(exception, server.readline),
        outcome(exception, server.recv, 5),
        end=" ",
    )
    server_end.hook = None
    print(server.readline(), end=" ")
    client_end.hook = raising(exception, "write")
    print(outcome(exception, client.write, b"lost?"), end=" ")
    print(outcome(exception, client.send, b"lost?"), end=" ")
    client_end.hook = None
    print(client.write(b"lost?"), server.read())

# A poll that raises; with select's poller it comes out of poll().
client, server, client_end, server_end = connected()
poller = select.poll()
poller.register(client, select.POLLIN)
client_end.hook = raising(EXCEPTIONS[0], "poll")
print(outcome(EXCEPTIONS[0], poller.poll, 0))
client_end.hook = None
print(poller.poll(0))

# Numbers that a stream reports instead of raising.
for errno in (EIO, ETIMEDOUT, ENOTCONN, 1000):
    client, server, client_end, server_end = connected()
    client_end.hook = lambda what: -errno
    show("read", client.read)
    show("recv", client.recv, 1)
    show("write", client.write, b"goes on")
    client_end.hook = None
    show("write again", client.write, b"goes on")
    print(server.read())
    client, server, client_end, server_end = pair()
    client_end.hook = lambda what: -errno
    show("handshake", client.do_handshake)
    client_end.hook = None
    print(shake(client, server))

# A part of a record, then an exception, then the rest.
client, server, client_end, server_end = connected()
client.write(b"record")
rest = bytes(server_end.rx[7:])
server_end.rx[:] = server_end.rx[:7]
server_end.hook = raising(EXCEPTIONS[0], "read", 2)
print(outcome(EXCEPTIONS[0], server.read), server.pending())
server_end.hook = None
server_end.rx.extend(rest)
print(server.read())

# A stream that claims to have moved more than there was room for, or nonsense.
for result in (1000000, 1 << 40, "x", 1.5, [], b""):
    client, server, client_end, server_end = connected()
    server.write(b"x")
    client_end.hook = lambda what: result
    print(repr(result), end=" ")
    for fun, args in ((client.read, ()), (client.write, (b"goes on",))):
        try:
            print(fun(*args), end=" ")
        except Exception as er:
            print(type(er).__name__, er.errno if isinstance(er, OSError) else "", end=" ")
    client_end.hook = None
    print(client.read(), client.write(b"goes on"), server.read())

# write() that moves nothing is no write; the end of the stream is.
client, server, client_end, server_end = connected()
client_end.hook = lambda what: 0
print(client.write(b"goes on"), end=" ")
client_end.hook = None
print(client.write(b"goes on"), server.read())
