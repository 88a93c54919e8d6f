"""Read a page over HTTPS. A CA file says whom to trust.

    micropython https_ca.py HOST PORT [CAFILE]
"""

import socket
import ssl
import sys


def open_tls(host, port, context):
    """A TLS connection. If anything fails, the socket is closed."""
    sock = socket.socket()
    try:
        sock.settimeout(10)
        sock.connect(socket.getaddrinfo(host, port, socket.AF_INET)[0][-1])
        return context.wrap_socket(sock, server_hostname=host)
    except:
        sock.close()
        raise


def main(host, port, cafile=None):
    # Without a CA file: the computer's own list of CAs, which only unix has.
    context = ssl.create_default_context(cafile=cafile)
    with open_tls(host, int(port), context) as tls:
        tls.write(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n")
        print(tls.read().decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
