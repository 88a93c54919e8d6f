# DTLS to a port where nobody listens: what the system says of it comes out, at once.

try:
    import socket, ssl, time

    ssl.PROTOCOL_DTLS_CLIENT
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

ECONNREFUSED = 111

context = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
context.verify_mode = ssl.CERT_NONE
context.dtls_timeout = (10000, 10000)


def refused(fun, *args):
    begin = time.ticks_ms()
    er = None
    while time.ticks_diff(time.ticks_ms(), begin) < 3000:
        try:
            fun(*args)
        except OSError as exc:
            er = exc
            if not isinstance(er, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):
                break
        time.sleep_ms(1)
    return er.errno == ECONNREFUSED, time.ticks_diff(time.ticks_ms(), begin) < 3000


def nobody():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(socket.getaddrinfo("127.0.0.1", 9)[0][-1])
    return sock


print(refused(context.wrap_socket, nobody()))
for blocking in (True, False):
    for method in ("do_handshake", "read", "write"):
        sock = nobody()
        sock.setblocking(blocking)
        tls = context.wrap_socket(sock, do_handshake_on_connect=False)
        print(refused(getattr(tls, method), *{"read": (1,), "write": (b"x",)}.get(method, ())))
        tls.close()
