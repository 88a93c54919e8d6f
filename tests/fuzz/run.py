#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Random calls in random order, on random contexts, connections and listeners, over paths in
memory that lose, change and forge, under AddressSanitizer and UndefinedBehaviorSanitizer.

    tests/fuzz/run.py --seconds 3600     for so long, each time other seeds
    tests/fuzz/run.py --first N --runs K
    tests/fuzz/run.py --seed N           one run, each call shown

fuzz.py, which does it, says what is right. A run is its seed's: clock and random bytes come from
world.c. Seeds that failed go to seeds.txt, which is run first each time; they mean other runs as
soon as fuzz.py changes, so what was found wants a test of its own as well.
"""

import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402

SEEDS = HERE / "seeds.txt"
BLOCK = 100  # runs of one process
SILENCE = 60  # seconds without a line after which a run counts as hung
REPORTS = re.compile(r"ERROR: (\w+Sanitizer.*)|(runtime error: .*)|(panicked at .*)|(Assertion .*)")


def world():
    """What is preloaded."""
    library = harness.BUILD / "fuzz" / "world.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "world.c", "-ldl"], check=True)
    return library


def default_binary():
    """What tests/run.py has built last for this."""
    found = sorted(harness.BUILD.glob("unix-*-asan-*/micropython"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit("there is no binary: make fuzz builds one")
    return found[-1]


class Fuzzer:
    def __init__(self, binary):
        library = world()
        # Twice the usual heap: what a run sent stays, to be compared with what is read.
        self.command = ["nice", binary, "-X", "heapsize=4m", HERE / "fuzz.py", library]
        # Its memory is in the collector's heap, which the leak checker looks through: what a dead
        # object holds counts as held. So a leak shows late, if it does.
        options = "detect_leaks=0:verify_asan_link_order=0:halt_on_error=1"
        self.env = dict(os.environ, LD_PRELOAD=str(library), ASAN_OPTIONS=options, TZ="UTC")
        self.runs = 0
        self.failures = {}  # seed -> what was wrong

    def block(self, first, count, end=None):
        """Runs of one process, which ends when one crashes or time is up: how many it began."""
        seed, begun, over = None, 0, False
        command = [str(word) for word in [*self.command, first, count]]
        with subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            other = []
            for line in harness.lines(process.stdout, SILENCE):
                if line.startswith("@"):
                    if end and time.monotonic() > end:
                        process.kill()
                        return begun
                    seed = int(line[1:])
                    begun += 1
                elif line.startswith("!"):
                    self.failures.setdefault(seed, []).append(line[1:])
                elif line == "ok":
                    self.runs += 1
                elif line == "end":
                    over = True
                else:
                    other.append(line)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                other = ["hung"]
        if not over or process.returncode:
            text = "\n".join(other)
            said = REPORTS.search(text)
            status = process.returncode
            ended = said[0] if said else signal.Signals(-status).name if status < 0 else f"status {status}"
            self.failures.setdefault(seed, []).append(f"{ended}\n{text[-5000:]}")
            self.runs += 1
        return begun

    def fuzz(self, first, runs=None, seconds=None):
        """From a seed on."""
        end = seconds and time.monotonic() + seconds
        said, seed = time.monotonic(), first
        while (end is None or time.monotonic() < end) and (runs is None or seed < first + runs):
            seed += self.block(seed, min(BLOCK, first + runs - seed) if runs else BLOCK, end)
            if time.monotonic() - said > 60:
                said = time.monotonic()
                print(f"fuzz: {self.runs} runs, {len(self.failures)} failed", flush=True)
            if len(self.failures) >= 20:
                break


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="built with --asan; default: what make fuzz built last")
    parser.add_argument("--seed", type=int, help="show this run")
    parser.add_argument("--first", type=int, default=int(time.time()), help="the first seed; default: now")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seconds", type=int)
    args = parser.parse_args()
    fuzzer = Fuzzer(args.binary or default_binary())
    if args.seed is not None:
        command = [str(word) for word in [*fuzzer.command, args.seed, 1, "trace"]]
        return subprocess.run(command, env=fuzzer.env).returncode
    known = [int(line.split()[0]) for line in SEEDS.read_text().splitlines() if line[:1].isdigit()]
    for seed in known:
        fuzzer.block(seed, 1)
    if not args.runs and not args.seconds:
        args.seconds = 60
    print(f"fuzz: {len(known)} known seeds, then from {args.first} on", flush=True)
    start = time.monotonic()
    fuzzer.fuzz(args.first, args.runs, args.seconds)
    for seed, problems in fuzzer.failures.items():
        print(f"FAIL seed {seed}: {problems[0].splitlines()[0]}")
        print("\n".join(problems)[:6000])
    fresh = [seed for seed in fuzzer.failures if seed not in known]
    if fresh:
        with SEEDS.open("a") as file:
            file.write("".join(f"{seed}\n" for seed in fresh))
    if fuzzer.failures:
        print("tests/fuzz/run.py --seed N shows what a run does; if it does well alone, those before it")
        print("in its process matter: --first (N - 99) --runs 100")
    print(f"fuzz: {fuzzer.runs} runs in {time.monotonic() - start:.0f} s")
    failed = len(fuzzer.failures)
    print(harness.counts_line(max(0, fuzzer.runs - failed), failed, 0))
    return 1 if failed or not fuzzer.runs else 0


if __name__ == "__main__":
    sys.exit(main())
