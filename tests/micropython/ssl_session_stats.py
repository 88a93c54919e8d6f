# SSLContext.session_stats(): CPython's dict, of what the context's connections came to.

try:
    import ssl, sys, tls
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

NAMES = (
    "number connect connect_good connect_renegotiate accept accept_good accept_renegotiate hits misses "
    "timeouts cache_full"
).split()


def told(ctx):
    """What is not 0."""
    stats = ctx.session_stats()
    assert sorted(stats) == sorted(NAMES)
    return sorted((name, n) for name, n in stats.items() if n)


def visit(client_ctx, server_ctx, hostname=HOST):
    client_end, server_end = link()
    server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
    client = client_ctx.wrap_socket(client_end, do_handshake_on_connect=False, server_hostname=hostname)
    done = shake(client, server)
    if done == (True, True):
        server.write(b"hello")
        assert client.read(5) == b"hello"
    client.close()
    server.close()


client_ctx, server_ctx = client_context(pki.ca_der), server_context()
stats = client_ctx.session_stats()
stats["hits"] = 1  # a copy
print(told(client_ctx), told(server_ctx))
client_ctx.wrap_socket(link()[0], do_handshake_on_connect=False, server_hostname=HOST).close()
print(told(client_ctx))
visit(client_ctx, server_ctx)
print(told(client_ctx), told(server_ctx))
try:
    visit(client_ctx, server_ctx, "other.example")
except ssl.CertificateError:
    pass
print(told(client_ctx)[:2], told(server_ctx)[:2])

for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
    print(told(tls.SSLContext(protocol)))

for args in ((1,), (None, 1)):
    show(args, client_ctx.session_stats, *args)


class Own(ssl.SSLContext):
    def session_stats(self):
        return sum(super().session_stats().values())


print(Own(ssl.PROTOCOL_TLS_CLIENT).session_stats())

if hasattr(ssl, "SSLSession"):
    client_ctx, server_ctx = client_context(pki.ca_der), server_context()
    client_ctx.check_hostname = False
    client_ctx.session_cache = 1
    server_ctx.num_tickets = 1
    visit(client_ctx, server_ctx)
    visit(client_ctx, server_ctx)
    expected = [("connect", 2), ("connect_good", 2), ("hits", 1), ("number", 1)]
    assert told(client_ctx) == expected, told(client_ctx)
    assert told(server_ctx) == [("accept", 2), ("accept_good", 2), ("hits", 1)], told(server_ctx)
    server_ctx.verify_mode = ssl.CERT_OPTIONAL  # new keys
    visit(client_ctx, server_ctx)
    assert told(server_ctx) == [("accept", 3), ("accept_good", 3), ("hits", 1), ("misses", 1)], told(server_ctx)
    visit(client_ctx, server_ctx, "other.example")
    expected = [("cache_full", 1), ("connect", 4), ("connect_good", 4), ("hits", 1), ("number", 1)]
    assert told(client_ctx) == expected, told(client_ctx)
    client_ctx.session_cache = 0
    assert ("number", 1) not in told(client_ctx)
print("done")
