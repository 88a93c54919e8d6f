"""A link in memory, and TLS pairs over it."""

import errno
import io
import ssl

import pki

EIO, EBADF, EAGAIN, EBUSY, EINVAL, EPIPE, ENOTCONN = 5, 9, 11, 16, 22, 32, 107
ETIMEDOUT = errno.ETIMEDOUT  # which C libraries do not agree on

POLL_RD, POLL_WR, POLL_HUP, POLL_NVAL = 1, 4, 16, 32  # MP_STREAM_POLL_*
_STREAM_POLL, _STREAM_CLOSE = 3, 4

HOST = "micropython.local"
NOT_YET = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class End(io.IOBase):
    """One end of a link: a stream that never waits."""

    def __init__(self):
        self.rx = bytearray()
        self.peer = None
        self.closed = 0  # how often
        self.calls = []  # methods called on it that are no transfers
        self.block_reads = self.block_writes = False
        self.limit = None  # bytes that one transfer moves at most
        # Called with "read", "write", "poll" or "close" before that happens. It may raise;
        # what it returns, unless that is None, is the result instead.
        self.hook = None

    def _hooked(self, what):
        return self.hook(what) if self.hook else None

    def readinto(self, buf):
        result = self._hooked("read")
        if result is not None:
            return result
        if self.closed:
            return -EBADF
        if self.block_reads:
            return None
        if not self.rx:
            return 0 if self.peer.closed else None
        n = min(len(buf), len(self.rx), self.limit or len(buf))
        buf[:n] = self.rx[:n]
        self.rx[:] = self.rx[n:]
        return n

    def write(self, buf):
        result = self._hooked("write")
        if result is not None:
            return result
        if self.closed:
            return -EBADF
        if self.block_writes:
            return None
        if self.peer.closed:
            return -EPIPE
        n = min(len(buf), self.limit or len(buf))
        self.peer.rx.extend(bytes(buf[:n]))
        return n

    def ioctl(self, request, arg):
        if request == _STREAM_POLL:
            result = self._hooked("poll")
            if result is not None:
                return result
            ready = 0
            if not self.block_reads and (self.rx or self.peer.closed):
                ready |= POLL_RD
            if not self.block_writes:
                ready |= POLL_WR
            return arg & ready
        if request == _STREAM_CLOSE:
            self.closed += 1
            result = self._hooked("close")
            return 0 if result is None else result
        return -EINVAL

    def setblocking(self, flag):
        self.calls.append(("setblocking", flag))
        return "set"

    def settimeout(self, seconds):
        self.calls.append(("settimeout", seconds))


def link():
    a, b = End(), End()
    a.peer, b.peer = b, a
    return a, b


def server_context(cert=None, key=None, cls=None):
    ctx = (cls or ssl.SSLContext)(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(cert or pki.ec_der, key or pki.ec_key_der)
    return ctx


def client_context(ca=None):
    """Without a CA, one that trusts anybody."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        ctx.verify_mode = ssl.CERT_REQUIRED
        ctx.load_verify_locations(cadata=ca)
    return ctx


def pair(client_ctx=None, server_ctx=None, hostname=HOST):
    """(client, server), SSLSockets that have not yet shaken hands, and the ends below them."""
    client_end, server_end = link()
    server = (server_ctx or server_context()).wrap_socket(
        server_end, server_side=True, do_handshake_on_connect=False
    )
    client = (client_ctx or client_context()).wrap_socket(
        client_end, do_handshake_on_connect=False, server_hostname=hostname
    )
    return client, server, client_end, server_end


def step(sock):
    """One call of do_handshake: None for "not yet", True for "done", or the exception."""
    try:
        sock.do_handshake()
        return True
    except Exception as er:
        return None if isinstance(er, NOT_YET) else er


def shake(client, server):
    """Shakes hands as far as it goes; what came of it for the client and for the server."""
    results = [None, None]
    socks = (client, server)
    for _ in range(20):
        for i in (0, 1):
            if results[i] is None:
                results[i] = step(socks[i])
    return tuple(results)


def connected(client_ctx=None, server_ctx=None, hostname=HOST):
    """As pair(), with the handshake done."""
    client, server, client_end, server_end = pair(client_ctx, server_ctx, hostname)
    results = shake(client, server)
    assert results == (True, True), results
    return client, server, client_end, server_end


def is_no_tls(er):
    """Whether an error says that what came is no TLS: to a server's first record Mbed TLS
    before 3.6.6 has another one."""
    return isinstance(er, OSError) and er.errno in (-29184, -30464)


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
