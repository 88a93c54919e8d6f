# setblocking and settimeout are the transport's.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import io
from link import *

for connect in (pair, connected):
    client, server, client_end, server_end = connect()
    show("setblocking", client.setblocking, False)
    show("setblocking", client.setblocking, True)
    show("settimeout", client.settimeout, None)
    show("settimeout", client.settimeout, 0)
    show("settimeout", client.settimeout, 2.5)
    show("no argument", client.settimeout)
    print(client_end.calls)
    client.close()
    show("setblocking", client.setblocking, False)
    show("settimeout", client.settimeout, 1)
    print(len(client_end.calls), server_end.calls)

# What it raises comes out.
client, server, client_end, server_end = connected()


def fail(*args):
    raise KeyError(args)


client_end.settimeout = fail
show("raises", client.settimeout, 1)
client.write(b"x")
print(server.read())


# A transport without them.
class Bare(io.IOBase):
    def readinto(self, buf):
        return None

    def write(self, buf):
        return len(buf)

    def ioctl(self, request, arg):
        return 0


client = client_context().wrap_socket(Bare(), do_handshake_on_connect=False)
for name in ("setblocking", "settimeout"):
    try:
        getattr(client, name)(1)
    except AttributeError:
        print("AttributeError")

# What is no stream cannot be wrapped.
for sock in (None, 1, "x", object(), [], client_context()):
    try:
        client_context().wrap_socket(sock)
    except OSError as er:
        print(type(er).__name__)

# Any stream can, also one that has no peer.
show("BytesIO", client_context().wrap_socket, io.BytesIO(b""))


# A class that inherits from a native stream is that stream: its protocol is for the native part
# alone, which methods of the class do not replace, as CPython's wrap_socket calls none.
class Sub(io.BytesIO):
    def __init__(self, *args):
        super().__init__(*args)
        self.called = 0

    def write(self, data):
        self.called += 1


class Below(Sub):
    pass


class Unmade(io.BytesIO):
    def __init__(self):
        pass


for cls in (Sub, Below):
    sock = cls(b"")
    show(cls.__name__, client_context().wrap_socket, sock)
    # What a client says first.
    print(sock.getvalue()[:2], sock.called)
    client = client_context().wrap_socket(cls(b""), do_handshake_on_connect=False)
    show("read", client.read, 1)
    client.close()
show("not initialised", client_context().wrap_socket, Unmade())


# One of IOBase's, also if it was never initialised, calls methods.
class Never(io.IOBase):
    def __init__(self):
        pass

    def readinto(self, buf):
        return 0

    def write(self, buf):
        print("write")
        return len(buf)

    def ioctl(self, request, arg):
        return 0


class NeverBelow(Never):
    pass


for cls in (Never, NeverBelow):
    show(cls.__name__, client_context().wrap_socket, cls())
