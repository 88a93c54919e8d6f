#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs tests on an emulated board, through the raw REPL.

    tests/qemu/run.py BOARD ELF [PATTERN]

Upstream's tests/extmod/{ssl,tls}*, our tests/micropython, those beside this file, and what only
a board can show: that a soft reset leaves nothing behind. After each test the board is reset, and
its heap must be as empty as after a soft reset before the first test.

A test's output is compared with its .exp file, or with what CPython prints. The last line is
`N passed, N failed, N skipped`; the exit status is 1 when a test failed.
"""

import difflib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "ports/qemu")]

import harness  # noqa: E402
from emulator import Board, BoardError  # noqa: E402
from harness import Result  # noqa: E402

# Upstream's and our tests that a board without a network or an operating system cannot run.
SKIPS = {
    "ssl_ioctl": "SSLSocket.ioctl is a test aid of the unix port's coverage variant, as upstream",
    "ssl_poll": "SSLSocket.ioctl is a test aid of the unix port's coverage variant, as upstream",
    "ssl_sslcontext": "needs the socket module; the board has no network",
    "tls_threads": "needs the _thread module, which upstream's qemu port lacks",
    "ssl_heap_locked": "needs the socket module; the board has no network",
    "ssl_select": "needs the socket module; the board has no network",
    "dtls_refused": "needs the socket module; the board has no network",
    "ssl_descriptors": "needs the socket module; the board has no network",
    "ssl_threads": "needs the _thread module, which upstream's qemu port lacks",
    "ssl_threads_contexts": "needs the _thread module, which upstream's qemu port lacks",
    "ssl_threads_streams": "needs the _thread module, which upstream's qemu port lacks",
    "ssl_ca_on_demand": "needs files; the board has none but those written in Python, which are read at once",
    "ssl_key_object": "its signers need SHA-384 and os.urandom, which Python lacks on the board",
    "ssl_key_object_attacks": "its signers need SHA-384 and os.urandom, which Python lacks on the board",
    "ssl_capath": "needs files",
    "ssl_session_ports": "needs the socket module; the board has no network",
    "dtls_threads": "needs the _thread module, which upstream's qemu port lacks",
    "ssl_threads_session": "needs the _thread module, which upstream's qemu port lacks",
    "ssl_sign_secret": "looks through the memory of a Linux process",
    "ssl_wiped": "looks through the memory of a Linux process",
    "ssl_default_certs": "needs an environment, which only unix has",
    "ssl_interrupts_data": "needs processes and signals",
    "ssl_interrupts_handshake": "needs processes and signals",
    "ssl_interrupts_claims": "needs threads and signals",
    "ssl_interrupts_pending": "needs processes and signals",
}

TEST_TIMEOUT_S = {"allocation_failures": 900, "ssl_exceptions": 400}
DEFAULT_TIMEOUT_S = 180

# What is in use when nothing was imported: Python's objects, and Mbed TLS's blocks.
IN_USE = """
import board, gc
gc.collect()
print(gc.mem_alloc(), board.tracked()[0])
"""

LEFT_OPEN = """
import sys
import datagrams, link, pki, ssl
kept = []
for _ in range(2):
    kept.append(link.connected(link.client_context(pki.ca_der)))
kept[0][0].write(b"sent and never read")
kept.append(link.pair())
kept[-1][0].write(b"x") if link.step(kept[-1][0]) else link.step(kept[-1][1])  # half a handshake
# Of TLS 1.3 each has a key in one of PSA's slots, of which there are 8, and which a soft reset leaves alone.
waiting = [link.pair() for _ in range(6)]
print([link.step(client) for client, *_ in waiting] == [None] * 6)
sys.modules["kept"] = kept, waiting
version = "TLSv1.3" if ssl.HAS_TLSv1_3 else "TLSv1.2"
print(len(kept), kept[1][0].version() == version, kept[2][0].version())
"""
LEFT_OPEN_DTLS = """
import sys
import datagrams
network = datagrams.Network()
listener, _ = datagrams.listening(network, cid=4)
client, _ = datagrams.calling(network, b"client", datagrams.client_context(2))
late, _ = datagrams.calling(network, b"late")
kept = [datagrams.meet(listener, client), listener, client, datagrams.step(late), late]
sys.modules["kept"] = kept
print(client.version(), late.version())
"""
WORKS = """
import link, pki
client, server, _, _ = link.connected(link.client_context(pki.ca_der))
print(client.write(b"after"), server.read(5))
"""


# On a board that is switched off then: an end each of connections whose other end is there as well, as bytes,
# with the counters that the host keeps for them; and a session.
OFF = """
from binascii import hexlify
import datagrams, link, pki, ssl


class Counter:
    def __init__(self, stored=0):
        self.stored = stored

    def next(self):
        return self.stored + 1

    def advance(self, n):
        if n <= self.stored:
            raise ValueError("used")
        self.stored = n


def context(version):
    ctx = link.client_context(pki.ca_der)
    ctx.maximum_version = version
    return ctx


VERSIONS = [ssl.TLSVersion.TLSv1_2] + ([ssl.TLSVersion.TLSv1_3] if ssl.HAS_TLSv1_3 else [])
KEY = bytes(range(32))
if not ON:
    for version in VERSIONS:
        client, server, _, _ = link.connected(context(version), link.server_context())
        client.write(b"hello")
        server.read(5)
        for end in (client, server):
            counter = Counter()
            print(hexlify(end.export(key=KEY, counter=counter)).decode(), counter.stored)
    network = datagrams.Network()
    listener, _ = datagrams.listening(network, 4)
    client, _ = datagrams.calling(network, b"client", datagrams.client_context(4))
    server = datagrams.meet(listener, client)
    client.write(b"hello")
    server.read(5)
    for end in (client, server):
        print(hexlify(end.export(key=KEY)).decode(), 0)
    ctx = context(VERSIONS[0])
    ctx.options &= ~ssl.OP_NO_TICKET
    server_ctx = link.server_context()
    server_ctx.num_tickets = 1
    print(hexlify(link.connected(ctx, server_ctx)[0].session.serialize()).decode(), 0)
"""
# On one that was just switched on, with what the other has printed as STATES.
RESTORED = """
from binascii import unhexlify
states = [(unhexlify(state), int(n)) for state, n in (line.split() for line in STATES)]
for i, version in enumerate(VERSIONS):
    (state, n), (server_state, server_n) = states[2 * i : 2 * i + 2]
    ctx = context(version)
    counter, server_counter = Counter(n), Counter(server_n)
    a, b = link.link()
    client = ctx.restore(a, state, key=KEY, counter=counter)
    server = link.server_context().restore(b, server_state, key=KEY, counter=server_counter)
    client.write(b"again")
    print(client.hibernating, server.read(5), server.write(b"and back"), client.read(8))
    try:
        ctx.restore(a, state, key=KEY, counter=counter)
        print("restored twice")
    except ValueError:
        pass
(state, _), (server_state, _), (session, _) = states[-3:]
network = datagrams.Network()
listener, _ = datagrams.listening(network, 4)
sock = datagrams.Socket(network, b"elsewhere", datagrams.SERVER)
client = datagrams.client_context(4).restore(sock, state, key=KEY)
server, _ = listener.restore(server_state, key=KEY)
client.write(b"again")
print(server.read(5), server.write(b"and back"), client.read(8))
# The server's keys were in its memory: it shakes hands anew.
ctx = context(VERSIONS[0])
ctx.options &= ~ssl.OP_NO_TICKET
a, b = link.link()
server = link.server_context().wrap_socket(b, server_side=True, do_handshake_on_connect=False)
client = ctx.wrap_socket(
    a, do_handshake_on_connect=False, server_hostname=link.HOST, session=ssl.SSLSession(session)
)
print(link.shake(client, server), client.session_reused)
"""


class Session:
    """A board that is switched on again when it died."""

    def __init__(self, machine, elf):
        self.machine = machine
        self.elf = elf
        self.board = None
        self.at_first = None
        self.tls13 = None

    def look(self):
        """Finds out what the firmware has."""
        try:
            output, _ = self.run("import ssl; print(ssl.HAS_TLSv1_3)", DEFAULT_TIMEOUT_S)
            self.tls13 = "True" in output
        except BoardError:
            self.close()

    def in_use(self):
        output, error = self.board.run(IN_USE, 20)
        return output + error

    def run(self, source, timeout):
        """(output with traceback, what is in use after a soft reset and ought not to be)"""
        if self.board is None:
            self.board = Board(self.machine, self.elf)
            # Not what there is after power-on, nor after the first program: MicroPython itself may
            # differ by some bytes.
            for _ in range(2):
                self.board.soft_reset()
                self.at_first = self.in_use()
            self.board.soft_reset()
        output, error = self.board.run(source, timeout)
        self.board.soft_reset()
        after = self.in_use()
        self.board.soft_reset()
        left = "" if after == self.at_first else f"{after.strip()}, not {self.at_first.strip()}"
        return output + error, left

    def close(self):
        if self.board:
            self.board.close()
            self.board = None


def expected_of(path, tls13):
    expectation = Path(f"{path}.exp")
    other = path.parent / "tls13" / expectation.name
    if tls13 and other.exists():
        return other.read_text()
    if expectation.exists():
        return expectation.read_text()
    # As run-tests.py does: what CPython prints.
    done = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, timeout=60, cwd=path.parent
    )
    return done.stdout


def unittest_passed(output):
    """For a test that uses unittest; None if it does not."""
    verdict = re.search(r"^(OK|FAILED)\b", output, re.M)
    return verdict and verdict[1] == "OK"


def difference(expected, output):
    lines = difflib.unified_diff(
        expected.splitlines(), output.splitlines(), "expected", "printed", lineterm=""
    )
    return "\n".join(list(lines)[:60])


def too_big(line):
    """Whether a line is about a number that is no machine word of 32 bits."""
    return any(abs(int(n)) >= 1 << 31 for n in re.findall(r"-?\b\d{10,}\b", line))


def same_on_32_bits(expected, output):
    """Whether the outputs differ only where a number does not fit a 32-bit machine word: there
    MicroPython raises OverflowError before the module sees it."""
    expected, output = expected.splitlines(), output.splitlines()
    return len(expected) == len(output) and all(
        a == b or (too_big(a) and re.search("OverflowError|overflow converting long int", b))
        for a, b in zip(expected, output)
    )


def run_test(session, path):
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else f"upstream's {path.name}"
    if path.stem in SKIPS:
        return Result(name, "skip", SKIPS[path.stem])
    if session.tls13 and path.stem in harness.NOT_AT_TLS13:
        return Result(name, "skip", harness.NOT_AT_TLS13[path.stem])
    source = path.read_text()
    timeout = TEST_TIMEOUT_S.get(path.stem, DEFAULT_TIMEOUT_S)
    source = re.sub(r"^from signers import .*\n", lambda _: harness.board_signers(), source, flags=re.M)
    # The support modules are frozen; a test with unittest asks whether it is the main program.
    try:
        output, left = session.run(source, timeout)
    except BoardError as why:
        session.close()
        return Result(name, "fail", "the board died", str(why))
    # ETIMEDOUT, as picolibc has it.
    output = output.replace("OSError(116,", "OSError(110,")
    if output.strip() == "SKIP":
        return Result(name, "fail", "skipped, and SKIPS does not say why")
    if "import unittest" in source:
        if not unittest_passed(output):
            return Result(name, "fail", "", output)
    else:
        expected = expected_of(path, session.tls13)
        if not same_on_32_bits(expected, output):
            return Result(name, "fail", "", difference(expected, output))
    if left:
        return Result(name, "fail", f"after a soft reset these are in use: {left}")
    return Result(name, "pass")


def soft_resets(session):
    """Connections are left open by a reset, five times over; the module works after it."""
    for round_ in range(1, 6):
        name = f"soft reset {round_} with open connections"
        try:
            for source, expected in (
                (LEFT_OPEN, "True\n3 True None\n"),
                (LEFT_OPEN_DTLS, "DTLSv1.2 None\n"),
                (WORKS, "5 b'after'\n"),
            ):
                output, left = session.run(source, DEFAULT_TIMEOUT_S)
                if output != expected or left:
                    yield Result(name, "fail", left, difference(expected, output))
                    break
            else:
                yield Result(name, "pass")
        except BoardError as why:
            session.close()
            yield Result(name, "fail", "the board died", str(why))


def off_and_on(session):
    """Connections and a session outlive the board's power: the host keeps their bytes."""
    name = "connections outlive the power"
    try:
        states, left = session.run(f"ON = False\n{OFF}", DEFAULT_TIMEOUT_S)
        session.close()
        lines = states.split("\n")[:-1]
        source = f"ON = True\nSTATES = {lines!r}\n{OFF}{RESTORED}"
        output, left_on = session.run(source, DEFAULT_TIMEOUT_S)
    except BoardError as why:
        session.close()
        return Result(name, "fail", "the board died", str(why))
    once = "b'again' 8 b'and back'\n"
    versions = 2 if session.tls13 else 1
    expected = f"False {once}" * versions + once + "(True, True) False\n"
    right = output == expected and not left and not left_on
    return Result(name, "pass" if right else "fail", left or left_on, difference(expected, output))


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    machine, elf = sys.argv[1:3]
    pattern = re.compile(sys.argv[3] if len(sys.argv) == 4 else "")
    tree = Path(os.environ.get("MICROPYTHON_DIR") or ROOT / "build/src/micropython").resolve()
    files = sorted(p for p in (tree / "tests/extmod").glob("*.py") if re.match("ssl_|tls_", p.name))
    files += sorted((ROOT / "tests/micropython").glob("*.py"))
    files += sorted(p for p in HERE.glob("*.py") if p.name != "run.py")
    session = Session(machine, elf)
    session.look()
    if session.tls13:
        files += sorted((ROOT / "tests/micropython/tls13").glob("*.py"))
    results = []

    def note(result, since):
        results.append(result)
        word = {"pass": "pass", "fail": "FAIL", "skip": "skip"}[result.outcome]
        reason = f": {result.reason}" if result.reason else ""
        took = f" ({time.monotonic() - since:.1f} s)" if result.outcome == "pass" else ""
        print(f"{word}  {result.name}{reason}{took}", flush=True)

    try:
        for path in files:
            if pattern.search(path.stem):
                since = time.monotonic()
                note(run_test(session, path), since)
        if pattern.search("soft_reset"):
            since = time.monotonic()
            for result in soft_resets(session):
                note(result, since)
                since = time.monotonic()
        if pattern.search("power"):
            since = time.monotonic()
            note(off_and_on(session), since)
    finally:
        session.close()
    for result in results:
        if result.outcome == "fail" and result.details:
            print(f"--- {result.name}\n{result.details.rstrip()}")
    passed, failed, skipped = harness.count(results)
    print(harness.counts_line(passed, failed, skipped))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
