# Closing: close_notify, its absence, what is said afterwards, and peers that are gone.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *


def ends(sock):
    """How the peer's end looks to a reader: what it still gets, and which end it was."""
    return sock.read(), sock.read(), sock.close_notify_received


# close() tells the peer, and closes the transport, once.
for closer in (0, 1):
    socks = connected()
    one, other = socks[closer], socks[1 - closer]
    end = socks[2 + closer]
    one.write(b"last words")
    print(one.close(), end.closed)
    print(ends(other))
    print(other.recv(5), other.readline(), other.readinto(bytearray(5)), other.read(5))
    print(one.close(), one.close(), end.closed)
    print(other.close(), socks[3 - closer].closed)

# A cut without it reads the same, as upstream has it; only the attribute tells.
client, server, client_end, server_end = connected()
client.write(b"last words")
client_end.closed = 1
print(ends(server))
print(server.read(5), server.readline(), server.close_notify_received)
server.close()
# In the middle of a record.
client, server, client_end, server_end = connected()
client.write(b"last words")
server_end.rx[:] = server_end.rx[:-1]
client_end.closed = 1
print(ends(server))

# After the peer's close_notify this side may go on writing.
client, server, client_end, server_end = connected()
client_end.hook = lambda what: 0 if what == "close" else None
client.close()
client_end.closed = 0
print(server.read(), server.close_notify_received)
print(server.write(b"still here"), len(client_end.rx) > 10)

# Every method of a closed socket.
client, server, client_end, server_end = connected()
client.close()
for name, args in (
    ("read", ()),
    ("read", (1,)),
    ("readinto", (bytearray(1),)),
    ("readline", ()),
    ("recv", (1,)),
    ("recv_into", (bytearray(1),)),
    ("write", (b"x",)),
    ("send", (b"x",)),
    ("sendall", (b"x",)),
    ("setblocking", (True,)),
    ("settimeout", (1,)),
    ("do_handshake", ()),
    ("unwrap", ()),
    ("cipher", ()),
    ("version", ()),
    ("pending", ()),
    ("getpeercert", (True,)),
    ("close", ()),
):
    show(name, getattr(client, name), *args)
show("close_notify_received", lambda: client.close_notify_received)
print(client_end.calls)

# with closes, also when it is left by an exception; what is entered is the socket.
client, server, client_end, server_end = connected()
with client as entered:
    print(entered is client, entered.write(b"x"))
print(client_end.closed, ends(server))
client, server, client_end, server_end = connected()
try:
    with client:
        raise KeyError("inside")
except KeyError as er:
    print(repr(er))
print(client_end.closed, ends(server))
show("closed", client.read)

# Before the handshake is over nothing is sent: there is nothing that TLS protects yet.
client, server, client_end, server_end = pair()
client.close()
print(client_end.closed, len(server_end.rx))
client, server, client_end, server_end = pair()
step(client)
n = len(server_end.rx)
client.close()
print(client_end.closed, len(server_end.rx) - n)

# A peer that is gone, a transport that fails, that does not take it, or cannot be polled.
def closing(label, hook):
    client, server, client_end, server_end = connected()
    client_end.hook = hook
    show(label, client.close)
    client_end.hook = None
    print("   ", client_end.closed, ends(server)[2] if server_end.rx else "nothing sent")
    show("    again", client.close)


def on(name, action):
    return lambda what: action() if what == name else None


def raising(exception):
    def action():
        raise exception

    return action


closing("EPIPE", on("write", lambda: -EPIPE))
closing("EPIPE raised", on("write", raising(OSError(EPIPE))))
closing("full", on("write", lambda: -EAGAIN))
closing("full by poll", on("poll", lambda: 0))
closing("hung up by poll", on("poll", lambda: POLL_HUP | POLL_WR))
closing("no poll", on("poll", lambda: -EINVAL))
closing("poll raises", on("poll", raising(OSError(EIO))))
closing("error of close", on("close", lambda: -EIO))
closing("error of close raised", on("close", raising(OSError(EIO))))
closing("other exception in write", on("write", raising(KeyError("write"))))
closing("other exception in close", on("close", raising(KeyError("close"))))
for what in ("poll", "write", "close"):
    try:
        closing("KeyboardInterrupt", on(what, raising(KeyboardInterrupt())))
    except KeyboardInterrupt:
        print("KeyboardInterrupt", what)
client, server, client_end, server_end = connected()
server_end.closed = 1
show("peer is gone", client.close)
print(client_end.closed)

# What is left of an interrupted write goes out first.
client, server, client_end, server_end = connected()
client_end.limit = 5
written = [2]


def twice(what):
    if what == "write":
        written[0] -= 1
        return -EAGAIN if written[0] < 0 else None


client_end.hook = twice
print(client.write(b"half a record"))
client_end.hook = None
client.close()
print(ends(server))

# A crossing pair of close_notify.
client, server, client_end, server_end = connected()
client_end.hook = server_end.hook = lambda what: 0 if what == "close" else None
client.close()
client_end.closed = 0
print(server.close(), len(client_end.rx) > 0)
