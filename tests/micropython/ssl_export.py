# SSLSocket.export() and SSLContext.restore(): a TLS connection that outlives its socket.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import gc

import pki
from link import *

if not ssl.HAS_HIBERNATION:
    print("SKIP")
    raise SystemExit

KEY = bytes(range(32))


class Counter:
    """In the place of one in storage that survives."""

    def __init__(self):
        self.stored = 0

    def next(self):
        return self.stored + 1

    def advance(self, n):
        if n <= self.stored:
            raise ValueError("used")
        self.stored = n


def contexts():
    return client_context(pki.ca_der), server_context()


def properties(sock):
    cert = getattr(sock, "getpeercert", lambda _: None)(True)
    return sock.cipher(), sock.version(), cert, sock.server_hostname, sock.server_side, sock.session_reused


# It goes on where it was, with both ends exported again and again.
client_ctx, server_ctx = contexts()
client, server, client_end, server_end = pair(client_ctx, server_ctx)
show("before the handshake", client.export, key=KEY, counter=Counter())
print(shake(client, server))
counters = Counter(), Counter()
before = properties(client), properties(server)
for key in (KEY, bytes(16), None):
    for n in (1, 100, 4000):
        data = bytes(range(256)) * 16
        assert client.write(data[:n]) == n and server.read(n) == data[:n]
        old = client
        state = client.export(key=key, counter=counters[0])
        print(type(state), client_end.closed, len(client_end.rx), len(server_end.rx))
        client = client_ctx.restore(client_end, state, key=key, counter=counters[0])
        show("the old one", old.write, b"x")
        assert server.write(data[:n]) == n and client.read(n) == data[:n]
        state = server.export(key=key, counter=counters[1])
        server = server_ctx.restore(server_end, state, key=key, counter=counters[1])
        print(client.hibernating, server.hibernating)
print(client.write(b"more"), server.read(4), server.write(b"and more"), client.read(8))
print((properties(client), properties(server)) == before)

# What comes meanwhile waits in the transport.
state = client.export(key=KEY, counter=counters[0])
server.write(b"meanwhile")

# A state is restored once.
client = client_ctx.restore(client_end, state, key=KEY, counter=counters[0])
show("again", client_ctx.restore, client_end, state, key=KEY, counter=counters[0])
print(client_end.closed, client.read(9))
# An older one as little.
newer = client.export(key=KEY, counter=counters[0])
show("older", client_ctx.restore, client_end, state, key=KEY, counter=counters[0])

# The counter has the first word, and the last.
class Raises(Counter):
    def advance(self, n):
        print("advance", n > 0, len(server_end.rx), len(client_end.rx))
        raise OSError(EIO)


class No(Counter):
    def advance(self, n):
        return False


show("raises", client_ctx.restore, client_end, newer, key=KEY, counter=Raises())
show("says no", client_ctx.restore, client_end, newer, key=KEY, counter=No())
show("is none", client_ctx.restore, client_end, newer, key=KEY, counter=object())
gc.collect()
print(client_end.closed)

# Not without a key or a counter that it was exported with; not in the clear where there is to be a key.
show("without the key", client_ctx.restore, client_end, newer, key=None, counter=counters[0])
show("another key", client_ctx.restore, client_end, newer, key=bytes(32), counter=counters[0])
show("no key", client_ctx.restore, client_end, newer, key=bytes(15), counter=counters[0])
show("without the counter", client_ctx.restore, client_end, newer, key=KEY)
show("key not given", client_ctx.restore, client_end, newer, counter=counters[0])

# Not with other settings, or another host's, or changed by a bit.
other = client_context(pki.ca_der)
other.verify_mode = ssl.CERT_NONE
show("unverified", other.restore, client_end, newer, key=KEY, counter=counters[0])
other = client_context(pki.ca_der)
other.verify_callback = lambda cert, depth: 0
show("with a callback", other.restore, client_end, newer, key=KEY, counter=counters[0])
show("a server", server_ctx.restore, client_end, newer, key=KEY, counter=counters[0])
other = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT) if hasattr(ssl, "PROTOCOL_DTLS_CLIENT") else server_ctx
show("datagrams", other.restore, client_end, newer, key=KEY, counter=counters[0])
bad = 0
for i in range(len(newer)):
    changed = bytearray(newer)
    changed[i] ^= 1 << (i % 8)
    for wrong in (changed, newer[:i]):
        try:
            client_ctx.restore(client_end, wrong, key=KEY, counter=counters[0])
        except ValueError:
            bad += 1
print(bad == 2 * len(newer))
show("nothing", client_ctx.restore, client_end, b"", key=KEY, counter=counters[0])
show("no bytes", client_ctx.restore, client_end, None, key=KEY, counter=counters[0])

# After all that it is still good.
same = client_context(pki.ca_der)
client = same.restore(client_end, newer, key=KEY, counter=counters[0])
print(client.write(b"good"), server.read(4), client.server_hostname)

# What is refused changes nothing: in the clear by mistake, a stream without a counter, settings that have
# changed since, what is not quiet.
show("no key given", client.export)
show("without a counter", client.export, key=KEY)
show("short", client.export, key=b"short", counter=counters[0])
show("long", client.export, key=bytes(65), counter=counters[0])
show("text", client.export, key=1, counter=counters[0])
show("positional", client.export, KEY)


class Zero(Counter):
    def next(self):
        return 0


show("zero", client.export, key=KEY, counter=Zero())
same.verify_mode = ssl.CERT_NONE
show("changed", client.export, key=KEY, counter=counters[0])
client.write(b"unread")
print(server.read(1))
show("half read", server.export, key=KEY, counter=counters[1])
print(server.read(5))
server_end.block_writes = True
show("blocked", server.write, b"waits")
show("half written", server.export, key=KEY, counter=counters[1])
server_end.block_writes = False
print(server.write(b"waits"), client.read(5))

# Within a call of its own.
def within(what):
    server_end.hook = None
    show("within", server.export, key=KEY, counter=counters[1])


server_end.hook = within
server.write(b"x")
print(client.read(1))

# Settings that say nothing of it may change.
server_ctx.hibernate_after = 0
server = server_ctx.restore(server_end, server.export(key=KEY, counter=counters[1]), key=KEY, counter=counters[1])
print(server.write(b"y"), client.read(1))

# The end.
client.close()
print(server.read(1), server.close_notify_received)
show("at the end", server.export, key=KEY, counter=counters[1])
server.close()
show("closed", server.export, key=KEY, counter=counters[1])

# The protocol that was agreed on goes with it.
client_ctx, server_ctx = contexts()
if hasattr(client_ctx, "set_alpn_protocols"):
    client_ctx.set_alpn_protocols(["coap", "mqtt", "h2"])
    server_ctx.set_alpn_protocols(["mqtt", "coap"])
client, server, client_end, server_end = connected(client_ctx, server_ctx)
before = client.selected_alpn_protocol(), server.selected_alpn_protocol()
print(before == ("mqtt", "mqtt") or not ssl.HAS_ALPN)
counters = Counter(), Counter()
for _ in range(2):
    for key in (KEY, None):
        given = {"key": key, "counter": counters[0]}
        client = client_ctx.restore(client_end, client.export(**given), **given)
        given["counter"] = counters[1]
        server = server_ctx.restore(server_end, server.export(**given), **given)
        client.write(b"to server")
        server.write(b"to client")
        print(server.read(9), client.read(9))
        print((client.selected_alpn_protocol(), server.selected_alpn_protocol()) == before)
state = client.export(key=KEY, counter=counters[0])
if ssl.HAS_ALPN:
    client_ctx.set_alpn_protocols(["coap", "h2"])
    try:
        client_ctx.restore(client_end, state, key=KEY, counter=counters[0])
    except ValueError:
        state = None
print(state is None or not ssl.HAS_ALPN)

# One that no SSLContext made has nothing that could check a state.
a, b = link()
server = ssl.wrap_socket(b, server_side=True, key=pki.ec_key_der, cert=pki.ec_der, do_handshake=False)
client = ssl.wrap_socket(a, do_handshake=False)
print(shake(client, server))
for sock in (client, server):
    show("without a context", sock.export, key=None, counter=Counter())
client.write(b"goes on")
print(server.read())
