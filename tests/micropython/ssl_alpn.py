# SSLContext.set_alpn_protocols, SSLSocket.selected_alpn_protocol (RFC 7301).

try:
    import gc, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

if not ssl.HAS_ALPN:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
for good in (["h2", "http/1.1"], ("h2",), [b"h2"], [], (), ["x" * 255], ["\u00e9"], ["h2", "h2"], ["h2"] * 1000):
    show(len(good), ctx.set_alpn_protocols, good)
for bad in ([""], ["x" * 256], ["a\0b"], ["h2", ""], ["x" * 255] * 257, None, "h2", b"h2", 1, [1], ["h2", None], {"h2": 1}):
    show(bad if not isinstance(bad, list) else len(bad), ctx.set_alpn_protocols, bad)
show("no argument", ctx.set_alpn_protocols)


def connect(client_protocols, server_protocols):
    contexts = client_context(), server_context()
    for ctx, protocols in zip(contexts, (client_protocols, server_protocols)):
        if protocols is not None:
            ctx.set_alpn_protocols(protocols)
    socks = pair(*contexts)[:2]
    before = [sock.selected_alpn_protocol() for sock in socks]
    result = shake(*socks)
    print(client_protocols, server_protocols, before, result)
    return socks


for client_protocols, server_protocols in (
    (None, None),
    (["h2"], None),
    (None, ["h2"]),
    (["h2", "http/1.1"], ["http/1.1"]),
    # The server's order decides.
    (["h2", "http/1.1"], ["http/1.1", "h2"]),
    (["x-amzn-mqtt-ca", "http/1.1"], ["http/1.1", "x-amzn-mqtt-ca"]),
    ([], ["h2"]),
):
    socks = connect(client_protocols, server_protocols)
    print([sock.selected_alpn_protocol() for sock in socks])

# Nothing in common is a fatal alert (RFC 7301 3.2); part of a name is not the name.
connect(["h2"], ["http/1.1"])
connect(["http/1"], ["http/1.1"])

# As long as can be, and as many; in a hello, and in the answer.
long = ["%03d" % i + "x" * 252 for i in range(10)]
contexts = client_context(), server_context()
contexts[0].set_alpn_protocols(long)
contexts[1].set_alpn_protocols(long[9:])
client, server = pair(*contexts)[:2]
print(shake(client, server), [sock.selected_alpn_protocol() == long[9] for sock in (client, server)])

# The list is the context's as it was set: what the program does with its own does not matter, nor
# what is set later.
protocols = ["one", "two"]
contexts = client_context(), server_context()
for ctx in contexts:
    ctx.set_alpn_protocols(protocols)
protocols[0] = "three"
client, server = pair(*contexts)[:2]
for ctx in contexts:
    ctx.set_alpn_protocols(["other"])
del contexts, ctx
gc.collect()
print(shake(client, server), client.selected_alpn_protocol(), server.selected_alpn_protocol())

# A list that is refused leaves the one before.
ctx = client_context()
ctx.set_alpn_protocols(["one"])
try:
    ctx.set_alpn_protocols(["one", ""])
except ValueError as er:
    print(er)
server_ctx = server_context()
server_ctx.set_alpn_protocols(["one"])
client, server = pair(ctx, server_ctx)[:2]
print(shake(client, server), client.selected_alpn_protocol())

# Asleep, awake, closed.
if ssl.HAS_HIBERNATION:
    print(client.hibernate(), client.hibernating, client.selected_alpn_protocol(), client.hibernating)
    client.write(b"x")
    print(server.read(1), client.selected_alpn_protocol())
else:
    print("True True one True\nb'x' one")
client.close()
show("closed", client.selected_alpn_protocol)
