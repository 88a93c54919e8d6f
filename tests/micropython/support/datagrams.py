"""A network of datagrams in memory, and DTLS over it."""

import io
import ssl

import pki

EBADF, EAGAIN, ENOBUFS, EINVAL = 9, 11, 105, 22
POLL_RD, POLL_WR, POLL_NVAL = 1, 4, 32  # MP_STREAM_POLL_*
_STREAM_POLL, _STREAM_CLOSE = 3, 4

HOST = "micropython.local"
SERVER = b"server"


class Network:
    """Takes datagrams from address to address. `lose`: a function (datagram) -> bool."""

    def __init__(self):
        self.sockets = {}
        self.sent = []  # (from, to, datagram)
        self.lose = lambda datagram: False

    def send(self, origin, to, datagram):
        self.sent.append((origin, to, datagram))
        if to in self.sockets and not self.lose(datagram):
            self.sockets[to].rx.append((datagram, origin))


class Socket(io.IOBase):
    """A UDP socket that never waits, bound to an address and connected to `peer`, if given."""

    def __init__(self, network, address, peer=None):
        self.network = network
        self.peer = peer
        self.rx = []
        self.closed = 0
        self.hook = None  # called with "poll", "recvfrom" or "sendto"; may raise
        self.bind(address)

    def bind(self, address):
        self.address = address
        self.network.sockets[address] = self

    def recvfrom(self, size):
        if self.hook:
            self.hook("recvfrom")
        if not self.rx:
            raise OSError(EAGAIN)
        datagram, origin = self.rx.pop(0)
        return datagram[:size], origin

    def sendto(self, data, address):
        if self.hook:
            self.hook("sendto")
        self.network.send(self.address, address, bytes(data))
        return len(data)

    def readinto(self, buf):
        if not self.rx:
            return None
        datagram = self.rx.pop(0)[0]
        n = min(len(buf), len(datagram))
        buf[:n] = datagram[:n]
        return n

    def write(self, buf):
        return self.sendto(buf, self.peer)

    def ioctl(self, request, arg):
        if request == _STREAM_POLL:
            if self.hook:
                self.hook("poll")
            return arg & (POLL_WR | (POLL_RD if self.rx else 0))
        if request == _STREAM_CLOSE:
            self.closed += 1
            return 0
        return -EINVAL


def server_context(cid=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_SERVER)
    ctx.load_cert_chain(pki.ec_der, pki.ec_key_der)
    ctx.dtls_cid = cid
    return ctx


def client_context(cid=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_DTLS_CLIENT)
    ctx.verify_mode = ssl.CERT_REQUIRED
    ctx.load_verify_locations(cadata=pki.ca_der)
    ctx.dtls_cid = cid
    return ctx


def listening(network, cid=None, **kwargs):
    """A listener that does not block, and its socket."""
    sock = Socket(network, SERVER)
    listener = server_context(cid).listen(sock, **kwargs)
    listener.setblocking(False)
    return listener, sock


def calling(network, address, ctx=None):
    """A client that has not begun, and its socket."""
    sock = Socket(network, address, SERVER)
    client = (ctx or client_context()).wrap_socket(
        sock, do_handshake_on_connect=False, server_hostname=HOST
    )
    return client, sock


def step(sock):
    """One call of do_handshake: None for "not yet", True for "done"."""
    try:
        sock.do_handshake()
        return True
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None


def meet(listener, client):
    """Shakes hands; the server's side of the connection."""
    accepted = None
    for _ in range(20):
        done = step(client)
        accepted = accepted or listener.accept()
        if accepted and step(accepted[0]) and done:
            return accepted[0]
    raise Exception("no handshake")


def show(label, fun, *args, **kwargs):
    """Prints what a call returns or raises."""
    try:
        result = fun(*args, **kwargs)
    except TypeError:
        print(label, "raises TypeError")  # its words are MicroPython's, and change
    except Exception as er:
        print(label, "raises", repr(er))
    else:
        print(label, "->", repr(result))
