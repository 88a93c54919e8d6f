#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Multiplication on P-256 takes the same number of instructions whatever the secret.

    tests/constant_time/run.py [MULTIPLICATIONS]

Runs handshakes under callgrind in the firmware that MICROPYTHON names, and counts the
instructions of each call that the linker sends to Rust: its own and those of all that it calls,
less the C library's, whose allocator takes what its lists make it take. Half of the calls are
with the generator, the other half with a peer's key: one number must come out.

That a table is not read at an address that depends on a secret, no count shows: RustCrypto's
primeorder reads every entry each time.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "__wrap_mbedtls_ecp_mul_restartable"
TIMEOUT_S = 600


def instructions(dump, binary):
    """Instructions of the binary's functions in one of callgrind's dumps, each without those
    it calls."""
    total, counts, called = 0, False, False
    for line in dump.splitlines():
        if line.startswith("ob="):
            counts = line == f"ob={binary}"
        elif line.startswith("calls="):
            called = True  # the next line is what the call cost
        elif re.match(r"\d+ \d+$", line):
            total += int(line.split()[1]) if counts and not called else 0
            called = False
    return total


def main():
    multiplications = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    binary = Path(os.environ.get("MICROPYTHON") or ROOT / "build/unix/micropython").resolve()
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        # Whole names and numbers, so that a line can be read alone.
        command += ["--compress-strings=no", "--compress-pos=no", "--combine-dumps=no"]
        command += [f"--toggle-collect={FUNCTION}", f"--dump-after={FUNCTION}"]
        command += [binary, ROOT / "tests/constant_time/handshakes.py"]
        command += [str(-(-multiplications // 4)), ROOT / "tests/micropython/support"]
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=TIMEOUT_S
        )
        if done.returncode != 0:
            print(f"{done.stdout}{done.stderr}")
            print(f"FAIL constant_time: ended with status {done.returncode}")
            print("0 passed, 1 failed, 0 skipped")
            return 1
        counts = collections.Counter()
        for dump in Path(folder).glob("out.*"):
            text = dump.read_text()
            if f"Trigger: --dump-after={FUNCTION}" in text:
                counts[instructions(text, binary)] += 1
    # Each of the two contexts makes sure that the linker did its work, which multiplies nothing.
    counts = collections.Counter({n: times for n, times in counts.items() if n > 1000})
    for number, times in counts.most_common(10):
        print(f"{times} multiplications of {number:,} instructions")
    right = len(counts) == 1
    enough = sum(counts.values()) >= multiplications
    if not (right and enough):
        print(
            f"FAIL constant_time: {len(counts)} numbers of instructions in {sum(counts.values())} calls"
        )
    print(f"{int(right and enough)} passed, {int(not (right and enough))} failed, 0 skipped")
    return 0 if right and enough else 1


if __name__ == "__main__":
    sys.exit(main())
