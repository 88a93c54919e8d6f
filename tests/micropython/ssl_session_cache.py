# SSLContext.session_cache: connections that nobody gives a session go on with one.

try:
    import gc, ssl, sys, tls
except ImportError:
    print("SKIP")
    raise SystemExit

if not hasattr(ssl, "SSLSession"):
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

VERSIONS = ["TLSv1_2"] + (["TLSv1_3"] if ssl.HAS_TLSv1_3 else [])


def giving_server():
    ctx = server_context()
    ctx.num_tickets = 1
    return ctx


def visit(client_ctx, server_ctx, hostname=HOST, sleeps=False):
    """Whether a connection goes on with one before."""
    client_end, server_end = link()
    server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
    client = client_ctx.wrap_socket(client_end, do_handshake_on_connect=False, server_hostname=hostname)
    assert shake(client, server) == (True, True)
    if sleeps:
        client.hibernate()
    server.write(b"hello")
    assert client.read(5) == b"hello"
    assert client.session_reused is server.session_reused
    reused = client.session_reused
    client.close()
    server.close()
    return reused


class Own(ssl.SSLContext):
    pass


ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print(ctx.session_cache, bool(ctx.options & ssl.OP_NO_TICKET))
ctx.session_cache = 2
print(ctx.session_cache, bool(ctx.options & ssl.OP_NO_TICKET))
for value in (32, 33, -1, 1 << 40, None, "x", True, 0):
    show(value, setattr, ctx, "session_cache", value)
print(ctx.session_cache)
for protocol in (ssl.PROTOCOL_TLS_SERVER, tls.PROTOCOL_DTLS_CLIENT, tls.PROTOCOL_DTLS_SERVER):
    ctx = tls.SSLContext(protocol)
    show("not here", setattr, ctx, "session_cache", 1)
    show("none", setattr, ctx, "session_cache", 0)


def callback(cert, depth):
    return 0


for version in VERSIONS:
    for cls in (ssl.SSLContext, tls.SSLContext, Own):
        client_ctx, server_ctx = cls(ssl.PROTOCOL_TLS_CLIENT), giving_server()
        client_ctx.verify_mode = ssl.CERT_REQUIRED
        client_ctx.check_hostname = False
        client_ctx.load_verify_locations(pki.ca_der) if cls is tls.SSLContext else (
            client_ctx.load_verify_locations(cadata=pki.ca_der)
        )
        client_ctx.minimum_version = client_ctx.maximum_version = getattr(ssl.TLSVersion, version)
        client_ctx.session_cache = 2
        names = ("a", "a", "b", "a", "b", "c", "a")
        found = [visit(client_ctx, server_ctx, name) for name in names]
        assert found == [False, True, False, True, True, False, False], (version, cls, found)
        # A connection that has hibernated when its ticket comes has it all the same.
        assert [visit(client_ctx, server_ctx, "d", True) for _ in range(3)] == [False, True, True]
        gc.collect()
        assert visit(client_ctx, server_ctx, "d")
        # Nobody would ask the callback.
        client_ctx.verify_callback = callback
        assert not visit(client_ctx, server_ctx, "d")
        assert not visit(client_ctx, server_ctx, "d")
        client_ctx.verify_callback = None
        assert visit(client_ctx, server_ctx, "d")
        # OP_NO_TICKET says no, and what was kept before is there when it does not.
        options = client_ctx.options
        client_ctx.options |= ssl.OP_NO_TICKET
        assert not visit(client_ctx, server_ctx, "d")
        client_ctx.options = options
        assert visit(client_ctx, server_ctx, "d")
        client_ctx.options |= ssl.OP_NO_TICKET
        client_ctx.session_cache = 0
        assert not visit(client_ctx, server_ctx, "d")

# The context goes first.
client_ctx, server_ctx = client_context(pki.ca_der), giving_server()
client_ctx.session_cache = 4
client_end, server_end = link()
server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
client = client_ctx.wrap_socket(client_end, do_handshake_on_connect=False, server_hostname=HOST)
del client_ctx
gc.collect()
assert shake(client, server) == (True, True)
server.write(b"hello")
assert client.read(5) == b"hello" and client.session
client.close()
print("done")
