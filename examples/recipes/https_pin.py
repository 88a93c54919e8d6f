"""Talk to one server only: the one whose certificate has this fingerprint. No CA, no clock.

    micropython https_pin.py HOST PORT FINGERPRINT

The fingerprint is the SHA-256 of the certificate, 64 characters without colons:

    openssl x509 -in server.pem -outform DER | sha256sum | cut -c1-64

Without that file, over a network that you trust:

    openssl s_client -connect HOST:PORT </dev/null | openssl x509 -outform DER | sha256sum | cut -c1-64
"""

import binascii
import hashlib
import socket
import ssl
import sys


def open_pinned(host, port, fingerprint):
    # CERT_NONE: the fingerprint is what decides.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    sock = socket.socket()
    try:
        sock.settimeout(10)
        sock.connect(socket.getaddrinfo(host, port, socket.AF_INET)[0][-1])
        tls = context.wrap_socket(sock, server_hostname=host)
        certificate = tls.getpeercert(True)
        if hashlib.sha256(certificate).digest() != binascii.unhexlify(fingerprint):
            raise ValueError("the server has another certificate")
        return tls
    except:
        sock.close()
        raise


def main(host, port, fingerprint):
    # Nothing is sent before the fingerprint is right.
    with open_pinned(host, int(port), fingerprint) as tls:
        tls.write(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n")
        print(tls.read().decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
