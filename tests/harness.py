"""What the test runners share: bounded child processes, a private network, and upstream's
own runners (run-tests.py, run-multitests.py) driven from a copy of upstream's tests.

Python 3.9 or newer, standard library only.
"""

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


class Result:
    """One test's outcome: "pass", "fail" or "skip"."""

    def __init__(self, name, outcome, reason="", details=""):
        self.name = name
        self.outcome = outcome
        self.reason = reason
        self.details = details


def count(results):
    """(passed, failed, skipped) of a list of Result."""
    return tuple(sum(r.outcome == o for r in results) for o in ("pass", "fail", "skip"))


def counts_line(passed, failed, skipped):
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def run(command, timeout, cwd=None, env=None, on_line=None):
    """Runs a command for at most `timeout` seconds, and everything it started with it.

    Returns (exit status, output); the status is None when time ran out. The command gets a
    process group of its own, which is killed when it ends: a test that leaves a server behind
    must not disturb the next one.
    """
    environment = dict(os.environ, **{k: str(v) for k, v in (env or {}).items()})
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lines = []

    def read():
        for raw in process.stdout:
            line = raw.decode("utf-8", "backslashreplace")
            lines.append(line)
            if on_line:
                on_line(line.rstrip("\n"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        status = process.wait(timeout)
    except subprocess.TimeoutExpired:
        status = None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    reader.join(10)
    return status, "".join(lines)


def install(requirements, target, timeout, only_binary=True):
    """Has pip bring to `target`, once, what `requirements` pins by hash; None, or why it cannot be had."""
    wanted, stamp = requirements.read_text(), target / ".wanted"
    if stamp.exists() and stamp.read_text() == wanted:
        return None
    shutil.rmtree(target, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    pip += ["--require-hashes", *(("--only-binary", ":all:") if only_binary else ())]
    status, output = run([*pip, "--target", target, "--requirement", requirements], timeout)
    if status != 0:
        return f"pip: {(output.strip().splitlines() or ['no answer'])[-1]}"
    stamp.write_text(wanted)
    return None


def lines(pipe, silence):
    """The lines of a pipe until its end, or until nothing came for so many seconds."""
    rest = b""
    while select.select([pipe], [], [], silence)[0]:
        data = os.read(pipe.fileno(), 65536)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")


_network = {}


def private_network():
    """The words to put before a command so that it has loopback, and every port, for itself.

    Upstream's two-instance tests use port 8000. Empty where namespaces are not allowed: then
    the tests share the machine's ports.
    """
    if "prefix" not in _network:
        unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
        prefix = unshare + ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        try:
            status, _ = run(prefix + ["true"], 20)
        except OSError:
            status = None
        _network["prefix"] = prefix if status == 0 else []
    return _network["prefix"]


def board_signers():
    """The source of the tests' keys that are objects, as far as an emulated board has what they need: those of
    curves. It is not frozen there, for the measurements are of the same firmware."""
    keys, _, _ = (ROOT / "tests/micropython/support/signers.py").read_text().partition("# DigestInfo")
    return keys.replace("import hashlib\nimport os\n", "")


# What ecdh.c and ecdsa.c call of ecp.c, and the linker sends to Rust.
P256_WRAPPED = ("mbedtls_ecp_mul_restartable", "mbedtls_ecp_muladd_restartable")
# What cipher.c calls of gcm.c.
AES_GCM_WRAPPED = ("mbedtls_gcm_crypt_and_tag", "mbedtls_gcm_auth_decrypt")


def unwrapped(program, functions, objdump="objdump"):
    """Yields what shows that a linked program does not come to Rust for what is wrapped."""
    status, listing = run([objdump, "-d", "--no-show-raw-insn", program], 300)
    if status != 0:
        yield listing[-2000:]
        return
    function, callers = "", {}
    for line in listing.splitlines():
        header = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        if header:
            function = header[1]
        callee = re.search(r"<([^<>+]+)>$", line)
        if callee:
            callers.setdefault(callee[1], set()).add(function)
    # One object's own calls are not wrapped. Rust itself goes on to what it replaces.
    own = re.compile(r"(mbedtls_)?(ecp|gcm)_|__wrap_mbedtls_|_R|_ZN|mpssl_")
    for name in functions:
        for caller in sorted(callers.get(name, ())):
            if not own.match(caller):
                yield f"{caller} calls {name} past Rust"
        if not any(not own.match(caller) for caller in callers.get(f"__wrap_{name}", ())):
            yield f"nothing calls __wrap_{name}"


def micropython_version(tree):
    """1.26.1 and so on, read from the tree's own header."""
    text = (Path(tree) / "py" / "mpconfig.h").read_text()
    return ".".join(
        re.search(rf"#define MICROPY_VERSION_{part} \(?(\d+)", text).group(1)
        for part in ("MAJOR", "MINOR", "MICRO")
    )


# What looks at records that TLS 1.3 encrypts, or at what it does not have here.
NOT_AT_TLS13 = {
    "ssl_alerts": "reads alerts in the clear, which TLS 1.3 encrypts; tests/consumers/tls13.py has what peers see",
    "ssl_interrupts_pending": "interrupts the look-up of a key, which comes a flight earlier",
    "ssl_psk": "the key is looked up a flight earlier; tls13/ssl_tls13.py has TLS 1.3's",
    "ssl_unreadable": "changes Certificate messages in the clear, which TLS 1.3 encrypts",
}


def has_tls13(binary):
    """Whether a unix MicroPython has TLS 1.3."""
    _, said = run([binary, "-c", "import ssl; print(ssl.HAS_TLSv1_3)"], 60)
    return said.strip().endswith("True")


class UpstreamTests:
    """A copy of the part of MicroPython's tests that concerns us, and its runners.

    The runners write beside themselves and import from fixed places relative to themselves,
    and the source tree is not ours to write to: hence the copy. The files are not changed.
    """

    def __init__(self, tree, work):
        self.tree = Path(tree).resolve()
        self.work = Path(work).resolve()
        self.tests = self.work / "tests"
        self.results = self.work / "results"
        self.version = micropython_version(self.tree)
        # Up to 1.26 a unix instance is "-i micropython"; later "-t unix".
        runner = (self.tree / "tests" / "run-multitests.py").read_text()
        self.instance_option = ["-t", "unix"] if "--test-instance" in runner else ["-i", "micropython"]

    def prepare(self, extra_modules=()):
        """Makes the copy. `extra_modules` are Python files the tests can import: for
        run-tests.py beside unittest, for run-multitests.py see run_multi()."""
        self.work.parent.mkdir(parents=True, exist_ok=True)
        # Kept open: a second run of the same tests waits until this one is done.
        self.lock = open(f"{self.work}.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        if self.work.exists():
            shutil.rmtree(self.work)
        self.tests.mkdir(parents=True)
        self.results.mkdir()
        source = self.tree / "tests"
        for name in os.listdir(source):
            path = source / name
            if path.is_file():
                shutil.copyfile(path, self.tests / name)
        for folder in ("feature_check", "extmod", "multi_net", "net_hosted"):
            target = self.tests / folder
            target.mkdir()
            for path in (source / folder).iterdir():
                relevant = folder in ("feature_check", "multi_net") or re.search("ssl|tls", path.name)
                if path.is_file() and relevant:
                    shutil.copyfile(path, target / path.name)
        for folder in ("extmod", "tools"):
            os.symlink(self.tree / folder, self.work / folder)
        # run-tests.py looks for unittest here.
        library = self.work / "lib" / "micropython-lib" / "python-stdlib" / "unittest"
        library.mkdir(parents=True)
        upstream_unittest = self.tree / "lib/micropython-lib/python-stdlib/unittest/unittest"
        if upstream_unittest.is_dir():
            shutil.copytree(upstream_unittest, library / "unittest", copy_function=shutil.copyfile)
        else:
            shutil.copyfile(ROOT / "tests/micropython/support/unittest.py", library / "unittest.py")
        self.extra_modules = list(extra_modules)
        for module in self.extra_modules:
            shutil.copyfile(module, library / Path(module).name)

    def select(self, folder, pattern):
        """The tests of a folder whose name matches, as run-tests.py wants them named."""
        names = sorted(p.name for p in (self.tests / folder).glob("*.py"))
        return [f"{folder}/{name}" for name in names if re.search(pattern, name)]

    def run_single(self, binary, files, timeout, prefix=(), env=None, on_line=None):
        """run-tests.py on `files`; a list of Result.

        One at a time: concurrent tests print into each other's lines.
        """
        return self._run(
            [*prefix, sys.executable, "run-tests.py", "-j", "1", "-r", self.results, *files],
            r"^(?P<word>pass|skip|lrge|FAIL)\s+(?P<name>\S+)",
            files,
            binary,
            timeout,
            env,
            on_line,
        )

    def run_multi(self, binary, files, timeout, env=None, on_line=None):
        """run-multitests.py on `files`; a list of Result.

        Each in a run, and where possible a network, of its own: the runner does not wait for
        an instance it stops, and the port is the same for all tests.
        """
        # The instances find modules in tests/extmod. Only now, since run-tests.py's reference,
        # CPython, would find them there too.
        for module in self.extra_modules:
            shutil.copyfile(module, self.tests / "extmod" / Path(module).name)
        results = []
        end = time.monotonic() + timeout
        for name in files:
            results += self._run(
                [*private_network(), sys.executable, "run-multitests.py", *self.instance_option * 2, name],
                r"^(?P<name>\S+) on \S+?: (?P<word>pass|skip|FAIL)$",
                [name],
                binary,
                max(1, end - time.monotonic()),
                env,
                on_line,
            )
        return results

    def _run(self, command, pattern, files, binary, timeout, env, on_line):
        pattern = re.compile(pattern)
        words = {"pass": "pass", "skip": "skip", "lrge": "skip", "FAIL": "fail"}
        environment = {
            "MICROPY_MICROPYTHON": Path(binary).resolve(),
            "MICROPY_CPYTHON3": sys.executable,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.update(env or {})
        status, output = run(command, timeout, self.tests, environment, on_line)
        with open(self.work / "runner.log", "a") as log:
            log.write(output)
        outcomes = {}
        for line in output.splitlines():
            match = pattern.match(line)
            if match:
                outcomes[match["name"]] = words[match["word"]]
        results = []
        for name in files:
            outcome = outcomes.get(str(name))
            if outcome is None:
                ended = "ran out of time" if status is None else f"ended with status {status}"
                results.append(Result(name, "fail", f"no result: the runner {ended}", output))
            else:
                reason = "the test printed SKIP" if outcome == "skip" else ""
                details = self._difference(name, output) if outcome == "fail" else ""
                results.append(Result(name, outcome, reason, details))
        return results

    def _difference(self, name, output):
        """What a failed test printed, from run-tests.py's result files or the runner's output."""
        base = re.sub(r"/", "_", str(name).replace("..", "_").replace("./", ""))
        printed = self.results / (base + ".out")
        if not printed.exists():
            start = output.find(f"{name} on ")
            return output[start : start + 4000]
        expected = self.results / (base + ".exp")
        if not expected.exists():
            return printed.read_text(errors="backslashreplace")[-3000:]
        _, difference = run(["diff", "-u", expected, printed], 20)
        return difference[:3000]


def print_results(results, verbose=False):
    """One line for each failure and skip (for each test when verbose), then the details."""
    for r in results:
        if verbose or r.outcome != "pass":
            word = {"pass": "pass", "fail": "FAIL", "skip": "skip"}[r.outcome]
            print(f"{word}  {r.name}" + (f": {r.reason}" if r.reason else ""))
    for r in results:
        if r.outcome == "fail" and r.details:
            print(f"--- {r.name}")
            print(r.details.rstrip())


class Progress:
    """Prints how long a section has been running, at most every `every` seconds."""

    def __init__(self, name, every=30):
        self.name = name
        self.every = every
        self.start = self.last = time.monotonic()

    def line(self, text):
        now = time.monotonic()
        if now - self.last >= self.every:
            self.last = now
            print(f"    {self.name}: {int(now - self.start)} s: {text[:90]}", flush=True)
