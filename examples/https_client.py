"""Fetch one page over HTTPS with MicroPython, with the server's certificate verified.

    micropython https_client.py HOST PORT PATH CAFILE

CAFILE is the path of the trusted root certificate, PEM or DER.
"""

import socket
import ssl
import sys

TIMEOUT_S = 10

# Boards have numbers of their own, unix has no names for its.
IPPROTO_TCP = getattr(socket, "IPPROTO_TCP", 6)
TCP_NODELAY = getattr(socket, "TCP_NODELAY", 1)


def make_context(cafile):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # ssl.SSLContext starts with CERT_NONE: ask for verification.
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=cafile)
    return context


def fetch(host, port, path, context):
    """Return (status line, body). Raises OSError or ValueError, e.g. for a bad certificate."""
    sock = socket.socket()
    connection = sock  # closed in the end: the TCP socket, or the TLS socket around it
    try:
        sock.settimeout(TIMEOUT_S)
        sock.connect(socket.getaddrinfo(host, port, socket.AF_INET)[0][-1])
        # A small message does not wait until an older one is confirmed.
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        # server_hostname is the name that the certificate must carry.
        connection = context.wrap_socket(sock, server_hostname=host)
        connection.write(
            b"GET %s HTTP/1.0\r\nHost: %s:%d\r\n\r\n" % (path.encode(), host.encode(), port)
        )
        status = connection.readline()
        while True:
            line = connection.readline()
            if not line or line == b"\r\n":
                break
        return status.decode().strip(), connection.read()
    finally:
        connection.close()


def main(host, port, path, cafile):
    status, body = fetch(host, int(port), path, make_context(cafile))
    print(status)
    print(body.decode())


if __name__ == "__main__":
    if len(sys.argv) != 5:
        print("usage: https_client.py HOST PORT PATH CAFILE")
        sys.exit(2)
    main(*sys.argv[1:])
