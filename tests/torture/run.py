#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Torture: what does the module do when memory runs out, a stream raises, a callback
closes the socket, ... at the 1st, 2nd, 3rd point where it can?

Runs torture.py once per cell of the table scenario x injection, each in a process of its
own, so that a crash costs one run and not the rest. Prints the table and the totals; exit
status 1 if anything failed. --stock tortures the stock module for comparison: it is
expected to crash, and the status is 0. (Its coverage variant takes hours: use --step.)

Allocation failures are injected at each N up to 200, at every 41st up to 2000 and at every
1009th beyond; call-outs at every N.
"""

import argparse
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

ROOT = HERE.parent.parent
PKI = ROOT / "build" / "torture-pki"

CRASHES = {"hung", *(s.name for s in signal.Signals)}

SILENCE = 20  # seconds without a line after which a run counts as hung
MAX_HANGS = 2  # in one cell; then its rest counts as one failure


def build(variant, args):
    micropython = os.environ.get("MICROPYTHON_DIR", ROOT / "build/src/micropython")
    name = ("stock-" if args.stock else "") + ("torture13-" if args.tls13 else "torture-")
    name += variant + ("-asan" if args.asan else "")
    out = ROOT / "build" / name
    command = [ROOT / "ports/unix/build.sh", "--micropython", micropython, "--variant", variant]
    command += ["--modules", HERE, "--out", out]
    mbedtls = os.environ.get("MBEDTLS_DIR", ROOT / "build/src/mbedtls")
    if pathlib.Path(mbedtls).is_dir():
        command += ["--mbedtls", mbedtls]
    command += ["--stock"] if args.stock else [f"MPSSL_TLS13={int(args.tls13)}"]
    command += ["--asan"] * args.asan
    print(f"torture: building build/{name}", flush=True)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        sys.exit(result.stdout[-4000:] + f"\ntorture: build/{name} does not build")
    return out / "micropython"


def make_pki():
    """A CA, a server, a second server, a client, and a CA that nobody's certificate is from."""
    if (PKI / "done").exists():
        return
    PKI.mkdir(parents=True, exist_ok=True)

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=PKI, check=True, stderr=subprocess.DEVNULL)

    def issue(name, subject, *options):
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"]
        openssl("req", "-x509", *curve, "-subj", "/CN=" + subject, "-days", "7300", *options,
                "-keyout", name + "_key.pem", "-out", name + ".pem")
        openssl("x509", "-in", name + ".pem", "-outform", "DER", "-out", name + ".der")
        openssl("pkey", "-in", name + "_key.pem", "-outform", "DER", "-out", name + "_key.der")

    by_ca = ["-CA", "ca.pem", "-CAkey", "ca_key.pem", "-addext", "basicConstraints=critical,CA:FALSE"]
    host = ["-addext", "subjectAltName=DNS:micropython.local"]
    issue("ca", "torture CA")
    issue("stranger", "another CA")
    issue("server", "micropython.local", *by_ca, *host)
    issue("other", "micropython.local", *by_ca, *host)
    issue("client", "torture client", *by_ca)
    (PKI / "done").touch()


class Cell:
    def __init__(self, scenario, injection):
        self.scenario = scenario
        self.injection = injection
        self.points = None
        self.runs = 0
        self.seen = 0  # runs that ended in an exception
        self.failures = {}  # N -> what was wrong
        self.skipped = None
        self.seconds = 0.0

    def crashes(self):
        return sum(problem in CRASHES for problems in self.failures.values() for problem in problems)

    def text(self):
        if self.skipped:
            return "skip"
        if not self.runs and not self.failures:
            return "-"
        return f"{self.runs}" + (f"!{len(self.failures)}" if self.failures else "")


class Binary:
    def __init__(self, micropython, step, counted):
        self.step = step
        self.command = [micropython, HERE / "torture.py", PKI]
        self.env = dict(os.environ, TZ="UTC")
        if not counted:
            # A coverage build would merge its counters into the same files at each exit.
            self.env |= {"GCOV_PREFIX": "/dev/null", "GCOV_ERROR_FILE": "/dev/null"}
        # The GC heap hides its pointers from the leak checker; faultinject looks for leaks.
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=0")

    def tables(self):
        text = subprocess.run([*self.command, "list"], env=self.env, check=True, capture_output=True, text=True).stdout
        return [line.split(",") for line in text.splitlines()[:3]]

    def run_cell(self, cell, silence=SILENCE):
        started = time.monotonic()
        first, hangs = 1, 0
        while first is not None:
            n, problem = self.run_from(cell, first, silence)
            first = None
            if problem:
                cell.failures.setdefault(n, []).append(problem)
                hangs += problem == "hung"
                if n > 0 and hangs < MAX_HANGS:
                    cell.runs += 1
                    first = n + 1
        cell.seconds = time.monotonic() - started
        return cell

    def run_from(self, cell, first, silence):
        """Runs the cell from that N on; returns (N, what killed it or None)."""
        command = [*self.command, "run", cell.scenario, cell.injection, str(first), str(self.step)]
        n, ended = 0, False
        with subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            other = []
            for line in harness.lines(process.stdout, silence):
                word, _, rest = line.partition(" ")
                if line.startswith("@"):
                    n = int(line[1:])
                elif line.startswith("!"):
                    cell.failures.setdefault(n, []).append(line[1:])
                elif word == "points":
                    cell.points = int(rest)
                elif word == "ok":
                    cell.runs += 1
                elif word == "seen":
                    cell.seen += int(rest)
                elif word == "skip":
                    cell.skipped = rest
                elif line == "end":
                    ended = True
                else:
                    other.append(line)
            if process.poll() is None:
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    process.kill()
                    return n, "hung"
        if process.returncode < 0:
            return n, signal.Signals(-process.returncode).name
        if not ended:
            return n, f"exit status {process.returncode}: " + " | ".join(other)[-600:]
        return n, None


def selfcheck(binary, names):
    """Each of these cells must fail, and in this way; returns what did not."""
    expected = {
        "selfcheck swallowed": ("ValueError", "None came out"),
        "selfcheck disguised": ("ValueError", "came out"),
        "selfcheck leak": ("gc.collect", "not freed"),
        "selfcheck crash": ("gc.collect", "SIGSEGV"),
        "selfcheck hang": ("gc.collect", "hung"),
    }
    blind = sorted(set(names) ^ set(expected))
    for name, (injection, text) in expected.items():
        cell = binary.run_cell(Cell(name, injection), silence=2)
        if not any(text in problem for problems in cell.failures.values() for problem in problems):
            blind.append(f"{name}: {cell.failures}")
    return blind


def report(cells, scenarios, injections, verbose):
    table = {(cell.scenario, cell.injection): cell for cell in cells}
    shown = [i for i in injections if any((s, i) in table for s in scenarios)]
    print("\nruns of each scenario under each injection; !n: n of them failed; -: nothing to inject at")
    for number, injection in enumerate(shown, 1):
        print(f"  {number:2} {injection}")
    width = max(map(len, scenarios))
    print(" " * width + "".join(f"{number:>8}" for number in range(1, len(shown) + 1)))
    for scenario in scenarios:
        row = [table.get((scenario, i)) for i in shown]
        if any(row):
            print(f"{scenario:<{width}}" + "".join(f"{cell.text() if cell else '':>8}" for cell in row))
    for name, count in (
        ("runs", lambda cell: cell.runs),
        ("failed", lambda cell: len(cell.failures)),
        ("of these, crashed or hung", Cell.crashes),
    ):
        sums = (sum(count(table[s, i]) for s in scenarios if (s, i) in table) for i in shown)
        print(f"{name:<{width}}" + "".join(f"{total:>8}" for total in sums))
    for cell in cells:
        if cell.failures:
            print(f"\n{cell.scenario} x {cell.injection}, {cell.points} points:")
            shown_failures = list(cell.failures.items())
            for n, problems in shown_failures if verbose else shown_failures[:4]:
                print(f"  N={n}: " + "; ".join(problems))
            if not verbose and len(shown_failures) > 4:
                print(f"  and N={', '.join(str(n) for n, _ in shown_failures[4:40])}")


def torture(variant, args):
    binary = Binary(args.binary or build(variant, args), args.step, args.counted)
    scenarios, injections, selfchecks = binary.tables()
    wanted = [
        Cell(s, i)
        for i in injections
        for s in scenarios
        if (not args.scenario or args.scenario in s) and (not args.injection or args.injection in i)
    ]
    module = "stock module" if args.stock else f"this module, TLS {'1.3' if args.tls13 else '1.2'}"
    print(f"torture: {variant}, {module}, {len(wanted)} cells", flush=True)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        blind = pool.submit(selfcheck, binary, selfchecks)
        # The allocation columns are the long ones: first, so that no core idles at the end.
        order = sorted(wanted, key=lambda cell: "alloc" not in cell.injection)
        cells = []
        for done, cell in enumerate(pool.map(binary.run_cell, order), 1):
            cells.append(cell)
            if done % 100 == 0:
                print(f"torture: {done} of {len(order)} cells, {time.monotonic() - started:.0f} s", flush=True)
        blind = blind.result()
    if len(cells) == len(scenarios) * len(injections):
        for injection in injections:
            column = [cell for cell in cells if cell.injection == injection]
            if not any(cell.runs for cell in column):
                blind.append(f"{injection}: never happened")
            if "alloc" in injection and not any(cell.seen for cell in column):
                blind.append(f"{injection}: nobody ran out of memory")
    report(cells, scenarios, injections, args.verbose)
    if args.verbose:
        for cell in sorted(cells, key=lambda cell: -cell.seconds)[:10]:
            print(f"{cell.seconds:6.1f} s  {cell.scenario} x {cell.injection}")
    for text in blind:
        print("SELF-CHECK FAILED:", text)
    failed = sum(len(cell.failures) for cell in cells) + len(blind)
    # A failure at N=0 is no run: the undisturbed scenario failed, or the cell as a whole.
    bad_runs = sum(len(set(cell.failures) - {0}) for cell in cells)
    passed = sum(cell.runs for cell in cells) - bad_runs
    skipped = sum(cell.skipped is not None for cell in cells)
    print(f"\ntorture: {variant}: {passed} passed, {failed} failed, {skipped} skipped, "
          f"{time.monotonic() - started:.0f} s", flush=True)
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=("standard", "coverage"), help="default: both; standard with --stock")
    parser.add_argument("--stock", action="store_true", help="torture the stock module; the exit status is 0")
    parser.add_argument("--binary", help="torture this one, built with the faultinject module, and build nothing")
    parser.add_argument("--counted", action="store_true", help="let a coverage build count what it reaches")
    parser.add_argument("--tls13", action="store_true", help="at TLS 1.3, which is then what two ends prefer")
    parser.add_argument("--asan", action="store_true", help="build with AddressSanitizer")
    parser.add_argument("--scenario", help="only scenarios whose name contains this")
    parser.add_argument("--injection", help="only injections whose name contains this")
    parser.add_argument("--step", type=int, default=1, help="only each of so many runs, for a quick look")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("-v", "--verbose", action="store_true", help="print every failure and the slowest cells")
    args = parser.parse_args()
    make_pki()
    both = ("standard",) if args.stock else ("standard", "coverage")
    variants = (args.variant,) if args.variant else both
    totals = [sum(column) for column in zip(*(torture(variant, args) for variant in variants))]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] and not args.stock else 0


if __name__ == "__main__":
    sys.exit(main())
