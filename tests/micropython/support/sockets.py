"""Two sockets, connected on this machine; without ssl, which not every build to be measured has."""

import socket


def loopback(first):
    """Two ends of a connection on this machine, by one of a hundred ports from *first* on."""
    for port in range(first, first + 100):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        address = socket.getaddrinfo("127.0.0.1", port)[0][-1]
        try:
            listener.bind(address)
            break
        except OSError:
            listener.close()
    listener.listen(1)
    client = socket.socket()
    client.connect(address)
    server = listener.accept()[0]
    listener.close()
    return client, server
