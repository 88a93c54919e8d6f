# Pre-shared keys: upstream's attributes, CPython's callbacks, what a look-up may do.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc
import time
import tls
import datagrams
import pki
from link import *

IDENTITY, KEY = b"device 7", b"sixteen byte key"
PLAIN = "TLS-PSK-WITH-AES-128-CCM-8"
ECDSA = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"


def contexts(cls=ssl.SSLContext, keys=None):
    """A client's that has a key, and a server's that looks it up."""
    client_ctx, server_ctx = cls(ssl.PROTOCOL_TLS_CLIENT), cls(ssl.PROTOCOL_TLS_SERVER)
    client_ctx.psk_identity = IDENTITY
    client_ctx.psk_key = KEY
    client_ctx.set_ciphers([PLAIN])
    server_ctx.server_psk_keys = {IDENTITY: KEY} if keys is None else keys
    return client_ctx, server_ctx


class Keys:
    """What a server asks: calls a function."""

    def __init__(self, look_up):
        self.get = look_up


def results(look_up):
    """What a handshake with this look-up comes to for client and server."""
    return shake(*pair(*contexts(keys=Keys(look_up)))[:2])


print(ssl.HAS_PSK)

# The attributes: None, what was set, and what cannot be.
for cls in (tls.SSLContext, ssl.SSLContext):
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_DTLS_CLIENT):
        ctx = cls(protocol)
        print(ctx.psk_identity, ctx.psk_key, ctx.server_psk_keys)
        before = ctx.get_ciphers()
        store = {b"x": b"y"}
        ctx.psk_identity, ctx.psk_key, ctx.server_psk_keys = "name", b"secret", store
        print(ctx.psk_identity, ctx.psk_key, ctx.server_psk_keys is store, end=" ")
        print(all("-PSK-" in name for name in ctx.get_ciphers()), ctx.get_ciphers() != before)
        ctx.psk_identity = ctx.psk_key = ctx.server_psk_keys = None
        print(ctx.psk_identity, ctx.psk_key, ctx.server_psk_keys, ctx.get_ciphers() == before)

ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def store(name, value):
    setattr(ctx, name, value)
    return getattr(ctx, name)


for value in ("text", b"bytes", bytearray(b"buffer"), memoryview(b"view"), 5, 1.5, [], {}, None):
    show("psk_identity", store, "psk_identity", value)
for value in ("text", b"bytes", bytearray(b"buffer"), 5, 1.5, [], None):
    show("psk_key", store, "psk_key", value)
# Lengths matter where there are both.
show("empty key alone", store, "psk_key", b"")
show("name for it", store, "psk_identity", b"name")
show("key", store, "psk_key", b"k" * 48)
show("name", store, "psk_identity", b"i" * 128)
for bad in (b"k" * 49, b""):
    show("bad key", store, "psk_key", bad)
for bad in (b"i" * 129, b""):
    show("bad name", store, "psk_identity", bad)
print(ctx.psk_identity == b"i" * 128, ctx.psk_key == b"k" * 48)
ctx.psk_identity = None
show("long key alone", store, "psk_key", b"k" * 49)
show("name for it", store, "psk_identity", b"name")
print(ctx.psk_identity)

# Both sides, with each type that has bytes.
for identity in (IDENTITY, "device 7", bytearray(IDENTITY), memoryview(IDENTITY)):
    for key in (KEY, "sixteen byte key", bytearray(KEY)):
        client_ctx, server_ctx = contexts()
        client_ctx.psk_identity, client_ctx.psk_key = identity, key
        client, server, _, _ = connected(client_ctx, server_ctx)
        client.write(b"question")
        print(server.read(), server.psk_identity, server.cipher()[0] == PLAIN, end=" ")
        print(client.psk_identity, client.psk_identity_hint, client.getpeercert(True))
# Upstream's class, which verifies, wants a name though there is nothing to verify.
client_ctx, server_ctx = contexts(tls.SSLContext)
show("no name", client_ctx.wrap_socket, link()[0])
print(connected(client_ctx, server_ctx)[1].psk_identity)

# Not known before the handshake is over, nor after close().
client, server, _, _ = pair(*contexts())
step(client), step(server), step(client)
print(server.psk_identity, client.psk_identity_hint)
print(shake(client, server), server.psk_identity)
server.close()
show("closed", lambda: server.psk_identity)
print(connected()[1].psk_identity)

# A wrong key and an unknown identity, and what a look-up may return.
print(results(lambda identity: b"another sort key"))
for value in (None, b"", "", bytearray(), KEY.decode(), bytearray(KEY), memoryview(KEY)):
    print(type(value), results(lambda identity: value))
for value in (5, 1.5, [KEY], True, b"k" * 49, "k" * 49, bytes(10000)):
    print(type(value), results(lambda identity: value))
print(results(lambda identity: b"k" * 48))


# What a look-up raises comes out as itself, of whatever call handshakes.
def absent(identity):
    raise KeyError(identity)


def stopped(identity):
    raise KeyboardInterrupt


def poor(identity):
    raise MemoryError


for look_up in (absent, poor, lambda identity: {}[1]):
    print(results(look_up))
client, server, _, server_end = pair(*contexts(keys=Keys(absent)))
step(client), step(server), step(client)
show("read", server.read)
show("then", server.read)
print(server_end.closed, repr(step(client)))
client, server, _, _ = pair(*contexts(keys=Keys(stopped)))
step(client), step(server), step(client)
try:
    server.write(b"x")
except KeyboardInterrupt:
    print("KeyboardInterrupt")


def lead(client, end):
    """Has the client begin when the server waits, and go on whenever it does."""

    def hook(what):
        if what == "read":
            step(client)

    end.hook = hook


client_ctx, server_ctx = contexts(keys=Keys(absent))
a, b = link()
client = client_ctx.wrap_socket(a, do_handshake_on_connect=False)
lead(client, b)
show("wrap_socket", server_ctx.wrap_socket, b, server_side=True)
print(b.closed, repr(step(client)))
# An object that cannot be asked.
for keys in (5, "text", [], object()):
    server_ctx.server_psk_keys = keys
    print(shake(*pair(client_ctx, server_ctx)[:2])[1].__class__)

# A look-up that closes the socket, wraps another connection, re-enters this one, changes
# the settings.
client = server = None


def closing(identity):
    server.close()
    gc.collect()
    return KEY


client, server, _, server_end = pair(*contexts(keys=Keys(closing)))
print(shake(client, server), server_end.closed)


def closing_and_raising(identity):
    server.close()
    raise KeyError("closed")


client, server, _, server_end = pair(*contexts(keys=Keys(closing_and_raising)))
print(shake(client, server), server_end.closed)


def nesting(identity):
    print(connected(*contexts())[1].psk_identity, connected()[0].version())
    return KEY


print(results(nesting))


def reentering(identity):
    for action in (
        lambda: server.read(1),
        lambda: server.write(b"x"),
        lambda: server.do_handshake(),
        lambda: server.cipher(),
        lambda: server.psk_identity,
        lambda: server.psk_identity_hint,
    ):
        show("re-entered", action)
    return KEY


client, server, _, _ = pair(*contexts(keys=Keys(reentering)))
print(shake(client, server))


def changing(identity):
    server_ctx.server_psk_keys = None
    server_ctx.psk_identity, server_ctx.psk_key = b"x", b"y"
    client_ctx.psk_key = b"new"
    server_ctx.__del__()
    gc.collect()
    return KEY


client_ctx, server_ctx = contexts(keys=Keys(changing))
client, server, _, _ = pair(client_ctx, server_ctx)
print(shake(client, server), server.psk_identity)

# A socket keeps what it was wrapped with; the next has what is set now.
client_ctx, server_ctx = contexts()
old = pair(client_ctx, server_ctx)
client_ctx.psk_key = b"new key"
server_ctx.server_psk_keys = {IDENTITY: b"new key"}
new = pair(client_ctx, server_ctx)
print(shake(*old[:2]), shake(*new[:2]))
print(shake(*pair(client_ctx, contexts()[1])[:2]))
# A dict that changes is the same dict.
keys = {}
client_ctx, server_ctx = contexts(keys=keys)
old = pair(client_ctx, server_ctx)
keys[IDENTITY] = KEY
print(shake(*old[:2]))
# A buffer that is wiped after it was set is wiped for nobody but its owner.
key = bytearray(KEY)
client_ctx.psk_key = key
key[:] = bytes(len(key))
print(shake(*pair(client_ctx, server_ctx)[:2]))

# A server with one identity of its own, and no dict.
server_ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_ctx.psk_identity, server_ctx.psk_key = IDENTITY, KEY
client_ctx = contexts()[0]
print(connected(client_ctx, server_ctx)[1].psk_identity)
client_ctx.psk_identity = b"another"
print(shake(*pair(client_ctx, server_ctx)[:2]))

# CPython's callbacks.
asked = []


def client_callback(hint):
    asked.append(hint)
    return "device 7", KEY


def server_callback(identity):
    asked.append(identity)
    return KEY


client_ctx, server_ctx = (
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
)
for ctx, name, other in (
    (client_ctx, "set_psk_server_callback", client_callback),
    (server_ctx, "set_psk_client_callback", server_callback),
):
    for callback in (other, None):
        show("wrong side", getattr(ctx, name), callback)
for ctx, name in ((client_ctx, "set_psk_client_callback"), (server_ctx, "set_psk_server_callback")):
    for callback in (5, "text", {}):
        show("not callable", getattr(ctx, name), callback)
    show("none given", getattr(ctx, name))
for hint in (5, [], 1.5):
    show("hint", server_ctx.set_psk_server_callback, server_callback, hint)
show("hint", server_ctx.set_psk_server_callback, server_callback, "h" * 129)
show("unknown", lambda: server_ctx.set_psk_server_callback(server_callback, hint="h"))
print(any("-PSK-" in name for name in server_ctx.get_ciphers()))


def told(values):
    """As they were given; how a str beyond ASCII is printed, releases differ in."""
    return [(type(v), v.encode()) if "Ger" in str(v) else v for v in values]


for hint in (None, "", b"", "hint", "Gerät", b"\xff\xfe", b"\0", bytearray(b"buffer"), "h" * 128):
    client_ctx.set_psk_client_callback(client_callback)
    server_ctx.set_psk_server_callback(server_callback, identity_hint=hint)
    client, server, _, _ = connected(client_ctx, server_ctx)
    print(told(asked), client.psk_identity_hint, server.psk_identity, client.cipher()[0][:14])
    asked.clear()
# The identity is a str where it is text.
for identity in ("device 7", "Gerät", b"\xff\xfe", b"\0", b"x\0", "i" * 128):
    client_ctx.set_psk_client_callback(lambda hint: (identity, KEY))
    connected(client_ctx, server_ctx)
    print(told(asked))
    asked.clear()


def choice(value):
    client_ctx.set_psk_client_callback(lambda hint: value)
    return repr(shake(*pair(client_ctx, server_ctx)[:2])[0])


print(choice(("device 7", KEY)), choice([b"device 7", KEY.decode()]))
for value in (
    None,
    5,
    KEY,
    (),
    (IDENTITY,),
    (IDENTITY, KEY, KEY),
    (None, KEY),
    (IDENTITY, None),
    (None, None),
    ("", KEY),
    (IDENTITY, b""),
    (5, KEY),
    (IDENTITY, 5),
    (b"i" * 129, KEY),
    (IDENTITY, b"k" * 49),
):
    text = choice(value)
    print(text[: text.find("(")] if "TypeError" in text or "ValueError" in text else text)


def failing(hint):
    raise KeyError(hint)


client_ctx.set_psk_client_callback(failing)
print(shake(*pair(client_ctx, server_ctx)[:2]))


def closing_client(hint):
    client.close()
    return IDENTITY, KEY


client_ctx.set_psk_client_callback(closing_client)
client, server, client_end, _ = pair(client_ctx, server_ctx)
print(repr(shake(client, server)[0]), client_end.closed)


def reentering_client(hint):
    show("re-entered", lambda: client.psk_identity_hint)
    return IDENTITY, KEY


client_ctx.set_psk_client_callback(reentering_client)
client, server, _, _ = pair(client_ctx, server_ctx)
print(shake(client, server))

# Taken back, certificates are used again. One replaces the other.
client_ctx.set_psk_client_callback(None)
server_ctx.set_psk_server_callback(None)
server_ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
print(connected(client_ctx, server_ctx)[0].getpeercert(True) == pki.ec_der)
asked.clear()
client_ctx = contexts()[0]
server_ctx.set_psk_server_callback(server_callback, "hint")
server_ctx.server_psk_keys = {IDENTITY: KEY}
print(connected(client_ctx, server_ctx)[0].psk_identity_hint, asked)
server_ctx.set_psk_server_callback(server_callback, "hint")
print(server_ctx.server_psk_keys)
print(connected(client_ctx, server_ctx)[0].psk_identity_hint, asked)
# A client's callback goes before its attributes; a client's server_psk_keys are nobody's.
client_ctx.set_psk_client_callback(lambda hint: (b"chosen", KEY))
client_ctx.server_psk_keys = {IDENTITY: b"not this"}
print(connected(client_ctx, server_ctx)[1].psk_identity)
client_ctx.set_psk_client_callback(None)
print(connected(client_ctx, server_ctx)[1].psk_identity, client_ctx.server_psk_keys)
client_ctx.psk_identity = None
print(shake(*pair(client_ctx, server_ctx)[:2]))

# Nobody falls back to certificates, unless set_ciphers says so.
client_ctx, server_ctx = contexts()[0], server_context()
print(shake(*pair(client_ctx, server_ctx)[:2]))
client_ctx, server_ctx = client_context(pki.ca_der), contexts()[1]
server_ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
print(shake(*pair(client_ctx, server_ctx)[:2]))
server_ctx.set_ciphers([ECDSA, PLAIN])
print(connected(client_ctx, server_ctx)[1].psk_identity)
print(connected(contexts()[0], server_ctx)[1].psk_identity)
client_ctx.set_psk_client_callback(failing)
client_ctx.set_ciphers([PLAIN, ECDSA])
print(connected(client_ctx, server_ctx)[0].cipher()[0] == ECDSA)

# DTLS, one server of many clients: each is asked for.
network = datagrams.Network()
server_ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER)
server_ctx.set_psk_server_callback(server_callback, "a hint")
server_ctx.dtls_timeout = 60000, 60000  # a slow machine sends nothing again
asked.clear()
sock = datagrams.Socket(network, datagrams.SERVER)
listener = server_ctx.listen(sock)
listener.setblocking(False)
for n in range(3):
    client_ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
    client_ctx.dtls_timeout = 60000, 60000
    client_ctx.psk_identity, client_ctx.psk_key = "device %d" % n, KEY
    client, _ = datagrams.calling(network, b"client %d" % n, client_ctx)
    server = datagrams.meet(listener, client)
    client.write(b"question %d" % n)
    print(server.read(100), server.psk_identity, client.psk_identity_hint, client.version())
print(asked)
server_ctx.server_psk_keys = Keys(absent)
client_ctx.dtls_timeout = 500, 60000
client, _ = datagrams.calling(network, b"client 9", client_ctx)
try:
    datagrams.meet(listener, client)
except KeyError as er:
    print("KeyError", er)


# An alert in the clear may be anybody's: it counts when nothing else comes until it is time to
# send again.
def settle():
    while datagrams.step(client) is None:
        time.sleep_ms(20)


show("client", settle)

# 1000 handshakes, and the heap is as it was. (What Mbed TLS has is looked at by tests/psk.rs.)
client_ctx, server_ctx = contexts()


def rounds(n):
    for _ in range(n):
        connected(client_ctx, server_ctx)
    gc.collect()
    return gc.mem_alloc()


rounds(10)
before = rounds(10)
rounds(1000)
# The collector may take anything on the stack for a pointer, and keep a connection or two, though
# not the same ones for long.
after = min(rounds(n) for n in (1, 2, 3))
print("grown" if after > before + 16384 else "not grown")
