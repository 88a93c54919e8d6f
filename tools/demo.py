#!/usr/bin/env python3
"""`make demo`: the module at work, against OpenSSL and curl, on loopback.

    demo.py [--binary MICROPYTHON] [--build DIRECTORY]

Needs the MicroPython that `make unix` built, the commands openssl and curl, and
nothing but Python's standard library. Ends with OK, or with the reason why not.
"""

import argparse
import contextlib
import json
import os
import platform
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PROBE = ROOT / "tools" / "demo_probe.py"
MAKE_CERTS = ROOT / "tests" / "certs" / "make_certs.sh"

# No step takes longer than this, whatever hangs.
STEP_TIMEOUT_S = 120

# The ABI passes mallinfo2's result by a hidden first pointer here, so that
# MicroPython's ffi, which cannot return structures, may call it.
MALLINFO_CALLABLE = platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
# glibc's per-thread cache of freed blocks would count as memory in use.
PROBE_ENVIRONMENT = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.tcache_count=0")


class DemoFailure(Exception):
    """A step went wrong; the text says what and why."""


class Output:
    """The lines that a running process prints, with a time limit on each wait."""

    def __init__(self, process):
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self._collect, args=(process.stdout,), daemon=True).start()

    def _collect(self, stream):
        for line in stream:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, prefix, what):
        """The rest of the next line that begins with prefix."""
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                reason = f"{what}: nothing within {STEP_TIMEOUT_S} s{self._said()}"
                raise DemoFailure(reason) from None
            if line is None:
                raise DemoFailure(f"{what}: the process ended{self._said()}")
            self.seen.append(line)
            if line.startswith(prefix):
                return line[len(prefix) :].strip()

    def _said(self):
        return "; its output was:\n" + "\n".join(self.seen) if self.seen else ""


@contextlib.contextmanager
def running(command, **options):
    """A process that is ended, by its id, when the block is left."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **options,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(what, command, **options):
    """Run to the end; what it printed on standard output."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=STEP_TIMEOUT_S,
            **options,
        )
    except subprocess.TimeoutExpired:
        raise DemoFailure(f"{what}: not done within {STEP_TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise DemoFailure(
            f"{what}: exit code {done.returncode}\n{done.stdout}{done.stderr}".rstrip()
        )
    return done.stdout


def free_port():
    """A port nobody uses now. (MicroPython's sockets cannot say which one they got.)"""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_listening(port, what):
    deadline = time.monotonic() + STEP_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise DemoFailure(f"{what} does not listen on port {port}")


def body_of(response, what):
    """The body of an HTTP response."""
    head, separator, body = response.replace("\r\n", "\n").partition("\n\n")
    if not separator or " 200 " not in head.split("\n", 1)[0] + " ":
        raise DemoFailure(f"{what}: not a good HTTP response:\n{response}")
    return body


def report(number, title, figures, body, expected):
    first_line = body.split("\n", 1)[0]
    gc_bytes, malloc_bytes = figures["gc_bytes"], figures["malloc_bytes"]
    if malloc_bytes is None:
        heap = f"{gc_bytes:,} bytes of GC heap (malloc cannot be measured here)"
    else:
        heap = (
            f"{gc_bytes + malloc_bytes:,} bytes"
            f" (GC heap {gc_bytes:,} + malloc {malloc_bytes:,})"
        )
    print(f"\n{number}. {title}")
    print(f"     protocol        {figures['protocol']}")
    print(f"     cipher suite    {figures['cipher']}")
    print(f"     handshake       {figures['handshake_us'] / 1000:.1f} ms")
    print(f"     heap            {heap}")
    print(f"     first line      {first_line}", flush=True)
    if first_line != expected:
        raise DemoFailure(f"{title}: the first line should be {expected!r}")


def probe(binary, role, *arguments):
    return [binary, PROBE, EXAMPLES, int(MALLINFO_CALLABLE), role, *arguments]


def micropython_serves(binary, certs):
    """Steps 1 and 2: OpenSSL's client and curl fetch a page from MicroPython."""
    port = free_port()
    expected = "Hello from MicroPython over TLS"
    command = probe(binary, "server", port, certs / "ec.pem", certs / "ec.key")
    with running(command, env=PROBE_ENVIRONMENT) as server:
        output = Output(server)
        output.wait_for("READY", "MicroPython's HTTPS server")

        title = "openssl s_client <- MicroPython server"
        response = run(
            title,
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
            + ["-CAfile", certs / "ca.pem", "-verify_return_error", "-verify_hostname", "localhost"]
            + ["-quiet", "-ign_eof"],
            input="GET / HTTP/1.0\r\n\r\n",
        )
        figures = json.loads(output.wait_for("PROBE", title))
        report(1, title, figures, body_of(response, title), expected)

        title = "curl <- MicroPython server"
        body = run(
            title,
            ["curl", "--silent", "--show-error", "--fail", "--max-time", STEP_TIMEOUT_S - 5]
            + ["--noproxy", "*", "--cacert", certs / "ca.pem"]
            + ["--resolve", f"localhost:{port}:127.0.0.1", f"https://localhost:{port}/"],
        )
        figures = json.loads(output.wait_for("PROBE", title))
        report(2, title, figures, body, expected)


def micropython_fetches(binary, certs, build):
    """Steps 3 and 4: MicroPython fetches from OpenSSL's server; it refuses it under another CA."""
    expected = "Hello from openssl s_server"
    pages = build / "demo"
    pages.mkdir(parents=True, exist_ok=True)
    (pages / "page.txt").write_text(expected + "\nFetched by MicroPython under CERT_REQUIRED.\n")
    port = free_port()
    server_command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-WWW", "-quiet"]
    server_command += ["-cert", certs / "ec.pem", "-key", certs / "ec.key"]
    with running(server_command, cwd=pages):
        wait_until_listening(port, "openssl s_server")

        title = "MicroPython client, CERT_REQUIRED <- openssl s_server"
        command = probe(binary, "client", "localhost", port, "/page.txt", certs / "ca.pem")
        marked = {}
        for line in run(title, command, env=PROBE_ENVIRONMENT).splitlines():
            mark, _, rest = line.partition(" ")
            marked[mark] = rest
        if " 200 " not in marked.get("STATUS", "") + " ":
            raise DemoFailure(f"{title}: status {marked.get('STATUS')!r}")
        report(3, title, json.loads(marked["PROBE"]), json.loads(marked["BODY"]), expected)

        title = "MicroPython client, CERT_REQUIRED, which trusts another CA"
        command = probe(binary, "client", "localhost", port, "/page.txt", certs / "other_ca.pem")
        try:
            run(title, command, env=PROBE_ENVIRONMENT)
        except DemoFailure as failure:
            # A traceback's last line says which alert was sent.
            lines = str(failure).splitlines()
            reason = [line for line in lines if not line.startswith("sent alert ")][-1]
        else:
            raise DemoFailure(f"{title}: the certificate was accepted")
        if "certificate" not in reason.lower():
            raise DemoFailure(f"{title}: refused for another reason: {reason}")
        print(f"\n4. {title}\n     refused         {reason}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "build/unix/micropython")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    arguments = parser.parse_args()
    binary, build = arguments.binary.resolve(), arguments.build.resolve()
    certs = build / "certs"
    try:
        for tool in ("openssl", "curl"):
            if shutil.which(tool) is None:
                raise DemoFailure(f"the command {tool} is missing (Debian package: {tool})")
        if not binary.exists():
            raise DemoFailure(f"{binary} is missing: run `make unix` first")
        run("the test PKI", [MAKE_CERTS, certs])
        version = run("MicroPython", [binary, "-c", "import ssl, sys; print(sys.version)"])
        print(f"MicroPython: {version.strip()}")
        print("Handshake time and heap are those of MicroPython's end: from wrap_socket() to its")
        print("return; what lives after it and did not before, both after gc.collect().")
        micropython_serves(binary, certs)
        micropython_fetches(binary, certs, build)
    except DemoFailure as failure:
        print(f"\ndemo FAILED: {failure}", file=sys.stderr)
        return 1
    print("\nOK: three pages over TLS, certificates verified at each client.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
