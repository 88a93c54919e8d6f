#!/usr/bin/env python3
"""Ctrl-C at MicroPython while its ssl module waits. For CPython; ssl_interrupts_*.py run it.

    interrupts.py MICROPYTHON [TEST...]

Each test is a MicroPython process (CHILD below) and its TLS peer here. The child says what it
is about to do; once it sleeps in that, it must use no CPU time, and an interrupt must come
out as KeyboardInterrupt, with the connection as usable as before.
"""

import os
import random
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import pki

LIMIT = 20 if "MICROPY_TEST_TIMEOUT" not in os.environ else int(os.environ["MICROPY_TEST_TIMEOUT"])
SUPPORT = os.path.dirname(os.path.abspath(__file__))
BIG = bytes(range(256)) * 32768  # more than sockets buffer

CHILD = """
import select, socket, sys
sys.path.append(%r)
from tcp import client_context, server_context

port = int(sys.argv[2])


def interrupted(label, fun, *args):
    # Calls until it is not interrupted any more. Each line is a signal for the parent.
    while True:
        print("at", label)
        try:
            return fun(*args)
        except KeyboardInterrupt:
            print("interrupted", label)


def connect():
    s = socket.socket()
    s.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
    return s


def client(**kwargs):
    return client_context().wrap_socket(connect(), server_hostname="localhost", **kwargs)


def talk(s):
    # The connection works in both directions.
    s.write(b"question\\n")
    print("answer", s.readline())
    s.close()


def handshake():
    s = client(do_handshake_on_connect=False)
    interrupted("handshake", s.do_handshake)
    talk(s)


def handshake_by_read():
    s = client(do_handshake_on_connect=False)
    print("read", interrupted("read", s.read, 6))
    talk(s)


def handshake_of_server():
    s = server_context().wrap_socket(connect(), server_side=True, do_handshake_on_connect=False)
    interrupted("handshake", s.do_handshake)
    talk(s)


def wrap_socket(blocking=True):
    # The connection is lost with the SSLSocket, the TCP socket is not.
    s = connect()
    s.setblocking(blocking)
    ctx = client_context()
    try:
        print("at wrap_socket")
        ctx.wrap_socket(s, server_hostname="localhost")
        print("not interrupted")
    except KeyboardInterrupt:
        print("interrupted wrap_socket")
    s.close()
    talk(client())


def wrap_socket_nonblocking():
    wrap_socket(False)


def read():
    s = client()
    buf = bytearray(6)
    print("read", interrupted("read", s.read, 6))
    print("readinto", interrupted("readinto", s.readinto, buf), buf)
    print("recv", interrupted("recv", s.recv, 6))
    print("readline", interrupted("readline", s.readline))
    talk(s)


def write():
    s = client()
    block = memoryview(bytes(range(256)) * 17)
    sent = 0
    while sent < 8388608:
        # A call that is interrupted has taken nothing if it writes no more than a record.
        start = sent %% 256
        sent += interrupted("write", s.send, block[start : start + min(4000, 8388608 - sent)])
    talk(s)


def unwrap():
    s = client()
    raw = interrupted("unwrap", s.unwrap)
    raw.write(b"clear question\\n")
    print("answer", raw.readline())
    raw.close()


def poll():
    s = client()
    poller = select.poll()
    poller.register(s, select.POLLIN)
    events = interrupted("poll", poller.poll)
    print(len(events), events[0][1] == select.POLLIN)
    print("read", s.read(6))
    talk(s)


def computing():
    s = client(do_handshake_on_connect=False)
    try:
        s.do_handshake()
        s.read(1)  # nothing comes before the interrupt
    except KeyboardInterrupt:
        print("interrupted")
    s.do_handshake()
    print("read", s.read(6))
    talk(s)


globals()[sys.argv[1]]()
"""


class Child:
    def __init__(self, name, micropython, port):
        # Unbuffered by the terminal's absence: MicroPython writes each print() at once.
        script = tempfile.NamedTemporaryFile("w", suffix=".py")
        script.write(CHILD % SUPPORT)
        script.flush()
        self.script = script
        self.process = subprocess.Popen(
            [micropython, script.name, name, str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.pid = self.process.pid
        self.buffer = b""
        self.lines = []

    def line(self):
        """The next line that it prints."""
        end = time.monotonic() + LIMIT
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], end - time.monotonic())
            data = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not data:
                raise AssertionError(f"{'ended' if ready else 'hangs'} after {self.lines[-8:]}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        self.lines.append(line.decode(errors="replace"))
        return self.lines[-1]

    def prints(self, seconds):
        """Whether there is a line to read, or comes within this time."""
        return bool(self.buffer or select.select([self.process.stdout], [], [], seconds)[0])

    def expect(self, text):
        line = self.line()
        assert line == text, f"{line!r} instead of {text!r} after {self.lines[-8:]}"

    def stat(self):
        """State letter and CPU time in seconds."""
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sleeps(self):
        """Waits until it has slept, without a pause, for a while."""
        end = time.monotonic() + LIMIT
        quiet = 0
        while quiet < 5:
            state, _ = self.stat()
            quiet = quiet + 1 if state == "S" else 0
            assert time.monotonic() < end, f"never sleeps after {self.lines[-8:]}"
            time.sleep(0.01)

    def interrupt(self, label, idle=False):
        """Once it sleeps in what it has just announced."""
        self.sleeps()
        if idle:
            _, before = self.stat()
            time.sleep(0.5)
            _, after = self.stat()
            # Who does not sleep uses all of it; who looks each millisecond, little, but under
            # valgrind more.
            assert after - before <= 0.2, f"{label} used {after - before:.2f} s CPU in 0.5 s"
        os.kill(self.pid, signal.SIGINT)
        self.expect(f"interrupted {label}")

    def end(self):
        assert self.process.wait(LIMIT) == 0, f"ended with {self.process.returncode}"
        rest = self.process.stdout.read()
        assert not rest, rest

    def stop(self):
        """Ends it; returns the rest of what it printed."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        rest = self.buffer + self.process.stdout.read()
        self.process.stdout.close()
        self.script.close()
        return rest.decode(errors="replace")


def context(server=True):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    if server:
        with tempfile.NamedTemporaryFile("w") as f:
            f.write(pki.ec_pem + pki.ec_key)
            f.flush()
            ctx.load_cert_chain(f.name)
    else:
        ctx.load_verify_locations(cadata=pki.ca_pem)
    return ctx


class Peer:
    """This side of the child's connection."""

    def __init__(self, name, micropython):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT)
        self.child = Child(name, micropython, self.listener.getsockname()[1])

    def accept(self):
        if not select.select([self.listener, self.child.process.stdout], [], [], LIMIT)[0]:
            raise AssertionError("the child does not connect")
        if not select.select([self.listener], [], [], 0)[0]:
            raise AssertionError(f"instead of connecting the child prints {self.child.line()!r}")
        raw, _ = self.listener.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(LIMIT)
        return raw

    def answer(self, tls):
        """The other side of talk()."""
        data = b""
        while not data.endswith(b"\n"):
            data += tls.recv(100)
        assert data == b"question\n", data
        tls.sendall(b"answer\n")
        self.child.expect("answer b'answer\\n'")
        assert tls.recv(1) == b""  # raises if the child's close_notify is missing
        self.child.end()


def slowly(raw, data, child, label):
    """Sends in pieces, with an interrupt before each."""
    for start in range(0, len(data), 300):
        child.interrupt(label)
        child.expect(f"at {label}")
        raw.sendall(data[start : start + 300])


def handshake_slowly(peer, raw, label, server=True):
    """A handshake during which the child is interrupted wherever it waits for a piece."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context(server).wrap_bio(
        incoming, outgoing, server_side=server, server_hostname=None if server else "localhost"
    )
    done = False
    while not done:
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        data = outgoing.read()
        if done and server:
            raw.sendall(data)  # the last of it: the child does not wait for more
        else:
            slowly(raw, data, peer.child, label)
        if not done:
            data = raw.recv(65536)
            assert data, "the child closed"
            incoming.write(data)
    return tls, incoming, outgoing


class OverBio:
    """Just enough of a socket for Peer.answer()."""

    def __init__(self, raw, tls, incoming, outgoing):
        self.raw, self.tls, self.incoming, self.outgoing = raw, tls, incoming, outgoing

    def recv(self, n):
        while True:
            try:
                return self.tls.read(n)
            except ssl.SSLWantReadError:
                data = self.raw.recv(65536)
                if not data:
                    raise AssertionError("cut")
                self.incoming.write(data)
            except ssl.SSLZeroReturnError:
                return b""

    def sendall(self, data):
        self.tls.write(data)
        self.raw.sendall(self.outgoing.read())


def handshake(peer):
    raw = peer.accept()
    peer.child.expect("at handshake")
    peer.child.interrupt("handshake", idle=True)
    peer.child.expect("at handshake")
    peer.answer(OverBio(raw, *handshake_slowly(peer, raw, "handshake")))


def handshake_of_server(peer):
    raw = peer.accept()
    peer.child.expect("at handshake")
    peer.child.interrupt("handshake", idle=True)
    peer.child.expect("at handshake")
    peer.answer(OverBio(raw, *handshake_slowly(peer, raw, "handshake", server=False)))


def handshake_by_read(peer):
    raw = peer.accept()
    peer.child.expect("at read")
    over = OverBio(raw, *handshake_slowly(peer, raw, "read"))
    peer.child.interrupt("read")
    peer.child.expect("at read")
    over.sendall(b"123456")
    peer.child.expect("read b'123456'")
    peer.answer(over)


def wrap_socket(peer):
    raw = peer.accept()
    peer.child.expect("at wrap_socket")
    peer.child.interrupt("wrap_socket", idle=True)
    while raw.recv(1000):  # the ClientHello, then the end
        pass
    peer.answer(context().wrap_socket(peer.accept(), server_side=True))


def wrap_socket_nonblocking(peer):
    wrap_socket(peer)


def read(peer):
    tls = context().wrap_socket(peer.accept(), server_side=True)
    for label, data, printed in (
        ("read", b"123456", "read b'123456'"),
        ("readinto", b"abcdef", "readinto 6 bytearray(b'abcdef')"),
        ("recv", b"ABCDEF", "recv b'ABCDEF'"),
        ("readline", b"a line\n", "readline b'a line\\n'"),
    ):
        peer.child.expect(f"at {label}")
        for i in range(3):
            peer.child.interrupt(label, idle=i == 0)
            peer.child.expect(f"at {label}")
        tls.sendall(data)
        peer.child.expect(printed)
    peer.answer(tls)


def write(peer):
    tls = context().wrap_socket(peer.accept(), server_side=True)
    received = bytearray()
    lines = []

    def reader():
        # Until it is blocked, and again each time that this side has read some.
        while not any(line.startswith("answer") for line in lines):
            lines.append(peer.child.line())

    for i in range(4):
        # The child announces each record; it is blocked when it stays silent and sleeps.
        while peer.child.prints(0.3) or peer.child.sleeps() or peer.child.prints(0.3):
            peer.child.expect("at write")
        peer.child.interrupt("write", idle=i == 0)
        for _ in range(200):
            received += tls.recv(4096)
    silence = threading.Thread(target=reader, daemon=True)
    silence.start()
    while len(received) < len(BIG):
        data = tls.recv(65536)
        assert data, "the child closed"
        received += data
    question = received[len(BIG) :]
    assert received[: len(BIG)] == BIG, "other data than was sent"
    while not question.endswith(b"\n"):
        question += tls.recv(100)
    assert question == b"question\n", bytes(question)
    tls.sendall(b"answer\n")
    silence.join(LIMIT)
    assert set(lines) == {"at write", "answer b'answer\\n'"}, set(lines)
    assert tls.recv(1) == b""
    peer.child.end()


def unwrap(peer):
    tls = context().wrap_socket(peer.accept(), server_side=True)
    peer.child.expect("at unwrap")
    for i in range(3):
        peer.child.interrupt("unwrap", idle=i == 0)
        peer.child.expect("at unwrap")
    assert tls.recv(1) == b""
    raw = tls.unwrap()
    assert raw.recv(100) == b"clear question\n"
    raw.sendall(b"clear answer\n")
    peer.child.expect("answer b'clear answer\\n'")
    peer.child.end()


def poll(peer):
    tls = context().wrap_socket(peer.accept(), server_side=True)
    peer.child.expect("at poll")
    for i in range(3):
        peer.child.interrupt("poll", idle=i == 0)
        peer.child.expect("at poll")
    tls.sendall(b"123456")
    peer.child.expect("1 True")
    peer.child.expect("read b'123456'")
    peer.answer(tls)


def computing(peer):
    """One interrupt while it computes, not waits: at any instruction of Rust and Mbed TLS."""
    raw = peer.accept()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_side=True)
    over = OverBio(raw, tls, incoming, outgoing)
    incoming.write(raw.recv(65536))
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    raw.sendall(outgoing.read())
    # It verifies a chain and agrees on a key now, which takes some milliseconds.
    time.sleep(random.uniform(0, 0.006))
    os.kill(peer.child.pid, signal.SIGINT)
    peer.child.expect("interrupted")
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            data = raw.recv(65536)
            assert data, "the child closed"
            incoming.write(data)
    raw.sendall(outgoing.read())
    over.sendall(b"123456")
    peer.child.expect("read b'123456'")
    peer.answer(over)


TESTS = (
    (handshake, 1),
    (handshake_by_read, 1),
    (handshake_of_server, 1),
    (wrap_socket, 1),
    (wrap_socket_nonblocking, 1),
    (read, 1),
    (write, 1),
    (unwrap, 1),
    (poll, 1),
    (computing, 25 if LIMIT == 20 else 5),
)


def main():
    failed = 0
    tests = [t for t in TESTS if t[0].__name__ in sys.argv[2:] or not sys.argv[2:]]
    for test, times in tests:
        for _ in range(times):
            peer = Peer(test.__name__, sys.argv[1])
            try:
                test(peer)
            except Exception as er:
                failed += 1
                time.sleep(0.2)
                print(f"FAIL {test.__name__}: {type(er).__name__}: {er}")
                print(peer.child.stop()[-1000:], peer.child.process.returncode, flush=True)
                break
            else:
                peer.child.stop()
            finally:
                peer.listener.close()
        else:
            print("pass", test.__name__, flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
