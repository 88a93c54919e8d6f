"""A small HTTPS server for MicroPython.

    micropython https_server.py PORT CERTIFICATE KEY

CERTIFICATE and KEY are paths of PEM or DER files; a PEM certificate may be
followed by the intermediate certificates that lead to the root.
"""

import errno
import select
import socket
import ssl
import sys
import time

PAGE = b"Hello from MicroPython over TLS\nThis page came through import ssl.\n"

# One after the other is served: from the handshake to the answer nobody may take longer.
TIMEOUT_S = 10
# The request line and the headers.
MAX_REQUEST = 2048

# Boards have numbers of their own, unix has no names for its.
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


def wait(client, event, call, deadline):
    """The result of call(), called again when the client is ready, as long as it is None.

    A time limit of the socket's own would begin anew with each byte that comes.
    """
    poller = select.poll()
    poller.register(client, event)
    while True:
        result = call()
        if result is not None:
            return result
        left = time.ticks_diff(deadline, time.ticks_ms())
        if left <= 0 or not poller.poll(left):
            raise OSError(errno.ETIMEDOUT)


def serve(client, connection):
    """Read one request and answer it."""
    deadline = time.ticks_add(time.ticks_ms(), TIMEOUT_S * 1000)
    request = b""
    while b"\r\n\r\n" not in request and len(request) < MAX_REQUEST:
        # The first reads are the handshake.
        data = wait(client, select.POLLIN, lambda: connection.read(512), deadline)
        if not data:
            return  # the client has closed
        request += data
    if b"\r\n\r\n" not in request:
        status, body = b"431 Request Header Fields Too Large", b"too long\n"
    elif request.startswith(b"GET "):
        status, body = b"200 OK", PAGE
    else:
        status, body = b"405 Method Not Allowed", b"only GET\n"
    answer = b"HTTP/1.0 %s\r\nContent-Type: text/plain\r\n" % status
    answer += b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    while answer:
        count = wait(client, select.POLLOUT, lambda: connection.write(answer), deadline)
        answer = answer[count:]


def serve_one(listener, context):
    """Accept one connection; whatever goes wrong with it ends only that one."""
    client, _ = listener.accept()
    connection = client  # closed in the end: the TCP socket, or the TLS socket around it
    try:
        client.setblocking(False)
        # A small message does not wait until an older one is confirmed.
        client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        connection = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        serve(client, connection)
    except (OSError, ValueError, MemoryError) as error:
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
