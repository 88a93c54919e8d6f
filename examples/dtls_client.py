"""Send one line to a DTLS echo server and print what comes back, the server's certificate verified.

    micropython dtls_client.py HOST PORT CAFILE [LINE]

CAFILE is the path of the trusted root certificate, PEM or DER.
"""

import errno
import socket
import ssl
import sys

# How long a lost answer is waited for, and how often the question is asked.
ANSWER_S = 2
TRIES = 5
# How long the handshake may take, with everything that is lost on the way sent again.
HANDSHAKE_S = 30


def make_context(cafile):
    context = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
    # ssl.SSLContext starts with CERT_NONE: ask for verification.
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=cafile)
    # A server that uses Connection IDs recognises this client behind another address.
    context.dtls_cid = 0
    return context


def connect(host, port, context):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        # A UDP socket that is connected takes datagrams from that address only.
        sock.connect(socket.getaddrinfo(host, port, socket.AF_INET)[0][-1])
        sock.settimeout(HANDSHAKE_S)
        # server_hostname is the name that the certificate must carry.
        return context.wrap_socket(sock, server_hostname=host)
    except:
        sock.close()
        raise


def ask(connection, question):
    """The answer to a datagram. Both may get lost, and nobody but us repeats them."""
    connection.settimeout(ANSWER_S)
    for _ in range(TRIES):
        connection.write(question)
        try:
            return connection.read(2048)
        except OSError as error:
            if error.errno not in (errno.ETIMEDOUT, errno.EAGAIN):
                raise
    raise OSError(errno.ETIMEDOUT)


def main(host, port, cafile, line="Hello over DTLS"):
    with connect(host, int(port), make_context(cafile)) as connection:
        print(ask(connection, line.encode()).decode())


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        print("usage: dtls_client.py HOST PORT CAFILE [LINE]")
        sys.exit(2)
    main(*sys.argv[1:])
