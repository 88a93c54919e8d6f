#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""What scanners say of a server of which nothing is set but its certificate, of either kind.

    tests/scanners/run.py [MICROPYTHON]

KNOWN has what each says, and why that is; anything else is a failure, and so is an entry of KNOWN that
nothing matches (one of TLS 1.3 where the build has that). sslscan and testssl.sh are Debian's, sslyze
comes from pip, once; one that cannot be had is skipped. The last line is "N passed, N failed, N skipped".
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import harness  # noqa: E402
from harness import BUILD, ROOT, Result  # noqa: E402

WORK = BUILD / "scanners"

TEST_CA = "the test CA: nobody trusts it, its certificates are valid for decades, it revokes none"
CCM = "Mozilla's list is for browsers; small devices speak CCM (RFC 7925 4.2)"
HERE_ONLY = "of the machine that scans"


class OfTls13(str):
    """Why that is where there is TLS 1.3; without it nothing may match."""


KNOWN = {
    "sslscan": {
        r"TLS_\w+ is acceptable": OfTls13("its word for any suite of TLS 1.3"),
        r"ECDHE-ECDSA-AES(128|256)-CCM8? is acceptable": CCM,
    },
    "sslyze": {
        r"FAILED - Not compliant": "as the following say",
        r"certificate_path_validation: ": TEST_CA,
        r"maximum_certificate_lifespan: ": TEST_CA,
        r"FAILED - Certificate is NOT Trusted": TEST_CA,
        r"ERROR - Could not build verified chain": TEST_CA,
        r"ciphers: Cipher suites \{('TLS_ECDHE_ECDSA_WITH_AES_(128|256)_CCM(_8)?'(, )?)+\} are supp": CCM,
        r"ciphersuites: TLS 1.3 cipher suites \{('TLS_AES_128_CCM(_8)?_SHA256'(, )?)+\} are supp": OfTls13(CCM),
        r"tls_curves: TLS curves \{'secp521r1'\} are supported": "Mozilla's list ends with secp384r1",
    },
    "testssl.sh": {
        r"CRITICAL cert_chain_of_trust: ": TEST_CA,
        r"HIGH cert_validityPeriod: ": TEST_CA,
        r"HIGH cert_revocation: ": TEST_CA,
        r"LOW DNS_CAArecord: ": "127.0.0.1 has no DNS",
        r"WARN engine_problem: ": HERE_ONLY,
    },
}
# What is off by default. With it, a scanner that says no more than before does not look.
WEAK = ("TLS-RSA-WITH-AES-128-CBC-SHA", "TLS-ECDHE-RSA-WITH-AES-128-CBC-SHA")


class Missing(Exception):
    """A scanner cannot be had; the message says why."""


class Wrong(Exception):
    """A scanner has not done what it is for."""


def program(name, package):
    found = shutil.which(name)
    if not found:
        raise Missing(f"{name} is missing (Debian package: {package})")
    return found


def scan(command, timeout, env=None):
    status, output = harness.run(["nice", *command], timeout, WORK, env)
    if status is None:
        raise Wrong(f"ran out of time\n{output[-2000:]}")
    return output


def is_of_tls13(suite):
    return suite.startswith("TLS1-3-")


def sslscan(port, suites):
    """What it says, but for suites and protocols that are as they should be."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        output = scan([program("sslscan", "sslscan"), f"--xml={file.name}", f"127.0.0.1:{port}"], 120)
        try:
            test = xml.etree.ElementTree.parse(file.name).find("ssltest")
        except xml.etree.ElementTree.ParseError as error:
            raise Wrong(f"{error}\n{output[-2000:]}") from None
    ciphers = test.findall("cipher")
    if len(ciphers) != len(suites):
        raise Wrong(f"{len(ciphers)} suites, where {len(suites)} are enabled\n{output}")
    for cipher in ciphers:
        if cipher.get("strength") != "strong":
            yield f"{cipher.get('cipher')} is {cipher.get('strength')}"
    versions = {"tls1.3" if is_of_tls13(suite) else "tls1.2" for suite in suites}
    for protocol in test.findall("protocol"):
        version = protocol.get("type") + protocol.get("version")
        if protocol.get("enabled") != str(int(version in versions)):
            yield f"{version} is {protocol.get('enabled')}"
    for name, attribute in (("heartbleed", "vulnerable"), ("renegotiation", "supported"), ("compression", "supported")):
        for found in test.findall(name):
            if found.get(attribute) != "0":
                yield f"{name} {attribute}"
    certificate = test.find("certificates/certificate")
    if certificate.find("pk").get("error") != "false" or certificate.findtext("expired") != "false":
        yield "certificate"


def sslyze(port, suites):
    """What is not as Mozilla's "intermediate" has it, and what it calls vulnerable itself."""
    report = WORK / "sslyze.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-W", "ignore", "-m", "sslyze", f"--json_out={report}"]
    output = scan([*command, f"127.0.0.1:{port}"], 240, {"PYTHONPATH": bring_sslyze()})
    if not report.exists():
        raise Wrong(output[-2000:])
    [server] = json.loads(report.read_text())["server_scan_results"]
    results = server["scan_result"]
    accepted = [results[f"tls_1_{minor}_cipher_suites"]["result"]["accepted_cipher_suites"] for minor in (2, 3)]
    accepted = sorted(each["cipher_suite"]["name"] for each in sum(accepted, []))
    if accepted != sorted(suite.replace("TLS1-3-", "TLS-").replace("-", "_") for suite in suites):
        raise Wrong(f"the server has {accepted}")
    for name, result in results.items():
        if result["status"] not in ("COMPLETED", "NOT_SCHEDULED"):
            yield f"{name}: {result['status']}"
    checks = output.partition("COMPLIANCE AGAINST TLS CONFIGURATION")
    if not checks[1]:
        raise Wrong(output[-2000:])
    yield from re.findall(r"^.*\b(?:VULNERABLE|INSECURE|WEAK|FAILED|ERROR|WARNING)\b.*$", output, re.M)
    yield from re.findall(r"^ +\* (.*)$", checks[2], re.M)


def bring_sslyze():
    """Where it is, with what it imports."""
    target = WORK / "sslyze"
    reason = harness.install(HERE / "sslyze.txt", target, 300, only_binary=False)
    if reason:
        raise Missing(reason)
    return target


def testssl(port, suites):
    """What it gives a severity."""
    report = WORK / "testssl.json"
    report.unlink(missing_ok=True)
    # Not the simulated clients, each of which is a handshake as any other.
    options = ["-p", "-s", "-f", "-P", "-S", "-U", "--warnings=batch", "--color", "0", "--jsonfile", report]
    output = scan([program("testssl", "testssl.sh"), *options, f"127.0.0.1:{port}"], 600)
    found = json.loads(report.read_text()) if report.exists() else []
    said = {each["id"]: each["finding"] for each in found}
    for test in ("TLS1_2", "cipherlist_STRONG", "PFS", "TLS_timestamp", "cert_keySize", "heartbleed", "ROBOT", "LUCKY13"):
        if test not in said:
            raise Wrong(f"{test} is not there\n{output[-2000:]}")
    if said["TLS_timestamp"] != "random":
        yield f"TLS_timestamp: {said['TLS_timestamp']}"
    for each in found:
        if each["severity"] not in ("OK", "INFO", "DEBUG"):
            yield f"{each['severity']} {each['id']}: {each['finding']}"


def serve(micropython, key, *more):
    """The process, its port, and the suites that it has for this key."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = BUILD / "certs" / f"{key}.pem", BUILD / "certs" / f"{key}.key"
    command = [micropython, HERE / "server.py", port, *files, *more]
    with open(WORK / f"server-{key}.log", "w") as log:
        server = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=log, text=True)
    ready, *enabled = server.stdout.readline().split()
    assert ready == "READY"
    other = {"ec": "-RSA-", "rsa": "-ECDSA-"}[key]
    return server, port, [suite for suite in enabled if other not in suite]


def main():
    micropython = sys.argv[1] if len(sys.argv) > 1 else os.environ["MICROPYTHON"]
    WORK.mkdir(parents=True, exist_ok=True)
    status, output = harness.run(["sh", ROOT / "tests/certs/make_certs.sh", BUILD / "certs"], 120)
    assert status == 0, output
    has_tls13 = harness.has_tls13(micropython)
    results = []

    def result(name, outcome, reason="", details=""):
        print(f"{ {'pass': 'PASS', 'fail': 'FAIL', 'skip': 'skip'}[outcome] } {name}" + (f": {reason}" if reason else ""))
        if details:
            print(details)
        sys.stdout.flush()
        results.append(Result(name, outcome, reason))

    for name, look in (("sslscan", sslscan), ("sslyze", sslyze), ("testssl.sh", testssl)):
        expected = {
            pattern for pattern, why in KNOWN[name].items() if has_tls13 or not isinstance(why, OfTls13)
        }
        unused = set(expected)
        for key, more in (("ec", ()), ("rsa", ()), ("rsa", WEAK)):
            label = f"{name}, {key}" + (", with suites that are off by default" if more else "")
            server, port, suites = serve(micropython, key, *more)
            try:
                said = list(look(port, suites))
            except Missing as why:
                result(label, "skip", str(why))
                unused.clear()
                continue
            except Wrong as why:
                result(label, "fail", str(why).partition("\n")[0], str(why))
                continue
            finally:
                alive = server.poll() is None
                server.kill()
                server.wait()
            new = []
            for words in said:
                known = [pattern for pattern in expected if re.search(pattern, words)]
                unused.difference_update(known)
                if not known:
                    new.append(words.strip())
            if not alive:
                result(label, "fail", "the server has ended")
            elif bool(new) == bool(more):
                result(label, "pass")
            else:
                result(label, "fail", f"{len(new)} findings", "\n".join(new))
        for pattern in sorted(unused):
            result(f"{name}, what KNOWN has", "fail", f"nothing matches {pattern}")
    counts = harness.count(results)
    print(harness.counts_line(*counts))
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
