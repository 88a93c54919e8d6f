# SSLSockets for who calls a stream from C: json, print, and TLS inside TLS, as through a proxy.

try:
    import io, json, ssl, sys
except ImportError:
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from link import *

client, server, client_end, server_end = connected()

# What C writes and reads.
print("printed", 1, file=client)
print(server.read())
json.dump({"key": [1, 2, 3]}, client)
try:
    json.load(server)  # it wants the end
except OSError as er:
    print("not yet:", er.errno == EAGAIN)
json.dump([4], client)
client.close()
print(json.load(server))
try:
    json.dump([1], client)
except OSError as er:
    print("closed:", er.errno == EBADF)
server.close()
try:
    json.load(server)
except OSError as er:
    print("closed:", er.errno == EBADF)


def wrapped(client, server):
    inner_server = server_context().wrap_socket(server, server_side=True, do_handshake_on_connect=False)
    inner_client = client_context(pki.ca_der).wrap_socket(
        client, do_handshake_on_connect=False, server_hostname=HOST
    )
    return inner_client, inner_server


def read_all(sock, size, pump=lambda: None):
    got = b""
    for _ in range(1000):
        data = sock.read(size - len(got))
        got += data or b""
        if data == b"" or len(got) == size:
            break
        pump()
    return got


DATA = bytes(range(251)) * 40

# The transport moves all, or a few bytes at a time.
for limit in (None, 50):
    client, server, client_end, server_end = connected()
    client_end.limit = server_end.limit = limit
    inner_client, inner_server = wrapped(client, server)
    print(limit, shake(inner_client, inner_server), inner_client.cipher() == inner_server.cipher())
    for a, b in ((inner_client, inner_server), (inner_server, inner_client)):
        sent = 0
        got = b""
        while sent < len(DATA) or len(got) < len(DATA):
            if sent < len(DATA):
                sent += a.write(DATA[sent : sent + 1500]) or 0
            got += b.read(3000) or b""
        print(got == DATA)

    # Asleep, both of them.
    if hasattr(inner_client, "hibernate"):
        for sock in (inner_client, inner_server, client, server):
            sock.read(1)
            sock.hibernate()
    inner_client.write(b"awake")
    print(read_all(inner_server, 5))

    # The transport below both fails once: no byte is lost.
    inner_server.write(b"kept whole")

    def fail(what):
        client_end.hook = None
        raise KeyError(what)

    client_end.hook = fail
    for _ in range(2):
        try:
            print(inner_client.read(4))
        except KeyError as er:
            print("raised", er)
    print(inner_client.read())

    # What ends the outer one ends the inner one, with the same exception.
    server_end.peer.rx.extend(b"\x17\x03\x03\x00\x20" + bytes(32))
    for _ in range(2):
        try:
            print("forged:", inner_client.read(1))
        except OSError as er:
            print("forged:", er.errno if er.errno > 0 else "TLS")
    inner_client.close()
    print("closed", client_end.closed)
    for sock in (inner_server, client):
        sock.close()

# close_notify of each, one after the other.
client, server, client_end, server_end = connected()
inner_client, inner_server = wrapped(client, server)
shake(inner_client, inner_server)
inner_client.write(b"last")
below = None
for _ in range(5):
    if below is None:
        try:
            below = inner_client.unwrap()
        except NOT_YET:
            pass
    try:
        print(inner_server.read(4))
        print(inner_server.unwrap() is server)
        break
    except NOT_YET:
        pass
try:
    below = below or inner_client.unwrap()
except NOT_YET:
    pass
print(below is client)
client.write(b"outer goes on")
print(server.read())
client.close()
print(server.read(1), server.close_notify_received)
