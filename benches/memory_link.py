"""A TLS client and server joined in memory: what pair.py and qemu_pair.py measure. For MicroPython."""

import io

SUITE = "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"
AES_128_SUITE = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"
# Those of TLS 1.3 with the same cipher and hash.
OF_TLS13 = {
    SUITE: "TLS1-3-AES-256-GCM-SHA384",
    AES_128_SUITE: "TLS1-3-AES-128-GCM-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8": "TLS1-3-AES-128-CCM-8-SHA256",
    "TLS-PSK-WITH-AES-128-CCM-8": "TLS1-3-AES-128-CCM-8-SHA256",
    "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256": "TLS1-3-CHACHA20-POLY1305-SHA256",
}


def offer(client, suite, version):
    """Has a client's context offer this suite only, at this version only; what cipher() will call it."""
    if version == "TLSv1.3":
        suite = OF_TLS13[suite]
        client.minimum_version = 0x304
        client.set_ciphersuites([suite])
    else:
        if hasattr(client, "maximum_version"):  # not in upstream's releases
            client.maximum_version = 0x303
        client.set_ciphers([suite])
    return suite


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
