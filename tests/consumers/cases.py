"""What a case works with, and the runner of the cases."""

import argparse
import contextlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path

import harness
from libraries import Libraries
from peers import WAIT_S, Failure, Process, Skip, check, need_program

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DEVICE = HERE / "device"
BIG = bytes(range(250)) * 400

CASES = []


def case(name):
    """Registers a function of one argument, the Bench, as the case `name`."""

    def register(function):
        CASES.append((name, function))
        return function

    return register


def need_tls13(bench):
    if not harness.has_tls13(bench.arguments.binary):
        raise Skip("this firmware is without TLS 1.3")


class Bench:
    """What one case works with: certificates, libraries, and processes that end with the case."""

    def __init__(self, arguments, libraries, certs, logs):
        self.arguments = arguments
        self.libraries = libraries
        self.certs = certs
        self.logs = logs
        self.stack = contextlib.ExitStack()
        self.processes = []

    def file(self, name, suffix="pem"):
        return self.certs / f"{name}.{suffix}"

    def cert(self, name):
        return self.file(name, "der" if self.arguments.der else "pem")

    def key(self, name):
        return self.file(name, "key.der" if self.arguments.der else "key")

    def start(self, name, command, **options):
        log = self.logs / f"{len(self.processes)}-{name.replace(' ', '-')}.log"
        process = Process(name, command, log, **options)
        self.stack.callback(process.close)
        self.processes.append(process)
        return process

    def micropython(self, script, module_path=None, environment=None, positional=(), **given):
        """A device script, or an example, with arguments and one library on its path."""
        path = [str(DEVICE)]
        if module_path is not None:
            place = self.libraries.path(module_path)
            if place is None:
                raise Skip(self.libraries.missing[module_path])
            path.append(str(place))
        path += [str(extra) for extra in self.arguments.path]
        path.append(".frozen")
        return self.start(
            f"micropython {Path(script).name}",
            [self.arguments.binary, DEVICE / script, *positional]
            + [f"{name}={value}" for name, value in given.items()],
            env=dict(os.environ, MICROPYPATH=":".join(path), **(environment or {})),
        )

    def s_server(self, *options, cert="ec", **keywords):
        """openssl s_server on a port of its own choice: (process, port)."""
        need_program("openssl", "openssl")
        server = self.start(
            "openssl s_server",
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", self.file(cert)]
            + ["-key", self.file(cert, "key"), "-msg", *options],
            **keywords,
        )
        return server, int(server.wait_for(r"^ACCEPT .*:(\d+)$")[1])

    def s_client(self, port, *options):
        need_program("openssl", "openssl")
        return self.start(
            "openssl s_client",
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
            + ["-CAfile", self.file("ca"), "-verify_return_error", "-msg", "-ign_eof", *options],
        )

    def curl(self, port, *options):
        """(curl's standard output) with the certificate verified."""
        curl = need_program("curl", "curl")
        command = [curl, "--silent", "--show-error", "--fail", "--max-time", WAIT_S]
        command += ["--noproxy", "*", "--cacert", self.file("ca")]
        command += ["--resolve", f"localhost:{port}:127.0.0.1", *options]
        done = subprocess.run([str(word) for word in command], capture_output=True)
        check(done.returncode == 0, f"curl: {done.stderr.decode().strip()}")
        return done.stdout

    def python_context(self, server=False, cert="ec"):
        """A CPython ssl.SSLContext as peer, with verification as a client."""
        if server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.file(cert), self.file(cert, "key"))
        else:
            context = ssl.create_default_context(cafile=str(self.file("ca")))
        return context


def finished(process, pattern, code=0):
    """The process ended with that code and printed the pattern."""
    ended = process.wait()
    match = re.search(pattern, process.output(), re.MULTILINE)
    check(ended == code, f"{process.name} ended with {ended}")
    check(match, f"{process.name} did not print {pattern!r}")
    return match


def need_makefile(bench):
    """Some libraries call makefile() on the socket, as one may with a plain one."""
    probe = "import tls, io\nc = tls.SSLContext(0)\nc.verify_mode = 0\n"
    probe += "s = c.wrap_socket(open('/dev/null', 'rb'), do_handshake_on_connect=False)\n"
    probe += "s.makefile"
    done = subprocess.run([str(bench.arguments.binary), "-c", probe], capture_output=True)
    if b"makefile" in done.stderr + done.stdout:
        raise Skip("this library needs SSLSocket.makefile(), which upstream does not have either")
    check(done.returncode == 0, f"the look for makefile(): {done.stdout + done.stderr}")


def run_case(function, bench):
    """("PASS" | "FAIL" | "SKIP", reason)"""
    try:
        with bench.stack:
            function(bench)
        return "PASS", ""
    except Skip as skip:
        return "SKIP", str(skip)
    except Failure as failure:
        return "FAIL", str(failure)
    except Exception as error:  # a peer in this process, such as CPython's ssl, failed
        return "FAIL", f"{type(error).__name__}: {error}"


def print_logs(bench):
    for process in bench.processes:
        lines = process.output().splitlines()
        print(f"    --- {process.name} ({process.log.relative_to(bench.logs.parent)})")
        # The dumps of s_client -msg say little here.
        lines = [line for line in lines if not re.match(r"^    ([0-9a-f]{2} ?)+$", line)]
        for line in lines[-25:]:
            print(f"    {line}")


def main(about):
    """Runs the registered cases that the command line chooses."""
    parser = argparse.ArgumentParser(description=about.split("\n\n")[0])
    binary = os.environ.get("MICROPYTHON", ROOT / "build/unix/micropython")
    parser.add_argument("--binary", type=Path, default=binary)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument(
        "--micropython-lib",
        type=Path,
        help="a checkout of micropython-lib; default: that of MICROPYTHON_DIR, if it has one",
    )
    parser.add_argument(
        "--path", type=Path, action="append", default=[], help="more of MicroPython's module path"
    )
    parser.add_argument(
        "--der", action="store_true", help="DER files only: the stock module takes no PEM"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    arguments = parser.parse_args()

    chosen = [
        (name, function)
        for name, function in CASES
        if not arguments.patterns or any(pattern in name for pattern in arguments.patterns)
    ]
    if arguments.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    arguments.binary = Path(arguments.binary).resolve()
    if not arguments.binary.exists():
        print(f"{arguments.binary} is missing: run `make unix` first", file=sys.stderr)
        return 2
    build = arguments.build.resolve() / "consumers"
    certs = arguments.build.resolve() / "certs"
    subprocess.run([ROOT / "tests/certs/make_certs.sh", certs], check=True)
    checkout = arguments.micropython_lib
    if checkout is None and "MICROPYTHON_DIR" in os.environ:
        checkout = Path(os.environ["MICROPYTHON_DIR"]) / "lib/micropython-lib"
    libraries = Libraries(build, checkout)

    shutil.rmtree(build / "logs", ignore_errors=True)
    counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    for number, (name, function) in enumerate(chosen):
        logs = build / "logs" / f"{number:02}"
        logs.mkdir(parents=True)
        bench = Bench(arguments, libraries, certs, logs)
        start = time.monotonic()
        result, reason = run_case(function, bench)
        counts[result] += 1
        seconds = time.monotonic() - start
        print(f"{result} {name} ({seconds:.1f} s){': ' if reason else ''}{reason}", flush=True)
        if result == "FAIL":
            print_logs(bench)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
