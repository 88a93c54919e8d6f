# SSLContext.session_cache over sockets of the system: servers on two ports do not take turns.

try:
    import socket, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

if not hasattr(ssl, "SSLSession") or sys.platform not in ("linux", "darwin"):
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *


def listen(first):
    for port in range(first, first + 100):
        listener = socket.socket()
        address = socket.getaddrinfo("127.0.0.1", port)[0][-1]
        try:
            listener.bind(address)
            listener.listen(1)
            return listener, address
        except OSError:
            listener.close()


def visit(place):
    listener, address = place
    sock = socket.socket()
    sock.connect(address)
    peer = listener.accept()[0]
    for end in (sock, peer):
        end.setblocking(False)
    server = server_ctx.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
    client = client_ctx.wrap_socket(sock, do_handshake_on_connect=False, server_hostname=HOST)
    assert shake(client, server) == (True, True)
    server.write(b"hello")
    for end in (sock, peer):
        end.setblocking(True)
    assert client.read(5) == b"hello"
    reused = client.session_reused
    client.close()
    server.close()
    return reused


server_ctx = server_context()
server_ctx.num_tickets = 1
client_ctx = client_context(pki.ca_der)
client_ctx.session_cache = 2
places = listen(20300), listen(20400)
print([visit(places[i]) for i in (0, 1, 0, 1, 1, 0)])
print(client_ctx.session_stats()["number"])
for listener, _ in places:
    listener.close()
