#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""BoGo, BoringSSL's test runner, at the core: a peer that breaks the protocol in thousands of ways.

    run.py              all of it, at TLS 1.2
    run.py --tls13      all of it, in a build with TLS 1.3
    run.py PATTERN...   the tests of these names, with what each says
    run.py --figures    both, and docs/bogo.json, from which `make docs` writes the figures

The runner is built from the crate boring-sys with Go from PyPI; shim.rs is our end. config.json has
what is not run, as it is not offered; what is expected to fail, each with its reason; and which of our
errors is which of BoringSSL's. What holds in builds of one kind only is under "WithTls13" and
"WithoutTls13". A test that is expected to fail and passes fails the run: the list only shrinks.
"""

import argparse
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.dont_write_bytecode = True

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402
from harness import BUILD, ROOT  # noqa: E402

WORK = BUILD / "bogo"
TREE = "boringssl-5.4.0"
RUNNER = "ssl/test/runner"
# Where Debian's packages have Go's modules.
MODULES = Path("/usr/share/gocode/src")
# Keys that the runner has compiled in, and the crate leaves out.
KEYS = {
    "rsa_2048": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa_1024": ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    **{f"ecdsa_p{n}": ["EC", "-pkeyopt", f"ec_paramgen_curve:P-{n}"] for n in (256, 384, 521)},
    "ed25519": ["ED25519"],
    "channel_id": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
}


class Failed(Exception):
    """What cannot be built; the message has the end of the log."""


def do(command, timeout, env=None, cwd=ROOT):
    status, output = harness.run(command, timeout, cwd, env)
    if status != 0:
        raise Failed(f"{' '.join(str(word) for word in command[:3])}: status {status}\n{output[-3000:]}")
    return output


def go():
    """The Go toolchain."""
    place = WORK / "go"
    reason = harness.install(HERE / "go.txt", place, 600)
    if reason:
        raise Failed(reason)
    return place / "go/bin/go"


def runner():
    """The runner's program."""
    program = WORK / "runner"
    do([ROOT / "tools/sources.sh", TREE], 300)
    source = BUILD / "src" / TREE
    stamp = WORK / "runner.made-of"
    made_of = (source / ".unpacked").read_text() + (HERE / "go.txt").read_text()
    if program.exists() and stamp.exists() and stamp.read_text() == made_of:
        return program
    tree = WORK / "path/src/boringssl.googlesource.com/boringssl.git"
    shutil.rmtree(WORK / "path", ignore_errors=True)
    for part in (RUNNER, "util/testresult"):
        shutil.copytree(source / part, tree / part)
    # The tree is read-only.
    do(["chmod", "-R", "u+w", tree], 30)
    for modules in ("golang.org", "filippo.io"):
        (WORK / "path/src" / modules).symlink_to(MODULES / modules)
    for name, kind in KEYS.items():
        do(["openssl", "genpkey", "-out", tree / RUNNER / f"{name}_key.pem", "-algorithm", *kind], 60)
    env = {"GO111MODULE": "off", "GOPATH": WORK / "path", "GOCACHE": WORK / "cache", "GOFLAGS": ""}
    env |= {"GOTOOLCHAIN": "local", "GOROOT": "", "CGO_ENABLED": "0"}
    do([go(), "test", "-c", "-o", program, "."], 900, env, tree / RUNNER)
    shutil.rmtree(WORK / "cache", ignore_errors=True)
    stamp.write_text(made_of)
    return program


def config_for(tls13):
    """config.json for a build with TLS 1.3, or without."""
    config = json.loads((HERE / "config.json").read_text())
    others = config.pop("WithoutTls13"), config.pop("WithTls13")
    for key, more in others[tls13].items():
        config[key] |= more
    return config


def shim(tls13):
    """Our end, with the Mbed TLS that MBEDTLS_DIR names."""
    command = ["cargo", "test", "--quiet", "--test", "bogo_shim", "--no-run", "--message-format", "json"]
    command += ["--features", "tls13"] if tls13 else []
    output = do(command, 1500, {"CARGO_TERM_COLOR": "never"})
    for line in output.splitlines():
        if line.startswith("{") and (made := json.loads(line).get("executable")):
            return made
    raise Failed(f"cargo names no program\n{output[-2000:]}")


def run(program, ours, config, patterns):
    """Test -> (PASS, FAIL or SKIP, what was said)."""
    results = WORK / "results.json"
    results.unlink(missing_ok=True)
    merged = WORK / "config.json"
    merged.write_text(json.dumps(config))
    command = [program, "-shim-path", ours, "-shim-config", merged, "-json-output", results]
    command += ["-include-disabled", "-allow-unimplemented", "-pipe", "-idle-timeout", "10s"]
    command += ["-num-workers", str(2 * (os.cpu_count() or 1)), "-skip", ";".join(config["NotRun"])]
    command += ["-test", ";".join(patterns)]
    status, output = harness.run(command, 1500, WORK)
    (WORK / "runner.log").write_text(output)
    if not results.exists():
        raise Failed(f"the runner ended with status {status}\n{output[-3000:]}")
    said = re.split(r"^(?:PASSED|UNIMPLEMENTED) .*\n|^FAILED \((.*)\)\n", output, flags=re.M)
    said = {name: text for name, text in zip(said[1::2], said[2::2]) if name}
    tests = json.loads(results.read_text())["tests"]
    return {name: (test["actual"], said.get(name, "")) for name, test in tests.items()}


def judge(results, disabled, whole):
    """What went wrong, as (name, why, details); and how many failed for which reason."""
    wrong, failed, idle = [], Counter(), set(disabled)
    for name, (outcome, said) in sorted(results.items()):
        pattern = next((p for p in disabled if fnmatch.fnmatchcase(name, p)), None)
        if outcome == "FAIL" and pattern:
            failed[disabled[pattern]] += 1
            idle.discard(pattern)
        elif outcome == "FAIL":
            wrong.append((name, "fails, and config.json has no reason", said))
        elif outcome == "PASS" and pattern:
            wrong.append((name, "passes: strike it off config.json", ""))
    if whole:
        wrong += [(pattern, "no test of that name fails: strike it off config.json", "") for pattern in sorted(idle)]
    return wrong, failed


def test(tls13, patterns):
    """Runs them and says what came of it: how many passed, went wrong; and the figures, if none did."""
    config = config_for(tls13)
    try:
        results = run(runner(), shim(tls13), config, patterns)
    except Failed as why:
        print(f"FAIL bogo: {why}")
        return 0, 1, None
    wrong, failed = judge(results, config["DisabledTests"], not patterns)
    counts = Counter(outcome for outcome, _ in results.values())
    for name, why, said in wrong:
        print(f"FAIL {name}: {why}")
        if said:
            print(said.rstrip())
    if patterns:
        for name, (outcome, said) in sorted(results.items()):
            print(outcome, name, said.rstrip() if outcome == "FAIL" else "")
    for reason, number in failed.most_common():
        print(f"{number:>5} fail: {reason}")
    passed, listed = counts["PASS"], sum(failed.values())
    print(f"{passed} pass, {listed} fail for a reason that is listed, {counts['SKIP']} are unimplemented")
    figures = {"passed": passed, "unimplemented": counts["SKIP"], "failed": dict(failed.most_common())}
    return passed - sum(why.startswith("passes") for _, why, _ in wrong), len(wrong), None if wrong else figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--tls13", action="store_true")
    parser.add_argument("--figures", action="store_true")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    builds = {"without": False, "with": True} if args.figures else {"": args.tls13}
    results = {name: test(tls13, args.patterns) for name, tls13 in builds.items()}
    passed, wrong = (sum(result[n] for result in results.values()) for n in (0, 1))
    if args.figures and not wrong:
        git = ["git", "log", "-1", "--format=%h %cs"]
        commit, date = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        figures = {"commit": commit, "date": date} | {name: found for name, (*_, found) in results.items()}
        (ROOT / "docs/bogo.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(harness.counts_line(passed, wrong, 0))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
