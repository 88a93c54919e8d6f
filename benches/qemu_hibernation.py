"""What hibernation comes to, on the board. Prints JSON. It is sent there behind memory_link.py and
a line each for SUITE_NAME, VERSION, DATAGRAM and the credentials.

Bytes are the garbage collector's, in which Mbed TLS's allocator is: everything that a connection
takes but its transport, which is not ours.
"""

import board
import gc
import io
import json
import tls

COUNT = 10 if DATAGRAM else 60
HEAP = 32 * 1024


class Path(io.IOBase):
    """One end of a path for datagrams."""

    def __init__(self):
        self.queue = []
        self.peer = None

    def readinto(self, destination):
        if not self.queue:
            return None
        datagram = self.queue.pop(0)
        destination[: len(datagram)] = datagram
        return len(datagram)

    def write(self, data):
        self.peer.queue.append(bytes(data))
        return len(data)

    def ioctl(self, request, argument):
        return 0


def ends():
    if not DATAGRAM:
        return pipes(6000)
    client, server = Path(), Path()
    client.peer, server.peer = server, client
    return client, server


def connect(contexts, ends):
    client = contexts[0].wrap_socket(
        ends[0], server_hostname="localhost", do_handshake_on_connect=False
    )
    more = {"client_id": b"10.0.0.1:5684"} if DATAGRAM else {}
    server = None
    sent = None
    for _ in range(50):
        # A datagram that may be of any length wants 16 KB in one piece.
        gc.collect()
        if sent is None:
            sent = client.write(b"x")
        if server is None:
            server = contexts[1].wrap_socket(
                ends[1], server_side=True, do_handshake_on_connect=False, **more
            )
        try:
            if server.read(1) == b"x":
                return client, server
        except OSError as er:
            if er.errno != -0x6A80:  # the client is to come again, with a cookie
                raise
            server = None
    raise OSError("no handshake")


def in_use():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


figures = {}
contexts = tls.SSLContext(PROTOCOLS[0]), tls.SSLContext(PROTOCOLS[1])
contexts[0].load_verify_locations(CA)
contexts[0].keep_peer_cert = KEEP_CERT
if DATAGRAM:
    contexts[0].set_ciphers([SUITE_NAME])
else:
    offer(contexts[0], SUITE_NAME, VERSION)
contexts[1].load_cert_chain(EC, EC_KEY)
if DATAGRAM and CID is not None:
    contexts[0].dtls_cid = contexts[1].dtls_cid = CID
link = ends()

client, server = connect(contexts, link)  # makes what is made once
into = bytearray(16)
for name, end, other in (("client", client, server), ("server", server, client)):
    # What a write and a read cost awake, then asleep.
    for what, sleeps in (("awake", False), ("asleep", True)):
        for round in range(2):  # the first one may have to compile, or to load
            gc.collect()
            if sleeps:
                start = board.instructions()
                assert end.hibernate()
                sleep = board.instructions() - start
            start = board.instructions()
            assert end.write(b"0123456789abcdef") == 16
            figures["%s_write_%s" % (name, what)] = board.instructions() - start
            assert other.readinto(into) == 16
    figures[name + "_sleep"] = sleep
    figures[name + "_wake_and_sleep"] = (
        sleep + figures[name + "_write_asleep"] - figures[name + "_write_awake"]
    )

pair = {"client": client, "server": server}
del end, other, client, server


def weigh(which):
    """Both ends, awake and asleep; they are gone then."""
    for name in ("client", "server"):
        awake = in_use()
        assert pair[name].hibernate()
        asleep, tracked = in_use(), board.tracked()[0]
        pair[name] = None
        gone = in_use()
        figures[name + which + "_awake"] = awake - gone
        figures[name + which + "_hibernated"] = asleep - gone
        figures[name + which + "_of_which_rust"] = tracked - board.tracked()[0]


weigh("")
pair["client"], pair["server"] = connect(contexts, link)


class Counter:
    """In the place of one in storage that survives."""

    stored = 0

    def next(self):
        return self.stored + 1

    def advance(self, n):
        self.stored = n


# Out of the bytes of another life, with the data of a first write on the way; what that costs awake is not in it.
counter = Counter()
for i, (name, other) in enumerate((("client", "server"), ("server", "client"))):
    for how, key in (("clear", None), ("sealed", bytes(32))):
        for round in range(3):  # the first one digests the settings
            gc.collect()
            start = board.instructions()
            state = pair[name].export(key=key, counter=counter)
            figures["%s_export_%s" % (name, how)] = board.instructions() - start
            pair[name] = None
            gc.collect()
            start = board.instructions()
            pair[name] = contexts[i].restore(link[i], state, key=key, counter=counter)
            assert pair[name].write(b"0123456789abcdef") == 16
            cost = board.instructions() - start - figures[name + "_write_awake"]
            if how == "clear" and round == 0:
                figures[name + "_restore_first"] = cost
            figures["%s_restore_%s" % (name, how)] = cost
            assert pair[other].readinto(into) == 16
        figures["%s_state_%s" % (name, how)] = len(state)
# A client's host name is its own then, not the program's.
weigh("_restored")

# As many as there is room for in 32 KB: made one after the other, on one path, and all woken.
clients, servers = [None] * COUNT, [None] * COUNT
before = in_use()
for i in range(COUNT):
    figures["last_free"] = gc.mem_free()
    clients[i], servers[i] = connect(contexts, link)
    assert clients[i].hibernate() and servers[i].hibernate()
taken = in_use() - before
figures["both_ends"] = taken // COUNT
figures["in_32_kb"] = 2 * COUNT * HEAP // taken
for i in range(COUNT):
    assert clients[i].write(b"to wake") == 7
    assert servers[i].readinto(into) == 7
    assert servers[i].write(b"awake") == 5
    assert clients[i].readinto(into) == 5
    assert clients[i].hibernate() and servers[i].hibernate()
figures["after"] = in_use() - before - taken
print(json.dumps(figures))
