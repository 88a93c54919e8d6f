"""A small HTTPS server for MicroPython.

    micropython https_server.py PORT CERTIFICATE KEY

CERTIFICATE and KEY are paths of PEM or DER files; a PEM certificate may be
followed by the intermediate certificates that lead to the root.
"""

import socket
import ssl
import sys

PAGE = b"Hello from MicroPython over TLS\nThis page came through import ssl.\n"

# A peer that says nothing for this long must not hold up the others.
TIMEOUT_S = 10
MAX_HEADER_LINES = 100

# Not every port names these two; the numbers are the same everywhere.
IPPROTO_TCP = getattr(socket, "IPPROTO_TCP", 6)
TCP_NODELAY = getattr(socket, "TCP_NODELAY", 1)


def make_context(certfile, keyfile):
    """One context serves all connections: the certificate is parsed once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    return context


def listen(port, host="0.0.0.0"):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(socket.getaddrinfo(host, port)[0][-1])
    listener.listen(5)
    return listener


def answer(connection):
    """Read one request and answer it."""
    request = connection.readline()
    for _ in range(MAX_HEADER_LINES):
        line = connection.readline()
        if not line or line == b"\r\n":
            break
    if request.startswith(b"GET "):
        status, body = b"200 OK", PAGE
    else:
        status, body = b"405 Method Not Allowed", b"only GET\n"
    connection.write(
        b"HTTP/1.0 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        % (status, len(body))
    )
    connection.write(body)


def serve_one(listener, context):
    """Accept one connection; whatever goes wrong with it ends only that one."""
    client, _ = listener.accept()
    connection = client  # closed in the end: the TCP socket, or the TLS socket around it
    try:
        client.settimeout(TIMEOUT_S)
        # The handshake consists of small messages that must not wait for each other.
        client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        connection = context.wrap_socket(client, server_side=True)
        answer(connection)
    except (OSError, ValueError) as error:
        print("connection failed:", repr(error))
    finally:
        connection.close()


def main(port, certfile, keyfile):
    context = make_context(certfile, keyfile)
    listener = listen(int(port))
    print("serving https on port", port)
    while True:
        serve_one(listener, context)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("usage: https_server.py PORT CERTIFICATE KEY")
        sys.exit(2)
    main(*sys.argv[1:])
