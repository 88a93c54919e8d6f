"""A DTLS listener with many clients that hibernate, in one MicroPython. Started by bench.py.

    clients.py COUNT memory               bytes a client; needs memcount.so, preloaded
    clients.py COUNT instructions LIBRARY     under callgrind; LIBRARY is callgrind.c

Prints one line of JSON; callgrind writes its own. Clients are real, with Connection IDs of 8 bytes
and a pre-shared key, whose handshake is the cheapest, and shake hands in memory. A client's own end
is gone as soon as it did, and wrote one record: what is left is the server's.
"""

import ffi
import gc
import io
import json
import ssl
import sys

count = int(sys.argv[1])
what = sys.argv[2]

SUITE = "TLS-PSK-WITH-AES-128-GCM-SHA256"
MP_STREAM_POLL = 3
POLL_RD = 1
# How many clients are written to while instructions are counted.
SAMPLES = 10


class Network:
    """The listener's socket, and in turn each client's."""

    def __init__(self):
        self.to_server = []
        self.to_client = []
        self.address = None


class ServerSocket(io.IOBase):
    def recvfrom(self, size):
        return network.to_server.pop(0)

    def sendto(self, data, address):
        network.to_client.append(bytes(data))
        return len(data)

    def ioctl(self, request, argument):
        return POLL_RD & argument if request == MP_STREAM_POLL and network.to_server else 0


class ClientSocket(io.IOBase):
    def readinto(self, buf):
        if not network.to_client:
            return None
        datagram = network.to_client.pop(0)
        buf[: len(datagram)] = datagram
        return len(datagram)

    def write(self, data):
        network.to_server.append((bytes(data), network.address))
        return len(data)

    def ioctl(self, request, argument):
        return 0


def context(protocol):
    made = ssl.SSLContext(protocol)
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers([SUITE])
    return made


def connect(n):
    """The server's end of a new client's connection, and records that are on their way to it."""
    network.address = b"\x02\x00\x16\x33" + n.to_bytes(4, "big") + bytes(8)  # struct sockaddr_in
    network.to_client.clear()
    client = client_context.wrap_socket(ClientSocket(), do_handshake_on_connect=False)
    server = None
    for _ in range(10):
        for end in (client, server):
            try:
                if end is not None:
                    end.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        if server is None:
            accepted = listener.accept()
            server = accepted and accepted[0]
        elif client.version() and server.version():
            break
    client.write(b"x")
    server.read(1)
    if not server.hibernate():
        raise OSError("awake")
    records = []
    for _ in range(2):
        client.write(b"measured")
        records.append(network.to_server.pop(0))
    return server, records


network = Network()
client_context = context(ssl.PROTOCOL_DTLS_CLIENT)
client_context.psk_identity = b"sensor"
client_context.psk_key = bytes(16)
client_context.dtls_cid = 0
server_context = context(ssl.PROTOCOL_DTLS_SERVER)
server_context.server_psk_keys = {b"sensor": bytes(16)}
server_context.dtls_cid = 8
listener = server_context.listen(ServerSocket(), clients=count + 1)
listener.setblocking(False)
connect(0)[0].close()  # whatever is made once
servers = [None] * count
records = []


def fill(samples):
    every = max(1, count // samples) if samples else count + 1
    for n in range(count):
        servers[n], of_client = connect(n + 1)
        if n % every == every - 1:
            records.append((servers[n], of_client))
    network.to_client.clear()
    gc.collect()


if what == "memory":
    live = ffi.open(None).func("l", "memcount_live", "")
    gc.collect()
    before = gc.mem_alloc(), live()
    fill(0)
    gc_bytes, malloc_bytes = gc.mem_alloc() - before[0], live() - before[1]
    print(json.dumps({"gc": gc_bytes / count, "malloc": malloc_bytes / count}))
else:
    library = ffi.open(sys.argv[3])
    begin = library.func("v", "count_begin", "")
    end = library.func("v", "count_end", "s")
    fill(SAMPLES)

    def nothing(server, record):
        listener.accept()

    def take(server, record):
        network.to_server.append(record)
        listener.accept()

    def read(server, record):
        if server.read(100) != b"measured":
            raise OSError("lost")

    # The first time round is for what the first time costs, the allocator's tidying up say.
    for round in range(2):
        for call in (nothing, take, read):
            begin()
            for server, of_client in records:
                call(server, of_client[round])
            end("%s %d" % (call.__name__, round))
        for server, _ in records:
            if not server.hibernate():
                raise OSError("awake")
    print(json.dumps({"samples": len(records)}))
