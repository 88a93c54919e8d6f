# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Torture, the part that runs in MicroPython: one cell of the table scenario x injection.
#
#   micropython torture.py PKI_DIR list
#   micropython torture.py PKI_DIR run SCENARIO INJECTION FIRST STEP
#
# A run is: set up, let the injection happen at its Nth point while the scenario acts,
# judge what came out, let the connection go on or close it, connect anew, and look for
# what was not freed. N = 1, 2, 3... until every point of an undisturbed run had its turn.
# FIRST is where to resume behind a run that crashed; STEP 1 leaves nothing out. A scenario
# is a line in SCENARIOS, an injection a line in INJECTIONS.
#
# Lines printed for run.py: "points P", "@N" before run N, "!text" for each complaint
# about it, "ok N" after a run whose injection happened, "seen E" (how many runs ended in
# an error), "skip why" and, always last, "end".

import faultinject as fi
import gc
import io
import os
import select
import sys
import tls

try:
    import ssl
except ImportError:  # stock: a Python file that is not frozen in
    ssl = None

EIO, EBADF, EAGAIN, ENOMEM, EBUSY, EINVAL, EPIPE, ETIMEDOUT = 5, 9, 11, 12, 16, 22, 32, 110
ECONNREFUSED = 111
HELLO_VERIFY = -27264  # a DTLS server's first contact: wrap again
FATAL_ALERT = -30592  # the peer's
HANDSHAKE_FAILURE = -28160
STREAM_POLL, STREAM_CLOSE, POLL_RD, POLL_WR = 3, 4, 1, 4

# What connections with certificates are to be of; stock cannot say.
VERSION = {True: "TLSv1.3", False: "TLSv1.2"}.get(getattr(ssl, "HAS_TLSv1_3", None))
HOST = "micropython.local"
PING = b"ping"
PONG = b"pong"
DATA = bytes(range(48, 112)) + b"\n"
BIG = DATA * 160  # three records of the stock configuration's 4096 bytes
ROUNDS = 300  # calls of a would-block operation before it counts as stuck

ADDRESS = ("client", 1)
PSK_IDENTITY = b"torture"
PSK_KEY = b"sixteen byte key"
PSK_HINT = "hint"
PSK_PLAIN = "TLS-PSK-WITH-AES-128-GCM-SHA256"

PKI = {}


def load_pki(path):
    PKI["path"] = path
    for name in ("ca", "server", "server_key", "client", "client_key", "other", "other_key", "stranger"):
        for ext in ("der", "pem"):
            with open("%s/%s.%s" % (path, name, ext), "rb") as f:
                PKI[name if ext == "der" else name + "_pem"] = f.read()


# ---------------------------------------------------------------------------------------
# The link: two ends in memory, and the peer that lives behind the far one.


class Stuck(Exception):
    """The subject polls on although nothing can arrive any more."""


class End(io.IOBase):
    """One end of the link; non-blocking."""

    def __init__(self, rx, tx):
        self.rx = rx
        self.tx = tx
        self.other = None
        self.closed = False

    def readinto(self, buf):
        if self.closed:
            return -EBADF
        n = min(len(buf), len(self.rx))
        if n == 0:
            return 0 if self.other.closed else None
        buf[:n] = self.rx[:n]
        self.rx[:] = self.rx[n:]
        return n

    def write(self, buf):
        if self.closed:
            return -EBADF
        if self.other.closed:
            return -EPIPE
        self.tx.extend(buf)
        return len(buf)

    def ioctl(self, request, arg):
        if request == STREAM_CLOSE:
            self.closed = True
            return 0
        if request == STREAM_POLL:
            return arg & (POLL_WR | (POLL_RD if self.rx or self.other.closed else 0))
        return -EINVAL

    def setblocking(self, flag):
        if self.closed:
            raise OSError(EBADF)

    def settimeout(self, seconds):
        self.setblocking(True)


class DatagramEnd(End):
    """The same for datagrams: rx and tx are lists of them."""

    def readinto(self, buf):
        if self.closed:
            return -EBADF
        if not self.rx:
            return -ECONNREFUSED if self.other.closed else None
        datagram = self.rx.pop(0)
        n = min(len(buf), len(datagram))
        buf[:n] = datagram[:n]
        return n

    def write(self, buf):
        if self.closed:
            return -EBADF
        if self.other.closed:
            return -ECONNREFUSED
        self.tx.append(bytes(buf))
        return len(buf)


class Wire(End):
    """The subject's end: every call-out passes the injection."""

    def __init__(self, run, rx, tx):
        End.__init__(self, rx, tx)
        self.kind = DatagramEnd if run.scenario.datagram else End
        self.run = run
        self.idle = 0
        self.full = False

    # hold() comes first: allocations of the test itself are not the subject's.

    def readinto(self, buf):
        fi.hold()
        try:
            value = self.run.call_out("read", buf)
            return self.do_read(buf) if value is GO_ON else value
        finally:
            fi.release()

    def write(self, buf):
        fi.hold()
        try:
            value = self.run.call_out("write", buf)
            return self.do_write(buf) if value is GO_ON else value
        finally:
            fi.release()

    def ioctl(self, request, arg):
        fi.hold()
        try:
            value = self.run.call_out("ioctl", b"")
            return self.do_ioctl(request, arg) if value is GO_ON else value
        finally:
            fi.release()

    def do_read(self, buf):
        n = self.kind.readinto(self, buf)
        if n is not None:
            self.idle = 0
            return n
        self.idle += 1
        if self.idle > ROUNDS:
            raise Stuck()
        self.run.peer.pump()
        if not self.run.scenario.blocking:
            return None
        n = self.kind.readinto(self, buf)
        return -ETIMEDOUT if n is None else n

    def do_write(self, buf):
        if self.run.scenario.blocking:
            return self.kind.write(self, buf)
        # A full socket: every other write finds no room, and room is short.
        self.full = not self.full
        if self.full:
            return None
        return self.kind.write(self, buf if self.run.scenario.datagram else memoryview(buf)[:600])

    def do_ioctl(self, request, arg):
        if request == STREAM_POLL:
            self.full = True  # the next write finds the room that poll promised
            if not self.rx:
                self.run.peer.pump()
        return End.ioctl(self, request, arg)


class ListenersWire(Wire):
    """The subject's end as a listener's socket, which has but one client."""

    def failing(self, where, buf):
        fi.hold()
        try:
            value = self.run.call_out(where, buf)
            if isinstance(value, int) and value < 0:
                raise OSError(-value)
            if self.closed:
                raise OSError(EBADF)
            return value
        finally:
            fi.release()

    def recvfrom(self, size):
        value = self.failing("read", b"")
        if value is not GO_ON:
            return value
        fi.hold()
        try:
            if not self.rx:
                self.run.peer.pump()
            if not self.rx:
                raise OSError(EAGAIN)
            return self.rx.pop(0)[:size], ADDRESS
        finally:
            fi.release()

    def sendto(self, data, address):
        value = self.failing("write", data)
        if value is not GO_ON:
            self.run.fired = None  # what sendto() returns is of no interest
        if not self.other.closed:
            self.tx.append(bytes(data))
        return len(data)


class Peer:
    """An undisturbed TLS peer; moves only when pumped."""

    def __init__(self, context, end, **options):
        self.end = end
        self.inbox = b""
        self.outbox = b""
        self.error = None
        self.told = None  # whether the stream, which has ended, did so with close_notify
        self.buf = bytearray(512)
        self.wrap = lambda: context.wrap_socket(end, do_handshake_on_connect=False, **options)
        self.sock = self.wrap()

    def pump(self):
        if self.error:
            return
        try:
            n = self.sock.write(self.outbox) if self.outbox else None
            if n:
                self.outbox = self.outbox[n:]
            n = True
            while n:
                n = self.sock.readinto(self.buf)
                if n:
                    self.inbox += self.buf[:n]
            if n == 0:  # end of stream: says goodbye too
                self.error = "closed"
                self.told = getattr(self.sock, "close_notify_received", None)  # not in stock
                self.sock.close()
        except (OSError, ValueError) as e:
            if is_os_error(e, HELLO_VERIFY):
                self.sock = self.wrap()
            else:
                self.error = e


# ---------------------------------------------------------------------------------------
# One run.

current = None  # the run whose verify_callback is called
contexts = []  # the subject's and the peer's, kept from run to run


def on_verify(cert, depth):
    fi.hold()
    try:
        if current.scenario.keep:
            current.kept.append(cert)
        value = current.call_out("verify", cert)
        return 0 if value is GO_ON else value
    finally:
        fi.release()


def on_psk(given, choice):
    """A callback or look-up of the subject's: what it returns, unless the injection says."""
    fi.hold()
    try:
        value = current.call_out("psk", given or b"")
        return choice if value is GO_ON else value
    finally:
        fi.release()


class Store:
    """What upstream's server_psk_keys may be."""

    def get(self, identity):
        return on_psk(identity, PSK_KEY)


def on_psk_server(identity):
    return on_psk(identity, PSK_KEY)


def on_psk_client(hint):
    return on_psk(hint, (PSK_IDENTITY, PSK_KEY))


STORE = Store()


def set_psk(context, server, how):
    """how: "pair", "get" (a server's look-up) or "callback"."""
    if how == "pair":
        context.psk_identity = PSK_IDENTITY
        context.psk_key = PSK_KEY
    elif how == "get":
        context.server_psk_keys = STORE
    elif server:
        context.set_psk_server_callback(on_psk_server, PSK_HINT)
    else:
        context.set_psk_client_callback(on_psk_client)


def make_psk_contexts(scenario):
    """Certificates are nobody's. Only the subject asks, and the peer's key is known to it."""
    kind = 2 if scenario.datagram else 0  # PROTOCOL_DTLS_CLIENT, where there is one
    client, server = tls.SSLContext(kind), tls.SSLContext(kind + 1)
    client.verify_mode = tls.CERT_NONE
    if scenario.psk != "pair":
        client.set_ciphers([PSK_PLAIN])
    if scenario.cid is not None:
        client.dtls_cid = server.dtls_cid = scenario.cid
    subject, peer = (server, client) if scenario.server else (client, server)
    set_psk(subject, scenario.server, scenario.psk)
    set_psk(peer, False, "pair")
    contexts.extend((subject, peer))


def make_contexts(scenario):
    if contexts or scenario.start == BARE:
        return
    if scenario.psk:
        make_psk_contexts(scenario)
        return
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.verify_mode = tls.CERT_REQUIRED if scenario.verify else tls.CERT_NONE
    client.load_verify_locations(PKI["stranger" if scenario.fails else "ca"])
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(PKI["server"], PKI["server_key"])
    if scenario.mutual:
        client.load_cert_chain(PKI["client"], PKI["client_key"])
        server.load_verify_locations(PKI["ca"])
        server.verify_mode = tls.CERT_REQUIRED
    subject, peer = (server, client) if scenario.server else (client, server)
    if scenario.callback:
        subject.verify_callback = on_verify
    contexts.extend((subject, peer))


class Run:
    def __init__(self, scenario, injection, nth):
        self.scenario = scenario
        self.injection = injection
        self.nth = nth  # 0: only count
        self.complaints = []
        self.sub = None  # the SSL socket under test
        self.listener = None
        self.ctx, self.peer_ctx = contexts if scenario.start >= CONTEXT else (None, None)
        self.wire = None
        self.peer = None
        self.kept = []  # certificates lent to verify_callback
        self.calls = None  # call-outs since begin(); None: not counting
        self.points = 0
        self.fired = None  # where the injection happened: "alloc", "read", "write", ...
        self.injected = None  # the exception it raised
        self.value = None  # what it returned instead
        self.error = None  # the first exception that came out of the act
        self.result = None
        self.sent = 0
        self.done = False
        self.state = None  # of an exported connection that is not restored yet

    def complain(self, text, *args):
        self.complaints.append(text % args if args else text)

    # Setting up.

    def connect(self):
        """Makes link and peer."""
        if self.scenario.datagram:
            a, b = [], []
        else:
            a, b = bytearray(), bytearray()
        self.wire = (ListenersWire if self.scenario.listens else Wire)(self, a, b)
        far = self.wire.kind(b, a)
        self.wire.other, far.other = far, self.wire
        self.peer = Peer(self.peer_ctx, far, **self.options(not self.scenario.server))

    def options(self, server_side):
        if not server_side:
            return {"server_hostname": HOST}
        if self.scenario.datagram:
            return {"server_side": True, "client_id": b"client"}
        return {"server_side": True}

    def wrap(self, do_handshake):
        if self.scenario.listens:
            self.listener = self.ctx.listen(self.wire, backlog=2)
            self.listener.setblocking(False)
            return
        self.sub = self.ctx.wrap_socket(
            self.wire, do_handshake_on_connect=do_handshake, **self.options(self.scenario.server)
        )

    def greet(self):
        """A DTLS server's first contact, which it refuses; or what a listener accepts."""
        if self.scenario.listens:
            self.until(self.accept)
            return
        for _ in range(ROUNDS):
            try:
                self.sub.do_handshake()
            except OSError as e:
                if is_os_error(e, HELLO_VERIFY):
                    return self.wrap(False)
        raise Stuck()

    def accept(self):
        accepted = self.listener.accept()
        if accepted:
            self.sub, address = accepted
            if address != ADDRESS:
                self.complain("accepted of %r", address)
        return accepted and True

    def until(self, operation):
        """Repeats a non-blocking operation until it is done."""
        for _ in range(ROUNDS):
            result = operation()
            if result is not None:
                return result
            self.peer.pump()
        raise Stuck()

    def echo(self):
        """The connection carries data both ways."""
        self.until(lambda: self.sub.write(PING))
        self.peer.pump()
        if not self.peer.inbox.endswith(PING):
            return "the peer got %r, error %r" % (self.peer.inbox[-8:], self.peer.error)
        self.peer.outbox += PONG
        got = self.until(lambda: self.sub.read(len(PONG)))
        if got != PONG:
            return "read %r for %r" % (got, PONG)
        if VERSION and not self.scenario.psk and self.sub.version() != VERSION:
            return "it is of %s" % self.sub.version()

    # The injection.

    def begin(self):
        self.calls = 0
        if self.injection.alloc:
            kind, on = self.injection.alloc
            fi.arm(kind, self.nth, on)

    def end(self):
        if self.calls is None:
            return
        if self.injection.alloc:
            self.points = fi.disarm()
            if fi.fired():
                self.fired = "alloc"
        else:
            self.points = self.calls
        self.calls = None

    def call_out(self, where, buf):
        """What the call-out returns; GO_ON: what it would anyway."""
        if self.calls is None:
            return GO_ON
        self.calls += 1
        if self.calls != self.nth or self.injection.alloc:
            return GO_ON
        self.fired = where
        value = self.injection.act(self, buf)
        if value is not GO_ON:
            self.value = value
        return value

    # Acting and judging.

    def act(self):
        self.begin()
        never = False
        for _ in range(ROUNDS):
            try:
                self.result = self.scenario.act(self)
            except BaseException as e:
                self.end()
                if self.over(e):
                    break
            else:
                if self.result is not None:
                    self.done = True
                    break
                if self.sub is None and self.scenario.start >= WRAPPED:
                    break  # the injection dropped it
        else:
            never = self.error is None
        self.end()
        # By datagrams what the peer says in the clear, or a record that does not authenticate,
        # counts only when a timer has run out, for which nobody waits here.
        if never and self.fired and self.scenario.datagram:
            return
        if never:
            self.complain("never done")
        if self.fired and self.error is None:
            self.judge(None)
        if self.must_go_on() and not self.done:
            self.complain("did not go on after %r at %s", self.error, self.fired)

    def over(self, e):
        """An exception came out. False: call again, the connection may go on."""
        if self.scenario.fails and matches(e, self.scenario.fails):
            self.done = True
            return True
        if self.error is None:
            self.error = e
            if self.fired:
                self.judge(e)
            else:
                self.complain("without injection: %r", e)
            # Dropped, or never returned by wrap_socket: the connection is lost.
            return self.sub is None and (self.scenario.handshake or self.scenario.start >= WRAPPED)
        # After the first error: it goes on, or every call says EBADF. Only a dead
        # transport fails again, and a connection that was up may for another reason.
        once = self.scenario.start != UP or is_os_error(self.error, EBADF)
        lasts = self.injection.judge is transport_error and transport_error(self, e) is None
        if self.wrong_finished() and (is_os_error(e, ENOMEM) or is_os_error(e, FATAL_ALERT)):
            return True
        if self.cookie_unseen() and is_os_error(e, HELLO_VERIFY):
            return True
        if not is_os_error(e, EBADF) and not lasts and (self.must_go_on() or once):
            self.complain("%r, then %r", self.error, e)
        return True

    def judge(self, e):
        # recvfrom() is to return a pair, whatever the number.
        number = self.scenario.listens and self.fired == "read" and isinstance(self.value, int) and self.value >= 0
        text = (type_error if number else self.injection.judge)(self, e)
        if text:
            self.complain("at %s: %s", self.fired, text)

    def cookie_unseen(self):
        """Without memory for the HMAC, Mbed TLS takes a cookie for a wrong one, and asks again."""
        return is_os_error(self.error, ENOMEM) and self.scenario.datagram and self.scenario.server

    def wrong_finished(self):
        """Mbed TLS 3.6.6 takes no notice of a PRF that found no memory for the Finished message,
        and sends a wrong one, which the peer refuses."""
        return self.fired == "alloc" and self.injection.alloc[0] == fi.MBED and self.scenario.handshake

    def must_go_on(self):
        """Only the stream raised, or memory was short where no connection was under way."""
        if self.scenario.fails or not self.fired:
            return False
        if self.fired == "alloc":
            # With data the act itself allocates what it read to, and a listener may lose a datagram.
            kept = self.injection.alloc[0] == fi.MBED and not self.scenario.listens
            return not self.scenario.handshake and (self.scenario.start != UP or kept)
        if self.fired in ("verify", "psk") or (self.sub is None and self.scenario.handshake):
            return False
        return self.injection.goes_on

    # Finishing.

    def restore(self):
        take = self.listener.restore if self.listener else lambda *args, **given: self.ctx.restore(self.wire, *args, **given)
        restored = take(self.state, key=STATE_KEY, counter=COUNTER)
        self.sub, self.state = restored[0] if self.listener else restored, None

    def finish(self):
        if self.state is not None:
            self.restore()
        # A datagram that its socket does not take now is lost.
        lost = self.scenario.listens and self.fired == "write" and self.value == -EAGAIN
        if self.done and self.sub is not None and not self.injection.lies and not lost:
            text = self.scenario.check(self) if self.scenario.check else None
            refused = self.wrong_finished() and is_os_error(self.peer.error, HANDSHAKE_FAILURE)
            if text and not refused:
                self.complain(text)
        if self.sub is not None:
            for _ in range(2):  # twice: idempotent
                self.sub.close()
            # Unless its own close failed, or unwrap() gave it back.
            excused = self.fired == "ioctl" or self.result is self.wire
            if self.wire is not None and not self.wire.closed and not excused and not self.listener:
                self.complain("close() left the transport open")
        if self.listener is not None:
            self.listener.close()
        if self.peer is not None:
            self.peer.sock.close()


def one_run(scenario, injection, nth):
    """Returns (points, fired, whether an error came out, complaints), nothing that could
    keep the run alive. Its contexts stay if they are good for another."""
    global current
    make_contexts(scenario)
    run = current = Run(scenario, injection, nth)
    try:
        prepare(run)
        if not run.complaints:
            run.act()
            run.finish()
        if scenario.start in (CONTEXT, WRAPPED) and not scenario.fails:
            # Where the act starts on a connection, that of the next run is the proof.
            next_connection(run)
            check_kept(run)
    except Exception as e:
        run.end()
        run.complain("unexpected %r", e)
    current = None
    if scenario.fresh or injection.spoils or run.complaints:
        contexts.clear()
    return run.points, run.fired, run.error is not None, run.complaints


def prepare(run):
    scenario = run.scenario
    if scenario.start == BARE:
        return
    run.connect()
    if scenario.start >= WRAPPED:
        run.wrap(False)
        if scenario.datagram and scenario.server:
            run.greet()
    if scenario.start == UP:
        text = run.echo()
        if text:
            run.complain("connecting after the previous run: %s", text)
        run.peer.inbox = b""
    if scenario.setup:
        scenario.setup(run)
    if scenario.asleep and not run.sub.hibernate():
        run.complain("it does not hibernate")


def next_connection(run):
    """Another connection of the same contexts works."""
    global current
    make_contexts(run.scenario)
    again = current = Run(run.scenario, NONE, 0)
    again.connect()
    again.wrap(False)
    if run.scenario.datagram and run.scenario.server:
        again.greet()
    text = again.echo()
    if text:
        run.complain("another connection: %s", text)
    again.sub.close()
    again.peer.sock.close()
    if again.listener:
        again.listener.close()
    current = run


def check_kept(run):
    """A certificate kept from verify_callback is a copy or empty, never freed memory."""
    for cert in run.kept:
        if bytes(cert) not in (b"", PKI["ca"], PKI["server"], PKI["client"]):
            run.complain("a kept certificate changed: %r", bytes(cert)[:16])


# ---------------------------------------------------------------------------------------
# Verdicts: what may come out. A judge returns a complaint or None; e is None when the act
# ended without an exception.


def is_os_error(e, errno):
    return isinstance(e, OSError) and e.errno == errno


def matches(e, text):
    return isinstance(e, ValueError) and text in str(e)


def answers(errno, method, *args):
    """None if the call raises OSError(errno), else what it did."""
    try:
        result = method(*args)
    except OSError as e:
        return None if e.errno == errno else repr(e)
    return "returned %r" % (result,)


VALUE_ERRORS = ("invalid key", "invalid cert", "CERT_REQUIRED requires server_hostname")
VERIFY_ERRORS = ("The certificate", "The CRL", "The CA", "The peer", "Other reason", "Unknown reason")


def documented(e):
    if isinstance(e, OSError):
        code = e.args[0] if e.args else 0
        if code > 0:
            return True
        return len(e.args) == 2 and e.args[1].startswith("MBEDTLS_ERR_") and "UNKNOWN" not in e.args[1]
    if isinstance(e, ValueError):
        text = str(e).strip()
        return text in VALUE_ERRORS or text.startswith(VERIFY_ERRORS)
    return False


def undisturbed(run, e):
    return e and "%r came out" % (e,)


def itself(run, e):
    if e is run.injected:
        return None
    if e is None and run.scenario.closes and isinstance(run.injected, OSError):
        return None  # close() does not mind a peer that is gone
    return "%r raised, %r came out" % (run.injected, e)


def no_memory(run, e):
    if e is None or isinstance(e, MemoryError) or is_os_error(e, ENOMEM):
        return None
    # Without memory for its text an exception has less of it.
    if run.scenario.fails and run.injection.alloc[0] == fi.GC and isinstance(e, ValueError):
        return None
    return "out of memory: %r" % (e,)


def closed(run, e):
    if e is None and (run.scenario.closes or run.fired == "ioctl"):
        return None
    return None if is_os_error(e, EBADF) else "socket closed: %r came out" % (e,)


def transport_error(run, e):
    """The transport said so by an errno: once it is asked."""
    return None if e is None or isinstance(e, OSError) and documented(e) else "%r came out" % (e,)


def no_key(run, e):
    """A look-up or callback returned that: no key, or the wrong one, or no identity with it."""
    if run.scenario.server:
        return None if isinstance(e, OSError) and documented(e) else "%r for a key: %r" % (run.value, e)
    return None if isinstance(e, TypeError) else "%r for a pair: %r" % (run.value, e)


def refused(run, e):
    """What the call-out returned is out of range."""
    if run.fired == "psk":
        return no_key(run, e)
    if run.fired == "verify":
        if run.value == 0:
            return undisturbed(run, e)
        return None if documented(e) else "verify_callback returned %r: %r" % (run.value, e)
    # Whether the alert could be sent matters less than why.
    alert = run.scenario.fails and run.fired == "write"
    if e is None and (run.scenario.closes or run.fired == "ioctl" or alert):
        return None
    return None if isinstance(e, OSError) and documented(e) else "%r returned: %r" % (run.value, e)


def nothing_done(run, e):
    """0 bytes, or not now: end of file where it is read, nothing lost where it is written."""
    if run.fired in ("verify", "psk"):
        return refused(run, e)
    return transport_error(run, e)


def type_error(run, e):
    if run.fired == "psk":
        return no_key(run, e)
    return None if isinstance(e, TypeError) else "%r returned: %r" % (run.value, e)


# ---------------------------------------------------------------------------------------
# Injections.

GO_ON = object()  # the call-out goes on as if nothing had happened


class Injection:
    def __init__(self, name, act, judge, alloc=None, goes_on=False, lies=False, spoils=False):
        self.name = name
        self.act = act
        self.judge = judge
        self.alloc = alloc  # (kind, whether all later allocations fail too)
        self.goes_on = goes_on  # the same connection goes on to completion
        self.lies = lies  # the data is not what the scenario expects
        self.spoils = spoils  # the contexts are not used again


def do_raise(make):
    def act(run, buf):
        run.injected = make()
        raise run.injected

    return act


def give(value):
    return lambda run, buf: value


def litter():
    """Overwrites what a collection freed."""
    gc.collect()
    for size in (16, 48, 112, 240, 1008):
        for _ in range(20):
            bytearray(b"\xa5" * size)


def collect(run, buf):
    litter()
    return GO_ON


def close_socket(run, buf):
    if run.sub is None:
        run.fired = None  # wrap_socket has not returned it yet
        return GO_ON
    try:
        run.sub.close()
    except Exception as e:
        run.complain("nested close() raised %r", e)
    return GO_ON


def close_and_raise(run, buf):
    close_socket(run, buf)
    if run.fired:
        run.injected = ValueError("injected")
        raise run.injected
    return GO_ON


def close_transport(run, buf):
    run.wire.closed = True
    return GO_ON


def cut(run, buf):
    run.peer.end.closed = True
    return GO_ON


def reenter(method, *args):
    def act(run, buf):
        if run.sub is None:
            run.fired = None
            return GO_ON
        text = answers(EBUSY, getattr(run.sub, method), *args)
        # close() has taken effect already when it says goodbye.
        if text and not (run.scenario.closes and answers(EBADF, getattr(run.sub, method), *args) is None):
            run.complain("nested %s: %s", method, text)
        return GO_ON

    return act


def nest(run, buf):
    if run.scenario.fails:
        run.fired = None  # no connection of these contexts works
    else:
        next_connection(run)
    return GO_ON


def drop(run, buf):
    run.sub = run.ctx = run.wire = run.listener = None
    contexts.clear()
    litter()
    return GO_ON


def replace_psk(run):
    """Other keys, then the same again, for the next connection."""
    for key in (b"another key", None):
        run.ctx.psk_identity = key
        run.ctx.psk_key = key
    run.ctx.server_psk_keys = None
    set_psk(run.ctx, run.scenario.server, run.scenario.psk)
    run.ctx.set_ciphers([PSK_PLAIN])


def replace(run, buf):
    changes = [
        lambda: run.ctx.load_cert_chain(PKI["other"], PKI["other_key"]),
        lambda: run.ctx.load_verify_locations(PKI["ca"]),
        lambda: run.ctx.set_ciphers(["TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"]),
    ]
    if run.scenario.psk:
        changes[2] = lambda: replace_psk(run)
    for change in changes:
        try:
            change()
        except Exception as e:
            if not documented(e):
                run.complain("replacing raised %r", e)
    litter()
    return GO_ON


NONE = Injection("none", None, undisturbed)

INJECTIONS = [
    NONE,
    Injection("one mbed alloc", None, no_memory, alloc=(fi.MBED, False)),
    Injection("all mbed allocs", None, no_memory, alloc=(fi.MBED, True)),
    Injection("one gc alloc", None, no_memory, alloc=(fi.GC, False)),
    Injection("all gc allocs", None, no_memory, alloc=(fi.GC, True)),
    Injection("ValueError", do_raise(lambda: ValueError("injected")), itself, goes_on=True),
    Injection("KeyboardInterrupt", do_raise(KeyboardInterrupt), itself, goes_on=True),
    Injection("OSError", do_raise(lambda: OSError(EIO)), itself, goes_on=True),
    Injection("gc.collect", collect, undisturbed, goes_on=True),
    Injection("close socket", close_socket, closed),
    Injection("close and raise", close_and_raise, itself),
    Injection("close transport", close_transport, transport_error, lies=True),
    Injection("peer cut", cut, transport_error, lies=True),
    Injection("re-enter read", reenter("read", 1), undisturbed, goes_on=True),
    Injection("re-enter write", reenter("write", b"x"), undisturbed, goes_on=True),
    Injection("nested connection", nest, undisturbed, goes_on=True),
    Injection("drop references", drop, undisturbed, spoils=True),
    Injection("replace credentials", replace, undisturbed, goes_on=True, spoils=True),
    Injection("return str", give("1"), type_error, goes_on=True),
    Injection("return float", give(1.0), type_error, goes_on=True),
    Injection("return bytes", give(bytes(10000)), type_error, goes_on=True),
    Injection("return -EAGAIN", give(-EAGAIN), nothing_done),
    Injection("return 0", give(0), nothing_done, lies=True),
    Injection("return -EIO", give(-EIO), refused),
    Injection("return -0x7880", give(-0x7880), refused),
    Injection("return -2**40", give(-(1 << 40)), refused),
    Injection("return too many", lambda run, buf: len(buf) + 1, refused),
    Injection("return 2**31", give(1 << 31), refused),
    Injection("return 2**32", give(1 << 32), refused),
]

# ---------------------------------------------------------------------------------------
# Scenarios. An act returns None for "call again", anything else when it is done; its check
# returns a complaint or None.

BARE, CONTEXT, WRAPPED, UP = range(4)  # where the act starts


class Scenario:
    def __init__(
        self, name, start, act, check=None, setup=None, server=False, blocking=False, verify=False, mutual=False,
        callback=False, keep=False, handshake=False, closes=False, fresh=False, fails=None, needs=None,
        psk=None, datagram=False, cid=None, asleep=False, listens=False,
    ):
        self.name = name
        self.start = start
        self.act = act
        self.check = check
        self.setup = setup
        self.server = server  # the subject is the server
        self.blocking = blocking
        self.verify = verify
        self.mutual = mutual
        self.callback = callback
        self.keep = keep  # verify_callback keeps the certificates
        self.handshake = handshake  # the act does a handshake
        self.closes = closes
        self.fresh = fresh  # contexts are made for each run
        self.fails = fails  # the text of the ValueError the act ends with
        self.needs = needs  # a method that stock does not have
        self.psk = psk  # how the subject knows its key: see set_psk()
        self.datagram = datagram
        self.cid = cid  # how long both sides' Connection IDs are; None: without
        self.asleep = asleep  # the act starts on a connection that hibernates
        self.listens = listens  # the subject is what a listener accepts


def connect(run):
    run.wrap(True)
    return True


def shake_by_write(run):
    return run.sub.write(PING)


shake_buf = bytearray(len(PING))  # read() could lose data to a MemoryError


def shake_by_read(run):
    return run.sub.readinto(shake_buf)


def peer_sends(data):
    def setup(run):
        run.peer.outbox += data

    return setup


def echoes(run):
    return run.echo()


def gives(value):
    def check(run):
        return None if run.result == value else "result %r" % (run.result,)

    return check


def peer_described(run):
    alt_names = (("DNS", HOST),)
    if run.result.get("subjectAltName") != alt_names or len(run.result) != 7:
        return "result %r" % (run.result,)


def reads(run):
    run.result = bytes(run.result)
    return gives(DATA)(run) or run.echo()


def readinto(run):
    buf = bytearray(len(DATA))
    n = run.sub.readinto(buf)
    return n and buf[:n]


def write_big(run):
    n = run.sub.write(memoryview(BIG)[run.sent:])
    run.sent += n or 0
    return run.sent if run.sent == len(BIG) else None


def arrives(data):
    def check(run):
        run.peer.pump()
        if run.peer.inbox != data:
            return "the peer got %d bytes: %r" % (len(run.peer.inbox), run.peer.inbox[:16])
        return run.echo()

    return check


def poll(run):
    poller = select.poll()
    poller.register(run.sub, select.POLLIN | select.POLLOUT)
    return poller.poll(0)


def polled(run):
    # What the transport answers to a poll is what poll says, sense or nonsense.
    if run.value is not None or run.error:
        return None
    return None if run.result and run.result[0][1] & select.POLLOUT else "poll gave %r" % (run.result,)


def load_chain(suffix):
    def act(run):
        # Twice: the second replaces the first.
        run.ctx.load_cert_chain(PKI["other" + suffix], PKI["other_key" + suffix])
        run.ctx.load_cert_chain(PKI["server" + suffix], PKI["server_key" + suffix])
        return True

    return act


def load_paths(run):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PKI["path"] + "/server.pem", PKI["path"] + "/server_key.der")
    return context


def load_anchors(run):
    run.ctx.load_verify_locations(PKI["ca"])
    return True


def set_ciphers(run):
    run.ctx.set_ciphers(run.ctx.get_ciphers())
    return True


def psk_settings(run):
    set_psk(run.ctx, True, "pair")
    run.ctx.psk_key = b"k" * 48
    set_psk(run.ctx, True, "callback")
    run.ctx.psk_identity = None
    set_psk(run.ctx, True, "get")
    return True


def wrap(run):
    run.wrap(False)
    return True


def legacy_wrap(run):
    run.sub = ssl.wrap_socket(run.wire, server_hostname=HOST, do_handshake=True)
    return True


def do_handshake(run):
    run.sub.do_handshake()
    return True


def close(run):
    run.sub.close()
    return True


def says_goodbye(run):
    # There is none if it could not be made or written.
    if run.fired in ("write", "ioctl", "alloc"):
        return None
    # Encrypted, or with a Connection ID, only the peer sees what it is.
    run.peer.pump()
    if not run.peer.told:
        return "no close_notify came: error %r" % (run.peer.error,)


def unwrap(run):
    return run.sub.unwrap()


def hands_back(run):
    if run.result is not run.wire or run.wire.closed:
        return "unwrap() gave %r" % (run.result,)


def closed_methods(run):
    for method, args in (
        ("read", (1,)),
        ("readinto", (bytearray(1),)),
        ("readline", ()),
        ("write", (b"x",)),
        ("setblocking", (True,)),
        ("cipher", ()),
    ):
        text = answers(EBADF, getattr(run.sub, method), *args)
        if text:
            return "%s after close: %s" % (method, text)
    return True


def dead(run):
    text = answers(EBADF, run.sub.read, 1)
    return text and "read after the failed handshake: " + text


def hibernate(run):
    return run.sub.hibernate()


class Counter:
    stored = 0

    def next(self):
        return self.stored + 1

    def advance(self, n):
        if n <= self.stored:
            raise Exception("a state was restored twice")
        self.stored = n


COUNTER = Counter()
STATE_KEY = bytes(32)


def outlive(run):
    """Goes through the bytes of another life: called again, where it was."""
    if run.state is None:
        run.state = run.sub.export(key=STATE_KEY, counter=COUNTER)
    run.restore()
    return True


def accept(run):
    if run.listener is None:
        run.wrap(False)
    return run.accept()


UNTRUSTED = "not correctly signed by the trusted CA"

SCENARIOS = [
    Scenario("new client context", BARE, lambda run: tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)),
    Scenario("new server context", BARE, lambda run: tls.SSLContext(tls.PROTOCOL_TLS_SERVER)),
    Scenario("load_cert_chain DER", CONTEXT, load_chain(""), server=True, fresh=True),
    Scenario("load_cert_chain PEM", CONTEXT, load_chain("_pem"), server=True, fresh=True, needs="unwrap"),
    Scenario("load_cert_chain path", CONTEXT, load_paths, needs="unwrap"),
    Scenario("load_verify_locations", CONTEXT, load_anchors, verify=True, fresh=True),
    Scenario("set_ciphers", CONTEXT, set_ciphers, fresh=True),
    Scenario("wrap_socket deferred", CONTEXT, wrap, check=echoes, verify=True),
    Scenario("client connect blocking", CONTEXT, connect, echoes, blocking=True, handshake=True),
    Scenario("client connect verified", CONTEXT, connect, echoes, verify=True, handshake=True),
    Scenario("client connect callback", CONTEXT, connect, echoes, verify=True, callback=True, blocking=True, handshake=True),
    Scenario("client connect untrusted", CONTEXT, connect, verify=True, handshake=True, fails=UNTRUSTED),
    Scenario("client connect legacy", CONTEXT, legacy_wrap, echoes, handshake=True, needs="unwrap"),
    Scenario("client deferred", WRAPPED, shake_by_write, echoes, handshake=True),
    Scenario("client deferred verified", WRAPPED, shake_by_write, echoes, verify=True, blocking=True, handshake=True),
    Scenario("client deferred callback", WRAPPED, shake_by_write, echoes, verify=True, callback=True, handshake=True),
    Scenario("client deferred mutual", WRAPPED, shake_by_write, echoes, verify=True, mutual=True, handshake=True),
    Scenario("client deferred untrusted", WRAPPED, shake_by_write, dead, verify=True, handshake=True, fails=UNTRUSTED),
    Scenario("client do_handshake", WRAPPED, do_handshake, echoes, blocking=True, handshake=True, needs="do_handshake"),
    Scenario("server connect blocking", CONTEXT, connect, echoes, server=True, blocking=True, handshake=True),
    Scenario("server connect mutual", CONTEXT, connect, echoes, server=True, mutual=True, callback=True, handshake=True),
    Scenario("server deferred", WRAPPED, shake_by_read, echoes, setup=peer_sends(PING), server=True, handshake=True),
    Scenario("server deferred mutual", WRAPPED, shake_by_read, echoes, setup=peer_sends(PING), server=True, mutual=True, blocking=True, handshake=True),
    Scenario("kept certificate", WRAPPED, shake_by_write, echoes, verify=True, callback=True, keep=True, blocking=True, handshake=True),
    Scenario("read", UP, lambda run: run.sub.read(len(DATA)), reads, setup=peer_sends(DATA)),
    Scenario("read blocking", UP, lambda run: run.sub.read(len(DATA)), reads, setup=peer_sends(DATA), blocking=True),
    Scenario("readinto", UP, readinto, reads, setup=peer_sends(DATA), server=True),
    Scenario("readline", UP, lambda run: run.sub.readline(), reads, setup=peer_sends(DATA), blocking=True),
    Scenario("write", UP, lambda run: run.sub.write(DATA), arrives(DATA)),
    Scenario("write blocking", UP, lambda run: run.sub.write(DATA), arrives(DATA), server=True, blocking=True),
    Scenario("write big", UP, write_big, arrives(BIG), blocking=True),
    Scenario("poll", UP, poll, polled),
    Scenario("getpeercert", UP, lambda run: run.sub.getpeercert(True), lambda run: gives(PKI["server"])(run), verify=True, needs="getpeercert"),
    Scenario("getpeercert dict", UP, lambda run: run.sub.getpeercert(), peer_described, verify=True, needs="getpeercert"),
    Scenario("cipher", UP, lambda run: run.sub.cipher(), echoes),
    Scenario("cipher before handshake", WRAPPED, lambda run: (run.sub.cipher(),), gives((None,))),
    Scenario("close", UP, close, says_goodbye, closes=True),
    Scenario("close blocking", UP, close, says_goodbye, server=True, blocking=True, closes=True),
    Scenario("close before handshake", WRAPPED, close, closes=True),
    Scenario("unwrap", UP, unwrap, hands_back, blocking=True, needs="unwrap"),
    Scenario("methods after close", UP, closed_methods, gives(True), setup=close),
    Scenario("psk settings", CONTEXT, psk_settings, server=True, fresh=True, psk="get"),
    Scenario("psk client pair", WRAPPED, shake_by_write, echoes, handshake=True, psk="pair"),
    Scenario("psk client connect pair", CONTEXT, connect, echoes, blocking=True, handshake=True, psk="pair"),
    Scenario("psk client callback", WRAPPED, shake_by_write, echoes, handshake=True, psk="callback"),
    Scenario("psk client connect callback", CONTEXT, connect, echoes, blocking=True, handshake=True, psk="callback"),
    Scenario("psk server pair", WRAPPED, shake_by_read, echoes, setup=peer_sends(PING), server=True, handshake=True, psk="pair"),
    Scenario("psk server look-up", WRAPPED, shake_by_read, echoes, setup=peer_sends(PING), server=True, handshake=True, psk="get"),
    Scenario("psk server connect look-up", CONTEXT, connect, echoes, server=True, blocking=True, handshake=True, psk="get"),
    Scenario("psk server callback", WRAPPED, shake_by_read, echoes, setup=peer_sends(PING), server=True, blocking=True, handshake=True, psk="callback"),
    Scenario("psk datagrams client pair", WRAPPED, shake_by_write, echoes, handshake=True, psk="pair", datagram=True),
    Scenario("psk datagrams client callback", WRAPPED, shake_by_write, echoes, handshake=True, psk="callback", datagram=True),
    Scenario("psk datagrams server look-up", WRAPPED, shake_by_read, echoes, setup=peer_sends(PING), server=True, handshake=True, psk="get", datagram=True),
    Scenario("psk datagrams server callback", WRAPPED, shake_by_read, echoes, setup=peer_sends(PING), server=True, handshake=True, psk="callback", datagram=True),
    Scenario("hibernate", UP, hibernate, echoes, needs="hibernate"),
    Scenario("outlive", UP, outlive, echoes, needs="export"),
    Scenario("outlive asleep", UP, outlive, echoes, server=True, asleep=True, needs="export"),
    Scenario("wake and read", UP, readinto, reads, setup=peer_sends(DATA), server=True, asleep=True, needs="hibernate"),
    Scenario("wake and readline", UP, lambda run: run.sub.readline(), reads, setup=peer_sends(DATA), blocking=True, asleep=True, needs="hibernate"),
    Scenario("wake and write", UP, lambda run: run.sub.write(DATA), arrives(DATA), asleep=True, needs="hibernate"),
    Scenario("wake and write big", UP, write_big, arrives(BIG), blocking=True, asleep=True, needs="hibernate"),
    Scenario("getpeercert asleep", UP, lambda run: run.sub.getpeercert(True), lambda run: gives(PKI["server"])(run), verify=True, asleep=True, needs="hibernate"),
    Scenario("poll asleep", UP, poll, polled, asleep=True, needs="hibernate"),
    Scenario("close asleep", UP, close, says_goodbye, closes=True, asleep=True, needs="hibernate"),
    Scenario("unwrap asleep", UP, unwrap, hands_back, blocking=True, asleep=True, needs="hibernate"),
    Scenario("listener accepts", CONTEXT, accept, echoes, server=True, handshake=True, psk="get", datagram=True, listens=True),
    Scenario("listener accepts callback", CONTEXT, accept, echoes, server=True, handshake=True, psk="callback", datagram=True, listens=True),
]

# By datagrams, with and without Connection IDs, at a client, a server and what a listener accepts.
DATAGRAMS = {"psk": "pair", "datagram": True}
for cid in (None, 0, 8, 32):
    told = "" if cid is None else " IDs of %d" % cid
    SCENARIOS += [
        Scenario("datagrams client" + told, WRAPPED, shake_by_write, echoes, handshake=True, cid=cid, **DATAGRAMS),
        Scenario("datagrams server" + told, WRAPPED, shake_by_read, echoes, setup=peer_sends(PING), server=True, handshake=True, cid=cid, **DATAGRAMS),
        Scenario("datagrams write" + told, UP, lambda run: run.sub.write(DATA), arrives(DATA), cid=cid, **DATAGRAMS),
        Scenario("datagrams hibernate" + told, UP, hibernate, echoes, server=True, cid=cid, **DATAGRAMS),
        Scenario("datagrams outlive" + told, UP, outlive, echoes, server=True, cid=cid, **DATAGRAMS),
        Scenario("listener outlive" + told, UP, outlive, echoes, server=True, listens=True, cid=cid, **DATAGRAMS),
        Scenario("datagrams wake and read" + told, UP, readinto, reads, setup=peer_sends(DATA), asleep=True, cid=cid, **DATAGRAMS),
        Scenario("datagrams wake and write" + told, UP, lambda run: run.sub.write(DATA), arrives(DATA), server=True, asleep=True, cid=cid, **DATAGRAMS),
        Scenario("datagrams close asleep" + told, UP, close, says_goodbye, closes=True, asleep=True, cid=cid, **DATAGRAMS),
        Scenario("listener read" + told, UP, readinto, reads, setup=peer_sends(DATA), server=True, listens=True, cid=cid, **DATAGRAMS),
        Scenario("listener write" + told, UP, lambda run: run.sub.write(DATA), arrives(DATA), server=True, listens=True, cid=cid, **DATAGRAMS),
        Scenario("listener wake and read" + told, UP, readinto, reads, setup=peer_sends(DATA), server=True, listens=True, asleep=True, cid=cid, **DATAGRAMS),
        Scenario("listener wake and write" + told, UP, lambda run: run.sub.write(DATA), arrives(DATA), server=True, listens=True, asleep=True, cid=cid, **DATAGRAMS),
    ]

# ---------------------------------------------------------------------------------------
# Self-check: a harness that cannot fail proves nothing. Each of these must be complained
# about.

leaked = []


def swallow(run):
    try:
        run.wire.readinto(bytearray(1))
    except Exception:
        pass
    return True


def disguise(run):
    try:
        run.wire.readinto(bytearray(1))
    except ValueError:
        raise ValueError("injected")
    return True


def leak(run):
    run.wire.readinto(bytearray(1))
    leaked.append(run.ctx.wrap_socket(run.wire, do_handshake_on_connect=False, server_hostname=HOST))
    return True


def crash(run):
    run.wire.readinto(bytearray(1))
    return os.system("kill -SEGV $PPID")


def hang(run):
    run.wire.readinto(bytearray(1))
    while True:
        pass


SELFCHECKS = [
    Scenario("selfcheck swallowed", CONTEXT, swallow),
    Scenario("selfcheck disguised", CONTEXT, disguise),
    Scenario("selfcheck leak", CONTEXT, leak),
    Scenario("selfcheck crash", CONTEXT, crash),
    Scenario("selfcheck hang", CONTEXT, hang),
]

# ---------------------------------------------------------------------------------------
# One cell.


def settle(expected=None):
    """Collects garbage; returns what is still allocated."""
    for _ in range(4):
        fi.scrub()
        gc.collect()
        live = fi.live()
        if live == expected:
            break
    return live


def loses(scenario, injection, n):
    """What each further run loses, as (blocks, bytes), or None.

    The collector takes what an old word in the stack or the heap points to for alive: that
    may keep one run's blocks, but no more with each run.
    """
    before = None
    for _ in range(4):
        one_run(scenario, injection, n)
        live = settle()
        if before:
            lost = live[0] - before[0], live[1] - before[1]
            if lost[1] <= 0:
                return None
        before = live
    return lost


def schedule(points, first, step):
    """Every N up to 200, every 41st up to 2000, then every 1009th; of these each `step`th."""
    n = 1
    count = 0
    while n <= points:
        if n >= first and count % step == 0:
            yield n
        n += 1 if n < 200 else 41 if n < 2000 else 1009
        count += 1


def lacks(scenario):
    """The method of SSLSocket that the scenario needs and this module does not have."""
    if scenario.needs is None:
        return None
    run = Run(scenario, NONE, 0)
    run.connect()
    run.wrap(False)
    missing = None if hasattr(run.sub, scenario.needs) else scenario.needs
    run.sub.close()
    run.peer.sock.close()
    return missing


def cell(scenario, injection, first, step):
    fi.track()
    if scenario.psk and not hasattr(tls.SSLContext, "set_psk_client_callback"):
        print("skip no set_psk_client_callback")
        return
    make_contexts(scenario)
    missing = lacks(scenario)
    if missing:
        print("skip no", missing)
        return
    for _ in range(2):  # the first fills what Mbed TLS and Python keep for good
        points, _, _, complaints = one_run(scenario, injection, 0)
    for text in complaints:
        print("!undisturbed:", text)
    contexts.clear()
    without_contexts = settle()
    print("points", points)

    seen = 0
    before = None
    for n in schedule(1 if injection is NONE else points, first, step):
        print("@%d" % n)
        if not (contexts or scenario.fresh or injection.spoils):
            one_run(scenario, injection, 0)  # a context may keep what its first socket needed
            before = settle()
        _, fired, error, complaints = one_run(scenario, injection, 0 if injection is NONE else n)
        expected = before if contexts else without_contexts
        live = settle(expected)
        if live[0] > expected[0] or live[1] > expected[1]:
            lost = loses(scenario, injection, n)
            if lost:
                complaints.append("%d blocks (%d bytes) not freed" % lost)
            live = settle()
        if complaints:
            contexts.clear()
            live = settle()
        if contexts:
            before = live
        else:
            without_contexts = live
        for text in complaints:
            print("!" + text)
        if fired or injection is NONE or complaints:
            print("ok", n)
            seen += error
    print("seen", seen)


def main(pki, command, *args):
    load_pki(pki)
    if command == "list":
        for table in (SCENARIOS, INJECTIONS, SELFCHECKS):
            print(",".join(entry.name for entry in table))
    else:
        scenario, injection, first, step = args
        scenario = [s for s in SCENARIOS + SELFCHECKS if s.name == scenario][0]
        injection = [i for i in INJECTIONS if i.name == injection][0]
        cell(scenario, injection, int(first), int(step))
    print("end")


main(*sys.argv[1:])
