# SSLSocket.unwrap: ends TLS and gives the transport back, to be used in the clear.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *


def unwrap(sock):
    try:
        return sock.unwrap()
    except ssl.SSLWantReadError:
        return "want read"
    except ssl.SSLWantWriteError:
        return "want write"


client, server, client_end, server_end = connected()
client.write(b"encrypted")
print(server.read())

# The first to unwrap sends its close_notify and waits for the other's.
print(unwrap(client), unwrap(client))
print(unwrap(server) is server_end)
print(unwrap(client) is client_end)
print(client_end.closed, server_end.closed)

# In the clear, in both directions.
client_end.write(b"clear")
server_end.write(b"in words")
buf = bytearray(10)
print(server_end.readinto(buf), buf)
print(client_end.readinto(buf), buf)

# The SSLSocket is over: as after close(), but the transport is not its any more.
for name, args in (
    ("read", ()),
    ("write", (b"x",)),
    ("unwrap", ()),
    ("setblocking", (1,)),
    ("close", ()),
):
    show(name, getattr(client, name), *args)
print(client_end.closed)

# TLS once more on the same transport.
server = server_context().wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
client = client_context().wrap_socket(client_end, do_handshake_on_connect=False)
print(shake(client, server))
client.write(b"again")
print(server.read())

# What the peer still sends is dropped; nothing behind its close_notify is touched.
server.write(b"not read")
server.write(b"this neither" * 100)
print(unwrap(client))
print(server.read(), server.close_notify_received)
print(unwrap(server) is server_end)
server_end.write(b"in the clear")
print(unwrap(client) is client_end, bytes(client_end.rx))
client_end.rx[:] = b""

# A peer that closes the transport, without close_notify or without a word.
client, server, client_end, server_end = connected()
server_end.closed = 1
show("gone", client.unwrap)
client, server, client_end, server_end = connected()
server.write(b"x")
server.close()
server_end.closed = 0
print(unwrap(client) is client_end)
client, server, client_end, server_end = connected()
print(unwrap(client))
server_end.closed = 1
print(unwrap(client) is client_end)

# A transport that takes the close_notify in parts, and one that raises.
client, server, client_end, server_end = connected()
client_end.limit = 10
turns = [0]


def sometimes(what):
    turns[0] += 1
    return -EAGAIN if turns[0] & 1 else None


client_end.hook = sometimes
results = [unwrap(client) for _ in range(5)]
print(results, server.read(), server.close_notify_received)
unwrap(server)
for _ in range(20):
    result = unwrap(client)
    if result is client_end:
        break
print(result is client_end)

client, server, client_end, server_end = connected()


def interrupt(what):
    raise KeyError(what)


client_end.hook = interrupt
show("raises", client.unwrap)
client_end.hook = None
print(unwrap(client), server.read(), unwrap(server) is server_end, unwrap(client) is client_end)

# Not before the handshake is over, and not after a failure.
client, server, client_end, server_end = pair()
show("early", client.unwrap)
client_end.rx.extend(b"nonsense")
print(repr(step(client)))
show("late", client.unwrap)
