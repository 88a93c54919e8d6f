# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The fuzzer's part that runs in MicroPython: see run.py.
#
#   micropython fuzz.py WORLD FIRST COUNT [trace]
#
# A run makes contexts and connections as its seed says, does with them what its seed says, then
# lets everything calm down and looks at what came of it. Printed: "@seed" before each run,
# "!text" for each complaint, "ok" after it, "end" last; with `trace` each call as well.
#
# The oracle. What was written arrives unchanged, in order and once, or the connection says that
# it failed; of datagrams each at most once. On a path that nobody touched all of it arrives, and
# no call fails but for what the run itself did. A DTLS connection on which data came both ways
# (it is `settled`) is ended by nothing that a path does. Exceptions are those of docs/ssl.md.

import errno
import gc
import select
import ssl
import sys
import time

sys.path.append(sys.path[0] + "/../micropython/support")

import ffi
import pki
from link import connected
from paths import *

EBUSY, EMSGSIZE, ENOTCONN = 16, 90, 107
HELLO_VERIFY = -27264
HOST = "micropython.local"
IDENTITY, KEY = b"fuzz", b"sixteen byte key"
SERVER = b"server"

PSK_SUITES = (
    "TLS-PSK-WITH-AES-128-GCM-SHA256",
    "TLS-PSK-WITH-AES-256-GCM-SHA384",
    "TLS-PSK-WITH-AES-128-CCM-8",
    "TLS-PSK-WITH-CHACHA20-POLY1305-SHA256",
    "TLS-PSK-WITH-AES-128-CBC-SHA256",
    "TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256",
)
CERT_SUITES = (
    "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-256-CCM",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8",
    "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256",
)

tracing = False
world = ffi.open(sys.argv[1])
begin = world.func("v", "fuzz_begin", "I")
wait = world.func("v", "fuzz_wait", "I")

DATA = Rng(0).bytes(8192) + b"\n"
DATA = DATA * 9  # its period is no power of two


def short(value):
    """For the trace."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "%s of %d %r" % (type(value).__name__, len(value), bytes(value[:8]))
    return repr(value)[:60]


def said(er):
    return "%s%r" % (type(er).__name__, er.args)


# ---------------------------------------------------------------------------------------
# One side of a connection.


class Side:
    def __init__(self, run, name, ctx, end, wrap):
        self.run = run
        self.name = name
        self.ctx = ctx
        self.end = end
        self.wrap = wrap
        self.mates = []  # Sides whose data may come
        self.server = name[0] == "s"
        self.sent = bytearray()  # stream: what writes have taken
        self.pending = b""  # what an interrupted write may have begun to send
        self.got = 0  # of what the mate sent
        self.partial = b""  # of a datagram
        self.joins = False  # a read may have more than one
        self.small = 0  # so many reads are
        self.datagrams = {}  # number -> the datagrams written, perhaps
        self.due = []  # numbers of those that were sent for certain
        self.received = set()  # (name, number)
        self.failed = None  # the error that ended it
        self.closed = False  # by a call of ours
        self.shut = False  # nothing more is written
        self.gave_session = False
        self.counter = Counter()
        self.ended = False  # by the mate: read says so
        self.spoiled = False  # a callback may have spoiled the handshake
        self.murky = False  # the program has spoiled its own data
        self.settled = False
        self.unsettled = False  # for good
        self.depth = 0
        self.ready = False  # its handshake is over
        self.shrunk = None  # what was in `resizing` before it was cut
        self.resizing = None
        self.writing = b""
        self.sock = None

    def alive(self):
        return self.sock is not None and not self.closed and not self.failed

    def may_fail(self):
        """Whether something has happened for which an error of Mbed TLS is right."""
        run = self.run
        gone = any(m.failed or m.closed for m in self.mates) or not self.mates
        if self.settled and not self.unsettled:
            return gone
        # A client whose server has gone in mid-handshake is of no use to the next one.
        gone = gone or any(x.failed or x.closed for m in self.mates for x in m.mates)
        return run.touched or not run.fits or self.spoiled or gone or any(m.spoiled for m in self.mates)

    def complain(self, text):
        self.run.complain("%s: %s" % (self.name, text))

    def call(self, what, *args):
        """Calls a method, or a function: (result, exception)."""
        run = self.run
        result = error = None
        self.depth += 1
        run.calls_out = 0
        try:
            try:
                if isinstance(what, str):
                    result = getattr(self.sock, what)(*args)
                else:
                    result = what(*args)
            except BaseException as er:
                error = er
            for _ in range(3):
                pass  # a scheduled KeyboardInterrupt comes here, perhaps behind another exception
        except KeyboardInterrupt as er:
            error = error or er
        self.depth -= 1
        if self.depth == 0:
            run.armed = 0
        if tracing:
            name = what if isinstance(what, str) else "call"
            run.trace("%s.%s(%s) -> %s" % (self.name, name, ", ".join(short(a) for a in args), short(result) if error is None else said(error)))
        if error is not None:
            self.judge(what if isinstance(what, str) else "call", args, error)
        return result, error

    def judge(self, what, args, er):
        run = self.run
        if isinstance(er, (Fault, KeyboardInterrupt)):
            if not run.injected:
                self.complain("%s: %s out of nothing" % (what, said(er)))
            return
        if isinstance(er, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):
            if what not in ("do_handshake", "shutdown", "unwrap"):
                self.complain("%s: %s" % (what, said(er)))
            return
        if isinstance(er, OSError):
            code = er.errno
            if not isinstance(code, int):
                right = what in ("setblocking", "settimeout")
            elif code < 0:
                self.end_with(what, er)
                return
            elif code in run.errnos:
                right = True
                if code == errno.ETIMEDOUT and run.datagram and not self.settled:
                    self.spoiled = True  # or was it the handshake's timer?
            elif self.depth > 0 and code == EBUSY:
                right = True
            elif code == EBADF:
                right = self.closed or self.failed or self.end.closed or run.listener_closed or self.may_fail()
            elif code == EINVAL:
                right = self.pending or self.resizing is not None or what == "shutdown"
            elif code == EAGAIN:
                right = what == "sendall" or what == "iobase"
            elif code == EPIPE:
                right = self.shut or (self.end.peer is not None and self.end.peer.closed)
            elif code == ENOTCONN:
                right = what in ("shutdown", "unwrap")
            elif code == EMSGSIZE:
                right = run.datagram and (run.limited or len(args[0]) > 4090)
            elif code == errno.ETIMEDOUT:
                right = run.datagram and not self.settled
                self.failed = er
            elif code == EIO:
                right = run.lied
            else:
                right = False
            if not right and self.spoiled:
                right = True  # the number that a callback has given
                self.failed = er
            if not right:
                self.complain("%s: %s" % (what, said(er)))
            return
        if isinstance(er, ValueError):
            # A certificate's: the handshake failed.
            if what in ("do_handshake", "read", "write", "call"):
                self.end_with(what, er)
            return
        if isinstance(er, TypeError):
            if not run.odd:
                self.complain("%s: %s" % (what, said(er)))
            return
        if isinstance(er, MemoryError) and args and isinstance(args[0], int) and args[0] < -1:
            return
        self.complain("%s: %s" % (what, said(er)))

    def end_with(self, what, er):
        """The connection says that it failed."""
        if er.errno == HELLO_VERIFY if isinstance(er, OSError) else False:
            if self.run.datagram and self.server:
                self.closed = False
                self.sock, _ = self.call(self.wrap)
                self.pending = b""
                return
        if self.failed:
            self.complain("%s: failed twice: %s" % (what, said(er)))
        if not self.may_fail():
            self.complain("%s: %s" % (what, said(er)))
        self.failed = er

    # Writing.

    def next_data(self, n):
        if self.run.datagram:
            number = len(self.datagrams)
            n = min(max(n, 6), 60000)
            body = DATA[number * 7 % 999 :][: n - 6]
            data = bytes([ord(self.name[0]), ord(self.name[1]), number >> 8, number & 255, len(body) >> 8, len(body) & 255]) + body
            self.datagrams[number] = data
            return data
        at = len(self.sent) % 8193
        return DATA[at : at + n]

    def put(self, method, data, buf, *where):
        """Writes `data`, which is what `buf` and `where` stand for."""
        if not self.alive():
            return
        self.writing = data
        n, er = self.call(method, buf, *where)
        self.writing = b""
        if buf is self.resizing and len(buf) < len(data):
            # What was cut off within the call is none of it any more.
            data = data[: len(buf)]
            for mate in self.mates if self.run.datagram else ():
                mate.murky = True
        if not len(data):
            return
        if er is not None and isinstance(er, KeyboardInterrupt) and n is not None:
            er = None
        # EPIPE is the shut connection's, before it writes; or the path's, whose other end is closed.
        cut = self.end.peer is not None and self.end.peer.closed
        refused = isinstance(er, OSError) and (er.errno in (EINVAL, EBUSY) or (er.errno == EPIPE and self.shut and not cut))
        if self.run.datagram:
            if n == len(data) and n:
                self.due.append(data[2] << 8 | data[3])
            elif n:
                self.complain("%s wrote %d of a datagram of %d" % (method, n, len(data)))
            if er is None:
                self.pending = b"" if n else data
            elif not refused and not (isinstance(er, OSError) and er.errno == EMSGSIZE):
                self.pending = data
            return
        if er is None and n is not None:
            if not 0 <= n <= len(data):
                self.complain("%s wrote %d of %d" % (method, n, len(data)))
            if method == "sendall" and n != len(data):
                self.complain("sendall wrote %d of %d" % (n, len(data)))
            self.sent.extend(data[:n])
            self.pending = data[n:]
        # Of fewer bytes than before a connection that has failed takes none.
        elif not refused and not (isinstance(er, OSError) and er.errno == EBADF and self.pending.startswith(data)):
            self.pending = data

    def write(self):
        rng = self.run.rng
        n = rng.pick((0, 1, 5, 50, 50, 300, 1200, 1200, 4096, 16384, 16385, 40000))
        if self.run.datagram and rng.below(4):
            n = min(n, 1200)
        if self.run.kind == "listener" and n > 1900:
            n = 1900
        method = rng.pick(("write", "write", "send", "sendall"))
        if self.pending and rng.below(5):
            data = self.pending
            if not self.run.datagram and rng.one_in(3):
                data = data + DATA[:10]
        else:
            data = b"" if n == 0 else self.next_data(n)
            if not self.run.datagram and rng.one_in(5):
                data = data[3:]  # another, which is to be refused where one is half sent
        how = rng.below(8)
        if how == 0:
            self.put(method, data, bytearray(data))
        elif how == 1:
            self.put(method, data, memoryview(data))
        elif how == 2:
            self.put(method, data, memoryview(b"xx" + data + b"yyy")[2:-3])
        elif how == 3 and not self.run.datagram:
            n = rng.below(len(data) + 2)
            self.put(method, data[:n], data, n)
        elif how == 4:
            self.put(method, data, b"zzz" + data, 3, len(data))
        elif how == 5 and self.run.wild:
            moving = bytearray(data)
            self.resizing = moving
            self.shrunk = None
            self.put(method, data, moving)
            self.resizing = None
        else:
            self.put(method, data, data)

    # Reading.

    def feed(self, data, joins=False):
        """What a read has returned."""
        if not data:
            return
        if self.murky:
            self.got += len(data)
            return
        if self.run.datagram:
            self.feed_datagrams(data, joins)
            return
        mate = self.mates[0]
        # No more than the data at a time: all that was sent is long, and the heap is in pieces.
        there = mate.sent[self.got : self.got + len(data)]
        begun = max(0, self.got - len(mate.sent))
        more = begun + len(data) - len(there)
        # From within the other's call, what that is writing.
        writing = there + mate.writing[begun:more]
        there += mate.pending[begun:more]
        if data not in (there, writing):
            self.murky = True
            same = 0
            while same < len(there) and there[same] == data[same]:
                same += 1
            self.complain("got %d bytes at %d, wrong from %d on; the other's were %d and %d pending" % (len(data), self.got, same, len(mate.sent), len(mate.pending)))
        self.got += len(data)

    def feed_datagrams(self, data, joins):
        self.partial += data
        while len(self.partial) >= 6:
            total = 6 + (self.partial[4] << 8 | self.partial[5])
            if len(self.partial) < total:
                return
            datagram, self.partial = self.partial[:total], self.partial[total:]
            if self.partial and not joins and not self.joins:
                self.complain("one read joined datagrams")
            name, number = datagram[:2].decode(), datagram[2] << 8 | datagram[3]
            mate = [m for m in self.mates if m.name == name]
            if not mate or mate[0].datagrams.get(number) != datagram:
                self.complain("got a datagram that %s did not write: %d" % (name, number))
                self.murky = True
                return
            if (name, number) in self.received:
                self.complain("got datagram %d of %s twice" % (number, name))
            self.received.add((name, number))
            mate = mate[0]
            if self.name in [n for n, _ in mate.received] and not (self.unsettled or mate.unsettled):
                self.settled = mate.settled = True

    def take(self, method, *args):
        if not self.alive():
            return None
        got, er = self.call(method, *args)
        if got is None:
            # What an interrupted readline has read comes with the next read.
            if method == "readline" and er is not None:
                self.joins, self.small = True, 4
            return None
        if len(got) == 0 and args != (0,):
            self.at_end(method)
        self.feed(got, method == "readline" or (method == "read" and not args))
        if args and isinstance(args[0], int) and 0 <= args[0] < len(got):
            self.complain("%s%r gave %d bytes" % (method, args, len(got)))
        return len(got)

    def at_end(self, method):
        if self.closed:
            return
        self.ended = True
        gone = any(m.closed or m.failed or m.shut for m in self.mates) or not self.mates
        cut = self.end.cut or self.end.touched or (self.end.peer is not None and self.end.peer.closed)
        if not gone and not cut and not self.spoiled:
            self.complain("%s: the end, which nobody has made" % method)

    def take_into(self, method, size, odd):
        if not self.alive():
            return
        room = bytearray(b"\x5a" * (size + 8))
        if odd and self.run.wild:
            buf = bytearray(b"\x5a" * size)
            self.resizing = buf
        else:
            buf = memoryview(room)[4 : 4 + size]
        self.shrunk = None
        n, er = self.call(method, buf)
        self.resizing = None
        if room[:4] != b"\x5a" * 4 or room[4 + size :] != b"\x5a" * 4:
            self.complain("%s wrote outside of its buffer" % method)
        if n is None:
            return
        if n == 0 and size:
            self.at_end(method)
        if n > size:
            self.complain("%s gave %d for %d" % (method, n, size))
            return
        self.feed(bytes(buf[:n]) if n <= len(buf) else bytes(self.shrunk[:n]))

    def read(self):
        rng = self.run.rng
        size = rng.pick((0, 1, 3, 60, 500, 2000, 5000, 20000))
        if self.small:
            self.small -= 1
            size = rng.pick((1, 3, 20))
        how = rng.below(7)
        if how < 2:
            self.take(rng.pick(("read", "recv")), size)
        elif how == 2:
            self.take("read")
        elif how == 3:
            if self.run.wild and rng.one_in(2):
                self.run.armed = 1 + rng.below(5)
            self.take("readline", *rng.pick(((), (0,), (3,), (-1,))))
        else:
            self.take_into(rng.pick(("readinto", "recv_into")), size, rng.one_in(3))

    # Everything else.

    def look(self):
        what = self.run.rng.pick(
            ("cipher", "version", "pending", "getpeercert", "close_notify_received", "hibernating", "server_side",
             "bad_records", "connection_id", "psk_identity", "psk_identity_hint", "fileno", "makefile",
             "session", "session_reused", "shared_ciphers")
        )
        if self.sock is None:
            return

        def ask():
            value = getattr(self.sock, what)
            return value() if what in ("cipher", "version", "pending", "getpeercert", "makefile", "shared_ciphers") else value

        if what != "fileno":
            value, _ = self.call(ask)
            self.gave_session = self.gave_session or (what == "session" and value is not None)

    def poll(self):
        poller = select.poll()
        if self.sock is None:
            return

        def ask():
            poller.register(self.sock, self.run.rng.pick((1, 4, 5, 0)))
            return [event for _, event in poller.poll(0)]

        self.call(ask)

    def shake(self):
        if self.alive():
            self.call("do_handshake")

    def hibernate(self):
        if self.alive():
            self.call("hibernate")

    def outlive(self):
        """Goes through the bytes of another life, where the connection is quiet and as it was made."""
        run, rng = self.run, self.run.rng
        if not self.alive() or self.depth or not ssl.HAS_HIBERNATION or (self.server and run.kind == "listener"):
            return
        key = rng.pick((None, bytes(16), bytes(64)))
        counter = self.counter if not run.datagram or rng.one_in(2) else None
        sock = self.sock

        def through():
            try:
                state = sock.export(key=key, counter=counter)
            except OSError as er:
                if er.errno not in (EBUSY, ENOTCONN, EBADF):
                    raise
                return None
            except ValueError:
                return None  # its settings have changed
            restore = self.ctx.restore
            bent = bytearray(state)
            bent[rng.below(len(bent))] ^= 1 << rng.below(8)
            try:
                restore(self.end, bent, key=key, counter=counter)
                self.complain("a state was restored that was changed")
            except ValueError:
                pass
            restored = restore(self.end, state, key=key, counter=counter)
            if counter is not None:
                try:
                    restore(self.end, state, key=key, counter=counter)
                    self.complain("a state was restored twice")
                except ValueError:
                    pass
            return restored

        restored, _ = self.call(through)
        if restored is not None:
            self.sock = restored
            try:
                sock.read(1)
                self.complain("what was exported is open")
            except OSError as er:
                if er.errno != EBADF:
                    raise

    def shutdown(self):
        if self.alive():
            how = self.run.rng.pick((1, 1, 2, 0))
            _, er = self.call("shutdown", how)
            if how and (er is None or not (isinstance(er, OSError) and er.errno in (ENOTCONN, EBUSY))):
                self.shut = True

    def unwrap(self):
        if self.alive():
            self.shut = True
            self.murky = True  # what still comes is dropped
            end, er = self.call("unwrap")
            if er is None:
                self.closed = True
                if self.run.kind != "listener" and end is not self.end:
                    self.complain("unwrap gave %r" % end)
            elif isinstance(er, OSError) and er.errno in (ENOTCONN, EBUSY):
                self.shut = self.murky = False

    def close(self):
        if self.sock is None:
            return
        self.closed = True
        if self.run.rng.one_in(4):
            # Only collected.
            self.sock = None
            gc.collect()
        else:
            self.call("close")

    def mistake(self):
        """Arguments that are none."""
        rng = self.run.rng
        if not self.alive():
            return
        self.run.odd += 1
        how = rng.below(9)
        if how == 0:
            self.call("write", rng.pick((None, 5, [1, 2])))
        elif how == 1:
            self.call("readinto", rng.pick((None, b"read only", memoryview(b"read only"), "text")))
        elif how == 2:
            self.call("read", rng.pick((None, "1", 1.5, -2, -1000)))
        elif how == 3:
            self.call("readline", rng.pick((None, "1")))
        elif how == 4:
            self.call("shutdown", rng.pick((None, "1", 7, -1)))
        elif how == 5:
            self.call("write", b"")
        elif how == 6:
            self.call("setblocking", False)
        elif how == 7:
            self.call("settimeout", 0)
        else:
            self.call("sendall", memoryview(b""))
        self.run.odd -= 1

    def step(self):
        n = self.run.rng.below(1000)
        for weight, action in STEPS:
            if n < weight:
                action(self)
                return
            n -= weight

    # What comes when everything is calm.

    def finish(self):
        """One round; whether something moved."""
        if not self.alive():
            return False
        before = (len(self.sent), self.got, len(self.received), len(self.due), self.ready)
        if not self.ready:
            _, er = self.call("do_handshake")
            self.ready = er is None and self.alive()
        if self.pending and not self.shut:
            self.put("sendall" if not self.run.datagram else "write", self.pending, self.pending)
        if not self.ended:
            self.take("recv", 70000)
        return before != (len(self.sent), self.got, len(self.received), len(self.due), self.ready)


STEPS = (
    (150, Side.shake),
    (320, Side.write),
    (320, Side.read),
    (50, Side.look),
    (60, Side.poll),
    (45, Side.hibernate),
    (15, Side.outlive),
    (5, Side.shutdown),
    (3, Side.unwrap),
    (6, Side.close),
    (26, Side.mistake),
)


# ---------------------------------------------------------------------------------------
# Contexts.


class Counter:
    """Of exported connections."""

    stored = 0

    def next(self):
        return self.stored + 1

    def advance(self, n):
        if n <= self.stored:
            raise ValueError("used")
        self.stored = n


class Keys:
    """server_psk_keys."""

    def __init__(self, run):
        self.run = run

    def get(self, identity):
        return self.run.called_back("psk", True, KEY)


def settings(run, ctx, server):
    """What may be set at any time, and does not make the handshake fail."""
    rng = run.rng
    if rng.one_in(3):
        ctx.hibernate_after = rng.pick((None, 0, 0, 1, 100))
    if rng.one_in(3):
        ctx.max_fragment_length = rng.pick((None, 512, 1024, 2048, 4096))
        run.limited = run.limited or ctx.max_fragment_length is not None
    if rng.one_in(3):
        ctx.keep_peer_cert = rng.one_in(2)
    if run.datagram and rng.one_in(2):
        ctx.dtls_timeout = rng.pick(((1, 1000), (100, 1000), (1000, 60000), (5000, 5000)))
    if run.datagram and rng.one_in(3):
        ctx.dtls_mtu = rng.pick((0, 0, 256, 400, 1232, 2000, 65535))
        run.limited = run.limited or ctx.dtls_mtu != 0


def make_contexts(run):
    rng = run.rng
    kind = ssl.PROTOCOL_DTLS_CLIENT if run.datagram else ssl.PROTOCOL_TLS_CLIENT
    client, server = ssl.SSLContext(kind), ssl.SSLContext(kind + 1)
    run.contexts = {False: client, True: server}
    suites = None
    if rng.below(3):
        suites = PSK_SUITES
        identity = IDENTITY
        key = KEY
        if rng.one_in(40):
            run.fits, key = False, b"another"
        how = rng.below(3)
        if how == 0:
            client.set_psk_client_callback(lambda hint: run.called_back("psk", False, (identity, key)))
        else:
            client.psk_identity = identity
            client.psk_key = key
        how = rng.below(4)
        if how == 0:
            server.set_psk_server_callback(lambda identity: run.called_back("psk", True, KEY), "hint")
        elif how == 1:
            server.server_psk_keys = Keys(run)
        elif how == 2:
            server.server_psk_keys = {IDENTITY: KEY}
        else:
            server.psk_identity = IDENTITY
            server.psk_key = KEY
    else:
        suites = CERT_SUITES
        server.load_cert_chain(*rng.pick(((pki.ec_der, pki.ec_key_der), (pki.ec_pem, pki.ec_key))))
        if rng.one_in(3):
            server.ecdsa_sign_callback = lambda key, digest: run.called_back("sign", True, None)
        if rng.below(3):
            client.verify_mode = rng.pick((ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL))
            ca = pki.ca_der
            if rng.one_in(20):
                ca, run.fits = pki.other_ca_der, False
            client.load_verify_locations(cadata=ca)
        if rng.one_in(3):
            client.verify_callback = lambda cert, depth: run.called_back("verify", False, 0)
        if rng.one_in(3):
            server.verify_mode = rng.pick((ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL))
            server.load_verify_locations(cadata=pki.ca_der)
            server.verify_callback = lambda cert, depth: run.called_back("verify", True, 0)
            if rng.below(10):
                client.load_cert_chain(pki.client_pem, pki.client_key)
                if rng.one_in(3):
                    client.ecdsa_sign_callback = lambda key, digest: run.called_back("sign", False, None)
            elif server.verify_mode == ssl.CERT_REQUIRED:
                run.fits = False
        if rng.one_in(5):
            client.set_ecdh_curve(["x25519", "secp256r1"])
    if ssl.HAS_ALPN and rng.one_in(3):
        client.set_alpn_protocols(["h2", "http/1.1", "x" * rng.below(256)][: rng.below(3)])
        server.set_alpn_protocols(["http/1.1", "h2"])
    if rng.below(3):
        chosen = [rng.pick(suites)]
        client.set_ciphers(chosen + [rng.pick(suites)])
        server.set_ciphers(chosen)
    if run.datagram:
        client.dtls_cid = rng.pick((None, None, 0, 1, 8, 32))
        server.dtls_cid = rng.pick((None, None, 0, 1, 8, 20, 32))
        if rng.one_in(20):
            ctx = rng.pick((client, server))
            ctx.dtls_cid_required = True
            agreed = None not in (client.dtls_cid, server.dtls_cid) and client.dtls_cid + server.dtls_cid > 0
            run.fits = run.fits and agreed
        run.has_cid = client.dtls_cid is not None and bool(server.dtls_cid)
    elif rng.one_in(2):
        client.options &= ~ssl.OP_NO_TICKET
        server.num_tickets = rng.below(5)
        if rng.one_in(2):
            server.maximum_version = ssl.TLSVersion.TLSv1_2
    settings(run, client, False)
    settings(run, server, True)


# ---------------------------------------------------------------------------------------
# A run.

# Of one call, before it counts as stuck: a byte each of all that a read() to the end may get.
CALLS_OUT = 1000000


class Run:
    def __init__(self, seed):
        self.seed = seed
        self.rng = Rng(seed)
        begin(seed)
        rng = self.rng
        self.kind = rng.pick(("stream", "stream", "datagram", "listener"))
        self.datagram = self.kind != "stream"
        self.hostile = False
        self.attacked = rng.one_in(2)
        self.wild = rng.below(3) > 0
        self.calm = False
        self.touched = self.lied = self.injected = False
        self.odd = 0
        self.fits = True
        self.errnos = set()
        self.sides = []
        self.waited = 0
        self.calls_out = 0
        self.wrong = 0
        self.listener = None
        self.listener_closed = False
        self.has_cid = False
        self.limited = False  # in what one datagram carries
        self.network = None
        self.waiting = False  # in wrap_socket
        self.armed = 0  # the transfer that is to raise, counted down

    def complain(self, text):
        self.wrong += 1
        if self.wrong < 6:
            print("!" + text)

    def trace(self, text):
        if tracing:
            print("  " * self.depth() + text)

    def depth(self):
        return sum(side.depth for side in self.sides)

    # What transports and callbacks do beside their work.

    def call_out(self, end, what, buf):
        """Before a transfer, poll or close: what it returns instead, or None."""
        self.calls_out += 1
        if self.calls_out > CALLS_OUT:
            if self.calls_out == CALLS_OUT + 1:
                self.complain("a call does not come to an end")
            self.injected = True
            raise Fault("stuck")
        self.trace("%s %s %s" % (what, end.side and end.side.name, buf and len(buf)))
        side = end.side
        if self.armed and what in ("read", "write"):
            self.armed -= 1
            if self.armed == 0:
                self.injected = True
                raise Fault("armed")
        if self.calm or not self.wild or self.rng.below(25):
            return None
        rng = self.rng
        how = rng.below(14)
        if how < 3:
            self.injected = True
            raise (Fault(what) if rng.below(4) else KeyboardInterrupt())
        if how < 5:
            err = rng.pick((EIO, ETIMEDOUT, ENOBUFS, ECONNREFUSED, EHOSTUNREACH, EPERM))
            self.errnos.add(err)
            return -err
        if how == 5:
            end.limit = rng.pick((0, 1, 5, 13, 100))
        elif how == 6:
            end.full = rng.pick((0, 2, 5))
        elif how == 7:
            gc.collect()
        elif how == 8 and side is not None and side.resizing is not None:
            self.resize(side, what)
        elif how == 9 and buf is not None and not self.datagram and self.attacked:
            # It says that more was moved than there is room for.
            self.lied = self.touched = end.touched = end.peer.touched = True
            return len(buf) + rng.pick((1, 100, 1 << 33))
        elif how == 10 and rng.one_in(3):
            self.odd += 1  # stays
            return rng.pick(("text", 1.5, [1]))
        elif side is not None and what != "close":
            self.enter_again(side)
        return None

    def resize(self, side, what):
        buf = side.resizing
        if what == "write" or self.rng.one_in(2):
            more = bytes(1 + self.rng.below(3000))
            if side.shrunk is None:  # else what was cut off would be zeros
                buf.extend(more)
        else:
            # At most once: what was there is what a read may have come to.
            if side.shrunk is None:
                side.shrunk = bytes(buf)
                buf[:] = buf[: self.rng.below(len(buf) + 1)]

    def enter_again(self, side):
        """From within a call on it, or of a callback: it is refused, or closes."""
        if sum(s.depth for s in self.sides) > 3:
            return
        how = self.rng.below(8)
        calls_out = self.calls_out
        if how == 0 and self.rng.one_in(3):
            side.close()
        elif how == 1 and self.rng.one_in(3):
            other = self.rng.pick(self.sides)
            if other is not side:
                other.step()
        elif side.sock is not None and side.depth:
            for method, args in self.rng.pick(
                ((("read", (9,)),), (("write", (b"x",)),), (("do_handshake", ()), ("hibernate", ())), (("shutdown", (1,)), ("cipher", ())))
            ):
                was_alive = side.alive()
                result, er = side.call(method, *args)
                if er is None and was_alive:
                    side.complain("%s within a call was let in" % method)
        elif side.sock is None and self.rng.one_in(2):
            settings(self, side.ctx, side.server)
        self.calls_out += calls_out

    def called_back(self, what, server, value):
        self.calls_out += 1
        sides = [s for s in self.sides if s.server == server]
        if self.calm or not self.wild or self.rng.below(8):
            return value
        how = self.rng.below(8)
        if how < 4:
            for s in sides:
                s.spoiled = True
        if how < 2:
            self.injected = True
            raise Fault(what)
        if how == 2:
            self.odd += 1
            return self.rng.pick((None, 5, -30, b"", b"odd", "text", bytes(60), (b"", b""), [], 1 << 40))
        if how == 3:
            busy = [s for s in sides if s.depth]
            if busy:
                busy[-1].close()
        elif how == 4:
            gc.collect()
        elif how == 5:
            try:
                settings(self, self.contexts[server], server)
            except OSError as er:
                if er.errno != EBUSY:
                    raise
        else:
            busy = [s for s in sides if s.depth]
            if busy:
                self.enter_again(busy[-1])
        return value

    def drive(self, end):
        """Where wrap_socket waits for the other side: it takes its turn."""
        if not self.waiting or end.side is not None:
            return False
        self.turns += 1
        if self.turns > 100:
            self.injected = True
            raise Fault("nobody answers")
        for side in self.sides:
            if side.alive() and not side.depth:
                side.call("do_handshake")
        return True

    def wait(self):
        ms = self.rng.pick((1, 10, 200, 1000, 3000))
        if self.waited + ms < 40000:
            self.waited += ms
            wait(ms)
            for side in self.sides:
                if self.datagram and not side.settled:
                    side.unsettled = side.unsettled

    # The kinds.

    def add(self, name, end, wrap, mate=None):
        server = name[0] == "s"
        side = Side(self, name, self.contexts[server], end, wrap)
        if mate is not None:
            side.mates.append(mate)
            mate.mates.append(side)
        self.sides.append(side)
        if mate is not None and self.rng.one_in(4):
            self.waiting, self.turns = True, 0
            side.sock, er = side.call(wrap, True)
            self.waiting = False
            side.ready = er is None
            self.fits = self.fits and side.ready
        if side.sock is None:
            side.failed = None
            side.sock, _ = side.call(wrap)
        end.side = side
        return side

    def start_pair(self):
        kind = DatagramEnd if self.datagram else End
        a, b = kind(self), kind(self)
        a.peer, b.peer = b, a
        ids = {"client_id": b"who"} if self.datagram else {}
        contexts = self.contexts
        session = None if self.datagram else self.earlier_session()
        server = self.add("s0", b, lambda now=False: contexts[True].wrap_socket(b, server_side=True, do_handshake_on_connect=now, **ids))
        self.add("c0", a, lambda now=False: contexts[False].wrap_socket(a, do_handshake_on_connect=now, server_hostname=HOST, session=session), server)

    def earlier_session(self):
        """Of a connection before this one, as it was or as it was saved; None: there is none."""
        if not self.fits or self.contexts[False].options & ssl.OP_NO_TICKET:
            return None
        self.calm, calm = True, self.calm
        client, server = connected(self.contexts[False], self.contexts[True], HOST)[:2]
        server.write(b"x")
        client.read(1)
        session = client.session
        self.calm = calm
        # One that was got with a callback cannot be loaded.
        if session is not None and self.contexts[False].verify_callback is None and self.rng.one_in(2):
            session = ssl.SSLSession(session.serialize())
        return session

    def start_listener(self):
        self.network = Network(self)
        self.sock = Socket(self, self.network, SERVER)
        self.listener = self.contexts[True].listen(self.sock, backlog=1 + self.rng.below(4))
        self.listener.setblocking(False)
        self.call_in()

    def call_in(self, address=None):
        """A new client."""
        n = sum(not s.server for s in self.sides)
        if n > 8:
            return
        end = Socket(self, self.network, address or b"at %d" % n, SERVER)
        client = self.add("c%d" % n, end, lambda: self.contexts[False].wrap_socket(end, do_handshake_on_connect=False, server_hostname=HOST))
        client.addresses = [end.address]

    def accept(self):
        """Takes a new connection."""
        try:
            accepted = self.listener.accept()
        except BaseException as er:
            if isinstance(er, (Fault, KeyboardInterrupt)) and self.injected:
                return
            if isinstance(er, OSError) and (er.errno in self.errnos or (er.errno == EBADF and self.listener_closed)):
                return
            if isinstance(er, TypeError) and self.odd:
                return
            self.complain("accept: %s" % said(er))
            return
        if accepted is None:
            return
        n = sum(s.server for s in self.sides)
        side = Side(self, "s%d" % n if n < 10 else "sx", self.contexts[True], self.sock, None)
        side.sock, address = accepted
        side.addresses = [address]
        self.sides.append(side)
        for other in self.sides:
            if not other.server and address in other.addresses:
                side.mates.append(other)
                other.mates.append(side)

    def network_step(self):
        rng = self.rng
        how = rng.below(12)
        clients = [s for s in self.sides if not s.server]
        if how < 7:
            self.accept()
        elif how == 7:
            self.call_in()
        elif how == 8:
            poller = select.poll()
            poller.register(self.listener, 1)
            try:
                poller.poll(0)
            except (Fault, KeyboardInterrupt, TypeError):
                pass
        elif how == 9 and clients and self.has_cid:
            client = rng.pick(clients)
            address = b"moved %d" % rng.below(1000)
            if client.alive():
                if not client.settled:
                    client.unsettled = True
                client.end.bind(address)
                client.addresses.append(address)
                if not client.settled:
                    self.moved = True
        elif how == 10 and rng.one_in(3):
            # A client that begins anew where one was.
            client = rng.pick(clients)
            if client.closed or client.failed:
                for s in self.sides:
                    if any(a in s.addresses for a in client.addresses):
                        s.unsettled = True
                address = client.end.address
                self.call_in(address)
                new = self.sides[-1]
                new.unsettled = True
                for s in self.sides:
                    if s.server and address in s.addresses:
                        s.mates.append(new)
                        new.mates.append(s)
        elif how == 11 and rng.one_in(40):
            self.listener_closed = True
            for s in self.sides:
                if s.server:
                    s.unsettled = True
            try:
                self.listener.close()
            except (Fault, KeyboardInterrupt, OSError, TypeError):
                pass

    def go(self):
        rng = self.rng
        make_contexts(self)
        if self.kind == "listener":
            self.start_listener()
        else:
            self.start_pair()
            for side in self.sides:
                if rng.one_in(3):
                    side.end.limit = rng.pick((1, 7, 100, 1000))
                if rng.one_in(3):
                    side.end.full = rng.pick((2, 3, 9))
        quiet = rng.one_in(2)  # calm until the handshakes are over
        wild, self.wild = self.wild, self.wild and not quiet
        for n in range(rng.pick((30, 60, 120))):
            if n == 25:
                self.wild = wild
            self.hostile = self.attacked and (not quiet or n > 25) and rng.below(3) > 0
            how = rng.below(40)
            if how == 0:
                gc.collect()
            elif how == 1:
                self.wait()
            elif how == 2:
                settings(self, self.contexts[rng.one_in(2)], True)
            elif self.listener is not None and how < 12:
                self.network_step()
            elif quiet and n < 16 and self.kind != "listener":
                self.sides[n & 1].shake()
            elif self.sides:
                rng.pick(self.sides).step()
        self.end()

    def end(self):
        """Everything is calm: now what was written arrives."""
        self.calm = True
        self.hostile = False
        for side in self.sides:
            side.end.limit = side.end.full = 0
        idle = 0
        for n in range(400):
            moved = False
            if self.listener is not None and not self.listener_closed:
                self.accept()
            for side in self.sides:
                moved = side.finish() or moved
            idle = 0 if moved else idle + 1
            if idle > 3 + 20 * self.datagram:
                break
            if idle and self.datagram:
                wait(500)
        else:
            self.complain("it does not come to rest")
        for side in self.sides:
            self.look_at(side)
        for side in self.sides:
            if side.alive() and not side.closed:
                self.say_goodbye(side)
        for side in self.sides:
            if side.sock is not None and not side.closed:
                side.call("close")
                side.closed = True
            if self.kind != "listener" and side.end.closed > 1:
                side.complain("its transport was closed %d times" % side.end.closed)
            if side.sock is not None:
                memory, er = side.call(lambda: getattr(side.sock, "memory", None))
                # What says whether its session was used is the session's as well.
                if memory and memory[0] > (32 if side.gave_session else 0):
                    side.complain("closed, it has %d bytes" % memory[0])
        if self.listener is not None:
            self.listener.close()

    def look_at(self, side):
        if not side.alive() or side.murky:
            return
        for mate in side.mates:
            if not mate.alive() or mate.murky:
                continue
            if self.datagram:
                if side.settled and mate.settled and not (side.unsettled or mate.unsettled):
                    self.ping(side, mate)
            elif not self.touched and self.fits and not side.spoiled and not mate.spoiled:
                if not side.ready:
                    side.complain("the handshake is not over")
                if not side.ended and side.got < len(mate.sent):
                    side.complain("got %d of %d bytes" % (side.got, len(mate.sent)))
                if mate.pending and not mate.shut:
                    side.complain("%d bytes could not be sent" % len(mate.pending))

    def ping(self, side, mate):
        """A datagram each way arrives."""
        if side.shut or mate.shut or side.ended or mate.ended or side.server:
            return
        for a, b in ((side, mate), (mate, side)):
            a.pending = b""
            data = a.next_data(50)
            for _ in range(3):
                n, er = a.call("write", data)
                if n:
                    break
            number = data[2] << 8 | data[3]
            for _ in range(30):
                if not b.alive() or (a.name, number) in b.received:
                    break
                b.take("recv", 70000)
            if (a.name, number) not in b.received:
                b.complain("a datagram of %s's does not arrive any more" % a.name)

    def say_goodbye(self, side):
        mates = [m for m in side.mates if m.alive()]
        side.call("close")
        side.closed = True
        if self.datagram or self.touched or not side.ready or side.murky:
            return
        for mate in mates:
            for _ in range(4):
                if mate.alive() and not mate.ended:
                    mate.take("recv", 70000)
            if mate.ready and mate.alive() and not mate.call(lambda: mate.sock.close_notify_received)[0]:
                mate.complain("was not told that the other closes")


def main():
    global tracing
    first, count = int(sys.argv[2]), int(sys.argv[3])
    tracing = len(sys.argv) > 4
    for seed in range(first, first + count):
        print("@%d" % seed)
        run = Run(seed)
        if tracing:
            print({k: v for k, v in run.__dict__.items() if isinstance(v, (bool, str))})
        run.go()
        run = None
        gc.collect()
        print("ok")
    print("end")


main()
