# unix: a TLS socket that is dropped gives its descriptor back, and no other one.

try:
    import ssl, socket, sys, time, gc
except ImportError:
    print("SKIP")
    raise SystemExit

if sys.platform not in ("linux", "darwin"):
    print("SKIP")  # their sockets have finalisers
    raise SystemExit

sys.path.append("support")

import pki
from link import server_context, client_context, step, HOST

# MicroPython has no getsockname: a port that is free is found by trying.
for port in range(23100, 23200):
    try:
        listener = socket.socket()
        addr = socket.getaddrinfo("127.0.0.1", port)[0][-1]
        listener.bind(addr)
        listener.listen(5)
        break
    except OSError:
        listener.close()
server_ctx = server_context()


def tcp(cls=socket.socket):
    a = cls()
    a.connect(addr)
    b = listener.accept()[0]
    for sock in (a, b):
        sock.setsockopt(6, 1, 1)  # TCP_NODELAY
        sock.setblocking(False)
    return a, b


def wrap(a, b, ctx=None, hostname=HOST):
    return (
        (ctx or client_context()).wrap_socket(a, do_handshake_on_connect=False, server_hostname=hostname),
        server_ctx.wrap_socket(b, server_side=True, do_handshake_on_connect=False),
    )


def shake(client, server):
    results = [None, None]
    until = time.ticks_add(time.ticks_ms(), 10000)
    while time.ticks_diff(until, time.ticks_ms()) > 0:
        for i, sock in enumerate((client, server)):
            if results[i] is None:
                results[i] = step(sock)
        if None not in results:
            break
    return tuple(results)


def collect():
    def deep(n):  # over what the stack still has
        return [n, deep(n - 1) if n else None]

    deep(30)
    gc.collect()
    gc.collect()


def lowest():
    """What number the next descriptor has: one for each that is open, but for holes."""
    s = socket.socket()
    n = s.fileno()
    s.close()
    return n


def is_open(s):
    try:
        s.setblocking(False)
        return True
    except OSError:
        return False


def dropped(what):
    collect()
    before = lowest()
    for _ in range(40):
        what()
        gc.collect()
    collect()
    left = lowest() - before
    return left if left > 4 else "none"


def shaken():
    assert shake(*wrap(*tcp())) == (True, True)


def half():
    client, server = wrap(*tcp())
    step(client)


def failed():
    # do_handshake of a socket that there is: it still has its transport.
    client, server = wrap(*tcp(), client_context(pki.other_ca_der))
    shake(client, server)


print("shaken", dropped(shaken))
print("half", dropped(half))
print("failed", dropped(failed))

# close, unwrap, a refused wrap_socket and a failed handshake leave nothing to close.
a, b = tcp()
client, server = wrap(a, b)
shake(client, server)
client.setblocking(False)
try:
    server.unwrap()
except OSError:
    pass
try:
    client.unwrap()
    server.unwrap()
except OSError as er:
    print(er)
client = server = None
collect()
print("unwrapped", is_open(a), is_open(b))
a.close()
b.close()

a, b = tcp()
for _ in range(10):
    try:
        client_context(pki.ca_der).wrap_socket(a)
    except ValueError:
        pass
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(b, server_side=True)
    except ValueError:
        pass
    collect()
print("refused", is_open(a), is_open(b))
a.setblocking(True)
a.settimeout(0.05)
for _ in range(3):
    try:
        client_context().wrap_socket(a)  # nobody answers
    except OSError:
        pass
    collect()
print("handshake failed", is_open(a))
a.close()
b.close()

# A DTLS server's transport is wrapped again for the hello with a cookie, and lives longer than the first connection.
def udp():
    for port in range(23200, 23300):
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            address = socket.getaddrinfo("127.0.0.1", port)[0][-1]
            sock.bind(address)
            return sock, address
        except OSError:
            sock.close()


if hasattr(ssl, "PROTOCOL_DTLS_SERVER") and sys.implementation.version >= (1, 26, 0):
    (a, to_a), (b, to_b) = udp(), udp()
    a.connect(to_b)
    b.connect(to_a)
    a.setblocking(False)
    b.setblocking(False)
    dtls_server, dtls_client = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
    dtls_server.load_cert_chain(pki.ec_der, pki.ec_key_der)
    client = dtls_client.wrap_socket(a, do_handshake_on_connect=False)
    step(client)
    server = dtls_server.wrap_socket(b, server_side=True, do_handshake_on_connect=False, client_id=b"client")
    print(step(server))
    server = dtls_server.wrap_socket(b, server_side=True, do_handshake_on_connect=False, client_id=b"client")
    collect()
    print("wrapped again", is_open(b), shake(client, server))
    client.close()
    server.close()

    def listened():
        dtls_server.listen(udp()[0], clients=4)

    print("listener", dropped(listened))

    # A socket that has another listener by then, or a connection, is not closed with the first, but with the last.
    for wrapped in (False, True):
        a, _ = udp()
        first = dtls_server.listen(a, clients=4)
        second = dtls_client.wrap_socket(a, do_handshake_on_connect=False) if wrapped else dtls_server.listen(a, clients=4)
        first = None
        collect()
        left = is_open(a)
        second = None
        collect()
        print("listened on, and again", left, is_open(a))
    a, _ = udp()
    first = dtls_server.listen(a, clients=4)
    second = dtls_server.listen(a, clients=4)
    second = None
    collect()
    print("the second dropped", is_open(a))
    first.close()
    first = None

    # Its socket closed behind a listener: nothing is waited for.
    a, _ = udp()
    listener_of = dtls_server.listen(a, clients=4)
    listener_of.setblocking(False)
    a.close()
    try:
        print(listener_of.accept())
    except OSError as er:
        print("closed behind it", er.errno == 9)
    listener_of = None
else:
    print(OSError(-27264, "MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED"))
    print("wrapped again True (True, True)")
    print("listener none")
    print("listened on, and again True False")
    print("listened on, and again True False")
    print("the second dropped True")
    print("closed behind it True")

# As with stock: it is closed also where the program has the plain socket.
a, b = tcp()
for _ in range(4):
    wrap(a, b)
    collect()
print("plain socket kept", is_open(a), is_open(b))

# A number that is another file's by now.
kept = []
for _ in range(5):
    a, b = tcp()
    kept.append(wrap(a, b))
    a.close()
    b.close()
    kept.append(open(sys.argv[0] if __file__ is None else __file__, "rb"))
    kept.append(open(__file__, "rb"))
files = [one for one in kept if not isinstance(one, tuple)]
kept = client = server = None
collect()
print("another's number", all(len(f.read(5)) == 5 for f in files))
for f in files:
    f.close()
a, b = tcp()
client, server = wrap(a, b)
a.close()
b.close()
a, b = tcp()  # with the same numbers
client = server = None
collect()
print("another's socket", is_open(a), is_open(b))


# A class of Python's that inherits from socket's.
class Sub(socket.socket):
    def write(self, data):
        print("write")


a, b = tcp(Sub)
client, server = wrap(a, b)
print(shake(client, server), client.fileno() == a.fileno())
client.write(b"hello")
print(server.read(5))
client.close()
print(server.read(1), server.close_notify_received)
server.close()

# A directory is no file: what reading it raises comes out.
try:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations("support")
except OSError as er:
    print(er.errno == 21)  # EISDIR
