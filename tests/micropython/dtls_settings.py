# The settings of DTLS: what they begin with, what they take and what they refuse.

try:
    import ssl, tls, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import io
from datagrams import show

for module in (ssl, tls):
    for protocol in (module.PROTOCOL_DTLS_CLIENT, module.PROTOCOL_DTLS_SERVER):
        ctx = module.SSLContext(protocol)
        print(ctx.dtls_timeout, ctx.dtls_mtu, ctx.dtls_cid, ctx.dtls_cid_required)


def store(name, value):
    setattr(ctx, name, value)
    return getattr(ctx, name)


for name, values in (
    (
        "dtls_timeout",
        (
            (9000, 60000),
            [1, 1],
            (1, 2147483647),
            (0, 1000),
            (1000, 0),
            (2000, 1000),
            (-1, 1000),
            (1000, 1 << 31),
            (1000,),
            (1, 2, 3),
            1000,
            None,
            ("a", "b"),
        ),
    ),
    ("dtls_mtu", (0, 256, 1280, 65535, 255, 1, 65536, -1, None, "x")),
    ("dtls_cid", (0, 1, 8, 32, 33, 255, 256, -1, None, "x")),
    ("dtls_cid_required", (True, 0, 1, None)),
):
    for value in values:
        show("%s = %r" % (name, value), store, name, value)

# A refused value leaves the one before.
ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER)
ctx.dtls_timeout = (5, 50)
show("refused", store, "dtls_timeout", (50, 5))
print(ctx.dtls_timeout)

# No socket of UDP: only a DTLS server's context listens.
for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_DTLS_CLIENT):
    show("listen %d" % protocol, ssl.SSLContext(protocol).listen, io.BytesIO())
show("listen backlog", ctx.listen, io.BytesIO(), backlog=0)
show("listen bufsize", ctx.listen, io.BytesIO(), bufsize=255)
show("listen nothing", ctx.listen)
show("listen int", lambda: ctx.listen(1) and None)
listener = ctx.listen(io.BytesIO(), backlog=1, bufsize=256)
show("dropped", lambda: listener.dropped)
show("dropped is read-only", setattr, listener, "dropped", 1)
