"""A client that shows a certificate.

    micropython mutual_client.py HOST PORT CAFILE CERTIFICATE KEY
"""

import socket
import ssl
import sys


def main(host, port, cafile, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=cafile)
    # Our own: who we are.
    context.load_cert_chain(certificate, key)
    sock = socket.socket()
    try:
        sock.settimeout(10)
        sock.connect(socket.getaddrinfo(host, int(port), socket.AF_INET)[0][-1])
        tls = context.wrap_socket(sock, server_hostname=host)
    except:
        sock.close()
        raise
    with tls:
        tls.write(b"good morning\n")
        print(tls.readline().decode().strip())


if __name__ == "__main__":
    main(*sys.argv[1:])
