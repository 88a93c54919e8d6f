# A call on a socket within a call on the same socket, from its stream or verify_callback.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc
import select
import pki
from link import *

client = server = client_end = server_end = None


def inner():
    """Each method of the busy client."""
    poller = select.poll()
    poller.register(client, select.POLLIN)
    return [
        args_of(action)
        for action in (
            lambda: client.read(1),
            lambda: client.readinto(bytearray(1)),
            lambda: client.readline(),
            lambda: client.recv(1),
            lambda: client.write(b"x"),
            lambda: client.send(b"x"),
            lambda: client.do_handshake(),
            lambda: client.unwrap(),
            lambda: client.cipher(),
            lambda: client.version(),
            lambda: client.pending(),
            lambda: client.getpeercert(True),
            lambda: client.close_notify_received,
            lambda: poller.poll(0),
        )
    ]


def args_of(action):
    try:
        return action()
    except OSError as er:
        return er.args


def once(what, action):
    """A hook that acts the first time that `what` happens."""
    done = []

    def hook(happening):
        if happening == what and not done:
            done.append(True)
            action()

    return hook


results = []


def collect():
    results[:] = inner()


# EBUSY, each time; and the outer call does what it was to do.
def outer(what, action):
    try:
        print(what, action(), end=" ")
    except NOT_YET as er:
        print(what, repr(er), end=" ")
    print(len(results), set(results))
    results[:] = []


client, server, client_end, server_end = pair()
client_end.hook = once("write", collect)
outer("handshake writes", client.do_handshake)
step(server)
client_end.hook = once("read", collect)
outer("handshake reads", client.do_handshake)
print(shake(client, server))
client_end.hook = once("write", collect)
outer("write", lambda: client.write(b"data"))
print(server.read())
server.write(b"data")
client_end.hook = once("read", collect)
outer("read", client.read)
client_end.hook = once("poll", collect)
poller = select.poll()
poller.register(client, select.POLLIN)
outer("poll", lambda: poller.poll(0))
server.write(b"not read")
client_end.hook = once("write", collect)
outer("unwrap", client.unwrap)
client, server, client_end, server_end = connected()
client_end.hook = once("write", collect)
outer("close", client.close)
client, server, client_end, server_end = connected()
client_end.hook = once("close", collect)
outer("close closes", client.close)

ctx = client_context(pki.ca_der)
asked = []


def verify(cert, depth):
    asked.append(set(inner()))
    return 0


ctx.verify_callback = verify
client, server, client_end, server_end = pair(ctx)
print(shake(client, server), asked)

# The other sockets of the same context are free meanwhile, and so is the context.
ctx.verify_callback = None
other = connected(ctx)


def use_other():
    other[0].write(b"other")
    print(other[1].read(), ctx.get_ciphers() != [], shake(*pair(ctx)[:2]))
    ctx.load_verify_locations(pki.other_ca_der)


client, server, client_end, server_end = connected(ctx)
client_end.hook = once("write", use_other)
print(client.write(b"data"), server.read())


# close() within a call: the call ends with EBADF, the transport is closed at once, and once.
def closing(label, what, action, make=connected):
    global client, server, client_end, server_end
    client, server, client_end, server_end = make()
    at_once = []

    def close():
        client.close()
        client.close()
        at_once.append(client_end.closed)
        gc.collect()

    client_end.hook = once(what, close)
    show(label, action)
    print("   ", at_once, client_end.closed)
    show("    then", client.read)
    show("    then", client.close)


closing("handshake writes", "write", lambda: client.do_handshake(), pair)
closing("handshake reads", "read", lambda: client.do_handshake(), pair)
closing("write", "write", lambda: client.write(b"data"))
closing("read", "read", lambda: client.read())
closing("read data", "read", lambda: server.write(b"data") and client.read())
closing("readline", "read", lambda: client.readline())
closing("unwrap", "write", lambda: client.unwrap())
closing("unwrap", "read", lambda: client.unwrap())
closing("setblocking", "poll", lambda: client.setblocking(True))
closing("close", "poll", lambda: client.close())
closing("close", "write", lambda: client.close())
closing("close", "close", lambda: client.close())


def poll():
    poller = select.poll()
    poller.register(client, select.POLLIN)
    return [event for _, event in poller.poll(0)]


closing("poll", "poll", poll)


# ... also when it raises in the end.
def close_and_raise(what):
    client.close()
    raise KeyError(what)


for name, action in (("read", lambda: client.read()), ("write", lambda: client.write(b"x"))):
    client, server, client_end, server_end = connected()
    client_end.hook = lambda what: close_and_raise(what) if what == name else None
    show(name, action)
    show("then", client.read)

# close() in verify_callback.
ctx = client_context(pki.ca_der)
ctx.verify_callback = lambda cert, depth: client.close() or gc.collect() * 0
client, server, client_end, server_end = pair(ctx)
step(client)
step(server)
print(repr(step(client)), repr(step(client)), client_end.closed)
ctx.verify_callback = lambda cert, depth: client.close() or 1 // 0
client, server, client_end, server_end = pair(ctx)
step(client)
step(server)
print(repr(step(client)), repr(step(client)), client_end.closed)


# The context within a call on itself: a file's read, a password callable, a name's conversion.
def password():
    ctx.load_cert_chain(pki.rsa_der, pki.rsa_key_der)
    return "secret"


ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(pki.ec_pem, pki.encrypted_key, password)
print(connected(None, ctx)[0].getpeercert(True) == pki.ec_der)
