# SSLContext.sni_callback: a server with several names (RFC 6066 3), as CPython's.

try:
    import gc, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

if not ssl.HAS_SNI:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import pki
from link import *

CERTS = {pki.ec_der: "first", pki.other_der: "second", pki.rsa_der: "rsa"}


def said(er):
    """A TypeError's words are MicroPython's, and change."""
    return "TypeError" if isinstance(er, TypeError) else (str(er), getattr(er, "alert", None))


def run(callback, hostname=HOST, client_ctx=None, server_ctx=None):
    server_ctx = server_ctx or server_context()
    server_ctx.sni_callback = callback
    client, server = pair(client_ctx, server_ctx, hostname)[:2]
    results = shake(client, server)
    if results != (True, True):
        return [said(result) for result in results]
    client.write(b"x")
    assert server.read(1) == b"x"
    return CERTS.get(client.getpeercert(True), "leaf")


# What the callback gets: the socket, the name, the context that it was set on.
seen = []


def note(sock, name, context):
    seen.append((sock, name, context))


server_ctx = server_context()
print(server_ctx.sni_callback)
for hostname in (HOST, "another.host", None):
    print(hostname, run(note, hostname, server_ctx=server_ctx))
    sock, name, context = seen.pop()
    print(type(sock) is ssl.SSLSocket, name, context is server_ctx, sock.context is server_ctx, seen)
print(server_ctx.sni_callback is note)
server_ctx.sni_callback = None
print(run(None, server_ctx=server_ctx), seen)

# It may choose another context's certificate, by the name, more than once, with the other gone.
second = server_context(pki.other_der, pki.other_key_der)


def by_name(sock, name, context):
    if name == "second":
        sock.context = second
        assert sock.context is second


for hostname in (HOST, "second", None):
    print(hostname, run(by_name, hostname))


def fresh(sock, name, context):
    sock.context = server_context(pki.rsa_der, pki.rsa_key_der)
    sock.context = second
    sock.context = server_context(pki.other_der, pki.other_key_der)
    gc.collect()


print("fresh", run(fresh))


def itself(sock, name, context):
    sock.context = context


print("itself", run(itself))


class Context(ssl.SSLContext):
    pass


def of_class(sock, name, context):
    sock.context = server_context(pki.other_der, pki.other_key_der, Context)
    print(type(sock.context))


print("subclass", run(of_class))

# A longer chain than the first context's, and another kind of key.
for label, chain, key in (
    ("chain", (pki.leaf_pem + pki.intermediate_pem) * 3, pki.leaf_key),
    ("rsa", pki.rsa_der, pki.rsa_key_der),
):
    other = server_context(chain, key)
    print(label, run(lambda sock, name, context: setattr(sock, "context", other)))

# The client must show a certificate where either context says so.
mutual = server_context(pki.other_der, pki.other_key_der)
mutual.verify_mode = ssl.CERT_REQUIRED
mutual.load_verify_locations(cadata=pki.ca_der)
verified = []
mutual.verify_callback = lambda der, depth: verified.append(depth) or 0


def to_mutual(sock, name, context):
    sock.context = mutual
    servers.append(sock)


def client_with(cert=None, key=None):
    ctx = client_context()
    if cert:
        ctx.load_cert_chain(cert, key)
    return ctx


for label, client_ctx in (
    ("none", client_with()),
    ("good", client_with(pki.client_pem, pki.client_key)),
    ("stranger's", client_with(pki.other_client_der, pki.other_client_key_der)),
):
    servers, verified[:] = [], []
    result = run(to_mutual, client_ctx=client_ctx)
    print("required", label, result if isinstance(result, str) else "refused", bool(verified))
    if isinstance(result, str):
        print(sorted(servers[0].getpeercert()), servers[0].context is mutual)
strict = server_context()
strict.verify_mode = ssl.CERT_REQUIRED
strict.load_verify_locations(cadata=pki.ca_der)
for client_ctx in (client_with(), client_with(pki.client_pem, pki.client_key)):
    result = run(by_name, "second", client_ctx, strict)
    print("of the first", result if isinstance(result, str) else "refused")

# It may refuse: with an alert's number, by raising, or by mistake.
for answer in (112, 49, 255, 0, 256, -1, True, "x", 1.5):
    print(repr(answer), run(lambda sock, name, context: answer))


def raises(sock, name, context):
    sock.context = second
    raise RuntimeError("no")


print(run(raises))


def no_text(sock, name, context):
    print(name)


print(run(no_text, b"caf\xe9.local"))

# What cannot be set, and what cannot be chosen.
for callback in (1, "x", ()):
    show("sni_callback", setattr, server_ctx, "sni_callback", callback)
show("client", setattr, client_context(), "sni_callback", note)
show("client, none", setattr, client_context(), "sni_callback", None)
if hasattr(ssl, "PROTOCOL_DTLS_SERVER"):
    show("datagrams", setattr, ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER), "sni_callback", note)
signs = server_context()
signs.ecdsa_sign_callback = lambda key, hash: None
for what in (client_context(), None, 1, signs):

    def choose(sock, name, context):
        show(type(what).__name__, setattr, sock, "context", what)

    print(run(choose))
client, server = connected()[:2]
show("later", setattr, server, "context", second)
show("client", setattr, client, "context", second)
show("deleted", delattr, server, "context")


# The socket is in use meanwhile, and of no use when the handshake has failed.
def uses(sock, name, context):
    for use in (sock.do_handshake, sock.close, lambda: sock.read(1), lambda: sock.write(b"x"), sock.version):
        show("within", use)


print(run(uses))
kept = []


def keeps(sock, name, context):
    kept.append(sock)
    return 112


ctx = server_context()
ctx.sni_callback = keeps
client, server, client_end, server_end = pair()
step(client)
show("wrap", lambda: ctx.wrap_socket(server_end, server_side=True))
show("kept", kept[0].read, 1)
show("kept", setattr, kept[0], "context", second)


# Another connection from within.
def nests(sock, name, context):
    print("inner", run(by_name, "second"))


print("outer", run(nests))

# A server and a client with two certificates: which is shown is what the other can.
both = server_context()
both.load_cert_chain(pki.rsa_der, pki.rsa_key_der)
print(run(None, server_ctx=both))
both.load_cert_chain(pki.other_der, pki.other_key_der)
print("replaced", run(None, server_ctx=both))
for kind in ("ECDSA", "RSA"):
    ctx = client_context()
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    ctx.set_ciphers([name for name in ctx.get_ciphers() if "-%s-" % kind in name])
    print(kind, run(None, client_ctx=ctx, server_ctx=both))
