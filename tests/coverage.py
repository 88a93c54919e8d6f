#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""`make coverage`: which lines of src/ and c_glue/ the tests reach.

The core's tests (cargo test), with TLS 1.2 alone and with all there is, and on the unix port's
coverage variant, with all there is and the Rust in it instrumented as well: upstream's tests, ours, and those with peers over datagrams and streams. Rust
is counted by rustc's instrumentation and read by the llvm-cov of rustc's LLVM, C by GCC and gcov.
Prints a table, and writes what is not reached to build/coverage/missed.txt.
"""

import gzip
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import harness  # noqa: E402
import run  # noqa: E402
import upstream  # noqa: E402
from harness import BUILD, ROOT  # noqa: E402

OUT = BUILD / "coverage"
INSTRUMENT = "-Cinstrument-coverage"
# What is off by default.
ALL_FEATURES = "tls13,keylog,crl"


def llvm(tool):
    """The path of a tool of the LLVM that rustc is made with."""
    version = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    number = re.search(r"LLVM version: (\d+)", version)[1]
    found = shutil.which(f"{tool}-{number}")
    return found or sys.exit(f"coverage.py: no {tool}-{number} here (Debian package llvm-{number})")


def core(*features):
    """The core's tests; the programs that ran."""
    command = ["cargo", "test", "--no-fail-fast", "--target-dir", OUT / "cargo", *features]
    env = {"RUSTFLAGS": INSTRUMENT, "MICROPYTHON_DIR": run.tree_of(run.default_version())}
    env |= {"MBEDTLS_DIR": run.mbedtls_dir(), "CARGO_TERM_COLOR": "never"}
    status, output = harness.run(command, 3600, ROOT, env, harness.Progress("cargo").line)
    if status != 0:
        sys.exit(f"coverage.py: the core's tests fail\n{output[-3000:]}")
    return [ROOT / path for path in re.findall(r"Running .*?\((.*?)\)", output)]


def unix():
    """The tests of the coverage variant; its program."""
    version = run.default_version()
    # What writes the counters at exit is in cargo's archive; the module's own takes only what it calls.
    archive = OUT / f"unix/rust/{platform.machine()}-unknown-linux-gnu/release/libmicropython_ssl.a"
    options = [f"MPSSL_CARGO=env RUSTFLAGS={INSTRUMENT} cargo"]
    options += [f"LDFLAGS_EXTRA=-Wl,-u,__llvm_profile_runtime {archive}"]
    options += ["MPSSL_TLS13=1", "MPSSL_CRL=1", "MPSSL_KEYLOG=1", "MPSSL_MEMORY=1"]
    command = [ROOT / "ports/unix/build.sh", "--micropython", run.tree_of(version), "--mbedtls", run.mbedtls_dir()]
    status, output = harness.run([*command, "--variant", "coverage", "--out", OUT / "unix", *options], 900)
    if status != 0:
        sys.exit(f"coverage.py: the unix port does not build\n{output[-3000:]}")
    program = OUT / "unix/micropython"
    results = []
    for _, some in upstream.run_suites(
        run.tree_of(version), program, "coverage", ("extmod", "multi_net"), label="lines", slower=2
    ):
        results += some
    results += run.own_tests(version, "coverage", program, "-lines", slower=2, debug=True)
    env = {name: program for name in ("MICROPYTHON", "MICROPYTHON_WEBREPL", "MICROPYTHON_CRL")}
    for name in ("datagrams", "consumers"):
        runner = [sys.executable, ROOT / f"tests/{name}/run.py"]
        results += run.child(name, runner, 3600, env)
    # What fails is the tests' business; here it says that a count is too small.
    print(f"   {harness.counts_line(*harness.count(results))}", flush=True)
    return program


def rust_lines(programs):
    """File -> line -> whether it was reached."""
    profile = OUT / "rust.profdata"
    raw = sorted((OUT / "raw").glob("*.profraw"))
    subprocess.run([llvm("llvm-profdata"), "merge", "-sparse", "-o", profile, *raw], check=True)
    objects = [word for program in programs[1:] for word in ("-object", program)]
    command = [llvm("llvm-cov"), "export", "-format=lcov", f"-instr-profile={profile}", programs[0], *objects]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    lines = {}
    for line in done.stdout.splitlines():
        if line.startswith("SF:"):
            path = Path(line[3:])
            inside = path.is_relative_to(ROOT / "src")
            name = str(path.relative_to(ROOT)) if inside else None
        elif line.startswith("DA:") and name:
            number, count = line[3:].split(",")[:2]
            of_file = lines.setdefault(name, {})
            of_file[int(number)] = of_file.get(int(number), False) or int(count) > 0
    return lines


def c_lines(folder):
    """The same for c_glue."""
    work = OUT / "gcov"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    notes = sorted((folder / "c_glue").glob("*.gcno"))
    subprocess.run(["gcov", "--json-format", *notes], cwd=work, check=True, stdout=subprocess.DEVNULL)
    lines = {}
    for path in work.glob("*.gcov.json.gz"):
        for file in json.loads(gzip.decompress(path.read_bytes()))["files"]:
            source = Path(folder, file["file"]).resolve()
            if source.is_relative_to(ROOT / "c_glue"):
                of_file = lines.setdefault(str(source.relative_to(ROOT)), {})
                for line in file["lines"]:
                    number = line["line_number"]
                    of_file[number] = of_file.get(number, False) or line["count"] > 0
    return lines


def report(lines):
    """The table; what was missed goes to a file, with its text."""
    missed = []
    total = [0, 0]
    print(f"\n{'file':<44}  lines  reached  percent")
    for name, of_file in sorted(lines.items()):
        reached = sum(of_file.values())
        total = [total[0] + len(of_file), total[1] + reached]
        print(f"{name:<44}{len(of_file):>7}{reached:>9}{100 * reached / len(of_file):>9.1f}")
        text = (ROOT / name).read_text().splitlines()
        missed += [f"{name}:{n}: {text[n - 1].strip()}\n" for n, hit in sorted(of_file.items()) if not hit]
    (OUT / "missed.txt").write_text("".join(missed))
    print(f"{'all of it':<44}{total[0]:>7}{total[1]:>9}{100 * total[1] / total[0]:>9.1f}")
    print(f"\nnot reached: {(OUT / 'missed.txt').relative_to(ROOT)}")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(OUT / "raw", ignore_errors=True)
    # Programs of one build share a file, which each adds to.
    os.environ["LLVM_PROFILE_FILE"] = str(OUT / "raw/%8m.profraw")
    os.environ["CARGO_INCREMENTAL"] = "0"
    # Not at the end of an hour.
    llvm("llvm-profdata")
    programs = [*core(), *core("--features", ALL_FEATURES), unix()]
    lines = rust_lines(programs) | c_lines(OUT / "unix")
    report(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
