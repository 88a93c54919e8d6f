# wrap_socket(assert_hostname=): the name to find in the certificate, apart from the one to ask for.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import tls
import pki
from link import *

asked = []
server_ctx = server_context()
server_ctx.sni_callback = lambda sock, name, context: asked.append(name)


def run(name, asserted, client_ctx=None):
    client_end, server_end = link()
    server = server_ctx.wrap_socket(server_end, server_side=True, do_handshake_on_connect=False)
    client = (client_ctx or client_context(pki.ca_der)).wrap_socket(
        client_end, do_handshake_on_connect=False, server_hostname=name, assert_hostname=asserted
    )
    assert client.server_hostname == name
    result = shake(client, server)[0]
    if result is True:
        client.write(b"x")
        assert server.read(1) == b"x"
        result = client.getpeercert() != {}  # verified
    elif isinstance(result, ValueError):
        result = "refused"
    return result, asked.pop()


for name in (HOST, "elsewhere.example", "192.0.2.9", None):
    for asserted in (HOST, "127.0.0.1", "[127.0.0.1]", "192.0.2.9", "elsewhere.example", b"localhost", None):
        show((name, asserted), run, name, asserted)

# Each version and each mode that verifies.
for maximum in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED):
    for mode in (ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED):
        for asserted in (HOST, "elsewhere.example"):
            ctx = client_context(pki.ca_der)
            ctx.maximum_version = maximum
            ctx.verify_mode = mode
            show((mode, asserted), run, "elsewhere.example", asserted, ctx)

# One that nobody would look for.
ctx = client_context(pki.ca_der)
ctx.check_hostname = False
show("not checked", run, HOST, HOST, ctx)
ctx.verify_mode = ssl.CERT_NONE
show("not verified", run, HOST, HOST, ctx)
for name in ("", "a\0b", b"a\0", 5):
    show(repr(name), run, HOST, name)
show("server", server_ctx.wrap_socket, link()[1], server_side=True, assert_hostname=HOST)
show("positional", client_context(pki.ca_der).wrap_socket, link()[0], False, False, HOST, None, HOST)

# A context's other connections verify their own names.
ctx = client_context(pki.ca_der)
show("other", run, "elsewhere.example", HOST, ctx)
show("its", run, "elsewhere.example", None, ctx)
show("next", run, HOST, None, ctx)
