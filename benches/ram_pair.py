"""What ram.py measures, on the board. Prints JSON. Sent there as qemu_pair.py is, with a line more
for HANDSHAKE, as many KB as a server has in one.

Each end's memory is counted by itself: between two looks at the counted allocator of
ports/qemu/board only one of them runs. The Python objects are what the garbage collector has
beside that, half of it each end's.
"""

import board
import gc
import json
import tls

PIPE = 6000
ROOM = 32 * 1024
PIECE = 256
SUITES = {
    "gcm": "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
    "ccm8": "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8",
    "chacha20": "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
}


class Datagrams(io.IOBase):
    """One end of a path that loses nothing."""

    def __init__(self):
        self.waiting = []
        self.peer = None

    def readinto(self, destination):
        if not self.waiting:
            return None
        datagram = self.waiting.pop(0)
        count = min(len(datagram), len(destination))
        destination[:count] = datagram[:count]
        return count

    def write(self, data):
        self.peer.waiting.append(bytes(data))
        return len(data)

    def ioctl(self, request, argument):
        return argument & (5 if self.waiting else 4) if request == 3 else 0

    def setblocking(self, flag):
        pass


def contexts(suite, datagrams=False, mutual=False, keep=True):
    client = tls.SSLContext(tls.PROTOCOL_DTLS_CLIENT if datagrams else tls.PROTOCOL_TLS_CLIENT)
    server = tls.SSLContext(tls.PROTOCOL_DTLS_SERVER if datagrams else tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(EC, EC_KEY)
    if datagrams:
        client.set_ciphers([suite])  # DTLS is 1.2 whatever there is
    else:
        offer(client, suite, VERSION)
    client.load_verify_locations(CA)
    if mutual:
        client.load_cert_chain(CLIENT, CLIENT_KEY)
        server.verify_mode = tls.CERT_REQUIRED
        server.load_verify_locations(CA)
    if not keep:
        client.keep_peer_cert = server.keep_peer_cert = False
    return client, server


class Ends:
    """A connection's two ends, and what each has of memory."""

    def __init__(self, contexts, below, datagrams):
        self.held, self.peak = [0, 0], [0, 0]
        self.more = {"client_id": b"client"} if datagrams else {}
        self.contexts, self.below = contexts, below
        self.client = self.turn(0, self.wrap_client)
        self.server = self.turn(1, self.wrap_server)

    def wrap_client(self):
        return self.contexts[0].wrap_socket(
            self.below[0], server_hostname="localhost", do_handshake_on_connect=False
        )

    def wrap_server(self):
        return self.contexts[1].wrap_socket(
            self.below[1], server_side=True, do_handshake_on_connect=False, **self.more
        )

    def turn(self, end, function):
        gc.collect()
        board.begin()
        before = board.tracked()[0]
        try:
            return function()
        except OSError as error:
            return error
        finally:
            after, peak, _ = board.tracked()
            self.peak[end] = max(self.peak[end], self.held[end] + peak - before)
            self.held[end] += after - before

    def open(self):
        """Handshakes, and lets each hear from the other."""
        sent = None
        for _ in range(30):
            if sent != 1:
                sent = self.turn(0, lambda: self.client.write(b"x"))
            got = self.turn(1, lambda: self.server.read(1))
            if got == b"x":
                assert self.turn(1, lambda: self.server.write(b"y")) == 1
                assert self.turn(0, lambda: self.client.read(1)) == b"y"
                return self
            if isinstance(got, OSError) and got.errno == -27264:
                # A cookie was sent: the client comes again.
                self.turn(1, self.server.close)
                self.server = None
                self.server = self.turn(1, self.wrap_server)
        raise OSError("no handshake")

    def close(self):
        self.client.close()
        self.server.close()


def in_use():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def measure(name, suite, datagrams=False, mutual=False, keep=True):
    both = contexts(suite, datagrams, mutual, keep)
    if datagrams:
        below = Datagrams(), Datagrams()
        below[0].peer, below[1].peer = below[1], below[0]
    else:
        below = pipes(PIPE)
    # What is made once for all connections of a context is made with the first.
    Ends(both, below, datagrams).open().close()
    # The same ends once more: what was freed of others would be counted.
    for end in below:
        if datagrams:
            end.waiting.clear()
        else:
            end.start = end.end = 0
    before = in_use()
    ends = Ends(both, below, datagrams)
    ends.open()
    client, server, held, peak = ends.client, ends.server, ends.held, ends.peak
    del ends  # it is not a connection's
    objects = (in_use() - before - sum(held)) // 2
    for end, bytes_held, bytes_peak in zip(("client", "server"), held, peak):
        figures["%s_%s_idle" % (name, end)] = bytes_held + objects
        figures["%s_%s_peak" % (name, end)] = bytes_peak + objects
    client.close()
    server.close()


def crowd():
    """How many idle clients fit into 32 KB, if their servers are elsewhere: for those there is
    more, as much as one has in a handshake, of which what it keeps is not taken back."""
    both = contexts(SUITES["gcm"], keep=not ours)
    below = pipes(2000)  # of all, for they are idle after their handshakes
    alive = [None] * 32
    handshake(*both, *below)
    for end in below:
        end.start = end.end = 0
    gc.collect()
    # In small pieces: they find room between the connections.
    ballast = []
    while gc.mem_free() > ROOM + PIECE:
        ballast.append(bytearray(PIECE - 24))
        gc.collect()
    count = spare = 0  # spare: bytes given to servers and not kept by them
    try:
        for i in range(len(alive)):
            while spare < HANDSHAKE * 1024:
                ballast.pop()
                spare += PIECE
            gc.collect()
            before = gc.mem_alloc()
            alive[i] = handshake(*both, *below)
            gc.collect()
            spare -= (gc.mem_alloc() - before) // 2
            while spare >= PIECE:
                ballast.append(bytearray(PIECE - 24))
                spare -= PIECE
            count += 1
    except (OSError, MemoryError):
        pass
    return count


def carry(size):
    """Instructions for a record of `size` bytes, both ends."""
    below = pipes(PIPE)
    client, server = handshake(*contexts(SUITES["gcm"]), *below)
    data, into = memoryview(bytes(size)), memoryview(bytearray(size))
    for _ in range(2):  # the second time nothing is done for the first time
        gc.collect()
        start = board.instructions()
        for _ in range(16):
            assert client.write(data) == size
            assert server.readinto(into) == size
        figures["record_%d" % size] = (board.instructions() - start) // 16
    client.close()
    server.close()


figures = {}
ours = hasattr(tls, "RECORD_BUFFERS")
if WHAT == "crowd":
    figures["crowd"] = crowd()
elif WHAT == "records":
    for size in (16, 256, 1024, 4096):
        carry(size)
else:
    for name, suite in SUITES.items():
        if ours or name == "gcm":  # the others are not in upstream's configuration
            for keep in (True, False) if ours else (True,):
                lean = "" if keep else "_lean"
                measure(name + lean, suite, keep=keep)
                if VERSION == "TLSv1.2":
                    measure(name + "_dtls" + lean, suite, datagrams=True, keep=keep)
    measure("mutual", SUITES["gcm"], mutual=True)
print(json.dumps(figures))
