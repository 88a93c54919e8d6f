#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""`make coverage`: which lines of src/ and c_glue/ the tests reach.

The core's tests (cargo test), with TLS 1.2 alone and with all there is; BoGo; and on the unix port's
coverage variant, with the Rust in it instrumented as well, our tests with TLS 1.2 alone and with all
there is, upstream's, those with peers over datagrams and streams, a fifth of torture, and threads that
share connections. Rust is counted by rustc's instrumentation and read by the llvm-cov of rustc's LLVM,
C by GCC and gcov.

Prints a table, and writes what is not reached to build/coverage/missed.txt. Fails where less than 95 %
is reached, or tests/unreached.txt has no reason for a function with lines that are not. `--report` looks
at the counts of the run before.
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
COUNTS = OUT / "lines.json"
REASONS = ROOT / "tests/unreached.txt"
LEAST = 95  # percent
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


def unix(tls13):
    """The tests of the coverage variant; its program. What is alike at TLS 1.2 and 1.3 runs with the latter."""
    version = run.default_version()
    out = OUT / ("unix-tls13" if tls13 else "unix")
    # What writes the counters at exit is in cargo's archive; the module's own takes only what it calls.
    archive = out / f"rust/{platform.machine()}-unknown-linux-gnu/release/libmicropython_ssl.a"
    options = [f"MPSSL_CARGO=env RUSTFLAGS={INSTRUMENT} cargo"]
    options += [f"LDFLAGS_EXTRA=-Wl,-u,__llvm_profile_runtime {archive}"]
    options += [f"MPSSL_TLS13={int(tls13)}", "MPSSL_CRL=1", "MPSSL_KEYLOG=1", "MPSSL_MEMORY=1"]
    command = [ROOT / "ports/unix/build.sh", "--micropython", run.tree_of(version), "--mbedtls", run.mbedtls_dir()]
    command += ["--variant", "coverage", "--modules", ROOT / "tests/torture", "--out", out]
    status, output = harness.run([*command, *options], 900)
    if status != 0:
        sys.exit(f"coverage.py: the unix port does not build\n{output[-3000:]}")
    program = out / "micropython"
    results = run.own_tests(version, "coverage", program, "-lines", slower=2, debug=True)
    if tls13:
        for _, some in upstream.run_suites(
            run.tree_of(version), program, "coverage", ("extmod", "multi_net"), label="lines", slower=2
        ):
            results += some
        env = {"MICROPYTHON": program, "MICROPYTHON_CRL": program}
        # Upstream's modwebrepl.c does not compile with the coverage variant's warnings.
        env["MICROPYTHON_WEBREPL"] = run.build(version, "standard", "--webrepl")
        for name in ("datagrams", "consumers"):
            runner = [sys.executable, ROOT / f"tests/{name}/run.py"]
            results += run.child(name, runner, 3600, env)
        torture = [sys.executable, ROOT / "tests/torture/run.py", "--binary", program, "--variant", "coverage"]
        results += run.child("torture", [*torture, "--counted", "--step", "5"], 3600)
        results.append(run.stress_threads("threads", program))
    counted(results)
    return program


def bogo():
    """The core beneath BoGo; its program."""
    env = {"RUSTFLAGS": INSTRUMENT, "MICROPYTHON_DIR": run.tree_of(run.default_version())}
    env |= {"MBEDTLS_DIR": run.mbedtls_dir(), "CARGO_TARGET_DIR": OUT / "bogo"}
    counted(list(run.child("bogo", [sys.executable, ROOT / "tests/bogo/run.py", "--tls13"], 3600, env)))
    return next(path for path in (OUT / "bogo/debug/deps").glob("bogo_shim-*") if not path.suffix)


def counted(results):
    """What fails is the tests' business; here it says that a count is too small."""
    print(f"   {harness.counts_line(*harness.count(results))}", flush=True)
    for result in results:
        if result.outcome == "fail":
            print(f"   fail {result.name}: {result.reason}", flush=True)


def rust_lines(builds):
    """File -> line -> whether it was reached, by any of the builds, each a list of programs."""
    profile = OUT / "rust.profdata"
    raw = sorted((OUT / "raw").glob("*.profraw"))
    subprocess.run([llvm("llvm-profdata"), "merge", "-sparse", "-o", profile, *raw], check=True)
    lines = {}
    # One by one: of a function that has its name in several, as those that C calls, llvm-cov takes the first.
    for programs in builds:
        objects = [word for program in programs[1:] for word in ("-object", program)]
        command = [llvm("llvm-cov"), "export", "-format=lcov", f"-instr-profile={profile}", programs[0], *objects]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
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


# Where a function begins: `fn name` of Rust; a line of C that is not indented, with a parenthesis.
BEGINS = {".rs": r"\s*(?:pub(?:\(\w+\))? |const |unsafe |extern \"C\" )*fn (\w+)", ".c": r"\w[^;=]*?(\w+)\("}


def function_of(path, text, number):
    """The function that the line is in."""
    begins = re.compile(BEGINS[Path(path).suffix])
    names = (begins.match(line) for line in reversed(text[:number]))
    return next((match[1] for match in names if match), "-")


def reasons():
    """What tests/unreached.txt names, as (file, function), each a function that has a reason."""
    named = set()
    for line in REASONS.read_text().splitlines():
        if line.startswith(" "):
            path, functions = line.strip().split(": ")
            named |= {(path, function) for function in functions.split()}
    return named


def report(lines):
    """The table; what was missed goes to a file, with its function and text. Whether enough is reached, and
    each that is not has its reason."""
    missed = []
    functions = set()
    total = [0, 0]
    print(f"\n{'file':<44}  lines  reached  percent")
    for name, of_file in sorted(lines.items()):
        reached = sum(of_file.values())
        total = [total[0] + len(of_file), total[1] + reached]
        print(f"{name:<44}{len(of_file):>7}{reached:>9}{100 * reached / len(of_file):>9.1f}")
        text = (ROOT / name).read_text().splitlines()
        for number in sorted(number for number, hit in of_file.items() if not hit):
            function = function_of(name, text, number)
            functions.add((name, function))
            missed.append(f"{name}:{number}: {function}: {text[number - 1].strip()}\n")
    (OUT / "missed.txt").write_text("".join(missed))
    percent = 100 * total[1] / total[0]
    print(f"{'all of it':<44}{total[0]:>7}{total[1]:>9}{percent:>9.1f}")
    print(f"\nnot reached: {len(missed)} lines of {len(functions)} functions, {(OUT / 'missed.txt').relative_to(ROOT)}")
    named = reasons()
    for name, function in sorted(functions - named):
        print(f"no reason: {name}: {function}")
    # Not an error: which thread is faster differs.
    for name, function in sorted(named - functions):
        print(f"reached, with a reason why not: {name}: {function}")
    return percent >= LEAST and functions <= named


def measure():
    """Runs all of it; file -> line -> whether it was reached."""
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(OUT / "raw", ignore_errors=True)
    # Programs of one build share a file, which each adds to.
    os.environ["LLVM_PROFILE_FILE"] = str(OUT / "raw/%8m.profraw")
    os.environ["CARGO_INCREMENTAL"] = "0"
    # Not at the end of an hour.
    llvm("llvm-profdata")
    programs = unix(False), unix(True)
    builds = [core(), core("--features", ALL_FEATURES), [bogo()], *([program] for program in programs)]
    lines = rust_lines(builds)
    for program in programs:
        for name, of_file in c_lines(program.parent).items():
            before = lines.setdefault(name, {})
            before |= {number: hit or before.get(number, False) for number, hit in of_file.items()}
    return lines


def main():
    if sys.argv[1:] != ["--report"]:
        COUNTS.write_text(json.dumps(measure()))
    counts = json.loads(COUNTS.read_text())
    lines = {name: {int(number): hit for number, hit in of_file.items()} for name, of_file in counts.items()}
    return 0 if report(lines) else 1


if __name__ == "__main__":
    sys.exit(main())
