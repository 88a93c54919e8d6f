# What CPython's programs write: create_default_context, and what its SSLSocket has.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *

# A client's context verifies; a server's does not ask.
ctx = ssl.create_default_context(cadata=pki.ca_der)
print(type(ctx) is ssl.SSLContext, ctx.verify_mode, ctx.check_hostname, ctx.cert_store_stats()["x509"])
for args, kwargs in (
    ((), {"cadata": pki.ca_der}),
    ((ssl.Purpose.SERVER_AUTH,), {"cadata": pki.ca_pem}),
    ((), {"purpose": ssl.Purpose.SERVER_AUTH, "cafile": "", "cadata": pki.ca_der}),
    ((), {"cafile": pki.other_ca_pem, "cadata": pki.ca_der}),
    ((), {"cadata": pki.other_ca_der}),
):
    ctx = ssl.create_default_context(*args, **kwargs)
    out = [shake(*pair(ctx, None, name)[:2])[0] is True for name in (HOST, "elsewhere.example")]
    print(ctx.cert_store_stats()["x509"], out)
    show("no name", ctx.wrap_socket, End())
ctx = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
print(ctx.verify_mode, ctx.check_hostname, ctx.cert_store_stats()["x509"])
ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
print(shake(*pair(None, ctx)[:2]))
ctx = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pki.ca_der)
print(ctx.verify_mode, ctx.cert_store_stats()["x509"])
for args, kwargs in (((1,), {}), ((None,), {}), ((), {"cadata": b"x"}), ((), {"nonsense": 1}), ((ssl.Purpose.SERVER_AUTH, pki.ca_der), {})):
    show("refused", ssl.create_default_context, *args, **kwargs)

# What the system trusts, where the port knows it; without, nobody is trusted.
ctx = ssl.create_default_context()
print(ctx.verify_mode, ctx.check_hostname, shake(*pair(ctx)[:2])[0] is True)
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print(ssl.HAS_SNI)
print(ctx.load_default_certs(), ctx.load_default_certs(ssl.Purpose.SERVER_AUTH))
if hasattr(ssl, "get_default_verify_paths"):
    paths = ssl.get_default_verify_paths()
    print((paths.cafile is None) == (ctx.cert_store_stats()["x509"] == 0), paths.openssl_cafile_env)
else:
    print(ctx.cert_store_stats()["x509"] == 0, "SSL_CERT_FILE")


# The transport's own are the TLS socket's.
class Transport(End):
    def fileno(self):
        return 7

    def getpeername(self):
        return "peer"

    def getsockname(self):
        return "sock"

    def setsockopt(self, *args):
        self.calls.append(args)

    def gettimeout(self):
        return 1.5


sock = client_context().wrap_socket(Transport(), do_handshake_on_connect=False)
print(sock.fileno(), sock.getpeername(), sock.getsockname(), sock.gettimeout(), sock.setsockopt(6, 1, 1))
sock.close()
for name in ("fileno", "getpeername", "getsockname", "setsockopt", "gettimeout"):
    show("closed", getattr(sock, name))
client, server = pair()[:2]
show("before", client.shutdown, 1)
print(hasattr(client, "getpeername"), client.server_side, server.server_side)


# The context that it was made with: itself, a subclass's instance, also when it has changed since,
# or has gone; after the end, too.
class Own(ssl.SSLContext):
    pass


import gc, tls

for cls in (ssl.SSLContext, Own, tls.SSLContext):
    ctx = cls(ssl.PROTOCOL_TLS_CLIENT)
    ctx.verify_mode = ssl.CERT_NONE
    ctx.verify_callback = None
    first = ctx.wrap_socket(End(), do_handshake_on_connect=False, server_hostname=HOST)
    ctx.verify_callback = print
    second = ctx.wrap_socket(End(), do_handshake_on_connect=False)
    print(first.context is ctx, second.context is ctx, first.server_hostname, second.server_hostname)
    first.close()
    del ctx
    gc.collect()
    print(first.context is second.context, type(second.context) is cls, second.context.verify_mode, first.server_hostname)
for name in ("context", "server_hostname", "server_side"):
    try:
        setattr(second, name, 1)
    except AttributeError:
        print(name, "cannot be set")
sock = ssl.wrap_socket(End(), do_handshake=False, server_hostname="[::1]")
print(sock.context, sock.server_hostname, sock.server_side)
print(server.context.verify_mode, server.server_hostname)

# shutdown: the peer hears of it, and can still write.
for how in (1, 2):
    client, server, client_end, _ = connected()
    client.write(b"last")
    print(client.shutdown(how), client.shutdown(how))
    print(server.read(4), server.read(1), server.close_notify_received)
    show("write", client.write, b"x")
    server.write(b"answer")
    print(client.read(6), client_end.closed)
    server.close()
    print(client.read(1), client.close_notify_received)
    client.close()
    show("closed", client.shutdown, how)
client, server = connected()[:2]
for how in (0, 3, -1, None):
    show("how %s" % how, client.shutdown, how)
client.write(b"x")
print(server.read(1))
