"""A server that lets in only clients with a certificate, and says who they are.

    micropython mutual_server.py PORT CERTIFICATE KEY CAFILE
"""

import socket
import ssl
import sys


def name_of(certificate):
    """The commonName in a certificate's subject."""
    for part in certificate["subject"]:
        for kind, value in part:
            if kind == "commonName":
                return value


def main(port, certificate, key, cafile):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # Clients must show a certificate that this CA has signed.
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=cafile)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(socket.getaddrinfo("0.0.0.0", int(port))[0][-1])
    listener.listen(5)
    print("serving on port", port)
    while True:
        sock, _ = listener.accept()
        tls = sock
        try:
            sock.settimeout(10)
            tls = context.wrap_socket(sock, server_side=True)
            name = name_of(tls.getpeercert())
            print(name, "says", tls.readline())
            tls.write(f"hello {name}\n")
        except (OSError, ValueError, MemoryError) as error:
            print("refused:", repr(error))
        finally:
            tls.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
