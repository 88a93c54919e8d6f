# A deferred handshake that fails: the error once, then EBADF; the transport stays reachable.

try:
    import ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

import select
import pki
from link import *


def failed(how):
    """A client whose handshake is about to fail, by one of several ways."""
    if how == "garbage":
        client, server, client_end, server_end = pair()
        client_end.rx.extend(b"HTTP/1.0 400 Bad Request\r\n")
    elif how == "refused":
        client, server, client_end, server_end = pair(client_context(pki.other_ca_der))
        for _ in range(2):
            step(server)
            if not client_end.rx:
                step(client)
        step(server)
    elif how == "alert":
        server_ctx = server_context()
        server_ctx.set_ciphers(["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256"])
        client, server, client_end, server_end = pair(None, server_ctx)
        step(client)
        step(server)
    elif how == "cut":
        client, server, client_end, server_end = pair()
        step(client)
        step(server)
        client_end.rx[:] = client_end.rx[:100]
        server_end.closed = 1
    return client, server, client_end, server_end


ACTIONS = (
    ("do_handshake", lambda sock: sock.do_handshake()),
    ("read", lambda sock: sock.read(1)),
    ("readline", lambda sock: sock.readline()),
    ("write", lambda sock: sock.write(b"x")),
    ("recv", lambda sock: sock.recv(1)),
    ("send", lambda sock: sock.send(b"x")),
)

for how in ("garbage", "refused", "alert", "cut"):
    for first, act in ACTIONS:
        client, server, client_end, server_end = failed(how)
        print(how, first)
        show("   ", act, client)
        # From then on.
        print("   ", end=" ")
        for name, again in ACTIONS + (("unwrap", lambda sock: sock.unwrap()),):
            try:
                print(name, again(client), end=" ")
            except OSError as er:
                print(er.args, end=" ")
        print()
        poller = select.poll()
        poller.register(client, select.POLLIN | select.POLLOUT)
        print("   ", [event for _, event in poller.poll(0)], client_end.closed)
        print("   ", client.version(), client.cipher(), end=" ")
        print(client.pending(), client.close_notify_received)
        # The transport is still there for settings, and for close() to close.
        client.setblocking(True)
        n = len(server_end.rx)
        print("   ", client_end.calls, client.close(), client_end.closed, len(server_end.rx) - n)
        show("    after close", client.setblocking, False)
        print("   ", client.close(), client_end.closed)

# With do_handshake_on_connect nobody gets a socket, and the transport stays its owner's.
client_end, server_end = link()
client_end.rx.extend(b"HTTP/1.0 400 Bad Request\r\n")
show("wrap_socket", client_context().wrap_socket, client_end)
print(client_end.closed)
show("wrap_socket", ssl.wrap_socket, client_end)
print(client_end.closed)

# After the handshake: a record that was tampered with. Both sides learn of it.
client, server, client_end, server_end = connected()
client.write(b"pay 10 to Alice")
server_end.rx[-1] ^= 1
for _ in range(2):
    show("server", server.read)
show("server", server.write, b"x")
for _ in range(2):
    show("client", client.read)
server.close()
client.close()
print(server_end.closed, client_end.closed, len(client_end.rx))

# But a server's that demanded a certificate is closed: nobody can wrap it again without.
for demands in (ssl.CERT_NONE, ssl.CERT_REQUIRED):
    client_end, server_end = link()
    server_end.rx.extend(b"GET / HTTP/1.0\r\n\r\n")
    keys = {"key": pki.ec_key_der, "cert": pki.ec_der, "cadata": pki.ca_der}
    try:
        ssl.wrap_socket(server_end, server_side=True, cert_reqs=demands, **keys)
    except OSError as er:
        print(is_no_tls(er), server_end.closed)
