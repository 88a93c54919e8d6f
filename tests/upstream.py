#!/usr/bin/env python3
"""Runs MicroPython's own TLS tests, unmodified, with its own runners, against one binary.

    tests/upstream.py --micropython-dir DIR --binary FILE --variant standard|coverage
                      [--suite extmod|multi_net|net_hosted]... [--stock] [--micropython-lib DIR]

extmod      tests/extmod/{ssl,tls}*.py            run-tests.py
multi_net   tests/multi_net/*{ssl,tls}*.py        run-multitests.py, two instances
net_hosted  tests/net_hosted/ssl*.py              run-tests.py; the public host is a local server

A skip that EXPLAINED_SKIPS does not list counts as a failure, so that a feature cannot vanish
silently. --stock, for MicroPython's own module, only counts skips: its `ssl` is a Python file
of micropython-lib, which --micropython-lib (or the tree's own lib/micropython-lib) supplies.

The last line is `N passed, N failed, N skipped`; the exit status is 1 when a test failed.
"""

import argparse
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import harness  # noqa: E402

SUITES = ("extmod", "multi_net", "net_hosted")

# Test (without folder and .py) -> why it may print SKIP with our module, and in which variants.
EXPLAINED_SKIPS = {
    "ssl_ioctl": {"standard": "SSLSocket.ioctl is a test aid of the coverage variant, as upstream"},
    "ssl_poll": {"standard": "SSLSocket.ioctl is a test aid of the coverage variant, as upstream"},
}

# What the stock module lacks, for the reader of a --stock run.
STOCK_SKIPS = {
    "ssl_ioctl": "stock has SSLSocket.ioctl in the coverage variant only",
    "ssl_poll": "stock has SSLSocket.ioctl in the coverage variant only",
    "ssl_getpeercert": "stock's configuration keeps no peer certificate",
    "sslcontext_getpeercert": "stock's configuration keeps no peer certificate",
}


def run_suite(suite, upstream, binary, env=None, slower=1):
    """A list of Result. `slower` stretches the time limits, for valgrind and sanitizers."""
    options = {"env": env, "on_line": harness.Progress(suite).line}
    if suite == "extmod":
        files = upstream.select("extmod", r"^(ssl|tls)_")
        return upstream.run_single(binary, files, 300 * slower, **options)
    if suite == "multi_net":
        files = upstream.select("multi_net", r"ssl|tls")
        return upstream.run_multi(binary, files, 600 * slower, **options)
    files = upstream.select("net_hosted", r"^ssl")
    hosts = set()
    for name in files:
        text = (upstream.tests / name).read_text()
        hosts.update(re.findall(r'getaddrinfo\("([^"]+)", (\d+)\)', text))
    if len(hosts) != 1:
        return [harness.Result(f, "fail", f"the tests name {len(hosts)} hosts: {hosts}") for f in files]
    host, port = hosts.pop()
    prefix = [harness.ROOT / "tests/net_hosted.sh", host, port, upstream.work / "server"]
    status, _ = harness.run([*prefix, "true"], 60)
    if status == 125:
        reason = "no network namespace can be made here"
        return [harness.Result(f, "skip", reason) for f in files]
    return upstream.run_single(binary, files, 200 * slower, prefix=prefix, **options)


def explain_skips(results, stock, variant):
    """Gives each skip its reason; one without a reason is a failure of ours."""
    for r in results:
        if r.outcome != "skip" or r.reason.startswith("no network"):
            continue
        name = Path(r.name).stem
        if stock:
            r.reason = STOCK_SKIPS.get(name, r.reason)
        elif variant in EXPLAINED_SKIPS.get(name, {}):
            r.reason = EXPLAINED_SKIPS[name][variant]
        else:
            r.outcome, r.reason = "fail", "skipped, and EXPLAINED_SKIPS does not say why"


def not_at_tls13(results):
    """TLS 1.3's client has shaken hands before the server looks at its certificate: the alert comes
    when it reads, which this test does not. The section tls12 runs it."""
    for r in results:
        if r.outcome == "fail" and Path(r.name).stem == "asyncio_tls_server_client_cert_required_error":
            r.outcome, r.reason = "skip", "at TLS 1.3 the client is refused when it reads, which it does not do"


def stock_ssl_py(tree, library):
    """micropython-lib's ssl.py, without which most tests of the stock module skip."""
    for base in (library, Path(tree) / "lib/micropython-lib"):
        path = Path(base) / "python-stdlib/ssl/ssl.py" if base else None
        if path and path.is_file():
            return [path]
    return []


def run_suites(tree, binary, variant, suites=SUITES, stock=False, library=None, label="", **options):
    """Runs the suites; yields (suite, list of Result) as each is done.

    `label` keeps apart the working copies of runs with other builds of the same variant.
    """
    version = harness.micropython_version(tree)
    kind = label or ("stock" if stock else "ours")
    extra = stock_ssl_py(tree, library) if stock else []
    for suite in suites:
        work = harness.BUILD / "upstream" / f"{kind}-{version}-{variant}-{suite}"
        upstream = harness.UpstreamTests(tree, work)
        upstream.prepare(extra)
        results = run_suite(suite, upstream, binary, **options)
        explain_skips(results, stock, variant)
        if not stock and harness.has_tls13(binary):
            not_at_tls13(results)
        for r in results:
            r.name = f"{version} {variant} {r.name}"
        yield suite, results


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--micropython-dir", required=True, type=Path)
    parser.add_argument("--binary", required=True, type=Path)
    parser.add_argument("--variant", default="standard")
    parser.add_argument("--suite", action="append", choices=SUITES)
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--micropython-lib", type=Path)
    parser.add_argument("-v", "--verbose", action="store_true", help="print passing tests too")
    args = parser.parse_args()

    if args.stock and not stock_ssl_py(args.micropython_dir, args.micropython_lib):
        print("note: no micropython-lib, so stock has no `ssl` and most of its tests skip")
    rows = []
    everything = []
    for suite, results in run_suites(
        args.micropython_dir,
        args.binary,
        args.variant,
        args.suite or SUITES,
        args.stock,
        args.micropython_lib,
    ):
        harness.print_results(results, args.verbose)
        rows.append((suite, *harness.count(results)))
        everything += results

    version = harness.micropython_version(args.micropython_dir)
    title = f"MicroPython {version} {args.variant}, {'stock' if args.stock else 'ours'}"
    print(f"{title:<34}  passed  failed  skipped")
    for suite, *numbers in rows:
        print(f"  {suite:<32}" + "".join(f"{n:>8}" for n in numbers))
    totals = harness.count(everything)
    print(harness.counts_line(*totals))
    return 1 if totals[1] or not everything else 0


if __name__ == "__main__":
    sys.exit(main())
