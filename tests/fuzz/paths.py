# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What lies between the connections of a run: streams and datagrams in memory, and what may happen
# to them. A path that is `hostile` changes what passes; transports that are `wild` are short of
# room, raise, and call back.

import io

EPERM, EIO, EBADF, EAGAIN, EINVAL, EPIPE, ETIMEDOUT = 1, 5, 9, 11, 22, 32, 110
ENOBUFS, ECONNREFUSED, EHOSTUNREACH = 105, 111, 113
STREAM_POLL, STREAM_CLOSE, POLL_RD, POLL_WR = 3, 4, 1, 4


class Rng:
    """xorshift32 (Marsaglia)."""

    def __init__(self, seed):
        self.state = (seed * 2654435761 + 88172645) & 0xFFFFFFFF or 1
        for _ in range(4):
            self.next()

    def next(self):
        x = self.state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self.state = x
        return x

    def below(self, n):
        return self.next() % n

    def one_in(self, n):
        return self.next() % n == 0

    def pick(self, seq):
        return seq[self.next() % len(seq)]

    def bytes(self, n):
        return bytes([self.next() >> 8 & 255 for _ in range(n)])


class Fault(Exception):
    """What streams and callbacks raise on purpose."""


def record(rng, body):
    """A record, true or false to TLS or DTLS, with such a body."""
    head = bytes([rng.pick((20, 21, 22, 23, 24, 25, 0, 255)), 3 if rng.one_in(3) else 254])
    head += bytes([rng.pick((3, 253, 255, 0))])
    if head[1] == 254:
        head += bytes([0, rng.pick((0, 0, 1, 1, 2))]) + bytes(4) + rng.bytes(2)
    n = len(body) if rng.one_in(2) else rng.pick((0, 1, 13, 255, 16384, 16385, 65535))
    return head + bytes([n >> 8, n & 255]) + body


def changed(rng, data):
    """The same with an error in it."""
    data = bytearray(data)
    how = rng.below(5)
    if not data or how == 0:
        return record(rng, rng.bytes(rng.below(40)))
    if how == 1:  # a field of the headers
        data[rng.below(min(len(data), 30))] = rng.pick((0, 1, 2, 3, 20, 21, 22, 23, 25, 127, 128, 253, 254, 255))
    elif how == 2:
        data[rng.below(len(data))] ^= 1 << rng.below(8)
    elif how == 3:  # cut
        data = data[: rng.below(len(data))]
    else:
        data.extend(rng.bytes(1 + rng.below(20)))
    return bytes(data)


class End(io.IOBase):
    """One end of a stream; never waits."""

    def __init__(self, run):
        self.run = run
        self.side = None
        self.rx = bytearray()
        self.peer = None
        self.closed = 0  # how often
        self.cut = False  # nothing more comes
        self.limit = 0  # bytes that one transfer moves at most
        self.full = 0  # one in so many transfers would block
        self.touched = False  # what came in is not what was sent

    def readinto(self, buf):
        result = self.run.call_out(self, "read", buf)
        if result is not None:
            return result
        if self.closed:
            return -EBADF
        if self.full and self.run.rng.one_in(self.full):
            return None
        n = self.take(buf)
        if n is None and self.run.drive(self):
            n = self.take(buf)
        return n

    def take(self, buf):
        if not self.rx:
            return 0 if self.peer.closed or self.cut else None
        n = min(len(buf), len(self.rx), self.limit or len(buf))
        buf[:n] = self.rx[:n]
        self.rx[:] = self.rx[n:]
        return n

    def write(self, buf):
        result = self.run.call_out(self, "write", buf)
        if result is not None:
            return result
        if self.closed:
            return -EBADF
        if self.full and self.run.rng.one_in(self.full):
            return None
        return self.give(buf)

    def give(self, buf):
        if self.peer.closed:
            return -EPIPE
        n = min(len(buf), self.limit or len(buf))
        self.peer.arrive(bytes(buf[:n]))
        return n

    def arrive(self, data):
        rng = self.run.rng
        if self.cut:
            return
        if self.run.hostile and rng.one_in(12):
            self.touched = self.run.touched = True
            how = rng.below(5)
            if how == 0:
                self.cut = True
                data = data[: rng.below(len(data) + 1)]
            elif how == 1:
                data = data + data
            elif how == 2:
                data = b""
            elif how == 3 and len(self.rx) > 1:
                n = rng.below(len(self.rx))
                self.rx[:] = self.rx[n:] + self.rx[:n]
            else:
                data = changed(rng, data)
        self.rx.extend(data)

    def ready(self):
        return bool(self.rx or self.peer.closed or self.cut)

    def ioctl(self, request, arg):
        if request == STREAM_CLOSE:
            self.closed += 1
        result = self.run.call_out(self, "close" if request == STREAM_CLOSE else "poll", None)
        if result is not None:
            return result
        if request == STREAM_POLL:
            return arg & (POLL_WR | (POLL_RD if self.ready() else 0))
        return 0 if request == STREAM_CLOSE else -EINVAL

    def setblocking(self, flag):
        pass

    def settimeout(self, seconds):
        pass


class DatagramEnd(End):
    """The same for datagrams: rx is a list of them."""

    def __init__(self, run):
        End.__init__(self, run)
        self.rx = []
        self.seen = []  # for replays

    def take(self, buf):
        if not self.rx:
            return None
        datagram = self.rx.pop(0)
        n = min(len(buf), len(datagram))
        buf[:n] = datagram[:n]
        return n

    def give(self, buf):
        self.peer.arrive(bytes(buf))
        return len(buf)

    def arrive(self, datagram):
        rng = self.run.rng
        self.seen.append(datagram)
        for one in fate(self.run, self.seen, datagram):
            at = len(self.rx)
            if self.run.hostile and rng.one_in(4):
                at = rng.below(at + 1)
                self.run.touched = True
            self.rx.insert(at, one)

    def ready(self):
        return bool(self.rx)


def fate(run, seen, datagram):
    """What comes of a datagram on its way, in which others were seen."""
    rng = run.rng
    if not run.hostile or not rng.one_in(4):
        return [datagram]
    run.touched = True
    how = rng.below(6)
    if how == 0:
        return []
    if how == 1:
        return [datagram, datagram]
    if how == 2:
        return [changed(rng, datagram)]
    if how == 3:
        return [changed(rng, datagram), datagram]
    if how == 4:
        return [rng.pick(seen), datagram, rng.pick(seen)]
    return [changed(rng, rng.pick(seen)), datagram]


class Network:
    """Takes datagrams between addresses."""

    def __init__(self, run):
        self.run = run
        self.sockets = {}
        self.seen = []
        self.late = []  # (origin, to, datagram)

    def send(self, origin, to, datagram):
        rng = self.run.rng
        self.seen.append(datagram)
        for one in fate(self.run, self.seen, datagram):
            source = origin
            if self.run.hostile and rng.one_in(10):
                source = rng.pick(list(self.sockets) + [b"nobody"])
                self.run.touched = True
            if self.run.hostile and rng.one_in(8):
                self.late.append((source, to, one))
                self.run.touched = True
            else:
                self.put(source, to, one)
        if self.late and rng.one_in(3):
            self.put(*self.late.pop(rng.below(len(self.late))))

    def put(self, origin, to, datagram):
        self.run.trace("%s > %s: %d, %s" % (origin, to, len(datagram), datagram[:30].hex()))
        if to in self.sockets:
            self.sockets[to].rx.append((datagram, origin))


class Socket(End):
    """A UDP socket in it, of the listener or connected to it; never waits."""

    def __init__(self, run, network, address, to=None):
        End.__init__(self, run)
        self.network = network
        self.rx = []
        self.to = to
        self.address = None
        self.bind(address)

    def bind(self, address):
        if self.network.sockets.get(self.address) is self:
            del self.network.sockets[self.address]
        self.address = address
        self.network.sockets[address] = self

    def take(self, buf):
        if not self.rx:
            return None
        datagram = self.rx.pop(0)[0]
        n = min(len(buf), len(datagram))
        buf[:n] = datagram[:n]
        return n

    def give(self, buf):
        self.network.send(self.address, self.to, bytes(buf))
        return len(buf)

    def ready(self):
        return bool(self.rx)

    def failing(self, what):
        result = self.run.call_out(self, what, None)
        if result is not None:
            raise OSError(EAGAIN if not isinstance(result, int) or result >= 0 else -result)
        if self.closed:
            raise OSError(EBADF)

    def recvfrom(self, size):
        self.failing("read")
        if not self.rx:
            raise OSError(EAGAIN)
        datagram, origin = self.rx.pop(0)
        return datagram[:size], origin

    def sendto(self, data, address):
        self.failing("write")
        self.network.send(self.address, address, bytes(data))
        return len(data)
