#!/usr/bin/env python3
"""Runs the tests of this project.

    tests/run.py                what proves the installation, and every behaviour once
    tests/run.py --all          all there is
    tests/run.py --minutes N    the first, and of the rest what fits into N minutes on two cores,
                                beginning where the number of commits says: CI gets round to all
    tests/run.py SECTION...     these
    tests/run.py --list         names them

Builds what a section needs (into build/, once). Sections run side by side: one for each core, and one of
those that mostly wait. At the end: a table, each skip with its reason, what was left out, and as the very last
line `N passed, N failed, N skipped`. The exit status is 1 when a test failed or a section ran none.

MICROPYTHON_DIR and MBEDTLS_DIR name trees to test with instead of the released ones that
tools/sources.sh brings.
"""

import argparse
import collections
import fcntl
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

import harness  # noqa: E402
import ports  # noqa: E402
import upstream  # noqa: E402
from harness import BUILD, ROOT, Result  # noqa: E402

VARIANTS = ("standard", "coverage")
RELEASES = ("1.26.1", "1.25.0")  # newest first
# Beside the one that all other sections have.
MBEDTLS_RELEASES = ("mbedtls-3.6.6", "mbedtls-3.6.5")


class Unavailable(Exception):
    """A section cannot run on this machine; the message says why. Counts as one skip."""


class BuildFailed(Exception):
    """The firmware that a section needs does not build; the message has the end of the log."""


# What is tested


def trees():
    """MicroPython version -> source tree."""
    own = os.environ.get("MICROPYTHON_DIR")
    if own:
        return {harness.micropython_version(own): Path(own).resolve()}
    found = {}
    for version in RELEASES:
        tree = BUILD / "src" / f"micropython-{version}"
        if tree.is_dir():
            found[version] = tree
    return found


def source(name):
    """A tree of tools/sources.sh that no other section needs."""
    tree = BUILD / "src" / name
    if not tree.is_dir():
        status, output = harness.run([ROOT / "tools/sources.sh", name], 300)
        if status != 0 or not tree.is_dir():
            raise Unavailable(f"{name} cannot be had: {output.strip().splitlines()[-1:]}")
    return tree


def shape(name, tree):
    """A copy of a tree in the shape of another release (tests/shapes.py)."""
    dest = BUILD / "shapes" / name
    status, output = harness.run([sys.executable, ROOT / "tests/shapes.py", name, tree, dest], 300)
    if status != 0:
        raise BuildFailed(f"no tree in the shape of {name}\n{output[-3000:]}")
    return dest


def mbedtls_dir():
    return Path(os.environ.get("MBEDTLS_DIR") or BUILD / "src" / "mbedtls").resolve()


def tree_of(version):
    try:
        return trees()[version]
    except KeyError:
        raise Unavailable(f"MicroPython {version} is not in the package mirror") from None


# Set by a run for its sections: where they say what they built.
BUILT = os.environ.get("MPSSL_TESTS_BUILT")


def once(name, make):
    """Runs `make`, which builds, unless a section of this run has done so: what one section runs,
    another must not link again. One build at a time; each has all cores."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = BUILT and Path(BUILT) / name
        if mark and mark.exists():
            failure = mark.read_text()
        else:
            print(f"    building build/{name}", flush=True)
            failure = make()
            if mark:
                mark.write_text(failure)
    if failure:
        raise BuildFailed(failure)


def build(version, variant, *options, tree=None, mbedtls=None, label=""):
    """The MicroPython binary with our module. `label` names one of other trees."""
    words = [version, variant, *(o.strip("-").replace("=", "_") for o in options), label]
    name = "-".join(["unix", *filter(None, words)])
    # What `make unix` makes is this one.
    name = "unix" if name == f"unix-{default_version()}-standard" else name
    command = [ROOT / "ports/unix/build.sh", "--micropython", tree or tree_of(version)]
    command += ["--mbedtls", mbedtls or mbedtls_dir()]
    command += ["--variant", variant, "--out", BUILD / name, *options]
    once(name, lambda: failure_of(name, command))
    return BUILD / name / "micropython"


def failure_of(name, command):
    """Builds; nothing, or what went wrong."""
    status, output = harness.run(command, 900, on_line=harness.Progress("build").line)
    if status == 0:
        return ""
    log = BUILD / f"{name}.log"
    log.write_text(output)
    tail = "\n".join(output.splitlines()[-25:])
    return f"{name} does not build (log: {log.relative_to(ROOT)})\n{tail}"


def default_version():
    return next(iter(trees()))


# Sections. Each yields Results; a test is one Result.


def child(name, command, timeout, env=None):
    """A runner of its own: `skip NAME: reason` and `FAIL NAME: reason` lines, counts at the end."""
    if not Path(command[1]).exists():
        return
    status, output = harness.run(command, timeout, ROOT, env, harness.Progress(name).line)
    lines = output.rstrip().splitlines()
    match = harness.COUNTS.match(lines[-1]) if lines else None
    if not match:
        ended = "ran out of time" if status is None else f"ended with status {status}"
        yield Result(name, "fail", f"{ended}, without counts", "\n".join(lines[-40:]))
        return
    passed, failed, skipped = (int(n) for n in match.groups())
    named = {"FAIL": [], "skip": []}
    for line in lines:
        said = re.match(r"(FAIL|skip|SKIP)\s+([^:]+)(?::\s*(.*))?$", line)
        if said:
            named["FAIL" if said[1] == "FAIL" else "skip"].append((said[2], said[3] or ""))
    for i in range(passed):
        yield Result(f"{name} {i + 1}", "pass")
    for outcome, word, number in (("fail", "FAIL", failed), ("skip", "skip", skipped)):
        for i in range(number):
            what, why = named[word][i] if i < len(named[word]) else (name, "")
            yield Result(what, outcome, why)
    if failed or status != 0:
        details = "\n".join(lines[-60:])
        if not failed:
            yield Result(name, "fail", f"ended with status {status} though nothing failed", details)
        else:
            yield Result(f"{name} (its last lines)", "note", "", details)


def rust(*features, mbedtls=None):
    """cargo test: the core over in-memory links, with the very Mbed TLS the firmware uses."""
    env = {
        "MICROPYTHON_DIR": tree_of(default_version()),
        "MBEDTLS_DIR": mbedtls or mbedtls_dir(),
        "CARGO_TERM_COLOR": "never",
    }
    status, output = harness.run(
        ["cargo", "test", "--no-fail-fast", *features], 1500, ROOT, env, harness.Progress("cargo").line
    )
    target = ""
    for line in output.splitlines():
        running = re.match(r"\s*(?:Running|Doc-tests) (.*?)(?: \(|$)", line)
        if running:
            target = running[1]
        test = re.match(r"test (.+?) \.\.\. (ok|FAILED|ignored)(?:, (.*))?$", line)
        if test:
            outcome = {"ok": "pass", "FAILED": "fail", "ignored": "skip"}[test[2]]
            yield Result(f"{target} {test[1]}", outcome, test[3] or "")
    # A line torn by a test's own output must not lose a failure.
    if status != 0:
        ended = "ran out of time" if status is None else f"ended with status {status}"
        yield Result("cargo test", "fail", ended, "\n".join(output.splitlines()[-60:]))


def upstream_section(version, variant):
    def section():
        """MicroPython's own TLS tests, unmodified."""
        binary = build(version, variant)
        for _, results in upstream.run_suites(
            tree_of(version), binary, variant, ("extmod", "multi_net")
        ):
            yield from results

    return section


def first_build():
    """(version, variant, binary) of what `make unix` makes."""
    version = default_version()
    yield version, "standard", build(version, "standard")


def other_builds():
    """The same for every other combination that is tested."""
    for version in trees():
        for variant in VARIANTS:
            if (version, variant) != (default_version(), "standard"):
                yield version, variant, build(version, variant)


def net_hosted():
    """Upstream's tests that talk to a public host, which is a local server here."""
    for version, variant, binary in first_build():
        suites = upstream.run_suites(tree_of(version), binary, variant, ("net_hosted",))
        for _, results in suites:
            yield from results


def own_tests(
    version, variant, binary, label="", single_only=False, env=None, slower=1, debug=False, tree=None, without=()
):
    """tests/micropython with MicroPython's own runners; of a build with TLS 1.3, what is expected
    otherwise than of TLS 1.2 is in tests/micropython/tls13. `without`: what such a build does not pass, and why."""
    folder = ROOT / "tests" / "micropython"
    skipped = []
    if harness.has_tls13(binary):
        own, folder = folder, BUILD / "tls13" / f"micropython{label}-{version}-{variant}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(own, folder)
        shutil.copytree(own / "tls13", folder, dirs_exist_ok=True)
        for name, reason in {**harness.NOT_AT_TLS13, **dict(without)}.items():
            (folder / f"{name}.py").unlink()
            skipped.append(Result(f"{version} {variant} tests/micropython/{name}.py", "skip", reason))
    work = BUILD / "upstream" / f"micropython{label}-{version}-{variant}"
    runner = harness.UpstreamTests(tree or tree_of(version), work)
    runner.prepare()
    options = {"env": env, "on_line": harness.Progress("micropython").line}
    results = []
    singles = sorted(folder.glob("*.py"))
    if debug:  # what builds for users do not have
        singles += sorted((folder / "debug").glob("*.py"))
    if singles:
        network = harness.private_network()
        results += runner.run_single(binary, singles, 900 * slower, prefix=network, **options)
    pairs = [] if single_only else sorted((folder / "multi_net").glob("*.py"))
    if pairs:
        results += runner.run_multi(binary, pairs, 900 * slower, **options)
    for r in results:
        path = Path(r.name)
        if r.outcome == "fail" and not Path(f"{path}.exp").exists():
            r.reason = "there is no .exp file"
        if r.outcome == "skip":
            # A test that can skip says when, in a comment that begins with "skip:".
            said = re.search(r"^# *skip: *(.+)$", path.read_text(), re.M | re.I)
            r.reason = said[1] if said else r.reason
        r.name = f"{version} {variant} {path.relative_to(ROOT)}"
    return results + skipped


def micropython():
    """Our tests in MicroPython's style."""
    for version, variant, binary in first_build():
        yield from own_tests(version, variant, binary)


def micropython_others():
    """The same with the other releases and variants, and what net_hosted and binary look at."""
    for version, variant, binary in other_builds():
        yield from own_tests(version, variant, binary)
        for _, results in upstream.run_suites(tree_of(version), binary, variant, ("net_hosted",)):
            yield from results
        yield from look_into(version, variant, binary)


def short_suite(version, tree, binary, label):
    """What shows that a build is whole: upstream's tests of one process, and ours."""
    for _, results in upstream.run_suites(tree, binary, "standard", ("extmod",), label=label):
        yield from results
    results = own_tests(version, "standard", binary, f"-{label}", single_only=True, tree=tree)
    for r in results:
        r.name = f"{label} {r.name}"
    yield from results


def pair_section(mbedtls, version):
    def section():
        """A release of Mbed TLS in one of MicroPython's."""
        label = mbedtls
        tree = tree_of(version)
        binary = build(version, "standard", mbedtls=source(mbedtls), label=label)
        yield from short_suite(version, tree, binary, label)

    return section


def shape_mbedtls():
    """Mbed TLS in the shape it had up to 3.6.2, which MicroPython 1.25 to 1.28 pin."""
    mbedtls = shape("mbedtls-3.6.2", source("mbedtls-3.6.5"))
    yield from rust(mbedtls=mbedtls)
    version = default_version()
    binary = build(version, "standard", mbedtls=mbedtls, label="mbedtls-3.6.2")
    yield from short_suite(version, tree_of(version), binary, "mbedtls-3.6.2")


def shape_micropython():
    """MicroPython in the shape it has from 1.27 to 1.29: on unix, and on a board linked by ld."""
    tree = shape("micropython-1.29", tree_of(default_version()))
    version = harness.micropython_version(tree)
    binary = build(version, "standard", tree=tree, label="shape")
    yield from short_suite(version, tree, binary, "shape")
    name = "qemu-VIRT_RV32-shape"
    program = build_firmware("VIRT_RV32", name, tree)
    env = {"MICROPYTHON_DIR": tree}
    yield from child(name, [sys.executable, ROOT / "tests/qemu/run.py", "VIRT_RV32", program, "ssl_h"], 900, env)


def fresh_section(*options):
    def section():
        """The README's first command in a fresh clone on a minimal Debian."""
        status, output = harness.run(
            [ROOT / "tools/fresh.sh", *options], 1200, ROOT, on_line=harness.Progress("fresh").line
        )
        if status == 125:
            raise Unavailable(output.strip().splitlines()[-1])
        right = status == 0 and re.search(r"^OK: ", output, re.M)
        name = " ".join(["make demo on a fresh machine", *options])
        yield Result(name, "pass" if right else "fail", "", output[-4000:])

    return section


def tls13():
    """TLS 1.3: the core, mostly at TLS 1.2 in a build that has both; our tests at 1.3 and other
    implementations, under the sanitizers; soft resets of a board."""
    yield from rust("--features", "tls13,keylog")
    version = default_version()
    binary = build(version, "standard", "--asan", "MPSSL_MEMORY=1", "MPSSL_KEYLOG=1", "MPSSL_TLS13=1")
    env = {"ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1", "MICROPY_TEST_TIMEOUT": "120"}
    yield from own_tests(version, "standard", binary, "-tls13", env=env, slower=2, debug=True)
    command = [sys.executable, ROOT / "tests/consumers/run.py", "tls13:"]
    yield from child("tls13", command, 600, {"MICROPYTHON": binary, **env})
    program = build_firmware("VIRT_RV32", "qemu-VIRT_RV32-tls13", tree_of(version), "MPSSL_TLS13=1")
    command = [sys.executable, ROOT / "tests/qemu/run.py", "VIRT_RV32", program, "soft_reset"]
    yield from child("tls13", command, 600, {"MICROPYTHON_DIR": tree_of(version)})


def tls12():
    """TLS 1.2 alone (MPSSL_TLS13=0): our tests, and MicroPython's own."""
    version = default_version()
    binary = build(version, "standard", "MPSSL_TLS13=0")
    yield from own_tests(version, "standard", binary, "-tls12")
    suites = ("extmod", "multi_net")
    for _, results in upstream.run_suites(tree_of(version), binary, "standard", suites, label="tls12"):
        yield from results


def rustcrypto_off():
    """All cryptography by Mbed TLS itself, record buffers its own, and keys that ciphers do not
    tell, as on a chip that computes it: the core, and our tests."""
    yield from rust("--no-default-features", "--features", "exported-keys,keylog")
    version = default_version()
    binary = build(
        version, "standard", "MPSSL_P256=0", "MPSSL_AES_GCM=0", "MPSSL_RECORD_BUFFERS=0"
    )
    yield p256_backend("MPSSL_P256=0", binary, "mbedtls")
    _, symbols = harness.run(["nm", binary], 60)
    wrapped = re.search("__wrap_mbedtls_(ecp|gcm|aes)", symbols)
    yield Result("no arithmetic is wrapped", "fail" if wrapped else "pass")
    # TLS 1.3's type of the content is in Mbed TLS's own buffer of 4096 bytes, too.
    without = {"ssl_memory": "prints lengths of records"}
    yield from own_tests(version, "standard", binary, "-rustcrypto_off", without=without)


SWITCH_PARTS = 4


def switches_section(part):
    def section():
        """The core and the glue with one switch the other way at a time: a part of them."""
        genhdr = build(default_version(), "standard").parent
        env = {"MICROPYTHON_DIR": tree_of(default_version()), "MBEDTLS_DIR": mbedtls_dir()}
        runner = ROOT / "tests/switches/run.py"
        command = [sys.executable, runner, genhdr, "--part", f"{part}/{SWITCH_PARTS}"]
        yield from child(f"switches-{part}", command, 2400, env)

    return section


def in_rust(name, program, what, functions, objdump="objdump"):
    """Whether the linker did its work."""
    wrong = list(harness.unwrapped(program, functions, objdump))
    outcome = "fail" if wrong else "pass"
    return Result(f"{name}: {what} goes to Rust", outcome, "", "\n".join(wrong))


def p256_backend(name, program, expected):
    """What Python is told of P-256."""
    script = "import ssl, tls; ssl.SSLContext(0); print(tls.P256_BACKEND)"
    status, output = harness.run([program, "-c", script], 60)
    right = status == 0 and output.strip() == expected
    return Result(f"{name}: P256_BACKEND is {expected}", "pass" if right else "fail", "", output)


def stubs():
    """The type stubs: beside dir() of the built modules, and the examples checked against them."""
    env = {"MICROPYTHON": build(default_version(), "standard")}
    yield from child("stubs", [sys.executable, ROOT / "tests/stubs/run.py"], 600, env)


def docs():
    """The documentation: its code, its links, its sentences, and what is made from the source."""
    env = {"MICROPYTHON": build(default_version(), "standard")}
    yield from child("docs", [sys.executable, ROOT / "tests/docs/run.py"], 300, env)


def constant_time():
    """Multiplication with a secret takes the same number of instructions whatever the secret."""
    env = {"MICROPYTHON": build(default_version(), "standard")}
    yield from child("constant_time", [sys.executable, ROOT / "tests/constant_time/run.py"], 900, env)


def consumers():
    """Programs and libraries that use the module, and real peers."""
    env = {
        "MICROPYTHON": build(default_version(), "standard"),
        "MICROPYTHON_WEBREPL": build(default_version(), "standard", "--webrepl"),
        "MICROPYTHON_CRL": build(default_version(), "standard", "MPSSL_CRL=1"),
    }
    yield from child("consumers", [sys.executable, ROOT / "tests/consumers/run.py"], 1200, env)


def webrepl12():
    """Of the consumers, those of WebREPL at TLS 1.2. They want the same ports."""
    webrepl = build(default_version(), "standard", "--webrepl", "MPSSL_TLS13=0")
    env = {"MICROPYTHON": build(default_version(), "standard"), "MICROPYTHON_WEBREPL": webrepl}
    command = [sys.executable, ROOT / "tests/consumers/run.py", "webrepl:"]
    yield from child("webrepl12", command, 600, env)


def datagrams():
    """DTLS with real peers, direct and over a path that loses, doubles and reorders."""
    env = {"MICROPYTHON": build(default_version(), "standard")}
    yield from child("datagrams", [sys.executable, ROOT / "tests/datagrams/run.py"], 900, env)


def scanners():
    """What is flagged at a server of which nothing is set but its certificate: of TLS 1.2 alone, and
    as it is built by default."""
    for name, options in (("scanners, TLS 1.2", ["MPSSL_TLS13=0"]), ("scanners", [])):
        env = {"MICROPYTHON": build(default_version(), "standard", *options)}
        yield from child(name, [sys.executable, ROOT / "tests/scanners/run.py"], 2400, env)


def bogo():
    """BoringSSL's test runner at the core: a peer that breaks the protocol in thousands of ways."""
    env = {"MICROPYTHON_DIR": tree_of(default_version()), "MBEDTLS_DIR": mbedtls_dir()}
    command = [sys.executable, ROOT / "tests/bogo/run.py"]
    yield from child("bogo", command, 2400, env)
    yield from child("bogo, TLS 1.3", [*command, "--tls13"], 2400, env)


def torture():
    """The Nth allocation fails, the Nth callback raises, collects, closes, re-enters."""
    yield from child("torture", [sys.executable, ROOT / "tests/torture/run.py"], 900)


def torture13():
    """The same at TLS 1.3."""
    yield from child("torture13", [sys.executable, ROOT / "tests/torture/run.py", "--tls13"], 900)


def fuzz():
    """Random calls in random order, under the sanitizers: for a minute, or FUZZ_SECONDS. A commit's
    seeds are its own, so that a failure comes again."""
    binary = build(default_version(), "standard", "--asan", "MPSSL_MEMORY=1")
    seconds = int(os.environ.get("FUZZ_SECONDS") or 60)
    command = [sys.executable, ROOT / "tests/fuzz/run.py", "--binary", binary, "--seconds", str(seconds)]
    if not os.environ.get("FUZZ_SECONDS"):
        status, commits = harness.run(["git", "rev-list", "--count", "HEAD"], 20, ROOT)
        command += ["--first", str(int(commits) * 10000)] if status == 0 else []
    yield from child("fuzz", command, seconds + 900)


def stress_threads(name, binary, env=None):
    """Twenty seconds of connections that threads share, with seeds that nobody has tried."""
    seed = int(time.time())
    command = [binary, "-X", "heapsize=16M", ROOT / "tests/torture/threads.py", "20", str(seed)]
    status, output = harness.run(command, 120, env=env)
    right = status == 0 and re.search(r"^ok \d+$", output, re.M)
    details = f"began with seed {seed}\n{output[-6000:]}"
    return Result(f"{name}: threads that share connections", "pass" if right else "fail", "", details)


def threads():
    """Threads that share connections, at the same time and with MicroPython's global lock; our
    tests with the latter."""
    version = default_version()
    if [int(n) for n in version.split(".")[:2]] < [1, 26]:
        raise Unavailable("the unix port has a global lock from MicroPython 1.26 on")
    locked = build(version, "standard", "MICROPY_PY_THREAD_GIL=1")
    yield stress_threads("without a lock", build(version, "standard"))
    yield stress_threads("with the lock", locked)
    yield from own_tests(version, "standard", locked, "-gil", single_only=True)


def esp32():
    """The esp32 port's build, as far as it goes without ESP-IDF; the core for each of its chips."""
    env = {"MICROPYTHON_DIR": tree_of(default_version()), "MBEDTLS_DIR": mbedtls_dir()}
    yield from child("esp32", [sys.executable, ROOT / "ports/esp32/tests/run.py"], 2700, env)


def build_files():
    """What the build files find out about a port by themselves."""
    yield from ports.results(tree_of(default_version()))


# Faults that no correct checker overlooks: what proves that one is really at work. The last two,
# of a record buffer of Mbed TLS's and of an allocation of Rust's, only a build with
# AddressSanitizer makes and sees.
DELIBERATE = {
    "overflow": """
import ffi, uctypes
block = ffi.open(None).func("P", "malloc", "L")(8)
print(uctypes.bytearray_at(block, 9)[8])
""",
    "leak": """
import ffi
malloc = ffi.open(None).func("P", "malloc", "L")
for i in range(100):
    malloc(1000 + i)
""",
    "overflow of a record buffer": """
import io, tls, uctypes

class Stream(io.IOBase):
    def readinto(self, buf):
        return None

    # What is written lies in the record's buffer; what is read first goes elsewhere.
    def write(self, buf):
        behind = uctypes.bytearray_at(uctypes.addressof(buf), len(buf) + 4096)
        for i in range(len(behind)):
            behind[i]
        return len(buf)

    def ioctl(self, request, arg):
        return 0

context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_NONE
context.wrap_socket(Stream(), do_handshake_on_connect=False).write(b"x")
""",
    "overflow of a Rust allocation": """
import ffi
ffi.open(None).func("v", "mpssl_deliberate_overflow", "")()
""",
}


def deliberate(command, fault, signs, env=None):
    """Runs a script with a fault; what was printed must contain `signs`."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "fault.py"
        script.write_text(DELIBERATE[fault])
        status, output = harness.run([*command, script], 60, env=env)
    caught = status != 0 and re.search(signs, output)
    return Result(f"a deliberate {fault} is noticed", "pass" if caught else "fail", "", output[-3000:])


def asan():
    """Upstream's and our tests under AddressSanitizer and LeakSanitizer, with memory reports. In C
    and Rust, of which debug assertions are on; our C under UndefinedBehaviorSanitizer. Of the
    standard variant, where Mbed TLS's memory comes from malloc: what the collector gives, these
    do not see the borders of."""
    version = default_version()
    binary = build(version, "standard", "--asan", "MPSSL_MEMORY=1", "MPSSL_KEYLOG=1", "MPSSL_TLS13=0")
    _, symbols = harness.run(["nm", binary], 60)
    for sanitizer, sign in (("Address", "__asan_init"), ("UndefinedBehavior", "__ubsan_handle")):
        outcome = "pass" if sign in symbols else "fail"
        yield Result(f"the binary has {sanitizer}Sanitizer", outcome)
    env = {"ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1"}
    overflow = "AddressSanitizer: heap-buffer-overflow"
    yield deliberate([binary], "overflow", overflow, env)
    # By one byte.
    of_ours = rf"(?s){overflow}.*located 0 bytes (to the right of|after) .*allocated by .*mpssl_calloc"
    yield deliberate([binary], "overflow of a record buffer", of_ours, env)
    # In an instruction of Rust's own.
    in_rust = rf"(?s){overflow}.*WRITE of size 1.*#0 \w+ in mpssl_deliberate_overflow"
    yield deliberate([binary], "overflow of a Rust allocation", in_rust, env)
    leak = deliberate([binary], "leak", r"LeakSanitizer: detected memory leaks", env)
    if leak.outcome == "fail" and "LeakSanitizer has encountered a fatal error" in leak.details:
        # It traces the process, which some containers forbid.
        leak.outcome, leak.reason = "skip", "LeakSanitizer cannot run in this container"
        env["ASAN_OPTIONS"] = "detect_leaks=0:halt_on_error=1"
    yield leak
    yield stress_threads("AddressSanitizer", binary, env)
    env["MICROPY_TEST_TIMEOUT"] = "120"
    for _, results in upstream.run_suites(
        tree_of(version), binary, "standard", ("extmod", "multi_net"), label="asan", env=env, slower=2
    ):
        yield from results
    yield from own_tests(version, "standard", binary, "-asan", env=env, slower=2, debug=True)


def valgrind():
    """Upstream's extmod tests and pairs, and our single tests, under memcheck."""
    version = default_version()
    # The coverage variant runs all finalisers at exit: what is left then is lost.
    binary = build(version, "coverage")
    folder = BUILD / "valgrind"
    folder.mkdir(exist_ok=True)
    for log in folder.glob("*.log"):
        log.unlink()
    checker = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full"]
    checker += ["--errors-for-leak-kinds=definite", f"--suppressions={ROOT}/tests/valgrind.supp"]
    yield deliberate([*checker, binary], "overflow", "Invalid read of size 1")
    yield deliberate([*checker, binary], "leak", "definitely lost")
    # Memcheck's reports go to files, the program's output to its reader.
    wrapper = folder / "micropython"
    words = " ".join(f"'{word}'" for word in [*checker, f"--log-file={folder}/%p.log", binary])
    wrapper.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    wrapper.chmod(0o755)
    env = {"MICROPY_TEST_TIMEOUT": "300"}
    results = []
    for _, some in upstream.run_suites(
        tree_of(version), wrapper, "coverage", ("extmod", "multi_net"), label="valgrind", env=env, slower=3
    ):
        results += some
    results += own_tests(version, "coverage", wrapper, "-valgrind", single_only=True, env=env, slower=3)
    yield from results
    # Whatever a runner made of it, a report is a failure.
    reports = [log.read_text(errors="replace") for log in sorted(folder.glob("*.log"))]
    reports = [text for text in reports if re.search(r"==\d+== \S", text)]
    yield Result("no report from valgrind", "fail" if reports else "pass", "", "\n".join(reports)[:8000])


# What the Rust archive may ask of the rest of the firmware.
ARCHIVE_MAY_USE = re.compile(
    r"^(mpglue_\w+|(__real_)?mbedtls_\w+|psa_\w+|mem(cpy|move|set|cmp)|bcmp|strlen|_GLOBAL_OFFSET_TABLE_"
    r"|__aeabi_mem(cpy|move|set|clr)[48]?"  # c_glue/arm_eabi.c
    r"|__aeabi_(lmul|llsl|uidiv)|__clzsi2)$"  # libgcc, on Cortex-M0
)
PANICS = re.compile(r"core::panicking|4core9panicking|rust_begin_unwind|\bpanic_(fmt|impl|bounds_check)")


def needs_of(archive):
    """What the crate's own objects, and the members of the archive that they use, leave undefined.

    Not the rest: compiler_builtins brings hundreds of functions that nothing here calls.
    """
    _, output = harness.run(["nm", "-A", archive], 60)
    defines = {}  # symbol -> a member that has it
    uses = {}  # member -> symbols
    for line in output.splitlines():
        match = re.match(r".*?\.a:([^:]+):[0-9a-f ]* ([A-Za-z]) (\S+)$", line)
        if match and match[2] in "Uwv":
            uses.setdefault(match[1], set()).add(match[3])
        elif match:
            defines.setdefault(match[3], match[1])
            uses.setdefault(match[1], set())
    todo = [member for member in uses if member.startswith("micropython_ssl")]
    seen, missing = set(todo), set()
    while todo:
        for symbol in uses[todo.pop()]:
            member = defines.get(symbol)
            if member is None:
                missing.add(symbol)
            elif member not in seen:
                seen.add(member)
                todo.append(member)
    return missing if seen else {"(no object of the crate)"}


def contents(name, program, cargo=None):
    """What is, and is not, in a linked program and in the Rust archive beside it, or where `cargo`
    says."""
    _, symbols = harness.run(["nm", "-C", program], 60)
    has_module = re.search(r" [Tt] mpssl_socket_read$", symbols, re.M)
    yield Result(f"{name}: the module is linked in", "pass" if has_module else "fail")
    panics = [line for line in symbols.splitlines() if PANICS.search(line)]
    details = "\n".join(panics)
    yield Result(f"{name}: nothing that panics", "fail" if panics else "pass", "", details)
    cargo = cargo or program.parent / "rust"
    archives = sorted(cargo.glob("**/release/libmicropython_ssl.a"))
    if len(archives) != 1:
        yield Result(f"{name}: the Rust archive", "fail", f"found {len(archives)} archives")
        return
    extra = sorted(s for s in needs_of(archives[0]) if not ARCHIVE_MAY_USE.match(s))
    outcome = "fail" if extra else "pass"
    yield Result(f"{name}: the Rust archive needs only what it may", outcome, "", "\n".join(extra))


def look_into(version, variant, program):
    """A program of the unix port's."""
    name = f"{version} {variant}"
    yield from contents(name, program)
    yield in_rust(name, program, "P-256", harness.P256_WRAPPED)
    yield p256_backend(name, program, "rustcrypto")
    if platform.machine() == "x86_64":
        yield in_rust(name, program, "AES-GCM", harness.AES_GCM_WRAPPED)
        yield aes_in_hardware(name, program)


def binary():
    """What is linked."""
    for version, variant, program in first_build():
        yield from look_into(version, variant, program)


def aes_in_hardware(name, program):
    """AES and GHASH by the CPU's own instructions, and reached from Mbed TLS's AES and GCM."""
    _, listing = harness.run(["objdump", "-d", "--no-show-raw-insn", program], 300)
    functions = dict(re.findall(r"<(\w+)>:\n((?:.+\n)*)", listing))
    missing = [
        f"{words} in {function}"
        for function, words in (
            ("mbedtls_aesni_crypt_ecb", r"\baesenc\b"),
            ("mbedtls_aesni_gcm_mult", r"\bpclmul"),
            ("mbedtls_aes_crypt_ecb", "mbedtls_aesni_crypt_ecb"),
            ("gcm_mult", "mbedtls_aesni_gcm_mult"),
        )
        if not re.search(words, functions.get(function, ""))
    ]
    return Result(f"{name}: AES-NI", "fail" if missing else "pass", "", "\n".join(missing))


# And what readelf calls the machine, and its objdump.
QEMU_BOARDS = {
    "VIRT_RV32": ("RISC-V", "riscv64-unknown-elf-objdump"),
    "MPS2_AN385": ("ARM", "arm-none-eabi-objdump"),
}


def build_firmware(board, name, tree, *options):
    """The firmware for an emulated board, for tests."""
    command = [ROOT / "ports/qemu/build.sh", "--micropython", tree]
    command += ["--mbedtls", mbedtls_dir(), "--board", board, "--out", BUILD / name, "--tests", *options]
    once(name, lambda: failure_of(name, command))
    return BUILD / name / "firmware.elf"


def machine_is(board, program, expected):
    _, header = harness.run(["readelf", "-h", program], 60)
    machine = re.search(r"Machine:\s*(.*)", header)
    right = machine and machine[1].strip() == expected
    return Result(f"{board}: the machine", "pass" if right else "fail", "", header)


def qemu_section(board):
    def section():
        """Bare metal: the firmware, and the tests on the emulated board."""
        name = f"qemu-{board}"
        program = build_firmware(board, name, tree_of(default_version()))
        expected, objdump = QEMU_BOARDS[board]
        yield machine_is(board, program, expected)
        yield from contents(board, program)
        yield in_rust(board, program, "P-256", harness.P256_WRAPPED, objdump)
        env = {"MICROPYTHON_DIR": tree_of(default_version())}
        yield from child(name, [sys.executable, ROOT / "tests/qemu/run.py", board, program], 2400, env)

    return section


LEAST = """
import link, pki, ssl
client, server, _, _ = link.connected(link.client_context(pki.ca_der))
print([name for name in ("PROTOCOL_DTLS_CLIENT", "DTLSListener", "HAS_PSK") if getattr(ssl, name, False)])
print(client.version(), client.write(b"hello"), server.read(5))
"""


def least():
    """All taken away from Mbed TLS that the module can do without: DTLS, PSK and the like."""
    name = "qemu-VIRT_RV32-least"
    header = ROOT / "tests/qemu/mbedtls_least.h"
    extra = f"MPSSL_EXTRA_MBEDTLS_CONFIG_FILE={header}"
    program = build_firmware("VIRT_RV32", name, tree_of(default_version()), extra)
    yield Result(f"{name}: it builds and links", "pass")
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(LEAST)
        script.flush()
        command = [ROOT / "ports/qemu/emulator.py", "VIRT_RV32", program, script.name]
        status, output = harness.run(command, 180)
    right = status == 0 and output.split("\n") == ["[]", "TLSv1.2 5 b'hello'", ""]
    yield Result(f"{name}: a verified handshake", "pass" if right else "fail", "", output)


# What ports/rp2/build.sh takes where MicroPython's tree has it not: releases come without.
RP2_LIBRARIES = ("pico-sdk-2.1.1", "tinyusb-0.18.0", "lwip-2.2.1")
# Board -> Rust target.
RP2_BOARDS = {"RPI_PICO": "thumbv6m-none-eabi", "RPI_PICO2": "thumbv8m.main-none-eabi"}
# What the file system leaves the firmware on either.
RP2_FIRMWARE = range(0x10000000, 0x10000000 + 1024 * 1024)
RP2_EXTRA = ROOT / "tests/rp2/mbedtls_extra.h"


def build_rp2(board, name, *options):
    """A firmware for rp2. Not `once`: that nothing is made again is tested."""
    command = [ROOT / "ports/rp2/build.sh", "--micropython", tree_of(default_version())]
    command += ["--mbedtls", mbedtls_dir(), "--board", board, "--out", BUILD / name]
    command += [f"MPSSL_EXTRA_MBEDTLS_CONFIG_FILE={RP2_EXTRA}", *options]
    failure = failure_of(name, command)
    if failure:
        raise BuildFailed(failure)
    return BUILD / name / "firmware.elf"


def rp2_section(board):
    def section():
        """MicroPython's rp2 port from clean, and how much larger it is than with the stock module."""
        missing = [tool for tool in ("cmake", "arm-none-eabi-g++", "arm-none-eabi-size") if not shutil.which(tool)]
        if missing:
            raise Unavailable(f"no {', '.join(missing)} here (tools/prerequisites.sh firmware)")
        if not (tree_of(default_version()) / "lib/pico-sdk/pico_sdk_init.cmake").exists():
            for library in RP2_LIBRARIES:
                source(library)
        name = f"rp2-{board}"
        shutil.rmtree(BUILD / name, ignore_errors=True)
        # What, in parallel, can come before cargo: it scans the sources for names.
        build_rp2(board, name, "MAKE_ARGS=BUILD_FROZEN_CONTENT")
        program = build_rp2(board, name)
        yield Result(f"{board}: it builds and links, from clean", "pass")
        yield machine_is(board, program, "ARM")
        yield from contents(board, program, BUILD / "rp2-cargo" / RP2_BOARDS[board])
        yield in_rust(board, program, "P-256", harness.P256_WRAPPED, "arm-none-eabi-objdump")
        yield compiled_by_cmake(board, program.parent)
        _, symbols = harness.run(["arm-none-eabi-nm", program], 60)
        end = int(re.search(r"^(\w+) . __flash_binary_end$", symbols, re.M)[1], 16)
        fits = "pass" if end - 1 in RP2_FIRMWARE else "fail"
        yield Result(f"{board}: the file system is behind the firmware", fits, "", f"which ends at {end:#x}")
        if board == "RPI_PICO":
            yield on_rp2040(program)
        made = list(program.parent.glob("micropython-ssl/**/*.[ah]")) + list(program.parent.glob("**/c_glue/*.o"))
        before = [path.stat().st_mtime_ns for path in made]
        build_rp2(board, name)
        same = before == [path.stat().st_mtime_ns for path in made] and len(made) > 8
        yield Result(f"{board}: nothing is made again", "pass" if same else "fail", f"of {len(made)} files")
        stock = build_rp2(board, f"{name}-stock", "--stock")
        _, sizes = harness.run(["arm-none-eabi-size", stock, program], 60)
        yield Result(f"{board}: size, stock's and ours", "note", "", sizes)

    return section


def compiled_by_cmake(board, out):
    """How CMake has the sources compiled on which the module has a say."""
    commands = {}
    for entry in json.loads((out / "compile_commands.json").read_text()):
        commands[Path(entry["file"]).name] = shlex.split(entry["command"])
    wrong = ["the stock module is compiled"] if "modtls_mbedtls.c" in commands else []
    ours = f'-DMBEDTLS_CONFIG_FILE="{ROOT}/c_glue/mbedtls_config.h"'
    for name in ("abi_check.c", "ssl_tls.c", "modhashlib.c", "threading.c"):
        words = commands.get(name, [])
        if ours not in words:
            wrong.append(f"{name} is not compiled with our configuration")
        if not any(re.match(r'-DMPSSL_PORT_MBEDTLS_CONFIG_FILE=".*/rp2/mbedtls/', word) for word in words):
            wrong.append(f"{name} has lost the port's configuration")
        if f'-DMPSSL_EXTRA_MBEDTLS_CONFIG_FILE="{RP2_EXTRA}"' not in words:
            wrong.append(f"{name} has lost what has the last word on it")
    if [word for word in commands.get("gcm.c", []) if word.startswith("-O")][-1:] != ["-O2"]:
        wrong.append("gcm.c is not compiled for speed")
    return Result(f"{board}: how it is compiled", "fail" if wrong else "pass", "", "\n".join(wrong))


def on_rp2040(program):
    """The very firmware at work."""
    name = "RPI_PICO: a verified handshake on an emulated RP2040"
    emulator = BUILD / "rp2-emulator"
    reason = harness.install(ROOT / "tests/rp2/emulator.txt", emulator, 120)
    if reason:
        # Its one wheel with compiled code in it is for one Python and one machine.
        return Result(name, "skip", f"no emulator: {reason}")
    raw, image = program.with_suffix(".bin"), program.with_suffix(".uf2")
    harness.run(["arm-none-eabi-objcopy", "-O", "binary", program, raw], 60)
    convert = [sys.executable, tree_of(default_version()) / "tools/uf2conv.py", "--convert", "--family", "RP2040"]
    harness.run([*convert, "--base", "0x10000000", "--output", image, raw], 60)
    command = [sys.executable, "-m", "rp2040py", "micropython", "--image", image, ROOT / "tests/rp2/handshake.py"]
    status, output = harness.run(command, 900, env={"PYTHONPATH": emulator})
    right = status == 0 and "rustcrypto TLSv1.2 5 b'hello'" in output
    return Result(name, "pass" if right else "fail", "", output)


class Section:
    """What is run as one, and about how long that takes on two cores (the choice of what fits)."""

    def __init__(self, run, seconds, first=False, waits=False, every_ci=False):
        self.run = run
        self.seconds = seconds
        # Of `make test`: with the others of that kind, every behaviour once.
        self.first = first
        # Beside those, part of each CI run.
        self.every_ci = every_ci or first
        # For the network, timers and children more than for a core.
        self.waits = waits


def sections():
    """name -> Section, in the order in which they run."""
    releases = list(trees() if os.environ.get("MICROPYTHON_DIR") else RELEASES)
    default = releases[0]
    every = {
        "rust": Section(rust, 170, first=True),
        "consumers": Section(consumers, 300, first=True, waits=True),
        f"upstream-{default}-standard": Section(upstream_section(default, "standard"), 60, first=True),
        "micropython": Section(micropython, 30, first=True),
        "net_hosted": Section(net_hosted, 10, first=True),
        "binary": Section(binary, 10, first=True),
        "build_files": Section(build_files, 5, first=True),
        "stubs": Section(stubs, 20, first=True),
        "docs": Section(docs, 15, first=True),
        "datagrams": Section(datagrams, 130, first=True, waits=True),
    }
    every["fuzz"] = Section(fuzz, 180, every_ci=True)
    every["fresh"] = Section(fresh_section(), 120, every_ci=True)
    # Other machines.
    for board in QEMU_BOARDS:
        # In each CI run an ARM: C's enumerations are of one byte there, Rust's bindings of them too.
        every[f"qemu-{board}"] = Section(qemu_section(board), 300, every_ci=board == "MPS2_AN385")
    every["least"] = Section(least, 60)
    for board in RP2_BOARDS:
        every[f"rp2-{board}"] = Section(rp2_section(board), 400)
    every["esp32"] = Section(esp32, 540)
    every["fresh-llvm"] = Section(fresh_section("--with", "llvm"), 130)
    # Other versions.
    if not (os.environ.get("MICROPYTHON_DIR") or os.environ.get("MBEDTLS_DIR")):
        for mbedtls in MBEDTLS_RELEASES:
            for version in releases:
                name = f"versions-{mbedtls.partition('-')[2]}-{version}"
                every[name] = Section(pair_section(mbedtls, version), 120)
        every["shape-mbedtls"] = Section(shape_mbedtls, 280)
        every["shape-micropython"] = Section(shape_micropython, 240)
    every["micropython_others"] = Section(micropython_others, 400)
    # What looks deeper.
    every["tls12"] = Section(tls12, 150)
    every["tls13"] = Section(tls13, 600)
    every["rustcrypto_off"] = Section(rustcrypto_off, 280)
    every["bogo"] = Section(bogo, 450)
    every["torture"] = Section(torture, 540)
    every["torture13"] = Section(torture13, 540)
    every["webrepl12"] = Section(webrepl12, 100, waits=True)
    every["scanners"] = Section(scanners, 340, waits=True)
    every["threads"] = Section(threads, 150)
    every["asan"] = Section(asan, 420)
    every["valgrind"] = Section(valgrind, 500)
    every["constant_time"] = Section(constant_time, 15)
    for version in releases:
        for variant in VARIANTS:
            every.setdefault(f"upstream-{version}-{variant}", Section(upstream_section(version, variant), 90))
    for part in range(SWITCH_PARTS):
        every[f"switches-{part}"] = Section(switches_section(part), 330)
    return every


def report(section, results):
    """Names what failed, then shows the details. What a runner of its own only counted, or the
    hundredth of many, is not a line each."""
    failed = [r for r in results if r.outcome == "fail"]
    named = [r for r in failed if r.reason or r.name != section][:100]
    for r in named:
        print(f"FAIL  {r.name}" + (f": {r.reason}" if r.reason else ""))
    if len(failed) > len(named):
        print(f"FAIL  {section}: {len(failed) - len(named)} more")
    shown = [r for r in results if r.outcome in ("fail", "note") and r.details]
    for r in shown[:20]:
        print(f"--- {r.name}\n{r.details.rstrip()}")
    if len(shown) > 20:
        print(f"--- and {len(shown) - 20} more with details")
    log = BUILD / "test-logs" / f"{section}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"{r.outcome} {r.name}: {r.reason}\n{r.details}\n" for r in [*failed, *shown]))
    if failed:
        print(f"   everything about the failures: {log.relative_to(ROOT)}")


def run_section(name, section):
    """A list of Result, whatever happens."""
    results = []
    try:
        for result in section.run():
            results.append(result)
    except Unavailable as reason:
        return [Result(name, "skip", str(reason))]
    except BuildFailed as reason:
        first, _, rest = str(reason).partition("\n")
        results.append(Result(name, "fail", first, rest))
    # What cannot run here is skipped, and said; nothing at all is a mistake of ours.
    if not any(r.outcome in ("pass", "fail") or r.outcome == "skip" and r.reason for r in results):
        results.append(Result(name, "fail", "the section ran no test"))
    return results


def run_one(name, section, numbers):
    """A section in this process; what came of it goes to the file `numbers`, for the parent."""
    print(f"== {name}", flush=True)
    start = time.monotonic()
    results = run_section(name, section)
    seconds = time.monotonic() - start
    report(name, results)
    counts = harness.count(results)
    print(f"   {name}: {harness.counts_line(*counts)} in {seconds:.0f} s", flush=True)
    skips = [(r.name, r.reason) for r in results if r.outcome == "skip"]
    Path(numbers).write_text(json.dumps([counts, seconds, skips]))
    return 1 if counts[1] else 0


class Lane(threading.Thread):
    """Takes sections from a queue, which lanes share, and runs each in a process of its own, whose
    output comes out in one piece if there is another lane."""

    lock = threading.Lock()

    def __init__(self, queue, rows, alone):
        super().__init__()
        self.queue = queue
        self.rows = rows
        self.alone = alone

    def run(self):
        while True:
            try:
                name = self.queue.popleft()
            except IndexError:
                return
            with tempfile.NamedTemporaryFile() as numbers:
                command = [sys.executable, __file__, "--one", numbers.name, name]
                output = None if self.alone else subprocess.PIPE
                done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
                with self.lock:
                    if output:
                        sys.stdout.buffer.write(done.stdout)
                        sys.stdout.flush()
                    try:
                        self.rows[name] = json.loads(Path(numbers.name).read_text())
                    except ValueError:
                        print(f"FAIL  {name}: its runner ended with status {done.returncode}", flush=True)
                        self.rows[name] = [[0, 1, 0], 0, []]


def rotated(every, minutes):
    """The first sections, and of the rest, from the place that the number of commits says on,
    those that fit."""
    status, output = harness.run(["git", "rev-list", "--count", "HEAD"], 20, ROOT)
    first = [name for name, section in every.items() if section.every_ci]
    rest = [name for name, section in every.items() if not section.every_ci]
    at = int(output) % len(rest) if status == 0 else 0
    left = minutes * 60 - sum(every[name].seconds for name in first)
    chosen = set()
    for name in rest[at:] + rest[:at]:
        if every[name].seconds <= left:
            left -= every[name].seconds
            chosen.add(name)
    return first + [name for name in rest if name in chosen]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="SECTION")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--minutes", type=int)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--one", metavar="FILE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    every = sections()
    if args.list:
        for name, section in every.items():
            print(f"{name:<28}{section.seconds:>5} s{'  make test' if section.first else ''}")
        return 0
    unknown = [name for name in args.names if name not in every]
    if unknown:
        parser.error(f"no section {unknown[0]} (there are: {', '.join(every)})")
    if args.one:
        return run_one(args.names[0], every[args.names[0]], args.one)

    if not (os.environ.get("MICROPYTHON_DIR") and os.environ.get("MBEDTLS_DIR")):
        if subprocess.run([ROOT / "tools/sources.sh"]).returncode != 0:
            return 1
    # Sockets that a test leaves behind and Python's caches stay out of the source tree.
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

    if args.all:
        names = list(every)
    elif args.minutes:
        names = rotated(every, args.minutes)
    else:
        names = args.names or [name for name, section in every.items() if section.first]
    start = time.monotonic()
    free = shutil.disk_usage(BUILD if BUILD.exists() else ROOT).free
    rows = {}
    waits = collections.deque(name for name in names if every[name].waits)
    computes = collections.deque(name for name in names if not every[name].waits)
    # Most sections have one process at work; those that build have all cores, one at a time (`once`).
    # Where they cannot have a network each, they would meet at upstream's one port.
    cores = (os.cpu_count() or 1) if harness.private_network() else 1
    computing = [computes] * min(len(computes), cores)
    waiting = [waits] if waits else []
    alone = len(computing + waiting) == 1
    built = tempfile.TemporaryDirectory()
    os.environ["MPSSL_TESTS_BUILT"] = built.name
    lanes = [Lane(queue, rows, alone) for queue in computing + waiting]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()

    print(f"\n{'section':<28}  passed  failed  skipped  seconds")
    for name in names:
        counts, seconds, _ = rows[name]
        print(f"{name:<28}" + "".join(f"{n:>8}" for n in counts) + f"{seconds:>10.0f}")
    print(f"{'all of it':<28}" + f"{time.monotonic() - start:>34.0f}")
    skips = [(name, *skip) for name in names for skip in rows[name][2]]
    if skips:
        print("\nskipped:")
        for name, what, why in skips:
            print(f"  {name}: {what}: {why or 'no reason given'}")
    used = (free - shutil.disk_usage(BUILD).free) / 1e9
    print(f"\ndisk: {free / 1e9:.1f} GB were free, {max(used, 0):.1f} of them are used now")
    left_out = [name for name in every if name not in names]
    if left_out and not args.names:
        print("\nleft out here, and run by make test-all: " + ", ".join(left_out))
    print()
    totals = [sum(rows[name][0][i] for name in names) for i in range(3)]
    print(harness.counts_line(*totals), flush=True)
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
