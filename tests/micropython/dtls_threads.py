# A listener that does not block, in threads over a socket of the system: what one of them takes, the others do not
# wait for.

try:
    import _thread, socket, ssl, sys, time

    ssl.PROTOCOL_DTLS_SERVER
except (ImportError, AttributeError):
    print("SKIP")
    raise SystemExit

sys.path.append("support")

from datagrams import server_context

THREADS = 4


class Socket(socket.socket):
    """One with the system's methods."""


def bound(cls, first):
    """A socket at one of a hundred ports from *first* on, and its address."""
    for port in range(first, first + 100):
        sock = cls(socket.AF_INET, socket.SOCK_DGRAM)
        address = socket.getaddrinfo("127.0.0.1", port)[0][-1]
        try:
            sock.bind(address)
            return sock, address
        except OSError:
            sock.close()


for cls in (socket.socket, Socket):
    sock, address = bound(cls, 20700)
    listener = server_context().listen(sock)
    listener.setblocking(False)
    counts = [0] * THREADS
    running = [True]

    def accept(i):
        while running[0]:
            listener.accept()
            counts[i] += 1
        counts[i] = -1

    for i in range(THREADS):
        _thread.start_new_thread(accept, (i,))
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    waiting = 0
    for _ in range(40):
        stranger.sendto(b"noise", address)
        before = list(counts)
        begin = time.ticks_ms()
        while any(now == then for now, then in zip(counts, before)):
            if time.ticks_diff(time.ticks_ms(), begin) > 2000:
                waiting += 1
                break
            time.sleep_ms(0)
    print(waiting)
    running[0] = False
    while any(count != -1 for count in counts):
        stranger.sendto(b"noise", address)
        time.sleep_ms(1)
    listener.close()
    stranger.close()
