"""A time limit for handshake, request and answer together, whatever the server does.

    micropython time_limits.py HOST PORT CAFILE SECONDS
"""

import errno
import select
import socket
import ssl
import sys
import time

# Boards have numbers of their own, unix has no name for its.
TCP_NODELAY = getattr(socket, "TCP_NODELAY", 1)


class Limited:
    """Calls a socket's methods until they have a result, or the time is over."""

    def __init__(self, sock, seconds):
        sock.setblocking(False)
        self.end = time.ticks_add(time.ticks_ms(), int(seconds * 1000))
        self.poller = select.poll()
        self.poller.register(sock, select.POLLIN)

    def __call__(self, method, *args):
        while True:
            try:
                result = method(*args)
                # None: a read or write that has to wait. do_handshake has no result.
                if result is not None or not args:
                    return result
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            left = time.ticks_diff(self.end, time.ticks_ms())
            if left <= 0:
                raise OSError(errno.ETIMEDOUT)
            # At most 100 ms: a write is not announced by POLLIN.
            self.poller.poll(min(left, 100))


def fetch(host, port, context, seconds):
    sock = socket.socket()
    try:
        sock.settimeout(seconds)
        sock.connect(socket.getaddrinfo(host, port, socket.AF_INET)[0][-1])
        # A small message does not wait until an older one is confirmed.
        sock.setsockopt(6, TCP_NODELAY, 1)
        limited = Limited(sock, seconds)
        tls = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except:
        sock.close()
        raise
    # Whatever happens now: the with statement closes both.
    with tls:
        limited(tls.do_handshake)
        request = f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
        while request:
            request = request[limited(tls.write, request) :]
        page = b""
        while True:
            data = limited(tls.read, 512)
            if not data:
                return page
            page += data


def main(host, port, cafile, seconds):
    context = ssl.create_default_context(cafile=cafile)
    print(fetch(host, int(port), context, float(seconds)).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
