# DTLS over the system's sockets. Where nobody listens at a port, what the system says of it comes
# out, at once.

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


# A listener calls the methods of a class that inherits from socket's.
class Counting(socket.socket):
    came = went = 0

    def recvfrom(self, size):
        self.came += 1
        return super().recvfrom(size)

    def sendto(self, data, address):
        self.went += 1
        return super().sendto(data, address)


class Below(Counting):
    pass


def listening(sock):
    for port in range(18550, 18650):
        address = socket.getaddrinfo("127.0.0.1", port)[0][-1]
        try:
            sock.bind(address)
            break
        except OSError:
            pass
    listener = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER).listen(sock)
    listener.setblocking(False)
    return listener, address


for cls in (Counting, Below):
    sock = cls(socket.AF_INET, socket.SOCK_DGRAM)
    listener, address = listening(sock)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(address)
    client.setblocking(False)
    client = context.wrap_socket(client, do_handshake_on_connect=False)
    accepted = None
    begin = time.ticks_ms()
    while accepted is None and time.ticks_diff(time.ticks_ms(), begin) < 3000:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        accepted = listener.accept()
    print(accepted is not None, sock.came, sock.went)
    client.close()
    listener.close()
