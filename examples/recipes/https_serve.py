"""Serve one page over HTTPS, to one client after the other.

    micropython https_serve.py PORT CERTIFICATE KEY
"""

import socket
import ssl
import sys


def answer(tls):
    # At most 2 KB of request are read.
    request = b""
    while b"\r\n\r\n" not in request and len(request) < 2048:
        data = tls.recv(512)
        if not data:
            return
        request += data
    tls.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nHello\n")


def main(port, certificate, key):
    # One context for all clients: the certificate is read once.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(socket.getaddrinfo("0.0.0.0", int(port))[0][-1])
    listener.listen(5)
    print("serving on port", port)
    while True:
        sock, _ = listener.accept()
        tls = sock
        try:
            # A client that says nothing is closed after ten seconds.
            sock.settimeout(10)
            tls = context.wrap_socket(sock, server_side=True)
            answer(tls)
        except (OSError, ValueError, MemoryError) as error:
            print("client failed:", repr(error))
        finally:
            tls.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
