"""Processes to talk to, on loopback and bounded in time."""

import contextlib
import itertools
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

WAIT_S = 20


class Failure(Exception):
    """A check of a case did not hold."""


class Skip(Exception):
    """A case cannot run here; the text says why."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def need_program(name, package):
    """The path of a program; daemons are not always on a user's PATH."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Skip(f"{name} is missing (Debian package: {package})")
    return path


def find_python(probe, *versions):
    """The Python that runs this, or one of these versions, that ends `-c probe` with 0; or None.

    The versions are of the form 3.13, and looked for on PATH and where pyenv keeps them.
    """
    candidates = [sys.executable, shutil.which("python3")]
    candidates += [shutil.which(f"python{version}") for version in versions]
    if shutil.which("pyenv"):
        listed = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True)
        for name in listed.stdout.split():
            if name.rpartition(".")[0] in versions:
                prefix = subprocess.run(["pyenv", "prefix", name], capture_output=True, text=True)
                candidates.append(f"{prefix.stdout.strip()}/bin/python3")
    for program in filter(None, candidates):
        with contextlib.suppress(OSError):
            if subprocess.run([program, "-c", probe], capture_output=True).returncode == 0:
                return program
    return None


_given = set()
_given_lock = threading.Lock()


def free_port(count=1):
    """The first of `count` ports that nobody uses now, with TCP or UDP.

    (MicroPython's sockets cannot say which one they got.) They lie below those that the kernel
    gives to whoever asks for any port, so that nobody gets one before it is used.
    """
    while True:
        ports = [random.randrange(10000, 32000 - count)]
        ports += range(ports[0] + 1, ports[0] + count)
        with contextlib.ExitStack() as probes, _given_lock:
            if not _given.isdisjoint(ports):
                continue
            try:
                for port, kind in itertools.product(ports, (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                    probes.enter_context(socket.socket(type=kind)).bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.update(ports)
            return ports[0]


def wait_until_listening(port):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), WAIT_S):
            return
        time.sleep(0.05)
    raise Failure(f"nobody listens on port {port}")


class Process:
    """A child whose output is gathered in a file; ended by its id at the latest by close()."""

    def __init__(self, name, command, log, **options):
        self.name = name
        self.log = log
        with open(log, "wb") as sink:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                **options,
            )

    def output(self):
        return self.log.read_bytes().decode("utf-8", "replace")

    def send(self, data):
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.write(data)
            self.child.stdin.flush()

    def close_stdin(self):
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()

    def wait_for(self, pattern):
        """The match of a regular expression, once the output has one."""
        deadline = time.monotonic() + WAIT_S
        while True:
            ended = self.child.poll() is not None
            match = re.search(pattern, self.output(), re.MULTILINE)
            if match:
                return match
            check(not ended, f"{self.name} ended without {pattern!r}")
            check(time.monotonic() < deadline, f"{self.name}: no {pattern!r} in {WAIT_S} s")
            time.sleep(0.02)

    def wait(self):
        """The exit code, once it has ended by itself."""
        try:
            return self.child.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end in {WAIT_S} s") from None

    def close(self):
        self.close_stdin()
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class RecordFlipper:
    """A TCP proxy that flips one bit in the first application data record of one direction."""

    APPLICATION_DATA = 23

    def __init__(self, target_port, corrupt_from_client):
        self.target_port = target_port
        self.corrupt_from_client = corrupt_from_client
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target_port), WAIT_S)
            self.sockets += [client, server]
            for source, sink, corrupt in (
                (client, server, self.corrupt_from_client),
                (server, client, not self.corrupt_from_client),
            ):
                source.settimeout(WAIT_S)
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(
                    target=self._forward, args=(source, sink, corrupt), daemon=True
                ).start()

    def _forward(self, source, sink, corrupt):
        with contextlib.suppress(OSError):
            while True:
                header = self._exactly(source, 5)
                body = bytearray(self._exactly(source, int.from_bytes(header[3:5], "big")))
                if corrupt and header[0] == self.APPLICATION_DATA:
                    body[-1] ^= 1
                    corrupt = False
                sink.sendall(header + body)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _exactly(source, count):
        data = b""
        while len(data) < count:
            more = source.recv(count - len(data))
            if not more:
                raise OSError("the end of the stream")
            data += more
        return data

    def close(self):
        for sock in self.sockets:
            sock.close()
