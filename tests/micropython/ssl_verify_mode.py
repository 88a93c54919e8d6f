# SSLContext.verify_mode: its values, and what each side does in each of them.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *

NONE, OPTIONAL, REQUIRED = ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED

for cls in (tls.SSLContext, ssl.SSLContext):
    ctx = cls(ssl.PROTOCOL_TLS_CLIENT)
    for mode in (NONE, OPTIONAL, REQUIRED):
        ctx.verify_mode = mode
        print(ctx.verify_mode)
    for mode in (3, -1, 1 << 8, 1 << 31, 1 << 32, 1 << 70, "1", None, 1.0, True, False):
        try:
            ctx.verify_mode = mode
            print(mode, "accepted")
        except Exception as er:
            print(mode, type(er).__name__, er if type(er) is ValueError else "")
    print(ctx.verify_mode)


# A client: with and without knowing the server's CA, and the server's name.
for mode in (NONE, OPTIONAL, REQUIRED):
    for ca in (pki.ca_der, pki.other_ca_der, None):
        for hostname in (HOST, "localhost", "elsewhere.example", None):
            ctx = client_context()
            if ca:
                ctx.load_verify_locations(ca)
            ctx.verify_mode = mode
            label = "client %s %s %s" % (mode, "-" if ca is None else ca == pki.ca_der, hostname)
            try:
                socks = pair(ctx, None, hostname)
            except Exception as er:
                print(label, "raises", repr(er))
                continue
            client, server = shake(*socks[:2])
            print(label, repr(client), server)

# CERT_REQUIRED without a name to look for is refused before a byte is sent.
for cls in (tls.SSLContext, ssl.SSLContext):
    ctx = cls(ssl.PROTOCOL_TLS_CLIENT)
    ctx.verify_mode = REQUIRED
    end, other = link()
    show("no name", ctx.wrap_socket, end)
    show("no name", ctx.wrap_socket, end, server_hostname=None)
    print(other.rx, end.closed)
end, other = link()
show("no name", ssl.wrap_socket, end, cert_reqs=REQUIRED)
show("bad name", ctx.wrap_socket, end, server_hostname="micropython.local\0.evil.example")
show("no str", ctx.wrap_socket, end, server_hostname=1)
print(other.rx, end.closed)
# A server needs no name.
ctx = server_context()
ctx.verify_mode = REQUIRED
ctx.wrap_socket(end, server_side=True, do_handshake_on_connect=False)

import binascii

client_der = binascii.a2b_base64("".join(pki.client_pem.split("\n")[1:-2]))

# A server: with a client that shows a certificate, one of another CA, or none.
for mode in (NONE, OPTIONAL, REQUIRED):
    for name, cert, key in (
        ("client", pki.client_pem, pki.client_key),
        ("other", pki.other_client_der, pki.other_client_key_der),
        ("none", None, None),
    ):
        server_ctx = server_context()
        server_ctx.load_verify_locations(pki.ca_pem)
        server_ctx.verify_mode = mode
        client_ctx = client_context(pki.ca_der)
        if cert:
            client_ctx.load_cert_chain(cert, key)
        client, server, _, _ = pair(client_ctx, server_ctx)
        results = shake(client, server)
        # A client whose certificate is refused hears of it after its own last word.
        if results == (True, True):
            client.write(b"x")
            print("server", mode, name, server.read(1), end=" ")
            shown = server.getpeercert(True)
            names = (("client", client_der), ("other", pki.other_client_der), (None, None))
            print([n for n, der in names if der == shown])
        else:
            print("server", mode, name, "client:", results[0], "server:", repr(results[1]))

# The mode is that of the time of wrap_socket.
ctx = client_context(pki.other_ca_der)
client, server, _, _ = pair(ctx)
ctx.verify_mode = NONE
print(repr(shake(client, server)[0]))
client, server, _, _ = pair(ctx)
ctx.verify_mode = REQUIRED
print(repr(shake(client, server)[0]))
