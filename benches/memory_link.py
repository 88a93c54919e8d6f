"""A TLS client and server joined in memory: what pair.py and qemu_pair.py measure. For MicroPython."""

import io

SUITE = "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"
AES_128_SUITE = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"


class Pipe(io.IOBase):
    """One end's stream. Does not allocate, so that it does not disturb the figures."""

    def __init__(self, size):
        self.buffer = memoryview(bytearray(size))
        self.start = self.end = 0
        self.sent = 0
        self.peer = None

    def readinto(self, destination):
        count = min(len(destination), self.end - self.start)
        if count == 0:
            return None  # nothing yet
        memoryview(destination)[:count] = self.buffer[self.start : self.start + count]
        self.start += count
        if self.start == self.end:
            self.start = self.end = 0
        return count

    def write(self, data):
        peer = self.peer
        count = min(len(data), len(peer.buffer) - peer.end)
        if count == 0:
            return None
        peer.buffer[peer.end : peer.end + count] = memoryview(data)[:count]
        peer.end += count
        self.sent += count
        return count

    def ioctl(self, request, argument):
        return 0

    def setblocking(self, flag):
        pass


def pipes(size=40000):
    """`size`: more than one side ever sends before the other reads."""
    client, server = Pipe(size), Pipe(size)
    client.peer, server.peer = server, client
    return client, server


def handshake(client_context, server_context, client_pipe, server_pipe):
    client = client_context.wrap_socket(
        client_pipe, server_hostname="localhost", do_handshake_on_connect=False
    )
    server = server_context.wrap_socket(
        server_pipe, server_side=True, do_handshake_on_connect=False
    )
    sent = None
    for _ in range(50):
        if sent is None:
            sent = client.write(b"x")
        if server.read(1) == b"x":
            return client, server
    raise OSError("no handshake")
